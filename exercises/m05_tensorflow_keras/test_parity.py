"""Public checks of m05_tensorflow_keras/parity: run `pytest exercises/m05_tensorflow_keras/test_parity.py`."""

import math

import pytest
import tensorflow as tf
import torch

from autograder.testing import assert_close

ACTIVATIONS = {
    "linear": lambda z: z,
    "tanh": torch.tanh,
    "gelu": lambda z: 0.5 * z * (1.0 + torch.erf(z / math.sqrt(2.0))),
    "leaky_relu": lambda z: torch.where(z > 0, z, 0.2 * z),
}


def keras_tensor(values):
    """Values of a torch tensor, in the other library."""
    return tf.constant(values.detach().numpy())


def torch_layer(layer, probe, dtype="float32"):
    """The layer with random weights, and these."""
    weights = {name: probe.tensor(*value.shape, dtype=dtype) for name, value in layer.state_dict().items()}
    layer.to(getattr(torch, dtype))
    layer.load_state_dict(weights)
    return layer, weights


@pytest.mark.stage("shape")
def test_linear_to_keras_keeps_kernels_as_inputs_by_outputs(learner):
    torch_ = learner.library("torch")
    for bias, shapes in ((True, [(3, 2), (2,)]), (False, [(3, 2)])):
        layer = learner.linear_to_keras(torch_.nn.Linear(3, 2, bias=bias))
        assert [weight.shape for weight in layer.get_weights()] == shapes, "the kernel, and the bias if there is one"


def test_linear_to_keras_computes_the_same(learner, probe):
    for dtype in ("float32", "float64"):
        layer, weights = torch_layer(learner.library("torch").nn.Linear(*probe.shape("D M")), probe, dtype)
        x = probe.tensor("N D", dtype=dtype)
        expected = keras_tensor(torch.nn.functional.linear(x, **weights))
        assert_close(learner.linear_to_keras(layer)(keras_tensor(x)), expected)


@pytest.mark.stage("shape")
def test_conv_to_keras_keeps_kernels_with_the_filters_last(learner):
    model = learner.conv_to_keras(learner.library("torch").nn.Conv2d(3, 5, kernel_size=(2, 4)))
    assert [weight.shape for weight in model.get_weights()] == [(2, 4, 3, 5), (5,)], "height, width, channels, filters"


@pytest.mark.parametrize(
    "options",
    [{}, {"padding": (1, 2)}, {"stride": 2, "padding": 1}, {"dilation": 2}, {"groups": 2, "bias": False}],
    ids=["plain", "padded", "in strides", "dilated", "in groups"],
)
def test_conv_to_keras_computes_the_same(learner, probe, options):
    layer, weights = torch_layer(learner.library("torch").nn.Conv2d(4, 6, kernel_size=(3, 2), **options), probe)
    x = probe.tensor("2 4 8 9")
    given = {name: value for name, value in options.items() if name != "bias"}
    y = torch.nn.functional.conv2d(x, weights["weight"], weights.get("bias"), **given)
    got = learner.conv_to_keras(layer)(keras_tensor(x.permute(0, 2, 3, 1)))
    assert_close(got, keras_tensor(y.permute(0, 2, 3, 1)), terms=24)


@pytest.mark.stage("robust")
def test_conv_to_keras_refuses_what_keras_does_not_have(learner):
    for options in ({"padding": 1, "padding_mode": "reflect"}, {"padding": "same"}):
        with pytest.raises(ValueError):
            learner.conv_to_keras(learner.library("torch").nn.Conv2d(2, 2, 3, **options))


def stack(learner, probe, *layers, activation="linear", dtype="float64"):
    """A Keras model of one Dense layer behind other layers, and its weights."""
    keras = learner.library("keras")
    dense = keras.layers.Dense(probe.size("M"), activation=activation, dtype=dtype)
    model = keras.Sequential([keras.Input(probe.shape("D"), dtype=dtype), *layers, dense])
    weights = [probe.tensor("D M", dtype=dtype), probe.tensor("M", dtype=dtype)]
    dense.set_weights([keras_tensor(weight) for weight in weights])
    return model, weights


@pytest.mark.stage("shape")
def test_mlp_to_torch_has_the_modules_that_were_agreed(learner, probe):
    dropout = learner.library("keras").layers.Dropout(0.3, dtype="float64")
    carried = learner.mlp_to_torch(stack(learner, probe, dropout, activation="relu")[0])
    kinds = learner.library("builtins").eval("lambda model: [type(part).__name__ for part in model]")
    assert_close(kinds(carried), ["Dropout", "Linear", "ReLU"], name="the modules")
    assert_close(carried[0].p, 0.3, name="the rate of the dropout")


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_mlp_to_torch_computes_the_same(learner, probe, activation):
    model, (kernel, bias) = stack(learner, probe, activation=activation)
    x = probe.tensor("N D", dtype="float64")
    assert_close(learner.mlp_to_torch(model)(x).detach(), ACTIVATIONS[activation](x @ kernel + bias))


@pytest.mark.stage("robust")
def test_mlp_to_torch_refuses_what_it_cannot_carry(learner, probe):
    layers = learner.library("keras").layers
    for model, _ in (stack(learner, probe, activation="softplus"), stack(learner, probe, layers.LayerNormalization())):
        with pytest.raises(ValueError):
            learner.mlp_to_torch(model)
