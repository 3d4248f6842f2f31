"""Hidden checks of the final project, part by part, and of the whole on images that the submission has never seen.

Nothing is asked of a model's layers. What `train`, `evaluate` and `export_model` do is seen on networks that the checks make,
what `build_model` promises on the learner's own. Accuracy is counted here, from the labels that come back.
"""

import copy
import math
import os
import pickle
import re
from functools import cache

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from autograder.sandbox.errors import LearnerError
from autograder.testing import assert_close, assert_shape, made, there

PARTS = ("train", "validation", "test")
HISTORY = ("train_loss", "validation_loss", "validation_accuracy")


@cache
def digits():
    """The images (1797, 8, 8), values from 0 to 16, and the digit that each shows."""
    found = load_digits()
    return found.images, found.target


def split_digits(probe, hidden=600):
    """Known images and labels, and hidden ones. The digits have got other names, so that nobody can know them before."""
    images, labels = digits()
    order, names = probe.permutation(len(labels)), probe.permutation(10)
    images, labels = images[order], names[labels[order]]
    return (images[hidden:], labels[hidden:]), (images[:hidden], labels[:hidden])


def marked_images(probe, n):
    """Images (n, Y, X) which nobody can confuse: the first pixel of each is its number, plus 1000."""
    images = probe.normal(n, "Y", "X")
    images[:, 0, 0] = 1000.0 + np.arange(n)
    return images


def numbers_of(images):
    """Which images of `marked_images` these are."""
    return (images[:, 0, 0] - 1000.0).round().long()


# build_datasets


def classes_of(probe, counts):
    """Labels in random order, as many of each class as `counts` says."""
    return np.repeat(np.arange(len(counts)), counts)[probe.permutation(sum(counts))]


@pytest.mark.stage("shape")
def test_build_datasets_returns_three_pairs_of_tensors(learner, probe):
    labels = classes_of(probe, [20, 30, 40])
    parts = learner.build_datasets(probe.normal(90, "Y", "X"), labels)
    assert isinstance(parts, dict) and sorted(parts) == sorted(PARTS), "the keys are train, validation and test"
    for name in PARTS:
        assert isinstance(parts[name], tuple | list) and len(parts[name]) == 2, f"{name} is a pair (images, labels)"
        images, targets = parts[name]
        assert isinstance(targets, torch.Tensor) and targets.ndim == 1, f"the labels of {name} are a tensor (n,)"
        assert_shape(targets, (len(targets),), torch.int64, name=f"the labels of {name}")
        assert_shape(images, (len(targets), *probe.shape("Y X")), torch.float32, name=f"the images of {name}")


def test_build_datasets_puts_every_image_into_exactly_one_part(learner, probe):
    images, labels = marked_images(probe, 97), 9 * classes_of(probe, [20, 33, 44]) - 7  # classes need not be 0, 1, 2, …
    parts = learner.build_datasets(images, labels, validation=0.2, test=0.25, seed=3)
    found = torch.cat([numbers_of(parts[name][0]) for name in PARTS])
    assert_close(found.sort().values, torch.arange(97), name="the numbers of the images in the three parts")


def test_build_datasets_leaves_every_image_with_its_label_and_its_values(learner, probe):
    images, labels = marked_images(probe, 97), classes_of(probe, [2, 41, 54])  # no part but one has both of the two
    parts = learner.build_datasets(images, labels, validation=0.2, test=0.25, seed=3)
    for name in PARTS:
        found, targets = parts[name]
        numbers = numbers_of(found).clamp(0, 96).numpy()
        assert_close(targets, torch.tensor(labels[numbers]), name=f"the labels of {name}")
        assert_close(found, torch.tensor(images[numbers], dtype=torch.float32), name=f"the images of {name}")


def test_build_datasets_gives_each_part_its_share_of_every_class(learner, probe):
    counts = probe.permutation(6) * 9 + 20
    for seed, (validation, test) in enumerate(((0.1, 0.3), (0.25, 0.15), (0.4, 0.35))):
        labels = classes_of(probe, counts)
        parts = learner.build_datasets(probe.normal(len(labels), 3, 2), labels, validation, test, seed=seed)
        for name, share in zip(PARTS, (1 - validation - test, validation, test), strict=True):
            found = parts[name][1].bincount(minlength=6).numpy()
            slack = 2 if name == "train" else 1  # what both others have rounded away
            assert (np.abs(found - share * counts) < slack).all(), f"{name} has the same share of every class"


def test_build_datasets_holds_out_fifteen_percent_twice_unless_told_otherwise(learner, probe):
    parts = learner.build_datasets(probe.normal(300, 2, 3), classes_of(probe, [100, 200]))
    found = {name: parts[name][1].bincount().tolist() for name in PARTS}
    assert_close(found, {"train": [70, 140], "validation": [15, 30], "test": [15, 30]}, name="images of each class")


def test_build_datasets_draws_the_same_parts_from_the_same_seed_only(learner, probe):
    images, labels = marked_images(probe, 60), classes_of(probe, [25, 35])
    first, again, other = (learner.build_datasets(images, labels, seed=seed) for seed in (5, 5, 6))
    assert_close(again, first)
    for name in ("validation", "test"):
        same = set(numbers_of(first[name][0]).tolist()) == set(numbers_of(other[name][0]).tolist())
        assert not same, f"another seed holds out other images in {name}"


def test_build_datasets_draws_from_its_seed_whatever_was_drawn_before(learner, probe):
    images, labels = marked_images(probe, 60), classes_of(probe, [25, 35])
    torch_there = learner.library("torch")
    for seed in (5, 0):
        found = []
        for state in (1, 2):
            torch_there.manual_seed(state)
            learner.library("numpy").random.seed(state)
            found.append(learner.build_datasets(images, labels, seed=seed))
        assert_close(found[1], found[0], name=f"the parts from the seed {seed}")


def test_build_datasets_may_put_any_image_into_any_part(learner, probe):
    """Each of 24 images is expected 24 times in either held-out part; never is rarer than 1 in 10^10."""
    images, labels = marked_images(probe, 24), classes_of(probe, [8, 16])
    held_out = {name: set() for name in PARTS}
    for seed in range(96):
        parts = learner.build_datasets(images, labels, validation=0.25, test=0.25, seed=seed)
        for name in PARTS:
            held_out[name] |= set(numbers_of(parts[name][0]).tolist())
    for name in PARTS:
        assert held_out[name] == set(range(24)), f"each image is in {name} for some seed"


def test_build_datasets_draws_images_one_by_one(learner, probe):
    """The distances between ten of 40 images have two values only once in 10^5, and those of both classes in 10^10."""
    images = marked_images(probe, 80)
    parts = learner.build_datasets(images, np.repeat([0, 1], 40), validation=0.25, test=0.25, seed=7)
    for name in ("validation", "test"):
        numbers = numbers_of(parts[name][0]).sort().values
        gaps = [set(some.diff().tolist()) for some in (numbers[numbers < 40], numbers[numbers >= 40])]
        assert max(map(len, gaps)) > 2, f"{name} is no run of images and no regular choice of them"


