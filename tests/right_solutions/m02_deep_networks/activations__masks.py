"""Activations by boolean masks on copies, with erfc, and with the derivatives written out as products."""

import math

import numpy as np


def leaky_relu(x, slope=0.01):
    y = x.copy()
    y[y < 0] *= slope
    return y


def leaky_relu_grad(x, slope=0.01):
    dx = np.ones(x.shape)
    dx[~(x > 0)] = slope
    return dx


def elu(x, alpha=1.0):
    y = x.copy()
    y[x < 0] = alpha * (np.exp(x[x < 0]) - 1.0)
    return y


def elu_grad(x, alpha=1.0):
    dx = np.ones_like(x)
    dx[x <= 0] = alpha + elu(x, alpha)[x <= 0]
    return dx


def _below(x):
    return 0.5 * np.reshape([math.erfc(-v / math.sqrt(2.0)) for v in x.ravel()], x.shape)


def _inner(x):
    return (2.0 / math.pi) ** 0.5 * x * (1.0 + 0.044715 * x * x)


def gelu(x, approximate=False):
    return x * (0.5 + 0.5 * np.tanh(_inner(x))) if approximate else x * _below(x)


def gelu_grad(x, approximate=False):
    if not approximate:
        return _below(x) + x * np.exp(-np.square(x) / 2) / np.sqrt(2 * np.pi)
    u = np.clip(_inner(x), -300.0, 300.0)
    du = np.sqrt(2 / np.pi) * (1 + 0.134145 * np.square(x))
    return 0.5 + 0.5 * np.tanh(u) + 0.5 * x * du / np.cosh(u) ** 2


def _gate(z):
    return 0.5 * (1.0 + np.tanh(z / 2.0))


def swish(x, beta=1.0):
    return _gate(beta * x) * x


def swish_grad(x, beta=1.0):
    y = beta * swish(x, beta)
    return y + _gate(beta * x) * (1.0 - y)
