"""A grading node: one process that collected the hidden graders once and forks a child for each submission.

It tries every grader on its own reference first, which proves the installation and does all lazy imports before the first fork.
Then it stays inside pytest's run loop and serves jobs: `grader` says how one is graded.
"""

from __future__ import annotations

import importlib
import json
import os
import socket
import sys
import time
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from autograder import installed
from autograder.catalog import Course, Exercise
from autograder.grading import workbench
from autograder.grading.children import Child
from autograder.grading.diagnose import Diagnosis
from autograder.grading.grader import REHEARSAL_SECONDS, Grader
from autograder.grading.judge import Judge, RememberErrors
from autograder.grading.mistakes import MistakeError
from autograder.grading.pool import Hello, Job, NodeSettings, system_fault
from autograder.grading.results import ACCEPTED, ExerciseResult
from autograder.policy import Policy
from autograder.sandbox import frameworks
from autograder.sandbox.client import Zygote
from autograder.sandbox.errors import SandboxError
from autograder.sandbox.forking import Forks
from autograder.sandbox.gpu import CPU
from autograder.sandbox.selftest import self_test
from autograder.testing.provider import LocalProvider
from autograder.testing.running import CHECK


class GradingLoop:
    """A pytest plugin that takes over the run loop: collect once, then serve jobs until the connection closes."""

    def __init__(
        self,
        settings: NodeSettings,
        connection: socket.socket,
        zygote: Zygote | None = None,
        on_device: Zygote | None = None,
    ):
        self.settings, self.connection, self.zygote, self.on_device = settings, connection, zygote, on_device
        self.course = Course(Path(settings.course))
        self.policy = Policy.load(self.course)
        self.exercises = {exercise.id: exercise for exercise in map(self.course.exercise, settings.exercises)}
        self.references = LocalProvider(self.course.solutions_dir)
        self.judges: dict[str, Judge] = {}
        self.graders: dict[str, Grader] = {}
        self.collection_errors: dict[str, str] = {}

    def suite(self, exercise: Exercise) -> Path:
        """The file with the checks that this node runs."""
        return exercise.public_tests if self.settings.public else exercise.grader

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.collection_errors[report.nodeid] = str(report.longrepr)

    def judges_of(self, session: pytest.Session) -> dict[str, Judge]:
        """The collected checks, by exercise."""
        by_exercise: dict[str, list[pytest.Item]] = {}
        for item in session.items:
            if check := item.stash.get(CHECK, None):
                by_exercise.setdefault(check.exercise.id, []).append(item)
        return {name: Judge(items, self.settings.seed) for name, items in by_exercise.items()}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.judges = self.judges_of(session)
        hello = Hello(faults=self.faults())
        for name, judge in self.judges.items():
            if self.settings.public:
                continue  # learners are told of these by the card alone
            judge.diagnosis = Diagnosis(self.exercises[name])
            try:
                judge.diagnosis.prepare()
            except MistakeError as error:
                hello.faults.setdefault(name, f"{self.exercises[name].mistakes}: {error}")
        self.zygote.wait_until_ready()
        hello.layers = self_test(self.zygote)
        forks, public = Forks(), self.settings.public
        self.graders = {
            name: Grader(self.exercises[name], judge, self.policy, self.references, self.zygote, forks, public)
            for name, judge in self.judges.items()
        }
        if self.on_device:
            self.move_to_device(hello)
        self.serve(hello)
        return True

    def move_to_device(self, hello: Hello) -> None:
        """Grade there what its own solution passes there. An exercise may not: it draws random numbers, or runs on the CPU only."""
        try:
            self.on_device.wait_until_ready()
            self_test(self.on_device)
        except SandboxError:
            if not self.settings.or_cpu:
                raise
            return
        for name, grader in self.graders.items():
            if name in hello.faults:
                continue
            there = replace(grader, zygote=self.on_device)
            problem = there.rehearse()
            if not problem:
                self.graders[name] = there
            elif not self.settings.or_cpu:
                device = self.settings.device
                hello.faults[name] = f"{device} cannot be used: its own solution does not pass there; {problem}"

    def serve(self, hello: Hello) -> None:
        """Say what there is to say at first, then answer job by job."""
        stream = self.connection.makefile("rwb")
        say(stream, json.dumps(asdict(hello)))
        for line in stream:
            request = json.loads(line)
            if isinstance(request, list):
                results = self.grade_own([Job.from_json(job) for job in request], hello)
                say(stream, json.dumps([result.model_dump(mode="json") for result in results]))
            else:
                say(stream, self.grade(Job.from_json(line), hello).model_dump_json())

    def faults(self) -> dict[str, str]:
        """Why a grader cannot be used, by exercise id: it was not collected, or does not accept its own reference."""
        cannot_fork = frameworks.must_not_run_before_a_fork(self.settings.libraries)
        if cannot_fork and frameworks.has_other_threads():
            words = "an operation ran while the checks were loaded: it belongs into a check"
            return dict.fromkeys(self.exercises, words)
        faults = {name: fault for name, exercise in self.exercises.items() if (fault := self.uncollected(exercise))}
        if self.settings.untried:
            return faults
        return (self.rejections_in_a_fork() if cannot_fork else self.rejections()) | faults

    def collection_error(self, exercise: Exercise) -> str:
        """What pytest said when it collected the checks of an exercise; empty if that went well."""
        place = f"{exercise.module}/{self.suite(exercise).name}"
        return next((text for node, text in self.collection_errors.items() if node.endswith(place)), "")

    def uncollected(self, exercise: Exercise) -> str:
        """Why there are no checks of an exercise; empty if there are."""
        suite = self.suite(exercise)
        if error := self.collection_error(exercise):
            return f"{suite} cannot be collected:\n{error}"
        if not suite.is_file():
            return f"there is no {suite}"
        return "" if exercise.id in self.judges else f"{suite} has no checks"

    def rejections_in_a_fork(self) -> dict[str, str]:
        """Where operations start threads, which later forks would lack."""
        child = Child(lambda: iter([self.rejections()]))
        try:
            found = child.message(time.monotonic() + REHEARSAL_SECONDS)
        except TimeoutError:
            found = None
        child.end()
        return dict.fromkeys(self.exercises, "its checks did not come to an end") if found is None else found

    def rejections(self) -> dict[str, str]:
        """Graders that do not accept their own reference, and why."""
        faults = {}
        for name, judge in self.judges.items():
            results = [result for _, result in judge.run(self.references, judge.order) if result is not None]
            if wrong := [result for result in results if result.status not in ACCEPTED]:
                words = wrong[0].detail or wrong[0].card or wrong[0].message
                suite = self.suite(self.exercises[name])
                faults[name] = f"{suite} rejects its own reference in {wrong[0].check}:\n{words}"
        return faults

    def grade(self, job: Job, hello: Hello) -> ExerciseResult:
        fault = hello.faults.get(job.exercise)
        result = system_fault(job, fault) if fault else self.graders[job.exercise].grade(job)
        return result.model_copy(update={"layers": hello.layers})

    def grade_own(self, jobs: Sequence[Job], hello: Hello) -> list[ExerciseResult]:
        if fault := hello.faults.get(jobs[0].exercise):
            return [system_fault(job, fault) for job in jobs]
        return workbench.grade_own(self.graders[jobs[0].exercise], jobs)


