"""What several exporters need: files replaced whole, tables that no spreadsheet runs, what a learner may read of a check."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from autograder.gradebook.report import WORDS, file_name, learner_feedback, no_formula
from autograder.grading.graded import Graded
from autograder.testing.words import plain


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
    os.replace(temporary, path)
    return path


def write_json(path: Path, data: Any) -> Path:
    return write(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def write_csv(path: Path, rows: Iterable[Sequence[object]]) -> Path:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows([no_formula(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return write(path, text.getvalue())


def per_learner(graded: Graded, out: Path, suffix: str) -> Iterator[tuple[dict[str, Any], Path]]:
    """What each learner may see, with the file that is theirs."""
    for submission in graded.submissions:
        yield learner_feedback(graded, submission), out / f"{file_name(submission.learner)}{suffix}"


def check_text(check: dict[str, Any]) -> str:
    """A check as a few lines of text."""
    lines = [f"{WORDS[check['status']]}: {check['sentence']}"]
    lines += [check[key] for key in ("message", "says", "card") if check.get(key)]
    return plain("\n".join(lines))
