"""What runs inside the jail: hold the learner's module and serve calls on it over one socket.

Everything here is at the learner's mercy (it shares their process), so nothing here is trusted: the other side judges only the
plain data that comes back.
"""

from __future__ import annotations

import builtins
import importlib
import io
import os
import sys
import traceback
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import numpy.random  # on its first use otherwise, which would be in every worker

from autograder.sandbox import differentiate, wire
from autograder.sandbox.peer import Peer, Refused
from autograder.sandbox.sources import Names, SourceFinder

MAX_MESSAGE, MAX_FRAMES = 2000, 12


class MissingName(Exception):
    """The module has no such attribute."""


class CallbackFailed(Exception):
    """A function that was passed in failed on the other side."""


class Server:
    """Serves load, library, call, get, set, delete, move, item, length, iterate, next, vjp and parameter_gradients on the
    learner's objects."""

    def __init__(self, sock: Any):
        self.objects: list[Any] = []
        self.module: Any = None
        self.names: Any = None
        self.finder: SourceFinder | None = None
        self.filenames: set[str] = set()
        self.pending: dict[int, tuple[dict, dict]] = {}  # by iterator: the arguments of the call that made it
        self.peer = Peer(sock, self.serve, self.explain, self.describe, self.resolve)

    def serve(self, op: str, args: list) -> Any:
        return getattr(self, f"op_{op}")(*args)

    # Objects that are not plain data stay here; the other side holds their number.

    def describe(self, value: Any) -> dict:
        if isinstance(value, RemoteCallable):
            return {"f": [value.number]}
        self.objects.append(value)
        return {"o": [len(self.objects) - 1, type(value).__name__[:100]]}

    def resolve(self, kind: str, payload: Any) -> Any:
        if kind == "o":
            return self.objects[payload[0]]
        if kind == "f":
            return RemoteCallable(self.peer, payload[0])
        if kind == "g":
            return wire.decode_generator(payload)
        raise wire.WireError("unknown node")

    def target(self, owner: Any, path: str) -> Any:
        """The attribute `path` of an object, or of the learner's module when `owner` is None."""
        found = owner
        for place, name in enumerate(path.split(".") if path else ()):
            try:
                found = self.names.get(name) if owner is None and place == 0 else getattr(found, name)
            except AttributeError:
                if owner is None:
                    raise MissingName(name) from None
                raise
        return found

    def op_load(
        self, sources: dict[str, bytes], filenames: dict[str, str], name: str, stand_ins: dict[str, dict[str, Any]]
    ) -> None:
        self.forget()
        self.finder = SourceFinder({key: (text, filenames[key]) for key, text in sources.items()})
        sys.meta_path.insert(0, self.finder)
        self.filenames = set(filenames.values())
        for other, functions in stand_ins.items():
            if other != name:
                vars(import_or_make(other)).update(functions)
        self.module = importlib.import_module(name)
        vars(self.module).update(stand_ins.get(name, {}))
        self.names = Names(self.module)

    def forget(self) -> None:
        """Drop what was loaded before."""
        if self.finder:
            sys.meta_path.remove(self.finder)
            for name in self.finder.names:
                sys.modules.pop(name, None)
        self.objects.clear()
        self.pending.clear()

    def op_call(self, owner: Any, path: str, args: list, kwargs: dict) -> list:
        """The result, and those arguments that the call changed in place."""
        function = self.target(owner, path)
        given = {**dict(enumerate(args)), **kwargs}
        before = {key: wire.snapshot(value) for key, value in given.items()}
        result = function(*args, **kwargs)
        if isinstance(result, Iterator):
            self.pending[id(result)] = given, before  # its body has yet to run
        return [result, changed_since(given, before)]

    def op_library(self, name: str) -> Any:
        return importlib.import_module(name)

    def op_vjp(self, function: Any, args: list, cotangent: Any) -> list:
        return list(differentiate.vjp(self.named(function), args, cotangent))

    def op_parameter_gradients(self, module: Any, args: list, cotangent: Any) -> list:
        return list(differentiate.parameter_gradients(self.named(module), args, cotangent))

    def named(self, function: Any) -> Any:
        return self.target(None, function) if isinstance(function, str) else function

    def op_get(self, owner: Any, path: str) -> Any:
        return self.target(owner, path)

    def op_set(self, owner: Any, name: str, value: Any) -> None:
        if owner is None:
            self.names.set(name, value)
        else:
            setattr(owner, name, value)

    def op_delete(self, name: str) -> None:
        self.names.delete(name)

    def op_move(self, checkpoint: str) -> None:
        self.names.move(checkpoint)

    def op_item(self, owner: Any, key: Any) -> Any:
        return owner[key]

    def op_length(self, owner: Any) -> int:
        return len(owner)

    def op_iterate(self, owner: Any) -> Any:
        return KeepHere(iter(owner))

    def op_next(self, iterator: KeepHere) -> list | dict:
        """The next item in a list; at the end an empty list, or the arguments that a generator changed while it ran."""
        for item in iterator.value:
            return [item]
        ended, iterator.value = iterator.value, ()  # that of a tf.data pipeline holds threads until it is let go
        return changed_since(*self.pending.pop(id(ended), ({}, {}))) or []

    def explain(self, error: BaseException) -> list:
        """[type, message, frames in the learner's files as (file, line, function, source)]"""
        frames = [
            [frame.filename, frame.lineno or 0, frame.name[:100], (frame.line or "")[:200]]
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.filename in self.filenames
        ]
        if isinstance(error, SyntaxError) and error.filename in self.filenames:
            frames.append([error.filename, error.lineno or 0, "<module>", (error.text or "").strip()[:200]])
        traceback.clear_frames(error.__traceback__)  # frees what a MemoryError left behind
        try:
            message = str(error.msg if isinstance(error, SyntaxError) else error)[:MAX_MESSAGE]
        except BaseException:
            message = "<its message cannot be shown>"
        return [type(error).__name__[:100], message.encode("utf-8", "replace").decode(), frames[-MAX_FRAMES:]]