def can_move(libraries: Collection[str]) -> bool:
    """Whether there are tensors that could be elsewhere than on the CPU: torch's, where TensorFlow does not run beside it."""
    return "torch" in libraries and not frameworks.must_not_run_before_a_fork(libraries)


def say(stream: Any, line: str) -> None:
    stream.write(line.encode() + b"\n")
    stream.flush()


def main(descriptor: int) -> int:
    connection = socket.socket(fileno=descriptor)
    settings = NodeSettings(**json.loads(connection.makefile("rb", buffering=0).readline()))
    if absent := installed.missing(settings.libraries):
        words = installed.in_words(absent)
        GradingLoop(settings, connection).serve(Hello(faults=dict.fromkeys(settings.exercises, words)))
        return 0
    # Not waited for: its imports take as long as ours.
    options = {"unsafe": settings.unsafe, "wait": False, "below": settings.scratch}
    with ExitStack() as stack:
        zygote, on_device = stack.enter_context(Zygote(settings.libraries, **options)), None
        if settings.device != CPU and can_move(settings.libraries):
            options |= {"device": settings.device, "gpu_number": settings.gpu_number}
            on_device = stack.enter_context(Zygote(settings.libraries, **options))
        run_session(GradingLoop(settings, connection, zygote, on_device))
    return 0


def run_session(loop: GradingLoop) -> None:
    settings = loop.settings
    if frameworks.must_not_run_before_a_fork(settings.libraries):
        frameworks.load(settings.libraries)  # now, or every fork would
    if "torch" in settings.libraries:
        import torch

        torch.set_num_threads(1)
        if settings.untried:
            importlib.import_module("torch._dynamo")  # making an optimizer imports it: in every fork, if not before
    suites = [str(suite) for suite in map(loop.suite, loop.exercises.values()) if suite.is_file()]
    home = loop.course.exercises_dir if settings.public else loop.course.graders_dir
    home = home if home.is_dir() else loop.course.root
    # Explicit root, configuration and plugins: nothing near a learner's files can take part.
    arguments = [
        "--rootdir", str(home), "--confcutdir", str(home), "-c", os.devnull,
        "--import-mode=importlib", "--continue-on-collection-errors", "--capture=no", "--probe-seed", str(settings.seed),
        "-p", "autograder.testing.plugin", "-p", "no:cacheprovider", "-p", "no:terminal", "-p", "no:faulthandler",
        "-p", "no:unraisableexception", "-p", "no:threadexception", "-p", "no:logging",
    ]  # fmt: skip
    nothing = ["--ignore-glob=*", str(home)]  # without a path pytest would collect the working directory
    pytest.main([*arguments, *(suites or nothing)], plugins=[loop, RememberErrors()])


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
