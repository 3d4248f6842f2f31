"""Pooling: one number for every window of an image, in NumPy.

Pooling looks at one channel at a time and has no weights. It makes images smaller, and what follows less sensitive to
where exactly a feature was found.

`kernel`, `stride` and `padding` are each a pair (vertical, horizontal), or one int for both directions; the windows lie
as those of a convolution do (`output_shape`). A stride of None, the default, is the size of the kernel: windows side by
side. The padding must not be more than half the kernel, in either direction, so that no window lies in the padding
alone. No function here changes an array that it is given.

Letters: B images in a batch, C channels, Y and X height and width of the image, K and L of the kernel, Yo and Xo of the
output. All real arrays are float64.
"""

import numpy as np
from jaxtyping import Float, Int
from m08_convolutions.convolution import col2im, im2col, output_shape

Pair = int | tuple[int, int]
Cache = dict[str, tuple[int, int, int, int] | Int[np.ndarray, "B C Yo Xo"]]


def _pairs(kernel: Pair, stride: Pair | None, padding: Pair) -> list[tuple[int, int]]:
    """Kernel, stride and padding, each as (vertical, horizontal)."""
    stride = kernel if stride is None else stride
    return [(value, value) if isinstance(value, int) else tuple(value) for value in (kernel, stride, padding)]


def max_pool2d_forward(
    x: Float[np.ndarray, "B C Y X"], kernel: Pair, stride: Pair | None = None, padding: Pair = 0
) -> tuple[Float[np.ndarray, "B C Yo Xo"], Cache]:
    """The largest entry of every window, and where it was found.

    The padding counts as -∞: it never wins, also where all entries are negative. Where several entries of a window are
    equally large, the first counts: the uppermost, and of those in one row the leftmost.

    Args:
        x: images of finite numbers, (B, C, Y, X).
        kernel: (K, L), height and width of a window.
        stride: from one window to the next; None for the size of the kernel.
        padding: rows (columns) on each side.

    Returns:
        The tuple (y, cache): y is (B, C, Yo, Xo), where (Yo, Xo) is the `output_shape`; cache is a dict with the keys
        "x_shape", the tuple (B, C, Y, X), and "index", an int64 array (B, C, Yo, Xo): the place row · X + column of the
        winner in its channel of x, without padding.

    Raises:
        ValueError: the padding is more than half the kernel in a direction, 2·P > K or 2·Q > L; or the kernel does not
            fit.

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), section 9.3. Dumoulin & Visin, A guide to convolution
        arithmetic for deep learning (2016), chapter 3.

    Example:
        >>> x = np.array([[[[1.0, 5.0, 2.0, 0.0], [4.0, 3.0, -6.0, 2.0]]]])  # (1, 1, 2, 4)
        >>> y, cache = max_pool2d_forward(x, 2)
        >>> y.tolist(), cache["index"].tolist(), cache["x_shape"]  # 2 is there twice: the upper one, at 0 · 4 + 2
        ([[[[5.0, 2.0]]]], [[[[1, 2]]]], (1, 1, 2, 4))
    """
    raise NotImplementedError


def max_pool2d_backward(dy: Float[np.ndarray, "B C Yo Xo"], cache: Cache) -> Float[np.ndarray, "B C Y X"]:
    """The gradient with respect to the image: every window hands its dy to the entry that won it.

    An entry that won several windows, which is possible where they overlap, gets the sum.

    Args:
        dy: the gradient with respect to the output, (B, C, Yo, Xo).
        cache: what `max_pool2d_forward` returned: "x_shape", the tuple (B, C, Y, X), and "index", the winners' places
            row · X + column, (B, C, Yo, Xo); nothing else.

    Returns:
        dx, (B, C, Y, X): zero wherever no window was won.

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), sections 6.5.2 and 9.3.

    Example:
        >>> cache = {"x_shape": (1, 1, 2, 4), "index": np.array([[[[1, 2, 2]]]])}
        >>> max_pool2d_backward(np.array([[[[10.0, 20.0, 3.0]]]]), cache).tolist()
        [[[[0.0, 10.0, 23.0, 0.0], [0.0, 0.0, 0.0, 0.0]]]]
    """
    raise NotImplementedError


