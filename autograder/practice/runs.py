"""A learner's own training runs: the scalars of TensorBoard logs below `runs/`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autograder.catalog import Course

MAX_RUNS = 12
MAX_POINTS = 200  # of a curve: more cannot be seen


@dataclass(frozen=True)
class Curve:
    """One scalar over the steps of one run."""

    run: str
    tag: str
    steps: Sequence[int]
    values: Sequence[float]


def training_runs(course: Course) -> tuple[list[Curve], str]:
    """The curves of the latest runs, and a sentence if they cannot be read."""
    folder = course.root / "runs"
    logs = sorted({path.parent for path in folder.rglob("events.out.tfevents.*")}, key=lambda p: p.stat().st_mtime)
    if not logs:
        return [], ""
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError:
        return (
            [],
            "There are training runs, but tensorboard, which reads them, is not installed: pip install tensorboard",
        )
    curves = []
    for log in logs[-MAX_RUNS:]:
        events = EventAccumulator(str(log), size_guidance={"scalars": MAX_POINTS})
        events.Reload()
        name = log.relative_to(folder).as_posix()
        for tag in events.Tags()["scalars"]:
            points = [(event.step, event.value) for event in events.Scalars(tag)]
            curves.append(Curve(name, tag, [step for step, _ in points], [value for _, value in points]))
    return curves, ""
