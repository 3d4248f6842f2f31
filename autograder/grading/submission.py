"""Whose work is where: from a folder of learners (folders, zips, single files) to one `Submission` each.

Submissions are hostile input. Nothing is unpacked to disk, no link is followed, only files that belong to an exercise are read,
and each within limits. What cannot be used becomes a note to the learner; it never stops the rest of the class.
"""

from __future__ import annotations

import io
import lzma
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath

from autograder.catalog import Exercise

MAX_FILE = 1 << 18  # bytes of one source file: parsing it can take time that grows with its square
MAX_FILES = 5000  # Python files, and folders, looked at in one submission
MAX_DEPTH = 12  # folders within folders
MAX_CONTENTS = 16 << 20  # bytes of an archive's table of contents: it is read as a whole
MAX_NOTES = 20
MAX_TEXT = 300  # characters of a note, or of a name in it
UNREADABLE = (OSError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, ValueError, EOFError)
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

    def note(self, text: str) -> None:
        if len(self.notes) < MAX_NOTES:
            self.notes.append(_printable(text))


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

    Args:
        exercises: all of the course; what is to be graded of them is chosen later.

    Raises:
        SubmissionError: `root` does not exist or holds nothing that could be a submission.
    """
    if not root.exists():
        raise SubmissionError(f"{root}: no such file or folder")
    if not (root.is_file() or root.is_dir()):
        raise SubmissionError(f"{root}: neither a file nor a folder")
    if root.is_file() or _is_one_submission(root, exercises):
        name = Path(os.path.abspath(root))  # "." has none
        return [_read(_learner_name(name, exercises), root.resolve(), exercises)]
    found: dict[str, Submission] = {}
    for path in sorted(root.iterdir()):
        if path.name.startswith((".", "__")) or not (os.path.isdir(path) or path.suffix.lower() in (".zip", ".py")):
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
    names = {name for e in exercises for name in (e.module, f"{e.name}.py")}
    folders = [root, root / "exercises"]  # where a learner's repository has its modules
    return any(path.name in names for folder in folders if folder.is_dir() for path in folder.iterdir())


def _learner_name(path: Path, exercises: Sequence[Exercise]) -> str:
    """`ann_activations.py` and `ann.py`, `ann.zip` and `ann/` are all Ann's."""
    name, stem = (os.fsencode(text).decode("utf-8", "backslashreplace") for text in (path.name, path.stem))
    if _is_folder(path):
        return name
    for exercise in sorted(exercises, key=lambda e: -len(e.name)):
        if path.suffix == ".py" and (match := re.fullmatch(rf"(?s)(.+)[-_. ]{exercise.name}", stem)):
            return match[1]
    return stem


def _merge(one: Submission, other: Submission) -> Submission:
    merged = Submission(one.learner, other.files | one.files, other.refused | one.refused)
    twice = [f"{name}: handed in twice; the first one was graded" for name in other.files if name in one.files]
    for note in dict.fromkeys([*one.notes, *twice, *other.notes]):
        merged.note(note)
    return merged


def _read(learner: str, path: Path, exercises: Sequence[Exercise]) -> Submission:
    submission = Submission(learner)
    if path.is_symlink():
        submission.note(f"{path.name} is a link; links are not followed")
    elif path.is_dir():
        _assign(submission, _folder_entries(submission, path), exercises)
    elif path.suffix.lower() == ".zip":
        _read_zip(submission, path, exercises)
    else:
        _assign(submission, [_file_entry(path, PurePosixPath(path.name))], exercises, alone=True)
    return submission


class ZipSource(io.FileIO):
    """A zip file on disk whose table of contents, which `zipfile` reads at one go, is not too large."""

    def read(self, size: int = -1) -> bytes:
        if size > MAX_CONTENTS:
            raise zipfile.BadZipFile("its table of contents is too large")
        return super().read(size)


def _read_zip(submission: Submission, path: Path, exercises: Sequence[Exercise]) -> None:
    try:
        if problem := _file_entry(path, PurePosixPath(path.name)).problem:
            raise ValueError(problem)
        with ZipSource(path) as file, zipfile.ZipFile(file) as archive:
            _assign(submission, _zip_entries(archive), exercises)
    except UNREADABLE as error:
        submission.note(f"{path.name} cannot be opened as a zip file: {_reason(error)}")


