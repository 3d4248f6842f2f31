"""A model with dropout as a function, statistics in float64, one optimizer step after the other over index arrays."""

import copy

import numpy as np
import torch
import torch.nn.functional as F


def build_datasets(images, labels, validation=0.15, test=0.15, seed=0):
    if len(images) != len(labels) or not (validation > 0 and test > 0 and validation + test < 1):
        raise ValueError("these cannot be split")
    keys = np.random.RandomState(seed).random_sample(len(labels))
    part_of = np.empty(len(labels), dtype=int)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        rows = rows[np.argsort(keys[rows])]
        first = int(validation * len(rows) + 0.5)
        second = first + int(test * len(rows) + 0.5)
        part_of[rows[:first]], part_of[rows[first:second]], part_of[rows[second:]] = 1, 2, 0
    x, y = torch.tensor(np.asarray(images, dtype=np.float32)), torch.tensor(labels.astype(np.int64))
    return {name: (x[part_of == i], y[part_of == i]) for i, name in enumerate(("train", "validation", "test"))}


class Classifier(torch.nn.Module):
    def __init__(self, mean, std, shape, classes, width, dropout):
        super().__init__()
        self.statistics = torch.nn.Buffer(torch.stack([mean, std]))
        self.hidden = torch.nn.Linear(shape[0] * shape[1], width)
        self.second = torch.nn.Linear(width, width)
        self.out = torch.nn.Linear(width, classes)
        torch.nn.init.zeros_(self.out.weight)
        self.config = {"shape": shape, "classes": classes, "width": width, "dropout": dropout}

    def forward(self, x):
        x = ((x - self.statistics[0]) / self.statistics[1]).flatten(1)
        for layer in (self.hidden, self.second):
            x = F.dropout(F.gelu(layer(x)), self.config["dropout"], self.training)
        return self.out(x)


def build_model(images, classes, width=128, dropout=0.2, seed=0):
    mean, std = images.double().mean().float(), images.double().std(correction=0).float()
    torch.manual_seed(seed)
    return Classifier(mean, std if std > 0 else torch.ones(()), tuple(images.shape[-2:]), classes, width, dropout)


def train(model, train_part, validation_part, epochs=30, lr=3e-3, batch_size=32, weight_decay=0.01, seed=0):
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    (x, y), n = train_part, len(train_part[1])
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay)
    history, saved = {"train_loss": [], "validation_loss": [], "validation_accuracy": []}, []
    for _ in range(epochs):
        order, total = rng.permutation(n), 0.0
        model.train(True)
        for start in range(0, n, batch_size):
            rows = order[start : start + batch_size]
            losses = F.cross_entropy(model(x[rows]), y[rows], reduction="none")
            model.zero_grad()
            losses.mean().backward()
            optimizer.step()
            total += losses.sum().item()
        report = evaluate(model, validation_part)
        history["train_loss"].append(total / n)
        history["validation_loss"].append(report["loss"])
        history["validation_accuracy"].append(report["accuracy"])
        saved.append(copy.deepcopy(model.state_dict()))
    model.load_state_dict(saved[int(np.argmin(history["validation_loss"]))])
    return history


def evaluate(model, part, batch_size=256):
    model.eval()
    pieces = []
    with torch.inference_mode():
        for start in range(0, len(part[1]), batch_size):
            pieces.append(model(part[0][start : start + batch_size]))
    scores = torch.cat(pieces).double()
    c = scores.shape[1]
    answers, truth = F.one_hot(scores.argmax(1), c), F.one_hot(part[1], c)
    return {
        "images": len(scores),
        "loss": float(-scores.log_softmax(1)[torch.arange(len(scores)), part[1]].mean()),
        "accuracy": float((answers * truth).sum() / len(scores)),
        "confusion": truth.T @ answers,
    }


def export_model(model, path):
    torch.save(dict(config=model.config, state_dict=dict(model.state_dict())), path)


def predict(path, images):
    saved = torch.load(path, weights_only=True)
    config = dict(saved["config"])
    if images.shape != (len(images), *config["shape"]):
        raise ValueError("the images have another shape")
    some = torch.ones(4, *config.pop("shape"))
    model = build_model(some, **config)
    model.load_state_dict(saved["state_dict"])
    labels = [model.eval()(torch.tensor(image[None], dtype=torch.float32)).argmax().item() for image in images]
    return np.array(labels, dtype=np.int64)


CARD = """# Model card

## Intended use
To learn how a project is done from its beginning to its end. The model tells which digit somebody has written on a small
picture; it is no product, and nobody should rely on it.

## Data
Of the small digits that come with scikit-learn {train} images were learnt from, {validation} served to choose the best
epoch, and {test} were kept for the numbers below. All of them come from the same thirteen writers.

## Metrics
{images} test images, accuracy {accuracy:.4f}, mean cross-entropy {loss:.4f}.

| digit | images | recall |
|-------|--------|--------|
{table}

## Limitations
Numbers come from people who also wrote what the model learnt from, so strangers will fare worse, and so will digits that are
not in the middle of their picture. {error}

## Ethical considerations
We know neither the age nor the origin of the writers, nor whether they agreed to this use. If an error could harm anyone,
then a person has to check every answer, and errors must be easy to report.
"""


def model_card(report, sizes):
    confusion = report["confusion"].double().numpy()
    rows = confusion.sum(axis=1)
    lines = [
        f"| {c} | {rows[c]:.0f} | {confusion[c, c] / rows[c]:.4f} |" if rows[c] else f"| {c} | 0 | n/a |"
        for c in range(len(rows))
    ]
    errors = np.where(np.eye(len(rows), dtype=bool), 0, confusion)
    i, j = np.unravel_index(errors.argmax(), errors.shape)
    error = f"Its favourite error is {i} → {j}." if errors.max() > 0 else "It made no error in the test."
    numbers = {name: report[name] for name in ("images", "accuracy", "loss")}
    return CARD.format(table="\n".join(lines), error=error, **numbers, **sizes)
