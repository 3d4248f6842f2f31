"""Hidden checks of modules: a linear layer, a sequence of modules, a multi-layer perceptron.

Every one of them is held against its namesake of torch: each loads what the other has saved.
"""

import math

import pytest
import torch

from autograder.testing import assert_close, assert_gradients, assert_shape, made


@pytest.fixture(autouse=True)
def repeatable(learner, probe):
    """The same first parameters whenever the inputs are the same: a check that failed can be repeated."""
    learner.library("torch").manual_seed(int(probe.integers(1, high=10**9)[0]))


def nn_of(module):
    return module.library("torch").nn


def state_like(probe, oracle, dtype=torch.float32):
    """Random parameters for a module like `oracle`, none of them zero."""
    return {name: 0.7 * probe.tensor(*value.shape, dtype=dtype) for name, value in oracle.state_dict().items()}


def loaded(model, state):
    model.to(next(iter(state.values())).dtype)
    model.load_state_dict(state)
    return model


def assert_like_torch(learner, model, oracle, x, dy):
    """Value, gradient of x and gradients of all parameters agree with those of `oracle`."""
    x = x.clone().requires_grad_()
    expected = oracle(x)
    expected.backward(dy)
    value, gradients = learner.parameter_gradients(model, [x.detach()], dy)
    assert_close(value, expected.detach(), name="the output")
    assert_close(gradients, {name: p.grad for name, p in oracle.named_parameters()}, name="the gradients")
    _, (dx,) = learner.vjp(model, [x.detach()], dy)
    assert_close(dx, x.grad, name="the gradient of x")


def assert_uniform(values, bound, name):
    """All within the bound, and spread evenly: by Dvoretzky, Kiefer and Wolfowitz the distance is larger once in 1e10."""
    values = values.flatten().double().sort().values
    assert values.abs().max() <= bound * (1.0 + 1e-6), f"{name} lies between -1/√D and 1/√D"
    places = (values / bound + 1.0) / 2.0  # uniform over 0 … 1
    distance = (places - torch.linspace(0.0, 1.0, len(values), dtype=torch.float64)).abs().max()
    assert distance < math.sqrt(math.log(2e10) / (2 * len(values))) + 1.0 / len(values), f"{name} is spread evenly"


@pytest.mark.stage("shape")
def test_linear_has_a_weight_and_a_bias(learner, probe):
    m, d = probe.shape("M D")
    state = learner.Linear(d, m).state_dict()
    assert list(state) == ["weight", "bias"], "the state_dict has weight and bias"
    assert_shape(state["weight"], (m, d), torch.float32, name="weight")
    assert_shape(state["bias"], (m,), torch.float32, name="bias")


@pytest.mark.stage("shape")
def test_linear_without_a_bias_has_a_weight_alone(learner, probe):
    m, d = probe.shape("M D")
    layer = learner.Linear(d, m, bias=False)
    assert layer.bias is None, "bias is None"
    assert list(layer.state_dict()) == ["weight"], "the state_dict has weight alone"
    assert_shape(layer.state_dict()["weight"], (m, d), torch.float32, name="weight")


@pytest.mark.stage("shape")
def test_linear_acts_on_the_last_axis_whatever_stands_before_it(learner, probe):
    layer = learner.Linear(probe.size("D"), probe.size("M"))
    for lead in ("", "1 ", "N ", "B T ", "B 1 "):
        assert_shape(layer(probe.tensor(lead + "D")), probe.shape(lead + "M"), torch.float32)


def test_linear_registers_its_parameters(learner, probe):
    for bias in (True, False):
        layer = learner.Linear(*probe.shape("D M"), bias=bias)
        names = ["weight", "bias"] if bias else ["weight"]
        found = {name: parameter.requires_grad for name, parameter in layer.named_parameters()}
        assert found == dict.fromkeys(names, True), f"{' and '.join(names)} are parameters that want a gradient"


