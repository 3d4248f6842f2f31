"""The gradebook in Postgres: what SQLite does for one machine, for several."""

import os

import pytest

from autograder.gradebook.store import Gradebook
from tests.gradebook.test_gradebook import IN_TIME, ONE_DAY_LATE, WRONG, Class

URL = os.environ.get("AUTOGRADER_TEST_DATABASE")
pytestmark = pytest.mark.skipif(
    not URL,
    reason="not run: name an empty database in AUTOGRADER_TEST_DATABASE, as postgresql+psycopg://user@host/name",
)


def test_a_class_is_imported_late_work_counts_less_and_what_was_decided_by_hand_outlasts_it(tmp_path):
    klass = Class(tmp_path)
    klass.db = URL
    assert klass.hand_in({"ann": {"scaling": WRONG}, "bob": {}}, IN_TIME) == "4 new\n"
    assert klass("import", tmp_path / "out") == "4 unchanged\n"
    assert klass.points("ann") < klass.points("bob") == 8
    klass("override", "ann", "stats", "1", "--reason", "shown at the board")
    assert klass.hand_in({"ann": {}}, ONE_DAY_LATE) == "2 new, 2 unchanged\n"
    assert (klass.points("ann"), klass.points("ann", "week1/stats")) == (6, 1)  # the earlier attempt is the better one
    assert "H 1.0" in klass("show")


def test_two_may_write_at_once():
    with Gradebook(URL, course="both", author="ann") as one, Gradebook(URL, course="both", author="bob") as other:
        with one.change("first", {}), other.change("second", {}):
            pass
        one.add_learner("eve")
        other.add_learner("dan")
        assert [learner.name for learner in one.learners()] == ["dan", "eve"]
        assert {entry.author for entry in one.audit()} == {"ann", "bob"}
