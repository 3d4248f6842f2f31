"""Convolution of images: forward, backward, and as one matrix product, in NumPy.

A kernel slides over an image and at every place takes the sum of what it covers, weighted by its entries. As in every
framework the kernel is not flipped first, so the operation is, strictly, a cross-correlation.

`kernel`, `stride`, `padding` and `dilation` are each a pair (vertical, horizontal), or one int for both directions.
No function here changes an array that it is given.

Letters: B images in a batch, C channels, F filters, Y and X height and width of the image, K and L of the kernel, Yo and
Xo of the output. All arrays are float64.
"""

import numpy as np
from jaxtyping import Float

Pair = int | tuple[int, int]


def _pair(value: Pair) -> tuple[int, int]:
    """(vertical, horizontal): a pair as it is, an int for both."""
    return (value, value) if isinstance(value, int) else tuple(value)


def output_shape(
    size: tuple[int, int], kernel: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1
) -> tuple[int, int]:
    """Count the places at which a kernel can stand on an image: in each direction (size + 2·P - extent) // S + 1.

    P rows of zeros are added above and P below the image. A kernel of K rows whose rows stand D apart reaches over an
    extent of D·(K - 1) + 1 rows. It starts at the top and moves S rows at a time, as long as all of it lies on the
    padded image; rows at the bottom that no step reaches are left out. The same holds for columns.

    Args:
        size: (Y, X), height and width of the image.
        kernel: (K, L), its height and width.
        stride: how far the kernel moves from one place to the next.
        padding: rows (columns) of zeros on each of the two sides.
        dilation: the distance from one row (column) of the kernel to the next; 1 is a kernel without holes.

    Returns:
        (Yo, Xo), a tuple of two ints, both at least 1.

    Raises:
        ValueError: the extent of the kernel is greater than the padded image, in at least one direction.

    Reference:
        Dumoulin & Visin, A guide to convolution arithmetic for deep learning (2016), section 5.1, relationship 15.

    Example:
        >>> output_shape((6, 9), (3, 2), stride=(2, 3))  # the last row and the last column are left out
        (2, 3)
        >>> output_shape((6, 9), (3, 2), stride=(2, 3), padding=(1, 0), dilation=(2, 4))
        (2, 2)
    """
    raise NotImplementedError


