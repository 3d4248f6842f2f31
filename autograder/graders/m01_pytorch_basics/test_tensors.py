"""Hidden checks of shapes, broadcasting, indexing and strides."""

import math

import pytest
import torch

from autograder.testing import assert_close, assert_gradients, assert_shape, made

DTYPES = (torch.float32, torch.float64)


def labels_of(probe, *spec, classes="C"):
    """Labels that include the first class and the last."""
    return torch.from_numpy(probe.integers(" ".join(spec), high=classes))


def mask_of(probe):
    """A mask (B, T) with at least one True and one False in every sequence."""
    t = probe.size("T", at_least=3)
    mask = torch.from_numpy(probe.signs("B", t) > 0)
    mask[:, 0], mask[:, -1] = True, False
    return mask


@pytest.mark.stage("shape")
def test_standardize_keeps_shape_and_dtype(learner, probe):
    for dtype in DTYPES:
        x = probe.tensor("N T D", dtype=dtype)
        for dim in (0, 1, -1):
            assert_shape(learner.standardize(x, dim=dim), x.shape, dtype)


def test_standardize_brings_every_feature_to_mean_zero(learner, probe):
    y = learner.standardize(3.0 * probe.tensor("N D") + 7.0 * probe.tensor("D"))
    assert_close(1.0 + y.mean(dim=0), torch.ones(probe.size("D")), name="1 + the mean")


def test_standardize_brings_every_feature_to_variance_one(learner, probe):
    scale = torch.tensor(probe.uniform("D", 2.0, 9.0))
    y = learner.standardize(scale * probe.tensor("N D", dtype=torch.float64), eps=1e-12)
    assert_close(y.square().mean(dim=0), torch.ones(probe.size("D"), dtype=torch.float64), name="the mean of y²")


@pytest.mark.visible
def test_standardize_of_a_case_computed_by_hand(learner):
    x = torch.tensor([[1.0, 5.0], [3.0, 5.0]])
    assert_close(learner.standardize(x, eps=3.0), torch.tensor([[-0.5, 0.0], [0.5, 0.0]]))


def test_standardize_adds_eps_to_the_variance_inside_the_root(learner, probe):
    x, eps = probe.tensor("N D"), probe.scalar(0.4, 3.0)
    expected = (x - x.mean(dim=0)) / (x.var(dim=0, correction=0) + eps).sqrt()
    assert_close(learner.standardize(x, eps=eps), expected)


def test_standardize_takes_each_axis_by_itself(learner, probe):
    cube, images = probe.tensor("N T D"), probe.tensor("B C 4 3")
    for x, dim in ((cube, 0), (cube, 1), (cube, 2), (cube, -1), (cube, -2), (images, 1), (images, -1)):
        moved = x.movedim(dim, 0)
        expected = torch.nn.functional.batch_norm(moved.flatten(1), None, None, training=True, eps=1e-5)
        assert_close(learner.standardize(x, dim=dim), expected.view(moved.shape).movedim(0, dim), name=f"along {dim}")


@pytest.mark.stage("whole")
def test_standardize_equals_the_reference(learner, reference, probe):
    for dtype in DTYPES:
        x, eps = 4.0 * probe.tensor("N T D", dtype=dtype) + 2.0, probe.scalar(0.2, 2.0)
        for dim in (0, 1, 2):
            assert_close(learner.standardize(x, dim, eps), reference.standardize(x, dim, eps))
        assert_close(learner.standardize(x), reference.standardize(x), name="with the defaults")


@pytest.mark.stage("whole")
def test_standardize_along_the_last_axis_is_a_layer_norm(learner, probe):
    x, eps = probe.tensor("B T D"), probe.scalar(0.2, 2.0)
    expected = torch.nn.functional.layer_norm(x, x.shape[-1:], eps=eps)
    assert_close(learner.standardize(x, dim=-1, eps=eps), expected)


