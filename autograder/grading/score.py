"""Points: each task's points times the share of its checks that passed."""

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


def score_exercise(result: ExerciseResult, points: Mapping[str, float]) -> ExerciseScore:
    """The score of one exercise.

    Args:
        points: what each task is worth; a task of the result that is not listed is worth nothing.
    """
    tasks = []
    for task, possible in points.items():
        checks = [check for check in result.checks if check.task == task]
        passed = sum(check.status is Status.PASSED for check in checks)
        earned = possible * passed / len(checks) if checks else 0.0
        tasks.append(TaskScore(task, earned, possible, passed, len(checks)))
    return ExerciseScore(tasks)
