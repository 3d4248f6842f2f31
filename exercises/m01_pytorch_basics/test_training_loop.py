"""Public checks of the training loop: run `pytest exercises/m01_pytorch_basics/test_training_loop.py`."""

import pytest
import torch

from autograder.testing import assert_close


def made(learner, text):
    """A function written as text."""
    return learner.library("builtins").eval(text)


def matrix(number):
    return torch.tensor([[number]], dtype=torch.float64)


def line(learner, weight):
    """A linear layer with one weight and no bias, in float64."""
    model = learner.library("torch").nn.Linear(1, 1, bias=False)
    model.double()
    model.load_state_dict({"weight": matrix(weight)})
    return model


def sgd(learner, model, lr):
    return learner.library("torch").optim.SGD(model.parameters(), lr=lr)


def mse(learner):
    return learner.library("torch").nn.functional.mse_loss


def pairs(*batches):
    """Batches (x, y) of float64 columns, y being zeros."""
    columns = [torch.tensor(batch, dtype=torch.float64)[:, None] for batch in batches]
    return [(column, torch.zeros_like(column)) for column in columns]


def normalization(learner):
    """A batch normalization of one feature, in float64: its running mean is 0, its running variance 1."""
    layer = learner.library("torch").nn.BatchNorm1d(1)
    layer.double()
    return layer


@pytest.mark.stage("shape")
def test_train_one_epoch_returns_a_float(learner):
    model = line(learner, 1.0)
    loss = learner.train_one_epoch(model, pairs([1.0, 2.0]), sgd(learner, model, 0.1), mse(learner))
    assert isinstance(loss, float), "the mean loss is a float"


def test_train_one_epoch_of_a_case_computed_by_hand(learner):
    model = line(learner, 1.0)
    loss = learner.train_one_epoch(model, pairs([1.0, 2.0], [4.0]), sgd(learner, model, 0.1), mse(learner))
    assert_close(model.weight, matrix(-1.1), name="the weight")  # 1 - 0.1·5 - 0.1·16
    assert_close(loss, 3.0, name="the mean loss")  # (2 · 2.5 + 4) / 3


def test_train_one_epoch_clears_gradients_that_were_there_before(learner):
    model = line(learner, 1.0)
    made(learner, "lambda model, x: model(x).sum().backward()")(model, matrix(7.0))
    learner.train_one_epoch(model, pairs([1.0]), sgd(learner, model, 0.25), mse(learner))
    assert_close(model.weight, matrix(0.5), name="the weight")


def test_train_one_epoch_trains_in_training_mode_with_each_batch_once(learner):
    model = learner.library("torch").nn.Sequential(normalization(learner), line(learner, 1.0))
    model.eval()
    learner.train_one_epoch(model, pairs([1.0, 3.0], [5.0, 7.0]), sgd(learner, model, 0.1), mse(learner))
    state = model.state_dict()
    assert_close(state["0.num_batches_tracked"], torch.tensor(2), name="the batches that the normalization has seen")
    assert_close(model.training, True, name="model.training")


@pytest.mark.stage("shape")
def test_evaluate_returns_a_float(learner):
    assert isinstance(learner.evaluate(line(learner, 1.0), pairs([1.0, 2.0]), mse(learner)), float), "it is a float"


def test_evaluate_of_a_case_computed_by_hand(learner):
    loss = learner.evaluate(line(learner, 2.0), pairs([1.0, 2.0], [0.5]), mse(learner))
    assert_close(loss, 7.0)  # (4 + 16 + 1) / 3


def test_evaluate_records_nothing_for_a_backward_pass(learner):
    model = line(learner, 2.0)
    peek = "lambda module, given, output: 1000.0 + output if output.requires_grad else output"
    model.register_forward_hook(made(learner, peek))
    assert_close(learner.evaluate(model, pairs([1.0, 2.0], [0.5]), mse(learner)), 7.0)


def test_evaluate_uses_evaluation_mode_and_changes_nothing(learner):
    layer = normalization(learner)
    before = dict(layer.state_dict())
    loss = learner.evaluate(layer, pairs([1.0, 3.0], [5.0]), mse(learner))
    assert_close(loss, 35.0 / 3.0 / (1.0 + 1e-5), name="the loss")  # without any normalization by the batch
    assert_close(dict(layer.state_dict()), before, name="the state_dict")


def test_evaluate_puts_every_module_back_into_its_own_mode(learner):
    nn = learner.library("torch").nn
    model = nn.Sequential(nn.Tanh(), nn.Sequential(nn.Tanh(), nn.Tanh()))
    model[1][0].eval()
    modes = made(learner, "lambda model: [module.training for module in model.modules()]")
    learner.evaluate(model, pairs([1.0]), mse(learner))
    assert_close(modes(model), [True, True, True, False, True], name="training of every module")
    model.eval()
    learner.evaluate(model, pairs([1.0]), mse(learner))
    assert_close(modes(model), [False] * 5, name="training of every module")


@pytest.mark.stage("shape")
def test_fit_returns_two_lists_with_a_float_for_every_epoch(learner):
    model = line(learner, 1.0)
    history = learner.fit(model, pairs([1.0]), pairs([2.0]), sgd(learner, model, 0.1), mse(learner), 3)
    assert isinstance(history, dict) and sorted(history) == ["train", "validation"], "the keys: train and validation"
    assert [len(losses) for losses in history.values()] == [3, 3], "an entry for every epoch in both"


def test_fit_of_a_case_computed_by_hand(learner):
    model, x = line(learner, 4.0), torch.ones(2, 1, dtype=torch.float64)
    history = learner.fit(model, pairs([1.0]), [(x, x)], sgd(learner, model, 0.25), mse(learner), epochs=3)
    assert_close(history, {"train": [16.0, 4.0, 1.0], "validation": [1.0, 0.0, 0.25]})  # the weight: 4, 2, 1, ½
    assert_close(model.weight, matrix(0.5), name="the weight")


def test_fit_goes_on_in_training_mode_after_each_validation(learner):
    model = learner.library("torch").nn.Sequential(normalization(learner), line(learner, 1.0))
    optimizer = sgd(learner, model, 0.1)
    learner.fit(model, pairs([1.0, 3.0]), pairs([5.0, 7.0]), optimizer, mse(learner), epochs=4)
    assert_close(model.state_dict()["0.num_batches_tracked"], torch.tensor(4), name="the batches it was trained on")


@pytest.mark.stage("robust")
def test_fit_for_no_epochs_changes_nothing(learner):
    model = line(learner, 4.0)
    history = learner.fit(model, pairs([1.0]), pairs([2.0]), sgd(learner, model, 0.25), mse(learner), epochs=0)
    assert_close([history, model.weight], [{"train": [], "validation": []}, matrix(4.0)])
