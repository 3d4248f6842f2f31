"""Gradients measured by central differences, to hold analytic gradients against."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograder.testing.arrays import Rule, as_numpy, epsilon, wrong_shape
from autograder.testing.compare import compare
from autograder.testing.failures import CheckFailed
from autograder.testing.words import a_kind, is_tensor

EPS = float(np.finfo(np.float64).eps)
STEP = EPS ** (1 / 3)
# A central difference of step h is off by about h²·f''' + eps·|f| / h, both near eps^(2/3). The factor leaves room
# for a third derivative of some hundreds; a wrong gradient is off by many orders of magnitude more.
NOISE = 100 * EPS ** (2 / 3)


def numerical_vjp(function: Callable, inputs: Sequence[Any], cotangent: Any = None) -> list[Any]:
    """The gradient of `sum(function(*inputs) * cotangent)` for each input, by central differences in float64.

    Args:
        function: called with float64 copies of the inputs.
        inputs: arrays, tensors or numbers. Those that are not floats are passed on as they are and have no gradient.
        cotangent: of the shape of the value; for a tuple of values a tuple, with None for a value that does not count.
            None alone stands for ones.

    Returns:
        One float64 array for each input, None where it has no gradient.
    """
    return _measure(function, inputs, cotangent)[0]


def assert_gradients(
    function: Callable,
    inputs: Sequence[Any],
    gradients: Sequence[Any],
    cotangent: Any = None,
    *,
    names: Sequence[str] | None = None,
) -> None:
    """Fail unless `gradients` are those of `sum(function(*inputs) * cotangent)`, by central differences in float64.

    Args:
        function, inputs, cotangent: as for `numerical_vjp`.
        gradients: one for each input, of its shape and dtype. None where the gradient does not matter.
        names: what the inputs are called, for the sentence.

    Raises:
        CheckFailed: with one sentence and the Mismatch behind it.
    """
    __tracebackhide__ = True
    if not isinstance(gradients, list | tuple):
        raise CheckFailed(f"returned {a_kind(gradients)} where a tuple of {len(inputs)} gradients was expected")
    if len(gradients) != len(inputs):
        raise CheckFailed(f"returned {len(gradients)} gradients, expected {len(inputs)}")
    measured, scale = _measure(function, inputs, cotangent)
    for i, (given, gradient, expected) in enumerate(zip(inputs, gradients, measured, strict=True)):
        if gradient is None or expected is None:
            continue
        name = f"the gradient of {names[i] if names else f'input {i}'}"
        if not np.isfinite(expected).all():
            raise CheckFailed(f"{name} cannot be measured: the function is not finite near the inputs")
        if failure := compare(gradient, _like(given, expected, given), name, _rule(given, scale)):
            raise failure


def _rule(given: Any, scale: float) -> Rule:
    eps = epsilon(given.dtype) if hasattr(given, "dtype") else EPS
    return Rule(relative=max(NOISE, 10 * eps ** (2 / 3)), absolute=NOISE * scale + 10 * EPS)


def _measure(function: Callable, inputs: Sequence[Any], cotangent: Any) -> tuple[list[Any], float]:
    """The gradients, and the size of the terms of the sum, to which rounding errors are proportional."""
    points = [np.array(as_numpy(x), dtype=np.float64) if _is_float(x) else None for x in inputs]

    def evaluate() -> tuple[float, float]:
        pairs = zip(inputs, points, strict=True)
        return _inner(function(*(x if point is None else _like(x, point) for x, point in pairs)), cotangent)

    scale = evaluate()[1]
    return [None if point is None else _differences(point, evaluate) for point in points], scale


def _differences(point: np.ndarray, evaluate: Callable[[], tuple[float, float]]) -> np.ndarray:
    gradient = np.empty_like(point)
    for index in np.ndindex(point.shape):
        centre = float(point[index])
        step = STEP * max(1.0, abs(centre))
        point[index] = above = centre + step
        high, _ = evaluate()
        point[index] = below = centre - step
        low, _ = evaluate()
        point[index] = centre
        gradient[index] = (high - low) / (above - below)  # the difference that was really taken, after rounding
    return gradient


def _is_float(value: Any) -> bool:
    if is_tensor(value):
        return value.is_floating_point()
    return isinstance(value, float | np.floating) or (isinstance(value, np.ndarray) and value.dtype.kind == "f")


def _like(given: Any, point: np.ndarray, dtype_of: Any = None) -> Any:
    """A copy of `point` as the kind of value that `given` is: a tensor, an array or a number."""
    if is_tensor(given):
        tensor = sys.modules["torch"].from_numpy(point.copy())
        return tensor if dtype_of is None else tensor.to(dtype_of.dtype)
    if not isinstance(given, np.ndarray):
        return float(point)
    return point.astype(np.float64 if dtype_of is None else dtype_of.dtype)


def _inner(value: Any, cotangent: Any) -> tuple[float, float]:
    """The sum of value · cotangent, and the sum of the magnitudes of its terms."""
    if isinstance(value, list | tuple):
        weights = [None] * len(value) if cotangent is None else cotangent
        counted = [(v, w) for v, w in zip(value, weights, strict=True) if w is not None or cotangent is None]
        sums = [_inner(v, w) for v, w in counted]
        return sum(total for total, _ in sums), sum(size for _, size in sums)
    if not (is_tensor(value) or isinstance(value, np.ndarray | float | int | np.number)):
        raise CheckFailed(f"returned {a_kind(value)} where an array or a number was expected")
    array = np.asarray(as_numpy(value), dtype=np.float64)
    weight = np.ones(array.shape) if cotangent is None else np.asarray(as_numpy(cotangent), dtype=np.float64)
    if array.shape != weight.shape:
        raise wrong_shape(value, cotangent, array.shape, weight.shape, "the result")
    with np.errstate(invalid="ignore", over="ignore"):
        terms = array * weight
        return float(terms.sum()), float(np.abs(terms).sum())
