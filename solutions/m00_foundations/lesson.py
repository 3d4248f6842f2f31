# %% [markdown]
# # Neural network foundations
#
# Every figure in this notebook is drawn by the functions that you write in this folder. Fill a function, run its cell
# again, and look at what your code does. Where a function is still empty, the cell says so in one line and the rest of
# the notebook goes on.
#
# The sections follow the exercises: perceptron, activations, losses, layers, mlp, gradient_check, gradient_descent.
# Formulas, shapes and an example worked by hand are in `README.md` beside this notebook. Most sections ask a question
# before their figure: decide on an answer first, then run the cell.
#
# Letters: N rows, D inputs or features, M hidden units (or outputs of a layer), C classes.

# %%
# %load_ext autoreload
# %autoreload 2

# %%
import sys
import traceback
from functools import partial
from pathlib import Path
from unittest.mock import patch

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap

sys.path.insert(0, "..")  # the folder that holds m00_foundations
from m00_foundations import activations, gradient_check, gradient_descent, layers, losses, mlp, perceptron

BLUE, ORANGE, GREEN, PURPLE, BLACK = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#222222"  # for any eyes
BETWEEN = LinearSegmentedColormap.from_list("between", [BLUE, "white", ORANGE])
plt.rcParams.update({"font.size": 11, "axes.grid": True, "grid.alpha": 0.25, "figure.constrained_layout.use": True})
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "lines.linewidth": 2})


def figure(draw):
    """Draw a figure at once, or say which function it still waits for."""
    try:
        draw()
    except NotImplementedError as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        plt.close("all")
        file = f"exercises/m00_foundations/{Path(last.filename).name}"
        print(f"not started yet: {last.name} — fill {file} and run this cell again")
    plt.show()


# %% [markdown]
# ## The data
#
# Two sets of points in the plane, two classes each. No straight line separates either of them. That is their purpose:
# what a single linear unit can do, and what it takes to do more, shows at a glance.


# %%
def two_moons(rng, n):
    """Points (n, 2) on two half circles that reach into each other, and their classes (n,), 0 or 1."""
    angle, label = rng.uniform(0.0, np.pi, n), rng.integers(0, 2, n)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)  # (n, 2)
    lower = np.stack([1.0 - np.cos(angle), 0.5 - np.sin(angle)], axis=1)  # (n, 2)
    return np.where(label[:, None] == 0, upper, lower) + 0.15 * rng.standard_normal((n, 2)), label


def xor_clouds(rng, n):
    """Four clouds of points (n, 2) around the corners (±1, ±1); class 1 where the two signs differ."""
    corner = rng.choice([-1.0, 1.0], (n, 2))
    return corner + 0.3 * rng.standard_normal((n, 2)), (corner[:, 0] != corner[:, 1]).astype(int)


def scatter(axes, x, label, size=22):
    """Class 0 as blue circles, class 1 as orange squares."""
    for value, colour, marker in ((0, BLUE, "o"), (1, ORANGE, "s")):
        points = x[label == value]
        axes.scatter(*points.T, s=size, c=colour, marker=marker, edgecolor="white", linewidth=0.6, zorder=3)


@figure
def show_the_data():
    _, panels = plt.subplots(1, 2, figsize=(9, 3.6))
    for axes, make, title in zip(panels, (two_moons, xor_clouds), ("two moons", "XOR"), strict=True):
        scatter(axes, *make(np.random.default_rng(0), 200))
        axes.set(title=title, xlabel="feature 1", ylabel="feature 2", aspect="equal")


# %% [markdown]
# ## 1. Perceptron
#
# The perceptron labels a point by the side of the line $x \cdot w + b = 0$ it lies on, and learns from mistakes only: a
# point on the wrong side pulls the line towards itself. Nothing is differentiated and no loss is written down.
#
# *Before you run the cell:* logical AND has one positive corner, XOR has two that lie opposite each other. For which of
# them will the number of mistakes in an epoch reach zero, and what will it do for the other?


