"""Gates on what is written: docstrings, doctests, hints, mistakes, generated files, the style of the checks."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

from autograder.authoring.build import drift
from autograder.authoring.verify.report import Problem
from autograder.catalog import Course, Exercise
from autograder.grading.mistakes import MistakeError, apply_mistake, load_mistakes

RUNGS = 3  # a question, a pointer, nearly the code
MISTAKES_NEEDED = 3
DOCTESTS = """
import doctest, importlib, sys
failed = 0
for name in sys.argv[1:]:
    failed += doctest.testmod(importlib.import_module(name)).failed
sys.exit(failed > 0)
"""


def drift_problems(course: Course) -> Iterator[Problem]:
    for each in drift(course):
        yield Problem("generated files", str(each.path), f"{each.what}; {each.mend}")


def exercise_problems(exercise: Exercise) -> Iterator[Problem]:
    yield from _docstrings(exercise)
    yield from _hints(exercise)
    yield from _mistakes(exercise)
    for suite in (exercise.grader, exercise.public_tests):
        if suite.is_file():
            yield from _style(suite)
        else:
            yield Problem("checks", str(suite), "there is no such file")


def doctest_problems(exercises: list[Exercise]) -> Iterator[Problem]:
    """The examples in the docstrings, run in one process for all exercises of a module."""
    environment = os.environ | {"PYTHONPATH": str(exercises[0].course.solutions_dir), "OMP_NUM_THREADS": "1"}
    names = [f"{exercise.module}.{exercise.name}" for exercise in exercises]
    command = [sys.executable, "-B", "-c", DOCTESTS, *names]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        yield Problem("doctests", str(exercises[0].solution.parent), (done.stdout + done.stderr).strip()[-2000:])


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
    try:
        hints = (yaml.safe_load(exercise.hints.read_text(encoding="utf-8")) or {}).get(exercise.name) or {}
    except (OSError, yaml.YAMLError, AttributeError) as error:
        yield Problem("hints", where, f"cannot be read: {error}")
        return
    for task in exercise.tasks:
        rungs = hints.get(task) or []
        if len(rungs) != RUNGS or not all(isinstance(rung, str) and rung.strip() for rung in rungs):
            yield Problem("hints", where, f"{exercise.name}: {task} needs {RUNGS} rungs, a text each")
    for extra in hints.keys() - set(exercise.tasks):
        yield Problem("hints", where, f"{exercise.name} has no task {extra}")


def _mistakes(exercise: Exercise) -> Iterator[Problem]:
    where = str(exercise.mistakes)
    try:
        all_mistakes = load_mistakes(exercise.mistakes)
    except (OSError, MistakeError, yaml.YAMLError) as error:
        yield Problem("mistakes", where, f"cannot be read: {error}")
        return
    mistakes = [mistake for mistake in all_mistakes if mistake.exercise == exercise.name]
    source = exercise.solution.read_text(encoding="utf-8")
    for task in exercise.tasks:
        count = sum(mistake.task == task for mistake in mistakes)
        if count < MISTAKES_NEEDED:
            yield Problem("mistakes", where, f"{exercise.name}: {task} has {count}, needs at least {MISTAKES_NEEDED}")
    for mistake in mistakes:
        try:
            compile(apply_mistake(source, mistake), exercise.id, "exec")
        except (MistakeError, SyntaxError) as error:
            yield Problem("mistakes", where, str(error))


def _style(suite: Path) -> Iterator[Problem]:
    """No swallowed exception, no print, and every check asserts something about values, not that there is one."""
    tree = ast.parse(suite.read_bytes())
    for node in ast.walk(tree):
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
