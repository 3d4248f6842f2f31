"""Who may see the dashboard, and what a browser may do with it."""

import pytest

from autograder.web.security import Access
from tests.web.classroom import Browser, desk

TOKEN = "a-token-of-this-test"
ELSEWHERE = "http://192.0.2.7:8000"
URLS = ["/", "/heatmap", "/learners", "/learners/ann", "/checks", "/mistakes", "/grades.csv"]


@pytest.fixture
def remote(classroom):
    """The dashboard as it is off loopback."""
    with desk(classroom) as opened:
        yield Browser(opened, Access(TOKEN, frozenset()), base_url=ELSEWHERE)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "[::1", "127.0.0.1@evil.example"]
)
def test_another_name_of_this_machine_is_refused(browser, host):
    for url in (*URLS, "/static/app.css"):
        assert "ann" not in browser.get(url, 421, host=host).text


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "localhost:8000", "LOCALHOST", "[::1]:8000"])
def test_our_own_names_are_not(browser, host):
    browser.get("/", host=host)


@pytest.mark.parametrize("url", URLS)
def test_off_loopback_nothing_is_seen_without_the_token(remote, url):
    for query in ("", "?token=", "?token=wrong", "?token=%C3%A9", f"?token={TOKEN}x"):
        response = remote.get(url + query, 401)
        assert "ann" not in response.text and "set-cookie" not in response.headers


def test_the_token_is_asked_for_once_and_leaves_the_address(remote):
    response = remote.get(f"/?token={TOKEN}", 303)
    assert response.headers["location"] == "/"
    cookie = response.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and TOKEN not in cookie
    for url in URLS:
        remote.get(url)
    remote.post("/override", exercise="week1/scaling", points="1")


def test_a_session_cannot_be_made_up(remote):
    other = Access(TOKEN, frozenset())
    for cookie in (other.new_session(), "x.y", ".", "", TOKEN):
        remote.client.cookies.clear()
        remote.get("/", 401, cookie=f"autograder={cookie}")


def test_no_form_works_without_the_token(remote):
    fields = {"learner": "ann", "exercise": "week1/scaling", "points": "1", "reason": "x", "form_secret": "x"}
    assert remote.client.post("/override", data=fields, headers={"Origin": ELSEWHERE}).status_code == 401


def test_the_style_says_nothing_about_anybody(remote):
    response = remote.get("/static/app.css")
    assert "set-cookie" not in response.headers
    remote.get("/static/../app.py", 401)
    remote.get("/static/..%2fapp.py", 404)


@pytest.mark.parametrize("url", [*URLS, "/nothing", "/static/app.js"])
def test_a_browser_may_do_nothing_else_with_a_page(browser, url):
    headers = browser.client.get(url).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff" and headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "same-origin"


def test_a_fault_of_ours_shows_nothing_and_has_the_headers_too(classroom):
    with desk(classroom) as opened:
        browser = Browser(opened)
        browser.client._transport.raise_server_exceptions = False
        opened._refresh = lambda: 1 / 0
        response = browser.get("/", 500)
        assert "ZeroDivision" not in response.text and response.headers["x-content-type-options"] == "nosniff"
