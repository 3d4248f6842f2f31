# %% [markdown]
# # Practical training
#
# Every figure in this notebook is drawn by the functions that you write in this folder. Fill a function, run its cell
# again, and look at what your code does. Where a function is still empty, the cell says so in one line and the rest of
# the notebook goes on.
#
# The sections follow the exercises: data, augmentation, transfer_learning, fine_tuning, checkpointing, metrics. Formulas,
# shapes and examples worked by hand are in `README.md` beside this notebook. Most sections ask a question before their
# figure: decide on an answer first, then run the cell.
#
# Letters: N rows, B sequences or images in a batch, T steps, C channels, Y and X height and width, K classes.

# %%
# %load_ext autoreload
# %autoreload 2

# %%
import random
import sys
import tempfile
import traceback
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

sys.path.insert(0, "..")  # the folder that holds m04_practical
from m04_practical import augmentation, checkpointing, data, fine_tuning, metrics, transfer_learning

BLUE, ORANGE, GREEN, PURPLE, BLACK = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#222222"  # for any eyes
plt.rcParams.update({"font.size": 11, "axes.grid": True, "grid.alpha": 0.25, "figure.constrained_layout.use": True})
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "lines.linewidth": 2})
torch.set_num_threads(1)


def figure(draw):
    """Draw a figure at once, or say which function it still waits for."""
    try:
        draw()
    except NotImplementedError as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        plt.close("all")
        file = f"exercises/m04_practical/{Path(last.filename).name}"
        print(f"not started yet: {last.name} — fill {file} and run this cell again")
    plt.show()


def generator(seed):
    return torch.Generator().manual_seed(seed)


# %% [markdown]
# ## 1. Data
#
# Four hundred sequences, most of them short and a few long, as sentences are. Every batch is padded to its longest
# sequence, so a single long one makes the whole batch expensive. Below, each row is a batch of 16 in the order in which
# it comes, each thin line a sequence: blue is data, orange is padding.
#
# *Before you run the cell:* with a plain shuffle, what share of all the steps that the model computes is padding?


# %%
def some_lengths(n=400):
    return (1 + 60 * torch.rand(n, generator=generator(0)) ** 3).long().tolist()


@figure
def what_padding_costs():
    lengths = some_lengths()
    examples = [(torch.ones(length), 0) for length in lengths]
    _, panels = plt.subplots(1, 3, figsize=(13, 4.4), sharey=True, sharex=True)
    for axes, per_pool, title in zip(
        panels, (1, 5, 25), ("plain shuffle", "pools of 5 batches", "all sorted"), strict=True
    ):
        sampler = data.BucketBatchSampler(lengths, batch_size=16, batches_per_pool=per_pool, seed=1)
        picture = torch.full((16 * len(sampler), max(lengths)), torch.nan)  # (N, T)
        for i, batch in enumerate(sampler):
            padded, _, _ = data.pad_collate([examples[row] for row in batch])
            picture[16 * i : 16 * (i + 1), : padded.shape[1]] = padded
        share = (picture == 0).sum() / torch.isfinite(picture).sum()
        axes.imshow(picture, aspect="auto", cmap=plt.matplotlib.colors.ListedColormap([ORANGE, BLUE]), vmin=0, vmax=1)
        axes.set(title=f"{title}: {share:.0%} padding", xlabel="step")
        axes.grid(False)
    panels[0].set(ylabel="sequence, in the order of the batches")


# %% [markdown]
# Pools of five batches already remove most of the padding. Sorting everything removes nearly all of it, and the shuffle
# with it: the batches come in random order, but the same rows meet in each of them, epoch after epoch.
#
# ### What a normaliser may know
#
# The same sensor, measured in a laboratory (training) and outdoors (held out), where it is warmer and everything is a
# little larger. On the left your normaliser, fitted on the training rows. On the right the mistake: each set normalised
# by itself.
#
# *Before you run the cell:* in which of the two panels can you see that something has changed?


