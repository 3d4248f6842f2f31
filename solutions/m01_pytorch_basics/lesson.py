# %% [markdown]
# # PyTorch basics
#
# Every figure in this notebook is drawn by the functions that you write in this folder. Fill a function, run its cell
# again, and look at what your code does. Where a function is still empty, the cell says so in one line and the rest of
# the notebook goes on.
#
# The sections follow the exercises: tensors, autograd_engine, autograd, modules, training_loop. Formulas, shapes and
# examples worked by hand are in `README.md` beside this notebook. Most sections ask a question before their figure:
# decide on an answer first, then run the cell.
#
# Letters: N rows, D features or inputs, M outputs.

# %%
# %load_ext autoreload
# %autoreload 2

# %%
import sys
import traceback
from pathlib import Path
from unittest.mock import patch

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.colors import ListedColormap

sys.path.insert(0, "..")  # the folder that holds m01_pytorch_basics
from m01_pytorch_basics import autograd, autograd_engine, modules, tensors, training_loop

torch.set_num_threads(1)
BLUE, ORANGE, GREEN, PURPLE, BLACK = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#222222"  # for any eyes
TWO = ListedColormap([BLUE, ORANGE])
plt.rcParams.update({"font.size": 11, "axes.grid": True, "grid.alpha": 0.25, "figure.constrained_layout.use": True})
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "lines.linewidth": 2})


def figure(draw):
    """Draw a figure at once, or say which function it still waits for."""
    try:
        draw()
    except NotImplementedError as error:
        *_, (frame, _) = traceback.walk_tb(error.__traceback__)
        plt.close("all")
        file = f"exercises/m01_pytorch_basics/{Path(frame.f_code.co_filename).name}"
        print(f"not started yet: {frame.f_code.co_qualname} — fill {file} and run this cell again")
    plt.show()


# %% [markdown]
# ## 1. Tensors
#
# ### One block of memory
#
# Twelve numbers lie in memory, 0 to 11, and four tensors read them. Every square shows the number that the tensor has
# at that place, and its colour says where in memory that number lies. Nothing is copied for any of the four.
#
# *Before you run the cell:* the last one is made by your `sliding_windows` with size 4 and step 2. How many of its
# squares show the number 6?


# %%
def show_places(axes, tensor, title):
    """A matrix of numbers, coloured by their place in memory."""
    axes.imshow(tensor, cmap="viridis", vmin=0, vmax=16, aspect="equal")
    for row, column in np.ndindex(*tensor.shape):
        axes.text(column, row, int(tensor[row, column]), ha="center", va="center", color="white")
    axes.set(title=f"{title}\nstrides {tensor.stride()}", xticks=[], yticks=[])
    axes.grid(False)


@figure
def four_ways_to_read_one_block():
    memory = torch.arange(12)
    windows = tensors.sliding_windows(memory, size=4, step=2)  # (5, 4)
    _, panels = plt.subplots(1, 4, figsize=(13, 3.4), width_ratios=(12, 4, 3, 4))
    show_places(panels[0], memory[None], "the memory (1, 12)")
    show_places(panels[1], memory.view(3, 4), "(3, 4)")
    show_places(panels[2], memory.view(3, 4).T, "transposed (4, 3)")
    show_places(panels[3], windows, "windows (5, 4)")
    shared = windows.untyped_storage().data_ptr() == memory.untyped_storage().data_ptr()
    panels[0].set_xlabel(f"do the windows lie in the same memory? {'yes' if shared else 'no, they were copied'}")


# %% [markdown]
# 6 stands in two windows, in the third and in the fourth: one square of memory, read twice. A thousand windows of a
# thousand entries cost nothing as long as they are only read; the first operation on them makes a million numbers.
#
# ### Who is near?
#
# The simplest classifier needs no training: a point gets the class of its nearest neighbour. All that it needs are the
# distances from every point of the plane to every point that is known, which is one call of your
# `pairwise_distances`. Here feature 1 is measured in metres and feature 2 in millimetres.
#
# *Before you run the cell:* what will the regions look like as the data stand, and what after your `standardize`?


# %%
def two_moons(n, seed=0):
    """Points (n, 2) on two half circles that reach into each other, and their classes (n,), 0 or 1."""
    rng = np.random.default_rng(seed)
    angle, label = rng.uniform(0.0, np.pi, n), rng.integers(0, 2, n)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)  # (n, 2)
    lower = np.stack([1.0 - np.cos(angle), 0.5 - np.sin(angle)], axis=1)  # (n, 2)
    points = np.where(label[:, None] == 0, upper, lower) + 0.15 * rng.standard_normal((n, 2))
    return torch.from_numpy(points), torch.from_numpy(label)


