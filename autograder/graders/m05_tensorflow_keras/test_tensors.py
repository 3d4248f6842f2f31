"""Hidden checks of tensors and tapes in TensorFlow."""

import numpy as np
import pytest
import tensorflow as tf

from autograder.testing import assert_close, assert_gradients, assert_shape

DTYPES = (tf.float32, tf.float64)
GRADIENTS = "lambda f: tf.function(lambda dy, x, *rest: tf.gradients(f(x, *rest), x, dy))"
# By their name: a function as text, its value and slopes in NumPy.
CURVES = {
    "sin": ("tf.sin(x)", np.cos, lambda x: -np.sin(x)),
    "exp": ("tf.exp(x)", np.exp, np.exp),
    "cube": ("x**3", lambda x: 3 * x**2, lambda x: 6 * x),
    "tanh": (
        "tf.tanh(x)",
        lambda x: 1 - np.tanh(x) ** 2,
        lambda x: -2 * np.tanh(x) * (1 - np.tanh(x) ** 2),
    ),
}


def made(module, text):
    """A function written as text, made where the module's code runs."""
    return module.library("builtins").eval(f"(lambda tf: {text})(__import__('tensorflow'))")


def of_x(module, body):
    return made(module, f"lambda x: {body}")


def tensor(values, dtype=tf.float32):
    return tf.constant(values, dtype)


def random_mask(probe, *spec):
    """Both values occur, and every row keeps something."""
    mask = probe.signs(*spec) > 0
    mask[:, 0] = True
    return tf.constant(mask)


@pytest.mark.stage("shape")
def test_normalize_rows_keeps_shape_and_dtype(learner, probe):
    for dtype in DTYPES:
        for spec in ("N D", "B N D", "D"):
            x = tensor(probe.normal(spec), dtype)
            assert_shape(learner.normalize_rows(x), x.shape, dtype)


def test_normalize_rows_gives_every_row_length_one(learner, probe):
    y = learner.normalize_rows(tensor(3.0 * probe.normal("B N D")))
    assert_close(tf.reduce_sum(y**2, axis=-1), tf.ones(probe.shape("B N")), name="the squared lengths")


def test_normalize_rows_keeps_directions(learner, probe):
    x = probe.normal("N D")
    lengths = np.sqrt((x**2).sum(axis=1, keepdims=True))  # (N, 1)
    assert_close(learner.normalize_rows(tensor(x)) * tensor(lengths), tensor(x), name="rows times their old lengths")


def test_normalize_rows_does_not_care_how_long_rows_were(learner, probe):
    x, factors = probe.normal("N D"), probe.uniform("N 1", 0.1, 9.0)
    assert_close(learner.normalize_rows(tensor(x * factors)), learner.normalize_rows(tensor(x)))


def test_normalize_rows_of_a_case_computed_by_hand(learner):
    x = tensor([[3.0, 4.0, 0.0], [-2.0, 1.0, -2.0], [0.0, -0.5, 0.0]])
    expected = tensor([[0.6, 0.8, 0.0], [-2 / 3, 1 / 3, -2 / 3], [0.0, -1.0, 0.0]])
    assert_close(learner.normalize_rows(x), expected)


@pytest.mark.stage("whole")
def test_normalize_rows_equals_the_reference(learner, reference, probe):
    for dtype in DTYPES:
        x = tensor(probe.normal("B N D"), dtype)
        assert_close(learner.normalize_rows(x), reference.normalize_rows(x))


@pytest.mark.stage("whole")
def test_normalize_rows_agrees_with_numpy(learner, probe):
    x = probe.normal("N D")
    expected = np.stack([row / np.linalg.norm(row) for row in x])
    assert_close(learner.normalize_rows(tensor(x, tf.float64)), tensor(expected, tf.float64))


@pytest.mark.stage("whole")
def test_normalize_rows_lets_gradients_through(learner, reference, probe):
    x, dy = probe.normal("N D"), probe.normal("N D")
    (got,) = made(learner, GRADIENTS)(learner.normalize_rows)(tensor(dy, tf.float64), tensor(x, tf.float64))
    assert_gradients(lambda x: reference.normalize_rows(tensor(x, tf.float64)).numpy(), [x], [got.numpy()], dy)


@pytest.mark.stage("robust")
def test_normalize_rows_leaves_zeros_where_a_row_is_zero(learner, reference, probe):
    x = probe.normal("N D")
    x[1] = 0.0
    got = learner.normalize_rows(tensor(x))
    assert_close(got[1], tf.zeros(probe.shape("D")), name="the row of zeros")
    assert_close(got, reference.normalize_rows(tensor(x)))


