"""Public checks of the optimizers: run `pytest exercises/m03_training/test_optimizers.py`."""

import pytest
import torch

from autograder.testing import assert_close, assert_shape

of_the_class = pytest.mark.task("Adam")


def vector(*values):
    return torch.tensor(values, dtype=torch.float64)


def problem(probe, steps=5):
    """A parameter and one gradient for every step."""
    return probe.tensor("N D", dtype=torch.float64), [probe.tensor("N D", dtype=torch.float64) for _ in range(steps)]


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


def assert_step(result, param, keys):
    new, state = result
    assert_shape(new, param.shape, param.dtype, name="the new parameter")
    assert set(state) == set(keys), f"the keys of the new state are {sorted(keys)}"


@pytest.mark.stage("shape")
def test_sgd_returns_a_parameter_like_the_old_one_and_an_empty_state(learner, probe):
    param, (grad,) = problem(probe, steps=1)
    assert_step(learner.sgd(param, grad, {}, lr=0.3), param, ())


def test_sgd_of_a_case_computed_by_hand(learner):
    new, _ = learner.sgd(vector(1.0, -2.0), vector(0.5, 1.0), {}, lr=0.5)
    assert_close(new, vector(0.75, -2.5))


def test_sgd_adds_the_decay_to_the_gradient(learner):
    new, _ = learner.sgd(vector(4.0), vector(1.0), {}, lr=0.5, weight_decay=0.25)
    assert_close(new, vector(3.0))  # the gradient is 1 + 0.25 · 4 = 2


@pytest.mark.stage("whole")
def test_sgd_takes_the_way_of_torch(learner, probe):
    param, grads = problem(probe)
    options = {"lr": 0.3, "weight_decay": 0.4}
    assert_close(path(learner.sgd, param, grads, **options), torch_path(torch.optim.SGD, param, grads, **options))


@pytest.mark.stage("shape")
def test_momentum_returns_a_parameter_like_the_old_one_and_a_buffer(learner, probe):
    param, (grad,) = problem(probe, steps=1)
    assert_step(learner.momentum(param, grad, {}, lr=0.3), param, ("momentum_buffer",))


def test_momentum_of_two_steps_computed_by_hand(learner):
    first, state = learner.momentum(vector(4.0), vector(1.0), {}, lr=0.5, mu=0.5)
    assert_close([first, state], [vector(3.5), {"momentum_buffer": vector(1.0)}], name="the first step")
    second, state = learner.momentum(first, vector(3.0), state, lr=0.5, mu=0.5)
    assert_close([second, state], [vector(1.75), {"momentum_buffer": vector(3.5)}], name="the second step")


@pytest.mark.stage("whole")
def test_momentum_takes_the_way_of_torch(learner, probe):
    param, grads = problem(probe)
    expected = torch_path(torch.optim.SGD, param, grads, lr=0.3, momentum=0.6, weight_decay=0.4)
    assert_close(path(learner.momentum, param, grads, lr=0.3, mu=0.6, weight_decay=0.4), expected)


@pytest.mark.stage("shape")
def test_nesterov_returns_a_parameter_like_the_old_one_and_a_buffer(learner, probe):
    param, (grad,) = problem(probe, steps=1)
    assert_step(learner.nesterov(param, grad, {}, lr=0.3), param, ("momentum_buffer",))


def test_nesterov_of_two_steps_computed_by_hand(learner):
    first, state = learner.nesterov(vector(4.0), vector(1.0), {}, lr=0.5, mu=0.5)
    assert_close([first, state], [vector(3.25), {"momentum_buffer": vector(1.0)}], name="the first step")
    second, state = learner.nesterov(first, vector(3.0), state, lr=0.5, mu=0.5)
    assert_close([second, state], [vector(0.875), {"momentum_buffer": vector(3.5)}], name="the second step")


@pytest.mark.stage("whole")
def test_nesterov_takes_the_way_of_torch(learner, probe):
    param, grads = problem(probe)
    expected = torch_path(torch.optim.SGD, param, grads, lr=0.3, momentum=0.6, nesterov=True, weight_decay=0.4)
    assert_close(path(learner.nesterov, param, grads, lr=0.3, mu=0.6, weight_decay=0.4), expected)


@pytest.mark.stage("shape")
def test_adagrad_returns_a_parameter_like_the_old_one_and_a_sum(learner, probe):
    param, (grad,) = problem(probe, steps=1)
    assert_step(learner.adagrad(param, grad, {}, lr=0.3), param, ("sum",))


def test_adagrad_of_two_steps_computed_by_hand(learner):
    first, state = learner.adagrad(vector(1.0), vector(3.0), {}, lr=0.5, eps=1.0)
    assert_close([first, state], [vector(0.625), {"sum": vector(9.0)}], name="the first step")  # 0.5 · 3 / (3 + 1)
    second, state = learner.adagrad(first, vector(-4.0), state, lr=0.75, eps=1.0)
    assert_close([second, state], [vector(1.125), {"sum": vector(25.0)}], name="the second step")  # 0.75 · 4 / (5 + 1)


