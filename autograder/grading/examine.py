"""What only running shows of an exercise's own solution: whether its examples hold, and what of it the hidden checks reach.

For those who write a course. Each of the two is told like a check, with a line for everything that is wrong in `detail`.
"""

from __future__ import annotations

import doctest
import importlib
import io
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from autograder.catalog import Exercise
from autograder.grading.children import Child
from autograder.grading.judge import Judge
from autograder.grading.pool import Job
from autograder.grading.results import CheckResult, ExerciseResult, Outcome, Status
from autograder.marked_source import parse_marked
from autograder.sandbox.sources import SourceFinder
from autograder.testing.provider import LocalProvider, sources_in

EXAMPLES, BRANCHES = "examples", "branches"
SENTENCES = {EXAMPLES: "the examples in its docstrings hold", BRANCHES: "its hidden checks reach all of it"}


def examined(job: Job, exercise: Exercise, judge: Judge) -> ExerciseResult:
    """Each in a child of its own, so that it finds a process in which the solution has not been loaded."""
    start = time.monotonic()
    found = [
        in_child(EXAMPLES, start + job.seconds / 2, lambda: broken_examples(exercise)),
        in_child(BRANCHES, start + job.seconds, lambda: "\n".join(unreached(exercise, judge))),
    ]
    return ExerciseResult(
        learner=job.learner,
        module=exercise.module,
        exercise=exercise.name,
        outcome=Outcome.GRADED,
        checks=found,
        seconds=round(time.monotonic() - start, 4),
    )


def in_child(name: str, deadline: float, find: Callable[[], str]) -> CheckResult:
    child = Child(lambda: iter([{"detail": find()}]))
    try:
        answer = child.message(deadline)
        status, detail = (Status.SYSTEM, "its process ended") if answer is None else (Status.WRONG, answer["detail"])
    except TimeoutError:
        status, detail = Status.TIMEOUT, "it took too long"
    child.end()
    return CheckResult(
        task="",
        check=name,
        sentence=SENTENCES[name],
        stage="",
        status=status if detail else Status.PASSED,
        detail=detail,
    )


def broken_examples(exercise: Exercise) -> str:
    """What doctest says of the solution's docstrings; empty if all is well."""
    said = io.StringIO()
    runner = doctest.DocTestRunner(verbose=False)
    finder = SourceFinder(sources_in(exercise.course.solutions_dir))
    with finder.isolated():
        module = importlib.import_module(f"{exercise.module}.{exercise.name}")
        for test in doctest.DocTestFinder().find(module):
            runner.run(test, out=said.write)
    return said.getvalue().strip()


def unreached(exercise: Exercise, judge: Judge) -> Iterator[str]:
    """What inside the marked bodies of the solution its hidden checks do not reach, as "line: sentence"."""
    try:
        found = coverage_of(exercise, judge)
    except ModuleNotFoundError:
        yield "1: branches cannot be measured without coverage; run: pip install coverage"
        return
    if found is None:
        yield "1: the hidden checks do not load it"
        return
    missing = found["missing_lines"]
    blocks = parse_marked(exercise.solution.read_text(encoding="utf-8"), str(exercise.solution)).blocks
    inside = {line for block in blocks for line in range(block.begin, block.end)}
    yield from (f"{line}: no hidden check reaches this line" for line in missing if line in inside)
    for source, target in found["missing_branches"]:
        if source in inside and not {source, target} & set(missing):
            to = f"line {target}" if target > 0 else "the end of the function"
            yield f"{source}: no hidden check goes from here to {to}"


def coverage_of(exercise: Exercise, judge: Judge) -> dict | None:
    """What coverage.py finds out about the solution while its hidden checks run on it; None if they do not load it."""
    from coverage import Coverage

    measure = Coverage(data_file=None, branch=True, include=[str(exercise.solution)], config_file=False)
    with measure.collect():
        for _ in judge.run(LocalProvider(), judge.order):
            pass
    if str(exercise.solution) not in measure.get_data().measured_files():
        return None
    with tempfile.TemporaryDirectory() as folder:
        measure.json_report(outfile=str(Path(folder, "report.json")))
        (found,) = json.loads(Path(folder, "report.json").read_text())["files"].values()
    return found
