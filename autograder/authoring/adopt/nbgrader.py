"""Read an instructor's own nbgrader source notebook."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

from autograder.authoring.adopt.marks import marked, plain
from autograder.authoring.adopt.sheet import AdoptError, Code, Sheet, Task, Test
from autograder.grading.notebook import MAGIC, joined

HIDDEN = re.compile(r"^.*BEGIN HIDDEN TESTS.*\n(?:.*\n)*?.*END HIDDEN TESTS.*(?:\n|\Z)", re.MULTILINE)
HIDDEN_MARK = re.compile(r"^.*(?:BEGIN|END) HIDDEN TESTS.*(?:\n|\Z)", re.MULTILINE)
AUTOTEST = re.compile(r"^\s*#+ *(?:HASHED )?AUTOTEST", re.MULTILINE)
HARMLESS = ("%matplotlib", "%config", "%%capture", "%%time")
STUB = re.compile(r"# YOUR CODE HERE\s+raise NotImplementedError")


def is_source(notebook: dict) -> bool:
    """Whether a notebook has cells of nbgrader's."""
    return any("nbgrader" in cell.get("metadata", {}) for cell in notebook.get("cells", ()))


def read(path: Path, module: str, name: str) -> Sheet:
    """The notebook, with the metadata of older versions upgraded.

    Raises:
        AdoptError: nbgrader is not installed, or would not take the notebook either.
    """
    notebook = _upgraded(path)
    parts: list[Code | Test] = []
    tasks: dict[str, Task] = {}
    for cell in notebook.cells:
        about = cell.metadata.get("nbgrader") or {}
        grade, solution = about.get("grade", False), about.get("solution", False)
        grade_id = about.get("grade_id", "")
        if grade or about.get("task", False):
            if grade_id in tasks:
                raise AdoptError(
                    f"{path}: two cells are called {grade_id!r}; nbgrader wants a name of its own for each"
                )
            tasks[grade_id] = Task(grade_id, float(about.get("points", 0)))
        if cell.cell_type != "code":
            if grade_id in tasks:
                tasks[grade_id].by_hand = "a task in words" if about.get("task") else "a written answer"
            continue
        if grade and not solution:
            tasks[grade_id].by_hand = _unfit(cell.source)
            parts.append(_test(cell.source, grade_id, tasks[grade_id]))
            continue
        if grade:
            tasks[grade_id].by_hand = "code that nbgrader has graded by hand, too"
        if solution and STUB.search(cell.source):
            raise AdoptError(
                f"{path}: cell {grade_id!r} holds `YOUR CODE HERE` and no solution: adopt the source notebook"
            )
        parts.append(Code(grade_id, marked(cell.source, solution), locked=about.get("locked", False) and not solution))
    return Sheet(path, module, name, parts, tasks, joined(json.dumps(notebook).encode()))


def _upgraded(path: Path) -> Any:
    try:
        import nbformat
        from nbgrader.nbgraderformat import MetadataValidator
    except ImportError as error:
        raise AdoptError(
            f"{path} is a notebook for nbgrader; this needs {error.name}: pip install 'autograder[nbgrader]'"
        ) from None
    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        notebook = MetadataValidator().upgrade_notebook_metadata(notebook)
        MetadataValidator().validate_nb(notebook)
    except Exception as error:  # of nbformat, of jsonschema, of nbgrader's own
        words = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise AdoptError(f"{path}: nbgrader would refuse this notebook: {words}") from None
    return notebook


def _test(source: str, grade_id: str, task: Task) -> Test:
    everything, visible = HIDDEN_MARK.sub("", source), HIDDEN.sub("", source)
    return Test(
        grade_id, grade_id, grade_id, plain(everything), plain(visible), _sentence(visible), partial=task.points
    )


def _sentence(visible: str) -> str:
    """What learners may read about it: the text with which the part that they have begins, or the comment above it."""
    try:
        about = ast.get_docstring(ast.parse(visible))
    except (SyntaxError, ValueError):
        about = None
    first = (about or "").strip().splitlines() or [
        line.strip("# ") for line in visible.strip().splitlines()[:1] if line.startswith("#")
    ]
    return first[0].rstrip(".") if first else ""


def _unfit(source: str) -> str:
    """Why the text of a test cannot even be tried."""
    if AUTOTEST.search(source):
        return "its tests are yet to be made (AUTOTEST): adopt what `nbgrader generate_assignment --source_with_tests` writes"
    magics = [line.strip() for line in source.splitlines() if MAGIC.match(line) and not line.startswith(HARMLESS)]
    return f"uses IPython's {magics[0].split()[0]}" if magics else ""
