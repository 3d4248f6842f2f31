"""Hidden checks of SavedModel and TFLite: files are written, read again and run."""

import shutil
from functools import cache

import numpy as np
import pytest
import tensorflow as tf

from autograder.testing import assert_close

NAMES = ["label", "probabilities"]
# The inputs and the outputs of a signature by name: shape and dtype of each.
INTERFACE = """lambda serve: [
    {name: (spec.shape.as_list(), spec.dtype.name) for name, spec in part.items()}
    for part in (serve.structured_input_signature[1], serve.structured_outputs)
]"""


def seeded(module):
    """Keras where the module's code runs, its random numbers and names settled: known mistakes are told by equal answers."""
    keras = module.library("keras")
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(5)
    return keras


def tensor(values):
    return tf.constant(values, tf.float32)


def softmax(scores):
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def linear(module, probe, *before):
    """A linear classifier in Keras behind other layers, and its weights."""
    keras, weights = seeded(module), [probe.normal("D C"), probe.normal("C")]
    head = keras.layers.Dense(probe.size("C"))
    model = keras.Sequential([keras.Input(probe.shape("D")), *before, head])
    head.set_weights([tensor(weight) for weight in weights])
    return model, weights


def raw_features(probe, spec="N D"):
    """Features far from zero and of very different sizes, with their means and deviations."""
    mean, scale = 40.0 * probe.normal("D"), probe.uniform("D", 0.2, 9.0)
    return mean + scale * probe.normal(spec), mean, scale


def served(learner, path):
    """The signature of a SavedModel, loaded where the learner's code runs: files of theirs are not to be trusted."""
    return learner.library("tensorflow").saved_model.load(str(path)).signatures["serving_default"]


def run(learner, flatbuffer, x):
    """A TFLite model's outputs, run there, too."""
    interpreter = learner.library("tensorflow").lite.Interpreter(model_content=flatbuffer)
    runner = interpreter.get_signature_runner()
    (name,) = runner.get_input_details()
    return runner(**{name: x.astype(np.float32)})


def expected(weights, x, mean, scale):
    logits = (x - mean) / scale @ weights[0] + weights[1]
    return {"label": tf.constant(logits.argmax(axis=1)), "probabilities": tensor(softmax(logits))}


@pytest.mark.stage("shape")
def test_export_saved_model_writes_a_folder(learner, probe, scratch):
    _, mean, scale = raw_features(probe)
    result = learner.export_saved_model(linear(learner, probe)[0], str(scratch / "model"), mean, scale)
    assert_close(result, None)
    assert (scratch / "model" / "saved_model.pb").is_file(), "the graph is in saved_model.pb"
    assert (scratch / "model" / "variables" / "variables.index").is_file(), "the weights are in variables"


@pytest.mark.stage("shape")
def test_export_saved_model_names_its_input_and_its_outputs(learner, probe, scratch):
    _, mean, scale = raw_features(probe)
    learner.export_saved_model(linear(learner, probe)[0], str(scratch / "model"), mean, scale)
    describe = learner.library("builtins").eval(INTERFACE)
    inputs, outputs = describe(served(learner, scratch / "model"))
    d, c = probe.shape("D C")
    assert_close(inputs, {"features": ([None, d], "float32")}, name="the inputs")
    wanted = {"label": ([None], "int64"), "probabilities": ([None, c], "float32")}
    assert_close(outputs, wanted, name="the outputs")


def test_export_saved_model_serves_raw_features_in_batches_of_any_size(learner, probe, scratch):
    x, mean, scale = raw_features(probe, "11 D")
    x[2] = mean + 15.0 * scale * probe.signs("D")  # far out
    model, weights = linear(learner, probe)
    learner.export_saved_model(model, str(scratch / "model"), mean.astype(np.float32), scale)
    assert_close([tensor(weight) for weight in model.get_weights()], [tensor(weight) for weight in weights])
    assert len(model.trainable_weights) == 2, "the model can be trained on"
    serve = served(learner, scratch / "model")
    for rows in (slice(0, 1), slice(1, 4), slice(0, 11)):
        got = serve(features=tensor(x[rows]))
        assert_close(got, expected(weights, x[rows], mean, scale), name="what it serves")


