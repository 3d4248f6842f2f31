"""An nbgrader course folder: made from our exercises, filled with submissions, run by nbgrader's own commands."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from autograder.catalog import CourseError, Exercise, Module, identifier
from autograder.gradebook.nbgrader.notebooks import source_notebook
from autograder.grading.entries import NOTEBOOK
from autograder.policy import Policy

CONFIG = "nbgrader_config.py"
CONFIG_TEXT = """\
# Made by `autograder nbgrader init`; yours to edit.
c = get_config()  # noqa: F821
c.CourseDirectory.course_id = {name!r}
"""


class NbgraderError(CourseError):
    """nbgrader is not there, or refused something; the message holds its words."""


def init(policy: Policy, modules: Sequence[Module], root: Path) -> tuple[list[Path], list[str]]:
    """Write the configuration, if there is none, and a source notebook for each exercise: a module is an assignment.

    Returns:
        The notebooks written, and why exercises were left out.
    """
    written, left_out = [], []
    root.mkdir(parents=True, exist_ok=True)
    if not (root / CONFIG).exists():
        (root / CONFIG).write_text(CONFIG_TEXT.format(name=root.resolve().name), encoding="utf-8")
    interface = api(root)
    for module in modules:
        for exercise in module.exercises:
            try:
                text = source_notebook(policy, exercise)
            except CourseError as error:
                left_out.append(str(error))
                continue
            path = folder(interface, "source", module.name) / f"{exercise.name}{NOTEBOOK}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            written.append(path)
    return written, left_out


def run(root: Path, action: str, *arguments: Any, **options: Any) -> None:
    """One of nbgrader's own actions: `generate_assignment`, `generate_feedback`, `autograde`, …

    Raises:
        NbgraderError: it failed.
    """
    done = getattr(api(root), action)(*arguments, **options)
    if not done["success"]:
        raise NbgraderError(f"nbgrader's {action} failed:\n{done.get('error') or done.get('log', '')}".strip())


def api(root: Path) -> Any:
    """nbgrader's Python interface, with the course's own configuration."""
    if not (root / CONFIG).is_file():
        raise NbgraderError(
            f"{root} is no nbgrader course: it has no {CONFIG}; `autograder nbgrader init {root}` makes one"
        )
    try:
        from nbgrader.apps import NbGraderAPI
        from nbgrader.coursedir import CourseDirectory
        from traitlets.config.loader import PyFileConfigLoader
    except ImportError as error:
        raise NbgraderError(f"this needs {error.name}; run: pip install 'autograder[nbgrader]'") from None
    # A new gradebook is made by the program alembic, which nbgrader looks for on the path.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    try:
        config = PyFileConfigLoader(CONFIG, path=str(root.resolve())).load_config()
        if "root" not in config.CourseDirectory:
            config.CourseDirectory.root = str(root.resolve())
        return NbGraderAPI(coursedir=CourseDirectory(config=config), config=config)
    except Exception as error:  # the file is Python
        raise NbgraderError(f"{root / CONFIG}: {type(error).__name__}: {error}") from None


def folder(interface: Any, step: str, assignment: str, learner: str = ".") -> Path:
    """Where this course keeps a step ("source", "submitted", "autograded", …) of an assignment."""
    places = interface.coursedir
    return Path(places.format_path(getattr(places, f"{step}_directory"), learner, assignment))


def home(root: Path, step: str) -> Path:
    """The folder of a step, for all assignments and learners, where these are folders in it."""
    places = api(root).coursedir
    return Path(places.root) / getattr(places, f"{step}_directory")


def export(root: Path, to: Path) -> None:
    """Everybody's scores, as nbgrader's own exporter writes them."""
    interface = api(root)
    from nbgrader.plugins import CsvExportPlugin

    plugin = CsvExportPlugin(parent=interface)
    plugin.to = str(to)
    with interface.gradebook as gradebook:
        plugin.export(gradebook)


def notebooks_of(root: Path, assignment: str) -> list[Path]:
    """The source notebooks of an assignment.

    Raises:
        NbgraderError: there are none.
    """
    interface = api(root)
    found = sorted(folder(interface, "source", assignment).glob(f"*{NOTEBOOK}"))
    if not found:
        known = ", ".join(sorted(interface.get_source_assignments()))
        where = folder(interface, "source", assignment).parent
        raise NbgraderError(f"{where} has no assignment {assignment!r} with notebooks; there is: {known or 'none'}")
    return found


def exercises_of(policy: Policy, root: Path, assignment: str, module: str | None = None) -> dict[str, Exercise]:
    """By the name of each notebook of an assignment, the exercise that has its checks. Notebooks in which nothing is graded by code
    have none.

    Args:
        module: the module that holds them; by default it is named like the assignment.

    Raises:
        NbgraderError: there are none at all.
    """
    named = {each.name: each for each in policy.exercises() if each.module == (module or identifier(assignment))}
    notebooks = [path.stem for path in notebooks_of(root, assignment)]
    found = {name: named[identifier(name)] for name in notebooks if identifier(name) in named}
    if not found:
        raise NbgraderError(
            f"{policy.course.root} has no exercise for a notebook of {assignment!r} ({', '.join(notebooks)}); your own notebooks "
            f"come in by: autograder --course DIR adopt {folder(api(root), 'source', assignment)}"
        )
    return found


def collect(root: Path, assignment: str, downloads: Path) -> list[str]:
    """Put downloaded notebooks into nbgrader's `submitted` folder: those of `<learner>/…/<exercise>.ipynb`, and files named
    `<learner>_<exercise>.ipynb`. What was collected before is replaced, if it is older.

    Returns:
        The learners of whom something was collected.
    """
    names, interface = {path.stem for path in notebooks_of(root, assignment)}, api(root)
    collected: dict[str, float] = {}
    for path in sorted(downloads.rglob(f"*{NOTEBOOK}")):
        learner, name = _whose(path.relative_to(downloads), names)
        if not learner or path.is_symlink() or not path.is_file():
            continue
        target = folder(interface, "submitted", assignment, learner) / f"{name}{NOTEBOOK}"
        changed = path.stat().st_mtime
        if not target.exists() or target.stat().st_mtime < changed:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
        collected[learner] = max(changed, collected.get(learner, 0.0))
    for learner, changed in collected.items():
        when = f"{datetime.fromtimestamp(changed, UTC):%Y-%m-%d %H:%M:%S} UTC\n"
        (folder(interface, "submitted", assignment, learner) / "timestamp.txt").write_text(when)
    return sorted(collected)


def _whose(path: Path, names: set[str]) -> tuple[str, str]:
    """The learner and the notebook that a path is about; no learner where it is neither."""
    if len(path.parts) > 1:
        return (path.parts[0], path.stem) if path.stem in names else ("", "")
    for name in sorted(names, key=len, reverse=True):
        if path.stem.endswith(f"_{name}"):
            return path.stem.removesuffix(f"_{name}"), name
    return "", ""
