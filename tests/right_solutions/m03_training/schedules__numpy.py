"""The same rates from NumPy: what is returned is a float64 scalar, which is a float."""

import numpy as np


def step_decay(step, lr, step_size, gamma=0.1):
    return np.float64(lr) * np.power(gamma, np.floor_divide(step, step_size))


def exponential_decay(step, lr, gamma=0.9, decay_steps=1):
    return np.float64(lr) * np.exp2(step * np.log2(gamma) / decay_steps)


def cosine_annealing(step, lr, total_steps, min_lr=0.0):
    progress = np.clip(np.float64(step) / total_steps, 0.0, 1.0)
    return min_lr + 0.5 * (lr - min_lr) * (1.0 + np.cos(np.pi * progress))


def linear_warmup_cosine(step, lr, warmup_steps, total_steps, min_lr=0.0):
    if not (warmup_steps >= 0 and total_steps > warmup_steps):
        raise ValueError(f"{warmup_steps} of {total_steps}")
    wave = cosine_annealing(max(step - warmup_steps, 0), lr, total_steps - warmup_steps, min_lr)
    return wave if step >= warmup_steps else lr * np.float64(step) / warmup_steps


def one_cycle(step, max_lr, total_steps, pct_start=0.3, div_factor=25.0, final_div_factor=1e4):
    if step < 0 or step > total_steps - 1:
        raise ValueError(step)
    first = max_lr / div_factor
    phase = np.interp(step, [0.0, pct_start * total_steps - 1, total_steps - 1], [0.0, 1.0, 2.0])
    low = first if phase < 1.0 else first / final_div_factor
    return low + (max_lr - low) * 0.5 * (1.0 - np.cos(np.pi * phase))


class ReduceOnPlateau:
    def __init__(self, lr, mode="min", factor=0.1, patience=10, threshold=1e-4, cooldown=0, min_lr=0.0):
        if mode not in {"min", "max"}:
            raise ValueError(mode)
        if not (factor > 0 and factor < 1):
            raise ValueError(factor)
        self.lr = lr
        self.options = (mode, factor, patience, threshold, cooldown, min_lr)
        self.best = np.inf if mode == "min" else -np.inf
        self.bad = 0
        self.resting = 0

    def step(self, metric):
        mode, factor, patience, threshold, cooldown, min_lr = self.options
        good = metric < self.best * (1 - threshold) if mode == "min" else metric > self.best * (1 + threshold)
        if good:
            self.best = metric
        self.bad = 0 if good or self.resting else self.bad + 1
        self.resting = max(self.resting - 1, 0)
        if self.bad == patience + 1:
            self.lr = float(np.maximum(self.lr * factor, min_lr))
            self.bad, self.resting = 0, cooldown
        return self.lr
