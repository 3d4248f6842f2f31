"""Hidden checks of the activation functions and their derivatives."""

import numpy as np
import pytest

from autograder.testing import assert_close, assert_gradients, assert_shape, made

LARGE = np.array([-1000.0, -750.0, -40.0, 40.0, 750.0, 1000.0])

WITHOUT_TANH = """
def without_tanh(function, x):
    import numpy
    kept, numpy.tanh = numpy.tanh, None
    try:
        return function(x)
    finally:
        numpy.tanh = kept
"""


def transposed(module, function, x):
    """What the learner's function makes of the view x.T."""
    return made(module, "lambda function, x: function(x.T)")(function, x)


def some_shapes(probe):
    """An array, the same numbers in one row, and a single number without axes."""
    x = probe.normal("N C D")
    return x, x.ravel(), probe.normal()


@pytest.mark.stage("shape")
def test_sigmoid_keeps_shape_and_dtype(learner, probe):
    for x in some_shapes(probe):
        assert_shape(learner.sigmoid(x), x.shape, x.dtype)


def test_sigmoid_of_zero_is_one_half(learner, probe):
    assert_close(learner.sigmoid(np.append(0.0, probe.normal("N C")))[0], 0.5)


def test_sigmoid_of_x_and_of_minus_x_sum_to_one(learner, probe):
    x = probe.normal("N C")
    assert_close(learner.sigmoid(x) + learner.sigmoid(-x), np.ones(x.shape))


def test_sigmoid_of_a_transposed_array_keeps_every_entry_in_its_place(learner, reference, probe):
    x = probe.normal("N C")
    assert_close(transposed(learner, learner.sigmoid, x), reference.sigmoid(x.T))


@pytest.mark.stage("whole")
def test_sigmoid_equals_the_reference(learner, reference, probe):
    for x in (probe.normal("N C"), probe.uniform("N C", -16.0, 16.0)):
        assert_close(learner.sigmoid(x), reference.sigmoid(x))


@pytest.mark.stage("robust")
def test_sigmoid_is_right_for_huge_inputs_of_either_sign(learner):
    assert_close(learner.sigmoid(LARGE), np.array([0.0, 0.0, 0.0, 1.0, 1.0, 1.0]))


@pytest.mark.stage("robust")
def test_sigmoid_exponentiates_nothing_that_overflows(learner):
    strict = learner.library("numpy").errstate(over="raise")(learner.sigmoid)
    assert_close(strict(LARGE[LARGE > 0]), np.ones(3))
    assert_close(strict(LARGE[LARGE < 0]), np.zeros(3))


@pytest.mark.stage("robust")
def test_sigmoid_leaves_numpys_warnings_switched_on(learner):
    then = "lambda sigmoid, x: [sigmoid(x), __import__('numpy').geterr()['over']][1]"
    assert learner.library("numpy").errstate(over="warn")(made(learner, then))(learner.sigmoid, LARGE) == "warn"


@pytest.mark.stage("robust")
def test_sigmoid_of_very_negative_inputs_is_tiny_but_not_zero(learner, probe):
    x = probe.uniform("N C", -600.0, -30.0)
    assert_close(learner.sigmoid(x) / np.exp(x), np.ones(x.shape), name="sigmoid(x) / exp(x)")


@pytest.mark.stage("shape")
def test_sigmoid_grad_keeps_shape_and_dtype(learner, probe):
    for x in some_shapes(probe):
        assert_shape(learner.sigmoid_grad(x), x.shape, x.dtype)


def test_sigmoid_grad_at_zero_is_one_quarter(learner, probe):
    assert_close(learner.sigmoid_grad(np.append(0.0, probe.normal("N C")))[0], 0.25)


def test_sigmoid_grad_of_a_transposed_array_keeps_every_entry_in_its_place(learner, reference, probe):
    x = probe.normal("N C")
    assert_close(transposed(learner, learner.sigmoid_grad, x), reference.sigmoid_grad(x.T))


