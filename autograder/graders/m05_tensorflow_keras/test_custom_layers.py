"""Hidden checks of Keras layers written from scratch, and of the Huber loss."""

import json

import numpy as np
import pytest
import tensorflow as tf

from autograder.testing import assert_close, assert_gradients, assert_shape

DTYPES = (tf.float32, tf.float64)
GRADIENTS = "lambda f: tf.function(lambda dy, x, y, **options: tf.gradients(f(y, x, **options), x, dy))"


def seeded(module):
    """Keras where the module's code runs, its random numbers and names settled: known mistakes are told by equal answers."""
    keras = module.library("keras")
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(5)
    return keras


def made(module, text):
    """A function written as text, made where the module's code runs."""
    return module.library("builtins").eval(f"(lambda tf: {text})(__import__('tensorflow'))")


def tensor(values, dtype=tf.float32):
    return tf.constant(values, dtype)


def relu(x):
    return np.maximum(x, 0.0)


def dense(module, probe, **options):
    """A layer of the module's with random weights, and the weights."""
    d, m = probe.shape("D M")
    layer, weights = module.Dense(m, **options), [probe.normal("D M") / np.sqrt(d)]
    layer.build((None, d))
    if options.get("use_bias", True):
        weights.append(probe.normal("M"))
    layer.set_weights([tensor(weight, options.get("dtype", "float32")) for weight in weights])
    return layer, weights


@pytest.mark.stage("shape")
def test_dense_replaces_the_last_axis_by_its_units(learner, probe):
    seeded(learner)
    m = probe.size("M")
    for spec in ("N D", "B N D", "B T N D"):
        x = tensor(probe.normal(spec))
        assert_shape(learner.Dense(m)(x), (*x.shape[:-1], m), tf.float32)


@pytest.mark.stage("shape")
def test_dense_makes_a_kernel_and_a_bias_when_it_is_built(learner, probe):
    seeded(learner)
    d, m = probe.shape("D M")
    layer = learner.Dense(units=m)
    assert layer.get_weights() == [], "it has no weights before it knows how wide its input is"
    layer.build((None, 4, d))
    assert [weight.shape for weight in layer.get_weights()] == [(d, m), (m,)], "the kernel first, then the bias"
    assert_shape(layer.kernel.numpy(), (d, m), np.float32, name="kernel")
    assert_shape(layer.bias.numpy(), (m,), np.float32, name="bias")


@pytest.mark.stage("shape")
def test_dense_without_a_bias_has_a_kernel_alone(learner, probe):
    seeded(learner)
    d, m = probe.shape("D M")
    layer = learner.Dense(m, use_bias=False)
    assert_shape(layer(tensor(probe.normal("N D"))), probe.shape("N M"), tf.float32)
    assert [weight.shape for weight in layer.get_weights()] == [(d, m)], "the kernel alone"
    assert_close(layer.bias, None, name="bias")


def test_dense_begins_with_glorots_kernel_and_a_bias_of_zeros(learner):
    seeded(learner)
    layer, limit = learner.Dense(60), np.sqrt(6.0 / 100.0)
    layer.build((None, 40))
    kernel, bias = layer.get_weights()
    assert np.abs(kernel).max() <= limit, "the kernel is uniform within √(6 / (inputs + outputs))"
    assert abs(kernel.std() - limit / np.sqrt(3.0)) < 0.1 * limit, (
        "the kernel is uniform within √(6 / (inputs + outputs))"
    )
    assert_close(bias, np.zeros(60, np.float32), name="the bias")


def test_dense_is_an_affine_map(learner, probe):
    seeded(learner)
    layer, (kernel, bias) = dense(learner, probe)
    for spec in ("N D", "B N D"):
        x = probe.normal(spec)
        assert_close(layer(tensor(x)), tensor(x @ kernel + bias))


