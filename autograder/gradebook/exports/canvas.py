"""A gradebook for Canvas to import: a column for each module, or with a title one for all, of the students in the file that Canvas
exported (--template), or of all learners.

Canvas finds students by ID, SIS User ID, SIS Login ID, then name. Only columns of ours are in the file: Canvas takes a blank
cell for a change, so what is not to be touched must not be there, and a learner whose work is still to be graded has no row.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

from autograder.catalog import CourseError, Exercise
from autograder.gradebook.exports import Options
from autograder.gradebook.exports.files import write_csv
from autograder.grading.graded import Graded

INFO = ("Student", "ID", "SIS User ID", "SIS Login ID", "Integration ID", "Root Account", "Section")
MATCHED_BY = ("ID", "SIS User ID", "SIS Login ID", "Student")
POINTS_POSSIBLE = "    Points Possible"


def export(graded: Graded, out: Path, options: Options) -> list[Path]:
    header, people = (
        _template(options.template) if options.template else (["Student", "ID", "SIS Login ID", "Section"], None)
    )
    info = [name for name in header if name in INFO]
    parts = _parts(graded, options.title)
    titles = [_column(header, title) for title in parts]
    possible = [_points(graded, graded.submissions[0].learner, exercises)[1] for exercises in parts.values()]
    rows = [[*info, *titles], [POINTS_POSSIBLE, *[""] * (len(info) - 1), *map(_two, possible)]]
    for submission in graded.submissions:
        if graded.is_open(submission.learner):
            continue
        person = _person(submission.learner, info, people)
        if person is not None:
            earned = [_points(graded, submission.learner, exercises)[0] for exercises in parts.values()]
            rows.append([*person, *map(_two, earned)])
    return [write_csv(out / "canvas.csv", rows)]


def _template(path: Path) -> tuple[list[str], dict[str, list[str]]]:
    """The header of a Canvas gradebook, and the information about each student, by each of the names that identify one."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise CourseError(f"{path} cannot be read: {error}") from None
    separator = ";" if text.partition("\n")[0].count(";") > text.partition("\n")[0].count(",") else ","
    header, *rows = list(csv.reader(text.splitlines(), delimiter=separator)) or [[]]
    if "Student" not in header or "ID" not in header:
        raise CourseError(f"{path} is no gradebook that Canvas exported: its first line has no Student and ID")
    people: dict[str, list[str]] = {}
    columns = [place for place, name in enumerate(header) if name in INFO]
    for name in reversed(MATCHED_BY):  # so that an ID counts for more than a name
        for row in rows:
            about = name in header and len(row) == len(header) and not row[0].strip().startswith("Points Possible")
            if about and (identity := row[header.index(name)].strip()):
                people[identity] = [row[place] for place in columns]
    return header, people


def _person(learner: str, info: list[str], people: dict[str, list[str]] | None) -> list[str] | None:
    if people is not None:
        return people.get(learner) or people.get(learner.partition("@")[0])
    return [{"Student": learner, "SIS Login ID": learner}.get(name, "") for name in info]


def _parts(graded: Graded, title: str) -> dict[str, list[Exercise]]:
    """The columns, each with the exercises whose points it adds up."""
    if title:
        return {title: list(graded.exercises)}
    parts: dict[str, list[Exercise]] = {}
    for exercise in graded.exercises:
        parts.setdefault(exercise.module, []).append(exercise)
    return parts


def _column(header: list[str], title: str) -> str:
    """`m00_foundations (1234)`, as Canvas calls it, where the template has such a column."""
    known = [name for name in header if re.fullmatch(rf"{re.escape(title)}( \(\d+\))?", name)]
    return known[0] if known else title


def _points(graded: Graded, learner: str, exercises: list[Exercise]) -> tuple[float, float]:
    scores = [graded.score(learner, exercise) for exercise in exercises]
    return sum(score.earned for score in scores), sum(score.possible for score in scores)


def _two(points: float) -> str:
    return f"{points:.2f}"
