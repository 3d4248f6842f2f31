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
    """x (N, D), w (M, D), b (M,) -> (N, M)."""
    # BEGIN SOLUTION
    return x @ w.T + b
    # END SOLUTION


def linear_backward(dy, x, w):
    """Gradients of `linear` with respect to x, w and b."""
    # BEGIN SOLUTION
    return dy @ w, dy.T @ x, dy.sum(0)
    # END SOLUTION


def conv2d(x, w, padding=0):
    """x (B, C, Y, X), w (F, C, K, L) -> (B, F, ...), one position at a time."""
    # BEGIN SOLUTION
    x = torch.nn.functional.pad(x, [padding] * 4)
    height, width = x.shape[2] - w.shape[2] + 1, x.shape[3] - w.shape[3] + 1
    rows = [
        torch.stack(
            [torch.einsum("bcyx,fcyx->bf", x[:, :, i : i + w.shape[2], j : j + w.shape[3]], w) for j in range(width)],
            -1,
        )
        for i in range(height)
    ]
    return torch.stack(rows, -2)
    # END SOLUTION


def attention(q, k, v, mask=None):
    """q (B, T, K), k (B, S, K), v (B, S, V) -> (B, T, V); where `mask` is False nothing is attended to."""
    # BEGIN SOLUTION
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return softmax(scores) @ v
    # END SOLUTION
