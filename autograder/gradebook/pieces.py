"""A solution in pieces, so that a notebook can show it cell by cell: its tasks, and what stands between them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autograder.catalog import Exercise

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


@dataclass(frozen=True)
class Piece:
    """A run of top-level statements of a solution: those of one task, or what stands between tasks (no task)."""

    task: str | None
    text: str
    uses: frozenset[str]
    defines: frozenset[str]

    def __add__(self, other: Piece) -> Piece:
        return Piece(self.task, self.text + other.text, self.uses | other.uses, self.defines | other.defines)


def title(exercise: Exercise) -> str:
    """What a notebook begins with: the name of the exercise and what its solution says about it."""
    about = ast.get_docstring(ast.parse(exercise.solution.read_bytes())) or ""
    return f"# {exercise.name.replace('_', ' ').capitalize()}\n\n{about}"


def built_on(exercise: Exercise) -> dict[Exercise, set[str]]:
    """The exercises of the course that it imports, with the tasks of each that are needed, directly or through others."""
    needed: dict[Exercise, set[str]] = {}
    used = {name for piece in pieces_of(exercise) for name in piece.uses}
    for other in reversed(exercise.imports_exercises):  # each after those that it needs itself
        pieces = [piece for piece in pieces_of(other) if piece.task]
        while new := {p.task for p in pieces if p.task in used} - needed.get(other, set()):
            needed.setdefault(other, set()).update(new)
            used |= {name for piece in pieces if piece.task in new for name in piece.uses}
    return {other: needed[other] for other in exercise.imports_exercises if other in needed}


def pieces_of(exercise: Exercise) -> list[Piece]:
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
        part = "".join(lines[starts[place] : starts[place + 1]])
        piece = Piece(task, part, frozenset(_names(node)), frozenset(_defined(node)))
        if task is None and pieces and pieces[-1].task is None:
            piece = pieces.pop() + piece
        pieces.append(piece)
    return pieces


def ready_after(pieces: Sequence[Piece]) -> dict[str, int]:
    """For each task the place of the piece after which it can be tried: what it uses may stand below it."""
    home = {name: place for place, piece in enumerate(pieces) for name in piece.defines}
    ready = {}
    for start, piece in enumerate(pieces):
        needed, waiting = {start}, [start]
        while waiting:
            places = {home[name] for name in pieces[waiting.pop()].uses if name in home}
            waiting += places - needed
            needed |= places
        if piece.task:
            ready[piece.task] = max(needed)
    return ready


def _first_line(node: ast.stmt) -> int:
    """The place of its first line in the file, decorators included; what follows a statement belongs to it."""
    return min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))]) - 1


def _names(node: ast.stmt) -> Iterator[str]:
    return (each.id for each in ast.walk(node) if isinstance(each, ast.Name))


def _defined(node: ast.stmt) -> Iterator[str]:
    if name := getattr(node, "name", None):
        yield name
    else:
        yield from (
            each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
        )


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_import_of(node: ast.stmt, modules: set[str]) -> bool:
    return isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in modules
