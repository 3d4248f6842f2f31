"""Activations one number at a time, in plain Python."""

import math

import numpy as np


def _each(function, x):
    return np.array([function(float(value)) for value in x.flat], dtype=np.float64).reshape(x.shape)


def _sigma(u):
    return 1.0 / (1.0 + math.exp(-u)) if u >= 0 else math.exp(u) / (1.0 + math.exp(u))


def leaky_relu(x, slope=0.01):
    return _each(lambda v: v if v > 0 else slope * v, x)


def leaky_relu_grad(x, slope=0.01):
    return _each(lambda v: 1.0 if v > 0 else slope, x)


def elu(x, alpha=1.0):
    return _each(lambda v: v if v > 0 else alpha * math.expm1(v), x)


def elu_grad(x, alpha=1.0):
    return _each(lambda v: 1.0 if v > 0 else alpha * math.exp(v), x)


def _u(v):
    return math.sqrt(2 / math.pi) * (v + 0.044715 * v**3)


def gelu(x, approximate=False):
    if approximate:
        return _each(lambda v: v * _sigma(2 * _u(v)), x)
    return _each(lambda v: v / 2 * (1 + math.erf(v / math.sqrt(2))), x)


def gelu_grad(x, approximate=False):
    def approximately(v):
        gate = _sigma(2 * _u(v))
        return gate + v * gate * (1 - gate) * 2 * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * v**2)

    def exactly(v):
        return 0.5 * math.erfc(-v / math.sqrt(2)) + v * math.exp(-v * v / 2) / math.sqrt(2 * math.pi)

    return _each(approximately if approximate else exactly, x)


def swish(x, beta=1.0):
    return _each(lambda v: v * _sigma(beta * v), x)


def swish_grad(x, beta=1.0):
    return _each(lambda v: _sigma(beta * v) + beta * v * _sigma(beta * v) * _sigma(-beta * v), x)
