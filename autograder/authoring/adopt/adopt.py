"""Make exercises of a course from an instructor's own notebooks: solution, hidden and public checks, points, stub."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from autograder import installed
from autograder.authoring.adopt import nbgrader, otter
from autograder.authoring.adopt.checks import checks_of, file_of
from autograder.authoring.adopt.points import with_points
from autograder.authoring.adopt.rehearse import ALL, Found, rehearse, rehearse_in_jail
from autograder.authoring.adopt.sheet import AdoptError, Code, Sheet, Test
from autograder.authoring.build import stub_text
from autograder.catalog import CELL_BY_CELL, Course, Exercise, identifier
from autograder.testing.remote import NO_POINTS

MADE = "by `autograder adopt`"


@dataclass
class Adopted:
    """What became of the notebooks.

    Attributes:
        empty: those in which no code grades anything.
        idle: by exercise id, the tasks whose tests pass on an empty stub.
        untried: why the solutions could not be graded in the jail; empty where they were.
    """

    sheets: list[Sheet] = field(default_factory=list)
    empty: list[Sheet] = field(default_factory=list)
    idle: dict[str, list[str]] = field(default_factory=dict)
    untried: str = ""


def adopt(
    course: Course, paths: Sequence[Path], module: str | None = None, say: Callable[[str], None] = lambda words: None
) -> Adopted:
    """Adopt notebooks into a course, which may be new. What was adopted before from the same names is written anew.

    Args:
        paths: notebooks, folders of notebooks, and folders of those.
        module: the module for all of them; by default that of each folder's name.

    Raises:
        AdoptError: a notebook cannot be read, or something else is in the way. Nothing has been written then.
    """
    sheets = [_read(path, module) for path in _notebooks(paths)]
    _check_names(course, sheets)
    done = Adopted(sheets=sheets)
    _set_aside(done)
    with tempfile.TemporaryDirectory() as folder:
        trial = Course(Path(folder) / "course")
        for sheet in done.sheets:
            _write_checks(trial, sheet)
        _check_libraries(trial, done.sheets)
        if done.sheets:
            say("trying your tests on your solutions")
            wrong, idle = rehearse(trial.root, [sheet.id for sheet in done.sheets])
            if any([_without_partial_credit(sheet, wrong) for sheet in done.sheets]):
                for sheet in done.sheets:
                    _write_checks(trial, sheet)
                wrong, idle = rehearse(trial.root, [sheet.id for sheet in done.sheets])
            _hand_over(done.sheets, wrong, "fails on your own solution: ")
            for sheet in done.sheets:
                passing = set(map(_function, idle.get(sheet.id, {})))
                done.idle[sheet.id] = [c.test.task for c in checks_of(sheet, False)[0] if c.name in passing]
        _set_aside(done)
        if done.sheets:
            say("grading your solutions in the jail")
            for sheet in done.sheets:
                _write_checks(trial, sheet)
            wrong, done.untried = rehearse_in_jail(trial.root, done.sheets)
            if not done.untried:
                _hand_over(done.sheets, wrong, "your own solution fails it in the jail: ")
            _set_aside(done)
    points = _points(course, done.sheets)
    for sheet in done.sheets:
        _write_checks(course, sheet)
    if done.sheets:
        course.grading_file.write_text(points, encoding="utf-8")
    return done


def _set_aside(done: Adopted) -> None:
    """The notebooks in which nothing is left for code to grade."""
    done.empty += [sheet for sheet in done.sheets if not sheet.tests]
    done.sheets = [sheet for sheet in done.sheets if sheet.tests]


def _notebooks(paths: Sequence[Path]) -> Iterable[Path]:
    for path in paths:
        if path.is_dir():
            inside = [each for each in path.rglob("*.ipynb") if each.is_file()]
            found = sorted(p for p in inside if not any(n.startswith(".") for n in p.relative_to(path).parts))
            if not found:
                raise AdoptError(f"{path}: no notebook in it")
            yield from (each for each in found if _kind(each) is not None)
        elif path.suffix == ".ipynb" and path.is_file():
            yield path
        else:
            raise AdoptError(f"{path}: {'not a notebook' if path.exists() else 'no such file or folder'}")


def _kind(path: Path) -> object:
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise AdoptError(f"{path}: is not a notebook ({error})") from None
    if not isinstance(notebook, dict):
        raise AdoptError(f"{path}: is not a notebook")
    language = str(notebook.get("metadata", {}).get("kernelspec", {}).get("language") or "python")
    found = next((reader for reader in (nbgrader, otter) if reader.is_source(notebook)), None)
    if found and language.lower() != "python":
        raise AdoptError(f"{path}: is written in {language}; only Python can be graded here")
    return found


def _read(path: Path, module: str | None) -> Sheet:
    reader = _kind(path)
    if reader is None:
        raise AdoptError(f"{path}: neither an nbgrader source notebook nor an otter master: no cell says so")
    sheet = reader.read(path, module or identifier(path.resolve().parent.name), identifier(path.stem))
    for name, why in checks_of(sheet, public=False)[1].items():
        task = next(part.task for part in sheet.tests if part.name == name)
        sheet.tasks[task].by_hand = why
    return sheet


def _check_names(course: Course, sheets: Sequence[Sheet]) -> None:
    from autograder.authoring.new import check_names

    by_id: dict[str, Sheet] = {}
    for sheet in sheets:
        check_names(sheet.module, sheet.name)
        if sheet.id in by_id:
            raise AdoptError(f"{sheet.path} and {by_id[sheet.id].path} would both be {sheet.id}; rename one")
        by_id[sheet.id] = sheet
        exercise = Exercise(course, sheet.module, sheet.name)
        for path in (exercise.solution, exercise.grader):
            if path.exists() and MADE not in path.read_text(encoding="utf-8")[:1000]:
                raise AdoptError(f"{path} exists already and was not adopted; choose another --module, or remove it")


def _check_libraries(course: Course, sheets: Sequence[Sheet]) -> None:
    for sheet in sheets:
        if absent := installed.missing(Exercise(course, sheet.module, sheet.name).packages):
            raise AdoptError(f"{sheet.path} imports what is not installed: {', '.join(map(str, absent))}")


def _hand_over(sheets: Sequence[Sheet], wrong: Found, because: str) -> None:
    """What does not pass is left to a person."""
    for sheet in sheets:
        checks, _ = checks_of(sheet, public=False)
        found = {_function(name): words for name, words in wrong.get(sheet.id, {ALL: "it could not be tried"}).items()}
        for check in checks:
            if words := found.get(check.name) or found.get(ALL):
                sheet.tasks[check.test.task].by_hand = because + words


def _without_partial_credit(sheet: Sheet, wrong: Found) -> bool:
    """A last line of tests that turns out to be no number of points is not counted as one. Returns whether there was such."""
    found = {_function(name) for name, words in wrong.get(sheet.id, {}).items() if NO_POINTS in words}
    shown = {check.test.name for check in checks_of(sheet, public=False)[0] if check.name in found}
    sheet.parts = [
        replace(part, partial=None) if isinstance(part, Test) and part.name in shown else part for part in sheet.parts
    ]
    return bool(shown)


def _function(check: str) -> str:
    return check.partition("[")[0]


def _points(course: Course, sheets: Sequence[Sheet]) -> str:
    """The text of grading.yml with the points of all."""
    path = course.grading_file
    text = path.read_text(encoding="utf-8") if path.is_file() else f"title: {json.dumps(course.root.name)}\n"
    for sheet in sheets:
        text = with_points(path, text, sheet)
    return text


def _write_checks(course: Course, sheet: Sheet) -> None:
    """Everything but the points."""
    exercise = Exercise(course, sheet.module, sheet.name)
    hidden, public = (checks_of(sheet, public=public)[0] for public in (False, True))
    texts = {exercise.solution: solution_text(sheet), exercise.grader: file_of(sheet, hidden, public=False)}
    if public:
        texts[exercise.public_tests] = file_of(sheet, public, public=True)
    elif exercise.public_tests.is_file() and MADE in exercise.public_tests.read_text(encoding="utf-8")[:1000]:
        exercise.public_tests.unlink()
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    exercise.stub.parent.mkdir(parents=True, exist_ok=True)
    exercise.stub.write_text(stub_text(exercise.solution), encoding="utf-8")


def solution_text(sheet: Sheet) -> str:
    """The notebook as a program of cells, with a place for each cell of tests."""
    names = "".join(f"    {json.dumps(name)},\n" for name in sheet.tasks)
    parts = [
        f'{CELL_BY_CELL}\n"""{sheet.name}, adopted from {sheet.path.name} {MADE}: each cell ends by itself if it raises."""\n\n'
        f"__tasks__ = [\n{names}]\n"
    ]
    places: set[str] = set()
    for part in sheet.parts:
        if isinstance(part, Code):
            parts.append(f"# %% {part.name}".rstrip() + f"\n{part.source}")
        elif part.place and part.place not in places:
            places.add(part.place)
            parts.append(f"# %% check {part.place}\n")
    return "\n".join(parts)
