"""Initializers with the other methods of the generator, Gram and Schmidt for QR, and statistics as running sums."""

import numpy as np


def xavier_uniform(rng, fan_in, fan_out, gain=1.0):
    bound = np.sqrt(3.0) * gain * np.sqrt(2.0 / (fan_in + fan_out))
    return bound * (2.0 * rng.random((fan_in, fan_out)) - 1.0)


def xavier_normal(rng, fan_in, fan_out, gain=1.0):
    return rng.normal(0.0, gain / np.sqrt((fan_in + fan_out) / 2.0), size=(fan_in, fan_out))


def _std(fan_in, fan_out, slope, mode):
    fans = {"fan_in": fan_in, "fan_out": fan_out}
    if mode not in fans:
        raise ValueError(mode)
    return np.sqrt(2.0 / (1.0 + slope * slope)) / np.sqrt(fans[mode])


def kaiming_uniform(rng, fan_in, fan_out, slope=0.0, mode="fan_in"):
    bound = 3.0**0.5 * _std(fan_in, fan_out, slope, mode)
    return np.array([[rng.uniform(-bound, bound) for _ in range(fan_out)] for _ in range(fan_in)])


def kaiming_normal(rng, fan_in, fan_out, slope=0.0, mode="fan_in"):
    return rng.normal(scale=_std(fan_in, fan_out, slope, mode), size=(fan_in, fan_out))


def orthogonal(rng, fan_in, fan_out, gain=1.0):
    a = rng.standard_normal((fan_in, fan_out))
    vectors = a if fan_in < fan_out else a.T
    basis = []
    for v in vectors:
        for _ in range(2):
            for b in basis:
                v = v - np.dot(b, v) * b
        basis.append(v / np.linalg.norm(v))
    w = gain * np.array(basis)
    return w if fan_in < fan_out else w.T


def activation_statistics(x, weights, activation):
    found = {"mean": [], "std": [], "zeros": []}
    for w in weights:
        x = np.stack([activation(row @ w) for row in x])
        mean = x.sum() / x.size
        found["mean"].append(mean)
        found["std"].append(np.sqrt(np.square(x - mean).sum() / x.size))
        found["zeros"].append(1.0 - np.count_nonzero(x) / x.size)
    return {name: np.array(values, dtype=np.float64) for name, values in found.items()}
