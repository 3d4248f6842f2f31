"""Hidden checks of freezing, new heads, learning rates by layer, gradual unfreezing and feature extraction.

Networks are built where the learner's code is, layer by layer, and read back as plain data: parameters, modes, outputs.
"""

import math

import pytest
import torch

from autograder.testing import assert_close, assert_shape, there

NAMES = ("stem", "body", "head")


def seeded(module):
    """The torch of a submission, drawing the same weights each time: so a mistake made with them can be recognised."""
    library = module.library("torch")
    library.manual_seed(5)
    return library


def network(torch_, bias=True):
    """Rows of 5 numbers to 4 logits, with batch normalisation, an activation in place and dropout on the way."""
    nn, model = torch_.nn, torch_.nn.Sequential()
    model.add_module("stem", nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.ReLU(inplace=True)))
    model.add_module("body", nn.Sequential(nn.Linear(7, 6), nn.ReLU(inplace=True), nn.Dropout(0.5)))
    model.add_module("head", nn.Linear(6, 4, bias=bias))
    return model


def trained(module, probe):
    """A network beside the submission, with weights and statistics that no initialisation would give, and these."""
    model, state = network(seeded(module)), {}
    for name, value in network(torch).state_dict().items():
        state[name] = torch.tensor(3) if value.ndim == 0 else probe.tensor(*value.shape)
    state["stem.1.running_var"] = state["stem.1.running_var"].abs() + 0.2
    model.load_state_dict(state)
    return model, state


def twin(state):
    """The same network in this process."""
    model = network(torch)
    model.load_state_dict(state)
    return model


def set_gradients(module, model, probe):
    """Give every parameter that wants one a gradient; returns them by name."""
    grads = {name: probe.tensor(*value.shape) for name, value in network(torch).named_parameters()}
    wanting = [name for name, value in zip(grads, model.parameters(), strict=True) if value.requires_grad]
    open_ones = module.library("builtins").filter(
        module.library("operator").attrgetter("requires_grad"), model.parameters()
    )
    module.library("torch").autograd.backward(open_ones, [grads[name] for name in wanting])
    return grads


def gradient(module, layer, name):
    return module.library("operator").attrgetter(f"{name}.grad")(layer)


def wanted(model):
    """Which parameters require gradients, by name."""
    names = [name for name, _ in network(torch).named_parameters()]
    return {name: value.requires_grad for name, value in zip(names, model.parameters(), strict=True)}


def modes(model):
    """Which layers are in training mode, by name."""
    names = [name for name, _ in network(torch).named_modules()]
    return {name: model.get_submodule(name).training for name in names}


def hooks(module, layer):
    """How many forward hooks a layer has. Their numbers are never the same, so they stay where they are."""
    return module.library("operator").attrgetter("_forward_hooks.__len__")(layer)()


def layers_of(model):
    return [model.get_submodule(name) for name in NAMES]


def a_seed(probe):
    return int(probe.integers(1, high=2**31)[0])


def generator(module, seed):
    """A torch.Generator that lives where `module` does."""
    made = module.library("torch").Generator()
    made.manual_seed(seed)
    return made


# freeze


@pytest.mark.stage("shape")
def test_freeze_returns_nothing_and_keeps_every_value(learner, probe):
    model, state = trained(learner, probe)
    assert learner.freeze(model) is None, "it changes the layer in place and returns None"
    assert_close(model.state_dict(), state)


def test_freeze_stops_gradients_of_all_parameters_however_deep(learner, probe):
    model, _ = trained(learner, probe)
    learner.freeze(model)
    assert not any(wanted(model).values()), "no parameter requires a gradient"


def test_freeze_of_one_layer_leaves_the_others_as_they_were(learner, probe):
    model, _ = trained(learner, probe)
    model.train()
    learner.freeze(model.get_submodule("stem"))
    open_ones, training = wanted(model), modes(model)
    assert {name for name, open_ in open_ones.items() if not open_} == {n for n in open_ones if n.startswith("stem")}
    assert all(training[name] for name in ("body", "body.2", "head")), "the other layers stay in training mode"


def test_freeze_forgets_gradients_of_earlier_steps(learner, probe):
    model, _ = trained(learner, probe)
    set_gradients(learner, model, probe)
    model.get_submodule("stem").requires_grad_(False)  # which leaves the gradients where they are
    learner.freeze(model)
    open_ones = wanted(model)
    for name in ("body.0", "head", "stem.0", "stem.1"):
        for part in ("weight", "bias"):
            assert gradient(learner, model.get_submodule(name), part) is None, f"the gradient of {name}.{part} is None"
    assert not any(open_ones.values()), "and no parameter will get another one"


