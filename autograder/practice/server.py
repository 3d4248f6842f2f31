"""A warm process for practice: libraries imported and public checks collected once, a fork for each verdict.

It speaks JSON lines on one socket: a request names an exercise, the answer is a `Verdict`. A learner's endless loop ends with its
child; what they print goes into the answer.
"""

from __future__ import annotations

import importlib
import json
import os
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from autograder.catalog import Course
from autograder.grading.children import Child, of_checks
from autograder.grading.judge import Judge, RememberErrors, unjudged
from autograder.grading.results import CheckResult, Status
from autograder.policy import Policy
from autograder.sandbox.forking import Forks, loading
from autograder.sandbox.frameworks import settle
from autograder.testing.provider import LocalProvider
from autograder.testing.running import CHECK

OUTPUT_BYTES = 4000
LOADING_SECONDS = 5.0  # beside the limit of a check: importing the learner's files
HANGS_TOLERATED = 3


class PracticeLoop:
    """A pytest plugin that takes over the run loop: collect once, then answer requests until the connection closes."""

    def __init__(self, course: Course, libraries: Sequence[str], stream: Any):
        self.course, self.libraries, self.stream = course, libraries, stream
        self.policy = Policy.load(course)
        self.problems: list[str] = []
        self.to_import: list[str] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Iterator:
        with loading():
            return (yield)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.problems.append(str(report.longrepr))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items: dict[str, list[pytest.Item]] = {}
        for item in session.items:
            if check := item.stash.get(CHECK, None):
                items.setdefault(check.exercise.id, []).append(item)
        self.items, self.forks = items, Forks()
        self.say({"ready": sorted(items), "problems": self.problems})
        for line in self.stream:
            self.say(self.verdict(json.loads(line)))
            self.catch_up()
        return True

    def catch_up(self) -> None:
        """Import what the last child had to (an optimizer's libraries, say), so that the next finds it here."""
        for name in self.to_import:
            importlib.import_module(name)
        self.to_import.clear()

    def say(self, message: dict) -> None:
        self.stream.write(json.dumps(message).encode() + b"\n")
        self.stream.flush()

    def verdict(self, request: dict) -> dict:
        name = request["exercise"]
        if name not in self.items:
            return {"exercise": name, "checks": [], "problems": self.problems or ["it has no public checks"]}
        start = time.monotonic()
        seed = secrets.randbits(31) if request.get("seed") is None else request["seed"]
        judge = Judge(self.items[name], seed)
        found: dict[int, CheckResult] = {}
        with tempfile.TemporaryFile() as output:
            for _ in range(HANGS_TOLERATED + 1):
                waiting = [index for index in range(len(judge.checks)) if index not in found]
                if waiting:
                    self.run_child(judge, waiting, found, output)
            output.seek(0)
            printed = output.read(OUTPUT_BYTES).decode("utf-8", "replace")
        for index, check in enumerate(judge.checks):
            found.setdefault(index, unjudged(check, Status.SYSTEM, "this check could not be run"))
        checks = [found[index].model_dump(mode="json") for index in range(len(judge.checks))]
        return {
            "exercise": name,
            "seed": seed,
            "checks": checks,
            "output": printed,
            "problems": self.problems,
            "seconds": round(time.monotonic() - start, 4),
        }

    def run_child(self, judge: Judge, waiting: list[int], found: dict[int, CheckResult], output: Any) -> None:
        """Run the checks in a fork, until one hangs or ends it."""
        limit = self.policy.limits(judge.checks[0].exercise).wall_seconds
        self.forks.prepare()
        child = Child(lambda: self.in_child(judge, waiting, found, output))
        running = None
        try:
            while message := child.message(time.monotonic() + limit + (0 if found else LOADING_SECONDS)):
                if "running" in message:
                    running = message["running"]
                elif "imported" in message:
                    self.to_import = message["imported"]
                else:
                    found[message["index"]] = CheckResult.model_validate(message["result"])
        except TimeoutError:
            found[running or waiting[0]] = unjudged(
                judge.checks[running or waiting[0]],
                Status.TIMEOUT,
                f"no answer within {limit:g} s: does a loop never end?",
            )
        else:
            if running is not None and running not in found:
                found[running] = unjudged(judge.checks[running], Status.ERROR, "the code ended the process it ran in")
        child.end()

    def in_child(self, judge: Judge, waiting: list[int], found: dict[int, CheckResult], output: Any) -> Iterator[dict]:
        for descriptor in (1, 2):
            os.dup2(output.fileno(), descriptor)
        sys.stdin = open(os.devnull)
        before = set(sys.modules)
        yield from of_checks(judge, LocalProvider(), waiting, found)
        new = [name for name in sys.modules if name not in before and name.partition(".")[0] in self.libraries]
        yield {"imported": new}
        sys.stdout.flush()
        sys.stderr.flush()


def main(descriptor: int) -> None:
    stream = socket.socket(fileno=descriptor).makefile("rwb")
    settings = json.loads(stream.readline())
    course = Course(Path(settings["course"]))
    with loading():
        for library in settings["libraries"]:
            importlib.import_module(library)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    exercises = [course.exercise(name) for name in settings["exercises"]]
    if any(b"optim" in path.read_bytes() for e in exercises for path in (e.stub, e.public_tests) if path.is_file()):
        settle()  # making an optimizer imports for seconds, which would count as the check's time
    loop = PracticeLoop(course, settings["libraries"], stream)
    tests = [str(exercise.public_tests) for exercise in exercises if exercise.public_tests.is_file()]
    arguments = [
        "--rootdir", str(course.root), "--confcutdir", str(course.exercises_dir), "-c", os.devnull,
        "--import-mode=importlib", "--continue-on-collection-errors", "--capture=no",
        "-p", "no:cacheprovider", "-p", "no:terminal", "-p", "no:faulthandler", "-p", "no:logging",
        "-p", "autograder.testing.plugin",
    ]  # fmt: skip
    nothing = [
        "--ignore-glob=*",
        str(course.exercises_dir),
    ]  # without a path pytest would collect the working directory
    pytest.main([*arguments, *(tests or nothing)], plugins=[loop, RememberErrors()])


if __name__ == "__main__":
    main(int(sys.argv[1]))
