import subprocess
import sys

import pytest

from autograder.catalog import Course, CourseError
from tests.courses import write_course, write_files


def learners_course(root, files=None):
    """A course as a learner has it: stubs and tests only."""
    stub = "import numpy as np\n\n\ndef relu(x):\n    raise NotImplementedError\n\n\ndef softmax(x):\n    return 1\n"
    write_files(root, {"exercises/m00_foundations/activations.py": stub} | (files or {}))
    return Course(root)


def test_modules_and_exercises_are_sorted_and_leave_helpers_tests_and_lessons_out(tmp_path):
    course = write_course(
        tmp_path,
        {
            "solutions/m00_foundations/_data.py": "",
            "solutions/m00_foundations/conftest.py": "",
            "solutions/m00_foundations/test_it.py": "",
            "solutions/m00_foundations/not-a-module.py": "",
            "solutions/a_first/zeta.py": "",
            "solutions/a_first/alpha.py": "",
            "solutions/__pycache__/x.py": "",
            "solutions/.hidden/x.py": "",
            "solutions/empty/notes.txt": "",
        },
    )
    assert [e.id for e in course.exercises] == [
        "a_first/alpha",
        "a_first/zeta",
        "m00_foundations/activations",
        "m00_foundations/layers",
    ]


def test_an_exercise_knows_its_files(tmp_path):
    exercise = write_course(tmp_path).exercise("m00_foundations/activations")
    paths = ["stub", "solution", "grader", "public_tests", "hints", "mistakes"]
    assert {name: getattr(exercise, name).relative_to(tmp_path.resolve()).as_posix() for name in paths} == {
        "stub": "exercises/m00_foundations/activations.py",
        "solution": "solutions/m00_foundations/activations.py",
        "grader": "graders/m00_foundations/test_activations.py",
        "public_tests": "exercises/m00_foundations/test_activations.py",
        "hints": "exercises/m00_foundations/hints.yml",
        "mistakes": "solutions/m00_foundations/mistakes.yml",
    }


def test_graders_live_in_the_package_when_the_course_carries_it(tmp_path):
    course = write_course(tmp_path, {"autograder/graders/m00_foundations/test_activations.py": ""})
    assert course.graders_dir == tmp_path.resolve() / "autograder" / "graders"


def test_tasks_are_the_public_marked_definitions_in_file_order(tmp_path):
    course = write_course(tmp_path)
    assert course.exercise("activations").tasks == ["relu", "softmax"]
    assert course.exercise("layers").tasks == ["Layer"]


def test_public_definitions_without_a_block_are_no_tasks_of_a_solution(tmp_path):
    source = "def given():\n    pass\n\n\nasync def asked():\n    # BEGIN SOLUTION\n    pass\n    # END SOLUTION\n"
    course = write_course(tmp_path, {"solutions/m01_more/one.py": source})
    assert course.exercise("one").tasks == ["asked"]


def test_without_solutions_the_stubs_are_the_exercises(tmp_path):
    exercise = learners_course(tmp_path, {"exercises/m00_foundations/test_activations.py": ""}).exercise("activations")
    assert exercise.tasks == ["relu", "softmax"]
    assert exercise.libraries == ("numpy",)


def test_a_stub_that_is_no_python_yet_still_has_its_tasks(tmp_path):
    half_typed = "def relu(x):\n    return (\n\n\ndef _helper():\n    pass\n\n\nclass Net:\n    pass\n"
    course = learners_course(tmp_path, {"exercises/m00_foundations/activations.py": half_typed})
    assert course.exercise("activations").tasks == ["relu", "Net"]
    assert course.exercise("activations").libraries == ()


def test_a_solution_that_is_no_python_is_an_error_with_its_line(tmp_path):
    course = write_course(tmp_path, {"solutions/m00_foundations/activations.py": "x = 1\ndef f(:\n"})
    with pytest.raises(CourseError, match=r"activations\.py:2: "):
        _ = course.exercise("activations").tasks


def test_a_solution_that_is_not_utf8_is_an_error(tmp_path):
    course = write_course(tmp_path)
    course.exercise("activations").solution.write_bytes(b"# \xff\n")
    with pytest.raises(CourseError, match="not UTF-8"):
        _ = course.exercise("activations").libraries


def test_libraries_are_third_party_packages_wherever_they_are_imported(tmp_path):
    source = """\
        from __future__ import annotations
        import os.path, numpy.linalg
        from collections import abc
        from m00_foundations import activations
        from . import sibling

        def f():
            import torch.nn as nn
        """
    exercise = write_course(tmp_path, {"solutions/m01_more/one.py": source}).exercise("one")
    assert exercise.libraries == ("numpy", "torch")


