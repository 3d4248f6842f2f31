"""Tensors of TensorFlow in checks: they cross as plain data, are compared and are called by their name."""

from importlib.util import find_spec

import numpy as np
import pytest

from autograder.sandbox import frameworks
from autograder.sandbox.sources import SourceFinder
from autograder.sandbox.wire import Caps, Decoder, Encoder, is_tensorflow
from autograder.testing import CheckFailed, assert_close, assert_shape
from autograder.testing.local import LocalModule
from autograder.testing.words import a_kind, briefly

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.skipif(find_spec("tensorflow") is None, reason="not run: TensorFlow is not installed"),
]

SOURCE = b"""
import tensorflow as tf

def variable(x):
    return tf.Variable(x)

def ragged():
    return tf.ragged.constant([[1], [2, 3]])

def words():
    return tf.constant(["a", "b"])

def names(x):
    return [type(x).__name__, x.dtype.name]
"""


@pytest.fixture(scope="module")
def tf():
    frameworks.load(["tensorflow"])
    import tensorflow

    return tensorflow


@pytest.fixture
def learner(tf):
    return LocalModule(SourceFinder({"m.tensors": (SOURCE, "tensors.py")}), "m.tensors")


def failure(function, *arguments, **options):
    with pytest.raises(CheckFailed) as caught:
        function(*arguments, **options)
    return str(caught.value)


def crossed(value):
    encoder = Encoder()
    meta = encoder.pack(value)
    body = np.zeros(encoder.size, np.uint8)
    for offset, array in encoder.buffers:
        body[offset : offset + array.nbytes] = array.reshape(-1).view(np.uint8)
    return Decoder(body, Caps()).unpack(meta)


def test_tensors_cross_with_shape_dtype_and_values(tf):
    for value in (
        tf.constant([[1.5, -2.0]]),
        tf.constant(3, tf.int64),
        tf.constant([True]),
        tf.zeros((0, 2), tf.float64),
    ):
        got = crossed(value)
        assert is_tensorflow(got) and (got.shape, got.dtype) == (value.shape, value.dtype)
        assert got.numpy().tolist() == value.numpy().tolist()


def test_variables_cross_as_the_tensor_that_they_hold(tf, learner):
    for got in (crossed(tf.Variable([1.0, 2.0])), learner.variable(tf.constant([1.0, 2.0]))):
        assert isinstance(got, tf.Tensor) and got.numpy().tolist() == [1.0, 2.0]


def test_what_has_no_plain_values_stays_where_it_is(tf, learner):
    assert repr(learner.ragged()) == "<RaggedTensor of m.tensors>"
    assert "of m.tensors>" in repr(learner.words())
    assert not is_tensorflow(tf.keras.Input((3,)))
    symbols = []
    tf.function(symbols.append)(tf.constant(1.0))
    assert not is_tensorflow(symbols[0])


def test_a_tensor_goes_in_as_a_tensor(tf, learner):
    assert learner.names(tf.constant([1.0])) == ["EagerTensor", "float32"]


def test_equal_tensors_are_close(tf):
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    assert_close(x + 1e-7, x)
    assert_close({"x": [x, tf.constant(1)]}, {"x": [x, tf.constant(1)]})
    assert_close(tf.constant(2.0), tf.constant(2.0))


def test_tensors_that_differ_are_told_apart(tf):
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    assert "is wrong" in failure(assert_close, x + [[0.0, 0.0], [1.0, 0.0]], x)
    assert "shape (2, 2), expected (2, 1)" in failure(assert_close, x, x[:, :1])
    assert "dtype float32, expected float64" in failure(assert_close, x, tf.cast(x, tf.float64))
    assert "not finite" in failure(assert_close, x / 0.0, x)
    assert failure(assert_close, x.numpy(), x) == "returned a NumPy array where a TensorFlow tensor was expected"
    assert failure(assert_close, x, x.numpy()) == "returned a TensorFlow tensor where a NumPy array was expected"


def test_shapes_and_dtypes_of_tensors(tf):
    x = tf.zeros((2, 3))
    assert_shape(x, (2, 3))
    assert_shape(x, x.shape, tf.float32)
    assert "dtype float32, expected float64" in failure(assert_shape, x, (2, 3), tf.float64)
    assert (
        failure(assert_shape, x, (2, 3), np.float32) == "returned a TensorFlow tensor where a NumPy array was expected"
    )
    assert failure(assert_shape, x.numpy(), (2, 3), tf.float32).endswith("where a TensorFlow tensor was expected")


def test_tensors_in_words(tf):
    assert (a_kind(tf.zeros(2)), briefly(tf.zeros((2, 3)))) == ("a TensorFlow tensor", "float32 (2, 3)")
