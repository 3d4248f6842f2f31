"""The page of `autograder progress --web`, and the table of `autograder progress`."""

import re
import shutil
import subprocess
from datetime import date, datetime

import pytest

from autograder.practice import record
from autograder.practice.page import Axis, calendar, plot, render, streak, write_page
from autograder.practice.runs import Curve
from tests.grading.small import run_here

TODAY = date(2026, 3, 4)
NOON = datetime(2026, 3, 4, 12)


@pytest.fixture
def begun(course):
    """A learner who has one task right and one wrong."""
    with record.changing(course) as noted:
        noted.note("week1/scaling", {"double": "wrong", "half": "not_started"}, "1", NOON.replace(hour=11))
        noted.note("week1/scaling", {"double": "passed", "half": "wrong"}, "2", NOON.replace(hour=11, minute=5))
        noted.task("week1/scaling", "half").hints = 2
    return course


def page(course):
    return render(course, record.load(course), TODAY)


def test_it_says_how_far_one_is_and_what_is_next(begun):
    html = page(begun)
    assert "<b>1</b> of 3 tasks pass" in html
    assert "<b>1</b> day in a row" in html
    assert "Next: <b>half</b> in <code>exercises/week1/scaling.py</code>" in html
    assert "2026-03-04 11:00: wrong" in html and "2026-03-04 11:05: passed" in html


def test_it_is_one_file_that_needs_no_network_and_runs_no_script(begun):
    html = page(begun)
    assert not re.search(r"(?:src|href)=[\"'](?!data:|#)", html)
    assert "<script" not in html and "default-src 'none'" in html


def test_every_picture_has_a_text_and_every_bar_a_label(begun):
    (begun.exercises_dir / "week1/data_flow.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    html = page(begun)
    assert re.search(r'<img src="data:image/svg\+xml;base64,[^"]+" alt="diagram: data flow">', html)
    assert all("aria-label=" in bar for bar in re.findall(r"<progress[^>]*>", html))
    assert all('role="img"' in svg and "aria-label=" in svg for svg in re.findall(r"<svg[^>]*>", html))


def test_names_from_files_are_shown_as_text(begun):
    shown = plot("<b>loss", [Curve("<script>alert(1)</script>", "<b>loss", [0, 1], [1.0, 0.5])])
    assert shown["lines"][0]["run"] == "<script>alert(1)</script>"
    path = begun.root / "runs/<i>run"
    path.mkdir(parents=True)
    tensorboard = pytest.importorskip("tensorboard.summary.writer.event_file_writer", reason="needs tensorboard")
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    writer = tensorboard.EventFileWriter(str(path))
    for step in range(3):
        value = Summary.Value(tag="loss/<u>train", simple_value=1.0 / (step + 1))
        writer.add_event(Event(step=step, summary=Summary(value=[value])))
    writer.close()
    html = page(begun)
    assert "&lt;i&gt;run" in html and "loss/&lt;u&gt;train" in html
    assert "<i>run" not in html and "<u>" not in html
    assert "<td>0.3333</td>" in html


def test_a_streak_holds_until_a_whole_day_is_missed():
    days = {"2026-03-01": 1, "2026-03-02": 4, "2026-03-03": 1}
    assert streak(days, date(2026, 3, 3)) == streak(days, TODAY) == 3
    assert streak(days, date(2026, 3, 5)) == 0


def test_the_calendar_ends_today_and_its_weeks_begin_on_monday():
    squares = calendar({"2026-03-04": 3, "2026-03-02": 25}, TODAY)["squares"]
    assert squares[-1]["says"] == "04 March 2026: 3 checks" and squares[-1]["level"] == 2
    assert squares[-3]["y"] == 0 and squares[-3]["level"] == 4  # a Monday
    assert len(squares) == 25 * 7 + 3


@pytest.mark.parametrize("values", [[], [1.0], [2.0, 2.0], [float("nan"), 1.0, float("inf")], [1e-8, 2e8]])
def test_any_curve_can_be_drawn(values):
    shown = plot("loss", [Curve("run", "loss", list(range(len(values))), values)])
    numbers = [float(number) for number in re.findall(r"[-\d.]+", shown["lines"][0]["points"])]
    assert all(0 <= number <= shown["width"] for number in numbers)


def test_ticks_are_round_numbers_in_the_range():
    assert Axis(0, 119, 0, 1).ticks() == [0, 50, 100]
    assert [round(tick, 9) for tick in Axis(0.11, 0.47, 0, 1).ticks()] == [0.2, 0.3, 0.4]


def test_the_terminal_has_the_same_numbers(begun):
    shown = run_here("--course", begun.root, "progress").output
    assert re.search(r"✓ scaling.double +2 ", shown) and re.search(r"✗ scaling.half +wrong +1 .* 2$", shown, re.M)
    assert "1 more are not started" in shown


def test_the_web_command_says_where_the_page_is(begun):
    shown = run_here("--course", begun.root, "progress", "--web", "--no-open")
    assert shown.output.strip() == str(begun.root / ".autograder/progress.html")


@pytest.mark.skipif(not shutil.which("chromium"), reason="not run: needs chromium")
def test_chromium_lays_it_out(begun, tmp_path):
    words = [
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
    ]
    words += [f"--user-data-dir={tmp_path}", "--window-size=400,2000", "--enable-logging=stderr", "--dump-dom"]
    done = subprocess.run([*words, write_page(begun, TODAY).as_uri()], capture_output=True, text=True, timeout=120)
    assert "1 / 2" in done.stdout
    assert "Refused to" not in done.stderr and "Content Security Policy" not in done.stderr
