"""Hidden checks of the penalties, of dropout and of max-norm.

Dropout is checked by replay of its draws. One check counts instead: of 40,000 entries the share that is dropped has a standard
error of at most 0.25 %, and the 2 % that are allowed are 8 of these, a false alarm in 10^14 runs.
"""

import math
from copy import deepcopy

import numpy as np
import pytest

from autograder.testing import assert_close, assert_gradients, assert_shape, made

SEED = 20  # of a generator that stays with the learner's code and moves on from call to call


def random_mask(probe, *spec):
    """Both values occur."""
    return probe.signs(*spec) > 0


def assert_penalty(result, w):
    """A float and an array like the weights."""
    assert isinstance(result, tuple | list) and len(result) == 2, "it returns the penalty and its gradient"
    assert isinstance(result[0], float), "the penalty is a float"
    assert_shape(result[1], w.shape, w.dtype, name="the gradient")


# l1_penalty


@pytest.mark.stage("shape")
def test_l1_penalty_returns_a_float_and_a_gradient(learner, probe):
    for w in (probe.normal("D M"), probe.normal("M"), probe.normal("D M C")):
        assert_penalty(learner.l1_penalty(w, probe.scalar(0.2, 0.9)), w)


def test_l1_penalty_adds_up_sizes_and_not_signs(learner, probe):
    w, strength = np.abs(probe.normal("D M")), probe.scalar(0.2, 0.9)
    flipped = w * probe.signs("D M")
    assert_close(learner.l1_penalty(flipped, strength)[0], learner.l1_penalty(w, strength)[0], name="the penalty")


def test_l1_penalty_is_the_strength_times_the_sum_of_sizes(learner, probe):
    w, strength = probe.normal("D M"), probe.scalar(0.2, 0.9)
    expected = strength * math.fsum(abs(value) for value in w.ravel())
    assert_close(learner.l1_penalty(w, strength)[0], expected, name="the penalty")


def test_l1_penalty_pulls_every_weight_with_the_same_force(learner, probe):
    w, strength = probe.normal("D M"), probe.scalar(0.2, 0.9)
    _, gradient = learner.l1_penalty(w, strength)
    assert_close(gradient, np.where(w > 0, strength, -strength), name="the gradient")


@pytest.mark.stage("whole")
def test_l1_penalty_equals_the_reference(learner, reference, probe):
    w, strength = 3.0 * probe.normal("D M"), probe.scalar(1.5, 4.0)
    assert_close(learner.l1_penalty(w, strength=strength), reference.l1_penalty(w, strength))


@pytest.mark.stage("whole")
def test_l1_penalty_has_the_gradient_that_its_value_shows(learner, reference, probe):
    w, strength = probe.signs("D M") * probe.uniform("D M", 0.3, 2.0), probe.scalar(0.2, 0.9)
    _, gradient = learner.l1_penalty(w, strength)
    assert_gradients(lambda w: reference.l1_penalty(w, strength)[0], [w], [gradient])


@pytest.mark.stage("robust")
def test_l1_penalty_leaves_a_weight_of_zero_alone(learner, probe):
    w, strength = probe.normal("D M"), probe.scalar(0.2, 0.9)
    w[0] = 0.0
    _, gradient = learner.l1_penalty(w, strength)
    assert_close(gradient, np.where(w == 0, 0.0, np.where(w > 0, strength, -strength)), name="the gradient")


@pytest.mark.stage("robust")
def test_l1_penalty_of_tiny_and_of_huge_weights(learner, reference, probe):
    for w in (1e-12 * probe.normal("D M"), probe.extreme("D M")):
        strength = probe.scalar(0.2, 0.9)
        assert_close(learner.l1_penalty(w, strength), reference.l1_penalty(w, strength))


@pytest.mark.stage("robust")
def test_l1_penalty_of_a_vector_a_stack_and_a_strength_of_zero(learner, reference, probe):
    for w in (probe.normal("M"), probe.normal("D M C"), probe.normal("1 M"), 3.0 * probe.normal(1, 1), probe.normal(1)):
        for strength in (probe.scalar(0.2, 0.9), 0.0):
            assert_close(learner.l1_penalty(w, strength), reference.l1_penalty(w, strength))


