"""What the documents point to is there."""

import re
from pathlib import Path

import pytest

from autograder.catalog import Course

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "exercises").glob("*/README.md")),
]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_to_files(document):
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", document.read_text())
    assert [target for target in targets if not (document.parent / target).exists()] == []


def test_every_task_in_the_debugging_guide_is_one():
    tasks = {task for exercise in Course(ROOT).exercises for task in exercise.tasks}
    rows = [line for line in (ROOT / "docs/debugging.md").read_text().splitlines() if line.startswith("| ")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[-2])}
    assert len(named) > 40
    assert named <= tasks, sorted(named - tasks)


def test_the_road_map_leads_to_every_exercise_and_to_nothing_else():
    named = set(re.findall(r"`(m\d\d_\w+/\w+)`", (ROOT / "docs/curriculum.md").read_text()))
    assert named == {exercise.id for exercise in Course(ROOT).exercises}
