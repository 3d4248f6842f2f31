"""The perceptron (Rosenblatt, 1958): a linear classifier that learns from its mistakes, one row at a time.

A row is labelled +1 or -1 by the side of the hyperplane x·w + b = 0 it lies on. Learning is as simple: leave the
hyperplane alone while it is right about a row, and move it when it is wrong. If any hyperplane separates the classes,
this finds one after finitely many mistakes; if none does, as for XOR, it never comes to rest.

Letters: N rows, D features. All arrays are float64.
"""

import numpy as np
from jaxtyping import Float


def predict(x: Float[np.ndarray, "N D"], w: Float[np.ndarray, "D"], b: float) -> Float[np.ndarray, "N"]:
    """The label of every row: +1 where its score x·w + b is at least 0, -1 where it is negative.

    A score of exactly 0 counts as +1. (`np.sign` would return 0 there, which is no label.)

    Args:
        x: rows of features, (N, D).
        w: weights, (D,).
        b: bias.

    Returns:
        Labels, (N,), each -1.0 or +1.0, as float64.

    Reference:
        Bishop, Pattern Recognition and Machine Learning (2006), section 4.1.7, equations 4.52 and 4.53.

    Example:
        >>> predict(np.array([[2.0, 1.0], [1.0, 1.0], [0.0, 1.0]]), np.array([1.0, -1.0]), b=0.0).tolist()
        [1.0, 1.0, -1.0]
    """
    # BEGIN SOLUTION
    scores = x @ w + b  # (N,)
    return np.where(scores >= 0, 1.0, -1.0)
    # END SOLUTION


def update(
    w: Float[np.ndarray, "D"], b: float, x_i: Float[np.ndarray, "D"], y_i: float, lr: float = 1.0
) -> tuple[Float[np.ndarray, "D"], float]:
    """Learn from one row: if `predict` gets it wrong, w becomes w + lr·y_i·x_i and b becomes b + lr·y_i.

    If `predict` gets it right, both stay what they are, however small the score is. A row with score 0 is right when
    its label is +1 and wrong when its label is -1.

    Args:
        w: weights, (D,); left as they are: where they change, the new ones are a new array.
        b: bias.
        x_i: one row of features, (D,).
        y_i: its true label, -1 or +1.
        lr: learning rate, the size of the step.

    Returns:
        The weights, (D,), and the bias, a float, after the row.

    Reference:
        Bishop, Pattern Recognition and Machine Learning (2006), section 4.1.7, equation 4.55.

    Example:
        >>> w, b = update(np.array([1.0, 0.0]), 0.0, x_i=np.array([2.0, 3.0]), y_i=-1.0, lr=0.5)
        >>> w.tolist(), b
        ([0.0, -1.5], -0.5)
    """
    # BEGIN SOLUTION
    if predict(x_i[None], w, b)[0] == y_i:  # x_i[None] is (1, D)
        return w, b
    return w + lr * y_i * x_i, b + lr * y_i
    # END SOLUTION


def fit(
    x: Float[np.ndarray, "N D"], y: Float[np.ndarray, "N"], max_epochs: int = 100, lr: float = 1.0
) -> tuple[Float[np.ndarray, "D"], float, list[int]]:
    """Train from zero weights and zero bias: `update` on the rows in their order, again and again, until none is wrong.

    An epoch is one pass over all rows. Every row is judged with the weights of that moment, which the rows before it
    may just have changed. Training ends after the first epoch without a mistake, and after `max_epochs` epochs at the
    latest.

    Args:
        x: rows of features, (N, D).
        y: their true labels, (N,), each -1 or +1.
        max_epochs: the largest number of epochs, at least 1.
        lr: learning rate of every update.

    Returns:
        The weights, (D,), the bias, a float, and a list of ints, one per epoch that was run: how many rows were wrong
        when their turn came, which is the number of updates. An epoch without mistakes is in the list too, so the list
        ends with 0 if training found a separating hyperplane.

    Reference:
        Bishop, Pattern Recognition and Machine Learning (2006), section 4.1.7; the proof that it ends is in
        Novikoff, On convergence proofs for perceptrons (1962).

    Example:
        Logical and: only the last row is +1.

        >>> corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
        >>> w, b, mistakes = fit(corners, np.array([-1.0, -1.0, -1.0, 1.0]))
        >>> w.tolist(), b, mistakes
        ([2.0, 1.0], -3.0, [2, 3, 3, 2, 1, 0])
    """
    # BEGIN SOLUTION
    w, b, mistakes = np.zeros(x.shape[1]), 0.0, []
    for _ in range(max_epochs):
        mistakes.append(0)
        for x_i, y_i in zip(x, y, strict=True):  # (D,), ()
            mistakes[-1] += int(predict(x_i[None], w, b)[0] != y_i)
            w, b = update(w, b, x_i, y_i, lr=lr)
        if mistakes[-1] == 0:
            break
    return w, float(b), mistakes
    # END SOLUTION
