"""Layers and their backward passes, in NumPy.

A backward pass receives the gradient of a loss with respect to the layer's output and hands back the gradients with
respect to everything that went in. It is the chain rule, written with whole matrices. No function here changes an array
that it is given.

Letters: N rows, D inputs, M outputs, C classes. Real arrays are float64.
"""

import numpy as np
from jaxtyping import Float, Int
from m00_foundations.activations import softmax


def linear_forward(
    x: Float[np.ndarray, "N D"], w: Float[np.ndarray, "D M"], b: Float[np.ndarray, "M"]
) -> Float[np.ndarray, "N M"]:
    """Map every row of `x` linearly: y = x · w + b.

    Args:
        x: one example a row, (N, D).
        w: weights, (D, M); column j holds the weights of output j.
        b: biases, (M,), added to every row.

    Returns:
        y, (N, M).

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), section 6.5.4, algorithm 6.3.

    Example:
        >>> w = np.array([[1.0, 0.0, 2.0], [0.0, 1.0, 3.0]])
        >>> linear_forward(np.array([[1.0, 2.0]]), w, np.array([10.0, 20.0, 30.0])).tolist()
        [[11.0, 22.0, 38.0]]
    """
    raise NotImplementedError


def linear_backward(
    dy: Float[np.ndarray, "N M"], x: Float[np.ndarray, "N D"], w: Float[np.ndarray, "D M"]
) -> tuple[Float[np.ndarray, "N D"], Float[np.ndarray, "D M"], Float[np.ndarray, "M"]]:
    """The gradients of a loss with respect to x, w and b of y = x · w + b, given its gradient with respect to y.

    Each is a sum over all the ways in which that array reaches the loss: an entry of x through the M outputs of its
    row, an entry of w or of b through all N rows. They are sums, not means: where a loss averages over the rows, the
    1/N is in dy already.

    Args:
        dy: the gradient with respect to the layer's output, (N, M).
        x: the input that the forward pass was given, (N, D).
        w: its weights, (D, M).

    Returns:
        The tuple (dx, dw, db) of shapes (N, D), (D, M) and (M,): each gradient has the shape of its array.

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), section 6.5.4, algorithm 6.4.

    Example:
        >>> dx, dw, db = linear_backward(np.array([[1.0], [10.0]]), np.array([[2.0], [3.0]]), np.array([[5.0]]))
        >>> dx.tolist(), dw.tolist(), db.tolist()
        ([[5.0], [50.0]], [[32.0]], [11.0])
    """
    raise NotImplementedError


def relu_backward(dy: Float[np.ndarray, "..."], x: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """The gradient with respect to the input of y = max(x, 0): it passes where x is positive and stops elsewhere.

    At x = 0 there is no derivative; we use 0, as every framework does.

    Args:
        dy: the gradient with respect to the ReLU's output, any shape, for example (N, M).
        x: the ReLU's input, of the same shape.

    Returns:
        dx, of the same shape: dy where x > 0, zero elsewhere.

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), sections 6.3 and 6.5.4, algorithm 6.4.

    Example:
        >>> relu_backward(np.array([5.0, 6.0, -7.0]), np.array([-2.0, 0.0, 3.0])).tolist()
        [0.0, 0.0, -7.0]
    """
    raise NotImplementedError


def softmax_cross_entropy_backward(
    logits: Float[np.ndarray, "N C"], targets: Int[np.ndarray, "N"]
) -> Float[np.ndarray, "N C"]:
    """The gradient of the mean cross-entropy of softmax(logits) with respect to the logits.

    The loss is L = -1/N · Σ_n log softmax(logits[n])[targets[n]]. Its gradient needs no logarithm: in row n it is the
    probabilities minus the one-hot target, divided by N. It must be right for any logits, ±1000 included; the `softmax`
    of the exercise `activations`, imported above, is.

    Args:
        logits: scores, (N, C).
        targets: the right class of every row, (N,), integers from 0 to C - 1.

    Returns:
        dL/dlogits, (N, C); every row sums to zero.

    Reference:
        Bishop, Pattern Recognition and Machine Learning (2006), section 4.3.4, equations 4.108 and 4.109.

    Example:
        >>> softmax_cross_entropy_backward(np.log([[1.0, 3.0], [1.0, 1.0]]), np.array([0, 1])).round(12).tolist()
        [[-0.375, 0.375], [0.25, -0.25]]
    """
    raise NotImplementedError
