"""Hidden checks of datasets, collation, stratified splits, normalisation and bucketing."""

import numpy as np
import pytest
import torch

from autograder.testing import assert_close, assert_shape


def table(probe):
    """Features in float64 and labels in int32, some of them large or negative."""
    labels = probe.integers("N", high=40, low=-7)
    return probe.normal("N D"), labels.astype(np.int32)


def a_seed(probe):
    return int(probe.integers(1, high=2**31)[0])


def generator(module, seed):
    """A torch.Generator that lives where `module` does."""
    made = module.library("torch").Generator()
    made.manual_seed(seed)
    return made


def sequences(probe, dtype=torch.float32):
    """Vectors in sequences of several lengths, one of them 0; the longest is neither the first nor the last."""
    lengths = [5, 1, 7, 0, 3]
    return [
        (probe.tensor(length, "D", dtype=dtype), label) for length, label in zip(lengths, (4, 0, 2, 9, 4), strict=True)
    ]


def words(probe):
    """Sequences of int64 ids."""
    return [(torch.from_numpy(probe.integers(length, high=90, low=10)), length + 20) for length in (2, 6, 4)]


def row_of(module, dataset, index):
    """`dataset[index]`, read where the dataset is, so that a mistake in it can be recognised."""
    return module.library("operator").getitem(dataset, index)


def length_of(module, dataset):
    return module.library("builtins").len(dataset)


def keeper(module, **values):
    """A namespace beside the submission: what is read there by `attrgetter` is the same object each time, and no copy."""
    return module.library("types").SimpleNamespace(**values)


def fields_of(module, dataset):
    """All rows and all labels of a dataset, read one by one."""
    pairs = [row_of(module, dataset, i) for i in range(length_of(module, dataset))]
    return torch.stack([row for row, _ in pairs]), torch.stack([label for _, label in pairs])


def mixed_labels(probe):
    """The rows of classes of 3, 4, 6, 9, 2 and 1 rows, in an order in which no class stands together."""
    labels = torch.tensor([9] * 3 + [-1] * 4 + [4] * 6 + [30] * 9 + [17] * 2 + [12])
    return labels[torch.from_numpy(probe.permutation(len(labels)))]


def split_by_hand(labels, fraction, seed):
    """The held-out rows, told in plain Python."""
    draws, held_out = torch.Generator().manual_seed(seed), []
    for label in sorted(set(labels.tolist())):
        members = [i for i, other in enumerate(labels.tolist()) if other == label]
        order = torch.randperm(len(members), generator=draws).tolist()
        count = min(max(int(np.floor(fraction * len(members) + 0.5)), 1), len(members) - 1)
        held_out += [members[i] for i in order[:count]]
    return sorted(held_out)


def rows(probe, n, d, dtype=torch.float32):
    """Rows whose columns have means and deviations of their own."""
    scale, shift = probe.uniform(d, 0.5, 3.0), probe.normal(d)
    return torch.tensor(probe.normal(n, d) * scale + shift, dtype=dtype)


def lengths_for(probe, n=23):
    """Lengths of n rows, with ties."""
    return (7000 * probe.integers(n, high=12, low=1)).tolist()


def batches_by_hand(lengths, batch_size, batches_per_pool, drop_last, seed):
    """The batches of one epoch, told in plain Python."""
    draws, batches = torch.Generator().manual_seed(seed), []
    order, pool_size = torch.randperm(len(lengths), generator=draws).tolist(), batch_size * batches_per_pool
    for start in range(0, len(order), pool_size):
        pool = sorted(order[start : start + pool_size], key=lambda row: lengths[row])
        batches += [pool[first : first + batch_size] for first in range(0, len(pool), batch_size)]
    batches = [batch for batch in batches if len(batch) == batch_size or not drop_last]
    return [batches[i] for i in torch.randperm(len(batches), generator=draws).tolist()]


# TabularDataset


@pytest.mark.stage("shape")
def test_tabular_dataset_gives_a_float32_row_and_an_int64_label(learner, probe):
    features, labels = table(probe)
    item = row_of(learner, learner.TabularDataset(features, labels), 1)
    assert isinstance(item, tuple | list) and len(item) == 2, "a row is the tuple (features, label)"
    assert_shape(item[0], (probe.size("D"),), torch.float32, name="the features")
    assert_shape(item[1], (), torch.int64, name="the label")