def test_export_saved_model_saves_the_model_in_inference(learner, probe, scratch):
    x, mean, scale = raw_features(probe)
    layers = seeded(learner).layers
    model, weights = linear(learner, probe, layers.Dropout(0.5), layers.BatchNormalization(epsilon=1e-9))
    learner.export_saved_model(model, str(scratch / "model"), mean, scale)
    got = served(learner, scratch / "model")(features=tensor(x))
    assert_close(
        got, expected(weights, x, mean, scale), name="what it serves"
    )  # the normalization has seen nothing yet


@pytest.mark.stage("whole")
def test_export_saved_model_serves_a_model_with_a_hidden_layer(learner, probe, scratch):
    x, mean, scale = raw_features(probe)
    w, b, v, c = (probe.normal(*shape) / 2.0 for shape in ((probe.size("D"), 5), (5,), (5, 3), (3,)))
    layers = seeded(learner).layers
    parts = [layers.Input(probe.shape("D")), layers.Dense(5, activation="tanh"), layers.Dense(3)]
    model = learner.library("keras").Sequential(parts)
    model.set_weights([tensor(weight) for weight in (w, b, v, c)])
    learner.export_saved_model(model=model, path=str(scratch / "model"), mean=mean, scale=scale)
    logits = np.tanh((x - mean) / scale @ w + b) @ v + c
    wanted = {"label": tf.constant(logits.argmax(axis=1)), "probabilities": tensor(softmax(logits))}
    assert_close(served(learner, scratch / "model")(features=tensor(x)), wanted, name="what it serves")


@pytest.mark.stage("whole")
def test_export_saved_model_can_be_converted(learner, probe, scratch):
    x, mean, scale = raw_features(probe)
    model, weights = linear(learner, probe)
    learner.export_saved_model(model, str(scratch / "model"), mean, scale)
    converter = learner.library("tensorflow").lite.TFLiteConverter.from_saved_model(str(scratch / "model"))
    got = run(learner, converter.convert(), x)
    assert sorted(got) == NAMES, "both outputs are converted"
    assert_close(
        tensor(got["probabilities"]), expected(weights, x, mean, scale)["probabilities"], name="the probabilities"
    )


def save(path, function, width):
    """A SavedModel with one signature, made on this side: the same files each time, and so is what is made of them."""
    module = tf.Module()
    module.serve = tf.function(function, [tf.TensorSpec((None, width), tf.float32, name="features")])
    tf.saved_model.save(module, str(path), signatures=module.serve)


def wide(probe):
    """A model with enough weights for a converter to quantize, in TensorFlow and in NumPy."""
    first, bias, second = probe.normal(48, 64) / 7.0, probe.normal(64), probe.normal(64, 3) / 8.0

    def serve(features):
        hidden = tf.nn.relu(tf.matmul(features, tensor(first)) + tensor(bias))
        return {"scores": tf.matmul(hidden, tensor(second))}

    return serve, lambda x: np.maximum(x @ first + bias, 0.0) @ second


@pytest.mark.stage("shape")
def test_convert_to_tflite_returns_a_flatbuffer_and_only_reads_the_folder(learner, probe, scratch):
    factor = probe.scalar(0.2, 3.0)
    save(scratch / "model", lambda features: {"y": factor * features}, 3)
    before = sorted(str(path) for path in scratch.rglob("*"))
    flatbuffer = learner.convert_to_tflite(str(scratch / "model"))
    assert isinstance(flatbuffer, bytes), "a flatbuffer is bytes"
    assert flatbuffer[4:8] == b"TFL3", "it is marked as one of TFLite"
    assert_close(sorted(str(path) for path in scratch.rglob("*")), before, name="the files afterwards")


def test_convert_to_tflite_keeps_weights_and_outputs(learner, probe, scratch):
    x, (serve, by_hand) = probe.normal("N 48"), wide(probe)
    save(scratch / "model", serve, 48)
    flatbuffer = learner.convert_to_tflite(path=str(scratch / "model"))
    (got,) = run(learner, flatbuffer, x).values()
    assert_close(got, by_hand(x).astype(np.float32), name="what the converted model gives")
    assert len(flatbuffer) > 4 * 48 * 64, "without quantization a weight takes 4 bytes"


