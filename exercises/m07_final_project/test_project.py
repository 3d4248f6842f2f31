"""Public checks of the final project: run `pytest exercises/m07_final_project/test_project.py`.

Nothing is asked of a model's layers: only what `build_model` promises is looked at.
"""

import math
import re
from functools import cache

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from autograder.testing import assert_close, assert_shape

PARTS = ("train", "validation", "test")


def made(learner, text):
    """A function written as text, made where your code runs."""
    return learner.library("builtins").eval(text)


@cache
def digits():
    """The images (1797, 8, 8), values from 0 to 16, and the digit that each shows."""
    found = load_digits()
    return found.images, found.target


# build_datasets


def numbered_images(probe, n):
    """Images (n, Y, X) whose first pixel is their number, plus 1000, and labels in random order, three classes."""
    images = probe.normal(n, "Y", "X")
    images[:, 0, 0] = 1000.0 + np.arange(n)
    return images, (np.arange(n) % 3)[probe.permutation(n)]


def numbers_of(images):
    return (images[:, 0, 0] - 1000.0).round().long()


@pytest.mark.stage("shape")
def test_build_datasets_returns_pairs_of_tensors(learner, probe):
    images, labels = numbered_images(probe, 60)
    parts = learner.build_datasets(images, labels)
    assert sorted(parts) == sorted(PARTS), "the keys are train, validation and test"
    for name in PARTS:
        x, y = parts[name]
        assert_shape(y, (len(y),), torch.int64, name=f"the labels of {name}")
        assert_shape(x, (len(y), *probe.shape("Y X")), torch.float32, name=f"the images of {name}")


def test_build_datasets_puts_every_image_with_its_label_into_one_part(learner, probe):
    images, labels = numbered_images(probe, 60)
    parts = learner.build_datasets(images, labels, validation=0.2, test=0.3, seed=4)
    found = torch.cat([numbers_of(parts[name][0]) for name in PARTS])
    assert_close(found.sort().values, torch.arange(60), name="the numbers of the images in the three parts")
    for name in PARTS:
        x, y = parts[name]
        assert_close(y, torch.tensor(labels[numbers_of(x)]), name=f"the labels of {name}")
        assert_close(x, torch.tensor(images[numbers_of(x)], dtype=torch.float32), name=f"the images of {name}")


def test_build_datasets_splits_each_class_by_itself(learner, probe):
    images, labels = numbered_images(probe, 150)  # 50 of each class
    parts = learner.build_datasets(images, labels, validation=0.2, test=0.3, seed=4)
    counts = [parts[name][1].bincount().tolist() for name in PARTS]
    assert_close(counts, [[25, 25, 25], [10, 10, 10], [15, 15, 15]], name="images of each class in the parts")


def test_build_datasets_follows_its_seed(learner, probe):
    images, labels = numbered_images(probe, 60)
    first, again, other = (learner.build_datasets(images, labels, seed=seed) for seed in (1, 1, 2))
    assert_close(again, first)
    held_out = [set(numbers_of(parts["test"][0]).tolist()) for parts in (first, other)]
    assert held_out[0] != held_out[1], "another seed holds out other images"


@pytest.mark.stage("robust")
def test_build_datasets_refuses_what_cannot_be_split(learner, probe):
    images, labels = numbered_images(probe, 60)
    with pytest.raises(ValueError):
        learner.build_datasets(images, labels[1:])
    for validation, test in ((0.0, 0.2), (0.2, -0.1), (0.5, 0.5)):
        with pytest.raises(ValueError):
            learner.build_datasets(images, labels, validation=validation, test=test)


# build_model


def shaken(learner, *args, **options):
    """Your model in evaluation mode, after some noise was added to its weights, the same each time."""
    model = learner.build_model(*args, **options)
    noise = "lambda m, torch=__import__('torch'): [p.data.add_(0.2 * torch.randn(p.shape)) for p in m.parameters()] and None"
    learner.library("torch").manual_seed(1)
    made(learner, noise)(model)
    model.eval()
    return model


@pytest.mark.stage("shape")
def test_build_model_returns_logits_and_tells_what_it_was_made_with(learner, probe):
    images = 5.0 + 2.0 * probe.tensor("N 8 6")
    model = learner.build_model(images, 3, width=24, dropout=0.3, seed=2)
    model.eval()
    assert_shape(model(images), (probe.size("N"), 3), torch.float32, name="the logits")
    assert_close(model.config, {"shape": (8, 6), "classes": 3, "width": 24, "dropout": 0.3}, name="config")


