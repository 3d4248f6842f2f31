"""nbgrader's submissions graded in our jail, and the scores and comments written where nbgrader keeps its own.

Afterwards formgrader, feedback and `nbgrader export` show them like any other. Points that a person gave there stay.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import nbformat

from autograder.catalog import Exercise
from autograder.gradebook.nbgrader.course import NbgraderError, api, folder, notebooks_of
from autograder.gradebook.nbgrader.shown import write_autograded
from autograder.gradebook.report import learner_feedback
from autograder.grading.entries import NOTEBOOK, file_entry
from autograder.grading.graded import Graded
from autograder.grading.notebook import FROM_NOTEBOOK
from autograder.grading.score import TaskScore
from autograder.grading.submission import Submission, SubmissionError, take

POINTS, WORDS = "points_", {"passed": "✓", "wrong": "✗", "error": "✗", "timeout": "✗"}
STAMP = "timestamp.txt"
NO_RESPONSE = "No response."


def submissions(root: Path, assignment: str, exercises: Mapping[str, Exercise]) -> list[Submission]:
    """What nbgrader has collected for an assignment.

    Args:
        exercises: by the names of the notebooks.

    Raises:
        SubmissionError: nothing.
    """
    interface, found = api(root), []
    for learner in sorted(interface.get_submitted_students(assignment)):
        submission = Submission(learner)
        for name, exercise in exercises.items():
            path = folder(interface, "submitted", assignment, learner) / f"{name}{NOTEBOOK}"
            if path.is_symlink() or path.exists():
                take(submission, file_entry(path, PurePosixPath(path.name)), exercise.id)
        found.append(submission)
    if not found:
        where = folder(interface, "submitted", assignment, "LEARNER")
        raise SubmissionError(f"nothing was handed in for {assignment}: there is no {where}")
    return found


def demand_released(root: Path, assignment: str) -> None:
    """Raises NbgraderError: nbgrader's gradebook does not know the assignment."""
    interface = api(root)
    with interface.gradebook as gradebook:
        for path in notebooks_of(root, assignment):
            _known(interface, gradebook, assignment, path.stem)


def _known(interface: Any, gradebook: Any, assignment: str, name: str) -> Any:
    """What nbgrader's gradebook holds about a notebook of the assignment."""
    from nbgrader.api import MissingEntry

    try:
        return gradebook.find_notebook(name, assignment)
    except MissingEntry:
        raise NbgraderError(
            f"nbgrader's gradebook does not know {assignment}/{name} yet; run: "
            f"autograder nbgrader release {interface.coursedir.root} {assignment}"
        ) from None


@dataclass
class Written:
    """What became of the scores: of how many learners they were written, and what to look at."""

    learners: int = 0
    warnings: list[str] = field(default_factory=list)

    def warn(self, words: str) -> None:
        if words not in self.warnings:
            self.warnings.append(words)


def write(graded: Graded, root: Path, assignment: str, exercises: Mapping[str, Exercise]) -> Written:
    """Write all scores and comments; what is still to be graded is left as it was.

    Raises:
        NbgraderError: nbgrader is not there, or its gradebook does not know the assignment.
    """
    written = Written()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of SQLAlchemy, about nbgrader's own models
        interface = api(root)
        with interface.gradebook as gradebook:
            notebooks = [
                _Notebook(interface, gradebook, assignment, path, exercises.get(path.stem))
                for path in notebooks_of(root, assignment)
            ]
            for submission in graded.submissions:
                if graded.is_open(submission.learner):
                    continue
                _begin(gradebook, interface, assignment, submission.learner, written)
                for notebook in notebooks:
                    notebook.write(graded, submission, written)
                written.learners += 1
    return written


def _begin(gradebook: Any, interface: Any, assignment: str, learner: str, written: Written) -> None:
    """A place for a learner's scores, with the time at which they handed in."""
    from nbgrader.utils import parse_utc

    stamp = folder(interface, "submitted", assignment, learner) / STAMP
    when = {}
    if stamp.is_file() and (text := stamp.read_text(encoding="utf-8", errors="replace").strip()):
        try:
            when = {"timestamp": parse_utc(text)}
        except (ValueError, OverflowError):
            written.warn(f"{stamp}: {text[:50]!r} is no time; the work counts as handed in in time")
    gradebook.update_or_create_student(learner)
    gradebook.update_or_create_submission(assignment, learner, **when)
    gradebook.db.commit()


