"""A project from end to end in PyTorch: from raw images and labels to a file that answers for new images, and its card.

Everything here takes the images as they come: nobody has to scale them before. What is done to them is part of the model
and is saved with it, so that it is done in the same way in training and in use.

Letters: N images, Y their height, X their width, C classes, B images in a batch.
"""

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Real
from torch import Tensor
from torch.nn import functional as F

Part = tuple[Float[Tensor, "N Y X"], Int[Tensor, "N"]]  # images and their labels


class _Standardize(torch.nn.Module):
    """(x - mean) / std. Both are buffers: no optimizer moves them, and the state_dict holds them."""

    def __init__(self, mean: Float[Tensor, ""], std: Float[Tensor, ""]):
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return (x - self.mean) / self.std


def build_datasets(
    images: Real[np.ndarray, "N Y X"],
    labels: Int[np.ndarray, "N"],
    validation: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
) -> dict[str, Part]:
    """Split the images at random into a part to learn from, one to choose by, and one that is looked at once, at the end.

    Every image is in exactly one part, together with its label. Each class is split by itself: of its n images the
    validation part gets `validation` · n and the test part `test` · n, each to within less than one image (round as you
    like), and the training part gets the rest. Which ones is drawn at random.

    Args:
        images: of any real dtype.
        labels: the class of every image, in any integer dtype and any order.
        validation: the fraction for the validation part.
        test: the fraction for the test part.
        seed: rules the split: the same seed gives the same parts, another one others.

    Returns:
        A dict with the keys "train", "validation" and "test", each a tuple (images, labels): a float32 tensor (n, Y, X)
        with the values as they came, and an int64 tensor (n,), in any order.

    Raises:
        ValueError: there are not as many labels as images; a fraction is not above 0; or both together are not below 1.

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), section 5.3. Kohavi, A study of cross-validation and
        bootstrap for accuracy estimation and model selection (1995), section 2.2.

    Example:
        >>> images, labels = np.zeros((50, 8, 8)), np.arange(50) % 5
        >>> parts = build_datasets(images, labels, validation=0.2, test=0.3)
        >>> {name: y.bincount().tolist() for name, (x, y) in parts.items()}
        {'train': [5, 5, 5, 5, 5], 'validation': [2, 2, 2, 2, 2], 'test': [3, 3, 3, 3, 3]}
    """
    raise NotImplementedError


def build_model(
    images: Float[Tensor, "N Y X"], classes: int, width: int = 128, dropout: float = 0.2, seed: int = 0
) -> torch.nn.Module:
    """Make an untrained classifier. Its layers are your decision; a few things everybody must be able to rely on.

    - It takes raw images (B, Y, X), float32, and returns logits (B, C), float32. In evaluation mode, in which B may be 1,
      the logits of an image depend on that image and the model's state alone, not on the rest of the batch.
    - First of all it subtracts the mean of all pixels of `images`, one number, and divides by their standard deviation
      (divisor n or n - 1); one of 0 counts as 1. `_Standardize` above does that. Where all images of a project come in other
      units, the model is then the same.
    - At least one layer is not linear, so that it can do more than a linear classifier.
    - In training mode it switches hidden units off at random (`torch.nn.Dropout`) with probability `dropout`.
    - A larger `width` gives more parameters. At the defaults, with images of 8 × 8 and 10 classes, there are at most
      50 000. All of them are trained.
    - What it needs to answer is in its `state_dict()`: two models made with the same `width` for images of one size
      give the same logits once one has loaded the state of the other.

    Args:
        images: those of the training part, at least 5 × 5.
        classes: C, at least 2.
        width: how large the model is, from 8 on, a multiple of 4.
        dropout: from 0 to below 1.
        seed: rules the first weights: the same seed gives the same, another one others. torch's global generator may be
            seeded with it.

    Returns:
        The model, with an attribute `config` that holds what it was made with:
        {"shape": (Y, X), "classes": C, "width": width, "dropout": dropout}.

    Reference:
        LeCun, Bottou, Orr & Müller, Efficient BackProp (1998), section 4.3. Srivastava et al., Dropout (2014), section 4.

    Example:
        >>> model = build_model(torch.arange(240.0).reshape(6, 8, 5), classes=3, width=16)
        >>> model(torch.zeros(7, 8, 5)).shape, model.config
        (torch.Size([7, 3]), {'shape': (8, 5), 'classes': 3, 'width': 16, 'dropout': 0.2})
    """
    raise NotImplementedError


