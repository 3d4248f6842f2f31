"""Hidden checks of the perceptron: its labels, its rule on one row, its training."""

import numpy as np
import pytest

from autograder.testing import assert_close, assert_shape, made

XOR = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]), np.array([-1.0, 1.0, 1.0, -1.0])


def judged_row(probe, label):
    """Weights, bias and a row whose score has the sign of `label`."""
    w, b, x_i = probe.normal("D"), probe.scalar(0.1, 0.9), probe.normal("D")
    flip = label * np.sign(x_i @ w + b)
    return flip * w, flip * b, x_i


def separable(probe):
    """Rows on both sides of a hyperplane that misses the origin, none nearer to it than one half, and their labels."""
    probe.size("N", at_least=5)
    x, y, normal = probe.normal("N D"), probe.signs("N"), probe.normal("D")
    normal = normal / np.linalg.norm(normal)
    distance = 1.5 + y * probe.uniform("N", 0.5, 2.0)  # from the origin, along the normal
    return x + np.outer(distance - x @ normal, normal), y


@pytest.mark.stage("shape")
def test_predict_gives_one_float64_label_a_row(learner, probe):
    x = probe.normal("N D")
    assert_shape(learner.predict(x, probe.normal("D"), 0.5), x.shape[:1], np.float64)


def test_predict_follows_the_sign_of_the_score(learner, probe):
    x, w = probe.normal("N D"), probe.normal("D")
    b = -float(np.median(x @ w)) + 0.01  # both labels occur, and without b they would be others
    assert_close(learner.predict(x, w, b), np.sign(x @ w + b))


def test_predict_adds_the_bias(learner, probe):
    x, w = probe.normal("N D"), probe.normal("D")
    x = np.vstack([x, -x])  # without b both labels occur
    assert_close(learner.predict(x, w, 1e3), np.ones(len(x)))
    assert_close(learner.predict(x, w, -1e3), -np.ones(len(x)))


def test_predict_calls_a_score_of_zero_plus_one(learner):
    x = np.array([[3.0, 1.0, -1.0], [3.0, 1.0, -2.0], [3.0, 1.0, 0.0], [-1.0, 0.0, 1.0]])
    assert_close(learner.predict(x, np.array([1.0, -1.0, 2.0]), 0.0), np.array([1.0, -1.0, 1.0, 1.0]))
    assert_close(learner.predict(x, np.array([1.0, -1.0, 2.0]), -2.0), np.array([-1.0, -1.0, 1.0, -1.0]))


def test_predict_with_zero_weights_says_plus_one_to_every_row(learner, probe):
    x = probe.normal("N D")
    assert_close(learner.predict(x, np.zeros(x.shape[1]), 0.0), np.ones(x.shape[0]))


@pytest.mark.stage("whole")
def test_predict_equals_the_reference(learner, reference, probe):
    x, w, b = probe.normal("N D"), probe.normal("D"), probe.scalar(-0.9, 0.9)
    assert_close(learner.predict(x, w, b), reference.predict(x, w, b))


@pytest.mark.stage("robust")
def test_predict_of_a_single_row_and_of_a_single_feature(learner, reference, probe):
    for x in (probe.normal(1, 5), probe.normal(7, 1), probe.normal(1, 1)):
        w = probe.normal(x.shape[1])
        assert_close(learner.predict(x, w, 0.25), reference.predict(x, w, 0.25))


@pytest.mark.stage("robust")
def test_predict_of_huge_and_of_tiny_scores(learner, probe):
    x, w = probe.normal("N D"), probe.normal("D")
    x = np.vstack([x, -x])
    for scale in (1e200, 1e-7, 1e-200):
        assert_close(learner.predict(scale * x, w, 0.0), np.sign(x @ w))


@pytest.mark.stage("robust")
def test_predict_leaves_the_labels_of_an_earlier_call_alone(learner, probe):
    x, w = probe.normal("N D"), probe.normal("D")
    twice = made(learner, "lambda predict, x, w: [predict(x, w, 0.0), predict(-x, w, 0.0)]")
    assert_close(twice(learner.predict, x, w), [np.sign(x @ w), -np.sign(x @ w)])


