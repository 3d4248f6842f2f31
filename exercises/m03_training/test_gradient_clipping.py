"""Public checks of gradient clipping: run `pytest exercises/m03_training/test_gradient_clipping.py`."""

import math

import pytest
import torch

from autograder.testing import assert_close, assert_shape


def vector(*values):
    return torch.tensor(values, dtype=torch.float64)


def several(probe):
    """The gradients of a model: tensors of several shapes."""
    return [probe.tensor(shape, dtype=torch.float64) for shape in ("N D", "D", "N")]


def with_grads(grads):
    """Parameters for torch's functions, which find the gradients in them."""
    params = [torch.nn.Parameter(torch.zeros_like(grad)) for grad in grads]
    for param, grad in zip(params, grads, strict=True):
        param.grad = grad.clone()
    return params


@pytest.mark.stage("shape")
def test_clip_by_value_returns_a_list_of_gradients_like_those_it_was_given(learner, probe):
    grads = several(probe)
    clipped = learner.clip_by_value(grads, 0.5)
    assert isinstance(clipped, list), "the clipped gradients are a list"
    for got, grad in zip(clipped, grads, strict=True):
        assert_shape(got, grad.shape, grad.dtype, name="a clipped gradient")


def test_clip_by_value_of_a_case_computed_by_hand(learner):
    clipped = learner.clip_by_value([vector(3.0, -0.5, -7.0), None, vector(1.5)], 2.0)
    assert_close(clipped, [vector(2.0, -0.5, -2.0), None, vector(1.5)])


@pytest.mark.stage("whole")
def test_clip_by_value_does_as_torch_does(learner, probe):
    grads = several(probe)
    params = with_grads(grads)
    torch.nn.utils.clip_grad_value_(params, 0.7)
    assert_close(learner.clip_by_value(grads, 0.7), [param.grad for param in params])


@pytest.mark.stage("shape")
def test_clip_by_global_norm_returns_a_list_of_gradients_and_a_float(learner, probe):
    grads = several(probe)
    clipped, norm = learner.clip_by_global_norm(grads, 0.5)
    assert isinstance(clipped, list), "the clipped gradients are a list"
    assert isinstance(norm, float), "the norm is a float"
    for got, grad in zip(clipped, grads, strict=True):
        assert_shape(got, grad.shape, grad.dtype, name="a clipped gradient")


def test_clip_by_global_norm_of_a_case_computed_by_hand(learner):
    clipped, norm = learner.clip_by_global_norm([vector(2.0, -4.0), None, vector(4.0)], 3.0)
    assert_close(norm, 6.0, name="the norm")  # √(4 + 16 + 16)
    assert_close(clipped, [vector(1.0, -2.0), None, vector(2.0)])


def test_clip_by_global_norm_leaves_a_short_gradient_as_it_is(learner):
    clipped, norm = learner.clip_by_global_norm([vector(2.0, -4.0), None, vector(4.0)], 6.5)
    assert_close(norm, 6.0, name="the norm")
    assert_close(clipped, [vector(2.0, -4.0), None, vector(4.0)])


@pytest.mark.stage("whole")
def test_clip_by_global_norm_does_as_torch_does(learner, probe):
    grads = [grad.float() for grad in several(probe)]
    params = with_grads(grads)
    torch.nn.utils.clip_grad_norm_(params, 0.7)
    assert_close(learner.clip_by_global_norm(grads, 0.7)[0], [param.grad for param in params])


@pytest.mark.stage("robust")
def test_clip_by_global_norm_of_gradients_whose_squares_overflow(learner):
    (clipped,), _ = learner.clip_by_global_norm([torch.tensor([3e30, -4e30])], 1.0)
    assert_close(clipped, torch.tensor([0.6, -0.8]))


@pytest.mark.stage("robust")
def test_clip_by_global_norm_of_nothing_but_zeros(learner):
    assert_close(learner.clip_by_global_norm([vector(0.0, 0.0)], 0.5), ([vector(0.0, 0.0)], 0.0))


@pytest.mark.stage("robust")
def test_clip_by_global_norm_refuses_infinities_and_nan(learner):
    for wrong in (math.inf, math.nan):
        with pytest.raises(ValueError):
            learner.clip_by_global_norm([vector(1.0, wrong), vector(2.0)], 2.0)
