"""Whose work is where: from a folder of learners (folders, zips, single files) to one `Submission` each.

Submissions are hostile input. Nothing is unpacked to disk, no link is followed, only files that belong to an exercise are read,
and each within limits. What cannot be used becomes a note to the learner; it never stops the rest of the class.
"""

from __future__ import annotations

import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from autograder.catalog import Exercise

MAX_FILE = 1 << 20  # bytes of one source file
MAX_FILES = 5000  # entries looked at in one submission
MAX_DEPTH = 12  # folders within folders
MAX_ZIP = 1 << 30  # bytes of an archive: its table of contents is read as a whole
MAX_NOTES = 20
IGNORED = re.compile(r"^(\..*|__.*|.*\.(pyc|ipynb|md|txt|csv|npz|json|ya?ml))$")


class SubmissionError(Exception):
    """The folder of submissions cannot be used at all."""


@dataclass
class Submission:
    """One learner's work.

    Attributes:
        learner: the name of their folder, zip or file.
        files: source text by exercise id.
        refused: why a file that belongs to an exercise was not read, by exercise id.
        notes: anything else worth saying (files that belong to no exercise, a broken zip).
    """

    learner: str
    files: dict[str, bytes] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Entry:
    """One file somewhere in a submission: its path inside it, and how to read it (or why not)."""

    path: PurePosixPath
    size: int
    source: object
    problem: str = ""

    def read(self) -> bytes:
        if isinstance(self.source, Path):
            with self.source.open("rb") as file:
                return file.read(MAX_FILE + 1)
        archive, member = self.source
        with archive.open(member) as file:
            return file.read(MAX_FILE + 1)  # never trusts the size that the archive announces


def find_submissions(root: Path, exercises: Sequence[Exercise]) -> list[Submission]:
    """All submissions in `root`, by learner.

    `root` may be a folder of learners (each a folder, a zip, or files named `<learner>_<exercise>.py`), or one submission: a zip,
    a `.py` file, or a folder that itself holds modules or exercise files.

    Raises:
        SubmissionError: `root` does not exist or holds nothing that could be a submission.
    """
    if not root.exists():
        raise SubmissionError(f"{root}: no such file or folder")
    if root.is_file() or _is_one_submission(root, exercises):
        return [_read(_learner_name(root, exercises), root, exercises)]
    found: dict[str, Submission] = {}
    for path in sorted(root.iterdir()):
        if path.name.startswith((".", "__")) or not (path.is_dir() or path.suffix.lower() in (".zip", ".py")):
            continue
        learner = _learner_name(path, exercises)
        submission = _read(learner, path, exercises)
        found[learner] = _merge(found[learner], submission) if learner in found else submission
    if not found:
        raise SubmissionError(
            f"{root}: no submissions in it (folders, .zip or .py files, one or more for each learner)"
        )
    return list(found.values())


def _is_one_submission(root: Path, exercises: Sequence[Exercise]) -> bool:
    modules, files = {e.module for e in exercises}, {f"{e.name}.py" for e in exercises}
    return any(path.name in modules or path.name in files for path in root.iterdir())


def _learner_name(path: Path, exercises: Sequence[Exercise]) -> str:
    """`ann_activations.py` and `ann.py`, `ann.zip` and `ann/` are all Ann's."""
    name, stem = (os.fsencode(text).decode("utf-8", "backslashreplace") for text in (path.name, path.stem))
    if path.is_dir() and not path.is_symlink():
        return name
    for exercise in sorted(exercises, key=lambda e: -len(e.name)):
        if path.suffix == ".py" and (match := re.fullmatch(rf"(.+)[-_. ]{exercise.name}", stem)):
            return match[1]
    return stem


def _merge(one: Submission, other: Submission) -> Submission:
    for name in other.files.keys() & one.files.keys():
        one.notes.append(f"{name}: handed in twice; the first one was graded")
    return Submission(
        one.learner, other.files | one.files, other.refused | one.refused, list(dict.fromkeys(one.notes + other.notes))
    )


def _read(learner: str, path: Path, exercises: Sequence[Exercise]) -> Submission:
    submission = Submission(learner)
    if path.is_symlink():
        submission.notes.append(f"{path.name} is a link; links are not followed")
    elif path.is_dir():
        _assign(submission, list(_folder_entries(path)), exercises)
    elif path.suffix.lower() == ".zip":
        _read_zip(submission, path, exercises)
    else:
        _assign(submission, [_file_entry(path, PurePosixPath(path.name))], exercises, alone=True)
    return submission


def _read_zip(submission: Submission, path: Path, exercises: Sequence[Exercise]) -> None:
    try:
        if path.stat().st_size > MAX_ZIP:
            raise ValueError(f"larger than {MAX_ZIP} bytes")
        with zipfile.ZipFile(path) as archive:
            _assign(submission, list(_zip_entries(archive)), exercises)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RecursionError) as error:
        submission.notes.append(f"{path.name} cannot be opened as a zip file: {error}")


