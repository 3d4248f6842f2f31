"""Where the checks of a grading run get the learner's module from: a jailed worker, replaced when it dies."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cache
from pathlib import Path
from typing import Any

from autograder.catalog import CELL_BY_CELL, Exercise
from autograder.grading import notebook
from autograder.grading.uses import Task
from autograder.policy import Policy
from autograder.sandbox.client import Zygote
from autograder.sandbox.errors import LearnerError, SandboxError, WireError, WorkerDied, WorkerTimeout
from autograder.sandbox.handle import Worker
from autograder.sandbox.jail import Limits
from autograder.sandbox.proxy import RemoteModule
from autograder.sandbox.scratch import Scratch
from autograder.sandbox.sources import SourceFinder
from autograder.testing.failures import NotLoaded
from autograder.testing.frames import learner_frames
from autograder.testing.imports import check_imports
from autograder.testing.local import LocalModule, LocalObject
from autograder.testing.provider import LocalProvider, sources_in
from autograder.testing.tasks import Check

MAX_OUTPUT = 64 << 10
FORK_ATTEMPTS = 2
MAX_PROBLEMS = 20  # forbidden imports that are listed


def stand_in(exercise: Exercise, module: str, task: str) -> Callable:
    """The reference of a task as a function of plain data: what it yields comes as a list."""
    reference = reference_module(exercise.course.solutions_dir, module)

    def call(*args: Any, **kwargs: Any) -> Any:
        result = getattr(reference, task)(*args, **kwargs)
        return list(result) if isinstance(result, LocalObject) else result

    return call


@cache
def reference_module(solutions: Path, module: str) -> LocalModule:
    return LocalModule(SourceFinder(sources_in(solutions)), module)


class OwnCode(LocalProvider):
    """Serves code of the course's own, a solution with a known mistake say, as learners' own pytest would: in this process."""

    def __init__(self, exercise: Exercise, files: dict[str, bytes]):
        super().__init__()
        name = f"{exercise.module}.{exercise.name}"
        given = {other.replace("/", "."): (text, f"{other}.py") for other, text in files.items()}
        self.module = LocalModule(SourceFinder(sources_in(exercise.course.solutions_dir) | given), name)

    def learner(self, check: Check) -> LocalModule:
        return self.module


class JailedProvider:
    """Serves one submission.

    Args:
        files: source text by exercise id: the exercise and those of the learner's exercises that it imports.
        references: where the checks get the reference; what it has loaded before the fork is not loaded again.
        replaced: tasks in whose place the reference stands.
        has_run: whether the code has met hidden checks in an earlier child. What it says at its import is then not passed on:
            there are ways to leave a few bits to a later process (the times of files it may read, counters of the kernel).
        wants_scratch: whether a check asks for a folder in which the code may write.
        worker: one that has served other code of the course's own, to serve this as well. Never for what learners hand in.
        works: how many pieces of code a worker is to serve, each of which may use as much CPU time as a learner's.
    """

    def __init__(
        self,
        zygote: Zygote,
        policy: Policy,
        exercise: Exercise,
        files: dict[str, bytes],
        references: LocalProvider,
        replaced: Collection[Task] = (),
        has_run: bool = False,
        wants_scratch: bool = False,
        worker: Worker | None = None,
        works: int = 1,
    ):
        self.zygote, self.policy, self.exercise, self.references = zygote, policy, exercise, references
        self.allowed, self.forbidden = policy.allowed_imports(exercise), policy.forbidden_imports(exercise)
        self.stand_ins: dict[str, dict[str, Callable]] = {}
        for module, task in replaced:
            self.stand_ins.setdefault(module, {})[task] = stand_in(exercise, module, task)
        self.handed_in, self.sources = files, {}
        self.notes: list[str] = []
        self.filenames = {name.replace("/", "."): f"{name}.py" for name in files}
        self.worker, self.works = worker, works
        self.module: RemoteModule | None = None
        self.failure: Exception | None = None
        self.met_hidden_check = False
        self.problems: list[str] | None = None
        self.has_run, self.wants_scratch = has_run, wants_scratch
        self.output = ""

    def readable(self, name: str, text: bytes) -> bytes:
        """The Python of a file; of a notebook what defines something, or all of it where that is what the exercise asks for."""
        from_notebook = notebook.is_joined(text)
        if self.exercise.is_notebook:
            text, left_out = notebook.as_program(text, self.forbidden)
        elif from_notebook:
            text, left_out = notebook.runnable(text)
        if from_notebook and name == self.exercise.id:
            self.notes = [
                f"{notebook.FROM_NOTEBOOK}{'; left out: ' + ', '.join(left_out[:MAX_PROBLEMS]) if left_out else ''}"
            ]
        return text

    def learner(self, check: Check) -> RemoteModule:
        """The learner's module, in a worker that lives.

        Raises:
            NotLoaded: the file cannot be imported. WorkerTimeout: importing it does not end.
        """
        if check.visible and self.met_hidden_check:
            self.stop()
        if self.failure is None and (self.module is None or self.is_dead):
            self.start()
        if self.failure is not None:
            raise self.failure
        self.met_hidden_check = self.met_hidden_check or not check.visible
        self.module._begin_check(check.in_place)
        self.module._scratch = None
        self.worker.forget_functions()
        self.worker.seconds_left = self.worker.wall_seconds
        return self.module

    def scratch(self) -> Path:
        """An empty folder, in which the worker may write."""
        self.module._scratch = self.worker.scratch
        return self.worker.scratch.empty()

    @property
    def device(self) -> str:
        return self.zygote.device

    @property
    def trace(self) -> list:
        """What the last check called and read."""
        return self.module._trace if self.module is not None else []

    @property
    def files(self) -> Scratch | None:
        """The scratch folder, if the last check asked for one."""
        return self.module._scratch if self.module is not None else None

    @property
    def was_killed(self) -> bool:
        """Whether the worker was killed from outside, by the kernel when memory ran out, say."""
        return self.worker is not None and self.worker.was_killed

    @property
    def is_dead(self) -> bool:
        return self.worker is None or self.worker.cause_of_death is not None

    def reference(self, check: Check) -> LocalModule:
        return self.references.reference(check)

    def file(self, check: Check) -> Path | None:
        return None

    def start(self) -> None:
        if self.is_dead:
            self.stop()
        name = self.exercise.id.replace("/", ".")
        filename = self.filenames[name]
        if self.problems is None:
            self.sources = {
                other.replace("/", "."): self.readable(other, text) for other, text in self.handed_in.items()
            }
            siblings = [f"{other.module}.{other.name}" for other in self.exercise.course.exercises]
            self.problems = check_imports(self.sources[name], filename, self.allowed, self.forbidden, siblings)
            if self.sources[name].startswith(CELL_BY_CELL.encode()):
                self.problems = []  # a cell with an import that does not work ends there, as it does in a notebook
        if self.problems:
            self.failure = NotLoaded(filename, "\n".join(self.problems[:MAX_PROBLEMS]))
            return
        self.load(name, filename)
        if self.was_killed:  # perhaps not by what the learner's code did: it gets another chance
            self.stop()
            self.failure = None
            self.load(name, filename)

    def load(self, name: str, filename: str) -> None:
        if self.is_dead:
            self.worker = self.fork()
        try:
            self.module = self.worker.load(self.sources, name, filenames=self.filenames, stand_ins=self.stand_ins)
            self.has_run = True
        except LearnerError as error:
            reason = f"{error.etype}: {error}".removesuffix(": ")
            frames = learner_frames(error, self.filenames.values())
            self.failure = NotLoaded(filename, reason, frames)
            if self.has_run:
                self.failure = NotLoaded(filename, "it could be imported at first, but not again")
        except WorkerTimeout as error:
            self.failure = WorkerTimeout(f"{filename} could not be loaded: {error}")
        except (WorkerDied, WireError):
            self.failure = NotLoaded(filename, self.worker.cause_of_death)

    def fork(self) -> Worker:
        wall_seconds = self.policy.limits(self.exercise).wall_seconds
        for attempt in range(FORK_ATTEMPTS):
            try:
                return self.zygote.worker(self.limits(), wall_seconds, scratch=self.wants_scratch)
            except SandboxError:  # of the jail, or because something killed it
                if attempt == FORK_ATTEMPTS - 1:
                    raise

    def limits(self) -> Limits:
        rules = self.policy.limits(self.exercise)
        return Limits(
            cpu_seconds=max(1, round(rules.cpu_seconds * self.works)),
            memory_bytes=rules.memory_mb << 20,
            output_bytes=rules.output_kb << 10,
            gpu_memory_bytes=rules.gpu_memory_mb << 20,
        )

    def stop(self) -> None:
        if self.worker is not None:
            self.output = (self.output + self.worker.output())[:MAX_OUTPUT]
            self.worker.close()
        self.worker, self.module, self.met_hidden_check = None, None, False
