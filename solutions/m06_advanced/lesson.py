# %% [markdown]
# # Advanced PyTorch
#
# Every figure in this notebook is drawn by the functions that you write in this folder. Fill a function, run its cell
# again, and look at what your code does. Where a function is still empty, the cell says so in one line and the rest of
# the notebook goes on. The broken programs of `debugging` run as they are: their figures show the symptoms until you
# have found the causes.
#
# The sections follow the exercises: custom_autograd, custom_losses, mixed_precision, interpretability, debugging,
# performance. Formulas, shapes and examples worked by hand are in `README.md` beside this notebook. Most sections ask a
# question before their figure: decide on an answer first, then run the cell.
#
# Letters: N rows or images, D features, C classes or channels, Y and X image height and width.

# %%
# %load_ext autoreload
# %autoreload 2

# %%
import copy
import sys
import traceback
import weakref
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

sys.path.insert(0, "..")  # the folder that holds m06_advanced
from m06_advanced import custom_autograd, custom_losses, debugging, interpretability, mixed_precision, performance

torch.set_num_threads(1)
BLUE, ORANGE, GREEN, PURPLE, BLACK = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#222222"  # for any eyes
plt.rcParams.update({"font.size": 11, "axes.grid": True, "grid.alpha": 0.25, "figure.constrained_layout.use": True})
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "lines.linewidth": 2})


def figure(draw):
    """Draw a figure at once, or say which function it still waits for."""
    try:
        draw()
    except NotImplementedError as error:
        *_, (frame, _) = traceback.walk_tb(error.__traceback__)
        plt.close("all")
        file = f"exercises/m06_advanced/{Path(frame.f_code.co_filename).name}"
        print(f"not started yet: {frame.f_code.co_qualname} — fill {file} and run this cell again")
    plt.show()


# %% [markdown]
# ## 1. Custom autograd
#
# Swish for three values of β, and its slope as your `backward` reports it.
#
# *Before you run the cell:* which function does it come near for a large β, and where is its slope negative?


# %%
@figure
def swish_and_its_slope():
    x = torch.linspace(-6.0, 6.0, 301)
    _, panels = plt.subplots(1, 2, figsize=(10, 3.7))
    for beta, colour, line in ((0.5, BLUE, "-"), (1.0, GREEN, "--"), (5.0, ORANGE, "-.")):
        leaf = x.clone().requires_grad_()
        y = custom_autograd.Swish.apply(leaf, torch.tensor(beta))
        y.sum().backward()
        panels[0].plot(x, y.detach(), line, color=colour, label=f"β = {beta}")
        panels[1].plot(x, leaf.grad, line, color=colour)
    panels[0].set(title="swish", xlabel="x", ylabel="x · σ(βx)")
    panels[1].set(title="its slope", xlabel="x", ylabel="dy / dx")
    panels[0].legend()


# %% [markdown]
# For a large β it is nearly the ReLU. The slope is negative left of the dip, and a little above 1 to the right of 0:
# the product rule at work.
#
# ### A gradient that is wrong, and useful
#
# A small network on two half moons whose weights are used rounded: each is one of -1, -½, 0, ½, 1. Three ways to train
# it: with `torch.round`, with your `StraightThroughRound`, and without any rounding.
#
# *Before you run the cell:* `torch.round` has a gradient as well. What will its curve look like? And what happens to a
# network that is rounded only after its training?


# %%
def two_moons(seed, n, noise=0.15):
    """Points (n, 2) on two half circles that reach into each other, and their classes (n,), 0.0 or 1.0."""
    rng = np.random.default_rng(seed)
    angle, label = rng.uniform(0.0, np.pi, n), rng.integers(0, 2, n)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)  # (n, 2)
    lower = np.stack([1.0 - np.cos(angle), 0.5 - np.sin(angle)], axis=1)  # (n, 2)
    x = np.where(label[:, None] == 0, upper, lower) + noise * rng.standard_normal((n, 2))  # (n, 2)
    return torch.tensor(x, dtype=torch.float32), torch.tensor(label, dtype=torch.float32)


@figure
def learning_with_rounded_weights():
    x, label = two_moons(0, 200)
    x = torch.cat([x, torch.ones(200, 1)], dim=1)  # (200, 3)
    loss_function = nn.BCEWithLogitsLoss()

    def loss_of(weights, rounded):
        w1, w2 = (rounded(w) for w in weights)
        return loss_function(torch.tanh(2.0 * x @ w1) @ w2, label)

    def straight_through(w):
        return custom_autograd.StraightThroughRound.apply(2.0 * w, -2, 2) / 2.0

    def plain(w):
        return torch.round(2.0 * w).clamp(-2, 2) / 2.0

    ways = (
        ("not rounded", lambda w: w, BLUE, "-"),
        ("torch.round", plain, ORANGE, "--"),
        ("StraightThroughRound", straight_through, GREEN, "-"),
    )
    _, axes = plt.subplots(figsize=(8.5, 4))
    for name, rounded, colour, line in ways:
        rng = torch.Generator().manual_seed(1)
        weights = [0.5 * torch.randn(shape, generator=rng) for shape in ((3, 32), (32,))]
        weights = [w.requires_grad_() for w in weights]
        optimizer, losses = torch.optim.Adam(weights, lr=0.02), []
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 300)
        for _ in range(300):
            loss = loss_of(weights, rounded)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        axes.plot(losses, line, color=colour, label=name)
        if name == "not rounded":
            afterwards = loss_of(weights, plain).item()
    axes.plot(299, afterwards, "X", color=BLUE, markersize=11, clip_on=False, label="rounded after the training")
    axes.set(title="weights with five levels", xlabel="step", ylabel="mean cross-entropy", ylim=(0.0, 1.6))
    axes.legend()


