"""Hidden checks of a training loop of one's own."""

import numpy as np
import pytest
import tensorflow as tf

from autograder.testing import assert_close, assert_shape

COMPILED = "lambda step, *fixed: tf.function(lambda x, y: step(*fixed, x, y))"
COUNTING = "lambda counter, loss_fn: lambda y, p: (next(counter), loss_fn(y, p))[1]"
# Not the same when its arguments are exchanged.
LOPSIDED = "lambda y, p: tf.reduce_mean((2.0 * tf.cast(y, p.dtype)[:, None] - p) ** 2)"


def made(module, text):
    """A function written as text, made where the module's code runs."""
    return module.library("builtins").eval(f"(lambda tf: {text})(__import__('tensorflow'))")


def seeded(module):
    """Keras where the module's code runs, with its random numbers settled: known mistakes are told by equal answers."""
    keras = module.library("keras")
    keras.utils.set_random_seed(5)
    return keras


def tensor(values):
    return tf.constant(values, tf.float32)


def crossentropy(module):
    return module.library("keras").losses.SparseCategoricalCrossentropy(from_logits=True)


def batch(probe, rows="N"):
    """Inputs (N, D) and labels (N,) of C classes."""
    probe.fix("D", 3)
    probe.fix("C", 4)
    return probe.normal(f"{rows} D"), probe.integers(rows, "C")


def linear(module, probe, kernel=None, **options):
    """A linear classifier with random weights, and these."""
    keras, weights = seeded(module), [probe.normal("D C") if kernel is None else kernel, probe.normal("C")]
    model = keras.Sequential([keras.Input(probe.shape("D")), keras.layers.Dense(probe.size("C"), **options)])
    model.set_weights([tensor(weight) for weight in weights])
    return model, weights


def softmax(scores):
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def mean_loss(scores, y):
    return -np.log(softmax(scores)[np.arange(len(y)), y]).mean()


def slopes(weights, x, y):
    """The gradients of the mean cross-entropy of a linear classifier."""
    scores = x @ weights[0] + weights[1]
    dscores = (softmax(scores) - np.eye(scores.shape[1])[y]) / len(y)
    return x.T @ dscores, dscores.sum(axis=0)


def assert_all_close(got, expected, name="the weights"):
    assert_close([tensor(weight) for weight in got], [tensor(weight) for weight in expected], name=name)


@pytest.mark.stage("shape")
def test_train_step_returns_a_loss_and_predictions(learner, probe):
    x, y = batch(probe)
    model, _ = linear(learner, probe)
    optimizer = learner.library("keras").optimizers.SGD(0.1)
    result = learner.train_step(model, optimizer, crossentropy(learner), tensor(x), tf.constant(y))
    assert isinstance(result, tuple | list) and len(result) == 2, "it returns the loss and the predictions"
    assert_shape(result[0], (), tf.float32, name="the loss")
    assert_shape(result[1], probe.shape("N C"), tf.float32, name="the predictions")


def test_train_step_reports_what_was_before_the_update(learner, probe):
    x, y = batch(probe)
    model, (kernel, bias) = linear(learner, probe)
    optimizer = learner.library("keras").optimizers.SGD(5.0)
    loss, predictions = learner.train_step(model, optimizer, crossentropy(learner), tensor(x), tf.constant(y))
    assert_close(predictions, tensor(x @ kernel + bias), name="the predictions")
    assert_close(loss, tensor(mean_loss(x @ kernel + bias, y)), name="the loss")


def test_train_step_goes_down_the_gradient(learner, probe):
    (x, y), rate = batch(probe), probe.scalar(0.2, 0.9)
    for size in (1.0, 1e5):
        model, weights = linear(learner, probe)
        optimizer = learner.library("keras").optimizers.SGD(rate)
        learner.train_step(model, optimizer, crossentropy(learner), tensor(size * x), tf.constant(y))
        steps = slopes(weights, size * x, y)
        expected = [weight - rate * step for weight, step in zip(weights, steps, strict=True)]
        assert_all_close(model.get_weights(), expected, name=f"the weights after a step, with inputs of size {size:g}")


def test_train_step_hands_labels_on_as_they_are(learner, probe):
    x, y = batch(probe)
    model, (kernel, bias) = linear(learner, probe)
    by_index = made(learner, "lambda y, p: tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, p))")
    optimizer = learner.library("keras").optimizers.SGD(0.1)
    loss, _ = learner.train_step(model, optimizer, by_index, tensor(x), tf.constant(y))
    assert_close(loss, tensor(mean_loss(x @ kernel + bias, y)), name="a loss that takes labels of int64 only")


