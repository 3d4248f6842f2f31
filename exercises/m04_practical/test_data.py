"""Public checks of datasets, collation, splits, normalisation and bucketing: run `pytest exercises/m04_practical/test_data.py`."""

import numpy as np
import pytest
import torch

from autograder.testing import assert_close, assert_shape

FEATURES = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0], [-1.0, 0.5, 0.25]])
LABELS = np.array([5, 0, 9, 5])


def generator(module, seed):
    """A torch.Generator where your code runs."""
    made = module.library("torch").Generator()
    made.manual_seed(seed)
    return made


# TabularDataset


@pytest.mark.stage("shape")
def test_tabular_dataset_gives_a_float32_row_and_an_int64_label(learner):
    dataset = learner.TabularDataset(FEATURES, LABELS.astype(np.int16))
    assert len(dataset) == 4, "four rows"
    row, label = dataset[2]
    assert_shape(row, (3,), torch.float32, name="the features")
    assert_shape(label, (), torch.int64, name="the label")


def test_tabular_dataset_gives_every_row_with_its_label(learner):
    dataset = learner.TabularDataset(FEATURES, LABELS)
    for index in (0, 1, 2, 3, -1):
        expected = torch.tensor(FEATURES[index], dtype=torch.float32), torch.tensor(LABELS[index])
        assert_close(dataset[index], expected, name=f"row {index}")


def test_tabular_dataset_transforms_a_row_each_time_it_is_asked_for(learner):
    seen = []

    def count(row):
        seen.append(row)
        return row + len(seen)

    dataset = learner.TabularDataset(FEATURES, LABELS, transform=count)
    assert len(seen) == 0, "no row is transformed before it is asked for"
    assert_close(dataset[1][0], torch.tensor([5.0, 6.0, 7.0]), name="the features, asked for once")
    assert_close(dataset[1][0], torch.tensor([6.0, 7.0, 8.0]), name="the features, asked for twice")


def test_tabular_dataset_survives_a_transform_that_works_in_place(learner):
    dataset = learner.TabularDataset(FEATURES, LABELS, transform=learner.library("torch").Tensor.neg_)
    for _ in range(2):
        assert_close(dataset[0][0], torch.tensor([-1.0, -2.0, -3.0]))


@pytest.mark.stage("robust")
def test_tabular_dataset_refuses_what_is_not_there(learner):
    with pytest.raises(ValueError):
        learner.TabularDataset(FEATURES, LABELS[:3])
    with pytest.raises(IndexError):
        learner.TabularDataset(FEATURES, LABELS)[4]


# pad_collate


@pytest.mark.stage("shape")
def test_pad_collate_returns_a_tensor_lengths_and_labels(learner):
    batch = [(torch.ones(2, 3), 7), (torch.ones(4, 3), 8)]
    padded, lengths, labels = learner.pad_collate(batch)
    assert_shape(padded, (2, 4, 3), torch.float32, name="the padded sequences")
    assert_shape(lengths, (2,), torch.int64, name="the lengths")
    assert_shape(labels, (2,), torch.int64, name="the labels")


def test_pad_collate_of_words(learner):
    batch = [(torch.tensor([4, 5]), 1), (torch.tensor([6, 7, 8, 9]), 0), (torch.tensor([3]), 2)]
    padded, lengths, labels = learner.pad_collate(batch, padding_value=-1)
    assert_close(padded, torch.tensor([[4, 5, -1, -1], [6, 7, 8, 9], [3, -1, -1, -1]]), name="the padded sequences")
    assert_close(lengths, torch.tensor([2, 4, 1]), name="the lengths")
    assert_close(labels, torch.tensor([1, 0, 2]), name="the labels")


def test_pad_collate_of_vectors_pads_with_zeros(learner, probe):
    first, second = probe.tensor(2, 3), probe.tensor(4, 3)
    padded, _, _ = learner.pad_collate([(first, 0), (second, 1)])
    assert_close(padded, torch.stack([torch.cat([first, torch.zeros(2, 3)]), second]))


