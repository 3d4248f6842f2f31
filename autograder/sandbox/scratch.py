"""The one folder in which a worker may write, for exercises that save and load files.

Files are what the learner's code left there: whoever reads them must trust nothing in them. A link out of the folder cannot be
made from inside the jail.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from pathlib import Path

MAX_KEPT = 16 << 20  # bytes of files that are remembered, so that a call can be repeated on what it found


class Scratch:
    """A folder of one worker's own, below that of its fork server, under a name that no other worker can learn."""

    def __init__(self, root: str, uid: int | None = None):
        self.path = Path(root, secrets.token_hex(16))
        self.path.mkdir(mode=0o700)
        if uid is not None:
            os.chown(self.path, uid, uid)

    def empty(self) -> Path:
        """The folder, without what an earlier check left in it."""
        self.restore({})
        return self.path

    def files(self) -> dict[str, bytes]:
        """Each file's content by its path in the folder, as far as they are small."""
        found: dict[str, bytes] = {}
        left = MAX_KEPT
        for path in sorted(self.path.rglob("*")):
            if path.is_file() and not path.is_symlink() and path.stat().st_size <= left:
                found[str(path.relative_to(self.path))] = content = path.read_bytes()
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


def names(files: dict[str, bytes]) -> set[tuple[str, int]]:
    """What the files are called, but for numbers, and how large they are: times and process ids differ each time."""
    return {(re.sub(r"\d+", "#", name), len(content)) for name, content in files.items()}
