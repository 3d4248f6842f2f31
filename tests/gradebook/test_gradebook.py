"""A gradebook from the first import to the published pages: attempts, late work, extensions, points given by hand."""

import csv
import os
import shutil
import sqlite3
from datetime import UTC, datetime

import pytest

from autograder.catalog import Course
from autograder.gradebook.book import Book
from autograder.gradebook.report import read_results
from autograder.gradebook.store import Gradebook, GradebookError
from autograder.policy import Policy
from tests.grading.small import SCALING, Results, grade, run_here, write_class, write_small_course

WRONG = SCALING.replace("factor * x", "2.0 * x")
RULES = """\
limits: {{wall_seconds: 1}}
time_zone: Europe/Berlin
modules:
  week1:
    due: 2026-03-01 18:00
    late: {{lose_per_day: 0.5}}
    attempts: {attempts}
    exercises:
      scaling: {{points: 8}}
      stats: {{points: 4}}
"""
IN_TIME, ONE_DAY_LATE, TWO_DAYS_LATE = (datetime(2026, 3, day, 12, tzinfo=UTC).timestamp() for day in (1, 2, 3))


class Class:
    """A course, what its learners hand in, and its gradebook."""

    def __init__(self, root):
        self.root, self.course, self.db = root, write_small_course(root / "course"), root / "book.sqlite"
        self.rules("best")

    def rules(self, attempts, **changes):
        text = RULES.format(attempts=attempts)
        for old, new in changes.items():
            text = text.replace(old, new)
        (self.course / "grading.yml").write_text(text)

    def hand_in(self, work, when):
        write_class(self.root / "class", work)
        for learner in work:
            for path in (self.root / "class" / learner).rglob("*.py"):
                os.utime(path, (when, when))
        done = grade(self.course, self.root / "class", "--out", self.root / "out")
        assert done.returncode == 0, done.stderr
        return self("import", self.root / "out")

    def __call__(self, *words, fails=False):
        done = run_here("--course", self.course, "gradebook", "--db", self.db, "--author", "prof", *words)
        assert (done.exit_code != 0) == fails, done.output
        return done.output

    def page(self, learner):
        """What is published for them."""
        self("report", self.root / "published")
        return Results(self.root / "published").html(learner)

    def points(self, learner, exercise="week1/scaling"):
        policy = Policy.load(Course(self.course))
        with Gradebook(str(self.db)) as gradebook:
            return round(Book(policy, gradebook).score(learner, policy.course.exercise(exercise)).earned, 4)


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Ann: wrong in time, then right a day late. Bob: right in time."""
    made = Class(tmp_path_factory.mktemp("class"))
    assert made.hand_in({"ann": {"scaling": WRONG}, "bob": {}}, IN_TIME) == "4 new\n"
    assert made.hand_in({"ann": {}}, ONE_DAY_LATE) == "2 new, 2 unchanged\n"  # stats imports scaling
    return made


@pytest.fixture
def klass(graded, tmp_path):
    """That class, to be changed."""
    copy = Class(tmp_path)
    shutil.copy(graded.db, copy.db)
    shutil.copytree(graded.root / "out", tmp_path / "out")
    copy.graded = graded
    return copy


def test_taking_in_the_same_results_again_changes_nothing(graded):
    assert graded("import", graded.root / "out") == "4 unchanged\n"


def test_what_counts_follows_the_rules_of_the_moment(klass):
    """Ann's wrong work of 6 points came in time, her right one of 8 a day late."""
    assert klass.points("bob") == 8.0
    assert klass.points("ann") == 6.0
    klass.rules("last")
    assert klass.points("ann") == 4.0
    klass.rules("average")
    assert klass.points("ann") == 5.0
    klass.rules("last", **{"lose_per_day: 0.5": "lose_per_day: 0.25"})
    assert klass.points("ann") == 6.0
    klass.rules("last", **{"2026-03-01 18:00": "2026-03-04", "points: 8": "points: 80"})
    assert klass.points("ann") == 80.0


def test_an_extension_moves_the_due_time_of_one_learner_and_only_later(klass):
    klass.rules("last")
    assert "2026-03-01 18:00 CET" not in klass(
        "extend", "ann", "--until", "2026-02-01", "--reason", "too early to help"
    )
    assert klass.points("ann") == 4.0
    said = klass("extend", "ann", "week1", "--days", "1", "--reason", "was ill")
    assert said == "ann: week1 until 2026-03-02 18:00 CET\n"
    assert klass.points("ann") == 8.0
    assert "after the due time" not in klass.page("ann")


