"""Hidden checks of the losses: each term by itself, the whole against PyTorch's own and loops, gradients, extremes."""

import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from autograder.testing import assert_close, assert_gradients, assert_shape, made

DTYPES = (torch.float32, torch.float64)


def answers(probe, spec, dtype=torch.float64):
    """Logits and targets of 0 and 1, both of which occur."""
    return 2.0 * probe.tensor(spec, dtype=dtype), torch.from_numpy(probe.signs(spec) > 0).to(dtype)


def share(probe):
    """An alpha away from ½, in 64ths: exact in float32 as well, in which `torch.where` makes a tensor of it."""
    return round(64.0 * probe.scalar(0.1, 0.9, away_from=0.5)) / 64.0


def focal(logits, targets, gamma, alpha):
    """The loss as it is written in the paper: right for moderate logits."""
    p = torch.sigmoid(logits)
    p_t, weight = torch.where(targets > 0, p, 1.0 - p), alpha * targets + (1.0 - alpha) * (1.0 - targets)
    return -(weight * (1.0 - p_t) ** gamma * p_t.log()).mean()


@pytest.mark.stage("shape")
def test_focal_loss_is_a_single_number_of_the_dtype_of_the_logits(learner, probe):
    for dtype in DTYPES:
        for spec in ("N", "B N D"):
            assert_shape(learner.focal_loss(*answers(probe, spec, dtype)), (), dtype)


@pytest.mark.visible
def test_focal_loss_of_a_case_computed_by_hand(learner):
    logits = torch.tensor([3.0, 3.0, 3.0], dtype=torch.float64).log()  # p = ¾ each time, so p_t is ¾, ¼ and ¾
    expected = (2.0 * 0.75 / 16.0 * math.log(4.0 / 3.0) + 0.25 * 9.0 / 16.0 * math.log(4.0)) / 3.0
    got = learner.focal_loss(logits, torch.tensor([1, 0, 1]), gamma=2.0, alpha=0.75)
    assert_close(got, torch.tensor(expected, dtype=torch.float64))


def test_focal_loss_with_gamma_zero_and_equal_weights_is_half_the_cross_entropy(learner, probe):
    logits, targets = answers(probe, "N 5")
    expected = 0.5 * binary_cross_entropy_with_logits(logits, targets)
    assert_close(learner.focal_loss(logits, targets, gamma=0.0, alpha=0.5), expected)


def test_focal_loss_weighs_targets_of_one_by_alpha_and_those_of_zero_by_the_rest(learner, probe):
    logits, alpha = 2.0 * probe.tensor("N D", dtype=torch.float64), share(probe)
    ones = torch.ones_like(logits)
    for targets, weight in ((ones, alpha), (1.0 - ones, 1.0 - alpha)):
        expected = weight * binary_cross_entropy_with_logits(logits, targets)
        assert_close(learner.focal_loss(logits, targets, gamma=0.0, alpha=alpha), expected)


def test_focal_loss_plays_an_easy_example_down_and_leaves_a_hard_one(learner, probe):
    gamma = probe.scalar(1.5, 4.0)
    for p_t in (0.95, 0.6, 0.05):
        logit = torch.tensor([math.log(p_t / (1.0 - p_t))], dtype=torch.float64)
        expected = torch.tensor(-0.5 * (1.0 - p_t) ** gamma * math.log(p_t), dtype=torch.float64)
        for sign, target in ((1.0, 1.0), (-1.0, 0.0)):
            got = learner.focal_loss(sign * logit, torch.tensor([target]), gamma=gamma, alpha=0.5)
            assert_close(got, expected, name=f"the loss of a target of {target:g} with p_t = {p_t}")


def test_focal_loss_has_gamma_two_and_alpha_a_quarter_unless_told(learner, probe):
    logits, targets = answers(probe, "N D")
    logits, targets = torch.cat([logits, 0.5 * logits]), torch.cat([targets, 1.0 - targets])
    assert_close(learner.focal_loss(logits, targets), focal(logits, targets, 2.0, 0.25))


def test_focal_loss_is_a_mean_over_all_entries(learner, probe):
    logits, targets = answers(probe, "N D")
    got = learner.focal_loss(torch.cat([logits, logits]), torch.cat([targets, targets]), 1.5, 0.3125)
    assert_close(got, focal(logits, targets, 1.5, 0.3125))


