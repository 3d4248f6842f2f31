"""Hidden checks of derivatives by autograd, of the stopped gradient and of gradients that add up.

Functions to differentiate are texts: they are made where the learner's code runs, so that autograd sees what they do, and
once more here.
"""

import pytest
import torch

from autograder.testing import assert_close, assert_gradients, assert_shape, made

DTYPES = (torch.float32, torch.float64)


def network(module, state, activation="Tanh"):
    """Two linear layers with an activation between them, with the parameters of `state`, where the module's code runs."""
    nn = module.library("torch").nn
    (m, d), (c, _) = state["0.weight"].shape, state["2.weight"].shape
    model = nn.Sequential(nn.Linear(d, m), getattr(nn, activation)(), nn.Linear(m, c))
    model.to(state["0.weight"].dtype)
    model.load_state_dict(state)
    return model


def parameters_of(probe, d, m, c, dtype=torch.float32):
    """Parameters for `network`, so small that a tanh is not flat."""
    shapes = {"0.weight": (m, d), "0.bias": (m,), "2.weight": (c, m), "2.bias": (c,)}
    return {name: 0.5 * probe.tensor(*shape, dtype=dtype) for name, shape in shapes.items()}


def gradients_of(module, model):
    """The `.grad` of every parameter, None where there is none."""
    return made(module, "lambda model: {name: p.grad for name, p in model.named_parameters()}")(model)


def traces_of(module, model):
    """What a computation may have left on the parameters: (.grad, requires_grad) of each."""
    return made(module, "lambda model: {name: (p.grad, p.requires_grad) for name, p in model.named_parameters()}")(
        model
    )


def with_grads(module, model):
    """The model with a `.grad` in every parameter, and what `traces_of` tells of them."""
    made(module, "lambda model: [setattr(p, 'grad', 2.0 * p.detach() + 1.0) for p in model.parameters()][:0]")(model)
    return model, traces_of(module, model)


GRAD_OF_X = """lambda derivative, x, *v: [
    x := x.clone().requires_grad_(), setattr(x, "grad", 3.0 * x.detach()),
    derivative(lambda x: (x**3).sum(), x, *v), x.grad
][-1]"""


CURVED = "lambda x: (x.sin() * x.flip(0)).sum() + (x**3).sum() / 3"  # of a vector; its Hessian is full


@pytest.mark.stage("shape")
def test_gradient_has_the_shape_and_dtype_of_x(learner, probe):
    for dtype in DTYPES:
        x = probe.tensor("N D", dtype=dtype)
        assert_shape(learner.gradient(made(learner, "lambda x: (x**2).sum()"), x), x.shape, dtype)


@pytest.mark.visible
def test_gradient_of_a_case_computed_by_hand(learner):
    square = made(learner, "lambda x: (x**2).sum()")
    assert_close(learner.gradient(square, torch.tensor([1.0, -3.0, 0.5])), torch.tensor([2.0, -6.0, 1.0]))


def test_gradient_of_a_linear_function_is_its_weights(learner, probe):
    x, w = probe.tensor("N D"), probe.tensor("N D")
    linear = made(learner, "lambda w: lambda x: (w * x).sum() + 5.0")(w)
    assert_close(learner.gradient(linear, x), w)


def test_gradient_leaves_x_as_it_is(learner, probe):
    x = probe.tensor("N", requires_grad=True)
    kept = made(learner, "lambda gradient, x: (gradient(lambda x: (x**2).sum(), x), x, x.grad, x.requires_grad)")
    got, after, grad, requires = kept(learner.gradient, x)
    assert_close(got, 2.0 * x.detach(), name="the gradient")
    assert_close(after.detach(), x.detach(), name="x")
    assert grad is None and requires is True, "x has no .grad, and requires a gradient as it did before"


def test_gradient_takes_an_x_that_was_computed_from_something_else(learner, probe):
    x = probe.tensor("N", requires_grad=True)
    of_computed = made(learner, "lambda gradient, x: gradient(lambda y: (y**3).sum(), 2 * x)")
    assert_close(of_computed(learner.gradient, x), 12.0 * x.detach() ** 2)


def test_gradient_requires_no_gradient_itself(learner, probe):
    flag = made(learner, "lambda gradient, x: gradient(lambda x: (x**3).sum(), x).requires_grad")
    assert flag(learner.gradient, probe.tensor("N")) is False, "the result is cut off from the record"


