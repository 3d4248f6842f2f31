"""Hidden checks of the optimizers: one step, many steps beside torch's own, and the class that trains a model."""

from copy import deepcopy

import pytest
import torch

from autograder.testing import assert_close, assert_shape, there

DTYPES = (torch.float32, torch.float64)
KINDS = ((torch.float32, "N D"), (torch.float64, "D"), (torch.float64, "2 N D"))  # of parameters
of_the_class = pytest.mark.task("Adam")


def problem(probe, dtype=torch.float64, steps=6, shape="N D"):
    """A parameter and one gradient for every step."""
    return probe.tensor(shape, dtype=dtype), [probe.tensor(shape, dtype=dtype) for _ in range(steps)]


def with_zeros(probe):
    """A parameter and gradients with zeros: one row has them at every step, others come and go."""
    param, grads = problem(probe, steps=4, shape="5 D")
    for grad, rows in zip(grads, ([0, 1], [0, 2], [0, 2, 3], [0, 1, 3]), strict=True):
        grad[rows] = 0.0
    return param, grads


def state_of_a_passing_gradient(rule, param, grad, options):
    """What a rule remembers of a gradient that is then overwritten, as the next backward pass does. It runs where the rule does."""
    grad = grad.clone()
    _, state = rule(param, grad, {}, **options)
    grad.zero_()
    return state


def number(probe):
    """A parameter, or a gradient, without axes."""
    return torch.tensor(probe.scalar(-2.0, 2.0))


def positive(probe):
    return probe.tensor(probe.uniform("N D", 0.2, 2.0), dtype=torch.float64)


def path(rule, param, grads, **options):
    """Where a rule takes a parameter, step by step."""
    state, places = {}, []
    for grad in grads:
        param, state = rule(param, grad, state, **options)
        places.append(param)
    return places


def torch_path(kind, param, grads, **options):
    """Where an optimizer of torch takes it."""
    moving, places = torch.nn.Parameter(param.clone()), []
    optimizer = kind([moving], **options)
    for grad in grads:
        moving.grad = grad.clone()
        optimizer.step()
        places.append(moving.detach().clone())
    return places


def in_turn(rule, problems, **options):
    """Where a rule takes several parameters that are stepped in turn, each with its own state."""
    params, states = [param for param, _ in problems], [{} for _ in problems]
    for grads in zip(*(grads for _, grads in problems), strict=True):
        for i, grad in enumerate(grads):
            params[i], states[i] = rule(params[i], grad, states[i], **options)
    return params


def assert_step(result, param, keys):
    """A step hands back a parameter like the old one, and a state with the agreed keys."""
    assert isinstance(result, tuple | list) and len(result) == 2, "a step returns the new parameter and the new state"
    new, state = result
    assert_shape(new, param.shape, param.dtype, name="the new parameter")
    assert isinstance(state, dict) and set(state) == set(keys), f"the keys of the new state are {sorted(keys)}"
    for key in set(keys) - {"step"}:
        assert_shape(state[key], param.shape, param.dtype, name=f"state[{key!r}]")


# sgd


@pytest.mark.stage("shape")
def test_sgd_returns_a_parameter_like_the_old_one_and_an_empty_state(learner, probe):
    for dtype in DTYPES:
        param, (grad,) = problem(probe, dtype, steps=1)
        assert_step(learner.sgd(param, grad, {}, lr=0.3, weight_decay=0.2), param, ())


def test_sgd_moves_against_the_gradient(learner, probe):
    param, (grad,) = problem(probe, steps=1)
    lr = probe.scalar(0.1, 0.9)
    assert_close(learner.sgd(param, grad, {}, lr=lr)[0] - param, -lr * grad, name="the move")


def test_sgd_without_a_gradient_shrinks_the_parameter_by_its_decay(learner, probe):
    param, decay = probe.tensor("N D", dtype=torch.float64), probe.scalar(0.2, 0.9)
    for lr in (probe.scalar(0.2, 0.9), probe.scalar(1.2, 3.0)):
        new, _ = learner.sgd(param, torch.zeros_like(param), {}, lr=lr, weight_decay=decay)
        assert_close(new, param - lr * decay * param)


@pytest.mark.stage("whole")
def test_sgd_equals_the_reference(learner, reference, probe):
    param, (grad,) = problem(probe, steps=1)
    options = {"lr": probe.scalar(0.1, 0.6), "weight_decay": probe.scalar(0.2, 0.9)}
    assert_close(learner.sgd(param, grad, {}, **options), reference.sgd(param, grad, {}, **options))


@pytest.mark.stage("whole")
def test_sgd_takes_the_way_of_torch(learner, probe):
    for dtype, shape in KINDS:
        param, grads = problem(probe, dtype, shape=shape)
        options = {"lr": probe.scalar(0.1, 0.6), "weight_decay": probe.scalar(0.2, 0.9)}
        expected = torch_path(torch.optim.SGD, param, grads, **options)
        assert_close(path(learner.sgd, param, grads, **options), expected)


@pytest.mark.stage("robust")
def test_sgd_of_a_single_number_and_of_a_stack_of_matrices(learner, reference, probe):
    for param, grad in ((number(probe), number(probe)), (probe.tensor("2 3 5"), probe.tensor("2 3 5"))):
        assert_close(learner.sgd(param, grad, {}, 0.3, 0.2), reference.sgd(param, grad, {}, 0.3, 0.2))


@pytest.mark.stage("robust")
def test_sgd_of_huge_gradients_is_not_cut(learner, probe):
    param, grad = probe.tensor("N D"), 1e4 * probe.tensor("N D")
    assert_close(learner.sgd(param, grad, {}, lr=0.3)[0], param - 0.3 * grad)


# momentum


@pytest.mark.stage("shape")
def test_momentum_returns_a_parameter_like_the_old_one_and_a_buffer(learner, probe):
    for dtype in DTYPES:
        param, (grad,) = problem(probe, dtype, steps=1)
        assert_step(learner.momentum(param, grad, {}, lr=0.3, mu=0.6), param, ("momentum_buffer",))


def test_momentum_starts_with_the_whole_gradient_as_its_buffer(learner, probe):
    param, (grad,) = problem(probe, steps=1)
    _, state = learner.momentum(param, grad, {}, lr=probe.scalar(0.1, 0.6), mu=probe.scalar(0.3, 0.8))
    assert_close(state, {"momentum_buffer": grad}, name="the new state")


def test_momentum_keeps_a_part_of_the_buffer_and_adds_the_gradient(learner, probe):
    param, (grad, buffer) = problem(probe, steps=2)
    mu = probe.scalar(0.3, 0.8)
    _, state = learner.momentum(param, grad, {"momentum_buffer": buffer}, lr=probe.scalar(0.1, 0.6), mu=mu)
    assert_close(state, {"momentum_buffer": mu * buffer + grad}, name="the new state")


def test_momentum_moves_against_its_new_buffer(learner, probe):
    param, (grad, buffer) = problem(probe, steps=2)
    lr, mu = probe.scalar(0.1, 0.6), probe.scalar(0.3, 0.8)
    new, _ = learner.momentum(param, grad, {"momentum_buffer": buffer}, lr=lr, mu=mu)
    assert_close(new - param, -lr * (mu * buffer + grad), name="the move")


def test_momentum_puts_the_decay_into_the_buffer(learner, probe):
    param, lr, decay = probe.tensor("N D", dtype=torch.float64), probe.scalar(0.1, 0.6), probe.scalar(0.2, 0.9)
    new, state = learner.momentum(param, torch.zeros_like(param), {}, lr=lr, weight_decay=decay)
    assert_close(state, {"momentum_buffer": decay * param}, name="the new state")
    assert_close(new, param - lr * decay * param, name="the new parameter")