@pytest.mark.stage("robust")
def test_normalize_rows_survives_huge_and_tiny_rows(learner, reference, probe):
    x = probe.normal("N D")
    expected = reference.normalize_rows(tensor(x))
    for power in (30, 20, -20, -30):
        assert_close(learner.normalize_rows(tensor(x * 10.0**power)), expected, name=f"of rows of size 1e{power}")
    expected = reference.normalize_rows(tensor(x, tf.float64))
    for power in (250, -250):
        got = learner.normalize_rows(tensor(x * 10.0**power, tf.float64))
        assert_close(got, expected, name=f"of rows of float64 of size 1e{power}")


@pytest.mark.stage("robust")
def test_normalize_rows_takes_rows_of_different_size_by_themselves(learner, reference, probe):
    x = probe.normal("N D")
    sizes = 10.0 ** np.linspace(-30, 30, len(x))[:, None]  # (N, 1)
    assert_close(learner.normalize_rows(tensor(x * sizes)), reference.normalize_rows(tensor(x)))


@pytest.mark.stage("robust")
def test_normalize_rows_of_one_number_is_its_sign(learner, probe):
    x = probe.normal("N 1")
    assert_close(learner.normalize_rows(tensor(x)), tensor(np.sign(x)))


@pytest.mark.stage("shape")
def test_boolean_mask_mean_gives_a_vector_for_each_sequence(learner, probe):
    for dtype in DTYPES:
        x = tensor(probe.normal("B T D"), dtype)
        assert_shape(learner.boolean_mask_mean(x, random_mask(probe, "B T")), probe.shape("B D"), dtype)


def test_boolean_mask_mean_with_everything_kept_is_the_mean(learner, probe):
    for spec in ("B T D", "B 700 D"):
        x = probe.normal(spec)
        assert_close(learner.boolean_mask_mean(tensor(x), tf.ones(x.shape[:2], tf.bool)), tensor(x.mean(axis=1)))


def test_boolean_mask_mean_with_one_step_kept_is_that_step(learner, probe):
    x, steps = probe.normal("B T D"), probe.integers("B", "T")
    mask = tf.constant(np.arange(probe.size("T")) == steps[:, None])  # (B, T)
    assert_close(learner.boolean_mask_mean(tensor(x), mask), tensor(x[np.arange(len(x)), steps]))


def test_boolean_mask_mean_divides_by_the_number_of_kept_steps(learner, probe):
    ones = tf.ones(probe.shape("B T D"))
    assert_close(learner.boolean_mask_mean(ones, random_mask(probe, "B T")), tf.ones(probe.shape("B D")))


def test_boolean_mask_mean_ignores_what_is_left_out(learner, probe):
    x, mask = probe.normal("B T D"), random_mask(probe, "B T")
    other = np.where(mask.numpy()[..., None], x, 5.0 * probe.normal("B T D"))
    assert_close(learner.boolean_mask_mean(tensor(other), mask), learner.boolean_mask_mean(tensor(x), mask))


@pytest.mark.stage("whole")
def test_boolean_mask_mean_equals_the_reference(learner, reference, probe):
    for dtype in DTYPES:
        x, mask = tensor(probe.normal("B T D"), dtype), random_mask(probe, "B T")
        assert_close(learner.boolean_mask_mean(x, mask), reference.boolean_mask_mean(x, mask))


@pytest.mark.stage("whole")
def test_boolean_mask_mean_agrees_with_a_loop(learner, probe):
    x, mask = probe.normal("B T D"), random_mask(probe, "B T")
    expected = np.stack([rows[keep].mean(axis=0) for rows, keep in zip(x, mask.numpy(), strict=True)])
    assert_close(learner.boolean_mask_mean(tensor(x), mask=mask), tensor(expected))


@pytest.mark.stage("whole")
def test_boolean_mask_mean_lets_gradients_through(learner, probe):
    mask, dy = random_mask(probe, "B T"), probe.normal("B D")
    share = mask.numpy() / mask.numpy().sum(axis=1, keepdims=True)  # (B, T)
    (got,) = made(learner, GRADIENTS)(learner.boolean_mask_mean)(tensor(dy), tensor(probe.normal("B T D")), mask)
    assert_close(got, tensor(share[..., None] * dy[:, None]), name="the gradient of x")


