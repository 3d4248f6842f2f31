"""How often each check failed, and which mistakes were made, counted by the database over the attempts that decide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from autograder.catalog import Exercise
from autograder.gradebook.tables import Check
from autograder.grading.results import Status

if TYPE_CHECKING:
    from autograder.web.desk import Work

FAILED = (Status.WRONG, Status.ERROR, Status.TIMEOUT)


@dataclass
class CheckCount:
    """One check in all the attempts that decide.

    Attributes:
        counts: by status, how many had it; those that passed only with the reference upstream are in `carried` as well.
    """

    exercise: str
    task: str
    check: str
    sentence: str
    stage: str
    place: int
    counts: Counter[str] = field(default_factory=Counter)
    carried: int = 0

    @property
    def failed(self) -> int:
        return sum(self.counts[status] for status in FAILED)

    @property
    def reached(self) -> int:
        """How many came so far that it was run."""
        return self.failed + self.counts[Status.PASSED]

    @property
    def rate(self) -> float:
        return self.failed / self.reached if self.reached else 0.0


@dataclass
class MistakeCount:
    """One named mistake, or several that answer alike, or (without a name) failures that none of them explains."""

    exercise: str
    task: str
    names: tuple[str, ...]
    says: str
    learners: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ExerciseCounts:
    checks: list[CheckCount]
    mistakes: list[MistakeCount]
    unexplained: list[MistakeCount]


class Counts:
    """The counts by exercise; each is kept until other attempts decide."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[frozenset[tuple[str, int, str]], ExerciseCounts]] = {}

    def of(self, work: Work, exercise: Exercise) -> ExerciseCounts:
        key = frozenset(
            (learner, deciding.attempt.id, deciding.attempt.fingerprint)
            for learner in work.book.people
            if (deciding := work.book.standings[learner, exercise.id].deciding)
        )
        kept = self.kept.get(exercise.id)
        if kept is None or kept[0] != key:
            learners = {attempt: learner for learner, attempt, _ in key}
            failures = list(_failures(work, learners))
            counted = ExerciseCounts(
                _checks(work, exercise.id, learners),
                _mistakes(exercise.id, failures),
                _unexplained(exercise.id, failures),
            )
            self.kept[exercise.id] = kept = key, counted
        return kept[1]


def _checks(work: Work, exercise: str, attempts: Iterable[int]) -> list[CheckCount]:
    counted = (
        sa.select(
            Check.task, Check.check, Check.status, Check.carried, sa.func.count(),
            sa.func.min(Check.place), sa.func.max(Check.sentence), sa.func.max(Check.stage),
        )
        .where(Check.attempt_id.in_(attempts))
        .group_by(Check.task, Check.check, Check.status, Check.carried)
    )  # fmt: skip
    found: dict[tuple[str, str], CheckCount] = {}
    for task, check, status, carried, count, place, sentence, stage in work.gradebook.session.execute(counted):
        row = found.setdefault((task, check), CheckCount(exercise, task, check, sentence, stage, place))
        row.counts[status] += count
        row.carried += count if carried else 0
    return sorted(found.values(), key=lambda row: row.place)


Failure = tuple[str, str, tuple[str, ...], str]  # learner, task, mistakes, what they say


def _failures(work: Work, learners: dict[int, str]) -> Iterator[Failure]:
    found = sa.select(Check.attempt_id, Check.task, Check.mistakes, Check.says)
    found = found.where(Check.attempt_id.in_(learners), Check.status.in_(FAILED))
    for attempt, task, mistakes, says in work.gradebook.session.execute(found):
        yield learners[attempt], task, tuple(mistakes), says


def _mistakes(exercise: str, failures: Iterable[Failure]) -> list[MistakeCount]:
    found: dict[tuple[str, tuple[str, ...]], MistakeCount] = {}
    for learner, task, names, says in sorted(set(failures)):
        if names:
            row = found.setdefault((task, names), MistakeCount(exercise, task, names, says))
            row.learners += [learner] if learner not in row.learners[-1:] else []
    return list(found.values())


def _unexplained(exercise: str, failures: Iterable[Failure]) -> list[MistakeCount]:
    """By task, who failed checks of it and made no known mistake."""
    failures = set(failures)
    explained = {(learner, task) for learner, task, names, _ in failures if names}
    found: dict[str, MistakeCount] = {}
    for learner, task in sorted({(learner, task) for learner, task, *_ in failures} - explained):
        found.setdefault(task, MistakeCount(exercise, task, (), "")).learners.append(learner)
    return list(found.values())
