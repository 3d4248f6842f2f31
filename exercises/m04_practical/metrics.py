"""Metrics: what a classifier is worth, in PyTorch.

A metric is read by people and compared between runs, so every function here says what it does where others are silent: with
ties, with classes that never occur, at the borders of its bins. Single numbers come back as Python floats, computed in float64.
No function changes a tensor that it is given.

Letters: N rows, K classes, M bins. Targets are int64 tensors of classes from 0 to K - 1.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def accuracy(
    logits: Float[Tensor, "*N K"], targets: Int[Tensor, "*N"], top: int = 1, ignore_index: int = -100
) -> float:
    """The share of rows whose class is among the `top` highest scores.

    Args:
        logits: scores, (..., K), of any number of leading axes: (N, K) for images, (B, T, K) for words. None are equal.
        targets: the right classes, (...).
        top: how many guesses a row has.
        ignore_index: rows with this target (padding) do not count, neither as right nor as wrong. At least one counts.

    Returns:
        From 0 to 1, a float.

    Reference:
        Russakovsky et al., ImageNet large scale visual recognition challenge (2015), section 4.1 (top-5 error).

    Example:
        >>> logits = torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
        >>> accuracy(logits, torch.tensor([0, 1, -100])), accuracy(logits, torch.tensor([0, 1, 2]), top=3)
        (0.5, 1.0)
    """
    raise NotImplementedError


def confusion_matrix(predictions: Int[Tensor, "N"], targets: Int[Tensor, "N"], classes: int) -> Int[Tensor, "K K"]:
    """Count how often each class was taken for each: entry [i, j] is the number of rows of class i predicted as j.

    Args:
        predictions: the predicted classes, (N,).
        targets: the right classes, (N,).
        classes: K; some may not occur.

    Returns:
        (K, K), int64: a row for each right class, a column for each predicted one.

    Raises:
        ValueError: a prediction or a target is not from 0 to K - 1.

    Reference:
        scikit-learn's `confusion_matrix`, with labels=range(K).

    Example:
        >>> confusion_matrix(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1]), 3).tolist()
        [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    """
    raise NotImplementedError


def precision_recall_f1(
    matrix: Int[Tensor, "K K"], average: str | None = "macro"
) -> tuple[float, float, float] | tuple[Float[Tensor, "K"], Float[Tensor, "K"], Float[Tensor, "K"]]:
    """Precision, recall and F1 from a confusion matrix.

    For one class: precision is the share of the rows predicted as it that are right, recall the share of its own rows that
    are found, F1 their harmonic mean 2 · precision · recall / (precision + recall). Where the denominator is 0 (a class that
    is never predicted, or never occurs) the value is 0, not nan.

    Args:
        matrix: counts of right classes (rows) by predicted classes (columns), (K, K), int64.
        average: "macro" is the mean over all K classes of the value of each, so that rare ones count as much as common ones.
            "micro" adds up the rows that are right, predicted and there over all classes, and takes one value from the
            sums. None asks for the values of each class.

    Returns:
        The tuple (precision, recall, F1): three floats, or for None three float64 tensors (K,).

    Raises:
        ValueError: `average` is none of the three.

    Reference:
        van Rijsbergen, Information retrieval (1979), chapter 7. Opitz & Burst, Macro F1 and macro F1 (2019), on the mean of
        F1s, which this is, and the F1 of means, which it is not. scikit-learn's `precision_recall_fscore_support`.

    Example:
        >>> precision, recall, f1 = precision_recall_f1(torch.tensor([[1, 1], [0, 2]]), average=None)
        >>> precision.round(decimals=3).tolist(), recall.tolist(), f1.round(decimals=3).tolist()
        ([1.0, 0.667], [0.5, 1.0], [0.667, 0.8])
        >>> precision_recall_f1(torch.tensor([[1, 1], [0, 2]]), average="micro")
        (0.75, 0.75, 0.75)
    """
    raise NotImplementedError


def roc_auc(scores: Float[Tensor, "N"], targets: Int[Tensor, "N"]) -> float:
    """The area under the ROC curve: how probable it is that a positive row scores higher than a negative one.

    Over all pairs of a positive and a negative row, count 1 where the positive one has the higher score and ½ where both are
    equal, and take the mean. There are too many pairs to build them all: N is up to a million. Sort instead, and give every
    row the rank of its score, from 1; equal scores share the mean of their ranks. With P positive rows whose ranks
    add up to R, and Q negative ones, the area is (R - P · (P + 1) / 2) / (P · Q).

    Args:
        scores: the higher, the more likely positive, (N,).
        targets: 1 for positive rows, 0 for negative ones, (N,).

    Returns:
        From 0 to 1, a float; ½ for scores that know nothing.

    Raises:
        ValueError: there is no positive row, or no negative one.

    Reference:
        Hanley & McNeil, The meaning and use of the area under a receiver operating characteristic curve (1982). Fawcett, An
        introduction to ROC analysis (2006), section 7. Mann & Whitney (1947) for the ranks.

    Example:
        >>> roc_auc(torch.tensor([0.1, 0.4, 0.4, 0.8]), torch.tensor([0, 0, 1, 1]))  # 3 pairs won, 1 tie, of 4
        0.875
    """
    raise NotImplementedError


def expected_calibration_error(probabilities: Float[Tensor, "N K"], targets: Int[Tensor, "N"], bins: int = 15) -> float:
    """How far confidence is from accuracy: of the rows predicted with 80 % confidence, are 80 % right?

    A row's confidence is its largest probability, its prediction the class of that. Rows are sorted into M bins of equal width
    by their confidence in float64: bin m, from 1 to M, holds those in ((m - 1) / M, m / M]. A confidence that rounding has lifted
    above 1 belongs to the last. In each bin take the distance between the share of right predictions and the mean confidence;
    the error is the mean of these distances, each weighted by the number of rows in its bin.

    Args:
        probabilities: of every class, (N, K); rows sum to 1, and no two classes share a row's largest.
        targets: the right classes, (N,).
        bins: M.

    Returns:
        From 0 to 1, a float.

    Reference:
        Guo, Pleiss, Sun & Weinberger, On calibration of modern neural networks (2017), section 2, equation 3.

    Example:
        >>> probabilities = torch.tensor([[0.75, 0.25], [0.75, 0.25], [0.0, 1.0]])
        >>> round(expected_calibration_error(probabilities, torch.tensor([0, 1, 1]), bins=4), 6)  # (2 · |½ - ¾| + 0) / 3
        0.166667
    """
    raise NotImplementedError
