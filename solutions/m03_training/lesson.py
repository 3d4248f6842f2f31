# %% [markdown]
# # Training
#
# Every figure in this notebook is drawn by the functions that you write in this folder. Fill a function, run its cell
# again, and look at what your code does. Where a function is still empty, the cell says so in one line and the rest of
# the notebook goes on.
#
# The sections follow the exercises: optimizers, schedules, normalization, gradient_clipping, early_stopping,
# monitoring. Formulas, shapes and examples worked by hand are in `README.md` beside this notebook. Most sections ask a
# question before their figure: decide on an answer first, then run the cell.
#
# Letters: N rows, D features.

# %%
# %load_ext autoreload
# %autoreload 2

# %%
import sys
import tempfile
import traceback
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

sys.path.insert(0, "..")  # the folder that holds m03_training
from m03_training import early_stopping, gradient_clipping, monitoring, normalization, optimizers, schedules

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
        file = f"exercises/m03_training/{Path(frame.f_code.co_filename).name}"
        print(f"not started yet: {frame.f_code.co_qualname} — fill {file} and run this cell again")
    plt.show()


# %% [markdown]
# ## 1. Optimizers
#
# A ravine: the loss $\frac{1}{2}(a^2 + 25\, b^2)$ is 25 times as steep across as it is along. A learning rate that is
# safe across is slow along. The left panel has the rules that remember a direction, the middle one those that remember
# a size, each from the same place for 60 steps; on the right is what is left of the loss.
#
# *Before you run the cell:* what does the path of plain gradient descent look like, if its rate is just below the one
# at which it would break out?


# %%
def walk(rule, slope, start, steps, **options):
    """The places (steps + 1, 2) that a rule comes by, from `start` on."""
    place, state, places = start, {}, [start]
    for _ in range(steps):
        place, state = rule(place, slope(place), state, **options)
        places.append(place)
    return torch.stack(places)  # (steps + 1, 2)


RAVINE = torch.tensor([1.0, 25.0], dtype=torch.float64)
START = torch.tensor([-4.0, 1.2], dtype=torch.float64)


def height(places):
    return 0.5 * (RAVINE * places**2).sum(-1)


def contours(axes, loss, title):
    a, b = np.meshgrid(np.linspace(-4.6, 1.6, 120), np.linspace(-1.9, 1.9, 120))
    grid = torch.tensor(np.stack([a, b], axis=-1))  # (120, 120, 2)
    axes.contour(a, b, loss(grid).numpy(), levels=np.logspace(-1.5, 1.8, 12), colors="#bbbbbb", linewidths=0.8)
    axes.set(title=title, xlabel="a", ylabel="b")
    axes.grid(False)


@figure
def six_ways_down_a_ravine():
    remembering_a_direction = (
        ("sgd", optimizers.sgd, {"lr": 0.075}, BLUE),
        ("momentum", partial(optimizers.momentum, mu=0.8), {"lr": 0.02}, ORANGE),
        ("nesterov", partial(optimizers.nesterov, mu=0.8), {"lr": 0.02}, GREEN),
    )
    remembering_a_size = (
        ("adagrad", optimizers.adagrad, {"lr": 0.6}, BLUE),
        ("rmsprop", partial(optimizers.rmsprop, alpha=0.9), {"lr": 0.12}, ORANGE),
        ("adam", partial(optimizers.adam, beta1=0.8, beta2=0.95), {"lr": 0.3}, GREEN),
    )
    _, panels = plt.subplots(1, 3, figsize=(15, 4.2))
    for axes, rules, line in zip(panels, (remembering_a_direction, remembering_a_size), ("-", "--"), strict=False):
        contours(axes, height, "remember a direction" if line == "-" else "remember a size")
        for name, rule, options, colour in rules:
            places = walk(rule, lambda place: RAVINE * place, START, 60, **options)
            axes.plot(*places.T, "o-", color=colour, markersize=3, linewidth=1.2, label=name)
            panels[2].semilogy(height(places), line, color=colour, label=name)
        axes.legend(loc="lower right")
    panels[2].set(title="what is left of the loss", xlabel="step", ylabel="loss")
    panels[2].legend(fontsize=9)