@pytest.mark.stage("shape")
def test_update_gives_weights_and_a_bias(learner, probe):
    for label in (-1.0, 1.0):
        w, b, x_i = judged_row(probe, 1.0)
        new_w, new_b = learner.update(w, b, x_i, label)
        assert_shape(new_w, w.shape, np.float64)
        assert_shape(new_b, ())


def test_update_leaves_a_row_that_is_right_alone(learner, probe):
    for label in (-1.0, 1.0):
        w, b, x_i = judged_row(probe, label)
        assert_close(learner.update(w, b, x_i, label), (w, b))


def test_update_moves_towards_a_missed_row_of_label_plus_one(learner, probe):
    w, b, x_i = judged_row(probe, -1.0)
    assert_close(learner.update(w, b, x_i, 1.0), (w + x_i, b + 1.0))


def test_update_moves_away_from_a_missed_row_of_label_minus_one(learner, probe):
    w, b, x_i = judged_row(probe, 1.0)
    assert_close(learner.update(w, b, x_i, -1.0), (w - x_i, b - 1.0))


def test_update_scales_the_whole_step_with_the_learning_rate(learner, probe):
    lr = probe.scalar(0.2, 3.0)
    for label in (-1.0, 1.0):
        w, b, x_i = judged_row(probe, -label)
        assert_close(learner.update(w, b, x_i, label, lr=lr), (w + lr * label * x_i, b + lr * label))


def test_update_asks_for_the_right_side_and_for_no_margin(learner, probe):
    for label in (-1.0, 1.0):
        w, b, x_i = judged_row(probe, label)
        shrink = 0.05 / abs(x_i @ w + b)
        assert_close(learner.update(shrink * w, shrink * b, x_i, label), (shrink * w, shrink * b))


def test_update_judges_with_the_bias(learner, probe):
    w, x_i = probe.normal("D"), probe.normal("D")
    b = -2.0 * float(x_i @ w)  # the bias turns the label round
    label = float(np.sign(x_i @ w + b))
    assert_close(learner.update(w, b, x_i, label), (w, b))
    assert_close(learner.update(w, b, x_i, -label), (w - label * x_i, b - label))


@pytest.mark.stage("whole")
def test_update_equals_the_reference(learner, reference, probe):
    w, b, lr = probe.normal("D"), probe.scalar(-0.9, 0.9), probe.scalar(0.2, 3.0)
    for x_i, y_i in zip(probe.normal("N D"), probe.signs("N"), strict=True):
        assert_close(learner.update(w, b, x_i, y_i, lr=lr), reference.update(w, b, x_i, y_i, lr=lr))


@pytest.mark.stage("robust")
def test_update_takes_a_score_of_zero_for_plus_one(learner):
    x_i = np.array([3.0, 1.0, -1.0])
    assert_close(learner.update(np.full(3, 0.1), 0.0, x_i, 1.0), (np.full(3, 0.1), 0.0))  # a score of 0.3 is right
    for w in (np.zeros(3), np.array([1.0, -1.0, 2.0])):
        assert_close(learner.update(w, 0.0, x_i, 1.0), (w, 0.0))
        assert_close(learner.update(w, 0.0, x_i, -1.0), (w - x_i, -1.0))


@pytest.mark.stage("robust")
def test_update_learns_from_a_row_of_zeros_by_its_bias(learner, probe):
    b = probe.scalar(0.1, 0.9)
    for x_i in (probe.normal("D"), np.zeros(probe.size("D"))):
        for label in (-1.0, 1.0):  # with zero weights the bias alone decides
            got = learner.update(np.zeros(len(x_i)), -label * b, x_i, label)
            assert_close(got, (label * x_i, -label * b + label))


