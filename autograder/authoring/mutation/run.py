"""Hand in every change of a reference, and see which of them the hidden checks notice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from autograder.authoring.mutation.edits import Mutant, mutants_of
from autograder.catalog import Exercise
from autograder.grading.cache import Cache
from autograder.grading.digests import grader_digest
from autograder.grading.pool import Job, NodeSettings, Pool
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
    """One change of a reference, and what became of it."""

    exercise: Exercise
    mutant: Mutant
    job: Job
    key: str
    future: Future[ExerciseResult] = field(default_factory=Future)

    @property
    def outcome(self) -> Outcome:
        """What its checks say; those that could not be run count as hanging, not as caught."""
        lost = [check.status for check in self.future.result().checks if check.status not in ACCEPTED]
        if not lost and self.future.result().checks:
            return Outcome.SURVIVED
        return Outcome.CAUGHT if {Status.WRONG, Status.ERROR, Status.NOT_STARTED} & {*lost} else Outcome.HUNG


def mutate(
    policy: Policy,
    exercises: Sequence[Exercise],
    nodes: int,
    progress: Callable[[str, int, int], None] = lambda *_: None,
    cache: Path | None = None,
) -> Iterator[Trial]:
    """Grade every change by the hidden checks of its task; the trials in order, each when it is graded.

    They run in the jail: nobody knows what changed code does to files.

    Args:
        nodes: how many are graded at a time.
        cache: the folder with the results of earlier runs.

    Raises:
        NodeError: a grading node could not be started, or ended.
    """
    groups = by_libraries(policy, exercises)
    trials = {libraries: [t for e in group for t in trials_of(policy, e)] for libraries, group in groups.items()}
    done, total = 0, sum(map(len, trials.values()))
    progress("grading changed references", done, total)
    with Cache(cache) as known:
        for libraries, of_group in trials.items():
            waiting = []
            for trial in of_group:
                if result := known.get(trial.key, trial.job.learner):
                    trial.future.set_result(result)
                else:
                    waiting.append(trial)
            needed = {trial.exercise.id for trial in waiting}
            settings = NodeSettings(str(policy.course.root), sorted(needed), libraries, 0)
            with Pool(settings, min(nodes, len(waiting))) as pool:
                for trial in waiting:
                    trial.future = pool.submit(trial.job)
                for trial in of_group:
                    known.put(trial.key, trial.future.result())
                    done += 1
                    progress("grading changed references", done, total)
                    yield trial


def trials_of(policy: Policy, exercise: Exercise) -> Iterator[Trial]:
    depends_on = grader_digest(policy, exercise, 0)
    others = {other.id: other.solution.read_bytes() for other in exercise.imports_exercises}
    for mutant in mutants_of(exercise.solution):
        files = others | {exercise.id: mutant.source.encode()}
        job = Job("mutant", exercise.id, files, "", SECONDS, task=mutant.task, mistake="")
        key = hashlib.sha256(f"mutate {depends_on} {job.to_json()}".encode()).hexdigest()
        yield Trial(exercise, mutant, job, key)
