"""Average pooling as a convolution that treats every channel alone, maximum pooling as a running maximum."""

import numpy as np
from m08_convolutions.convolution import conv2d_backward, conv2d_forward, output_shape


def _pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def _checked(kernel, stride, padding):
    kernel, padding = _pair(kernel), _pair(padding)
    stride = kernel if stride is None else _pair(stride)
    if padding[0] > kernel[0] // 2 or padding[1] > kernel[1] // 2:
        raise ValueError("the padding is more than half of the kernel")
    return kernel, stride, padding


def max_pool2d_forward(x, kernel, stride=None, padding=0):
    kernel, stride, padding = _checked(kernel, stride, padding)
    shape = output_shape(x.shape[2:], kernel, stride, padding)
    y, index = np.full((*x.shape[:2], *shape), -np.inf), np.full((*x.shape[:2], *shape), -1, dtype=np.int32)
    for u, v in np.ndindex(*kernel):
        row = np.arange(shape[0]) * stride[0] - padding[0] + u
        column = np.arange(shape[1]) * stride[1] - padding[1] + v
        inside = ((row >= 0) & (row < x.shape[2]))[:, None] & ((column >= 0) & (column < x.shape[3]))
        here = np.clip(row, 0, x.shape[2] - 1)[:, None], np.clip(column, 0, x.shape[3] - 1)
        better = inside & (x[:, :, here[0], here[1]] > y)
        y = np.where(better, x[:, :, here[0], here[1]], y)
        index = np.where(better, here[0] * x.shape[3] + here[1], index)
    return y, {"x_shape": x.shape, "index": index}


def max_pool2d_backward(dy, cache):
    batch, channels, height, width = cache["x_shape"]
    one_hot = cache["index"].reshape(batch, channels, -1, 1) == np.arange(height * width)
    return np.einsum("bcn,bcnp->bcp", dy.reshape(batch, channels, -1), one_hot).reshape(cache["x_shape"])


def _on_image(size, kernel, stride, padding):
    return conv2d_forward(np.ones((1, 1, *size)), np.ones((1, 1, *kernel)), np.zeros(1), stride, padding)


def avg_pool2d_forward(x, kernel, stride=None, padding=0, count_include_pad=True):
    kernel, stride, padding = _checked(kernel, stride, padding)
    w = np.ones((x.shape[1], 1, *kernel))
    sums = conv2d_forward(x, w, np.zeros(len(w)), stride, padding, groups=x.shape[1])
    return sums / (w[0].size if count_include_pad else _on_image(x.shape[2:], kernel, stride, padding))


def avg_pool2d_backward(dy, x_shape, kernel, stride=None, padding=0, count_include_pad=True):
    kernel, stride, padding = _checked(kernel, stride, padding)
    w = np.ones((x_shape[1], 1, *kernel))
    share = dy / (w[0].size if count_include_pad else _on_image(x_shape[2:], kernel, stride, padding))
    return conv2d_backward(share, np.zeros(x_shape), w, stride, padding, groups=x_shape[1])[0]


def global_average_pool(x):
    return avg_pool2d_forward(x, x.shape[2:])[:, :, 0, 0]