@pytest.mark.stage("whole")
def test_sigmoid_grad_equals_the_reference(learner, reference, probe):
    for x in (probe.normal("N C"), probe.uniform("N C", -16.0, 16.0)):
        assert_close(learner.sigmoid_grad(x), reference.sigmoid_grad(x))


@pytest.mark.stage("whole")
def test_sigmoid_grad_is_the_slope_of_the_sigmoid(learner, reference, probe):
    x, upstream = probe.normal("N C"), probe.normal("N C")
    assert_gradients(reference.sigmoid, [x], [upstream * learner.sigmoid_grad(x)], upstream)


@pytest.mark.stage("robust")
def test_sigmoid_grad_vanishes_for_huge_inputs(learner):
    assert_close(learner.sigmoid_grad(LARGE), np.zeros(6))


@pytest.mark.stage("shape")
def test_tanh_keeps_shape_and_dtype(learner, probe):
    for x in some_shapes(probe):
        assert_shape(learner.tanh(x), x.shape, x.dtype)


def test_tanh_is_built_from_the_exponential_and_not_from_numpys_tanh(learner, probe):
    without_tanh = made(learner, f"(lambda names: [exec({WITHOUT_TANH!r}, names), names['without_tanh']][1])({{}})")
    x = probe.normal("N C")
    assert_close(without_tanh(learner.tanh, x), np.tanh(x))


def test_tanh_of_zero_is_zero(learner, probe):
    assert_close(learner.tanh(np.append(0.0, probe.normal("N C")))[0], 0.0)


def test_tanh_of_minus_x_is_minus_tanh_of_x(learner, probe):
    x = probe.normal("N C")
    assert_close(learner.tanh(-x), -learner.tanh(x))


def test_tanh_of_a_transposed_array_keeps_every_entry_in_its_place(learner, reference, probe):
    x = probe.normal("N C")
    assert_close(transposed(learner, learner.tanh, x), reference.tanh(x.T))


@pytest.mark.stage("whole")
def test_tanh_equals_the_reference(learner, reference, probe):
    for x in (probe.normal("N C"), probe.uniform("N C", -9.0, 9.0)):
        assert_close(learner.tanh(x), reference.tanh(x))


@pytest.mark.stage("whole")
def test_tanh_agrees_with_numpy(learner, probe):
    x = probe.normal("N C")
    assert_close(learner.tanh(x), np.tanh(x))


@pytest.mark.stage("robust")
def test_tanh_exponentiates_nothing_that_overflows(learner):
    strict = learner.library("numpy").errstate(over="raise")(learner.tanh)
    assert_close(strict(LARGE), np.sign(LARGE))


@pytest.mark.stage("robust")
def test_tanh_is_right_for_huge_inputs_of_either_sign(learner):
    assert_close(learner.tanh(LARGE), np.array([-1.0, -1.0, -1.0, 1.0, 1.0, 1.0]))


@pytest.mark.stage("shape")
def test_tanh_grad_keeps_shape_and_dtype(learner, probe):
    for x in some_shapes(probe):
        assert_shape(learner.tanh_grad(x), x.shape, x.dtype)


def test_tanh_grad_at_zero_is_one(learner, probe):
    assert_close(learner.tanh_grad(np.append(0.0, probe.normal("N C")))[0], 1.0)


def test_tanh_grad_of_a_transposed_array_keeps_every_entry_in_its_place(learner, reference, probe):
    x = probe.normal("N C")
    assert_close(transposed(learner, learner.tanh_grad, x), reference.tanh_grad(x.T))


@pytest.mark.stage("whole")
def test_tanh_grad_equals_the_reference(learner, reference, probe):
    for x in (probe.normal("N C"), probe.uniform("N C", -9.0, 9.0)):
        assert_close(learner.tanh_grad(x), reference.tanh_grad(x))


@pytest.mark.stage("whole")
def test_tanh_grad_is_the_slope_of_tanh(learner, probe):
    x, upstream = probe.normal("N C"), probe.normal("N C")
    assert_gradients(np.tanh, [x], [upstream * learner.tanh_grad(x)], upstream)