def conv2d_forward(
    x: Float[np.ndarray, "B C Y X"],
    w: Float[np.ndarray, "F C//groups K L"],
    b: Float[np.ndarray, "F"],
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Float[np.ndarray, "B F Yo Xo"]:
    """Convolve every image with every filter; each filter sums over the channels it sees and adds its bias.

    With (S, T), (P, Q) and (D, E) the pairs stride, padding and dilation, and x taken as zero outside the image,

        y[n, f, i, j] = b[f] + Σ_c Σ_u Σ_v w[f, c, u, v] · x[n, c', i·S - P + u·D, j·T - Q + v·E]

    With one group c' = c: a filter sees all channels. With more, channels and filters are cut into `groups` runs of
    equal length, and the filters of a run see the channels of the same run only: the first F / groups filters the first
    C / groups channels, and so on. So c counts from 0 to C / groups - 1 and c' = (f // (F / groups)) · (C / groups) + c.

    Args:
        x: images, (B, C, Y, X).
        w: filters, (F, C / groups, K, L).
        b: one bias a filter, (F,).
        stride, padding, dilation: as in `output_shape`.
        groups: the number of runs.

    Returns:
        y, (B, F, Yo, Xo), where (Yo, Xo) is the `output_shape`.

    Raises:
        ValueError: `groups` does not divide C, or not F; or the filters do not have C / groups channels; or the kernel
            does not fit.

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), section 9.5, equation 9.8. Groups: Krizhevsky, Sutskever &
        Hinton, ImageNet Classification with Deep Convolutional Neural Networks (2012), section 3.2. Dilation: Yu &
        Koltun, Multi-Scale Context Aggregation by Dilated Convolutions (2016), section 2.

    Example:
        >>> x = np.array([[[[1.0, 2.0, 0.0], [3.0, 4.0, 5.0]]]])  # (1, 1, 2, 3)
        >>> w = np.array([[[[1.0, 10.0]]]])  # (1, 1, 1, 2)
        >>> conv2d_forward(x, w, np.array([0.5])).tolist()
        [[[[21.5, 2.5], [43.5, 54.5]]]]
    """
    raise NotImplementedError


def conv2d_backward(
    dy: Float[np.ndarray, "B F Yo Xo"],
    x: Float[np.ndarray, "B C Y X"],
    w: Float[np.ndarray, "F C//groups K L"],
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> tuple[Float[np.ndarray, "B C Y X"], Float[np.ndarray, "F C//groups K L"], Float[np.ndarray, "F"]]:
    """The gradients of a loss with respect to x, w and b of a convolution, given its gradient with respect to y.

    Every product w[f, c, u, v] · x[n, c', …] of the forward pass gives x its factor w, and w its factor x, each times
    the dy of the output that the product went into. An entry of the image collects from all the windows that it lies
    in, an entry of a filter from all places and all images.

    Args:
        dy: the gradient with respect to the output, (B, F, Yo, Xo).
        x: the images that the forward pass was given, (B, C, Y, X).
        w: its filters, (F, C / groups, K, L).
        stride, padding, dilation, groups: as they were in the forward pass, which accepted them.

    Returns:
        The tuple (dx, dw, db) of shapes (B, C, Y, X), (F, C / groups, K, L) and (F,). Pixels that lie in no window have
        a gradient of zero; what falls on the padding is dropped.

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), section 9.5, equations 9.11 and 9.13.

    Example:
        >>> x = np.array([[[[1.0, 2.0, 0.0], [3.0, 4.0, 5.0]]]])  # (1, 1, 2, 3)
        >>> w = np.array([[[[1.0, 10.0]]]])  # (1, 1, 1, 2)
        >>> dx, dw, db = conv2d_backward(np.array([[[[1.0, 0.0], [2.0, -1.0]]]]), x, w)
        >>> dx.tolist(), dw.tolist(), db.tolist()
        ([[[[1.0, 10.0, 0.0], [2.0, 19.0, -10.0]]]], [[[[3.0, 5.0]]]], [2.0])
    """
    raise NotImplementedError


def im2col(
    x: Float[np.ndarray, "B C Y X"], kernel: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1
) -> Float[np.ndarray, "B C*K*L Yo*Xo"]:
    """Write out every window of every image as a column, so that a convolution becomes a matrix product.

    Column i·Xo + j holds the window at place (i, j): places are read row by row. In a column, channel 0 comes first,
    and within a channel the window is read row by row: row (c·K + u)·L + v holds what entry (u, v) of a kernel meets in
    channel c. Pixels that lie in several windows are written several times. The padding reads as zero.

    Args:
        x: images, (B, C, Y, X).
        kernel: (K, L).
        stride, padding, dilation: as in `output_shape`.

    Returns:
        The columns, (B, C·K·L, Yo·Xo), where (Yo, Xo) is the `output_shape`.

    Raises:
        ValueError: the kernel does not fit.

    Reference:
        Chellapilla, Puri & Simard, High Performance Convolutional Neural Networks for Document Processing (2006),
        "unfolding convolution".

    Example:
        >>> x = np.array([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]])  # (1, 1, 2, 3)
        >>> im2col(x, (1, 2)).tolist()  # the windows are 1 2, 2 3, 4 5 and 5 6: read downwards
        [[[1.0, 2.0, 4.0, 5.0], [2.0, 3.0, 5.0, 6.0]]]
    """
    raise NotImplementedError


def col2im(
    cols: Float[np.ndarray, "B C*K*L Yo*Xo"],
    x_shape: tuple[int, int, int, int],
    kernel: Pair,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
) -> Float[np.ndarray, "B C Y X"]:
    """Put every column back where `im2col` took it from, and add up what comes to lie on the same pixel.

    This is not the inverse of `im2col` but its adjoint: Σ im2col(x) · cols = Σ x · col2im(cols) for all x and cols. The
    adjoint of a linear map is what carries gradients back through it.

    Args:
        cols: one column a window, in the order of `im2col`, (B, C·K·L, Yo·Xo).
        x_shape: (B, C, Y, X), the shape of the images.
        kernel, stride, padding, dilation: as in `im2col`.

    Returns:
        The images, (B, C, Y, X). Pixels that lie in no window are zero; what falls on the padding is dropped.

    Reference:
        Chellapilla, Puri & Simard, High Performance Convolutional Neural Networks for Document Processing (2006),
        "unfolding convolution", for the backward pass.

    Example:
        >>> cols = np.array([[[1.0, 2.0, 4.0, 5.0], [2.0, 3.0, 5.0, 6.0]]])  # (1, 2, 4)
        >>> col2im(cols, (1, 1, 2, 3), (1, 2)).tolist()  # the middle column lies in two windows
        [[[[1.0, 4.0, 3.0], [4.0, 10.0, 6.0]]]]
    """
    raise NotImplementedError


def conv2d_im2col(
    x: Float[np.ndarray, "B C Y X"],
    w: Float[np.ndarray, "F C//groups K L"],
    b: Float[np.ndarray, "F"],
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Float[np.ndarray, "B F Yo Xo"]:
    """The same convolution as `conv2d_forward`, by one matrix product: filters as rows, windows as columns.

    A row of w.reshape(F, C·K·L) and a column of `im2col` hold their entries in the same order, so their product is the
    sum that the convolution asks for. With groups the C·K·L rows of the columns fall into `groups` runs, one for each
    run of filters, and NumPy's `@` multiplies all pairs of runs in one product over a stack of matrices.

    Args:
        x, w, b, stride, padding, dilation, groups: as in `conv2d_forward`.

    Returns:
        y, (B, F, Yo, Xo).

    Raises:
        ValueError: as in `conv2d_forward`.

    Reference:
        Chellapilla, Puri & Simard, High Performance Convolutional Neural Networks for Document Processing (2006),
        "unfolding convolution".

    Example:
        >>> x = np.array([[[[1.0, 2.0, 0.0], [3.0, 4.0, 5.0]]]])  # (1, 1, 2, 3)
        >>> w = np.array([[[[1.0, 10.0]]]])  # (1, 1, 1, 2)
        >>> conv2d_im2col(x, w, np.array([0.5])).tolist()
        [[[[21.5, 2.5], [43.5, 54.5]]]]
    """
    raise NotImplementedError
