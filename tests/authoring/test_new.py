"""What `autograder new` writes is a whole exercise that passes every gate, and nothing that was there is lost."""

import ast
from importlib.util import find_spec

import pytest
from typer.testing import CliRunner

from autograder.authoring.build import build
from autograder.authoring.new import new_exercise
from autograder.authoring.sources import AuthoringError
from autograder.authoring.verify import probes, prose
from autograder.catalog import Course
from autograder.cli import app
from autograder.grading.mistakes import load_mistakes
from tests.courses import write_course, write_files

FILES = {
    "solutions/week1/scaling.py",
    "solutions/week1/mistakes.yml",
    "graders/week1/test_scaling.py",
    "exercises/week1/scaling.py",
    "exercises/week1/test_scaling.py",
    "exercises/week1/hints.yml",
    "exercises/week1/README.md",
}


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def contents(root):
    """The bytes of every file below a folder."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def static_problems(exercise):
    module = exercise.course.module(exercise.module)
    return [
        *prose.module_problems(module),
        *prose.drift_problems(exercise.course, [exercise.module]),
        *prose.exercise_problems(exercise),
        *probes.probe_problems(exercise),
    ]


def test_a_course_begins_in_a_folder_that_is_not_there_and_is_verified(tmp_path):
    result = run("--course", tmp_path / "mine", "new", "week1", "scaling")
    assert result.exit_code == 0, result.output
    assert contents(tmp_path / "mine").keys() == FILES
    told, _, advice = result.stdout.partition("\n\n")
    assert {line.removeprefix("wrote ") for line in told.splitlines()} == FILES
    assert f"autograder --course {tmp_path / 'mine'} verify week1" in advice
    verified = run("--course", tmp_path / "mine", "verify", "week1", "--seeds", 2, "--jobs", 1)
    assert (verified.exit_code, verified.output) == (0, "1 exercise verified: 4 mistakes caught, 4 of them named\n")


@pytest.mark.parametrize("torch", [False, True])
def test_what_it_writes_is_complete(tmp_path, torch):
    new_exercise(Course(tmp_path), "week1", "scaling", torch=torch)
    exercise = Course(tmp_path).exercise("week1/scaling")
    assert static_problems(exercise) == []
    assert exercise.tasks == ["leaky_relu"]
    assert "torch" in exercise.libraries or not torch
    assert build(exercise.course) == []
    stub = ast.parse(exercise.stub.read_text())
    assert ast.unparse(stub.body[-1].body[-1]) == "raise NotImplementedError"
    for path in (exercise.solution, exercise.grader, exercise.public_tests):
        text = path.read_text()
        compile(text, path, "exec")
        assert max(map(len, text.splitlines())) <= 120 and "{" + "{" not in text
    assert "numpy" not in exercise.grader.read_text() + exercise.solution.read_text() or not torch


@pytest.mark.torch
@pytest.mark.skipif(find_spec("torch") is None, reason="not run: torch is not installed")
def test_the_checks_in_torch_accept_the_solution(tmp_path, pytester):  # must not import torch: pytester would unload it
    new_exercise(Course(tmp_path), "week1", "scaling", torch=True)
    result = pytester.runpytest_subprocess(tmp_path / "graders/week1/test_scaling.py")
    result.assert_outcomes(passed=8)


def test_a_second_exercise_is_added_to_the_files_of_its_module(tmp_path):
    new_exercise(Course(tmp_path), "week1", "scaling")
    before = contents(tmp_path)
    result = run("--course", tmp_path, "new", "week1", "shifting", "--torch")
    assert result.exit_code == 0
    assert "added to solutions/week1/mistakes.yml\n" in result.stdout
    after = contents(tmp_path)
    grown = {name for name in before if after[name] != before[name]}
    assert grown == {"solutions/week1/mistakes.yml", "exercises/week1/hints.yml", "exercises/week1/README.md"}
    assert all(after[name].startswith(before[name].rstrip()) for name in grown)
    course = Course(tmp_path)
    assert [static_problems(exercise) for exercise in course.exercises] == [[], []]
    found = load_mistakes(course.exercise("shifting").mistakes)
    assert [mistake.exercise for mistake in found] == ["scaling"] * 4 + ["shifting"] * 4


def test_graders_go_where_the_course_has_them(tmp_path):
    write_files(tmp_path, {"autograder/graders/week0/test_old.py": "", "solutions/week0/old.py": "def f(): ...\n"})
    new_exercise(Course(tmp_path), "week1", "scaling")
    assert (tmp_path / "autograder/graders/week1/test_scaling.py").is_file()
    assert not (tmp_path / "graders").exists()


@pytest.mark.parametrize(
    "path", ["solutions/{}.py", "graders/week1/test_scaling.py", "exercises/week1/test_scaling.py", "exercises/{}.py"]
)
def test_nothing_is_overwritten(tmp_path, path):
    path = path.format("week1/scaling")
    write_files(tmp_path, {path: "mine", "solutions/week0/old.py": "def f(): ...\n"})
    before = contents(tmp_path)
    with pytest.raises(AuthoringError, match=f"{path} exists already"):
        new_exercise(Course(tmp_path), "week1", "scaling")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("path", ["solutions/week1/mistakes.yml", "exercises/week1/hints.yml"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scaling: []\n", "has an entry 'scaling' already"),
        ("{other: []}\n", "cannot be added to"),
        ("- task: relu\n", "cannot be added to"),
        ("other: [\n", "cannot be added to"),
        ("just words\n", "cannot be added to"),
    ],
)
def test_a_file_that_cannot_be_added_to_is_left_alone(tmp_path, path, text, message):
    write_files(tmp_path, {path: text})
    with pytest.raises(AuthoringError, match=f"{path}:? {message}"):
        new_exercise(Course(tmp_path), "week1", "scaling")
    assert contents(tmp_path) == {path: text.encode()}


@pytest.mark.parametrize(
    ("module", "exercise"),
    [
        ("week-1", "scaling"),
        ("1week", "scaling"),
        ("../week1", "scaling"),
        ("_week", "scaling"),
        ("json", "scaling"),
        ("numpy", "scaling"),
        ("torch", "scaling"),
        ("week1", "class"),
        ("week1", "my exercise"),
        ("week1", "test_scaling"),
        ("week1", "lesson"),
        ("week1", "_helper"),
        ("week1", ""),
    ],
)
def test_a_name_that_python_or_pytest_would_stumble_over_is_refused(tmp_path, module, exercise):
    with pytest.raises(AuthoringError, match="module|exercise"):
        new_exercise(Course(tmp_path), module, exercise)
    assert contents(tmp_path) == {}


def test_a_learners_course_gets_no_solutions(tmp_path):
    write_files(tmp_path, {"exercises/week1/scaling.py": "def scale(x): ...\n"})
    with pytest.raises(AuthoringError, match="it is a learner's course"):
        new_exercise(Course(tmp_path), "week1", "shifting")


def test_without_a_course_option_it_is_the_one_around_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.delenv("AUTOGRADER_COURSE", raising=False)
    course = write_course(tmp_path / "course", {"solutions/m00_foundations/mistakes.yml": None})
    monkeypatch.chdir(course.solutions_dir)
    result = run("new", "week1", "scaling")
    assert result.exit_code == 0, result.output
    assert "  pytest ../graders/week1/test_scaling.py" in result.stdout
    assert "  autograder verify week1" in result.stdout
    assert course.solutions_dir.joinpath("week1/scaling.py").is_file()


def test_its_help_has_an_example_and_its_errors_exit_two(tmp_path):
    assert "Example: autograder new week1 activations" in run("new", "--help").output
    result = run("--course", tmp_path, "new", "week 1", "scaling")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: module 'week 1': use letters")