@pytest.mark.stage("robust")
def test_tanh_grad_vanishes_for_huge_inputs(learner):
    assert_close(learner.tanh_grad(LARGE), np.zeros(6))


@pytest.mark.stage("shape")
def test_relu_keeps_shape_and_dtype(learner, probe):
    for x in some_shapes(probe):
        assert_shape(learner.relu(x), x.shape, x.dtype)


def test_relu_keeps_positive_entries(learner, probe):
    x = np.abs(probe.normal("N C"))
    assert_close(learner.relu(x), x)


def test_relu_turns_negative_entries_into_zero(learner, probe):
    x = -np.abs(probe.normal("N C"))
    assert_close(learner.relu(x), np.zeros(x.shape))


def test_relu_of_a_transposed_array_keeps_every_entry_in_its_place(learner, reference, probe):
    x = probe.normal("N C")
    assert_close(transposed(learner, learner.relu, x), reference.relu(x.T))


@pytest.mark.stage("whole")
def test_relu_equals_the_reference(learner, reference, probe):
    for scale in (5.0, 1e-12, 1e12):
        x = scale * probe.normal("N C")
        assert_close(learner.relu(x), reference.relu(x))


@pytest.mark.stage("robust")
def test_relu_does_not_saturate(learner):
    assert_close(learner.relu(LARGE), np.array([0.0, 0.0, 0.0, 40.0, 750.0, 1000.0]))


@pytest.mark.stage("robust")
def test_relu_returns_a_new_array(learner, probe):
    shared = made(learner, "lambda relu, x: __import__('numpy').shares_memory(relu(x), x)")
    for x in (probe.normal("N C"), np.abs(probe.normal("N C"))):
        assert shared(learner.relu, x) is False, "the result and the input are different arrays"


@pytest.mark.stage("shape")
def test_relu_grad_keeps_shape_and_is_not_boolean(learner, probe):
    for x in some_shapes(probe):
        assert_shape(learner.relu_grad(x), x.shape, x.dtype)


def test_relu_grad_of_a_transposed_array_keeps_every_entry_in_its_place(learner, reference, probe):
    x = probe.normal("N C")
    assert_close(transposed(learner, learner.relu_grad, x), reference.relu_grad(x.T))


@pytest.mark.stage("whole")
def test_relu_grad_is_one_where_x_is_positive_and_zero_elsewhere(learner, reference, probe):
    for scale in (3.0, 1e-12, 1e12):
        x = scale * probe.normal("N C")
        assert_close(learner.relu_grad(x), reference.relu_grad(x))


@pytest.mark.stage("whole")
def test_relu_grad_is_the_slope_of_the_relu(learner, reference, probe):
    x = probe.signs("N C") * probe.uniform("N C", 0.5, 3.0)  # away from the kink
    upstream = probe.normal("N C")
    assert_gradients(reference.relu, [x], [upstream * learner.relu_grad(x)], upstream)


@pytest.mark.stage("robust")
def test_relu_grad_at_zero_is_zero(learner, probe):
    assert_close(learner.relu_grad(np.append(0.0, probe.normal("N C")))[0], 0.0)


@pytest.mark.stage("shape")
def test_softmax_keeps_shape_and_dtype(learner, probe):
    x = probe.normal("N C D")
    assert_shape(learner.softmax(x), x.shape, x.dtype)


def test_softmax_of_every_row_sums_to_one(learner, probe):
    x = probe.normal("N C")
    assert_close(learner.softmax(x).sum(axis=-1), np.ones(x.shape[0]))


def test_softmax_of_equal_scores_is_uniform(learner, probe):
    rows, classes = probe.size("N"), probe.size("C")
    x = np.repeat(probe.normal("N")[:, None], classes, axis=1)  # (N, C), each row constant
    assert_close(learner.softmax(x), np.full((rows, classes), 1.0 / classes))


