"""Hidden checks of the seven repaired programs and the three tools: what they do, never how they are written.

Models live where the learner's code runs, in float64, so that a program written otherwise gives the same numbers. What they
should come to is computed here. The first check of a program is the one that the broken program fails.
"""

import math

import pytest
import torch

from autograder.testing import assert_close, assert_gradients, assert_shape, made, there

F64 = torch.float64


def linear(module, weight):
    """A linear layer without a bias."""
    weight = torch.as_tensor(weight, dtype=F64)
    model = module.library("torch").nn.Linear(*weight.shape[::-1], bias=False)
    model.double()
    model.load_state_dict({"weight": weight})
    return model


def network(state):
    """A linear layer, a tanh and another linear layer."""
    import torch

    (m, d), (c, _) = state["0.weight"].shape, state["2.weight"].shape
    model = torch.nn.Sequential(torch.nn.Linear(d, m), torch.nn.Tanh(), torch.nn.Linear(m, c)).double()
    model.load_state_dict(state)
    return model


def weights(probe):
    """Parameters for `network`, from D features to C numbers."""
    shapes = {"0.weight": "M D", "0.bias": "M", "2.weight": "C M", "2.bias": "C"}
    return {name: 0.5 * probe.tensor(shape, dtype=F64) for name, shape in shapes.items()}


def output(state, x):
    """What `network` computes, written out."""
    return torch.tanh(x @ state["0.weight"].T + state["0.bias"]) @ state["2.weight"].T + state["2.bias"]


def sgd(module, model, lr, **options):
    return module.library("torch").optim.SGD(model.parameters(), lr=lr, **options)


def in_two_groups(model, lr, momentum):
    """Gradient descent with momentum, each layer in a group of its own and the second with twice the rate."""
    import torch

    groups = [{"params": model[0].parameters()}, {"params": model[2].parameters(), "lr": 2.0 * lr}]
    return torch.optim.SGD(groups, lr=lr, momentum=momentum)


def set_gradients(model, value):
    """Give every parameter a gradient that is `value` everywhere."""
    import torch

    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, value)


def gradients_of(model):
    return [parameter.grad for parameter in model.parameters()]


MODES = "lambda model: [module.training for module in model.modules()]"
MSE = "lambda output, y: (output - y).square().mean()"
ONE_SIDED = "lambda output, y: (output - 2.0 * y).square().mean()"  # output and targets cannot be exchanged


def mse(state, x, y):
    return (output(state, x) - y).square().mean()


def cross_entropy(scores, y):
    return (scores.logsumexp(dim=1) - scores[torch.arange(len(y)), y]).mean()


def descended(state, losses, rates):
    """Gradient descent written out: the parameters after a step down each of the losses, and these before each step."""
    values = []
    for loss_of, rate in zip(losses, rates, strict=True):
        leaves = {name: value.clone().requires_grad_() for name, value in state.items()}
        loss = loss_of(leaves)
        gradients = torch.autograd.grad(loss, list(leaves.values()))
        state = {name: (leaf - rate * g).detach() for (name, leaf), g in zip(leaves.items(), gradients, strict=True)}
        values.append(loss.item())
    return state, values


def batches_of(probe, *sizes):
    """Pairs (x, y) of so many rows, for regression."""
    return [
        (probe.tensor(rows, probe.size("D"), dtype=F64), probe.tensor(rows, probe.size("C"), dtype=F64))
        for rows in sizes
    ]


def labelled(probe, rows):
    """Rows (x, y) for classification."""
    return probe.tensor(rows, probe.size("D"), dtype=F64), torch.from_numpy(probe.integers(rows, high="C"))


# train_without_memory


@pytest.mark.visible
@pytest.mark.stage("shape")
def test_train_without_memory_halves_a_weight_in_each_of_three_steps(learner):
    model = linear(learner, [[8.0]])  # a step at the rate 0.25 halves it
    batches = [(torch.ones(1, 1, dtype=F64), torch.zeros(1, 1, dtype=F64))]
    history = learner.train_without_memory(model, made(learner, MSE), batches, sgd(learner, model, 0.25), epochs=3)
    assert_close(history, [64.0, 16.0, 4.0], name="the history")
    assert_close(model.weight.item(), 1.0, name="the weight")


def test_train_without_memory_starts_without_the_gradients_that_were_there(learner, probe):
    state, batches = weights(probe), batches_of(probe, 4)
    model = there(learner, network)(state)
    there(learner, set_gradients)(model, 5.0)
    learner.train_without_memory(model, made(learner, MSE), batches, sgd(learner, model, 0.2), 1)
    expected, _ = descended(state, [lambda state: mse(state, *batches[0])], [0.2])
    assert_close(dict(model.state_dict()), expected, name="the parameters")


def test_train_without_memory_takes_a_step_for_each_batch_in_their_order(learner, probe):
    state, batches = weights(probe), batches_of(probe, 4, 4, 4)
    model = there(learner, network)(state)
    learner.train_without_memory(model, made(learner, MSE), batches, sgd(learner, model, 0.2), 2)
    losses = [lambda state, batch=batch: mse(state, *batch) for batch in 2 * batches]
    assert_close(dict(model.state_dict()), descended(state, losses, [0.2] * 6)[0], name="the parameters")


def test_train_without_memory_returns_the_mean_over_the_batches_of_each_epoch(learner, probe):
    state, batches = weights(probe), batches_of(probe, 7, 1)
    model = there(learner, network)(state)
    history = learner.train_without_memory(model, made(learner, MSE), batches, sgd(learner, model, 0.2), epochs=3)
    losses = [lambda state, batch=batch: mse(state, *batch) for batch in 3 * batches]
    _, values = descended(state, losses, [0.2] * 6)
    assert_close(history, [(a + b) / 2.0 for a, b in zip(values[::2], values[1::2], strict=True)])


def test_train_without_memory_comes_down_all_the_way(learner):
    model = linear(learner, [[3000.0, -5000.0]])
    x, y = torch.tensor([[1.0, 0.5], [-0.5, 1.0]], dtype=F64), torch.zeros(2, 1, dtype=F64)
    batches = [(x, y), (x.flip(0), y)]
    history = learner.train_without_memory(model, made(learner, MSE), batches, sgd(learner, model, 0.3), epochs=15)
    assert len(history) == 15, f"15 epochs give 15 losses, not {len(history)}, however small they are"
    assert all(b < a for a, b in zip(history, history[1:], strict=False)), "the loss falls in every epoch"
    assert history[-1] < 1e-6 * history[0], "after 15 epochs the loss is a millionth of the first"


@pytest.mark.stage("whole")
def test_train_without_memory_equals_the_reference_with_momentum_and_two_groups(learner, reference, probe):
    state, batches = weights(probe), batches_of(probe, 5, 3)

    def run(module):
        model = there(module, network)(state)
        optimizer = there(module, in_two_groups)(model, 0.1, 0.9)
        history = module.train_without_memory(model, made(module, ONE_SIDED), batches, optimizer, epochs=4)
        return history, dict(model.state_dict()), [group["lr"] for group in optimizer.param_groups]

    assert_close(run(learner), run(reference), name="(history, parameters, rates)")


@pytest.mark.stage("robust")
def test_train_without_memory_for_no_epochs_does_nothing(learner, probe):
    state = weights(probe)
    model = there(learner, network)(state)
    history = learner.train_without_memory(
        model, made(learner, MSE), batches_of(probe, 3), sgd(learner, model, 0.2), epochs=0
    )
    assert_close(history, [], name="the history")
    assert_close(dict(model.state_dict()), state, name="the parameters")


# train_with_double_softmax


@pytest.mark.visible
@pytest.mark.stage("shape")
def test_train_with_double_softmax_starts_from_the_cross_entropy_of_one_half(learner):
    model = linear(learner, [[0.0], [0.0]])  # two classes alike: p = ½ ½, before and after
    x, y = torch.ones(2, 1, dtype=F64), torch.tensor([0, 0])
    losses = learner.train_with_double_softmax(model, x, y, sgd(learner, model, 1.0), steps=2)
    # The gradients are -½ and ½, so the second time p of the right class is σ(1).
    assert_close(losses, [math.log(2.0), math.log(1.0 + math.exp(-1.0))], name="the losses")