def grid_over(x, ticks=120):
    """Points (ticks², 2) that cover the plane around x."""
    low, high = x.amin(dim=0) - 0.3 * x.std(dim=0), x.amax(dim=0) + 0.3 * x.std(dim=0)
    sides = [torch.linspace(a, b, ticks, dtype=x.dtype) for a, b in zip(low.tolist(), high.tolist(), strict=True)]
    return torch.cartesian_prod(*sides)


def scatter(axes, x, label):
    """Class 0 as blue circles, class 1 as orange squares."""
    for value, colour, marker in ((0, BLUE, "o"), (1, ORANGE, "s")):
        axes.scatter(*x[label == value].T, s=26, c=colour, marker=marker, edgecolor="white", linewidth=0.6, zorder=3)


@figure
def nearness_depends_on_the_units():
    x, label = two_moons(60)
    x = x * torch.tensor([1.0, 1000.0])  # metres and millimetres
    new, new_label = two_moons(500, seed=1)
    new = new * torch.tensor([1.0, 1000.0])
    grid = grid_over(x)
    _, panels = plt.subplots(1, 2, figsize=(11, 4))
    for axes, scale in zip(panels, (False, True), strict=True):
        everything = torch.cat([x, new, grid])
        known, others = (tensors.standardize(everything) if scale else everything).split([len(x), len(new) + len(grid)])
        nearest = label[tensors.pairwise_distances(others, known).argmin(dim=1)]
        right = (nearest[: len(new)] == new_label).double().mean()
        axes.pcolormesh(*grid.T.reshape(2, 120, 120), nearest[len(new) :].reshape(120, 120), cmap=TWO, alpha=0.25)
        scatter(axes, x, label)
        axes.set(title=f"{'standardized' if scale else 'as measured'}: {right:.0%} of new points right")
        axes.set(xlabel="feature 1 in metres", ylabel="feature 2 in millimetres")
        axes.grid(False)


# %% [markdown]
# In metres and millimetres the second feature decides alone: the regions are horizontal stripes. Nothing about the data
# has changed on the right, only the units in which nearness is measured. (Here all points were standardized together,
# those of the grid, too. With real data the mean and the variance come from the training rows alone.)
#
# ## 2. An autograd engine
#
# ### The graph
#
# The example of the README, $a = 2$, $b = -3$, $s = ab$, $t = s + a$, $y = ts$, computed and differentiated by your
# `Value`. Every box shows the number and, below it, the derivative of $y$ with respect to it.
#
# *Before you run the cell:* on how many paths does $y$ depend on $a$?


# %%
@figure
def the_graph_of_an_expression():
    Value = autograd_engine.Value
    a, b = Value(2.0), Value(-3.0)
    s = a * b
    t = s + a
    y = t * s
    y.backward()
    values = {"a": a, "b": b, "s = a·b": s, "t = s + a": t, "y = t·s": y}
    order = [next(name for name, v in values.items() if v is value) for value in y.topological_order()]
    places = {"a": (0, 1), "b": (0, -1), "s = a·b": (1, 0), "t = s + a": (2, 1), "y = t·s": (3, 0)}
    arrows = [("a", 2), ("b", 2), ("a", 3), (2, 3), (3, 4), (2, 4)]
    names = list(places)
    _, axes = plt.subplots(figsize=(10, 3.8))
    for start, end in arrows:
        start = names[start] if isinstance(start, int) else start
        style = {"arrowstyle": "-|>", "color": "#888888", "shrinkA": 38, "shrinkB": 44, "linewidth": 1.5}
        axes.annotate("", places[names[end]], places[start], arrowprops=style)
    for name, value in values.items():
        text = f"{name}\n{value.data:g}\n∂y = {value.grad:g}"
        box = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": BLUE}
        axes.text(*places[name], text, ha="center", va="center", bbox=box)
    axes.set(xlim=(-0.5, 3.5), ylim=(-1.7, 1.7), title="your topological order: " + ", ".join(n[0] for n in order))
    axes.set_axis_off()


