"""An instructor's own nbgrader course, adopted and graded in the jail; nbgrader's own commands run before and after."""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

from tests.authoring.foreign import ARRAYS, SECRET, cell, grading, notebook, solution, write_masters
from tests.grading.small import Results, run, run_here, write_small_course

pytest.importorskip("nbgrader", reason="not run: needs nbgrader (pip install -e '.[nbgrader]')")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

ASSIGNMENT = "hw 1"
CONFIG = """
c = get_config()
c.CourseDirectory.course_id = "dl"
c.CourseDirectory.source_directory = "masters"
c.CourseDirectory.directory_structure = "{nbgrader_step}/{assignment_id}/{student_id}"
c.CourseDirectory.db_url = "sqlite:///@ROOT@/data/grades.db"
c.LateSubmissionPlugin.penalty_method = "zero"
"""
NO_MAX = {"softmax": "def softmax(x):\n    e = np.exp(x)\n    return e / e.sum()"}
SLIPS = NO_MAX | {
    "sort": "def ordered(rows):\n    return sorted(rows)",
    "mean": "import nothing_like_it",
    "account": "class Account:\n    def __init__(self, owner, balance=0):\n        self.owner, self.balance = owner, balance\n\n"
    "    def deposit(self, amount):\n        self.balance += amount",
}
HOSTILE = {  # in the place of softmax; each would earn everything where tests and code share a process
    "exits": "import os\n\n\ndef softmax(x):\n    os._exit(0)",
    "patches": "np.isclose = np.allclose = lambda *a, **k: np.True_\nnp.testing.assert_allclose = lambda *a, **k: None\n"
    "import builtins\nbuiltins.AssertionError = Exception\n\n\ndef softmax(x):\n    return x",
    "reads": "import gc, sys, __main__\n\n\ndef softmax(x):\n    frame, seen = sys._getframe(), [getattr(__main__, 'In', None)]\n"
    "    while frame:\n        seen += [dict(frame.f_locals), frame.f_code.co_consts]\n        frame = frame.f_back\n"
    "    seen += [each for each in gc.get_objects() if isinstance(each, str)]\n    print(seen)\n    return x * 0 + len(str(seen))",
    "agrees": "class Yes:\n    __array_priority__ = 1e9\n    def __eq__(self, other):\n        return True\n"
    "    def __getattr__(self, name):\n        return lambda *a, **k: 1.0\n"
    "    def __array__(self, *a, **k):\n        return np.array([1.0, 0.0])\n\n\n"
    "def softmax(x):\n    return Yes()",
}  # fmt: skip


@pytest.fixture(scope="module")
def nb(tmp_path_factory):
    """An nbgrader course that keeps things in places of its own, with what was released of one assignment."""
    root = tmp_path_factory.mktemp("nbgrader")
    write_masters(root / "masters" / ASSIGNMENT)
    (root / "data").mkdir()
    (root / "nbgrader_config.py").write_text(CONFIG.replace("@ROOT@", str(root)))
    done = interface(root).generate_assignment(ASSIGNMENT, force=True, create=True)
    assert done["success"], done
    return root


@pytest.fixture(scope="module")
def adopted(nb, tmp_path_factory):
    """What adopting it says, and the course that it makes."""
    course = tmp_path_factory.mktemp("adopted") / "course"
    done = run("--course", course, "adopt", nb / "masters")
    assert done.returncode == 0, done.stderr
    return done.stdout, course


@pytest.fixture(scope="module")
def graded(nb, adopted):
    """The class: all right, slips (with a cell that raises), nothing done, one notebook only, and those who attack."""
    hand_in(nb, "ann", {})
    hand_in(nb, "bob", SLIPS, scratch="mean = 1 / 0\n")
    hand_in(nb, "cid", None, when="no time at all")
    again, late = {"mean-again": "mean = 5.5"}, "2026-03-01 10:00:00 UTC"
    hand_in(nb, "dee", again, only="arrays and means.ipynb", scratch="mean = 'of something else'", when=late)
    for name, attack in HOSTILE.items():
        hand_in(nb, name, {"softmax": attack})
    with interface(nb).gradebook as gradebook:
        gradebook.update_or_create_assignment(ASSIGNMENT, duedate="2026-02-02 00:00:00 UTC")
        gradebook.update_or_create_student("eve", first_name="Eve")  # who hands in nothing
    done = run("--course", adopted[1], "nbgrader", "grade", nb, ASSIGNMENT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("scores of 8 learners")
    return nb, done.stderr


def adopt(*words):
    return run_here("--course", *words[:1], "adopt", *words[1:])


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def interface(root):
    from autograder.gradebook.nbgrader.course import api

    return api(root)


def hand_in(root, learner, edits, only=None, scratch="", when="2026-02-01 10:00:00 UTC"):
    """The released notebooks with the solutions filled in, but for the cells in `edits`; None fills in nothing."""
    for path in (root / "release" / ASSIGNMENT).glob("*.ipynb"):
        if only and path.name != only:
            continue
        text = json.loads(path.read_text())
        masters = json.loads((root / "masters" / ASSIGNMENT / path.name).read_text())["cells"]
        solutions = {c["metadata"]["nbgrader"]["grade_id"]: c["source"] for c in masters if c["metadata"]}
        for each in text["cells"]:
            about = each["metadata"].get("nbgrader", {})
            if about.get("solution") and edits is not None:
                each["source"] = edits.get(about["grade_id"], solutions[about["grade_id"]])
        text["cells"].append(cell(scratch) | {"id": "scratch"})
        target = root / "submitted" / ASSIGNMENT / learner / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(text))
        (target.parent / "timestamp.txt").write_text(when)


