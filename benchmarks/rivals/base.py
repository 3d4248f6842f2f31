"""What every way to grade has in common."""

from __future__ import annotations

import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cohort import Submission, write_class
from processes import Cost, cost_of


class Rival:
    """One way to grade a class.

    Attributes:
        title: as it stands in the table.
        needs: the distributions it is made of.
        place: where the learner's code runs.
        programs: what to call the processes that stay, by the module that Python runs.
        at_once: whether one command grades a whole class; the start of it is then shared.
        learners: how many are graded in a round.
    """

    title = ""
    needs: tuple[str, ...] = ()
    place = "with the tests"
    programs: dict[str, str] = {}
    at_once = False
    learners = 6

    def __init__(self, submissions: list[Submission], folder: Path):
        self.submissions, self.folder = submissions, folder
        self.submitted = folder / "submissions"
        write_class(submissions, self.submitted)
        self.environment = {
            **os.environ,
            "HOME": str(folder),  # nobody's configuration takes part
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }

    def prepare(self) -> None:
        """What an instructor does once; not measured."""

    def grade(self) -> list[Cost]:
        """Grade all submissions; the costs of one, as often as they were measured."""
        raise NotImplementedError

    def failed(self) -> dict[str, set[str]]:
        """By learner, the names of the checks that failed."""
        raise NotImplementedError

    def python(self, *arguments: object, accepted: tuple[int, ...] = (0,), **variables: object) -> Cost:
        """Run Python with these arguments, and environment variables, in the folder."""
        return cost_of(
            [sys.executable, *map(str, arguments)],
            self.folder / "log",
            accepted,
            cwd=self.folder,
            env=self.environment | {name: str(value) for name, value in variables.items()},
        )

    @classmethod
    def missing(cls) -> str:
        """What to do before it can be run, if anything."""
        names = [name for name in cls.needs if not cls.version(name)]
        return f"pip install {' '.join(names)}" if names else ""

    @staticmethod
    def version(distribution: str) -> str:
        try:
            return version(distribution)
        except PackageNotFoundError:
            return ""