# %%
@figure
def the_perceptron_learns_and_but_not_xor():
    corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    problems = {"AND": np.array([-1.0, -1.0, -1.0, 1.0]), "XOR": np.array([-1.0, 1.0, 1.0, -1.0])}
    _, panels = plt.subplots(1, 3, figsize=(12, 3.9), width_ratios=(1, 1, 1.15))
    ticks = np.linspace(-0.5, 1.5, 200)
    grid = np.stack(np.meshgrid(ticks, ticks), axis=-1)  # (200, 200, 2)
    for axes, (name, y), colour in zip(panels, problems.items(), (GREEN, PURPLE), strict=False):
        w, b, mistakes = perceptron.fit(corners, y, max_epochs=20)
        labels = perceptron.predict(grid.reshape(-1, 2), w, b).reshape(200, 200)
        axes.contourf(ticks, ticks, labels, levels=[-2, 0, 2], colors=[BLUE, ORANGE], alpha=0.2)
        scatter(axes, corners, (y > 0).astype(int), size=90)
        axes.set(title=f"{name} after {len(mistakes)} epochs", xlabel="input 1", ylabel="input 2", aspect="equal")
        panels[2].plot(range(1, len(mistakes) + 1), mistakes, "o-", color=colour, label=name, markersize=5)
    panels[2].set(title="mistakes in every epoch", xlabel="epoch", ylabel="rows that were wrong")
    panels[2].set(xticks=(1, 5, 10, 15, 20), ylim=(-0.2, 4.4))
    panels[2].legend()


# %% [markdown]
# AND is separable, and the rule stops by itself after an epoch without a mistake. It stops at the first line that will
# do, not at a good one: the corner (1, 1) lies exactly on it. XOR is not separable, and the rule never comes to rest.
# From the third epoch on it is wrong about all four rows, every time: each correction undoes another, and the epoch
# ends with the weights it began with.
#
# The limit is not in the learning rule but in the model: there is no line to be found. The rest of this module is the
# way out. Put a bent function between two linear ones, and replace the rule by something that can be passed back
# through both: a gradient.
#
# ## 2. Activations
#
# An activation is the bend. Its slope decides how much of a gradient comes back through it.
#
# *Before you run the cell:* where is each slope largest, and how large is it there?


# %%
@figure
def activations_and_their_slopes():
    x = np.linspace(-6.0, 6.0, 601)
    drawn = (
        ("sigmoid", activations.sigmoid, activations.sigmoid_grad, BLUE, "-"),
        ("tanh", activations.tanh, activations.tanh_grad, GREEN, "--"),
        ("ReLU", activations.relu, activations.relu_grad, ORANGE, "-."),
    )
    _, panels = plt.subplots(1, 2, figsize=(10, 3.7))
    for name, function, slope, colour, line in drawn:
        panels[0].plot(x, function(x), line, color=colour, label=name)
        panels[1].plot(x, slope(x), line, color=colour, label=name)
    panels[0].set(title="activation", xlabel="x", ylabel="value", ylim=(-1.2, 3.2))
    panels[1].set(title="its slope", xlabel="x", ylabel="derivative", ylim=(-0.05, 1.1))
    panels[0].legend()


# %% [markdown]
# The sigmoid's slope is at most one quarter; it and tanh are flat on both sides: they *saturate*. The ReLU has slope 1
# wherever it is on at all.
#
# Backpropagation multiplies such slopes, one per layer. The next cell sends random rows through 30 layers of 100 units
# and carries a gradient back from the top with your functions. Weights are drawn with standard deviation
# $1/\sqrt{100}$, for the ReLU $\sqrt{2/100}$.
#
# *Before you run the cell:* a quarter to the power of 30 is about $10^{-18}$. Which curve will come near it?


# %%
@figure
def what_is_left_of_a_gradient_after_many_layers():
    def gradient_sizes(activation, slope, gain, depth=30, width=100, rows=50):
        rng = np.random.default_rng(0)
        h, steps = rng.standard_normal((rows, width)), []
        for _ in range(depth):
            w = gain * rng.standard_normal((width, width)) / np.sqrt(width)
            z = h @ w  # (rows, width)
            h = activation(z)
            steps.append((w, slope(z)))
        g, sizes = rng.standard_normal((rows, width)), []
        for w, s in reversed(steps):
            g = (g * s) @ w.T  # (rows, width)
            sizes.append(np.sqrt(np.mean(g**2)))
        return sizes

    _, axes = plt.subplots(figsize=(8, 4))
    back = np.arange(1, 31)
    relu = gradient_sizes(activations.relu, activations.relu_grad, np.sqrt(2.0))
    axes.semilogy(back, relu, "s-", color=ORANGE, markersize=4, label="ReLU")
    tanh = gradient_sizes(activations.tanh, activations.tanh_grad, 1.0)
    axes.semilogy(back, tanh, "^-", color=GREEN, markersize=4, label="tanh")
    sigmoid = gradient_sizes(activations.sigmoid, activations.sigmoid_grad, 1.0)
    axes.semilogy(back, sigmoid, "o-", color=BLUE, markersize=4, label="sigmoid")
    axes.set(title="the gradient on its way back", xlabel="layers passed", ylabel="size of the gradient (rms)")
    axes.legend()


