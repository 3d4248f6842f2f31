"""The one arithmetic fact that explains a wrong shape or wrong values: "the axes are swapped"."""

from __future__ import annotations

import numpy as np

from autograder.testing.words import number


def shape_fact(got: tuple[int, ...], expected: tuple[int, ...]) -> str:
    """What turns `expected` into `got`; empty when there is no short way to say it.

    >>> shape_fact((3, 5), (5, 3))
    'the axes are swapped'
    >>> shape_fact((3, 1), (3,))
    'axis 1, of length 1, is one too many'
    """
    if len(got) == len(expected):
        return _same_rank(got, expected)
    if got == ():
        return "it is a single number"
    if len(got) == len(expected) - 1 and (axis := _dropped(expected, got)) is not None:
        return f"axis {axis}, of length {expected[axis]}, is missing"
    if len(got) == len(expected) + 1 and (axis := _dropped(got, expected)) is not None:
        return f"axis {axis}, of length {got[axis]}, is one too many"
    counts = np.prod(got, dtype=object), np.prod(expected, dtype=object)
    return f"the same {counts[0]} values, arranged otherwise" if counts[0] == counts[1] else ""


def _same_rank(got: tuple[int, ...], expected: tuple[int, ...]) -> str:
    differing = [axis for axis, (g, e) in enumerate(zip(got, expected, strict=True)) if g != e]
    if sorted(got) == sorted(expected):
        if len(got) == 2:
            return "the axes are swapped"
        if len(differing) == 2:
            return f"axes {differing[0]} and {differing[1]} are swapped"
        return "the axes are in another order"
    if len(differing) == 1 and len(got) > 1:
        return f"axis {differing[0]} has length {got[differing[0]]} instead of {expected[differing[0]]}"
    return ""


def _dropped(longer: tuple[int, ...], shorter: tuple[int, ...]) -> int | None:
    """The axis without which `longer` is `shorter`: the last one that fits."""
    for axis in reversed(range(len(longer))):
        if longer[:axis] + longer[axis + 1 :] == shorter:
            return axis
    return None


def value_fact(got: np.ndarray, expected: np.ndarray, tolerance: float) -> str:
    """What all the wrong values have in common. Arrays of one shape, finite numbers; `tolerance` is absolute."""
    if got.size < 2 or got.dtype.kind not in "fiu" or not expected.any():
        return ""
    got, expected = got.astype(np.float64).ravel(), expected.astype(np.float64).ravel()
    with np.errstate(all="ignore"):
        return _value_fact(got, expected, 10 * tolerance)


def _value_fact(got: np.ndarray, expected: np.ndarray, tolerance: float) -> str:
    def equal(a: np.ndarray, b: np.ndarray) -> bool:
        return bool((np.abs(a - b) <= tolerance).all())

    if not got.any():
        return "every value is zero"
    if equal(got, -expected):
        return "every value has the wrong sign"
    if equal(np.abs(got), np.abs(expected)):
        return "the magnitudes are right, some signs are not"
    factor = got @ expected / (expected @ expected)
    if np.isfinite(factor) and factor and equal(got, factor * expected):
        return f"every value is {number(factor)} times the expected one"
    offset = float(np.mean(got - expected))
    if equal(got - offset, expected):
        return f"every value is {number(abs(offset))} too {'large' if offset > 0 else 'small'}"
    if equal(np.sort(got), np.sort(expected)):
        return "the right values in the wrong places"
    if equal(got, np.full_like(got, got[0])):
        return f"every value is {number(got[0])}"
    return ""
