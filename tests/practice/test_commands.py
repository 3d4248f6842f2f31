"""`autograder` for learners, command by command."""

import base64
import hashlib
import json
import zipfile

import pytest

from autograder.grading.submission import find_submissions
from autograder.practice import record
from tests.grading.small import run_here
from tests.practice.conftest import DOUBLE, HALF, LATER, STUB, solved


@pytest.fixture
def autograder(course):
    return lambda *words: run_here("--course", course.root, *words)


def test_alone_it_says_where_one_is_and_what_is_next(autograder, scaling):
    shown = autograder().output
    assert "Scaling things" in shown
    assert "week1" in shown and "0/3" in shown
    assert "next  double" in shown and "scaling.py:4" in shown
    scaling.stub.write_text(solved(DOUBLE, HALF))
    autograder("check", "scaling")
    shown = autograder().output
    assert "2/3" in shown and "next  quadruple" in shown


def test_check_has_an_exit_code_for_scripts(autograder, scaling):
    scaling.stub.write_text(solved(DOUBLE))
    wrong = autograder("check", "scaling")
    assert wrong.exit_code == 1
    assert "✓ double" in wrong.output and "half is not started" in wrong.output
    assert autograder("check", "double").exit_code == 0
    scaling.stub.write_text(solved(DOUBLE, HALF))
    assert autograder("check", "scaling").exit_code == 0


@pytest.mark.parametrize("target", ["week1", "all", "exercises/week1"])
def test_check_takes_a_module_or_everything(autograder, course, monkeypatch, target):
    monkeypatch.chdir(course.root)
    shown = autograder("check", target).output
    assert "week1/scaling" in shown and "week1/later" in shown


@pytest.mark.parametrize("target", ["scaling", "week1/scaling", "exercises/week1/scaling.py", "half", "scaling.half"])
def test_check_takes_an_exercise_its_file_or_a_task(autograder, course, monkeypatch, target):
    monkeypatch.chdir(course.root)
    shown = autograder("check", target).output
    assert "week1/scaling" in shown and "week1/later" not in shown


def test_a_name_that_is_nothing_is_an_error_with_the_nearest(autograder):
    refused = autograder("check", "dubble")
    assert refused.exit_code == 2
    assert 'did you mean "double"?' in refused.output


def test_hints_go_one_rung_on_each_time(autograder, course):
    shown = [autograder("hint", "double").output for _ in range(4)]
    assert [text.splitlines()[1] for text in shown] == [
        "What is x + x?", "Multiply by two.", "return 2 * x", "return 2 * x",
    ]  # fmt: skip
    assert "another: autograder hint double" in shown[0] and "another" not in shown[2]
    assert record.load(course).task("week1/scaling", "double").hints == 3


def test_a_task_without_hints_is_an_error(autograder):
    refused = autograder("hint", "quadruple")
    assert refused.exit_code == 2 and "there is no hint for quadruple" in refused.output


def test_a_solution_is_shown_after_passing_or_giving_up(autograder, course, scaling):
    solution = course.root / "solutions/week1/scaling.py"
    assert "without its solutions" in autograder("solution", "double").output
    solution.parent.mkdir(parents=True)
    marked = "# BEGIN SOLUTION\n    {}\n    # END SOLUTION"
    solution.write_text(solved(marked.format(DOUBLE), marked.format(HALF)))
    (solution.parent / "later.py").write_text(
        LATER.replace("raise", "# BEGIN SOLUTION\n    raise") + "    # END SOLUTION\n"
    )
    refused = autograder("solution", "double")
    assert refused.exit_code == 2
    assert "autograder hint double" in refused.output and "2 * x" not in refused.output
    given = autograder("solution", "half", "--give-up")
    assert "+    return x / 2" in given.output and "SOLUTION" not in given.output
    scaling.stub.write_text(solved("return x + x"))
    autograder("check", "double")
    seen = autograder("solution", "double")
    assert "-    return x + x" in seen.output and "+    return 2 * x" in seen.output
    noted = record.load(course)
    assert noted.task("week1/scaling", "half").solution == "gave up"
    assert noted.task("week1/scaling", "double").solution == "after"


