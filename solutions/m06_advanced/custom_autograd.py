"""Operations with a backward pass of their own: three `torch.autograd.Function`s.

Autograd can differentiate whatever is written in PyTorch's operations. A Function is for the cases in which that is not what
is wanted: the pass that autograd makes keeps more than it needs (Swish), is zero almost everywhere (rounding), or is right
and something else is needed (gradient reversal).

A Function is never called itself: `Swish.apply(x, beta)` runs `forward(ctx, x, beta)`, and later autograd runs
`backward(ctx, dy)` with the gradient of the loss with respect to the output. It returns one gradient for every argument of
`forward` behind ctx, in their order, and None for an argument that is no tensor. Tensors are kept for it with
`ctx.save_for_backward` (PyTorch then notices when one of them is changed in the meantime), numbers as attributes of ctx.
`dy` belongs to autograd, which may hand the same tensor to others: make a new one of it, with ordinary operations. Then the
backward pass can be differentiated once more.

Tensors are float32 or float64 and of any shape, and results have the dtype of what went in.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import FunctionCtx


class Swish(torch.autograd.Function):
    """The swish activation with a learnable β: y = x · σ(βx), where σ is the sigmoid.

    With σ = σ(βx), the gradients are

        dL/dx = dL/dy · (σ + βx · σ · (1 - σ))
        dL/dβ = the sum over all entries of dL/dy · x² · σ · (1 - σ)

    Keep x and β for the backward pass and nothing else: autograd by itself would keep σ as well, another tensor of the size
    of x, and you can compute that again, with ordinary operations on what was saved.

    Args of `apply`:
        x: any shape, ±1000 included.
        beta: β, a tensor of shape ().

    Reference:
        Ramachandran, Zoph & Le, Searching for Activation Functions (2017), section 4. PyTorch documentation, Extending
        torch.autograd.

    Example:
        >>> x = torch.tensor([2.0, 0.0], requires_grad=True)
        >>> beta = (torch.tensor(3.0).log() / 2.0).requires_grad_()  # σ(2β) is ¾
        >>> y = Swish.apply(x, beta)
        >>> y.sum().backward()
        >>> [round(values.item(), 3) for values in (y[0], x.grad[0], x.grad[1], beta.grad)]
        [1.5, 0.956, 0.5, 0.75]
    """

    @staticmethod
    def forward(ctx: FunctionCtx, x: Float[Tensor, "..."], beta: Float[Tensor, ""]) -> Float[Tensor, "..."]:
        """x · σ(βx), of the shape of x."""
        # BEGIN SOLUTION
        ctx.save_for_backward(x, beta)
        return x * torch.sigmoid(beta * x)  # (...)
        # END SOLUTION

    @staticmethod
    def backward(ctx: FunctionCtx, dy: Float[Tensor, "..."]) -> tuple[Float[Tensor, "..."], Float[Tensor, ""]]:
        """The gradients of x, of its shape, and of beta, of shape ()."""
        # BEGIN SOLUTION
        x, beta = ctx.saved_tensors  # (...), ()
        gate = torch.sigmoid(beta * x)  # (...)
        bend = x * gate * (1.0 - gate)  # (...), dσ/dβ
        return dy * (gate + beta * bend), (dy * x * bend).sum()  # (...), ()
        # END SOLUTION


class StraightThroughRound(torch.autograd.Function):
    """Round to the nearest of the whole numbers from low to high, and let the gradient through as if nothing had been done.

    y = x rounded (a half to the even neighbour, as `torch.round` does), then cut off at low and high. Almost everywhere the
    slope of that is 0, and a network with it would never learn. The straight-through estimator takes dL/dx = dL/dy instead
    where low ≤ x ≤ high, both ends included, and 0 outside: there rounding really stands in the way. It is x that counts
    there, not what it was rounded to.

    Args of `apply`:
        x: any shape.
        low: the least level, an int.
        high: the largest level, an int above low.

    Reference:
        Bengio, Léonard & Courville, Estimating or Propagating Gradients Through Stochastic Neurons (2013), section 4. Jacob
        et al., Quantization and Training of Neural Networks (2018), section 3.

    Example:
        >>> x = torch.tensor([-3.4, -1.2, 0.5, 2.0, 2.2], requires_grad=True)
        >>> y = StraightThroughRound.apply(x, -2, 2)
        >>> y.backward(torch.tensor([10.0, 20.0, 30.0, 40.0, 50.0]))
        >>> y.tolist(), x.grad.tolist()
        ([-2.0, -1.0, 0.0, 2.0, 2.0], [0.0, 20.0, 30.0, 40.0, 0.0])
    """

    @staticmethod
    def forward(ctx: FunctionCtx, x: Float[Tensor, "..."], low: int, high: int) -> Float[Tensor, "..."]:
        """x rounded and cut off, of the shape and dtype of x."""
        # BEGIN SOLUTION
        ctx.save_for_backward((low <= x) & (x <= high))  # (...)
        return x.round().clamp(low, high)  # (...)
        # END SOLUTION

    @staticmethod
    def backward(ctx: FunctionCtx, dy: Float[Tensor, "..."]) -> tuple[Float[Tensor, "..."], None, None]:
        """The gradient of x, and None for low and high."""
        # BEGIN SOLUTION
        (inside,) = ctx.saved_tensors  # (...)
        return dy * inside, None, None  # (...)
        # END SOLUTION


class GradientReversal(torch.autograd.Function):
    """Do nothing on the way forward, and turn the gradient round on the way back: y = x, dL/dx = -scale · dL/dy.

    Between a network that makes features and one that tells from them which of two domains an example is from, it lets both
    be trained with a single loss: the second learns to tell the domains apart, the first to make that impossible.

    Args of `apply`:
        x: any shape.
        scale: a float, at least 0: how much of the reversed gradient comes through.

    Reference:
        Ganin & Lempitsky, Unsupervised Domain Adaptation by Backpropagation (2015), section 3.2, equations 13 to 15.

    Example:
        >>> x = torch.tensor([1.0, -2.0], requires_grad=True)
        >>> y = GradientReversal.apply(x, 0.5)
        >>> (3.0 * y).sum().backward()
        >>> y.tolist(), x.grad.tolist()
        ([1.0, -2.0], [-1.5, -1.5])
    """

    @staticmethod
    def forward(ctx: FunctionCtx, x: Float[Tensor, "..."], scale: float) -> Float[Tensor, "..."]:
        """The numbers of x."""
        # BEGIN SOLUTION
        ctx.scale = scale
        return x.view_as(x)  # (...)
        # END SOLUTION

    @staticmethod
    def backward(ctx: FunctionCtx, dy: Float[Tensor, "..."]) -> tuple[Float[Tensor, "..."], None]:
        """The gradient of x, and None for scale."""
        # BEGIN SOLUTION
        return -ctx.scale * dy, None  # (...)
        # END SOLUTION
