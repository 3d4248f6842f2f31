"""Hashes that tell whether a result can stand for another grading of the same work."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version_tuple

from autograder import __version__
from autograder.catalog import Exercise
from autograder.grading.submission import Submission
from autograder.policy import Policy
from autograder.sandbox.gpu import CPU

PACKAGE = Path(__file__).parents[1]


def run_identity(policy: Policy, seed: int, device: str = CPU) -> dict[str, str]:
    """What must be the same for results to stand in one journal. Points are not among it: they are counted from the results."""
    digest = hashlib.sha256()
    for exercise in policy.exercises():
        for part in _rules_and_files(policy, exercise):
            digest.update(part)
    identity = {  # named as an error names them
        "exercises, graders or rules": digest.hexdigest(),
        "seed": str(seed),
        "version of autograder": __version__,
    }
    return identity | ({} if device == CPU else {"device": device})


def work_digest(submission: Submission, exercise: Exercise) -> tuple[str, dict[str, bytes]]:
    """The hash of what a learner handed in for an exercise, and the files: its own and those of theirs that it imports."""
    needed = [exercise, *exercise.imports_exercises]
    files = {e.id: submission.files[e.id] for e in needed if e.id in submission.files}
    digest = hashlib.sha256()
    for name, text in sorted(files.items()):
        digest.update(f"{name} {len(text)}\n".encode() + text)
    digest.update(submission.refused.get(exercise.id, "").encode())
    return digest.hexdigest(), files


def grader_digest(policy: Policy, exercise: Exercise, seed: int, device: str = CPU) -> str:
    """The hash of everything besides the work that its result depends on: this package, the libraries, the graders, the
    seed, the device."""
    digest = hashlib.sha256(package_digest().encode())
    libraries = sorted(policy.allowed_imports(exercise))
    digest.update(json.dumps([seed, device, [(name, _version(name)) for name in libraries]]).encode())
    for part in _exercise(policy, exercise):
        digest.update(part)
    return digest.hexdigest()


def grading_identity(policy: Policy, exercises: Sequence[Exercise], libraries: Sequence[str]) -> dict[str, str]:
    """What two machines must have in common for their results to be the same, each by a name that a person understands."""
    identity = {  # named as an error names them
        "autograder": f"{__version__} ({package_digest()[:8]})",
        "Python": ".".join(python_version_tuple()[:2]),
    }
    identity |= {library: _version(library) for library in libraries}
    for exercise in exercises:
        digest = hashlib.sha256(b"".join(_exercise(policy, exercise))).hexdigest()
        identity[f"{exercise.id} (solution, checks, mistakes, rules)"] = digest[:16]
    return identity


def _exercise(policy: Policy, exercise: Exercise) -> Iterator[bytes]:
    """Everything of the course that a result of this exercise depends on."""
    yield from _rules_and_files(policy, exercise)
    for path in (exercise.mistakes, *(other.solution for other in exercise.imports_exercises)):
        yield path.read_bytes() if path.is_file() else b"-"


def _rules_and_files(policy: Policy, exercise: Exercise) -> Iterator[bytes]:
    rules = [
        policy.limits(exercise).model_dump(),
        sorted(policy.allowed_imports(exercise)),
        sorted(policy.forbidden_imports(exercise)),
    ]
    yield json.dumps([exercise.id, rules]).encode()
    for path in (exercise.solution, exercise.grader):
        yield path.read_bytes() if path.is_file() else b"-"


@cache
def package_digest() -> str:
    """Of this package's own code, so that a corrected fault is not answered from the time before it."""
    digest = hashlib.sha256()
    for room in ("sandbox", "testing", "grading"):
        for path in sorted((PACKAGE / room).glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""
