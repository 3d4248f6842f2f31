"""Ways to keep a network from learning its training rows by heart, in NumPy.

A penalty is added to the loss, and its gradient to that of the loss. Dropout makes every unit do without its neighbours
now and then. Max-norm puts a limit on the weights after each step. No function here changes an array that it is given.

Letters: D inputs of a layer, M units. All real arrays are float64.
"""

import numpy as np
from jaxtyping import Bool, Float


def l1_penalty(w: Float[np.ndarray, "..."], strength: float) -> tuple[float, Float[np.ndarray, "..."]]:
    """The price of weights by their size, strength · Σ |w|, and its gradient.

    The gradient pulls every weight towards zero with the same force, so that small ones arrive there. At a weight of
    exactly zero there is no derivative; we take 0.

    Args:
        w: weights, any shape.
        strength: λ, not negative.

    Returns:
        The tuple (penalty, gradient): a float, and an array of the shape of `w`.

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), section 7.1.2, equations 7.18 to 7.20.

    Example:
        >>> penalty, gradient = l1_penalty(np.array([[-2.0, 0.0], [0.5, 1.5]]), strength=0.5)
        >>> penalty, gradient.tolist()
        (2.0, [[-0.5, 0.0], [0.5, 0.5]])
    """
    # BEGIN SOLUTION
    return float(strength * np.abs(w).sum()), strength * np.sign(w)  # a number, (...)
    # END SOLUTION


def l2_penalty(w: Float[np.ndarray, "..."], strength: float) -> tuple[float, Float[np.ndarray, "..."]]:
    """The price of weights by their square, strength / 2 · Σ w², and its gradient.

    The gradient pulls every weight towards zero in proportion to its size. The half is there so that the gradient has no 2.

    Args:
        w: weights, any shape.
        strength: λ, not negative.

    Returns:
        The tuple (penalty, gradient): a float, and a new array of the shape of `w`.

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), section 7.1.1, equations 7.1 and 7.2.

    Example:
        >>> penalty, gradient = l2_penalty(np.array([[-2.0, 0.0], [1.0, 3.0]]), strength=0.5)
        >>> penalty, gradient.tolist()
        (3.5, [[-1.0, 0.0], [0.5, 1.5]])
    """
    # BEGIN SOLUTION
    return float(0.5 * strength * (w**2).sum()), strength * w  # a number, (...)
    # END SOLUTION


def dropout_forward(
    x: Float[np.ndarray, "..."], p: float, rng: np.random.Generator, training: bool = True
) -> tuple[Float[np.ndarray, "..."], Bool[np.ndarray, "..."] | None]:
    """Set each entry to zero with probability p and divide the others by 1 - p; in evaluation, do nothing.

    The division (which makes the dropout "inverted") keeps the mean of every entry what it was, so that evaluation needs
    no correction.

    Args:
        x: activations, any shape.
        p: the probability of being dropped, from 0 to below 1.
        rng: the generator. In training, one draw, `rng.random(x.shape)`: an entry is kept where its number is at least p.
            In evaluation nothing is drawn.
        training: False in evaluation.

    Returns:
        The tuple (y, kept): y, of the shape of `x`, and a bool array of that shape, True where an entry was kept. In
        evaluation y equals `x`, and kept is None.

    Raises:
        ValueError: p is below 0, or 1 or more, in training and in evaluation alike.

    Reference:
        Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov, Dropout: A Simple Way to Prevent Neural Networks from
        Overfitting (2014), sections 4 and 10.

    Example:
        >>> y, kept = dropout_forward(np.array([3.0, 6.0, 9.0, 12.0]), p=0.25, rng=np.random.default_rng(0))
        >>> np.random.default_rng(0).random(4).round(2).tolist()
        [0.64, 0.27, 0.04, 0.02]
        >>> y.tolist(), kept.tolist()
        ([4.0, 8.0, 0.0, 0.0], [True, True, False, False])
    """
    # BEGIN SOLUTION
    if not 0.0 <= p < 1.0:
        raise ValueError(f"p is a probability below 1, not {p}")
    if not training:
        return x.copy(), None
    kept = rng.random(x.shape) >= p  # (...)
    return x * kept / (1.0 - p), kept  # (...), (...)
    # END SOLUTION


def dropout_backward(
    dy: Float[np.ndarray, "..."], kept: Bool[np.ndarray, "..."] | None, p: float
) -> Float[np.ndarray, "..."]:
    """The gradient with respect to the input of dropout, given that with respect to its output.

    Args:
        dy: the gradient with respect to y, any shape.
        kept: what `dropout_forward` returned with y: a bool array of the shape of `dy`, None after an evaluation.
        p: the probability that it was given.

    Returns:
        dx, of the shape of `dy`.

    Reference:
        Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov, Dropout: A Simple Way to Prevent Neural Networks from
        Overfitting (2014), section 5.1.

    Example:
        >>> dropout_backward(np.array([3.0, -6.0, 9.0]), np.array([True, True, False]), p=0.25).tolist()
        [4.0, -8.0, 0.0]
    """
    # BEGIN SOLUTION
    return dy.copy() if kept is None else dy * kept / (1.0 - p)  # (...)
    # END SOLUTION


def max_norm(w: Float[np.ndarray, "D M"], limit: float) -> Float[np.ndarray, "D M"]:
    """Shorten the weights of every unit that are longer than the limit, and leave the others as they are.

    The weights of unit j are column j of w, and their length is the root of the sum of their squares. One that is too long
    keeps its direction and gets exactly the length `limit`. A column of zeros stays as it is.

    Args:
        w: weights, (D, M), used as x · w.
        limit: the largest length allowed, positive.

    Returns:
        The weights, (D, M).

    Reference:
        Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov, Dropout: A Simple Way to Prevent Neural Networks from
        Overfitting (2014), section 5.1.

    Example:
        >>> max_norm(np.array([[3.0, 0.3, 0.0], [4.0, 0.4, 0.0]]), limit=2.5).tolist()
        [[1.5, 0.3, 0.0], [2.0, 0.4, 0.0]]
    """
    # BEGIN SOLUTION
    lengths = np.sqrt((w**2).sum(axis=0))  # (M,)
    return w * (limit / np.maximum(lengths, limit))  # (D, M)
    # END SOLUTION
