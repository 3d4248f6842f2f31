"""Public checks of the layers: run `pytest exercises/m00_foundations/test_layers.py`."""

import numpy as np
import pytest

from autograder.testing import assert_close, assert_gradients, assert_shape


@pytest.mark.stage("shape")
def test_linear_forward_returns_a_row_of_outputs_for_every_row(learner, probe):
    x, w, b = probe.normal("N D"), probe.normal("D M"), probe.normal("M")
    assert_shape(learner.linear_forward(x, w, b), (probe.size("N"), probe.size("M")), x.dtype)


def test_linear_forward_of_a_case_computed_by_hand(learner):
    x, w = np.array([[1.0, 2.0], [-1.0, 0.0]]), np.array([[1.0, 0.0, 2.0], [0.0, 1.0, 3.0]])
    y = learner.linear_forward(x, w, np.array([10.0, -20.0, 30.0]))
    assert_close(y, np.array([[11.0, -18.0, 38.0], [9.0, -20.0, 28.0]]))


@pytest.mark.stage("shape")
def test_linear_backward_returns_gradients_shaped_like_x_w_and_b(learner, probe):
    dy, x, w = probe.normal("N M"), probe.normal("N D"), probe.normal("D M")
    dx, dw, db = learner.linear_backward(dy, x, w)
    for gradient, shape in ((dx, x.shape), (dw, w.shape), (db, (probe.size("M"),))):
        assert_shape(gradient, shape, x.dtype)


def test_linear_backward_of_a_case_computed_by_hand(learner):
    dx, dw, db = learner.linear_backward(np.array([[1.0], [10.0]]), np.array([[2.0], [3.0]]), np.array([[5.0]]))
    assert_close(dx, np.array([[5.0], [50.0]]), name="dx")
    assert_close(dw, np.array([[32.0]]), name="dw")
    assert_close(db, np.array([11.0]), name="db")


@pytest.mark.stage("whole")
@pytest.mark.task("linear_backward")
def test_linear_backward_gives_the_slopes_of_your_linear_forward(learner, probe):
    dy, x, w, b = probe.normal("N M"), probe.normal("N D"), probe.normal("D M"), probe.normal("M")
    gradients = learner.linear_backward(dy, x, w)
    assert_gradients(learner.linear_forward, [x, w, b], gradients, dy, names=("x", "w", "b"))


def test_relu_backward_of_a_case_computed_by_hand(learner):
    dy, x = np.array([[5.0, -6.0, 7.0], [-8.0, 9.0, 1.0]]), np.array([[-2.0, 3.0, 0.5], [-1.0, -4.0, 0.0]])
    assert_close(learner.relu_backward(dy, x), np.array([[0.0, -6.0, 7.0], [0.0, 0.0, 0.0]]))


@pytest.mark.stage("whole")
def test_relu_backward_gives_the_slope_of_the_relu(learner, probe):
    dy, x = probe.normal("N M"), probe.signs("N M") * probe.uniform("N M", 0.5, 3.0)  # away from the kink
    assert_gradients(lambda x: np.maximum(x, 0.0), [x], [learner.relu_backward(dy, x)], dy)


@pytest.mark.stage("shape")
def test_softmax_cross_entropy_backward_keeps_the_shape(learner, probe):
    logits = probe.normal("N C")
    dlogits = learner.softmax_cross_entropy_backward(logits, probe.integers("N", high="C"))
    assert_shape(dlogits, logits.shape, logits.dtype)


def test_softmax_cross_entropy_backward_rows_sum_to_zero(learner, probe):
    dlogits = learner.softmax_cross_entropy_backward(probe.normal("N C"), probe.integers("N", high="C"))
    assert_close(dlogits.sum(axis=1), np.zeros(probe.size("N")))


def test_softmax_cross_entropy_backward_of_a_case_computed_by_hand(learner):
    logits, targets = np.log([[1.0, 3.0], [1.0, 1.0]]), np.array([0, 1])
    assert_close(learner.softmax_cross_entropy_backward(logits, targets), np.array([[-0.375, 0.375], [0.25, -0.25]]))


@pytest.mark.stage("whole")
def test_softmax_cross_entropy_backward_gives_the_slope_of_the_mean_loss(learner, probe):
    logits, targets = probe.normal("N C"), probe.integers("N", high="C")

    def mean_loss(z):
        return np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(targets)), targets])

    assert_gradients(mean_loss, [logits], [learner.softmax_cross_entropy_backward(logits, targets)])


@pytest.mark.stage("robust")
def test_softmax_cross_entropy_backward_survives_large_logits(learner):
    logits, targets = np.array([[1000.0, 1000.0], [-1000.0, -1000.0]]), np.array([0, 1])
    assert_close(learner.softmax_cross_entropy_backward(logits, targets), np.array([[-0.25, 0.25], [0.25, -0.25]]))