def _folder_entries(root: Path) -> Iterator[Entry]:
    """Every regular file below `root`, depth and number bounded. Links are not followed, so there are no loops."""
    seen, folders = 0, [(root, PurePosixPath())]
    while folders:
        folder, inside = folders.pop(0)
        try:
            paths = sorted(folder.iterdir())
        except OSError:
            continue
        for path in paths:
            seen += 1
            if seen > MAX_FILES:
                return
            entry = _file_entry(path, inside / path.name)
            if path.is_dir() and not path.is_symlink():
                if len(inside.parts) < MAX_DEPTH and not IGNORED.match(path.name):
                    folders.append((path, inside / path.name))
            else:
                yield entry


def _file_entry(path: Path, inside: PurePosixPath) -> Entry:
    try:
        status = path.lstat()
    except OSError as error:
        return Entry(inside, 0, path, f"cannot be read ({error.strerror})")
    if stat.S_ISLNK(status.st_mode):
        return Entry(inside, 0, path, "is a link; links are not followed")
    if not stat.S_ISREG(status.st_mode):
        return Entry(inside, 0, path, "is not a regular file")
    return Entry(inside, status.st_size, path)


def _zip_entries(archive: zipfile.ZipFile) -> Iterator[Entry]:
    for member in archive.infolist()[:MAX_FILES]:
        if member.is_dir():
            continue
        path = PurePosixPath(member.filename.replace("\\", "/"))
        problem = ""
        if path.is_absolute() or ".." in path.parts or len(path.parts) > MAX_DEPTH:
            problem = "has a path that leads out of the archive"
        elif stat.S_ISLNK(member.external_attr >> 16):
            problem = "is a link; links are not followed"
        elif member.flag_bits & 1:
            problem = "is encrypted"
        yield Entry(path, member.file_size, (archive, member), problem)


def _assign(submission: Submission, entries: list[Entry], exercises: Sequence[Exercise], alone: bool = False) -> None:
    """Give each exercise its file; the shallowest one where there are several."""
    for entry in sorted(entries, key=lambda e: (len(e.path.parts), str(e.path))):
        if entry.path.suffix != ".py" or any(IGNORED.match(part) for part in entry.path.parts):
            continue
        candidates = _candidates(entry, exercises, alone)
        if len(candidates) != 1:
            reason = (
                "belongs to no exercise of this course"
                if not candidates
                else (
                    "could be any of "
                    + ", ".join(e.id for e in candidates)
                    + ": put it into a folder named like its module"
                )
            )
            if len(submission.notes) < MAX_NOTES and _might_be_meant(entry, exercises):
                submission.notes.append(f"{_printable(entry.path)} {reason}; it was not graded")
            continue
        _take(submission, entry, candidates[0].id)


def _might_be_meant(entry: Entry, exercises: Sequence[Exercise]) -> bool:
    """Whether a file nobody asked for lies where an exercise would: worth a note, unlike the rest of somebody's repository."""
    near = len(entry.path.parts) <= 2 or entry.path.parts[-2] in {e.module for e in exercises}
    return near and not entry.path.name.startswith("test_")


def _candidates(entry: Entry, exercises: Sequence[Exercise], alone: bool) -> list[Exercise]:
    parents, stem = entry.path.parts[:-1], entry.path.stem
    named = [e for e in exercises if e.name == stem]
    if in_module := [e for e in named if e.module in parents]:
        return in_module
    if alone and not named:
        named = [e for e in exercises if re.fullmatch(rf".+[-_. ]{e.name}", stem)]
        longest = max((len(e.name) for e in named), default=0)
        named = [e for e in named if len(e.name) == longest] or _by_content(entry, exercises)
    return named


def _by_content(entry: Entry, exercises: Sequence[Exercise]) -> list[Exercise]:
    """The exercise whose tasks a file defines, for files named after the learner alone."""
    if len(exercises) == 1:
        return list(exercises)
    if entry.problem or entry.size > MAX_FILE:
        return []
    defined = set(re.findall(rb"^(?:def|class)\s+(\w+)", entry.read(), re.MULTILINE))
    shared = {e: len(defined & {task.encode() for task in e.tasks}) for e in exercises}
    most = max(shared.values(), default=0)
    return [e for e in exercises if most and shared[e] == most]


def _take(submission: Submission, entry: Entry, exercise: str) -> None:
    if exercise in submission.files:
        submission.notes.append(f"{_printable(entry.path)}: handed in twice; the first one was graded")
        return
    problem = entry.problem
    if not problem and entry.size > MAX_FILE:
        problem = f"is too large ({entry.size} bytes; at most {MAX_FILE})"
    if not problem:
        try:
            content = entry.read()
            problem = f"is too large (at most {MAX_FILE} bytes)" if len(content) > MAX_FILE else ""
        except (
            OSError,
            zipfile.BadZipFile,
            zlib.error,
            RuntimeError,
            ValueError,
            NotImplementedError,
            EOFError,
        ) as error:
            problem = f"cannot be read ({error})"
    if problem:
        submission.refused.setdefault(exercise, f"{_printable(entry.path)} {problem}")
    else:
        submission.files[exercise] = content
        submission.refused.pop(exercise, None)


def _printable(path: PurePosixPath) -> str:
    return "".join(c if c.isprintable() else "?" for c in str(path))[:200]