@pytest.mark.stage("whole")
def test_momentum_equals_the_reference(learner, reference, probe):
    param, (grad, buffer) = problem(probe, steps=2)
    options = {"lr": probe.scalar(0.1, 0.6), "mu": probe.scalar(0.3, 0.8), "weight_decay": probe.scalar(0.2, 0.9)}
    for state in ({}, {"momentum_buffer": buffer}):
        expected = reference.momentum(param, grad, state, **options)
        assert_close(learner.momentum(param, grad, state, **options), expected)


@pytest.mark.stage("whole")
def test_momentum_takes_the_way_of_torch(learner, probe):
    for dtype, shape in KINDS:
        param, grads = problem(probe, dtype, shape=shape)
        lr, mu, decay = probe.scalar(0.1, 0.6), probe.scalar(0.3, 0.8), probe.scalar(0.2, 0.9)
        expected = torch_path(torch.optim.SGD, param, grads, lr=lr, momentum=mu, weight_decay=decay)
        assert_close(path(learner.momentum, param, grads, lr=lr, mu=mu, weight_decay=decay), expected)


@pytest.mark.stage("robust")
def test_momentum_without_mu_takes_nine_tenths(learner, probe):
    param, grads = problem(probe, steps=3)
    expected = torch_path(torch.optim.SGD, param, grads, lr=0.2, momentum=0.9)
    assert_close(path(learner.momentum, param, grads, lr=0.2), expected)


@pytest.mark.stage("robust")
def test_momentum_that_keeps_nothing_steps_by_the_gradient(learner, probe):
    param, (first, second) = problem(probe, steps=2)
    places = path(learner.momentum, param, [first, second], lr=0.2, mu=0.0)
    assert_close(places, [param - 0.2 * first, param - 0.2 * first - 0.2 * second])
    _, state = learner.momentum(param, second, {"momentum_buffer": first}, lr=0.2, mu=0.0)
    assert_close(state, {"momentum_buffer": second}, name="the new state")


@pytest.mark.stage("robust")
def test_momentum_that_keeps_everything_adds_up_the_gradients(learner, reference, probe):
    param, (grad, buffer) = problem(probe, steps=2)
    new, state = learner.momentum(param, grad, {"momentum_buffer": buffer}, lr=0.2, mu=1.0)
    assert_close(state, {"momentum_buffer": buffer + grad}, name="the new state")
    assert_close(new, reference.momentum(param, grad, {"momentum_buffer": buffer}, lr=0.2, mu=1.0)[0])


@pytest.mark.stage("robust")
def test_momentum_rolls_on_where_the_gradient_is_zero(learner, reference, probe):
    param, grads = with_zeros(probe)
    expected = path(reference.momentum, param, grads, lr=0.3, mu=0.6)
    assert_close(path(learner.momentum, param, grads, lr=0.3, mu=0.6), expected)


@pytest.mark.stage("robust")
def test_momentum_keeps_its_buffer_when_the_gradient_is_overwritten(learner, probe):
    param, (grad,) = problem(probe, steps=1)
    state = there(learner, state_of_a_passing_gradient)(learner.momentum, param, grad, {"lr": 0.3, "mu": 0.6})
    assert_close(state, {"momentum_buffer": grad}, name="the state after the first step")


@pytest.mark.stage("robust")
def test_momentum_at_a_new_learning_rate_moves_by_that_times_the_buffer(learner, reference, probe):
    param, (first, second) = problem(probe, steps=2)
    _, state = reference.momentum(param, first, {}, lr=0.7, mu=0.6)
    expected = reference.momentum(param, second, state, lr=0.1, mu=0.6)
    assert_close(learner.momentum(param, second, learner.momentum(param, first, {}, 0.7, 0.6)[1], 0.1, 0.6), expected)


@pytest.mark.stage("robust")
def test_momentum_of_parameters_in_turn_keeps_them_apart(learner, reference, probe):
    problems = [problem(probe, steps=3) for _ in range(3)]
    assert_close(in_turn(learner.momentum, problems, lr=0.3), in_turn(reference.momentum, problems, lr=0.3))


@pytest.mark.stage("robust")
def test_momentum_of_a_single_number(learner, reference, probe):
    param, grad, state = number(probe), number(probe), {"momentum_buffer": number(probe)}
    assert_close(learner.momentum(param, grad, state, 0.3, 0.6), reference.momentum(param, grad, state, 0.3, 0.6))


# nesterov


@pytest.mark.stage("shape")
def test_nesterov_returns_a_parameter_like_the_old_one_and_a_buffer(learner, probe):
    for dtype in DTYPES:
        param, (grad,) = problem(probe, dtype, steps=1)
        assert_step(learner.nesterov(param, grad, {}, lr=0.3, mu=0.6), param, ("momentum_buffer",))


def test_nesterov_keeps_the_buffer_of_momentum(learner, probe):
    param, (grad, buffer) = problem(probe, steps=2)
    mu = probe.scalar(0.3, 0.8)
    _, state = learner.nesterov(param, grad, {}, lr=0.3, mu=mu)
    assert_close(state, {"momentum_buffer": grad}, name="the state after the first step")
    _, state = learner.nesterov(param, grad, {"momentum_buffer": buffer}, lr=0.3, mu=mu)
    assert_close(state, {"momentum_buffer": mu * buffer + grad}, name="the new state")


def test_nesterov_takes_a_first_step_of_gradient_and_mu_times_gradient(learner, probe):
    param, (grad,) = problem(probe, steps=1)
    lr, mu = probe.scalar(0.1, 0.6), probe.scalar(0.3, 0.8)
    assert_close(learner.nesterov(param, grad, {}, lr=lr, mu=mu)[0] - param, -lr * (1 + mu) * grad, name="the move")


def test_nesterov_looks_ahead_with_the_new_buffer(learner, probe):
    param, (grad, buffer) = problem(probe, steps=2)
    lr, mu = probe.scalar(0.1, 0.6), probe.scalar(0.3, 0.8)
    new, _ = learner.nesterov(param, grad, {"momentum_buffer": buffer}, lr=lr, mu=mu)
    assert_close(new - param, -lr * (grad + mu * (mu * buffer + grad)), name="the move")


def test_nesterov_puts_the_decay_into_gradient_and_buffer(learner, probe):
    (param, (grad,)), lr, decay = problem(probe, steps=1), probe.scalar(0.1, 0.6), probe.scalar(0.2, 0.9)
    new, state = learner.nesterov(param, grad, {}, lr=lr, mu=0.5, weight_decay=decay)
    assert_close(state, {"momentum_buffer": grad + decay * param}, name="the new state")
    assert_close(new, param - 1.5 * lr * (grad + decay * param), name="the new parameter")


@pytest.mark.stage("whole")
def test_nesterov_equals_the_reference(learner, reference, probe):
    param, (grad, buffer) = problem(probe, steps=2)
    options = {"lr": probe.scalar(0.1, 0.6), "mu": probe.scalar(0.3, 0.8), "weight_decay": probe.scalar(0.2, 0.9)}
    for state in ({}, {"momentum_buffer": buffer}):
        expected = reference.nesterov(param, grad, state, **options)
        assert_close(learner.nesterov(param, grad, state, **options), expected)


