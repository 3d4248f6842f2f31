"""Right solutions in other styles than the reference's (loops, einsum, other orders of summation) earn full marks."""

import importlib.util
from pathlib import Path

import pytest

from autograder.catalog import Course
from autograder.grading.pool import Job, NodeSettings, Pool
from autograder.grading.run import by_libraries
from autograder.policy import Policy

FOLDER = Path(__file__).parent / "right_solutions"
COURSE = Course(Path(__file__).parents[1])
FILES = {f"{path.parent.name}/{path.stem}": path for path in sorted(FOLDER.glob("*/*__*.py"))}
NEEDED = {name: COURSE.exercise(name.partition("__")[0]) for name in FILES}


@pytest.fixture(scope="module")
def pools():
    """One grading node for each set of libraries that is installed."""
    groups = by_libraries(Policy.load(COURSE), list(dict.fromkeys(NEEDED.values())))
    opened = {}
    for libraries, exercises in groups.items():
        if all(importlib.util.find_spec(library) for library in libraries):
            settings = NodeSettings(str(COURSE.root), [e.id for e in exercises], libraries, seed=1)
            opened |= dict.fromkeys([e.id for e in exercises], Pool(settings, nodes=1))
    yield opened
    for pool in set(opened.values()):
        pool.close()


@pytest.mark.parametrize("name", FILES)
def test_a_right_solution_in_another_style_earns_everything(name, pools):
    exercise = NEEDED[name]
    if exercise.id not in pools:
        pytest.skip(f"not run: {', '.join(exercise.libraries)} are not all installed")
    siblings = {other.id: other.solution.read_bytes() for other in exercise.imports_exercises}
    for seed in (1, 2):
        job = Job("right", exercise.id, siblings | {exercise.id: FILES[name].read_bytes()}, "", 120.0, seed)
        result = pools[exercise.id].grade(job)
        assert result.outcome == "graded", result.note
        assert [(check.check, check.detail) for check in result.checks if check.status != "passed"] == []


def test_there_are_right_solutions_of_the_central_exercises():
    assert {"m08_convolutions/convolution", "m13_attention/attention", "m03_training/optimizers"} <= {
        exercise.id for exercise in NEEDED.values()
    }
