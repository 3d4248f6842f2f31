"""Public checks of the loss functions: run `pytest exercises/m00_foundations/test_losses.py`."""

import numpy as np
import pytest

from autograder.testing import assert_close, assert_gradients, assert_shape


@pytest.mark.stage("shape")
def test_mse_gives_a_number_and_a_gradient_of_the_same_shape(learner, probe):
    prediction, target = probe.normal("N D"), probe.normal("N D")
    loss, gradient = learner.mse(prediction, target)
    assert_shape(loss, ())
    assert_shape(gradient, prediction.shape, np.float64)


def test_mse_of_known_values(learner):
    prediction, target = np.array([[1.0, 5.0], [2.0, 0.0]]), np.array([[2.0, 2.0], [2.0, 0.0]])
    assert_close(learner.mse(prediction, target), (2.5, np.array([[-0.5, 1.5], [0.0, 0.0]])))


@pytest.mark.stage("whole")
def test_mse_gradient_is_the_slope_of_your_loss(learner, probe):
    prediction, target, upstream = probe.normal("N D"), probe.normal("N D"), probe.scalar(0.3, 3.0)
    gradient = upstream * learner.mse(prediction, target)[1]
    assert_gradients(lambda p: learner.mse(p, target)[0], [prediction], [gradient], upstream)


@pytest.mark.stage("robust")
def test_mse_refuses_a_column_beside_a_row(learner, probe):
    with pytest.raises(ValueError):
        learner.mse(probe.normal("N 1"), probe.normal("N"))


@pytest.mark.stage("shape")
def test_binary_cross_entropy_gives_a_number_and_a_gradient_of_the_same_shape(learner, probe):
    logits = probe.normal("N D")
    loss, gradient = learner.binary_cross_entropy_with_logits(logits, probe.uniform("N D", 0.0, 1.0))
    assert_shape(loss, ())
    assert_shape(gradient, logits.shape, np.float64)


def test_binary_cross_entropy_of_known_values(learner):
    logits, targets = np.array([0.0, np.log(3.0), np.log(3.0)]), np.array([1.0, 1.0, 0.0])
    expected = np.log([2.0, 4.0 / 3.0, 4.0]).mean(), np.array([-0.5, -0.25, 0.75]) / 3.0
    assert_close(learner.binary_cross_entropy_with_logits(logits, targets), expected)


@pytest.mark.stage("whole")
def test_binary_cross_entropy_gradient_is_the_slope_of_your_loss(learner, probe):
    logits, targets, upstream = probe.normal("N D"), probe.uniform("N D", 0.0, 1.0), probe.scalar(0.3, 3.0)
    gradient = upstream * learner.binary_cross_entropy_with_logits(logits, targets)[1]
    loss = lambda z: learner.binary_cross_entropy_with_logits(z, targets)[0]  # noqa: E731
    assert_gradients(loss, [logits], [gradient], upstream)


@pytest.mark.stage("robust")
def test_binary_cross_entropy_survives_large_logits(learner):
    logits, targets = np.array([1000.0, -1000.0, 1000.0, -1000.0]), np.array([0.0, 1.0, 1.0, 0.0])
    expected = 500.0, np.array([0.25, -0.25, 0.0, 0.0])
    assert_close(learner.binary_cross_entropy_with_logits(logits, targets), expected)


@pytest.mark.stage("robust")
def test_binary_cross_entropy_refuses_a_column_beside_a_row(learner, probe):
    with pytest.raises(ValueError):
        learner.binary_cross_entropy_with_logits(probe.normal("N 1"), np.ones(probe.size("N")))


@pytest.mark.stage("shape")
def test_cross_entropy_gives_a_number_and_a_gradient_of_the_same_shape(learner, probe):
    logits = probe.normal("N C")
    loss, gradient = learner.cross_entropy(logits, probe.integers("N", high="C"))
    assert_shape(loss, ())
    assert_shape(gradient, logits.shape, np.float64)


def test_cross_entropy_of_known_values(learner):
    logits, targets = np.log([[1.0, 3.0, 4.0], [1.0, 1.0, 2.0]]), np.array([1, 0])
    gradient = np.array([[0.0625, -0.3125, 0.25], [-0.375, 0.125, 0.25]])
    assert_close(learner.cross_entropy(logits, targets), (np.log([8.0 / 3.0, 4.0]).mean(), gradient))


@pytest.mark.stage("whole")
def test_cross_entropy_gradient_is_the_slope_of_your_loss(learner, probe):
    logits, targets, upstream = probe.normal("N C"), probe.integers("N", high="C"), probe.scalar(0.3, 3.0)
    gradient = upstream * learner.cross_entropy(logits, targets)[1]
    assert_gradients(lambda z: learner.cross_entropy(z, targets)[0], [logits], [gradient], upstream)


@pytest.mark.stage("robust")
def test_cross_entropy_survives_large_logits(learner):
    logits, targets = np.array([[1000.0, 0.0], [0.0, -1000.0]]), np.array([1, 0])
    assert_close(learner.cross_entropy(logits, targets), (500.0, np.array([[0.5, -0.5], [0.0, 0.0]])))


@pytest.mark.stage("robust")
def test_cross_entropy_refuses_a_column_of_targets(learner, probe):
    with pytest.raises(ValueError):
        learner.cross_entropy(probe.normal("N C"), probe.integers("N 1", high="C"))


@pytest.mark.stage("shape")
def test_hinge_gives_a_number_and_a_gradient_of_the_same_shape(learner, probe):
    scores = probe.normal("N")
    loss, gradient = learner.hinge(scores, probe.signs("N"))
    assert_shape(loss, ())
    assert_shape(gradient, scores.shape, np.float64)


def test_hinge_of_known_values(learner):
    scores, targets = np.array([0.5, 0.5, 2.0, -3.0]), np.array([1.0, -1.0, 1.0, -1.0])
    assert_close(learner.hinge(scores, targets), (0.5, np.array([-0.25, 0.25, 0.0, 0.0])))


def test_hinge_uses_the_margin_it_is_given(learner):
    scores, targets = np.array([0.5, 0.5, 2.0, -1.0]), np.array([1.0, -1.0, 1.0, -1.0])
    assert_close(learner.hinge(scores, targets, margin=0.25), (0.1875, np.array([0.0, 0.25, 0.0, 0.0])))


@pytest.mark.stage("robust")
def test_hinge_has_slope_zero_exactly_at_the_margin(learner):
    scores, targets = np.array([1.0, -1.0]), np.array([1.0, -1.0])
    assert_close(learner.hinge(scores, targets), (0.0, np.zeros(2)))


@pytest.mark.stage("robust")
def test_hinge_refuses_a_column_beside_a_row(learner, probe):
    with pytest.raises(ValueError):
        learner.hinge(probe.normal("N 1"), probe.signs("N"))
