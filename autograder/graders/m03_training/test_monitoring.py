"""Hidden checks of monitoring: event files are read back with TensorBoard's own reader, curves judged by rules."""

import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from autograder.testing import assert_close

sys.modules.setdefault("tensorboard.compat.notf", ModuleType("notf"))  # or TensorBoard imports TensorFlow where it can
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402

SCALARS = ("loss/train", "loss/validation", "accuracy")
SHAPES = {"layer.weight": "N D", "layer.bias": "N"}


def as_written(number):
    """An event file holds scalars in float32."""
    return float(np.float32(number))


def drawn_run(probe, epochs=3):
    """For each epoch metrics and weights, other ones in every epoch."""
    values = [[as_written(value) for value in probe.normal(len(SCALARS))] for _ in range(epochs)]
    values[-1][-1] = 0.0  # a metric like any other
    metrics = [dict(zip(SCALARS, row, strict=True)) for row in values]
    weights = [{name: probe.tensor(shape) for name, shape in SHAPES.items()} for _ in range(epochs)]
    return list(zip(metrics, weights, strict=True))


def read_back(folder):
    """The scalars and the histograms in a folder, by their tags."""
    assert list(folder.glob("*tfevents*")), "there is an event file in log_dir"
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "histograms": 0}).Reload()
    tags = events.Tags()
    scalars = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in tags["scalars"]}
    histograms = {tag: [told(event) for event in events.Histograms(tag)] for tag in tags["histograms"]}
    return scalars, histograms


def told(event):
    """What an event file tells of a tensor, whatever the bins: step, least, largest, count, sum, sum of squares."""
    value = event.histogram_value
    return event.step, value.min, value.max, value.num, value.sum, value.sum_squares


def summary(step, weight):
    """What it should tell."""
    values = weight.double().numpy().ravel()
    return step, values.min(), values.max(), float(values.size), values.sum(), np.square(values).sum()


def expected_scalars(run):
    tags = dict.fromkeys(name for metrics, _ in run for name in metrics)
    return {tag: [(step, metrics[tag]) for step, (metrics, _) in enumerate(run) if tag in metrics] for tag in tags}


def expected_histograms(run):
    tags = dict.fromkeys(name for _, weights in run for name in weights)
    return {
        f"weights/{tag}": [summary(step, weights[tag]) for step, (_, weights) in enumerate(run) if tag in weights]
        for tag in tags
    }


# log_training_run


@pytest.mark.stage("shape")
def test_log_training_run_writes_an_event_file_into_its_folder_and_returns_nothing(learner, probe, scratch):
    folder = scratch / "runs" / "first"
    assert learner.log_training_run(str(folder), drawn_run(probe)) is None, "nothing is returned"
    assert list(folder.glob("*tfevents*")), "there is an event file in log_dir"


def test_log_training_run_writes_every_metric_under_its_own_name(learner, probe, scratch):
    run = drawn_run(probe)
    learner.log_training_run(str(scratch / "run"), run)
    assert_close(sorted(read_back(scratch / "run")[0]), sorted(SCALARS), name="the tags of the scalars")


def test_log_training_run_writes_a_metric_at_the_number_of_its_epoch(learner, probe, scratch):
    run = drawn_run(probe, epochs=4)
    learner.log_training_run(str(scratch / "run"), run)
    found = read_back(scratch / "run")[0]["loss/validation"]
    assert_close([step for step, _ in found], [0, 1, 2, 3], name="the steps")
    assert_close([value for _, value in found], [metrics["loss/validation"] for metrics, _ in run], name="the values")


def test_log_training_run_writes_a_histogram_of_every_weight(learner, probe, scratch):
    run = drawn_run(probe)
    learner.log_training_run(str(scratch / "run"), run)
    tags = sorted(f"weights/{name}" for name in SHAPES)
    assert_close(sorted(read_back(scratch / "run")[1]), tags, name="the tags of the histograms")


def test_log_training_run_writes_the_weights_of_every_epoch(learner, probe, scratch):
    run = drawn_run(probe, epochs=8)
    learner.log_training_run(str(scratch / "run"), run)
    expected = [summary(step, weights["layer.weight"]) for step, (_, weights) in enumerate(run)]
    assert_close(
        read_back(scratch / "run")[1]["weights/layer.weight"], expected, name="step, least, largest, count, sums"
    )