# %%
@figure
def statistics_of_strangers():
    train = 20.0 + 3.0 * torch.randn(600, 1, generator=generator(1))  # (M, D)
    outdoors = 25.0 + 5.0 * torch.randn(300, 1, generator=generator(2))
    fitted, bins = data.fit_normalizer(train), np.linspace(-4, 8, 49)
    _, panels = plt.subplots(1, 2, figsize=(11, 3.6), sharey=True, sharex=True)
    for axes, other, title in zip(
        panels, (fitted, data.fit_normalizer(outdoors)), ("training statistics", "its own"), strict=True
    ):
        axes.hist(fitted(train)[:, 0], bins, density=True, color=BLUE, alpha=0.6, label="training rows")
        axes.hist(other(outdoors)[:, 0], bins, density=True, color=ORANGE, alpha=0.6, label="held-out rows")
        axes.set(title=f"held-out rows by {title}", xlabel="value, normalised")
    panels[0].set(ylabel="density")
    panels[0].legend()


# %% [markdown]
# On the right both sets look alike. The shift is still there, in the world; only your numbers do not show it any more,
# and the accuracy you measure will be better than what the model does on a single new row, whose own mean is itself.
#
# ## 2. Augmentation
#
# One digit, painted, and what your functions make of it. Every image of a batch is changed in its own way: the twelve
# below are one call each, on a batch of twelve copies.


# %%
def painted(n):
    """n copies of a seven on a coloured ground, (n, 3, 16, 16)."""
    strokes = torch.zeros(16, 16)
    strokes[3:5, 3:13] = 1.0
    for i in range(9):
        strokes[4 + i, 11 - i * 2 // 3 : 13 - i * 2 // 3] = 1.0
    ink, paper = torch.tensor([0.85, 0.3, 0.1]), torch.tensor([0.2, 0.35, 0.5])
    shade = torch.linspace(0.6, 1.2, 16)[:, None]  # (16, 1)
    image = strokes * ink[:, None, None] + (1 - strokes) * paper[:, None, None] * shade  # (3, 16, 16)
    return image.repeat(n, 1, 1, 1)


@figure
def one_image_in_many():
    batch = painted(12)
    changed = {
        "flip, p = ½": augmentation.random_horizontal_flip(batch, 0.5, generator(3)),
        "crop, padding 4": augmentation.random_crop(batch, (16, 16), 4, generator(4)),
        "cutout, 6": augmentation.cutout(batch, 6, generator(5)),
        "jitter, 0.6 each": augmentation.color_jitter(batch, 0.6, 0.6, 0.6, generator(6)),
    }
    _, panels = plt.subplots(4, 12, figsize=(13, 4.8))
    for row, (name, images) in zip(panels, changed.items(), strict=True):
        for axes, image in zip(row, images, strict=True):
            axes.imshow(image.permute(1, 2, 0))
            axes.set(xticks=[], yticks=[])
            axes.grid(False)
        row[0].set_ylabel(name, rotation=0, ha="right", va="center")


# %% [markdown]
# Would you still call each of them a seven? For the mirrored ones the answer is no: a flip is right for cats and wrong
# for digits. An augmentation is a statement about the world, and it can be false.
#
# ### Mixup between two clouds
#
# Two clouds of points, drawn as "images" of two pixels, mixed with different alphas. The colour is the second entry of
# your targets.
#
# *Before you run the cell:* Beta(0.2, 0.2) has most of its mass near 0 and 1, Beta(2, 2) in the middle. Where will the
# points lie?


# %%
@figure
def between_two_clouds():
    labels = torch.arange(120) % 2
    points = torch.randn(120, 2, generator=generator(7)) * 0.35 + 2.0 * labels[:, None]  # (B, 2)
    _, panels = plt.subplots(1, 3, figsize=(13, 4), sharex=True, sharey=True)
    for axes, alpha in zip(panels, (0.0, 0.2, 2.0), strict=True):
        mixed, targets = zip(
            *(augmentation.mixup(points.view(-1, 1, 1, 2), labels, 2, alpha, generator(seed)) for seed in range(8)),
            strict=True,
        )
        x, share = torch.cat(mixed).view(-1, 2), torch.cat(targets)[:, 1]
        shown = axes.scatter(*x.T, c=share, s=10, cmap="cividis", vmin=0, vmax=1)
        axes.set(title=f"alpha = {alpha}", xlabel="pixel 1")
    panels[0].set(ylabel="pixel 2")
    plt.colorbar(shown, ax=panels, label="share of class 1")


# %% [markdown]
# With small alphas most mixtures are nearly one of the two images. With larger ones the space between the clouds fills,
# and with it the targets between 0 and 1: the network is told how sure to be where there is no data.
#
# ## 3. Transfer learning
#
# `pretrained.npz` holds a network that knows the digits 0 to 4. Here are the learning rates that your `parameter_groups`
# gives its four layers, and which of them your `gradual_unfreeze` opens in which epoch.


# %%
FILE = next(p for p in (Path("pretrained.npz"), Path("../../exercises/m04_practical/pretrained.npz")) if p.exists())
with np.load(FILE) as file:
    ARRAYS = dict(file)
DIGITS, CLASSES = ARRAYS.pop("digits"), torch.from_numpy(ARRAYS.pop("labels").astype(np.int64))
WEIGHTS = {name: torch.from_numpy(value) for name, value in ARRAYS.items()}
LAYERS = ("stem", "body", "neck", "head")


def network(classes):
    """The network of `pretrained.npz`, with random weights: images (N, 1, Y, X) to logits (N, classes)."""

    def block(inputs, outputs, *rest):
        return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(), *rest)

    model = nn.Sequential()
    model.add_module("stem", block(1, 12, nn.MaxPool2d(2)))
    model.add_module("body", block(12, 24, nn.MaxPool2d(2)))
    model.add_module("neck", block(24, 48, nn.AdaptiveMaxPool2d(1), nn.Flatten()))
    model.add_module("head", nn.Linear(48, classes))
    return model


