"""The cards, as a learner reads them."""

import pytest


def card(result):
    """The lines between the heading of the one failure and the summary."""
    lines = result.outlines
    start = next(i for i, line in enumerate(lines) if "___ test_double ___" in line)
    end = next(i for i, line in enumerate(lines) if "= exercises =" in line)
    return lines[start + 1 : end]


def test_wrong_values(course):
    course.solve(double="return x * 2.0**times + np.array([0.0, 0.0, 1e-3])")
    result = course.check(
        "assert_close(learner.double(np.array([[0.5, 1, 2], [3, 4, 5]]), times=3), np.array([[4.0, 8, 16], [24, 32, 40]]))",
        "--probe-seed=5",
    )
    assert card(result) == [
        "double",
        "",
        "double(x float64 (2, 3), times=3) returned float64 (2, 3)",
        "2 of 6 values of the result are wrong, the worst at [0, 2]: 16.001, expected 16",
        "",
        "  got                      expected",
        "> [     4      8 16.001]   [ 4  8 16]",
        "  [    24     32 40.001]   [24 32 40]",
        "",
        "at [0, 2]: absolute error 0.001, relative 6.25e-05, allowed 2.05e-08",
        "",
        "next: pytest exercises/m00_tiny/test_basics.py::test_double --probe-seed 5",
    ]


def test_a_large_array_is_shown_near_its_worst_value(course):
    course.solve(double="y = 2 * x\ny[1, 40, 30] += 5\nreturn y")
    lines = card(course.check("assert_close(learner.double(np.ones((2, 50, 60))), np.full((2, 50, 60), 2.0))"))
    assert "1 of 6000 values of the result is wrong, at [1, 40, 30]: 7, expected 2" in lines
    assert any(line.startswith("  got[1, 37:44, ") for line in lines)
    assert sum(line.startswith("> [2 ") for line in lines) == 1


def test_a_wrong_type(course):
    course.solve(double="print('here')\nreturn [x]")
    lines = card(course.check("assert_close(learner.double(np.ones(3)), np.ones(3))"))
    assert lines[2] == "double(x float64 (3,)) returned a list where a NumPy array was expected"
    assert lines[-2:] == ["----------------------------- Captured stdout call -----------------------------", "here"]


def test_a_value_that_the_check_cannot_work_with(course):
    course.solve(double="return None")
    assert card(course.check("assert_close(learner.double(np.ones(3)).sum(), 3.0)"))[2:5] == [
        "double(x float64 (3,)) returned None",
        "returned something the check cannot work with: AttributeError: 'NoneType' object",
        "  has no attribute 'sum'",
    ]


def test_an_exception_shows_the_learners_lines_only(course):
    course.solve(double="return np.linalg.inv(x)", softmax="return double(x)")
    assert card(course.check("learner.softmax(np.ones(3))"))[2:-2] == [
        "softmax(x float64 (3,)) raised",
        "LinAlgError: 1-dimensional array given. Array must be at least two-dimensional",
        "",
        "  exercises/m00_tiny/basics.py:13, in softmax",
        "    return double(x)",
        "           ^^^^^^^^^",
        "  exercises/m00_tiny/basics.py:8, in double",
        "    return np.linalg.inv(x)",
        "           ^^^^^^^^^^^^^^^^",
    ]


def test_a_deep_recursion_is_cut_short(course):
    course.solve(double="return double(x)")
    lines = card(course.check("learner.double(1.0)"))
    assert "double(x=1) raised" in lines
    assert any("more calls" in line for line in lines)
    assert len(lines) < 30


def test_an_assertion_in_the_learners_code_is_an_exception(course):
    course.solve(double="assert x.ndim == 2, 'two axes'\nreturn x")
    assert "AssertionError: two axes" in card(course.check("learner.double(np.ones(3))"))


