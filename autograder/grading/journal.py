"""The append-only record of a grading run: one line for each graded exercise, on disk before it counts.

A run killed at any moment is resumed from here: what has a line is done, what has none is graded (again). A torn last line, left
by a crash in the middle of a write, is cut off.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from autograder.grading.results import ExerciseResult

BEGINNING = b'{"run": {'  # of every journal


class JournalError(Exception):
    """The results folder cannot be used; the message says why and what to do."""


class Journal:
    """`journal.jsonl` in a results folder, locked while it is open.

    The first line identifies the run (course, graders, policy, seed); a journal of another run is never continued.
    """

    def __init__(self, folder: Path, identity: dict[str, str]):
        self.path = folder / "journal.jsonl"
        try:
            self._open(folder)
        except OSError as error:
            raise JournalError(f"{folder} cannot be used for the results: {error.strerror}") from None
        try:
            self.results = self._recover(identity)
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

    def _recover(self, identity: dict[str, str]) -> dict[tuple[str, str], ExerciseResult]:
        self.file.seek(0)
        content = self.file.read()
        whole = content[: content.rfind(b"\n") + 1]
        lines = whole.splitlines()
        if lines:
            self._demand_same_run(lines[0], identity)
        elif not BEGINNING.startswith(content[: len(BEGINNING)]):
            raise self._foreign()
        results = {}
        for number, line in enumerate(lines[1:], 2):
            try:
                result = ExerciseResult.model_validate_json(line)
            except ValidationError:
                raise JournalError(
                    f"{self.path}, line {number} cannot be read; name another folder with --out"
                ) from None
            results[result.learner, result.exercise_id] = result
        os.ftruncate(self.file.fileno(), len(whole))  # not before all of it is known to be ours
        if not lines:
            self._write(json.dumps({"run": identity}))
        return results

    def _demand_same_run(self, line: bytes, identity: dict[str, str]) -> None:
        try:
            before = dict(json.loads(line)["run"])
        except (ValueError, KeyError, TypeError):
            raise self._foreign() from None
        changed = [name for name, value in identity.items() if before.get(name) != value]
        if changed:
            raise JournalError(
                f"{self.path.parent} holds results of a run with other {' and '.join(changed)}; "
                "name another folder with --out, or remove this one"
            )

    def _foreign(self) -> JournalError:
        return JournalError(f"{self.path} is not a journal of grading; name another folder with --out")

    def done(self, learner: str, exercise: str, sha256: str) -> bool:
        """Whether this very file has been graded. Faults of the system are tried again."""
        result = self.results.get((learner, exercise))
        return result is not None and result.sha256 == sha256 and not result.has_system_fault

    def extend(self, results: Sequence[ExerciseResult]) -> None:
        """Add results; they are on disk before they count.

        Raises:
            JournalError: they cannot be written, because the disk is full, say. What was there is kept.
        """
        self._write(*(result.model_dump_json() for result in results))
        self.results.update({(result.learner, result.exercise_id): result for result in results})

    def _write(self, *lines: str) -> None:
        try:
            self.file.write("".join(f"{line}\n" for line in lines).encode())
            self.file.flush()
            os.fsync(self.file.fileno())
        except OSError as error:
            raise JournalError(
                f"{self.path} cannot be written: {error.strerror}; what is graded is kept: mend that and run the same command again"
            ) from None

    def close(self) -> None:
        try:
            self.file.close()
        except OSError:  # of what could not be written before, either
            pass

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
