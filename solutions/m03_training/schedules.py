"""Learning-rate schedules: how far to step, as a function of how far the training has come. Plain Python numbers.

A schedule is a pure function: the same step gives the same learning rate, whatever was asked before. Steps count from 0,
and a schedule is asked before the step is taken:

    for step in range(total_steps):
        rate = cosine_annealing(step, lr=0.1, total_steps=total_steps)

The class at the end is different in kind. It cannot know the rate of a step beforehand, because it listens to how the
training goes. Every schedule here gives the numbers of its namesake in `torch.optim.lr_scheduler`, for the steps that
both of them know.
"""

import math


def step_decay(step: int, lr: float, step_size: int, gamma: float = 0.1) -> float:
    """Multiply the rate by gamma after every step_size steps: lr · gamma^⌊step / step_size⌋.

    Args:
        step: the number of the step, from 0.
        lr: the learning rate of the first step.
        step_size: for how many steps the rate stays the same.
        gamma: what it is multiplied by then.

    Returns:
        The learning rate of this step, a float.

    Reference:
        He, Zhang, Ren & Sun, Deep residual learning for image recognition (2016), section 3.4: the rate is divided by 10
        when the error plateaus. `torch.optim.lr_scheduler.StepLR`.

    Example:
        >>> [step_decay(step, lr=8.0, step_size=2, gamma=0.5) for step in range(5)]
        [8.0, 8.0, 4.0, 4.0, 2.0]
    """
    # BEGIN SOLUTION
    return lr * gamma ** (step // step_size)
    # END SOLUTION


def exponential_decay(step: int, lr: float, gamma: float = 0.9, decay_steps: int = 1) -> float:
    """Let the rate fall a little at every step, by the factor gamma over decay_steps of them: lr · gamma^(step / decay_steps).

    After decay_steps steps it has fallen as far as `step_decay` would with that step_size; on the way it has no jumps.

    Args:
        step: the number of the step, from 0.
        lr: the learning rate of the first step.
        gamma: what the rate is multiplied by in the course of decay_steps steps.
        decay_steps: over how many steps.

    Returns:
        The learning rate of this step, a float.

    Reference:
        `torch.optim.lr_scheduler.ExponentialLR`, which has decay_steps = 1.

    Example:
        >>> [exponential_decay(step, lr=8.0, gamma=0.25, decay_steps=2) for step in range(5)]
        [8.0, 4.0, 2.0, 1.0, 0.5]
    """
    # BEGIN SOLUTION
    return lr * gamma ** (step / decay_steps)
    # END SOLUTION


def cosine_annealing(step: float, lr: float, total_steps: float, min_lr: float = 0.0) -> float:
    """Go down from lr to min_lr along half a cosine wave: min_lr + (lr - min_lr) · (1 + cos(π · step / total_steps)) / 2.

    Slow at first, fast in the middle, slow at the end. From step total_steps on the rate stays at min_lr. (torch's goes
    up again there.)

    Args:
        step: the number of the step, from 0. It need not be whole, nor need total_steps.
        lr: the learning rate of step 0.
        total_steps: the step that arrives at min_lr.
        min_lr: the last learning rate. It may also be larger than lr; then the rate rises.

    Returns:
        The learning rate of this step, a float.

    Reference:
        Loshchilov & Hutter, SGDR: stochastic gradient descent with warm restarts (2017), equation 5.
        `torch.optim.lr_scheduler.CosineAnnealingLR`.

    Example:
        >>> [round(cosine_annealing(step, lr=10.0, total_steps=6, min_lr=2.0), 12) for step in (0, 2, 3, 4, 6, 7)]
        [10.0, 8.0, 6.0, 4.0, 2.0, 2.0]
    """
    # BEGIN SOLUTION
    progress = min(step / total_steps, 1.0)
    return min_lr + (lr - min_lr) * (1.0 + math.cos(math.pi * progress)) / 2.0
    # END SOLUTION


def linear_warmup_cosine(step: int, lr: float, warmup_steps: int, total_steps: int, min_lr: float = 0.0) -> float:
    """Rise in a straight line from 0 to lr, then go down to min_lr along half a cosine wave.

    For step < warmup_steps the rate is lr · step / warmup_steps. Then `cosine_annealing` begins: at step warmup_steps the
    rate is lr, at step total_steps it is min_lr, and there it stays. With warmup_steps = 0 there is no rise.

    Args:
        step: the number of the step, from 0.
        lr: the largest learning rate.
        warmup_steps: how many steps the rise takes.
        total_steps: the step that arrives at min_lr. The rise is part of it.
        min_lr: the last learning rate. The rise begins at 0 all the same.

    Returns:
        The learning rate of this step, a float.

    Raises:
        ValueError: warmup_steps is negative, or not smaller than total_steps.

    Reference:
        Goyal et al., Accurate, large minibatch SGD (2017), section 2.2, for the rise. Loshchilov & Hutter, SGDR (2017),
        equation 5, for the way down. `torch.optim.lr_scheduler`: `LinearLR` followed by `CosineAnnealingLR`.

    Example:
        >>> rates = [linear_warmup_cosine(step, lr=8.0, warmup_steps=4, total_steps=10) for step in (0, 1, 3, 4, 6, 10)]
        >>> [round(rate, 12) for rate in rates]
        [0.0, 2.0, 6.0, 8.0, 6.0, 0.0]
    """
    # BEGIN SOLUTION
    if not 0 <= warmup_steps < total_steps:
        raise ValueError(f"{warmup_steps} steps of warm-up do not fit into {total_steps} steps")
    if step < warmup_steps:
        return lr * step / warmup_steps
    return cosine_annealing(step - warmup_steps, lr, total_steps - warmup_steps, min_lr)
    # END SOLUTION


def one_cycle(
    step: int,
    max_lr: float,
    total_steps: int,
    pct_start: float = 0.3,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> float:
    """One cycle for a whole training: up to a rate that would be too large to stay at, then down to nearly nothing.

    The first rate is max_lr / div_factor, the last one (the first rate) / final_div_factor. Both ways are half a cosine
    wave. The top is at step pct_start · total_steps - 1, which need not be a whole number; the end is at the last step,
    total_steps - 1.

    Args:
        step: the number of the step, from 0 to total_steps - 1.
        max_lr: the largest learning rate.
        total_steps: how many steps there are.
        pct_start: the share of them that goes up, as a fraction: more than 1 / total_steps and less than 1.
        div_factor: how many times smaller than max_lr the first rate is.
        final_div_factor: how many times smaller than the first rate the last one is.

    Returns:
        The learning rate of this step, a float.

    Raises:
        ValueError: step is not one of 0 … total_steps - 1.

    Reference:
        Smith & Topin, Super-convergence: very fast training of neural networks using large learning rates (2018),
        section 3. `torch.optim.lr_scheduler.OneCycleLR` with its cosine strategy.

    Example:
        >>> options = {"max_lr": 8.0, "total_steps": 8, "pct_start": 0.5, "div_factor": 4.0, "final_div_factor": 2.0}
        >>> [round(one_cycle(step, **options), 12) for step in (0, 1, 2, 3, 5, 7)]  # the top is at step 3
        [2.0, 3.5, 6.5, 8.0, 4.5, 1.0]
    """
    # BEGIN SOLUTION
    if not 0 <= step < total_steps:
        raise ValueError(f"{step} is none of the steps from 0 to {total_steps - 1}")
    first, top, end = max_lr / div_factor, pct_start * total_steps - 1, total_steps - 1
    if step <= top:
        return cosine_annealing(step, first, top, max_lr)
    return cosine_annealing(step - top, max_lr, end - top, first / final_div_factor)
    # END SOLUTION


class ReduceOnPlateau:
    """Multiply the learning rate by factor whenever a metric has stopped getting better.

    After every epoch `step` is told the metric. The epoch is good if the metric is better than the best so far, by more
    than a share threshold of it:

        mode "min": metric < best · (1 - threshold)        mode "max": metric > best · (1 + threshold)

    The first epoch is good, unless its metric is nan, and a good metric is the new best. A metric that is better, but not
    by enough, leaves the best where it was. What happens then, in this order:

    1. A good epoch sets the count of bad epochs to 0, any other (also one whose metric is nan) adds 1 to it.
    2. While a cooldown lasts (the `cooldown` epochs after a reduction) the count is set back to 0, so that bad epochs
       do not add up. Good metrics are still remembered.
    3. If the count is now larger than patience, the rate is multiplied by factor, but not to below min_lr; the count
       starts from 0, and so does a cooldown.

    So patience is the number of bad epochs that are forgiven: with patience = 2 the third in a row reduces the rate.

    Args:
        lr: the learning rate to begin with.
        mode: "min" for a metric that should fall, "max" for one that should rise. Metrics are positive numbers.
        factor: what the rate is multiplied by, between 0 and 1.
        patience: how many bad epochs in a row are forgiven.
        threshold: the share of the best by which a metric must be better to count.
        cooldown: for how many epochs after a reduction bad epochs are not counted.
        min_lr: the rate is never reduced to less; at most lr.

    Attributes:
        lr: the learning rate of the next epoch.

    Raises:
        ValueError: mode is neither "min" nor "max", or factor is not between 0 and 1 (both excluded).

    Reference:
        `torch.optim.lr_scheduler.ReduceLROnPlateau` with its relative threshold, and with eps = 0.

    Example:
        >>> schedule = ReduceOnPlateau(lr=1.0, factor=0.5, patience=1)
        >>> [schedule.step(loss) for loss in (4.0, 3.0, 3.5, 3.0, 2.0, 2.5, 2.5)]
        [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25]
    """

    def __init__(
        self,
        lr: float,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ):
        # BEGIN SOLUTION
        if mode not in ("min", "max") or not 0.0 < factor < 1.0:
            raise ValueError(f"cannot reduce with {mode=}, {factor=}")
        self.lr, self.mode, self.factor, self.patience = lr, mode, factor, patience
        self.threshold, self.cooldown, self.min_lr = threshold, cooldown, min_lr
        self.best = math.inf if mode == "min" else -math.inf
        self.bad_epochs = self.cooldown_left = 0
        # END SOLUTION

    def step(self, metric: float) -> float:
        """Take note of the metric of an epoch that has just ended.

        Returns:
            The learning rate of the next epoch, which is also `self.lr`.
        """
        # BEGIN SOLUTION
        better = 1.0 - self.threshold if self.mode == "min" else 1.0 + self.threshold
        if (metric < self.best * better) if self.mode == "min" else (metric > self.best * better):
            self.best, self.bad_epochs = metric, 0
        else:
            self.bad_epochs += 1
        if self.cooldown_left > 0:
            self.cooldown_left, self.bad_epochs = self.cooldown_left - 1, 0
        if self.bad_epochs > self.patience:
            self.lr = max(self.lr * self.factor, self.min_lr)
            self.cooldown_left, self.bad_epochs = self.cooldown, 0
        return self.lr
        # END SOLUTION
