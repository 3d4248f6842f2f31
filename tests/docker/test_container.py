"""`autograder grade --container`, in a real container: what it grades, what holds inside, and how it ends."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autograder.authoring.sample import LEARNERS, MODULE, Sources, write_submission
from autograder.catalog import Course
from tests.courses import write_files
from tests.docker import engine
from tests.grading.small import Results, scaling, write_class, write_small_course

pytestmark = pytest.mark.slow

PATIENCE = 60  # seconds, for what has to happen in the end
SAMPLE = ("ada", "claude", "edsger", "hedy", "ken", "sophie")
NAME = "autograder-"  # of every container


@pytest.fixture(scope="module", autouse=True)
def built():
    engine.build()


def command(course, class_folder, out, *arguments):
    return [
        sys.executable, "-m", "autograder", "--course", str(course), "grade", str(class_folder), "--out", str(out),
        *map(str, arguments),
    ]  # fmt: skip


def grade(course, class_folder, out, *arguments, package=engine.ROOT):
    """Run the command to its end, with the package that is in this folder."""
    return subprocess.run(
        command(course, class_folder, out, *arguments),
        env=engine.environment(), cwd=package, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def in_container(course, class_folder, out, *arguments, **options):
    return grade(course, class_folder, out, "--container", "podman", "--no-cache", *arguments, **options)


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """Some of the sample class: right, wrong, broken and hostile work, in folders, zips and files."""
    root = tmp_path_factory.mktemp("sample")
    sources = Sources(Course(engine.ROOT).module(MODULE))
    for learner in LEARNERS:
        if learner.name in SAMPLE:
            write_submission(learner, sources, root / "class")
    return root


def test_it_grades_as_it_does_outside(sample):
    only = ("--only", f"{MODULE}/activations", "--only", f"{MODULE}/mlp")
    inside = in_container(engine.ROOT, sample / "class", sample / "inside", *only)
    outside = grade(engine.ROOT, sample / "class", sample / "outside", "--no-cache", *only)
    assert (inside.returncode, inside.stderr) == (outside.returncode, outside.stderr) == (0, "")
    assert inside.stdout == outside.stdout.replace("outside", "inside")
    ours, theirs = Results(sample / "inside"), Results(sample / "outside")
    assert ours.grades == theirs.grades
    assert ours.grades.keys() == set(SAMPLE)
    assert verdicts(ours) == verdicts(theirs)
    assert {tuple(each["layers"]) for each in ours.journal} == {without_uid(each["layers"]) for each in theirs.journal}


def verdicts(results):
    """What every check of everybody came to."""
    return {
        (result["learner"], result["exercise"]): [
            result["outcome"], result["note"],
            *((check["check"], check["status"], check["message"], check["says"]) for check in result["checks"]),
        ]
        for result in results.journal
    }  # fmt: skip


def without_uid(layers):
    """Outside, root can give every worker a user of its own; in the container nobody is root."""
    return tuple(layer for layer in layers if layer != "uid")


# Graders run beside the jail, so that they see the container as it is.
FACTS = """\
import errno, os, socket
from pathlib import Path
import pytest

STATUS = dict(line.split(":\\t", 1) for line in Path("/proc/self/status").read_text().splitlines())


@pytest.fixture(autouse=True)
def called(learner):
    assert learner.nothing() is None


def test_there_is_no_network(learner):
    assert os.listdir("/sys/class/net") == ["lo"]
    with pytest.raises(OSError):
        socket.create_connection(("1.1.1.1", 53), timeout=5)


def test_the_user_is_not_root(learner):
    assert os.getresuid() == (65534,) * 3
    assert os.getresgid() == (65534,) * 3


