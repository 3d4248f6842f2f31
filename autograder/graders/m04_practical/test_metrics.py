"""Hidden checks of the metrics, by counting in plain Python, by closed forms and against the reference."""

import math

import numpy as np
import pytest
import torch

from autograder.testing import assert_close, assert_shape

CHOICES = ("macro", "micro", None)


def guesses(probe, n=60, classes=5):
    """Predictions and targets of which about half agree; every class occurs in both."""
    targets = torch.from_numpy(probe.integers(n, high=classes))
    others = torch.from_numpy(probe.integers(n, high=classes))
    agree = torch.from_numpy(probe.signs(n) > 0)
    predictions = torch.where(agree, targets, others)
    targets[:classes], predictions[:classes] = torch.arange(classes), torch.arange(classes).roll(1)
    return predictions, targets


def a_matrix(probe, classes=5):
    """Counts of which no two rows or columns have equal sums."""
    counts = torch.from_numpy(probe.permutation(classes * classes)).reshape(classes, classes)
    return counts + 100 * torch.diag(torch.arange(1, classes + 1)) + torch.arange(classes)


def one_class(matrix, i):
    """Precision, recall and F1 of a class, in plain Python."""
    right, predicted, there = int(matrix[i, i]), int(matrix[:, i].sum()), int(matrix[i].sum())
    precision = right / predicted if predicted else 0.0
    recall = right / there if there else 0.0
    return precision, recall, 2 * precision * recall / (precision + recall) if right else 0.0


def by_pairs(scores, targets):
    """The area under the ROC curve by all pairs."""
    won = pairs = 0.0
    for high, positive in zip(scores.tolist(), targets.tolist(), strict=True):
        for low, other in zip(scores.tolist(), targets.tolist(), strict=True):
            if positive == 1 and other == 0:
                pairs += 1
                won += 1.0 if high > low else 0.5 if high == low else 0.0
    return won / pairs


def probabilities(probe, n=80, classes=4, sharp=2.0):
    """Rows that sum to one, with confidences from near 1 / K to near 1."""
    return torch.softmax(sharp * probe.tensor(n, classes, dtype=torch.float64), dim=1)


def calibration_by_hand(p, targets, bins):
    """The calibration error, bin by bin in plain Python."""
    rows = [(max(row), row.index(max(row)) == target) for row, target in zip(p.tolist(), targets.tolist(), strict=True)]
    error = 0.0
    for m in range(1, bins + 1):
        inside = [(c, right) for c, right in rows if (m - 1) / bins < c <= m / bins or (m == bins and c > 1)]
        if inside:
            confidence = sum(c for c, _ in inside) / len(inside)
            error += len(inside) / len(rows) * abs(sum(right for _, right in inside) / len(inside) - confidence)
    return error


# accuracy


@pytest.mark.stage("shape")
def test_accuracy_is_a_float(learner, probe):
    value = learner.accuracy(probe.tensor("N C"), torch.from_numpy(probe.integers("N", high="C")))
    assert isinstance(value, float) and 0 <= value <= 1, "a float from 0 to 1"


def test_accuracy_is_the_share_of_rows_with_the_highest_score_at_their_class(learner, probe):
    targets = torch.from_numpy(probe.integers(8, high=5))
    logits = torch.tensor(probe.uniform((8, 5), -1.0, 1.0))
    for right in (0, 3, 8):
        scores = logits.clone()
        scores[torch.arange(8), targets] += torch.where(torch.arange(8) < right, 3.0, -3.0)
        assert_close(learner.accuracy(scores, targets), right / 8)


def test_accuracy_counts_a_class_among_the_top_scores(learner, probe):
    logits = torch.from_numpy(np.stack([probe.permutation(7) for _ in range(20)])).double()
    targets = torch.from_numpy(probe.integers(20, high=7))
    for top in (2, 3, 5):
        rank = (logits > logits[torch.arange(20), targets][:, None]).sum(dim=1)  # how many classes score higher
        assert_close(learner.accuracy(logits, targets, top=top), int((rank < top).sum()) / 20)


def test_accuracy_among_all_classes_is_one(learner, probe):
    logits, targets = probe.tensor("N C"), torch.from_numpy(probe.integers("N", high="C"))
    assert_close(learner.accuracy(logits, targets, top=probe.size("C")), 1.0)


