"""A dozen hidden checks in torch."""

import pytest
import torch
import torch.nn.functional as F

from autograder.testing import assert_close, assert_shape


@pytest.mark.stage("shape")
def test_softmax_keeps_the_shape(learner, probe):
    x = probe.tensor("B T D")
    assert_shape(learner.softmax(x), x.shape, x.dtype)


def test_softmax_follows_dim(learner, probe):
    x = probe.tensor("B T D")
    assert_close(learner.softmax(x, dim=1), F.softmax(x, 1))


@pytest.mark.stage("robust")
def test_softmax_survives_large_scores(learner, probe):
    x = probe.tensor("B D") + 1000.0
    assert_close(learner.softmax(x), F.softmax(x, -1))


def test_linear_adds_the_bias(learner, probe):
    x, w, b = probe.tensor("N D"), probe.tensor("M D"), probe.tensor("M")
    assert_close(learner.linear(x, w, b), F.linear(x, w, b))


def test_linear_backward_gives_three_gradients(learner, probe):
    x, w, b = (probe.tensor(shape, requires_grad=True) for shape in ("N D", "M D", "M"))
    dy = probe.tensor("N M")
    expected = torch.autograd.grad(F.linear(x, w, b), (x, w, b), dy)
    assert_close(learner.linear_backward(dy, x.detach(), w.detach()), expected)


@pytest.mark.stage("whole")
def test_linear_backward_agrees_with_autograd_of_linear(learner, probe):
    x, w, b, dy = probe.tensor("N D"), probe.tensor("M D"), probe.tensor("M"), probe.tensor("N M")
    _, gradients = learner.vjp("linear", [x, w, b], dy)
    assert_close(learner.linear_backward(dy, x, w), tuple(gradients))


def test_conv2d_without_padding(learner, probe):
    x, w = probe.tensor("2 3 7 8"), probe.tensor("4 3 3 2")
    assert_close(learner.conv2d(x, w), F.conv2d(x, w), terms=18)


def test_conv2d_with_padding(learner, probe):
    x, w = probe.tensor("2 3 7 8"), probe.tensor("4 3 3 2")
    assert_close(learner.conv2d(x, w, padding=1), F.conv2d(x, w, padding=1), terms=18)


@pytest.mark.stage("shape")
@pytest.mark.parametrize("keys", [1, 5])
def test_attention_has_a_row_for_each_query(learner, probe, keys):
    q, k, v = probe.tensor("2 4 7"), probe.tensor(f"2 {keys} 7"), probe.tensor(f"2 {keys} 3")
    assert_shape(learner.attention(q, k, v), (2, 4, 3))


def test_attention_ignores_what_is_masked(learner, probe):
    q, k, v = probe.tensor("2 5 7"), probe.tensor("2 5 7"), probe.tensor("2 5 3")
    mask = torch.ones(5, 5, dtype=torch.bool).tril()
    assert_close(learner.attention(q, k, v, mask)[:, 0], v[:, 0])


@pytest.mark.stage("whole")
def test_attention_equals_torch(learner, probe):
    q, k, v = probe.tensor("2 4 7"), probe.tensor("2 5 7"), probe.tensor("2 5 3")
    assert_close(learner.attention(q, k, v), F.scaled_dot_product_attention(q, k, v))
