"""Hidden checks of the linear layer and of the backward passes."""

import numpy as np
import pytest

from autograder.testing import assert_close, assert_gradients, assert_shape, made


def mean_cross_entropy(logits, targets):
    """The loss itself, for logits of moderate size."""
    log_sums = np.log(np.exp(logits).sum(axis=1))  # (N,)
    return np.mean(log_sums - logits[np.arange(len(targets)), targets])


@pytest.mark.stage("shape")
def test_linear_forward_returns_a_row_of_outputs_for_every_row(learner, probe):
    x, w, b = probe.normal("N D"), probe.normal("D M"), probe.normal("M")
    assert_shape(learner.linear_forward(x, w, b), (probe.size("N"), probe.size("M")), x.dtype)


def test_linear_forward_of_zeros_is_the_bias_in_every_row(learner, probe):
    w, b = probe.normal("D M"), probe.normal("M")
    y = learner.linear_forward(np.zeros((probe.size("N"), probe.size("D"))), w, b)
    assert_close(y, np.tile(b, (probe.size("N"), 1)))


def test_linear_forward_of_the_identity_matrix_shows_the_weights(learner, probe):
    w = probe.normal("D M")
    assert_close(learner.linear_forward(np.eye(probe.size("D")), w, np.zeros(probe.size("M"))), w)


def test_linear_forward_of_a_case_computed_by_hand(learner):
    x, w = np.array([[1.0, -2.0], [3.0, 0.0]]), np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    y = learner.linear_forward(x, w, np.array([0.5, 0.0, -1.0]))
    assert_close(y, np.array([[-6.5, -8.0, -10.0], [3.5, 6.0, 8.0]]))


@pytest.mark.stage("whole")
def test_linear_forward_equals_the_reference(learner, reference, probe):
    for scale in (1.0, 1e4):
        x, w, b = probe.normal("N D"), scale * probe.normal("D M"), probe.normal("M")
        assert_close(learner.linear_forward(x, w, b), reference.linear_forward(x, w, b))


@pytest.mark.stage("robust")
def test_linear_forward_of_one_row_one_input_or_one_output(learner, reference, probe):
    for n, d, m in ((1, 5, 3), (3, 1, 5), (5, 3, 1)):
        x, w, b = probe.normal(n, d), probe.normal(d, m), probe.normal(m)
        assert_close(learner.linear_forward(x, w, b), reference.linear_forward(x, w, b))


@pytest.mark.stage("robust")
def test_linear_forward_of_sizes_that_happen_to_be_equal(learner, reference, probe):
    for n, d, m in ((5, 2, 3), (2, 3, 3), (3, 2, 3), (3, 3, 2), (3, 3, 3)):
        x, w, b = probe.normal(n, d), probe.normal(d, m), probe.normal(m)
        assert_close(learner.linear_forward(x, w, b), reference.linear_forward(x, w, b))


@pytest.mark.stage("shape")
def test_linear_backward_returns_gradients_shaped_like_x_w_and_b(learner, probe):
    dy, x, w = probe.normal("N M"), probe.normal("N D"), probe.normal("D M")
    gradients = learner.linear_backward(dy, x, w)
    assert isinstance(gradients, tuple | list) and len(gradients) == 3, "linear_backward returns three gradients"
    for gradient, shape in zip(gradients, (x.shape, w.shape, (probe.size("M"),)), strict=True):
        assert_shape(gradient, shape, x.dtype)


def test_linear_backward_sends_each_row_its_own_dx(learner, reference, probe):
    dy, x, w = probe.normal("N M"), probe.normal("N D"), probe.normal("D M")
    dy[1:] = 0.0
    dx, _, _ = learner.linear_backward(dy, x, w)
    assert_close(dx, np.concatenate([[w @ dy[0]], np.zeros((len(x) - 1, x.shape[1]))]))


