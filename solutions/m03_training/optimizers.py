"""Optimizers: the rules that turn a gradient into a step, in PyTorch.

A function here takes one step for one parameter. What the rule remembers from step to step, its state, comes in as a
dict and goes out as a new one; at the first step it is empty. No function changes a tensor or a dict that it is given,
nor keeps the gradient itself in the state: its memory is soon overwritten.

    state = {}
    for grad in gradients:
        param, state = adam(param, grad, state, lr=0.1)

The class at the end puts a rule to work on a whole model, as `torch.optim` does. Every rule here gives the numbers of
its namesake there.

Parameters have any shape; gradients, states and results have the shape and the dtype of their parameter. All arithmetic
is entry by entry. In the formulas θ is the parameter, g its gradient, t the number of the step, from 1.
"""

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float
from torch import Tensor

State = dict[str, Float[Tensor, "..."] | int]


def sgd(
    param: Float[Tensor, "..."], grad: Float[Tensor, "..."], state: State, lr: float, weight_decay: float = 0.0
) -> tuple[Float[Tensor, "..."], State]:
    """Step against the gradient: θ ← θ - lr · g.

    Args:
        param: θ, any shape.
        grad: the gradient of the loss with respect to θ, of the same shape.
        state: {}; this rule remembers nothing.
        lr: the learning rate.
        weight_decay: the strength of L2 regularization: g is `grad` + weight_decay · θ.

    Returns:
        The tuple (new parameter, new state); the new state is {} again.

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), section 8.3.1, algorithm 8.1. `torch.optim.SGD`.

    Example:
        >>> new, state = sgd(torch.tensor([1.0, -2.0]), torch.tensor([0.5, 1.0]), {}, lr=0.5)
        >>> new.tolist(), state
        ([0.75, -2.5], {})
    """
    # BEGIN SOLUTION
    grad = grad + weight_decay * param  # (...)
    return param - lr * grad, {}
    # END SOLUTION


def momentum(
    param: Float[Tensor, "..."],
    grad: Float[Tensor, "..."],
    state: State,
    lr: float,
    mu: float = 0.9,
    weight_decay: float = 0.0,
) -> tuple[Float[Tensor, "..."], State]:
    """Let the steps gather speed: b ← mu · b + g, then θ ← θ - lr · b.

    b, the buffer, is zero before the first step, so that after it b = g. The gradient enters it whole: there is no
    factor 1 - mu (in torch's words: dampening is 0), and the learning rate stays outside.

    Args:
        param: θ, any shape.
        grad: the gradient of the loss with respect to θ, of the same shape.
        state: what the last step returned, {} at the first step.
        lr: the learning rate.
        mu: how much of the buffer is kept, from 0 to 1.
        weight_decay: the strength of L2 regularization: g is `grad` + weight_decay · θ.

    Returns:
        The tuple (new parameter, new state); the new state is {"momentum_buffer": b}.

    Reference:
        Sutskever, Martens, Dahl & Hinton, On the importance of initialization and momentum in deep learning (2013),
        section 2, equations 1 and 2, with lr taken out of the buffer as `torch.optim.SGD` does.

    Example:
        >>> grad = torch.tensor([1.0])
        >>> first, state = momentum(torch.tensor([4.0]), grad, {}, lr=0.5, mu=0.5)
        >>> second, state = momentum(first, grad, state, lr=0.5, mu=0.5)
        >>> first.item(), second.item(), state["momentum_buffer"].item()
        (3.5, 2.75, 1.5)
    """
    # BEGIN SOLUTION
    grad = grad + weight_decay * param  # (...)
    buffer = mu * state.get("momentum_buffer", 0.0) + grad  # (...)
    return param - lr * buffer, {"momentum_buffer": buffer}
    # END SOLUTION