def test_gradient_leaves_the_parameters_of_a_model_alone(learner, probe):
    state = parameters_of(probe, *probe.shape("D M"), 1)
    model, x = network(learner, state), probe.tensor("D")
    hidden = torch.tanh(state["0.weight"] @ x + state["0.bias"])
    assert_close(learner.gradient(model, x), (state["2.weight"][0] * (1.0 - hidden**2)) @ state["0.weight"])
    assert_close(traces_of(learner, model), dict.fromkeys(state, (None, True)), name="[.grad, requires_grad]")


def test_gradient_leaves_recording_switched_on(learner, probe):
    x = probe.tensor("N")
    learner.gradient(made(learner, "lambda x: (x**2).sum()"), x)
    assert learner.library("torch").is_grad_enabled() is True, "autograd records afterwards as it did before"


def test_gradient_leaves_gradients_that_are_there(learner, probe):
    model, before = with_grads(learner, network(learner, parameters_of(probe, *probe.shape("D M"), 1)))
    x = probe.tensor("D")
    learner.gradient(model, x)
    assert_close(traces_of(learner, model), before, name="[.grad, requires_grad] of the parameters")
    assert_close(made(learner, GRAD_OF_X)(learner.gradient, x), 3.0 * x, name="x.grad")


@pytest.mark.stage("whole")
def test_gradient_equals_the_reference(learner, reference, probe):
    for text, spec in (
        (CURVED, "N"),
        ("lambda x: x.logsumexp(0).prod()", "N 3"),
        ("lambda x: (x[0] * x[-1]).mean()", "B N D"),
    ):
        for dtype in DTYPES:
            x = probe.tensor(spec, dtype=dtype)
            assert_close(learner.gradient(made(learner, text), x), reference.gradient(made(reference, text), x))


@pytest.mark.stage("whole")
def test_gradient_gives_the_slopes_that_are_measured(learner, probe):
    for text, spec in ((CURVED, "N"), ("lambda x: x.std() * x[0, -1].exp()", "N D")):
        x = probe.tensor(spec, dtype=torch.float64)
        assert_gradients(eval(text), [x], [learner.gradient(made(learner, text), x)], names=["x"])


@pytest.mark.stage("robust")
def test_gradient_of_a_function_with_a_value_of_shape_one(learner, probe):
    x = probe.tensor("N")
    for text in ("lambda x: (x**2).sum(0, keepdim=True)", "lambda x: (x**2).sum().reshape(1, 1)"):
        assert_close(learner.gradient(made(learner, text), x), 2.0 * x)


@pytest.mark.stage("robust")
def test_gradient_of_a_function_of_a_single_number(learner):
    assert_close(learner.gradient(made(learner, "lambda x: x**3"), torch.tensor(-2.0)), torch.tensor(12.0))


@pytest.mark.stage("robust")
def test_gradient_refuses_a_function_with_several_values(learner, probe):
    for text in ("lambda x: x**2", "lambda x: (x**2)[:2]", "lambda x: x.outer(x)"):
        with pytest.raises(ValueError):
            learner.gradient(made(learner, text), probe.tensor("N"))


@pytest.mark.stage("shape")
def test_jacobian_has_a_row_for_each_value_and_a_column_for_each_entry_of_x(learner, probe):
    m, n = probe.shape("M N")
    for dtype in DTYPES:
        w, x = probe.tensor(m, n, dtype=dtype), probe.tensor(n, dtype=dtype)
        assert_shape(learner.jacobian(made(learner, "lambda w: lambda x: w @ x")(w), x), (m, n), dtype)


@pytest.mark.visible
def test_jacobian_of_a_case_computed_by_hand(learner):
    function = made(learner, "lambda x: (x.prod() * x[:2])")  # x₀²·x₁·x₂ and x₀·x₁²·x₂
    expected = torch.tensor([[60.0, 20.0, 12.0], [45.0, 60.0, 18.0]])
    assert_close(learner.jacobian(function, torch.tensor([2.0, 3.0, 5.0])), expected)


def test_jacobian_of_a_linear_map_is_its_matrix(learner, probe):
    w, x = probe.tensor("M N"), probe.tensor("N")
    assert_close(learner.jacobian(made(learner, "lambda w: lambda x: w @ x + 1.0")(w), x), w)


def test_jacobian_of_a_function_entry_by_entry_is_diagonal(learner, probe):
    x = probe.tensor("N")
    assert_close(learner.jacobian(made(learner, "lambda x: x.exp()"), x), torch.diag(x.exp()))