@pytest.mark.stage("whole")
def test_standardize_has_the_slopes_that_are_measured(learner, reference, probe):
    x, dy, eps = probe.tensor(5, 3, dtype=torch.float64), probe.tensor(5, 3, dtype=torch.float64), 0.5
    _, (dx, *_) = learner.vjp("standardize", [x, 0, eps], dy)
    assert_gradients(lambda x: reference.standardize(x, 0, eps), [x], [dx], dy, names=["x"])


@pytest.mark.stage("robust")
def test_standardize_leaves_a_feature_that_never_varies_at_zero(learner, probe):
    x = probe.tensor("N D")
    x[:, 0] = 3.0
    assert_close(learner.standardize(x)[:, 0], torch.zeros(len(x)))


@pytest.mark.stage("robust")
def test_standardize_of_a_single_row_is_zero(learner, probe):
    assert_close(learner.standardize(probe.tensor("1 D")), torch.zeros(probe.shape("1 D")))


@pytest.mark.stage("robust")
def test_standardize_survives_a_large_mean(learner, reference, probe):
    for dtype, mean in ((torch.float32, 1000.0), (torch.float64, 1e5)):
        x = probe.tensor(13, "D", dtype=dtype) + mean * probe.tensor(probe.signs("D"), dtype=dtype)
        assert_close(learner.standardize(x), reference.standardize(x))


@pytest.mark.stage("shape")
def test_one_hot_returns_a_float32_row_of_zeros_and_ones_for_every_label(learner, probe):
    assert_shape(learner.one_hot(labels_of(probe, "N"), probe.size("C")), probe.shape("N C"), torch.float32)


def test_one_hot_puts_the_one_at_the_place_of_the_class(learner, probe):
    labels = labels_of(probe, "N")
    result = learner.one_hot(labels, probe.size("C"))
    assert_close(result.argmax(dim=-1), labels, name="the place of the largest entry")
    assert_close(result.sum(dim=-1), torch.ones(len(labels)), name="the sum of every row")


@pytest.mark.visible
def test_one_hot_of_a_case_computed_by_hand(learner):
    expected = torch.tensor([[0.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]])
    assert_close(learner.one_hot(torch.tensor([2, 0, 2]), 4), expected)


def test_one_hot_has_a_column_also_for_classes_that_do_not_occur(learner, probe):
    c = probe.size("C", at_least=5)
    labels = labels_of(probe, "N", classes=c - 2)
    expected = (labels[:, None] == torch.arange(c)).float()
    assert_close(learner.one_hot(labels, classes=c), expected)


def test_one_hot_of_labels_with_two_axes_or_none(learner, probe):
    labels, c = labels_of(probe, "B T"), probe.size("C")
    assert_close(learner.one_hot(labels, c), torch.nn.functional.one_hot(labels, c).float(), name="of (B, T)")
    assert_close(learner.one_hot(labels[0, 0], c), torch.nn.functional.one_hot(labels[0, 0], c).float(), name="of ()")


@pytest.mark.stage("whole")
def test_one_hot_equals_the_reference(learner, reference, probe):
    for spec in ("N", "B T", "B T Q"):
        labels = labels_of(probe, spec)
        assert_close(learner.one_hot(labels, probe.size("C")), reference.one_hot(labels, probe.size("C")))


@pytest.mark.stage("robust")
def test_one_hot_refuses_a_negative_label(learner, probe):
    for spec in ("N", "B T"):
        labels = labels_of(probe, spec)
        labels[-1] = -1
        for wrong in (labels, torch.tensor(-1)):
            with pytest.raises(ValueError):
                learner.one_hot(wrong, probe.size("C"))


@pytest.mark.stage("robust")
def test_one_hot_refuses_a_label_beyond_the_last_class(learner, probe):
    for beyond in (0, 3):
        for spec in ("N", "B T"):
            labels = labels_of(probe, spec)
            labels[-1] = probe.size("C") + beyond
            with pytest.raises(ValueError):
                learner.one_hot(labels, probe.size("C"))