def test_build_datasets_takes_images_and_labels_of_any_kind_of_number(learner, probe):
    labels = classes_of(probe, [20, 30])
    images = probe.integers(50 * 6, 256).reshape(50, 3, 2)
    expected = learner.build_datasets(images.astype(np.float64), labels, seed=2)
    for kind, label_kind in ((np.uint8, np.int32), (np.int64, np.uint8), (np.float32, np.int16)):
        found = learner.build_datasets(images.astype(kind), labels.astype(label_kind), seed=2)
        assert_close(found, expected, name=f"the parts of {np.dtype(kind)} images with {np.dtype(label_kind)} labels")


@pytest.mark.stage("whole")
def test_build_datasets_splits_the_digits(learner, probe):
    images, labels = digits()
    parts = learner.build_datasets(images, labels, validation=0.2, test=0.3, seed=int(probe.choice(range(100))))
    found = torch.cat([parts[name][0].reshape(-1, 64) for name in PARTS]).double().numpy()
    assert_shape(found, (len(images), 64), name="all images")
    assert_close(np.unique(found, axis=0), np.unique(images.reshape(-1, 64), axis=0), name="all images, sorted")
    expected = np.bincount(labels)
    for name, share in zip(PARTS, (0.5, 0.2, 0.3), strict=True):
        counts = parts[name][1].bincount(minlength=10).numpy()
        assert (np.abs(counts - share * expected) < 2).all(), f"{name} has its share of every digit"


@pytest.mark.stage("robust")
def test_build_datasets_refuses_labels_that_do_not_match_the_images(learner, probe):
    for n in (29, 31):
        with pytest.raises(ValueError):
            learner.build_datasets(probe.normal(30, 3, 2), np.arange(n) % 3)


@pytest.mark.stage("robust")
def test_build_datasets_refuses_fractions_that_leave_a_part_empty(learner, probe):
    for validation, test in (
        (0.0, 0.2),
        (0.2, 0.0),
        (-0.1, 0.3),
        (0.3, -0.1),
        (0.5, 0.5),
        (0.25, 0.75),
        (0.9, 0.4),
        (-0.1, -0.3),
    ):
        with pytest.raises(ValueError):
            learner.build_datasets(probe.normal(30, 3, 2), np.arange(30) % 3, validation=validation, test=test)


# build_model

SHAKE = """lambda model, seed, torch=__import__("torch"): (
    torch.manual_seed(seed),
    [p.data.add_(0.3 * torch.randn(p.shape) / (p.numel() / (*p.shape, 1)[0]) ** 0.5) for p in model.parameters()],
)[0] and None"""  # no output is zero any more, however the weights began
FIT = """lambda model, optimizer, loss, x, y, batches: (
    model.train(),
    [(optimizer.zero_grad(), loss(model(x[rows]), y[rows]).backward(), optimizer.step()) for rows in batches],
    model.eval(),
)[0] and None"""


def training_images(probe, mean=0.0, std=1.0):
    """Images (N, Y, X) with this mean and standard deviation of all pixels together, and others in every pixel."""
    y, x = probe.size("Y", at_least=5), probe.size("X", at_least=5)
    pattern = probe.uniform((1, y, x), -2.0, 2.0) + probe.uniform((1, y, x), 0.5, 3.0) * probe.normal("N", y, x)
    values = probe.tensor(pattern, dtype=torch.float64)
    return (mean + std * (values - values.mean()) / values.std()).float()


def shaken_model(learner, shake, *args, **options):
    """A model of the learner's in evaluation mode, with weights that are surely not zero."""
    model = learner.build_model(*args, **options)
    made(learner, SHAKE)(model, shake)
    model.eval()
    return model


@pytest.mark.stage("shape")
def test_build_model_takes_raw_images_and_returns_logits(learner, probe):
    images = training_images(probe, mean=8.0, std=5.0)
    for c in (probe.size("C"), 2):
        model = learner.build_model(images, classes=c)
        model.eval()
        for b in (1, probe.size("B")):
            assert_shape(model(images[:1].repeat(b, 1, 1)), (b, c), torch.float32, name="the logits")


@pytest.mark.stage("shape")
def test_build_model_tells_what_it_was_made_with(learner, probe):
    images, c = training_images(probe), probe.size("C")
    expected = {"shape": probe.shape("Y X"), "classes": c, "width": 24, "dropout": 0.375}
    model = learner.build_model(images, classes=c, width=24, dropout=0.375, seed=2)
    assert_close(model.config, expected, name="config")
    model = learner.build_model(images, c)
    assert_close(model.config, expected | {"width": 128, "dropout": 0.2}, name="config by default")


def test_build_model_answers_for_each_image_by_itself(learner, probe):
    images = training_images(probe, mean=8.0, std=5.0)
    model = shaken_model(learner, 1, images, 4, width=24)
    together = model(images)
    assert_close(torch.cat([model(image[None]) for image in images]), together, name="the logits one by one")


def test_build_model_answers_alike_whatever_the_units(learner, probe):
    """Every pixel p becomes 2.5 p - 40, in the training images and in the others."""
    images, others = training_images(probe), 3.0 * probe.tensor("B Y X")
    expected = shaken_model(learner, 1, images, 4, seed=3)(others)
    found = shaken_model(learner, 1, 2.5 * images - 40.0, 4, seed=3)(2.5 * others - 40.0)
    assert_close(found, expected, name="the logits")


def test_build_model_standardizes_by_the_mean_and_the_deviation_of_all_pixels(learner, probe):
    """The training images differ in every pixel and agree in nothing but how many they are."""
    others = probe.tensor("B Y X")
    found = []
    for mean, std in ((0.5, 2.0), (130.0, 25.0), (-3e-7, 2e-7)):
        model = shaken_model(learner, 1, training_images(probe, mean, std), 4, seed=3)
        found.append(model(mean + std * others))
    assert_close(found[1], found[0], name="the logits of bright images")
    assert_close(found[2], found[0], name="the logits of dark images")


def test_build_model_standardizes_by_the_training_images_and_by_no_others(learner, probe):
    images, others = training_images(probe, mean=3.0), probe.tensor("B Y X")
    model = shaken_model(learner, 1, images, 4)
    plain, brighter, stronger = model(others), model(others + 2.0), model(2.0 * others)
    for changed in (brighter, stronger):
        assert not torch.allclose(changed, plain, atol=1e-3), "images in other units than the training images' differ"


def test_build_model_returns_logits_and_no_probabilities(learner, probe):
    logits = shaken_model(learner, 1, training_images(probe), 4, width=32)(9.0 * probe.tensor("B Y X"))
    assert ((logits < 0.0) | (logits > 1.0)).any(), "logits are not confined to what lies between 0 and 1"
    assert (logits.sum(dim=1) - 1.0).abs().max() > 1e-2, "the logits of an image do not sum to one"