def test_accuracy_leaves_ignored_rows_out(learner, probe):
    logits = 9.0 * torch.eye(4)
    for index in (1, -100, -1):  # the second row would be right with the class 1
        targets = torch.tensor([0, index, 3, index])
        got = (
            learner.accuracy(logits, targets)
            if index == -100
            else learner.accuracy(logits, targets, ignore_index=index)
        )
        assert_close(got, 0.5)
    assert_close(learner.accuracy(logits, torch.tensor([0, -100, 2, 3])), 1.0)


def test_accuracy_takes_any_number_of_leading_axes(learner, probe):
    for leading in ("B T", "2 B T"):
        logits = probe.tensor(f"{leading} C")
        targets = torch.from_numpy(probe.integers(leading, high="C"))
        targets[0, 0] = -100
        kept = targets != -100
        expected = ((logits.argmax(dim=-1) == targets) & kept).sum().item() / kept.sum().item()
        assert_close(learner.accuracy(logits, targets), expected, name=f"the accuracy of logits {tuple(logits.shape)}")


@pytest.mark.stage("whole")
def test_accuracy_equals_the_reference(learner, reference, probe):
    for top, index in ((1, 0), (2, -100), (3, 4)):
        classes = probe.size("C", at_least=5)
        logits, targets = probe.tensor(5, 8, "C"), torch.from_numpy(probe.integers("5 8", high=classes))
        logits += 1.5 * torch.eye(classes)[targets]  # about half of the rows are right
        expected = reference.accuracy(logits, targets, top, index)
        assert_close(learner.accuracy(logits, targets, top, index), expected)


@pytest.mark.stage("robust")
def test_accuracy_of_negative_scores_and_of_huge_ones(learner, probe):
    for scores, second in (([-3.0, -1.0, -2.0], 2), ([-2.0, -1.0, -3.0], 0)):
        targets = torch.tensor([1, 2 - second, second, 2 - second])
        for logits in (torch.tensor([scores] * 4), 1e30 * torch.tensor([scores] * 4)):
            assert_close(learner.accuracy(logits, targets), 1 / 4)
            assert_close(learner.accuracy(logits, targets, top=2), 2 / 4)


@pytest.mark.stage("robust")
def test_accuracy_of_scores_that_differ_in_float64_only(learner, probe):
    places = torch.from_numpy(np.stack([probe.permutation(5) for _ in range(20)]))
    logits, targets = 1.0 + 1e-12 * places.double(), torch.from_numpy(probe.integers(20, high=5))
    assert_close(learner.accuracy(logits, targets), (places.argmax(dim=1) == targets).double().mean().item())


@pytest.mark.stage("robust")
def test_accuracy_of_many_rows_is_not_rounded(learner):
    logits = torch.tensor([[1.0, 0.0]]).repeat(100_003, 1)
    targets = torch.zeros(100_003, dtype=torch.int64)
    targets[:7] = 1
    assert_close(learner.accuracy(logits, targets), 1.0 - 7 / 100_003)


# confusion_matrix


@pytest.mark.stage("shape")
def test_confusion_matrix_is_a_square_of_int64(learner, probe):
    assert_shape(learner.confusion_matrix(*guesses(probe), 5), (5, 5), torch.int64)


def test_confusion_matrix_counts_every_row_once(learner, probe):
    assert int(learner.confusion_matrix(*guesses(probe), 5).sum()) == 60
    many = [part.repeat(300) for part in guesses(probe)]
    assert int(learner.confusion_matrix(*many, 5).sum()) == 18_000, "however many rows there are of a kind"


def test_confusion_matrix_has_right_predictions_on_the_diagonal(learner, probe):
    predictions, targets = guesses(probe)
    right = [sum(1 for p, t in zip(predictions, targets, strict=True) if p == t == k) for k in range(5)]
    assert_close(learner.confusion_matrix(predictions, targets, 5).diagonal(), torch.tensor(right))


def test_confusion_matrix_has_targets_in_rows_and_predictions_in_columns(learner):
    matrix = learner.confusion_matrix(torch.tensor([2, 2, 0]), torch.tensor([1, 1, 1]), 3)
    assert_close(matrix, torch.tensor([[0, 0, 0], [1, 0, 2], [0, 0, 0]]))


