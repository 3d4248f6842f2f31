"""What works on this machine, and how to mend what does not."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from autograder import __version__, installed
from autograder.catalog import Course, CourseError
from autograder.policy import Policy

GPU_SECONDS = 60
LIBRARIES = (
    "numpy",
    "torch",
    "torchvision",
    "tensorflow",
    "keras",
    "scikit-learn",
    "tensorboard",
    "matplotlib",
    "jupyterlab",
)


@dataclass(frozen=True)
class Finding:
    """One thing.

    Attributes:
        good: None where it is neither good nor bad to be without.
        mend: what to do about it.
    """

    room: str
    what: str
    good: bool | None
    says: str
    mend: str = ""


def examine(course: Course | None) -> Iterator[Finding]:
    """Look at Python, the libraries, each module of the course, the GPU and the jail."""
    yield Finding("here", "autograder", True, __version__)
    yield Finding("here", "Python", True, f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    virtual = sys.prefix != sys.base_prefix
    mend = "" if virtual else "python -m venv .venv && source .venv/bin/activate"
    yield Finding("here", "virtual environment", virtual or None, "yes" if virtual else "no", mend)
    for library in LIBRARIES:
        version = _version(library)
        yield Finding("libraries", library, True if version else None, version or "not installed")
    yield from _modules(course)
    yield _gpu()
    yield from _jail()


def _modules(course: Course | None) -> Iterator[Finding]:
    if course is None:
        yield Finding("modules", "course", False, "none found", "change into its folder, or name it: --course DIR")
        return
    packages: dict[str, set[str]] = {}
    for exercise in Policy.load(course).exercises():
        packages.setdefault(exercise.module, set()).update(exercise.packages)
    for module, needed in packages.items():
        absent = installed.missing(needed)
        words = installed.in_words(absent) if absent else ""
        yield Finding(
            "modules", module, not absent, words.partition("; run: ")[0] or "can run", words.partition("; run: ")[2]
        )


def _gpu() -> Finding:
    if not installed_here("torch"):
        return Finding("machine", "GPU", None, "unknown: torch is not installed")
    code = "import torch; print(torch.cuda.get_device_name() if torch.cuda.is_available() else '')"
    try:  # in a process of its own: this takes seconds, and a broken driver can take the process with it
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=GPU_SECONDS)
    except subprocess.TimeoutExpired:
        return Finding("machine", "GPU", None, "no answer from torch")
    name = done.stdout.strip()
    return Finding("machine", "GPU", True if name else None, name or "none: everything runs on the CPU")


def _jail() -> Iterator[Finding]:
    """What holds learners' code when it is graded here; practice does without."""
    if sys.platform != "linux":
        yield Finding("grading", "jail", None, "needs Linux; practice works here", "grade in a container, or on Linux")
        return
    from autograder.sandbox import landlock
    from autograder.sandbox.client import Zygote
    from autograder.sandbox.errors import SandboxError
    from autograder.sandbox.selftest import self_test

    yield Finding("grading", "kernel", True, platform.release())
    abi = landlock.abi()
    mend = "" if abi >= 3 else "a kernel from 6.2 on with Landlock; in a container, an engine that lets it through"
    yield Finding("grading", "Landlock", abi >= 3, f"ABI {abi}" if abi else "missing", mend)
    try:
        with Zygote(["numpy"]) as zygote:
            layers = self_test(zygote)
    except SandboxError as error:
        yield Finding("grading", "jail", False, str(error), "see docs/architecture.md; --unsafe grades without it")
        return
    yield Finding("grading", "jail", True, "holds against its self-test")
    yield Finding("grading", "layers", True, ", ".join(layers))
    if "uid" not in layers:
        why = "grading does not run as root" if os.getuid() else "other users cannot read this Python"
        yield Finding("grading", "own user ids", None, f"no: {why}", "threads are bounded by memory and time only")


def installed_here(library: str) -> bool:
    return not installed.missing([library])


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return ""


def find_course(start: object) -> Course | None:
    try:
        return Course.find(start)
    except CourseError:
        return None
