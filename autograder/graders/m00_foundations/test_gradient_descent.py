"""Hidden checks of gradient descent on linear regression, and of the mini-batches it runs on."""

from copy import deepcopy

import numpy as np
import pytest

from autograder.testing import assert_close, assert_shape, made

# With a column of ones beside them, these rows are orthogonal: one step of the right size solves all that it looks at.
ORTHOGONAL = np.array([[1.0, 1.0, 1.0], [1.0, -1.0, -1.0], [-1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]])


def regression(probe, rows=11):
    """Rows, a prime number of them, and targets that no line through them meets; the mean of the targets is not 0."""
    return probe.normal(rows, 3), 2.0 * probe.normal(rows) + 3.0


def assert_shapes(result, features, records):
    w, b, losses = result
    assert_shape(w, (features,), np.float64, name="w")
    assert isinstance(b, float), f"b is a {type(b).__name__} where a float was expected"
    assert isinstance(losses, list), f"losses is a {type(losses).__name__} where a list was expected"
    assert len(losses) == records, f"losses has {len(losses)} items, expected {records}"


def mean_squared_error(x, y, w, b):
    return float(np.mean((x @ w + b - y) ** 2))


@pytest.mark.stage("shape")
def test_iterate_minibatches_gives_full_batches_and_a_smaller_last_one(learner, probe):
    x, y = regression(probe)
    for rng in (None, probe.generator()):
        batches = list(learner.iterate_minibatches(x, y, 4, rng))
        assert len(batches) == 3, f"{len(batches)} batches of 4 from 11 rows, expected 3"
        for (x_batch, y_batch), rows in zip(batches, (4, 4, 3), strict=True):
            assert_shape(x_batch, (rows, 3), np.float64, name="x_batch")
            assert_shape(y_batch, (rows,), np.float64, name="y_batch")


def test_iterate_minibatches_keeps_the_order_without_a_generator(learner, probe):
    x, y = regression(probe)
    expected = [(x[:4], y[:4]), (x[4:8], y[4:8]), (x[8:], y[8:])]
    assert_close(list(learner.iterate_minibatches(x, y, 4)), expected)


def test_iterate_minibatches_gives_no_empty_batch_when_the_size_divides_the_rows(learner, probe):
    x, y = regression(probe, rows=12)
    expected = [(x[:4], y[:4]), (x[4:8], y[4:8]), (x[8:], y[8:])]
    assert_close(list(learner.iterate_minibatches(x, y, 4)), expected)


def test_iterate_minibatches_keeps_every_row_with_its_target(learner, probe):
    x = probe.normal(11, 3)
    for x_batch, y_batch in learner.iterate_minibatches(x, x.sum(axis=1), 3, probe.generator()):
        assert_close(y_batch, x_batch.sum(axis=1))


def test_iterate_minibatches_gives_every_row_once_when_it_shuffles(learner, probe):
    x, y = regression(probe)
    batches = list(learner.iterate_minibatches(x, y, 4, probe.generator()))
    assert_close(np.sort(np.concatenate([y_batch for _, y_batch in batches])), np.sort(y))


@pytest.mark.stage("whole")
def test_iterate_minibatches_takes_its_order_from_one_permutation(learner, probe):
    (x, y), rng = regression(probe, rows=13), probe.generator()
    batches = list(learner.iterate_minibatches(x, y, 5, rng=rng))
    order = rng.permutation(13)
    assert_close(batches, [(x[rows], y[rows]) for rows in (order[:5], order[5:10], order[10:])])


@pytest.mark.stage("whole")
def test_iterate_minibatches_equals_the_reference_for_every_size(learner, reference, probe):
    (x, y), rng = regression(probe, rows=7), probe.generator()
    for batch_size in range(1, 10):
        batches = list(learner.iterate_minibatches(x, y, batch_size, rng))
        assert_close(batches, list(reference.iterate_minibatches(x, y, batch_size, rng)))


