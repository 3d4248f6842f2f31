"""The learner's module and objects as the trusted side sees them: call them, and plain data comes back.

A `RemoteObject` stands for something that is not plain data. It never pretends to be any: it equals only itself, has no truth
value and no arithmetic, so that no object a learner invents can satisfy a comparison.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from autograder.sandbox.errors import InputChanged, LearnerError, MissingName, WireError

if TYPE_CHECKING:
    from autograder.sandbox.client import Worker

KEPT_BYTES = 1 << 20  # larger arguments are not copied for diagnosis


@dataclass(eq=False)
class Call:
    """One call of the learner's code, kept for the failure card and for diagnosis.

    Attributes:
        args, kwargs: copies of the arguments; `given` holds the caller's own, by position and name.
        target: what was called; None for `vjp`.
        result: what it returned, or `error`: what it raised.
        cotangent, gradients: what `vjp` was given and what it returned beside the result.
    """

    name: str
    args: tuple
    kwargs: dict[str, Any]
    target: RemoteObject | None = field(default=None, repr=False)
    given: dict[int | str, Any] = field(default_factory=dict, repr=False)
    result: Any = None
    error: BaseException | None = field(default=None, repr=False)
    cotangent: Any = field(default=None, repr=False)
    gradients: list | None = field(default=None, repr=False)


@dataclass(eq=False)
class Read:
    """A plain value that was read from an object of the learner's."""

    owner: RemoteObject
    name: str
    value: Any


class RemoteModule:
    """`learner.softmax(x)` runs in the worker; missing names raise MissingName.

    A call that changed one of its arguments raises InputChanged, unless `_in_place` is set: then the caller's own arrays are
    updated, as they would be in one process. `_trace` lists what was called and read, in order.
    """

    def __init__(self, worker: Worker, filename: str):
        self._worker, self._filename = worker, filename
        self._begin_check()

    def _begin_check(self, in_place: bool = False) -> None:
        self._in_place = in_place
        self._gave_data = False
        self._trace: list[Call | Read] = []

    @property
    def _last_call(self) -> Call | None:
        return next((event for event in reversed(self._trace) if isinstance(event, Call)), None)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            found = self._worker.request("get", None, name)
        except LearnerError as error:
            if error.etype == "MissingName":
                raise MissingName(name, self._filename) from None
            raise
        if isinstance(found, RemoteObject):
            place(found, self, name, (None, name))
            self.__dict__[name] = found  # the next look-up needs no round trip
        else:
            self._gave_data = True
        return found

    def vjp(self, name: str, inputs: Any, cotangent: Any = None) -> tuple[Any, list]:
        """The value of a learner's function and the gradients of <value, cotangent> with respect to its inputs, by autograd."""
        call = Call(name, tuple(inputs), {}, cotangent=cotangent)
        self._trace.append(call)
        try:
            match self._worker.request("vjp", name, list(inputs), cotangent):
                case [output, list(gradients)]:
                    call.result, call.gradients = output, gradients
                    return output, gradients
            raise WireError("a malformed answer")
        except BaseException as error:
            call.error = error
            raise


class RemoteObject:
    """A function, instance or iterator that lives in the worker.

    `_origin` tells where it came from: (None, name) from the module, (owner, name) an attribute, (call,) the result of a call.
    """

    _name = ""
    _module: RemoteModule | None = None
    _origin: tuple = ()

    def __init__(self, worker: Worker, number: int, type_name: str):
        vars(self).update(_worker=worker, _number=number, _type=type_name, _items=None)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)  # Python's own protocols (copy, pickle, NumPy) must not reach into the worker
        found = self._worker.request("get", self, name)
        if self._module is not None:
            self._module._gave_data = True
        if isinstance(found, RemoteObject):
            place(found, self._module, f"{self._name or self._type}.{name}", (self, name))
        elif self._module is not None:
            self._module._trace.append(Read(self, name, found))
        return found

    def __setattr__(self, name: str, value: Any) -> None:
        self._worker.request("set", self, name, value)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        kept = {name: kept_copy(arg) for name, arg in kwargs.items()}
        call = Call(self._name or self._type, tuple(map(kept_copy, args)), kept, self)
        if self._module is not None:
            self._module._trace.append(call)
        try:
            answer = self._worker.request("call", self, "", list(args), kwargs)
            match answer:
                case [result, dict(changed)]:
                    call.result = result
                case _:
                    raise WireError("a malformed answer")
            if isinstance(result, RemoteObject):
                place(result, self._module, "", (call,))
            call.given = {**dict(enumerate(args)), **kwargs}
            if changed:
                accept_changes(self._module, call, changed)
        except BaseException as error:
            call.error = error
            raise
        return result

    def __getitem__(self, key: Any) -> Any:
        return self._worker.request("item", self, key)

    def __len__(self) -> int:
        return self._worker.request("length", self)

    def __iter__(self) -> Iterator:
        iterator = self._worker.request("iterate", self)
        vars(self)["_items"] = []
        while True:
            match self._worker.request("next", iterator):
                case []:
                    return
                case [item]:
                    self._items.append(item)
                    yield item
                case dict(changed) if changed and self._origin and isinstance(self._origin[0], Call):
                    accept_changes(self._module, self._origin[0], changed)  # by a generator, while it ran
                    return
                case _:
                    raise WireError("a malformed answer")

    def __bool__(self) -> bool:
        raise TypeError(f"a {self._type} was returned where a plain value was expected")

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError(f"a {self._type} was returned where an array was expected")  # its items could differ each time

    def __repr__(self) -> str:
        return f"<{self._type} in the learner's process>"


def place(remote: RemoteObject, module: RemoteModule | None, name: str, origin: tuple) -> None:
    """Tell an object where it came from. Its own `__setattr__` reaches into the worker."""
    vars(remote).update(_module=module, _name=name, _origin=origin)


def accept_changes(module: RemoteModule | None, call: Call, changed: dict) -> None:
    """Update the caller's own arguments with what the call changed in place; InputChanged where that is not allowed."""
    if not changed.keys() <= call.given.keys():
        raise WireError("a change to an argument that was not given")
    if module is None or not module._in_place:
        raise InputChanged(call.name, next(iter(changed)))
    for key, value in changed.items():
        copy_into(call.given[key], value)


def kept_copy(value: Any) -> Any:
    """A caller's argument as it is now: they may go on to change it, and diagnosis wants to repeat the call."""
    if isinstance(value, np.random.Generator):
        return copy.deepcopy(value)
    return value.copy() if type(value) is np.ndarray and value.nbytes <= KEPT_BYTES else value


def number_of(remote: RemoteObject) -> int:
    return object.__getattribute__(remote, "_number")


def copy_into(target: Any, changed: Any) -> None:
    """Make `target` (array, tensor, list or dict of the caller) hold what `changed` holds; other kinds cannot change."""
    torch = sys.modules.get("torch")
    if isinstance(target, np.ndarray) and isinstance(changed, np.ndarray) and target.shape == changed.shape:
        target[...] = changed
    elif torch is not None and isinstance(target, torch.Tensor) and isinstance(changed, torch.Tensor):
        with torch.no_grad():
            target.copy_(changed)
    elif isinstance(target, list) and isinstance(changed, list):
        target[:] = changed
    elif isinstance(target, dict) and isinstance(changed, dict):
        target.clear()
        target.update(changed)