@pytest.mark.stage("shape")
def test_tabular_dataset_is_as_long_as_the_table(learner, probe):
    assert length_of(learner, learner.TabularDataset(*table(probe))) == probe.size("N")


def test_tabular_dataset_gives_every_row_with_its_label(learner, probe):
    features, labels = table(probe)
    features *= 1e5  # more than half precision holds
    got, of_rows = fields_of(learner, learner.TabularDataset(features, labels))
    assert_close(got, torch.tensor(features, dtype=torch.float32), name="the features")
    assert_close(of_rows, torch.tensor(labels, dtype=torch.int64), name="the labels")


def test_tabular_dataset_takes_labels_of_any_integer_dtype(learner, probe):
    features = probe.normal("N D")
    for dtype in (np.int64, np.uint8, np.int16):
        labels = probe.integers("N", high=100, low=3).astype(dtype)
        labels[0] = np.iinfo(dtype).max  # as large as they get
        _, got = fields_of(learner, learner.TabularDataset(features, labels))
        assert_close(got, torch.tensor(labels.astype(np.int64)), name=f"the labels from {np.dtype(dtype)}")


def test_tabular_dataset_counts_negative_indices_from_the_end(learner, probe):
    features, labels = table(probe)
    dataset = learner.TabularDataset(features, labels)
    for index in (-1, -len(labels)):
        assert_close(
            row_of(learner, dataset, index)[0], torch.tensor(features[index], dtype=torch.float32), name="the features"
        )
        assert_close(row_of(learner, dataset, index)[1], torch.tensor(int(labels[index])), name="the label")


def test_tabular_dataset_hands_features_through_the_transform(learner, probe):
    features, labels = table(probe)
    dataset = learner.TabularDataset(features, labels, transform=lambda row: torch.cat([row * 2.0, row[:1] + 1.0]))
    expected = torch.tensor(features, dtype=torch.float32)
    got, of_rows = fields_of(learner, dataset)
    assert_close(got, torch.cat([expected * 2.0, expected[:, :1] + 1.0], dim=1), name="the features")
    assert_close(of_rows, torch.tensor(labels, dtype=torch.int64), name="the labels")


def test_tabular_dataset_transforms_a_row_each_time_it_is_asked_for(learner, probe):
    features, labels = table(probe)
    seen = []

    def count(row):
        seen.append(row)
        return row + len(seen)

    dataset = learner.TabularDataset(features, labels, count)
    assert len(seen) == 0, "no row is transformed before it is asked for"
    got = [row_of(learner, dataset, 1)[0], row_of(learner, dataset, 0)[0], row_of(learner, dataset, 1)[0]]
    wanted = torch.tensor(features[[1, 0, 1]], dtype=torch.float32)
    assert_close(seen, list(wanted), name="what the transform was given")
    assert_close(got, [row + i for i, row in enumerate(wanted, start=1)], name="the features")


def test_tabular_dataset_survives_a_transform_that_works_in_place(learner, probe):
    features, labels = table(probe)
    dataset = learner.TabularDataset(features, labels, learner.library("torch").Tensor.neg_)
    expected = -torch.tensor(features[0], dtype=torch.float32)
    assert_close([row_of(learner, dataset, 0)[0] for _ in range(3)], [expected] * 3)


def test_tabular_dataset_survives_a_caller_that_works_in_place(learner, probe):
    features, labels = table(probe)
    dataset = learner.TabularDataset(features, labels)
    builtins, first = learner.library("builtins"), learner.library("operator").itemgetter(0)
    changed = builtins.list(builtins.map(learner.library("torch").Tensor.zero_, builtins.map(first, dataset)))
    assert_close(torch.stack(changed), torch.zeros(probe.shape("N D")), name="the rows that the caller set to zero")
    assert_close(
        row_of(learner, dataset, 0)[0], torch.tensor(features[0], dtype=torch.float32), name="the row, asked for again"
    )


