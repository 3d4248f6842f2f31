"""The learner's module and objects as the trusted side sees them: call them, and plain data comes back.

A `RemoteObject` stands for something that is not plain data. It never pretends to be any: it equals only itself, has no truth
value and no arithmetic, so that no object a learner invents can satisfy a comparison.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from autograder.sandbox.errors import InputChanged, LearnerError, MissingName, WireError

if TYPE_CHECKING:
    from autograder.sandbox.handle import Worker
    from autograder.sandbox.scratch import Scratch

LIBRARY, ITEM = "library", "item"
MODULE = "module"  # the type of one
KEPT_BYTES = 1 << 20  # larger arguments are not copied for diagnosis


@dataclass(eq=False)
class Call:
    """One call of the learner's code, kept for the failure card and for diagnosis.

    Attributes:
        args, kwargs: copies of the arguments; `given` holds the caller's own, by position and name.
        of_library: whether the function is not the learner's own but a library's.
        operation: "call", or how it was differentiated: "vjp" or "parameter_gradients".
        target: the object that was called; None where the module's function `name` was differentiated.
        result: what it returned, or `error`: what it raised.
        cotangent, gradients: what a differentiation was given and what it returned beside the result.
        before, after: the files in the scratch folder, where there is one.
    """

    name: str
    args: tuple
    kwargs: dict[str, Any]
    of_library: bool = False
    operation: str = "call"
    target: RemoteObject | None = field(default=None, repr=False)
    given: dict[int | str, Any] = field(default_factory=dict, repr=False)
    result: Any = None
    error: BaseException | None = field(default=None, repr=False)
    cotangent: Any = field(default=None, repr=False)
    gradients: list | dict | None = field(default=None, repr=False)
    before: dict[str, bytes] = field(default_factory=dict, repr=False)
    after: dict[str, bytes] = field(default_factory=dict, repr=False)


@dataclass(eq=False)
class Read:
    """A plain value that was read from an object of the learner's."""

    owner: RemoteObject
    name: str
    value: Any


class RemoteModule:
    """`learner.softmax(x)` runs in the worker; missing names raise MissingName.

    A call that changed one of its arguments raises InputChanged, unless `_in_place` is set: then the caller's own arrays are
    updated, as they would be in one process. `_trace` lists what was called and read, in order. While `_scratch` is set, each call
    keeps the files that were there before and after it.
    """

    _scratch: Scratch | None = None
    _moved = False

    def __init__(self, worker: Worker, filename: str):
        self._worker, self._filename = worker, filename
        self._libraries: dict[str, RemoteObject] = {}
        self._begin_check()

    def _begin_check(self, in_place: bool = False) -> None:
        if self._moved:
            self.at_checkpoint("")
            self._moved = False
        self._in_place = in_place
        self._gave_data = False
        self._trace: list[Call | Read] = []

    @property
    def _last_call(self) -> Call | None:
        """The last call of the learner's own code or, if there was none, of a library."""
        calls = [event for event in reversed(self._trace) if isinstance(event, Call)]
        return next((call for call in calls if not call.of_library), calls[0] if calls else None)

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

    def at_checkpoint(self, checkpoint: str) -> None:
        """From here to the end of the check names mean what they meant at this checkpoint of a program of cells."""
        self._moved = True
        self._worker.request("move", checkpoint)
        for name in [name for name, value in vars(self).items() if isinstance(value, RemoteObject)]:
            del self.__dict__[name]

    def set_global(self, name: str, value: Any) -> None:
        """Give a global name of the learner's program another meaning, to the end of the check."""
        self._moved = True
        self._worker.request("set", None, name, value)

    def delete_global(self, name: str) -> None:
        """Take a global name from the learner's program, to the end of the check."""
        self._moved = True
        self._worker.request("delete", name)

    def library(self, name: str) -> RemoteObject:
        """A library in the worker: `learner.library("torch").Generator()` is one that the learner's functions can be given."""
        if name not in self._libraries:
            self._libraries[name] = place(self._worker.request("library", name), self, name, (LIBRARY, name))
        return self._libraries[name]

    def vjp(self, function: str | RemoteObject, inputs: Any, cotangent: Any = None) -> tuple[Any, list]:
        """The value of a learner's function and the gradients of <value, cotangent> with respect to its inputs, by autograd."""
        return self._differentiated("vjp", function, inputs, cotangent, list)

    def parameter_gradients(self, model: RemoteObject, inputs: Any, cotangent: Any = None) -> tuple[Any, dict]:
        """The value of a learner's torch module and the gradients of <value, cotangent> by parameter name, by autograd."""
        return self._differentiated("parameter_gradients", model, inputs, cotangent, dict)

    def _differentiated(
        self, operation: str, function: Any, inputs: Any, cotangent: Any, kind: type
    ) -> tuple[Any, Any]:
        by_name = isinstance(function, str)
        name = function if by_name else function._name or function._type
        target = None if by_name else function
        call = Call(name, tuple(inputs), {}, of_library(target), operation, target, cotangent=cotangent)
        with self._recording(call):
            match self._worker.request(operation, function, list(inputs), cotangent):
                case [output, gradients] if type(gradients) is kind:
                    call.result, call.gradients = output, gradients
                    return output, gradients
            raise WireError("a malformed answer")

    @contextmanager
    def _recording(self, call: Call) -> Iterator[None]:
        self._trace.append(call)
        if self._scratch:
            call.before = self._scratch.files()
        try:
            yield
        except BaseException as error:
            call.error = error
            raise
        finally:
            if self._scratch:
                call.after = self._scratch.files()


