"""Read an instructor's own master notebook for `otter assign`, with otter's own reader."""

from __future__ import annotations

import ast
import doctest
import json
import math
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from autograder.authoring.adopt.marks import plain, with_stub
from autograder.authoring.adopt.sheet import AdoptError, Code, Sheet, Task, Test
from autograder.grading.notebook import joined

BLOCK = re.compile(r"^(?:```otter\s*)?#\s*(?:ASSIGNMENT\s+CONFIG|BEGIN\s+QUESTION)", re.IGNORECASE)
CHECK = re.compile(r"""grader\.check\(["']([^"']+)["']\)""")
OTTERS_OWN = re.compile(
    r"^(?:import otter|from otter import|grader\b|# Initialize Otter|# Save your notebook)", re.MULTILINE
)
PROMPT = re.compile(r"^.*# BEGIN PROMPT\s*\n(?:.*\n)*?.*# END PROMPT.*(?:\n|\Z)", re.MULTILINE)
MARK = re.compile(r"^\s*# (?:BEGIN|END) SOLUTION.*(?:\n|\Z)", re.MULTILINE)
MOST_PARTS = 20  # of a test that is worth more than others
LINE_MARK = re.compile(r"[ \t]*# ?SOLUTION(?: NO PROMPT)?[ \t]*$", re.MULTILINE)


def is_source(notebook: dict) -> bool:
    """Whether a notebook has cells that tell otter where questions begin."""
    sources = ("".join(cell.get("source", "")) for cell in notebook.get("cells", ()) if cell.get("cell_type") != "code")
    return any(BLOCK.match(source.lstrip()) for source in sources)


def read(path: Path, module: str, name: str) -> Sheet:
    """The notebook.

    Raises:
        AdoptError: otter is not installed, or would not take the notebook either.
    """
    notebook, manager = _transformed(path)
    questions = {question: _tests(manager, question) for question in manager._questions}
    tasks = {}
    for question, (tests, points, why) in questions.items():
        config = manager._questions[question]
        if tests:
            tasks[question] = Task(question, points, why)
        elif config.manual:
            tasks[question] = Task(question, float(config.points or 1), "graded by hand in otter, too")
    parts: list[Code | Test] = []
    for cell in notebook.cells:
        source = "".join(f"{line}\n" for line in cell.source) if isinstance(cell.source, list) else cell.source
        if cell.cell_type != "code":
            continue
        if not OTTERS_OWN.search(source):
            parts += _code(cell, source)
        for question in [*CHECK.findall(source), *cell.metadata.get("otter", {}).get("tests", ())]:
            parts += questions.get(question, ([], 0, ""))[0]
    return Sheet(path, module, name, parts, tasks, joined(json.dumps(notebook).encode()))


def _transformed(path: Path) -> tuple[Any, Any]:
    """The notebook as otter itself grades it, and what it knows of the tests."""
    try:
        import nbformat
        from otter.assign.assignment import Assignment
        from otter.assign.notebook_transformer import NotebookTransformer
        from otter.assign.tests_manager import AssignmentTestsManager
    except ImportError as error:
        raise AdoptError(
            f"{path} is a master notebook for otter; this needs {error.name}: pip install 'autograder[otter]'"
        ) from None
    assignment = Assignment()
    assignment.lang, assignment.master = "python", path.resolve()
    manager = AssignmentTestsManager(assignment)
    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        transformed = NotebookTransformer(assignment, manager).transform_notebook(notebook).transformed_nb
        for question in manager._questions:
            manager._create_test_file_info(question)
    except Exception as error:  # of nbformat and of otter's own
        words = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise AdoptError(f"{path}: otter would refuse this notebook: {words}") from None
    return transformed, manager


def _code(cell: Any, source: str) -> Iterator[Code]:
    from otter.assign.solutions import ANSWER_CELL_TAG, SOLUTION_CELL_TAG, replace_solutions
    from otter.assign.utils import has_tag

    if has_tag(cell, ANSWER_CELL_TAG):
        return  # what learners get in the place of a solution
    if not has_tag(cell, SOLUTION_CELL_TAG):
        yield Code("", plain(source), locked=True)  # nobody is asked to change it
        return
    solution = LINE_MARK.sub("", MARK.sub("", PROMPT.sub("", source)))
    yield Code("", with_stub(plain(solution), plain("\n".join(replace_solutions(source.split("\n"), "python")))))


def _tests(manager: Any, question: str) -> tuple[list[Test], float, str]:
    """The tests of a question, its points, and why a person has to grade it, if so."""
    from otter.test_files.abstract_test import TestFile

    about = manager._create_test_file_info(question)
    cases = TestFile.resolve_test_file_points(about["points"], about["test_cases"])
    if not cases:
        return [], 0.0, ""
    points = [float(case.points or 0) for case in cases]
    total, why = sum(points), ""
    tests = []
    try:
        sources = [_source(case.body, manager.assignment.tests.ok_format) for case in cases]
    except ValueError as error:
        sources, why = [""] * len(cases), str(error)
    shown = ["" if case.hidden else source for case, source in zip(cases, sources, strict=True)]
    if about["all_or_nothing"]:
        tests.append(_test(question, "", "\n".join(sources), "\n".join(filter(None, shown))))
    else:
        weights = _weights(points)
        if max(weights) > MOST_PARTS:
            why = "its tests are worth too different points: give each of them a question of its own"
        for number, (weight, source, visible) in enumerate(zip(weights, sources, shown, strict=True), 1):
            tests.append(_test(question, f"-{number}", source if weight else "", visible, max(1, weight)))
    return tests, total, why


def _weights(points: list[float]) -> list[int]:
    """How many times each test counts, so that they have their shares; all once where none is worth anything."""
    exact = [Fraction(worth).limit_denominator(1000) for worth in points]
    scale = math.lcm(*(each.denominator for each in exact))
    whole = [int(each * scale) for each in exact]
    return [each // math.gcd(*whole) for each in whole] if any(whole) else [1] * len(points)


def _test(question: str, number: str, source: str, visible: str, weight: int = 1) -> Test:
    words = f"{question}, test {number[1:]}" if number else question
    return Test(question, question + number, question, source, visible, words, alone=True, weight=weight)


def _source(body: str, is_doctest: bool) -> str:
    """A test as plain Python.

    Raises:
        ValueError: it cannot be that; the message says why.
    """
    if not is_doctest:
        [function] = ast.parse(body).body
        names = [argument.arg for argument in function.args.args]
        if "env" in names:
            raise ValueError("looks at the notebook's names with `env`")
        return f"{body}\n\n\n{function.name}({', '.join(names)})\n"
    lines = []
    for example in doctest.DocTestParser().get_examples(body):
        [*_, last] = ast.parse(example.source).body or [None]
        if isinstance(last, ast.Expr):
            lines.append(f"remote.shows(lambda: {ast.unparse(last.value)}, {example.want!r})")
        elif example.want:
            raise ValueError("shows what a statement prints, and no value")
        else:
            lines.append(example.source.rstrip("\n"))
    return "\n".join(lines) + "\n"
