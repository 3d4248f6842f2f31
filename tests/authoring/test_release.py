import hashlib
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from autograder.authoring.release import MANIFEST, ReleaseError, release
from autograder.catalog import Course, CourseError
from tests.courses import write_course, write_files


@pytest.fixture
def course(tmp_path):
    return write_course(tmp_path / "course")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "learners"


def exercise_files(out):
    return sorted(p.relative_to(out).as_posix() for p in (out / "exercises").rglob("*") if not p.is_dir())


def refused(course, out, match, **options):
    """The release fails and leaves nothing of it behind."""
    before = sorted(out.parent.iterdir())
    with pytest.raises(ReleaseError, match=match):
        release(course, out, **options)
    assert sorted(out.parent.iterdir()) == before


def test_learners_get_stubs_tests_hints_lesson_and_package(course, out):
    (course.root / "LICENSE").write_text("Do good.\n")
    files = release(course, out)
    assert exercise_files(out) == [
        "exercises/m00_foundations/README.md",
        "exercises/m00_foundations/activations.py",
        "exercises/m00_foundations/hints.yml",
        "exercises/m00_foundations/layers.py",
        "exercises/m00_foundations/lesson.ipynb",
        "exercises/m00_foundations/test_activations.py",
    ]
    top = {path.parts[0] for path in files}
    assert top == {
        MANIFEST,
        ".gitignore",
        "LICENSE",
        "README.md",
        "autograder",
        "course.json",
        "exercises",
        "pyproject.toml",
    }
    assert sorted(path.relative_to(out) for path in out.rglob("*") if path.is_file()) == sorted(files)


def test_the_package_comes_without_what_only_instructors_have(course, out):
    names = {path.as_posix() for path in release(course, out)}
    assert "autograder/catalog.py" in names
    assert not [name for name in names if "graders/" in name or "authoring" in name or "__pycache__" in name]


def test_stubs_come_from_the_solutions_whatever_lies_in_exercises(course, out):
    stub = course.exercise("activations").stub
    stub.write_text(course.exercise("activations").solution.read_text())
    release(course, out)
    assert "np.exp" not in (out / "exercises/m00_foundations/activations.py").read_text()


def test_attempts_junk_and_links_are_left_behind(course, out, tmp_path):
    (tmp_path / "secret.txt").write_text("secret\n")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "more.txt").write_text("secret\n")
    home = course.exercises_dir / "m00_foundations"
    write_files(
        home,
        {
            "_data.py": "X = 1\n",
            "figures/curve.svg": "<svg/>\n",
            "attempt.py": "",
            "scratch.ipynb": "{}",
            "figures/draw.py": "",
            "__pycache__/x.pyc": "",
            ".ipynb_checkpoints/lesson-checkpoint.ipynb": "",
            "hints.yml~": "",
        },
    )
    write_files(course.exercises_dir, {"conftest.py": "", "README.md": "Start here.\n", "notes.py": ""})
    os.symlink(tmp_path / "secret.txt", home / "link.txt")
    os.symlink(tmp_path / "secrets", home / "linked")
    os.symlink(tmp_path / "secrets", course.exercises_dir / "m01_linked")
    release(course, out)
    names = {name.removeprefix("exercises/") for name in exercise_files(out)}
    assert {"conftest.py", "README.md", "m00_foundations/_data.py", "m00_foundations/figures/curve.svg"} <= names
    assert not [name for name in names if "attempt" in name or "scratch" in name or "draw" in name or "notes" in name]
    assert not [name for name in names if "pyc" in name or "checkpoint" in name or "~" in name or "link" in name]


def test_the_course_of_this_repository_gives_nothing_away(out):
    course = Course(Path(__file__).parents[2])
    names = {path.as_posix() for path in release(course, out)}
    assert {f"exercises/{exercise.id}.py" for exercise in course.exercises} <= names
    assert "exercises/m00_foundations/the_road.svg" in names


def test_a_workflow_for_github_classroom_has_a_step_and_a_result_for_each_module(course, out):
    assert not (out / ".github").exists()
    release(course, out, classroom=True)
    workflow = yaml.safe_load((out / ".github/workflows/classroom.yml").read_text())
    *steps, reporter = workflow["jobs"]["autograding"]["steps"]
    modules = [module.name for module in course.modules]
    assert [step["id"] for step in steps if "id" in step] == modules
    assert reporter["with"]["runners"].split(",") == modules
    results = {f"{name.upper()}_RESULTS": f"${{{{ steps.{name}.outputs.result }}}}" for name in modules}
    assert reporter["env"] == results