def test_train_with_double_softmax_takes_the_cross_entropy_of_the_logits(learner, probe):
    state, (x, y) = weights(probe), labelled(probe, 7)
    model = there(learner, network)(state)
    losses = learner.train_with_double_softmax(model, x, y, sgd(learner, model, 0.3), 4)
    expected, values = descended(state, [lambda state: cross_entropy(output(state, x), y)] * 4, [0.3] * 4)
    assert_close(losses, values, name="the losses")
    assert_close(dict(model.state_dict()), expected, name="the parameters")


def test_train_with_double_softmax_moves_by_probability_minus_one_for_the_right_class(learner):
    model = linear(learner, torch.tensor([[6.0], [3.0], [1.0]], dtype=F64).log())  # p = 0.6, 0.3, 0.1
    x, y = torch.ones(1, 1, dtype=F64), torch.tensor([1])
    before = model.state_dict()["weight"]
    learner.train_with_double_softmax(model, x, y, sgd(learner, model, 1.0), steps=1)
    moved = model.state_dict()["weight"] - before
    assert_close(moved, torch.tensor([[-0.6], [0.7], [-0.1]], dtype=F64), name="how far the weights moved")


def test_train_with_double_softmax_brings_the_loss_near_zero(learner):
    x, y = 4.0 * torch.eye(3, dtype=F64), torch.tensor([2, 0, 1])
    model = linear(learner, torch.zeros(3, 3))
    losses = learner.train_with_double_softmax(model, x, y, sgd(learner, model, 1.0), steps=40)
    assert len(losses) == 40, f"40 steps give 40 losses, not {len(losses)}, however small they are"
    assert all(b < a for a, b in zip(losses, losses[1:], strict=False)), "the loss falls in every step"
    assert losses[19] < 0.02, "rows that are easily told apart have a loss below 0.02 after 20 steps"


@pytest.mark.stage("whole")
def test_train_with_double_softmax_equals_the_reference_with_adam(learner, reference, probe):
    state, (x, y) = weights(probe), labelled(probe, 307)

    def run(module):
        model = there(module, network)(state)
        optimizer = module.library("torch").optim.Adam(model.parameters(), lr=0.05)
        return module.train_with_double_softmax(model, x, y, optimizer, steps=5), dict(model.state_dict())

    assert_close(run(learner), run(reference), name="(losses, parameters)")


@pytest.mark.stage("robust")
def test_train_with_double_softmax_survives_huge_logits(learner):
    model = linear(learner, [[900.0], [-900.0], [0.0]])
    x, y = torch.tensor([[1.0], [-1.0], [0.0]], dtype=F64), torch.tensor([1, 2, 0])
    losses = learner.train_with_double_softmax(model, x, y, sgd(learner, model, 3.0), 2)
    # Two rows are sure of a wrong class, so the gradients of the weights are (⅓ · 1, ⅓ · (-1 - 1), ⅓ · 1). To the third
    # row, all of whose logits are 0, all classes are alike.
    expected = [(1800.0 + 900.0 + math.log(3.0)) / 3.0, (1800.0 - 3.0 + 900.0 - 3.0 + math.log(3.0)) / 3.0]
    assert_close(losses, expected, name="the losses")
    assert_close(model.state_dict()["weight"], torch.tensor([[898.0], [-896.0], [-2.0]], dtype=F64), name="the weights")


@pytest.mark.stage("robust")
def test_train_with_double_softmax_for_no_steps_does_nothing(learner, probe):
    state, (x, y) = weights(probe), labelled(probe, 3)
    model = there(learner, network)(state)
    assert_close(learner.train_with_double_softmax(model, x, y, sgd(learner, model, 0.2), 0), [], name="the losses")
    assert_close(dict(model.state_dict()), state, name="the parameters")


# evaluate_model


def classifier(state, drop):
    """Dropout, batch normalization and a linear layer, in training mode; the first two in a module of their own."""
    import torch

    (c, d) = state["1.weight"].shape
    first = torch.nn.Sequential(torch.nn.Dropout(drop), torch.nn.BatchNorm1d(d))
    model = torch.nn.Sequential(first, torch.nn.Linear(d, c)).double()
    model.load_state_dict(state)
    return model


def classifier_state(probe):
    c, d = probe.shape("C D")
    return {
        "0.1.weight": 1.0 + 0.3 * probe.tensor(d, dtype=F64),
        "0.1.bias": probe.tensor(d, dtype=F64),
        "0.1.running_mean": probe.tensor(d, dtype=F64),
        "0.1.running_var": 1.0 + probe.tensor(d, dtype=F64).square(),
        "0.1.num_batches_tracked": torch.tensor(3),
        "1.weight": probe.tensor(c, d, dtype=F64),
        "1.bias": probe.tensor(c, dtype=F64),
    }


def scores(state, x):
    """What the classifier says in evaluation mode."""
    normal = (x - state["0.1.running_mean"]) / (state["0.1.running_var"] + 1e-5).sqrt()
    return (normal * state["0.1.weight"] + state["0.1.bias"]) @ state["1.weight"].T + state["1.bias"]


def answers(probe, state, *right):
    """Batches (x, y) in which so many of so many rows are classified rightly: `right` are pairs of these numbers."""
    batches = []
    for hits, rows in right:
        x = probe.tensor(rows, probe.size("D"), dtype=F64)
        found = scores(state, x).argmax(dim=1)
        batches.append((x, torch.where(torch.arange(rows) < hits, found, (found + 1) % probe.size("C"))))
    return batches


@pytest.mark.visible
@pytest.mark.stage("shape")
def test_evaluate_model_uses_the_running_statistics(learner):
    model = learner.library("torch").nn.BatchNorm1d(
        2, affine=False
    )  # running mean 0, running variance 1: nothing happens
    batches = [(torch.tensor([[5.0, 1.0], [7.0, 4.0], [6.0, 4.0]]), torch.tensor([0, 0, 0]))]
    assert_close(learner.evaluate_model(model, batches), 1.0)


def test_evaluate_model_drops_nothing(learner, probe):
    state = classifier_state(probe)
    model, batches = there(learner, classifier)(state, 0.9), answers(probe, state, (31, 40))
    twice = [learner.evaluate_model(model, batches) for _ in range(2)]
    assert_close(twice, [31.0 / 40.0] * 2, name="two evaluations in a row")


def test_evaluate_model_weighs_every_row_the_same(learner, probe):
    state = classifier_state(probe)
    model, batches = there(learner, classifier)(state, 0.25), answers(probe, state, (6, 7), (2, 3), (0, 1))
    assert_close(learner.evaluate_model(model, batches), 8.0 / 11.0)


def test_evaluate_model_leaves_parameters_and_running_statistics(learner, probe):
    state = classifier_state(probe)
    model = there(learner, classifier)(state, 0.25)
    learner.evaluate_model(model, answers(probe, state, (3, 5), (2, 3)))
    assert_close(dict(model.state_dict()), state, name="the state of the model")


def test_evaluate_model_gives_a_model_back_in_the_mode_it_was_in(learner, probe):
    state = classifier_state(probe)
    model, batches = there(learner, classifier)(state, 0.25), answers(probe, state, (3, 5))
    for training in (True, False):
        model.train(training)
        learner.evaluate_model(model, batches)
        assert_close(made(learner, MODES)(model), [training] * 5, name="whether each module is in training mode")


def test_evaluate_model_leaves_the_gradients(learner, probe):
    state = classifier_state(probe)
    model = there(learner, classifier)(state, 0.25)
    there(learner, set_gradients)(model, 2.0)
    learner.evaluate_model(model, answers(probe, state, (3, 5)))
    found = there(learner, gradients_of)(model)
    assert_close([g.flatten()[0].item() for g in found], [2.0] * 4, name="the gradients")
    flags = made(learner, "lambda model: [p.requires_grad for p in model.parameters()]")(model)
    assert_close(flags, [True] * 4, name="whether the parameters require a gradient")