@pytest.mark.stage("robust")
def test_one_hot_of_no_labels_and_of_one_class(learner):
    assert_close(learner.one_hot(torch.zeros(0, dtype=torch.int64), 5), torch.zeros(0, 5), name="of no labels")
    assert_close(learner.one_hot(torch.zeros(3, dtype=torch.int64), 1), torch.ones(3, 1), name="of one class")


@pytest.mark.stage("shape")
def test_pairwise_distances_has_a_row_for_each_x_and_a_column_for_each_y(learner, probe):
    for dtype in DTYPES:
        x, y = probe.tensor("N D", dtype=dtype), probe.tensor("M D", dtype=dtype)
        assert_shape(learner.pairwise_distances(x, y), probe.shape("N M"), dtype)


@pytest.mark.visible
def test_pairwise_distances_of_a_case_computed_by_hand(learner):
    x, y = torch.tensor([[0.0, 0.0], [3.0, 0.0]]), torch.tensor([[3.0, 4.0], [0.0, 0.0], [-5.0, 12.0]])
    assert_close(learner.pairwise_distances(x, y), torch.tensor([[5.0, 0.0, 13.0], [4.0, 3.0, math.sqrt(208.0)]]))


def test_pairwise_distances_of_points_on_a_line_are_absolute_differences(learner, probe):
    x, y = probe.tensor("N 1"), probe.tensor("M 1")
    assert_close(learner.pairwise_distances(x, y), (x - y.T).abs())


def test_pairwise_distances_of_points_to_themselves_are_zero(learner, probe):
    x = probe.tensor("N D")
    got = learner.pairwise_distances(x, torch.cat([x, x[:1]]))
    assert_close(got.diagonal(), torch.zeros(len(x)))


def test_pairwise_distances_do_not_change_when_all_points_move_alike(learner, probe):
    x, y, shift = (probe.tensor(spec, dtype=torch.float64) for spec in ("N D", "M D", "D"))
    assert_close(learner.pairwise_distances(x + shift, y + shift), learner.pairwise_distances(x, y))


@pytest.mark.stage("whole")
def test_pairwise_distances_equal_the_reference(learner, reference, probe):
    for dtype in DTYPES:
        x, y = probe.tensor("N D", dtype=dtype), probe.tensor("M D", dtype=dtype)
        assert_close(learner.pairwise_distances(x, y), reference.pairwise_distances(x, y))


@pytest.mark.stage("whole")
def test_pairwise_distances_agree_with_torch(learner, probe):
    x, y = probe.tensor("N D", dtype=torch.float64), probe.tensor("M D", dtype=torch.float64)
    assert_close(learner.pairwise_distances(x, y), torch.cdist(x, y))


@pytest.mark.stage("whole")
def test_pairwise_distances_of_as_many_points_on_both_sides_are_not_transposed(learner, reference, probe):
    n, d = probe.shape("N D")
    x, y = probe.tensor(n, d), probe.tensor(n, d)
    assert_close(learner.pairwise_distances(x, y), reference.pairwise_distances(x, y))


@pytest.mark.stage("whole")
def test_pairwise_distances_have_the_slopes_that_are_measured(learner, reference, probe):
    x, y, dy = (probe.tensor(*shape, dtype=torch.float64) for shape in ((3, 2), (5, 2), (3, 5)))
    _, gradients = learner.vjp("pairwise_distances", [x, y], dy)
    assert_gradients(reference.pairwise_distances, [x, y], gradients, dy, names=["x", "y"])


@pytest.mark.stage("robust")
def test_pairwise_distances_of_near_points_far_from_the_origin(learner, reference, probe):
    for dtype, offset in ((torch.float32, 1000.0), (torch.float64, 1e7)):
        x, y = (offset + 0.1 * probe.tensor(spec, dtype=dtype) for spec in ("N D", "M D"))
        assert_close(learner.pairwise_distances(x, y), reference.pairwise_distances(x, y))


@pytest.mark.stage("robust")
def test_pairwise_distances_of_equal_points_are_exactly_zero(learner, probe):
    x = 1000.0 + probe.tensor("N D")
    got = learner.pairwise_distances(x, torch.cat([x, x[:1]]))
    assert (got.diagonal() == 0.0).all(), "the distances of points to themselves are 0"


