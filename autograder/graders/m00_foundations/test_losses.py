"""Hidden checks of the loss functions and their gradients."""

import numpy as np
import pytest

from autograder.testing import assert_close, assert_gradients, assert_shape, made


def assert_loss_and_gradient_shapes(result, argument):
    loss, gradient = result
    assert_shape(loss, (), name="the loss")
    assert_shape(gradient, argument.shape, np.float64, name="the gradient")


def unequal_shapes(probe):
    """Pairs of shapes that differ, though NumPy broadcasts most of them without a word."""
    rows, features = probe.size("N"), probe.size("D")
    one, two = (rows,), (rows, features)
    return [(one, (rows, 1)), ((rows, 1), one), (one, (1,)), (two, (features,)), ((features,), two), (two, (rows, 1))]


@pytest.mark.stage("shape")
def test_mse_gives_a_number_and_a_gradient_of_the_same_shape(learner, probe):
    prediction, target = probe.normal("N D"), probe.normal("N D")
    assert_loss_and_gradient_shapes(learner.mse(prediction, target), prediction)


def test_mse_of_one_entry(learner):
    assert_close(learner.mse(np.array([5.0]), np.array([2.0])), (9.0, np.array([6.0])))
    assert_close(learner.mse(np.array([2.0]), np.array([5.0])), (9.0, np.array([-6.0])))


def test_mse_of_equal_arrays_is_zero(learner, probe):
    target = probe.normal("N D")
    assert_close(learner.mse(target.copy(), target), (0.0, np.zeros(target.shape)))


def test_mse_averages_over_all_entries(learner, reference, probe):
    prediction, target = probe.normal("N D"), probe.normal("N D")
    loss, gradient = reference.mse(prediction, target)
    twice = learner.mse(np.vstack([prediction, prediction]), np.vstack([target, target]))
    assert_close(twice, (loss, np.vstack([gradient, gradient]) / 2.0))


@pytest.mark.stage("whole")
def test_mse_equals_the_reference_in_any_shape(learner, reference, probe):
    for shape, scale in (("N", 1.0), ("N D", 1e-8), ("N C D", 1e8)):
        prediction, target = scale * probe.normal(shape), 2.0 * scale * probe.normal(shape)
        assert_close(learner.mse(prediction, target), reference.mse(prediction, target))


@pytest.mark.stage("whole")
def test_mse_gradient_is_its_slope(learner, reference, probe):
    prediction, target, upstream = probe.normal("N D"), probe.normal("N D"), probe.scalar(0.3, 3.0)
    gradient = upstream * learner.mse(prediction, target)[1]
    assert_gradients(lambda p: reference.mse(p, target)[0], [prediction], [gradient], upstream)


@pytest.mark.stage("robust")
def test_mse_of_large_values_that_are_close_together(learner, probe):
    target, error = np.round(1e7 * probe.normal("N D")), np.round(probe.normal("N D") * 64.0) / 64.0  # sums are exact
    expected = float(np.mean(error**2)), 2.0 * error / error.size
    assert_close(learner.mse(target + error, target), expected)


@pytest.mark.stage("robust")
def test_mse_refuses_shapes_that_differ(learner, probe):
    for prediction_shape, target_shape in unequal_shapes(probe):
        with pytest.raises(ValueError):
            learner.mse(probe.normal(*prediction_shape), probe.normal(*target_shape))


@pytest.mark.stage("shape")
def test_binary_cross_entropy_gives_a_number_and_a_gradient_of_the_same_shape(learner, probe):
    logits, targets = probe.normal("N D"), probe.uniform("N D", 0.0, 1.0)
    assert_loss_and_gradient_shapes(learner.binary_cross_entropy_with_logits(logits, targets), logits)


def test_binary_cross_entropy_of_zero_logits_is_log_two(learner, probe):
    targets = (probe.signs("N") > 0).astype(float)
    expected = np.log(2.0), (0.5 - targets) / targets.size
    assert_close(learner.binary_cross_entropy_with_logits(np.zeros(targets.shape), targets), expected)


def test_binary_cross_entropy_by_hand(learner):
    logits, targets = np.array([[np.log(3.0)], [np.log(3.0)], [-np.log(4.0)]]), np.array([[1.0], [0.0], [1.0]])
    expected = np.log([4.0 / 3.0, 4.0, 5.0]).mean(), np.array([[-0.25], [0.75], [-0.8]]) / 3.0
    assert_close(learner.binary_cross_entropy_with_logits(logits, targets), expected)


def test_binary_cross_entropy_stays_when_logits_and_targets_change_sides(learner, reference, probe):
    logits, targets = probe.normal("N"), (probe.signs("N") > 0).astype(float)
    loss, gradient = reference.binary_cross_entropy_with_logits(logits, targets)
    assert_close(learner.binary_cross_entropy_with_logits(-logits, 1.0 - targets), (loss, -gradient))


