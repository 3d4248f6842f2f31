"""What a learner should do next, from what they may see of their results."""

from __future__ import annotations

from typing import Any

STEPS = 3
VERBS = {"not_started": "Write", "error": "Mend", "wrong": "Mend", "timeout": "Make faster"}


def next_steps(exercises: list[dict[str, Any]]) -> list[dict[str, str]]:
    """At most three steps, in the order of the course: what to do, why, and the command that gives a hint.

    Args:
        exercises: those of `learner_feedback`.
    """
    steps = []
    for exercise in exercises:
        name = exercise["exercise"].partition("/")[2]
        if exercise.get("outcome") == "missing":
            steps.append({"what": f"Hand in {name}.py", "why": f"worth {exercise['possible']:g} points", "hint": ""})
        if exercise.get("unloaded"):
            steps.append({"what": f"Let {name}.py load", "why": exercise["note"], "hint": ""})
            continue
        for task in exercise.get("tasks", ()):
            failing = next((check for check in task["checks"] if check["status"] in VERBS), None)
            if failing and task["earned"] < task["possible"]:
                why = failing.get("says") or failing["sentence"]
                hint = f"autograder hint {name}.{task['task']}"
                steps.append({"what": f"{VERBS[failing['status']]} {name}.{task['task']}", "why": why, "hint": hint})
    return steps[:STEPS]
