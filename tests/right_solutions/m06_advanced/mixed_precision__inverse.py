"""The scale as a reciprocal, what is known of a step in a dict, one vector of flags, gradients zeroed and not dropped."""

import math

import torch


class DynamicLossScaler:
    def __init__(self, init_scale=65536.0, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000):
        self.options = growth_factor, backoff_factor, growth_interval
        self.current, self.left, self.known = float(init_scale), growth_interval, {}

    def get_scale(self):
        return self.current

    def scale(self, loss):
        return torch.mul(loss, self.current)

    def unscale_(self, optimizer):
        if "fine" in self.known:
            raise RuntimeError("unscale_ was called already since the last update")
        found = []
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                parameter.grad *= 1.0 / self.current
                found.append(math.isfinite(parameter.grad.abs().max()))
        self.known["fine"] = all(found)

    def step(self, optimizer):
        if "fine" not in self.known:
            self.unscale_(optimizer)
        return optimizer.step() if self.known["fine"] else None

    def update(self):
        growth_factor, backoff_factor, growth_interval = self.options
        if not self.known.pop("fine", True):
            self.current, self.left = self.current * backoff_factor, growth_interval
            return
        self.left -= 1
        if self.left == 0:
            self.current, self.left = self.current * growth_factor, growth_interval


def autocast_step(model, loss_function, optimizer, scaler, x, y, dtype=torch.bfloat16):
    optimizer.zero_grad(set_to_none=False)
    with torch.amp.autocast(device_type=x.device.type, dtype=dtype):
        prediction = model(x)
        loss = loss_function(prediction, y)
    scaled = scaler.scale(loss)
    scaled.backward()
    scaler.step(optimizer)
    scaler.update()
    return float(loss.detach())


def find_overflow(tensors, dtype=torch.float16, scale=1.0):
    found = {}
    for name, tensor in tensors.items():
        if tensor is None:
            continue
        stored = tensor.mul(scale).type(dtype)
        bad = torch.count_nonzero(stored.isinf() | (stored != stored)).item()
        if bad > 0:
            found[name] = bad
    return found
