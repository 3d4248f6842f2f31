"""What the page of one learner shows: every attempt, every check of those that count, and what was decided by hand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from autograder.catalog import Exercise
from autograder.gradebook.book import Standing, in_words
from autograder.gradebook.tables import Attempt, Audit, Check
from autograder.web.desk import Work
from autograder.web.views import summary

CHECK = (
    Check.task,
    Check.sentence,
    Check.check,
    Check.status,
    Check.message,
    Check.says,
    Check.card,
    Check.detail,
    Check.carried,
)


def learner(work: Work, name: str, at: datetime) -> dict[str, Any]:
    book, person = work.book, work.book.people[name]
    standings = {exercise: book.standings[name, exercise.id] for exercise in book.exercises}
    deciding = [standing.deciding.attempt.id for standing in standings.values() if standing.deciding]
    checks = _checks(work, deciding)
    modules: dict[str, list[dict[str, Any]]] = {}
    for exercise, standing in standings.items():
        modules.setdefault(exercise.module, []).append(_exercise(work, name, exercise, standing, checks, at))
    return {
        "person": person,
        "sum": summary(standings.values(), at),
        "modules": modules,
        "targets": [*modules, *(exercise.id for exercise in book.exercises)],
        "extensions": person.extensions[::-1],
        "overrides": person.overrides[::-1],
        "changes": _changes(work, name),
    }


def _exercise(
    work: Work,
    name: str,
    exercise: Exercise,
    standing: Standing,
    checks: Mapping[tuple[int, str], list[Any]],
    at: datetime,
) -> dict[str, Any]:
    deciding = standing.deciding
    return {
        "exercise": exercise,
        "standing": standing,
        "sum": summary([standing], at),
        "remarks": work.book.remarks(name, exercise),
        "lateness": {each.attempt.id: _lateness(each.attempt, standing.due) for each in standing.attempts},
        "checks": {
            task.task: checks.get((deciding.attempt.id, task.task), []) if deciding else []
            for task in standing.score.tasks
        },
    }


def _lateness(attempt: Attempt, due: datetime | None) -> str:
    return f"{in_words(attempt.submitted_at - due)} late" if due and attempt.submitted_at > due else ""


def _checks(work: Work, attempts: list[int]) -> dict[tuple[int, str], list[Any]]:
    """The results of attempts, by attempt and task, in one query."""
    found: dict[tuple[int, str], list[Any]] = {}
    asked = (
        sa.select(Check.attempt_id, *CHECK)
        .where(Check.attempt_id.in_(attempts))
        .order_by(Check.attempt_id, Check.place)
    )
    for row in work.gradebook.session.execute(asked):
        found.setdefault((row.attempt_id, row.task), []).append(row)
    return found


def _changes(work: Work, name: str) -> list[Audit]:
    """What was done to this learner, the newest first."""
    whose = Audit.details["learner"].as_string() == name
    asked = sa.select(Audit).where(Audit.course_id == work.gradebook.course.id, whose).order_by(Audit.id.desc())
    return list(work.gradebook.session.scalars(asked))