def _folder_entries(submission: Submission, root: Path) -> Iterator[Entry]:
    """Every Python file below `root`, the nearest first. Links are not followed, so there are no loops."""
    folders = [(root, PurePosixPath())]
    for folder, inside in folders:
        try:
            paths = sorted(folder.iterdir())
        except OSError as error:
            submission.note(f"{inside / folder.name} cannot be read ({_reason(error)})")
            continue
        for path in paths:
            if _is_folder(path):
                if len(inside.parts) < MAX_DEPTH and len(folders) < MAX_FILES and not IGNORED.match(path.name):
                    folders.append((path, inside / path.name))
            elif path.suffix == ".py":
                yield _file_entry(path, inside / path.name)


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)  # unlike those of Path, these never raise


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
    for member in archive.infolist():
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if member.is_dir() or path.suffix != ".py":
            continue
        problem = ""
        if path.is_absolute() or ".." in path.parts:
            problem = "has a path that leads out of the archive"
        elif len(path.parts) > MAX_DEPTH:
            problem = "lies too deep in folders"
        elif stat.S_ISLNK(member.external_attr >> 16):
            problem = "is a link; links are not followed"
        elif member.flag_bits & 1:
            problem = "is encrypted"
        yield Entry(path, member.file_size, (archive, member), problem)


def _assign(
    submission: Submission, entries: Iterable[Entry], exercises: Sequence[Exercise], alone: bool = False
) -> None:
    """Give each exercise its file; the shallowest one where there are several."""
    entries = iter(entries)
    looked_at = list(islice(entries, MAX_FILES))
    if next(entries, None):
        submission.note(f"more than {MAX_FILES} Python files; the rest was not looked at")
    for entry in sorted(looked_at, key=lambda e: (len(e.path.parts), str(e.path))):
        if any(IGNORED.match(part) and part != ".." for part in entry.path.parts):
            continue
        candidates = _candidates(entry, exercises, alone)
        if len(candidates) == 1:
            _take(submission, entry, candidates[0].id)
        elif _might_be_meant(entry, exercises):
            submission.note(f"{_printable(entry.path)} {_why_not(entry, candidates, alone)}; it was not graded")


def _why_not(entry: Entry, candidates: Sequence[Exercise], alone: bool) -> str:
    if candidates:
        names = ", ".join(exercise.id for exercise in candidates)
        return f"could be any of {names}: put it into a folder named like its module"
    return (alone and _content(entry)[1]) or "belongs to no exercise of this course"


def _might_be_meant(entry: Entry, exercises: Sequence[Exercise]) -> bool:
    """Whether a file nobody asked for lies where an exercise would: worth a note, unlike the rest of somebody's repository."""
    near = len(entry.path.parts) <= 2 or entry.path.parts[-2] in {e.module for e in exercises}
    ours = entry.path.name.startswith("test_") or "autograder" in entry.path.parts  # both came with the exercises
    return near and not ours


def _candidates(entry: Entry, exercises: Sequence[Exercise], alone: bool) -> list[Exercise]:
    parents, stem = entry.path.parts[:-1], entry.path.stem
    named = [e for e in exercises if e.name == stem]
    if in_module := [e for e in named if e.module in parents]:
        return in_module
    if alone and not named:
        named = [e for e in exercises if re.fullmatch(rf"(?s).+[-_. ]{e.name}", stem)]
        longest = max((len(e.name) for e in named), default=0)
        named = [e for e in named if len(e.name) == longest] or _by_content(entry, exercises)
    return named


def _by_content(entry: Entry, exercises: Sequence[Exercise]) -> list[Exercise]:
    """The exercise whose tasks a file defines, for files named after the learner alone."""
    if len(exercises) == 1:
        return list(exercises)
    defined = set(re.findall(rb"^(?:def|class)\s+(\w+)", _content(entry)[0], re.MULTILINE))
    shared = {e: len(defined & {task.encode() for task in e.tasks}) for e in exercises}
    most = max(shared.values(), default=0)
    return [e for e in exercises if most and shared[e] == most]


def _take(submission: Submission, entry: Entry, exercise: str) -> None:
    if exercise in submission.files:
        submission.note(f"{_printable(entry.path)}: handed in twice; the first one was graded")
        return
    content, problem = _content(entry)
    if problem:
        submission.refused.setdefault(exercise, f"{_printable(entry.path)} {problem}")
    else:
        submission.files[exercise] = content
        submission.refused.pop(exercise, None)


def _content(entry: Entry) -> tuple[bytes, str]:
    """What is in a file, or why that cannot be had."""
    if entry.problem:
        return b"", entry.problem
    if entry.size > MAX_FILE:
        return b"", f"is too large ({entry.size} bytes; at most {MAX_FILE})"
    try:
        content = entry.read()
    except UNREADABLE as error:
        return b"", f"cannot be read ({_reason(error)})"
    return (content, "") if len(content) <= MAX_FILE else (b"", f"is too large (at most {MAX_FILE} bytes)")


def _reason(error: BaseException) -> str:
    """An error in words, without the path on the instructor's machine."""
    return _printable(getattr(error, "strerror", None) or error)


def _printable(text: object) -> str:
    return "".join(c if c.isprintable() else "?" for c in str(text)[:MAX_TEXT])
