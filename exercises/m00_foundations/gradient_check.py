"""Check a gradient against finite differences, in NumPy.

A backward pass with an error in it often still trains, only worse. Comparing it with slopes measured from the function
alone shows the error at once.

`f` is always a function that takes one float64 array of the shape of `x` and returns a number. All arrays are float64.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float


def numerical_gradient(
    f: Callable[[Float[np.ndarray, "..."]], float], x: Float[np.ndarray, "..."], h: float = 1e-5
) -> Float[np.ndarray, "..."]:
    """Measure the gradient of a scalar function at `x` by central differences.

    For every entry i, move only that entry by h to either side: (f(x + h·e_i) - f(x - h·e_i)) / (2h). The error is of
    order h², where the one-sided difference (f(x + h·e_i) - f(x)) / h has one of order h.

    Args:
        f: called twice for every entry, with an array of the shape of `x`. It may keep the array or write into it: give
            it a new one at every call, and never `x` itself.
        x: the point, any shape; it must come back exactly as it was.
        h: the step to either side, positive.

    Returns:
        The gradient, of the shape of `x`.

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), section 11.5, equation 11.7.

    Example:
        >>> numerical_gradient(lambda x: x[0] * x[1], np.array([3.0, 5.0]), h=0.5).tolist()
        [5.0, 3.0]
    """
    raise NotImplementedError


def relative_error(a: Float[np.ndarray, "..."], b: Float[np.ndarray, "..."], eps: float = 1e-3) -> float:
    """How far two arrays are apart at worst: the largest |a - b| / max(eps, |a| + |b|) over their entries.

    0 means equal, 1 that the signs differ or that one of the two is zero. Each entry is measured against its own size,
    so that a small wrong entry shows beside large ones; but only down to `eps`: finite differences are good to about
    1e-11, which is nothing beside a gradient of 1 and a lot beside one of 1e-9.

    Args:
        a: any shape, at least one entry, none infinite.
        b: of the same shape.
        eps: the least that an error is divided by, positive; it also makes two zeros equal, not 0 / 0.

    Returns:
        The largest relative error, a float from 0 to 1; nan if there is a nan in either array.

    Raises:
        ValueError: the shapes of `a` and `b` differ (even where NumPy would broadcast them).

    Reference:
        Stanford CS231n, course notes, Neural Networks part 3, "Gradient Checks" (there over the larger of the two).

    Example:
        >>> relative_error(np.array([3.0, 0.0, 100.0]), np.array([1.0, 0.0, 101.0]))
        0.5
    """
    raise NotImplementedError


def check_gradients(
    f: Callable[[Float[np.ndarray, "..."]], float],
    grad_f: Callable[[Float[np.ndarray, "..."]], Float[np.ndarray, "..."]],
    x: Float[np.ndarray, "..."],
    tolerance: float = 1e-6,
    h: float = 1e-5,
) -> bool:
    """Whether `grad_f` is the gradient of `f` at `x`, judged by central differences.

    Args:
        f: the function, as in `numerical_gradient`.
        grad_f: the gradient to check: takes an array like `x` and returns the gradient as an array.
        x: the point, any shape, at least one entry; it must come back exactly as it was.
        tolerance: the largest `relative_error` (with its default eps) that still counts as agreement.
        h: the step of the central differences.

    Returns:
        A Python bool: True where grad_f(x) has the shape of `x` and its relative error against the numerical gradient
        is at most `tolerance`. Otherwise False, and no exception: one wrong entry, a nan, an inf or another shape is
        enough.

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), section 11.5.

    Example:
        >>> x = np.array([1.0, -2.0])
        >>> check_gradients(lambda x: (x**2).sum(), lambda x: 2 * x, x)
        True
        >>> check_gradients(lambda x: (x**2).sum(), lambda x: x, x)
        False
    """
    raise NotImplementedError