@pytest.mark.stage("robust")
def test_pairwise_distances_of_a_million_pairs_in_well_under_a_second(learner, reference, probe):
    x, y = probe.tensor(1100, 2), probe.tensor(1300, 2)
    got, rows = learner.pairwise_distances(x, y), probe.permutation(1100)[:5]
    assert_shape(got, (1100, 1300), x.dtype)
    assert_close(got[rows], reference.pairwise_distances(x[rows], y), name="some of its rows")


@pytest.mark.stage("robust")
def test_pairwise_distances_of_sizes_one(learner, reference, probe):
    for n, m, d in ((1, 5, 3), (5, 1, 3), (1, 1, 3), (5, 3, 1)):
        x, y = probe.tensor(n, d), probe.tensor(m, d)
        assert_close(learner.pairwise_distances(x, y), reference.pairwise_distances(x, y))


@pytest.mark.stage("robust")
def test_pairwise_distances_of_no_points_are_none(learner, probe):
    for n, m in ((5, 0), (0, 5)):
        got = learner.pairwise_distances(torch.ones(n, 3), torch.ones(m, 3))
        assert_close(got, torch.zeros(n, m), name=f"of {n} and {m} points")


@pytest.mark.stage("shape")
def test_batched_outer_returns_a_matrix_for_every_pair_of_vectors(learner, probe):
    for dtype in DTYPES:
        x, y = probe.tensor("B N", dtype=dtype), probe.tensor("B M", dtype=dtype)
        assert_shape(learner.batched_outer(x, y), probe.shape("B N M"), dtype)


@pytest.mark.visible
def test_batched_outer_of_a_case_computed_by_hand(learner):
    x, y = torch.tensor([[1.0, 2.0], [0.0, -1.0]]), torch.tensor([[3.0, 4.0, 5.0], [6.0, 7.0, 8.0]])
    expected = [[[3.0, 4.0, 5.0], [6.0, 8.0, 10.0]], [[0.0, 0.0, 0.0], [-6.0, -7.0, -8.0]]]
    assert_close(learner.batched_outer(x, y), torch.tensor(expected))


def test_batched_outer_with_a_vector_of_ones_repeats_the_other(learner, probe):
    x, ones = probe.tensor("B N"), torch.ones(probe.shape("B M"))
    assert_close(learner.batched_outer(x, ones), x[:, :, None].repeat(1, 1, probe.size("M")))


def test_batched_outer_of_two_single_vectors_is_the_outer_product(learner, probe):
    x, y = probe.tensor("N"), probe.tensor("M")
    assert_close(learner.batched_outer(x, y), torch.outer(x, y))


@pytest.mark.stage("whole")
def test_batched_outer_with_any_leading_axes_equals_the_reference(learner, reference, probe):
    for lead in ("", "B ", "B T ", "B T Q "):
        x, y = probe.tensor(lead + "N"), probe.tensor(lead + "M")
        assert_close(learner.batched_outer(x, y), reference.batched_outer(x, y))


@pytest.mark.stage("whole")
def test_batched_outer_agrees_with_einsum(learner, probe):
    x, y = probe.tensor("B T N", dtype=torch.float64), probe.tensor("B T M", dtype=torch.float64)
    assert_close(learner.batched_outer(x, y), torch.einsum("btn,btm->btnm", x, y))


@pytest.mark.stage("whole")
def test_batched_outer_has_the_slopes_that_are_measured(learner, reference, probe):
    x, y, dy = (probe.tensor(*shape, dtype=torch.float64) for shape in ((2, 3), (2, 5), (2, 3, 5)))
    _, gradients = learner.vjp("batched_outer", [x, y], dy)
    assert_gradients(reference.batched_outer, [x, y], gradients, dy, names=["x", "y"])