def pretrained(classes=5):
    model = network(classes)
    model.load_state_dict(WEIGHTS, strict=False)
    return model


def photographs(noise=0.15, stripes=0.6, seed=0):
    """All new digits, each somewhere on a screen of 12 x 12 pixels, (N, 1, 12, 12)."""
    rng = np.random.default_rng(seed)
    seen = rng.normal(0.0, noise, (len(DIGITS), 1, 12, 12))
    seen[:, :, 1::2] += stripes
    for screen, digit, (y, x) in zip(seen, DIGITS, rng.integers(0, 5, (len(DIGITS), 2)), strict=True):
        screen[0, y : y + 8, x : x + 8] += digit / 16
    return torch.tensor(seen, dtype=torch.float32)


@figure
def how_fast_and_from_when_each_layer_learns():
    layers, epochs = list(pretrained().children()), range(8)
    _, panels = plt.subplots(1, 2, figsize=(11, 3.4))
    for decay, colour, marker in ((1.5, GREEN, "s"), (2.6, BLUE, "o"), (5.0, ORANGE, "^")):
        rates = [group["lr"] for group in transfer_learning.parameter_groups(layers, lr=0.03, decay=decay)]
        panels[0].semilogy(LAYERS, rates, marker=marker, color=colour, label=f"decay = {decay}")
    panels[0].set(title="learning rate", ylabel="lr")
    panels[0].legend()
    opened = np.zeros((4, len(epochs)))
    for epoch in epochs:
        transfer_learning.gradual_unfreeze(layers, epoch, every=2)
        opened[:, epoch] = [all(p.requires_grad for p in layer.parameters()) for layer in layers]
    panels[1].imshow(opened[::-1], aspect="auto", cmap="Blues", vmin=0, vmax=1.5)
    panels[1].set(title="open layers, every = 2", xlabel="epoch", yticks=range(4), yticklabels=LAYERS[::-1])
    panels[1].grid(False)


# %% [markdown]
# ### What the network sees in digits that it has never met
#
# `feature_extract` gives the 48 features below the head. Here they are for clean photographs of the digits 5 to 9,
# projected on the two directions in which they differ most, once from the pre-trained network and once from the same
# network with random weights. Neither has ever been told what a 7 is.
#
# *Before you run the cell:* will there be any order at all?


# %%
@figure
def features_of_strangers():
    images, torch_state = photographs(noise=0.1, stripes=0.0), torch.get_rng_state()
    torch.manual_seed(0)
    _, panels = plt.subplots(1, 2, figsize=(12, 4.6))
    for axes, model, title in zip(
        panels, (pretrained(), network(5)), ("pre-trained on 0 to 4", "random weights"), strict=True
    ):
        features = transfer_learning.feature_extract(model, "neck", images)  # (N, 48)
        u, s, _ = torch.linalg.svd(features - features.mean(dim=0), full_matrices=False)
        place = u[:, :2] * s[:2]  # (N, 2)
        for k, (colour, marker) in enumerate(zip((BLUE, ORANGE, GREEN, PURPLE, BLACK), "os^Dx", strict=True)):
            axes.scatter(*place[k == CLASSES].T, s=14, color=colour, marker=marker, label=str(k + 5), alpha=0.7)
        axes.set(title=title, xlabel="direction 1", ylabel="direction 2")
    panels[1].legend(title="digit", fontsize=9)
    torch.set_rng_state(torch_state)


