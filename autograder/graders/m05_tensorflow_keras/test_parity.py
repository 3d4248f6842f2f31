"""Hidden checks of weights that are carried between PyTorch and Keras."""

import numpy as np
import pytest
import tensorflow as tf
import torch

from autograder.testing import assert_close, made

DTYPES = ("float32", "float64")
ACTIVATIONS = {
    "linear": lambda z: z,
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "gelu": torch.nn.functional.gelu,
    "leaky_relu": lambda z: torch.where(z > 0, z, 0.2 * z),
}
CONVOLUTIONS = {
    "plain": {"kernel_size": (2, 3)},
    "padded": {"kernel_size": 3, "padding": (1, 5)},
    "in strides": {"kernel_size": (3, 2), "stride": (2, 3)},
    "padded and in strides": {"kernel_size": 3, "stride": 2, "padding": 1},
    "dilated": {"kernel_size": (2, 3), "dilation": (3, 2), "padding": (2, 0)},
    "without a bias": {"kernel_size": (3, 2), "bias": False, "padding": 1},
    "in groups": {"kernel_size": (1, 3), "groups": 2, "padding": (0, 1)},
}


def seeded(module):
    """Keras where the module's code runs, with its random numbers settled: known mistakes are told by equal answers."""
    keras = module.library("keras")
    keras.utils.set_random_seed(5)
    return keras


def kind(module, value):
    """The name of an object's class."""
    return made(module, "lambda value: type(value).__name__")(value)


def kinds(module, model):
    """The names of the classes of a model's parts."""
    return made(module, "lambda model: [type(part).__name__ for part in model]")(model)


def keras_tensor(values):
    """Values of a torch tensor, in the other library."""
    return tf.constant(values.detach().numpy())


def torch_layer(module, probe, make, dtype="float32"):
    """A torch layer with random weights, and these."""
    module.library("torch").manual_seed(5)
    layer = make(module.library("torch"))
    shapes = {name: tuple(value.shape) for name, value in layer.state_dict().items()}
    weights = {name: probe.tensor(*shape, dtype=dtype) / np.sqrt(np.prod(shape[1:])) for name, shape in shapes.items()}
    layer.to(getattr(torch, dtype))
    layer.load_state_dict(weights)
    return layer, weights


def linear(module, probe, dtype="float32", sizes="D M", **options):
    return torch_layer(module, probe, lambda torch: torch.nn.Linear(*probe.shape(sizes), **options), dtype)


@pytest.mark.stage("shape")
def test_linear_to_keras_returns_a_dense_layer_with_its_weights(learner, probe):
    d, m = probe.shape("D M")
    for bias, shapes in ((True, [(d, m), (m,)]), (False, [(d, m)])):
        layer = learner.linear_to_keras(linear(learner, probe, bias=bias)[0])
        assert_close(kind(learner, layer), "Dense", name="the class of the layer")
        assert [weight.shape for weight in layer.get_weights()] == shapes, "the kernel is (inputs, outputs)"
        assert len(layer.trainable_weights) == len(shapes), "the layer can be trained on"


def test_linear_to_keras_turns_the_weight_over(learner, probe):
    for sizes in ("D M", "4 4"):
        layer, weights = linear(learner, probe, sizes=sizes)
        kernel, bias = learner.linear_to_keras(layer).get_weights()
        assert_close(kernel, weights["weight"].T.numpy(), name="the kernel")
        assert_close(bias, weights["bias"].numpy(), name="the bias")


def test_linear_to_keras_keeps_a_bias_that_is_still_zero(learner, probe):
    layer, weights = linear(learner, probe)
    layer.load_state_dict({**weights, "bias": torch.zeros_like(weights["bias"])})
    _, *biases = learner.linear_to_keras(layer).get_weights()
    assert_close(biases, [np.zeros(probe.shape("M"), np.float32)], name="the bias")


