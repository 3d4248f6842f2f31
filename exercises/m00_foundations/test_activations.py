"""Public checks of the activation functions: run `pytest exercises/m00_foundations/test_activations.py`."""

import numpy as np
import pytest

from autograder.testing import assert_close, assert_gradients, assert_shape


@pytest.mark.stage("shape")
def test_sigmoid_keeps_the_shape(learner, probe):
    x = probe.normal("N C")
    assert_shape(learner.sigmoid(x), x.shape, x.dtype)


def test_sigmoid_of_known_values(learner):
    assert_close(learner.sigmoid(np.array([-np.log(3.0), 0.0, np.log(3.0)])), np.array([0.25, 0.5, 0.75]))


@pytest.mark.stage("robust")
def test_sigmoid_survives_large_inputs(learner):
    assert_close(learner.sigmoid(np.array([-1000.0, 1000.0])), np.array([0.0, 1.0]))


def test_sigmoid_grad_of_known_values(learner):
    assert_close(learner.sigmoid_grad(np.array([-np.log(3.0), 0.0, np.log(3.0)])), np.array([0.1875, 0.25, 0.1875]))


@pytest.mark.stage("whole")
def test_sigmoid_grad_is_the_slope_of_your_sigmoid(learner, probe):
    x, upstream = probe.normal("N C"), probe.normal("N C")
    assert_gradients(learner.sigmoid, [x], [upstream * learner.sigmoid_grad(x)], upstream)


@pytest.mark.stage("shape")
def test_tanh_keeps_the_shape(learner, probe):
    x = probe.normal("N C")
    assert_shape(learner.tanh(x), x.shape, x.dtype)


def test_tanh_agrees_with_numpy(learner, probe):
    x = probe.normal("N C")
    assert_close(learner.tanh(x), np.tanh(x))


@pytest.mark.stage("robust")
def test_tanh_survives_large_inputs(learner):
    assert_close(learner.tanh(np.array([-1000.0, 1000.0])), np.array([-1.0, 1.0]))


def test_tanh_grad_of_known_values(learner):
    assert_close(learner.tanh_grad(np.array([0.0, 0.5 * np.log(3.0)])), np.array([1.0, 0.75]))


@pytest.mark.stage("whole")
def test_tanh_grad_is_the_slope_of_tanh(learner, probe):
    x, upstream = probe.normal("N C"), probe.normal("N C")
    assert_gradients(np.tanh, [x], [upstream * learner.tanh_grad(x)], upstream)


def test_relu_of_known_values(learner):
    assert_close(learner.relu(np.array([[-2.0, 3.0], [0.5, -0.25]])), np.array([[0.0, 3.0], [0.5, 0.0]]))


@pytest.mark.stage("shape")
def test_relu_grad_has_the_dtype_of_its_input(learner, probe):
    x = probe.normal("N C")
    assert_shape(learner.relu_grad(x), x.shape, x.dtype)


def test_relu_grad_of_known_values(learner):
    assert_close(learner.relu_grad(np.array([-2.0, 0.0, 3.0])), np.array([0.0, 0.0, 1.0]))


@pytest.mark.stage("shape")
def test_softmax_keeps_the_shape(learner, probe):
    x = probe.normal("N C D")
    assert_shape(learner.softmax(x, axis=1), x.shape, x.dtype)


def test_softmax_of_known_values(learner):
    assert_close(learner.softmax(np.log([[1.0, 3.0], [2.0, 2.0]])), np.array([[0.25, 0.75], [0.5, 0.5]]))


def test_softmax_sums_to_one_along_the_given_axis(learner, probe):
    x = probe.normal("N C D")
    assert_close(learner.softmax(x, axis=1).sum(axis=1), np.ones((probe.size("N"), probe.size("D"))))


@pytest.mark.stage("robust")
def test_softmax_survives_large_scores(learner):
    assert_close(learner.softmax(np.array([[1000.0, 1000.0], [-1000.0, -1000.0]])), np.full((2, 2), 0.5))


def test_log_softmax_of_known_values(learner):
    assert_close(learner.log_softmax(np.log([[1.0, 3.0]])), np.log([[0.25, 0.75]]))


def test_log_softmax_follows_the_given_axis(learner, probe):
    x = probe.normal("N C")
    assert_close(np.exp(learner.log_softmax(x, axis=0)).sum(axis=0), np.ones(probe.size("C")))


@pytest.mark.stage("robust")
def test_log_softmax_survives_large_scores(learner):
    assert_close(learner.log_softmax(np.array([[0.0, -2000.0]])), np.array([[0.0, -2000.0]]))
