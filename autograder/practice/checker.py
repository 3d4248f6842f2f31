"""Verdicts for a learner, from a warm process that forks for each."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path

from autograder import installed
from autograder.catalog import Course, CourseError, Exercise
from autograder.practice import record
from autograder.sandbox.frameworks import ONE_THREAD
from autograder.testing.verdict import NOT_REACHED, NOT_STARTED, PASSED, SYSTEM

START_SECONDS = 120.0
PACKAGE_ROOT = Path(__file__).parents[2]
WORST_FIRST = ("error", "timeout", "wrong", SYSTEM, NOT_STARTED, NOT_REACHED, PASSED)


@dataclass(frozen=True)
class Outcome:
    """One public check: as `grading.results.CheckResult`, which only the warm process needs to know."""

    task: str
    check: str
    sentence: str
    status: str
    message: str = ""
    card: str = ""


@dataclass(frozen=True)
class Verdict:
    """What the public checks of an exercise say.

    Attributes:
        checks: in the order of the file.
        output: what the learner's code printed, cut short.
        problems: why checks could not be collected.
        seed: of the inputs.
        seconds: how long the checks took.
    """

    exercise: Exercise
    checks: Sequence[Outcome]
    output: str = ""
    problems: Sequence[str] = ()
    seed: int = 0
    seconds: float = 0.0
    first_passed: Sequence[str] = field(default=(), compare=False)

    @cached_property
    def states(self) -> dict[str, str]:
        """By task, the worst status of its checks; tasks without a public check are left out."""
        by_task = {task: [check.status for check in self.checks if check.task == task] for task in self.exercise.tasks}
        return {task: min(found, key=WORST_FIRST.index) for task, found in by_task.items() if found}

    @property
    def passed(self) -> bool:
        return bool(self.checks) and all(check.status == PASSED for check in self.checks)

    @property
    def next_task(self) -> str | None:
        """The first task that does not pass."""
        return next((task for task, state in self.states.items() if state != PASSED), None)

    def failure(self, task: str | None = None) -> Outcome | None:
        """The first check, of that task or at all, that says what is wrong."""
        telling = [c for c in self.checks if c.status not in (PASSED, NOT_REACHED) and task in (None, c.task)]
        begun = [check for check in telling if check.status != NOT_STARTED]
        return next(iter(begun or telling), None)


class CheckerError(CourseError):
    """There can be no verdict; the message says why and what to do."""


class Checker:
    """Checks exercises that share their libraries, with these imported once.

    Raises:
        CheckerError: a library is not installed, or the process does not start.
    """

    def __init__(self, course: Course, exercises: Sequence[Exercise]):
        self.course, self.exercises = course, {exercise.id: exercise for exercise in exercises}
        self.libraries = sorted({package for exercise in exercises for package in exercise.packages})
        if not hasattr(os, "fork"):
            raise CheckerError("this needs Linux, macOS or WSL; on Windows itself use plain pytest: pytest exercises")
        if absent := installed.missing(self.libraries):
            raise CheckerError(installed.in_words(absent))
        self.start()

    def start(self) -> None:
        ours, theirs = socket.socketpair()
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "autograder.practice.server", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env={**os.environ, "PYTHONPATH": str(PACKAGE_ROOT), **ONE_THREAD, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,  # Ctrl-C is for whoever asks
        )
        theirs.close()
        ours.settimeout(START_SECONDS)
        self.socket, self.stream = ours, ours.makefile("rwb")
        self.collected_at = self._stamp()
        self.ask({"course": str(self.course.root), "exercises": list(self.exercises), "libraries": self.libraries})

    def check(self, exercise: Exercise, seed: int | None = None) -> Verdict:
        """Run the public checks of an exercise on the file as it is now, and note in the record what came out."""
        if self._stamp() != self.collected_at or self.process.poll() is not None:  # the tests themselves were edited
            self.close()
            self.start()
        digest = hashlib.sha256(exercise.stub.read_bytes() if exercise.stub.is_file() else b"").hexdigest()
        answer = self.ask({"exercise": exercise.id, "seed": seed})
        wanted = Outcome.__dataclass_fields__
        answer["checks"] = [
            Outcome(**{key: value for key, value in check.items() if key in wanted}) for check in answer["checks"]
        ]
        verdict = Verdict(**answer | {"exercise": exercise})
        with record.changing(self.course) as noted:
            first = noted.note(exercise.id, verdict.states, digest, datetime.now())
        return Verdict(**answer | {"exercise": exercise, "first_passed": first})

    def ask(self, request: dict) -> dict:
        try:
            self.stream.write(json.dumps(request).encode() + b"\n")
            self.stream.flush()
            line = self.stream.readline()
        except OSError:
            line = b""
        if not line.endswith(b"\n"):
            words = self.last_words()
            self.close()
            raise CheckerError(f"the process that runs the checks ended. {words}")
        return json.loads(line)

    def last_words(self) -> str:
        self.log.seek(0)
        return self.log.read().decode("utf-8", "replace").strip()[-2000:]

    def _stamp(self) -> list[int]:
        tests = (exercise.public_tests for exercise in self.exercises.values())
        return [path.stat().st_mtime_ns if path.is_file() else 0 for path in tests]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        try:
            self.stream.close()
        except OSError:
            pass
        self.socket.close()
        self.log.close()

    def __enter__(self) -> Checker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
