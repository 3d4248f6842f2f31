"""Public checks of the deep network: run `pytest exercises/m02_deep_networks/test_deep_mlp.py`."""

import math

import pytest
import torch

from autograder.testing import assert_close, assert_shape

SMALL = {  # two inputs, two hidden units, one output
    "layers.0.weight": torch.tensor([[1.0, 2.0], [-1.0, 0.5]]),
    "layers.0.bias": torch.tensor([0.5, -1.0]),
    "layers.1.weight": torch.tensor([[2.0, -4.0]]),
    "layers.1.bias": torch.tensor([0.25]),
}


def make(learner, sizes, activation, **options):
    """A network whose activation is a function of torch."""
    return learner.DeepMLP(sizes, getattr(learner.library("torch"), activation), **options)


def seven(learner):
    generator = learner.library("torch").Generator()
    generator.manual_seed(7)
    return generator


@pytest.mark.stage("shape")
@pytest.mark.task("DeepMLP")
def test_deep_mlp_has_the_parameters_that_were_agreed(learner):
    state = make(learner, [3, 7, 5, 2], "tanh").state_dict()
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    weights = {"layers.0.weight": (7, 3), "layers.1.weight": (5, 7), "layers.2.weight": (2, 5)}
    assert shapes == weights | {"layers.0.bias": (7,), "layers.1.bias": (5,), "layers.2.bias": (2,)}, (
        "names and shapes are those of the docstring"
    )


@pytest.mark.stage("shape")
@pytest.mark.task("DeepMLP")
def test_deep_mlp_returns_one_row_of_logits_for_every_row(learner, probe):
    x = probe.tensor("N 3")
    assert_shape(make(learner, [3, 7, 5, 2], "tanh")(x), (len(x), 2), torch.float32)


@pytest.mark.task("DeepMLP")
def test_deep_mlp_of_a_case_computed_by_hand(learner):
    model = make(learner, [2, 2, 1], "square")
    model.load_state_dict(SMALL)
    # The hidden layer is (1.5, -2) and (2.5, -0.5) before the square.
    assert_close(model(torch.tensor([[1.0, 0.0], [0.0, 1.0]])), torch.tensor([[-11.25], [11.75]]))


@pytest.mark.task("DeepMLP")
def test_deep_mlp_uses_the_relu_by_default(learner):
    model = learner.DeepMLP([2, 2, 1])
    model.load_state_dict(SMALL)
    assert_close(model(torch.tensor([[1.0, 0.0], [-4.0, 1.0]])), torch.tensor([[3.25], [-13.75]]))


@pytest.mark.task("DeepMLP")
def test_deep_mlp_bends_the_output_of_every_hidden_layer(learner, probe):
    model = make(learner, [3, 7, 5, 2], "sin")
    state, x = model.state_dict(), probe.tensor("N 3")
    h = x
    for number in range(3):
        h = h @ state[f"layers.{number}.weight"].T + state[f"layers.{number}.bias"]
        h = torch.sin(h) if number < 2 else h
    assert_close(model(x), h)


def test_deep_mlp_draws_weights_and_scales_them(learner):
    state = make(learner, [8, 18, 3], "tanh", generator=seven(learner)).state_dict()
    replay = torch.Generator().manual_seed(7)
    first, second = torch.randn((18, 8), generator=replay), torch.randn((3, 18), generator=replay)
    assert_close(state["layers.0.weight"], first / 2.0, name="layers.0.weight (8 inputs, so a factor of 1/2)")
    assert_close(state["layers.1.weight"], second / 3.0, name="layers.1.weight (18 inputs, so a factor of 1/3)")


def test_deep_mlp_multiplies_the_weights_by_the_gain(learner):
    state = make(learner, [4, 3], "tanh", gain=3.0, generator=seven(learner)).state_dict()
    expected = 1.5 * torch.randn((3, 4), generator=torch.Generator().manual_seed(7))
    assert_close(state["layers.0.weight"], expected, name="layers.0.weight")
    assert_close(state["layers.0.bias"], torch.zeros(3), name="layers.0.bias")