@pytest.mark.stage("robust")
def test_l1_penalty_of_tall_wide_and_square_weights(learner, reference, probe):
    strength = probe.scalar(0.2, 0.9)
    for shape in ((2, 5), (5, 2), (3, 3), (20, 30)):
        w = probe.normal(*shape)
        assert_close(learner.l1_penalty(w, strength), reference.l1_penalty(w, strength))


# l2_penalty


@pytest.mark.stage("shape")
def test_l2_penalty_returns_a_float_and_a_gradient(learner, probe):
    for w in (probe.normal("D M"), probe.normal("M"), probe.normal("D M C")):
        assert_penalty(learner.l2_penalty(w, probe.scalar(0.2, 0.9)), w)


def test_l2_penalty_is_half_the_strength_times_the_sum_of_squares(learner, probe):
    w, strength = probe.normal("D M"), probe.scalar(0.2, 0.9)
    expected = strength * math.fsum(value * value for value in w.ravel()) / 2.0
    assert_close(learner.l2_penalty(w, strength)[0], expected, name="the penalty")


def test_l2_penalty_of_twice_the_weights_is_four_times_as_large(learner, probe):
    w, strength = probe.normal("D M"), probe.scalar(0.2, 0.9)
    once, twice = learner.l2_penalty(w, strength)[0], learner.l2_penalty(2.0 * w, strength)[0]
    assert_close(twice, 4.0 * once, name="the penalty of 2w")
    assert once > 0, "the penalty is positive"


def test_l2_penalty_pulls_every_weight_in_proportion_to_its_size(learner, probe):
    w, strength = probe.normal("D M"), probe.scalar(0.2, 0.9)
    assert_close(learner.l2_penalty(w, strength)[1], strength * w, name="the gradient")


@pytest.mark.stage("whole")
def test_l2_penalty_equals_the_reference(learner, reference, probe):
    w, strength = 3.0 * probe.normal("D M"), probe.scalar(1.5, 4.0)
    assert_close(learner.l2_penalty(w, strength=strength), reference.l2_penalty(w, strength))


@pytest.mark.stage("whole")
def test_l2_penalty_has_the_gradient_that_its_value_shows(learner, reference, probe):
    w, strength = probe.normal("D M"), probe.scalar(0.2, 0.9)
    _, gradient = learner.l2_penalty(w, strength)
    assert_gradients(lambda w: reference.l2_penalty(w, strength)[0], [w], [gradient])


@pytest.mark.stage("robust")
def test_l2_penalty_of_huge_weights(learner, reference, probe):
    w, strength = probe.extreme("D M"), probe.scalar(0.2, 0.9)
    assert_close(learner.l2_penalty(w, strength), reference.l2_penalty(w, strength))


@pytest.mark.stage("robust")
def test_l2_penalty_of_a_vector_a_stack_and_a_strength_of_zero(learner, reference, probe):
    for w in (probe.normal("M"), probe.normal("D M C"), probe.normal("1 M"), 3.0 * probe.normal(1, 1), probe.normal(1)):
        for strength in (probe.scalar(0.2, 0.9), 0.0):
            assert_close(learner.l2_penalty(w, strength), reference.l2_penalty(w, strength))


@pytest.mark.stage("robust")
def test_l2_penalty_of_tall_wide_and_square_weights(learner, reference, probe):
    strength = probe.scalar(0.2, 0.9)
    for shape in ((2, 5), (5, 2), (3, 3), (20, 30)):
        w = probe.normal(*shape)
        assert_close(learner.l2_penalty(w, strength), reference.l2_penalty(w, strength))


@pytest.mark.stage("robust")
def test_l2_penalty_gives_a_gradient_of_its_own_also_at_a_strength_of_one(learner, probe):
    text = "lambda penalty, w, strength: __import__('numpy').shares_memory(penalty(w, strength)[1], w)"
    for strength in (probe.scalar(0.2, 0.9), 1.0):
        shared = made(learner, text)(learner.l2_penalty, probe.normal("D M"), strength)
        assert shared is False, "the gradient and the weights are different arrays"


# dropout_forward

