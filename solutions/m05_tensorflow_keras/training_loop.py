"""A training loop of one's own: what `model.fit` does, written out.

Letters: B batch, C classes, E epochs.
"""

from collections.abc import Callable

import keras
import tensorflow as tf
from jaxtyping import Float, Shaped

LossFunction = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]  # (y_true, y_pred) to the mean loss of a batch, one number


def train_step(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    loss_fn: LossFunction,
    x: Float[tf.Tensor, "B ..."],
    y: Shaped[tf.Tensor, "B"],
) -> tuple[Float[tf.Tensor, ""], Float[tf.Tensor, "B C"]]:
    """One step of training on one batch: forward in training mode, gradients by a tape, one update of the optimizer.

    What is minimised is loss_fn(y, predictions) plus the penalties that the model's layers ask for (`model.losses`, which
    the forward pass fills). Only trainable weights move. Leave it a plain function, without the decorator `tf.function`:
    `fit` compiles it.

    Args:
        model: a built Keras model.
        optimizer: a Keras optimizer.
        loss_fn: called as loss_fn(y_true, y_pred), gives one number.
        x: the inputs of the batch.
        y: its labels.

    Returns:
        The tuple (loss, predictions): what was minimised, a tensor without axes, and the model's outputs (B, C). Both are
        those of the forward pass, before the update.

    Reference:
        Chollet, Deep Learning with Python (2021), section 7.4: Writing your own training and evaluation loops.

    Example:
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> loss_fn = lambda y, p: tf.reduce_mean((p - y) ** 2)
        >>> step = train_step(model, keras.optimizers.SGD(0.25), loss_fn, tf.constant([[2.0]]), tf.constant([[1.0]]))
        >>> [value.numpy().tolist() for value in step], [weight.numpy().tolist() for weight in model.weights]
        ([1.0, [[2.0]]], [[[0.0]], [-0.5]])
    """
    # BEGIN SOLUTION
    with tf.GradientTape() as tape:
        predictions = model(x, training=True)  # (B, C)
        loss = loss_fn(y, predictions) + sum(model.losses)  # ()
    weights = model.trainable_weights
    optimizer.apply(tape.gradient(loss, weights), weights)
    return loss, predictions
    # END SOLUTION


def fit(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    loss_fn: LossFunction,
    metric: keras.metrics.Metric,
    train: tf.data.Dataset,
    validation: tf.data.Dataset,
    epochs: int,
) -> dict[str, list[float]]:
    """Train for some epochs and write down, for each, how it went.

    An epoch is one pass over `train`, a `train_step` for each batch, and then one over `validation`, with the model as it
    is by then, in inference mode. Means are over examples: a last batch that is smaller counts less. A loss is what
    `train_step` minimises, penalties included, also on the validation set. The metric starts afresh for each of its
    numbers. The step runs as a graph: compile it with `tf.function`, once, so that Python does not run for each batch.

    Args:
        model: a built Keras model.
        optimizer: a Keras optimizer.
        loss_fn: called as loss_fn(y_true, y_pred), gives the mean over the examples of a batch.
        metric: updated with (y_true, y_pred).
        train: batches (x, y).
        validation: batches (x, y).
        epochs: how many passes to make, E.

    Returns:
        The lists "loss", "metric", "val_loss" and "val_metric", of E floats each. The training numbers are those that the
        steps of the epoch returned, while the weights were moving.

    Reference:
        Chollet, Deep Learning with Python (2021), sections 7.4.3 and 7.4.4.

    Example:
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> loss_fn = lambda y, p: tf.reduce_mean((p - y) ** 2)
        >>> data = tf.data.Dataset.from_tensors((tf.constant([[2.0]]), tf.constant([[1.0]])))
        >>> fit(model, keras.optimizers.SGD(0.25), loss_fn, keras.metrics.MeanAbsoluteError(), data, data, epochs=1)
        {'loss': [1.0], 'metric': [1.0], 'val_loss': [2.25], 'val_metric': [1.5]}
    """
    # BEGIN SOLUTION
    optimizer.build(model.trainable_weights)  # makes its own variables, which a compiled function must not
    step = tf.function(lambda x, y: train_step(model, optimizer, loss_fn, x, y), reduce_retracing=True)
    history: dict[str, list[float]] = {"loss": [], "metric": [], "val_loss": [], "val_metric": []}
    for _ in range(epochs):
        for prefix, batches in (("", train), ("val_", validation)):
            mean = keras.metrics.Mean()
            metric.reset_state()
            for x, y in batches:
                if prefix:
                    predictions = model(x, training=False)  # (B, C)
                    loss = loss_fn(y, predictions) + sum(model.losses)  # ()
                else:
                    loss, predictions = step(x, y)  # (), (B, C)
                mean.update_state(loss, sample_weight=len(y))
                metric.update_state(y, predictions)
            history[f"{prefix}loss"].append(float(mean.result()))
            history[f"{prefix}metric"].append(float(metric.result()))
    return history
    # END SOLUTION
