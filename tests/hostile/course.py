"""A small course to attack: plain functions, one that calls what it is given, a generator, a class, one that writes into its
argument, and two that build on another."""

import base64
from pathlib import Path

from tests.courses import write_files

SECRET = 61129.375  # hidden checks feed it in; no learner may ever read it
# Words that only hidden files hold: the reference, the hidden checks, the names of these.
REFERENCE_WORD, GRADER_WORD, NAME_WORD = "numbat", "potoroo", "quokka"

NUMBER = str(int(SECRET))
HIDDEN = {
    "a hidden input": NUMBER,
    "a hidden input, in base 16": f"{int(SECRET):x}",
    "a hidden input, backwards": NUMBER[::-1],
    "a hidden input, in base 64": base64.b64encode(NUMBER.encode()).decode().rstrip("="),
    "the reference": REFERENCE_WORD,
    "the hidden checks": GRADER_WORD,
    "the name of a hidden check": NAME_WORD,
}
HONEST = ("000_before", "mmm_between", "zzz_after")
FULL = "8"  # points: one for each task of the two exercises

BASICS = '''\
import numpy as np


def scale(x, factor=2.0):
    """Multiply every entry of x by factor."""
    # BEGIN SOLUTION
    if factor == 0:
        raise ValueError("a factor of zero")
    return factor * x
    # END SOLUTION


def cube(x):
    """The third power of every entry of x."""
    # BEGIN SOLUTION
    return x * x * x
    # END SOLUTION


def slope(f, x, step):
    """The slope of f at each entry of x, by central differences."""
    # BEGIN SOLUTION
    return (f(x + step) - f(x - step)) / (2 * step)
    # END SOLUTION


def batches(x, size):
    """The rows of x, `size` at a time."""
    # BEGIN SOLUTION
    for start in range(0, len(x), size):
        yield x[start : start + size]
    # END SOLUTION


class Offset:
    """Adds a number to arrays, and counts how often."""

    unit = 1.0

    def __init__(self, by):
        # BEGIN SOLUTION
        self.by, self.count = by, 0
        # END SOLUTION

    def forward(self, x):
        # BEGIN SOLUTION
        self.count += 1
        return x + self.by
        # END SOLUTION


def clip_(x, low, high):
    """Move every entry of x into [low, high], in place."""
    # BEGIN SOLUTION
    np.clip(x, low, high, out=x)
    # END SOLUTION


def standardize(x):
    """Move and scale x so that its mean is 0 and its standard deviation 1."""
    # BEGIN SOLUTION
    return scale(x - x.mean(), 1 / x.std())
    # END SOLUTION
'''

SECOND = '''\
from week1.basics import scale


def double_sum(x):
    """The sum of twice every entry of x."""
    # BEGIN SOLUTION
    return float(scale(x).sum())
    # END SOLUTION
'''