MANY = (13, 17)  # so many entries that some are kept and some dropped


def rate(probe):
    """A probability of being dropped, far from one half."""
    return probe.choice([probe.scalar(0.15, 0.35), probe.scalar(0.65, 0.85)])


@pytest.mark.stage("shape")
def test_dropout_forward_returns_an_array_and_what_was_kept(learner, probe):
    for spec in ("N M", "M", "N D M"):
        x = probe.normal(spec)
        result = learner.dropout_forward(x, rate(probe), probe.generator())
        assert isinstance(result, tuple | list) and len(result) == 2, "dropout_forward returns y and kept"
        assert_shape(result[0], x.shape, x.dtype, name="y")
        assert_shape(result[1], x.shape, np.bool_, name="kept")


def test_dropout_forward_keeps_where_the_draw_is_at_least_p(learner, probe):
    rng, p = probe.generator(), rate(probe)
    _, kept = learner.dropout_forward(probe.normal(*MANY), p, rng)
    assert_close(kept, deepcopy(rng).random(MANY) >= p, name="kept")


def test_dropout_forward_sets_to_zero_what_is_not_kept(learner, probe):
    y, kept = learner.dropout_forward(probe.normal(*MANY), rate(probe), probe.generator())
    assert_close(y != 0, kept, name="where y is not zero")


def test_dropout_forward_divides_what_is_kept_by_the_probability_of_it(learner, probe):
    x, p = probe.normal(*MANY), rate(probe)
    y, kept = learner.dropout_forward(x, p, probe.generator())
    assert_close(y[kept], x[kept] / (1.0 - p), name="the entries that were kept")


def test_dropout_forward_changes_nothing_in_evaluation(learner, probe):
    x = probe.normal("N M")
    y, kept = learner.dropout_forward(x, rate(probe), probe.generator(), training=False)
    assert_close(y, x, name="y")
    assert kept is None, "kept is None in evaluation"


def test_dropout_forward_trains_by_default(learner, probe):
    x, p, rng = probe.normal(*MANY), rate(probe), probe.generator()
    assert_close(learner.dropout_forward(x, p, rng), learner.dropout_forward(x, p, rng, True))


@pytest.mark.stage("whole")
def test_dropout_forward_equals_the_reference(learner, reference, probe):
    rng = probe.generator()
    for p in (probe.scalar(0.15, 0.35), probe.scalar(0.65, 0.85)):
        for spec in ("13 17", "M", "N D M"):
            x = probe.normal(spec)
            for training in (True, False):
                expected = reference.dropout_forward(x, p, rng, training=training)
                assert_close(learner.dropout_forward(x, p, rng, training=training), expected)


@pytest.mark.stage("whole")
def test_dropout_forward_drops_the_share_p_and_keeps_the_mean(learner, probe):
    p = rate(probe)
    y, kept = learner.dropout_forward(np.ones((160, 250)), p, probe.generator())
    assert abs(1.0 - kept.mean() - p) < 0.02, "the share of entries that are dropped is p"
    # The mean of y is the share that is kept over 1 - p, which is at least 0.15: an error of 0.02 grows to 0.14.
    assert abs(y.mean() - 1.0) < 0.14, "the mean of all entries is what it was"


@pytest.mark.stage("robust")
def test_dropout_forward_keeps_zeros_as_often_as_other_entries(learner, probe):
    rng, p = probe.generator(), rate(probe)
    y, kept = learner.dropout_forward(np.zeros(MANY), p, rng)
    assert_close(y, np.zeros(MANY), name="y")
    assert_close(kept, deepcopy(rng).random(MANY) >= p, name="kept")


@pytest.mark.stage("robust")
def test_dropout_forward_keeps_an_entry_whose_draw_is_p_itself(learner, probe):
    rng, x = probe.generator(), probe.normal(*MANY)
    drawn = deepcopy(rng).random(x.shape)
    _, kept = learner.dropout_forward(x, float(drawn[1, 0]), rng)
    assert_close(kept, drawn >= drawn[1, 0], name="kept")


