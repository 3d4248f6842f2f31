"""Hidden checks of the attention masks."""

import pytest
import torch

from autograder.testing import assert_close, assert_shape


def random_mask(probe, *spec):
    """Both values occur."""
    return torch.from_numpy(probe.signs(*spec) > 0)


def sequence_lengths(probe):
    """At least one token a sequence, the longest with S."""
    return probe.tensor(probe.integers("B", high=probe.size("S", at_least=3) + 1, low=1))


@pytest.mark.stage("shape")
def test_causal_mask_has_a_row_for_each_query_and_a_column_for_each_key(learner, probe):
    t = probe.size("T")
    s = t + probe.size("S")
    assert_shape(learner.causal_mask(t, s), (t, s), torch.bool)


@pytest.mark.stage("shape")
def test_causal_mask_is_square_where_the_number_of_keys_is_not_given(learner, probe):
    t = probe.size("T")
    assert_shape(learner.causal_mask(t), (t, t), torch.bool)


def test_causal_mask_lets_the_first_query_see_only_itself(learner, probe):
    t = probe.size("T")
    assert_close(learner.causal_mask(t)[0], torch.arange(t) == 0)


def test_causal_mask_lets_the_last_query_see_everything(learner, probe):
    t = probe.size("T")
    s = t + probe.size("S")
    assert_close(learner.causal_mask(t)[-1], torch.ones(t, dtype=torch.bool))
    assert_close(learner.causal_mask(t, s)[-1], torch.ones(s, dtype=torch.bool))


def test_causal_mask_lets_every_query_see_its_own_position(learner, probe):
    t = probe.size("T")
    assert_close(learner.causal_mask(t).diagonal(), torch.ones(t, dtype=torch.bool))


def test_causal_mask_hides_what_comes_later(learner, probe):
    t = probe.size("T", at_least=3)
    expected = torch.tensor([[j <= i for j in range(t)] for i in range(t)])  # (T, T)
    assert_close(learner.causal_mask(t), expected)


def test_causal_mask_puts_the_queries_at_the_last_positions(learner, probe):
    t, earlier = probe.size("T"), probe.size("S")
    expected = torch.tensor([[j <= earlier + i for j in range(earlier + t)] for i in range(t)])  # (T, S)
    assert_close(learner.causal_mask(t, s=earlier + t), expected)


def test_causal_mask_of_a_case_computed_by_hand(learner):
    expected = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 0], [1, 1, 1, 1, 1]], dtype=torch.bool)
    assert_close(learner.causal_mask(3, 5), expected)


@pytest.mark.stage("whole")
def test_causal_mask_equals_the_reference(learner, reference, probe):
    t = probe.size("T")
    s = t + probe.size("S")
    assert_close(learner.causal_mask(t, s), reference.causal_mask(t, s))
    assert_close(learner.causal_mask(s), reference.causal_mask(s))


@pytest.mark.stage("whole")
def test_causal_mask_of_the_last_queries_is_the_end_of_the_square_mask(learner, probe):
    t = probe.size("T")
    s = t + probe.size("S")
    assert_close(learner.causal_mask(t, s), torch.ones(s, s, dtype=torch.bool).tril()[s - t :])


@pytest.mark.stage("robust")
def test_causal_mask_with_as_many_keys_as_queries_is_the_square_mask(learner, reference, probe):
    t = probe.size("T")
    assert_close(learner.causal_mask(t, t), reference.causal_mask(t))


@pytest.mark.stage("robust")
def test_causal_mask_of_a_single_query_allows_all(learner, probe):
    assert_close(learner.causal_mask(1), torch.ones(1, 1, dtype=torch.bool))
    assert_close(learner.causal_mask(1, probe.size("S")), torch.ones(1, probe.size("S"), dtype=torch.bool))


@pytest.mark.stage("robust")
def test_causal_mask_refuses_fewer_keys_than_queries(learner, probe):
    t = probe.size("T", at_least=3)
    for s in (t - 1, 1, 0):
        with pytest.raises(ValueError):
            learner.causal_mask(t, s)


@pytest.mark.stage("shape")
def test_padding_mask_has_a_row_for_each_sequence_as_wide_as_the_longest(learner, probe):
    lengths = sequence_lengths(probe)
    assert_shape(learner.padding_mask(lengths), (probe.size("B"), probe.size("S")), torch.bool)


@pytest.mark.stage("shape")
def test_padding_mask_is_as_wide_as_it_is_told(learner, probe):
    lengths, more = sequence_lengths(probe), probe.size("T")
    mask = learner.padding_mask(lengths, max_length=probe.size("S") + more)
    assert_shape(mask, (probe.size("B"), probe.size("S") + more), torch.bool)


