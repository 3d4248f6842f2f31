"""The network with torch's own init functions and an index; norms by backward, with the collected gradients put back."""

import math

import torch
from torch import nn


class DeepMLP(nn.Module):
    def __init__(self, sizes, activation=torch.relu, gain: float = math.sqrt(2.0), generator=None):
        super().__init__()
        if len(sizes) <= 1:
            raise ValueError("sizes")
        self.layers = nn.ModuleList()
        for i in range(len(sizes) - 1):
            self.layers.append(nn.Linear(sizes[i], sizes[i + 1]))
        self.f = activation
        for layer in self.layers:
            nn.init.normal_(layer.weight, std=gain / layer.in_features**0.5, generator=generator)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i + 1 < len(self.layers):
                x = self.f(x)
        return x


def layer_gradient_norms(model, x, targets):
    collected = [p.grad for p in model.parameters()]
    for p in model.parameters():
        p.grad = None
    nn.CrossEntropyLoss()(model(x), targets).backward()
    norms = [float(p.grad.double().square().sum().sqrt()) for p in model.parameters() if p.dim() > 1]
    for p, grad in zip(model.parameters(), collected, strict=True):
        p.grad = grad
    return norms


def diagnose_gradients(norms, low=1e-3, high=1e3):
    if not norms:
        raise ValueError("norms")
    if any(math.isnan(n) or math.isinf(n) for n in norms) or max(norms) >= high:
        return "exploding"
    for norm in norms:
        if norm <= low:
            return "vanishing"
    return "healthy"
