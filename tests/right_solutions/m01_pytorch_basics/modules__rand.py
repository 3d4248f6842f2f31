"""With torch.rand, matmul from the left, and a network that holds its modules by itself."""

import math

import torch


class Linear(torch.nn.Module):
    def __init__(self, in_features, out_features, bias=True):
        torch.nn.Module.__init__(self)
        self.weight = torch.nn.Parameter(self.draw(in_features, out_features, in_features))
        self.bias = None
        if bias:
            self.bias = torch.nn.Parameter(self.draw(in_features, out_features))

    @staticmethod
    def draw(fan_in, *shape):
        return (2.0 * torch.rand(*shape) - 1.0) / math.sqrt(fan_in)

    def forward(self, x):
        y = torch.matmul(self.weight, x.unsqueeze(-1)).squeeze(-1)
        return y + self.bias if self.bias is not None else y


class Sequential(torch.nn.Module):
    def __init__(self, *modules):
        super().__init__()
        self.length = len(modules)
        for place in range(self.length):
            self.register_module(f"{place}", modules[place])

    def forward(self, x):
        return self.after(self.length, x)

    def after(self, count, x):
        return x if count == 0 else self.get_submodule(f"{count - 1}")(self.after(count - 1, x))


class MLP(Sequential):
    def __init__(self, widths, activation=torch.nn.ReLU):
        if not len(widths) >= 2:
            raise ValueError(widths)
        modules = []
        for i in range(1, len(widths)):
            if i > 1:
                modules.append(activation())
            modules.append(Linear(widths[i - 1], widths[i]))
        super().__init__(*modules)
