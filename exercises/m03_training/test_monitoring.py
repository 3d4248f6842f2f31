"""Public checks of monitoring: run `pytest exercises/m03_training/test_monitoring.py`."""

import sys
from types import ModuleType

import pytest
import torch

from autograder.testing import assert_close

sys.modules.setdefault("tensorboard.compat.notf", ModuleType("notf"))  # or TensorBoard imports TensorFlow where it can
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402

RUN = [
    (
        {"loss/train": 0.75, "loss/validation": 1.0},
        {"weight": torch.tensor([[3.0, -1.0, 4.0]]), "bias": torch.tensor([2.0])},
    ),
    ({"loss/train": 0.5}, {"weight": torch.tensor([[1.0, -5.0, 1.0]]), "bias": torch.tensor([0.0])}),
    (
        {"loss/train": 0.25, "loss/validation": 0.5},
        {"weight": torch.tensor([[7.0, 8.0, 9.0]]), "bias": torch.tensor([-2.0])},
    ),
]


def events_in(folder):
    """TensorBoard's own reader of event files."""
    assert list(folder.glob("*tfevents*")), "there is an event file in log_dir"
    return EventAccumulator(str(folder), size_guidance={"scalars": 0, "histograms": 0}).Reload()


@pytest.mark.stage("shape")
def test_log_training_run_writes_an_event_file_into_its_folder_and_returns_nothing(learner, scratch):
    assert learner.log_training_run(str(scratch / "run"), RUN) is None, "nothing is returned"
    assert list((scratch / "run").glob("*tfevents*")), "there is an event file in log_dir"


def test_log_training_run_writes_metrics_and_weights_under_their_tags(learner, scratch):
    learner.log_training_run(str(scratch / "run"), RUN)
    tags = events_in(scratch / "run").Tags()
    assert_close(sorted(tags["scalars"]), ["loss/train", "loss/validation"], name="the tags of the scalars")
    assert_close(sorted(tags["histograms"]), ["weights/bias", "weights/weight"], name="the tags of the histograms")


def test_log_training_run_writes_a_metric_at_the_number_of_its_epoch(learner, scratch):
    learner.log_training_run(str(scratch / "run"), RUN)
    events = events_in(scratch / "run")
    for tag, expected in (
        ("loss/train", [(0, 0.75), (1, 0.5), (2, 0.25)]),
        ("loss/validation", [(0, 1.0), (2, 0.5)]),
    ):
        assert_close(
            [(event.step, event.value) for event in events.Scalars(tag)], expected, name=f"{tag}: step and value"
        )


def test_log_training_run_writes_the_weights_of_every_epoch(learner, scratch):
    learner.log_training_run(str(scratch / "run"), RUN)
    found = [
        (event.step, event.histogram_value.min, event.histogram_value.max, event.histogram_value.sum)
        for event in events_in(scratch / "run").Histograms("weights/weight")
    ]
    assert_close(
        found, [(0, -1.0, 4.0, 6.0), (1, -5.0, 1.0, -3.0), (2, 7.0, 9.0, 24.0)], name="step, least, largest, sum"
    )


def test_log_training_run_leaves_no_open_writer(learner, scratch):
    threading = learner.library("threading")
    before = threading.active_count()
    learner.log_training_run(str(scratch / "run"), RUN)
    assert_close(threading.active_count(), before, name="the number of threads (an open writer has one)")


@pytest.mark.stage("shape")
def test_learning_curve_diagnosis_answers_with_one_of_three_verdicts(learner):
    verdict = learner.learning_curve_diagnosis([0.5, 0.25], [0.5, 0.375], 0.5)
    assert verdict in ("underfitting", "overfitting", "good fit"), "it is a verdict"


def test_learning_curve_diagnosis_of_a_training_loss_that_stays_high(learner):
    for validation in ([2.0, 1.5, 1.5], [2.0, 1.5, 3.0], [2.0, 0.5, 0.5]):
        assert_close(learner.learning_curve_diagnosis([2.0, 1.0, 1.25], validation, 1.0), "underfitting")


def test_learning_curve_diagnosis_of_a_validation_loss_that_misses_the_target(learner):
    assert_close(learner.learning_curve_diagnosis([2.0, 1.0, 0.5], [2.0, 1.75, 1.5], 1.0), "overfitting")


def test_learning_curve_diagnosis_of_a_validation_loss_that_comes_up_again(learner):
    assert_close(learner.learning_curve_diagnosis([0.75, 0.5, 0.25], [0.75, 0.5, 0.75], 1.0), "overfitting")


def test_learning_curve_diagnosis_of_two_curves_that_reach_the_target(learner):
    assert_close(learner.learning_curve_diagnosis([2.0, 1.0, 0.25], [2.0, 1.5, 0.875], 1.0), "good fit")


def test_learning_curve_diagnosis_tolerates_a_share(learner):
    for tolerance, verdict in ((0.3, "good fit"), (0.2, "overfitting")):
        found = learner.learning_curve_diagnosis([0.75, 0.25], [2.0, 1.25], 1.0, tolerance=tolerance)
        assert_close(found, verdict, name="the verdict on a validation loss above the target")
        found = learner.learning_curve_diagnosis([0.75, 0.25], [0.4, 0.5], 1.0, tolerance=tolerance)
        assert_close(found, verdict, name="the verdict on a validation loss above its lowest")


def test_learning_curve_diagnosis_averages_over_the_window(learner):
    train, validation = [2.0, 0.5, 1.25, 0.5], [0.9, 0.2, 0.9, 0.65]  # means of the last two: 0.875 and 0.775
    assert_close(learner.learning_curve_diagnosis(train[:3], validation[:3], 1.0, window=2), "good fit")
    assert_close(learner.learning_curve_diagnosis(train, validation, 1.0, window=2), "overfitting")
    assert_close(learner.learning_curve_diagnosis(train, validation, 1.0, window=2, tolerance=0.5), "good fit")


@pytest.mark.stage("robust")
def test_learning_curve_diagnosis_refuses_curves_that_cannot_be_judged(learner):
    for train, validation, window in (
        ([0.5, 0.4], [0.5], 1),
        ([0.5, 0.4], [0.5, 0.4], 3),
        ([0.5, float("nan")], [0.5, 0.4], 1),
        ([0.5, 0.4], [float("inf"), 0.4], 1),
    ):
        with pytest.raises(ValueError):
            learner.learning_curve_diagnosis(train, validation, 1.0, window=window)
