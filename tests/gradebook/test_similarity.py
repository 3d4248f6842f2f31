"""Which submissions are alike: copies with other names are, everybody's stub and reference are not."""

import re

import pytest

from tests.grading.small import run_here, write_small_course

pytest.importorskip("copydetect", reason="not run: needs copydetect (pip install -e '.[similarity]')")

STUB = '''\
import numpy as np


def running_mean(x, width):
    """The mean of each `width` neighbours of x."""
    # BEGIN SOLUTION
    kernel = np.ones(width) / width
    return np.convolve(x, kernel, mode="valid")
    # END SOLUTION
'''
HEAD = STUB.partition("    # BEGIN")[0]
LOOP = (
    HEAD
    + """\
    answers = []
    position = 0
    while position + width <= len(x):
        total = 0.0
        for offset in range(width):
            total = total + x[position + offset]
        answers.append(total / width)
        position = position + 1
    return np.array(answers)
"""
)
RENAMED = LOOP.replace("answers", "result").replace("position", "i").replace("total", "s").replace("offset", "j")
CUMULATED = (
    HEAD
    + """\
    sums = np.concatenate([[0.0], np.cumsum(x)])
    windows = sums[width:] - sums[:-width]
    if windows.size == 0:
        raise ValueError("x is shorter than the window")
    return windows / float(width)
"""
)
REFERENCE = STUB.replace("    # BEGIN SOLUTION\n", "").replace("    # END SOLUTION\n", "")
WORK = {
    "ann": LOOP,
    "bob": RENAMED,
    "cid": CUMULATED,
    "<b>dora</b>": REFERENCE,
    "eve": REFERENCE,
    "fay": HEAD + "    pass\n",
}


@pytest.fixture
def report(tmp_path):
    write_small_course(tmp_path / "course", {"solutions/week1/means.py": STUB})
    for learner, text in WORK.items():
        path = tmp_path / "class" / learner / "week1" / "means.py"
        if "/" in learner:
            path = tmp_path / "class" / learner.replace("/", "_") / "week1" / "means.py"
        path.parent.mkdir(parents=True)
        path.write_text(text)

    def make(*words):
        out = tmp_path / "similarity.html"
        done = run_here("--course", tmp_path / "course", "similarity", tmp_path / "class", "--out", out, *words)
        assert done.exit_code == 0, done.output
        return done.output, out.read_text()

    return make


def test_a_copy_with_other_names_is_found_and_independent_work_is_not(report):
    said, page = report()
    assert re.search(r"^ *\d+%  week1/means  ann and bob$", said, re.MULTILINE)
    assert said.splitlines()[-1].startswith("1 pair in 1 group: ")
    assert re.findall(r"<h3>(\w+)", page) == ["ann", "bob"]


def test_the_report_marks_what_is_alike_and_says_what_it_cannot_prove(report):
    _, page = report()
    marked = "".join(re.findall(r"<mark>(.*?)</mark>", page, re.DOTALL))
    assert "while position" in marked and "while i" in marked
    assert "proves nothing" in page


def test_nothing_of_a_submission_is_markup_in_the_report(report):
    _, page = report("--at-least", "0.05")
    assert "<b>dora" not in page and "<script" not in page


def test_only_what_is_asked_for_is_compared(report):
    said, _ = report("--only", "scaling")
    assert said.startswith("0 pairs in 0 groups: ")
