"""One submission on Gradescope: from its folders to `results.json`."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autograder.catalog import CourseError, Exercise
from autograder.gradebook.exports.gradescope import results
from autograder.gradebook.report import learner_feedback
from autograder.grading.journal import JournalError
from autograder.grading.pool import NodeError
from autograder.grading.run import grade_class
from autograder.grading.submission import Submission, SubmissionError, find_submissions
from autograder.policy import Policy

NOT_YOUR_FAULT = "This could not be graded for reasons that are not yours; the staff can run it again."


def grade_submission(policy: Policy, exercises: Sequence[Exercise], root: Path, unsafe: bool = False) -> dict[str, Any]:
    """Grade what lies in `root/submission` and write `root/results/results.json`, which is valid whatever was handed in.

    Returns:
        What was written.
    """
    try:
        found = _graded(policy, exercises, root, unsafe)
    except SubmissionError:
        found = {"score": 0, "output": "No file of this submission belongs to an exercise.", "visibility": "visible"}
    except (CourseError, JournalError, NodeError, OSError) as error:
        print(f"{type(error).__name__}: {error}")  # the staff reads what this prints
        found = {"score": 0, "output": NOT_YOUR_FAULT, "visibility": "visible"}
    path = root / "results" / "results.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(found, indent=2), encoding="utf-8")
    os.replace(partial, path)
    return found


def _graded(policy: Policy, exercises: Sequence[Exercise], root: Path, unsafe: bool) -> dict[str, Any]:
    submission = _submission(root, policy.exercises())
    wanted = [(submission, exercise) for exercise in exercises]
    with tempfile.TemporaryDirectory() as folder:
        graded = grade_class(
            policy, [submission], wanted, Path(folder), nodes=os.cpu_count() or 1, seed=policy.seed, unsafe=unsafe
        )
        found = results(learner_feedback(graded, submission))
        for fault in graded.system_faults:
            print(f"{fault.exercise_id}: {fault.note or 'a check could not be run'}")
    if graded.is_open(submission.learner):
        found["score"], found["output"] = 0, f"{NOT_YOUR_FAULT}\n{found['output']}"
    return found | {"extra_data": {"autograder": "graded", "learner": submission.learner}}


def _submission(root: Path, exercises: Sequence[Exercise]) -> Submission:
    """All that was handed in, however it is wrapped, as the work of those who handed it in.

    Raises:
        SubmissionError: nothing was.
    """
    work = Submission(_names(root / "submission_metadata.json"))
    for each in find_submissions(root / "submission", exercises):
        work.files |= {name: text for name, text in each.files.items() if name not in work.files}
        work.refused |= {name: why for name, why in each.refused.items() if name not in work.files}
        for note in each.notes:
            work.note(note)
    if not work.files and not work.refused and not work.notes:
        raise SubmissionError("nothing in it")
    return work


def _names(path: Path) -> str:
    """Who handed it in, from Gradescope's metadata: a group is one learner."""
    try:
        users = json.loads(path.read_bytes())["users"]
        return ", ".join(str(user.get("email") or user["name"]) for user in users) or "learner"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return "learner"
