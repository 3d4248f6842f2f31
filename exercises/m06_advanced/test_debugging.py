"""Public checks of the repaired programs and the three tools: run `pytest exercises/m06_advanced/test_debugging.py`."""

import math

import pytest
import torch

from autograder.testing import assert_close, assert_shape

F64 = torch.float64
MSE = "lambda output, y: (output - y).square().mean()"
TRAINING = "lambda model: [module.training for module in model.modules()]"


def made(module, text):
    """A function written as text, made where the module's code runs."""
    return module.library("builtins").eval(text)


def linear(module, weight):
    """A linear layer without a bias, in float64."""
    weight = torch.tensor(weight, dtype=F64)
    model = module.library("torch").nn.Linear(*weight.shape[::-1], bias=False)
    model.double()
    model.load_state_dict({"weight": weight})
    return model


def sgd(module, model, lr):
    return module.library("torch").optim.SGD(model.parameters(), lr=lr)


def rows(*values):
    return torch.tensor(values, dtype=F64)


@pytest.mark.stage("shape")
def test_train_without_memory_halves_a_weight_in_each_of_three_steps(learner):
    model = linear(learner, [[8.0]])
    batches = [(rows([1.0]), rows([0.0]))]
    history = learner.train_without_memory(model, made(learner, MSE), batches, sgd(learner, model, 0.25), epochs=3)
    assert_close(history, [64.0, 16.0, 4.0], name="the history")
    assert_close(model.weight.item(), 1.0, name="the weight")


def test_train_without_memory_takes_a_step_for_each_batch(learner):
    model = linear(learner, [[8.0]])
    batches = [(rows([1.0], [1.0]), rows([0.0], [0.0])), (rows([1.0]), rows([6.0]))]  # to a half; half the way to 6
    history = learner.train_without_memory(model, made(learner, MSE), batches, sgd(learner, model, 0.25), epochs=2)
    assert_close(history, [(64.0 + 4.0) / 2.0, (25.0 + 12.25) / 2.0], name="the history")
    assert_close(model.weight.item(), 4.25, name="the weight")


def test_train_without_memory_starts_without_the_gradients_that_were_there(learner):
    model = linear(learner, [[8.0]])
    made(learner, "lambda model: setattr(model.weight, 'grad', model.weight.detach() * 5)")(model)
    batches = [(rows([1.0]), rows([0.0]))]
    learner.train_without_memory(model, made(learner, MSE), batches, sgd(learner, model, 0.25), epochs=1)
    assert_close(model.weight.item(), 4.0, name="the weight")


@pytest.mark.stage("shape")
def test_train_with_double_softmax_starts_from_the_cross_entropy_of_one_half(learner):
    model = linear(learner, [[0.0], [0.0]])
    x, y = rows([1.0], [1.0]), torch.tensor([0, 0])
    losses = learner.train_with_double_softmax(model, x, y, sgd(learner, model, 1.0), steps=2)
    assert_close(losses, [math.log(2.0), math.log(1.0 + math.exp(-1.0))], name="the losses")


def test_train_with_double_softmax_moves_by_probability_minus_one_for_the_right_class(learner):
    model = linear(learner, [[math.log(6.0)], [math.log(3.0)], [0.0]])  # p = 0.6, 0.3, 0.1
    learner.train_with_double_softmax(model, rows([1.0]), torch.tensor([1]), sgd(learner, model, 1.0), steps=1)
    expected = rows([math.log(6.0) - 0.6], [math.log(3.0) + 0.7], [-0.1])
    assert_close(model.state_dict()["weight"], expected, name="the weights")


@pytest.mark.stage("robust")
def test_train_with_double_softmax_survives_huge_logits(learner):
    model = linear(learner, [[900.0], [-900.0]])
    losses = learner.train_with_double_softmax(model, rows([1.0]), torch.tensor([1]), sgd(learner, model, 1.0), steps=1)
    assert_close(losses, [1800.0], name="the losses")
    assert_close(model.state_dict()["weight"], rows([899.0], [-899.0]), name="the weights")