@pytest.mark.visible
def test_linear_of_a_case_computed_by_hand(learner):
    weight, bias = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, -1.0]]), torch.tensor([0.5, 0.0, -2.0])
    layer = loaded(learner.Linear(2, 3), {"weight": weight, "bias": bias})
    assert_close(layer(torch.tensor([[2.0, 3.0], [-1.0, 4.0]])), torch.tensor([[2.5, 3.0, -3.0], [-0.5, 4.0, -7.0]]))


def test_linear_of_zeros_is_the_bias(learner, probe):
    state = {"weight": probe.tensor("M D"), "bias": probe.tensor("M")}
    layer = loaded(learner.Linear(*probe.shape("D M")), state)
    assert_close(layer(torch.zeros(probe.shape("N D"))), state["bias"].repeat(probe.size("N"), 1))


def test_linear_of_unit_vectors_shows_the_columns_of_the_weight(learner, probe):
    weight = probe.tensor("M D")
    layer = loaded(learner.Linear(*probe.shape("D M"), bias=False), {"weight": weight})
    assert_close(layer(torch.eye(probe.size("D"))), weight.T)


def test_linear_draws_its_parameters_between_plus_and_minus_one_over_root_d(learner):
    for d, m in ((60, 200), (3, 4000)):
        state = learner.Linear(d, m).state_dict()
        assert_uniform(state["weight"], 1.0 / math.sqrt(d), "the weight")
        assert_uniform(state["bias"], 1.0 / math.sqrt(d), "the bias")


def test_linear_draws_anew_for_every_layer(learner, probe):
    first, second = (learner.Linear(*probe.shape("D M")).state_dict() for _ in range(2))
    assert (first["weight"] != second["weight"]).all(), "two layers have different weights"
    assert (first["bias"] != second["bias"]).all(), "two layers have different biases"


def test_linear_draws_the_same_again_from_the_same_seed(learner, probe):
    states = []
    for _ in range(2):
        learner.library("torch").manual_seed(5)
        states.append(dict(learner.Linear(*probe.shape("D M")).state_dict()))
    assert_close(states[0], states[1])


@pytest.mark.stage("whole")
def test_linear_loads_what_torch_has_saved_and_computes_the_same(learner, probe):
    for bias in (True, False):
        oracle = torch.nn.Linear(*probe.shape("D M"), bias=bias)
        layer = loaded(learner.Linear(*probe.shape("D M"), bias=bias), dict(oracle.state_dict()))
        assert_like_torch(learner, layer, oracle, probe.tensor("B T D"), probe.tensor("B T M"))


@pytest.mark.stage("whole")
def test_linear_saves_what_torch_can_load(learner, probe):
    for bias in (True, False):
        layer, oracle = (module.Linear(*probe.shape("D M"), bias=bias) for module in (learner, torch.nn))
        oracle.load_state_dict(layer.state_dict())
        x = probe.tensor("N D")
        assert_close(layer(x), oracle(x).detach())


@pytest.mark.stage("whole")
def test_linear_equals_the_reference(learner, reference, probe):
    for bias in (True, False):
        state = {"weight": probe.tensor("M D")} | ({"bias": probe.tensor("M")} if bias else {})
        theirs, mine = (loaded(module.Linear(*probe.shape("D M"), bias), state) for module in (reference, learner))
        x = probe.tensor("B T D")
        assert_close(mine(x), theirs(x))


@pytest.mark.stage("whole")
def test_linear_has_the_slopes_that_are_measured(learner, reference, probe):
    x, dy = probe.tensor(3, 5, dtype=torch.float64), probe.tensor(3, 2, dtype=torch.float64)
    state = {"weight": probe.tensor(2, 5, dtype=torch.float64), "bias": probe.tensor(2, dtype=torch.float64)}
    _, gradients = learner.parameter_gradients(loaded(learner.Linear(5, 2), state), [x], dy)

    def output(weight, bias):
        return loaded(reference.Linear(5, 2), {"weight": weight, "bias": bias})(x)

    assert_gradients(output, list(state.values()), [gradients[name] for name in state], dy, names=list(state))


