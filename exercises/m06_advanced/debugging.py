"""Seven broken programs to repair, and three tools that would have found the faults, in PyTorch.

The first seven functions are complete programs. Each of them runs, raises nothing, and is wrong in one place. The docstring
says what the program is meant to do, and the symptom is what somebody saw who ran it. Find the cause before you change
anything: an experiment of a few lines tells more than looking at the code. What you change is up to you; only what the
program does is checked. The last three tasks are to be written from scratch.

A loss function takes the model's output and the targets and returns the mean loss over rows, of shape (). Losses are
returned as floats.

Letters: N rows, D features, C classes, M units, B sequences, T positions.
"""

import copy
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

LossFunction = Callable[[Tensor, Tensor], Tensor]


def train_without_memory(
    model: torch.nn.Module,
    loss_function: LossFunction,
    batches: Sequence[tuple[Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
    epochs: int,
) -> list[float]:
    """Train on batches. Each step follows the gradient of its own batch alone, whatever `.grad` held before, also the first.

    Symptom: the loss falls quickly at first, shoots past its minimum, and swings up and down with growing strength. A
    smaller learning rate only delays that. On a single batch for a single epoch everything is right.

    Args:
        model: trained in place.
        loss_function: of output and targets.
        batches: pairs (x, y), gone through in their order in every epoch.
        optimizer: of the model's parameters.
        epochs: how often to go through the batches.

    Returns:
        For each epoch the mean over its batches of the loss before the batch's step.

    Reference:
        PyTorch documentation, `torch.optim.Optimizer.zero_grad`.

    Example:
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> _ = model.load_state_dict({"weight": torch.tensor([[8.0]])})
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.25)  # halves the weight in each of these steps
        >>> batches = [(torch.ones(1, 1), torch.zeros(1, 1))]
        >>> train_without_memory(model, torch.nn.functional.mse_loss, batches, optimizer, epochs=3)
        [64.0, 16.0, 4.0]
    """
    history = []
    for _ in range(epochs):
        losses = []
        for x, y in batches:
            loss = loss_function(model(x), y)  # ()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        history.append(sum(losses) / len(losses))
    return history


def train_with_double_softmax(
    model: torch.nn.Module,
    x: Float[Tensor, "N D"],
    y: Int[Tensor, "N"],
    optimizer: torch.optim.Optimizer,
    steps: int,
) -> list[float]:
    """Train a classifier with cross-entropy, all rows in every step.

    Symptom: the accuracy is good, but the loss comes down slowly and stops far above zero, at 0.55 with three classes,
    though every row is classified rightly and the model is very sure.

    Args:
        model: from (N, D) to logits (N, C), which may be of any size; trained in place.
        x: inputs, (N, D).
        y: the right classes, (N,), int64.
        optimizer: of the model's parameters.
        steps: how many steps to take.

    Returns:
        The mean cross-entropy over the rows before each step.

    Reference:
        PyTorch documentation, `torch.nn.CrossEntropyLoss`.

    Example:
        >>> model = torch.nn.Linear(1, 2, bias=False)
        >>> _ = model.load_state_dict({"weight": torch.tensor([[3.0], [1.0]]).log()})  # p = ¾, ¼
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
        >>> losses = train_with_double_softmax(model, torch.ones(1, 1), torch.tensor([0]), optimizer, steps=50)
        >>> round(losses[0], 4), losses[-1] < 0.02
        (0.2877, True)
    """
    losses = []
    for _ in range(steps):
        probabilities = model(x).softmax(dim=1)  # (N, C)
        loss = torch.nn.functional.cross_entropy(probabilities, y)  # ()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def evaluate_model(model: torch.nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> float:
    """The accuracy of a classifier, measured without changing it.

    Dropout is off and batch normalization uses its running statistics, which stay as they are, as do parameters and their
    `.grad`. Afterwards the model is in the mode, training or evaluation, that it was in before, and gradients are recorded,
    or not, as they were.

    Symptom: two evaluations in a row give different accuracies, both too low, and the model gives other answers afterwards
    than before, though nobody has trained it.

    Args:
        model: from (B, D) to scores (B, C).
        batches: pairs (x, y) of inputs (B, D) and right classes (B,), int64; B may differ from batch to batch.

    Returns:
        The share of all rows whose largest score is that of the right class, a float.

    Reference:
        PyTorch documentation, Autograd mechanics, "Evaluation mode".

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Dropout(0.9), torch.nn.Identity())
        >>> x, y = torch.tensor([[2.0, 1.0], [0.0, 3.0], [1.0, 2.0]]), torch.tensor([0, 1, 0])
        >>> round(evaluate_model(model, [(x[:2], y[:2]), (x[2:], y[2:])]), 4), model.training
        (0.6667, True)
    """
    right, rows = 0, 0
    with torch.no_grad():
        for x, y in batches:
            right += (model(x).argmax(dim=1) == y).sum().item()
            rows += len(y)
    return right / rows


def train_through_detach(
    encoder: torch.nn.Module,
    head: torch.nn.Module,
    x: Float[Tensor, "N D"],
    y: Float[Tensor, "N C"],
    optimizer: torch.optim.Optimizer,
    steps: int,
) -> list[float]:
    """Train an encoder and a head together to predict y: features = encoder(x), scaled to length 1 in each row; then head.

    The gradient of the squared error goes all the way: through the head, through the scaling, into the encoder. A parameter
    that is frozen stays as it is.

    Symptom: the loss falls a little and then no more, however long one trains. The parameters of the encoder are those of
    the beginning.

    Args:
        encoder: from (N, D) to features (N, M), no row of which is zero; trained in place.
        head: from (N, M) to (N, C); trained in place.
        x: inputs, (N, D).
        y: targets, (N, C).
        optimizer: of the parameters of both.
        steps: how many steps to take.

    Returns:
        The mean squared error before each step.

    Reference:
        PyTorch documentation, `torch.Tensor.detach`.

    Example:
        >>> encoder, head = torch.nn.Linear(1, 2, bias=False), torch.nn.Linear(2, 1, bias=False)
        >>> _ = encoder.load_state_dict({"weight": torch.tensor([[3.0], [4.0]])})  # features (0.6, 0.8)
        >>> _ = head.load_state_dict({"weight": torch.tensor([[0.0, 5.0]])})
        >>> optimizer = torch.optim.SGD(encoder.parameters(), lr=1.0)
        >>> losses = train_through_detach(encoder, head, torch.ones(1, 1), torch.zeros(1, 1), optimizer, steps=2)
        >>> round(losses[0], 3), losses[1] < losses[0]
        (16.0, True)
    """
    losses = []
    for _ in range(steps):
        features = encoder(x).detach()  # (N, M)
        features = features / features.norm(dim=1, keepdim=True)  # (N, M)
        loss = (head(features) - y).square().mean()  # ()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def split_and_normalise(
    x: Float[Tensor, "N D"], y: Shaped[Tensor, "N"], test_rows: int, generator: torch.Generator
) -> tuple[Float[Tensor, "_ D"], Shaped[Tensor, "_"], Float[Tensor, "_ D"], Shaped[Tensor, "_"]]:
    """Set rows aside for a test, and normalise all of them with what is known without those.

    The rows are put in random order, and the first `test_rows` of that order are the test, the others the training rows. A
    feature v becomes (v - mean) / √(variance + 0.00001), where mean and variance (the mean squared distance from the mean)
    are those of the *training* rows: of the test rows nothing is known yet when a model is trained.

    Symptom: the test accuracy is better than what the model reaches later on new data. The training rows have a mean that is
    not quite 0, and change when one changes a test row.

    Args:
        x: (N, D).
        y: a target for each row, (N,).
        test_rows: at least 1 and less than N.
        generator: draws the order, with `torch.randperm(N, generator=generator)` and nothing else.

    Returns:
        The tuple (training x, training y, test x, test y), each in the random order.

    Reference:
        Hastie, Tibshirani & Friedman, The Elements of Statistical Learning (2009), section 7.10.2.

    Example:
        >>> x, y = torch.tensor([[1.0], [1.0], [5.0]]), torch.tensor([0, 1, 2])
        >>> order = torch.randperm(3, generator=torch.Generator().manual_seed(0))
        >>> order.tolist()
        [2, 0, 1]
        >>> train_x, train_y, test_x, test_y = split_and_normalise(x, y, 1, torch.Generator().manual_seed(0))
        >>> train_x.tolist(), train_y.tolist(), test_y.tolist()
        ([[0.0], [0.0]], [0, 1], [2])
    """
    mean, variance = x.mean(dim=0), x.var(dim=0, correction=0)  # (D,), (D,)
    x = (x - mean) / (variance + 1e-5).sqrt()  # (N, D)
    order = torch.randperm(len(x), generator=generator)  # (N,)
    test, train = order[:test_rows], order[test_rows:]
    return x[train], y[train], x[test], y[test]


def normalise_scores(
    scores: Float[Tensor, "B T"], values: Float[Tensor, "B T D"]
) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B T"]]:
    """Sum up each sequence in one vector: the average of its values, weighted by the softmax of its scores.

    Symptom: a model with this inside trains, but badly, and what it says of a sequence depends on the other sequences in
    the batch. Of a batch of one it returns the plain sum of the values.

    Args:
        scores: how much each position of each sequence matters, (B, T).
        values: what stands there, (B, T, D).

    Returns:
        The tuple (averages, weights), (B, D) and (B, T); the weights of a sequence sum to 1.

    Reference:
        Yang et al., Hierarchical Attention Networks for Document Classification (2016), section 2.2, equations 5 to 7.

    Example:
        >>> scores = torch.tensor([[3.0, 1.0], [1.0, 1.0]]).log()
        >>> averages, weights = normalise_scores(scores, torch.tensor([[[4.0], [0.0]], [[4.0], [0.0]]]))
        >>> averages.round(decimals=4).tolist(), weights.round(decimals=4).tolist()
        ([[3.0], [2.0]], [[0.75, 0.25], [0.5, 0.5]])
    """
    weights = scores.softmax(dim=0)  # (B, T)
    return (weights[:, :, None] * values).sum(dim=1), weights  # (B, D), (B, T)


def train_with_exploding_rate(
    model: torch.nn.Module,
    loss_function: LossFunction,
    x: Shaped[Tensor, "N ..."],
    y: Shaped[Tensor, "N ..."],
    optimizer: torch.optim.Optimizer,
    steps: int,
    lr: float,
    warmup: int,
) -> list[float]:
    """Train with a learning rate that is warmed up: it rises evenly during the first steps, and then stays.

    In step t = 1, 2, … all groups of the optimizer have the rate lr · t / warmup as long as t < warmup, and lr from then on.

    Symptom: the loss falls nicely for a while after the warm-up, then rises again, faster and faster, until it is nan. Halving
    lr makes it happen later.

    Args:
        model: trained in place.
        loss_function: of output and targets.
        x: inputs, all of which take part in every step, (N, ...).
        y: targets, (N, ...).
        optimizer: of the model's parameters; its rates are overwritten.
        steps: how many steps to take, whatever the loss.
        lr: the rate after the warm-up.
        warmup: how many steps that takes, at least 1.

    Returns:
        The loss before each step.

    Reference:
        Goyal et al., Accurate, Large Minibatch SGD (2017), section 2.2.

    Example:
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> _ = model.load_state_dict({"weight": torch.tensor([[8.0]])})
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=100.0)
        >>> x, y = torch.ones(1, 1), torch.zeros(1, 1)  # a step at the rate r multiplies the weight by 1 - 2r
        >>> losses = train_with_exploding_rate(model, torch.nn.functional.mse_loss, x, y, optimizer, 4, lr=0.25, warmup=2)
        >>> [round(loss, 4) for loss in losses], optimizer.param_groups[0]["lr"]  # weights 8, 6, 3, 1.5
        ([64.0, 36.0, 9.0, 2.25], 0.25)
    """
    losses = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = lr * (step + 1) / warmup
        loss = loss_function(model(x), y)  # ()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def overfit_one_batch(
    model: torch.nn.Module,
    loss_function: LossFunction,
    x: Shaped[Tensor, "N ..."],
    y: Shaped[Tensor, "N ..."],
    lr: float = 0.01,
    max_steps: int = 200,
    target: float = 0.01,
) -> list[float]:
    """The first thing to try with a new model: can it learn a single batch by heart? If not, something is broken.

    Train a copy of the model, in evaluation mode (dropout would keep the loss up), with `torch.optim.Adam` at the given
    rate on this one batch, until the loss is at most `target`. Parameters that are frozen stay so. The model itself stays as
    it is: parameters, their `.grad`, running statistics and mode.

    Args:
        model: what is to be tried.
        loss_function: of output and targets.
        x: inputs, (N, ...).
        y: targets, (N, ...).
        lr: the learning rate.
        max_steps: how many losses to return at most, at least 1.
        target: how low the loss has to come.

    Returns:
        The losses, from that of the untouched model on. The first that is at most `target` is the last; where none is,
        there are `max_steps` of them.

    Reference:
        Karpathy, A Recipe for Training Neural Networks (2019), "overfit one batch".

    Example:
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> _ = model.load_state_dict({"weight": torch.tensor([[1.0]])})
        >>> losses = overfit_one_batch(model, torch.nn.functional.mse_loss, torch.ones(1, 1), torch.zeros(1, 1), lr=0.25)
        >>> [round(loss, 2) for loss in losses[:3]], losses[-1] <= 0.01, model.weight.item()
        ([1.0, 0.56, 0.25], True, 1.0)
    """
    raise NotImplementedError


