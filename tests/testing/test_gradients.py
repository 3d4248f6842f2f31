"""Numerical gradients, and what they say of analytic ones."""

import numpy as np
import pytest

from autograder.testing import CheckFailed, Probe, assert_gradients, numerical_vjp


def softmax(x):
    weights = np.exp(x - x.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def softmax_backward(x, upstream):
    y = softmax(x)
    return y * (upstream - (upstream * y).sum(-1, keepdims=True))


@pytest.fixture
def inputs():
    probe = Probe(3, "gradients")
    return probe.normal("N C"), probe.normal("N C")


@pytest.mark.parametrize("seed", range(20))
def test_a_right_gradient_passes_on_any_input(seed):
    probe = Probe(seed)
    x, upstream = 3 * probe.normal("N C"), probe.normal("N C")
    assert_gradients(softmax, [x], [softmax_backward(x, upstream)], upstream)


def test_a_slightly_wrong_gradient_fails(inputs):
    x, upstream = inputs
    with pytest.raises(CheckFailed, match="the gradient of x are wrong.*every value is 1.0001 times the expected one"):
        assert_gradients(softmax, [x], [1.0001 * softmax_backward(x, upstream)], upstream, names=["x"])


def test_one_gradient_of_several_is_named():
    w, x = np.ones((3, 2)), np.arange(1.0, 4.0)
    with pytest.raises(CheckFailed, match=r"the gradient of input 0 has shape \(2, 3\), expected \(3, 2\)"):
        assert_gradients(lambda w, x: x @ w, [w, x], [np.ones((2, 3)), w @ np.ones(2)])


def test_the_learner_must_hand_over_as_many_gradients_as_inputs(inputs):
    x, upstream = inputs
    with pytest.raises(CheckFailed, match="returned 2 gradients, expected 1"):
        assert_gradients(softmax, [x], (x, x), upstream)
    with pytest.raises(CheckFailed, match="returned None where a tuple of 1 gradients was expected"):
        assert_gradients(softmax, [x], None, upstream)


def test_inputs_without_a_gradient_are_passed_on():
    gradients = numerical_vjp(lambda x, power: x**power, [np.array([1.0, 2.0]), 3], np.array([1.0, 10.0]))
    assert gradients[0] == pytest.approx([3.0, 120.0])
    assert gradients[1] is None


def test_outputs_that_do_not_count_have_no_cotangent():
    value = numerical_vjp(lambda x: (x**2, "cache"), [2.0], (1.0, None))[0]
    assert value == pytest.approx(4.0)


def test_the_inputs_come_back_unchanged(inputs):
    x, upstream = inputs
    before = x.copy()
    numerical_vjp(lambda x: np.exp(x, out=x), [x], upstream)
    assert np.array_equal(x, before)


def test_a_function_that_is_not_finite_measures_nothing():
    with pytest.raises(CheckFailed, match="cannot be measured: the function is not finite"):
        assert_gradients(lambda x: x * np.nan, [np.ones(2)], [np.full(2, np.nan)])


def test_a_result_of_another_shape_than_its_cotangent_is_not_broadcast():
    with pytest.raises(CheckFailed, match=r"the result has shape \(3, 2\), expected \(2, 3\)"):
        numerical_vjp(lambda x: x.T, [np.ones((2, 3))], np.ones((2, 3)))


@pytest.mark.torch
def test_tensors_are_differentiated_in_float64():
    torch = pytest.importorskip("torch")
    x = torch.tensor([0.5, -1.5])
    assert_gradients(lambda x: x.sin(), [x], [x.cos()])
    with pytest.raises(CheckFailed):
        assert_gradients(lambda x: x.sin(), [x], [-x.cos()])
