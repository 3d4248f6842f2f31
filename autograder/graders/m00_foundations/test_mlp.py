"""Hidden checks of the two-layer network, from its first parameters to a step of training."""

from copy import deepcopy

import numpy as np
import pytest

from autograder.testing import assert_close, assert_gradients, assert_shape, made

NAMES = ("w1", "b1", "w2", "b2")


def network(probe):
    """Random parameters (the biases are not zero), inputs and targets."""
    params = {"w1": probe.normal("D M"), "b1": probe.normal("M"), "w2": probe.normal("M C"), "b2": probe.normal("C")}
    return params, probe.normal("N D"), probe.integers("N", high="C")


def square_network(probe):
    """The same where N, D, M and C happen to be one number."""
    params = {"w1": probe.normal(3, 3), "b1": probe.normal(3), "w2": probe.normal(3, 3), "b2": probe.normal(3)}
    return params, probe.normal(3, 3), probe.integers(3, high=3)


def loss_of(logits, targets):
    """The mean cross-entropy itself, for logits of moderate size."""
    log_sums = np.log(np.exp(logits).sum(axis=1))  # (N,)
    return np.mean(log_sums - logits[np.arange(len(targets)), targets])


def rms(values):
    return np.sqrt(np.mean(values**2))


@pytest.mark.stage("shape")
def test_init_params_returns_two_weight_matrices_and_two_biases(learner, probe):
    d, m, c = probe.size("D"), probe.size("M"), probe.size("C")
    params = learner.init_params(probe.generator(), d, m, c)
    assert isinstance(params, dict) and sorted(params) == sorted(NAMES), "the keys are w1, b1, w2, b2"
    for name, shape in zip(NAMES, ((d, m), (m,), (m, c), (c,)), strict=True):
        assert_shape(params[name], shape, np.float64)


def test_init_params_starts_with_biases_of_zero(learner, probe):
    m, c = probe.size("M"), probe.size("C")
    params = learner.init_params(probe.generator(), probe.size("D"), m, c)
    assert_close(params["b1"], np.zeros(m), name="b1")
    assert_close(params["b2"], np.zeros(c), name="b2")


def test_init_params_draws_w1_first_and_then_w2(learner, probe):
    d, m, c, rng = probe.size("D"), probe.size("M"), probe.size("C"), probe.generator()
    params = learner.init_params(rng, d, m, c)
    replay = deepcopy(rng)
    for name, shape in (("w1", (d, m)), ("w2", (m, c))):
        draws = replay.standard_normal(shape)
        assert_close(params[name] / rms(params[name]), draws / rms(draws), name=f"{name}, scaled to size 1")


def test_init_params_scales_weights_by_the_root_of_two_over_fan_in(learner, probe):
    d, m, c, rng = probe.size("D"), probe.size("M"), probe.size("C"), probe.generator()
    params = learner.init_params(rng, d, m, c)
    draws = deepcopy(rng).standard_normal(d * m + m * c)
    assert_close(rms(params["w1"]), rms(draws[: d * m]) * np.sqrt(2.0 / d), name="the size of w1")
    assert_close(rms(params["w2"]), rms(draws[d * m :]) * np.sqrt(2.0 / m), name="the size of w2")


@pytest.mark.stage("whole")
def test_init_params_equals_the_reference(learner, reference, probe):
    d, m, c, rng = probe.size("D"), probe.size("M"), probe.size("C"), probe.generator()
    for sizes in ((d, m, c), (70, 90, 4)):  # among 6660 draws some are beyond three deviations
        assert_close(learner.init_params(deepcopy(rng), *sizes), reference.init_params(deepcopy(rng), *sizes))


@pytest.mark.stage("whole")
def test_init_params_draws_the_weights_and_nothing_else(learner, probe):
    d, m, c, rng = probe.size("D"), probe.size("M"), probe.size("C"), probe.generator()
    following = "lambda init_params, rng, *sizes: [init_params(rng, *sizes), rng.standard_normal()][1]"
    draws = deepcopy(rng).standard_normal(d * m + m * c + 1)
    got = learner.library("builtins").eval(following)(learner.init_params, rng, d, m, c)
    assert_close(got, draws[-1], name="the number that the generator gives next")


@pytest.mark.stage("robust")
def test_init_params_gives_four_arrays_that_share_no_memory(learner, probe):
    text = (
        "lambda init, rng, *sizes: [p := list(init(rng, *sizes).values()), [a.fill(i) for i, a in enumerate(p)], p][2]"
    )
    left = made(learner, text)(learner.init_params, probe.generator(), 3, 5, 2)
    for number, array in enumerate(left):
        assert_close(array, np.full(array.shape, float(number)), name="an array that was filled with one number")


