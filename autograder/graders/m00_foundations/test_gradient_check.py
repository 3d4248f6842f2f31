"""Hidden checks of the finite differences and of the judgement made with them."""

import numpy as np
import pytest

from autograder.testing import assert_close, assert_shape, made


def cubes(x):
    return float((x**3).sum())


def cubes_gradient(x):
    return 3.0 * x**2


@pytest.mark.stage("shape")
def test_numerical_gradient_has_the_shape_of_x(learner, probe):
    for shape in ((4,), (3, 2), (2, 1, 3)):
        x = probe.normal(*shape)
        assert_shape(learner.numerical_gradient(cubes, x), x.shape, x.dtype)


def test_numerical_gradient_of_a_linear_function_is_its_coefficients(learner, probe):
    a, x = probe.normal(3, 2), probe.normal(3, 2)
    x[0] = 0.0
    assert_close(learner.numerical_gradient(lambda x: float((a * x).sum()), x, h=0.25), a)


def test_numerical_gradient_of_a_quadratic_form_is_exact_at_any_step(learner, probe):
    a, x = probe.normal(5, 5), probe.normal(5)
    assert_close(learner.numerical_gradient(lambda x: float(x @ a @ x), x, h=0.5), (a + a.T) @ x)


def test_numerical_gradient_looks_to_both_sides(learner):
    x, slopes = np.array([0.0, 1.5, 0.0, -0.5]), np.array([0.0, 4.0, 0.0, -2.0])  # of |x| + x², with a kink at 0
    assert_close(learner.numerical_gradient(lambda x: float((np.abs(x) + x**2).sum()), x, h=0.25), slopes)


def test_numerical_gradient_uses_the_step_it_is_given(learner, probe):
    x = probe.normal(2, 3)
    for h in (0.1, 0.7):  # ((x + h)³ - (x - h)³) / 2h = 3x² + h²
        assert_close(learner.numerical_gradient(cubes, x, h=h), 3.0 * x**2 + h**2)


def test_numerical_gradient_moves_one_entry_at_a_time_by_h(learner, probe):
    x = probe.normal(2, 3) * np.array([0.01, 1.0, 100.0])
    recording = "lambda gradient, x: [n := [], gradient(lambda x: [n.append(x.copy()), float(x.sum())][1], x), n][2]"
    seen = made(learner, recording)(learner.numerical_gradient, x)
    assert all(point.shape == x.shape for point in seen), "f is given arrays of the shape of x"
    moves = np.array(seen) - x  # (calls, 2, 3)
    assert (np.count_nonzero(moves, axis=(1, 2)) <= 1).all(), "f is given x with at most one entry moved"
    assert np.allclose(moves.max(axis=0), 1e-5, rtol=1e-4), "every entry is moved up by h, by default 1e-5"
    assert np.allclose(moves.min(axis=0), -1e-5, rtol=1e-4), "every entry is moved down by h, by default 1e-5"


def test_numerical_gradient_calls_f_twice_for_every_entry(learner, probe):
    text = "lambda gradient, x: [n := [], gradient(lambda x: [n.append(1), float(x.sum())][1], x), len(n)][2]"
    assert made(learner, text)(learner.numerical_gradient, probe.normal(3, 5)) == 30, "two calls for every entry"


def test_numerical_gradient_of_a_transposed_array_keeps_every_slope_in_its_place(learner, probe):
    a, x = probe.normal(2, 3), probe.normal(3, 2)
    transposed = made(learner, "lambda gradient, f, x: gradient(f, x.T, h=0.25)")
    assert_close(transposed(learner.numerical_gradient, lambda x: float((a * x).sum()), x), a)


@pytest.mark.stage("whole")
def test_numerical_gradient_equals_the_reference(learner, reference, probe):
    x = probe.normal(2, 3, 4)

    def f(x):
        return float(np.log(np.exp(x).sum()) + np.sin(x[0]).sum() * x[1, 1, 1])

    assert_close(learner.numerical_gradient(f, x), reference.numerical_gradient(f, x))


@pytest.mark.stage("whole")
def test_numerical_gradient_of_sines_and_exponentials_in_closed_form(learner, probe):
    x, h = probe.normal(2, 3), probe.scalar(0.1, 0.6)
    slopes = np.cos(x) * np.sin(h) / h + np.exp(x) * np.sinh(h) / h  # central differences of sin and exp, exactly
    assert_close(learner.numerical_gradient(lambda x: float((np.sin(x) + np.exp(x)).sum()), x, h=h), slopes)


