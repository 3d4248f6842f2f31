"""A run that is killed, stopped or takes place again: what is graded stays graded, and the outcome is the same."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from autograder.grading.pool import Job, NodeSettings, Pool
from tests.grading.small import (
    SCALING,
    STATS,
    Results,
    command,
    environment,
    grade,
    scaling,
    write_class,
    write_small_course,
)

LEARNERS = 5
TAKES_A_WHILE = "import time; time.sleep(0.3)"
PATIENCE = 60  # seconds, for what has to happen in the end


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    return write_small_course(tmp_path_factory.mktemp("course"))


@pytest.fixture
def class_folder(tmp_path):
    wrong = scaling(top=TAKES_A_WHILE).replace("factor * x", "2.0 * x")
    learners = {f"learner{number}": {"scaling": scaling(top=TAKES_A_WHILE)} for number in range(LEARNERS - 1)}
    return write_class(tmp_path / "class", learners | {"wrong": {"scaling": wrong}})


def start(course, class_folder, out):
    """A grading run that has begun to journal results."""
    words = command(course, class_folder, "--out", out, "--jobs", 2)
    with (out.parent / "errors.txt").open("wb") as errors:
        process = subprocess.Popen(
            words,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=errors,
            preexec_fn=lambda: signal.signal(
                signal.SIGINT, signal.default_int_handler
            ),  # a job in the background has it off
            start_new_session=True,
        )
    journal = out / "journal.jsonl"
    wait_for(lambda: process.poll() is not None or (journal.exists() and journal.read_bytes().count(b"\n") >= 3))
    assert process.poll() is None, (out.parent / "errors.txt").read_text()
    return process


def wait_for(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def children(pid):
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def descendants(pid):
    found = children(pid)
    return found + [other for child in found for other in descendants(child)]


def check_outcome(out):
    """Everything is graded, once, and right."""
    results = Results(out)
    names = [(result["learner"], result["exercise"]) for result in results.journal]
    assert len(names) == len(set(names)) == 2 * LEARNERS
    expected = {f"learner{number}": ["2", "1", "3"] for number in range(LEARNERS - 1)} | {"wrong": ["1.5", "1", "2.5"]}
    assert {learner: results.points(learner) for learner in results.grades} == expected


def test_a_killed_run_goes_on_where_it_was_and_leaves_no_process_behind(course, class_folder, tmp_path):
    process = start(course, class_folder, tmp_path / "out")
    started = descendants(process.pid)
    os.killpg(process.pid, signal.SIGSTOP)
    second = grade(course, class_folder, "--out", tmp_path / "out")
    assert second.returncode == 2
    assert "is being written by another grading run" in second.stderr
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = (tmp_path / "out/journal.jsonl").read_bytes()
    assert len(before.splitlines()) < 1 + 2 * LEARNERS
    finished = grade(course, class_folder, "--out", tmp_path / "out", "--jobs", 1)
    assert finished.returncode == 0, finished.stderr
    whole = before[: before.rfind(b"\n") + 1]
    assert (tmp_path / "out/journal.jsonl").read_bytes().startswith(whole)
    assert f"{len(whole.splitlines()) - 1} of {2 * LEARNERS} results were there already" in finished.stdout
    check_outcome(tmp_path / "out")
    wait_for(lambda: not any(map(alive, started)))


def test_ctrl_c_stops_in_order_and_says_how_to_go_on(course, class_folder, tmp_path):
    process = start(course, class_folder, tmp_path / "out")
    started = descendants(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(PATIENCE) == 130
    errors = (tmp_path / "errors.txt").read_text()
    assert "stopped; what is graded is kept: run the same command again to go on" in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "out/grades.csv").exists()
    wait_for(lambda: not any(map(alive, started)))


def test_nodes_and_fork_servers_that_are_killed_are_replaced_and_their_jobs_done(course, class_folder, tmp_path):
    process = start(course, class_folder, tmp_path / "out")
    first, *others = children(process.pid)
    servers = [child for node in others for child in children(node) if is_fork_server(child)]
    for victim in (first, *servers):
        os.kill(victim, signal.SIGKILL)
    assert process.wait(PATIENCE) == 0, (tmp_path / "errors.txt").read_text()
    check_outcome(tmp_path / "out")


def is_fork_server(pid):
    return b"autograder.sandbox.zygote" in Path(f"/proc/{pid}/cmdline").read_bytes()


@pytest.fixture(scope="module")
def finished(course, tmp_path_factory):
    """A finished run of two learners, to be copied."""
    root = tmp_path_factory.mktemp("finished")
    write_class(root / "class", {"ann": {"scaling": SCALING.replace("factor * x", "2.0 * x")}, "bob": {}})
    assert grade(course, root / "class", "--out", root / "out").returncode == 0
    return root


@pytest.fixture
def again(finished, tmp_path):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_what_was_handed_in_again_is_graded_again_and_nothing_else(course, again):
    write_class(again / "class", {"ann": {}, "cid": {"stats": None}})
    assert grade(course, again / "class", "--out", again / "out").returncode == 0
    results = Results(again / "out")
    regraded = [(result["learner"], result["exercise"]) for result in results.journal[4:]]
    assert sorted(regraded) == [("ann", "scaling"), ("ann", "stats"), ("cid", "scaling"), ("cid", "stats")]
    assert {learner: results.points(learner)[2] for learner in results.grades} == {"ann": "3", "bob": "3", "cid": "2"}


def test_a_learner_who_is_gone_is_gone_from_the_grades(course, again):
    shutil.rmtree(again / "class/bob")
    assert grade(course, again / "class", "--out", again / "out").returncode == 0
    assert Results(again / "out").grades.keys() == {"ann"}


def test_points_may_change_without_grading_again(course, again):
    copy = shutil.copytree(course, again / "course")
    (copy / "grading.yml").write_text("limits: {wall_seconds: 1}\nmodules: {week1: {points: 30}}\n")
    before = (again / "out/journal.jsonl").read_bytes()
    assert grade(copy, again / "class", "--out", again / "out").returncode == 0
    assert Results(again / "out").points("ann") == ["15", "10", "25"]
    assert (again / "out/journal.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("graders/week1/test_stats.py", "# changed\n"),
        ("solutions/week1/stats.py", "# changed\n"),
        ("grading.yml", "modules: {week1: {exercises: {stats: {allow_imports: [scipy]}}}}\n"),
    ],
)
def test_results_of_other_graders_are_not_mixed(course, again, file, text):
    copy = shutil.copytree(course, again / "course")
    with (copy / file).open("a") as changed:
        changed.write(text)
    before = {path: path.read_bytes() for path in (again / "out").rglob("*") if path.is_file()}
    refused = grade(copy, again / "class", "--out", again / "out")
    assert refused.returncode == 2
    assert "holds results of a run with other exercises, graders or rules" in refused.stderr
    assert {path: path.read_bytes() for path in (again / "out").rglob("*") if path.is_file()} == before


def test_a_module_that_is_handed_in_later_joins_the_results(again, tmp_path):
    course = write_small_course(
        tmp_path / "course",
        {
            "solutions/week2/later.py": "def later(x):\n    return x\n",
            "graders/week2/test_later.py": "def test_later(learner):\n    assert learner.later(1) == 1\n",
        },
    )
    out = tmp_path / "joined"
    assert grade(course, again / "class", "--out", out).returncode == 0
    assert Results(out).points("bob") == ["2", "1", "3"]
    write_class(again / "class", {"bob": {"../later": "def later(x):\n    return x\n"}})
    finished = grade(course, again / "class", "--out", out)
    assert finished.returncode == 0, finished.stderr
    assert "4 of 6 results were there already" in finished.stdout
    assert (Results(out).grades["ann"]["total"], Results(out).grades["bob"]["total"]) == ("2.5", "4")


def test_slow_work_is_the_learners_trouble_not_a_fault_of_the_system(course):
    """The checks stay within their limits, but not within the time for the job: they are judged, by the node itself."""
    slow = scaling("import time; time.sleep(0.9)", "import time; time.sleep(0.9)")
    files = {"week1/scaling": slow.encode(), "week1/stats": STATS.encode()}
    settings = NodeSettings(str(course), ["week1/scaling"], ["numpy"], seed=0)
    with Pool(settings, 1) as pool:
        [node] = pool.nodes
        result = pool.submit(Job("ann", "week1/scaling", files, "", seconds=4.0)).result()
        assert pool.nodes == [node]
    statuses = [check.status for check in result.checks]
    assert "timeout" in statuses
    assert "system" not in statuses, json.dumps(statuses)
