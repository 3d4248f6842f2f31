"""A grading node: one process that collected the checks once and forks a child for each submission.

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
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from autograder import installed
from autograder.catalog import Course
from autograder.grading import examine, workbench
from autograder.grading.children import Child
from autograder.grading.diagnose import Diagnosis
from autograder.grading.grader import REHEARSAL_SECONDS, Grader
from autograder.grading.judge import Judge, RememberErrors
from autograder.grading.mistakes import MistakeError
from autograder.grading.pool import HIDDEN, PUBLIC, SOLUTION, Hello, Job, NodeSettings, system_fault
from autograder.grading.results import ACCEPTED, ExerciseResult
from autograder.policy import Policy
from autograder.sandbox import frameworks
from autograder.sandbox.client import Zygote
from autograder.sandbox.errors import SandboxError
from autograder.sandbox.forking import Forks, loading
from autograder.sandbox.gpu import CPU
from autograder.sandbox.selftest import self_test
from autograder.testing.provider import LocalProvider
from autograder.testing.running import CHECK

Suite = tuple[str, str]  # the id of an exercise, and which of its checks


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
        self.judges: dict[Suite, Judge] = {}
        self.graders: dict[Suite, Grader] = {}
        self.faults: dict[Suite, str] = {}
        self.collection_errors: dict[Path, str] = {}

    @property
    def suites(self) -> dict[Suite, Path]:
        """The files with the checks that this node runs."""
        hidden = {(name, HIDDEN): exercise.grader for name, exercise in self.exercises.items()}
        public = {(name, PUBLIC): exercise.public_tests for name, exercise in self.exercises.items()}
        return hidden | public if self.settings.own else hidden

    @property
    def home(self) -> Path:
        """A folder that holds all of them."""
        graders, root = self.course.graders_dir, self.course.root
        return graders if graders.is_dir() and not self.settings.own else root

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Iterator:
        with loading():
            return (yield)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.collection_errors[self.home / report.nodeid] = str(report.longrepr)

    def judges_of(self, session: pytest.Session) -> dict[Suite, Judge]:
        """The collected checks, by suite."""
        by_suite: dict[Suite, list[pytest.Item]] = {}
        for item in session.items:
            if check := item.stash.get(CHECK, None):
                by_suite.setdefault((check.exercise.id, HIDDEN if check.hidden else PUBLIC), []).append(item)
        return {suite: Judge(items, self.settings.seed) for suite, items in by_suite.items()}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if self.settings.own:
            with loading():
                load_for_forks()
        self.judges = self.judges_of(session)
        self.faults = self.find_faults()
        for (name, kind), judge in self.judges.items():
            if kind == PUBLIC:
                continue  # learners are told of these by the card alone
            judge.diagnosis = Diagnosis(self.exercises[name])
            try:
                with loading():
                    judge.diagnosis.prepare()
            except MistakeError as error:
                self.faults.setdefault((name, HIDDEN), f"{self.exercises[name].mistakes}: {error}")
        self.zygote.wait_until_ready()
        layers, forks = self_test(self.zygote), Forks()
        self.graders = {
            suite: Grader(self.exercises[suite[0]], judge, self.policy, self.references, self.zygote, forks)
            for suite, judge in self.judges.items()
        }
        if self.on_device:
            self.move_to_device()
        self.serve(layers)
        return True

    def move_to_device(self) -> None:
        """Grade there what its own solution passes there. An exercise may not: it draws random numbers, or runs on the CPU only."""
        try:
            self.on_device.wait_until_ready()
            self_test(self.on_device)
        except SandboxError:
            if not self.settings.or_cpu:
                raise
            return
        for suite, grader in self.graders.items():
            if suite in self.faults:
                continue
            there = replace(grader, zygote=self.on_device)
            problem = there.rehearse()
            if not problem:
                self.graders[suite] = there
            elif not self.settings.or_cpu:
                device = self.settings.device
                self.faults[suite] = f"{device} cannot be used: its own solution does not pass there; {problem}"

    def serve(self, layers: Sequence[str] = ()) -> None:
        """Say what there is to say at first, then answer job by job."""
        stream = self.connection.makefile("rwb")
        of_hidden = {name: fault for (name, kind), fault in self.faults.items() if kind == HIDDEN}
        say(stream, json.dumps(asdict(Hello([*layers], of_hidden))))
        for line in stream:
            request = json.loads(line)
            if isinstance(request, list):
                results = self.grade_own([Job.from_json(job) for job in request])
                say(stream, json.dumps([result.model_dump(mode="json") for result in results]))
            else:
                result = self.grade(Job.from_json(line))
                say(stream, result.model_copy(update={"layers": [*layers]}).model_dump_json())

    def find_faults(self) -> dict[Suite, str]:
        """Why a suite cannot be used: it was not collected, or does not accept its own reference."""
        cannot_fork = frameworks.must_not_run_before_a_fork(self.settings.libraries)
        if cannot_fork and frameworks.has_other_threads():
            words = "an operation ran while the checks were loaded: it belongs into a check"
            return dict.fromkeys(self.suites, words)
        faults = {suite: fault for suite, path in self.suites.items() if (fault := self.uncollected(suite, path))}
        if self.settings.own:
            return faults
        rejected = self.rejections_in_a_fork() if cannot_fork else self.rejections()
        return {(name, HIDDEN): fault for name, fault in rejected.items()} | faults

    def uncollected(self, suite: Suite, path: Path) -> str:
        """Why there are no checks of a suite; empty if there are."""
        if error := self.collection_errors.get(path):
            return f"{path} cannot be collected:\n{error}"
        if not path.is_file():
            return f"there is no {path}"
        return "" if suite in self.judges else f"{path} has no checks"

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
        """Graders that do not accept their own reference, and why, by exercise id."""
        faults = {}
        for (name, _), judge in self.judges.items():
            results = [result for _, result in judge.run(self.references, judge.order) if result is not None]
            if wrong := [result for result in results if result.status not in ACCEPTED]:
                words = wrong[0].detail or wrong[0].card or wrong[0].message
                grader = self.exercises[name].grader
                faults[name] = f"{grader} rejects its own reference in {wrong[0].check}:\n{words}"
        return faults

    def grade(self, job: Job) -> ExerciseResult:
        suite = job.exercise, HIDDEN if job.suite == SOLUTION else job.suite
        if fault := self.faults.get(suite):
            return system_fault(job, fault)
        if job.suite == SOLUTION:
            return examine.examined(job, self.exercises[job.exercise], self.judges[suite])
        return self.graders[suite].grade(job)

    def grade_own(self, jobs: Sequence[Job]) -> list[ExerciseResult]:
        suite = jobs[0].exercise, jobs[0].suite
        if fault := self.faults.get(suite):
            return [system_fault(job, fault) for job in jobs]
        return workbench.grade_own(self.graders[suite], jobs)


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
        loop = GradingLoop(settings, connection)
        loop.faults = dict.fromkeys(loop.suites, words)
        loop.serve()
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


def load_for_forks() -> None:
    """What trying the graders on their references would have imported, and every fork would, if it is not there now."""
    if "torch" in sys.modules:
        importlib.import_module("torch._dynamo")  # which making an optimizer does
    with suppress(ModuleNotFoundError):  # an extra, without which only `examine` cannot do
        importlib.import_module("coverage")


def run_session(loop: GradingLoop) -> None:
    settings = loop.settings
    with loading():
        if frameworks.must_not_run_before_a_fork(settings.libraries):
            frameworks.load(settings.libraries)  # now, or every fork would
        if "torch" in settings.libraries:
            import torch

            torch.set_num_threads(1)
    suites, home = [str(path) for path in loop.suites.values() if path.is_file()], loop.home
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