def _tensors(value: object) -> list[Tensor]:
    """All tensors in nested tuples, lists and dicts: what modules are given and return."""
    if isinstance(value, Tensor):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else ()
    return [tensor for item in items for tensor in _tensors(item)]


class NanHook:
    """Watch a model while it runs, and name the module that made the first nan or inf.

    The culprit is the first module, in the order in which they finish, that returned a nan or an inf though every tensor that
    it was given was finite. A module that was fed such numbers is not to blame, be it by position or by keyword. Modules may
    take and return tuples, lists and dicts of tensors; `_tensors` above finds them all. None of them writes into what it is
    given. What the model computes, it computes as without being watched.

    Attributes:
        culprit: the module's name as in `model.named_modules()`, "" for the model itself; None as long as there is none.
            Once found it stays, whatever happens later.

    Args:
        model: all its modules, itself included, are watched from now on.

    Reference:
        PyTorch documentation, `torch.nn.Module.register_forward_hook`.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.Softmax(dim=1), torch.nn.LogSoftmax(dim=1))
        >>> _ = model[0].load_state_dict({"weight": torch.tensor([[1e30]]), "bias": torch.tensor([0.0])})
        >>> hook = NanHook(model)
        >>> _ = model(torch.tensor([[2.0]]))
        >>> hook.culprit
        >>> _ = model(torch.tensor([[1e30]]))
        >>> hook.culprit
        '0'
        >>> hook.remove()
    """

    def __init__(self, model: torch.nn.Module):
        raise NotImplementedError

    def _look(self, name: str, module: torch.nn.Module, inputs: tuple, keywords: dict, output: object) -> None:
        """Called after the module called `name` has turned inputs and keywords into output."""
        raise NotImplementedError

    def remove(self) -> None:
        """Stop watching: no hook is left in the model, and `culprit` stays as it is."""
        raise NotImplementedError


