"""`results.json` for Gradescope, one for each learner: a test for every task (Gradescope, "Autograder specifications")."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autograder.gradebook.exports import Options
from autograder.gradebook.exports.files import check_text, per_learner, write_json
from autograder.grading.graded import Graded


def export(graded: Graded, out: Path, options: Options) -> list[Path]:
    return [write_json(path, results(feedback)) for feedback, path in per_learner(graded, out, ".json")]


def results(feedback: dict[str, Any]) -> dict[str, Any]:
    """What Gradescope reads, from what the learner may see."""
    tests = []
    for place, exercise in enumerate(feedback["exercises"], 1):
        tests += _tests(place, exercise)
    text = "\n".join(feedback["notes"]) or "Each task earns its points by the share of its checks that pass."
    return {
        "output": text,
        "output_format": "text",
        "stdout_visibility": "hidden",
        "visibility": "visible",
        "tests": tests,
    }


def _tests(place: int, exercise: dict[str, Any]) -> list[dict[str, Any]]:
    name = exercise["exercise"]
    if "withheld" in exercise:
        return [{"name": name, "number": str(place), "max_score": exercise["possible"], "output": exercise["withheld"]}]
    if exercise["earned"] is None or not any(task["checks"] for task in exercise["tasks"]):
        score = {} if exercise["earned"] is None else {"score": 0, "status": "failed"}
        return [
            {"name": name, "number": str(place), "max_score": exercise["possible"], "output": exercise["note"], **score}
        ]
    return [
        {
            "name": f"{name.partition('/')[2]}: {task['task']}",
            "number": f"{place}.{number}",
            "score": task["earned"],
            "max_score": task["possible"],
            "status": "passed" if task["earned"] >= task["possible"] else "failed",
            "output": "\n\n".join(map(check_text, task["checks"])),
            "output_format": "text",
        }
        for number, task in enumerate(exercise["tasks"], 1)
    ]