# %% [markdown]
# Plain gradient descent swings from wall to wall: at a rate of 0.08 = 2 / 25 it would never settle. Momentum adds up
# what the gradients agree on, along the ravine, and lets what they do not agree on cancel. The rules on the right
# divide each entry by its own size: they set off at 45°, as fast along as across, and see no ravine at all. Adagrad is
# the last of the three to arrive, because its steps only ever get smaller: it never forgets a gradient.
#
# ### Entry by entry
#
# Now the same ravine, turned by 45°.
#
# *Before you run the cell:* which of the rules will not notice?


# %%
@figure
def the_same_ravine_turned():
    turn = torch.tensor([[1.0, -1.0], [1.0, 1.0]], dtype=torch.float64) / 2**0.5
    _, axes = plt.subplots(figsize=(8, 4))
    rules = (
        ("momentum", partial(optimizers.momentum, lr=0.02, mu=0.8), ORANGE),
        ("adagrad", partial(optimizers.adagrad, lr=0.6), BLUE),
        ("adam", partial(optimizers.adam, lr=0.3, beta1=0.8, beta2=0.95), GREEN),
    )
    for name, rule, colour in rules:
        straight = walk(rule, lambda place: RAVINE * place, START, 40)
        turned = walk(rule, lambda place: turn @ (RAVINE * (turn.T @ place)), turn @ START, 40)
        axes.semilogy(height(straight), color=colour, label=name)
        axes.semilogy(height(turned @ turn), ":", color=colour, label=f"{name}, turned")
    axes.set(title="what is left of the loss", xlabel="step", ylabel="loss")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


# %% [markdown]
# The two lines of momentum lie on each other: a direction is a direction, however the axes are called. The others
# work entry by entry. Turned, both entries have a gradient of about the same size, dividing by it does nothing, and
# the advantage is gone. That they help so much in practice says that the axes of a network, its single weights, mean
# something.
#
# ### Two kinds of weight decay
#
# Two weights begin at 1. Their gradients are pure noise, of size 0.1 for the first weight and 10 for the second, so
# that only the decay of 0.1 has a direction.
#
# *Before you run the cell:* with `adamw` both shrink alike. With L2 regularization inside `adam`, which one shrinks
# faster?


# %%
@figure
def decay_inside_and_outside_of_adam():
    copies = 400  # of each weight: what is drawn is their mean
    sizes = torch.tensor([[0.1], [10.0]], dtype=torch.float64)  # (2, 1)
    _, axes = plt.subplots(figsize=(8, 4))
    for name, rule, line in (("adam, L2", optimizers.adam, "-"), ("adamw", optimizers.adamw, "--")):
        rng = torch.Generator().manual_seed(0)
        weights, state, means = torch.ones(2, copies, dtype=torch.float64), {}, []
        for _ in range(300):
            grad = sizes * torch.randn(2, copies, generator=rng, dtype=torch.float64)  # (2, copies)
            weights, state = rule(weights, grad, state, lr=0.02, weight_decay=0.1)
            means.append(weights.mean(1))
        for row, size, colour in zip(torch.stack(means).T, ("0.1", "10"), (BLUE, ORANGE), strict=True):
            axes.plot(row, line, color=colour, label=f"{name}: gradients of size {size}")
    axes.set(title="what weight decay leaves of a weight", xlabel="step", ylabel="mean weight", ylim=(-0.05, 1.05))
    axes.legend(fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))


# %% [markdown]
# Inside Adam the decay is divided by $\sqrt{\hat v}$ along with the gradient: the weight with small gradients is
# emptied within 150 steps, the other hardly knows of its decay. AdamW takes the same share off both.
#
# ## 2. Schedules