def test_build_model_answers_alike_when_all_images_come_in_other_units(learner, probe):
    images, others = probe.tensor("N 8 6"), probe.tensor("B 8 6")
    expected = shaken(learner, images, 3)(others)
    found = shaken(learner, 16.0 * images + 100.0, 3)(16.0 * others + 100.0)
    assert_close(found, expected, name="the logits")


def test_build_model_uses_the_statistics_of_the_training_images_only(learner, probe):
    images, others = probe.tensor("N 8 6"), probe.tensor("B 8 6")
    model = shaken(learner, images, 3)
    assert_close(model(others)[:1], model(others[:1]), name="the logits of the first image, by itself")
    assert not torch.allclose(model(others + 2.0), model(others), atol=1e-3), "brighter images get other logits"


def test_build_model_has_a_nonlinear_layer_and_returns_no_probabilities(learner, probe):
    model = shaken(learner, probe.tensor("N 8 6"), 3, width=32)
    a, b = 3.0 * probe.tensor("B 8 6"), 3.0 * probe.tensor("B 8 6")
    assert not torch.allclose(model((a + b) / 2), (model(a) + model(b)) / 2, atol=1e-2), "the model is not linear"
    assert not torch.allclose(model(a).sum(dim=1), torch.ones(len(a)), atol=1e-3), "rows of logits do not sum to one"


def test_build_model_drops_units_in_training_mode_only(learner, probe):
    images, spread = probe.tensor("N 8 6"), []
    for dropout in (0.0, 0.5):
        model = shaken(learner, images, 3, width=32, dropout=dropout)
        assert_close(model(images), model(images), name="the logits in evaluation mode")
        model.train()
        spread.append((model(images) - model(images)).abs().max().item())
    assert spread[0] == 0.0 < spread[1], "in training mode the logits differ each time, unless dropout is 0"


def test_build_model_is_small_follows_its_seed_and_grows_with_width(learner):
    images = torch.arange(20.0 * 64).reshape(20, 8, 8)
    same = [learner.build_model(images, 10, seed=seed).state_dict() for seed in (3, 3, 4)]
    assert_close(same[1], same[0], name="the state for the same seed")
    assert any(not torch.equal(same[2][name], same[0][name]) for name in same[0]), "another seed, other weights"
    sizes = [sum(p.numel() for p in learner.build_model(images, 10, width=width).parameters()) for width in (16, 128)]
    assert sizes[0] < sizes[1] <= 50_000, "a larger width gives more parameters, by default at most 50 000"


def test_build_model_keeps_all_that_it_needs_in_its_state(learner, probe):
    images, others = 90.0 + 30.0 * probe.tensor("N 8 6"), 90.0 + 30.0 * probe.tensor("B 8 6")
    first, second = shaken(learner, images, 3, seed=1), learner.build_model(torch.zeros(1, 8, 6), 3, seed=2)
    second.load_state_dict(first.state_dict())
    second.eval()
    assert_close(second(others), first(others), name="the logits of a model that loaded the state of another")


# train


def network(learner, layer=None):
    """A classifier of images of 3 × 2 pixels with two classes."""
    nn = learner.library("torch.nn")
    return nn.Sequential(
        nn.Flatten(), nn.Linear(6, 8), *([getattr(nn, layer)(8)] if layer else []), nn.Tanh(), nn.Linear(8, 2)
    )


def problem(probe, n=25):
    """Images whose first pixel tells their class by its sign, and is different in each."""
    x = probe.tensor(2 * n, 3, 2)
    x[:, 0, 0] = torch.linspace(-1.0, 1.0, 2 * n)[torch.tensor(probe.permutation(2 * n))]
    y = (x[:, 0, 0] > 0).long()
    return (x[:n], y[:n]), (x[n:], y[n:])


def passes(learner, model):
    """Have every pass through the model written down, as (training mode?, for a backward pass?, first pixels)."""
    text = """lambda model, torch=__import__("torch"): (
        setattr(model, "seen", []),
        model[0].register_forward_pre_hook(lambda layer, args: model.seen.append(
            (layer.training, torch.is_grad_enabled(), args[0][:, 0, 0].tolist()))),
    )[0]"""
    made(learner, text)(model)


@pytest.mark.stage("shape")
def test_train_returns_a_history(learner, probe):
    history = learner.train(network(learner), *problem(probe), epochs=3)
    names = ["train_loss", "validation_accuracy", "validation_loss"]
    assert sorted(history) == names, f"the keys are {', '.join(names)}"
    for name in names:
        assert len(history[name]) == 3 and all(isinstance(value, float) for value in history[name]), "a float per epoch"