@pytest.mark.stage("shape")
def test_evaluate_model_uses_the_running_statistics(learner):
    model = learner.library("torch").nn.BatchNorm1d(
        2, affine=False
    )  # running mean 0, running variance 1: nothing happens
    batches = [(torch.tensor([[5.0, 1.0], [7.0, 4.0], [6.0, 4.0]]), torch.tensor([0, 0, 0]))]
    assert_close(learner.evaluate_model(model, batches), 1.0)
    assert_close(model.running_mean, torch.zeros(2), name="the running mean afterwards")


def test_evaluate_model_drops_nothing_and_weighs_rows_the_same(learner):
    nn = learner.library("torch").nn
    model, x = nn.Sequential(nn.Dropout(0.9), nn.Identity()), torch.tensor([[2.0, 1.0], [0.0, 3.0], [1.0, 2.0]])
    batches = [(x[:2], torch.tensor([0, 1])), (x[2:], torch.tensor([0]))]
    twice = [learner.evaluate_model(model, batches) for _ in range(2)]
    assert_close(twice, [2.0 / 3.0] * 2, name="two evaluations in a row")


def test_evaluate_model_gives_a_model_back_in_the_mode_it_was_in(learner):
    nn = learner.library("torch").nn
    model = nn.Sequential(nn.Dropout(0.5), nn.Identity())
    for training in (True, False):
        model.train(training)
        learner.evaluate_model(model, [(torch.eye(2), torch.tensor([0, 1]))])
        assert_close(made(learner, TRAINING)(model), [training] * 3, name="whether each module is in training mode")


@pytest.mark.stage("shape")
def test_train_through_detach_trains_the_encoder(learner):
    encoder, head = linear(learner, [[3.0], [4.0]]), linear(learner, [[0.0, 5.0]])
    optimizer = sgd(learner, encoder, 0.25)
    losses = learner.train_through_detach(encoder, head, rows([1.0]), rows([0.0]), optimizer, steps=1)
    assert_close(losses, [16.0], name="the losses")
    # The gradient of the features (0.6, 0.8) is (0, 40); of that (-3.84, 2.88) is left behind the scaling.
    assert_close(encoder.state_dict()["weight"], rows([3.96], [3.28]), name="the encoder")


def test_train_through_detach_trains_the_head(learner):
    encoder, head = linear(learner, [[3.0], [4.0]]), linear(learner, [[0.0, 5.0]])
    optimizer = sgd(learner, head, 0.125)
    learner.train_through_detach(encoder, head, rows([1.0], [-1.0]), rows([0.0], [0.0]), optimizer, steps=1)
    assert_close(head.state_dict()["weight"], rows([-0.6, 4.2]), name="the head")  # its gradient is 8 · (0.6, 0.8)


@pytest.mark.stage("shape")
def test_split_and_normalise_keeps_the_test_rows_out_of_the_mean(learner):
    x, y = rows([1.0], [2.0], [4.0], [8.0]), torch.tensor([0, 1, 2, 3])
    generator = learner.library("torch").Generator()
    generator.manual_seed(4)
    train_x, train_y, test_x, test_y = learner.split_and_normalise(x, y, 1, generator)
    assert_close([*test_y.tolist(), *train_y.tolist()], torch.randperm(4, generator=torch.Generator().manual_seed(4)).tolist(),
                 name="the targets of test and training rows")  # fmt: skip
    mean, variance = x[train_y].mean(), (x[train_y] - x[train_y].mean()).square().mean()
    assert_close(train_x, (x[train_y] - mean) / (variance + 1e-5).sqrt(), name="the training rows")
    assert_close(test_x, (x[test_y] - mean) / (variance + 1e-5).sqrt(), name="the test rows")


def test_split_and_normalise_treats_each_feature_by_itself(learner, probe):
    x, y = 3.0 + probe.tensor(11, probe.size("D"), dtype=F64), torch.arange(11)
    generator = learner.library("torch").Generator()
    train_x, _, test_x, _ = learner.split_and_normalise(x, y, 4, generator)
    assert_shape(train_x, (7, x.shape[1]), F64, name="the training rows")
    assert_shape(test_x, (4, x.shape[1]), F64, name="the test rows")
    assert_close(
        1.0 + train_x.mean(dim=0), torch.ones(x.shape[1], dtype=F64), name="1 + the means of the training rows"
    )


