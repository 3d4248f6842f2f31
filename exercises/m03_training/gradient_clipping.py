"""Gradient clipping: a limit to how far one bad batch can throw the parameters, in PyTorch.

    grads = [param.grad for param in model.parameters()]
    clipped, norm = clip_by_global_norm(grads, max_norm=1.0)

Both functions take the gradients of a whole model, one tensor for each parameter, of any shapes, and None for a parameter
that took no part in the loss. They return the clipped ones in a list, in the same order, with the shapes and dtypes they had,
and None where there was None. No tensor that is given to them is changed.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

Grads = Sequence[Float[Tensor, "..."] | None]


def clip_by_value(grads: Grads, limit: float) -> list[Float[Tensor, "..."] | None]:
    """Let no entry be larger than limit in magnitude: g becomes min(max(g, -limit), limit), entry by entry.

    Entries that are too large keep their sign and nothing else, all others stay as they are. So the gradient may point
    elsewhere afterwards.

    Args:
        grads: the gradients, any shapes and floating-point dtypes; None where there is none.
        limit: the largest magnitude that is let through, positive.

    Returns:
        The clipped gradients, a list.

    Reference:
        Mikolov, Statistical language models based on neural networks (2012), chapter 3, where the limit is 15.
        `torch.nn.utils.clip_grad_value_`.

    Example:
        >>> [grad.tolist() for grad in clip_by_value([torch.tensor([3.0, -0.5]), torch.tensor([[-4.0]])], limit=2.0)]
        [[2.0, -0.5], [[-2.0]]]
    """
    raise NotImplementedError


def clip_by_global_norm(grads: Grads, max_norm: float) -> tuple[list[Float[Tensor, "..."] | None], float]:
    """Shorten the gradient of the whole model to the length max_norm, if it is longer; its direction stays.

    The norm is that of all entries of all gradients together, as if they were one long vector: the root of the sum of
    their squares. If it is larger than max_norm, every gradient is multiplied by the one factor max_norm / norm. If it is
    not, all of them stay as they are. (torch adds 10⁻⁶ to the norm in the quotient. Add nothing here.)

    The squares of float16 and float32 gradients overflow long before the gradients do: square and sum in float64.

    Args:
        grads: the gradients, any shapes and floating-point dtypes; None where there is none.
        max_norm: the largest length that is let through, positive; infinity lets all through, and only measures.

    Returns:
        The tuple (clipped gradients, norm): a list, and the norm before clipping as a float, which is worth logging.

    Raises:
        ValueError: the norm is not finite, because a gradient holds an infinity or nan (or a number whose square is beyond
            float64). No factor mends that.

    Reference:
        Pascanu, Mikolov & Bengio, On the difficulty of training recurrent neural networks (2013), section 3.2,
        algorithm 1. `torch.nn.utils.clip_grad_norm_`.

    Example:
        >>> clipped, norm = clip_by_global_norm([torch.tensor([2.0, -4.0]), torch.tensor([[4.0]])], max_norm=3.0)
        >>> [grad.tolist() for grad in clipped], norm
        ([[1.0, -2.0], [[2.0]]], 6.0)
    """
    raise NotImplementedError
