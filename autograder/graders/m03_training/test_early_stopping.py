"""Hidden checks of early stopping: when it says stop, which epoch it calls the best, and the weights it brings back."""

import math

import pytest
import torch

from autograder.testing import assert_close


def network(module):
    """A model where the submission is, with parameters and with running statistics that are none."""
    nn = module.library("torch.nn")
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


def run(module, probe, metrics, **options):
    """Tell a new EarlyStopping these metrics. It, the model, the weights of every epoch, and what it answered."""
    stopping, model = module.EarlyStopping(**options), network(module)
    states, answers = [weights(probe, epoch) for epoch in range(len(metrics))], []
    for metric, state in zip(metrics, states, strict=True):
        model.load_state_dict(state)  # an epoch of training: it writes into the tensors that the model has
        answers.append(stopping.step(metric, model))
    return stopping, model, states, answers


def answers(module, metrics, **options):
    """What a new EarlyStopping answers to these metrics."""
    stopping, model = module.EarlyStopping(**options), network(module)
    return [stopping.step(metric, model) for metric in metrics]


def drawn(probe, epochs=12):
    """Metrics of both signs that go up and down."""
    return [float(f"{metric:.3g}") for metric in probe.normal(epochs)]


# What it answers


@pytest.mark.stage("shape")
def test_early_stopping_answers_with_a_bool(learner):
    for answer in answers(learner, (2.0, 3.0, 3.0), patience=2):
        assert isinstance(answer, bool), "step answers True or False"


@pytest.mark.stage("shape")
def test_early_stopping_knows_no_best_before_the_first_epoch(learner):
    for mode, best in (("min", math.inf), ("max", -math.inf)):
        stopping = learner.EarlyStopping(mode=mode)
        assert_close(stopping.best, best, name="best")
        assert stopping.best_epoch is None, "best_epoch is None before the first improvement"


def test_early_stopping_goes_on_while_the_metric_gets_better(learner):
    assert_close(answers(learner, [2.0 - 0.125 * i for i in range(8)], patience=1), [False] * 8)
    assert_close(answers(learner, [0.125 * i - 2.0 for i in range(8)], patience=1, mode="max"), [False] * 8)


def test_early_stopping_says_stop_after_as_many_epochs_as_patience_says(learner):
    for patience in (1, 2, 4):
        found = answers(learner, [2.0] * (patience + 2), patience=patience)
        assert_close(found, [False] * patience + [True, True], name=f"the answers with patience {patience}")


def test_early_stopping_counts_again_from_zero_after_an_improvement(learner):
    found = answers(learner, (4.0, 5.0, 5.0, 3.0, 5.0, 5.0, 2.0, 5.0, 5.0, 5.0), patience=3)
    assert_close(found, [False] * 9 + [True])


def test_early_stopping_compares_with_the_best_and_not_with_the_last(learner):
    assert_close(answers(learner, (2.0, 6.0, 5.0, 4.0), patience=3), [False] * 3 + [True])


def test_early_stopping_in_mode_max_wants_the_metric_to_rise(learner):
    assert_close(answers(learner, (2.0, 3.0, 2.5, 1.0), patience=2, mode="max"), [False] * 3 + [True])


def test_early_stopping_wants_more_than_min_delta(learner):
    for mode, sign in (("min", 1.0), ("max", -1.0)):
        metrics = [sign * metric for metric in (8.0, 7.25, 6.5, 6.2, 6.0, 7.0, 7.0)]  # 6.0 is only 0.5 better than 6.5
        found = answers(learner, metrics, patience=2, min_delta=0.625, mode=mode)
        assert_close(found, [False] * 4 + [True] * 3, name=f"the answers in mode {mode!r}")


def test_early_stopping_takes_min_delta_for_an_amount_and_not_for_a_share(learner):
    assert_close(answers(learner, (100.0, 99.0, 98.0, 97.75), patience=1, min_delta=0.5), [False] * 3 + [True])
    assert_close(answers(learner, (0.5, 0.25, 0.125), patience=1, min_delta=0.2), [False, False, True])


def test_early_stopping_of_an_improvement_by_exactly_min_delta_is_none(learner):
    for mode, sign in (("min", 1.0), ("max", -1.0)):
        found = answers(learner, [sign * 4.0, sign * 3.5], patience=1, min_delta=0.5, mode=mode)
        assert_close(found, [False, True], name=f"the answers in mode {mode!r}")


def test_early_stopping_takes_no_best_from_an_improvement_that_is_too_small(learner):
    stopping, model = learner.EarlyStopping(patience=3, min_delta=0.125), network(learner)
    found = [stopping.step(metric, model) for metric in (1.0, 0.95, 2.0, 0.85)]  # 0.85 is 0.15 better than the best
    assert_close(found, [False] * 4, name="the answers")
    assert_close([stopping.best, stopping.best_epoch], [0.85, 3], name="best and best_epoch")


