"""Our exercises through otter's own commands: its assignments from ours, and a zip of ours that it runs, with the jail inside."""

import json
import os
import pickle
import subprocess
import sys
import zipfile

import pytest

from autograder.authoring.build import stub_text
from autograder.catalog import Course
from autograder.policy import Policy
from tests.courses import write_files
from tests.grading.small import SCALING, SECRET, STATS, finish, run, run_here, scaling, write_small_course

pytest.importorskip("otter", reason="not run: needs otter-grader (pip install -e '.[otter]')")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

EXAMPLES = '''"""Add a number to every entry of x.

    Example:
        >>> x = np.array([1.0, 2.0])
        >>> shift(x, 3.0).tolist()
        [4.0, 5.0]
        >>> shift(shift(x, 1.0), _below(2.0)).tolist()
        [4.0, 5.0]
    """'''
BELOW = "\n\ndef _below(x):\n    return x\n"
QUESTIONS = {"scale": 1.0, "shift": 1.0, "centre": 1.0}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    root = write_small_course(tmp_path_factory.mktemp("ours"))
    text = SCALING.replace('"""Add a number to every entry of x."""', EXAMPLES).replace("x + by", "_below(x) + by")
    write_files(root, {"solutions/week1/scaling.py": text + BELOW})
    return root


@pytest.fixture(scope="module")
def assigned(course, tmp_path_factory):
    """What otter makes of the source notebooks: for each exercise a folder with `student` and `autograder`. It runs the solutions
    and stops where they do not earn everything."""
    root = tmp_path_factory.mktemp("assigned")
    done = run("--course", course, "otter", "assign", root / "sources")
    assert (done.returncode, done.stdout) == (0, f"2 notebooks in {root / 'sources'}\n"), done.stderr
    for name in ("scaling", "stats"):
        otter("assign", root / "sources/week1" / f"{name}.ipynb", root / name)
    return root


@pytest.fixture(scope="module")
def bundle(course, tmp_path_factory):
    out = tmp_path_factory.mktemp("bundle") / "autograder.zip"
    done = run("--course", course, "otter", "generate", "--module", "week1", "--out", out)
    assert done.returncode == 0, done.stderr
    return out


def otter(*words):
    """Run otter's own command."""
    done = finish([sys.executable, "-m", "otter", *map(str, words)])
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def otter_run(bundle, submission, out):
    out.mkdir(exist_ok=True)
    otter("run", "-a", bundle, "-o", out, submission)
    return valid(json.loads((out / "results.json").read_text()))


def valid(results):
    """In the form in which otter writes it for Gradescope."""
    for test in results["tests"]:
        assert isinstance(test["name"], str) and isinstance(test["output"], str)
        assert 0 <= test.get("score", 0) <= test.get("max_score", 0)
    assert str(SECRET) not in json.dumps(results)
    return results


def points(results):
    return {test["name"]: test["score"] for test in results["tests"]}


def output(results, name):
    return next(test["output"] for test in results["tests"] if test["name"] == name)


def notebook(*cells):
    made = [
        {"cell_type": "code", "metadata": {}, "source": text, "outputs": [], "execution_count": None} for text in cells
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 4})


def test_learners_get_our_stubs_and_the_examples_as_tests(course, assigned):
    student = json.loads((assigned / "scaling/student/scaling.ipynb").read_text())
    code = ["".join(cell["source"]) for cell in student["cells"] if cell["cell_type"] == "code"]
    stub = stub_text(Course(course).exercise("scaling").solution)
    assert all(text in stub for text in code if text.startswith("def "))
    assert "factor * x" not in json.dumps(student)
    asked = student["metadata"]["otter"]["tests"]
    assert {name: test["points"] for name, test in asked.items()} == {"scale": 1.0, "shift": 1.0}
    assert [case["code"].count(">>>") for case in asked["shift"]["suites"][0]["cases"]] == [2, 3]
    place = {text: number for number, text in enumerate(code)}
    assert place['grader.check("shift")'] > place[BELOW.strip()]  # which the solution uses


def test_plain_otter_gives_a_stub_nothing_and_a_solution_everything(assigned, tmp_path):
    [plain] = (assigned / "scaling/autograder").glob("*.zip")
    for version, share in (("student", 0.0), ("autograder", 1.0)):
        results = otter_run(plain, assigned / "scaling" / version / "scaling.ipynb", tmp_path)
        assert {test["name"]: test["score"] for test in results["tests"][1:]} == {"scale": share, "shift": share}


def test_every_solution_of_ours_comes_back_as_its_stub():
    import nbformat
    from otter.assign.solutions import replace_solutions

    from autograder.gradebook.otter.notebooks import source_notebook

    policy = Policy.load(Course.find())
    for exercise in policy.exercises():
        stubs = "".join(stub_text(each.solution) for each in (exercise, *exercise.imports_exercises))
        cells = nbformat.reads(source_notebook(policy, exercise), 4).cells
        for before, cell in zip(cells, cells[1:], strict=False):
            if before.source == "# BEGIN SOLUTION":
                assert "\n".join(replace_solutions(cell.source.split("\n"), "python")) in stubs, exercise.id


