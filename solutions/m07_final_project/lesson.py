# %% [markdown]
# # Final project: from raw images to a file that answers
#
# This notebook goes through a project in the order in which one does it. Every number and every figure comes from the
# functions that you write in this folder. Fill a function, run its cell again, and look at what your code does. Where a
# function is still empty, the cell says so in one line and the rest of the notebook goes on.
#
# What each function has to do is told in `README.md` and in its docstring. Here it is about the order, and about what one
# looks at before the next step. Most sections ask a question first: decide on an answer, then run the cell.
#
# Letters: N images, Y their height, X their width, C classes.

# %%
# %load_ext autoreload
# %autoreload 2

# %%
import sys
import tempfile
import traceback
from functools import cache
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits

sys.path.insert(0, "..")  # the folder that holds m07_final_project
from m07_final_project import project

BLUE, ORANGE, GREEN, PURPLE, BLACK = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#222222"  # for any eyes
plt.rcParams.update({"font.size": 11, "axes.grid": True, "grid.alpha": 0.25, "figure.constrained_layout.use": True})
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "lines.linewidth": 2})
torch.set_num_threads(1)  # the models are small: more threads would wait for each other


def figure(draw):
    """Draw a figure at once, or say which function it still waits for."""
    try:
        draw()
    except NotImplementedError as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        plt.close("all")
        file = f"exercises/m07_final_project/{Path(last.filename).name}"
        print(f"not started yet: {last.name} — fill {file} and run this cell again")
    plt.show()


# %% [markdown]
# ## 1. The plan
#
# Before any code, five sentences on paper. They cost ten minutes and save days.
#
# | question | here |
# |---|---|
# | What is asked, and what does an answer look like? | an image of 8 × 8 pixels → one of ten digits |
# | By which number is it judged, and on what? | accuracy, on images that were looked at once |
# | What would be good enough? | better than the best method without any training (section 3) |
# | What does a mistake cost, and whom? | nothing here; on a cheque, a lot. It goes into the card |
# | What may it cost to make? | seconds on a CPU, at most 50 000 parameters |
#
# The order of what follows is part of the plan: look at the data, split it, measure something simple, train something
# small, look at its errors, change *one* thing at a time, look at the test part once, write down what you found.
#
# ## 2. Look at the data
#
# *Before you run the cell:* how good would you be yourself at 8 × 8 pixels? Cover the titles and try the first row.


# %%
DIGITS = load_digits()


@figure
def the_data():
    canvas, grid = plt.subplots(4, 15, figsize=(13.5, 4.4))
    for axes, image, label in zip(grid.flat, DIGITS.images, DIGITS.target, strict=False):
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=16)
        axes.set_title(label, fontsize=9, pad=2)
        axes.set_axis_off()
    pixels = DIGITS.images
    canvas.suptitle(
        f"{pixels.shape[0]} images, pixels from {pixels.min():.0f} to {pixels.max():.0f}, mean {pixels.mean():.2f}"
    )


# %% [markdown]
# Now the parts. The files of real projects have an order, by day, by place, by person, and these have one, too: look at
# the row above again. Your `build_datasets` draws at random, and each class by itself.


# %%
@cache
def parts(seed=0):
    """The digits, split by your build_datasets: 70 %, 15 %, 15 %."""
    return project.build_datasets(DIGITS.images, DIGITS.target, seed=seed)


@figure
def the_parts():
    _, axes = plt.subplots(figsize=(9, 3.2))
    looks = zip(parts().items(), (BLUE, ORANGE, GREEN), (-0.27, 0.0, 0.27), strict=True)
    for (name, (_, labels)), colour, shift in looks:
        counts = labels.bincount(minlength=10)
        axes.bar(np.arange(10) + shift, counts, width=0.25, color=colour, label=f"{name}: {len(labels)} images")
    axes.set(title="images of each class", xlabel="class", ylabel="images", xticks=range(10))
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))


# %% [markdown]
# ## 3. Baselines
#
# A number means nothing alone. "95 %" is a triumph where the best that was known is 90 %, and a failure where three lines
# without any training give 98 %. So here are the three lines, on the validation part:
#
# - *the most frequent class*, always: what one gets for nothing;
# - *the nearest mean*: the class whose mean image is the nearest;
# - *the nearest neighbour*: the class of the most similar training image.
#
# And a linear classifier, trained by your `train`.
#
# *Before you run the cell:* rank them. Is one of them good enough to stop here?


# %%
def accuracy(answers, labels):
    return (answers == labels).double().mean().item()


