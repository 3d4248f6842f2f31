"""Named wrong solutions: `solutions/<module>/mistakes.yml`, each one edit of the reference."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

from autograder.catalog import CourseError
from autograder.marked_source import Block, MarkedSource, MarkingError, parse_marked

FIELDS = ("task", "name", "replace", "by", "says")
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C is ten times as fast


class MistakeError(CourseError):
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
    try:
        document = _document(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise MistakeError(f"{path}: cannot be read: {error}") from None
    if not isinstance(document, dict) or not all(isinstance(entries, list | None) for entries in document.values()):
        raise MistakeError(f"{path}: must be a mapping of exercises, each to a list of mistakes")
    return [
        _mistake(path, str(exercise), number, entry)
        for exercise, entries in document.items()
        for number, entry in enumerate(entries or [], 1)
    ]


@lru_cache(maxsize=16)
def _document(text: str) -> object:
    return yaml.load(text, Loader)


def _mistake(path: Path, exercise: str, number: int, entry: object) -> Mistake:
    if not isinstance(entry, dict) or set(entry) != set(FIELDS):
        raise MistakeError(f"{path}: {exercise}, entry {number}: needs exactly the fields {', '.join(FIELDS)}")
    for field, value in entry.items():
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise MistakeError(f"{path}: {exercise}, entry {number}: {field} must be a text; put it in quotes")
    return Mistake(exercise, **{field: str(entry[field]) for field in FIELDS})


def apply_mistake(source: str, mistake: Mistake) -> str:
    """The reference's source with the mistake made.

    Raises:
        MistakeError: the text to replace does not occur exactly once in the marked body of the task.
    """
    marked = _parsed(source.replace("\r\n", "\n"), mistake.exercise)
    bodies = [(block, _body(marked, block)) for block in marked.blocks if block.task == mistake.task]
    count = sum(body.count(mistake.replace) for _, body in bodies)
    if count != 1:
        raise MistakeError(
            f"{mistake.exercise}: {mistake.task}: {mistake.name!r}: the text to replace occurs {count} times"
            f" in the marked body, not once: {mistake.replace!r}"
        )
    block, body = next((block, body) for block, body in bodies if mistake.replace in body)
    edited = textwrap.indent(body.replace(mistake.replace, mistake.by), block.indent)
    return "".join([*marked.lines[: block.begin], edited, "\n", *marked.lines[block.end - 1 :]])


@lru_cache(maxsize=16)
def _parsed(source: str, name: str) -> MarkedSource:
    try:
        return parse_marked(source, name)
    except MarkingError as error:
        raise MistakeError(str(error)) from None


def _body(marked: MarkedSource, block: Block) -> str:
    """The solution in a block, without its indentation and its last line end."""
    return textwrap.dedent("".join(marked.body(block))).removesuffix("\n")