def test_jacobian_has_the_axes_of_the_value_and_then_those_of_x(learner, probe):
    x, w = probe.tensor("N D"), probe.tensor("D M")
    got = learner.jacobian(made(learner, "lambda w: lambda x: x @ w")(w), x)
    expected = torch.einsum("ik,dm->imkd", torch.eye(len(x)), w)
    assert_close(got, expected)


def test_jacobian_of_a_function_with_one_value_is_its_gradient(learner, probe):
    x = probe.tensor("N D")
    assert_close(learner.jacobian(made(learner, "lambda x: (x**2).sum()"), x), 2.0 * x)


def test_jacobian_leaves_x_and_the_parameters_of_a_model_alone(learner, probe):
    state = parameters_of(probe, *probe.shape("D M C"))
    model, x = network(learner, state), probe.tensor("D")
    hidden = torch.tanh(state["0.weight"] @ x + state["0.bias"])
    expected = state["2.weight"] * (1.0 - hidden**2) @ state["0.weight"]
    assert_close(learner.jacobian(model, x), expected)
    assert_close(traces_of(learner, model), dict.fromkeys(state, (None, True)), name="[.grad, requires_grad]")
    flags = made(learner, "lambda jacobian, x: (jacobian(lambda x: x**2, x).requires_grad, x.requires_grad, x.grad)")
    for requires in (False, True):
        got = flags(learner.jacobian, x.requires_grad_(requires))
        assert_close(got, (False, requires, None), name="[its requires_grad, that of x, x.grad]")


def test_jacobian_leaves_recording_switched_on(learner, probe):
    x = probe.tensor("N")
    learner.jacobian(made(learner, "lambda x: x**2"), x)
    assert learner.library("torch").is_grad_enabled() is True, "autograd records afterwards as it did before"


def test_jacobian_leaves_gradients_that_are_there(learner, probe):
    model, before = with_grads(learner, network(learner, parameters_of(probe, *probe.shape("D M C"))))
    x = probe.tensor("D")
    learner.jacobian(model, x)
    assert_close(traces_of(learner, model), before, name="[.grad, requires_grad] of the parameters")
    assert_close(made(learner, GRAD_OF_X)(learner.jacobian, x), 3.0 * x, name="x.grad")


@pytest.mark.stage("robust")
def test_jacobian_has_the_dtype_of_x_whatever_that_of_the_value(learner, probe):
    x = probe.tensor("N")
    assert_close(learner.jacobian(made(learner, "lambda x: x.double() ** 2"), x), torch.diag(2.0 * x))
    x = x.double()
    assert_close(learner.jacobian(made(learner, "lambda x: 3 * x.float()"), x), 3.0 * torch.eye(len(x)).double())


@pytest.mark.stage("whole")
def test_jacobian_equals_the_reference(learner, reference, probe):
    for text, spec in (
        ("lambda x: x.cumsum(0) * x.sin()", "N"),
        ("lambda x: x.softmax(-1)", "N D"),
        ("lambda x: (x**2).sum(0).outer(x[0])", "N D"),
    ):
        for dtype in DTYPES:
            x = probe.tensor(spec, dtype=dtype)
            assert_close(learner.jacobian(made(learner, text), x), reference.jacobian(made(reference, text), x))


@pytest.mark.stage("whole")
def test_jacobian_gives_the_slopes_that_are_measured(learner, probe):
    text, x = "lambda x: (x[:, :1] * x.sin()).sum(0)", probe.tensor("3 5", dtype=torch.float64)
    got = learner.jacobian(made(learner, text), x)
    assert_shape(got, (5, 3, 5), x.dtype)
    for i in range(5):
        assert_gradients(lambda x, i=i: eval(text)(x)[i], [x], [got[i]], names=[f"x of value {i}"])


@pytest.mark.stage("whole")
def test_jacobian_agrees_with_torch(learner, probe):
    text, x = "lambda x: x.roll(1) * x.exp() - x[0]", probe.tensor("N", dtype=torch.float64)
    assert_close(learner.jacobian(made(learner, text), x), torch.autograd.functional.jacobian(eval(text), x))


@pytest.mark.stage("robust")
def test_jacobian_of_single_numbers_and_of_a_value_that_depends_on_one_entry(learner):
    assert_close(learner.jacobian(made(learner, "lambda x: x**2"), torch.tensor(3.0)), torch.tensor(6.0), name="at 3")
    got = learner.jacobian(made(learner, "lambda x: x[1:2] ** 2"), torch.tensor([5.0, 3.0, 7.0]))
    assert_close(got, torch.tensor([[0.0, 6.0, 0.0]]))


