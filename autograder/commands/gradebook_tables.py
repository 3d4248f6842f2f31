"""The tables of `autograder gradebook show`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from rich.table import Table
from rich.text import Text

from autograder.commands.grade import PIPED_WIDTH, printable
from autograder.gradebook.book import Book, Standing
from autograder.gradebook.store import now
from autograder.gradebook.tables import Audit

__all__ = ["PIPED_WIDTH", "of_audit", "of_class", "of_learner"]


def of_class(book: Book) -> Table:
    """A row for each learner: the points that count; ⏲ late, ✎ by hand, – nothing handed in."""
    table = _table("learner")
    for exercise in book.exercises:
        table.add_column(exercise.name.replace("_", "\n"), justify="right", no_wrap=True)
    table.add_column("total", justify="right", no_wrap=True)
    at = now()
    for submission in book.submissions:
        cells = [_cell(book.standings[submission.learner, exercise.id], at) for exercise in book.exercises]
        earned, _ = book.total(submission.learner)
        table.add_row(Text(printable(submission.learner)), *cells, Text(f"{earned:.1f}", style="bold"))
    possible = [sum(book.points(exercise).values()) for exercise in book.exercises]
    table.add_section()
    table.add_row(Text("of", style="dim"), *(Text(f"{each:g}", style="dim") for each in (*possible, sum(possible))))
    table.caption = "L late   M missing and overdue   H by hand"
    table.caption_style = "dim"
    return table


def _cell(standing: Standing, at: datetime) -> Text:
    if standing.deciding is None and not standing.overrides:
        return Text("M", style="red") if standing.is_missing(at) else Text("–", style="dim")
    score = standing.score
    colour = "green" if score.earned >= score.possible else "red" if score.earned == 0 else "yellow"
    marks = ("L" if standing.deciding and standing.deciding.late else "") + ("H" if standing.overrides else "")
    return Text(f"{marks} {score.earned:.1f}".strip(), style=colour)


def of_learner(book: Book, learner: str) -> Table:
    """A row for each attempt, newest last, the deciding one marked."""
    table = _table("exercise", "handed in", "due", "checks", "points", "kept", "counts", "")
    zone = book.policy.zone
    for exercise in book.exercises:
        standing = book.standings[learner, exercise.id]
        due = _clock(standing.due, zone) if standing.due else ""
        if not standing.attempts:
            table.add_row(
                exercise.id, "–", due, *[""] * 3, f"{standing.score.earned:.2f}" if standing.overrides else "", ""
            )
        for attempt in standing.attempts:
            decides = attempt is standing.deciding
            tasks = attempt.score.tasks
            table.add_row(
                exercise.id,
                _clock(attempt.attempt.submitted_at, zone),
                due,
                f"{sum(task.passed for task in tasks)}/{sum(task.checks for task in tasks)}",
                f"{attempt.score.earned:.2f}",
                f"{attempt.kept:.0%}" if attempt.late else "",
                f"{standing.score.earned:.2f} of {standing.score.possible:g}" if decides else "",
                "by hand" if decides and standing.overrides else "late" if attempt.late else "",
                style="" if decides else "dim",
            )
    earned, possible = book.total(learner)
    table.caption = f"{printable(learner)}: {earned:.2f} of {possible:g}"
    return table


def of_audit(rows: Sequence[Audit], zone: ZoneInfo) -> Table:
    table = _table("when", "who", "what", "details")
    for row in rows:
        details = ", ".join(f"{key} {value}" for key, value in row.details.items() if value not in ("", None))
        table.add_row(_clock(row.at, zone), printable(row.author), row.action, Text(printable(details)))
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, no_wrap=column != "details")
    return table


def _clock(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"
