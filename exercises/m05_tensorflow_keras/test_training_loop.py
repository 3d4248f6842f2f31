"""Public checks of m05_tensorflow_keras/training_loop: run `pytest exercises/m05_tensorflow_keras/test_training_loop.py`."""

import numpy as np
import pytest
import tensorflow as tf

from autograder.testing import assert_close, assert_shape

SQUARE = "lambda y, p: tf.reduce_mean((p - 2.0 * y) ** 2)"
COUNTING = "lambda counter: lambda y, p: (next(counter), tf.reduce_mean((p - y) ** 2))[1]"


def made(module, text):
    """A function written as text, made where your code runs."""
    return module.library("builtins").eval(f"(lambda tf: {text})(__import__('tensorflow'))")


def tensor(values):
    return tf.constant(values, tf.float32)


def line(learner, **options):
    """The model y = 3·x + 1."""
    keras = learner.library("keras")
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, **options)])
    model.set_weights([tensor([[3.0]]), tensor([1.0])])
    return model


def step(learner, model, rate=0.1):
    optimizer = learner.library("keras").optimizers.SGD(rate)
    return learner.train_step(model, optimizer, made(learner, SQUARE), tensor([[1.0], [2.0]]), tensor([[1.0], [3.0]]))


@pytest.mark.stage("shape")
def test_train_step_returns_a_loss_and_predictions(learner):
    loss, predictions = step(learner, line(learner))
    assert_shape(loss, (), tf.float32, name="the loss")
    assert_shape(predictions, (2, 1), tf.float32, name="the predictions")


def test_train_step_of_a_case_computed_by_hand(learner):
    model = line(learner)
    loss, predictions = step(learner, model)  # predictions 4 and 7, twice the labels 2 and 6: errors 2 and 1
    assert_close(predictions, tensor([[4.0], [7.0]]), name="the predictions")
    assert_close(loss, tensor(2.5), name="the loss")
    kernel, bias = model.get_weights()
    assert_close(
        kernel, np.array([[3.0 - 0.1 * (2.0 * 1.0 + 1.0 * 2.0)]], np.float32), name="the kernel after the step"
    )
    assert_close(bias, np.array([1.0 - 0.1 * (2.0 + 1.0)], np.float32), name="the bias after the step")


def test_train_step_adds_the_penalties_of_the_layers(learner):
    loss, _ = step(learner, line(learner, kernel_regularizer=learner.library("keras").regularizers.L2(0.5)))
    assert_close(loss, tensor(2.5 + 0.5 * 9.0), name="the loss")


def test_train_step_runs_the_model_in_training(learner):
    keras = learner.library("keras")
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dropout(0.5)])
    y = tf.ones((100, 1))
    _, predictions = learner.train_step(model, keras.optimizers.SGD(0.1), made(learner, SQUARE), y, y)
    assert sorted(set(predictions.numpy().ravel().tolist())) == [0.0, 2.0], "the Dropout is active"


def test_train_step_leaves_frozen_layers_alone(learner):
    keras = learner.library("keras")
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2, trainable=False), keras.layers.Dense(1)])
    before = model.get_weights()
    step(learner, model)
    assert_close(model.get_weights()[:2], before[:2], name="the weights of a frozen layer")


def fitted(learner, model, rate, epochs, loss_fn=None):
    """Batches of 2 and of 1 example; the model's errors are 2, 1 and 4 in training, and -1 in validation."""
    keras, data = learner.library("keras"), learner.library("tensorflow").data.Dataset
    train = data.from_tensor_slices((tensor([[1.0], [2.0], [0.0]]), tensor([[1.0], [3.0], [-1.5]]))).batch(2)
    validation = data.from_tensor_slices((tensor([[1.0]]), tensor([[2.5]]))).batch(2)
    metric = keras.metrics.MeanAbsoluteError()
    loss_fn = made(learner, SQUARE) if loss_fn is None else loss_fn
    return learner.fit(model, keras.optimizers.SGD(rate), loss_fn, metric, train, validation, epochs)


@pytest.mark.stage("shape")
def test_fit_returns_four_lists_of_floats(learner):
    history = fitted(learner, line(learner), 0.01, 2)
    kinds = {name: [type(value) for value in values] for name, values in history.items()}
    assert kinds == dict.fromkeys(("loss", "metric", "val_loss", "val_metric"), [float] * 2), "a float for every epoch"


def test_fit_averages_over_examples_in_every_epoch(learner):
    history = fitted(learner, line(learner), 0.0, 2)  # a rate of zero: every epoch is the same
    expected = {"loss": 21.0 / 3.0, "metric": (3.0 + 4.0 + 2.5) / 3.0, "val_loss": 1.0, "val_metric": 1.5}
    assert_close(history, {name: [np.float32(value)] * 2 for name, value in expected.items()}, dtype=False)


def test_fit_validates_after_training_with_penalties_and_in_inference(learner):
    keras = learner.library("keras")
    model = line(learner, kernel_regularizer=keras.regularizers.L2(0.5))
    stack = keras.Sequential([keras.Input((1,)), keras.layers.Dropout(0.5), model])
    history = fitted(learner, stack, 0.01, 1)
    (kernel, bias) = (float(weight.sum()) for weight in stack.get_weights())
    assert abs(kernel - 3.0) > 1e-3, "training moves the weights"
    assert_close(history["val_loss"], [np.float32((kernel + bias - 5.0) ** 2 + 0.5 * kernel**2)], name="val_loss")


def test_fit_compiles_the_step(learner):
    counter = learner.library("itertools").count()
    fitted(learner, line(learner), 0.01, 8, made(learner, COUNTING)(counter))
    assert learner.library("builtins").next(counter) <= 8 + 5, "Python does not run for each of the 16 training batches"