def test_focal_loss_takes_targets_of_any_dtype(learner, probe):
    logits, targets = answers(probe, "N D", torch.float32)
    for dtype in (torch.bool, torch.int64, torch.uint8, torch.float64):
        got = learner.focal_loss(logits, targets.to(dtype), 1.5, 0.3125)
        assert_close(got, focal(logits, targets, 1.5, 0.3125), name=f"the loss with targets of {dtype}")


@pytest.mark.stage("whole")
def test_focal_loss_equals_the_reference(learner, reference, probe):
    for dtype in DTYPES:
        logits, targets = answers(probe, "B N D", dtype)
        options = {"gamma": probe.scalar(0.3, 4.0), "alpha": share(probe)}
        assert_close(learner.focal_loss(logits, targets, **options), reference.focal_loss(logits, targets, **options))


@pytest.mark.stage("whole")
def test_focal_loss_gives_the_slopes_that_are_measured(learner, probe):
    (logits, targets), gamma, alpha = answers(probe, "3 5"), probe.scalar(0.3, 3.0), share(probe)
    _, (slope, *_) = learner.vjp("focal_loss", [logits, targets, gamma, alpha])
    assert_gradients(lambda logits: focal(logits, targets, gamma, alpha), [logits], [slope], names=["logits"])


@pytest.mark.stage("robust")
def test_focal_loss_and_its_gradient_survive_huge_logits(learner, reference, probe):
    targets = torch.from_numpy(probe.signs("N D") > 0)
    for gamma in (0.0, 0.4, 1.0, 2.5):
        given = [probe.tensor(probe.extreme("N D")), targets, gamma, 0.3125]
        value, (slope, *_) = learner.vjp("focal_loss", given)
        expected, (slopes, *_) = reference.vjp("focal_loss", given)
        assert_close(value, expected, name="the loss")
        assert_close(slope, slopes, name="the gradient")


@pytest.mark.stage("robust")
def test_focal_loss_of_a_hopeless_answer_is_its_logit(learner):
    got = learner.vjp("focal_loss", [torch.tensor([-800.0, 600.0]), torch.tensor([1.0, 0.0]), 0.5, 0.25])
    assert_close(got[0], torch.tensor((0.25 * 800.0 + 0.75 * 600.0) / 2.0), name="the loss")
    assert_close(got[1][0], torch.tensor([-0.125, 0.375]), name="the gradient")


@pytest.mark.stage("robust")
def test_focal_loss_of_a_certain_answer_has_no_slope_left(learner):
    _, (slope, *_) = learner.vjp("focal_loss", [torch.tensor([900.0, -700.0]), torch.tensor([1, 0]), 0.5, 0.25])
    assert_close(slope, torch.zeros(2), name="the gradient")


@pytest.mark.stage("robust")
def test_focal_loss_refuses_targets_of_another_shape(learner, probe):
    logits, targets = answers(probe, "N")
    for others in (targets[:, None], targets[None], targets[:1], targets[0]):
        with pytest.raises(ValueError):
            learner.focal_loss(logits, others)


def classes(probe, dtype=torch.float64, scale=2.0):
    """Logits (N, C) and the right classes, the first and the last among them."""
    n, c = probe.shape("N C")
    return scale * probe.tensor("N C", dtype=dtype), torch.from_numpy(probe.integers(n, high=c))


@pytest.mark.stage("shape")
def test_label_smoothing_loss_is_a_single_number_of_the_dtype_of_the_logits(learner, probe):
    for dtype in DTYPES:
        assert_shape(learner.label_smoothing_loss(*classes(probe, dtype)), (), dtype)


@pytest.mark.visible
def test_label_smoothing_loss_of_a_case_computed_by_hand(learner):
    logits = torch.tensor([[3.0, 1.0], [1.0, 1.0]], dtype=torch.float64).log()  # p = ¾, ¼ and ½, ½
    expected = (0.8 * math.log(4.0 / 3.0) + 0.2 * math.log(4.0) + math.log(2.0)) / 2.0
    got = learner.label_smoothing_loss(logits, torch.tensor([0, 1]), smoothing=0.4)
    assert_close(got, torch.tensor(expected, dtype=torch.float64))


def test_label_smoothing_loss_without_smoothing_is_the_cross_entropy(learner, probe):
    logits, targets = classes(probe)
    assert_close(learner.label_smoothing_loss(logits, targets, smoothing=0.0), cross_entropy(logits, targets))


