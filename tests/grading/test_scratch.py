"""Exercises that save files: graded in the jail, and their known mistakes named."""

import pytest

from tests.courses import write_files
from tests.grading.small import Results, grade

NOTES = """\
import json
import os
from pathlib import Path


def save(path, values):
    # BEGIN SOLUTION
    folder = Path(path).parent
    folder.mkdir(exist_ok=True)
    with open(f"{path}.new", "w") as file:
        json.dump(values, file)
    os.replace(f"{path}.new", path)
    # END SOLUTION


def load(path):
    # BEGIN SOLUTION
    with open(path) as file:
        return json.load(file)
    # END SOLUTION
"""
TEST_NOTES = """\
import json
from autograder.testing import assert_close


def test_save_writes_json(learner, scratch):
    learner.save(str(scratch / "run" / "notes.json"), [1, 2])
    assert json.loads((scratch / "run" / "notes.json").read_text()) == [1, 2]


def test_save_leaves_one_file(learner, scratch):
    learner.save(str(scratch / "run" / "notes.json"), [1, 2])
    assert [path.name for path in (scratch / "run").iterdir()] == ["notes.json"]


def test_load_reads_json(learner, scratch):
    (scratch / "notes.json").write_text("[3, 4]")
    assert learner.load(str(scratch / "notes.json")) == [3, 4]
"""
MISTAKES = """\
notes:
  - {task: save, name: leaves the temporary file, replace: "os.replace(f\\"{path}.new\\", path)", by: "Path(path).write_text(Path(f\\"{path}.new\\").read_text())", says: The file ending in .new stays.}
  - {task: save, name: saves nothing, replace: "os.replace(f\\"{path}.new\\", path)", by: "os.unlink(f\\"{path}.new\\")", says: There is no file.}
  - {task: load, name: reads text, replace: json.load(file), by: file.read(), says: This is the text.}
"""  # noqa: E501


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    root = tmp_path_factory.mktemp("files")
    course = {
        "solutions/week1/notes.py": NOTES,
        "solutions/week1/mistakes.yml": MISTAKES,
        "graders/week1/test_notes.py": TEST_NOTES,
    }
    write_files(root / "course", course)
    stays = NOTES.replace('os.replace(f"{path}.new", path)', 'open(path, "w").write(open(path + ".new").read())')
    learners = {
        "right": NOTES,
        "stays": stays,
        "nothing": NOTES.replace('os.replace(f"{path}.new", path)', "os.unlink(path + '.new')"),
        "text": NOTES.replace("json.load(file)", "file.read()"),
    }
    write_files(root / "class", {f"{name}/week1/notes.py": text for name, text in learners.items()})
    done = grade(root / "course", root / "class", "--out", root / "out")
    assert done.returncode == 0, done.stderr
    return Results(root / "out")


def test_right_work_passes(graded):
    assert set(graded.statuses("right", "week1/notes").values()) == {"passed"}


@pytest.mark.parametrize(
    "learner, check, mistake",
    [
        ("stays", "test_save_leaves_one_file", "leaves the temporary file"),
        ("nothing", "test_save_writes_json", "saves nothing"),
        ("text", "test_load_reads_json", "reads text"),
    ],
)
def test_a_mistake_is_told_by_the_files_it_leaves(graded, learner, check, mistake):
    (failed,) = [each for each in graded.of(learner, "week1/notes")["checks"] if each["check"] == check]
    assert failed["mistakes"] == [mistake]