@pytest.mark.stage("robust")
def test_numerical_gradient_gives_f_a_new_array_at_every_call(learner, probe):
    x = probe.normal(2, 2)
    keeping = "lambda gradient, x: [n := [], gradient(lambda x: [n.append(x), float(x.sum())][1], x, h=0.25), n][2]"
    kept = made(learner, keeping)(learner.numerical_gradient, x)
    assert all(point.shape == x.shape for point in kept), "f is given arrays of the shape of x"
    moves = np.array(kept) - x  # (calls, 2, 2)
    assert_close(moves.max(axis=0), np.full((2, 2), 0.25), name="the largest move among the arrays that f kept")
    assert_close(moves.min(axis=0), np.full((2, 2), -0.25), name="the least move among the arrays that f kept")


@pytest.mark.stage("robust")
def test_numerical_gradient_survives_a_function_that_writes_into_its_argument(learner, probe):
    x, careless = probe.normal(3, 2), made(learner, "lambda point: float(point.__ipow__(3).sum())")
    assert_close(learner.numerical_gradient(careless, x, h=0.5), 3.0 * x**2 + 0.25)


@pytest.mark.stage("robust")
def test_numerical_gradient_of_a_single_number(learner):
    for x in (np.array(3.0), np.array([3.0]), np.array([[3.0]])):
        assert_close(learner.numerical_gradient(lambda x: float(np.sum(x) ** 2), x, h=0.5), 2.0 * x)


@pytest.mark.stage("shape")
def test_relative_error_is_a_float(learner, probe):
    assert isinstance(learner.relative_error(probe.normal("N D"), probe.normal("N D")), float)


def test_relative_error_of_cases_computed_by_hand(learner):
    assert_close(learner.relative_error(np.array([3.0]), np.array([1.0])), 0.5)
    assert_close(learner.relative_error(np.array([1.0]), np.array([3.0])), 0.5)
    assert_close(learner.relative_error(np.array([-1.0, 4.0]), np.array([-1.5, 4.0])), 0.2)


def test_relative_error_is_that_of_the_worst_entry(learner, probe):
    for shape in ("N D", "20 30"):
        a = probe.signs(shape) * probe.uniform(shape, 1.0, 2.0)
        b = a.copy()
        b[1, 0] *= 3.0
        assert_close(learner.relative_error(b, a), 0.5)
        assert_close(learner.relative_error(a, b), 0.5)


def test_relative_error_measures_a_small_entry_against_its_own_size(learner):
    assert_close(learner.relative_error(np.array([1000.0, 0.25]), np.array([1000.0, 0.75])), 0.5)


def test_relative_error_of_opposite_signs_is_one(learner, probe):
    a = probe.signs("N") * probe.uniform("N", 1.0, 2.0)
    assert_close(learner.relative_error(3.0 * a, -a), 1.0)
    assert_close(learner.relative_error(a, -a), 1.0)


def test_relative_error_divides_by_at_least_eps(learner):
    assert_close(learner.relative_error(np.array([1e-4]), np.array([3e-4])), 0.2, name="the error at the default eps")
    assert_close(learner.relative_error(np.array([0.1]), np.array([0.3]), eps=2.0), 0.1)
    assert_close(learner.relative_error(np.array([3.0]), np.array([1.0]), eps=2.0), 0.5)


@pytest.mark.stage("whole")
def test_relative_error_equals_the_reference(learner, reference, probe):
    a = probe.normal("N D")
    b = a + 0.1 * probe.normal("N D")
    for eps in (1e-8, 0.3, 2.5):
        assert_close(learner.relative_error(a, b, eps=eps), reference.relative_error(a, b, eps=eps))


@pytest.mark.stage("robust")
def test_relative_error_of_equal_arrays_is_zero_even_where_they_are_zero(learner, probe):
    a = probe.normal("N D")
    a[0] = 0.0
    assert_close(learner.relative_error(a, a.copy()), 0.0)
    assert_close(learner.relative_error(np.zeros(3), np.zeros(3), eps=1e-12), 0.0)


@pytest.mark.stage("robust")
def test_relative_error_with_a_nan_in_either_array_is_nan(learner, probe):
    a = probe.normal("N D")
    for row in (0, 1, -1):
        b = a.copy()
        b[row, 0] = np.nan
        assert np.isnan(learner.relative_error(a, b)), "a nan in b gives nan"
        assert np.isnan(learner.relative_error(b, a)), "a nan in a gives nan"


