"""All arithmetic in float64, rounded to the parameter's dtype at the end; the class keeps names of its own."""

import torch


def _rounded(values, like):
    return {name: value.to(like.dtype) if torch.is_tensor(value) else value for name, value in values.items()}


def _wide(state, name, like):
    return state[name].double() if name in state else torch.zeros_like(like, dtype=torch.float64)


def sgd(param, grad, state, lr, weight_decay=0.0):
    theta, g = param.double(), grad.double()
    return (theta - lr * g - lr * weight_decay * theta).to(param.dtype), state


def momentum(param, grad, state, lr, mu=0.9, weight_decay=0.0):
    theta = param.double()
    b = grad.double() + weight_decay * theta + mu * _wide(state, "momentum_buffer", param)
    return (theta - lr * b).to(param.dtype), _rounded({"momentum_buffer": b}, param)


def nesterov(param, grad, state, lr, mu=0.9, weight_decay=0.0):
    theta, old = param.double(), _wide(state, "momentum_buffer", param)
    g = grad.double() + weight_decay * theta
    move = (1 + mu) * g + mu * mu * old
    return (theta - lr * move).to(param.dtype), _rounded({"momentum_buffer": mu * old + g}, param)


def adagrad(param, grad, state, lr, eps=1e-10):
    g = grad.double()
    s = _wide(state, "sum", param) + torch.pow(g, 2)
    return (param.double() - g * (lr / (torch.sqrt(s) + eps))).to(param.dtype), _rounded({"sum": s}, param)


def rmsprop(param, grad, state, lr, alpha=0.99, eps=1e-8):
    g = grad.double()
    s = torch.square(g) + alpha * (_wide(state, "square_avg", param) - torch.square(g))
    return (param.double() - lr * (g / (torch.sqrt(s) + eps))).to(param.dtype), _rounded({"square_avg": s}, param)


def _adam(theta, g, m, v, t, lr, beta1, beta2, eps):
    m = m + (1 - beta1) * (g - m)
    v = v + (1 - beta2) * (g * g - v)
    return theta - lr * (m / (1 - beta1**t)) / (torch.sqrt(v / (1 - beta2**t)) + eps), m, v


def adam(param, grad, state, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    theta, t = param.double(), int(state.get("step", 0)) + 1
    g = grad.double() + weight_decay * theta
    m, v = _wide(state, "exp_avg", param), _wide(state, "exp_avg_sq", param)
    theta, m, v = _adam(theta, g, m, v, t, lr, beta1, beta2, eps)
    return theta.to(param.dtype), _rounded({"step": t, "exp_avg": m, "exp_avg_sq": v}, param)


def adamw(param, grad, state, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01):
    new, state = adam(param, grad, state, lr, beta1, beta2, eps)
    return new - lr * weight_decay * param, state


class Adam(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        for option in (lr, eps, weight_decay):
            if option < 0:
                raise ValueError("negative")
        if max(betas) >= 1 or min(betas) < 0:
            raise ValueError("beta")
        super().__init__(params, defaults={"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    def step(self, closure=None):
        loss = closure() if closure else None
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._move(p, group)
        return loss

    def _move(self, p, group):
        state = self.state[p]
        if not state:
            state.update(t=0, m=torch.zeros_like(p.data), v=torch.zeros_like(p.data))
        state["t"] += 1
        theta = p.data.double()
        g = p.grad.data.double() + group["weight_decay"] * theta
        m, v = state["m"].double(), state["v"].double()
        theta, m, v = _adam(theta, g, m, v, state["t"], group["lr"], *group["betas"], group["eps"])
        p.data.copy_(theta)
        state["m"], state["v"] = m.to(p.dtype), v.to(p.dtype)