# %% [markdown]
# After 30 sigmoid layers a gradient is smaller by a factor of $10^{19}$: with one learning rate for all, the early
# layers do not move. Tanh loses little here, because its slope is 1 around zero and its values stay small. The ReLU,
# with weights drawn for it, hands the gradient back at nearly the size it came with. (`init_params` in `mlp` draws
# weights in this way.)
#
# ### Softmax, and why its logarithm has a function of its own
#
# The left panel moves one of three scores and watches the probabilities. The right panel computes the log-probability
# of a class that falls behind in two ways: as `np.log(softmax(x))`, and with your `log_softmax`.


# %%
@figure
def softmax_and_its_logarithm():
    _, panels = plt.subplots(1, 2, figsize=(10, 3.8))
    z = np.linspace(-6.0, 6.0, 200)
    scores = np.stack([z, np.ones_like(z), np.zeros_like(z)], axis=1)  # (200, 3)
    named = zip(activations.softmax(scores).T, ("score z", "score 1", "score 0"), (ORANGE, BLUE, GREEN), strict=True)
    for (probability, name, colour), line in zip(named, ("-", "--", "-."), strict=True):
        panels[0].plot(z, probability, line, color=colour, label=name)
    panels[0].set(title="softmax of (z, 1, 0)", xlabel="z", ylabel="probability")
    panels[0].legend(loc="center right")
    behind = np.linspace(0.0, 1000.0, 501)
    pairs = np.stack([-behind, np.zeros_like(behind)], axis=1)  # (501, 2)
    with np.errstate(divide="ignore"):
        naive = np.log(activations.softmax(pairs)[:, 0])
    panels[1].plot(behind, activations.log_softmax(pairs)[:, 0], color=BLUE, label="log_softmax(x)")
    panels[1].plot(behind, naive, ":", color=ORANGE, linewidth=4, label="log(softmax(x))")
    end = np.isfinite(naive).sum() - 1
    panels[1].plot(behind[end], naive[end], "X", color=ORANGE, markersize=11)
    panels[1].annotate("from here on: -inf", (behind[end], naive[end]), (430, -930), arrowprops={"arrowstyle": "-"})
    panels[1].set(title="log-probability of the loser", xlabel="how far it is behind", ylabel="log-probability")
    panels[1].legend()


# %% [markdown]
# The smallest positive number in float64 is about $5 \cdot 10^{-324}$. Less than that becomes 0, and the logarithm of 0
# is $-\infty$: one confident mistake would make the loss infinite and its gradient nan. Whoever stays with logarithms
# throughout never meets it.
#
# ## 3. Losses
#
# A loss judges a score; its slope says how hard it pulls. Below, the true class is the positive one, and the score $z$
# runs from clearly wrong (left) to clearly right (right). "Squared error of σ(z)" is what you get by putting a sigmoid
# before `mse`; its slope in $z$ takes one factor more, by the chain rule: `sigmoid_grad`.
#
# *Before you run the cell:* which of the four pulls hardest on a point that is very wrong, and which barely at all? And
# which one punishes a point for being very right?


