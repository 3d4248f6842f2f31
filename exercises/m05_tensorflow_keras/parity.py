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
    raise NotImplementedError


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
    raise NotImplementedError


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
    raise NotImplementedError