@pytest.mark.stage("robust")
def test_batched_outer_of_sizes_one_and_of_equal_sizes(learner, reference, probe):
    for b, n, m in ((1, 5, 3), (5, 1, 3), (5, 3, 1), (1, 1, 1), (2, 3, 3), (3, 3, 3)):
        x, y = probe.tensor(b, n), probe.tensor(b, m)
        assert_close(learner.batched_outer(x, y), reference.batched_outer(x, y))
    x, y = probe.tensor(2, 4, 3), probe.tensor(2, 4, 3)
    assert_close(learner.batched_outer(x, y), reference.batched_outer(x, y), name="with two leading axes")


@pytest.mark.stage("robust")
def test_batched_outer_of_an_empty_batch_is_empty(learner):
    assert_close(learner.batched_outer(torch.ones(0, 3), torch.ones(0, 2)), torch.zeros(0, 3, 2))


@pytest.mark.stage("robust")
def test_batched_outer_of_transposes(learner, probe):
    x, y = probe.tensor("N B T"), probe.tensor("M B T")
    of_transposes = made(learner, "lambda outer, x, y: outer(x.permute(2, 1, 0), y.permute(2, 1, 0))")
    assert_close(of_transposes(learner.batched_outer, x, y), torch.einsum("nbt,mbt->tbnm", x, y))


@pytest.mark.stage("shape")
def test_gather_rows_returns_q_rows_of_every_sequence(learner, probe):
    for dtype in DTYPES:
        x, index = probe.tensor("B T D", dtype=dtype), labels_of(probe, "B Q", classes="T")
        assert_shape(learner.gather_rows(x, index), probe.shape("B Q D"), dtype)


@pytest.mark.visible
def test_gather_rows_of_a_case_computed_by_hand(learner):
    x = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]])
    expected = [[[3.0, 4.0], [3.0, 4.0], [1.0, 2.0]], [[5.0, 6.0], [7.0, 8.0], [5.0, 6.0]]]
    assert_close(learner.gather_rows(x, torch.tensor([[1, 1, 0], [0, 1, 0]])), torch.tensor(expected))


def test_gather_rows_of_every_position_in_order_returns_x(learner, probe):
    x = probe.tensor("B T D")
    assert_close(learner.gather_rows(x, torch.arange(x.shape[1]).repeat(len(x), 1)), x)


def test_gather_rows_takes_other_rows_in_every_sequence(learner, probe):
    x = probe.tensor("B T D")
    orders = torch.stack([torch.from_numpy(probe.permutation("T")) for _ in range(len(x))])
    expected = torch.stack([sequence[order] for sequence, order in zip(x, orders, strict=True)])
    assert_close(learner.gather_rows(x, orders), expected)


def test_gather_rows_may_take_more_rows_than_there_are(learner, probe):
    t = probe.size("T")
    x, index = probe.tensor("B T D"), torch.from_numpy(probe.integers(f"B {2 * t + 1}", high=t))
    assert_close(learner.gather_rows(x, index), torch.stack([x[b, index[b]] for b in range(len(x))]))


@pytest.mark.stage("whole")
def test_gather_rows_equals_the_reference(learner, reference, probe):
    x, index = probe.tensor("B T D"), labels_of(probe, "B Q", classes="T")
    assert_close(learner.gather_rows(x, index), reference.gather_rows(x, index))


@pytest.mark.stage("whole")
def test_gather_rows_agrees_with_torch_where_as_many_rows_as_sequences_are_taken(learner, probe):
    b, t, d = probe.shape("B T D")
    x, index = probe.tensor(b, t, d), torch.from_numpy(probe.integers(f"{b} {b}", high=t))
    assert_close(learner.gather_rows(x, index), torch.gather(x, 1, index[:, :, None].expand(-1, -1, d)))


@pytest.mark.stage("whole")
def test_gather_rows_adds_up_the_gradients_of_a_row_that_is_taken_twice(learner, probe):
    x, index = probe.tensor("B T D"), labels_of(probe, "B Q", classes="T")
    index[:, 0] = index[:, 1]
    dy = probe.tensor("B Q D")
    expected = torch.stack([torch.zeros_like(x[b]).index_add(0, index[b], dy[b]) for b in range(len(x))])
    _, (dx, _) = learner.vjp("gather_rows", [x, index], dy)
    assert_close(dx, expected, name="the gradient of x")