def test_padding_mask_is_true_as_often_as_a_sequence_has_tokens(learner, probe):
    lengths = sequence_lengths(probe)
    assert_close(learner.padding_mask(lengths).sum(dim=1), lengths)


def test_padding_mask_puts_the_tokens_first_and_the_padding_last(learner, probe):
    mask = learner.padding_mask(sequence_lengths(probe), max_length=probe.size("S") + 2)
    assert_close(mask, mask.sort(dim=1, descending=True).values)


def test_padding_mask_is_false_beyond_the_longest_sequence(learner, probe):
    lengths = sequence_lengths(probe)
    mask = learner.padding_mask(lengths, probe.size("S") + probe.size("T"))
    assert_close(mask[:, probe.size("S") :], torch.zeros(probe.size("B"), probe.size("T"), dtype=torch.bool))


def test_padding_mask_of_a_case_computed_by_hand(learner):
    expected = torch.tensor([[1, 1, 0, 0, 0], [1, 1, 1, 1, 0], [1, 0, 0, 0, 0]], dtype=torch.bool)
    assert_close(learner.padding_mask(torch.tensor([2, 4, 1]), 5), expected)
    assert_close(learner.padding_mask(torch.tensor([2, 4, 1])), expected[:, :4])


@pytest.mark.stage("whole")
def test_padding_mask_equals_the_reference(learner, reference, probe):
    lengths, width = sequence_lengths(probe), probe.size("S") + probe.size("T")
    assert_close(learner.padding_mask(lengths), reference.padding_mask(lengths))
    assert_close(learner.padding_mask(lengths, max_length=width), reference.padding_mask(lengths, max_length=width))


@pytest.mark.stage("robust")
def test_padding_mask_of_an_empty_sequence_is_all_false(learner):
    expected = torch.tensor([[False, False], [True, False], [True, True]])
    assert_close(learner.padding_mask(torch.tensor([0, 1, 2])), expected)


@pytest.mark.stage("robust")
def test_padding_mask_of_one_sequence_and_of_equal_sequences(learner, probe):
    assert_close(learner.padding_mask(torch.tensor([2]), 3), torch.tensor([[True, True, False]]))
    lengths = torch.full((probe.size("B"),), 3)
    assert_close(learner.padding_mask(lengths), torch.ones(probe.size("B"), 3, dtype=torch.bool))


@pytest.mark.stage("robust")
def test_padding_mask_of_more_sequences_than_positions(learner):
    expected = torch.tensor([[1, 0], [1, 1], [1, 0], [0, 0], [1, 1]], dtype=torch.bool)
    assert_close(learner.padding_mask(torch.tensor([1, 2, 1, 0, 2])), expected)
    assert_close(learner.padding_mask(torch.tensor([1, 2, 1, 0, 2]), max_length=2), expected)


@pytest.mark.stage("robust")
def test_padding_mask_takes_lengths_of_any_integer_dtype(learner, reference, probe):
    lengths = sequence_lengths(probe)
    assert_close(learner.padding_mask(lengths.to(torch.int32)), reference.padding_mask(lengths))


@pytest.mark.stage("robust")
def test_padding_mask_accepts_a_sequence_that_just_fits(learner, reference, probe):
    lengths = sequence_lengths(probe)
    assert_close(learner.padding_mask(lengths, probe.size("S")), reference.padding_mask(lengths))


@pytest.mark.stage("robust")
def test_padding_mask_refuses_a_sequence_that_does_not_fit(learner, probe):
    lengths = sequence_lengths(probe)
    for too_few in (probe.size("S") - 1, 1, 0):
        with pytest.raises(ValueError):
            learner.padding_mask(lengths, max_length=too_few)


@pytest.mark.stage("shape")
def test_combine_masks_returns_four_axes_for_two_three_or_four(learner, probe):
    b, h, t, s = probe.shape("B H T S")
    assert_shape(learner.combine_masks(random_mask(probe, "T S")), (1, 1, t, s), torch.bool)
    assert_shape(learner.combine_masks(random_mask(probe, "B T S")), (b, 1, t, s), torch.bool)
    assert_shape(learner.combine_masks(random_mask(probe, "B H T S")), (b, h, t, s), torch.bool)


@pytest.mark.stage("shape")
def test_combine_masks_broadcasts_padding_and_causal_masks_to_one_shape(learner, probe):
    mask = learner.combine_masks(random_mask(probe, "B 1 S"), random_mask(probe, "T S"))
    assert_shape(mask, (probe.size("B"), 1, probe.size("T"), probe.size("S")), torch.bool)


