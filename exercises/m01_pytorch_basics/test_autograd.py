"""Public checks of autograd: run `pytest exercises/m01_pytorch_basics/test_autograd.py`.

Functions to differentiate are texts that are turned into functions beside your code, so that autograd sees what they do.
"""

import pytest
import torch

from autograder.testing import assert_close, assert_gradients, assert_shape


def made(learner, text):
    """A function written as text."""
    return learner.library("builtins").eval(text)


def layer(learner, weight):
    """A linear layer without a bias."""
    model = learner.library("torch").nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    model.to(weight.dtype)
    model.load_state_dict({"weight": weight})
    return model


def gradients_of(learner, model):
    """The `.grad` of every parameter, None where there is none."""
    return made(learner, "lambda model: {name: p.grad for name, p in model.named_parameters()}")(model)


def mse_of(learner):
    return learner.library("torch").nn.functional.mse_loss


@pytest.mark.stage("shape")
def test_gradient_has_the_shape_and_dtype_of_x(learner, probe):
    x = probe.tensor("N D", dtype=torch.float64)
    assert_shape(learner.gradient(made(learner, "lambda x: (x**2).sum()"), x), x.shape, x.dtype)


def test_gradient_of_a_case_computed_by_hand(learner):
    square = made(learner, "lambda x: (x**2).sum()")
    assert_close(learner.gradient(square, torch.tensor([1.0, -3.0, 0.5])), torch.tensor([2.0, -6.0, 1.0]))


def test_gradient_leaves_no_trace(learner, probe):
    model, x = layer(learner, probe.tensor("1 D")), probe.tensor("D")
    learner.gradient(model, x)
    assert_close(gradients_of(learner, model), {"weight": None}, name="the .grad of the model's parameters")
    traces = made(learner, "lambda f, x: (f(lambda x: (x**2).sum(), x).requires_grad, x.requires_grad, x.grad)")
    assert_close(traces(learner.gradient, x), (False, False, None), name="[its requires_grad, that of x, x.grad]")


@pytest.mark.stage("whole")
def test_gradient_gives_the_slopes_that_are_measured(learner, probe):
    text, x = "lambda x: (x.sin() * x.flip(0)).sum() + x[0].exp()", probe.tensor("N", dtype=torch.float64)
    assert_gradients(eval(text), [x], [learner.gradient(made(learner, text), x)], names=["x"])


@pytest.mark.stage("robust")
def test_gradient_takes_one_value_of_any_shape_and_refuses_several(learner, probe):
    x = probe.tensor("N")
    assert_close(learner.gradient(made(learner, "lambda x: (x**2).sum(0, keepdim=True)"), x), 2.0 * x)
    with pytest.raises(ValueError):
        learner.gradient(made(learner, "lambda x: x**2"), x)


@pytest.mark.stage("shape")
def test_jacobian_has_the_axes_of_the_value_and_then_those_of_x(learner, probe):
    n, d, m = probe.shape("N D M")
    x, w = probe.tensor(n, d), probe.tensor(d, m)
    assert_shape(learner.jacobian(made(learner, "lambda w: lambda x: x @ w")(w), x), (n, m, n, d), x.dtype)


def test_jacobian_of_a_case_computed_by_hand(learner):
    function = made(learner, "lambda x: x.prod() * x[:2]")  # x₀²·x₁·x₂ and x₀·x₁²·x₂
    expected = torch.tensor([[60.0, 20.0, 12.0], [45.0, 60.0, 18.0]])
    assert_close(learner.jacobian(function, torch.tensor([2.0, 3.0, 5.0])), expected)


def test_jacobian_of_a_linear_layer_is_its_weight_and_leaves_no_trace(learner, probe):
    w, x = probe.tensor("M D"), probe.tensor("D")
    model = layer(learner, w)
    assert_close(learner.jacobian(model, x), w)
    assert_close(gradients_of(learner, model), {"weight": None}, name="the .grad of the model's parameters")


@pytest.mark.stage("whole")
def test_jacobian_agrees_with_torch(learner, probe):
    text, x = "lambda x: (x.sin() * x[:1]).cumsum(1)", probe.tensor("N D", dtype=torch.float64)
    assert_close(learner.jacobian(made(learner, text), x), torch.autograd.functional.jacobian(eval(text), x))


@pytest.mark.stage("shape")
def test_hessian_vector_product_has_the_shape_and_dtype_of_x(learner, probe):
    x, v = probe.tensor("N D", dtype=torch.float64), probe.tensor("N D", dtype=torch.float64)
    assert_shape(learner.hessian_vector_product(made(learner, "lambda x: (x**3).sum()"), x, v), x.shape, x.dtype)


def test_hessian_vector_product_of_a_case_computed_by_hand(learner):
    function = made(learner, "lambda x: x[0] ** 2 * x[1]")  # the Hessian at (2, 3) is [[6, 4], [4, 0]]
    got = learner.hessian_vector_product(function, torch.tensor([2.0, 3.0]), torch.tensor([1.0, 10.0]))
    assert_close(got, torch.tensor([46.0, 4.0]))


def test_hessian_vector_product_leaves_no_trace(learner, probe):
    x, v = probe.tensor("N"), probe.tensor("N")
    traces = made(learner, "lambda f, x, v: (f(lambda x: (x**3).sum(), x, v).requires_grad, x.requires_grad, x.grad)")
    got = traces(learner.hessian_vector_product, x, v)
    assert_close(got, (False, False, None), name="[its requires_grad, that of x, x.grad]")