def scores(root, learner):
    """By cell: points and whether somebody has to look at it."""
    with interface(root).gradebook as gradebook:
        notebooks = gradebook.find_submission(ASSIGNMENT, learner).notebooks
        return {grade.name: (grade.auto_score, grade.needs_manual_grade) for nb in notebooks for grade in nb.grades}


def points(root, learner):
    return {name: score for name, (score, by_hand) in scores(root, learner).items() if not by_hand}


def test_what_cannot_be_graded_here_is_named_with_its_reason(adopted):
    told = {line.split()[0]: " ".join(line.split()[2:]) for line in adopted[0].splitlines() if line.startswith("  ")}
    by_hand = {name: words for name, words in told.items() if words != "graded"}
    assert by_hand.keys() == {"account-twins", "total", "reads-the-source", "wants-globals", "why"}
    assert "fails on your own solution: assert Account('Bob') == Account('Bob')" in by_hand["account-twins"]
    assert "getsource" in ARRAYS and by_hand["reads-the-source"].endswith("does not leave the jail")
    assert "globals()" in by_hand["wants-globals"] and "written answer" in by_hand["why"]
    assert "12.5 of 20.5 points are graded by code" in adopted[0]


def test_learners_get_the_visible_tests_and_nothing_that_is_hidden(adopted):
    public = {path.name: path.read_text() for path in (adopted[1] / "exercises/hw_1").iterdir()}
    assert str(SECRET) not in "".join(public.values()) and "x.max()" not in "".join(public.values())
    assert "np.isclose(softmax(x).sum(), 1)" in public["test_arrays_and_means.py"]
    hidden = (adopted[1] / "graders/hw_1/test_arrays_and_means.py").read_text()
    assert str(SECRET) in hidden and hidden.index("def close") < hidden.index("def test_")


def test_a_stub_earns_nothing_and_a_solution_passes_the_public_checks(adopted, tmp_path):
    course = tmp_path / "course"
    shutil.copytree(adopted[1], course)
    stubs = run("--course", course, "check", "hw_1")
    assert "arrays_and_means  0 of 5 tasks" in stubs.stdout and "accounts  0 of 3 tasks" in stubs.stdout
    for path in (course / "solutions/hw_1").glob("*.py"):
        shutil.copy(path, course / "exercises/hw_1")
    solved = run("--course", course, "check", "hw_1")
    assert "arrays_and_means  5 of 5 tasks" in solved.stdout and "accounts  3 of 3 tasks" in solved.stdout


def test_honest_work_earns_what_nbgrader_itself_gives_for_it(graded, tmp_path):
    ours, _ = graded
    plain = tmp_path / "plain"
    for part in ("masters", "data"):
        shutil.copytree(ours / part, plain / part)
    (plain / "data/grades.db").unlink()
    (plain / "nbgrader_config.py").write_text(CONFIG.replace("@ROOT@", str(plain)))
    assert interface(plain).generate_assignment(ASSIGNMENT, force=True, create=True)["success"]
    for learner in ("bob", "dee"):
        shutil.copytree(ours / "submitted" / ASSIGNMENT / learner, plain / "submitted" / ASSIGNMENT / learner)
        done = interface(plain).autograde(ASSIGNMENT, learner, force=True, create=True)
        assert done["success"], done
        theirs, found = scores(plain, learner), scores(ours, learner)
        by_code = {name for name, (_, by_hand) in found.items() if not by_hand}
        assert {name: found[name] for name in by_code} == {name: theirs[name] for name in by_code}
        assert len(by_code) >= 9