def recording_after(function, model, batches):
    """Whether gradients are recorded after it ran, where they were recorded before, and where they were not."""
    import torch

    found = []
    for before in (True, False):
        with torch.set_grad_enabled(before):
            function(model, batches)
            found.append(torch.is_grad_enabled())
    return found


def test_evaluate_model_leaves_the_recording_of_gradients_switched_on_or_off_as_it_was(learner, probe):
    state = classifier_state(probe)
    model, batches = there(learner, classifier)(state, 0.25), answers(probe, state, (3, 5))
    got = there(learner, recording_after)(learner.evaluate_model, model, batches)
    assert_close(got, [True, False], name="whether gradients are recorded afterwards")


@pytest.mark.stage("whole")
def test_evaluate_model_equals_the_reference(learner, reference, probe):
    state = classifier_state(probe)
    batches = answers(probe, state, (4, 5), (1, 3))

    def run(module):
        model = there(module, classifier)(state, 0.5)
        return module.evaluate_model(model, batches), dict(model.state_dict()), made(module, MODES)(model)

    assert_close(run(learner), run(reference), name="(accuracy, state, modes)")


@pytest.mark.stage("robust")
def test_evaluate_model_goes_through_the_batches_once(learner, probe):
    state = classifier_state(probe)
    model, batches = there(learner, classifier)(state, 0.25), answers(probe, state, (4, 5), (0, 2))
    assert_close(learner.evaluate_model(model, made(learner, "lambda batches: iter(batches)")(batches)), 4.0 / 7.0)


# train_through_detach


def pair_state(probe):
    """Parameters of a linear encoder and a linear head."""
    shapes = {"e.weight": "M D", "e.bias": "M", "h.weight": "C M", "h.bias": "C"}
    return {name: probe.tensor(shape, dtype=F64) for name, shape in shapes.items()}


def pair(state):
    """The two, in a dict of modules."""
    import torch

    (m, d), (c, _) = state["e.weight"].shape, state["h.weight"].shape
    model = torch.nn.ModuleDict({"e": torch.nn.Linear(d, m), "h": torch.nn.Linear(m, c)}).double()
    model.load_state_dict(state)
    return model


def squared_error(state, x, y):
    features = x @ state["e.weight"].T + state["e.bias"]
    features = features / features.square().sum(dim=1, keepdim=True).sqrt()
    return (features @ state["h.weight"].T + state["h.bias"] - y).square().mean()


def through(learner, probe, lr, steps, far=1.0):
    """Train a pair: its first parameters, the losses, the last parameters, and x and y."""
    state, ((x, y),) = pair_state(probe), batches_of(probe, 4)
    y = far * y
    model = there(learner, pair)(state)
    losses = learner.train_through_detach(model["e"], model["h"], x, y, sgd(learner, model, lr), steps)
    return state, losses, dict(model.state_dict()), (x, y)


@pytest.mark.visible
@pytest.mark.stage("shape")
def test_train_through_detach_trains_the_encoder(learner):
    encoder, head = linear(learner, [[3.0], [4.0]]), linear(learner, [[0.0, 5.0]])
    x, y, optimizer = torch.ones(1, 1, dtype=F64), torch.zeros(1, 1, dtype=F64), sgd(learner, encoder, 0.25)
    losses = learner.train_through_detach(encoder, head, x, y, optimizer, steps=1)
    assert_close(losses, [16.0], name="the losses")
    # The gradient of the features (0.6, 0.8) is (0, 40); of that (-3.84, 2.88) is left behind the scaling.
    assert_close(encoder.state_dict()["weight"], torch.tensor([[3.96], [3.28]], dtype=F64), name="the encoder")


def test_train_through_detach_moves_the_encoder_across_its_features(learner, probe):
    """What the encoder puts out for a single row moves at right angles: its length does not matter."""
    feature, weight = probe.tensor("M 1", dtype=F64), probe.tensor("C M", dtype=F64)
    encoder, head = linear(learner, feature), linear(learner, weight)
    x, y = torch.ones(1, 1, dtype=F64), probe.tensor("1 C", dtype=F64)
    learner.train_through_detach(encoder, head, x, y, sgd(learner, encoder, 1.0), steps=1)
    moved = encoder.state_dict()["weight"] - feature
    across = moved - feature * (moved * feature).sum() / feature.square().sum()
    assert_close(moved, across, name="how the features moved")
    assert moved.abs().max() > 1e-6, "they move"


def test_train_through_detach_trains_encoder_and_head_by_the_slopes_of_the_error(learner, probe):
    state, _, after, (x, y) = through(learner, probe, 0.5, 1, far=100.0)
    gradients = [(state[name] - after[name]) / 0.5 for name in state]
    error = lambda *values: squared_error(dict(zip(state, values, strict=True)), x, y)  # noqa: E731
    assert_gradients(error, list(state.values()), gradients, torch.tensor(1.0, dtype=F64), names=list(state))


def test_train_through_detach_goes_on_for_all_its_steps(learner, probe):
    state, losses, after, (x, y) = through(learner, probe, 0.3, 5)
    expected, values = descended(state, [lambda state: squared_error(state, x, y)] * 5, [0.3] * 5)
    assert_close(losses, values, name="the losses")
    assert_close(after, expected, name="the parameters")


def test_train_through_detach_takes_all_its_steps_however_small_the_error_is(learner, probe):
    state, ((x, y),) = pair_state(probe), batches_of(probe, 4)
    features = x @ state["e.weight"].T + state["e.bias"]
    features = features / features.norm(dim=1, keepdim=True)
    y = features @ state["h.weight"].T + state["h.bias"] + 1e-4 * y
    model = there(learner, pair)(state)
    losses = learner.train_through_detach(model["e"], model["h"], x, y, sgd(learner, model, 0.3), 3)
    _, values = descended(state, [lambda state: squared_error(state, x, y)] * 3, [0.3] * 3)
    assert_close(torch.tensor(losses), torch.tensor(values), name="the losses")


def freeze_biases(model):
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.requires_grad_(False)


def test_train_through_detach_leaves_frozen_parameters_as_they_are(learner, probe):
    state, ((x, y),) = pair_state(probe), batches_of(probe, 4)
    model = there(learner, pair)(state)
    there(learner, freeze_biases)(model)
    learner.train_through_detach(model["e"], model["h"], x, y, sgd(learner, model, 0.3), 1)
    expected, _ = descended(state, [lambda state: squared_error(state, x, y)], [0.3])
    expected |= {name: state[name] for name in ("e.bias", "h.bias")}
    assert_close(dict(model.state_dict()), expected, name="the parameters")


def test_train_through_detach_does_not_ask_how_long_the_features_are(learner, probe):
    x, y, weight = probe.tensor("N D", dtype=F64), probe.tensor("N C", dtype=F64), probe.tensor("M D", dtype=F64)
    head, found = linear(learner, probe.tensor("C M", dtype=F64)), []
    for factor in (1.0, 8.0, 0.001):
        encoder = linear(learner, factor * weight)
        found.append(learner.train_through_detach(encoder, head, x, y, sgd(learner, encoder, 1e-12), 1))
    assert_close(found[1], found[0], name="the loss with features eight times as long")
    assert_close(found[2], found[0], name="the loss with features a thousand times as short")


@pytest.mark.stage("whole")
def test_train_through_detach_equals_the_reference_with_adam(learner, reference, probe):
    state, ((x, y),) = pair_state(probe), batches_of(probe, 6)

    def run(module):
        model = there(module, pair)(state)
        optimizer = module.library("torch").optim.Adam(model.parameters(), lr=0.05)
        losses = module.train_through_detach(model["e"], model["h"], x, y, optimizer, steps=4)
        return losses, dict(model.state_dict())

    assert_close(run(learner), run(reference), name="(losses, parameters)")


