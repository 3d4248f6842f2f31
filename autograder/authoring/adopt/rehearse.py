"""Try adopted checks before anybody relies on them: on the instructor's own solution, here and in the jail, and on an empty stub.

Run as a program it does so in a process of its own, since it runs an instructor's code, and writes down what it found.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Sequence
from pathlib import Path

import pytest

from autograder.authoring.adopt.sheet import AdoptError, Sheet
from autograder.catalog import Course
from autograder.grading.judge import Judge
from autograder.grading.node import GradingLoop, run_session
from autograder.grading.pool import NodeError, NodeSettings
from autograder.grading.results import CheckResult, Status
from autograder.grading.run import grade_class
from autograder.grading.submission import Submission
from autograder.policy import Policy
from autograder.testing.provider import LocalProvider

SECONDS = 600
PACKAGE_ROOT = Path(__file__).parents[3]
ALL = "*"
OBJECT = re.compile(r"<\w+ (?:of [\w.]+|in the learner's process)>")
OBJECTS = " (what the learner's objects are equal to and what their operators give stays in the jail)"
Found = dict[str, dict[str, str]]  # by exercise id and name of the check (ALL for every one of them): words


def rehearse(course: Path, exercises: Sequence[str]) -> tuple[Found, Found]:
    """Run the hidden checks where no jail is in the way.

    Returns:
        What does not pass on the solution, and what passes on the stub.

    Raises:
        AdoptError: they do not come to an end, or the process that runs them does.
    """
    with tempfile.TemporaryDirectory() as folder:
        out, log = Path(folder) / "found.json", Path(folder) / "log"
        command = [sys.executable, "-m", __name__, str(out), str(course), *exercises]
        environment = {**os.environ, "PYTHONPATH": str(PACKAGE_ROOT), "MPLBACKEND": "agg"}
        try:
            with log.open("wb") as shown:
                subprocess.run(
                    command, stdin=subprocess.DEVNULL, stdout=shown, stderr=shown, env=environment, timeout=SECONDS
                )
            return tuple(json.loads(out.read_bytes()))
        except subprocess.TimeoutExpired:
            raise AdoptError(f"your tests did not come to an end within {SECONDS} s on your own solution") from None
        except OSError:
            words = log.read_text(errors="replace").strip()[-2000:]
            raise AdoptError(f"your tests ended the process that tried them:\n{words}") from None


class Rehearsal(GradingLoop):
    """Runs all checks on the solutions and on the stubs, and writes down what is not as it should be."""

    out: Path

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        wrong: Found = {
            name: {ALL: error.strip().splitlines()[-1]}
            for name, exercise in self.exercises.items()
            if (error := self.collection_errors.get(exercise.grader))
        }
        idle: Found = {}
        stubs = LocalProvider(self.course.exercises_dir)
        for (name, _), judge in self.judges_of(session).items():
            wrong[name] = {r.check: words_of(r) for r in _run(judge, self.references) if r.status is not Status.PASSED}
            idle[name] = {r.check: "passes" for r in _run(judge, stubs) if r.status is Status.PASSED}
        self.out.write_text(json.dumps([wrong, idle]), encoding="utf-8")
        return True


def _run(judge: Judge, provider: LocalProvider) -> list[CheckResult]:
    return [result for _, result in judge.run(provider, judge.order) if result is not None]


def words_of(result: CheckResult) -> str:
    """Why a check did not pass, in a line."""
    lines = [line.strip() for line in (result.detail or result.card or result.message).strip().splitlines()]
    lines = [line for line in lines if line and line != result.sentence and not line.startswith("next: ")]
    if asserted := [line.removeprefix("> ") for line in lines if line.startswith("> assert ")]:
        hint = OBJECTS if any(OBJECT.search(line) for line in lines) else ""
        return asserted[0] + hint
    telling = [line for line in lines if " returned " not in line] or lines  # not what was called
    return textwrap.shorten(" ".join(telling) or result.status.value, 200, placeholder=" …")


def rehearse_in_jail(course: Path, sheets: Sequence[Sheet]) -> tuple[Found, str]:
    """Grade the instructor's own notebooks as a learner's are.

    Returns:
        What does not pass, and why this could not be tried, if so.
    """
    policy = Policy.load(Course(course))
    work = Submission("instructor", files={sheet.id: sheet.answer for sheet in sheets})
    exercises = [policy.course.exercise(sheet.id) for sheet in sheets]
    with tempfile.TemporaryDirectory() as out:
        try:
            graded = grade_class(policy, [work], [(work, each) for each in exercises], Path(out), nodes=1, seed=0)
            results = [graded.results[work.learner, exercise.id] for exercise in exercises]
        except NodeError as error:
            return {}, str(error).strip().splitlines()[-1]
    wrong: Found = {}
    for result in results:
        bad = [check for check in result.checks if check.status is not Status.PASSED]
        wrong[result.exercise_id] = {check.check: words_of(check) for check in bad}
        if not result.checks:
            wrong[result.exercise_id] = {ALL: result.note}
    return wrong, ""


def main(out: str, course: str, *exercises: str) -> None:
    policy = Policy.load(Course(Path(course)))
    libraries = sorted({package for name in exercises for package in policy.course.exercise(name).packages})
    settings = NodeSettings(course=course, exercises=list(exercises), libraries=libraries, seed=0)
    loop = Rehearsal(settings, socket.socket())
    loop.out = Path(out)
    run_session(loop)


if __name__ == "__main__":
    main(*sys.argv[1:])
