"""The files in a submission, from a folder or a zip, as hostile as they come.

Nothing is unpacked to disk, no link is followed, nothing is read beyond its limit.
"""

from __future__ import annotations

import io
import lzma
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from autograder.grading.notebook import joined

MAX_FILE = 1 << 18  # bytes of one source file: parsing it can take time that grows with its square
MAX_NOTEBOOK = 8 << 20  # bytes of a notebook, which holds its pictures too
MAX_FILES = 5000  # Python files, and folders, looked at in one submission
MAX_DEPTH = 12  # folders within folders
MAX_CONTENTS = 16 << 20  # bytes of an archive's table of contents: it is read as a whole
MAX_TEXT = 300  # characters of a note, or of a name in it
UNREADABLE = (OSError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, ValueError, EOFError)
IGNORED = re.compile(r"^(\..*|__.*|.*\.(pyc|md|txt|csv|npz|json|ya?ml))$")
NOTEBOOK = ".ipynb"
SOURCES = (".py", NOTEBOOK)


@dataclass(frozen=True)
class Entry:
    """One file somewhere in a submission: its path inside it, and how to read it (or why not).

    `changed` is when, in seconds since 1970; of what lies in an archive that is the learner's word, and not known.
    """

    path: PurePosixPath
    size: int
    source: object
    problem: str = ""
    changed: float | None = None

    @property
    def is_notebook(self) -> bool:
        return self.path.suffix == NOTEBOOK

    @property
    def limit(self) -> int:
        return MAX_NOTEBOOK if self.is_notebook else MAX_FILE

    def read(self) -> bytes:
        if isinstance(self.source, Path):
            with self.source.open("rb") as file:
                return file.read(self.limit + 1)
        archive, member = self.source
        with archive.open(member) as file:
            return file.read(self.limit + 1)  # never trusts the size that the archive announces


class ZipSource(io.FileIO):
    """A zip file on disk whose table of contents, which `zipfile` reads at one go, is not too large."""

    def read(self, size: int = -1) -> bytes:
        if size > MAX_CONTENTS:
            raise zipfile.BadZipFile("its table of contents is too large")
        return super().read(size)


def folder_entries(root: Path, note: Callable[[str], None]) -> Iterator[Entry]:
    """Every Python file and notebook below `root`, the nearest first. Links are not followed, so there are no loops.

    Args:
        note: told of what cannot be read.
    """
    folders = [(root, PurePosixPath())]
    for folder, inside in folders:
        try:
            paths = sorted(folder.iterdir())
        except OSError as error:
            note(f"{inside / folder.name} cannot be read ({reason(error)})")
            continue
        for path in paths:
            if is_folder(path):
                if len(inside.parts) < MAX_DEPTH and len(folders) < MAX_FILES and not IGNORED.match(path.name):
                    folders.append((path, inside / path.name))
            elif path.suffix in SOURCES:
                yield file_entry(path, inside / path.name)


def is_folder(path: Path) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)  # unlike those of Path, these never raise


def file_entry(path: Path, inside: PurePosixPath) -> Entry:
    try:
        status = path.lstat()
    except OSError as error:
        return Entry(inside, 0, path, f"cannot be read ({error.strerror})")
    if stat.S_ISLNK(status.st_mode):
        return Entry(inside, 0, path, "is a link; links are not followed")
    if not stat.S_ISREG(status.st_mode):
        return Entry(inside, 0, path, "is not a regular file")
    return Entry(inside, status.st_size, path, changed=status.st_mtime)


def zip_entries(archive: zipfile.ZipFile) -> Iterator[Entry]:
    for member in archive.infolist():
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if member.is_dir() or path.suffix not in SOURCES:
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


def source_of(entry: Entry) -> tuple[bytes, str]:
    """The Python in a file or notebook, or why that cannot be had."""
    if entry.problem:
        return b"", entry.problem
    if entry.size > entry.limit:
        return b"", f"is too large ({entry.size} bytes; at most {entry.limit})"
    try:
        content = entry.read()
        if len(content) > entry.limit:
            return b"", f"is too large (at most {entry.limit} bytes)"
        content = joined(content) if entry.is_notebook else content
    except UNREADABLE as error:
        return b"", reason(error) if entry.is_notebook and isinstance(
            error, ValueError
        ) else f"cannot be read ({reason(error)})"
    return (content, "") if len(content) <= MAX_FILE else (b"", f"holds too much code (at most {MAX_FILE} bytes)")


def reason(error: BaseException) -> str:
    """An error in words, without the path on the instructor's machine."""
    return printable(getattr(error, "strerror", None) or error)


def printable(text: object) -> str:
    return "".join(c if c.isprintable() else "?" for c in str(text)[:MAX_TEXT])
