"""Early stopping: end the training when the validation says so, and go back to the best weights. In PyTorch.

    stopping = EarlyStopping(patience=5)
    for epoch in range(max_epochs):
        train_one_epoch(model, ...)
        if stopping.step(validation_loss(model), model):
            break
    stopping.restore(model)

The model may be any `torch.nn.Module`, the metric any number that says how good it is on data that it was not trained on.
"""

import copy
import math

import torch


class EarlyStopping:
    """Remember the best epoch, with a copy of its weights, and tell when there has been none for too long.

    After every epoch `step` is told the metric and shown the model. The epoch is an improvement if the metric is better
    than the best so far by more than min_delta:

        mode "min": metric < best - min_delta        mode "max": metric > best + min_delta

    An improvement becomes the new best, its weights are copied, and the count of epochs without improvement starts from 0
    again. Every other epoch, also one whose metric is nan, adds 1 to that count, and leaves the best where it was. The
    training should stop when the count has reached patience.

    The weights are all that is in the model's `state_dict`, so also what is no parameter, like the running statistics of
    batch normalization. They are copied when they are the best: the model goes on training, and its tensors change.

    Args:
        patience: after how many epochs in a row without improvement to stop, at least 1.
        min_delta: by how much a metric must be better than the best to count; in the metric's own units, not a share.
        mode: "min" for a metric that should fall, "max" for one that should rise.

    Attributes:
        best: the best metric so far, a float: ∞ before the first in mode "min", -∞ in mode "max".
        best_epoch: the number of its epoch, an int from 0; None before the first improvement.

    Raises:
        ValueError: patience is less than 1, min_delta is negative, or mode is neither "min" nor "max".

    Reference:
        Prechelt, Early stopping - but when? (1998), section 2, the criterion UP. Goodfellow, Bengio & Courville, Deep
        Learning (2016), section 7.8, algorithm 7.1.

    Example:
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> stopping, asked = EarlyStopping(patience=2), []
        >>> for epoch, loss in enumerate((0.5, 0.25, 0.5, 0.375)):
        ...     _ = torch.nn.init.constant_(model.weight, 10.0 * epoch)  # this epoch's training
        ...     asked.append(stopping.step(loss, model))
        >>> asked, stopping.best, stopping.best_epoch
        ([False, False, False, True], 0.25, 1)
        >>> stopping.restore(model)
        >>> model.weight.item()
        10.0
    """

    def __init__(self, patience: int = 5, min_delta: float = 0.0, mode: str = "min"):
        raise NotImplementedError

    def step(self, metric: float, model: torch.nn.Module) -> bool:
        """Take note of an epoch that has just ended. The model is looked at and not changed.

        Returns:
            Whether the training should stop.
        """
        raise NotImplementedError

    def restore(self, model: torch.nn.Module) -> None:
        """Write the weights of the best epoch into the model, into the tensors that it has. It may be done again later.

        Raises:
            RuntimeError: no epoch has been an improvement yet.
        """
        raise NotImplementedError