# %%
@figure
def what_a_loss_charges_and_how_hard_it_pulls():
    z, one = np.linspace(-5.0, 5.0, 201), np.array([1.0])

    def squared_error_of_sigmoid(score):
        loss, gradient = losses.mse(activations.sigmoid(score), one)
        return loss, gradient * activations.sigmoid_grad(score)

    drawn = (
        ("cross-entropy", lambda score: losses.binary_cross_entropy_with_logits(score, one), BLUE, "-"),
        ("hinge", lambda score: losses.hinge(score, one), GREEN, "--"),
        ("squared error of z", lambda score: losses.mse(score, one), PURPLE, ":"),
        ("squared error of σ(z)", squared_error_of_sigmoid, ORANGE, "-."),
    )
    _, panels = plt.subplots(1, 2, figsize=(11, 4))
    for name, loss, colour, line in drawn:
        values, slopes = zip(*(loss(np.array([score])) for score in z), strict=True)
        panels[0].plot(z, values, line, color=colour, label=name)
        panels[1].plot(z, np.concatenate(slopes), line, color=colour, label=name)
    some = z[::20]
    two_classes = [losses.cross_entropy(np.array([[score, 0.0]]), np.array([0]))[0] for score in some]
    panels[0].plot(some, two_classes, "o", color=BLACK, markersize=5, label="cross-entropy of (z, 0)")
    panels[0].set(title="loss", xlabel="score z of the true class", ylabel="loss", ylim=(-0.2, 6.2))
    panels[1].set(title="its slope", xlabel="score z of the true class", ylabel="d loss / d z", ylim=(-3.2, 3.2))
    panels[0].legend(fontsize=10)


# %% [markdown]
# Cross-entropy pulls a wrong point with a slope near -1 however wrong it is, and leaves a right one in peace. The
# squared error of $\sigma(z)$ has almost no slope at $z = -5$: the point is as wrong as can be, and the unit hardly
# learns from it. That is saturation again, and the reason why a loss and the activation before it are chosen as a pair.
# The plain squared error pulls without limit on the left, and on the right it pulls back points that are *too* right,
# beyond $z = 1$. The black dots say that cross-entropy over the two scores $(z, 0)$ is binary cross-entropy of $z$: one
# idea, two functions.
#
# ## 4. Layers
#
# A linear layer turns, stretches and shifts the plane; the ReLU folds what is negative onto the axes. Here are the four
# corners of XOR, with a grid to see by, sent through two hidden units and then through the ReLU. On the right your
# perceptron, which could not learn XOR, is given the folded points instead.


# %%
@figure
def folding_the_plane_makes_xor_separable():
    w, b = np.array([[1.5, -1.0], [-1.0, 1.5]]), np.array([-0.25, -0.25])

    def before(x):
        return layers.linear_forward(x, w, b)

    def after(x):
        return activations.relu(before(x))

    corners, label = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0, 1, 1, 0])
    along = np.linspace(-0.25, 1.25, 61)
    lines = [np.stack([along, np.full(61, level)], axis=1) for level in along[::10]]  # (61, 2) each
    lines += [line[:, ::-1] for line in lines]
    _, panels = plt.subplots(1, 3, figsize=(12.5, 4.4))
    for axes, stage in zip(panels, (lambda x: x, before, after), strict=True):
        for line in lines:
            axes.plot(*stage(line).T, color="#999999", linewidth=0.8)
        scatter(axes, stage(corners), label, size=90)
        axes.set(xlabel="unit 1", ylabel="unit 2", aspect="equal", xlim=(-1.9, 1.9), ylim=(-1.9, 1.9))
    panels[0].set(title="input", xlabel="input 1", ylabel="input 2", xlim=(-0.4, 1.4), ylim=(-0.4, 1.4))
    panels[1].set(title="after the linear layer")
    v, c, mistakes = perceptron.fit(after(corners), np.where(label == 1, 1.0, -1.0))
    ends = np.array([-0.3, 1.9])
    panels[2].plot(ends, -(v[0] * ends + c) / v[1], "--", color=BLACK)
    panels[2].set(title=f"after the ReLU: learnt in {len(mistakes)} epochs", xlim=(-0.3, 1.9), ylim=(-0.3, 1.9))


# %% [markdown]
# The linear layer alone helps nobody: it keeps lines straight, so what was not separable stays so. The fold does it. We
# chose the weights of the hidden layer by hand, though. Learning them takes gradients, and the gradients of a layer
# come from its backward pass. The next cell asks yours a question whose answer can be seen: where should each *input*
# move so that the loss of a linear layer falls? That is $-\partial L / \partial x$.
#
# *Before you run the cell:* which points will have long arrows, those that are right or those that are wrong?


