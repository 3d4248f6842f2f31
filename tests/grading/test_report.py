"""The files that a graded class becomes: grades.csv for the instructor, a page and a JSON for each learner."""

import csv
import io
import json
import re

import pytest

from autograder.catalog import Course
from autograder.gradebook.report import file_name, grades_csv, write_reports
from autograder.grading.graded import Graded
from autograder.grading.results import CheckResult, ExerciseResult, Outcome, Status
from autograder.grading.submission import Submission
from autograder.policy import Policy
from tests.grading.small import Results, write_small_course
from tests.grading.test_hidden import Tags

TASKS = {"week1/scaling": ("scale", "shift"), "week1/stats": ("centre",)}
MARKUP = '<b onclick="x()">&amp;</b>'


def check(task, status=Status.PASSED, **fields):
    given = {"sentence": f"{task} works", "stage": "whole"} | fields
    return CheckResult(task=task, check=f"test_{task}", status=status, **given)


def exercise_result(learner, exercise, status=Status.PASSED, outcome=Outcome.GRADED, **fields):
    module, name = exercise.split("/")
    checks = [check(task, status) for task in TASKS[exercise]] if outcome is Outcome.GRADED else []
    given = {"learner": learner, "module": module, "exercise": name, "outcome": outcome, "checks": checks} | fields
    return ExerciseResult(**given)


@pytest.fixture
def reports(tmp_path):
    """Write the reports of a class: grading.yml, the learners, and those results that are not simply all passed."""

    def write(*results, learners=("ann",), policy="", notes=()):
        course = Course(write_small_course(tmp_path / "course", {"grading.yml": policy}))
        known = {(learner, name): exercise_result(learner, name) for learner in learners for name in TASKS}
        known |= {(result.learner, result.exercise_id): result for result in results}
        submissions = [Submission(learner, notes=list(notes)) for learner in learners]
        graded = Graded(Policy.load(course), course.exercises, submissions, known, 0)
        write_reports(graded, tmp_path / "out")
        assert grades_csv(graded) == (tmp_path / "out/grades.csv").read_text()
        return Results(tmp_path / "out")

    return write


def test_grades_csv_has_a_row_for_each_learner(reports):
    written = reports(exercise_result("bob", "week1/scaling", Status.WRONG), learners=("ann", "bob"))
    assert (written.out / "grades.csv").read_text() == (
        "learner,week1/scaling,week1/stats,total,possible,status\nann,2,1,3,3,graded\nbob,0,1,1,3,graded\n"
    )


def test_points_are_shared_by_checks_and_not_rounded_to_whole_numbers(reports):
    checks = [check("scale"), check("scale", Status.WRONG), check("scale", Status.ERROR), check("shift")]
    written = reports(exercise_result("ann", "week1/scaling", checks=checks))
    assert written.points("ann") == ["1.3333", "1", "2.3333"]
    assert "2.33</b> of 3 points" in written.html("ann")


@pytest.mark.parametrize("outcome", [Outcome.MISSING, Outcome.REFUSED])
def test_what_was_not_handed_in_or_cannot_be_read_is_a_zero_with_its_reason(reports, outcome):
    written = reports(exercise_result("ann", "week1/stats", outcome=outcome, note="stats.py is not there"))
    assert written.points("ann") == ["2", "0", "2"]
    assert "stats.py is not there" in written.html("ann")


@pytest.mark.parametrize(
    "result",
    [
        exercise_result("ann", "week1/stats", outcome=Outcome.SYSTEM, note="secret words of a node"),
        exercise_result("ann", "week1/stats", Status.SYSTEM, note="secret words of a node"),
    ],
)
def test_a_fault_of_the_system_is_blank_everywhere_and_never_a_zero(reports, result):
    written = reports(result, learners=("ann", "bob"))
    assert written.points("ann") == ["2", "", ""]
    assert written.grades["ann"]["status"] == "to be graded again"
    assert written.points("bob") == ["2", "1", "3"]
    feedback = written.feedback("ann")
    assert feedback["earned"] is None
    assert [exercise["earned"] for exercise in feedback["exercises"]] == [2, None]
    page = written.html("ann")
    assert "could not be graded for reasons that are not yours; it will be graded again" in page
    assert "– / 1" in page
    assert "0 / 1" not in page.partition("<details")[0]
    assert "secret words" not in page + json.dumps(feedback)


@pytest.mark.parametrize(
    ("visibility", "words"),
    [
        ("after_due_date", "Results are shown after the due date."),
        ("after_published", "Results are shown when they are published."),
        ("hidden", "Results of this exercise are not shown."),
    ],
)
def test_withheld_exercises_show_nothing_but_that(reports, visibility, words):
    checks = [check("centre", Status.WRONG, message="a message", card="a card", says="a hint", sentence="a sentence")]
    result = exercise_result("ann", "week1/stats", checks=checks, note="a note")
    policy = f"modules: {{week1: {{exercises: {{stats: {{visibility: {visibility}}}}}}}}}\n"
    written = reports(result, policy=policy)
    shown, withheld = written.feedback("ann")["exercises"]
    assert withheld == {"exercise": "week1/stats", "possible": 1, "withheld": words}
    assert [task["task"] for task in shown["tasks"]] == ["scale", "shift"]
    assert written.feedback("ann")["earned"] is None  # would tell what is withheld
    page = written.html("ann")
    assert words in page
    for secret in ("a message", "a card", "a hint", "a sentence", "a note", "centre", "</b> of 3 points"):
        assert secret not in page
    assert written.points("ann") == ["2", "0", "2"]  # the instructor sees all


