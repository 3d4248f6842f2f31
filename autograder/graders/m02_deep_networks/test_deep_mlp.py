"""Hidden checks of the deep network, of the norms of its gradients and of what they say.

One check measures 40,000 weights that came from torch's global generator: the standard error of their root mean square is 0.35 %,
and the 6 % that are allowed are 17 of these, a false alarm in far more than 10^30 runs.
"""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from autograder.testing import assert_close, assert_shape
from autograder.testing.gradients import numerical_vjp

SEED = 20
DEPTHS = ((3, 7), (3, 7, 2), (2, 5, 3, 4, 6, 3))  # widths of 1, 2 and 5 layers
ACTIVATIONS = {"tanh": torch.tanh, "sin": torch.sin, "abs": torch.abs, "relu": torch.relu, "sigmoid": torch.sigmoid}


def make(module, sizes, activation="tanh", **options):
    """A network whose activation is a function of torch where the learner's code runs."""
    return module.DeepMLP(list(sizes), getattr(module.library("torch"), activation), **options)


def layout(sizes, prefix="layers.", step=1):
    """Name and shape of every parameter."""
    shapes = {}
    for number, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        name = f"{prefix}{step * number}"
        shapes |= {f"{name}.weight": (fan_out, fan_in), f"{name}.bias": (fan_out,)}
    return shapes


def random_state(probe, shapes):
    """Weights that keep the size of what they act on, and biases that are not zero."""
    scales = {name: 1.0 / math.sqrt(shape[-1]) if len(shape) > 1 else 0.3 for name, shape in shapes.items()}
    return {name: scales[name] * probe.tensor(*shape) for name, shape in shapes.items()}


def loaded(module, probe, sizes, activation="tanh"):
    """A network with random parameters, and these."""
    model = make(module, sizes, activation, generator=generator(module))
    state = random_state(probe, layout(sizes))
    model.load_state_dict(dict(model.state_dict()) | state)  # one that has more than it should is judged by what it has
    return model, state


def by_hand(state, x, activation):
    """The forward pass from the parameters in order."""
    values = list(state.values())
    pairs = list(zip(values[::2], values[1::2], strict=True))
    for weight, bias in pairs[:-1]:
        x = activation(x @ weight.T + bias)
    return x @ pairs[-1][0].T + pairs[-1][1]


def generator(module, seed=SEED):
    """A generator of torch where the learner's code runs. It stays there, and moves on as it is used."""
    made = module.library("torch").Generator()
    made.manual_seed(seed)
    return made


def draws(sizes, seed=SEED):
    """What it gives, weight by weight."""
    made = torch.Generator().manual_seed(seed)
    return [torch.randn((fan_out, fan_in), generator=made) for fan_in, fan_out in pairwise(sizes)]


