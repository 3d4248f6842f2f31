"""`autograder gradebook`: everybody's attempts, deadlines, late work, and points given by hand."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autograder.catalog import Course, CourseError, Exercise, near

if TYPE_CHECKING:
    from autograder.gradebook.store import Gradebook
    from autograder.policy import Policy

app = typer.Typer(no_args_is_help=True, help="Keep everybody's attempts, late work and points given by hand.")
DEFAULT = "gradebook.sqlite"
Reason = Annotated[str, typer.Option(help="Why; the learner reads it, and it is kept.")]


@dataclass
class Where:
    """What the options before the command say."""

    course: Path | None
    database: str
    name: str
    author: str


@app.callback()
def where(
    context: typer.Context,
    db: Annotated[
        str,
        typer.Option(
            metavar="FILE|URL",
            envvar="AUTOGRADER_GRADEBOOK",
            help="An SQLite file, or the URL of another database as SQLAlchemy writes it.",
        ),
    ] = DEFAULT,
    name: Annotated[str, typer.Option("--class", help="Which of several classes in one database.")] = "main",
    author: Annotated[str, typer.Option(help="Who is noted for a change; by default you.", show_default=False)] = "",
) -> None:
    """Keep everybody's attempts, late work and points given by hand.

    What the work counts follows from the attempts and from grading.yml (points, due, late, attempts) as it is now; points given by
    hand stay as they are whatever is graded again.

    Example: autograder gradebook import results/ && autograder gradebook show
    """
    context.obj = Where(context.obj, db, name, author)


@contextmanager
def opened(context: typer.Context, must_exist: bool = True) -> Iterator[tuple[Policy, Gradebook]]:
    from autograder.policy import Policy

    where: Where = context.obj
    policy = Policy.load(Course.find(where.course))
    with open_gradebook(where.database, where.name, where.author, must_exist) as gradebook:
        yield policy, gradebook


def open_gradebook(database: str, name: str = "main", author: str = "", must_exist: bool = True) -> Gradebook:
    try:
        from autograder.gradebook.store import Gradebook
    except ImportError as error:
        raise CourseError(f"the gradebook needs {error.name}; run: pip install 'autograder[gradebook]'") from None
    if must_exist and "://" not in database and not Path(database).is_file():
        raise CourseError(f"there is no gradebook {database}; `autograder gradebook import RESULTS` makes one")
    return Gradebook(database, name, author)


@app.command("import")
def import_results(
    context: typer.Context,
    results: Annotated[Path, typer.Argument(help="The folder of `autograder grade --out`.")],
    times: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV", help="When learners handed in: columns learner and time; else the time of the files."
        ),
    ] = None,
) -> None:
    """Take in the results of a run: every changed piece of work is a new attempt. Doing it twice changes nothing.

    Example: autograder gradebook import results/ --times times.csv
    """
    from autograder.gradebook.report import read_results

    with opened(context, must_exist=False) as (policy, gradebook):
        graded = read_results(policy, results)
        counts = gradebook.add_results(graded, _times(times, policy) if times else None)
    print(", ".join(f"{count} {what}" for what, count in counts.items() if count) or "nothing to take in")
    if counts["open"]:
        print("what is still to be graded was left out: grade it and import again", file=sys.stderr)


@app.command()
def add_learner(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="As their submissions are named.")] = None,
    full_name: Annotated[str, typer.Option(help="As other people call them.")] = "",
    email: Annotated[str, typer.Option()] = "",
    roster: Annotated[
        Path | None, typer.Option("--from", metavar="CSV", help="Many at once: columns learner, full_name, email.")
    ] = None,
) -> None:
    """Add somebody who has handed nothing in yet, or say more about somebody.

    Example: autograder gradebook add-learner ann --full-name "Ann Li" --email ann@example.edu
    """
    if (name is None) == (roster is None):
        raise CourseError("give the name of a learner, or a roster with --from")
    rows = _rows(roster, {"learner"}) if roster else [{"learner": name, "full_name": full_name, "email": email}]
    with opened(context, must_exist=False) as (_, gradebook):
        for row in rows:
            gradebook.add_learner(row["learner"], row.get("full_name") or "", row.get("email") or "")
    print(f"{len(rows)} learner{'s' if len(rows) != 1 else ''} in the gradebook")


@app.command()
def extend(
    context: typer.Context,
    learner: Annotated[str, typer.Argument()],
    target: Annotated[str, typer.Argument(help="A module or an exercise; everything by default.")] = "",
    until: Annotated[str, typer.Option(metavar="TIME", help="2026-03-05 18:00, on the course's clock, or a day.")] = "",
    days: Annotated[float, typer.Option(min=0, help="So much after the due time.")] = 0,
    reason: Reason = "",
) -> None:
    """Give a learner more time. The latest of all extensions counts; none makes a due time earlier.

    Example: autograder gradebook extend ann m01_pytorch_basics --days 3 --reason "was ill"
    """
    with opened(context) as (policy, gradebook):
        gradebook.learner(learner)
        exercises, target = _targets(policy, target)
        moments = {target: _moment(until, policy)} if until else _later(policy, exercises, target, days)
        for each, moment in moments.items():
            gradebook.extend(learner, each, moment, reason)
            print(f"{learner}: {each or 'everything'} until {moment.astimezone(policy.zone):%Y-%m-%d %H:%M %Z}")


@app.command()
def override(
    context: typer.Context,
    learner: Annotated[str, typer.Argument()],
    target: Annotated[str, typer.Argument(metavar="EXERCISE[/TASK]", help="losses, or losses/mse.")],
    points: Annotated[str, typer.Argument(help="What it counts from now on; `none` takes that back.")],
    reason: Reason = "",
) -> None:
    """Set the points of an exercise, or of one task, by hand. No re-grade and no late rule changes them.

    Example: autograder gradebook override ann losses/mse 4 --reason "right, but in float32"
    """
    with opened(context) as (policy, gradebook):
        exercise, task = _exercise_and_task(policy, target)
        gradebook.override(learner, exercise.id, task, _points(points), reason)
        from autograder.gradebook.book import Book

        book = Book(policy, gradebook)
        score = book.score(learner, exercise)
        print(f"{learner}: {exercise.id} counts {score.earned:g} of {score.possible:g}")


@app.command()
def show(
    context: typer.Context,
    learner: Annotated[str | None, typer.Argument(help="This one's attempts, with what each counts.")] = None,
    audit: Annotated[bool, typer.Option("--audit", help="Who changed what, and when.")] = False,
) -> None:
    """Show what everybody's work counts, or one learner's attempts.

    Example: autograder gradebook show ann
    """
    from rich.console import Console

    from autograder.commands import gradebook_tables as tables
    from autograder.gradebook.book import Book

    with opened(context) as (policy, gradebook):
        console = Console()
        if not console.is_terminal:
            console.width = max(console.width, tables.PIPED_WIDTH)
        if audit:
            console.print(tables.of_audit(gradebook.audit(), policy.zone))
            return
        book = Book(policy, gradebook)
        if learner is None:
            console.print(tables.of_class(book))
        else:
            gradebook.learner(learner)
            console.print(tables.of_learner(book, learner))


@app.command()
def report(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(help="The folder to write into.")],
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", metavar="html|md|pdf", help="Of the feedback; may be given several times."),
    ] = None,
) -> None:
    """Write grades.csv and everybody's feedback page as the gradebook has them: late work, attempts and points by hand included.

    A PDF needs Chromium, Chrome, wkhtmltopdf or WeasyPrint.

    Example: autograder gradebook report published/ --format html --format md
    """
    if unknown := sorted({*(formats or ())} - {"html", "md", "pdf"}):
        raise CourseError(f"--format {unknown[0]}: should be html, md or pdf")
    from autograder.gradebook.book import Book
    from autograder.gradebook.report import write_reports

    with opened(context) as (policy, gradebook):
        book = Book(policy, gradebook)
        try:
            write_reports(book, out, formats or ("html",))
        except OSError as error:
            raise CourseError(f"{error.filename or out} cannot be written: {error.strerror}") from None
        print(f"grades    {out / 'grades.csv'}\nfeedback  {len(book.submissions)} pages in {out / 'feedback'}")


def _rows(path: Path, needed: set[str]) -> list[dict[str, str]]:
    """The rows of a CSV file with a header.

    Raises:
        CourseError: it cannot be read, or lacks a column or a value that is needed.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows = [{key.strip().lower(): (value or "").strip() for key, value in row.items() if key} for row in reader]
            header = {name.strip().lower() for name in reader.fieldnames or ()}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CourseError(f"{path} cannot be read: {error}") from None
    if missing := sorted(needed - header):
        raise CourseError(f"{path}: its first line has no column {' and no column '.join(missing)}")
    for number, row in enumerate(rows, 2):
        if empty := [name for name in sorted(needed) if not row.get(name)]:
            raise CourseError(f"{path}:{number}: {empty[0]} is empty")
    return rows


