"""In the style of torch's own code: copies that are changed in place, `get` avoided, the step as a tensor."""

import math

import torch


def sgd(param, grad, state, lr, weight_decay=0.0):
    d_p = grad.clone()
    if weight_decay != 0:
        d_p.add_(param, alpha=weight_decay)
    return torch.add(param, d_p, alpha=-lr), {}


def _buffer(param, grad, state, mu, weight_decay):
    d_p = grad.clone()
    if weight_decay != 0:
        d_p.add_(param, alpha=weight_decay)
    if "momentum_buffer" not in state:
        return d_p, d_p.clone()
    return d_p, state["momentum_buffer"].clone().mul_(mu).add_(d_p)


def momentum(param, grad, state, lr, mu=0.9, weight_decay=0.0):
    _, buffer = _buffer(param, grad, state, mu, weight_decay)
    return torch.add(param, buffer, alpha=-lr), {"momentum_buffer": buffer}


def nesterov(param, grad, state, lr, mu=0.9, weight_decay=0.0):
    d_p, buffer = _buffer(param, grad, state, mu, weight_decay)
    return torch.add(param, d_p.add_(buffer, alpha=mu), alpha=-lr), {"momentum_buffer": buffer}


def adagrad(param, grad, state, lr, eps=1e-10):
    total = state["sum"].clone() if state else torch.zeros_like(param)
    total.addcmul_(grad, grad)
    return torch.addcdiv(param, grad, total.sqrt().add_(eps), value=-lr), {"sum": total}


def rmsprop(param, grad, state, lr, alpha=0.99, eps=1e-8):
    average = state["square_avg"].clone() if state else torch.zeros_like(param)
    average.mul_(alpha).addcmul_(grad, grad, value=1 - alpha)
    return torch.addcdiv(param, grad, average.sqrt().add_(eps), value=-lr), {"square_avg": average}


def adam(param, grad, state, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    if weight_decay != 0:
        grad = grad.add(param, alpha=weight_decay)
    step = state["step"] + 1 if state else 1
    exp_avg = state["exp_avg"].clone() if state else torch.zeros_like(param)
    exp_avg_sq = state["exp_avg_sq"].clone() if state else torch.zeros_like(param)
    exp_avg.lerp_(grad, 1 - beta1)
    exp_avg_sq.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
    denominator = (exp_avg_sq.sqrt() / math.sqrt(1 - beta2**step)).add_(eps)
    new = torch.addcdiv(param, exp_avg, denominator, value=-lr / (1 - beta1**step))
    return new, {"step": step, "exp_avg": exp_avg, "exp_avg_sq": exp_avg_sq}


def adamw(param, grad, state, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01):
    return adam(param.clone().mul_(1 - lr * weight_decay), grad, state, lr, beta1, beta2, eps)


class Adam(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        if not lr >= 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not eps >= 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        for index, beta in enumerate(betas):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Invalid beta parameter at index {index}: {beta}")
        if not weight_decay >= 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=False))

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if len(state) == 0:
                    state["step"] = torch.tensor(0.0)
                    state["exp_avg"] = torch.zeros_like(p, memory_format=torch.preserve_format)
                    state["exp_avg_sq"] = torch.zeros_like(p, memory_format=torch.preserve_format)
                grad = p.grad
                if group["weight_decay"] != 0:
                    grad = grad.add(p, alpha=group["weight_decay"])
                state["step"] += 1
                step = state["step"].item()
                state["exp_avg"].lerp_(grad, 1 - beta1)
                state["exp_avg_sq"].mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
                denominator = (state["exp_avg_sq"].sqrt() / (1 - beta2**step) ** 0.5).add_(group["eps"])
                p.addcdiv_(state["exp_avg"], denominator, value=-group["lr"] / (1 - beta1**step))
        return loss
