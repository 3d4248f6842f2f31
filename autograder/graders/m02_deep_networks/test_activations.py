"""Hidden checks of the leaky ReLU, ELU, GELU and swish, and of their derivatives."""

import math

import numpy as np
import pytest

from autograder.testing import assert_close, assert_gradients, assert_shape, made

SHAPES = ("N D", "M", "N D C")
LARGE = np.array([-1000.0, -750.0, -40.0, 40.0, 750.0, 1000.0])


def transposed(module, function, x):
    """What the learner's function makes of the view x.T."""
    return made(module, "lambda function, x: function(x.T)")(function, x)


def away_from_zero(probe):
    """Inputs of both signs, far from a kink at zero."""
    return probe.signs("N D") * probe.uniform("N D", 0.3, 3.0)


def below(x):
    """Φ, the share of a standard normal below each entry, from the complement of erf: one number at a time."""
    return np.array([0.5 * math.erfc(-value / math.sqrt(2.0)) for value in x.ravel()]).reshape(x.shape)


# leaky_relu


@pytest.mark.stage("shape")
def test_leaky_relu_keeps_shape_and_dtype(learner, probe):
    for x in (probe.normal("N D C"), probe.normal("N"), probe.normal()):
        assert_shape(learner.leaky_relu(x, probe.scalar(0.1, 0.9)), x.shape, x.dtype)


def test_leaky_relu_keeps_positive_entries(learner, probe):
    x = np.abs(probe.normal("N D"))
    assert_close(learner.leaky_relu(x, probe.scalar(0.1, 0.9)), x)


def test_leaky_relu_multiplies_negative_entries_by_the_slope(learner, probe):
    x, slope = -np.abs(probe.normal("N D")), probe.scalar(0.1, 0.9)
    assert_close(learner.leaky_relu(x, slope=slope), slope * x)


def test_leaky_relu_has_a_slope_of_a_hundredth_by_default(learner, probe):
    x = -np.abs(probe.normal("N D"))
    assert_close(learner.leaky_relu(x), x / 100.0)


def test_leaky_relu_of_a_transposed_array_keeps_every_entry_in_its_place(learner, reference, probe):
    x = probe.normal("N D")
    assert_close(transposed(learner, learner.leaky_relu, x), reference.leaky_relu(x.T))


@pytest.mark.stage("whole")
def test_leaky_relu_equals_the_reference(learner, reference, probe):
    for spec in SHAPES:
        for scale in (5.0, 1e-12, 1e12):
            x, slope = scale * probe.normal(spec), probe.scalar(0.1, 0.9)
            assert_close(learner.leaky_relu(x, slope), reference.leaky_relu(x, slope))
            assert_close(learner.leaky_relu(x), reference.leaky_relu(x))


@pytest.mark.stage("robust")
def test_leaky_relu_does_not_saturate(learner, probe):
    slope = probe.scalar(0.1, 0.9)
    assert_close(learner.leaky_relu(LARGE, slope), np.concatenate([slope * LARGE[:3], LARGE[3:]]))


@pytest.mark.stage("robust")
def test_leaky_relu_of_zero_is_zero(learner, probe):
    assert_close(learner.leaky_relu(np.zeros(probe.size("N")), probe.scalar(0.1, 0.9)), np.zeros(probe.size("N")))


@pytest.mark.stage("robust")
def test_leaky_relu_with_slopes_above_one_and_below_zero(learner, reference, probe):
    x = 3.0 * probe.normal("N D")
    for slope in (probe.scalar(1.5, 4.0), probe.scalar(-2.0, -0.3, away_from=-1.0), 0.0):
        assert_close(learner.leaky_relu(x, slope), reference.leaky_relu(x, slope))


@pytest.mark.stage("robust")
def test_leaky_relu_returns_a_new_array(learner, probe):
    shared = made(learner, "lambda leaky_relu, x: __import__('numpy').shares_memory(leaky_relu(x), x)")
    for x in (probe.normal("N D"), np.abs(probe.normal("N D"))):
        assert shared(learner.leaky_relu, x) is False, "the result and the input are different arrays"


# leaky_relu_grad


@pytest.mark.stage("shape")
def test_leaky_relu_grad_keeps_shape_and_is_not_boolean(learner, probe):
    for x in (probe.normal("N D C"), probe.normal("N"), probe.normal()):
        assert_shape(learner.leaky_relu_grad(x, probe.scalar(0.1, 0.9)), x.shape, x.dtype)