# %%
@figure
def five_schedules():
    steps = range(101)
    drawn = (
        ("step_decay", lambda s: schedules.step_decay(s, 1.0, 30, 0.4), BLUE, "-"),
        ("exponential_decay", lambda s: schedules.exponential_decay(s, 1.0, 0.4, 30), PURPLE, ":"),
        ("cosine_annealing", lambda s: schedules.cosine_annealing(s, 1.0, 100), GREEN, "-"),
        ("linear_warmup_cosine", lambda s: schedules.linear_warmup_cosine(s, 1.0, 15, 100), ORANGE, "--"),
        ("one_cycle", lambda s: schedules.one_cycle(s, 1.0, 101), BLACK, "-."),
    )
    _, axes = plt.subplots(figsize=(9, 4))
    for name, schedule, colour, line in drawn:
        axes.plot(steps, [schedule(step) for step in steps], line, color=colour, label=name)
    axes.set(title="a rate of 1, in five ways", xlabel="step", ylabel="learning rate")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


# %% [markdown]
# ### What a schedule is good for
#
# Gradients of small batches are noisy. Here `sgd` goes down a simple bowl, $\frac{1}{2} a^2$, but each gradient comes
# with noise of size 1. Drawn is the mean loss of 500 such walks.
#
# *Before you run the cell:* a large rate is fast and a small one is exact. Where does the large one end, and what does
# a schedule make of both?


# %%
def noisy_walks(rate_of, steps=150, walks=500):
    """The mean loss after every step; `rate_of` is told the number of the step and the mean loss before it."""
    rng, place, losses = torch.Generator().manual_seed(0), torch.full((walks,), 20.0), []
    for step in range(steps):
        losses.append(0.5 * (place**2).mean().item())
        grad = place + torch.randn(walks, generator=rng)  # (walks,)
        place, _ = optimizers.sgd(place, grad, {}, lr=rate_of(step, losses[-1]))
    return losses


@figure
def fast_first_and_exact_later():
    _, axes = plt.subplots(figsize=(8.5, 4))
    drawn = (
        ("0.4 all the time", lambda step, loss: 0.4, BLUE, "-"),
        ("0.02 all the time", lambda step, loss: 0.02, PURPLE, ":"),
        ("cosine, from 0.4 to 0", lambda step, loss: schedules.cosine_annealing(step, 0.4, 150), GREEN, "-"),
    )
    for name, rate_of, colour, line in drawn:
        axes.semilogy(noisy_walks(rate_of), line, color=colour, label=name)
    plateau, heard, rates = schedules.ReduceOnPlateau(0.4, factor=0.5, patience=2, threshold=0.05), [], []

    def listen(step, loss):
        heard.append(loss)
        if len(heard) == 5:  # an epoch of five steps
            plateau.step(sum(heard) / 5)
            heard.clear()
        rates.append(plateau.lr)
        return plateau.lr

    axes.semilogy(noisy_walks(listen), "--", color=ORANGE, label="ReduceOnPlateau, from 0.4")
    for step in (i for i in range(1, len(rates)) if rates[i] < rates[i - 1]):
        axes.axvline(step, color=ORANGE, linewidth=0.8, alpha=0.5)
    axes.set(title="a bowl and noisy gradients", xlabel="step", ylabel="mean loss")
    axes.legend(fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))


# %% [markdown]
# A constant rate ends in a cloud whose size is proportional to the rate: the large one is done after ten steps, at a
# loss that the small one will undercut, if one waits. A schedule has both. `ReduceOnPlateau` (its reductions are the
# thin lines) knows no total number of steps: it halves the rate whenever nothing has become better for a while.
#
# ## 3. Normalization
#
# Thirty ReLU layers of 100 units, with weights that are 10 % too small or 10 % too large. The upper row sends numbers
# up, the lower one carries a gradient back down with your backward passes.
#
# *Before you run the cell:* what is $1.1^{30}$? And what will be left of it with a normalization before each ReLU?


