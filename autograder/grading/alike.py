"""Whether two pieces of code, a learner's and a reference with a known mistake, answered alike: values, errors and files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from autograder.sandbox.errors import InputChanged, LearnerError
from autograder.sandbox.proxy import RemoteObject, of_library
from autograder.sandbox.scratch import names
from autograder.sandbox.worker import MAX_MESSAGE
from autograder.testing.arrays import Rule
from autograder.testing.compare import compare
from autograder.testing.failures import CheckFailed
from autograder.testing.local import LocalObject

KINDS = (list, tuple, (bool, np.bool_), (int, np.integer), (float, np.floating), np.ndarray)  # that a check may ask for
MAX_ITEMS = 10_000  # of an iterator whose items are compared
File = tuple[str, bool, int]  # the name of one without its numbers, whether it is text, its size
MISSING = object()
BINARY_SLACK = 0.1  # of its size, by which a file that is no text may differ: it holds counters, times and hashes
EVENTS = "tfevents"  # in the name of a file of TensorBoard, whose records have fixed sizes: the same events make the same size


def same_result(theirs: Any, ours: Any) -> bool:
    """Whether two calls returned the same; an object is judged by what is called on it and read from it."""
    if not isinstance(theirs, RemoteObject):
        return same(theirs, ours)
    if not isinstance(ours, LocalObject):
        return False
    return theirs._items is None or same_items(theirs, iter(ours))


def same_items(theirs: RemoteObject, ours: Iterator) -> bool:
    """The same items and, where the check came to the end of them, the same end: no more items, or an error."""
    if of_library(theirs):  # such as a list for the learner's code to fill, which is still empty here
        return all(same(item, own) for item, own in zip(theirs._items[:MAX_ITEMS], ours, strict=False))
    if not all(same(item, next(ours, MISSING)) for item in theirs._items[:MAX_ITEMS]):
        return False
    if theirs._end is None or len(theirs._items) > MAX_ITEMS:
        return True
    try:
        next(ours)
    except StopIteration:
        return isinstance(theirs._end, StopIteration)
    except Exception as error:
        return same_error(theirs._end, error)
    return False


def same(theirs: Any, ours: Any) -> bool:
    """Equal in kind, shape, dtype and, up to rounding, in every value; nan equals nan. A tensor may want gradients, too."""
    if any(isinstance(theirs, kind) is not isinstance(ours, kind) for kind in KINDS):
        return False  # a comparison is more lenient: a list passes for a tuple, an array without axes for a number
    if isinstance(theirs, RemoteObject) or isinstance(ours, LocalObject):
        return isinstance(theirs, RemoteObject) and isinstance(ours, LocalObject)
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return theirs.keys() == ours.keys() and all(same(value, ours[key]) for key, value in theirs.items())
    if isinstance(theirs, list | tuple) and isinstance(ours, list | tuple):
        return len(theirs) == len(ours) and all(map(same, theirs, ours))
    if getattr(theirs, "requires_grad", False) is not getattr(ours, "requires_grad", False):
        return False
    return compare(theirs, ours, None, Rule(nan=True)) is None


def same_files(theirs: list[File], ours: list[File]) -> bool:
    """As many files with the same names (but for numbers) and sizes; those that are no text of about the same sizes."""
    if len(theirs) != len(ours):
        return False
    return all(
        their[:2] == our[:2] and abs(their[2] - our[2]) <= slack(*their)
        for their, our in zip(theirs, ours, strict=True)
    )


def slack(name: str, text: bool, size: int) -> float:
    """By how many bytes another file may be larger or smaller and be the same."""
    return 0.0 if text or EVENTS in name else BINARY_SLACK * size


def described(files: dict[str, bytes]) -> list[File]:
    """Of each file its name without numbers, whether it is text, and its size."""
    return sorted((name, is_text(data), size) for path, data in files.items() for name, size in names({path: data}))


def is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def same_error(theirs: BaseException, ours: BaseException) -> bool:
    if isinstance(theirs, InputChanged):
        return isinstance(ours, CheckFailed) and str(ours) == str(theirs)  # a change of the same argument
    if not isinstance(theirs, LearnerError) or theirs.etype != type(ours).__name__:
        return False
    return theirs.message == str(ours)[:MAX_MESSAGE] or raised_by_hand(theirs)


def raised_by_hand(error: LearnerError) -> bool:
    """Whether a `raise` of the learner's did it, in words of their own. What a library says of a slip tells slips apart."""
    return bool(error.frames) and str(error.frames[-1][-1]).lstrip().startswith("raise")