def test_confusion_matrix_keeps_classes_that_never_occur(learner, probe):
    for classes in (6, 300):
        last = classes - 2
        matrix = learner.confusion_matrix(torch.tensor([1, last, last]), torch.tensor([1, 1, last]), classes)
        expected = torch.zeros(classes, classes, dtype=torch.int64)
        expected[1, 1] = expected[1, last] = expected[last, last] = 1
        assert_close(matrix, expected)


@pytest.mark.stage("whole")
def test_confusion_matrix_equals_the_reference(learner, reference, probe):
    for n, classes in ((40, 3), (500, 11), (7, 2)):
        predictions, targets = guesses(probe, n, classes)
        expected = torch.zeros(classes, classes, dtype=torch.int64)
        for p, t in zip(predictions, targets, strict=True):
            expected[t, p] += 1
        assert_close(learner.confusion_matrix(predictions, targets, classes), expected)
        assert_close(reference.confusion_matrix(predictions, targets, classes), expected, name="the reference")


@pytest.mark.stage("robust")
def test_confusion_matrix_of_no_rows_is_zero(learner):
    none = torch.zeros(0, dtype=torch.int64)
    assert_close(learner.confusion_matrix(none, none, 3), torch.zeros(3, 3, dtype=torch.int64))


@pytest.mark.stage("robust")
def test_confusion_matrix_refuses_classes_that_are_none(learner):
    fine = torch.tensor([0, 1, 2])
    for wrong in (torch.tensor([0, 1, 3]), torch.tensor([0, 3, 1]), torch.tensor([0, -1, 1])):
        with pytest.raises(ValueError):
            learner.confusion_matrix(fine, wrong, 3)
        with pytest.raises(ValueError):
            learner.confusion_matrix(wrong, fine, 3)


# precision_recall_f1


@pytest.mark.stage("shape")
def test_precision_recall_f1_are_floats_or_one_tensor_each(learner, probe):
    for average in ("macro", "micro"):
        result = learner.precision_recall_f1(a_matrix(probe), average)
        assert isinstance(result, tuple | list) and len(result) == 3, "it returns three values"
        assert all(isinstance(value, float) for value in result), f"with {average!r} they are floats"
    result = learner.precision_recall_f1(a_matrix(probe), None)
    assert isinstance(result, tuple | list) and len(result) == 3, "it returns three values"
    for value in result:
        assert_shape(value, (5,), torch.float64)


def test_precision_recall_f1_precision_divides_by_what_was_predicted(learner, probe):
    matrix = a_matrix(probe)
    got = learner.precision_recall_f1(matrix, average=None)[0]
    assert_close(got, torch.tensor([one_class(matrix, i)[0] for i in range(5)], dtype=torch.float64), name="precision")


def test_precision_recall_f1_recall_divides_by_what_is_there(learner, probe):
    matrix = a_matrix(probe)
    got = learner.precision_recall_f1(matrix, average=None)[1]
    assert_close(got, torch.tensor([one_class(matrix, i)[1] for i in range(5)], dtype=torch.float64), name="recall")


def test_precision_recall_f1_f1_is_the_harmonic_mean(learner, probe):
    matrix = a_matrix(probe)
    got = learner.precision_recall_f1(matrix, average=None)[2]
    assert_close(got, torch.tensor([one_class(matrix, i)[2] for i in range(5)], dtype=torch.float64), name="F1")


def test_precision_recall_f1_macro_is_the_mean_over_classes(learner, probe):
    matrix = a_matrix(probe)
    values = [one_class(matrix, i) for i in range(5)]
    expected = tuple(sum(value[j] for value in values) / 5 for j in range(3))
    assert_close(learner.precision_recall_f1(matrix, "macro"), expected)


def test_precision_recall_f1_macro_f1_is_no_f1_of_means(learner):
    precision, recall, f1 = learner.precision_recall_f1(torch.tensor([[10, 90], [0, 10]]), "macro")
    # Class 0: precision 1, recall 0.1, F1 2/11. Class 1: precision 0.1, recall 1, F1 2/11.
    assert_close((precision, recall, f1), (0.55, 0.55, 2 / 11))


def test_precision_recall_f1_micro_is_the_accuracy_three_times(learner, probe):
    matrix = a_matrix(probe)
    share = int(matrix.diagonal().sum()) / int(matrix.sum())
    assert_close(learner.precision_recall_f1(matrix, "micro"), (share, share, share))


