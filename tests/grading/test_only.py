"""`autograder grade --only`: a part of the class, and what the results say of the rest."""

import pytest

from tests.grading.small import SCALING, Results, grade, write_class, write_small_course


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("only")
    write_small_course(root / "course")
    write_class(root / "class", {"ann": {}, "bob": {"scaling": SCALING.replace("factor * x", "2.0 * x")}, "cid": {}})
    return root


def journalled(out):
    return sorted((result["learner"], result["exercise"]) for result in Results(out).journal)


@pytest.mark.parametrize(
    "names, expected",
    [
        (["bob/scaling"], [("bob", "scaling")]),
        (["bob/week1/stats"], [("bob", "stats")]),
        (["bob"], [("bob", "scaling"), ("bob", "stats")]),
        (["ann/week1", "cid/stats"], [("ann", "scaling"), ("ann", "stats"), ("cid", "stats")]),
        (["scaling"], [("ann", "scaling"), ("bob", "scaling"), ("cid", "scaling")]),
    ],
)
def test_only_what_is_named_is_graded(root, tmp_path, names, expected):
    only = [word for name in names for word in ("--only", name)]
    done = grade(root / "course", root / "class", "--out", tmp_path / "out", *only)
    assert done.returncode == 0, done.stderr
    assert journalled(tmp_path / "out") == expected


def test_the_others_have_no_points_yet(root, tmp_path):
    grade(root / "course", root / "class", "--out", tmp_path / "out", "--only", "bob/scaling")
    grades = Results(tmp_path / "out").grades
    assert grades["bob"] | {"possible": ""} == {
        "learner": "bob", "week1/scaling": "1.5", "total": "1.5", "possible": "", "status": "graded",
    }  # fmt: skip
    assert (grades["ann"]["week1/scaling"], grades["ann"]["total"]) == ("", "")
    assert grades["ann"]["status"] == "to be graded"
    assert Results(tmp_path / "out").feedback("ann")["earned"] is None
    assert grade(root / "course", root / "class", "--out", tmp_path / "out").returncode == 0
    assert Results(tmp_path / "out").points("ann") == ["2", "1", "3"]


def test_one_work_is_graded_again_and_the_rest_stays(root, tmp_path):
    arguments = (root / "course", root / "class", "--out", tmp_path / "out")
    assert grade(*arguments).returncode == 0
    before = Results(tmp_path / "out")
    assert grade(*arguments, "--only", "bob/scaling", "--again").returncode == 0
    after = Results(tmp_path / "out")
    assert after.grades == before.grades
    assert [result["learner"] for result in after.journal[6:]] == ["bob"]


@pytest.mark.parametrize(
    "name, says",
    [
        ("bbo", "no such module, exercise or learner; did you mean"),
        ("bob/sclaing", "did you mean"),
        ("week2", "no such module, exercise or learner"),
    ],
)
def test_a_name_that_selects_nothing_is_an_error(root, tmp_path, name, says):
    refused = grade(root / "course", root / "class", "--out", tmp_path / "out", "--only", name)
    assert refused.returncode == 2
    assert says in refused.stderr
    assert not (tmp_path / "out").exists()
