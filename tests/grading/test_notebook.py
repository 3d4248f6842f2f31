"""Work handed in as notebooks: found, freed from what is no definition, graded like a file."""

import json

import pytest

from autograder.catalog import Course
from autograder.grading.notebook import as_program, is_joined, joined, runnable
from autograder.grading.submission import find_submissions
from autograder.sandbox.sources import run_cells
from tests.grading.small import SCALING, STATS, Results, grade, write_class, write_small_course


def notebook(*cells, **extra):
    """A notebook with these cells of code; ("markdown", text) is one of text."""
    made = [
        {"cell_type": "markdown", "metadata": {}, "source": [cell[1]]}
        if isinstance(cell, tuple)
        else {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": cell}
        for cell in cells
    ]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": made} | extra)


def extracted(*cells):
    text, left = runnable(joined(notebook(*cells).encode()))
    return text.decode(), left


def test_definitions_imports_and_the_constants_they_need_are_kept():
    text, left = extracted(
        ("markdown", "# Work"),
        "import numpy as np\nEPS = 1e-5\nSCALE = 2 * EPS\nunused = open('data.csv')",
        "@np.vectorize\ndef f(x):\n    return x + SCALE\n\nprint(f(1))\nf(2)",
        "class Layer:\n    width = 3",
    )
    assert "import numpy" in text and "EPS = 1e-5" in text and "SCALE = 2 * EPS" in text
    assert "@np.vectorize\ndef f" in text and "class Layer" in text
    assert "print" not in text and "open(" not in text
    assert left == ["2 statements of cell 3"]


def test_magics_shell_commands_and_help_do_no_harm():
    text, left = extracted(
        "%matplotlib inline\n!pip install torch\nimport math\nmath.sqrt?\n?math",
        "%%time\ndef f(x):\n    %timeit x\n    return x % 2",
        "%%bash\nrm -rf everything",
    )
    assert "import math" in text and "return x % 2" in text
    assert "pip" not in text and "everything" not in text
    assert left == []


def test_a_cell_that_does_not_parse_costs_that_cell():
    text, left = extracted("def right(x):\n    return x", "def wrong(x:\n    return")
    assert "def right" in text and "wrong" not in text
    assert left == ["cell 2 (SyntaxError, line 2)"]


def test_every_line_keeps_its_place():
    whole = joined(notebook("print(1)\n\ndef f():\n    return 1").encode()).decode().splitlines()
    text = runnable(joined(notebook("print(1)\n\ndef f():\n    return 1").encode()))[0].decode().splitlines()
    assert text[whole.index("def f():")] == "def f():"


def test_a_later_definition_wins_as_it_does_in_the_notebook():
    text, _ = extracted("def f():\n    return 1", "def f():\n    return 2")
    scope = {}
    exec(text, scope)
    assert scope["f"]() == 2


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"cells": [1]}', b"[" * 100_000, b'{"cells": 3}', b"\xff"])
def test_what_is_no_notebook_is_refused(content):
    with pytest.raises(ValueError, match="is not a notebook"):
        joined(content)


def test_a_file_that_only_looks_like_one_is_a_file():
    assert not is_joined(b"import numpy\n# from a notebook\n")


@pytest.fixture
def course(tmp_path):
    return write_small_course(tmp_path / "course")


def found(course, folder):
    return {submission.learner: submission for submission in find_submissions(folder, Course(course).exercises)}


def test_notebooks_are_found_by_name_and_by_what_they_define(course, tmp_path):
    both = notebook("x = 1", SCALING, STATS)
    for path, text in {
        "ann/week1/scaling.ipynb": notebook(SCALING),
        "bob/homework.ipynb": both,
        "cid_scaling.ipynb": notebook(SCALING),
        "dan/lesson.ipynb": notebook("print('hello')"),
        "eve/week1/scaling.ipynb": "no notebook",
        "fay/week1/scaling.ipynb": notebook(SCALING.replace("factor * x", "0 * x")),
    }.items():
        file = tmp_path / "class" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (tmp_path / "class/fay/week1/scaling.py").write_text(SCALING)
    work = found(course, tmp_path / "class")
    assert work["ann"].files.keys() == {"week1/scaling"} == work["cid"].files.keys()
    assert work["bob"].files.keys() == {"week1/scaling", "week1/stats"}
    assert work["dan"].files == {} and work["dan"].notes == []
    assert work["eve"].refused == {"week1/scaling": "week1/scaling.ipynb is not a notebook"}
    assert work["fay"].files["week1/scaling"] == SCALING.encode()  # a file counts for more than a notebook


def test_a_notebook_is_graded_like_a_file_and_says_what_was_left_out(course, tmp_path):
    stray = "raise SystemExit('never run')\nwhile True:\n    pass"
    write_class(tmp_path / "class", {"file": {}})
    for learner, cells in {
        "notebook": [stray, SCALING, "%timeit scale(1.0)", STATS],
        "wrong": [SCALING.replace("factor * x", "2.0 * x"), STATS],
        "broken": ["def scale(x:\n    pass", STATS],
    }.items():
        (tmp_path / "class" / learner).mkdir()
        (tmp_path / "class" / learner / "week1.ipynb").write_text(notebook(*cells))
    done = grade(course, tmp_path / "class", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    results = Results(tmp_path / "out")
    assert results.points("notebook") == results.points("file") == ["2", "1", "3"]
    assert results.points("wrong") == ["1.5", "1", "2.5"]
    assert "graded from a notebook; left out: 2 statements of cell 1" in results.html("notebook")
    assert results.points("broken")[0] == "0"
    assert "cell 1 (SyntaxError" in results.of("broken", "week1/scaling")["note"]


def test_a_program_of_cells_goes_on_after_a_cell_that_raises_and_keeps_what_names_meant_where_a_test_stood(capsys):
    test = {"nbgrader": {"grade": True, "solution": False, "grade_id": "mean-is-right"}}
    cells = [
        ("import os\nhidden = os.sep", {}),
        ("mean = 5", {}),
        ("raise SystemExit", {}),
        ("mean = 'tested'", test),
        ("def broken(:", {}),
        ("mean = 7", {}),
    ]
    made = [{"cell_type": "code", "source": source, "metadata": metadata} for source, metadata in cells]
    text, left_out = as_program(joined(json.dumps({"cells": made}).encode()), forbidden=["os"])
    names = {}
    run_cells(text.decode(), "week1/stats.py", names)
    assert (names["mean"], names["__checkpoints__"]["mean-is-right"]["mean"], "hidden" in names) == (7, 5, False)
    assert left_out == ["cell 1 (imports os, which this exercise does not allow)", "cell 5 (SyntaxError, line 2)"]
    assert "SystemExit" in capsys.readouterr().err