def test_leaky_relu_grad_is_one_where_x_is_positive(learner, probe):
    x = np.abs(probe.normal("N D"))
    assert_close(learner.leaky_relu_grad(x, probe.scalar(0.1, 0.9)), np.ones(x.shape))


def test_leaky_relu_grad_is_the_slope_where_x_is_negative(learner, probe):
    x, slope = -np.abs(probe.normal("N D")), probe.scalar(0.1, 0.9)
    assert_close(learner.leaky_relu_grad(x, slope=slope), np.full(x.shape, slope))


def test_leaky_relu_grad_has_a_slope_of_a_hundredth_by_default(learner, probe):
    x = -np.abs(probe.normal("N D"))
    assert_close(learner.leaky_relu_grad(x), np.full(x.shape, 0.01))


def test_leaky_relu_grad_of_a_transposed_array_keeps_every_entry_in_its_place(learner, reference, probe):
    x = probe.normal("N D")
    assert_close(transposed(learner, learner.leaky_relu_grad, x), reference.leaky_relu_grad(x.T))


@pytest.mark.stage("whole")
def test_leaky_relu_grad_equals_the_reference(learner, reference, probe):
    for spec in SHAPES:
        for scale in (5.0, 1e-12, 1e12):
            x, slope = scale * probe.normal(spec), probe.scalar(0.1, 0.9)
            assert_close(learner.leaky_relu_grad(x, slope), reference.leaky_relu_grad(x, slope))
            assert_close(learner.leaky_relu_grad(x), reference.leaky_relu_grad(x))


@pytest.mark.stage("whole")
def test_leaky_relu_grad_is_the_slope_of_leaky_relu(learner, reference, probe):
    x, slope, dy = away_from_zero(probe), probe.scalar(0.1, 0.9), probe.normal("N D")
    given = [dy * learner.leaky_relu_grad(x, slope)]
    assert_gradients(lambda x: reference.leaky_relu(x, slope), [x], given, dy)


@pytest.mark.stage("robust")
def test_leaky_relu_grad_at_zero_is_the_slope(learner, probe):
    slope = probe.scalar(0.1, 0.9)
    x = np.concatenate([np.zeros(2), away_from_zero(probe).ravel()])
    assert_close(learner.leaky_relu_grad(x, slope), np.where(x > 0, 1.0, slope))


@pytest.mark.stage("robust")
def test_leaky_relu_grad_of_huge_inputs(learner, probe):
    slope = probe.scalar(0.1, 0.9)
    assert_close(learner.leaky_relu_grad(LARGE, slope), np.repeat([slope, 1.0], 3))


@pytest.mark.stage("robust")
def test_leaky_relu_grad_with_slopes_above_one_and_below_zero(learner, reference, probe):
    x = 3.0 * probe.normal("N D")
    for slope in (probe.scalar(1.5, 4.0), probe.scalar(-2.0, -0.3, away_from=-1.0), 0.0, 3):
        assert_close(learner.leaky_relu_grad(x, slope), reference.leaky_relu_grad(x, slope))


# elu


@pytest.mark.stage("shape")
def test_elu_keeps_shape_and_dtype(learner, probe):
    for x in (probe.normal("N D C"), probe.normal("N"), probe.normal()):
        assert_shape(learner.elu(x, probe.scalar(0.3, 3.0)), x.shape, x.dtype)


def test_elu_keeps_positive_entries(learner, probe):
    x = np.abs(probe.normal("N D"))
    assert_close(learner.elu(x, probe.scalar(0.3, 3.0)), x)


def test_elu_of_logarithms_below_zero(learner, probe):
    shares, alpha = probe.uniform("N D", 0.1, 0.9), probe.scalar(0.3, 3.0)
    assert_close(learner.elu(np.log(shares), alpha=alpha), alpha * (shares - 1.0))


def test_elu_has_an_alpha_of_one_by_default(learner, probe):
    shares = probe.uniform("N D", 0.1, 0.9)
    assert_close(learner.elu(np.log(shares)), shares - 1.0)


def test_elu_of_a_transposed_array_keeps_every_entry_in_its_place(learner, reference, probe):
    x = probe.normal("N D")
    assert_close(transposed(learner, learner.elu, x), reference.elu(x.T))