def test_programs_to_repair_are_handed_out(tmp_path):
    import nbformat
    from otter.assign.solutions import replace_solutions

    from autograder.gradebook.otter.notebooks import source_notebook

    solution = SCALING.replace(
        "return x + by\n    # END", "return x + by\n    # STUB\n    # return x - '''by'''\n    # END"
    )
    course = write_small_course(tmp_path, {"solutions/week1/scaling.py": solution})
    policy = Policy.load(Course(course))
    cells = nbformat.reads(source_notebook(policy, policy.course.exercise("scaling")), 4).cells
    [cell] = [cell for cell in cells if cell.source.startswith("def shift")]
    text = "\n".join(replace_solutions(cell.source.split("\n"), "python"))
    assert text in stub_text(policy.course.exercise("scaling").solution) and "x - '''by'''" in text


def test_the_zip_has_otter_s_layout_and_is_the_same_twice(course, bundle, tmp_path):
    with zipfile.ZipFile(bundle) as archive:
        names = archive.namelist()
        assert len(names) == len(set(names))
        assert {"run_autograder", "run_otter.py", "setup.sh", "otter_config.json", "tests/shift.py"} <= set(names)
        for name in ("run_autograder", "setup.sh"):
            archive.extract(name, tmp_path)
            assert subprocess.run(["bash", "-n", tmp_path / name]).returncode == 0
            assert archive.getinfo(name).external_attr >> 16 & 0o111
    again = tmp_path / "again.zip"
    assert run_here("--course", course, "otter", "generate", "--module", "week1", "--out", again).exit_code == 0
    assert again.read_bytes() == bundle.read_bytes()


def test_otter_runs_our_zip_and_what_is_not_there_earns_nothing(bundle, assigned, tmp_path):
    results = otter_run(bundle, assigned / "scaling/autograder/scaling.ipynb", tmp_path)
    assert points(results) == QUESTIONS | {"centre": 0}
    assert {test["name"]: test["max_score"] for test in results["tests"]} == QUESTIONS
    assert {test["visibility"] for test in results["tests"]} == {"visible"}
    assert "stats.py was not handed in" in output(results, "centre")


def test_otter_s_own_results_hold_ours(bundle, tmp_path):
    from otter.api import grade_submission

    (tmp_path / "week1").mkdir()
    with zipfile.ZipFile(tmp_path / "work.zip", "w") as archive:
        archive.writestr("week1/stats.py", STATS)
        archive.writestr("scaling.ipynb", notebook(scaling(scale="return 2 * x")))
    results = grade_submission(str(tmp_path / "work.zip"), str(bundle), quiet=True)
    assert (results.possible, results.total) == (3.0, 2.0 + results.get_score("scale"))
    assert 0 < results.get_score("scale") < 1 and results.get_result("shift").passed_all
    assert "❌" in results.get_result("scale").summary()


def test_a_script_of_any_name_with_otter_s_lines_in_it(course, tmp_path):
    bundle = tmp_path / "one.zip"
    assert run_here("--course", course, "otter", "generate", "--module", "scaling", "--out", bundle).exit_code == 0
    lines = (
        'import otter\ngrader = otter.Notebook("scaling.ipynb")\n',
        '\ngrader.check("scale")\ngrader.export(pdf=False)\n',
    )
    (tmp_path / "my work.py").write_text(lines[0] + scaling(shift="return x - by") + lines[1])
    results = otter_run(bundle, tmp_path / "my work.py", tmp_path)
    assert points(results) == {"scale": 1.0, "shift": 0.0}
    assert "shift adds" in output(results, "shift")


