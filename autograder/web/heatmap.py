"""The heatmap: a row for each learner, a column for each task (or exercise), coloured by the share of its points that was earned.

A large class has tens of thousands of cells, so their markup is put together here, of numbers and our own letters only, and a
template adds the names.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from markupsafe import Markup

from autograder.catalog import Exercise
from autograder.gradebook.book import Standing
from autograder.web.desk import Work
from autograder.web.views import Filter, summary

LEVELS = 10


@dataclass(frozen=True)
class Column:
    exercise: Exercise
    task: str  # empty for the whole exercise


def heatmap(work: Work, asked: Filter, at: datetime) -> dict[str, Any]:
    exercises = asked.exercises(work)
    columns = [Column(exercise, task) for exercise in exercises for task in _parts(work, exercise, asked.by)]
    rows, sums = [], [0.0] * len(columns)
    for name in asked.learners(work):
        shares: list[float | None] = []
        cells: list[str] = []
        for exercise in exercises:
            standing = work.book.standings[name, exercise.id]
            earned = _shares(standing, asked.by)
            shares += earned
            cells += map(_cell, earned, _marks(standing, [task.task for task in standing.score.tasks], asked.by, at))
        sums = [total + (share or 0.0) for total, share in zip(sums, shares, strict=True)]
        whole = summary((work.book.standings[name, exercise.id] for exercise in exercises), at)
        rows.append(
            {"name": name, "full_name": work.book.people[name].full_name, "sum": whole, "cells": Markup("".join(cells))}
        )
    if asked.sort == "total":
        rows.sort(key=lambda row: row["sum"].share)
    return {
        "rows": rows,
        "columns": columns,
        "exercises": [(exercise, len(_parts(work, exercise, asked.by))) for exercise in exercises],
        "means": Markup("".join(_cell(total / len(rows), "") for total in sums)) if rows else "",
        "mean": sum(row["sum"].share for row in rows) / len(rows) if rows else 0.0,
    }


def _parts(work: Work, exercise: Exercise, by: str) -> list[str]:
    return [""] if by == "exercise" else list(work.book.points(exercise))


def _shares(standing: Standing, by: str) -> list[float | None]:
    """What was earned of each column of an exercise, from 0 to 1; None where there is nothing to judge."""
    tasks, score = standing.score.tasks, standing.score
    if standing.deciding is None and not standing.overrides:
        return [None] * (1 if by == "exercise" else len(tasks))
    if by == "exercise" or score.by_hand is not None:
        share = score.earned / score.possible if score.possible else 0.0
        return [share] * (1 if by == "exercise" else len(tasks))
    return [task.earned / task.possible if task.possible else 0.0 for task in tasks]


def _marks(standing: Standing, tasks: list[str], by: str, at: datetime) -> list[str]:
    whole = "L" if standing.deciding and standing.deciding.late else "M" if standing.is_missing(at) else ""
    if by == "exercise":
        return [whole + ("H" if standing.overrides else "")]
    return [whole + ("H" if task in standing.overrides or "" in standing.overrides else "") for task in tasks]


def _cell(share: float | None, marks: str) -> str:
    if share is None:
        return "<td class=m>M</td>" if marks else "<td>–</td>"
    percent = max(0, min(100, int(100 * share + 1e-9)))
    letters = f"<i>{marks.replace('M', '')}</i>" if marks.replace("M", "") else ""
    return f"<td class=s{percent * LEVELS // 100}>{percent}{letters}</td>"
