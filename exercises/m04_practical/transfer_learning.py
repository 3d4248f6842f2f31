"""Transfer learning: the parts of a network that somebody trained, put to a new use, in PyTorch.

Networks here are any `torch.nn.Module`. Their layers are named as `named_modules` names them ("head", "body.2"), and lists
of layers go from the input to the output. All functions but `feature_extract` change the network that they are given.

Letters: N rows, D features of a layer's input, F features of a layer's output, K classes.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn


def freeze(module: nn.Module) -> None:
    """Make a layer, with all layers inside it, keep what it has learned.

    Three things would still change it, or what it computes:

    - Its parameters get gradients: they shall no longer require any.
    - A gradient of an earlier step is still there: an optimizer that holds the parameter would go on. Every `grad`
      becomes None. With a gradient of zero, weight decay and momentum would go on, too.
    - In training mode batch normalisation goes on to average what it sees, and dropout goes on to drop: the layer goes
      into evaluation mode. (A later `model.train()` undoes this one; freeze again after it.)

    Args:
        module: the layer, or a whole network; changed in place.

    Returns:
        None.

    Reference:
        Yosinski, Clune, Bengio & Lipson, How transferable are features in deep neural networks? (2014), section 2.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> layer(torch.ones(2)).backward()
        >>> freeze(layer)
        >>> layer.weight.requires_grad, layer.weight.grad, layer.training
        (False, None, False)
    """
    raise NotImplementedError


def replace_head(model: nn.Module, name: str, classes: int, generator: torch.Generator) -> nn.Linear:
    """Put a new linear layer in the place of the one called `name`, for another number of classes.

    The new layer takes as many inputs, lies on the same device in the same dtype, and has a bias only if the old one has
    one. It can be trained even where all the rest is frozen. Nothing else of the network changes.

    Args:
        model: the network, changed in place.
        name: of a `torch.nn.Linear`, with dots where it lies deeper: "head" or "classifier.2".
        classes: the number of its outputs, K.
        generator: draws the new weight (K, D) and then the bias (K,), if there is one, each in its dtype with
            `uniform_(-r, r, generator=generator)` and r = 1 / √D, and nothing else. (This is how PyTorch begins a linear
            layer, but for the generator.)

    Returns:
        The new layer.

    Raises:
        TypeError: the layer of this name is not a `torch.nn.Linear`.

    Reference:
        Donahue et al., DeCAF: a deep convolutional activation feature for generic visual recognition (2014), section 4.

    Example:
        >>> model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Sequential(nn.Linear(3, 10)))
        >>> head = replace_head(model, "2.0", 5, torch.Generator().manual_seed(0))
        >>> model(torch.ones(2, 4)).shape, model[2][0] is head
        (torch.Size([2, 5]), True)
    """
    raise NotImplementedError


def parameter_groups(layers: Sequence[nn.Module], lr: float, decay: float = 2.6) -> list[dict]:
    """Groups for an optimizer that give the last layer the learning rate `lr`, and each one before it a smaller one.

    Early layers have learned what is of use for any task (edges, strokes) and shall move little. The last group gets `lr`,
    the group before it lr / decay, the next lr / decay², and so on. Only parameters that require gradients are listed, in
    the order of `parameters()`. A layer that has none of them makes no group, and those before it count on as if it were
    not there. A parameter that several layers share is listed once, with the last of them.

    Args:
        layers: from the input to the output.
        lr: the learning rate of the last group.
        decay: how much smaller the learning rate gets from a group to the one before it.

    Returns:
        A list of dicts {"params": [parameters], "lr": learning rate}, from the input to the output; it can be handed to any
        optimizer of `torch.optim`.

    Reference:
        Howard & Ruder, Universal language model fine-tuning for text classification (2018), section 3.2.

    Example:
        >>> layers = [nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1, bias=False)]
        >>> [(len(group["params"]), group["lr"]) for group in parameter_groups(layers, lr=0.5, decay=5.0)]
        [(2, 0.1), (1, 0.5)]
    """
    raise NotImplementedError


def gradual_unfreeze(layers: Sequence[nn.Module], epoch: int, every: int = 1) -> int:
    """Set the layers for an epoch: at first only the last can learn, and every `every` epochs one more, from the end on.

    So the new head finds its way before the layers under it begin to follow its gradients. Call it at the start of each
    epoch, and of the first one above all. In epoch 0 one layer is open, in epoch `every` two, in epoch 2 · `every` three,
    until all are.

    Args:
        layers: from the input to the output; changed in place. Open ones go into training mode and all their parameters
            require gradients. The others are frozen, as `freeze` does it.
        epoch: from 0.
        every: how many epochs there are between two layers.

    Returns:
        How many layers are open.

    Reference:
        Howard & Ruder, Universal language model fine-tuning for text classification (2018), section 3.3.

    Example:
        >>> layers = [nn.Linear(2, 2) for _ in range(3)]
        >>> [gradual_unfreeze(layers, epoch, every=2) for epoch in range(6)]
        [1, 1, 2, 2, 3, 3]
        >>> gradual_unfreeze(layers, 2, every=2), [layer.weight.requires_grad for layer in layers]
        (2, [False, True, True])
    """
    raise NotImplementedError


def feature_extract(
    model: nn.Module, layer: str, x: Shaped[Tensor, "N *_"], batch_size: int = 256
) -> Float[Tensor, "N F"]:
    """What a layer inside the network makes of every row of x: features for another, simpler model.

    Register a forward hook at the layer and send x through the network in batches. The network has to come out as it went in:

    - It works in evaluation mode, and afterwards every layer is in the mode in which it was. Layers can differ in it, so
      `model.train()` will not do.
    - The hook is removed, even if the network fails with an exception.
    - Nothing is recorded by autograd, and afterwards it records only if it did before. The features are ordinary tensors:
      another model can learn from them.

    The next layer may work in place (`nn.ReLU(inplace=True)`) and write over what your hook was shown. The features are what
    the layer returned.

    Args:
        model: the network; it takes batches of x, and its first layer does not write into them.
        layer: the name of a layer inside it that is used once, and whose output is one tensor of at least two axes.
        x: N rows, at least one, (N, ...).
        batch_size: how many rows to send at a time, to bound the memory; the last batch may be smaller.

    Returns:
        The layer's output for all rows, in its dtype, with all axes but the first flattened to one: (N, F).

    Reference:
        Razavian, Azizpour, Sullivan & Carlsson, CNN features off-the-shelf (2014), section 3. `register_forward_hook`.

    Example:
        >>> model = nn.Sequential(nn.Hardtanh(), nn.ReLU(inplace=True), nn.Linear(2, 1))
        >>> feature_extract(model, "0", torch.tensor([[0.5, -3.0]])).tolist()  # Hardtanh limits to [-1, 1]
        [[0.5, -1.0]]
    """
    raise NotImplementedError
