"""Penalties by inner products, dropout with a scaled mask, max-norm with a clipped ratio."""

import numpy as np


def l1_penalty(w, strength):
    sign = (w > 0).astype(float) - (w < 0).astype(float)
    return float(strength * np.sum(sign * w)), strength * sign


def l2_penalty(w, strength):
    flat = w.reshape(-1)
    return float(strength * (flat @ flat) / 2), strength * w


def dropout_forward(x, p, rng, training=True):
    if not (p >= 0 and p < 1):
        raise ValueError(f"{p} is no probability below one")
    if training:
        kept = np.greater_equal(rng.random(size=x.shape), p)
        mask = kept.astype(x.dtype) / (1 - p)
        return mask * x, kept
    return x, None


def dropout_backward(dy, kept, p):
    scale = 1.0 if kept is None else kept / (1.0 - p)
    return dy * scale


def max_norm(w, limit):
    lengths = np.linalg.norm(w, axis=0, keepdims=True)
    with np.errstate(divide="ignore"):
        return w * np.minimum(1.0, limit / lengths)
