"""Modules: layers that own their parameters, and networks that own their layers, in PyTorch.

A `torch.nn.Module` keeps a register. A `Parameter`, or another module, that is assigned to an attribute goes into it,
and everything that is to be done to all parameters of a network finds them there: `parameters()` for the optimizer,
`state_dict()` for saving, `double()` and `to(device)`. What is kept in a plain tensor, list or dict is not found.

The three classes here are drop-ins for `torch.nn.Linear`, `torch.nn.Sequential` and a `torch.nn.Sequential` of both: the
same names in the `state_dict`, so that either side loads what the other has saved, and the same outputs after it. Build
them on `torch.nn.Module` and `torch.nn.Parameter`; the work of their namesakes and of `torch.nn.functional.linear` is
what you write.

Letters: D inputs, M outputs. `*lead` stands for any number of leading axes, none included.
"""

import itertools
import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor


class Linear(torch.nn.Module):
    """A layer of M units, each with a weight for each of D inputs and a bias: y = x · Wᵀ + b.

    Its state_dict has `weight`, (M, D), and `bias`, (M,), both float32 parameters to begin with. The weight lies as
    PyTorch stores it, a row for each output. Without a bias, `bias` is None and not in the state_dict.

    Every entry of both is drawn from the uniform distribution between -1/√D and 1/√D, whose numbers PyTorch's own
    generator makes (`Tensor.uniform_`, `torch.rand`): then `torch.manual_seed` repeats them.

    Args:
        in_features: D.
        out_features: M.
        bias: whether there is a bias.

    Reference:
        LeCun, Bottou, Orr & Müller, Efficient BackProp (1998), section 4.6, on the scale of weights. `torch.nn.Linear`.

    Example:
        >>> layer = Linear(2, 3)
        >>> weight = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, -1.0]])
        >>> layer.load_state_dict({"weight": weight, "bias": torch.tensor([0.5, 0.0, 0.0])})
        <All keys matched successfully>
        >>> layer(torch.tensor([2.0, 3.0])).tolist()
        [2.5, 3.0, -1.0]
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True):
        raise NotImplementedError

    def forward(self, x: Float[Tensor, "*lead D"]) -> Float[Tensor, "*lead M"]:
        """Apply the layer to the last axis.

        Args:
            x: any number of leading axes, also none, and D inputs, (..., D).

        Returns:
            (..., M).
        """
        raise NotImplementedError


class Sequential(torch.nn.Module):
    """Modules one behind the other: each is called with what the one before it returned.

    The first is registered under the name "0", the next under "1", and so on, so that the state_dict has names like
    "0.weight" and "2.bias". Without any module it returns its input. A module may stand in it several times; it is then
    applied as often, while `parameters()` lists its parameters once.

    Args:
        modules: in the order in which they are called.

    Reference:
        PyTorch documentation, `torch.nn.Module.add_module` and `torch.nn.Sequential`.

    Example:
        >>> model = Sequential(Linear(2, 1), torch.nn.ReLU())
        >>> list(model.state_dict())
        ['0.weight', '0.bias']
        >>> _ = model.load_state_dict({"0.weight": torch.tensor([[1.0, -1.0]]), "0.bias": torch.tensor([0.5])})
        >>> model(torch.tensor([[3.0, 1.0], [1.0, 3.0]])).tolist()
        [[2.5], [0.0]]
    """

    def __init__(self, *modules: torch.nn.Module):
        raise NotImplementedError

    def forward(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Call the modules in turn, as functions, so that their hooks run.

        Args:
            x: what the first module takes.

        Returns:
            What the last module returns.
        """
        raise NotImplementedError


class MLP(Sequential):
    """A multi-layer perceptron: linear layers with an activation between each two of them, and none behind the last.

    It is a `Sequential` of your `Linear` layers and of activations in turn, so that the layers stand at 0, 2, 4, … and
    the state_dict has the names "0.weight", "0.bias", "2.weight" and so on. Every activation is a module of its own,
    made by calling `activation`: it may have parameters, like `torch.nn.PReLU`.

    Args:
        widths: the number of inputs, of the units of every hidden layer, and of outputs: (D, …, M). Two widths make a
            single linear layer.
        activation: makes an activation when it is called without arguments, for example a class like `torch.nn.Tanh`.

    Raises:
        ValueError: there are fewer than two widths.

    Reference:
        Rumelhart, Hinton & Williams, Learning representations by back-propagating errors (1986).

    Example:
        >>> model = MLP([3, 5, 2], activation=torch.nn.Tanh)
        >>> {name: tuple(value.shape) for name, value in model.state_dict().items()}
        {'0.weight': (5, 3), '0.bias': (5,), '2.weight': (2, 5), '2.bias': (2,)}
        >>> model(torch.zeros(7, 3)).shape
        torch.Size([7, 2])
    """

    def __init__(self, widths: Sequence[int], activation: Callable[[], torch.nn.Module] = torch.nn.ReLU):
        raise NotImplementedError