@pytest.mark.stage("whole")
def test_elu_equals_the_reference(learner, reference, probe):
    for spec in SHAPES:
        for scale in (3.0, 1e-4):
            x, alpha = scale * probe.normal(spec), probe.scalar(0.3, 3.0)
            assert_close(learner.elu(x, alpha), reference.elu(x, alpha))
            assert_close(learner.elu(x), reference.elu(x))


@pytest.mark.stage("robust")
def test_elu_is_right_for_huge_inputs_of_either_sign(learner, probe):
    alpha = probe.scalar(0.3, 3.0)
    expected = np.concatenate([np.full(3, -alpha), LARGE[3:]])
    assert_close(learner.elu(LARGE, alpha), expected)
    assert_close(learner.elu(LARGE[:3], alpha), expected[:3])


@pytest.mark.stage("robust")
def test_elu_of_zero_is_zero(learner, probe):
    assert_close(learner.elu(np.zeros(probe.size("N")), probe.scalar(0.3, 3.0)), np.zeros(probe.size("N")))


@pytest.mark.stage("robust")
def test_elu_with_an_alpha_below_zero_of_zero_and_of_three(learner, reference, probe):
    x = probe.normal("N D")
    for alpha in (probe.scalar(-2.0, -0.3, away_from=-1.0), 0.0, 3):
        assert_close(learner.elu(x, alpha), reference.elu(x, alpha))


@pytest.mark.stage("robust")
def test_elu_returns_a_new_array(learner, probe):
    shared = made(learner, "lambda elu, x: __import__('numpy').shares_memory(elu(x), x)")
    for x in (probe.normal("N D"), np.abs(probe.normal("N D"))):
        assert shared(learner.elu, x) is False, "the result and the input are different arrays"


@pytest.mark.stage("robust")
def test_elu_exponentiates_nothing_that_overflows(learner, reference, probe):
    alpha = probe.scalar(0.3, 3.0)
    strict = learner.library("numpy").errstate(over="raise")(learner.elu)
    for elu in (learner.elu, strict):
        assert_close(elu(LARGE, alpha), reference.elu(LARGE, alpha))


# elu_grad


@pytest.mark.stage("shape")
def test_elu_grad_keeps_shape_and_dtype(learner, probe):
    for x in (probe.normal("N D C"), probe.normal("N"), probe.normal()):
        assert_shape(learner.elu_grad(x, probe.scalar(0.3, 3.0)), x.shape, x.dtype)


def test_elu_grad_is_one_where_x_is_positive(learner, probe):
    x = np.abs(probe.normal("N D"))
    assert_close(learner.elu_grad(x, probe.scalar(0.3, 3.0)), np.ones(x.shape))


def test_elu_grad_of_logarithms_below_zero(learner, probe):
    shares, alpha = probe.uniform("N D", 0.1, 0.9), probe.scalar(0.3, 3.0)
    assert_close(learner.elu_grad(np.log(shares), alpha=alpha), alpha * shares)


def test_elu_grad_has_an_alpha_of_one_by_default(learner, probe):
    shares = probe.uniform("N D", 0.1, 0.9)
    assert_close(learner.elu_grad(np.log(shares)), shares)


def test_elu_grad_of_a_transposed_array_keeps_every_entry_in_its_place(learner, reference, probe):
    x = probe.normal("N D")
    assert_close(transposed(learner, learner.elu_grad, x), reference.elu_grad(x.T))


@pytest.mark.stage("whole")
def test_elu_grad_equals_the_reference(learner, reference, probe):
    for spec in SHAPES:
        for scale in (3.0, 1e-4):
            x, alpha = scale * probe.normal(spec), probe.scalar(0.3, 3.0)
            assert_close(learner.elu_grad(x, alpha), reference.elu_grad(x, alpha))
            assert_close(learner.elu_grad(x), reference.elu_grad(x))


@pytest.mark.stage("whole")
def test_elu_grad_is_the_slope_of_elu(learner, reference, probe):
    x, alpha, dy = away_from_zero(probe), probe.scalar(0.3, 3.0), probe.normal("N D")
    assert_gradients(lambda x: reference.elu(x, alpha), [x], [dy * learner.elu_grad(x, alpha)], dy)


