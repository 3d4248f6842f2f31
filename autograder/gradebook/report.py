"""Write a graded class as files: one JSON and one feedback page for each learner, and `grades.csv` for the instructor."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from autograder.catalog import CourseError, Exercise
from autograder.gradebook.next_steps import next_steps
from autograder.gradebook.pdf import make_pdf
from autograder.grading.graded import Graded, StoredResults
from autograder.grading.journal import JournalError, read_entries
from autograder.grading.results import VERSION, CheckResult, ExerciseResult, Status
from autograder.grading.submission import Submission
from autograder.policy import Policy
from autograder.practice.hints import ladder
from autograder.testing.failures import UNLOADED
from autograder.testing.words import plain

if TYPE_CHECKING:
    from autograder.gradebook.similarity import Alike

WORDS = {
    Status.PASSED: "passed",
    Status.WRONG: "wrong",
    Status.ERROR: "error",
    Status.NOT_STARTED: "not started",
    Status.NOT_REACHED: "not reached",
    Status.NOT_RUN: "not run",
    Status.TIMEOUT: "too slow",
    Status.SYSTEM: "to be graded again",
}
STANDING = {  # of a learner, by whether something is open and whether a fault of ours is why
    (False, False): "graded",
    (True, False): "to be graded",
    (True, True): "to be graded again",
}
CLASS = "class.json"
WITHHELD = {
    "after_due_date": "Results are shown after the due date.",
    "after_published": "Results are shown when they are published.",
    "hidden": "Results of this exercise are not shown.",
}


def write_reports(graded: Graded, out: Path, formats: Collection[str] = ("html",)) -> None:
    """Write `learners/*.json`, `feedback/*` and `grades.csv` below `out`. Each file is replaced whole or not at all.

    Args:
        formats: of the feedback: "html", "md" and "pdf".

    Raises:
        CourseError: there is nothing here that makes a PDF.
    """
    for submission in graded.submissions:
        name = file_name(submission.learner)
        feedback = learner_feedback(graded, submission)
        # Plain: what learners wrote may hold control sequences, and somebody will look at these files in a terminal.
        _write(out / "learners" / f"{name}.json", plain(json.dumps(feedback, indent=2, ensure_ascii=False)) + "\n")
        for kind in ("html", "md"):
            if kind in formats or (kind == "html" and "pdf" in formats):
                text = _template(f"feedback.{kind}.j2").render(feedback | {"words": WORDS})
                _write(out / "feedback" / f"{name}.{kind}", plain(text))
        if "pdf" in formats:
            make_pdf(out / "feedback" / f"{name}.html")
    _write(out / "grades.csv", grades_csv(graded))
    _write(out / CLASS, json.dumps(_class(graded), indent=2) + "\n")


def _class(graded: Graded) -> dict[str, Any]:
    """Who and what the last run was about, so that exports know it from the folder alone."""
    return {
        "version": VERSION,
        "learners": {submission.learner: submission.notes for submission in graded.submissions},
        "submitted": {s.learner: s.submitted for s in graded.submissions if s.submitted is not None},
        "exercises": [exercise.id for exercise in graded.exercises],
    }


def read_results(policy: Policy, out: Path) -> Graded:
    """The outcome of the last run, from its folder.

    Raises:
        CourseError: it is no results folder, or one of another course.
    """
    try:
        class_ = json.loads((out / CLASS).read_text(encoding="utf-8"))
        times = class_.get("submitted", {})
        submissions = [
            Submission(learner, notes=notes, submitted=times.get(learner))
            for learner, notes in class_["learners"].items()
        ]
        exercises = [policy.course.exercise(name) for name in class_["exercises"]]
        with (out / "journal.jsonl").open("rb") as file:
            entries, _ = read_entries(out / "journal.jsonl", file)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, JournalError) as error:
        raise CourseError(f"{out} holds no results of `autograder grade` ({type(error).__name__}: {error})") from None
    keys = [(submission.learner, exercise.id) for submission in submissions for exercise in exercises]
    results = StoredResults(out / "journal.jsonl", {key: entries.get(key) for key in keys})
    return Graded(policy, exercises, submissions, results)


def learner_feedback(graded: Graded, submission: Submission) -> dict[str, Any]:
    """Everything one learner may see of their results, as plain data."""
    visible = all(graded.policy.visibility(exercise) == "visible" for exercise in graded.exercises)
    earned, possible = graded.total(submission.learner)
    exercises = [_exercise_feedback(graded, submission.learner, exercise) for exercise in graded.exercises]
    return {
        "version": VERSION,
        "title": graded.policy.title,
        "learner": submission.learner,
        "earned": round(earned, 4) if visible and not graded.is_open(submission.learner) else None,
        "possible": round(possible, 4),
        "notes": submission.notes,
        "next": next_steps(exercises),
        "exercises": exercises,
    }


def _exercise_feedback(graded: Graded, learner: str, exercise: Exercise) -> dict[str, Any]:
    visibility = graded.policy.visibility(exercise)
    score, result = graded.score(learner, exercise), graded.results[learner, exercise.id]
    feedback = {"exercise": exercise.id, "possible": round(score.possible, 4)}
    if visibility != "visible":
        return feedback | {"withheld": WITHHELD[visibility]}
    unloaded = bool(result.checks) and UNLOADED in result.note and not any(c.status == "passed" for c in result.checks)
    return feedback | {
        "unloaded": unloaded,
        "earned": None if result.is_open else round(score.earned, 4),
        "outcome": result.outcome,
        "note": _learner_note(result),
        "remarks": graded.remarks(learner, exercise),
        "tasks": [
            {
                "task": task.task,
                "earned": round(task.earned, 4),
                "possible": round(task.possible, 4),
                "checks": [_check_feedback(check) for check in result.checks if check.task == task.task],
                "hints": _hints(exercise, task.task) if task.earned < task.possible and not unloaded else [],
            }
            for task in score.tasks
        ],
    }


@cache
def _hints(exercise: Exercise, task: str) -> list[str]:
    """The ladder of hints that learners have anyway, for what is not finished; none where there is none."""
    try:
        return ladder(exercise, task)
    except CourseError:
        return []


def _learner_note(result: ExerciseResult) -> str:
    if result.has_system_fault:
        return "This exercise could not be graded for reasons that are not yours; it will be graded again."
    return result.note


def _check_feedback(check: CheckResult) -> dict[str, Any]:
    feedback = {"sentence": check.sentence, "stage": check.stage, "status": check.status}
    return feedback | {
        key: text for key, text in (("message", check.message), ("says", check.says), ("card", check.card)) if text
    }


def grades_csv(graded: Graded) -> str:
    """One row a learner: points by exercise, total, and a status when something was not graded. Points that are not yet known are
    blank, never zero."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["learner", *(exercise.id for exercise in graded.exercises), "total", "possible", "status"])
    for submission in graded.submissions:
        learner = submission.learner
        cells = [
            "" if graded.results[learner, exercise.id].is_open else _number(graded.score(learner, exercise).earned)
            for exercise in graded.exercises
        ]
        earned, possible = graded.total(learner)
        total = "" if graded.is_open(learner) else _number(earned)
        status = STANDING[graded.is_open(learner), graded.has_system_fault(learner)]
        writer.writerow([no_formula(learner), *cells, total, _number(possible), status])
    return text.getvalue()