# %%
@figure
def what_the_backward_pass_asks_of_every_point():
    x, label = two_moons(np.random.default_rng(1), 60)
    w, b = np.array([[-0.7, 0.7], [1.0, -1.0]]), np.array([0.15, -0.15])
    logits = layers.linear_forward(x, w, b)  # (60, 2)
    dx, _, _ = layers.linear_backward(layers.softmax_cross_entropy_backward(logits, label), x, w)  # (60, 2)
    _, axes = plt.subplots(figsize=(7.2, 4.6))
    axes.quiver(*x.T, *-dx.T, angles="xy", scale_units="xy", scale=0.06, width=0.004, color="#666666", zorder=2)
    scatter(axes, x, label, size=45)
    ends = np.array([-1.3, 2.3])
    score = w[:, 0] - w[:, 1]  # the two classes are equally likely where x · score + b[0] - b[1] is zero
    axes.plot(ends, -(score[0] * ends + b[0] - b[1]) / score[1], "--", color=BLACK, label="equally likely")
    axes.set(xlabel="feature 1", ylabel="feature 2", aspect="equal", title="-dx: where each point should go")
    axes.set_ylim(-1.2, 1.7)
    axes.legend(loc="upper left")


# %% [markdown]
# All arrows are perpendicular to the line: in that direction the difference of the two scores changes fastest. Their
# length is proportional to the probability given to the wrong class, the "probabilities minus one-hot" of
# `softmax_cross_entropy_backward`, so a point far on its own side hardly asks for anything. Inside a network these
# arrows are what the layer below receives as its `dy`.
#
# ## 5. A two-layer network
#
# Now everything together: `init_params`, then `train_step` again and again. Sixteen hidden units, all 200 rows in every
# step, learning rate 0.5.


# %%
def train(params, x, label, lr, steps):
    """Repeat your train_step; the parameters at the end, and the loss before every step."""
    curve = []
    for _ in range(steps):
        params, loss = mlp.train_step(params, x, label, lr)
        curve.append(loss)
    return params, curve


def draw_boundary(axes, params, x, label):
    """Colour the plane by the probability of class 1, with a line where both classes are equally likely."""
    low, high = x.min(axis=0) - 0.4, x.max(axis=0) + 0.4
    grid = np.stack(np.meshgrid(*np.linspace(low, high, 150).T), axis=-1)  # (150, 150, 2)
    logits, _ = mlp.forward(params, grid.reshape(-1, 2))  # (22500, 2)
    probability = activations.softmax(logits)[:, 1].reshape(150, 150)
    shade = axes.contourf(*grid.T, probability.T, levels=np.linspace(0, 1, 11), cmap=BETWEEN, alpha=0.55)
    axes.contour(*grid.T, probability.T, levels=[0.5], colors=BLACK, linewidths=1.5)
    scatter(axes, x, label, size=16)
    right = np.mean(mlp.forward(params, x)[0].argmax(axis=1) == label)
    axes.set(xlabel="feature 1", ylabel="feature 2")
    axes.grid(False)
    return shade, f"{right:.1%} right"


@figure
def a_network_learns_what_no_line_can():
    canvas, panels = plt.subplots(1, 3, figsize=(13.5, 4))
    panels[0].axhline(np.log(2.0), color=BLACK, linestyle=":", linewidth=1.2, label="ln 2: knowing nothing")
    problems = (("moons", two_moons, GREEN, "-"), ("XOR", xor_clouds, PURPLE, "--"))
    for axes, (name, make, colour, line) in zip(panels[1:], problems, strict=True):
        x, label = make(np.random.default_rng(0), 200)
        start = mlp.init_params(np.random.default_rng(1), d=2, m=16, c=2)
        params, curve = train(start, x, label, lr=0.5, steps=1500)
        shade, score = draw_boundary(axes, params, x, label)
        axes.set_title(f"{name}: {score}")
        panels[0].semilogy(curve, line, color=colour, label=name)
    canvas.colorbar(shade, ax=panels[2], label="probability of class 1", ticks=(0, 0.5, 1))
    panels[0].set(title="loss", xlabel="step", ylabel="mean cross-entropy")
    panels[0].legend()


# %% [markdown]
# The loss of a network that gives both classes one half is $\ln 2 \approx 0.693$. A curve that starts near it and stays
# there is a network that learns nothing; a first value far above it means weights that are too large.
#
# ### How many units?
#
# Each hidden unit contributes one fold, so the boundary is made of straight pieces, and a few units give few pieces.
#
# *Before you run the cell:* what will a single unit do, and how many are enough for the moons?