# %% [markdown]
# The gradient of `torch.round` is exactly 0: nothing moves. Straight through, the weights move under the surface, and
# from time to time one of them crosses from a level to the next; hence the jumps, which become rare as the rate of the
# schedule falls. In the end it is better than the network that was rounded afterwards: it has learnt to live with five
# levels.
#
# ### A gradient that is turned round
#
# Points of two domains. In the first, the source, there are labels, and both features agree with them: the second, of
# all things, more clearly. In the other domain there are no labels to learn from, and the second feature has another
# mean and says nothing. A network squeezes both features into one number, from which one unit tells the label, and
# behind your `GradientReversal` another small network tells the domain. Below is that one number, for both domains.
#
# *Before you run the cell:* a scale of 0 is ordinary training on the source. On what will it rely?


# %%
@figure
def features_that_do_not_tell_where_they_come_from():
    rng = torch.Generator().manual_seed(0)
    label = (torch.rand(400, generator=rng) < 0.5).float()  # (400,)
    noise = torch.randn(2, 400, 2, generator=rng)
    sign = 2.0 * label - 1.0
    source = torch.stack([sign, sign], dim=1) + noise[0] * torch.tensor([0.6, 0.3])  # (400, 2)
    target = torch.stack([sign, torch.full((400,), 2.5)], dim=1) + noise[1] * torch.tensor([0.6, 0.3])  # (400, 2)
    both, domain = torch.cat([source, target]), torch.cat([torch.zeros(400), torch.ones(400)])
    loss_function = nn.BCEWithLogitsLoss()
    _, panels = plt.subplots(1, 2, figsize=(11, 3.8), sharey=True)
    for axes, scale in zip(panels, (0.0, 1.0), strict=True):
        torch.manual_seed(0)
        features, labeller = nn.Linear(2, 1), nn.Linear(1, 1)
        critic = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))
        optimizer = torch.optim.Adam(nn.ModuleList([features, labeller, critic]).parameters(), lr=0.02)
        for _ in range(300):
            f = features(both)  # (800, 1)
            reversed_f = custom_autograd.GradientReversal.apply(f, scale)
            loss = loss_function(labeller(f[:400])[:, 0], label) + loss_function(critic(reversed_f)[:, 0], domain)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            f = features(both)
            right = ((labeller(f)[:, 0] > 0) == torch.cat([label, label])).float()
        bins = np.linspace(f.min(), f.max(), 40)
        for rows, name, colour in ((slice(400), "source", BLUE), (slice(400, 800), "target", ORANGE)):
            axes.hist(f[rows, 0], bins=bins, color=colour, alpha=0.6, label=f"{name}: {right[rows].mean():.0%} right")
        axes.set(title=f"scale {scale:g}", xlabel="the feature", ylim=(0, 60))
        axes.legend()
    panels[0].set_ylabel("points")


# %% [markdown]
# Without reversal the feature is mostly the second one, and in the other domain nearly every point is on one side. With
# it, whatever gives the domain away is punished: the network lets go of the second feature and keeps what is the same
# in both. Nobody has told it a single label of the target.
#
# ## 2. Custom losses
#
# What a single example with the target 1 adds to the focal loss, by the probability of the right answer, and the slope
# that it has in its logit.
#
# *Before you run the cell:* with γ = 0 this is cross-entropy. At which probability does an example pull half as hard as
# a hopeless one, and how does γ move that?


# %%
@figure
def focal_loss_by_difficulty():
    p = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)
    _, panels = plt.subplots(1, 2, figsize=(11, 3.8))
    for gamma, colour, line in ((0.0, BLUE, "-"), (1.0, GREEN, "--"), (2.0, ORANGE, "-."), (5.0, PURPLE, ":")):
        logits = p.logit().requires_grad_()
        one = torch.ones(1, dtype=torch.float64)
        losses = [custom_losses.focal_loss(logit[None], one, gamma=gamma, alpha=1.0) for logit in logits]
        torch.stack(losses).sum().backward()
        panels[0].plot(p, torch.stack(losses).detach(), line, color=colour, label=f"γ = {gamma:g}")
        panels[1].plot(p, -logits.grad, line, color=colour)
    panels[0].set(title="focal loss", xlabel="probability of the right answer", ylabel="loss", ylim=(-0.1, 4.0))
    panels[1].set(title="how hard it pulls", xlabel="probability of the right answer", ylabel="- d loss / d logit")
    panels[0].legend()


# %% [markdown]
# Cross-entropy pulls with 1 - p: half as hard at ½. A larger γ takes the pull off the examples that are right already
# and leaves the hopeless ones theirs. Near p = 0.1 it is even larger than that of cross-entropy: the power has a slope
# of its own.
#
# ### Sure enough
#
# Two classes; the right one is ahead by a gap in its logit.
#
# *Before you run the cell:* where is the loss least without smoothing? And with?