def test_freeze_reaches_layers_inside_layers_inside_layers(learner):
    nn = seeded(learner).nn
    attention = nn.MultiheadAttention(4, 2)  # it has parameters of its own, and a layer that has some, too
    inner = nn.Sequential(nn.Sequential(attention, nn.Sequential(nn.Linear(4, 3))))
    model = nn.Sequential(nn.Linear(4, 4), inner)
    learner.freeze(model)
    open_ones = [name for name, value in model.named_parameters() if value.requires_grad]
    training = [name for name, layer in model.named_modules() if layer.training]
    assert open_ones == [], f"these parameters still require gradients: {open_ones}"
    assert training == [], f"these layers are still in training mode: {training}"


def test_freeze_puts_every_layer_inside_into_evaluation_mode(learner, probe):
    model, _ = trained(learner, probe)
    model.train()
    learner.freeze(model)
    training = [name for name, mode in modes(model).items() if mode]
    assert training == [], f"layers still in training mode: {training}"


def test_freeze_keeps_an_optimizer_from_moving_the_layer(learner, probe):
    model, state = trained(learner, probe)
    options = {"lr": 0.2, "momentum": 0.9, "weight_decay": 0.1}
    optimizer = learner.library("torch").optim.SGD(model.parameters(), **options)
    set_gradients(learner, model, probe)
    optimizer.step()
    before = model.state_dict()
    learner.freeze(model.get_submodule("stem"))
    optimizer.step()
    after = model.state_dict()
    frozen = [name for name in state if name.startswith("stem")]
    assert_close(
        {name: after[name] for name in frozen}, {name: before[name] for name in frozen}, name="the frozen layer"
    )
    assert (after["head.weight"] != before["head.weight"]).any(), "layers that are not frozen go on learning"


def test_freeze_keeps_the_statistics_of_batch_normalisation(learner, probe):
    model, state = trained(learner, probe)
    model.train()
    learner.freeze(model.get_submodule("stem"))
    x = probe.tensor(9, 5)
    got = model.get_submodule("stem")(x)
    assert_close(model.state_dict(), state, name="the state")
    assert_close(got, twin(state).eval().stem(x), name="the output of the frozen layer")


def test_freeze_lets_gradients_pass_to_the_layers_below(learner, probe):
    model, state = trained(learner, probe)
    model.eval()
    learner.freeze(model.get_submodule("head"))
    x, cotangent = probe.tensor(9, 5), probe.tensor(9, 4)
    _, grads = learner.parameter_gradients(model, [x], cotangent)
    same = twin(state).eval()
    (same(x) * cotangent).sum().backward()
    expected = {name: value.grad for name, value in same.named_parameters() if not name.startswith("head")}
    assert_close(grads, expected)


@pytest.mark.stage("whole")
def test_freeze_leaves_a_layer_that_can_be_opened_again(learner, probe):
    model, state = trained(learner, probe)
    stem, same = model.get_submodule("stem"), twin(state).train().stem
    learner.freeze(model)
    model.train()
    model.requires_grad_(True)
    x = probe.tensor(9, 5)
    assert_close(stem(x), same(x), name="the output of the layer, in training mode again")
    assert_close(stem.state_dict(), same.state_dict(), name="its state, with what batch normalisation has averaged")


@pytest.mark.stage("whole")
def test_freeze_again_after_training_mode_was_switched_on(learner, probe):
    model, _ = trained(learner, probe)
    for _ in range(2):
        model.train()
        learner.freeze(model.get_submodule("stem"))
        frozen = [name for name, mode in modes(model).items() if not mode]
        assert frozen == ["stem", "stem.0", "stem.1", "stem.2"], f"in evaluation mode are {frozen}"
        still_open = [name for name, open_ in wanted(model).items() if open_ and name.startswith("stem")]
        assert still_open == [], f"parameters that require gradients: {still_open}"


# replace_head


@pytest.mark.stage("shape")
def test_replace_head_returns_a_linear_layer_for_the_new_classes(learner, probe):
    model, _ = trained(learner, probe)
    head = learner.replace_head(model, "head", 9, generator(learner, 1))
    assert_shape(head.weight, (9, 6), torch.float32, name="the weight")
    assert_shape(head.bias, (9,), torch.float32, name="the bias")
    assert (head.in_features, head.out_features) == (6, 9), "the layer takes 6 features and gives 9 classes"


def test_replace_head_puts_the_layer_that_it_returns_into_the_network(learner, probe):
    model, _ = trained(learner, probe)
    old = model.get_submodule("head")
    head = learner.replace_head(model, "head", 3, generator(learner, 1))
    placed = model.get_submodule("head")
    assert_close(placed.weight, head.weight, name="the weight of model.head")
    assert learner.library("operator").is_(placed, head), "what is returned is the layer in the network, not a copy"
    assert not learner.library("operator").is_(placed, old), "it is a new layer, not the old one with other weights"


