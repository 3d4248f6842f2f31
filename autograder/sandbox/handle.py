"""The trusted side's end of one jailed process: ask it things with a deadline, and kill it when it misbehaves."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from autograder.sandbox import proxy, wire
from autograder.sandbox.errors import LearnerError, SandboxError, WireError, WorkerDied, WorkerTimeout, learner_error
from autograder.sandbox.peer import Closed, Peer, Refused
from autograder.sandbox.scratch import Scratch

READY_SECONDS = 20.0
REPLY_CAPS = wire.Caps(body=64 << 20)
MAX_LINES = 2000  # a line number beyond is not believed: in a file long enough it could say what the input was
SIGNALS = {
    signal.SIGKILL: "the process was killed",
    signal.SIGXCPU: "the process went over its limit of CPU time",
    signal.SIGSEGV: "the process crashed (segmentation fault)",
    signal.SIGABRT: "the process crashed (abort)",
    signal.SIGBUS: "the process crashed (bus error)",
    signal.SIGFPE: "the process crashed (arithmetic error)",
    signal.SIGSYS: "the process crashed (a forbidden system call)",
}


class Worker:
    """One jailed process and the conversation with it.

    Every request has `wall_seconds` from start to end or, once `seconds_left` is set, what all requests together have left of it.
    `was_killed` says that somebody else's SIGKILL ended it (or its own: that cannot be told apart).
    """

    def __init__(
        self,
        sock: socket.socket,
        pidfd: int,
        output: int,
        wall_seconds: float,
        scratch: Scratch | None = None,
        ask_status: Callable[[], list[int] | None] = lambda: None,
    ):
        self.pidfd, self.output_fd, self.wall_seconds, self.scratch = pidfd, output, wall_seconds, scratch
        self.ask_status, self.was_killed = ask_status, False
        self.peer = Peer(sock, self.serve, self.explain, self.describe, self.resolve, REPLY_CAPS)
        self.callbacks: list[Callable | None] = []
        self.lasting = 0  # how many of them are for good, the others for one check
        self.layers: list[str] = []
        self.cause_of_death: str | None = None
        self.seconds_left: float | None = None
        self.line_counts: dict[str, int] = {}

    def wait_until_ready(self) -> list[str]:
        self.peer.deadline = time.monotonic() + READY_SECONDS
        try:
            word, self.layers = self.peer.receive()
        except Closed:
            raise SandboxError(f"a worker did not start: {self.output().strip()}") from None
        finally:
            self.peer.deadline = None
        assert word == "ready"
        return self.layers

    def load(
        self,
        sources: Mapping[str, bytes],
        name: str,
        *,
        filenames: Mapping[str, str] | None = None,
        stand_ins: Mapping[str, Mapping[str, Callable]] | None = None,
    ) -> proxy.RemoteModule:
        """Import module `name` from `sources` (dotted name to source text) in the worker.

        Args:
            filenames: what each module is called in tracebacks; by default its name with slashes and `.py`.
            stand_ins: by module, functions of this side that take the place of the module's own, called back when they are used.
        """
        names = {key: key.replace(".", "/") + ".py" for key in sources} | dict(filenames or {})
        self.line_counts = {names[key]: min(len(text.splitlines()) + 1, MAX_LINES) for key, text in sources.items()}
        replaced = {module: dict(functions) for module, functions in (stand_ins or {}).items()}
        self.request("load", dict(sources), names, name, replaced)
        self.lasting = len(self.callbacks)
        return proxy.RemoteModule(self, names[name])

    def forget_functions(self) -> None:
        """Call back no more what was passed so far (but for stand-ins): one check's functions could answer another's questions."""
        self.callbacks[self.lasting :] = [None] * (len(self.callbacks) - self.lasting)

    def request(self, op: str, *args: Any) -> Any:
        """Ask the worker.

        Raises:
            LearnerError: the learner's code raised. WorkerTimeout, WorkerDied, WireError: it hung, died or talked nonsense; the
            worker is dead from then on.
        """
        if self.cause_of_death:
            raise WorkerDied(self.cause_of_death)
        outermost, start = self.peer.deadline is None, time.monotonic()
        if outermost:
            self.peer.deadline = start + (self.wall_seconds if self.seconds_left is None else self.seconds_left)
        try:
            return self.peer.request(op, *args)
        except Refused as refused:
            raise self.learner_error(refused.details) from None
        except Closed:
            self.kill(self.last_words())
            raise WorkerDied(self.cause_of_death) from None
        except WorkerTimeout:
            self.kill(f"no answer within {self.wall_seconds:g} s")
            raise WorkerTimeout(self.cause_of_death) from None
        except WireError:
            self.kill("its answer could not be read")  # the error can hold what the learner's code wrote
            raise
        except BaseException:  # of a function that was passed in: the call that asked it has not ended
            self.kill("the check ended during a call")
            raise
        finally:
            if outermost:
                self.peer.deadline = None
                if self.seconds_left is not None:
                    self.seconds_left -= time.monotonic() - start

    def learner_error(self, details: Any) -> LearnerError | WireError:
        match details:
            case [str(etype), str(message), list(frames)]:
                shown = [tuple(frame) for frame in frames[-20:] if self.is_frame(frame)]
                return learner_error(etype[:100], message[:2000], shown)
        self.kill("its answer could not be read")
        return WireError("a malformed error")

    def is_frame(self, frame: Any) -> bool:
        """Whether it names a line that there is: more than that a frame shall not be able to say."""
        if type(frame) is not list or [type(part) for part in frame] != [str, int, str, str]:
            return False
        return 0 <= frame[1] <= self.line_counts.get(frame[0], -1)

    # What the worker may ask of this side: only the functions that were passed to it.

    def serve(self, op: str, args: list) -> Any:
        match op, args:
            case "callback", [int(number), list(positional), dict(named)] if 0 <= number < len(self.callbacks):
                if self.callbacks[number] is None:
                    raise RuntimeError("this function was passed to an earlier call")
                if all(type(key) is str for key in named):
                    return self.callbacks[number](*positional, **named)
        raise WireError(f"an unknown request: {op[:50]!r}")

    @staticmethod
    def explain(error: BaseException) -> list:
        # What a check asserts in a function that it passes fails the check: the learner's code could swallow it, or read it.
        asserted = isinstance(error, AssertionError) and not isinstance(error, LearnerError)
        if asserted or not isinstance(error, Exception):
            raise error
        return [type(error).__name__, str(error)[:300], []]

    def describe(self, value: Any) -> dict | None:
        if isinstance(value, proxy.RemoteObject):
            return {"o": [proxy.number_of(value)]}
        if isinstance(value, np.random.Generator):
            return wire.encode_generator(value)
        if callable(value):
            self.callbacks.append(value)
            return {"f": [len(self.callbacks) - 1]}
        return None

    def resolve(self, kind: str, payload: Any) -> Any:
        match kind, payload:
            case "o", [int(number), str(type_name)] if 0 <= number < 1 << 62:
                return proxy.RemoteObject(self, number, type_name[:100])
        raise WireError("unknown node")

    def output(self, limit: int = 1 << 16) -> str:
        """What the learner's code printed so far."""
        return os.pread(self.output_fd, limit, 0).decode("utf-8", "replace")

    def last_words(self) -> str:
        """How the process ended, as far as its fork server can tell."""
        try:
            how, what = self.ask_status() or (None, 0)
        except (SandboxError, KeyError):  # the fork server is gone as well
            how, what = None, 0
        if how == os.CLD_EXITED:
            return "the process ended: it called exit"
        if how is None:
            return "the process ended"
        self.was_killed = what == signal.SIGKILL
        return SIGNALS.get(what) or f"the process was ended by signal {what}"

    def kill(self, cause: str = "the worker was stopped") -> None:
        self.cause_of_death = self.cause_of_death or cause
        try:
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        except (ProcessLookupError, OSError):
            pass

    def close(self) -> None:
        self.kill()
        self.peer.sock.close()
        for descriptor in (self.pidfd, self.output_fd):
            try:
                os.close(descriptor)
            except OSError:
                pass
        self.pidfd = self.output_fd = -1
        if self.scratch:
            self.scratch.remove()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
