"""The convolution as einsums over a view of all windows; gradients of x through full correlation of a spread-out dy."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def _both(value):
    return tuple(np.broadcast_to(value, 2).tolist())


def output_shape(size, kernel, stride=1, padding=0, dilation=1):
    size, kernel, stride, padding, dilation = map(np.asarray, map(_both, (size, kernel, stride, padding, dilation)))
    span = size + 2 * padding - (kernel + (kernel - 1) * (dilation - 1))
    if np.any(span < 0):
        raise ValueError("the kernel does not fit")
    return tuple((span // stride + 1).tolist())


def _view(x, kernel, stride, padding, dilation):
    """(B, C, Yo, Xo, K, L)"""
    output_shape(x.shape[2:], kernel, stride, padding, dilation)
    (k, l), (s, t), (p, q), (d, e) = map(_both, (kernel, stride, padding, dilation))  # noqa: E741
    x = np.pad(x, [(0, 0), (0, 0), (p, p), (q, q)])
    view = sliding_window_view(x, (d * (k - 1) + 1, e * (l - 1) + 1), axis=(2, 3))
    return view[:, :, ::s, ::t, ::d, ::e]


def _check(x, w, groups):
    if x.shape[1] % groups or w.shape[0] % groups or x.shape[1] != w.shape[1] * groups:
        raise ValueError("groups do not fit")


def conv2d_forward(x, w, b, stride=1, padding=0, dilation=1, groups=1):
    _check(x, w, groups)
    view = _view(x, w.shape[2:], stride, padding, dilation)
    view = view.reshape(len(x), groups, -1, *view.shape[2:])
    y = np.einsum("bgcyxkl,gfckl->bgfyx", view, w.reshape(groups, -1, *w.shape[1:]), optimize=True)
    return y.reshape(len(x), len(w), *view.shape[3:5]) + b[None, :, None, None]


def conv2d_backward(dy, x, w, stride=1, padding=0, dilation=1, groups=1):
    (s, t), (p, q), (d, e) = map(_both, (stride, padding, dilation))
    view = _view(x, w.shape[2:], stride, padding, dilation)
    view = view.reshape(len(x), groups, -1, *view.shape[2:])
    grouped = dy.reshape(len(x), groups, -1, *dy.shape[2:])
    dw = np.einsum("bgfyx,bgcyxkl->gfckl", grouped, view, optimize=True).reshape(w.shape)

    reach = d * (w.shape[2] - 1), e * (w.shape[3] - 1)
    tall, wide = x.shape[2] + 2 * p + reach[0], x.shape[3] + 2 * q + reach[1]
    spread = np.zeros((*grouped.shape[:3], tall, wide))
    spread[..., reach[0] : reach[0] + s * dy.shape[2] : s, reach[1] : reach[1] + t * dy.shape[3] : t] = grouped
    flat = spread.reshape(len(x), len(w), tall, wide)
    over = _view(flat, w.shape[2:], 1, 0, dilation).reshape(
        len(x), groups, -1, tall - reach[0], wide - reach[1], *w.shape[2:]
    )
    flipped = w[:, :, ::-1, ::-1].reshape(groups, -1, *w.shape[1:])
    dx = np.einsum("bgfyxkl,gfckl->bgcyx", over, flipped, optimize=True)
    dx = dx.reshape(len(x), x.shape[1], x.shape[2] + 2 * p, x.shape[3] + 2 * q)
    return dx[:, :, p : x.shape[2] + p, q : x.shape[3] + q].copy(), dw, np.einsum("bfyx->f", dy)


def im2col(x, kernel, stride=1, padding=0, dilation=1):
    view = _view(x, kernel, stride, padding, dilation).transpose(0, 1, 4, 5, 2, 3)
    return view.reshape(len(x), -1, view.shape[4] * view.shape[5])


def col2im(cols, x_shape, kernel, stride=1, padding=0, dilation=1):
    numbers = np.arange(1, np.prod(x_shape[1:]) + 1, dtype=float).reshape(1, *x_shape[1:])
    places = im2col(numbers, kernel, stride, padding, dilation)[0].astype(int).ravel()
    x = [np.bincount(places, weights=image.ravel(), minlength=numbers.size + 1)[1:] for image in cols]
    return np.stack(x).reshape(x_shape)


def conv2d_im2col(x, w, b, stride=1, padding=0, dilation=1, groups=1):
    _check(x, w, groups)
    cols = im2col(x, w.shape[2:], stride, padding, dilation)
    block = np.zeros((len(w), cols.shape[1]))  # block-diagonal: the filters of a run are zero on other runs' channels
    for f, row in enumerate(w.reshape(len(w), -1)):
        start = f // (len(w) // groups) * row.size
        block[f, start : start + row.size] = row
    y = np.tensordot(block, cols, axes=(1, 1)).swapaxes(0, 1) + b[:, None]
    return y.reshape(len(x), len(w), *output_shape(x.shape[2:], w.shape[2:], stride, padding, dilation))
