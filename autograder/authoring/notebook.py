"""Lesson notebooks from their percent-format sources: the same source always gives the same bytes."""

import hashlib
from pathlib import Path

from autograder.authoring.sources import AuthoringError, read_text

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
_BOOKKEEPING = "lines_to_next_cell"  # jupytext's own note on blank lines, of no use in a notebook


def notebook_bytes(source: Path) -> bytes:
    """The notebook of a `lesson.py`, without outputs."""
    try:
        import jupytext
        import nbformat
    except ImportError:
        raise AuthoringError(f"{source}: a lesson needs jupytext; install it: pip install -e '.[authoring]'") from None
    notebook = jupytext.reads(read_text(source), fmt="py:percent")
    taken: set[str] = set()
    for cell in notebook.cells:
        cell.metadata.pop(_BOOKKEEPING, None)
        cell["id"] = _cell_id(cell.cell_type + cell.source, taken)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return (nbformat.writes(notebook) + "\n").encode()


def _cell_id(content: str, taken: set[str]) -> str:
    """An id from what the cell says, so that adding a cell leaves the ids of the others alone."""
    salt = 0
    while (name := hashlib.sha256(f"{salt}:{content}".encode()).hexdigest()[:8]) in taken:
        salt += 1
    taken.add(name)
    return name