@pytest.mark.stage("robust")
def test_boolean_mask_mean_of_a_sequence_without_kept_steps_is_zero(learner, reference, probe):
    x, mask = tensor(probe.normal("B T D")), random_mask(probe, "B T").numpy()
    mask[1] = False
    got = learner.boolean_mask_mean(x, tf.constant(mask))
    assert_close(got[1], tf.zeros(probe.shape("D")), name="the mean of nothing")
    assert_close(got, reference.boolean_mask_mean(x, tf.constant(mask)))


@pytest.mark.stage("robust")
def test_boolean_mask_mean_is_not_hurt_by_what_padding_holds(learner, reference, probe):
    x, mask = probe.normal("B T D"), random_mask(probe, "B T")
    expected = reference.boolean_mask_mean(tensor(x), mask)
    for filling in (np.nan, np.inf, -1e38):
        filled = tensor(np.where(mask.numpy()[..., None], x, filling))
        assert_close(learner.boolean_mask_mean(filled, mask), expected, name=f"beside {filling}")


@pytest.mark.stage("robust")
def test_boolean_mask_mean_does_not_hide_a_nan_that_is_kept(learner, probe):
    x, mask = probe.normal("B T D"), random_mask(probe, "B T")
    x[1, 0, 0] = np.nan
    got = learner.boolean_mask_mean(tensor(x), mask).numpy()
    assert_close(np.argwhere(np.isnan(got)).tolist(), [[1, 0]], name="where the means are nan")


@pytest.mark.stage("robust")
def test_boolean_mask_mean_of_sizes_one(learner, reference, probe):
    for shape in ((1, 3, 2), (3, 1, 2), (3, 2, 1)):
        x, mask = tensor(probe.normal(*shape)), tf.constant(probe.signs(*shape[:2]) > 0)
        assert_close(learner.boolean_mask_mean(x, mask), reference.boolean_mask_mean(x, mask))


@pytest.mark.stage("shape")
def test_gradient_has_the_shape_and_dtype_of_x(learner, probe):
    square = of_x(learner, "x * x")
    for dtype in DTYPES:
        for spec in ("N D", "N", "B N D"):
            x = tensor(probe.normal(spec), dtype)
            assert_shape(learner.gradient(square, x), x.shape, dtype)


@pytest.mark.parametrize("curve", CURVES)
def test_gradient_of_a_curve_is_its_slope(learner, probe, curve):
    text, slope, _ = CURVES[curve]
    x = probe.normal("N D")
    assert_close(learner.gradient(of_x(learner, text), tensor(x)), tensor(slope(x)))


def test_gradient_of_a_product_of_entries(learner, probe):
    x = probe.normal("D")
    got = learner.gradient(of_x(learner, "tf.reduce_prod(x)"), tensor(x, tf.float64))
    assert_close(got, tensor(x.prod() / x, tf.float64))


def test_gradient_of_several_outputs_is_that_of_their_sum(learner, probe):
    x, matrix = probe.normal("D"), 100.0 * probe.normal("N D")
    product = made(learner, "lambda a: lambda x: tf.linalg.matvec(a, x) ** 2")(tensor(matrix))
    assert_close(learner.gradient(product, tensor(x)), tensor(2.0 * matrix.T @ (matrix @ x)))


def test_gradient_sees_through_a_keras_layer(learner, probe):
    kernel, bias = probe.normal("D M"), probe.normal("M")
    layer = learner.library("keras").layers.Dense(probe.size("M"))
    layer.build((None, probe.size("D")))
    layer.set_weights([tensor(kernel), tensor(bias)])
    expected = np.repeat(kernel.sum(axis=1)[None], probe.size("N"), axis=0)
    assert_close(learner.gradient(layer, tensor(probe.normal("N D"))), tensor(expected))


def test_gradient_stops_where_the_function_stops_it(learner, probe):
    x = probe.normal("N D")
    stopped = of_x(learner, "x * tf.stop_gradient(x)")
    assert_close(learner.gradient(stopped, tensor(x)), tensor(x))


def test_gradient_of_a_gradient_is_the_second_slope(learner, probe):
    x = probe.normal("N D")
    twice = made(learner, "lambda gradient: lambda x: gradient(lambda x: tf.sin(x), x)")(learner.gradient)
    assert_close(learner.gradient(twice, tensor(x)), tensor(-np.sin(x)))


@pytest.mark.stage("robust")
def test_gradient_does_not_hide_what_is_not_finite(learner):
    got = learner.gradient(of_x(learner, "tf.sqrt(x)"), tensor([-1.0, 0.0, 4.0])).numpy()
    assert np.isnan(got[0]) and np.isposinf(got[1]), f"the slopes of a root at -1 and 0 are nan and inf, not {got[:2]}"
    assert_close(got[2], np.float32(0.25), name="the slope at 4")


