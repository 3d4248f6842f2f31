"""Hidden checks of Keras models and of counting their parameters."""

import numpy as np
import pytest
import tensorflow as tf

from autograder.testing import assert_close, assert_shape

SIGMAS = 6.5  # so far from its mean a normal variable comes less often than once in 10¹⁰ times
ACTIVATIONS = {"relu": lambda z: np.maximum(z, 0.0), "tanh": np.tanh, "sigmoid": lambda z: 1.0 / (1.0 + np.exp(-z))}
TOWERS = ("left", "right", "merge", "head")


def seeded(module):
    """Keras where the module's code runs, its random numbers and names settled: known mistakes are told by equal answers."""
    keras = module.library("keras")
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(5)
    return keras


def tensor(values):
    return tf.constant(values, tf.float32)


def layout(features, hidden, classes):
    """The shapes of the weights of a stack of Dense layers."""
    sizes = [features, *hidden, classes]
    return [shape for ins, outs in zip(sizes, sizes[1:], strict=False) for shape in ((ins, outs), (outs,))]


def random_weights(probe, shapes):
    """Kernels that keep the size of what they act on, and biases that are not zero."""
    return [probe.normal(*shape) / np.sqrt(shape[0] if len(shape) > 1 else 4.0) for shape in shapes]


def load(model, weights):
    model.set_weights([tensor(weight) for weight in weights])
    return model


def forward(weights, x, activation):
    """A stack of Dense layers in NumPy."""
    *hidden, (kernel, bias) = zip(weights[::2], weights[1::2], strict=True)
    for w, b in hidden:
        x = ACTIVATIONS[activation](x @ w + b)
    return x @ kernel + bias


@pytest.mark.stage("shape")
def test_sequential_classifier_gives_a_score_for_every_class(learner, probe):
    seeded(learner)
    n, d, c = probe.shape("N D C")
    model = learner.sequential_classifier(d, [probe.size("M")], c)
    assert_shape(model(tensor(probe.normal("N D"))), (n, c), tf.float32)
    assert_close(
        (model.input_shape, model.output_shape), ((None, d), (None, c)), name="the shapes, for any number of rows"
    )
    assert model.compiled is False, "the model is not compiled"


@pytest.mark.stage("shape")
def test_sequential_classifier_has_its_weights_at_once(learner, probe):
    seeded(learner)
    d, m, k, c = probe.shape("D M K C")
    for hidden in ([], [m], [m, k], [k, m, k]):
        model = learner.sequential_classifier(d, hidden, c)
        assert [weight.shape for weight in model.get_weights()] == layout(d, hidden, c), f"hidden layers of {hidden}"


@pytest.mark.stage("shape")
def test_sequential_classifier_has_the_layers_that_were_agreed(learner, probe):
    seeded(learner)
    d, m, k, c = probe.shape("D M K C")
    assert len(learner.sequential_classifier(d, [m, k], c).layers) == 3, "a layer for each width and one of the classes"
    for dropout in (0.3, 0.01):
        layers = learner.sequential_classifier(d, [m, k], c, dropout=dropout).layers
        assert len(layers) == 5, f"a Dropout of {dropout} for each hidden layer"


def test_sequential_classifier_without_hidden_layers_is_linear(learner, probe):
    seeded(learner)
    weights, x = random_weights(probe, layout(*probe.shape("D"), [], *probe.shape("C"))), probe.normal("N D")
    model = load(learner.sequential_classifier(*probe.shape("D"), [], *probe.shape("C")), weights)
    assert_close(model(tensor(x)), tensor(x @ weights[0] + weights[1]))


def test_sequential_classifier_begins_with_glorots_kernels_and_no_biases(learner):
    seeded(learner)
    weights = learner.sequential_classifier(40, [60], 50).get_weights()
    for kernel, bias in zip(weights[::2], weights[1::2], strict=True):
        limit = np.sqrt(6.0 / sum(kernel.shape))
        words = "kernels are uniform within √(6 / (inputs + outputs))"
        assert np.abs(kernel).max() <= limit, words
        assert abs(kernel.std() - limit / np.sqrt(3.0)) < 0.1 * limit, words
        assert_close(bias, np.zeros(len(bias), np.float32), name="the bias")


def test_sequential_classifier_begins_with_other_kernels_each_time(learner):
    seeded(learner)
    first, second = (learner.sequential_classifier(4, [5], 3).get_weights()[0] for _ in range(2))
    assert np.abs(first - second).max() > 1e-3, "two models do not begin with the same kernel"


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_sequential_classifier_puts_the_activation_behind_hidden_layers_only(learner, probe, activation):
    seeded(learner)
    d, m, k, c = probe.shape("D M K C")
    weights, x = random_weights(probe, layout(d, [m, k], c)), probe.normal("N D")
    model = load(learner.sequential_classifier(d, [m, k], c, activation=activation), weights)
    assert_close(model(tensor(x)), tensor(forward(weights, x, activation)))