def test_tabular_dataset_survives_a_later_change_of_the_table(learner, probe):
    features, labels = (
        torch.tensor(probe.normal("N D"), dtype=torch.float32).numpy(),
        probe.integers("N", high=9, low=3),
    )
    builtins, operator = learner.library("builtins"), learner.library("operator")
    kept = keeper(learner, features=features, labels=labels)
    made = learner.library("itertools").starmap(
        learner.TabularDataset, builtins.map(operator.attrgetter("features", "labels"), [kept])
    )
    dataset = builtins.next(made)
    for name in ("features", "labels"):
        builtins.list(builtins.map(operator.methodcaller("fill", 0), builtins.map(operator.attrgetter(name), [kept])))
    got, of_rows = fields_of(learner, dataset)
    assert_close(got, torch.tensor(features), name="the features")
    assert_close(of_rows, torch.tensor(labels), name="the labels")


@pytest.mark.stage("whole")
def test_tabular_dataset_ends_a_loop_over_its_rows(learner, reference, probe):
    features, labels = table(probe)
    got = learner.library("builtins").list(learner.TabularDataset(features, labels))
    assert_close(got, reference.library("builtins").list(reference.TabularDataset(features, labels)))


@pytest.mark.stage("whole")
def test_tabular_dataset_feeds_a_data_loader(learner, probe):
    features, labels = probe.normal(7, "D"), probe.integers(7, high=5)
    dataset = learner.TabularDataset(features, labels, transform=learner.library("torch").neg)
    batches = list(learner.library("torch").utils.data.DataLoader(dataset, batch_size=3))
    wanted = -torch.tensor(features, dtype=torch.float32)
    expected = [[wanted[i : i + 3], torch.tensor(labels[i : i + 3])] for i in (0, 3, 6)]
    assert_close(batches, expected, name="the batches")


@pytest.mark.stage("robust")
def test_tabular_dataset_refuses_labels_that_do_not_match_the_rows(learner, probe):
    features, labels = table(probe)
    for wrong in (labels[:-1], np.append(labels, 3)):
        with pytest.raises(ValueError):
            learner.TabularDataset(features, wrong)


@pytest.mark.stage("robust")
def test_tabular_dataset_has_no_row_beyond_its_ends(learner, probe):
    features, labels = table(probe)
    dataset = learner.TabularDataset(features, labels)
    for index in (len(labels), -len(labels) - 1):
        with pytest.raises(IndexError):
            row_of(learner, dataset, index)


# pad_collate


@pytest.mark.stage("shape")
def test_pad_collate_returns_a_tensor_lengths_and_labels(learner, probe):
    for batch, t in ((sequences(probe)[:1], 5), (sequences(probe), 7)):
        result = learner.pad_collate(batch)
        assert isinstance(result, tuple | list) and len(result) == 3, "it returns the tuple (padded, lengths, labels)"
        assert_shape(result[0], (len(batch), t, probe.size("D")), torch.float32, name="the padded sequences")
        assert_shape(result[1], (len(batch),), torch.int64, name="the lengths")
        assert_shape(result[2], (len(batch),), torch.int64, name="the labels")


def test_pad_collate_tells_lengths_and_labels_in_the_order_of_the_batch(learner, probe):
    _, lengths, labels = learner.pad_collate(sequences(probe))
    assert_close(lengths, torch.tensor([5, 1, 7, 0, 3]), name="the lengths")
    assert_close(labels, torch.tensor([4, 0, 2, 9, 4]), name="the labels")


def test_pad_collate_takes_labels_of_any_size(learner, probe):
    labels = [300, -4, 2**40, 70000, 3]
    batch = [(sequence, label) for (sequence, _), label in zip(sequences(probe), labels, strict=True)]
    assert_close(learner.pad_collate(batch)[2], torch.tensor(labels), name="the labels")


def test_pad_collate_counts_steps_that_hold_the_padding_value(learner, probe):
    vectors, ids = sequences(probe), words(probe)
    for sequence, _ in vectors + ids:
        sequence[-1:] = 0  # as the padding
    for batch, lengths in ((vectors, [5, 1, 7, 0, 3]), (ids, [2, 6, 4])):
        assert_close(learner.pad_collate(batch)[1], torch.tensor(lengths), name="the lengths")


def test_pad_collate_puts_every_sequence_at_the_start_of_its_row(learner, probe):
    batch = sequences(probe)
    padded, _, _ = learner.pad_collate(batch)
    for i, (sequence, _) in enumerate(batch):
        assert_close(padded[i, : len(sequence)], sequence, name=f"sequence {i}")