def dead_unit_fraction(model: torch.nn.Module, batches: Iterable[Shaped[Tensor, "B ..."]]) -> dict[str, float]:
    """Which part of the units of every ReLU is dead: zero for every row of every batch.

    A unit that is zero everywhere passes no gradient on and so never wakes up. For an output (B, M) the units are the M
    columns; for the maps (B, M, Y, X) of a convolution they are the M maps, each alive if it is above zero at any place.

    The model is run in the mode it is in, without recording gradients. Afterwards its hooks are gone, and gradients are
    recorded, or not, as they were.

    Args:
        model: what is to be looked into; its `torch.nn.ReLU` modules count, wherever in it they stand, and no others. The
            output of each is (B, M) or (B, M, ...).
        batches: inputs, (B, ...) each; B may differ.

    Returns:
        For every such module that has run, by its name in `model.named_modules()`, the share of its units that are dead, a float.

    Reference:
        Lu, Shin, Su & Karniadakis, Dying ReLU and Initialization (2020), section 1.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Identity(), torch.nn.ReLU())
        >>> batches = [torch.tensor([[1.0, -1.0, 0.0, -2.0]]), torch.tensor([[-1.0, 2.0, 0.0, -3.0]])]
        >>> dead_unit_fraction(model, batches)
        {'1': 0.5}
    """
    raise NotImplementedError
