"""Grading a class through the real pool: what each learner gets for what they did."""

import csv
import json
import math
import re
import shutil

import pytest

from tests.grading.small import (
    EXERCISES,
    SCALING,
    STATS,
    TEST_SCALING,
    Results,
    grade,
    run_here,
    scaling,
    write_class,
    write_small_course,
)

CODES = {"passed": "P", "wrong": "W", "error": "E", "not_started": "N", "not_reached": "-", "timeout": "T"}

STUB = "raise NotImplementedError"
CLASS = {
    "right": {},
    "ignores": {"scaling": SCALING.replace("return factor * x", "return 2.0 * x")},
    "raises": {"scaling": scaling("raise KeyError(x)")},
    "stub": {"scaling": scaling(STUB, STUB), "stats": STATS.replace("return shift(x, -x.mean())", STUB)},
    "hang": {"scaling": scaling("while True: pass")},
    "slow": {"scaling": scaling("import time; time.sleep(0.7)")},
    "drip": {"scaling": scaling(shift="import time; time.sleep(0.5)")},
    "crash": {"scaling": scaling("import os\nif factor > 2: os._exit(0)")},
    "hungry": {"scaling": scaling("bytearray(1 << 40)")},
    "import_hang": {"scaling": scaling(top="while True: pass")},
    "import_exit": {"scaling": scaling(top="raise SystemExit")},
    "forbidden": {"scaling": scaling(top="import torch")},
    "syntax": {"scaling": SCALING.replace("def scale(", "def scale((")},
    "nothing": {"scaling": ""},
    "missing": {"scaling": None},
    "subtracts": {"scaling": SCALING.replace("x + by", "x - by")},
    "in_place": {"scaling": scaling("x *= factor\nreturn x")},
    "object": {"scaling": scaling("return (value for value in x)")},
    "nan": {"scaling": scaling("return x * float('nan')")},
    "equal": {
        "scaling": scaling(top="class Equal(float):\n    __eq__ = __ge__ = lambda *_: True", scale="return Equal(1)")
    },
    "printer": {"scaling": scaling("print('hello ' * 1_000_000)", top="print('at import ' * 1000)")},
}

# By learner: shape, doubles, factor, negative of `scale`; adds, large of `shift`; the two of `centre`; points of both files.
EXPECTED = {
    "right": ("PPPP PP", "PP", 2.0, 1.0),
    "ignores": ("PPW- PP", "PP", 1.5, 1.0),
    "raises": ("EE-- PP", "PP", 1.0, 1.0),
    "stub": ("NN-- N-", "NN", 0.0, 0.0),
    "hang": ("TTTT PP", "PP", 1.0, 1.0),
    "slow": ("PPPP PP", "PP", 2.0, 1.0),  # each check has the limit for itself
    "drip": ("PPPP PT", "PP", 1.5, 1.0),  # and all calls of a check have it together
    "crash": ("PPE- PP", "PP", 1.5, 1.0),  # one check, and what builds on it; a fresh worker serves the next
    "hungry": ("EE-- PP", "PP", 1.0, 1.0),
    "import_hang": ("TTTT TT", "PP", 0.0, 1.0),  # `centre` is right: the reference stands in for `shift`
    "import_exit": ("-E-- --", "PP", 0.0, 1.0),
    "forbidden": ("-E-- --", "PP", 0.0, 1.0),
    "syntax": ("-E-- --", "PP", 0.0, 1.0),
    "nothing": ("EE-- E-", "PP", 0.0, 1.0),
    "missing": ("", "PP", 0.0, 1.0),
    "subtracts": ("PPPP W-", "PP", 1.0, 1.0),
    "in_place": ("WW-- PP", "PP", 1.0, 1.0),
    "object": ("WW-- PP", "PP", 1.0, 1.0),
    "nan": ("PWW- PP", "PP", 1.25, 1.0),
    "equal": ("WW-- PP", "PP", 1.0, 1.0),
    "printer": ("PPPP PP", "PP", 2.0, 1.0),
}
CARRIED = {"import_hang", "import_exit", "forbidden", "syntax", "nothing", "missing", "subtracts"}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    return write_small_course(tmp_path_factory.mktemp("course"))


@pytest.fixture(scope="module")
def class_folder(tmp_path_factory):
    return write_class(tmp_path_factory.mktemp("class"), CLASS)


@pytest.fixture(scope="module")
def graded(course, class_folder, tmp_path_factory):
    """The class above, graded."""
    (class_folder / "linked/week1").mkdir(parents=True)
    (class_folder / "linked/week1/scaling.py").symlink_to("/etc/passwd")
    out = tmp_path_factory.mktemp("results")
    finished = grade(course, class_folder, "--out", out, "--jobs", 2)
    assert finished.returncode == 0, finished.stderr
    return Results(out)