# %% [markdown]
# The pre-trained features put equal digits near each other without having been asked to. That is what is transferred:
# five images of each class are enough to name the clusters. The random ones would need a network on top of them.
#
# ## 4. Fine-tuning
#
# The camera with stripes, and more or fewer labelled images. Four ways to use them: your `fine_tune` on the pre-trained
# network; your `fine_tune` on the same network with random weights; a new head alone on the frozen features that
# `feature_extract` gives; and on the right of the figure what each layer has changed in `fine_tune`.
#
# *Before you run the cell:* with how many images per class will the pre-training have become worthless?


# %%
def accuracy_on(model, images, labels):
    with torch.no_grad():
        return (model.eval()(images).argmax(dim=1) == labels).double().mean().item()


def head_alone(model, images, labels, classes):
    """Train a new head on frozen features."""
    features = transfer_learning.feature_extract(model, "neck", images)  # (N, 48)
    transfer_learning.replace_head(model, "head", classes, generator(0))
    optimizer = torch.optim.Adam(model.head.parameters(), lr=0.03)
    for _ in range(100):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model.head(features), labels).backward()
        optimizer.step()


def pretrained_after(images, order):
    """The filters of the pre-trained network after fine-tuning on five images of each class."""
    chosen, model = torch.cat([order[CLASSES[order] == k][:5] for k in range(5)]), pretrained()
    fine_tuning.fine_tune(model, images[chosen], CLASSES[chosen], 5, generator(2))
    return {name: value for name, value in model.state_dict().items() if name.endswith(".0.weight")}


@figure
def what_pre_training_is_worth():
    images, sizes = photographs(), (2, 5, 15, 40)
    reached = {"fine_tune, pre-trained": [], "fine_tune, random weights": [], "head alone": []}
    order = torch.randperm(len(images), generator=generator(1))
    for per_class in sizes:
        chosen = torch.cat([order[CLASSES[order] == k][:per_class] for k in range(5)])
        rest = torch.ones(len(images), dtype=torch.bool)
        rest[chosen] = False
        torch.manual_seed(0)
        models = pretrained(), network(5), pretrained()
        for model in models[:2]:
            fine_tuning.fine_tune(model, images[chosen], CLASSES[chosen], 5, generator(2))
        head_alone(models[2], images[chosen], CLASSES[chosen], 5)
        for curve, model in zip(reached.values(), models, strict=True):
            curve.append(accuracy_on(model, images[rest], CLASSES[rest]))
    _, panels = plt.subplots(1, 2, figsize=(12, 4))
    for (name, curve), colour, line in zip(reached.items(), (BLUE, ORANGE, GREEN), ("o-", "s--", "^-."), strict=True):
        panels[0].plot(sizes, curve, line, color=colour, label=name)
    panels[0].axhline(0.2, color=BLACK, linestyle=":", linewidth=1.2, label="guessing")
    panels[0].set(title="accuracy on other images", xlabel="labelled images of each class", xscale="log", ylim=(0, 1))
    panels[0].set_xticks(sizes, [str(size) for size in sizes])
    panels[0].legend(fontsize=9)
    moved = {
        name: (value - WEIGHTS[name]).norm() / WEIGHTS[name].norm()
        for name, value in pretrained_after(images, order).items()
    }
    panels[1].bar(list(moved), [float(size) for size in moved.values()], color=BLUE)
    panels[1].set(title="how far the filters moved", ylabel="change relative to their size")
    panels[1].tick_params(axis="x", rotation=15)


# %% [markdown]
# With few images the pre-trained network is far ahead, and the lead shrinks as images come in: data replaces
# pre-training, at its price. The head alone stays behind, because the stripes are new to every layer below it. And the
# early filters have moved less than the late ones, as your learning rates told them to.
#
# ## 5. Checkpoints
#
# A small network with dropout learns for 60 steps. Another run of it is broken off after 30 steps and resumed from its
# checkpoint: once as you load it, once with the optimizer left out, once with the random numbers left out.
#
# *Before you run the cell:* which of the three will lie exactly on the unbroken curve, and which one will jump?