def test_precision_recall_f1_of_a_class_never_predicted_is_zero(learner):
    matrix = torch.tensor([[6, 2, 0], [1, 3, 0], [3, 1, 0]])
    precision, recall, f1 = learner.precision_recall_f1(matrix, None)
    assert_close(precision, torch.tensor([0.6, 0.5, 0.0], dtype=torch.float64), name="precision")
    assert_close(recall, torch.tensor([0.75, 0.75, 0.0], dtype=torch.float64), name="recall")
    assert_close(f1, torch.tensor([2 / 3, 0.6, 0.0], dtype=torch.float64), name="F1")


def test_precision_recall_f1_counts_classes_that_never_occur_in_the_mean(learner):
    matrix = torch.tensor([[6, 2, 0, 0], [1, 3, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    expected = ((6 / 7 + 3 / 5) / 4, (0.75 + 0.75) / 4, (0.8 + 2 / 3) / 4)
    assert_close(learner.precision_recall_f1(matrix), expected, name="the macro average")


@pytest.mark.stage("whole")
def test_precision_recall_f1_equals_the_reference(learner, reference, probe):
    for average in CHOICES:
        for matrix in (a_matrix(probe), a_matrix(probe, 3), torch.diag(torch.tensor([1, 0, 2]))):
            expected = reference.precision_recall_f1(matrix, average)
            assert_close(learner.precision_recall_f1(matrix, average), expected)


@pytest.mark.stage("robust")
def test_precision_recall_f1_of_no_rows_is_zero(learner):
    for average in ("macro", "micro"):
        assert_close(learner.precision_recall_f1(torch.zeros(3, 3, dtype=torch.int64), average), (0.0, 0.0, 0.0))


@pytest.mark.stage("robust")
def test_precision_recall_f1_is_exact_for_large_counts(learner):
    matrix = torch.tensor([[500_001, 1], [2, 500_003]])
    expected = tuple(sum(one_class(matrix, i)[j] for i in range(2)) / 2 for j in range(3))
    for got, wanted in zip(learner.precision_recall_f1(matrix), expected, strict=True):
        assert_close((1.0 - got) * 1e6, (1.0 - wanted) * 1e6, name="what is missing to 1, in units of 1e-6")


@pytest.mark.stage("robust")
def test_precision_recall_f1_refuses_other_averages(learner, probe):
    for average in ("weighted", "Macro", ""):
        with pytest.raises(ValueError):
            learner.precision_recall_f1(a_matrix(probe), average)


# roc_auc


def ranked(probe, n=40):
    """Distinct scores, the positive ones a little higher, and the targets."""
    targets = torch.from_numpy((probe.signs(n) > 0).astype(np.int64))
    return probe.tensor(n) + 0.7 * targets, targets


@pytest.mark.stage("shape")
def test_roc_auc_is_a_float(learner, probe):
    value = learner.roc_auc(*ranked(probe))
    assert isinstance(value, float) and 0 <= value <= 1, "a float from 0 to 1"


def test_roc_auc_of_a_perfect_order_is_one_and_of_its_reverse_zero(learner, probe):
    scores, targets = probe.tensor(5).sort().values, torch.tensor([0, 0, 0, 1, 1])
    assert_close(learner.roc_auc(scores, targets), 1.0)
    assert_close(learner.roc_auc(-scores, targets), 0.0)


def test_roc_auc_counts_the_pairs_that_are_in_order(learner):
    scores, targets = torch.tensor([0.9, 0.1, 0.5, 0.4, 0.7]), torch.tensor([1, 0, 1, 1, 0])
    assert_close(learner.roc_auc(scores, targets), 4 / 6)  # lost: (0.5, 0.7) and (0.4, 0.7)


def test_roc_auc_counts_a_tie_as_a_half(learner):
    assert_close(learner.roc_auc(torch.tensor([0.3, 0.3]), torch.tensor([0, 1])), 0.5)
    assert_close(learner.roc_auc(torch.tensor([0.3, 0.3]), torch.tensor([1, 0])), 0.5)
    assert_close(learner.roc_auc(torch.full((9,), 0.7), torch.tensor([1, 0, 1, 1, 0, 0, 0, 1, 0])), 0.5)


def test_roc_auc_with_many_ties_counts_every_pair(learner, probe):
    targets = torch.from_numpy((probe.signs(50) > 0).astype(np.int64))
    scores = torch.from_numpy(probe.integers(50, high=6)) + targets
    assert_close(learner.roc_auc(scores.float(), targets), by_pairs(scores, targets))


def test_roc_auc_of_the_other_class_is_the_rest(learner, probe):
    scores, targets = ranked(probe)
    for each in (targets, 1 - targets):  # above a half, and below
        assert_close(learner.roc_auc(scores, each), by_pairs(scores, each))


def test_roc_auc_looks_at_the_order_only(learner, probe):
    scores, targets = ranked(probe)
    assert_close(learner.roc_auc(torch.exp(3.0 * scores) - 100.0, targets), by_pairs(scores, targets))
    close = 1.0 + 1e-12 * scores.double()  # all of them one number in float32
    assert_close(learner.roc_auc(close, targets), by_pairs(close, targets))


def test_roc_auc_does_not_depend_on_the_order_of_the_rows(learner, probe):
    targets = torch.tensor([0, 0, 1, 1, 0, 1, 1, 0])
    scores = torch.tensor([1.0, 2.0, 2.0, 3.0, 3.0, 3.0, 1.0, 0.0])
    order = torch.from_numpy(probe.permutation(8))
    assert_close(learner.roc_auc(scores[order], targets[order]), by_pairs(scores, targets))


@pytest.mark.stage("whole")
def test_roc_auc_equals_the_reference(learner, reference, probe):
    for share in (0.1, 0.5, 0.9):
        targets = torch.from_numpy((probe.uniform(150, 0.0, 1.0) < share).astype(np.int64))
        scores = (3.0 * probe.tensor(150)).round() + targets
        assert_close(learner.roc_auc(scores, targets), reference.roc_auc(scores, targets))


@pytest.mark.stage("whole")
def test_roc_auc_is_the_area_under_the_curve(learner, probe):
    scores, targets = ranked(probe, 61)
    falling = scores.argsort(descending=True)
    hits, misses = targets[falling].cumsum(0).double(), (1 - targets[falling]).cumsum(0).double()
    hit_rate, miss_rate = hits / hits[-1], misses / misses[-1]
    zero = torch.zeros(1, dtype=torch.float64)
    area = torch.trapezoid(torch.cat([zero, hit_rate]), torch.cat([zero, miss_rate]))
    assert_close(learner.roc_auc(scores, targets), area.item())


@pytest.mark.stage("robust")
def test_roc_auc_of_many_rows_builds_no_table_of_pairs(learner, probe):
    n = 200_000
    scores = torch.arange(n).double() / n
    targets = (
        torch.arange(n) % 4 == 0
    ).long()  # positive rows 0, 4, 8, …: each loses to three more than those before it
    positives = n // 4
    lost = sum(3 * (positives - i) for i in range(positives))
    expected = 1.0 - lost / (positives * (n - positives))
    assert_close(learner.roc_auc(scores[torch.arange(n).flip(0)], targets.flip(0)), expected)


@pytest.mark.stage("robust")
def test_roc_auc_refuses_rows_of_one_class(learner, probe):
    for targets in (torch.zeros(4, dtype=torch.int64), torch.ones(4, dtype=torch.int64)):
        with pytest.raises(ValueError):
            learner.roc_auc(probe.tensor(4), targets)


# expected_calibration_error


@pytest.mark.stage("shape")
def test_expected_calibration_error_is_a_float(learner, probe):
    value = learner.expected_calibration_error(probabilities(probe), torch.from_numpy(probe.integers(80, high=4)))
    assert isinstance(value, float) and 0 <= value <= 1, "a float from 0 to 1"


def test_expected_calibration_error_of_sure_and_right_predictions_is_zero(learner, probe):
    targets = torch.from_numpy(probe.integers(12, high=5))
    assert_close(learner.expected_calibration_error(torch.eye(5)[targets], targets), 0.0)


def test_expected_calibration_error_of_sure_and_wrong_predictions_is_one(learner, probe):
    targets = torch.from_numpy(probe.integers(12, high=5))
    assert_close(learner.expected_calibration_error(torch.eye(5)[(targets + 2) % 5], targets), 1.0)


def test_expected_calibration_error_compares_confidence_with_the_share_of_right_ones(learner):
    p = torch.tensor([[0.8, 0.2]] * 10, dtype=torch.float64)
    for right in (0, 6, 8, 10):
        targets = torch.tensor([0] * right + [1] * (10 - right))
        got = learner.expected_calibration_error(p, targets, bins=10)
        assert_close(got + 1.0, abs(right / 10 - 0.8) + 1.0, name=f"the error with {right} right, plus one")


def test_expected_calibration_error_lets_no_bin_make_up_for_another(learner):
    p = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]], dtype=torch.float64)
    targets = torch.tensor([0, 1, 0, 0])  # too sure by 0.4 in one bin, not sure enough by 0.4 in the other
    assert_close(learner.expected_calibration_error(p, targets, bins=12), 0.4)


