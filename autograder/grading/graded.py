"""The outcome of grading a class: results by learner and exercise, and the points they come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from autograder.catalog import Exercise
from autograder.grading.results import ExerciseResult
from autograder.grading.score import ExerciseScore, score_exercise
from autograder.grading.submission import Submission
from autograder.policy import Policy


@dataclass
class Graded:
    """The outcome of a run.

    Attributes:
        results: by learner and exercise id, for every submission and exercise.
        resumed: how many of them an earlier run had found.
        cached: how many were known from the same work elsewhere.
    """

    policy: Policy
    exercises: Sequence[Exercise]
    submissions: Sequence[Submission]
    results: dict[tuple[str, str], ExerciseResult]
    resumed: int = 0
    cached: int = 0

    @cached_property
    def untested(self) -> dict[str, list[str]]:
        """By exercise id, the tasks that no check looks at: they are worth nothing."""
        checked = {result.exercise_id: result.checks for result in self.results.values() if result.checks}
        tested = {name: {check.task for check in checks} for name, checks in checked.items()}
        missing = {e.id: [task for task in e.tasks if task not in tested.get(e.id, e.tasks)] for e in self.exercises}
        return {name: tasks for name, tasks in missing.items() if tasks}

    def points(self, exercise: Exercise) -> dict[str, float]:
        untested = self.untested.get(exercise.id, ())
        return {task: points for task, points in self.policy.points(exercise).items() if task not in untested}

    def score(self, learner: str, exercise: Exercise) -> ExerciseScore:
        return score_exercise(self.results[learner, exercise.id], self.points(exercise), self.policy.carried_forward)

    def total(self, learner: str) -> tuple[float, float]:
        """Points earned and possible."""
        scores = [self.score(learner, exercise) for exercise in self.exercises]
        return sum(score.earned for score in scores), sum(score.possible for score in scores)

    def is_open(self, learner: str) -> bool:
        """Whether something of the learner's is still to be graded, so that there is no total yet."""
        return any(self.results[learner, exercise.id].is_open for exercise in self.exercises)

    def has_system_fault(self, learner: str) -> bool:
        return any(self.results[learner, exercise.id].has_system_fault for exercise in self.exercises)

    @property
    def system_faults(self) -> list[ExerciseResult]:
        return [result for result in self.results.values() if result.has_system_fault]
