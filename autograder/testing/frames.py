"""Where in the learner's code an exception came from."""

from __future__ import annotations

import linecache
from collections.abc import Collection, Iterator
from itertools import islice
from types import TracebackType

from autograder.sandbox.errors import LearnerError
from autograder.testing.failures import Frame, NotLoaded


def learner_frames(error: BaseException, files: Collection[str]) -> tuple[Frame, ...]:
    """The lines of the learner's `files` that an exception passed through, outermost first."""
    if isinstance(error, LearnerError):
        return tuple(_sent_frame(frame) for frame in error.frames)
    frames = [_frame(tb) for tb in _traceback(error) if tb.tb_frame.f_code.co_filename in files]
    if isinstance(error, SyntaxError) and error.filename in files:
        frames.append(_syntax_frame(error))
    return tuple(frames)


def not_loaded(filename: str, error: BaseException, files: Collection[str] = ()) -> NotLoaded:
    """What to raise for a learner's file whose import ended in `error`."""
    kind = error.etype if isinstance(error, LearnerError) else type(error).__name__
    text = error.msg if isinstance(error, SyntaxError) and error.msg else str(error)
    return NotLoaded(filename, f"{kind}: {text}" if text else kind, learner_frames(error, files))


def trail(error: BaseException) -> list[str]:
    """The files that an exception passed through, the one that raised it last."""
    return [tb.tb_frame.f_code.co_filename for tb in _traceback(error)]


def _traceback(error: BaseException) -> Iterator[TracebackType]:
    tb = error.__traceback__
    while tb is not None:
        yield tb
        tb = tb.tb_next


def _sent_frame(frame: tuple) -> Frame:
    *file, line, function, source = frame
    return Frame(file[0] if file else "", line, function, source)


def _frame(tb: TracebackType) -> Frame:
    code = tb.tb_frame.f_code
    text = linecache.getline(code.co_filename, tb.tb_lineno, tb.tb_frame.f_globals)
    source = text.strip()
    line, end_line, start, end = next(islice(code.co_positions(), tb.tb_lasti // 2, None))
    span = None
    if line == end_line == tb.tb_lineno and start is not None and end is not None:
        data, indent = text.encode(), len(text) - len(text.lstrip())  # columns are counted in bytes
        span = tuple(len(data[:column].decode(errors="ignore")) - indent for column in (start, end))
        if span == (0, len(source)):
            span = None
    return Frame(code.co_filename, tb.tb_lineno, code.co_name, source, span)


def _syntax_frame(error: SyntaxError) -> Frame:
    text = error.text or linecache.getline(error.filename or "", error.lineno or 0)
    source = text.strip()
    span = None
    if error.offset and source:
        start = max(0, error.offset - 1 - (len(text) - len(text.lstrip())))
        same_line = error.end_lineno in (None, error.lineno) and (error.end_offset or 0) > error.offset
        span = (start, start + (error.end_offset - error.offset if same_line else 1))
    return Frame(error.filename or "", error.lineno or 0, "", source, span)