@pytest.mark.stage("robust")
def test_linear_with_a_bias_of_zeros_gives_it_a_gradient(learner, probe):
    oracle = torch.nn.Linear(*probe.shape("D M"))
    torch.nn.init.zeros_(oracle.bias)
    layer = loaded(learner.Linear(*probe.shape("D M")), dict(oracle.state_dict()))
    assert_like_torch(learner, layer, oracle, probe.tensor("N D"), probe.tensor("N M"))


@pytest.mark.stage("robust")
def test_linear_of_a_transpose(learner, probe):
    state, x = {"weight": probe.tensor("M D"), "bias": probe.tensor("M")}, probe.tensor("D T B")
    layer = loaded(learner.Linear(*probe.shape("D M")), state)
    expected = torch.einsum("dtb,md->btm", x, state["weight"]) + state["bias"]
    assert_close(made(learner, "lambda layer, x: layer(x.permute(2, 1, 0))")(layer, x), expected)


@pytest.mark.stage("robust")
def test_linear_becomes_double_as_a_whole(learner, probe):
    layer = learner.Linear(*probe.shape("D M"))
    layer.double()
    oracle, x = torch.nn.Linear(*probe.shape("D M")).double(), probe.tensor("N D", dtype=torch.float64)
    oracle.load_state_dict(layer.state_dict())
    assert_close(layer(x), oracle(x).detach())


@pytest.mark.stage("robust")
def test_linear_layers_keep_their_parameters_apart(learner, probe):
    first, second = (learner.Linear(*probe.shape("D M")) for _ in range(2))
    before = dict(second.state_dict())
    loaded(first, {"weight": probe.tensor("M D"), "bias": probe.tensor("M")})
    assert_close(dict(second.state_dict()), before, name="the second layer after something was loaded into the first")


@pytest.mark.stage("robust")
def test_linear_of_one_input_and_of_one_output(learner, reference, probe):
    for d, m in ((1, 5), (5, 1), (1, 1)):
        state = {"weight": probe.tensor(m, d), "bias": probe.tensor(m)}
        theirs, mine = (loaded(module.Linear(d, m), state) for module in (reference, learner))
        x = probe.tensor(3, d)
        assert_close(mine(x), theirs(x))


def stack_of(module, probe, container):
    """Three linear layers and activations between them, in `container`; all widths are D, so that any order would do."""
    nn, d = nn_of(module), probe.size("D")
    return container(nn.Linear(d, d), nn.Tanh(), nn.Linear(d, d), nn.Softplus(), nn.Linear(d, d))


def torch_stack(probe):
    d = probe.size("D")
    layers = torch.nn.Linear(d, d), torch.nn.Tanh(), torch.nn.Linear(d, d), torch.nn.Softplus(), torch.nn.Linear(d, d)
    return torch.nn.Sequential(*layers)


@pytest.mark.stage("shape")
def test_sequential_names_its_modules_by_their_places(learner, probe):
    state = stack_of(learner, probe, learner.Sequential).state_dict()
    expected = ["0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias"]
    assert list(state) == expected, f"the names in the state_dict are {', '.join(expected)}"


@pytest.mark.stage("shape")
def test_sequential_of_nothing_returns_its_input(learner, probe):
    x = probe.tensor("N D")
    model = learner.Sequential()
    assert_close(model(x), x)
    assert_close(dict(model.state_dict()), {}, name="the state_dict")


def test_sequential_lists_the_parameters_of_its_modules(learner, probe):
    model = stack_of(learner, probe, learner.Sequential)
    names = [name for name, _ in model.named_parameters()]
    assert names == ["0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias"], "all parameters are registered"


def test_sequential_of_one_module_is_that_module(learner, probe):
    state, x = {"0.weight": probe.tensor("M D"), "0.bias": probe.tensor("M")}, probe.tensor("N D")
    model = loaded(learner.Sequential(nn_of(learner).Linear(*probe.shape("D M"))), state)
    assert_close(model(x), x @ state["0.weight"].T + state["0.bias"])