@pytest.mark.stage("robust")
def test_pad_collate_of_an_empty_sequence(learner):
    padded, lengths, _ = learner.pad_collate([(torch.zeros(0, 2), 1), (torch.ones(3, 2), 1)], 0.5)
    assert_close(padded, torch.stack([torch.full((3, 2), 0.5), torch.ones(3, 2)]), name="the padded sequences")
    assert_close(lengths, torch.tensor([0, 3]), name="the lengths")


# stratified_split


@pytest.mark.stage("shape")
def test_stratified_split_puts_every_row_in_one_of_two_sorted_parts(learner):
    labels = torch.tensor([2, 0, 2, 1, 0, 2, 1, 0, 2, 2])
    train, held_out = learner.stratified_split(labels, 0.4, generator(learner, 1))
    assert sorted(train.tolist() + held_out.tolist()) == list(range(10)), "every row is in one part"
    assert train.tolist() == sorted(train.tolist()), "the training rows are in increasing order"
    assert held_out.tolist() == sorted(held_out.tolist()), "the held-out rows are in increasing order"


def test_stratified_split_holds_out_the_fraction_of_every_class(learner):
    labels = torch.tensor([0] * 20 + [1] * 10 + [2] * 5)
    _, held_out = learner.stratified_split(labels, 0.2, generator(learner, 2))
    assert_close(torch.bincount(labels[held_out]), torch.tensor([4, 2, 1]), name="the rows held out of each class")


def test_stratified_split_rounds_a_half_up_and_keeps_a_class_in_both_parts(learner):
    labels = torch.tensor([0] * 5 + [1] * 2 + [2] * 1)
    for fraction, expected in ((0.5, [3, 1, 0]), (0.01, [1, 1, 0]), (0.99, [4, 1, 0])):
        _, held_out = learner.stratified_split(labels, fraction, generator(learner, 3))
        counts = torch.bincount(labels[held_out], minlength=3)
        assert_close(counts, torch.tensor(expected), name=f"the rows held out of classes of 5, 2 and 1 at {fraction}")


def test_stratified_split_draws_from_the_generator_class_after_class(learner):
    _, held_out = learner.stratified_split(torch.tensor([7, 3, 7, 3, 7, 3, 3]), 0.5, generator(learner, 4))
    draws = torch.Generator().manual_seed(4)
    of_three, of_seven = torch.randperm(4, generator=draws)[:2], torch.randperm(3, generator=draws)[:2]
    expected = torch.cat([torch.tensor([1, 3, 5, 6])[of_three], torch.tensor([0, 2, 4])[of_seven]]).sort().values
    assert_close(held_out, expected)


@pytest.mark.stage("robust")
def test_stratified_split_refuses_what_is_no_fraction(learner):
    for fraction in (0.0, 1.0):
        with pytest.raises(ValueError):
            learner.stratified_split(torch.tensor([0, 0, 1, 1]), fraction, generator(learner, 5))


# fit_normalizer


@pytest.mark.stage("shape")
def test_fit_normalizer_returns_a_function_that_keeps_shape_and_dtype(learner, probe):
    normalize = learner.fit_normalizer(probe.tensor(5, 3))
    assert_shape(normalize(probe.tensor(2, 3)), (2, 3), torch.float32)


def test_fit_normalizer_of_a_case_computed_by_hand(learner):
    normalize = learner.fit_normalizer(torch.tensor([[1.0, 10.0], [5.0, 50.0], [3.0, 30.0], [3.0, 30.0]]))
    # means 3 and 30, variances (4 + 4) / 4 = 2 and 200
    expected = torch.tensor([[1.0, -1.0], [0.0, 2.0]]) * 2.0**0.5
    assert_close(normalize(torch.tensor([[5.0, 10.0], [3.0, 70.0]])), expected)


def test_fit_normalizer_gives_a_row_the_same_values_in_any_company(learner, probe):
    normalize, other = learner.fit_normalizer(probe.tensor(9, 3)), probe.tensor(4, 3)
    assert_close(torch.stack([normalize(row) for row in other]), normalize(other))


