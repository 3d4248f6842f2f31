"""Points: each task's points times the share of its checks that passed; one carried forward counts for what the policy says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from autograder.grading.results import ExerciseResult, Status


@dataclass(frozen=True)
class TaskScore:
    task: str
    earned: float
    possible: float
    passed: int
    checks: int


@dataclass(frozen=True)
class ExerciseScore:
    """The points of an exercise; `by_hand` is what somebody decided instead of those of its tasks."""

    tasks: list[TaskScore]
    by_hand: float | None = None

    @property
    def earned(self) -> float:
        return sum(task.earned for task in self.tasks) if self.by_hand is None else self.by_hand

    @property
    def possible(self) -> float:
        return sum(task.possible for task in self.tasks)


@dataclass(frozen=True)
class Tally:
    """How many checks of a task were run, how many of them passed, and how many passed with the reference's help upstream."""

    checks: int = 0
    passed: int = 0
    carried: int = 0


def score_exercise(result: ExerciseResult, points: Mapping[str, float], carried_forward: float = 1.0) -> ExerciseScore:
    """The score of one exercise.

    Args:
        points: what each task is worth; a task of the result that is not listed is worth nothing.
        carried_forward: what a check that passed only with the reference's help upstream counts, from 0 to 1.
    """
    return score_tallies(tallies(result), points, carried_forward)


def tallies(result: ExerciseResult) -> dict[str, Tally]:
    counts: dict[str, list[int]] = {}
    for check in (check for check in result.checks if check.status is not Status.NOT_RUN):
        count = counts.setdefault(check.task, [0, 0, 0])
        count[0] += 1
        if check.status is Status.PASSED:
            count[2 if check.carried else 1] += 1
    return {task: Tally(*count) for task, count in counts.items()}


def score_tallies(
    tallies: Mapping[str, Tally], points: Mapping[str, float], carried_forward: float = 1.0
) -> ExerciseScore:
    """The same of counted checks."""
    scores = []
    for task, possible in points.items():
        tally = tallies.get(task, Tally())
        worth = tally.passed + carried_forward * tally.carried
        earned = possible * worth / tally.checks if tally.checks else 0.0
        scores.append(TaskScore(task, earned, possible, tally.passed + tally.carried, tally.checks))
    return ExerciseScore(scores)