# %% [markdown]
# On three: through $s$ alone, through $t$ alone, and through $s$ and then $t$. The sum over them is $-4 \cdot -3 + -6
# \cdot 1 + -6 \cdot 1 \cdot -3 = 24$. Your engine never lists them; each arrow is used once.
#
# ### A network of single numbers
#
# Seventeen numbers are a network with two inputs, four hidden units with a tanh, and one output. Each is a Value. The
# loss is the squared error over the four corners of XOR, and gradient descent is three lines.
#
# *Before you run the cell:* how many Values does one evaluation of the loss make: tens, hundreds, thousands?


# %%
def network_of_values(seed):
    """Weights and biases of a 2-4-1 network, all of them Values, and the function that they make."""
    rng, Value = np.random.default_rng(seed), autograd_engine.Value
    hidden = [[Value(w) for w in rng.standard_normal(3)] for _ in range(4)]  # two weights and a bias each
    last = [Value(w) for w in rng.standard_normal(5)]

    def output(x1, x2):
        units = [(w1 * x1 + w2 * x2 + bias).tanh() for w1, w2, bias in hidden]
        return sum(w * unit for w, unit in zip(last, units, strict=False)) + last[-1]

    return [w for unit in hidden for w in unit] + last, output


@figure
def values_learn_xor():
    corners = [(-1.0, -1.0, 0.0), (-1.0, 1.0, 1.0), (1.0, -1.0, 1.0), (1.0, 1.0, 0.0)]
    weights, output = network_of_values(seed=0)
    curve = []
    for _ in range(150):
        loss = sum((output(x1, x2) - target) ** 2 for x1, x2, target in corners)
        curve.append(loss.data)
        loss.zero_grad()
        loss.backward()
        for weight in weights:
            weight.data -= 0.1 * weight.grad
    ticks = np.linspace(-1.6, 1.6, 33)
    surface = [[output(x1, x2).data for x1 in ticks] for x2 in ticks]
    _, panels = plt.subplots(1, 2, figsize=(11, 4))
    panels[0].semilogy(curve, color=BLUE)
    panels[0].set(title=f"a loss of {len(loss.topological_order())} Values", xlabel="step", ylabel="squared error")
    shade = panels[1].contourf(ticks, ticks, surface, levels=np.linspace(-1, 2, 13), cmap="coolwarm", extend="both")
    panels[1].contour(ticks, ticks, surface, levels=[0.5], colors=BLACK)
    for x1, x2, target in corners:
        panels[1].scatter(x1, x2, s=90, c=ORANGE if target else BLUE, marker="s" if target else "o", edgecolor="white")
    panels[1].set(title="what the network says", xlabel="x1", ylabel="x2", aspect="equal")
    panels[1].figure.colorbar(shade, ax=panels[1], ticks=(0, 1))


# %% [markdown]
# Some two hundred Values for seventeen numbers and four points. With a million parameters one cannot have an object for
# each product; PyTorch has one for each *operation on tensors*. The walk is the same.
#
# ## 3. Autograd
#
# ### Who depends on whom
#
# A Jacobian shows at a glance how a function connects its inputs with its outputs. Three functions of eight numbers,
# differentiated by your `jacobian`.
#
# *Before you run the cell:* which entries are zero for the running sum, for the softmax, and for sorting?


# %%
@figure
def three_jacobians():
    x = torch.from_numpy(np.random.default_rng(1).standard_normal(8))
    functions = {
        "running sum": lambda x: x.cumsum(0),
        "softmax": lambda x: x.softmax(0),
        "sorting": lambda x: x.sort().values,
    }
    _, panels = plt.subplots(1, 3, figsize=(12, 3.8))
    for axes, (name, function) in zip(panels, functions.items(), strict=True):
        matrix = autograd.jacobian(function, x)
        size = matrix.abs().max()
        shade = axes.imshow(matrix, cmap="RdBu_r", vmin=-size, vmax=size)
        axes.set(title=name, xlabel="input", ylabel="output")
        axes.grid(False)
        axes.figure.colorbar(shade, ax=axes)


# %% [markdown]
# A running sum sees what came before: a triangle. In a softmax everything depends on everything: raising one score
# raises its own probability and lowers the others, so each row, and each column, sums to zero. Sorting moves numbers
# and does nothing else to them: a permutation. At two equal numbers it has no derivative, and nobody minds.
#
# ### The steepest direction, without the matrix
#
# Multiply a vector by the Hessian again and again, and what remains is the direction of the largest curvature: its
# share grows fastest. This is the power method, and `hessian_vector_product` is all that it needs. With $cI - H$ in place
# of $H$, for the largest curvature c, it finds the smallest one. On the left the two directions that it found at the
# place of the star, on the right the curvature that it believes in, step by step.
#
# *Before you run the cell:* gradient descent with learning rate η multiplies the error along a direction of curvature λ
# by $1 - \eta\lambda$. Which of the two directions says how large η may be, and which how many steps it will take?