@pytest.mark.stage("whole")
def test_nesterov_takes_the_way_of_torch(learner, probe):
    for dtype, shape in KINDS:
        param, grads = problem(probe, dtype, shape=shape)
        lr, mu, decay = probe.scalar(0.1, 0.6), probe.scalar(0.3, 0.8), probe.scalar(0.2, 0.9)
        expected = torch_path(torch.optim.SGD, param, grads, lr=lr, momentum=mu, nesterov=True, weight_decay=decay)
        assert_close(path(learner.nesterov, param, grads, lr=lr, mu=mu, weight_decay=decay), expected)


@pytest.mark.stage("robust")
def test_nesterov_without_mu_takes_nine_tenths(learner, probe):
    param, grads = problem(probe, steps=3)
    expected = torch_path(torch.optim.SGD, param, grads, lr=0.2, momentum=0.9, nesterov=True)
    assert_close(path(learner.nesterov, param, grads, lr=0.2), expected)


@pytest.mark.stage("robust")
def test_nesterov_that_keeps_nothing_steps_by_the_gradient(learner, probe):
    param, (first, second) = problem(probe, steps=2)
    places = path(learner.nesterov, param, [first, second], lr=0.2, mu=0.0)
    assert_close(places, [param - 0.2 * first, param - 0.2 * first - 0.2 * second])
    _, state = learner.nesterov(param, second, {"momentum_buffer": first}, lr=0.2, mu=0.0)
    assert_close(state, {"momentum_buffer": second}, name="the new state")


@pytest.mark.stage("robust")
def test_nesterov_that_keeps_everything_adds_up_the_gradients(learner, reference, probe):
    param, (grad, buffer) = problem(probe, steps=2)
    new, state = learner.nesterov(param, grad, {"momentum_buffer": buffer}, lr=0.2, mu=1.0)
    assert_close(state, {"momentum_buffer": buffer + grad}, name="the new state")
    assert_close(new, reference.nesterov(param, grad, {"momentum_buffer": buffer}, lr=0.2, mu=1.0)[0])


@pytest.mark.stage("robust")
def test_nesterov_rolls_on_where_the_gradient_is_zero(learner, reference, probe):
    param, grads = with_zeros(probe)
    expected = path(reference.nesterov, param, grads, lr=0.3, mu=0.6)
    assert_close(path(learner.nesterov, param, grads, lr=0.3, mu=0.6), expected)


@pytest.mark.stage("robust")
def test_nesterov_keeps_its_buffer_when_the_gradient_is_overwritten(learner, probe):
    param, (grad,) = problem(probe, steps=1)
    state = there(learner, state_of_a_passing_gradient)(learner.nesterov, param, grad, {"lr": 0.3, "mu": 0.6})
    assert_close(state, {"momentum_buffer": grad}, name="the state after the first step")


@pytest.mark.stage("robust")
def test_nesterov_of_parameters_in_turn_keeps_them_apart(learner, reference, probe):
    problems = [problem(probe, steps=3) for _ in range(3)]
    assert_close(in_turn(learner.nesterov, problems, lr=0.3), in_turn(reference.nesterov, problems, lr=0.3))


@pytest.mark.stage("robust")
def test_nesterov_of_a_single_number_at_a_new_learning_rate(learner, reference, probe):
    param, grad = number(probe), number(probe)
    _, state = learner.nesterov(param, grad, {}, 0.7, 0.6)
    expected = reference.nesterov(param, grad, reference.nesterov(param, grad, {}, 0.7, 0.6)[1], 0.1, 0.6)
    assert_close(learner.nesterov(param, grad, state, 0.1, 0.6), expected)


# adagrad


@pytest.mark.stage("shape")
def test_adagrad_returns_a_parameter_like_the_old_one_and_a_sum(learner, probe):
    for dtype in DTYPES:
        param, (grad,) = problem(probe, dtype, steps=1)
        assert_step(learner.adagrad(param, grad, {}, lr=0.3, eps=0.2), param, ("sum",))


def test_adagrad_adds_up_the_squared_gradients(learner, probe):
    param, (grad,) = problem(probe, steps=1)
    total = positive(probe)
    assert_close(learner.adagrad(param, grad, {}, lr=0.3)[1], {"sum": grad * grad}, name="the state after one step")
    _, state = learner.adagrad(param, grad, {"sum": total}, lr=0.3)
    assert_close(state, {"sum": total + grad * grad}, name="the new state")


def test_adagrad_takes_a_first_step_of_the_learning_rate_in_every_entry(learner, probe):
    param, (grad,) = problem(probe, steps=1)
    lr = probe.scalar(0.1, 0.6)
    new, _ = learner.adagrad(param, 100.0 * grad, {}, lr=lr, eps=0.0)
    assert_close(new - param, -lr * grad.sign(), name="the move")


def test_adagrad_adds_eps_to_the_root_and_not_under_it(learner, probe):
    param, (grad,) = problem(probe, steps=1)
    lr, eps = probe.scalar(0.1, 0.6), probe.scalar(0.01, 0.4)
    new, _ = learner.adagrad(param, grad, {}, lr=lr, eps=eps)
    assert_close(new - param, -lr * grad / (grad.abs() + eps), name="the move")


def test_adagrad_divides_by_the_sum_that_holds_the_new_gradient(learner, probe):
    param, (grad,) = problem(probe, steps=1)
    lr, total = probe.scalar(0.1, 0.6), positive(probe)
    new, _ = learner.adagrad(param, grad, {"sum": total}, lr=lr, eps=0.0)
    assert_close(new - param, -lr * grad / torch.sqrt(total + grad * grad), name="the move")


@pytest.mark.stage("whole")
def test_adagrad_equals_the_reference(learner, reference, probe):
    param, (grad,) = problem(probe, steps=1)
    options = {"lr": probe.scalar(0.1, 0.6), "eps": probe.scalar(0.01, 0.4)}
    for state in ({}, {"sum": positive(probe)}):
        assert_close(learner.adagrad(param, grad, state, **options), reference.adagrad(param, grad, state, **options))


@pytest.mark.stage("whole")
def test_adagrad_takes_the_way_of_torch(learner, probe):
    for dtype, shape in KINDS:
        param, grads = problem(probe, dtype, shape=shape)
        options = {"lr": probe.scalar(0.1, 0.6), "eps": probe.scalar(0.01, 0.4)}
        expected = torch_path(torch.optim.Adagrad, param, grads, **options)
        assert_close(path(learner.adagrad, param, grads, **options), expected)


@pytest.mark.stage("robust")
def test_adagrad_leaves_an_entry_without_a_gradient_where_it_is(learner, reference, probe):
    param, grads = with_zeros(probe)
    assert_close(path(learner.adagrad, param, grads, lr=0.3), path(reference.adagrad, param, grads, lr=0.3))


@pytest.mark.stage("robust")
def test_adagrad_at_the_default_eps_of_one_tenth_of_a_billionth(learner, probe):
    param, (grad,) = problem(probe, steps=1)
    new, _ = learner.adagrad(torch.zeros_like(param), 1e-10 * grad, {}, lr=0.3)
    assert_close(new, -0.3 * grad / (grad.abs() + 1.0))


@pytest.mark.stage("robust")
def test_adagrad_of_parameters_in_turn_keeps_them_apart(learner, reference, probe):
    problems = [problem(probe, steps=3) for _ in range(3)]
    assert_close(in_turn(learner.adagrad, problems, lr=0.3), in_turn(reference.adagrad, problems, lr=0.3))


@pytest.mark.stage("robust")
def test_adagrad_of_a_single_number_at_a_new_learning_rate(learner, reference, probe):
    param, grad = number(probe), number(probe)
    _, state = learner.adagrad(param, grad, {}, 0.7)
    expected = reference.adagrad(param, grad, reference.adagrad(param, grad, {}, 0.7)[1], 0.1, 0.2)
    assert_close(learner.adagrad(param, grad, state, 0.1, 0.2), expected)


