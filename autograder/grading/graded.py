"""The outcome of grading a class: results by learner and exercise, and the points they come to."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from autograder.catalog import Exercise
from autograder.grading.journal import Entry, Key
from autograder.grading.results import ExerciseResult, Outcome, Status
from autograder.grading.score import ExerciseScore, score_exercise
from autograder.grading.submission import Submission
from autograder.policy import Policy

RECENT = 1000  # results that are kept as objects: reports ask for a learner's several times in a row


class StoredResults(Mapping[Key, ExerciseResult]):
    """The results of these keys, read from the journal when they are asked for; those without an entry are pending."""

    def __init__(self, path: Path, entries: dict[Key, Entry | None]):
        self.path, self.entries = path, entries
        self.recent: dict[Key, ExerciseResult] = {}

    def __getitem__(self, key: Key) -> ExerciseResult:
        if key not in self.recent:
            if len(self.recent) >= RECENT:
                self.recent.clear()
            self.recent[key] = self._read(key)
        return self.recent[key]

    def _read(self, key: Key) -> ExerciseResult:
        entry = self.entries[key]
        if entry is None:
            return pending(*key)
        with self.path.open("rb") as file:
            line = os.pread(file.fileno(), entry.size, entry.start)
        return ExerciseResult.model_validate_json(line)

    def __iter__(self) -> Iterator[Key]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


def pending(learner: str, exercise: str) -> ExerciseResult:
    module, _, name = exercise.partition("/")
    return ExerciseResult(learner=learner, module=module, exercise=name, outcome=Outcome.PENDING, note="not graded yet")


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
    results: Mapping[Key, ExerciseResult]
    resumed: int = 0
    cached: int = 0

    @cached_property
    def untested(self) -> dict[str, list[str]]:
        """By exercise id, the tasks that no check looks at, or none that was run: they are worth nothing."""
        tested = {}
        for exercise in self.exercises:
            results = (self.results[submission.learner, exercise.id] for submission in self.submissions)
            checks = next((result.checks for result in results if result.checks), None)
            if checks:
                tested[exercise.id] = {check.task for check in checks if check.status is not Status.NOT_RUN}
        missing = {e.id: [task for task in e.tasks if task not in tested.get(e.id, e.tasks)] for e in self.exercises}
        return {name: tasks for name, tasks in missing.items() if tasks}

    def points(self, exercise: Exercise) -> dict[str, float]:
        untested = self.untested.get(exercise.id, ())
        return {task: points for task, points in self.policy.points(exercise).items() if task not in untested}

    def score(self, learner: str, exercise: Exercise) -> ExerciseScore:
        return score_exercise(self.results[learner, exercise.id], self.points(exercise), self.policy.carried_forward)

    def remarks(self, learner: str, exercise: Exercise) -> list[str]:
        """What the learner should know about how these points came about, beside the checks."""
        waiting = self.by_hand(learner, exercise)
        return [f"To be graded by hand, and not counted yet: {', '.join(waiting)}."] if waiting else []

    def by_hand(self, learner: str, exercise: Exercise) -> list[str]:
        """The tasks of an adopted notebook that wait for a person."""
        return self.untested.get(exercise.id, []) if exercise.is_notebook else []

    def total(self, learner: str) -> tuple[float, float]:
        """Points earned and possible."""
        scores = [self.score(learner, exercise) for exercise in self.exercises]
        return sum(score.earned for score in scores), sum(score.possible for score in scores)

    def is_open(self, learner: str) -> bool:
        """Whether something of the learner's is still to be graded, so that there is no total yet."""
        return any(self.results[learner, exercise.id].is_open for exercise in self.exercises)

    def has_system_fault(self, learner: str) -> bool:
        return any(self.results[learner, exercise.id].has_system_fault for exercise in self.exercises)

    @cached_property
    def system_faults(self) -> list[ExerciseResult]:
        return [result for result in self.results.values() if result.has_system_fault]