def test_combine_masks_allows_what_both_masks_allow(learner):
    one, other = torch.tensor([[True, True, False, False]]), torch.tensor([[True, False, True, False]])
    assert_close(learner.combine_masks(one, other), torch.tensor([[[[True, False, False, False]]]]))


def test_combine_masks_of_three_masks_needs_all_three(learner, probe):
    masks = [random_mask(probe, "T S") for _ in range(3)]
    expected = masks[0].int() * masks[1].int() * masks[2].int() == 1  # (T, S)
    assert_close(learner.combine_masks(*masks), expected[None, None])


def test_combine_masks_passes_over_none_wherever_it_stands(learner, probe):
    one, other = random_mask(probe, "T S"), random_mask(probe, "B T S")
    expected = (one & other)[:, None]  # (B, 1, T, S)
    for masks in ((None, one, other), (one, None, other), (one, other, None), (None, one, None, None, other)):
        assert_close(learner.combine_masks(*masks), expected)


def test_combine_masks_of_no_mask_at_all_is_none(learner):
    assert_close(learner.combine_masks(None), None)
    assert_close(learner.combine_masks(None, None, None), None)
    assert_close(learner.combine_masks(), None)


def test_combine_masks_takes_the_first_of_three_axes_for_the_batch(learner, probe):
    per_sequence, per_head = random_mask(probe, "B T S"), random_mask(probe, "1 H T S")
    expected = torch.stack([per_head[0] & mask for mask in per_sequence])  # (B, H, T, S)
    assert_close(learner.combine_masks(per_sequence, per_head), expected)


def test_combine_masks_lets_a_query_see_earlier_tokens_that_are_no_padding(learner, probe):
    b, t = probe.size("B"), probe.size("T", at_least=3)
    lengths = [1 + (3 * n) % t for n in range(b)]
    padding = torch.tensor([[j < length for j in range(t)] for length in lengths])  # (B, T)
    causal = torch.tensor([[j <= i for j in range(t)] for i in range(t)])  # (T, T)
    expected = torch.tensor([[[j <= i and j < n for j in range(t)] for i in range(t)] for n in lengths])  # (B, T, T)
    assert_close(learner.combine_masks(causal, padding[:, None, :]), expected[:, None])


@pytest.mark.stage("whole")
def test_combine_masks_equals_the_reference(learner, reference, probe):
    masks = [random_mask(probe, spec) for spec in ("B H T S", "T S", "B 1 S", "1 H 1 S")]
    assert_close(learner.combine_masks(*masks), reference.combine_masks(*masks))
    assert_close(learner.combine_masks(*masks[1:3]), reference.combine_masks(*masks[1:3]))


@pytest.mark.stage("whole")
def test_combine_masks_does_not_depend_on_the_order(learner, probe):
    masks = [random_mask(probe, spec) for spec in ("T S", "B 1 S", "B H T S")]
    expected = masks[0] & masks[1][:, None] & masks[2]  # (B, H, T, S)
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        assert_close(learner.combine_masks(*(masks[n] for n in order)), expected)


@pytest.mark.stage("robust")
def test_combine_masks_of_one_mask_has_its_values(learner, probe):
    mask = random_mask(probe, "B T S")
    assert_close(learner.combine_masks(mask, None)[:, 0], mask)


@pytest.mark.stage("robust")
def test_combine_masks_of_as_many_sequences_as_heads(learner, probe):
    count = probe.size("B")
    per_sequence, per_head = random_mask(probe, "B T S"), random_mask(probe, 1, count, "T", "S")
    assert_close(learner.combine_masks(per_head, per_sequence), per_head & per_sequence[:, None])


@pytest.mark.stage("robust")
def test_combine_masks_of_a_single_query_and_key(learner):
    allowed, forbidden = torch.tensor([[True]]), torch.tensor([[False]])
    assert_close(learner.combine_masks(allowed, allowed), torch.tensor([[[[True]]]]))
    assert_close(learner.combine_masks(allowed, forbidden), torch.tensor([[[[False]]]]))


@pytest.mark.stage("robust")
def test_combine_masks_refuses_masks_that_are_not_bool(learner, probe):
    mask = random_mask(probe, "T S")
    for other in (mask.float(), mask.int(), mask.to(torch.uint8)):
        with pytest.raises(TypeError):
            learner.combine_masks(mask, other)
        with pytest.raises(TypeError):
            learner.combine_masks(other)


@pytest.mark.stage("robust")
def test_combine_masks_refuses_one_axis_and_five(learner, probe):
    mask = random_mask(probe, "T S")
    for other in (mask[0], mask[None, None, None]):
        with pytest.raises(ValueError):
            learner.combine_masks(other)
        with pytest.raises(ValueError):
            learner.combine_masks(mask, other)
