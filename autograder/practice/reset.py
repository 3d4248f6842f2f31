"""Begin an exercise anew: the stub again, the work so far put aside and never lost."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from autograder.catalog import Course, CourseError, Exercise
from autograder.practice import record


def reset(course: Course, exercise: Exercise) -> Path | None:
    """Put the stub back in place; where the work is kept now, or None if there was nothing of the learner's own.

    Raises:
        CourseError: nothing here knows what the stub was.
    """
    stub = original(course, exercise)
    mine = exercise.stub.read_bytes() if exercise.stub.is_file() else b""
    if mine == stub:
        return None
    kept = record.folder(course) / "backups" / exercise.module / f"{exercise.name}-{datetime.now():%Y%m%d-%H%M%S-%f}.py"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(mine)
    exercise.stub.write_bytes(stub)
    return kept


def original(course: Course, exercise: Exercise) -> bytes:
    """The stub: made from the solution where there is one, else from the list that came with the course."""
    if exercise.solution.is_file():
        from autograder.authoring.build import stub_text

        return stub_text(exercise.solution).encode()
    try:
        return course.listing["exercises"][exercise.id]["stub"].encode()
    except KeyError:
        raise CourseError(
            f"nothing here knows what {exercise.stub} was; copy it from where you got the course"
        ) from None