def test_points_by_hand_outlast_every_rule_and_regrade(klass):
    assert (
        klass("override", "ann", "scaling/scale", "3.5", "--reason", "nearly") == "ann: week1/scaling counts 7.5 of 8\n"
    )
    klass.rules("last")
    assert klass.points("ann") == 5.5  # 3.5, and half of the 4 of shift
    klass.hand_in({"ann": {"scaling": WRONG, "stats": "import os\n"}, "bob": {}}, TWO_DAYS_LATE)
    assert klass.points("ann") == 3.5  # two days late nothing else is left
    assert klass("override", "ann", "scaling", "7", "--reason", "oral exam") == "ann: week1/scaling counts 7 of 8\n"
    assert "7 points were given by hand: oral exam" in klass.page("ann")
    assert klass("override", "ann", "scaling", "none") == "ann: week1/scaling counts 3.5 of 8\n"


def test_the_same_work_again_is_no_new_attempt_but_older_work_is(klass):
    assert (
        klass.hand_in({"ann": {}, "bob": {}}, TWO_DAYS_LATE) == "4 unchanged\n"
    )  # copied: the time of the first counts
    assert (
        klass.hand_in({"ann": {"scaling": WRONG}, "bob": {}}, TWO_DAYS_LATE) == "2 new, 2 unchanged\n"
    )  # stats imports scaling
    assert klass("show", "ann").count("week1/scaling") == 3


def test_a_changed_verdict_on_the_same_work_replaces_the_old_one(klass):
    grader = klass.course / "graders/week1/test_scaling.py"
    grader.write_text(grader.read_text() + "\n\ndef test_shift_twice(learner):\n    assert learner.shift(1, 1) == 2\n")
    shutil.rmtree(klass.root / "out")  # it holds verdicts of the old checks
    said = klass.hand_in({"ann": {}, "bob": {}}, ONE_DAY_LATE)
    assert said == "2 graded again, 2 unchanged\n"


def test_when_work_was_handed_in_may_be_told(klass, tmp_path):
    (tmp_path / "times.csv").write_text("learner,time\nbob,2026-03-02 12:00\n")
    klass("import", klass.graded.root / "out", "--times", tmp_path / "times.csv")
    assert klass.points("bob") == 8.0  # known work keeps its time
    with sqlite3.connect(klass.db) as database:
        database.execute("delete from check_result")
        database.execute("delete from attempt")
    klass("import", klass.graded.root / "out", "--times", tmp_path / "times.csv")
    assert klass.points("bob") == 4.0


def test_learners_without_work_are_listed_and_missing_when_it_was_due(klass, tmp_path):
    roster = tmp_path / "roster.csv"
    roster.write_text("Learner,full_name,email\ncid,Cid Ray,c@x.edu\nann,Ann Li,a@x.edu\n")
    assert klass("add-learner", "--from", roster) == "2 learners in the gradebook\n"
    shown = klass("show").splitlines()
    assert [line.split()[0] for line in shown[1:4]] == ["ann", "bob", "cid"]
    assert shown[3].split()[1:] == ["M", "M", "0.0"]


def test_the_published_pages_say_how_the_points_came_about(klass):
    page = klass.page("ann")
    assert "2 attempts: the best one counts and is shown here." in page
    klass.rules("last")
    assert "Handed in 19 hours after the due time: 50% of the points count." in klass.page("ann")
    with (klass.root / "published/grades.csv").open(newline="") as file:
        grades = {row["learner"]: row for row in csv.DictReader(file)}
    assert (grades["ann"]["week1/scaling"], grades["bob"]["total"]) == ("4", "12")


def test_the_page_says_what_to_do_next(klass):
    klass.rules("best")
    page = klass.page("ann")
    assert "What to do next" in page and "Mend scaling.scale" in page and "autograder hint scaling.scale" in page
    assert "What to do next" not in klass.page("bob")


def test_feedback_comes_as_markdown_too_and_nothing_in_it_is_markup(klass):
    klass("override", "ann", "stats", "1", "--reason", "see <b>*my* mail</b>")
    klass("report", klass.root / "published", "--format", "md")
    (text,) = [path.read_text() for path in (klass.root / "published/feedback").iterdir() if path.name == "ann.md"]
    assert text.startswith("# ann – Deep learning exercises\n\n**7** of 12 points\n")
    assert r"\<b\>\*my\* mail\</b\>" in text
    assert "- *wrong* scale multiplies by the factor" in text