@pytest.mark.visible
def test_sequential_of_a_case_computed_by_hand(learner):
    nn = nn_of(learner)
    state = {"0.weight": torch.tensor([[1.0, -1.0]]), "0.bias": torch.tensor([0.5]), "2.weight": torch.tensor([[-2.0]])}
    model = loaded(learner.Sequential(nn.Linear(2, 1), nn.ReLU(), nn.Linear(1, 1, bias=False)), state)
    assert_close(model(torch.tensor([[3.0, 1.0], [1.0, 3.0]])), torch.tensor([[-5.0], [0.0]]))


def test_sequential_calls_its_modules_from_the_first_to_the_last(learner, probe):
    nn, x = nn_of(learner), probe.tensor("N D")
    model = learner.Sequential(nn.Tanh(), nn.Softplus(), nn.Threshold(0.7, -3.0))
    y = torch.nn.functional.softplus(x.tanh())
    assert_close(model(x), torch.where(y > 0.7, y, torch.tensor(-3.0)))


def test_sequential_calls_its_modules_as_functions_so_that_hooks_run(learner, probe):
    nn, x = nn_of(learner), probe.tensor("N D")
    layer = nn.Tanh()
    layer.register_forward_hook(made(learner, "lambda module, given, output: 3.0 * output"))
    model = learner.Sequential(layer, nn.Softplus())
    assert_close(model(x), torch.nn.functional.softplus(3.0 * x.tanh()))


def test_sequential_passes_its_mode_on(learner, probe):
    nn, x = nn_of(learner), probe.tensor("N D")
    model = learner.Sequential(nn.BatchNorm1d(probe.size("D")), nn.Tanh())
    model.eval()
    assert_close(model(x), (x / math.sqrt(1.0 + 1e-5)).tanh(), name="in evaluation mode")
    model.train()
    normal = (x - x.mean(dim=0)) / (x.var(dim=0, correction=0) + 1e-5).sqrt()
    assert_close(model(x), normal.tanh(), name="in training mode")


@pytest.mark.stage("whole")
def test_sequential_loads_what_torch_has_saved_and_computes_the_same(learner, probe):
    oracle = torch_stack(probe)
    state = state_like(probe, oracle)
    loaded(oracle, state)
    model = loaded(stack_of(learner, probe, learner.Sequential), state)
    assert_like_torch(learner, model, oracle, probe.tensor("B T D"), probe.tensor("B T D"))


@pytest.mark.stage("whole")
def test_sequential_saves_what_torch_can_load(learner, probe):
    model, oracle = stack_of(learner, probe, learner.Sequential), torch_stack(probe)
    oracle.load_state_dict(model.state_dict())
    x = probe.tensor("N D")
    assert_close(model(x), oracle(x).detach())


@pytest.mark.stage("whole")
def test_sequential_equals_the_reference(learner, reference, probe):
    state = state_like(probe, torch_stack(probe), torch.float64)
    mine, theirs = (loaded(stack_of(module, probe, module.Sequential), state) for module in (learner, reference))
    x = probe.tensor("N D", dtype=torch.float64)
    assert_close(mine(x), theirs(x))


@pytest.mark.stage("whole")
def test_sequential_within_another_is_named_and_called_as_in_torch(learner, probe):
    d, nn = probe.size("D"), nn_of(learner)
    inner = torch.nn.Sequential(torch.nn.Tanh(), torch.nn.Linear(d, d))
    oracle = torch.nn.Sequential(torch.nn.Linear(d, d), inner, torch.nn.Softplus())
    state = state_like(probe, oracle)
    loaded(oracle, state)
    mine = learner.Sequential(nn.Linear(d, d), learner.Sequential(nn.Tanh(), nn.Linear(d, d)), nn.Softplus())
    x = probe.tensor("N D")
    assert_close(loaded(mine, state)(x), oracle(x).detach())


@pytest.mark.stage("robust")
def test_sequential_gives_a_place_to_modules_without_parameters_too(learner, probe):
    nn, d = nn_of(learner), probe.size("D")
    model = learner.Sequential(nn.Identity(), nn.Linear(d, d), nn.Tanh(), nn.Identity(), nn.Linear(d, d))
    assert [name for name, _ in model.named_children()] == list("01234"), "the names of its modules are 0 to 4"