# rmsprop


@pytest.mark.stage("shape")
def test_rmsprop_returns_a_parameter_like_the_old_one_and_an_average(learner, probe):
    for dtype in DTYPES:
        param, (grad,) = problem(probe, dtype, steps=1)
        assert_step(learner.rmsprop(param, grad, {}, lr=0.3, alpha=0.6, eps=0.2), param, ("square_avg",))


def test_rmsprop_starts_its_average_at_zero(learner, probe):
    param, (grad,) = problem(probe, steps=1)
    alpha = probe.scalar(0.2, 0.9, away_from=0.5)
    _, first = learner.rmsprop(param, grad, {}, lr=0.3, alpha=alpha)
    _, second = learner.rmsprop(param, grad, {"square_avg": grad * grad}, lr=0.3, alpha=alpha)
    assert_close(first, {"square_avg": (1 - alpha) * grad * grad}, name="the state after the first step")
    assert_close(second, {"square_avg": grad * grad}, name="the state after a step from such an average")


def test_rmsprop_keeps_alpha_of_the_old_average(learner, probe):
    param, (grad,) = problem(probe, steps=1)
    alpha, average = probe.scalar(0.2, 0.9, away_from=0.5), positive(probe)
    _, state = learner.rmsprop(param, grad, {"square_avg": average}, lr=0.3, alpha=alpha)
    assert_close(state, {"square_avg": alpha * average + (1 - alpha) * grad * grad}, name="the new state")


def test_rmsprop_divides_by_the_root_of_the_new_average(learner, probe):
    param, (grad,) = problem(probe, steps=1)
    lr, alpha, average = probe.scalar(0.1, 0.6), probe.scalar(0.2, 0.9, away_from=0.5), positive(probe)
    new, _ = learner.rmsprop(param, grad, {"square_avg": average}, lr=lr, alpha=alpha, eps=0.0)
    root = torch.sqrt(alpha * average + (1 - alpha) * grad * grad)
    assert_close(new - param, -lr * grad / root, name="the move")


def test_rmsprop_adds_eps_to_the_root_and_not_under_it(learner, probe):
    param, (grad,) = problem(probe, steps=1)
    lr, eps = probe.scalar(0.1, 0.6), probe.scalar(0.01, 0.4)
    new, _ = learner.rmsprop(param, grad, {}, lr=lr, alpha=0.75, eps=eps)
    assert_close(new - param, -lr * grad / (0.5 * grad.abs() + eps), name="the move")


@pytest.mark.stage("whole")
def test_rmsprop_equals_the_reference(learner, reference, probe):
    param, (grad,) = problem(probe, steps=1)
    options = {"lr": probe.scalar(0.1, 0.6), "alpha": probe.scalar(0.2, 0.9, 0.5), "eps": probe.scalar(0.01, 0.4)}
    for state in ({}, {"square_avg": positive(probe)}):
        assert_close(learner.rmsprop(param, grad, state, **options), reference.rmsprop(param, grad, state, **options))


@pytest.mark.stage("whole")
def test_rmsprop_takes_the_way_of_torch(learner, probe):
    for dtype, shape in KINDS:
        param, grads = problem(probe, dtype, shape=shape)
        options = {"lr": probe.scalar(0.1, 0.6), "alpha": probe.scalar(0.2, 0.9, 0.5), "eps": probe.scalar(0.01, 0.4)}
        expected = torch_path(torch.optim.RMSprop, param, grads, **options)
        assert_close(path(learner.rmsprop, param, grads, **options), expected)


@pytest.mark.stage("robust")
def test_rmsprop_without_alpha_and_eps_takes_the_defaults_of_torch(learner, probe):
    param, grads = problem(probe, steps=3)
    grads = [1e-8 * grad for grad in grads]
    expected = torch_path(torch.optim.RMSprop, 0.1 * param, grads, lr=0.3)
    assert_close(path(learner.rmsprop, 0.1 * param, grads, lr=0.3), expected)


@pytest.mark.stage("robust")
def test_rmsprop_forgets_where_the_gradient_is_zero_and_moves_nothing_there(learner, reference, probe):
    param, grads = with_zeros(probe)
    assert_close(path(learner.rmsprop, param, grads, lr=0.3), path(reference.rmsprop, param, grads, lr=0.3))


@pytest.mark.stage("robust")
def test_rmsprop_that_keeps_nothing_follows_the_sign_of_the_gradient(learner, probe):
    param, (first, second) = problem(probe, steps=2)
    places = path(learner.rmsprop, param, [first, second], lr=0.2, alpha=0.0, eps=0.0)
    assert_close(places, [param - 0.2 * first.sign(), param - 0.2 * first.sign() - 0.2 * second.sign()])


@pytest.mark.stage("robust")
def test_rmsprop_that_keeps_everything_takes_in_no_gradient(learner, probe):
    param, (grad,) = problem(probe, steps=1)
    average = positive(probe)
    new, state = learner.rmsprop(param, grad, {"square_avg": average}, lr=0.2, alpha=1.0, eps=0.1)
    assert_close(state, {"square_avg": average}, name="the new state")
    assert_close(new, param - 0.2 * grad / (average.sqrt() + 0.1), name="the new parameter")


@pytest.mark.stage("robust")
def test_rmsprop_of_parameters_in_turn_keeps_them_apart(learner, reference, probe):
    problems = [problem(probe, steps=3) for _ in range(3)]
    assert_close(in_turn(learner.rmsprop, problems, lr=0.3), in_turn(reference.rmsprop, problems, lr=0.3))


@pytest.mark.stage("robust")
def test_rmsprop_of_a_single_number_at_a_new_learning_rate(learner, reference, probe):
    param, grad = number(probe), number(probe)
    _, state = learner.rmsprop(param, grad, {}, 0.7, 0.6)
    expected = reference.rmsprop(param, grad, reference.rmsprop(param, grad, {}, 0.7, 0.6)[1], 0.1, 0.6, 0.2)
    assert_close(learner.rmsprop(param, grad, state, 0.1, 0.6, 0.2), expected)


# adam


def betas(probe):
    return {"beta1": probe.scalar(0.3, 0.8, away_from=0.5), "beta2": probe.scalar(0.6, 0.95, away_from=0.9)}


def options_of_adam(probe):
    """All of them away from their defaults."""
    return {
        "lr": probe.scalar(0.1, 0.6),
        **betas(probe),
        "eps": probe.scalar(0.01, 0.4),
        "weight_decay": probe.scalar(0.2, 0.9),
    }


def for_torch(options):
    """The same options as torch's classes take them."""
    rest = {name: value for name, value in options.items() if name not in ("beta1", "beta2")}
    return {**rest, "betas": (options["beta1"], options["beta2"])}


def moments(probe, step=4):
    """A state in the middle of training."""
    return {"step": step, "exp_avg": probe.tensor("N D", dtype=torch.float64), "exp_avg_sq": positive(probe)}


@pytest.mark.stage("shape")
def test_adam_returns_a_parameter_like_the_old_one_and_its_moments(learner, probe):
    for dtype in DTYPES:
        param, (grad,) = problem(probe, dtype, steps=1)
        result = learner.adam(param, grad, {}, **options_of_adam(probe))
        assert_step(result, param, ("step", "exp_avg", "exp_avg_sq"))


