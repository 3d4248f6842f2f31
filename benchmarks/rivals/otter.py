"""otter-grader without a container: `otter run` for each submission, and its Python interface in one process for the class.

Both run the learner's file in a fresh Jupyter kernel. A check is a question with one hidden test case.
"""

from __future__ import annotations

import json

from cohort import CHECKS
from processes import Cost

from rivals.base import Rival

CASE = """
from types import SimpleNamespace

from otter.test_files import test_case

OK_FORMAT = False
name = "{check}"
points = 1

{head}

{source}

@test_case(points=1, hidden=True)
def case(env):
    {check}(SimpleNamespace(**env))
"""

GRADE_ALL = """
import json
from pathlib import Path

from otter.api import grade_submission

scores = {}
for file in sorted(Path("submissions").glob("*/*.py")):
    results = grade_submission(str(file), "autograder.zip", quiet=True)
    scores[file.parent.name] = {name: result.score for name, result in results.results.items()}
Path("scores.json").write_text(json.dumps(scores))
"""


class OtterRun(Rival):
    title = "otter run, a process each"
    needs = ("otter-grader", "ipykernel")
    learners = 3

    def prepare(self) -> None:
        tests = self.folder / "tests"
        tests.mkdir()
        for check in CHECKS.functions:
            case = CASE.format(check=check, head=CHECKS.head, source=CHECKS.functions[check])
            (tests / f"{check}.py").write_text(case)
        (self.folder / "otter_config.json").write_text(json.dumps({"pdf": False}))
        generate = ["generate", "-t", "tests", "-c", "otter_config.json", "-o", "autograder.zip", "--no-environment"]
        self.python("-m", "otter", *generate)

    def grade(self) -> list[Cost]:
        return [self.run_on(each.learner) for each in self.submissions]

    def run_on(self, learner: str) -> Cost:
        (file,) = (self.submitted / learner).iterdir()
        (self.folder / "out" / learner).mkdir(parents=True)
        return self.python("-m", "otter", "run", "-a", "autograder.zip", "-o", f"out/{learner}", file)

    def failed(self) -> dict[str, set[str]]:
        return {each.learner: self.failed_of(each.learner) for each in self.submissions}

    def failed_of(self, learner: str) -> set[str]:
        tests = json.loads((self.folder / "out" / learner / "results.json").read_text())["tests"]
        scores = {test["name"]: test["score"] for test in tests if test["name"] in CHECKS.functions}
        assert scores.keys() == set(CHECKS.functions), tests
        return {name for name, score in scores.items() if score < 1}


class OtterInterface(OtterRun):
    title = "otter.api, one process"
    at_once = True
    learners = 6

    def grade(self) -> list[Cost]:
        return [self.python("-c", GRADE_ALL) / len(self.submissions)]

    def failed(self) -> dict[str, set[str]]:
        scores = json.loads((self.folder / "scores.json").read_text())
        return {learner: {name for name, score in each.items() if score < 1} for learner, each in scores.items()}
