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
    tasks: list[TaskScore]

    @property
    def earned(self) -> float:
        return sum(task.earned for task in self.tasks)

    @property
    def possible(self) -> float:
        return sum(task.possible for task in self.tasks)


def score_exercise(result: ExerciseResult, points: Mapping[str, float], carried_forward: float = 1.0) -> ExerciseScore:
    """The score of one exercise.

    Args:
        points: what each task is worth; a task of the result that is not listed is worth nothing.
        carried_forward: what a check that passed only with the reference's help upstream counts, from 0 to 1.
    """
    tasks = []
    for task, possible in points.items():
        checks = [check for check in result.checks if check.task == task]
        passed = [check for check in checks if check.status is Status.PASSED]
        worth = sum(carried_forward if check.carried else 1.0 for check in passed)
        earned = possible * worth / len(checks) if checks else 0.0
        tasks.append(TaskScore(task, earned, possible, len(passed), len(checks)))
    return ExerciseScore(tasks)
