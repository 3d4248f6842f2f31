"""The grades as a CSV file: what counts at this moment, for those and that which the page's filters leave."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import datetime

from autograder.gradebook.report import no_formula
from autograder.web.desk import Work
from autograder.web.views import Filter, learners

FACTS = ("learner", "full_name", "email")
SUMS = ("total", "possible", "late", "missing", "by_hand")


def grades_csv(work: Work, asked: Filter, at: datetime) -> str:
    """A row for each learner, a column for each exercise or (`by=task`) task. No cell is one that a spreadsheet runs."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    for row in _rows(work, asked, at):
        writer.writerow([no_formula(cell) if isinstance(cell, str) else cell for cell in row])
    return text.getvalue()


def _rows(work: Work, asked: Filter, at: datetime) -> Iterator[Sequence[object]]:
    exercises, by_task = asked.exercises(work), asked.by == "task"
    names = (
        [f"{e.id}/{task}" for e in exercises for task in work.book.points(e)] if by_task else [e.id for e in exercises]
    )
    yield [*FACTS, *names, *SUMS]
    for row in learners(work, asked, at)["rows"]:
        name, person, total = row["name"], row["person"], row["sum"]
        scores = [work.book.standings[name, exercise.id].score for exercise in exercises]
        points = (
            [task.earned for score in scores for task in score.tasks] if by_task else [score.earned for score in scores]
        )
        numbers = [round(number, 4) for number in (*points, total.earned, total.possible)]
        yield [name, person.full_name, person.email, *numbers, total.late, total.missing, total.by_hand]