def test_expected_calibration_error_lets_rows_of_a_bin_make_up_for_each_other(learner):
    p = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]], dtype=torch.float64)
    targets = torch.tensor([0, 1, 0, 0])
    assert_close(learner.expected_calibration_error(p, targets, bins=1), 0.0)


def test_expected_calibration_error_weighs_a_bin_by_its_rows(learner):
    p = torch.tensor([[0.95, 0.05]] + [[0.7, 0.3]] * 3, dtype=torch.float64)
    targets = torch.tensor([1, 0, 0, 1])
    assert_close(learner.expected_calibration_error(p, targets, bins=5), 0.25 * 0.95 + 0.75 * (0.7 - 2 / 3))


def test_expected_calibration_error_gives_a_border_to_the_bin_below(learner):
    rows = [
        [0.75, 0.25, 0.0, 0.0],
        [0.5625, 0.4375, 0.0, 0.0],
        [0.875, 0.125, 0.0, 0.0],
        [0.28125, 0.25, 0.25, 0.21875],
    ]
    p, targets = torch.tensor(rows, dtype=torch.float64), torch.tensor([1, 0, 0, 0])
    expected = (
        abs(1 - 1.3125) + abs(1 - 0.875) + abs(1 - 0.28125)
    ) / 4  # with 4 bins ¾ lies with 0.5625, not with 0.875
    assert_close(learner.expected_calibration_error(p, targets, bins=4), expected)


