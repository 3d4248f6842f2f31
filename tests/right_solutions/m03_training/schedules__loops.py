"""Stairs climbed one by one, waves by half-angle formulas, a plateau told by looking back over all metrics."""

import math


def step_decay(step, lr, step_size, gamma=0.1):
    for passed in range(1, step + 1):
        if passed % step_size == 0:
            lr = lr * gamma
    return lr


def exponential_decay(step, lr, gamma=0.9, decay_steps=1):
    return lr * math.exp(math.log(gamma) * step / decay_steps)


def cosine_annealing(step, lr, total_steps, min_lr=0.0):
    if step >= total_steps:
        return min_lr
    share = math.sin(math.pi * step / total_steps / 2.0) ** 2  # (1 - cos 2x) / 2 = sin² x
    return (1.0 - share) * lr + share * min_lr


def linear_warmup_cosine(step, lr, warmup_steps, total_steps, min_lr=0.0):
    if warmup_steps < 0:
        raise ValueError("negative")
    if warmup_steps >= total_steps:
        raise ValueError("too long")
    if step >= total_steps:
        return min_lr
    if step < warmup_steps:
        return step * (lr / warmup_steps)
    angle = math.pi * (step - warmup_steps) / (total_steps - warmup_steps)
    return 0.5 * (lr + min_lr) + 0.5 * (lr - min_lr) * math.cos(angle)


def one_cycle(step, max_lr, total_steps, pct_start=0.3, div_factor=25.0, final_div_factor=1e4):
    if step not in range(total_steps):
        raise ValueError("no such step")
    initial = max_lr / div_factor
    points = [(0.0, initial), (pct_start * total_steps - 1.0, max_lr), (total_steps - 1.0, initial / final_div_factor)]
    for (start, low), (end, high) in zip(points, points[1:], strict=False):
        if start <= step <= end:
            return high + (low - high) / 2.0 * (math.cos(math.pi * (step - start) / (end - start)) + 1.0)
    raise AssertionError("never")


class ReduceOnPlateau:
    def __init__(self, lr, mode="min", factor=0.1, patience=10, threshold=1e-4, cooldown=0, min_lr=0.0):
        if factor <= 0 or factor >= 1:
            raise ValueError(factor)
        if mode != "min" and mode != "max":
            raise ValueError(mode)
        self.rate, self.bounds = lr, (factor, min_lr)
        self.bar = lambda best: best - threshold * best if mode == "min" else best + threshold * best
        self.beats = (lambda a, b: a < b) if mode == "min" else (lambda a, b: a > b)
        self.patience, self.cooldown = patience, cooldown
        self.best, self.epoch = None, 0
        self.counts_from = 0  # the epoch after which bad epochs count

    @property
    def lr(self):
        return self.rate

    def step(self, metric):
        self.epoch += 1
        if metric == metric and (self.best is None or self.beats(metric, self.bar(self.best))):
            self.best = metric
            self.counts_from = max(self.counts_from, self.epoch)
        elif self.epoch - self.counts_from > self.patience:
            factor, low = self.bounds
            self.rate = self.rate * factor if self.rate * factor > low else low
            self.counts_from = self.epoch + self.cooldown
        return self.rate
