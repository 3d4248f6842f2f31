"""Hidden checks of the schedules: at their ends, on their way, and step by step beside torch's own."""

import math

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


def mixed(schedule, steps, *kinds):
    """The learning rates of several schedules of one function, asked for in turn."""
    return [schedule(step, *options) for step in steps for options in kinds]


def peak(probe):
    return probe.scalar(0.2, 3.0)


# step_decay


@pytest.mark.stage("shape")
def test_step_decay_returns_a_float(learner, probe):
    assert isinstance(learner.step_decay(3, peak(probe), 2, 0.5), float), "a learning rate is a float"


def test_step_decay_begins_with_the_rate_it_was_given(learner, probe):
    lr = peak(probe)
    assert_close(learner.step_decay(0, lr, 5, 0.3), lr)


def test_step_decay_keeps_the_rate_until_the_last_step_before_the_drop(learner, probe):
    lr, size = peak(probe), probe.size("S", at_least=3)
    assert_close(rates(learner.step_decay, range(size), lr, size, 0.3), [lr] * size)


def test_step_decay_drops_at_every_multiple_of_step_size(learner, probe):
    lr, gamma = peak(probe), probe.scalar(0.2, 0.8)
    for size in (probe.size("S", at_least=3), 100 * probe.size("S")):
        for drop in (1, 2, 3):
            before, at, after = rates(learner.step_decay, [drop * size + i for i in (-1, 0, 1)], lr, size, gamma)
            assert_close([at, after], [gamma * before] * 2, name=f"the rates after drop {drop}")


@pytest.mark.stage("whole")
def test_step_decay_equals_the_reference(learner, reference, probe):
    lr, size, gamma = peak(probe), probe.size("S"), probe.scalar(0.2, 0.8)
    options = {"lr": lr, "step_size": size, "gamma": gamma}
    steps = range(4 * size + 2)
    assert_close(rates(learner.step_decay, steps, **options), rates(reference.step_decay, steps, **options))


@pytest.mark.stage("whole")
def test_step_decay_gives_the_rates_of_torch(learner, probe):
    lr, size, gamma = peak(probe), probe.size("S"), probe.scalar(0.2, 0.8)
    expected = torch_rates(lambda optimizer: lr_scheduler.StepLR(optimizer, size, gamma), lr, 25)
    assert_close(rates(learner.step_decay, range(25), lr, size, gamma), expected)


@pytest.mark.stage("robust")
def test_step_decay_divides_by_ten_unless_told_otherwise(learner, probe):
    lr = peak(probe)
    assert_close(rates(learner.step_decay, (6, 7, 14), lr, 7), [lr, 0.1 * lr, 0.01 * lr])


@pytest.mark.stage("robust")
def test_step_decay_does_not_depend_on_what_was_asked_before(learner, reference, probe):
    lr, steps = peak(probe), probe.permutation(12).tolist()
    kinds = ((lr, 4, 0.7), (0.5 * lr, 4, 0.7), (lr, 3, 0.7), (lr, 4, 0.6))
    assert_close(mixed(learner.step_decay, steps, *kinds), mixed(reference.step_decay, steps, *kinds))


@pytest.mark.stage("robust")
def test_step_decay_may_let_the_rate_grow_and_may_drop_at_every_step(learner, probe):
    lr = peak(probe)
    assert_close(rates(learner.step_decay, range(4), lr, 1, 1.5), [lr * 1.5**step for step in range(4)])


@pytest.mark.stage("robust")
def test_step_decay_has_no_lower_bound(learner, probe):
    lr = 1e-3 * peak(probe)
    assert_close(
        learner.step_decay(50, lr, 5, 0.1) / (1e-10 * lr), 1.0, name="the rate, as a share of what it should be"
    )
    assert_close(learner.step_decay(50, lr, 1, 0.9), 0.9**50 * lr)


# exponential_decay


@pytest.mark.stage("shape")
def test_exponential_decay_returns_a_float(learner, probe):
    assert isinstance(learner.exponential_decay(3, peak(probe), 0.5, 2), float), "a learning rate is a float"


def test_exponential_decay_begins_with_the_rate_it_was_given(learner, probe):
    lr = peak(probe)
    assert_close(learner.exponential_decay(0, lr, 0.3, 5), lr)