@pytest.mark.stage("whole")
def test_iterate_minibatches_draws_one_permutation_and_nothing_else(learner, probe):
    (x, y), rng = regression(probe), probe.generator()
    following = "lambda batches, x, y, size, rng: [list(batches(x, y, size, rng)), rng.permutation(len(x))]"
    replay = deepcopy(rng)
    expected = [replay.permutation(11) for _ in range(2)][-1]
    for batch_size in (4, 11, 50):
        got = learner.library("builtins").eval(following)(learner.iterate_minibatches, x, y, batch_size, deepcopy(rng))
        assert_close(got[1], expected, name="the permutation that comes next")


@pytest.mark.stage("whole")
def test_iterate_minibatches_leaves_a_batch_as_it_was_when_the_next_one_comes(learner, probe):
    (x, y), rng = regression(probe, rows=12), probe.generator()
    kept = "lambda batches, x, y, rng: [batch for batch, _ in list(batches(x, y, 4, rng))]"
    got = learner.library("builtins").eval(kept)(learner.iterate_minibatches, x, y, rng)
    order = rng.permutation(12)
    assert_close(got, [x[order[:4]], x[order[4:8]], x[order[8:]]], name="the batches of x, kept in a list")


@pytest.mark.stage("robust")
def test_iterate_minibatches_of_one_row_and_of_batches_larger_than_the_data(learner, probe):
    x, y = regression(probe)
    assert_close(list(learner.iterate_minibatches(x, y, 100)), [(x, y)])
    assert_close(list(learner.iterate_minibatches(x[:1], y[:1], 2, probe.generator())), [(x[:1], y[:1])])


@pytest.mark.stage("robust")
def test_iterate_minibatches_refuses_a_size_below_one(learner, probe):
    x, y = regression(probe)
    for batch_size in (0, -1, -4):
        with pytest.raises(ValueError):
            list(learner.iterate_minibatches(x, y, batch_size))


@pytest.mark.stage("shape")
def test_batch_gd_gives_weights_a_bias_and_one_loss_more_than_steps(learner, probe):
    x, y = regression(probe)
    assert_shapes(learner.batch_gd(x, y, 0.05, 4), features=3, records=5)


def test_batch_gd_without_steps_returns_zeros_and_their_loss(learner, probe):
    x, y = regression(probe)
    result = learner.batch_gd(x, y, 0.1, 0)
    assert_close(result, (np.zeros(3), 0.0, [float(np.mean(y**2))]))
    assert_shapes(result, features=3, records=1)


def test_batch_gd_takes_its_first_step_along_the_mean_gradient(learner, probe):
    (x, y), lr = regression(probe), probe.scalar(0.02, 0.1)
    w, b, _ = learner.batch_gd(x, y, lr, 1)
    assert_close((w, b), (2.0 * lr * x.T @ y / 11, 2.0 * lr * float(y.mean())))


def test_batch_gd_moves_weights_and_bias_at_the_same_time(learner):
    w, b, _ = learner.batch_gd(np.array([[1.0], [3.0]]), np.array([2.0, 4.0]), 0.125, 2)
    # First step: errors (-2, -4), so w = 7/4 and b = 3/4. Second: errors (1/2, 2), so w -= 13/16 and b -= 5/16.
    assert_close((w, b), (np.array([0.9375]), 0.4375))


def test_batch_gd_ends_with_the_loss_of_what_it_returns(learner, probe):
    x, y = regression(probe)
    w, b, losses = learner.batch_gd(x, y, 0.05, 3)
    assert_close(losses[-1], mean_squared_error(x, y, w, b))


def test_batch_gd_solves_orthogonal_rows_in_one_step_and_stays_there(learner, probe):
    y = probe.normal(4)
    w, b, losses = learner.batch_gd(ORTHOGONAL, y, 0.5, 3)
    assert_close((w, b, losses), (ORTHOGONAL.T @ y / 4.0, float(y.mean()), [float(np.mean(y**2)), 0.0, 0.0, 0.0]))


@pytest.mark.stage("whole")
def test_batch_gd_equals_the_reference(learner, reference, probe):
    (x, y), lr = regression(probe), probe.scalar(0.02, 0.1)
    for scale in (1.0, 1e4):
        expected = reference.batch_gd(x, scale * y, lr=lr, steps=9)
        assert_close(learner.batch_gd(x, scale * y, lr=lr, steps=9), expected)


