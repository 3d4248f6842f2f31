"""What the pages of the class show, as plain data for their templates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from autograder.catalog import Exercise
from autograder.gradebook.book import Standing
from autograder.web.counts import CheckCount
from autograder.web.desk import Work

BINS = 10  # of the distribution
BAR, GAP, HEIGHT = 44, 6, 150
LATEST = 5  # changes that the overview shows
SORTS: dict[str, Callable[[CheckCount], Any]] = {
    "rate": lambda row: (-row.rate, -row.failed),
    "failed": lambda row: -row.failed,
    "not_started": lambda row: -row.counts["not_started"],
    "not_reached": lambda row: -row.counts["not_reached"],
    "carried": lambda row: -row.carried,
    "course": lambda row: 0,
}
SHOWN = {"": "everybody", "late": "with late work", "missing": "with missing work", "by_hand": "with points by hand"}


@dataclass(frozen=True)
class Filter:
    """What the query of a page asks for; what makes no sense asks for nothing."""

    module: str = ""
    learner: str = ""
    text: str = ""
    show: str = ""
    sort: str = ""
    by: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Filter:
        return cls(**{name: query.get(name, "").strip() for name in cls.__dataclass_fields__})

    def exercises(self, work: Work) -> list[Exercise]:
        return [exercise for exercise in work.book.exercises if self.module in ("", exercise.module)]

    def learners(self, work: Work) -> list[str]:
        text = self.learner.casefold()
        return [
            name
            for name, person in work.book.people.items()
            if text in f"{name} {person.full_name} {person.email}".casefold()
        ]


@dataclass
class Summary:
    """Somebody's work on some exercises, or a class's on one."""

    earned: float = 0.0
    possible: float = 0.0
    handed_in: int = 0
    late: int = 0
    missing: int = 0
    open: int = 0
    by_hand: int = 0

    @property
    def share(self) -> float:
        return self.earned / self.possible if self.possible else 0.0


def summary(standings: Iterable[Standing], at: datetime) -> Summary:
    """Late and handed in is what decides; open is what is neither handed in nor overdue."""
    found = Summary()
    for standing in standings:
        found.earned += standing.score.earned
        found.possible += standing.score.possible
        is_missing = standing.is_missing(at)
        found.handed_in += standing.deciding is not None
        found.late += standing.deciding is not None and standing.deciding.late
        found.missing += is_missing
        found.open += standing.deciding is None and not is_missing
        found.by_hand += bool(standing.overrides)
    return found


def overview(work: Work, at: datetime) -> dict[str, Any]:
    book = work.book
    everything = summary(book.standings.values(), at)
    shares = [earned / possible for earned, possible in map(book.total, book.people) if possible]
    modules = []
    for name in dict.fromkeys(exercise.module for exercise in book.exercises):
        exercises = [exercise for exercise in book.exercises if exercise.module == name]
        ours = summary((book.standings[person, e.id] for person in book.people for e in exercises), at)
        dues = sorted({due for exercise in exercises if (due := book.policy.due(exercise))})
        modules.append({"name": name, "exercises": len(exercises), "sum": ours, "due": dues})
    return {
        "learners": len(book.people),
        "everything": everything,
        "tasks": sum(len(book.points(exercise)) for exercise in book.exercises),
        "possible": sum(sum(book.points(exercise).values()) for exercise in book.exercises),
        "mean": sum(shares) / len(shares) if shares else None,
        "median": sorted(shares)[len(shares) // 2] if shares else None,
        "histogram": histogram(shares),
        "modules": modules,
        "changes": list(work.gradebook.audit()[-LATEST:][::-1]),
    }


def histogram(shares: Iterable[float]) -> dict[str, Any]:
    """The bars of a distribution of shares; what is above 1, thanks to points by hand, is in the last."""
    counts = [0] * BINS
    for share in shares:
        counts[max(0, min(BINS - 1, int(share * BINS + 1e-9)))] += 1
    most = max(counts) or 1
    bars = [
        {
            "label": f"{100 * i // BINS}–{100 * (i + 1) // BINS}",
            "count": count,
            "x": i * (BAR + GAP),
            "height": round(HEIGHT * count / most, 1),
        }
        for i, count in enumerate(counts)
    ]
    return {"bars": bars, "bar": BAR, "height": HEIGHT, "width": BINS * (BAR + GAP) - GAP}


def learners(work: Work, asked: Filter, at: datetime) -> dict[str, Any]:
    """Everybody with what is late and missing."""
    exercises, rows = asked.exercises(work), []
    for name in asked.learners(work):
        standings = {exercise.id: work.book.standings[name, exercise.id] for exercise in exercises}
        row = {"name": name, "person": work.book.people[name], "sum": summary(standings.values(), at)}
        row["late"] = [id for id, each in standings.items() if each.deciding and each.deciding.late]
        row["missing"] = [id for id, each in standings.items() if each.is_missing(at)]
        row["by_hand"] = [id for id, each in standings.items() if each.overrides]
        if not asked.show or row.get(asked.show):
            rows.append(row)
    orders = {
        "share": lambda row: row["sum"].share,
        "late": lambda row: -len(row["late"]),
        "missing": lambda row: -len(row["missing"]),
        "handed_in": lambda row: row["sum"].handed_in,
    }
    if asked.sort in orders:
        rows.sort(key=orders[asked.sort])
    return {"rows": rows, "exercises": exercises, "shown": SHOWN}


def checks(work: Work, asked: Filter) -> dict[str, Any]:
    rows = [row for exercise in asked.exercises(work) for row in work.counts.of(work, exercise).checks]
    text, sort = asked.text.casefold(), asked.sort if asked.sort in SORTS else "rate"
    rows = [row for row in rows if text in f"{row.exercise} {row.task} {row.sentence} {row.check}".casefold()]
    return {"rows": sorted(rows, key=SORTS[sort]), "sort": sort}


def mistakes(work: Work, asked: Filter) -> dict[str, Any]:
    counts = [work.counts.of(work, exercise) for exercise in asked.exercises(work)]
    groups = sorted((row for each in counts for row in each.mistakes), key=lambda row: -len(row.learners))
    unexplained = sorted((row for each in counts for row in each.unexplained), key=lambda row: -len(row.learners))
    made = {learner for row in groups for learner in row.learners}
    return {"groups": groups, "unexplained": unexplained, "learners_with": len(made)}
