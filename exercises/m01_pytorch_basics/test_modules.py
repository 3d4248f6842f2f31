"""Public checks of the modules: run `pytest exercises/m01_pytorch_basics/test_modules.py`."""

import math

import pytest
import torch

from autograder.testing import assert_close, assert_shape


def nn_of(learner):
    return learner.library("torch").nn


def state_like(probe, oracle):
    """Random parameters for a module like `oracle`, none of them zero."""
    return {name: 0.7 * probe.tensor(*value.shape) for name, value in oracle.state_dict().items()}


def loaded(model, state):
    model.load_state_dict(state)
    return model


def assert_like_torch(learner, model, oracle, x, dy):
    """Value and gradients of all parameters agree with those of `oracle`."""
    expected = oracle(x)
    expected.backward(dy)
    value, gradients = learner.parameter_gradients(model, [x], dy)
    assert_close(value, expected.detach(), name="the output")
    assert_close(gradients, {name: p.grad for name, p in oracle.named_parameters()}, name="the gradients")


@pytest.mark.stage("shape")
def test_linear_has_a_weight_and_perhaps_a_bias(learner, probe):
    m, d = probe.shape("M D")
    state = learner.Linear(d, m).state_dict()
    assert list(state) == ["weight", "bias"], "the state_dict has weight and bias"
    assert_shape(state["weight"], (m, d), torch.float32, name="weight")
    assert_shape(state["bias"], (m,), torch.float32, name="bias")
    assert list(learner.Linear(d, m, bias=False).state_dict()) == ["weight"], "without a bias, weight alone"


@pytest.mark.stage("shape")
def test_linear_acts_on_the_last_axis_whatever_stands_before_it(learner, probe):
    layer = learner.Linear(probe.size("D"), probe.size("M"))
    for lead in ("", "B T "):
        assert_shape(layer(probe.tensor(lead + "D")), probe.shape(lead + "M"), torch.float32)


def test_linear_registers_its_parameters(learner):
    assert [name for name, _ in learner.Linear(2, 3).named_parameters()] == ["weight", "bias"], "both are parameters"


def test_linear_of_a_case_computed_by_hand(learner):
    weight, bias = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, -1.0]]), torch.tensor([0.5, 0.0, -2.0])
    layer = loaded(learner.Linear(2, 3), {"weight": weight, "bias": bias})
    assert_close(layer(torch.tensor([[2.0, 3.0], [-1.0, 4.0]])), torch.tensor([[2.5, 3.0, -3.0], [-0.5, 4.0, -7.0]]))


def test_linear_draws_its_parameters_between_plus_and_minus_one_over_root_d(learner):
    state, bound = learner.Linear(25, 1000).state_dict(), 0.2
    for name, values in state.items():
        assert values.abs().max() <= bound + 1e-6, f"{name} lies between -1/√D and 1/√D"
        # Both hold but for one in 10^9 times: seven standard deviations of a thousand draws.
        assert abs(values.mean()) < 0.13 * bound, f"{name} has both signs, equally often"
        assert abs(values.square().mean() / (bound**2 / 3.0) - 1.0) < 0.2, f"{name} is spread evenly"


@pytest.mark.stage("whole")
def test_linear_loads_what_torch_has_saved_and_computes_the_same(learner, probe):
    for bias in (True, False):
        oracle = torch.nn.Linear(*probe.shape("D M"), bias=bias)
        layer = loaded(learner.Linear(*probe.shape("D M"), bias=bias), dict(oracle.state_dict()))
        assert_like_torch(learner, layer, oracle, probe.tensor("B T D"), probe.tensor("B T M"))


@pytest.mark.stage("robust")
def test_linear_becomes_double_as_a_whole(learner, probe):
    layer = learner.Linear(*probe.shape("D M"))
    layer.double()
    assert_shape(layer(probe.tensor("N D", dtype=torch.float64)), probe.shape("N M"), torch.float64)


@pytest.mark.stage("shape")
def test_sequential_names_its_modules_by_their_places(learner):
    nn = nn_of(learner)
    state = learner.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1, bias=False)).state_dict()
    assert list(state) == ["0.weight", "0.bias", "2.weight"], "the names in the state_dict begin with the place"


@pytest.mark.stage("shape")
def test_sequential_of_nothing_returns_its_input(learner, probe):
    x = probe.tensor("N D")
    assert_close(learner.Sequential()(x), x)