@pytest.mark.stage("robust")
def test_sequential_leaves_its_modules_in_the_mode_that_they_are_in(learner):
    nn = nn_of(learner)
    layer, other = nn.Dropout(0.4), nn.Tanh()
    layer.eval()
    learner.Sequential(layer, other)
    assert (layer.training, other.training) == (False, True), "each is in the mode that it was in"


@pytest.mark.stage("robust")
def test_sequential_hands_a_tuple_on_as_it_is(learner, probe):
    nn, x = nn_of(learner), probe.tensor("N D")
    pair = nn.Identity()
    pair.register_forward_hook(made(learner, "lambda module, given, output: (output, 2 * output)"))
    assert_close(learner.Sequential(pair, nn.Identity())(x), (x, 2.0 * x))


@pytest.mark.stage("robust")
def test_sequential_calls_what_is_registered_now(learner, probe):
    nn, x = nn_of(learner), probe.tensor("N D")
    model = learner.Sequential(nn.Tanh(), nn.Softplus())
    assert [name for name, _ in model.named_children()] == ["0", "1"], "the names of its modules are 0 and 1"
    model.add_module("0", nn.Sigmoid())
    assert_close(model(x), torch.nn.functional.softplus(x.sigmoid()), name="the output with another module at 0")
    d = probe.size("D")
    original = learner.Sequential(nn.Linear(d, d))
    copy = learner.library("copy").deepcopy(original)
    state = {"0.weight": probe.tensor(d, d), "0.bias": probe.tensor(d)}
    loaded(copy, state)
    assert_close(copy(x), x @ state["0.weight"].T + state["0.bias"], name="the output of a copy")


@pytest.mark.stage("robust")
def test_sequential_applies_a_module_as_often_as_it_stands_there(learner, probe):
    d, nn = probe.size("D"), nn_of(learner)
    layer, activation = nn.Linear(d, d), nn.Tanh()
    model = learner.Sequential(layer, activation, layer, activation)
    weight, bias, x = probe.tensor(d, d), probe.tensor(d), probe.tensor("N", d)
    loaded(layer, {"weight": weight, "bias": bias})
    once = (x @ weight.T + bias).tanh()
    assert_close(model(x), (once @ weight.T + bias).tanh())
    assert len(list(model.parameters())) == 2, "its parameters are listed once"


@pytest.mark.stage("robust")
def test_sequential_of_a_dozen_modules_keeps_their_order(learner, probe):
    d, nn = probe.size("D"), nn_of(learner)
    oracle = torch.nn.Sequential(*(torch.nn.Linear(d, d) for _ in range(12)))
    state, x = state_like(probe, oracle, torch.float64), probe.tensor("N", d, dtype=torch.float64)
    model = loaded(learner.Sequential(*(nn.Linear(d, d) for _ in range(12))), state)
    assert_close(model(x), loaded(oracle, state)(x).detach())


def network_of(module, widths, activation="ReLU"):
    return module.MLP(widths, activation=getattr(nn_of(module), activation))


def torch_network(widths, activation=torch.nn.ReLU):
    pairs = zip(widths[:-1], widths[1:], strict=True)
    modules = [module for pair in pairs for module in (torch.nn.Linear(*pair), activation())]
    return torch.nn.Sequential(*modules[:-1])


@pytest.mark.stage("shape")
def test_mlp_has_the_parameters_of_linear_layers_at_even_places(learner, probe):
    for widths in (probe.shape("D M C"), probe.shape("D K M V C"), probe.shape("D C")):
        state = learner.MLP(widths).state_dict()
        expected = {name: tuple(value.shape) for name, value in torch_network(widths).state_dict().items()}
        assert {name: tuple(value.shape) for name, value in state.items()} == expected, f"names and shapes: {expected}"


@pytest.mark.stage("shape")
def test_mlp_returns_as_many_outputs_as_its_last_width(learner, probe):
    for widths in (probe.shape("D M C"), probe.shape("D K M C"), probe.shape("D C")):
        assert_shape(learner.MLP(list(widths))(probe.tensor("B T D")), probe.shape("B T C"), torch.float32)