def test_dense_without_a_bias_takes_zeros_to_zeros(learner, probe):
    seeded(learner)
    layer, (kernel,) = dense(learner, probe, use_bias=False)
    x = probe.normal("N D")
    assert_close(layer(tensor(x)), tensor(x @ kernel))
    assert_close(layer(tf.zeros(probe.shape("N D"))), tf.zeros(probe.shape("N M")))


def test_dense_applies_its_activation_last(learner, probe):
    seeded(learner)
    for activation, function in (("relu", relu), ("tanh", np.tanh), ("linear", lambda y: y)):
        layer, (kernel, bias) = dense(learner, probe, activation=activation)
        x = probe.normal("N D")
        assert_close(layer(tensor(x)), tensor(function(x @ kernel + bias)), name=f"with {activation}")


def test_dense_takes_a_function_for_an_activation(learner, probe):
    seeded(learner)
    layer, (kernel, bias) = dense(learner, probe, activation=learner.library("keras").activations.softplus)
    x = probe.normal("N D")
    assert_close(layer(tensor(x)), tensor(np.logaddexp(0.0, x @ kernel + bias)))


def test_dense_works_in_the_dtype_that_it_is_given(learner, probe):
    seeded(learner)
    layer, (kernel, bias) = dense(learner, probe, dtype="float64")
    x = probe.normal("N D")
    assert_close(layer(tensor(x, tf.float64)), tensor(x @ kernel + bias, tf.float64))


def test_dense_config_holds_every_argument(learner, probe):
    seeded(learner)
    m = probe.size("M")
    config = learner.Dense(m, "tanh", use_bias=False, name="mine", dtype="float64").get_config()
    expected = {"units": m, "activation": "tanh", "use_bias": False, "name": "mine", "trainable": True}
    assert_close({name: config.get(name) for name in expected}, expected, name="the config")
    assert '"float64"' in json.dumps(config), "the config says the dtype"
    assert_close(
        learner.Dense(m).get_config().get("activation"), "linear", name="the activation of a layer without one"
    )


def test_dense_made_from_a_config_is_the_same_layer(learner, probe):
    seeded(learner)
    for options in ({"activation": "tanh"}, {"activation": "softplus", "use_bias": False}):
        layer, weights = dense(learner, probe, **options)
        twin = learner.Dense.from_config(layer.get_config())
        twin.build((None, probe.size("D")))
        twin.set_weights(layer.get_weights())
        x = tensor(probe.normal("N D"))
        assert_close(twin(x), layer(x))


def test_dense_writes_down_an_activation_that_was_a_function(learner):
    seeded(learner)
    activations = learner.library("keras").activations
    config = learner.Dense(3, activation=activations.relu).get_config()
    assert_close(config["activation"], "relu", name="the activation in the config")
    square = learner.library("keras").ops.square
    config = learner.Dense(3, activation=square).get_config()
    assert_close(config["activation"], activations.serialize(square), name="a function that is no activation of Keras")


@pytest.mark.stage("whole")
@pytest.mark.task("Dense")
def test_dense_learns_like_keras_own(learner, probe):
    seeded(learner)
    x, y, shapes = probe.normal("N D"), probe.normal("N M"), [probe.shape("D M"), probe.shape("M")]
    weights = [tensor(probe.normal(*shape)) for shape in shapes]
    keras, trained = learner.library("keras"), []
    for make, eagerly in ((learner.Dense, False), (keras.layers.Dense, True)):
        model = keras.Sequential([keras.Input(probe.shape("D")), make(probe.size("M"), activation="tanh")])
        model.set_weights(weights)
        model.compile(keras.optimizers.SGD(0.5), "mse", run_eagerly=eagerly)
        model.train_on_batch(tensor(x), tensor(y))
        trained.append(model.get_weights())
    assert_close(trained[0], trained[1], name="the weights after a step")


