"""The trusted side: start a fork server, get jailed workers from it.

with Zygote(["numpy"]) as zygote, zygote.worker(Limits()) as worker:
    module = worker.load({"m.softmax": source}, "m.softmax")
    module.softmax(x)
"""

from __future__ import annotations

import itertools
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from autograder.sandbox import gpu, jail
from autograder.sandbox.errors import SandboxError
from autograder.sandbox.frameworks import ONE_THREAD
from autograder.sandbox.handle import Worker
from autograder.sandbox.readable import importable_modules, readable_by_others, readable_paths
from autograder.sandbox.scratch import Scratch

START_SECONDS = 60.0  # importing a large framework on a busy machine
FORK_SECONDS = 20.0
SEND_BUFFER = 1 << 20
OWN_UIDS = 0x6AC00000  # far from any real user

# Nothing of the grader's own environment.
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/",
    "CUDA_VISIBLE_DEVICES": "",
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
} | ONE_THREAD
PACKAGE_ROOT = str(Path(__file__).parents[2])
START = (
    "import sys; sys.path.insert(0, {root!r}); from autograder.sandbox.zygote import main; sys.path.remove({root!r}); "
    "main({control}, {libraries!r}, {importable!r}, {readable!r}, {writable!r}, {devices!r})"
)


class Zygote:
    """A fork server with `libraries` imported.

    Args:
        wait: whether to wait for its imports; if not, `wait_until_ready` comes before the first worker.
        below: the folder for the folders in which its workers may write.
        device: where its workers make torch tensors: "cpu", or "cuda" on the GPU with the number `gpu_number`.

    Attributes:
        layers: what confines the fork server and, so, every worker.
        pid: its process id.

    Raises:
        SandboxError: it did not start (its last words are in the message), or a mandatory layer of the jail is missing and
            `unsafe` is not set.
    """

    def __init__(
        self,
        libraries: Sequence[str],
        *,
        unsafe: bool = False,
        wait: bool = True,
        below: str | None = None,
        device: str = gpu.CPU,
        gpu_number: str = "0",
    ):
        self.libraries, self.unsafe, self.device = tuple(libraries), unsafe, device
        on_gpu = device == "cuda"
        readable = [*readable_paths(self.libraries), *(gpu.readable() if on_gpu else ())]
        self.own_uids = own_uids() if jail.can_change_uid() and readable_by_others(readable) else None
        self.scratch = tempfile.mkdtemp(prefix="autograder-", dir=below)
        os.chmod(self.scratch, 0o311)  # workers pass through to the folder whose name they know, and list none
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        code = START.format(
            root=PACKAGE_ROOT,
            control=theirs.fileno(),
            libraries=list(self.libraries),
            importable=sorted(importable_modules(self.libraries)),
            readable=list(readable),
            writable=self.scratch,
            devices=gpu.devices() if on_gpu else [],
        )
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-B", "-c", code],
            pass_fds=[theirs.fileno()],
            env=ENVIRONMENT | (gpu.environment(gpu_number) if on_gpu else {}),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        theirs.close()
        self.pid = self.process.pid
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait for the libraries to be imported and the fork server to be confined."""
        try:
            self.layers = self.receive(START_SECONDS)[0]["layers"]
        except BaseException:
            self.close()
            raise

    def worker(self, limits: jail.Limits, wall_seconds: float = 10.0, *, scratch: bool = False) -> Worker:
        """A fresh jailed process. Takes a few milliseconds.

        Args:
            scratch: whether it may write, in a folder of its own.
        """
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        output = os.memfd_create("output")  # bounded by RLIMIT_FSIZE, and no pipe to drain
        number = secrets.randbits(62)
        uid = next(self.own_uids) if self.own_uids else None
        folder = Scratch(self.scratch, uid) if scratch else None
        write = [str(folder.path)] if folder else []
        request = {
            "id": number,
            "op": "fork",
            "limits": vars(limits),
            "uid": uid,
            "write": write,
            "device": self.device,
        }
        with theirs:
            socket.send_fds(self.control, [json.dumps(request).encode()], [theirs.fileno(), output])
        reply, descriptors = self.answer(number)
        worker = Worker(ours, descriptors[0], output, wall_seconds, folder, lambda: self.status(reply["pid"]))
        try:
            missing = jail.missing_layers(worker.wait_until_ready())
            if missing and not self.unsafe:
                raise SandboxError(
                    f"this machine cannot hold untrusted code: {'; '.join(missing)} (--unsafe overrides)"
                )
        except BaseException:
            worker.close()
            raise
        return worker

    def status(self, pid: int) -> list[int] | None:
        """How a worker ended: see `zygote.status_of`."""
        return self.ask("status", pid=pid)["status"]

    def sweep(self) -> list[dict]:
        """Kill and reap every worker; what each used: {status, cpu (seconds), rss_kb}."""
        return self.ask("sweep")["usage"]

    def ask(self, op: str, **arguments: Any) -> dict:
        number = secrets.randbits(62)
        try:
            self.control.send(json.dumps({"id": number, "op": op, **arguments}).encode())
        except OSError:
            raise SandboxError("the fork server is gone") from None
        return self.answer(number)[0]

    def answer(self, number: int) -> tuple[dict, list[int]]:
        """The reply to one request. Replies to others, left by a caller that was killed, are dropped."""
        while True:
            reply, descriptors = self.receive(FORK_SECONDS)
            if reply["id"] == number:
                return reply, descriptors
            for descriptor in descriptors:
                os.close(descriptor)

    def receive(self, seconds: float) -> tuple[dict, list[int]]:
        self.control.settimeout(seconds)
        try:
            data, descriptors, _, _ = socket.recv_fds(self.control, 1 << 20, 4)
        except TimeoutError:
            raise SandboxError(f"the fork server did not answer in {seconds:.0f} s") from None
        except OSError:
            data, descriptors = b"", []
        if not data:
            words = self.process.stderr.read().decode("utf-8", "replace").strip()
            raise SandboxError(f"the fork server is gone: {words[-2000:] or 'no last words'}")
        return json.loads(data), descriptors

    def close(self) -> None:
        self.control.close()
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        if os.path.isdir(self.scratch):
            os.chmod(self.scratch, 0o700)
            shutil.rmtree(self.scratch, ignore_errors=True)

    def __enter__(self) -> Zygote:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def own_uids() -> Iterator[int]:
    """User ids for this grader's workers: apart from those of other graders, so that RLIMIT_NPROC counts one worker only."""
    first = OWN_UIDS + (os.getpid() & 0xFFFF) * 64
    return itertools.cycle(range(first, first + 64))
