# %% [markdown]
# # Deep networks
#
# A network of two layers learns; one of thirty often does not, although it contains the first. Nothing is wrong with
# its gradients except their size. This notebook follows signals up and gradients down through many layers, with the
# functions that you write in this folder. Where a function is still empty, the cell says so in one line and the rest
# of the notebook goes on.
#
# The sections follow the exercises: activations, initialization, regularization, deep_mlp. Formulas, shapes and
# examples worked by hand are in `README.md` beside this notebook. Before most figures stands a question: decide on an
# answer first, then run the cell.
#
# Letters: N rows, D inputs, M units, C classes, L layers.

# %%
# %load_ext autoreload
# %autoreload 2

# %%
import sys
import traceback
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

sys.path.insert(0, "..")  # the folder that holds m02_deep_networks
from m02_deep_networks import activations, deep_mlp, initialization, regularization

BLUE, ORANGE, GREEN, PURPLE, BLACK = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#222222"  # for any eyes
plt.rcParams.update({"font.size": 11, "axes.grid": True, "grid.alpha": 0.25, "figure.constrained_layout.use": True})
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "lines.linewidth": 2})


def figure(draw):
    """Draw a figure at once, or say which function it still waits for."""
    try:
        draw()
    except NotImplementedError as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        plt.close("all")
        file = f"exercises/m02_deep_networks/{Path(last.filename).name}"
        print(f"not started yet: {last.name} — fill {file} and run this cell again")
    plt.show()


# %% [markdown]
# ## 1. Activations
#
# The ReLU has slope 0 wherever its input is negative. A unit that is negative for every row receives no gradient, and
# nothing will ever wake it. All four functions below keep some slope on that side.
#
# *Before you run the cell:* two of the four fall below zero and come back up. Which, and what does that mean for their
# slope?


# %%
@figure
def activations_and_their_slopes():
    x = np.linspace(-5.0, 3.0, 401)
    drawn = (
        ("leaky ReLU, slope 0.1", lambda x: activations.leaky_relu(x, 0.1), BLACK, ":"),
        ("ELU", activations.elu, BLUE, "--"),
        ("GELU", activations.gelu, ORANGE, "-"),
        ("swish", activations.swish, GREEN, "-."),
    )
    slopes = (
        lambda x: activations.leaky_relu_grad(x, 0.1),
        activations.elu_grad,
        activations.gelu_grad,
        activations.swish_grad,
    )
    _, panels = plt.subplots(1, 2, figsize=(11, 4))
    for (name, function, colour, line), slope in zip(drawn, slopes, strict=True):
        panels[0].plot(x, function(x), line, color=colour, label=name)
        panels[1].plot(x, slope(x), line, color=colour, label=name)
    panels[0].set(title="activation", xlabel="x", ylabel="value", ylim=(-1.2, 3.0))
    panels[1].set(title="its slope", xlabel="x", ylabel="derivative")
    panels[0].legend()


# %% [markdown]
# GELU and swish have a dip: left of it their slope is negative, and right of zero it exceeds 1 for a while before it
# settles there. ELU sinks towards $-\alpha$, so the mean of its output is nearer to zero than that of a ReLU, but far to
# the left it saturates as a sigmoid does. The leaky ReLU never does.
#
# ### Two formulas that are nearly the same
#
# Published models differ in which GELU they use, and loading weights of one into the other is a mistake that nothing
# reports. How large is it?


# %%
@figure
def the_two_forms_of_gelu():
    x = np.linspace(-5.0, 5.0, 1001)
    apart = activations.gelu(x, approximate=True) - activations.gelu(x)
    slopes_apart = activations.gelu_grad(x, approximate=True) - activations.gelu_grad(x)
    _, axes = plt.subplots(figsize=(8, 3.6))
    axes.plot(x, 1e4 * apart, color=ORANGE, label="values")
    axes.plot(x, 1e4 * slopes_apart, "--", color=BLUE, label="slopes")
    axes.set(title="form with tanh minus exact form", xlabel="x", ylabel="difference in 1/10000")
    axes.legend()


# %% [markdown]
# At most five ten-thousandths of value. In float16, which is precise to a thousandth, that is invisible; in a test that
# compares two implementations in float32 it is a failure. Know which one you have.
#
# ## 2. Initialization
#
# A unit adds up `fan_in` products. If inputs and weights are independent with mean zero, the variance of the sum is
# `fan_in` times the variance of a weight times the mean square of an input. Whether that product is a little below or
# above one decides everything, because it is taken to the power of the depth.
#
# 30 ReLU layers of 100 units, one set of rows, four ways to draw the weights. `activation_statistics` measures each
# layer.
#
# *Before you run the cell:* weights of Xavier are smaller than those of Kaiming by a factor of $\sqrt 2$. How much is
# left after 30 layers?


