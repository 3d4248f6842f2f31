"""Everything by the functional API; activations as layers of their own where that is the same; sizes added up in NumPy."""

import keras
import numpy as np


def sequential_classifier(features, hidden, classes, *, activation="relu", dropout=0.0):
    layers = [keras.layers.InputLayer(shape=(features,))]
    for units in hidden:
        layers.append(keras.layers.Dense(units=units, activation=keras.activations.get(activation)))
        if dropout > 0:
            layers.append(keras.layers.Dropout(rate=dropout))
    layers.append(keras.layers.Dense(units=classes, activation="linear"))
    return keras.Sequential(layers, name="classifier")


def functional_two_tower(left, right, width, classes):
    x, y = keras.Input(shape=(left,), name="x"), keras.Input(shape=(right,), name="y")
    towers = [
        keras.activations.relu(keras.layers.Dense(width, name="left")(x)),
        keras.activations.relu(keras.layers.Dense(width, name="right")(y)),
    ]
    merged = keras.ops.relu(keras.layers.Dense(width, name="merge")(keras.ops.concatenate(towers, axis=-1)))
    scores = keras.layers.Dense(classes, name="head")(towers[0] + towers[1] + merged)
    return keras.Model(inputs=(x, y), outputs=scores)


def count_parameters(model):
    if not model.built:
        raise ValueError("not built")
    learned = {id(weight) for weight in model.trainable_weights}
    counts = [0, 0]
    for weight in model.weights:
        counts[id(weight) not in learned] += int(np.size(weight.numpy()))
    return tuple(counts)