@pytest.mark.stage("robust")
def test_relative_error_refuses_shapes_that_differ(learner, probe):
    a = probe.normal(3, 2)
    for b in (a[:1], a[:, :1], a[0], a.reshape(2, 3), a[None], np.array(1.0)):
        with pytest.raises(ValueError):
            learner.relative_error(a, b)


@pytest.mark.stage("shape")
def test_check_gradients_answers_with_a_python_bool(learner, probe):
    x = probe.signs(5) * probe.uniform(5, 0.5, 2.0)
    assert type(learner.check_gradients(cubes, cubes_gradient, x)) is bool
    assert type(learner.check_gradients(cubes, lambda x: 2.0 * x, x)) is bool


def test_check_gradients_says_true_for_a_right_gradient(learner, probe):
    x = probe.signs(3, 2) * probe.uniform("3 2", 0.5, 2.0)
    assert learner.check_gradients(cubes, cubes_gradient, x) is True, "3x² is the gradient of the sum of cubes"
    x = probe.uniform("3 2", -1.0, 1.0)
    assert learner.check_gradients(lambda x: float(np.sin(x).sum()), np.cos, x) is True, "cos is the gradient of sin"


def test_check_gradients_says_false_for_a_gradient_that_is_wrong_everywhere(learner, probe):
    x = probe.signs(3, 2) * probe.uniform("3 2", 0.5, 2.0)
    for wrong in (np.negative, lambda g: 2.0 * g, lambda g: 0.0 * g, lambda g: g + 0.01, lambda g: 0.999 * g):
        assert learner.check_gradients(cubes, lambda x, wrong=wrong: wrong(cubes_gradient(x)), x) is False


def test_check_gradients_says_false_for_one_wrong_entry(learner, probe):
    x = probe.signs(3, 2) * probe.uniform("3 2", 0.5, 2.0)
    for index in np.ndindex(x.shape):
        wrong = cubes_gradient(x)
        wrong[index] += probe.choice([-0.001, 0.001])
        assert learner.check_gradients(cubes, lambda x, wrong=wrong: wrong, x) is False, f"entry {index} is wrong"


def test_check_gradients_says_false_for_one_wrong_entry_among_many(learner, probe):
    x, summed = probe.normal(12, 13), made(learner, "lambda x: float(x.sum())")
    slopes = np.ones(x.shape)
    assert learner.check_gradients(summed, lambda x: slopes, x) is True, "all slopes of the sum are 1"
    for index in ((0, 0), (6, 7), (11, 12)):
        wrong = slopes.copy()
        wrong[index] = 1.01
        assert learner.check_gradients(summed, lambda x, wrong=wrong: wrong, x) is False, f"entry {index} is wrong"


def test_check_gradients_says_false_for_a_small_wrong_entry_beside_large_ones(learner, probe):
    a, x = np.array([1e4, 0.5, -1e4]), probe.normal(3)
    wrong = np.array([1e4, 0.55, -1e4])
    assert learner.check_gradients(lambda x: float(a @ x), lambda x: wrong, x, tolerance=1e-2) is False


def test_check_gradients_says_false_for_the_right_entries_in_the_wrong_places(learner, probe):
    a, x = probe.normal(4), probe.normal(4)
    assert learner.check_gradients(lambda x: float(a @ x), lambda x: a, x) is True, "in the right places"
    assert learner.check_gradients(lambda x: float(a @ x), lambda x: a[::-1].copy(), x) is False


def test_check_gradients_accepts_errors_up_to_the_tolerance(learner, probe):
    x = probe.signs(4) * probe.uniform(4, 0.5, 2.0)
    # The relative error is |off - 1| / (off + 1), half of what it is over the right gradient alone.
    for off, answer in ((1.015, True), (0.985, True), (1.025, False), (0.975, False)):
        got = learner.check_gradients(cubes, lambda x, off=off: off * cubes_gradient(x), x, tolerance=0.01)
        assert got is answer, f"a gradient {off} times the right one, at a tolerance of 0.01"
    got = learner.check_gradients(cubes, lambda x: 1.015 * cubes_gradient(x), x, tolerance=0.001)
    assert got is False, "a gradient 1.015 times the right one, at a tolerance of 0.001"