def test_sequential_of_a_case_computed_by_hand(learner):
    nn = nn_of(learner)
    state = {"0.weight": torch.tensor([[1.0, -1.0]]), "0.bias": torch.tensor([0.5]), "2.weight": torch.tensor([[-2.0]])}
    model = loaded(learner.Sequential(nn.Linear(2, 1), nn.ReLU(), nn.Linear(1, 1, bias=False)), state)
    assert_close(model(torch.tensor([[3.0, 1.0], [1.0, 3.0]])), torch.tensor([[-5.0], [0.0]]))


def test_sequential_calls_its_modules_from_the_first_to_the_last(learner, probe):
    nn, x = nn_of(learner), probe.tensor("N D")
    assert_close(learner.Sequential(nn.Tanh(), nn.Softplus())(x), torch.nn.functional.softplus(x.tanh()))


def test_sequential_passes_its_mode_on(learner, probe):
    model, x = learner.Sequential(nn_of(learner).BatchNorm1d(probe.size("D"))), probe.tensor("N D")
    model.eval()
    assert_close(model(x), x / math.sqrt(1.0 + 1e-5))


@pytest.mark.stage("whole")
def test_sequential_loads_what_torch_has_saved_and_computes_the_same(learner, probe):
    d, m, c = probe.shape("D M C")
    oracle = torch.nn.Sequential(torch.nn.Linear(d, m), torch.nn.Tanh(), torch.nn.Linear(m, c))
    nn, state = nn_of(learner), state_like(probe, oracle)
    model = loaded(learner.Sequential(nn.Linear(d, m), nn.Tanh(), nn.Linear(m, c)), state)
    assert_like_torch(learner, model, loaded(oracle, state), probe.tensor("N D"), probe.tensor("N C"))


@pytest.mark.stage("robust")
def test_sequential_applies_a_module_as_often_as_it_stands_there(learner, probe):
    activation, x = nn_of(learner).Softplus(), probe.tensor("N D")
    twice = torch.nn.functional.softplus(torch.nn.functional.softplus(x))
    assert_close(learner.Sequential(activation, activation)(x), twice)


@pytest.mark.stage("shape")
def test_mlp_has_the_parameters_of_linear_layers_at_even_places(learner):
    shapes = {name: tuple(value.shape) for name, value in learner.MLP([3, 5, 4, 2]).state_dict().items()}
    expected = {
        "0.weight": (5, 3),
        "0.bias": (5,),
        "2.weight": (4, 5),
        "2.bias": (4,),
        "4.weight": (2, 4),
        "4.bias": (2,),
    }
    assert shapes == expected, f"names and shapes: {expected}"


def test_mlp_of_a_case_computed_by_hand(learner):
    state = {
        "0.weight": torch.tensor([[1.0], [-1.0]]), "0.bias": torch.tensor([0.0, 0.5]),
        "2.weight": torch.tensor([[2.0, 3.0]]), "2.bias": torch.tensor([-4.0]),
    }  # fmt: skip
    model = loaded(learner.MLP([1, 2, 1]), state)  # the hidden units are relu(x) and relu(0.5 - x)
    assert_close(model(torch.tensor([[2.0], [-1.0]])), torch.tensor([[0.0], [0.5]]))


def test_mlp_applies_no_activation_behind_the_last_layer(learner, probe):
    d, c = probe.shape("D C")
    state, x = {"0.weight": probe.tensor(c, d), "0.bias": probe.tensor(c)}, probe.tensor("N", d)
    assert_close(loaded(learner.MLP([d, c]), state)(x), x @ state["0.weight"].T + state["0.bias"])


def test_mlp_makes_an_activation_of_its_own_for_every_hidden_layer(learner):
    names = [name for name, _ in learner.MLP([3, 5, 4, 2], nn_of(learner).PReLU).named_parameters()]
    assert "1.weight" in names and "3.weight" in names, "both activations have a parameter of their own"


@pytest.mark.stage("whole")
def test_mlp_with_tanh_loads_what_torch_has_saved_and_computes_the_same(learner, probe):
    d, m, c = probe.shape("D M C")
    oracle = torch.nn.Sequential(torch.nn.Linear(d, m), torch.nn.Tanh(), torch.nn.Linear(m, c))
    state = state_like(probe, oracle)
    model = loaded(learner.MLP((d, m, c), activation=nn_of(learner).Tanh), state)
    assert_like_torch(learner, model, loaded(oracle, state), probe.tensor("N D"), probe.tensor("N C"))


@pytest.mark.stage("robust")
def test_mlp_refuses_fewer_than_two_widths(learner):
    with pytest.raises(ValueError):
        learner.MLP([3])