@pytest.mark.skipif(not shutil.which("chromium"), reason="not run: needs chromium")
def test_feedback_comes_as_pdf(klass):
    klass("report", klass.root / "published", "--format", "pdf")
    assert (klass.root / "published/feedback/ann.pdf").read_bytes().startswith(b"%PDF-")


def test_without_a_program_for_pdf_that_is_said(klass, monkeypatch):
    monkeypatch.setenv("PATH", str(klass.root))
    assert "a PDF needs Chromium" in klass("report", klass.root / "published", "--format", "pdf", fails=True)
    assert "should be html, md or pdf" in klass("report", klass.root / "published", "--format", "doc", fails=True)


def test_exports_take_what_counts(klass, tmp_path):
    klass("override", "bob", "stats", "1", "--reason", "copied")
    done = run_here("--course", klass.course, "export", klass.db, "--to", "canvas", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "canvas.csv").read_text().splitlines()[2:] == ["ann,,ann,,10.00", "bob,,bob,,9.00"]


def test_every_change_is_noted_with_its_author(klass):
    klass("extend", "ann", "--until", "2026-03-09", "--reason", "moved house")
    noted = klass("show", "--audit").splitlines()
    assert "prof" in noted[-1] and "extend" in noted[-1] and "moved house" in noted[-1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["extend", "nobody", "--until", "2026-03-09"], "nobody in the gradebook is called 'nobody'"),
        (["extend", "anm", "--until", "2026-03-09"], 'did you mean "ann"?'),
        (["extend", "ann", "--until", "tomorrow"], "'tomorrow' should be a time such as 2026-03-01 23:59"),
        (["extend", "ann"], "give --until TIME or --days N"),
        (["extend", "ann", "week2", "--days", "1"], "has no exercise 'week2'"),
        (["override", "ann", "scaling/shif", "1"], "has no task 'shif'; did you mean \"shift\"?"),
        (["override", "ann", "scaling", "lots"], "'lots' are no points"),
        (["override", "ann", "scaling", "nan"], "'nan' are no points"),
        (["show", "eve"], "nobody in the gradebook is called 'eve'"),
        (["add-learner"], "give the name of a learner, or a roster with --from"),
        (["import", "/nowhere"], "holds no results of `autograder grade`"),
    ],
)
def test_wrong_usage_is_told_and_changes_nothing(klass, words, says):
    before = klass("show", "--audit")
    done = klass(*words, fails=True)
    assert says in done
    assert klass("show", "--audit") == before


def test_a_gradebook_that_is_not_there_is_not_made_by_looking_at_it(klass):
    klass.db = klass.root / "other.sqlite"
    assert "there is no gradebook" in klass("show", fails=True)
    assert not klass.db.exists()


def test_a_file_that_is_no_gradebook_stays_as_it_is(tmp_path):
    (tmp_path / "notes.txt").write_text("not a database, but longer than its header would be" * 9)
    with pytest.raises(GradebookError, match="file is not a database"):
        Gradebook(str(tmp_path / "notes.txt"))
    assert (tmp_path / "notes.txt").read_text().startswith("not a database")


def test_a_gradebook_of_a_newer_version_is_refused(klass):
    with sqlite3.connect(klass.db) as database:
        database.execute("update alembic_version set version_num = '9999'")
    assert "was written by a newer version of autograder" in klass("show", fails=True)


def test_what_the_database_refuses_leaves_nothing_half_done(graded, tmp_path):
    policy = Policy.load(Course(graded.course))
    results = read_results(policy, graded.root / "out")
    with Gradebook(str(tmp_path / "book.sqlite")) as gradebook:
        with sqlite3.connect(tmp_path / "book.sqlite") as database:
            database.execute(
                "create trigger full before insert on attempt when new.exercise = 'week1/stats'"
                " begin select raise(abort, 'disk full'); end"
            )
        with pytest.raises(GradebookError, match="cannot be written, nothing was changed: disk full"):
            gradebook.add_results(results)
    with Gradebook(str(tmp_path / "book.sqlite")) as gradebook:
        assert (gradebook.learners(), gradebook.audit()) == ([], [])


def test_two_classes_share_a_database(graded):
    with Gradebook(str(graded.db), "next year") as other:
        assert other.learners() == []
        other.add_learner("zoe")
    with Gradebook(str(graded.db)) as gradebook:
        assert [learner.name for learner in gradebook.learners()] == ["ann", "bob"]


def test_the_tables_are_those_that_the_migrations_make(tmp_path):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from autograder.gradebook.tables import Table

    with Gradebook(str(tmp_path / "new.sqlite")) as gradebook, gradebook.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Table.metadata) == []
