"""Compare two arrays, or two tensors: shape, then dtype, then finiteness, then values."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from autograder.testing.facts import shape_fact, value_fact
from autograder.testing.failures import CheckFailed, Mismatch
from autograder.testing.words import dtype_name, is_tensor, two_numbers

# How far off each comparison was, in tolerances, while somebody wants to know: `autograder verify` measures noise and margins.
DISTANCES: list[float] | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """How close is close enough.

    Attributes:
        terms: how many numbers were summed into each value; rounding errors grow with its square root.
        dtype: whether dtypes must be equal.
        relative, absolute: an explicit tolerance, in place of the one that follows from the dtypes.
        nan: whether nan equals an expected nan. In a check it does not: what is expected may have come from the learner's code,
            and nan everywhere is no answer.
    """

    terms: int = 1
    dtype: bool = True
    relative: float | None = None
    absolute: float = 0.0
    nan: bool = False

    def allowed(self, eps: float, expected: np.ndarray) -> np.ndarray:
        """The error allowed at each value of a finite array. Numbers near 1 that cancel leave an error of a few eps."""
        scale = np.abs(expected)
        largest = scale.max(initial=0.0)
        if self.relative is not None:
            return self.relative * largest + self.relative * scale + self.absolute
        relative = 10 * eps ** (2 / 3)
        return (relative * largest + relative * scale + 10 * eps) * self.terms**0.5


def compare_arrays(got: Any, expected: Any, place: str, rule: Rule) -> CheckFailed | None:
    """What is wrong with `got`, an array or tensor like `expected`, or None."""
    if got.shape != expected.shape:
        return wrong_shape(got, expected, tuple(got.shape), tuple(expected.shape), place)
    dtype, wanted = got.dtype, expected.dtype
    eps = max(epsilon(dtype), epsilon(wanted))
    got, expected = as_numpy(got), as_numpy(expected)
    if (rule.dtype and dtype != wanted) or not _comparable(got, expected):
        return wrong_dtype(got, expected, str(dtype), str(wanted), place)
    if eps:
        return _compare_values(got, expected, eps, place, rule)
    return _compare_exactly(got, expected, place)


def wrong_shape(got: Any, expected: Any, shape: tuple, wanted: tuple, place: str) -> CheckFailed:
    sentence = f"{place} has shape {shape}, expected {wanted}"
    fact = shape_fact(shape, wanted)
    return CheckFailed(f"{sentence}: {fact}" if fact else sentence, Mismatch(place, got, expected))


def wrong_dtype(got: Any, expected: Any, dtype: str, wanted: str, place: str) -> CheckFailed:
    names = dtype.removeprefix("torch."), wanted.removeprefix("torch.")
    return CheckFailed(f"{place} has dtype {names[0]}, expected {names[1]}", Mismatch(place, got, expected))


def as_numpy(value: Any) -> np.ndarray:
    """A tensor's numbers, in float32 where NumPy lacks its dtype; an array is itself."""
    if not is_tensor(value):
        return value
    value = value.detach()
    if value.layout is not sys.modules["torch"].strided:
        value = value.to_dense()
    value = value.cpu().resolve_conj().resolve_neg()
    if value.is_floating_point() and dtype_name(value) not in ("float16", "float32", "float64"):
        value = value.float()
    return value.numpy()


@cache
def epsilon(dtype: Any) -> float:
    """The relative spacing of a NumPy or torch dtype's numbers; 0 where they are exact."""
    if isinstance(dtype, np.dtype):
        return float(np.finfo(dtype).eps) if dtype.kind in "fc" else 0.0
    exact = not (dtype.is_floating_point or dtype.is_complex)
    return 0.0 if exact else sys.modules["torch"].finfo(dtype).eps


def _comparable(got: np.ndarray, expected: np.ndarray) -> bool:
    """Whether dtypes that may differ can be compared at all: numbers with numbers, bools with bools, text with text."""
    if expected.dtype.kind in "iufc":
        return got.dtype.kind in ("iufc" if expected.dtype.kind == "c" else "iuf")
    return got.dtype.kind == expected.dtype.kind


