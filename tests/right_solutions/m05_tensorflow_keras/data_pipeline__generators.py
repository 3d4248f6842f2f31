"""Generators and zipped datasets instead of slices; windows by index arithmetic on tensors."""

import numpy as np
import tensorflow as tf


def make_dataset(x, y, batch_size, *, transform=None, seed=None, drop_remainder=False):
    inputs = tf.data.Dataset.from_tensor_slices(x)
    if transform:
        inputs = inputs.map(transform, num_parallel_calls=4, deterministic=True)
    pairs = tf.data.Dataset.zip((inputs, tf.data.Dataset.from_tensor_slices(y))).cache()
    if seed is not None:
        pairs = pairs.shuffle(buffer_size=1 + len(y), seed=seed)
    return pairs.batch(batch_size, drop_remainder=drop_remainder).prefetch(1)


def padded_batches(sequences, batch_size, *, pad_value=0):
    def one_by_one():
        for tokens in sequences:
            yield np.array(tokens, dtype=np.int32), len(tokens)

    signature = tf.TensorSpec((None,), tf.int32), tf.TensorSpec((), tf.int32)
    dataset = tf.data.Dataset.from_generator(one_by_one, output_signature=signature)
    padding = tf.constant(pad_value, tf.int32), tf.constant(0, tf.int32)
    return dataset.padded_batch(batch_size, padded_shapes=((None,), ()), padding_values=padding)


def windowed_series(series, window, batch_size, *, horizon=1, stride=1):
    values = tf.constant(series)
    starts = tf.data.Dataset.range(0, max(0, len(series) - window - horizon + 1), stride)

    def cut(start):
        middle = start + window
        seen, following = values[start:middle], values[middle : middle + horizon]
        return tf.ensure_shape(seen, (window,)), tf.ensure_shape(following, (horizon,))

    return starts.map(cut).batch(batch_size)