# %%
@figure
def size_through_depth():
    depth, width, rows = 30, 100, 64
    ones, zeros = torch.ones(width, dtype=torch.float64), torch.zeros(width, dtype=torch.float64)

    def batch(z):
        y, cache, _, _ = normalization.batchnorm_forward(z, ones, zeros, zeros, ones, training=True)
        return y, lambda dy: normalization.batchnorm_backward(dy, cache)[0]

    def layer(z):
        y, cache = normalization.layernorm_forward(z, ones, zeros)
        return y, lambda dy: normalization.layernorm_backward(dy, cache)[0]

    def sizes(scale, normalize):
        rng = torch.Generator().manual_seed(0)
        h, way_back, up, down = torch.randn(rows, width, generator=rng, dtype=torch.float64), [], [], []
        for _ in range(depth):
            w = scale * (2.0 / width) ** 0.5 * torch.randn(width, width, generator=rng, dtype=torch.float64)
            z, backward = normalize(h @ w)  # (rows, width)
            h = z.clamp(min=0.0)
            way_back.append((w, z > 0, backward))
            up.append(h.square().mean().sqrt())
        g = torch.randn(rows, width, generator=rng, dtype=torch.float64)
        for w, is_on, backward in reversed(way_back):
            g = backward(g * is_on) @ w.T  # (rows, width)
            down.append(g.square().mean().sqrt())
        return up, down

    drawn = (
        ("nothing", lambda z: (z, lambda dy: dy), BLUE, "-"),
        ("batch", batch, ORANGE, "--"),
        ("layer", layer, GREEN, ":"),
    )
    _, panels = plt.subplots(2, 2, figsize=(11, 6), sharex=True)
    for column, (scale, word) in zip(panels.T, ((0.9, "small"), (1.1, "large")), strict=True):
        for name, normalize, colour, line in drawn:
            up, down = sizes(scale, normalize)
            column[0].semilogy(up, line, color=colour, label=name)
            column[1].semilogy(down[::-1], line, color=colour, label=name)
        column[0].set(title=f"weights 10 % too {word}", ylabel="rms of h", ylim=(0.02, 50))
        column[1].set(xlabel="layer", ylabel="rms of the gradient", ylim=(0.02, 5000))
    panels[0, 0].legend(title="normalization")


# %% [markdown]
# Unnormalized, everything is multiplied by 0.9 or 1.1 in each layer, on the way up and on the way down. With a
# normalization the size of the weights drops out, up and down: γ alone decides how large the numbers are. It is not a
# cure for everything: with batch normalization, and without skip connections, the gradient grows on its way down by
# about a fifth in every layer, whatever the weights (Yang et al., *A mean field theory of batch normalization*, 2019).
#
# ### An answer that depends on who else was asked
#
# One row of features is normalized 300 times, each time with 7 other rows drawn at random: once in training mode, once
# in evaluation mode with running statistics.


# %%
@figure
def one_row_in_many_batches():
    rng = torch.Generator().manual_seed(1)
    row = torch.tensor([[1.5]], dtype=torch.float64)  # (1, 1)
    gamma, beta = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    mean, var, answers = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64), []
    for _ in range(300):
        x = torch.cat([row, 1.0 + 2.0 * torch.randn(7, 1, generator=rng, dtype=torch.float64)])  # (8, 1)
        y, _, mean, var = normalization.batchnorm_forward(x, gamma, beta, mean, var, training=True)
        answers.append(y[0].item())
    y, *_ = normalization.batchnorm_forward(row, gamma, beta, mean, var, training=False)
    _, axes = plt.subplots(figsize=(8, 3.4))
    axes.hist(answers, bins=30, color=BLUE, alpha=0.7, label="training: each time in another batch")
    axes.axvline(y.item(), color=ORANGE, label="evaluation")
    axes.set(title="the same row, normalized 300 times", xlabel="result", ylabel="times")
    axes.legend()


# %% [markdown]
# In training every answer is noisy, which regularizes. In use nobody wants that, and with a single row there would be
# no variance at all. Forgetting to switch to evaluation is among the commonest mistakes there are.
#
# ## 4. Gradient clipping
#
# A loss with a cliff. The state of a recurrent unit without input is multiplied by $w$ at each of 15 steps; the loss is
# $(w^{15} - 0.5)^2$. Left of the cliff it is flat, on the cliff its slope is in the hundreds.
#
# *Before you run the cell:* gradient descent comes down the cliff with a step of length lr times the slope. Where does
# it land?


