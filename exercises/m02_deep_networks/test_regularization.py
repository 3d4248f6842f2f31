"""Public checks of the regularizers: run `pytest exercises/m02_deep_networks/test_regularization.py`."""

import numpy as np
import pytest

from autograder.testing import assert_close, assert_gradients, assert_shape


@pytest.mark.stage("shape")
def test_l1_penalty_returns_a_float_and_a_gradient(learner, probe):
    w = probe.normal("D M")
    penalty, gradient = learner.l1_penalty(w, 0.3)
    assert isinstance(penalty, float), "the penalty is a float"
    assert_shape(gradient, w.shape, w.dtype, name="the gradient")


def test_l1_penalty_of_a_case_computed_by_hand(learner):
    penalty, gradient = learner.l1_penalty(np.array([[-2.0, 0.0, 4.0], [0.5, 1.5, -2.0]]), strength=0.25)
    assert_close(penalty, 2.5, name="the penalty")
    assert_close(gradient, np.array([[-0.25, 0.0, 0.25], [0.25, 0.25, -0.25]]), name="the gradient")


@pytest.mark.stage("whole")
def test_l1_penalty_has_the_gradient_that_your_value_shows(learner, probe):
    w, strength = probe.signs("D M") * probe.uniform("D M", 0.3, 2.0), probe.scalar(0.2, 0.9)
    _, gradient = learner.l1_penalty(w, strength)
    assert_gradients(lambda w: learner.l1_penalty(w, strength)[0], [w], [gradient])


@pytest.mark.stage("shape")
def test_l2_penalty_returns_a_float_and_a_gradient(learner, probe):
    w = probe.normal("D M")
    penalty, gradient = learner.l2_penalty(w, 0.3)
    assert isinstance(penalty, float), "the penalty is a float"
    assert_shape(gradient, w.shape, w.dtype, name="the gradient")


def test_l2_penalty_of_a_case_computed_by_hand(learner):
    penalty, gradient = learner.l2_penalty(np.array([[-2.0, 0.0, 4.0], [1.0, 1.0, -2.0]]), strength=0.25)
    assert_close(penalty, 3.25, name="the penalty")
    assert_close(gradient, np.array([[-0.5, 0.0, 1.0], [0.25, 0.25, -0.5]]), name="the gradient")


@pytest.mark.stage("whole")
def test_l2_penalty_has_the_gradient_that_your_value_shows(learner, probe):
    w, strength = probe.normal("D M"), probe.scalar(0.2, 0.9)
    _, gradient = learner.l2_penalty(w, strength)
    assert_gradients(lambda w: learner.l2_penalty(w, strength)[0], [w], [gradient])


@pytest.mark.stage("shape")
def test_dropout_forward_returns_an_array_and_what_was_kept(learner, probe):
    x = probe.normal("N M")
    y, kept = learner.dropout_forward(x, 0.3, probe.generator())
    assert_shape(y, x.shape, x.dtype, name="y")
    assert_shape(kept, x.shape, np.bool_, name="kept")


def test_dropout_forward_keeps_where_the_draw_is_at_least_p(learner, probe):
    _, kept = learner.dropout_forward(probe.normal(3, 5), 0.3, np.random.default_rng(7))
    assert_close(kept, np.random.default_rng(7).random((3, 5)) >= 0.3, name="kept")


def test_dropout_forward_divides_what_it_keeps_by_one_minus_p(learner, probe):
    x = probe.normal(3, 5)
    y, kept = learner.dropout_forward(x, 0.75, np.random.default_rng(7))
    assert_close(y, np.where(kept, 4.0 * x, 0.0), name="y")


def test_dropout_forward_changes_nothing_in_evaluation(learner, probe):
    x = probe.normal("N M")
    assert_close(learner.dropout_forward(x, 0.3, probe.generator(), training=False), (x, None))


@pytest.mark.stage("robust")
def test_dropout_forward_refuses_a_probability_of_one(learner, probe):
    with pytest.raises(ValueError):
        learner.dropout_forward(probe.normal("N M"), 1.0, probe.generator())


@pytest.mark.stage("shape")
def test_dropout_backward_returns_an_array_like_dy(learner, probe):
    dy = probe.normal("N M")
    assert_shape(learner.dropout_backward(dy, probe.signs("N M") > 0, 0.3), dy.shape, dy.dtype)


def test_dropout_backward_of_a_case_computed_by_hand(learner):
    dy, kept = np.array([[3.0, -6.0, 9.0], [1.5, 6.0, -3.0]]), np.array([[True, True, False], [False, True, True]])
    assert_close(learner.dropout_backward(dy, kept, 0.25), np.array([[4.0, -8.0, 0.0], [0.0, 8.0, -4.0]]))


def test_dropout_backward_after_an_evaluation_changes_nothing(learner, probe):
    dy = probe.normal("N M")
    assert_close(learner.dropout_backward(dy, None, 0.3), dy)


@pytest.mark.stage("shape")
def test_max_norm_keeps_the_shape(learner, probe):
    w = probe.normal("D M")
    assert_shape(learner.max_norm(w, 0.7), w.shape, w.dtype)


def test_max_norm_of_a_case_computed_by_hand(learner):
    w = np.array([[3.0, 0.3, -6.0], [4.0, 0.4, 8.0]])  # columns of the lengths 5, 0.5 and 10
    assert_close(learner.max_norm(w, limit=2.5), np.array([[1.5, 0.3, -1.5], [2.0, 0.4, 2.0]]))


@pytest.mark.stage("robust")
def test_max_norm_leaves_a_unit_of_zeros_at_zero(learner):
    w = np.array([[0.0, 3.0], [0.0, 4.0]])
    assert_close(learner.max_norm(w, limit=1.0), np.array([[0.0, 0.6], [0.0, 0.8]]))