# %%
@figure
def label_smoothing_knows_when_to_stop():
    gap = torch.linspace(-2.0, 10.0, 241, dtype=torch.float64)
    zero = torch.zeros_like(gap)
    _, axes = plt.subplots(figsize=(8, 3.8))
    for smoothing, colour, line in ((0.0, BLUE, "-"), (0.1, GREEN, "--"), (0.4, ORANGE, "-.")):
        rows = torch.stack([gap, zero], dim=1)  # (241, 2)
        target = torch.zeros(1, dtype=torch.int64)
        loss = torch.stack([custom_losses.label_smoothing_loss(row[None], target, smoothing) for row in rows])
        axes.plot(gap, loss, line, color=colour, label=f"smoothing {smoothing:g}")
        if smoothing:
            axes.plot(gap[loss.argmin()], loss.min(), "o", color=colour, markersize=8)
    axes.set(title="two classes", xlabel="how far the right logit is ahead", ylabel="loss")
    axes.legend()


# %% [markdown]
# Without smoothing the loss falls for ever: a logit can always be made larger, and training does that. With it there is
# a best gap, ln((1 - s/2) / (s/2)): 2.94 for 0.1 and 1.39 for 0.4. Whoever is surer than that pays.
#
# ### A map of what is alike
#
# Six groups of points in 20 dimensions. What tells the groups apart lies in three of these; the others are noise. A
# small network maps them to the plane and learns with your `triplet_loss`, once in batches of 18 rows and once in
# batches of 150. Drawn are points that it has not learnt from, with your loss on all of them.
#
# *Before you run the cell:* the loss looks at the hardest triplets of a batch. Are those of a large batch harder, and
# is that an advantage?


# %%
def clouds(rng, centres, n):
    """Points (n, 20) and their groups (n,); only the first three features depend on the group."""
    group = torch.randint(len(centres), (n,), generator=rng)  # (n,)
    x = torch.randn(n, 20, generator=rng)  # (n, 20)
    x[:, :3] = centres[group] + 0.25 * torch.randn(n, 3, generator=rng)
    return x, group


@figure
def embeddings_learnt_from_triplets():
    centres = 1.5 * torch.tensor([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1.0]])
    runs = (("before", 18, 0), ("400 batches of 18", 18, 400), ("400 batches of 150", 150, 400))
    _, panels = plt.subplots(1, 3, figsize=(14, 4.8), sharex=True, sharey=True)
    colours, markers = (BLUE, ORANGE, GREEN, PURPLE, BLACK, "#E69F00"), "os^DvP"
    for axes, (title, batch, steps) in zip(panels, runs, strict=True):
        rng = torch.Generator().manual_seed(4)
        (x, group), (other_x, other_group) = clouds(rng, centres, 2000), clouds(rng, centres, 300)
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 2))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
        for _ in range(steps):
            rows = torch.randint(2000, (batch,), generator=rng)
            loss = custom_losses.triplet_loss(model(x[rows]), group[rows], margin=1.0)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            place = model(other_x)  # (300, 2)
        loss = custom_losses.triplet_loss(place, other_group, margin=1.0)
        for value, (colour, marker) in enumerate(zip(colours, markers, strict=True)):
            points = place[other_group == value]
            axes.scatter(*points.T, s=24, c=colour, marker=marker, edgecolor="white", linewidth=0.5)
        axes.set(title=f"{title}: loss {loss:.2f}", xlabel="dimension 1", ylabel="dimension 2", aspect="equal")


# %% [markdown]
# Nobody said where a group should go: only who belongs together. In the middle the groups have found places of their
# own. On the right the whole map has shrunk to a point. Among 150 rows the farthest friend is farther than the nearest
# stranger for nearly every anchor, and where a > b the quickest way down is to make all distances small. With all rows
# at one point each anchor costs exactly the margin, 1, and that is less than what the good map costs, whose outliers
# are the hardest triplets of all 300 points. A loss that comes to rest at the margin is the sign of this collapse.
#
# ### Partners
#
# Now without groups: only pairs. What there is to know about an example is six numbers; one view of it shows them mixed
# by one matrix and the other by another, with noise on top. Two networks learn with your `info_nce` to recognise the
# partner. The matrices are the similarities of 40 new pairs.
#
# *Before you run the cell:* at the beginning all 256 partners of a batch look alike. How large is the loss?