class RemoteObject:
    """A function, instance or iterator that lives in the worker.

    `_origin` tells where it came from: (None, name) from the module, (LIBRARY, name), (owner, name) an attribute,
    (owner, ITEM, key), (call,) the result of a call. `_items` are those of the last iteration, None before any, and `_end`
    is what it ended with: StopIteration or an error, None where nobody asked for more.
    """

    _name = ""
    _module: RemoteModule | None = None
    _origin: tuple = ()

    def __init__(self, worker: Worker, number: int, type_name: str):
        vars(self).update(_worker=worker, _number=number, _type=type_name, _items=None, _end=None)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)  # Python's own protocols (copy, pickle, NumPy) must not reach into the worker
        found = self._worker.request("get", self, name)
        if self._module is not None:
            self._module._gave_data = True
        if isinstance(found, RemoteObject):
            place(found, self._module, f"{self._name or self._type}.{name}", (self, name))
            if self._type == MODULE and of_library(self):
                vars(self)[name] = found  # `torch.nn` needs no round trip again
        elif self._module is not None:
            self._module._trace.append(Read(self, name, found))
        return found

    def __setattr__(self, name: str, value: Any) -> None:
        self._worker.request("set", self, name, value)
        if self._type == MODULE:
            vars(self).pop(name, None)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        kept = {name: kept_copy(arg) for name, arg in kwargs.items()}
        call = Call(self._name or self._type, tuple(map(kept_copy, args)), kept, of_library(self), target=self)
        with self._module._recording(call) if self._module is not None else nullcontext():
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
        return result

    def __getitem__(self, key: Any) -> Any:
        found = self._worker.request("item", self, key)
        return place(found, self._module, "", (self, ITEM, key)) if isinstance(found, RemoteObject) else found

    def __len__(self) -> int:
        return self._worker.request("length", self)

    def __iter__(self) -> Iterator:
        vars(self).update(_items=[], _end=None)
        try:
            yield from self._items_there()
            vars(self)["_end"] = StopIteration()
        except Exception as error:
            vars(self)["_end"] = error
            raise

    def _items_there(self) -> Iterator:
        iterator = self._worker.request("iterate", self)
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


def place(remote: RemoteObject, module: RemoteModule | None, name: str, origin: tuple) -> RemoteObject:
    """Tell an object where it came from, and return it. Its own `__setattr__` reaches into the worker."""
    vars(remote).update(_module=module, _name=name, _origin=origin)
    return remote


def of_library(remote: RemoteObject | None) -> bool:
    """Whether an object came from a library and not from the learner's module."""
    while remote is not None and remote._origin:
        owner = remote._origin[0]
        if owner is LIBRARY:
            return True
        remote = owner.target if isinstance(owner, Call) else owner
    return False


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
