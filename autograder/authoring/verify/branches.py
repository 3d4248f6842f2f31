"""Which branches of the references the hidden checks reach, measured with coverage.py."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from autograder.authoring.sources import read_marked
from autograder.authoring.verify.report import Problem
from autograder.catalog import CourseError, Exercise


def branch_problems(exercises: Sequence[Exercise]) -> Iterator[Problem]:
    """Lines and branches inside marked bodies of one module that no hidden check of their own exercise reaches."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            measured = _measure(exercises, Path(folder))
        except CourseError as error:
            yield Problem("branches", str(exercises[0].grader.parent), str(error))
            return
    for exercise in exercises:
        if not exercise.grader.is_file():
            continue
        found = measured.get(str(exercise.solution))
        if found is None:
            yield Problem("branches", str(exercise.solution), "the hidden checks do not load it")
            continue
        inside = {line for block in read_marked(exercise.solution).blocks for line in range(block.begin, block.end)}
        for line in found["missing_lines"]:
            if line in inside:
                yield Problem("branches", f"{exercise.solution}:{line}", "no hidden check reaches this line")
        for source, target in found["missing_branches"]:
            if source in inside and not {source, target} & set(found["missing_lines"]):
                to = f"line {target}" if target > 0 else "the end of the function"
                yield Problem("branches", f"{exercise.solution}:{source}", f"no hidden check goes from here to {to}")


def _measure(exercises: Sequence[Exercise], folder: Path) -> dict[str, dict]:
    solutions = exercises[0].course.solutions_dir
    data, report = folder / "coverage", folder / "report.json"
    environment = os.environ | {
        "COVERAGE_FILE": str(data),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "OMP_NUM_THREADS": "1",
    }
    graders = [str(exercise.grader) for exercise in exercises if exercise.grader.is_file()]
    options = ["-q", "-p", "autograder.testing.plugin", "-p", "no:cacheprovider", "--probe-seed", "0", "-c", os.devnull]
    coverage = [sys.executable, "-m", "coverage"]
    run = [*coverage, "run", "--branch", f"--source={solutions}", "-m", "pytest", *options, *graders]
    done = subprocess.run(run, env=environment, capture_output=True, text=True, cwd=folder)
    if "No module named coverage" in done.stderr:
        raise CourseError("branches cannot be measured without coverage; run: pip install coverage")
    if done.returncode not in (0, 1) or not data.exists():
        words = re.sub(r".*CoverageWarning.*\n.*\n?", "", done.stderr + done.stdout).strip()
        raise CourseError(f"the hidden checks cannot be run:\n{words[:1500]}")
    subprocess.run([*coverage, "json", "-q", "-o", str(report)], env=environment, check=True, cwd=folder)
    files = json.loads(report.read_text())["files"]
    return {str((folder / name).resolve()): measured for name, measured in files.items()}
