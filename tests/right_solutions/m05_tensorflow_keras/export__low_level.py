"""A tf.Module with the variables in a list, saved by tf.saved_model; the interpreter's tensors by their numbers."""

import numpy as np
import tensorflow as tf


def export_saved_model(model, path, mean, scale):
    served = tf.Module()
    served.kept = [variable.value for variable in model.variables]
    shift, spread = np.float32(mean), np.float32(scale)

    @tf.function(input_signature=[tf.TensorSpec([None, len(shift)], tf.float32, name="features")])
    def serve(features):
        probabilities = tf.nn.softmax(model((features - shift) / spread, training=False), axis=1)
        return {"label": tf.math.argmax(probabilities, axis=1), "probabilities": probabilities}

    served.serve = serve
    tf.saved_model.save(served, path, signatures={"serving_default": serve})


def convert_to_tflite(path, *, quantize=False):
    converter = tf.lite.TFLiteConverter.from_saved_model(path, signature_keys=["serving_default"])
    converter.optimizations = [tf.lite.Optimize.DEFAULT] if quantize else []
    return bytes(converter.convert())


def tflite_predict(flatbuffer, x):
    interpreter = tf.lite.Interpreter(model_content=flatbuffer)
    (signature,) = interpreter.get_signature_list().values()
    runner = interpreter.get_signature_runner()
    (argument,) = signature["inputs"]
    dtype = runner.get_input_details()[argument]["dtype"]
    rows = []
    for row in x:
        given = {argument: np.asarray(row[None], dtype)}
        rows.append({name: np.array(value) for name, value in runner(**given).items()})
    return {name: np.concatenate([row[name] for row in rows]) for name in signature["outputs"]}