# %%
@figure
def jumping_off_a_cliff():
    def loss(w):
        return (w**15 - 0.5) ** 2

    def slope(w):
        return 2.0 * (w**15 - 0.5) * 15.0 * w**14

    def clipped(w):
        (grad,), _ = gradient_clipping.clip_by_global_norm([slope(w)], max_norm=2.0)
        return grad

    def descend(gradient):
        w, places = torch.tensor([1.1], dtype=torch.float64), []
        for _ in range(40):
            places.append(w.item())
            w, _ = optimizers.sgd(w, gradient(w), {}, lr=0.004)
        return np.array(places)

    paths = (("as it is", descend(slope), ORANGE, "s--"), ("clipped to norm 2", descend(clipped), BLUE, "o-"))
    ticks = np.linspace(-1.2, 1.2, 600)
    _, panels = plt.subplots(1, 2, figsize=(12, 3.8))
    panels[0].plot(ticks, loss(ticks), color="#999999", linewidth=1.2)
    for name, places, colour, style in paths:
        panels[0].plot(places, loss(places), style, color=colour, markersize=4, linewidth=1.0, label=name)
        panels[1].plot(places, style, color=colour, markersize=4, label=name)
    panels[0].set(title="a loss with a cliff", xlabel="w", ylabel="loss", xlim=(-1.25, 1.25), ylim=(-0.5, 16.0))
    panels[1].set(title="where w is", xlabel="step", ylabel="w")
    panels[0].legend()


# %% [markdown]
# One step off the cliff throws $w$ over the whole valley to -0.58, and there it stays: the land is flat, and the next
# gradients say next to nothing about the way back. Clipped, the same gradients lead down step by step. A clip changes
# only the steps that would be far too long; near the bottom it does nothing.
#
# ### Two ways to clip
#
# Gradients of length 3 in all directions, cut to 1. Each arrow goes from the gradient to what is left of it.
#
# *Before you run the cell:* one of the two keeps the direction. What does the other one favour?


# %%
@figure
def a_circle_and_a_square():
    angles = torch.linspace(0.0, 2.0 * torch.pi, 33, dtype=torch.float64)[:-1]
    circle = 3.0 * torch.stack([angles.cos(), angles.sin()], dim=1)  # (32, 2)
    by_value = torch.stack([gradient_clipping.clip_by_value([grad], 1.0)[0] for grad in circle])  # (32, 2)
    by_norm = torch.stack([gradient_clipping.clip_by_global_norm([grad], 1.0)[0][0] for grad in circle])  # (32, 2)
    _, panels = plt.subplots(1, 2, figsize=(8.4, 4.4))
    for axes, left, title in zip(panels, (by_value, by_norm), ("clip_by_value", "clip_by_global_norm"), strict=True):
        for grad, end in zip(circle, left, strict=True):
            axes.plot(*torch.stack([grad, end]).T, color="#bbbbbb", linewidth=0.8)
        axes.plot(*circle.T, "o", color=BLUE, markersize=4)
        axes.plot(*left.T, "s", color=ORANGE, markersize=5)
        axes.set(title=title, xlabel="entry 1", ylabel="entry 2", aspect="equal")


# %% [markdown]
# By value, the circle becomes a square, and most directions end up in one of its corners: the diagonals are favoured,
# in 32 directions as in a million. By norm the direction stays, which is why it is the one in common use.
#
# ## 5. Early stopping
#
# Two moons again, as in m00, but only 40 noisy points to learn from, and a network with far more parameters than that.
# After every epoch it is also judged on 400 points that it never learns from, and your `EarlyStopping` listens.
#
# *Before you run the cell:* the training loss will fall to nothing. What will the other curve do?


