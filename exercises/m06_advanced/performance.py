"""Doing the same with less: fewer operations, less memory, on the device that is there, in PyTorch.

None of this changes what is computed. What is checked beside the result is counted, not timed: operations, calls, tensors
that are kept.

Letters: N rows, D features, C clusters, B rows in a batch.
"""

import itertools
from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor


def vectorize_me(
    x: Float[Tensor, "N D"], labels: Int[Tensor, "N"], clusters: int, distance: Callable[[Tensor, Tensor], Tensor]
) -> Float[Tensor, "N"]:
    """The silhouette of every row: how much nearer it is to its own cluster than to the next one, from -1 to 1.

    For a row i, let m_c be the mean distance to the rows of cluster c; in its own cluster, to the *other* rows. With a the m_c
    of its own cluster and b the smallest m_c of the others, the silhouette is (b - a) / max(a, b), and 0 where the row is
    alone in its cluster. A cluster may be empty: it is then nobody's next one. At least two clusters are not, and no
    silhouette is 0 / 0.

    The program that stands here is right, and slow: it asks for one distance at a time. Write it without loops over rows or
    clusters, neither in Python nor in a comprehension: call `distance` once, and use at most 60 of PyTorch's operations,
    however many rows and clusters there are. Gradients go from the silhouettes back to `x`, as they do now.

    Args:
        x: (N, D).
        labels: the cluster of every row, (N,), int64 from 0 to clusters - 1.
        clusters: C.
        distance: from tensors (..., D) whose leading axes are broadcast against each other to distances (...), such as
            `lambda a, b: (a - b).abs().sum(-1)`. It is symmetric, and 0 between a row and itself, as is its gradient there.

    Returns:
        The silhouettes, (N,), of the dtype of `x`.

    Reference:
        Rousseeuw, Silhouettes: a graphical aid to the interpretation and validation of cluster analysis (1987), section 2.

    Example:
        >>> x, labels = torch.tensor([[0.0], [1.0], [4.0], [6.0]]), torch.tensor([0, 0, 1, 1])
        >>> silhouettes = vectorize_me(x, labels, 2, lambda a, b: (a - b).abs().sum(-1))
        >>> [round(value, 4) for value in silhouettes.tolist()]  # (5 - 1) / 5, (4 - 1) / 4, (3.5 - 2) / 3.5, …
        [0.8, 0.75, 0.4286, 0.6364]
    """
    silhouettes = []
    for i in range(len(x)):
        means = {}
        for c in range(clusters):
            found = [distance(x[i], x[j]) for j in range(len(x)) if labels[j] == c and j != i]
            if found:
                means[c] = sum(found) / len(found)
        own = int(labels[i])
        if own in means:
            a, b = means.pop(own), min(means.values())
            silhouettes.append((b - a) / max(a, b))
        else:
            silhouettes.append(torch.zeros((), dtype=x.dtype))
    return torch.stack(silhouettes)


def accumulate_gradients(
    model: torch.nn.Module,
    loss_function: Callable[[Tensor, Tensor], Tensor],
    batches: Iterable[tuple[Shaped[Tensor, "B ..."], Shaped[Tensor, "B ..."]]],
    optimizer: torch.optim.Optimizer,
    every: int,
) -> list[float]:
    """Train with large batches on a device that holds small ones: one step of the optimizer for every few batches.

    Each step follows the gradient of the mean loss over *all rows* of its batches, as if they were one batch: a row of a
    small batch counts as much as one of a large batch. `loss_function` gives the mean over the rows of one batch. The
    last step may have fewer batches than `every`, and is taken all the same.

    Each batch is walked back before the next one goes through the model, so that one batch at a time is kept in
    activations. Read at most `every` batches ahead: they may come from a stream that does not fit into memory. Whatever
    `.grad` holds before a step's first batch does not take part.

    Args:
        model: trained in place.
        loss_function: of output and targets of a batch; returns the mean over its rows, of shape ().
        batches: pairs (x, y); iterated once.
        optimizer: of the model's parameters.
        every: how many batches make a step, at least 1.

    Returns:
        For each step the mean loss over all its rows before the step, a float.

    Reference:
        Ott et al., Scaling Neural Machine Translation (2018), section 3.2, on cumulating gradients.

    Example:
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> _ = model.load_state_dict({"weight": torch.tensor([[1.0]])})
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.125)
        >>> batches = [(torch.tensor([[1.0], [2.0]]), torch.zeros(2, 1)), (torch.tensor([[1.0]]), torch.zeros(1, 1))]
        >>> losses = accumulate_gradients(model, torch.nn.functional.mse_loss, batches, optimizer, every=2)
        >>> [round(loss, 4) for loss in losses]  # (1 + 4 + 1) / 3
        [2.0]
        >>> round(model.weight.item(), 4)  # 1 - 0.125 · (2 + 8 + 2) / 3
        0.5
    """
    raise NotImplementedError