@pytest.mark.parametrize("learner", CLASS)
def test_every_kind_of_work_gets_its_statuses_and_points(graded, learner):
    checks, centre, points, others = EXPECTED[learner]
    codes = [CODES[status] for status in graded.statuses(learner, "week1/scaling").values()]
    assert "".join(codes) == checks.replace(" ", "")
    assert "".join(CODES[status] for status in graded.statuses(learner, "week1/stats").values()) == centre
    assert [float(cell) for cell in graded.points(learner)] == [points, others, points + others]
    assert graded.grades[learner]["status"] == "graded"


@pytest.mark.parametrize("learner", CLASS)
def test_what_builds_on_a_faulty_task_is_graded_with_the_reference_in_its_place(graded, learner):
    checks = graded.of(learner, "week1/stats")["checks"]
    assert any(check["carried"] for check in checks) == (learner in CARRIED)
    if learner in CARRIED:
        assert "passes once the reference stands in for shift" in graded.html(learner)


def test_work_that_is_not_there_is_told_from_work_that_cannot_be_read(graded):
    assert graded.of("missing", "week1/scaling")["outcome"] == "missing"
    assert graded.of("linked", "week1/scaling")["outcome"] == "refused"
    assert "scaling.py was not handed in" in graded.html("missing")
    assert "week1/scaling.py is a link; links are not followed" in graded.html("linked")
    assert graded.points("linked") == ["0", "0", "0"]


def test_learners_read_why_a_file_could_not_be_loaded(graded):
    assert "line 1 imports torch, which this exercise does not allow" in graded.html("forbidden")
    assert "SyntaxError" in graded.html("syntax")
    assert "SystemExit" in graded.html("import_exit")
    assert "week1/scaling.py could not be loaded: no answer within 1 s" in graded.html("import_hang")


def test_learners_read_what_happened_in_a_hidden_check(graded):
    def messages(learner, exercise=0):
        tasks = graded.feedback(learner)["exercises"][exercise]["tasks"]
        return {check["sentence"]: check.get("message", "") for task in tasks for check in task["checks"]}

    line = 1 + scaling("raise KeyError(x)").splitlines().index("    raise KeyError(x)")
    assert messages("raises")["scale keeps the shape"] == f"KeyError in scaling.py, line {line}"
    assert messages("in_place")["scale keeps the shape"] == "scale changed its 1st argument in place"
    assert messages("hang")["scale keeps the shape"] == "not tried again after a check that did not end"
    assert "the process ended" in messages("crash")["scale multiplies by the factor"]
    assert messages("nothing")["shift adds"] == "week1/scaling.py has no function `shift`"


def test_a_visible_check_shows_the_learner_its_card(graded):
    tasks = graded.feedback("nan")["exercises"][0]["tasks"]
    cards = {check["sentence"]: check.get("card", "") for task in tasks for check in task["checks"]}
    assert "[2 4 9]" in cards.pop("Without a factor every entry is doubled")
    assert not any(cards.values())
    assert "scale(" in graded.html("nan")


def test_output_is_for_the_instructor_and_bounded(graded):
    output = graded.of("printer", "week1/scaling")["output"]
    assert output.startswith("at import at import")
    assert len(output) <= 64 << 10
    assert "hello" not in graded.html("printer") + str(graded.feedback("printer"))


def test_the_layers_of_the_jail_are_recorded_with_every_result(graded):
    graded_results = [result for result in graded.journal if result["outcome"] == "graded"]
    assert all("seccomp" in result["layers"] for result in graded_results)


def test_every_result_is_journalled_once(graded):
    names = [(result["learner"], result["exercise"]) for result in graded.journal]
    assert len(names) == len(set(names)) == 2 * (len(CLASS) + 1)


def test_the_same_run_gives_the_same_results_whatever_the_order(graded, course, class_folder, tmp_path):
    chosen = ("right", "ignores", "nan", "subtracts", "object", "stub")
    for learner in reversed(chosen):
        shutil.copytree(class_folder / learner, tmp_path / "class" / learner)
    assert grade(course, tmp_path / "class", "--out", tmp_path / "out", "--jobs", 1).returncode == 0
    again = Results(tmp_path / "out")

    def comparable(result):
        text = json.dumps(result)
        return re.sub(r'"seconds": [\d.e-]+|0x[0-9a-f]+', "", text)  # durations and addresses in memory

    for learner in chosen:
        assert again.points(learner) == graded.points(learner)
        for exercise in EXERCISES:
            assert comparable(again.of(learner, exercise)) == comparable(graded.of(learner, exercise))


# Courses with faults of their own


