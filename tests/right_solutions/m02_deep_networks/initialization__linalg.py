"""Initializers by way of variances, QR of the whole space, and statistics from one list of outputs."""

import numpy as np


def _scaled(rng, fan_in, fan_out, variance, even):
    if even:
        return rng.uniform(-1.0, 1.0, (fan_in, fan_out)) * np.sqrt(3.0 * variance)
    return rng.standard_normal((fan_in, fan_out)) * variance**0.5


def xavier_uniform(rng, fan_in, fan_out, gain=1.0):
    return _scaled(rng, fan_in, fan_out, gain**2 * 2.0 / (fan_in + fan_out), True)


def xavier_normal(rng, fan_in, fan_out, gain=1.0):
    return _scaled(rng, fan_in, fan_out, gain**2 * 2.0 / (fan_in + fan_out), False)


def _kaiming(rng, fan_in, fan_out, slope, mode, even):
    if mode == "fan_in":
        fan = fan_in
    elif mode == "fan_out":
        fan = fan_out
    else:
        raise ValueError("unknown mode")
    return _scaled(rng, fan_in, fan_out, 2.0 / (1.0 + slope**2) / fan, even)


def kaiming_uniform(rng, fan_in, fan_out, slope=0.0, mode="fan_in"):
    return _kaiming(rng, fan_in, fan_out, slope, mode, True)


def kaiming_normal(rng, fan_in, fan_out, slope=0.0, mode="fan_in"):
    return _kaiming(rng, fan_in, fan_out, slope, mode, False)


def orthogonal(rng, fan_in, fan_out, gain=1.0):
    a = rng.standard_normal((fan_in, fan_out))
    if fan_out > fan_in:
        q, r = np.linalg.qr(a.transpose(), mode="complete")
        q, r = q[:, :fan_in], r[:fan_in]
    else:
        q, r = np.linalg.qr(a, mode="reduced")
    d = np.where(np.diagonal(r) < 0, -gain, gain)
    w = q @ np.diag(d)
    return w.transpose() if fan_out > fan_in else w


def activation_statistics(x, weights, activation):
    outputs = [x]
    for w in weights:
        outputs.append(activation(np.einsum("nd,dm->nm", outputs[-1], w)))
    return {
        "std": np.array([np.sqrt(max(0.0, np.mean((h - h.mean()) ** 2))) for h in outputs[1:]]),
        "zeros": np.array([(h == 0.0).sum() / h.size for h in outputs[1:]]),
        "mean": np.array([np.average(h) for h in outputs[1:]]),
    }
