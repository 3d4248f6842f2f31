"""Autograd put to work: derivatives of functions, a gradient that is stopped, gradients that add up, in PyTorch.

PyTorch records what is done to a tensor that requires a gradient and can walk the record back. Two calls do that:
`torch.autograd.grad` returns gradients, `Tensor.backward` adds them to the `.grad` of parameters. The first three
functions here only return a result: they leave no trace, neither on `x` nor in the `.grad` of parameters that a function
may have. Leave `torch.func` and `torch.autograd.functional`, which have these functions ready, for later.

Letters: N rows, D features, M outputs.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Shaped
from torch import Tensor


def gradient(function: Callable[[Tensor], Tensor], x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The gradient of a function of a tensor, at x: how its value changes with every entry.

    Args:
        function: differentiable; from a tensor like `x` to a tensor with a single entry, of shape () or (1,), say, that
            depends on `x`.
        x: any shape, whether or not it requires a gradient itself. It stays as it is.

    Returns:
        The gradient, of the shape and dtype of `x`; it does not itself require a gradient.

    Raises:
        ValueError: the function's value has more entries than one.

    Reference:
        PyTorch documentation, Autograd mechanics, and `torch.autograd.grad`.

    Example:
        >>> gradient(lambda x: (x**2).sum(), torch.tensor([1.0, -3.0])).tolist()
        [2.0, -6.0]
    """
    # BEGIN SOLUTION
    x = x.detach().requires_grad_()  # (...), another tensor over the same memory
    value = function(x)  # () or (1,)
    if value.numel() != 1:
        raise ValueError(f"a gradient is that of a single number, not of shape {tuple(value.shape)}")
    return torch.autograd.grad(value, x)[0]  # (...)
    # END SOLUTION


