"""`autograder serve` as it is run: the address it prints, the browser that opens it, the work that it grades anew."""

import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest
import uvicorn

from autograder.web import app
from autograder.web.regrade import Regrades
from autograder.web.security import Access
from tests.grading.small import environment, run_here, write_class
from tests.web.classroom import Browser, desk

PATIENCE = 120
CHROMIUM = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--enable-logging=stderr"]
CHROMIUM += ["--disable-background-networking"]


@contextmanager
def served(classroom, *options):
    """The command, and the address that it prints; ended as Ctrl-C does."""
    words = [sys.executable, "-m", "autograder", "--course", str(classroom.course.root)]
    words += ["serve", "--db", str(classroom.db), "--port", "0", "--no-open", *options]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    try:
        yield process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, "")


def until_done(regrades, learner):
    deadline = time.monotonic() + PATIENCE
    while any(run.is_open for run in regrades.of(learner)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return regrades.of(learner)[0]


def test_it_listens_on_this_machine_only_and_ends_quietly(classroom):
    with served(classroom) as address:
        assert address.startswith("http://127.0.0.1:") and "token" not in address
        with urllib.request.urlopen(address) as response:
            assert "A small course" in response.read().decode()


@pytest.mark.parametrize("options", [["--host", "0.0.0.0"], ["--token"]])
def test_a_token_is_part_of_the_address_where_others_could_come(classroom, options):
    with served(classroom, *options) as address:
        here = f"http://127.0.0.1:{address.rpartition(':')[2]}"
        assert len(address.partition("?token=")[2]) >= 32
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(here.partition("?")[0])
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(_any_host()))
        assert "A small course" in opener.open(here).read().decode()


def _any_host():
    from http.cookiejar import CookieJar, DefaultCookiePolicy

    return CookieJar(DefaultCookiePolicy(strict_domain=False))


@pytest.mark.skipif(not shutil.which("chromium"), reason="not run: needs chromium")
def test_chromium_shows_it(classroom, tmp_path):
    words = [*CHROMIUM, f"--user-data-dir={tmp_path}", "--window-size=400,2000", "--dump-dom"]
    with served(classroom) as address:
        for path, shown in {
            "learners/ann?said=override#week1/scaling": '<details class="exercise" id="week1/scaling" open="">',  # our script ran
            "heatmap": '<td class="s2">25<i>L</i></td>',
        }.items():
            done = subprocess.run([*words, address + path], capture_output=True, text=True, timeout=PATIENCE)
            assert shown in done.stdout
            assert "Refused to" not in done.stderr and "Content Security Policy" not in done.stderr


CLICKS = """
if (!location.search) location.href = "/learners/ann?click";
if (location.search === "?click") {
  const form = [...document.getElementById("week1/scaling").querySelectorAll("form")].find((each) => each.points);
  [form.points.value, form.reason.value] = ["7", "by a click"];
  form.requestSubmit();
}
"""


@pytest.mark.skipif(not shutil.which("chromium"), reason="not run: needs chromium")
@pytest.mark.parametrize("token", ["", "a-token-of-this-test"])
def test_a_form_that_chromium_sends_is_taken(classroom, tmp_path, monkeypatch, token):
    """Which origin a browser says depends on our own Referrer-Policy."""
    monkeypatch.setattr(app, "STATIC", shutil.copytree(app.STATIC, tmp_path / "static"))
    with (app.STATIC / "app.js").open("a") as script:
        script.write(CLICKS)
    access = Access(token, frozenset()) if token else Access()
    with desk(classroom) as opened, socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app.create_app(opened, access), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/{token and f'?token={token}'}"
        words = [
            *CHROMIUM,
            f"--user-data-dir={tmp_path / 'profile'}",
            "--virtual-time-budget=20000",
            "--dump-dom",
            address,
        ]
        done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE)
        server.should_exit = True
        thread.join()
    assert "The points are set" in done.stdout and "7 / 8" in done.stdout
    assert "Refused to" not in done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--db", "/nowhere/gradebook.sqlite"], "there is no gradebook"),
        (["--results", "out"], "give --submissions, too"),
        (["--submissions", "/nowhere"], "no such folder"),
        (["--host", "no such host"], "cannot listen on no such host"),
    ],
)
def test_wrong_usage_is_told(classroom, words, says):
    db = [] if "--db" in words else ["--db", classroom.db]
    done = run_here("--course", classroom.course.root, "serve", *db, "--no-open", *words)
    assert done.exit_code == 2 and says in done.output


def test_a_port_that_is_taken_is_told(classroom):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_here("--course", classroom.course.root, "serve", "--db", classroom.db, "--no-open", "--port", port)
    assert done.exit_code == 2 and "choose another with --port" in done.output


def test_work_is_graded_anew(classroom, tmp_path):
    handed_in = write_class(tmp_path / "class", {"ann": {}, "bob": {"scaling": "broken"}})
    with desk(classroom) as opened:
        regrades = Regrades(opened, handed_in)
        browser = Browser(opened, regrades=regrades)
        assert "Grade all of this learner’s work anew" in browser.page("/learners/ann")
        assert (
            browser.post("/regrade", exercise="week1/scaling")
            .headers["location"]
            .startswith("/learners/ann?said=regrade")
        )
        assert "data-reload" in browser.get("/learners/ann").text
        run = until_done(regrades, "ann")
        assert (run.state, run.says) == ("done", "1 new")
        page = browser.page("/learners/ann")
        assert "done : week1/scaling" in page and "scaling late 2 attempts" in page
        assert "data-reload" not in browser.get("/learners/ann").text
        assert "12 of 12" in browser.page("/learners/bob")  # only what was asked for
        regrades.close()


def test_what_cannot_be_graded_is_told_and_the_next_run_goes_on(classroom, tmp_path):
    handed_in = write_class(tmp_path / "class", {"bob": {}})
    with desk(classroom) as opened:
        regrades = Regrades(opened, handed_in)
        browser = Browser(opened, regrades=regrades)
        browser.post("/regrade", 400, learner="zoe")
        browser.post("/regrade", 400, exercise="week1/other")
        browser.post("/regrade")
        run = until_done(regrades, "ann")
        assert run.state == "failed" and "no such module, exercise or learner" in run.says
        assert "failed : everything" in browser.page("/learners/ann")
        regrades.close()


def test_no_run_outlasts_the_server(classroom, tmp_path):
    with desk(classroom) as opened:
        regrades = Regrades(opened, tmp_path)
        with Browser(opened, regrades=regrades).client:
            assert not regrades.is_closed
        assert regrades.is_closed


def test_one_run_at_a_time_and_none_after_the_end(classroom, tmp_path, monkeypatch):
    with desk(classroom) as opened:
        regrades = Regrades(opened, write_class(tmp_path / "class", {"bob": {}}), tmp_path / "out")
        monkeypatch.setattr(regrades, "_words", lambda run, out: [sys.executable, "-c", "import time; time.sleep(60)"])
        for learner in ("ann", "bob", "bob"):
            regrades.ask(learner)
        deadline = time.monotonic() + PATIENCE
        while regrades.process is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert [run.state for run in regrades.runs] == ["running", "waiting"]
        regrades.close()
        assert [run.state for run in regrades.runs] == ["failed", "waiting"]
        assert regrades.process is None
