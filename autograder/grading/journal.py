"""The append-only record of a grading run: one line for each graded exercise, on disk before it counts.

A run killed at any moment is resumed from here: what has a line is done, what has none is graded (again). A torn last line, left
by a crash in the middle of a write, is cut off.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from autograder.grading.results import ExerciseResult

BEGINNING = b'{"run": {'  # of every journal


Key = tuple[str, str]  # learner and exercise id


class JournalError(Exception):
    """The results folder cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a result stands in the file, and what decides whether it holds: a class of thousands fits into memory."""

    start: int
    size: int
    sha256: str
    has_system_fault: bool


def _entry(result: ExerciseResult, start: int, size: int) -> Entry:
    return Entry(start, size, result.sha256, result.has_system_fault)


def read_entries(path: Path, file: BinaryIO) -> tuple[dict[Key, Entry], int]:
    """Where the last result of each learner and exercise is, and how long the file is up to its last whole line.

    Raises:
        JournalError: a line is no result.
    """
    entries: dict[Key, Entry] = {}
    size = 0
    file.seek(0)
    for number, line in enumerate(file, 1):
        if not line.endswith(b"\n"):  # torn
            break
        if number > 1:
            try:
                result = ExerciseResult.model_validate_json(line)
            except ValidationError:
                raise JournalError(f"{path}, line {number} cannot be read; name another folder with --out") from None
            entries[result.learner, result.exercise_id] = _entry(result, size, len(line))
        size += len(line)
    return entries, size


class Journal:
    """`journal.jsonl` in a results folder, locked while it is open.

    The first line identifies the run (course, graders, policy, seed); a journal of another run is never continued.

    Attributes:
        entries: by learner and exercise id, where the last result is.
    """

    def __init__(self, folder: Path, identity: dict[str, str]):
        self.path = folder / "journal.jsonl"
        try:
            self._open(folder)
        except OSError as error:
            raise JournalError(f"{folder} cannot be used for the results: {error.strerror}") from None
        try:
            self.entries = self._recover(identity)
        except JournalError:
            self.close()
            raise

    def _open(self, folder: Path) -> None:
        if folder.exists() and not folder.is_dir():
            raise JournalError(f"{folder} is a file; name a folder for the results")
        if folder.is_dir() and any(folder.iterdir()) and not self.path.exists():
            raise JournalError(
                f"{folder} is not empty and holds no results of an earlier run; name another folder with --out"
            )
        folder.mkdir(parents=True, exist_ok=True)
        self.file = self.path.open("a+b")
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise JournalError(f"{folder} is being written by another grading run") from None

    def _recover(self, identity: dict[str, str]) -> dict[Key, Entry]:
        self.file.seek(0)
        first = self.file.readline()
        if first.endswith(b"\n"):
            self._demand_same_run(first, identity)
        elif not BEGINNING.startswith(first[: len(BEGINNING)]):
            raise self._foreign()
        entries, self.size = read_entries(self.path, self.file)
        os.ftruncate(self.file.fileno(), self.size)  # not before all of it is known to be ours
        if not self.size:
            self._write(json.dumps({"run": identity}))
        return entries

    def _demand_same_run(self, line: bytes, identity: dict[str, str]) -> None:
        try:
            before = dict(json.loads(line)["run"])
        except (ValueError, KeyError, TypeError):
            raise self._foreign() from None
        changed = [name for name in before | identity if before.get(name) != identity.get(name)]
        if changed:
            raise JournalError(
                f"{self.path.parent} holds results of a run with other {' and '.join(changed)}; "
                "name another folder with --out, or remove this one"
            )

    def _foreign(self) -> JournalError:
        return JournalError(f"{self.path} is not a journal of grading; name another folder with --out")

    def done(self, learner: str, exercise: str, sha256: str) -> bool:
        """Whether this very file has been graded. Faults of the system are tried again."""
        entry = self.entries.get((learner, exercise))
        return entry is not None and entry.sha256 == sha256 and not entry.has_system_fault

    def extend(self, results: Sequence[ExerciseResult]) -> None:
        """Add results; they are on disk before they count.

        Raises:
            JournalError: they cannot be written, because the disk is full, say. What was there is kept.
        """
        start = self.size
        sizes = self._write(*(result.model_dump_json() for result in results))
        for result, size in zip(results, sizes, strict=True):
            self.entries[result.learner, result.exercise_id] = _entry(result, start, size)
            start += size

    def _write(self, *texts: str) -> list[int]:
        """Write these lines to the disk; how long each is."""
        lines = [f"{text}\n".encode() for text in texts]
        try:
            self.file.write(b"".join(lines))
            self.file.flush()
            os.fsync(self.file.fileno())
        except OSError as error:
            raise JournalError(
                f"{self.path} cannot be written: {error.strerror}; what is graded is kept: mend that and run the same command again"
            ) from None
        sizes = [len(line) for line in lines]
        self.size += sum(sizes)
        return sizes

    def close(self) -> None:
        try:
            self.file.close()
        except OSError:  # of what could not be written before, either
            pass

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
