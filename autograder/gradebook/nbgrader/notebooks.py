"""An exercise as an nbgrader source notebook: for each task a cell to write it in and a cell of points.

The cell of points runs the examples of the docstring, so that plain nbgrader validates and autogrades the notebook without us. The
points themselves come from the hidden checks, in the jail (`scores`).
"""

from __future__ import annotations

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.catalog import CourseError, Exercise
from autograder.gradebook.pieces import KERNEL, Piece, built_on, pieces_of, ready_after, title
from autograder.marked_source import parse_marked
from autograder.policy import Policy

SCHEMA_VERSION = 3
EXAMPLES = """\
# The examples of the docstring. Your points come from further checks when this is graded.
import doctest

_examples = doctest.DocTestRunner()
for _each in doctest.DocTestFinder().find({task}, "{task}", module=False, globs=dict(globals())):
    _examples.run(_each)
assert _examples.summarize().failed == 0, "an example of {task} gives something else\""""


def source_notebook(policy: Policy, exercise: Exercise) -> str:
    """The source notebook, with the solutions between nbgrader's markers (which are ours).

    Raises:
        CourseError: the exercise is of a kind that nbgrader's stubs cannot hand out.
    """
    if exercise.is_notebook:
        raise CourseError(f"{exercise.id} was adopted from a notebook: that is its source")
    if parse_marked(exercise.solution.read_text(encoding="utf-8"), str(exercise.solution)).programs:
        raise CourseError(f"{exercise.id} hands out programs to repair; nbgrader can only empty a function")
    points = policy.points(exercise)
    cells = [new_markdown_cell(title(exercise))]
    for other, tasks in built_on(exercise).items():
        cells.append(new_markdown_cell(f"Bring along from your `{other.name}` what this builds on."))
        cells += [
            _cell(piece, f"from_{other.name}")
            for piece in pieces_of(other)
            if piece.task is None or piece.task in tasks
        ]
    pieces = pieces_of(exercise)
    ready = ready_after(pieces)
    for place, piece in enumerate(pieces):
        cells.append(_cell(piece, "given"))
        for task in (task for task in ready if ready[task] == place):
            about = {"grade": True, "locked": True, "points": points[task]}
            cells.append(_marked(EXAMPLES.format(task=task), f"points_{task}", **about))
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