# %%
def two_moons(seed, n, noise=0.35):
    """Points (n, 2) on two half circles that reach into each other, and their classes (n,), 0.0 or 1.0."""
    rng = np.random.default_rng(seed)
    angle, label = rng.uniform(0.0, np.pi, n), rng.integers(0, 2, n)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)  # (n, 2)
    lower = np.stack([1.0 - np.cos(angle), 0.5 - np.sin(angle)], axis=1)  # (n, 2)
    x = np.where(label[:, None] == 0, upper, lower) + noise * rng.standard_normal((n, 2))  # (n, 2)
    return torch.tensor(x, dtype=torch.float32), torch.tensor(label, dtype=torch.float32)


def network(width, seed=0):
    torch.manual_seed(seed)
    nn = torch.nn
    return nn.Sequential(
        nn.Linear(2, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1), nn.Flatten(0)
    )


def training(model, rows, epochs, lr=0.02, weight_decay=0.0):
    """Train with your Adam; after every epoch its metrics and its weights, as `log_training_run` wants them."""
    (x, label), (other_x, other_label) = two_moons(0, rows), two_moons(1, 400)
    loss = torch.nn.BCEWithLogitsLoss()
    optimizer = optimizers.Adam(model.parameters(), lr=lr, weight_decay=weight_decay)
    for _ in range(epochs):
        optimizer.zero_grad()
        train = loss(model(x), label)
        train.backward()
        optimizer.step()
        with torch.no_grad():
            validation = loss(model(other_x), other_label)
        yield {"loss/train": train.item(), "loss/validation": validation.item()}, model.state_dict()


def draw_boundary(axes, model, title):
    a, b = np.meshgrid(np.linspace(-2.2, 3.2, 120), np.linspace(-1.8, 2.3, 120))
    with torch.no_grad():
        score = model(torch.tensor(np.stack([a.ravel(), b.ravel()], axis=1), dtype=torch.float32)).reshape(120, 120)
    axes.contourf(a, b, score.numpy() > 0, levels=[-0.5, 0.5, 1.5], colors=[BLUE, ORANGE], alpha=0.25)
    x, label = two_moons(0, 40)
    for value, colour, marker in ((0, BLUE, "o"), (1, ORANGE, "s")):
        axes.scatter(*x[label == value].T, s=26, c=colour, marker=marker, edgecolor="white", linewidth=0.6)
    axes.set(title=title, xlabel="feature 1", ylabel="feature 2", aspect="equal")
    axes.grid(False)


@figure
def going_back_to_the_best_epoch():
    model = network(64)
    stopping, stopped, curves = early_stopping.EarlyStopping(patience=30), None, []
    for epoch, (metrics, _) in enumerate(training(model, rows=40, epochs=250)):
        curves.append((metrics["loss/train"], metrics["loss/validation"]))
        if stopped is None and stopping.step(metrics["loss/validation"], model):
            stopped = epoch
    train, validation = zip(*curves, strict=True)
    _, panels = plt.subplots(1, 3, figsize=(15, 4), width_ratios=(1.3, 1, 1))
    panels[0].plot(train, color=BLUE, label="training")
    panels[0].plot(validation, "--", color=ORANGE, label="validation")
    panels[0].axvline(stopping.best_epoch, color=GREEN, label=f"best epoch: {stopping.best_epoch}")
    panels[0].axvline(stopped, color=BLACK, linestyle=":", label=f"stop: {stopped}")
    panels[0].set(title="loss", xlabel="epoch", ylabel="mean cross-entropy", ylim=(0.0, 2.0))
    panels[0].legend()
    draw_boundary(panels[1], model, f"after 250 epochs: {validation[-1]:.2f}")
    stopping.restore(model)
    draw_boundary(panels[2], model, f"restored: {stopping.best:.2f}")


# %% [markdown]
# The validation loss is lowest after some thirty epochs and ends more than twice as high, while the training loss goes
# to zero. We let the training go on after the stop, to see what would have come: islands around single points.
# The restored network draws a smooth line through a cloud that cannot be separated.
#
# ## 6. Monitoring
#
# Three trainings on the moons, and what your `learning_curve_diagnosis` says to each, with a target of 0.4 and means
# over 10 epochs.
#
# *Before you run the cell:* one has a rate that is too small for its 150 epochs, one is the network above, one has 400
# points to learn from and some weight decay. Which curves will be which?


