"""A learner's course of two small exercises, as `autograder release` would hand it out."""

import json

import pytest

from autograder.catalog import Course
from tests.courses import write_files

STUB = '''\
import numpy as np


def double(x):
    """Twice x."""
    raise NotImplementedError


def half(x):
    """Half of x."""
    raise NotImplementedError
'''
LATER = '''\
from week1.scaling import double


def quadruple(x):
    """Four times x."""
    raise NotImplementedError
'''
TESTS = """\
import numpy as np
from autograder.testing import assert_close


def test_double_is_twice(learner):
    assert_close(learner.double(np.array([1.0, -2.5])), np.array([2.0, -5.0]))


def test_half_is_half(learner):
    assert_close(learner.half(np.array([1.0, -2.5])), np.array([0.5, -1.25]))
"""
TEST_LATER = """\
import numpy as np
from autograder.testing import assert_close


def test_quadruple_is_four_times(learner):
    assert_close(learner.quadruple(np.array([1.0])), np.array([4.0]))
"""
HINTS = """\
scaling:
  double: ["What is x + x?", "Multiply by two.", "return 2 * x"]
  half: ["What is the inverse of doubling?", "Divide.", "return x / 2"]
"""
DOUBLE, HALF = "return 2 * x", "return x / 2"


def solved(double=None, half=None):
    """scaling.py with these lines as bodies."""
    head, first, second = STUB.split("raise NotImplementedError")
    return head + (double or "raise NotImplementedError") + first + (half or "raise NotImplementedError") + second


@pytest.fixture
def course(tmp_path):
    listed = {
        "week1/scaling": {"tasks": {"double": 1, "half": 1}, "imports": ["numpy", "week1"], "stub": STUB},
        "week1/later": {"tasks": {"quadruple": 1}, "imports": ["numpy", "week1"], "stub": LATER},
    }
    files = {
        "exercises/week1/scaling.py": STUB,
        "exercises/week1/later.py": LATER,
        "exercises/week1/test_scaling.py": TESTS,
        "exercises/week1/test_later.py": TEST_LATER,
        "exercises/week1/hints.yml": HINTS,
        "course.json": json.dumps({"title": "Scaling things", "exercises": listed}),
        "grading.yml": "limits: {wall_seconds: 1}\n",
    }
    write_files(tmp_path / "course", files)
    return Course(tmp_path / "course")


@pytest.fixture
def scaling(course):
    return course.exercise("scaling")