@pytest.mark.stage("robust")
def test_train_through_detach_for_no_steps_does_nothing(learner, probe):
    state, losses, after, _ = through(learner, probe, 0.3, 0)
    assert_close(losses, [], name="the losses")
    assert_close(after, state, name="the parameters")


# split_and_normalise


def seeded(module, seed):
    generator = module.library("torch").Generator()
    generator.manual_seed(seed)
    return generator


def order_of(rows, seed):
    return torch.randperm(rows, generator=torch.Generator().manual_seed(seed))


def table(probe):
    """Rows with features of different place and spread, and the number of each row as its target."""
    n, d = probe.fix("N", 11), probe.size("D")
    x = probe.tensor(n, d, dtype=F64) * (1.0 + torch.arange(d)) + 3.0 * probe.tensor(d, dtype=F64)
    return x, torch.arange(n), int(probe.integers(1, high=10_000)[0])


@pytest.mark.visible
@pytest.mark.stage("shape")
def test_split_and_normalise_keeps_the_test_rows_out_of_the_mean(learner):
    x, y = torch.tensor([[1.0], [1.0], [3.0], [5.0]], dtype=F64), torch.tensor([0, 1, 2, 3])
    seed = next(seed for seed in range(100) if order_of(4, seed)[0] == 3)  # the last row is the test
    train_x, train_y, test_x, _ = learner.split_and_normalise(x, y, 1, seeded(learner, seed))
    spread = (8.0 / 9.0 + 1e-5) ** 0.5  # of 1, 1 and 3, whose mean is 5/3
    assert_close(train_x[:, 0], (x[train_y, 0] - 5.0 / 3.0) / spread, name="the training rows")
    assert_close(test_x, torch.tensor([[10.0 / 3.0 / spread]], dtype=F64), name="the test row")


def test_split_and_normalise_does_not_look_at_the_test_rows(learner, probe):
    x, y, seed = table(probe)
    changed, order = x.clone(), order_of(len(x), seed)
    changed[order[:4]] += 100.0 * probe.tensor(4, x.shape[1], dtype=F64)
    train_x = learner.split_and_normalise(x, y, 4, seeded(learner, seed))[0]
    assert_close(
        learner.split_and_normalise(changed, y, 4, seeded(learner, seed))[0],
        train_x,
        name="the training rows behind another test",
    )


def test_split_and_normalise_gives_training_rows_mean_zero_and_variance_one(learner, probe):
    x, y, seed = table(probe)
    train_x = learner.split_and_normalise(x, y, 3, seeded(learner, seed))[0]
    assert_shape(train_x, (8, x.shape[1]), F64, name="the training rows")
    rows = x[order_of(len(x), seed)[3:]]
    variance = (rows - rows.mean(dim=0)).square().mean(dim=0)
    assert_close(1.0 + train_x.mean(dim=0), torch.ones(x.shape[1], dtype=F64), name="1 + the means")
    assert_close(train_x.square().mean(dim=0), variance / (variance + 1e-5), name="the variances")


def test_split_and_normalise_treats_a_test_row_like_a_training_row(learner, probe):
    x, y, seed = table(probe)
    order = order_of(len(x), seed)
    x[order[1]] = x[order[5]]  # a row that is both in the test, as its second, and in training
    train_x, _, test_x, _ = learner.split_and_normalise(x, y, 2, seeded(learner, seed))
    assert_close(test_x[1], train_x[3], name="a test row that also stands in training")


def test_split_and_normalise_draws_the_order_once(learner, probe):
    x, y, seed = table(probe)
    order, generator = order_of(len(x), seed), seeded(learner, seed)
    _, train_y, _, test_y = learner.split_and_normalise(x, y, 4, generator)
    assert_close(test_y, y[order[:4]], name="the test targets")
    assert_close(train_y, y[order[4:]], name="the training targets")
    here = torch.Generator().manual_seed(seed)
    torch.randperm(len(x), generator=here)
    next_there = learner.library("torch").randint(10**9, (3,), generator=generator)
    assert_close(next_there, torch.randint(10**9, (3,), generator=here), name="what the generator draws next")


@pytest.mark.stage("whole")
def test_split_and_normalise_equals_the_reference(learner, reference, probe):
    x, y, seed = table(probe)
    for dtype, targets in ((F64, y), (torch.float32, -0.5 * y)):
        got = learner.split_and_normalise(x.to(dtype), targets, 5, seeded(learner, seed))
        assert_close(got, reference.split_and_normalise(x.to(dtype), targets, 5, seeded(reference, seed)))


@pytest.mark.stage("robust")
def test_split_and_normalise_of_a_constant_feature_gives_zeros(learner, probe):
    x, y, seed = table(probe)
    x[:, 1] = 7.0
    train_x, _, test_x, _ = learner.split_and_normalise(x, y, 10, seeded(learner, seed))
    assert_close(1.0 + train_x, torch.ones_like(train_x), name="1 + a single training row")
    assert_close(1.0 + test_x[:, 1], torch.ones(10, dtype=F64), name="1 + the feature that never changes")


@pytest.mark.stage("robust")
def test_split_and_normalise_divides_a_feature_that_is_constant_in_training_as_any_other(learner, probe):
    x, y, seed = table(probe)
    x[:, 1], order = 7.0, order_of(len(x), seed)
    x[order[0], 1], x[order[1], 1] = 7.5, 3.0
    train_x, _, test_x, _ = learner.split_and_normalise(x, y, 2, seeded(learner, seed))
    assert_close(1.0 + train_x[:, 1], torch.ones(9, dtype=F64), name="1 + the feature in training")
    expected = torch.tensor([0.5, -4.0], dtype=F64) / 1e-5**0.5
    assert_close(test_x[:, 1], expected, name="the feature in the test, where it is another")


# normalise_scores


@pytest.mark.visible
@pytest.mark.stage("shape")
def test_normalise_scores_of_a_case_computed_by_hand(learner):
    scores = torch.tensor([[3.0, 1.0, 4.0], [1.0, 1.0, 2.0]], dtype=F64).log()
    values = torch.tensor([[[4.0], [0.0], [8.0]], [[4.0], [0.0], [-2.0]]], dtype=F64)
    averages, weights = learner.normalise_scores(scores, values)
    assert_close(weights, torch.tensor([[0.375, 0.125, 0.5], [0.25, 0.25, 0.5]], dtype=F64), name="the weights")
    assert_close(averages, torch.tensor([[5.5], [0.0]], dtype=F64), name="the averages")


def test_normalise_scores_keeps_shapes_and_dtype(learner, probe):
    for dtype in (torch.float32, F64):
        averages, weights = learner.normalise_scores(
            probe.tensor("B T", dtype=dtype), probe.tensor("B T D", dtype=dtype)
        )
        assert_shape(averages, probe.shape("B D"), dtype, name="the averages")
        assert_shape(weights, probe.shape("B T"), dtype, name="the weights")


def test_normalise_scores_gives_each_sequence_weights_that_sum_to_one(learner, probe):
    scores, values = probe.tensor("B T", dtype=F64), probe.tensor("B T D", dtype=F64)
    _, weights = learner.normalise_scores(scores, values)
    expected = scores.exp() / scores.exp().sum(dim=1, keepdim=True)
    assert_close(weights, expected, name="the weights")


def test_normalise_scores_treats_each_sequence_by_itself(learner, probe):
    scores, values = probe.tensor("B T", dtype=F64), probe.tensor("B T D", dtype=F64)
    averages, weights = learner.normalise_scores(scores, values)
    for i in range(len(scores)):
        alone = learner.normalise_scores(scores[i : i + 1], values[i : i + 1])
        assert_close(alone, (averages[i : i + 1], weights[i : i + 1]), name=f"sequence {i} by itself")


def test_normalise_scores_averages_along_the_positions(learner, probe):
    scores, values = probe.tensor("B T", dtype=F64), probe.tensor("B T D", dtype=F64)
    averages, weights = learner.normalise_scores(scores, values)
    assert_close(averages, torch.einsum("bt,btd->bd", weights, values), name="the averages")


