"""Our exercises in an nbgrader course, with nbgrader's own commands run on them."""

import csv
import json
import re
import shutil

import pytest

from autograder.gradebook.nbgrader.course import CONFIG
from tests.courses import write_files
from tests.grading.small import SCALING, run, run_here, write_small_course

pytest.importorskip("nbgrader", reason="not run: needs nbgrader (pip install -e '.[nbgrader]')")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

EXAMPLE = '''"""Add a number to every entry of x.

    Example:
        >>> shift(np.array([1.0, 2.0]), 3.0).tolist()
        [4.0, 5.0]
    """'''


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    root = write_small_course(tmp_path_factory.mktemp("ours"))
    scaling = SCALING.replace('"""Add a number to every entry of x."""', EXAMPLE)
    write_files(root, {"solutions/week1/scaling.py": scaling})
    return root


@pytest.fixture(scope="module")
def nb(course, tmp_path_factory):
    """An nbgrader course with the released assignment, and three learners' notebooks: all right, one slip, nothing done."""
    root = tmp_path_factory.mktemp("nbgrader")
    for words in (["init", root], ["release", root, "week1"]):
        done = run("--course", course, "nbgrader", *words)
        assert done.returncode == 0, done.stderr
    downloads = root / "downloads"
    for learner in ("ann", "bob", "cid"):
        shutil.copytree(root / "release/week1", downloads / learner / "week1")
    for name in ("scaling", "stats"):
        fill(downloads / "ann/week1" / f"{name}.ipynb", root / "source/week1" / f"{name}.ipynb")
        fill(downloads / "bob/week1" / f"{name}.ipynb", root / "source/week1" / f"{name}.ipynb", ("x + by", "x - by"))
    done = run("--course", course, "nbgrader", "collect", root, "week1", downloads)
    assert (done.returncode, done.stdout) == (0, f"notebooks of 3 learners in {root / 'submitted'}\n"), done.stderr
    return root


def cells(path):
    """The code of a notebook by the names of its cells."""
    found = json.loads(path.read_text())["cells"]
    return {c["metadata"]["nbgrader"]["grade_id"]: c for c in found if "nbgrader" in c["metadata"]}


def fill(path, source, slip=("", "")):
    """Write the solutions, with a slip, into a released notebook; and some of what learners leave in theirs."""
    notebook, solutions = json.loads(path.read_text()), cells(source)
    for cell in notebook["cells"]:
        about = cell["metadata"].get("nbgrader")
        if about and about["solution"]:
            cell["source"] = "".join(solutions[about["grade_id"]]["source"]).replace(*slip)
    stray = {
        "cell_type": "code",
        "metadata": {},
        "source": "%matplotlib inline\nprint(1 / 0)",
        "outputs": [],
        "id": "stray",
    }
    notebook["cells"].append(stray | {"execution_count": None})
    path.write_text(json.dumps(notebook))


def nbgrader_api(root):
    from autograder.gradebook.nbgrader.course import api

    return api(root)


