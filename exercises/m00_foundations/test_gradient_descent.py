"""Public checks of gradient descent: run `pytest exercises/m00_foundations/test_gradient_descent.py`."""

import numpy as np
import pytest

from autograder.testing import assert_close, assert_shape

X, Y = np.array([[1.0], [-1.0]]), np.array([5.0, 1.0])


def rows_and_targets(probe):
    return probe.normal(11, 3), probe.normal(11) + 2.0


@pytest.mark.stage("shape")
def test_iterate_minibatches_gives_full_batches_and_a_smaller_last_one(learner, probe):
    x, y = rows_and_targets(probe)
    batches = list(learner.iterate_minibatches(x, y, 4, probe.generator()))
    assert len(batches) == 3, f"{len(batches)} batches of 4 from 11 rows, expected 3"
    for (x_batch, y_batch), rows in zip(batches, (4, 4, 3), strict=True):
        assert_shape(x_batch, (rows, 3), np.float64)
        assert_shape(y_batch, (rows,), np.float64)


def test_iterate_minibatches_keeps_the_order_without_a_generator(learner, probe):
    x, y = rows_and_targets(probe)
    expected = [(x[:5], y[:5]), (x[5:10], y[5:10]), (x[10:], y[10:])]
    assert_close(list(learner.iterate_minibatches(x, y, 5)), expected)


def test_iterate_minibatches_takes_its_order_from_one_permutation(learner, probe):
    (x, y), rng = rows_and_targets(probe), probe.generator()
    (x_batch, y_batch), *_ = learner.iterate_minibatches(x, y, 11, rng)
    order = rng.permutation(11)
    assert_close(x_batch, x[order])
    assert_close(y_batch, y[order])


@pytest.mark.stage("robust")
def test_iterate_minibatches_refuses_a_size_below_one(learner, probe):
    x, y = rows_and_targets(probe)
    for batch_size in (0, -2):
        with pytest.raises(ValueError):
            list(learner.iterate_minibatches(x, y, batch_size))


@pytest.mark.stage("shape")
def test_batch_gd_gives_weights_a_bias_and_one_loss_more_than_steps(learner, probe):
    x, y = rows_and_targets(probe)
    w, b, losses = learner.batch_gd(x, y, 0.05, 4)
    assert_shape(w, (3,), np.float64)
    assert_shape(b, ())
    assert len(losses) == 5, f"losses has {len(losses)} items, expected 5"


def test_batch_gd_of_known_values(learner):
    assert_close(learner.batch_gd(X, Y, 0.25, 2), (np.array([1.5]), 2.25, [13.0, 3.25, 0.8125]))


def test_batch_gd_moves_weights_and_bias_at_the_same_time(learner):
    w, b, _ = learner.batch_gd(np.array([[1.0], [3.0]]), np.array([2.0, 4.0]), 0.125, 2)
    assert_close((w, b), (np.array([0.9375]), 0.4375))


@pytest.mark.stage("whole")
def test_batch_gd_ends_with_the_loss_of_what_it_returns(learner, probe):
    x, y = rows_and_targets(probe)
    w, b, losses = learner.batch_gd(x, y, 0.05, 3)
    assert_close((losses[0], losses[-1]), (float(np.mean(y**2)), float(np.mean((x @ w + b - y) ** 2))))


@pytest.mark.stage("shape")
def test_minibatch_gd_gives_weights_a_bias_and_one_loss_more_than_epochs(learner, probe):
    x, y = rows_and_targets(probe)
    w, b, losses = learner.minibatch_gd(x, y, 0.03, 3, 4, probe.generator())
    assert_shape(w, (3,), np.float64)
    assert_shape(b, ())
    assert len(losses) == 4, f"losses has {len(losses)} items, expected 4"


def test_minibatch_gd_with_all_rows_in_a_batch(learner, probe):
    result = learner.minibatch_gd(X, Y, 0.25, 2, 2, probe.generator())
    assert_close(result, (np.array([1.5]), 2.25, [13.0, 3.25, 0.8125]))


def test_minibatch_gd_shuffles_anew_and_averages_a_smaller_last_batch(learner, probe):
    y, rng = probe.normal(11) + 3.0, probe.generator()
    b = learner.minibatch_gd(np.zeros((11, 2)), y, 0.5, 5, 4, rng)[1]
    order = [rng.permutation(11) for _ in range(5)][-1]
    # Without features and with lr ½, a step on a batch makes b the mean of its targets.
    assert_close(b, float(y[order[8:]].mean()))


@pytest.mark.stage("whole")
def test_minibatch_gd_ends_with_the_loss_of_what_it_returns(learner, probe):
    x, y = rows_and_targets(probe)
    w, b, losses = learner.minibatch_gd(x, y, 0.03, 2, 4, probe.generator())
    assert_close((losses[0], losses[-1]), (float(np.mean(y**2)), float(np.mean((x @ w + b - y) ** 2))))


@pytest.mark.stage("shape")
def test_sgd_gives_weights_a_bias_and_one_loss_more_than_epochs(learner, probe):
    x, y = rows_and_targets(probe)
    w, b, losses = learner.sgd(x, y, 0.02, 3, probe.generator())
    assert_shape(w, (3,), np.float64)
    assert_shape(b, ())
    assert len(losses) == 4, f"losses has {len(losses)} items, expected 4"


def test_sgd_solves_orthogonal_rows_in_one_epoch(learner, probe):
    assert_close(learner.sgd(X, Y, 0.25, 2, probe.generator()), (np.array([2.0]), 3.0, [13.0, 0.0, 0.0]))


def test_sgd_visits_the_rows_in_a_new_order_every_epoch(learner, probe):
    y, rng = probe.normal(11), probe.generator()
    _, b, losses = learner.sgd(np.zeros((11, 2)), y, 0.5, 6, rng)
    # Without features and with lr ½, a step on a row makes b that row's target.
    last_rows = [rng.permutation(11)[-1] for _ in range(6)]
    assert_close(b, float(y[last_rows[-1]]))
    assert_close(losses[1:], [float(np.mean((y[row] - y) ** 2)) for row in last_rows])
