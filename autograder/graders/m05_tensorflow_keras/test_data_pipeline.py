"""Hidden checks of input pipelines."""

import numpy as np
import pytest

from autograder.testing import assert_close, made

PASSES = """lambda dataset, passes: [
    [tuple(part.numpy() for part in batch) for batch in dataset] for _ in range(passes)
]"""
# Adds 1 in the first pass over so many examples, 2 in the second, …: whatever runs again shows.
COUNTING = """lambda tf, examples: (
    lambda calls: lambda x: x + tf.cast(1 + (calls.assign_add(1) - 1) // examples, x.dtype)
)(tf.Variable(0))"""


def of_x(module, body):
    """A function of x written as text, made where the module's code runs."""
    return module.library("builtins").eval(f"(lambda tf: lambda x: {body})(__import__('tensorflow'))")


def seeded(module):
    """Settle what TensorFlow draws without a seed of its own: known mistakes are told by equal answers."""
    module.library("tensorflow").random.set_seed(5)


def kind(module, value):
    """The name of an object's class."""
    return made(module, "lambda value: type(value).__name__")(value)


def epochs(module, dataset, passes):
    """The batches of some passes as tuples of arrays, read where the module's code runs: known mistakes are told by them."""
    return module.library("builtins").eval(PASSES)(dataset, passes)


def epoch(module, dataset):
    return epochs(module, dataset, 1)[0]


def labels(module, dataset, passes=1):
    """The labels of some passes, in order."""
    return [np.concatenate([y for _, y in batches]) for batches in epochs(module, dataset, passes)]


def examples(probe, spec="N D"):
    """Inputs in float32, and int64 labels that tell one example from another."""
    x = probe.normal(spec).astype(np.float32)
    return x, 10 + 3 * np.arange(len(x))


def sliced(x, y, size):
    return [(x[i : i + size], y[i : i + size]) for i in range(0, len(x), size)]


@pytest.mark.stage("shape")
def test_make_dataset_gives_batches_of_inputs_and_labels(learner, probe):
    seeded(learner)
    probe.fix("N", 7)
    x, y = examples(probe, "N 4 3")
    for images, marks in ((x, y), (x.astype(np.float64), y.astype(np.int32)), ((10 * x).astype(np.uint8), y / 2.0)):
        got = epoch(learner, learner.make_dataset(images, marks, 3))
        assert [(a.shape, a.dtype, b.shape, b.dtype) for a, b in got] == [
            ((size, 4, 3), images.dtype, (size,), marks.dtype) for size in (3, 3, 1)
        ], "batches of 3, 3 and 1, with the dtypes of x and y"


def test_make_dataset_without_a_seed_keeps_the_order(learner, probe):
    seeded(learner)
    x, y = examples(probe, "11 D")
    assert_close(epochs(learner, learner.make_dataset(x, y, 4), 2), [sliced(x, y, 4)] * 2)


def test_make_dataset_drops_a_smaller_last_batch_when_it_is_told_so(learner, probe):
    seeded(learner)
    x, y = examples(probe, "11 D")
    assert_close(epoch(learner, learner.make_dataset(x, y, 4, drop_remainder=True)), sliced(x, y, 4)[:2])
    assert_close(epoch(learner, learner.make_dataset(x[:8], y[:8], 4, drop_remainder=True)), sliced(x[:8], y[:8], 4))
    assert_close(epoch(learner, learner.make_dataset(x[:3], y[:3], 4, drop_remainder=True)), [])


def test_make_dataset_transforms_each_input_by_itself(learner, probe):
    seeded(learner)
    x, y = examples(probe, "11 D")
    dataset = learner.make_dataset(x, y, 4, transform=of_x(learner, "x - tf.reduce_max(x)"))
    assert_close(epoch(learner, dataset), sliced(x - x.max(axis=1, keepdims=True), y, 4))


def test_make_dataset_lets_the_transform_change_shape_and_dtype(learner, probe):
    seeded(learner)
    x, y = examples(probe, "5 D")
    dataset = learner.make_dataset(x, y, 2, transform=of_x(learner, "tf.cast(tf.reduce_sum(x) > 0, tf.int32)"))
    assert_close(epoch(learner, dataset), sliced((x.astype(np.float64).sum(axis=1) > 0).astype(np.int32), y, 2))


