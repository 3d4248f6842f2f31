"""Public checks of the tensors: run `pytest exercises/m01_pytorch_basics/test_tensors.py`."""

import pytest
import torch

from autograder.testing import assert_close, assert_gradients, assert_shape


def labels_of(probe, spec, classes):
    """Labels that include the first class and the last."""
    return torch.from_numpy(probe.integers(spec, high=classes))


@pytest.mark.stage("shape")
def test_standardize_keeps_shape_and_dtype(learner, probe):
    x = probe.tensor("N T D", dtype=torch.float64)
    assert_shape(learner.standardize(x, dim=1), x.shape, x.dtype)


def test_standardize_of_a_case_computed_by_hand(learner):
    x = torch.tensor([[1.0, 5.0], [3.0, 5.0]])  # variances 1 and 0, and 1 + 3 = 2²
    assert_close(learner.standardize(x, eps=3.0), torch.tensor([[-0.5, 0.0], [0.5, 0.0]]))


def test_standardize_gives_every_feature_mean_zero_and_variance_one(learner, probe):
    y = learner.standardize(3.0 * probe.tensor("N D", dtype=torch.float64) + 5.0, eps=1e-12)
    ones = torch.ones(probe.size("D"), dtype=torch.float64)
    assert_close(1.0 + y.mean(dim=0), ones, name="1 + the mean")
    assert_close(y.square().mean(dim=0), ones, name="the mean of the squares")


@pytest.mark.stage("whole")
def test_standardize_along_the_last_axis_is_a_layer_norm(learner, probe):
    x = probe.tensor("B T D")
    assert_close(learner.standardize(x, dim=-1, eps=0.3), torch.nn.functional.layer_norm(x, x.shape[-1:], eps=0.3))


@pytest.mark.stage("shape")
def test_one_hot_returns_a_float32_row_for_every_label(learner, probe):
    labels = labels_of(probe, "B T", "C")
    assert_shape(learner.one_hot(labels, probe.size("C")), probe.shape("B T C"), torch.float32)


def test_one_hot_of_a_case_computed_by_hand(learner):
    expected = torch.tensor([[0.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]])
    assert_close(learner.one_hot(torch.tensor([2, 0, 2]), 4), expected)


@pytest.mark.stage("whole")
def test_one_hot_agrees_with_torch(learner, probe):
    labels, c = labels_of(probe, "B T", "C"), probe.size("C")
    assert_close(learner.one_hot(labels, c), torch.nn.functional.one_hot(labels, c).float())


@pytest.mark.stage("robust")
def test_one_hot_refuses_a_label_that_is_no_class(learner):
    for label in (-1, 3):
        with pytest.raises(ValueError):
            learner.one_hot(torch.tensor([0, label, 2]), 3)


@pytest.mark.stage("shape")
def test_pairwise_distances_has_a_row_for_each_x_and_a_column_for_each_y(learner, probe):
    x, y = probe.tensor("N D"), probe.tensor("M D")
    assert_shape(learner.pairwise_distances(x, y), probe.shape("N M"), x.dtype)


def test_pairwise_distances_of_a_case_computed_by_hand(learner):
    x, y = torch.tensor([[0.0, 0.0], [3.0, 0.0]]), torch.tensor([[3.0, 4.0], [0.0, 0.0], [3.0, -12.0]])
    assert_close(learner.pairwise_distances(x, y)[1], torch.tensor([4.0, 3.0, 12.0]), name="from (3, 0)")
    assert_close(learner.pairwise_distances(x, y)[0, :2], torch.tensor([5.0, 0.0]), name="from (0, 0)")


@pytest.mark.stage("whole")
def test_pairwise_distances_agree_with_torch(learner, probe):
    x, y = probe.tensor("N D", dtype=torch.float64), probe.tensor("M D", dtype=torch.float64)
    assert_close(learner.pairwise_distances(x, y), torch.cdist(x, y))


@pytest.mark.stage("robust")
def test_pairwise_distances_of_near_points_far_from_the_origin(learner):
    x, y = torch.tensor([[2000.0, 3000.0]]), torch.tensor([[2000.5, 3000.0], [2000.0, 2999.75]])
    assert_close(learner.pairwise_distances(x, y), torch.tensor([[0.5, 0.25]]))


@pytest.mark.stage("shape")
def test_batched_outer_returns_a_matrix_for_every_pair_of_vectors(learner, probe):
    x, y = probe.tensor("B N"), probe.tensor("B M")
    assert_shape(learner.batched_outer(x, y), probe.shape("B N M"), x.dtype)


def test_batched_outer_of_a_case_computed_by_hand(learner):
    x, y = torch.tensor([[1.0, 2.0], [0.0, -1.0]]), torch.tensor([[3.0, 4.0, 5.0], [6.0, 7.0, 8.0]])
    expected = [[[3.0, 4.0, 5.0], [6.0, 8.0, 10.0]], [[0.0, 0.0, 0.0], [-6.0, -7.0, -8.0]]]
    assert_close(learner.batched_outer(x, y), torch.tensor(expected))


@pytest.mark.stage("whole")
def test_batched_outer_with_none_or_two_leading_axes_agrees_with_einsum(learner, probe):
    for lead in ("", "B T "):
        x, y = probe.tensor(lead + "N"), probe.tensor(lead + "M")
        assert_close(learner.batched_outer(x, y), torch.einsum("...n,...m->...nm", x, y))