def test_log_training_run_leaves_no_open_writer(learner, probe, scratch):
    threading = learner.library("threading")
    before = threading.active_count()
    learner.log_training_run(str(scratch / "run"), drawn_run(probe))
    assert_close(threading.active_count(), before, name="the number of threads (an open writer has one)")


@pytest.mark.stage("whole")
def test_log_training_run_writes_all_of_it_and_nothing_else(learner, probe, scratch):
    run = drawn_run(probe)
    learner.log_training_run(log_dir=str(scratch / "run"), run=run)
    scalars, histograms = read_back(scratch / "run")
    assert_close(scalars, expected_scalars(run), name="the scalars")
    assert_close(histograms, expected_histograms(run), name="the histograms")


@pytest.mark.stage("whole")
def test_log_training_run_writes_what_the_reference_does(learner, reference, probe, scratch):
    run = drawn_run(probe, epochs=3)
    learner.log_training_run(str(scratch / "yours"), run)
    yours = read_back(scratch / "yours")
    (scratch / "other").mkdir()
    reference.log_training_run(str(scratch / "other"), run)
    assert_close(yours, read_back(scratch / "other"))


@pytest.mark.stage("robust")
def test_log_training_run_takes_a_metric_that_is_not_told_in_every_epoch(learner, probe, scratch):
    run = drawn_run(probe, epochs=4)
    for metrics, _ in run[::2]:
        del metrics["loss/validation"]
    run[1][0]["learning rate"] = 0.25
    learner.log_training_run(str(scratch / "run"), run)
    assert_close(read_back(scratch / "run")[0], expected_scalars(run), name="the scalars")


def live_run(learner, run, states):
    """The same run as a training that happens while it is asked for: its weights are those of one model, and change."""
    library, op = learner.library("builtins"), learner.library("operator")
    model = learner.library("torch.nn").Linear(3, 2)
    train = library.map(model.load_state_dict, states)
    weights = library.map(op.methodcaller("state_dict"), learner.library("itertools").repeat(model))
    return library.map(op.itemgetter(1, 2), library.zip(train, [metrics for metrics, _ in run], weights))


@pytest.mark.stage("robust")
def test_log_training_run_writes_an_epoch_before_it_asks_for_the_next(learner, probe, scratch):
    run = [(metrics, {"weight": probe.tensor("2 3"), "bias": probe.tensor("2")}) for metrics, _ in drawn_run(probe)]
    threading = learner.library("threading")
    before = threading.active_count()
    learner.log_training_run(str(scratch / "run"), live_run(learner, run, [weights for _, weights in run]))
    assert_close(threading.active_count(), before, name="the number of threads (an open writer has one)")
    scalars, histograms = read_back(scratch / "run")
    assert_close(histograms, expected_histograms(run), name="the histograms of a model that goes on training")
    assert_close(scalars, expected_scalars(run), name="the scalars")


@pytest.mark.stage("robust")
def test_log_training_run_keeps_what_it_has_when_the_training_breaks_off(learner, probe, scratch):
    run = [(metrics, {"weight": probe.tensor("2 3"), "bias": probe.tensor("2")}) for metrics, _ in drawn_run(probe)]
    threading = learner.library("threading")
    before = threading.active_count()
    states = [weights for _, weights in run[:2]] + [{"no such weight": probe.tensor("2 3")}]
    with pytest.raises(RuntimeError):
        learner.log_training_run(str(scratch / "run"), live_run(learner, run, states))
    assert_close(threading.active_count(), before, name="the number of threads (an open writer has one)")
    scalars, histograms = read_back(scratch / "run")
    assert_close([scalars, histograms], [expected_scalars(run[:2]), expected_histograms(run[:2])])


@pytest.mark.stage("robust")
def test_log_training_run_keeps_two_runs_apart(learner, probe, scratch):
    runs = {name: drawn_run(probe, epochs=2) for name in ("first", "second")}
    for name, run in runs.items():
        learner.log_training_run(str(scratch / name), run)
    for name, run in runs.items():
        assert_close(read_back(scratch / name)[0], expected_scalars(run), name=f"the scalars of the {name} run")


