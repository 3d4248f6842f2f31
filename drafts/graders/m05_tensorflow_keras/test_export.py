"""Hidden checks of SavedModel and TFLite: files are written, read again and run."""

import numpy as np
import pytest
import tensorflow as tf

from autograder.testing import assert_close

NAMES = ["label", "probabilities"]


def seeded(module):
    """Keras where the module's code runs, with its random numbers settled: known mistakes are told by equal answers."""
    keras = module.library("keras")
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
    serve = served(learner, scratch / "model")
    _, inputs = serve.structured_input_signature
    assert sorted(inputs) == ["features"], "it takes one input, named features"
    spec = inputs["features"]
    assert (spec.shape.as_list(), spec.dtype.name) == ([None, probe.size("D")], "float32"), (
        "features are float32 (N, D)"
    )
    outputs = {name: (spec.shape.as_list(), spec.dtype.name) for name, spec in serve.structured_outputs.items()}
    wanted = {"label": ([None], "int64"), "probabilities": ([None, probe.size("C")], "float32")}
    assert_close(outputs, wanted, name="the outputs")


def test_export_saved_model_serves_raw_features_in_batches_of_any_size(learner, probe, scratch):
    x, mean, scale = raw_features(probe, "11 D")
    model, weights = linear(learner, probe)
    learner.export_saved_model(model, str(scratch / "model"), mean.astype(np.float32), scale)
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


def test_export_saved_model_keeps_the_weights_of_its_day(learner, probe, scratch):
    x, mean, scale = raw_features(probe)
    model, weights = linear(learner, probe)
    learner.export_saved_model(model, str(scratch / "model"), mean, scale)
    assert_close([tensor(weight) for weight in model.get_weights()], [tensor(weight) for weight in weights])
    model.set_weights([2.0 * tensor(weight) for weight in weights])
    assert_close(served(learner, scratch / "model")(features=tensor(x)), expected(weights, x, mean, scale))


@pytest.mark.stage("whole")
def test_export_saved_model_equals_the_reference(learner, reference, probe, scratch, tmp_path):
    x, mean, scale = raw_features(probe)
    kernels = [tensor(probe.normal(*shape) / 2.0) for shape in ((probe.size("D"), 5), (5,), (5, 3), (3,))]
    results = []
    for module, folder in ((learner, scratch), (reference, tmp_path)):
        layers = module.library("keras").layers
        parts = [layers.Input(probe.shape("D")), layers.Dense(5, activation="tanh"), layers.Dense(3)]
        model = module.library("keras").Sequential(parts)
        model.set_weights(kernels)
        module.export_saved_model(model, str(folder / "model"), mean=mean, scale=scale)
        results.append(served(module, folder / "model")(features=tensor(x)))
    assert_close(results[0], results[1])


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


def wide(module, probe):
    """A model with enough weights for a converter to quantize, and what it computes in NumPy."""
    keras, weights = seeded(module), [probe.normal(48, 64) / 7.0, probe.normal(64), probe.normal(64, 3) / 8.0]
    layers = [keras.layers.Dense(64, activation="relu"), keras.layers.Dense(3, use_bias=False)]
    model = keras.Sequential([keras.Input((48,)), *layers])
    model.set_weights([tensor(weight) for weight in weights])
    return model, lambda x: np.maximum(x @ weights[0] + weights[1], 0.0) @ weights[2]


@pytest.mark.stage("shape")
def test_convert_to_tflite_returns_a_flatbuffer(learner, probe, scratch):
    linear(learner, probe)[0].export(str(scratch / "model"), verbose=False)
    flatbuffer = learner.convert_to_tflite(str(scratch / "model"))
    assert isinstance(flatbuffer, bytes), "a flatbuffer is bytes"
    assert flatbuffer[4:8] == b"TFL3", "it is marked as one of TFLite"


def test_convert_to_tflite_keeps_what_the_model_computes(learner, probe, scratch):
    x, (model, forward) = probe.normal("N 48"), wide(learner, probe)
    model.export(str(scratch / "model"), verbose=False)
    (got,) = run(learner, learner.convert_to_tflite(str(scratch / "model")), x).values()
    assert_close(got, forward(x).astype(np.float32), name="what the converted model gives")