# %%
WIDTH, DEPTH = 100, 30


def stack(draw):
    """The weights of all layers, drawn in turn from one generator."""
    rng = np.random.default_rng(0)
    return [draw(rng, WIDTH, WIDTH) for _ in range(DEPTH)]


def relu(z):
    return np.maximum(z, 0.0)


@figure
def what_is_left_after_thirty_layers():
    x = np.random.default_rng(1).standard_normal((200, WIDTH))
    ways = (
        ("Kaiming", initialization.kaiming_normal, GREEN, "o"),
        ("Xavier", initialization.xavier_normal, BLUE, "s"),
        ("standard deviation 0.01", lambda rng, d, m: 0.01 * rng.standard_normal((d, m)), PURPLE, "^"),
        ("standard deviation 0.2", lambda rng, d, m: 0.2 * rng.standard_normal((d, m)), ORANGE, "D"),
    )
    _, panels = plt.subplots(1, 2, figsize=(12, 4.2))
    for panel, activation, title in zip(panels, (relu, np.tanh), ("ReLU", "tanh"), strict=True):
        for name, draw, colour, marker in ways:
            found = initialization.activation_statistics(x, stack(draw), activation)
            layers = np.arange(1, DEPTH + 1)
            panel.semilogy(layers, found["std"], marker=marker, markersize=4, color=colour, label=name)
        panel.set(title=f"{DEPTH} layers with {title}", xlabel="layer", ylabel="standard deviation of its output")
    panels[0].legend()


# %% [markdown]
# With the ReLU only one of the four keeps its size. Xavier loses a factor of $\sqrt 2$ in every layer, $2^{15}$ in all; the
# guess of 0.2 gains as much; that of 0.01, which looks so careful, leaves nothing. Tanh forgives weights that are too
# large, because it cuts everything off at 1. The price is not in this figure: where it cuts off, its slope is zero.
#
# ### Even or normal, in or out
#
# Variance is what counts, so the uniform and the normal form behave alike. `fan_in` and `fan_out` differ where layers
# change their width: one keeps the size on the way up, the other that of the gradient on its way down. The next cell
# goes from 400 units to 25 in eight steps.
#
# *Before you run the cell:* with `mode="fan_out"` and shrinking layers, will the signal grow or shrink?


# %%
@figure
def a_funnel():
    widths = np.geomspace(400, 25, 9).round().astype(int)
    x, g = np.random.default_rng(1).standard_normal((200, 400)), np.random.default_rng(2).standard_normal((200, 25))
    _, panels = plt.subplots(1, 2, figsize=(11, 3.8))
    for mode, colour, marker in (("fan_in", GREEN, "o"), ("fan_out", ORANGE, "s")):
        for draw, line in ((initialization.kaiming_normal, "-"), (initialization.kaiming_uniform, ":")):
            rng = np.random.default_rng(0)
            weights = [draw(rng, d, m, mode=mode) for d, m in zip(widths, widths[1:], strict=False)]
            h, gates, up = x, [], []
            for w in weights:
                h = relu(h @ w)  # (200, M)
                gates.append(h > 0)
                up.append(np.sqrt(np.mean(h**2)))
            back, down = g, []
            for w, gate in zip(reversed(weights), reversed(gates), strict=True):
                back = (back * gate) @ w.T  # (200, D)
                down.append(np.sqrt(np.mean(back**2)))
            name = f"{mode}, {'normal' if line == '-' else 'uniform'}"
            panels[0].semilogy(range(1, 9), up, line, marker=marker, markersize=5, color=colour, label=name)
            panels[1].semilogy(range(8, 0, -1), down, line, marker=marker, markersize=5, color=colour)
    panels[0].set(title="signal on its way up", xlabel="layer", ylabel="root mean square")
    panels[1].set(title="gradient on its way down", xlabel="layer", ylabel="root mean square")
    panels[0].legend(fontsize=10)


# %% [markdown]
# Each mode keeps one of the two and lets the other drift, here by a factor of four, the root of 400 / 25. That is
# harmless, and it does not get worse with depth, only with the ratio of the widths. Choose one and stay with it.
#
# ### Turning without stretching
#
# Even a matrix of the right variance stretches some directions and squeezes others, and a product of many does so more
# and more. An orthogonal matrix does neither. Here are the singular values of a product of twenty matrices, the factors
# by which it stretches its hundred directions.


# %%
@figure
def products_of_twenty_matrices():
    _, axes = plt.subplots(figsize=(8, 3.8))
    ways = (
        ("Xavier, normal", initialization.xavier_normal, ORANGE, "s"),
        ("orthogonal", initialization.orthogonal, BLUE, "o"),
    )
    for name, draw, colour, marker in ways:
        rng = np.random.default_rng(0)
        product = np.linalg.multi_dot([draw(rng, WIDTH, WIDTH) for _ in range(20)])  # (100, 100)
        values = np.linalg.svd(product, compute_uv=False)  # (100,)
        axes.semilogy(np.arange(1, WIDTH + 1), values, marker, markersize=4, color=colour, label=name)
    axes.set(title="twenty layers without an activation", xlabel="direction", ylabel="singular value")
    axes.legend()