def weights_of(model):
    state = model.state_dict()
    return [state[f"layers.{number}.weight"] for number in range(len(state) // 2)]


def rms(values):
    return values.double().pow(2).mean().sqrt()


# DeepMLP


@pytest.mark.stage("shape")
def test_deep_mlp_has_the_parameters_that_were_agreed(learner, probe):
    for sizes in DEPTHS:
        state = make(learner, sizes, generator=generator(learner)).state_dict()
        shapes = layout(sizes)
        assert isinstance(state, dict) and sorted(state) == sorted(shapes), "the names are those of the docstring"
        for name, shape in shapes.items():
            assert_shape(state[name], shape, torch.float32, name=name)


@pytest.mark.stage("shape")
def test_deep_mlp_takes_the_parameters_that_it_is_given(learner, probe):
    for sizes in DEPTHS:
        model, state = loaded(learner, probe, sizes)
        assert_close(dict(model.state_dict()), state, name="the state_dict after load_state_dict")


@pytest.mark.stage("shape")
@pytest.mark.task("DeepMLP")
def test_deep_mlp_returns_one_row_of_logits_for_every_row(learner, probe):
    for sizes in DEPTHS:
        model, _ = loaded(learner, probe, sizes)
        assert_shape(model(probe.tensor("N", sizes[0])), (probe.size("N"), sizes[-1]), torch.float32)


@pytest.mark.task("DeepMLP")
def test_deep_mlp_of_one_layer_is_a_linear_map(learner, probe):
    model, state = loaded(learner, probe, (3, 5), "sin")
    x = probe.tensor("N 3")
    assert_close(model(x), x @ state["layers.0.weight"].T + state["layers.0.bias"])


@pytest.mark.task("DeepMLP")
def test_deep_mlp_bends_the_output_of_its_first_layer(learner, probe):
    model, state = loaded(learner, probe, (3, 5, 2), "sin")
    x = 2.0 * probe.tensor("N 3")
    h = torch.sin(x @ state["layers.0.weight"].T + state["layers.0.bias"])  # (N, 5)
    assert_close(model(x), h @ state["layers.1.weight"].T + state["layers.1.bias"])


@pytest.mark.task("DeepMLP")
def test_deep_mlp_bends_the_output_of_every_layer_but_the_last(learner, probe):
    for sizes in DEPTHS:
        model, state = loaded(learner, probe, sizes, "abs")
        x = probe.tensor("N", sizes[0])
        assert_close(model(x), by_hand(state, x, torch.abs))


@pytest.mark.task("DeepMLP")
def test_deep_mlp_takes_any_activation(learner, probe):
    x = probe.tensor("N 3")
    for name, activation in ACTIVATIONS.items():
        model, state = loaded(learner, probe, (3, 7, 5, 2), name)
        assert_close(model(x), by_hand(state, x, activation), name=f"the output with torch.{name}")


@pytest.mark.task("DeepMLP")
def test_deep_mlp_takes_an_activation_that_is_a_module(learner, probe):
    sizes, x = (3, 7, 5, 2), probe.tensor("N 3")
    model, state = learner.DeepMLP(list(sizes), learner.library("torch").nn.SELU()), random_state(probe, layout(sizes))
    model.load_state_dict(state)
    assert_close(model(x), by_hand(state, x, torch.nn.SELU()))


@pytest.mark.task("DeepMLP")
def test_deep_mlp_owns_the_parameters_of_its_activation(learner, probe):
    sizes = (3, 7, 2)
    model = learner.DeepMLP(list(sizes), learner.library("torch").nn.PReLU(init=0.4), generator=generator(learner))
    others = {name: value for name, value in dict(model.state_dict()).items() if name not in layout(sizes)}
    assert len(others) == 1, "beside its layers the model has one parameter, that of its activation"
    assert_close(next(iter(others.values())), torch.tensor([0.4]), name="the parameter of the activation")


@pytest.mark.task("DeepMLP")
def test_deep_mlp_uses_the_relu_by_default(learner, probe):
    sizes, x = (3, 7, 5, 2), probe.tensor("N 3")
    model, state = learner.DeepMLP(list(sizes)), random_state(probe, layout(sizes))
    model.load_state_dict(state)
    assert_close(model(x), by_hand(state, x, torch.relu))


def test_deep_mlp_starts_with_biases_of_zero(learner, probe):
    for sizes in DEPTHS:
        state = make(learner, sizes, generator=generator(learner)).state_dict()
        for number, width in enumerate(sizes[1:]):
            assert_close(state[f"layers.{number}.bias"], torch.zeros(width), name=f"layers.{number}.bias")


def test_deep_mlp_draws_its_weights_from_the_first_layer_to_the_last(learner, probe):
    for sizes in DEPTHS:
        got = weights_of(make(learner, sizes, generator=generator(learner)))
        for number, (weight, drawn) in enumerate(zip(got, draws(sizes), strict=True)):
            name = f"layers.{number}.weight, scaled to size 1"
            assert_close(weight / rms(weight).float(), drawn / rms(drawn).float(), name=name)


def test_deep_mlp_scales_weights_by_the_gain_over_the_root_of_fan_in(learner, probe):
    gain = probe.scalar(0.3, 3.0)
    for sizes in reversed(DEPTHS):
        got = weights_of(make(learner, sizes, gain=gain, generator=generator(learner)))
        factors = [rms(weight) / rms(drawn) for weight, drawn in zip(got, draws(sizes), strict=True)]
        expected = [gain / math.sqrt(fan_in) for fan_in in sizes[:-1]]
        assert_close(torch.stack(factors).float(), torch.tensor(expected), name="the factors on the draws")


def test_deep_mlp_has_the_gain_of_the_relu_by_default(learner, probe):
    got = weights_of(make(learner, (3, 7, 2), generator=generator(learner)))
    expected = [math.sqrt(2.0 / d) * drawn for d, drawn in zip((3, 7), draws((3, 7, 2)), strict=True)]
    assert_close(got, expected, name="the weights")


@pytest.mark.stage("whole")
@pytest.mark.task("DeepMLP")
def test_deep_mlp_equals_the_reference(learner, reference, probe):
    gain = probe.scalar(0.3, 3.0)
    for sizes in DEPTHS:
        x, seed = probe.tensor("N", sizes[0]), probe.choice(range(1000))
        models = [make(each, sizes, "sin", gain=gain, generator=generator(each, seed)) for each in (learner, reference)]
        assert_close(dict(models[0].state_dict()), dict(models[1].state_dict()), name="the state_dict")
        assert_close(models[0](x), models[1](x), name="the output")


@pytest.mark.stage("whole")
@pytest.mark.task("DeepMLP")
def test_deep_mlp_returns_the_same_logits_in_training_and_in_evaluation(learner, probe):
    model, state = loaded(learner, probe, (3, 7, 5, 2))
    x = probe.tensor("N 3")
    for training in (True, False):
        model.train(training)
        assert_close(model(x), by_hand(state, x, torch.tanh), name=f"the output with training={training}")


@pytest.mark.stage("whole")
@pytest.mark.task("DeepMLP")
def test_deep_mlp_sends_gradients_to_every_parameter(learner, probe):
    for sizes, training in zip(DEPTHS, (True, True, False), strict=True):
        model, state = loaded(learner, probe, sizes)
        model.train(training)
        x, dy = probe.tensor("N", sizes[0]), probe.tensor("N", sizes[-1])
        _, gradients = learner.parameter_gradients(model, [x], dy)
        leaves = {name: value.clone().requires_grad_() for name, value in state.items()}
        expected = torch.autograd.grad(by_hand(leaves, x, torch.tanh), list(leaves.values()), dy)
        assert_close(gradients, dict(zip(leaves, expected, strict=True)), name="the gradients of the parameters")


@pytest.mark.stage("whole")
@pytest.mark.task("DeepMLP")
def test_deep_mlp_sends_gradients_back_to_its_input(learner, probe):
    model, state = loaded(learner, probe, (3, 7, 5, 2))
    x, dy = probe.tensor("N 3"), probe.tensor("N 2")
    _, (gradient,) = learner.vjp(model, [x], dy)
    leaf = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(by_hand(state, leaf, torch.tanh), leaf, dy)
    assert_close(gradient, expected)


@pytest.mark.stage("robust")
def test_deep_mlp_goes_on_where_the_generator_stands(learner, probe):
    rng, sizes = generator(learner), (3, 7, 2)
    got = [*weights_of(make(learner, sizes, generator=rng)), *weights_of(make(learner, sizes, generator=rng))]
    made = torch.Generator().manual_seed(SEED)
    drawn = [torch.randn(shape, generator=made) for shape in ((7, 3), (2, 7), (7, 3), (2, 7))]
    expected = [math.sqrt(2.0 / weight.shape[1]) * weight for weight in drawn]
    assert_close(got, expected, name="the weights of two networks")


@pytest.mark.stage("robust")
def test_deep_mlp_without_a_generator_draws_from_that_of_torch(learner, probe):
    learner.library("torch").manual_seed(SEED)
    first, second, third = (weights_of(make(learner, (160, 250), gain=0.7))[0] for _ in range(3))
    assert abs(rms(first).item() / (0.7 / math.sqrt(160)) - 1.0) < 0.06, "the weights have the size that was asked for"
    for one, other in ((first, second), (second, third), (first, third)):
        assert (one != other).float().mean() > 0.99, "no two networks begin alike"
    learner.library("torch").manual_seed(SEED)
    assert_close(weights_of(make(learner, (160, 250), gain=0.7))[0], first, name="the weights after the same seed")


@pytest.mark.stage("robust")
@pytest.mark.task("DeepMLP")
def test_deep_mlp_may_be_very_deep(learner, probe):
    sizes = (5, *([3, 4] * 12), 2)
    model, state = loaded(learner, probe, sizes, "sin")
    x = probe.tensor("N 5")
    assert_close(model(x), by_hand(state, x, torch.sin))


@pytest.mark.stage("robust")
@pytest.mark.task("DeepMLP")
def test_deep_mlp_of_equal_widths_has_layers_of_their_own(learner, probe):
    sizes, d = (4,) * 5, 4
    model, state = loaded(learner, probe, sizes, "sin")
    x = probe.tensor("N", d)
    assert_close(model(x), by_hand(state, x, torch.sin))


@pytest.mark.stage("robust")
@pytest.mark.task("DeepMLP")
def test_deep_mlp_of_widths_of_one_and_of_one_row(learner, probe):
    for sizes in ((1, 3), (3, 1), (1, 1, 1), (3, 1, 2)):
        model, state = loaded(learner, probe, sizes)
        x = probe.tensor(1, sizes[0])
        assert_close(model(x), by_hand(state, x, torch.tanh))


@pytest.mark.stage("robust")
@pytest.mark.task("DeepMLP")
def test_deep_mlp_computes_in_float64_where_it_was_made_so(learner, probe):
    model, state = loaded(learner, probe, (3, 7, 5, 2))
    model.double()
    x = probe.tensor("N 3", dtype=torch.float64)
    assert_close(model(x), by_hand({name: value.double() for name, value in state.items()}, x, torch.tanh))


@pytest.mark.stage("robust")
def test_deep_mlp_refuses_fewer_than_two_sizes(learner):
    for sizes in ([], [3]):
        with pytest.raises(ValueError):
            learner.DeepMLP(sizes, learner.library("torch").tanh)


# layer_gradient_norms, mostly of networks that torch makes, so that it is judged by itself.


def sequential(module, sizes):
    """A network with tanh that torch makes, where the learner's code runs."""
    nn, layers = module.library("torch").nn, []
    for fan_in, fan_out in pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out), nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def case(module, probe, sizes, dtype=torch.float32):
    """A network with random parameters, its parameters, rows and targets."""
    model = sequential(module, sizes)
    shapes = layout(sizes, prefix="", step=2)  # an activation has a number, too
    state = {name: value.to(dtype) for name, value in random_state(probe, shapes).items()}
    model.to(dtype).load_state_dict(state)
    x, targets = probe.tensor("N", sizes[0], dtype=dtype), torch.from_numpy(probe.integers("N", high=sizes[-1]))
    return model, state, x, targets


def norms_by_hand(state, x, targets):
    """Backpropagation of the mean cross-entropy through linear layers and tanh, written out in float64."""
    values = [value.double().numpy() for value in state.values()]
    pairs, hs = list(zip(values[::2], values[1::2], strict=True)), [x.double().numpy()]
    for weight, bias in pairs[:-1]:
        hs.append(np.tanh(hs[-1] @ weight.T + bias))  # (N, M)
    logits = hs[-1] @ pairs[-1][0].T + pairs[-1][1]  # (N, C)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)  # (N, C)
    g, norms = (p - np.eye(p.shape[1])[targets.numpy()]) / len(p), []  # (N, C)
    for (weight, _), h in zip(reversed(pairs), reversed(hs), strict=True):
        norms.append(float(np.sqrt(((g.T @ h) ** 2).sum())))
        g = (g @ weight) * (1.0 - h**2)  # (N, M)
    return norms[::-1]


def assert_norms(got, expected, **options):
    """Numbers of the model's precision that came through Python's floats."""
    dtype = options.get("dtype", torch.float32)
    assert isinstance(got, list | tuple) and len(got) == len(expected), f"{len(expected)} norms, one for each weight"
    assert all(isinstance(norm, float) for norm in got), "every norm is a float"
    assert_close(torch.tensor(got, dtype=dtype), torch.tensor(expected, dtype=dtype), name="the norms")


def gradients_kept(module, model, names):
    """What the parameters hold as their `.grad`."""
    return [module.library("operator").attrgetter(f"{name}.grad")(model) for name in names]


def collect_gradients(module, model, x, targets):
    """What a training loop does: loss(model(x)).backward(), where the learner's code runs."""
    python, nn = module.library("builtins"), module.library("torch").nn
    loss = module.library("functools").partial(nn.functional.cross_entropy, target=targets)
    backward = module.library("operator").methodcaller("backward")
    python.list(python.map(backward, python.map(loss, python.map(model, [x]))))


@pytest.mark.stage("shape")
def test_layer_gradient_norms_returns_a_float_for_every_weight(learner, probe):
    for sizes in DEPTHS:
        model, _, x, targets = case(learner, probe, sizes)
        norms = learner.layer_gradient_norms(model, x, targets)
        assert isinstance(norms, list), "it returns a list"
        assert len(norms) == len(sizes) - 1, "it has a number for every weight, and none for the biases"
        assert all(isinstance(norm, float) for norm in norms), "every norm is a float"


def test_layer_gradient_norms_of_one_layer(learner, probe):
    model, state, x, targets = case(learner, probe, (3, 5))
    model.load_state_dict(state | {"0.weight": torch.zeros(5, 3)})  # then the gradient is proportional to x
    p = torch.softmax(state["0.bias"], dim=0)  # (C,)
    norm = ((p - torch.eye(5)[targets]).T @ x / len(x)).pow(2).sum().sqrt().item()
    expected = probe.scalar(3.0, 9.0)
    assert_norms(learner.layer_gradient_norms(model, expected / norm * x, targets), [expected])


def test_layer_gradient_norms_begin_at_the_input(learner, probe):
    model, state, x, targets = case(learner, probe, (3, 7, 2))
    model.load_state_dict(state | {"2.weight": torch.zeros(2, 7)})  # nothing passes through the last layer
    first, last = learner.layer_gradient_norms(model, x, targets)
    assert first == 0.0, "no gradient reaches the first layer"
    assert last > 1e-4, "one reaches the last layer"


def test_layer_gradient_norms_are_those_of_a_mean_over_rows(learner, probe):
    model, _, x, targets = case(learner, probe, (3, 7, 5, 2))
    once = learner.layer_gradient_norms(model, x, targets)
    assert_norms(learner.layer_gradient_norms(model, torch.cat([x, x, x]), torch.cat([targets] * 3)), once)


def test_layer_gradient_norms_leave_no_gradients_behind(learner, probe):
    model, state, x, targets = case(learner, probe, (3, 7, 5, 2))
    learner.layer_gradient_norms(model, x, targets)
    assert gradients_kept(learner, model, state) == [None] * len(state), "every .grad is None, as it was"


def test_layer_gradient_norms_leave_the_gradients_that_are_being_collected(learner, probe):
    model, state, x, targets = case(learner, probe, (3, 7, 5, 2))
    expected = learner.layer_gradient_norms(model, x, targets)
    other, other_targets = probe.tensor("N 3"), torch.from_numpy(probe.integers("N", high=2))
    collect_gradients(learner, model, other, other_targets)
    before = gradients_kept(learner, model, state)
    assert_norms(learner.layer_gradient_norms(model, x, targets), expected)
    assert_close(gradients_kept(learner, model, state), before, name="the .grads of all parameters")


def test_layer_gradient_norms_leave_the_parameters_alone(learner, probe):
    model, state, x, targets = case(learner, probe, (3, 7, 5, 2))
    before = learner.layer_gradient_norms(model, x, targets)
    assert_close(dict(model.state_dict()), state, name="the parameters afterwards")
    learning = [learner.library("operator").attrgetter(f"{name}.requires_grad")(model) for name in state]
    assert learning == [True] * len(state), "every parameter still takes a gradient afterwards"
    assert_norms(learner.layer_gradient_norms(model, x, targets), before)


def test_layer_gradient_norms_leave_the_model_in_the_mode_it_is_in(learner, probe):
    model, _, x, targets = case(learner, probe, (3, 7, 2))
    for training in (True, False):
        model.train(training)
        learner.layer_gradient_norms(model, x, targets)
        assert model.training is training, "a model in training stays in training, one in evaluation in evaluation"


def test_layer_gradient_norms_draw_no_random_numbers(learner, probe):
    model, _, x, targets = case(learner, probe, (3, 7, 2))
    library = learner.library("torch")
    library.manual_seed(SEED)
    learner.layer_gradient_norms(model, x, targets)
    expected = torch.rand(3, generator=torch.Generator().manual_seed(SEED))
    assert_close(library.rand(3), expected, name="what torch's global generator gives next")


@pytest.mark.stage("robust")
def test_layer_gradient_norms_of_many_rows(learner, probe):
    model, state, _, _ = case(learner, probe, (3, 7, 2))
    x, targets = probe.tensor(150, 3), torch.from_numpy(probe.integers(150, high=2))
    assert_norms(learner.layer_gradient_norms(model, x, targets), norms_by_hand(state, x, targets))


@pytest.mark.stage("whole")
def test_layer_gradient_norms_equal_the_reference(learner, reference, probe):
    for sizes in DEPTHS:
        model, state, x, targets = case(learner, probe, sizes)
        other = sequential(reference, sizes)
        other.load_state_dict(state)
        expected = reference.layer_gradient_norms(other, x, targets)
        assert_norms(learner.layer_gradient_norms(model, x, targets), expected)


@pytest.mark.stage("whole")
def test_layer_gradient_norms_agree_with_backpropagation_by_hand(learner, probe):
    for sizes in DEPTHS:
        model, state, x, targets = case(learner, probe, sizes)
        assert_norms(learner.layer_gradient_norms(model, x, targets), norms_by_hand(state, x, targets))


@pytest.mark.stage("whole")
def test_layer_gradient_norms_agree_with_finite_differences(learner, probe):
    model, state, x, targets = case(learner, probe, (2, 3, 2), torch.float64)

    def loss(*values):
        logits = by_hand(dict(zip(state, values, strict=True)), x, torch.tanh)
        return torch.nn.functional.cross_entropy(logits, targets)

    slopes = numerical_vjp(loss, list(state.values()))
    norms = learner.layer_gradient_norms(model, x, targets)
    expected = [float(np.sqrt((slope**2).sum())) for slope in slopes if slope.ndim == 2]
    # Slopes measured in float64 are good to some ten digits, more than float32 has.
    assert_norms(norms, expected)


@pytest.mark.stage("whole")
@pytest.mark.task("layer_gradient_norms")
def test_layer_gradient_norms_of_your_deep_mlp(learner, probe):
    for sizes in DEPTHS:
        model, state = loaded(learner, probe, sizes)
        x, targets = probe.tensor("N", sizes[0]), torch.from_numpy(probe.integers("N", high=sizes[-1]))
        assert_norms(learner.layer_gradient_norms(model, x, targets), norms_by_hand(state, x, targets))


@pytest.mark.stage("robust")
def test_layer_gradient_norms_skip_whatever_has_one_axis(learner, reference, probe):
    got = []
    state, x, targets = {}, probe.tensor("N 3"), torch.from_numpy(probe.integers("N", high=2))
    for module in (learner, reference):
        nn = module.library("torch").nn
        model = nn.Sequential(nn.Linear(3, 7, bias=False), nn.LayerNorm(7), nn.Tanh(), nn.Linear(7, 2))
        state = state or random_state(probe, {name: tuple(v.shape) for name, v in model.state_dict().items()})
        model.load_state_dict(state)
        got.append(module.layer_gradient_norms(model, x, targets))
    assert_norms(*got)


@pytest.mark.stage("robust")
def test_layer_gradient_norms_of_weights_that_lie_in_no_linear_layer(learner, reference, probe):
    got, state, x = [], random_state(probe, {"weight": (5, 3), "bias": (5,)}), probe.tensor("N 3")
    targets = torch.from_numpy(probe.integers("N", high=5))
    for module in (learner, reference):
        model = module.library("torch").nn.RNNCell(3, 5)  # tanh(x · wᵀ + b), and a second matrix that multiplies zeros
        zeros = {"weight_hh": torch.zeros(5, 5), "bias_hh": torch.zeros(5)}
        model.load_state_dict({"weight_ih": state["weight"], "bias_ih": state["bias"]} | zeros)
        got.append(module.layer_gradient_norms(model, x, targets))
    assert_norms(*got)


@pytest.mark.stage("robust")
def test_layer_gradient_norms_of_a_float64_model(learner, probe):
    model, state, x, targets = case(learner, probe, (3, 7, 5, 2), torch.float64)
    norms = learner.layer_gradient_norms(model, x, targets)
    assert_norms(norms, norms_by_hand(state, x, targets), dtype=torch.float64)


@pytest.mark.stage("robust")
def test_layer_gradient_norms_of_one_row_and_of_one_class(learner, probe):
    model, state, x, targets = case(learner, probe, (3, 7, 2))
    alone = learner.layer_gradient_norms(model, x[:1].clone(), targets[:1].clone())
    assert_norms(alone, norms_by_hand(state, x[:1], targets[:1]))
    model, _, x, targets = case(learner, probe, (3, 7, 1))
    assert_norms(learner.layer_gradient_norms(model, x, targets), [0.0, 0.0])


@pytest.mark.stage("robust")
def test_layer_gradient_norms_of_a_gradient_that_vanishes(learner, probe):
    sizes = (3, *([5] * 8), 2)
    model, state, x, targets = case(learner, probe, sizes)
    small = {name: 0.1 * value if value.ndim == 2 else value for name, value in state.items()}
    model.load_state_dict(small)
    expected = norms_by_hand(small, x, targets)
    got = learner.layer_gradient_norms(model, x, targets)
    ratios = torch.tensor(got, dtype=torch.float64) / torch.tensor(expected, dtype=torch.float64)
    assert_close(ratios.float(), torch.ones(len(expected)), name="the norms, as shares of what they should be")


# diagnose_gradients


def ordinary(probe, count=4):
    """Norms that are neither small nor large."""
    return (10.0 ** probe.uniform(count, -1.5, 1.5)).tolist()


def everywhere(norm, others):
    """The list of the other norms with this one at its beginning, at its end and in between."""
    return [[*others[:place], norm, *others[place:]] for place in (0, 2, len(others))]


def verdicts(learner, cases, **thresholds):
    """All answers, before any of them is judged: what several slips answer alike in one case they do not in all."""
    return [learner.diagnose_gradients(norms, **thresholds) for norms in cases]


@pytest.mark.stage("shape")
def test_diagnose_gradients_answers_with_one_of_three_words(learner, probe):
    for norm in (1e-5, 0.7, 1e5):
        found = learner.diagnose_gradients([norm, *ordinary(probe)])
        assert found in ("vanishing", "exploding", "healthy"), "the answer is vanishing, exploding or healthy"


def test_diagnose_gradients_calls_ordinary_norms_healthy(learner, probe):
    assert learner.diagnose_gradients(ordinary(probe)) == "healthy"


def test_diagnose_gradients_sees_one_vanish_in_any_layer(learner, probe):
    cases = [norms for norm in (1e-9, 1e-4, 9.5e-4) for norms in everywhere(norm, ordinary(probe))]
    cases += everywhere(2e-3, [1e-4, 1e-5, 1e-4, 1e-6]) + everywhere(1e-5, ordinary(probe, 30))
    assert verdicts(learner, cases) == ["vanishing"] * len(cases)


def test_diagnose_gradients_sees_one_explode_in_any_layer(learner, probe):
    cases = [norms for norm in (1050.0, 1e4, 1e9) for norms in everywhere(norm, ordinary(probe))]
    assert verdicts(learner, cases) == ["exploding"] * len(cases)


def test_diagnose_gradients_sees_all_vanish_or_explode_together(learner, probe):
    norms = np.array(ordinary(probe))
    assert learner.diagnose_gradients((1e-6 * norms).tolist()) == "vanishing"
    assert learner.diagnose_gradients((1e6 * norms).tolist()) == "exploding"


def test_diagnose_gradients_has_thresholds_of_a_thousandth_and_a_thousand(learner, probe):
    for norm, expected in ((9.5e-4, "vanishing"), (1.05e-3, "healthy"), (950.0, "healthy"), (1050.0, "exploding")):
        assert verdicts(learner, everywhere(norm, ordinary(probe))) == [expected] * 3


def test_diagnose_gradients_takes_other_thresholds(learner, probe):
    low, high = probe.scalar(1e-6, 1e-5), probe.scalar(1e5, 1e6)
    for norm, expected in ((0.9 * low, "vanishing"), (1.1 * low, "healthy"), (0.9 * high, "healthy")):
        assert learner.diagnose_gradients([*ordinary(probe), norm], low=low, high=high) == expected
    assert learner.diagnose_gradients([1.1 * high, *ordinary(probe)], low, high) == "exploding"
    assert learner.diagnose_gradients([0.04, 0.5, 3.0], low=0.06) == "vanishing"
    assert learner.diagnose_gradients([0.04, 0.5, 30.0], high=25.0) == "exploding"


def test_diagnose_gradients_looks_at_sizes_and_not_at_ratios(learner):
    assert learner.diagnose_gradients([2e-3, 1.0, 500.0]) == "healthy"
    assert learner.diagnose_gradients([500.0, 1.0, 2e-3]) == "healthy"


@pytest.mark.stage("whole")
def test_diagnose_gradients_equals_the_reference(learner, reference, probe):
    cases = (10.0 ** probe.uniform((25, 4), -4.0, 4.0)).tolist()
    assert verdicts(learner, cases) == verdicts(reference, cases)
    assert verdicts(learner, cases, low=0.03, high=60.0) == verdicts(reference, cases, low=0.03, high=60.0)


@pytest.mark.stage("whole")
def test_diagnose_gradients_does_not_care_for_the_order_of_the_layers(learner, probe):
    for norm, expected in ((1e-5, "vanishing"), (1e5, "exploding"), (1.0, "healthy")):
        norms = [norm, *ordinary(probe)]
        assert learner.diagnose_gradients(norms) == learner.diagnose_gradients(norms[::-1]) == expected


@pytest.mark.stage("robust")
def test_diagnose_gradients_counts_a_norm_at_a_threshold_as_beyond_it(learner):
    vanishing, exploding = [[0.25, 0.7, 1.0], [0.7, 0.2, 1.0]], [[1.0, 8.0, 0.7], [1.0, 9.0, 0.7]]
    found = verdicts(learner, [*vanishing, *exploding], low=0.25, high=8.0)
    assert found == ["vanishing", "vanishing", "exploding", "exploding"]


@pytest.mark.stage("robust")
def test_diagnose_gradients_calls_them_exploding_where_some_vanish_as_well(learner):
    cases = [[1e-9, 0.5, 1e9], [1e9, 0.5, 0.0], [0.5, 1e9, 1.0]]
    assert verdicts(learner, cases) == ["exploding"] * 3


@pytest.mark.stage("robust")
def test_diagnose_gradients_calls_what_is_not_finite_exploding(learner):
    for wrong in (math.inf, math.nan):
        cases = [wrong, 1.0, 1.0], [1.0, wrong, 1.0], [1.0, 1.0, wrong], [0.0, wrong], [wrong, 0.0], [wrong]
        assert verdicts(learner, cases) == ["exploding"] * len(cases)
        assert verdicts(learner, cases, high=math.inf) == ["exploding"] * len(cases)


@pytest.mark.stage("robust")
def test_diagnose_gradients_calls_norms_of_zero_vanishing(learner):
    cases = [0.0, 0.5, 1.0], [1.0, 0.0, 0.5], [0.0, 0.0], [0.0]
    assert verdicts(learner, cases) == ["vanishing"] * len(cases)
    assert verdicts(learner, cases, low=0.0) == ["vanishing"] * len(cases)


@pytest.mark.stage("robust")
def test_diagnose_gradients_of_a_single_layer(learner, probe):
    for norm, expected in ((1e-4, "vanishing"), (probe.scalar(0.3, 3.0), "healthy"), (1e4, "exploding")):
        assert learner.diagnose_gradients([norm]) == expected


@pytest.mark.stage("robust")
def test_diagnose_gradients_of_nothing_is_an_error(learner):
    with pytest.raises(ValueError):
        learner.diagnose_gradients([])