@pytest.mark.stage("robust")
def test_log_training_run_leaves_what_is_in_the_folder(learner, probe, scratch):
    learner.log_training_run(str(scratch / "run"), drawn_run(probe, epochs=1))
    (scratch / "run" / "notes.txt").write_text("the first try")
    before = {path.name: path.read_bytes() for path in (scratch / "run").iterdir()}
    learner.log_training_run(str(scratch / "run"), drawn_run(probe, epochs=1))
    after = {name: (scratch / "run" / name).is_file() and (scratch / "run" / name).read_bytes() for name in before}
    assert after == before, "the files of an earlier run are as they were"


@pytest.mark.stage("robust")
def test_log_training_run_of_constant_weights_of_several_dtypes(learner, probe, scratch):
    weights = {
        "zeros": torch.zeros(3, 2),
        "double": probe.tensor("N", dtype=torch.float64),
        "stack": probe.tensor("2 3 5"),
    }
    weights["one"] = torch.tensor(2.5)
    run = [({}, weights), ({"loss": 0.5}, weights), ({"loss": 0.0}, {})]
    learner.log_training_run(str(scratch / "run"), run)
    scalars, histograms = read_back(scratch / "run")
    assert_close([scalars, histograms], [expected_scalars(run), expected_histograms(run)])


# learning_curve_diagnosis

UNDER, OVER, GOOD = "underfitting", "overfitting", "good fit"


def judged(train, validation, target, window=1, tolerance=0.1):
    """The rules in plain Python."""
    means = [sum(validation[i : i + window]) / window for i in range(len(validation) - window + 1)]
    if sum(train[-window:]) / window > target:
        return UNDER
    return OVER if means[-1] > (1 + tolerance) * target or means[-1] > (1 + tolerance) * min(means) else GOOD


@pytest.mark.stage("shape")
def test_learning_curve_diagnosis_answers_with_one_of_three_verdicts(learner):
    assert learner.learning_curve_diagnosis([0.5, 0.25], [0.5, 0.375], 0.5) in (UNDER, OVER, GOOD), "it is a verdict"


def test_learning_curve_diagnosis_calls_it_underfitting_when_the_training_loss_stays_high(learner, probe):
    target = probe.scalar(0.2, 3.0)
    train = [target * share for share in (3.0, 2.0, 1.3)]
    assert_close(learner.learning_curve_diagnosis(train, train, target), UNDER)


def test_learning_curve_diagnosis_judges_underfitting_by_the_training_loss(learner, probe):
    target = probe.scalar(0.2, 3.0)
    train, validation = [2.0 * target, 1.2 * target], [2.0 * target, 0.5 * target]
    assert_close(learner.learning_curve_diagnosis(train, validation, target), UNDER)


def test_learning_curve_diagnosis_judges_by_the_end_and_not_by_the_best_training_loss(learner, probe):
    target = probe.scalar(0.2, 3.0)
    train, validation = [0.5 * target, 2.0 * target], [0.9 * target, 1.05 * target]
    assert_close(learner.learning_curve_diagnosis(train, validation, target, tolerance=0.3), UNDER)


def test_learning_curve_diagnosis_calls_it_overfitting_when_validation_misses_the_target(learner, probe):
    target = probe.scalar(0.2, 3.0)
    train, validation = [2.0 * target, 0.9 * target, 0.2 * target], [2.5 * target, 2.0 * target, 1.9 * target]
    assert_close(learner.learning_curve_diagnosis(train, validation, target), OVER)


def test_learning_curve_diagnosis_calls_it_overfitting_when_validation_was_better_before(learner, probe):
    target = probe.scalar(0.2, 3.0)
    train, validation = [0.9 * target, 0.5 * target, 0.2 * target], [0.9 * target, 0.4 * target, 0.7 * target]
    assert_close(learner.learning_curve_diagnosis(train, validation, target), OVER)


def test_learning_curve_diagnosis_tolerates_nothing_in_the_training_loss(learner, probe):
    target = probe.scalar(0.2, 3.0)
    train, validation = [2.0 * target, 1.01 * target], [2.0 * target, 0.9 * target]
    found = [learner.learning_curve_diagnosis(train, validation, target, tolerance=share) for share in (0.3, 0.02, 0.0)]
    assert_close(found, [UNDER] * 3, name="the verdicts")


