"""Hand in every change of a reference, and see which of them the hidden checks notice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import groupby
from pathlib import Path

from autograder.authoring.mutation.edits import Mutant, mutants_of
from autograder.catalog import Exercise
from autograder.grading.cache import Cache
from autograder.grading.digests import grader_digest
from autograder.grading.pool import Job, NodeError, NodeSettings, Pool, at
from autograder.grading.results import ACCEPTED, ExerciseResult, Status
from autograder.grading.run import by_libraries
from autograder.policy import Policy

SECONDS = 120.0


class Outcome(StrEnum):
    CAUGHT = "caught"
    HUNG = "did not end"
    SURVIVED = "survived"


@dataclass
class Trial:
    """One change of a reference; `result` waits for what the checks say of it."""

    exercise: Exercise
    mutant: Mutant
    job: Job
    key: str
    result: Callable[[], ExerciseResult] | None = None

    @property
    def outcome(self) -> Outcome:
        """What its checks say.

        Raises:
            NodeError: they could not be run, for a fault of the grader, say.
        """
        result = self.result()
        lost = {check.status for check in result.checks if check.status not in ACCEPTED}
        if lost & {Status.WRONG, Status.ERROR, Status.NOT_STARTED}:
            return Outcome.CAUGHT
        if Status.TIMEOUT in lost:
            return Outcome.HUNG
        if result.has_system_fault or lost:
            raise NodeError(f"{self.exercise.id}: {result.note or 'checks could not be run'}")
        return Outcome.SURVIVED


def mutate(
    policy: Policy,
    exercises: Sequence[Exercise],
    nodes: int,
    progress: Callable[[str, int, int], None] = lambda *_: None,
    cache: Path | None = None,
) -> Iterator[Trial]:
    """Grade every change by the hidden checks of its task; the trials in order, each when it is graded.

    Args:
        nodes: how many are graded at a time.
        cache: the folder with the results of earlier runs.

    Raises:
        NodeError: a grading node could not be started.
    """
    groups = by_libraries(policy, exercises)
    trials = {libraries: [t for e in group for t in trials_of(policy, e)] for libraries, group in groups.items()}
    done, total = 0, sum(map(len, trials.values()))
    progress("grading changed solutions", done, total)
    with Cache(cache) as known:
        for libraries, of_group in trials.items():
            for trial in of_group:
                if result := known.get(trial.key, trial.job.learner):
                    trial.result = partial(ExerciseResult.model_copy, result)
            with ExitStack() as pools:
                if waiting := [trial for trial in of_group if not trial.result]:
                    needed = dict.fromkeys(trial.exercise.id for trial in waiting)
                    settings = NodeSettings(str(policy.course.root), [*needed], libraries, 0)
                    hand_in(pools.enter_context(Pool(settings, nodes)), waiting)
                for trial in of_group:
                    known.put(trial.key, trial.result())
                    done += 1
                    progress("grading changed solutions", done, total)
                    yield trial


def trials_of(policy: Policy, exercise: Exercise) -> Iterator[Trial]:
    depends_on = grader_digest(policy, exercise, 0)
    for mutant in mutants_of(exercise.solution):
        job = _job(exercise, mutant.task, mutant.source.encode(), mistake="")
        key = hashlib.sha256(f"mutate {depends_on} {job.to_json()}".encode()).hexdigest()
        yield Trial(exercise, mutant, job, key)


def _job(exercise: Exercise, task: str, source: bytes, mistake: str | None = None) -> Job:
    others = {other.id: other.solution.read_bytes() for other in exercise.imports_exercises}
    return Job("mutant", exercise.id, others | {exercise.id: source}, "", SECONDS, task=task, mistake=mistake)


def hand_in(pool: Pool, trials: Sequence[Trial]) -> None:
    """Task by task, each with the solution last."""
    for (exercise, task), of_task in groupby(trials, key=lambda trial: (trial.exercise, trial.mutant.task)):
        together = [*of_task]
        jobs = [trial.job for trial in together]
        results = pool.submit_own([*jobs, _job(exercise, task, exercise.solution.read_bytes())])
        for place, trial in enumerate(together):
            trial.result = partial(at, results, place)
