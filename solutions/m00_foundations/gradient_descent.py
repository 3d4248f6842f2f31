"""Gradient descent on linear regression: with all rows at once, with mini-batches, with one row at a time.

The model predicts x @ w + b, and the loss L is its mean squared error: with error = x @ w + b - y, of shape (N,), it is
the mean of error², and its gradients are

    ∂L/∂w = (2 / N) · xᵀ error        ∂L/∂b = (2 / N) · Σ error

A step moves w and b by -lr times their gradients, both computed before either has moved. The three methods differ only
in how many rows a step looks at; N above is the number of those rows.

Letters: N rows, D features, B rows in a batch. All arrays are float64.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float


def _loss(x: Float[np.ndarray, "N D"], y: Float[np.ndarray, "N"], w: Float[np.ndarray, "D"], b: float) -> float:
    """The mean squared error of x @ w + b over all rows: what every `losses` list below records."""
    return float(np.mean((x @ w + b - y) ** 2))


def iterate_minibatches(
    x: Float[np.ndarray, "N D"], y: Float[np.ndarray, "N"], batch_size: int, rng: np.random.Generator | None = None
) -> Iterator[tuple[Float[np.ndarray, "B D"], Float[np.ndarray, "B"]]]:
    """Yield the rows of x and y in batches of `batch_size`, every row exactly once; the last batch may be smaller.

    Without a generator the rows come in their order. With one they are shuffled: order = rng.permutation(N), drawn
    once and nothing else, and first comes row order[0] of x together with row order[0] of y, then row order[1], and so on.

    Args:
        x: features, (N, D).
        y: targets, (N,); y[i] belongs to x[i].
        batch_size: rows in a batch, at least 1; more than N gives one batch of N.
        rng: where the permutation is drawn from, or None for no shuffling.

    Yields:
        (x_batch, y_batch), of shapes (B, D) and (B,): B is `batch_size`, or less in the last batch, which holds the
        rest. A batch stays as it is when the next one comes, so list(...) holds them all.

    Raises:
        ValueError: `batch_size` is below 1; raised when the first batch is asked for, at the latest.

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), section 8.1.3.

    Example:
        >>> x, y = np.array([[0.0], [1.0], [2.0]]), np.array([0.0, 10.0, 20.0])
        >>> [(x_batch.tolist(), y_batch.tolist()) for x_batch, y_batch in iterate_minibatches(x, y, 2)]
        [([[0.0], [1.0]], [0.0, 10.0]), ([[2.0]], [20.0])]
    """
    # BEGIN SOLUTION
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}")
    order = np.arange(len(x)) if rng is None else rng.permutation(len(x))  # (N,)
    for start in range(0, len(x), batch_size):
        rows = order[start : start + batch_size]  # (B,)
        yield x[rows], y[rows]
    # END SOLUTION


def batch_gd(
    x: Float[np.ndarray, "N D"], y: Float[np.ndarray, "N"], lr: float, steps: int
) -> tuple[Float[np.ndarray, "D"], float, list[float]]:
    """Gradient descent from zero weights and zero bias, each step on the gradient over all N rows.

    Args:
        x: features, (N, D).
        y: targets, (N,).
        lr: learning rate.
        steps: number of steps, at least 0.

    Returns:
        The weights, (D,), the bias, a float, and the losses, a list of steps + 1 floats: losses[k] is the loss over all
        rows after k steps. So losses[0] belongs to zero weights, and losses[-1] to the weights that are returned.

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), section 4.3, equation 4.5, and section 4.5.

    Example:
        >>> w, b, losses = batch_gd(np.array([[1.0], [-1.0]]), np.array([5.0, 1.0]), lr=0.25, steps=2)
        >>> w.tolist(), b, losses
        ([1.5], 2.25, [13.0, 3.25, 0.8125])
    """
    # BEGIN SOLUTION
    w, b = np.zeros(x.shape[1]), 0.0  # (D,), ()
    losses = [_loss(x, y, w, b)]
    for _ in range(steps):
        error = x @ w + b - y  # (N,)
        w = w - lr * 2.0 * (x.T @ error) / len(error)  # (D,)
        b = b - lr * 2.0 * error.mean()
        losses.append(_loss(x, y, w, b))
    return w, float(b), losses
    # END SOLUTION


def minibatch_gd(
    x: Float[np.ndarray, "N D"],
    y: Float[np.ndarray, "N"],
    lr: float,
    epochs: int,
    batch_size: int,
    rng: np.random.Generator,
) -> tuple[Float[np.ndarray, "D"], float, list[float]]:
    """Gradient descent from zero weights and zero bias, each step on the gradient over one mini-batch.

    Every epoch goes once through `iterate_minibatches(x, y, batch_size, rng)`, so it draws one rng.permutation(N), and
    takes one step per batch. The loss of a batch is the mean over the rows that are in it, also in a smaller last one.

    Args:
        x: features, (N, D).
        y: targets, (N,).
        lr: learning rate.
        epochs: number of passes over all rows, at least 0.
        batch_size: rows in a batch, at least 1.
        rng: shuffles the rows anew in every epoch; used for nothing else.

    Returns:
        The weights, (D,), the bias, a float, and the losses, a list of epochs + 1 floats: losses[k] is the loss over
        all N rows after k epochs. So losses[0] belongs to zero weights, and losses[-1] to the weights that are
        returned.

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), section 8.1.3 and algorithm 8.1.

    Example:
        >>> x, y = np.array([[1.0], [-1.0]]), np.array([5.0, 1.0])
        >>> w, b, losses = minibatch_gd(x, y, lr=0.25, epochs=2, batch_size=2, rng=np.random.default_rng(0))
        >>> w.tolist(), b, losses
        ([1.5], 2.25, [13.0, 3.25, 0.8125])
    """
    # BEGIN SOLUTION
    w, b = np.zeros(x.shape[1]), 0.0  # (D,), ()
    losses = [_loss(x, y, w, b)]
    for _ in range(epochs):
        for x_batch, y_batch in iterate_minibatches(x, y, batch_size, rng):
            error = x_batch @ w + b - y_batch  # (B,)
            w = w - lr * 2.0 * (x_batch.T @ error) / len(error)  # (D,)
            b = b - lr * 2.0 * error.mean()
        losses.append(_loss(x, y, w, b))
    return w, float(b), losses
    # END SOLUTION


def sgd(
    x: Float[np.ndarray, "N D"], y: Float[np.ndarray, "N"], lr: float, epochs: int, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "D"], float, list[float]]:
    """Stochastic gradient descent from zero weights and zero bias, each step on the gradient of the loss of one row.

    Every epoch draws one order = rng.permutation(N) and takes N steps: on row order[0], on row order[1], and so on.

    Args:
        x: features, (N, D).
        y: targets, (N,).
        lr: learning rate.
        epochs: number of passes over all rows, at least 0.
        rng: shuffles the rows anew in every epoch; used for nothing else.

    Returns:
        The weights, (D,), the bias, a float, and the losses, a list of epochs + 1 floats: losses[k] is the loss over
        all N rows after k epochs, as in `minibatch_gd`.

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), section 5.9, equations 5.96 to 5.98.

    Example:
        With these rows and this lr a step on one row makes its error 0 and leaves the other row's error as it is.

        >>> x, y = np.array([[1.0], [-1.0]]), np.array([5.0, 1.0])
        >>> w, b, losses = sgd(x, y, lr=0.25, epochs=1, rng=np.random.default_rng(0))
        >>> w.tolist(), b, losses
        ([2.0], 3.0, [13.0, 0.0])
    """
    # BEGIN SOLUTION
    return minibatch_gd(x, y, lr, epochs, batch_size=1, rng=rng)
    # END SOLUTION