@pytest.mark.stage("robust")
def test_learning_curve_diagnosis_may_tolerate_nothing_in_the_validation_loss(learner, probe):
    target = probe.scalar(0.2, 3.0)
    curves = [[0.9 * target, share * target] for share in (0.8, 0.91, 1.01)]
    found = [learner.learning_curve_diagnosis([0.5 * target] * 2, curve, target, tolerance=0.0) for curve in curves]
    assert_close(found, [GOOD, OVER, OVER], name="the verdicts")


def test_learning_curve_diagnosis_calls_it_underfitting_first(learner, probe):
    target = probe.scalar(0.2, 3.0)
    train, validation = [2.0 * target, 1.5 * target], [2.0 * target, 4.0 * target]
    assert_close(learner.learning_curve_diagnosis(train, validation, target), UNDER)


def test_learning_curve_diagnosis_calls_it_a_good_fit_when_both_curves_reach_the_target(learner, probe):
    target = probe.scalar(0.2, 3.0)
    for last in (0.9, 0.3, 0.05):  # a training loss far below the validation loss is no fault by itself
        train, validation = [2.0 * target, last * target], [2.0 * target, 0.9 * target]
        assert_close(learner.learning_curve_diagnosis(train, validation, target), GOOD)


def test_learning_curve_diagnosis_tolerates_a_share_of_the_target(learner):
    cases = ((4.1, 0.2), (5.0, 0.3), (5.0, 0.2))  # the last validation loss and the tolerance
    found = [learner.learning_curve_diagnosis([4.5, 3.0], [9.0, last], 4.0, tolerance=share) for last, share in cases]
    assert_close(found, [GOOD, GOOD, OVER], name="the verdicts")


def test_learning_curve_diagnosis_tolerates_a_share_of_the_lowest_loss(learner):
    cases = (  # the last training loss, the validation losses, their target and the tolerance
        (0.45, [0.4, 0.41], 1.0, 0.2),
        (0.1, [0.4, 0.41], 1.0, 0.2),
        (4.5, [4.0, 4.5], 10.0, 0.2),
        (0.45, [0.4, 0.5], 1.0, 0.3),
        (0.45, [0.4, 0.5], 1.0, 0.2),
        (0.45, [0.9, 0.4, 0.5], 1.0, 0.2),
    )
    found = [
        learner.learning_curve_diagnosis([last] * len(validation), validation, target, tolerance=share)
        for last, validation, target, share in cases
    ]
    assert_close(found, [GOOD] * 4 + [OVER] * 2, name="the verdicts")


def test_learning_curve_diagnosis_averages_the_last_training_losses(learner):
    validation = [0.9, 0.9, 0.9, 0.9]
    cases = [  # the means of the last three are 1.042, 0.958, 0.933 and 1.2
        [9.0, 0.75, 1.125, 1.25],
        [9.0, 0.75, 1.125, 1.0],
        [1.5, 0.9, 1.2, 0.7],
        [0.5, 0.6, 0.6, 2.4],
    ]
    found = [learner.learning_curve_diagnosis(train, validation, 1.0, window=3) for train in cases]
    assert_close(found, [UNDER, GOOD, GOOD, UNDER], name="the verdicts")


def test_learning_curve_diagnosis_averages_the_last_validation_losses(learner):
    means = {1.125: [0.9, 0.75, 0.75, 1.5], 0.875: [0.9, 0.75, 0.5, 1.25], 0.9: [0.9, 0.9, 0.8, 1.0]}
    found = [learner.learning_curve_diagnosis([0.5] * 4, curve, 1.0, 2, 0.5) for curve in means.values()]
    found += [learner.learning_curve_diagnosis([0.1] * 4, curve, 1.0, 2) for curve in means.values()]
    assert_close(found, [GOOD, GOOD, GOOD, OVER, OVER, GOOD], name=f"the verdicts on means of {list(means)}")


def test_learning_curve_diagnosis_compares_with_the_lowest_mean_and_not_with_a_lucky_epoch(learner):
    train, validation = [0.5] * 5, [0.9, 0.2, 0.9, 0.3, 0.5]  # means of two: 0.55, 0.55, 0.6, 0.4
    assert_close(learner.learning_curve_diagnosis(train, validation, 1.0, window=2), GOOD)