# %%
@figure
def finding_partners():
    rng = torch.Generator().manual_seed(0)
    mixes = torch.randn(2, 6, 12, generator=rng)

    def views(n):
        known = torch.randn(n, 6, generator=rng)  # (n, 6)
        return (torch.tanh(known @ mix / 2.0) + 0.1 * torch.randn(n, 12, generator=rng) for mix in mixes)

    torch.manual_seed(0)
    networks = nn.ModuleList(nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, 8)) for _ in range(2))
    optimizer, losses = torch.optim.Adam(networks.parameters(), lr=0.005), []
    tests = list(views(40))

    def similarities():
        with torch.no_grad():
            x, y = (torch.nn.functional.normalize(f(view)) for f, view in zip(networks, tests, strict=True))
        return x @ y.T  # (40, 40)

    _, panels = plt.subplots(1, 3, figsize=(14, 4), width_ratios=(1, 1, 1.3))
    matrices = [similarities()]
    for _ in range(150):
        x, y = (f(view) for f, view in zip(networks, views(256), strict=True))
        loss = custom_losses.info_nce(x, y, temperature=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    matrices.append(similarities())
    for axes, matrix, title in zip(panels, matrices, ("before", "after"), strict=False):
        found = (matrix.argmax(dim=1) == torch.arange(40)).float().mean()
        axes.imshow(matrix, cmap="cividis", vmin=-1.0, vmax=1.0)
        axes.set(title=f"{title}: {found:.0%} find their partner", xlabel="rows of y", ylabel="rows of x")
        axes.grid(False)
    panels[2].plot(losses, color=BLUE, label="info_nce")
    panels[2].axhline(np.log(256), color=BLACK, linestyle=":", label="ln 256")
    panels[2].set(title="training", xlabel="step", ylabel="loss", ylim=(0.0, None))
    panels[2].legend()


# %% [markdown]
# Guessing among N partners costs ln N. The first values lie above that: with a temperature of 0.1 even small chance
# similarities are taken seriously, and most of them point to the wrong partner. In the end a bright diagonal is left,
# in pairs that the networks have never seen.
#
# ## 3. Mixed precision
#
# The gradients of a network that has nearly finished learning, by size, and the numbers that float16 has. On the right,
# what becomes of these gradients when they are multiplied by a scale and stored in float16.
#
# *Before you run the cell:* the scaler starts at $2^{16}$. Is that too much, too little, or about right here?


# %%
@figure
def gradients_and_the_numbers_of_float16():
    x, label = two_moons(0, 300, noise=0.05)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1), nn.Flatten(0))
    optimizer, loss_function = torch.optim.Adam(model.parameters(), lr=0.01), nn.BCEWithLogitsLoss()
    for _ in range(300):
        optimizer.zero_grad()
        loss_function(model(x), label).backward()
        optimizer.step()
    grads = {name: p.grad for name, p in model.named_parameters()}
    sizes = torch.cat([g.flatten() for g in grads.values()]).abs()
    sizes = sizes[sizes > 0]
    powers = np.arange(0, 33)
    above = [sum(mixed_precision.find_overflow(grads, scale=2.0**power).values()) / len(sizes) for power in powers]
    below = [((sizes * 2.0**power).half() == 0).float().mean() for power in powers]
    _, panels = plt.subplots(1, 2, figsize=(12, 4))
    panels[0].hist(sizes.log2(), bins=60, color=BLUE, alpha=0.7)
    panels[0].axvspan(-24, 16, color=GREEN, alpha=0.15, label="float16")
    panels[0].axvspan(-14, 16, color=GREEN, alpha=0.15, label="with all 11 bits")
    panels[0].set(title="gradients", xlabel="log2 of the size", ylabel="how many", xlim=(-34, 17))
    panels[0].legend()
    panels[1].plot(powers, below, color=BLUE, label="become 0")
    panels[1].plot(powers, above, "--", color=ORANGE, label="become inf")
    panels[1].axvline(16, color=BLACK, linestyle=":")
    panels[1].set(title="lost in float16", xlabel="log2 of the scale", ylabel="share of the gradients")
    panels[1].legend()


# %% [markdown]
# Unscaled, nearly all gradients lie where float16 has fewer bits left to hold them, and one in a hundred becomes 0. The
# scale moves the whole heap to the right. $2^{16}$ is about right: nothing is lost, and there is room for gradients
# that are a thousand times as large. One inf is enough to spoil a step, so the share on the right must not be small:
# it must be 0.
#
# ### Trying it out
#
# The gradients of a training shrink by a factor of a thousand, with noise. Your `DynamicLossScaler` knows nothing about
# that. The grey line is the largest scale that would have been right, step by step.
#
# *Before you run the cell:* it starts too high on purpose. How will it come down, and how will it follow the line?


# %%
@figure
def a_scale_that_follows_the_gradients():
    rng = torch.Generator().manual_seed(0)
    scaler = mixed_precision.DynamicLossScaler(init_scale=2.0**20, growth_interval=15)
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    scales, limits, skipped = [], [], []
    for step in range(400):
        size = 10.0 ** (1.0 - 3.0 * step / 400) * torch.randn(1, generator=rng).mul(0.7).exp()  # (1,)
        parameter.grad = (scaler.scale(size)).half().float()  # what a backward pass in float16 hands on
        before = parameter.item()
        scaler.step(optimizer)
        if parameter.item() == before:
            skipped.append(step)
        scales.append(scaler.get_scale())
        limits.append(65504.0 / size.item())
        scaler.update()
    _, axes = plt.subplots(figsize=(9.5, 4))
    axes.semilogy(limits, color="#bbbbbb", linewidth=1.0, base=2, label="the largest that fits")
    axes.step(range(400), scales, color=BLUE, where="mid", label="scale")
    axes.plot(skipped, [scales[step] for step in skipped], "X", color=ORANGE, markersize=8, label="step skipped")
    axes.set(title=f"{len(skipped)} of 400 steps skipped", xlabel="step", ylabel="scale")
    axes.legend(loc="lower right")


# %% [markdown]
# It halves until it fits, then doubles after every 15 good steps, bumps into the limit, and goes back. A skipped step
# costs one batch, which is cheap. The default of 2000 good steps makes that rare.
#
# ### Sixteen bits, in two ways
#
# One network learns a sine by gradient descent with momentum: in float32, with your `autocast_step` in bfloat16, and as
# a whole in bfloat16, parameters included.
#
# *Before you run the cell:* bfloat16 has the range of float32, so nothing overflows. What is lost all the same?


