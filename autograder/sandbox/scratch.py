"""The one folder in which a worker may write, for exercises that save and load files.

Files are what the learner's code left there: whoever reads them must trust nothing in them. A link out of the folder cannot be
made from inside the jail.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MAX_KEPT = 16 << 20  # bytes of files that are remembered, so that a call can be repeated on what it found
CLOCK_NS = 50_000_000  # more than a tick of the clock by which a file system tells when a file was changed


class Scratch:
    """A folder of one worker's own, below that of its fork server, under a name that no other worker can learn."""

    def __init__(self, root: str, uid: int | None = None):
        self.path = Path(root, secrets.token_hex(16))
        self.path.mkdir(mode=0o700)
        self._read: dict[str, tuple[_State, bytes]] = {}  # of each file, what was in it last time
        if uid is not None:
            os.chown(self.path, uid, uid)

    def empty(self) -> Path:
        """The folder, without what an earlier check left in it."""
        self.restore({})
        return self.path

    def files(self) -> dict[str, bytes]:
        """Each file's content by its path in the folder, as far as they are small."""
        found: dict[str, bytes] = {}
        left, now, before, self._read = MAX_KEPT, time.time_ns(), self._read, {}
        for path, state in sorted(_files_below(str(self.path))):
            if state.size > left:
                continue
            content = before[path][1] if path in before and before[path][0] == state else Path(path).read_bytes()
            if state.changed_ns + CLOCK_NS < now:  # one that was written to just now may be again, and keep its time
                self._read[path] = state, content
            found[os.path.relpath(path, self.path)] = content
            left -= len(content)
        return found

    def restore(self, files: dict[str, bytes]) -> None:
        """Make the folder hold these files and no others."""
        for entry in self.path.iterdir():
            shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(missing_ok=True)
        for name, content in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


class _State(NamedTuple):
    """By which it is told whether a file is what it was."""

    number: int
    size: int
    changed_ns: int


def _files_below(folder: str) -> Iterator[tuple[str, _State]]:
    """What is a file and no link, in all folders below one."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files_below(entry.path)
            elif entry.is_file(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                yield entry.path, _State(status.st_ino, status.st_size, status.st_mtime_ns)


def names(files: dict[str, bytes]) -> set[tuple[str, int]]:
    """What the files are called, but for numbers, and how large they are: times and process ids differ each time."""
    return {(re.sub(r"\d+", "#", name), len(content)) for name, content in files.items()}
