# %% [markdown]
# # Convolutions and pooling
#
# Every figure in this notebook is drawn by the functions that you write in this folder. Fill a function, run its cell
# again, and look at what your code does. Where a function is still empty, the cell says so in one line and the rest of
# the notebook goes on. `%load_ext autograder.practice.magic`, and then `%autograder check conv2d_forward`, checks one.
#
# Formulas, shapes and an example worked by hand are in `README.md` beside this notebook. Most sections ask a question
# before their figure: decide on an answer first, then run the cell.
#
# Letters: B batch, C channels, F filters, Y and X height and width of an image, K and L those of a kernel.

# %%
# %load_ext autoreload
# %autoreload 2

# %%
import sys
import traceback
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

sys.path.insert(0, "..")  # the folder that holds m08_convolutions
from m08_convolutions import convolution, pooling

BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"  # for any eyes
plt.rcParams.update({"font.size": 11, "figure.constrained_layout.use": True, "image.interpolation": "nearest"})
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "lines.linewidth": 2})


def figure(draw):
    """Draw a figure at once, or say which function it still waits for."""
    try:
        draw()
    except NotImplementedError as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        plt.close("all")
        file = f"exercises/m08_convolutions/{Path(last.filename).name}"
        print(f"not started yet: {last.name} — fill {file} and run this cell again")
    plt.show()


# %% [markdown]
# ## The picture
#
# No photograph is needed to see what a kernel does. This image has what photographs have: edges in several directions,
# a smooth slope, and a texture.


# %%
def picture(size=64):
    """An image (size, size) with values from 0 to 1: a disc, a bar, a slope and stripes."""
    y, x = np.mgrid[0:size, 0:size] / size
    image = 0.3 * x  # the slope
    image[(y - 0.35) ** 2 + (x - 0.32) ** 2 < 0.04] = 0.9  # the disc
    image[(y > 0.68) & (y < 0.9) & (x < 0.55)] = 0.75  # the bar
    stripes = (x > 0.65) & (y > 0.15) & (y < 0.85)
    image[stripes] = (0.5 + 0.4 * np.sign(np.sin(2 * np.pi * 9 * (x + y))))[stripes]
    return image


def show(axes, image, title, colours="gray", **limits):
    axes.imshow(image, cmap=colours, **limits)
    axes.set(title=title, xticks=(), yticks=())


@figure
def show_the_picture():
    _, axes = plt.subplots(figsize=(3.4, 3.6))
    show(axes, picture(), "the image, (1, 1, 64, 64)")


# %% [markdown]
# ## 1. A kernel is a question asked everywhere
#
# A filter multiplies the nine pixels under it with nine weights and adds up. It gives a large number where the picture
# looks like the weights. The same nine weights are used at every place: that is all that makes a convolution.
#
# *Before you run the cell:* one of these kernels has weights that sum to 1, the others to 0. What do the latter give on
# an even surface? And which of the two edge kernels sees the stripes?


# %%
KERNELS = {
    "blur": np.full((3, 3), 1.0 / 9.0),
    "edges across x": np.array([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]),
    "edges across y": np.array([[-1.0, -2.0, -1.0], [0.0, 0.0, 0.0], [1.0, 2.0, 1.0]]),
    "Laplacian": np.array([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]),
}


@figure
def what_kernels_see():
    x, w = picture()[None, None], np.stack(list(KERNELS.values()))[:, None]  # (1, 1, 64, 64), (4, 1, 3, 3)
    y = convolution.conv2d_forward(x, w, np.zeros(4), padding=1)  # (1, 4, 64, 64)
    _, panels = plt.subplots(1, 4, figsize=(13, 3.6))
    for axes, name, response in zip(panels, KERNELS, y[0], strict=True):
        largest = np.abs(response[1:-1, 1:-1]).max()
        show(
            axes, response, name, "gray" if name == "blur" else "RdBu_r", vmin=-largest * (name != "blur"), vmax=largest
        )