def jacobian(function: Callable[[Tensor], Tensor], x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The Jacobian of a function of a tensor, at x: the gradient of every entry of its value, J[i, j] = ∂f(x)_i / ∂x_j.

    It is enough to compute the value once, and to walk its record back once for every entry of it.

    Args:
        function: differentiable; from a tensor like `x` to a tensor of any shape, with one entry or more, that depends on `x`.
        x: any shape. It stays as it is.

    Returns:
        Of the dtype of `x`, with the axes of the function's value followed by those of `x`: (M, N) for a function from N
        numbers to M. It does not itself require a gradient.

    Reference:
        Baydin, Pearlmutter, Radul & Siskind, Automatic differentiation in machine learning: a survey (2018), section
        3.2.

    Example:
        >>> jacobian(lambda x: torch.stack([x.sum(), x.prod()]), torch.tensor([2.0, 3.0, 5.0])).tolist()
        [[1.0, 1.0, 1.0], [15.0, 10.0, 6.0]]
    """
    # BEGIN SOLUTION
    x = x.detach().requires_grad_()  # (...), of x
    value = function(x)  # (...), of the value
    units = torch.eye(value.numel(), dtype=value.dtype, device=value.device).reshape(-1, *value.shape)
    rows = [torch.autograd.grad(value, x, unit, retain_graph=True)[0] for unit in units]  # each of the shape of x
    return torch.stack(rows).reshape(value.shape + x.shape)  # the axes of the value, then those of x
    # END SOLUTION


def hessian_vector_product(
    function: Callable[[Tensor], Tensor], x: Float[Tensor, "..."], v: Float[Tensor, "..."]
) -> Float[Tensor, "..."]:
    """The matrix of second derivatives of a function, at x, times v, without ever building that matrix.

    The Hessian of a function of n numbers has n² entries. Its product with v is the gradient of ∇f(x) · v, a number, and
    costs little more than the gradient itself: two walks through the record, whatever n is.

    Args:
        function: twice differentiable; from a tensor like `x` to a tensor with a single entry that depends on `x`.
        x: any shape. It stays as it is.
        v: the direction, of the shape and dtype of `x`. It stays as it is.

    Returns:
        H · v, of the shape of `x`: entry i is Σ_j ∂²f / ∂x_i ∂x_j · v_j. Where the gradient does not depend on x, as for
        a linear function or a network of ReLUs, it is zero.

    Reference:
        Pearlmutter, Fast exact multiplication by the Hessian (1994).

    Example:
        >>> x, v = torch.tensor([2.0, 3.0]), torch.tensor([1.0, 10.0])
        >>> hessian_vector_product(lambda x: x[0] ** 2 * x[1], x, v).tolist()  # the Hessian is [[6, 4], [4, 0]]
        [46.0, 4.0]
    """
    # BEGIN SOLUTION
    x = x.detach().requires_grad_()  # (...)
    (slope,) = torch.autograd.grad(function(x), x, create_graph=True)  # (...)
    if not slope.requires_grad:
        return torch.zeros_like(v)  # (...)
    return torch.autograd.grad(slope, x, v, materialize_grads=True)[0]  # (...)
    # END SOLUTION


def detach_target(
    model: torch.nn.Module,
    states: Float[Tensor, "N D"],
    rewards: Float[Tensor, "N"],
    next_states: Float[Tensor, "N D"],
    gamma: float = 0.99,
) -> Float[Tensor, ""]:
    """The loss of temporal-difference learning, whose targets are made by the model itself but held fixed.

    A model V guesses how much reward is still to come in a state. After a step from s to s' that was rewarded with r, a
    better guess for s is r + gamma · V(s'). The loss is the mean over rows of (V(s) - (r + gamma · V(s')))². The target
    must be treated as a number that is given: no gradient flows into it, neither to `next_states` nor through V(s') to
    the parameters. Otherwise the model would learn to make s' look like s as well, against the arrow of time.

    Mind the shapes: the model returns (N, 1), the rewards are (N,), and the difference of those two is (N, N) without a
    word of complaint. Whether the model is in training or in evaluation mode is not decided here: it is used in the mode
    that it is in.

    Args:
        model: V, from (N, D) to (N, 1).
        states: s, (N, D).
        rewards: r, (N,).
        next_states: s', (N, D).
        gamma: how much a reward one step later counts, from 0 to 1.

    Returns:
        The loss, of shape (), on which `backward` can be called.

    Reference:
        Sutton & Barto, Reinforcement Learning (2018), section 9.3: semi-gradient TD(0). Mnih et al., Human-level
        control through deep reinforcement learning (2015), equation 1.

    Example:
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> _ = model.load_state_dict({"weight": torch.tensor([[2.0]])})
        >>> loss = detach_target(model, torch.tensor([[1.0]]), torch.tensor([1.0]), torch.tensor([[3.0]]), gamma=0.5)
        >>> loss.backward()
        >>> loss.item(), model.weight.grad.item()  # (2 - (1 + 0.5 · 6))², and 2 · (2 - 4) · s
        (4.0, -4.0)
    """
    # BEGIN SOLUTION
    guesses = model(states).squeeze(1)  # (N,)
    with torch.no_grad():
        targets = rewards + gamma * model(next_states).squeeze(1)  # (N,)
    return (guesses - targets).square().mean()  # ()
    # END SOLUTION


def accumulate_gradients(
    model: torch.nn.Module,
    loss_function: Callable[[Tensor, Tensor], Tensor],
    x: Shaped[Tensor, "N ..."],
    y: Shaped[Tensor, "N ..."],
    size: int,
) -> float:
    """Leave in the parameters the gradient of the mean loss over all rows, though only a few fit into memory at once.

    The rows go through the model in groups of `size`, in their order, the last group being smaller where N is no
    multiple. Each is walked back before the next one begins, so that one record at a time is kept. `loss_function`
    returns the mean over the rows that it is given: weigh each group's by its share of all rows, len(group) / N.

    As with `backward`, gradients are *added* to what `.grad` holds. The model is used in the mode that it is in.

    Args:
        model: its parameters' `.grad` are what this is about.
        loss_function: of the model's output and the targets of the same rows; returns their mean loss, of shape ().
        x: inputs, (N, ...).
        y: targets, (N, ...).
        size: how many rows go through the model at once, at least 1.

    Returns:
        The mean loss over all N rows, a float.

    Reference:
        Ott et al., Scaling neural machine translation (2018), section 3.2, on cumulating gradients.

    Example:
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> _ = model.load_state_dict({"weight": torch.tensor([[1.0]])})
        >>> x, y = torch.tensor([[1.0], [2.0], [4.0]]), torch.zeros(3, 1)
        >>> round(accumulate_gradients(model, torch.nn.functional.mse_loss, x, y, size=2), 4)  # of 2.5 and 16
        7.0
        >>> round(model.weight.grad.item(), 4)  # (2 + 8 + 32) / 3
        14.0
    """
    # BEGIN SOLUTION
    total = 0.0
    for some_x, some_y in zip(x.split(size), y.split(size), strict=True):  # (size, ...), (size, ...)
        loss = loss_function(model(some_x), some_y) * len(some_x) / len(x)  # ()
        loss.backward()
        total += loss.item()
    return total
    # END SOLUTION