def test_sequential_classifier_uses_relu_unless_told_otherwise(learner, probe):
    seeded(learner)
    d, m, c = probe.shape("D M C")
    weights, x = random_weights(probe, layout(d, [m], c)), probe.normal("N D")
    model = load(learner.sequential_classifier(d, [m], c), weights)
    assert_close(model(tensor(x)), tensor(forward(weights, x, "relu")))


def test_sequential_classifier_drops_nothing_in_inference(learner, probe):
    seeded(learner)
    d, m, c = probe.shape("D M C")
    weights, x = random_weights(probe, layout(d, [m], c)), probe.normal("N D")
    model = load(learner.sequential_classifier(d, [m], c, dropout=0.4), weights)
    for options in ({}, {"training": False}):
        assert_close(model(tensor(x), **options), tensor(forward(weights, x, "relu")))


def test_sequential_classifier_without_dropout_is_the_same_in_training(learner, probe):
    seeded(learner)
    d, m, c = probe.shape("D M C")
    weights, x = random_weights(probe, layout(d, [m], c)), probe.normal("N D")
    for model in (learner.sequential_classifier(d, [m], c), learner.sequential_classifier(d, [m], c, dropout=0.0)):
        assert_close(load(model, weights)(tensor(x), training=True), tensor(forward(weights, x, "relu")))


def test_sequential_classifier_drops_hidden_units_one_by_one(learner, probe):
    seeded(learner)
    width, rate = 25, probe.scalar(0.15, 0.4)
    bias = probe.normal(width)
    weights = [np.ones((1, width)), np.zeros(width), np.eye(width), bias]  # a hidden unit, and so an output, is x
    model = load(learner.sequential_classifier(1, [width], width, dropout=rate), weights)
    x = probe.uniform("400 1", 0.5, 2.0)
    y = model(tensor(x), training=True).numpy() - bias
    kept = np.abs(y) > 0.1
    assert_close(y, np.where(kept, x / (1.0 - rate), 0.0).astype(np.float32), dtype=False, name="what was kept")
    spread = np.sqrt(rate * (1.0 - rate) / kept.size)
    assert abs((~kept).mean() - rate) < SIGMAS * spread, "the rate is the share that is dropped"
    assert 0 < kept[0].sum() < width, "the units of a row are dropped independently"


def test_sequential_classifier_drops_units_of_every_hidden_layer(learner, probe):
    seeded(learner)
    width, rate = 25, 0.3
    identity = [np.eye(width), np.zeros(width)]
    model = load(learner.sequential_classifier(width, [width, width], width, dropout=rate), identity * 3)
    y = model(tf.ones((400, width)), training=True).numpy()
    share, spread = (1.0 - rate) ** 2, 0.5 / np.sqrt(y.size)
    assert abs((y > 0.1).mean() - share) < SIGMAS * spread, "two dropouts leave (1 - rate)² of the units"
    assert_close(y[y > 0.1], np.full((y > 0.1).sum(), 1.0 / share, np.float32), name="what both kept")


@pytest.mark.stage("whole")
def test_sequential_classifier_equals_the_reference(learner, reference, probe):
    seeded(learner)
    d, m, k, c = probe.shape("D M K C")
    weights, x = random_weights(probe, layout(d, [m, k, m], c)), tensor(probe.normal("N D"))
    models = [
        load(each.sequential_classifier(d, (m, k, m), c, activation="gelu"), weights) for each in (learner, reference)
    ]
    assert_close(models[0](x), models[1](x))


def towers(probe):
    """The sizes D, E, M and C, and random weights by the name of the layer."""
    d, e, m, c = probe.shape("D E M C")
    shapes = {"left": (d, m), "right": (e, m), "merge": (2 * m, m), "head": (m, c)}
    return (d, e, m, c), {name: random_weights(probe, [shape, shape[1:]]) for name, shape in shapes.items()}


def two_tower(module, sizes, weights):
    model = module.functional_two_tower(*sizes)
    for name in TOWERS:
        load(model.get_layer(name), weights[name])
    return model


def by_hand(weights, x_left, x_right):
    """The two towers in NumPy."""
    dense = {name: lambda x, name=name: x @ weights[name][0] + weights[name][1] for name in TOWERS}
    a, b = np.maximum(dense["left"](x_left), 0.0), np.maximum(dense["right"](x_right), 0.0)
    m = np.maximum(dense["merge"](np.concatenate([a, b], axis=1)), 0.0)
    return dense["head"](a + b + m)