@pytest.mark.stage("whole")
def test_normalise_scores_and_its_gradients_equal_the_reference(learner, reference, probe):
    given = [probe.tensor("B T", dtype=F64), probe.tensor("B T D", dtype=F64)]
    cotangent = probe.tensor("B D", dtype=F64), probe.tensor("B T", dtype=F64)
    got = learner.vjp("normalise_scores", given, cotangent)
    assert_close(got, reference.vjp("normalise_scores", given, cotangent), name="[results, gradients]")
    assert_gradients(lambda *given: reference.normalise_scores(*given), given, got[1], cotangent)


@pytest.mark.stage("robust")
def test_normalise_scores_survives_huge_scores(learner, reference, probe):
    scores, values = probe.tensor(probe.extreme("B T"), dtype=F64), probe.tensor("B T D", dtype=F64)
    assert_close(learner.normalise_scores(scores, values), reference.normalise_scores(scores, values))


# train_with_exploding_rate


def watched_rates(train, model, loss_function, x, y, optimizer, *options):
    """The rates of all groups in each step of the optimizer."""
    rates = []

    def look(optimizer, args, keywords):
        rates.append([group["lr"] for group in optimizer.param_groups])

    hook = optimizer.register_step_pre_hook(look)
    train(model, loss_function, x, y, optimizer, *options)
    hook.remove()
    return rates


def rates_of(learner, probe, steps, lr, warmup, before=3.0):
    model, ((x, y),) = there(learner, network)(weights(probe)), batches_of(probe, 4)
    optimizer = there(learner, in_two_groups)(model, before, 0.0)
    options = made(learner, MSE), x, y, optimizer, steps, lr, warmup
    return there(learner, watched_rates)(learner.train_with_exploding_rate, model, *options)


@pytest.mark.visible
@pytest.mark.stage("shape")
def test_train_with_exploding_rate_of_a_case_computed_by_hand(learner):
    model = linear(learner, [[8.0]])  # a step at the rate r multiplies it by 1 - 2r: 8, 6, 3, 1.5, 0.75
    x, y, optimizer = torch.ones(1, 1, dtype=F64), torch.zeros(1, 1, dtype=F64), sgd(learner, model, 100.0)
    losses = learner.train_with_exploding_rate(model, made(learner, MSE), x, y, optimizer, 4, lr=0.25, warmup=2)
    assert_close(losses, [64.0, 36.0, 9.0, 2.25], name="the losses")
    assert_close(model.weight.item(), 0.75, name="the weight")


def test_train_with_exploding_rate_warms_up_and_stays(learner, probe):
    for lr in (0.2, 0.00003):
        got = [rate for rate, _ in rates_of(learner, probe, 7, lr, 5)]
        assert_close(got, [0.2 * lr, 0.4 * lr, 0.6 * lr, 0.8 * lr, lr, lr, lr], name=f"the rates up to {lr}")


def test_train_with_exploding_rate_sets_the_rates_of_all_groups(learner, probe):
    for before in (3.0, 0.0):
        got = rates_of(learner, probe, 4, 0.3, 3, before)
        name = f"the rates of the two groups, whose rates were {before} and {2.0 * before}"
        assert_close(got, [[0.1] * 2, [0.2] * 2, [0.3] * 2, [0.3] * 2], name=name)


def test_train_with_exploding_rate_warms_up_again_in_another_training(learner):
    model = linear(learner, [[8.0]])
    x, y, optimizer = torch.ones(1, 1, dtype=F64), torch.zeros(1, 1, dtype=F64), sgd(learner, model, 1.0)
    given = model, made(learner, MSE), x, y, optimizer, 2
    first = learner.train_with_exploding_rate(*given, lr=0.25, warmup=2)  # weights 8, 6, 3
    second = learner.train_with_exploding_rate(*given, lr=0.25, warmup=2)  # weights 3, 2.25, 1.125
    assert_close((first, second), ([64.0, 36.0], [9.0, 5.0625]), name="(the losses, those with the same optimizer)")
    assert_close(model.weight.item(), 1.125, name="the weight")


def test_train_with_exploding_rate_stops_before_the_warm_up_is_over(learner, probe):
    assert_close([rate for rate, _ in rates_of(learner, probe, 3, 0.4, 8)], [0.05, 0.1, 0.15], name="the rates")


def test_train_with_exploding_rate_follows_the_gradient_at_these_rates(learner, probe):
    state, ((x, y),) = weights(probe), batches_of(probe, 5)
    model = there(learner, network)(state)
    there(learner, set_gradients)(model, 0.0)
    losses = learner.train_with_exploding_rate(
        model, made(learner, MSE), x, y, sgd(learner, model, 9.0), steps=5, lr=0.3, warmup=3
    )
    expected, values = descended(state, [lambda state: mse(state, x, y)] * 5, [0.1, 0.2, 0.3, 0.3, 0.3])
    assert_close(losses, values, name="the losses")
    assert_close(dict(model.state_dict()), expected, name="the parameters")


def test_train_with_exploding_rate_still_falls_long_after_the_warm_up(learner):
    model = linear(learner, [[4000.0]])
    x, y = torch.ones(1, 1, dtype=F64), torch.zeros(1, 1, dtype=F64)
    losses = learner.train_with_exploding_rate(
        model, made(learner, MSE), x, y, sgd(learner, model, 1.0), steps=30, lr=0.2, warmup=4
    )
    assert len(losses) == 30, f"30 steps give 30 losses, not {len(losses)}, however small they are"
    assert all(b < a for a, b in zip(losses, losses[1:], strict=False)), "the loss falls in every step"
    assert losses[-1] < 1e-9 * losses[0], "and after 30 steps is less than a billionth of the first"


def test_train_with_exploding_rate_takes_all_its_steps_also_where_the_loss_is_not_finite(learner):
    model = linear(learner, [[1e200]])
    x, y = torch.ones(1, 1, dtype=F64), torch.zeros(1, 1, dtype=F64)
    losses = learner.train_with_exploding_rate(
        model, made(learner, MSE), x, y, sgd(learner, model, 1.0), steps=4, lr=0.2, warmup=2
    )
    # A step multiplies the weight by 0.8, then by 0.6: its square is beyond float64 all the time.
    assert [math.isfinite(loss) for loss in losses] == [False] * 4, f"four losses, none finite, not {losses}"
    assert_close(model.weight.item(), 0.8 * 0.6**3 * 1e200, name="the weight")


@pytest.mark.stage("whole")
def test_train_with_exploding_rate_equals_the_reference_with_momentum(learner, reference, probe):
    state, ((x, y),) = weights(probe), batches_of(probe, 6)

    def run(module):
        model = there(module, network)(state)
        optimizer = there(module, in_two_groups)(model, 5.0, 0.9)
        losses = module.train_with_exploding_rate(model, made(module, ONE_SIDED), x, y, optimizer, 6, 0.15, 4)
        return losses, dict(model.state_dict()), optimizer.param_groups[1]["lr"]

    assert_close(run(learner), run(reference), name="(losses, parameters, the last rate)")


@pytest.mark.stage("robust")
def test_train_with_exploding_rate_with_a_warm_up_of_one_step_has_none(learner, probe):
    assert_close([rate for rate, _ in rates_of(learner, probe, 40, 0.3, 1)], [0.3] * 40, name="the rates")


# overfit_one_batch


def overfitted(state, loss_of, lr=0.01, max_steps=200, target=0.01):
    """The losses of torch's Adam, here."""
    leaves = {name: value.clone().requires_grad_() for name, value in state.items()}
    optimizer, losses = torch.optim.Adam(leaves.values(), lr=lr), []
    while len(losses) < max_steps:
        loss = loss_of(leaves)
        losses.append(loss.item())
        if loss <= target:
            break
        gradients = torch.autograd.grad(loss, list(leaves.values()))
        for leaf, gradient in zip(leaves.values(), gradients, strict=True):
            leaf.grad = gradient
        optimizer.step()
    return losses


