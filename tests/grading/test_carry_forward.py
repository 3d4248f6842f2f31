"""A task that is right, but builds on work that is not, passes with the reference in its place, for what the policy says."""

import pytest

from autograder.catalog import Course
from autograder.grading.pool import Job, NodeSettings, Pool
from autograder.grading.score import score_exercise
from autograder.policy import Policy
from tests.courses import write_files

STUB = "raise NotImplementedError"

LOW = """\
def double(x):
    # BEGIN SOLUTION
    return 2.0 * x
    # END SOLUTION


def quadruple(x):
    # BEGIN SOLUTION
    return double(double(x))
    # END SOLUTION


def negate(x):
    # BEGIN SOLUTION
    return -x
    # END SOLUTION
"""

HIGH = """\
from m.low import double


def double_sum(x, y):
    # BEGIN SOLUTION
    return double(x) + double(y)
    # END SOLUTION


def product(x, y):
    # BEGIN SOLUTION
    return x * y
    # END SOLUTION
"""

FILES = {
    "solutions/m/low.py": LOW,
    "solutions/m/high.py": HIGH,
    "graders/m/test_low.py": """\
        def test_double(learner):
            assert learner.double(3.5) == 7.0

        def test_quadruple_of_a_number(learner):
            assert learner.quadruple(3.5) == 14.0

        def test_quadruple_of_zero(learner):
            assert learner.quadruple(0.0) == 0.0

        def test_negate(learner):
            assert learner.negate(3.5) == -3.5
        """,
    "graders/m/test_high.py": """\
        import pytest

        def test_double_sum_of_two_numbers(learner):
            assert learner.double_sum(3.0, 4.0) == 14.0

        @pytest.mark.stage("robust")
        def test_double_sum_of_opposite_numbers(learner):
            assert learner.double_sum(3.0, -3.0) == 0.0

        def test_product(learner):
            assert learner.product(3.0, 4.0) == 12.0
        """,
    "grading.yml": "limits: {wall_seconds: 0.5}\n",
}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    root = tmp_path_factory.mktemp("carried")
    write_files(root, FILES)
    return Course(root)


@pytest.fixture(scope="module")
def hand_in(course):
    """Grades an exercise of a learner who hands in these files."""
    with Pool(NodeSettings(str(course.root), ["m/low", "m/high"], ["jaxtyping", "numpy"], 0), 1) as pool:

        def grade(exercise, task=None, **files):
            given = {f"m/{name}": text.encode() for name, text in files.items()}
            result = pool.grade(Job("ann", f"m/{exercise}", given, "", 60.0, task=task))
            assert not result.has_system_fault, result
            return result

        yield grade


def outcomes(result):
    """By check: its status, with "carried" for one that passed with help."""
    return {
        check.check.removeprefix("test_"): "carried" if check.carried else str(check.status) for check in result.checks
    }


DOUBLE_SUM = ("double_sum_of_two_numbers", "double_sum_of_opposite_numbers")


def test_nothing_is_carried_where_all_is_right(hand_in):
    assert set(outcomes(hand_in("low", low=LOW)).values()) == {"passed"}
    assert set(outcomes(hand_in("high", low=LOW, high=HIGH)).values()) == {"passed"}


def test_the_checks_of_one_task_can_be_run_alone(hand_in):
    assert outcomes(hand_in("low", "negate", low=LOW)) == {"negate": "passed"}
    assert outcomes(hand_in("low", "double", low=LOW.replace("2.0 * x", "3.0 * x"))) == {"double": "wrong"}


def test_a_task_of_the_same_file_stands_in(hand_in):
    result = hand_in("low", low=LOW.replace("2.0 * x", "3.0 * x"))
    assert outcomes(result) == {
        "double": "wrong",
        "quadruple_of_a_number": "carried",
        "quadruple_of_zero": "passed",  # needs no help
        "negate": "passed",
    }
    (carried,) = [check for check in result.checks if check.carried]
    assert (carried.status, carried.message) == ("passed", "passes once the reference stands in for double")


