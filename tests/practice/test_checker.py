"""Verdicts from the warm process: the same as pytest's, whatever the learner's file does."""

import pytest

from autograder.practice import record
from autograder.practice.checker import Checker, CheckerError
from tests.practice.conftest import DOUBLE, HALF, TESTS, solved


@pytest.fixture
def checker(course):
    with Checker(course, course.exercises) as checker:
        yield checker


@pytest.fixture
def checked(checker, scaling):
    """The verdict on scaling.py with this text."""

    def check(text):
        scaling.stub.write_text(text)
        return checker.check(scaling)

    return check


def test_each_task_has_the_state_of_its_worst_check(checked):
    assert checked(solved()).states == {"double": "not_started", "half": "not_started"}
    verdict = checked(solved(DOUBLE, "return x / 3"))
    assert verdict.states == {"double": "passed", "half": "wrong"}
    assert not verdict.passed and verdict.next_task == "half"
    assert checked(solved(DOUBLE, HALF)).passed


def test_the_card_says_what_pytest_would(checked):
    card = checked(solved(DOUBLE, "return x / 4")).failure().card
    assert "half(x float64 (2,)) returned float64 (2,)" in card
    assert "expected" in card and "next: pytest" in card


@pytest.mark.parametrize(
    "text, states, says",
    [
        (solved("while True: pass", HALF), {"double": "timeout", "half": "passed"}, "does a loop never end?"),
        (solved("import os; os._exit(0)", HALF), {"double": "error", "half": "passed"}, "ended the process"),
        (solved("return 2 *", HALF), {"double": "error", "half": "not_reached"}, "SyntaxError"),
        (solved("raise KeyError(x)"), {"double": "error", "half": "not_started"}, "KeyError"),
        ("", {"double": "error", "half": "error"}, "no function `double`"),
    ],
)
def test_whatever_the_file_does_there_is_a_verdict(checked, text, states, says):
    verdict = checked(text)
    assert verdict.states == states
    assert says in verdict.failure().card + verdict.failure().message
    assert checked(solved(DOUBLE, HALF)).passed  # and the next is right again


def test_an_import_that_does_not_end_is_told(checked):
    verdict = checked("while True: pass")
    assert "timeout" in verdict.states.values()


def test_what_the_code_prints_is_shown(checked):
    assert "seen 2" in checked(solved("print('seen', len(x))\n    return 2 * x", HALF)).output


def test_a_file_that_is_gone_is_told(checker, scaling):
    scaling.stub.unlink()
    assert "no such file" in checker.check(scaling).failure().card


def test_another_exercise_is_checked_with_the_present_state_of_what_it_imports(checker, course, checked):
    later = course.exercise("later")
    later.stub.write_text(later.stub.read_text().replace("raise NotImplementedError", "return double(double(x))"))
    assert checker.check(later).states == {"quadruple": "not_started"}
    checked(solved(DOUBLE))
    assert checker.check(later).passed


def test_checks_that_were_edited_count(checked, scaling):
    checked(solved(DOUBLE, HALF))
    scaling.public_tests.write_text(TESTS.replace("-5.0", "-6.0"))
    assert checked(solved(DOUBLE, HALF)).states["double"] == "wrong"
    scaling.public_tests.write_text("import nothing_like_it\n")
    assert "nothing_like_it" in "".join(checked(solved(DOUBLE, HALF)).problems)


def test_a_library_that_is_missing_is_named_with_how_to_get_it(course):
    listing = course.root / "course.json"
    listing.write_text(listing.read_text().replace('"numpy"', '"no_such_library"'))
    with pytest.raises(CheckerError, match="no_such_library is not installed; run: pip install"):
        Checker(type(course)(course.root), type(course)(course.root).exercises)


def test_what_came_out_is_in_the_record(checked, course):
    checked(solved("return x"))
    checked(solved(DOUBLE))
    verdict = checked(solved(DOUBLE))  # saved again, as it was
    own = record.load(course).task("week1/scaling", "double")
    assert (own.state, own.attempts, bool(own.passed)) == ("passed", 2, True)
    assert [state for _, state in own.history] == ["wrong", "passed"]
    assert verdict.first_passed == []
    assert sum(record.load(course).days.values()) == 2
