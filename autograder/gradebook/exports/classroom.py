"""The result that GitHub Classroom's reporter reads (version 3): base64 of compact JSON, a line in a file for each learner."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from autograder.gradebook.exports import Options
from autograder.gradebook.exports.files import check_text, per_learner, write
from autograder.grading.graded import Graded


def export(graded: Graded, out: Path, options: Options) -> list[Path]:
    written = []
    for feedback, path in per_learner(graded, out, ".classroom"):
        if feedback["earned"] is not None:
            data = json.dumps(result(feedback), separators=(",", ":")).encode()
            written.append(write(path, base64.b64encode(data).decode() + "\n"))
    return written


def result(feedback: dict[str, Any]) -> dict[str, Any]:
    """One test for every task, with its points, so that the sum is the grade."""
    tests = [
        {
            "name": f"{exercise['exercise']} {task['task']}",
            "status": "pass" if task["earned"] >= task["possible"] else "fail",
            "score": task["earned"],
            "message": "\n".join(check_text(check) for check in task["checks"] if check["status"] != "passed"),
            "test_code": f"autograder check {exercise['exercise'].partition('/')[2]}.{task['task']}",
            "filename": f"exercises/{exercise['exercise']}.py",
            "line_no": 0,
            "duration": 0,
        }
        for exercise in feedback["exercises"]
        for task in exercise["tasks"]
    ]
    passed = all(test["status"] == "pass" for test in tests)
    return {"version": 3, "status": "pass" if passed else "fail", "max_score": feedback["possible"], "tests": tests}
