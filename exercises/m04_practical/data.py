"""Data on its way to a model, in PyTorch: datasets, batches of unequal lengths, splits, normalisation.

No function here changes an array or a tensor that it is given. What is random comes from a generator or a seed and from
nowhere else, and in the order that is told: the same seed gives the same answer.

Letters: N rows, D features, B sequences in a batch, T steps of the longest one, M rows of a part.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor


class TabularDataset(torch.utils.data.Dataset):
    """A table as `torch.utils.data.DataLoader` wants it: a length, and one row at a time.

    The table comes as it leaves a spreadsheet, with features in float64 and labels in any integer dtype, and is kept as
    models want it: float32 and int64. The dataset holds copies. Neither a later change of the arrays nor a transform
    or a caller that writes into the row it is given changes what is held.

    Args:
        features: the table, (N, D).
        labels: the class of every row, (N,).
        transform: what is done to a row's features, a (D,) tensor, each time the row is asked for; None for nothing.

    Raises:
        ValueError: there are not as many labels as rows.

    Reference:
        Paszke et al., PyTorch: an imperative style, high-performance deep learning library (2019), section 4.2.
        `torch.utils.data.Dataset`.

    Example:
        >>> dataset = TabularDataset(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([7, 9]), transform=torch.neg)
        >>> len(dataset), dataset[1]
        (2, (tensor([-3., -4.]), tensor(9)))
    """

    def __init__(
        self,
        features: Float[np.ndarray, "N D"],
        labels: Int[np.ndarray, "N"],
        transform: Callable[[Float[Tensor, "D"]], Tensor] | None = None,
    ):
        raise NotImplementedError

    def __len__(self) -> int:
        """The number of rows, N."""
        raise NotImplementedError

    def __getitem__(self, index: int) -> tuple[Tensor, Int[Tensor, ""]]:
        """One row.

        Args:
            index: from 0 to N - 1, or from -N to -1 counted from the end.

        Returns:
            The tuple (features, label): a float32 tensor of shape (D,), transformed if there is a transform, and an int64
            tensor without axes.

        Raises:
            IndexError: there is no such row. (This is also what ends `for row in dataset`.)
        """
        raise NotImplementedError


def pad_collate(
    batch: Sequence[tuple[Shaped[Tensor, "_ *F"], int]], padding_value: float = 0.0
) -> tuple[Shaped[Tensor, "B T *F"], Int[Tensor, "B"], Int[Tensor, "B"]]:
    """Make one tensor of sequences of unequal lengths: each starts at step 0 and is filled up at its end.

    Hand it to a `DataLoader` as `collate_fn`. The lengths go along, since what is padding cannot be told from the
    tensor. Do without `torch.nn.utils.rnn`.

    Args:
        batch: pairs (sequence, label), at least one. Sequences have one dtype and differ in their first axis only:
            (length,) for words, (length, D) for vectors. A length may be 0. Labels are ints.
        padding_value: what the steps after the end hold.

    Returns:
        The tuple (padded, lengths, labels), in the order of the batch: padded is (B, T, ...) in the dtype of the
        sequences, T the largest length; lengths and labels are int64, (B,).

    Reference:
        `torch.utils.data.DataLoader`, section "Working with collate_fn"; `torch.nn.utils.rnn.pad_sequence`.

    Example:
        >>> batch = [(torch.tensor([5, 6, 7]), 1), (torch.tensor([8]), 0)]
        >>> pad_collate(batch, padding_value=-1)
        (tensor([[ 5,  6,  7],
                [ 8, -1, -1]]), tensor([3, 1]), tensor([1, 0]))
    """
    raise NotImplementedError


def stratified_split(
    labels: Int[Tensor, "N"], fraction: float, generator: torch.Generator
) -> tuple[Int[Tensor, "M"], Int[Tensor, "_"]]:
    """Hold a fraction of the rows out, the same fraction of every class.

    A class of n rows gives ⌊fraction · n + ½⌋ of them (in Python's floats) to the held-out part, but at least one and at
    most n - 1, so that it is in both parts. A class of a single row stays in the training part.

    Args:
        labels: the class of every row, (N,).
        fraction: how much to hold out, between 0 and 1.
        generator: draws for the classes in increasing order one `torch.randperm(n, generator=generator)` each, and
            nothing else. It orders the rows of the class, which are numbered as they come; the first are held out.

    Returns:
        The tuple (training rows, held-out rows): int64 indices, both in increasing order. Every row is in one of them.

    Raises:
        ValueError: `fraction` is not between 0 and 1, or is one of them.

    Reference:
        Kohavi, A study of cross-validation and bootstrap for accuracy estimation and model selection (1995), section 2.2.

    Example:
        >>> labels = torch.tensor([4, 9, 9, 4, 9, 4, 9, 9, 9, 9])  # three rows of class 4, seven of class 9
        >>> train, held_out = stratified_split(labels, 0.3, torch.Generator().manual_seed(0))
        >>> labels[held_out].tolist(), sorted([*train.tolist(), *held_out.tolist()]) == list(range(10))
        ([9, 9, 4], True)
    """
    raise NotImplementedError


def fit_normalizer(train: Float[Tensor, "M D"]) -> Callable[[Float[Tensor, "*N D"]], Float[Tensor, "*N D"]]:
    """Learn from the training rows how to bring every column to mean 0 and standard deviation 1.

    What comes back is a function, to be applied to all rows that the model will ever see, those held out included. It uses
    the mean and the standard deviation of the training rows, whatever it is given: held-out rows are strangers, and
    statistics that include them tell the model about them.

    A column whose training values are all equal has nothing to be scaled by: from it the mean is subtracted, and it is
    divided by 1. Take "equal" at its word. Rounding can give such a column a tiny standard deviation in place of 0, and
    columns in small units have a tiny one that is meant.

    The statistics are learned once: what happens to `train` afterwards changes nothing.

    Args:
        train: the training rows, (M, D), float32 or float64.

    Returns:
        A function that takes rows of D features in the dtype of `train`, of any leading axes, and returns
        x ↦ (x - mean) / deviation, a new tensor of the same shape and dtype. The variance is the mean square deviation:
        divisor M, not M - 1.

    Reference:
        LeCun, Bottou, Orr & Müller, Efficient BackProp (1998), section 4.3. Kaufman, Rosset, Perlich & Stitelman, Leakage
        in data mining (2012), section 3, on statistics of held-out rows.

    Example:
        >>> normalize = fit_normalizer(torch.tensor([[1.0, 7.0], [5.0, 7.0]]))
        >>> normalize(torch.tensor([[9.0, 7.0], [3.0, 8.0]])).tolist()
        [[3.0, 0.0], [0.0, 1.0]]
    """
    raise NotImplementedError


class BucketBatchSampler(torch.utils.data.Sampler):
    """Batches of rows of similar length, in random order: little padding, and yet a shuffle.

    Every epoch goes like this, with one generator, `torch.Generator().manual_seed(seed + epoch)`:

    1. `torch.randperm(N, generator=generator)` orders the rows.
    2. The order is cut into pools of `batches_per_pool` · `batch_size` rows; the last may be smaller.
    3. Each pool is sorted by length, the shortest first; rows of equal length stay in the order of step 1.
    4. Each pool is cut into batches of `batch_size` rows. Only the last batch of the last pool can be smaller; with
       `drop_last` it is left out.
    5. `torch.randperm(number of batches, generator=generator)` orders the batches of all pools.

    Hand it to a `DataLoader` as `batch_sampler`, and call `set_epoch` before each epoch. Going through it twice without
    gives the same batches twice.

    Args:
        lengths: the length of every row's sequence, N ints, at least one.
        batch_size: rows in a batch.
        batches_per_pool: how many batches are sorted together: with 1 there is a plain shuffle, with N / batch_size
            the least padding.
        drop_last: whether to leave a smaller batch out.
        seed: which shuffle.

    Raises:
        ValueError: `batch_size` or `batches_per_pool` is less than 1.

    Reference:
        Morishita et al., An empirical study of mini-batch creation strategies for neural machine translation (2017),
        section 2. `torch.utils.data.distributed.DistributedSampler` for `set_epoch`.

    Example:
        >>> lengths = [9, 2, 8, 1, 7, 3]
        >>> sampler = BucketBatchSampler(lengths, batch_size=2, batches_per_pool=3)
        >>> len(sampler), sorted(sorted(lengths[row] for row in batch) for batch in sampler)
        (3, [[1, 2], [3, 7], [8, 9]])
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        batches_per_pool: int = 50,
        drop_last: bool = False,
        seed: int = 0,
    ):
        raise NotImplementedError

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch the next pass is; without, it is epoch 0."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[list[int]]:
        """Yields the batches of this epoch, each a list of row numbers (ints)."""
        raise NotImplementedError

    def __len__(self) -> int:
        """The number of batches that a pass yields."""
        raise NotImplementedError
