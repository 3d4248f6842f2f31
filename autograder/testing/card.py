"""What a learner reads when a check does not pass: a few lines, 80 columns, every one true."""

from __future__ import annotations

import linecache
import os
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograder.sandbox.errors import SandboxError
from autograder.testing.failures import CheckFailed, Frame, Mismatch
from autograder.testing.table import side_by_side
from autograder.testing.tasks import Check
from autograder.testing.verdict import ERROR, NOT_STARTED, TIMEOUT, WRONG, Cause
from autograder.testing.words import briefly, is_array, plain, shortened, type_name

WIDTH = 80
MAX_FRAMES = 6
MAX_EXPLANATION = 12

BAD, STRONG, FAINT, PLACE = {"red": True}, {"bold": True}, {"light": True}, {"cyan": True}


@dataclass(frozen=True, slots=True)
class Card:
    """Lines with their markup. pytest prints it as the report of a check, in colour where it uses colour."""

    lines: list[tuple[str, dict[str, bool]]] = field(default_factory=list)

    def add(self, text: str = "", markup: Mapping[str, bool] | None = None, indent: str = "") -> None:
        """Add a paragraph, wrapped; its own line breaks stay."""
        for line in plain(text).splitlines() or [""]:
            wrapped = textwrap.wrap(line, WIDTH, initial_indent=indent, subsequent_indent=indent + "  ", **WRAPPING)
            self.lines.extend((part, dict(markup or {})) for part in wrapped or [""])

    def add_line(self, text: str, markup: Mapping[str, bool] | None = None) -> None:
        """Add one line as it is."""
        self.lines.append((plain(text), dict(markup or {})))

    def toterminal(self, writer: Any) -> None:
        for text, markup in self.lines:
            writer.line(text, **markup)

    def __str__(self) -> str:
        return "\n".join(text for text, _ in self.lines)


WRAPPING = {"break_long_words": False, "break_on_hyphens": False}


def failure_card(check: Check, cause: Cause, error: BaseException, call: Any, command: str = "") -> Card:
    """The card of a check that did not pass.

    Args:
        call: the last call of the learner's code, or None.
        command: what to type to run the check again.
    """
    card = Card()
    if cause.status == NOT_STARTED:
        card.add(not_started_line(check.task, cause.frames))
        return card
    card.add(check.sentence, STRONG)
    card.add()
    if cause.status == WRONG:
        _add_wrong(card, check, cause, error, call)
    elif cause.status == ERROR:
        _add_error(card, check, cause, error, call)
    else:
        _add_call(card, check, call, "gave no answer" if cause.status == TIMEOUT else "was called last")
        card.add(cause.message, BAD)
    if command:
        card.add()
        card.add_line(f"next: {command}", FAINT)
    return card


def not_started_line(task: str, frames: tuple[Frame, ...]) -> str:
    """`softmax is not started: exercises/m00_foundations/activations.py:31`, or whose missing body it waits for."""
    if not frames:
        return f"{task} is not started"
    last = frames[-1]
    if last.function != task and frames[0].file != last.file:
        return f"{task} needs {last.function}, which is not started: {shown_path(last.file)}:{last.line}"
    return f"{task} is not started: {shown_path(last.file)}:{last.line}"


def shown_path(path: str) -> str:
    """A path as short as it can be typed from here."""
    if not os.path.isabs(path):
        return path
    try:
        return min(os.path.relpath(path), path, key=len)
    except (OSError, ValueError):  # the working directory is gone, or on another drive
        return path


def call_sentence(call: Any, parameters: Mapping[str, tuple[str, ...]]) -> str:
    """`softmax(x float64 (3, 5), axis=0)`: arguments by name where the function's parameters are known."""
    names = _parameters(call, parameters)
    given = [_argument(name, value) for name, value in zip(names, call.args, strict=False)]
    given += [briefly(value) for value in call.args[len(names) :]]
    given += [_argument(name, value) for name, value in call.kwargs.items()]
    return f"{call.name}({', '.join(given)})"


def _argument(name: str, value: Any) -> str:
    return f"{name} {briefly(value)}" if is_array(value) else f"{name}={briefly(value)}"


