"""What became of a check: one status, told from the exception that ended it."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

import pytest

from autograder.sandbox.errors import (
    InputChanged,
    LearnerError,
    MissingName,
    SandboxError,
    WireError,
    WorkerDied,
    WorkerTimeout,
)
from autograder.testing.failures import Frame, NotLoaded, NotStarted
from autograder.testing.frames import learner_frames, trail
from autograder.testing.words import plain

PASSED, WRONG, ERROR, TIMEOUT, SYSTEM = "passed", "wrong", "error", "timeout", "system"
NOT_STARTED, NOT_REACHED, NOT_RUN = "not_started", "not_reached", "not_run"
UNFINISHED = frozenset({WRONG, ERROR, TIMEOUT, NOT_STARTED})  # what keeps later stages from being reached

MAX_MESSAGE = 2000


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one check.

    Attributes:
        status: passed, wrong, error, not_started, not_reached, not_run, timeout or system.
        check: the name of the check function, with its parameters in brackets.
        task, stage, sentence, visible: as in `Check`.
        message: what happened, in one sentence or a few lines. It may hold inputs, expected values and text that the
            learner's code wrote: show it to the learner of a hidden check only if the check is visible.
        card: the whole failure card as plain text, under the same condition; empty for a check that passed.
    """

    status: str
    check: str
    task: str
    stage: str
    sentence: str
    visible: bool
    message: str = ""
    card: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a check did not pass: its status, a message, and where in the learner's code it happened."""

    status: str
    message: str
    frames: tuple[Frame, ...] = ()


def cause_of(error: BaseException, check_file: str, files: Collection[str], called: bool) -> Cause:
    """Whose fault an exception is that ended a check.

    Args:
        error: the exception.
        check_file: the file of the check.
        files: the learner's files, if their code runs in this process.
        called: whether the check had got anything from the learner's code.
    """
    if isinstance(error, pytest.skip.Exception):
        return Cause(SYSTEM, f"not run: {error.msg}")
    if isinstance(error, NotLoaded):
        return Cause(ERROR, error.reason, error.frames)
    if isinstance(error, MissingName):
        return Cause(ERROR, _text(error))
    if isinstance(error, WorkerTimeout):
        return Cause(TIMEOUT, _text(error) or "no answer within the time limit")
    if isinstance(error, WorkerDied | WireError):
        return Cause(ERROR, _text(error) or "the learner's process ended")
    if isinstance(error, SandboxError):
        return Cause(SYSTEM, _text(error))
    if isinstance(error, InputChanged):
        return Cause(WRONG, _text(error))
    frames = learner_frames(error, files)
    if _is_stub(error, frames, files):
        return Cause(NOT_STARTED, _text(error), frames)
    if isinstance(error, LearnerError):
        return Cause(ERROR, f"{error.etype}: {_text(error)}".removesuffix(": "), frames)
    if isinstance(error, AssertionError | pytest.fail.Exception):
        raised_by = [file for file in trail(error) if file == check_file or file in files]
        if not raised_by or raised_by[-1] == check_file:
            return Cause(WRONG, _assertion(error))
    described = f"{type(error).__name__}: {_text(error)}".removesuffix(": ")
    if frames:
        return Cause(ERROR, described, frames)
    if not called:
        return Cause(SYSTEM, f"the check itself failed: {described}")
    return Cause(WRONG, f"returned something the check cannot work with: {described}")


def is_stub(error: BaseException | None, files: Collection[str]) -> bool:
    """Whether an exception is the `raise NotImplementedError` of a task that nobody has begun."""
    return error is not None and _is_stub(error, learner_frames(error, files), files)


def _is_stub(error: BaseException, frames: tuple[Frame, ...], files: Collection[str]) -> bool:
    if isinstance(error, NotStarted):
        return True
    if not isinstance(error, NotImplementedError):
        return False
    if not isinstance(error, LearnerError) and trail(error)[-1] not in files:
        return False
    # Libraries raise NotImplementedError too, from compiled code that has no frame: then the learner's line is a call.
    return not frames or not frames[-1].source or re.search(r"\braise\b", frames[-1].source) is not None


def _assertion(error: BaseException) -> str:
    text = _text(error)
    if missing := re.match(r"DID NOT RAISE (?:any of )?(?:<class ')?([\w., ()]+)", text):
        return f"raised nothing where {missing[1].rpartition('.')[2]} was expected"
    return text or "the check's assertion failed"


def _text(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # its class is the learner's
        return "<its message cannot be shown>"
    return plain(text if len(text) <= MAX_MESSAGE else text[:MAX_MESSAGE] + "…")
