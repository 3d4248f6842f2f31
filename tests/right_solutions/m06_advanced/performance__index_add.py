"""Sums by index_add, gradients divided at the step, segments as functional calls, containers by singledispatch."""

from functools import singledispatch

import torch


def vectorize_me(x, labels, clusters, distance):
    n = x.shape[0]
    d = distance(x.unsqueeze(0), x.unsqueeze(1))
    totals = torch.zeros(n, clusters, dtype=d.dtype).index_add(1, labels, d)
    sizes = torch.bincount(labels, minlength=clusters)
    own = torch.nn.functional.one_hot(labels, clusters).bool()
    divisors = (sizes - own.long()).clamp(min=1)
    means = totals / divisors
    a = means.gather(1, labels.unsqueeze(1)).squeeze(1)
    b = torch.where(own | sizes.eq(0), float("inf"), means).min(dim=1).values
    alone = sizes[labels] == 1
    return torch.where(alone, torch.zeros_like(a), (b - a) / torch.where(a > b, a, b))


def accumulate_gradients(model, loss_function, batches, optimizer, every):
    losses, total, rows, count = [], 0.0, 0, 0

    def step():
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad /= rows
        optimizer.step()
        losses.append(total / rows)

    for x, y in batches:
        if count == 0:
            optimizer.zero_grad()
            total, rows = 0.0, 0
        summed = loss_function(model(x), y) * x.shape[0]
        summed.backward()
        total, rows, count = total + float(summed.detach()), rows + x.shape[0], count + 1
        if count == every:
            step()
            count = 0
    if count:
        step()
    return losses


class _Rerun(torch.autograd.Function):
    @staticmethod
    def forward(ctx, names, segment, x, *parameters):
        ctx.names, ctx.segment, ctx.random = names, segment, torch.random.get_rng_state()
        ctx.save_for_backward(x, *parameters)
        return segment(x)

    @staticmethod
    def backward(ctx, dy):
        x, *parameters = (tensor.detach().requires_grad_() for tensor in ctx.saved_tensors)
        after = torch.random.get_rng_state()
        torch.random.set_rng_state(ctx.random)
        with torch.enable_grad():
            y = torch.func.functional_call(ctx.segment, dict(zip(ctx.names, parameters, strict=True)), (x,))
        torch.random.set_rng_state(after)
        gradients = torch.autograd.grad(y, [x, *parameters], dy, allow_unused=True)
        return None, None, *gradients


def checkpoint_segments(layers, x, segments):
    count = len(layers)
    if segments < 1 or segments > count:
        raise ValueError("segments")
    small, larger = divmod(count, segments)
    modules = list(layers)
    for k in range(segments):
        size = small + (k < larger)
        segment, modules = torch.nn.Sequential(*modules[:size]), modules[size:]
        learning = {name: p for name, p in segment.named_parameters() if p.requires_grad}
        x = _Rerun.apply(list(learning), segment, x, *learning.values())
    return x


@singledispatch
def _moved(data, device):
    return data


@_moved.register
def _(data: dict, device):
    return dict((key, to_device(data[key], device)) for key in data)


@_moved.register
def _(data: list, device):
    return list(to_device(item, device) for item in data)


@_moved.register
def _(data: tuple, device):
    items = [to_device(item, device) for item in data]
    return data._make(items) if hasattr(data, "_make") else tuple(items)


def to_device(data, device=None):
    if device is None:
        device = torch.device("cuda") if torch.cuda.is_available() else torch.device("cpu")
    return data.to(device) if callable(getattr(data, "to", None)) else _moved(data, device)