@pytest.mark.stage("whole")
def test_adagrad_takes_the_way_of_torch(learner, probe):
    param, grads = problem(probe)
    expected = torch_path(torch.optim.Adagrad, param, grads, lr=0.3, eps=0.1)
    assert_close(path(learner.adagrad, param, grads, lr=0.3, eps=0.1), expected)


@pytest.mark.stage("shape")
def test_rmsprop_returns_a_parameter_like_the_old_one_and_an_average(learner, probe):
    param, (grad,) = problem(probe, steps=1)
    assert_step(learner.rmsprop(param, grad, {}, lr=0.3), param, ("square_avg",))


def test_rmsprop_of_a_case_computed_by_hand(learner):
    new, state = learner.rmsprop(vector(1.0), vector(4.0), {}, lr=0.5, alpha=0.75, eps=2.0)
    assert_close([new, state], [vector(0.5), {"square_avg": vector(4.0)}])  # 0.25 · 16, and 0.5 · 4 / (2 + 2)


@pytest.mark.stage("whole")
def test_rmsprop_takes_the_way_of_torch(learner, probe):
    param, grads = problem(probe)
    options = {"lr": 0.3, "alpha": 0.7, "eps": 0.1}
    assert_close(
        path(learner.rmsprop, param, grads, **options), torch_path(torch.optim.RMSprop, param, grads, **options)
    )


@pytest.mark.stage("shape")
def test_adam_returns_a_parameter_like_the_old_one_and_its_moments(learner, probe):
    param, (grad,) = problem(probe, steps=1)
    result = learner.adam(param, grad, {}, lr=0.3)
    assert_step(result, param, ("step", "exp_avg", "exp_avg_sq"))
    assert_close(result[1]["step"], 1, name="the number of the first step")


def test_adam_of_a_case_computed_by_hand(learner):
    new, state = learner.adam(vector(1.0), vector(2.0), {}, lr=0.5, beta1=0.5, beta2=0.75, eps=2.0)
    assert_close(state, {"step": 1, "exp_avg": vector(1.0), "exp_avg_sq": vector(1.0)}, name="the new state")
    assert_close(new, vector(0.75), name="the new parameter")  # m̂ = 2, v̂ = 4, and 0.5 · 2 / (2 + 2)


def test_adam_takes_a_first_step_of_the_learning_rate_whatever_the_gradient(learner):
    new, _ = learner.adam(vector(0.0, 0.0, 0.0), vector(1e-3, -7.0, 500.0), {}, lr=0.25, eps=0.0)
    assert_close(new, vector(-0.25, 0.25, -0.25))


@pytest.mark.stage("whole")
def test_adam_takes_the_way_of_torch(learner, probe):
    param, grads = problem(probe)
    expected = torch_path(torch.optim.Adam, param, grads, lr=0.3, betas=(0.6, 0.8), eps=0.1, weight_decay=0.4)
    assert_close(path(learner.adam, param, grads, lr=0.3, beta1=0.6, beta2=0.8, eps=0.1, weight_decay=0.4), expected)


@pytest.mark.stage("shape")
def test_adamw_returns_a_parameter_like_the_old_one_and_its_moments(learner, probe):
    param, (grad,) = problem(probe, steps=1)
    assert_step(learner.adamw(param, grad, {}, lr=0.3), param, ("step", "exp_avg", "exp_avg_sq"))


def test_adamw_without_a_gradient_only_decays(learner):
    new, _ = learner.adamw(vector(8.0, -4.0), vector(0.0, 0.0), {}, lr=0.5, weight_decay=0.25)
    assert_close(new, vector(7.0, -3.5))


def test_adamw_of_a_case_computed_by_hand(learner):
    options = {"lr": 0.5, "beta1": 0.5, "beta2": 0.75, "eps": 2.0, "weight_decay": 0.25}
    new, state = learner.adamw(vector(1.0), vector(2.0), {}, **options)
    assert_close(state, {"step": 1, "exp_avg": vector(1.0), "exp_avg_sq": vector(1.0)}, name="the new state")
    assert_close(new, vector(0.625), name="the new parameter")  # 1 - 0.5 · 0.25 · 1 - 0.25


@pytest.mark.stage("whole")
def test_adamw_takes_the_way_of_torch(learner, probe):
    param, grads = problem(probe)
    expected = torch_path(torch.optim.AdamW, param, grads, lr=0.3, betas=(0.6, 0.8), eps=0.1, weight_decay=0.4)
    assert_close(path(learner.adamw, param, grads, lr=0.3, beta1=0.6, beta2=0.8, eps=0.1, weight_decay=0.4), expected)