# %% [markdown]
# After twenty random layers a few directions are left and the others are gone; the average size is as it should be, and
# that is all the variance promised. The orthogonal product is a rotation still. Between such layers an activation does
# its own squeezing, but it starts from something whole.
#
# ## 3. Regularization
#
# ### What a penalty does to twenty weights
#
# Twenty weights between 0 and 1, no data at all, only a penalty and gradient descent.
#
# *Before you run the cell:* which of the penalties brings a weight to zero first, a small weight or a large one?


# %%
@figure
def twenty_weights_and_a_penalty():
    _, panels = plt.subplots(1, 2, figsize=(11, 3.8), sharey=True)
    for panel, penalty, title in zip(
        panels, (regularization.l1_penalty, regularization.l2_penalty), ("l1", "l2"), strict=True
    ):
        w = np.linspace(0.05, 1.0, 20)  # (20,)
        path = [w]
        for _ in range(60):
            w = w - 0.01 * penalty(w, strength=1.0)[1]
            path.append(w)
        panel.plot(np.array(path), color=BLUE, linewidth=1)
        panel.set(title=f"{title}, strength 1, rate 0.01", xlabel="step")
    panels[0].set_ylabel("weights")


# %% [markdown]
# The l1 penalty takes the same amount from all: small weights arrive at zero and stay there (trembling by a step, since
# their gradient jumps). The l2 penalty takes the same share from all: large weights shrink fastest and none arrives. So
# the first makes models sparse, the second makes them small.
#
# ### What dropout does to a value
#
# One activation of 2, dropped with probability p, many times over. A single draw says little; the mean of all draws is
# what evaluation will see.


# %%
@figure
def dropout_keeps_the_mean():
    rng, draws = np.random.default_rng(0), 2000
    _, axes = plt.subplots(figsize=(8.5, 3.8))
    for p, colour, line in ((0.2, GREEN, "-"), (0.5, BLUE, "--"), (0.8, ORANGE, "-.")):
        y, _ = regularization.dropout_forward(np.full(draws, 2.0), p, rng)
        axes.plot(np.arange(1, draws + 1), y.cumsum() / np.arange(1, draws + 1), line, color=colour, label=f"p = {p}")
    value, _ = regularization.dropout_forward(np.array([2.0]), 0.5, rng, training=False)
    axes.axhline(value[0], color=BLACK, linestyle=":", linewidth=1.2, label="evaluation")
    axes.set(title="mean of the draws so far", xlabel="draws", ylabel="mean", xscale="log", ylim=(0, 6))
    axes.legend()


# %% [markdown]
# All three settle at 2, and the larger p is, the longer it takes: each value that survives is multiplied by 1 / (1 - p).
# That noise is the point. A unit whose neighbours come and go cannot rely on any one of them.
#
# ### Max-norm in the plane
#
# The weights of 60 units with two inputs each, before and after `max_norm` with a limit of 1.


# %%
@figure
def max_norm_in_the_plane():
    w = np.random.default_rng(3).standard_normal((2, 60))
    new = regularization.max_norm(w, limit=1.0)
    _, axes = plt.subplots(figsize=(5, 4.8))
    axes.add_patch(plt.Circle((0, 0), 1.0, fill=False, color=BLACK, linestyle=":"))
    for before, after in zip(w.T, new.T, strict=True):
        axes.plot(*np.stack([before, after]).T, color="#999999", linewidth=0.8)
    axes.plot(*w, "s", color=ORANGE, markersize=4, label="before")
    axes.plot(*new, "o", color=BLUE, markersize=5, label="after")
    axes.set(xlabel="weight of input 1", ylabel="weight of input 2", aspect="equal", title="60 units")
    axes.legend(loc="upper right")


# %% [markdown]
# What lay inside the circle did not move. What lay outside came in along its own ray, so that every unit still looks for
# the same thing, only less loudly.
#
# ## 4. A deep network
#
# Two spirals, wound around each other: two inputs, two classes, and a boundary that needs some depth.


