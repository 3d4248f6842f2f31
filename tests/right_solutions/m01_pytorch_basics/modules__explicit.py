"""With empty parameters that are filled by torch.nn.init, names that are looked up, and a network built by index."""

import torch
from torch import nn


class Linear(nn.Module):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        if bias:
            self.bias = nn.Parameter(torch.empty(out_features))
        else:
            self.register_parameter("bias", None)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -(in_features**-0.5), in_features**-0.5)

    def forward(self, x):
        y = torch.einsum("...d,md->...m", x, self.weight)
        if self.bias is not None:
            y = y + self.bias
        return y


class Sequential(nn.Module):
    def __init__(self, *modules):
        super().__init__()
        self.names = [str(i) for i in range(len(modules))]
        for name, module in zip(self.names, modules, strict=True):
            setattr(self, name, module)

    def forward(self, x):
        for name in self.names:
            x = getattr(self, name)(x)
        return x


class MLP(Sequential):
    def __init__(self, widths, activation=nn.ReLU):
        widths = tuple(widths)
        if len(widths) <= 1:
            raise ValueError("at least two widths")
        layers = [Linear(widths[0], widths[1])]
        for before, after in zip(widths[1:-1], widths[2:], strict=True):
            layers.append(activation())
            layers.append(Linear(before, after))
        super().__init__(*layers)
