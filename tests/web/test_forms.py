"""What the forms of the dashboard do, and whose forms do nothing."""

import pytest

from tests.web.classroom import EVIL, HERE, Browser, desk

SCALE = {"exercise": "week1/scaling", "task": "scale", "points": "3.5"}
FROM_ELSEWHERE = [
    {},
    {"Origin": "null"},
    {"Origin": "http://evil.example"},
    {"Origin": "http://127.0.0.1:9000"},
    {"Origin": "https://127.0.0.1:8000"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": HERE, "Sec-Fetch-Site": "cross-site"},
    {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"},
]


def log(classroom):
    """The audit log, but for how it all began."""
    with classroom.gradebook() as gradebook:
        return [(row.author, row.action, row.details) for row in gradebook.audit()[4:]]


def test_points_by_hand_count_and_are_noted(browser, classroom):
    assert browser.post("/override", **SCALE).headers["location"] == "/learners/ann?said=override#week1/scaling"
    page = browser.page("/learners/ann?said=override")
    assert "The points are set" in page and "scaling late by hand 5.5 / 8" in page
    details = {"learner": "ann", "exercise": "week1/scaling", "task": "scale", "points": 3.5, "reason": "it is right"}
    assert log(classroom) == [("prof", "override", details)]
    assert "prof override exercise week1/scaling · task scale · points 3.5 · reason it is right" in page


def test_points_of_a_whole_exercise_can_be_set_and_taken_back(browser):
    browser.post("/override", exercise="week1/scaling", points="7")
    assert "by hand 7 / 8" in browser.page("/learners/ann")
    browser.post("/override", exercise="week1/scaling", take_back="1", reason="a slip")
    page = browser.page("/learners/ann")
    assert "scaling late 3 / 8" in page and "week1/scaling taken back prof a slip" in page


def test_an_extension_counts_and_is_noted(browser, classroom):
    browser.post("/extend", target="week1", until="2026-03-03T18:00", reason="was ill")
    page = browser.page("/learners/ann")
    assert "scaling 6 / 8 Due 2026-03-03 18:00." in page and "week1 2026-03-03 18:00 prof was ill" in page
    assert log(classroom)[0][2]["until"] == "2026-03-03T17:00:00+00:00"


@pytest.mark.parametrize(
    ("url", "fields", "says"),
    [
        ("/override", SCALE | {"learner": "zoe"}, "nobody in the gradebook is called"),
        ("/override", SCALE | {"exercise": "week1/other"}, "there is no exercise"),
        ("/override", SCALE | {"task": "other"}, "week1/scaling has no task"),
        ("/override", SCALE | {"points": "-1"}, "are no points"),
        ("/override", SCALE | {"points": "nan"}, "are no points"),
        ("/override", SCALE | {"points": ""}, "are no points"),
        ("/override", SCALE | {"reason": "  "}, "say why"),
        ("/extend", {"until": "tomorrow"}, "should be a time"),
        ("/extend", {"until": ""}, "should be a time"),
        ("/extend", {"until": "9999-12-31T23:59"}, ""),
        ("/extend", {"until": "2026-03-03", "target": "week2"}, "there is no module or exercise"),
        ("/extend", {"until": "2026-03-03", "reason": ""}, "say why"),
        ("/extend", {"until": "2026-03-03", "learner": ""}, "nobody in the gradebook is called"),
    ],
)
def test_what_makes_no_sense_changes_nothing(browser, classroom, url, fields, says):
    if says:
        assert says in browser.post(url, 400, **fields).text.replace("&#39;", "'")
        assert log(classroom) == []
    else:
        browser.post(url, **fields)
        assert browser.get("/learners/ann")


@pytest.mark.parametrize("headers", FROM_ELSEWHERE)
@pytest.mark.parametrize(("url", "fields"), [("/override", SCALE), ("/extend", {"until": "2026-03-03"})])
def test_a_form_of_another_page_is_refused(browser, classroom, url, fields, headers):
    browser.post(url, 403, headers, **fields)
    assert log(classroom) == []


@pytest.mark.parametrize("headers", [{"Origin": HERE}, {"Sec-Fetch-Site": "same-origin"}])
def test_a_form_of_our_own_is_not(browser, headers):
    browser.post("/override", headers=headers, **SCALE)


@pytest.mark.parametrize("secret", ["", "0" * 64, "é"])
def test_a_form_without_the_secret_of_its_session_is_refused(browser, classroom, secret):
    assert "not one of this session" in browser.post("/override", 403, form_secret=secret, **SCALE).text
    assert log(classroom) == []


def test_the_secret_of_another_session_is_refused(classroom):
    with desk(classroom) as opened:
        mine, other = Browser(opened), Browser(opened)
        mine.post("/override", 403, form_secret=other.secret(), **SCALE)
        other.client.cookies.clear()
        other.post("/override", **SCALE)  # which gets a session first


def test_a_huge_form_is_refused(browser, classroom):
    browser.post("/override", 403, **SCALE | {"reason": "x" * 100_000})
    assert log(classroom) == []


@pytest.mark.parametrize("url", ["/override", "/extend"])
def test_looking_at_an_address_changes_nothing(browser, url):
    browser.get(f"{url}?learner=ann&exercise=week1/scaling&points=8&reason=x", 405)


def test_a_reason_is_never_markup(browser):
    browser.post("/override", **SCALE | {"reason": EVIL})
    for url in ("/", "/learners/ann"):
        assert EVIL not in browser.get(url).text and EVIL in browser.page(url)


def test_there_is_no_button_to_grade_anew_where_the_submissions_are_not_known(browser):
    assert "anew" not in browser.page("/learners/ann")
    browser.post("/regrade", 404)