FAULTY = {
    "solutions/week1/added.py": "def double(x):\n    return 2 * x\n\n\ndef halve(x):\n    return x / 2\n\n\ndef _helper(): ...\n",
    "graders/week1/test_added.py": "def test_double(learner):\n    assert learner.double(2) == 4\n",
    "solutions/week1/broken.py": "def broken(x):\n    return x\n",
    "graders/week1/test_broken.py": "import nothing_of_that_name\n\n\ndef test_broken(learner): ...\n",
    "solutions/week1/lonely.py": "def lonely(x):\n    return x\n",
    "graders/week1/test_scaling.py": TEST_SCALING.replace("[2.0, 4.0, 9.0]", "[2.0, 4.0, 7.0]"),
    "grading.yml": None,
}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """A course without exercises/ and grading.yml; only `stats` and half of `added` can be graded."""
    root = tmp_path_factory.mktemp("faulty")
    course = write_small_course(root / "course", {name: text for name, text in FAULTY.items() if text})
    (course / "grading.yml").unlink()
    added = {name: FAULTY[f"solutions/week1/{name}.py"] for name in ("added", "broken", "lonely")}
    write_class(root / "class", {"=1+1": added, "ann": added | {"stats": "def centre(x):\n    return x\n"}, "bob": {}})
    return root, grade(course, root / "class", "--out", root / "out"), Results(root / "out")


def test_a_fault_of_the_course_is_nobodys_zero(faulty):
    _, finished, results = faulty
    assert finished.returncode == 1
    header = next(csv.reader([(results.out / "grades.csv").read_text().splitlines()[0]]))
    assert header == [
        "learner",
        *(f"week1/{name}" for name in ("added", "broken", "lonely", "scaling", "stats")),
        "total",
        "possible",
        "status",
    ]
    row = list(results.grades["ann"].values())
    assert row == ["ann", "1", "", "", "", "0.5", "", row[-2], "to be graded again"]
    assert float(results.grades["ann"]["week1/stats"]) < float(results.grades["bob"]["week1/stats"]) == 1


def test_the_instructor_reads_what_is_wrong_with_the_course(faulty):
    rows = [line.split() for line in faulty[1].stdout.splitlines()]
    assert ["ann", "1.0", "again", "again", "again", "0.5", "again"] in rows
    errors = faulty[1].stderr
    assert "week1/scaling of 3 learners could not be graded" in errors
    assert "rejects its own reference in test_scale_doubles" in errors
    assert "test_broken.py cannot be collected" in errors
    assert "nothing_of_that_name" in errors
    assert "there is no" in errors and "test_lonely.py" in errors
    assert "Traceback (most recent call last)" not in errors.partition("test_broken")[0]


def test_the_learner_reads_that_it_was_not_their_fault(faulty):
    page = faulty[2].html("ann")
    assert page.count("could not be graded for reasons that are not yours; it will be graded again") == 3
    assert "rejects its own reference" not in page
    assert "nothing_of_that_name" not in page


def test_tasks_that_no_check_looks_at_are_named_and_worth_nothing(faulty):
    _, finished, results = faulty
    assert "warning: week1/added: no check that was run looks at halve; worth nothing" in finished.stderr
    assert "_helper" not in finished.stderr
    [exercise] = [e for e in results.feedback("ann")["exercises"] if e["exercise"] == "week1/added"]
    assert (exercise["earned"], exercise["possible"]) == (1, 1)


def test_a_name_that_spreadsheets_would_run_is_text(faulty):
    assert "'=1+1" in faulty[2].grades


def test_what_could_not_be_graded_is_tried_again_and_nothing_else(faulty):
    root, _, before = faulty
    shutil.copytree(root, root.parent / "again")
    course, out = root.parent / "again/course", root.parent / "again/out"
    assert grade(course, root.parent / "again/class", "--out", out).returncode == 1
    again = Results(out)
    exercises = {result["exercise"] for result in again.journal[len(before.journal) :]}
    assert exercises == {"broken", "lonely", "scaling"}


# The command line