# %%
@figure
def every_unit_is_one_fold():
    x, label = two_moons(np.random.default_rng(0), 200)
    _, panels = plt.subplots(1, 4, figsize=(15, 3.8))
    for axes, m in zip(panels, (1, 2, 3, 16), strict=True):
        start = mlp.init_params(np.random.default_rng(1), d=2, m=m, c=2)
        params, curve = train(start, x, label, lr=0.5, steps=1500)
        _, score = draw_boundary(axes, params, x, label)
        axes.set_title(f"M = {m}: loss {curve[-1]:.3f}, {score}", fontsize=11)


# %% [markdown]
# Three units can be enough, but whether they are found depends on where the weights start. Try other seeds of
# `init_params` (here 1): a network of four units does well from some and stays near the straight line from others, one
# of sixteen hardly cares. With seed 0 and a single unit, the first hundred steps turn that unit off for every row. No
# gradient passes it any more, so it stays off for good: it is a *dead* ReLU, and the loss stays at $\ln 2$.
#
# ## 6. Gradient checking
#
# A derivative can be measured: move the input a little to both sides and see what the function does. How little? The
# next cell measures the slope of $\sum \sin x$ with your `numerical_gradient` at many step sizes `h` and compares it
# with the truth, $\cos x$; beside it the one-sided difference $(f(x + h) - f(x)) / h$.
#
# *Before you run the cell:* will a smaller `h` always be better?


# %%
@figure
def the_best_step_is_neither_large_nor_small():
    def f(x):
        return float(np.sin(x).sum())

    x, steps = np.linspace(0.3, 1.2, 5), np.logspace(-12, 0, 49)
    central = [np.abs(gradient_check.numerical_gradient(f, x, h=h) - np.cos(x)).max() for h in steps]
    one_sided = [max(abs((f(x + h * e) - f(x)) / h - np.cos(x) @ e) for e in np.eye(5)) for h in steps]
    _, axes = plt.subplots(figsize=(8, 4))
    axes.loglog(steps, one_sided, "s--", color=ORANGE, markersize=4, label="one-sided")
    axes.loglog(steps, central, "o-", color=BLUE, markersize=4, label="central (numerical_gradient)")
    axes.axvline(1e-5, color=BLACK, linestyle=":", linewidth=1.2, label="default h")
    axes.set(title="error of the measured slope", xlabel="h", ylabel="largest error")
    axes.legend()


# %% [markdown]
# Read it from the right. While `h` is large the formula is what errs: the central error falls like $h^2$, the one-sided
# one like $h$. Then rounding takes over: two nearly equal numbers are subtracted and the little that is left is divided
# by a tiny `h`, so the error rises again like $1/h$. Central differences near $10^{-5}$ are good to about ten digits.
#
# ### A wrong gradient still trains
#
# Here is why this is worth the trouble. We take your `backward` and spoil it in four ways that happen to everyone, then
# train on the moons with each.
#
# *Before you run the cell:* which of the four would you notice from the loss curve alone?


# %%
def yours(backward, params, cache, targets):
    return backward(params, cache, targets)


def gate_forgotten(backward, params, cache, targets):
    """The ReLU lets every gradient through: the cache says that all units were on."""
    return backward(params, {**cache, "z1": np.ones_like(cache["z1"])}, targets)


def bias_forgotten(backward, params, cache, targets):
    """The hidden biases never move."""
    grads = backward(params, cache, targets)
    return {**grads, "b1": np.zeros_like(grads["b1"])}


def sign_flipped(backward, params, cache, targets):
    """The weights of the first layer walk uphill."""
    grads = backward(params, cache, targets)
    return {**grads, "w1": -grads["w1"]}


def mean_forgotten(backward, params, cache, targets):
    """A sum over the rows where the loss takes their mean: every gradient is N times too large."""
    return {name: len(targets) * grad for name, grad in backward(params, cache, targets).items()}