def test_allowed_imports_add_the_usual_ones_and_the_modules_of_the_course(tmp_path):
    exercise = write_course(tmp_path, {"solutions/m01_more/one.py": "import torch\n"}).exercise("one")
    assert exercise.allowed_imports == {"torch", "numpy", "jaxtyping", "m00_foundations", "m01_more"}


def test_imported_exercises_come_after_what_they_need_themselves(tmp_path):
    course = write_course(
        tmp_path,
        {
            "solutions/m01_more/net.py": "import m00_foundations.layers\nfrom m01_more import circle\n",
            "solutions/m01_more/circle.py": "from m01_more.net import anything\n",
        },
    )
    assert [e.id for e in course.exercise("net").imports_exercises] == [
        "m00_foundations/activations",
        "m00_foundations/layers",
        "m01_more/circle",
    ]
    assert course.exercise("activations").imports_exercises == []


def test_an_unknown_name_is_answered_with_the_near_one(tmp_path):
    course = write_course(tmp_path)
    with pytest.raises(CourseError, match="no exercise 'activation'; did you mean \"activations\""):
        course.exercise("activation")
    with pytest.raises(CourseError, match="no module 'm00_foundation'; did you mean \"m00_foundations\""):
        course.module("m00_foundation")


def test_an_ambiguous_name_asks_which(tmp_path):
    course = write_course(tmp_path, {"solutions/m02_deep/activations.py": ""})
    with pytest.raises(CourseError, match="m00_foundations/activations, m02_deep/activations"):
        course.exercise("activations")


class TestFind:
    @pytest.fixture(autouse=True)
    def elsewhere(self, tmp_path, monkeypatch):
        monkeypatch.delenv("AUTOGRADER_COURSE", raising=False)
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")

    def test_the_folder_named_wins_over_the_variable(self, tmp_path, monkeypatch):
        one, two = write_course(tmp_path / "one"), write_course(tmp_path / "two")
        monkeypatch.setenv("AUTOGRADER_COURSE", str(two.root))
        assert Course.find(one.root) == one
        assert Course.find() == two

    def test_the_nearest_course_around_the_working_directory(self, tmp_path, monkeypatch):
        outer = write_course(tmp_path)
        inner = learners_course(tmp_path / "build" / "inner")
        monkeypatch.chdir(inner.exercises_dir / "m00_foundations")
        assert Course.find() == inner
        monkeypatch.chdir(tmp_path / "build")
        assert Course.find() == outer

    def test_a_file_lies_in_a_course(self, tmp_path):
        course = write_course(tmp_path)
        assert Course.around(course.exercise("activations").public_tests) == course

    def test_a_folder_that_is_no_course_is_named_with_what_was_looked_for(self, tmp_path):
        with pytest.raises(
            CourseError, match=r"elsewhere is not a course: looked for solutions/<module>/<exercise>\.py"
        ):
            Course.find(tmp_path / "elsewhere")

    def test_a_folder_that_does_not_exist(self, tmp_path):
        with pytest.raises(CourseError, match="nowhere: no such folder"):
            Course.find(tmp_path / "nowhere")

    def test_a_wrong_variable_is_named(self, tmp_path, monkeypatch):
        monkeypatch.setenv("AUTOGRADER_COURSE", str(tmp_path / "nowhere"))
        with pytest.raises(CourseError, match="AUTOGRADER_COURSE names it"):
            Course.find()

    def test_no_course_anywhere_says_where_it_looked(self, tmp_path, monkeypatch):
        monkeypatch.setattr(
            "autograder.catalog.__file__", str(tmp_path / "site-packages" / "autograder" / "catalog.py")
        )
        with pytest.raises(CourseError, match="no course found: looked in .*elsewhere.*--course DIR"):
            Course.find()


def test_the_catalog_imports_nothing_heavy_and_no_exercise(tmp_path):
    write_course(tmp_path, {"solutions/m01_more/loud.py": "raise SystemExit('imported')\nimport numpy\n"})
    code = (
        "import sys; from autograder.catalog import Course; e = Course.find(sys.argv[1]).exercise('loud'); "
        "assert e.libraries == ('numpy',) and e.tasks == []; print({'numpy', 'pydantic', 'yaml'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert (run.stdout, run.stderr) == ("set()\n", "")