def test_exponential_decay_has_fallen_by_gamma_after_decay_steps(learner, probe):
    lr, gamma = peak(probe), probe.scalar(0.2, 0.8)
    expected = [gamma * lr, gamma**2 * lr, gamma**3 * lr]
    for over in (probe.size("S", at_least=3), 100 * probe.size("S")):
        assert_close(rates(learner.exponential_decay, (over, 2 * over, 3 * over), lr, gamma, over), expected)


def test_exponential_decay_falls_by_one_share_at_every_step(learner, probe):
    lr, over, gamma = peak(probe), probe.size("S", at_least=3), probe.scalar(0.2, 0.8)
    found = rates(learner.exponential_decay, range(2 * over + 1), lr, gamma, over)
    quotients = [after / before for before, after in zip(found, found[1:], strict=False)]
    assert_close(quotients, [gamma ** (1 / over)] * (2 * over), name="each rate divided by the one before")


@pytest.mark.stage("whole")
def test_exponential_decay_equals_the_reference(learner, reference, probe):
    options = {"lr": peak(probe), "gamma": probe.scalar(0.2, 0.8), "decay_steps": probe.size("S")}
    steps = range(20)
    expected = rates(reference.exponential_decay, steps, **options)
    assert_close(rates(learner.exponential_decay, steps, **options), expected)


@pytest.mark.stage("whole")
def test_exponential_decay_gives_the_rates_of_torch(learner, probe):
    lr, over, gamma = peak(probe), probe.size("S"), probe.scalar(0.2, 0.8)
    expected = torch_rates(lambda optimizer: lr_scheduler.ExponentialLR(optimizer, gamma), lr, 12)
    assert_close(rates(learner.exponential_decay, range(12), lr, gamma), expected, name="the rates at decay_steps = 1")
    expected = torch_rates(lambda optimizer: lr_scheduler.ExponentialLR(optimizer, gamma ** (1 / over)), lr, 12)
    assert_close(rates(learner.exponential_decay, range(12), lr, gamma, over), expected)


@pytest.mark.stage("robust")
def test_exponential_decay_takes_off_a_tenth_of_the_rate_unless_told_otherwise(learner, probe):
    lr = peak(probe)
    assert_close(rates(learner.exponential_decay, (1, 2, 7), lr), [0.9 * lr, 0.81 * lr, 0.9**7 * lr])


@pytest.mark.stage("robust")
def test_exponential_decay_does_not_depend_on_what_was_asked_before(learner, reference, probe):
    lr, steps = peak(probe), probe.permutation(12).tolist()
    kinds = ((lr, 0.7, 4), (0.5 * lr, 0.7, 4), (lr, 0.6, 4), (lr, 0.7, 3))
    assert_close(mixed(learner.exponential_decay, steps, *kinds), mixed(reference.exponential_decay, steps, *kinds))


@pytest.mark.stage("robust")
def test_exponential_decay_may_let_the_rate_grow_or_stay(learner, probe):
    lr = peak(probe)
    assert_close(rates(learner.exponential_decay, (0, 1, 2, 4, 6), lr, 2.25, 2), [lr * 1.5**i for i in (0, 1, 2, 4, 6)])
    assert_close(rates(learner.exponential_decay, (0, 1, 9), lr, 1.0, 2), [lr] * 3, name="the rates at gamma = 1")


@pytest.mark.stage("robust")
def test_exponential_decay_has_no_lower_bound(learner, probe):
    lr = 1e-3 * peak(probe)
    assert_close(learner.exponential_decay(55, lr, 0.1, 5), 1e-11 * lr)


# cosine_annealing


def valley(probe):
    """A largest and a smallest rate."""
    return probe.scalar(0.8, 3.0), probe.scalar(0.1, 0.5)


@pytest.mark.stage("shape")
def test_cosine_annealing_returns_a_float(learner, probe):
    assert isinstance(learner.cosine_annealing(3, *valley(probe)[:1], 7), float), "a learning rate is a float"
    assert isinstance(learner.cosine_annealing(8, *valley(probe)[:1], 7, 0.1), float), "also after the last step"


def test_cosine_annealing_begins_at_lr_and_arrives_at_min_lr(learner, probe):
    lr, low = valley(probe)
    assert_close(rates(learner.cosine_annealing, (0, 13), lr, 13, low), [lr, low])


