"""Loss functions and their gradients, in NumPy.

A loss says in one number how far predictions are from targets; its gradient says how that number changes with every
prediction. Every function here returns both: the loss as a float, and the gradient with respect to the first argument,
in that argument's shape. Every loss is a mean, so the gradient carries the factor 1 / (number of things averaged) too.

Letters: N rows, C classes. Predictions and gradients are float64.
"""

import numpy as np
from jaxtyping import Float, Int


def mse(
    prediction: Float[np.ndarray, "..."], target: Float[np.ndarray, "..."]
) -> tuple[float, Float[np.ndarray, "..."]]:
    """Mean squared error: the mean of (prediction - target)² over all entries, whatever the shape; no factor ½.

    Args:
        prediction: any shape.
        target: the same shape.

    Returns:
        The loss, a float, and its gradient with respect to `prediction`, in the same shape.

    Raises:
        ValueError: the shapes differ. (N,) and (N, 1) differ too: NumPy would broadcast their difference to (N, N), and
            training would go on with a wrong loss.

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), section 5.1.4, equation 5.4.

    Example:
        >>> loss, gradient = mse(np.array([1.0, 5.0]), np.array([2.0, 2.0]))
        >>> loss, gradient.tolist()
        (5.0, [-1.0, 3.0])
    """
    raise NotImplementedError


def binary_cross_entropy_with_logits(
    logits: Float[np.ndarray, "..."], targets: Float[np.ndarray, "..."]
) -> tuple[float, Float[np.ndarray, "..."]]:
    """Binary cross-entropy: the mean over all entries of -t·log σ(z) - (1 - t)·log(1 - σ(z)), z a logit, t its target.

    It must be right for any logits, ±1000 included, where σ(z) is rounded to 0 or 1 and a logarithm would be -inf.
    Written with the logit itself an entry's loss is max(z, 0) - z·t + log(1 + exp(-|z|)): no positive exponent, no
    logarithm of 0.

    Args:
        logits: scores before the sigmoid, any shape.
        targets: the same shape, probabilities of class 1: often only 0 and 1, but anything between is allowed.

    Returns:
        The loss, a float, and its gradient with respect to `logits`, in the same shape.

    Raises:
        ValueError: the shapes differ.

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), section 6.2.2.2, equations 6.24 to 6.26.

    Example:
        >>> loss, gradient = binary_cross_entropy_with_logits(np.array([1000.0, 0.0]), np.array([0.0, 1.0]))
        >>> round(loss, 6), gradient.tolist()
        (500.346574, [0.5, -0.25])
    """
    raise NotImplementedError


def cross_entropy(
    logits: Float[np.ndarray, "N C"], targets: Int[np.ndarray, "N"]
) -> tuple[float, Float[np.ndarray, "N C"]]:
    """Cross-entropy of softmax(logits): the mean over the N rows of -log(the probability of the row's true class).

    It must be right for any logits, ±1000 included: subtract each row's largest logit first (this changes no
    probability), then take log Σ exp(z) - z of the true class, rather than the logarithm of a probability that may have
    become 0.

    Args:
        logits: scores before the softmax, (N, C).
        targets: the true classes, (N,), integers from 0 to C - 1 (not one-hot rows).

    Returns:
        The loss, a float, and its gradient with respect to `logits`, (N, C).

    Raises:
        ValueError: `targets` is not of shape (N,).

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), section 6.2.2.3, equation 6.30.

    Example:
        >>> loss, gradient = cross_entropy(np.log([[1.0, 3.0], [1.0, 1.0]]), np.array([1, 0]))
        >>> round(float(np.exp(-2.0 * loss)), 12), gradient.round(12).tolist()
        (0.375, [[0.125, -0.125], [-0.25, 0.25]])
    """
    raise NotImplementedError


def hinge(
    scores: Float[np.ndarray, "N"], targets: Float[np.ndarray, "N"], margin: float = 1.0
) -> tuple[float, Float[np.ndarray, "N"]]:
    """Hinge loss: the mean over the N rows of max(0, margin - target·score).

    A row costs nothing once its score lies on the right side of 0 by at least the margin. Exactly at the margin there
    is no derivative; we use 0 there.

    Args:
        scores: one per row, (N,), any real numbers.
        targets: the true labels, (N,), each -1 or +1.
        margin: how far on the right side of 0 a score should be.

    Returns:
        The loss, a float, and its gradient with respect to `scores`, (N,).

    Raises:
        ValueError: the shapes differ.

    Reference:
        Bishop, Pattern Recognition and Machine Learning (2006), section 7.1.1, equation 7.45.

    Example:
        >>> loss, gradient = hinge(np.array([0.5, 0.5, 2.0, -1.0]), np.array([1.0, -1.0, 1.0, -1.0]))
        >>> loss, gradient.tolist()
        (0.5, [-0.25, 0.25, 0.0, 0.0])
    """
    raise NotImplementedError
