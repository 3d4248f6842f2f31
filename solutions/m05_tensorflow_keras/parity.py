"""Weights carried between PyTorch and Keras: the same numbers in another order, and the same outputs.

What differs: PyTorch keeps the weight of a linear layer as (outputs, inputs) and images as (N, C, Y, X); Keras keeps the
kernel as (inputs, outputs) and images as (N, Y, X, C).

Letters: N rows, D inputs, M outputs, C channels, F filters, Y and X height and width of an image.
"""

import keras
import numpy as np
import torch


def _array(weight: torch.Tensor) -> np.ndarray:
    """The numbers of a parameter."""
    return weight.detach().cpu().numpy()


def _dtype(weight: torch.Tensor) -> str:
    """What both libraries call the dtype of a parameter: "float32"."""
    return str(weight.dtype).removeprefix("torch.")


def linear_to_keras(linear: torch.nn.Linear) -> keras.layers.Dense:
    """A Keras layer that computes what a PyTorch layer computes.

    Args:
        linear: from D inputs to M outputs, with or without a bias, in float32 or float64.

    Returns:
        A built `keras.layers.Dense` of the same dtype, without a bias if the other has none. The weights are copies.

    Reference:
        PyTorch documentation, torch.nn.Linear; Keras API documentation, Dense layer: the shapes of their weights.

    Example:
        >>> linear = torch.nn.Linear(3, 2)
        >>> kernel, bias = linear_to_keras(linear).get_weights()
        >>> kernel.shape, bool((kernel[2, 1] == linear.weight[1, 2].item()))
        ((3, 2), True)
    """
    # BEGIN SOLUTION
    has_bias = linear.bias is not None
    layer = keras.layers.Dense(linear.out_features, use_bias=has_bias, dtype=_dtype(linear.weight))
    layer.build((None, linear.in_features))
    layer.set_weights([_array(linear.weight).T, *([_array(linear.bias)] if has_bias else [])])  # (D, M), (M,)
    return layer
    # END SOLUTION


def conv_to_keras(conv: torch.nn.Conv2d) -> keras.Sequential:
    """A Keras model that computes what a PyTorch convolution computes, on images with their channels last.

    PyTorch keeps the kernel as (F, C / groups, height, width), Keras as (height, width, C / groups, F). PyTorch pads each
    side by the number that it is given. Keras' padding="same" pads by what comes out even, with a stride often less on
    one side than on the other, and cannot stand in for it: pad with a `keras.layers.ZeroPadding2D`.

    Args:
        conv: float32 or float64, with or without a bias, with any padding in numbers, stride or dilation (Keras has not
            both at once) and groups. Numbers may differ between the two directions.

    Returns:
        A built model from (N, Y, X, C) to (N, Y', X', F), for images of any size, of the same dtype.

    Raises:
        ValueError: it pads with anything but zeros (`padding_mode`), or by a word ("same", "valid") instead of numbers.

    Reference:
        Dumoulin & Visin, A Guide to Convolution Arithmetic for Deep Learning (2016), sections 2 and 5.1.

    Example:
        >>> model = conv_to_keras(torch.nn.Conv2d(3, 5, kernel_size=(2, 4), stride=2, padding=1))
        >>> [weight.shape for weight in model.get_weights()], model.compute_output_shape((1, 8, 8, 3))
        ([(2, 4, 3, 5), (5,)], (1, 5, 4, 5))
    """
    # BEGIN SOLUTION
    if conv.padding_mode != "zeros" or isinstance(conv.padding, str):
        raise ValueError("only padding with zeros, by numbers, can be carried over")
    dtype, has_bias = _dtype(conv.weight), conv.bias is not None
    options = {"dilation_rate": conv.dilation, "groups": conv.groups, "use_bias": has_bias, "dtype": dtype}
    image = keras.Input((None, None, conv.in_channels), dtype=dtype)  # (N, Y, X, C)
    padding = keras.layers.ZeroPadding2D(conv.padding, dtype=dtype)
    layer = keras.layers.Conv2D(conv.out_channels, conv.kernel_size, conv.stride, **options)
    model = keras.Sequential([image, padding, layer])
    kernel = _array(conv.weight).transpose(2, 3, 1, 0)  # (height, width, C / groups, F)
    model.set_weights([kernel, *([_array(conv.bias)] if has_bias else [])])  # and (F,)
    return model
    # END SOLUTION


def mlp_to_torch(model: keras.Sequential) -> torch.nn.Sequential:
    """A PyTorch model that computes what a stack of Dense layers computes.

    Each Dense layer becomes a `torch.nn.Linear` and, unless its activation is "linear", a module for the activation:
    "relu", "tanh", "sigmoid", "gelu" or "leaky_relu" (of slope 0.2 below zero in Keras). Each Dropout layer becomes a
    `torch.nn.Dropout` of the same rate.

    Args:
        model: a built stack of `keras.layers.Dense` and `keras.layers.Dropout`, float32 or float64.

    Returns:
        A `torch.nn.Sequential` of the same dtype, in training mode as every new module.

    Raises:
        ValueError: there is another kind of layer, or another activation.

    Reference:
        PyTorch documentation, torch.nn.Linear and torch.nn.LeakyReLU; Keras API documentation, Layer activations.

    Example:
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, activation="tanh"), keras.layers.Dense(2)])
        >>> mlp_to_torch(model)
        Sequential(
          (0): Linear(in_features=3, out_features=4, bias=True)
          (1): Tanh()
          (2): Linear(in_features=4, out_features=2, bias=True)
        )
    """
    # BEGIN SOLUTION
    act, nn, modules = keras.activations, torch.nn, []
    known = {act.linear: None, act.relu: nn.ReLU(), act.leaky_relu: nn.LeakyReLU(0.2)}
    known |= {act.tanh: nn.Tanh(), act.sigmoid: nn.Sigmoid(), act.gelu: nn.GELU()}
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dropout):
            modules.append(nn.Dropout(layer.rate))
        elif isinstance(layer, keras.layers.Dense) and layer.activation in known:
            kernel, *bias = map(torch.from_numpy, layer.get_weights())  # (D, M), (M,)
            linear = nn.Linear(*kernel.shape, bias=bool(bias), dtype=kernel.dtype)
            linear.load_state_dict({"weight": kernel.T} | ({"bias": bias[0]} if bias else {}))  # (M, D), (M,)
            modules += [linear, known[layer.activation]] if known[layer.activation] else [linear]
        else:
            raise ValueError(f"{layer.name} cannot be carried over")
    return nn.Sequential(*modules)
    # END SOLUTION
