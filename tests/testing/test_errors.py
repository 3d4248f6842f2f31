"""Exceptions of the learner's process, raised again in the check's."""

import builtins

import pytest

from autograder.sandbox.errors import InputChanged, LearnerError, MissingName, learner_error, ordinal

EXCEPTIONS = [
    name
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, Exception) and kind not in (StopIteration, ExceptionGroup)
]


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_it_is_an_instance_of_the_builtin_of_its_name(name):
    error = learner_error(name, "the message", [(3, "f", "raise")])
    assert isinstance(error, LearnerError)
    assert isinstance(error, getattr(builtins, name))
    assert (error.etype, error.message, str(error), error.frames) == (
        name,
        "the message",
        "the message",
        [(3, "f", "raise")],
    )


@pytest.mark.parametrize(
    "name", ["StopIteration", "KeyboardInterrupt", "SystemExit", "ExceptionGroup", "print", "Custom"]
)
def test_anything_else_is_a_plain_learner_error(name):
    error = learner_error(name, "the message")
    assert type(error) is LearnerError
    assert error.etype == name


def test_pytest_raises_matches_type_and_message():
    with pytest.raises(ValueError, match="axis 3"):
        raise learner_error("ValueError", "axis 3 is out of bounds")


def test_sentences_of_missing_names_and_changed_inputs():
    assert str(MissingName("softmax", "activations.py")) == "activations.py has no function `softmax`"
    assert str(InputChanged("softmax", 0)) == "softmax changed its 1st argument in place"
    assert str(InputChanged("softmax", "x")) == "softmax changed its argument `x` in place"


def test_ordinals():
    numbers = (1, 2, 3, 4, 11, 12, 13, 21, 102)
    assert [ordinal(n) for n in numbers] == ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd"]
