"""Public checks of the normalization layers: run `pytest exercises/m03_training/test_normalization.py`."""

import pytest
import torch
import torch.nn.functional as F

from autograder.testing import assert_close, assert_gradients, assert_shape


def tensor(probe, *spec):
    return probe.tensor(*spec, dtype=torch.float64)


def positive(probe, spec):
    return probe.tensor(probe.uniform(spec, 0.3, 3.0), dtype=torch.float64)


def batch(probe):
    """x, gamma, beta, running_mean and running_var."""
    probe.size("N", at_least=3)
    x = tensor(probe, "N D") * positive(probe, "D") + 2.0 * tensor(probe, "D")
    return x, tensor(probe, "D"), tensor(probe, "D"), tensor(probe, "D"), positive(probe, "D")


@pytest.mark.stage("shape")
def test_batchnorm_forward_returns_y_a_cache_and_two_statistics(learner, probe):
    x, gamma, *rest = batch(probe)
    y, cache, mean, var = learner.batchnorm_forward(x, gamma, *rest, training=True)
    assert_shape(y, x.shape, x.dtype, name="y")
    assert_shape(mean, gamma.shape, x.dtype, name="the running mean")
    assert_shape(var, gamma.shape, x.dtype, name="the running variance")
    assert set(cache) == {"xhat", "inv_std", "gamma"}, "the cache holds xhat, inv_std and gamma"


def test_batchnorm_forward_of_a_case_computed_by_hand(learner):
    x, one, zero = torch.tensor([[1.0], [3.0]]), torch.ones(1), torch.zeros(1)
    y, cache, mean, var = learner.batchnorm_forward(x, 4 * one, one, zero, one, training=True, momentum=0.25, eps=3.0)
    assert_close(cache["inv_std"], torch.tensor([0.5]), name="inv_std")  # the variance is 1
    assert_close(cache["xhat"], torch.tensor([[-0.5], [0.5]]), name="xhat")
    assert_close(y, torch.tensor([[-1.0], [3.0]]), name="y")
    assert_close(mean, torch.tensor([0.5]), name="the running mean")  # 0.75 · 0 + 0.25 · 2
    assert_close(var, torch.tensor([1.25]), name="the running variance")  # 0.75 · 1 + 0.25 · 2, unbiased


def test_batchnorm_forward_in_evaluation_of_a_case_computed_by_hand(learner):
    x, gamma, beta = torch.tensor([[1.0], [3.0]]), torch.tensor([4.0]), torch.tensor([1.0])
    mean, var = torch.tensor([2.0]), torch.tensor([13.0])
    y, _, new_mean, new_var = learner.batchnorm_forward(x, gamma, beta, mean, var, training=False, eps=3.0)
    assert_close(y, torch.tensor([[0.0], [2.0]]), name="y")
    assert_close([new_mean, new_var], [mean, var], name="the running statistics")


@pytest.mark.stage("whole")
def test_batchnorm_forward_is_that_of_torch(learner, probe):
    x, gamma, beta, mean, var = batch(probe)
    for training in (True, False):
        mean_there, var_there = mean.clone(), var.clone()
        expected = F.batch_norm(x, mean_there, var_there, gamma, beta, training, 0.3, 0.2)
        y, _, new_mean, new_var = learner.batchnorm_forward(x, gamma, beta, mean, var, training, 0.3, 0.2)
        assert_close([y, new_mean, new_var], [expected, mean_there, var_there])


@pytest.mark.stage("robust")
def test_batchnorm_forward_refuses_one_row_in_training(learner, probe):
    x, *rest = batch(probe)
    with pytest.raises(ValueError):
        learner.batchnorm_forward(x[:1], *rest, training=True)


@pytest.mark.stage("shape")
def test_batchnorm_backward_returns_three_gradients(learner, probe):
    dy, cache = tensor(probe, "N D"), {"xhat": tensor(probe, "N D"), "inv_std": positive(probe, "D")}
    cache["gamma"] = tensor(probe, "D")
    for gradient, like in zip(learner.batchnorm_backward(dy, cache), (dy, dy[0], dy[0]), strict=True):
        assert_shape(gradient, like.shape, like.dtype)


def test_batchnorm_backward_of_a_case_computed_by_hand(learner):
    cache = {"xhat": torch.tensor([[-0.5], [0.5]]), "inv_std": torch.tensor([0.5]), "gamma": torch.tensor([4.0])}
    dx, dgamma, dbeta = learner.batchnorm_backward(torch.tensor([[1.0], [3.0]]), cache)
    assert_close(dbeta, torch.tensor([4.0]), name="dbeta")
    assert_close(dgamma, torch.tensor([1.0]), name="dgamma")
    assert_close(dx, torch.tensor([[-1.5], [1.5]]), name="dx")  # dy - 2 - x̂ · 0.5, times 4 · 0.5


@pytest.mark.stage("whole")
@pytest.mark.task("batchnorm_backward")
def test_batchnorm_backward_gives_the_slopes_of_your_forward_pass(learner, probe):
    inputs, dy = (tensor(probe, 5, 3), tensor(probe, 3), tensor(probe, 3)), tensor(probe, 5, 3)
    zeros = torch.zeros_like(inputs[1])

    def forward(*given):
        return learner.batchnorm_forward(*given, zeros, zeros, training=True, eps=0.3)[:2]

    gradients = learner.batchnorm_backward(dy, forward(*inputs)[1])
    assert_gradients(lambda *given: forward(*given)[0], inputs, gradients, dy, names=("x", "gamma", "beta"))


