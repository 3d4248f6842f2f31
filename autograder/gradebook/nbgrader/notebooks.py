"""An exercise as an nbgrader source notebook: for each task a cell to write it in and a cell of points.

The cell of points runs the examples of the docstring, so that plain nbgrader validates and autogrades the notebook without us. The
points themselves come from the hidden checks, in the jail (`scores`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.catalog import CourseError, Exercise
from autograder.marked_source import parse_marked
from autograder.policy import Policy

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
SCHEMA_VERSION = 3
EXAMPLES = """\
# The examples of the docstring. Your points come from further checks when this is graded.
import doctest

_examples = doctest.DocTestRunner()
for _each in doctest.DocTestFinder().find({task}, "{task}", module=False, globs=dict(globals())):
    _examples.run(_each)
assert _examples.summarize().failed == 0, "an example of {task} gives something else\""""


@dataclass(frozen=True)
class Piece:
    """A run of top-level statements of a solution: those of one task, or what stands between tasks (no task)."""

    task: str | None
    text: str
    uses: frozenset[str]


def source_notebook(policy: Policy, exercise: Exercise) -> str:
    """The source notebook, with the solutions between nbgrader's markers (which are ours).

    Raises:
        CourseError: the exercise is of a kind that nbgrader's stubs cannot hand out.
    """
    if parse_marked(exercise.solution.read_text(encoding="utf-8"), str(exercise.solution)).programs:
        raise CourseError(f"{exercise.id} hands out programs to repair; nbgrader can only empty a function")
    points = policy.points(exercise)
    cells = [new_markdown_cell(f"# {exercise.name.replace('_', ' ').capitalize()}\n\n{_about(exercise)}")]
    for other, tasks in _built_on(exercise).items():
        cells.append(new_markdown_cell(f"Bring along from your `{other.name}` what this builds on."))
        cells += [
            _cell(piece, f"from_{other.name}") for piece in _pieces(other) if piece.task is None or piece.task in tasks
        ]
    for piece in _pieces(exercise):
        cells.append(_cell(piece, "given"))
        if piece.task:
            about = {"grade": True, "locked": True, "points": points[piece.task]}
            cells.append(_marked(EXAMPLES.format(task=piece.task), f"points_{piece.task}", **about))
    seen: dict[str, int] = {}
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
        if about := cell.metadata.get("nbgrader"):
            seen[about["grade_id"]] = seen.get(about["grade_id"], 0) + 1
            if seen[about["grade_id"]] > 1:
                about["grade_id"] += f"_{seen[about['grade_id']]}"
    notebook = new_notebook(cells=cells, metadata={"kernelspec": KERNEL, "language_info": {"name": "python"}})
    return nbformat.writes(notebook) + "\n"


def _cell(piece: Piece, what: str) -> nbformat.NotebookNode:
    if piece.task is None:
        return _marked(piece.text, what, locked=True)
    return _marked(piece.text, piece.task, solution=True)


def _marked(
    source: str, grade_id: str, grade: bool = False, locked: bool = False, solution: bool = False, points: float = 0.0
) -> nbformat.NotebookNode:
    about = {
        "schema_version": SCHEMA_VERSION,
        "grade_id": grade_id,
        "grade": grade,
        "locked": locked,
        "solution": solution,
        "task": False,
    }
    return new_code_cell(source.strip("\n"), metadata={"nbgrader": about | ({"points": points} if grade else {})})


def _about(exercise: Exercise) -> str:
    return ast.get_docstring(ast.parse(exercise.solution.read_bytes())) or ""


def _built_on(exercise: Exercise) -> dict[Exercise, set[str]]:
    """The exercises of the course that it imports, with the tasks of each that are needed, directly or through others."""
    needed: dict[Exercise, set[str]] = {}
    used = {name for piece in _pieces(exercise) for name in piece.uses}
    for other in reversed(exercise.imports_exercises):  # each after those that it needs itself
        pieces = [piece for piece in _pieces(other) if piece.task]
        while new := {p.task for p in pieces if p.task in used} - needed.get(other, set()):
            needed.setdefault(other, set()).update(new)
            used |= {name for piece in pieces if piece.task in new for name in piece.uses}
    return {other: needed[other] for other in exercise.imports_exercises if other in needed}


def _pieces(exercise: Exercise) -> list[Piece]:
    """The solution in pieces, without its docstring and without imports of the course's exercises."""
    text = exercise.solution.read_text(encoding="utf-8")
    lines, tree = text.splitlines(keepends=True), ast.parse(text)
    ours = {module.name for module in exercise.course.modules}
    starts = [*map(_first_line, tree.body), len(lines)]
    pieces: list[Piece] = []
    for place, node in enumerate(tree.body):
        if (place == 0 and _is_text(node)) or _is_import_of(node, ours):
            continue
        task = node.name if getattr(node, "name", None) in exercise.tasks else None
        piece = Piece(task, "".join(lines[starts[place] : starts[place + 1]]), frozenset(_names(node)))
        if task is None and pieces and pieces[-1].task is None:
            before = pieces.pop()
            piece = Piece(None, before.text + piece.text, before.uses | piece.uses)
        pieces.append(piece)
    return pieces


def _first_line(node: ast.stmt) -> int:
    """The place of its first line in the file, decorators included; what follows a statement belongs to it."""
    return min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))]) - 1


def _names(node: ast.stmt) -> Iterator[str]:
    return (each.id for each in ast.walk(node) if isinstance(each, ast.Name))


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_import_of(node: ast.stmt, modules: set[str]) -> bool:
    return isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in modules