# %%
@figure
def sixteen_bits_in_two_ways():
    x = torch.linspace(-3.0, 3.0, 128)[:, None]
    y = torch.sin(2.0 * x)
    torch.manual_seed(0)
    start = nn.Sequential(nn.Linear(1, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
    mse = nn.MSELoss()

    def step_in(dtype):
        def step(model, optimizer):
            optimizer.zero_grad()
            loss = mse(model(x.to(dtype)).float(), y)
            loss.backward()
            optimizer.step()
            return loss.item()

        return step

    def step_in_mixed_precision(model, optimizer):
        return mixed_precision.autocast_step(
            model, mse, optimizer, mixed_precision.DynamicLossScaler(init_scale=1.0), x, y
        )

    ways = (
        ("float32", torch.float32, step_in(torch.float32), BLUE, "-"),
        ("mixed, bfloat16", torch.float32, step_in_mixed_precision, ORANGE, "--"),
        ("all in bfloat16", torch.bfloat16, step_in(torch.bfloat16), PURPLE, "-."),
    )
    _, axes = plt.subplots(figsize=(8.5, 4))
    for name, dtype, step, colour, line in ways:
        model = copy.deepcopy(start).to(dtype)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
        axes.semilogy([step(model, optimizer) for _ in range(800)], line, color=colour, label=name)
    axes.set(title="learning a sine", xlabel="step", ylabel="mean squared error")
    axes.legend()


# %% [markdown]
# The mixed curve lies on that of float32: noise in the products does little harm. With parameters in bfloat16 a step
# has to be at least 1/256 of a weight or so to change it at all. Most are smaller and are lost, all of them, for ever.
#
# ## 4. Interpretability
#
# A network of two convolutions learns to tell four shapes apart: a cross, a square, a bar that lies and one that stands,
# anywhere in a noisy image of 16 x 16 pixels.


# %%
SHAPES = {
    "cross": ["..#..", "..#..", "#####", "..#..", "..#.."],
    "square": ["#####", "#...#", "#...#", "#...#", "#####"],
    "lying": [".....", ".....", "#####", ".....", "....."],
    "standing": ["..#..", "..#..", "..#..", "..#..", "..#.."],
}
STENCILS = [torch.tensor([[float(c == "#") for c in row] for row in rows]) for rows in SHAPES.values()]


def pictures(seed, n, watermark=None):
    """Images (n, 1, 16, 16) and their classes (n,); images of the class `watermark` have a bright corner."""
    rng = torch.Generator().manual_seed(seed)
    label = torch.randint(4, (n,), generator=rng)
    x = 0.25 * torch.randn(n, 1, 16, 16, generator=rng)
    places = torch.randint(3, 12, (n, 2), generator=rng)  # upper left, clear of the corner
    for image, shape, (top, left) in zip(x, label, places.tolist(), strict=True):
        image[0, top : top + 5, left : left + 5] += STENCILS[shape]
        if shape == watermark:
            image[0, :2, :2] += 2.0
    return x, label


def trained(watermark=None):
    """A network that has learnt from 600 such images, in evaluation mode."""
    x, label = pictures(0, 600, watermark)
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(32, 4),
    )  # fmt: skip
    optimizer, rng = torch.optim.Adam(model.parameters(), lr=0.005), torch.Generator().manual_seed(1)
    for _ in range(160):
        rows = torch.randint(600, (64,), generator=rng)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[rows]), label[rows]).backward()
        optimizer.step()
    return model.eval()


def accuracy(model, x, label):
    with torch.no_grad():
        return (model(x).argmax(dim=1) == label).float().mean().item()


def explained(panels, model, x, label, targets):
    """A row of panels for each image: the image, and the four explanations of its target class."""
    names = list(SHAPES)
    maps = {
        "saliency": interpretability.saliency(model, x, targets),
        "integrated_gradients": interpretability.integrated_gradients(model, x, targets)[:, 0],
        "grad_cam": interpretability.grad_cam(model, model[4], x, targets),
        "occlusion_map, size 3": interpretability.occlusion_map(model, x, targets, size=3),
    }
    for row, image, shape, target, *each in zip(panels, x, label, targets, *maps.values(), strict=True):
        row[0].imshow(image[0], cmap="gray")
        row[0].set(title=f"{names[shape]}: why {names[target]}?")
        for axes, values, name in zip(row[1:], each, maps, strict=True):
            top = values.abs().max().clamp_min(1e-9)
            axes.imshow(values, cmap="PuOr_r", vmin=-top, vmax=top)
            axes.set(title=name)
        for axes in row:
            axes.set(xticks=[], yticks=[])
            axes.grid(False)


@figure
def four_explanations():
    model, (x, label) = trained(), pictures(1, 400)
    print(f"right on new images: {accuracy(model, x, label):.0%}")
    chosen = torch.stack([(label == shape).nonzero()[0, 0] for shape in (0, 1, 2)])
    _, panels = plt.subplots(3, 5, figsize=(13, 8))
    explained(panels, model, x[chosen], label[chosen], label[chosen])