def test_build_model_can_do_more_than_a_linear_classifier(learner, probe):
    images = training_images(probe)
    model = shaken_model(learner, 1, images, 4, width=32)
    a, b = 3.0 * probe.tensor("B Y X"), 3.0 * probe.tensor("B Y X")
    between, line = model((a + b) / 2.0), (model(a) + model(b)) / 2.0
    assert (between - line).abs().max() > 1e-2 * line.abs().max(), (
        "the logits between two images lie on no straight line"
    )


def test_build_model_switches_units_off_in_training_mode_only(learner, probe):
    images = training_images(probe)
    model = shaken_model(learner, 1, images, 4, width=32, dropout=0.5)
    assert_close(model(images), model(images), name="the logits in evaluation mode, asked for a second time")
    model.train()
    assert not torch.allclose(model(images), model(images), rtol=1e-3), "in training mode they differ each time"
    flat = torch.full_like(images, images.mean().item())  # no pixel stands out, so any of them may be missing
    first, second = model(flat), model(flat)  # zero where no layer has a bias
    blank = (first == 0.0).all()
    assert blank or not torch.allclose(first, second, rtol=1e-3), "hidden units are switched off, not pixels"
    assert (model(images) != 0.0).all(), "the units that are switched off are hidden ones, not the logits"


def test_build_model_switches_units_off_as_often_as_dropout_says(learner, probe):
    images, spreads = training_images(probe), []
    for rate in (0.0, 0.1, 0.8):
        model = shaken_model(learner, 1, images, 4, width=64, dropout=rate)
        model.train()
        spreads.append(torch.stack([model(images) for _ in range(8)]).std(dim=0).mean().item())
    assert spreads[0] < 1e-5 < spreads[1], (
        "with a dropout of 0 nothing is random in training mode, with 0.1 something is"
    )
    assert 1.5 * spreads[1] < spreads[2], "with a dropout of 0.8 the logits vary more than with 0.1"


def test_build_model_grows_with_width(learner, probe):
    images = training_images(probe)
    counts = []
    for width in (8, 16, 32, 64, 128, 256):
        model = learner.build_model(images, 4, width=width)
        counts.append(sum(parameter.numel() for parameter in model.parameters()))
    assert all(a < b for a, b in zip(counts, counts[1:], strict=False)), "a larger width gives more parameters"


def test_build_model_stays_small_and_trains_all_that_it_has(learner, probe):
    model = learner.build_model(probe.tensor(20, 8, 8), classes=10)
    parameters = list(model.parameters())
    assert 100 <= sum(parameter.numel() for parameter in parameters) <= 50_000, "it has at most 50 000 parameters"
    assert all(parameter.requires_grad for parameter in parameters), "all of its parameters are trained"
    reached = made(
        learner, "lambda model, x: (model(x).sum().backward(), [p.grad is not None for p in model.parameters()])[1]"
    )
    assert all(reached(model, probe.tensor(3, 8, 8))), "the logits depend on all of its parameters"


def test_build_model_draws_the_same_weights_from_the_same_seed_only(learner, probe):
    images, found = training_images(probe), []
    for state, seed in enumerate((5, 5, 6)):
        learner.library("torch").manual_seed(state)  # what was drawn before must not matter
        found.append(learner.build_model(images, 4, width=16, seed=seed).state_dict())
    assert_close(found[1], found[0], name="the state for the same seed")
    assert any(not torch.equal(found[2][name], found[0][name]) for name in found[0]), "another seed, other weights"


def test_build_model_keeps_all_that_it_needs_in_its_state(learner, probe):
    others = 60.0 + 9.0 * probe.tensor("B 7 5")
    first = shaken_model(learner, 1, 70.0 + 10.0 * probe.tensor("M 7 5"), 4, width=24, seed=1)
    second = learner.build_model(torch.zeros(1, 7, 5), 4, width=24, seed=2)
    second.load_state_dict(first.state_dict())
    second.eval()
    assert_close(second(others), first(others), name="the logits of a model that loaded the state of another")


@pytest.mark.stage("robust")
def test_build_model_stands_training_images_without_contrast(learner, probe):
    """A deviation of 0 counts as 1."""
    images, others = training_images(probe, mean=4.0, std=1.0), 4.0 + probe.tensor("B Y X")
    expected = shaken_model(learner, 1, images, 3, width=16)(others)
    found = shaken_model(learner, 1, torch.full(images.shape, 4.0), 3, width=16)(others)
    near = torch.allclose(found, expected, rtol=0.05, atol=0.05)  # either kind of standard deviation will do
    assert near, "without contrast the images are divided by 1"


@pytest.mark.stage("whole")
def test_build_model_can_learn_the_digits(learner, probe):
    (images, labels), (hidden, answers) = split_digits(probe)
    x, y = torch.tensor(images, dtype=torch.float32), torch.tensor(labels)
    model = learner.build_model(x, classes=10, seed=1)
    optimizer = learner.library("torch").optim.AdamW(model.parameters(), lr=5e-3)
    batches = [torch.tensor(rows) for _ in range(6) for rows in np.array_split(probe.permutation(len(y)), 24)]
    loss = learner.library("torch.nn.functional").cross_entropy
    made(learner, FIT)(model, optimizer, loss, x, y, batches)
    found = model(torch.tensor(hidden, dtype=torch.float32)).argmax(dim=1).numpy()
    assert (found == answers).mean() > 0.9, "after six epochs it reads nine of ten digits that it has not seen"


# train

RECORD = """lambda model, torch=__import__("torch"): (
    setattr(model, "seen", []),
    model[0].register_forward_pre_hook(
        lambda layer, args: model.seen.append((layer.training, torch.is_grad_enabled(), args[0].clone()))
    ),
)[0]"""  # every pass through the network: its mode, whether it is recorded for a backward pass, its images


def network(nn, inputs, units=9, classes=4, layer=None, bias=True):
    """A small classifier of images out of the layers of `nn`: torch.nn here, or that of the learner's process."""
    middle = {"norm": lambda: [nn.BatchNorm1d(units)], "dropout": lambda: [nn.Dropout(0.4)], None: list}[layer]()
    return nn.Sequential(
        nn.Flatten(), nn.Linear(inputs, units, bias), *middle, nn.Tanh(), nn.Linear(units, classes, bias)
    )


def twins(learner, probe, part, layer=None, bias=True):
    """The same network twice, in training mode: in the learner's process, where it is watched, and here."""
    torch.manual_seed(probe.choice(range(1 << 31)))
    options = {"inputs": part[0][0].numel(), "layer": layer, "bias": bias}
    model, here = network(learner.library("torch.nn"), **options), network(torch.nn, **options)
    here(2.0 * part[0] + 1.0)  # so that running statistics are not those of a new layer
    model.load_state_dict(copy.deepcopy(here.state_dict()))  # `here` will go on to be trained
    made(learner, RECORD)(model)
    return model, here


