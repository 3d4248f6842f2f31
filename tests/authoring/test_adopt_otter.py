"""An instructor's own masters for otter, adopted; otter's own commands make the learners' version and run the zip."""

import json
import sys

import pytest

from tests.authoring.masters import DOCTESTS, RAISING, SECRET, cell, notebook, question, raw
from tests.grading.small import Results, finish, run, run_here

pytest.importorskip("otter", reason="not run: needs otter-grader (pip install -e '.[otter]')")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

SLIPS = {
    "def softmax": "def softmax(x):\n    e = np.exp(x)\n    return e / e.sum()",
    "mean": "mean = 6.0\nmean = 1 / 0",
    "def twice": "def twice(x):\n    return 0",
    "class Stack": "class Stack:\n    def __init__(self):\n        self.items = []\n\n"
    "    def push(self, item):\n        self.items.append(item)",
}
HOSTILE = {
    "exits": "def softmax(x):\n    import os\n    os._exit(0)",
    "patches": "np.allclose = lambda *a, **k: True\nimport builtins, doctest\nbuiltins.round = lambda *a: 1.0\n"
    "doctest.OutputChecker.check_output = lambda *a: True\n\n\ndef softmax(x):\n    return x",
    "prints": "def softmax(x):\n    print('1.0')\n    print('True')\n    return x",
    "agrees": "class One(float):\n    def __repr__(self):\n        return '1.0'\n\n\ndef softmax(x):\n    return One(0)",
}


@pytest.fixture(scope="module")
def adopted(tmp_path_factory):
    """What adopting both notebooks says, the course, and the folder of the masters."""
    root = tmp_path_factory.mktemp("otter")
    masters = root / "lab1"
    masters.mkdir()
    (masters / "doctests.ipynb").write_text(DOCTESTS)
    (masters / "raising.ipynb").write_text(RAISING)
    done = run("--course", root / "course", "adopt", masters)
    assert done.returncode == 0, done.stderr
    return done.stdout, root / "course", masters


@pytest.fixture(scope="module")
def assigned(adopted, tmp_path_factory):
    """What otter itself makes of the first: `student` and `autograder`, where its own zip is."""
    out = tmp_path_factory.mktemp("assigned")
    otter("assign", "--no-run-tests", adopted[2] / "doctests.ipynb", out)
    return out


def otter(*words):
    done = finish([sys.executable, "-m", "otter", *map(str, words)])
    assert done.returncode == 0, done.stdout + done.stderr


def write_work(path, notebook, edits):
    """A notebook with other code in the cells that begin like this."""
    text = json.loads(notebook.read_text())
    for each in text["cells"]:
        source = "".join(each["source"])
        each["source"] = next((code for start, code in edits.items() if source.lstrip().startswith(start)), source)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(text))


def results(bundle, submission, out):
    out.mkdir()
    otter("run", "-a", bundle, "-o", out, submission)
    tests = json.loads((out / "results.json").read_text())["tests"]
    return {test["name"]: (test["score"], test["max_score"]) for test in tests if "score" in test}


def test_questions_are_adopted_with_their_points_or_named_with_the_reason(adopted):
    told = {line.split()[0]: " ".join(line.split()[1:]) for line in adopted[0].splitlines() if line.startswith("  ")}
    assert {name: told[name] for name in ("softmax", "mean", "stack", "uneven", "double")} == {
        "softmax": "3 graded", "mean": "1 graded", "stack": "2 graded", "uneven": "3 graded", "double": "2 graded",
    }  # fmt: skip
    assert told["why"].startswith("4 by hand") and "env" in told["names"]


def test_learners_get_what_otter_gives_them_and_no_hidden_test(adopted, assigned):
    stub = (adopted[1] / "exercises/lab1/doctests.py").read_text()
    student = json.loads((assigned / "student/doctests.ipynb").read_text())
    given = ["".join(each["source"]) for each in student["cells"] if each["cell_type"] == "code"]
    assert all(text in stub for text in given if text.startswith(("def ", "class ", "mean")))
    public = (adopted[1] / "exercises/lab1/test_doctests.py").read_text()
    assert "softmax(x).sum()" in public and str(SECRET) not in public and "[7]" not in public


def test_otter_runs_the_zip_and_gives_honest_work_what_its_own_gives(adopted, assigned, tmp_path):
    bundle, submission = tmp_path / "ours.zip", tmp_path / "doctests.ipynb"
    done = run("--course", adopted[1], "otter", "generate", "--module", "lab1/doctests", "--out", bundle)
    assert done.returncode == 0, done.stderr
    write_work(submission, assigned / "student/doctests.ipynb", SLIPS)
    [plain] = (assigned / "autograder").glob("*.zip")
    theirs, ours = (results(zip_, submission, tmp_path / zip_.stem[:4]) for zip_ in (plain, bundle))
    assert ours == {"softmax": (2.0, 3.0), "mean": (1.0, 1.0), "stack": (0.0, 2.0), "uneven": (1.0, 3.0)}
    assert theirs == ours


def test_solutions_earn_everything_and_attacks_gain_nothing(adopted, assigned, tmp_path):
    for name in ("ann", *HOSTILE):
        edits = {"def softmax": HOSTILE[name]} if name in HOSTILE else {}
        write_work(tmp_path / "class" / name / "doctests.ipynb", assigned / "autograder/doctests.ipynb", edits)
    done = run("--course", adopted[1], "grade", tmp_path / "class", "--out", tmp_path / "results", "--no-cache")
    assert done.returncode == 0, done.stderr
    earned = {}
    for name in ("ann", *HOSTILE):
        exercise = Results(tmp_path / "results").feedback(name)["exercises"][0]
        earned[name] = {task["task"]: task["earned"] for task in exercise["tasks"]}
    assert earned["ann"] == {"softmax": 3.0, "mean": 1.0, "stack": 2.0, "uneven": 3.0}
    assert all(earned[name] == {"softmax": 0.0, "mean": 1.0, "stack": 2.0, "uneven": 3.0} for name in HOSTILE), earned


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (notebook(raw("# BEGIN QUESTION\npoints: 1"), raw("# END QUESTION")), "Question name not specified"),
        (notebook(*question("name: q", cell("x = 1 # SOLUTION"), tests=[cell("x =")])), "otter would refuse"),
        (notebook(raw("# BEGIN QUESTION\nname: q"), raw("# END TESTS")), "Found an end tests cell"),
    ],
)
def test_what_otter_would_refuse_is_refused_in_its_words(tmp_path, text, says):
    (tmp_path / "one.ipynb").write_text(text)
    done = run_here("--course", tmp_path / "course", "adopt", tmp_path / "one.ipynb", "--module", "lab")
    assert (done.exit_code, says in done.output) == (2, True), done.output