def linear_model(images):
    """A softmax regression on pixels that are divided by 16."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    with torch.no_grad():
        model[1].weight /= 16.0
    return model


@cache
def baselines():
    """The validation accuracy of each, by name."""
    (x, y), (images, labels) = parts()["train"], parts()["validation"]
    means = torch.stack([x[y == c].mean(dim=0) for c in range(10)]).flatten(1)  # (C, Y·X)
    linear = linear_model(x)
    project.train(linear, (x, y), (images, labels), epochs=10)
    return {
        "most frequent class": accuracy(y.mode().values.expand(len(labels)), labels),
        "nearest mean": accuracy(torch.cdist(images.flatten(1), means).argmin(dim=1), labels),
        "linear": project.evaluate(linear, (images, labels))["accuracy"],
        "nearest neighbour": accuracy(y[torch.cdist(images.flatten(1), x.flatten(1)).argmin(dim=1)], labels),
    }


@figure
def what_can_be_had_without_a_network():
    _, axes = plt.subplots(figsize=(8.5, 2.8))
    bars = axes.barh(list(baselines()), list(baselines().values()), color=BLUE)
    axes.bar_label(bars, fmt="%.3f", padding=4)
    axes.set(title="accuracy on the validation part", xlim=(0.0, 1.12))
    axes.invert_yaxis()


# %% [markdown]
# The nearest neighbour is hard to beat on these digits, and it needs no training at all. It has a price that the accuracy
# does not show: it keeps all training images, compares each new image with every one of them, and knows nothing of its own
# doubts. Still, an honest project has to name it, and some honest projects end here.
#
# ## 4. A first model
#
# Small, and with everything in place: the model that your `build_model` makes, at its defaults, thirty epochs.
#
# *Before you run the cell:* which of the two losses will be lower in the first epochs, that on the training images or that
# on the validation images? (One of them is measured with dropout.)


# %%
@cache
def first_model():
    """Your model after `train`, and its history."""
    model = project.build_model(parts()["train"][0], classes=10)
    return model, project.train(model, parts()["train"], parts()["validation"])


@figure
def the_first_training():
    _, history = first_model()
    epochs = np.arange(1, len(history["train_loss"]) + 1)
    best = int(np.argmin(history["validation_loss"]))
    _, panels = plt.subplots(1, 2, figsize=(12, 3.8))
    panels[0].semilogy(epochs, history["train_loss"], color=BLUE, label="training (with dropout, before each step)")
    panels[0].semilogy(epochs, history["validation_loss"], "--", color=ORANGE, label="validation")
    panels[0].plot(epochs[best], history["validation_loss"][best], "o", color=BLACK, markersize=9, label="kept")
    panels[0].set(title="mean cross-entropy", xlabel="epoch", ylabel="loss")
    panels[1].plot(epochs, history["validation_accuracy"], "--", color=ORANGE, label="validation")
    for name, look in (("linear", ":"), ("nearest neighbour", "-.")):
        panels[1].axhline(baselines()[name], color=BLACK, linestyle=look, linewidth=1.2, label=name)
    panels[1].set(title="accuracy", xlabel="epoch", ylim=(0.88, 1.0))
    for axes in panels:
        axes.legend(fontsize=9)


# %% [markdown]
# Read the left panel before the right one. If the training loss does not fall there is a fault, and no tuning mends a
# fault: try to overfit ten images first. If both losses are high, the model is too small or the training too short; if
# they part, it is too large or the data too little.
#
# Then look at the differences that the accuracies leave: on 269 images, one image is 0.4 %. A model that is better by one
# image is not better.
#
# ## 5. Its errors
#
# One number hides ten classes. The confusion matrix of the validation part, and then the images themselves: those that
# were read wrong, the surest first. Half an hour with them teaches more than a night of tuning.
#
# *Before you run the cell:* which digits would you expect to be taken for each other at 8 × 8 pixels?


# %%
def draw_confusion(axes, confusion, title):
    """Colour the errors only; the diagonal would outshine them."""
    errors = confusion - confusion.diagonal().diag()
    axes.imshow(errors, cmap="Oranges", vmin=0, vmax=max(5, int(errors.max())))
    for i in range(len(confusion)):
        for j in range(len(confusion)):
            if confusion[i, j]:
                axes.text(j, i, int(confusion[i, j]), ha="center", va="center", fontsize=9, color=BLACK)
    axes.set(title=title, xlabel="predicted class", ylabel="true class", xticks=range(10), yticks=range(10))
    axes.grid(False)


@figure
def what_goes_wrong():
    model, _ = first_model()
    images, labels = parts()["validation"]
    report = project.evaluate(model, (images, labels))
    _, axes = plt.subplots(figsize=(5.2, 4.8))
    draw_confusion(axes, report["confusion"], f"validation: accuracy {report['accuracy']:.3f}")


@figure
def the_images_that_were_read_wrong():
    model, _ = first_model()
    images, labels = parts()["validation"]
    with torch.no_grad():
        sure, answers = model(images).softmax(dim=1).max(dim=1)  # (N,), (N,)
    wrong = [int(row) for row in sure.argsort(descending=True) if answers[row] != labels[row]][:10]
    canvas, grid = plt.subplots(1, max(2, len(wrong)), figsize=(13, 2.1))
    for axes in grid:
        axes.set_axis_off()
    for axes, row in zip(grid, wrong, strict=False):
        axes.imshow(images[row], cmap="gray_r", vmin=0, vmax=16)
        axes.set_title(f"{labels[row]} → {answers[row]}\n{sure[row]:.0%} sure", fontsize=10)
    canvas.suptitle("true → predicted")


# %% [markdown]
# Sort what you see into three heaps: labels that are wrong, images that nobody could read, and errors that a better model
# would not make. Only the third heap is work for you. (For the first one, mend the data, in all parts, and say so.)
#
# ## 6. One change at a time
#
# What could help? More units, other dropout, another architecture, more data. Change one thing, keep all else (the seed
# of the split above all), and judge on the validation part. Here is the width, and how much the number of images matters.
#
# *Before you run the cell:* the model with 128 hidden units has 9610 parameters for 1259 images. Will one with 8 units
# be better or worse? And what would half of the images cost?


# %%
def validation_accuracy(images, labels, seed=0, **options):
    """Of your model after ten epochs on these images."""
    model = project.build_model(images, classes=10, seed=seed, **options)
    project.train(model, (images, labels), parts()["validation"], epochs=10, lr=5e-3, seed=seed)
    return project.evaluate(model, parts()["validation"])["accuracy"]


@figure
def width_and_data():
    x, y = parts()["train"]
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))
    _, panels = plt.subplots(1, 2, figsize=(12, 3.6), sharey=True)
    widths, counts, seeds = (8, 32, 128), (80, 315, 1259), (0, 1)
    by_width = np.array([[validation_accuracy(x, y, seed, width=width) for seed in seeds] for width in widths])
    by_count = np.array([[validation_accuracy(x[order[:n]], y[order[:n]], seed) for seed in seeds] for n in counts])
    for axes, sizes, found, colour in ((panels[0], widths, by_width, BLUE), (panels[1], counts, by_count, GREEN)):
        axes.plot(sizes, found, "o", color=colour, alpha=0.6)
        axes.plot(sizes, found.mean(axis=1), color=colour)
        axes.axhline(
            baselines()["nearest neighbour"], color=BLACK, linestyle="-.", linewidth=1.2, label="nearest neighbour"
        )
        axes.set(xscale="log", xticks=sizes, xticklabels=sizes)
        axes.minorticks_off()
    panels[0].set(title="by width", xlabel="width", ylabel="validation accuracy")
    panels[1].set(title="by the number of training images", xlabel="images")
    panels[1].legend()


# %% [markdown]
# The two dots in a column differ in nothing but the seed. As long as they lie as far apart as two columns do, the columns
# say nothing, and it takes more seeds to tell. The right panel still rises at its end: more images would help more than
# anything that one could do to the model. That is the usual finding.
#
# Try a convolutional network in `build_model` (module m08 explains what it does): two convolutions of 3 × 3 with pooling,
# flattened, a linear layer. It knows that pixels have neighbours, which your two linear layers have to learn.
#
# ## 7. The test part, once
#
# Now, and only now. Everything above was chosen by the validation part, so its numbers are a little too good.


# %%
@figure
def the_test_part():
    model, _ = first_model()
    report = project.evaluate(model, parts()["test"])
    _, axes = plt.subplots(figsize=(5.2, 4.8))
    draw_confusion(axes, report["confusion"], f"test: accuracy {report['accuracy']:.3f}, loss {report['loss']:.3f}")


# %% [markdown]
# How sure is that number? With n images the standard deviation of an accuracy a is about $\sqrt{a (1 - a) / n}$, here
# about 1 %. Whoever reports "97.40 %" has written two digits too many.
#
# ### Is it the right question?
#
# The test part was drawn at random from all images, so the same 13 people wrote what was learnt from and what was tested.
# Will a new person be read as well? The data does not say who wrote what, but images that lie together in the file seem to
# be by the same hand. So hold out *blocks* of the file instead, a fifth each, and compare.
#
# *Before you run the cell:* what do you expect?


# %%
def accuracy_on(held_out):
    """Of your model, trained on all other images."""
    some = project.build_datasets(DIGITS.images[~held_out], DIGITS.target[~held_out], validation=0.15, test=0.01)
    model = project.build_model(some["train"][0], classes=10)
    project.train(model, some["train"], some["validation"], epochs=10, lr=5e-3)
    images = torch.tensor(DIGITS.images[held_out], dtype=torch.float32)  # (n, Y, X)
    return project.evaluate(model, (images, torch.tensor(DIGITS.target[held_out])))["accuracy"]


@figure
def random_images_and_blocks():
    block = np.arange(len(DIGITS.target)) * 5 // len(DIGITS.target)  # (N,), from 0 to 4
    shuffled = np.random.default_rng(0).permutation(block)  # (N,)
    _, axes = plt.subplots(figsize=(8, 3.2))
    for name, fold, colour, marker in (
        ("random fifths", shuffled, BLUE, "o"),
        ("blocks of the file", block, ORANGE, "s"),
    ):
        found = [accuracy_on(fold == k) for k in range(5)]
        axes.plot(range(1, 6), found, marker, color=colour, markersize=9, label=f"{name}: mean {np.mean(found):.3f}")
        axes.axhline(np.mean(found), color=colour, linewidth=1)
    axes.set(title="accuracy on the fifth that was held out", xlabel="which fifth", xticks=range(1, 6))
    axes.legend(loc="lower left", bbox_to_anchor=(1.0, 0.5))


# %% [markdown]
# The same model, the same data, another question, and between two and three times as many errors. A random split answers
# "how well does it read more of the same", a split by block "how well does it read the next writer". Neither is wrong. But
# one of them is what the user of your model wants to know, and it is not the flattering one.
#
# ## 8. The file
#
# Export, and answer from the file, as a program would that knows nothing of the training. Then what the world does to
# images: other units, a shift by one pixel, a quarter turn.
#
# *Before you run the cell:* which of these will hurt, and how much? Your model standardizes its input. Does that help
# against images that are half as dark?


# %%
@figure
def what_the_world_does_to_images():
    model, _ = first_model()
    images, labels = (tensor.numpy() for tensor in parts()["test"])
    changed = {
        "as they are": images,
        "half as dark": images / 2.0,
        "0 to 255, not 0 to 16": images * 255.0 / 16.0,
        "one pixel to the right": np.roll(images, 1, axis=2),
        "a quarter turn": np.rot90(images, axes=(1, 2)).copy(),
        "white on black": 16.0 - images,
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "digits.pt")
        project.export_model(model, path)
        size = path.stat().st_size
        found = {name: np.mean(project.predict(path, some) == labels) for name, some in changed.items()}
    _, panels = plt.subplots(1, 2, figsize=(12, 3), width_ratios=(2, 1))
    bars = panels[0].barh(list(found), list(found.values()), color=BLUE)
    panels[0].bar_label(bars, fmt="%.2f", padding=4)
    panels[0].invert_yaxis()
    panels[0].set(title=f"accuracy of predict, from a file of {size / 1024:.0f} kB", xlim=(0, 1.15))
    panels[1].imshow(np.hstack([some[0] / some[0].max() for some in list(changed.values())[:6:3]]), cmap="gray_r")
    panels[1].set_title("as it is, and one pixel to the right")
    panels[1].set_axis_off()


# %% [markdown]
# Nothing raised an error. A model answers anything of the right shape, and with the same assurance. To you a digit that
# has moved by a pixel is the same digit; to this model its pixels are other inputs, with other weights. If your users'
# images may be shifted, then shift training images, too (augmentation, module m04).
#
# The statistics in the file are those of the training images *on purpose*: they are what makes 16 mean ink. Images in other
# units have to be converted by whoever calls, and the card has to say in which units they are expected.
#
# ## 9. The card
#
# Last, the page that goes with the file. Read yours as somebody who has found it in two years: may they use it for what
# they have in mind, and would they find out before it goes wrong?


# %%
@figure
def the_card():
    model, _ = first_model()
    report = project.evaluate(model, parts()["test"])
    print(project.model_card(report, {name: len(labels) for name, (_, labels) in parts().items()}))


# %% [markdown]
# ## Where to go from here
#
# - Augment: in `train`, shift every image of a batch by up to one pixel at random. What happens to the accuracy on shifted
#   images, and to that on the others?
# - Let the model say "I do not know" where its largest probability is below a threshold. Plot the accuracy of the rest
#   against the share that it answers.
# - Ensemble: train five models from five seeds and average their probabilities. How does it compare with one model that is
#   five times as wide?
# - Take other data of the same kind: `sklearn.datasets.fetch_olivetti_faces` needs a download and changes two lines here.
#   What has to change in the card?
# - Write the card's "Limitations" anew with what you have seen in section 8, and put the numbers of section 7 beside each
#   other in "Metrics".
