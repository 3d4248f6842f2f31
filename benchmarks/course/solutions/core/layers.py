"""Five classics in torch: what the benchmarks grade."""

import math

import torch


def softmax(x, dim=-1):
    """exp(x) / sum exp(x) along `dim`, stable."""
    # BEGIN SOLUTION
    weights = torch.exp(x - x.amax(dim, keepdim=True))
    return weights / weights.sum(dim, keepdim=True)
    # END SOLUTION


def linear(x, w, b):
    """x (..., D), w (M, D), b (M,) -> (..., M)."""
    # BEGIN SOLUTION
    return x @ w.T + b
    # END SOLUTION


def layer_norm(x, scale, shift, eps=1e-5):
    """Each row of x (..., D) with mean 0 and variance 1, then times scale (D,) plus shift (D,)."""
    # BEGIN SOLUTION
    centred = x - x.mean(-1, keepdim=True)
    variance = centred.square().mean(-1, keepdim=True)
    return centred / torch.sqrt(variance + eps) * scale + shift
    # END SOLUTION


def attention(q, k, v, mask=None):
    """q (B, T, K), k (B, S, K), v (B, S, V) -> (B, T, V); where `mask` is False nothing is attended to."""
    # BEGIN SOLUTION
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return torch.softmax(scores, -1) @ v
    # END SOLUTION


def cross_entropy(logits, labels):
    """The mean over the batch of -log softmax(logits)[label]; logits (B, C), labels (B,)."""
    # BEGIN SOLUTION
    log_probabilities = logits - torch.logsumexp(logits, -1, keepdim=True)
    return -log_probabilities.gather(-1, labels[:, None]).mean()
    # END SOLUTION