@pytest.mark.stage("shape")
def test_gather_rows_returns_q_rows_of_every_sequence(learner, probe):
    x, index = probe.tensor("B T D"), labels_of(probe, "B Q", "T")
    assert_shape(learner.gather_rows(x, index), probe.shape("B Q D"), x.dtype)


def test_gather_rows_of_a_case_computed_by_hand(learner):
    x = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]])
    expected = [[[3.0, 4.0], [3.0, 4.0], [1.0, 2.0]], [[5.0, 6.0], [7.0, 8.0], [5.0, 6.0]]]
    assert_close(learner.gather_rows(x, torch.tensor([[1, 1, 0], [0, 1, 0]])), torch.tensor(expected))


@pytest.mark.stage("whole")
def test_gather_rows_picks_in_every_sequence_what_its_index_says(learner, probe):
    x, index = probe.tensor("B T D"), labels_of(probe, "B Q", "T")
    assert_close(learner.gather_rows(x, index), torch.stack([x[b, index[b]] for b in range(len(x))]))


@pytest.mark.stage("shape")
def test_masked_mean_returns_one_row_for_every_sequence(learner, probe):
    x, mask = probe.tensor("B T D"), torch.ones(probe.shape("B T"), dtype=torch.bool)
    assert_shape(learner.masked_mean(x, mask), probe.shape("B D"), x.dtype)


def test_masked_mean_of_a_case_computed_by_hand(learner):
    x = torch.tensor([[1.0, 2.0], [5.0, 4.0], [7.0, 9.0]]).repeat(2, 1, 1)
    mask = torch.tensor([[True, True, False], [False, False, True]])
    assert_close(learner.masked_mean(x, mask), torch.tensor([[3.0, 3.0], [7.0, 9.0]]))


@pytest.mark.stage("whole")
def test_masked_mean_gives_the_slopes_of_a_mean_over_the_rows_that_count(learner, probe):
    x, dy = probe.tensor("2 3 5", dtype=torch.float64), probe.tensor("2 5", dtype=torch.float64)
    mask = torch.tensor([[True, False, True], [False, True, False]])
    _, (dx, _) = learner.vjp("masked_mean", [x, mask], dy)

    def mean(x):
        return torch.stack([(x[0, 0] + x[0, 2]) / 2.0, x[1, 1]])

    assert_gradients(mean, [x], [dx], dy, names=["x"])


@pytest.mark.stage("robust")
def test_masked_mean_ignores_nan_where_the_mask_is_false(learner):
    x = torch.tensor([[[1.0, 2.0], [float("nan"), float("inf")], [3.0, 6.0]]])
    assert_close(learner.masked_mean(x, torch.tensor([[True, False, True]])), torch.tensor([[2.0, 4.0]]))


@pytest.mark.stage("robust")
def test_masked_mean_of_a_sequence_without_any_true_is_zero(learner, probe):
    x = probe.tensor("B T D")
    assert_close(learner.masked_mean(x, torch.zeros(x.shape[:2], dtype=torch.bool)), torch.zeros(len(x), x.shape[2]))


@pytest.mark.stage("shape")
def test_sliding_windows_returns_as_many_windows_as_fit(learner, probe):
    x = probe.tensor("B 11")
    assert_shape(learner.sliding_windows(x, 3), (len(x), 9, 3), x.dtype)
    assert_shape(learner.sliding_windows(x, 4, step=2), (len(x), 4, 4), x.dtype)


def test_sliding_windows_of_a_case_computed_by_hand(learner):
    x = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
    assert_close(learner.sliding_windows(x, size=3, step=2), torch.tensor([[1.0, 2.0, 4.0], [4.0, 8.0, 16.0]]))


@pytest.mark.stage("whole")
def test_sliding_windows_agree_with_unfold(learner, probe):
    x = probe.tensor("B Q 13")
    for size, step in ((3, 1), (5, 4), (13, 1)):
        assert_close(learner.sliding_windows(x, size, step), x.unfold(-1, size, step))


@pytest.mark.stage("whole")
def test_sliding_windows_read_the_strides_of_a_transpose(learner, probe):
    windows_of_transpose = learner.library("builtins").eval("lambda windows, x: windows(x.T, 3, 2)")
    x = probe.tensor("11 B")
    assert_close(windows_of_transpose(learner.sliding_windows, x), x.T.unfold(-1, 3, 2))


@pytest.mark.stage("whole")
def test_sliding_windows_are_a_view_and_so_follow_when_x_is_changed(learner, probe):
    afterwards = learner.library("builtins").eval(
        "lambda windows, x: [x := x.clone(), windows(x, 4, 3), x.mul_(-2.0)][1]"
    )
    x = probe.tensor("B 11")
    expected = -2.0 * x.unfold(-1, 4, 3)
    assert_close(afterwards(learner.sliding_windows, x), expected)


@pytest.mark.stage("robust")
def test_sliding_windows_refuse_what_does_not_fit(learner, probe):
    x = probe.tensor("B 7")
    for size, step in ((0, 1), (8, 1), (3, 0)):
        with pytest.raises(ValueError):
            learner.sliding_windows(x, size, step)
