"""Tell a learner which known mistake they made: run each mistake on what the check fed in, and compare the answers.

Exact and offline: a mistake is named only if every call of the check gives what the learner's code gave. The mistakes are the
course's own code, so they run in the grading process, on the trusted side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pytest

from autograder.catalog import Exercise
from autograder.grading.mistakes import Mistake, MistakeError, apply_mistake, load_mistakes
from autograder.sandbox.errors import InputChanged, LearnerError
from autograder.sandbox.proxy import Call, Read, RemoteObject, of_library
from autograder.sandbox.scratch import Scratch, names
from autograder.sandbox.sources import SourceFinder
from autograder.sandbox.worker import MAX_MESSAGE
from autograder.testing.arrays import Rule
from autograder.testing.compare import compare
from autograder.testing.failures import CheckFailed, NotLoaded
from autograder.testing.local import LocalModule, LocalObject
from autograder.testing.provider import sources_in
from autograder.testing.tasks import Check

KINDS = (list, tuple, (bool, np.bool_), (int, np.integer), (float, np.floating), np.ndarray)  # that a check may ask for
MAX_ITEMS = 10_000  # of an iterator whose items are compared
MISSING = object()
BINARY_SLACK = 0.1  # of its size, by which a file that is no text may differ: it holds counters, times and hashes
EVENTS = "tfevents"  # in the name of a file of TensorBoard, whose records have fixed sizes: the same events make the same size


@dataclass(frozen=True)
class Diagnosis:
    """The known mistakes of one exercise."""

    exercise: Exercise

    @cached_property
    def mistakes(self) -> dict[str, list[tuple[Mistake, LocalModule]]]:
        """By task, each mistake with the reference that has it."""
        path = self.exercise.mistakes
        source = self.exercise.solution.read_text(encoding="utf-8")
        found: dict[str, list[tuple[Mistake, LocalModule]]] = {}
        for mistake in load_mistakes(path) if path.is_file() else []:
            if mistake.exercise == self.exercise.name:
                filename = f"<{self.exercise.id}: {mistake.task}: {mistake.name}>"
                module = self._module(apply_mistake(source, mistake), filename)
                found.setdefault(mistake.task, []).append((mistake, module))
        return found

    def prepare(self) -> None:
        """Load all of them now, before any fork.

        Raises:
            MistakeError: one cannot be made, or not be loaded.
        """
        for pairs in self.mistakes.values():
            for mistake, module in pairs:
                try:
                    getattr(module, mistake.task)
                except NotLoaded as error:
                    raise MistakeError(f"{self.exercise.name}: {mistake.task}: {mistake.name!r}: {error}") from None

    def _module(self, source: str, filename: str) -> LocalModule:
        """The reference as `source`; under a name of its own, because AutoGraph runs what it reads under that name."""
        name = f"{self.exercise.module}.{self.exercise.name}"
        sources = sources_in(self.exercise.course.solutions_dir)
        return LocalModule(SourceFinder(sources | {name: (source.encode(), filename)}), name)

    def name(
        self,
        check: Check,
        trace: Sequence[Call | Read],
        scratch: Scratch | None = None,
        among: Sequence[Mistake] | None = None,
    ) -> list[Mistake]:
        """The mistakes of the check's task that answer everything in `trace` as the learner's code did.

        Args:
            scratch: the folder in which the calls found and left files.
            among: only these, found in an earlier trace.
        """
        candidates = [pair for pair in self.mistakes.get(check.task, ()) if among is None or pair[0] in among]
        return [m for m, module in candidates if trace and Replay(module, check.in_place, scratch).agrees(trace)]


class Replay:
    """One run of a trace on another module."""

    def __init__(self, module: LocalModule, in_place: bool, scratch: Scratch | None = None):
        self.module, self.in_place, self.scratch = module, in_place, scratch
        self.results: dict[int, Any] = {}  # by the id of the call in the trace
        self.left: dict[str, bytes] | None = None  # the files after the last call, where ours go on in their place

    def agrees(self, trace: Sequence[Call | Read]) -> bool:
        self.module._in_place = self.in_place
        try:
            return all(self.repeats(event) for event in trace)
        except (Exception, pytest.fail.Exception):  # a mistake that cannot follow the check at all is another mistake
            return False

    def repeats(self, event: Call | Read) -> bool:
        if isinstance(event, Read):
            return same(event.value, getattr(self.here(event.owner), event.name))
        if self.scratch is None:
            return self.answers_alike(event)
        if event.before != self.left:  # the check itself changed files, or ours are called otherwise
            self.scratch.restore(event.before)
        agrees, files = self.answers_alike(event), self.scratch.files()
        self.left = event.after if files.keys() == event.after.keys() else None
        return agrees and same_files(event.after, files)

    def answers_alike(self, event: Call) -> bool:
        args = self.here(list(event.args))
        try:
            function = event.name if event.target is None else self.here(event.target)
            if event.operation != "call":
                result = getattr(self.module, event.operation)(function, args, event.cotangent)
                return event.error is None and same([event.result, event.gradients], list(result))
            result = function(*args, **self.here(event.kwargs))
        except Exception as error:
            return event.error is not None and same_error(event.error, error)
        self.results[id(event)] = result
        return event.error is None and self.same_result(event.result, result)

    def here(self, value: Any) -> Any:
        """What stands for a learner's object on this side; plain data is itself."""
        if type(value) in (list, tuple):
            return type(value)(self.here(item) for item in value)
        if type(value) is dict:
            return {key: self.here(item) for key, item in value.items()}
        if not isinstance(value, RemoteObject):
            return value
        match value._origin:
            case (None, name):
                return getattr(self.module, name)
            case ("library", name):
                return self.module.library(name)
            case (RemoteObject() as owner, "item", key):
                return self.here(owner)[key]
            case (RemoteObject() as owner, name):
                return getattr(self.here(owner), name)
            case (Call() as call,):
                return self.results[id(call)]
        raise ValueError("an object of unknown origin")

    @staticmethod
    def same_result(theirs: Any, ours: Any) -> bool:
        if not isinstance(theirs, RemoteObject):
            return same(theirs, ours)
        if not isinstance(ours, LocalObject):
            return False
        if theirs._items is None:
            return True  # judged by what is called on it and read from it
        return same_items(theirs, iter(ours))


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


def same_files(theirs: dict[str, bytes], ours: dict[str, bytes]) -> bool:
    """As many files with the same names (but for numbers) and sizes; those that are no text of about the same sizes."""
    if len(theirs) != len(ours):
        return False
    return all(
        their[:2] == our[:2] and abs(their[2] - our[2]) <= slack(*their)
        for their, our in zip(described(theirs), described(ours), strict=True)
    )


def slack(name: str, text: bool, size: int) -> float:
    """By how many bytes another file may be larger or smaller and be the same."""
    return 0.0 if text or EVENTS in name else BINARY_SLACK * size


def described(files: dict[str, bytes]) -> list[tuple[str, bool, int]]:
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
        return isinstance(ours, CheckFailed)
    if not isinstance(theirs, LearnerError) or theirs.etype != type(ours).__name__:
        return False
    return theirs.message == str(ours)[:MAX_MESSAGE] or raised_by_hand(theirs)


def raised_by_hand(error: LearnerError) -> bool:
    """Whether a `raise` of the learner's did it, in words of their own. What a library says of a slip tells slips apart."""
    return bool(error.frames) and str(error.frames[-1][-1]).lstrip().startswith("raise")
