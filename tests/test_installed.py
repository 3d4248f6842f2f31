"""What is told where a library that an exercise needs is not installed: by pytest, grading and verify."""

import sys

import pytest

from autograder import installed
from autograder.authoring.verify import verify
from autograder.catalog import Course
from autograder.policy import Policy
from tests.courses import write_files
from tests.grading.small import Results, grade

NEEDY = '''\
import library_that_nobody_has


def double(x):
    """Twice x."""
    # BEGIN SOLUTION
    return library_that_nobody_has.double(x)
    # END SOLUTION
'''
PLAIN = '''\
def triple(x):
    """Three times x."""
    # BEGIN SOLUTION
    return 3 * x
    # END SOLUTION
'''
FILES = {
    "solutions/week1/needy.py": NEEDY,
    "solutions/week1/plain.py": PLAIN,
    "exercises/week1/needy.py": NEEDY,
    "exercises/week1/plain.py": PLAIN,
    "graders/week1/test_needy.py": "def test_double(learner):\n    assert learner.double(2) == 4\n",
    "graders/week1/test_plain.py": "def test_triple(learner):\n    assert learner.triple(2) == 6\n",
    "exercises/week1/test_needy.py": "def test_double(learner):\n    assert learner.double(2) == 4\n",
    "exercises/week1/test_plain.py": "def test_triple(learner):\n    assert learner.triple(2) == 6\n",
    "grading.yml": "",
}
WORDS = "library_that_nobody_has is not installed; run: pip install library_that_nobody_has"


@pytest.fixture
def root(tmp_path):
    write_files(tmp_path, FILES)
    return tmp_path


def test_the_command_names_the_extra_that_brings_a_library(monkeypatch):
    wanted = ['torch>=2; extra == "torch"', 'Keras>=3; extra == "tensorflow"', 'tensorflow>=2; extra == "tensorflow"']
    monkeypatch.setattr(
        installed, "requires", lambda name: [*wanted, "numpy", 'torch; extra == "dev"', 'ruff; extra == "dev"']
    )
    assert installed.in_words(["torch"]) == "torch is not installed; run: pip install -e '.[torch]'"
    words = "keras and tensorflow are not installed; run: pip install -e '.[tensorflow]'"
    assert installed.in_words(["keras", "tensorflow"]) == words
    assert "-e '.[tensorflow,torch]'" in installed.in_words(["tensorflow", "torch"])
    assert installed.in_words(["other"]) == "other is not installed; run: pip install other"


def test_what_is_there_is_not_missing():
    assert installed.missing(["numpy", "library_that_nobody_has", "json"]) == ["library_that_nobody_has"]


def test_what_an_imported_exercise_needs_has_to_be_installed_too(root):
    write_files(
        root, {"solutions/week1/late.py": "from week1.needy import double\n\n\ndef late(x):\n    return double(x)\n"}
    )
    assert installed.missing(Course(root).exercise("late").packages) == ["library_that_nobody_has"]


def test_pytest_skips_the_checks_and_says_why(root, pytester):
    for folder in ("exercises", "graders"):
        result = pytester.runpytest(root / folder, "-rs")
        result.assert_outcomes(passed=1, skipped=1)
        result.stdout.fnmatch_lines([f"*{WORDS}*"])


@pytest.mark.skipif(sys.platform != "linux", reason="not run: grading needs Linux")
def test_grading_tells_the_instructor_and_grades_the_rest(root, tmp_path):
    write_files(tmp_path / "class", {"ann/week1/needy.py": NEEDY, "ann/week1/plain.py": PLAIN})
    grade(root, tmp_path / "class", "--out", tmp_path / "out")
    results = Results(tmp_path / "out")
    assert (results.of("ann", "week1/needy")["outcome"], results.of("ann", "week1/needy")["note"]) == ("system", WORDS)
    assert results.statuses("ann", "week1/plain") == {"triple": "passed"}


@pytest.mark.skipif(sys.platform != "linux", reason="not run: grading needs Linux")
def test_verify_says_so_once_and_goes_on(root):
    problems = verify(Policy.load(Course(root)), ["week1"], seeds=1, nodes=1).problems
    assert [problem.what for problem in problems if problem.where == "week1/needy"] == [WORDS]
    assert not any(
        "needy" in f"{problem.where} {problem.what}" for problem in problems if problem.gate in ("grading", "doctests")
    )
