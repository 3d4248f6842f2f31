"""A grading node: one process that collected the hidden graders once and forks a child for each submission.

It tries every grader on its own reference first, which proves the installation and does all lazy imports before the first fork.
Then it stays inside pytest's run loop. Each job gets a disposable child with limits of its own, which runs the stock pytest
protocol over the collected checks against a jailed worker and reports check by check; what the child leaves unsaid when it dies,
the node says.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from autograder import installed
from autograder.catalog import Course, Exercise
from autograder.grading.children import Child, of_checks
from autograder.grading.diagnose import Diagnosis
from autograder.grading.jailed import JailedProvider, OwnCode
from autograder.grading.judge import Judge, RememberErrors, unjudged
from autograder.grading.mistakes import MistakeError
from autograder.grading.pool import Hello, Job, NodeSettings
from autograder.grading.results import CheckResult, ExerciseResult, Outcome, Status
from autograder.grading.uses import Task, stand_ins
from autograder.policy import Policy
from autograder.sandbox import frameworks
from autograder.sandbox.client import Zygote
from autograder.sandbox.errors import SandboxError
from autograder.sandbox.forking import Forks
from autograder.sandbox.gpu import CPU
from autograder.sandbox.selftest import self_test
from autograder.testing.provider import LocalProvider
from autograder.testing.running import CHECK

REHEARSAL_SECONDS = 150.0
ACCEPTED = (Status.PASSED, Status.NOT_RUN)  # of a solution
CHILDREN = 5  # a check that kills two of them is tried no more; after so many the rest is left
CHILDS_SHARE, NODES_SHARE = 0.5, 0.9  # of the time for a job: what is left serves the checks behind one that hangs


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
        self.zygotes: dict[str, Zygote] = {}  # of the exercises that are not graded on the CPU
        self.course = Course(Path(settings.course))
        self.policy = Policy.load(self.course)
        self.exercises = {exercise.id: exercise for exercise in map(self.course.exercise, settings.exercises)}
        self.references = LocalProvider(self.course.solutions_dir)
        self.judges: dict[str, Judge] = {}
        self.collection_errors: dict[str, str] = {}

    def suite(self, exercise: Exercise) -> Path:
        """The file with the checks that this node runs."""
        return exercise.public_tests if self.settings.public else exercise.grader

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.collection_errors[report.nodeid] = str(report.longrepr)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        by_exercise: dict[str, list[pytest.Item]] = {}
        for item in session.items:
            if check := item.stash.get(CHECK, None):
                by_exercise.setdefault(check.exercise.id, []).append(item)
        self.judges = {name: Judge(items, self.settings.seed) for name, items in by_exercise.items()}
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
        self.forks = Forks()
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
        for name in self.exercises.keys() - hello.faults.keys():
            self.zygotes[name] = self.on_device
            problem = self.try_on_device(name)
            if problem:
                del self.zygotes[name]
            if problem and not self.settings.or_cpu:
                hello.faults[name] = (
                    f"{self.settings.device} cannot be used: its own solution does not pass there; {problem}"
                )

    def try_on_device(self, name: str) -> str:
        """What goes wrong when the exercise's solution is graded where `zygotes` says."""
        exercise, found = self.exercises[name], {}
        files = {each.id: each.solution.read_bytes() for each in (*exercise.imports_exercises, exercise)}
        judge = replace(self.judges[name], diagnosis=None)
        job = Job("", name, files, "", REHEARSAL_SECONDS)
        self.run_children(judge, job, time.monotonic() + REHEARSAL_SECONDS, judge.order, found)
        results = [found.get(index) for index in judge.order]
        wrong = next((each for each in results if each is None or each.status not in ACCEPTED), None)
        if wrong is None and None not in results:
            return ""
        return (
            f"{wrong.check}: {wrong.detail or wrong.card or wrong.message}"
            if wrong
            else "its checks do not come to an end"
        )

    def serve(self, hello: Hello) -> None:
        """Say what there is to say at first, then answer job by job."""
        stream = self.connection.makefile("rwb")
        say(stream, json.dumps(asdict(hello)))
        for line in stream:
            job = Job.from_json(line)
            say(stream, self.grade(job, hello).model_dump_json())

    def faults(self) -> dict[str, str]:
        """What `try_on_references` finds: in a fork, where its operations would start threads that later forks lack."""
        if not frameworks.must_not_run_before_a_fork(self.settings.libraries):
            return self.try_on_references()
        if frameworks.has_other_threads():
            return dict.fromkeys(
                self.exercises, "an operation ran while the checks were loaded: it belongs into a check"
            )
        child = Child(lambda: iter([self.try_on_references()]))
        try:
            found = child.message(time.monotonic() + REHEARSAL_SECONDS)
        except TimeoutError:
            found = None
        child.end()
        return dict.fromkeys(self.exercises, "its checks did not come to an end") if found is None else found

    def try_on_references(self) -> dict[str, str]:
        """Why a grader cannot be used, by exercise id: it was not collected, or does not accept its own reference."""
        faults = {}
        for name, exercise in self.exercises.items():
            suite = self.suite(exercise)
            if errors := [
                text
                for node, text in self.collection_errors.items()
                if node.endswith(f"{exercise.module}/{suite.name}")
            ]:
                faults[name] = f"{suite} cannot be collected:\n{errors[0]}"
            elif not suite.is_file():
                faults[name] = f"there is no {suite}"
            elif name not in self.judges:
                faults[name] = f"{suite} has no checks"
            else:
                judge = self.judges[name]
                results = [result for _, result in judge.run(self.references, judge.order) if result is not None]
                if wrong := [result for result in results if result.status not in ACCEPTED]:
                    words = wrong[0].detail or wrong[0].card or wrong[0].message
                    faults[name] = f"{suite} rejects its own reference in {wrong[0].check}:\n{words}"
        return faults

    def grade(self, job: Job, hello: Hello) -> ExerciseResult:
        exercise, start = self.exercises[job.exercise], time.monotonic()
        result = ExerciseResult(
            learner=job.learner,
            module=exercise.module,
            exercise=exercise.name,
            outcome=Outcome.GRADED,
            sha256=job.sha256,
            layers=hello.layers,
            device=self.zygotes.get(job.exercise, self.zygote).device if self.zygote else CPU,
        )
        if fault := hello.faults.get(job.exercise):
            return result.model_copy(update={"outcome": Outcome.SYSTEM, "note": fault})
        judge = self.judges[job.exercise]
        if job.seed is not None:
            judge = replace(judge, seed=job.seed)
        if job.task is not None:
            judge = replace(judge, items=[item for item in judge.items if item.stash[CHECK].task == job.task])
        judge = replace(judge, mistake=job.mistake)
        found: dict[int, CheckResult] = {}
        deadline = start + NODES_SHARE * job.seconds
        closing = self.run_children(judge, job, deadline, judge.order, found)
        late = time.monotonic() >= deadline
        status = Status.TIMEOUT if late else Status.SYSTEM
        message = "those before it took too long" if late else "this check could not be run"
        if not any(map(judge.is_told, found.values())):
            for index, check in enumerate(judge.checks):
                found.setdefault(index, unjudged(check, status, message))
            self.carry_forward(judge, job, deadline, found)
        update = {
            "checks": [found[index] for index in sorted(found)],
            "note": closing.get("note", ""),
            "output": closing.get("output", ""),
            "seconds": round(time.monotonic() - start, 4),
        }
        return result.model_copy(update=update)

    def carry_forward(self, judge: Judge, job: Job, deadline: float, found: dict[int, CheckResult]) -> None:
        """Grade what did not pass once more, with the reference in place of the tasks that it builds on."""
        exercise = self.exercises[job.exercise]
        own = f"{exercise.module}.{exercise.name}"
        if any(result.status is Status.TIMEOUT for result in found.values()):
            job = replace(job, files={job.exercise: job.files[job.exercise]})  # what it imports may be what hangs
        failed = {index for index, result in found.items() if result.status not in ACCEPTED}
        failed_tasks = {(own, judge.checks[index].task) for index in failed}
        for task in {judge.checks[index].task: None for index in sorted(failed)}:
            replaced = {each for each in stand_ins(exercise, task) if each[0] != own or each in failed_tasks}
            if not replaced:
                continue
            waiting = [index for index in judge.order if index in failed and judge.checks[index].task == task]
            again: dict[int, CheckResult] = {}
            self.run_children(judge, job, deadline, waiting, again, replaced)
            names = ", ".join(sorted(name for _, name in replaced))
            for index, result in again.items():
                if result.status is Status.PASSED:
                    message = f"passes once the reference stands in for {names}"
                    found[index] = result.model_copy(update={"carried": True, "message": message})
                elif found[index].status in (Status.WRONG, Status.ERROR) and not found[index].mistakes:
                    # A slip of its own shows only now, beside that of what it builds on.
                    update = {"says": result.says, "mistakes": result.mistakes}
                    found[index] = found[index].model_copy(update=update)

    def run_children(
        self,
        judge: Judge,
        job: Job,
        deadline: float,
        wanted: Sequence[int],
        found: dict[int, CheckResult],
        replaced: Collection[Task] = (),
    ) -> dict[str, str]:
        """Run the checks in `wanted`, put the results into `found` and return the closing words; a second and a third child
        take up what one that died has left."""
        closing: dict[str, str] = {}
        suspects: set[int] = set()
        for _ in range(CHILDREN):
            waiting, now = [index for index in wanted if index not in found], time.monotonic()
            if waiting and now < deadline and not closing:
                exercise = self.exercises[job.exercise]
                if self.settings.public and job.mistake:
                    provider = OwnCode(exercise, job.files)
                else:
                    provider = JailedProvider(
                        self.zygotes.get(job.exercise, self.zygote),
                        self.policy,
                        exercise,
                        job.files,
                        self.references,
                        replaced,
                        has_run=bool(found),
                        wants_scratch=judge.wants_scratch,
                    )
                childs = min(deadline, now + CHILDS_SHARE * job.seconds)
                closing |= self.run_child(judge, provider, childs, waiting, found, suspects)
        return closing

    def run_child(
        self,
        judge: Judge,
        provider: JailedProvider,
        deadline: float,
        waiting: Sequence[int],
        found: dict[int, CheckResult],
        suspects: set[int],
    ) -> dict[str, str]:
        """Fork a child for the checks in `waiting`, put what it reports into `found`, and return its closing words. A check during
        which the child dies becomes a suspect, and at the second time is not tried again."""
        self.forks.prepare()
        child = Child(lambda: messages(judge, provider, waiting, found))
        closing, running, in_time = {}, None, True
        try:
            while message := child.message(deadline):
                if "running" in message:
                    running = message["running"]
                elif "closing" in message:
                    closing = message["closing"]
                else:
                    found[message["index"]] = CheckResult.model_validate(message["result"])
        except TimeoutError:
            in_time = False
        child.end()
        provider.sweep()
        if running is not None and running not in found and in_time and running not in suspects:
            suspects.add(running)
        elif running is not None and running not in found:
            status = Status.SYSTEM if in_time else Status.TIMEOUT
            found[running] = unjudged(
                judge.checks[running], status, "the check was stopped" if in_time else "it took too long"
            )
        return closing


def messages(
    judge: Judge, provider: JailedProvider, waiting: Sequence[int], found: dict[int, CheckResult]
) -> Iterator[dict]:
    """What the child tells the node: of each check, and closing words."""
    yield from of_checks(judge, provider, waiting, found)
    provider.stop()
    note = "\n".join([*provider.notes, *([str(provider.failure)] if provider.failure else [])])
    yield {"closing": {"note": note, "output": provider.output}}


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
