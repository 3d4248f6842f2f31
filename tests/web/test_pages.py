"""What the pages of the dashboard say about a class."""

import csv
import io
import re
from datetime import UTC, datetime

import pytest

from autograder.web.desk import Desk
from tests.web.classroom import EVIL, RULES, SAYS, Browser, desk, hand_in, result

PAGES = ["/", "/heatmap", "/heatmap?by=exercise", "/learners", "/learners/ann", "/checks", "/mistakes"]


def cells(browser, url, learner):
    """The heatmap's row of somebody: the total, then the cells."""
    row = re.search(rf"<tr[^>]*><th scope=\"row\"><a[^>]*><bdi>{learner}</bdi>.*?</tr>", browser.get(url).text)[0]
    return [re.sub("<[^>]*>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)]


def grades(browser, url="/grades.csv"):
    return {row["learner"]: row for row in csv.DictReader(io.StringIO(browser.get(url).text, newline=""))}


def test_the_overview_counts_the_class(browser):
    page = browser.page("/")
    assert "4 learners 2 exercises with 3 tasks, 12 points" in page
    assert "6 handed in 0 not handed in, not overdue 2 handed in late 2 missing" in page
    assert "week1 2 2026-03-01 18:00 47 % 6 of 8 2 2" in page  # (5 + 12 + 6) of 48 points


def test_the_distribution_can_be_read_without_seeing_it(browser):
    svg = re.search(r"<svg.*?</svg>", browser.get("/").text, re.S)[0]
    assert 'role="img"' in svg and "0–10 %: 1; 40–50 %: 1; 50–60 %: 1; 90–100 %: 1" in svg


def test_the_heatmap_has_a_cell_for_each_task(browser):
    assert cells(browser, "/heatmap", "bob") == ["100 %", "100", "100", "100"]
    assert cells(browser, "/heatmap", "ann") == ["41 %", "25L", "50L", "50L"]
    assert cells(browser, "/heatmap", "cid") == ["0 %", "M", "M", "M"]
    assert cells(browser, "/heatmap?by=exercise", "ann") == ["41 %", "37L", "50L"]


def test_the_heatmap_shows_points_by_hand_where_they_are(browser):
    browser.post("/override", exercise="week1/scaling", task="scale", points="3")
    assert cells(browser, "/heatmap", "ann") == ["58 %", "75LH", "50L", "50L"]
    browser.post("/override", exercise="week1/scaling", task="", points="8")
    assert cells(browser, "/heatmap", "ann") == ["83 %", "100LH", "100LH", "50L"]


@pytest.mark.parametrize("query", ["learner=BO", "learner=ray", "learner=bob@"])
def test_learners_are_found_by_any_of_their_names(browser, query):
    assert "bob" in browser.page(f"/heatmap?{query}") and "ann" not in browser.page(f"/heatmap?{query}")
    assert list(grades(browser, f"/grades.csv?{query}")) == ["bob"]


def test_a_filter_that_fits_nothing_says_so(browser):
    assert "fits these filters" in browser.page("/heatmap?module=week2")
    assert "Nobody fits these filters" in browser.page("/learners?learner=zoe")
    assert "Nothing is graded that fits" in browser.page("/checks?module=week2")


def test_late_and_missing_are_listed(browser):
    late, missing = browser.page("/learners?show=late"), browser.page("/learners?show=missing&sort=missing")
    assert "ann 5 41 % 2 of 2 2 late week1/scaling week1/stats" in late and "bob" not in late
    assert "2 missing week1/scaling week1/stats" in missing and "ann" not in missing


def test_checks_are_ordered_by_how_often_they_fail(browser):
    page = browser.page("/checks")
    order = [page.index(name) for name in ("test_scale_doubles", "test_centre")]
    assert order == sorted(order)
    assert "test_scale_doubles mechanism 33 % 1 of 3" in page and "test_centre mechanism 0 % 0 of 3" in page
    assert page.index("test_scale_doubles") < page.index("test_centre")
    assert browser.page("/checks?text=mean").count("test_") == 1


def test_mistakes_are_grouped_by_name(browser):
    page = browser.page("/mistakes")
    assert "1 learner made a known mistake" in page
    assert f"forgets the factor in scale of week1/scaling 1 learner {SAYS} ann" in page
    assert f"week1/scaling shift 1 {EVIL}" in page  # no known mistake fits


def test_a_learner_has_every_attempt_and_every_check(browser, classroom):
    with classroom.gradebook() as gradebook:
        gradebook.extend("ann", "week1", datetime(2026, 3, 2, 12, 30, tzinfo=UTC), "was ill")
    page = browser.page("/learners/ann")
    assert "Due 2026-03-02 13:30." in page and "2026-03-02 13:00" in page
    assert "Every entry is multiplied. at [2, 3] The factor is not used. for you alone fed in at [2, 3]" in page
    assert "extend target week1 · until 2026-03-02 13:30 · reason was ill" in page


def test_nobody_is_not_found(browser):
    assert "Nobody in the gradebook is called 'zoe'" in browser.get("/learners/zoe", 404).text.replace("&#39;", "'")
    browser.get("/nothing", 404)


def test_the_grades_can_be_downloaded(browser):
    response = browser.get("/grades.csv")
    assert response.headers["content-disposition"] == 'attachment; filename="grades.csv"'
    rows = grades(browser)
    assert (rows["ann"]["week1/scaling"], rows["ann"]["total"], rows["ann"]["late"]) == ("3.0", "5.0", "2")
    assert rows["cid"]["missing"] == "2" and rows["bob"]["email"] == "bob@example.edu"
    assert list(grades(browser, "/grades.csv?show=missing")) == ["cid"]
    assert grades(browser, "/grades.csv?by=task")["ann"]["week1/scaling/shift"] == "2.0"


def test_no_cell_is_a_formula(browser):
    assert grades(browser)["cid"]["full_name"] == "'=cmd()"


@pytest.mark.parametrize(
    "url", [*PAGES, "/learners/%3Cscript%3Ealert%281%29%3C%2Fscript%3E", f"/heatmap?learner={EVIL}&by={EVIL}"]
)
def test_what_learners_chose_is_never_markup(browser, url):
    html = browser.get(url).text
    assert "<script>" not in html and "alert(1)<" not in html
    assert "style=" not in html and " on" not in re.sub(r">[^<]*<", "><", html)  # no inline style, no handler


def test_an_evil_name_has_a_page(browser):
    assert EVIL in browser.page("/learners/%3Cscript%3Ealert%281%29%3C%2Fscript%3E")


@pytest.mark.parametrize("url", PAGES)
def test_pages_can_be_used_without_seeing_them(browser, url):
    html = browser.get(url).text
    assert html.count("<h1") == 1 and 'lang="en"' in html and 'href="#main"' in html
    for field in re.findall(r"<(?:input|select)(?![^>]*hidden)[^>]*>", html):
        assert re.search(rf"<label[^>]*>[^<]*{re.escape(field)}", html), field
    assert all("aria-" in bar for bar in re.findall(r"<progress[^>]*>", html))
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))