class Marks:
    """Unpickled, it writes a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def test_nothing_of_a_submission_is_run_outside_the_jail(bundle, tmp_path):
    """otter would run the notebook in its kernel, start that in the submission's folder, and unpickle the submission's log."""
    marker = tmp_path / "marker"
    mark = f"open({str(marker)!r}, 'w')\n"
    work = tmp_path / "work.zip"
    with zipfile.ZipFile(work, "w") as archive:
        archive.writestr("scaling.ipynb", notebook(mark, f"{SCALING}\n_all = {mark}\ndef _use():\n    return _all\n"))
        archive.writestr(".OTTER_LOG", pickle.dumps(Marks(marker)))
        for name in (
            "ipykernel_launcher.py",
            "dill.py",
            "otter.py",
            "__init__.py",
            "tests/scale.py",
            "numpy/__init__.py",
        ):
            archive.writestr(name, mark)
    results = otter_run(bundle, work, tmp_path)
    assert not marker.exists()
    assert points(results)["scale"] == 0


@pytest.fixture
def machine(bundle, tmp_path):
    """Gradescope's folders with the zip in them; hands in files and gives back results.json."""
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(tmp_path / "source")

    def hand_in(files, metadata="{}", seconds=100):
        (tmp_path / "submission").mkdir()
        for name, content in files.items():
            path = tmp_path / "submission" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        (tmp_path / "submission_metadata.json").write_text(metadata)
        places = {"AUTOGRADER_ROOT": tmp_path, "AUTOGRADER_PYTHON": sys.executable, "AUTOGRADER_SECONDS": seconds}
        words = ["bash", str(tmp_path / "source/run_autograder")]
        environment = os.environ | {name: str(value) for name, value in places.items()}
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120)
        print(done.stdout, done.stderr)
        assert done.returncode == 0
        return valid(json.loads((tmp_path / "results/results.json").read_text()))

    return hand_in


def test_right_work_earns_everything_on_gradescope(machine, assigned):
    files = {
        f"{name}.ipynb": (assigned / name / "autograder" / f"{name}.ipynb").read_bytes()
        for name in ("scaling", "stats")
    }
    assert points(machine(files, metadata="")) == QUESTIONS


@pytest.mark.parametrize(
    ("files", "earned"),
    [
        ({}, 0.0),
        ({"scaling.ipynb": "{not a notebook"}, 0.0),
        ({"scaling.ipynb": '{"cells": 3, "metadata": {"otter": {"tests": 1}}}', "tests": "a file"}, 0.0),
        ({"scaling.ipynb": notebook("import os\nos._exit(0)", scaling("import os; os._exit(0)"))}, 1.0),
        ({"scaling.ipynb": notebook("while True: pass", scaling("while True: pass"))}, 1.0),
        ({"scaling.ipynb": notebook("print('x' * 10**9)", scaling("while True: print('x' * 10**6)"))}, 1.0),
    ],
    ids=["nothing", "no notebook", "bad notebook", "exit", "hang", "output"],
)
def test_whatever_is_handed_in_what_is_affected_earns_nothing_and_the_rest_its_points(machine, files, earned):
    results = machine(files)
    assert points(results) == {"scale": 0.0, "shift": earned, "centre": 0.0}


def test_a_run_that_is_stopped_leaves_a_valid_zero_that_says_whose_fault_it_is(machine):
    results = machine({"scaling.py": SCALING}, seconds=0.2)
    assert results["score"] == 0 and "not your fault" in results["tests"][0]["output"]


def test_a_fault_of_ours_is_told_as_that(machine, tmp_path):
    (tmp_path / "source/graders/week1/test_scaling.py").write_text("import nothing_of_this_name\n")
    results = machine({"scaling.py": SCALING, "stats.py": STATS})
    assert points(results)["scale"] == 0.0
    assert "not yours" in results["output"] and "not yours" in output(results, "scale")


@pytest.mark.parametrize(
    ("visibility", "shown"), [("visible", "visible"), ("after_published", "after_published"), ("hidden", "hidden")]
)
def test_learners_see_what_the_course_lets_them_see(visibility, shown):
    from otter.run import AutograderConfig
    from otter.test_files import GradingResults

    from autograder.gradebook.otter.bundle import _config
    from autograder.gradebook.otter.plugin import JailPlugin
    from autograder.gradebook.otter.work import SHOWN, Case, Outcome, Question

    plugin, results = JailPlugin("work.ipynb", {}, {}), GradingResults([])
    plugin.outcome = Outcome(
        [Question("scale", 0.1, 0.3, [Case(False, "wrong: it scales")] * 3)], "", SHOWN[visibility]
    )
    plugin.after_grading(results)
    config = AutograderConfig({key: value for key, value in _config([], False).items() if key != "plugins"})
    [test] = results.to_gradescope_dict(config)["tests"]
    assert (test["visibility"], test["score"], test["max_score"]) == (shown, 0.1, 0.3)


def test_questions_of_one_name_are_told_apart(tmp_path):
    from autograder.gradebook.otter.work import question_names

    course = Course(write_small_course(tmp_path, {"solutions/week2/scaling.py": SCALING, "grading.yml": None}))
    names = question_names(course.exercises)
    assert names["week1/stats", "centre"] == "centre"
    assert names["week2/scaling", "scale"] == "week2.scaling.scale"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["assign", "{tmp}", "--module", "week7"], "has no module 'week7'"),
        (["generate", "--module", "scalings", "--out", "{tmp}/a.zip"], 'did you mean "scaling"'),
    ],
)
def test_wrong_usage_is_told(course, tmp_path, words, says):
    done = run_here("--course", course, "otter", *(word.format(tmp=tmp_path) for word in words))
    assert (done.exit_code, says in done.output) == (2, True), done.output
