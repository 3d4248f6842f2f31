"""Grade many exercises on several grading nodes at once.

`Pool.submit` has the shape of `concurrent.futures.Executor.submit`: a job goes in, a future result comes out.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Protocol

from autograder.grading.results import ExerciseResult, Outcome
from autograder.sandbox import gpu
from autograder.sandbox.frameworks import ONE_THREAD
from autograder.sandbox.gpu import CPU

HIDDEN, PUBLIC, SOLUTION = "hidden", "public", "solution"  # the checks of an exercise that a job can ask for
NODES_PER_GPU = 4  # each has one worker at a time, with a context of its own
START_SECONDS = 180.0  # importing a framework and running every grader on its reference, on a busy machine
PACKAGE_ROOT = Path(__file__).parents[2]


class NodeError(Exception):
    """A grading node could not start, or ended. Its last words are in the message."""


@dataclass(frozen=True)
class Job:
    """Grade one exercise of one learner.

    Attributes:
        files: source text by exercise id: the exercise itself and the learner's exercises that it imports.
        seconds: after this long the node is taken for dead.
        seed: of the inputs of the checks, if not that of the node.
        task: run the checks of this task alone.
        mistake: what is handed in has this known mistake: no more checks than it takes to tell it; see `Judge.is_told`. One
            without a name is told by any check that it clearly fails.
        suite: the checks. Only a node for the course's own code has "public" ones, and those of the "solution" itself
            (see `examine`).
    """

    learner: str
    exercise: str
    files: dict[str, bytes]
    sha256: str
    seconds: float
    seed: int | None = None
    task: str | None = None
    mistake: str | None = None
    suite: str = HIDDEN

    def to_json(self) -> str:
        files = {name: base64.b64encode(text).decode() for name, text in self.files.items()}
        return json.dumps(asdict(self) | {"files": files})

    @classmethod
    def from_json(cls, line: str | bytes) -> Job:
        fields = json.loads(line)
        return cls(**fields | {"files": {name: base64.b64decode(text) for name, text in fields["files"].items()}})


@dataclass(frozen=True)
class NodeSettings:
    """What a node grades: exercises of one course that share a set of libraries.

    Attributes:
        own: what is handed in is the course's own, its solutions among them: there are the public checks as well, and no grader is
            tried on its own reference before.
        scratch: the folder below which learners' code may write.
        device: where learners' torch tensors are, "cpu" or "cuda" on the GPU with the number `gpu_number`. What does not use torch
            stays on the CPU, and so does, with `or_cpu`, an exercise whose own solution does not pass there.
    """

    course: str
    exercises: Sequence[str]
    libraries: Sequence[str]
    seed: int
    unsafe: bool = False
    own: bool = False
    scratch: str | None = None
    device: str = CPU
    gpu_number: str = "0"
    or_cpu: bool = False


@dataclass
class Hello:
    """What a node found out about itself at its start.

    Attributes:
        faults: by exercise id, why its grader cannot be used (it does not accept its own reference, say).
    """

    layers: list[str] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)


class Node:
    """A grading process: hidden graders collected and tried on the reference, a fork server beside it.

    Raises:
        NodeError: it did not come up.
    """

    def __init__(self, settings: NodeSettings):
        ours, theirs = socket.socketpair()
        self.log = tempfile.TemporaryFile()
        environment = (
            {
                name: value
                for name, value in os.environ.items()
                if name in ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")
            }
            | {
                "CUDA_VISIBLE_DEVICES": "",  # autograd starts threads for every device, and a process with threads cannot fork
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                "PYTHONPATH": str(PACKAGE_ROOT),
                "TF_CPP_MIN_LOG_LEVEL": "3",
            }
            | ONE_THREAD
        )
        self.process = subprocess.Popen(
            [sys.executable, "-B", "-P", "-m", "autograder.grading.node", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,  # Ctrl-C is for the command line, which then stops its nodes in order
        )
        theirs.close()
        self.sock, self.stream = ours, ours.makefile("rwb")
        try:
            self.hello = Hello(**json.loads(self.ask(json.dumps(asdict(settings)), START_SECONDS)))
        except BaseException:
            self.close()
            raise

    def grade(self, job: Job) -> ExerciseResult:
        return ExerciseResult.model_validate_json(self.ask(job.to_json(), job.seconds))

    def grade_own(self, jobs: Sequence[Job]) -> list[ExerciseResult]:
        """Grade the course's own code, one exercise, its solution last: see `workbench`."""
        results = self.ask(json.dumps([job.to_json() for job in jobs]), sum(job.seconds for job in jobs))
        return [ExerciseResult.model_validate(result) for result in json.loads(results)]

    def ask(self, line: str, seconds: float) -> bytes:
        self.sock.settimeout(seconds)
        try:
            self.stream.write(line.encode() + b"\n")
            self.stream.flush()
            answer = self.stream.readline()
        except TimeoutError:
            raise NodeError(f"a grading node gave no answer within {seconds:.0f} s. {self.last_words()}") from None
        except OSError:
            answer = b""
        if not answer.endswith(b"\n"):
            raise NodeError(f"a grading node ended. {self.last_words()}")
        return answer

    def last_words(self) -> str:
        self.log.seek(0)
        words = self.log.read().decode("utf-8", "replace").strip()[-3000:]
        return f"Its last words:\n{words}" if words else ""

    def close(self) -> None:
        """End it at once. Its fork server sees the connection close, and the workers die with that."""
        self.process.kill()
        self.process.wait()
        with suppress(OSError):  # what it did not live to read
            self.stream.close()
        self.sock.close()
        self.log.close()


