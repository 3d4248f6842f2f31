"""The plugin that otter runs: it takes the submission away before otter runs it, and puts our results in afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from otter.plugins import AbstractOtterPlugin
from otter.test_files import GradingResults, TestCase
from otter.test_files.abstract_test import TestCaseResult, TestFile
from otter.test_files.exception_test import ExceptionTestFile

from autograder.catalog import Course
from autograder.gradebook.otter.work import BLANK, Outcome, Question, find_work, grade, set_aside
from autograder.grading.entries import NOTEBOOK
from autograder.policy import Policy

OTTERS = ("tests",)  # what otter itself has put there by now
MARKS = {True: "✅ Test case passed", False: "❌ Test case failed"}


class JailPlugin(AbstractOtterPlugin):
    """Named in otter_config.json, with `exercises` (their ids) and `unsafe`."""

    outcome: Outcome

    def before_grading(self, config: Any) -> None:
        """Set aside what was handed in, leave an empty file in its place, and grade it in the jail."""
        path = Path(self.submission_path)
        aside = set_aside(path.parent, OTTERS)
        path.write_text(BLANK if path.suffix == NOTEBOOK else "", encoding="utf-8")
        policy = Policy.load(Course.find(path.parent.parent / "source"))
        exercises = [policy.course.exercise(name) for name in self.plugin_config["exercises"]]
        self.outcome = grade(policy, exercises, find_work(aside, exercises), bool(self.plugin_config.get("unsafe")))

    def before_execution(self, submission: Any) -> Any:
        """Nothing of a learner's is run by otter, whatever it has read."""
        submission.cells = []
        return submission

    def after_grading(self, results: GradingResults) -> None:
        """Our results in the place of otter's, which are those of an empty notebook."""
        results.results = {
            each.name: _test_file(each, self.outcome.shown != "visible") for each in self.outcome.questions
        }
        if self.outcome.says:
            results.set_output(self.outcome.says)
        if self.outcome.shown == "never":
            results.hide_everything()


def _test_file(question: Question, hidden: bool) -> TestFile:
    share = question.possible / len(question.cases)
    cases = [
        TestCase(f"{question.name} - {number}", "", hidden, share, None, None)
        for number, _ in enumerate(question.cases, 1)
    ]
    cases[-1].points = question.possible - sum(case.points for case in cases[:-1])  # so that they add up exactly
    file = ExceptionTestFile(question.name, f"tests/{question.name}.py", cases, all_or_nothing=False)
    file.test_case_results = [
        TestCaseResult(case, f"{MARKS[each.passed]}\n{each.says}", each.passed)
        for case, each in zip(cases, question.cases, strict=True)
    ]
    file.update_score(file.possible if question.earned >= question.possible else question.earned)
    return file
