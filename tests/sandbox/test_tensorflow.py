"""TensorFlow in the jail: after a fork, without a folder for temporary files, and beside torch.

What a worker returns here is NumPy's: a tensor of TensorFlow would start threads in this process, which other tests fork.
"""

from importlib.util import find_spec

import numpy as np
import pytest

from autograder.sandbox.client import Zygote
from autograder.sandbox.jail import Limits

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.skipif(find_spec("tensorflow") is None, reason="not run: TensorFlow is not installed"),
]

SOURCE = b"""
import tempfile

import keras
import numpy as np
import tensorflow as tf

def slope(x):
    x = tf.Variable(x)
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(x**3)
    return tape.gradient(y, x).numpy()

@tf.function
def collatz(n):
    steps = 0
    while n > 1:
        if n % 2 == 0:
            n //= 2
        else:
            n = 3 * n + 1
        steps += 1
    return steps

def steps_from(n):
    return int(collatz(tf.constant(n)))

def batches():
    dataset = tf.data.Dataset.range(7).map(lambda x: 2 * x, num_parallel_calls=tf.data.AUTOTUNE)
    return [batch.numpy() for batch in dataset.cache().batch(3).prefetch(tf.data.AUTOTUNE)]

def doubling():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")])
    model.compile(keras.optimizers.SGD(0.5), "mse")
    model.fit(np.ones((8, 1)), np.full((8, 1), 2.0), epochs=3, verbose=0)
    return model

def trained():
    return doubling().get_weights()

def export(path):
    doubling().export(path, verbose=False)

def served(path, x):
    return tf.saved_model.load(path).signatures["serving_default"](tf.constant(x))["output_0"].numpy()

def converted(path, x):
    flatbuffer = tf.lite.TFLiteConverter.from_saved_model(path).convert()
    return tf.lite.Interpreter(model_content=flatbuffer).get_signature_runner()(**{"keras_tensor": x})["output_0"]

def folder_for_temporary_files():
    return tempfile.gettempdir()
"""
SOURCES = {"course.networks": SOURCE}
LIMITS = Limits(memory_bytes=2 << 30, output_bytes=4 << 20, cpu_seconds=60)


@pytest.fixture(scope="module")
def zygote():
    with Zygote(["keras", "tensorflow"]) as zygote:
        yield zygote


@pytest.fixture
def worker(zygote):
    with zygote.worker(LIMITS, 60.0, scratch=True) as worker:
        yield worker
    zygote.sweep()


@pytest.fixture
def learner(worker):
    return worker.load(SOURCES, "course.networks")


def test_operations_run_in_one_worker_after_the_other(zygote):
    for _ in range(2):
        with zygote.worker(LIMITS, 60.0) as worker:
            slope = worker.load(SOURCES, "course.networks").slope(np.array([1.0, 2.0]))
            assert slope.tolist() == [3.0, 12.0]
    zygote.sweep()


def test_autograph_turns_python_into_a_graph_where_nothing_can_be_written(zygote):
    with zygote.worker(LIMITS, 60.0) as worker:
        assert worker.load(SOURCES, "course.networks").steps_from(6) == 8
    zygote.sweep()


def test_pipelines_run(learner):
    assert [batch.tolist() for batch in learner.batches()] == [[0, 2, 4], [6, 8, 10], [12]]


def test_keras_fits(learner):
    (kernel,) = learner.trained()
    assert 1.5 < kernel.item() <= 2.0


def test_a_saved_model_is_written_read_and_converted(learner, worker):
    path, x = str(worker.scratch.empty() / "model"), np.array([[3.0]], np.float32)
    learner.export(path)
    assert 4.5 < learner.served(path, x).item() <= 6.0
    assert learner.converted(path, x).item() == pytest.approx(learner.served(path, x).item(), rel=1e-5)
    assert [entry.name for entry in worker.scratch.path.iterdir()] == ["model"]  # and nothing temporary


def test_temporary_files_go_into_the_scratch_folder(learner, worker):
    assert learner.folder_for_temporary_files() == str(worker.scratch.path)


@pytest.mark.skipif(find_spec("torch") is None, reason="not run: torch is not installed")
def test_torch_and_tensorflow_share_a_worker():
    source = b"""
import numpy as np
import tensorflow as tf
import torch

def both(x):
    model = torch.nn.Linear(2, 2)
    torch.optim.SGD(model.parameters(), lr=0.1)
    return torch.from_numpy(x).relu().numpy(), tf.nn.relu(x).numpy()
"""
    x = np.array([-1.0, 2.0])
    for libraries in (["tensorflow", "torch"], ["torch", "tensorflow"]):
        with Zygote(libraries) as zygote, zygote.worker(LIMITS, 60.0) as worker:
            relus = worker.load({"course.both": source}, "course.both").both(x)
            assert [relu.tolist() for relu in relus] == [[0.0, 2.0]] * 2