def test_adam_counts_its_steps(learner, probe):
    param, (grad,) = problem(probe, steps=1)
    assert_close(learner.adam(param, grad, {}, lr=0.3)[1]["step"], 1, name="the step after the first")
    assert_close(learner.adam(param, grad, moments(probe, 4), lr=0.3)[1]["step"], 5, name="the step after 4")


def test_adam_keeps_the_first_moment_uncorrected(learner, probe):
    param, (grad,) = problem(probe, steps=1)
    state, options = moments(probe), betas(probe)
    keep = options["beta1"]
    _, new = learner.adam(param, grad, {}, lr=0.3, **options)
    assert_close(new["exp_avg"], (1 - keep) * grad, name="exp_avg after the first step")
    _, new = learner.adam(param, grad, state, lr=0.3, **options)
    assert_close(new["exp_avg"], keep * state["exp_avg"] + (1 - keep) * grad, name="exp_avg")


def test_adam_keeps_the_second_moment_uncorrected(learner, probe):
    param, (grad,) = problem(probe, steps=1)
    state, options = moments(probe), betas(probe)
    keep = options["beta2"]
    _, new = learner.adam(param, grad, {}, lr=0.3, **options)
    assert_close(new["exp_avg_sq"], (1 - keep) * grad * grad, name="exp_avg_sq after the first step")
    _, new = learner.adam(param, grad, state, lr=0.3, **options)
    assert_close(new["exp_avg_sq"], keep * state["exp_avg_sq"] + (1 - keep) * grad * grad, name="exp_avg_sq")


def test_adam_takes_a_first_step_of_the_learning_rate_in_every_entry(learner, probe):
    param, (grad,) = problem(probe, steps=1)
    lr = probe.scalar(0.1, 0.6)
    new, _ = learner.adam(param, grad, {}, lr=lr, eps=0.0, **betas(probe))
    assert_close(new - param, -lr * grad.sign(), name="the move")


def test_adam_adds_eps_outside_the_root_and_after_the_correction(learner, probe):
    param, (grad,) = problem(probe, steps=1)
    lr, eps = probe.scalar(0.1, 0.6), probe.scalar(0.01, 0.4)
    new, _ = learner.adam(param, grad, {}, lr=lr, eps=eps, **betas(probe))
    assert_close(new - param, -lr * grad / (grad.abs() + eps), name="the move")


def test_adam_corrects_both_moments_for_the_number_of_the_step(learner, probe):
    param, (grad,) = problem(probe, steps=1)
    lr, state, options = probe.scalar(0.1, 0.6), moments(probe, step=2), betas(probe)
    new, after = learner.adam(param, grad, state, lr=lr, eps=0.0, **options)
    first = after["exp_avg"] / (1 - options["beta1"] ** 3)
    second = after["exp_avg_sq"] / (1 - options["beta2"] ** 3)
    assert_close(new - param, -lr * first / torch.sqrt(second), name="the move")


def test_adam_puts_the_decay_into_both_moments(learner, probe):
    param, (grad,) = problem(probe, steps=1)
    state, options = moments(probe), {"lr": 0.3, "eps": 0.2, **betas(probe)}
    decay = probe.scalar(0.2, 0.9)
    expected = learner.adam(param, grad + decay * param, state, **options)
    assert_close(learner.adam(param, grad, state, weight_decay=decay, **options), expected)


@pytest.mark.stage("whole")
def test_adam_equals_the_reference(learner, reference, probe):
    param, (grad,) = problem(probe, steps=1)
    options = options_of_adam(probe)
    for state in ({}, moments(probe)):
        assert_close(learner.adam(param, grad, state, **options), reference.adam(param, grad, state, **options))


@pytest.mark.stage("whole")
def test_adam_takes_the_way_of_torch(learner, probe):
    for dtype, shape in KINDS:
        param, grads = problem(probe, dtype, shape=shape)
        options = options_of_adam(probe)
        expected = torch_path(torch.optim.Adam, param, grads, **for_torch(options))
        assert_close(path(learner.adam, param, grads, **options), expected)


@pytest.mark.stage("robust")
def test_adam_with_its_defaults_takes_the_way_of_torch(learner, probe):
    param, grads = problem(probe, steps=4)
    grads = [1e-8 * grad for grad in grads]
    expected = torch_path(torch.optim.Adam, 0.1 * param, grads, lr=0.3)
    assert_close(path(learner.adam, 0.1 * param, grads, lr=0.3), expected)


@pytest.mark.stage("robust")
def test_adam_rolls_on_where_the_gradient_is_zero(learner, reference, probe):
    param, grads = with_zeros(probe)
    assert_close(path(learner.adam, param, grads, lr=0.3), path(reference.adam, param, grads, lr=0.3))


@pytest.mark.stage("robust")
def test_adam_of_parameters_in_turn_keeps_them_apart(learner, reference, probe):
    problems = [problem(probe, steps=3) for _ in range(3)]
    assert_close(in_turn(learner.adam, problems, lr=0.3), in_turn(reference.adam, problems, lr=0.3))


@pytest.mark.stage("robust")
def test_adam_after_a_thousand_steps_corrects_nothing(learner, probe):
    param, (grad,) = problem(probe, steps=1)
    state = moments(probe, step=1000)
    new, after = learner.adam(param, grad, state, lr=0.3, beta1=0.6, beta2=0.7, eps=0.2)
    assert_close(new, param - 0.3 * after["exp_avg"] / (after["exp_avg_sq"].sqrt() + 0.2))


@pytest.mark.stage("robust")
def test_adam_goes_on_correcting_as_long_as_its_memory_is(learner, reference, probe):
    param, (grad,) = problem(probe, steps=1)
    options = {"lr": 0.3, "beta1": 0.9995, "beta2": 0.9997, "eps": 0.02}
    for step in (30, 1000):
        state = moments(probe, step=step)
        assert_close(learner.adam(param, grad, state, **options), reference.adam(param, grad, state, **options))


@pytest.mark.stage("robust")
def test_adam_without_memory_follows_the_sign_of_the_gradient(learner, probe):
    param, grads = problem(probe, steps=2)
    second = path(learner.adam, param, grads, lr=0.3, beta1=0.0, beta2=0.0, eps=0.0)[1]
    assert_close(second, param - 0.3 * grads[0].sign() - 0.3 * grads[1].sign())


@pytest.mark.stage("robust")
def test_adam_of_a_single_number_at_a_new_learning_rate(learner, reference, probe):
    param, grad = number(probe), number(probe)
    _, state = learner.adam(param, grad, {}, 0.7, 0.6, 0.8)
    expected = reference.adam(param, grad, reference.adam(param, grad, {}, 0.7, 0.6, 0.8)[1], 0.1, 0.6, 0.8, 0.2, 0.3)
    assert_close(learner.adam(param, grad, state, 0.1, 0.6, 0.8, 0.2, 0.3), expected)


# adamw


@pytest.mark.stage("shape")
def test_adamw_returns_a_parameter_like_the_old_one_and_its_moments(learner, probe):
    for dtype in DTYPES:
        param, (grad,) = problem(probe, dtype, steps=1)
        result = learner.adamw(param, grad, {}, **options_of_adam(probe))
        assert_step(result, param, ("step", "exp_avg", "exp_avg_sq"))


def test_adamw_without_a_gradient_only_decays(learner, probe):
    param, decay = probe.tensor("N D", dtype=torch.float64), probe.scalar(0.2, 0.9)
    for lr in (probe.scalar(0.2, 0.9), probe.scalar(1.2, 3.0)):
        new, _ = learner.adamw(param, torch.zeros_like(param), {}, lr=lr, weight_decay=decay)
        assert_close(new, param - lr * decay * param)