def test_replace_head_gives_the_network_as_many_outputs_as_classes(learner, probe):
    model, state = trained(learner, probe)
    head = learner.replace_head(model, "head", 3, generator(learner, a_seed(probe)))
    model.eval()
    x = probe.tensor(8, 5)
    same = twin(state).eval()
    assert_close(model(x), same.body(same.stem(x)) @ head.weight.detach().T + head.bias.detach())


def test_replace_head_changes_nothing_else(learner, probe):
    model, state = trained(learner, probe)
    model.train()
    model.get_submodule("stem").eval()
    learner.replace_head(model, "head", 3, generator(learner, 1))
    rest = {name: value for name, value in state.items() if not name.startswith("head")}
    now = model.state_dict()
    assert_close({name: now[name] for name in rest}, rest, name="the other layers")
    assert list(now) == list(state), "the names of the parameters, and their order, stay as they were"
    assert not model.get_submodule("stem").training and model.get_submodule("body").training, "modes stay as they were"
    assert all(wanted(model).values()), "which parameters require gradients stays as it was"


def test_replace_head_finds_a_layer_inside_other_layers(learner, probe):
    model, state = trained(learner, probe)
    learner.replace_head(model, "body.0", 2, generator(learner, 1))
    assert len(list(model.children())) == 3, "the network itself has got no other layer"
    assert_shape(model.get_submodule("body.0").weight, (2, 7), name="the weight of body.0")
    assert_close(model.state_dict()["head.weight"], state["head.weight"], name="head.weight")


def test_replace_head_finds_a_layer_however_deep(learner):
    nn = seeded(learner).nn
    model = nn.Sequential(nn.Sequential(nn.Linear(3, 5), nn.Sequential(nn.ReLU(), nn.Linear(5, 4))))
    head = learner.replace_head(model, "0.1.1", 2, generator(learner, 1))
    sizes = [len(list(each.children())) for each in (model, model[0], model[0][1])]
    assert sizes == [1, 2, 2], "no part of the network has got another layer"
    assert learner.library("operator").is_(model[0][1][1], head), "the layer called 0.1.1 is the one that is returned"


def test_replace_head_puts_the_layer_where_the_old_one_stood(learner, probe):
    model, state = trained(learner, probe)
    layer = learner.replace_head(model, "body.0", 6, generator(learner, 1))
    model.eval()
    same, x = twin(state).eval(), probe.tensor(8, 5)
    same.body[0].load_state_dict({"weight": layer.weight.detach(), "bias": layer.bias.detach()})
    assert_close(model(x), same(x).detach(), name="the logits, with another layer in front of an activation")


def test_replace_head_draws_weight_and_bias_from_the_generator(learner, probe):
    model, _ = trained(learner, probe)
    seed = a_seed(probe)
    head = learner.replace_head(model, "head", 11, generator(learner, seed))
    draws, radius = torch.Generator().manual_seed(seed), 1 / math.sqrt(6)
    weight = torch.empty(11, 6).uniform_(-radius, radius, generator=draws)
    bias = torch.empty(11).uniform_(-radius, radius, generator=draws)
    assert_close(head.weight.detach(), weight, name="the weight")
    assert_close(head.bias.detach(), bias, name="the bias")


def test_replace_head_can_learn_where_all_else_is_frozen(learner, probe):
    model, _ = trained(learner, probe)
    model.requires_grad_(False)
    learner.replace_head(model, "head", 3, generator(learner, 1))
    assert [name for name, open_ in wanted(model).items() if open_] == ["head.weight", "head.bias"]


def test_replace_head_has_a_bias_only_if_the_old_one_had(learner, probe):
    model = network(seeded(learner), bias=False)
    rng, seed = learner.library("torch").Generator(), a_seed(probe)
    rng.manual_seed(seed)
    head = learner.replace_head(model, "head", 3, rng)
    assert head.bias is None, "the old head has no bias, so the new one has none"
    assert "head.bias" not in model.state_dict(), "the old head has no bias, so the new one has none"
    again = learner.replace_head(model, "head", 3, rng)
    draws, radius = torch.Generator().manual_seed(seed), 1 / math.sqrt(6)
    expected = [torch.empty(3, 6).uniform_(-radius, radius, generator=draws) for _ in range(2)]
    assert_close([head.weight.detach(), again.weight.detach()], expected, name="two weights, drawn one after the other")


