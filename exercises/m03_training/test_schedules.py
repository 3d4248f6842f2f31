"""Public checks of the schedules: run `pytest exercises/m03_training/test_schedules.py`."""

import pytest
import torch
from torch.optim import lr_scheduler

from autograder.testing import assert_close


def torch_rates(make, lr, steps):
    """The learning rates that a scheduler of torch gives one after the other."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler, rates = make(optimizer), []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def rates(schedule, steps, *args, **options):
    """The learning rates of a schedule at the given steps."""
    return [schedule(step, *args, **options) for step in steps]


@pytest.mark.stage("shape")
def test_step_decay_returns_a_float(learner):
    assert isinstance(learner.step_decay(3, 8.0, 2, 0.5), float), "a learning rate is a float"


def test_step_decay_of_a_case_computed_by_hand(learner):
    assert_close(rates(learner.step_decay, range(7), 8.0, 3, 0.25), [8.0, 8.0, 8.0, 2.0, 2.0, 2.0, 0.5])


@pytest.mark.stage("whole")
def test_step_decay_gives_the_rates_of_torch(learner, probe):
    lr = probe.scalar(0.2, 3.0)
    expected = torch_rates(lambda optimizer: lr_scheduler.StepLR(optimizer, 4), lr, 10)
    assert_close(rates(learner.step_decay, range(10), lr, 4), expected)


@pytest.mark.stage("shape")
def test_exponential_decay_returns_a_float(learner):
    assert isinstance(learner.exponential_decay(3, 8.0, 0.5, 2), float), "a learning rate is a float"


def test_exponential_decay_of_a_case_computed_by_hand(learner):
    assert_close(rates(learner.exponential_decay, range(5), 8.0, 0.25, 2), [8.0, 4.0, 2.0, 1.0, 0.5])


@pytest.mark.stage("whole")
def test_exponential_decay_gives_the_rates_of_torch(learner, probe):
    lr, gamma = probe.scalar(0.2, 3.0), probe.scalar(0.2, 0.8)
    expected = torch_rates(lambda optimizer: lr_scheduler.ExponentialLR(optimizer, gamma), lr, 8)
    assert_close(rates(learner.exponential_decay, range(8), lr, gamma), expected)


@pytest.mark.stage("shape")
def test_cosine_annealing_returns_a_float(learner):
    assert isinstance(learner.cosine_annealing(3, 8.0, 7), float), "a learning rate is a float"


def test_cosine_annealing_of_a_case_computed_by_hand(learner):
    assert_close(rates(learner.cosine_annealing, (0, 2, 3, 4, 6), 10.0, 6, 2.0), [10.0, 8.0, 6.0, 4.0, 2.0])


def test_cosine_annealing_stays_at_the_end(learner):
    assert_close(rates(learner.cosine_annealing, (6, 7, 9, 12), 10.0, 6, 2.0), [2.0, 2.0, 2.0, 2.0])


@pytest.mark.stage("whole")
def test_cosine_annealing_gives_the_rates_of_torch(learner, probe):
    lr = probe.scalar(0.2, 3.0)
    expected = torch_rates(lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, 9, 0.1), lr, 10)
    assert_close(rates(learner.cosine_annealing, range(10), lr, 9, 0.1), expected)


@pytest.mark.stage("shape")
def test_linear_warmup_cosine_returns_a_float(learner):
    for step in (1, 6, 11):
        assert isinstance(learner.linear_warmup_cosine(step, 8.0, 4, 10), float), "a learning rate is a float"


def test_linear_warmup_cosine_of_a_case_computed_by_hand(learner):
    found = rates(learner.linear_warmup_cosine, (0, 1, 3, 4, 6, 8, 10, 12), 8.0, 4, 10, 4.0)
    assert_close(found, [0.0, 2.0, 6.0, 8.0, 7.0, 5.0, 4.0, 4.0])


def test_linear_warmup_cosine_without_a_warm_up_only_goes_down(learner):
    assert_close(rates(learner.linear_warmup_cosine, (0, 2, 4, 6), 8.0, 0, 6), [8.0, 6.0, 2.0, 0.0])


@pytest.mark.stage("robust")
def test_linear_warmup_cosine_refuses_a_warm_up_that_does_not_fit(learner):
    for warmup in (-1, 5, 6):
        with pytest.raises(ValueError):
            learner.linear_warmup_cosine(2, 8.0, warmup, 5)


@pytest.mark.stage("shape")
def test_one_cycle_returns_a_float(learner):
    assert isinstance(learner.one_cycle(1, 8.0, 9), float), "a learning rate is a float"


def test_one_cycle_of_a_case_computed_by_hand(learner):
    options = {"max_lr": 8.0, "total_steps": 8, "pct_start": 0.5, "div_factor": 4.0, "final_div_factor": 2.0}
    assert_close(rates(learner.one_cycle, (0, 1, 2, 3, 5, 7), **options), [2.0, 3.5, 6.5, 8.0, 4.5, 1.0])


@pytest.mark.stage("whole")
def test_one_cycle_gives_the_rates_of_torch(learner, probe):
    lr = probe.scalar(0.2, 3.0)
    expected = torch_rates(lambda optimizer: lr_scheduler.OneCycleLR(optimizer, lr, 23, cycle_momentum=False), 9.0, 23)
    assert_close(rates(learner.one_cycle, range(23), lr, 23), expected)


@pytest.mark.stage("robust")
def test_one_cycle_refuses_a_step_that_it_does_not_have(learner):
    for step in (-1, 9):
        with pytest.raises(ValueError):
            learner.one_cycle(step, 8.0, 9)


def follow(schedule, metrics):
    """The rate after every metric."""
    return [schedule.step(metric) for metric in metrics]


@pytest.mark.stage("shape")
def test_reduce_on_plateau_keeps_its_rate_in_lr_and_returns_it(learner):
    schedule = learner.ReduceOnPlateau(1.0, factor=0.5, patience=0)
    assert_close(schedule.lr, 1.0, name="lr before the first metric")
    assert_close(follow(schedule, [2.0, 3.0]), [1.0, 0.5])
    assert_close(schedule.lr, 0.5, name="lr after a reduction")


def test_reduce_on_plateau_of_a_case_computed_by_hand(learner):
    schedule = learner.ReduceOnPlateau(1.0, factor=0.5, patience=1)
    metrics = [4.0, 3.0, 3.5, 3.0, 2.0, 2.5, 2.5, 2.5, 2.5]
    assert_close(follow(schedule, metrics), [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125])


def test_reduce_on_plateau_wants_a_share_of_the_best_as_improvement(learner):
    schedule = learner.ReduceOnPlateau(1.0, factor=0.5, patience=1, threshold=0.25)
    assert_close(follow(schedule, [8.0, 6.5, 5.5, 5.0, 4.5]), [1.0, 1.0, 1.0, 1.0, 0.5])


def test_reduce_on_plateau_in_mode_max_wants_the_metric_to_rise(learner):
    schedule = learner.ReduceOnPlateau(1.0, mode="max", factor=0.5, patience=0, threshold=0.25)
    assert_close(follow(schedule, [4.0, 5.5, 6.0, 8.0]), [1.0, 1.0, 0.5, 0.5])


def test_reduce_on_plateau_counts_no_bad_epochs_while_it_cools_down(learner):
    schedule = learner.ReduceOnPlateau(1.0, factor=0.5, patience=0, cooldown=2)
    assert_close(follow(schedule, [2.0, 2.0, 2.0, 2.0, 2.0, 2.0]), [1.0, 0.5, 0.5, 0.5, 0.25, 0.25])


def test_reduce_on_plateau_goes_no_lower_than_min_lr(learner):
    schedule = learner.ReduceOnPlateau(1.0, factor=0.5, patience=0, min_lr=0.3)
    assert_close(follow(schedule, [2.0] * 4), [1.0, 0.5, 0.3, 0.3])


@pytest.mark.stage("whole")
def test_reduce_on_plateau_gives_the_rates_of_torch(learner, probe):
    options = {"mode": "min", "factor": 0.6, "patience": 2, "threshold": 0.1, "cooldown": 2, "min_lr": 0.1}
    metrics = [float(noise) * (0.3 + 0.9**i) for i, noise in enumerate(probe.uniform(40, 0.75, 1.25))]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    scheduler, expected = lr_scheduler.ReduceLROnPlateau(optimizer, eps=0.0, **options), []
    for metric in metrics:
        scheduler.step(metric)
        expected.append(optimizer.param_groups[0]["lr"])
    assert_close(follow(learner.ReduceOnPlateau(2.0, **options), metrics), expected)


@pytest.mark.stage("robust")
def test_reduce_on_plateau_refuses_a_mode_or_a_factor_that_makes_no_sense(learner):
    for options in ({"mode": "least"}, {"factor": 1.0}, {"factor": 0.0}):
        with pytest.raises(ValueError):
            learner.ReduceOnPlateau(1.0, **options)