def avg_pool2d_forward(
    x: Float[np.ndarray, "B C Y X"],
    kernel: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    count_include_pad: bool = True,
) -> Float[np.ndarray, "B C Yo Xo"]:
    """The mean of every window.

    The padding adds nothing to the sum. Whether it counts among the entries that the sum is divided by is a choice: with
    `count_include_pad` every window is divided by K·L, without it by the number of its entries that lie on the image.

    Args:
        x: images, (B, C, Y, X).
        kernel: (K, L), height and width of a window.
        stride: from one window to the next; None for the size of the kernel.
        padding: rows (columns) of zeros on each side.
        count_include_pad: whether entries of the padding count.

    Returns:
        y, (B, C, Yo, Xo), where (Yo, Xo) is the `output_shape`.

    Raises:
        ValueError: the padding is more than half the kernel in a direction, 2·P > K or 2·Q > L; or the kernel does not
            fit.

    Reference:
        LeCun, Bottou, Bengio & Haffner, Gradient-Based Learning Applied to Document Recognition (1998), section II.A,
        "sub-sampling".

    Example:
        >>> x = np.array([[[[1.0, 5.0, 3.0], [4.0, 2.0, 1.0]]]])  # (1, 1, 2, 3)
        >>> avg_pool2d_forward(x, 2, padding=(0, 1)).tolist()  # two columns of padding make the width 5
        [[[[1.25, 2.75]]]]
        >>> avg_pool2d_forward(x, 2, padding=(0, 1), count_include_pad=False).tolist()
        [[[[2.5, 2.75]]]]
    """
    raise NotImplementedError


def avg_pool2d_backward(
    dy: Float[np.ndarray, "B C Yo Xo"],
    x_shape: tuple[int, int, int, int],
    kernel: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    count_include_pad: bool = True,
) -> Float[np.ndarray, "B C Y X"]:
    """The gradient with respect to the image: every window hands equal shares of its dy to the entries it averaged.

    A share is dy divided by what the forward pass divided by. Shares of overlapping windows add up, and those that fall
    on the padding are lost.

    Args:
        dy: the gradient with respect to the output, (B, C, Yo, Xo).
        x_shape: (B, C, Y, X), the shape of the images.
        kernel, stride, padding, count_include_pad: as they were in the forward pass, which accepted them.

    Returns:
        dx, (B, C, Y, X).

    Reference:
        LeCun, Bottou, Bengio & Haffner, Gradient-Based Learning Applied to Document Recognition (1998), section II.A,
        "sub-sampling".

    Example:
        >>> dy = np.array([[[[8.0, 20.0]]]])  # (1, 1, 1, 2)
        >>> avg_pool2d_backward(dy, (1, 1, 2, 3), 2, padding=(0, 1)).tolist()
        [[[[2.0, 5.0, 5.0], [2.0, 5.0, 5.0]]]]
        >>> avg_pool2d_backward(dy, (1, 1, 2, 3), 2, padding=(0, 1), count_include_pad=False).tolist()
        [[[[4.0, 5.0, 5.0], [4.0, 5.0, 5.0]]]]
    """
    raise NotImplementedError


def global_average_pool(x: Float[np.ndarray, "B C Y X"]) -> Float[np.ndarray, "B C"]:
    """The mean of every channel over the whole image: images of any size become vectors of C numbers.

    Args:
        x: images, (B, C, Y, X).

    Returns:
        One mean for each image and channel, (B, C).

    Reference:
        Lin, Chen & Yan, Network In Network (2014), section 3.2.

    Example:
        >>> global_average_pool(np.array([[[[1.0, 2.0, 6.0]], [[-1.0, 0.0, -5.0]]]])).tolist()  # from (1, 2, 1, 3)
        [[3.0, -2.0]]
    """
    raise NotImplementedError