def test_cosine_annealing_is_in_the_middle_after_half_the_steps(learner, probe):
    lr, low = valley(probe)
    assert_close(learner.cosine_annealing(7, lr, 14, low), (lr + low) / 2)


def test_cosine_annealing_has_gone_a_quarter_of_the_way_after_a_third_of_the_steps(learner, probe):
    lr, low = valley(probe)
    expected = [0.75 * lr + 0.25 * low, 0.25 * lr + 0.75 * low]
    assert_close(rates(learner.cosine_annealing, (5, 10), lr, 15, low), expected)


def test_cosine_annealing_stays_at_the_end(learner, probe):
    lr, low = valley(probe)
    assert_close(rates(learner.cosine_annealing, (11, 12, 16, 22, 33, 1000), lr, 11, low), [low] * 6)


@pytest.mark.stage("whole")
def test_cosine_annealing_equals_the_reference(learner, reference, probe):
    lr, low = valley(probe)
    options = {"lr": lr, "total_steps": probe.size("T", at_least=5), "min_lr": low}
    steps = range(options["total_steps"] + 4)
    assert_close(rates(learner.cosine_annealing, steps, **options), rates(reference.cosine_annealing, steps, **options))


@pytest.mark.stage("whole")
def test_cosine_annealing_gives_the_rates_of_torch(learner, probe):
    (lr, low), total = valley(probe), probe.size("T", at_least=5)
    expected = torch_rates(lambda opt: lr_scheduler.CosineAnnealingLR(opt, total, low), lr, total + 1)
    assert_close(rates(learner.cosine_annealing, range(total + 1), lr, total, low), expected)


@pytest.mark.stage("robust")
def test_cosine_annealing_goes_down_to_zero_unless_told_otherwise(learner, probe):
    lr, _ = valley(probe)
    assert_close(rates(learner.cosine_annealing, (3, 6, 9, 12), lr, 9), [0.75 * lr, 0.25 * lr, 0.0, 0.0])


@pytest.mark.stage("robust")
def test_cosine_annealing_takes_fractions_of_a_step(learner, probe):
    lr, low = valley(probe)
    middle, quarter = (lr + low) / 2, 0.75 * lr + 0.25 * low
    assert_close(learner.cosine_annealing(2.25, lr, 4.5, low), middle, name="the rate at step 2.25 of 4.5")
    assert_close(learner.cosine_annealing(0.5, lr, 1.5, low), quarter, name="the rate at step 0.5 of 1.5")
    assert_close(learner.cosine_annealing(4.75, lr, 4.5, low), low, name="the rate at step 4.75 of 4.5")
    assert_close(learner.cosine_annealing(0.25, lr, 0.5, low), middle, name="the rate at step 0.25 of 0.5")


@pytest.mark.stage("robust")
def test_cosine_annealing_rises_to_a_larger_rate(learner, probe):
    lr, low = valley(probe)
    found = rates(learner.cosine_annealing, (0, 2, 3, 6, 7), low, 6, lr)
    assert_close(found, [low, 0.75 * low + 0.25 * lr, (lr + low) / 2, lr, lr])


@pytest.mark.stage("robust")
def test_cosine_annealing_does_not_depend_on_what_was_asked_before(learner, reference, probe):
    (lr, low), steps = valley(probe), probe.permutation(10).tolist()
    kinds = ((lr, 7, low), (2.0 * lr, 7, low), (lr, 8, low), (lr, 7, 0.5 * low))
    assert_close(mixed(learner.cosine_annealing, steps, *kinds), mixed(reference.cosine_annealing, steps, *kinds))


# linear_warmup_cosine


def ramp(probe):
    """All options of a warm-up, away from their defaults."""
    lr, low = valley(probe)
    warmup = probe.size("W", at_least=3)
    return {"lr": lr, "warmup_steps": warmup, "total_steps": warmup + probe.size("T", at_least=5), "min_lr": low}


@pytest.mark.stage("shape")
def test_linear_warmup_cosine_returns_a_float(learner, probe):
    options = ramp(probe)
    for step in (1, options["warmup_steps"] + 1, options["total_steps"] + 1):
        assert isinstance(learner.linear_warmup_cosine(step, **options), float), "a learning rate is a float"


def test_linear_warmup_cosine_begins_at_zero(learner, probe):
    assert_close(learner.linear_warmup_cosine(0, **ramp(probe)), 0.0)