CROSS_ENTROPY = "lambda output, y: __import__('torch').nn.functional.cross_entropy(output, y)"


@pytest.mark.stage("shape")
def test_overfit_one_batch_begins_with_the_loss_of_the_untouched_model(learner, probe):
    state, ((x, y),) = weights(probe), batches_of(probe, 4)
    losses = learner.overfit_one_batch(there(learner, network)(state), made(learner, MSE), x, y, max_steps=1)
    assert_close(losses, [mse(state, x, y).item()], name="the losses")


def test_overfit_one_batch_follows_adam_at_the_given_rate(learner, probe):
    state, ((x, y),) = weights(probe), batches_of(probe, 4)
    for lr in (0.003, 0.05):
        model = there(learner, network)(state)
        losses = learner.overfit_one_batch(model, made(learner, MSE), x, y, lr=lr, max_steps=6, target=1e-9)
        expected = overfitted(state, lambda state: mse(state, x, y), lr, 6, 1e-9)
        assert_close(losses, expected, name=f"the losses at the rate {lr}")


def test_overfit_one_batch_stops_with_the_first_loss_below_the_target(learner, probe):
    state, (x, y) = weights(probe), labelled(probe, 5)

    def loss_of(state):
        return cross_entropy(output(state, x), y)

    target = sum(overfitted(state, loss_of, 0.02, 6, 0.0)[4:]) / 2.0  # between the fifth loss and the sixth
    model = there(learner, network)(state)
    losses = learner.overfit_one_batch(model, made(learner, CROSS_ENTROPY), x, y, 0.02, max_steps=60, target=target)
    assert_close(losses, overfitted(state, loss_of, 0.02, 60, target), name="the losses")


def test_overfit_one_batch_is_content_with_exactly_the_target(learner):
    x, y = torch.ones(1, 1, dtype=F64), torch.zeros(1, 1, dtype=F64)
    for weight in (2.0, 3.0):
        losses = learner.overfit_one_batch(linear(learner, [[weight]]), made(learner, MSE), x, y, lr=0.1, target=9.0)
        assert_close(losses, [weight**2], name=f"the losses from the weight {weight} on")


def test_overfit_one_batch_takes_at_most_max_steps_losses(learner, probe):
    state, ((x, y),) = weights(probe), batches_of(probe, 4)
    for max_steps in (1, 4):
        model = there(learner, network)(state)
        losses = learner.overfit_one_batch(model, made(learner, MSE), x, y, max_steps=max_steps, target=0.0)
        expected = overfitted(state, lambda state: mse(state, x, y), max_steps=max_steps, target=0.0)
        assert_close(losses, expected, name=f"the losses, {max_steps} at most")


def test_overfit_one_batch_writes_down_a_loss_that_rises(learner):
    x, y = torch.ones(1, 1, dtype=F64), torch.zeros(1, 1, dtype=F64)
    losses = learner.overfit_one_batch(
        linear(learner, [[0.5]]), made(learner, MSE), x, y, 0.4, max_steps=5, target=1e-6
    )
    expected = overfitted({"w": torch.tensor(0.5, dtype=F64)}, lambda state: state["w"].square(), 0.4, 5, 1e-6)
    assert_close(losses, expected, name="the losses, which fall below 0.02 and rise again")


def test_overfit_one_batch_goes_on_for_max_steps_where_the_loss_is_stuck(learner):
    x, y = torch.ones(1, 1, dtype=F64), torch.zeros(1, 1, dtype=F64)
    above = made(learner, "lambda output, y: (output - y).square().mean() + 1.0")
    losses = learner.overfit_one_batch(linear(learner, [[0.0]]), above, x, y, max_steps=50)
    assert_close(losses, [1.0] * 50, name="the losses, of which none can be below 1")


def test_overfit_one_batch_leaves_frozen_parameters_as_they_are(learner, probe):
    state, ((x, y),) = weights(probe), batches_of(probe, 4)
    model = there(learner, network)(state)
    model[0].requires_grad_(False)
    losses = learner.overfit_one_batch(model, made(learner, MSE), x, y, lr=0.05, max_steps=4, target=0.0)
    fixed, learnt = ({name: value for name, value in state.items() if name[0] == place} for place in "02")
    expected = overfitted(learnt, lambda learnt: mse(fixed | learnt, x, y), 0.05, 4, 0.0)
    assert_close(losses, expected, name="the losses")


def test_overfit_one_batch_works_on_a_copy_of_the_model(learner, probe):
    state = classifier_state(probe)
    x, y = labelled(probe, 5)
    for training in (True, False):
        model = there(learner, classifier)(state, 0.5)
        model.train(training)
        there(learner, set_gradients)(model, 2.0)
        learner.overfit_one_batch(model, made(learner, CROSS_ENTROPY), x, y, 0.1, 3, target=0.0)
        assert_close(dict(model.state_dict()), state, name="the state of the model")
        assert_close(made(learner, MODES)(model), [training] * 5, name="whether each module is in training mode")
        found = [gradient.flatten()[0].item() for gradient in there(learner, gradients_of)(model)]
        assert_close(found, [2.0] * 4, name="the gradients")


def test_overfit_one_batch_leaves_no_gradient_where_none_was(learner, probe):
    model, ((x, y),) = there(learner, network)(weights(probe)), batches_of(probe, 4)
    learner.overfit_one_batch(model, made(learner, MSE), x, y, max_steps=3)
    assert_close(there(learner, gradients_of)(model), [None] * 4, name="the gradients")


def test_overfit_one_batch_trains_in_evaluation_mode(learner, probe):
    state, (x, y) = classifier_state(probe), labelled(probe, 7)
    names = ("0.1.weight", "0.1.bias", "1.weight", "1.bias")
    fixed = {name: value for name, value in state.items() if name not in names}
    expected = overfitted(
        {name: state[name] for name in names}, lambda learnt: cross_entropy(scores(fixed | learnt, x), y), 0.03, 5, 0.0
    )
    model = there(learner, classifier)(state, 0.5)
    there(learner, set_gradients)(model, 7.0)
    losses = learner.overfit_one_batch(model, made(learner, CROSS_ENTROPY), x, y, lr=0.03, max_steps=5, target=0.0)
    assert_close(losses, expected, name="the losses")


@pytest.mark.stage("whole")
def test_overfit_one_batch_equals_the_reference(learner, reference, probe):
    state, ((x, y),) = weights(probe), batches_of(probe, 3)

    def run(module, **options):
        return module.overfit_one_batch(there(module, network)(state), made(module, MSE), x, y, **options)

    assert_close(run(learner, lr=0.1, max_steps=25, target=0.2), run(reference, lr=0.1, max_steps=25, target=0.2))
    assert_close(run(learner, max_steps=4), run(reference, max_steps=4), name="the losses at the usual rate")


@pytest.mark.stage("whole")
def test_overfit_one_batch_takes_200_steps_to_one_hundredth_unless_told(learner):
    x, y = torch.ones(1, 1, dtype=F64), torch.zeros(1, 1, dtype=F64)
    for weight in (0.5, 9.0):
        losses = learner.overfit_one_batch(linear(learner, [[weight]]), made(learner, MSE), x, y)
        expected = overfitted({"w": torch.tensor(weight, dtype=F64)}, lambda state: state["w"].square())
        assert_close(losses, expected, name=f"the losses from the weight {weight} on")


# NanHook


def breaking(kind, at):
    """Four modules, one within another, of which the one called `at` turns large numbers into `kind`; "" is the model."""
    import torch

    class Part(torch.nn.Module):
        def __init__(self, name, inner=None):
            super().__init__()
            self.name, self.inner = name, inner

        def forward(self, x):
            x = x + 1.0 if self.inner is None else self.inner(x)
            return torch.where(x > 50.0, kind, x) if self.name == at else x

    model = Part("", torch.nn.Sequential(Part("inner.0"), Part("inner.1", Part("inner.1.inner")), Part("inner.2")))
    return model.double()