@pytest.mark.stage("shape")
def test_hessian_vector_product_has_the_shape_and_dtype_of_x(learner, probe):
    for dtype in DTYPES:
        x, v = probe.tensor("N D", dtype=dtype), probe.tensor("N D", dtype=dtype)
        assert_shape(learner.hessian_vector_product(made(learner, "lambda x: (x**3).sum()"), x, v), x.shape, dtype)


@pytest.mark.visible
def test_hessian_vector_product_of_a_case_computed_by_hand(learner):
    function = made(learner, "lambda x: x[0] ** 2 * x[1]")  # the Hessian at (2, 3) is [[6, 4], [4, 0]]
    got = learner.hessian_vector_product(function, torch.tensor([2.0, 3.0]), torch.tensor([1.0, 10.0]))
    assert_close(got, torch.tensor([46.0, 4.0]))


def test_hessian_vector_product_of_a_quadratic_form_is_its_matrix_times_v(learner, probe):
    a, x, v = probe.tensor(5, 5), probe.tensor(5), probe.tensor(5)
    quadratic = made(learner, "lambda a: lambda x: x @ a @ x / 2 + 3 * x.sum()")(a)
    assert_close(learner.hessian_vector_product(quadratic, x, v), (a + a.T) @ v / 2.0)


def test_hessian_vector_product_is_linear_in_v(learner, probe):
    x, v, w = (probe.tensor("N", dtype=torch.float64) for _ in range(3))
    both, first, second = (learner.hessian_vector_product(made(learner, CURVED), x, u) for u in (v - 3.0 * w, v, w))
    assert_close(both, first - 3.0 * second)


def test_hessian_vector_product_leaves_everything_as_it_was(learner, probe):
    state = parameters_of(probe, *probe.shape("D M"), 1)
    model, x, v = network(learner, state), probe.tensor("D"), probe.tensor("D")
    hidden = torch.tanh(state["0.weight"] @ x + state["0.bias"])
    curvature = state["2.weight"][0] * -2.0 * hidden * (1.0 - hidden**2)
    expected = state["0.weight"].T @ (curvature * (state["0.weight"] @ v))
    assert_close(learner.hessian_vector_product(model, x, v), expected)
    assert_close(traces_of(learner, model), dict.fromkeys(state, (None, True)), name="[.grad, requires_grad]")
    flags = made(
        learner, "lambda hvp, x, v: (hvp(lambda x: (x**3).sum(), x, v).requires_grad, x.requires_grad, x.grad)"
    )
    for requires in (False, True):
        got = flags(learner.hessian_vector_product, x.requires_grad_(requires), v)
        assert_close(got, (False, requires, None), name="[its requires_grad, that of x, x.grad]")


def test_hessian_vector_product_leaves_recording_switched_on(learner, probe):
    x = probe.tensor("N")
    learner.hessian_vector_product(made(learner, "lambda x: (x**3).sum()"), x, x)
    assert learner.library("torch").is_grad_enabled() is True, "autograd records afterwards as it did before"


def test_hessian_vector_product_leaves_gradients_that_are_there(learner, probe):
    model, before = with_grads(learner, network(learner, parameters_of(probe, *probe.shape("D M"), 1)))
    x, v = probe.tensor("D"), probe.tensor("D")
    learner.hessian_vector_product(model, x, v)
    assert_close(traces_of(learner, model), before, name="[.grad, requires_grad] of the parameters")
    assert_close(made(learner, GRAD_OF_X)(learner.hessian_vector_product, x, v), 3.0 * x, name="x.grad")


@pytest.mark.stage("whole")
def test_hessian_vector_product_equals_the_reference(learner, reference, probe):
    for text, spec in (
        (CURVED, "N"),
        ("lambda x: (x.softmax(-1) * x.flip(0)).sum()", "N D"),
        ("lambda x: x.var()", "B N D"),
    ):
        for dtype in DTYPES:
            x, v = probe.tensor(spec, dtype=dtype), probe.tensor(spec, dtype=dtype)
            got = learner.hessian_vector_product(made(learner, text), x, v)
            assert_close(got, reference.hessian_vector_product(made(reference, text), x, v))


@pytest.mark.stage("whole")
def test_hessian_vector_product_is_the_slope_of_the_slope_along_v(learner, probe):
    x, v = probe.tensor("N", dtype=torch.float64), probe.tensor("N", dtype=torch.float64)

    def slope_along_v(x):  # of CURVED, its gradient by hand
        return ((x.cos() * x.flip(0) + x.flip(0).sin() + x**2) * v).sum()

    got = learner.hessian_vector_product(made(learner, CURVED), x, v)
    assert_gradients(slope_along_v, [x], [got], names=["x, of the slope along v"])