@pytest.mark.stage("shape")
def test_layernorm_forward_returns_y_and_a_cache(learner, probe):
    x = tensor(probe, "B T D")
    y, cache = learner.layernorm_forward(x, tensor(probe, "D"), tensor(probe, "D"))
    assert_shape(y, x.shape, x.dtype, name="y")
    assert set(cache) == {"xhat", "inv_std", "gamma"}, "the cache holds xhat, inv_std and gamma"
    assert_shape(cache["inv_std"], (*x.shape[:-1], 1), x.dtype, name="inv_std")


def test_layernorm_forward_of_a_case_computed_by_hand(learner):
    x, gamma, beta = torch.tensor([[1.0, 3.0], [7.0, 5.0]]), torch.tensor([4.0, 2.0]), torch.tensor([1.0, 0.0])
    y, cache = learner.layernorm_forward(x, gamma, beta, eps=3.0)
    assert_close(cache["inv_std"], torch.tensor([[0.5], [0.5]]), name="inv_std")
    assert_close(cache["xhat"], torch.tensor([[-0.5, 0.5], [0.5, -0.5]]), name="xhat")
    assert_close(y, torch.tensor([[-1.0, 1.0], [3.0, -1.0]]), name="y")


@pytest.mark.stage("whole")
def test_layernorm_forward_is_that_of_torch(learner, probe):
    for spec in ("D", "N D", "B T D"):
        x, gamma, beta = tensor(probe, spec) + 2.0, tensor(probe, "D"), tensor(probe, "D")
        y, _ = learner.layernorm_forward(x, gamma, beta, 0.2)
        assert_close(y, F.layer_norm(x, gamma.shape, gamma, beta, 0.2), name="y")


@pytest.mark.stage("shape")
def test_layernorm_backward_returns_three_gradients(learner, probe):
    dy, cache = tensor(probe, "B T D"), {"xhat": tensor(probe, "B T D"), "inv_std": positive(probe, "B T 1")}
    cache["gamma"] = tensor(probe, "D")
    for gradient, like in zip(learner.layernorm_backward(dy, cache), (dy, dy[0, 0], dy[0, 0]), strict=True):
        assert_shape(gradient, like.shape, like.dtype)


def test_layernorm_backward_of_a_case_computed_by_hand(learner):
    cache = {"xhat": torch.tensor([[-1.0, 0.0, 1.0]]), "inv_std": torch.tensor([[0.5]])}
    cache["gamma"] = torch.tensor([1.0, 2.0, 0.0])
    dx, dgamma, dbeta = learner.layernorm_backward(torch.tensor([[3.0, 0.0, 5.0]]), cache)
    assert_close(dbeta, torch.tensor([3.0, 0.0, 5.0]), name="dbeta")
    assert_close(dgamma, torch.tensor([-3.0, 0.0, 5.0]), name="dgamma")
    assert_close(dx, torch.tensor([[0.5, -0.5, 0.0]]), name="dx")


@pytest.mark.stage("whole")
@pytest.mark.task("layernorm_backward")
def test_layernorm_backward_gives_the_slopes_of_your_forward_pass(learner, probe):
    inputs, dy = (tensor(probe, 2, 3, 5), tensor(probe, 5), tensor(probe, 5)), tensor(probe, 2, 3, 5)
    gradients = learner.layernorm_backward(dy, learner.layernorm_forward(*inputs, eps=0.3)[1])
    names = ("x", "gamma", "beta")
    assert_gradients(lambda *given: learner.layernorm_forward(*given, eps=0.3)[0], inputs, gradients, dy, names=names)


@pytest.mark.stage("shape")
def test_groupnorm_forward_keeps_shape_and_dtype(learner, probe):
    x = tensor(probe, "B 6 Y X")
    assert_shape(learner.groupnorm_forward(x, 3, tensor(probe, 6), tensor(probe, 6)), x.shape, x.dtype)


def test_groupnorm_forward_of_a_case_computed_by_hand(learner):
    x = torch.tensor([1.0, 3.0, 10.0, 30.0]).reshape(1, 4, 1, 1)
    y = learner.groupnorm_forward(x, 2, torch.tensor([1.0, 2.0, 1.0, 2.0]), torch.ones(4), eps=0.0)
    assert_close(y, torch.tensor([0.0, 3.0, 0.0, 3.0]).reshape(1, 4, 1, 1))


@pytest.mark.stage("whole")
def test_groupnorm_forward_is_that_of_torch(learner, probe):
    x, gamma, beta = tensor(probe, "B 6 Y X") + tensor(probe, "B 6 1 1"), tensor(probe, 6), tensor(probe, 6)
    for groups in (1, 2, 3, 6):
        expected = F.group_norm(x, groups, gamma, beta, 0.2)
        assert_close(learner.groupnorm_forward(x, groups, gamma, beta, 0.2), expected, name=f"y of {groups} groups")


@pytest.mark.stage("robust")
def test_groupnorm_forward_refuses_groups_that_do_not_divide_the_channels(learner, probe):
    with pytest.raises(ValueError):
        learner.groupnorm_forward(tensor(probe, "B 6 Y X"), 4, tensor(probe, 6), tensor(probe, 6))