@pytest.mark.stage("robust")
def test_gather_rows_of_sizes_one(learner, reference, probe):
    for b, t, q, d in ((1, 5, 3, 2), (5, 1, 3, 2), (5, 3, 1, 2), (5, 3, 2, 1)):
        x, index = probe.tensor(b, t, d), torch.from_numpy(probe.integers(f"{b} {q}", high=t))
        assert_close(learner.gather_rows(x, index), reference.gather_rows(x, index))


@pytest.mark.stage("robust")
def test_gather_rows_of_an_empty_batch_is_empty(learner):
    index = torch.zeros(0, 4, dtype=torch.int64)
    assert_close(learner.gather_rows(torch.ones(0, 3, 2), index), torch.zeros(0, 4, 2))


@pytest.mark.stage("robust")
def test_gather_rows_does_not_mind_what_the_other_rows_hold(learner, reference, probe):
    t, others = probe.size("T", at_least=3), (float("nan"), float("inf"))
    x, index = probe.tensor("B T D"), torch.from_numpy(probe.integers("B Q", high=t - 1))
    expected = reference.gather_rows(x, index)
    for other in others:
        x[:, -1] = other
        assert_close(learner.gather_rows(x, index), expected, name=f"the rows beside one of {other}")


@pytest.mark.stage("shape")
def test_masked_mean_returns_one_row_for_every_sequence(learner, probe):
    for dtype in DTYPES:
        x, mask = probe.tensor("B T D", dtype=dtype), mask_of(probe)
        assert_shape(learner.masked_mean(x, mask), probe.shape("B D"), dtype)


@pytest.mark.visible
def test_masked_mean_of_a_case_computed_by_hand(learner):
    x = torch.tensor([[[1.0, 2.0], [5.0, 4.0], [7.0, 9.0]], [[1.0, 2.0], [5.0, 4.0], [7.0, 9.0]]])
    mask = torch.tensor([[True, True, False], [False, False, True]])
    assert_close(learner.masked_mean(x, mask), torch.tensor([[3.0, 3.0], [7.0, 9.0]]))


def test_masked_mean_with_everything_true_is_the_mean(learner, probe):
    x = probe.tensor("B T D", dtype=torch.float64)
    assert_close(learner.masked_mean(x, torch.ones(probe.shape("B T"), dtype=torch.bool)), x.mean(dim=1))


def test_masked_mean_of_a_single_position_is_its_row(learner, probe):
    x, place = probe.tensor("B T D"), int(probe.integers(1, high="T")[0])
    mask = torch.arange(x.shape[1]).repeat(len(x), 1) == place
    assert_close(learner.masked_mean(x, mask), x[:, place])


def test_masked_mean_counts_every_sequence_by_itself(learner, probe):
    x, mask = probe.tensor("B T D"), mask_of(probe)
    expected = torch.stack([x[b, mask[b]].mean(dim=0) for b in range(len(x))])
    assert_close(learner.masked_mean(x, mask), expected)


@pytest.mark.stage("whole")
def test_masked_mean_equals_the_reference(learner, reference, probe):
    for dtype in DTYPES:
        x, mask = probe.tensor("B T D", dtype=dtype), mask_of(probe)
        assert_close(learner.masked_mean(x, mask), reference.masked_mean(x, mask))


@pytest.mark.stage("whole")
def test_masked_mean_shares_the_gradient_among_the_rows_that_count(learner, reference, probe):
    x, mask, dy = probe.tensor("2 3 5", dtype=torch.float64), mask_of(probe), probe.tensor("2 5", dtype=torch.float64)
    mask = torch.tensor([[True, False, True], [False, True, False]])
    _, (dx, _) = learner.vjp("masked_mean", [x, mask], dy)
    assert_gradients(lambda x: reference.masked_mean(x, mask), [x], [dx], dy, names=["x"])


