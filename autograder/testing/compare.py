"""Compare what the learner's code returned with what was expected, and say what is wrong in one exact sentence.

Everything that comes back is treated as hostile: its type and shape are settled before any arithmetic is done on it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from autograder.sandbox.wire import is_tensorflow
from autograder.testing.arrays import Rule, compare_arrays, epsilon, wrong_dtype, wrong_shape
from autograder.testing.failures import CheckFailed, Mismatch
from autograder.testing.words import a_kind, dtype_name, is_array, is_tensor, number, shortened, with_article

Bool = (bool, np.bool_)
Int = (int, np.integer)
Real = (int, float, np.integer, np.floating)
Complex = (*Real, complex, np.complexfloating)
Inexact = (float, complex, np.inexact)


def assert_close(got: Any, expected: Any, *, name: str | None = None, terms: int = 1, dtype: bool = True) -> None:
    """Fail unless `got` is `expected`: in type, then shape, then dtype, then finiteness, then value.

    Numbers may differ by 10·eps^(2/3)·sqrt(terms) of the largest expected value, and again of the value itself, where
    eps is that of the coarser of the two dtypes. Integers, bools, strings and None must be equal. Tuples (or lists) and
    dicts are compared item by item. An expected number may come as a Python number, a NumPy scalar or an array without
    axes, but never as a bool, and an expected int not as a float. Infinities may be expected; nan equals nothing.

    Args:
        name: what `got` is, for the sentence; by default "the result".
        terms: how many terms each value is a sum of, where that is many.
        dtype: False to compare values across dtypes.

    Raises:
        CheckFailed: with one sentence and the Mismatch behind it.
    """
    __tracebackhide__ = True
    if failure := compare(got, expected, name, Rule(terms, dtype)):
        raise failure


def assert_shape(got: Any, shape: int | Sequence[int], dtype: Any = None, *, name: str | None = None) -> None:
    """Fail unless `got` is an array or tensor of this shape and, if given, dtype (one of a framework asks for its tensors).

    Raises:
        CheckFailed: with one sentence and the Mismatch behind it.
    """
    __tracebackhide__ = True
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if failure := _compare_shape(got, shape, dtype, name or "the result", name is None):
        raise failure


def compare(got: Any, expected: Any, name: str | None, rule: Rule) -> CheckFailed | None:
    """What `assert_close` would raise."""
    return _compare(got, expected, name or "the result", name is None, rule)


def _compare(got: Any, expected: Any, place: str, is_result: bool, rule: Rule) -> CheckFailed | None:
    if is_tensor(expected):
        if not is_tensor(got):
            return _wrong_kind(got, expected, "a torch tensor", place, is_result)
        return compare_arrays(got, expected, place, rule)
    if is_tensorflow(expected):
        if not is_tensorflow(got):
            return _wrong_kind(got, expected, "a TensorFlow tensor", place, is_result)
        return compare_arrays(np.asarray(got), np.asarray(expected), place, rule)
    if isinstance(expected, np.ndarray) and expected.ndim:
        if type(got) is not np.ndarray:
            return _wrong_kind(got, expected, "a NumPy array", place, is_result)
        return compare_arrays(got, expected, place, rule)
    if isinstance(expected, dict):
        return _compare_dicts(got, expected, place, is_result, rule)
    if isinstance(expected, list | tuple):
        return _compare_sequences(got, expected, place, is_result, rule)
    # NumPy hands out scalars where an array would have no axes: the two are one kind.
    got, expected = (value[()] if type(value) is np.ndarray and not value.ndim else value for value in (got, expected))
    if isinstance(expected, (*Bool, *Complex)):
        return _compare_numbers(got, expected, place, is_result, rule)
    return _compare_others(got, expected, place, is_result)


def _compare_sequences(got: Any, expected: Sequence, place: str, is_result: bool, rule: Rule) -> CheckFailed | None:
    if not isinstance(got, list | tuple):
        wanted = f"a {'tuple' if isinstance(expected, tuple) else 'list'} of {len(expected)} values"
        return _wrong_kind(got, expected, wanted, place, is_result)
    if len(got) != len(expected):
        items = "1 item" if len(got) == 1 else f"{len(got)} items"
        return CheckFailed(f"{place} has {items}, expected {len(expected)}", Mismatch(place, got, expected))
    for i, (item, wanted) in enumerate(zip(got, expected, strict=True)):
        if failure := _compare(item, wanted, f"item {i} of {place}", False, rule):
            return failure
    return None


def _compare_dicts(got: Any, expected: dict, place: str, is_result: bool, rule: Rule) -> CheckFailed | None:
    if not isinstance(got, dict):
        return _wrong_kind(got, expected, "a dict", place, is_result)
    missing, unexpected = expected.keys() - got.keys(), got.keys() - expected.keys()
    if keys := missing or unexpected:
        names = ", ".join(sorted(shortened(repr(key), 30) for key in keys)[:5])
        problem = "lacks the" if missing else "has the unexpected"
        sentence = f"{place} {problem} {'key' if len(keys) == 1 else 'keys'} {names}"
        return CheckFailed(sentence, Mismatch(place, got, expected))
    for key, wanted in expected.items():
        if failure := _compare(got[key], wanted, f"{place}[{key!r}]", False, rule):
            return failure
    return None


def _compare_numbers(got: Any, expected: Any, place: str, is_result: bool, rule: Rule) -> CheckFailed | None:
    wanted, kinds = _wanted(expected, rule)
    if not isinstance(got, kinds) or (isinstance(got, Bool) and kinds is not Bool):
        return _wrong_kind(got, expected, wanted, place, is_result)
    if kinds is not Bool and (isinstance(got, Inexact) or isinstance(expected, Inexact)):
        got_array, expected_array = _as_array(got), _as_array(expected)
        # A Python float says nothing of precision, but a float16 where a float is due would loosen the tolerance.
        if rule.dtype and epsilon(got_array.dtype) > epsilon(expected_array.dtype):
            return wrong_dtype(got, expected, str(got_array.dtype), str(expected_array.dtype), place)
        across = replace(rule, dtype=False)
        return compare_arrays(got_array, expected_array, place, across)
    if got == expected:
        return None
    return CheckFailed(f"{place} is {number(got)}, expected {number(expected)}", Mismatch(place, got, expected))


def _wanted(expected: Any, rule: Rule) -> tuple[str, tuple[type, ...]]:
    """What kind of number was expected: in words, and the classes that will do."""
    if isinstance(expected, Bool):
        return "a bool", Bool
    if isinstance(expected, Int):
        return ("an int", Int) if rule.dtype else ("a number", Real)
    return "a number", Real if isinstance(expected, Real) else Complex


def _as_array(scalar: Any) -> np.ndarray:
    if isinstance(scalar, Int):
        try:
            return np.asarray(float(scalar))
        except OverflowError:  # beyond the range of floats
            return np.asarray(np.inf if scalar > 0 else -np.inf)
    return np.asarray(scalar)


def _compare_others(got: Any, expected: Any, place: str, is_result: bool) -> CheckFailed | None:
    """None, text, and plain values that are only equal or not: dtypes, ranges, sets."""
    if got is expected:
        return None
    if expected is None or type(got) is not type(expected):
        wanted = "None" if expected is None else with_article(type(expected).__name__)
        return _wrong_kind(got, expected, wanted, place, is_result)
    if got == expected:
        return None
    sentence = f"{place} is {shortened(repr(got))}, expected {shortened(repr(expected))}"
    return CheckFailed(sentence, Mismatch(place, got, expected))


def _compare_shape(got: Any, shape: tuple[int, ...], dtype: Any, place: str, is_result: bool) -> CheckFailed | None:
    if shape == () and isinstance(got, Complex) and not isinstance(got, bool):
        got = np.asarray(got)
    kind, fits, wanted = _wanted_kind(dtype)
    if not fits(got):
        return _wrong_kind(got, None, kind, place, is_result)
    if tuple(got.shape) != shape:
        return wrong_shape(got, None, tuple(got.shape), shape, place)
    if wanted and dtype_name(got) != wanted:
        return wrong_dtype(got, None, dtype_name(got), wanted, place)
    return None


def _wanted_kind(dtype: Any) -> tuple[str, Callable[[Any], bool], str | None]:
    """What has such a dtype: in words, a test for it, and the name of the dtype."""
    torch, tensorflow = sys.modules.get("torch"), sys.modules.get("tensorflow")
    if torch is not None and isinstance(dtype, torch.dtype):
        return "a torch tensor", is_tensor, str(dtype).removeprefix("torch.")
    if tensorflow is not None and isinstance(dtype, tensorflow.DType):
        return "a TensorFlow tensor", is_tensorflow, dtype.name
    if dtype is None:
        return "a NumPy array", is_array, None
    return "a NumPy array", lambda value: type(value) is np.ndarray, np.dtype(dtype).name


def _wrong_kind(got: Any, expected: Any, wanted: str, place: str, is_result: bool) -> CheckFailed:
    verb = "returned" if is_result else f"{place} is"
    return CheckFailed(f"{verb} {a_kind(got)} where {wanted} was expected", Mismatch(place, got, expected))