def test_linear_backward_sums_dw_over_the_rows(learner, probe):
    dy, x, w = probe.normal("N M"), probe.normal("N D"), probe.normal("D M")
    _, dw, _ = learner.linear_backward(dy, x, w)
    assert_close(dw, sum(np.outer(x[n], dy[n]) for n in range(len(x))))


def test_linear_backward_sums_db_over_the_rows(learner, probe):
    dy, x, w = probe.normal("N M"), probe.normal("N D"), probe.normal("D M")
    _, _, db = learner.linear_backward(dy, x, w)
    assert_close(db, np.ones(len(dy)) @ dy)


def test_linear_backward_of_a_case_computed_by_hand(learner):
    dy, x = np.array([[1.0, -2.0], [3.0, 0.0]]), np.array([[2.0, 0.0, 1.0], [-1.0, 4.0, 5.0]])
    dx, dw, db = learner.linear_backward(dy, x, np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]))
    assert_close(dx, np.array([[-2.0, -4.0, -6.0], [0.0, 6.0, 12.0]]), name="dx")
    assert_close(dw, np.array([[-1.0, -4.0], [12.0, 0.0], [16.0, -2.0]]), name="dw")
    assert_close(db, np.array([4.0, -2.0]), name="db")


@pytest.mark.stage("whole")
def test_linear_backward_equals_the_reference(learner, reference, probe):
    for scale in (1.0, 1e4):
        dy, x, w = probe.normal("N M"), scale * probe.normal("N D"), scale * probe.normal("D M")
        assert_close(learner.linear_backward(dy, x, w), reference.linear_backward(dy, x, w))


@pytest.mark.stage("whole")
def test_linear_backward_gives_the_slopes_of_linear_forward(learner, reference, probe):
    dy, x, w, b = probe.normal("N M"), probe.normal("N D"), probe.normal("D M"), probe.normal("M")
    assert_gradients(reference.linear_forward, [x, w, b], list(learner.linear_backward(dy, x, w)), dy)


@pytest.mark.stage("robust")
def test_linear_backward_of_one_row_one_input_or_one_output(learner, reference, probe):
    for n, d, m in ((1, 5, 3), (3, 1, 5), (5, 3, 1)):
        dy, x, w = probe.normal(n, m), probe.normal(n, d), probe.normal(d, m)
        assert_close(learner.linear_backward(dy, x, w), reference.linear_backward(dy, x, w))


@pytest.mark.stage("robust")
def test_linear_backward_of_sizes_that_happen_to_be_equal(learner, reference, probe):
    for n, d, m in ((5, 2, 3), (2, 3, 3), (3, 2, 3), (3, 3, 2), (3, 3, 3)):
        dy, x, w = probe.normal(n, m), probe.normal(n, d), probe.normal(d, m)
        assert_close(learner.linear_backward(dy, x, w), reference.linear_backward(dy, x, w))


@pytest.mark.stage("shape")
def test_relu_backward_keeps_any_shape_and_dtype(learner, probe):
    for letters in ("N M", "N", "N C D"):
        x = probe.normal(letters)
        assert_shape(learner.relu_backward(probe.normal(letters), x), x.shape, x.dtype)


def test_relu_backward_passes_the_whole_gradient_where_x_is_positive(learner, probe):
    dy = probe.normal("N M")
    assert_close(learner.relu_backward(dy, np.abs(probe.normal("N M"))), dy)


def test_relu_backward_stops_the_gradient_where_x_is_negative(learner, probe):
    dy = probe.normal("N M")
    assert_close(learner.relu_backward(dy, -np.abs(probe.normal("N M"))), np.zeros(dy.shape))


def test_relu_backward_of_a_case_computed_by_hand(learner):
    dy, x = np.array([[1.0, -2.0, 3.0], [-4.0, 5.0, -6.0]]), np.array([[7.0, 0.5, -0.5], [-8.0, -9.0, 10.0]])
    assert_close(learner.relu_backward(dy, x), np.array([[1.0, -2.0, 0.0], [0.0, 0.0, -6.0]]))