class Grades(Protocol):
    """What jobs are handed to: the nodes of this machine, or of others."""

    def submit(self, job: Job) -> Future[ExerciseResult]:
        """Begin to grade. What fails for reasons of ours is a result with the outcome `system`."""

    def __enter__(self) -> Grades: ...

    def __exit__(self, *_: object) -> None: ...


def system_fault(job: Job, problem: str) -> ExerciseResult:
    """The result of a job that could not be done, which is to be graded again."""
    module, _, exercise = job.exercise.partition("/")
    return ExerciseResult(
        learner=job.learner,
        module=module,
        exercise=exercise,
        outcome=Outcome.SYSTEM,
        note=problem,
        sha256=job.sha256,
    )


def at(results: Future[list[ExerciseResult]], place: int) -> ExerciseResult:
    """One of the results, once there are any."""
    return results.result()[place]


class Pool:
    """A few nodes, each serving one job at a time. A node that dies is replaced, and its job tried once more.

    Args:
        nodes: how many. With none, threads of the caller's use `grade` and `grade_own`, and each gets a node of its own.
    """

    def __init__(self, settings: NodeSettings, nodes: int):
        self.scratch = tempfile.TemporaryDirectory(prefix="autograder-", ignore_cleanup_errors=True)
        self.settings = replace(settings, scratch=self.scratch.name)
        self.nodes: list[Node] = []
        self.own = threading.local()
        self.lock = threading.Lock()
        self.closing = False
        numbers = gpu.numbers() if settings.device != CPU else []
        if numbers:
            nodes = min(nodes, NODES_PER_GPU * len(numbers))
        self.gpus = itertools.cycle(numbers or ["0"])
        # In this thread, so that a faulty installation is told before any work.
        self.spare = [self.start_node()] if nodes else []
        self.threads = ThreadPoolExecutor(max_workers=nodes or 1)

    def submit(self, job: Job) -> Future[ExerciseResult]:
        return self.threads.submit(self.grade, job)

    def submit_own(self, jobs: Sequence[Job]) -> Future[list[ExerciseResult]]:
        """Begin to grade code of the course's own, which needs no process of its own: see `workbench`.

        Args:
            jobs: of one exercise. The last hands in its solution, which shows that what was tried before left nothing behind.
        """
        return self.threads.submit(self.grade_own, jobs)

    def grade(self, job: Job) -> ExerciseResult:
        return self.attempt(lambda node: [node.grade(job)], [job])[0]

    def grade_own(self, jobs: Sequence[Job]) -> list[ExerciseResult]:
        return self.attempt(lambda node: node.grade_own(jobs), jobs)

    def attempt(self, grade: Callable[[Node], list[ExerciseResult]], jobs: Sequence[Job]) -> list[ExerciseResult]:
        problem = "the grading nodes were stopped"
        for _ in range(2):
            if self.closing:
                break
            try:
                return grade(self.node())
            except NodeError as error:
                problem = str(error)
                self.discard_node()
        return [system_fault(job, problem) for job in jobs]

    def node(self) -> Node:
        """The node of the calling thread."""
        if getattr(self.own, "node", None) is None:
            with self.lock:
                self.own.node = self.spare.pop() if self.spare else None
            self.own.node = self.own.node or self.start_node()
        return self.own.node

    def start_node(self) -> Node:
        settings = replace(self.settings, gpu_number=next(self.gpus))
        try:
            node = Node(settings)
        except NodeError:  # something may have killed it: one more attempt tells a faulty installation from that
            if self.closing:
                raise
            node = Node(settings)
        with self.lock:
            self.nodes.append(node)
        if self.closing:  # meanwhile
            node.process.kill()
        return node

    def discard_node(self) -> None:
        if node := getattr(self.own, "node", None):
            node.close()
            with self.lock:
                self.nodes.remove(node)
        self.own.node = None

    def close(self) -> None:
        self.closing = True
        self.threads.shutdown(wait=False, cancel_futures=True)
        with self.lock:
            nodes = list(self.nodes)
        for node in nodes:
            node.process.kill()
        self.threads.shutdown(wait=True)
        for node in self.nodes:
            node.close()
        self.scratch.cleanup()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
