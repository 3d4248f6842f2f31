"""Pack what was done into one zip: the files that were begun, and a manifest with their hashes. Nothing of the machine is in it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import zipfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from autograder import __version__
from autograder.catalog import Course, CourseError, Exercise
from autograder.practice.checker import Verdict
from autograder.practice.reset import original

MANIFEST = "manifest.json"
EARLIEST = (1980, 1, 1, 0, 0, 0)  # for every file in it: when each was written is the learner's business


def begun(course: Course, exercises: Iterable[Exercise]) -> list[Exercise]:
    """The exercises whose files differ from the stubs."""
    found = []
    for exercise in exercises:
        try:
            stub = original(course, exercise)
        except CourseError:
            stub = None  # nobody knows: better hand in a stub than lose work
        if exercise.stub.is_file() and exercise.stub.read_bytes() != stub:
            found.append(exercise)
    return found


def manifest(verdicts: Mapping[Exercise, Verdict]) -> dict:
    """Which files with which hashes, what the public checks said of them, and with which versions."""
    packages = sorted({package for exercise in verdicts for package in exercise.packages})
    return {
        "autograder": __version__,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "libraries": {package: found for package in packages if (found := _version(package))},
        "files": {
            f"{exercise.id}.py": {
                "sha256": hashlib.sha256(exercise.stub.read_bytes()).hexdigest(),
                "public_checks": verdict.states,
            }
            for exercise, verdict in verdicts.items()
        },
    }


def pack(out: Path, verdicts: Mapping[Exercise, Verdict]) -> None:
    """Write the zip, whole or not at all.

    Raises:
        CourseError: it cannot be written.
    """
    temporary = out.with_name(f".{out.name}.tmp")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for exercise in verdicts:
                archive.writestr(zipfile.ZipInfo(f"{exercise.id}.py", EARLIEST), exercise.stub.read_bytes())
            archive.writestr(zipfile.ZipInfo(MANIFEST, EARLIEST), json.dumps(manifest(verdicts), indent=2) + "\n")
        os.replace(temporary, out)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise CourseError(f"{out} cannot be written: {error.strerror}") from None


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
