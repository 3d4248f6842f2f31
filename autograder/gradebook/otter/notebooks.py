"""An exercise as an otter source notebook: a question for each task, with the solution and public tests.

The public tests are the examples of the docstring, so that plain `otter assign` makes, runs and grades the assignment without us.
The points themselves come from the hidden checks, in the jail (`bundle`).
"""

from __future__ import annotations

import ast
import doctest
import json
import re
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, new_raw_cell

from autograder.catalog import CourseError, Exercise, Module
from autograder.gradebook.pieces import KERNEL, Piece, built_on, pieces_of, ready_after, title
from autograder.grading.entries import NOTEBOOK
from autograder.marked_source import Block, MarkedSource, parse_marked
from autograder.policy import Policy

QUOTES = ('"""', "'''")
CONTINUES = re.compile(r"[ \t]|except[\s\w]*:|elif |else:|finally:")
IS_WRITTEN = "'NotImplementedError' in {task}.__code__.co_names"


def write(policy: Policy, modules: list[Module], out: Path) -> tuple[list[Path], list[str]]:
    """Write `out/<module>/<exercise>.ipynb` for each exercise.

    Returns:
        The notebooks written, and why exercises were left out.
    """
    written, left_out = [], []
    for exercise in (exercise for module in modules for exercise in module.exercises):
        try:
            text = source_notebook(policy, exercise)
        except CourseError as error:
            left_out.append(str(error))
            continue
        path = out / exercise.module / f"{exercise.name}{NOTEBOOK}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written, left_out


def source_notebook(policy: Policy, exercise: Exercise) -> str:
    """The source notebook, as `otter assign` wants it.

    Raises:
        CourseError: otter could not take the solution out of it again.
    """
    if exercise.is_notebook:
        raise CourseError(f"{exercise.id} was adopted from a notebook: that is its source")
    for each in (exercise, *exercise.imports_exercises):
        parse_marked(each.solution.read_text(encoding="utf-8"), str(each.solution))
    points = policy.points(exercise)
    cells = [_raw("ASSIGNMENT CONFIG", requirements=_requirements(exercise), export_cell={"pdf": False})]
    cells.append(new_markdown_cell(title(exercise)))
    for other, tasks in built_on(exercise).items():
        cells.append(new_markdown_cell(f"Bring along from your `{other.name}` what this builds on."))
        for piece in pieces_of(other):
            if piece.task is None or piece.task in tasks:
                cells += _cells(other, piece, f"from_{other.name}_{piece.task}", 0, [])
    pieces = pieces_of(exercise)
    ready = ready_after(pieces)
    for place, piece in enumerate(pieces):
        tests = _tests(piece) if ready.get(piece.task) == place else []
        cells += _cells(exercise, piece, piece.task, points.get(piece.task, 0), tests)
        for each in pieces[:place]:
            if ready.get(each.task) == place:
                cells += _question(each.task, points[each.task], _tests(each))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    notebook = new_notebook(cells=cells, metadata={"kernelspec": KERNEL, "language_info": {"name": "python"}})
    return nbformat.writes(notebook) + "\n"


def _requirements(exercise: Exercise) -> list[str]:
    """What is to be installed for it, by the names of the packages."""
    known = packages_distributions()
    return sorted({known.get(name, [name])[0] for name in exercise.packages})


def _raw(words: str, **config: object) -> nbformat.NotebookNode:
    """A cell of otter's own: its first line and YAML."""
    return new_raw_cell("\n".join([f"# {words}", *(f"{key}: {json.dumps(value)}" for key, value in config.items())]))


def _cells(
    exercise: Exercise, piece: Piece, name: str | None, points: float, tests: list[nbformat.NotebookNode]
) -> list[nbformat.NotebookNode]:
    """The cells of a piece: of a task a question with its solution, which otter takes out; else as it is."""
    if piece.task is None:
        return [new_code_cell(piece.text.strip("\n"))]
    text = _with_prompts(parse_marked(piece.text, str(exercise.solution)), exercise)
    solution = _block_of("SOLUTION", [new_code_cell(text.strip("\n"))])
    return _question(name, points, [new_markdown_cell(f"**{piece.task}**"), *solution, *tests])