@pytest.mark.stage("whole")
@pytest.mark.task("DeepMLP")
def test_deep_mlp_sends_gradients_to_every_parameter(learner, probe):
    model = make(learner, [3, 7, 2], "tanh")
    _, gradients = learner.parameter_gradients(model, [probe.tensor("N 3")], probe.tensor("N 2"))
    largest = {name: gradient.abs().max().item() for name, gradient in gradients.items()}
    assert len(largest) == 4 and min(largest.values()) > 0, f"every parameter has a gradient: {largest}"


@pytest.mark.stage("robust")
def test_deep_mlp_refuses_fewer_than_two_sizes(learner):
    with pytest.raises(ValueError):
        learner.DeepMLP([3])


def linear(learner):
    """Two inputs, two classes, one layer."""
    model = learner.library("torch").nn.Linear(2, 2)
    model.load_state_dict({"weight": torch.zeros(2, 2), "bias": torch.zeros(2)})
    return model


@pytest.mark.stage("shape")
def test_layer_gradient_norms_returns_a_float_for_every_weight(learner, probe):
    nn = learner.library("torch").nn
    model = nn.Sequential(nn.Linear(3, 7), nn.Tanh(), nn.Linear(7, 2))
    norms = learner.layer_gradient_norms(model, probe.tensor("N 3"), torch.from_numpy(probe.integers("N", high=2)))
    assert isinstance(norms, list) and len(norms) == 2, "a list with a number for every weight"
    assert all(isinstance(norm, float) for norm in norms), "every norm is a float"


def test_layer_gradient_norms_of_a_case_computed_by_hand(learner):
    x, targets = torch.tensor([[6.0, 0.0], [0.0, 8.0]]), torch.tensor([0, 1])
    # Both classes have probability 1/2. The gradient is (-1.5, 2) for one class and (1.5, -2) for the other.
    (norm,) = learner.layer_gradient_norms(linear(learner), x, targets)
    assert_close(torch.tensor(norm), torch.tensor(math.sqrt(2.0 * 6.25)))


def test_layer_gradient_norms_go_from_the_input_to_the_output(learner, probe):
    nn = learner.library("torch").nn
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
    model.load_state_dict(dict(model.state_dict()) | {"2.weight": torch.zeros(2, 5)})  # nothing passes
    first, last = learner.layer_gradient_norms(
        model, probe.tensor("N 3"), torch.from_numpy(probe.integers("N", high=2))
    )
    assert first == 0.0 and last > 0.0, "only the last layer has a gradient, and it comes last"


def test_layer_gradient_norms_leave_no_gradients_behind(learner):
    model = linear(learner)
    learner.layer_gradient_norms(model, torch.tensor([[6.0, 0.0], [0.0, 8.0]]), torch.tensor([0, 1]))
    assert learner.library("operator").attrgetter("weight.grad")(model) is None, "weight.grad is None, as it was"


def test_diagnose_gradients_of_known_cases(learner):
    assert learner.diagnose_gradients([1e-6, 0.1, 1.0]) == "vanishing"
    assert learner.diagnose_gradients([1e6, 10.0, 1.0]) == "exploding"
    assert learner.diagnose_gradients([0.4, 0.2, 0.3]) == "healthy"


def test_diagnose_gradients_looks_at_every_layer(learner):
    assert learner.diagnose_gradients([1.0, 1e-6, 0.5]) == "vanishing"
    assert learner.diagnose_gradients([1.0, 0.5, 1e6]) == "exploding"


def test_diagnose_gradients_takes_other_thresholds(learner):
    assert learner.diagnose_gradients([0.25, 0.9, 1.0], low=0.25, high=8.0) == "vanishing"
    assert learner.diagnose_gradients([8.0, 0.9, 1.0], low=0.25, high=8.0) == "exploding"
    assert learner.diagnose_gradients([1e-4, 0.9, 1e4], low=1e-5, high=1e5) == "healthy"


@pytest.mark.stage("robust")
def test_diagnose_gradients_calls_what_is_not_finite_exploding(learner):
    assert learner.diagnose_gradients([0.5, math.inf, 1.0]) == "exploding"
    assert learner.diagnose_gradients([0.0, math.nan, 1.0]) == "exploding"


@pytest.mark.stage("robust")
def test_diagnose_gradients_calls_norms_of_zero_vanishing(learner):
    assert learner.diagnose_gradients([0.0, 0.0]) == "vanishing"