def test_label_smoothing_loss_with_full_smoothing_ignores_the_targets(learner, probe):
    logits, targets = classes(probe)
    got = learner.label_smoothing_loss(logits, targets, smoothing=1.0)
    assert_close(got, logits.logsumexp(dim=1).mean() - logits.mean())


def test_label_smoothing_loss_gives_the_right_class_its_part_of_what_is_shared_out(learner, probe):
    logits, targets = classes(probe)
    smoothing, c = probe.scalar(0.1, 0.6), logits.shape[1]
    q = torch.full_like(logits, smoothing / c)
    q[torch.arange(len(logits)), targets] = 1.0 - smoothing + smoothing / c
    expected = -(q * (logits - logits.logsumexp(dim=1, keepdim=True))).sum(dim=1).mean()
    assert_close(learner.label_smoothing_loss(logits, targets, smoothing), expected)


def test_label_smoothing_loss_is_a_mean_over_rows(learner, probe):
    logits, targets = classes(probe)
    got = learner.label_smoothing_loss(torch.cat([logits, logits]), torch.cat([targets, targets]), 0.3)
    assert_close(got, cross_entropy(logits, targets, label_smoothing=0.3))


def test_label_smoothing_loss_smooths_by_a_tenth_unless_told(learner, probe):
    logits, targets = classes(probe, scale=5.0)
    assert_close(learner.label_smoothing_loss(logits, targets), cross_entropy(logits, targets, label_smoothing=0.1))


@pytest.mark.stage("whole")
def test_label_smoothing_loss_equals_the_reference_and_pytorchs(learner, reference, probe):
    for dtype in DTYPES:
        (logits, targets), smoothing = classes(probe, dtype), probe.scalar(0.1, 0.9)
        got = learner.label_smoothing_loss(logits, targets, smoothing=smoothing)
        assert_close(got, reference.label_smoothing_loss(logits, targets, smoothing=smoothing))
        assert_close(got, cross_entropy(logits, targets, label_smoothing=smoothing))


@pytest.mark.stage("whole")
def test_label_smoothing_loss_gives_the_slopes_that_are_measured(learner, probe):
    (logits, targets), smoothing = classes(probe), probe.scalar(0.1, 0.9)
    _, (slope, *_) = learner.vjp("label_smoothing_loss", [logits, targets, smoothing])

    def loss(logits):
        return cross_entropy(logits, targets, label_smoothing=smoothing)

    assert_gradients(loss, [logits], [slope], names=["logits"])


@pytest.mark.stage("robust")
def test_label_smoothing_loss_and_its_gradient_survive_huge_logits(learner, reference, probe):
    given = [probe.tensor(probe.extreme("N C")), classes(probe)[1], 0.3]
    assert_close(learner.vjp("label_smoothing_loss", given), reference.vjp("label_smoothing_loss", given))


@pytest.mark.stage("robust")
def test_label_smoothing_loss_of_one_row_and_of_one_class(learner, probe):
    logits, targets = probe.tensor("1 C"), torch.tensor([1])
    got = learner.label_smoothing_loss(logits, targets, 0.3)
    assert_close(got, cross_entropy(logits, targets, label_smoothing=0.3))
    got = learner.label_smoothing_loss(probe.tensor("N 1"), torch.zeros(probe.size("N"), dtype=torch.int64), 0.3)
    assert_close(got, torch.tensor(0.0), name="the loss of a single class")


@pytest.mark.stage("robust")
def test_label_smoothing_loss_refuses_a_share_outside_of_zero_and_one(learner, probe):
    for smoothing in (-0.1, 1.1):
        with pytest.raises(ValueError):
            learner.label_smoothing_loss(*classes(probe), smoothing=smoothing)


def hardest(embeddings, labels, margin):
    """The loss in loops."""
    losses = []
    for i, anchor in enumerate(embeddings):
        distances = [(row - anchor).norm() for row in embeddings]
        near = [d for j, d in enumerate(distances) if labels[j] == labels[i] and j != i]
        far = [d for j, d in enumerate(distances) if labels[j] != labels[i]]
        if near and far:
            losses.append(torch.relu(max(near) - min(far) + margin))
    return torch.stack(losses).mean()