def test_pad_collate_fills_up_with_zeros(learner, probe):
    batch = sequences(probe)
    padded, _, _ = learner.pad_collate(batch)
    filled = torch.cat([padded[i, len(sequence) :] for i, (sequence, _) in enumerate(batch)])
    assert_close(filled, torch.zeros(5 * 7 - 16, probe.size("D")), name="the padding")


def test_pad_collate_fills_up_with_the_value_it_is_told(learner, probe):
    batch = sequences(probe)
    for value in (probe.scalar(-3.0, 3.0), float("-inf")):
        padded, _, _ = learner.pad_collate(batch, padding_value=value)
        filled = torch.cat([padded[i, len(sequence) :] for i, (sequence, _) in enumerate(batch)])
        assert_close(filled, torch.full((5 * 7 - 16, probe.size("D")), value), name="the padding")
        for i, (sequence, _) in enumerate(batch):
            assert_close(padded[i, : len(sequence)], sequence, name=f"sequence {i}, beside padding with {value}")


def test_pad_collate_keeps_the_dtype_of_the_sequences(learner, probe):
    batch = words(probe)
    batch[1][0][0] = 2**53 + 1  # no float holds it
    padded, lengths, labels = learner.pad_collate(batch, -1)
    expected = torch.full((3, 6), -1)
    for row, (sequence, _) in zip(expected, batch, strict=True):
        row[: len(sequence)] = sequence
    assert_close([padded, lengths, labels], [expected, torch.tensor([2, 6, 4]), torch.tensor([22, 26, 24])])
    fine = sequences(probe, torch.float64)
    assert_close(learner.pad_collate(fine)[0][2], fine[2][0], name="a sequence in float64, the longest")


def test_pad_collate_of_one_sequence_adds_an_axis(learner, probe):
    sequence = probe.tensor("T D")
    padded, lengths, labels = learner.pad_collate([(sequence, 3)])
    assert_close([padded, lengths, labels], [sequence[None], torch.tensor([len(sequence)]), torch.tensor([3])])


@pytest.mark.stage("whole")
def test_pad_collate_equals_the_reference(learner, reference, probe):
    for batch, value in ((sequences(probe), 0.5), (words(probe), 7), (sequences(probe)[::-1], -2.0)):
        assert_close(learner.pad_collate(batch, value), reference.pad_collate(batch, value))


@pytest.mark.stage("whole")
def test_pad_collate_pads_as_torch_does(learner, probe):
    batch = [(probe.tensor(length, 2, "D"), 1) for length in (3, 5, 4)]
    expected = torch.nn.utils.rnn.pad_sequence([sequence for sequence, _ in batch], True, 0.25)
    assert_close(learner.pad_collate(batch, padding_value=0.25)[0], expected)


@pytest.mark.stage("whole")
def test_pad_collate_works_inside_a_data_loader(learner, probe):
    batch = sequences(probe)
    loader = learner.library("torch").utils.data.DataLoader(batch, batch_size=2, collate_fn=learner.pad_collate)
    shapes = [list(padded.shape[:2]) for padded, _, _ in loader]
    assert shapes == [[2, 5], [2, 7], [1, 3]], "each batch is as long as its own longest sequence"


@pytest.mark.stage("robust")
def test_pad_collate_of_nothing_but_empty_sequences(learner, probe):
    d = probe.size("D")
    padded, lengths, labels = learner.pad_collate([(torch.zeros(0, d), 2), (torch.zeros(0, d), 5)], 1.5)
    assert_close([padded, lengths, labels], [torch.zeros(2, 0, d), torch.zeros(2).long(), torch.tensor([2, 5])])


# stratified_split


def split(learner, labels, fraction, seed):
    return learner.stratified_split(labels, fraction, generator(learner, seed))


@pytest.mark.stage("shape")
def test_stratified_split_returns_two_sorted_lists_of_rows(learner, probe):
    result = split(learner, mixed_labels(probe), 0.3, a_seed(probe))
    assert isinstance(result, tuple | list) and len(result) == 2, "it returns the tuple (training rows, held-out rows)"
    for part in result:
        assert_shape(part, (len(part),), torch.int64)
        assert part.tolist() == sorted(part.tolist()), "the rows are in increasing order"


def test_stratified_split_puts_every_row_in_one_part(learner, probe):
    train, held_out = split(learner, mixed_labels(probe), 0.3, a_seed(probe))
    assert_close(torch.cat([train, held_out]).sort().values, torch.arange(25), name="the rows of both parts together")


