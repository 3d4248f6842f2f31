"""The last line that an Autolab grader prints, one file for each learner: points by exercise, and the total on the scoreboard."""

from __future__ import annotations

import json
from pathlib import Path

from autograder.gradebook.exports import Options
from autograder.gradebook.exports.files import per_learner, write
from autograder.grading.graded import Graded


def export(graded: Graded, out: Path, options: Options) -> list[Path]:
    written = []
    for feedback, path in per_learner(graded, out, ".autolab.json"):
        if feedback["earned"] is not None:
            scores = {exercise["exercise"]: exercise["earned"] for exercise in feedback["exercises"]}
            line = json.dumps({"scores": scores, "scoreboard": [feedback["earned"]]})
            written.append(write(path, line + "\n"))
    return written