@pytest.mark.stage("robust")
def test_elu_grad_at_zero_is_alpha(learner, probe):
    alpha = probe.scalar(0.3, 3.0)
    x = np.concatenate([np.zeros(2), away_from_zero(probe).ravel()])
    assert_close(learner.elu_grad(x, alpha), np.where(x > 0, 1.0, alpha * np.exp(x)))


@pytest.mark.stage("robust")
def test_elu_grad_is_right_for_huge_inputs_of_either_sign(learner, probe):
    alpha = probe.scalar(0.3, 3.0)
    assert_close(learner.elu_grad(LARGE, alpha), np.repeat([0.0, 1.0], 3))


@pytest.mark.stage("robust")
def test_elu_grad_with_an_alpha_below_zero_of_zero_and_of_three(learner, reference, probe):
    x = probe.normal("N D")
    for alpha in (probe.scalar(-2.0, -0.3, away_from=-1.0), 0.0, 3):
        assert_close(learner.elu_grad(x, alpha), reference.elu_grad(x, alpha))


# gelu


@pytest.mark.stage("shape")
def test_gelu_keeps_shape_and_dtype(learner, probe):
    for x in (probe.normal("N D C"), probe.normal("N"), probe.normal()):
        for approximate in (False, True):
            assert_shape(learner.gelu(x, approximate), x.shape, x.dtype)


def test_gelu_of_zero_is_zero(learner, probe):
    for approximate in (False, True):
        assert_close(learner.gelu(np.zeros(probe.size("N")), approximate), np.zeros(probe.size("N")))


def test_gelu_of_x_and_of_minus_x_differ_by_x(learner, probe):
    x = 2.0 * probe.normal("N D")
    for approximate in (False, True):
        assert_close(learner.gelu(x, approximate) - learner.gelu(-x, approximate), x)


def test_gelu_is_exact_by_default(learner, probe):
    for x in (2.0 * probe.normal("N D"), 2.0 * probe.normal(20, 30)):
        assert_close(learner.gelu(x), x * below(x))


def test_gelu_with_tanh_where_it_is_asked_for(learner, probe):
    x = 2.0 * probe.normal("N D")
    gate = 1.0 / (1.0 + np.exp(-2.0 * np.sqrt(2.0 / np.pi) * (x + 0.044715 * x**3)))  # (1 + tanh u) / 2 is σ(2u)
    assert_close(learner.gelu(x, approximate=True), x * gate)


def test_gelu_of_a_transposed_array_keeps_every_entry_in_its_place(learner, reference, probe):
    x = probe.normal("N D")
    assert_close(transposed(learner, learner.gelu, x), reference.gelu(x.T))


@pytest.mark.stage("whole")
def test_gelu_equals_the_reference(learner, reference, probe):
    for spec in SHAPES:
        x = 3.0 * probe.normal(spec)
        for approximate in (False, True):
            assert_close(learner.gelu(x, approximate), reference.gelu(x, approximate))
        assert_close(learner.gelu(x), reference.gelu(x))


@pytest.mark.stage("whole")
def test_gelu_has_two_forms_that_are_near_each_other_and_not_equal(learner, probe):
    x = probe.signs("N D") * probe.uniform("N D", 1.5, 3.0)
    apart = np.abs(learner.gelu(x) - learner.gelu(x, approximate=True))
    assert apart.max() < 5e-4, "the two forms differ by less than 0.0005"
    assert apart.max() > 1e-5, "the two forms are not the same"


@pytest.mark.stage("robust")
def test_gelu_is_right_for_huge_inputs_of_either_sign(learner):
    expected = np.concatenate([np.zeros(3), LARGE[3:]])
    assert_close(learner.gelu(LARGE), expected)
    assert_close(learner.gelu(LARGE, approximate=True), expected)


# gelu_grad


@pytest.mark.stage("shape")
def test_gelu_grad_keeps_shape_and_dtype(learner, probe):
    for x in (probe.normal("N D C"), probe.normal("N"), probe.normal()):
        for approximate in (False, True):
            assert_shape(learner.gelu_grad(x, approximate), x.shape, x.dtype)


def test_gelu_grad_at_zero_is_one_half(learner, probe):
    for approximate in (False, True):
        assert_close(learner.gelu_grad(np.zeros(probe.size("N")), approximate), np.full(probe.size("N"), 0.5))


def test_gelu_grad_of_x_and_of_minus_x_sum_to_one(learner, probe):
    x = 2.0 * probe.normal("N D")
    for approximate in (False, True):
        total = learner.gelu_grad(x, approximate) + learner.gelu_grad(-x, approximate)
        assert_close(total, np.ones(x.shape))


def test_gelu_grad_is_exact_by_default(learner, probe):
    for x in (2.0 * probe.normal("N D"), 2.0 * probe.normal(20, 30)):
        assert_close(learner.gelu_grad(x), below(x) + x * np.exp(-(x**2) / 2.0) / np.sqrt(2.0 * np.pi))


def test_gelu_grad_of_the_form_with_tanh_where_it_is_asked_for(learner, probe):
    x, root = 2.0 * probe.normal("N D"), 2.0 * np.sqrt(2.0 / np.pi)
    gate = 1.0 / (1.0 + np.exp(-root * (x + 0.044715 * x**3)))  # (1 + tanh u) / 2 is σ(2u)
    expected = gate + x * gate * (1.0 - gate) * root * (1.0 + 0.134145 * x**2)
    assert_close(learner.gelu_grad(x, approximate=True), expected)


def test_gelu_grad_of_a_transposed_array_keeps_every_entry_in_its_place(learner, reference, probe):
    x = probe.normal("N D")
    assert_close(transposed(learner, learner.gelu_grad, x), reference.gelu_grad(x.T))


@pytest.mark.stage("whole")
def test_gelu_grad_equals_the_reference(learner, reference, probe):
    for spec in SHAPES:
        x = 2.0 * probe.normal(spec)
        for approximate in (False, True):
            assert_close(learner.gelu_grad(x, approximate), reference.gelu_grad(x, approximate))
        assert_close(learner.gelu_grad(x), reference.gelu_grad(x))


@pytest.mark.stage("whole")
def test_gelu_grad_is_the_slope_of_gelu(learner, reference, probe):
    x, dy = 2.0 * probe.normal("N D"), probe.normal("N D")
    for approximate in (False, True):
        given = [dy * learner.gelu_grad(x, approximate)]
        assert_gradients(lambda x, form=approximate: reference.gelu(x, form), [x], given, dy)


@pytest.mark.stage("robust")
def test_gelu_grad_is_right_for_huge_inputs_of_either_sign(learner):
    assert_close(learner.gelu_grad(LARGE), np.repeat([0.0, 1.0], 3))
    assert_close(learner.gelu_grad(LARGE, approximate=True), np.repeat([0.0, 1.0], 3))


# swish


@pytest.mark.stage("shape")
def test_swish_keeps_shape_and_dtype(learner, probe):
    for x in (probe.normal("N D C"), probe.normal("N"), probe.normal()):
        assert_shape(learner.swish(x, probe.scalar(0.3, 3.0)), x.shape, x.dtype)


def test_swish_with_beta_zero_is_half_of_x(learner, probe):
    x = probe.normal("N D")
    assert_close(learner.swish(x, beta=2.0), x / (1.0 + np.exp(-2.0 * x)))
    assert_close(learner.swish(x, beta=0.0), x / 2.0)


def test_swish_of_x_and_of_minus_x_differ_by_x(learner, probe):
    x, beta = probe.normal("N D"), probe.scalar(0.3, 3.0)
    assert_close(learner.swish(x, beta) - learner.swish(-x, beta), x)


def test_swish_has_a_beta_of_one_by_default(learner, probe):
    x = probe.normal("N D")
    assert_close(learner.swish(x), x / (1.0 + np.exp(-x)))


def test_swish_of_a_transposed_array_keeps_every_entry_in_its_place(learner, reference, probe):
    x = probe.normal("N D")
    assert_close(transposed(learner, learner.swish, x), reference.swish(x.T))


@pytest.mark.stage("whole")
def test_swish_equals_the_reference(learner, reference, probe):
    for spec in SHAPES:
        x, beta = 3.0 * probe.normal(spec), probe.scalar(0.3, 3.0)
        assert_close(learner.swish(x, beta=beta), reference.swish(x, beta=beta))
        assert_close(learner.swish(x), reference.swish(x))