def test_binary_cross_entropy_takes_targets_between_zero_and_one(learner, probe):
    targets = probe.uniform("N", 0.05, 0.95)
    entropy = -(targets * np.log(targets) + (1.0 - targets) * np.log(1.0 - targets)).mean()
    result = learner.binary_cross_entropy_with_logits(np.log(targets / (1.0 - targets)), targets)
    assert_close(result, (entropy, np.zeros(targets.shape)))


@pytest.mark.stage("whole")
def test_binary_cross_entropy_equals_the_reference_in_any_shape(learner, reference, probe):
    for shape in ("N", "N D", "N C D"):
        logits, targets = 3.0 * probe.normal(shape), probe.uniform(shape, 0.0, 1.0)
        expected = reference.binary_cross_entropy_with_logits(logits, targets)
        assert_close(learner.binary_cross_entropy_with_logits(logits, targets), expected)


@pytest.mark.stage("whole")
def test_binary_cross_entropy_gradient_is_its_slope(learner, reference, probe):
    logits, targets, upstream = probe.normal("N D"), probe.uniform("N D", 0.0, 1.0), probe.scalar(0.3, 3.0)
    gradient = upstream * learner.binary_cross_entropy_with_logits(logits, targets)[1]
    loss = lambda z: reference.binary_cross_entropy_with_logits(z, targets)[0]  # noqa: E731
    assert_gradients(loss, [logits], [gradient], upstream)


@pytest.mark.stage("robust")
def test_binary_cross_entropy_is_right_for_huge_logits(learner):
    for logit, target, loss, slope in [
        (1000.0, 1.0, 0.0, 0.0),
        (1000.0, 0.0, 1000.0, 1.0),
        (-1000.0, 1.0, 1000.0, -1.0),
        (-1000.0, 0.0, 0.0, 0.0),
        (40.0, 0.0, 40.0, 1.0),
        (-40.0, 1.0, 40.0, -1.0),
        (-1000.0, 0.25, 250.0, -0.25),
    ]:
        result = learner.binary_cross_entropy_with_logits(np.array([logit]), np.array([target]))
        assert_close(result, (loss, np.array([slope])))


@pytest.mark.stage("robust")
def test_binary_cross_entropy_exponentiates_nothing_that_overflows(learner, reference, probe):
    strict = learner.library("numpy").errstate(over="raise")(learner.binary_cross_entropy_with_logits)
    logits, targets = np.array([-1000.0, 1000.0]), probe.uniform(2, 0.0, 1.0)
    for loss in (learner.binary_cross_entropy_with_logits, strict):
        assert_close(loss(logits, targets), reference.binary_cross_entropy_with_logits(logits, targets))


@pytest.mark.stage("robust")
def test_binary_cross_entropy_is_right_for_logits_of_every_scale_together(learner, reference, probe):
    logits, targets = probe.extreme("N C"), probe.uniform("N C", 0.0, 1.0)
    expected = reference.binary_cross_entropy_with_logits(logits, targets)
    assert_close(learner.binary_cross_entropy_with_logits(logits, targets), expected)


@pytest.mark.stage("robust")
def test_binary_cross_entropy_refuses_shapes_that_differ(learner, probe):
    for logits_shape, targets_shape in unequal_shapes(probe):
        with pytest.raises(ValueError):
            learner.binary_cross_entropy_with_logits(probe.normal(*logits_shape), np.ones(targets_shape))


@pytest.mark.stage("shape")
def test_cross_entropy_gives_a_number_and_a_gradient_of_the_same_shape(learner, probe):
    logits = probe.normal("N C")
    assert_loss_and_gradient_shapes(learner.cross_entropy(logits, probe.integers("N", high="C")), logits)


def test_cross_entropy_of_equal_logits_is_the_log_of_the_number_of_classes(learner, probe):
    targets, classes = probe.integers("N", high="C"), probe.size("C")
    expected = np.log(classes), (1.0 / classes - np.eye(classes)[targets]) / targets.size
    assert_close(learner.cross_entropy(np.zeros((targets.size, classes)), targets), expected)


def test_cross_entropy_by_hand(learner):
    logits, targets = np.log([[1.0, 2.0, 5.0], [3.0, 1.0, 4.0]]), np.array([1, 0])
    gradient = np.array([[0.125, -0.75, 0.625], [-0.625, 0.125, 0.5]]) / 2.0
    assert_close(learner.cross_entropy(logits, targets), (np.log([4.0, 8.0 / 3.0]).mean(), gradient))