@pytest.mark.stage("robust")
def test_dropout_forward_with_p_zero_keeps_everything(learner, probe):
    x = probe.normal("N M")
    assert_close(learner.dropout_forward(x, 0.0, probe.generator()), (x, np.ones(x.shape, dtype=bool)))


@pytest.mark.stage("robust")
def test_dropout_forward_refuses_what_is_no_probability_below_one(learner, probe):
    for p in (-0.1, 1.0, 1.3):
        for training in (True, False):
            with pytest.raises(ValueError):
                learner.dropout_forward(probe.normal("N M"), p, probe.generator(), training)


@pytest.mark.stage("robust")
def test_dropout_forward_draws_once_in_training_and_not_at_all_in_evaluation(learner, probe):
    replay, rng = np.random.default_rng(SEED), learner.library("numpy").random.default_rng(SEED)
    x, p = probe.normal(*MANY), rate(probe)
    for share, training in ((p, False), (p, True), (0.0, True), (p, False), (p, True)):
        _, kept = learner.dropout_forward(x, share, rng, training=training)
        if training:
            assert_close(kept, replay.random(x.shape) >= share, name="kept")


# dropout_backward


@pytest.mark.stage("shape")
def test_dropout_backward_returns_an_array_like_dy(learner, probe):
    for spec in ("N M", "M", "N D M"):
        dy = probe.normal(spec)
        for kept in (random_mask(probe, spec), None):
            assert_shape(learner.dropout_backward(dy, kept, rate(probe)), dy.shape, dy.dtype)


def test_dropout_backward_stops_at_what_was_dropped(learner, probe):
    dy, kept = probe.normal("N M"), random_mask(probe, "N M")
    dx = learner.dropout_backward(dy, kept, rate(probe))
    assert_close(dx[~kept], np.zeros(int((~kept).sum())), name="dx of the entries that were dropped")


def test_dropout_backward_divides_where_an_entry_was_kept(learner, probe):
    dy, kept, p = probe.normal("N M"), random_mask(probe, "N M"), rate(probe)
    dx = learner.dropout_backward(dy, kept, p)
    assert_close(dx[kept], dy[kept] / (1.0 - p), name="dx of the entries that were kept")


def test_dropout_backward_after_an_evaluation_changes_nothing(learner, probe):
    dy = probe.normal("N M")
    assert_close(learner.dropout_backward(dy, None, rate(probe)), dy)


@pytest.mark.stage("whole")
def test_dropout_backward_equals_the_reference(learner, reference, probe):
    for p in (probe.scalar(0.15, 0.35), probe.scalar(0.65, 0.85)):
        for spec in ("N M", "M", "N D M"):
            dy = probe.normal(spec)
            for kept in (random_mask(probe, spec), None):
                assert_close(learner.dropout_backward(dy, kept, p), reference.dropout_backward(dy, kept, p))


@pytest.mark.stage("whole")
@pytest.mark.task("dropout_backward")
def test_dropout_backward_gives_the_slopes_of_dropout_forward(learner, reference, probe):
    x, dy, p, rng = probe.normal(4, 7), probe.normal(4, 7), rate(probe), probe.generator()
    for training in (True, False):
        _, kept = reference.dropout_forward(x, p, rng, training)

        def forward(x, training=training):
            return reference.dropout_forward(x, p, rng, training)[0]

        assert_gradients(forward, [x], [learner.dropout_backward(dy, kept, p)], dy)


@pytest.mark.stage("robust")
def test_dropout_backward_where_everything_or_nothing_was_kept(learner, probe):
    dy, p = probe.normal("N M"), rate(probe)
    assert_close(learner.dropout_backward(dy, np.ones(dy.shape, dtype=bool), p), dy / (1.0 - p))
    assert_close(learner.dropout_backward(dy, np.zeros(dy.shape, dtype=bool), p), np.zeros(dy.shape))
    assert_close(learner.dropout_backward(dy, np.ones(dy.shape, dtype=bool), 0.0), dy)


# max_norm


def columns(probe, *lengths):
    """Weights whose columns point anywhere and have these lengths."""
    w = probe.normal("D", len(lengths))
    return w / np.sqrt((w**2).sum(axis=0)) * np.array(lengths)