def changed_since(given: dict[int | str, Any], before: dict[int | str, Any]) -> dict[int | str, Any]:
    return {key: value for key, value in given.items() if wire.snapshot(value) != before[key]}


def import_or_make(name: str) -> ModuleType:
    """The learner's module of that name or, if it is missing or broken, an empty one."""
    try:
        return importlib.import_module(name)
    except BaseException:
        parent, _, child = name.rpartition(".")
        package = sys.modules.setdefault(parent, ModuleType(parent)) if parent else None
        module = sys.modules[name] = ModuleType(name)
        if package is not None:
            setattr(package, child, module)
            package.__path__ = getattr(package, "__path__", [])
        return module


class KeepHere:
    """An iterator that is to be named, not sent."""

    def __init__(self, value: Any):
        self.value = value


class RemoteCallable:
    """A function of the other side, as the learner's code sees it."""

    def __init__(self, peer: Peer, number: int):
        self.peer, self.number = peer, number

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return self.peer.request("callback", self.number, list(args), kwargs)
        except Refused as refused:
            name, message = refused.details[:2]
            kind = getattr(builtins, name, None)
            known = isinstance(kind, type) and issubclass(kind, Exception)
            raise (kind(message) if known else CallbackFailed(f"{name}: {message}")) from None


class BoundedOutput(io.TextIOBase):
    """Standard output that drops what exceeds its limit, so that a chatty solution is cut short rather than failed."""

    def __init__(self, descriptor: int, limit: int):
        self.descriptor, self.left = descriptor, limit

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        data = text.encode("utf-8", "replace")[: self.left]
        self.left -= len(data)
        if data:
            os.write(self.descriptor, data)
        return len(text)


def forget_shared_state() -> None:
    """Give this worker its own random numbers: NumPy's global state is a copy of the fork server's."""
    np.random.seed(int.from_bytes(os.urandom(4), "little"))
