import io
import json
import subprocess
import sys

import pytest
from rich.console import Console
from typer.testing import CliRunner

import autograder
from autograder.cli import app
from autograder.commands.course import as_table
from autograder.policy import Policy
from tests.courses import write_course, write_files


@pytest.fixture
def course(tmp_path, monkeypatch):
    monkeypatch.delenv("AUTOGRADER_COURSE", raising=False)
    return write_course(tmp_path / "course")


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_version():
    assert run("--version").output == f"autograder {autograder.__version__}\n"


@pytest.mark.parametrize("command", [[], ["list"], ["build"], ["release"]])
def test_every_help_has_an_example(command):
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert "Example: autograder" in result.output


def test_help_and_version_import_nothing_heavy():
    code = (
        "import sys; from autograder.cli import app; app(['list', '--help'], standalone_mode=False); "
        "print('heavy:', sorted({'numpy', 'yaml', 'torch', 'jupytext', 'autograder.policy'} & set(sys.modules)))"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert finished.stdout.splitlines()[-1] == "heavy: []", finished.stderr


def test_list_piped_is_one_line_for_each_task_in_the_order_of_grading_yml(course):
    write_files(course.root, {"grading.yml": "modules: {m00_foundations: {points: 9, exercises: {layers: }}}\n"})
    assert run("--course", course.root, "list").output == (
        "m00_foundations/layers\tLayer\t3\n"
        "m00_foundations/activations\trelu\t3\n"
        "m00_foundations/activations\tsoftmax\t3\n"
    )


def test_list_as_json(course):
    write_files(course.root, {"grading.yml": "title: Deep\n"})
    assert json.loads(run("--course", course.root, "list", "--json").output) == {
        "title": "Deep",
        "modules": [
            {
                "name": "m00_foundations",
                "points": 3.0,
                "exercises": [
                    {
                        "id": "m00_foundations/activations",
                        "name": "activations",
                        "points": 2.0,
                        "tasks": [{"name": "relu", "points": 1.0}, {"name": "softmax", "points": 1.0}],
                    },
                    {
                        "id": "m00_foundations/layers",
                        "name": "layers",
                        "points": 1.0,
                        "tasks": [{"name": "Layer", "points": 1.0}],
                    },
                ],
            }
        ],
    }


def test_the_table_has_a_row_for_each_module_and_exercise(course):
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(as_table(Policy.load(course)))
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in console.export_text().splitlines()]
    assert [row for row in rows if row] == [
        ["m00_foundations", "", "3"],
        ["activations", "relu, softmax", "2"],
        ["layers", "Layer", "1"],
    ]


def test_build_writes_and_its_check_exits_one_on_drift(course):
    check = run("--course", course.root, "build", "--check")
    assert check.exit_code == 1
    assert "exercises/m00_foundations/layers.py: is missing; run: autograder build\n" in check.output
    built = run("--course", course.root, "build")
    assert (built.exit_code, built.output.splitlines()[0]) == (0, "wrote exercises/m00_foundations/activations.py")
    for arguments in (["build", "--check"], ["build"]):
        again = run("--course", course.root, *arguments)
        assert (again.exit_code, again.output) == (0, "up to date\n")


def test_release_writes_the_modules_named(course, tmp_path):
    result = run("--course", course.root, "release", tmp_path / "out", "--module", "m00_foundations")
    assert result.exit_code == 0
    assert result.output.startswith("released ")
    assert (tmp_path / "out" / "exercises" / "m00_foundations" / "layers.py").is_file()


def test_the_course_may_come_from_the_environment(course, monkeypatch):
    monkeypatch.setenv("AUTOGRADER_COURSE", str(course.root))
    assert run("list").output.startswith("m00_foundations/activations\trelu\t1\n")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--course", "nowhere", "list"], "nowhere: no such folder"),
        (["--course", "course", "release", "course"], "holds the course itself"),
        (["--course", "course", "release", "out", "--module", "m01"], "no module 'm01'"),
    ],
)
def test_bad_input_is_an_error_on_stderr_with_exit_code_two(course, monkeypatch, arguments, error):
    monkeypatch.chdir(course.root.parent)
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert error in result.stderr


def test_every_line_of_an_error_says_so(course):
    write_files(course.root, {"grading.yml": "sed: 1\ntitel: x\n"})
    result = run("--course", course.root, "list")
    assert [line.partition(":")[0] for line in result.stderr.splitlines()] == ["error", "error"]


@pytest.mark.parametrize("arguments", [["--bogus"], ["lst"], ["release"]])
def test_wrong_usage_exits_two(arguments):
    assert run(*arguments).exit_code == 2
