"""The floor: the checks called one after the other in one warm process, without any isolation."""

from __future__ import annotations

import time
from functools import cache
from types import SimpleNamespace
from typing import Any

from cohort import CHECKS, EXERCISE
from processes import Cost

from rivals.base import Rival


class Floor(Rival):
    title = "floor"
    place = "with the tests, all in one process"
    at_once = True
    learners = 120

    def prepare(self) -> None:
        self.failed()  # what is imported on first use is

    def grade(self) -> list[Cost]:
        cpu, wall = time.process_time(), time.perf_counter()
        self.failed()
        total = Cost(time.process_time() - cpu, time.perf_counter() - wall)
        return [total / len(self.submissions)]

    def failed(self) -> dict[str, set[str]]:
        return {submission.learner: failures(submission.source) for submission in self.submissions}


def failures(source: str) -> set[str]:
    """The names of the checks that this source fails."""
    learner, failed = SimpleNamespace(**names_in(source)), set()
    for check in CHECKS.functions:
        try:
            checks()[check](learner)
        except AssertionError:
            failed.add(check)
    return failed


@cache
def checks() -> dict[str, Any]:
    return names_in(EXERCISE.grader.read_text())


def names_in(source: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(source, names)
    return names