@pytest.mark.stage("robust")
def test_init_params_of_one_input_one_unit_or_one_class(learner, reference, probe):
    rng = probe.generator()
    for sizes in ((1, 5, 3), (3, 1, 5), (5, 3, 1)):
        assert_close(learner.init_params(deepcopy(rng), *sizes), reference.init_params(deepcopy(rng), *sizes))


@pytest.mark.stage("shape")
def test_forward_returns_logits_and_the_cache_that_was_agreed(learner, probe):
    params, x, _ = network(probe)
    n, m, c = probe.size("N"), probe.size("M"), probe.size("C")
    result = learner.forward(params, x)
    assert isinstance(result, tuple | list) and len(result) == 2, "forward returns logits and a cache"
    logits, cache = result
    assert_shape(logits, (n, c), x.dtype)
    assert isinstance(cache, dict) and {"x", "z1", "h", "logits"} <= cache.keys(), "the cache holds x, z1, h and logits"
    for name, shape in (("x", x.shape), ("z1", (n, m)), ("h", (n, m)), ("logits", (n, c))):
        assert_shape(cache[name], shape, x.dtype)


def test_forward_computes_z1_from_x_w1_and_b1(learner, probe):
    params, x, _ = network(probe)
    _, cache = learner.forward(params, x)
    assert_close(cache["z1"], x @ params["w1"] + params["b1"], name="z1")


def test_forward_keeps_only_what_is_positive_in_the_hidden_layer(learner, probe):
    params, x, _ = network(probe)
    _, cache = learner.forward(params, x)
    assert_close(cache["h"], np.maximum(x @ params["w1"] + params["b1"], 0.0), name="h")


def test_forward_with_no_active_unit_gives_b2_in_every_row(learner, probe):
    params, x, _ = network(probe)
    logits, _ = learner.forward({**params, "b1": params["b1"] - 1000.0}, x)
    assert_close(logits, np.tile(params["b2"], (len(x), 1)))


def test_forward_with_every_unit_active_is_a_linear_map(learner, probe):
    params, x, _ = network(probe)
    params["b1"] = 100.0 + params["b1"]
    logits, _ = learner.forward(params, x)
    assert_close(logits, (x @ params["w1"] + params["b1"]) @ params["w2"] + params["b2"])


@pytest.mark.stage("whole")
def test_forward_equals_the_reference(learner, reference, probe):
    for scale in (1.0, 1e6):
        params, x, _ = network(probe)
        logits, cache = learner.forward(params, scale * x)
        expected_logits, expected_cache = reference.forward(params, scale * x)
        assert_close(logits, expected_logits, name="logits")
        assert_close({name: cache[name] for name in expected_cache}, expected_cache, name="the cache")


@pytest.mark.stage("robust")
def test_forward_finds_parameters_by_name_whatever_their_order(learner, reference, probe):
    params, x, _ = network(probe)
    assert_close(learner.forward(dict(reversed(params.items())), x)[0], reference.forward(params, x)[0])
    params, x, _ = square_network(probe)
    assert_close(learner.forward(dict(sorted(params.items())), x)[0], reference.forward(params, x)[0])


@pytest.mark.stage("robust")
def test_forward_of_one_row_one_input_one_unit_or_one_class(learner, reference, probe):
    for n, d, m, c in ((1, 2, 3, 5), (2, 1, 3, 5), (2, 3, 1, 5), (2, 3, 5, 1)):
        params = {"w1": probe.normal(d, m), "b1": probe.normal(m), "w2": probe.normal(m, c), "b2": probe.normal(c)}
        x = probe.normal(n, d)
        assert_close(learner.forward(params, x)[0], reference.forward(params, x)[0])


@pytest.mark.stage("shape")
def test_backward_returns_a_gradient_for_every_parameter(learner, reference, probe):
    params, x, targets = network(probe)
    grads = learner.backward(params, reference.forward(params, x)[1], targets)
    assert isinstance(grads, dict) and sorted(grads) == sorted(params), "the keys are those of params"
    for name, value in params.items():
        assert_shape(grads[name], value.shape, value.dtype)


def test_backward_of_the_second_layer(learner, reference, probe):
    params, x, targets = network(probe)
    logits, cache = reference.forward(params, x)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)  # (N, C)
    dlogits = (probabilities - np.eye(logits.shape[1])[targets]) / len(x)  # (N, C)
    grads = learner.backward(params, cache, targets)
    assert_close(grads["b2"], dlogits.sum(axis=0), name="the gradient of b2")
    assert_close(grads["w2"], np.einsum("nm,nc->mc", cache["h"], dlogits), name="the gradient of w2")


