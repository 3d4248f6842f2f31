"""Grading inside one hardened container: a second wall, around the jails of all learners.

Outside runs the command that the user gave; it starts the engine, relays what is printed and holds the container's lifeline.
Inside runs the same command on the mounted folders, under `contained`.
"""

from __future__ import annotations

import csv
import io
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from autograder.grading.contained import OTHER_PACKAGE, SECONDS_TO_END
from autograder.grading.digests import package_digest
from autograder.grading.engine import GPU, ContainerError, Engine, ask, engine_flags

HOME = "/grading"  # of everything that is mounted
JOURNAL = "journal.jsonl"
NOBODY = 65534  # who grades where root asks for it

ENGINE_FAULTS, KILLED = (125, 126, 127), 128 + 9
SYSTEM_FAULT = 1


@dataclass(frozen=True)
class Mount:
    """A file or folder outside, and what it is called inside."""

    outside: Path
    inside: str
    is_writable: bool = False

    def flag(self) -> str:
        fields = ["type=bind", f"source={self.outside.resolve()}", f"target={self.inside}"]
        text = io.StringIO()
        csv.writer(text, lineterminator="").writerow([*fields, *([] if self.is_writable else ["readonly"])])
        return f"--mount={text.getvalue()}"


def run(
    engine: Engine,
    image: str,
    mounts: Sequence[Mount],
    arguments: Sequence[str],
    *,
    out: Path,
    jobs: int,
    learner_mb: int,
    gpu: bool = False,
) -> int:
    """Run `autograder` with these arguments in a container, until it ends or Ctrl-C comes; its exit code.

    What it prints is relayed, with the names that the mounts have outside.

    Args:
        out: the folder among the mounts that gets the results.
        learner_mb: the memory that one learner's process may use.

    Raises:
        ContainerError: the engine could not start it, the image holds another version of this package, or a folder cannot be used.
    """
    flags = engine_flags(engine, jobs=jobs, learner_mb=learner_mb, gpu=gpu)
    name = f"autograder-{secrets.token_hex(6)}"
    command = [
        engine.program, "run", "--rm", "--interactive", "--pull=never", f"--name={name}",
        *flags, *_user(engine), *_terminal(),
        *(["--read-only-tmpfs=false"] if engine.kind == "podman" else []),
        *(GPU[engine.kind] if gpu else []),
        *(mount.flag() for mount in mounts),
        "--entrypoint=python", image, "-m", "autograder.grading.contained", package_digest(), *arguments,
    ]  # fmt: skip
    names = {mount.inside: str(mount.outside) for mount in mounts}
    with _lent(out):
        code = _run_to_its_end(command, names, [engine.program, "kill", name])
    if code == OTHER_PACKAGE:
        raise ContainerError(
            f"the image {image} holds another version of autograder than this command; build it anew, "
            f"with its build arguments: {engine.build_command(image, gpu)}"
        )
    if code in ENGINE_FAULTS:
        print(f"error: {engine.program} could not run the image {image}", file=sys.stderr)
    elif code == KILLED:
        print("error: the container was killed, perhaps for its use of memory; what is graded is kept", file=sys.stderr)
    return SYSTEM_FAULT if code in (*ENGINE_FAULTS, KILLED) else code


def _run_to_its_end(command: Sequence[str], names: Mapping[str, str], kill: Sequence[str]) -> int:
    pipe = subprocess.PIPE
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # In a session of its own: Ctrl-C is for us, who then let the lifeline go.
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True) as client:
        streams = [(client.stdout, sys.stdout.buffer), (client.stderr, sys.stderr.buffer)]
        relays = [threading.Thread(target=relay, args=[*stream, names], daemon=True) for stream in streams]
        for thread in relays:
            thread.start()
        try:
            code = client.wait()
        except KeyboardInterrupt:
            client.stdin.close()
            try:
                code = client.wait(2 * SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                ask(*kill)
                raise KeyboardInterrupt from None
        for thread in relays:
            thread.join()
    return code


def relay(source: BinaryIO, target: BinaryIO, names: Mapping[str, str]) -> None:
    """Copy one stream to another as it comes, with each of these names replaced by what it stands for."""
    words = {inside.encode(): outside.encode() for inside, outside in names.items()}
    held = b""
    while chunk := source.read1():
        text = held + chunk
        for inside, outside in words.items():
            text = text.replace(inside, outside)
        beginnings = (length for name in words for length in range(1, len(name)) if text.endswith(name[:length]))
        ready = len(text) - max(beginnings, default=0)  # what follows may be completed to a name by the next chunk
        held = text[ready:]
        _put(target, text[:ready])
    _put(target, held)


def _put(target: BinaryIO, text: bytes) -> None:
    with suppress(BrokenPipeError):  # nobody reads it any more; the grading goes on
        target.write(text)
        target.flush()


def _user(engine: Engine) -> list[str]:
    """Never root outside; and what is written belongs to the user who asked."""
    if not hasattr(os, "getuid"):  # Windows, where the engine sees to that
        return []
    if is_root():
        return [f"--user={NOBODY}:{NOBODY}"]  # see `_lent`
    if engine.is_rootless and engine.kind == "docker":
        return ["--user=0:0"]  # which is this user outside
    keep = ["--userns=keep-id"] if engine.is_rootless else []
    return [*keep, f"--user={os.getuid()}:{os.getgid()}"]


def _terminal() -> list[str]:
    """What makes colours and the progress bar as they would be outside. The container gets pipes, so that stdout and stderr stay
    apart and Ctrl-C stays ours."""
    if not (sys.stdout.isatty() and sys.stderr.isatty()):
        return []
    known = {name: os.environ[name] for name in ("TERM", "NO_COLOR", "COLORTERM") if name in os.environ}
    size = shutil.get_terminal_size()
    known |= {"TTY_COMPATIBLE": "1", "COLUMNS": str(size.columns), "LINES": str(size.lines)}
    return [f"--env={name}={value}" for name, value in known.items()]


def is_root() -> bool:
    return hasattr(os, "getuid") and os.getuid() == 0


def give(folder: Path, user: int, group: int) -> None:
    """Make these the owner of a folder and of all that is in it."""
    for parent, _, files in os.walk(folder):
        for path in (parent, *(os.path.join(parent, name) for name in files)):
            os.chown(path, user, group, follow_symlinks=False)


@contextmanager
def _lent(folder: Path) -> Iterator[None]:
    """Where root asks, nobody grades: the folder is given to that user, and taken back with all that is in it.

    Raises:
        ContainerError: another run has it.
    """
    if not is_root():
        yield
        return
    import fcntl  # not on Windows

    before = folder.stat()
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if any(folder.iterdir()) and not (folder / JOURNAL).exists():
            yield  # it is refused inside, and stays as it is
            return
        give(folder, NOBODY, NOBODY)
        try:
            yield
        finally:
            was_left_lent = before.st_uid == NOBODY
            give(folder, *((0, 0) if was_left_lent else (before.st_uid, before.st_gid)))
    except BlockingIOError:
        raise ContainerError(f"{folder} is being written by another grading run") from None
    finally:
        os.close(lock)