def _times(path: Path, policy: Policy) -> dict[str, datetime]:
    times = {}
    for number, row in enumerate(_rows(path, {"learner", "time"}), 2):
        try:
            times[row["learner"]] = _moment(row["time"], policy)
        except CourseError as error:
            raise CourseError(f"{path}:{number}: {error}") from None
    return times


def _moment(text: str, policy: Policy) -> datetime:
    from autograder.deadlines import instant, parse_time

    try:
        return instant(parse_time(text), policy.zone)
    except ValueError as error:
        raise CourseError(f"{text!r} {error}") from None


def _targets(policy: Policy, target: str) -> tuple[list[Exercise], str]:
    """The exercises that a target names, and its full name."""
    of_module = [exercise for exercise in policy.exercises() if exercise.module == target]
    if of_module or not target:
        return of_module or policy.exercises(), target
    exercise = policy.course.exercise(target)
    return [exercise], exercise.id


def _later(policy: Policy, exercises: list[Exercise], target: str, days: float) -> dict[str, datetime]:
    """So many days, of the course's clock, after the due times; those of all that is due at one time together."""
    from autograder.deadlines import instant

    if not days:
        raise CourseError("give --until TIME or --days N")
    due = {exercise.id: when for exercise in exercises if (when := policy.due(exercise))}
    if not due:
        raise CourseError(
            f"{target or 'no exercise'} has {'no' if target else 'a'} due time in grading.yml; give --until"
        )
    later = {
        name: instant(when.astimezone(policy.zone).replace(tzinfo=None) + timedelta(days=days), policy.zone)
        for name, when in due.items()
    }
    return {target: later.popitem()[1]} if len(set(later.values())) == 1 and len(due) == len(exercises) else later