def test_cross_entropy_of_one_row_reads_the_true_class(learner, probe):
    probabilities = np.array([0.5, 0.25, 0.15, 0.1])
    for target in range(4):
        expected = -np.log(probabilities[target]), (probabilities - np.eye(4)[target])[None]
        assert_close(learner.cross_entropy(np.log(probabilities)[None], np.array([target])), expected)


def test_cross_entropy_averages_over_the_rows(learner, reference, probe):
    logits, targets = probe.normal("N C"), probe.integers("N", high="C")
    loss, gradient = reference.cross_entropy(logits, targets)
    twice = learner.cross_entropy(np.vstack([logits, logits]), np.concatenate([targets, targets]))
    assert_close(twice, (loss, np.vstack([gradient, gradient]) / 2.0))


@pytest.mark.stage("whole")
def test_cross_entropy_equals_the_reference(learner, reference, probe):
    logits, targets = 3.0 * probe.normal("N C"), probe.integers("N", high="C")
    assert_close(learner.cross_entropy(logits, targets), reference.cross_entropy(logits, targets))


@pytest.mark.stage("whole")
def test_cross_entropy_gradient_is_its_slope(learner, reference, probe):
    logits, targets, upstream = probe.normal("N C"), probe.integers("N", high="C"), probe.scalar(0.3, 3.0)
    gradient = upstream * learner.cross_entropy(logits, targets)[1]
    assert_gradients(lambda z: reference.cross_entropy(z, targets)[0], [logits], [gradient], upstream)


@pytest.mark.stage("whole")
def test_cross_entropy_of_two_classes_is_the_binary_one(learner, reference, probe):
    logits, targets = probe.normal("N"), (probe.signs("N") > 0).astype(np.int64)
    loss, gradient = reference.binary_cross_entropy_with_logits(logits, targets.astype(float))
    result = learner.cross_entropy(np.stack([np.zeros_like(logits), logits], axis=1), targets)
    assert_close(result, (loss, np.stack([-gradient, gradient], axis=1)))


@pytest.mark.stage("robust")
def test_cross_entropy_is_right_for_huge_logits(learner):
    for logit in (1000.0, -1000.0):
        expected = np.log(2.0), np.array([[-0.5, 0.5], [0.5, -0.5]]) / 2.0
        assert_close(learner.cross_entropy(np.full((2, 2), logit), np.array([0, 1])), expected)
    logits = np.array([[1000.0, -1000.0], [1000.0, -1000.0], [-1000.0, -1000.0]])
    gradient = np.array([[0.0, 0.0], [1.0, -1.0], [-0.5, 0.5]]) / 3.0
    assert_close(learner.cross_entropy(logits, np.array([0, 1, 0])), ((2000.0 + np.log(2.0)) / 3.0, gradient))


@pytest.mark.stage("robust")
def test_cross_entropy_of_rows_on_very_different_scales(learner, reference, probe):
    logits, targets = probe.normal("N C"), probe.integers("N", high="C")
    expected = reference.cross_entropy(logits, targets)
    shift = np.zeros((logits.shape[0], 1))
    shift[0], shift[1] = 900.0, -900.0
    assert_close(learner.cross_entropy(logits + shift, targets), expected)


@pytest.mark.stage("robust")
def test_cross_entropy_of_as_many_rows_as_classes(learner, reference, probe):
    logits, targets = probe.normal(5, 5), probe.integers(5, high=5)
    assert_close(learner.cross_entropy(logits, targets), reference.cross_entropy(logits, targets))


@pytest.mark.stage("robust")
def test_cross_entropy_of_transposed_logits(learner, reference, probe):
    logits, targets = probe.normal("C N"), probe.integers("N", high="C")
    text = "lambda loss, x, targets: [loss(logits, targets) for logits in (x.T.copy(), x.T)]"
    turned = made(learner, text)
    expected = reference.cross_entropy(logits.T, targets)
    assert_close(turned(learner.cross_entropy, logits, targets), [expected, expected])


@pytest.mark.stage("robust")
def test_cross_entropy_of_targets_in_small_integers(learner, reference, probe):
    logits, targets = probe.normal(40, 7), probe.integers(40, high=7)
    expected = reference.cross_entropy(logits, targets)
    for dtype in (np.int32, np.int8):
        assert_close(learner.cross_entropy(logits, targets.astype(dtype)), expected)


@pytest.mark.stage("robust")
def test_cross_entropy_of_a_single_class_is_zero(learner, probe):
    logits = probe.normal(5, 1)
    assert_close(learner.cross_entropy(logits, np.zeros(5, dtype=np.int64)), (0.0, np.zeros((5, 1))))


