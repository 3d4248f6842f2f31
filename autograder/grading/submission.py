"""Whose work is where: from a folder of learners (folders, zips, single files, notebooks) to one `Submission` each.

Submissions are hostile input. Only files that belong to an exercise are read, and each within limits (`entries`). What cannot
be used becomes a note to the learner; it never stops the rest of the class.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath

from autograder.catalog import Exercise, identifier
from autograder.grading.entries import (
    IGNORED,
    MAX_FILES,
    SOURCES,
    UNREADABLE,
    Entry,
    ZipSource,
    file_entry,
    folder_entries,
    is_folder,
    printable,
    reason,
    source_of,
    zip_entries,
)

MAX_NOTES = 20


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
        submitted: when, in seconds since 1970: of a file or zip when it was last changed, of a folder the newest of its files.
    """

    learner: str
    files: dict[str, bytes] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    submitted: float | None = None

    def note(self, text: str) -> None:
        if len(self.notes) < MAX_NOTES:
            self.notes.append(printable(text))

    def handed_in(self, when: float | None) -> None:
        if when is not None:
            self.submitted = max(when, self.submitted or when)


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
        if path.name.startswith((".", "__")) or not (os.path.isdir(path) or path.suffix.lower() in (".zip", *SOURCES)):
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
    names = {name for e in exercises for name in (e.module, *(f"{e.name}{suffix}" for suffix in SOURCES))}
    folders = [root, root / "exercises"]  # where a learner's repository has its modules
    return any(path.name in names for folder in folders if folder.is_dir() for path in folder.iterdir())


def _learner_name(path: Path, exercises: Sequence[Exercise]) -> str:
    """`ann_activations.py` and `ann.py`, `ann.zip` and `ann/` are all Ann's."""
    name, stem = (os.fsencode(text).decode("utf-8", "backslashreplace") for text in (path.name, path.stem))
    if is_folder(path):
        return name
    for exercise in sorted(exercises, key=lambda e: -len(e.name)):
        if path.suffix in SOURCES and (match := re.fullmatch(rf"(?s)(.+)[-_. ]{exercise.name}", stem)):
            return match[1]
    return stem


def _merge(one: Submission, other: Submission) -> Submission:
    submitted = max((each.submitted for each in (one, other) if each.submitted is not None), default=None)
    merged = Submission(one.learner, other.files | one.files, other.refused | one.refused, submitted=submitted)
    twice = [f"{name}: handed in twice; the first one was graded" for name in other.files if name in one.files]
    for note in dict.fromkeys([*one.notes, *twice, *other.notes]):
        merged.note(note)
    return merged


def _read(learner: str, path: Path, exercises: Sequence[Exercise]) -> Submission:
    submission = Submission(learner)
    if path.is_symlink():
        submission.note(f"{path.name} is a link; links are not followed")
    elif path.is_dir():
        _assign(submission, folder_entries(path, submission.note), exercises)
    elif path.suffix.lower() == ".zip":
        _read_zip(submission, path, exercises)
    else:
        _assign(submission, [file_entry(path, PurePosixPath(path.name))], exercises, alone=True)
    return submission


def _read_zip(submission: Submission, path: Path, exercises: Sequence[Exercise]) -> None:
    try:
        if problem := file_entry(path, PurePosixPath(path.name)).problem:
            raise ValueError(problem)
        with ZipSource(path) as file, zipfile.ZipFile(file) as archive:
            submission.handed_in(os.fstat(file.fileno()).st_mtime)
            _assign(submission, zip_entries(archive), exercises)
    except UNREADABLE as error:
        submission.note(f"{path.name} cannot be opened as a zip file: {reason(error)}")