@pytest.mark.stage("robust")
def test_masked_mean_ignores_nan_and_infinity_where_the_mask_is_false(learner, reference, probe):
    x, mask = probe.tensor("B T D"), mask_of(probe)
    expected = reference.masked_mean(x, mask)
    for padding in (float("nan"), float("inf"), -float("inf")):
        dirty = torch.where(mask[..., None], x, torch.tensor(padding))
        assert_close(learner.masked_mean(dirty, mask), expected, name=f"the mean beside {padding}")


@pytest.mark.stage("robust")
def test_masked_mean_does_not_hide_a_nan_that_counts(learner, reference, probe):
    x, mask = probe.tensor("B T D"), mask_of(probe)
    expected = torch.zeros(probe.shape("B D"), dtype=torch.bool)
    x[-1, 0, 1], expected[-1, 1] = float("nan"), True
    assert_close(learner.masked_mean(x, mask).isnan(), expected, name="where the mean is nan")


@pytest.mark.stage("robust")
def test_masked_mean_sends_no_gradient_to_nan_where_the_mask_is_false(learner, probe):
    x, mask, dy = probe.tensor("B T D"), mask_of(probe), probe.tensor("B D")
    dirty = torch.where(mask[..., None], x, torch.tensor(float("nan")))
    _, (dx, _) = learner.vjp("masked_mean", [dirty, mask], dy)
    assert_close(dx, mask[..., None] * dy[:, None] / mask.sum(dim=1)[:, None, None], name="the gradient of x")


@pytest.mark.stage("robust")
def test_masked_mean_of_a_sequence_without_any_true_is_zero(learner, reference, probe):
    x, mask = probe.tensor("B T D"), mask_of(probe)
    mask[-1] = False
    got = learner.masked_mean(x, mask)
    assert_close(got[-1], torch.zeros(x.shape[-1]), name="the mean of nothing")
    assert_close(got, reference.masked_mean(x, mask))


@pytest.mark.stage("robust")
def test_masked_mean_of_long_sequences(learner, probe):
    x, mask = probe.tensor("2 700 3"), torch.ones(2, 700, dtype=torch.bool)
    mask[1, 300:] = False
    expected = torch.stack([x[0].double().mean(dim=0), x[1, :300].double().mean(dim=0)]).float()
    assert_close(1.0 + learner.masked_mean(x, mask), 1.0 + expected, name="1 + the mean")


@pytest.mark.stage("shape")
def test_sliding_windows_returns_as_many_windows_as_fit(learner, probe):
    for dtype in DTYPES:
        x = probe.tensor("B 11", dtype=dtype)
        for size, step, count in ((3, 1, 9), (4, 2, 4), (5, 3, 3), (2, 7, 2)):
            assert_shape(learner.sliding_windows(x, size, step), (*probe.shape("B"), count, size), dtype)


@pytest.mark.visible
def test_sliding_windows_of_a_case_computed_by_hand(learner):
    x = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
    assert_close(learner.sliding_windows(x, size=3, step=2), torch.tensor([[1.0, 2.0, 4.0], [4.0, 8.0, 16.0]]))
    assert_close(learner.sliding_windows(x, 5), torch.tensor([[1.0, 2, 4, 8, 16], [2, 4, 8, 16, 32]]), name="of 5")


def test_sliding_windows_begin_step_entries_apart(learner, probe):
    x, step = probe.tensor(17), int(probe.choice([2, 3, 5]))
    windows = learner.sliding_windows(x, size=4, step=step)
    assert_close(windows[:, 0], x[:14:step], name="the first entries of the windows")
    assert_close(windows[0], x[:4], name="the first window")


def test_sliding_windows_keep_sequences_apart(learner, probe):
    x = probe.tensor("B Q 9")
    rows = [[learner.sliding_windows(sequence, 4, 2) for sequence in batch] for batch in x]
    assert_close(learner.sliding_windows(x, 4, 2), torch.stack([torch.stack(row) for row in rows]))
    assert_close(rows[0][0], torch.stack([x[0, 0, i : i + 4] for i in (0, 2, 4)]), name="the windows of one sequence")


