import ast
import sys

import nbformat
import pytest

from autograder.authoring.build import build, drift, planned, stub_text
from autograder.authoring.sources import AuthoringError, read_marked
from autograder.catalog import Course
from tests.courses import write_course, write_files


@pytest.fixture
def course(tmp_path):
    return write_course(tmp_path)


@pytest.fixture
def solution(tmp_path):
    """Writes a solution and returns its path."""

    def write(text):
        write_files(tmp_path, {"solution.py": text})
        return tmp_path / "solution.py"

    return write


def test_each_block_becomes_one_raise_and_nothing_else_changes(course):
    layers = course.exercise("layers").solution
    assert stub_text(layers) == (
        '"""Layers."""\n\nimport numpy as np\n\nfrom m00_foundations.activations import relu\n\n\n'
        'class Layer:\n    """A linear map and a relu."""\n\n'
        "    def __init__(self, w):\n        raise NotImplementedError\n\n"
        "    def __call__(self, x):\n        raise NotImplementedError\n"
    )


def test_odd_text_around_a_block_stays_byte_for_byte(tmp_path):
    around = b'# caf\xc3\xa9 \xe2\x80\xa8 \x0c\r\ndef f(x):\r\n\t"""Doc:  \r\n\r\n\tB"""\r\n\t%s'
    block = b"# BEGIN SOLUTION\r\n\ty = 1\r\n\treturn y\r\n\t# END SOLUTION"
    path = tmp_path / "odd.py"
    path.write_bytes(around % block)
    assert stub_text(path).encode() == around % b"raise NotImplementedError"


def test_several_blocks_in_nested_statements_each_keep_their_indentation(solution):
    stub = stub_text(
        solution(
            """\
            def f(x):
                if x:
                    # BEGIN SOLUTION
                    x = [
                        1,
                    ]
                    # a comment at the end
                    # END SOLUTION
                else:
                    def g():
                        # BEGIN SOLUTION
                        return 2
                        # END SOLUTION
                return x
            """
        )
    )
    assert stub == (
        "def f(x):\n    if x:\n        raise NotImplementedError\n    else:\n        def g():\n"
        "            raise NotImplementedError\n    return x\n"
    )


PROGRAM = """\
    def f(xs):
        total = 0
        # BEGIN SOLUTION
        for x in xs:
            total += x
        # STUB
        # for x in xs:
        #     total = x  # forgets
        #
        #     # what came before
        # END SOLUTION
        return total
    """


def test_a_program_to_repair_takes_the_place_of_its_block(solution):
    assert stub_text(solution(PROGRAM)) == (
        "def f(xs):\n    total = 0\n    for x in xs:\n        total = x  # forgets\n\n"
        "        # what came before\n    return total\n"
    )


def test_a_program_to_repair_is_no_part_of_the_solution(solution):
    source = read_marked(solution(PROGRAM))
    assert source.bodies() == {"f": [["    for x in xs:\n", "        total += x\n"]]}
    assert source.programs == {"f"}