@pytest.mark.stage("whole")
def test_replace_head_equals_the_reference(learner, reference, probe):
    model, state = trained(learner, probe)
    same, _ = trained(reference, probe)
    same.load_state_dict(state)
    seed = a_seed(probe)
    learner.replace_head(model, "head", 5, generator(learner, seed))
    reference.replace_head(same, "head", 5, generator(reference, seed))
    assert_close(model.state_dict(), same.state_dict())


@pytest.mark.stage("robust")
def test_replace_head_keeps_the_dtype_of_the_network(learner, probe):
    model, _ = trained(learner, probe)
    model.double()
    seed = a_seed(probe)
    head = learner.replace_head(model, "head", 3, generator(learner, seed))
    assert_shape(head.weight, (3, 6), torch.float64, name="the weight")
    assert_shape(head.bias, (3,), torch.float64, name="the bias")
    draws, radius = torch.Generator().manual_seed(seed), 1 / math.sqrt(6)
    weight = torch.empty(3, 6, dtype=torch.float64).uniform_(-radius, radius, generator=draws)
    assert_close(head.weight.detach(), weight, name="the weight, drawn in float64")


@pytest.mark.stage("robust")
def test_replace_head_refuses_layers_that_are_not_linear(learner, probe):
    model, _ = trained(learner, probe)
    model.get_submodule("body.2").in_features = 6  # as some layers have it that are not linear
    for name in ("stem", "stem.1", "body.1", "body.2"):
        with pytest.raises(TypeError):
            learner.replace_head(model, name, 3, generator(learner, 1))


# parameter_groups


def stack(module, sizes=(5, 7, 6, 4)):
    """Linear layers with random weights, and a network of them."""
    nn = seeded(module).nn
    layers = [nn.Linear(d, m) for d, m in zip(sizes, sizes[1:], strict=False)]
    return layers, nn.Sequential(*layers)


def values(group):
    return [value.detach() for value in group["params"]]


def own(layer):
    return [value.detach() for value in layer.parameters()]


@pytest.mark.stage("shape")
def test_parameter_groups_returns_a_dict_for_every_layer(learner):
    layers, _ = stack(learner)
    groups = learner.parameter_groups(layers, 0.5)
    assert isinstance(groups, list) and len(groups) == 3, "a list of three groups"
    for group, layer in zip(groups, layers, strict=True):
        assert isinstance(group, dict) and {"params", "lr"} <= group.keys(), "a group has params and lr"
        assert isinstance(group["params"], list | tuple), "params is a list"
        assert_close(values(group), own(layer), name="the parameters of a group")


def test_parameter_groups_divides_the_rate_from_layer_to_layer(learner, probe):
    layers, _ = stack(learner, (2, 3, 4, 3, 2))
    for decay in (probe.scalar(1.5, 4.0), probe.scalar(20.0, 40.0)):
        lr = probe.scalar(0.01, 0.9)
        rates = [group["lr"] * decay**i for i, group in enumerate(learner.parameter_groups(layers, lr, decay)[::-1])]
        assert_close(rates, [lr] * 4, name="the learning rates, each times what it was to be divided by")


def test_parameter_groups_divides_by_two_point_six_unless_told(learner):
    layers, _ = stack(learner)
    rates = [group["lr"] for group in learner.parameter_groups(layers, 0.676)]
    assert_close(rates, [0.1, 0.26, 0.676], name="the learning rates")


def test_parameter_groups_with_a_decay_of_one_gives_all_the_same_rate(learner):
    layers, _ = stack(learner)
    assert_close([group["lr"] for group in learner.parameter_groups(layers, 0.3, decay=1.0)], [0.3] * 3)


def test_parameter_groups_leaves_frozen_parameters_out(learner):
    layers, _ = stack(learner)
    layers[0].requires_grad_(False)
    last_bias = learner.library("itertools").islice(layers[2].parameters(), 1, 2)
    fix = learner.library("operator").methodcaller("requires_grad_", False)
    assert len(list(learner.library("builtins").map(fix, last_bias))) == 1
    groups = learner.parameter_groups(layers, 0.4, decay=4.0)
    assert_close([group["lr"] for group in groups], [0.1, 0.4], name="the learning rates")
    assert_close(values(groups[0]), own(layers[1]), name="the parameters of the first group")
    assert_close(values(groups[1]), own(layers[2])[:1], name="the parameters of the last group")