def test_linear_warmup_cosine_rises_by_equal_parts(learner, probe):
    options = ramp(probe)
    found = rates(learner.linear_warmup_cosine, range(options["warmup_steps"]), **options)
    expected = [options["lr"] * step / options["warmup_steps"] for step in range(options["warmup_steps"])]
    assert_close(found, expected)


def test_linear_warmup_cosine_is_at_the_top_after_its_warm_up(learner, probe):
    options = ramp(probe)
    assert_close(learner.linear_warmup_cosine(options["warmup_steps"], **options), options["lr"])


def test_linear_warmup_cosine_arrives_at_min_lr_with_the_last_step_and_stays(learner, probe):
    options = ramp(probe)
    steps = [options["total_steps"] + more for more in (0, 1, 2, 7, 100)]
    assert_close(rates(learner.linear_warmup_cosine, steps, **options), [options["min_lr"]] * 5)


def test_linear_warmup_cosine_is_half_way_down_half_way_between_top_and_end(learner, probe):
    options = ramp(probe) | {"warmup_steps": 5, "total_steps": 19}
    assert_close(learner.linear_warmup_cosine(12, **options), (options["lr"] + options["min_lr"]) / 2)


@pytest.mark.stage("whole")
def test_linear_warmup_cosine_equals_the_reference(learner, reference, probe):
    options = ramp(probe)
    steps = range(options["total_steps"] + 3)
    expected = rates(reference.linear_warmup_cosine, steps, **options)
    assert_close(rates(learner.linear_warmup_cosine, steps, **options), expected)


@pytest.mark.stage("whole")
def test_linear_warmup_cosine_gives_the_rates_of_torch(learner, probe):
    options = ramp(probe)
    lr, warmup, total, low = options.values()

    def make(optimizer):
        # A line from as good as zero: torch takes no start at zero itself.
        rise = lr_scheduler.LinearLR(optimizer, start_factor=1e-30, total_iters=warmup)
        fall = lr_scheduler.CosineAnnealingLR(optimizer, total - warmup, low)
        return lr_scheduler.SequentialLR(optimizer, [rise, fall], [warmup])

    found = rates(learner.linear_warmup_cosine, range(total + 1), lr, warmup, total, low)
    assert_close(found, torch_rates(make, lr, total + 1))


@pytest.mark.stage("robust")
def test_linear_warmup_cosine_ends_at_zero_unless_told_otherwise(learner, probe):
    lr = peak(probe)
    found = rates(learner.linear_warmup_cosine, (1, 2, 5, 8, 11, 12), lr, 2, 11)
    assert_close(found, [0.5 * lr, lr, 0.75 * lr, 0.25 * lr, 0.0, 0.0])


@pytest.mark.stage("robust")
def test_linear_warmup_cosine_without_a_warm_up_only_goes_down(learner, reference, probe):
    lr, low = valley(probe)
    found = rates(learner.linear_warmup_cosine, range(9), lr, 0, 7, low)
    assert_close(found, rates(reference.cosine_annealing, range(9), lr, 7, low))


@pytest.mark.stage("robust")
def test_linear_warmup_cosine_may_warm_up_for_a_step_or_two(learner, reference, probe):
    lr, low = valley(probe)
    for warmup, rise in ((1, [0.0]), (2, [0.0, 0.5 * lr])):
        found = rates(learner.linear_warmup_cosine, range(9), lr, warmup, 7, low)
        assert_close(found[:warmup], rise, name="the rise")
        assert_close(found[warmup:], rates(reference.cosine_annealing, range(9 - warmup), lr, 7 - warmup, low))


@pytest.mark.stage("robust")
def test_linear_warmup_cosine_refuses_a_warm_up_that_does_not_fit(learner, probe):
    for warmup, total in ((-1, 7), (7, 7), (9, 7)):
        for step in (8, 3, 0):
            with pytest.raises(ValueError):
                learner.linear_warmup_cosine(step, peak(probe), warmup, total)


@pytest.mark.stage("robust")
def test_linear_warmup_cosine_does_not_depend_on_what_was_asked_before(learner, reference, probe):
    (lr, low), steps = valley(probe), probe.permutation(10).tolist()
    kinds = ((lr, 3, 8, low), (2.0 * lr, 3, 8, low), (lr, 4, 8, low), (lr, 3, 9, low), (lr, 3, 8, 0.5 * low))
    expected = mixed(reference.linear_warmup_cosine, steps, *kinds)
    assert_close(mixed(learner.linear_warmup_cosine, steps, *kinds), expected)