def train(
    model: torch.nn.Module,
    train_part: Part,
    validation_part: Part,
    epochs: int = 30,
    lr: float = 3e-3,
    batch_size: int = 32,
    weight_decay: float = 0.01,
    seed: int = 0,
) -> dict[str, list[float]]:
    """Train a classifier with AdamW on the cross-entropy, and leave it with the weights of its best epoch.

    An epoch goes once through the images of the training part, in an order drawn anew, in batches of `batch_size` of which
    the last may be smaller. Each batch is one forward pass in training mode and one step of a `torch.optim.AdamW` (with
    `lr` and `weight_decay`, made once for all epochs) on the mean cross-entropy of the batch. Then the validation part is
    judged as `evaluate` does; nothing is ever learnt from it.

    The best epoch is the one with the lowest validation loss, the first of them if there are several; at least one loss is
    finite. In the end the model has the state that it had after that epoch, running statistics included, and is in evaluation mode.

    Args:
        model: any classifier of images, changed in place.
        train_part: images and labels to learn from.
        validation_part: images and labels to choose the epoch by.
        epochs: at least 1.
        lr: the learning rate.
        batch_size: how many images a step sees.
        weight_decay: how fast AdamW shrinks the weights.
        seed: rules all that is random, the orders and dropout: call `torch.manual_seed(seed)` first. The same call for
            the same model then gives the same weights, another seed others.

    Returns:
        The history, a dict of three lists with a float for each epoch: "train_loss", the mean over the images, each taken
        from its forward pass before the step, and "validation_loss" and "validation_accuracy" after the epoch.

    Reference:
        Loshchilov & Hutter, Decoupled weight decay regularization (2019), algorithm 2. Prechelt, Early stopping - but
        when? (1998), section 1.

    Example:
        >>> x, y = torch.randn(60, 8, 8, generator=torch.Generator().manual_seed(1)), torch.arange(60) % 2
        >>> x[y == 1] += 3.0
        >>> model = build_model(x, classes=2, width=8)
        >>> history = train(model, (x[:40], y[:40]), (x[40:], y[40:]), epochs=5)
        >>> [len(values) for values in history.values()], history["validation_accuracy"][-1], model.training
        ([5, 5, 5], 1.0, False)
    """
    raise NotImplementedError


def evaluate(model: torch.nn.Module, part: Part, batch_size: int = 256) -> dict[str, Any]:
    """Judge a classifier on a part of the data: how often is it right, and what does it take for what?

    The model is put into evaluation mode and stays in it. Nothing is recorded for a backward pass (but what comes after
    the call can be again), no weight and no running statistic moves.

    Args:
        model: any classifier of images.
        part: images and labels, at least one.
        batch_size: how many images the model is given at most in one call. It does not change the result.

    Returns:
        {"images": N, "loss": the mean cross-entropy over the images, "accuracy": the share of images whose largest logit
        is that of their label, "confusion": an int64 tensor (C, C)}. Row i, column j of the confusion matrix counts the
        images of class i that were taken for class j. C is the number of logits. The first is an int, the next two are
        floats.

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), section 11.1. Stehman, Selecting and interpreting measures of
        thematic classification accuracy (1997), section 2.

    Example:
        >>> logits = torch.tensor([[[3.0, 0.0]], [[0.0, 3.0]], [[2.0, 0.0]], [[2.0, 0.0]]])  # "images" of 1 × 2 pixels
        >>> report = evaluate(torch.nn.Flatten(), (logits, torch.tensor([0, 1, 1, 0])))
        >>> report["images"], round(report["loss"], 4), report["accuracy"], report["confusion"].tolist()
        (4, 0.5878, 0.75, [[2, 0], [1, 1]])
    """
    raise NotImplementedError