def test_the_line_ends_of_a_program_to_repair_are_kept(tmp_path):
    path = tmp_path / "odd.py"
    path.write_bytes(
        b"def f():\r\n\t# BEGIN SOLUTION\r\n\treturn 1\r\n\t# STUB\r\n\t#\r\n\t# return 2\r\n\t# END SOLUTION\r\n"
    )
    assert stub_text(path).encode() == b"def f():\r\n\r\n\treturn 2\r\n"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("def f():\n    # BEGIN SOLUTION\n    pass\n", 2, "without an `# END SOLUTION` after it"),
        ("def f():\n    pass\n    # END SOLUTION\n", 3, "without a `# BEGIN SOLUTION` before it"),
        (
            "def f():\n    # BEGIN SOLUTION\n    # BEGIN SOLUTION\n    pass\n    # END SOLUTION\n",
            3,
            "the block of line 2 has no `# END SOLUTION`",
        ),
        ("# BEGIN SOLUTION\nx = 1\n# END SOLUTION\n", 1, "must lie inside a function"),
        ("class A:\n    # BEGIN SOLUTION\n    x = 1\n    # END SOLUTION\n", 2, "must lie inside a function"),
        ("if True:\n    def f():\n        # BEGIN SOLUTION\n        pass\n        # END SOLUTION\n", 3, "top level"),
        ('def f():\n    """D."""\n    # BEGIN SOLUTION\n    # END SOLUTION\n', 3, "no code between the markers"),
        ('def f():\n    """D."""\n    # BEGIN SOLUTION\n\n    # hm\n    # END SOLUTION\n', 3, "no code between"),
        ("def f():\n    # BEGIN SOLUTION\n", 2, "expected an indented block|without an `# END"),
        (
            "def f():\n    # BEGIN SOLUTION\n    return 1\n\n\ndef g():\n    return 2\n    # END SOLUTION\n",
            8,
            "cuts through the statement of line 1",
        ),
        (
            "def f():\n    return (\n        # BEGIN SOLUTION\n        1\n        # END SOLUTION\n    )\n",
            3,
            "indented like the statements",
        ),
        ("def f():\n  # BEGIN SOLUTION\n    return 1\n    # END SOLUTION\n", 2, "indented like the statements"),
        ("def f():\n    # BEGIN SOLUTION\n    return 1\n# END SOLUTION\n", 2, "indented like the statements"),
        ("def f():\n    x = 1  # BEGIN SOLUTION\n    # END SOLUTION\n", 2, "write the marker as `# BEGIN SOLUTION`"),
        ("def f():\n    #begin solution\n    pass\n    # END SOLUTION\n", 2, "write the marker as `# BEGIN SOLUTION`"),
        ("def f():\n    # BEGIN SOLUTION\n    pass\n    # END SOLUTIONS\n", 4, "write the marker as `# END SOLUTION`"),
        ('def f():\n    """\n    # BEGIN SOLUTION\n    """\n', 3, "inside a string"),
        ("def f():\n    # STUB\n    return 1\n", 2, "`# STUB` without a `# BEGIN SOLUTION`"),
        (
            "def f():\n    # BEGIN SOLUTION\n    x = 1\n    # STUB\n    # STUB\n    # x = 2\n    # END SOLUTION\n",
            5,
            "`# STUB` again",
        ),
        (
            'def f():\n    """D."""\n    # BEGIN SOLUTION\n    # STUB\n    # pass\n    # END SOLUTION\n',
            3,
            "no code between",
        ),
        (
            "def f():\n    # BEGIN SOLUTION\n    x = 1\n    # STUB\n    # x = 2\n    x = 3\n    # END SOLUTION\n",
            6,
            "every line is a comment",
        ),
        (
            "def f():\n    # BEGIN SOLUTION\n    x = 1\n    # STUB\n    # x =\n    # END SOLUTION\n",
            5,
            "below `# STUB` stands no Python",
        ),
        ("def f():\n    # BEGIN SOLUTION\n    x = 1\n    # STUB\n    # END SOLUTION\n", 4, "stands no Python"),
        ("def f():\n    # BEGIN SOLUTION\n    x = 1\n    # Stub:\n    # END SOLUTION\n", 4, "the marker as `# STUB`"),
        ('def f():\n    """\n    # STUB\n    """\n', 3, "inside a string"),
        ("def f():\n    return 1\n", 1, "f is public, so it counts as a task"),
        ("X = 1\n", 1, "learners would get all of it"),
        ("def f(:\n", 1, "invalid syntax"),
        ("x = 1\ry = 2\n", 1, "carriage return"),
        (
            "def f():\n    try:\n        # BEGIN SOLUTION\n        x = 1\n    except ValueError:\n        x = 2\n"
            "        # END SOLUTION\n",
            3,
            "several branches",
        ),
    ],
)
def test_wrong_marks_are_errors_with_file_and_line(solution, text, line, message):
    with pytest.raises(AuthoringError, match=rf"solution\.py:({line}): .*({message})"):
        stub_text(solution(text))


def test_a_solution_that_is_not_utf8_is_an_error(tmp_path):
    (tmp_path / "bad.py").write_bytes(b"# \xff\n")
    with pytest.raises(AuthoringError, match=r"bad\.py: not UTF-8"):
        stub_text(tmp_path / "bad.py")


def test_the_bodies_of_a_task_are_found(course):
    bodies = read_marked(course.exercise("layers").solution).bodies()
    assert bodies == {
        "Layer": [
            ["        self.w = w\n"],
            ["        product = np.dot(x, self.w)\n", "        return relu(product)\n"],
        ]
    }