@pytest.mark.stage("whole")
def test_hessian_vector_product_agrees_with_torch(learner, probe):
    text = "lambda x: (x.sin() * x.roll(1) ** 2).sum() + x.prod()"
    x, v = probe.tensor("N", dtype=torch.float64), probe.tensor("N", dtype=torch.float64)
    assert_close(
        learner.hessian_vector_product(made(learner, text), x, v), torch.autograd.functional.hessian(eval(text), x) @ v
    )


@pytest.mark.stage("robust")
def test_hessian_vector_product_of_a_function_without_curvature_is_zero(learner, probe):
    x, v = probe.tensor("D"), probe.tensor("D")
    layer = learner.library("torch").nn.Linear(probe.size("D"), 1)
    functions = [
        made(learner, text) for text in ("lambda x: x.sum()", "lambda x: (3 * x).sum() - 1", "lambda x: x[0] - x[-1]")
    ]
    for function in (layer, *functions):
        assert_close(learner.hessian_vector_product(function, x, v), torch.zeros_like(x))


@pytest.mark.stage("robust")
def test_hessian_vector_product_of_a_network_of_relus_is_zero(learner, probe):
    model = network(learner, parameters_of(probe, *probe.shape("D M"), 1), "ReLU")
    x, v = probe.tensor("D"), probe.tensor("D")
    assert_close(learner.hessian_vector_product(model, x, v), torch.zeros_like(x))


@pytest.mark.stage("robust")
def test_hessian_vector_product_never_builds_the_matrix(learner, probe):
    """The Hessian of a function of 40,000 numbers would fill 6 GB."""
    x, v = torch.linspace(-1.0, 1.0, 40_000), torch.linspace(2.0, -3.0, 40_000)
    function = made(learner, "lambda x: (x**4).sum() + x.sum() ** 2")
    got = learner.hessian_vector_product(function, x, v)
    assert_close(got, 12.0 * x**2 * v + 2.0 * v.sum(), terms=40_000)


def transitions(probe):
    """States, rewards and next states: (N, D), (N,), (N, D)."""
    return probe.tensor("N D"), probe.tensor("N"), probe.tensor("N D")


def value_network(module, probe, state=None):
    state = parameters_of(probe, *probe.shape("D M"), 1) if state is None else state
    return network(module, state), state


def guess(state, x):
    """What `value_network` says, (N,), written out."""
    hidden = torch.tanh(x @ state["0.weight"].T + state["0.bias"])
    return hidden @ state["2.weight"][0] + state["2.bias"]


BACKWARD = """lambda loss, model, *given, **options: [
    loss(model, *given, **options).backward(), {name: p.grad for name, p in model.named_parameters()}
][1]"""


MODES = """lambda function, model, training, *given: [
    seen := [], model.train(training), model.register_forward_hook(lambda model, *_: seen.append(model.training)),
    function(model, *given), [*seen, model.training]
][-1]"""


@pytest.mark.stage("shape")
def test_detach_target_returns_a_single_number(learner, probe):
    model, _ = value_network(learner, probe)
    assert_shape(learner.detach_target(model, *transitions(probe)), (), torch.float32)


@pytest.mark.visible
def test_detach_target_of_a_case_computed_by_hand(learner):
    model = learner.library("torch").nn.Linear(1, 1, bias=False)
    model.load_state_dict({"weight": torch.tensor([[2.0]])})
    states, rewards, following = torch.tensor([[1.0], [3.0]]), torch.tensor([1.0, 2.0]), torch.tensor([[3.0], [7.0]])
    # guesses 2 and 6, targets 1 + 0.5 · 6 = 4 and 2 + 0.5 · 14 = 9
    assert_close(learner.detach_target(model, states, rewards, following, gamma=0.5), torch.tensor(6.5))


def test_detach_target_with_gamma_zero_compares_guesses_with_rewards(learner, probe):
    (model, state), (states, rewards, following) = value_network(learner, probe), transitions(probe)
    expected = (guess(state, states) - rewards).square().mean()
    assert_close(learner.detach_target(model, states, rewards, following, gamma=0.0), expected)