# %%
def valley(x):
    """A loss of two numbers, a bent valley."""
    along, across = x[0] + 0.5 * x[1], x[1] - 0.5 * x[0]
    return 0.4 * along**2 + 0.8 * (across - 0.15 * along**2) ** 2


def power_method(multiply, start, steps=12):
    """The direction that a symmetric matrix stretches most, and by how much it seems to do so, step by step."""
    v, factors = torch.tensor(start, dtype=torch.float64), []
    for _ in range(steps):
        v = v / v.norm()
        product = multiply(v)
        factors.append(float(v @ product))
        v = product
    return v / v.norm(), factors


@figure
def the_steepest_and_the_flattest_direction():
    place = torch.tensor([1.0, 0.9], dtype=torch.float64)

    def curve(v):
        return autograd.hessian_vector_product(valley, place, v)

    steepest, large = power_method(curve, start=[1.0, 1.3])
    flattest, rest = power_method(lambda v: large[-1] * v - curve(v), start=[1.0, -0.6])
    small = [large[-1] - factor for factor in rest]
    ticks = torch.linspace(-2.5, 3.0, 120, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(ticks, ticks, indexing="xy"))  # (2, 120, 120)
    _, panels = plt.subplots(1, 2, figsize=(11.5, 4.4))
    panels[0].contour(ticks, ticks, valley(grid), levels=np.logspace(-2, 1.6, 14), colors="#999999", linewidths=0.8)
    panels[0].plot(*place, "*", color=BLACK, markersize=14)
    for v, colour, name in ((steepest, ORANGE, "steepest"), (flattest, BLUE, "flattest")):
        panels[0].annotate(
            "", place + v, place - v, arrowprops={"arrowstyle": "<|-|>", "color": colour, "linewidth": 2}
        )
        panels[0].plot([], [], color=colour, label=name)
    panels[0].set(title="curvature at one place", aspect="equal", xlim=(-2.5, 3.0), ylim=(-2.0, 3.0))
    panels[0].legend(loc="lower left")
    panels[1].plot(large, "o-", color=ORANGE, markersize=4, label=f"steepest: {large[-1]:.2f}")
    panels[1].plot(small, "s-", color=BLUE, markersize=4, label=f"flattest: {small[-1]:.2f}")
    panels[1].set(title=f"learning rates up to 2 / {large[-1]:.2f} = {2 / large[-1]:.2f}", xlabel="product with H")
    panels[1].legend()


# %% [markdown]
# The steep direction limits the learning rate, the flat one then sets the pace: their quotient, the condition number,
# says how many steps gradient descent needs. The same two loops work for a network with a million parameters, whose
# Hessian would have $10^{12}$ entries.
#
# ### A target that moves along
#
# A drunkard stands in the middle of seven squares and goes left or right with equal probability. If he falls off the
# right end there is a reward of 1, on the left none. What is a square worth? Here the truth is known: one eighth, two
# eighths, up to seven eighths. A table of seven numbers is trained on 2000 single steps of such walks, once with your
# `detach_target`, and once with the same loss where the gradient may flow into the target, too.
#
# *Before you run the cell:* both losses have the same value at every table. Will they lead to the same one?


# %%
def walks(steps, seed=0):
    """Single steps of random walks on seven squares, as (state, reward, next state); states (N, 7) as rows of ones and
    zeros, and nothing but zeros where the walk has ended.
    """
    rng = np.random.default_rng(seed)
    here = rng.integers(0, 7, steps)
    there = here + rng.choice([-1, 1], steps)
    rows = tensors.one_hot(torch.from_numpy(np.concatenate([here + 1, there + 1])), 9)[:, 1:8]  # (2N, 7)
    return rows[:steps], torch.from_numpy((there == 7).astype(np.float32)), rows[steps:]


def moving_target(model, states, rewards, next_states, gamma):
    """The same loss, with the target left in the record."""
    return (model(states) - rewards[:, None] - gamma * model(next_states)).square().mean()


