"""Public checks of the attention masks: run `pytest exercises/m13_attention/test_masks.py`."""

import pytest
import torch

from autograder.testing import assert_close, assert_shape


def bools(rows):
    return torch.tensor(rows, dtype=torch.bool)


def random_mask(probe, *spec):
    """Both values occur."""
    return torch.from_numpy(probe.signs(*spec) > 0)


@pytest.mark.stage("shape")
def test_causal_mask_has_a_row_for_each_query_and_a_column_for_each_key(learner, probe):
    t = probe.size("T")
    s = t + probe.size("S")
    assert_shape(learner.causal_mask(t), (t, t), torch.bool)
    assert_shape(learner.causal_mask(t, s), (t, s), torch.bool)


def test_causal_mask_of_three_positions(learner):
    assert_close(learner.causal_mask(3), bools([[1, 0, 0], [1, 1, 0], [1, 1, 1]]))


def test_causal_mask_puts_two_queries_at_the_end_of_five_positions(learner):
    assert_close(learner.causal_mask(2, 5), bools([[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]))


@pytest.mark.stage("robust")
def test_causal_mask_refuses_fewer_keys_than_queries(learner):
    with pytest.raises(ValueError):
        learner.causal_mask(3, 2)


@pytest.mark.stage("shape")
def test_padding_mask_has_a_row_for_each_sequence(learner):
    lengths = torch.tensor([2, 4, 1])
    assert_shape(learner.padding_mask(lengths), (3, 4), torch.bool)
    assert_shape(learner.padding_mask(lengths, max_length=7), (3, 7), torch.bool)


def test_padding_mask_of_three_sequences(learner):
    expected = bools([[1, 1, 0, 0, 0], [1, 1, 1, 1, 0], [1, 0, 0, 0, 0]])
    assert_close(learner.padding_mask(torch.tensor([2, 4, 1]), max_length=5), expected)
    assert_close(learner.padding_mask(torch.tensor([2, 4, 1])), expected[:, :4])


def test_padding_mask_of_more_sequences_than_positions(learner):
    assert_close(learner.padding_mask(torch.tensor([1, 2, 0])), bools([[1, 0], [1, 1], [0, 0]]))


@pytest.mark.stage("robust")
def test_padding_mask_refuses_a_sequence_that_does_not_fit(learner):
    with pytest.raises(ValueError):
        learner.padding_mask(torch.tensor([2, 4, 1]), max_length=3)


@pytest.mark.stage("shape")
def test_combine_masks_returns_four_axes_for_two_three_or_four(learner, probe):
    b, h, t, s = probe.shape("B H T S")
    assert_shape(learner.combine_masks(random_mask(probe, "T S")), (1, 1, t, s), torch.bool)
    assert_shape(learner.combine_masks(random_mask(probe, "B T S")), (b, 1, t, s), torch.bool)
    assert_shape(learner.combine_masks(random_mask(probe, "B H T S")), (b, h, t, s), torch.bool)


def test_combine_masks_allows_what_both_masks_allow(learner):
    mask = learner.combine_masks(bools([[1, 1, 0, 0]]), bools([[1, 0, 1, 0]]))
    assert_close(mask, bools([[[[1, 0, 0, 0]]]]))


def test_combine_masks_of_a_causal_and_a_padding_mask(learner):
    causal = bools([[1, 0, 0], [1, 1, 0], [1, 1, 1]])
    padding = bools([[1, 1, 1], [1, 1, 0]])
    mask = learner.combine_masks(causal, padding[:, None, :])
    assert_close(mask[0, 0], bools([[1, 0, 0], [1, 1, 0], [1, 1, 1]]), name="the mask of the first sequence")
    assert_close(mask[1, 0], bools([[1, 0, 0], [1, 1, 0], [1, 1, 0]]), name="the mask of the second sequence")


def test_combine_masks_passes_over_none(learner, probe):
    masks = [random_mask(probe, "T S") for _ in range(3)]
    expected = (masks[0] & masks[1] & masks[2])[None, None]
    assert_close(learner.combine_masks(None, masks[0], masks[1], None, masks[2]), expected)


def test_combine_masks_of_no_mask_at_all_is_none(learner):
    assert_close(learner.combine_masks(None, None), None)


@pytest.mark.stage("robust")
def test_combine_masks_refuses_masks_of_another_dtype_or_with_one_axis(learner):
    with pytest.raises(TypeError):
        learner.combine_masks(torch.zeros(2, 3))
    with pytest.raises(ValueError):
        learner.combine_masks(bools([1, 0, 1]))