def _assign(
    submission: Submission, entries: Iterable[Entry], exercises: Sequence[Exercise], alone: bool = False
) -> None:
    """Give each exercise its file; the shallowest one where there are several."""
    entries = iter(entries)
    looked_at = list(islice(entries, MAX_FILES))
    if next(entries, None):
        submission.note(f"more than {MAX_FILES} Python files; the rest was not looked at")
    for entry in sorted(looked_at, key=lambda e: (e.is_notebook, len(e.path.parts), str(e.path))):
        if any(IGNORED.match(part) and part != ".." for part in entry.path.parts):
            continue
        candidates = _candidates(entry, exercises, alone)
        if entry.is_notebook and len(candidates) != 1:
            for exercise in _in_notebook(entry, exercises):
                if exercise.id not in submission.files:
                    take(submission, entry, exercise.id)
        elif len(candidates) == 1:
            take(submission, entry, candidates[0].id)
        elif _might_be_meant(entry, exercises):
            submission.note(f"{printable(entry.path)} {_why_not(entry, candidates, alone)}; it was not graded")


def _why_not(entry: Entry, candidates: Sequence[Exercise], alone: bool) -> str:
    if candidates:
        names = ", ".join(exercise.id for exercise in candidates)
        return f"could be any of {names}: put it into a folder named like its module"
    return (alone and source_of(entry)[1]) or "belongs to no exercise of this course"


def _might_be_meant(entry: Entry, exercises: Sequence[Exercise]) -> bool:
    """Whether a file nobody asked for lies where an exercise would: worth a note, unlike the rest of somebody's repository."""
    near = len(entry.path.parts) <= 2 or entry.path.parts[-2] in {e.module for e in exercises}
    ours = entry.path.name.startswith("test_") or "autograder" in entry.path.parts  # both came with the exercises
    return near and not ours


def _candidates(entry: Entry, exercises: Sequence[Exercise], alone: bool) -> list[Exercise]:
    parents, stem = entry.path.parts[:-1], entry.path.stem
    named = [e for e in exercises if e.name in (stem, identifier(stem))]
    if in_module := [e for e in named if e.module in parents]:
        return in_module
    if alone and not named:
        named = [e for e in exercises if re.fullmatch(rf"(?s).+[-_. ]{e.name}", stem)]
        longest = max((len(e.name) for e in named), default=0)
        named = [e for e in named if len(e.name) == longest] or _bycontent(entry, exercises)
    return (_bycontent(entry, named) or named) if len(named) > 1 else named


def _bycontent(entry: Entry, exercises: Sequence[Exercise]) -> list[Exercise]:
    """The exercise whose tasks a file defines: for files named after the learner alone, or like exercises of several modules."""
    if len(exercises) == 1:
        return list(exercises)
    defined = _defined(entry)
    shared = {e: len(defined & {task.encode() for task in e.tasks}) for e in exercises}
    most = max(shared.values(), default=0)
    return [e for e in exercises if most and shared[e] == most]


def _in_notebook(entry: Entry, exercises: Sequence[Exercise]) -> list[Exercise]:
    """The exercises whose tasks a notebook defines: of the module that its path names, else of the one it has most tasks of."""
    defined = {task.decode() for task in _defined(entry)}
    by_module: dict[str, list[Exercise]] = {}
    for exercise in exercises:
        if defined.intersection(exercise.tasks):
            by_module.setdefault(exercise.module, []).append(exercise)
    if named := [module for module in by_module if any(module in part for part in entry.path.parts)]:
        return by_module[named[0]]
    tasks = {module: len(defined & {task for e in found for task in e.tasks}) for module, found in by_module.items()}
    best = [module for module, count in tasks.items() if count == max(tasks.values())]
    return by_module[best[0]] if len(best) == 1 else []


def _defined(entry: Entry) -> set[bytes]:
    """The names of functions and classes that a file defines."""
    return set(re.findall(rb"^(?:def|class)\s+(\w+)", source_of(entry)[0], re.MULTILINE))


def take(submission: Submission, entry: Entry, exercise: str) -> None:
    """Add a file to what somebody handed in for the exercise with this id; why it cannot be read, if so."""
    if exercise in submission.files:
        submission.note(f"{printable(entry.path)}: handed in twice; the first one was graded")
        return
    submission.handed_in(entry.changed)
    content, problem = source_of(entry)
    if problem:
        submission.refused.setdefault(exercise, f"{printable(entry.path)} {problem}")
    else:
        submission.files[exercise] = content
        submission.refused.pop(exercise, None)