def test_check_gradients_measures_entries_near_zero_against_eps(learner, probe):
    a, x = np.array([0.0, 1.0, 2.0]), probe.normal(3)
    for off, answer in (
        ([0.0, 0.01, 0.0], True),
        ([0.0, 0.5, -0.5], False),
        ([5e-6, 0.0, 0.0], True),  # over eps = 1e-3 that is 0.005
        ([2e-5, 0.0, 0.0], False),
    ):
        got = learner.check_gradients(lambda x: float(a @ x), lambda x, g=a + off: g, x, tolerance=0.01)
        assert got is answer, f"a gradient that is off by {off}, at a tolerance of 0.01"


def test_check_gradients_uses_the_step_it_is_given(learner, probe):
    x, h = probe.signs(4) * probe.uniform(4, 0.5, 2.0), 0.25
    slopes = 3.0 * x**2 + h**2  # what central differences of step h give
    assert learner.check_gradients(cubes, cubes_gradient, x) is True, "3x², with the default step"
    assert learner.check_gradients(cubes, lambda x: slopes, x, h=h) is True, "3x² + h², with a step of h"
    assert learner.check_gradients(cubes, cubes_gradient, x, h=h) is False, "3x², with a step of 0.25"
    assert learner.check_gradients(cubes, lambda x: slopes, x) is False, "3x² + 0.25², with the default step"


@pytest.mark.stage("whole")
def test_check_gradients_judges_the_gradient_of_the_mean_cross_entropy(learner, probe):
    logits, targets = probe.uniform("3 4", -1.5, 1.5), np.array([3, 0, 2])

    def loss(z):
        return float(np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(3), targets]))

    def gradient(z, rows=3):
        return (np.exp(z) / np.exp(z).sum(axis=1, keepdims=True) - np.eye(4)[targets]) / rows

    assert learner.check_gradients(loss, gradient, logits) is True, "the gradient of the mean"
    assert learner.check_gradients(loss, lambda z: gradient(z, rows=1), logits) is False, "the gradient of the sum"


@pytest.mark.stage("robust")
def test_check_gradients_accepts_right_gradients_that_are_zero_or_tiny(learner, probe):
    a, x = np.array([0.0, 1e-9, 1.0]), probe.uniform(3, -1.0, 1.0)
    assert learner.check_gradients(lambda x: float(a @ x), lambda x: a, x) is True


@pytest.mark.stage("robust")
def test_check_gradients_accepts_an_error_of_exactly_the_tolerance(learner):
    x, slopes = np.array([0.5, -0.5]), np.array([0.8125, 0.8125])  # 3x² + h², as h = 0.25 gives
    assert learner.check_gradients(cubes, lambda x: slopes, x, tolerance=0.01, h=0.25) is True
    a, x = np.array([2.0, -4.0]), np.array([1.0, 8.0])  # all exact in binary, so the error is zero
    assert learner.check_gradients(lambda x: float(a @ x), lambda x: a, x, tolerance=0.5, h=0.25) is True
    assert learner.check_gradients(lambda x: float(a @ x), lambda x: a, x, tolerance=0.0, h=0.25) is True


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.stage("robust")
def test_check_gradients_says_false_for_nan_and_inf(learner, probe):
    x = probe.signs(4) * probe.uniform(4, 0.5, 2.0)
    for bad in (np.nan, np.inf, -np.inf):
        for index in (0, 2, 3, slice(None)):
            gradient = cubes_gradient(x)
            gradient[index] = bad
            assert learner.check_gradients(cubes, lambda x, g=gradient: g, x) is False, f"{bad} in the gradient"


@pytest.mark.stage("robust")
def test_check_gradients_says_false_for_nan_where_the_slope_is_zero(learner, probe):
    a, x = np.array([0.0, 1.0, 2.0]), probe.normal(3)
    assert learner.check_gradients(lambda x: float(a @ x), lambda x: np.array([np.nan, 1.0, 2.0]), x) is False


@pytest.mark.stage("robust")
def test_check_gradients_says_false_for_a_gradient_of_another_shape(learner, probe):
    x = probe.normal(3, 2)
    for shape in ((2,), (1, 2), (3, 1), (1, 3, 2), (2, 3), (6,), (1,), ()):
        answer = learner.check_gradients(lambda x: float(2.0 * x.sum()), lambda x, s=shape: np.full(s, 2.0), x)
        assert answer is False, f"a gradient of shape {shape} for x of shape (3, 2)"


@pytest.mark.stage("robust")
def test_check_gradients_is_not_misled_by_a_gradient_that_writes_into_its_argument(learner, probe):
    x = probe.signs(4) * probe.uniform(4, 0.5, 2.0)
    careless = made(learner, "lambda point: point.__ipow__(2).__imul__(3.0)")
    assert learner.check_gradients(cubes, careless, x) is True