def _compare_exactly(got: np.ndarray, expected: np.ndarray, place: str) -> CheckFailed | None:
    different = np.asarray(got != expected)
    if not different.any():
        return None
    index = tuple(int(i) for i in np.argwhere(different)[0])
    error = None
    if got.dtype.kind in "iu":
        with np.errstate(all="ignore"):
            distance = np.where(different, np.abs(got.astype(np.float64) - expected.astype(np.float64)), -1.0)
        index = tuple(int(i) for i in np.unravel_index(distance.argmax(), distance.shape))
        error = float(abs(int(got[index]) - int(expected[index])))
    return _wrong_values(got, expected, index, error, 0.0, int(different.sum()), place)


def _compare_values(got: np.ndarray, expected: np.ndarray, eps: float, place: str, rule: Rule) -> CheckFailed | None:
    finite = np.isfinite(expected)
    strange = finite & ~np.isfinite(got)
    if strange.any():
        return _not_finite(got, expected, strange, place)
    if not finite.all():
        alike = (got == expected) | (np.isnan(got) & np.isnan(expected) & rule.nan)
        if not alike[~finite].all():
            wrong = ~finite & ~alike
            if (nan := wrong & np.isnan(got)).any():
                return _not_finite(got, expected, nan, place)
            return _wrong_values(got, expected, _first(wrong), None, None, int(wrong.sum()), place)
        got, expected = np.where(finite, got, 0), np.where(finite, expected, 0)
    exact = np.result_type(expected.dtype, np.float64)  # so that the difference of two float16 is not itself rounded
    wanted = expected.astype(exact)
    with np.errstate(over="ignore"):
        error = np.abs(got.astype(exact) - wanted)
        allowed = rule.allowed(eps, wanted)
        excess = error / allowed
    if DISTANCES is not None and excess.size:
        DISTANCES.append(float(excess.max()))
    wrong = excess > 1
    if not wrong.any():
        return None
    worst = tuple(int(i) for i in np.unravel_index(excess.argmax(), excess.shape))
    return _wrong_values(
        got, expected, worst, float(error[worst]), float(allowed[worst]), int(wrong.sum()), place, float(allowed.min())
    )


def _first(mask: np.ndarray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(mask.argmax(), mask.shape))


def _not_finite(got: np.ndarray, expected: np.ndarray, strange: np.ndarray, place: str) -> CheckFailed:
    index, count = _first(strange), int(strange.sum())
    if got.ndim == 0:
        sentence = f"{place} is {got[()]}, expected {two_numbers(got[()], expected[()])[1]}"
    else:
        where = "the first at" if count > 1 else "at"
        verb = "are" if count > 1 else "is"
        whose = "" if place == "the result" else f" of {place}"
        sentence = f"{count} of {got.size} values{whose} {verb} not finite, {where} {list(index)}"
    return CheckFailed(sentence, Mismatch(place, got, expected, index, wrong=count, total=got.size))


def _wrong_values(
    got: np.ndarray,
    expected: np.ndarray,
    index: tuple[int, ...],
    error: float | None,
    allowed: float | None,
    count: int,
    place: str,
    tolerance: float = 0.0,
) -> CheckFailed:
    numeric = got.dtype.kind in "biufc"
    texts = two_numbers(got[index], expected[index]) if numeric else (repr(got[index]), repr(expected[index]))
    if got.ndim == 0:
        sentence = f"{place} is {texts[0]}, expected {texts[1]}"
    elif got.size == 1:
        sentence = f"the one value of {place} is {texts[0]}, expected {texts[1]}"
    else:
        which = "all" if count == got.size else f"{count} of"
        verb, where = ("is", "at") if count == 1 else ("are", "the worst at")
        sentence = (
            f"{which} {got.size} values of {place} {verb} wrong, {where} {list(index)}: {texts[0]}, expected {texts[1]}"
        )
        if error is not None and (fact := value_fact(got, expected, tolerance)):
            sentence = f"{sentence}; {fact}"
    size = float(abs(expected[index])) if error is not None else 0.0
    relative = error / size if size else None
    return CheckFailed(sentence, Mismatch(place, got, expected, index, error, relative, allowed, count, got.size))