VERSIONS = (
    ("yours", yours, BLACK, "-", "o"),
    ("ReLU gate forgotten", gate_forgotten, ORANGE, "--", "s"),
    ("b1 forgotten", bias_forgotten, BLUE, "-.", "^"),
    ("w1 with the wrong sign", sign_flipped, PURPLE, ":", "D"),
    ("1/N forgotten", mean_forgotten, GREEN, "-", "v"),
)


@figure
def training_with_a_wrong_gradient():
    x, label = two_moons(np.random.default_rng(0), 200)
    start = mlp.init_params(np.random.default_rng(1), d=2, m=16, c=2)
    _, axes = plt.subplots(figsize=(10.5, 4.4))
    for name, version, colour, line, _ in VERSIONS:
        with patch.object(mlp, "backward", partial(version, mlp.backward)):  # train_step calls this one now
            _, curve = train(start, x, label, lr=0.3, steps=1000)
        width = 0.6 if version is mean_forgotten else 2.0  # a curve that jumps about would hide the others
        axes.semilogy(curve, line, color=colour, label=name, linewidth=width)
    axes.set(title="the same network, five gradients", xlabel="step", ylabel="mean cross-entropy", ylim=(0.02, 100))
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


# %% [markdown]
# Without the 1/N the loss jumps up at once: hard to miss, though it looks like a learning rate that is too large. The
# wrong sign falls with the right gradient for some 150 steps and only then begins to wander. The two others are worse,
# because they look like *learning*: they fall quickly and settle near 0.26, a little below the 0.298 of the single unit
# above, and nothing in their curves says that the same network could do seven times better. One would go on to add
# units, or to tune the learning rate.
#
# Now ask your `gradient_check` instead. For each version and each parameter it compares what `backward` returns with
# the slope of the loss, measured.


# %%
@figure
def the_check_tells_them_apart():
    x, label = two_moons(np.random.default_rng(0), 20)
    params = mlp.init_params(np.random.default_rng(1), d=2, m=5, c=2)

    def loss_with(name):
        return lambda value: losses.cross_entropy(mlp.forward({**params, name: value}, x)[0], label)[0]

    measured = {name: gradient_check.numerical_gradient(loss_with(name), value) for name, value in params.items()}
    _, cache = mlp.forward(params, x)
    _, axes = plt.subplots(figsize=(9, 4.2))
    for shift, (title, version, colour, _, marker) in zip(np.linspace(-0.24, 0.24, 5), VERSIONS, strict=True):
        grads = version(mlp.backward, params, cache, label)
        errors = [gradient_check.relative_error(grads[name], measured[name]) for name in params]
        axes.semilogy(np.arange(4) + shift, errors, marker, color=colour, markersize=8, label=title)
    axes.axhline(1e-6, color=BLACK, linestyle=":", linewidth=1.2)
    axes.text(3.42, 1.6e-6, "tolerance", ha="right")
    axes.set(xticks=range(4), xticklabels=list(params), xlim=(-0.5, 3.5), ylim=(1e-13, 30))
    axes.set(title="relative error of every gradient", xlabel="parameter", ylabel="relative error")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


# %% [markdown]
# Nothing lies in the middle: right gradients agree to eight digits and more, wrong ones do not agree at all. The check
# also says *where*: with w2 and b2 right and w1 and b1 wrong, the fault lies between the second layer and the first, or
# in the first; with all four wrong, look at the first step of the backward pass.
#
# Two habits keep the check honest. Use random inputs, few rows and small layers: every entry costs two forward passes.
# And stay away from the kink of the ReLU: a hidden unit whose `z1` is within a step of zero is measured half on, half
# off, and a right gradient looks wrong.
#
# ## 7. Gradient descent
#
# Last, how the rows are used. Linear regression, 200 rows, one feature: two parameters, so that the whole way down can
# be drawn. All three methods see every row ten times, each with a learning rate that suits it.
#
# *Before you run the cell:* full batches take 10 steps for that, mini-batches of 20 rows take 100, single rows 2000.
# Which will be nearest to the best line after the first pass, and which after the tenth?


# %%
def regression_rows():
    """Rows x (200, 1) around 1.5, targets (200,) near 0.5x + 2, and x with a column of ones beside it (200, 2)."""
    rng = np.random.default_rng(0)
    x = 1.5 + rng.standard_normal((200, 1))
    return x, 0.5 * x[:, 0] + 2.0 + 0.5 * rng.standard_normal(200), np.column_stack([x, np.ones(200)])