def test_parameter_groups_does_not_count_layers_without_parameters(learner):
    layers, _ = stack(learner)
    nn = learner.library("torch").nn
    mixed = [nn.Flatten(), layers[0], nn.ReLU(), layers[1], nn.Dropout(0.5), nn.ReLU(), layers[2], nn.Softmax(dim=-1)]
    groups = learner.parameter_groups(mixed, 0.8, decay=2.0)
    assert_close([group["lr"] for group in groups], [0.2, 0.4, 0.8], name="the learning rates")
    for group, layer in zip(groups, layers, strict=True):
        assert_close(values(group), own(layer), name="the parameters of a group")


def test_parameter_groups_does_not_count_frozen_layers(learner):
    layers, _ = stack(learner)
    layers[1].requires_grad_(False)
    groups = learner.parameter_groups(layers, 0.8, decay=2.0)
    assert_close([group["lr"] for group in groups], [0.4, 0.8], name="the learning rates")
    assert_close([values(group) for group in groups], [own(layers[0]), own(layers[2])], name="the parameters")


def test_parameter_groups_lists_the_parameters_of_nested_layers(learner, probe):
    model, state = trained(learner, probe)
    stem, *rest = layers_of(model)
    groups = learner.parameter_groups([stem, learner.library("torch").nn.Sequential(*rest)], 0.3, decay=3.0)
    for group, names in zip(groups, ("stem", ("body", "head")), strict=True):
        expected = [state[key] for key in wanted(model) if key.startswith(names)]
        assert_close(values(group), expected, name=f"the parameters of {names}")


@pytest.mark.stage("whole")
def test_parameter_groups_lets_an_optimizer_move_the_network_itself(learner, probe):
    model, state = trained(learner, probe)
    grads, builtins = set_gradients(learner, model, probe), learner.library("builtins")
    made = learner.library("itertools").starmap(learner.parameter_groups, [(layers_of(model), 0.6, 3.0)])
    builtins.next(builtins.map(learner.library("torch").optim.SGD, made)).step()
    rates, now = {"stem": 0.6 / 9.0, "body": 0.2, "head": 0.6}, model.state_dict()
    for name, grad in grads.items():
        assert_close(now[name], state[name] - rates[name.partition(".")[0]] * grad, name=name)


@pytest.mark.stage("whole")
def test_parameter_groups_equals_the_reference(learner, reference, probe):
    model, state = trained(learner, probe)
    same, _ = trained(reference, probe)
    same.load_state_dict(state)
    for each in (model, same):
        each.get_submodule("stem.1").requires_grad_(False)
    got, expected = (
        learner.parameter_groups(layers_of(model), 0.7, 1.7),
        reference.parameter_groups(layers_of(same), 0.7, 1.7),
    )
    for group, other in zip(got, expected, strict=True):
        assert_close(values(group), values(other), name="the parameters of a group")
        assert_close(group["lr"], other["lr"], name="the learning rate of a group")


@pytest.mark.stage("robust")
def test_parameter_groups_lists_a_shared_parameter_once_with_the_last_layer(learner):
    nn = seeded(learner).nn
    shared, first, last = nn.Linear(3, 4), nn.Linear(4, 3), nn.Linear(4, 2)
    layers = [nn.Sequential(shared, first), nn.Sequential(shared, last), nn.Sequential(shared)]
    groups = learner.parameter_groups(layers, 0.9, decay=3.0)
    assert_close([values(group) for group in groups], [own(first), own(last), own(shared)], name="the parameters")
    assert_close([group["lr"] for group in groups], [0.1, 0.3, 0.9], name="the learning rates")


@pytest.mark.stage("robust")
def test_parameter_groups_makes_no_group_of_what_is_all_listed_already(learner):
    nn = seeded(learner).nn
    shared, first, last = nn.Linear(3, 3), nn.Linear(4, 3), nn.Linear(3, 2)
    groups = learner.parameter_groups([first, shared, nn.ReLU(), shared, last], 0.9, decay=3.0)
    assert_close([values(group) for group in groups], [own(first), own(shared), own(last)], name="the parameters")
    assert_close([group["lr"] for group in groups], [0.1, 0.3, 0.9], name="the learning rates")


@pytest.mark.stage("robust")
def test_parameter_groups_takes_equal_values_for_no_shared_parameter(learner):
    layers, _ = stack(learner, (3, 3, 3))
    layers[1].load_state_dict(layers[0].state_dict())
    groups = learner.parameter_groups(layers, 0.1)
    assert [len(group["params"]) for group in groups] == [2, 2], "two layers with a weight and a bias each"


@pytest.mark.stage("robust")
def test_parameter_groups_of_one_network_all_frozen_is_empty(learner):
    layers, model = stack(learner)
    model.requires_grad_(False)
    assert learner.parameter_groups(layers, 0.1) == [], "there is nothing to learn, so there are no groups"


# gradual_unfreeze