def test_mlp_of_two_widths_is_a_linear_layer(learner, probe):
    state, x = {"0.weight": probe.tensor("C D"), "0.bias": probe.tensor("C")}, probe.tensor("N D")
    assert_close(loaded(learner.MLP(probe.shape("D C")), state)(x), x @ state["0.weight"].T + state["0.bias"])


@pytest.mark.visible
def test_mlp_of_a_case_computed_by_hand(learner):
    state = {
        "0.weight": torch.tensor([[1.0], [-1.0]]), "0.bias": torch.tensor([0.0, 0.5]),
        "2.weight": torch.tensor([[2.0, 3.0]]), "2.bias": torch.tensor([-4.0]),
    }  # fmt: skip
    model = loaded(learner.MLP([1, 2, 1]), state)  # the hidden units are relu(x) and relu(0.5 - x)
    assert_close(model(torch.tensor([[2.0], [-1.0]])), torch.tensor([[0.0], [0.5]]))


def test_mlp_applies_a_relu_between_two_layers_unless_told_otherwise(learner, probe):
    oracle = torch_network(probe.shape("D M C"))
    state, x = state_like(probe, oracle), probe.tensor("N D")
    assert_close(loaded(learner.MLP(probe.shape("D M C")), state)(x), loaded(oracle, state)(x).detach())


def test_mlp_applies_no_activation_behind_the_last_layer(learner, probe):
    widths = probe.shape("D M C")
    state, x = state_like(probe, torch_network(widths)), probe.tensor("N D")
    model = loaded(learner.MLP(widths), state)
    lower = loaded(learner.MLP(widths), state | {"2.bias": state["2.bias"] - 100.0})
    assert_close(lower(x) + 100.0, model(x))


def test_mlp_takes_the_activation_that_it_is_given(learner, probe):
    widths = probe.shape("D M C")
    state, x = state_like(probe, torch_network(widths)), probe.tensor("N D")
    for name in ("Tanh", "Softplus"):
        oracle = loaded(torch_network(widths, getattr(torch.nn, name)), state)
        assert_close(loaded(network_of(learner, widths, name), state)(x), oracle(x).detach(), name=f"with {name}")


def test_mlp_takes_anything_that_makes_a_module_for_an_activation(learner, probe):
    widths = probe.shape("D M C")
    state, x = state_like(probe, torch_network(widths)), probe.tensor("N D")
    leaky = learner.library("functools").partial(nn_of(learner).LeakyReLU, 0.4)
    oracle = loaded(torch_network(widths, lambda: torch.nn.LeakyReLU(0.4)), state)
    assert_close(loaded(learner.MLP(widths, leaky), state)(x), oracle(x).detach())


def test_mlp_makes_an_activation_of_its_own_for_every_hidden_layer(learner, probe):
    oracle = torch_network(probe.shape("D K M C"), torch.nn.PReLU)
    model = network_of(learner, probe.shape("D K M C"), "PReLU")
    assert list(model.state_dict()) == list(oracle.state_dict()), "the activations have parameters of their own"
    state, x = state_like(probe, oracle), probe.tensor("N D")
    assert_close(loaded(model, state)(x), loaded(oracle, state)(x).detach())


def test_mlp_registers_all_its_parameters(learner, probe):
    names = [name for name, _ in learner.MLP(probe.shape("D K M C")).named_parameters()]
    assert names == [f"{place}.{part}" for place in (0, 2, 4) for part in ("weight", "bias")], "all are registered"


def test_mlp_draws_its_parameters_as_linear_layers_do(learner):
    state = learner.MLP([50, 300, 40]).state_dict()
    assert_uniform(state["0.weight"], 1.0 / math.sqrt(50), "0.weight, with D = 50,")
    assert_uniform(state["2.weight"], 1.0 / math.sqrt(300), "2.weight, with D = 300,")