# What it remembers


def test_early_stopping_remembers_the_best_metric_and_its_epoch(learner, probe):
    stopping, *_ = run(learner, probe, (5.0, 3.0, 4.0, 2.0, 6.0), patience=9)
    assert_close([stopping.best, stopping.best_epoch], [2.0, 3], name="best and best_epoch")
    stopping, *_ = run(learner, probe, (-5.0, -3.0, -4.0, -3.5), patience=9, mode="max")
    assert_close([stopping.best, stopping.best_epoch], [-3.0, 1], name="best and best_epoch in mode max")


def test_early_stopping_of_two_equal_metrics_keeps_the_first(learner, probe):
    stopping, model, states, _ = run(learner, probe, (5.0, 3.0, 4.0, 3.0), patience=9)
    assert_close(stopping.best_epoch, 1, name="best_epoch")
    model.load_state_dict(weights(probe, 60))
    stopping.restore(model)
    assert_close(model.state_dict(), states[1], name="the restored weights")


def test_early_stopping_leaves_the_model_as_it_is(learner, probe):
    for metrics, kind in (((5.0, 3.0, 4.0), "bad"), ((5.0, 4.0, 3.0), "good"), ((3.0, 4.0, 5.0), "last")):
        stopping, model, states, _ = run(learner, probe, metrics, patience=2)
        assert_close(model.state_dict(), states[2], name=f"the weights after a {kind} epoch")
    for training in (True, False):
        model.train(training)
        stopping.step(2.0, model)
        assert model.training is training, "step leaves the model in the mode it was in"


def test_early_stopping_brings_back_the_weights_of_the_best_epoch(learner, probe):
    for metrics, best in (((5.0, 3.0, 4.0, 6.0), 1), ((2.0, 3.0, 4.0), 0), ((4.0, 3.0, 2.0), 2)):
        stopping, model, states, _ = run(learner, probe, metrics, patience=9)
        model.load_state_dict(weights(probe, 60))
        stopping.restore(model)
        found = {name: value for name, value in model.state_dict().items() if name.startswith("0.")}
        assert_close(found, {name: states[best][name] for name in found}, name="the restored parameters")


def test_early_stopping_brings_back_what_is_no_parameter_too(learner, probe):
    stopping, model, states, _ = run(learner, probe, (5.0, 3.0, 4.0, 6.0), patience=9)
    stopping.restore(model)
    assert_close(model.state_dict(), states[1], name="the restored state")


def test_early_stopping_keeps_its_copy_for_another_time(learner, probe):
    stopping, model, states, _ = run(learner, probe, (5.0, 3.0, 4.0), patience=9)
    stopping.restore(model)
    assert_close(model.state_dict(), states[1], name="the restored weights")
    model.load_state_dict(weights(probe, 50))  # the restored model is trained further
    stopping.restore(model)
    assert_close(model.state_dict(), states[1], name="the weights restored for the second time")


def test_early_stopping_restores_into_the_model_it_is_given(learner, probe):
    stopping, model, states, _ = run(learner, probe, (5.0, 3.0, 4.0), patience=9)
    other = network(learner)
    stopping.restore(other)
    assert_close(other.state_dict(), states[1], name="the weights of the other model")
    assert_close(model.state_dict(), states[2], name="the weights of the model that was trained")
    stopping.restore(model)
    assert_close(model.state_dict(), states[1], name="the weights of the model that was trained, restored too")


def test_early_stopping_restores_into_the_tensors_that_the_optimizer_moves(learner, probe):
    nn, library = learner.library("torch.nn"), learner.library("torch")
    model = nn.Linear(3, 2, bias=False)
    optimizer = library.optim.SGD(model.parameters(), lr=0.5)
    best, gradient = probe.tensor("2 3"), probe.tensor("2 3")
    stopping = learner.EarlyStopping()
    model.load_state_dict({"weight": best})
    stopping.step(2.0, model)
    model.load_state_dict({"weight": probe.tensor("2 3")})
    stopping.restore(model)
    library.autograd.backward(model.parameters(), [gradient])
    optimizer.step()
    assert_close(model.weight, best - 0.5 * gradient, name="the weight after a further step")


# All of it


@pytest.mark.stage("whole")
def test_early_stopping_equals_the_reference(learner, reference, probe):
    metrics, seen = drawn(probe), []
    states = [weights(probe, epoch) for epoch in range(len(metrics))]
    for mode in ("min", "max"):
        for module in (learner, reference):
            stopping, model = module.EarlyStopping(patience=3, min_delta=0.125, mode=mode), network(module)
            found = []
            for metric, state in zip(metrics, states, strict=True):
                model.load_state_dict(state)
                found.append([stopping.step(metric, model), stopping.best, stopping.best_epoch])
            stopping.restore(model)
            seen.append([found, model.state_dict()])
        assert_close(seen[-2], seen[-1], name=f"what it tells and restores in mode {mode!r}")