def people(probe, dtype=torch.float64):
    """Embeddings of 11 rows and their labels: three of one, five of another, two of a third, one alone."""
    labels = torch.tensor([4, 4, 4, -7, -7, -7, -7, -7, 0, 0, 7])[torch.from_numpy(probe.permutation(11))]
    return probe.tensor(11, 3, dtype=dtype), labels


@pytest.mark.stage("shape")
def test_triplet_loss_is_a_single_number_of_the_dtype_of_the_embeddings(learner, probe):
    for dtype in DTYPES:
        assert_shape(learner.triplet_loss(*people(probe, dtype)), (), dtype)


@pytest.mark.visible
def test_triplet_loss_of_a_case_computed_by_hand(learner):
    rows, labels = torch.tensor([[0.0], [1.0], [3.0], [7.0]]), torch.tensor([5, 5, 5, 8])
    got = [learner.triplet_loss(rows, labels, margin=margin) for margin in (2.0, 5.0)]
    assert_close(got, [torch.tensor(1.0 / 3.0), torch.tensor(2.0)], name="[with margin 2, with margin 5]")


def test_triplet_loss_takes_the_farthest_of_the_same_label(learner):
    rows = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0], [0.0, 100.0]], dtype=torch.float64)
    # Among the first three the farthest are at 5, 5 and √18, and the stranger at 100, √9225 and 99; he is no anchor.
    expected = (5.0 - 100.0 + 5.0 - math.sqrt(9225.0) + math.sqrt(18.0) - 99.0) / 3.0 + 200.0
    got = learner.triplet_loss(rows, torch.tensor([1, 1, 1, 2]), margin=200.0)
    assert_close(got, torch.tensor(expected, dtype=torch.float64))


def test_triplet_loss_takes_the_nearest_of_other_labels(learner):
    rows = torch.tensor([[0.0], [1.0], [4.0], [40.0], [-50.0]], dtype=torch.float64)
    got = learner.triplet_loss(rows, torch.tensor([1, 1, 2, 3, 4]), margin=100.0)
    assert_close(got, torch.tensor(((1.0 - 4.0) + (1.0 - 3.0)) / 2.0 + 100.0, dtype=torch.float64))


def test_triplet_loss_is_zero_for_rows_that_are_far_enough_but_counts_them(learner):
    rows, labels = torch.tensor([[0.0], [1.0], [10.0], [14.0]]), torch.tensor([0, 0, 1, 1])
    # The distances to the own label are 1, 1, 4 and 4, those to the other 10, 9, 9 and 13.
    assert_close(learner.triplet_loss(rows, labels, margin=2.0), torch.tensor(0.0), name="with margin 2")
    assert_close(learner.triplet_loss(rows, labels, margin=6.0), torch.tensor(1.0 / 4.0), name="with margin 6")


def test_triplet_loss_asks_for_a_margin_of_a_fifth_unless_told(learner, probe):
    embeddings, labels = people(probe)
    assert_close(learner.triplet_loss(embeddings, labels), hardest(embeddings, labels, 0.2))


def test_triplet_loss_does_not_depend_on_the_order_of_rows_nor_on_the_names_of_labels(learner, probe):
    (embeddings, labels), order = people(probe), torch.from_numpy(probe.permutation(11))
    expected = hardest(embeddings, labels, 1.5)
    assert_close(learner.triplet_loss(embeddings[order], labels[order], 1.5), expected)
    assert_close(learner.triplet_loss(embeddings, 1000 - 3 * labels, 1.5), expected)


@pytest.mark.stage("whole")
def test_triplet_loss_equals_the_reference_and_loops(learner, reference, probe):
    for dtype in DTYPES:
        (embeddings, labels), margin = people(probe, dtype), probe.scalar(0.3, 3.0)
        got = learner.triplet_loss(embeddings, labels, margin=margin)
        assert_close(got, reference.triplet_loss(embeddings, labels, margin=margin))
        assert_close(got, hardest(embeddings, labels, margin))


@pytest.mark.stage("whole")
def test_triplet_loss_gives_the_slopes_that_are_measured(learner, probe):
    embeddings, labels = people(probe)
    _, (slope, *_) = learner.vjp("triplet_loss", [embeddings, labels, 10.0])
    assert_gradients(lambda x: hardest(x, labels, 10.0), [embeddings], [slope], names=["embeddings"])