def test_stratified_split_holds_out_the_fraction_of_every_class(learner, probe):
    labels = mixed_labels(probe)
    _, held_out = split(learner, labels, 0.35, a_seed(probe))
    counts = {label: int((labels[held_out] == label).sum()) for label in (9, -1, 4, 30)}
    assert counts == {9: 1, -1: 1, 4: 2, 30: 3}, f"of 3, 4, 6 and 9 rows 1, 1, 2 and 3 are held out, not {counts}"


def test_stratified_split_rounds_a_half_up(learner, probe):
    labels = torch.tensor([0] * 5 + [1] * 9 + [2] * 7)[torch.from_numpy(probe.permutation(21))]
    _, held_out = split(learner, labels, 0.5, a_seed(probe))
    counts = torch.bincount(labels[held_out], minlength=3)
    assert_close(counts, torch.tensor([3, 5, 4]), name="the numbers of rows held out")


def test_stratified_split_keeps_a_class_in_both_parts(learner, probe):
    labels = mixed_labels(probe)
    for fraction, held in ((0.01, 1), (0.99, None)):
        train, held_out = split(learner, labels, fraction, a_seed(probe))
        for label, n in ((9, 3), (-1, 4), (30, 9), (17, 2)):
            wanted = held or n - 1
            got = int((labels[held_out] == label).sum())
            assert got == wanted, f"at {fraction} a class of {n} rows has {got} held out, not {wanted}"


def test_stratified_split_leaves_a_single_row_in_the_training_part(learner, probe):
    labels = mixed_labels(probe)
    for fraction in (0.1, 0.9):
        train, _ = split(learner, labels, fraction, a_seed(probe))
        assert int((labels[train] == 12).sum()) == 1, f"at {fraction} the only row of a class is for training"


def test_stratified_split_draws_from_the_generator_class_after_class(learner, probe):
    labels, seed = mixed_labels(probe), a_seed(probe)
    _, held_out = split(learner, labels, 0.4, seed)
    assert_close(held_out, torch.tensor(split_by_hand(labels, 0.4, seed)), name="the held-out rows")


def test_stratified_split_differs_from_seed_to_seed(learner, probe):
    labels = torch.zeros(40, dtype=torch.int64)
    parts = [split(learner, labels, 0.5, seed)[1].tolist() for seed in (1, 2, 1)]
    assert parts[0] != parts[1], "another generator gives another split"
    assert parts[0] == parts[2], "the same generator gives the same split"


@pytest.mark.stage("whole")
def test_stratified_split_equals_the_reference(learner, reference, probe):
    seed = a_seed(probe)
    mine, theirs = (
        generator(learner, seed),
        generator(reference, seed),
    )  # each split goes on where the one before has ended
    for fraction in (0.2, 0.5, 0.77):
        labels = torch.from_numpy(probe.integers(60, high=7))
        expected = reference.stratified_split(labels, fraction, theirs)
        assert_close(learner.stratified_split(labels, fraction, mine), expected)


@pytest.mark.stage("robust")
def test_stratified_split_of_single_rows_holds_nothing_out(learner, probe):
    train, held_out = split(learner, torch.from_numpy(probe.permutation(5)), 0.5, a_seed(probe))
    assert_close(train, torch.arange(5), name="the training rows")
    assert_shape(held_out, (0,), torch.int64, name="the held-out rows")


@pytest.mark.stage("robust")
def test_stratified_split_refuses_what_is_no_fraction(learner, probe):
    for fraction in (0.0, 1.0, -0.2, 1.5):
        with pytest.raises(ValueError):
            split(learner, mixed_labels(probe), fraction, 1)


# fit_normalizer


@pytest.mark.stage("shape")
def test_fit_normalizer_returns_a_function_that_keeps_shape_and_dtype(learner, probe):
    for dtype in (torch.float32, torch.float64):
        normalize = learner.fit_normalizer(rows(probe, "N", "D", dtype))
        for shape in ("M D", "D", "2 M D"):
            x = probe.tensor(shape, dtype=dtype)
            assert_shape(normalize(x), tuple(x.shape), dtype)


