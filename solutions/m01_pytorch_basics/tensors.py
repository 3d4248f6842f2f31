"""Tensors: shapes, broadcasting, indexing and strides, in PyTorch.

A tensor is a block of numbers and a way to read it. All seven functions here are a few lines of broadcasting, indexing
and reductions, with no loop over entries. None changes a tensor that it is given; results lie on the device of their
input, and where both are of real numbers they have its dtype and gradients flow from one to the other. A batch or a set
of points may be empty; then so is the result.

Letters: N and M rows, D features, C classes, B batch, T positions, Q queries, L windows of W entries.
`*lead` stands for any number of leading axes, none included.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def standardize(x: Float[Tensor, "..."], dim: int = 0, eps: float = 1e-5) -> Float[Tensor, "..."]:
    """Shift and scale along one axis, to mean 0 and variance 1: (x - mean) / √(variance + eps).

    The variance is the mean of the squared distances from the mean: divide by the number of entries n, not by n - 1 as
    `torch.var` does unless told otherwise. `eps` keeps a feature that never varies at 0 instead of 0 / 0. Subtract the
    mean before you square: in float32, mean(x²) - mean(x)² has no digits left when the mean is large.

    Args:
        x: float32 or float64, any shape, for example (N, D).
        dim: the axis that mean and variance are taken along; 0 standardizes every feature of (N, D).
        eps: added to the variance, inside the root.

    Returns:
        A tensor of the same shape and dtype.

    Reference:
        Ioffe & Szegedy, Batch normalization (2015), algorithm 1, without γ and β.

    Example:
        >>> standardize(torch.tensor([[1.0, 5.0], [3.0, 5.0]]), eps=3.0).tolist()  # the variances are 1 and 0
        [[-0.5, 0.0], [0.5, 0.0]]
    """
    # BEGIN SOLUTION
    centred = x - x.mean(dim=dim, keepdim=True)  # (...)
    variance = centred.square().mean(dim=dim, keepdim=True)  # (...), with size 1 at dim
    return centred / (variance + eps).sqrt()  # (...)
    # END SOLUTION


def one_hot(labels: Int[Tensor, "*lead"], classes: int) -> Float[Tensor, "*lead C"]:
    """Write every label as a row of zeros with a single one, at the place of its class.

    Do it by indexing, not with `torch.nn.functional.one_hot`. Beware of negative labels: as an index, -1 means the last
    class.

    Args:
        labels: int64, from 0 to C - 1, any shape; also one without entries.
        classes: the number of classes, C.

    Returns:
        A float32 tensor with one more axis than `labels`, of size C, at the end.

    Raises:
        ValueError: a label is negative, or C or more.

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), section 6.2.2.3: the targets of a softmax.

    Example:
        >>> one_hot(torch.tensor([2, 0]), classes=3).tolist()
        [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    # BEGIN SOLUTION
    if ((labels < 0) | (labels >= classes)).any():
        raise ValueError(f"labels must lie between 0 and {classes - 1}")
    return torch.eye(classes, device=labels.device)[labels]  # (..., C)
    # END SOLUTION


def pairwise_distances(x: Float[Tensor, "N D"], y: Float[Tensor, "M D"]) -> Float[Tensor, "N M"]:
    """The Euclidean distance of every row of `x` to every row of `y`: d[n, m] = √(Σ_d (x[n, d] - y[m, d])²).

    By broadcasting, not with `torch.cdist`, and without a Python loop over pairs: half a million of them must take well
    under a second. Subtract before you square, so that points near each other and far from the origin keep their
    distance: ‖x‖² + ‖y‖² - 2·x·y would lose it to rounding.

    Args:
        x: one point a row, (N, D).
        y: one point a row, (M, D).

    Returns:
        (N, M), in the dtype of the inputs; exactly 0 where two points are equal (no gradient is asked for there).

    Reference:
        Harris et al., Array programming with NumPy (2020), figure 1, on broadcasting.

    Example:
        >>> pairwise_distances(torch.tensor([[0.0, 0.0], [3.0, 0.0]]), torch.tensor([[3.0, 4.0]])).tolist()
        [[5.0], [4.0]]
    """
    # BEGIN SOLUTION
    differences = x[:, None] - y  # (N, M, D)
    return differences.square().sum(dim=-1).sqrt()  # (N, M)
    # END SOLUTION


def batched_outer(x: Float[Tensor, "*lead N"], y: Float[Tensor, "*lead M"]) -> Float[Tensor, "*lead N M"]:
    """The outer product of each vector of `x` with the vector of `y` at the same place: out[…, n, m] = x[…, n] · y[…, m].

    Args:
        x: vectors of length N in the last axis, (..., N); any number of leading axes, also none.
        y: as many vectors of length M, (..., M), with the same leading axes.

    Returns:
        One matrix for every pair, (..., N, M).

    Reference:
        PyTorch documentation, Broadcasting semantics. `torch.outer` does it for a single pair.

    Example:
        >>> batched_outer(torch.tensor([[1.0, 2.0], [0.0, 1.0]]), torch.tensor([[3.0, 4.0, 5.0], [6.0, 7.0, 8.0]])).tolist()
        [[[3.0, 4.0, 5.0], [6.0, 8.0, 10.0]], [[0.0, 0.0, 0.0], [6.0, 7.0, 8.0]]]
    """
    # BEGIN SOLUTION
    return x[..., :, None] * y[..., None, :]  # (..., N, M)
    # END SOLUTION


def gather_rows(x: Float[Tensor, "B T D"], index: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q D"]:
    """Pick rows, other ones in every sequence of a batch: out[b, q] = x[b, index[b, q]].

    A row may be picked several times or not at all, and Q may exceed T. It must stay differentiable: the gradient of a
    row of `x` is the sum over all places that it was picked for.

    Args:
        x: a batch of sequences of rows, (B, T, D).
        index: which rows, (B, Q), int64 from 0 to T - 1.

    Returns:
        The rows, (B, Q, D), in the order of `index`.

    Reference:
        NumPy user guide, Indexing on ndarrays, section "Advanced indexing": two index tensors are broadcast together.

    Example:
        >>> x = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]])
        >>> gather_rows(x, torch.tensor([[1, 1, 0], [0, 1, 0]])).tolist()
        [[[3.0, 4.0], [3.0, 4.0], [1.0, 2.0]], [[5.0, 6.0], [7.0, 8.0], [5.0, 6.0]]]
    """
    # BEGIN SOLUTION
    sequence = torch.arange(len(x), device=x.device)[:, None]  # (B, 1)
    return x[sequence, index]  # (B, Q, D)
    # END SOLUTION


def masked_mean(x: Float[Tensor, "B T D"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B D"]:
    """Average the rows of every sequence, over the positions where the mask is True only.

    What stands at the other positions must not matter, not even where it is nan or infinite: 0 · nan is nan, so
    multiplying by the mask will not do. No gradient flows to those positions. A sequence without any True has the mean 0.
    A nan at a position that counts is not hidden: it makes the mean nan, in its feature of its sequence.

    Args:
        x: a batch of sequences of rows, (B, T, D).
        mask: True at the positions that count, (B, T).

    Returns:
        One mean for every sequence, (B, D), in the dtype of `x`.

    Reference:
        Reimers & Gurevych, Sentence-BERT (2019), section 3: the pooling strategy MEAN.

    Example:
        >>> x = torch.tensor([[[1.0, 2.0], [5.0, 4.0], [float("nan"), 9.0]]])
        >>> masked_mean(x, torch.tensor([[True, True, False]])).tolist()
        [[3.0, 3.0]]
    """
    # BEGIN SOLUTION
    kept = x.masked_fill(~mask[..., None], 0.0)  # (B, T, D)
    count = mask.sum(dim=1, keepdim=True).clamp(min=1)  # (B, 1)
    return kept.sum(dim=1) / count  # (B, D)
    # END SOLUTION


def sliding_windows(x: Float[Tensor, "*lead T"], size: int, step: int = 1) -> Float[Tensor, "*lead L W"]:
    """All windows of W neighbours along the last axis, as a view: out[…, l, w] = x[…, l · step + w].

    Nothing is copied: the result reads the memory of `x` with other strides. To step to the next window is to step over
    `step` entries of `x`, to step within a window over one. Build it with `Tensor.as_strided` from the strides that `x`
    has: they need not be those of a freshly made tensor, for example when `x` is a transpose or a slice.

    Args:
        x: sequences in the last axis, (..., T).
        size: the length of a window, W, from 1 to T.
        step: how far apart two windows begin, at least 1.

    Returns:
        A view of `x`, (..., L, W), with L = (T - W) // step + 1: windows that would run over the end are left out.

    Raises:
        ValueError: `size` is not in 1 … T, or `step` is less than 1.

    Reference:
        NumPy documentation, `numpy.lib.stride_tricks.sliding_window_view`.

    Example:
        >>> sliding_windows(torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), size=3, step=2).tolist()
        [[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]]
    """
    # BEGIN SOLUTION
    *lead, t = x.shape
    if not 1 <= size <= t or step < 1:
        raise ValueError(f"no windows of size {size} with step {step} in {t} positions")
    *strides, stride = x.stride()
    shape = (*lead, (t - size) // step + 1, size)
    return x.as_strided(shape, (*strides, step * stride, stride), x.storage_offset())  # (..., L, W)
    # END SOLUTION
