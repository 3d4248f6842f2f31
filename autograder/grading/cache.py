"""Results of work that has been graded before: the same files, graders and rules give the same result at once.

One SQLite file for all courses of a user. It can be removed at any time; where it cannot be used, everything is graded.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

from autograder.grading.results import VERSION, ExerciseResult, Outcome, Status

KEPT_SECONDS = 180 * 24 * 3600.0  # what nobody asked for in so long is dropped


def default_cache() -> Path:
    """`~/.cache/autograder`, or where XDG_CACHE_HOME says."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "autograder"


class Cache:
    """Results by key, a hash of everything they depend on. None as its folder makes one that knows nothing."""

    def __init__(self, folder: Path | None):
        self.database = None
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                self.database = sqlite3.connect(folder / f"results-{VERSION}.sqlite", timeout=5.0)
                self.database.execute("PRAGMA journal_mode = WAL")
                self.database.execute("PRAGMA synchronous = NORMAL")
                self.database.execute(
                    "CREATE TABLE IF NOT EXISTS results (key TEXT PRIMARY KEY, result BLOB, used REAL)"
                )
                self.database.execute("DELETE FROM results WHERE used < ?", [time.time() - KEPT_SECONDS])
                self.database.commit()
            except (OSError, sqlite3.Error) as error:
                self.give_up(error)

    @property
    def is_on(self) -> bool:
        return self.database is not None

    def give_up(self, error: Exception) -> None:
        print(f"warning: the cache of results cannot be used: {error}; everything is graded", file=sys.stderr)
        self.close()

    def get(self, key: str, learner: str) -> ExerciseResult | None:
        """The result for this key, as that of `learner`."""
        if self.database is None:
            return None
        try:
            row = self.database.execute("SELECT result FROM results WHERE key = ?", [key]).fetchone()
            result = ExerciseResult.model_validate_json(zlib.decompress(row[0])) if row else None
        except (sqlite3.Error, zlib.error, ValueError) as error:
            self.give_up(error)
            return None
        return result.model_copy(update={"learner": learner}) if result else None

    def put(self, key: str, result: ExerciseResult) -> None:
        """Remember a result, if it would be the same again."""
        if self.database is None or not is_lasting(result):
            return
        content = zlib.compress(result.model_copy(update={"learner": ""}).model_dump_json().encode(), 1)
        try:
            with self.database:
                self.database.execute("INSERT OR REPLACE INTO results VALUES (?, ?, ?)", [key, content, time.time()])
        except sqlite3.Error as error:
            self.give_up(error)

    def touch(self, keys: Sequence[str]) -> None:
        """Note that these were asked for today."""
        if self.database is None:
            return
        try:
            with self.database:
                self.database.executemany(
                    "UPDATE results SET used = ? WHERE key = ?", [(time.time(), key) for key in keys]
                )
        except sqlite3.Error as error:
            self.give_up(error)

    def close(self) -> None:
        if self.database is not None:
            self.database.close()
        self.database = None

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def is_lasting(result: ExerciseResult) -> bool:
    """Whether grading again would find the same: not where time ran out, which a busy machine can do, or the system failed."""
    passing = (Status.TIMEOUT, Status.SYSTEM)
    return result.outcome is Outcome.GRADED and not any(check.status in passing for check in result.checks)