def _number(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".")


def no_formula(text: str) -> str:
    """Spreadsheets run a cell that starts like a formula; an apostrophe makes it text."""
    text = text.replace("\r", " ")  # which csv does not quote
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) else text


def file_name(learner: str) -> str:
    """A file name for any learner's name: itself where that is safe, else a readable part of it and a hash."""
    # A name that ends like a hash gets one, too: nobody can choose the file name of somebody else.
    if re.fullmatch(r"(?!.*-[0-9a-f]{8}$)[A-Za-z0-9_][A-Za-z0-9_.@-]{0,99}", learner):
        return learner
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", learner).strip("-")[:60] or "learner"
    return f"{readable}-{hashlib.sha256(learner.encode('utf-8', 'backslashreplace')).hexdigest()[:8]}"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    os.replace(temporary, path)


@cache
def _template(name: str) -> jinja2.Template:
    templates = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    environment = jinja2.Environment(loader=templates, autoescape=".html" in name, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = lambda value: _number(round(value, 2))
    environment.filters["md"] = _markdown
    environment.filters["indented"] = lambda text: "\n".join(f"      {line}" for line in text.splitlines())
    return environment.get_template(name)


def _markdown(text: str) -> str:
    """The text as it is, on one line: nothing of it is Markdown or HTML."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&-])", r"\\\1", " ".join(str(text).split()))


def render_similarity(
    title: str, learners: int, pairs: Mapping[str, Sequence[Alike]], groups: Sequence[Sequence[str]], at_least: float
) -> str:
    """The report of `similarity`, a page that needs nothing else."""
    facts = {"title": title, "learners": learners, "exercises": pairs, "groups": groups, "at_least": at_least}
    return plain(_template("similarity.html.j2").render(facts))
