"""Public checks of the metrics: run `pytest exercises/m04_practical/test_metrics.py`."""

import pytest
import torch

from autograder.testing import assert_close, assert_shape

MATRIX = torch.tensor([[6, 2, 0], [1, 3, 0], [3, 1, 0]])  # class 2 is never predicted


# accuracy


@pytest.mark.stage("shape")
def test_accuracy_is_a_float(learner, probe):
    value = learner.accuracy(probe.tensor("N C"), torch.from_numpy(probe.integers("N", high="C")))
    assert isinstance(value, float) and 0 <= value <= 1, "a float from 0 to 1"


def test_accuracy_counts_rows_whose_class_scores_highest(learner):
    logits = torch.tensor([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3], [-3.0, -2.0, -1.0], [4.0, 9.0, 1.0]])
    assert_close(learner.accuracy(logits, torch.tensor([1, 2, 2, 0])), 0.5)
    assert_close(learner.accuracy(logits, torch.tensor([1, 2, 2, 0]), top=2), 1.0)
    assert_close(learner.accuracy(logits, torch.tensor([2, 1, 0, 0]), top=2), 0.5)


def test_accuracy_leaves_ignored_rows_out(learner):
    logits = torch.tensor([[9.0, 0.0, 0.0], [9.0, 0.0, 0.0], [9.0, 0.0, 0.0], [0.0, 9.0, 0.0]])
    assert_close(learner.accuracy(logits, torch.tensor([0, -100, 2, -100])), 0.5)
    assert_close(learner.accuracy(logits, torch.tensor([0, 1, 2, 1]), ignore_index=2), 2 / 3)


def test_accuracy_of_sequences(learner):
    logits = torch.tensor([[[5.0, 0.0], [0.0, 5.0]], [[5.0, 0.0], [5.0, 0.0]], [[0.0, 5.0], [5.0, 0.0]]])
    assert_close(learner.accuracy(logits, torch.tensor([[0, 1], [1, -100], [1, 1]])), 3 / 5)


# confusion_matrix


@pytest.mark.stage("shape")
def test_confusion_matrix_is_a_square_of_int64(learner):
    assert_shape(learner.confusion_matrix(torch.tensor([0, 1]), torch.tensor([1, 1]), 4), (4, 4), torch.int64)


def test_confusion_matrix_has_targets_in_rows_and_predictions_in_columns(learner):
    matrix = learner.confusion_matrix(torch.tensor([2, 2, 0, 1]), torch.tensor([1, 1, 1, 0]), 4)
    assert_close(matrix, torch.tensor([[0, 1, 0, 0], [1, 0, 2, 0], [0, 0, 0, 0], [0, 0, 0, 0]]))


@pytest.mark.stage("robust")
def test_confusion_matrix_refuses_classes_that_are_none(learner):
    for wrong in (torch.tensor([0, 3]), torch.tensor([-1, 1])):
        with pytest.raises(ValueError):
            learner.confusion_matrix(wrong, torch.tensor([0, 1]), 3)
        with pytest.raises(ValueError):
            learner.confusion_matrix(torch.tensor([0, 1]), wrong, 3)


# precision_recall_f1


@pytest.mark.stage("shape")
def test_precision_recall_f1_are_floats_or_one_tensor_each(learner):
    for average in ("macro", "micro"):
        result = learner.precision_recall_f1(MATRIX, average)
        assert len(result) == 3 and all(isinstance(value, float) for value in result), "three floats"
    for value in learner.precision_recall_f1(MATRIX, None):
        assert_shape(value, (3,), torch.float64)


def test_precision_recall_f1_of_each_class(learner):
    precision, recall, f1 = learner.precision_recall_f1(MATRIX, None)
    assert_close(precision, torch.tensor([0.6, 0.5, 0.0], dtype=torch.float64), name="precision: 6/10, 3/6, 0/0")
    assert_close(recall, torch.tensor([0.75, 0.75, 0.0], dtype=torch.float64), name="recall: 6/8, 3/4, 0/4")
    assert_close(f1, torch.tensor([2 / 3, 0.6, 0.0], dtype=torch.float64), name="F1: 12/18, 6/10, 0/4")


