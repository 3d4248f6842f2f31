"""Every lesson runs from top to bottom: with the solutions it draws all its figures, with the stubs it says what it waits for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autograder import installed
from autograder.catalog import Course

ROOT = Path(__file__).parents[1]
LESSONS = [module for module in Course(ROOT).modules if module.lesson_source.is_file()]
RUN = """
import runpy, sys
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt
drawn = []
plt.show = lambda *_, **__: (drawn.extend(plt.get_fignums()), plt.close("all"))
runpy.run_path(sys.argv[1])
print(f"{len(drawn)} figures")
"""


def run(module, folder):
    """Run the lesson beside the exercises in a folder; what it printed."""
    if absent := installed.missing({package for exercise in module.exercises for package in exercise.packages}):
        pytest.skip(f"not run: {installed.in_words(absent)}")
    variables = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(module.lesson_source)],
        cwd=folder / module.name, env=variables, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("module", LESSONS, ids=lambda module: module.name)
def test_with_the_solutions_every_figure_is_drawn(module):
    shown = run(module, module.course.solutions_dir)
    assert "not started yet" not in shown
    assert int(shown.split()[-2]) >= 3


@pytest.mark.parametrize("module", LESSONS, ids=lambda module: module.name)
def test_with_the_stubs_it_stays_readable(module):
    assert "not started yet" in run(module, module.course.exercises_dir)
