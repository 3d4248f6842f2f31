"""Training in mixed precision: fast arithmetic with few bits, and what keeps it from losing the gradients, in PyTorch.

`torch.autocast` runs matrix products in a 16-bit format and leaves parameters, and what needs it, in float32. bfloat16 has
the range of float32 and 8 bits of precision. float16 has 11 bits, and a range so narrow that small gradients become zero:
they are multiplied by a large scale before the backward pass and divided by it afterwards. The largest scale that does not
overflow is found by trying.
"""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float, Shaped
from torch import Tensor


class DynamicLossScaler:
    """Multiply the loss by a scale, divide the gradients by it, and find a good scale while training.

    It is used like `torch.amp.GradScaler`, whose work it does, for one optimizer:

        scaler.scale(loss).backward()   # gradients that are `scale` times too large
        scaler.unscale_(optimizer)      # optional: right ones, to clip them, say
        scaler.step(optimizer)          # unscales if that was not done, then steps, or skips an overflow
        scaler.update()                 # the scale for the next step

    Where a gradient holds an inf or a nan the scale was too large. Then `step` leaves parameters and the state of the
    optimizer alone, and `update` multiplies the scale by `backoff_factor`. After `growth_interval` steps in a row without
    overflow `update` multiplies it by `growth_factor`, and counts anew from 0; an overflow, too, sets the count to 0.

    Args:
        init_scale: the first scale, positive.
        growth_factor: above 1.
        backoff_factor: between 0 and 1.
        growth_interval: a number of steps, at least 1.

    Reference:
        Micikevicius et al., Mixed Precision Training (2018), section 3.2.

    Example:
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> _ = model.load_state_dict({"weight": torch.tensor([[1.0]])})
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        >>> scaler = DynamicLossScaler(init_scale=8.0, growth_interval=1)
        >>> scaler.scale(model(torch.tensor([3.0])).sum()).backward()
        >>> model.weight.grad.item()  # 8 · 3
        24.0
        >>> scaler.step(optimizer)
        >>> scaler.update()
        >>> model.weight.item(), scaler.get_scale()  # 1 - 0.5 · 3, and 8 · 2
        (-0.5, 16.0)
    """

    def __init__(
        self,
        init_scale: float = 65536.0,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
    ):
        raise NotImplementedError

    def get_scale(self) -> float:
        """The scale as it is now, a float."""
        raise NotImplementedError

    def scale(self, loss: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """The loss times the scale; `backward` can be called on it, and `loss` stays as it is."""
        raise NotImplementedError

    def unscale_(self, optimizer: torch.optim.Optimizer) -> None:
        """Divide by the scale, in place, the `.grad` of all parameters in all groups of the optimizer that have one.

        Raises:
            RuntimeError: it is the second time since the last `update`.
        """
        raise NotImplementedError

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Unscale, if `unscale_` was not called for this step, and step; do nothing more where a gradient overflowed."""
        raise NotImplementedError

    def update(self) -> None:
        """Set the scale for the next step: smaller after an overflow, larger after enough steps without one."""
        raise NotImplementedError


def autocast_step(
    model: torch.nn.Module,
    loss_function: Callable[[Tensor, Tensor], Tensor],
    optimizer: torch.optim.Optimizer,
    scaler: "DynamicLossScaler | torch.amp.GradScaler",
    x: Shaped[Tensor, "N ..."],
    y: Shaped[Tensor, "N ..."],
    dtype: torch.dtype = torch.bfloat16,
) -> float:
    """One step of training in mixed precision.

    Model and loss function are called once, inside `torch.autocast` with the given dtype and the type of the device on
    which `x` lies. The backward pass comes after it, outside: autograd repeats the dtypes of the forward pass by itself. The
    parameters stay in float32 all the time, and so do their gradients.

    The gradient of the step is that of this batch alone, whatever `.grad` held before, and goes through the scaler: scale,
    step, update, once each.

    Args:
        model: trained in place, in the mode that it is in.
        loss_function: of output and targets; a mean, of shape ().
        optimizer: of the model's parameters.
        scaler: one of yours, or a `torch.amp.GradScaler`, which has the same methods.
        x: inputs, (N, ...), on the model's device.
        y: targets, (N, ...).
        dtype: torch.bfloat16 or torch.float16.

    Returns:
        The loss before the step, not scaled, a float.

    Reference:
        PyTorch documentation, Automatic mixed precision examples, "Typical mixed precision training".

    Example:
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> _ = model.load_state_dict({"weight": torch.tensor([[1.0]])})
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.25)
        >>> x, y = torch.tensor([[2.0]]), torch.tensor([[1.0]])
        >>> autocast_step(model, torch.nn.functional.mse_loss, optimizer, DynamicLossScaler(), x, y)  # (2 - 1)²
        1.0
        >>> model.weight.item(), model.weight.dtype  # 1 - 0.25 · 2 · (2 - 1) · 2
        (0.0, torch.float32)
    """
    raise NotImplementedError


def find_overflow(
    tensors: Mapping[str, Float[Tensor, "..."] | None], dtype: torch.dtype = torch.float16, scale: float = 1.0
) -> dict[str, int]:
    """Say which tensors would not survive being multiplied by a scale and stored in another dtype.

    Count in each tensor the entries that are inf or nan *after* it has been multiplied by `scale`, in its own dtype, and
    then converted to `dtype`; those that were inf or nan before are among them. Conversion rounds: 65504 is the largest
    number of float16, and 65510 becomes 65504, but 65530 becomes inf.

    Args:
        tensors: by name; None, for a parameter without gradient, has no entries.
        dtype: the format to be stored in, torch.float16 or torch.bfloat16, say.
        scale: what all tensors are multiplied by first.

    Returns:
        The number of such entries, an int, by name: only names with at least one, in the order of `tensors`.

    Reference:
        Micikevicius et al., Mixed Precision Training (2018), figure 3, on the range of gradients. PyTorch documentation,
        `torch.finfo`.

    Example:
        >>> tensors = {"weight": torch.tensor([7e4, -2.0, -8e4]), "bias": torch.tensor([300.0]), "frozen": None}
        >>> find_overflow(tensors), find_overflow(tensors, scale=256.0), find_overflow(tensors, dtype=torch.bfloat16)
        ({'weight': 2}, {'weight': 2, 'bias': 1}, {})
    """
    raise NotImplementedError
