"""With lists of losses and sizes, gradients cleared first, and modes remembered by name."""

import torch


def average(losses, sizes):
    return sum(loss * size for loss, size in zip(losses, sizes, strict=True)) / sum(sizes)


def train_one_epoch(model, batches, optimizer, loss_function):
    model.train(True)
    losses, sizes = [], []
    for inputs, targets in batches:
        optimizer.zero_grad(set_to_none=False)
        outputs = model(inputs)
        loss = loss_function(outputs, targets)
        loss.backward()
        losses.append(float(loss.detach()))
        sizes.append(targets.shape[0])
        optimizer.step()
    return average(losses, sizes)


@torch.no_grad()
def evaluate(model, batches, loss_function):
    training = {name for name, module in model.named_modules() if module.training}
    model.train(False)
    losses, sizes = [], []
    for inputs, targets in batches:
        losses.append(float(loss_function(model(inputs), targets)))
        sizes.append(inputs.shape[0])
    for name, module in model.named_modules():
        module.training = name in training
    return average(losses, sizes)


def fit(model, train_batches, validation_batches, optimizer, loss_function, epochs):
    train, validation = [], []
    while len(train) < epochs:
        train += [train_one_epoch(model, train_batches, optimizer, loss_function)]
        validation += [evaluate(model, validation_batches, loss_function)]
    return dict(train=train, validation=validation)
