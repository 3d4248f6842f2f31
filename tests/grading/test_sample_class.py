"""The sample class gets what it deserves: every score of `autograder grade` is compared with one that was reasoned."""

from pathlib import Path

import pytest
import yaml

from autograder.authoring.sample import MODULE
from tests.grading.small import Results, run

EXPECTED = yaml.safe_load(Path(__file__).with_name("sample_class.yml").read_text(encoding="utf-8"))
LEARNERS = EXPECTED["learners"]
COURSE = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    root = tmp_path_factory.mktemp("sample")
    made = run("--course", COURSE, "sample", root / "class")
    assert made.returncode == 0, made.stderr
    finished = run("--course", COURSE, "grade", root / "class", "--out", root / "out", "--no-cache")
    assert (finished.returncode, finished.stderr) == (0, "")
    return Results(root / "out")


def test_every_learner_is_graded(graded):
    assert graded.grades.keys() == LEARNERS.keys()
    assert {row["status"] for row in graded.grades.values()} == {"graded"}


@pytest.mark.parametrize("learner", LEARNERS)
def test_every_score_is_the_one_it_should_be(graded, learner):
    expected = EXPECTED["full"] | LEARNERS[learner].get("scores", {})
    row = graded.grades[learner]
    assert {name: float(row[f"{MODULE}/{name}"]) for name in expected} == expected, LEARNERS[learner]["because"]
    assert float(row["total"]) == pytest.approx(sum(expected.values()), abs=5e-4)


def test_learners_read_the_reason(graded):
    for learner, words in {
        "broken": "broken.zip cannot be opened as a zip file",
        "hedy": "mlp.py was not handed in",
        "john": "SyntaxError",
        "leslie": "m00_foundations/losses.py could not be loaded: no answer within",
        "ken": "the process ended",
        "niklaus": "imports torch, which this exercise does not allow",
        "rosa": "left from debugging",
        "margaret": "passes once the reference stands in for",
        "claude": "Subtract the largest score along the axis first",
    }.items():
        assert words in graded.html(learner), learner


def test_nothing_of_the_sample_class_reaches_the_hidden_files(graded):
    for path in (graded.out / "learners").iterdir():
        assert str(COURSE) not in path.read_text(encoding="utf-8")
