"""What a learner has done so far: `.autograder/progress.json` in the course, one small file.

It survives upgrades of this package: what an older version did not write has a default, what a newer one wrote is kept.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from autograder.catalog import Course

VERSION = 1
BREAK_SECONDS = 600.0  # a longer time between two checks was not spent on the task


class TaskRecord(BaseModel):
    """One task.

    Attributes:
        state: that of the last check: passed, wrong, error, timeout, not_started or not_reached.
        attempts: how often it was checked with the file changed.
        seconds: time spent, as far as the times of the checks tell.
        hints: rungs of the ladder that were shown.
        solution: "" (not seen), "after" (seen after passing) or "gave up".
        passed: when it passed for the first time (ISO 8601, local time).
        history: [when, state] each time the state changed.
    """

    model_config = ConfigDict(extra="allow")

    state: str = "not_started"
    attempts: int = 0
    seconds: float = 0.0
    hints: int = 0
    solution: str = ""
    passed: str = ""
    history: list[list[str]] = Field(default_factory=list)


class Record(BaseModel):
    """All of it.

    Attributes:
        tasks: by "m00_foundations/activations/softmax".
        files: by exercise id, a hash of the file as it was checked last, and when.
        days: by date, how many checks were run with a changed file.
    """

    model_config = ConfigDict(extra="allow")

    version: int = VERSION
    tasks: dict[str, TaskRecord] = Field(default_factory=dict)
    files: dict[str, list[str]] = Field(default_factory=dict)
    days: dict[str, int] = Field(default_factory=dict)

    def task(self, exercise: str, task: str) -> TaskRecord:
        """The record of a task; made when it is asked for."""
        return self.tasks.setdefault(f"{exercise}/{task}", TaskRecord())

    def note(self, exercise: str, states: dict[str, str], digest: str, now: datetime) -> list[str]:
        """Take in the states of an exercise's tasks; which of them passed for the first time."""
        before, when = self.files.get(exercise, ["", ""])
        changed = digest != before
        spent = _between(when, now) if changed else 0.0
        self.files[exercise] = [digest, now.isoformat(timespec="seconds")]
        if changed:
            today = now.date().isoformat()
            self.days[today] = self.days.get(today, 0) + 1
        worked_on = [t for t, state in states.items() if state not in ("passed", "not_started", "not_reached")]
        worked_on += [
            t for t, state in states.items() if state == "passed" and self.task(exercise, t).state != "passed"
        ]
        first = []
        for task, state in states.items():
            record = self.task(exercise, task)
            if changed and task in worked_on:
                record.attempts += 1
                record.seconds += spent / len(worked_on)
            if state != record.state:
                record.history.append([now.isoformat(timespec="seconds"), state])
            if state == "passed" and not record.passed:
                record.passed = now.isoformat(timespec="seconds")
                first.append(task)
            record.state = state
        return first


def _between(when: str, now: datetime) -> float:
    try:
        seconds = (now - datetime.fromisoformat(when)).total_seconds()
    except (ValueError, TypeError):
        return 0.0
    return seconds if 0 <= seconds <= BREAK_SECONDS else 0.0


def folder(course: Course) -> Path:
    """Where practice keeps its files."""
    return course.root / ".autograder"


def load(course: Course) -> Record:
    """The record, or an empty one. A file that cannot be read is put aside, never overwritten."""
    path = folder(course) / "progress.json"
    try:
        return Record.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Record()
    except (ValidationError, ValueError):
        aside = path.with_name(f"progress-damaged-{datetime.now():%Y%m%d-%H%M%S}.json")
        os.replace(path, aside)
        return Record()


@contextmanager
def changing(course: Course) -> Iterator[Record]:
    """The record, written back at the end of the block, whole or not at all; two programs take turns."""
    home = folder(course)
    home.mkdir(exist_ok=True)
    with _lock(home / "lock"):
        record = load(course)
        yield record
        path = home / "progress.json"
        temporary = path.with_name(f".progress-{os.getpid()}.tmp")
        temporary.write_text(json.dumps(record.model_dump(), indent=1), encoding="utf-8")
        os.replace(temporary, path)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    try:
        import fcntl
    except ImportError:  # Windows, where two programs writing at once may lose one check's note
        yield
        return
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
