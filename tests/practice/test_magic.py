"""`%autograder` in a notebook."""

import pytest

from autograder.practice import magic
from tests.practice.conftest import DOUBLE, solved


class Shell:
    """What IPython gives an extension."""

    def register_magic_function(self, function, kind, name):
        self.run, self.kind, self.name = function, kind, name


@pytest.fixture
def cell(course, monkeypatch):
    monkeypatch.setenv("AUTOGRADER_COURSE", str(course.root))
    shell = Shell()
    magic.load_ipython_extension(shell)
    assert (shell.kind, shell.name) == ("line", "autograder")
    yield shell.run
    for checker in magic._checkers.values():
        checker.close()
    magic._checkers.clear()


def test_check_shows_the_card_as_text_and_as_html(cell, scaling):
    scaling.stub.write_text(solved(DOUBLE, "raise ValueError('x < y & z')"))
    shown = cell("check scaling")
    assert "✓ double" in repr(shown) and "✗ half raises an error" in repr(shown)
    assert "ValueError" in repr(shown)
    assert "<pre" in shown._repr_html_() and "x &lt; y &amp; z" in shown._repr_html_()
    assert "half" not in repr(cell("check double"))


def test_hint_goes_up_the_ladder(cell):
    assert "hint 1 of 3 for double: What is x + x?" in repr(cell("hint double"))
    assert "hint 2 of 3" in repr(cell("hint double"))


@pytest.mark.parametrize("line, says", [("", "usage"), ("check", "usage"), ("check dubble", 'did you mean "double"?')])
def test_what_cannot_be_done_is_said_without_a_traceback(cell, line, says):
    assert says in repr(cell(line))