def test_a_change_of_the_rules_shows_at_once(browser, classroom):
    classroom.course.grading_file.write_text(RULES.replace("0.5", "0.25").replace("points: 8", "points: 80"))
    assert cells(browser, "/heatmap", "ann") == ["57 %", "37L", "75L", "75L"]


def test_wrong_rules_are_told(browser, classroom):
    classroom.course.grading_file.write_text("modles: {}\n")
    assert "modles" in browser.get("/", 500).text
    classroom.course.grading_file.write_text(RULES)
    assert "4 learners" in browser.page("/")


def test_what_others_change_shows_at_once(browser, classroom):
    browser.get("/heatmap")
    with classroom.gradebook() as gradebook:
        gradebook.override("cid", "week1/stats", "", 4.0, "oral exam")
        assert cells(browser, "/heatmap", "cid") == ["33 %", "M", "M", "100H"]
        hand_in(
            gradebook,
            classroom.policy,
            {"ann": {"scaling": result("ann", "scaling")}},
            gradebook.learner("bob").attempts[0].submitted_at,
        )
        assert cells(browser, "/heatmap", "ann") == ["83 %", "100", "100", "50L"]
        assert "forgets the factor" not in browser.page("/mistakes")
        assert "test_scale_multiplies mechanism 0 % 0 of 3" in browser.page("/checks")
        gradebook.add_learner("dan")
        assert cells(browser, "/heatmap", "dan") == ["0 %", "M", "M", "M"]


def test_a_new_verdict_on_the_same_work_shows_at_once(browser, classroom):
    browser.get("/checks")
    again = result("bob", "scaling", ("test_shift_adds",)).model_copy(
        update={"sha256": result("bob", "scaling").sha256}
    )
    with classroom.gradebook() as gradebook:
        hand_in(
            gradebook, classroom.policy, {"bob": {"scaling": again}}, gradebook.learner("bob").attempts[0].submitted_at
        )
    assert cells(browser, "/heatmap", "bob") == ["66 %", "100", "0", "100"]
    assert "test_shift_adds mechanism 66 % 2 of 3" in browser.page("/checks")
    assert "1 attempt" not in browser.page("/learners/bob") and "0 of 1 checks" in browser.page("/learners/bob")


def test_what_failed_half_way_is_counted_anew(browser, classroom):
    page = browser.page("/heatmap")
    with desk(classroom) as opened:
        with opened.at_work() as work, pytest.raises(KeyError), work.gradebook.change("nothing"):
            work.book.people["ann"].full_name = "somebody else"
            raise KeyError
        assert opened.work is None
        assert Browser(opened).page("/heatmap") == page


def test_an_empty_gradebook_has_pages(classroom):
    with Desk(classroom.course, str(classroom.db), "another class") as opened:
        for url in [*PAGES[:4], *PAGES[5:], "/grades.csv"]:
            Browser(opened).get(url)