# %%
@figure
def three_diagnoses():
    trainings = (
        ("a very small rate", partial(training, rows=400, epochs=150, lr=0.0001)),
        ("40 points", partial(training, rows=40, epochs=150)),
        ("400 points, some decay", partial(training, rows=400, epochs=150, weight_decay=0.01)),
    )
    _, panels = plt.subplots(1, 3, figsize=(15, 3.8), sharey=True)
    for axes, (name, run) in zip(panels, trainings, strict=True):
        curves = [(metrics["loss/train"], metrics["loss/validation"]) for metrics, _ in run(network(64))]
        train, validation = map(list, zip(*curves, strict=True))
        verdict = monitoring.learning_curve_diagnosis(train, validation, target=0.4, window=10)
        axes.plot(train, color=BLUE, label="training")
        axes.plot(validation, "--", color=ORANGE, label="validation")
        axes.axhline(0.4, color=BLACK, linestyle=":", linewidth=1.2, label="target")
        axes.set(title=f"{name}: {verdict}", xlabel="epoch", ylim=(0.0, 1.2))
    panels[0].set_ylabel("mean cross-entropy")
    panels[0].legend()


# %% [markdown]
# ### What TensorBoard is shown
#
# The next cell hands a training to your `log_training_run`, which writes it into a folder, and reads the folder back
# with TensorBoard's own reader. To see such a folder in TensorBoard itself, log to `runs/first` instead and type
# `tensorboard --logdir runs`.


# %%
@figure
def a_run_read_back_from_its_event_file():
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with tempfile.TemporaryDirectory() as folder:
        monitoring.log_training_run(folder, training(network(64), rows=40, epochs=60))
        written = EventAccumulator(folder, size_guidance={"scalars": 0, "histograms": 0}).Reload()
    _, panels = plt.subplots(1, 2, figsize=(12, 4))
    for tag, colour, line in (("loss/train", BLUE, "-"), ("loss/validation", ORANGE, "--")):
        events = written.Scalars(tag)
        panels[0].plot(
            [event.step for event in events], [event.value for event in events], line, color=colour, label=tag
        )
    panels[0].set(title="scalars", xlabel="step", ylabel="value")
    panels[0].legend()
    bins = np.linspace(-1.5, 1.5, 61)
    rows = []
    for event in written.Histograms("weights/2.weight"):
        value = event.histogram_value
        middle = np.convolve([value.min, *value.bucket_limit], [0.5, 0.5], mode="valid")
        rows.append(np.histogram(middle, bins=bins, weights=value.bucket)[0])
    image = panels[1].imshow(
        np.log1p(rows), aspect="auto", origin="lower", extent=(-1.5, 1.5, 0, len(rows)), cmap="cividis"
    )
    panels[1].set(title="histograms of weights/2.weight", xlabel="weight", ylabel="step")
    panels[1].grid(False)
    plt.colorbar(image, ax=panels[1], label="log(1 + count)")


# %% [markdown]
# The 4096 weights of the middle layer begin between -1/8 and 1/8, where torch draws them, and spread as the training
# goes on. A histogram that does not move at all is a layer that learns nothing; one that runs away is a rate that is
# too large. Curves say that something is wrong, histograms often say where.
#
# ## Where to go from here
#
# Change the notebook; it is yours. Some questions worth an hour each:
#
# - Give the noisy walks of section 2 to `momentum` with the same rates. Is its cloud larger or smaller, and why?
# - In section 3, put the normalization after the ReLU instead of before it. What happens to the gradient?
# - Replace the cliff of section 4 by a real recurrent network, and look at the norms that `clip_by_global_norm` returns.
# - Early stopping looks at the 400 validation points again and again, and picks the best epoch by them. Is the loss of
#   that epoch an honest estimate for new points? Draw a third set and see.