@pytest.mark.stage("whole")
def test_dense_equals_the_reference(learner, reference, probe):
    seeded(learner)
    x = tensor(probe.normal("B N D"))
    (layer, weights), other = dense(learner, probe, activation="gelu"), reference.Dense(probe.size("M"), "gelu")
    other.build((None, probe.size("D")))
    other.set_weights([tensor(weight) for weight in weights])
    assert_close(layer(x), other(x))


@pytest.mark.stage("robust")
def test_dense_layers_do_not_share_weights(learner, probe):
    seeded(learner)
    (first, weights), x = dense(learner, probe), probe.normal("N D")
    dense(learner, probe)
    assert_close(first(tensor(x)), tensor(x @ weights[0] + weights[1]), name="the first of two layers")


def inner_dense(module, probe, **options):
    """A Keras layer from D to D with random weights when it is built, and the weights."""
    keras, d = module.library("keras"), probe.size("D")
    kernel, bias = probe.normal(d, d) / np.sqrt(d), probe.normal(d)
    return keras.layers.Dense(d, **options), [tensor(kernel), tensor(bias)]


@pytest.mark.stage("shape")
def test_residual_keeps_shape_and_dtype(learner, probe):
    seeded(learner)
    for spec in ("N D", "B N D"):
        x = tensor(probe.normal(spec))
        assert_shape(learner.Residual(inner_dense(learner, probe)[0])(x), x.shape, tf.float32)


@pytest.mark.stage("shape")
def test_residual_has_the_weights_of_the_inner_layer_once_it_is_built(learner, probe):
    seeded(learner)
    d = probe.size("D")
    layer = learner.Residual(inner_dense(learner, probe)[0])
    layer.build((None, d))
    assert [weight.shape for weight in layer.get_weights()] == [(d, d), (d,)], (
        "the kernel and the bias of the inner layer"
    )
    assert len(layer.trainable_weights) == 2, "they can be trained"


def test_residual_adds_what_the_inner_layer_says_to_its_input(learner, probe):
    seeded(learner)
    inner, weights = inner_dense(learner, probe)
    layer, x = learner.Residual(inner), probe.normal("N D")
    layer.build((None, probe.size("D")))
    layer.set_weights(weights)
    assert_close(layer(tensor(x)), tensor(x + x @ weights[0].numpy() + weights[1].numpy()))


def test_residual_with_an_inner_layer_of_zeros_is_the_identity(learner, probe):
    seeded(learner)
    zeros, x = (
        learner.library("keras").layers.Dense(probe.size("D"), kernel_initializer="zeros"),
        tensor(probe.normal("N D")),
    )
    assert_close(learner.Residual(zeros, scale=3.0)(x), x)


def test_residual_scales_the_inner_layer_alone(learner, probe):
    seeded(learner)
    inner, weights = inner_dense(learner, probe, activation="relu")
    x = probe.normal("N D")
    for scale in (probe.scalar(0.2, 3.0), 0.0):
        layer = learner.Residual(inner, scale=scale)
        layer.build((None, probe.size("D")))
        layer.set_weights(weights)
        expected = x + scale * relu(x @ weights[0].numpy() + weights[1].numpy())
        assert_close(layer(tensor(x)), tensor(expected), name=f"with a scale of {scale}")


def test_residual_works_in_the_dtype_that_it_is_given(learner, probe):
    seeded(learner)
    inner, weights = inner_dense(learner, probe, dtype="float64")
    layer, x = learner.Residual(inner, scale=0.3, dtype="float64"), probe.normal("N D")
    layer.build((None, probe.size("D")))
    layer.set_weights(weights)
    expected = x + 0.3 * (x @ weights[0].numpy().astype(float) + weights[1].numpy())
    assert_close(layer(tensor(x, tf.float64)), tensor(expected, tf.float64))


