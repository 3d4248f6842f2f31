"""What can go wrong between the trusted side and the learner's code."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from functools import cache


class SandboxError(Exception):
    """The sandbox failed, not the learner: nothing is known about the learner's code."""


class WireError(SandboxError):
    """The other side sent something that is not plain data, or too much of it."""


class WorkerTimeout(SandboxError):
    """The worker gave no answer within its wall-clock limit."""


class WorkerDied(SandboxError):
    """The worker is gone: it exited, crashed, or went over a limit of its process."""


class MissingName(Exception):
    """The learner's module has no attribute of that name."""

    def __init__(self, name: str, filename: str):
        super().__init__(f"{filename} has no function `{name}`")
        self.name, self.filename = name, filename


class InputChanged(Exception):
    """A call wrote into one of its arguments: `argument` is its position, from 0, or its keyword."""

    def __init__(self, name: str, argument: int | str):
        which = f"its {ordinal(argument + 1)} argument" if isinstance(argument, int) else f"its argument `{argument}`"
        super().__init__(f"{name} changed {which} in place")
        self.name, self.argument = name, argument


class LearnerError(Exception):
    """Code in the worker raised an exception. Make one with `learner_error`.

    Attributes:
        etype: the name of the exception's class over there.
        message: its text.
        frames: the learner's own frames, outermost first, as (line, function, source); the file may come before them.
    """

    def __init__(self, etype: str, message: str, frames: Sequence[tuple] = ()):
        self.etype, self.message, self.frames = etype, message, list(frames)
        self.args = (message,)

    def __str__(self) -> str:
        return self.message


def learner_error(etype: str, message: str, frames: Sequence[tuple] = ()) -> LearnerError:
    """A LearnerError that is also an instance of the builtin exception called `etype`, where there is one.

    So `pytest.raises(ValueError)` means the same whether the learner's code runs in this process or in another.
    """
    kind = getattr(builtins, etype, None)
    # A StopIteration would end the loop of whoever iterates instead of reporting the error.
    if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, StopIteration):
        try:
            return _as_builtin(kind)(etype, message, frames)
        except TypeError:  # ExceptionGroup cannot be made from a message
            pass
    return LearnerError(etype, message, frames)


@cache
def _as_builtin(kind: type[Exception]) -> type[LearnerError]:
    if kind is Exception:
        return LearnerError
    return type(f"Learner{kind.__name__}", (LearnerError, kind), {"__module__": __name__})


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th, 21st …"""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