def test_fit_normalizer_gives_the_training_rows_mean_zero(learner, probe):
    train = rows(probe, "N", "D", torch.float64)
    mean = learner.fit_normalizer(train)(train).mean(dim=0)
    assert_close(1.0 + mean, torch.ones(probe.size("D"), dtype=torch.float64), name="the means, plus one")


def test_fit_normalizer_gives_the_training_rows_mean_square_one(learner, probe):
    train = rows(probe, "N", "D", torch.float64)
    squares = learner.fit_normalizer(train)(train) ** 2
    assert_close(squares.mean(dim=0), torch.ones(probe.size("D"), dtype=torch.float64))


def test_fit_normalizer_measures_other_rows_with_the_training_rows(learner, probe):
    train, other = rows(probe, 7, "D", torch.float64), rows(probe, "M", "D", torch.float64)
    train[1, 0] = train[-1, 0] = train[0, 0]  # some values of a column are equal, not all
    mean = train.sum(dim=0) / len(train)
    deviation = ((train - mean) ** 2).sum(dim=0).div(len(train)).sqrt()
    assert_close(learner.fit_normalizer(train)(other), (other - mean) / deviation)


def test_fit_normalizer_gives_a_row_the_same_values_in_any_company(learner, probe):
    normalize, other = learner.fit_normalizer(rows(probe, "N", "D")), rows(probe, "M", "D")
    together = normalize(other)
    assert_close(torch.stack([normalize(row) for row in other]), together, name="rows one by one")
    assert_close(normalize(other[:2]), together[:2], name="the first two rows")


def test_fit_normalizer_only_shifts_a_constant_column(learner, probe):
    train, other = rows(probe, "N", "D"), rows(probe, "M", "D")
    train[:, 0] = 2.5
    normalize = learner.fit_normalizer(train)
    assert_close(normalize(train)[:, 0], torch.zeros(len(train)), name="the constant column of the training rows")
    assert_close(normalize(other)[:, 0], other[:, 0] - 2.5, name="that column of other rows")


def test_fit_normalizer_is_not_fooled_by_rounding_in_a_constant_column(learner, probe):
    values = torch.tensor([0.1, 0.3, 0.7, -0.9])
    train = values.repeat(37, 1)
    other = probe.tensor("M 4")
    assert_close(1.0 + learner.fit_normalizer(train)(train), torch.ones(37, 4), name="the training rows, plus one")
    assert_close(learner.fit_normalizer(train)(other), other - values, name="other rows")


def test_fit_normalizer_scales_columns_in_any_unit(learner, probe):
    train, other = rows(probe, "N", 3, torch.float64), rows(probe, "M", 3, torch.float64)
    unit = torch.tensor([1e-9, 1.0, 1e9], dtype=torch.float64)
    expected = learner.fit_normalizer(train)(other)
    assert_close(learner.fit_normalizer(train * unit)(other * unit), expected, name="rows in other units")
    mean = train.mean(dim=0)
    assert_close(expected, (other - mean) / ((train - mean) ** 2).mean(dim=0).sqrt(), name="rows in these units")


def test_fit_normalizer_measures_columns_far_from_zero(learner, probe):
    train, other = rows(probe, 7, "D", torch.float64), rows(probe, "M", "D", torch.float64)
    mean = train.mean(dim=0)
    expected = (other - mean) / ((train - mean) ** 2).mean(dim=0).sqrt()
    assert_close(learner.fit_normalizer(train + 2.0**18)(other + 2.0**18), expected)


def test_fit_normalizer_lets_no_later_change_of_the_training_rows_in(learner, probe):
    train, other = rows(probe, 7, "D"), rows(probe, "M", "D")
    builtins, operator = learner.library("builtins"), learner.library("operator")
    kept = keeper(learner, train=train)
    held = operator.attrgetter("train")
    normalize = builtins.next(builtins.map(learner.fit_normalizer, builtins.map(held, [kept])))
    builtins.list(builtins.map(learner.library("torch").Tensor.zero_, builtins.map(held, [kept])))
    mean = train.mean(dim=0)
    expected = (other - mean) / ((train - mean) ** 2).mean(dim=0).sqrt()
    assert_close(normalize(other), expected, name="other rows, after the training rows were set to zero")


