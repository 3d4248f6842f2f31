"""What the terminal says of checks: letters and words while they run, and at the end where the learner stands.

Registered by `plugin` when the first check file is collected.
"""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path
from typing import Any

import pytest

from autograder.testing.card import WIDTH, shown_path
from autograder.testing.running import RUN, Run
from autograder.testing.tasks import Check
from autograder.testing.verdict import NOT_REACHED, NOT_RUN, NOT_STARTED, PASSED, SYSTEM, Verdict


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: Any) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    verdict = getattr(report, "verdict", None)
    if verdict is None or hasattr(report, "wasxfail"):
        return None
    if verdict.status == NOT_STARTED:
        return "not started", "n", ("NOT STARTED", {"yellow": True})
    if verdict.status == NOT_REACHED:
        return "not reached", "-", ("NOT REACHED", {"light": True})
    if verdict.status == NOT_RUN:
        return "not run", "s", ("NOT RUN", {"light": True})
    if report.failed and report.when == "setup" and verdict.card:
        return "failed", "F", ("FAILED", {"red": True})
    return None


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    run = config.stash[RUN]
    exercises: dict[tuple[str, bool], list[tuple[Check, Verdict]]] = {}
    for check, verdict in run.checks:
        exercises.setdefault((check.exercise.id, check.hidden), []).append((check, verdict))
    if not exercises:
        return
    terminalreporter.write_sep("=", "exercises")
    for (name, hidden), judged in exercises.items():
        verdicts = [verdict for _, verdict in judged]
        standing = "cannot be loaded" if (name, hidden) in run.unloaded else _standing(verdicts)
        markup = {"green": True} if all(verdict.status == PASSED for verdict in verdicts) else {}
        line = f"{name}{' (hidden checks)' if hidden else ''}: {standing}"
        for part in textwrap.wrap(line, WIDTH, subsequent_indent="  ", break_on_hyphens=False):
            terminalreporter.write_line(part, **markup)
    terminalreporter.write_line(_next_step(run), bold=True)


def _standing(verdicts: list[Verdict]) -> str:
    """`sigmoid 3/3, softmax 2/4; 6 not started`: for each task begun how many of its checks pass."""
    tasks: dict[str, list[str]] = {}
    for verdict in verdicts:
        tasks.setdefault(verdict.task, []).append(verdict.status)
    begun = {task: statuses for task, statuses in tasks.items() if NOT_STARTED not in statuses}
    counts = ", ".join(f"{task} {statuses.count(PASSED)}/{len(statuses)}" for task, statuses in begun.items())
    left = f"{len(tasks) - len(begun)} not started" if len(begun) < len(tasks) else ""
    return "; ".join(filter(None, (counts, left)))


def _next_step(run: Run) -> str:
    unfinished = next((check for check, verdict in run.checks if verdict.status not in (PASSED, SYSTEM, NOT_RUN)), None)
    if unfinished is None:
        not_run = sum(verdict.status in (SYSTEM, NOT_RUN) for _, verdict in run.checks)
        return (
            f"all of these checks pass, but for {not_run} that did not run" if not_run else "all of these checks pass"
        )
    place = place_of(run.provider.file(unfinished), unfinished.task)
    if (unfinished.exercise.id, unfinished.hidden) in run.unloaded:
        return f"next: {unfinished.exercise.name}.py has to load{f', {place}' if place else ''}"
    return f"next: {unfinished.task}{f', {place}' if place else ''}"


def place_of(path: Path | None, task: str) -> str:
    """`exercises/m00_foundations/activations.py:31`, the line of the task's definition where it can be found."""
    if path is None:
        return ""
    try:
        body = ast.parse(path.read_bytes()).body
    except SyntaxError as error:
        return f"{shown_path(str(path))}:{error.lineno or 1}"
    except (OSError, ValueError):
        return shown_path(str(path))
    lines = [node.lineno for node in body if getattr(node, "name", None) == task]
    return f"{shown_path(str(path))}:{lines[0]}" if lines else shown_path(str(path))