def test_residual_lets_gradients_through_the_skip_and_through_the_inner_layer(learner, probe):
    seeded(learner)
    inner, weights = inner_dense(learner, probe)
    layer, x, dy = learner.Residual(inner, scale=0.5), probe.normal("N D"), probe.normal("N D")
    layer.build((None, probe.size("D")))
    layer.set_weights(weights)
    slopes = made(learner, "lambda layer: tf.function(lambda x, dy: tf.gradients(layer(x), x, dy))")(layer)
    (got,) = slopes(tensor(x), tensor(dy))
    assert_close(got, tensor(dy + 0.5 * dy @ weights[0].numpy().T), name="the gradient of x")


def test_residual_is_in_training_when_it_is_told_so(learner, probe):
    seeded(learner)
    rate, scale, x = 0.4, probe.scalar(0.2, 3.0), probe.uniform("40 D", 0.5, 2.0)
    layer = learner.Residual(learner.library("keras").layers.Dropout(rate), scale=scale)
    y = layer(tensor(x), training=True).numpy()
    kept = y > x * 1.01
    assert 0.2 < kept.mean() < 0.95, "the inner Dropout is active in training"
    assert_close(y, (x + scale * np.where(kept, x / (1.0 - rate), 0.0)).astype(np.float32))


def test_residual_is_not_in_training_otherwise(learner, probe):
    seeded(learner)
    scale, x = probe.scalar(0.2, 3.0), tensor(probe.normal("N D"))
    layer = learner.Residual(learner.library("keras").layers.Dropout(0.4), scale=scale)
    for options in ({}, {"training": False}):
        assert_close(layer(x, **options), (1.0 + scale) * x)
    assert_close(layer.call(x, training=False), (1.0 + scale) * x, name="what `call` returns")


def test_residual_config_holds_every_argument(learner, probe):
    seeded(learner)
    config = learner.Residual(inner_dense(learner, probe)[0], scale=0.25, name="mine", trainable=False).get_config()
    expected = {"scale": 0.25, "name": "mine", "trainable": False}
    assert_close({name: config.get(name) for name in expected}, expected, name="the config")
    inner = json.loads(json.dumps(config))["inner"]
    assert_close((inner["class_name"], inner["config"]["units"]), ("Dense", probe.size("D")), name="the inner layer")


def test_residual_made_from_a_config_is_the_same_layer(learner, probe):
    seeded(learner)
    inner, weights = inner_dense(learner, probe, activation="tanh")
    layer = learner.Residual(inner, scale=probe.scalar(0.2, 3.0), name="mine", trainable=False)
    x = tensor(probe.normal("N D"))
    layer.build((None, probe.size("D")))
    layer.set_weights(weights)
    twin = learner.Residual.from_config(layer.get_config())
    assert_close(twin.name, "mine", name="the name of the other layer")
    assert_close(twin.trainable, False, name="whether the other layer can be trained")
    twin.build((None, probe.size("D")))
    twin.set_weights(weights)
    assert_close(twin(x), layer(x))


def test_residual_made_from_a_config_has_weights_of_its_own(learner, probe):
    seeded(learner)
    inner, weights = inner_dense(learner, probe)
    layer, x = learner.Residual(inner), tensor(probe.normal("N D"))
    layer.build((None, probe.size("D")))
    layer.set_weights(weights)
    before = layer(x)
    twin = learner.Residual.from_config(layer.get_config())
    twin.build((None, probe.size("D")))
    twin.set_weights([3.0 * weight for weight in weights])
    assert_close(layer(x), before, name="the first layer")


def test_residual_leaves_the_config_that_it_is_given_as_it_was(learner, probe):
    seeded(learner)
    config = learner.Residual(inner_dense(learner, probe)[0], scale=0.5).get_config()
    learner.Residual.from_config(config)
    assert_close(sorted(config), sorted(learner.Residual(inner_dense(learner, probe)[0]).get_config()))


def test_residual_keeps_the_weights_of_an_inner_layer_that_was_built_before(learner, probe):
    seeded(learner)
    inner, weights = inner_dense(learner, probe)
    inner.build((None, probe.size("D")))
    inner.set_weights(weights)
    layer, x = learner.Residual(inner), probe.normal("N D")
    assert_close(layer(tensor(x)), tensor(x + x @ weights[0].numpy() + weights[1].numpy()))