# one_cycle


def cycle(probe):
    """All options of a cycle, away from their defaults; its top lies between two steps."""
    return {
        "max_lr": peak(probe),
        "total_steps": probe.choice((19, 23, 29)),
        "pct_start": probe.scalar(0.2, 0.7, away_from=(0.3, 0.5)),
        "div_factor": probe.scalar(2.0, 9.0),
        "final_div_factor": probe.scalar(2.0, 9.0),
    }


@pytest.mark.stage("shape")
def test_one_cycle_returns_a_float(learner, probe):
    options = cycle(probe)
    for step in (1, options["total_steps"] - 1):
        assert isinstance(learner.one_cycle(step, **options), float), "a learning rate is a float"


def test_one_cycle_begins_at_the_largest_rate_divided_by_div_factor(learner, probe):
    options = cycle(probe)
    assert_close(learner.one_cycle(0, **options), options["max_lr"] / options["div_factor"])


def test_one_cycle_reaches_the_largest_rate_one_step_before_its_share_is_over(learner, probe):
    options = cycle(probe) | {"total_steps": 20, "pct_start": 0.4}
    assert_close(learner.one_cycle(7, **options), options["max_lr"])


def test_one_cycle_ends_at_the_first_rate_divided_by_final_div_factor(learner, probe):
    options = cycle(probe)
    last = options["max_lr"] / options["div_factor"] / options["final_div_factor"]
    assert_close(learner.one_cycle(options["total_steps"] - 1, **options), last)


def test_one_cycle_is_half_way_up_in_the_middle_of_its_rise(learner, probe):
    options = cycle(probe) | {"total_steps": 20, "pct_start": 0.35}
    first = options["max_lr"] / options["div_factor"]
    assert_close(learner.one_cycle(3, **options), (first + options["max_lr"]) / 2)
    assert_close(learner.one_cycle(2, **options), 0.75 * first + 0.25 * options["max_lr"], name="a third of the way up")


def test_one_cycle_is_half_way_down_in_the_middle_of_its_fall(learner, probe):
    options = cycle(probe) | {"total_steps": 20, "pct_start": 0.4}
    last = options["max_lr"] / options["div_factor"] / options["final_div_factor"]
    assert_close(learner.one_cycle(13, **options), (options["max_lr"] + last) / 2)
    assert_close(
        learner.one_cycle(11, **options), 0.75 * options["max_lr"] + 0.25 * last, name="a third of the way down"
    )


def test_one_cycle_may_have_its_top_between_two_steps(learner, probe):
    options = cycle(probe) | {"total_steps": 7, "pct_start": 0.5}  # the top is at step 2.5
    first = options["max_lr"] / options["div_factor"]
    last = first / options["final_div_factor"]
    up = first + (options["max_lr"] - first) * (1 - math.cos(math.pi * 2 / 2.5)) / 2
    down = last + (options["max_lr"] - last) * (1 + math.cos(math.pi * 0.5 / 3.5)) / 2
    assert_close(rates(learner.one_cycle, (2, 3), **options), [up, down])


@pytest.mark.stage("whole")
def test_one_cycle_equals_the_reference(learner, reference, probe):
    options = cycle(probe)
    steps = range(options["total_steps"])
    assert_close(rates(learner.one_cycle, steps, **options), rates(reference.one_cycle, steps, **options))


@pytest.mark.stage("whole")
def test_one_cycle_gives_the_rates_of_torch(learner, probe):
    for _ in range(2):
        options = cycle(probe)
        total = options["total_steps"]
        expected = torch_rates(
            lambda o, own=options: lr_scheduler.OneCycleLR(o, **own, cycle_momentum=False), 9.0, total
        )
        assert_close(rates(learner.one_cycle, range(total), **options), expected)


@pytest.mark.stage("robust")
def test_one_cycle_has_the_defaults_of_torch(learner, probe):
    lr = peak(probe)
    expected = torch_rates(lambda o: lr_scheduler.OneCycleLR(o, lr, 20, cycle_momentum=False), 9.0, 20)
    assert_close(rates(learner.one_cycle, range(20), lr, 20), expected)


