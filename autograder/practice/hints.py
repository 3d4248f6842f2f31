"""The ladder of hints: a question, a pointer, nearly the code. One rung more each time somebody asks."""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from autograder.catalog import Course, CourseError, Exercise
from autograder.practice import record


@dataclass(frozen=True)
class Hint:
    """One rung: its number from 1, of how many, and the text."""

    number: int
    rungs: int
    text: str


def ladder(exercise: Exercise, task: str) -> list[str]:
    """All hints of a task.

    Raises:
        CourseError: the file of hints cannot be read, or has none for this task.
    """
    try:
        found = yaml.safe_load(exercise.hints.read_text(encoding="utf-8")) or {}
        rungs = found[exercise.name][task]
    except FileNotFoundError:
        raise CourseError(f"{exercise.module} has no hints") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CourseError(f"{exercise.hints} cannot be read: {error}") from None
    except (KeyError, TypeError):
        raise CourseError(f"there is no hint for {task} in {exercise.hints}") from None
    return [str(rung).strip() for rung in rungs]


def next_hint(course: Course, exercise: Exercise, task: str) -> Hint:
    """One rung more than last time; the last one again when there is no other. Which were shown is kept in the record."""
    rungs = ladder(exercise, task)
    with record.changing(course) as noted:
        own = noted.task(exercise.id, task)
        own.hints = min(own.hints + 1, len(rungs))
        return Hint(own.hints, len(rungs), rungs[own.hints - 1])


def shown_hints(course: Course, exercise: Exercise, task: str) -> list[str]:
    """The rungs that were shown already."""
    return ladder(exercise, task)[: record.load(course).task(exercise.id, task).hints]
