"""Run all gates over some modules of a course."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from autograder import installed
from autograder.authoring.verify import kills, probes, prose
from autograder.authoring.verify.report import NAMED_SHARE, Problem, Report, Row
from autograder.authoring.verify.table import kill_table
from autograder.catalog import Exercise
from autograder.grading.cache import Cache
from autograder.grading.pool import NodeSettings, Pool
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
    with ThreadPoolExecutor(1) as beside:  # nodes are processes; what is read is read beside them
        read = beside.submit(lambda: list(_read(policy, exercises, gradable)))
        with Cache(cache) as known:
            graded = _graded(policy, gradable, seeds, nodes, progress, report, known)
        report.problems += read.result()
        report.problems += [Problem("libraries", e.id, installed.in_words(missing)) for e, missing in absent.items()]
        report.problems += graded
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


def _graded(
    policy: Policy,
    exercises: Sequence[Exercise],
    seeds: int,
    nodes: int,
    progress: Progress,
    report: Report,
    known: Cache,
) -> list[Problem]:
    """What running shows; the rows of the kill table go into the report."""
    rows = {exercise.id: Row(exercise.id, len(exercise.tasks)) for exercise in exercises}
    report.rows = list(rows.values())
    trials = {exercise: kills.trials_of(policy, exercise, seeds) for exercise in exercises}
    done, total = 0, sum(map(len, trials.values()))

    def step(trial: kills.Trial, result: ExerciseResult) -> None:
        nonlocal done
        done += 1
        known.put(trial.key, result)
        progress("grading solutions, stubs and mistakes", done, total)

    for trial in (trial for of_exercise in trials.values() for trial in of_exercise):
        if result := known.get(trial.key, trial.job.learner):
            trial.result.set_result(result)
    problems = {}
    with Handed(policy, trials, nodes) as handed:
        for exercise in handed.order:
            problems[exercise] = [*kills.judge_trials(exercise, trials[exercise], rows[exercise.id], step)]
    for exercise in exercises:
        row = rows[exercise.id]
        if row.named < NAMED_SHARE * row.mistakes:
            what = f"diagnosis names {row.named} of {row.mistakes} mistakes"
            problems[exercise].append(Problem("diagnosis", row.exercise, what))
    return [problem for exercise in exercises for problem in problems[exercise]]


class Handed:
    """The trials that have no result yet, handed to threads, each of which takes exercise by exercise.

    All exercises of a set of libraries come together, for a thread needs a node for every set. No thread shall be alone at the end:
    therefore the sets with fewer exercises than there are threads come first, and after them what takes long.
    """

    def __init__(self, policy: Policy, trials: dict[Exercise, list[kills.Trial]], nodes: int):
        def work(exercises: Sequence[Exercise]) -> int:
            return sum(len(trials[exercise]) for exercise in exercises)

        self.threads, self.pools = ThreadPoolExecutor(nodes), []
        self.order: list[Exercise] = []
        groups = by_libraries(policy, [*trials]).items()
        for libraries, group in sorted(groups, key=lambda item: (len(item[1]) >= nodes, -work(item[1]))):
            self.order += sorted(group, key=lambda exercise: -work([exercise]))
            waiting = [e for e in self.order if e in group and not all(trial.result.done() for trial in trials[e])]
            if waiting:
                settings = NodeSettings(str(policy.course.root), [e.id for e in waiting], libraries, 0, own=True)
                self.pools.append(pool := Pool(settings, 0))
                for exercise in waiting:
                    self.threads.submit(kills.try_all, pool, trials[exercise])

    def __enter__(self) -> Handed:
        return self

    def __exit__(self, *_: object) -> None:
        self.threads.shutdown(wait=False, cancel_futures=True)
        for pool in self.pools:
            pool.close()


def table_problems(policy: Policy, report: Report) -> Iterator[Problem]:
    """Whether the committed kill table says what was found."""
    path = policy.course.root / TABLE
    if not path.is_file() or path.read_text(encoding="utf-8") != kill_table(report.rows):
        yield Problem("kill table", str(path), "is out of date; `autograder verify --table` writes it")
