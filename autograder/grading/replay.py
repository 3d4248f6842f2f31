"""Repeat, on a reference with a known mistake, what a check did with a learner's code, and see whether it answers alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from autograder.grading.alike import File, described, same, same_error, same_files, same_result
from autograder.sandbox import wire
from autograder.sandbox.errors import WireError
from autograder.sandbox.frameworks import settings_kept
from autograder.sandbox.proxy import Call, Read, RemoteObject
from autograder.sandbox.scratch import Scratch
from autograder.testing.local import LocalModule, LocalObject

Memory = dict[tuple[str, bytes], "Answer"]  # by the mistake's file, and what had been asked of it up to then


@dataclass
class Answer:
    """What our side answered to one event: a value, the gradients beside it, or an error; and the files afterwards."""

    value: Any = None
    gradients: Any = None
    error: Exception | None = None
    files: list[File] | None = None


class Replay:
    """One run of a trace on another module.

    Args:
        memory: what modules answered to the same questions before, which are then not asked again.
    """

    def __init__(
        self, module: LocalModule, in_place: bool, scratch: Scratch | None = None, memory: Memory | None = None
    ):
        self.module, self.in_place, self.scratch = module, in_place, scratch
        self.memory = {} if memory is None else memory
        self.results: dict[int, Any] = {}  # by the id of the call in the trace
        self.left: dict[str, bytes] | None = None  # the files after the last call, where ours go on in their place
        self.met_their_files = False

    def agrees(self, trace: Sequence[Call | Read], keys: Sequence[bytes] = ()) -> bool:
        """Whether the module answers everything in the trace alike.

        Args:
            keys: under which the answers to its first questions are remembered.
        """
        self.module._in_place = self.in_place
        with settings_kept():  # the checks after this one run in the same process
            try:
                return all(map(agree, trace, self.answers(trace, keys)))
            except (Exception, pytest.fail.Exception):  # a mistake that cannot follow the check at all is another one
                return False

    def answers(self, trace: Sequence[Call | Read], keys: Sequence[bytes]) -> Iterator[Answer]:
        """Our answer to each event. One that is remembered is not run, unless one that is not comes after it."""
        run = 0
        for place, event in enumerate(trace):
            key = (self.module._filename, keys[place]) if place < len(keys) and can_be_kept(event) else None
            if key in self.memory:
                yield self.memory[key]
                continue
            for each in trace[run : place + 1]:
                answer = self.answer(each)
            run = place + 1
            if key and not self.met_their_files and not can_be_used_up(answer):
                self.memory[key] = answer
            yield answer

    def answer(self, event: Call | Read) -> Answer:
        if isinstance(event, Read):
            return Answer(getattr(self.here(event.owner), event.name))
        if self.scratch is None:
            return self.answer_of_call(event)
        if event.before != self.left:  # the check itself changed files, or ours are called otherwise
            self.scratch.restore(event.before)
        answer, files = self.answer_of_call(event), self.scratch.files()
        self.left = event.after if files.keys() == event.after.keys() else None
        self.met_their_files |= self.left is None
        answer.files = described(files)
        return answer

    def answer_of_call(self, event: Call) -> Answer:
        args = self.here(list(event.args))
        try:
            function = event.name if event.target is None else self.here(event.target)
            if event.operation != "call":
                return Answer(*getattr(self.module, event.operation)(function, args, event.cotangent))
            result = function(*args, **self.here(event.kwargs))
        except Exception as error:
            return Answer(error=error.with_traceback(None))  # which would keep alive all that it has seen
        self.results[id(event)] = result
        return Answer(result)

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


def agree(event: Call | Read, ours: Answer) -> bool:
    if isinstance(event, Read):
        return same(event.value, ours.value)
    if ours.files is not None and not same_files(described(event.after), ours.files):
        return False
    if event.error is not None or ours.error is not None:
        return event.error is not None and ours.error is not None and same_error(event.error, ours.error)
    if event.operation != "call":
        return same([event.result, event.gradients], [ours.value, ours.gradients])
    return same_result(event.result, ours.value)


def can_be_kept(event: Call | Read) -> bool:
    """Not where the items of what came back are compared: ours have to be drawn at that moment."""
    result = event.result if isinstance(event, Call) else None
    return not isinstance(result, RemoteObject) or result._items is None


def can_be_used_up(answer: Answer) -> bool:
    return isinstance(answer.value, LocalObject) and hasattr(answer.value._target, "__next__")


def keys_of(check: str, trace: Sequence[Call | Read]) -> list[bytes]:
    """In short, all that had been asked up to each event; it ends where that cannot be told."""
    places = {id(event): place for place, event in enumerate(trace)}
    digest, keys = hashlib.blake2b(check.encode(), digest_size=16), []
    left: dict[str, bytes] = {}
    for event in trace:
        question = asked(event, places, left)
        if question is None:
            break
        left = event.after if isinstance(event, Call) else left
        digest.update(question)
        keys.append(digest.digest())
    return keys


def asked(event: Call | Read, places: dict[int, int], left: dict[str, bytes]) -> bytes | None:
    """All that an answer depends on but what came before; None where that is no plain data, a function of the check's say.

    Args:
        places: of the calls of the trace, by their id.
        left: the files after the call before. In their place ours go on.
    """

    def describe(value: Any) -> dict | None:
        if isinstance(value, RemoteObject):
            return {"o": where_from(value, places)}
        return wire.encode_generator(value) if isinstance(value, np.random.Generator) else None

    if isinstance(event, Read):
        question = ["read", event.owner, event.name]
    else:
        files = sorted(left) if event.before == left else event.before
        question = [event.operation, event.name, event.target, event.args, event.kwargs, event.cotangent, files]
    encoder = wire.Encoder(describe)
    try:
        meta = encoder.pack(question)
    except (WireError, KeyError):
        return None
    return b"".join([meta, *(buffer.tobytes() for _, buffer in encoder.buffers)])


def where_from(remote: RemoteObject, places: dict[int, int]) -> list:
    match remote._origin:
        case (RemoteObject() as owner, *names):
            return [where_from(owner, places), *map(repr, names)]
        case (Call() as call,):
            return [places[id(call)]]
    return [str(name) for name in remote._origin]