def _exercise_and_task(policy: Policy, target: str) -> tuple[Exercise, str]:
    """`losses`, `m00_foundations/losses`, `losses/mse`, `m00_foundations/losses/mse`, or `mse` where one exercise has it."""
    names = {name for exercise in policy.exercises() for name in (exercise.id, exercise.name)}
    if target in names:
        return policy.course.exercise(target), ""
    owner, _, task = target.rpartition("/")
    if owner:
        exercise = policy.course.exercise(owner)
        if task in exercise.tasks:
            return exercise, task
        raise CourseError(f"{exercise.id} has no task {task!r}{near(task, exercise.tasks)}")
    having = [exercise for exercise in policy.exercises() if task in exercise.tasks]
    if len(having) == 1:
        return having[0], task
    if having:
        raise CourseError(f"{task!r} is a task of {', '.join(exercise.id for exercise in having)}; say which")
    raise CourseError(
        f"there is no exercise or task {target!r}{near(target, {*names, *(t for e in policy.exercises() for t in e.tasks)})}"
    )


def _points(text: str) -> float | None:
    if text.lower() == "none":
        return None
    try:
        points = float(text)
    except ValueError:
        points = float("nan")
    if not 0 <= points < 1e9:
        raise CourseError(f"{text!r} are no points; give a number, or `none` to take back what was given")
    return points