def test_relu_backward_of_a_transposed_array_keeps_every_entry_in_its_place(learner, reference, probe):
    dy, x = probe.normal("N M"), probe.normal("M N")
    turned = made(learner, "lambda backward, dy, x: [backward(dy, x.T), backward(dy.T, x)]")
    expected = [reference.relu_backward(dy, x.T), reference.relu_backward(dy.T, x)]
    assert_close(turned(learner.relu_backward, dy, x), expected)


@pytest.mark.stage("whole")
def test_relu_backward_equals_the_reference(learner, reference, probe):
    dy, x = probe.normal("N M"), 3.0 * probe.normal("N M")
    assert_close(learner.relu_backward(dy, x), reference.relu_backward(dy, x))


@pytest.mark.stage("whole")
def test_relu_backward_gives_the_slope_of_the_relu(learner, probe):
    dy, x = probe.normal("N M"), probe.signs("N M") * probe.uniform("N M", 0.5, 3.0)  # away from the kink
    assert_gradients(lambda x: np.maximum(x, 0.0), [x], [learner.relu_backward(dy, x)], dy)


@pytest.mark.stage("robust")
def test_relu_backward_at_zero_is_zero(learner, probe):
    dy = probe.normal("N M")
    assert_close(learner.relu_backward(dy, np.zeros(dy.shape)), np.zeros(dy.shape))


@pytest.mark.stage("robust")
def test_relu_backward_does_not_depend_on_how_large_x_is(learner, probe):
    x = np.array([-1000.0, -1e-9, 1e-9, 1000.0])
    positive = np.abs(probe.normal(4))
    for dy in (positive, -positive):
        assert_close(learner.relu_backward(dy, x), np.array([0.0, 0.0, dy[2], dy[3]]))


@pytest.mark.stage("shape")
def test_softmax_cross_entropy_backward_keeps_shape_and_dtype(learner, probe):
    logits = probe.normal("N C")
    dlogits = learner.softmax_cross_entropy_backward(logits, probe.integers("N", high="C"))
    assert_shape(dlogits, logits.shape, logits.dtype)


def test_softmax_cross_entropy_backward_rows_sum_to_zero(learner, probe):
    dlogits = learner.softmax_cross_entropy_backward(probe.normal("N C"), probe.integers("N", high="C"))
    assert_close(dlogits.sum(axis=1), np.zeros(len(dlogits)))


def test_softmax_cross_entropy_backward_is_negative_at_the_target_only(learner, probe):
    targets = probe.integers("N", high="C")
    dlogits = learner.softmax_cross_entropy_backward(probe.normal("N C"), targets)
    assert_close(dlogits < 0.0, np.arange(probe.size("C")) == targets[:, None])


def test_softmax_cross_entropy_backward_of_one_row_is_probabilities_minus_one_hot(learner, probe):
    logits, target = probe.normal(1, 5), np.array([probe.choice(range(5))])
    probabilities = np.exp(logits) / np.exp(logits).sum()
    assert_close(learner.softmax_cross_entropy_backward(logits, target), probabilities - np.eye(5)[target])


def test_softmax_cross_entropy_backward_of_equal_logits(learner, probe):
    rows, classes, targets = probe.size("N"), probe.size("C"), probe.integers("N", high="C")
    expected = (1.0 / classes - np.eye(classes)[targets]) / rows  # (N, C)
    logits = np.repeat(probe.normal("N")[:, None], classes, axis=1)  # (N, C), each row constant
    assert_close(learner.softmax_cross_entropy_backward(logits, targets), expected)


def test_softmax_cross_entropy_backward_of_a_case_computed_by_hand(learner):
    logits, targets = np.log([[1.0, 2.0, 5.0], [4.0, 2.0, 2.0]]), np.array([2, 1])
    expected = np.array([[0.0625, 0.125, -0.1875], [0.25, -0.375, 0.125]])
    assert_close(learner.softmax_cross_entropy_backward(logits, targets), expected)


