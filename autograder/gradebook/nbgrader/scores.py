"""nbgrader's submissions graded in our jail, and the scores and comments written where nbgrader keeps its own.

Afterwards formgrader, feedback and `nbgrader export` show them like any other. Points that a person gave there stay.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat

from autograder.catalog import Exercise
from autograder.gradebook.nbgrader.course import api, notebooks_of
from autograder.gradebook.report import learner_feedback
from autograder.grading.entries import MAX_NOTEBOOK, NOTEBOOK
from autograder.grading.graded import Graded
from autograder.grading.submission import Submission, find_submissions
from autograder.policy import Policy

POINTS, WORDS = "points_", {"passed": "✓", "wrong": "✗", "error": "✗", "timeout": "✗"}


def submissions(policy: Policy, root: Path, assignment: str) -> list[Submission]:
    """What nbgrader has collected for an assignment.

    Raises:
        SubmissionError: nothing.
    """
    exercises = [exercise for exercise in policy.exercises() if exercise.module == assignment]
    found = find_submissions(root / "submitted", exercises)
    return [s for s in found if (root / "submitted" / s.learner / assignment).is_dir()]


def write(graded: Graded, root: Path, assignment: str) -> int:
    """Write all scores and comments; what is still to be graded is left as it was. Returns for how many learners.

    Raises:
        NbgraderError: nbgrader is not there.
    """
    names = {path.stem for path in notebooks_of(root, assignment)}
    exercises = [exercise for exercise in graded.exercises if exercise.name in names]
    interface = api(root)
    written = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of SQLAlchemy, about nbgrader's own models
        with interface.gradebook as gradebook:
            _prepare(gradebook, graded, root, assignment, exercises)
            for submission in graded.submissions:
                if not graded.is_open(submission.learner):
                    _write_learner(gradebook, graded, root, assignment, exercises, submission)
                    written += 1
            gradebook.db.commit()
    return written


def _prepare(gradebook: Any, graded: Graded, root: Path, assignment: str, exercises: list[Exercise]) -> None:
    """Make what `nbgrader generate_assignment` makes, where it has not run."""
    gradebook.update_or_create_assignment(assignment)
    for exercise in exercises:
        gradebook.update_or_create_notebook(exercise.name, assignment)
        for cell in _cells(root / "source" / assignment / f"{exercise.name}{NOTEBOOK}"):
            about, place = cell.metadata.nbgrader, (exercise.name, assignment)
            kind = {"cell_type": cell.cell_type}
            if about.grade:
                gradebook.update_or_create_grade_cell(about.grade_id, *place, max_score=about.points, **kind)
            if about.solution:
                gradebook.update_or_create_solution_cell(about.grade_id, *place)
            gradebook.update_or_create_source_cell(
                about.grade_id, *place, source=cell.source, locked=about.locked, **kind
            )


def _cells(path: Path) -> Iterator[nbformat.NotebookNode]:
    notebook = nbformat.read(path, as_version=4)
    return (cell for cell in notebook.cells if "nbgrader" in cell.metadata)


def _write_learner(
    gradebook: Any, graded: Graded, root: Path, assignment: str, exercises: list[Exercise], submission: Submission
) -> None:
    learner, folder = submission.learner, root / "submitted" / submission.learner / assignment
    stamp = folder / "timestamp.txt"
    gradebook.update_or_create_student(learner)
    when = {"timestamp": stamp.read_text(encoding="utf-8", errors="replace").strip()} if stamp.is_file() else {}
    gradebook.update_or_create_submission(assignment, learner, **when)
    feedback = {each["exercise"]: each for each in learner_feedback(graded, submission)["exercises"]}
    for exercise in exercises:
        words = {}
        for task in graded.score(learner, exercise).tasks:
            words[task.task] = _words(feedback[exercise.id], task.task)
            grade = gradebook.find_grade(f"{POINTS}{task.task}", exercise.name, assignment, learner)
            grade.auto_score, grade.needs_manual_grade = task.earned, False
            comment = gradebook.find_comment(task.task, exercise.name, assignment, learner)
            comment.auto_comment = words[task.task]
        _write_autograded(root, assignment, learner, exercise, words)


def _words(feedback: dict[str, Any], task: str) -> str:
    """What the learner may read about a task, a line for each check."""
    if "withheld" in feedback:
        return feedback["withheld"]
    lines = [feedback["note"]] if feedback["note"] else []
    for check in next((each["checks"] for each in feedback["tasks"] if each["task"] == task), []):
        lines.append(f"{WORDS.get(check['status'], '·')} {check['sentence']}")
        lines += [f"    {check[key]}" for key in ("message", "says") if check.get(key)]
    return "\n".join(lines)


def _write_autograded(root: Path, assignment: str, learner: str, exercise: Exercise, words: dict[str, str]) -> None:
    """The learner's notebook where formgrader and feedback look for it: what is locked as it was released, and below each cell of
    points what the checks found. Nothing of it was run here."""
    source = nbformat.read(root / "source" / assignment / f"{exercise.name}{NOTEBOOK}", as_version=4)
    theirs = _solutions(root / "submitted" / learner / assignment / f"{exercise.name}{NOTEBOOK}")
    for cell in source.cells:
        about = cell.metadata.get("nbgrader")
        if not about or cell.cell_type != "code":
            continue
        if about.solution:
            cell.source = theirs.get(about.grade_id, "")
        task = about.grade_id.removeprefix(POINTS)
        if about.grade and task in words:
            cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=words[task] + "\n")]
    target = root / "autograded" / learner / assignment / f"{exercise.name}{NOTEBOOK}"
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(source, target)
    stamp = root / "submitted" / learner / assignment / "timestamp.txt"
    if stamp.is_file():
        (target.parent / stamp.name).write_bytes(stamp.read_bytes())


def _solutions(path: Path) -> dict[str, str]:
    """What a learner wrote, by the name of the cell; a notebook that cannot be read has nothing."""
    try:
        if path.is_symlink() or path.stat().st_size > MAX_NOTEBOOK:
            return {}
        cells = json.loads(path.read_bytes())["cells"]
        named = ((cell["metadata"].get("nbgrader", {}).get("grade_id"), cell["source"]) for cell in cells)
        return {name: text if isinstance(text, str) else "".join(map(str, text)) for name, text in named if name}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