def test_convert_to_tflite_quantizes_when_it_is_told_so(learner, probe, scratch):
    x, (model, forward) = probe.normal("N 48"), wide(learner, probe)
    model.export(str(scratch / "model"), verbose=False)
    sizes = {}
    for quantize in (False, True):
        flatbuffer = learner.convert_to_tflite(path=str(scratch / "model"), quantize=quantize)
        (got,) = run(learner, flatbuffer, x).values()
        sizes[quantize], error = len(flatbuffer), np.abs(got - forward(x)).max() / np.abs(forward(x)).max()
        assert error < (0.05 if quantize else 1e-4), "8 bits change the outputs slightly, 32 bits do not"
    assert sizes[False] > 4 * 48 * 64, "without quantization a weight takes 4 bytes"
    assert sizes[True] < 0.6 * sizes[False], "quantized weights take a quarter"


@pytest.mark.stage("whole")
def test_convert_to_tflite_equals_the_reference(learner, reference, probe, scratch, tmp_path):
    x, kernel = probe.normal("N D"), tensor(probe.normal("D C"))
    results = []
    for module, folder in ((learner, scratch), (reference, tmp_path)):
        layers = module.library("keras").layers
        model = module.library("keras").Sequential(
            [layers.Input(probe.shape("D")), layers.Dense(probe.size("C"), "tanh")]
        )
        model.set_weights([kernel, tf.ones(probe.shape("C"))])
        model.export(str(folder / "model"), verbose=False)
        results.append(run(module, module.convert_to_tflite(str(folder / "model")), x))
    assert_close(results[0], results[1])


def flatbuffer_of(function, width, name="features"):
    """A TFLite model with one signature, made on this side."""
    graph = tf.function(function, [tf.TensorSpec((None, width), tf.float32, name=name)])
    return tf.lite.TFLiteConverter.from_concrete_functions([graph.get_concrete_function()], tf.Module()).convert()


def classifier(probe):
    """A TFLite model with two outputs, and what they are in NumPy."""
    kernel = probe.normal("D C")

    def serve(features):
        logits = tf.matmul(features, tensor(kernel))
        return {"probabilities": tf.nn.softmax(logits), "label": tf.argmax(logits, axis=-1)}

    def by_hand(x):
        return {"label": (x @ kernel).argmax(axis=1), "probabilities": softmax(x @ kernel).astype(np.float32)}

    return flatbuffer_of(serve, probe.size("D")), by_hand


@pytest.mark.stage("shape")
def test_tflite_predict_returns_every_output_by_its_name(learner, probe):
    flatbuffer, _ = classifier(probe)
    got = learner.tflite_predict(flatbuffer, probe.normal("N D").astype(np.float32))
    assert isinstance(got, dict) and sorted(got) == NAMES, "the names are those of the signature"
    shapes = {name: (value.shape, value.dtype.name) for name, value in got.items()}
    assert shapes == {"label": (probe.shape("N"), "int64"), "probabilities": (probe.shape("N C"), "float32")}, (
        "the shapes"
    )


def test_tflite_predict_takes_any_number_of_rows(learner, probe):
    flatbuffer, by_hand = classifier(probe)
    for spec in ("1 D", "2 D", "17 D"):
        x = probe.normal(spec).astype(np.float32)
        assert_close(learner.tflite_predict(flatbuffer, x), by_hand(x), name=f"the outputs for {len(x)} rows")


def test_tflite_predict_takes_rows_of_float64(learner, probe):
    (flatbuffer, by_hand), x = classifier(probe), probe.normal("N D")
    assert_close(learner.tflite_predict(flatbuffer, x), by_hand(x))
    assert_close(
        learner.tflite_predict(flatbuffer, x.astype(np.float16)), by_hand(x.astype(np.float16).astype(np.float64))
    )


@pytest.mark.stage("whole")
def test_tflite_predict_reads_names_from_the_model(learner, reference, probe):
    x = probe.normal("N 3").astype(np.float32)
    flatbuffer = flatbuffer_of(lambda pixels: {"total": tf.reduce_sum(pixels**2, axis=1)}, 3, name="pixels")
    got = learner.tflite_predict(flatbuffer=flatbuffer, x=x)
    assert_close(got, {"total": (x**2).sum(axis=1)})
    assert_close(got, reference.tflite_predict(flatbuffer, x))


@pytest.mark.stage("robust")
def test_tflite_predict_keeps_models_apart(learner, probe):
    x = probe.normal("N 3").astype(np.float32)
    models = [flatbuffer_of(lambda x, factor=factor: {"y": factor * x}, 3, name="x") for factor in (2.0, -3.0)]
    first, second = (learner.tflite_predict(model, x)["y"] for model in models)
    assert_close([first, second], [2.0 * x, -3.0 * x])