@pytest.mark.stage("whole")
def test_residual_equals_the_reference_round_a_stack(learner, reference, probe):
    seeded(learner)
    results, d, m = [], *probe.shape("D M")
    weights = [tensor(probe.normal(*shape) / 2.0) for shape in ((d, m), (m,), (m, d), (d,))]
    x = tensor(probe.normal("B N D"))
    for module in (learner, reference):
        layers = module.library("keras").layers
        stack = module.library("keras").Sequential([layers.Dense(m, activation="relu"), layers.Dense(d)])
        layer = module.Residual(stack, scale=0.7)
        layer.build((None, probe.size("N"), d))
        layer.set_weights(weights)
        results.append(layer(x))
    assert_close(results[0], results[1])


@pytest.mark.stage("whole")
def test_residual_works_inside_a_model_that_is_trained(learner, probe):
    seeded(learner)
    keras, d = learner.library("keras"), probe.size("D")
    inner, weights = inner_dense(learner, probe)
    model = keras.Sequential([keras.Input((d,)), learner.Residual(inner, scale=0.5)])
    model.set_weights(weights)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    x, y = probe.normal("N D"), probe.normal("N D")
    model.train_on_batch(tensor(x), tensor(y))
    error = x + 0.5 * (x @ weights[0].numpy() + weights[1].numpy()) - y
    dy = 2.0 * 0.5 * error / error.size
    expected = [tensor(weights[0].numpy() - 0.1 * x.T @ dy), tensor(weights[1].numpy() - 0.1 * dy.sum(axis=0))]
    assert_close([tensor(weight) for weight in model.get_weights()], expected, name="the weights after a step")


@pytest.mark.stage("robust")
def test_residual_refuses_an_inner_layer_that_changes_the_shape(learner, probe):
    seeded(learner)
    for units in (1, probe.size("M")):
        layer = learner.Residual(learner.library("keras").layers.Dense(units))
        with pytest.raises(ValueError):
            layer.build((None, probe.size("D")))
        with pytest.raises(ValueError):
            learner.Residual(learner.library("keras").layers.Dense(units))(tensor(probe.normal("N D")))
        built = learner.library("keras").layers.Dense(units)
        built.build((None, probe.size("D")))
        with pytest.raises(ValueError):
            learner.Residual(built).build((None, probe.size("D")))
    inner = learner.library("keras").layers.Conv1D(probe.size("D"), 2)
    with pytest.raises(ValueError):
        learner.Residual(inner).build((None, 7, probe.size("D")))  # the convolution leaves 6 of the 7 steps
    assert inner.built is False, "the inner layer is not built before its shape is known to fit"


@pytest.mark.stage("shape")
def test_huber_loss_gives_a_loss_for_every_row(learner, probe):
    for dtype in DTYPES:
        for spec in ("N D", "B N D", "D"):
            y_true, y_pred = tensor(probe.normal(spec), dtype), tensor(probe.normal(spec), dtype)
            assert_shape(learner.huber_loss(y_true, y_pred), y_pred.shape[:-1], dtype)


def test_huber_loss_is_half_the_square_of_small_errors(learner, probe):
    y, error = probe.normal("N D"), probe.uniform("N D", -0.9, 0.9)
    assert_close(learner.huber_loss(tensor(y), tensor(y + error)), tensor((0.5 * error**2).mean(axis=1)))


def test_huber_loss_grows_along_a_line_for_large_errors(learner, probe):
    y, sign, size = probe.normal("N D"), probe.signs("N D"), probe.uniform("N D", 3.0, 9.0)
    for delta in (0.3, 2.5):
        got = learner.huber_loss(tensor(y), tensor(y + sign * size), delta=delta)
        assert_close(got, tensor((delta * (size - 0.5 * delta)).mean(axis=1)), name=f"beyond {delta}")


