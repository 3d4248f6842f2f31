"""The reference beside one's own work, for those who have passed, or given up."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator
from pathlib import Path

from autograder.catalog import BEGIN_MARKER, END_MARKER, STUB_MARKER, Course, CourseError, Exercise
from autograder.practice import record


def compared(course: Course, exercise: Exercise, task: str, give_up: bool = False) -> tuple[str, list[str]]:
    """The reference of a task, and how it differs from the learner's own: lines of a unified diff.

    Raises:
        CourseError: the task has not passed and `give_up` is not set, or the course comes without solutions.
    """
    if not exercise.solution.is_file():
        raise CourseError("this course comes without its solutions: ask whoever gave it to you")
    with record.changing(course) as noted:
        own = noted.task(exercise.id, task)
        if not own.passed and not give_up and not own.solution:
            raise CourseError(
                f"{task} has not passed yet. Another hint: autograder hint {task}. "
                f"To see the solution all the same (that is noted): autograder solution {task} --give-up"
            )
        own.solution = own.solution or ("after" if own.passed else "gave up")
    reference = _source_of(exercise.solution, task)
    mine = _source_of(exercise.stub, task)
    names = f"yours: exercises/{exercise.id}.py", "the reference"
    return reference, list(difflib.unified_diff(mine.splitlines(), reference.splitlines(), *names, lineterm="", n=100))


def _source_of(path: Path, task: str) -> str:
    """The definition of a task without its markers; nothing where it cannot be found."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        body = ast.parse(text).body
    except (OSError, SyntaxError, ValueError):
        return ""
    node = next((node for node in body if getattr(node, "name", None) == task), None)
    if node is None:
        return ""
    return "\n".join(_unmarked(text.splitlines()[node.lineno - 1 : node.end_lineno]))


def _unmarked(lines: list[str]) -> Iterator[str]:
    """The lines without markers, and without the broken program that stands below `# STUB`."""
    in_stub = False
    for line in lines:
        in_stub = not END_MARKER.match(line) and (in_stub or STUB_MARKER.match(line) is not None)
        if not (in_stub or BEGIN_MARKER.match(line) or END_MARKER.match(line)):
            yield line
