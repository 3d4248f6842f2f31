"""What a foreign notebook holds, whatever tool it was written for: code, tests, and tasks with points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.catalog import CourseError


class AdoptError(CourseError):
    """A notebook cannot be taken over; the message says which and why."""


@dataclass(frozen=True)
class Code:
    """A cell that is no test, with our markers around what learners write.

    Attributes:
        locked: whether learners cannot change it: tests use it without asking the learner's program.
    """

    name: str
    source: str
    locked: bool = False


@dataclass(frozen=True)
class Test:
    """A cell of tests, or one test of a question.

    Attributes:
        place: the name of the place in the notebook at which it looks; several tests may share one.
        source: all of it, empty where it counts nothing; `visible` is what learners have of it.
        sentence: what it is about, in words that learners may read.
        partial: the points of its task, where the value of its last line says how many of them are earned.
        alone: whether later tests know nothing of what it defines.
        weight: how many times it counts among the tests of its task.
    """

    task: str
    name: str
    place: str
    source: str
    visible: str
    sentence: str = ""
    partial: float | None = None
    alone: bool = False
    weight: int = 1


@dataclass
class Task:
    """What points are given for; `by_hand` says why a person has to give them."""

    name: str
    points: float
    by_hand: str = ""


@dataclass
class Sheet:
    """One notebook.

    Attributes:
        parts: its code and tests, in order.
        answer: the notebook as somebody would hand it in who wrote the solution.
    """

    path: Path
    module: str
    name: str
    parts: Sequence[Code | Test]
    tasks: dict[str, Task]
    answer: bytes

    @property
    def id(self) -> str:
        return f"{self.module}/{self.name}"

    @property
    def tests(self) -> list[Test]:
        """Those of tasks that nobody has to grade by hand."""
        return [part for part in self.parts if isinstance(part, Test) and not self.tasks[part.task].by_hand]