def test_build_writes_what_is_out_of_date_and_only_that(course):
    folder = course.exercises_dir / "m00_foundations"
    assert build(course) == [folder / "activations.py", folder / "layers.py", folder / "lesson.ipynb"]
    assert build(course) == []
    (folder / "layers.py").write_text("edited\n")
    assert build(course) == [folder / "layers.py"]
    assert not list(folder.glob(".*"))


def test_stubs_have_the_tasks_of_their_solutions(course):
    build(course)
    learners = write_course(course.root / "copy", dict.fromkeys(["solutions/m00_foundations/lesson.py"]))
    for exercise in learners.exercises:
        ast.parse(exercise.solution.read_text())
        assert exercise.tasks == course.exercise(exercise.id).tasks


def test_nothing_is_written_when_any_source_is_wrong(course):
    (course.solutions_dir / "m00_foundations" / "layers.py").write_text("def f():\n    return 1\n")
    with pytest.raises(AuthoringError, match=r"layers\.py:1"):
        build(course)
    assert not course.exercise("activations").stub.exists()


def test_drift_names_each_file_and_what_mends_it(course):
    build(course)
    assert drift(course) == []
    folder = course.exercises_dir / "m00_foundations"
    (folder / "activations.py").write_text("edited\n")
    (folder / "layers.py").unlink()
    write_files(course.root, {"exercises/m09_gone/old.py": "", "exercises/m09_gone/lesson.ipynb": ""})
    write_files(course.root, {"exercises/m00_foundations/_data.py": "", "exercises/m00_foundations/test_more.py": ""})
    assert [str(each) for each in drift(course)] == [
        "exercises/m00_foundations/activations.py: differs from what its source makes; run: autograder build",
        "exercises/m00_foundations/layers.py: is missing; run: autograder build",
        "exercises/m09_gone/lesson.ipynb: has no source any more; run: rm exercises/m09_gone/lesson.ipynb",
        "exercises/m09_gone/old.py: has no source any more; run: rm exercises/m09_gone/old.py",
    ]


def test_a_learners_course_has_nothing_to_build(tmp_path):
    write_files(tmp_path, {"exercises/m00_foundations/activations.py": "def relu(x): ...\n"})
    with pytest.raises(AuthoringError, match="it is a learner's course"):
        build(Course(tmp_path))


class TestLesson:
    def notebook(self, course, source):
        write_files(course.root, {"solutions/m00_foundations/lesson.py": source})
        (content,) = [content for path, content in planned(course).items() if path.suffix == ".ipynb"]
        return content

    def test_the_notebook_is_valid_has_a_kernel_and_no_outputs(self, course):
        content = self.notebook(course, "# %% [markdown]\n# # Title\n\n# %%\nx = 1\n\n\n# %%\nprint(x)\n")
        notebook = nbformat.reads(content.decode(), as_version=4)
        nbformat.validate(notebook)
        assert [(cell.cell_type, cell.source) for cell in notebook.cells] == [
            ("markdown", "# Title"),
            ("code", "x = 1"),
            ("code", "print(x)"),
        ]
        assert notebook.metadata == {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
        assert all(cell.outputs == [] and cell.execution_count is None for cell in notebook.cells[1:])

    def test_the_same_source_gives_the_same_bytes_even_with_equal_cells(self, course):
        source = "# %%\nx = 1\n\n# %%\nx = 1\n"
        content = self.notebook(course, source)
        assert content == self.notebook(course, source)
        ids = [cell.id for cell in nbformat.reads(content.decode(), as_version=4).cells]
        assert len(set(ids)) == 2

    def test_a_new_cell_leaves_the_ids_of_the_others(self, course):
        before = nbformat.reads(self.notebook(course, "# %%\nx = 1\n").decode(), as_version=4)
        after = nbformat.reads(self.notebook(course, "# %%\nimport os\n\n# %%\nx = 1\n").decode(), as_version=4)
        assert after.cells[1].id == before.cells[0].id

    def test_without_jupytext_the_message_says_how_to_get_it(self, course, monkeypatch):
        monkeypatch.setitem(sys.modules, "jupytext", None)
        with pytest.raises(AuthoringError, match=r"pip install -e '\.\[authoring\]'"):
            build(course)
