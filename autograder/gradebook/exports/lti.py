"""Scores for LTI 1.3 Assignment and Grade Services, one JSON object a line: send each to the `scores` URL of the line item."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from autograder.gradebook.exports import Options
from autograder.gradebook.exports.files import write
from autograder.grading.graded import Graded


def export(graded: Graded, out: Path, options: Options) -> list[Path]:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    lines = [json.dumps(score(graded, submission.learner, now)) for submission in graded.submissions]
    return [write(out / "lti-scores.jsonl", "".join(f"{line}\n" for line in lines))]


def score(graded: Graded, learner: str, now: str) -> dict[str, object]:
    """A platform counts a score that is FullyGraded; one that is Pending has no points yet."""
    earned, possible = graded.total(learner)
    known = {} if graded.is_open(learner) else {"scoreGiven": round(earned, 4), "scoreMaximum": round(possible, 4)}
    return {
        "userId": learner,
        "timestamp": now,
        "activityProgress": "Submitted" if graded.is_open(learner) else "Completed",
        "gradingProgress": "Pending" if graded.is_open(learner) else "FullyGraded",
        **known,
    }