def open_layers(layers):
    """For each layer whether all, or none, of its parameters require gradients."""
    return [{value.requires_grad for value in layer.parameters()} for layer in layers]


@pytest.mark.stage("shape")
def test_gradual_unfreeze_returns_how_many_layers_are_open(learner):
    layers, _ = stack(learner)
    counts = [learner.gradual_unfreeze(layers, epoch) for epoch in range(5)]
    at_the_end = open_layers(layers)
    assert counts == [1, 2, 3, 3, 3], f"of three layers 1, 2, 3, 3, 3 are open in epochs 0 to 4, not {counts}"
    assert at_the_end == [{True}] * 3, "in epoch 4 all three are open"


def test_gradual_unfreeze_opens_the_last_layer_in_the_first_epoch(learner):
    layers, _ = stack(learner)
    learner.gradual_unfreeze(layers, 0)
    assert open_layers(layers) == [{False}, {False}, {True}], "only the last layer requires gradients"


def test_gradual_unfreeze_opens_layers_from_the_end_on(learner):
    layers, _ = stack(learner, (2, 3, 4, 3, 2, 3, 2))
    for epoch in range(7):
        learner.gradual_unfreeze(layers, epoch)
        expected = [{i >= 5 - epoch} for i in range(6)]
        assert open_layers(layers) == expected, f"in epoch {epoch} the last {min(6, epoch + 1)} layers are open"


def test_gradual_unfreeze_waits_as_many_epochs_as_told(learner):
    layers, _ = stack(learner)
    counts = [learner.gradual_unfreeze(layers, epoch, every=3) for epoch in range(8)]
    assert counts == [1, 1, 1, 2, 2, 2, 3, 3], f"with every=3 the counts are 1, 1, 1, 2, 2, 2, 3, 3, not {counts}"
    learner.gradual_unfreeze(layers, 4, 3)
    assert open_layers(layers) == [{False}, {True}, {True}], "in epoch 4 with every=3 two layers are open"


def test_gradual_unfreeze_freezes_whatever_was_open_before(learner):
    layers, _ = stack(learner)
    learner.gradual_unfreeze(layers, 7)
    assert open_layers(layers) == [{True}] * 3, "in epoch 7 all layers are open"
    learner.gradual_unfreeze(layers, 0)
    assert open_layers(layers) == [{False}, {False}, {True}], "back in epoch 0 only the last one is"


def test_gradual_unfreeze_opens_what_was_frozen_before(learner):
    layers, model = stack(learner)
    model.requires_grad_(False)
    learner.gradual_unfreeze(layers, 1)
    assert open_layers(layers) == [{False}, {True}, {True}], "in epoch 1 two layers are open"


def test_gradual_unfreeze_sets_modes_and_gradients_as_freeze_does(learner, probe):
    model, _ = trained(learner, probe)
    model.eval()
    set_gradients(learner, model, probe)
    learner.gradual_unfreeze(layers_of(model), 1)
    expected = {name: name.startswith(("body", "head")) for name in modes(model) if name}
    got, open_ones = {name: mode for name, mode in modes(model).items() if name}, wanted(model)
    assert open_ones == {name: name.startswith(("body", "head")) for name in open_ones}, "open ones want gradients"
    assert got == expected, "open layers are in training mode, the others in evaluation mode, with all inside them"
    assert gradient(learner, model.get_submodule("stem.0"), "weight") is None, "a frozen layer has no gradient left"


def test_gradual_unfreeze_counts_layers_without_parameters(learner):
    layers, _ = stack(learner)
    nn = learner.library("torch").nn
    between = [nn.Dropout(0.5), nn.Dropout(0.5).eval()]
    mixed = [layers[0], between[0], layers[1], between[1], layers[2]]
    assert learner.gradual_unfreeze(mixed, 1) == 2, "a layer without parameters is a layer like any other"
    assert open_layers(layers) == [{False}, {False}, {True}], "in epoch 1 the last linear layer and a dropout are open"
    assert [layer.training for layer in between] == [False, True], "modes of layers without parameters are set, too"


@pytest.mark.stage("whole")
def test_gradual_unfreeze_changes_no_parameter(learner, probe):
    model, state = trained(learner, probe)
    for epoch in range(4):
        learner.gradual_unfreeze(layers_of(model), epoch)
    assert_close(model.state_dict(), state)


@pytest.mark.stage("whole")
def test_gradual_unfreeze_equals_the_reference(learner, reference, probe):
    (model, _), (same, _) = trained(learner, probe), trained(reference, probe)
    for epoch in (0, 1, 2, 3, 5, 1):
        got = learner.gradual_unfreeze(layers_of(model), epoch, every=2)
        expected = reference.gradual_unfreeze(layers_of(same), epoch, every=2)
        assert [got, wanted(model)] == [expected, wanted(same)], f"epoch {epoch} with every=2"
        assert {**modes(model), "": None} == {**modes(same), "": None}, f"the modes in epoch {epoch} with every=2"