def test_detach_target_adds_what_the_model_says_of_the_next_state(learner, probe):
    (model, state), (states, rewards, following) = value_network(learner, probe), transitions(probe)
    gamma = probe.scalar(0.3, 0.9)
    expected = (guess(state, states) - rewards - gamma * guess(state, following)).square().mean()
    assert_close(learner.detach_target(model, states, rewards, following, gamma=gamma), expected)


def test_detach_target_has_a_gamma_of_ninety_nine_hundredths_unless_told(learner, probe):
    (model, state), (states, rewards, following) = value_network(learner, probe), transitions(probe)
    following = 10.0 * following
    expected = (guess(state, states) - rewards - 0.99 * guess(state, following)).square().mean()
    assert_close(learner.detach_target(model, states, rewards, following), expected)


def test_detach_target_lets_no_gradient_into_the_next_states(learner, reference, probe):
    (model, state), given = value_network(learner, probe), transitions(probe)
    _, gradients = learner.vjp("detach_target", [model, *given, 0.7])
    theirs, _ = value_network(reference, probe, state)
    _, expected = reference.vjp("detach_target", [theirs, *given, 0.7])
    assert_close(gradients[3], torch.zeros_like(given[2]), name="the gradient of the next states")
    assert_close(gradients[1], expected[1], name="the gradient of the states")


def test_detach_target_moves_the_parameters_for_the_guess_alone(learner, probe):
    (model, state), (states, rewards, following) = value_network(learner, probe), transitions(probe)
    got = made(learner, BACKWARD)(learner.detach_target, model, states, rewards, following, gamma=0.7)
    leaves = {name: value.clone().requires_grad_() for name, value in state.items()}
    target = rewards + 0.7 * guess(state, following)
    (guess(leaves, states) - target).square().mean().backward()
    assert_close(got, {name: leaf.grad for name, leaf in leaves.items()}, name="the gradients of the parameters")


def test_detach_target_leaves_the_parameters_alone_before_backward(learner, probe):
    model, state = value_network(learner, probe)
    learner.detach_target(model, *transitions(probe), gamma=0.7)
    assert_close(traces_of(learner, model), dict.fromkeys(state, (None, True)), name="[.grad, requires_grad]")
    assert_close(dict(model.state_dict()), state, name="the parameters")


def test_detach_target_leaves_gradients_that_are_there_and_what_is_frozen(learner, probe):
    model, _ = value_network(learner, probe)
    model[0].requires_grad_(False)
    model, before = with_grads(learner, model)
    learner.detach_target(model, *transitions(probe), gamma=0.7)
    assert_close(traces_of(learner, model), before, name="[.grad, requires_grad]")


@pytest.mark.stage("robust")
def test_detach_target_leaves_recording_switched_off_where_it_was(learner, probe):
    unrecorded = learner.library("torch").no_grad()
    afterwards = "lambda loss, *given: [loss(*given), __import__('torch').is_grad_enabled()][1]"
    given = value_network(learner, probe)[0], *transitions(probe)
    assert unrecorded(made(learner, afterwards))(learner.detach_target, *given) is False, (
        "autograd still does not record"
    )


@pytest.mark.stage("robust")
def test_detach_target_squares_large_differences_too(learner, probe):
    state, (states, rewards, following) = parameters_of(probe, *probe.shape("D M"), 1), transitions(probe)
    state["2.bias"] -= 500.0
    model, _ = value_network(learner, probe, state)
    expected = (guess(state, states) - 1000.0 * rewards - 0.7 * guess(state, following)).square().mean()
    assert_close(learner.detach_target(model, states, 1000.0 * rewards, following, gamma=0.7), expected)


def test_detach_target_uses_the_model_in_the_mode_that_it_is_in(learner, probe):
    model, _ = value_network(learner, probe)
    for training in (True, False):
        seen = made(learner, MODES)(learner.detach_target, model, training, *transitions(probe))
        assert set(seen) == {training}, f"training was and stays {training}"


@pytest.mark.stage("whole")
def test_detach_target_equals_the_reference(learner, reference, probe):
    (model, state), given = value_network(learner, probe), transitions(probe)
    theirs, _ = value_network(reference, probe, state)
    gamma = probe.scalar(0.2, 0.9)
    assert_close(learner.detach_target(model, *given, gamma), reference.detach_target(theirs, *given, gamma))


@pytest.mark.stage("whole")
def test_detach_target_in_float64_gives_the_slopes_that_are_measured_with_the_target_held(learner, probe):
    state = parameters_of(probe, *probe.shape("D M"), 1, torch.float64)
    model, given = network(learner, state), [x.double() for x in transitions(probe)]
    target = given[1] + 0.6 * guess(state, given[2])
    _, gradients = learner.vjp("detach_target", [model, *given, 0.6])
    assert_gradients(lambda x: (guess(state, x) - target).square().mean(), [given[0]], [gradients[1]], names=["states"])