def test_scores_stand_under_the_instructor_s_own_names(graded):
    nb, _ = graded
    full = {
        "softmax-visible": 2,
        "softmax-hidden": 1,
        "mean-is-right": 1,
        "mean-again-is-right": 0.5,
        "sorts-in-place": 2,
    }
    full |= {"shows-a-list": 1, "account-works": 3, "account-goes-on": 1, "account-limit": 1}
    assert points(nb, "ann") == full
    slips = {"softmax-visible": 0, "softmax-hidden": 0, "mean-is-right": 0, "sorts-in-place": 1}
    slips |= {"account-works": 0, "account-goes-on": 1, "account-limit": 0}
    assert points(nb, "bob") == full | slips


def test_a_name_means_what_it_meant_where_the_test_stood(graded):
    found = points(graded[0], "dee")
    assert (found["mean-is-right"], found["mean-again-is-right"]) == (1, 0.5)


def test_a_notebook_that_was_not_handed_in_is_worth_nothing(graded):
    found = scores(graded[0], "dee")
    assert found["account-works"] == found["total"] == (0.0, False)


@pytest.mark.parametrize("learner", HOSTILE)
def test_attacks_gain_nothing(graded, learner):
    found = points(graded[0], learner)
    assert (found["softmax-visible"], found["softmax-hidden"]) == (0, 0)
    assert found["account-works"] == 3  # the rest of their work counts


def test_what_a_person_grades_waits_for_them_and_an_empty_answer_does_not(graded):
    nb, _ = graded
    waiting = {name for name, (score, by_hand) in scores(nb, "ann").items() if by_hand and score is None}
    assert waiting == {"account-twins", "total", "reads-the-source", "wants-globals", "why"}
    assert scores(nb, "cid")["why"] == (0.0, False)
    with interface(nb).gradebook as gradebook:
        assert gradebook.find_comment("why", "arrays and means", ASSIGNMENT, "cid").auto_comment == "No response."


def test_work_is_late_as_nbgrader_has_it_and_a_time_that_is_none_is_told(graded):
    nb, said = graded
    assert "cid/timestamp.txt: 'no time at all' is no time" in said
    with interface(nb).gradebook as gradebook:
        found = {name: gradebook.find_submission(ASSIGNMENT, name) for name in ("ann", "dee")}
        assert (found["ann"].late_submission_penalty or 0, found["ann"].score) == (0, 12.5)
        assert found["dee"].late_submission_penalty == found["dee"].score == 7.5


def test_formgrader_and_feedback_show_the_answers_and_our_words_and_no_hidden_test(graded, adopted):
    nb, _ = graded
    done = interface(nb).generate_feedback(ASSIGNMENT, "bob", force=True)
    assert done["success"], done
    page = (nb / "feedback" / ASSIGNMENT / "bob/arrays and means.html").read_text()
    text = re.sub(r"<[^>]*>", "", page)
    assert "It does not overflow." in text and "✗ The entries of softmax add up to one" in text
    pages = "".join(path.read_text() for path in (nb / "feedback").rglob("*.html"))
    assert str(SECRET) not in pages
    done = run("--course", adopted[1], "nbgrader", "export", nb, "--to", nb / "grades.csv")
    with (nb / "grades.csv").open(newline="") as file:
        rows = {row["student_id"]: (float(row["score"]), float(row["max_score"])) for row in csv.DictReader(file)}
    assert rows["ann"] == (12.5, 20.5) and rows["eve"] == (0.0, 20.5)


def test_the_best_known_course_of_all_is_graded_but_for_what_is_written_in_words(tmp_path):
    import nbgrader

    ps1 = Path(nbgrader.__file__).parent / "docs/source/user_guide/source/ps1"
    done = run("--course", tmp_path / "course", "adopt", ps1)
    assert done.returncode == 0, done.stderr
    assert "sum_of_squares_uses_squares    0.5  graded" in done.stdout  # it takes a function away for a while
    assert "3 of 13 points are graded by code" in done.stdout


def test_points_given_by_hand_count_in_our_own_gradebook(adopted, graded, tmp_path):
    course = adopted[1]
    done = run("--course", course, "grade", graded[0] / "submitted" / ASSIGNMENT, "--out", tmp_path / "results")
    assert (
        "arrays_and_means: to be graded by hand, and not counted yet: reads-the-source, wants-globals, why"
        in done.stderr
    )
    told = Results(tmp_path / "results").feedback("ann")["exercises"]
    waiting = "To be graded by hand, and not counted yet: reads-the-source, wants-globals, why."
    assert [each["remarks"] for each in told if each["exercise"] == "hw_1/arrays_and_means"] == [[waiting]]
    book = ["--course", course, "gradebook", "--db", tmp_path / "book.sqlite"]
    assert run(*book, "import", tmp_path / "results").returncode == 0
    done = run(*book, "override", "ann", "arrays_and_means/why", "2", "--reason", "read it")
    assert done.stdout == "ann: hw_1/arrays_and_means counts 9.5 of 10.5\n", done.stderr


