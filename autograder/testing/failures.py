"""How a check fails: each exception says in one sentence what is wrong and carries the data behind the sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from autograder.sandbox.errors import MissingName


@dataclass(frozen=True, slots=True, eq=False)
class Mismatch:
    """A value beside the one that was expected.

    Attributes:
        name: what the value is ("the result", "item 1 of the result").
        got, expected: the two values, whole.
        index: where they differ most, if they are arrays of one shape.
        absolute, relative: the error there; relative is None where zero was expected.
        tolerance: the absolute error allowed there.
        wrong, total: how many values differ, out of how many.
    """

    name: str
    got: Any
    expected: Any
    index: tuple[int, ...] | None = None
    absolute: float | None = None
    relative: float | None = None
    tolerance: float | None = None
    wrong: int = 0
    total: int = 0


class CheckFailed(AssertionError):
    """The learner's code ran and its outcome is not the right one."""

    def __init__(self, sentence: str, mismatch: Mismatch | None = None):
        super().__init__(sentence)
        self.sentence, self.mismatch = sentence, mismatch


class NotStarted(NotImplementedError):
    """The body of a task is still the stub's."""


class MissingTask(MissingName):
    """The learner's file has no function or class of the task's name."""


class Frame(NamedTuple):
    """A line of the learner's code that an exception passed through; `span` is the part of it at fault, if known."""

    file: str
    line: int
    function: str
    source: str
    span: tuple[int, int] | None = None


UNLOADED = "could not be loaded"


class NotLoaded(Exception):
    """The learner's file could not be imported: a syntax error, a forbidden import, an exception at import.

    Attributes:
        filename: the file that was to be loaded.
        reason: why it could not, one or more lines.
        frames: where, outermost first; empty for a forbidden import.
    """

    def __init__(self, filename: str, reason: str, frames: tuple[Frame, ...] = ()):
        super().__init__(f"{filename} {UNLOADED}: {reason}")
        self.filename, self.reason, self.frames = filename, reason, frames