def problem(probe, n=41, classes=4, wrong=0):
    """Images to learn from and images to choose by; the labels of all but the last `wrong` follow one rule."""
    images = probe.tensor(2 * n, "Y", "X")
    images[:, 0, 0] = torch.arange(2.0 * n) / n - 1.0  # by this pixel each is known
    labels = (images.flatten(1) @ probe.tensor(images[0].numel(), classes)).argmax(dim=1)
    labels[2 * n - wrong :] = (labels[2 * n - wrong :] + 1) % classes
    return (images[:n], labels[:n]), (images[n:], labels[n:])


def rows_of(images, part):
    """Where in a part these images are; -1 for those that are not in it."""
    equal = images[:, None, 0, 0].isclose(part[0][None, :, 0, 0], rtol=0.0, atol=1e-6)
    return torch.where(equal.any(dim=1), equal.int().argmax(dim=1), -1)


def steps_of(model, part):
    """The rows of every batch that was learnt from, in order."""
    return [rows_of(images, part) for training, recorded, images in model.seen if training and recorded]


def repeated(model, parts, steps, epochs, lr=3e-3, weight_decay=0.01):
    """The same training once more, of a model here, on the batches that were seen: its history, and every epoch's state."""
    assert steps and len(steps) % epochs == 0, "every epoch has as many training steps as there are batches"
    (x, y), (images, labels) = parts
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay)
    states, history, count = [], {name: [] for name in HISTORY}, len(steps) // epochs
    for start in range(0, len(steps), count):
        model.train()
        total = 0.0
        for rows in steps[start : start + count]:
            loss = torch.nn.functional.cross_entropy(model(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        logits = model.eval()(images).detach()
        history["train_loss"].append(np.float32(total / len(y)))
        history["validation_loss"].append(np.float32(torch.nn.functional.cross_entropy(logits, labels)))
        history["validation_accuracy"].append(np.float32((logits.argmax(dim=1) == labels).float().mean()))
        states.append({name: value.clone() for name, value in model.state_dict().items()})
    return history, states


def trained(learner, probe, parts, layer=None, bias=True, **options):
    """A network after `train`, with its history; then the history and the states that the same batches give here."""
    model, here = twins(learner, probe, parts[0], layer, bias)
    found = learner.train(model, *parts, **options)
    rates = {name: options[name] for name in ("lr", "weight_decay") if name in options}
    return model, found, *repeated(here, parts, steps_of(model, parts[0]), options.get("epochs", 30), **rates)


@pytest.mark.stage("shape")
def test_train_returns_three_lists_with_a_float_for_every_epoch(learner, probe):
    parts = problem(probe)
    for epochs in (1, 3):
        model = network(learner.library("torch.nn"), parts[0][0][0].numel(), 9, 4)
        history = learner.train(model, *parts, epochs=epochs)
        assert isinstance(history, dict) and sorted(history) == sorted(HISTORY), f"the keys are {', '.join(HISTORY)}"
        for name in HISTORY:
            assert isinstance(history[name], list) and len(history[name]) == epochs, (
                f"{name} is a list, one for each epoch"
            )
            assert all(isinstance(value, float) for value in history[name]), f"{name} holds floats"


def test_train_goes_once_through_the_images_in_every_epoch(learner, probe):
    parts = problem(probe)
    model, _ = twins(learner, probe, parts[0])
    learner.train(model, *parts, epochs=3, batch_size=10)
    steps = steps_of(model, parts[0])
    assert_close([len(rows) for rows in steps], 3 * [10, 10, 10, 10, 1], name="the sizes of the batches")
    for epoch in range(3):
        found = torch.cat(steps[5 * epoch : 5 * epoch + 5]).sort().values
        assert_close(found, torch.arange(41), name="the images that an epoch learnt from")


def test_train_takes_the_images_in_a_new_order_in_every_epoch(learner, probe):
    """Two of 41 images' orders agree in more than 20 places by accident once in 10^18."""
    parts = problem(probe)
    model, _ = twins(learner, probe, parts[0])
    learner.train(model, *parts, epochs=3, batch_size=12)
    orders = [torch.arange(41), *torch.cat(steps_of(model, parts[0])).split(41)]
    for i, order in enumerate(orders):
        for other in orders[:i]:
            assert (order == other).sum() <= 20, "each order is a new one, and none is that in which the images came"


def test_train_learns_in_training_mode_and_judges_in_evaluation_mode(learner, probe):
    parts = problem(probe)
    model, _ = twins(learner, probe, parts[0])
    learner.train(model, *parts, epochs=2)
    for training, recorded, images in model.seen:
        if (rows_of(images, parts[1]) >= 0).any():
            assert not training, "images to choose by are judged in evaluation mode"
        elif recorded:
            assert training, "images to learn from are learnt from in training mode"


def test_train_never_learns_from_the_validation_part(learner, probe):
    parts = problem(probe)
    model, _ = twins(learner, probe, parts[0])
    learner.train(model, *parts, epochs=2)
    learnt = [images for _, recorded, images in model.seen if recorded]
    assert learnt and all((rows_of(images, parts[0]) >= 0).all() for images in learnt), (
        "it learns from the train part alone"
    )


def test_train_takes_the_steps_of_adamw(learner, probe):
    (x, y), _ = problem(probe)
    model, _, _, states = trained(learner, probe, [(x, y), (x, y)], epochs=4, lr=0.02, weight_decay=0.8, batch_size=12)
    assert_close(model.state_dict(), states[-1], name="the weights after four epochs, of which the last is the best")


def test_train_forgets_gradients_from_before(learner, probe):
    parts = problem(probe)
    (model, _), (twin, _) = twins(learner, probe, parts[0]), twins(learner, probe, parts[0])
    twin.load_state_dict(model.state_dict())
    made(learner, "lambda model, x: (5.0 * model(x)).sum().backward()")(model, parts[0][0])
    for each in (model, twin):
        learner.train(each, *parts, epochs=1, lr=0.02, seed=3)
    assert_close(model.state_dict(), twin.state_dict(), name="the weights of a model that had gradients before")


def test_train_averages_the_training_loss_over_images(learner, probe):
    _, found, expected, _ = trained(learner, probe, problem(probe), epochs=3, lr=0.05, batch_size=18)
    assert_close(found["train_loss"], expected["train_loss"], name="train_loss")


def test_train_judges_the_validation_part_after_every_epoch(learner, probe):
    _, found, expected, _ = trained(learner, probe, problem(probe), epochs=4, lr=0.03, batch_size=12)
    for name in HISTORY[1:]:
        assert_close(found[name], expected[name], name=name)


def test_train_ends_with_the_weights_of_the_best_epoch(learner, probe):
    """Half of the labels to choose by are wrong: the validation loss falls, then rises, the accuracy goes on growing."""
    parts = problem(probe, wrong=20)
    model, _, expected, states = trained(learner, probe, parts, epochs=12, lr=0.03, batch_size=12)
    assert_close(model.state_dict(), states[int(np.argmin(expected["validation_loss"]))], name="the state")


def test_train_ends_with_the_running_statistics_of_the_best_epoch(learner, probe):
    parts = problem(probe, wrong=20)
    model, _, expected, states = trained(learner, probe, parts, "norm", epochs=12, lr=0.03, batch_size=12)
    assert_close(model.state_dict(), states[int(np.argmin(expected["validation_loss"]))], name="the state")


def test_train_prefers_the_first_of_equally_good_epochs(learner, probe):
    """Black images have logits of zero in a network without biases: all epochs are equally good."""
    (x, y), (_, labels) = problem(probe)
    misled, black = (x, (y + 1) % 4), (torch.zeros(len(labels), *x.shape[1:]), labels)
    for chosen_by in (misled, black):  # with labels that are all wrong the second epoch is worse than the first
        model, _, _, states = trained(learner, probe, ((x, y), chosen_by), bias=False, epochs=2, lr=0.03)
        assert_close(model.state_dict(), states[0], name="the state")


def test_train_leaves_the_model_in_evaluation_mode(learner, probe):
    parts = problem(probe)
    model, _ = twins(learner, probe, parts[0], "dropout")
    learner.train(model, *parts, epochs=2)
    assert_close(
        [layer.training for layer in model.modules()], [False] * 6, name="the modes of the model and its layers"
    )


def test_train_repeats_itself_for_the_same_seed_only(learner, probe):
    parts = problem(probe)
    for layer in (None, "dropout"):  # without dropout the order alone is random
        (model, here), found = twins(learner, probe, parts[0], layer), []
        for drawn, seed in enumerate((5, 5, 6)):
            model.load_state_dict(here.state_dict())
            learner.library("torch").manual_seed(drawn)  # what was drawn before must not matter
            learner.train(model, *parts, epochs=2, batch_size=12, lr=0.03, seed=seed)
            found.append(model.state_dict())
        assert_close(found[1], found[0], name="the state for the same seed")
        assert not torch.allclose(found[2]["1.weight"], found[0]["1.weight"], atol=1e-4), "another seed, other weights"


@pytest.mark.stage("whole")
def test_train_equals_a_training_on_the_same_batches(learner, probe):
    options = {"lr": probe.scalar(0.01, 0.03, away_from=0.003), "weight_decay": probe.scalar(0.1, 1.0)}
    parts = problem(probe, wrong=12)
    model, found, expected, states = trained(learner, probe, parts, "norm", epochs=5, batch_size=9, **options)
    assert_close(found, expected, name="the history")
    assert_close(model.state_dict(), states[int(np.argmin(expected["validation_loss"]))], name="the state")


@pytest.mark.stage("robust")
def test_train_takes_thirty_epochs_of_32_images_unless_told_otherwise(learner, probe):
    parts = problem(probe, n=37)
    model, found, expected, states = trained(learner, probe, parts)
    assert_close([len(rows) for rows in steps_of(model, parts[0])], 30 * [32, 5], name="the sizes of the batches")
    assert_close(found, expected, name="the history")


@pytest.mark.stage("whole")
def test_train_brings_a_network_to_nine_of_ten_hidden_digits(learner, probe):
    (images, labels), (hidden, answers) = split_digits(probe)
    order = np.argsort(labels, kind="stable")  # the zeros first: whoever does not mix them learns one digit at a time
    x, y = torch.tensor(images[order], dtype=torch.float32) / 8.0 - 1.0, torch.tensor(labels[order])
    model = network(learner.library("torch.nn"), 64, 48, 10)
    learner.train(model, (x, y), (x[::5], y[::5]), epochs=5, lr=5e-3)
    found = model(torch.tensor(hidden, dtype=torch.float32) / 8.0 - 1.0).argmax(dim=1).numpy()
    assert (found == answers).mean() > 0.9, "nine of ten digits that it has not seen are read"


# evaluate


def judged(model, part):
    """What is expected of `evaluate`: the model, a module of this process, is asked for one image at a time."""
    model.eval()
    images, labels = part
    logits = torch.cat([model(image[None]).detach() for image in images])
    confusion = torch.zeros(logits.shape[1], logits.shape[1], dtype=torch.int64)
    for label, taken in zip(labels.tolist(), logits.argmax(dim=1).tolist(), strict=True):
        confusion[label, taken] += 1
    losses = logits.double().logsumexp(dim=1) - logits.double()[torch.arange(len(labels)), labels]
    numbers = {"loss": np.float32(losses.mean()), "accuracy": np.float32(confusion.trace() / len(labels))}
    return {"images": len(labels), **numbers, "confusion": confusion}


def judge(learner, logits, labels, **options):
    """`evaluate` of a model that hands these logits on."""
    flatten = learner.library("torch.nn").Flatten()
    return learner.evaluate(flatten, (logits[:, None], labels), **options)


@pytest.mark.stage("shape")
def test_evaluate_returns_three_numbers_and_a_matrix(learner, probe):
    n, c = probe.size("N"), probe.size("C")
    report = judge(learner, probe.tensor("N C"), torch.arange(n) % c)
    names = ["accuracy", "confusion", "images", "loss"]
    assert isinstance(report, dict) and sorted(report) == names, f"the keys are {', '.join(names)}"
    assert_shape(report["confusion"], (c, c), torch.int64, name="confusion")
    assert isinstance(report["loss"], float) and isinstance(report["accuracy"], float), "loss and accuracy are floats"
    assert_close(report["images"], n, name="images")


@pytest.mark.visible
def test_evaluate_of_a_case_computed_by_hand(learner):
    """Probabilities 3/4 and 1/4: the right class gets 3/4, 3/4 and 1/4."""
    logits = torch.tensor([[3.0, 1.0], [1.0, 3.0], [1.0, 3.0]]).log()
    report = judge(learner, logits, torch.tensor([0, 1, 0]))
    loss, accuracy = np.float32((2.0 * math.log(4 / 3) + math.log(4)) / 3.0), np.float32(2 / 3)
    confusion = torch.tensor([[1, 1], [0, 1]])
    assert_close(report, {"images": 3, "loss": loss, "accuracy": accuracy, "confusion": confusion})
    assert_close(
        np.float32(100.0 * report["accuracy"] - 66.0), np.float32(2 / 3), name="what it is above 66 %, in percent"
    )


def test_evaluate_counts_true_classes_in_rows_and_answers_in_columns(learner, probe):
    labels, taken = torch.tensor([0, 0, 0, 2, 2, 1, 1]), torch.tensor([1, 1, 0, 0, 2, 2, 1])
    logits = torch.nn.functional.one_hot(taken, 3) * 2.0 + 0.1 * probe.tensor(7, 3)
    report = judge(learner, logits, labels)
    assert_close(report["confusion"], torch.tensor([[1, 2, 0], [0, 1, 1], [1, 0, 1]]), name="confusion")


def test_evaluate_has_a_row_and_a_column_for_classes_that_do_not_occur(learner, probe):
    logits = torch.tensor([[0.5, 2.0, 1.0, -1.0, 0.0], [3.0, 2.0, 1.0, -1.0, 0.0]])
    confusion = torch.zeros(5, 5, dtype=torch.int64)
    confusion[1, 1] = confusion[1, 0] = 1
    assert_close(judge(learner, logits, torch.tensor([1, 1]))["confusion"], confusion, name="confusion")
    many = torch.zeros(2, 23).index_fill(1, torch.tensor([1]), 2.0)
    assert_shape(judge(learner, many, torch.tensor([1, 0]))["confusion"], (23, 23), torch.int64, name="confusion")


def test_evaluate_averages_over_images_whatever_the_batches(learner, probe):
    logits, labels = 2.0 * probe.tensor(23, 4), torch.tensor(probe.integers(23, 4))
    expected = judged(torch.nn.Flatten(), (logits[:, None], labels))
    for batch_size in (1, 5, 22, 23, 100):
        assert_close(judge(learner, logits, labels, batch_size=batch_size), expected)


def test_evaluate_gives_the_model_no_more_than_batch_size_images_at_once(learner, probe):
    part, _ = problem(probe)
    for batch_size in (12, 1):
        model, _ = twins(learner, probe, part)
        learner.evaluate(model, part, batch_size=batch_size)
        assert max(len(images) for _, _, images in model.seen) <= batch_size, "no batch is larger than batch_size"
        found = torch.cat([rows_of(images, part) for _, _, images in model.seen])
        assert_close(found.sort().values, torch.arange(41), name="the images that the model was given")
    learner.evaluate(model, tuple(torch.cat([tensor] * 8) for tensor in part))
    assert max(len(images) for _, _, images in model.seen) <= 256, "no batch is larger than 256 by default"


def test_evaluate_asks_in_evaluation_mode(learner, probe):
    part, _ = problem(probe)
    for layer in ("norm", "dropout"):
        model, here = twins(learner, probe, part, layer)
        assert_close(learner.evaluate(model, part, batch_size=12), judged(here, part), name=f"the report with {layer}")


def test_evaluate_leaves_the_model_in_evaluation_mode_and_otherwise_as_it_was(learner, probe):
    part, _ = problem(probe)
    model, here = twins(learner, probe, part, "norm")
    learner.evaluate(model, part)
    assert_close(model.state_dict(), here.state_dict(), name="the state")
    assert_close(
        [layer.training for layer in model.modules()], [False] * 6, name="the modes of the model and its layers"
    )


def test_evaluate_records_nothing_for_a_backward_pass(learner, probe):
    part, _ = problem(probe)
    model, _ = twins(learner, probe, part)
    learner.evaluate(model, part)
    assert not any(recorded for _, recorded, _ in model.seen), "no pass is recorded"
    gradients = made(learner, "lambda model: [p.grad for p in model.parameters()]")(model)
    assert_close(gradients, [None] * 4, name="the gradients of the parameters")
    assert learner.library("torch").is_grad_enabled(), "whoever trains afterwards is recorded again"


def recording_after(function, *given):
    """Whether autograd records after a call by somebody who had switched it off."""
    import torch

    with torch.no_grad():
        function(*given)
        return torch.is_grad_enabled()


@pytest.mark.stage("whole")
def test_evaluate_leaves_recording_switched_off_where_it_was(learner, probe):
    part, _ = problem(probe)
    model, _ = twins(learner, probe, part)
    assert there(learner, recording_after)(learner.evaluate, model, part) is False, "autograd still does not record"


@pytest.mark.stage("whole")
def test_evaluate_equals_the_reference(learner, reference, probe):
    logits, labels = 2.0 * probe.tensor("N C"), torch.tensor(probe.integers("N", high="C"))
    expected = judge(reference, logits, labels, batch_size=3)
    rounded = {name: np.float32(expected[name]) for name in ("loss", "accuracy")}
    assert_close(judge(learner, logits, labels, batch_size=3), expected | rounded)


@pytest.mark.stage("whole")
def test_evaluate_equals_what_is_counted_by_hand(learner, probe):
    part, _ = problem(probe)
    model, here = twins(learner, probe, part, "norm")
    for rows in (range(41), range(17), [3]):
        some = tuple(tensor[list(rows)] for tensor in part)
        assert_close(learner.evaluate(model, some, batch_size=8), judged(here, some))


@pytest.mark.stage("robust")
def test_evaluate_stays_finite_for_huge_logits(learner, probe):
    logits, labels = probe.tensor(probe.extreme(9, 4)), torch.tensor(probe.integers(9, 4))
    expected = judged(torch.nn.Flatten(), (logits[:, None], labels))
    assert_close(judge(learner, logits, labels), expected)


# export_model


def exported(learner, probe, path, layer="norm"):
    """A network with a config of its own, written to a file; what the file holds, read in the learner's process."""
    model, _ = twins(learner, probe, problem(probe)[0], layer)
    config = {"shape": (5, 7), "classes": probe.size("C"), "width": 40, "dropout": 0.375}
    learner.library("builtins").setattr(model, "config", config)
    learner.export_model(model, str(path))
    return model, config, learner.library("torch").load(str(path), weights_only=True)


@pytest.mark.stage("shape")
def test_export_model_writes_one_file_of_plain_data(learner, probe, scratch):
    _, _, found = exported(learner, probe, scratch / "model.pt")
    assert [path.name for path in scratch.iterdir()] == ["model.pt"], "there is the file, and nothing else"
    assert isinstance(found, dict) and sorted(found) == ["config", "state_dict"], "the keys are config and state_dict"


def test_export_model_writes_the_config(learner, probe, scratch):
    _, config, found = exported(learner, probe, scratch / "digits")
    assert_close(found["config"], config, name="the config in the file")


def test_export_model_writes_the_whole_state(learner, probe, scratch):
    model, _, found = exported(learner, probe, scratch / "model.pt")
    assert_close(found["state_dict"], model.state_dict(), name="the state in the file")
    model.register_buffer("passing", torch.ones(2), persistent=False)  # which no state_dict holds
    learner.export_model(model, str(scratch / "model.pt"))
    found = learner.library("torch").load(str(scratch / "model.pt"), weights_only=True)
    assert_close(
        found["state_dict"], model.state_dict(), name="the state in the file, of a model with a passing buffer"
    )


def test_export_model_leaves_the_model_as_it_was(learner, probe, scratch):
    model, here = twins(learner, probe, problem(probe)[0], "norm")
    for config, training in (({"width": 8}, True), ({"width": 16}, False)):
        learner.library("builtins").setattr(model, "config", config)
        model.train(training)
        learner.export_model(model, str(scratch / "model.pt"))
        assert_close(model.state_dict(), here.state_dict(), name="the state of the model")
        assert_close([layer.training for layer in model.modules()], [training] * 6, name="the modes of its layers")
        assert all(parameter.requires_grad for parameter in model.parameters()), "its parameters can be trained further"
        assert_close(model.config, config, name="its config")


def test_export_model_replaces_a_file_that_is_there(learner, probe, scratch):
    path = scratch / "model.pt"
    path.write_text("an old file, and no model")
    for _ in range(2):
        model, config, found = exported(learner, probe, path)
        assert_close(found, {"config": config, "state_dict": model.state_dict()}, name="the file")
        assert [other.name for other in scratch.iterdir()] == ["model.pt"], "there is the file, and nothing else"


@pytest.mark.stage("whole")
def test_export_model_of_a_built_model_equals_its_config_and_state(learner, probe, scratch):
    model = learner.build_model(training_images(probe, mean=8.0, std=5.0), 4, width=24, dropout=0.3, seed=3)
    learner.export_model(model, str(scratch / "model.pt"))
    found = learner.library("torch").load(str(scratch / "model.pt"), weights_only=True)
    assert_close(found, {"config": model.config, "state_dict": model.state_dict()}, name="the file")


# predict


def written(learner, probe, path, seed=1, classes=5, **options):
    """One of the learner's models, in evaluation mode, and a file with it, which is written here."""
    model = shaken_model(learner, seed, training_images(probe, mean=90.0, std=40.0), classes, seed=seed, **options)
    torch.save({"config": model.config, "state_dict": model.state_dict()}, path)
    return model


def raw_images(probe, n=83):
    """Images of the size of `training_images`, values from 0 to 255."""
    return probe.uniform((n, "Y", "X"), 0.0, 255.0)


def classes_by(model, raw):
    """The classes that a model gives to raw images."""
    return model(torch.tensor(raw, dtype=torch.float32)).argmax(dim=1).numpy()


@pytest.mark.stage("shape")
def test_predict_returns_an_int64_array_with_a_class_for_every_image(learner, probe, scratch):
    written(learner, probe, scratch / "model.pt")
    assert_shape(learner.predict(str(scratch / "model.pt"), raw_images(probe, 11)), (11,), np.int64)


def test_predict_answers_as_the_model_does(learner, probe, scratch):
    for i, width in enumerate((8, 32)):
        model, raw = (
            written(learner, probe, scratch / "model.pt", seed=i, classes=3 + 2 * i, width=width),
            raw_images(probe),
        )
        found = learner.predict(str(scratch / "model.pt"), raw)
        assert_close(found, classes_by(model, raw), name=f"the classes with a width of {width}")


def test_predict_answers_in_evaluation_mode(learner, probe, scratch):
    model, raw = written(learner, probe, scratch / "model.pt", width=32, dropout=0.9), raw_images(probe)
    found = learner.predict(str(scratch / "model.pt"), raw)
    assert_close(found, classes_by(model, raw), name="the classes with a dropout of 0.9")


def test_predict_answers_for_some_images_as_for_all(learner, probe, scratch):
    model, raw = written(learner, probe, scratch / "model.pt", width=32, dropout=0.9), raw_images(probe)
    expected, order = classes_by(model, raw), raw.mean(axis=(1, 2)).argsort()
    alone = [[row] for row in np.unique(expected, return_index=True)[1]]  # one image of each class
    for rows in (*alone, order[:9], order[-9:]):
        assert_close(learner.predict(str(scratch / "model.pt"), raw[rows]), expected[rows], name="the classes of some")


def test_predict_reads_the_file_that_it_is_told(learner, probe, scratch):
    first = written(learner, probe, scratch / "first.pt", seed=1)
    second = written(learner, probe, scratch / "second.pt", seed=2)
    (scratch / "copy.bin").write_bytes((scratch / "first.pt").read_bytes())
    raw = raw_images(probe)
    for name, model in (("first.pt", first), ("second.pt", second), ("copy.bin", first), ("first.pt", first)):
        found = learner.predict(str(scratch / name), raw)
        assert_close(found, classes_by(model, raw), name=f"the classes by {name}")


def test_predict_takes_images_of_any_kind_of_number(learner, probe, scratch):
    model, raw = written(learner, probe, scratch / "model.pt"), raw_images(probe).round()
    for kind in (np.uint8, np.int32, np.int64, np.float32, np.float64):
        some = raw if kind is np.uint8 else 4.0 * raw - 500.0  # with values below 0 and above 255
        found = learner.predict(str(scratch / "model.pt"), some.astype(kind))
        assert_close(found, classes_by(model, some), name=f"the classes of {np.dtype(kind)} images")


def test_predict_takes_images_in_small_units(learner, probe, scratch):
    model = shaken_model(learner, 1, training_images(probe, mean=0.9, std=0.5), 5)
    torch.save({"config": model.config, "state_dict": model.state_dict()}, scratch / "model.pt")
    raw = raw_images(probe) / 100.0
    assert_close(learner.predict(str(scratch / "model.pt"), raw), classes_by(model, raw), name="the classes")


@pytest.mark.stage("robust")
def test_predict_has_no_classes_for_no_images(learner, probe, scratch):
    written(learner, probe, scratch / "model.pt")
    assert_shape(learner.predict(str(scratch / "model.pt"), raw_images(probe)[:0]), (0,), np.int64)


@pytest.mark.stage("robust")
def test_predict_refuses_images_of_another_shape(learner, probe, scratch):
    """Lying on their side, flattened, a single one, with channels, too narrow, too low, too wide, too high."""
    written(learner, probe, scratch / "model.pt")
    raw = raw_images(probe, 12)
    wrong = [
        raw.transpose(0, 2, 1),
        raw.reshape(12, -1),
        raw[0],
        raw[:, None],
        raw[..., None],
        raw[:, :, 1:],
        raw[:, 1:],
        raw[:0, 1:],
    ]
    for images in [*wrong, np.concatenate([raw, raw], axis=2), np.concatenate([raw, raw], axis=1)]:
        with pytest.raises(ValueError):
            learner.predict(str(scratch / "model.pt"), images)


class MakesAFolder:
    """What a hostile file can hold: a call of somebody else's choice."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.stage("robust")
def test_predict_runs_no_code_from_the_file(learner, probe, scratch):
    model = written(learner, probe, scratch / "model.pt")
    file = {"config": model.config, "state_dict": model.state_dict(), "more": MakesAFolder(str(scratch / "made"))}
    torch.save(file, scratch / "hostile.pt")
    with pytest.raises((LearnerError, pickle.UnpicklingError)) as caught:
        learner.predict(str(scratch / "hostile.pt"), raw_images(probe))
    assert not (scratch / "made").exists(), "no code from the file is run"
    assert getattr(caught.value, "etype", "UnpicklingError") == "UnpicklingError", "torch.load refuses the file"


@pytest.mark.stage("whole")
def test_predict_reads_hidden_digits_at_the_end_of_the_whole_project(learner, probe, scratch):
    (images, labels), (hidden, answers) = split_digits(probe)
    parts = learner.build_datasets(images, labels, validation=0.1, test=0.05, seed=11)
    model = learner.build_model(parts["train"][0], 10, seed=12)
    learner.train(model, parts["train"], parts["validation"], epochs=8, lr=5e-3, seed=13)
    learner.export_model(model, str(scratch / "digits.pt"))
    found = learner.predict(str(scratch / "digits.pt"), hidden)
    assert_shape(found, (len(hidden),), np.int64)
    assert (found == answers).mean() > 0.92, "of the digits that it has not seen more than 92 % are read"


# model_card

SECTIONS = ("Intended use", "Data", "Metrics", "Limitations", "Ethical considerations")
PLACEHOLDERS = re.compile(r"\b(todo|tbd|fixme|xxx+|lorem)\b", re.IGNORECASE)


def drawn_report(probe, c=4):
    """A report and sizes whose numbers nobody can guess, and the most frequent error in them."""
    confusion = torch.tensor(probe.integers(c * c, 9).reshape(c, c) + 40 * np.eye(c, dtype=int))
    true, taken = probe.permutation(c)[:2].tolist()
    confusion[true, taken] += 20
    total = int(confusion.sum())
    report = {"images": total, "loss": probe.scalar(0.1, 2.0), "accuracy": confusion.trace().item() / total}
    sizes = {name: 1000 * k + int(probe.choice(range(1000))) for k, name in enumerate(PARTS, start=2)}
    return report | {"confusion": confusion}, sizes, (str(true), str(taken))


def report_of(rows):
    """The report that has this confusion matrix."""
    confusion = torch.tensor(rows)
    total = int(confusion.sum())
    return {"images": total, "loss": 0.375, "accuracy": confusion.trace().item() / total, "confusion": confusion}


def titles_of(card):
    """The titles of its sections, in their order."""
    assert isinstance(card, str), "the card is text"
    return re.findall(r"^##[ \t]+(.+?)[ \t]*$", card, flags=re.MULTILINE)


def section_of(card, title):
    """What stands between the title of a section and the next one."""
    found = re.search(rf"^##[ \t]+{title}[ \t]*$(.*?)(?=^##? |\Z)", card, flags=re.MULTILINE | re.DOTALL)
    assert found, f"there is a section {title}"
    return found[1].strip()


def cells_of(section):
    """The cells of every line of a table that begins with a number."""
    lines = [line.strip() for line in section.splitlines()]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [row for row in rows if row[0].isdigit()]


def numbers_in(section):
    """All numbers in the text that stand in no table, as they are written."""
    text = "\n".join(line for line in section.splitlines() if not line.strip().startswith("|"))
    return re.findall(r"\d+(?:\.\d+)?", text)


@pytest.mark.stage("shape")
def test_model_card_has_a_title_and_five_sections_in_order(learner, probe):
    report, sizes, _ = drawn_report(probe)
    card = learner.model_card(report, sizes)
    titles = [title for title in titles_of(card) if title in SECTIONS]
    assert re.match(r"# +\S", card), "its first line is a title, with a single #"
    assert_close(titles, list(SECTIONS), name="the sections")


def test_model_card_says_something_in_every_section(learner, probe):
    report, sizes, _ = drawn_report(probe)
    card = learner.model_card(report, sizes)
    texts = [section_of(card, title) for title in SECTIONS if title != "Metrics"]
    for title, text in zip(SECTIONS[:2] + SECTIONS[3:], texts, strict=True):
        words = re.findall(r"[^\W\d_]+", text.lower())
        assert len(words) >= 20 and len(set(words)) >= 12, (
            f"{title} has at least 20 words, and not the same again and again"
        )
    assert len(set(texts)) == 4, "every section says something of its own"


def test_model_card_leaves_nothing_to_fill_in(learner, probe):
    report, sizes, _ = drawn_report(probe)
    assert not PLACEHOLDERS.search(learner.model_card(report, sizes)), "no TODO, TBD, FIXME, XXX or lorem is left"


def test_model_card_tells_the_size_of_every_part(learner, probe):
    report, sizes, _ = drawn_report(probe)
    found = numbers_in(section_of(learner.model_card(report, sizes), "Data").replace("|", " "))
    assert all(str(size) in found for size in sizes.values()), "Data tells how many images each part has"


def test_model_card_tells_images_loss_and_accuracy(learner, probe):
    report, sizes, _ = drawn_report(probe)
    found = numbers_in(section_of(learner.model_card(report, sizes), "Metrics"))
    assert str(report["images"]) in found, "Metrics tells the number of images"
    assert f"{report['loss']:.4f}" in found, "Metrics tells the loss with four decimals"
    assert f"{report['accuracy']:.4f}" in found, "Metrics tells the accuracy, a fraction, with four decimals"
    found = numbers_in(section_of(learner.model_card(report_of([[1, 0], [1, 1]]), sizes), "Metrics"))
    assert "0.6667" in found, "Metrics rounds an accuracy of 2 / 3, and does not cut it off"


def test_model_card_tells_the_recall_of_every_class(learner, probe):
    for c in (4, 11):
        report, sizes, _ = drawn_report(probe, c)
        counts, hits = report["confusion"].sum(dim=1).tolist(), report["confusion"].diagonal().tolist()
        expected = [[str(i), str(n), f"{hit / n:.4f}"] for i, (n, hit) in enumerate(zip(counts, hits, strict=True))]
        found = cells_of(section_of(learner.model_card(report, sizes), "Metrics"))
        assert_close(found, expected, name="class, images and recall in the rows of the table")


def test_model_card_names_the_most_frequent_error(learner, probe):
    for c in (4, 11):
        report, sizes, error = drawn_report(probe, c)
        found = re.findall(r"(\d+) → (\d+)", section_of(learner.model_card(report, sizes), "Limitations"))
        assert_close(found, [error], name="the errors that Limitations names")


@pytest.mark.stage("robust")
def test_model_card_names_the_first_of_equally_frequent_errors(learner):
    for rows, error in (
        ([[9, 0, 0], [3, 4, 0], [0, 3, 5]], ("1", "0")),
        ([[1, 2, 7], [7, 1, 7], [0, 7, 1]], ("0", "2")),
    ):
        card = learner.model_card(report_of(rows), {"train": 40, "validation": 10, "test": 24})
        found = re.findall(r"(\d+) → (\d+)", section_of(card, "Limitations"))
        assert_close(found, [error], name="the errors that Limitations names")


@pytest.mark.stage("robust")
def test_model_card_of_a_model_without_errors_names_none(learner):
    card = learner.model_card(report_of([[9, 0], [0, 4]]), {"train": 40, "validation": 10, "test": 13})
    assert "→" not in section_of(card, "Limitations"), "there is no error to name"
    assert not PLACEHOLDERS.search(card), "no TODO, TBD, FIXME, XXX or lorem is left"
    assert "1.0000" in numbers_in(section_of(card, "Metrics")), "the accuracy has four decimals"


@pytest.mark.stage("robust")
def test_model_card_has_no_recall_for_a_class_without_images(learner):
    """But one of 0 for a class of which no image was recognised."""
    report = report_of([[3, 1, 0, 0], [0, 0, 0, 0], [0, 2, 4, 0], [1, 0, 0, 0]])
    card = learner.model_card(report, {"train": 50, "validation": 6, "test": 11})
    expected = [["0", "4", "0.7500"], ["1", "0", "n/a"], ["2", "6", "0.6667"], ["3", "1", "0.0000"]]
    assert_close(cells_of(section_of(card, "Metrics")), expected, name="class, images and recall in the table")