def culprit_of(learner, model, *inputs):
    """Whom a hook blames when the model is run on each of the inputs."""
    hook = learner.NanHook(model)
    for x in inputs:
        model(x)
    return hook.culprit


def row(*values):
    return torch.tensor([values], dtype=F64)


@pytest.mark.stage("shape")
def test_nan_hook_blames_nobody_as_long_as_all_is_finite(learner):
    model = there(learner, breaking)(float("nan"), "inner.1")
    hook = learner.NanHook(model)
    assert_close(hook.culprit, None, name="the culprit before anything ran")
    assert_close(model(row(1.0, 2.0)), row(4.0, 5.0), name="what the watched model computes")
    assert_close(hook.culprit, None, name="the culprit")


def test_nan_hook_names_the_module_that_made_the_first_nan(learner):
    for name in ("inner.0", "inner.1.inner", "inner.1", "inner.2"):
        assert_close(culprit_of(learner, there(learner, breaking)(float("nan"), name), row(99.0, 1.0)), name)


def test_nan_hook_names_the_model_itself_by_the_empty_name(learner):
    for name in ("inner.1", ""):
        assert_close(culprit_of(learner, there(learner, breaking)(float("nan"), name), row(99.0, 1.0)), name)


def test_nan_hook_takes_infinity_for_as_bad(learner):
    for kind in (float("inf"), -float("inf")):
        assert_close(culprit_of(learner, there(learner, breaking)(kind, "inner.1"), row(1.0, 99.0)), "inner.1")


def test_nan_hook_takes_large_numbers_for_fine(learner):
    model = there(learner, breaking)(1.5e308, "inner.1")  # the sum of two of them is beyond float64
    assert_close(culprit_of(learner, model, row(99.0, 98.0), row(-1.5e308, -1.5e308)), None)


def test_nan_hook_does_not_blame_a_module_that_was_fed_such_numbers(learner):
    for bad in (float("nan"), float("inf")):
        model = there(learner, breaking)(float("nan"), "inner.1")
        assert_close(culprit_of(learner, model, row(bad, 1.0)), None, name=f"the culprit when {bad} was fed")


def log_and_root():
    """The root of a logarithm, each a module."""
    import torch

    class Log(torch.nn.Module):
        def forward(self, x):
            return x.log()

    class Root(torch.nn.Module):
        def forward(self, x):
            return x.sqrt()

    return torch.nn.Sequential(Log(), torch.nn.Identity(), Root())


def test_nan_hook_keeps_the_first_culprit(learner):
    model = there(learner, log_and_root)()
    assert_close(
        culprit_of(learner, model, row(0.5), row(-1.0)), "2", name="the culprit: first a root of log ½, then log -1"
    )
    assert_close(culprit_of(learner, model, row(2.0), row(-1.0), row(0.5)), "0", name="the culprit the other way round")
    healthy = culprit_of(learner, model, row(-1.0), row(2.0))
    assert_close(healthy, "0", name="the culprit, after a run in which all was finite")


def test_nan_hook_keeps_the_model_itself_as_the_first_culprit(learner):
    model = there(learner, breaking)(float("nan"), "")
    hook = learner.NanHook(model)
    model(row(99.0))
    made(learner, "lambda model: setattr(model.inner[2], 'forward', lambda x: x / 0.0)")(model)
    model(row(1.0))
    assert_close(hook.culprit, "", name="the culprit, after another module failed too")


def nested(place):
    """A module that is given, and one that returns, a nan deep inside of tuples, lists and dicts."""
    import torch

    class Give(torch.nn.Module):
        def forward(self, x):
            bad = x / 0.0
            return {
                "tuple": (x, bad),
                "list": {"a": [None, 3, (bad,)], "b": x},
                "tensor": bad,
                "fine": [x, {"b": (x,)}],
            }[place]

    class Take(torch.nn.Module):
        def forward(self, data, other=None, scale=None):
            return torch.full((2,), float("nan"))

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.give, self.take, self.again = Give(), Take(), Take()

        def forward(self, x, keyword=False, second=False):
            data = self.give(x)
            if second:
                return self.take(x, data)
            return self.take(x, scale=data) if keyword else self.take(data)

    return Model()


def test_nan_hook_finds_numbers_in_tuples_lists_and_dicts(learner):
    for place in ("tuple", "list", "tensor"):
        assert_close(culprit_of(learner, there(learner, nested)(place), row(1.0, 2.0)), "give", name=f"in a {place}")
    assert_close(culprit_of(learner, there(learner, nested)("fine"), row(1.0, 2.0)), "take", name="all finite")


def test_nan_hook_looks_at_all_that_a_module_was_given(learner):
    for place, name in (("tuple", None), ("list", None), ("fine", "take")):
        model = there(learner, nested)(place)
        hook = learner.NanHook(model.take)
        model(row(1.0, 2.0))
        assert_close(hook.culprit, None if name is None else "", name=f"of a module given a {place}")
        hook.remove()
        hook = learner.NanHook(model.take)
        model(row(1.0, 2.0), keyword=True)
        assert_close(hook.culprit, None if name is None else "", name=f"of a module given a {place} by keyword")
        hook.remove()
        hook = learner.NanHook(model.take)
        model(row(1.0, 2.0), second=True)
        assert_close(hook.culprit, None if name is None else "", name=f"of a module given a {place} behind a tensor")


def test_nan_hook_stops_watching_when_it_is_removed(learner):
    model = there(learner, breaking)(float("nan"), "inner.0")
    kept, removed = learner.NanHook(model), learner.NanHook(model)
    removed.remove()
    model(row(99.0))
    assert_close(
        (kept.culprit, removed.culprit), ("inner.0", None), name="the culprits of one that watches and one removed"
    )
    kept.remove()
    hooks = made(
        learner, "lambda model: sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())"
    )
    assert_close((kept.culprit, hooks(model)), ("inner.0", 0), name="(culprit, hooks left)")


def run_and_differentiate(model, x):
    """What the model computes, and the gradients of its parameters."""
    y = model(x)
    y.square().sum().backward()
    return y.detach(), [parameter.grad for parameter in model.parameters()]


@pytest.mark.stage("whole")
def test_nan_hook_changes_nothing_of_what_is_computed(learner, probe):
    state, x = weights(probe), probe.tensor("N D", dtype=F64)
    model = there(learner, network)(state)
    learner.NanHook(model)
    leaves = {name: value.clone().requires_grad_() for name, value in state.items()}
    y = output(leaves, x)
    expected = y.detach(), list(torch.autograd.grad(y.square().sum(), list(leaves.values())))
    assert_close(there(learner, run_and_differentiate)(model, x), expected, name="(outputs, gradients)")


@pytest.mark.stage("whole")
def test_nan_hook_leaves_the_infinities_and_nans_that_it_finds(learner):
    for kind in (float("inf"), -float("inf"), float("nan")):
        model = there(learner, breaking)(kind, "inner.1")
        hook = learner.NanHook(model)
        found = model(row(99.0, 1.0)).tolist()
        assert_close(hook.culprit, "inner.1", name="the culprit")
        assert repr(found) == repr([[kind, 4.0]]), f"the watched model computes {[[kind, 4.0]]}, not {found}"


@pytest.mark.stage("whole")
def test_nan_hook_equals_the_reference_on_a_network_that_overflows(learner, reference, probe):
    state, place = weights(probe), probe.choice(["0.weight", "2.bias"])
    state[place].flatten()[1] = float("inf")
    x = probe.tensor("N D", dtype=F64)

    def run(module):
        return culprit_of(module, there(module, network)(state), x)

    assert_close(run(learner), run(reference))


@pytest.mark.stage("robust")
def test_nan_hook_takes_tensors_of_whole_numbers(learner):
    torch_there = learner.library("torch")
    model = torch_there.nn.Sequential(torch_there.nn.Embedding(3, 2), torch_there.nn.Linear(2, 1, bias=False))
    model.load_state_dict({"0.weight": torch.ones(3, 2), "1.weight": torch.tensor([[float("inf"), 1.0]])})
    assert_close(culprit_of(learner, model, torch.tensor([0, 2])), "1")