@pytest.mark.stage("shape")
def test_fit_gives_weights_a_bias_and_counts(learner, probe):
    x, y = separable(probe)
    w, b, mistakes = learner.fit(x, y, max_epochs=4)
    assert_shape(w, x.shape[1:], np.float64)
    assert_shape(b, ())
    assert isinstance(mistakes, list), f"mistakes is a {type(mistakes).__name__} where a list was expected"
    for count in mistakes:
        assert isinstance(count, int), f"a count is a {type(count).__name__} where an int was expected"


def test_fit_takes_one_row_after_the_other_within_an_epoch(learner, reference, probe):
    x, y = separable(probe)
    w, b = np.zeros(x.shape[1]), 0.0
    for x_i, y_i in zip(x, y, strict=True):
        w, b = reference.update(w, b, x_i, y_i)
    assert_close(learner.fit(x, y, max_epochs=1)[:2], (w, b))


def test_fit_by_hand(learner):
    x, y = np.array([[1.0], [2.0]]), np.array([1.0, -1.0])
    assert_close(learner.fit(x, y), (np.array([-1.0]), 1.0, [1, 1, 2, 1, 0]))


def test_fit_stops_at_once_when_zero_weights_are_right(learner, probe):
    x = probe.normal("N D")
    result = learner.fit(x, np.ones(x.shape[0]))
    assert_close(result, (np.zeros(x.shape[1]), 0.0, [0]))
    assert isinstance(result[1], float), "the bias is a float, also where it never moved"


def test_fit_separates_what_can_be_separated(learner, probe):
    x, y = separable(probe)
    w, b, mistakes = learner.fit(x, y, max_epochs=2000)
    assert_close(np.sign(x @ w + b), y)
    assert mistakes[-1] == 0 and 0 not in mistakes[:-1], f"the only epoch without mistakes must be the last: {mistakes}"


def test_fit_starts_every_epoch_where_the_last_one_ended(learner, reference, probe):
    rows = probe.size("N", at_least=5)
    x, y = probe.normal(rows, "D"), probe.signs(rows)  # noise: no hyperplane need separate it
    for max_epochs in (1, 2, 3):
        assert_close(learner.fit(x, y, max_epochs=max_epochs), reference.fit(x, y, max_epochs=max_epochs))


@pytest.mark.stage("whole")
def test_fit_equals_the_reference(learner, reference, probe):
    x, y = separable(probe)
    lr = probe.scalar(0.2, 3.0)
    assert_close(learner.fit(x, y, max_epochs=2000, lr=lr), reference.fit(x, y, max_epochs=2000, lr=lr))


@pytest.mark.stage("whole")
def test_fit_with_another_learning_rate_makes_the_same_mistakes_on_scaled_weights(learner, reference, probe):
    x, y = separable(probe)
    w, b, mistakes = reference.fit(x, y, max_epochs=5)
    assert_close(learner.fit(x, y, max_epochs=5, lr=0.25), (0.25 * w, 0.25 * b, mistakes))


@pytest.mark.stage("robust")
def test_fit_never_settles_on_xor(learner):
    x, y = XOR
    assert_close(learner.fit(x, y, max_epochs=7), (np.zeros(2), 0.0, [4] * 7))
    assert_close(learner.fit(x, y), (np.zeros(2), 0.0, [4] * 100))
    assert_close(learner.fit(x, y, max_epochs=150), (np.zeros(2), 0.0, [4] * 150))


@pytest.mark.stage("robust")
def test_fit_counts_a_mistake_on_a_row_of_zeros(learner, reference, probe):
    x, y = np.vstack([np.zeros(3), probe.normal(2, 3)]), np.array([-1.0, 1.0, 1.0])
    assert_close(learner.fit(x, y, max_epochs=3), reference.fit(x, y, max_epochs=3))
    assert_close(learner.fit(np.zeros((1, 3)), np.array([-1.0])), (np.zeros(3), -1.0, [1, 0]))


@pytest.mark.stage("robust")
def test_fit_on_a_single_row(learner, probe):
    x = probe.normal(1, 3)
    assert_close(learner.fit(x, np.array([-1.0])), (-x[0], -1.0, [1, 0]))