@pytest.mark.parametrize(
    "low",
    [
        LOW.replace("return 2.0 * x", STUB),
        LOW.replace("return 2.0 * x", "raise ValueError(x)"),
        LOW.replace("return 2.0 * x", "while True: pass"),
        LOW.replace("return 2.0 * x", "import os; os._exit(1)"),
    ],
    ids=["unfinished", "raises", "hangs", "exits"],
)
def test_whatever_is_wrong_with_the_task_below(hand_in, low):
    found = outcomes(hand_in("low", low=low))
    assert found["double"] != "passed"
    assert (found["quadruple_of_a_number"], found["quadruple_of_zero"], found["negate"]) == (
        "carried",
        "carried",
        "passed",
    )


@pytest.mark.parametrize(
    "low",
    [
        None,
        LOW.replace("2.0 * x", "3.0 * x"),
        LOW.replace("def double(x)", "def double(x"),
        LOW.replace("def double(", "def doubled("),
        "raise RuntimeError('left from debugging')\n" + LOW,
        "while True:\n    pass\n",
    ],
    ids=["missing", "wrong", "syntax", "renamed", "raises", "hangs"],
)
def test_a_file_that_is_imported_stands_in(hand_in, low):
    files = {"high": HIGH} | ({} if low is None else {"low": low})
    found = outcomes(hand_in("high", **files))
    assert found["double_sum_of_two_numbers"] == "carried"
    assert found["double_sum_of_opposite_numbers"] == "carried"  # not reached, before
    if low is None or "3.0" not in low:  # then nothing of the file could run at all without help
        assert found["product"] == "carried"


def test_a_task_that_is_wrong_itself_is_not_carried(hand_in):
    wrong = HIGH.replace("double(x) + double(y)", "double(x) - double(y)")
    found = outcomes(hand_in("high", high=wrong))
    assert [found[name] for name in DOUBLE_SUM] == ["error", "not_reached"]
    low = LOW.replace("2.0 * x", "3.0 * x").replace("double(double(x))", "double(x)")
    assert outcomes(hand_in("low", low=low))["quadruple_of_a_number"] == "wrong"


def test_a_task_that_builds_on_nothing_is_not_carried(hand_in):
    assert outcomes(hand_in("low", low=LOW.replace("-x", "x")))["negate"] == "wrong"
    assert outcomes(hand_in("low", low=LOW.replace("2.0 * x", "x")))["double"] == "wrong"


def test_an_unfinished_task_is_not_carried(hand_in):
    unfinished = HIGH.replace("return double(x) + double(y)", STUB)
    for files in ({"low": LOW.replace("2.0 * x", "3.0 * x")}, {}):
        found = outcomes(hand_in("high", high=unfinished, **files))
        assert not {"passed", "carried"} & {found[name] for name in DOUBLE_SUM}
    found = outcomes(hand_in("low", low=LOW.replace("return 2.0 * x", STUB).replace("return double(double(x))", STUB)))
    assert (found["double"], found["quadruple_of_a_number"]) == ("not_started", "not_started")


@pytest.mark.parametrize(("rule", "earned"), [("", 2.0), ("carried_forward: 0.5", 1.5), ("carried_forward: 0", 1.0)])
def test_what_a_carried_check_is_worth_is_in_grading_yml(hand_in, tmp_path, rule, earned):
    result = hand_in("high", high=HIGH, low=LOW.replace("2.0 * x", "3.0 * x"))
    assert outcomes(result) == {DOUBLE_SUM[0]: "carried", DOUBLE_SUM[1]: "carried", "product": "passed"}
    write_files(tmp_path, FILES | {"grading.yml": rule})
    policy = Policy.load(Course(tmp_path))
    score = score_exercise(result, policy.points(policy.course.exercise("high")), policy.carried_forward)
    assert score.earned == earned