@pytest.mark.stage("robust")
def test_triplet_loss_without_any_anchor_is_zero_and_can_be_differentiated(learner, probe):
    embeddings = probe.tensor("N D", dtype=torch.float64, requires_grad=True)
    slope_of = made(learner, "lambda loss, x, labels: [loss(x, labels, 0.5).backward(), x.grad][1]")
    for labels in (torch.arange(len(embeddings)), torch.full((len(embeddings),), 3)):
        loss = learner.triplet_loss(embeddings.detach(), labels, 0.5)
        assert_close(loss, torch.tensor(0.0, dtype=torch.float64), name="the loss")
        slope = slope_of(learner.triplet_loss, embeddings, labels)
        assert_close(slope, torch.zeros_like(embeddings).detach(), name="the gradient")


@pytest.mark.stage("robust")
def test_triplet_loss_gives_equal_rows_no_gradient_of_their_distance(learner, probe):
    row, other = probe.tensor("1 D", dtype=torch.float64), probe.tensor("1 D", dtype=torch.float64)
    embeddings, labels = torch.cat([row, row, row + other]), torch.tensor([1, 1, 2])
    loss, (slope, *_) = learner.vjp("triplet_loss", [embeddings, labels, 50.0])
    length = other.norm()
    assert_close(loss, 50.0 - length, name="the loss")  # both anchors: 0 - |other| + 50
    unit = other / length
    assert_close(slope, torch.cat([unit / 2.0, unit / 2.0, -unit]), name="the gradient")


@pytest.mark.stage("robust")
def test_triplet_loss_of_equal_rows_with_different_labels(learner, probe):
    row, other = probe.tensor("1 D", dtype=torch.float64), probe.tensor("1 D", dtype=torch.float64)
    embeddings, labels = torch.cat([row, row, row + other]), torch.tensor([1, 2, 1])
    loss, (slope, *_) = learner.vjp("triplet_loss", [embeddings, labels, 50.0])
    assert_close(loss, other.norm() / 2.0 + 50.0, name="the loss")  # |other| - 0 + 50 and |other| - |other| + 50
    unit = other / other.norm()
    assert_close(slope, torch.cat([-unit, unit / 2.0, unit / 2.0]), name="the gradient")


@pytest.mark.stage("robust")
def test_triplet_loss_of_rows_that_lie_far_from_the_origin(learner, probe):
    embeddings, labels = people(probe, torch.float32)
    for rows, margin in ((embeddings + 1000.0, 4.0), (1e6 * embeddings, 3e6)):
        assert_close(learner.triplet_loss(rows, labels, margin=margin), hardest(rows, labels, margin))


@pytest.mark.stage("robust")
def test_triplet_loss_of_many_rows_that_lie_far_from_the_origin(learner, reference, probe):
    (first, labels), (second, _), (third, _) = (people(probe, torch.float32) for _ in range(3))
    rows, labels = torch.cat([first, second, third]) + 4000.0, torch.cat([labels, labels + 50, labels])
    expected = reference.triplet_loss(rows.double(), labels, margin=4.0)
    assert_close(learner.triplet_loss(rows, labels, margin=4.0), expected.float())


def pairs(probe, dtype=torch.float64):
    return probe.tensor("N D", dtype=dtype), probe.tensor("N D", dtype=dtype)


def contrast(x, y, temperature):
    """The loss with PyTorch's own cosine similarity and cross-entropy."""
    logits = torch.nn.functional.cosine_similarity(x[:, None], y[None], dim=2) / temperature
    right = torch.arange(len(x))
    return (cross_entropy(logits, right) + cross_entropy(logits.T, right)) / 2.0


@pytest.mark.stage("shape")
def test_info_nce_is_a_single_number_of_the_dtype_of_x(learner, probe):
    for dtype in DTYPES:
        assert_shape(learner.info_nce(*pairs(probe, dtype)), (), dtype)


@pytest.mark.visible
def test_info_nce_of_a_case_computed_by_hand(learner):
    x, y = torch.tensor([[2.0, 0.0], [0.0, 5.0]]).double(), torch.tensor([[1.0, 0.0], [7.0, 0.0]]).double()
    temperature = 1.0 / math.log(3.0)
    # With itself every row sees ln 3 and 0. With y: rows (ln 3, ln 3) and (0, 0), columns (ln 3, 0) and (ln 3, 0).
    expected = torch.tensor(math.log(4.0 / 3.0), dtype=torch.float64)
    assert_close(learner.info_nce(x, x, temperature=temperature), expected, name="the loss of x with itself")
    expected = (2.0 * math.log(2.0) + math.log(4.0 / 3.0) + math.log(4.0)) / 4.0
    assert_close(learner.info_nce(x, y, temperature=temperature), torch.tensor(expected, dtype=torch.float64))