@pytest.mark.stage("shape")
def test_normalise_scores_of_a_case_computed_by_hand(learner):
    scores = rows([3.0, 1.0, 4.0], [1.0, 1.0, 2.0]).log()
    values = torch.tensor([[[4.0], [0.0], [8.0]], [[4.0], [0.0], [-2.0]]], dtype=F64)
    averages, weights = learner.normalise_scores(scores, values)
    assert_close(weights, rows([0.375, 0.125, 0.5], [0.25, 0.25, 0.5]), name="the weights")
    assert_close(averages, rows([5.5], [0.0]), name="the averages")


def test_normalise_scores_of_one_sequence_is_an_average(learner, probe):
    values = probe.tensor("1 T D", dtype=F64)
    averages, _ = learner.normalise_scores(torch.full((1, values.shape[1]), 1000.0, dtype=F64), values)
    assert_close(averages, values.mean(dim=1), name="the average with equal scores")


@pytest.mark.stage("shape")
def test_train_with_exploding_rate_of_a_case_computed_by_hand(learner):
    model = linear(learner, [[8.0]])  # a step at the rate r multiplies it by 1 - 2r: 8, 6, 3, 1.5, 0.75
    optimizer = sgd(learner, model, 100.0)
    losses = learner.train_with_exploding_rate(
        model, made(learner, MSE), rows([1.0]), rows([0.0]), optimizer, steps=4, lr=0.25, warmup=2
    )
    assert_close(losses, [64.0, 36.0, 9.0, 2.25], name="the losses")
    assert_close(model.weight.item(), 0.75, name="the weight")


def test_train_with_exploding_rate_sets_the_rates_of_all_groups(learner):
    groups = "lambda sgd, model: sgd([{'params': [model.weight]}, {'params': [model.bias], 'lr': 7.0}], lr=3.0)"
    model = learner.library("torch").nn.Linear(1, 1)
    optimizer = made(learner, groups)(learner.library("torch").optim.SGD, model)
    learner.train_with_exploding_rate(
        model, made(learner, MSE), torch.ones(1, 1), torch.ones(1, 1), optimizer, 5, 0.2, 4
    )
    assert_close([group["lr"] for group in optimizer.param_groups], [0.2, 0.2], name="the rates behind the warm-up")


def test_overfit_one_batch_stops_at_the_target(learner):
    model, x, y = linear(learner, [[1.0]]), rows([1.0]), rows([0.0])
    losses = learner.overfit_one_batch(model, made(learner, MSE), x, y, lr=0.25, max_steps=50, target=0.5)
    assert_close([round(loss, 2) for loss in losses], [1.0, 0.56, 0.25], name="the losses")
    assert_close(
        learner.overfit_one_batch(model, made(learner, MSE), x, y, target=1.0), [1.0], name="with a target of 1"
    )


def test_overfit_one_batch_takes_at_most_max_steps_losses(learner):
    losses = learner.overfit_one_batch(
        linear(learner, [[9.0]]), made(learner, MSE), rows([1.0]), rows([0.0]), max_steps=4
    )
    assert_close([round(loss, 2) for loss in losses], [81.0, 80.82, 80.64, 80.46], name="the losses at the rate 0.01")


def test_overfit_one_batch_works_on_a_copy_in_evaluation_mode(learner):
    nn = learner.library("torch").nn
    model = made(learner, "lambda nn: nn.Sequential(nn.BatchNorm1d(1), nn.Dropout(0.5), nn.Linear(1, 1))")(nn)
    x, y, before = torch.tensor([[5.0], [6.0], [7.0]]), torch.tensor([[1.0], [2.0], [3.0]]), dict(model.state_dict())
    twice = [learner.overfit_one_batch(model, made(learner, MSE), x, y, max_steps=5, target=0.0) for _ in range(2)]
    assert_close([round(a, 5) for a in twice[0]], [round(b, 5) for b in twice[1]], name="the losses of a second run")
    assert_close(dict(model.state_dict()), before, name="the state of the model")
    assert_close(made(learner, TRAINING)(model), [True] * 4, name="whether each module is in training mode")