@pytest.mark.stage("shape")
def test_functional_two_tower_has_the_layers_that_were_agreed(learner, probe):
    seeded(learner)
    sizes, weights = towers(probe)
    model = learner.functional_two_tower(*sizes)
    for name in TOWERS:
        shapes = [weight.shape for weight in model.get_layer(name).get_weights()]
        assert shapes == [weight.shape for weight in weights[name]], f"the kernel and the bias of {name}"
    assert len(model.get_weights()) == 8, "no other layer has weights"


@pytest.mark.stage("shape")
def test_functional_two_tower_takes_two_inputs_and_gives_scores(learner, probe):
    seeded(learner)
    sizes, _ = towers(probe)
    model = learner.functional_two_tower(left=sizes[0], right=sizes[1], width=sizes[2], classes=sizes[3])
    inputs = [tensor(probe.normal("N D")), tensor(probe.normal("N E"))]
    assert_shape(model(inputs), probe.shape("N C"), tf.float32)


def test_functional_two_tower_ends_in_the_head_without_activation(learner, probe):
    seeded(learner)
    sizes, weights = towers(probe)
    weights["head"][0] = 0.0 * weights["head"][0]
    inputs = [tensor(probe.normal("N D")), tensor(probe.normal("N E"))]
    expected = np.repeat(weights["head"][1][None], probe.size("N"), axis=0)
    assert_close(two_tower(learner, sizes, weights)(inputs), tensor(expected), name="the bias of the head alone")


def test_functional_two_tower_skips_the_merge(learner, probe):
    seeded(learner)
    sizes, weights = towers(probe)
    weights["merge"] = [0.0 * weight for weight in weights["merge"]]
    x_left, x_right = probe.normal("N D"), probe.normal("N E")
    (left, left_bias), (right, right_bias), (head, head_bias) = weights["left"], weights["right"], weights["head"]
    a, b = np.maximum(x_left @ left + left_bias, 0.0), np.maximum(x_right @ right + right_bias, 0.0)
    got = two_tower(learner, sizes, weights)([tensor(x_left), tensor(x_right)])
    assert_close(got, tensor((a + b) @ head + head_bias), name="with a merge of zeros")


def test_functional_two_tower_merges_what_both_towers_say(learner, probe):
    seeded(learner)
    sizes, weights = towers(probe)
    x_left, x_right = probe.normal("N D"), probe.normal("N E")
    for silent in ("left", "right"):
        quiet = weights | {silent: [0.0 * weight for weight in weights[silent]]}
        got = two_tower(learner, sizes, quiet)([tensor(x_left), tensor(x_right)])
        assert_close(got, tensor(by_hand(quiet, x_left, x_right)), name=f"with a {silent} tower of zeros")


def test_functional_two_tower_cuts_negative_numbers_in_towers_and_merge(learner, probe):
    seeded(learner)
    sizes, weights = towers(probe)
    x_left, x_right = probe.normal("N D"), probe.normal("N E")
    for negative in ("left", "right", "merge"):
        below = weights | {negative: [weights[negative][0], weights[negative][1] - 50.0]}
        got = two_tower(learner, sizes, below)([tensor(x_left), tensor(x_right)])
        assert_close(got, tensor(by_hand(below, x_left, x_right)), name=f"with a {negative} below zero")


@pytest.mark.stage("whole")
def test_functional_two_tower_equals_the_reference(learner, reference, probe):
    seeded(learner)
    sizes, weights = towers(probe)
    inputs = [tensor(probe.normal("N D")), tensor(probe.normal("N E"))]
    assert_close(two_tower(learner, sizes, weights)(inputs), two_tower(reference, sizes, weights)(inputs))


@pytest.mark.stage("whole")
def test_functional_two_tower_agrees_with_numpy(learner, probe):
    seeded(learner)
    sizes, weights = towers(probe)
    x_left, x_right = probe.normal("N D"), probe.normal("N E")
    got = two_tower(learner, sizes, weights)([tensor(x_left), tensor(x_right)])
    assert_close(got, tensor(by_hand(weights, x_left, x_right)))


@pytest.mark.stage("whole")
def test_functional_two_tower_can_be_trained_in_all_its_weights(learner, probe):
    seeded(learner)
    sizes, weights = towers(probe)
    model = two_tower(learner, sizes, weights)
    model.compile("sgd", "mse", run_eagerly=True)
    inputs = [tensor(probe.normal("N D") + 1.0), tensor(probe.normal("N E") + 1.0)]
    before = model.get_weights()
    model.train_on_batch(inputs, tensor(9.0 + probe.normal("N C")))
    moved = [np.abs(new - old).max() > 1e-6 for new, old in zip(model.get_weights(), before, strict=True)]
    assert all(moved), "a step of training moves every weight"


