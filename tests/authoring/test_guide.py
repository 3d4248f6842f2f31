"""docs/authoring.md shows the files of an exercise: they are an exercise, and it is verified."""

import re
from pathlib import Path

import pytest

from autograder.authoring.build import build
from autograder.authoring.new import new_exercise
from autograder.authoring.verify import verify
from autograder.catalog import Course
from autograder.policy import Policy
from tests.courses import write_files

GUIDE = Path(__file__).parents[2] / "docs/authoring.md"


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """What somebody has who follows the guide."""
    root = tmp_path_factory.mktemp("guide")
    new_exercise(Course(root), "week1", "swish")
    files = dict(re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', GUIDE.read_text(), re.MULTILINE | re.DOTALL))
    assert set(files) == {
        "solutions/week1/swish.py",
        "graders/week1/test_swish.py",
        "exercises/week1/test_swish.py",
        "solutions/week1/mistakes.yml",
        "exercises/week1/hints.yml",
        "exercises/week1/README.md",
        "grading.yml",
    }
    write_files(root, files)
    build(Course(root))
    return Course(root)


def test_the_exercise_of_the_guide_passes_every_gate(course):
    report = verify(Policy.load(course), ["week1"], 1, 1)
    assert report.problems == []
    (row,) = report.rows
    (line,) = [line for line in GUIDE.read_text().splitlines() if line.startswith("| week1/swish |")]
    counts = [row.tasks, row.checks, row.public_checks, row.mistakes, row.killed, f"{row.public_killed} (100 %)"]
    assert line.split(" | ")[1:8] == [*map(str, counts), f"{row.named} ({row.alone})"]


def test_its_points_are_those_that_the_guide_lists(course):
    policy = Policy.load(course)
    assert policy.points(course.exercise("swish")) == {"swish": 4.0, "swish_grad": 6.0}
    assert policy.carried_forward == 0.5


def test_its_links_and_the_files_it_speaks_of_are_there():
    text = GUIDE.read_text()
    root = GUIDE.parents[1]
    named = re.findall(r"`(autograder/graders/[\w/.]+)`", text)
    assert named and all((root / path).is_file() for path in named)
    assert "(docs/authoring.md)" in (root / "README.md").read_text()
