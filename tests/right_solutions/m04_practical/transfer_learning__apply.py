"""By `apply`, contexts and the network's own tables."""

import contextlib
import math

import torch
from torch import nn


def freeze(module):
    def still(layer):
        layer.training = False
        for parameter in layer.parameters(recurse=False):
            parameter.grad = None
            parameter.requires_grad = False

    module.apply(still)


def replace_head(model, name, classes, generator):
    *path, last = name.split(".")
    holder = model
    for part in path:
        holder = getattr(holder, part)
    old = getattr(holder, last)
    if type(old) is not nn.Linear:
        raise TypeError(f"{name} is not linear")
    bound = 1.0 / math.sqrt(old.weight.shape[1])
    head = nn.Linear(old.weight.shape[1], classes, bias=old.bias is not None).to(old.weight)
    with torch.no_grad():
        head.weight.uniform_(-bound, bound, generator=generator)
        if head.bias is not None:
            head.bias.uniform_(-bound, bound, generator=generator)
    holder._modules[last] = head
    return head


def parameter_groups(layers, lr, decay=2.6):
    last = {id(p): i for i, layer in enumerate(layers) for p in layer.parameters()}
    groups = []
    for i, layer in enumerate(layers):
        params = [p for p in layer.parameters() if p.requires_grad and last[id(p)] == i]
        if params:
            groups.append({"params": params})
    rate = lr
    for group in reversed(groups):
        group["lr"] = rate
        rate /= decay
    return groups


def gradual_unfreeze(layers, epoch, every=1):
    count = min(len(layers), epoch // every + 1)
    for place, layer in enumerate(reversed(layers)):
        is_open = place < count
        layer.train(is_open)
        for parameter in layer.parameters():
            parameter.requires_grad = is_open
            if not is_open:
                parameter.grad = None
    return count


@contextlib.contextmanager
def evaluating(model):
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


class _Found(Exception):
    pass


@torch.no_grad()
def feature_extract(model, layer, x, batch_size=256):
    found = []

    def keep(module, inputs, output):
        found.append(output.detach().clone().reshape(len(output), -1))
        raise _Found  # the rest of the network need not run

    place = dict(model.named_modules())[layer]
    handle = place.register_forward_hook(keep)
    try:
        with evaluating(model):
            for start in range(0, len(x), batch_size):
                with contextlib.suppress(_Found):
                    model(x[start : start + batch_size])
    finally:
        handle.remove()
    return torch.cat(found, dim=0)
