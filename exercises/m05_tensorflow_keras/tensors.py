"""Tensors and derivatives in TensorFlow: reductions that survive their edge cases, and what a tape records.

A tensor cannot be changed: every function here returns a new one. Write with TensorFlow's operations, so that gradients pass.

Letters: B batch, T sequence, D model width.
"""

from collections.abc import Callable

import tensorflow as tf
from jaxtyping import Bool, Float


def normalize_rows(x: Float[tf.Tensor, "*lead D"]) -> Float[tf.Tensor, "*lead D"]:
    """Divide every row (the last axis) by its Euclidean length, so that it has length 1 and points where it did.

    A row of zeros stays zeros. Rows of any other size come out right, also where the squares of their entries are too
    large or too small for the dtype: from 1e-30 to 1e30 in float32. Write it without `tf.linalg.normalize` and
    `tf.math.l2_normalize`.

    Args:
        x: rows, (..., D), of float32 or float64, with any number of leading axes.

    Returns:
        A tensor of the same shape and dtype.

    Reference:
        Blue, A Portable Fortran Program to Find the Euclidean Norm of a Vector (1978), for the scaling.

    Example:
        >>> normalize_rows(tf.constant([[3e30, -4e30], [0.0, 0.0]])).numpy().round(6).tolist()
        [[0.6000000238418579, -0.800000011920929], [0.0, 0.0]]
    """
    raise NotImplementedError


def boolean_mask_mean(x: Float[tf.Tensor, "B T D"], mask: Bool[tf.Tensor, "B T"]) -> Float[tf.Tensor, "B D"]:
    """Average the vectors of each sequence over the steps that the mask keeps.

    What the mask leaves out has no influence, whatever it is: padding may hold inf and nan. A sequence of which nothing
    is kept gives zeros. (`tf.boolean_mask` does not help here: it forgets which sequence a vector came from.)

    Args:
        x: one vector for every step, (B, T, D), of float32 or float64.
        mask: True where a step counts, (B, T).

    Returns:
        One vector for every sequence, (B, D), in the dtype of x.

    Reference:
        Reimers & Gurevych, Sentence-BERT (2019), section 3: mean pooling.

    Example:
        >>> x = tf.constant([[[1.0], [5.0], [float("nan")]], [[7.0], [7.0], [7.0]]])
        >>> boolean_mask_mean(x, tf.constant([[True, True, False], [False, False, False]])).numpy().tolist()
        [[3.0], [0.0]]
    """
    raise NotImplementedError


def gradient(f: Callable[[tf.Tensor], tf.Tensor], x: Float[tf.Tensor, "..."]) -> Float[tf.Tensor, "..."]:
    """The gradient at x of the sum of f(x), by automatic differentiation with `tf.GradientTape`.

    Where f(x) is a single number the sum is that number. Where f does not depend on x the gradient is zero. It can itself be
    differentiated: `gradient(lambda x: gradient(f, x), x)`.

    Args:
        f: a function of one tensor, made of TensorFlow's operations.
        x: where to take the gradient; any shape, float32 or float64. A tensor, not a `tf.Variable`.

    Returns:
        A tensor of the shape and dtype of x.

    Reference:
        Baydin et al., Automatic Differentiation in Machine Learning: a Survey (2018), section 3.2: reverse mode.

    Example:
        >>> gradient(lambda x: x[0] ** 2 * x[1], tf.constant([3.0, 5.0])).numpy().tolist()
        [30.0, 9.0]
        >>> gradient(lambda x: tf.constant(2.0), tf.constant([3.0, 5.0])).numpy().tolist()
        [0.0, 0.0]
    """
    raise NotImplementedError


def second_derivative(f: Callable[[tf.Tensor], tf.Tensor], x: Float[tf.Tensor, "..."]) -> Float[tf.Tensor, "..."]:
    """The second derivative f''(x) of a function that acts on each entry by itself, with one tape inside another.

    Where f does not depend on x, or only linearly, it is zero. It can itself be differentiated.

    Args:
        f: takes a tensor to one of the same shape, each entry to a number that depends on this entry alone (like `tf.sin`).
        x: where to take the derivative; any shape, float32 or float64. A tensor, not a `tf.Variable`.

    Returns:
        f'' at every entry, a tensor of the shape and dtype of x.

    Reference:
        Baydin et al., Automatic Differentiation in Machine Learning: a Survey (2018), section 3.2.

    Example:
        >>> second_derivative(lambda x: x**3, tf.constant([1.0, -2.0])).numpy().tolist()
        [6.0, -12.0]
    """
    raise NotImplementedError