def test_an_assertion_in_a_function_passed_in_is_the_checks(course):
    course.solve(double="return x(3)")
    lines = card(course.check("def f(n):\n    assert n == 4\n\nlearner.double(f)"))
    assert "> assert n == 4" in lines
    assert "assert 3 == 4" in lines


def test_a_plain_assert_keeps_its_explanation(course):
    course.solve(double="return x")
    lines = card(course.check("assert learner.double(2.0) == 4.0"))
    assert lines[2] == "double(x=2) returned 2"
    assert lines[3] == "> assert learner.double(2.0) == 4.0"
    assert lines[4] == "assert 2.0 == 4.0"


def test_a_missing_exception(course):
    course.solve(double="return x")
    lines = card(course.check("with pytest.raises(ValueError):\n    learner.double(-1.0)"))
    assert lines[2:4] == ["double(x=-1) returned -1", "raised nothing where ValueError was expected"]


def test_a_missing_function(course):
    course.write({"exercises/m00_tiny/basics.py": "def dubble(x):\n    return x\n"})
    assert "basics.py has no function `double`" in card(course.check("learner.double(-1.0)"))


def test_a_class_and_its_instances_are_told_apart(course):
    course.write(
        {
            "solutions/m00_tiny/basics.py": """\
            class Scale:
                def __init__(self, factor):
                    # BEGIN SOLUTION
                    self.factor = factor
                    # END SOLUTION

                def __call__(self, x):
                    return x
            """,
            "exercises/m00_tiny/basics.py": """\
            class Scale:
                def __init__(self, factor):
                    self.factor = factor

                def __call__(self, x):
                    return x
            """,
        }
    )
    made = card(course.check("assert learner.Scale(2).factor == 3"))
    called = card(course.check("assert_close(learner.Scale(2)(np.ones(3)), np.full(3, 2.0))"))
    assert made[2] == "Scale(factor=2) returned Scale"
    assert called[2] == "Scale(x float64 (3,)) returned float64 (3,)"


def test_control_sequences_of_the_learner_are_not_obeyed(course):
    course.solve(double="raise ValueError('\\x1b[2J\\x07gone')")
    result = course.check("learner.double(1.0)")
    assert "\x1b" not in result.stdout.str()
    assert "ValueError: \N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}gone" in card(result)


def test_a_message_that_cannot_be_shown(course):
    course.solve(double="class Odd(Exception):\n    def __str__(self):\n        return 1 / 0\n\nraise Odd")
    assert "Odd: <its message cannot be shown>" in card(course.check("learner.double(1.0)"))


def test_an_unstarted_function_of_another_file_is_named(course):
    course.write(
        {
            "solutions/m00_tiny/deep.py": "def deep(x):\n    # BEGIN SOLUTION\n    return 1\n    # END SOLUTION\n",
            "exercises/m00_tiny/deep.py": "from m00_tiny.basics import double\n\n\ndef deep(x):\n    return double(x)\n",
            "exercises/m00_tiny/test_deep.py": "def test_deep(learner):\n    assert learner.deep(2.0) == 4.0\n",
        }
    )
    verdicts = []

    class Listen:
        def pytest_runtest_logreport(self, report):
            verdicts.extend(filter(None, [getattr(report, "verdict", None)]))

    course.pytester.inline_run("-p", "autograder.testing.plugin", "exercises/m00_tiny/test_deep.py", plugins=[Listen()])
    assert [verdict.card for verdict in verdicts] == [
        "deep needs double, which is not started: exercises/m00_tiny/basics.py:8"
    ]


@pytest.mark.parametrize("double", ["return x.T", "return x @ x", "return 7 * x", "return {'a': [x] * 20}"])
def test_cards_fit_eighty_columns(course, double):
    course.solve(double=double)
    lines = card(course.check("x = probe.extreme('B T D')\nassert_close(learner.double(x), 2 * x)"))
    assert max(len(line) for line in lines if not line.startswith("next: ")) <= 80