def test_convert_to_tflite_quantizes_when_it_is_told_so(learner, probe, scratch):
    x, (serve, by_hand) = probe.normal("N 48"), wide(probe)
    save(scratch / "model", serve, 48)
    flatbuffer = learner.convert_to_tflite(str(scratch / "model"), quantize=True)
    (got,) = run(learner, flatbuffer, x).values()
    assert np.abs(got - by_hand(x)).max() < 0.05 * np.abs(by_hand(x)).max(), "8 bits change the outputs slightly"
    assert len(flatbuffer) < 0.6 * 4 * 48 * 64, "quantized weights take a quarter"


@pytest.mark.stage("whole")
def test_convert_to_tflite_equals_the_reference(learner, reference, probe, scratch, tmp_path):
    x, (serve, _) = probe.normal("N 48"), wide(probe)
    save(tmp_path / "ours", serve, 48)
    shutil.copytree(tmp_path / "ours", scratch / "model")
    results = [
        run(module, module.convert_to_tflite(str(path), quantize=True), x)
        for module, path in ((learner, scratch / "model"), (reference, tmp_path / "ours"))
    ]
    assert_close(results[0], results[1])


def flatbuffer_of(function, dtype, name):
    """A TFLite model with one signature, which takes five features, made on this side."""
    graph = tf.function(function, [tf.TensorSpec((None, 5), dtype, name=name)])
    return tf.lite.TFLiteConverter.from_concrete_functions([graph.get_concrete_function()], tf.Module()).convert()


KERNEL = np.array([[1.5, -0.5, 0.25], [-2.0, 0.75, 1.0], [0.5, 1.25, -1.5], [-0.75, -1.0, 2.0], [0.25, 1.75, -0.25]])


@cache
def classifier():
    """A TFLite model with two outputs, softmax and argmax of x · KERNEL."""

    def serve(features):
        logits = tf.matmul(features, tensor(KERNEL))
        return {"probabilities": tf.nn.softmax(logits), "label": tf.argmax(logits, axis=-1)}

    return flatbuffer_of(serve, tf.float32, "features")


@cache
def counts():
    """A TFLite model of whole numbers, with three outputs and other names."""
    return flatbuffer_of(lambda counts: {"first": counts, "last": 2 * counts, "middle": 3 * counts}, tf.int32, "counts")


def counted(x):
    """What the second model computes, in NumPy."""
    whole = x.astype(np.int32)
    return {"first": whole, "last": 2 * whole, "middle": 3 * whole}


def classified(x):
    """What the first model computes, in NumPy."""
    return {"label": (x @ KERNEL).argmax(axis=1), "probabilities": softmax(x @ KERNEL).astype(np.float32)}


@pytest.mark.stage("shape")
def test_tflite_predict_returns_every_output_by_its_name(learner, probe):
    got = learner.tflite_predict(classifier(), probe.normal("N 5").astype(np.float32))
    assert isinstance(got, dict) and sorted(got) == NAMES, "the names are those of the signature"
    shapes = {name: (value.shape, value.dtype.name) for name, value in got.items()}
    (n,) = probe.shape("N")
    assert shapes == {"label": ((n,), "int64"), "probabilities": ((n, 3), "float32")}, "the shapes"


def test_tflite_predict_takes_any_number_of_rows(learner, probe):
    for rows in (1, 2, 17, 1100):
        x = probe.normal(rows, 5).astype(np.float32)
        assert_close(learner.tflite_predict(classifier(), x), classified(x), name=f"the outputs for {rows} rows")


def test_tflite_predict_takes_rows_of_float64(learner, probe):
    x = probe.normal("N 5")
    assert_close(learner.tflite_predict(classifier(), x), classified(x))
    x = x.astype(np.float16)
    assert_close(learner.tflite_predict(classifier(), x), classified(x.astype(np.float64)))


@pytest.mark.stage("whole")
def test_tflite_predict_reads_names_and_dtypes_from_the_model(learner, reference, probe):
    x = probe.integers("N 5", 90).astype(np.float32)
    got = learner.tflite_predict(flatbuffer=counts(), x=x)
    assert_close(got, counted(x))
    assert_close(got, reference.tflite_predict(counts(), x))


@pytest.mark.stage("robust")
def test_tflite_predict_keeps_models_apart(learner, probe):
    x = probe.integers("N 5", 90).astype(np.float32)
    for expected, flatbuffer in ((classified(x), classifier()), (counted(x), counts())) * 2:
        assert_close(learner.tflite_predict(flatbuffer, x), expected)