@figure
def what_a_square_is_worth():
    given = walks(2000)
    _, axes = plt.subplots(figsize=(8.5, 4))
    squares = np.arange(1, 8)
    axes.plot(squares, squares / 8, color=BLACK, linestyle=":", label="the truth")
    kinds = (("held fixed", autograd.detach_target, GREEN, "o"), ("moving along", moving_target, ORANGE, "s"))
    for name, loss_function, colour, marker in kinds:
        model = torch.nn.Linear(7, 1, bias=False)
        torch.nn.init.constant_(model.weight, 0.5)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        for _ in range(1500):
            optimizer.zero_grad()
            loss_function(model, *given, gamma=1.0).backward()
            optimizer.step()
        table = model.weight.detach()[0]
        axes.plot(squares, table, marker=marker, color=colour, label=f"target {name}")
    axes.set(title="the worth of every square", xlabel="square", ylabel="expected reward", ylim=(0, 1))
    axes.legend()


# %% [markdown]
# They do not. With its target held fixed the table comes out right, up to the chance of 2000 steps. With the target
# moving along it is too flat: the second gradient pays for every *difference* between neighbouring squares, also for
# those that are there by nature, and the cheapest table is one without them. A value learnt from the future must not
# reach forward and change it.
#
# ## 4. Modules
#
# ### A register of parameters
#
# The names and shapes of your `MLP`, and a round trip: what it has saved is loaded into a network of PyTorch's own
# layers, which then says the same.


# %%
@figure
def a_round_trip():
    mine = modules.MLP([3, 16, 2], activation=torch.nn.Tanh)
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 16), torch.nn.Tanh(), torch.nn.Linear(16, 2))
    theirs.load_state_dict(mine.state_dict())
    for name, value in mine.state_dict().items():
        print(f"{name:10} {tuple(value.shape)}")
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    print("largest difference of the outputs:", (mine(x) - theirs(x)).abs().max().item())


# %% [markdown]
# ### Why the bound shrinks
#
# Layers with more and more inputs, each of them independent and of variance 1. The next cell draws how large their
# outputs are, for your `Linear` and for one whose weights are drawn between -½ and ½ whatever the number of inputs.
#
# *Before you run the cell:* how does the size of a sum of D independent numbers grow with D?


# %%
@figure
def the_size_of_outputs():
    sizes = [2**k for k in range(0, 13, 2)]
    torch.manual_seed(0)
    shrinking, fixed = [], []
    for d in sizes:
        layer, x = modules.Linear(d, 200), torch.randn(400, d)
        shrinking.append(layer(x).std().item())
        weight = torch.rand(200, d) - 0.5  # (200, D)
        fixed.append((x @ weight.T).std().item())
    _, axes = plt.subplots(figsize=(8, 3.8))
    axes.loglog(sizes, shrinking, "o-", base=2, color=BLUE, label="your Linear: between -1/√D and 1/√D")
    axes.loglog(sizes, fixed, "s--", base=2, color=ORANGE, label="between -½ and ½")
    axes.set(title="standard deviation of the outputs", xlabel="inputs, D", ylabel="size")
    axes.legend()


# %% [markdown]
# Like the root of D. The bound of $1/\sqrt{D}$ takes just that out again, and a layer's outputs have the same size for
# sixteen inputs as for four thousand: about $1/\sqrt{3}$ of that of the inputs. (With one or a few inputs the bias
# counts, too.) That it is *less* than the inputs' own is a weakness when layers are stacked, and the next module mends
# it.
#
# ## 5. The training loop
#
# ### The moment at which a network begins to memorize
#
# Twenty-five noisy points of a sine, a network with two hidden layers of your own making, your `fit`, and 400 points
# that it never learns from.
#
# *Before you run the cell:* one of the two curves on the left will rise again. Which, and what does the network on the
# right look like by then?


# %%
def noisy_sine(n, seed):
    """x (n, 1) from -3 to 3, and y (n, 1), a sine with noise."""
    generator = torch.Generator().manual_seed(seed)
    x = 6.0 * torch.rand(n, 1, generator=generator) - 3.0
    return x, torch.sin(2.0 * x) + 0.3 * torch.randn(n, 1, generator=generator)


def in_batches(x, y, size):
    return list(zip(x.split(size), y.split(size), strict=True))


