"""Public checks of m05_tensorflow_keras/export: run `pytest exercises/m05_tensorflow_keras/test_export.py`."""

import numpy as np
import pytest
import tensorflow as tf

from autograder.testing import assert_close

MEAN, SCALE = np.array([10.0, -20.0]), np.array([2.0, 5.0])
KERNEL = [
    [np.log(3.0), 0.0],
    [0.0, 0.0],
]  # odds of 3 : 1 for class 0, one deviation above the mean of the first feature


def tensor(values):
    return tf.constant(values, tf.float32)


def classifier(learner, *before):
    """A linear classifier of two features with the kernel above."""
    keras = learner.library("keras")
    head = keras.layers.Dense(2, use_bias=False)
    model = keras.Sequential([keras.Input((2,)), *before, head])
    head.set_weights([tensor(KERNEL)])
    return model


def served(learner, path):
    return learner.library("tensorflow").saved_model.load(str(path)).signatures["serving_default"]


def run(learner, flatbuffer, x):
    """A TFLite model's outputs."""
    runner = learner.library("tensorflow").lite.Interpreter(model_content=flatbuffer).get_signature_runner()
    (name,) = runner.get_input_details()
    return runner(**{name: x.astype(np.float32)})


@pytest.mark.stage("shape")
def test_export_saved_model_names_its_input_and_its_outputs(learner, scratch):
    learner.export_saved_model(classifier(learner), str(scratch / "model"), MEAN, SCALE)
    serve = served(learner, scratch / "model")
    assert sorted(serve.structured_input_signature[1]) == ["features"], "the input"
    assert sorted(serve.structured_outputs) == ["label", "probabilities"], "the outputs"


def test_export_saved_model_serves_raw_features(learner, scratch):
    learner.export_saved_model(classifier(learner), str(scratch / "model"), MEAN, SCALE)
    serve = served(learner, scratch / "model")
    got = serve(features=tensor([[12.0, 7.0], [8.0, -20.0], [14.0, 0.0]]))  # 1, -1 and 2 deviations from the mean
    probabilities = tensor([[0.75, 0.25], [0.25, 0.75], [0.9, 0.1]])
    assert_close(got, {"label": tf.constant([0, 1, 0], tf.int64), "probabilities": probabilities})
    assert_close(serve(features=tensor([[8.0, 0.0]]))["label"], tf.constant([1], tf.int64), name="the label of one row")


def test_export_saved_model_saves_the_model_in_inference(learner, scratch):
    model = classifier(learner, learner.library("keras").layers.Dropout(0.9))
    learner.export_saved_model(model, str(scratch / "model"), MEAN, SCALE)
    got = served(learner, scratch / "model")(features=tensor([[12.0, 7.0]] * 20))
    assert_close(got["probabilities"], tensor([[0.75, 0.25]] * 20))


def wide(learner, probe):
    """A model with enough weights for a converter to quantize."""
    keras = learner.library("keras")
    model = keras.Sequential([keras.Input((48,)), keras.layers.Dense(64, activation="relu"), keras.layers.Dense(3)])
    model.set_weights([tensor(probe.normal(*weight.shape) / 8.0) for weight in model.get_weights()])
    return model


@pytest.mark.stage("shape")
def test_convert_to_tflite_returns_a_flatbuffer_that_computes_the_same(learner, probe, scratch):
    model, x = wide(learner, probe), probe.normal("N 48")
    model.export(str(scratch / "model"), verbose=False)
    flatbuffer = learner.convert_to_tflite(str(scratch / "model"))
    assert isinstance(flatbuffer, bytes) and flatbuffer[4:8] == b"TFL3", "a flatbuffer is bytes, with a mark of its own"
    (got,) = run(learner, flatbuffer, x).values()
    assert_close(tensor(got), model(tensor(x)))


def test_convert_to_tflite_quantizes_when_it_is_told_so(learner, probe, scratch):
    wide(learner, probe).export(str(scratch / "model"), verbose=False)
    large, small = (len(learner.convert_to_tflite(str(scratch / "model"), quantize=each)) for each in (False, True))
    assert large > 4 * 48 * 64 and small < 0.6 * large, "8 bits a weight instead of 32"


@pytest.mark.stage("shape")
def test_tflite_predict_returns_every_output_by_its_name(learner):
    graph = tf.function(
        lambda pixels: {"total": tf.reduce_sum(pixels, axis=1), "twice": 2.0 * pixels},
        [tf.TensorSpec((None, 2), tf.float32, name="pixels")],
    )
    convert = tf.lite.TFLiteConverter.from_concrete_functions([graph.get_concrete_function()], tf.Module()).convert
    x = np.array([[0.5, 1.5], [2.0, -3.0], [1.0, 1.0]])
    for rows in (x, x[:1], x.astype(np.float32)):
        expected = {"total": rows.sum(axis=1), "twice": 2.0 * rows}
        got = learner.tflite_predict(convert(), rows)
        assert_close(got, {name: value.astype(np.float32) for name, value in expected.items()})
