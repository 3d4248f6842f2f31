"""grading.yml: what each task is worth, its limits and what a learner may see. An empty file grades."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field

from autograder.catalog import Course, CourseError, Exercise, Module, near
from autograder.deadlines import Attempts, Deadline, LateRules, Zone, instant, nearest
from autograder.marked_yaml import Document, Fields

Device = Literal["cpu", "cuda", "auto"]
Visibility = Literal["visible", "after_due_date", "after_published", "hidden"]
Points = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]


class PolicyError(CourseError):
    """grading.yml is wrong; `problems` holds one line for each thing to mend."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _package(name: str) -> str:
    if not name.isidentifier():
        raise ValueError('should be the name of a package such as "scipy"')
    return name


def _module_path(name: str) -> str:
    if not all(part.isidentifier() for part in name.split(".")):
        raise ValueError('should be the name of a module such as "torch.nn.functional"')
    return name


_no_names = BeforeValidator(lambda value: {} if value is None else value)
_no_items = BeforeValidator(lambda value: [] if value is None else value)


class Limits(Fields):
    """What a worker may use: `wall_seconds` for each check, the rest for the whole worker."""

    wall_seconds: float = Field(10, gt=0, le=3600, allow_inf_nan=False)
    cpu_seconds: float = Field(20, gt=0, le=36_000, allow_inf_nan=False)
    memory_mb: int = Field(1024, ge=64, le=1_048_576)
    output_kb: int = Field(64, ge=1, le=65_536)
    gpu_memory_mb: int = Field(4096, ge=256, le=1_048_576)


class ExerciseRules(Deadline):
    points: Points | None = None
    tasks: Annotated[dict[str, Points], _no_names] = {}
    limits: Limits = Limits()
    allow_imports: Annotated[list[Annotated[str, AfterValidator(_package)]], _no_items] = []
    forbid_imports: Annotated[list[Annotated[str, AfterValidator(_module_path)]], _no_items] = []
    visibility: Visibility | None = None


class ModuleRules(Deadline):
    points: Points | None = None
    exercises: Annotated[dict[str, ExerciseRules], _no_names] = {}


class Settings(Deadline):
    title: str = "Deep learning exercises"
    seed: int = Field(0, ge=0, lt=2**63)
    time_zone: Zone = "UTC"
    visibility: Visibility = "visible"
    device: Device = "cpu"
    limits: Limits = Limits()
    carried_forward: float = Field(1, ge=0, le=1, allow_inf_nan=False)
    modules: Annotated[dict[str, ModuleRules], _no_names] = {}


@dataclass(frozen=True)
class Policy:
    """The rules of a course, checked against what is in it."""

    course: Course
    settings: Settings
    _points: dict[str, dict[str, float]]

    @classmethod
    def load(cls, course: Course) -> "Policy":
        """Read `grading.yml`; no file, or an empty one, means the defaults."""
        document = Document(course.grading_file)
        settings = document.parse(Settings, _fields_at)
        _check_names(document, course)
        points = {}
        if settings and not document.problems:
            for module in course.modules:
                points |= _points_of_module(document, module, settings.modules.get(module.name, ModuleRules()))
            _check_imports(document, course, settings)
        if document.problems:
            raise PolicyError(document.problems)
        return cls(course, settings, points)

    @property
    def title(self) -> str:
        return self.course.listing.get("title") or self.settings.title

    @property
    def seed(self) -> int:
        return self.settings.seed

    @property
    def device(self) -> Device:
        """Where learners' torch tensors are, where nobody says otherwise."""
        return self.settings.device

    @property
    def carried_forward(self) -> float:
        """What a check counts that passes only with the reference in place of earlier tasks."""
        return self.settings.carried_forward

    def exercises(self, course: Course | None = None) -> list[Exercise]:
        """Every exercise in the order a learner meets them: those listed in grading.yml, then the others by name."""
        return [exercise for module in (course or self.course).modules for exercise in self._in_order(module)]

    def points(self, exercise: Exercise) -> dict[str, float]:
        """Points of each task, in the order of the file."""
        if listed := self.course.listing.get("exercises", {}).get(exercise.id):
            return dict(listed["tasks"])
        return dict(self._points[exercise.id])

    def limits(self, exercise: Exercise) -> Limits:
        own = self._rules(exercise).limits.model_dump(exclude_unset=True)
        return self.settings.limits.model_copy(update=own)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.settings.time_zone)

    def due(self, exercise: Exercise) -> datetime | None:
        """When it is due, in UTC."""
        when = nearest(self._levels(exercise), "due")
        return when and instant(when, self.zone)

    def late(self, exercise: Exercise) -> LateRules:
        return nearest(self._levels(exercise), "late") or LateRules()

    def attempts(self, exercise: Exercise) -> Attempts:
        """Which of several attempts counts."""
        return nearest(self._levels(exercise), "attempts") or "best"

    def visibility(self, exercise: Exercise) -> Visibility:
        return self._rules(exercise).visibility or self.settings.visibility

    def allowed_imports(self, exercise: Exercise) -> frozenset[str]:
        """Top-level names a submission may import besides the standard library."""
        return exercise.allowed_imports.union(self._rules(exercise).allow_imports) - self.forbidden_imports(exercise)

    def forbidden_imports(self, exercise: Exercise) -> frozenset[str]:
        """Modules, by dotted name, that a submission may not import."""
        return frozenset(self._rules(exercise).forbid_imports)

    def _rules(self, exercise: Exercise) -> ExerciseRules:
        return self._module_rules(exercise).exercises.get(exercise.name, ExerciseRules())

    def _module_rules(self, exercise: Exercise) -> ModuleRules:
        return self.settings.modules.get(exercise.module, ModuleRules())

    def _levels(self, exercise: Exercise) -> tuple[Deadline, ...]:
        """What may be said of an exercise's deadline, the nearest first."""
        return self._rules(exercise), self._module_rules(exercise), self.settings

    def _in_order(self, module: Module) -> list[Exercise]:
        listed = list(self.settings.modules.get(module.name, ModuleRules()).exercises)
        listed = listed or [name.partition("/")[2] for name in self.course.listing.get("exercises", {})]
        return sorted(module.exercises, key=lambda e: listed.index(e.name) if e.name in listed else len(listed))


