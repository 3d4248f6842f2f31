"""Pooling in plain loops, without the columns of the convolution."""

import numpy as np


def _settings(size, kernel, stride, padding):
    """For each direction the parts of the image that the windows cover, and the length of a window."""
    if stride is None:
        stride = kernel
    kernel, stride, padding = ((v, v) if isinstance(v, int) else v for v in (kernel, stride, padding))
    spans = []
    for n, k, s, p in zip(size, kernel, stride, padding, strict=True):
        if p > k / 2 or k > n + 2 * p:
            raise ValueError("padding or kernel too large")
        starts = range(-p, n + p - k + 1, s)
        spans.append([(max(0, start), min(n, start + k)) for start in starts])
    return spans[0], spans[1], kernel[0] * kernel[1]


def max_pool2d_forward(x, kernel, stride=None, padding=0):
    rows, columns, _ = _settings(x.shape[2:], kernel, stride, padding)
    y = np.full((*x.shape[:2], len(rows), len(columns)), -np.inf)
    index = np.zeros(y.shape, dtype=int)
    for n, c, i, j in np.ndindex(*y.shape):
        for row in range(*rows[i]):
            for column in range(*columns[j]):
                if x[n, c, row, column] > y[n, c, i, j]:
                    y[n, c, i, j] = x[n, c, row, column]
                    index[n, c, i, j] = row * x.shape[3] + column
    return y, {"index": index, "x_shape": x.shape}


def max_pool2d_backward(dy, cache):
    dx = np.zeros(cache["x_shape"])
    for n, c, i, j in np.ndindex(*dy.shape):
        row, column = divmod(int(cache["index"][n, c, i, j]), dx.shape[3])
        dx[n, c, row, column] += dy[n, c, i, j]
    return dx


def avg_pool2d_forward(x, kernel, stride=None, padding=0, count_include_pad=True):
    rows, columns, area = _settings(x.shape[2:], kernel, stride, padding)
    y = np.empty((*x.shape[:2], len(rows), len(columns)))
    for i, (top, bottom) in enumerate(rows):
        for j, (left, right) in enumerate(columns):
            window = x[:, :, top:bottom, left:right]
            y[:, :, i, j] = window.sum(axis=(2, 3)) / area if count_include_pad else window.mean(axis=(2, 3))
    return y


def avg_pool2d_backward(dy, x_shape, kernel, stride=None, padding=0, count_include_pad=True):
    rows, columns, area = _settings(x_shape[2:], kernel, stride, padding)
    dx = np.zeros(x_shape)
    for i, (top, bottom) in enumerate(rows):
        for j, (left, right) in enumerate(columns):
            count = area if count_include_pad else (bottom - top) * (right - left)
            dx[:, :, top:bottom, left:right] += dy[:, :, i, j, None, None] / count
    return dx


def global_average_pool(x):
    y = np.zeros(x.shape[:2])
    for n, c in np.ndindex(*y.shape):
        y[n, c] = x[n, c].sum() / x[n, c].size
    return y