@pytest.mark.stage("whole")
def test_softmax_cross_entropy_backward_equals_the_reference(learner, reference, probe):
    logits, targets = 3.0 * probe.normal("N C"), probe.integers("N", high="C")
    expected = reference.softmax_cross_entropy_backward(logits, targets)
    assert_close(learner.softmax_cross_entropy_backward(logits, targets), expected)


@pytest.mark.stage("whole")
def test_softmax_cross_entropy_backward_gives_the_slope_of_the_mean_loss(learner, probe):
    logits, targets = probe.normal("N C"), probe.integers("N", high="C")
    dlogits = learner.softmax_cross_entropy_backward(logits, targets)
    assert_gradients(lambda logits: mean_cross_entropy(logits, targets), [logits], [dlogits])


@pytest.mark.stage("robust")
def test_softmax_cross_entropy_backward_of_as_many_rows_as_classes(learner, reference, probe):
    logits, targets = probe.normal(5, 5), probe.integers(5, high=5)
    expected = reference.softmax_cross_entropy_backward(logits, targets)
    assert_close(learner.softmax_cross_entropy_backward(logits, targets), expected)


@pytest.mark.stage("robust")
def test_softmax_cross_entropy_backward_of_transposed_logits(learner, reference, probe):
    logits, targets = probe.normal("C N"), probe.integers("N", high="C")
    turned = made(learner, "lambda backward, x, targets: [backward(z, targets) for z in (x.T.copy(), x.T)]")
    expected = reference.softmax_cross_entropy_backward(logits.T, targets)
    assert_close(turned(learner.softmax_cross_entropy_backward, logits, targets), [expected, expected])


@pytest.mark.stage("robust")
def test_softmax_cross_entropy_backward_still_moves_rows_that_are_right_already(learner, reference, probe):
    targets = probe.integers("N", high="C")
    logits = probe.normal("N C") + 9.0 * np.eye(probe.size("C"))[targets]
    expected = reference.softmax_cross_entropy_backward(logits, targets)
    assert_close(learner.softmax_cross_entropy_backward(logits, targets), expected)


@pytest.mark.stage("robust")
def test_softmax_cross_entropy_backward_of_targets_in_small_integers(learner, reference, probe):
    logits, targets = probe.normal(40, 7), probe.integers(40, high=7)
    expected = reference.softmax_cross_entropy_backward(logits, targets)
    for dtype in (np.int32, np.int8):
        assert_close(learner.softmax_cross_entropy_backward(logits, targets.astype(dtype)), expected)


@pytest.mark.stage("robust")
def test_softmax_cross_entropy_backward_of_huge_logits_of_either_sign(learner, reference, probe):
    logits, targets = probe.extreme("N C"), probe.integers("N", high="C")
    expected = reference.softmax_cross_entropy_backward(logits, targets)
    assert_close(learner.softmax_cross_entropy_backward(logits, targets), expected)


@pytest.mark.stage("robust")
def test_softmax_cross_entropy_backward_of_rows_on_very_different_scales(learner, reference, probe):
    logits, targets = probe.normal("N C"), probe.integers("N", high="C")
    expected = reference.softmax_cross_entropy_backward(logits, targets)
    logits[0] += 900.0
    logits[1] -= 900.0
    assert_close(learner.softmax_cross_entropy_backward(logits, targets), expected)


@pytest.mark.stage("robust")
def test_softmax_cross_entropy_backward_where_all_rows_share_a_target(learner, reference, probe):
    logits = probe.normal("N C")
    for target in (0, probe.size("C") - 1):
        targets = np.full(len(logits), target)
        expected = reference.softmax_cross_entropy_backward(logits, targets)
        assert_close(learner.softmax_cross_entropy_backward(logits, targets), expected)


@pytest.mark.stage("robust")
def test_softmax_cross_entropy_backward_of_a_single_class_is_zero(learner, probe):
    dlogits = learner.softmax_cross_entropy_backward(probe.normal(3, 1), np.zeros(3, dtype=int))
    assert_close(dlogits, np.zeros((3, 1)))