def nesterov(
    param: Float[Tensor, "..."],
    grad: Float[Tensor, "..."],
    state: State,
    lr: float,
    mu: float = 0.9,
    weight_decay: float = 0.0,
) -> tuple[Float[Tensor, "..."], State]:
    """Momentum that looks ahead: b ← mu · b + g, then θ ← θ - lr · (g + mu · b), with the new b.

    The buffer is that of `momentum`. The step is the one that momentum would take next if the gradient came once more.

    Args:
        param: θ, any shape.
        grad: the gradient of the loss with respect to θ, of the same shape.
        state: what the last step returned, {} at the first step.
        lr: the learning rate.
        mu: how much of the buffer is kept, from 0 to 1.
        weight_decay: the strength of L2 regularization: g is `grad` + weight_decay · θ, in both places.

    Returns:
        The tuple (new parameter, new state); the new state is {"momentum_buffer": b}.

    Reference:
        Sutskever, Martens, Dahl & Hinton, On the importance of initialization and momentum in deep learning (2013),
        section 2, equations 3 and 4, in the form of `torch.optim.SGD` with nesterov=True.

    Example:
        >>> grad = torch.tensor([1.0])
        >>> first, state = nesterov(torch.tensor([4.0]), grad, {}, lr=0.5, mu=0.5)
        >>> second, state = nesterov(first, grad, state, lr=0.5, mu=0.5)
        >>> first.item(), second.item(), state["momentum_buffer"].item()
        (3.25, 2.375, 1.5)
    """
    # BEGIN SOLUTION
    grad = grad + weight_decay * param  # (...)
    buffer = mu * state.get("momentum_buffer", 0.0) + grad  # (...)
    return param - lr * (grad + mu * buffer), {"momentum_buffer": buffer}
    # END SOLUTION


def adagrad(
    param: Float[Tensor, "..."], grad: Float[Tensor, "..."], state: State, lr: float, eps: float = 1e-10
) -> tuple[Float[Tensor, "..."], State]:
    """Give every entry a rate of its own: s ← s + g², then θ ← θ - lr · g / (√s + eps).

    s is zero before the first step and never forgets: the steps of an entry shrink as its gradients add up.

    Args:
        param: θ, any shape.
        grad: g, the gradient of the loss with respect to θ, of the same shape.
        state: what the last step returned, {} at the first step.
        lr: the learning rate.
        eps: added to the root, outside of it; keeps the quotient finite where all gradients were zero.

    Returns:
        The tuple (new parameter, new state); the new state is {"sum": s}.

    Reference:
        Duchi, Hazan & Singer, Adaptive subgradient methods for online learning and stochastic optimization (2011),
        section 1.1, with eps as in `torch.optim.Adagrad`.

    Example:
        >>> first, state = adagrad(torch.tensor([1.0, 1.0]), torch.tensor([3.0, -0.5]), {}, lr=1.25)
        >>> second, state = adagrad(first, torch.tensor([4.0, 0.0]), state, lr=1.25)
        >>> first.tolist(), second.tolist(), state["sum"].tolist()
        ([-0.25, 2.25], [-1.25, 2.25], [25.0, 0.25])
    """
    # BEGIN SOLUTION
    total = state.get("sum", 0.0) + grad**2  # (...)
    return param - lr * grad / (total.sqrt() + eps), {"sum": total}
    # END SOLUTION