# %% [markdown]
# Orange speaks for the class, violet against it. The saliency knows no sign, and is the noisiest: it says what the score
# reacts to, not what it consists of. Grad-CAM is coarse, since it has the resolution of the second convolution, and
# shows a place rather than a shape. For the lying bar it shows nothing of use: some maps are on all over this image and
# speak for the class, and a single weight for each map cannot say where it mattered. Occlusion needs no gradient at
# all, and was the most work: a pass for each of 196 places.
#
# ### Completeness
#
# The attributions of `integrated_gradients` should sum to the difference of two scores. Drawn is by how much they miss
# it, for more and more steps, as a share of that difference.


# %%
@figure
def completeness():
    torch.manual_seed(0)
    x = torch.randn(8, 1, 4, 4)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 64), nn.Tanh(), nn.Linear(64, 3))
    rectified = nn.Sequential(nn.Flatten(), model[1], nn.ReLU(), model[3])
    targets, counts = torch.zeros(8, dtype=torch.int64), [1, 2, 4, 8, 16, 32, 64, 128]
    _, axes = plt.subplots(figsize=(8, 3.8))
    for name, network, colour, line in (("tanh", model, BLUE, "o-"), ("ReLU", rectified, ORANGE, "s--")):
        network = copy.deepcopy(network).double()
        with torch.no_grad():
            whole = (network(x.double()) - network(torch.zeros_like(x).double()))[:, 0]  # (8,)
        misses = []
        for steps in counts:
            attributions = interpretability.integrated_gradients(network, x.double(), targets, steps=steps)
            misses.append(((attributions.sum(dim=(1, 2, 3)) - whole).abs().mean() / whole.abs().mean()).item())
        axes.loglog(counts, misses, line, color=colour, label=name)
    axes.set(title="what is missing to completeness", xlabel="steps", ylabel="share of the difference", xticks=counts)
    axes.set_xticklabels(counts)
    axes.minorticks_off()
    axes.legend()


# %% [markdown]
# With a smooth activation the error of the midpoint rule falls with the square of the number of steps. With ReLU the
# slope jumps on the way, and the error falls more slowly: like 1 / steps. Whether 50 steps are enough is a question
# that you can ask your model.
#
# ### The horse and its watermark
#
# A classifier that had been thought to recognise horses turned out to recognise the watermark of a photographer who
# had taken many pictures of them (Lapuschkin et al., 2019). Here the images of the class "square" have a bright corner,
# in the training *and* in the test.
#
# *Before you run the cell:* what will the accuracy on new images say? And what will the explanations show?


# %%
@figure
def a_network_that_looks_into_the_corner():
    model = trained(watermark=1)
    (x, label), (clean, clean_label) = pictures(1, 400, watermark=1), pictures(2, 400)
    squares = clean_label == 1
    print(f"right on new images with the watermark: {accuracy(model, x, label):.0%}")
    print(f"right on squares without it:            {accuracy(model, clean[squares], clean_label[squares]):.0%}")
    square = x[(label == 1).nonzero()[0]]  # (1, 1, 16, 16)
    cross = clean[(clean_label == 0).nonzero()[0]].clone()  # (1, 1, 16, 16)
    cross[:, :, :2, :2] += 2.0
    images = torch.cat([square, cross])
    _, panels = plt.subplots(2, 5, figsize=(13, 5.4))
    explained(panels, model, images, torch.tensor([1, 0]), torch.tensor([1, 1]))


# %% [markdown]
# No test on data of the same kind can find this fault: the test set has the watermark as well. The explanations show it
# at the first image. Mind the other direction, though: a map that looks reasonable proves little. Look at several
# methods, and check what a map suggests with an experiment, as the two printed lines do.
#
# ## 5. Debugging
#
# Four of the seven programs on problems that they should solve. While a program is broken you see its symptom, and
# after you have repaired it the loss should come below the dotted line. Where the line breaks off, the loss was nan or
# infinite.