def column_lengths(w):
    return np.array([math.sqrt(math.fsum(value * value for value in column)) for column in w.T])


@pytest.mark.stage("shape")
def test_max_norm_keeps_shape_and_dtype(learner, probe):
    for spec in ("D M", "M D"):
        w = probe.normal(spec)
        assert_shape(learner.max_norm(w, probe.scalar(0.2, 0.9)), w.shape, w.dtype)


def test_max_norm_leaves_units_within_the_limit_as_they_are(learner, probe):
    limit = probe.scalar(0.5, 3.0)
    w = columns(probe, *(limit * probe.uniform("M", 0.1, 0.95)))
    assert_close(learner.max_norm(w, limit), w)


def test_max_norm_gives_units_that_are_too_long_the_length_of_the_limit(learner, probe):
    limit = probe.scalar(0.5, 3.0)
    w = columns(probe, *(limit * probe.uniform("M", 1.1, 4.0)))
    assert_close(column_lengths(learner.max_norm(w, limit=limit)), np.full(probe.size("M"), limit), name="the lengths")


def test_max_norm_keeps_the_direction_of_every_unit(learner, probe):
    limit = probe.scalar(0.5, 3.0)
    w = columns(probe, *(limit * probe.uniform("M", 0.2, 4.0)))
    new = learner.max_norm(w, limit)
    assert_close(new / column_lengths(new), w / column_lengths(w), name="the directions of the columns")


def test_max_norm_judges_every_unit_by_itself(learner, probe):
    limit = probe.scalar(0.5, 3.0)
    shares = np.array([0.3, 2.5, 0.95, 1.05, 7.0])
    w = columns(probe, *(limit * shares))
    assert_close(column_lengths(learner.max_norm(w, limit)), limit * np.minimum(shares, 1.0), name="the lengths")


@pytest.mark.stage("whole")
def test_max_norm_equals_the_reference(learner, reference, probe):
    limit = probe.scalar(0.5, 3.0)
    w = columns(probe, *(limit * probe.uniform("M", 0.2, 3.0)))
    assert_close(learner.max_norm(w, limit), reference.max_norm(w, limit))


@pytest.mark.stage("whole")
def test_max_norm_agrees_with_a_loop_over_the_units(learner, probe):
    limit = probe.scalar(0.5, 3.0)
    w = columns(probe, *(limit * probe.uniform("M", 0.2, 3.0)))
    expected = [column * min(1.0, limit / math.hypot(*column)) for column in w.T]
    assert_close(learner.max_norm(w, limit), np.stack(expected, axis=1))


@pytest.mark.stage("whole")
def test_max_norm_applied_again_changes_nothing(learner, probe):
    limit = probe.scalar(0.5, 3.0)
    new = learner.max_norm(columns(probe, 3.0 * limit, 0.4 * limit, 1.5 * limit), limit)
    assert_close(learner.max_norm(new, limit), new)


@pytest.mark.stage("robust")
def test_max_norm_leaves_a_unit_of_zeros_at_zero(learner, reference, probe):
    limit = probe.scalar(0.5, 3.0)
    w = columns(probe, 2.0 * limit, 0.5 * limit, 1.0)
    w[:, 2] = 0.0
    assert_close(learner.max_norm(w, limit), reference.max_norm(w, limit))


@pytest.mark.stage("robust")
def test_max_norm_of_huge_and_of_tiny_weights(learner, reference, probe):
    w, limit = probe.extreme("D M"), probe.scalar(0.5, 3.0)
    assert_close(learner.max_norm(w, limit), reference.max_norm(w, limit))
    assert_close(learner.max_norm(1e-9 * w, 1e-8 * limit), reference.max_norm(1e-9 * w, 1e-8 * limit))


@pytest.mark.stage("robust")
def test_max_norm_of_a_single_input_or_unit_of_many_inputs_and_of_a_square(learner, reference, probe):
    for w in (2.0 * probe.normal("1 M"), 2.0 * probe.normal("D 1"), 2.0 * probe.normal(90, 3), probe.normal(4, 4)):
        limit = float(np.median(column_lengths(w))) * 0.9
        assert_close(learner.max_norm(w, limit), reference.max_norm(w, limit))
