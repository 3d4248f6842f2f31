"""TensorFlow in a grading node, which may run no operation before it forks."""

from importlib.util import find_spec

import pytest

from autograder.catalog import Course
from autograder.grading.pool import Job, NodeSettings, Pool
from autograder.grading.run import by_libraries
from autograder.policy import Policy
from tests.courses import write_files

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.skipif(find_spec("tensorflow") is None, reason="not run: TensorFlow is not installed"),
]

SOLUTION = '''\
import tensorflow as tf


def steps(n):
    """How many steps of Collatz take n to 1."""
    # BEGIN SOLUTION
    count = tf.constant(0)
    while n > 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        count += 1
    return count
    # END SOLUTION


def scores(model, x):
    """What a model gives, plus one."""
    # BEGIN SOLUTION
    return model(x) + 1.0
    # END SOLUTION
'''
GRADER = """\
import tensorflow as tf

from autograder.testing import assert_close, assert_shape


def test_steps_in_a_graph_equal_the_reference(learner, reference):
    graph = learner.library("tensorflow").function(learner.steps)
    assert_close(graph(tf.constant(6)), reference.steps(tf.constant(6)))


def test_scores_of_a_keras_model(learner, probe):
    keras, x = learner.library("keras"), tf.constant(probe.normal("N D"), tf.float32)
    model = keras.Sequential([keras.Input(probe.shape("D")), keras.layers.Dense(2, kernel_initializer="zeros")])
    assert_shape(learner.scores(model, x), (probe.size("N"), 2), tf.float32)
    assert_close(learner.scores(model, x), tf.ones((probe.size("N"), 2)))
"""
MISTAKES = """\
graphs:
  - {task: scores, name: forgets the one, replace: " + 1.0", by: "", says: One is missing.}
"""


def course(root, grader=GRADER):
    files = {"solutions/week1/graphs.py": SOLUTION, "graders/week1/test_graphs.py": grader}
    write_files(root, files | {"solutions/week1/mistakes.yml": MISTAKES})
    settings = "modules: {week1: {exercises: {graphs: {limits: {memory_mb: 2048, wall_seconds: 60}}}}}\n"
    write_files(root, {"grading.yml": settings})
    return Course(root)


def node(root, grader=GRADER):
    policy = Policy.load(course(root, grader))
    ((libraries, exercises),) = by_libraries(policy, policy.exercises()).items()
    return Pool(NodeSettings(str(root), [exercise.id for exercise in exercises], libraries, seed=1), nodes=1)


def graded(pool, source):
    return pool.grade(Job("ann", "week1/graphs", {"week1/graphs": source.encode()}, "", 300.0))


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    with node(tmp_path_factory.mktemp("course")) as pool:
        yield pool


def test_right_work_passes_more_than_once(pool):
    for _ in range(2):
        assert [check.status for check in graded(pool, SOLUTION).checks] == ["passed", "passed"]


def test_a_known_mistake_is_named(pool):
    result = graded(pool, SOLUTION.replace(" + 1.0", ""))
    assert [(check.status, check.mistakes) for check in result.checks] == [
        ("passed", []),
        ("wrong", ["forgets the one"]),
    ]


def test_an_operation_while_the_checks_are_loaded_is_a_fault_of_the_course(tmp_path):
    with node(tmp_path, GRADER + "\n\nZERO = tf.constant(0.0)\n") as pool:
        result = graded(pool, SOLUTION)
    assert (result.outcome, result.note.partition(":")[0]) == (
        "system",
        "an operation ran while the checks were loaded",
    )


def test_a_reference_that_fails_its_own_checks_is_told(tmp_path):
    with node(tmp_path, GRADER.replace("tf.ones((", "tf.zeros((")) as pool:
        assert "rejects its own reference in test_scores_of_a_keras_model" in graded(pool, SOLUTION).note