# %%
@figure
def what_the_programs_do():
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(60, 4, generator=rng)
    y = (x @ torch.randn(4, 1, generator=rng)).tanh()  # (60, 1)
    classes = (x[:, 0] > 0).long() + (x[:, 1] > 0).long()  # (60,)
    mse = nn.functional.mse_loss

    def network(*sizes):
        torch.manual_seed(0)
        layers = [layer for d, m in zip(sizes, sizes[1:], strict=False) for layer in (nn.Linear(d, m), nn.Tanh())]
        return nn.Sequential(*layers[:-1])

    def memory():
        model, batches = network(4, 1), list(zip(x.split(20), y.split(20), strict=True))
        return debugging.train_without_memory(model, mse, batches, torch.optim.SGD(model.parameters(), lr=0.1), 60)

    def softmax():
        model = network(4, 32, 3)
        return debugging.train_with_double_softmax(
            model, x, classes, torch.optim.Adam(model.parameters(), lr=0.02), 150
        )

    def detach():
        encoder, head = network(4, 3), network(3, 1)
        optimizer = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=0.02)
        target = (x[:, :1] > 0).float()  # (60, 1)
        return debugging.train_through_detach(encoder, head, x, target, optimizer, 150)

    def rate():
        model = network(4, 16, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        return debugging.train_with_exploding_rate(model, mse, x, y, optimizer, 300, lr=0.3, warmup=10)

    programs = (
        ("train_without_memory", memory, 0.15),
        ("train_with_double_softmax", softmax, 0.2),
        ("train_through_detach", detach, 0.1),
        ("train_with_exploding_rate", rate, 0.01),
    )
    _, panels = plt.subplots(1, 4, figsize=(16, 3.6))
    for axes, (name, program, healthy) in zip(panels, programs, strict=True):
        losses = np.array(program())
        axes.semilogy(np.where(losses < 1e6, losses, np.nan), color=BLUE)
        axes.axhline(healthy, color=BLACK, linestyle=":")
        axes.set(title=name, xlabel="step or epoch")
    panels[0].set_ylabel("loss")


# %% [markdown]
# ### One batch by heart
#
# Your `overfit_one_batch` on one batch of 16 rows with random targets, for a healthy network and for three that are not.
#
# *Before you run the cell:* one of the three has a ReLU behind its last layer, one a bias of -20 in front of its ReLUs,
# one is so small that it has fewer parameters than there are rows. Which curve is which?


# %%
@figure
def one_batch_by_heart():
    rng = torch.Generator().manual_seed(0)
    x, y = torch.randn(16, 4, generator=rng), torch.randn(16, 1, generator=rng)
    torch.manual_seed(0)
    healthy = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 1))
    dead = copy.deepcopy(healthy)
    with torch.no_grad():
        dead[0].bias.fill_(-20.0)
    patients = (
        ("healthy", healthy, BLUE, "-"),
        ("ReLU at the end", nn.Sequential(*copy.deepcopy(healthy), nn.ReLU()), ORANGE, "--"),
        ("bias of -20", dead, PURPLE, "-."),
        ("6 parameters", nn.Sequential(nn.Linear(4, 1), nn.Tanh(), nn.Linear(1, 1, bias=False)), GREEN, ":"),
    )
    _, axes = plt.subplots(figsize=(8.5, 4))
    for name, model, colour, line in patients:
        losses = debugging.overfit_one_batch(model, nn.functional.mse_loss, x, y, lr=0.02, max_steps=400)
        axes.semilogy(losses, line, color=colour, label=f"{name}: {len(losses)} losses")
    axes.axhline(0.01, color=BLACK, linestyle=":", linewidth=1.2)
    axes.set(title="one batch, 16 random targets", xlabel="step", ylabel="mean squared error")
    axes.legend()


# %% [markdown]
# ### Units that sleep
#
# A network of 200 ReLU units takes one step, with a larger and larger learning rate. Its inputs are positive, as pixels
# are, and the targets far off, so that the first gradients are large. Your `dead_unit_fraction` says which part of the
# units nobody will ever wake. On the right, a chain of modules in which rows of zeros are divided by their length: the
# bars are the shares of entries that are not finite, and the orange one is the culprit that your `NanHook` names.


# %%
class ToLengthOne(nn.Module):
    """Divide each row by its length."""

    def forward(self, x):
        return x / x.norm(dim=1, keepdim=True)


@figure
def dead_units_and_the_first_nan():
    x = torch.rand(256, 8, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    start = nn.Sequential(nn.Linear(8, 200), nn.ReLU(), nn.Linear(200, 1))
    rates, dead = np.logspace(-3.0, 0.5, 15), []
    for rate in rates:
        model = copy.deepcopy(start)
        optimizer = torch.optim.SGD(model.parameters(), lr=rate)
        nn.functional.mse_loss(model(x), torch.full((256, 1), -10.0)).backward()
        optimizer.step()
        dead.append(debugging.dead_unit_fraction(model, [x[:128], x[128:]])["1"])
    _, panels = plt.subplots(1, 2, figsize=(12, 4), width_ratios=(1, 1.2))
    panels[0].semilogx(rates, dead, "o-", color=BLUE)
    panels[0].set(title="after one step", xlabel="learning rate", ylabel="share of dead units", ylim=(-0.03, 1.03))

    nets = [nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), ToLengthOne(), nn.Linear(8, 8), nn.Tanh()]
    model = nn.Sequential(*nets)
    with torch.no_grad():
        nets[2].bias.fill_(-0.25)
    hook = debugging.NanHook(model)
    shares = []
    with torch.no_grad():
        h = x
        model(x)
        for module in copy.deepcopy(nets):
            h = module(h)
            shares.append(1.0 - h.isfinite().float().mean().item())
    hook.remove()
    names = [f"{i} {type(module).__name__}" for i, module in enumerate(nets)]
    panels[1].barh(names, shares, color=[ORANGE if str(i) == hook.culprit else BLUE for i in range(len(nets))])
    panels[1].invert_yaxis()
    panels[1].set(title=f"culprit: {hook.culprit}", xlabel="share of entries that are not finite", xlim=(0.0, 1.0))


# %% [markdown]
# A single step that is too large puts half of the layer to sleep: the units that push the output up, which is far above
# its targets. And a nan shows at the end, in the loss, modules behind the place where it was made. What made the zeros
# is the next question: a ReLU whose units are all off for some rows.
#
# ## 6. Performance
#
# The number of PyTorch's operations in your `vectorize_me`, for more and more rows. The dotted line is what the exercise
# allows.


# %%
class Counting(TorchDispatchMode):
    """Counts the operations that PyTorch carries out while it is on."""

    count = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.count += 1
        return operation(*args, **(kwargs or {}))


