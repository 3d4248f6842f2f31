"""Notebooks that an instructor wrote for nbgrader: an assignment of two, with most of what such courses have in them."""

import json
from pathlib import Path
from textwrap import dedent

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
SECRET = 31337.125  # of hidden tests: no learner may ever read it


def cell(source, grade_id=None, kind="code", **about):
    metadata = {}
    if grade_id:
        flags = {"grade": False, "locked": False, "solution": False, "task": False, "schema_version": 3}
        metadata = {"nbgrader": flags | {"grade_id": grade_id} | about}
    made = {"cell_type": kind, "metadata": metadata, "source": dedent(source).strip("\n")}
    return made | ({"outputs": [], "execution_count": None} if kind == "code" else {})


def solution(grade_id, source):
    return cell(source, grade_id, solution=True)


def grading(grade_id, points, source):
    return cell(source, grade_id, grade=True, locked=True, points=points)


def notebook(*cells):
    numbered = [each | {"id": f"cell-{number}"} for number, each in enumerate(cells)]
    return json.dumps({"cells": numbered, "metadata": KERNEL, "nbformat": 4, "nbformat_minor": 5})


ARRAYS = notebook(
    cell("# Arrays\nFunctions of arrays.", kind="markdown"),
    cell("import numpy as np\n%matplotlib inline"),
    cell(
        """
        TOLERANCE = 1e-6


        def close(a, b):
            '''Whether two
        arrays agree.'''
            return np.allclose(a, b, atol=TOLERANCE)
        """,
        "helpers",
        locked=True,
    ),
    solution(
        "softmax",
        """
        def softmax(x):
            '''Positive, with sum 1.'''
            ### BEGIN SOLUTION
            e = np.exp(x - x.max())
            return e / e.sum()
            ### END SOLUTION
        """,
    ),
    cell("softmax(np.array([1.0, 2.0]))"),
    grading(
        "softmax-visible",
        2,
        f"""
        '''The entries of softmax add up to one.'''
        x = np.array([1.0, 2.0, 3.0])
        assert np.isclose(softmax(x).sum(), 1)
        ### BEGIN HIDDEN TESTS
        assert close(softmax(x), np.exp(x) / np.exp(x).sum())
        assert close(softmax(x + {SECRET}), softmax(x))
        ### END HIDDEN TESTS
        """,
    ),
    grading(
        "softmax-hidden",
        1,
        f"""
        ### BEGIN HIDDEN TESTS
        np.testing.assert_allclose(softmax(np.array([{SECRET}, 0.0])), [1.0, 0.0])
        ### END HIDDEN TESTS
        """,
    ),
    solution("mean", "mean = 6.0  # of the even numbers up to 10"),
    grading("mean-is-right", 1, "assert mean == 6\nassert isinstance(mean, float)"),
    solution("mean-again", "mean = ...\n### BEGIN SOLUTION\nmean = 5.5  # of all numbers up to 10\n### END SOLUTION"),
    grading("mean-again-is-right", 0.5, "expected = 5.5\nassert mean == expected, 'not the mean'"),
    solution(
        "sort", "def ordered(rows):\n    ### BEGIN SOLUTION\n    rows.sort()\n    return rows\n    ### END SOLUTION"
    ),
    grading(
        "sorts-in-place",
        2,
        """
        rows = [3, 1, 2]
        points = 0
        if ordered([2, 1]) == [1, 2]:
            points += 1
        ordered(rows)
        if rows == [1, 2, 3]:
            points += 1
        points
        """,
    ),
    grading("shows-a-list", 1, "assert ordered([2, 1])[0] == 1\nordered([4, 3])"),
    grading("reads-the-source", 1, "import inspect\nassert 'sort' in inspect.getsource(ordered)"),
    grading("wants-globals", 1, "assert 'mean' in globals()"),
    cell("It does not overflow.", "why", kind="markdown", grade=True, solution=True, points=3),
)

ACCOUNTS = notebook(
    cell("registry = []\nlimit = 100", "given", locked=True),
    solution(
        "account",
        """
        class Account:
            '''Money.'''

            ### BEGIN SOLUTION
            def __init__(self, owner, balance=0):
                self.owner, self.balance = owner, balance
                registry.append(owner)

            def deposit(self, amount):
                if amount <= 0:
                    raise ValueError("not positive")
                if self.balance + amount > limit:
                    raise OverflowError
                self.balance += amount

            def __str__(self):
                return f"{self.owner}: {self.balance}"

            def __eq__(self, other):
                return self.owner == other.owner
            ### END SOLUTION
        """,
    ),
    grading(
        "account-works",
        3,
        """
        acc = Account("Ann", 10)
        acc.deposit(5)
        assert acc.balance == 15 and str(acc) == "Ann: 15"
        assert isinstance(acc, Account)
        for wrong in (0, -1):
            try:
                acc.deposit(wrong)
            except ValueError:
                pass
            else:
                raise AssertionError(f"{wrong} was deposited")
        """,
    ),
    grading("account-goes-on", 1, "acc.deposit(20)\nassert acc.balance == 35"),
    grading(
        "account-limit",
        1,
        """
        limit = 5
        bob = Account("Bob")
        try:
            bob.deposit(6)
        except OverflowError:
            pass
        else:
            raise AssertionError("there is no limit")
        finally:
            limit = 100
        """,
    ),
    grading("account-twins", 1, "assert Account('Bob') == Account('Bob')"),
    cell(
        "def total(accounts):\n    return sum(a.balance for a in accounts)",
        "total",
        grade=True,
        solution=True,
        points=2,
    ),
)

ASSIGNMENT = {"arrays and means.ipynb": ARRAYS, "accounts.ipynb": ACCOUNTS}


def write_masters(folder: Path) -> Path:
    for name, text in ASSIGNMENT.items():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder
