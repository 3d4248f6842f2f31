"""Public checks of the initializers: run `pytest exercises/m02_deep_networks/test_initialization.py`."""

import numpy as np
import pytest

from autograder.testing import assert_close, assert_shape


def relu(z):
    return np.maximum(z, 0.0)


def evenly(*shape):
    """Numbers from (-1, 1) as a generator of seed 7 draws them."""
    return np.random.default_rng(7).uniform(-1.0, 1.0, shape)


def normally(*shape):
    """Standard normal numbers as a generator of seed 7 draws them."""
    return np.random.default_rng(7).standard_normal(shape)


@pytest.mark.stage("shape")
def test_xavier_uniform_returns_a_matrix_of_fan_in_by_fan_out(learner, probe):
    assert_shape(learner.xavier_uniform(probe.generator(), 3, 5), (3, 5), np.float64)


def test_xavier_uniform_reaches_from_minus_a_to_a(learner):
    w = learner.xavier_uniform(np.random.default_rng(7), 9, 15)  # a = 1/2
    assert_close(w, 0.5 * evenly(9, 15))


def test_xavier_uniform_multiplies_by_the_gain(learner):
    w = learner.xavier_uniform(np.random.default_rng(7), 9, 15, gain=3.0)
    assert_close(w, 1.5 * evenly(9, 15))


@pytest.mark.stage("shape")
def test_xavier_normal_returns_a_matrix_of_fan_in_by_fan_out(learner, probe):
    assert_shape(learner.xavier_normal(probe.generator(), 3, 5), (3, 5), np.float64)


def test_xavier_normal_has_the_standard_deviation_that_both_fans_say(learner):
    assert_close(learner.xavier_normal(np.random.default_rng(7), 3, 5), 0.5 * normally(3, 5))


def test_xavier_normal_multiplies_by_the_gain(learner):
    assert_close(learner.xavier_normal(np.random.default_rng(7), 3, 5, gain=3.0), 1.5 * normally(3, 5))


@pytest.mark.stage("shape")
def test_kaiming_uniform_returns_a_matrix_of_fan_in_by_fan_out(learner, probe):
    assert_shape(learner.kaiming_uniform(probe.generator(), 3, 5), (3, 5), np.float64)


def test_kaiming_uniform_counts_the_inputs_of_a_unit_by_default(learner):
    assert_close(learner.kaiming_uniform(np.random.default_rng(7), 6, 24), evenly(6, 24))


def test_kaiming_uniform_counts_the_units_of_an_input_in_mode_fan_out(learner):
    assert_close(learner.kaiming_uniform(np.random.default_rng(7), 6, 24, mode="fan_out"), 0.5 * evenly(6, 24))


def test_kaiming_uniform_makes_up_for_the_slope_of_the_activation(learner):
    w = learner.kaiming_uniform(np.random.default_rng(7), 3, 5, slope=0.75)  # 1 + 9/16 is 25/16
    assert_close(w, 0.8 * np.sqrt(2.0) * evenly(3, 5))


@pytest.mark.stage("robust")
def test_kaiming_uniform_refuses_other_modes(learner):
    with pytest.raises(ValueError):
        learner.kaiming_uniform(np.random.default_rng(7), 3, 5, mode="fan_both")


@pytest.mark.stage("shape")
def test_kaiming_normal_returns_a_matrix_of_fan_in_by_fan_out(learner, probe):
    assert_shape(learner.kaiming_normal(probe.generator(), 3, 5), (3, 5), np.float64)


def test_kaiming_normal_counts_the_inputs_of_a_unit_by_default(learner):
    assert_close(learner.kaiming_normal(np.random.default_rng(7), 8, 18), 0.5 * normally(8, 18))


def test_kaiming_normal_counts_the_units_of_an_input_in_mode_fan_out(learner):
    assert_close(learner.kaiming_normal(np.random.default_rng(7), 8, 18, mode="fan_out"), normally(8, 18) / 3.0)


def test_kaiming_normal_makes_up_for_the_slope_of_the_activation(learner):
    w = learner.kaiming_normal(np.random.default_rng(7), 8, 5, slope=0.75)  # 1 + 9/16 is 25/16
    assert_close(w, 0.4 * normally(8, 5))


@pytest.mark.stage("robust")
def test_kaiming_normal_refuses_other_modes(learner):
    with pytest.raises(ValueError):
        learner.kaiming_normal(np.random.default_rng(7), 3, 5, mode="fan_both")


@pytest.mark.stage("shape")
def test_orthogonal_returns_a_matrix_of_fan_in_by_fan_out(learner, probe):
    for shape in ((3, 5), (5, 3), (4, 4)):
        assert_shape(learner.orthogonal(probe.generator(), *shape), shape, np.float64)


def test_orthogonal_has_orthonormal_columns_where_it_is_tall(learner, probe):
    w = learner.orthogonal(probe.generator(), 5, 3)
    assert_close(w.T @ w, np.eye(3))


def test_orthogonal_has_orthonormal_rows_where_it_is_wide(learner, probe):
    w = learner.orthogonal(probe.generator(), 3, 5, gain=2.0)
    assert_close(w @ w.T, 4.0 * np.eye(3))


def test_orthogonal_corrects_the_signs_of_the_decomposition(learner):
    r = learner.orthogonal(np.random.default_rng(7), 5, 3).T @ normally(5, 3)  # (3, 3)
    assert_close(r, np.triu(r), name="wᵀ · a, which is r and has nothing below its diagonal")
    assert (np.diag(r) > 0).all(), "wᵀ · a, which is r, has a positive diagonal"


@pytest.mark.stage("shape")
def test_activation_statistics_returns_three_numbers_for_every_layer(learner, probe):
    found = learner.activation_statistics(probe.normal("N 3"), [probe.normal(3, 5), probe.normal(5, 2)], relu)
    assert sorted(found) == ["mean", "std", "zeros"], "the keys are mean, std, zeros"
    for name, values in found.items():
        assert_shape(values, (2,), np.float64, name=name)


def test_activation_statistics_of_a_case_computed_by_hand(learner):
    x, first = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[2.0, -2.0, 4.0], [0.0, 2.0, -1.0]])
    found = learner.activation_statistics(x, [first, np.array([[1.0], [0.0], [-0.25]])], relu)
    # The first layer puts out (2, 0, 4) and (0, 2, 0), the second 1 and 0.
    assert_close(found["mean"], np.array([8.0 / 6.0, 0.5]), name="mean")
    assert_close(found["std"], np.array([np.sqrt(24.0 / 6.0 - 64.0 / 36.0), 0.5]), name="std")
    assert_close(found["zeros"], np.array([0.5, 0.5]), name="zeros")


def test_activation_statistics_use_the_activation_that_is_given(learner):
    found = learner.activation_statistics(np.array([[1.0], [3.0]]), [np.array([[-1.0]])], np.square)
    assert_close(found, {"mean": np.array([5.0]), "std": np.array([4.0]), "zeros": np.array([0.0])})