def test_fit_normalizer_only_shifts_a_constant_column(learner):
    normalize = learner.fit_normalizer(torch.tensor([[0.1, 2.0], [0.1, 4.0]]).repeat(7, 1))
    assert_close(normalize(torch.tensor([[1.1, 3.0]])), torch.tensor([[1.0, 0.0]]))


@pytest.mark.stage("robust")
def test_fit_normalizer_scales_columns_in_tiny_units(learner):
    normalize = learner.fit_normalizer(torch.tensor([[1e-9], [3e-9]]))
    assert_close(normalize(torch.tensor([[4e-9]])), torch.tensor([[2.0]]))


# BucketBatchSampler


@pytest.mark.stage("shape")
def test_bucket_batch_sampler_yields_every_row_once_in_lists_of_ints(learner):
    sampler = learner.BucketBatchSampler([3, 1, 2, 5, 4, 9, 7], batch_size=3, batches_per_pool=2)
    batches = list(sampler)
    assert all(type(batch) is list and all(type(row) is int for row in batch) for batch in batches), "lists of ints"
    assert sorted(row for batch in batches for row in batch) == list(range(7)), "every row comes once"
    assert sorted(len(batch) for batch in batches) == [1, 3, 3], "batches of 3, 3 and 1"
    assert len(sampler) == 3, "len is the number of batches"


def test_bucket_batch_sampler_of_one_pool_never_mixes_short_and_long(learner):
    lengths = [30, 10, 50, 20, 60, 40, 80, 70]
    batches = list(learner.BucketBatchSampler(lengths, 2, batches_per_pool=4))
    pairs = sorted(sorted(lengths[row] for row in batch) for batch in batches)
    assert pairs == [[10, 20], [30, 40], [50, 60], [70, 80]], "each batch has neighbours in length"


def test_bucket_batch_sampler_repeats_an_epoch_and_changes_with_it(learner):
    sampler = learner.BucketBatchSampler(list(range(40)), 4, 2, seed=3)
    first = list(sampler)
    assert list(sampler) == first, "a second pass through the same epoch gives the same batches"
    sampler.set_epoch(1)
    assert list(sampler) != first, "another epoch gives other batches"
    assert list(sampler) == list(learner.BucketBatchSampler(list(range(40)), 4, 2, seed=4)), (
        "epoch 1 of seed 3 is seed 4"
    )


def test_bucket_batch_sampler_leaves_a_smaller_batch_out_when_told(learner):
    sampler = learner.BucketBatchSampler([5, 1, 4, 2, 3], 2, 3, drop_last=True)
    batches = list(sampler)
    assert len(sampler) == 2 and len(batches) == 2, "two full batches"
    assert sorted(row for batch in batches for row in batch) == [1, 2, 3, 4], "in one pool the longest row is left"


@pytest.mark.stage("whole")
def test_bucket_batch_sampler_follows_the_recipe_draw_by_draw(learner):
    lengths = [4, 2, 4, 1, 2, 4, 3, 1, 1, 2]
    draws = torch.Generator().manual_seed(6 + 5)
    order, batches = torch.randperm(10, generator=draws).tolist(), []
    for pool in (order[:6], order[6:]):
        pool = sorted(pool, key=lambda row: lengths[row])
        batches += [pool[i : i + 3] for i in range(0, len(pool), 3)]
    expected = [batches[i] for i in torch.randperm(4, generator=draws).tolist()]
    sampler = learner.BucketBatchSampler(lengths, 3, 2, seed=6)
    sampler.set_epoch(5)
    assert list(sampler) == expected


@pytest.mark.stage("robust")
def test_bucket_batch_sampler_refuses_batches_of_nothing(learner):
    for sizes in ((0, 2), (2, 0)):
        with pytest.raises(ValueError):
            learner.BucketBatchSampler([1, 2, 3], *sizes)