def test_precision_recall_f1_macro_is_the_mean_over_all_classes(learner):
    assert_close(learner.precision_recall_f1(MATRIX), (1.1 / 3, 0.5, (2 / 3 + 0.6) / 3))


def test_precision_recall_f1_micro_adds_the_counts_up(learner):
    assert_close(learner.precision_recall_f1(MATRIX, "micro"), (9 / 16, 9 / 16, 9 / 16))


@pytest.mark.stage("robust")
def test_precision_recall_f1_refuses_other_averages(learner):
    with pytest.raises(ValueError):
        learner.precision_recall_f1(MATRIX, "weighted")


# roc_auc


@pytest.mark.stage("shape")
def test_roc_auc_of_a_perfect_order_is_one_and_of_its_reverse_zero(learner):
    scores, targets = torch.tensor([0.1, 0.2, 0.3, 0.4]), torch.tensor([0, 0, 1, 1])
    assert_close(learner.roc_auc(scores, targets), 1.0)
    assert_close(learner.roc_auc(-scores, targets), 0.0)


def test_roc_auc_counts_the_pairs_that_are_in_order(learner):
    scores, targets = torch.tensor([0.9, 0.1, 0.5, 0.4, 0.7]), torch.tensor([1, 0, 1, 1, 0])
    assert_close(learner.roc_auc(scores, targets), 4 / 6)


def test_roc_auc_counts_a_tie_as_a_half(learner):
    assert_close(learner.roc_auc(torch.tensor([0.3, 0.3]), torch.tensor([1, 0])), 0.5)
    scores, targets = torch.tensor([0.2, 0.5, 0.5, 0.5, 0.9]), torch.tensor([1, 0, 1, 0, 1])
    assert_close(learner.roc_auc(scores, targets), (0 + 1 + 2) / 6)


@pytest.mark.stage("robust")
def test_roc_auc_refuses_rows_of_one_class(learner):
    for targets in (torch.tensor([0, 0]), torch.tensor([1, 1])):
        with pytest.raises(ValueError):
            learner.roc_auc(torch.tensor([0.1, 0.2]), targets)


# expected_calibration_error


@pytest.mark.stage("shape")
def test_expected_calibration_error_is_a_float(learner):
    p = torch.tensor([[0.75, 0.25], [0.375, 0.625]])
    assert isinstance(learner.expected_calibration_error(p, torch.tensor([0, 0])), float), "a float"


def test_expected_calibration_error_of_sure_predictions_is_the_share_of_wrong_ones(learner):
    assert_close(learner.expected_calibration_error(torch.eye(4), torch.tensor([0, 1, 2, 0])), 0.25)


def test_expected_calibration_error_weighs_the_distance_of_each_bin(learner):
    p = torch.tensor([[0.95, 0.05]] + [[0.3, 0.7]] * 3 + [[0.72, 0.28]], dtype=torch.float64)
    # bin (0.8, 1]: sure by 0.95, none right; bin (0.6, 0.8]: sure by 2.82 / 4, three of four right
    expected = (0.95 + abs(3 - 2.82)) / 5
    assert_close(learner.expected_calibration_error(p, torch.tensor([1, 1, 1, 0, 0]), bins=5), expected)


def test_expected_calibration_error_gives_a_border_to_the_bin_below(learner):
    p = torch.tensor([[0.75, 0.25], [0.5625, 0.4375], [0.875, 0.125]], dtype=torch.float64)
    expected = (abs(1 - 1.3125) + abs(1 - 0.875)) / 3
    assert_close(learner.expected_calibration_error(p, torch.tensor([1, 0, 0]), bins=4), expected)