@pytest.mark.stage("robust")
def test_detach_target_of_a_single_row(learner, reference, probe):
    (model, state), given = value_network(learner, probe), [x[:1] for x in transitions(probe)]
    theirs, _ = value_network(reference, probe, state)
    assert_close(learner.detach_target(model, *given, gamma=0.6), reference.detach_target(theirs, *given, gamma=0.6))


def regression(probe, rows):
    return probe.tensor(rows, "D", dtype=torch.float64), probe.tensor(rows, "C", dtype=torch.float64)


def regressor(module, probe):
    """A network in float64, and its parameters."""
    state = parameters_of(probe, *probe.shape("D M C"), torch.float64)
    return network(module, state), state


def of_the_whole(state, x, y):
    """The mean squared error over all rows at once, and its gradients."""
    leaves = {name: value.clone().requires_grad_() for name, value in state.items()}
    hidden = torch.tanh(x @ leaves["0.weight"].T + leaves["0.bias"])
    loss = (hidden @ leaves["2.weight"].T + leaves["2.bias"] - y).square().mean()
    loss.backward()
    return [loss.item(), {name: leaf.grad for name, leaf in leaves.items()}]


KEEPING = """lambda accumulate_gradients, model, x, y, size: [
    seen := [], accumulate_gradients(model, lambda output, y: [seen.append(…), (output - y).square().mean()][1], x, y, size)
][0]"""


def mse_of(module):
    return module.library("torch").nn.functional.mse_loss


@pytest.mark.stage("shape")
def test_accumulate_gradients_returns_a_float_and_fills_every_grad(learner, probe):
    (model, state), (x, y) = regressor(learner, probe), regression(probe, 12)
    assert isinstance(learner.accumulate_gradients(model, mse_of(learner), x, y, 4), float), "the loss is a float"
    for name, gradient in gradients_of(learner, model).items():
        assert_shape(gradient, state[name].shape, torch.float64, name=f"the gradient of {name}")


@pytest.mark.visible
def test_accumulate_gradients_of_a_case_computed_by_hand(learner):
    model = learner.library("torch").nn.Linear(1, 1, bias=False)
    model.load_state_dict({"weight": torch.tensor([[1.0]])})
    x = torch.tensor([[1.0], [2.0], [4.0]])  # with targets of 0: losses 1, 4, 16, and slopes 2, 8, 32
    loss = learner.accumulate_gradients(model, mse_of(learner), x, torch.zeros(3, 1), size=2)
    assert_close(gradients_of(learner, model), {"weight": torch.tensor([[14.0]])}, name="the gradients")
    assert_close(torch.tensor(loss), torch.tensor(7.0), name="the loss")


def test_accumulate_gradients_of_equal_groups_gives_the_gradient_of_the_whole(learner, probe):
    (model, state), (x, y) = regressor(learner, probe), regression(probe, 12)
    loss = learner.accumulate_gradients(model, mse_of(learner), x, y, 3)
    assert_close([loss, gradients_of(learner, model)], of_the_whole(state, x, y), name="[loss, gradients]")


def test_accumulate_gradients_weighs_a_smaller_last_group_by_its_rows(learner, probe):
    (model, state), (x, y) = regressor(learner, probe), regression(probe, 11)
    loss = learner.accumulate_gradients(model, mse_of(learner), x, y, size=4)
    assert_close([loss, gradients_of(learner, model)], of_the_whole(state, x, y), name="[loss, gradients]")


def test_accumulate_gradients_takes_the_rows_in_order_and_no_more_than_size_at_once(learner, probe):
    keeping = made(learner, KEEPING.replace("…", "y"))
    (model, _), (x, y) = regressor(learner, probe), regression(probe, 11)
    seen = keeping(learner.accumulate_gradients, model, x, y, 4)
    assert_close(seen, [y[:4], y[4:8], y[8:]], name="the targets that the loss function was given, call by call")


def test_accumulate_gradients_walks_each_group_back_before_the_next_one_begins(learner, probe):
    peeking = made(learner, KEEPING.replace("…", "model[0].bias.grad is None"))
    (model, _), (x, y) = regressor(learner, probe), regression(probe, 11)
    seen = peeking(learner.accumulate_gradients, model, x, y, 4)
    assert_close(seen, [True, False, False], name="whether .grad was None when the loss function was called")


