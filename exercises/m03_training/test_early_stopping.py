"""Public checks of early stopping: run `pytest exercises/m03_training/test_early_stopping.py`."""

import math

import pytest
import torch

from autograder.testing import assert_close


def network(learner):
    """A model with parameters and with running statistics that are none."""
    nn = learner.library("torch.nn")
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def weights(probe, epoch):
    """A state for `network`, other in every epoch."""
    shapes = {
        "0.weight": "2 3",
        "0.bias": "2",
        "1.weight": "2",
        "1.bias": "2",
        "1.running_mean": "2",
        "1.running_var": "2",
    }
    return {name: probe.tensor(shape) for name, shape in shapes.items()} | {
        "1.num_batches_tracked": torch.tensor(epoch)
    }


def run(learner, probe, metrics, **options):
    """Tell a new EarlyStopping these metrics. It, the model, the weights of every epoch, and what it answered."""
    stopping, model = learner.EarlyStopping(**options), network(learner)
    states, answers = [weights(probe, epoch) for epoch in range(len(metrics))], []
    for metric, state in zip(metrics, states, strict=True):
        model.load_state_dict(state)  # an epoch of training: it writes into the tensors that the model has
        answers.append(stopping.step(metric, model))
    return stopping, model, states, answers


@pytest.mark.stage("shape")
def test_early_stopping_answers_with_a_bool(learner, probe):
    *_, answers = run(learner, probe, (2.0, 3.0), patience=1)
    assert all(isinstance(answer, bool) for answer in answers), "step answers True or False"


def test_early_stopping_says_stop_after_as_many_epochs_as_patience_says(learner, probe):
    *_, answers = run(learner, probe, (2.0, 2.0, 3.0, 2.5), patience=3)
    assert_close(answers, [False, False, False, True])


def test_early_stopping_counts_again_from_zero_after_an_improvement(learner, probe):
    *_, answers = run(learner, probe, (4.0, 5.0, 3.0, 5.0, 4.5), patience=2)
    assert_close(answers, [False, False, False, False, True])


def test_early_stopping_in_mode_max_wants_the_metric_to_rise(learner, probe):
    stopping, *_, answers = run(learner, probe, (-4.0, -3.0, -3.5), patience=1, mode="max")
    assert_close(answers, [False, False, True])
    assert_close([stopping.best, stopping.best_epoch], [-3.0, 1], name="best and best_epoch")


def test_early_stopping_wants_more_than_min_delta(learner, probe):
    stopping, *_, answers = run(learner, probe, (8.0, 7.5, 7.0, 6.5, 6.0), patience=3, min_delta=1.0)
    assert_close(answers, [False] * 5)
    assert_close([stopping.best, stopping.best_epoch], [6.5, 3], name="best and best_epoch")


def test_early_stopping_leaves_the_model_as_it_is(learner, probe):
    _, model, states, _ = run(learner, probe, (5.0, 3.0, 4.0), patience=1)
    assert_close(model.state_dict(), states[2], name="the weights after the last epoch")


def test_early_stopping_brings_back_the_weights_of_the_best_epoch(learner, probe):
    stopping, model, states, _ = run(learner, probe, (5.0, 3.0, 4.0, 6.0), patience=9)
    stopping.restore(model)
    assert_close(model.state_dict(), states[1], name="the restored weights")


def test_early_stopping_keeps_its_copy_for_another_time(learner, probe):
    stopping, model, states, _ = run(learner, probe, (5.0, 3.0, 4.0), patience=9)
    stopping.restore(model)
    model.load_state_dict(weights(probe, 50))  # the restored model is trained further
    stopping.restore(model)
    assert_close(model.state_dict(), states[1], name="the weights restored for the second time")


@pytest.mark.stage("robust")
def test_early_stopping_takes_nan_for_no_improvement(learner, probe):
    stopping, *_, answers = run(learner, probe, (3.0, math.nan, math.nan), patience=2)
    assert_close(answers, [False, False, True])
    assert_close([stopping.best, stopping.best_epoch], [3.0, 0], name="best and best_epoch")


@pytest.mark.stage("robust")
def test_early_stopping_has_nothing_to_restore_before_an_improvement(learner):
    with pytest.raises(RuntimeError):
        learner.EarlyStopping().restore(network(learner))


@pytest.mark.stage("robust")
def test_early_stopping_refuses_options_that_make_no_sense(learner):
    for options in ({"patience": 0}, {"min_delta": -0.1}, {"mode": "least"}):
        with pytest.raises(ValueError):
            learner.EarlyStopping(**options)