@pytest.mark.stage("whole")
def test_batch_gd_converges_to_the_least_squares_solution(learner, probe):
    y = probe.normal(12) + 2.0
    x, _ = np.linalg.qr(np.hstack([np.ones((12, 1)), probe.normal(12, 3)]))
    x = np.sqrt(12.0) * x[:, 1:]  # (12, 3), columns of length sqrt(12), orthogonal to each other and to the ones
    w, b, _ = learner.batch_gd(x, y, 0.3, 60)
    solution = np.linalg.lstsq(np.hstack([x, np.ones((12, 1))]), y, rcond=None)[0]
    assert_close((w, b), (solution[:-1], float(solution[-1])))


@pytest.mark.stage("robust")
def test_batch_gd_on_one_row_and_on_one_feature(learner, reference, probe):
    for rows, features in ((1, 3), (5, 1)):
        x, y = probe.normal(rows, features), probe.normal(rows)
        assert_close(learner.batch_gd(x, y, 0.05, 3), reference.batch_gd(x, y, 0.05, 3))


@pytest.mark.stage("shape")
def test_minibatch_gd_gives_weights_a_bias_and_one_loss_more_than_epochs(learner, probe):
    x, y = regression(probe)
    assert_shapes(learner.minibatch_gd(x, y, 0.03, 3, 4, probe.generator()), features=3, records=4)


def test_minibatch_gd_without_epochs_returns_zeros_and_their_loss(learner, probe):
    x, y = regression(probe)
    expected = (np.zeros(3), 0.0, [float(np.mean(y**2))])
    result = learner.minibatch_gd(x, y, 0.1, 0, 4, probe.generator())
    assert_close(result, expected)
    assert_shapes(result, features=3, records=1)


def test_minibatch_gd_with_all_rows_in_a_batch_is_batch_gd(learner, reference, probe):
    x, y = regression(probe)
    for batch_size in (11, 50):
        result = learner.minibatch_gd(x, y, 0.05, 4, batch_size, probe.generator())
        assert_close(result, reference.batch_gd(x, y, 0.05, 4))


def test_minibatch_gd_takes_a_step_after_every_batch(learner, probe):
    y = probe.normal(4)
    w, b, losses = learner.minibatch_gd(ORTHOGONAL, y, 0.25, 1, 2, probe.generator())
    assert_close((w, b, losses), (ORTHOGONAL.T @ y / 4.0, float(y.mean()), [float(np.mean(y**2)), 0.0]))


def test_minibatch_gd_shuffles_anew_in_every_epoch(learner, probe):
    y, rng = probe.normal(12), probe.generator()
    text = "lambda gd, x, y, rng: [gd(x, y, 0.5, 3, 4, rng), rng.random()]"  # what comes next tells slips apart
    b = made(learner, text)(learner.minibatch_gd, np.zeros((12, 2)), y, deepcopy(rng))[0][1]
    order = [rng.permutation(12) for _ in range(3)][-1]
    # Without features and with lr ½, a step on a batch makes b the mean of its targets.
    assert_close(b, float(y[order[8:]].mean()))


def test_minibatch_gd_averages_a_smaller_batch_over_its_own_rows(learner, probe):
    y, rng = probe.normal(11) + 3.0, probe.generator()
    b = learner.minibatch_gd(np.zeros((11, 2)), y, 0.5, 1, 4, rng)[1]
    assert_close(b, float(y[rng.permutation(11)[8:]].mean()))


def test_minibatch_gd_records_the_loss_over_all_rows(learner, probe):
    x, y = regression(probe)
    w, b, losses = learner.minibatch_gd(x, y, 0.03, 2, 4, probe.generator())
    assert_close(losses[-1], mean_squared_error(x, y, w, b))


@pytest.mark.stage("whole")
def test_minibatch_gd_equals_the_reference(learner, reference, probe):
    (x, y), lr, rng = regression(probe), probe.scalar(0.01, 0.05), probe.generator()
    for scale in (1.0, 1e4):
        result = learner.minibatch_gd(x, scale * y, lr=lr, epochs=5, batch_size=4, rng=deepcopy(rng))
        expected = reference.minibatch_gd(x, scale * y, lr=lr, epochs=5, batch_size=4, rng=deepcopy(rng))
        assert_close(result, expected)