def test_accumulate_gradients_adds_to_what_is_there(learner, probe):
    (model, state), (x, y), (x2, y2) = regressor(learner, probe), regression(probe, 11), regression(probe, 7)
    learner.accumulate_gradients(model, mse_of(learner), x, y, 4)
    second = learner.accumulate_gradients(model, mse_of(learner), x2, y2, 3)
    (_, first_gradients), (loss, gradients) = of_the_whole(state, x, y), of_the_whole(state, x2, y2)
    expected = {name: first_gradients[name] + gradients[name] for name in state}
    assert_close(gradients_of(learner, model), expected, name="the gradients after two calls")
    assert_close(second, loss, name="the loss of the second call")


def test_accumulate_gradients_leaves_the_parameters_as_they_are(learner, probe):
    model, state = regressor(learner, probe)
    learner.accumulate_gradients(model, mse_of(learner), *regression(probe, 11), 4)
    assert_close(dict(model.state_dict()), state)


def test_accumulate_gradients_uses_the_model_in_the_mode_that_it_is_in(learner, probe):
    model, _ = regressor(learner, probe)
    for training in (True, False):
        given = mse_of(learner), *regression(probe, 11), 4
        seen = made(learner, MODES)(learner.accumulate_gradients, model, training, *given)
        assert set(seen) == {training}, f"training was and stays {training}"


@pytest.mark.stage("whole")
def test_accumulate_gradients_of_a_classifier_equals_the_reference(learner, reference, probe):
    (_, state), x = regressor(learner, probe), probe.tensor(13, "D", dtype=torch.float64)
    y = torch.from_numpy(probe.integers(13, high="C"))
    results = []
    for module in (learner, reference):
        model, loss_function = network(module, state), module.library("torch").nn.CrossEntropyLoss()
        loss = module.accumulate_gradients(model, loss_function, x, y, 5)
        results.append([loss, gradients_of(module, model)])
    assert_close(*results, name="[loss, gradients]")


@pytest.mark.stage("whole")
def test_accumulate_gradients_gives_the_slopes_that_are_measured(learner, probe):
    for letter, size in (("D", 3), ("M", 2), ("C", 5)):
        probe.fix(letter, size)
    (model, state), (x, y) = regressor(learner, probe), regression(probe, 7)
    learner.accumulate_gradients(model, mse_of(learner), x, y, 3)
    got, names = gradients_of(learner, model), list(state)

    def loss(*values):
        return of_the_whole(dict(zip(names, values, strict=True)), x, y)[0]

    assert_gradients(loss, [state[name] for name in names], [got[name] for name in names], names=names)


@pytest.mark.stage("robust")
def test_accumulate_gradients_in_groups_of_one_row_of_all_rows_and_of_more(learner, probe):
    (_, state), (x, y) = regressor(learner, probe), regression(probe, 5)
    for size in (1, 5, 8):
        model = network(learner, state)
        loss = learner.accumulate_gradients(model, mse_of(learner), x, y, size)
        expected = of_the_whole(state, x, y)
        assert_close([loss, gradients_of(learner, model)], expected, name=f"[loss, gradients] in groups of {size}")


@pytest.mark.stage("robust")
def test_accumulate_gradients_passes_frozen_parameters_by(learner, probe):
    (model, state), (x, y) = regressor(learner, probe), regression(probe, 11)
    model[0].requires_grad_(False)
    learner.accumulate_gradients(model, mse_of(learner), x, y, 4)
    _, expected = of_the_whole(state, x, y)
    expected |= {"0.weight": None, "0.bias": None}
    assert_close(gradients_of(learner, model), expected, name="the gradients")


@pytest.mark.stage("robust")
def test_accumulate_gradients_of_two_layers_that_share_a_weight(learner, reference, probe):
    x, y = (probe.tensor(7, 3, dtype=torch.float64) for _ in range(2))
    state, results = {"weight": 0.5 * probe.tensor(3, 3, dtype=torch.float64)}, []
    for module in (learner, reference):
        nn = module.library("torch").nn
        layer, other = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
        layer.double()
        layer.load_state_dict(state)
        made(module, "lambda layer, other: setattr(other, 'weight', layer.weight)")(layer, other)
        loss = module.accumulate_gradients(nn.Sequential(layer, nn.Tanh(), other), mse_of(module), x, y, 3)
        results.append([loss, gradients_of(module, layer)])
    assert_close(*results, name="[loss, gradients]")