def test_linear_to_keras_computes_the_same(learner, probe):
    for dtype in DTYPES:
        (layer, weights), x = linear(learner, probe, dtype), probe.tensor("N D", dtype=dtype)
        expected = torch.nn.functional.linear(x, **weights)
        assert_close(learner.linear_to_keras(layer)(keras_tensor(x)), keras_tensor(expected))


def test_linear_to_keras_without_a_bias_adds_nothing(learner, probe):
    (layer, weights), x = linear(learner, probe, bias=False), probe.tensor("B N D")
    assert_close(learner.linear_to_keras(layer)(keras_tensor(x)), keras_tensor(x @ weights["weight"].T))


def test_linear_to_keras_copies(learner, probe):
    (layer, weights), x = linear(learner, probe), probe.tensor("N D")
    copy = learner.linear_to_keras(layer)
    layer.load_state_dict({name: 3.0 * value for name, value in weights.items()})
    expected = keras_tensor(torch.nn.functional.linear(x, **weights))
    assert_close(copy(keras_tensor(x)), expected, name="the Keras layer after the other one changed")


@pytest.mark.stage("whole")
def test_linear_to_keras_equals_the_reference(learner, reference, probe):
    x, weights = probe.tensor("N D"), {"weight": probe.tensor("M D"), "bias": probe.tensor("M")}
    results = []
    for module in (learner, reference):
        layer, _ = linear(module, probe)
        layer.load_state_dict(weights)
        results.append(module.linear_to_keras(layer)(keras_tensor(x)))
    assert_close(results[0], results[1])


@pytest.mark.stage("robust")
def test_linear_to_keras_leaves_the_torch_layer_as_it_was(learner, probe):
    layer, weights = linear(learner, probe, "float64")
    learner.linear_to_keras(layer)
    assert_close(dict(layer.state_dict()), weights)
    assert_close((layer.weight.requires_grad, layer.bias.requires_grad), (True, True), name="whether it can be trained")
    assert_close(layer.training, True, name="whether it is in training mode")


def conv(module, probe, dtype="float32", channels=4, filters=6, **options):
    return torch_layer(module, probe, lambda torch: torch.nn.Conv2d(channels, filters, **options), dtype)


def convolved(x, weights, options):
    """What torch makes of images (N, C, Y, X), with the channels last."""
    given = {name: value for name, value in options.items() if name not in ("kernel_size", "bias")}
    y = torch.nn.functional.conv2d(x, weights["weight"], weights.get("bias"), **given)
    return keras_tensor(y.permute(0, 2, 3, 1))


def channels_last(x):
    return keras_tensor(x.permute(0, 2, 3, 1))


@pytest.mark.stage("shape")
def test_conv_to_keras_has_a_kernel_with_the_channels_last(learner, probe):
    for bias, shapes in ((True, [(2, 5, 4, 6), (6,)]), (False, [(2, 5, 4, 6)])):
        model = learner.conv_to_keras(conv(learner, probe, kernel_size=(2, 5), bias=bias)[0])
        assert [weight.shape for weight in model.get_weights()] == shapes, "the kernel is (height, width, C, F)"
        assert_close(model.input_shape, (None, None, None, 4), name="the images that it takes, of any number and size")


def test_conv_to_keras_moves_the_axes_of_the_kernel(learner, probe):
    layer, weights = conv(learner, probe, kernel_size=(2, 5))
    kernel, bias = learner.conv_to_keras(layer).get_weights()
    assert_close(kernel, weights["weight"].permute(2, 3, 1, 0).numpy(), name="the kernel")
    assert_close(bias, weights["bias"].numpy(), name="the bias")


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_conv_to_keras_computes_the_same(learner, probe, case):
    options = CONVOLUTIONS[case]
    layer, weights = conv(learner, probe, **options)
    model = learner.conv_to_keras(layer)
    for spec in ("2 4 9 10", "1 4 12 7"):
        x = probe.tensor(spec)
        assert_close(model(channels_last(x)), convolved(x, weights, options), terms=36, name=f"of images {spec}")