def test_train_takes_every_image_once_an_epoch_in_new_orders(learner, probe):
    parts, model = problem(probe), network(learner)
    passes(learner, model)
    learner.train(model, *parts, epochs=2, batch_size=10)
    batches = [pixels for training, recorded, pixels in model.seen if training and recorded]
    assert_close([len(pixels) for pixels in batches], 2 * [10, 10, 5], name="the sizes of the batches")
    orders = [sum(batches[:3], []), sum(batches[3:], [])]
    given = parts[0][0][:, 0, 0].tolist()
    for order in orders:
        assert_close(sorted(order), sorted(given), name="the images of an epoch")
    assert orders[0] != orders[1] and given not in orders, "each epoch has an order of its own"


def test_train_judges_the_validation_part_without_learning_from_it(learner, probe):
    parts, model = problem(probe), network(learner)
    passes(learner, model)
    learner.train(model, *parts, epochs=2)
    chosen_by = set(parts[1][0][:, 0, 0].tolist())
    for training, recorded, pixels in model.seen:
        if chosen_by.intersection(pixels):
            assert not training and not recorded, "validation images are seen in evaluation mode, without gradients"


def test_train_takes_one_step_of_adamw(learner, probe):
    """A first step of Adam moves each weight by lr against the sign of its gradient, after weight decay has shrunk it."""
    (x, y), other = problem(probe)
    model = network(learner)
    before = model.state_dict()
    _, gradients = learner.parameter_gradients(model, [x], ((model(x).softmax(dim=1)) - torch.eye(2)[y]) / len(y))
    learner.train(model, (x, y), other, epochs=1, lr=0.01, batch_size=25, weight_decay=3.0)
    for name in ("1.bias", "3.bias"):
        expected = before[name] * (1.0 - 0.01 * 3.0) - 0.01 * gradients[name].sign()
        assert_close(model.state_dict()[name], expected, name=name)


def test_train_tells_the_losses_of_its_model(learner, probe):
    (x, y), (images, labels) = problem(probe)
    model = network(learner)
    first = torch.nn.functional.cross_entropy(model(x), y).item()
    history = learner.train(model, (x, y), (images, labels), epochs=1, batch_size=25)
    logits = model(images)
    expected = {"train_loss": first, "validation_loss": torch.nn.functional.cross_entropy(logits, labels).item()}
    expected["validation_accuracy"] = (logits.argmax(dim=1) == labels).float().mean().item()
    assert_close({name: [np.float32(v) for v in history[name]] for name in history}, {
        name: [np.float32(value)] for name, value in expected.items()
    })  # fmt: skip


def test_train_ends_with_the_best_epoch_and_in_evaluation_mode(learner, probe):
    (x, y), (images, labels) = problem(probe)
    labels = torch.where(
        torch.arange(25) < 10, 1 - labels, labels
    )  # with so many wrong ones the loss falls, then rises
    model = network(learner, "BatchNorm1d")
    history = learner.train(model, (x, y), (images, labels), epochs=15, lr=0.03, batch_size=9)
    loss = torch.nn.functional.cross_entropy(model(images), labels).item()
    assert_close(np.float32(loss), np.float32(min(history["validation_loss"])), name="the validation loss of the model")
    assert not any(layer.training for layer in model.modules()), "the model and its layers are in evaluation mode"


def test_train_repeats_itself_for_the_same_seed(learner, probe):
    parts, found = problem(probe), []
    model, state = network(learner), None
    for drawn, seed in enumerate((5, 5, 6)):
        state = state or model.state_dict()
        model.load_state_dict(state)
        learner.library("torch").manual_seed(drawn)
        learner.train(model, *parts, epochs=2, batch_size=9, lr=0.03, seed=seed)
        found.append(model.state_dict())
    assert_close(found[1], found[0], name="the state for the same seed")
    assert not torch.allclose(found[2]["1.weight"], found[0]["1.weight"], atol=1e-4), "another seed, other weights"


# evaluate


@pytest.mark.stage("shape")
def test_evaluate_returns_three_numbers_and_a_matrix(learner, probe):
    logits = probe.tensor("N 1 C")
    report = learner.evaluate(learner.library("torch.nn").Flatten(), (logits, torch.arange(len(logits)) % 2))
    assert sorted(report) == ["accuracy", "confusion", "images", "loss"], "the keys are those of the docstring"
    assert_shape(report["confusion"], (probe.size("C"), probe.size("C")), torch.int64, name="confusion")
    assert isinstance(report["images"], int) and isinstance(report["loss"], float), "images is an int, loss a float"