def test_softmax_normalises_along_the_axis_it_is_given(learner, reference, probe):
    x = probe.normal("N C D")
    for axis in (0, 1, -2):
        assert_close(learner.softmax(x, axis=axis), reference.softmax(x, axis=axis))


def test_softmax_of_a_transposed_array_keeps_every_entry_in_its_place(learner, reference, probe):
    x = probe.normal("N C")
    assert_close(transposed(learner, learner.softmax, x), reference.softmax(x.T))


@pytest.mark.stage("whole")
def test_softmax_equals_the_reference(learner, reference, probe):
    for scale in (1.0, 3.0):
        x = scale * probe.normal("N C")
        assert_close(learner.softmax(x), reference.softmax(x))


@pytest.mark.stage("robust")
def test_softmax_does_not_change_when_a_constant_is_added(learner, reference, probe):
    x = probe.normal("N C")
    for shift in (-1000.0, 1000.0):
        assert_close(learner.softmax(x + shift), reference.softmax(x))


@pytest.mark.stage("robust")
def test_softmax_of_rows_on_very_different_scales(learner, reference, probe):
    x = probe.normal("N C")
    x[0] += 900.0
    x[1] -= 900.0
    assert_close(learner.softmax(x), reference.softmax(x))


@pytest.mark.stage("robust")
def test_softmax_of_any_number_of_axes(learner, reference, probe):
    for axes in ("C", "N C D"):
        x = probe.normal(axes)
        assert_close(learner.softmax(x), reference.softmax(x))


@pytest.mark.stage("robust")
def test_softmax_of_scores_far_apart_in_one_row(learner, reference, probe):
    x = probe.normal("N C")
    x[:, 0] += 900.0
    x[:, 1] -= 900.0
    assert_close(learner.softmax(x), reference.softmax(x))


@pytest.mark.stage("shape")
def test_log_softmax_keeps_shape_and_dtype(learner, probe):
    x = probe.normal("N C D")
    assert_shape(learner.log_softmax(x), x.shape, x.dtype)


def test_exponentials_of_log_softmax_sum_to_one_in_every_row(learner, probe):
    x = probe.normal("N C")
    assert_close(np.exp(learner.log_softmax(x)).sum(axis=-1), np.ones(x.shape[0]))


def test_log_softmax_normalises_along_the_axis_it_is_given(learner, reference, probe):
    x = probe.normal("N C D")
    for axis in (0, 1, -2):
        assert_close(learner.log_softmax(x, axis=axis), reference.log_softmax(x, axis=axis))


def test_log_softmax_of_a_transposed_array_keeps_every_entry_in_its_place(learner, reference, probe):
    x = probe.normal("N C")
    assert_close(transposed(learner, learner.log_softmax, x), reference.log_softmax(x.T))


@pytest.mark.stage("whole")
def test_log_softmax_equals_the_reference(learner, reference, probe):
    for scale in (1.0, 3.0):
        x = scale * probe.normal("N C")
        assert_close(learner.log_softmax(x), reference.log_softmax(x))


@pytest.mark.stage("robust")
def test_log_softmax_does_not_change_when_a_constant_is_added(learner, reference, probe):
    x = probe.normal("N C")
    for shift in (-1000.0, 1000.0):
        assert_close(learner.log_softmax(x + shift), reference.log_softmax(x))


@pytest.mark.stage("robust")
def test_log_softmax_of_any_number_of_axes(learner, reference, probe):
    for axes in ("C", "N C D"):
        x = probe.normal(axes)
        assert_close(learner.log_softmax(x), reference.log_softmax(x))


@pytest.mark.stage("robust")
def test_log_softmax_stays_finite_where_probabilities_underflow(learner, reference, probe):
    x = probe.extreme("N C")
    assert_close(learner.log_softmax(x), reference.log_softmax(x))
    for row in ([0.0, -2000.0], [0.0, 0.0, -2000.0]):
        assert_close(learner.log_softmax(np.array([row])), reference.log_softmax(np.array([row])))
