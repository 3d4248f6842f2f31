"""Where checks get the learner's module and the reference from. The grading session puts a provider of its own here."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from autograder.catalog import Course, Exercise, is_exercise_file
from autograder.sandbox.gpu import CPU
from autograder.sandbox.sources import SourceFinder
from autograder.testing.imports import check_imports
from autograder.testing.local import LocalModule
from autograder.testing.tasks import Check

if TYPE_CHECKING:
    from autograder.policy import Policy


class Provider(Protocol):
    """Hands out what the fixtures `learner` and `reference` are, for one check at a time.

    What it returns answers attribute access with the functions of the module and keeps the last call of one in
    `_last_call`; `_gave_data` says that one of its names was plain data. The fixtures call its `_begin_check(in_place)`
    before each check. May raise NotLoaded.
    """

    was_killed: bool  # whether the learner's process was, for which nobody knows the reason
    device: str  # where the learner's code has its torch tensors: "cpu" or "cuda"

    def learner(self, check: Check) -> Any: ...

    def reference(self, check: Check) -> Any: ...

    def file(self, check: Check) -> Path | None:
        """The learner's file, if it lies on this machine's disk where the learner can open it."""

    def scratch(self) -> Path | None:
        """An empty folder in which the learner's code may write; None where it may write anywhere."""


class LocalProvider:
    """Loads the learner's file and the reference into this process.

    Args:
        learner_dir: the folder that holds <module>/<exercise>.py; by default the course's exercises for public checks
            and its solutions for hidden ones, which proves the graders.
    """

    was_killed = False
    device = CPU

    def __init__(self, learner_dir: Path | None = None):
        self.learner_dir = learner_dir
        self._modules: dict[tuple[Path, bool, str], LocalModule] = {}
        self._finders: dict[tuple[Path, bool], SourceFinder] = {}

    def learner(self, check: Check) -> LocalModule:
        return self._module(check.exercise, self._folder(check), is_learner=True)

    def reference(self, check: Check) -> LocalModule:
        return self._module(check.exercise, check.exercise.course.solutions_dir, is_learner=False)

    def file(self, check: Check) -> Path | None:
        path = self._folder(check) / check.exercise.module / f"{check.exercise.name}.py"
        return path if path.is_file() else None

    def scratch(self) -> None:
        return None

    def _folder(self, check: Check) -> Path:
        course = check.exercise.course
        return self.learner_dir or (course.solutions_dir if check.hidden else course.exercises_dir)

    def _module(self, exercise: Exercise, folder: Path, is_learner: bool) -> LocalModule:
        key = folder, is_learner, exercise.id
        if key not in self._modules:
            self._modules[key] = self._load(exercise, folder, is_learner)
        return self._modules[key]

    def _load(self, exercise: Exercise, folder: Path, is_learner: bool) -> LocalModule:
        finder = self._finders.setdefault((folder, is_learner), SourceFinder(sources_in(folder)))
        name = f"{exercise.module}.{exercise.name}"
        problems: list[str] = []
        if is_learner and name in finder.sources:
            source, filename = finder.sources[name]
            siblings = [f"{other.module}.{other.name}" for other in exercise.course.exercises]
            policy = policy_of(exercise.course)
            allowed, forbidden = policy.allowed_imports(exercise), policy.forbidden_imports(exercise)
            problems = check_imports(source.read_bytes(), filename, allowed, forbidden, siblings)
        return LocalModule(finder, name, problems, filename=str(folder / exercise.module / f"{exercise.name}.py"))


@cache
def policy_of(course: Course) -> Policy:
    """The course's rules, so that what a learner may import here is what they may import when they are graded."""
    from autograder.policy import Policy

    return Policy.load(course)


def sources_in(folder: Path) -> dict[str, tuple[Path, str]]:
    """Every exercise file under `folder`, by dotted name."""
    if not folder.is_dir():
        return {}
    modules = [path for path in folder.iterdir() if path.name.isidentifier() and path.is_dir()]
    files = [path for module in modules for path in module.glob("*.py") if is_exercise_file(path)]
    return {f"{path.parent.name}.{path.stem}": (path, str(path)) for path in files}
