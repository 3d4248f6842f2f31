"""Gates on what is written: docstrings, doctests, hints, mistakes, generated files, the style of the checks."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import yaml

from autograder.authoring.build import drift
from autograder.authoring.verify.report import Problem
from autograder.catalog import Course, Exercise, Module, near
from autograder.grading.mistakes import Loader, Mistake, MistakeError, apply_mistake, load_mistakes

RUNGS = 3  # a question, a pointer, nearly the code
MISTAKES_NEEDED = 3


def drift_problems(course: Course, modules: Sequence[str]) -> Iterator[Problem]:
    """Generated files that are out of date, but for those of modules that are not to be verified."""
    others = {module.name for module in course.modules} - set(modules)
    for each in drift(course):
        if Path(each.path).parent.name not in others:
            yield Problem("generated files", each.path, f"{each.what}; run: {each.mend}")


def module_problems(module: Module) -> Iterator[Problem]:
    """Entries of the module's files that are for none of its exercises: nobody would ever read them."""
    exercises = [exercise.name for exercise in module.exercises]
    for gate, path in (("mistakes", module.solutions / "mistakes.yml"), ("hints", module.folder / "hints.yml")):
        for name in _entries(path).keys() - set(exercises):
            yield Problem(gate, str(path), f"{name!r} is no exercise of {module.name}{near(str(name), exercises)}")


def exercise_problems(exercise: Exercise) -> Iterator[Problem]:
    yield from _docstrings(exercise)
    yield from _hints(exercise)
    yield from _mistakes(exercise)
    for suite in (exercise.grader, exercise.public_tests):
        yield from _style(suite)


def can_be_graded(exercise: Exercise) -> bool:
    """Whether there are checks that can be read, and mistakes that can be made."""
    suites = (exercise.grader, exercise.public_tests)
    return not any(_unreadable(suite) for suite in suites) and not _unmakeable(exercise)


def _docstrings(exercise: Exercise) -> Iterator[Problem]:
    tree = ast.parse(exercise.solution.read_bytes())
    for node in tree.body:
        if getattr(node, "name", None) not in exercise.tasks:
            continue
        text = ast.get_docstring(node) or ""
        needed = ["Reference:", "Example:"]
        if isinstance(node, ast.FunctionDef):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg]
            needed += ["Args:"] if any(arguments) else []
            needed += [] if "Yields:" in text else ["Returns:"]
        missing = [section for section in needed if section not in text] + ([] if ">>>" in text else [">>> an example"])
        if missing:
            where = f"{exercise.solution}:{node.lineno}"
            yield Problem("docstrings", where, f"{node.name} lacks {', '.join(missing)}")


def _hints(exercise: Exercise) -> Iterator[Problem]:
    where = str(exercise.hints)
    hints = _entries(exercise.hints).get(exercise.name)
    if not isinstance(hints, dict):
        yield Problem("hints", where, f"there are none for {exercise.name}, or they cannot be read")
        return
    for task in exercise.tasks:
        rungs = hints.get(task) or []
        if len(rungs) != RUNGS or not all(isinstance(rung, str) and rung.strip() for rung in rungs):
            yield Problem("hints", where, f"{exercise.name}: {task} needs {RUNGS} rungs, a text each")
    for extra in hints.keys() - set(exercise.tasks):
        yield Problem("hints", where, f"{exercise.name} has no task {str(extra)!r}{near(str(extra), exercise.tasks)}")


def _entries(path: Path) -> dict:
    """What a YAML file holds for each exercise; nothing, if it cannot be read."""
    try:
        entries = yaml.load(path.read_text(encoding="utf-8"), Loader)
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return entries if isinstance(entries, dict) else {}


def _mistakes(exercise: Exercise) -> Iterator[Problem]:
    where = str(exercise.mistakes)
    if faults := _unmakeable(exercise):
        yield from (Problem("mistakes", where, fault) for fault in faults)
        return
    made = [mistake.task for mistake in load_mistakes(exercise.mistakes) if mistake.exercise == exercise.name]
    for task in exercise.tasks:
        if made.count(task) < MISTAKES_NEEDED:
            what = f"{exercise.name}: {task} has {made.count(task)}, needs at least {MISTAKES_NEEDED}"
            yield Problem("mistakes", where, what)


def _unmakeable(exercise: Exercise) -> Sequence[str]:
    """Why mistakes of the exercise cannot be read, cannot be made, or do not leave Python behind."""
    try:
        mistakes = [mistake for mistake in load_mistakes(exercise.mistakes) if mistake.exercise == exercise.name]
    except MistakeError as error:
        return [str(error)]
    return _faults(exercise.id, exercise.solution.read_text(encoding="utf-8"), tuple(exercise.tasks), tuple(mistakes))


@lru_cache(maxsize=64)
def _faults(name: str, source: str, tasks: tuple[str, ...], mistakes: tuple[Mistake, ...]) -> Sequence[str]:
    faults = []
    for mistake in mistakes:
        if mistake.task not in tasks:
            hint = near(mistake.task, tasks)
            faults.append(f"{mistake.name!r} is of {mistake.task!r}, which is no task of {mistake.exercise}{hint}")
            continue
        try:
            compile(apply_mistake(source, mistake), name, "exec")
        except MistakeError as error:
            faults.append(str(error))
        except SyntaxError as error:
            faults.append(f"{mistake.exercise}: {mistake.task}: {mistake.name!r} leaves no Python behind: {error}")
    return faults


def _unreadable(suite: Path) -> Problem | None:
    if not suite.is_file():
        return Problem("checks", str(suite), "there is no such file")
    try:
        ast.parse(suite.read_bytes())
    except (SyntaxError, ValueError) as error:
        return Problem("checks", f"{suite}:{getattr(error, 'lineno', None) or 1}", f"is no Python: {error}")
    return None


def _style(suite: Path) -> Iterator[Problem]:
    """No swallowed exception, no print, and every check asserts something about values, not that there is one."""
    if problem := _unreadable(suite):
        yield problem
        return
    for node in ast.walk(ast.parse(suite.read_bytes())):
        where = f"{suite}:{getattr(node, 'lineno', 1)}"
        if isinstance(node, ast.Try):
            yield Problem("style of checks", where, "a check has no try: use pytest.raises")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield Problem("style of checks", where, "a check does not print")
        elif isinstance(node, ast.Assert) and _is_not_none(node.test):
            yield Problem("style of checks", where, "`is not None` accepts anything: compare values")
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and not _asserts(node):
            yield Problem("style of checks", where, f"{node.name} asserts nothing")


def _is_not_none(test: ast.expr) -> bool:
    return isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.IsNot)


def _asserts(function: ast.FunctionDef) -> bool:
    """An assert statement, or a call of something whose name tells that it checks."""
    calls = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
    names = {getattr(called, "id", None) or getattr(called, "attr", "") for called in calls}
    tells = any(name.lstrip("_").startswith(("assert", "check", "expect")) or name == "raises" for name in names)
    return tells or any(isinstance(node, ast.Assert) for node in ast.walk(function))
