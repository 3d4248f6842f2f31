"""What learners get, generated from the solutions: the stub of every exercise and the notebook of every lesson."""

import os
from pathlib import Path
from typing import NamedTuple

from autograder.authoring.notebook import notebook_bytes
from autograder.authoring.sources import AuthoringError, read_marked
from autograder.catalog import Course, Module, is_exercise_file


class Drift(NamedTuple):
    """A generated file that is not what the solutions make, and the command that mends it."""

    path: str
    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}; run: {self.mend}"


def build(course: Course) -> list[Path]:
    """Write every generated file that is not up to date; returns the files written."""
    outdated = {path: content for path, content in planned(course).items() if _content(path) != content}
    for path, content in outdated.items():
        _write(path, content)
    return list(outdated)


def drift(course: Course) -> list[Drift]:
    """Generated files that differ, are missing, or no source makes any more."""
    plan = planned(course)
    found = []
    for path, content in plan.items():
        if (actual := _content(path)) != content:
            what = "is missing" if actual is None else "differs from what its source makes"
            found.append(Drift(_shown(course, path), what, "autograder build"))
    for path in _generated_files(course):
        if path not in plan:
            shown = _shown(course, path)
            found.append(Drift(shown, "has no source any more", f"rm {shown}"))
    return sorted(found)


def planned(course: Course) -> dict[Path, bytes]:
    """Every generated file with what it must hold. Nothing is written, and any bad source raises."""
    if not course.has_solutions:
        raise AuthoringError(f"{course.root} has no solutions/ folder to build from: it is a learner's course")
    return {path: content for module in course.modules for path, content in _planned_of(module).items()}


def stub_text(solution: Path) -> str:
    """The solution with each marked block replaced by its `# STUB` section or, without one, by `raise NotImplementedError` (`...`
    outside of functions).

    All else is left as it is.
    """
    source = read_marked(solution)
    if not source.blocks:
        raise AuthoringError(
            f"{solution}:1: no `# BEGIN SOLUTION` in it, so learners would get all of it; "
            f"mark what they write, or start the name of a helper file with an underscore"
        )
    lines = list(source.lines)
    for block in reversed(source.blocks):
        last = lines[block.end - 1]
        line_end = last[len(last.rstrip("\r\n")) :]
        instead = source.program(block) or [f"{block.indent}{block.blank}{line_end}"]
        lines[block.begin - 1 : block.end] = instead
    return "".join(lines)


def _planned_of(module: Module) -> dict[Path, bytes]:
    plan = {exercise.stub: stub_text(exercise.solution).encode() for exercise in module.exercises}
    if module.lesson_source.is_file():
        plan[module.lesson] = notebook_bytes(module.lesson_source)
    return plan


def _generated_files(course: Course) -> list[Path]:
    """The files in exercises/ that only `build` should have written."""
    folders = [f for f in course.exercises_dir.glob("[!._]*") if f.is_dir()]
    files = [path for folder in folders for path in folder.iterdir()]
    return [path for path in files if is_exercise_file(path) or path.name == "lesson.ipynb"]


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _shown(course: Course, path: Path) -> str:
    return path.relative_to(course.root).as_posix()


def _write(path: Path, content: bytes) -> None:
    """Replace a file at once, so that nobody ever reads half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