# dead_unit_fraction


@pytest.mark.stage("shape")
def test_dead_unit_fraction_is_a_float_for_each_relu(learner):
    nn = learner.library("torch").nn
    model = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Tanh(), nn.ReLU()))
    got = learner.dead_unit_fraction(model, [torch.tensor([[1.0, -1.0]])])
    assert_close(got, {"0": 0.5, "1.1": 0.5})


def test_dead_unit_fraction_counts_units_that_are_zero_for_every_row_of_every_batch(learner):
    model = learner.library("torch").nn.Sequential(learner.library("torch").nn.ReLU())
    first = torch.tensor([[1.0, -1.0, -1.0, -0.5, -3.0], [-1.0, -1.0, -2.0, 0.0, -1.0]])
    second = torch.tensor([[-1.0, -1.0, 1e-9, -0.5, 0.0]])  # as small as that, it is above zero all the same
    cases = (
        ([second], 0.8),
        ([first], 0.8),
        ([first, second], 0.6),
        ([second, first], 0.6),
        ([first] * 12 + [second], 0.6),
    )
    for batches, expected in cases:
        assert_close(learner.dead_unit_fraction(model, batches), {"0": expected}, name=f"of {len(batches)} batches")


def test_dead_unit_fraction_takes_the_maps_of_a_convolution_for_units(learner, probe):
    model = learner.library("torch").nn.Sequential(learner.library("torch").nn.ReLU())
    n, m, y, x = probe.fix("N", 2), probe.fix("M", 7), probe.fix("Y", 3), probe.fix("X", 5)
    maps = -probe.tensor(n, m, y, x).abs()
    maps[0, 1, 2, 4] = maps[1, 5, 0, 0] = maps[1, 6, 1, 3] = 0.5  # three of the seven are alive, each at one place
    assert_close(learner.dead_unit_fraction(model, [maps]), {"0": 4.0 / 7.0})
    sequences = maps.flatten(start_dim=2)
    assert_close(
        learner.dead_unit_fraction(model, [sequences[:1], sequences[1:]]), {"0": 4.0 / 7.0}, name="of (B, M, T)"
    )


def activations():
    """ReLUs here and there, beside other activations, each with two units that stay and one that a bias kills."""
    import torch

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.ReLU()
            self.others = torch.nn.ModuleList([torch.nn.LeakyReLU(), torch.nn.Sigmoid(), torch.nn.GELU()])
            self.deep = torch.nn.ModuleDict(
                {"a": torch.nn.Sequential(torch.nn.Identity(), torch.nn.ReLU(inplace=True))}
            )

        def forward(self, x):
            y = self.first(x)
            for other in self.others:
                other(x)
            return self.deep["a"](-x) + y

    return Model()


def test_dead_unit_fraction_looks_at_relus_wherever_they_stand_and_at_nothing_else(learner):
    x = torch.tensor([[1.0, -1.0, 2.0, 3.0], [2.0, -1.0, -2.0, 0.0]])
    assert_close(learner.dead_unit_fraction(there(learner, activations)(), [x]), {"first": 0.25, "deep.a.1": 0.5})


def test_dead_unit_fraction_of_a_relu_that_runs_twice_counts_both(learner):
    twice = "lambda nn: nn.Sequential(relu := nn.ReLU(), nn.Linear(3, 3), relu)"
    model = made(learner, twice)(learner.library("torch").nn)
    model.load_state_dict({"1.weight": -torch.eye(3).flip(0), "1.bias": torch.tensor([1.0, 0.0, -1.0])})
    # (2, 0, 0) is behind the first, (1, 0, -3) before the second: the first unit is alive; with (0, 5, 0) the second too.
    assert_close(learner.dead_unit_fraction(model, [torch.tensor([[2.0, -1.0, 0.0]])]), {"0": 2.0 / 3.0})
    assert_close(learner.dead_unit_fraction(model, [torch.tensor([[-2.0, 5.0, 0.0]])]), {"0": 1.0 / 3.0})


def modes_and_gradients_seen(function, model, batches):
    """For each time the model ran: whether in training mode, whether gradients were recorded."""
    import torch

    seen = []
    hook = model.register_forward_pre_hook(
        lambda module, inputs: seen.append((module.training, torch.is_grad_enabled()))
    )
    function(model, batches)
    hook.remove()
    return seen


def test_dead_unit_fraction_runs_the_model_as_it_is_without_recording(learner, probe):
    batches = [probe.tensor(4, probe.size("D")), probe.tensor(3, probe.size("D"))]
    model = made(learner, "lambda nn, d: nn.Sequential(nn.Linear(d, 5), nn.ReLU())")(
        learner.library("torch").nn, probe.size("D")
    )
    for training in (True, False):
        model.train(training)
        seen = there(learner, modes_and_gradients_seen)(learner.dead_unit_fraction, model, batches)
        assert_close(seen, [(training, False)] * 2, name="(training mode, gradients recorded) of each run")
        assert_close(
            made(learner, MODES)(model), [training] * 3, name="whether each module is in training mode afterwards"
        )


def test_dead_unit_fraction_leaves_no_hooks(learner, probe):
    model, seen = there(learner, activations)(), []
    model.first.register_forward_hook(lambda module, inputs, output: seen.append(True))  # somebody else's, which stays
    learner.dead_unit_fraction(model, [probe.tensor("N D")])
    hooks = made(
        learner, "lambda model: sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())"
    )
    assert_close(hooks(model), 1, name="the hooks left in the model")
    model(probe.tensor("N D"))
    assert_close(len(seen), 2, name="how often the hook was called that had been there before")


def test_dead_unit_fraction_leaves_the_recording_of_gradients_switched_on_or_off_as_it_was(learner, probe):
    nn = learner.library("torch").nn
    got = there(learner, recording_after)(learner.dead_unit_fraction, nn.Sequential(nn.ReLU()), [probe.tensor("N D")])
    assert_close(got, [True, False], name="whether gradients are recorded afterwards")


@pytest.mark.stage("whole")
def test_dead_unit_fraction_equals_the_reference(learner, reference, probe):
    c, m, k = probe.shape("C M K")
    state = {
        "0.weight": probe.tensor(m, c, 2, 3),
        "0.bias": 4.0 * probe.tensor(m),
        "2.weight": probe.tensor(k, m, 1, 1),
    }
    state["2.bias"] = -6.0 + 6.0 * probe.tensor(k)
    make = (
        "lambda nn, m, c, k: nn.Sequential(nn.Conv2d(c, m, (2, 3)), nn.ReLU(), nn.Conv2d(m, k, 1), nn.ReLU(), nn.Flatten(),"
        " nn.Unflatten(1, (-1, 2)), nn.ReLU())"
    )
    batches = [probe.tensor(rows, c, 3, 4) for rows in (2, 4)]

    def run(module):
        model = made(module, make)(module.library("torch").nn, m, c, k)
        model.load_state_dict(state)
        return module.dead_unit_fraction(model, batches)

    assert_close(run(learner), run(reference))


@pytest.mark.stage("robust")
def test_dead_unit_fraction_goes_through_the_batches_once(learner):
    model = learner.library("torch").nn.Sequential(learner.library("torch").nn.ReLU())
    batches = made(learner, "lambda batches: iter(batches)")(
        [torch.tensor([[1.0, -1.0]]), torch.tensor([[-1.0, -2.0]])]
    )
    assert_close(learner.dead_unit_fraction(model, batches), {"0": 0.5})


@pytest.mark.stage("robust")
def test_dead_unit_fraction_of_a_model_without_relus_is_empty(learner, probe):
    model = learner.library("torch").nn.Sequential(learner.library("torch").nn.Tanh())
    assert_close(learner.dead_unit_fraction(model, [probe.tensor("N D")]), {})
