"""What the forms do. Everything is checked before the gradebook is touched, and noted there with author and reason."""

from __future__ import annotations

from collections.abc import Mapping

from autograder.catalog import CourseError, Exercise
from autograder.deadlines import instant, parse_time
from autograder.web.desk import Work

MAX_POINTS = 1e9
LONGEST_REASON = 2000


def override(work: Work, form: Mapping[str, str]) -> None:
    """Set the points of an exercise or a task, or take back what was set (`take_back`).

    Raises:
        CourseError: the form asks for what there is not.
    """
    name, exercise, task = (
        known_learner(work, form),
        known_exercise(work, form.get("exercise", "")),
        form.get("task", ""),
    )
    if task and task not in exercise.tasks:
        raise CourseError(f"{exercise.id} has no task {task!r}")
    points = None if form.get("take_back") else _points(form.get("points", ""))
    work.gradebook.override(name, exercise.id, task, points, _reason(form))


def extend(work: Work, form: Mapping[str, str]) -> None:
    """Give somebody until then for everything, a module or an exercise.

    Raises:
        CourseError: the form asks for what there is not.
    """
    name, target = known_learner(work, form), form.get("target", "")
    if target not in {"", *(e.module for e in work.book.exercises), *(e.id for e in work.book.exercises)}:
        raise CourseError(f"there is no module or exercise {target!r}")
    try:
        until = instant(parse_time(form.get("until", "")), work.book.policy.zone)
    except (ValueError, OverflowError) as error:
        raise CourseError(f"{form.get('until', '')!r} {error}") from None
    work.gradebook.extend(name, target, until, _reason(form))


def known_learner(work: Work, form: Mapping[str, str]) -> str:
    name = form.get("learner", "")
    if name not in work.book.people:
        raise CourseError(f"nobody in the gradebook is called {name!r}")
    return name


def known_exercise(work: Work, name: str) -> Exercise:
    for exercise in work.book.exercises:
        if exercise.id == name:
            return exercise
    raise CourseError(f"there is no exercise {name!r}")


def _points(text: str) -> float:
    try:
        points = float(text)
    except ValueError:
        points = float("nan")
    if not 0 <= points < MAX_POINTS:
        raise CourseError(f"{text!r} are no points; give a number")
    return points


def _reason(form: Mapping[str, str]) -> str:
    reason = form.get("reason", "").strip()
    if not reason:
        raise CourseError("say why: the learner reads the reason, and it is kept")
    return reason[:LONGEST_REASON]