class Model:
    """Parameters beside your optimizer, where it can move them. Gradients are set, and values read, here."""

    def __init__(self, learner, values):
        self.torch = learner.library("torch")
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


def two(probe):
    """Values, or gradients, of two parameters of one shape."""
    return [probe.tensor("N D", dtype=torch.float64) for _ in range(2)]


def expected_of_torch(values, steps, options):
    """The parameters that torch's class makes; `options` holds those of each parameter, which is a group of its own."""
    params = [torch.nn.Parameter(value.clone()) for value in values]
    optimizer = torch.optim.Adam([{"params": [p], **own} for p, own in zip(params, options, strict=True)])
    for grads in steps:
        for param, grad in zip(params, grads, strict=True):
            param.grad = None if grad is None else grad.clone()
        optimizer.step()
    return [param.detach() for param in params]


OPTIONS = {"lr": 0.3, "betas": (0.6, 0.8), "eps": 0.1, "weight_decay": 0.4}


@pytest.mark.stage("shape")
@of_the_class
def test_adam_class_keeps_its_options_in_its_groups(learner, probe):
    (group,) = learner.Adam(Model(learner, two(probe)).parameters(), **OPTIONS).param_groups
    assert_close({name: group[name] for name in OPTIONS}, OPTIONS, name="the group")


@of_the_class
def test_adam_class_moves_the_parameters_themselves(learner):
    model = Model(learner, [vector(4.0, -2.0)])
    optimizer = learner.Adam(model.parameters(), lr=0.5, eps=0.0)
    model.backward([vector(8.0, -4.0)])
    assert optimizer.step() is None, "without a closure step returns None"
    assert_close(model.values, [vector(3.5, -1.5)])


@of_the_class
def test_adam_class_leaves_a_parameter_without_a_gradient_alone(learner, probe):
    values, grads = two(probe), two(probe)
    model = Model(learner, values)
    optimizer = learner.Adam(model.parameters(), **OPTIONS)
    model.backward([None, grads[1]])
    optimizer.step()
    first, second = model.values
    assert_close(first, values[0], name="the parameter without a gradient")
    assert (second != values[1]).any(), "the parameter behind it moves"


@of_the_class
def test_adam_class_calls_a_closure_and_returns_its_loss(learner, probe):
    model = Model(learner, two(probe))
    optimizer = learner.Adam(model.parameters(), lr=0.3)
    assert_close(optimizer.step(lambda: 2.5), 2.5, name="what step returns")
    assert optimizer.step(learner.library("torch").is_grad_enabled), "gradients are enabled while the closure runs"


@of_the_class
def test_adam_class_refuses_a_beta_of_one(learner, probe):
    with pytest.raises(ValueError):
        learner.Adam(Model(learner, two(probe)).parameters(), betas=(0.9, 1.0))


@pytest.mark.stage("whole")
@of_the_class
def test_adam_class_trains_as_torch_does(learner, probe):
    values, steps = two(probe), [two(probe) for _ in range(5)]
    steps[0][1] = steps[3][0] = None
    model = Model(learner, values)
    optimizer = learner.Adam(model.parameters(), **OPTIONS)
    for grads in steps:
        model.backward(grads)
        optimizer.step()
    assert_close(model.values, expected_of_torch(values, steps, [OPTIONS, OPTIONS]))


@pytest.mark.stage("whole")
@of_the_class
@pytest.mark.in_place  # torch completes the dicts of groups where they are
def test_adam_class_trains_groups_as_torch_does(learner, probe):
    values, steps = two(probe), [two(probe) for _ in range(3)]
    models = [Model(learner, [value]) for value in values]
    slow = {**OPTIONS, "lr": 0.01}
    groups = ({"params": models[0].parameters(), "lr": 0.01}, {"params": models[1].parameters()})
    optimizer = learner.Adam(groups, **OPTIONS)
    for grads in steps:
        for model, grad in zip(models, grads, strict=True):
            model.backward([grad])
        optimizer.step()
    assert_close(models[0].values + models[1].values, expected_of_torch(values, steps, [slow, OPTIONS]))


@pytest.mark.stage("whole")
@of_the_class
def test_adam_class_goes_on_from_a_saved_state(learner, probe):
    values, steps = two(probe), [two(probe) for _ in range(4)]
    model = Model(learner, values)
    optimizer = learner.Adam(model.parameters(), **OPTIONS)
    for i, grads in enumerate(steps):
        if i == 2:
            saved, model = optimizer.state_dict(), Model(learner, model.values)
            optimizer = learner.Adam(model.parameters())
            optimizer.load_state_dict(saved)
        model.backward(grads)
        optimizer.step()
    assert_close(model.values, expected_of_torch(values, steps, [OPTIONS, OPTIONS]))