@pytest.mark.stage("whole")
def test_fit_normalizer_equals_the_reference(learner, reference, probe):
    for dtype in (torch.float32, torch.float64):
        train, other = rows(probe, "N", "D", dtype), rows(probe, "M", "D", dtype)
        train[:, 1] = other[0, 1]
        other[-1] *= 1e4  # far from all that was seen
        assert_close(learner.fit_normalizer(train)(other), reference.fit_normalizer(train)(other))


@pytest.mark.stage("robust")
def test_fit_normalizer_of_a_single_training_row_subtracts_it(learner, probe):
    train, other = rows(probe, 1, "D"), rows(probe, "M", "D")
    assert_close(learner.fit_normalizer(train)(other), other - train)


# BucketBatchSampler


@pytest.mark.stage("shape")
def test_bucket_batch_sampler_yields_lists_of_row_numbers(learner, probe):
    batches = list(learner.BucketBatchSampler(lengths_for(probe), 5, 2))
    assert all(type(batch) is list and all(type(row) is int for row in batch) for batch in batches), "lists of ints"
    assert len(batches) == 5, f"23 rows make 5 batches of 5, not {len(batches)}"


def test_bucket_batch_sampler_yields_every_row_once(learner, probe):
    for drop_last in (False, True):
        batches = list(learner.BucketBatchSampler(lengths_for(probe, 20), 5, 2, drop_last))
        assert sorted(row for batch in batches for row in batch) == list(range(20)), "every row comes once"


def test_bucket_batch_sampler_makes_one_smaller_batch_at_most(learner, probe):
    sizes = sorted(len(batch) for batch in learner.BucketBatchSampler(lengths_for(probe), 5, 2))
    assert sizes == [3, 5, 5, 5, 5], f"23 rows make batches of 5, 5, 5, 5 and 3, not of {sizes}"


def test_bucket_batch_sampler_knows_how_many_batches_it_makes(learner, probe):
    for n, drop_last, expected in ((23, False, 5), (23, True, 4), (21, False, 5), (20, True, 4), (3, True, 0)):
        sampler = learner.BucketBatchSampler(lengths_for(probe, n), 5, 3, drop_last=drop_last)
        assert length_of(learner, sampler) == expected, f"{n} rows, drop_last={drop_last}: {expected} batches"
        assert len(list(sampler)) == expected, f"{n} rows, drop_last={drop_last}: it yields {expected} batches"


def test_bucket_batch_sampler_of_one_pool_never_mixes_short_and_long(learner, probe):
    lengths = lengths_for(probe, 24)
    batches = list(learner.BucketBatchSampler(lengths, batch_size=4, batches_per_pool=6))
    spans = sorted(sorted(lengths[row] for row in batch) for batch in batches)
    in_order = [length for span in spans for length in span]
    assert in_order == sorted(lengths), "each batch takes up where another one ended, in order of length"


def test_bucket_batch_sampler_sorts_only_within_a_pool(learner, probe):
    lengths, seed = probe.permutation(24).tolist(), a_seed(probe)
    order = torch.randperm(24, generator=torch.Generator().manual_seed(seed)).tolist()
    pools = [set(order[:8]), set(order[8:16]), set(order[16:])]
    learner.library("torch").manual_seed(5)  # should it be used by mistake, it draws the same again
    batches = list(learner.BucketBatchSampler(lengths, batch_size=4, batches_per_pool=2, seed=seed))
    for batch in batches:
        assert any(set(batch) <= pool for pool in pools), "the rows of a batch are all of one pool"
    for pool in pools:
        short, long = sorted(sorted(lengths[row] for row in batch) for batch in batches if set(batch) <= pool)
        assert max(short) < min(long), "one batch has the shorter half of its pool, another one the longer half"


def test_bucket_batch_sampler_shuffles_the_batches(learner, probe):
    lengths = probe.permutation(60).tolist()
    batches = list(learner.BucketBatchSampler(lengths, 2, 30, seed=a_seed(probe)))
    firsts = [min(lengths[row] for row in batch) for batch in batches]
    assert firsts != sorted(firsts) and firsts != sorted(firsts)[::-1], "batches do not come in the order of length"


def test_bucket_batch_sampler_repeats_an_epoch_exactly(learner, probe):
    sampler = learner.BucketBatchSampler(lengths_for(probe, 40), 3, 4, seed=a_seed(probe))
    go_through = learner.library("builtins").list  # where the sampler is, so that each pass is an answer to judge by
    first = go_through(sampler)
    assert go_through(sampler) == first, "without set_epoch a second pass gives the same batches"
    sampler.set_epoch(1)
    other = go_through(sampler)
    assert other != first, "another epoch gives other batches"
    sampler.set_epoch(0)
    assert go_through(sampler) == first, "back in epoch 0 the batches are those of epoch 0"