def test_there_are_no_capabilities_and_none_to_be_had(learner):
    assert [int(STATUS[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")] == [0, 0, 0]
    assert STATUS["NoNewPrivs"] == "1"


@pytest.mark.parametrize("folder", ["/", "/usr", "/venv", "/var/tmp", "/grading/course", "/grading/submissions"])
def test_nothing_can_be_written_in(learner, folder):
    assert not os.access(folder, os.W_OK)
    with pytest.raises(OSError) as refused:
        Path(folder, "new").touch()
    assert refused.value.errno == errno.EROFS


def test_temporary_files_have_a_bounded_place_without_programs(learner):
    place = os.statvfs("/tmp")
    assert place.f_blocks * place.f_frsize == 1 << 30
    assert place.f_flag & os.ST_NOEXEC


def test_memory_is_limited(learner):
    limit = next(p for p in map(Path, ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")) if p.exists())
    assert int(limit.read_text()) == (1024 + 1024 + 256) << 20


def test_processes_are_limited(learner):
    limit = next(p for p in map(Path, ("/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/pids/pids.max")) if p.exists())
    assert int(limit.read_text()) == 256


def test_the_engine_filters_system_calls_too(learner):
    assert STATUS["Seccomp"] == "2"
"""


def test_what_holds_inside(tmp_path):
    files = {
        "course/solutions/box/inside.py": "def nothing():\n    return None\n",
        "course/graders/box/test_inside.py": FACTS,
        "course/grading.yml": "limits: {memory_mb: 256}\n",
        "class/ann/inside.py": "def nothing():\n    return None\n",
    }
    write_files(tmp_path, files)
    done = in_container(tmp_path / "course", tmp_path / "class", tmp_path / "out", "--jobs", 1)
    assert (done.returncode, done.stderr) == (0, "")
    statuses = Results(tmp_path / "out").statuses("ann", "box/inside")
    assert len(statuses) == 13
    assert set(statuses.values()) == {"passed"}, statuses


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    return write_small_course(
        tmp_path_factory.mktemp("small") / "course"
    )  # which others can read, unlike the folder around it


@pytest.fixture
def class_folder(tmp_path):
    slow = scaling(top="import time; time.sleep(0.3)")
    return write_class(tmp_path / "class", {f"learner{number}": {"scaling": slow} for number in range(6)})


def wait_for(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def containers():
    return [name for name in engine.podman("ps", "--all", "--format={{.Names}}").stdout.split() if NAME in name]


def start(course, class_folder, out):
    """A run in a container that has begun to journal results."""
    words = command(course, class_folder, out, "--container", "podman", "--no-cache", "--jobs", 1)
    with (out.parent / "errors.txt").open("wb") as errors:
        process = subprocess.Popen(
            words, env=engine.environment(), stdout=subprocess.DEVNULL, stderr=errors,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # off in the background
        )  # fmt: skip
    journal = out / "journal.jsonl"
    wait_for(lambda: process.poll() is not None or journal.exists())
    assert len(containers()) == 1, (out.parent / "errors.txt").read_text()
    wait_for(lambda: process.poll() is not None or journal.read_bytes().count(b"\n") >= 3)
    assert process.poll() is None, (out.parent / "errors.txt").read_text()
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_ends_its_container_and_says_how_to_go_on(course, class_folder, tmp_path, number):
    process = start(course, class_folder, tmp_path / "out")
    process.send_signal(number)
    assert process.wait(PATIENCE) == 130
    errors = (tmp_path / "errors.txt").read_text()
    assert errors == "stopped; what is graded is kept: run the same command again to go on\n"
    assert containers() == []


def test_a_run_that_is_killed_ends_its_container_and_goes_on_where_it_was(course, class_folder, tmp_path):
    process = start(course, class_folder, tmp_path / "out")
    process.kill()
    process.wait()
    wait_for(lambda: containers() == [])
    journal = (tmp_path / "out/journal.jsonl").read_bytes()
    finished = in_container(course, class_folder, tmp_path / "out")
    assert (finished.returncode, finished.stderr) == (0, "")
    graded = journal.count(b"\n") - 1
    assert 0 < graded < 12
    assert f"{graded} of 12 results were there already" in finished.stdout
    assert (tmp_path / "out/journal.jsonl").read_bytes().startswith(journal[: journal.rfind(b"\n") + 1])
    results = Results(tmp_path / "out")
    assert {row["total"] for row in results.grades.values()} == {"3"}


def test_the_results_belong_to_who_they_belonged_to(course, tmp_path):
    write_class(tmp_path / "class", {"ann": {}})
    (tmp_path / "out").mkdir()
    os.chown(tmp_path / "out", 1234, 1234)
    assert in_container(course, tmp_path / "class", tmp_path / "out").returncode == 0
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in [tmp_path / "out", *(tmp_path / "out").rglob("*")]}
    assert owners == {(1234, 1234)}


def test_a_folder_that_holds_something_else_is_left_alone(course, tmp_path):
    write_class(tmp_path / "class", {"ann": {}})
    write_files(tmp_path, {"out/thesis.txt": "years of work\n"})
    os.chown(tmp_path / "out/thesis.txt", 1234, 1234)
    refused = in_container(course, tmp_path / "class", tmp_path / "out")
    assert refused.returncode == 2
    assert f"error: {tmp_path}/out is not empty and holds no results of an earlier run" in refused.stderr
    assert (tmp_path / "out/thesis.txt").stat().st_uid == 1234


def test_root_learns_that_nobody_could_read_the_class(course, tmp_path):
    write_class(tmp_path / "class", {"ann": {}}).chmod(0o700)
    refused = in_container(course, tmp_path / "class", tmp_path / "out")
    assert refused.returncode == 2
    assert f"error: only root can read {tmp_path}/class" in refused.stderr


def test_the_other_options_mean_the_same_inside(course, tmp_path):
    write_class(tmp_path / "class", {"ann": {}, "bob": {}})
    arguments = ("--only", "ann/stats", "--only", "bob/scaling", "--seed", 5, "--cache", tmp_path / "cache")
    for _ in range(2):
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        done = grade(course, tmp_path / "class", tmp_path / "out", "--container", "podman", *arguments)
        assert (done.returncode, done.stderr) == (0, "")
    results = Results(tmp_path / "out")
    assert {(each["learner"], each["exercise"]) for each in results.journal} == {("ann", "stats"), ("bob", "scaling")}
    assert json.loads((tmp_path / "out/journal.jsonl").read_text().splitlines()[0])["run"]["seed"] == "5"
    assert "2 were known from the same work" in done.stdout


def test_one_submission_keeps_its_name(course, tmp_path):
    write_class(tmp_path / "class", {"ann": {}})
    assert in_container(course, tmp_path / "class/ann", tmp_path / "out, by name").returncode == 0
    assert Results(tmp_path / "out, by name").grades.keys() == {"ann"}


def test_a_fault_of_the_course_is_told_with_the_names_outside(tmp_path):
    broken = {"graders/week1/test_stats.py": "def test_centre(learner):\n    assert learner.centre is None\n"}
    course = write_small_course(tmp_path / "course", broken)
    write_class(tmp_path / "class", {"ann": {}})
    done = in_container(course, tmp_path / "class", tmp_path / "out")
    assert done.returncode == 1
    assert f"{course}/graders/week1/test_stats.py rejects its own reference" in done.stderr
    assert "/grading/" not in done.stdout + done.stderr


def test_a_library_that_the_image_lacks_is_named_with_the_way_to_get_it(tmp_path):
    files = {"solutions/week1/stats.py": "import torch\n\n\ndef centre(x):\n    return x\n"}
    course = write_small_course(tmp_path / "course", files)
    write_class(tmp_path / "class", {"ann": {}})
    done = in_container(course, tmp_path / "class", tmp_path / "out")
    assert done.returncode == 1
    assert "torch is not installed in this image; build it with --build-arg EXTRAS=torch" in done.stderr


def test_an_image_of_another_version_is_refused(course, tmp_path):
    write_class(tmp_path / "class", {"ann": {}})
    shutil.copytree(engine.ROOT / "autograder", tmp_path / "other/autograder")
    with (tmp_path / "other/autograder/grading/score.py").open("a") as changed:
        changed.write("# a later version\n")
    done = in_container(course, tmp_path / "class", tmp_path / "out", package=tmp_path / "other")
    assert done.returncode == 2
    assert (
        "the image autograder:cpu holds another version of autograder than this command; build it anew, " in done.stderr
    )
    assert "podman build -f docker/Dockerfile -t autograder:cpu --target cpu ." in done.stderr
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("no-such-image", "podman has no image no-such-image"),
        ("python:3.11-slim-bookworm", "the image python:3.11-slim-bookworm is not one of autograder"),
    ],
)
def test_what_is_no_image_of_ours_is_refused_with_the_command_that_builds_one(course, tmp_path, image, words):
    write_class(tmp_path / "class", {"ann": {}})
    done = in_container(course, tmp_path / "class", tmp_path / "out", "--image", image)
    assert done.returncode == 2
    assert f"error: {words}; build one in the repository of autograder: podman build -f " in done.stderr


def test_the_image_holds_no_grader_and_no_solution():
    listing = engine.podman("run", "--rm", "--network=none", "--entrypoint=find", "autograder:cpu", "/", "-xdev").stdout
    names = [Path(line) for line in listing.splitlines()]
    assert any(name.parts[-2:] == ("grading", "contained.py") for name in names)
    assert [name for name in names if "graders" in name.parts or "solutions" in name.parts] == []