# %% [markdown]
# White means 0 in the last three. On an even surface they say nothing, and on the slope they say the same weak thing
# everywhere: they answer to *change*. The stripes run diagonally, so both directions see them. The frame around the
# pictures is no property of the image: there the kernel reads the zeros of the padding.
#
# In a network nobody writes these weights down. They are learnt, as at the end of this notebook.
#
# ## 2. Where a kernel can stand
#
# Stride, padding and dilation decide which pixels an output sees. To find out, send a gradient back: the pixels that
# one output depends on are those where `dx` is not 0.
#
# *Before you run the cell:* the kernel has three rows. How many rows of the image does it span with dilation 3?


# %%
@figure
def what_one_output_sees():
    settings = {
        "plain": {},
        "stride 2, padding 1": {"stride": 2, "padding": 1},
        "dilation 3": {"dilation": 3},
        "two layers": None,
    }
    x, w = np.zeros((1, 1, 11, 11)), np.ones((1, 1, 3, 3))
    _, panels = plt.subplots(1, 4, figsize=(13, 3.7))
    for axes, (name, setting) in zip(panels, settings.items(), strict=True):
        shape = convolution.output_shape((11, 11), (3, 3), **(setting or {}))
        if setting is None:
            shape = convolution.output_shape(shape, (3, 3))
        dy = np.zeros((1, 1, *shape))
        dy[0, 0, shape[0] // 2, shape[1] // 2] = 1.0
        if setting is None:
            dy = convolution.conv2d_backward(dy, np.zeros((1, 1, 9, 9)), w)[0]
        dx = convolution.conv2d_backward(dy, x, w, **(setting or {}))[0]
        show(axes, dx[0, 0], f"{name}\noutput {shape[0]} × {shape[1]}", "Blues", vmin=0)
        axes.set(xticks=np.arange(-0.5, 11), yticks=np.arange(-0.5, 11), xticklabels=(), yticklabels=())
        axes.grid(color="#cccccc", linewidth=0.6)


# %% [markdown]
# Dilation 3 reaches over seven rows with the same nine weights. Two plain layers see five rows, and the middle more
# often than the border: nine paths lead to the centre, one to each corner. That is the receptive field, and why depth
# widens it.
#
# ## 3. A convolution is a matrix product
#
# `im2col` writes every window as a column. Then all filters at all places are one product of two matrices, which is
# what computers do best. The price is memory: a pixel is written once for every window that it lies in.


# %%
@figure
def windows_as_columns():
    x = np.arange(1.0, 26.0).reshape(1, 1, 5, 5)
    _, panels = plt.subplots(1, 3, figsize=(13, 3.8), width_ratios=(1, 1.4, 1.6))
    show(panels[0], x[0, 0], "an image, 5 × 5", "viridis")
    show(panels[1], convolution.im2col(x, (3, 3))[0], "its windows as columns, 9 × 9", "viridis")
    sizes = np.arange(1, 8)
    copies = [convolution.im2col(np.ones((1, 1, 28, 28)), (int(k), int(k))).size / 28**2 for k in sizes]
    panels[2].plot(sizes, copies, "o-", color=BLUE, label="stride 1")
    strided = [convolution.im2col(np.ones((1, 1, 28, 28)), (int(k), int(k)), stride=int(k)).size / 28**2 for k in sizes]
    panels[2].plot(sizes, strided, "s--", color=ORANGE, label="stride = size")
    panels[2].set(title="copies of a pixel, 28 × 28", xlabel="size of the kernel")
    panels[2].legend()


# %% [markdown]
# Equal colours along the diagonals of the middle panel are the same pixel in different windows. With 5 × 5 kernels the
# columns hold 18 times the image: that is what a fast convolution pays in memory.
#
# ## 4. Pooling forgets where
#
# *Before you run the cell:* the picture moves one pixel to the right. Which changes least: the picture itself, its
# average pooled version, or its max pooled one? (Measured is the mean change of a value, in standard deviations.)


# %%
@figure
def pooling_under_a_shift():
    x = np.stack([picture(), np.roll(picture(), 1, axis=1)])[:, None]  # (2, 1, 64, 64)
    pooled = {
        "as it is": x,
        "average 4 × 4": pooling.avg_pool2d_forward(x, 4),
        "maximum 4 × 4": pooling.max_pool2d_forward(x, 4)[0],
        "global average": np.broadcast_to(pooling.global_average_pool(x)[..., None, None], (2, 1, 4, 4)),
    }
    _, panels = plt.subplots(1, 4, figsize=(13, 3.7))
    for axes, (name, y) in zip(panels, pooled.items(), strict=True):
        spread = y.std()
        moved = f"moves by {np.abs(y[1] - y[0]).mean() / spread:.0%}" if spread > 1e-9 else "cannot move"
        show(axes, y[0, 0], f"{name}: {moved}", vmin=0, vmax=1)


# %% [markdown]
# Pooling trades place for stability, and the global average gives up all of it: only *how much* of a feature there is
# remains, which is what a classifier wants at its end.
#
# Backwards, an average hands its gradient to all pixels of a window, a maximum to the winner alone:


# %%
@figure
def who_gets_the_gradient():
    x = picture(16)[None, None]
    ones = np.ones((1, 1, 4, 4))
    _, panels = plt.subplots(1, 3, figsize=(10, 3.6))
    show(panels[0], x[0, 0], "the image, 16 × 16")
    show(
        panels[1],
        pooling.avg_pool2d_backward(ones, (1, 1, 16, 16), 4)[0, 0],
        "average: everybody gets 1/16",
        "Blues",
        vmin=0,
        vmax=1,
    )
    _, cache = pooling.max_pool2d_forward(x, 4)
    show(panels[2], pooling.max_pool2d_backward(ones, cache)[0, 0], "maximum: one winner each", "Blues", vmin=0, vmax=1)


# %% [markdown]
# ## 5. An experiment: learn the kernel
#
# Somebody shows us an image and the edges in it, and hides the kernel. Start from noise and follow the gradient that
# `conv2d_backward` gives: mean squared error, nothing else.
#
# *Before you run the cell:* nine numbers are to be found from one pair of images. Will the hidden kernel come out
# exactly, or only one that does as well on this picture?


# %%
@figure
def learn_a_kernel():
    hidden = KERNELS["edges across x"]
    x, b = picture()[None, None] - picture().mean(), np.zeros(1)
    target = convolution.conv2d_forward(x, hidden[None, None], b)
    w, losses, shown = 0.5 * np.random.default_rng(0).standard_normal((1, 1, 3, 3)), [], {}
    for step in range(401):
        error = convolution.conv2d_forward(x, w, b) - target
        losses.append((error**2).mean())
        if step in (0, 20, 400):
            shown[step] = w[0, 0].copy()
        w -= 0.8 * convolution.conv2d_backward(2.0 * error / error.size, x, w)[1]
    _, panels = plt.subplots(1, 5, figsize=(14, 3.3), width_ratios=(1.7, 1, 1, 1, 1))
    panels[0].semilogy(losses, color=GREEN)
    panels[0].set(title="mean squared error", xlabel="step")
    for axes, (step, kernel) in zip(panels[1:], shown.items(), strict=False):
        show(axes, kernel, f"step {step}", "RdBu_r", vmin=-2, vmax=2)
    show(panels[4], hidden, "hidden", "RdBu_r", vmin=-2, vmax=2)


# %% [markdown]
# The error falls by orders of magnitude, and the kernel comes close to the hidden one: the picture holds enough
# different neighbourhoods to tell the nine weights apart. On an image of one even slope it would not: there, many
# kernels do the same.
#
# **Go on.** Take the bar and the disc out of the picture and learn again: which weights are found slowly now? Put a
# `max_pool2d_forward` behind the convolution, before the error: does it still learn, and what does it learn from?
