"""The notebook that formgrader and nbgrader's feedback show: what a learner handed in, with our words below the cells of points.

Nothing of it is run here. Outputs are those that the learner saved; what is locked is as it was released.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat

from autograder.gradebook.nbgrader.course import folder
from autograder.grading.entries import MAX_NOTEBOOK, NOTEBOOK

HIDDEN = re.compile(r"^.*BEGIN HIDDEN TESTS.*\n(?:.*\n)*?.*END HIDDEN TESTS.*$", re.MULTILINE)
HARMLESS = ("text/plain", "image/png", "image/jpeg")  # an output can also be a program
STAMP = "timestamp.txt"


def write_autograded(
    interface: Any, assignment: str, learner: str, source: Path, words: Mapping[str, str]
) -> nbformat.NotebookNode:
    """Write the notebook, and the instructor's files beside it.

    Args:
        words: by the name of each cell of points, what is said below it.

    Raises:
        Exception: nbformat or nbgrader cannot read what was handed in.
    """
    from nbgrader.nbgraderformat import MetadataValidator
    from nbgrader.preprocessors import AssignLatePenalties, DeduplicateIds, OverwriteCells, OverwriteKernelspec

    submitted = folder(interface, "submitted", assignment, learner)
    path = submitted / source.name
    if path.is_symlink() or path.stat().st_size > MAX_NOTEBOOK:
        raise ValueError("a link, or too large")
    notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
    notebook = MetadataValidator().upgrade_notebook_metadata(notebook)
    about = {
        "notebook": source.stem,
        "assignment": assignment,
        "student": learner,
        "db_url": interface.coursedir.db_url,
    }
    for step in (DeduplicateIds, OverwriteKernelspec, OverwriteCells, AssignLatePenalties):
        notebook, _ = step(parent=interface).preprocess(notebook, {"nbgrader": about})
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        cell.outputs = list(map(_plain, cell.outputs))
        if cell.metadata.get("nbgrader", {}).get("grade"):
            cell.source = HIDDEN.sub("# hidden tests", cell.source)
        if name in words:
            cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=words[name] + "\n")]
    target = folder(interface, "autograded", assignment, learner)
    target.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target / source.name)
    for beside in (*_beside(source.parent), submitted / STAMP):
        if beside.is_file() and not beside.is_symlink():
            shutil.copy(beside, target / beside.name)
    return notebook


def _plain(output: nbformat.NotebookNode) -> nbformat.NotebookNode:
    if "data" in output:
        output.data = {kind: data for kind, data in output.data.items() if kind in HARMLESS}
    return output


def _beside(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if path.suffix != NOTEBOOK and not path.name.startswith("."))