@pytest.mark.stage("robust")
def test_one_cycle_refuses_a_step_that_it_does_not_have(learner, probe):
    options = cycle(probe)
    for step in (-1, options["total_steps"] + 1, options["total_steps"]):
        with pytest.raises(ValueError):
            learner.one_cycle(step, **options)


@pytest.mark.stage("robust")
def test_one_cycle_does_not_depend_on_what_was_asked_before(learner, reference, probe):
    lr, steps = peak(probe), probe.permutation(9).tolist()
    kinds = [(lr, 9, 0.4, 3.0, 5.0), (2.0 * lr, 9, 0.4, 3.0, 5.0), (lr, 10, 0.4, 3.0, 5.0)]
    kinds += [(lr, 9, 0.6, 3.0, 5.0), (lr, 9, 0.4, 4.0, 5.0), (lr, 9, 0.4, 3.0, 6.0)]
    assert_close(mixed(learner.one_cycle, steps, *kinds), mixed(reference.one_cycle, steps, *kinds))


# ReduceOnPlateau


def follow(schedule, metrics):
    """The rate after every metric."""
    return [schedule.step(metric) for metric in metrics]


def torch_follow(lr, metrics, **options):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler, found = lr_scheduler.ReduceLROnPlateau(optimizer, eps=0.0, **options), []
    for metric in metrics:
        scheduler.step(metric)
        found.append(optimizer.param_groups[0]["lr"])
    return found


