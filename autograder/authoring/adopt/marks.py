"""The text of cells in our manner: our markers around what learners write, nothing that only IPython understands."""

from __future__ import annotations

import ast
import re

from autograder.catalog import CELL_BY_CELL
from autograder.grading.notebook import without_magics
from autograder.marked_source import MarkingError, parse_marked

BEGIN, END = "BEGIN SOLUTION", "END SOLUTION"
OTHER_MARKS = re.compile(r"^.*(?:BEGIN|END) MARK SCHEME.*(?:\n|\Z)", re.MULTILINE)


def plain(source: str) -> str:
    """The text without what only IPython understands."""
    return without_magics(source).strip("\n") + "\n"


def marked(source: str, is_solution: bool) -> str:
    """The text of a cell with our markers: where it has markers there, and of a whole cell that learners write around all of it."""
    source = plain(OTHER_MARKS.sub("", source))
    if BEGIN in source:
        try:
            text = _with_our_marks(source)
            parse_marked(f"{CELL_BY_CELL}\n{text}", "")
            return text
        except MarkingError:  # it cuts through a statement, say
            source = "".join(line for line in source.splitlines(keepends=True) if BEGIN not in line and END not in line)
            is_solution = True
    if is_solution and _has_code(source):
        return f"# {BEGIN}\n{source.rstrip()}\n# {END}\n"
    return source


def with_stub(solution: str, stub: str) -> str:
    """The text of a cell with all of it marked, and what learners get in its place below `# STUB`."""
    if not _has_code(solution):
        return solution
    given = ["# STUB", *(f"# {line}".rstrip() for line in stub.splitlines())] if _has_code(stub) else []
    return "\n".join([f"# {BEGIN}", solution.rstrip(), *given, f"# {END}", ""])


def _with_our_marks(source: str) -> str:
    lines = source.splitlines()
    indent = ""
    for number, line in enumerate(lines):
        if BEGIN in line:
            code = next(
                (each for each in lines[number + 1 :] if each.strip() and not each.lstrip().startswith("#")), line
            )
            indent = code[: len(code) - len(code.lstrip())]
            lines[number] = f"{indent}# {BEGIN}"
        elif END in line:
            lines[number] = f"{indent}# {END}"
    return "\n".join(lines) + "\n"


def _has_code(source: str) -> bool:
    try:
        return bool(ast.parse(source).body)
    except SyntaxError:
        return False
