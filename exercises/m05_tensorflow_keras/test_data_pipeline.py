"""Public checks of m05_tensorflow_keras/data_pipeline: run `pytest exercises/m05_tensorflow_keras/test_data_pipeline.py`."""

import numpy as np
import pytest

from autograder.testing import assert_close

X, Y = np.arange(22.0, dtype=np.float32).reshape(11, 2), 10 + np.arange(11)


def of_x(module, body):
    """A function of x written as text, made where your code runs."""
    return module.library("builtins").eval(f"(lambda tf: lambda x: {body})(__import__('tensorflow'))")


def epoch(dataset):
    """The batches of one pass, as tuples of arrays."""
    return [tuple(part.numpy() for part in batch) for batch in dataset]


def labels(dataset):
    return np.concatenate([y for _, y in epoch(dataset)])


@pytest.mark.stage("shape")
def test_make_dataset_cuts_batches(learner):
    expected = [(X[:4], Y[:4]), (X[4:8], Y[4:8]), (X[8:], Y[8:])]
    assert_close(epoch(learner.make_dataset(X, Y, 4)), expected)
    assert_close(epoch(learner.make_dataset(X, Y, 4, drop_remainder=True)), expected[:2], name="without the remainder")


def test_make_dataset_transforms_each_input_by_itself(learner):
    dataset = learner.make_dataset(X, Y, 6, transform=of_x(learner, "x - tf.reduce_max(x)"))
    centred = X - X.max(axis=1, keepdims=True)
    assert_close(epoch(dataset), [(centred[:6], Y[:6]), (centred[6:], Y[6:])])


def test_make_dataset_transforms_only_once(learner):
    dataset = learner.make_dataset(X, Y, 4, transform=of_x(learner, "x + tf.random.normal(tf.shape(x))"))
    assert_close(epoch(dataset), epoch(dataset), name="what a random transform gave, an epoch later")


def test_make_dataset_with_a_seed_shuffles_anew_in_every_epoch(learner):
    dataset = learner.make_dataset(X, Y, 4, seed=5)
    first, second = labels(dataset), labels(dataset)
    assert_close(np.sort(first), Y, name="the labels in order")
    assert (first != Y).any() and (first != second).any(), "each epoch has an order of its own"


def test_make_dataset_gives_the_same_orders_for_the_same_seed(learner):
    orders = [np.stack([labels(dataset), labels(dataset)]) for dataset in (learner.make_dataset(X, Y, 4, seed=0),) * 1]
    again = learner.make_dataset(X, Y, 4, seed=0)
    assert_close(np.stack([labels(again), labels(again)]), orders[0], name="the orders of two epochs")
    assert (orders[0][0] != Y).any(), "zero is a seed, too"


def test_make_dataset_shuffles_examples_over_the_whole_dataset(learner):
    x, y = np.zeros((400, 1), np.float32), np.arange(400)
    batches = [batch for _, batch in epoch(learner.make_dataset(x, y, 50, seed=1))]
    assert max(batch.max() for batch in batches[:2]) > 260, "any example can come first"
    assert all(np.ptp(batch) > 49 for batch in batches), "neighbours are parted"


def test_make_dataset_prefetches_at_the_end(learner):
    kind = learner.library("builtins").eval("lambda dataset: type(dataset).__name__")
    assert "Prefetch" in kind(learner.make_dataset(X, Y, 4, seed=3)), "the last step is a prefetch"


@pytest.mark.stage("shape")
def test_padded_batches_of_a_case_computed_by_hand(learner):
    got = epoch(learner.padded_batches([[5], [6, 7, 8], [9, 0], []], 3, pad_value=-1))
    tokens = np.array([[5, -1, -1], [6, 7, 8], [9, 0, -1]], np.int32)
    assert_close(got, [(tokens, np.array([1, 3, 2], np.int32)), (np.zeros((1, 0), np.int32), np.zeros(1, np.int32))])


def test_padded_batches_are_as_wide_as_their_own_longest_sequence(learner):
    got = epoch(learner.padded_batches([[1], [2, 3], [4, 5, 6, 7]], 2))
    assert [tokens.shape for tokens, _ in got] == [(2, 2), (1, 4)], "the shapes of two batches"
    assert_close(got[0][0], np.array([[1, 0], [2, 3]], np.int32), name="the first batch")


@pytest.mark.stage("shape")
def test_windowed_series_of_a_case_computed_by_hand(learner):
    got = epoch(learner.windowed_series(np.arange(6.0), 3, 2))
    assert_close(
        got[0], (np.array([[0.0, 1.0, 2.0], [1.0, 2.0, 3.0]]), np.array([[3.0], [4.0]])), name="the first batch"
    )
    assert_close(got[1:], [(np.array([[2.0, 3.0, 4.0]]), np.array([[5.0]]))], name="the others")


def test_windowed_series_with_a_horizon_and_a_stride(learner):
    got = epoch(learner.windowed_series(np.arange(9.0), 3, 10, horizon=2, stride=3))
    assert_close(got, [(np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]), np.array([[3.0, 4.0], [6.0, 7.0]]))])


@pytest.mark.stage("robust")
def test_windowed_series_that_is_too_short_has_no_windows(learner):
    assert_close(epoch(learner.windowed_series(np.arange(4.0), 3, 2, horizon=2)), [])
