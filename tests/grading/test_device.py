"""Where learners' tensors are. torch's device "meta", whose tensors have shapes but no values, stands for a GPU."""

import pytest
from typer.testing import CliRunner

from autograder.catalog import Course
from autograder.cli import app
from autograder.grading.digests import run_identity
from autograder.grading.journal import Journal, JournalError
from autograder.grading.pool import Job, NodeSettings, Pool
from autograder.grading.results import Outcome, Status
from autograder.grading.score import score_exercise
from autograder.policy import Policy
from tests.courses import write_files

pytestmark = pytest.mark.torch

WHERE = '''\
import torch


def place(x):
    """Where x is."""
    # BEGIN SOLUTION
    return str(x.device)
    # END SOLUTION


def made(n):
    """Where n zeros are made."""
    # BEGIN SOLUTION
    return str(torch.zeros(n).device)
    # END SOLUTION
'''
TEST_WHERE = """\
import pytest
import torch


def test_place_of_what_is_given(learner):
    assert learner.place(torch.ones(2)) in ("cpu", "meta")


def test_made_where_all_tensors_are(learner):
    assert learner.made(3) in ("cpu", "meta")


@pytest.mark.gpu
def test_place_on_a_gpu(learner):
    assert learner.place(torch.ones(2)) == "meta"
"""
DOUBLE = '''\
import torch


def double(x):
    """Twice x."""
    # BEGIN SOLUTION
    return 2 * x
    # END SOLUTION
'''
TEST_DOUBLE = """\
import torch
from autograder.testing import assert_close


def test_double_is_twice(learner):
    assert_close(learner.double(torch.tensor([1.0, 2.0])), torch.tensor([2.0, 4.0]))
"""
FILES = {
    "solutions/m/where.py": WHERE,
    "solutions/m/double.py": DOUBLE,
    "graders/m/test_where.py": TEST_WHERE,
    "graders/m/test_double.py": TEST_DOUBLE,
}
SOLUTIONS = {"where": WHERE, "double": DOUBLE}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    root = tmp_path_factory.mktemp("devices")
    write_files(root, FILES)
    return Course(root)


@pytest.fixture(scope="module")
def graded(course):
    """The solutions graded on a device: results by exercise."""
    found = {}

    def grade(device, or_cpu=False):
        if (device, or_cpu) not in found:
            ids = [exercise.id for exercise in course.exercises]
            settings = NodeSettings(str(course.root), ids, ["numpy", "torch"], 0, device=device, or_cpu=or_cpu)
            with Pool(settings, 1) as pool:
                jobs = [Job("ann", f"m/{n}", {f"m/{n}": text.encode()}, "", 60.0) for n, text in SOLUTIONS.items()]
                found[device, or_cpu] = {result.exercise: result for result in map(pool.grade, jobs)}
        return found[device, or_cpu]

    return grade


def statuses(result):
    return {check.check: check.status for check in result.checks}


def test_tensors_are_made_on_the_device_those_given_and_those_of_the_learner(graded):
    result = graded("meta", or_cpu=True)["where"]
    assert result.device == "meta"
    assert set(statuses(result).values()) == {Status.PASSED}, result


def test_what_its_own_solution_does_not_pass_there_stays_on_the_cpu(graded):
    result = graded("meta", or_cpu=True)["double"]
    assert (result.device, statuses(result)) == ("cpu", {"test_double_is_twice": Status.PASSED})


def test_where_the_device_was_asked_for_it_is_not_graded_and_says_why(graded):
    result = graded("meta")["double"]
    assert result.outcome is Outcome.SYSTEM, "never a judgement of the work"
    assert "meta cannot be used: its own solution does not pass there; test_double_is_twice" in result.note


def test_a_check_that_needs_a_gpu_is_not_run_without_one_and_counts_for_nothing(graded):
    result = graded("cpu")["where"]
    assert statuses(result)["test_place_on_a_gpu"] is Status.NOT_RUN
    assert [check.message for check in result.checks if check.status is Status.NOT_RUN] == ["not run: it needs a GPU"]
    score = score_exercise(result, {"place": 3.0, "made": 1.0})
    assert [(task.earned, task.passed, task.checks) for task in score.tasks] == [(3.0, 1, 1), (1.0, 1, 1)]


def test_a_gpu_that_is_not_there_is_said_before_any_work(course, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann/where.py").write_text(WHERE)
    command = ["grade", str(tmp_path), "--out", str(tmp_path / "out"), "--device", "cuda", "--course", str(course.root)]
    told = CliRunner().invoke(app, command)
    assert (told.exit_code, (tmp_path / "out").exists()) == (2, False)
    assert "--device cuda: this machine has no GPU" in told.stderr


def test_results_of_another_device_are_not_gone_on_with(course, tmp_path):
    policy = Policy.load(course)
    with Journal(tmp_path / "out", run_identity(policy, 0, "cuda")):
        pass
    with pytest.raises(JournalError, match="a run with other device"):
        Journal(tmp_path / "out", run_identity(policy, 0))
