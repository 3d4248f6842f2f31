"""The result that GitHub Classroom's reporter reads, a line in a file for each learner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autograder.gradebook.exports import Options
from autograder.gradebook.exports.files import check_text, per_learner, write
from autograder.grading.graded import Graded
from autograder.practice.classroom import encoded


def export(graded: Graded, out: Path, options: Options) -> list[Path]:
    return [
        write(path, encoded(_tests(feedback), feedback["possible"]) + "\n")
        for feedback, path in per_learner(graded, out, ".classroom")
        if feedback["earned"] is not None
    ]


def _tests(feedback: dict[str, Any]) -> list[dict[str, Any]]:
    """One for every task, with its points, so that the sum is the grade."""
    return [
        {
            "name": f"{exercise['exercise']} {task['task']}",
            "status": "pass" if task["earned"] >= task["possible"] else "fail",
            "score": task["earned"],
            "message": "\n".join(check_text(check) for check in task["checks"] if check["status"] != "passed"),
            "test_code": f"autograder check {exercise['exercise'].partition('/')[2]}.{task['task']}",
            "filename": f"exercises/{exercise['exercise']}.py",
        }
        for exercise in feedback["exercises"]
        for task in exercise["tasks"]
    ]