def test_make_dataset_transforms_only_once(learner, probe):
    seeded(learner)
    x, y = examples(probe, "11 D")
    counting = learner.library("builtins").eval(COUNTING)
    for seed in (None, 5):
        transform = counting(learner.library("tensorflow"), len(x))
        first, second = epochs(learner, learner.make_dataset(x, y, 4, transform=transform, seed=seed), 2)
        for batches, name in ((first, "the first epoch"), (second, "what the transform gave, an epoch later")):
            got, order = (np.concatenate(parts) for parts in zip(*batches, strict=True))
            assert_close(got[order.argsort()], x + np.float32(1.0), name=name)


def test_make_dataset_with_a_seed_keeps_inputs_and_labels_together(learner, probe):
    seeded(learner)
    x, y = examples(probe, "23 D")
    got = epoch(learner, learner.make_dataset(x, y, 5, seed=probe.choice(range(1, 100))))
    assert [len(batch) for _, batch in got] == [5, 5, 5, 5, 3], "batches of 5 and a last one of 3"
    inputs, order = np.concatenate([batch for batch, _ in got]), np.concatenate([batch for _, batch in got])
    assert_close(np.sort(order), y, name="the labels in order")
    assert_close(inputs, x[(order - 10) // 3], name="the inputs of these labels")


def test_make_dataset_with_a_seed_shuffles_examples_not_batches(learner, probe):
    seeded(learner)
    x, y = examples(probe, "40 D")
    got = epoch(learner, learner.make_dataset(x, y, 5, seed=7))
    assert any((np.diff(np.sort(batch)) != 3).any() for _, batch in got), "neighbours are parted"
    assert any((np.diff(batch) < 0).any() for _, batch in got), "batches are not in order"


def test_make_dataset_shuffles_anew_in_every_epoch(learner, probe):
    seeded(learner)
    x, y = examples(probe, "23 D")
    dataset = learner.make_dataset(x, y, 5, seed=11)
    first, second, third = labels(learner, dataset, 3)
    assert (first != second).any() and (second != third).any(), "each epoch has an order of its own"
    assert_close(np.sort(third), y, name="the labels in order")


def test_make_dataset_gives_the_same_orders_for_the_same_seed(learner, probe):
    seeded(learner)
    x, y = examples(probe, "23 D")
    orders = []
    for seed in (3, 3, 4, 0, 0):
        dataset = learner.make_dataset(x, y, 5, seed=seed)
        orders.append(np.stack(labels(learner, dataset, 2)))
    assert_close(orders[0], orders[1], name="the orders of two epochs, from the same seed")
    assert (orders[0] != orders[2]).any(), "another seed gives another order"
    assert_close(orders[3], orders[4], name="the orders of two epochs, from the seed 0")


def test_make_dataset_leaves_the_random_numbers_of_the_program_alone(learner, probe):
    (x, y), random, drawn = examples(probe, "11 D"), learner.library("tensorflow").random, []
    for shuffled in (False, True):
        random.set_seed(5)
        if shuffled:
            learner.make_dataset(x, y, 5, seed=3)
        drawn.append(random.uniform((4,)))
    assert_close(drawn[1], drawn[0], name="what the program draws next")


def test_make_dataset_with_the_seed_zero_shuffles(learner, probe):
    seeded(learner)
    x, y = examples(probe, "23 D")
    (order,) = labels(learner, learner.make_dataset(x, y, 5, seed=0))
    assert (order != y).any(), "zero is a seed, too"


def test_make_dataset_shuffles_over_the_whole_dataset(learner, probe):
    seeded(learner)
    x, y = examples(probe, "3000 2")
    (order,) = labels(learner, learner.make_dataset(x, y, 500, seed=probe.choice(range(1, 1000))))
    # With a full shuffle, none of 60 examples comes from the last third about once in 10¹¹ times.
    assert (order[:60].max() - 10) // 3 >= 2000, "any example can come first"


@pytest.mark.stage("whole")
def test_make_dataset_equals_the_reference(learner, reference, probe):
    seeded(learner)
    x, y = examples(probe, "11 D")
    got, expected = (
        each.make_dataset(x, y, 3, transform=of_x(each, "tf.tanh(x)"), drop_remainder=True)
        for each in (learner, reference)
    )
    assert_close(epoch(learner, got), epoch(reference, expected))
    assert_close(int(got.cardinality()), int(expected.cardinality()), name="the number of batches")


@pytest.mark.stage("whole")
def test_make_dataset_prefetches_at_the_end(learner, reference, probe):
    seeded(learner)
    x, y = examples(probe, "11 D")
    for options in ({}, {"seed": 2}, {"drop_remainder": True}):
        got, expected = (kind(each, each.make_dataset(x, y, 3, **options)) for each in (learner, reference))
        assert_close(got, expected, name="the class of the dataset")


@pytest.mark.stage("robust")
def test_make_dataset_of_fewer_examples_than_a_batch(learner, probe):
    seeded(learner)
    x, y = examples(probe, "3 D")
    assert_close(epoch(learner, learner.make_dataset(x, y, 8)), [(x, y)])
    assert_close(epoch(learner, learner.make_dataset(x[:1], y[:1], 1, seed=4)), [(x[:1], y[:1])])


def padded(sequences, size, pad_value):
    """Padded batches in NumPy."""
    batches = []
    for i in range(0, len(sequences), size):
        part = sequences[i : i + size]
        width = max(map(len, part))
        rows = [[*row, *[pad_value] * (width - len(row))] for row in part]
        batches.append(
            (np.array(rows, np.int32).reshape(len(part), width), np.array([len(row) for row in part], np.int32))
        )
    return batches


def token_lists(probe, lengths):
    return [probe.integers(length, 200_000, low=1).tolist() if length else [] for length in lengths]


@pytest.mark.stage("shape")
def test_padded_batches_gives_tokens_and_lengths(learner, probe):
    got = epoch(learner, learner.padded_batches(token_lists(probe, [2, 5, 3, 1, 4]), 2))
    assert [(a.shape, a.dtype, b.shape, b.dtype) for a, b in got] == [
        ((rows, width), np.int32, (rows,), np.int32) for rows, width in ((2, 5), (2, 3), (1, 4))
    ], "each batch is as wide as its longest sequence, tokens and lengths are int32"


def test_padded_batches_keeps_tokens_and_fills_up_with_zeros(learner, probe):
    sequences = token_lists(probe, [3, 1, 4, 2])
    assert_close(epoch(learner, learner.padded_batches(sequences, 4)), padded(sequences, 4, 0))


def test_padded_batches_fills_up_with_the_value_that_it_is_told(learner, probe):
    sequences, pad_value = token_lists(probe, [3, 1, 4, 2, 6]), probe.choice([-1, 7, 99])
    assert_close(
        epoch(learner, learner.padded_batches(sequences, 2, pad_value=pad_value)), padded(sequences, 2, pad_value)
    )


def test_padded_batches_counts_tokens_that_equal_the_padding(learner):
    sequences = [[5, 0, 0], [0], [0, 0, 3, 0]]
    assert_close(epoch(learner, learner.padded_batches([[4, 4], [2]], 2, pad_value=4)), padded([[4, 4], [2]], 2, 4))
    assert_close(epoch(learner, learner.padded_batches(sequences, 3)), padded(sequences, 3, 0))


def test_padded_batches_does_not_change_the_order(learner, probe):
    sequences = token_lists(probe, [6, 1, 5, 2, 4, 3, 7])
    got = [
        row[:length].tolist()
        for batch in epoch(learner, learner.padded_batches(sequences, 3))
        for row, length in zip(*batch, strict=True)
    ]
    assert_close(got, sequences)


@pytest.mark.stage("whole")
def test_padded_batches_equals_the_reference(learner, reference, probe):
    sequences = token_lists(probe, [*probe.integers(16, 9).tolist(), 700])
    for size, pad_value in ((5, -3), (4, 0), (17, 2)):
        expected = epoch(reference, reference.padded_batches(sequences, size, pad_value=pad_value))
        assert_close(epoch(learner, learner.padded_batches(sequences, size, pad_value=pad_value)), expected)


@pytest.mark.stage("whole")
def test_padded_batches_can_be_read_again(learner, probe):
    sequences = token_lists(probe, [3, 1, 4])
    assert_close(epochs(learner, learner.padded_batches(sequences, 2), 2), [padded(sequences, 2, 0)] * 2)


@pytest.mark.stage("robust")
def test_padded_batches_takes_sequences_without_tokens(learner):
    for sequences in ([[], [3, 4], []], [[8], [], []], [[], []]):
        assert_close(epoch(learner, learner.padded_batches(sequences, 2, pad_value=9)), padded(sequences, 2, 9))


def windows(series, window, size, horizon=1, stride=1):
    """Windows and targets in NumPy."""
    starts = range(0, len(series) - window - horizon + 1, stride)
    seen = np.array([series[s : s + window] for s in starts], series.dtype).reshape(-1, window)
    following = np.array([series[s + window : s + window + horizon] for s in starts], series.dtype).reshape(-1, horizon)
    return sliced(seen, following, size)


def series_of(probe, length):
    return probe.normal(length).cumsum()


@pytest.mark.stage("shape")
def test_windowed_series_gives_batches_of_windows_and_targets(learner, probe):
    for dtype in (np.float32, np.float64):
        got = epoch(learner, learner.windowed_series(series_of(probe, 12).astype(dtype), 5, 3, horizon=2))
        assert [(a.shape, b.shape, a.dtype, b.dtype) for a, b in got] == [
            ((rows, 5), (rows, 2), dtype, dtype) for rows in (3, 3)
        ], "two batches of three, in the dtype of the series"


def test_windowed_series_targets_what_comes_next(learner, probe):
    series = series_of(probe, 11)
    assert_close(epoch(learner, learner.windowed_series(series, 3, 100)), windows(series, 3, 100))


def test_windowed_series_looks_as_far_ahead_as_it_is_told(learner, probe):
    series = series_of(probe, 13)
    for horizon in (2, 4):
        assert_close(
            epoch(learner, learner.windowed_series(series, 3, 100, horizon=horizon)), windows(series, 3, 100, horizon)
        )


def test_windowed_series_begins_a_window_at_every_stride(learner, probe):
    series = series_of(probe, 17)
    for stride in (2, 3, 6):
        assert_close(
            epoch(learner, learner.windowed_series(series, 4, 100, stride=stride)), windows(series, 4, 100, 1, stride)
        )


def test_windowed_series_leaves_out_targets_that_reach_beyond_the_end(learner, probe):
    series = series_of(probe, 10)
    assert_close(
        epoch(learner, learner.windowed_series(series, 4, 100, horizon=3, stride=2)), windows(series, 4, 100, 3, 2)
    )


def test_windowed_series_keeps_the_last_smaller_batch(learner, probe):
    series = series_of(probe, 11)
    assert_close(epoch(learner, learner.windowed_series(series, 3, 5)), windows(series, 3, 5))


@pytest.mark.stage("whole")
def test_windowed_series_equals_the_reference(learner, reference, probe):
    series = series_of(probe, 29).astype(np.float32)
    cases = (series, 5, 4, 2, 3), (series, 1, 3, 4, 2), (series, 7, 2, 7, 7), (np.tile(series, 20), 300, 9, 150, 13)
    for series, window, size, horizon, stride in cases:
        expected = epoch(reference, reference.windowed_series(series, window, size, horizon=horizon, stride=stride))
        got = epoch(
            learner, learner.windowed_series(series, window=window, batch_size=size, horizon=horizon, stride=stride)
        )
        assert_close(got, expected)


@pytest.mark.stage("robust")
def test_windowed_series_that_just_fits_and_that_does_not(learner, probe):
    series = series_of(probe, 7)
    assert_close(
        epoch(learner, learner.windowed_series(series, 4, 2, horizon=3)), [(series[None, :4], series[None, 4:])]
    )
    assert_close(epoch(learner, learner.windowed_series(series, 5, 2, horizon=3)), [])