@pytest.mark.stage("shape")
def test_count_parameters_returns_two_ints(learner, probe):
    layers = learner.library("keras").layers
    model = learner.library("keras").Sequential([layers.Input(probe.shape("D")), layers.Dense(probe.size("M"))])
    assert_close(learner.count_parameters(model), ((probe.size("D") + 1) * probe.size("M"), 0))


def test_count_parameters_of_layers_of_every_shape(learner, reference, probe):
    layers = learner.library("keras").layers
    v, d, f = probe.shape("V D F")
    parts = [layers.Input((8, 9), dtype="int32"), layers.Embedding(v, d), layers.Conv2D(f, (2, 3)), layers.Flatten()]
    model = learner.library("keras").Sequential([*parts, layers.Dense(2, use_bias=False)])
    assert_close(learner.count_parameters(model), (v * d + (6 * d + 1) * f + 7 * 7 * f * 2, 0))


def test_count_parameters_keeps_running_statistics_apart(learner, probe):
    layers, d = learner.library("keras").layers, probe.size("D")
    model = learner.library("keras").Sequential([layers.Input((d,)), layers.BatchNormalization(), layers.Dense(3)])
    assert_close(learner.count_parameters(model), (2 * d + 3 * d + 3, 2 * d))


def test_count_parameters_keeps_frozen_layers_apart(learner, probe):
    layers, (d, m, c) = learner.library("keras").layers, probe.shape("D M C")
    model = learner.library("keras").Sequential([layers.Input((d,)), layers.Dense(m, trainable=False), layers.Dense(c)])
    assert_close(learner.count_parameters(model), ((m + 1) * c, (d + 1) * m))
    model.trainable = False
    assert_close(learner.count_parameters(model), (0, (m + 1) * c + (d + 1) * m), name="of a frozen model")


def test_count_parameters_counts_a_shared_layer_once(learner, probe):
    keras, d = learner.library("keras"), probe.size("D")
    shared, x = keras.layers.Dense(d), keras.Input((d,))
    assert_close(learner.count_parameters(keras.Model(x, shared(shared(x)))), (d * d + d, 0))
    frozen = keras.layers.Dense(d, trainable=False)
    inner = keras.Sequential([keras.Input((d,)), shared, frozen])
    model = keras.Model(x, frozen(shared(inner(x))))
    assert_close(learner.count_parameters(model), (d * d + d, d * d + d), name="of layers in a model and behind it")


def test_count_parameters_looks_into_models_within_models(learner, probe):
    keras, (d, m, c) = learner.library("keras"), probe.shape("D M C")
    inner = keras.Sequential([keras.Input((d,)), keras.layers.Dense(m), keras.layers.BatchNormalization()])
    model = keras.Sequential([keras.Input((d,)), inner, keras.layers.Dense(c)])
    assert_close(learner.count_parameters(model), ((d + 1) * m + 2 * m + (m + 1) * c, 2 * m))
    alike = [
        keras.Sequential(
            [keras.Input((d,)), keras.layers.Dense(d, name="same"), keras.layers.BatchNormalization(name="norm")]
        )
        for _ in range(2)
    ]
    model = keras.Sequential([keras.Input((d,)), *alike])
    assert_close(
        learner.count_parameters(model), (2 * (d + 3) * d, 4 * d), name="of two models with the same names inside"
    )


def test_count_parameters_leaves_out_random_generators(learner, probe):
    layers, (d, m) = learner.library("keras").layers, probe.shape("D M")
    model = learner.library("keras").Sequential(
        [layers.Input((d,)), layers.Dropout(0.3), layers.Dense(m), layers.Dropout(0.2)]
    )
    assert_close(learner.count_parameters(model), ((d + 1) * m, 0))


@pytest.mark.stage("whole")
def test_count_parameters_equals_the_reference_and_keras(learner, reference, probe):
    counts = []
    for module in (learner, reference):
        keras, (d, m, c) = module.library("keras"), probe.shape("D M C")
        x = keras.Input((7, d))
        h = keras.layers.LSTM(m)(x)
        h = keras.layers.BatchNormalization()(keras.layers.Dense(m, trainable=False)(h))
        model = keras.Model(x, keras.layers.Dense(c)(keras.layers.Dropout(0.4)(h)))
        counts.append((module.count_parameters(model), model.count_params()))
    assert_close(counts[0][0], counts[1][0])
    assert sum(counts[0][0]) == counts[1][1], "both together are what Keras counts"


@pytest.mark.stage("robust")
def test_count_parameters_of_a_model_without_weights(learner):
    keras = learner.library("keras")
    assert_close(learner.count_parameters(keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.4)])), (0, 0))


@pytest.mark.stage("robust")
def test_count_parameters_refuses_a_model_that_is_not_built(learner):
    keras = learner.library("keras")
    with pytest.raises(ValueError):
        learner.count_parameters(keras.Sequential([keras.layers.Dense(3)]))