def export_model(model: torch.nn.Module, path: str | Path) -> None:
    """Write a file from which `predict` can answer, without a line of code in it.

    `torch.save(model, path)` would write a pickle that names your classes: whoever loads it runs what it says, and it
    breaks as soon as the code is moved. Save plain data instead: a dict {"config": ..., "state_dict": ...} with the
    model's `config` (see `build_model`) and its whole `state_dict()`. `torch.load(path, weights_only=True)` reads it.

    Args:
        model: trained or not; has an attribute `config`. It is not changed.
        path: of the file, in a folder that exists. A file that is there is replaced; nothing else is written.

    Returns:
        None.

    Reference:
        PyTorch documentation, "Saving and loading models", and `torch.load`, argument weights_only.

    Example:
        >>> import tempfile
        >>> model = build_model(torch.arange(240.0).reshape(6, 8, 5), classes=3, width=16)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     export_model(model, f"{folder}/model.pt")
        ...     torch.load(f"{folder}/model.pt", weights_only=True)["config"]
        {'shape': (8, 5), 'classes': 3, 'width': 16, 'dropout': 0.2}
    """
    raise NotImplementedError


def predict(path: str | Path, images: Real[np.ndarray, "N Y X"]) -> Int[np.ndarray, "N"]:
    """Answer for raw images with a model from a file, as a program would that knows nothing of the training.

    Make the model anew with `build_model` from the file's config, load its state, and mind the mode. The training images
    are not at hand: any images of the right size will do, since the statistics come with the state. Like `build_model`,
    this may seed torch's global generator.

    Args:
        path: of a file that `export_model` has written.
        images: of any real dtype, in the units of the training images; none at all is allowed.

    Returns:
        The predicted classes, an int64 NumPy array.

    Raises:
        ValueError: `images` is not (N, Y, X) with the Y and X that the model was made for.
        pickle.UnpicklingError: the file holds more than tensors and plain data.

    Reference:
        Sculley et al., Hidden technical debt in machine learning systems (2015), section 4.

    Example:
        >>> import tempfile
        >>> model = build_model(torch.arange(240.0).reshape(6, 8, 5), classes=3, width=16).eval()
        >>> images = np.random.default_rng(0).integers(0, 240, (7, 8, 5))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     export_model(model, f"{folder}/model.pt")
        ...     labels = predict(f"{folder}/model.pt", images)
        >>> labels.tolist() == model(torch.tensor(images).float()).argmax(dim=1).tolist()
        True
    """
    raise NotImplementedError


def model_card(report: dict[str, Any], sizes: dict[str, int]) -> str:
    """Write the page that goes with the model: what it is for, what it was made from, how good it is, where it fails.

    It is Markdown. Its first line is a title, `# …`; then come five sections, each once and in this order, under
    `## Intended use`, `## Data`, `## Metrics`, `## Limitations` and `## Ethical considerations`. All but the metrics are
    yours to write, in at least 20 words each (read the README about the data first), and hold nothing left to fill in. The
    numbers are not typed in but come from the arguments:

    - "Data" tells the size of every part.
    - "Metrics" tells the number of images, the loss and the accuracy of `report`, the latter two with four decimals (0.9815,
      no percentage), and has a table with a row for every class, which reads `| class | images | recall |`: the images of
      the class, and the share of them that was recognised, with four decimals, or `n/a` for a class without images.
    - "Limitations" names the most frequent error as `true → predicted`, for example `8 → 1`: the largest number off the
      diagonal of the confusion matrix, the first of them in reading order if there are several. A model without errors has
      none, and then there is no arrow.

    Args:
        report: of the test part, from `evaluate`.
        sizes: the number of images in "train", "validation" and "test".

    Returns:
        The page.

    Reference:
        Mitchell et al., Model cards for model reporting (2019), section 4.

    Example:
        >>> report = {"images": 5, "loss": 0.25, "accuracy": 0.8, "confusion": torch.tensor([[2, 1], [0, 2]])}
        >>> lines = model_card(report, {"train": 20, "validation": 4, "test": 5}).splitlines()
        >>> [line for line in lines if line.startswith("## ")][2], "| 0 | 3 | 0.6667 |" in lines
        ('## Metrics', True)
    """
    raise NotImplementedError
