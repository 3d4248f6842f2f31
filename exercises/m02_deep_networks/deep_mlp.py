"""A network of any depth with any activation, and a look at the gradients that reach its layers, in PyTorch.

Backpropagation multiplies a gradient by one matrix and one slope for every layer that it passes. Over many layers the product
vanishes or explodes unless weights and activation fit together. Here autograd computes the gradients, and you measure them.

Letters: N rows, D inputs, C classes, L layers. Tensors are float32 unless a model was made float64.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Int


class DeepMLP(torch.nn.Module):
    """Linear layers one after the other, with an activation after each but the last.

    The layers are `torch.nn.Linear`s in a `torch.nn.ModuleList` called `layers`, so that the state_dict has the entries
    layers.0.weight, layers.0.bias, layers.1.weight and so on, and no others (unless the activation has parameters of its own).
    PyTorch stores a weight as (fan_out, fan_in), the transpose of what the exercise `initialization` returns.

    From the first layer to the last, a weight becomes gain / √fan_in · torch.randn((fan_out, fan_in), generator=generator),
    and nothing else is drawn from a generator that is given. All biases are zero.

    Args:
        sizes: the width of the input, of every hidden layer, and of the output: (D, M1, M2, …, C). Two sizes make one layer.
        activation: takes a tensor and returns one of the same shape: torch.relu, torch.nn.functional.gelu, or a module such
            as torch.nn.SELU().
        gain: the size of the weights; √2 suits the ReLU, as the initialization of He does.
        generator: where the weights come from; None stands for torch's global generator, from which every `torch.nn.Linear`
            has already taken the weights that it begins with.

    Raises:
        ValueError: there are fewer than two sizes.

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), sections 6.4 and 8.4.

    Example:
        >>> model = DeepMLP([2, 5, 3], torch.tanh, generator=torch.Generator().manual_seed(0))
        >>> {name: tuple(value.shape) for name, value in model.state_dict().items()} == {
        ...     "layers.0.weight": (5, 2), "layers.0.bias": (5,), "layers.1.weight": (3, 5), "layers.1.bias": (3,)
        ... }
        True
        >>> expected = torch.randn((5, 2), generator=torch.Generator().manual_seed(0))  # √2 / √fan_in is 1 here
        >>> torch.allclose(model.layers[0].weight, expected)
        True
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: Callable[[Float[torch.Tensor, "..."]], Float[torch.Tensor, "..."]] = torch.relu,
        gain: float = math.sqrt(2.0),
        generator: torch.Generator | None = None,
    ):
        raise NotImplementedError

    def forward(self, x: Float[torch.Tensor, "N D"]) -> Float[torch.Tensor, "N C"]:
        """Compute the logits of every row.

        Args:
            x: one example a row, (N, D).

        Returns:
            The output of the last layer, (N, C), without an activation.

        Example:
            >>> model = DeepMLP([1, 1, 1], activation=torch.relu)
            >>> _ = model.load_state_dict({
            ...     "layers.0.weight": torch.tensor([[2.0]]), "layers.0.bias": torch.tensor([1.0]),
            ...     "layers.1.weight": torch.tensor([[-3.0]]), "layers.1.bias": torch.tensor([0.5])
            ... })
            >>> model(torch.tensor([[1.0], [-1.0]])).tolist()
            [[-8.5], [0.5]]
        """
        raise NotImplementedError


def layer_gradient_norms(
    model: torch.nn.Module, x: Float[torch.Tensor, "N D"], targets: Int[torch.Tensor, "N"]
) -> list[float]:
    """How large a gradient reaches each layer: the norms of the gradients of the mean cross-entropy.

    The norm of a weight matrix's gradient is the root of the sum of its squared entries; parameters of one axis do not count.
    The model is only looked at: its parameters stay as they are, and so do their `.grad`s, be they None or gradients that
    somebody else is still collecting. (A batch normalization in training mode takes note of the rows, as in any forward pass.)
    `torch.nn.functional.cross_entropy` and `torch.autograd.grad` may help.

    Args:
        model: any network that turns x into logits, (N, C), not only a `DeepMLP`. All its parameters have two axes (the
            weights of its layers) or one (biases, the scales of a normalization), and take part in the result.
        x: one example a row, (N, D).
        targets: the right class of every row, (N,), int64 from 0 to C - 1.

    Returns:
        A list of floats, one for each weight of two axes, in the order of `model.parameters()`: for a `DeepMLP` from the layer
        next to the input to the layer next to the output.

    Reference:
        Glorot & Bengio, Understanding the difficulty of training deep feedforward neural networks (2010), section 4.2.2.

    Example:
        >>> model = torch.nn.Linear(1, 2)
        >>> _ = torch.nn.init.zeros_(model.weight), torch.nn.init.zeros_(model.bias)
        >>> norms = layer_gradient_norms(model, torch.tensor([[6.0], [8.0]]), torch.tensor([0, 0]))  # (-3.5, 3.5)
        >>> [round(norm, 4) for norm in norms], model.weight.grad
        ([4.9497], None)
    """
    raise NotImplementedError


def diagnose_gradients(norms: Sequence[float], low: float = 1e-3, high: float = 1e3) -> str:
    """Say whether the gradients of a network that is about to be trained vanish, explode, or have a healthy size.

    Before training the loss is far from its minimum, so that no layer should be left without a gradient, or be flooded. The
    first of these rules that applies decides:

        1. "exploding" if any norm is at least `high`, infinite, or nan
        2. "vanishing" if any norm is at most `low`
        3. "healthy" otherwise

    Args:
        norms: what `layer_gradient_norms` returned, one number for each layer; none is negative.
        low, high: the thresholds, 0 ≤ low < high.

    Returns:
        One of the texts "vanishing", "exploding" and "healthy".

    Raises:
        ValueError: there are no norms.

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), section 8.2.5.

    Example:
        >>> diagnose_gradients([1e-5, 0.01, 0.5]), diagnose_gradients([1e5, 200.0, 0.5]), diagnose_gradients([0.2, 0.1])
        ('vanishing', 'exploding', 'healthy')
    """
    raise NotImplementedError