def overflowing(module):
    """A linear layer that overflows for large numbers, with a softmax behind it, in a module of their own."""
    model = made(module, "lambda nn: nn.Sequential(nn.Sequential(nn.Linear(1, 1), nn.Softmax(1)), nn.Identity())")
    model = model(module.library("torch").nn)
    model.load_state_dict({"0.0.weight": torch.tensor([[1e30]]), "0.0.bias": torch.tensor([0.0])})
    return model


def test_nan_hook_names_the_module_that_made_the_first_bad_number(learner):
    model = overflowing(learner)
    hook = learner.NanHook(model)
    for x, culprit in ((2.0, None), (float("inf"), None), (1e30, "0.0"), (1.0, "0.0")):
        model(torch.tensor([[x]]))
        assert_close(hook.culprit, culprit, name=f"the culprit after {x:g}")


def test_nan_hook_keeps_the_model_itself_as_the_first_culprit(learner):
    model = overflowing(learner)
    made(learner, "lambda model: setattr(model, 'forward', lambda x: model[0](x) / (x - 1.0))")(model)
    hook = learner.NanHook(model)
    for x in (1.0, 1e30):
        model(torch.tensor([[x]]))
    assert_close(hook.culprit, "")


def test_nan_hook_finds_numbers_in_what_is_given_and_returned(learner):
    model = overflowing(learner)
    forward = "lambda model: setattr(model[0][1], 'forward', lambda data: {'a': [None, data['a'] / data['b'][0]]})"
    made(learner, forward)(model)
    outer = "lambda model: setattr(model[0], 'forward', lambda x: model[0][1]({'a': x, 'b': (x - 1.0,)})['a'][1])"
    made(learner, outer)(model)
    for x, culprit in ((2.0, None), (float("nan"), None), (1.0, "0.1")):
        hook = learner.NanHook(model)
        model(torch.tensor([[x]]))
        assert_close(hook.culprit, culprit, name=f"the culprit after {x:g}")


def test_nan_hook_stops_watching_when_it_is_removed(learner):
    model = overflowing(learner)
    hook = learner.NanHook(model)
    hook.remove()
    model(torch.tensor([[1e30]]))
    assert_close(hook.culprit, None)


@pytest.mark.stage("shape")
def test_dead_unit_fraction_is_a_float_for_each_relu(learner):
    nn = learner.library("torch").nn
    model = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Tanh(), nn.ReLU()))
    assert_close(learner.dead_unit_fraction(model, [torch.tensor([[1.0, -1.0]])]), {"0": 0.5, "1.1": 0.5})


def test_dead_unit_fraction_counts_units_that_are_zero_for_every_row_of_every_batch(learner):
    nn = learner.library("torch").nn
    model = nn.Sequential(nn.Identity(), nn.ReLU())
    batches = [torch.tensor([[1.0, -1.0, 0.0, -2.0]]), torch.tensor([[-1.0, 2.0, 0.0, -3.0], [-1.0, -2.0, -1.0, -3.0]])]
    for _ in range(2):
        assert_close(learner.dead_unit_fraction(model, batches), {"1": 0.5})


def test_dead_unit_fraction_takes_the_maps_of_a_convolution_for_units(learner):
    model = learner.library("torch").nn.Sequential(learner.library("torch").nn.ReLU())
    maps = -torch.ones(2, 5, 2, 3)
    maps[1, 3, 0, 2] = 0.5
    assert_close(learner.dead_unit_fraction(model, [maps]), {"0": 0.8})


def test_dead_unit_fraction_leaves_the_model_as_it_was(learner):
    nn = learner.library("torch").nn
    model = nn.Sequential(nn.Dropout(1.0), nn.ReLU())  # in training mode all units are dead
    assert_close(learner.dead_unit_fraction(model, [torch.ones(3, 2)]), {"1": 1.0})
    hooks = made(
        learner, "lambda model: sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())"
    )
    assert_close(hooks(model), 0, name="the hooks left in the model")
    assert_close(made(learner, TRAINING)(model), [True] * 3, name="whether each module is in training mode")
