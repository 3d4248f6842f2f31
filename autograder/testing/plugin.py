"""The pytest plugin, loaded in every pytest run of the environment.

A check file is `test_<exercise>.py` in a module's folder of a course's exercises or graders. Until pytest collects one,
nothing here does anything; the first one brings in `running` (fixtures, stages, verdicts) and `summary` (the terminal).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from autograder.catalog import Exercise
    from autograder.testing.provider import Provider

HOMES = ("exercises", "graders")  # the folders of a course that hold modules with checks
EXERCISE: pytest.StashKey[Exercise] = pytest.StashKey()
EXERCISES: pytest.StashKey[dict[Path, dict[str, Exercise]]] = pytest.StashKey()  # of each folder of checks, by id
PROVIDER: pytest.StashKey[Provider] = pytest.StashKey()

MARKERS = (
    'task(name): the task that a check is about, where its source does not tell, for example task("softmax").',
    'stage(name): "shape", "mechanism" (the default), "whole" or "robust"; a check is not reached while one of the '
    "same task in an earlier stage does not pass.",
    "visible: a hidden check whose inputs and values the learner may see when it fails.",
    "in_place: the task may change its inputs; without it, a call that does so fails the check.",
    "gpu: a hidden check that needs a GPU; where there is none it is not run, and counts for nothing.",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("autograder", "checks of exercises")
    group.addoption(
        "--learner-dir",
        metavar="DIR",
        help="Check the files in DIR, which holds <module>/<exercise>.py. "
        "The default is the course's exercises folder, and for hidden graders its solutions.",
    )
    group.addoption(
        "--probe-seed",
        metavar="N",
        type=_seed,
        help="Draw the inputs of the checks from this seed, to repeat a failure. The default is a fresh one each time.",
    )


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"a seed is a whole number from 0, not {text!r}")
    return int(text)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    exercise = exercise_of(module_path, parent.session)
    if exercise is None:
        return None
    _bring_in(parent.config)
    module = CheckFile.from_parent(parent, path=module_path)
    module.stash[EXERCISE] = exercise
    return module


class CheckFile(pytest.Module):
    """A test module of a course. A course holds files of equal names, so they are never imported by basename.

    Where a library that its exercise needs is not installed, it is skipped, with the command that installs it.
    """

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        from autograder import installed
        from autograder.sandbox import frameworks

        packages = self.stash[EXERCISE].packages
        if absent := installed.missing(packages):
            pytest.skip(installed.in_words(absent), allow_module_level=True)
        if frameworks.TENSORFLOW.intersection(packages):
            frameworks.hide_triton()  # other checks of this run may want torch's optimizers, which look for it
        return super().collect()

    def _getobj(self) -> Any:
        option = self.config.option
        chosen, option.importmode = option.importmode, "importlib"
        try:
            return super()._getobj()
        finally:
            option.importmode = chosen


def exercise_of(path: Path, session: pytest.Session) -> Exercise | None:
    """The exercise that a test file checks, if it is a check file."""
    home = path.parent.parent
    if home.name not in HOMES or not path.name.startswith("test_"):
        return None
    homes = session.stash.setdefault(EXERCISES, {})
    if home not in homes:
        homes[home] = _exercises_at(home)
    return homes[home].get(f"{path.parent.name}/{path.stem.removeprefix('test_')}")


def _exercises_at(home: Path) -> dict[str, Exercise]:
    from autograder.catalog import Course

    course = Course.around(home)
    if course is None or home.resolve() not in (course.exercises_dir, course.graders_dir):
        return {}
    return {exercise.id: exercise for exercise in course.exercises}


def _bring_in(config: pytest.Config) -> None:
    from autograder.testing import running, summary

    if config.pluginmanager.is_registered(running):
        return
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    running.begin(config, config.stash.get(PROVIDER, None), config.option.probe_seed)
    config.pluginmanager.register(running)
    config.pluginmanager.register(summary)