def test_learning_curve_diagnosis_looks_for_the_lowest_mean_everywhere(learner):
    train = [0.5] * 5
    for validation in ([0.2, 0.2, 0.9, 0.6, 0.6], [0.9, 0.2, 0.2, 0.6, 0.6], [0.9, 0.8, 0.2, 0.2, 0.6]):
        found = learner.learning_curve_diagnosis(train, validation, 1.0, window=2)
        assert_close(found, OVER, name=f"the verdict on {validation}")


@pytest.mark.stage("whole")
def test_learning_curve_diagnosis_equals_the_reference(learner, reference, probe):
    found, expected = [], []
    for _ in range(60):
        epochs, window = probe.choice((3, 5, 8)), probe.choice((1, 2, 3))
        train, validation = probe.uniform(epochs, 0.4, 1.1).tolist(), probe.uniform(epochs, 0.7, 1.2).tolist()
        options = {"target": 0.9, "window": window, "tolerance": probe.scalar(0.05, 0.5, away_from=0.1)}
        found.append(learner.learning_curve_diagnosis(train, validation, **options))
        expected.append(reference.learning_curve_diagnosis(train, validation, **options))
    assert_close(found, expected, name="the verdicts")


@pytest.mark.stage("whole")
def test_learning_curve_diagnosis_follows_its_rules(learner, probe):
    found, expected = [], []
    for _ in range(60):
        epochs, target = probe.choice((3, 4, 7)), probe.choice((0.05, 5.0))
        curves = [(target * probe.uniform(epochs, 0.2, 1.3)).tolist() for _ in range(2)]
        options = (target, probe.choice((1, 2, 3)), probe.scalar(0.05, 0.9, away_from=0.1))
        found.append(learner.learning_curve_diagnosis(*curves, *options))
        expected.append(judged(*curves, *options))
    assert_close(found, expected, name="the verdicts")


@pytest.mark.stage("robust")
def test_learning_curve_diagnosis_takes_losses_at_a_limit_for_good(learner):
    at_target, at_tolerance, at_rise = ([2.0, 1.0], [2.0, 1.0]), ([2.0, 0.5], [2.0, 1.25]), ([0.5, 0.5], [0.5, 0.625])
    found = [
        learner.learning_curve_diagnosis(*curves, 1.0, tolerance=0.25) for curves in (at_target, at_tolerance, at_rise)
    ]
    assert_close(found, [GOOD, GOOD, GOOD], name="the verdicts")


@pytest.mark.stage("robust")
def test_learning_curve_diagnosis_takes_one_epoch_and_a_tenth_unless_told_otherwise(learner):
    for last, verdict in ((1.09, GOOD), (1.11, OVER)):
        assert_close(learner.learning_curve_diagnosis([0.1, 0.9], [1.0, last], 1.0), verdict)
    assert_close(learner.learning_curve_diagnosis([0.1, 1.1], [1.0, 1.0], 1.0), UNDER)


@pytest.mark.stage("robust")
def test_learning_curve_diagnosis_of_curves_as_long_as_the_window(learner):
    assert_close(learner.learning_curve_diagnosis([1.25, 0.5, 1.0], [0.5, 0.5, 1.5], 1.0, window=3), GOOD)
    assert_close(learner.learning_curve_diagnosis([0.5], [0.5], 1.0), GOOD)


@pytest.mark.stage("robust")
def test_learning_curve_diagnosis_refuses_curves_of_different_lengths(learner):
    for train, validation in (([0.5, 0.4], [0.5]), ([0.5], [0.5, 0.4]), ([0.5, 0.4, 0.3], [0.5, 0.4])):
        with pytest.raises(ValueError):
            learner.learning_curve_diagnosis(train, validation, 1.0)


@pytest.mark.stage("robust")
def test_learning_curve_diagnosis_refuses_curves_shorter_than_the_window(learner):
    for epochs, window in ((2, 3), (0, 1)):
        with pytest.raises(ValueError):
            learner.learning_curve_diagnosis([0.5] * epochs, [0.5] * epochs, 1.0, window=window)


@pytest.mark.stage("robust")
def test_learning_curve_diagnosis_refuses_a_loss_that_is_not_finite(learner):
    for wrong in (float("nan"), float("inf")):
        for place in (0, 2):
            spoilt = [0.5, 0.5, 0.5]
            spoilt[place] = wrong
            for curves in ((spoilt, [0.5] * 3), ([0.5] * 3, spoilt)):
                with pytest.raises(ValueError):
                    learner.learning_curve_diagnosis(*curves, 1.0)
