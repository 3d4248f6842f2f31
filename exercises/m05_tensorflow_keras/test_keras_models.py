"""Public checks of m05_tensorflow_keras/keras_models: run `pytest exercises/m05_tensorflow_keras/test_keras_models.py`."""

import numpy as np
import pytest
import tensorflow as tf

from autograder.testing import assert_close, assert_shape

TOWERS = ("left", "right", "merge", "head")


def tensor(values):
    return tf.constant(values, tf.float32)


def load(model, *weights):
    """The model, or the layer, with these weights."""
    model.set_weights([tensor(weight) for weight in weights])
    return model


@pytest.mark.stage("shape")
def test_sequential_classifier_has_a_layer_for_every_width(learner):
    for hidden, dropout, layers in (([], 0.0, 1), ([5, 3], 0.0, 3), ([5, 3], 0.4, 5)):
        model = learner.sequential_classifier(4, hidden, 2, dropout=dropout)
        sizes = [4, *hidden, 2]
        shapes = [shape for ins, outs in zip(sizes, sizes[1:], strict=False) for shape in ((ins, outs), (outs,))]
        assert [weight.shape for weight in model.get_weights()] == shapes, "a kernel and a bias for every layer"
        assert len(model.layers) == layers, "Dense layers, and a Dropout for each hidden one"


@pytest.mark.stage("shape")
def test_sequential_classifier_gives_a_score_for_every_class(learner, probe):
    d, c = probe.shape("D C")
    model = learner.sequential_classifier(d, [probe.size("M")], c)
    assert_shape(model(tensor(probe.normal("N D"))), probe.shape("N C"), tf.float32)


def test_sequential_classifier_of_a_case_computed_by_hand(learner):
    model = learner.sequential_classifier(1, [2], 2, activation="relu")
    load(model, [[1.0, -1.0]], [0.0, 0.5], [[2.0, -3.0], [0.0, 1.0]], [-1.0, 0.0])
    assert_close(model(tensor([[3.0], [-1.0]])), tensor([[5.0, -9.0], [-1.0, 1.5]]))


def test_sequential_classifier_takes_other_activations(learner):
    model = load(learner.sequential_classifier(1, [1], 1, activation="tanh"), [[1.0]], [0.0], [[3.0]], [0.0])
    assert_close(model(tensor([[0.7]])), tensor([[3.0 * np.tanh(0.7)]]))


def test_sequential_classifier_drops_hidden_units_in_training_only(learner):
    model = learner.sequential_classifier(1, [25], 25, dropout=0.2)
    load(model, np.ones((1, 25)), np.zeros(25), np.eye(25), np.ones(25))  # an output is what came of a hidden 1, plus 1
    x = tf.ones((200, 1))
    assert_close(model(x, training=False), tf.fill((200, 25), 2.0), name="in inference")
    y = model(x, training=True).numpy() - 1.0
    kept = y > 0.1
    assert_close(y, np.where(kept, 1.25, 0.0).astype(np.float32), name="in training")
    assert 0.75 < kept.mean() < 0.85, "a fifth is dropped"
    assert not kept.all(axis=1).any() or kept.any(axis=1).all(), "units are dropped one by one"


@pytest.mark.stage("shape")
def test_functional_two_tower_has_the_layers_that_were_agreed(learner):
    model = learner.functional_two_tower(2, 3, 5, 4)
    shapes = {name: [weight.shape for weight in model.get_layer(name).get_weights()] for name in TOWERS}
    wanted = {"left": (2, 5), "right": (3, 5), "merge": (10, 5), "head": (5, 4)}
    assert shapes == {name: [shape, shape[1:]] for name, shape in wanted.items()}, "kernels and biases"


def two_tower(learner, merge):
    """Both towers let their one number pass; the head doubles."""
    model = learner.functional_two_tower(1, 1, 1, 1)
    for name, kernel in (("left", [[1.0]]), ("right", [[1.0]]), ("merge", merge), ("head", [[2.0]])):
        load(model.get_layer(name), kernel, [0.0])
    return model


def test_functional_two_tower_adds_the_towers_to_the_merge(learner):
    inputs = [tensor([[3.0], [-1.0]]), tensor([[4.0], [5.0]])]
    got = two_tower(learner, [[10.0], [-1.0]])(inputs)
    assert_close(got, tensor([[2.0 * (3.0 + 4.0 + 26.0)], [2.0 * (0.0 + 5.0 + 0.0)]]))


def test_functional_two_tower_with_a_silent_merge_is_the_sum_of_the_towers(learner):
    inputs = [tensor([[3.0], [-1.0]]), tensor([[4.0], [-5.0]])]
    assert_close(two_tower(learner, [[0.0], [0.0]])(inputs), tensor([[14.0], [0.0]]))


def test_functional_two_tower_scores_may_be_negative(learner):
    model = two_tower(learner, [[0.0], [0.0]])
    load(model.get_layer("head"), [[-2.0]], [0.0])
    assert_close(model([tensor([[3.0]]), tensor([[4.0]])]), tensor([[-14.0]]))


@pytest.mark.stage("shape")
def test_count_parameters_of_two_layers(learner):
    keras = learner.library("keras")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(2, use_bias=False)])
    assert_close(learner.count_parameters(model), (3 * 4 + 4 + 4 * 2, 0))


def test_count_parameters_tells_what_is_learned_from_what_is_kept(learner):
    keras = learner.library("keras")
    layers = [keras.layers.Dense(5, trainable=False), keras.layers.BatchNormalization(), keras.layers.Dropout(0.3)]
    model = keras.Sequential([keras.Input((2,)), *layers, keras.layers.Dense(1)])
    assert_close(learner.count_parameters(model), (10 + 6, 15 + 10))


@pytest.mark.stage("robust")
def test_count_parameters_refuses_a_model_that_is_not_built(learner):
    keras = learner.library("keras")
    with pytest.raises(ValueError):
        learner.count_parameters(keras.Sequential([keras.layers.Dense(3)]))
