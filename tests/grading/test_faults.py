"""A class graded through kills at random moments, a full disk and a clock that jumps: the same grades, nothing lost or twice.

AUTOGRADER_KILLS=200 makes the first test a long one.
"""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.grading.small import SCALING, Results, command, environment, finish, grade, write_class, write_small_course

KILLS = int(os.environ.get("AUTOGRADER_KILLS", "12"))
LEARNERS = 12
LATEST = 4.0  # seconds after the start of a run at which something is killed
VICTIMS = ("run", "node", "fork server", "grading child", "worker")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("faults")
    write_small_course(root / "course")
    for number in range(LEARNERS):
        work = SCALING.replace("factor * x", f"factor * x + {number % 3} * 0.5")
        write_class(
            root / "class", {f"learner{number:02}": {"scaling": f"# {number}\nimport time; time.sleep(0.1)\n{work}"}}
        )
    done = grade(root / "course", root / "class", "--out", root / "undisturbed")
    assert done.returncode == 0, done.stderr
    return root


def without_noise(out):
    """The results in a journal, but for how long they took; each of them is there once."""
    results = {}
    for line in Results(out).journal:
        name = line["learner"], line["exercise"]
        assert name not in results, f"{name} was graded twice"
        checks = [{key: value for key, value in check.items() if key != "seconds"} for check in line["checks"]]
        results[name] = line | {"seconds": 0, "checks": checks}
    return results


def children(pid):
    try:
        return [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except (FileNotFoundError, ProcessLookupError):
        return []


def victims(run, kind):
    nodes = children(run)
    servers, grading = [], []
    for child in (child for node in nodes for child in children(node)):
        (servers if is_fork_server(child) else grading).append(child)
    workers = [worker for server in servers for worker in children(server)]
    return dict(zip(VICTIMS, ([run], nodes, servers, grading, workers), strict=True))[kind]


def is_fork_server(pid):
    try:
        return b"autograder.sandbox.zygote" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


def disturbed(words, kind, delay, errors):
    """Run to the end, but kill one process of that kind after the delay. What was killed, and the exit status."""
    with errors.open("wb") as stderr:
        process = subprocess.Popen(words, env=environment(), stdout=stderr, stderr=stderr, start_new_session=True)
    end, killed = time.monotonic() + delay, 0
    while process.poll() is None and not killed:
        if time.monotonic() >= end:
            for victim in victims(process.pid, kind)[:1]:
                try:
                    os.kill(victim, signal.SIGKILL)
                    killed += 1
                except ProcessLookupError:
                    pass
        time.sleep(0.002)
    return killed, process.wait(120)


def test_kills_at_random_moments_lose_nothing_and_double_nothing(root, tmp_path):
    expected, grades = without_noise(root / "undisturbed"), Results(root / "undisturbed").grades
    luck, kills, runs = random.Random(4), 0, 0
    while kills < KILLS:
        out, errors = tmp_path / f"out{runs}", tmp_path / "errors.txt"
        words = command(root / "course", root / "class", "--out", out, "--jobs", 2)
        status = None
        while status != 0:
            killed, status = disturbed(words, luck.choice(VICTIMS), luck.uniform(0.0, LATEST), errors)
            kills += killed
            assert status in (0, -signal.SIGKILL), errors.read_text()
            if kills >= KILLS and status != 0:
                status = finish(words).returncode
        runs += 1
        found = without_noise(out)
        assert [found[name] for name in found if found[name] != expected[name]] == []
        assert found.keys() == expected.keys()
        assert Results(out).grades == grades


def test_a_full_disk_is_told_and_costs_nothing(root, tmp_path):
    out = tmp_path / "out"
    words = command(root / "course", root / "class", "--out", out)
    limit = (root / "undisturbed/journal.jsonl").stat().st_size // 2
    # A file that may not grow fails as on a full disk, in the middle of a write.
    stopped = subprocess.run(
        words,
        env=environment(),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY)),
    )
    assert stopped.returncode == 2
    assert "journal.jsonl cannot be written: File too large" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    kept = len(Results(out).journal) if (out / "journal.jsonl").read_bytes().endswith(b"\n") else None
    done = finish(words)
    assert done.returncode == 0, done.stderr
    assert without_noise(out) == without_noise(root / "undisturbed")
    assert kept is None or f"{kept} of" in done.stdout


def test_a_clock_that_jumps_changes_nothing(root, tmp_path):
    """An hour back or a day ahead, each time anybody asks."""
    jumping = (
        "import random, sys, time; real = time.time; "
        "time.time = lambda: real() + random.choice([-3600.0, 0.0, 86400.0]); "
        "from autograder.cli import app; sys.argv = sys.argv[1:]; app()"
    )
    words = command(root / "course", root / "class", "--out", tmp_path / "out")
    assert words[1:3] == ["-m", "autograder"]
    done = finish([sys.executable, "-c", jumping, *words[2:]])
    assert done.returncode == 0, done.stderr
    assert without_noise(tmp_path / "out") == without_noise(root / "undisturbed")


def test_reports_that_cannot_be_written_do_not_cost_the_results(root, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "journal.jsonl").touch()
    (out / "grades.csv").mkdir()
    done = grade(root / "course", root / "class", "--out", out)
    assert done.returncode == 2
    assert "grades.csv cannot be written" in done.stderr and "the results are kept" in done.stderr
    assert len([json.loads(line) for line in (out / "journal.jsonl").read_text().splitlines()]) == 1 + 2 * LEARNERS