@pytest.mark.task("MLP")
def test_mlp_is_built_from_linear_layers_of_your_own(learner, probe):
    model, is_own = learner.MLP(probe.shape("D K M C")), "lambda part, kind: isinstance(part, kind)"
    own = [made(learner, is_own)(part, learner.Linear) for part in model.children()]
    assert own == [True, False, True, False, True], "the modules at 0, 2, 4 are of your class Linear"


@pytest.mark.stage("whole")
def test_mlp_loads_what_torch_has_saved_and_computes_the_same(learner, probe):
    oracle = torch_network(probe.shape("D K M C"), torch.nn.Tanh)
    state = state_like(probe, oracle)
    loaded(oracle, state)
    model = loaded(network_of(learner, probe.shape("D K M C"), "Tanh"), state)
    assert_like_torch(learner, model, oracle, probe.tensor("N D"), probe.tensor("N C"))


@pytest.mark.stage("whole")
def test_mlp_saves_what_torch_can_load(learner, probe):
    model, oracle = learner.MLP(probe.shape("D K M C")), torch_network(probe.shape("D K M C"))
    oracle.load_state_dict(model.state_dict())
    x = probe.tensor("N D")
    assert_close(model(x), oracle(x).detach())


@pytest.mark.stage("whole")
def test_mlp_equals_the_reference(learner, reference, probe):
    for widths, activation in ((probe.shape("D M C"), "SiLU"), (probe.shape("D K M V C"), "Tanh")):
        state = state_like(probe, torch_network(widths), torch.float64)
        mine, theirs = (loaded(network_of(module, widths, activation), state) for module in (learner, reference))
        x = probe.tensor("N D", dtype=torch.float64)
        assert_close(mine(x), theirs(x))


@pytest.mark.stage("whole")
def test_mlp_has_the_slopes_that_are_measured(learner, probe):
    oracle, x = torch_network((3, 5, 2), torch.nn.Tanh).double(), probe.tensor(2, 3, dtype=torch.float64)
    state, dy = state_like(probe, oracle, torch.float64), probe.tensor(2, 2, dtype=torch.float64)
    _, gradients = learner.parameter_gradients(loaded(network_of(learner, (3, 5, 2), "Tanh"), state), [x], dy)

    def output(*values):
        return torch.func.functional_call(oracle, dict(zip(state, values, strict=True)), x).detach()

    assert_gradients(output, list(state.values()), [gradients[name] for name in state], dy, names=list(state))


@pytest.mark.stage("whole")
def test_mlp_is_trained_by_an_optimizer_as_torchs_network_is(learner, probe):
    oracle = torch_network(probe.shape("D M C"), torch.nn.Tanh).double()
    state = state_like(probe, oracle, torch.float64)
    model = loaded(network_of(learner, probe.shape("D M C"), "Tanh"), state)
    loaded(oracle, state)
    x, y = probe.tensor("N D", dtype=torch.float64), probe.tensor("N C", dtype=torch.float64)
    step = "lambda m, o, x, y: [o.zero_grad(), ((m(x) - y) ** 2).mean().backward(), o.step()]"
    mine, theirs = (package.optim.SGD for package in (learner.library("torch"), torch))
    mine, theirs = mine(model.parameters(), lr=0.3), theirs(oracle.parameters(), lr=0.3)
    for _ in range(4):
        made(learner, step)(model, mine, x, y)
        eval(step)(oracle, theirs, x, y)
    assert_close(dict(model.state_dict()), dict(oracle.state_dict()), name="the parameters after four steps")


@pytest.mark.stage("robust")
def test_mlp_refuses_fewer_than_two_widths(learner):
    for widths in ([], [3]):
        with pytest.raises(ValueError):
            learner.MLP(widths)


@pytest.mark.stage("robust")
def test_mlp_of_widths_one_and_of_equal_widths(learner, probe):
    for widths in ([1, 5, 3], [3, 1, 5], [3, 5, 1], [3, 3, 3], [3, 5, 5, 5, 5, 2]):
        oracle = torch_network(widths)
        state, x = state_like(probe, oracle), probe.tensor(4, widths[0])
        assert_close(loaded(learner.MLP(widths), state)(x), loaded(oracle, state)(x).detach())
