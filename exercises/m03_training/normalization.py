"""Normalization layers, forward and backward by hand, in PyTorch.

All three do one thing: subtract a mean, divide by a standard deviation, scale by γ and shift by β. They differ in the
entries that the mean is taken over. Where a function returns a cache it is a dict of exactly the tensors that are
named, for the backward pass to use. No autograd is needed anywhere, and no function changes a tensor that it is given.

Letters: N rows, D features, B batch, C channels, Y and X image height and width. All tensors of a call have one dtype,
float32 or float64, and the results have it too.
"""

import torch
from jaxtyping import Float
from torch import Tensor

Cache = dict[str, Float[Tensor, "..."]]


def batchnorm_forward(
    x: Float[Tensor, "N D"],
    gamma: Float[Tensor, "D"],
    beta: Float[Tensor, "D"],
    running_mean: Float[Tensor, "D"],
    running_var: Float[Tensor, "D"],
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tuple[Float[Tensor, "N D"], Cache, Float[Tensor, "D"], Float[Tensor, "D"]]:
    """Normalize every feature over the rows: y = γ · x̂ + β with x̂ = (x - mean) / √(var + eps).

    In training, mean and var are those of the N rows; var is the biased one, the mean of the squared deviations. The
    running statistics follow them: new = (1 - momentum) · old + momentum · of the batch, where the variance that goes
    into the running one is the unbiased one, var · N / (N - 1). In evaluation, mean and var are the running statistics,
    which stay as they are: what becomes of a row does not depend on the rows beside it.

    Args:
        x: one example a row, (N, D). The deviations may be small beside the mean: compute the variance from them.
        gamma, beta: scale and shift of every feature, (D,).
        running_mean, running_var: the running statistics so far, (D,).
        training: True in training, False in evaluation.
        momentum: the share of the new in the running statistics.
        eps: added to the variance, under the root.

    Returns:
        The tuple (y, cache, new running mean, new running variance). y is (N, D), the statistics are (D,). The cache is
        {"xhat": x̂ (N, D), "inv_std": 1 / √(var + eps) (D,), "gamma": γ (D,)} in training. In evaluation the backward
        pass has no use for it: any dict will do.

    Raises:
        ValueError: in training, x has fewer than two rows.

    Reference:
        Ioffe & Szegedy, Batch normalization (2015), algorithms 1 and 2. `torch.nn.functional.batch_norm`.

    Example:
        >>> x, one, zero = torch.tensor([[1.0], [3.0]]), torch.ones(1), torch.zeros(1)
        >>> y, cache, mean, var = batchnorm_forward(x, 4 * one, one, zero, one, training=True, momentum=0.5, eps=3.0)
        >>> y.tolist(), cache["inv_std"].item(), mean.item(), var.item()  # mean 2, var 1, unbiased 2
        ([[-1.0], [3.0]], 0.5, 1.0, 1.5)
        >>> batchnorm_forward(x, 4 * one, one, zero, one, training=False, eps=3.0)[0].tolist()
        [[3.0], [7.0]]
    """
    raise NotImplementedError


def batchnorm_backward(
    dy: Float[Tensor, "N D"], cache: Cache
) -> tuple[Float[Tensor, "N D"], Float[Tensor, "D"], Float[Tensor, "D"]]:
    """The gradients of a loss with respect to x, γ and β of batch normalization in training, given that of y.

    An entry of x reaches the loss in three ways: through its own x̂, and through the mean and the variance of its
    feature, which all N rows share. The three together, written with x̂ and with means over the rows:

        dx = γ / √(var + eps) · (dy - mean(dy) - x̂ · mean(dy · x̂))

    Args:
        dy: the gradient with respect to y, (N, D).
        cache: what `batchnorm_forward` kept in training: "xhat" (N, D), "inv_std" (D,), "gamma" (D,), nothing else.

    Returns:
        The tuple (dx, dgamma, dbeta) of shapes (N, D), (D,) and (D,).

    Reference:
        Ioffe & Szegedy, Batch normalization (2015), section 3, the six derivatives below algorithm 1.

    Example:
        >>> cache = {"xhat": torch.tensor([[-0.5], [0.5]]), "inv_std": torch.tensor([0.5]), "gamma": torch.tensor([4.0])}
        >>> dx, dgamma, dbeta = batchnorm_backward(torch.tensor([[1.0], [3.0]]), cache)
        >>> dx.tolist(), dgamma.tolist(), dbeta.tolist()
        ([[-1.5], [1.5]], [1.0], [4.0])
    """
    raise NotImplementedError


def layernorm_forward(
    x: Float[Tensor, "... D"], gamma: Float[Tensor, "D"], beta: Float[Tensor, "D"], eps: float = 1e-5
) -> tuple[Float[Tensor, "... D"], Cache]:
    """Normalize every row over its features: y = γ · x̂ + β with x̂ = (x - mean) / √(var + eps).

    mean and var are those of the D entries along the last axis; var is the biased one, the mean of the squared
    deviations. Rows know nothing of each other, so training and evaluation are the same.

    Args:
        x: any number of leading axes, none among them: (D,), (N, D), (B, T, D). The deviations may be small beside the
            mean: compute the variance from them.
        gamma, beta: scale and shift of every feature, (D,).
        eps: added to the variance, under the root.

    Returns:
        The tuple (y, cache): y has the shape of x, and the cache is {"xhat": x̂, of the shape of x, "inv_std":
        1 / √(var + eps), that shape with a last axis of 1, "gamma": γ (D,)}.

    Reference:
        Ba, Kiros & Hinton, Layer normalization (2016), section 3, equation 3. `torch.nn.functional.layer_norm`.

    Example:
        >>> x, gamma, beta = torch.tensor([[1.0, 3.0], [7.0, 5.0]]), torch.tensor([4.0, 2.0]), torch.tensor([1.0, 0.0])
        >>> y, cache = layernorm_forward(x, gamma, beta, eps=3.0)
        >>> y.tolist(), cache["xhat"].tolist(), cache["inv_std"].tolist()
        ([[-1.0, 1.0], [3.0, -1.0]], [[-0.5, 0.5], [0.5, -0.5]], [[0.5], [0.5]])
    """
    raise NotImplementedError


def layernorm_backward(
    dy: Float[Tensor, "... D"], cache: Cache
) -> tuple[Float[Tensor, "... D"], Float[Tensor, "D"], Float[Tensor, "D"]]:
    """The gradients of a loss with respect to x, γ and β of layer normalization, given that of y.

    dx is as in batch normalization, with means along the last axis instead of over the rows. There γ belongs to the
    axis of the mean, so it goes inside: with dx̂ = γ · dy,

        dx = (dx̂ - mean(dx̂) - x̂ · mean(dx̂ · x̂)) / √(var + eps)

    Args:
        dy: the gradient with respect to y, (..., D).
        cache: what `layernorm_forward` kept: "xhat" (..., D), "inv_std" (..., 1), "gamma" (D,), and nothing else.

    Returns:
        The tuple (dx, dgamma, dbeta) of shapes (..., D), (D,) and (D,): γ and β serve all rows, whatever their axes.

    Reference:
        Ba, Kiros & Hinton, Layer normalization (2016), section 3, equation 3, differentiated by the chain rule.

    Example:
        >>> x, gamma = torch.tensor([1.0, 3.0, 5.0]), torch.tensor([1.0, 2.0, 0.0])
        >>> _, cache = layernorm_forward(x, gamma, torch.zeros(3), eps=4 / 3)  # x̂ = -1, 0, 1
        >>> dx, dgamma, dbeta = layernorm_backward(torch.tensor([3.0, 0.0, 5.0]), cache)
        >>> dx.tolist(), dgamma.tolist(), dbeta.tolist()
        ([0.5, -0.5, 0.0], [-3.0, 0.0, 5.0], [3.0, 0.0, 5.0])
    """
    raise NotImplementedError


def groupnorm_forward(
    x: Float[Tensor, "B C Y X"], groups: int, gamma: Float[Tensor, "C"], beta: Float[Tensor, "C"], eps: float = 1e-5
) -> Float[Tensor, "B C Y X"]:
    """Normalize every image over groups of neighbouring channels: y = γ · x̂ + β with x̂ = (x - mean) / √(var + eps).

    The C channels are cut, in order, into `groups` groups of C / groups. mean and var are those of all entries of one
    group of one image, over its channels and all its places; var is the biased one. γ and β belong to single channels.

    Args:
        x: a batch of images, (B, C, Y, X). The deviations may be small beside the mean: compute the variance from them.
        groups: how many groups, a divisor of C.
        gamma, beta: scale and shift of every channel, (C,).
        eps: added to the variance, under the root.

    Returns:
        y, (B, C, Y, X).

    Raises:
        ValueError: C is not divisible by groups.

    Reference:
        Wu & He, Group normalization (2018), section 3.1, equations 1 and 7. `torch.nn.functional.group_norm`.

    Example:
        >>> x = torch.tensor([1.0, 3.0, 10.0, 30.0]).reshape(1, 4, 1, 1)
        >>> groupnorm_forward(x, 2, torch.tensor([1.0, 2.0, 1.0, 2.0]), torch.ones(4), eps=0.0).flatten().tolist()
        [0.0, 3.0, 0.0, 3.0]
    """
    raise NotImplementedError