def checkpoint_segments(
    layers: torch.nn.Sequential, x: Float[Tensor, "B ..."], segments: int
) -> Float[Tensor, "B ..."]:
    """Run layers one behind the other, but keep only the input of each segment; compute the rest again when it is needed.

    A backward pass needs the activations of all layers, and they are what fills the memory. Here the layers are cut into
    segments whose sizes differ by one at most. On the way forward a segment runs without recording, and its input is kept.
    On the way back it runs once more from there, now recording, and is walked back at once. So every layer runs twice, and
    what is kept at any time is the inputs of the segments and the activations of one.

    Write a `torch.autograd.Function` for a segment; `torch.utils.checkpoint`, which has one ready, is for later. Mind two
    things. A Function only gives gradients to tensors that it was called with: hand it the parameters too. And a layer that
    draws random numbers, like dropout, has to draw the same ones again: keep `torch.get_rng_state()`, and set that state
    inside `torch.random.fork_rng(devices=[])`, which puts everything back afterwards.

    Args:
        layers: at least one. Some of their parameters may be frozen.
        x: what the first of them takes, on the CPU; it may or may not require a gradient.
        segments: into how many parts to cut, at least 1 and at most as many as there are layers.

    Returns:
        What `layers(x)` returns, with the same gradients for x and all parameters.

    Raises:
        ValueError: there are not that many segments to be had.

    Reference:
        Chen, Xu, Zhang & Guestrin, Training Deep Nets with Sublinear Memory Cost (2016), section 3.

    Example:
        >>> layers = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.Tanh(), torch.nn.Linear(1, 1))
        >>> x = torch.tensor([[2.0]], requires_grad=True)
        >>> y = checkpoint_segments(layers, x, segments=2)
        >>> y.backward()
        >>> bool(y == layers(x)), bool((layers[2].bias.grad == 1.0).all())
        (True, True)
    """

    raise NotImplementedError


def to_device(data: object, device: torch.device | str | None = None) -> object:
    """Bring everything in a batch to a device, however deep it is nested.

    Whatever has a method `to`, as tensors, modules and packed sequences do, is asked for `to(device)`. Else lists, tuples and
    dicts, those of a subclass too, give new ones with the same keys in the same order: a list, a tuple, a dict; a named
    tuple gives one of its own class. Anything else, numbers, texts and None for example, is handed on as it is. What was
    given does not change, but for a module, which moves itself.

    Args:
        data: a tensor, a container of such things, or anything.
        device: where to; with None it is "cuda" if `torch.cuda.is_available()`, and "cpu" otherwise.

    Returns:
        The like of `data`, on the device.

    Reference:
        PyTorch documentation, `torch.Tensor.to`, and CUDA semantics, "Device-agnostic code".

    Example:
        >>> batch = {"x": [torch.ones(2), torch.ones(3)], "size": (torch.tensor(1), 7), "name": "a"}
        >>> moved = to_device(batch, "meta")  # a device that knows shapes and no numbers
        >>> [x.device.type for x in moved["x"]], moved["size"][0].device.type, moved["size"][1], moved["name"]
        (['meta', 'meta'], 'meta', 7, 'a')
    """
    raise NotImplementedError
