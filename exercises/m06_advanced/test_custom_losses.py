"""Public checks of the losses: run `pytest exercises/m06_advanced/test_custom_losses.py`."""

import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from autograder.testing import assert_close, assert_gradients, assert_shape


def answers(probe, spec, dtype=torch.float64):
    """Logits and targets of 0 and 1, both of which occur."""
    return 2.0 * probe.tensor(spec, dtype=dtype), torch.from_numpy(probe.signs(spec) > 0).to(dtype)


@pytest.mark.stage("shape")
def test_focal_loss_is_a_single_number_of_the_dtype_of_the_logits(learner, probe):
    assert_shape(learner.focal_loss(*answers(probe, "B N D")), (), torch.float64)


def test_focal_loss_of_a_case_computed_by_hand(learner):
    logits = torch.tensor([3.0, 3.0], dtype=torch.float64).log()  # p = ¾ twice, so p_t is ¾ and ¼
    expected = (0.75 / 16.0 * math.log(4.0 / 3.0) + 0.25 * 9.0 / 16.0 * math.log(4.0)) / 2.0
    got = learner.focal_loss(logits, torch.tensor([1, 0]), gamma=2.0, alpha=0.75)
    assert_close(got, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.stage("whole")
def test_focal_loss_with_gamma_zero_and_equal_weights_is_half_the_cross_entropy(learner, probe):
    logits, targets = answers(probe, "N D")
    expected = 0.5 * binary_cross_entropy_with_logits(logits, targets)
    assert_close(learner.focal_loss(logits, targets, gamma=0.0, alpha=0.5), expected)


@pytest.mark.stage("robust")
def test_focal_loss_survives_a_certain_and_a_hopeless_answer(learner):
    logits, targets = torch.tensor([900.0, -800.0, 600.0]), torch.tensor([1.0, 1.0, 0.0])
    loss, (slope, *_) = learner.vjp("focal_loss", [logits, targets, 0.5, 0.25])
    assert_close(loss, torch.tensor((0.25 * 800.0 + 0.75 * 600.0) / 3.0), name="the loss")
    assert_close(slope, torch.tensor([0.0, -0.25, 0.75]) / 3.0, name="the gradient")


@pytest.mark.stage("robust")
def test_focal_loss_refuses_targets_of_another_shape(learner, probe):
    logits, targets = answers(probe, "N")
    with pytest.raises(ValueError):
        learner.focal_loss(logits, targets[:, None])


def classes(probe):
    """Logits (N, C) and the right classes, the first and the last among them."""
    n, c = probe.shape("N C")
    return 2.0 * probe.tensor("N C", dtype=torch.float64), torch.from_numpy(probe.integers(n, high=c))


@pytest.mark.stage("shape")
def test_label_smoothing_loss_is_a_single_number_of_the_dtype_of_the_logits(learner, probe):
    assert_shape(learner.label_smoothing_loss(*classes(probe)), (), torch.float64)


def test_label_smoothing_loss_of_a_case_computed_by_hand(learner):
    logits = torch.tensor([[3.0, 1.0], [1.0, 1.0]], dtype=torch.float64).log()  # p = ¾, ¼ and ½, ½
    expected = (0.8 * math.log(4.0 / 3.0) + 0.2 * math.log(4.0) + math.log(2.0)) / 2.0
    got = learner.label_smoothing_loss(logits, torch.tensor([0, 1]), smoothing=0.4)
    assert_close(got, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.stage("whole")
def test_label_smoothing_loss_agrees_with_pytorch(learner, probe):
    logits, targets = classes(probe)
    for smoothing in (0.0, 0.25, 1.0):
        expected = cross_entropy(logits, targets, label_smoothing=smoothing)
        assert_close(learner.label_smoothing_loss(logits, targets, smoothing), expected)


@pytest.mark.stage("robust")
def test_label_smoothing_loss_survives_huge_logits(learner):
    got = learner.label_smoothing_loss(torch.tensor([[1000.0, -1000.0]]), torch.tensor([0]), smoothing=0.5)
    assert_close(got, torch.tensor(500.0))


@pytest.mark.stage("robust")
def test_label_smoothing_loss_refuses_a_share_outside_of_zero_and_one(learner, probe):
    for smoothing in (-0.1, 1.1):
        with pytest.raises(ValueError):
            learner.label_smoothing_loss(*classes(probe), smoothing=smoothing)


@pytest.mark.stage("shape")
def test_triplet_loss_is_a_single_number_of_the_dtype_of_the_embeddings(learner, probe):
    assert_shape(learner.triplet_loss(probe.tensor("5 D"), torch.tensor([1, 1, 2, 2, 2])), (), torch.float32)


def test_triplet_loss_of_a_case_computed_by_hand(learner):
    rows, labels = torch.tensor([[0.0], [1.0], [3.0], [7.0]]), torch.tensor([5, 5, 5, 8])
    assert_close(learner.triplet_loss(rows, labels, margin=2.0), torch.tensor(1.0 / 3.0), name="with margin 2")
    assert_close(learner.triplet_loss(rows, labels, margin=5.0), torch.tensor(2.0), name="with margin 5")


def test_triplet_loss_takes_the_nearest_of_other_labels(learner):
    rows = torch.tensor([[0.0], [1.0], [4.0], [40.0], [-50.0]], dtype=torch.float64)
    got = learner.triplet_loss(rows, torch.tensor([1, 1, 2, 3, 4]), margin=100.0)
    assert_close(got, torch.tensor(((1.0 - 4.0) + (1.0 - 3.0)) / 2.0 + 100.0, dtype=torch.float64))


@pytest.mark.stage("robust")
def test_triplet_loss_without_any_anchor_is_zero_and_can_be_differentiated(learner, probe):
    embeddings = probe.tensor("N D")
    loss, (slope, *_) = learner.vjp("triplet_loss", [embeddings, torch.arange(len(embeddings)), 0.5])
    assert_close(loss, torch.tensor(0.0), name="the loss")
    assert_close(slope, torch.zeros_like(embeddings), name="the gradient")


@pytest.mark.stage("robust")
def test_triplet_loss_gives_equal_rows_no_gradient_of_their_distance(learner):
    embeddings, labels = torch.tensor([[0.0, 0.0], [0.0, 0.0], [3.0, 4.0]]), torch.tensor([1, 1, 2])
    loss, (slope, *_) = learner.vjp("triplet_loss", [embeddings, labels, 9.0])
    assert_close(loss, torch.tensor(4.0), name="the loss")
    assert_close(slope, torch.tensor([[0.3, 0.4], [0.3, 0.4], [-0.6, -0.8]]), name="the gradient")


@pytest.mark.stage("shape")
def test_info_nce_is_a_single_number_of_the_dtype_of_x(learner, probe):
    assert_shape(learner.info_nce(probe.tensor("N D"), probe.tensor("N D")), (), torch.float32)


def test_info_nce_of_a_case_computed_by_hand(learner):
    x, y = torch.tensor([[2.0, 0.0], [0.0, 5.0]]), torch.tensor([[1.0, 0.0], [7.0, 0.0]])
    # With y the similarities are, in rows, (ln 3, ln 3) and (0, 0), and in columns (ln 3, 0) and (ln 3, 0).
    expected = (2.0 * math.log(2.0) + math.log(4.0 / 3.0) + math.log(4.0)) / 4.0
    assert_close(learner.info_nce(x, y, temperature=1.0 / math.log(3.0)), torch.tensor(expected))


@pytest.mark.stage("whole")
def test_info_nce_gives_the_slopes_of_two_cross_entropies(learner, probe):
    x, y = probe.tensor("5 3", dtype=torch.float64), probe.tensor("5 3", dtype=torch.float64)

    def contrast(x, y):
        logits = torch.nn.functional.cosine_similarity(x[:, None], y[None], dim=2) / 0.7
        return (cross_entropy(logits, torch.arange(5)) + cross_entropy(logits.T, torch.arange(5))) / 2.0

    loss, (dx, dy, _) = learner.vjp("info_nce", [x, y, 0.7])
    assert_close(loss, contrast(x, y), name="the loss")
    assert_gradients(contrast, [x, y], [dx, dy], names=("x", "y"))


@pytest.mark.stage("robust")
def test_info_nce_survives_a_low_temperature(learner):
    x, y = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    assert_close(learner.info_nce(x, y, temperature=0.001), torch.tensor(1000.0))


@pytest.mark.stage("robust")
def test_info_nce_refuses_other_shapes_and_temperatures_that_are_not_positive(learner, probe):
    x = probe.tensor("N D")
    for given in ((x, x[1:]), (x, x, 0.0)):
        with pytest.raises(ValueError):
            learner.info_nce(*given)
