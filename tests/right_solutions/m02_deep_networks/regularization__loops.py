"""Penalties as sums over single weights, dropout by selection, max-norm unit by unit."""

import numpy as np


def l1_penalty(w, strength):
    gradient = np.zeros_like(w)
    gradient[w > 0] = strength
    gradient[w < 0] = -strength
    return sum((strength * abs(float(v)) for v in w.flat), 0.0), gradient


def l2_penalty(w, strength):
    return float(np.vdot(w, w)) * strength / 2.0, w * strength


def dropout_forward(x, p, rng, training=True):
    if p < 0.0 or p >= 1.0:
        raise ValueError("p")
    if not training:
        return np.array(x), None
    dropped = rng.random(x.shape) < p
    y = x * (1.0 / (1.0 - p))
    y[dropped] = 0.0
    return y, np.logical_not(dropped)


def dropout_backward(dy, kept, p):
    if kept is None:
        return dy
    return np.where(kept, dy, 0.0) / (1.0 - p)


def max_norm(w, limit):
    new = w.copy()
    for j in range(w.shape[1]):
        length = np.linalg.norm(w[:, j])
        if length > limit:
            new[:, j] = w[:, j] / length * limit
    return new
