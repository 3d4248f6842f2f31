"""Public checks of m05_tensorflow_keras/custom_layers: run `pytest exercises/m05_tensorflow_keras/test_custom_layers.py`."""

import json

import numpy as np
import pytest
import tensorflow as tf

from autograder.testing import assert_close, assert_shape


def tensor(values):
    return tf.constant(values, tf.float32)


def dense(learner, *weights, **options):
    """A layer of two units on two inputs with these weights."""
    layer = learner.Dense(2, **options)
    layer.build((None, 2))
    layer.set_weights([tensor(weight) for weight in weights])
    return layer


KERNEL, BIAS, X = [[1.0, -1.0], [2.0, 3.0]], [0.5, -4.0], [[2.0, 1.0], [0.0, -1.0]]


@pytest.mark.stage("shape")
def test_dense_replaces_the_last_axis_by_its_units(learner, probe):
    for spec in ("N D", "B N D"):
        x = tensor(probe.normal(spec))
        assert_shape(learner.Dense(probe.size("M"))(x), (*x.shape[:-1], probe.size("M")), tf.float32)


@pytest.mark.stage("shape")
def test_dense_makes_its_weights_when_it_is_built(learner):
    layer = learner.Dense(5)
    assert layer.get_weights() == [], "it has no weights before it knows how wide its input is"
    layer.build((None, 3))
    assert [weight.shape for weight in layer.get_weights()] == [(3, 5), (5,)], "the kernel, then the bias"
    assert layer.kernel.numpy().std() > 0.01, "the kernel is random"
    assert_close(layer.bias.numpy(), np.zeros(5, np.float32), name="the bias")


def test_dense_of_a_case_computed_by_hand(learner):
    assert_close(dense(learner, KERNEL, BIAS)(tensor(X)), tensor([[4.5, -3.0], [-1.5, -7.0]]))


def test_dense_applies_its_activation_last(learner):
    layer = dense(learner, KERNEL, BIAS, activation="relu")
    assert_close(layer(tensor(X)), tensor([[4.5, 0.0], [0.0, 0.0]]))


def test_dense_without_a_bias_has_a_kernel_alone(learner):
    layer = dense(learner, KERNEL, use_bias=False)
    assert_close(layer(tensor(X)), tensor([[4.0, 1.0], [-2.0, -3.0]]))
    assert_close(layer.bias, None, name="bias")


def test_dense_made_from_a_config_is_the_same_layer(learner):
    layer = dense(learner, KERNEL, activation="tanh", use_bias=False, name="mine")
    config = json.loads(json.dumps(layer.get_config()))  # a config can be written to a file
    assert_close(config["name"], "mine", name="the name in the config")
    twin = learner.Dense.from_config(config)
    twin.build((None, 2))
    twin.set_weights(layer.get_weights())
    assert_close(twin(tensor(X)), layer(tensor(X)))


def residual(learner, **options):
    """A residual layer round the map with the kernel above."""
    layer = learner.Residual(learner.library("keras").layers.Dense(2, use_bias=False), **options)
    layer.build((None, 2))
    layer.set_weights([tensor(KERNEL)])
    return layer


@pytest.mark.stage("shape")
def test_residual_has_the_weights_of_the_inner_layer_once_it_is_built(learner):
    layer = learner.Residual(learner.library("keras").layers.Dense(2))
    layer.build((None, 2))
    assert [weight.shape for weight in layer.get_weights()] == [(2, 2), (2,)], "the kernel and the bias"


def test_residual_of_a_case_computed_by_hand(learner):
    assert_close(residual(learner)(tensor(X)), tensor([[6.0, 2.0], [-2.0, -4.0]]))
    assert_close(residual(learner, scale=0.5)(tensor(X)), tensor([[4.0, 1.5], [-1.0, -2.5]]), name="with a scale of ½")


def test_residual_is_in_training_when_it_is_told_so(learner):
    layer = learner.Residual(learner.library("keras").layers.Dropout(0.5))
    y = layer(tf.ones((200, 1)), training=True).numpy()
    assert sorted(set(y.ravel().tolist())) == [1.0, 3.0], "the inner Dropout gives 0 or 2"
    assert_close(layer(tf.ones((3, 1))), tf.fill((3, 1), 2.0), name="in inference")


def test_residual_made_from_a_config_is_the_same_layer(learner):
    layer = residual(learner, scale=0.25)
    config = layer.get_config()
    twin = learner.Residual.from_config(json.loads(json.dumps(config)))
    twin.build((None, 2))
    twin.set_weights([tensor(KERNEL)])
    assert_close(twin(tensor(X)), layer(tensor(X)))


@pytest.mark.stage("robust")
def test_residual_refuses_an_inner_layer_that_changes_the_shape(learner):
    layer = learner.Residual(learner.library("keras").layers.Dense(1))
    with pytest.raises(ValueError):
        layer.build((None, 3))


@pytest.mark.stage("shape")
def test_huber_loss_gives_a_loss_for_every_row(learner, probe):
    y = tensor(probe.normal("B N D"))
    assert_shape(learner.huber_loss(y, y + 1.0), probe.shape("B N"), tf.float32)


def test_huber_loss_of_a_case_computed_by_hand(learner):
    y_true, y_pred = tensor([[0.0, 0.0, 2.0], [1.0, 1.0, 1.0]]), tensor([[1.0, -4.0, 2.0], [1.5, 1.0, 7.0]])
    assert_close(learner.huber_loss(y_true, y_pred, delta=2.0), tensor([6.5 / 3.0, 10.125 / 3.0]))


@pytest.mark.stage("robust")
def test_huber_loss_takes_labels_that_are_ints(learner):
    assert_close(learner.huber_loss(tf.constant([[1, 2]]), tensor([[1.5, 4.0]])), tensor([0.8125]))
