"""Public checks of the perceptron: run `pytest exercises/m00_foundations/test_perceptron.py`."""

import numpy as np
import pytest

from autograder.testing import assert_close, assert_shape

CORNERS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


@pytest.mark.stage("shape")
def test_predict_gives_one_float64_label_a_row(learner, probe):
    x = probe.normal("N D")
    assert_shape(learner.predict(x, probe.normal("D"), 0.5), x.shape[:1], np.float64)


def test_predict_of_known_rows(learner):
    x = np.array([[2.0, 1.0], [1.0, 1.0], [0.0, 1.0], [-4.0, 2.0]])
    assert_close(learner.predict(x, np.array([1.0, -1.0]), -0.5), np.array([1.0, -1.0, -1.0, -1.0]))
    assert_close(learner.predict(x, np.array([1.0, -1.0]), 1.5), np.array([1.0, 1.0, 1.0, -1.0]))


def test_predict_calls_a_score_of_zero_plus_one(learner):
    x = np.array([[2.0, 1.0], [1.0, 1.0], [0.0, 1.0]])
    assert_close(learner.predict(x, np.array([1.0, -1.0]), 0.0), np.array([1.0, 1.0, -1.0]))


def test_predict_changes_sides_with_the_weights(learner, probe):
    x, w, b = probe.normal("N D"), probe.normal("D"), probe.scalar(-0.9, 0.9)
    assert_close(learner.predict(x, -w, -b), -learner.predict(x, w, b))


@pytest.mark.stage("shape")
def test_update_gives_weights_and_a_bias(learner, probe):
    w = probe.normal("D")
    new_w, new_b = learner.update(w, 0.5, probe.normal("D"), 1.0)
    assert_shape(new_w, w.shape, np.float64)
    assert_shape(new_b, ())


def test_update_of_a_row_that_is_wrong(learner):
    w, x_i = np.array([1.0, 0.0]), np.array([2.0, 3.0])
    assert_close(learner.update(w, 0.0, x_i, -1.0), (np.array([-1.0, -3.0]), -1.0))
    assert_close(learner.update(w, -5.0, x_i, 1.0, lr=0.5), (np.array([2.0, 1.5]), -4.5))


def test_update_leaves_a_row_that_is_right_alone(learner):
    w, x_i = np.array([0.25, 0.0]), np.array([2.0, 3.0])
    assert_close(learner.update(w, 0.0, x_i, 1.0), (w, 0.0))
    assert_close(learner.update(w, -1.0, x_i, -1.0), (w, -1.0))


@pytest.mark.stage("robust")
def test_update_takes_a_score_of_zero_for_plus_one(learner):
    w, x_i = np.array([3.0, -2.0]), np.array([2.0, 3.0])
    assert_close(learner.update(w, 0.0, x_i, 1.0), (w, 0.0))
    assert_close(learner.update(w, 0.0, x_i, -1.0), (np.array([1.0, -5.0]), -1.0))


@pytest.mark.stage("shape")
def test_fit_gives_weights_a_bias_and_counts(learner, probe):
    x = probe.normal("N D")
    w, b, mistakes = learner.fit(x, probe.signs("N"), max_epochs=3)
    assert_shape(w, x.shape[1:], np.float64)
    assert_shape(b, ())
    assert isinstance(mistakes, list), f"mistakes is a {type(mistakes).__name__} where a list was expected"


def test_fit_on_a_single_row(learner):
    assert_close(learner.fit(np.array([[2.0, 3.0]]), np.array([-1.0])), (np.array([-2.0, -3.0]), -1.0, [1, 0]))


def test_fit_learns_logical_and(learner):
    y = np.array([-1.0, -1.0, -1.0, 1.0])
    assert_close(learner.fit(CORNERS, y), (np.array([2.0, 1.0]), -3.0, [2, 3, 3, 2, 1, 0]))


def test_fit_with_half_the_learning_rate_gives_half_the_weights(learner):
    y = np.array([-1.0, -1.0, -1.0, 1.0])
    assert_close(learner.fit(CORNERS, y, lr=0.5), (np.array([1.0, 0.5]), -1.5, [2, 3, 3, 2, 1, 0]))


@pytest.mark.stage("robust")
def test_fit_never_settles_on_xor(learner):
    y = np.array([-1.0, 1.0, 1.0, -1.0])
    mistakes = learner.fit(CORNERS, y, max_epochs=20)[2]
    assert len(mistakes) == 20 and 0 not in mistakes, f"20 epochs, none without mistakes, were expected: {mistakes}"
