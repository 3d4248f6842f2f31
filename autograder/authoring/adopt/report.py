"""What became of adopted notebooks, for the instructor to read."""

from __future__ import annotations

from pathlib import Path

from autograder.authoring.adopt.adopt import Adopted
from autograder.authoring.adopt.sheet import Sheet
from autograder.catalog import Course


def report(course: Course, done: Adopted) -> str:
    """A section for each notebook, a line for each task, and what to do next."""
    parts = [_section(sheet, done.idle.get(sheet.id, [])) for sheet in done.sheets]
    for sheet in done.empty:
        parts.append(
            _section(sheet, []) + "\n  no code grades anything in it: it is not in the course, and stays as it is"
        )
    if done.untried:
        parts.append(f"not tried in the jail on this machine: {done.untried}")
    graded = sum(task.points for sheet in done.sheets for task in sheet.tasks.values() if not task.by_hand)
    total = sum(task.points for sheet in (*done.sheets, *done.empty) for task in sheet.tasks.values())
    parts.append(f"{graded:g} of {total:g} points are graded by code, the rest by hand; in {_shown(course.root)}")
    return "\n\n".join(parts)


def _section(sheet: Sheet, idle: list[str]) -> str:
    lines = [f"{sheet.id}  from {_shown(sheet.path)}"]
    width = max((len(name) for name in sheet.tasks), default=0)
    for task in sheet.tasks.values():
        words = f"by hand: {task.by_hand}" if task.by_hand else "graded"
        if not task.by_hand and task.name in idle:
            words += ", but an empty stub passes it, too"
        lines.append(f"  {task.name:{width}}  {task.points:>5g}  {words}")
    return "\n".join(lines)


def _shown(path: Path) -> str:
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix() or "."
    except ValueError:
        return str(path)
