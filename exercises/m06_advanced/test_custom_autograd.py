"""Public checks of the Functions: run `pytest exercises/m06_advanced/test_custom_autograd.py`."""

import pytest
import torch

from autograder.testing import assert_close, assert_gradients, assert_shape


def swish(x, beta):
    return x * torch.sigmoid(beta * x)


@pytest.mark.stage("shape")
def test_swish_and_its_gradients_have_the_shapes_of_x_and_beta(learner, probe):
    x, beta = probe.tensor("N D"), torch.tensor(probe.scalar(0.3, 2.5))
    y, (dx, dbeta) = learner.vjp(learner.Swish.apply, [x, beta], probe.tensor("N D"))
    assert_shape(y, x.shape, x.dtype, name="y")
    assert_shape(dx, x.shape, x.dtype, name="the gradient of x")
    assert_shape(dbeta, (), x.dtype, name="the gradient of beta")


def test_swish_of_a_case_computed_by_hand(learner):
    beta = torch.tensor(3.0, dtype=torch.float64).log() / 2.0  # σ is ¼, ½, ¾
    x = torch.tensor([-2.0, 0.0, 2.0], dtype=torch.float64)
    y, (dx, dbeta) = learner.vjp(learner.Swish.apply, [x, beta], torch.tensor([1.0, 10.0, 3.0], dtype=torch.float64))
    assert_close(y, torch.tensor([-0.5, 0.0, 1.5], dtype=torch.float64), name="y")
    expected = torch.stack([0.25 - 0.375 * beta, 5.0 + 0.0 * beta, 2.25 + 1.125 * beta])
    assert_close(dx, expected, name="the gradient of x")
    assert_close(dbeta, torch.tensor(3.0, dtype=torch.float64), name="the gradient of beta")  # (1 + 3) · 4 · 3/16


@pytest.mark.stage("whole")
def test_swish_gives_the_slopes_that_are_measured(learner, probe):
    x, dy = probe.tensor("3 5", dtype=torch.float64), probe.tensor("3 5", dtype=torch.float64)
    beta = torch.tensor(probe.scalar(0.3, 2.5), dtype=torch.float64)
    y, gradients = learner.vjp(learner.Swish.apply, [x, beta], dy)
    assert_close(y, swish(x, beta), name="y")
    assert_gradients(swish, [x, beta], gradients, dy, names=("x", "beta"))


@pytest.mark.stage("whole")
def test_swish_can_be_differentiated_twice(learner):
    twice = learner.library("builtins").eval(
        "lambda f, torch, x, beta: torch.autograd.grad("
        "torch.autograd.grad(f(x, beta), x, create_graph=True)[0], (x, beta))"
    )
    x, beta = torch.tensor(0.0, requires_grad=True), torch.tensor(2.0, requires_grad=True)
    got = twice(learner.Swish.apply, learner.library("torch"), x, beta)
    assert_close(got, (torch.tensor(1.0), torch.tensor(0.0)))  # at 0 the slope is ½ and itself has the slope β / 2


@pytest.mark.stage("robust")
def test_swish_survives_huge_inputs(learner):
    x, beta = torch.tensor([-1000.0, 1000.0]), torch.tensor(0.5)
    y, gradients = learner.vjp(learner.Swish.apply, [x, beta], torch.tensor([3.0, 7.0]))
    assert_close(y, torch.tensor([0.0, 1000.0]), name="y")
    assert_close(gradients, [torch.tensor([0.0, 7.0]), torch.tensor(0.0)], name="the gradients")


@pytest.mark.stage("shape")
def test_straight_through_round_keeps_shape_and_dtype(learner, probe):
    x, dy = probe.tensor("N D", dtype=torch.float64), probe.tensor("N D", dtype=torch.float64)
    y, (dx, *_) = learner.vjp(learner.StraightThroughRound.apply, [x, -1, 2], dy)
    assert_shape(y, x.shape, x.dtype, name="y")
    assert_shape(dx, x.shape, x.dtype, name="the gradient of x")


def test_straight_through_round_of_a_case_computed_by_hand(learner):
    x, dy = torch.tensor([-3.4, -1.2, 0.8, 2.0, 2.2, 7.0]), torch.tensor([10.0, 20.0, 30.0, 40.0, 50.0, 60.0])
    y, (dx, *_) = learner.vjp(learner.StraightThroughRound.apply, [x, -2, 2], dy)
    assert_close(y, torch.tensor([-2.0, -1.0, 1.0, 2.0, 2.0, 2.0]), name="y")
    assert_close(dx, torch.tensor([0.0, 20.0, 30.0, 40.0, 0.0, 0.0]), name="the gradient of x")


@pytest.mark.stage("whole")
def test_straight_through_round_has_the_gradient_of_a_plain_cut_off(learner, probe):
    x, dy = 3.0 * probe.tensor("N D", dtype=torch.float64), probe.tensor("N D", dtype=torch.float64)
    y, (dx, *_) = learner.vjp(learner.StraightThroughRound.apply, [x, -1, 2], dy)
    assert_close(y, x.round().clamp(-1, 2), name="y")
    assert_gradients(lambda x: x.clamp(-1, 2), [x], [dx], dy, names=["x"])


@pytest.mark.stage("shape")
def test_gradient_reversal_keeps_shape_and_dtype(learner, probe):
    x, dy = probe.tensor("N D", dtype=torch.float64), probe.tensor("N D", dtype=torch.float64)
    y, (dx, *_) = learner.vjp(learner.GradientReversal.apply, [x, 0.3], dy)
    assert_shape(y, x.shape, x.dtype, name="y")
    assert_shape(dx, x.shape, x.dtype, name="the gradient of x")


def test_gradient_reversal_of_a_case_computed_by_hand(learner):
    x, dy = torch.tensor([1.0, -2.0]), torch.tensor([10.0, -30.0])
    y, (dx, *_) = learner.vjp(learner.GradientReversal.apply, [x, 0.5], dy)
    assert_close(y, x, name="y")
    assert_close(dx, torch.tensor([-5.0, 15.0]), name="the gradient of x")


@pytest.mark.stage("whole")
def test_gradient_reversal_twice_multiplies_both_scales(learner, probe):
    x, dy = probe.tensor("N D", dtype=torch.float64), probe.tensor("N D", dtype=torch.float64)
    twice = learner.library("builtins").eval("lambda reverse: lambda x: reverse(reverse(x, 0.5), 3.0)")
    y, (dx,) = learner.vjp(twice(learner.GradientReversal.apply), [x], dy)
    assert_close([y, dx], [x, 1.5 * dy], name="[y, the gradient of x]")
