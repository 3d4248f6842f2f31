"""A class of attackers is graded like any other: nobody gets more than they deserve, nobody learns what is hidden, and
nobody else notices."""

import html.parser
import json
import re
from pathlib import Path

import pytest

from tests.hostile.attack import TASKS
from tests.hostile.course import FULL, HIDDEN, HONEST
from tests.hostile.leaks import LEFT_WORD, RELOADS
from tests.hostile.names import LEARNERS
from tests.hostile.table import ATTACKS

EVERY = pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
STATUSES = {"passed", "wrong", "error", "not_started", "not_reached", "timeout"}
LEFT = "left_by_hostile_suite"


def test_attacks_have_names_of_their_own():
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)
    assert all(set(attack.spoils) | set(attack.free) <= set(TASKS) for attack in ATTACKS)


# What is earned


@EVERY
def test_earns_only_what_it_deserves(graded, attack):
    passed, tasks = graded.passed(attack.name), graded.task_of()
    spoiled = {name for name, task in tasks.items() if task in attack.spoils and task not in attack.free}
    assert {name for name in spoiled if passed[name]} == set(attack.passes)
    honest = {name for name, task in tasks.items() if task not in (*attack.spoils, *attack.free)}
    assert {name for name in honest if not passed[name]} == set()


@EVERY
def test_costs_nothing_in_the_exercise_that_builds_on_it(graded, attack):
    assert list(graded.passed(attack.name, "week1/second").values()) == [True] or not attack.second


@EVERY
def test_every_check_has_a_result_that_is_a_judgement(graded, attack):
    for exercise in ("week1/basics", "week1/second"):
        result, honest = graded.of(attack.name, exercise), graded.of(HONEST[0], exercise)
        assert result["outcome"] == "graded"
        assert {check["status"] for check in result["checks"]} <= STATUSES
        assert [check["check"] for check in result["checks"]] == [check["check"] for check in honest["checks"]]


def test_threads_are_counted_only_where_a_worker_has_a_user_id_of_its_own(graded):
    has_own_uid = "uid" in graded.of("threads", "week1/basics")["layers"]
    assert graded.passed("threads")["cube"] is not has_own_uid


@pytest.mark.parametrize("learner", [*HONEST, "beside", "archive", *LEARNERS], ids=ascii)
def test_honest_work_gets_all_points(graded, learner):
    name = learner.encode(errors="surrogateescape").decode(errors="backslashreplace")
    assert [graded.grades[row]["total"] for row in graded.grades if row.removeprefix("'") == name] == [FULL]
    assert set(graded.passed(name).values()) == {True}


# What is told


@EVERY
def test_the_learner_reads_nothing_hidden(graded, attack):
    pages = graded.pages(attack.name)
    assert [what for what, text in HIDDEN.items() if text in pages] == []
    assert str(graded.out.parent) not in pages


def test_nobody_reads_anything_hidden_anywhere(graded):
    for path in [*graded.out.glob("learners/*"), *graded.out.glob("feedback/*"), graded.out / "grades.csv"]:
        text = path.name + path.read_text()
        assert [what for what, word in HIDDEN.items() if word in text] == []


@pytest.mark.parametrize("attack", RELOADS, ids=lambda attack: attack.name)
def test_a_repeated_import_is_not_quoted(graded, attack):
    loaded_at_first = graded.passed(attack.name)["scale_doubles"]
    assert not loaded_at_first or LEFT_WORD not in str(graded.feedback(attack.name)["exercises"][0])


def test_a_known_mistake_is_named(graded):
    assert "One factor of x is missing." in graded.pages("tell_by_mistake")


class Tags(html.parser.HTMLParser):
    """The tags of a page, and attributes that run or load something."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.active = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.active += [name for name, _ in attributes if name.startswith("on") or name in ("src", "href")]


def test_no_page_holds_what_a_browser_or_a_terminal_would_run(graded):
    plain = set(Tags(graded.html(HONEST[0])).tags)
    for path in graded.out.glob("feedback/*"):
        text = path.read_text()
        page = Tags(text)
        assert page.active == []
        assert set(page.tags) <= plain | {"pre", "div", "p", "ol", "br"}
        assert re.findall(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", text) == []
    for path in graded.out.glob("learners/*"):
        assert re.findall(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", path.read_text()) == []


def test_nothing_of_a_learner_reaches_the_terminal_raw(graded):
    text = graded.said["stdout"] + graded.said["stderr"]
    assert re.findall(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", text) == []


# What else the run did


def test_the_run_ends_as_if_nothing_had_happened(graded):
    assert graded.said["code"] == 0, graded.said["stderr"]
    assert "Traceback" not in graded.said["stderr"]
    assert "error" not in graded.said["stderr"]


def test_no_process_is_left(graded):
    assert graded.said["left"] == 0


def test_no_file_outside_the_results_is_changed(graded):
    assert graded.changed == []
    for folder in ("/tmp", "/dev/shm", "/", "."):
        assert not list(Path(folder).glob(f"{LEFT}*"))


def test_there_is_one_result_for_each_learner_and_exercise(graded):
    assert {path.name for path in graded.out.iterdir()} == {
        "journal.jsonl",
        "class.json",
        "grades.csv",
        "learners",
        "feedback",
    }
    assert len(graded.grades) == len(graded.learners)
    assert len(graded.journal) == 2 * len(graded.learners)
    assert len(list(graded.out.glob("learners/*"))) == len(list(graded.out.glob("feedback/*"))) == len(graded.learners)


def test_results_stay_small(graded):
    assert max(len(json.dumps(result)) for result in graded.journal) < 300_000
    assert max(path.stat().st_size for path in graded.out.glob("*/*")) < 100_000
