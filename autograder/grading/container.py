"""Grading inside one hardened container: a second wall, around the jails of all learners.

Outside runs the command that the user gave; it starts the engine, relays what is printed and holds the container's lifeline.
Inside runs the same command on the mounted folders, under `contained`.
"""

from __future__ import annotations

import csv
import io
import json
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

ENGINES = ("docker", "podman")
ANY_ENGINE = "auto"
HOME = "/grading"  # of everything that is mounted
TITLE = "autograder"  # the label of our images

# docker/compose.yaml and docs/containers.md say the same; a test compares them.
HARDENING = (
    "--network=none",
    "--read-only",
    "--tmpfs=/tmp:rw,nosuid,nodev,noexec,size=1g",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
)
GPU = {"docker": ["--gpus=all"], "podman": ["--device=nvidia.com/gpu=all"]}
PIDS_FOR_A_JOB = 256
MB_FOR_A_JOB, MB_FOR_A_GPU_JOB, MB_BESIDE_THEM = 1024, 4096, 1024
JOURNAL = "journal.jsonl"
NOBODY = 65534  # who grades where root asks for it

ENGINE_FAULTS, KILLED = (125, 126, 127), 128 + 9
SYSTEM_FAULT = 1
SECONDS_FOR_A_QUESTION = 60.0


class ContainerError(Exception):
    """There can be no container; the message says why and what to do."""


@dataclass(frozen=True)
class Engine:
    """A container engine that answers.

    Attributes:
        program: what is run.
        kind: docker or podman; some systems call podman docker.
        is_rootless: whether its containers' root is the user who runs it.
        limits: which of cpu, memory and pids it can limit here.
    """

    program: str
    kind: str
    is_rootless: bool
    cpus: int
    limits: frozenset[str]

    def build_command(self, gpu: bool) -> str:
        target = "gpu --build-arg EXTRAS=torch" if gpu else "cpu"
        return f"{self.program} build -f docker/Dockerfile -t {default_image(gpu)} --target {target} ."


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


def default_image(gpu: bool) -> str:
    return "autograder:gpu" if gpu else "autograder:cpu"


def find_engine(wanted: str) -> Engine:
    """The engine called `wanted`, or for "auto" the first of docker and podman that runs.

    Raises:
        ContainerError: none of them is installed and running.
    """
    if wanted not in (ANY_ENGINE, *ENGINES):
        raise ContainerError(f"--container {wanted}: say docker or podman, or nothing for the one that runs here")
    problems = []
    for program in ENGINES if wanted == ANY_ENGINE else [wanted]:
        if shutil.which(program) is None:
            problems.append(f"{program} is not installed")
            continue
        answer = _ask(program, "info", "--format", "{{json .}}")
        if answer.returncode == 0:
            return _engine(program, json.loads(answer.stdout))
        problems.append(f"{program} is installed, but does not run: {_last_line(answer.stderr)}")
    raise ContainerError("\n".join([*problems, "grading in a container needs docker or podman, installed and running"]))


def _engine(program: str, info: dict) -> Engine:
    if "host" in info:
        host = info["host"]
        return Engine(
            program, "podman", host["security"]["rootless"], host["cpus"], frozenset(host["cgroupControllers"] or ())
        )
    limits = {"cpu": "CpuCfsQuota", "memory": "MemoryLimit", "pids": "PidsLimit"}
    return Engine(
        program,
        "docker",
        any("rootless" in option for option in info.get("SecurityOptions") or ()),
        info["NCPU"],
        frozenset(name for name, key in limits.items() if info.get(key)),
    )


def demand_image(engine: Engine, image: str, gpu: bool) -> None:
    """Raises ContainerError: there is no such image here, or it is not one of ours."""
    title = '{{index .Config.Labels "org.opencontainers.image.title"}}'
    answer = _ask(engine.program, "image", "inspect", "--format", title, image)
    build = f"build it in the repository of autograder: {engine.build_command(gpu)}"
    if answer.returncode != 0:
        raise ContainerError(f"{engine.program} has no image {image}; {build}")
    if answer.stdout.strip() != TITLE:
        raise ContainerError(f"the image {image} is not one of autograder; {build}")


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
            f"the image {image} holds another version of autograder than this command; build it anew: "
            f"{engine.build_command(gpu)}"
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
                _ask(*kill)
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


def engine_flags(engine: Engine, *, jobs: int, learner_mb: int, gpu: bool = False) -> list[str]:
    """What the container may not do, and how much it may use. A limit that the engine cannot keep is left out, and said."""
    memory = MB_BESIDE_THEM + jobs * (learner_mb + (MB_FOR_A_GPU_JOB if gpu else MB_FOR_A_JOB))
    limits = {
        "memory": [f"--memory={memory}m", f"--memory-swap={memory}m"],
        "cpu": [f"--cpus={min(jobs, engine.cpus)}"],
        "pids": [f"--pids-limit={jobs * PIDS_FOR_A_JOB}"],
    }
    if missing := sorted(limits.keys() - engine.limits):
        print(f"warning: {engine.program} cannot limit {', '.join(missing)} here; the jail still does", file=sys.stderr)
    return [*HARDENING, *(flag for limit, flags in limits.items() if limit in engine.limits for flag in flags)]


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


def _ask(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_FOR_A_QUESTION)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer within {SECONDS_FOR_A_QUESTION:.0f} s")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it does not say why"])[-1]
