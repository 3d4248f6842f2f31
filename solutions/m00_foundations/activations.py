"""Activation functions and their derivatives, in NumPy.

An activation bends a linear layer's output; without one, a stack of layers is a single linear map. Every function here works
elementwise on arrays of any shape, transposed ones among them, except `softmax` and `log_softmax`, which normalise along one axis.

Letters: N rows, C classes. All arrays are float64.
"""

import numpy as np
from jaxtyping import Float


def sigmoid(x: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Squash every entry into (0, 1): σ(x) = 1 / (1 + exp(-x)).

    It must be right for any input, ±1000 included. exp(1000) overflows, so only ever exponentiate numbers that
    are not positive, and use σ(x) = exp(x) / (1 + exp(x)) where x is negative. This keeps its digits, too: σ(-40)
    is 4e-18, where 1 - σ(40) has been rounded to 0. NumPy's warnings stay switched on: there is nothing to warn of.

    Args:
        x: any shape.

    Returns:
        An array of the same shape; `x` itself is left as it was.

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), section 3.10, equation 3.30.

    Example:
        >>> sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist()
        [0.0, 0.5, 1.0]
    """
    # BEGIN SOLUTION
    decay = np.exp(-np.abs(x))  # (...), in (0, 1] whatever the sign of x
    return np.where(x >= 0, 1.0, decay) / (1.0 + decay)
    # END SOLUTION


def sigmoid_grad(x: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """The derivative of the sigmoid at every entry: σ'(x) = σ(x) · (1 - σ(x)).

    Args:
        x: the sigmoid's input (not its output), any shape.

    Returns:
        dσ/dx, of the same shape; at most 1/4, which is why deep stacks of sigmoids learn slowly.

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), section 3.10, equation 3.32.

    Example:
        >>> sigmoid_grad(np.array([0.0])).tolist()
        [0.25]
    """
    # BEGIN SOLUTION
    s = sigmoid(x)  # (...)
    return s * (1.0 - s)
    # END SOLUTION


def tanh(x: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Squash every entry into (-1, 1): tanh(x) = (exp(x) - exp(-x)) / (exp(x) + exp(-x)).

    Build it from the exponential, not from `np.tanh`, and keep it right for ±1000: multiply the fraction above and
    below by exp(-|x|), so that no exponent is positive.

    Args:
        x: any shape.

    Returns:
        An array of the same shape.

    Reference:
        LeCun, Bottou, Orr & Müller, Efficient BackProp (1998), section 4.4.

    Example:
        >>> tanh(np.array([-1000.0, 0.0, 1000.0])).tolist()
        [-1.0, 0.0, 1.0]
    """
    # BEGIN SOLUTION
    decay = np.exp(-2.0 * np.abs(x))  # (...), in (0, 1]
    return np.sign(x) * (1.0 - decay) / (1.0 + decay)
    # END SOLUTION


def tanh_grad(x: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """The derivative of tanh at every entry: tanh'(x) = 1 - tanh(x)².

    Args:
        x: the input of tanh (not its output), any shape.

    Returns:
        dtanh/dx, of the same shape, in [0, 1].

    Reference:
        LeCun, Bottou, Orr & Müller, Efficient BackProp (1998), section 4.4.

    Example:
        >>> tanh_grad(np.array([0.0])).tolist()
        [1.0]
    """
    # BEGIN SOLUTION
    return 1.0 - tanh(x) ** 2
    # END SOLUTION


def relu(x: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Keep what is positive and replace the rest by zero: relu(x) = max(x, 0).

    Args:
        x: any shape.

    Returns:
        A new array of the same shape.

    Reference:
        Nair & Hinton, Rectified Linear Units Improve Restricted Boltzmann Machines (2010), section 1.

    Example:
        >>> relu(np.array([-2.0, 3.0])).tolist()
        [0.0, 3.0]
    """
    # BEGIN SOLUTION
    return np.maximum(x, 0.0)
    # END SOLUTION


def relu_grad(x: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """The derivative of the ReLU at every entry: 1 where x is positive, 0 elsewhere.

    At x = 0 there is no derivative; every framework uses 0 there, and so do we.

    Args:
        x: the ReLU's input, any shape.

    Returns:
        A float64 array of the same shape (not one of booleans: it will be multiplied with gradients).

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), section 6.3.

    Example:
        >>> relu_grad(np.array([-2.0, 0.0, 3.0])).tolist()
        [0.0, 0.0, 1.0]
    """
    # BEGIN SOLUTION
    return (x > 0).astype(x.dtype)
    # END SOLUTION


def softmax(x: Float[np.ndarray, "..."], axis: int = -1) -> Float[np.ndarray, "..."]:
    """Turn scores into probabilities along one axis: softmax(x)_i = exp(x_i) / Σ_j exp(x_j).

    Adding a constant to all scores changes nothing, so subtract their largest first: then no exponent is positive and nothing
    overflows, however large the scores are.

    Args:
        x: scores ("logits"), any shape, for example (N, C).
        axis: the axis along which the result sums to one.

    Returns:
        Probabilities, of the same shape as `x`.

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), section 6.2.2.3, equations 6.29 and 6.33.

    Example:
        >>> softmax(np.log([[1.0, 3.0]])).round(12).tolist()
        [[0.25, 0.75]]
    """
    # BEGIN SOLUTION
    weights = np.exp(x - x.max(axis=axis, keepdims=True))  # (...)
    return weights / weights.sum(axis=axis, keepdims=True)
    # END SOLUTION


def log_softmax(x: Float[np.ndarray, "..."], axis: int = -1) -> Float[np.ndarray, "..."]:
    """The logarithm of the softmax along one axis: log_softmax(x)_i = x_i - log Σ_j exp(x_j).

    Taking the log of `softmax(x)` fails where a probability underflows to zero. Stay with logarithms: shift by the largest
    score, as in `softmax`, and subtract the logarithm of the sum.

    Args:
        x: scores, any shape, for example (N, C).
        axis: the axis along which the probabilities sum to one.

    Returns:
        Log-probabilities, of the same shape: finite for every finite `x`.

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), section 6.2.2.3, equation 6.30.

    Example:
        >>> log_softmax(np.array([[0.0, -1000.0]])).tolist()
        [[0.0, -1000.0]]
    """
    # BEGIN SOLUTION
    shifted = x - x.max(axis=axis, keepdims=True)  # (...)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    # END SOLUTION
