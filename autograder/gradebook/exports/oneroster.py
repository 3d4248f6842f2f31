"""OneRoster 1.2 CSV: results.csv with a row for each learner and module, lineItems.csv, manifest.csv."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from autograder.gradebook.exports import Options
from autograder.gradebook.exports.files import write_csv
from autograder.grading.graded import Graded

LINE_ITEMS = (
    "sourcedId", "status", "dateLastModified", "title", "description", "assignDate", "dueDate", "classSourcedId",
    "categorySourcedId", "gradingPeriodSourcedId", "resultValueMin", "resultValueMax", "schoolSourcedId",
)  # fmt: skip
RESULTS = (
    "sourcedId", "status", "dateLastModified", "lineItemSourcedId", "studentSourcedId", "scoreStatus", "score", "scoreDate",
    "comment", "textScore", "classSourcedId", "inProgress", "incomplete", "late", "missing",
)  # fmt: skip
IN_BULK = ("lineItems", "results")
ALL_FILES = (
    "academicSessions", "categories", "classes", "classResources", "courses", "courseResources", "demographics",
    "enrollments", "lineItemLearningObjectiveIds", "lineItems", "lineItemScoreScales", "orgs", "resources",
    "resultLearningObjectiveIds", "results", "resultScoreScales", "roles", "scoreScales", "userProfiles",
    "userResources", "users",
)  # fmt: skip


def export(graded: Graded, out: Path, options: Options) -> list[Path]:
    today = datetime.now(UTC)
    class_id = _id(options.title or graded.policy.title)
    modules = list(dict.fromkeys(exercise.module for exercise in graded.exercises))
    items, results = [LINE_ITEMS], [RESULTS]
    for module in modules:
        exercises = [exercise for exercise in graded.exercises if exercise.module == module]
        highest = sum(sum(graded.points(exercise).values()) for exercise in exercises)
        items.append([_id(module), "", "", module, "", "", "", class_id, "", "", 0, round(highest, 4), ""])
        for submission in graded.submissions:
            found = [graded.results[submission.learner, exercise.id] for exercise in exercises]
            is_open = any(result.is_open for result in found)
            earned = "" if is_open else round(sum(graded.score(submission.learner, e).earned for e in exercises), 4)
            missing = all(result.outcome == "missing" for result in found)
            results.append(
                [
                    _id(module, submission.learner),
                    "",
                    "",
                    _id(module),
                    submission.learner,
                    "submitted" if is_open else "fully graded",
                    earned,
                    f"{today:%Y-%m-%d}",
                    "",
                    "",
                    class_id,
                    _bool(is_open),
                    "false",
                    "false",
                    _bool(missing),
                ]  # fmt: skip
            )
    manifest = [("propertyName", "value"), ("manifest.version", "1.0"), ("oneroster.version", "1.2")]
    manifest += [(f"file.{name}", "bulk" if name in IN_BULK else "absent") for name in ALL_FILES]
    manifest += [("source.systemName", "autograder"), ("source.systemCode", "autograder")]
    tables = {"manifest": manifest, "lineItems": items, "results": results}
    return [write_csv(out / f"{name}.csv", rows) for name, rows in tables.items()]


def _id(*names: str) -> str:
    """The same names have the same id in every export."""
    return hashlib.sha256("\0".join(names).encode("utf-8", "backslashreplace")).hexdigest()[:32]


def _bool(value: bool) -> str:
    return "true" if value else "false"
