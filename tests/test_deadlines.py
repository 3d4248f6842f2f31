"""Due times on the course's clock, and what late work keeps."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from autograder.deadlines import LateRules, instant, parse_time

NEW_YORK = ZoneInfo("America/New_York")
DUE = datetime(2026, 3, 6, 23, 59, tzinfo=NEW_YORK)


def kept(rules, **later):
    return LateRules(**rules).kept(DUE + timedelta(**later), DUE, NEW_YORK)


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-03-01 18:00", datetime(2026, 3, 1, 23, 0, tzinfo=UTC)),
        ("2026-07-01 18:00", datetime(2026, 7, 1, 22, 0, tzinfo=UTC)),  # summer time
        ("2026-03-01", datetime(2026, 3, 2, 4, 59, 59, tzinfo=UTC)),
        ("2026-03-01T18:00+01:00", datetime(2026, 3, 1, 17, 0, tzinfo=UTC)),
        ("2026-11-01 01:30", datetime(2026, 11, 1, 6, 30, tzinfo=UTC)),  # comes twice that night: the later one
        ("2026-03-08 02:30", datetime(2026, 3, 8, 7, 30, tzinfo=UTC)),  # skipped that night: 03:30
    ],
)
def test_a_time_on_the_course_s_clock_is_a_moment(written, moment):
    assert instant(parse_time(written), NEW_YORK) == moment


@pytest.mark.parametrize("written", ["soon", "2026-13-01", "2026-03-01 25:00", "", 5, None])
def test_what_is_no_time_is_refused(written):
    with pytest.raises(ValueError, match="should be a time such as"):
        parse_time(written)


def test_work_in_time_or_within_the_grace_keeps_everything():
    assert kept({"lose_per_day": 0.5}, minutes=-1) == 1.0
    assert kept({"lose_per_day": 0.5}, minutes=0) == 1.0
    assert kept({"lose_per_day": 0.5, "grace_minutes": 10}, minutes=10) == 1.0
    assert kept({"lose_per_day": 0.5, "grace_minutes": 10}, minutes=11) == 0.5


def test_without_a_rule_late_work_loses_nothing():
    assert kept({}, days=300) == 1.0


def test_each_day_begun_costs_its_share_up_to_the_cap():
    rules = {"lose_per_day": 0.2}
    assert [kept(rules, hours=h) for h in (1, 24, 25)] == pytest.approx([0.8, 0.8, 0.6])
    assert kept(rules, days=30) == 0.0
    assert kept(rules | {"lose_at_most": 0.7}, days=30) == pytest.approx(0.3)


def test_a_day_is_the_same_time_on_the_next_day_whatever_the_clock_does():
    saturday = datetime(2026, 3, 7, 12, 0, tzinfo=NEW_YORK)  # on Sunday the clock is put forward
    sunday = datetime(2026, 3, 8, 12, 0, tzinfo=NEW_YORK)
    assert sunday.astimezone(UTC) - saturday.astimezone(UTC) == timedelta(hours=23)
    rules = LateRules(lose_per_day=0.1)
    assert rules.kept(sunday, saturday, NEW_YORK) == pytest.approx(0.9)
    assert rules.kept(sunday + timedelta(minutes=1), saturday, NEW_YORK) == pytest.approx(0.8)
    autumn = datetime(2026, 10, 31, 12, 0, tzinfo=NEW_YORK).astimezone(UTC)
    assert rules.kept(autumn + timedelta(hours=25), autumn, NEW_YORK) == pytest.approx(
        0.9
    )  # put back: a day of 25 hours


def test_an_hour_that_the_clock_shows_twice_is_late_all_the_same():
    due = datetime(2026, 11, 1, 1, 30, tzinfo=NEW_YORK).astimezone(UTC)  # the first of the two
    assert LateRules(lose_per_day=0.1).kept(due + timedelta(minutes=40), due, NEW_YORK) == pytest.approx(0.9)


def test_hours_and_steps():
    assert kept({"lose_per_hour": 0.05}, minutes=61) == pytest.approx(0.9)
    steps = {"keep": {"48": 0.5, "24": 0.8}}
    assert [kept(steps, hours=h) for h in (1, 24, 24.1, 48, 49)] == [0.8, 0.8, 0.5, 0.5, 0.0]


def test_closed_work_keeps_nothing_whatever_the_cap():
    rules = {"lose_per_day": 0.1, "lose_at_most": 0.3, "closed_after_days": 7}
    assert kept(rules, days=7) == pytest.approx(0.7)
    assert kept(rules, days=7, minutes=1) == 0.0
