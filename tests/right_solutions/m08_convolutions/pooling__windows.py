"""Pooling over a view of all windows; the mean as a difference of sums."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def _geometry(kernel, stride, padding):
    kernel, padding = np.broadcast_to(kernel, 2), np.broadcast_to(padding, 2)
    stride = kernel if stride is None else np.broadcast_to(stride, 2)
    if (2 * padding > kernel).any():
        raise ValueError("too much padding")
    return kernel.tolist(), stride.tolist(), padding.tolist()


def _view(x, kernel, stride, padding, fill):
    (p, q), (s, t) = padding, stride
    padded = np.pad(x, ((0, 0), (0, 0), (p, p), (q, q)), constant_values=fill)
    if padded.shape[2] < kernel[0] or padded.shape[3] < kernel[1]:
        raise ValueError("the window does not fit")
    return sliding_window_view(padded, kernel, axis=(2, 3))[:, :, ::s, ::t]


def max_pool2d_forward(x, kernel, stride=None, padding=0):
    kernel, stride, padding = _geometry(kernel, stride, padding)
    view = _view(x, kernel, stride, padding, -np.inf)
    flat = view.reshape(*view.shape[:4], -1)
    numbers = np.arange(x.shape[2] * x.shape[3]).reshape(1, 1, *x.shape[2:])
    names = _view(numbers, kernel, stride, padding, -1)
    names = np.broadcast_to(names.reshape(*names.shape[:4], -1), flat.shape)
    winner = flat.argmax(axis=-1)[..., None]
    y = np.take_along_axis(flat, winner, -1)[..., 0]
    return y, {"x_shape": tuple(x.shape), "index": np.take_along_axis(names, winner, -1)[..., 0]}


def max_pool2d_backward(dy, cache):
    batch, channels, height, width = cache["x_shape"]
    image = np.arange(batch * channels).reshape(batch, channels, 1, 1) * (height * width)
    places = (image + cache["index"]).ravel()
    return np.bincount(places, weights=dy.ravel(), minlength=batch * channels * height * width).reshape(
        cache["x_shape"]
    )


def avg_pool2d_forward(x, kernel, stride=None, padding=0, count_include_pad=True):
    kernel, stride, padding = _geometry(kernel, stride, padding)
    sums = np.einsum("bcyxkl->bcyx", _view(x, kernel, stride, padding, 0.0))
    if count_include_pad:
        return sums / np.prod(kernel)
    return sums / np.einsum("bcyxkl->bcyx", _view(np.ones_like(x), kernel, stride, padding, 0.0))


def avg_pool2d_backward(dy, x_shape, kernel, stride=None, padding=0, count_include_pad=True):
    kernel, (s, t), (p, q) = _geometry(kernel, stride, padding)
    count = np.full((1, 1, *dy.shape[2:]), float(np.prod(kernel)))
    if not count_include_pad:
        count = np.einsum("bcyxkl->bcyx", _view(np.ones((1, 1, *x_shape[2:])), kernel, (s, t), (p, q), 0.0))
    padded = np.zeros((*x_shape[:2], x_shape[2] + 2 * p, x_shape[3] + 2 * q))
    for u in range(kernel[0]):
        for v in range(kernel[1]):
            padded[:, :, u : u + s * dy.shape[2] : s, v : v + t * dy.shape[3] : t] += dy / count
    return padded[:, :, p : p + x_shape[2], q : q + x_shape[3]]


def global_average_pool(x):
    return np.einsum("bcyx->bc", x) / (x.shape[-1] * x.shape[-2])