def test_train_step_gives_the_loss_function_labels_first(learner, probe):
    x, y = batch(probe)
    model, (kernel, bias) = linear(learner, probe)
    optimizer = learner.library("keras").optimizers.SGD(0.1)
    loss, _ = learner.train_step(model, optimizer, made(learner, LOPSIDED), tensor(x), tf.constant(y))
    assert_close(loss, tensor(((2.0 * y[:, None] - x @ kernel - bias) ** 2).mean()), name="a lopsided loss")


def test_train_step_adds_the_penalties_of_the_layers(learner, probe):
    (x, y), keras = batch(probe), learner.library("keras")
    regularizers = {"kernel_regularizer": keras.regularizers.L2(0.3), "bias_regularizer": keras.regularizers.L2(0.7)}
    model, weights = linear(learner, probe, **regularizers)
    (kernel, bias), (dkernel, dbias) = weights, slopes(weights, x, y)
    loss, _ = learner.train_step(model, keras.optimizers.SGD(0.5), crossentropy(learner), tensor(x), tf.constant(y))
    penalty = 0.3 * (kernel**2).sum() + 0.7 * (bias**2).sum()
    assert_all_close(model.get_weights(), [kernel - 0.5 * (dkernel + 0.6 * kernel), bias - 0.5 * (dbias + 1.4 * bias)])
    assert_close(loss, tensor(mean_loss(x @ kernel + bias, y) + penalty), name="the loss")


def test_train_step_moves_only_what_can_be_trained(learner, probe):
    x, y = batch(probe)
    keras, m = seeded(learner), probe.size("M")
    layers = [keras.layers.Dense(m, trainable=False), keras.layers.Dense(probe.size("C"))]
    model = keras.Sequential([keras.Input(probe.shape("D")), *layers])
    before = model.get_weights()
    learner.train_step(model, keras.optimizers.SGD(0.5), crossentropy(learner), tensor(x), tf.constant(y))
    after = model.get_weights()
    assert_all_close(after[:2], before[:2], name="the weights of a frozen layer")
    assert all(np.abs(new - old).max() > 1e-4 for new, old in zip(after[2:], before[2:], strict=True)), (
        "the others move"
    )


def test_train_step_runs_the_model_in_training(learner, probe):
    (x, y), keras = batch(probe, "12"), learner.library("keras")
    model = keras.Sequential(
        [keras.Input(probe.shape("D")), keras.layers.BatchNormalization(momentum=0.25, epsilon=1e-9)]
    )
    _, predictions = learner.train_step(
        model, keras.optimizers.SGD(0.5), crossentropy(learner), tensor(x), tf.constant(y % 3)
    )
    assert_close(
        predictions, tensor((x - x.mean(axis=0)) / x.std(axis=0)), name="the predictions of a batch normalization"
    )
    assert_all_close(
        model.get_weights()[2:], [0.75 * x.mean(axis=0), 0.25 + 0.75 * x.var(axis=0)], name="its running statistics"
    )


def test_train_step_can_be_compiled(learner, probe):
    (x, y), keras = batch(probe), learner.library("keras")
    model, weights = linear(learner, probe)
    optimizer = keras.optimizers.SGD(0.5)
    optimizer.build(model.trainable_weights)
    step = made(learner, COMPILED)(learner.train_step, model, optimizer, crossentropy(learner))
    loss, _ = step(tensor(x), tf.constant(y))
    assert_close(loss, tensor(mean_loss(x @ weights[0] + weights[1], y)), name="the loss from a compiled step")
    expected = [weight - 0.5 * slope for weight, slope in zip(weights, slopes(weights, x, y), strict=True)]
    assert_all_close(model.get_weights(), expected)