TEST_BASICS = f'''\
"""{GRADER_WORD}"""

import numpy as np
import pytest
from autograder.testing import assert_close, assert_shape

SECRET = {SECRET}
X = np.array([SECRET, -2.0, 0.5])


@pytest.mark.stage("shape")
def test_{NAME_WORD}_scale_shape(learner):
    "The result has the shape of x."
    assert_shape(learner.scale(np.full((2, 3), SECRET)), (2, 3), "float64")


@pytest.mark.visible
def test_{NAME_WORD}_scale_doubles(learner):
    "Without a factor every entry is doubled."
    assert_close(learner.scale(np.array([1.0, 2.0, 4.5])), np.array([2.0, 4.0, 9.0]))


@pytest.mark.stage("whole")
def test_{NAME_WORD}_scale_by_a_factor(learner, reference, probe):
    "Every entry is multiplied by the factor."
    x = probe.normal("N D")
    assert_close(learner.scale(x, factor=SECRET), reference.scale(x, factor=SECRET))


@pytest.mark.stage("robust")
def test_{NAME_WORD}_scale_by_zero(learner):
    "A factor of zero is refused."
    with pytest.raises(ValueError):
        learner.scale(X, factor=0.0)


def test_{NAME_WORD}_slope_of_a_parabola(learner):
    "The slope of a parabola."
    assert_close(learner.slope(lambda x: SECRET * x * x, X, 0.25), 2 * SECRET * X)


def test_{NAME_WORD}_slope_asks_properly(learner):
    "The function is given arrays like x."

    def f(x):
        assert x.shape == X.shape and x.dtype == X.dtype, f"expected {{SECRET}}"
        return SECRET * x

    assert_close(learner.slope(f, X, 0.25), np.full(3, SECRET))


def test_{NAME_WORD}_slope_stays_near(learner):
    "The function is asked near x."

    def f(x):
        if np.abs(x - X).max() > 0.25:
            pytest.fail("too far")
        return SECRET * x

    assert_close(learner.slope(f, X, 0.25), np.full(3, SECRET))


def test_{NAME_WORD}_slope_of_the_cube(learner, reference):
    "The slope of the third power."
    assert_close(learner.slope(reference.cube, X, 0.25), reference.slope(reference.cube, X, 0.25))


def test_{NAME_WORD}_cube(learner, reference, probe):
    "The third power of every entry."
    x = probe.normal("N D") * SECRET
    assert_close(learner.cube(x), reference.cube(x))


def test_{NAME_WORD}_cube_plainly(learner):
    "The third power, compared as a careless author would."
    got = learner.cube(X)
    np.testing.assert_allclose(np.asarray(got), X**3)
    assert (got == X * X * X).all()


def test_{NAME_WORD}_batches(learner):
    "Batches in order, the last one shorter."
    x = np.arange(5.0) * SECRET
    assert_close(list(learner.batches(x, 2)), [x[:2], x[2:4], x[4:]])


def test_{NAME_WORD}_offset_adds(learner):
    "The number is added."
    assert_close(learner.Offset(SECRET).forward(X), X + SECRET)


def test_{NAME_WORD}_offset_counts(learner):
    "Calls are counted."
    layer = learner.Offset(SECRET)
    layer.forward(X)
    layer.forward(X)
    assert layer.count == 2
    assert layer.by == SECRET


def test_{NAME_WORD}_offset_unit(learner):
    "Its unit is 1."
    assert learner.Offset.unit * 2 == 2.0


@pytest.mark.in_place
def test_{NAME_WORD}_clip(learner):
    "Entries outside are moved to the border."
    x = X.copy()
    assert learner.clip_(x, -1.0, SECRET - 1) is None
    assert_close(x, np.array([SECRET - 1, -1.0, 0.5]))


def test_{NAME_WORD}_standardize(learner, reference):
    "Mean 0 and standard deviation 1."
    assert_close(learner.standardize(X), reference.standardize(X))
'''

TEST_SECOND = f'''\
"""{GRADER_WORD}"""

import numpy as np
from autograder.testing import assert_close


def test_{NAME_WORD}_double_sum(learner):
    "Twice the sum."
    assert_close(learner.double_sum(np.array([{SECRET}, 1.0])), 2 * {SECRET} + 2.0)
'''

MISTAKES = """\
basics:
  - {task: slope, name: far, replace: f(x - step), by: f(x - 2 * step), says: That is two steps away.}
  - {task: cube, name: square, replace: return x * x * x, by: return x * x, says: One factor of x is missing.}
"""

FILES = {
    "solutions/week1/basics.py": f"# {REFERENCE_WORD}\n{BASICS}",
    "solutions/week1/second.py": f"# {REFERENCE_WORD}\n{SECOND}",
    "solutions/week1/mistakes.yml": MISTAKES,
    "graders/week1/test_basics.py": TEST_BASICS,
    "graders/week1/test_second.py": TEST_SECOND,
    "grading.yml": "limits: {wall_seconds: 1, cpu_seconds: 3, memory_mb: 256, output_kb: 16}\n",
}


def write_attacked_course(root: Path) -> Path:
    write_files(root, FILES)
    return root
