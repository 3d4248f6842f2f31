"""Miniature courses for the tests: files from a dictionary, written where a test may do what it likes with them."""

from pathlib import Path
from textwrap import dedent

from autograder.catalog import Course

ACTIVATIONS = '''\
"""Activations."""

import numpy as np
from jaxtyping import Float


def relu(x: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Keep what is positive."""
    # BEGIN SOLUTION
    positive = x > 0  # (...)
    return np.where(positive, x, 0.0)
    # END SOLUTION


def _shift(x):
    return x - x.max()


def softmax(x, axis=-1):
    """Positive, with sum 1."""
    # BEGIN SOLUTION
    shifted = x - x.max(axis, keepdims=True)
    weights = np.exp(shifted)
    return weights / weights.sum(axis, keepdims=True)
    # END SOLUTION
'''

LAYERS = '''\
"""Layers."""

import numpy as np

from m00_foundations.activations import relu


class Layer:
    """A linear map and a relu."""

    def __init__(self, w):
        # BEGIN SOLUTION
        self.w = w
        # END SOLUTION

    def __call__(self, x):
        # BEGIN SOLUTION
        product = np.dot(x, self.w)
        return relu(product)
        # END SOLUTION
'''

LESSON = """\
# %% [markdown]
# # Activations

# %%
import numpy as np

# %%
np.ones(3)
"""

COURSE = {
    "solutions/m00_foundations/activations.py": ACTIVATIONS,
    "solutions/m00_foundations/layers.py": LAYERS,
    "solutions/m00_foundations/lesson.py": LESSON,
    "solutions/m00_foundations/mistakes.yml": "- {task: relu, name: sign, replace: x > 0, by: x < 0, says: Wrong.}\n",
    "graders/m00_foundations/test_activations.py": """\
        def test_relu_of_a_negative_number_is_zero(learner):
            assert learner.relu(-3.0) == 0.0
        """,
    "exercises/m00_foundations/test_activations.py": """\
        def test_relu_keeps_a_positive_number(learner):
            assert learner.relu(2.0) == 2.0
        """,
    "exercises/m00_foundations/hints.yml": "relu: [What happens below zero?]\n",
    "exercises/m00_foundations/README.md": "# Foundations\n",
}


def write_files(root: Path, files: dict[str, str | None]) -> None:
    """Write each file, dedented."""
    for name, text in files.items():
        if text is not None:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text))


def write_course(root: Path, files: dict[str, str | None] | None = None) -> Course:
    """The course above in `root`, with `files` instead of or besides its own; None leaves one out."""
    write_files(root, COURSE | (files or {}))
    return Course(root)