def test_conv_to_keras_keeps_float64(learner, probe):
    (layer, weights), x = conv(learner, probe, "float64", kernel_size=3), probe.tensor("2 4 6 7", dtype="float64")
    assert_close(learner.conv_to_keras(layer)(channels_last(x)), convolved(x, weights, {"kernel_size": 3}))


def test_conv_to_keras_copies(learner, probe):
    (layer, weights), x = conv(learner, probe, kernel_size=2), probe.tensor("2 4 6 7")
    model = learner.conv_to_keras(layer)
    layer.load_state_dict({name: 3.0 * value for name, value in weights.items()})
    expected = convolved(x, weights, {"kernel_size": 2})
    assert_close(model(channels_last(x)), expected, name="the Keras model after the torch layer changed")


@pytest.mark.stage("whole")
def test_conv_to_keras_equals_the_reference(learner, reference, probe):
    options, x = {"kernel_size": (3, 2), "stride": (1, 2), "padding": (2, 1)}, channels_last(probe.tensor("2 4 8 9"))
    weights, results = {"weight": probe.tensor(6, 4, 3, 2), "bias": probe.tensor(6)}, []
    for module in (learner, reference):
        layer, _ = conv(module, probe, **options)
        layer.load_state_dict(weights)
        results.append(module.conv_to_keras(layer)(x))
    assert_close(results[0], results[1], terms=24)


@pytest.mark.stage("robust")
def test_conv_to_keras_refuses_what_keras_does_not_have(learner, probe):
    modes = [{"padding": 1, "padding_mode": mode} for mode in ("reflect", "replicate", "circular")]
    for options in (*modes, {"padding": "same"}, {"padding": "valid"}):
        with pytest.raises(ValueError):
            learner.conv_to_keras(conv(learner, probe, kernel_size=3, **options)[0])


def stack(module, probe, *layers, dtype="float32", last="linear", use_bias=True):
    """A Keras model with other layers between two Dense layers, and the weights of these."""
    keras, (d, m, c) = seeded(module), probe.shape("D M C")
    options = {"use_bias": use_bias, "dtype": dtype}
    dense = [keras.layers.Dense(m, **options), keras.layers.Dense(c, activation=last, **options)]
    model = keras.Sequential([keras.Input((d,), dtype=dtype), dense[0], *layers, dense[1]])
    shapes = [weight.shape for weight in model.get_weights()]
    weights = [probe.tensor(*shape, dtype=dtype) / (np.sqrt(shape[0]) if len(shape) > 1 else 2.0) for shape in shapes]
    model.set_weights([keras_tensor(weight) for weight in weights])
    return model, weights


@pytest.mark.stage("shape")
def test_mlp_to_torch_returns_the_modules_that_were_agreed(learner, probe):
    d, m, c = probe.shape("D M C")
    layers = learner.library("keras").layers
    model = learner.mlp_to_torch(stack(learner, probe, layers.Dropout(0.3), last="tanh")[0])
    assert_close(kinds(learner, model), ["Linear", "Dropout", "Linear", "Tanh"], name="the classes of the modules")
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert_close(shapes, {"0.weight": (m, d), "0.bias": (m,), "2.weight": (c, m), "2.bias": (c,)}, name="the shapes")


def test_mlp_to_torch_computes_the_same(learner, probe):
    for dtype in DTYPES:
        (model, (w, b, v, c)), x = stack(learner, probe, dtype=dtype), probe.tensor("N D", dtype=dtype)
        assert_close(learner.mlp_to_torch(model)(x).detach(), (x @ w + b) @ v + c)