def test_backward_of_the_first_layer_where_every_unit_is_active(learner, reference, probe):
    params, x, targets = network(probe)
    x, params["b1"], params["w2"] = 0.2 * x, 6.0 + 0.1 * params["b1"], 0.1 * params["w2"]  # z1 > 0, moderate logits
    logits, cache = reference.forward(params, x)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)  # (N, C)
    dz1 = (probabilities - np.eye(logits.shape[1])[targets]) @ params["w2"].T / len(x)  # (N, M)
    grads = learner.backward(params, cache, targets)
    assert_close(grads["b1"], dz1.sum(axis=0), name="the gradient of b1")
    assert_close(grads["w1"], np.einsum("nd,nm->dm", x, dz1), name="the gradient of w1")


def test_backward_gives_no_gradient_to_a_unit_that_is_never_active(learner, reference, probe):
    params, x, targets = network(probe)
    params["b1"][0] = -1000.0
    grads = learner.backward(params, reference.forward(params, x)[1], targets)
    got = [grads["w1"][:, 0], grads["b1"][0], grads["w2"][0]]
    assert_close(got, [np.zeros(x.shape[1]), 0.0, np.zeros(probe.size("C"))])


@pytest.mark.stage("whole")
def test_backward_equals_the_reference(learner, reference, probe):
    for params, x, targets in (network(probe), square_network(probe)):
        _, cache = reference.forward(params, x)
        expected = reference.backward(params, cache, targets)
        assert_close(learner.backward(params, cache, targets), expected)
        shuffled = dict(reversed(params.items())), dict(reversed(cache.items()))
        assert_close(learner.backward(*shuffled, targets), expected)


@pytest.mark.stage("whole")
@pytest.mark.task("backward")
def test_backward_understands_the_cache_of_your_own_forward(learner, reference, probe):
    params, x, targets = network(probe)
    _, cache = learner.forward(params, x)
    expected = reference.backward(params, reference.forward(params, x)[1], targets)
    assert_close(learner.backward(params, cache, targets), expected)


@pytest.mark.stage("whole")
def test_backward_gives_the_slopes_of_the_loss(learner, reference, probe):
    params = {"b1": probe.normal(5), "w2": probe.normal(5, 2), "b2": probe.normal(2)}
    x, targets = probe.normal(3, 7), probe.integers(3, high=2)
    z1 = probe.signs(3, 5) * probe.uniform("3 5", 0.5, 2.0)  # (N, M), away from the kink of the ReLU
    params["w1"] = np.linalg.pinv(x) @ (z1 - params["b1"])  # (D, M): with N < D there is a w1 that gives this z1
    grads = learner.backward(params, reference.forward(params, x)[1], targets)

    def loss(*values):
        return loss_of(reference.forward(dict(zip(NAMES, values, strict=True)), x)[0], targets)

    assert_gradients(loss, [params[name] for name in NAMES], [grads[name] for name in NAMES], names=NAMES)


@pytest.mark.stage("robust")
def test_backward_of_every_row_twice_is_the_same_mean(learner, reference, probe):
    params, x, targets = network(probe)
    _, cache = reference.forward(params, np.concatenate([x, x]))
    expected = reference.backward(params, reference.forward(params, x)[1], targets)
    assert_close(learner.backward(params, cache, np.concatenate([targets, targets])), expected)


@pytest.mark.stage("robust")
def test_backward_through_a_unit_at_exactly_zero_is_zero(learner, reference, probe):
    params, x, targets = network(probe)
    params["b1"], x[0] = np.zeros(probe.size("M")), 0.0  # then z1 is zero in row 0
    _, cache = reference.forward(params, x)
    assert_close(learner.backward(params, cache, targets), reference.backward(params, cache, targets))


@pytest.mark.stage("robust")
def test_backward_of_huge_weights_and_of_huge_inputs(learner, reference, probe):
    params, x, targets = network(probe)
    for weights, inputs in ((1000.0, 1.0), (1.0, 1000.0)):
        scaled = {**params, "w2": weights * params["w2"]}
        _, cache = reference.forward(scaled, inputs * x)
        assert_close(learner.backward(scaled, cache, targets), reference.backward(scaled, cache, targets))


