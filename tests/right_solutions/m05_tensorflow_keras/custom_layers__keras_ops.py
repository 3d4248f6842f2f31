"""With keras.ops, so that any backend would do; loops over configs; the Huber loss by cases."""

import keras
import tensorflow as tf


class Dense(keras.Layer):
    def __init__(self, units, activation=None, *, use_bias=True, **options):
        super().__init__(**options)
        self.units = units
        self.use_bias = use_bias
        self.activation = activation if callable(activation) else keras.activations.get(activation)
        self.bias = None

    def build(self, input_shape):
        glorot = keras.initializers.GlorotUniform()
        self.kernel = self.add_weight((input_shape[-1], self.units), glorot, name="kernel")
        if self.use_bias:
            self.bias = self.add_weight((self.units,), keras.initializers.Zeros(), name="bias")

    def call(self, x):
        y = keras.ops.einsum("...d,dm->...m", x, self.kernel)
        if self.bias is not None:
            y = keras.ops.add(y, self.bias)
        return self.activation(y)

    def get_config(self):
        config = super().get_config()
        config.update(units=self.units, use_bias=self.use_bias)
        config["activation"] = keras.activations.serialize(self.activation)
        return config


class Residual(keras.Layer):
    def __init__(self, inner, *, scale=1.0, **options):
        super().__init__(**options)
        self.inner = inner
        self.scale = scale

    def build(self, input_shape):
        symbol = keras.KerasTensor(input_shape)
        if self.inner.compute_output_spec(symbol).shape != symbol.shape:
            raise ValueError("the inner layer changes the shape")
        if not self.inner.built:
            self.inner.build(input_shape)

    def call(self, x, training=None):
        return keras.ops.add(x, keras.ops.multiply(self.inner(x, training=training), self.scale))

    def get_config(self):
        config = super().get_config()
        config["inner"] = keras.layers.serialize(self.inner)
        config["scale"] = self.scale
        return config

    @classmethod
    def from_config(cls, config):
        rest = {name: value for name, value in config.items() if name != "inner"}
        return cls(keras.layers.deserialize(config["inner"]), **rest)


def huber_loss(y_true, y_pred, delta=1.0):
    delta = tf.cast(delta, y_pred.dtype)
    size = tf.abs(tf.cast(y_true, y_pred.dtype) - y_pred)
    each = tf.where(size <= delta, size * size / 2, delta * size - delta * delta / 2)
    return tf.math.divide(tf.reduce_sum(each, -1), tf.cast(tf.shape(each)[-1], each.dtype))