def losses(probe, epochs=60):
    """Losses that fall for a while, with noise, and then only go up and down."""
    noise = probe.uniform(epochs, 0.75, 1.25)
    return [float(noise[i] * (0.3 + 0.9 ** min(i, epochs // 2))) for i in range(epochs)]


def options_of_plateau(probe):
    """All of them away from their defaults; the last reductions reach min_lr."""
    return {
        "factor": probe.scalar(0.3, 0.8, away_from=0.5),
        "patience": probe.choice((2, 3)),
        "threshold": probe.scalar(0.05, 0.3),
        "cooldown": probe.choice((1, 2, 3)),
        "min_lr": probe.scalar(0.05, 0.2),
    }


@pytest.mark.stage("shape")
def test_reduce_on_plateau_keeps_its_rate_in_lr_and_returns_it(learner, probe):
    lr = peak(probe)
    schedule = learner.ReduceOnPlateau(lr, factor=0.5, patience=1)
    assert_close(schedule.lr, lr, name="lr before the first metric")
    for metric in (2.0, 3.0, 3.0, 3.0):
        rate = schedule.step(metric)
        assert isinstance(rate, float), "a learning rate is a float"
        assert_close(schedule.lr, rate, name="lr after a step")


def test_reduce_on_plateau_leaves_the_rate_while_the_metric_gets_better(learner, probe):
    lr = peak(probe)
    found = follow(learner.ReduceOnPlateau(lr, patience=1, threshold=0.01), [8.0 * 0.9**i for i in range(12)])
    assert_close(found, [lr] * 12)


def test_reduce_on_plateau_forgives_as_many_bad_epochs_as_patience_says(learner, probe):
    for patience in (1, 0, 3):
        lr, factor = peak(probe), probe.scalar(0.2, 0.8)
        found = follow(learner.ReduceOnPlateau(lr, factor=factor, patience=patience), [3.0] + [2.0] * (patience + 2))
        assert_close(found, [lr] * (patience + 2) + [factor * lr], name=f"the rates with patience {patience}")


def test_reduce_on_plateau_counts_again_from_zero_after_an_improvement(learner, probe):
    lr = peak(probe)
    metrics = [4.0, 5.0, 5.0, 3.0, 5.0, 5.0, 2.0, 5.0, 5.0, 5.0]  # never three bad ones in a row but at the end
    assert_close(follow(learner.ReduceOnPlateau(lr, factor=0.5, patience=2), metrics), [lr] * 9 + [0.5 * lr])


def test_reduce_on_plateau_counts_again_from_zero_after_a_reduction(learner, probe):
    lr, factor = peak(probe), probe.scalar(0.2, 0.8)
    found = follow(learner.ReduceOnPlateau(lr, factor=factor, patience=1), [2.0] * 7)
    assert_close(found, [lr, lr, factor * lr, factor * lr, factor**2 * lr, factor**2 * lr, factor**3 * lr])


def test_reduce_on_plateau_compares_with_the_best_and_not_with_the_last(learner, probe):
    lr = peak(probe)
    found = follow(learner.ReduceOnPlateau(lr, factor=0.5, patience=2), [2.0, 6.0, 5.0, 4.0, 3.0])
    assert_close(found, [lr] * 3 + [0.5 * lr] * 2)


def test_reduce_on_plateau_wants_a_share_of_the_best_as_improvement(learner, probe):
    lr = peak(probe)
    schedule = learner.ReduceOnPlateau(lr, factor=0.5, patience=0, threshold=0.25)
    assert_close(follow(schedule, [8.0, 5.9, 5.8, 4.5]), [lr, lr, 0.5 * lr, 0.25 * lr])  # 5.9 < 6, but 4.5 > 4.425


def test_reduce_on_plateau_takes_no_best_from_an_improvement_that_is_too_small(learner, probe):
    lr = peak(probe)
    schedule = learner.ReduceOnPlateau(lr, factor=0.5, patience=2, threshold=0.25)
    assert_close(follow(schedule, [8.0, 7.0, 9.0, 5.9, 5.4, 5.3, 5.2]), [lr] * 6 + [0.5 * lr])


def test_reduce_on_plateau_of_a_metric_exactly_at_the_threshold_is_bad(learner, probe):
    lr = peak(probe)
    low = learner.ReduceOnPlateau(lr, factor=0.5, patience=0, threshold=0.25)
    assert_close(follow(low, [8.0, 6.0, 5.5]), [lr, 0.5 * lr, 0.5 * lr], name='the rates in mode "min"')
    high = learner.ReduceOnPlateau(lr, mode="max", factor=0.5, patience=0, threshold=0.25)
    expected = [lr, 0.5 * lr, 0.5 * lr, 0.25 * lr]
    assert_close(follow(high, [4.0, 5.0, 5.5, 5.4]), expected, name='the rates in mode "max"')


def test_reduce_on_plateau_in_mode_max_wants_the_metric_to_rise(learner, probe):
    lr = peak(probe)
    schedule = learner.ReduceOnPlateau(lr, mode="max", factor=0.5, patience=0, threshold=0.25)
    assert_close(follow(schedule, [4.0, 5.1, 6.5, 8.2, 8.0, 10.0]), [lr] * 4 + [0.5 * lr, 0.25 * lr])


def test_reduce_on_plateau_takes_any_first_metric_for_good(learner, probe):
    lr = peak(probe)
    for mode, first, better in (("min", 1e20, 0.9e20), ("max", 1e-20, 1.1e-20)):
        schedule = learner.ReduceOnPlateau(lr, mode=mode, factor=0.5, patience=1)
        found = follow(schedule, [first, better, first, first])
        assert_close(found, [lr] * 3 + [0.5 * lr], name=f"the rates in mode {mode!r}")


def test_reduce_on_plateau_counts_no_bad_epochs_while_it_cools_down(learner, probe):
    for cooldown in (1, 3):
        lr = peak(probe)
        schedule = learner.ReduceOnPlateau(lr, factor=0.5, patience=1, cooldown=cooldown)
        found = follow(schedule, [2.0] * (5 + cooldown))
        assert_close(
            found, [lr] * 2 + [0.5 * lr] * (cooldown + 2) + [0.25 * lr], name=f"the rates, cooldown {cooldown}"
        )


def test_reduce_on_plateau_remembers_a_best_from_its_cooldown(learner, probe):
    lr = peak(probe)
    schedule = learner.ReduceOnPlateau(lr, factor=0.5, patience=0, cooldown=1)
    # 3 is the best, told during the cooldown; 3.5 is worse than that, though better than the 4 before.
    assert_close(follow(schedule, [4.0, 5.0, 3.0, 3.5, 3.4]), [lr, 0.5 * lr, 0.5 * lr, 0.25 * lr, 0.25 * lr])


def test_reduce_on_plateau_cools_down_to_the_end_whatever_the_metric(learner, probe):
    lr = peak(probe)
    schedule = learner.ReduceOnPlateau(lr, factor=0.5, patience=0, cooldown=3)
    found = follow(schedule, [4.0, 5.0, 3.0, 6.0, 6.0, 6.0, 6.0])
    assert_close(found, [lr] + [0.5 * lr] * 4 + [0.25 * lr] * 2)


def test_reduce_on_plateau_goes_no_lower_than_min_lr(learner, probe):
    schedule = learner.ReduceOnPlateau(1.0, factor=0.5, patience=0, min_lr=0.3)
    assert_close(follow(schedule, [2.0] * 5), [1.0, 0.5, 0.3, 0.3, 0.3])


@pytest.mark.stage("robust")
def test_reduce_on_plateau_reduces_a_tiny_rate_too(learner, probe):
    lr = 1e-9 * peak(probe)
    found = follow(learner.ReduceOnPlateau(lr, factor=0.5, patience=0), [2.0] * 4)
    assert_close([rate / lr for rate in found], [1.0, 0.5, 0.25, 0.125], name="the rates, as shares of the first")


@pytest.mark.stage("robust")
def test_reduce_on_plateau_with_a_threshold_of_zero_takes_any_improvement(learner, probe):
    lr = peak(probe)
    for mode, metrics in (("min", [2.0, 1.99999, 1.99998, 1.99998]), ("max", [2.0, 2.00001, 2.00002, 2.00002])):
        schedule = learner.ReduceOnPlateau(lr, mode=mode, factor=0.5, patience=0, threshold=0.0)
        assert_close(follow(schedule, metrics), [lr] * 3 + [0.5 * lr], name=f"the rates in mode {mode!r}")


@pytest.mark.stage("whole")
def test_reduce_on_plateau_equals_the_reference(learner, reference, probe):
    lr, options, metrics = peak(probe), options_of_plateau(probe), losses(probe)
    for mode in ("min", "max"):
        expected = follow(reference.ReduceOnPlateau(lr, mode=mode, **options), metrics)
        assert_close(follow(learner.ReduceOnPlateau(lr, mode=mode, **options), metrics), expected)


@pytest.mark.stage("whole")
def test_reduce_on_plateau_gives_the_rates_of_torch(learner, probe):
    lr, options, metrics = peak(probe), options_of_plateau(probe), losses(probe)
    expected = torch_follow(lr, metrics, mode="min", **options)
    assert_close(follow(learner.ReduceOnPlateau(lr, mode="min", **options), metrics), expected)
    rising = [1.0 / metric for metric in metrics]
    expected = torch_follow(lr, rising, mode="max", **options)
    assert_close(follow(learner.ReduceOnPlateau(lr, "max", *options.values()), rising), expected)


@pytest.mark.stage("robust")
def test_reduce_on_plateau_has_the_defaults_of_torch(learner, probe):
    lr, metrics = peak(probe), [1.0, 0.9999, 0.99995, 0.99985] + [0.9998] * 40
    assert_close(follow(learner.ReduceOnPlateau(lr), metrics), torch_follow(lr, metrics))


@pytest.mark.stage("robust")
def test_reduce_on_plateau_of_two_metrics_keeps_them_apart(learner, reference, probe):
    options, found, expected = {"factor": 0.5, "patience": 1}, [], []
    for module, rates_of in ((learner, found), (reference, expected)):
        pair = [module.ReduceOnPlateau(1.0, **options), module.ReduceOnPlateau(0.3, mode="max", **options)]
        for metric in (2.0, 3.0, 1.0, 1.0, 4.0, 4.0, 1.0):
            rates_of.append([schedule.step(metric) for schedule in pair])
    assert_close(found, expected)


@pytest.mark.stage("robust")
def test_reduce_on_plateau_takes_nan_for_a_bad_epoch(learner, probe):
    found = follow(learner.ReduceOnPlateau(1.0, factor=0.5, patience=1), [2.0, math.nan, math.nan, 1.0, math.nan, 1.5])
    assert_close(found, [1.0, 1.0, 0.5, 0.5, 0.5, 0.25])


@pytest.mark.stage("robust")
def test_reduce_on_plateau_refuses_a_mode_or_a_factor_that_makes_no_sense(learner, probe):
    for options in (
        {"mode": "least"},
        {"mode": "MIN"},
        {"factor": 1.0},
        {"factor": 1.5},
        {"factor": 0.0},
        {"factor": -0.5},
    ):
        with pytest.raises(ValueError):
            learner.ReduceOnPlateau(peak(probe), **options)
