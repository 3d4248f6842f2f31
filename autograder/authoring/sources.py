"""The sources of a course as text: solutions with their marked blocks, lessons."""

import re
from pathlib import Path

from autograder.catalog import CourseError
from autograder.marked_source import MarkedSource, MarkingError, parse_marked


class AuthoringError(CourseError):
    """A source of the course is wrong; the message names file and line."""


def read_marked(path: Path) -> MarkedSource:
    """Read a solution and find its blocks; every way to mark it wrongly is an AuthoringError."""
    try:
        return parse_marked(read_text(path), str(path))
    except MarkingError as error:
        raise AuthoringError(str(error)) from None


def read_text(path: Path) -> str:
    """The text of a source file, its line ends as they are."""
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise AuthoringError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    if stray := re.search(r"\r(?!\n)", text):
        line = text.count("\n", 0, stray.start()) + 1
        raise AuthoringError(f"{path}:{line}: a carriage return inside a line; save the file with ordinary line ends")
    return text
