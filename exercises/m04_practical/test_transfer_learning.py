"""Public checks of transfer learning: run `pytest exercises/m04_practical/test_transfer_learning.py`."""

import pytest
import torch

from autograder.testing import assert_close, assert_shape


def network(module):
    """Rows of 3 numbers to 2 logits, with batch normalisation, activations in place and dropout; built where your code runs."""
    nn = module.library("torch").nn
    model = nn.Sequential()
    model.add_module("stem", nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(inplace=True)))
    model.add_module("body", nn.Sequential(nn.Linear(4, 5), nn.ReLU(inplace=True), nn.Dropout(0.5)))
    model.add_module("head", nn.Linear(5, 2))
    return model


def layers_of(model):
    return [model.get_submodule(name) for name in ("stem", "body", "head")]


def wanting(layers):
    """For each layer whether all, or none, of its parameters require gradients."""
    return [{value.requires_grad for value in layer.parameters()} for layer in layers]


def modes(model):
    names = ("", "stem", "stem.0", "stem.1", "stem.2", "body", "body.0", "body.1", "body.2", "head")
    return {name: model.get_submodule(name).training for name in names}


def values(parameters):
    return [value.detach() for value in parameters]


def generator(module, seed):
    made = module.library("torch").Generator()
    made.manual_seed(seed)
    return made


# freeze


@pytest.mark.stage("shape")
def test_freeze_of_one_layer_leaves_the_others_as_they_were(learner):
    model = network(learner)
    assert learner.freeze(model.get_submodule("stem")) is None, "it returns None"
    assert wanting(layers_of(model)) == [{False}, {True}, {True}], "only the stem requires no gradients any more"
    assert model.get_submodule("body").training and model.get_submodule("head").training, (
        "the others are in training mode"
    )


def test_freeze_puts_every_layer_inside_into_evaluation_mode(learner):
    model = network(learner)
    learner.freeze(model)
    assert not any(modes(model).values()), "no layer is in training mode"


def test_freeze_keeps_an_optimizer_from_moving_the_layer(learner):
    model, torch_ = network(learner), learner.library("torch")
    optimizer = torch_.optim.SGD(model.parameters(), lr=0.5, momentum=0.9, weight_decay=0.1)
    torch_.autograd.backward(model.parameters(), [torch.ones_like(value) for value in model.parameters()])
    optimizer.step()
    before = model.state_dict()
    learner.freeze(model.get_submodule("stem"))
    optimizer.step()
    for name, value in model.state_dict().items():
        if name.startswith("stem"):
            assert_close(value, before[name], name=name)


# replace_head


@pytest.mark.stage("shape")
def test_replace_head_gives_the_network_as_many_outputs_as_classes(learner, probe):
    model = network(learner)
    head = learner.replace_head(model, "head", 7, generator(learner, 1))
    assert_shape(head.weight, (7, 5), torch.float32, name="the weight")
    assert_shape(head.bias, (7,), torch.float32, name="the bias")
    assert_shape(model(probe.tensor(6, 3)), (6, 7), torch.float32, name="the output of the network")


def test_replace_head_returns_the_layer_that_is_in_the_network(learner):
    model = network(learner)
    head = learner.replace_head(model, "body.0", 6, generator(learner, 2))
    assert learner.library("operator").is_(model.get_submodule("body.0"), head), (
        "the same layer, also inside another one"
    )


def test_replace_head_draws_weight_and_bias_from_the_generator(learner):
    head, draws = (
        learner.replace_head(network(learner), "stem.0", 4, generator(learner, 3)),
        torch.Generator().manual_seed(3),
    )
    radius = 1 / 3**0.5
    assert_close(head.weight.detach(), torch.empty(4, 3).uniform_(-radius, radius, generator=draws), name="the weight")
    assert_close(head.bias.detach(), torch.empty(4).uniform_(-radius, radius, generator=draws), name="the bias")


@pytest.mark.stage("robust")
def test_replace_head_follows_the_old_one_in_bias_and_dtype(learner):
    nn = learner.library("torch").nn
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 5, bias=False))
    model.requires_grad_(False)
    model.double()
    head = learner.replace_head(model, "1", 2, generator(learner, 4))
    assert head.bias is None, "the old layer has no bias, so the new one has none"
    assert_shape(head.weight, (2, 4), torch.float64, name="the weight")
    assert head.weight.requires_grad, "the new layer can learn where all else is frozen"


