"""Gates on what the checks do: the solution earns everything, the stub nothing, every mistake is caught."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from autograder.authoring.build import stub_text
from autograder.authoring.sources import read_marked
from autograder.authoring.verify.report import NOISE_ALLOWED, PUBLIC_SHARE, Problem, Row
from autograder.catalog import Exercise
from autograder.grading.digests import grader_digest
from autograder.grading.examine import EXAMPLES
from autograder.grading.judge import CLEAR
from autograder.grading.mistakes import Mistake, apply_mistake, load_mistakes
from autograder.grading.pool import HIDDEN, PUBLIC, SOLUTION, Job, Pool
from autograder.grading.results import ACCEPTED, CheckResult, ExerciseResult, Outcome, Status
from autograder.policy import Policy

SECONDS = 600.0
LONGEST = 2000  # characters of what doctest says


@dataclass
class Trial:
    """One thing graded: `what` is "solution", "stub" or a mistake; `key` is a hash of all that its result depends on.

    `together` says that it is tried on one workbench with others of its exercise, the solution last.
    """

    what: str | Mistake
    together: bool
    job: Job
    key: str
    result: Future[ExerciseResult] = field(default_factory=Future)


def trials_of(policy: Policy, exercise: Exercise, seeds: int) -> list[Trial]:
    """By the hidden checks two trials as learners' work is graded, and all others together; by the public checks, which learners
    run in their own process, all together; then what only running the solution shows. What is tried together ends with the
    solution."""
    solution = exercise.solution.read_bytes()
    jobs: list[tuple[str | Mistake, Job]] = [
        ("solution", _job(exercise, solution, 0)),
        ("stub", _job(exercise, stub_text(exercise.solution).encode())),
    ]
    mistakes: list[tuple[str | Mistake, Job]] = [
        (mistake, _job(exercise, apply_mistake(solution.decode(), mistake).encode(), mistake=mistake))
        for mistake in mistakes_of(exercise)
    ]
    others = range(1, seeds) or [0]
    share = -(-len(mistakes) // len(others))  # after each share the solution shows that nothing was left behind
    for place, seed in enumerate(others):
        jobs += [*mistakes[place * share :][:share], ("solution", _job(exercise, solution, seed))]
    depends_on = f"verify {grader_digest(policy, exercise, 0)} {_digest(exercise.public_tests.read_bytes())}"

    def trial(what: str | Mistake, together: bool, job: Job) -> Trial:
        return Trial(what, together, job, _digest(f"{depends_on} {together} {job.to_json()}".encode()))

    return [
        *(
            trial(what, suite == PUBLIC or place > 1, replace(job, suite=suite))
            for suite in (HIDDEN, PUBLIC)
            for place, (what, job) in enumerate(jobs)
        ),
        trial("running", False, _job(exercise, solution, suite=SOLUTION)),
    ]


def try_all(pool: Pool, trials: Sequence[Trial]) -> None:
    """Find the results, one after the other, of those trials of one exercise that have none yet."""
    try:
        for trial in trials:
            if not trial.together and not trial.result.done():
                trial.result.set_result(pool.grade(trial.job))
        for suite in (HIDDEN, PUBLIC):
            together = [trial for trial in trials if trial.together and trial.job.suite == suite]
            waiting = [trial for trial in together if not trial.result.done()]
            if waiting:
                last = [] if waiting[-1] is together[-1] else together[-1:]  # known from before, but needed
                results = pool.grade_own([trial.job for trial in [*waiting, *last]])
                for trial, result in zip(waiting, results, strict=False):
                    trial.result.set_result(result)
    except BaseException as error:
        for trial in trials:
            if not trial.result.done():
                trial.result.set_exception(error)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def mistakes_of(exercise: Exercise) -> list[Mistake]:
    found = load_mistakes(exercise.mistakes) if exercise.mistakes.is_file() else []
    return [mistake for mistake in found if mistake.exercise == exercise.name]


def _job(
    exercise: Exercise, source: bytes, seed: int | None = None, mistake: Mistake | None = None, suite: str = HIDDEN
) -> Job:
    files = {other.id: other.solution.read_bytes() for other in exercise.imports_exercises}
    told = (mistake.task, mistake.name) if mistake else (None, None)
    return Job("verify", exercise.id, files | {exercise.id: source}, "", SECONDS, seed, *told, suite)


def judge_trials(
    exercise: Exercise, trials: Sequence[Trial], row: Row, step: Callable[[Trial, ExerciseResult], None]
) -> Iterator[Problem]:
    """The problems that the trials show; counts go into `row`.

    Args:
        step: told of each trial that has come to its end.
    """
    told: set[tuple[str, str]] = set()  # what one seed has shown already
    for trial in trials:
        result, public = trial.result.result(), trial.job.suite == PUBLIC
        step(trial, result)
        where = str(exercise.public_tests if public else exercise.grader)
        if result.outcome is not Outcome.GRADED:
            if ("grading", result.note) not in told:
                yield Problem("grading", where, result.note)
            told.add(("grading", result.note))
        elif trial.what == "running":
            yield from _running(result, exercise)
        elif trial.what == "solution":
            yield from _solution(result, where, public, row, told)
        elif trial.what == "stub":
            yield from _stub(exercise, result, where)
        else:
            yield from _mistake(trial.what, result, where, public, row)
    if row.public_killed < PUBLIC_SHARE * row.mistakes:
        what = f"the public checks catch {row.public_killed} of {row.mistakes} mistakes, less than two thirds"
        yield Problem("public checks", str(exercise.public_tests), what)


def _running(result: ExerciseResult, exercise: Exercise) -> Iterator[Problem]:
    where = str(exercise.solution)
    for check in result.checks:
        if check.check == EXAMPLES and check.detail:
            yield Problem("doctests", where, check.detail[-LONGEST:])
        elif check.detail:
            for line, _, what in (each.partition(": ") for each in check.detail.splitlines()):
                yield Problem("branches", f"{where}:{line}" if line.isdecimal() else where, what)


def _solution(
    result: ExerciseResult, where: str, public: bool, row: Row, told: set[tuple[str, str]]
) -> Iterator[Problem]:
    if public:
        row.public_checks = len(result.checks)
    else:
        row.checks = len(result.checks)
    for check in result.checks:
        row.noise = max(row.noise, (check.margin or 0.0) if check.status is Status.PASSED else 0.0)
        if (where, check.check) in told or check.status in (Status.NOT_REACHED, Status.NOT_RUN):
            continue
        if check.status is not Status.PASSED:
            words = check.detail or check.card or check.message
            problem = Problem("solution", where, f"fails {check.check} ({check.status}): {words}")
        elif (check.margin or 0.0) > NOISE_ALLOWED:
            what = f"{check.check}: rounding of the solution uses up {check.margin:.2f} of the tolerance"
            problem = Problem("tolerances", where, what)
        else:
            continue
        told.add((where, check.check))
        yield problem


def _stub(exercise: Exercise, result: ExerciseResult, where: str) -> Iterator[Problem]:
    programs = read_marked(exercise.solution).programs
    for task in exercise.tasks:
        checks = [check for check in result.checks if check.task == task]
        if task in programs:
            yield from _program(task, checks, where)
            continue
        allowed = {Status.NOT_STARTED, Status.NOT_REACHED, Status.NOT_RUN}
        strange = [f"{check.check} ({check.status})" for check in checks if check.status not in allowed]
        if strange:
            yield Problem("stub", where, f"{task} is not started, but {', '.join(strange)}")
        elif not any(check.status is Status.NOT_STARTED for check in checks):
            yield Problem(
                "stub", where, f"no check of {task}" if not checks else f"no check says that {task} is not started"
            )


def _program(task: str, checks: Sequence[CheckResult], where: str) -> Iterator[Problem]:
    """What is wrong with the program that learners get to repair: it runs, and some check has to show that it is broken."""
    empty = [check.check for check in checks if check.status is Status.NOT_STARTED]
    if not checks:
        yield Problem("stub", where, f"no check of {task}")
    elif empty:
        yield Problem("stub", where, f"{task} is a program to repair, but {', '.join(empty)} (not_started)")
    elif all(check.status in ACCEPTED for check in checks):
        yield Problem("stub", where, f"{task} is a program to repair, but passes every check as it is")


def _mistake(mistake: Mistake, result: ExerciseResult, where: str, public: bool, row: Row) -> Iterator[Problem]:
    lost = [check for check in result.checks if check.status not in ACCEPTED]
    if public:
        row.public_killed += bool(lost)
        return
    row.mistakes += 1
    row.killed += bool(lost)
    if not lost:
        yield Problem("mistakes", where, f"{mistake.task}: {mistake.name!r} passes every hidden check")
        return
    distance = max((_distance(check) for check in lost), default=0.0)
    row.nearest = min(row.nearest, distance)
    if distance < CLEAR:
        what = f"{mistake.task}: {mistake.name!r} is only {distance:.1f} tolerances away"
        yield Problem("tolerances", where, what)
    names = {name for check in lost for name in check.mistakes}
    row.named += mistake.name in names
    row.alone += any(check.mistakes == [mistake.name] for check in lost)


def _distance(check: CheckResult) -> float:
    """How many tolerances away, infinite where the failure is not one of rounding; a check not reached says nothing."""
    if check.status is Status.NOT_REACHED:
        return 0.0
    return float("inf") if check.margin is None else check.margin