@pytest.mark.stage("robust")
def test_cross_entropy_refuses_targets_of_another_shape(learner, probe):
    logits, targets = probe.normal("N C"), probe.integers("N", high="C")
    one_hot = np.eye(probe.size("C"), dtype=np.int64)[targets]
    for wrong in (targets[:, None], targets[None], targets[:1], targets[:-1], one_hot):
        with pytest.raises(ValueError):
            learner.cross_entropy(logits, wrong)


@pytest.mark.stage("shape")
def test_hinge_gives_a_number_and_a_gradient_of_the_same_shape(learner, probe):
    scores = probe.normal("N")
    assert_loss_and_gradient_shapes(learner.hinge(scores, probe.signs("N")), scores)


def test_hinge_of_rows_beyond_the_margin_is_zero(learner, probe):
    targets = probe.signs("N")
    scores = targets * probe.uniform("N", 1.1, 5.0)
    assert_close(learner.hinge(scores, targets), (0.0, np.zeros(scores.shape)))


def test_hinge_of_rows_on_the_wrong_side(learner, probe):
    targets = probe.signs("N")
    distance = probe.uniform("N", 0.1, 5.0)
    assert_close(learner.hinge(-targets * distance, targets), (1.0 + distance.mean(), -targets / targets.size))


def test_hinge_of_rows_on_the_right_side_but_within_the_margin(learner, probe):
    targets = probe.signs("N")
    for missing in (probe.uniform("N", 0.1, 0.9), 10.0 ** -probe.uniform("N", 2.0, 12.0)):
        expected = missing.mean(), -targets / targets.size
        assert_close(learner.hinge(targets * (1.0 - missing), targets), expected)


def test_hinge_averages_over_all_rows_and_not_over_the_costly_ones(learner):
    scores, targets = np.array([0.5, 0.5, 2.0, -3.0, -0.5]), np.array([1.0, -1.0, 1.0, -1.0, -1.0])
    assert_close(learner.hinge(scores, targets), (2.5 / 5.0, np.array([-0.2, 0.2, 0.0, 0.0, 0.2])))


def test_hinge_uses_the_margin_it_is_given(learner):
    scores, targets = np.array([0.5, 0.5, 2.0, -1.0]), np.array([1.0, -1.0, 1.0, -1.0])
    assert_close(learner.hinge(scores, targets, margin=1.5), (0.875, np.array([-0.25, 0.25, 0.0, 0.25])))
    assert_close(learner.hinge(scores, targets, margin=0.25), (0.1875, np.array([0.0, 0.25, 0.0, 0.0])))
    assert_close(learner.hinge(scores, targets, margin=0.0), (0.125, np.array([0.0, 0.25, 0.0, 0.0])))


@pytest.mark.stage("whole")
def test_hinge_equals_the_reference(learner, reference, probe):
    scores, targets, margin = 2.0 * probe.normal("N"), probe.signs("N"), probe.scalar(0.3, 3.0)
    assert_close(learner.hinge(scores, targets, margin=margin), reference.hinge(scores, targets, margin=margin))


@pytest.mark.stage("whole")
def test_hinge_gradient_is_its_slope(learner, reference, probe):
    targets, margin, upstream = probe.signs("N"), probe.scalar(0.3, 3.0), probe.scalar(0.3, 3.0)
    scores = targets * (margin + probe.signs("N") * probe.uniform("N", 0.1, 2.0))  # away from the kink
    gradient = upstream * learner.hinge(scores, targets, margin=margin)[1]
    assert_gradients(lambda s: reference.hinge(s, targets, margin=margin)[0], [scores], [gradient], upstream)


@pytest.mark.stage("robust")
def test_hinge_has_slope_zero_exactly_at_the_margin(learner):
    scores, targets = np.array([1.0, -1.0, 0.0, 0.5]), np.array([1.0, -1.0, 1.0, 1.0])
    assert_close(learner.hinge(scores, targets), (1.5 / 4.0, np.array([0.0, 0.0, -0.25, -0.25])))
    assert_close(learner.hinge(2.5 * scores[:2], targets[:2], margin=2.5), (0.0, np.zeros(2)))


@pytest.mark.stage("robust")
def test_hinge_grows_without_bound(learner):
    scores, targets = np.array([-1000.0, 1000.0, 1000.0]), np.array([1.0, -1.0, 1.0])
    assert_close(learner.hinge(scores, targets), (2002.0 / 3.0, np.array([-1.0, 1.0, 0.0]) / 3.0))


@pytest.mark.stage("robust")
def test_hinge_refuses_shapes_that_differ(learner, probe):
    scores, targets = probe.normal("N"), probe.signs("N")
    pairs = [(scores, targets[:, None]), (scores[:, None], targets), (scores, targets[:1]), (scores[:1], targets)]
    for wrong_scores, wrong_targets in pairs:
        with pytest.raises(ValueError):
            learner.hinge(wrong_scores, wrong_targets)