@pytest.mark.stage("robust")
def test_gradual_unfreeze_of_a_single_layer_keeps_it_open(learner):
    layers, _ = stack(learner, (3, 2))
    for epoch in (0, 5):
        assert learner.gradual_unfreeze(layers, epoch) == 1, "the only layer is open"
        assert open_layers(layers) == [{True}], "the only layer is open"


# feature_extract


@pytest.mark.stage("shape")
def test_feature_extract_returns_a_row_of_features_for_every_row(learner, probe):
    model, _ = trained(learner, probe)
    for layer, width in (("stem", 7), ("body", 6), ("head", 4)):
        assert_shape(learner.feature_extract(model, layer, probe.tensor(9, 5)), (9, width), torch.float32)


def test_feature_extract_returns_what_the_layer_returns(learner, probe):
    model, state = trained(learner, probe)
    x, same = probe.tensor(9, 5), twin(state).eval()
    expected = {"stem": same.stem(x), "body": same.body(same.stem(x)), "head": same(x)}
    for layer, features in expected.items():
        assert_close(learner.feature_extract(model, layer, x), features.detach(), name=f"the features of {layer}")


def test_feature_extract_works_in_evaluation_mode(learner, probe):
    model, state = trained(learner, probe)
    model.train()
    x = probe.tensor(9, 5)
    same = twin(state).eval()
    assert_close(learner.feature_extract(model, "body", x), same.body(same.stem(x)).detach())
    assert_close(model.state_dict(), state, name="the state, statistics of batch normalisation included")


def test_feature_extract_returns_every_layer_to_its_mode(learner, probe):
    model, _ = trained(learner, probe)
    for whole, stem, dropout in ((True, True, True), (True, False, True), (False, False, True), (False, False, False)):
        model.train(whole)
        model.get_submodule("stem").train(stem)
        model.get_submodule("body.2").train(dropout)
        before = modes(model)
        learner.feature_extract(model, "stem", probe.tensor(3, 5))
        assert modes(model) == before, "each layer is in the mode in which it was"


def test_feature_extract_returns_a_shared_layer_to_its_mode(learner, probe):
    nn = seeded(learner).nn
    shared = nn.Dropout(0.5)
    model = nn.Sequential(nn.Sequential(shared, nn.Linear(5, 4)), nn.Sequential(nn.ReLU(), shared))
    shared.eval()
    learner.feature_extract(model, "0.1", probe.tensor(3, 5))
    assert [model.training, model[1].training, shared.training] == [True, True, False], "each layer is in its mode"


def test_feature_extract_is_not_fooled_by_a_layer_that_works_in_place(learner, probe):
    model, state = trained(learner, probe)
    x = probe.tensor(9, 5)
    same = twin(state).eval()
    for layer, features in (("stem.1", same.stem[1](same.stem[0](x))), ("body.0", same.body[0](same.stem(x)))):
        assert (features < 0).any(), "there is something for the next layer to overwrite"
        assert_close(learner.feature_extract(model, layer, x), features.detach(), name=f"the features of {layer}")
    nn = learner.library("torch").nn
    for overwriting in (nn.LeakyReLU(0.3, inplace=True), nn.Hardtanh(inplace=True), nn.ELU(inplace=True)):
        other = nn.Sequential(nn.Linear(5, 6), overwriting)
        expected = x @ other[0].weight.detach().T + other[0].bias.detach()
        assert_close(
            learner.feature_extract(other, "0", x), expected, name="the features of a layer before another one"
        )


def test_feature_extract_keeps_the_dtype_of_the_layer(learner, probe):
    model, state = trained(learner, probe)
    model.double()
    x = probe.tensor(9, 5, dtype=torch.float64)
    expected = twin(state).double().eval().stem(x).detach()
    assert_close(learner.feature_extract(model, "stem", x), expected, name="the features of stem, in float64")


def test_feature_extract_removes_its_hook(learner, probe):
    model, _ = trained(learner, probe)
    model.get_submodule("stem.0").register_forward_hook(lambda *_: None)
    for _ in range(2):
        learner.feature_extract(model, "stem.0", probe.tensor(3, 5))
    left = {name: hooks(learner, model.get_submodule(name)) for name in modes(model)}
    assert left == {name: int(name == "stem.0") for name in left}, f"hooks beside the one of somebody else's: {left}"