def rmsprop(
    param: Float[Tensor, "..."],
    grad: Float[Tensor, "..."],
    state: State,
    lr: float,
    alpha: float = 0.99,
    eps: float = 1e-8,
) -> tuple[Float[Tensor, "..."], State]:
    """Adagrad that forgets: s ← alpha · s + (1 - alpha) · g², then θ ← θ - lr · g / (√s + eps).

    s is a running mean of the squared gradients. It is zero before the first step, and nothing corrects for that.

    Args:
        param: θ, any shape.
        grad: g, the gradient of the loss with respect to θ, of the same shape.
        state: what the last step returned, {} at the first step.
        lr: the learning rate.
        alpha: how much of the running mean is kept, from 0 to 1.
        eps: added to the root, outside of it.

    Returns:
        The tuple (new parameter, new state); the new state is {"square_avg": s}.

    Reference:
        Hinton, Srivastava & Swersky, Neural networks for machine learning (2012), lecture 6e, with eps as in
        `torch.optim.RMSprop`.

    Example:
        >>> new, state = rmsprop(torch.tensor([1.0]), torch.tensor([4.0]), {}, lr=0.5, alpha=0.75, eps=2.0)
        >>> new.item(), state["square_avg"].item()
        (0.5, 4.0)
    """
    # BEGIN SOLUTION
    average = alpha * state.get("square_avg", 0.0) + (1.0 - alpha) * grad**2  # (...)
    return param - lr * grad / (average.sqrt() + eps), {"square_avg": average}
    # END SOLUTION