@pytest.mark.stage("robust")
def test_swish_is_right_for_huge_inputs_of_either_sign(learner, probe):
    for beta in (probe.scalar(0.8, 3.0), 40.0):
        assert_close(learner.swish(LARGE, beta), np.concatenate([np.zeros(3), LARGE[3:]]))


@pytest.mark.stage("robust")
def test_swish_with_a_beta_below_zero(learner, reference, probe):
    x, beta = 2.0 * probe.normal("N D"), probe.scalar(-3.0, -0.3, away_from=-1.0)
    assert_close(learner.swish(x, beta), reference.swish(x, beta))
    assert_close(learner.swish(LARGE, -2.0), reference.swish(LARGE, -2.0))


@pytest.mark.stage("robust")
def test_swish_near_zero_with_a_large_beta(learner, reference, probe):
    x, beta = 0.02 * probe.normal("N D"), probe.scalar(30.0, 90.0)
    assert_close(learner.swish(x, beta), reference.swish(x, beta))


# swish_grad


@pytest.mark.stage("shape")
def test_swish_grad_keeps_shape_and_dtype(learner, probe):
    for x in (probe.normal("N D C"), probe.normal("N"), probe.normal()):
        assert_shape(learner.swish_grad(x, probe.scalar(0.3, 3.0)), x.shape, x.dtype)


def test_swish_grad_at_zero_is_one_half(learner, probe):
    assert_close(learner.swish_grad(np.zeros(probe.size("N")), probe.scalar(0.3, 3.0)), np.full(probe.size("N"), 0.5))


def test_swish_grad_with_beta_zero_is_one_half_everywhere(learner, probe):
    x = probe.normal("N D")
    assert_close(learner.swish_grad(x, beta=0.0), np.full(x.shape, 0.5))


def test_swish_grad_of_x_and_of_minus_x_sum_to_one(learner, probe):
    x, beta = probe.normal("N D"), probe.scalar(0.3, 3.0)
    assert_close(learner.swish_grad(x, beta) + learner.swish_grad(-x, beta), np.ones(x.shape))


def test_swish_grad_has_a_beta_of_one_by_default(learner, probe):
    x = probe.normal("N D")
    gate = 1.0 / (1.0 + np.exp(-x))
    assert_close(learner.swish_grad(x), gate + x * gate * (1.0 - gate))


def test_swish_grad_of_a_transposed_array_keeps_every_entry_in_its_place(learner, reference, probe):
    x = probe.normal("N D")
    assert_close(transposed(learner, learner.swish_grad, x), reference.swish_grad(x.T))


@pytest.mark.stage("whole")
def test_swish_grad_equals_the_reference(learner, reference, probe):
    for spec in SHAPES:
        x, beta = 3.0 * probe.normal(spec), probe.scalar(0.3, 3.0)
        assert_close(learner.swish_grad(x, beta=beta), reference.swish_grad(x, beta=beta))
        assert_close(learner.swish_grad(x), reference.swish_grad(x))


@pytest.mark.stage("whole")
def test_swish_grad_is_the_slope_of_swish(learner, reference, probe):
    x, beta, dy = probe.normal("N D"), probe.scalar(0.3, 3.0), probe.normal("N D")
    assert_gradients(lambda x: reference.swish(x, beta), [x], [dy * learner.swish_grad(x, beta)], dy)


@pytest.mark.stage("robust")
def test_swish_grad_is_right_for_huge_inputs_of_either_sign(learner, probe):
    for beta in (probe.scalar(0.8, 3.0), 40.0):
        assert_close(learner.swish_grad(LARGE, beta), np.repeat([0.0, 1.0], 3))


@pytest.mark.stage("robust")
def test_swish_grad_with_a_beta_below_zero(learner, reference, probe):
    x, beta = 2.0 * probe.normal("N D"), probe.scalar(-3.0, -0.3, away_from=-1.0)
    assert_close(learner.swish_grad(x, beta), reference.swish_grad(x, beta))
    assert_close(learner.swish_grad(LARGE, -2.0), reference.swish_grad(LARGE, -2.0))


@pytest.mark.stage("robust")
def test_swish_grad_near_zero_with_a_large_beta(learner, reference, probe):
    x, beta = 0.02 * probe.normal("N D"), probe.scalar(30.0, 90.0)
    assert_close(learner.swish_grad(x, beta), reference.swish_grad(x, beta))
