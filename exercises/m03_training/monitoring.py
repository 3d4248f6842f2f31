"""Monitoring: write down what happens in a training, and read its curves. PyTorch, TensorBoard and NumPy.

What `log_training_run` writes can be looked at while the training runs: `tensorboard --logdir runs`, in a browser.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from jaxtyping import Float

sys.modules.setdefault("tensorboard.compat.notf", ModuleType("notf"))  # or TensorBoard imports TensorFlow where it can
from torch.utils.tensorboard import SummaryWriter  # noqa: E402

Epoch = tuple[Mapping[str, float], Mapping[str, Float[torch.Tensor, "..."]]]  # its metrics; the weights after it


def log_training_run(log_dir: str | Path, run: Iterable[Epoch]) -> None:
    """Write a training run for TensorBoard, epoch by epoch: a scalar for every metric, a histogram for every weight.

    The training itself happens inside `run`: each time the next pair is asked for, an epoch is trained. So take one pair,
    write it, and only then ask for the next.

    A metric is written under its own name, a weight under "weights/" and its name. The step of both is the number of the
    epoch, from 0; an epoch may lack a metric that others have. When the function is left, all of it is in the folder and
    the writer is closed, also if `run` breaks off with an exception, which is passed on.

    Args:
        log_dir: the folder to write to. It is made if it is not there; files that are in it stay as they are.
        run: for each epoch a pair: the metrics, like {"loss/train": 0.3}, and the weights by name, like a `state_dict`,
            tensors of any shape.

    Reference:
        `torch.utils.tensorboard.SummaryWriter`: `add_scalar`, `add_histogram`, and its use in a `with` statement.

    Returns:
        Nothing.

    Example:
        >>> import tempfile
        >>> from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
        >>> epochs = [({"loss/train": 0.5}, {"bias": torch.zeros(2)}), ({"loss/train": 0.25}, {"bias": torch.ones(2)})]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     log_training_run(folder, epochs)
        ...     written = EventAccumulator(folder, size_guidance={"histograms": 0}).Reload()
        >>> [(scalar.step, scalar.value) for scalar in written.Scalars("loss/train")]
        [(0, 0.5), (1, 0.25)]
        >>> [(event.step, event.histogram_value.max) for event in written.Histograms("weights/bias")]
        [(0, 0.0), (1, 1.0)]
    """
    raise NotImplementedError


def learning_curve_diagnosis(
    train_losses: Sequence[float],
    validation_losses: Sequence[float],
    target: float,
    window: int = 1,
    tolerance: float = 0.1,
) -> str:
    """Tell from its two learning curves what is wrong with a training, if anything.

    Single epochs are noisy, so losses are averaged over `window` epochs in a row. Let `train` and `validation` be the
    means of the last `window` losses of each curve, and `low` the lowest mean of any `window` validation losses in a row.
    The first rule that holds decides:

    1. "underfitting": train > target. The model has not even learnt what it was shown.
    2. "overfitting": validation > (1 + tolerance) · target, so that what was learnt does not carry over; or
       validation > (1 + tolerance) · low, so that it did carry over better before.
    3. "good fit".

    Args:
        train_losses: the loss on the training data after every epoch, positive.
        validation_losses: the loss on other data after the same epochs, positive.
        target: the largest loss that is good enough.
        window: over how many epochs to average, at least 1.
        tolerance: the share by which the validation loss may lie above what it is compared with.

    Returns:
        "underfitting", "overfitting" or "good fit".

    Raises:
        ValueError: the two curves differ in length, have fewer than `window` epochs, or hold a loss that is not finite.

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), sections 5.2 and 11.3 (figure 5.3 for the picture).

    Example:
        >>> learning_curve_diagnosis([0.9, 0.8, 0.7], [0.9, 0.8, 0.8], target=0.5)
        'underfitting'
        >>> learning_curve_diagnosis([0.8, 0.4, 0.1], [0.8, 0.4, 0.5], target=0.5)
        'overfitting'
        >>> learning_curve_diagnosis([0.8, 0.4, 0.3], [0.8, 0.5, 0.4], target=0.5)
        'good fit'
    """
    raise NotImplementedError