@pytest.mark.stage("robust")
def test_replace_head_refuses_layers_that_are_not_linear(learner):
    with pytest.raises(TypeError):
        learner.replace_head(network(learner), "stem.1", 2, generator(learner, 5))


# parameter_groups


@pytest.mark.stage("shape")
def test_parameter_groups_returns_a_dict_for_every_layer(learner):
    layers = layers_of(network(learner))
    groups = learner.parameter_groups(layers, lr=0.9, decay=3.0)
    assert_close([group["lr"] for group in groups], [0.1, 0.3, 0.9], name="the learning rates")
    for group, layer in zip(groups, layers, strict=True):
        assert_close(values(group["params"]), values(layer.parameters()), name="the parameters of a group")


def test_parameter_groups_passes_over_layers_that_have_nothing_to_learn(learner):
    nn = learner.library("torch").nn
    first, frozen, last = nn.Linear(2, 3), nn.Linear(3, 4), nn.Linear(4, 5)
    frozen.requires_grad_(False)
    groups = learner.parameter_groups([first, nn.ReLU(), frozen, nn.ReLU(), last], 0.8, decay=2.0)
    assert_close([group["lr"] for group in groups], [0.4, 0.8], name="the learning rates")
    expected = [values(first.parameters()), values(last.parameters())]
    assert_close([values(group["params"]) for group in groups], expected, name="the parameters")


@pytest.mark.stage("robust")
def test_parameter_groups_lists_a_shared_parameter_once_with_the_last_layer(learner):
    nn = learner.library("torch").nn
    shared, own = nn.Linear(2, 3), nn.Linear(3, 2)
    groups = learner.parameter_groups([nn.Sequential(shared, own), shared], 0.5, decay=5.0)
    expected = [values(own.parameters()), values(shared.parameters())]
    assert_close([values(group["params"]) for group in groups], expected, name="the parameters")


# gradual_unfreeze


@pytest.mark.stage("shape")
def test_gradual_unfreeze_returns_how_many_layers_are_open(learner):
    layers = layers_of(network(learner))
    assert [learner.gradual_unfreeze(layers, epoch) for epoch in range(5)] == [1, 2, 3, 3, 3]
    assert [learner.gradual_unfreeze(layers, epoch, every=2) for epoch in range(6)] == [1, 1, 2, 2, 3, 3]


def test_gradual_unfreeze_opens_layers_from_the_end_on(learner):
    layers = layers_of(network(learner))
    for epoch, expected in enumerate([[{False}, {False}, {True}], [{False}, {True}, {True}], [{True}, {True}, {True}]]):
        learner.gradual_unfreeze(layers, epoch)
        assert wanting(layers) == expected, f"epoch {epoch}"


def test_gradual_unfreeze_sets_modes(learner):
    model = network(learner)
    model.eval()
    learner.gradual_unfreeze(layers_of(model), 1)
    expected = {name: name.startswith(("body", "head")) for name in modes(model) if name}
    assert {name: mode for name, mode in modes(model).items() if name} == expected, "open layers are in training mode"


# feature_extract


@pytest.mark.stage("shape")
def test_feature_extract_returns_a_row_of_features_for_every_row(learner, probe):
    assert_shape(learner.feature_extract(network(learner), "body", probe.tensor(7, 3)), (7, 5), torch.float32)


def test_feature_extract_returns_what_the_layer_returns(learner, probe):
    model, x = network(learner), probe.tensor(7, 3)
    expected = torch.nn.functional.linear(x, *values(model.get_submodule("stem.0").parameters()))
    assert_close(learner.feature_extract(model, "stem.0", x, batch_size=3), expected)


def test_feature_extract_is_not_fooled_by_a_layer_that_works_in_place(learner):
    nn = learner.library("torch").nn
    model, x = nn.Sequential(nn.Hardtanh(), nn.ReLU(inplace=True)), torch.tensor([[0.5, -2.0], [-0.25, 4.0]])
    assert_close(learner.feature_extract(model, "0", x), torch.tensor([[0.5, -1.0], [-0.25, 1.0]]))


def test_feature_extract_leaves_the_network_as_it_was(learner, probe):
    model = network(learner)
    model.get_submodule("stem").eval()
    before, state = modes(model), model.state_dict()
    learner.feature_extract(model, "body", probe.tensor(7, 3))
    assert modes(model) == before, "each layer is in the mode in which it was"
    assert_close(model.state_dict(), state, name="the state, statistics of batch normalisation included")
    assert len(model.get_submodule("body")._forward_hooks) == 0, "the hook is removed"