def test_adamw_keeps_the_decay_out_of_its_moments(learner, probe):
    param, (grad,) = problem(probe, steps=1)
    keep, decay = betas(probe), probe.scalar(0.2, 0.9)
    _, state = learner.adamw(param, grad, {}, lr=0.3, weight_decay=decay, **keep)
    expected = {"exp_avg": (1 - keep["beta1"]) * grad, "exp_avg_sq": (1 - keep["beta2"]) * grad * grad, "step": 1}
    assert_close(state, expected, name="the new state")


def test_adamw_decays_the_old_parameter_and_not_the_moved_one(learner, probe):
    param, (grad,) = problem(probe, steps=1)
    lr, decay = probe.scalar(0.2, 0.9), probe.scalar(0.2, 0.9)
    new, _ = learner.adamw(param, grad, {}, lr=lr, weight_decay=decay, eps=0.0, **betas(probe))
    assert_close(new - param, -lr * decay * param - lr * grad.sign(), name="the move")


def test_adamw_without_decay_goes_on_from_a_state_as_adam_does(learner, reference, probe):
    param, (grad,) = problem(probe, steps=1)
    state, options = moments(probe), {**options_of_adam(probe), "weight_decay": 0.0}
    assert_close(learner.adamw(param, grad, state, **options), reference.adam(param, grad, state, **options))


@pytest.mark.stage("whole")
def test_adamw_equals_the_reference(learner, reference, probe):
    param, (grad,) = problem(probe, steps=1)
    options = options_of_adam(probe)
    for state in ({}, moments(probe)):
        assert_close(learner.adamw(param, grad, state, **options), reference.adamw(param, grad, state, **options))


@pytest.mark.stage("whole")
def test_adamw_takes_the_way_of_torch(learner, probe):
    for dtype, shape in KINDS:
        param, grads = problem(probe, dtype, shape=shape)
        options = options_of_adam(probe)
        expected = torch_path(torch.optim.AdamW, param, grads, **for_torch(options))
        assert_close(path(learner.adamw, param, grads, **options), expected)


@pytest.mark.stage("robust")
def test_adamw_with_its_defaults_takes_the_way_of_torch(learner, probe):
    param, grads = problem(probe, steps=4)
    grads = [1e-8 * grad for grad in grads]
    expected = torch_path(torch.optim.AdamW, 0.1 * param, grads, lr=0.3)
    assert_close(path(learner.adamw, 0.1 * param, grads, lr=0.3), expected)


@pytest.mark.stage("robust")
def test_adamw_of_parameters_in_turn_keeps_them_apart(learner, reference, probe):
    problems = [problem(probe, steps=3) for _ in range(3)]
    assert_close(in_turn(learner.adamw, problems, lr=0.3), in_turn(reference.adamw, problems, lr=0.3))


@pytest.mark.stage("robust")
def test_adamw_of_a_single_number_at_a_new_learning_rate(learner, reference, probe):
    param, grad = number(probe), number(probe)
    _, state = learner.adamw(param, grad, {}, 0.7, 0.6, 0.8)
    expected = reference.adamw(param, grad, reference.adamw(param, grad, {}, 0.7, 0.6, 0.8)[1], 0.1, 0.6, 0.8, 0.2, 0.3)
    assert_close(learner.adamw(param, grad, state, 0.1, 0.6, 0.8, 0.2, 0.3), expected)


# The class. Its parameters must live where it does: only then can it move them.


class Model:
    """Parameters beside a submission's optimizer. It moves them; their gradients are set, and they are read, from here.

    Each is a module of its own, so that some can have gradients and others none. For a leaf, as a parameter is,
    `torch.autograd.backward` adds the gradient it is given to what the parameter has.
    """

    def __init__(self, module, values):
        self.torch = module.library("torch")
        self.parts = [self.torch.nn.ParameterList([value]) for value in values]
        self.whole = self.torch.nn.Sequential(*self.parts)

    def parameters(self):
        return self.whole.parameters()

    def backward(self, grads):
        """Give every parameter its gradient, and none where that is None."""
        self.whole.zero_grad()
        for part, grad in zip(self.parts, grads, strict=True):
            if grad is not None:
                self.torch.autograd.backward(part.parameters(), [grad])

    @property
    def values(self):
        return [getattr(part, "0") for part in self.parts]


def several(probe, dtype=torch.float64):
    """Values, or gradients, of three parameters; two of them have one shape."""
    return [probe.tensor(shape, dtype=dtype) for shape in ("N D", "N D", "M")]


def train(module, values, steps, **options):
    """The parameters after every step of `module.Adam`, in one group."""
    model, places = Model(module, values), []
    optimizer = module.Adam(model.parameters(), **options)
    for grads in steps:
        model.backward(grads)
        optimizer.step()
        places.append(model.values)
    return places


def train_torch(groups, steps, **options):
    """The parameters of all groups after every step of torch's class. A group is a list of values and its options."""
    lists = [[torch.nn.Parameter(value.clone()) for value in values] for values, _ in groups]
    own = [{"params": params, **given} for params, (_, given) in zip(lists, groups, strict=True)]
    optimizer, places = torch.optim.Adam(own, **options), []
    for grads in steps:
        for param, grad in zip(sum(lists, []), grads, strict=True):
            param.grad = None if grad is None else grad.clone()
        optimizer.step()
        places.append([param.detach().clone() for param in sum(lists, [])])
    return places


def options_of_class(probe):
    return for_torch(options_of_adam(probe))


@pytest.mark.stage("shape")
@of_the_class
def test_adam_class_steps_return_nothing_and_keep_every_shape(learner, probe):
    for dtype in DTYPES:
        values = several(probe, dtype)
        model = Model(learner, values)
        optimizer = learner.Adam(model.parameters(), lr=0.3)
        model.backward(several(probe, dtype))
        assert optimizer.step() is None, "without a closure step returns None"
        for got, value in zip(model.values, values, strict=True):
            assert_shape(got, value.shape, value.dtype, name="the parameter")
            assert got.requires_grad, "a parameter still wants gradients after a step"


@pytest.mark.stage("shape")
@of_the_class
def test_adam_class_keeps_its_options_in_its_groups(learner, probe):
    options = options_of_class(probe)
    (group,) = learner.Adam(Model(learner, several(probe)).parameters(), **options).param_groups
    assert_close({name: group[name] for name in options}, options, name="the group")
    assert len(group["params"]) == 3, "the group holds all three parameters"


@of_the_class
def test_adam_class_moves_the_parameters_themselves(learner, probe):
    values, grads, lr = several(probe), several(probe), probe.scalar(0.1, 0.6)
    (after,) = train(learner, values, [grads], lr=lr, eps=0.0)
    assert_close(after, [value - lr * grad.sign() for value, grad in zip(values, grads, strict=True)])


@of_the_class
def test_adam_class_uses_the_eps_it_was_given(learner, probe):
    values, grads, lr, eps = several(probe), several(probe), probe.scalar(0.1, 0.6), probe.scalar(0.01, 0.4)
    (after,) = train(learner, values, [grads], lr=lr, eps=eps)
    expected = [value - lr * grad / (grad.abs() + eps) for value, grad in zip(values, grads, strict=True)]
    assert_close(after, expected)


@of_the_class
def test_adam_class_uses_the_betas_it_was_given(learner, reference, probe):
    values, steps, keep = several(probe), [several(probe) for _ in range(3)], betas(probe)
    after = train(learner, values, steps, lr=0.3, betas=(keep["beta1"], keep["beta2"]))[-1]
    expected = [
        path(reference.adam, value, grads, lr=0.3, **keep)[-1]
        for value, *grads in zip(values, *steps, strict=True)  # one parameter with all its gradients
    ]
    assert_close(after, expected)


