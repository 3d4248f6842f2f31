"""Keeps every metric and a whole copy of the best model, and looks back each time."""

import copy

import torch


class EarlyStopping:
    def __init__(self, patience=5, min_delta=0.0, mode="min"):
        if not (patience >= 1):
            raise ValueError("patience")
        if not (min_delta >= 0):
            raise ValueError("min_delta")
        if mode not in ("min", "max"):
            raise ValueError("mode")
        self.sign = {"min": 1.0, "max": -1.0}[mode]
        self.patience = patience
        self.min_delta = min_delta
        self.metrics = []
        self.winner = None
        self.best_epoch = None

    @property
    def best(self):
        return self.sign * float("inf") if self.best_epoch is None else self.metrics[self.best_epoch]

    def step(self, metric, model):
        epoch = len(self.metrics)
        self.metrics.append(metric)
        others = self.metrics[:epoch]
        better = (
            self.sign * metric
            < self.sign * (others[self.best_epoch] if self.best_epoch is not None else self.best) - self.min_delta
        )
        if better:
            self.best_epoch = epoch
            self.winner = copy.deepcopy(model)
        since = epoch - (-1 if self.best_epoch is None else self.best_epoch)
        return not since < self.patience

    def restore(self, model):
        if self.winner is None:
            raise RuntimeError("nothing to restore")
        with torch.no_grad():
            for name, value in model.state_dict().items():
                value.copy_(self.winner.state_dict()[name])