def test_a_released_folder_is_a_course_whose_commands_work(course, out):
    write_files(course.root, {"grading.yml": "title: Deep\nmodules: {m00_foundations: {exercises: {layers: }}}\n"})
    release(course, out)
    assert [(e.id, e.tasks) for e in Course(out).exercises] == [(e.id, e.tasks) for e in course.exercises]
    readme = (out / "README.md").read_text()
    assert readme.startswith("# Deep\n")
    assert readme.index("m00_foundations/layers.py") < readme.index("m00_foundations/activations.py")
    environment = {name: value for name, value in os.environ.items() if name != "AUTOGRADER_COURSE"}

    def autograder(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "autograder", *arguments], cwd=out, env=environment, capture_output=True, text=True
        )

    listed = autograder("list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "m00_foundations/activations\tsoftmax\t1\n" in listed.stdout
    assert "release" not in autograder("--help").stdout


def test_the_pyproject_is_installable_and_finds_the_tests(course, out):
    release(course, out)
    settings = tomllib.loads((out / "pyproject.toml").read_text())
    assert settings["project"]["scripts"] == {"autograder": "autograder.cli:app"}
    assert any(name.startswith("numpy") for name in settings["project"]["dependencies"])
    assert set(settings["project"]["optional-dependencies"]) == {"torch", "tensorflow", "lesson"}
    assert settings["project"]["requires-python"].startswith(">=3.")
    assert settings["tool"]["pytest"]["ini_options"]["testpaths"] == ["exercises"]


def test_the_readme_asks_for_torch_when_an_exercise_needs_it(course, out, tmp_path):
    write_files(
        course.root,
        {
            "solutions/m01_torch/tensors.py": """\
                import torch


                def zeros():
                    # BEGIN SOLUTION
                    return torch.zeros(3)
                    # END SOLUTION
                """
        },
    )
    release(Course(course.root), out)
    assert "pip install -e '.[torch]'" in (out / "README.md").read_text()
    release(Course(course.root), tmp_path / "numpy-only", ["m00_foundations"])
    assert "pip install -e .\n" in (tmp_path / "numpy-only" / "README.md").read_text()


class TestModules:
    NET = """\
        from m00_foundations.layers import Layer


        def net():
            # BEGIN SOLUTION
            return Layer(1)
            # END SOLUTION
        """

    @pytest.fixture
    def course(self, tmp_path):
        return write_course(tmp_path / "course", {"solutions/m01_deep/net.py": self.NET})

    def test_only_those_named_are_released(self, course, out):
        release(course, out, ["m00_foundations"])
        assert Course(out).exercises and {e.module for e in Course(out).exercises} == {"m00_foundations"}

    def test_a_module_needs_those_it_imports(self, course, out):
        refused(
            course, out, r"m01_deep/net imports .*; release that too: --module m00_foundations", modules=["m01_deep"]
        )

    def test_an_unknown_one_is_answered_with_the_near_name(self, course, out):
        with pytest.raises(CourseError, match='did you mean "m01_deep"'):
            release(course, out, ["m01_deeep"])


class TestLeaks:
    def test_two_lines_of_a_solution_in_a_test(self, course, out):
        leak = "def test_it():\n  shifted = x - x.max(axis, keepdims=True)\n\n  weights = np.exp(shifted)  # so\n"
        course.exercise("activations").public_tests.write_text(leak)
        refused(course, out, r"test_activations\.py holds two lines of the solution of m00_foundations/activations")

    def test_two_lines_of_a_solution_quoted_in_a_readme(self, course, out):
        leak = "Try\n\n    >>> positive = x > 0\n    >>> return np.where(positive, x, 0.0)\n"
        (course.exercises_dir / "m00_foundations" / "README.md").write_text(leak)
        refused(course, out, r"README\.md holds two lines of the solution of m00_foundations/activations \(relu\)")

    def test_two_lines_of_a_solution_in_a_lesson(self, course, out):
        leak = "# %%\n# positive = x > 0\n# return np.where(positive, x, 0.0)\n"
        write_files(course.root, {"solutions/m00_foundations/lesson.py": leak})
        refused(course, out, r"lesson\.ipynb holds two lines of the solution")

    def test_what_a_stub_hands_out_to_be_repaired_is_no_leak(self, course, out):
        shared = (
            "    # shifted = x - x.max(axis, keepdims=True)\n    # weights = np.exp(shifted)\n    # return weights\n"
        )
        path = course.exercise("activations").solution
        head, _, tail = path.read_text().rpartition("    # END SOLUTION")
        path.write_text(f"{head}    # STUB\n{shared}    # END SOLUTION{tail}")
        release(course, out)
        stub = out / "exercises/m00_foundations/activations.py"
        assert shared.replace("    # ", "    ") in stub.read_text()

    def test_a_single_line_is_no_leak(self, course, out):
        (course.exercises_dir / "m00_foundations" / "hints.yml").write_text(
            "relu: [return np.where(positive, x, 0.0)]\n"
        )
        assert release(course, out)

    @pytest.mark.parametrize("marker", ["# BEGIN SOLUTION", "<!-- END SOLUTION -->"])
    def test_a_marker_anywhere_in_the_exercises(self, course, out, marker):
        (course.exercises_dir / "m00_foundations" / "README.md").write_text(f"see {marker}\n")
        refused(course, out, r"README\.md holds the solution marker")

    @pytest.mark.parametrize(
        "private", ["graders/m00_foundations/test_activations.py", "solutions/m00_foundations/mistakes.yml"]
    )
    def test_a_private_file_under_another_name(self, course, out, private):
        copied = "\n# public\n" + (course.root / private).read_text() + "\n"
        (course.exercises_dir / "m00_foundations" / "test_layers.py").write_text(copied)
        refused(course, out, rf"test_layers\.py is the same file as .*{private}")

    def test_a_private_file_that_is_not_text(self, course, out):
        for path in ("graders/m00_foundations/expected.npy", "exercises/m00_foundations/data.npy"):
            (course.root / path).write_bytes(b"\x93NUMPY\xff")
        refused(course, out, r"data\.npy is the same file as .*expected\.npy")

    @pytest.mark.parametrize("name", ["solutions/curve.txt", "mistakes.yml"])
    def test_a_private_name(self, course, out, name):
        write_files(course.exercises_dir / "m00_foundations", {name: "x\n"})
        refused(course, out, "is for instructors, going by its name")

    def test_an_earlier_release_stays_as_it_was(self, course, out):
        release(course, out)
        before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
        (course.exercises_dir / "m00_foundations" / "README.md").write_text("# BEGIN SOLUTION\n")
        refused(course, out, "it would give solutions away")
        assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


class TestPlace:
    def test_a_folder_with_something_in_it_is_refused(self, course, out):
        write_files(out, {"thesis.txt": "years of work\n"})
        refused(course, out, "not empty and is not an earlier release")
        assert (out / "thesis.txt").read_text() == "years of work\n"

    def test_an_empty_folder_and_missing_parents_are_fine(self, course, out):
        out.mkdir()
        assert release(course, out)
        assert release(course, out / "build" / "deeper")

    @pytest.mark.parametrize("place", [".", "..", "exercises", "exercises/new", "solutions/new", "graders/new"])
    def test_a_place_in_or_around_the_sources_is_refused(self, course, place):
        with pytest.raises(ReleaseError, match="lies in|holds the course itself"):
            release(course, course.root / place)

    def test_a_file_is_refused(self, course, out):
        out.write_text("")
        refused(course, out, "is a file")

    def test_a_second_release_brings_the_first_up_to_date(self, course, out):
        write_files(course.root, {"exercises/m00_foundations/figures/old.svg": "<svg/>\n"})
        release(course, out)
        write_files(out, {".git/HEAD": "ref: refs/heads/main\n", "notes.txt": "mine\n"})
        (course.exercises_dir / "m00_foundations" / "figures" / "old.svg").unlink()
        (course.exercises_dir / "m00_foundations" / "README.md").write_text("# New\n")
        release(course, out)
        assert (out / "exercises/m00_foundations/README.md").read_text() == "# New\n"
        assert not (out / "exercises/m00_foundations/figures").exists()
        assert (out / ".git/HEAD").exists() and (out / "notes.txt").read_text() == "mine\n"

    def test_an_edited_file_of_an_earlier_release_is_not_overwritten(self, course, out):
        release(course, out)
        edited = out / "exercises/m00_foundations/activations.py"
        edited.write_text("an evening of work\n")
        refused(course, out, r"activations\.py was edited after the release")
        assert edited.read_text() == "an evening of work\n"

    def test_a_file_of_somebody_in_the_way_is_not_overwritten(self, course, out):
        release(course, out)
        write_files(out, {"exercises/m00_foundations/test_layers.py": "mine\n"})
        write_files(course.root, {"exercises/m00_foundations/test_layers.py": "def test_x(): ...\n"})
        refused(course, out, r"test_layers\.py is in the way")

    @pytest.mark.parametrize("name", ["../thesis.txt", "/thesis.txt", ""])
    def test_a_damaged_list_of_files_removes_nothing(self, course, out, name):
        release(course, out)
        victim = out.parent / "thesis.txt"
        victim.write_text("years of work\n")
        digest = hashlib.sha256(victim.read_bytes()).hexdigest()
        (out / MANIFEST).write_text(f"{digest}  {name}\n")
        refused(course, out, "is damaged")
        assert victim.exists()


def test_what_a_learner_may_import_does_not_depend_on_what_they_imported(course, out):
    release(course, out)
    before = {e.id: (e.tasks, e.allowed_imports) for e in Course(out).exercises}
    stub = out / "exercises/m00_foundations/activations.py"
    stub.write_text(f"import torch\n\ndef my_helper():\n    pass\n\n{stub.read_text()}")
    assert {e.id: (e.tasks, e.allowed_imports) for e in Course(out).exercises} == before


def test_a_listing_that_was_damaged_is_named(course, out):
    release(course, out)
    (out / "course.json").write_text("{")
    with pytest.raises(CourseError, match="course.json"):
        print(Course(out).exercises[0].tasks)
