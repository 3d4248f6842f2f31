"""Keras models, stacked and branched, and the number of their parameters.

Letters: N rows, D and E features, M hidden units, C classes.
"""

import math
from collections.abc import Sequence

import keras


def sequential_classifier(
    features: int, hidden: Sequence[int], classes: int, *, activation: str = "relu", dropout: float = 0.0
) -> keras.Sequential:
    """A stack of fully connected layers that turns N rows of features, (N, D), into N rows of class scores, (N, C).

    For every width in `hidden` a `keras.layers.Dense` with the activation and, if `dropout` is not zero, a
    `keras.layers.Dropout` after it; at the end a Dense layer of the classes without activation: its scores are
    logits. All layers have biases and Keras' own initial values. The model knows its input shape, so that it has its
    weights at once.

    Args:
        features: the number of features of a row, D.
        hidden: the widths of the hidden layers, in order; may be empty.
        classes: the number of classes, C.
        activation: of the hidden layers, by its Keras name.
        dropout: the share of hidden units that is dropped in training, in [0, 1).

    Returns:
        The model, not compiled.

    Reference:
        Chollet, Deep Learning with Python (2021), section 7.2.1: the Sequential model.

    Example:
        >>> model = sequential_classifier(4, [8, 3], 2, dropout=0.5)
        >>> [tuple(weight.shape) for weight in model.weights]
        [(4, 8), (8,), (8, 3), (3,), (3, 2), (2,)]
        >>> len(model.layers)
        5
    """
    raise NotImplementedError


def functional_two_tower(left: int, right: int, width: int, classes: int) -> keras.Model:
    """Two towers that read an input each, meet, and skip what comes between the towers and the head.

    With a from the left input and b from the right one, both of width M, and [a, b] the two side by side:

        a = relu(left tower)    b = relu(right tower)    m = relu(merge of [a, b])    scores = head of (a + b + m)

    Four `keras.layers.Dense` layers with biases, which have to have these names; the merge and the two towers end in a ReLU, the
    head in nothing. The kernel of a Dense layer is (inputs, outputs):

        left (D, M)    right (E, M)    merge (2M, M)    head (M, C)

    Args:
        left: the number of features of the left input, D.
        right: the number of features of the right input, E.
        width: the width of both towers and of the merge, M.
        classes: the number of class scores, C.

    Returns:
        A model of the inputs [left, right], of shapes (N, D) and (N, E), with scores (N, C). Call it with a list of two.

    Reference:
        He et al., Deep Residual Learning for Image Recognition (2016), section 3.2, for the skip connection;
        Chollet, Deep Learning with Python (2021), section 7.2.2, for the Functional API.

    Example:
        >>> model = functional_two_tower(left=2, right=3, width=5, classes=4)
        >>> [tuple(weight.shape) for weight in model.get_layer("merge").weights]
        [(10, 5), (5,)]
        >>> model.output_shape
        (None, 4)
    """
    raise NotImplementedError


def count_parameters(model: keras.Model) -> tuple[int, int]:
    """How many numbers a model learns, and how many it keeps besides.

    Numbers are counted where the model is built of several layers, of layers inside layers, and of a layer used twice
    (once, since it has one set of weights). A frozen layer's weights are kept, not learned, and so are the running means
    and variances of a batch normalization. The state of a random generator, which a Dropout layer keeps, is no
    parameter. Write it without the model's `count_params`.

    Args:
        model: a built Keras model.

    Returns:
        The tuple (learned, kept) of two ints.

    Raises:
        ValueError: the model is not built, so that nobody knows yet.

    Reference:
        Keras API documentation, The base Layer class: weights, trainable_weights, non_trainable_weights.

    Example:
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.BatchNormalization()])
        >>> count_parameters(model)
        (24, 8)
    """
    raise NotImplementedError
