"""Modules from source text, and several of one name side by side."""

import importlib
import sys
import traceback

import pytest

from autograder.sandbox.sources import SourceFinder


def load(finder, name):
    with finder.isolated():
        return importlib.import_module(name)


def test_exercises_import_each_other_by_dotted_name():
    finder = SourceFinder(
        {
            "m00.layers": (b"def f():\n    return 2\n", "m00/layers.py"),
            "m00.mlp": (b"from m00.layers import f\nx = f()\n", "m00/mlp.py"),
        }
    )
    module = load(finder, "m00.mlp")
    assert module.x == 2
    assert module.__file__ == "m00/mlp.py"


def test_modules_of_one_name_coexist_and_leave_no_trace():
    learner = SourceFinder({"m00.a": (b"who = 'learner'\n", "learner/a.py")})
    reference = SourceFinder({"m00.a": (b"who = 'reference'\n", "reference/a.py")})
    before = set(sys.modules)
    assert load(learner, "m00.a").who == "learner"
    assert load(reference, "m00.a").who == "reference"
    assert set(sys.modules) == before
    assert learner not in sys.meta_path


def test_a_module_imported_elsewhere_comes_back(monkeypatch):
    outside = object()
    monkeypatch.setitem(sys.modules, "m00", outside)
    load(SourceFinder({"m00.a": (b"", "a.py")}), "m00.a")
    assert sys.modules["m00"] is outside


def test_an_import_within_a_function_finds_the_same_module():
    finder = SourceFinder(
        {
            "m00.a": (b"def late():\n    import m00.b\n    return m00.b\n", "a.py"),
            "m00.b": (b"", "b.py"),
        }
    )
    module = load(finder, "m00.a")
    with finder.isolated():
        first = module.late()
    with finder.isolated():
        assert module.late() is first


def test_views_nest():
    outer = SourceFinder({"m00.a": (b"who = 'outer'\n", "outer.py")})
    inner = SourceFinder({"m00.a": (b"who = 'inner'\n", "inner.py")})
    with outer.isolated():
        assert load(inner, "m00.a").who == "inner"
        with outer.isolated():
            assert importlib.import_module("m00.a").who == "outer"


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbfword = '\xc3\xa9'\r\n",
        b"word = '\xc3\xa9'\n",
        b"# -*- coding: latin-1 -*-\nword = '\xe9'\n",
        b"word = '\xc3\xa9'\r",
    ],
    ids=["byte order mark and CRLF", "UTF-8", "PEP 263", "CR"],
)
def test_encodings_and_line_ends_are_honoured(text):
    assert load(SourceFinder({"m00.a": (text, "a.py")}), "m00.a").word == "é"


def test_tracebacks_show_lines_of_files_that_are_not_on_disk():
    module = load(SourceFinder({"m00.a": (b"def f():\n    return 1 / 0  # here\n", "m00/nowhere.py")}), "m00.a")
    with pytest.raises(ZeroDivisionError) as caught:
        module.f()
    assert "return 1 / 0  # here" in "".join(traceback.format_exception(caught.value))


def test_files_are_read_when_they_are_imported(tmp_path):
    path = tmp_path / "a.py"
    finder = SourceFinder({"m00.a": (path, str(path))})
    path.write_text("x = 3\n")
    assert load(finder, "m00.a").x == 3


@pytest.mark.parametrize("text", [b"def f(:\n", b"x = '\xff'\n", b"# coding: none-such\n", b"x = 1\0"])
def test_text_that_is_not_python_is_a_syntax_error(text):
    finder = SourceFinder({"m00.a": (text, "m00/a.py")})
    with pytest.raises(SyntaxError):
        load(finder, "m00.a")
    assert "m00.a" not in sys.modules


def test_unknown_modules_of_a_known_package_are_missing():
    with pytest.raises(ModuleNotFoundError, match="m00.other"):
        load(SourceFinder({"m00.a": (b"import m00.other\n", "a.py")}), "m00.a")
