"""Disposable children of a process that stays clean: each is forked, runs checks, tells what it finds and is killed."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from autograder.grading.judge import Judge
from autograder.grading.results import CheckResult
from autograder.testing.provider import Provider

CHILD_MEMORY = 4 << 30  # bytes above what the parent has mapped: room for the arrays a check may receive
PR_SET_PDEATHSIG = 1


class Child:
    """A forked process that runs `run` and sends each of its messages.

    Args:
        run: called in the child; yields messages of plain data.
    """

    def __init__(self, run: Callable[[], Iterator[dict]]):
        self.reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.reader)
            _run(writer, run)
        os.close(writer)
        self.buffer = b""

    def message(self, deadline: float) -> dict | None:
        """The next message, or None when the child has ended.

        Raises:
            TimeoutError: the deadline (of time.monotonic) passed first.
        """
        while b"\n" not in self.buffer:
            ready, _, _ = select.select([self.reader], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError
            data = os.read(self.reader, 1 << 16)
            if not data:
                return None
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        return json.loads(line)

    def end(self) -> None:
        os.close(self.reader)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def _run(writer: int, run: Callable[[], Iterator[dict]]) -> None:
    """Send what there is to say; never returns."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if sys.platform == "linux":
            _die_with_parent()
            _limit_memory()
        for message in run():
            data = json.dumps(message).encode() + b"\n"
            while data:
                data = data[os.write(writer, data) :]
    except BaseException as error:
        sys.stderr.write(f"a child with checks failed: {type(error).__name__}: {error}\n")
        sys.stderr.flush()
    finally:
        os._exit(0)


def _die_with_parent() -> None:
    from autograder.sandbox import linux

    linux.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _limit_memory() -> None:
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + CHILD_MEMORY, mapped + CHILD_MEMORY))


def of_checks(
    judge: Judge, provider: Provider, waiting: Sequence[int], found: Mapping[int, CheckResult]
) -> Iterator[dict]:
    """What a child says of checks: {"running": index} before each, {"index": index, "result": …} after it."""
    for index, result in judge.run(provider, waiting, found):
        if result is None:
            yield {"running": index}
        else:
            yield {"index": index, "result": result.model_dump(mode="json")}
