"""Python out of a notebook: the cells of code as one text, and of that what defines something.

`joined` only reads JSON and lines, so it may run anywhere. `runnable` parses what a learner wrote, which hostile text can make
expensive: it runs in the disposable child that grades. So does `as_program`.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Collection, Iterator

from autograder.catalog import CELL_BY_CELL
from autograder.testing.imports import imports_of

HEADER = b"# from a notebook\n"
FROM_NOTEBOOK = "graded from a notebook"
CELL = re.compile(r"^# %% cell (\d+)(?: check [\w.-]+)?$", re.MULTILINE)
ANY_CELL = re.compile(r"^# %% ?(.*)$", re.MULTILINE)
MAGIC = re.compile(r"^(\s*)(?:%{1,2}[A-Za-z].*|!.*|\?.*|[\w.]+\?{1,2}\s*)$")
OTTERS_OWN = re.compile(
    rb"^(?:import otter|from otter import .*|grader *= *otter\.Notebook\(.*\)|grader\.\w+\(.*\))[ ;]*(?:#.*)?$",
    re.MULTILINE,
)
OTTERS_CHECK = re.compile(r"""grader\.check\(["']([A-Za-z0-9_.-]+)["']\)""")
HARMLESS_CELL_MAGICS = ("%%time", "%%timeit", "%%capture")
DEFINITIONS = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def joined(notebook: bytes) -> bytes:
    """The cells of code, each behind its number, without magics.

    Raises:
        ValueError: this is no notebook.
    """
    try:
        document = json.loads(notebook)
        cells = document["cells"] if "cells" in document else document["worksheets"][0]["cells"]
        sources = [
            (f"{number}{_checkpoint(cell)}", _source(cell))
            for number, cell in enumerate(cells, 1)
            if cell["cell_type"] == "code"
        ]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        raise ValueError("is not a notebook") from None
    parts = [f"# %% cell {number}\n{without_magics(source)}\n" for number, source in sources]
    return HEADER + "".join(parts).encode("utf-8", "replace")


def _checkpoint(cell: dict) -> str:
    """Where nbgrader has a cell of tests, or otter checks a question, its name: in a program of cells it is a place to look at, and
    is not run."""
    if checked := OTTERS_CHECK.fullmatch(_source(cell).strip()):
        return f" check {checked[1]}"
    about = cell.get("metadata", {}).get("nbgrader", {})
    name = about.get("grade_id") if about.get("grade") and not about.get("solution") else None
    return f" check {name}" if isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9_-]+", name) else ""


def _source(cell: dict) -> str:
    source = cell.get("source", cell.get("input", ""))
    return source if isinstance(source, str) else "".join(source)


def without_magics(source: str) -> str:
    """The text of a cell with `pass` in the place of what only IPython understands."""
    lines = source.splitlines()
    first = next((line.strip() for line in lines if line.strip()), "")
    if first.startswith("%%") and not first.startswith(HARMLESS_CELL_MAGICS):
        return f"# {first.split()[0]}"
    return "\n".join(MAGIC.sub(r"\1pass", line) for line in lines)


def is_joined(text: bytes) -> bool:
    return text.startswith(HEADER)


def runnable(text: bytes) -> tuple[bytes, list[str]]:
    """What of joined cells defines something: imports, functions, classes, and the assignments that these need.

    Everything else (experiments, plots, prints) is left out: it would run at the import, and may fail there.

    Returns:
        The text, in which every line keeps its place, and what was left out, in words.
    """
    source = text.decode()
    lines = source.splitlines(keepends=True)
    kept: list[tuple[ast.stmt, int]] = []
    assigned: list[tuple[ast.stmt, int]] = []
    left: list[str] = []
    for number, start, cell in _cells(source):
        try:
            body = ast.parse(cell).body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = getattr(error, "lineno", None)
            left.append(f"cell {number} ({type(error).__name__}{f', line {line}' if line else ''})")
            continue
        others = 0
        for node in body:
            if isinstance(node, DEFINITIONS) or _is_guarded_import(node):
                kept.append((node, start))
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                assigned.append((node, start))
            elif not isinstance(node, ast.Pass) and not _is_text(node):
                others += 1
        if others:
            left.append(f"{others} {'statement' if others == 1 else 'statements'} of cell {number}")
    kept += _needed(kept, assigned)
    wanted = {line for node, start in kept for line in _lines_of(node, start)}
    blank = ["\n" if line.endswith("\n") else "" for line in lines]
    return "".join(line if place in wanted else blank[place] for place, line in enumerate(lines)).encode(), left


def as_program(text: bytes, forbidden: Collection[str]) -> tuple[bytes, list[str]]:
    """Joined cells as a program that is run cell by cell, without the cells that import what is forbidden.

    Returns:
        The text, in which every line keeps its place, and what cannot run, in words.
    """
    if is_joined(text):
        text = CELL_BY_CELL.encode() + b"\n" + OTTERS_OWN.sub(b"pass", text.removeprefix(HEADER))
    if not text.startswith(CELL_BY_CELL.encode()):
        return text, []
    source = text.decode("utf-8", "replace")
    marks = list(ANY_CELL.finditer(source))
    parts, left = [], []
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        cell = source[mark.start() : following and following.start()]
        try:
            barred = imports_of(ast.parse(cell), forbidden)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            barred, line = [], getattr(error, "lineno", None)
            left.append(f"{mark[1]} ({type(error).__name__}{f', line {line}' if line else ''})")
        if barred:
            left.append(f"{mark[1]} (imports {barred[0]}, which this exercise does not allow)")
            cell = f"# %%{chr(10) * cell.count(chr(10))}"
        parts.append(cell)
    return "".join(parts).encode(), left


def _cells(source: str) -> Iterator[tuple[int, int, str]]:
    """Number, line before the first, and text of every cell."""
    marks = list(CELL.finditer(source))
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        yield int(mark[1]), source.count("\n", 0, mark.start()), source[mark.start() : following and following.start()]


def _needed(kept: list[tuple[ast.stmt, int]], assigned: list[tuple[ast.stmt, int]]) -> list[tuple[ast.stmt, int]]:
    """The assignments to names that what is kept uses, directly or through others."""
    used = {name for node, _ in kept for name in _names(node)}
    chosen: list[tuple[ast.stmt, int]] = []
    waiting = list(assigned)
    while new := [each for each in waiting if used & set(_targets(each[0]))]:
        chosen += new
        waiting = [each for each in waiting if each not in new]
        used |= {name for node, _ in new for name in _names(node)}
    return chosen


def _targets(node: ast.stmt) -> Iterator[str]:
    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
        yield from (name.id for name in ast.walk(target) if isinstance(name, ast.Name))


def _names(node: ast.stmt) -> Iterator[str]:
    return (name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Load))


def _lines_of(node: ast.stmt, start: int) -> range:
    first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", ()))])
    return range(start + first - 1, start + node.end_lineno)


def _is_guarded_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Try) and all(isinstance(inner, ast.Import | ast.ImportFrom) for inner in node.body)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
