"""Whether a folder made for learners gives a solution or a hidden check away."""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from autograder.authoring.sources import read_marked
from autograder.catalog import BEGIN_MARKER, END_MARKER, Course

PRIVATE_FOLDERS = frozenset({"solutions", "graders", "authoring"})

_MARKER = re.compile(r"(BEGIN|END) SOLUTION")
_QUOTED = " \t>#.*-|"  # what stands before a line of code in a doctest, a comment, a list
_TRAILING_COMMENT = re.compile(r"\s#\s.*$")
_TRIVIAL = re.compile(  # without its spaces; what every training loop says tells nothing
    r"\W*\w{0,2}\W*|return\w*|else:|try:|finally:|pass|break|continue|(optimizer|scaler)\.(zero_grad|step|update)\(\w*\)|loss\.backward\(\)"
)


def find_leaks(course: Course, folder: Path) -> list[str]:
    """One sentence for each thing in `folder` that learners must not see."""
    private_files = {_fingerprint(path): path for path in _private_files(course)}
    private_files.pop(None, None)
    solved = _pairs_of_solution_lines(course)
    return [
        f"{path.relative_to(folder).as_posix()} {leak}"
        for path in regular_files(folder)
        for leak in _leaks_in(path, path.relative_to(folder), private_files, solved)
    ]


def regular_files(folder: Path) -> list[Path]:
    """Every ordinary file under `folder`, in order; links are neither listed nor followed."""
    found = [Path(home, name) for home, _, names in os.walk(folder) for name in names]
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


def _leaks_in(path: Path, relative: Path, private_files: dict[str, Path], solved: dict[tuple, str]) -> Iterator[str]:
    if PRIVATE_FOLDERS.intersection(relative.parts[:-1]) or relative.name == "mistakes.yml":
        yield "is for instructors, going by its name"
    if original := private_files.get(_fingerprint(path)):
        yield f"is the same file as {original}"
    if (text := _text(path)) is None:
        return
    in_package = relative.parts[0] == "autograder"  # it may speak of markers, but holds no marked block
    marked = (BEGIN_MARKER.search(text) or END_MARKER.search(text)) if in_package else _MARKER.search(text)
    if marked:
        yield f"holds the solution marker {marked[0].strip()!r}"
    for pair in pairwise(_telling_lines(text)):
        if owner := solved.get(pair):
            yield f"holds two lines of the solution of {owner}: {pair[0]} / {pair[1]}"
            return


def _private_files(course: Course) -> list[Path]:
    solutions = [exercise.solution for exercise in course.exercises]
    mistakes = [module.solutions / "mistakes.yml" for module in course.modules]
    return [*solutions, *(p for p in mistakes if p.is_file()), *regular_files(course.graders_dir)]


def _pairs_of_solution_lines(course: Course) -> dict[tuple[str, str], str]:
    """Every two neighbouring lines of a solution, with the task they solve, but for what a stub hands out to be repaired."""
    sources = {exercise.id: read_marked(exercise.solution) for exercise in course.exercises}
    handed_out = {
        pair
        for source in sources.values()
        for block in source.blocks
        for pair in pairwise(_telling_lines("".join(source.program(block))))
    }
    return {
        pair: f"{name} ({task})"
        for name, source in sources.items()
        for task, bodies in source.bodies().items()
        for body in bodies
        for pair in pairwise(_telling_lines("".join(body)))
        if pair not in handed_out
    }


def _telling_lines(text: str) -> Iterator[str]:
    """The lines that say something, without layout, comments and quotation."""
    for line in text.splitlines():
        line = re.sub(r"\s+", "", _TRAILING_COMMENT.sub("", line.lstrip(_QUOTED)))
        if not _TRIVIAL.fullmatch(line):
            yield line


def _text(path: Path) -> str | None:
    """What a reader sees: the text of a file, the cells of a notebook; None for anything else."""
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError:
        return None
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        return "\n".join("".join(cell["source"]) for cell in cells)
    return text


def _fingerprint(path: Path) -> str | None:
    """The same for files that differ in layout and comments only; None for a file that says nothing."""
    content = path.read_bytes()
    if (text := _text(path)) is not None:
        lines = [re.sub(r"\s+", "", line) for line in text.splitlines()]
        content = "\n".join(line for line in lines if line and not line.startswith("#")).encode()
    return hashlib.sha256(content).hexdigest() if content else None
