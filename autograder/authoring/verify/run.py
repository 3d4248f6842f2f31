"""Run all gates over some modules of a course."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from autograder import installed
from autograder.authoring.verify import branches, kills, probes, prose
from autograder.authoring.verify.report import NAMED_SHARE, Problem, Report, Row
from autograder.authoring.verify.table import kill_table
from autograder.catalog import Exercise
from autograder.grading.cache import Cache
from autograder.grading.pool import NodeError, NodeSettings, Pool
from autograder.grading.results import ExerciseResult
from autograder.grading.run import by_libraries
from autograder.policy import Policy

Progress = Callable[[str, int, int], None]  # (what is being done, trials done, trials in all)
TABLE = "docs/kill-table.md"


def verify(
    policy: Policy,
    targets: Sequence[str],
    seeds: int,
    nodes: int,
    progress: Progress = lambda *_: None,
    cache: Path | None = None,
) -> Report:
    """Every gate for some exercises.

    Args:
        targets: names of modules, and ids of exercises.
        seeds: on how many seeds the solution must pass.
        nodes: how many submissions are graded at a time.
        cache: the folder with the results of earlier runs: what has not changed since is not graded again.
    """
    exercises = [exercise for exercise in policy.exercises() if {exercise.module, exercise.id} & set(targets)]
    modules = dict.fromkeys(exercise.module for exercise in exercises)
    report = Report()
    progress("reading", 0, 0)
    report.problems += prose.drift_problems(policy.course, [*modules])
    for module in modules:
        report.problems += prose.module_problems(policy.course.module(module))
    for exercise in exercises:
        report.problems += prose.exercise_problems(exercise)
    absent = {exercise: missing for exercise in exercises if (missing := installed.missing(exercise.packages))}
    report.problems += [Problem("libraries", e.id, installed.in_words(missing)) for e, missing in absent.items()]
    gradable = [exercise for exercise in exercises if exercise not in absent and prose.can_be_graded(exercise)]
    for exercise in gradable:
        report.problems += probes.probe_problems(exercise)
    with Cache(cache) as known:
        report.problems += _graded(policy, gradable, seeds, nodes, progress, report, known)
    progress("running examples, measuring branches", 0, 0)
    by_module = [[e for e in exercises if e.module == module and e not in absent] for module in modules]
    with ThreadPoolExecutor(nodes) as threads:  # each runs processes of its own
        for problems in threads.map(_examples_and_branches, filter(None, by_module)):
            report.problems += problems
    return report


def _examples_and_branches(exercises: list[Exercise]) -> list[Problem]:
    """Of one module."""
    return [*prose.doctest_problems(exercises), *branches.branch_problems(exercises)]


def _graded(
    policy: Policy,
    exercises: Sequence[Exercise],
    seeds: int,
    nodes: int,
    progress: Progress,
    report: Report,
    known: Cache,
) -> Iterator[Problem]:
    rows = {exercise.id: Row(exercise.id, len(exercise.tasks)) for exercise in exercises}
    report.rows = list(rows.values())
    total = sum(2 * (seeds + 1 + len(kills.mistakes_of(exercise))) for exercise in exercises)
    done = 0

    def step(trial: kills.Trial, result: ExerciseResult) -> None:
        nonlocal done
        done += 1
        known.put(trial.key, result)
        progress("grading solutions, stubs and mistakes", done, total)

    for libraries, group in by_libraries(policy, exercises).items():
        trials = {exercise: kills.trials_of(policy, exercise, seeds) for exercise in group}
        waiting = []
        for trial in (trial for of_exercise in trials.values() for trial in of_exercise):
            if result := known.get(trial.key, trial.job.learner):
                trial.future.set_result(result)
            else:
                waiting.append(trial)
        try:
            with ExitStack() as pools:
                _submit(pools, waiting, policy, group, libraries, nodes)
                for exercise, of_exercise in trials.items():
                    yield from kills.judge_trials(exercise, of_exercise, rows[exercise.id], step)
        except NodeError as error:
            yield Problem("grading", ", ".join(exercise.id for exercise in group), str(error))
    for row in rows.values():
        if row.named < NAMED_SHARE * row.mistakes:
            what = f"diagnosis names {row.named} of {row.mistakes} mistakes"
            yield Problem("diagnosis", row.exercise, what)


def _submit(
    pools: ExitStack,
    waiting: Sequence[kills.Trial],
    policy: Policy,
    group: Sequence[Exercise],
    libraries: tuple[str, ...],
    nodes: int,
) -> None:
    """Hand them to nodes for the hidden and for the public checks; none is started for nothing."""
    settings = NodeSettings(str(policy.course.root), [exercise.id for exercise in group], libraries, 0)
    kinds = [public for public in (False, True) if any(trial.public is public for trial in waiting)]
    with ThreadPoolExecutor(len(kinds) or 1) as threads:  # a node takes long to start, and keeps one core busy
        started = [threads.submit(Pool, replace(settings, public=public), 1 if public else nodes) for public in kinds]
    for future in started:
        if not future.exception():
            pools.enter_context(future.result())  # to be closed, even if another did not start
    for public, future in zip(kinds, started, strict=True):
        for trial in (trial for trial in waiting if trial.public is public):
            trial.future = future.result().submit(trial.job)


def table_problems(policy: Policy, report: Report) -> Iterator[Problem]:
    """Whether the committed kill table says what was found."""
    path = policy.course.root / TABLE
    if not path.is_file() or path.read_text(encoding="utf-8") != kill_table(report.rows):
        yield Problem("kill table", str(path), "is out of date; `autograder verify --table` writes it")