@pytest.mark.stage("robust")
def test_backward_of_one_row_one_input_one_unit_or_one_class(learner, reference, probe):
    for n, d, m, c in ((1, 2, 3, 5), (2, 1, 3, 5), (2, 3, 1, 5), (2, 3, 5, 1)):
        params = {"w1": probe.normal(d, m), "b1": probe.normal(m), "w2": probe.normal(m, c), "b2": probe.normal(c)}
        _, cache = reference.forward(params, probe.normal(n, d))
        targets = np.arange(n) % c
        assert_close(learner.backward(params, cache, targets), reference.backward(params, cache, targets))


@pytest.mark.stage("shape")
def test_train_step_returns_new_parameters_and_a_float(learner, probe):
    params, x, targets = network(probe)
    result = learner.train_step(params, x, targets, 0.3)
    assert isinstance(result, tuple | list) and len(result) == 2, "train_step returns parameters and a loss"
    new, loss = result
    assert isinstance(loss, float), "the loss is a float"
    assert isinstance(new, dict) and sorted(new) == sorted(params), "the keys are those of params"
    for name, value in params.items():
        assert_shape(new[name], value.shape, value.dtype)


def test_train_step_reports_the_mean_loss_before_the_step(learner, reference, probe):
    params, x, targets = network(probe)
    _, loss = learner.train_step(params, x, targets, probe.scalar(0.2, 0.6))
    assert_close(loss, loss_of(reference.forward(params, x)[0], targets), name="the loss")


def test_train_step_moves_every_parameter_against_its_gradient(learner, reference, probe):
    params, x, targets = network(probe)
    grads = reference.backward(params, reference.forward(params, x)[1], targets)
    for lr in (probe.scalar(0.2, 0.6), 1e-4):
        new, _ = learner.train_step(params, x, targets, lr)
        for name in NAMES:
            assert_close(params[name] - new[name], lr * grads[name], name=f"the step of {name}")


def test_train_step_moves_twice_as_far_at_twice_the_learning_rate(learner, probe):
    params, x, targets = network(probe)
    short, _ = learner.train_step(params, x, targets, 0.25)
    long, _ = learner.train_step(params, x, targets, 0.5)
    for name in NAMES:
        moved = 2.0 * (short[name] - params[name])
        assert_close(long[name] - params[name], moved, name=f"the step of {name}")


@pytest.mark.stage("whole")
def test_train_step_equals_the_reference(learner, reference, probe):
    lr = probe.scalar(0.2, 0.6)
    for params, x, targets in (network(probe), square_network(probe)):
        expected = reference.train_step(params, x, targets, lr)
        assert_close(learner.train_step(params, x, targets, lr), expected)
        assert_close(learner.train_step(dict(reversed(params.items())), x, targets, lr), expected)


@pytest.mark.stage("robust")
def test_train_step_gives_new_arrays_even_where_nothing_moves(learner, probe):
    params, x, targets = network(probe)
    params["b1"] -= 1000.0  # no unit is active, so w1, b1 and w2 have no gradient
    text = (
        "lambda step, params, x, targets: [name for name, value in step(params, x, targets, 0.3)[0].items()"
        " if __import__('numpy').shares_memory(value, params[name])]"
    )
    shared = made(learner, text)(learner.train_step, params, x, targets)
    assert shared == [], f"these are the arrays that were passed in, not new ones: {shared}"


@pytest.mark.stage("whole")
def test_train_step_repeated_learns_as_the_reference_does(learner, reference, probe):
    params = reference.init_params(probe.generator(), probe.size("D"), probe.size("M"), probe.size("C"))
    x, targets, mine, losses, expected = probe.normal("N D"), probe.integers("N", high="C"), params, [], []
    for _ in range(12):
        mine, loss = learner.train_step(mine, x, targets, 0.2)
        params, expected_loss = reference.train_step(params, x, targets, 0.2)
        losses.append(loss)
        expected.append(expected_loss)
    assert_close(losses, expected, name="the losses")
    assert_close(mine, params, name="the parameters after the last step")
    assert losses[-1] < losses[0], "the loss falls"


@pytest.mark.stage("robust")
def test_train_step_on_one_row(learner, reference, probe):
    params, x, targets = network(probe)
    x, targets = x[:1], targets[:1]
    assert_close(learner.train_step(params, x, targets, 0.3), reference.train_step(params, x, targets, 0.3))


@pytest.mark.stage("robust")
def test_train_step_survives_huge_logits(learner, reference, probe):
    params, x, targets = network(probe)
    params["w2"] = 1000.0 * params["w2"]
    assert_close(learner.train_step(params, x, targets, 0.3), reference.train_step(params, x, targets, 0.3))
