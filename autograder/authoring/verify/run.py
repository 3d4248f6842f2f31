"""Run all gates over some modules of a course."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import groupby
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
    absent = {exercise: missing for exercise in exercises if (missing := installed.missing(exercise.packages))}
    present = [exercise for exercise in exercises if exercise not in absent]
    gradable = [exercise for exercise in present if prose.can_be_graded(exercise)]
    report = Report()
    progress("reading", 0, 0)
    with ThreadPoolExecutor(1) as beside:  # nodes are processes; what else there is to do goes on beside them
        read = beside.submit(lambda: list(_read(policy, exercises, gradable)))
        ran = [beside.submit(_examples_and_branches, of_module) for of_module in _by_module(present)]
        with Cache(cache) as known:
            graded = list(_graded(policy, gradable, seeds, nodes, progress, report, known))
        progress("running examples, measuring branches", 0, 0)
        report.problems += read.result()
        report.problems += [Problem("libraries", e.id, installed.in_words(missing)) for e, missing in absent.items()]
        report.problems += graded
        report.problems += [problem for future in ran for problem in future.result()]
    return report


def _read(policy: Policy, exercises: Sequence[Exercise], gradable: Sequence[Exercise]) -> Iterator[Problem]:
    """What files show, without running anything."""
    modules = dict.fromkeys(exercise.module for exercise in exercises)
    yield from prose.drift_problems(policy.course, [*modules])
    for module in modules:
        yield from prose.module_problems(policy.course.module(module))
    for exercise in exercises:
        yield from prose.exercise_problems(exercise)
    for exercise in gradable:
        yield from probes.probe_problems(exercise)


def _by_module(exercises: Sequence[Exercise]) -> list[list[Exercise]]:
    return [list(of_module) for _, of_module in groupby(exercises, key=lambda exercise: exercise.module)]


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
        for trial in (trial for of_exercise in trials.values() for trial in of_exercise):
            if result := known.get(trial.key, trial.job.learner):
                trial.result = partial(ExerciseResult.model_copy, result)
        try:
            with ExitStack() as pools:
                _hand_in(pools, [*trials.values()], policy, group, libraries, min(nodes, len(group)))
                for exercise, of_exercise in trials.items():
                    yield from kills.judge_trials(exercise, of_exercise, rows[exercise.id], step)
        except NodeError as error:
            yield Problem("grading", ", ".join(exercise.id for exercise in group), str(error))
    for row in rows.values():
        if row.named < NAMED_SHARE * row.mistakes:
            what = f"diagnosis names {row.named} of {row.mistakes} mistakes"
            yield Problem("diagnosis", row.exercise, what)


def _hand_in(
    pools: ExitStack,
    trials: Sequence[Sequence[kills.Trial]],
    policy: Policy,
    group: Sequence[Exercise],
    libraries: tuple[str, ...],
    nodes: int,
) -> None:
    """Hand the trials of each exercise to nodes for the hidden and for the public checks; none is started for nothing."""
    settings = NodeSettings(str(policy.course.root), [exercise.id for exercise in group], libraries, 0, untried=True)
    waiting = [trial for of_exercise in trials for trial in of_exercise if not trial.result]
    kinds = [public for public in (False, True) if any(trial.public is public for trial in waiting)]
    with ThreadPoolExecutor(len(kinds) or 1) as threads:  # a node takes long to start, and keeps one core busy
        started = [threads.submit(Pool, replace(settings, public=public), 1 if public else nodes) for public in kinds]
    for future in started:
        if not future.exception():
            pools.enter_context(future.result())  # to be closed, even if another did not start
    for public, future in zip(kinds, started, strict=True):
        for of_exercise in trials:
            kills.hand_in(future.result(), [trial for trial in of_exercise if trial.public is public])


def table_problems(policy: Policy, report: Report) -> Iterator[Problem]:
    """Whether the committed kill table says what was found."""
    path = policy.course.root / TABLE
    if not path.is_file() or path.read_text(encoding="utf-8") != kill_table(report.rows):
        yield Problem("kill table", str(path), "is out of date; `autograder verify --table` writes it")
