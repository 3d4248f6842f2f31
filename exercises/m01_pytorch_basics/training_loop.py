"""The training loop: an epoch of training, an evaluation, and both in turn, in PyTorch.

Everything that is learnt goes through these few lines: forward, loss, backward, step. Most ways to get them wrong raise
nothing and still train, only worse: gradients that are never cleared, a model that is evaluated in training mode, a mean
of means over batches of different sizes.

`batches` is any iterable of pairs (x, y), a list or a `torch.utils.data.DataLoader`; the last batch may be smaller. The
loss function takes the model's output and y and returns the mean loss over the rows of the batch, of shape (), as
`torch.nn.functional.cross_entropy` does. Batches lie where the model lies: there is nothing to move.

Letters: B rows in a batch.
"""

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Shaped
from torch import Tensor

Batches = Iterable[tuple[Shaped[Tensor, "B ..."], Shaped[Tensor, "B ..."]]]
LossFunction = Callable[[Tensor, Tensor], Tensor]


def train_one_epoch(
    model: torch.nn.Module, batches: Batches, optimizer: torch.optim.Optimizer, loss_function: LossFunction
) -> float:
    """Train on every batch once, in training mode: one step of the optimizer for each, in their order.

    The gradient of a step is that of its batch alone: whatever `.grad` held before, also from before this call, must
    not take part. The model goes through each batch once: a second pass would move the statistics of its normalization
    layers again. It is left in training mode.

    Args:
        model: trained in place.
        batches: pairs (x, y), iterated once.
        optimizer: of the model's parameters.
        loss_function: of output and targets; the mean loss over the rows of a batch.

    Returns:
        The mean loss over all rows, a float. Each row's loss is the one before the step of its batch, and every row
        weighs the same, whatever the size of its batch.

    Reference:
        PyTorch tutorials, Optimizing model parameters. Goodfellow, Bengio & Courville, Deep Learning (2016), algorithm
        8.1.

    Example:
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> _ = model.load_state_dict({"weight": torch.tensor([[1.0]])})
        >>> batches = [(torch.tensor([[1.0], [2.0]]), torch.zeros(2, 1)), (torch.tensor([[4.0]]), torch.zeros(1, 1))]
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> train_one_epoch(model, batches, optimizer, torch.nn.functional.mse_loss)  # (2.5 + 2.5 + 4.0) / 3
        3.0
        >>> round(model.weight.item(), 4)  # 1 - 0.1 · 5 = 0.5, and 0.5 - 0.1 · 16
        -1.1
    """
    raise NotImplementedError


def evaluate(model: torch.nn.Module, batches: Batches, loss_function: LossFunction) -> float:
    """The mean loss over all rows, in evaluation mode, without recording anything for a backward pass.

    Afterwards every module of the model is in the mode that it was in before, and each for itself: somebody may have
    frozen a part of a training model by putting it into evaluation mode. Parameters, their `.grad` and running
    statistics stay as they are, and autograd records, or does not, as it did before.

    Args:
        model: judged, not changed.
        batches: pairs (x, y), iterated once.
        loss_function: of output and targets; the mean loss over the rows of a batch.

    Returns:
        The mean loss over all rows, a float. Every row weighs the same, whatever the size of its batch.

    Reference:
        PyTorch documentation, Autograd mechanics, section "Evaluation mode".

    Example:
        >>> model = torch.nn.Dropout(0.5)
        >>> batches = [(torch.ones(2, 1), torch.zeros(2, 1)), (2.0 * torch.ones(1, 1), torch.zeros(1, 1))]
        >>> evaluate(model, batches, torch.nn.functional.mse_loss), model.training  # (1 + 1 + 4) / 3
        (2.0, True)
    """
    raise NotImplementedError


def fit(
    model: torch.nn.Module,
    train_batches: Batches,
    validation_batches: Batches,
    optimizer: torch.optim.Optimizer,
    loss_function: LossFunction,
    epochs: int,
) -> dict[str, list[float]]:
    """Train for some epochs, and after each of them look at rows that the model does not learn from.

    Use the two functions above. The validation loss says what the training loss cannot: whether the model has learnt or
    only memorized. Both kinds of batches are iterated anew in every epoch: a DataLoader then shuffles anew.

    Args:
        model: trained in place.
        train_batches: pairs (x, y) to learn from.
        validation_batches: pairs (x, y) to be judged on.
        optimizer: of the model's parameters.
        loss_function: of output and targets; the mean loss over the rows of a batch.
        epochs: how often to go through `train_batches`; may be 0.

    Returns:
        The history, {"train": [...], "validation": [...]}, with a float for every epoch in each: what
        `train_one_epoch` returned, and the loss over the validation rows after it.

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), section 7.8 and figure 7.3: learning curves.

    Example:
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> _ = model.load_state_dict({"weight": torch.tensor([[4.0]])})
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.25)  # halves the weight in every epoch
        >>> train, validation = [(torch.ones(1, 1), torch.zeros(1, 1))], [(torch.ones(2, 1), torch.ones(2, 1))]
        >>> fit(model, train, validation, optimizer, torch.nn.functional.mse_loss, epochs=3)
        {'train': [16.0, 4.0, 1.0], 'validation': [1.0, 0.0, 0.25]}
    """
    raise NotImplementedError
