"""The record of what a learner has done: it survives upgrades, crashes and other programs."""

import json
from datetime import datetime, timedelta
from multiprocessing import get_context

from autograder.practice import record
from autograder.practice.record import Record

NOON = datetime(2026, 3, 2, 12, 0, 0)


def test_time_is_counted_between_checks_and_shared_by_what_was_worked_on():
    noted = Record()
    noted.note("m/e", {"a": "not_started", "b": "not_started"}, "1", NOON)
    noted.note("m/e", {"a": "wrong", "b": "not_started"}, "2", NOON + timedelta(seconds=60))
    noted.note("m/e", {"a": "passed", "b": "wrong"}, "3", NOON + timedelta(seconds=100))
    assert (noted.task("m/e", "a").seconds, noted.task("m/e", "b").seconds) == (80.0, 20.0)
    assert (noted.task("m/e", "a").attempts, noted.task("m/e", "b").attempts) == (2, 1)


def test_a_break_is_no_time_spent():
    noted = Record()
    noted.note("m/e", {"a": "wrong"}, "1", NOON)
    noted.note("m/e", {"a": "wrong"}, "2", NOON + timedelta(hours=9))
    noted.note("m/e", {"a": "wrong"}, "3", NOON - timedelta(hours=9))  # the clock was put back
    assert noted.task("m/e", "a").seconds == 0.0


def test_checking_again_without_a_change_is_no_attempt():
    noted = Record()
    for _ in range(3):
        noted.note("m/e", {"a": "wrong"}, "1", NOON)
    assert noted.task("m/e", "a").attempts == 1
    assert noted.days == {"2026-03-02": 1}


def test_what_has_passed_once_stays_passed_for_the_first_time():
    noted = Record()
    assert noted.note("m/e", {"a": "passed"}, "1", NOON) == ["a"]
    assert noted.note("m/e", {"a": "wrong"}, "2", NOON) == []
    assert noted.note("m/e", {"a": "passed"}, "3", NOON + timedelta(days=1)) == []
    assert noted.task("m/e", "a").passed == "2026-03-02T12:00:00"


def test_an_older_file_has_defaults_and_a_newer_ones_fields_are_kept(course):
    path = record.folder(course) / "progress.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"tasks": {"m/e/a": {"state": "passed", "mood": "proud"}}, "badges": ["first"]}))
    with record.changing(course) as noted:
        noted.note("m/e", {"a": "passed"}, "1", NOON)
    kept = json.loads(path.read_text())
    assert kept["badges"] == ["first"]
    assert kept["tasks"]["m/e/a"]["mood"] == "proud"
    assert kept["tasks"]["m/e/a"]["hints"] == 0


def test_a_damaged_file_is_put_aside(course):
    path = record.folder(course) / "progress.json"
    path.parent.mkdir()
    path.write_text("{ this was torn")
    assert record.load(course) == Record()
    [aside] = path.parent.glob("progress-damaged-*.json")
    assert aside.read_text() == "{ this was torn"


def add(root, times):
    from autograder.catalog import Course

    for _ in range(times):
        with record.changing(Course(root)) as noted:
            noted.task("m/e", "a").hints += 1


def test_two_programs_at_once_lose_nothing(course):
    context = get_context("spawn")
    processes = [context.Process(target=add, args=(course.root, 30)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert record.load(course).task("m/e", "a").hints == 60