@pytest.mark.stage("whole")
def test_early_stopping_stops_and_restores_where_a_search_for_the_best_does(learner, probe):
    metrics = drawn(probe)
    for mode, extreme in (("min", min), ("max", max)):
        stopping, model, states, found = run(learner, probe, metrics, patience=2, mode=mode)
        bests = [metrics.index(extreme(metrics[: epoch + 1])) for epoch in range(len(metrics))]  # so far, at each epoch
        assert_close(
            found, [epoch - best >= 2 for epoch, best in enumerate(bests)], name=f"the answers in mode {mode!r}"
        )
        stopping.restore(model)
        assert_close(model.state_dict(), states[bests[-1]], name=f"the weights restored in mode {mode!r}")


# Edges


@pytest.mark.stage("robust")
def test_early_stopping_waits_for_five_epochs_unless_told_otherwise(learner):
    metrics = (4.0, 4.0 - 1e-9, 4.0, 4.0, 5.0, 4.0, 4.0)
    assert_close(answers(learner, metrics), [False] * 6 + [True])


@pytest.mark.stage("robust")
def test_early_stopping_takes_nan_for_no_improvement(learner, probe):
    for mode in ("min", "max"):
        metrics = (math.nan, 3.0, math.nan, math.nan, 3.0, 3.0)
        stopping, model, states, found = run(learner, probe, metrics, patience=2, mode=mode)
        assert_close(found, [False] * 3 + [True] * 3, name=f"the answers in mode {mode!r}")
        assert_close([stopping.best, stopping.best_epoch], [3.0, 1], name="best and best_epoch")
        stopping.restore(model)
        assert_close(model.state_dict(), states[1], name="the restored weights")
        found = answers(learner, [math.nan] * 3, patience=2, mode=mode)
        assert_close(found, [False, True, True], name=f"the answers to nan alone in mode {mode!r}")


@pytest.mark.stage("robust")
def test_early_stopping_takes_any_first_metric_for_an_improvement(learner, probe):
    for mode, first in (("min", 1e20), ("max", -1e20)):
        stopping, *_, found = run(learner, probe, (first,), patience=1, min_delta=0.5, mode=mode)
        assert_close([found[0], stopping.best_epoch], [False, 0], name=f"answer and best_epoch in mode {mode!r}")


@pytest.mark.stage("robust")
def test_early_stopping_goes_on_after_a_stop_that_was_not_obeyed(learner):
    found = answers(learner, (4.0, 5.0, 5.0, 3.0, 5.0, 5.0, 5.0), patience=2)
    assert_close(found, [False, False, True, False, False, True, True])


@pytest.mark.stage("robust")
def test_early_stopping_of_two_models_keeps_them_apart(learner, probe):
    pairs = [(learner.EarlyStopping(patience=2, mode=mode), network(learner)) for mode in ("min", "max")]
    states = [[weights(probe, epoch) for epoch in range(2)] for _ in pairs]
    for epoch in range(2):
        for (stopping, model), metrics, own in zip(pairs, ((1.0, 2.0), (3.0, 4.0)), states, strict=True):
            model.load_state_dict(own[epoch])
            stopping.step(metrics[epoch], model)
    for (stopping, model), own, best in zip(pairs, states, (0, 1), strict=True):
        stopping.restore(model)
        assert_close([model.state_dict(), stopping.best_epoch], [own[best], best])


@pytest.mark.stage("robust")
def test_early_stopping_keeps_every_digit_of_double_precision(learner, probe):
    model, stopping = network(learner), learner.EarlyStopping()
    model.double()
    best = {name: value.double() + 1e-9 for name, value in weights(probe, 1).items()}
    model.load_state_dict(best)
    stopping.step(2.0, model)
    model.load_state_dict(weights(probe, 2))
    stopping.restore(model)
    found = model.state_dict()
    assert_close(found["0.weight"], best["0.weight"], name="the restored weight")
    assert torch.equal(found["1.running_mean"], best["1.running_mean"]), "the running mean comes back exactly"


@pytest.mark.stage("robust")
def test_early_stopping_has_nothing_to_restore_before_an_improvement(learner):
    model = network(learner)
    stopping = learner.EarlyStopping()
    with pytest.raises(RuntimeError):
        stopping.restore(model)
    stopping.step(math.nan, model)
    assert stopping.best_epoch is None, "best_epoch is None before the first improvement"
    with pytest.raises(RuntimeError):
        stopping.restore(model)


@pytest.mark.stage("robust")
def test_early_stopping_refuses_options_that_make_no_sense(learner):
    for options in ({"patience": 0}, {"patience": -1}, {"min_delta": -0.1}, {"mode": "least"}, {"mode": "MAX"}):
        with pytest.raises(ValueError):
            learner.EarlyStopping(**options)
