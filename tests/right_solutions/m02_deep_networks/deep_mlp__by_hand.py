"""The network with matrix products on its layers' parameters, and the cross-entropy written out."""

import math

import torch


class DeepMLP(torch.nn.Module):
    def __init__(self, sizes, activation=torch.relu, gain: float = math.sqrt(2.0), generator=None):
        super().__init__()
        if len(sizes) < 2:
            raise ValueError("an input and an output at least")
        self.activation = activation
        layers = [torch.nn.Linear(d, m) for d, m in zip(sizes[:-1], sizes[1:], strict=True)]
        self.layers = torch.nn.ModuleList(layers)
        for layer in self.layers:
            m, d = layer.weight.shape
            layer.weight = torch.nn.Parameter(torch.randn(m, d, generator=generator) * (gain / math.sqrt(d)))
            layer.bias = torch.nn.Parameter(torch.zeros(m))

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = self.activation(torch.einsum("nd,md->nm", x, layer.weight) + layer.bias)
        last = self.layers[-1]
        return torch.addmm(last.bias, x, last.weight.T)


def layer_gradient_norms(model, x, targets):
    logits = model(x)
    rows = torch.arange(len(x))
    loss = (torch.logsumexp(logits, dim=1) - logits[rows, targets]).mean()
    norms = []
    for _, p in model.named_parameters():
        if len(p.shape) == 2:
            (gradient,) = torch.autograd.grad(loss, p, retain_graph=True)
            norms.append(torch.linalg.vector_norm(gradient).item())
    return norms


def diagnose_gradients(norms, low=1e-3, high=1e3):
    if len(norms) == 0:
        raise ValueError("nothing to diagnose")
    answer = "healthy"
    for norm in norms:
        if not math.isfinite(norm) or norm >= high:
            return "exploding"
        if norm <= low:
            answer = "vanishing"
    return answer
