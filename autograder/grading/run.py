"""Grade a class: every submission, every exercise, into a results folder that survives being killed at any moment."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from autograder import __version__
from autograder.catalog import Exercise
from autograder.grading.journal import Journal
from autograder.grading.pool import Job, NodeSettings, Pool
from autograder.grading.results import ExerciseResult, Outcome
from autograder.grading.score import ExerciseScore, score_exercise
from autograder.grading.submission import Submission
from autograder.policy import Policy

SECONDS_BESIDE_CHECKS = 60.0  # starting workers, loading files: not the learner's time
HANGS_TOLERATED = 3  # a node gives up an exercise after so many; see `node`


@dataclass
class Graded:
    """The outcome of a run.

    Attributes:
        results: by learner and exercise id.
        resumed: how many of them an earlier run had found.
    """

    policy: Policy
    exercises: Sequence[Exercise]
    submissions: Sequence[Submission]
    results: dict[tuple[str, str], ExerciseResult]
    resumed: int

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

    @property
    def system_faults(self) -> list[ExerciseResult]:
        return [result for result in self.results.values() if result.has_system_fault]


def handed_in(submissions: Sequence[Submission], exercises: Sequence[Exercise]) -> list[Exercise]:
    """The exercises of every module that somebody handed something in for."""
    touched = {name.partition("/")[0] for s in submissions for name in (*s.files, *s.refused)}
    return [exercise for exercise in exercises if exercise.module in touched]


def grade_class(
    policy: Policy,
    submissions: Sequence[Submission],
    exercises: Sequence[Exercise],
    out: Path,
    *,
    nodes: int,
    seed: int,
    unsafe: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Graded:
    """Grade `exercises` of all `submissions` and journal every result in `out`; what is journalled already is not graded again.
    The outcome covers these and the exercises that an earlier run graded for all of them.

    Args:
        nodes: how many exercises are graded at a time.
        progress: called with the number of results so far and in all.

    Raises:
        JournalError: `out` cannot be used. NodeError: no grading node could be started.
    """
    resumed = 0
    with Journal(out, _identity(policy, seed)) as journal:
        jobs: list[Job] = []
        for submission in submissions:
            for exercise in exercises:
                job = _job(policy, submission, exercise)
                if journal.done(job.learner, job.exercise, job.sha256):
                    resumed += 1
                elif exercise.id in submission.files:
                    jobs.append(job)
                else:
                    journal.append(_not_handed_in(submission, exercise, job.sha256))
        total = len(submissions) * len(exercises)
        done = total - len(jobs)
        progress(done, total)
        for libraries, group in by_libraries(policy, exercises).items():
            names = [exercise.id for exercise in group]
            waiting = [job for job in jobs if job.exercise in names]
            if not waiting:
                continue
            settings = NodeSettings(str(policy.course.root), names, libraries, seed, unsafe)
            with Pool(settings, min(nodes, len(waiting))) as pool:
                futures: list[Future[ExerciseResult]] = [pool.submit(job) for job in waiting]
                for future in as_completed(futures):
                    journal.append(future.result())
                    done += 1
                    progress(done, total)
        results = _current(policy, submissions, journal)
    known = [e for e in policy.exercises() if all((s.learner, e.id) in results for s in submissions)]
    return Graded(policy, known, submissions, results, resumed)


def _current(
    policy: Policy, submissions: Sequence[Submission], journal: Journal
) -> dict[tuple[str, str], ExerciseResult]:
    """The results of what is handed in now; those of work that has been replaced since do not count."""
    jobs = [_job(policy, submission, exercise) for submission in submissions for exercise in policy.exercises()]
    graded = {(job.learner, job.exercise): (job, journal.results.get((job.learner, job.exercise))) for job in jobs}
    return {key: result for key, (job, result) in graded.items() if result and result.sha256 == job.sha256}


def _job(policy: Policy, submission: Submission, exercise: Exercise) -> Job:
    needed = [exercise, *exercise.imports_exercises]
    files = {e.id: submission.files[e.id] for e in needed if e.id in submission.files}
    digest = hashlib.sha256()
    for name, text in sorted(files.items()):
        digest.update(f"{name} {len(text)}\n".encode() + text)
    digest.update(submission.refused.get(exercise.id, "").encode())
    patience = HANGS_TOLERATED * policy.limits(exercise).wall_seconds + policy.limits(exercise).cpu_seconds
    return Job(submission.learner, exercise.id, files, digest.hexdigest(), SECONDS_BESIDE_CHECKS + 2 * patience)


def _not_handed_in(submission: Submission, exercise: Exercise, sha256: str) -> ExerciseResult:
    problem = submission.refused.get(exercise.id)
    return ExerciseResult(
        learner=submission.learner,
        module=exercise.module,
        exercise=exercise.name,
        outcome=Outcome.REFUSED if problem else Outcome.MISSING,
        note=problem or f"{exercise.name}.py was not handed in",
        sha256=sha256,
    )


def by_libraries(policy: Policy, exercises: Sequence[Exercise]) -> dict[tuple[str, ...], list[Exercise]]:
    """Exercises that can share a fork server: those whose submissions may import the same packages."""
    ours = {module.name for module in policy.course.modules}
    groups: dict[tuple[str, ...], list[Exercise]] = {}
    for exercise in exercises:
        allowed = {name for e in (exercise, *exercise.imports_exercises) for name in policy.allowed_imports(e)}
        groups.setdefault(tuple(sorted(allowed - ours)), []).append(exercise)
    return groups


def _identity(policy: Policy, seed: int) -> dict[str, str]:
    """What must be the same for results to be comparable. Points are not among it: they are counted from the results."""
    digest = hashlib.sha256()
    for exercise in policy.exercises():
        rules = [
            policy.limits(exercise).model_dump(),
            sorted(policy.allowed_imports(exercise)),
            sorted(policy.forbidden_imports(exercise)),
        ]
        digest.update(json.dumps([exercise.id, rules]).encode())
        for path in (exercise.solution, exercise.grader):
            digest.update(path.read_bytes() if path.is_file() else b"-")
    return {"exercises, graders or rules": digest.hexdigest(), "seed": str(seed), "version of autograder": __version__}