@pytest.fixture(scope="module")
def graded(course, nb):
    done = run("--course", course, "nbgrader", "grade", nb, "week1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("scores of 3 learners")
    return nb


def test_the_release_has_no_solution_and_valid_metadata(nb):
    import nbformat
    from nbgrader.nbgraderformat import MetadataValidator

    for name in ("scaling", "stats"):
        notebook = nbformat.read(nb / "release/week1" / f"{name}.ipynb", as_version=4)
        MetadataValidator().validate_nb(notebook)
        assert "factor * x" not in nbformat.writes(notebook) and "-x.mean()" not in nbformat.writes(notebook)
    released = cells(nb / "release/week1/stats.ipynb")
    assert list(released) == ["from_scaling", "shift", "centre", "points_centre"]  # stats builds on shift
    assert "raise NotImplementedError()" in "".join(released["shift"]["source"])
    assert released["points_centre"]["metadata"]["nbgrader"]["points"] == 1.0


def test_plain_nbgrader_autogrades_the_solution_without_us(nb, tmp_path):
    plain = tmp_path / "plain"
    shutil.copytree(nb / "source", plain / "source")
    shutil.copy(nb / CONFIG, plain / CONFIG)
    shutil.copytree(nb / "submitted/ann", plain / "submitted/ann")
    for path in (plain / "submitted/ann/week1").glob("*.ipynb"):
        path.write_text(path.read_text().replace("print(1 / 0)", "print(1)"))
    interface = nbgrader_api(plain)
    assert interface.generate_assignment("week1", force=True, create=True)["success"]
    done = interface.autograde("week1", "ann", force=True, create=True)
    assert done["success"], done
    assert interface.get_submission("week1", "ann")["score"] == 3.0


def test_a_released_notebook_fails_its_own_validation_and_a_solved_one_passes(nb):
    from nbgrader.validator import Validator

    validator = Validator()
    assert validator.validate(str(nb / "release/week1/scaling.ipynb")).get("failed")
    assert validator.validate(str(nb / "source/week1/scaling.ipynb")) == {}


def test_scores_of_the_hidden_checks_are_in_nbgrader_s_gradebook(graded):
    interface = nbgrader_api(graded)
    scores = {learner: interface.get_submission("week1", learner) for learner in ("ann", "bob", "cid")}
    assert [scores[learner]["score"] for learner in scores] == [3.0, 1.5, 0.0]
    assert [scores[learner]["max_score"] for learner in scores] == [3.0] * 3
    assert not any(score["needs_manual_grade"] for score in scores.values())
    assert all(score["autograded"] for score in scores.values())


def test_comments_say_what_the_checks_found_and_nothing_that_is_hidden(graded):
    with nbgrader_api(graded).gradebook as gradebook:
        comment = gradebook.find_comment("shift", "scaling", "week1", "bob").comment
        assert "✗ shift adds" in comment
        assert "31337" not in comment
        assert "✓" in gradebook.find_comment("scale", "scaling", "week1", "bob").comment


def test_nbgrader_makes_its_feedback_and_its_export_of_it(course, graded):
    done = run("--course", course, "nbgrader", "feedback", graded, "week1")
    assert done.returncode == 0, done.stderr
    page = re.sub(r"<[^>]*>", "", (graded / "feedback/bob/week1/scaling.html").read_text())
    assert "✗ shift adds" in page and "x - by" in page
    done = run("--course", course, "nbgrader", "export", graded, "--to", graded / "grades.csv")
    assert done.returncode == 0, done.stderr
    with (graded / "grades.csv").open(newline="") as file:
        rows = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert rows == {"ann": 3.0, "bob": 1.5, "cid": 0.0}


def test_points_given_by_hand_in_nbgrader_stay(course, graded):
    with nbgrader_api(graded).gradebook as gradebook:
        grade = gradebook.find_grade("points_shift", "scaling", "week1", "cid")
        grade.manual_score = 0.5
        gradebook.db.commit()
    assert run("--course", course, "nbgrader", "grade", graded, "week1").returncode == 0
    assert nbgrader_api(graded).get_submission("week1", "cid")["score"] == 0.5
    with nbgrader_api(graded).gradebook as gradebook:
        gradebook.find_grade("points_shift", "scaling", "week1", "cid").manual_score = None
        gradebook.db.commit()


def test_the_time_of_the_file_is_the_time_of_the_submission(nb):
    assert (nb / "submitted/ann/week1/timestamp.txt").read_text().endswith(" UTC\n")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["grade", "/nowhere", "week1"], "/nowhere is no nbgrader course: it has no nbgrader_config.py"),
        (["release", "{nb}", "week7"], "has no assignment 'week7' with notebooks; there is: week1"),
        (["collect", "{nb}", "week1", "{nb}/release/week1"], "no notebook in it belongs to week1"),
        (["collect", "{nb}", "week1", "/nowhere"], "/nowhere: no such folder"),
        (["init", "{nb}", "--module", "week7"], "has no module 'week7'"),
    ],
)
def test_wrong_usage_is_told(course, nb, words, says):
    done = run_here("--course", course, "nbgrader", *(word.format(nb=nb) for word in words))
    assert (done.exit_code, says in done.output) == (2, True), done.output


def test_what_was_not_released_is_told_before_anything_is_graded(course, tmp_path):
    words = ["--course", course, "nbgrader"]
    assert run_here(*words, "init", tmp_path).exit_code == 0
    shutil.copytree(tmp_path / "source/week1", tmp_path / "submitted/ann/week1")
    done = run_here(*words, "grade", tmp_path, "week1")
    assert done.exit_code == 2 and f"run: autograder nbgrader release {tmp_path} week1" in done.output
    assert not (tmp_path / "results").exists()
