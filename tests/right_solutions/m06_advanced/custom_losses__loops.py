"""Loops over entries, rows and pairs, in float64 inside."""

import torch


def _log_sigmoid(z):
    return -torch.logaddexp(torch.zeros_like(z), -z)


def focal_loss(logits, targets, gamma=2.0, alpha=0.25):
    if tuple(logits.shape) != tuple(targets.shape):
        raise ValueError("shapes")
    total = 0.0
    for logit, target in zip(logits.double().reshape(-1), targets.reshape(-1).tolist(), strict=True):
        weight, right = (alpha, logit) if target else (1 - alpha, -logit)
        total = total - weight * torch.exp(gamma * _log_sigmoid(-right)) * _log_sigmoid(right)
    return (total / logits.numel()).to(logits.dtype)


def label_smoothing_loss(logits, targets, smoothing=0.1):
    if smoothing < 0 or smoothing > 1:
        raise ValueError("smoothing")
    total, classes = 0.0, logits.shape[1]
    for row, target in zip(logits.double(), targets.tolist(), strict=True):
        log_p = row - row.logsumexp(0)
        for c in range(classes):
            total = total - (smoothing / classes + (1 - smoothing) * (c == target)) * log_p[c]
    return (total / len(logits)).to(logits.dtype)


def triplet_loss(embeddings, labels, margin=0.2):
    rows, names, losses = embeddings.double(), labels.tolist(), []
    for i, name in enumerate(names):
        away = [torch.linalg.vector_norm(row - rows[i]) for row in rows]  # its slope at 0 is 0
        same = [away[j] for j in range(len(names)) if names[j] == name and j != i]
        other = [away[j] for j in range(len(names)) if names[j] != name]
        if same and other:
            hardest = torch.stack(same).max() - torch.stack(other).min() + margin
            losses.append(hardest.clamp_min(0))
    return (sum(losses) / len(losses) if losses else 0 * rows.sum()).to(embeddings.dtype)


def info_nce(x, y, temperature=0.1):
    if x.shape != y.shape:
        raise ValueError("shapes")
    if not temperature > 0:
        raise ValueError("temperature")
    total, dtype = 0.0, x.dtype
    x, y = [row / row.norm() for row in x.double()], [row / row.norm() for row in y.double()]
    for i in range(len(x)):
        forward = torch.stack([x[i].dot(other) for other in y]) / temperature
        backward = torch.stack([y[i].dot(other) for other in x]) / temperature
        total = total - forward.log_softmax(0)[i] - backward.log_softmax(0)[i]
    return (total / (2 * len(x))).to(dtype)
