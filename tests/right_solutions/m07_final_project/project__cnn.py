"""A small convolutional network, data loaders, metrics batch by batch, splits drawn by NumPy."""

import math
from collections import Counter

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def build_datasets(images, labels, validation=0.15, test=0.15, seed=0):
    if len(labels) != len(images):
        raise ValueError("as many labels as images are needed")
    if validation <= 0 or test <= 0 or validation + test >= 1:
        raise ValueError("both fractions must be above 0, and their sum below 1")
    order = np.random.default_rng(seed).permutation(len(labels))
    sizes, seen, rows = Counter(np.asarray(labels).tolist()), Counter(), {"train": [], "validation": [], "test": []}
    for row in order.tolist():  # each class fills its test part first, then its validation part
        label = int(labels[row])
        n_test, n_validation = math.floor(test * sizes[label]), math.floor(validation * sizes[label])
        place = seen[label]
        part = "test" if place < n_test else "validation" if place < n_test + n_validation else "train"
        rows[part].append(row)
        seen[label] += 1
    return {
        part: (
            torch.from_numpy(np.array([images[row] for row in some], dtype=np.float32).reshape(-1, *images.shape[1:])),
            torch.from_numpy(np.array([labels[row] for row in some], dtype=np.int64)),
        )
        for part, some in rows.items()
    }


class Network(nn.Module):
    def __init__(self, shape, classes, width, dropout, mean, std):
        super().__init__()
        self.register_buffer("shift", torch.tensor(mean))
        self.register_buffer("scale", torch.tensor(std))
        self.layers = nn.Sequential(
            nn.Conv2d(1, width // 4, 3, padding=1),
            nn.BatchNorm2d(width // 4),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width // 4, width // 2, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(2 * width, classes),
        )
        self.config = dict(shape=shape, classes=classes, width=width, dropout=dropout)

    def forward(self, x):
        return self.layers(((x - self.shift) / self.scale).unsqueeze(1))


def build_model(images, classes, width=128, dropout=0.2, seed=0):
    torch.manual_seed(seed)
    mean, std = float(images.double().mean()), float(images.double().std())
    return Network(list(images.shape[1:]), classes, width, dropout, mean, std if std else 1.0)


def train(model, train_part, validation_part, epochs=30, lr=3e-3, batch_size=32, weight_decay=0.01, seed=0):
    torch.manual_seed(seed)
    loader = DataLoader(TensorDataset(*train_part), batch_size=batch_size, shuffle=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr, weight_decay=weight_decay)
    criterion = nn.CrossEntropyLoss()
    reports, losses, best = [], [], None
    for _ in range(epochs):
        model.train()
        weighted = []
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            weighted.append(loss.item() * len(y))
        losses.append(sum(weighted) / len(train_part[1]))
        reports.append(evaluate(model, validation_part))
        if reports[-1]["loss"] == min(report["loss"] for report in reports) and (
            best is None or reports[-1]["loss"] < min(report["loss"] for report in reports[:-1])
        ):
            best = {name: value.detach().clone() for name, value in model.state_dict().items()}
    model.load_state_dict(best)
    model.eval()
    return {
        "train_loss": losses,
        "validation_loss": [report["loss"] for report in reports],
        "validation_accuracy": [report["accuracy"] for report in reports],
    }


@torch.no_grad()
def evaluate(model, part, batch_size=256):
    model.eval()
    loss, right, confusion = 0.0, 0, None
    for x, y in DataLoader(TensorDataset(*part), batch_size=batch_size):
        logits = model(x)
        loss += nn.functional.cross_entropy(logits, y, reduction="sum").item()
        answers = logits.max(1).indices
        right += (answers == y).sum().item()
        if confusion is None:
            confusion = torch.zeros(logits.shape[1], logits.shape[1], dtype=torch.int64)
        confusion.index_put_((y, answers), torch.ones(len(y), dtype=torch.int64), accumulate=True)
    n = len(part[1])
    return {"images": n, "loss": loss / n, "accuracy": right / n, "confusion": confusion}


def export_model(model, path):
    with open(path, "wb") as file:
        torch.save(
            {"state_dict": {k: v.cpu() for k, v in model.state_dict().items()}, "config": dict(model.config)}, file
        )


def predict(path, images):
    saved = torch.load(path, map_location="cpu")
    config = saved["config"]
    height, width = config["shape"]
    if images.ndim != 3 or images.shape[1] != height or images.shape[2] != width:
        raise ValueError(f"images of {height} by {width} pixels are needed")
    model = build_model(torch.zeros(2, height, width), config["classes"], width=config["width"], dropout=0.0)
    model.load_state_dict(saved["state_dict"])
    model.eval()
    with torch.inference_mode():
        answers = model(torch.from_numpy(images.astype(np.float32))).max(dim=-1).indices
    return np.asarray(answers, dtype=np.int64)


def model_card(report, sizes):
    matrix = report["confusion"].tolist()
    page = ["# Digits", ""]
    page += [
        "## Intended use",
        "",
        "It reads one small handwritten digit in a picture of eight by eight grey pixels. It was",
    ]
    page += [
        "made in a course, for practice, and should not decide about anything that matters to somebody.",
        "",
        "## Data",
        "",
    ]
    page += ["Small pictures of digits, written by a few people some decades ago, in three parts drawn at random:", ""]
    page += ["| part | pictures |", "|---|---|"]
    page += [f"| {part} | {size} |" for part, size in sizes.items()]
    page += ["", "## Metrics", "", f"Test pictures: {report['images']}"]
    page += [f"Loss: {report['loss']:.4f}", f"Accuracy: {report['accuracy']:.4f}", "", "| class | images | recall |"]
    page += ["|:--|--:|--:|"]
    worst = (0, None)
    for i, row in enumerate(matrix):
        page.append(f"| {i} | {sum(row)} | " + (f"{row[i] / sum(row):.4f} |" if sum(row) else "n/a |"))
        for j, count in enumerate(row):
            if i != j and count > worst[0]:
                worst = (count, (i, j))
    page += [
        "",
        "## Limitations",
        "",
        "Other writers, other pens, shifted or turned digits, letters and empty pictures were",
    ]
    page += ["never looked at, and the answer to them will be some digit with no sign of doubt at all."]
    if worst[1]:
        page += ["", "Most often it errs by {} → {}.".format(*worst[1])]
    page += [
        "",
        "## Ethical considerations",
        "",
        "Nobody is named in the data. But we do not know who these writers were, so",
    ]
    page += ["a group of people whose hand differs may be served worse; measure that before any use on real forms."]
    return "\n".join(page)
