"""Reading mistakes.yml and making its edits."""

import pytest

from autograder.catalog import CourseError
from autograder.grading.mistakes import Mistake, MistakeError, apply_mistake, load_mistakes

SOLUTION = '''\
def scale(x, factor=2.0):
    """Multiply x, not 1.0 * x."""
    # BEGIN SOLUTION
    if factor == 1.0:
        return x
    return factor * x
    # END SOLUTION


class Shift:
    """Two bodies."""

    def __init__(self, by):
        # BEGIN SOLUTION
        self.by = by
        # END SOLUTION

    def __call__(self, x):
        # BEGIN SOLUTION
        return x + self.by
        # END SOLUTION
'''


@pytest.fixture
def load(tmp_path):
    """Writes a mistakes.yml and reads it."""

    def read(text):
        (tmp_path / "mistakes.yml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_mistakes(tmp_path / "mistakes.yml")

    return read


def mistake(replace, by, task="scale"):
    return Mistake("scaling", task, "a slip", replace, by, "Do not.")


def test_mistakes_come_in_the_order_of_the_file(load):
    entry = "  - {task: t, name: %s, replace: a, by: b, says: c}\n"
    found = load("late:\n" + entry % "first" + entry % "second" + "early:\n" + entry % "third")
    assert [(each.exercise, each.name) for each in found] == [("late", "first"), ("late", "second"), ("early", "third")]
    assert found[0] == Mistake("late", "t", "first", "a", "b", "c")


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "scaling:\n", "scaling: []\n"])
def test_a_file_may_be_empty(load, text):
    assert load(text) == []


def test_numbers_and_blocks_of_lines_are_texts(load):
    (found,) = load("e:\n- task: t\n  name: 1\n  replace: 0.5\n  by: |-\n    a = 1\n    return a\n  says: c\n")
    assert (found.name, found.replace, found.by) == ("1", "0.5", "a = 1\nreturn a")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {task: t}\n", "must be a mapping of exercises"),
        ("just words\n", "must be a mapping of exercises"),
        ("scaling: {task: t}\n", "must be a mapping of exercises"),
        ("scaling: [slip]\n", "scaling, entry 1: needs exactly the fields task, name, replace, by, says"),
        ("scaling: [{task: t, name: n, replace: a, by: b}]\n", "entry 1: needs exactly the fields"),
        ("scaling: [{task: t, name: n, replace: a, by: b, says: c, why: d}]\n", "entry 1: needs exactly the fields"),
        ("scaling: [{task: t, name: n, replace: a, by: , says: c}]\n", "entry 1: by must be a text"),
        ("scaling: [{task: t, name: n, replace: yes, by: b, says: c}]\n", "entry 1: replace must be a text"),
        ("scaling: [\n", "cannot be read"),
        (b"scaling: \xff\n", "cannot be read"),
    ],
)
def test_anything_else_is_an_error_that_names_the_file(load, text, message):
    with pytest.raises(MistakeError, match=f"mistakes.yml: .*{message}"):
        load(text)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(MistakeError, match="mistakes.yml: cannot be read"):
        load_mistakes(tmp_path / "mistakes.yml")


def test_the_command_line_can_show_these_errors():
    assert issubclass(MistakeError, CourseError)


def test_the_text_is_replaced_in_the_marked_body_only():
    assert apply_mistake(SOLUTION, mistake("1.0", "0.0")) == SOLUTION.replace("factor == 1.0", "factor == 0.0")


def test_what_replaces_it_keeps_the_indentation_of_the_body():
    slip = mistake("if factor == 1.0:\n    return x\nreturn", "for _ in x:\n    pass\nreturn 2 *")
    assert "    for _ in x:\n        pass\n    return 2 * factor * x\n    # END" in apply_mistake(SOLUTION, slip)


def test_the_bodies_of_all_methods_of_a_class_are_searched():
    assert "return x - self.by" in apply_mistake(SOLUTION, mistake("x + self", "x - self", task="Shift"))


def test_a_second_mistake_can_be_made_on_top_of_a_first():
    twice = apply_mistake(apply_mistake(SOLUTION, mistake("factor * x", "x")), mistake("x + self", "x", task="Shift"))
    assert "    return x\n    # END" in twice and "return x.by" in twice


def test_lines_may_end_as_on_windows():
    slip = mistake("return x\nreturn factor", "return 0\nreturn 3 * factor")
    assert apply_mistake(SOLUTION.replace("\n", "\r\n"), slip) == apply_mistake(SOLUTION, slip)


@pytest.mark.parametrize(
    ("slip", "times"),
    [
        (mistake("no such text", ""), 0),
        (mistake("Multiply", ""), 0),  # in the docstring
        (mistake("self.by", ""), 0),  # in another task
        (mistake("factor", ""), 2),
        (mistake("self.by", "", task="Shift"), 2),  # one in each body
        (mistake("x", "", task="scale_"), 0),
    ],
)
def test_the_text_must_occur_exactly_once(slip, times):
    with pytest.raises(MistakeError, match=rf"scaling: {slip.task}: 'a slip': .* occurs {times} times .*, not once"):
        apply_mistake(SOLUTION, slip)


def test_a_solution_that_is_marked_wrongly_is_an_error():
    with pytest.raises(MistakeError, match="scaling:3: .*without an `# END SOLUTION`"):
        apply_mistake(
            SOLUTION.replace("    # END SOLUTION\n\n\nclass", "\n\nclass").partition("class")[0], mistake("x", "")
        )
