"""Python's own questions about an object, asked where the object is. Adopted checks ask them: `remote.str(account)`.

Of a learner's object the answer is the learner's word, like everything else that their code returns: compare it.
"""

from __future__ import annotations

import builtins
import doctest
import io
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import Any

from autograder.sandbox.proxy import RemoteObject
from autograder.testing.local import LocalObject

NO_POINTS = "its last line is no number of points"
PROXIES = RemoteObject | LocalObject


def str(value: Any) -> builtins.str:
    return _asked("str", value)


def repr(value: Any) -> builtins.str:
    return _asked("repr", value)


def isinstance(value: Any, kinds: Any) -> bool:
    return _asked("isinstance", value, kinds)


def issubclass(kind: Any, kinds: Any) -> bool:
    return _asked("issubclass", kind, kinds)


def _asked(function: builtins.str, value: Any, *others: Any) -> Any:
    if builtins.isinstance(value, PROXIES) and value._module is not None:
        others = tuple(_there(value._module, each) for each in others)
        answer = getattr(value._module.library("builtins"), function)(value, *others)
        return answer if builtins.type(answer) in (bool, builtins.str) else None
    if others and any(builtins.isinstance(each, PROXIES) for each in _each(others[0])):
        return False  # plain data is no instance of a learner's class
    return getattr(builtins, function)(value, *others)


def _there(module: Any, kinds: Any) -> Any:
    """Classes of libraries as they are where the object is."""
    if builtins.isinstance(kinds, tuple):
        return tuple(_there(module, kind) for kind in kinds)
    if builtins.isinstance(kinds, type):
        return getattr(module.library(kinds.__module__), kinds.__name__)
    return kinds


def _each(kinds: Any) -> tuple:
    return kinds if builtins.isinstance(kinds, tuple) else (kinds,)


def shows(shown: Callable[[], Any], want: builtins.str) -> None:
    """Hold what is printed and displayed against the example of a doctest.

    Raises:
        AssertionError: it is something else.
    """
    out = io.StringIO()
    with redirect_stdout(out):
        value = shown()
    got = out.getvalue() + (f"{repr(value)}\n" if value is not None else "")
    if not doctest.OutputChecker().check_output(want, got, 0):
        raise AssertionError(f"expected {want.rstrip() or 'nothing'}, got {got.rstrip() or 'nothing'}")


@contextmanager
def a_cell() -> Iterator[None]:
    """What raises in it ends it, and nothing else: as in a notebook."""
    with suppress(Exception):
        yield


def reaches(value: Any, points: float) -> bool:
    """Whether the last value of a cell of tests, which is what it earns, comes to these points. None is everything.

    Raises:
        TypeError: it is no number.
    """
    if value is None:
        return True
    if builtins.isinstance(value, bool) or not builtins.isinstance(value, int | float):
        raise TypeError(NO_POINTS)
    return math.isfinite(value) and value >= points - 1e-9
