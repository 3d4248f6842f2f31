"""Run the trials of all exercises: those that share their libraries on the same nodes, several such groups side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from autograder.authoring.verify.kills import Trial
from autograder.catalog import Exercise
from autograder.grading.pool import NodeError, NodeSettings, Pool
from autograder.grading.results import ExerciseResult
from autograder.policy import Policy


@dataclass
class Group:
    """Exercises that share their libraries, and those of their trials whose results are not known."""

    libraries: tuple[str, ...]
    exercises: Sequence[Exercise]
    waiting: list[Trial] = field(default_factory=list)


@contextmanager
def running(policy: Policy, groups: Sequence[Group], nodes: int) -> Iterator[None]:
    """Run what is waiting, `nodes` groups at a time and of each `nodes` trials of hidden checks; the results come as the trials'
    futures. What is left in the end is stopped."""
    busy = [group for group in groups if group.waiting]
    at_once = max(1, min(nodes, len(busy)))
    threads, pools = ThreadPoolExecutor(at_once), []
    try:
        for group in busy:
            threads.submit(_run, policy, group, nodes, pools)  # so that the last one keeps all cores busy
        yield
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        for pool in list(pools):
            pool.close()


def _run(policy: Policy, group: Group, nodes: int, pools: list[Pool]) -> None:
    """Run the trials of one group. Whatever goes wrong is told to those who wait for them."""
    settings = NodeSettings(str(policy.course.root), [e.id for e in group.exercises], group.libraries, 0)
    own: list[Pool] = []
    try:
        for public in (False, True):
            trials = [trial for trial in group.waiting if trial.public is public]
            if trials:
                own.append(Pool(replace(settings, public=public), 1 if public else nodes))
                pools.append(own[-1])
            for trial in trials:
                own[-1].submit(trial.job).add_done_callback(partial(_pass_on, trial.future))
        wait([trial.future for trial in group.waiting])
    except Exception as error:
        for trial in group.waiting:
            if not trial.future.done():
                trial.future.set_exception(error)
    finally:
        for pool in own:
            pool.close()


def _pass_on(target: Future[ExerciseResult], source: Future[ExerciseResult]) -> None:
    if source.cancelled():
        target.set_exception(NodeError("it was stopped"))
    elif error := source.exception():
        target.set_exception(error)
    else:
        target.set_result(source.result())
