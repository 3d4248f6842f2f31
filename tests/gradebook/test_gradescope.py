"""The bundle for Gradescope, unpacked and run in its documented folders: whatever is handed in, results.json is valid."""

import json
import os
import subprocess
import sys
import zipfile

import pytest

from tests.grading.small import SCALING, STATS, run, run_here, scaling, write_small_course

pytestmark = pytest.mark.slow
METADATA = {
    "id": 7,
    "created_at": "2026-03-02T10:00:00.000000-08:00",
    "assignment": {"due_date": "2026-03-01T23:59:00.000000-08:00", "total_points": "3.0", "group_submission": True},
    "users": [{"email": "ann@x.edu", "id": 1, "name": "Ann"}, {"email": "bob@x.edu", "id": 2, "name": "Bob"}],
    "previous_submissions": [{"submission_time": "2026-03-01T10:00:00.000000-08:00", "score": 1.0, "results": {}}],
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    root = tmp_path_factory.mktemp("bundle")
    course = write_small_course(root / "course")
    done = run("--course", course, "gradescope", "bundle", "--out", root / "autograder.zip")
    assert done.returncode == 0, done.stderr
    return root / "autograder.zip"


@pytest.fixture
def machine(bundle, tmp_path):
    """Gradescope's folders with the bundle in them; hands in files and gives back results.json."""
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(tmp_path / "source")

    def hand_in(files, metadata=None, seconds=60):
        for name, content in files.items():
            path = tmp_path / "submission" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        (tmp_path / "submission").mkdir(exist_ok=True)
        (tmp_path / "submission_metadata.json").write_text(json.dumps(METADATA) if metadata is None else metadata)
        places = {
            "AUTOGRADER_ROOT": str(tmp_path),
            "AUTOGRADER_PYTHON": sys.executable,
            "AUTOGRADER_SECONDS": str(seconds),
        }
        words = ["bash", str(tmp_path / "source/run_autograder")]
        done = subprocess.run(words, env=os.environ | places, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        print(done.stdout)
        return valid(json.loads((tmp_path / "results/results.json").read_text()))

    return hand_in


def valid(results):
    """By Gradescope's specification: a score at the top, or one in every test, within its bounds."""
    tests = results.get("tests", [])
    assert "score" in results or (tests and all("score" in test for test in tests)), results
    for test in tests:
        assert 0 <= test.get("score", 0) <= test["max_score"]
        assert test.get("status", "failed") in ("passed", "failed")
        assert isinstance(test["output"], str)
    assert results["visibility"] == "visible"
    return results


def points(results):
    return {test["name"]: test["score"] for test in results["tests"]}


def test_the_bundle_has_what_gradescope_wants_and_is_the_same_twice(bundle, tmp_path):
    with zipfile.ZipFile(bundle) as archive:
        names = set(archive.namelist())
        assert {"setup.sh", "run_autograder", "pyproject.toml", "constraints.txt", "grading.yml"} <= names
        assert {"solutions/week1/scaling.py", "graders/week1/test_stats.py", "autograder/cli.py"} <= names
        assert all(archive.getinfo(name).external_attr >> 16 & 0o111 for name in ("setup.sh", "run_autograder"))
    again = tmp_path / "again.zip"
    course = bundle.parent / "course"
    assert run_here("--course", course, "gradescope", "bundle", "--out", again).exit_code == 0
    assert again.read_bytes() == bundle.read_bytes()


@pytest.mark.parametrize("script", ["setup.sh", "run_autograder"])
def test_the_scripts_are_valid_shell(bundle, tmp_path, script):
    with zipfile.ZipFile(bundle) as archive:
        archive.extract(script, tmp_path)
    assert subprocess.run(["bash", "-n", tmp_path / script]).returncode == 0


def test_right_work_earns_everything(machine):
    results = machine({"scaling.py": SCALING, "stats.py": STATS})
    assert points(results) == {"scaling: scale": 1.0, "scaling: shift": 1.0, "stats: centre": 1.0}
    assert results["extra_data"]["learner"] == "ann@x.edu, bob@x.edu"


def test_work_in_a_folder_of_any_name_is_found_and_what_is_missing_earns_nothing(machine):
    results = machine({"my homework/week1/scaling.py": SCALING.replace("x + by", "x - by")})
    assert points(results) == {"scaling: scale": 1.0, "scaling: shift": 0.0, "week1/stats": 0}
    assert "stats.py was not handed in" in results["tests"][-1]["output"]


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"notes.txt": "nothing of the course"},
        {"scaling.py": "def scale(:"},
        {"scaling.py": b"\xff\xfe\x00broken"},
        {"scaling.py": scaling(top="import os; os._exit(0)")},
        {"scaling.py": scaling(top="import sys; sys.exit(0)")},
        {"scaling.py": scaling("while True: pass")},
        {"scaling.py": scaling(top="open('/autograder/results/results.json', 'w').write('{\"score\": 100}')")},
        {"homework.zip": b"PK\x03\x04 not a zip"},
        {"conftest.py": "import os\nos._exit(0)\n", "scaling.py": "x = 1\n"},
    ],
    ids=["empty", "other files", "syntax", "bytes", "exit", "sys.exit", "hang", "forge", "bad zip", "conftest"],
)
def test_whatever_is_handed_in_the_results_are_valid_and_earn_no_more(machine, files):
    results = machine(files)
    earned = results.get("score", sum(test.get("score", 0) for test in results.get("tests", [])))
    assert earned <= 1.0  # `shift` may be right where only `scale` hangs


@pytest.mark.parametrize("metadata", ["", "{}", '{"users": 3}', '{"users": [{}]}', "[1]"])
def test_metadata_that_is_not_as_documented_does_no_harm(machine, metadata):
    assert points(machine({"scaling.py": SCALING, "stats.py": STATS}, metadata))["stats: centre"] == 1.0


def test_a_run_that_is_stopped_leaves_a_valid_zero_that_says_whose_fault_it_is(machine):
    results = machine({"scaling.py": SCALING, "stats.py": STATS}, seconds=0.2)
    assert results["score"] == 0 and "not your fault" in results["output"]


def test_hidden_inputs_are_not_in_the_results(machine):
    results = machine({"scaling.py": SCALING.replace("x + by", "x - by"), "stats.py": STATS})
    assert "31337" not in json.dumps(results)
