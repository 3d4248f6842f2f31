"""The same work under the same graders and rules is graded once, in whatever class and folder."""

import shutil
import sqlite3

import pytest

from autograder.grading.cache import Cache, is_lasting
from autograder.grading.results import CheckResult, ExerciseResult, Outcome, Status
from tests.grading.small import SCALING, Results, grade, scaling, write_class, write_small_course

WRONG = {"scaling": SCALING.replace("factor * x", "2.0 * x")}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A class that has been graded, with what is known from that."""
    root = tmp_path_factory.mktemp("first")
    write_small_course(root / "course")
    write_class(root / "class", {"ann": WRONG, "bob": WRONG, "hang": {"scaling": scaling("while True: pass")}})
    done = grade(root / "course", root / "class", "--out", root / "out", "--cache", root / "cache")
    assert done.returncode == 0, done.stderr
    assert "2 were known from the same work" in done.stdout  # those of Bob, who has Ann's
    return root


@pytest.fixture
def again(first, tmp_path):
    shutil.copytree(first, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "out")
    return tmp_path


def regrade(root, *arguments):
    done = grade(root / "course", root / "class", "--out", root / "out", "--cache", root / "cache", *arguments)
    assert done.returncode == 0, done.stderr
    return done


def test_equal_work_in_a_class_has_equal_results_each_under_its_own_name(first):
    results = Results(first / "out")
    assert results.points("ann") == results.points("bob") == ["1.5", "1", "2.5"]
    assert results.statuses("ann", "week1/scaling") == results.statuses("bob", "week1/scaling")
    assert "bob" in results.html("bob") and "ann" not in results.html("bob")


def test_another_run_has_the_same_results_without_grading(first, again):
    again_out = regrade(again).stdout
    assert "5 were known from the same work" in again_out  # all but the one that hangs
    old, new = Results(first / "out"), Results(again / "out")
    assert new.grades == old.grades
    assert new.feedback("bob") == old.feedback("bob")


def test_what_ran_out_of_time_is_tried_again(again):
    regrade(again)
    fresh = [result for result in Results(again / "out").journal if result["learner"] == "hang"]
    assert {check["status"] for check in fresh[-1]["checks"]} >= {"timeout"}
    with Cache(again / "cache") as cache:
        count = cache.database.execute("SELECT count(*) FROM results").fetchone()[0]
    assert count == 3  # the wrong scaling.py, and stats.py beside either scaling.py that it imports


@pytest.mark.parametrize(
    "change",
    [
        {"graders/week1/test_scaling.py": "\n# another\n", "graders/week1/test_stats.py": "\n# another\n"},
        {"grading.yml": "seed: 7\n"},
    ],
)
def test_nothing_is_known_under_other_graders_or_rules(again, change):
    for file, text in change.items():
        with (again / "course" / file).open("a") as grown:
            grown.write(text)
    assert "2 were known" in regrade(again).stdout  # only what is equal in this class


def test_grading_again_asks_nothing(again):
    regrade(again)
    done = regrade(again, "--again")
    assert "were known" not in done.stdout
    assert len(Results(again / "out").journal) == 12


def test_a_broken_cache_costs_time_and_nothing_else(again):
    for file in (again / "cache").iterdir():
        file.write_bytes(b"this is no database " * 100)
    done = regrade(again)
    assert "warning: the cache of results cannot be used" in done.stderr
    assert Results(again / "out").points("bob") == ["1.5", "1", "2.5"]


def result(*statuses, outcome=Outcome.GRADED):
    checks = [
        CheckResult(task="a", check=f"test_{place}", sentence="a", stage="whole", status=status)
        for place, status in enumerate(statuses)
    ]
    return ExerciseResult(learner="ann", module="m", exercise="e", outcome=outcome, checks=checks, output="printed")


def test_a_result_is_kept_without_the_name_of_the_learner(tmp_path):
    with Cache(tmp_path) as cache:
        cache.put("key", result(Status.PASSED))
        assert cache.get("key", "bob") == result(Status.PASSED).model_copy(update={"learner": "bob"})
        assert cache.get("another key", "bob") is None
    with sqlite3.connect(next(tmp_path.glob("*.sqlite"))) as database:
        assert b"ann" not in b"".join(row[0] for row in database.execute("SELECT result FROM results"))


def test_faults_of_the_moment_are_not_kept():
    assert is_lasting(result(Status.PASSED, Status.WRONG, Status.ERROR))
    assert not is_lasting(result(Status.PASSED, Status.TIMEOUT))
    assert not is_lasting(result(Status.SYSTEM))
    assert not is_lasting(result(outcome=Outcome.SYSTEM))


def test_what_nobody_asked_for_in_half_a_year_is_dropped(tmp_path):
    with Cache(tmp_path) as cache:
        cache.put("old", result(Status.PASSED))
        cache.put("used", result(Status.PASSED))
        cache.database.execute("UPDATE results SET used = used - 200 * 86400")
        cache.touch(["used"])
    with Cache(tmp_path) as cache:
        assert cache.get("old", "ann") is None
        assert cache.get("used", "ann") is not None
