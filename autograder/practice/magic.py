"""`%autograder check softmax` in a notebook: `%load_ext autograder.practice.magic` first.

The checks run on the file in `exercises/`, not on what is in the notebook.
"""

from __future__ import annotations

import html
import shlex
from typing import Any

from autograder.catalog import Course, CourseError
from autograder.practice.checker import Checker, Verdict
from autograder.practice.hints import next_hint
from autograder.practice.show import MARKS

USAGE = "%autograder check TARGET or %autograder hint TASK"
COLOURS = {"green": "#17703c", "red": "#a8321f"}

_checkers: dict[tuple[str, ...], Checker] = {}  # kept for the next cell: what takes long is loading the libraries


class View:
    """What a cell shows: HTML where that can be shown, else text."""

    def __init__(self, text: str, markup: str):
        self.text, self.markup = text, markup

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.markup


def load_ipython_extension(ipython: Any) -> None:
    ipython.register_magic_function(autograder, "line", "autograder")


def autograder(line: str) -> View:
    """Check an exercise or a task, or show a hint: `%autograder check softmax`, `%autograder hint softmax`."""
    from autograder.commands.practice import chosen, one_task

    try:
        course = Course.find()
        match shlex.split(line):
            case ["check", target]:
                exercises, task = chosen(course, target)
                return joined([verdict_view(_check(course, exercise), task) for exercise in exercises])
            case ["hint", target]:
                exercise, task = one_task(course, target)
                hint = next_hint(course, exercise, task)
                return plain(f"hint {hint.number} of {hint.rungs} for {task}: {hint.text}")
    except CourseError as error:
        return plain(f"error: {error}")
    return plain(f"usage: {USAGE}")


def _check(course: Course, exercise: Any) -> Verdict:
    if exercise.packages not in _checkers:
        alike = [other for other in course.exercises if other.packages == exercise.packages]
        _checkers[exercise.packages] = Checker(course, alike)
    return _checkers[exercise.packages].check(exercise)


def verdict_view(verdict: Verdict, task: str | None) -> View:
    states = {name: state for name, state in verdict.states.items() if task in (None, name)}
    lines = [f"{MARKS[state][0]} {name} {MARKS[state][2]}".rstrip() for name, state in states.items()]
    rows = [
        f'<span style="color:{COLOURS.get(MARKS[state][1], "inherit")}">{html.escape(line)}</span>'
        for line, state in zip(lines, states.values(), strict=True)
    ]
    failure = verdict.failure(task)
    card = (failure.card or failure.message or failure.sentence) if failure else ""
    problems = "\n".join(verdict.problems)
    text = "\n".join(filter(None, [verdict.exercise.id, *lines, problems, card]))
    boxes = "".join(
        f'<pre style="border-left:3px solid #a8321f;padding:.2em .8em;margin:.5em 0">{html.escape(words)}</pre>'
        for words in (problems, card)
        if words
    )
    return View(text, f"<div><b>{html.escape(verdict.exercise.id)}</b><br>{'<br>'.join(rows)}{boxes}</div>")


def plain(text: str) -> View:
    return View(text, f"<p>{html.escape(text)}</p>")


def joined(views: list[View]) -> View:
    return View("\n\n".join(view.text for view in views), "".join(view.markup for view in views))
