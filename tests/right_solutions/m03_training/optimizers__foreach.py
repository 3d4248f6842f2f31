"""Whole groups at once with torch's foreach functions; the rules by lerp and where, some by way of one another."""

from collections import defaultdict

import torch


def sgd(param, grad, state, lr, weight_decay=0.0):
    return (1 - lr * weight_decay) * param - lr * grad, {}


def momentum(param, grad, state, lr, mu=0.9, weight_decay=0.0):
    buffer = torch.add(grad, param, alpha=weight_decay)
    for old in state.values():
        buffer = buffer + mu * old
    return sgd(param, buffer, {}, lr)[0], dict(momentum_buffer=buffer)


def nesterov(param, grad, state, lr, mu=0.9, weight_decay=0.0):
    _, state = momentum(param, grad, state, lr, mu, weight_decay)
    return momentum(param, grad, state, lr, mu, weight_decay)[0], state  # the step that momentum would take next


def adagrad(param, grad, state, lr, eps=1e-10):
    total = torch.stack([*state.values(), grad.square()]).sum(0)
    return param - lr * grad.div(total.pow(0.5).add(eps)), dict(sum=total)


def rmsprop(param, grad, state, lr, alpha=0.99, eps=1e-8):
    average = torch.lerp(grad * grad, state.get("square_avg", torch.zeros_like(grad)), alpha)
    return torch.where(grad == 0, param, param - lr * grad / (torch.sqrt(average) + eps)), dict(square_avg=average)


def adam(param, grad, state, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    if not state:
        state = {"step": 0, "exp_avg": torch.zeros_like(param), "exp_avg_sq": torch.zeros_like(param)}
    grad = torch.add(grad, param, alpha=weight_decay)
    new = {
        "exp_avg_sq": torch.lerp(grad.square(), state["exp_avg_sq"], beta2),
        "exp_avg": torch.lerp(grad, state["exp_avg"], beta1),
        "step": state["step"] + 1,
    }
    first, second = 1 - beta1 ** new["step"], 1 - beta2 ** new["step"]
    root = (new["exp_avg_sq"] / second).sqrt()
    return param - (lr / first) * new["exp_avg"] / (root + eps), new


def adamw(param, grad, state, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01):
    moved, state = adam(torch.zeros_like(param), grad, state, lr, beta1, beta2, eps)
    return param * (1 - lr * weight_decay) + moved, state


class Adam(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        if lr < 0 or eps < 0 or weight_decay < 0 or any(not 0 <= beta < 1 for beta in betas):
            raise ValueError("an option makes no sense")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        with torch.enable_grad():
            loss = closure() if closure is not None else None
        for group in self.param_groups:
            alike = defaultdict(list)  # parameters that have taken equally many steps
            for p in group["params"]:
                if p.grad is not None:
                    alike[self.state[p].get("step", 0)].append(p)
            for t, params in alike.items():
                self._step_together(params, t + 1, group)
        return loss

    def _step_together(self, params, t, group):
        beta1, beta2 = group["betas"]
        for p in params:
            self.state[p].setdefault("exp_avg", torch.zeros_like(p))
            self.state[p].setdefault("exp_avg_sq", torch.zeros_like(p))
            self.state[p]["step"] = t
        grads = torch._foreach_add([p.grad for p in params], params, alpha=group["weight_decay"])
        first = [self.state[p]["exp_avg"] for p in params]
        second = [self.state[p]["exp_avg_sq"] for p in params]
        torch._foreach_mul_(first, beta1)
        torch._foreach_add_(first, grads, alpha=1 - beta1)
        torch._foreach_mul_(second, beta2)
        torch._foreach_addcmul_(second, grads, grads, value=1 - beta2)
        root = torch._foreach_sqrt(torch._foreach_div(second, 1 - beta2**t))
        torch._foreach_add_(root, group["eps"])
        torch._foreach_addcdiv_(params, first, root, value=-group["lr"] / (1 - beta1**t))
