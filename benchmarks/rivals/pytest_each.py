"""One pytest process for each submission, which imports the learner's file."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from cohort import EXERCISE
from processes import Cost

from rivals.base import Rival

CONFTEST = f'''
import importlib
import pytest


@pytest.fixture(scope="session")
def learner():
    return importlib.import_module("{EXERCISE.name}")
'''


class PytestEach(Rival):
    title = "pytest, a process each"
    needs = ("pytest",)

    def prepare(self) -> None:
        tests = self.folder / "tests"
        tests.mkdir()
        (tests / "test_all.py").write_text(EXERCISE.grader.read_text())
        (tests / "conftest.py").write_text(CONFTEST)

    def grade(self) -> list[Cost]:
        return [self.pytest(each.learner, PYTHONPATH=self.submitted / each.learner) for each in self.submissions]

    def pytest(self, report: str, *options: str, **variables: object) -> Cost:
        arguments = ["-m", "pytest", "-q", "-p", "no:cacheprovider", *options, f"--junitxml={report}.xml", "tests"]
        return self.python(*arguments, accepted=(0, 1), **variables)

    def failed(self) -> dict[str, set[str]]:
        return {each.learner: failed_in(self.folder / f"{each.learner}.xml") for each in self.submissions}


def failed_in(report: Path) -> set[str]:
    """The names of the tests in a JUnit report that did not pass."""
    return {case.get("name") for case in ElementTree.parse(report).iter("testcase") if len(case)}
