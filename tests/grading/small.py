"""A course of two small exercises, classes for it, and the command that grades them."""

import csv
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from typer.testing import CliRunner, Result

from autograder.cli import app
from autograder.gradebook.report import file_name
from tests.courses import write_files

SCALING = '''\
import numpy as np


def scale(x, factor=2.0):
    """Multiply every entry of x by factor."""
    # BEGIN SOLUTION
    if factor < 0:
        raise ValueError("a negative factor")
    return factor * x
    # END SOLUTION


def shift(x, by):
    """Add a number to every entry of x."""
    # BEGIN SOLUTION
    return x + by
    # END SOLUTION
'''

STATS = '''\
from week1.scaling import shift


def centre(x):
    """Move x so that its mean is zero."""
    # BEGIN SOLUTION
    return shift(x, -x.mean())
    # END SOLUTION
'''

# No learner may ever read this number: hidden checks feed it in.
SECRET = 31337.125

TEST_SCALING = f"""\
import numpy as np
import pytest
from autograder.testing import assert_close, assert_shape

SECRET = {SECRET}


@pytest.mark.stage("shape")
def test_scale_keeps_the_shape(learner):
    assert_shape(learner.scale(np.full((2, 3), SECRET)), (2, 3))


@pytest.mark.visible
def test_scale_doubles(learner):
    "Without a factor every entry is doubled."
    assert_close(learner.scale(np.array([1.0, 2.0, 4.5])), np.array([2.0, 4.0, 9.0]))


def test_scale_multiplies_by_the_factor(learner, reference, probe):
    x = probe.normal("N D")
    assert_close(learner.scale(x, factor=SECRET), reference.scale(x, factor=SECRET))


@pytest.mark.stage("robust")
def test_scale_refuses_a_negative_factor(learner):
    with pytest.raises(ValueError):
        learner.scale(np.ones(3), factor=-SECRET)


def test_shift_adds(learner):
    got = learner.shift(np.array([SECRET, 1.0]), 2.0)
    assert got.tolist() == [SECRET + 2.0, 3.0], f"expected {{SECRET + 2.0}}"


@pytest.mark.stage("whole")
def test_shift_by_large_numbers(learner):
    for by in (SECRET, 2 * SECRET, 3 * SECRET):
        assert_close(learner.shift(np.ones(2), by), np.full(2, 1.0 + by))
"""

TEST_STATS = """\
import numpy as np
from autograder.testing import assert_close


def test_centre_has_mean_zero(learner):
    assert_close(learner.centre(np.array([1.0, 3.0])).mean(), np.float64(0.0))


def test_centre_keeps_differences(learner):
    assert_close(np.diff(learner.centre(np.array([1.0, 3.0, 8.0]))), np.array([2.0, 5.0]))
"""

FILES = {
    "solutions/week1/scaling.py": SCALING,
    "solutions/week1/stats.py": STATS,
    "graders/week1/test_scaling.py": TEST_SCALING,
    "graders/week1/test_stats.py": TEST_STATS,
    "grading.yml": "limits: {wall_seconds: 1}\n",
}
EXERCISES = ("week1/scaling", "week1/stats")


def write_small_course(root: Path, files: dict[str, str | None] | None = None) -> Path:
    """The course above, with `files` instead of or besides its own; None leaves one out."""
    write_files(root, FILES | (files or {}))
    return root


def scaling(scale: str = "", shift: str = "", top: str = "") -> str:
    """The solution of scaling.py, with these lines at the beginning of its functions or of the file."""
    text = top + "\n" + SCALING
    for name, lines in (("scale", scale), ("shift", shift)):
        head, body = text.split(f"def {name}(", 1)
        signature, rest = body.split("# BEGIN SOLUTION\n", 1)
        indented = "".join(f"    {line}\n" for line in lines.splitlines())
        text = f"{head}def {name}({signature}# BEGIN SOLUTION\n{indented}{rest}"
    return text


def write_class(root: Path, learners: dict[str, dict[str, str]]) -> Path:
    """For each learner the text of their exercises; the solution of those that are not named."""
    for learner, files in learners.items():
        for name, text in ({"scaling": SCALING, "stats": STATS} | files).items():
            path = root / learner / "week1" / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is not None:
                path.write_text(text)
    return root


def command(course: Path, *arguments: object) -> list[str]:
    """The command that grades. It knows no results of other tests, unless it is told where to look for them."""
    own = [] if "--cache" in arguments else ["--no-cache"]
    return [sys.executable, "-m", "autograder", "--course", str(course), "grade", *map(str, arguments), *own]


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "AUTOGRADER_COURSE"}


def run(*arguments: object) -> subprocess.CompletedProcess:
    """Run `autograder` to its end."""
    return finish([sys.executable, "-m", "autograder", *map(str, arguments)])


def finish(words: list[str]) -> subprocess.CompletedProcess:
    return subprocess.run(words, capture_output=True, text=True, env=environment(), timeout=120)


def run_here(*arguments: object) -> Result:
    """Run `autograder` in this process: for what starts no grading."""
    return CliRunner().invoke(app, list(map(str, arguments)))


def grade(course: Path, *arguments: object) -> subprocess.CompletedProcess:
    """Run `autograder grade` to its end."""
    return finish(command(course, *arguments))


@dataclass(frozen=True)
class Results:
    """What a run left in its folder."""

    out: Path

    @cached_property
    def journal(self) -> list[dict]:
        lines = (self.out / "journal.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines[1:]]

    def of(self, learner: str, exercise: str) -> dict:
        """The last line of the journal about it."""
        found = [e for e in self.journal if (e["learner"], f"{e['module']}/{e['exercise']}") == (learner, exercise)]
        return found[-1]

    def statuses(self, learner: str, exercise: str) -> dict[str, str]:
        return {check["check"].removeprefix("test_"): check["status"] for check in self.of(learner, exercise)["checks"]}

    @cached_property
    def grades(self) -> dict[str, dict[str, str]]:
        with (self.out / "grades.csv").open(newline="") as file:
            return {row["learner"]: row for row in csv.DictReader(file)}

    def points(self, learner: str) -> list[str]:
        """What grades.csv says: the exercises and the total."""
        return [self.grades[learner][column] for column in (*EXERCISES, "total")]

    def feedback(self, learner: str) -> dict:
        return json.loads((self.out / "learners" / f"{file_name(learner)}.json").read_text())

    def html(self, learner: str) -> str:
        return (self.out / "feedback" / f"{file_name(learner)}.html").read_text()