def test_bucket_batch_sampler_adds_epoch_and_seed(learner, probe):
    lengths = lengths_for(probe, 40)
    late, early = learner.BucketBatchSampler(lengths, 3, 4, seed=11), learner.BucketBatchSampler(lengths, 3, 4, seed=5)
    early.set_epoch(6)
    assert list(late) == list(early), "epoch 6 of seed 5 is epoch 0 of seed 11"


def test_bucket_batch_sampler_leaves_the_smaller_batch_out_when_told(learner, probe):
    lengths, seed = probe.permutation(23).tolist(), a_seed(probe)
    batches = list(learner.BucketBatchSampler(lengths, 5, 10, drop_last=True, seed=seed))
    assert [len(batch) for batch in batches] == [5, 5, 5, 5], "only full batches"
    left = set(range(23)) - {row for batch in batches for row in batch}
    assert sorted(lengths[row] for row in left) == [20, 21, 22], "in one pool the last batch has the longest rows"


@pytest.mark.stage("whole")
def test_bucket_batch_sampler_follows_the_recipe_draw_by_draw(learner, probe):
    for n, size, per_pool, drop_last in ((23, 5, 2, False), (23, 5, 2, True), (31, 4, 1, False), (30, 7, 50, False)):
        lengths, seed = lengths_for(probe, n), a_seed(probe)
        sampler = learner.BucketBatchSampler(lengths, size, per_pool, drop_last, seed)
        sampler.set_epoch(3)
        expected = batches_by_hand(lengths, size, per_pool, drop_last, seed + 3)
        assert list(sampler) == expected, f"{n} rows, batches of {size}, pools of {per_pool} batches"


@pytest.mark.stage("whole")
def test_bucket_batch_sampler_equals_the_reference_with_its_defaults(learner, reference, probe):
    lengths = lengths_for(probe, 600)
    assert list(learner.BucketBatchSampler(lengths, 4)) == list(reference.BucketBatchSampler(lengths, 4)), (
        "batches_per_pool is 50, nothing is dropped, the seed is 0"
    )


@pytest.mark.stage("whole")
def test_bucket_batch_sampler_drives_a_data_loader(learner, probe):
    lengths = lengths_for(probe)
    sampler = learner.BucketBatchSampler(lengths, 4, 3, seed=2)
    loader = learner.library("torch").utils.data.DataLoader(lengths, batch_sampler=sampler)
    expected = [torch.tensor([lengths[row] for row in batch]) for batch in batches_by_hand(lengths, 4, 3, False, 2)]
    assert_close(list(loader), expected, name="the lengths in each batch")


@pytest.mark.stage("robust")
def test_bucket_batch_sampler_of_fewer_rows_than_a_batch(learner, probe):
    assert sorted(*learner.BucketBatchSampler([4, 2, 9], 5, 2)) == [0, 1, 2], "one batch with all three rows"


@pytest.mark.stage("robust")
def test_bucket_batch_sampler_makes_batches_of_a_single_row(learner):
    assert sorted(learner.BucketBatchSampler([4, 2, 9], 1, 1)) == [[0], [1], [2]], "three batches with a row each"


@pytest.mark.stage("robust")
def test_bucket_batch_sampler_leaves_global_random_numbers_alone(learner, probe):
    library = learner.library("torch")
    library.manual_seed(5)
    batches = list(learner.BucketBatchSampler(lengths_for(probe), 4, 2, seed=9))
    assert sorted(len(batch) for batch in batches) == [3, 4, 4, 4, 4, 4], "23 rows in batches of 4"
    assert_close(
        library.rand(3), torch.rand(3, generator=torch.Generator().manual_seed(5)), name="global random numbers"
    )


@pytest.mark.stage("robust")
def test_bucket_batch_sampler_refuses_sizes_below_one(learner, probe):
    for sizes in ((0, 2), (-3, 2), (4, 0), (4, -1), (-3, -2)):
        with pytest.raises(ValueError):
            learner.BucketBatchSampler(lengths_for(probe), *sizes)