def test_everything_can_be_withheld_at_once(reports):
    written = reports(policy="visibility: hidden\n")
    assert all("withheld" in exercise for exercise in written.feedback("ann")["exercises"])


def test_private_parts_of_a_result_are_in_no_report(reports):
    checks = [check("centre", Status.WRONG, detail="private detail", margin=123.456)]
    result = exercise_result("ann", "week1/stats", checks=checks, output="private output", layers=["private layer"])
    written = reports(result)
    for text in (written.html("ann"), json.dumps(written.feedback("ann")), (written.out / "grades.csv").read_text()):
        assert "private" not in text
        assert "123.456" not in text
        assert "test_centre" not in text


def test_what_is_not_finished_comes_with_its_hints_closed(reports, tmp_path):
    hints = {"scaling": {"scale": ["Which sign?", "Look at <0."], "shift": ["Add."]}}
    (tmp_path / "course/exercises/week1").mkdir(parents=True)
    (tmp_path / "course/exercises/week1/hints.yml").write_text(json.dumps(hints))
    half = exercise_result("ann", "week1/scaling", checks=[check("scale", Status.WRONG), check("shift")])
    written = reports(half)
    page = (written.out / "feedback/ann.html").read_text()
    assert re.findall(r"<details class=.hint.><summary>(.*?)</summary><p>(.*?)</p>", page) == [
        ("Hint 1 of 2", "Which sign?"),
        ("Hint 2 of 2", "Look at &lt;0."),
    ]


def test_a_file_that_does_not_load_is_the_next_thing_to_mend_and_hints_can_wait(reports):
    why = "week1/scaling.py could not be loaded: SyntaxError: '(' was never closed"
    page = (
        reports(exercise_result("ann", "week1/scaling", Status.ERROR, note=why)).out / "feedback/ann.html"
    ).read_text()
    assert "Let scaling.py load" in page and "Mend scaling" not in page and "Hint" not in page


def test_every_word_is_escaped(reports):
    texts = {name: MARKUP + name for name in ("message", "card", "says", "sentence")}
    result = exercise_result(
        MARKUP, "week1/stats", checks=[check("centre", Status.WRONG, **texts)], note=MARKUP + "note"
    )
    written = reports(result, learners=(MARKUP,), policy=f"title: '{MARKUP}title'\n", notes=[MARKUP + "notes"])
    page = Tags(written.html(MARKUP))
    assert (page.open, page.active) == ([], [])
    assert "b" in page.tags  # of the points
    for name in (*texts, "note", "title", "notes"):
        assert MARKUP + name in page.text
    assert written.feedback(MARKUP)["learner"] == MARKUP


def test_a_page_is_whole_without_anything_beside_it(reports):
    page = reports().html("ann")
    assert page.startswith('<!doctype html>\n<html lang="en">')
    assert "default-src 'none'" in page
    assert not re.search(r"https?://", page)
    assert {"html", "head", "title", "body", "main", "h1", "h2"} <= Tags(page).tags


def test_pages_say_what_statuses_mean(reports):
    checks = [check("centre", status) for status in Status if status is not Status.SYSTEM]
    page = reports(exercise_result("ann", "week1/stats", checks=checks)).html("ann")
    for words in ("passed", "wrong", "error", "not started", "not reached", "too slow"):
        assert f">{words}</span>" in page


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\n=1", " =1"])
def test_a_cell_that_spreadsheets_would_run_becomes_text(reports, name):
    written = reports(learners=(name,))
    rows = list(csv.reader(io.StringIO((written.out / "grades.csv").read_bytes().decode())))
    assert rows[1][0] == f"'{name}"


def test_a_name_cannot_end_its_row(reports):
    assert [row[0] for row in csv.reader(reports(learners=("a\r=1",)).out.joinpath("grades.csv").open())] == [
        "learner",
        "a =1",
    ]


@pytest.mark.parametrize("name", ["a,b", 'say "hi"', "two\nlines", "zoë 🦊", "ann\\xff"])
def test_any_other_name_comes_back_from_grades_csv(reports, name):
    assert reports(learners=(name,)).grades.keys() == {name}


@pytest.mark.parametrize(
    "name", ["ann", "Ann_Lee-2", "s1234567", "ann@uni.example", "3f2504e0-4f89-11d3-9a0c-0305e82c3301"]
)
def test_a_simple_name_is_its_own_file_name(name):
    assert file_name(name) == name


ODD = [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "a\\b",
    "/etc/passwd",
    ".hidden",
    "-rf",
    "zoë",
    "zoe\u0308",
    "zoe",
    "a b",
    "a  b",
    "a\nb",
]
ODD += ["a\x00b", "x" * 300, "x" * 301, "<script>", "con:", "ann\udcff", "🦊", "🦁", "=1+1", "Ann", "ann"]


def test_odd_names_get_safe_file_names_of_their_own():
    names = [file_name(name) for name in ODD]
    assert len(set(names)) == len(ODD)
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,99}", name) for name in names)
    assert len({file_name(name) for name in names} | set(names)) == len({*names, *map(file_name, names)})


def test_nobody_can_choose_the_file_name_of_somebody_else():
    taken = file_name("zoë <b>")
    assert file_name(taken) != taken


def test_reports_are_replaced_whole(reports, tmp_path):
    before = reports().html("ann")
    written = reports(exercise_result("ann", "week1/stats", Status.WRONG))
    assert written.html("ann") != before
    assert sorted(path.name for path in (tmp_path / "out").rglob("*") if path.is_file()) == [
        "ann.html",
        "ann.json",
        "class.json",
        "grades.csv",
    ]
