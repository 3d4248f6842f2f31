"""With one pass for both, a running mean, and modes put back by a context manager."""

from contextlib import contextmanager

import torch


@contextmanager
def evaluating(model):
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def run(model, batches, loss_function, after):
    mean, seen = 0.0, 0
    for x, y in batches:
        loss = loss_function(model(x), y)
        seen += len(y)
        mean += (loss.item() - mean) * len(y) / seen
        after(loss)
    return mean


def train_one_epoch(model, batches, optimizer, loss_function):
    def step(loss):
        model.zero_grad()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    model.train()
    return run(model, batches, loss_function, step)


def evaluate(model, batches, loss_function):
    with evaluating(model):
        return run(model, batches, loss_function, lambda loss: None)


def fit(model, train_batches, validation_batches, optimizer, loss_function, epochs):
    pairs = [
        (
            train_one_epoch(model, train_batches, optimizer, loss_function),
            evaluate(model, validation_batches, loss_function),
        )
        for _ in range(epochs)
    ]
    return {"train": [train for train, _ in pairs], "validation": [validation for _, validation in pairs]}