def _fields_at(path: tuple[str, ...]) -> Iterable[str]:
    match path:
        case (*_, "limits"):
            return Limits.model_fields
        case (*_, "late"):
            return LateRules.model_fields
        case ("modules", _):
            return ModuleRules.model_fields
        case ("modules", _, "exercises", _):
            return ExerciseRules.model_fields
        case _:
            return Settings.model_fields


def _check_names(document: Document, course: Course) -> None:
    """Report modules, exercises and tasks that the course does not have."""

    def unknown(path: tuple[str, ...], kind: str, known: Iterable[str]) -> None:
        document.report(path, f"no such {kind}{near(path[-1], known)}", at_key=True)

    modules = {module.name: module for module in course.modules}
    for module in document.keys("modules"):
        if module not in modules:
            unknown(("modules", module), "module", modules)
            continue
        exercises = {exercise.name: exercise for exercise in modules[module].exercises}
        for exercise in document.keys("modules", module, "exercises"):
            path = ("modules", module, "exercises", exercise)
            if exercise not in exercises:
                unknown(path, "exercise", exercises)
                continue
            for task in document.keys(*path, "tasks"):
                if task not in exercises[exercise].tasks:
                    unknown((*path, "tasks", task), "task", exercises[exercise].tasks)


def _check_imports(document: Document, course: Course, settings: Settings) -> None:
    """Report imports that are forbidden although they are allowed, or needed by the solution."""
    for exercise in course.exercises:
        rules = settings.modules.get(exercise.module, ModuleRules()).exercises.get(exercise.name, ExerciseRules())
        path = ("modules", exercise.module, "exercises", exercise.name, "forbid_imports")
        for i, name in enumerate(rules.forbid_imports):
            if name in rules.allow_imports:
                document.report((*path, i), f"{name} is both allowed and forbidden; keep one")
            elif name in exercise.libraries:
                document.report((*path, i), f"the exercise itself imports {name}; a submission needs it")


def _points_of_module(document: Document, module: Module, rules: ModuleRules) -> dict[str, dict[str, float]]:
    """Points of every task of every exercise; reports sums that cannot be."""
    path = ("modules", module.name)
    rules_of = {e.name: rules.exercises.get(e.name, ExerciseRules()) for e in module.exercises}
    given = {e.name: total for e in module.exercises if (total := _own_points(e, rules_of[e.name])) is not None}
    totals: dict[str, float | None] = {e.name: given.get(e.name) for e in module.exercises}
    try:
        if rules.points is not None:
            totals = _share(rules.points, given, {e.name: len(e.tasks) for e in module.exercises}, "module")
    except ValueError as problem:
        document.report((*path, "points"), str(problem))
    points = {}
    for exercise in module.exercises:
        own, total = rules_of[exercise.name], totals[exercise.name]
        try:
            if total is None:
                points[exercise.id] = {task: own.tasks.get(task, 1.0) for task in exercise.tasks}
            else:
                points[exercise.id] = _share(total, own.tasks, dict.fromkeys(exercise.tasks, 1), "exercise")
        except ValueError as problem:
            document.report((*path, "exercises", exercise.name, "points"), str(problem))
    return points


def _own_points(exercise: Exercise, rules: ExerciseRules) -> float | None:
    """The points that its rules fix for it, directly or by those of all its tasks."""
    if rules.points is None and rules.tasks and set(exercise.tasks) <= set(rules.tasks):
        return math.fsum(rules.tasks.values())
    return rules.points


def _share(total: float, given: dict[str, float], weights: dict[str, int], kind: str) -> dict[str, float]:
    """Share `total`: the given parts first, what is left over the others by weight."""
    part = {"module": "exercises", "exercise": "tasks"}[kind]
    others = {name: weight for name, weight in weights.items() if name not in given and weight}
    left = total - math.fsum(given.values())
    if math.isclose(left, 0, abs_tol=1e-9):
        left = 0.0
    if left < 0 or (left > 0 and not others):
        raise ValueError(f"its {part} add up to {math.fsum(given.values()):g} points, but the {kind} has {total:g}")
    if left == 0 and others and total > 0:
        raise ValueError(
            f"nothing is left of its {total:g} points for {', '.join(others)}; 0 points makes one optional"
        )
    whole = sum(others.values())
    return {name: given[name] if name in given else left * others.get(name, 0) / (whole or 1) for name in weights}