def test_mlp_to_torch_carries_models_without_biases(learner, probe):
    (model, (w, v)), x = stack(learner, probe, use_bias=False), probe.tensor("N D")
    carried = learner.mlp_to_torch(model)
    assert_close(sorted(carried.state_dict()), ["0.weight", "1.weight"], name="the names of the weights")
    assert_close(carried(x).detach(), x @ w @ v)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_mlp_to_torch_carries_activations(learner, probe, activation):
    x = 2.0 * probe.tensor("N D", dtype="float64")
    model, (w, b, v, c) = stack(learner, probe, dtype="float64", last=activation)
    assert_close(learner.mlp_to_torch(model)(x).detach(), ACTIVATIONS[activation]((x @ w + b) @ v + c))


def test_mlp_to_torch_keeps_activations_at_their_layers(learner, probe):
    layers, m, x = learner.library("keras").layers, probe.size("M"), probe.tensor("N D", dtype="float64")
    middle = layers.Dense(m, activation="tanh", dtype="float64")
    model, (w, b, u, a, v, c) = stack(learner, probe, middle, dtype="float64", last="relu")
    expected = torch.relu(torch.tanh((x @ w + b) @ u + a) @ v + c)
    assert_close(learner.mlp_to_torch(model)(x).detach(), expected)


def test_mlp_to_torch_carries_dropout_and_its_rate(learner, probe):
    for rate in (probe.choice([0.15, 0.35, 0.8]), 0.0):
        dropout = learner.library("keras").layers.Dropout(rate)
        carried = learner.mlp_to_torch(stack(learner, probe, dropout)[0])
        assert_close(carried[1].p, rate, name="the rate")
        assert carried.training, "a new module is in training mode"


def test_mlp_to_torch_drops_nothing_in_eval_mode(learner, probe):
    (model, (w, b, v, c)), x = stack(learner, probe, learner.library("keras").layers.Dropout(0.6)), probe.tensor("N D")
    carried = learner.mlp_to_torch(model)
    carried.eval()
    assert_close(carried(x).detach(), (x @ w + b) @ v + c)


def test_mlp_to_torch_copies(learner, probe):
    (model, (w, b, v, c)), x = stack(learner, probe), probe.tensor("N D")
    carried = learner.mlp_to_torch(model)
    model.set_weights([3.0 * keras_tensor(weight) for weight in (w, b, v, c)])
    assert_close(carried(x).detach(), (x @ w + b) @ v + c, name="the torch model after the Keras model changed")


@pytest.mark.stage("whole")
def test_mlp_to_torch_gives_weights_that_can_be_trained(learner, probe):
    carried = learner.mlp_to_torch(stack(learner, probe)[0])
    assert_close([parameter.requires_grad for parameter in carried.parameters()], [True] * 4, name="requires_grad")


@pytest.mark.stage("whole")
def test_mlp_to_torch_equals_the_keras_model_and_the_reference(learner, reference, probe):
    x, results, weights = probe.tensor("N D"), [], None
    for module in (learner, reference):
        layers = module.library("keras").layers
        model, drawn = stack(module, probe, layers.Dense(5, activation="gelu"), layers.Dropout(0.4), last="sigmoid")
        weights = weights or [keras_tensor(weight) for weight in drawn]
        model.set_weights(weights)
        carried = module.mlp_to_torch(model)
        carried.eval()
        results += [carried(x).detach(), torch.from_numpy(model(keras_tensor(x)).numpy())]
    assert_close(results[0], results[2], name="the result, beside the reference")
    assert_close(results[0], results[1], name="the result, beside the Keras model")


@pytest.mark.stage("robust")
def test_mlp_to_torch_refuses_what_it_cannot_carry(learner, probe):
    keras = learner.library("keras")
    own = made(learner, "lambda z: z * z")
    for layer in (
        keras.layers.BatchNormalization(),
        keras.layers.GaussianNoise(0.3),
        keras.layers.Activation("tanh"),
        keras.layers.Dense(3, activation="softmax"),
        keras.layers.Dense(3, activation="softplus"),
        keras.layers.Dense(3, own),
    ):
        with pytest.raises(ValueError):
            learner.mlp_to_torch(stack(learner, probe, layer)[0])