@pytest.mark.stage("whole")
def test_train_step_equals_keras_own_and_the_reference(learner, reference, probe):
    (x, y), (dtype, c) = batch(probe), ("float32", 4)
    shapes = [(3, 5), (5,), (5, c), (c,)]
    weights = [tensor(probe.normal(*shape) / 2.0) for shape in shapes]
    found = []
    for module, own in ((learner, True), (reference, True), (learner, False)):
        keras = module.library("keras")
        layers = [keras.layers.Dense(5, activation="tanh", kernel_regularizer="l2"), keras.layers.Dense(c)]
        model = keras.Sequential([keras.Input((3,), dtype=dtype), *layers])
        model.set_weights(weights)
        optimizer, loss_fn = keras.optimizers.Adam(0.05), crossentropy(module)
        model.compile(optimizer, loss_fn, run_eagerly=True)
        for _ in range(3):
            given = tensor(x), tf.constant(y)
            module.train_step(model, optimizer, loss_fn, *given) if own else model.train_on_batch(*given)
        found.append(model.get_weights())
    assert_all_close(found[0], found[1], name="the weights after three steps")
    assert_all_close(found[0], found[2], name="the weights after three steps")


def dataset(module, x, y, size):
    return module.library("tensorflow").data.Dataset.from_tensor_slices((tensor(x), y)).batch(size)


def splits(probe, train=8, validation=4):
    """Training and validation data; with 7 and 5 examples batches of 4 leave a smaller one at the end."""
    probe.fix("N", train)
    probe.fix("V", validation)
    return batch(probe, "N"), batch(probe, "V")


def fitted(module, model, rate, train, validation, epochs, loss_fn=None):
    """What `fit` writes down with plain gradient descent, batches of 4 and the accuracy."""
    keras = module.library("keras")
    data = dataset(module, *train, 4), dataset(module, *validation, 4)
    metric = keras.metrics.SparseCategoricalAccuracy()
    loss_fn = crossentropy(module) if loss_fn is None else loss_fn
    return module.fit(model, keras.optimizers.SGD(rate), loss_fn, metric, *data, epochs)


def in_float32(history):
    return {name: [np.float32(value) for value in values] for name, values in history.items()}


def accuracy(scores, y):
    return (scores.argmax(axis=1) == y).mean()


@pytest.mark.stage("shape")
def test_fit_returns_four_lists_of_floats(learner, probe):
    train, validation = splits(probe)
    history = fitted(learner, linear(learner, probe)[0], 0.1, train, validation, 2)
    assert isinstance(history, dict) and sorted(history) == ["loss", "metric", "val_loss", "val_metric"], (
        "four lists by name"
    )
    kinds = {name: [type(value) for value in values] for name, values in history.items()}
    assert kinds == dict.fromkeys(kinds, [float, float]), "each holds one float for every epoch"


def test_fit_averages_over_examples_and_starts_afresh_in_every_epoch(learner, probe):
    train, validation = splits(probe, 7, 5)
    model, (kernel, bias) = linear(learner, probe)
    history = fitted(learner, model, 0.0, train, validation, 2)  # nothing moves: every epoch is the same
    for prefix, (x, y) in (("", train), ("val_", validation)):
        scores = x @ kernel + bias
        assert_close(history[f"{prefix}loss"], [np.float32(mean_loss(scores, y))] * 2, name=f"{prefix}loss")
        assert_close(history[f"{prefix}metric"], [np.float32(accuracy(scores, y))] * 2, name=f"{prefix}metric")


def test_fit_takes_a_step_for_each_batch_of_each_epoch(learner, probe):
    train, validation = splits(probe)
    model, weights = linear(learner, probe)
    fitted(learner, model, 0.4, train, validation, 2)
    for rows in (slice(0, 4), slice(4, 8)) * 2:
        steps = slopes(weights, train[0][rows], train[1][rows])
        weights = [weight - 0.4 * step for weight, step in zip(weights, steps, strict=True)]
    assert_all_close(model.get_weights(), weights)


def test_fit_validates_with_the_weights_at_the_end_of_the_epoch(learner, probe):
    train, (x, y) = splits(probe)
    model, _ = linear(learner, probe)
    history = fitted(learner, model, 0.4, train, (x, y), 1)
    kernel, bias = model.get_weights()
    assert_close(history["val_loss"], [np.float32(mean_loss(x @ kernel + bias, y))], name="val_loss")


