"""The learner's module, or the reference, in this process, with the same manners as one in a worker.

Plain data is copied on its way in and out, so a learner who writes into an input is caught. Anything else is a
`LocalObject`, which can do no more than the `RemoteObject` that will stand in its place when the same check grades.
"""

from __future__ import annotations

import copy
import importlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from autograder.sandbox import differentiate
from autograder.sandbox.errors import InputChanged
from autograder.sandbox.proxy import Call, copy_into
from autograder.sandbox.sources import Names, SourceFinder
from autograder.sandbox.wire import is_tensorflow, snapshot
from autograder.testing.failures import CheckFailed, MissingTask, NotLoaded
from autograder.testing.frames import not_loaded
from autograder.testing.words import is_tensor

IMMUTABLE = (bool, int, float, complex, str, bytes, type(None))


class LocalModule:
    """`learner.softmax(x)` calls the function of the module, loaded on first use.

    Args:
        finder: finds the module and those it may import beside it.
        name: the module's dotted name.
        problems: what a static look at the file found; a file with problems is not loaded.
        filename: where the file would be, should the finder not have it.

    Raises, on use:
        NotLoaded: the file cannot be imported. MissingTask: it has no such function.
        CheckFailed: a call changed one of its arguments. With `_in_place` set, the caller's arrays are updated instead.
    """

    def __init__(self, finder: SourceFinder, name: str, problems: Sequence[str] = (), filename: str = ""):
        self._finder, self._name, self._problems = finder, name, tuple(problems)
        self._filename = finder.sources[name][1] if name in finder.sources else filename or name
        self._module: Any = None
        self._names: Names | None = None
        self._failure: NotLoaded | None = None
        self._begin_check()

    def _begin_check(self, in_place: bool = False) -> None:
        if self._names is not None:
            self._names.move("")
        self._in_place = in_place
        self._gave_data = False
        self._last_call: Call | None = None

    def __getattr__(self, name: str) -> Any:
        __tracebackhide__ = True
        if name.startswith("__"):
            raise AttributeError(name)
        found = self._sent_out(self._find(name), name)
        self._gave_data = self._gave_data or not isinstance(found, LocalObject)
        return found

    def at_checkpoint(self, checkpoint: str) -> None:
        """From here to the end of the check names mean what they meant at this checkpoint of a program of cells."""
        __tracebackhide__ = True
        self._load().move(checkpoint)

    def set_global(self, name: str, value: Any) -> None:
        """Give a global name of the program another meaning, to the end of the check."""
        __tracebackhide__ = True
        self._load().set(name, self._taken_in(value))

    def delete_global(self, name: str) -> None:
        """Take a global name from the program, to the end of the check."""
        __tracebackhide__ = True
        self._load().delete(name)

    def library(self, name: str) -> LocalObject:
        """A library where the module is: `learner.library("torch").Generator()` is one that its functions can be given."""
        return LocalObject(self, importlib.import_module(name), name, of_library=True)

    def vjp(self, function: str | LocalObject, inputs: Sequence[Any], cotangent: Any = None) -> tuple[Any, list]:
        """The value of a function and the gradients of `<value, cotangent>` with respect to its inputs, by autograd."""
        __tracebackhide__ = True
        return self._differentiated(differentiate.vjp, function, inputs, cotangent)

    def parameter_gradients(
        self, model: LocalObject, inputs: Sequence[Any], cotangent: Any = None
    ) -> tuple[Any, dict[str, Any]]:
        """The value of a torch module and the gradients of `<value, cotangent>` by parameter name, by autograd."""
        __tracebackhide__ = True
        return self._differentiated(differentiate.parameter_gradients, model, inputs, cotangent)

    def _differentiated(
        self, operation: Callable, function: str | LocalObject, inputs: Sequence[Any], cotangent: Any
    ) -> tuple[Any, Any]:
        __tracebackhide__ = True
        by_name = isinstance(function, str)
        name = function if by_name else function._name or function._type
        target = self._find(function) if by_name else self._unwrapped(function)
        given = [self._taken_in(value) for value in inputs]
        call = Call(name, tuple(inputs), {}, of_library=not by_name and function._of_library)
        value, gradients = self._recorded(call, operation, target, given, cotangent)
        call.result = self._sent_out(value, "")
        return call.result, gradients

    def _find(self, path: str) -> Any:
        found = names = self._load()
        for name in path.split("."):
            try:
                found = names.get(name) if found is names else getattr(found, name)
            except AttributeError:
                raise MissingTask(path, os.path.basename(self._filename)) from None
        return found

    def _load(self) -> Names:
        if self._names is None:
            self._failure = self._failure or self._import()
            if self._failure:
                raise self._failure.with_traceback(None)
            self._names = Names(self._module)
        return self._names

    def _import(self) -> NotLoaded | None:
        """Import the module; what to raise when that fails."""
        if self._name not in self._finder.sources:
            return NotLoaded(self._filename, "there is no such file")
        if self._problems:
            return NotLoaded(self._filename, "\n".join(self._problems))
        try:
            with self._finder.isolated():
                self._module = importlib.import_module(self._name)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            return not_loaded(self._filename, error, self._finder.filenames)
        return None

    def _call(
        self, name: str, function: Callable, args: tuple, kwargs: dict[str, Any], of_library: bool = False
    ) -> Any:
        __tracebackhide__ = True
        given = [self._taken_in(value) for value in args]
        named = {key: self._taken_in(value) for key, value in kwargs.items()}
        mutable = [(key, value) for key, value in (*enumerate(given), *named.items()) if type(value) not in IMMUTABLE]
        before = [snapshot(value) for _, value in mutable]
        call = Call(name, args, kwargs, of_library=of_library)
        call.result = self._sent_out(self._recorded(call, function, *given, **named), "", of_library)
        changed = {key: value for (key, value), old in zip(mutable, before, strict=True) if snapshot(value) != old}
        if changed and not self._in_place:
            raise CheckFailed(str(InputChanged(name, next(iter(changed)))))
        for key, value in changed.items():
            copy_into(kwargs[key] if isinstance(key, str) else args[key], value)
        return call.result

    def _recorded(self, call: Call, function: Callable, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        if not call.of_library or self._last_call is None or self._last_call.of_library:
            self._last_call = call
        try:
            with self._finder.isolated():
                return function(*args, **kwargs)
        except BaseException as error:
            call.error = error
            raise

    def _taken_in(self, value: Any) -> Any:
        return _copied(value, self._unwrapped)

    def _unwrapped(self, value: Any) -> Any:
        if type(value) is LocalObject and vars(value)["_module"] is self:
            return vars(value)["_target"]
        return copy.deepcopy(value) if isinstance(value, np.random.Generator) else value

    def _sent_out(self, value: Any, name: str, of_library: bool = False) -> Any:
        return _copied(value, lambda foreign: LocalObject(self, foreign, name, of_library))


class LocalObject:
    """A function, class, instance or iterator of the learner's."""

    def __init__(self, module: LocalModule, target: Any, name: str, of_library: bool = False):
        vars(self).update(_module=module, _target=target, _name=name, _type=type(target).__name__)
        vars(self).update(_of_library=of_library)

    def __getattr__(self, name: str) -> Any:
        __tracebackhide__ = True
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        with self._module._finder.isolated():
            found = getattr(self._target, name)
        return self._module._sent_out(found, f"{self._name or self._type}.{name}", self._of_library)

    def __setattr__(self, name: str, value: Any) -> None:
        with self._module._finder.isolated():
            setattr(self._target, name, self._module._taken_in(value))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        return self._module._call(self._name or self._type, self._target, args, kwargs, self._of_library)

    def __getitem__(self, key: Any) -> Any:
        with self._module._finder.isolated():
            return self._module._sent_out(self._target[self._module._taken_in(key)], "", self._of_library)

    def __len__(self) -> int:
        return len(self._target)

    def __iter__(self) -> Iterator:
        __tracebackhide__ = True
        iterator = iter(self._target)
        while True:
            with self._module._finder.isolated():
                found = next(iterator, LocalObject)  # a value that the learner's code cannot have
            if found is LocalObject:
                return
            yield self._module._sent_out(found, "", self._of_library)

    def __bool__(self) -> bool:
        raise TypeError(f"a {self._type} was returned where a plain value was expected")

    def __repr__(self) -> str:
        return f"<{self._type} of {self._module._name}>"


def _copied(value: Any, foreign: Callable[[Any], Any]) -> Any:
    """A copy of plain data, as it would come out of the wire; `foreign` maps what is not plain data."""
    kind = type(value)
    if kind in IMMUTABLE or isinstance(value, np.generic | np.dtype):
        return value
    if kind is np.ndarray:
        return value.copy(order="K")
    if kind is list:
        return [_copied(item, foreign) for item in value]
    if isinstance(value, tuple):
        return tuple(_copied(item, foreign) for item in value)
    if isinstance(value, dict):
        return {key: _copied(item, foreign) for key, item in value.items()}
    if is_tensorflow(value):
        return sys.modules["tensorflow"].convert_to_tensor(value.numpy())
    if is_tensor(value):
        return value.detach().clone().requires_grad_(value.requires_grad and value.is_leaf)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.dtype) or (kind is type and issubclass(value, np.generic)):
        return value
    return foreign(value)