def test_info_nce_does_not_look_at_the_length_of_rows(learner, probe):
    (x, y), temperature = pairs(probe), probe.scalar(0.2, 0.8)
    lengths, others = probe.uniform("N 1", 0.1, 9.0), probe.uniform("N 1", 0.1, 9.0)
    lengths[0] = others[1] = 1e-7
    got = learner.info_nce(x * torch.from_numpy(lengths), y * torch.from_numpy(others), temperature)
    assert_close(got, contrast(x, y, temperature))


def test_info_nce_asks_in_both_directions(learner, probe):
    (x, y), temperature = pairs(probe), probe.scalar(0.2, 0.8)
    y[1] = 3.0 * y[0]  # then rows and columns of the similarities differ much
    expected = contrast(x, y, temperature)
    assert_close(learner.info_nce(x, y, temperature), expected, name="of x and y")
    assert_close(learner.info_nce(y, x, temperature), expected, name="of y and x")


def test_info_nce_takes_the_partner_in_the_same_row(learner, probe):
    (x, y), order = pairs(probe), torch.from_numpy(probe.permutation("N"))
    assert_close(learner.info_nce(x[order], y[order], 0.4), contrast(x, y, 0.4), name="of both in another order")
    assert_close(learner.info_nce(x[order], y, 0.4), contrast(x[order], y, 0.4), name="of x in another order")


def test_info_nce_is_divided_by_the_temperature(learner, probe):
    x, y = pairs(probe)
    for temperature in (0.05, 0.5, 4.0):
        assert_close(learner.info_nce(x, y, temperature=temperature), contrast(x, y, temperature))


def test_info_nce_has_a_temperature_of_a_tenth_unless_told(learner, probe):
    x, y = pairs(probe)
    assert_close(learner.info_nce(x, y), contrast(x, y, 0.1))


@pytest.mark.stage("whole")
def test_info_nce_equals_the_reference(learner, reference, probe):
    for dtype in DTYPES:
        (x, y), temperature = pairs(probe, dtype), probe.scalar(0.1, 2.0)
        assert_close(learner.info_nce(x, y, temperature), reference.info_nce(x, y, temperature))


@pytest.mark.stage("whole")
def test_info_nce_gives_the_slopes_that_are_measured(learner, probe):
    x, y = probe.tensor("5 3", dtype=torch.float64), probe.tensor("5 3", dtype=torch.float64)
    _, (dx, dy, _) = learner.vjp("info_nce", [x, y, 0.7])
    assert_gradients(lambda x, y: contrast(x, y, 0.7), [x, y], [dx, dy], names=("x", "y"))


@pytest.mark.stage("robust")
def test_info_nce_survives_a_low_temperature(learner, probe):
    x, y = pairs(probe, torch.float32)
    given = [x, y, 0.001]
    loss, gradients = learner.vjp("info_nce", given)
    double = [x.double().requires_grad_(), y.double().requires_grad_()]
    expected = contrast(*double, 0.001)
    expected.backward()
    assert_close(loss, expected.detach().float(), name="the loss")
    for name, got, wanted in zip("xy", gradients, double, strict=False):
        assert_close(
            got.isfinite(), torch.ones_like(got, dtype=torch.bool), name=f"where the gradient of {name} is finite"
        )
        assert_close(got, wanted.grad.float(), terms=1000, name=f"the gradient of {name}")


@pytest.mark.stage("robust")
def test_info_nce_of_a_single_pair_is_zero(learner, probe):
    assert_close(learner.info_nce(probe.tensor("1 D"), probe.tensor("1 D"), 0.5), torch.tensor(0.0))


@pytest.mark.stage("robust")
def test_info_nce_refuses_other_shapes_and_temperatures_that_are_not_positive(learner, probe):
    x, y = pairs(probe)
    for given in ((x, y[1:]), (x, y[:1]), (x, y[:, 1:]), (x, y, 0.0), (x, y, -0.5)):
        with pytest.raises(ValueError):
            learner.info_nce(*given)