@pytest.mark.stage("whole")
def test_minibatch_gd_draws_one_permutation_an_epoch_and_nothing_else(learner, probe):
    (x, y), rng = regression(probe), probe.generator()
    following = "lambda gd, x, y, size, rng: [gd(x, y, 0.03, 3, size, rng), rng.permutation(len(x))]"
    replay = deepcopy(rng)
    expected = [replay.permutation(11) for _ in range(4)][-1]
    for batch_size in (4, 11, 50):
        got = learner.library("builtins").eval(following)(learner.minibatch_gd, x, y, batch_size, deepcopy(rng))
        assert_close(got[1], expected, name="the permutation that comes next")


@pytest.mark.stage("robust")
def test_minibatch_gd_on_one_row_and_on_one_feature(learner, reference, probe):
    for rows, features in ((1, 3), (5, 1)):
        x, y, rng = probe.normal(rows, features), probe.normal(rows), probe.generator()
        assert_close(learner.minibatch_gd(x, y, 0.05, 3, 2, rng), reference.minibatch_gd(x, y, 0.05, 3, 2, rng))


@pytest.mark.stage("shape")
def test_sgd_gives_weights_a_bias_and_one_loss_more_than_epochs(learner, probe):
    x, y = regression(probe)
    assert_shapes(learner.sgd(x, y, 0.02, 3, probe.generator()), features=3, records=4)


def test_sgd_without_epochs_returns_zeros_and_their_loss(learner, probe):
    x, y = regression(probe)
    expected = (np.zeros(3), 0.0, [float(np.mean(y**2))])
    result = learner.sgd(x, y, 0.1, 0, probe.generator())
    assert_close(result, expected)
    assert_shapes(result, features=3, records=1)


def test_sgd_on_one_row_is_batch_gd(learner, reference, probe):
    x, y = regression(probe, rows=1)
    assert_close(learner.sgd(x, y, 0.03, 4, probe.generator()), reference.batch_gd(x, y, 0.03, 4))


def test_sgd_solves_orthogonal_rows_in_one_epoch(learner, probe):
    y, mean = probe.normal(4), probe.scalar(2.0, 5.0)
    b = learner.sgd(np.zeros((4, 3)), np.full(4, mean), 0.5, 1, probe.generator())[1]
    assert_close(b, mean, name="the bias, where all targets are alike")
    w, b, losses = learner.sgd(ORTHOGONAL, y, 0.125, 1, probe.generator())
    assert_close((w, b, losses), (ORTHOGONAL.T @ y / 4.0, float(y.mean()), [float(np.mean(y**2)), 0.0]))


def test_sgd_visits_the_rows_in_a_new_order_every_epoch(learner, probe):
    y, rng = probe.normal(11), probe.generator()
    _, b, losses = learner.sgd(np.zeros((11, 2)), y, 0.5, 6, rng)
    # Without features and with lr ½, a step on a row makes b that row's target.
    last_rows = [rng.permutation(11)[-1] for _ in range(6)]
    assert_close(b, float(y[last_rows[-1]]))
    assert_close(losses[1:], [float(np.mean((y[row] - y) ** 2)) for row in last_rows])


@pytest.mark.stage("whole")
def test_sgd_equals_the_reference(learner, reference, probe):
    (x, y), lr, rng = regression(probe), probe.scalar(0.01, 0.05), probe.generator()
    for scale in (1.0, 1e4):
        result = learner.sgd(x, scale * y, lr=lr, epochs=5, rng=deepcopy(rng))
        assert_close(result, reference.sgd(x, scale * y, lr=lr, epochs=5, rng=deepcopy(rng)))


@pytest.mark.stage("robust")
def test_sgd_on_one_feature(learner, reference, probe):
    x, y, rng = probe.normal(7, 1), probe.normal(7), probe.generator()
    assert_close(learner.sgd(x, y, 0.05, 3, rng), reference.sgd(x, y, 0.05, 3, rng))
