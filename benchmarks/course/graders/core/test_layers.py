"""A dozen hidden checks in torch. They are plain functions of `learner`, so that every rival can run the very same ones."""

import torch
import torch.nn.functional as F
from torch.testing import assert_close


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_softmax_equals_torch(learner):
    x = draw(3, 4, 5)
    assert_close(learner.softmax(x), F.softmax(x, -1))


def test_softmax_follows_dim(learner):
    x = draw(3, 4, 5)
    assert_close(learner.softmax(x, dim=1), F.softmax(x, 1))


def test_softmax_survives_large_scores(learner):
    x = draw(4, 5) + 1000.0
    assert_close(learner.softmax(x), F.softmax(x, -1))


def test_linear_adds_the_bias(learner):
    x, w, b = draw(6, 5), draw(4, 5, seed=1), draw(4, seed=2)
    assert_close(learner.linear(x, w, b), F.linear(x, w, b))


def test_linear_keeps_leading_axes(learner):
    x, w, b = draw(2, 3, 5), draw(4, 5, seed=1), torch.zeros(4)
    assert_close(learner.linear(x, w, b), F.linear(x, w, b))


def test_layer_norm_equals_torch(learner):
    x, scale, shift = draw(6, 5), draw(5, seed=1), draw(5, seed=2)
    assert_close(learner.layer_norm(x, scale, shift), F.layer_norm(x, (5,), scale, shift))


def test_layer_norm_survives_constant_rows(learner):
    x, scale, shift = torch.ones(2, 5), draw(5, seed=1), draw(5, seed=2)
    assert_close(learner.layer_norm(x, scale, shift), shift.expand(2, 5))


def test_attention_equals_torch(learner):
    q, k, v = draw(2, 4, 7), draw(2, 5, 7, seed=1), draw(2, 5, 3, seed=2)
    assert_close(learner.attention(q, k, v), F.scaled_dot_product_attention(q, k, v))


def test_attention_ignores_what_is_masked(learner):
    q, k, v = draw(2, 5, 7), draw(2, 5, 7, seed=1), draw(2, 5, 3, seed=2)
    mask = torch.ones(5, 5, dtype=torch.bool).tril()
    assert_close(learner.attention(q, k, v, mask)[:, 0], v[:, 0])


def test_attention_of_one_key_is_its_value(learner):
    q, k, v = draw(2, 4, 7), draw(2, 1, 7, seed=1), draw(2, 1, 3, seed=2)
    assert_close(learner.attention(q, k, v), v.expand(2, 4, 3))


def test_cross_entropy_equals_torch(learner):
    logits, labels = draw(6, 5), torch.arange(6) % 5
    assert_close(learner.cross_entropy(logits, labels), F.cross_entropy(logits, labels))


def test_cross_entropy_survives_large_scores(learner):
    logits, labels = 1000.0 * draw(1, 5), torch.tensor([2])
    assert_close(learner.cross_entropy(logits, labels), F.cross_entropy(logits, labels))