@figure
def learning_and_memorizing():
    (x, y), others = noisy_sine(25, seed=0), noisy_sine(400, seed=1)
    train, validation = in_batches(x, y, 9), in_batches(*others, 200)
    torch.manual_seed(0)
    model = modules.MLP([1, 50, 50, 1], activation=torch.nn.Tanh)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    ticks, curves, history = torch.linspace(-3.2, 3.2, 300)[:, None], [], {"train": [], "validation": []}
    for epochs in (10, 110, 680):  # look at the network three times on the way
        part = training_loop.fit(model, train, validation, optimizer, torch.nn.functional.mse_loss, epochs)
        history = {name: history[name] + part[name] for name in history}
        curves.append((len(history["train"]), model(ticks).detach()))
    _, panels = plt.subplots(1, 2, figsize=(12, 4.2))
    panels[0].loglog(range(1, 801), history["train"], color=BLUE, label="train")
    panels[0].loglog(range(1, 801), history["validation"], "--", color=ORANGE, label="validation")
    panels[0].axhline(0.09, color=BLACK, linestyle=":", linewidth=1.2, label="variance of the noise")
    panels[0].set(title="mean squared error", xlabel="epoch")
    panels[0].legend()
    panels[1].plot(x, y, "o", color=BLACK, markersize=5, label="training rows")
    for (epoch, curve), colour, line in zip(curves, (PURPLE, GREEN, ORANGE), (":", "-", "--"), strict=True):
        panels[1].plot(ticks, curve, line, color=colour, label=f"after {epoch} epochs")
    panels[1].set(title="what the network says", xlabel="x", ylim=(-2.2, 2.2))
    panels[1].legend(fontsize=9)


# %% [markdown]
# The training loss goes below the variance of the noise, which no honest model of the sine can do: from there on the
# network learns the noise of these 25 points by heart. The training curve alone knows nothing of it.
#
# ### Two lines that one forgets
#
# Here is what happens without them, with your own functions. On the left `zero_grad` does nothing, so that every step
# uses the sum of all gradients so far. On the right a network with dropout whose `eval` does nothing is judged once an
# epoch, beside the same network with it.
#
# *Before you run the cell:* which of the two would you notice in your own work?


# %%
@figure
def what_is_missing():
    (x, y), others = noisy_sine(200, seed=0), noisy_sine(400, seed=1)
    train, validation, mse = in_batches(x, y, 50), in_batches(*others, 400), torch.nn.functional.mse_loss
    _, panels = plt.subplots(1, 2, figsize=(12, 4))
    for forgotten, colour, line in ((False, BLUE, "-"), (True, ORANGE, "--")):
        torch.manual_seed(0)
        model = modules.MLP([1, 30, 1], activation=torch.nn.Tanh)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        with patch.object(optimizer, "zero_grad", (lambda: None) if forgotten else optimizer.zero_grad):
            history = training_loop.fit(model, train, validation, optimizer, mse, 150)
        panels[0].plot(history["train"], line, color=colour, label="never cleared" if forgotten else "yours")
        torch.manual_seed(0)
        model = modules.Sequential(modules.MLP([1, 50]), torch.nn.Tanh(), torch.nn.Dropout(0.3), modules.MLP([50, 1]))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        with patch.object(model, "eval", (lambda model=model: model) if forgotten else model.eval):
            history = training_loop.fit(model, train, validation, optimizer, mse, 100)
        panels[1].plot(history["validation"], line, color=colour, label="eval forgotten" if forgotten else "yours")
    panels[0].set(
        title="training, with and without zero_grad", xlabel="epoch", ylabel="mean squared error", ylim=(0, 3)
    )
    panels[1].set(title="validation, with and without eval", xlabel="epoch", ylabel="mean squared error")
    for axes in panels:
        axes.legend()


# %% [markdown]
# Sums of old gradients behave like a momentum that is never lost: the loss swings, wider and wider. One notices, and
# blames the learning rate. The right one nobody notices. The curve falls, only higher than it should and a little more
# restless, and a good network is thrown away for a worse one that was judged fairly.
#
# ## Where to go from here
#
# Change the notebook; it is yours. Some questions worth an hour each:
#
# - Give `Value` a `log` and a `sigmoid`, and train the network of Values with a cross-entropy.
# - Measure how long `backward` of your `Value` takes for sums of 10³ to 10⁵ terms. What does the curve look like if the
#   Values that were seen are kept in a list instead of a set?
# - Find the largest curvature of the sine network's loss with `hessian_vector_product`, along the training. How does it
#   compare with 2 / η?
# - Add a weight decay or a dropout to the network that memorizes, and find out which of the two curves it changes.