@pytest.mark.stage("whole")
def test_gradient_equals_the_reference(learner, reference, probe):
    x, text = tensor(probe.normal("N D")), "tf.nn.softplus(x) ** 2 / (1.0 + x * x)"
    assert_close(learner.gradient(of_x(learner, text), x), reference.gradient(of_x(reference, text), x))


@pytest.mark.stage("whole")
def test_gradient_agrees_with_finite_differences(learner, probe):
    x = probe.normal("N D")
    text = "tf.reduce_sum(x * tf.tanh(x), axis=0) ** 2"
    got = learner.gradient(of_x(learner, text), tensor(x, tf.float64))
    assert_gradients(lambda x: (x * np.tanh(x)).sum(axis=0) ** 2, [x], [got.numpy()])


@pytest.mark.stage("robust")
def test_gradient_of_a_function_that_ignores_x_is_zero(learner, probe):
    for dtype in DTYPES:
        x = tensor(probe.normal("N D"), dtype)
        for text in ("tf.constant(3.0)", "tf.stop_gradient(x)"):
            assert_close(learner.gradient(of_x(learner, text), x), tf.zeros_like(x))


@pytest.mark.stage("robust")
def test_gradient_at_a_single_number(learner, probe):
    x = probe.scalar(0.5, 3.0)
    assert_close(learner.gradient(of_x(learner, "1.0 / x"), tensor(x, tf.float64)), tensor(-(x**-2), tf.float64))


@pytest.mark.stage("shape")
def test_second_derivative_has_the_shape_and_dtype_of_x(learner, probe):
    cube = of_x(learner, "x ** 3")
    for dtype in DTYPES:
        for spec in ("N D", "N", "B N D"):
            x = tensor(probe.normal(spec), dtype)
            assert_shape(learner.second_derivative(cube, x), x.shape, dtype)


@pytest.mark.parametrize("curve", CURVES)
def test_second_derivative_of_a_curve(learner, probe, curve):
    text, _, bend = CURVES[curve]
    x = probe.normal("N D")
    assert_close(learner.second_derivative(of_x(learner, text), tensor(x)), tensor(bend(x)))


@pytest.mark.task("second_derivative")
def test_second_derivative_can_be_differentiated_again(learner, reference, probe):
    x = probe.normal("N D")
    bend = made(learner, "lambda second_derivative: lambda x: second_derivative(lambda x: x**4, x)")
    slope = made(learner, "lambda f, x: tf.function(lambda x: tf.gradients(f(x), x))(x)[0]")
    assert_close(slope(bend(learner.second_derivative), tensor(x)), tensor(24.0 * x))


@pytest.mark.stage("robust")
def test_second_derivative_does_not_hide_what_is_not_finite(learner):
    got = learner.second_derivative(of_x(learner, "tf.sqrt(x)"), tensor([-1.0, 0.0, 4.0])).numpy()
    assert np.isfinite(got).tolist() == [False, False, True], f"at -1 and 0 the root has no second slope, not {got[:2]}"
    assert_close(got[2], np.float32(-1.0 / 32.0), name="the second slope at 4")


@pytest.mark.stage("whole")
def test_second_derivative_equals_the_reference(learner, reference, probe):
    x, text = tensor(probe.normal("N D")), "tf.nn.softplus(x) ** 2 / (1.0 + x * x)"
    got = learner.second_derivative(of_x(learner, text), x)
    assert_close(got, reference.second_derivative(of_x(reference, text), x))


@pytest.mark.stage("whole")
def test_second_derivative_is_the_slope_of_the_slope(learner, probe):
    x = probe.normal("N D")
    got = learner.second_derivative(of_x(learner, "x * tf.sin(x)"), tensor(x, tf.float64))
    assert_gradients(lambda x: np.sin(x) + x * np.cos(x), [x], [got.numpy()])


@pytest.mark.stage("robust")
def test_second_derivative_of_a_straight_line_is_zero(learner, probe):
    for dtype in DTYPES:
        x = tensor(probe.normal("N D"), dtype)
        for text in ("3.0 * x + 1.0", "-x", "tf.zeros_like(x)"):
            assert_close(learner.second_derivative(of_x(learner, text), x), tf.zeros_like(x))


@pytest.mark.stage("robust")
def test_second_derivative_at_a_single_number(learner, probe):
    x = probe.scalar(0.5, 3.0)
    got = learner.second_derivative(of_x(learner, "1.0 / x"), tensor(x, tf.float64))
    assert_close(got, tensor(2.0 * x**-3, tf.float64))