def test_fit_validates_in_inference_and_learns_nothing_from_it(learner, probe):
    (x, y), (x_val, y_val) = splits(probe)
    keras, y, y_val = seeded(learner), y % 3, y_val % 3
    layers = [keras.layers.BatchNormalization(momentum=0.5, center=False, scale=False), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input(probe.shape("D")), *layers])
    history = fitted(learner, model, 0.0, (x, y), (x_val, y_val), 1)
    mean, variance, kernel, bias = model.get_weights()
    expected_mean, expected_variance = np.zeros(3), np.ones(3)
    for part in (x[:4], x[4:]):
        expected_mean = 0.5 * expected_mean + 0.5 * part.mean(axis=0)
        expected_variance = 0.5 * expected_variance + 0.5 * part.var(axis=0)
    assert_all_close([mean, variance], [expected_mean, expected_variance], name="the running statistics")
    scores = (x_val - expected_mean) / np.sqrt(expected_variance + 1e-3) @ kernel + bias
    assert_close(history["val_loss"], [np.float32(mean_loss(scores, y_val))], name="val_loss")


def test_fit_counts_penalties_in_both_losses(learner, probe):
    train, validation = splits(probe)
    model, (kernel, bias) = linear(learner, probe, kernel_regularizer=learner.library("keras").regularizers.L2(0.2))
    history = fitted(learner, model, 0.0, train, validation, 1)
    for name, (x, y) in (("loss", train), ("val_loss", validation)):
        expected = mean_loss(x @ kernel + bias, y) + 0.2 * (kernel**2).sum()
        assert_close(history[name], [np.float32(expected)], name=name)


def test_fit_compiles_the_step_once(learner, probe):
    (x, y), validation = batch(probe, "20"), batch(probe, "V")
    counter = learner.library("itertools").count()
    loss_fn = made(learner, COUNTING)(counter, crossentropy(learner))
    epochs = 6
    fitted(learner, linear(learner, probe)[0], 0.1, (x, y), (validation[0][:4], validation[1][:4]), epochs, loss_fn)
    # One call for each validation batch, and a few while the step is traced; 5 training batches an epoch make none.
    assert learner.library("builtins").next(counter) <= epochs + 3, "Python does not run for every batch"


def test_fit_makes_all_its_epochs_also_when_validation_gets_worse(learner, probe):
    (x, y), _ = splits(probe)
    model, _ = linear(learner, probe, np.zeros(probe.shape("D C")))
    history = fitted(learner, model, 0.5, (x, y), (x[:4], (y[:4] + 1) % 4), 6)  # what is learned is wrong there
    assert [len(values) for values in history.values()] == [6] * 4, "6 epochs give 6 numbers in each list"
    assert history["val_loss"][-1] > history["val_loss"][0], "though the loss of other labels rises"


@pytest.mark.stage("whole")
def test_fit_equals_the_reference(learner, reference, probe):
    train, validation = splits(probe, 7, 5)
    kernel, found = probe.normal("D C"), []
    for module in (learner, reference):
        keras = module.library("keras")
        model, _ = linear(module, probe, kernel, kernel_regularizer=keras.regularizers.L2(0.05))
        model.set_weights([tensor(kernel), tf.zeros(4)])
        data = dataset(module, *train, 3), dataset(module, *validation, 2)
        metric = keras.metrics.SparseTopKCategoricalAccuracy(k=2)
        optimizer = keras.optimizers.SGD(0.1, momentum=0.8)
        history = module.fit(model, optimizer, crossentropy(module), metric, *data, epochs=2)
        found.append((history, [tensor(weight) for weight in model.get_weights()]))
    assert_close(found[0], (in_float32(found[1][0]), found[1][1]))


@pytest.mark.stage("whole")
def test_fit_agrees_with_keras_own(learner, probe):
    train, validation = splits(probe, 7, 5)
    keras, data = learner.library("keras"), [dataset(learner, *part, 4) for part in (train, validation)]
    model, weights = linear(learner, probe)
    got = fitted(learner, model, 0.3, train, validation, 2)
    model.set_weights([tensor(weight) for weight in weights])
    how = {"metrics": ["sparse_categorical_accuracy"], "run_eagerly": True}
    model.compile(keras.optimizers.SGD(0.3), crossentropy(learner), **how)
    keras_has = model.fit(data[0], validation_data=data[1], epochs=2, shuffle=False, verbose=0).history
    renamed = {name.replace("sparse_categorical_accuracy", "metric"): values for name, values in keras_has.items()}
    assert_close(got, in_float32(renamed))


@pytest.mark.stage("robust")
def test_fit_of_no_epochs_changes_nothing(learner, probe):
    train, validation = splits(probe)
    model, weights = linear(learner, probe)
    history = fitted(learner, model, 0.4, train, validation, 0)
    assert_close(history, {"loss": [], "metric": [], "val_loss": [], "val_metric": []})
    assert_all_close(model.get_weights(), weights)