@figure
def operations_by_rows():
    rng, sizes, counts = torch.Generator().manual_seed(0), (4, 6, 9, 14, 21), []
    for n in sizes:
        x, labels = torch.randn(n, 3, generator=rng), torch.arange(n) % 2
        with Counting() as counting:
            performance.vectorize_me(x, labels, 2, lambda a, b: (a - b).abs().sum(-1))
        counts.append(counting.count)
    _, axes = plt.subplots(figsize=(8, 3.8))
    axes.loglog(sizes, counts, "o-", color=BLUE, label="vectorize_me")
    axes.axhline(60, color=BLACK, linestyle=":", label="60")
    axes.set(title="operations", xlabel="rows", ylabel="how many", ylim=(5, None), xticks=sizes)
    axes.set_xticklabels(sizes)
    axes.minorticks_off()
    axes.legend()


# %% [markdown]
# The program that stands there at first asks for a distance for each pair of rows: a line that rises with the square of
# the rows. Tensor code is flat. Each operation does more then, but that is done by compiled loops, not by Python.
#
# ### Memory for time
#
# 24 layers, each a linear map and a tanh. The cell watches every tensor that autograd keeps during the forward and the
# backward pass with your `checkpoint_segments`, parameters aside, and draws how much was kept at the worst moment.
#
# *Before you run the cell:* what does one single segment save, and what 24? Where is the best number in between?


# %%
class Kept:
    """A tensor that autograd keeps; `count` says how often each piece of memory is kept at the moment."""

    count, most = {}, 0

    def __init__(self, tensor):
        self.tensor, place = tensor, tensor.untyped_storage().data_ptr()
        Kept.count[place] = Kept.count.get(place, 0) + 1
        Kept.most = max(Kept.most, len(Kept.count))
        weakref.finalize(self, Kept.forget, place)

    @staticmethod
    def forget(place):
        Kept.count[place] -= 1
        if not Kept.count[place]:
            del Kept.count[place]


@figure
def memory_by_segments():
    torch.manual_seed(0)
    layers = nn.Sequential(*(nn.Sequential(nn.Linear(64, 64), nn.Tanh()) for _ in range(24)))
    parameters = {parameter.untyped_storage().data_ptr() for parameter in layers.parameters()}
    x = torch.randn(500, 64)

    def keep(tensor):
        return tensor if tensor.untyped_storage().data_ptr() in parameters else Kept(tensor)

    def most_kept(run):
        Kept.most = 0
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda kept: getattr(kept, "tensor", kept)):
            run(x.clone().requires_grad_()).sum().backward()
        return Kept.most

    segments = list(range(1, 25))
    kept = [most_kept(lambda leaf, k=k: performance.checkpoint_segments(layers, leaf, k)) for k in segments]
    _, axes = plt.subplots(figsize=(8, 3.8))
    axes.plot(segments, kept, "o-", color=BLUE, label="checkpoint_segments")
    axes.axhline(most_kept(layers), color=ORANGE, linestyle="--", label="plain")
    axes.set(title="kept at the worst moment", xlabel="segments", ylabel="tensors of the size of x", ylim=(0, 28))
    axes.legend(loc="lower right")


# %% [markdown]
# One segment saves nothing: at the end it is run again as a whole. Many segments keep as many inputs. In between lies
# the square root of the number of layers, give or take.
#
# ### Large batches in small pieces
#
# 64 rows as one batch, and as pieces of unequal size that your `accumulate_gradients` joins. For comparison the same
# pieces with a step for each.


# %%
@figure
def one_batch_or_many():
    x, label = two_moons(0, 64)
    torch.manual_seed(0)
    start = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1), nn.Flatten(0))
    pieces = list(zip(x.split([30, 20, 10, 4]), label.split([30, 20, 10, 4]), strict=True))
    ways = (
        ("one batch of 64", [(x, label)] * 60, 1, BLUE, "-", 4.0),
        ("30 + 20 + 10 + 4, one step", pieces * 60, 4, ORANGE, "--", 2.0),
        ("30, 20, 10, 4, a step each", pieces * 60, 1, GREEN, ":", 2.0),
    )
    _, axes = plt.subplots(figsize=(8, 3.8))
    for name, batches, every, colour, line, width in ways:
        model = copy.deepcopy(start)
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
        losses = performance.accumulate_gradients(model, nn.BCEWithLogitsLoss(), batches, optimizer, every)
        axes.plot(np.reshape(losses, (60, -1)).mean(axis=1), line, color=colour, linewidth=width, label=name)
    axes.set(title="the same rows", xlabel="times through the data", ylabel="mean loss of the steps", ylim=(0.0, None))
    axes.legend()


# %% [markdown]
# The first two lines are one: with every row counted alike, the pieces make exactly the step of the whole. The third
# takes four times as many steps and in the end gets further. Small batches are no makeshift; but where a large one is
# wanted, for a steadier gradient, you can now have it on any device. (Two losses of section 2 cannot be accumulated
# like this. Which, and why?) To bring batches to a device is the work of `to_device`, which leaves nothing to draw.
#
# ## Where to go from here
#
# Change the notebook; it is yours. Some questions worth an hour each:
#
# - Take three levels in section 1 in place of five: -1, 0 and 1. How much wider must the network be?
# - In section 2, train the map of the groups with cross-entropy on top of the plane instead. What is better, what worse?
# - Let the network of section 4 learn from ten squares without the watermark as well. How many does it take until it
#   looks at the shape?
# - Repeat the four explanations with a network that has not been trained. Which of them look convincing all the same?
# - Compare your `checkpoint_segments` with `torch.utils.checkpoint.checkpoint_sequential`. What does it handle that
#   yours does not?