@pytest.mark.stage("whole")
def test_hessian_vector_product_agrees_with_torch(learner, probe):
    text = "lambda x: (x.sin() * x.roll(1) ** 2).sum() + x.prod()"
    x, v = probe.tensor("N", dtype=torch.float64), probe.tensor("N", dtype=torch.float64)
    expected = torch.autograd.functional.hessian(eval(text), x) @ v
    assert_close(learner.hessian_vector_product(made(learner, text), x, v), expected)


@pytest.mark.stage("robust")
def test_hessian_vector_product_of_a_function_without_curvature_is_zero(learner, probe):
    x, v = probe.tensor("D"), probe.tensor("D")
    for linear in (made(learner, "lambda x: (3 * x).sum()"), layer(learner, probe.tensor("1 D"))):
        assert_close(learner.hessian_vector_product(linear, x, v), torch.zeros_like(x))


@pytest.mark.stage("shape")
def test_detach_target_returns_a_single_number(learner, probe):
    states, rewards, following = probe.tensor("N D"), probe.tensor("N"), probe.tensor("N D")
    loss = learner.detach_target(layer(learner, probe.tensor("1 D")), states, rewards, following)
    assert_shape(loss, (), torch.float32)


def test_detach_target_of_a_case_computed_by_hand(learner):
    model = layer(learner, torch.tensor([[2.0]]))
    states, rewards, following = torch.tensor([[1.0], [3.0]]), torch.tensor([1.0, 2.0]), torch.tensor([[3.0], [7.0]])
    # guesses 2 and 6, targets 1 + 0.5 · 6 = 4 and 2 + 0.5 · 14 = 9
    assert_close(learner.detach_target(model, states, rewards, following, gamma=0.5), torch.tensor(6.5))


def test_detach_target_lets_no_gradient_into_the_target(learner):
    model = layer(learner, torch.tensor([[2.0]]))
    given = torch.tensor([[1.0], [3.0]]), torch.tensor([1.0, 2.0]), torch.tensor([[3.0], [7.0]])
    _, (_, ds, _, dn, _) = learner.vjp("detach_target", [model, *given, 0.5])
    assert_close(ds, torch.tensor([[-4.0], [-6.0]]), name="the gradient of the states")  # 2 · error / N · weight
    assert_close(dn, torch.zeros(2, 1), name="the gradient of the next states")


def test_detach_target_moves_the_parameters_for_the_guess_alone(learner):
    model = layer(learner, torch.tensor([[2.0]]))
    given = torch.tensor([[1.0], [3.0]]), torch.tensor([1.0, 2.0]), torch.tensor([[3.0], [7.0]])
    backward = made(learner, "lambda loss, model, *given: [loss(model, *given).backward(), model.weight.grad][1]")
    got = backward(learner.detach_target, model, *given, 0.5)
    assert_close(got, torch.tensor([[-11.0]]), name="the gradient of the weight")  # the mean of 2 · error · state


@pytest.mark.stage("shape")
def test_accumulate_gradients_returns_a_float_and_fills_every_grad(learner, probe):
    model, x, y = layer(learner, probe.tensor("C D")), probe.tensor("6 D"), probe.tensor("6 C")
    assert isinstance(learner.accumulate_gradients(model, mse_of(learner), x, y, 2), float), "the loss is a float"
    assert_shape(gradients_of(learner, model)["weight"], probe.shape("C D"), torch.float32)


def test_accumulate_gradients_of_a_case_computed_by_hand(learner):
    model = layer(learner, torch.tensor([[1.0]]))
    x = torch.tensor([[1.0], [2.0], [4.0]])  # with targets of 0: losses 1, 4, 16, and slopes 2, 8, 32
    loss = learner.accumulate_gradients(model, mse_of(learner), x, torch.zeros(3, 1), size=2)
    assert_close(gradients_of(learner, model), {"weight": torch.tensor([[14.0]])}, name="the gradients")
    assert_close(torch.tensor(loss), torch.tensor(7.0), name="the loss")


def test_accumulate_gradients_adds_to_what_is_there(learner):
    model = layer(learner, torch.tensor([[1.0]]))
    for _ in range(2):
        learner.accumulate_gradients(model, mse_of(learner), torch.tensor([[3.0], [4.0]]), torch.zeros(2, 1), size=1)
    assert_close(gradients_of(learner, model), {"weight": torch.tensor([[50.0]])}, name="the gradients after two calls")


def test_accumulate_gradients_takes_the_rows_in_order_and_no_more_than_size_at_once(learner, probe):
    seen = learner.library("collections").UserList()
    keeping = made(learner, "lambda seen: lambda output, y: [seen.append(y), ((output - y) ** 2).mean()][1]")(seen)
    model, x, y = layer(learner, probe.tensor("C D")), probe.tensor("7 D"), probe.tensor("7 C")
    learner.accumulate_gradients(model, keeping, x, y, 3)
    assert_close(list(seen), [y[:3], y[3:6], y[6:]], name="the targets that the loss function was given, call by call")


@pytest.mark.stage("whole")
def test_accumulate_gradients_gives_the_gradient_of_the_mean_over_all_rows(learner, probe):
    w, x, y = (probe.tensor(spec, dtype=torch.float64) for spec in ("C D", "11 D", "11 C"))
    model = layer(learner, w)
    loss = learner.accumulate_gradients(model, mse_of(learner), x, y, 4)
    error = x @ w.T - y  # (11, C)
    assert_close(loss, error.square().mean().item(), name="the loss")
    assert_close(gradients_of(learner, model), {"weight": 2.0 * error.T @ x / error.numel()}, name="the gradients")
