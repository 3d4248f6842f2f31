"""A miniature course, and pytest run in it as a learner or an instructor would."""

from textwrap import dedent

import numpy  # noqa: F401  (NumPy cannot be imported anew in each of the inner runs)
import pytest

import autograder.testing.summary  # noqa: F401
from tests.courses import write_files

SOLUTION = '''\
"""Two functions."""

import numpy as np


def double(x, times=1):
    """Twice x, so many times."""
    # BEGIN SOLUTION
    return x * 2.0**times
    # END SOLUTION


def softmax(x, axis=-1):
    """Probabilities."""
    # BEGIN SOLUTION
    weights = np.exp(x - x.max(axis=axis, keepdims=True))
    return weights / weights.sum(axis=axis, keepdims=True)
    # END SOLUTION
'''

STUB = '''\
"""Two functions."""

import numpy as np


def double(x, times=1):
    """Twice x, so many times."""
    raise NotImplementedError


def softmax(x, axis=-1):
    """Probabilities."""
    raise NotImplementedError
'''

PUBLIC = """\
import numpy as np
import pytest

from autograder.testing import assert_close, assert_shape


def test_double_of_known_values(learner):
    assert_close(learner.double(np.array([1.0, -3.0])), np.array([2.0, -6.0]))


@pytest.mark.stage("shape")
def test_double_keeps_the_shape(learner, probe):
    x = probe.normal("N C")
    assert_shape(learner.double(x), x.shape, x.dtype)


def test_softmax_sums_to_one(learner, probe):
    assert_close(learner.softmax(probe.normal("N C"), axis=1).sum(axis=1), np.ones(probe.size("N")))
"""

GRADER = """\
import pytest

from autograder.testing import assert_close


@pytest.mark.stage("whole")
def test_double_equals_the_reference(learner, reference, probe):
    x = probe.normal("N C")
    assert_close(learner.double(x, times=3), reference.double(x, times=3))


@pytest.mark.visible
def test_softmax_equals_the_reference(learner, reference, probe):
    x = probe.extreme("N C")
    assert_close(learner.softmax(x, axis=0), reference.softmax(x, axis=0))
"""

FILES = {
    "solutions/m00_tiny/basics.py": SOLUTION,
    "exercises/m00_tiny/basics.py": STUB,
    "exercises/m00_tiny/test_basics.py": PUBLIC,
    "graders/m00_tiny/test_basics.py": GRADER,
}


class MiniCourse:
    """Run pytest on a course in a folder of its own."""

    public, hidden = "exercises/m00_tiny/test_basics.py", "graders/m00_tiny/test_basics.py"

    def __init__(self, pytester):
        self.pytester = pytester
        write_files(pytester.path, FILES)

    def write(self, files):
        write_files(self.pytester.path, files)

    def solve(self, double="return x * 2.0**times", softmax="return None"):
        """Write the learner's file with these bodies."""
        bodies = {"double": double, "softmax": softmax}
        text = STUB
        for body in bodies.values():
            text = text.replace("    raise NotImplementedError", "    " + dedent(body).replace("\n", "\n    "), 1)
        self.write({"exercises/m00_tiny/basics.py": text})

    def check(self, body, *arguments):
        """Run one public check with this body on the learner's file."""
        imports = "import numpy as np\nimport pytest\nfrom autograder.testing import *\n\n\n"
        text = f"{imports}def test_double(learner, probe):\n    " + dedent(body).replace("\n", "\n    ")
        self.write({self.public: text})
        return self.run(self.public, *arguments)

    def run(self, *arguments):
        return self.pytester.runpytest_inprocess("-p", "autograder.testing.plugin", *arguments)


@pytest.fixture
def course(pytester, monkeypatch):
    for name in ("CI", "BUILD_NUMBER", "AUTOGRADER_COURSE", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    # The other plugins of the environment take longer to import than all the rest of a run.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return MiniCourse(pytester)