@figure
def ten_passes_over_the_rows():
    x, y, design = regression_rows()
    best = np.linalg.lstsq(design, y)[0]
    least = np.mean((design @ best - y) ** 2)

    def batch(passes):
        return gradient_descent.batch_gd(x, y, lr=0.2, steps=passes)

    def mini(passes):
        return gradient_descent.minibatch_gd(x, y, 0.05, passes, batch_size=20, rng=np.random.default_rng(0))

    def single(passes):
        return gradient_descent.sgd(x, y, lr=0.02, epochs=passes, rng=np.random.default_rng(0))

    _, panels = plt.subplots(1, 2, figsize=(12, 4.4))
    ws, bs = np.meshgrid(np.linspace(-0.2, 2.0, 80), np.linspace(-0.2, 2.4, 80))
    surface = ((ws[..., None] * x[:, 0] + bs[..., None] - y) ** 2).mean(axis=-1)  # (80, 80)
    panels[0].contour(ws, bs, surface - least, levels=np.logspace(-2, 1.5, 8), colors="#999999", linewidths=0.7)
    kinds = (("full batch", batch, BLUE, "o"), ("20 rows", mini, GREEN, "^"), ("single rows", single, ORANGE, "s"))
    for name, descend, colour, marker in kinds:
        path = np.array([[w[0], b] for w, b, _ in map(descend, range(11))])  # (11, 2), after 0 to 10 passes
        panels[0].plot(*path.T, marker=marker, color=colour, markersize=5, linewidth=1.3, label=name)
        panels[1].semilogy(np.array(descend(10)[2]) - least, marker=marker, color=colour, markersize=5, label=name)
    panels[0].plot(*best, "*", color=BLACK, markersize=15, label="least squares", zorder=1)
    panels[0].set(title="the way of w and b, a mark per pass", xlabel="w", ylabel="b")
    panels[1].set(title="loss above the least possible", xlabel="passes over the rows", ylabel="excess loss")
    panels[0].legend(loc="lower right", fontsize=10)


# %% [markdown]
# The full batch swings from side to side of the valley, then creeps along its floor. Single rows come nearer in one
# pass than the full batch in ten, although the full batch's rate of 0.2 is not far below the largest that converges
# (next figure): a step on one row is a poor step, but 200 of them cost no more than one good one. Then they stop
# improving. With a constant rate the path trembles around the best point, at a distance that the rate sets.
# Mini-batches lie between, with many steps in a pass and much of the noise averaged away, and end nearest. That is why
# nearly everything is trained with them.
#
# ### The learning rate
#
# For a quadratic loss like this one, gradient descent converges where the learning rate is below 2 divided by the
# largest curvature, and diverges above. The next cell tries three rates, as shares of that limit.


# %%
@figure
def below_and_above_the_limit():
    x, y, design = regression_rows()
    least = np.mean((design @ np.linalg.lstsq(design, y)[0] - y) ** 2)
    limit = 2.0 / np.linalg.eigvalsh(2.0 * design.T @ design / len(y)).max()
    _, axes = plt.subplots(figsize=(8, 4))
    for share, colour, marker in ((0.1, BLUE, "o"), (0.9, GREEN, "^"), (1.03, ORANGE, "s")):
        _, _, curve = gradient_descent.batch_gd(x, y, lr=share * limit, steps=60)
        name = f"{share:g} of the limit: lr = {share * limit:.3f}"
        axes.semilogy(np.array(curve) - least, marker=marker, color=colour, markersize=4, label=name)
    axes.set(title="full-batch gradient descent", xlabel="step", ylabel="excess loss")
    axes.legend()


# %% [markdown]
# ## Where to go from here
#
# Change the notebook; it is yours. Some questions worth an hour each:
#
# - Make the moons noisier (0.15 → 0.35) and give the network 64 units. What happens to the boundary, and what would a
#   second set of 200 points say about it?
# - Start `train` with all weights 0.1. Why do the hidden units never come to differ? And with all weights zero?
# - Invent a fifth fault in `backward` that the loss curve hides, and find it with `check_gradients`.
# - Train the network with the batches of your `iterate_minibatches` and compare the curves, pass for pass.
#
# The next module does all of this with PyTorch, which writes the backward passes for you. You will know what it writes.
