"""`autograder grade` on the whole class."""

from __future__ import annotations

import json

from cohort import COURSE
from processes import Cost

from rivals.base import Rival


class Ours(Rival):
    title = "autograder"
    needs = ("autograder",)
    place = "in a jail, apart from the tests"
    programs = {"autograder": "command", "autograder.grading.node": "node", "-c": "fork server"}
    at_once = True
    learners = 100

    def grade(self) -> list[Cost]:
        return [self.run("results") / len(self.submissions)]

    def run(self, out: str) -> Cost:
        self.journal = self.folder / out / "journal.jsonl"
        command = ["-m", "autograder", "--course", COURSE, "grade", "submissions", "--out", out]
        return self.python(*command, "--jobs", "1", "--cache", "cache")

    def failed(self) -> dict[str, set[str]]:
        _, *lines = self.journal.read_text().splitlines()
        return {
            result["learner"]: {check["check"] for check in result["checks"] if check["status"] != "passed"}
            for result in map(json.loads, lines)
        }


class OursAgain(Ours):
    """The same class a second time, into another folder: all results come from the cache."""

    title = "autograder, from its cache"

    def prepare(self) -> None:
        self.run("first")