# %%
def spirals(rng, n):
    """Points (n, 2) on two arms of a spiral, and their classes (n,), 0 or 1."""
    label = rng.integers(0, 2, n)
    turn = rng.uniform(0.25, 1.6, n)
    angle = 2.0 * np.pi * turn + np.pi * label
    points = turn[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points += 0.03 * rng.standard_normal((n, 2))
    return torch.from_numpy(points).float(), torch.from_numpy(label)


def network(activation, gain, depth, width=32):
    """A `DeepMLP` from two inputs to two classes; the same draws for all of one shape."""
    sizes = [2] + [width] * (depth - 1) + [2]
    return deep_mlp.DeepMLP(sizes, activation, gain, torch.Generator().manual_seed(0))


SETTINGS = (
    ("ReLU, gain √2", torch.relu, 2.0**0.5, GREEN, "o"),
    ("ReLU, gain 1", torch.relu, 1.0, PURPLE, "^"),
    ("ReLU, gain 2.5", torch.relu, 2.5, ORANGE, "D"),
    ("tanh, gain 5/3", torch.tanh, 5.0 / 3.0, BLUE, "s"),
    ("tanh, gain 5", torch.tanh, 5.0, "#E69F00", "x"),
    ("sigmoid, gain 1", torch.sigmoid, 1.0, BLACK, "v"),
)

# %% [markdown]
# Twenty layers, before the first step of training. `layer_gradient_norms` says what reaches each layer, and
# `diagnose_gradients` what to think of it.
#
# *Before you run the cell:* guess the verdict for each of the six.


# %%
@figure
def gradients_of_twenty_layers():
    x, label = spirals(np.random.default_rng(0), 300)
    _, axes = plt.subplots(figsize=(10, 4.4))
    for name, activation, gain, colour, marker in SETTINGS:
        norms = deep_mlp.layer_gradient_norms(network(activation, gain, depth=20), x, label)
        verdict = deep_mlp.diagnose_gradients(norms)
        axes.semilogy(range(1, 21), norms, marker=marker, markersize=5, color=colour, label=f"{name}: {verdict}")
    axes.set(title="norm of the gradient at every layer", xlabel="layer (1 is next to the input)", ylabel="norm")
    axes.set_xticks(range(1, 21))
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


# %% [markdown]
# A straight line on this scale is a constant factor for each layer. The sigmoid loses most on the way down: its slope is
# at most one quarter. Tanh with a gain of 5 is the opposite: what each layer's weights multiply by five is more than the
# slopes take away.
#
# The three lines of the ReLU are level, and yet far apart. Signals grow or shrink on their way up, gradients on their way
# down, and a weight's gradient is the product of both: what differs is the sum of the two ways, which is the same for all
# layers. So the ratio of the first layer to the last would not have told you; that is why `diagnose_gradients` looks at
# sizes.
#
# ### And does it matter?
#
# The same networks, trained with gradient descent on all rows, 300 steps. The whole gradient is cut to a length of at most
# 1, or else the curves of those that explode would end in nan after a step or two.
#
# *Before you run the cell:* a gradient of $10^{-4}$ and a learning rate of 0.05: how far does a weight move in 300 steps?


# %%
def train(model, x, label, lr, steps):
    """Full-batch gradient descent; the loss before every step."""
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    curve = []
    for _ in range(steps):
        loss = torch.nn.functional.cross_entropy(model(x), label)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        curve.append(loss.item())
    return curve


@figure
def training_twenty_layers():
    torch.set_num_threads(1)
    x, label = spirals(np.random.default_rng(0), 300)
    _, axes = plt.subplots(figsize=(10, 4.4))
    for name, activation, gain, colour, _ in SETTINGS:
        curve = train(network(activation, gain, depth=20), x, label, lr=0.05, steps=300)
        axes.semilogy(curve, color=colour, label=name, linewidth=1.5)
    axes.axhline(np.log(2.0), color=BLACK, linestyle=":", linewidth=1.2)
    axes.text(300, np.log(2.0) * 1.2, "ln 2: knowing nothing", ha="right")
    axes.set(title="twenty layers, one learning rate", xlabel="step", ylabel="mean cross-entropy", ylim=(0.02, 1e5))
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


# %% [markdown]
# The two healthy ones learn. The two whose gradients vanish stay at ln 2, one line upon the other, as if nothing were being done
# to them. Of the two that explode, the ReLU begins with a loss of tens of thousands and spends all its steps on coming
# down; tanh with a gain of 5 is wrong with full confidence, as often at the end as at the beginning. All six are the same
# network with the same data; only the size of the first weights and the bend differ.
#
# The cure was in the first draw from a random generator, and a single look at the gradients before training would have
# told.
#
# ## Where to go from here
#
# - The gain of 5/3 for tanh is a recommendation. Try 1 and 3 and look at gradients and losses again.
# - Draw `DeepMLP`'s weights with your `orthogonal` (mind the transpose) and repeat the two figures above.
# - Which depth is the largest at which the sigmoid still learns the spirals? And with a gain of 4?
# - Put dropout after every hidden layer and train on 60 points only. Compare the boundary with and without it.
#
# The next module keeps the signal in shape by force, layer by layer (normalization), and takes better steps with the
# gradients that do arrive.
