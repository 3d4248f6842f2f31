"""The convolution in plain loops over windows, one number at a time where that is possible."""

import itertools

import numpy as np


def _two(value):
    return value if isinstance(value, tuple | list) else (value, value)


def output_shape(size, kernel, stride=1, padding=0, dilation=1):
    kernel, stride, padding, dilation = _two(kernel), _two(stride), _two(padding), _two(dilation)
    result = []
    for axis in (0, 1):
        extent = (kernel[axis] - 1) * dilation[axis] + 1
        padded = size[axis] + padding[axis] + padding[axis]
        if extent > padded:
            raise ValueError("the kernel is larger than the image")
        count = 0
        while count * stride[axis] + extent <= padded:
            count += 1
        result.append(count)
    return result[0], result[1]


def _products(x_shape, w_shape, stride, padding, dilation, groups):
    batch, channels, height, width = x_shape
    filters, seen, tall, wide = w_shape
    if channels % groups != 0 or filters % groups != 0 or seen * groups != channels:
        raise ValueError("groups")
    (s, t), (p, q), (d, e) = _two(stride), _two(padding), _two(dilation)
    rows, columns = output_shape((height, width), (tall, wide), stride, padding, dilation)
    for f, i, j in itertools.product(range(filters), range(rows), range(columns)):
        first = (f // (filters // groups)) * seen
        for c, u, v in itertools.product(range(seen), range(tall), range(wide)):
            row, column = i * s + u * d - p, j * t + v * e - q
            if 0 <= row < height and 0 <= column < width:
                yield f, i, j, c, u, v, first + c, row, column


def conv2d_forward(x, w, b, stride=1, padding=0, dilation=1, groups=1):
    rows, columns = output_shape(x.shape[2:], w.shape[2:], stride, padding, dilation)
    y = np.empty((x.shape[0], w.shape[0], rows, columns))
    y[:] = b.reshape(1, -1, 1, 1)
    for f, i, j, c, u, v, channel, row, column in _products(x.shape, w.shape, stride, padding, dilation, groups):
        y[:, f, i, j] += w[f, c, u, v] * x[:, channel, row, column]
    return y


def conv2d_backward(dy, x, w, stride=1, padding=0, dilation=1, groups=1):
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), np.zeros(len(w))
    for f, i, j, c, u, v, channel, row, column in _products(x.shape, w.shape, stride, padding, dilation, groups):
        dx[:, channel, row, column] += w[f, c, u, v] * dy[:, f, i, j]
        dw[f, c, u, v] += np.dot(dy[:, f, i, j], x[:, channel, row, column])
    for f in range(len(w)):
        db[f] = dy[:, f].sum()
    return dx, dw, db


def _entries(x_shape, kernel, stride, padding, dilation):
    (tall, wide), (s, t), (p, q), (d, e) = _two(kernel), _two(stride), _two(padding), _two(dilation)
    rows, columns = output_shape(x_shape[2:], kernel, stride, padding, dilation)
    for i, j, c, u, v in itertools.product(*map(range, (rows, columns, x_shape[1], tall, wide))):
        row, column = i * s + u * d - p, j * t + v * e - q
        if 0 <= row < x_shape[2] and 0 <= column < x_shape[3]:
            yield c * tall * wide + u * wide + v, i * columns + j, c, row, column


def im2col(x, kernel, stride=1, padding=0, dilation=1):
    rows, columns = output_shape(x.shape[2:], kernel, stride, padding, dilation)
    cols = np.zeros((x.shape[0], x.shape[1] * _two(kernel)[0] * _two(kernel)[1], rows * columns))
    for entry, place, c, row, column in _entries(x.shape, kernel, stride, padding, dilation):
        cols[:, entry, place] = x[:, c, row, column]
    return cols


def col2im(cols, x_shape, kernel, stride=1, padding=0, dilation=1):
    x = np.zeros(x_shape)
    for entry, place, c, row, column in _entries(x_shape, kernel, stride, padding, dilation):
        x[:, c, row, column] += cols[:, entry, place]
    return x


def conv2d_im2col(x, w, b, stride=1, padding=0, dilation=1, groups=1):
    filters, seen, tall, wide = w.shape
    if x.shape[1] % groups or filters % groups or seen != x.shape[1] // groups:
        raise ValueError("groups")
    cols = im2col(x, (tall, wide), stride, padding, dilation)
    each, taken = filters // groups, seen * tall * wide
    y = np.concatenate(
        [
            w[g * each : (g + 1) * each].reshape(each, taken) @ cols[:, g * taken : (g + 1) * taken]
            for g in range(groups)
        ],
        axis=1,
    )
    return y.reshape(len(x), filters, *output_shape(x.shape[2:], (tall, wide), stride, padding, dilation)) + b.reshape(
        -1, 1, 1
    )