def test_evaluate_of_a_case_computed_by_hand(learner):
    """The right classes have the probabilities 3/4, 1/4, 3/4, 1/2 and 1/4; batches of two leave one image over."""
    logits = torch.tensor(
        [[3.0, 1.0, 1e-9], [3.0, 1.0, 1e-9], [1.0, 3.0, 1e-9], [1.0, 1.0, 2.0], [1.0, 3.0, 1e-9]]
    ).log()
    labels = torch.tensor([0, 1, 1, 2, 0])
    expected = {
        "images": 5,
        "loss": np.float32((2 * math.log(4 / 3) + 2 * math.log(4) + math.log(2)) / 5),
        "accuracy": np.float32(0.6),
        "confusion": torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]]),
    }
    for batch_size in (2, 256):
        flatten = learner.library("torch.nn").Flatten()
        assert_close(learner.evaluate(flatten, (logits[:, None], labels), batch_size=batch_size), expected)


def test_evaluate_puts_true_classes_into_rows(learner):
    logits, labels = torch.eye(4)[[3, 3, 1]], torch.tensor([0, 0, 1])
    report = learner.evaluate(learner.library("torch.nn").Flatten(), (logits[:, None], labels))
    expected = torch.tensor([[0, 0, 0, 2], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    assert_close(report["confusion"], expected, name="confusion")


def test_evaluate_asks_in_evaluation_mode_and_without_gradients(learner, probe):
    (x, y), _ = problem(probe)
    model = network(learner, "BatchNorm1d")
    passes(learner, model)
    before = model.state_dict()
    report = learner.evaluate(model, (x, y), batch_size=10)
    assert_close(model.state_dict(), before, name="the state of the model")
    assert not model.training, "the model is left in evaluation mode"
    for training, recorded, pixels in model.seen:
        assert not training and not recorded and len(pixels) <= 10, "at most 10 at once, in evaluation mode, no_grad"
    loss = torch.nn.functional.cross_entropy(model(x), y).item()
    assert_close(np.float32(report["loss"]), np.float32(loss), name="the loss")


# export_model


def exported(learner, path):
    """A network with running statistics and a config, written to a file; the network, and what is in the file."""
    model = network(learner, "BatchNorm1d")
    model(torch.arange(30.0).reshape(5, 3, 2))
    learner.library("builtins").setattr(model, "config", {"shape": (3, 2), "width": 8})
    learner.export_model(model, str(path))
    return model, learner.library("torch").load(str(path), weights_only=True)


@pytest.mark.stage("shape")
def test_export_model_writes_one_file_of_plain_data(learner, scratch):
    _, found = exported(learner, scratch / "digits.pt")
    assert [path.name for path in scratch.iterdir()] == ["digits.pt"], "there is one file"
    assert sorted(found) == ["config", "state_dict"], "it holds a dict with the keys config and state_dict"


def test_export_model_writes_config_and_state_and_changes_nothing(learner, scratch):
    (scratch / "digits.pt").write_text("an old file")
    model, found = exported(learner, scratch / "digits.pt")
    assert_close(found["config"], {"shape": (3, 2), "width": 8}, name="the config in the file")
    assert_close(found["state_dict"], model.state_dict(), name="the state in the file")
    assert all(layer.training for layer in model.modules()), "the model is in training mode still"


# predict


def written(learner, probe, path, **options):
    """A model of yours in evaluation mode, a file with it, raw images (N, 7, 5) and the classes that the model gives them."""
    images = 100.0 + 30.0 * probe.tensor("N 7 5")
    model = shaken(learner, images, 4, **options)
    torch.save({"config": model.config, "state_dict": model.state_dict()}, path)
    raw = probe.uniform((41, 7, 5), 0.0, 255.0).round()
    return raw, model(torch.tensor(raw, dtype=torch.float32)).argmax(dim=1).numpy()


@pytest.mark.stage("shape")
def test_predict_returns_an_int64_array(learner, probe, scratch):
    raw, _ = written(learner, probe, scratch / "digits.pt")
    assert_shape(learner.predict(str(scratch / "digits.pt"), raw), (41,), np.int64)


def test_predict_answers_as_the_model_does(learner, probe, scratch):
    for options in ({}, {"width": 24}, {"width": 32, "dropout": 0.9}):
        raw, answers = written(learner, probe, scratch / "digits.pt", **options)
        found = learner.predict(str(scratch / "digits.pt"), raw)
        assert_close(found, answers, name=f"the classes with {options or 'the defaults'}")


def test_predict_takes_integers_and_few_images(learner, probe, scratch):
    raw, answers = written(learner, probe, scratch / "digits.pt")
    assert_close(
        learner.predict(str(scratch / "digits.pt"), raw.astype(np.uint8)), answers, name="the classes of uint8"
    )
    assert_close(learner.predict(str(scratch / "digits.pt"), raw[5:6]), answers[5:6], name="the class of one image")


@pytest.mark.stage("robust")
def test_predict_refuses_images_of_another_shape(learner, probe, scratch):
    raw, _ = written(learner, probe, scratch / "digits.pt")
    for wrong in (raw.transpose(0, 2, 1), raw[0], raw.reshape(41, 35)):
        with pytest.raises(ValueError):
            learner.predict(str(scratch / "digits.pt"), wrong)


@pytest.mark.stage("whole")
def test_predict_reads_new_digits_at_the_end_of_the_whole_project(learner, probe, scratch):
    images, labels = digits()
    order = probe.permutation(len(labels))
    known, new = order[600:], order[:600]
    parts = learner.build_datasets(images[known], labels[known], validation=0.1, test=0.05)
    model = learner.build_model(parts["train"][0], 10)
    learner.train(model, parts["train"], parts["validation"], epochs=8, lr=5e-3)
    learner.export_model(model, str(scratch / "digits.pt"))
    found = learner.predict(str(scratch / "digits.pt"), images[new])
    assert (found == labels[new]).mean() > 0.92, "of 600 digits that it has not seen more than 92 % are read"


# model_card

REPORT = {"images": 20, "loss": 0.43217, "accuracy": 0.85, "confusion": torch.tensor([[8, 0, 0], [2, 7, 0], [0, 1, 2]])}
SIZES = {"train": 140, "validation": 30, "test": 20}
SECTIONS = ("Intended use", "Data", "Metrics", "Limitations", "Ethical considerations")


def sections_of(card):
    """The text of every section by its title, in order."""
    pieces = re.split(r"^##[ \t]+(.+?)[ \t]*$", card, flags=re.MULTILINE)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


@pytest.mark.stage("shape")
def test_model_card_has_a_title_and_five_sections(learner):
    card = learner.model_card(REPORT, SIZES)
    assert card.startswith("# "), "it begins with a title"
    assert_close([title for title in sections_of(card) if title in SECTIONS], list(SECTIONS), name="the sections")


def test_model_card_says_something_in_every_section(learner):
    card = learner.model_card(REPORT, SIZES)
    for title, text in sections_of(card).items():
        assert title == "Metrics" or len(set(re.findall(r"[^\W\d_]+", text.lower()))) >= 12, f"{title} says something"
    assert "todo" not in card.lower(), "nothing is left to do"


def test_model_card_has_the_numbers_of_the_report(learner):
    sections = sections_of(learner.model_card(REPORT, SIZES))
    for size in ("140", "30", "20"):
        assert re.search(rf"\b{size}\b", sections["Data"]), "Data tells the sizes of the parts"
    for number in ("20", "0.4322", "0.8500"):
        assert re.search(rf"(?<![\d.]){number}(?!\d)", sections["Metrics"]), "images, loss and accuracy, four decimals"
    for row in ("| 0 | 8 | 1.0000 |", "| 1 | 9 | 0.7778 |", "| 2 | 3 | 0.6667 |"):
        assert row in sections["Metrics"], "a row of the table for every class: class, images, recall"


def test_model_card_names_the_most_frequent_error(learner):
    found = re.findall(r"(\d+) → (\d+)", sections_of(learner.model_card(REPORT, SIZES))["Limitations"])
    assert_close(found, [("1", "0")], name="the errors that Limitations names")


@pytest.mark.stage("robust")
def test_model_card_of_a_model_without_errors_and_of_a_class_without_images(learner):
    report = {"images": 5, "loss": 0.25, "accuracy": 1.0, "confusion": torch.tensor([[5, 0], [0, 0]])}
    sections = sections_of(learner.model_card(report, SIZES))
    assert "→" not in sections["Limitations"], "there is no error to name"
    assert "| 1 | 0 | n/a |" in sections["Metrics"], "a class without images has no recall"
