"""Public checks of the activations: run `pytest exercises/m02_deep_networks/test_activations.py`."""

import math

import numpy as np
import pytest

from autograder.testing import assert_close, assert_gradients, assert_shape

LOG3 = np.log(3.0)
BELOW_ONE = 0.5 * (1.0 + math.erf(math.sqrt(0.5)))  # Φ(1), the share of a standard normal below 1
TANH_FORM = 0.5 * (1.0 + math.tanh(math.sqrt(2.0 / math.pi) * 1.044715))  # what the other form takes for it


def away_from_zero(probe):
    return probe.signs("N D") * probe.uniform("N D", 0.3, 3.0)


@pytest.mark.stage("shape")
def test_leaky_relu_keeps_the_shape(learner, probe):
    x = probe.normal("N D")
    assert_shape(learner.leaky_relu(x), x.shape, x.dtype)


def test_leaky_relu_of_known_values(learner):
    x = np.array([[-4.0, 3.0], [0.5, -0.25]])
    assert_close(learner.leaky_relu(x, slope=0.25), np.array([[-1.0, 3.0], [0.5, -0.0625]]))


def test_leaky_relu_has_a_slope_of_a_hundredth_by_default(learner):
    assert_close(learner.leaky_relu(np.array([-300.0, 2.0])), np.array([-3.0, 2.0]))


@pytest.mark.stage("robust")
def test_leaky_relu_with_a_slope_above_one(learner):
    assert_close(learner.leaky_relu(np.array([-1.0, 1.0]), slope=3.0), np.array([-3.0, 1.0]))


@pytest.mark.stage("shape")
def test_leaky_relu_grad_keeps_the_shape(learner, probe):
    x = probe.normal("N D")
    assert_shape(learner.leaky_relu_grad(x, slope=0.3), x.shape, x.dtype)


def test_leaky_relu_grad_of_known_values(learner):
    assert_close(learner.leaky_relu_grad(np.array([-4.0, 0.0, 3.0]), slope=0.25), np.array([0.25, 0.25, 1.0]))


@pytest.mark.stage("whole")
@pytest.mark.task("leaky_relu_grad")
def test_leaky_relu_grad_is_the_slope_of_your_leaky_relu(learner, probe):
    x, slope, dy = away_from_zero(probe), probe.scalar(0.1, 0.9), probe.normal("N D")
    assert_gradients(lambda x: learner.leaky_relu(x, slope), [x], [dy * learner.leaky_relu_grad(x, slope)], dy)


@pytest.mark.stage("shape")
def test_elu_keeps_the_shape(learner, probe):
    x = probe.normal("N D")
    assert_shape(learner.elu(x), x.shape, x.dtype)


def test_elu_of_known_values(learner):
    x = np.array([-np.log(2.0), -LOG3, 0.0, 2.0])
    assert_close(learner.elu(x, alpha=3.0), np.array([-1.5, -2.0, 0.0, 2.0]))


def test_elu_has_an_alpha_of_one_by_default(learner):
    assert_close(learner.elu(np.array([-LOG3, 2.0])), np.array([-2.0 / 3.0, 2.0]))


@pytest.mark.stage("robust")
def test_elu_survives_large_inputs(learner):
    assert_close(learner.elu(np.array([-1000.0, 1000.0]), alpha=3.0), np.array([-3.0, 1000.0]))


@pytest.mark.stage("shape")
def test_elu_grad_keeps_the_shape(learner, probe):
    x = probe.normal("N D")
    assert_shape(learner.elu_grad(x), x.shape, x.dtype)


def test_elu_grad_of_known_values(learner):
    x = np.array([-np.log(2.0), -LOG3, 0.0, 2.0])
    assert_close(learner.elu_grad(x, alpha=3.0), np.array([1.5, 1.0, 3.0, 1.0]))


@pytest.mark.stage("whole")
@pytest.mark.task("elu_grad")
def test_elu_grad_is_the_slope_of_your_elu(learner, probe):
    x, alpha, dy = away_from_zero(probe), probe.scalar(0.3, 3.0), probe.normal("N D")
    assert_gradients(lambda x: learner.elu(x, alpha), [x], [dy * learner.elu_grad(x, alpha)], dy)