@of_the_class
def test_adam_class_uses_the_weight_decay_it_was_given(learner, probe):
    values, grads, decay = several(probe), several(probe), probe.scalar(0.2, 0.9)
    options = {"lr": 0.3, "betas": (0.0, 0.0), "eps": 0.2}  # nothing is kept, so that no step knows of another
    after, then = train(learner, values, [grads, [torch.zeros_like(v) for v in values]], weight_decay=decay, **options)
    pulls = [grad + decay * v for v, grad in zip(values, grads, strict=True)]
    assert_close(after, [v - 0.3 * pull / (pull.abs() + 0.2) for v, pull in zip(values, pulls, strict=True)])
    assert_close(then, [v - 0.3 * decay * v / (decay * v.abs() + 0.2) for v in after], name="without a gradient")


@of_the_class
def test_adam_class_leaves_parameters_without_a_gradient_alone(learner, probe):
    values, (first, second, _) = several(probe), several(probe)
    ((moved, left, _),) = train(learner, values, [[first, None, None]], lr=0.3, weight_decay=0.5)
    assert_close(left, values[1], name="the parameter without a gradient")
    assert (moved != values[0]).any(), "the parameter with a gradient moves"
    ((left, moved, _),) = train(learner, values, [[None, second, None]], lr=0.3, weight_decay=0.5)
    assert_close(left, values[0], name="the parameter without a gradient")
    assert (moved != values[1]).any(), "one without a gradient does not stop those after it"


@of_the_class
def test_adam_class_leaves_the_state_of_a_parameter_without_a_gradient_alone(learner, probe):
    model = Model(learner, several(probe))
    optimizer, (first, second, _) = learner.Adam(model.parameters(), lr=0.3), several(probe)
    for grads in ([first, None, None], [None, second, None]):
        before = deepcopy(optimizer.state_dict()["state"])
        model.backward(grads)
        optimizer.step()
        after = optimizer.state_dict()["state"]
        for i, grad in enumerate(grads):
            if grad is None:
                assert_close(after.get(i, {}), before.get(i, {}), name="the state of a parameter without a gradient")


@of_the_class
def test_adam_class_moves_a_frozen_parameter_that_still_has_a_gradient(learner, probe):
    values, grads = several(probe), several(probe)
    model = Model(learner, values)
    optimizer = learner.Adam(model.parameters(), lr=0.3, eps=0.0)
    model.backward(grads)
    model.parts[1].requires_grad_(False)
    optimizer.step()
    assert_close(model.values, [value - 0.3 * grad.sign() for value, grad in zip(values, grads, strict=True)])


@of_the_class
def test_adam_class_counts_the_steps_of_each_parameter(learner, probe):
    values, steps = several(probe), [several(probe) for _ in range(4)]
    steps[0][1] = steps[1][1] = steps[2][0] = None  # the second begins late, the first misses a step
    options = {"lr": 0.3, "betas": (0.6, 0.8), "eps": 0.05}
    assert_close(train(learner, values, steps, **options), train_torch([(values, {})], steps, **options))


@of_the_class
@pytest.mark.in_place  # torch completes the dicts of groups where they are
def test_adam_class_gives_every_group_its_learning_rate(learner, probe):
    values, grads = several(probe), several(probe)
    near, far = Model(learner, values[:1]), Model(learner, values[1:])
    optimizer = learner.Adam(({"params": near.parameters(), "lr": 0.01}, {"params": far.parameters()}), 0.4, eps=0.0)
    near.backward(grads[:1])
    far.backward(grads[1:])
    optimizer.step()
    rates = (0.01, 0.4, 0.4)
    expected = [value - lr * grad.sign() for value, grad, lr in zip(values, grads, rates, strict=True)]
    assert_close(near.values + far.values, expected)


@of_the_class
def test_adam_class_obeys_a_schedule_of_the_learning_rate(learner, probe):
    values, grads = several(probe), several(probe)
    model = Model(learner, values)
    optimizer = learner.Adam(model.parameters(), lr=0.4, eps=0.0)
    schedule = learner.library("torch").optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.25)
    for _ in range(2):
        model.backward(grads)
        optimizer.step()
        schedule.step()
    expected = [value - (0.4 + 0.1) * grad.sign() for value, grad in zip(values, grads, strict=True)]
    assert_close(model.values, expected)


@of_the_class
def test_adam_class_leaves_the_gradients_as_they_are(learner, probe):
    values, grads = several(probe), several(probe)
    model, options = Model(learner, values), {"lr": 0.3, "betas": (0.6, 0.8), "eps": 0.2, "weight_decay": 0.5}
    optimizer = learner.Adam(model.parameters(), **options)
    model.backward(grads)
    for _ in range(3):
        optimizer.step()
    assert_close(model.values, train_torch([(values, {})], [grads] * 3, **options)[-1])


@of_the_class
def test_adam_class_moves_them_where_they_lie_in_memory(learner, probe):
    values, grads = several(probe), several(probe)
    model, library = Model(learner, values), learner.library
    detached = library("builtins").map(library("operator").methodcaller("detach"), model.parameters())
    views = model.torch.nn.ParameterList(detached)  # other tensors in the same memory
    optimizer = learner.Adam(model.parameters(), lr=0.3, eps=0.0)
    model.backward(grads)
    optimizer.step()
    expected = [value - 0.3 * grad.sign() for value, grad in zip(values, grads, strict=True)]
    assert_close(model.values, expected)
    assert_close([getattr(views, str(i)) for i in range(3)], expected, name="what else lies in the same memory")


@of_the_class
def test_adam_class_keeps_what_it_remembers_out_of_autograd(learner, probe):
    model = Model(learner, several(probe))
    optimizer = learner.Adam(model.parameters(), lr=0.3, weight_decay=0.2)
    model.backward(several(probe))
    optimizer.step()
    python, op = learner.library("builtins"), learner.library("operator")
    flat, values = learner.library("itertools").chain.from_iterable, op.methodcaller("values")
    states = flat(python.map(values, python.map(op.attrgetter("state"), [optimizer])))  # one for every parameter
    remembered = python.filter(model.torch.is_tensor, flat(python.map(values, states)))
    recorded = python.list(python.map(op.attrgetter("requires_grad"), remembered))
    assert True not in recorded, "what it remembers takes no gradients"


@of_the_class
@pytest.mark.in_place
def test_adam_class_calls_the_closure_once_and_returns_its_loss(learner, probe):
    values, grads, library = several(probe), several(probe), learner.library
    near, far = Model(learner, values[:1]), Model(learner, values[1:])
    groups = ({"params": near.parameters()}, {"params": far.parameters()})
    optimizer = learner.Adam(groups, lr=0.3, eps=0.0)
    near.backward(grads[:1])
    far.backward(grads[1:])
    losses = library("itertools").count(7)  # the loss is 7 at the first call, 8 at the second
    assert_close(optimizer.step(library("functools").partial(library("builtins").next, losses)), 7, name="the loss")
    assert_close(library("builtins").next(losses), 8, name="the loss of the next call")
    assert_close(
        near.values + far.values, [value - 0.3 * grad.sign() for value, grad in zip(values, grads, strict=True)]
    )


@of_the_class
def test_adam_class_returns_a_loss_that_is_a_tensor_as_it_is(learner, probe):
    model, loss = Model(learner, several(probe)), torch.tensor(2.5, dtype=torch.float64)
    optimizer = learner.Adam(model.parameters(), lr=0.3)
    assert_close(optimizer.step(learner.library("functools").partial(model.torch.clone, loss)), loss)


