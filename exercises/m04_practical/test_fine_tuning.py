"""Public checks of fine-tuning: run `pytest exercises/m04_practical/test_fine_tuning.py`. The last one takes a few seconds."""

from pathlib import Path

import numpy as np
import pytest
import torch

from autograder.testing import assert_close, assert_shape

FILE = Path(__file__).with_name("pretrained.npz")


def pretrained():
    """The weights of the network without its head, the digits 5 to 9 in bytes up to 16, and their classes 0 to 4."""
    with np.load(FILE) as file:
        arrays = dict(file)
    digits, classes = arrays.pop("digits"), arrays.pop("labels").astype(np.int64)
    return {name: torch.from_numpy(value) for name, value in arrays.items()}, digits, classes


def network(torch_, classes):
    """The network that was pre-trained: `torch_` is torch here, or where your code runs."""
    nn, model = torch_.nn, torch_.nn.Sequential()

    def block(inputs, outputs, *rest):
        return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(), *rest)

    model.add_module("stem", block(1, 12, nn.MaxPool2d(2)))
    model.add_module("body", block(12, 24, nn.MaxPool2d(2)))
    model.add_module("neck", block(24, 48, nn.AdaptiveMaxPool2d(1), nn.Flatten()))
    model.add_module("head", nn.Linear(48, classes))
    return model


def photographs(digits, rng):
    """Each digit somewhere on a screen of 12 x 12 pixels, seen by a camera with stripes and noise, (N, 1, 12, 12)."""
    seen = rng.normal(0.0, 0.15, (len(digits), 1, 12, 12))
    seen[:, :, 1::2] += 0.6
    for screen, digit, (y, x) in zip(seen, digits, rng.integers(0, 5, (len(digits), 2)), strict=True):
        screen[0, y : y + 8, x : x + 8] += digit / 16
    return torch.tensor(seen, dtype=torch.float32)


def generator(module, seed):
    made = module.library("torch").Generator()
    made.manual_seed(seed)
    return made


def small(module):
    """An untrained network of the same kind, with few parameters."""
    nn, model = module.library("torch").nn, module.library("torch").nn.Sequential()
    model.add_module("stem", nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU()))
    model.add_module("neck", nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten()))
    model.add_module("head", nn.Linear(4, 7))
    return model


def bars(probe):
    """Lying and standing bars with some noise, and their classes."""
    images = 0.05 * probe.tensor(8, 1, 5, 6)
    images[:4, :, 2] += 1.0
    images[4:, :, :, 3] += 1.0
    return images, torch.tensor([0] * 4 + [1] * 4)


@pytest.mark.stage("shape")
def test_fine_tune_puts_a_new_head_into_the_network(learner, probe):
    model, (images, labels) = small(learner), bars(probe)
    assert learner.fine_tune(model, images, labels, 2, generator(learner, 1)) is None, "it returns None"
    assert_shape(model(images), (8, 2), torch.float32, name="the logits")


def test_fine_tune_leaves_the_network_in_evaluation_mode(learner, probe):
    model = small(learner)
    learner.fine_tune(model, *bars(probe), 2, generator(learner, 2))
    assert not any(model.get_submodule(name).training for name in ("", "stem", "stem.1", "neck", "head"))


def test_fine_tune_trains_every_layer(learner, probe):
    model = small(learner)
    before = model.state_dict()
    learner.fine_tune(model, *bars(probe), 2, generator(learner, 3))
    after = model.state_dict()
    for name in ("stem.0.weight", "stem.1.weight", "stem.1.bias"):
        assert (after[name] != before[name]).all(), f"{name} is what it was"
    drawn = torch.empty(2, 4).uniform_(-0.5, 0.5, generator=torch.Generator().manual_seed(3))
    assert (after["head.weight"] != drawn).all(), (
        "the head is what replace_head has drawn: the optimizer does not hold it"
    )


def test_fine_tune_gives_the_same_network_for_the_same_generator(learner, probe):
    first, second, (images, labels) = small(learner), small(learner), bars(probe)
    second.load_state_dict(first.state_dict())
    for model in (first, second):
        learner.fine_tune(model, images, labels, 2, generator(learner, 4))
    assert_close(second.state_dict(), first.state_dict())


@pytest.mark.stage("whole")
def test_fine_tune_is_right_on_sixty_five_percent_of_other_images(learner, probe):
    (weights, digits, classes), rng, reached = pretrained(), probe.generator(), []
    for seed in range(3):
        images, labels = photographs(digits, rng), torch.from_numpy(classes)
        chosen = torch.from_numpy(np.concatenate([rng.permutation(np.flatnonzero(classes == k))[:5] for k in range(5)]))
        others = torch.ones(len(labels), dtype=torch.bool)
        others[chosen] = False
        model, tried = network(learner.library("torch"), 5), network(torch, 5)
        model.load_state_dict({**weights, "head.weight": torch.zeros(5, 48), "head.bias": torch.zeros(5)})
        learner.fine_tune(model, images[chosen], labels[chosen], 5, generator(learner, seed))
        tried.load_state_dict(model.state_dict())
        right = tried.eval()(images[others]).argmax(dim=1) == labels[others]
        reached.append(right.double().mean().item())
    mean = sum(reached) / 3
    assert mean >= 0.65, f"on images it has not seen the network is right in {mean:.1%}, expected 65% on average"