def test_expected_calibration_error_takes_the_class_of_the_largest_probability(learner):
    p = torch.tensor([[0.2, 0.7, 0.1], [0.1, 0.1, 0.8]], dtype=torch.float64)
    assert_close(learner.expected_calibration_error(p, torch.tensor([1, 2]), bins=7), 0.25)


def test_expected_calibration_error_has_all_its_bins_for_two_rows(learner):
    p = torch.tensor([[0.91, 0.09], [0.81, 0.19]], dtype=torch.float64)
    assert_close(learner.expected_calibration_error(p, torch.tensor([1, 0]), bins=20), (0.91 + 0.19) / 2)


@pytest.mark.stage("whole")
def test_expected_calibration_error_equals_the_reference(learner, reference, probe):
    for bins, sharp in ((15, 2.0), (10, 0.5), (4, 4.0), (1, 1.0)):
        p, targets = probabilities(probe, sharp=sharp), torch.from_numpy(probe.integers(80, high=4))
        expected = calibration_by_hand(p, targets, bins)
        assert_close(learner.expected_calibration_error(p, targets, bins), expected)
        assert_close(reference.expected_calibration_error(p, targets, bins), expected, name="the reference")


@pytest.mark.stage("whole")
def test_expected_calibration_error_uses_fifteen_bins_unless_told(learner, probe):
    p, targets = probabilities(probe, 200), torch.from_numpy(probe.integers(200, high=4))
    assert_close(learner.expected_calibration_error(p, targets), calibration_by_hand(p, targets, 15))


@pytest.mark.stage("robust")
def test_expected_calibration_error_of_a_confidence_rounded_above_one(learner):
    p = torch.tensor([[1.0 + 1e-12, 0.0], [0.1, 0.9]], dtype=torch.float64)
    assert_close(learner.expected_calibration_error(p, torch.tensor([0, 0]), bins=6), 0.45)
    assert_close(learner.expected_calibration_error(p, torch.tensor([1, 0]), bins=6), 0.95)


@pytest.mark.stage("robust")
def test_expected_calibration_error_of_float32_probabilities(learner, probe):
    p = torch.softmax(torch.tensor([[1.0, 3.0, 0.5]]), dim=1)
    (_, confidence, _), *_ = p.tolist()
    assert math.isclose(learner.expected_calibration_error(p, torch.tensor([1])), 1.0 - confidence, rel_tol=1e-6)
