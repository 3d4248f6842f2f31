"""`autograder mutate`: small changes of a solution, and those that no hidden check notices."""

import ast

import pytest
from typer.testing import CliRunner

from autograder.authoring.mutation import mutants_of
from autograder.cli import app
from tests.courses import write_files

SOLUTION = '''\
import numpy as np


def clip(x: np.ndarray, low=-1.0, high=2.0):
    """Bring every entry into [low, high]."""
    # BEGIN SOLUTION
    if not low < high:
        raise ValueError(f"low is {low + 0.0}")
    return np.minimum(np.maximum(x, low), high)
    # END SOLUTION


def _half(x):
    return x / 2


def count_up(n):
    """The sum of 0 … n - 1."""
    # BEGIN SOLUTION
    total = step = 0
    while step < n:
        total += step
        step += 1
    return total
    # END SOLUTION
'''

GRADER = """\
import numpy as np
import pytest
from autograder.testing import assert_close


def test_clip_equals_the_reference(learner, reference, probe):
    x = 5.0 * probe.normal("N D")
    assert_close(learner.clip(x, -0.5, 1.5), reference.clip(x, -0.5, 1.5))


def test_clip_refuses_bounds_in_the_wrong_order(learner):
    with pytest.raises(ValueError):
        learner.clip(np.ones(3), 2.0, 1.0)


def test_count_up_equals_the_reference(learner, reference, probe):
    assert learner.count_up(7) == reference.count_up(7)
"""

EQUAL_BOUNDS = """

@pytest.mark.stage("robust")
def test_clip_refuses_equal_bounds(learner):
    with pytest.raises(ValueError):
        learner.clip(np.ones(3), 1.0, 1.0)
"""


@pytest.fixture
def root(tmp_path):
    files = {"solutions/week1/steps.py": SOLUTION, "autograder/graders/week1/test_steps.py": GRADER}
    write_files(tmp_path, files | {"grading.yml": "limits: {wall_seconds: 2}\n"})
    return tmp_path


def mutate(root, *arguments):
    result = CliRunner().invoke(app, ["--course", str(root), "mutate", "--no-cache", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_each_change_is_one_place_in_a_marked_body_and_leaves_python_behind(root):
    mutants = list(mutants_of(root / "solutions/week1/steps.py"))
    lines = SOLUTION.splitlines()
    for mutant in mutants:
        ast.parse(mutant.source)
        changed = mutant.source.splitlines()
        different = [place for place in range(len(lines)) if changed[place : place + 1] != lines[place : place + 1]]
        assert different == [mutant.line - 1], "one line of the solution"
    assert len({ast.dump(ast.parse(mutant.source)) for mutant in mutants}) == len(mutants), "none is there twice"
    assert {mutant.task for mutant in mutants} == {"clip", "count_up"}


@pytest.mark.parametrize(
    "change",
    [
        ("low < high", "low <= high"),
        ("not low < high", "True"),
        ("np.minimum", "np.maximum"),
        ("np.maximum(x, low)", "x"),
        ("total += step", "total -= step"),
        ("total += step", "total = step"),
        ("total += step", "pass"),
        ("1", "2"),
        ("0", "1"),
        ('raise ValueError(f"low is {low + 0.0}")', "pass"),
    ],
)
def test_the_slips_that_people_make_are_among_them(root, change):
    assert change in [(mutant.before, mutant.after) for mutant in mutants_of(root / "solutions/week1/steps.py")]


def test_what_nobody_is_judged_by_stays_as_it_is(root):
    changes = [mutant.before for mutant in mutants_of(root / "solutions/week1/steps.py")]
    assert not [before for before in changes if "2.0" in before or "x / 2" in before], "a default, a helper"
    assert "low + 0.0" not in changes, "the words of a message"


def test_what_survives_is_shown_with_its_place_until_a_check_notices_it(root):
    output = mutate(root, "week1/steps")
    assert "steps.py:7 in clip\n    - low < high\n    + low <= high\n" in output
    assert "total -= step" not in output
    grader = root / "autograder/graders/week1/test_steps.py"
    grader.write_text(grader.read_text() + EQUAL_BOUNDS)
    assert "low <= high" not in mutate(root, "week1")


def test_an_endless_loop_is_no_survivor(root):
    output = mutate(root)
    assert "0 did not end" not in output
    assert "step += 1" not in output


def test_a_name_that_there_is_not_is_told(root):
    result = CliRunner().invoke(app, ["--course", str(root), "mutate", "week1/stepps"])
    assert result.exit_code == 2
    assert "stepps" in result.output


def test_a_grader_that_cannot_be_used_is_an_error_and_no_verdict_on_changes(root):
    (root / "autograder/graders/week1/test_steps.py").write_text(GRADER.replace("probe.normal", "probe.normall"))
    result = CliRunner().invoke(app, ["--course", str(root), "mutate", "--no-cache"])
    assert result.exit_code == 1
    assert "rejects its own reference in test_clip_equals_the_reference" in result.output
    assert "survived" not in result.output
