"""Notebooks that an instructor wrote for `otter assign`: one with doctests, one with tests that raise."""

import json
from textwrap import dedent

from tests.authoring.foreign import KERNEL, SECRET


def cell(source, kind="code", shows=""):
    made = {"cell_type": kind, "metadata": {}, "source": dedent(source).strip("\n")}
    output = {"output_type": "stream", "name": "stdout", "text": shows}
    return made | ({"outputs": [output] if shows else [], "execution_count": None} if kind == "code" else {})


def raw(source):
    return cell(source, "raw")


def question(config, *cells, tests=()):
    tests = [raw("# BEGIN TESTS"), *tests, raw("# END TESTS")] if tests else []
    solution = [raw("# BEGIN SOLUTION"), *cells, raw("# END SOLUTION")]
    return [
        raw(f"# BEGIN QUESTION\n{config}"),
        cell("What is it?", "markdown"),
        *solution,
        *tests,
        raw("# END QUESTION"),
    ]


def notebook(*cells):
    numbered = [each | {"id": f"cell-{number}"} for number, each in enumerate(cells)]
    return json.dumps({"cells": numbered, "metadata": KERNEL, "nbformat": 4, "nbformat_minor": 5})


SOFTMAX = """
    def softmax(x):
        "Positive, with sum 1."
        # BEGIN SOLUTION
        e = np.exp(x - x.max())
        return e / e.sum()
        # END SOLUTION
"""
DOCTESTS = notebook(
    raw("# ASSIGNMENT CONFIG\nexport_cell: false\nname: lab"),
    cell("import numpy as np"),
    cell("def close(a, b):\n    return bool(np.allclose(a, b))"),
    *question(
        "name: softmax\npoints: 3",
        cell(SOFTMAX),
        tests=[
            cell("x = np.array([1.0, 2.0])\nround(float(softmax(x).sum()), 6)", shows="1.0"),
            cell(f"# HIDDEN\nclose(softmax(np.array([{SECRET}, 0.0])), [1.0, 0.0])", shows="True"),
            cell(
                '""" # BEGIN TEST CONFIG\nhidden: true\n""" # END TEST CONFIG\nprint(softmax(np.array([5.0])))',
                shows="[1.]",
            ),
        ],
    ),
    *question(
        "name: mean",
        cell("mean = 6.0 # SOLUTION\nunit = 'm' # SOLUTION NO PROMPT"),
        tests=[cell("mean", shows="6.0"), cell("assert isinstance(mean, float)")],
    ),
    *question(
        "name: stack\npoints: 2\nall_or_nothing: true",
        cell(
            """
            class Stack:
                # BEGIN SOLUTION NO PROMPT
                def __init__(self):
                    self.items = []

                def push(self, item):
                    self.items.append(item)

                def __len__(self):
                    return len(self.items)
                # END SOLUTION
                \"\"\" # BEGIN PROMPT
                ...
                \"\"\" # END PROMPT
            """
        ),
        tests=[
            cell("stack = Stack()\nstack.push(3)\nstack.push(4)\nlen(stack)", shows="2"),
            cell("# HIDDEN\nstack = Stack()\nstack.push(7)\nstack.items", shows="[7]"),
        ],
    ),
    *question(
        "name: uneven\npoints: [1, 2]",
        cell("def twice(x):\n    return 2 * x # SOLUTION"),
        tests=[cell("twice(0)", shows="0"), cell("twice(2)", shows="4")],
    ),
    *question("name: why\nmanual: true\npoints: 4", cell("Because.", "markdown")),
)
RAISING = notebook(
    raw("# ASSIGNMENT CONFIG\nexport_cell: false\ntests:\n  ok_format: false"),
    cell("import numpy as np"),
    *question(
        "name: double\npoints: 2",
        cell("def double(x):\n    return 2 * x # SOLUTION"),
        tests=[
            cell("def test_double(double):\n    assert double(3) == 6\ntest_double(double)"),
            cell(
                f"# HIDDEN\ndef test_double_of_much(double, np):\n    assert np.isclose(double({SECRET}), {2 * SECRET})"
            ),
        ],
    ),
    *question("name: names", cell("a = 1 # SOLUTION"), tests=[cell("def test_env(env):\n    assert 'a' in env")]),
)
