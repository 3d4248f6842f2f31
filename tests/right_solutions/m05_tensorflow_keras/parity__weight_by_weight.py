"""Layers that are called before their weights are assigned, a padding of pairs, and modules collected by name."""

import keras
import numpy as np
import torch


def linear_to_keras(linear):
    dtype = {torch.float32: "float32", torch.float64: "float64"}[linear.weight.dtype]
    layer = keras.layers.Dense(units=linear.out_features, use_bias=linear.bias is not None, dtype=dtype)
    layer(np.zeros((1, linear.in_features), dtype))
    layer.kernel.assign(np.einsum("md->dm", linear.weight.detach().numpy()))
    if linear.bias is not None:
        layer.bias.assign(linear.bias.detach().numpy())
    return layer


def conv_to_keras(conv):
    if not isinstance(conv.padding, tuple) or conv.padding_mode != "zeros":
        raise ValueError("this padding cannot be carried over")
    dtype = str(conv.weight.dtype).split(".")[1]
    above, beside = conv.padding
    x = keras.Input((None, None, conv.in_channels), dtype=dtype)
    padded = keras.layers.ZeroPadding2D(((above, above), (beside, beside)), dtype=dtype)(x)
    layer = keras.layers.Conv2D(
        filters=conv.out_channels,
        kernel_size=conv.kernel_size,
        strides=conv.stride,
        padding="valid",
        dilation_rate=conv.dilation,
        groups=conv.groups,
        use_bias=conv.bias is not None,
        dtype=dtype,
    )
    model = keras.Model(x, layer(padded))
    layer.kernel.assign(np.moveaxis(conv.weight.detach().numpy(), (0, 1), (3, 2)))
    if conv.bias is not None:
        layer.bias.assign(conv.bias.detach().numpy())
    return model


MODULES = {
    "relu": torch.nn.ReLU,
    "tanh": torch.nn.Tanh,
    "sigmoid": torch.nn.Sigmoid,
    "gelu": torch.nn.GELU,
    "leaky_relu": lambda: torch.nn.LeakyReLU(negative_slope=0.2),
}


def mlp_to_torch(model):
    result = torch.nn.Sequential()
    for layer in model.layers:
        match layer:
            case keras.layers.Dropout():
                result.append(torch.nn.Dropout(p=layer.rate))
            case keras.layers.Dense():
                weights = [torch.tensor(weight) for weight in layer.get_weights()]
                inputs, outputs = weights[0].shape
                linear = torch.nn.Linear(inputs, outputs, bias=len(weights) == 2).to(weights[0].dtype)
                with torch.no_grad():
                    linear.weight.copy_(weights[0].T)
                    if linear.bias is not None:
                        linear.bias.copy_(weights[1])
                result.append(linear)
                name = getattr(layer.activation, "__name__", "")
                if name in MODULES:
                    result.append(MODULES[name]())
                elif name != "linear":
                    raise ValueError(f"the activation {name}")
            case _:
                raise ValueError(f"the layer {layer}")
    return result