def _parameters(call: Any, parameters: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Those of the function called; a class and an instance of it are called by one name."""
    instance = parameters.get(f"{call.name}.forward") or parameters.get(f"{call.name}.__call__")
    if instance and call.error is None and type_name(call.result) != call.name:
        return instance
    return parameters.get(call.name, ())


def _add_call(card: Card, check: Check, call: Any, outcome: str, markup: Mapping[str, bool] | None = None) -> None:
    if call is not None:
        card.add(f"{call_sentence(call, check.parameters)} {outcome}", markup)


def _add_wrong(card: Card, check: Check, cause: Cause, error: BaseException, call: Any) -> None:
    mismatch = error.mismatch if isinstance(error, CheckFailed) else None
    returned = call is not None and call.error is None
    if returned and mismatch is not None and cause.message.startswith("returned "):
        _add_call(card, check, call, cause.message, BAD)
        return
    if returned:
        _add_call(card, check, call, f"returned {briefly(call.result)}")
    elif call is not None and call.error is error:
        card.add(call_sentence(call, check.parameters))
    if isinstance(error, AssertionError) and not isinstance(error, CheckFailed):
        _add_assertion(card, cause, error)
    else:
        card.add(cause.message, BAD)
    if mismatch is not None and mismatch.index is not None:
        _add_mismatch(card, mismatch)


def _add_mismatch(card: Card, mismatch: Mismatch) -> None:
    if isinstance(mismatch.got, np.ndarray) and mismatch.got.ndim and mismatch.got.size > 1:
        card.add()
        for text, is_worst in side_by_side(mismatch.got, mismatch.expected, mismatch.index, WIDTH):
            card.add_line(text, BAD if is_worst else None)
    if mismatch.absolute is None or mismatch.tolerance is None:
        return
    card.add()
    where = f"at {list(mismatch.index)}: " if mismatch.index else ""
    relative = "" if mismatch.relative is None else f", relative {mismatch.relative:.3g}"
    card.add(f"{where}absolute error {mismatch.absolute:.3g}{relative}, allowed {mismatch.tolerance:.3g}")


def _add_assertion(card: Card, cause: Cause, error: AssertionError) -> None:
    """A plain assert: its source line, and what pytest found out about the values in it."""
    tb = error.__traceback__
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    source = linecache.getline(tb.tb_frame.f_code.co_filename, tb.tb_lineno).strip() if tb else ""
    if source.startswith("assert"):
        card.add_line(f"> {shortened(source, WIDTH - 2)}")
    lines = cause.message.splitlines()
    for line in lines[:MAX_EXPLANATION]:
        card.add_line(shortened(line, WIDTH), BAD)
    if len(lines) > MAX_EXPLANATION:
        card.add_line(f"… {len(lines) - MAX_EXPLANATION} more lines", FAINT)


def _add_error(card: Card, check: Check, cause: Cause, error: BaseException, call: Any) -> None:
    if call is not None and call.error is not None:
        _add_call(card, check, call, "did not return" if isinstance(error, SandboxError) else "raised")
    card.add(cause.message, BAD)
    if cause.frames:
        card.add()
        add_frames(card, cause.frames)


def add_frames(card: Card, frames: tuple[Frame, ...]) -> None:
    """The learner's own lines that the exception passed through, with a caret under the part at fault."""
    shown = frames if len(frames) <= MAX_FRAMES else (*frames[:2], None, *frames[2 - MAX_FRAMES :])
    for frame in shown:
        if frame is None:
            card.add_line(f"  … {len(frames) - MAX_FRAMES} more calls", FAINT)
            continue
        within = f", in {frame.function}" if frame.function and frame.function != "<module>" else ""
        card.add_line(f"  {shown_path(frame.file) or 'line '}{':' if frame.file else ''}{frame.line}{within}", PLACE)
        if frame.source:
            card.add_line(f"    {shortened(frame.source, WIDTH - 4)}")
            start, end = frame.span or (0, 0)
            if end > start and end <= WIDTH - 4:
                card.add_line("    " + " " * start + "^" * (end - start), BAD)


def loading_card(filename: str, cause: Cause, command: str = "") -> Card:
    """The card of a file that could not be imported."""
    card = Card()
    card.add(f"{shown_path(filename)} could not be loaded", STRONG)
    card.add()
    for line in cause.message.splitlines():
        card.add(line, BAD)
    if cause.frames:
        card.add()
        add_frames(card, cause.frames)
    if command:
        card.add()
        card.add_line(f"next: {command}", FAINT)
    return card
