"""Input pipelines with tf.data: examples on their way from memory to batches.

A `tf.data.Dataset` is a description of work; nothing happens until somebody iterates, and each `for` loop over it starts
again from the beginning: an epoch.

Letters: N examples, B batch, T time.
"""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from jaxtyping import Float, Shaped


def make_dataset(
    x: Shaped[np.ndarray, "N ..."],
    y: Shaped[np.ndarray, "N"],
    batch_size: int,
    *,
    transform: Callable[[tf.Tensor], tf.Tensor] | None = None,
    seed: int | None = None,
    drop_remainder: bool = False,
) -> tf.data.Dataset:
    """Batches of (inputs, labels): map, cache, shuffle, batch, prefetch, in this order.

    The transform is applied to the input of each example by itself and only once: the cache keeps what it gave, and
    later epochs take that. With a seed the examples are shuffled, all of them among each other and anew in every
    epoch, and the same seed gives the same orders again; what the program draws elsewhere does not depend on it. The
    prefetch at the end, of `tf.data.AUTOTUNE` batches, lets the next ones be made while the model is busy.

    Args:
        x: the inputs, one for each example along the first axis; at least one.
        y: their labels, (N,).
        batch_size: how many examples go into a batch, B.
        transform: what to make of one input; None to leave it as it is.
        seed: for shuffling; None to keep the order.
        drop_remainder: whether to leave out the last batch, if it is smaller than the others.

    Returns:
        A dataset of tuples of two tensors, (B, ...) and (B,), in the dtypes of x (unless the transform changes it) and y.

    Reference:
        Murray et al., tf.data: A Machine Learning Data Processing Framework (2021), section 3.

    Example:
        >>> dataset = make_dataset(np.arange(5.0), np.arange(5), 2, transform=lambda x: 10.0 * x)
        >>> [(x.numpy().tolist(), y.numpy().tolist()) for x, y in dataset]
        [([0.0, 10.0], [0, 1]), ([20.0, 30.0], [2, 3]), ([40.0], [4])]
    """
    # BEGIN SOLUTION
    dataset = tf.data.Dataset.from_tensor_slices((x, y))  # N times (...), ()
    if transform is not None:
        dataset = dataset.map(lambda x, y: (transform(x), y), num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.cache()
    if seed is not None:
        dataset = dataset.shuffle(len(x), seed=seed, reshuffle_each_iteration=True)
    return dataset.batch(batch_size, drop_remainder).prefetch(tf.data.AUTOTUNE)  # (B, ...), (B,)
    # END SOLUTION


def padded_batches(sequences: Sequence[Sequence[int]], batch_size: int, *, pad_value: int = 0) -> tf.data.Dataset:
    """Batches of token sequences of different lengths: each batch is as wide as its longest sequence, and no wider.

    Args:
        sequences: the token ids of each sequence; a sequence may be empty.
        batch_size: how many sequences go into a batch, B; the last one may be smaller.
        pad_value: what fills a sequence up at its end.

    Returns:
        A dataset of tuples (tokens, lengths): int32 of shape (B, T) and (B,), the sequences in their order.

    Reference:
        TensorFlow guide, tf.data: Build Input Pipelines, section "Batching tensors with padding".

    Example:
        >>> dataset = padded_batches([[5], [6, 7, 8], [9]], 2, pad_value=-1)
        >>> [(tokens.numpy().tolist(), lengths.numpy().tolist()) for tokens, lengths in dataset]
        [([[5, -1, -1], [6, 7, 8]], [1, 3]), ([[9]], [1])]
    """
    # BEGIN SOLUTION
    dataset = tf.data.Dataset.from_tensor_slices(tf.ragged.constant(sequences, tf.int32, ragged_rank=1))  # (T,) each
    dataset = dataset.map(lambda tokens: (tokens, tf.size(tokens)))  # (T,), ()
    return dataset.padded_batch(batch_size, ([None], []), padding_values=(pad_value, 0))  # (B, T), (B,)
    # END SOLUTION


def windowed_series(
    series: Float[np.ndarray, "T"], window: int, batch_size: int, *, horizon: int = 1, stride: int = 1
) -> tf.data.Dataset:
    """Pairs of what was seen and what came next, cut from one series at every `stride`-th place.

    The window that begins at place s holds series[s : s + window], its target series[s + window : s + window + horizon],
    for s = 0, stride, 2·stride, … as long as the target ends within the series. Build it from the windows of tf.data,
    so that a series of any length could be streamed.

    Args:
        series: a series of numbers, (T,).
        window: how many numbers the model sees.
        batch_size: how many pairs go into a batch, B; the last one may be smaller.
        horizon: how many numbers it has to foretell.
        stride: how far apart two windows begin.

    Returns:
        A dataset of tuples of two tensors, (B, window) and (B, horizon), in the dtype of the series.

    Reference:
        Hyndman & Athanasopoulos, Forecasting: Principles and Practice (2021), section 5.10;
        TensorFlow guide, tf.data: Build Input Pipelines, section "Time series windowing".

    Example:
        >>> dataset = windowed_series(np.arange(7.0), window=3, batch_size=2, horizon=2, stride=2)
        >>> [(seen.numpy().tolist(), next_.numpy().tolist()) for seen, next_ in dataset]
        [([[0.0, 1.0, 2.0], [2.0, 3.0, 4.0]], [[3.0, 4.0], [5.0, 6.0]])]
    """
    # BEGIN SOLUTION
    size = window + horizon
    windows = tf.data.Dataset.from_tensor_slices(series).window(size, shift=stride, drop_remainder=True)
    pieces = windows.flat_map(lambda piece: piece.batch(size))  # (window + horizon,) each: a window is itself a dataset
    pairs = pieces.map(lambda piece: (piece[:window], piece[window:]))  # (window,), (horizon,)
    return pairs.batch(batch_size)  # (B, window), (B, horizon)
    # END SOLUTION