def test_huber_loss_has_no_step_where_the_square_ends(learner, probe):
    delta, y = probe.choice([0.75, 1.5, 2.25]), tf.zeros((2, 1), tf.float64)
    below, above = learner.huber_loss(y, tensor([[delta - 1e-11], [delta + 1e-11]], tf.float64), delta).numpy()
    assert_close([below, above], [0.5 * delta**2] * 2, name="the loss around delta")


def test_huber_loss_is_the_same_for_errors_of_either_sign(learner, probe):
    y_true, y_pred = tensor(probe.normal("N D")), tensor(3.0 * probe.normal("N D"))
    assert_close(learner.huber_loss(y_true, y_pred, 1.7), learner.huber_loss(y_pred, y_true, 1.7))


def test_huber_loss_of_a_case_computed_by_hand(learner):
    y_true, y_pred = tensor([[0.0, 0.0, 2.0], [1.0, 1.0, 1.0]]), tensor([[1.0, -4.0, 2.0], [1.5, 1.0, 7.0]])
    assert_close(learner.huber_loss(y_true, y_pred, delta=2.0), tensor([6.5 / 3.0, 10.125 / 3.0]))


@pytest.mark.stage("whole")
def test_huber_loss_equals_the_reference(learner, reference, probe):
    for dtype in DTYPES:
        y_true, y_pred = tensor(probe.normal("B N D"), dtype), tensor(3.0 * probe.normal("B N D"), dtype)
        for delta in (0.625, 1.875):  # exact in float32, through which tf.cast takes Python numbers
            expected = reference.huber_loss(y_true, y_pred, delta)
            assert_close(learner.huber_loss(y_true, y_pred, delta), expected)


@pytest.mark.stage("whole")
def test_huber_loss_agrees_with_keras(learner, probe):
    y_true, y_pred, delta = tensor(probe.normal("N D")), tensor(3.0 * probe.normal("N D")), probe.scalar(0.3, 3.0)
    expected = learner.library("keras").losses.huber(y_true, y_pred, delta)
    assert_close(learner.huber_loss(y_true=y_true, y_pred=y_pred, delta=delta), expected)


@pytest.mark.stage("whole")
def test_huber_loss_lets_clipped_errors_back(learner, reference, probe):
    y_true, y_pred, dy = probe.normal("N D"), 3.0 * probe.normal("N D"), probe.normal("N")
    given = (tensor(value, tf.float64) for value in (dy, y_pred, y_true))
    (got,) = made(learner, GRADIENTS)(learner.huber_loss)(*given, delta=1.375)

    def by_reference(y_pred):
        return reference.huber_loss(tensor(y_true, tf.float64), tensor(y_pred, tf.float64), 1.375).numpy()

    assert_gradients(by_reference, [y_pred], [got.numpy()], dy)


@pytest.mark.stage("whole")
def test_huber_loss_can_be_the_loss_of_a_model(learner, probe):
    keras = learner.library("keras")
    model = keras.Sequential([keras.Input(probe.shape("D")), keras.layers.Activation("linear")])
    model.compile(loss=learner.huber_loss)
    x, y = probe.normal("N D"), 3.0 * probe.normal("N D")
    size = np.abs(x - y)
    expected = np.where(size <= 1.0, 0.5 * size**2, size - 0.5).mean()
    assert_close(float(model.test_on_batch(tensor(x), tensor(y))), np.float32(expected))


@pytest.mark.stage("robust")
def test_huber_loss_takes_labels_that_are_ints(learner, reference, probe):
    labels = tf.constant(probe.integers("N D", 5))
    y_pred = tensor(3.0 * probe.normal("N D"))
    assert_close(learner.huber_loss(labels, y_pred, 0.8), reference.huber_loss(tensor(labels.numpy()), y_pred, 0.8))