@pytest.mark.stage("robust")
def test_elu_grad_survives_large_inputs(learner):
    assert_close(learner.elu_grad(np.array([-1000.0, 1000.0]), alpha=3.0), np.array([0.0, 1.0]))


@pytest.mark.stage("shape")
def test_gelu_keeps_the_shape(learner, probe):
    x = probe.normal("N D")
    assert_shape(learner.gelu(x), x.shape, x.dtype)


def test_gelu_of_known_values(learner):
    x = np.array([-1.0, 0.0, 1.0])
    assert_close(learner.gelu(x), np.array([BELOW_ONE - 1.0, 0.0, BELOW_ONE]))


def test_gelu_with_tanh_of_known_values(learner):
    x = np.array([-1.0, 0.0, 1.0])
    assert_close(learner.gelu(x, approximate=True), np.array([TANH_FORM - 1.0, 0.0, TANH_FORM]))


def test_gelu_has_two_forms_that_are_near_each_other(learner, probe):
    x = 3.0 * probe.normal("N D")
    apart = np.abs(learner.gelu(x) - learner.gelu(x, approximate=True))
    assert apart.max() < 5e-4, "the two forms differ by less than 0.0005"


@pytest.mark.stage("robust")
def test_gelu_survives_large_inputs(learner):
    for approximate in (False, True):
        assert_close(learner.gelu(np.array([-1000.0, 1000.0]), approximate), np.array([0.0, 1000.0]))


@pytest.mark.stage("shape")
def test_gelu_grad_keeps_the_shape(learner, probe):
    x = probe.normal("N D")
    assert_shape(learner.gelu_grad(x), x.shape, x.dtype)


def test_gelu_grad_of_known_values(learner):
    density = math.exp(-0.5) / math.sqrt(2.0 * math.pi)  # φ(1)
    expected = np.array([1.0 - BELOW_ONE - density, 0.5, BELOW_ONE + density])
    assert_close(learner.gelu_grad(np.array([-1.0, 0.0, 1.0])), expected)


@pytest.mark.stage("whole")
@pytest.mark.task("gelu_grad")
def test_gelu_grad_is_the_slope_of_your_gelu(learner, probe):
    x, dy = 2.0 * probe.normal("N D"), probe.normal("N D")
    for approximate in (False, True):
        given = [dy * learner.gelu_grad(x, approximate)]
        assert_gradients(lambda x, form=approximate: learner.gelu(x, form), [x], given, dy)


@pytest.mark.stage("shape")
def test_swish_keeps_the_shape(learner, probe):
    x = probe.normal("N D")
    assert_shape(learner.swish(x), x.shape, x.dtype)


def test_swish_of_known_values(learner):
    assert_close(learner.swish(np.array([-2.0, 0.0, 2.0]), beta=0.5 * LOG3), np.array([-0.5, 0.0, 1.5]))


def test_swish_has_a_beta_of_one_by_default(learner):
    assert_close(learner.swish(np.array([-LOG3, LOG3])), np.array([-0.25 * LOG3, 0.75 * LOG3]))


@pytest.mark.stage("shape")
def test_swish_grad_keeps_the_shape(learner, probe):
    x = probe.normal("N D")
    assert_shape(learner.swish_grad(x), x.shape, x.dtype)


def test_swish_grad_at_zero_is_one_half(learner):
    assert_close(learner.swish_grad(np.zeros(3), beta=2.0), np.full(3, 0.5))


@pytest.mark.stage("whole")
@pytest.mark.task("swish_grad")
def test_swish_grad_is_the_slope_of_your_swish(learner, probe):
    x, beta, dy = probe.normal("N D"), probe.scalar(0.3, 3.0), probe.normal("N D")
    assert_gradients(lambda x: learner.swish(x, beta), [x], [dy * learner.swish_grad(x, beta)], dy)


@pytest.mark.stage("robust")
def test_swish_grad_survives_large_inputs(learner):
    assert_close(learner.swish_grad(np.array([-1000.0, 1000.0]), beta=3.0), np.array([0.0, 1.0]))