# %%
def a_run():
    torch.manual_seed(0)
    random.seed(0)
    model = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Dropout(0.2), nn.Linear(32, 1))
    return model, torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.95)


def steps(model, optimizer, n):
    """The loss before each of n steps."""
    x = torch.randn(64, 2, generator=generator(8))  # (N, 2)
    y, losses = (x[:, :1] * x[:, 1:]).sign(), []  # (N, 1)
    for _ in range(n):
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@figure
def a_run_that_does_not_notice():
    unbroken = steps(*a_run(), 60)
    with tempfile.TemporaryDirectory() as folder:
        model, optimizer = a_run()
        steps(model, optimizer, 30)
        checkpointing.save_checkpoint(Path(folder) / "run.pt", model, optimizer)
        resumed = {}
        for name in ("everything", "without the optimizer", "without random numbers"):
            model, optimizer = a_run()
            torch.manual_seed(99)
            before = torch.get_rng_state()
            checkpointing.load_checkpoint(Path(folder) / "run.pt", model, None if "optimizer" in name else optimizer)
            if "random" in name:
                torch.set_rng_state(before)
            resumed[name] = steps(model, optimizer, 30)
    _, axes = plt.subplots(figsize=(9, 4.2))
    axes.plot(unbroken, color=BLACK, linewidth=5, alpha=0.25, label="never interrupted")
    for (name, curve), colour, line in zip(resumed.items(), (BLUE, ORANGE, GREEN), ("-", "--", "-."), strict=True):
        axes.plot(range(30, 60), curve, line, color=colour, linewidth=1.6, label=f"resumed: {name}")
    axes.axvline(30, color=BLACK, linestyle=":", linewidth=1)
    axes.set(title="loss", xlabel="step", ylabel="mean squared error")
    axes.legend()
    same = "equal in every bit" if resumed["everything"] == unbroken[30:] else "not equal"
    print(f"the last 30 losses of the resumed run and of the unbroken one are {same}")


# %% [markdown]
# Without the optimizer the run loses its momentum, and takes a while to gather it again. Without the random numbers it
# is as good as the other, and another: whoever looks for the cause of a strange loss at step 57 will not find it again.
#
# ## 6. Metrics
#
# A model whose logits are 2.5 times what they should be is right as often as before, and far too sure. On the left the
# share of right predictions in every bin of confidence, as a reliability diagram: a calibrated model lies on the
# diagonal. On the right your calibration error, and your accuracy, as the logits are divided by a temperature.
#
# *Before you run the cell:* at which temperature is the error smallest, and what does the accuracy do?


# %%
def overconfident(n=4000, classes=5):
    """Logits that are 2.5 times too large, and targets drawn from the probabilities that would be right."""
    honest = 1.5 * torch.randn(n, classes, generator=generator(9))  # (N, K)
    targets = torch.multinomial(honest.softmax(dim=1), 1, generator=generator(10))[:, 0]  # (N,)
    return 2.5 * honest, targets


@figure
def how_sure_and_how_right():
    logits, targets = overconfident()
    _, panels = plt.subplots(1, 2, figsize=(12, 4.4))
    for temperature, colour, marker in ((1.0, ORANGE, "s"), (2.5, BLUE, "o")):
        p = (logits / temperature).softmax(dim=1)
        confidence, right = p.max(dim=1).values, p.argmax(dim=1) == targets
        place = (confidence * 10).ceil().long() - 1
        middles = [confidence[place == m].mean() for m in range(10) if (place == m).sum() > 20]
        shares = [right[place == m].double().mean() for m in range(10) if (place == m).sum() > 20]
        error = metrics.expected_calibration_error(p, targets, bins=10)
        panels[0].plot(
            middles, shares, marker=marker, color=colour, label=f"temperature {temperature}: error {error:.3f}"
        )
    panels[0].plot([0.2, 1], [0.2, 1], ":", color=BLACK, linewidth=1.2)
    panels[0].set(title="reliability", xlabel="mean confidence of a bin", ylabel="share of right predictions")
    panels[0].legend()
    temperatures = np.geomspace(0.5, 8.0, 25)
    errors = [metrics.expected_calibration_error((logits / t).softmax(dim=1), targets) for t in temperatures.tolist()]
    panels[1].plot(temperatures, errors, color=BLUE, label="calibration error")
    panels[1].plot(
        temperatures,
        [metrics.accuracy(logits / t, targets) for t in temperatures.tolist()],
        "--",
        color=GREEN,
        label="accuracy",
    )
    panels[1].set(title="one number, many temperatures", xlabel="temperature", xscale="log", ylim=(0, 1))
    panels[1].set_xticks([0.5, 1, 2.5, 5], ["0.5", "1", "2.5", "5"])
    panels[1].legend()