def test_reset_keeps_the_work(autograder, course, scaling):
    scaling.stub.write_text(solved(DOUBLE))
    kept = autograder("reset", "scaling", "--yes").output
    assert scaling.stub.read_text() == STUB
    [backup] = (course.root / ".autograder/backups/week1").iterdir()
    assert backup.name in kept and backup.read_text() == solved(DOUBLE)
    assert "nothing of yours" in autograder("reset", "scaling", "--yes").output


def test_reset_asks(autograder, scaling):
    scaling.stub.write_text(solved(DOUBLE))
    assert autograder("reset", "scaling").exit_code != 0  # nobody answers
    assert scaling.stub.read_text() == solved(DOUBLE)


def test_watch_wants_a_terminal(autograder):
    refused = autograder("watch")
    assert refused.exit_code == 2 and "autograder check" in refused.output


def handed_in(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_submit_packs_what_was_begun_and_says_what_it_is(autograder, course, scaling, tmp_path):
    assert "nothing to hand in" in autograder("submit", "--out", tmp_path / "ann.zip").output
    scaling.stub.write_text(solved(DOUBLE))
    shown = autograder("submit", "--yes", "--out", tmp_path / "ann.zip")
    assert shown.exit_code == 0 and "✓ double" in shown.output and "half" in shown.output
    files = handed_in(tmp_path / "ann.zip")
    assert files.keys() == {"week1/scaling.py", "manifest.json"}
    assert files["week1/scaling.py"] == solved(DOUBLE)
    said = json.loads(files["manifest.json"])["files"]["week1/scaling.py"]
    assert said["public_checks"] == {"double": "passed", "half": "not_started"}
    assert said["sha256"] == hashlib.sha256(solved(DOUBLE).encode()).hexdigest()
    assert str(course.root) not in files["manifest.json"]


def test_submit_asks_before_it_packs_what_does_not_pass(autograder, scaling, tmp_path):
    scaling.stub.write_text(solved("return x"))
    assert autograder("submit", "--out", tmp_path / "ann.zip").exit_code != 0
    assert not (tmp_path / "ann.zip").exists()
    scaling.stub.write_text(solved(DOUBLE, HALF))
    assert autograder("submit", "scaling", "--out", tmp_path / "ann.zip").exit_code == 0
    assert (tmp_path / "ann.zip").exists()


def test_submit_to_a_place_that_cannot_be_written(autograder, scaling, tmp_path):
    scaling.stub.write_text(solved(DOUBLE, HALF))
    refused = autograder("submit", "--out", tmp_path / "nowhere/ann.zip")
    assert refused.exit_code == 2 and "cannot be written" in refused.output


def test_grading_takes_a_submission_as_it_is(autograder, course, scaling, tmp_path):
    scaling.stub.write_text(solved(DOUBLE, HALF))
    (tmp_path / "class").mkdir()
    autograder("submit", "--yes", "--out", tmp_path / "class/ann.zip")
    [found] = find_submissions(tmp_path / "class", course.exercises)
    assert (found.learner, found.files, found.notes) == ("ann", {"week1/scaling": scaling.stub.read_bytes()}, [])


def test_doctor_says_what_runs_and_how_to_mend_what_does_not(autograder, course):
    well = json.loads(autograder("doctor", "--json").output)
    assert {"room": "modules", "what": "week1", "good": True, "says": "can run", "mend": ""} in well
    listing = course.root / "course.json"
    listing.write_text(listing.read_text().replace('"numpy"', '"no_such_library"'))
    ill = autograder("doctor")
    assert ill.exit_code == 1
    assert "✗ week1" in ill.output and "pip install no_such_library" in ill.output


def test_a_workflow_is_told_the_points_of_the_tasks_that_pass(course, scaling, tmp_path, monkeypatch):
    scaling.stub.write_text(solved(DOUBLE, "return x / 3"))
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    done = run_here("--course", course.root, "check", "scaling", "--classroom")
    assert done.exit_code == 0, done.output
    name, _, value = (tmp_path / "output").read_text().strip().partition("=")
    said = json.loads(base64.b64decode(value))
    assert (name, said["version"], said["status"], said["max_score"]) == ("result", 3, "fail", 2.0)
    assert [(test["name"], test["status"], test["score"]) for test in said["tests"]] == [
        ("week1/scaling double", "pass", 1.0),
        ("week1/scaling half", "fail", 0),
    ]
    assert "expected" in said["tests"][1]["message"]