def adam(
    param: Float[Tensor, "..."],
    grad: Float[Tensor, "..."],
    state: State,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> tuple[Float[Tensor, "..."], State]:
    """Momentum over RMSprop, both freed of their start at zero.

        m ← beta1 · m + (1 - beta1) · g         m̂ = m / (1 - beta1^t)
        v ← beta2 · v + (1 - beta2) · g²        v̂ = v / (1 - beta2^t)
        θ ← θ - lr · m̂ / (√v̂ + eps)

    m and v are zero before the first step, too small for many steps after it, and divided by what they lack. The state
    keeps m and v, not m̂ and v̂. eps is added outside the root and after the correction.

    Args:
        param: θ, any shape.
        grad: the gradient of the loss with respect to θ, of the same shape.
        state: what the last step returned, {} at the first step.
        lr: the learning rate.
        beta1, beta2: how much of m and of v is kept, from 0 to below 1.
        eps: added to the root, outside of it.
        weight_decay: the strength of L2 regularization: g is `grad` + weight_decay · θ, everywhere.

    Returns:
        The tuple (new parameter, new state); the new state is {"step": t, "exp_avg": m, "exp_avg_sq": v}, where t is an
        int, 1 after the first step.

    Reference:
        Kingma & Ba, Adam: a method for stochastic optimization (2015), algorithm 1. `torch.optim.Adam`.

    Example:
        >>> new, state = adam(torch.tensor([1.0]), torch.tensor([2.0]), {}, lr=0.5, beta1=0.5, beta2=0.75, eps=2.0)
        >>> new.item(), state["step"], state["exp_avg"].item(), state["exp_avg_sq"].item()  # m̂ = 2 and v̂ = 4
        (0.75, 1, 1.0, 1.0)
    """
    # BEGIN SOLUTION
    grad = grad + weight_decay * param  # (...)
    t = state.get("step", 0) + 1
    m = beta1 * state.get("exp_avg", 0.0) + (1.0 - beta1) * grad  # (...)
    v = beta2 * state.get("exp_avg_sq", 0.0) + (1.0 - beta2) * grad**2  # (...)
    m_hat = m / (1.0 - beta1**t)  # (...)
    v_hat = v / (1.0 - beta2**t)  # (...)
    return param - lr * m_hat / (v_hat.sqrt() + eps), {"step": t, "exp_avg": m, "exp_avg_sq": v}
    # END SOLUTION


def adamw(
    param: Float[Tensor, "..."],
    grad: Float[Tensor, "..."],
    state: State,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.01,
) -> tuple[Float[Tensor, "..."], State]:
    """Adam with the decay taken out of the gradient: θ ← θ - lr · weight_decay · θ - lr · m̂ / (√v̂ + eps).

    The θ on the right is the old one in both places. m, v, m̂ and v̂ are those of `adam` for the bare gradient. So every
    weight shrinks by the same share, while in `adam` the decay is divided by √v̂ as the gradient is.

    Args:
        param: θ, any shape.
        grad: g, the gradient of the loss with respect to θ, of the same shape.
        state: what the last step returned, {} at the first step.
        lr: the learning rate.
        beta1, beta2: how much of m and of v is kept, from 0 to below 1.
        eps: added to the root, outside of it.
        weight_decay: a step takes the share lr · weight_decay of θ away.

    Returns:
        The tuple (new parameter, new state); the new state is {"step": t, "exp_avg": m, "exp_avg_sq": v}, where t is an
        int, 1 after the first step.

    Reference:
        Loshchilov & Hutter, Decoupled weight decay regularization (2019), algorithm 2, with the decay multiplied by lr
        as in `torch.optim.AdamW`.

    Example:
        >>> options = {"lr": 0.5, "beta1": 0.5, "beta2": 0.75, "eps": 2.0, "weight_decay": 0.25}
        >>> new, state = adamw(torch.tensor([1.0]), torch.tensor([2.0]), {}, **options)  # `adam` makes 0.75 of it
        >>> new.item(), state["step"], state["exp_avg"].item(), state["exp_avg_sq"].item()
        (0.625, 1, 1.0, 1.0)
    """
    # BEGIN SOLUTION
    decayed = param - lr * weight_decay * param  # (...)
    return adam(decayed, grad, state, lr, beta1, beta2, eps)  # without L2 the step does not depend on the parameter
    # END SOLUTION


class Adam(torch.optim.Optimizer):
    """The rule `adam` for all parameters of a model: a drop-in for `torch.optim.Adam`.

    Parameters come in groups, each with its own lr, betas, eps and weight_decay. `torch.optim.Optimizer` brings the
    rest: `self.param_groups`, a list of dicts of these values and the list "params"; `self.state`, a dict that has an
    empty dict for every parameter to begin with; and `zero_grad`, `state_dict` and `load_state_dict`, which work when
    everything that is remembered lies in `self.state`.

    Args:
        params: the parameters, or dicts like {"params": [...], "lr": 0.1}; what such a dict does not say is taken from
            the arguments below.
        lr: the learning rate.
        betas: (beta1, beta2), how much of m and of v is kept.
        eps: added to the root, outside of it.
        weight_decay: the strength of L2 regularization, as in `adam`.

    Raises:
        ValueError: lr, eps or weight_decay is negative, or a beta is not in [0, 1).

    Reference:
        Kingma & Ba, Adam: a method for stochastic optimization (2015), algorithm 1. `torch.optim.Optimizer`.

    Example:
        >>> w = torch.nn.Parameter(torch.tensor([4.0, -2.0]))
        >>> optimizer = Adam([w], lr=0.5)
        >>> (w**2).sum().backward()
        >>> optimizer.step()
        >>> w.tolist()  # every first step has the length lr
        [3.5, -1.5]
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        # BEGIN SOLUTION
        if min(lr, eps, weight_decay) < 0 or not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"cannot optimize with {lr=}, {betas=}, {eps=}, {weight_decay=}")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})
        # END SOLUTION

    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Move every parameter that has a gradient, in place; gradients stay as they are.

        A parameter whose `grad` is None is left alone, and so is its state: each parameter counts its own steps.

        Args:
            closure: computes the loss anew, and with it the gradients. If it is given it is called once, before the
                parameters move, with gradients enabled. The moves themselves are not recorded by autograd.

        Returns:
            What the closure returned, None without one.
        """
        # BEGIN SOLUTION
        with torch.enable_grad():
            loss = None if closure is None else closure()
        with torch.no_grad():
            for group in self.param_groups:
                lr, eps, weight_decay = group["lr"], group["eps"], group["weight_decay"]
                for p in group["params"]:
                    if p.grad is not None:
                        moved, self.state[p] = adam(p, p.grad, self.state[p], lr, *group["betas"], eps, weight_decay)
                        p.copy_(moved)
        return loss
        # END SOLUTION
