"""Public checks of the two-layer network: run `pytest exercises/m00_foundations/test_mlp.py`."""

import numpy as np
import pytest

from autograder.testing import assert_close, assert_gradients, assert_shape

NAMES = ("w1", "b1", "w2", "b2")
TINY = {"w1": np.array([[1.0, -1.0]]), "b1": np.array([0.0, 0.5]), "w2": np.eye(2), "b2": np.array([0.0, 2.0])}


def network(probe):
    """Random parameters (the biases are not zero), inputs and targets."""
    params = {"w1": probe.normal("D M"), "b1": probe.normal("M"), "w2": probe.normal("M C"), "b2": probe.normal("C")}
    return params, probe.normal("N D"), probe.integers("N", high="C")


def loss_of(logits, targets):
    return np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(targets)), targets])


@pytest.mark.stage("shape")
def test_init_params_returns_two_weight_matrices_and_two_biases(learner, probe):
    d, m, c = probe.size("D"), probe.size("M"), probe.size("C")
    params = learner.init_params(probe.generator(), d, m, c)
    assert sorted(params) == sorted(NAMES), "the keys are w1, b1, w2, b2"
    for name, shape in zip(NAMES, ((d, m), (m,), (m, c), (c,)), strict=True):
        assert_shape(params[name], shape, np.float64)


def test_init_params_starts_with_biases_of_zero(learner, probe):
    params = learner.init_params(probe.generator(), 2, 3, 5)
    assert_close(params["b1"], np.zeros(3), name="b1")
    assert_close(params["b2"], np.zeros(5), name="b2")


def test_init_params_draws_w1_and_then_w2_and_scales_them(learner):
    params = learner.init_params(np.random.default_rng(7), 8, 18, 3)
    replay = np.random.default_rng(7)
    assert_close(params["w1"], replay.standard_normal((8, 18)) / 2.0, name="w1 (8 inputs, so a factor of 1/2)")
    assert_close(params["w2"], replay.standard_normal((18, 3)) / 3.0, name="w2 (18 hidden units, so a factor of 1/3)")


@pytest.mark.stage("shape")
def test_forward_returns_logits_and_a_cache(learner, probe):
    params, x, _ = network(probe)
    logits, cache = learner.forward(params, x)
    assert_shape(logits, (probe.size("N"), probe.size("C")), x.dtype)
    assert {"x", "z1", "h", "logits"} <= cache.keys(), "the cache holds x, z1, h and logits"


def test_forward_of_a_case_computed_by_hand(learner):
    logits, cache = learner.forward(TINY, np.array([[2.0], [-3.0]]))
    assert_close(cache["z1"], np.array([[2.0, -1.5], [-3.0, 3.5]]), name="z1")
    assert_close(cache["h"], np.array([[2.0, 0.0], [0.0, 3.5]]), name="h")
    assert_close(logits, np.array([[2.0, 2.0], [0.0, 5.5]]), name="logits")


def test_forward_with_three_hidden_units_and_one_class(learner):
    params = {"w1": np.array([[1.0, 2.0, -1.0]]), "b1": np.zeros(3), "w2": np.array([[1.0], [-2.0], [4.0]])}
    logits, _ = learner.forward({**params, "b2": np.array([-1.0])}, np.array([[1.0], [-1.0]]))
    assert_close(logits, np.array([[-4.0], [3.0]]))


@pytest.mark.stage("shape")
@pytest.mark.task("backward")
def test_backward_returns_a_gradient_for_every_parameter(learner, probe):
    params, x, targets = network(probe)
    grads = learner.backward(params, learner.forward(params, x)[1], targets)
    assert sorted(grads) == sorted(NAMES), "the keys are w1, b1, w2, b2"
    for name in NAMES:
        assert_shape(grads[name], params[name].shape, params[name].dtype)


def test_backward_of_a_case_computed_by_hand(learner):
    cache = {"x": np.array([[2.0]]), "z1": np.array([[2.0, -1.5]]), "h": np.array([[2.0, 0.0]])}
    grads = learner.backward(TINY, {**cache, "logits": np.array([[2.0, 2.0]])}, np.array([1]))
    assert_close(grads["b2"], np.array([0.5, -0.5]), name="the gradient of b2")
    assert_close(grads["w2"], np.array([[1.0, -1.0], [0.0, 0.0]]), name="the gradient of w2")
    assert_close(grads["b1"], np.array([0.5, 0.0]), name="the gradient of b1")
    assert_close(grads["w1"], np.array([[1.0, 0.0]]), name="the gradient of w1")


@pytest.mark.stage("whole")
@pytest.mark.task("backward")
def test_backward_gives_the_slopes_of_the_loss_of_your_forward(learner, probe):
    params = {"b1": probe.normal(5), "w2": probe.normal(5, 2), "b2": probe.normal(2)}
    x, targets = probe.normal(3, 7), probe.integers(3, high=2)
    z1 = probe.signs(3, 5) * probe.uniform("3 5", 0.5, 2.0)  # (N, M), away from the kink of the ReLU
    params["w1"] = np.linalg.pinv(x) @ (z1 - params["b1"])  # (D, M): with N < D there is a w1 that gives this z1
    grads = learner.backward(params, learner.forward(params, x)[1], targets)

    def loss(*values):
        return loss_of(learner.forward(dict(zip(NAMES, values, strict=True)), x)[0], targets)

    assert_gradients(loss, [params[name] for name in NAMES], [grads[name] for name in NAMES], names=NAMES)


@pytest.mark.stage("shape")
def test_train_step_returns_new_parameters_and_a_float(learner, probe):
    params, x, targets = network(probe)
    new, loss = learner.train_step(params, x, targets, 0.3)
    assert isinstance(loss, float), "the loss is a float"
    assert sorted(new) == sorted(NAMES), "the keys are w1, b1, w2, b2"


@pytest.mark.task("train_step")
def test_train_step_reports_the_loss_before_the_step(learner, probe):
    params, x, targets = network(probe)
    _, loss = learner.train_step(params, x, targets, 0.3)
    assert_close(loss, loss_of(learner.forward(params, x)[0], targets), name="the loss")


@pytest.mark.task("train_step")
def test_train_step_moves_every_parameter_against_its_gradient(learner, probe):
    params, x, targets = network(probe)
    lr = probe.scalar(0.2, 0.6)
    grads = learner.backward(params, learner.forward(params, x)[1], targets)
    new, _ = learner.train_step(params, x, targets, lr)
    for name in NAMES:
        assert_close(params[name] - new[name], lr * grads[name], name=f"the step of {name}")


@pytest.mark.stage("whole")
@pytest.mark.task("train_step")
def test_train_step_repeated_learns_the_exclusive_or(learner):
    x, targets = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0, 1, 1, 0])
    params = {"w1": np.array([[1.0, -1.0, 0.5, 0.2], [-1.0, 1.0, 0.5, -0.3]]), "b1": np.zeros(4)}
    params |= {"w2": np.array([[-0.5, 0.5], [-0.4, 0.6], [0.3, -0.2], [0.1, 0.2]]), "b2": np.zeros(2)}
    for _ in range(200):
        params, loss = learner.train_step(params, x, targets, 0.5)
    assert loss < 0.05, f"the loss falls below 0.05, not to {loss:.3f}"
