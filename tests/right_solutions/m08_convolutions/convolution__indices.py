"""The convolution by index arrays: the image is gathered with fancy indexing and gradients are scattered with np.add.at."""

import numpy as np


def _pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def output_shape(size, kernel, stride=1, padding=0, dilation=1):
    pairs = zip(size, _pair(kernel), _pair(stride), _pair(padding), _pair(dilation), strict=True)
    shape = [int(np.floor((n + 2 * p - d * (k - 1) - 1) / s + 1)) for n, k, s, p, d in pairs]
    if min(shape) < 1:
        raise ValueError("the kernel does not fit")
    return shape[0], shape[1]


def _indices(channels, size, kernel, stride, padding, dilation):
    """Channel (C·K·L, 1), row and column (C·K·L, Yo·Xo) of every entry of the columns, in the padded image."""
    (k, l), (s, t), (d, e) = _pair(kernel), _pair(stride), _pair(dilation)  # noqa: E741
    rows, columns = output_shape(size, kernel, stride, padding, dilation)
    c, u, v = (index.reshape(-1, 1) for index in np.indices((channels, k, l)))
    i, j = (index.reshape(1, -1) for index in np.indices((rows, columns)))
    return c, i * s + u * d, j * t + v * e


def im2col(x, kernel, stride=1, padding=0, dilation=1):
    p, q = _pair(padding)
    padded = np.zeros((*x.shape[:2], x.shape[2] + 2 * p, x.shape[3] + 2 * q))
    padded[:, :, p : p + x.shape[2], q : q + x.shape[3]] = x
    c, row, column = _indices(x.shape[1], x.shape[2:], kernel, stride, padding, dilation)
    return padded[:, c, row, column]


def col2im(cols, x_shape, kernel, stride=1, padding=0, dilation=1):
    p, q = _pair(padding)
    padded = np.zeros((*x_shape[:2], x_shape[2] + 2 * p, x_shape[3] + 2 * q))
    c, row, column = _indices(x_shape[1], x_shape[2:], kernel, stride, padding, dilation)
    np.add.at(padded, (slice(None), c, row, column), cols)
    padded = padded[:, :, p:-p] if p else padded
    return padded[:, :, :, q:-q] if q else padded


def conv2d_forward(x, w, b, stride=1, padding=0, dilation=1, groups=1):
    if x.shape[1] % groups:
        raise ValueError("channels")
    if w.shape[0] % groups:
        raise ValueError("filters")
    if w.shape[1] != x.shape[1] // groups:
        raise ValueError("channels of the filters")
    shape = output_shape(x.shape[2:], w.shape[2:], stride, padding, dilation)
    maps = []
    for images, filters in zip(np.split(x, groups, axis=1), np.split(w, groups), strict=True):
        cols = im2col(images, w.shape[2:], stride, padding, dilation)
        maps.append(np.tensordot(cols, filters.reshape(len(filters), -1), axes=(1, 1)).transpose(0, 2, 1))
    return np.concatenate(maps, axis=1).reshape(len(x), len(w), *shape) + b.reshape(1, len(w), 1, 1)


def conv2d_backward(dy, x, w, stride=1, padding=0, dilation=1, groups=1):
    dxs, dws = [], []
    parts = (np.split(dy, groups, axis=1), np.split(x, groups, axis=1), np.split(w, groups))
    for arriving, images, filters in zip(*parts, strict=True):
        flat = arriving.reshape(len(x), len(filters), -1)
        cols = im2col(images, w.shape[2:], stride, padding, dilation)
        dws.append(np.einsum("bfn,bkn->fk", flat, cols).reshape(filters.shape))
        dcols = np.einsum("bfn,fk->bkn", flat, filters.reshape(len(filters), -1))
        dxs.append(col2im(dcols, images.shape, w.shape[2:], stride, padding, dilation))
    return np.concatenate(dxs, axis=1), np.concatenate(dws), dy.sum(3).sum(2).sum(0)


def conv2d_im2col(x, w, b, stride=1, padding=0, dilation=1, groups=1):
    return conv2d_forward(x, w, b, stride, padding, dilation, groups)
