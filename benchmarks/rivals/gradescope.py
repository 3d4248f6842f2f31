"""gradescope-utils: unittest with weights, run by JSONTestRunner, in one process for each submission as on Gradescope."""

from __future__ import annotations

import json

from cohort import CHECKS, EXERCISE
from processes import Cost

from rivals.base import Rival

HEAD = f"""
import unittest

from gradescope_utils.autograder_utils.decorators import visibility, weight

import {EXERCISE.name} as learner


class TestAll(unittest.TestCase):
"""

METHOD = """
    @weight(1)
    @visibility("hidden")
    def {check}(self):
        {check}(learner)
"""

RUN = """
import sys
import unittest

from gradescope_utils.autograder_utils.json_test_runner import JSONTestRunner

suite = unittest.defaultTestLoader.discover("tests")
with open(sys.argv[1], "w") as file:
    JSONTestRunner(visibility="visible", stream=file).run(suite)
"""


class Gradescope(Rival):
    title = "gradescope-utils, a process each"
    needs = ("gradescope-utils",)

    def prepare(self) -> None:
        methods = "".join(METHOD.format(check=check) for check in CHECKS.functions)
        (self.folder / "tests").mkdir()
        (self.folder / "tests" / "test_all.py").write_text(EXERCISE.grader.read_text() + HEAD + methods)
        (self.folder / "run_tests.py").write_text(RUN)

    def grade(self) -> list[Cost]:
        return [
            self.python("run_tests.py", f"{each.learner}.json", PYTHONPATH=self.submitted / each.learner)
            for each in self.submissions
        ]

    def failed(self) -> dict[str, set[str]]:
        return {each.learner: self.failed_of(each.learner) for each in self.submissions}

    def failed_of(self, learner: str) -> set[str]:
        tests = json.loads((self.folder / f"{learner}.json").read_text())["tests"]
        assert len(tests) == len(CHECKS.functions), tests
        return {test["name"].split()[0] for test in tests if test["status"] != "passed"}