@of_the_class
def test_adam_class_calls_the_closure_before_it_moves_anything(learner, probe):
    values = several(probe)
    model = Model(learner, values)
    optimizer = learner.Adam(model.parameters(), lr=0.3)
    model.backward(several(probe))
    optimizer.step(model.whole.zero_grad)  # after this closure there are no gradients to follow
    assert_close(model.values, values)


@of_the_class
def test_adam_class_follows_the_gradients_that_the_closure_computes(learner, probe):
    values, grad = several(probe)[:1], probe.tensor("N D", dtype=torch.float64)
    model = Model(learner, values)
    optimizer = learner.Adam(model.parameters(), lr=0.3, eps=0.0)
    backward = learner.library("functools").partial(model.torch.autograd.backward, model.parts[0].parameters(), [grad])
    optimizer.step(backward)  # before this closure there are none
    assert_close(model.values, [values[0] - 0.3 * grad.sign()])


@of_the_class
def test_adam_class_lets_the_closure_use_autograd(learner, probe):
    model = Model(learner, several(probe))
    optimizer = learner.Adam(model.parameters(), lr=0.3)
    assert optimizer.step(model.torch.is_grad_enabled), "gradients are enabled while the closure runs"


@pytest.mark.stage("whole")
@of_the_class
def test_adam_class_trains_as_the_reference_does(learner, reference, probe):
    values, steps, options = several(probe), [several(probe) for _ in range(5)], options_of_class(probe)
    assert_close(train(learner, values, steps, **options), train(reference, values, steps, **options))


@pytest.mark.stage("whole")
@of_the_class
def test_adam_class_trains_as_torch_does(learner, probe):
    for dtype in DTYPES:
        values, steps, options = (
            several(probe, dtype),
            [several(probe, dtype) for _ in range(6)],
            options_of_class(probe),
        )
        assert_close(train(learner, values, steps, **options), train_torch([(values, {})], steps, **options))


@pytest.mark.stage("whole")
@of_the_class
@pytest.mark.in_place
def test_adam_class_trains_groups_as_torch_does(learner, probe):
    for dtype in DTYPES:
        values, steps = several(probe, dtype), [several(probe, dtype) for _ in range(6)]
        groups = [(values[:2], options_of_class(probe)), (values[2:], options_of_class(probe))]
        models, places = [Model(learner, group) for group, _ in groups], []
        own = [{"params": model.parameters(), **given} for model, (_, given) in zip(models, groups, strict=True)]
        optimizer = learner.Adam(tuple(own), lr=9.0)
        for grads in steps:
            models[0].backward(grads[:2])
            models[1].backward(grads[2:])
            optimizer.step()
            places.append(models[0].values + models[1].values)
        assert_close(places, train_torch(groups, steps, lr=9.0))


@pytest.mark.stage("whole")
@of_the_class
def test_adam_class_goes_on_from_a_saved_state(learner, probe):
    values, steps, options = several(probe), [several(probe) for _ in range(6)], options_of_class(probe)
    steps[0][1] = None
    model = Model(learner, values)
    optimizer = learner.Adam(model.parameters(), **options)
    for grads in steps[:3]:
        model.backward(grads)
        optimizer.step()
    resumed = Model(learner, model.values)
    other = learner.Adam(resumed.parameters(), lr=9.0)
    other.load_state_dict(deepcopy(optimizer.state_dict()))
    for grads in steps[3:]:
        resumed.backward(grads)
        other.step()
    assert_close(resumed.values, train_torch([(values, {})], steps, **options)[-1])


@pytest.mark.stage("whole")
@of_the_class
@pytest.mark.in_place
def test_adam_class_takes_up_a_group_that_is_added_later(learner, probe):
    values, steps = several(probe), [several(probe) for _ in range(3)]
    first, later = Model(learner, values[:2]), Model(learner, values[2:])
    options = options_of_class(probe)
    optimizer = learner.Adam(first.parameters(), **options)
    for i, grads in enumerate(steps):
        if i == 1:
            optimizer.add_param_group({"params": later.parameters(), "lr": 0.05})
        first.backward(grads[:2])
        later.backward(grads[2:])
        optimizer.step()
    steps[0][2] = None
    expected = train_torch([(values[:2], {}), (values[2:], {"lr": 0.05})], steps, **options)[-1]
    assert_close(first.values + later.values, expected)


@pytest.mark.stage("robust")
@of_the_class
def test_adam_class_has_the_defaults_of_torch(learner, probe):
    (group,) = learner.Adam(Model(learner, several(probe)).parameters()).param_groups
    expected = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0}
    assert_close({name: group[name] for name in expected}, expected, name="the group", dtype=False)


@pytest.mark.stage("robust")
@of_the_class
def test_adam_class_refuses_options_that_make_no_sense(learner, probe):
    wrong = [{"lr": -0.1}, {"eps": -1e-8}, {"weight_decay": -0.1}]
    wrong += [{"betas": betas} for betas in ((1.0, 0.9), (0.9, 1.0), (-0.1, 0.9), (0.9, -0.1), (0.9, 1.5))]
    for options in wrong:
        with pytest.raises(ValueError):
            learner.Adam(Model(learner, several(probe)).parameters(), **options)


@pytest.mark.stage("robust")
@of_the_class
def test_adam_class_accepts_options_at_the_edge_of_sense(learner, probe):
    values, grads = several(probe), several(probe)
    (after,) = train(learner, values, [grads], lr=0.3, betas=(0.0, 0.0), eps=0.0, weight_decay=0.0)
    assert_close(after, [value - 0.3 * grad.sign() for value, grad in zip(values, grads, strict=True)])
    (after,) = train(learner, values, [grads], lr=0.0)
    assert_close(after, values, name="the parameters at a learning rate of zero")


@pytest.mark.stage("robust")
@of_the_class
def test_adam_class_without_any_gradient_does_nothing(learner, probe):
    values = several(probe)
    model = Model(learner, values)
    learner.Adam(model.parameters(), lr=0.3, weight_decay=0.5).step()
    assert_close(model.values, values)


@pytest.mark.stage("robust")
@of_the_class
def test_adam_class_steps_a_gradient_of_zero_too(learner, probe):
    values, (first, *_) = several(probe), several(probe)
    steps = [[first, None, None], [torch.zeros_like(first), None, None]]
    options = {"lr": 0.3, "betas": (0.6, 0.8)}
    assert_close(train(learner, values, steps, **options), train_torch([(values, {})], steps, **options))


@pytest.mark.stage("robust")
@of_the_class
def test_adam_class_of_two_optimizers_keeps_them_apart(learner, probe):
    models, optimizers = [Model(learner, several(probe)) for _ in range(2)], []
    before, steps = [model.values for model in models], [[several(probe) for _ in range(3)] for _ in models]
    for model in models:
        optimizers.append(learner.Adam(model.parameters(), lr=0.3, betas=(0.6, 0.8)))
    for i in range(3):
        for model, optimizer, grads in zip(models, optimizers, steps, strict=True):
            model.backward(grads[i])
            optimizer.step()
    for model, values, grads in zip(models, before, steps, strict=True):
        assert_close(model.values, train_torch([(values, {})], grads, lr=0.3, betas=(0.6, 0.8))[-1])


@pytest.mark.stage("robust")
@of_the_class
def test_adam_class_of_a_single_number(learner, probe):
    value, steps = number(probe), [[number(probe)] for _ in range(3)]
    assert_close(train(learner, [value], steps, lr=0.3), train_torch([([value], {})], steps, lr=0.3))