class _Notebook:
    """A notebook of an assignment: what nbgrader's gradebook says of its cells, and the exercise that grades it, if one does."""

    def __init__(self, interface: Any, gradebook: Any, assignment: str, source: Path, exercise: Exercise | None):
        self.interface, self.gradebook, self.assignment = interface, gradebook, assignment
        self.source, self.name, self.exercise = source, source.stem, exercise
        about = _known(interface, gradebook, assignment, self.name)
        self.maxima = {cell.name: cell.max_score for cell in about.grade_cells}
        self.solutions = {cell.name for cell in about.solution_cells}

    def write(self, graded: Graded, submission: Submission, written: Written) -> None:
        """The scores, comments and the shown notebook of one learner, and what nbgrader takes for lateness."""
        place = (self.name, self.assignment, submission.learner)
        path = folder(self.interface, "submitted", self.assignment, submission.learner) / f"{self.name}{NOTEBOOK}"
        words = self.write_scores(graded, submission, place, written)
        if not path.is_file():
            for name in self.maxima:
                grade = self.gradebook.find_grade(name, *place)
                grade.auto_score, grade.needs_manual_grade = 0.0, False
            self.gradebook.db.commit()
            return
        self.gradebook.db.commit()
        try:
            shown = write_autograded(self.interface, self.assignment, submission.learner, self.source, words)
        except Exception as error:  # of nbformat's and nbgrader's, about what a learner made of a notebook
            written.warn(f"{path}: formgrader cannot show it ({type(error).__name__}: {str(error)[:200]})")
            return
        self.write_by_hand(shown, place)
        self.gradebook.db.commit()

    def write_scores(
        self, graded: Graded, submission: Submission, place: tuple[str, str, str], written: Written
    ) -> dict[str, str]:
        """What the checks found, into the gradebook. Returns it in words, by the cell of points."""
        if self.exercise is None:
            return {}
        result = graded.results[submission.learner, self.exercise.id]
        scores = {task.task: task for task in graded.score(submission.learner, self.exercise).tasks}
        told = {each["exercise"]: each for each in learner_feedback(graded, submission)["exercises"]}[self.exercise.id]
        words: dict[str, str] = {}
        for cell, possible in self.maxima.items():
            task = self.task_of(cell)
            if task in scores:
                words[cell] = _words(told, task)
                grade = self.gradebook.find_grade(cell, *place)
                grade.auto_score = possible * _share(scores[task])
                grade.needs_manual_grade = result.outcome == "refused"
            elif task is None and cell not in self.solutions:
                written.warn(f"{self.name}: the course does not know the cell {cell!r}: adopt the notebook again")
        for solution, cells in self.commented.items():
            if any(cell in words for cell in cells):
                comment = self.gradebook.find_comment(solution, *place)
                comment.auto_comment = "\n".join(
                    dict.fromkeys([*_note(told), *(words[c] for c in cells if c in words)])
                )
        return words

    def write_by_hand(self, shown: nbformat.NotebookNode, place: tuple[str, str, str]) -> None:
        """Leave to a person what a person has to grade; but who wrote nothing there gets nothing, as nbgrader has it."""
        from nbgrader import utils

        for cell in shown.cells:
            if utils.is_grade(cell) and utils.is_solution(cell):
                name = cell.metadata.nbgrader["grade_id"]
                grade, comment = (
                    find(name, *place) for find in (self.gradebook.find_grade, self.gradebook.find_comment)
                )
                grade.auto_score, _ = utils.determine_grade(cell)
                grade.needs_manual_grade = grade.auto_score is None and grade.manual_score is None
                comment.auto_comment = NO_RESPONSE if grade.auto_score == 0 else None

    def task_of(self, cell: str) -> str | None:
        """The task that a cell gives points for: named like it in adopted exercises, and `points_<task>` for those of ours."""
        tasks = self.exercise.tasks if self.exercise else ()
        return next((name for name in (cell, cell.removeprefix(POINTS)) if name in tasks), None)

    @cached_property
    def commented(self) -> dict[str, list[str]]:
        """For each cell that learners write, the cells of points that are about it."""
        found: dict[str, list[str]] = {}
        latest = None
        for cell in _cells(self.source):
            about = cell.metadata.nbgrader
            name = about.get("grade_id")
            latest = name if name in self.solutions else latest
            if name in self.maxima and name not in self.solutions:
                task = self.task_of(name)
                home = task if task in self.solutions else latest
                found.setdefault(home, []).append(name)
        found.pop(None, None)
        return found


def _cells(path: Path) -> Iterator[nbformat.NotebookNode]:
    notebook = nbformat.read(path, as_version=4)
    return (cell for cell in notebook.cells if "nbgrader" in cell.metadata)


def _share(score: TaskScore) -> float:
    if score.possible:
        return score.earned / score.possible
    return score.passed / score.checks if score.checks else 0.0


def _words(feedback: dict[str, Any], task: str) -> str:
    """What the learner may read about a task, a line for each check."""
    if "withheld" in feedback:
        return feedback["withheld"]
    lines = []
    for check in next((each["checks"] for each in feedback["tasks"] if each["task"] == task), []):
        lines.append(f"{WORDS.get(check['status'], '·')} {check['sentence']}")
        lines += [f"    {check[key]}" for key in ("message", "says") if check.get(key)]
    return "\n".join(lines or _note(feedback))


def _note(feedback: dict[str, Any]) -> list[str]:
    """What there is to say about the whole, but that it was a notebook."""
    note = feedback.get("note", "").removeprefix(FROM_NOTEBOOK).removeprefix("; ")
    return [note] if note else []
