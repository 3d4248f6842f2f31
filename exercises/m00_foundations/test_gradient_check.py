"""Public checks of the gradient check: run `pytest exercises/m00_foundations/test_gradient_check.py`."""

import numpy as np
import pytest

from autograder.testing import assert_close, assert_shape


def cubes(x):
    return float((x**3).sum())


def cubes_gradient(x):
    return 3.0 * x**2


@pytest.mark.stage("shape")
def test_numerical_gradient_has_the_shape_of_x(learner, probe):
    x = probe.normal(3, 2)
    assert_shape(learner.numerical_gradient(cubes, x), x.shape, x.dtype)


def test_numerical_gradient_of_a_product(learner):
    assert_close(learner.numerical_gradient(lambda x: x[0] * x[1], np.array([3.0, 5.0]), h=0.5), np.array([5.0, 3.0]))


def test_numerical_gradient_of_cubes_at_a_large_step(learner, probe):
    x, h = probe.normal(2, 3), 0.3  # ((x + h)³ - (x - h)³) / 2h = 3x² + h²
    assert_close(learner.numerical_gradient(cubes, x, h=h), 3.0 * x**2 + h**2)


@pytest.mark.stage("robust")
def test_numerical_gradient_gives_f_a_new_array_at_every_call(learner):
    kept = []

    def keeping(point):
        kept.append(point)
        return float(np.sum(point))

    learner.numerical_gradient(keeping, np.array([3.0, 5.0]), h=0.5)
    assert sorted(point.tolist() for point in kept) == [[2.5, 5.0], [3.0, 4.5], [3.0, 5.5], [3.5, 5.0]]


def test_relative_error_of_a_case_computed_by_hand(learner):
    assert_close(learner.relative_error(np.array([3.0, 0.0, 100.0]), np.array([1.0, 0.0, 101.0])), 0.5)
    assert_close(learner.relative_error(np.array([-1.0, 4.0]), np.array([1.0, 4.0])), 1.0)


def test_relative_error_divides_by_at_least_eps(learner):
    assert_close(learner.relative_error(np.array([0.1]), np.array([0.3]), eps=2.0), 0.1)
    assert_close(learner.relative_error(np.array([3.0]), np.array([1.0]), eps=2.0), 0.5)


@pytest.mark.stage("robust")
def test_relative_error_of_two_zeros_is_zero(learner):
    assert_close(learner.relative_error(np.zeros(3), np.zeros(3)), 0.0)


@pytest.mark.stage("robust")
def test_relative_error_refuses_shapes_that_differ(learner):
    with pytest.raises(ValueError):
        learner.relative_error(np.ones((3, 1)), np.ones(3))


def test_check_gradients_says_true_for_a_right_gradient(learner, probe):
    x = probe.signs(3, 2) * probe.uniform("3 2", 0.5, 2.0)
    assert learner.check_gradients(cubes, cubes_gradient, x) is True, "3x² is the gradient of the sum of cubes"


def test_check_gradients_says_false_for_a_wrong_gradient(learner, probe):
    x = probe.signs(3, 2) * probe.uniform("3 2", 0.5, 2.0)
    for factor in (-1.0, 0.0, 0.999, 2.0):
        answer = learner.check_gradients(cubes, lambda x, factor=factor: factor * cubes_gradient(x), x)
        assert answer is False, f"the gradient is off by a factor of {factor}"


def test_check_gradients_says_false_for_one_wrong_entry(learner):
    x = np.array([[1.0, -2.0], [0.5, 1.5]])
    wrong = cubes_gradient(x)
    wrong[1, 0] += 0.001
    assert learner.check_gradients(cubes, lambda x: wrong, x) is False, "entry [1, 0] is off by 0.001"


def test_check_gradients_says_false_for_the_right_entries_in_the_wrong_places(learner):
    a, x = np.array([1.0, 2.0, 3.0]), np.array([0.5, -0.5, 1.5])
    answer = learner.check_gradients(lambda x: float(a @ x), lambda x: a[::-1].copy(), x)
    assert answer is False, "the gradient is [1, 2, 3], not [3, 2, 1]"


def test_check_gradients_accepts_errors_up_to_the_tolerance(learner):
    x = np.array([1.0, -2.0])
    for tolerance, answer in ((0.01, True), (0.0001, False)):
        got = learner.check_gradients(cubes, lambda x: 1.002 * cubes_gradient(x), x, tolerance=tolerance)
        assert got is answer, f"a relative error of 0.001, at a tolerance of {tolerance}"


@pytest.mark.stage("robust")
def test_check_gradients_says_false_for_a_nan(learner):
    x = np.array([1.0, -2.0])
    assert learner.check_gradients(cubes, lambda x: np.array([3.0, np.nan]), x) is False, "an entry is nan"


@pytest.mark.stage("robust")
def test_check_gradients_says_false_for_a_gradient_of_another_shape(learner):
    x = np.ones((3, 2))
    answer = learner.check_gradients(lambda x: float(2.0 * x.sum()), lambda x: np.full((1, 2), 2.0), x)
    assert answer is False, "x has the shape (3, 2), its gradient the shape (1, 2)"