# %% [markdown]
# Dividing all logits by one number changes no prediction, so the accuracy is flat, and the error has its minimum where
# the 2.5 is undone. Temperature scaling is this, with the number chosen on held-out rows: one parameter, and the
# probabilities mean what they say.
#
# ### Macro, micro, and a class that nobody finds
#
# 1000 rows, and class 2 makes up 2 % of them. The model never names it. What do the averages say?


# %%
@figure
def what_an_average_hides():
    targets = torch.tensor([0] * 600 + [1] * 380 + [2] * 20)
    predictions = targets.clone()
    predictions[:60], predictions[600:640], predictions[980:] = 1, 0, 0
    matrix = metrics.confusion_matrix(predictions, targets, 3)
    _, panels = plt.subplots(1, 2, figsize=(11, 3.8), width_ratios=(1, 1.6))
    panels[0].imshow(matrix.double().sqrt(), cmap="Blues")
    for i in range(3):
        for j in range(3):
            panels[0].text(j, i, int(matrix[i, j]), ha="center", va="center", color=BLACK if i != j else "white")
    panels[0].set(title="confusion matrix", xlabel="predicted", ylabel="right", xticks=range(3), yticks=range(3))
    panels[0].grid(False)
    each = metrics.precision_recall_f1(matrix, average=None)
    averages = {name: metrics.precision_recall_f1(matrix, average=name) for name in ("macro", "micro")}
    for i, (label, colour) in enumerate(zip(("precision", "recall", "F1"), (BLUE, ORANGE, GREEN), strict=True)):
        heights = [*each[i].tolist(), averages["macro"][i], averages["micro"][i]]
        panels[1].bar(np.arange(5) + 0.27 * (i - 1), heights, 0.25, color=colour, label=label)
    panels[1].set(xticks=range(5), ylim=(0, 1.05), title="by class, and averaged")
    panels[1].set_xticklabels(["class 0", "class 1", "class 2", "macro", "micro"])
    panels[1].legend(loc="lower left")


# %% [markdown]
# The micro average, 0.88, is the accuracy, and does not notice. The macro average does: it gives class 2 a third of the
# say. Which one is right depends on what a missed row of class 2 costs, and no formula knows that.
#
# ### The area under a curve, and ties
#
# A score that is the same for all rows knows nothing: its area must be one half, in whatever order the rows lie. Rounding
# a good score to fewer and fewer values makes more and more ties.


# %%
@figure
def what_rounding_costs():
    targets = (torch.arange(1000) < 300).long()  # the positive rows lie first in the file
    scores = torch.randn(1000, generator=generator(11)) + 1.2 * targets
    values = (1, 2, 3, 5, 9, 17, 33, 65)
    edges = [torch.linspace(-3, 4, n + 1)[1:-1] for n in values]
    areas = [metrics.roc_auc(torch.bucketize(scores, edge).double(), targets) for edge in edges]
    by_place = [torch.bucketize(scores, edge).double() - 1e-6 * torch.arange(1000) for edge in edges]
    wrong = [metrics.roc_auc(score, targets) for score in by_place]
    _, axes = plt.subplots(figsize=(8, 4))
    axes.plot(values, areas, "o-", color=BLUE, label="ties count ½")
    axes.plot(values, wrong, "s--", color=ORANGE, label="ties in the order of the file")
    axes.axhline(0.5, color=BLACK, linestyle=":", linewidth=1.2)
    axes.set(
        title="area under the ROC curve",
        xlabel="different values that the score can take",
        xscale="log",
        ylim=(0.45, 1.02),
    )
    axes.set_xticks(values, [str(value) for value in values])
    axes.legend()


# %% [markdown]
# With ties ranked by their place in the file a constant score gets an area of 1: the file was sorted. With ½ for a tie it
# gets ½, and what rounding costs is a little, and honest.
