"""From a trained model to files that serve it: SavedModel for servers, TFLite for phones and microcontrollers.

Letters: N rows, D features, C classes.
"""

import keras
import numpy as np
import tensorflow as tf
from jaxtyping import Float


def export_saved_model(
    model: keras.Model, path: str, mean: Float[np.ndarray, "D"], scale: Float[np.ndarray, "D"]
) -> None:
    """Write a model to a folder as a SavedModel that takes raw features, so that whoever serves it needs no Python of yours.

    The model was trained on (x - mean) / scale. This has to happen inside what is saved: a server that forgets it, or
    uses other numbers, gives nonsense without an error. The signature "serving_default" takes one input named
    "features", float32 of shape (N, D) for any N, and gives two outputs by name: "probabilities", float32 (N, C), the
    softmax of the model's logits in inference mode, and "label", int64 (N,), the most probable class.

    A converter has to find the weights: `keras.export.ExportArchive` tracks them for it.

    Args:
        model: a built Keras model from standardized features (N, D) to logits (N, C), float32; stays as it is.
        path: the folder to write; it does not exist yet.
        mean: of each feature, as in training, (D,); float32 or float64.
        scale: the standard deviation of each feature, as in training, (D,); float32 or float64.

    Returns:
        None.

    Reference:
        Sculley et al., Hidden Technical Debt in Machine Learning Systems (2015), for training-serving skew;
        TensorFlow guide, Using the SavedModel format, section "Specifying signatures during export".

    Example:
        >>> import tempfile
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2, kernel_initializer="zeros")])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     export_saved_model(model, f"{folder}/model", np.array([5.0]), np.array([2.0]))
        ...     serve = tf.saved_model.load(f"{folder}/model").signatures["serving_default"]
        ...     serve(features=tf.constant([[7.0]]))["probabilities"].numpy().tolist()
        [[0.5, 0.5]]
    """
    # BEGIN SOLUTION
    shift, spread = tf.constant(mean, tf.float32), tf.constant(scale, tf.float32)  # (D,), (D,)

    def serve(features: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = model((features - shift) / spread, training=False)  # (N, C)
        return {"probabilities": tf.nn.softmax(logits), "label": tf.argmax(logits, axis=-1)}  # (N, C), (N,)

    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serve", serve, [tf.TensorSpec((None, len(mean)), tf.float32, name="features")])
    archive.write_out(path, verbose=False)
    # END SOLUTION


def convert_to_tflite(path: str, *, quantize: bool = False) -> bytes:
    """Turn a SavedModel into a TFLite flatbuffer: one piece of bytes with the graph and its weights.

    Args:
        path: the folder of a SavedModel with the signature "serving_default"; it is only read.
        quantize: whether to store large weights in 8 bits (`tf.lite.Optimize.DEFAULT`), for a quarter of the size and
            slightly other outputs.

    Returns:
        The flatbuffer.

    Reference:
        Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference (2018);
        LiteRT guide, Convert TensorFlow models, and Post-training dynamic range quantization.

    Example:
        >>> import tempfile
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.export(f"{folder}/model", verbose=False)
        ...     convert_to_tflite(f"{folder}/model")[4:8]
        b'TFL3'
    """
    # BEGIN SOLUTION
    converter = tf.lite.TFLiteConverter.from_saved_model(path)
    if quantize:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return converter.convert()
    # END SOLUTION


def tflite_predict(flatbuffer: bytes, x: Float[np.ndarray, "N D"]) -> dict[str, np.ndarray]:
    """Run a TFLite model on any number of rows, with `tf.lite.Interpreter`.

    Args:
        flatbuffer: a model with one signature, of one input and any number of outputs.
        x: the rows, (N, D), of any float dtype; the interpreter wants the dtype of the model's input, which may be int32.

    Returns:
        Every output by its name in the signature.

    Reference:
        LiteRT guide, Run inference with the Python API: signatures.

    Example:
        >>> double = tf.function(lambda x: {"twice": 2.0 * x}, [tf.TensorSpec((None, 1), tf.float32, name="x")])
        >>> functions = [double.get_concrete_function()]
        >>> flatbuffer = tf.lite.TFLiteConverter.from_concrete_functions(functions, tf.Module()).convert()
        >>> tflite_predict(flatbuffer, np.array([[2.0], [3.0]]))
        {'twice': array([[4.],
               [6.]], dtype=float32)}
    """
    # BEGIN SOLUTION
    runner = tf.lite.Interpreter(model_content=flatbuffer).get_signature_runner()
    ((name, details),) = runner.get_input_details().items()
    return runner(**{name: x.astype(details["dtype"])})
    # END SOLUTION
