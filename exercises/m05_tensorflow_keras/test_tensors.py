"""Public checks of m05_tensorflow_keras/tensors: run `pytest exercises/m05_tensorflow_keras/test_tensors.py`."""

import numpy as np
import pytest
import tensorflow as tf

from autograder.testing import assert_close, assert_gradients, assert_shape


def tensor(values, dtype=tf.float32):
    return tf.constant(values, dtype)


def of_x(module, body):
    """A function of x written as text, made where your code runs."""
    return module.library("builtins").eval(f"(lambda tf: lambda x: {body})(__import__('tensorflow'))")


@pytest.mark.stage("shape")
def test_normalize_rows_keeps_shape_and_dtype(learner, probe):
    for spec, dtype in (("N D", tf.float32), ("B N D", tf.float64)):
        x = tensor(probe.normal(spec), dtype)
        assert_shape(learner.normalize_rows(x), x.shape, dtype)


def test_normalize_rows_of_a_case_computed_by_hand(learner):
    x = tensor([[3.0, 4.0, 0.0], [-2.0, 1.0, -2.0]])
    assert_close(learner.normalize_rows(x), tensor([[0.6, 0.8, 0.0], [-2 / 3, 1 / 3, -2 / 3]]))


def test_normalize_rows_gives_every_row_length_one(learner, probe):
    y = learner.normalize_rows(tensor(3.0 * probe.normal("B N D")))
    assert_close(tf.reduce_sum(y**2, axis=-1), tf.ones(probe.shape("B N")), name="the squared lengths")


@pytest.mark.stage("robust")
def test_normalize_rows_leaves_a_row_of_zeros(learner):
    assert_close(learner.normalize_rows(tensor([[0.0, 0.0], [0.0, -2.0]])), tensor([[0.0, 0.0], [0.0, -1.0]]))


@pytest.mark.stage("robust")
def test_normalize_rows_survives_huge_and_tiny_rows(learner):
    x = tensor([[3e30, -4e30], [4e-30, 3e-30]])
    assert_close(learner.normalize_rows(x), tensor([[0.6, -0.8], [0.8, 0.6]]))


@pytest.mark.stage("shape")
def test_boolean_mask_mean_gives_a_vector_for_each_sequence(learner, probe):
    x, mask = tensor(probe.normal("B T D")), tf.ones(probe.shape("B T"), tf.bool)
    assert_shape(learner.boolean_mask_mean(x, mask), probe.shape("B D"), tf.float32)


def test_boolean_mask_mean_of_a_case_computed_by_hand(learner):
    x = tensor([[[1.0, 0.0], [5.0, 2.0], [9.0, 9.0]], [[4.0, -2.0], [6.0, 6.0], [-1.0, 8.0]]])
    mask = tf.constant([[True, True, False], [False, False, True]])
    assert_close(learner.boolean_mask_mean(x, mask), tensor([[3.0, 1.0], [-1.0, 8.0]]))


@pytest.mark.stage("robust")
def test_boolean_mask_mean_is_not_hurt_by_nan_in_the_padding(learner):
    x, mask = tensor([[[1.0], [float("nan")], [3.0]]]), tf.constant([[True, False, True]])
    assert_close(learner.boolean_mask_mean(x, mask), tensor([[2.0]]))


@pytest.mark.stage("robust")
def test_boolean_mask_mean_of_nothing_is_zero(learner):
    x, mask = tensor([[[1.0], [7.0]], [[2.0], [4.0]]]), tf.constant([[False, False], [True, True]])
    assert_close(learner.boolean_mask_mean(x, mask), tensor([[0.0], [3.0]]))


@pytest.mark.stage("shape")
def test_gradient_has_the_shape_and_dtype_of_x(learner, probe):
    x = tensor(probe.normal("N D"), tf.float64)
    assert_shape(learner.gradient(of_x(learner, "x * x"), x), x.shape, tf.float64)


def test_gradient_of_squares_is_twice_x(learner, probe):
    x = tensor(probe.normal("N D"))
    assert_close(learner.gradient(of_x(learner, "x * x"), x), 2.0 * x)


def test_gradient_agrees_with_finite_differences(learner, probe):
    x = probe.normal("N D")
    got = learner.gradient(of_x(learner, "tf.reduce_sum(x * tf.tanh(x), axis=0)"), tensor(x, tf.float64))
    assert_gradients(lambda x: (x * np.tanh(x)).sum(axis=0), [x], [got.numpy()])


@pytest.mark.stage("robust")
def test_gradient_of_a_constant_is_zero(learner):
    x = tensor([1.0, 2.0])
    assert_close(learner.gradient(of_x(learner, "tf.constant(3.0)"), x), tf.zeros_like(x))


@pytest.mark.stage("shape")
def test_second_derivative_has_the_shape_and_dtype_of_x(learner, probe):
    x = tensor(probe.normal("N D"), tf.float64)
    assert_shape(learner.second_derivative(of_x(learner, "x ** 3"), x), x.shape, tf.float64)


def test_second_derivative_of_the_sine_is_minus_the_sine(learner, probe):
    x = tensor(probe.normal("N D"))
    assert_close(learner.second_derivative(of_x(learner, "tf.sin(x)"), x), -tf.sin(x))


@pytest.mark.stage("robust")
def test_second_derivative_of_a_straight_line_is_zero(learner):
    x = tensor([1.0, -2.0])
    assert_close(learner.second_derivative(of_x(learner, "3.0 * x + 1.0"), x), tf.zeros_like(x))