def test_feature_extract_sends_no_more_rows_than_told_at_a_time(learner, probe):
    nn, sizes, x = seeded(learner).nn, [], probe.tensor(11, 5)
    model = nn.Sequential(nn.Linear(5, 6), nn.Softmax(dim=0))  # over the rows of a batch: they sum to one in each
    model.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    got = learner.feature_extract(model, "1", x, batch_size=4)
    assert max(sizes) <= 4 and sum(sizes) == 11, f"11 rows go through in batches of at most 4, not of {sizes}"
    assert_close(got.sum(dim=0), torch.full((6,), 3.0), name="how many batches there are, by what sums to one in each")


def test_feature_extract_flattens_all_axes_but_the_first(learner, probe):
    nn = seeded(learner).nn
    model = nn.Sequential(nn.Conv2d(2, 3, 2), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(3 * 3 * 5, 1))
    x = probe.tensor(5, 2, 4, 6)
    expected = torch.nn.functional.conv2d(x, model[0].weight.detach(), model[0].bias.detach())
    assert_close(learner.feature_extract(model, "0", x, 2), expected.reshape(5, 45))
    assert_shape(learner.feature_extract(model, "3", x), (5, 1), name="the features of a layer with one output")


@pytest.mark.stage("whole")
def test_feature_extract_records_nothing(learner, probe):
    model, _ = trained(learner, probe)
    model.requires_grad_(True)
    builtins, asked = learner.library("builtins"), [(model, "body", probe.tensor(3, 5))]
    features = learner.library("itertools").starmap(learner.feature_extract, asked)
    recorded = builtins.next(builtins.map(learner.library("operator").attrgetter("requires_grad"), features))
    assert recorded is False, "the features belong to no graph of autograd"


@pytest.mark.stage("whole")
def test_feature_extract_makes_features_that_a_model_can_learn_from(learner, probe):
    model, _ = trained(learner, probe)
    builtins, operator = learner.library("builtins"), learner.library("operator")
    features = learner.library("itertools").starmap(learner.feature_extract, [(model, "body", probe.tensor(3, 5))])
    barred = builtins.next(builtins.map(operator.methodcaller("is_inference"), features))
    assert barred is False, "a tensor made in torch.inference_mode() can never take part in learning"


def recording_after(function, *given):
    """Whether autograd records after a call by somebody who had switched it off."""
    import torch

    with torch.no_grad():
        function(*given)
        return torch.is_grad_enabled()


@pytest.mark.stage("whole")
def test_feature_extract_leaves_recording_switched_off_where_it_was(learner, probe):
    model, _ = trained(learner, probe)
    recording = there(learner, recording_after)(learner.feature_extract, model, "stem", probe.tensor(3, 5))
    assert recording is False, "autograd still does not record"


@pytest.mark.stage("whole")
def test_feature_extract_keeps_which_parameters_learn(learner, probe):
    model, _ = trained(learner, probe)
    model.get_submodule("stem").requires_grad_(False)
    before, grads = wanted(model), set_gradients(learner, model, probe)
    got = learner.feature_extract(model, "stem", probe.tensor(3, 5))
    assert_shape(got, (3, 7))
    assert wanted(model) == before, "which parameters require gradients stays as it was"
    assert_close(
        gradient(learner, model.get_submodule("head"), "bias"), grads["head.bias"], name="a gradient that was there"
    )
    assert learner.library("torch").is_grad_enabled(), "autograd is on again afterwards"


@pytest.mark.stage("whole")
def test_feature_extract_equals_the_reference(learner, reference, probe):
    model, state = trained(learner, probe)
    same, _ = trained(reference, probe)
    same.load_state_dict(state)
    x = probe.tensor(13, 5)
    for layer, batch_size in (("stem.0", 5), ("body.1", 13), ("head", 1), ("stem", 100)):
        expected = reference.feature_extract(same, layer, x, batch_size)
        assert_close(learner.feature_extract(model, layer, x, batch_size), expected, name=f"the features of {layer}")


@pytest.mark.stage("robust")
def test_feature_extract_cleans_up_when_the_network_fails(learner, probe):
    model, _ = trained(learner, probe)
    model.train()
    model.get_submodule("stem").eval()
    before = modes(model)
    learner.feature_extract(model, "stem.0", probe.tensor(4, 5))
    assert modes(model) == before, "each layer is in the mode in which it was"
    with pytest.raises(RuntimeError):
        learner.feature_extract(model, "stem.0", probe.tensor(4, 9))  # rows of the wrong width
    left, after = hooks(learner, model.get_submodule("stem.0")), modes(model)
    assert left == 0, "the hook is removed"
    assert after == before, "each layer is in the mode in which it was"