def _question(name: str, points: float, cells: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """A question of otter's. Its tests may come in a second one of the same name: below what the task uses."""
    return [_raw("BEGIN QUESTION", name=name, points=points), *cells, _raw("END QUESTION")]


def _block_of(kind: str, cells: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    return [_raw(f"BEGIN {kind}"), *cells, _raw(f"END {kind}")]


def _with_prompts(marked: MarkedSource, exercise: Exercise) -> str:
    """The text with otter's markers, so that learners get what our stubs have in the place of a solution."""
    lines = list(marked.lines)
    for block in reversed(marked.blocks):
        lines[block.begin - 1 : block.end] = _block(marked, block, exercise)
    return "".join(lines)


def _block(marked: MarkedSource, block: Block, exercise: Exercise) -> Iterator[str]:
    # In the solution the prompt is a text that does nothing; for learners otter takes its first and last line away.
    prompt = marked.program(block) or [f"{block.indent}raise NotImplementedError\n"]
    quotes = next((each for each in QUOTES if each not in "".join(prompt)), None)
    if quotes is None:
        raise CourseError(f"{exercise.id} hands out a program with both kinds of quotes, which otter cannot hold")
    yield f"{block.indent}# BEGIN SOLUTION NO PROMPT\n"
    yield from marked.body(block)
    yield f"{block.indent}# END SOLUTION\n"
    yield f"{block.indent}r{quotes}  # BEGIN PROMPT\n"
    yield from prompt
    yield f"{block.indent}{quotes}  # END PROMPT\n"


def _tests(piece: Piece) -> list[nbformat.NotebookNode]:
    """Public tests: of each example that shows something a cell, with all that stands before it, since otter forgets between
    tests."""
    node = ast.parse(piece.text).body[0]
    inner = [each for each in getattr(node, "body", ()) if isinstance(each, ast.FunctionDef | ast.ClassDef)]
    tests = []
    for text in filter(None, map(ast.get_docstring, [node, *inner])):
        before: list[str] = []
        for example in doctest.DocTestParser().get_examples(text):
            source = "\n".join([*before, example.source.rstrip("\n")])
            if example.want and not example.options and _survives(source):
                tests.append(_test(source, example.want))
            before.append(ast.unparse(_Silent().visit(ast.parse(example.source))))
    return _block_of("TESTS", tests or [_is_written(piece.task, node)])


def _survives(source: str) -> bool:
    """Whether an example is still one after otter has written it anew, line by line and without comments."""
    lines = [line for line in ast.unparse(ast.parse(source)).splitlines() if line]
    text = "".join(f"{'...' if CONTINUES.match(line) else '>>>'} {line}\n" for line in lines)
    try:
        rest = [
            statement
            for each in doctest.DocTestParser().get_examples(text)
            for statement in ast.parse(each.source).body
        ]
    except (SyntaxError, ValueError):
        return False
    return [line for line in ast.unparse(rest).splitlines() if line] == lines


def _is_written(task: str, node: ast.stmt) -> nbformat.NotebookNode:
    """Without examples: a test that tells what is begun from what is not, where that can be seen."""
    uses = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    if isinstance(node, ast.FunctionDef) and not node.decorator_list and "NotImplementedError" not in uses:
        return _test(IS_WRITTEN.format(task=task), "False")
    return _test(f"callable({task})", "True")


def _test(source: str, shows: str) -> nbformat.NotebookNode:
    return new_code_cell(source, outputs=[new_output("stream", name="stdout", text=shows.rstrip("\n"))])


class _Silent(ast.NodeTransformer):
    """An example as preparation of another one: nothing of it is shown."""

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        called = getattr(getattr(node.value, "func", None), "id", None)
        if called == "print":
            return ast.copy_location(ast.Pass(), node)
        return ast.fix_missing_locations(ast.copy_location(ast.Assign([ast.Name("_", ast.Store())], node.value), node))
