"""One pytest session for the whole class, spread over two processes by pytest-xdist: every check is parametrized by learner.

The cheapest that pytest can do, and the least safe: all learners' code shares the processes of the tests.
"""

from __future__ import annotations

import re

from processes import Cost

from rivals.pytest_each import PytestEach, failed_in

CONFTEST = """
import importlib.util
import os
from pathlib import Path

import pytest

FILES = sorted(Path(os.environ["SUBMISSIONS"]).glob("*/*.py"))


@pytest.fixture(scope="session", params=FILES, ids=lambda path: path.parent.name)
def learner(request):
    spec = importlib.util.spec_from_file_location(request.param.parent.name, request.param)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
"""


class Xdist(PytestEach):
    title = "pytest-xdist, one session"
    needs = ("pytest-xdist",)
    place = "with the tests, all in two processes"
    programs = {"pytest": "pytest", "-c": "each worker"}
    at_once = True
    learners = 100

    def prepare(self) -> None:
        super().prepare()
        (self.folder / "tests" / "conftest.py").write_text(CONFTEST)

    def grade(self) -> list[Cost]:
        cost = self.pytest("class", "-p", "xdist", "-n", "2", "--tb=short", SUBMISSIONS=self.submitted)
        return [cost / len(self.submissions)]

    def failed(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {each.learner: set() for each in self.submissions}
        for name in failed_in(self.folder / "class.xml"):
            check, learner = re.fullmatch(r"(\w+)\[(\w+)]", name).groups()
            found[learner].add(check)
        return found
