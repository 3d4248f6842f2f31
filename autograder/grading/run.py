"""Grade a class: every submission, every exercise, into a results folder that survives being killed at any moment."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, as_completed
from pathlib import Path

from autograder.catalog import Exercise
from autograder.grading.cache import Cache, is_lasting
from autograder.grading.digests import grader_digest, run_identity, work_digest
from autograder.grading.graded import Graded, StoredResults
from autograder.grading.journal import Entry, Journal, Key
from autograder.grading.pool import Grades, Job, NodeSettings, Pool
from autograder.grading.results import ExerciseResult, Outcome
from autograder.grading.submission import Submission
from autograder.policy import Policy
from autograder.sandbox.gpu import CPU

SECONDS_BESIDE_CHECKS = 60.0  # starting workers, loading files: not the learner's time
HANGS_TOLERATED = 3  # a node gives up an exercise after so many; see `node`

Pair = tuple[Submission, Exercise]


def handed_in(submissions: Sequence[Submission], exercises: Sequence[Exercise]) -> list[Exercise]:
    """The exercises of every module that somebody handed something in for."""
    touched = {name.partition("/")[0] for s in submissions for name in (*s.files, *s.refused)}
    return [exercise for exercise in exercises if exercise.module in touched]


def grade_class(
    policy: Policy,
    submissions: Sequence[Submission],
    wanted: Sequence[Pair],
    out: Path,
    *,
    nodes: int,
    seed: int,
    unsafe: bool = False,
    device: str = CPU,
    or_cpu: bool = False,
    again: bool = False,
    cache: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    pools: Callable[[NodeSettings, int], Grades] = Pool,
) -> Graded:
    """Grade the `wanted` pairs of submission and exercise and journal every result in `out`; what is journalled already is not
    graded again. The outcome covers all submissions, and every exercise that was graded for somebody, now or earlier.

    Args:
        nodes: how many exercises are graded at a time.
        device: where learners' torch tensors are, "cpu" or "cuda".
        or_cpu: what cannot be graded there is graded on the CPU.
        again: grade all that is wanted, whatever is known of it.
        cache: the folder with the results of earlier runs, of any class; None to do without.
        progress: called with the number of results so far and in all.
        pools: what grades with given settings, so many exercises at a time: nodes of this machine, or those of a cluster.

    Raises:
        JournalError: `out` cannot be used. NodeError: no grading node could be started.
    """
    where = f"{device} or {CPU}" if or_cpu else device
    with Journal(out, run_identity(policy, seed, where)) as journal, Cache(None if again else cache) as known:
        graders = {exercise: grader_digest(policy, exercise, seed, where) for exercise in {e: None for _, e in wanted}}
        jobs: dict[str, list[Job]] = {}  # by key: those with one key have one result
        at_once: dict[str, list[ExerciseResult]] = {}
        resumed = 0
        for submission, exercise in wanted:
            job = _job(policy, submission, exercise)
            key = hashlib.sha256(f"{graders[exercise]} {job.sha256}".encode()).hexdigest()
            if not again and journal.done(job.learner, job.exercise, job.sha256):
                resumed += 1
            elif exercise.id not in submission.files:
                at_once.setdefault("", []).append(_not_handed_in(submission, exercise, job.sha256))
            elif result := known.get(key, job.learner):
                at_once.setdefault(key, []).append(result)
            else:
                jobs.setdefault(key if known.is_on else f"{key} {job.learner}", []).append(job)
        journal.extend([result for results in at_once.values() for result in results])
        known.touch([key for key in at_once if key])
        cached = sum(len(results) for key, results in at_once.items() if key)
        done = len(wanted) - sum(map(len, jobs.values()))
        progress(done, len(wanted))
        for libraries, group in by_libraries(policy, list(graders)).items():
            names = [exercise.id for exercise in group]
            waiting = {key: same for key, same in jobs.items() if same[0].exercise in names}
            if not waiting:
                continue
            settings = NodeSettings(
                str(policy.course.root), names, libraries, seed, unsafe, device=device, or_cpu=or_cpu
            )
            with pools(settings, min(nodes, sum(map(len, waiting.values())))) as pool:
                for key, results in _graded(pool, waiting):
                    journal.extend(results)
                    known.put(key, results[0])
                    cached += len(results) - 1
                    done += len(results)
                    progress(done, len(wanted))
        results = _stored(policy, submissions, journal)
    graded = {name for _, name in results}
    exercises = [exercise for exercise in policy.exercises() if exercise.id in graded]
    return Graded(policy, exercises, submissions, results, resumed, cached)


def _graded(pool: Grades, jobs: dict[str, list[Job]]) -> Iterator[tuple[str, list[ExerciseResult]]]:
    """Results as they come, with those of the other learners who handed in the very same, where it would be the same again."""
    keys: dict[Future[ExerciseResult], str] = {pool.submit(same[0]): key for key, same in jobs.items()}
    one_by_one: list[Future[ExerciseResult]] = []
    for future in as_completed(keys):
        result, others = future.result(), jobs[keys[future]][1:]
        if is_lasting(result):
            yield keys[future], [result, *(result.model_copy(update={"learner": job.learner}) for job in others)]
        else:
            yield keys[future], [result]
            one_by_one += map(pool.submit, others)
    for future in as_completed(one_by_one):
        yield "", [future.result()]


def _stored(policy: Policy, submissions: Sequence[Submission], journal: Journal) -> StoredResults:
    """The results of what is handed in now, for every exercise that somebody has one of. Those of work that has been replaced since
    do not count."""
    current: dict[Key, Entry] = {}
    for submission in submissions:
        for exercise in policy.exercises():
            entry = journal.entries.get((submission.learner, exercise.id))
            if entry and entry.sha256 == work_digest(submission, exercise)[0]:
                current[submission.learner, exercise.id] = entry
    graded = {name for _, name in current}
    keys = [(s.learner, e.id) for s in submissions for e in policy.exercises() if e.id in graded]
    return StoredResults(journal.path, {key: current.get(key) for key in keys})


def _job(policy: Policy, submission: Submission, exercise: Exercise) -> Job:
    digest, files = work_digest(submission, exercise)
    patience = HANGS_TOLERATED * policy.limits(exercise).wall_seconds + policy.limits(exercise).cpu_seconds
    return Job(submission.learner, exercise.id, files, digest, SECONDS_BESIDE_CHECKS + 2 * patience)


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
