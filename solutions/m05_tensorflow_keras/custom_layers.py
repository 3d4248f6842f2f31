"""A Keras layer from scratch, a layer around a layer, and a loss.

Letters: N rows, D inputs, M units.
"""

from collections.abc import Callable

import keras
import tensorflow as tf
from jaxtyping import Float


class Dense(keras.layers.Layer):
    """A fully connected layer, activation(x · kernel + bias), that learns how wide its input is when it first meets one.

    Its weights, in this order, are `kernel` (D, units), drawn by Keras' "glorot_uniform" initializer, and `bias`
    (units,), zeros. Both are made in `build` by `self.add_weight`, so that they exist after `layer.build((None, D))`,
    and are attributes of these names. Without a bias there is a kernel alone, and the attribute `bias` is None. Write it
    without `keras.layers.Dense`.

    Args:
        units: the number of outputs.
        activation: the name of a Keras activation, or the function itself; None for none.
        use_bias: whether there is a bias.
        **options: what every Keras layer takes, such as `name` and `dtype`; passed on.

    Reference:
        Chollet, Deep Learning with Python (2021), section 3.6.1: layers;
        Glorot & Bengio, Understanding the Difficulty of Training Deep Feedforward Neural Networks (2010), equation 16.

    Example:
        >>> layer = Dense(2, activation="relu", name="mine")
        >>> layer.build((None, 3))
        >>> layer.set_weights([tf.constant([[1.0, -1.0], [2.0, 0.0], [0.0, 0.0]]), tf.constant([0.5, 0.5])])
        >>> layer(tf.constant([[1.0, 2.0, 3.0]])).numpy().tolist()
        [[5.5, 0.0]]
        >>> Dense.from_config(layer.get_config()).name
        'mine'
    """

    def __init__(
        self, units: int, activation: str | Callable | None = None, *, use_bias: bool = True, **options: object
    ):
        # BEGIN SOLUTION
        super().__init__(**options)
        self.units, self.use_bias = units, use_bias
        self.activation = keras.activations.get(activation)
        # END SOLUTION

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights, for inputs of this shape, (..., D). Keras calls it once, before the first call."""
        # BEGIN SOLUTION
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], self.units), initializer="glorot_uniform")
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")
        # END SOLUTION

    def call(self, x: Float[tf.Tensor, "*lead D"]) -> Float[tf.Tensor, "*lead M"]:
        """The outputs, (..., units), for inputs with any number of leading axes, one or more."""
        # BEGIN SOLUTION
        y = tf.matmul(x, self.kernel)  # (..., M)
        return self.activation(y if self.bias is None else y + self.bias)  # (..., M)
        # END SOLUTION

    def get_config(self) -> dict:
        """All arguments of `__init__` by name, those of every layer among them, with the activation as Keras writes it down."""
        # BEGIN SOLUTION
        activation = keras.activations.serialize(self.activation)
        return {**super().get_config(), "units": self.units, "activation": activation, "use_bias": self.use_bias}
        # END SOLUTION


class Residual(keras.layers.Layer):
    """Another layer with a skip connection round it: y = x + scale · inner(x).

    The weights are those of the inner layer, and they exist after `layer.build(shape)`; an inner layer that was built
    before keeps those that it has. In training the inner layer is in training too. It has to keep the shape:
    broadcasting would hide that it does not.

    Args:
        inner: a Keras layer or model.
        scale: what the inner layer's output is multiplied by.
        **options: what every Keras layer takes; passed on.

    Raises:
        ValueError: (by `build`) the inner layer would change the shape.

    Reference:
        He et al., Deep Residual Learning for Image Recognition (2016), equation 1.

    Example:
        >>> layer = Residual(keras.layers.Dense(2, kernel_initializer="ones"), scale=0.5)
        >>> layer(tf.constant([[2.0, 4.0]])).numpy().tolist()
        [[5.0, 7.0]]
    """

    def __init__(self, inner: keras.layers.Layer, *, scale: float = 1.0, **options: object):
        # BEGIN SOLUTION
        super().__init__(**options)
        self.inner, self.scale = inner, scale
        # END SOLUTION

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Build the inner layer, unless it is, for inputs of this shape, after a look at the shape of its outputs."""
        # BEGIN SOLUTION
        if tuple(self.inner.compute_output_shape(input_shape)) != tuple(input_shape):
            raise ValueError(f"{self.inner.name} does not keep the shape {input_shape}")
        if not self.inner.built:
            self.inner.build(input_shape)
        # END SOLUTION

    def call(self, x: Float[tf.Tensor, "*lead D"], training: bool | None = None) -> Float[tf.Tensor, "*lead D"]:
        """The sum, of the shape of x."""
        # BEGIN SOLUTION
        return x + self.scale * self.inner(x, training=training)  # (..., D)
        # END SOLUTION

    def get_config(self) -> dict:
        """All arguments of `__init__` by name, the inner layer as `keras.saving.serialize_keras_object` writes it down."""
        # BEGIN SOLUTION
        inner = keras.saving.serialize_keras_object(self.inner)
        return {**super().get_config(), "inner": inner, "scale": self.scale}
        # END SOLUTION

    @classmethod
    def from_config(cls, config: dict) -> "Residual":
        """A layer like the one that gave this config, with an inner layer of its own and new weights."""
        # BEGIN SOLUTION
        inner = keras.saving.deserialize_keras_object(config["inner"])
        return cls(**{**config, "inner": inner})
        # END SOLUTION


def huber_loss(
    y_true: Float[tf.Tensor, "*lead D"], y_pred: Float[tf.Tensor, "*lead D"], delta: float = 1.0
) -> Float[tf.Tensor, "*lead"]:
    """Squared error where a prediction is near, absolute error where it is far, averaged over the last axis.

    With e = |y_pred - y_true| an entry costs ½·e² up to delta and delta·(e - ½·delta) beyond: at delta the two agree, in
    value and in slope. Write it without `keras.losses`.

    Args:
        y_true: the targets, (..., D), of any number dtype: labels are often ints.
        y_pred: the predictions, (..., D), of float32 or float64.
        delta: where the square ends, positive.

    Returns:
        One loss for every row, (...), in the dtype of the predictions.

    Reference:
        Huber, Robust Estimation of a Location Parameter (1964), section 3.

    Example:
        >>> huber_loss(tf.constant([[0, 0], [1, 1]]), tf.constant([[1.0, 4.0], [1.0, 3.0]]), delta=2.0).numpy().tolist()
        [3.25, 1.0]
    """
    # BEGIN SOLUTION
    error = tf.abs(y_pred - tf.cast(y_true, y_pred.dtype))  # (..., D)
    near = tf.minimum(error, delta)  # (..., D)
    return tf.reduce_mean(0.5 * near**2 + delta * (error - near), axis=-1)  # (...)
    # END SOLUTION
