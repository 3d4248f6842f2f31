"""The page of `autograder progress --web`: one self-contained file, which works offline."""

from __future__ import annotations

import base64
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from autograder.catalog import Course
from autograder.policy import Policy
from autograder.practice import record
from autograder.practice.record import Record, TaskRecord
from autograder.practice.runs import Curve, training_runs
from autograder.practice.show import MARKS, next_task

WEEKS = 26
LEVELS = (1, 3, 8, 20)  # checks a day at which the colour of a day gets stronger
CELL = 14
PLOT_WIDTH, PLOT_HEIGHT, LEFT, BOTTOM, RIGHT, TOP = 360, 180, 46, 24, 10, 10
IMAGE_BYTES = 1 << 20


def write_page(course: Course, today: date | None = None) -> Path:
    """Write `.autograder/progress.html` and say where it is."""
    path = record.folder(course) / "progress.html"
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_name(".progress.html.tmp")
    temporary.write_text(render(course, record.load(course), today or date.today()), encoding="utf-8")
    os.replace(temporary, path)
    return path


def render(course: Course, noted: Record, today: date) -> str:
    policy = Policy.load(course)
    upcoming = next_task(policy, noted)
    curves, problem = training_runs(course)
    modules = [_module(course, policy, noted, module.name) for module in course.modules if module.exercises]
    return _template().render(
        title=policy.title,
        upcoming=upcoming and {"exercise": upcoming[0].id, "task": upcoming[1]},
        modules=modules,
        done=sum(module["done"] for module in modules),
        total=sum(module["total"] for module in modules),
        streak=streak(noted.days, today),
        active_days=len(noted.days),
        calendar=calendar(noted.days, today),
        plots=[plot(tag, [c for c in curves if c.tag == tag]) for tag in dict.fromkeys(c.tag for c in curves)],
        runs_problem=problem,
        marks=MARKS,
        today=today.isoformat(),
    )


def _module(course: Course, policy: Policy, noted: Record, name: str) -> dict[str, Any]:
    exercises = []
    for exercise in (exercise for exercise in policy.exercises() if exercise.module == name):
        tasks = [_task(task, noted.tasks.get(f"{exercise.id}/{task}", TaskRecord())) for task in exercise.tasks]
        done = sum(task["state"] == "passed" for task in tasks)
        exercises.append({"name": exercise.name, "tasks": tasks, "done": done, "total": len(tasks)})
    done, total = sum(e["done"] for e in exercises), sum(e["total"] for e in exercises)
    pictures = [picture(path) for path in sorted((course.exercises_dir / name).glob("*.svg"))]
    return {
        "name": name,
        "exercises": exercises,
        "done": done,
        "total": total,
        "pictures": [found for found in pictures if found],
    }


def _task(name: str, own: TaskRecord) -> dict[str, Any]:
    minutes = own.seconds / 60
    return {
        "name": name,
        "state": own.state if own.state in MARKS else "not_started",
        "attempts": own.attempts,
        "minutes": f"{minutes:.0f} min" if minutes >= 1 else "under 1 min" if own.seconds else "–",
        "hints": own.hints,
        "solution": own.solution,
        "passed": own.passed[:10],
        "history": [(when.replace("T", " ")[:16], state) for when, state in own.history[-12:]],
    }


def streak(days: dict[str, int], today: date) -> int:
    """How many days in a row somebody practised, up to today or yesterday."""
    day = today if today.isoformat() in days else today - timedelta(days=1)
    count = 0
    while day.isoformat() in days:
        count, day = count + 1, day - timedelta(days=1)
    return count


def calendar(days: dict[str, int], today: date) -> dict[str, Any]:
    """The squares of the last half year, a column a week from Monday on, and the names of the months above them."""
    first = today - timedelta(days=today.weekday(), weeks=WEEKS - 1)
    squares, months = [], []
    for number in range((today - first).days + 1):
        day = first + timedelta(days=number)
        count = days.get(day.isoformat(), 0)
        squares.append(
            {
                "x": number // 7 * CELL,
                "y": number % 7 * CELL,
                "level": sum(count >= level for level in LEVELS),
                "says": f"{day:%d %B %Y}: {count or 'no'} {'check' if count == 1 else 'checks'}",
            }
        )
        if day.day == 1 or number == 0:
            months.append({"x": number // 7 * CELL, "name": f"{day:%b}"})
    near = [a for a, b in zip(months, [*months[1:], None], strict=True) if b is None or b["x"] - a["x"] > 2 * CELL]
    return {"squares": squares, "months": near, "width": WEEKS * CELL, "height": 7 * CELL}


@dataclass(frozen=True)
class Axis:
    """A linear scale from numbers to pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(self.start + share * (self.end - self.start), 2)

    def ticks(self, count: int = 4) -> list[float]:
        """Round numbers within the range."""
        step = 10 ** math.floor(math.log10((self.high - self.low) / count or 1.0)) if self.high > self.low else 1.0
        step = next(
            (step * factor for factor in (1, 2, 5, 10) if (self.high - self.low) / (step * factor) <= count), step
        )
        first = math.ceil(self.low / step)
        return [number * step for number in range(first, first + count + 2) if number * step <= self.high + 1e-9 * step]


def plot(tag: str, curves: Sequence[Curve]) -> dict[str, Any]:
    """One chart: the same scalar of several runs, and the last value of each in words."""
    shown = [[(s, v) for s, v in zip(c.steps, c.values, strict=True) if math.isfinite(v)] for c in curves]
    points = [point for line in shown for point in line] or [(0, 0.0)]
    x = Axis(min(s for s, _ in points), max(s for s, _ in points), LEFT, PLOT_WIDTH - RIGHT)
    y = Axis(min(v for _, v in points), max(v for _, v in points), PLOT_HEIGHT - BOTTOM, TOP)
    return {
        "tag": tag,
        "width": PLOT_WIDTH,
        "height": PLOT_HEIGHT,
        "left": LEFT,
        "right": PLOT_WIDTH - RIGHT,
        "bottom": PLOT_HEIGHT - BOTTOM,
        "x_ticks": [(x(value), f"{value:g}") for value in x.ticks()],
        "y_ticks": [(y(value), f"{value:g}") for value in y.ticks()],
        "lines": [
            {
                "run": curve.run,
                "points": " ".join(f"{x(s)},{y(v)}" for s, v in line),
                "first": f"{line[0][1]:.4g}" if line else "–",
                "last": f"{line[-1][1]:.4g}" if line else "–",
                "steps": line[-1][0] if line else 0,
            }
            for curve, line in zip(curves, shown, strict=True)
        ],
    }


def picture(path: Path) -> dict[str, str] | None:
    """An SVG of a module as data: an image runs no script."""
    if path.stat().st_size > IMAGE_BYTES:
        return None
    data = base64.b64encode(path.read_bytes()).decode()
    return {"name": path.stem.replace("_", " "), "data": f"data:image/svg+xml;base64,{data}"}


@cache
def _template() -> jinja2.Template:
    templates = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    environment = jinja2.Environment(loader=templates, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("progress.html.j2")
