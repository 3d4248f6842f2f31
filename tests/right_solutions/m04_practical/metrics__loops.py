"""Counting in plain Python and NumPy."""

import numpy as np
import torch


def accuracy(logits, targets, top=1, ignore_index=-100):
    right = total = 0
    for scores, target in zip(logits.reshape(-1, logits.shape[-1]).tolist(), targets.reshape(-1).tolist(), strict=True):
        if target != ignore_index:
            total += 1
            right += target in sorted(range(len(scores)), key=scores.__getitem__, reverse=True)[:top]
    return right / total


def confusion_matrix(predictions, targets, classes):
    matrix = [[0] * classes for _ in range(classes)]
    for prediction, target in zip(predictions.tolist(), targets.tolist(), strict=True):
        if not (0 <= prediction < classes and 0 <= target < classes):
            raise ValueError(f"{prediction} or {target} is no class")
        matrix[target][prediction] += 1
    return torch.tensor(matrix)


def precision_recall_f1(matrix, average="macro"):
    counts = matrix.numpy()
    triples = [
        (counts[k, k], counts[:, k].sum() - counts[k, k], counts[k].sum() - counts[k, k]) for k in range(len(counts))
    ]
    if average == "micro":
        return _three(*(sum(column) for column in zip(*triples, strict=True)))
    values = [_three(*triple) for triple in triples]
    if average == "macro":
        return tuple(sum(column) / len(values) for column in zip(*values, strict=True))
    if average is None:
        return tuple(torch.tensor(values, dtype=torch.float64).T)
    raise ValueError(average)


def _three(hits, wrong, missed):
    precision = float(hits / (hits + wrong)) if hits + wrong else 0.0
    recall = float(hits / (hits + missed)) if hits + missed else 0.0
    return precision, recall, 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def roc_auc(scores, targets):
    """By the negative scores below and at each positive one."""
    values, is_positive = scores.double().numpy(), targets.numpy() == 1
    if is_positive.all() or not is_positive.any():
        raise ValueError("one class only")
    negative = np.sort(values[~is_positive])
    below = np.searchsorted(negative, values[is_positive], side="left")
    not_above = np.searchsorted(negative, values[is_positive], side="right")
    return float((below + not_above).mean() / 2 / len(negative))


def expected_calibration_error(probabilities, targets, bins=15):
    confidence, prediction = (part.numpy() for part in probabilities.double().max(dim=1))
    right = prediction == targets.numpy()
    edges, error = np.arange(1, bins) / bins, 0.0
    place = np.searchsorted(edges, confidence, side="left")
    for m in range(bins):
        inside = place == m
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return float(error)