@pytest.mark.stage("whole")
def test_sliding_windows_equal_the_reference(learner, reference, probe):
    for lead in ("", "B ", "B Q "):
        x, size, step = probe.tensor(lead + "19"), int(probe.choice([2, 5, 6])), int(probe.choice([1, 2, 4]))
        assert_close(learner.sliding_windows(x, size, step=step), reference.sliding_windows(x, size, step=step))
    assert_close(learner.sliding_windows(x, 3), reference.sliding_windows(x, 3), name="with the default step")


@pytest.mark.stage("whole")
def test_sliding_windows_agree_with_unfold(learner, probe):
    x = probe.tensor("B 13", dtype=torch.float64)
    for size, step in ((3, 1), (5, 4), (2, 3)):
        assert_close(learner.sliding_windows(x, size, step), x.unfold(-1, size, step))


@pytest.mark.stage("whole")
def test_sliding_windows_add_up_the_gradients_of_an_entry_that_is_in_several(learner, reference, probe):
    x, dy = probe.tensor(2, 7, dtype=torch.float64), probe.tensor(2, 3, 3, dtype=torch.float64)
    _, (dx, *_) = learner.vjp("sliding_windows", [x, 3, 2], dy)
    assert_gradients(lambda x: reference.sliding_windows(x, 3, 2), [x], [dx], dy, names=["x"])


@pytest.mark.stage("whole")
def test_sliding_windows_copy_nothing_and_so_follow_when_x_is_changed(learner, probe):
    afterwards = made(learner, "lambda windows, x: [x := x.clone(), windows(x, 4, 3), x.mul_(-2.0)][1]")
    x = probe.tensor("B 11")
    assert_close(afterwards(learner.sliding_windows, x), -2.0 * x.unfold(-1, 4, 3))


@pytest.mark.stage("whole")
def test_sliding_windows_of_a_transpose_copy_nothing_either(learner, probe):
    afterwards = made(learner, "lambda windows, x: [x := x.clone(), windows(x.T, 4, 3), x.mul_(-2.0)][1]")
    x = probe.tensor("11 B")
    assert_close(afterwards(learner.sliding_windows, x), -2.0 * x.T.unfold(-1, 4, 3))


@pytest.mark.stage("robust")
def test_sliding_windows_read_the_strides_and_the_offset_of_a_transpose_or_slice(learner, probe):
    x = probe.tensor("5 11 7")
    for text, view in (
        ("x.transpose(0, 2)", x.transpose(0, 2)),
        ("x[..., ::2]", x[..., ::2]),
        ("x[1:, 2:, 1:]", x[1:, 2:, 1:]),
        ("x[2, :, 3]", x[2, :, 3]),
        ("x[..., :1].expand(5, 11, 7)", x[..., :1].expand(5, 11, 7)),
        ("x[:1].expand(5, 11, 7)", x[:1].expand(5, 11, 7)),
    ):
        of_view = made(learner, f"lambda windows, x: windows({text}, 3, 2)")
        assert_close(of_view(learner.sliding_windows, x), view.unfold(-1, 3, 2), name=f"the windows of {text}")


@pytest.mark.stage("robust")
def test_sliding_windows_of_size_one_of_full_size_and_with_a_step_beyond_the_end(learner, probe):
    x = probe.tensor("B 7")
    for size, step in ((1, 1), (1, 3), (7, 1), (7, 2), (3, 20)):
        assert_close(learner.sliding_windows(x, size, step), x.unfold(-1, size, step), name=f"of {size}, {step}")


@pytest.mark.stage("robust")
def test_sliding_windows_refuse_a_size_that_does_not_fit(learner, probe):
    for size in (0, -1, 8, 9):
        with pytest.raises(ValueError):
            learner.sliding_windows(probe.tensor("B 7"), size)


@pytest.mark.stage("robust")
def test_sliding_windows_refuse_a_step_that_leads_nowhere(learner, probe):
    for step in (0, -1):
        with pytest.raises(ValueError):
            learner.sliding_windows(probe.tensor("B 7"), 3, step)
