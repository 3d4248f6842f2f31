"""A writer closed by hand and a histogram of bins of its own; curves judged in plain Python."""

import math
import os
import statistics

from torch.utils import tensorboard


def log_training_run(log_dir, run):
    os.makedirs(log_dir, exist_ok=True)
    writer = tensorboard.SummaryWriter(log_dir=str(log_dir), flush_secs=1)
    try:
        for epoch, pair in enumerate(run):
            metrics, weights = pair
            for name in sorted(metrics):
                writer.add_scalar(tag=name, scalar_value=metrics[name], global_step=epoch)
            for name in weights:
                writer.add_histogram("weights/" + name, weights[name].detach().clone().numpy(), epoch, bins="auto")
            writer.flush()
    finally:
        writer.close()


def learning_curve_diagnosis(train_losses, validation_losses, target, window=1, tolerance=0.1):
    epochs = len(train_losses)
    if epochs != len(validation_losses):
        raise ValueError("lengths")
    if epochs < window:
        raise ValueError("too short")
    for loss in list(train_losses) + list(validation_losses):
        if math.isnan(loss) or math.isinf(loss):
            raise ValueError("not finite")
    means = []
    for start in range(epochs - window + 1):
        means.append(statistics.fmean(validation_losses[start : start + window]))
    if statistics.fmean(train_losses[epochs - window :]) > target:
        return "underfitting"
    too_high = means[-1] > target * (1 + tolerance)
    has_risen = means[-1] > min(means) * (1 + tolerance)
    return "overfitting" if too_high or has_risen else "good fit"