def test_notebooks_of_old_versions_of_nbgrader_are_upgraded(tmp_path):
    from autograder.authoring.adopt.nbgrader import read

    old = json.loads(ARRAYS)
    for each in old["cells"]:
        for key in ("schema_version", "task") if each["metadata"] else ():
            del each["metadata"]["nbgrader"][key]
    new, upgraded = (write(tmp_path / name, text) for name, text in (("new", ARRAYS), ("old", json.dumps(old))))
    assert read(upgraded, "hw", "arrays").tasks == read(new, "hw", "arrays").tasks


TEST, WORK = grading("t", 1, "assert f() == 1"), solution("f", "def f():\n    return 1")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (notebook(cell("print(1)")), "neither an nbgrader source notebook"),
        (notebook(solution("f", "# YOUR CODE HERE\nraise NotImplementedError()"), TEST), "adopt the source notebook"),
        (notebook(WORK, TEST, TEST), "Duplicate grade id"),
        (notebook(WORK, grading("t", -1, "assert f() == 1")), "nbgrader would refuse this notebook"),
        (notebook(cell("import no_such_library"), WORK, TEST), "imports what is not installed: no_such_library"),
        (notebook(WORK, TEST).replace('"language": "python"', '"language": "R"'), "is written in R"),
        ("no JSON", "is not a notebook"),
    ],
)
def test_a_notebook_that_cannot_be_adopted_is_refused_with_the_reason(tmp_path, text, says):
    done = adopt(tmp_path / "course", write(tmp_path / "hw/one.ipynb", text))
    assert (done.exit_code, says in done.output) == (2, True), done.output
    assert not (tmp_path / "course/solutions").exists()


def test_what_was_written_by_hand_is_not_overwritten(tmp_path):
    course = write_small_course(tmp_path / "course")
    before = (course / "solutions/week1/scaling.py").read_text()
    done = adopt(course, write(tmp_path / "week1/scaling.ipynb", notebook(WORK, TEST)))
    assert done.exit_code == 2 and "exists already and was not adopted" in done.output
    assert (course / "solutions/week1/scaling.py").read_text() == before


ODD = {
    "missing": ("return 1", "assert missing() == 1", "uses missing, which nothing before it defines"),
    "wrong": ("return 1", "assert odd() == 2", "fails on your own solution: assert odd() == 2"),
    "magic": ("return 1", "%run tests.py", "uses IPython's %run"),
    "made": ("return 1", "### AUTOTEST odd()", "adopt what `nbgrader generate_assignment --source_with_tests` writes"),
    "file": ("return open('/etc/passwd').read()", "assert odd()", "your own solution fails it in the jail"),
    "named": ("return 1", "test_it(odd, 1)", "graded"),
    "idle": ("return 1", "assert callable(print)", "graded, but an empty stub passes it, too"),
}


def test_each_reason_is_told_and_the_rest_is_adopted(tmp_path):
    for name, (work, test, _) in ODD.items():
        good = solution("g", "def g():\n    return 2"), grading("good", 1, "assert g() == 2")
        odd = solution("f", f"def odd():\n    {work}"), grading("odd", 1, test)
        helper = cell("def test_it(f, result):\n    assert f() == result", "helper", locked=True)
        write(tmp_path / f"hw/{name}.ipynb", notebook(helper, *odd, *good))
    done = run("--course", tmp_path / "course", "adopt", tmp_path / "hw")
    assert done.returncode == 0, done.stderr
    told = dict(section.split("\n", 1) for section in done.stdout.split("\n\n")[:-1])
    for name, (_, _, words) in ODD.items():
        odd, good = next(lines for head, lines in told.items() if head.startswith(f"hw/{name} ")).splitlines()
        assert words in odd and good.endswith("graded")


def test_adopting_again_follows_the_notebook_and_keeps_points_that_were_changed(adopted, tmp_path):
    course, path = tmp_path / "course", tmp_path / "hw 1/accounts.ipynb"
    shutil.copytree(adopted[1], course)
    rules = course / "grading.yml"
    rules.write_text(f"# ours\n{rules.read_text().replace('t: 1', 't: 5')}")
    write(path, notebook(WORK, TEST, grading("account-limit", 7, "assert f() > 0")))
    assert run("--course", course, "adopt", path).returncode == 0
    assert rules.read_text().startswith("# ours\n")
    listed = run("--course", course, "list").stdout
    assert listed.startswith("hw_1/accounts\tt\t1\nhw_1/accounts\taccount-limit\t5\nhw_1/arrays_and_means\t")
