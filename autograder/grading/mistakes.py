"""Named wrong solutions: `solutions/<module>/mistakes.yml`, each one edit of the reference."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path

import yaml

BEGIN, END = "# BEGIN SOLUTION", "# END SOLUTION"
FIELDS = ("task", "name", "replace", "by", "says")


class MistakeError(Exception):
    """A mistake that cannot be read or applied; the message names the file, the task and the mistake."""


@dataclass(frozen=True)
class Mistake:
    exercise: str
    task: str
    name: str
    replace: str
    by: str
    says: str


def load_mistakes(path: Path) -> list[Mistake]:
    """All mistakes of one module, in file order.

    Raises:
        MistakeError: the file is not a mapping of exercises to lists of {task, name, replace, by, says}.
    """
    document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    mistakes = []
    for exercise, entries in document.items():
        for number, entry in enumerate(entries or [], 1):
            if not isinstance(entry, dict) or set(entry) != set(FIELDS):
                raise MistakeError(f"{path}: {exercise}, entry {number}: needs exactly the fields {', '.join(FIELDS)}")
            mistakes.append(Mistake(exercise, **{field: str(entry[field]) for field in FIELDS}))
    return mistakes


def apply_mistake(source: str, mistake: Mistake) -> str:
    """The reference's source with the mistake made.

    Raises:
        MistakeError: the text to replace does not occur exactly once in the marked body of the task.
    """
    lines = source.splitlines()
    candidates = [
        (start, end, body.replace(mistake.replace, mistake.by, 1))
        for start, end, body in _marked_bodies(lines, mistake.task)
        for _ in range(body.count(mistake.replace))
    ]
    if len(candidates) != 1:
        raise MistakeError(
            f"{mistake.exercise}: {mistake.task}: {mistake.name!r}: the text to replace occurs {len(candidates)} times"
            f" in the marked body, not once: {mistake.replace!r}"
        )
    start, end, body = candidates[0]
    indent = lines[start - 1][: -len(lines[start - 1].lstrip())]
    return "\n".join([*lines[:start], textwrap.indent(body, indent), *lines[end:]]) + "\n"


def _marked_bodies(lines: list[str], task: str) -> list[tuple[int, int, str]]:
    """(first line, line after the last, dedented text) of each marked body inside the top-level definition of `task`."""
    bodies, inside, start = [], False, 0
    for number, line in enumerate(lines):
        if line.startswith((f"def {task}(", f"class {task}(", f"class {task}:")):
            inside = True
        elif inside and line and not line[0].isspace() and line[0] not in "#)@":
            inside = False
        if inside and line.strip() == BEGIN:
            start = number + 1
        elif inside and line.strip() == END:
            bodies.append((start, number, textwrap.dedent("\n".join(lines[start:number]))))
    return bodies