def test_only_one_exercise_of_single_files_and_then_the_rest_with_an_empty_grading_yml(tmp_path):
    course = write_small_course(tmp_path / "course", {"grading.yml": ""})
    (tmp_path / "class").mkdir()
    for name, text in (("ann_scaling", "from nothing import x"), ("ann_stats", STATS), ("bob_stats", STATS)):
        (tmp_path / "class" / f"{name}.py").write_text(text)
    finished = grade(course, tmp_path / "class", "--out", tmp_path / "out", "--only", "stats", "--jobs", 1)
    assert finished.returncode == 0, finished.stderr
    results = Results(tmp_path / "out")
    assert {result["exercise"] for result in results.journal} == {"stats"}
    assert {learner: row["total"] for learner, row in results.grades.items()} == {"ann": "1", "bob": "1"}
    assert grade(course, tmp_path / "class", "--out", tmp_path / "out", "--jobs", 1).returncode == 0
    results = Results(tmp_path / "out")
    assert [result["exercise"] for result in results.journal] == ["stats", "stats", "scaling", "scaling"]
    assert results.points("ann") == results.points("bob") == ["0", "1", "1"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{class}/nobody", "--out", "{tmp}/out"], "no such file or folder"),
        (["{tmp}", "--out", "{tmp}/out"], "no submissions in it"),
        (["{class}", "--out", "{class}"], "is not empty and holds no results of an earlier run"),
        (["{class}", "--out", "{class}/right/week1/stats.py"], "is a file"),
        (["{class}", "--out", "{tmp}/out", "--only", "sclaing"], 'did you mean "scaling"?'),
        (["{class}"], "--out"),
        (["--out", "{tmp}/out"], "Missing argument"),
        (["{class}", "--out", "{tmp}/out", "--jobs", "0"], "--jobs"),
        (["{class}", "--out", "{results}", "--seed", "5"], "holds results of a run with other seed"),
        (["{course}/graders", "--out", "{tmp}/out"], "no file in it belongs to an exercise"),
    ],
)
def test_wrong_usage_is_explained_and_exits_2(graded, course, class_folder, tmp_path, arguments, words):
    places = {"class": class_folder, "tmp": tmp_path, "results": graded.out, "course": course}
    before = sorted(path.stat().st_mtime_ns for path in graded.out.rglob("*"))
    finished = run_here("--course", course, "grade", *(argument.format(**places) for argument in arguments))
    assert finished.exit_code == 2
    assert words in finished.output
    assert not (tmp_path / "out").exists()
    assert sorted(path.stat().st_mtime_ns for path in graded.out.rglob("*")) == before


@pytest.mark.parametrize(
    "order", [("--course", "{course}", "grade"), ("grade", "--course", "{course}"), ("grade", "--course={course}")]
)
def test_the_course_may_be_named_before_and_after_the_command(graded, course, class_folder, order):
    words = [word.format(course=course) for word in order]
    finished = run_here(*words, class_folder, "--out", graded.out)
    assert finished.exit_code == 0
    assert f"{len(graded.journal)} of {len(graded.journal)} results were there already" in finished.output


def test_a_run_with_nothing_left_to_do_says_so_and_shows_the_table(graded, course, class_folder):
    finished = grade(course, class_folder, "--out", graded.out)
    assert finished.returncode == 0
    for learner, (_, _, points, others) in EXPECTED.items():
        [line] = [line for line in finished.stdout.splitlines() if line.split()[:1] == [learner]]
        assert math.isclose(float(line.split()[-1]), points + others, abs_tol=0.05)


def test_exercises_of_different_libraries_are_all_graded_for_everybody(tmp_path):
    # stats needs a fork server of its own, because only it may import yaml
    rules = "modules: {week1: {exercises: {stats: {allow_imports: [yaml]}}}}\n"
    course = write_small_course(tmp_path / "course", {"grading.yml": rules})
    folder = write_class(tmp_path / "class", {learner: {} for learner in ("ann", "bob", "cy")})
    finished = grade(course, folder, "--out", tmp_path / "out", "--jobs", 1)
    assert finished.returncode == 0, finished.stderr
    totals = {learner: row["total"] for learner, row in Results(tmp_path / "out").grades.items()}
    assert totals == dict.fromkeys(("ann", "bob", "cy"), "3")


def test_a_course_without_any_grader_is_told_at_once(tmp_path):
    course = write_small_course(
        tmp_path / "course", {"graders/week1/test_scaling.py": None, "graders/week1/test_stats.py": None}
    )
    folder = write_class(tmp_path / "class", {"ann": {}})
    finished = grade(course, folder, "--out", tmp_path / "out", "--jobs", 1)
    assert finished.returncode == 1
    assert "test_scaling.py" in finished.stderr and "test_stats.py" in finished.stderr


def test_a_dead_worker_is_not_the_exception_that_a_check_waits_for(tmp_path):
    check = """
import pytest


def test_scale_refuses_a_negative_factor(learner):
    with pytest.raises(Exception):
        learner.scale(1.0, factor=-2.0)


def test_shift_adds(learner):
    assert learner.shift(1.0, 2.0) == 3.0
"""
    course = write_small_course(tmp_path / "course", {"graders/week1/test_scaling.py": check})
    class_ = write_class(tmp_path / "class", {"leaves": {"scaling": scaling("import os; os._exit(0)")}, "right": {}})
    assert grade(course, class_, "--out", tmp_path / "out").returncode == 0
    results = Results(tmp_path / "out")
    assert results.statuses("leaves", "week1/scaling")["scale_refuses_a_negative_factor"] == "error"
    assert results.statuses("right", "week1/scaling")["scale_refuses_a_negative_factor"] == "passed"
