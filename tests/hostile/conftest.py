"""One class of hostile learners, with honest ones among them, graded once."""

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from tests.grading.small import Results, command, environment
from tests.hostile.course import BASICS, HONEST, NAME_WORD, SECOND, write_attacked_course
from tests.hostile.names import BESIDE, LEARNERS, hostile_zip
from tests.hostile.table import ATTACKS


@dataclass(frozen=True)
class Outcome(Results):
    """What the run left, and what it changed."""

    said: dict
    changed: list[str]

    def pages(self, learner: str) -> str:
        """All that a learner can read."""
        return self.html(learner) + json.dumps(self.feedback(learner), ensure_ascii=False)

    @cached_property
    def learners(self) -> list[str]:
        return [*HONEST, "beside", "archive", *LEARNERS, *(attack.name for attack in ATTACKS)]

    def passed(self, learner: str, exercise: str = "week1/basics") -> dict[str, bool]:
        """Whether each check passed, by its name without what all names have."""
        checks = self.of(learner, exercise)["checks"]
        return {check["check"].removeprefix(f"test_{NAME_WORD}_"): check["status"] == "passed" for check in checks}

    def task_of(self, exercise: str = "week1/basics") -> dict[str, str]:
        checks = self.of(HONEST[0], exercise)["checks"]
        return {check["check"].removeprefix(f"test_{NAME_WORD}_"): check["task"] for check in checks}


@pytest.fixture(scope="session")
def graded(tmp_path_factory) -> Outcome:
    root = tmp_path_factory.mktemp("hostile")
    course = write_attacked_course(root / "course")
    write_attackers(root)
    (root / "temporary").mkdir()
    before = snapshot(root)
    watched = [sys.executable, str(Path(__file__).parent / "watch.py")]
    finished = subprocess.run(
        [*watched, *command(course, root / "class", "--out", root / "out", "--jobs", 2)],
        capture_output=True,
        env=environment() | {"TMPDIR": str(root / "temporary"), "PYTHONPATH": str(Path(__file__).parents[2])},
        timeout=600,
    )
    assert finished.returncode == 0, finished.stderr.decode()
    after = snapshot(root)
    changed = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
    said = json.loads(finished.stdout)
    assert (root / "out" / "grades.csv").exists(), said["stderr"]
    return Outcome(root / "out", said, changed)


def write_attackers(root: Path) -> None:
    folder = root / "class"
    places = {
        "COURSE": root / "course",
        "CLASS": folder,
        "OUT": root / "out",
        "GRADER": root / "course/graders/week1/test_basics.py",
        "SOLUTION": root / "course/solutions/week1/basics.py",
        "OTHER": folder / HONEST[0] / "week1/basics.py",
    }
    honest = {"week1/basics.py": BASICS, "week1/second.py": SECOND}
    for learner in (*HONEST, *LEARNERS):
        write(folder / learner, honest)
    write(folder / "beside", honest | BESIDE)
    (folder / "archive.zip").write_bytes(hostile_zip())
    for attack in ATTACKS:
        source = attack.source({name: str(path) for name, path in places.items()})
        write(folder / attack.name, honest | {"week1/basics.py": source})


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def snapshot(root: Path) -> dict[str, tuple]:
    """Every file and folder outside the results, with its mode, its time and its content."""
    return {
        str(path): (path.lstat().st_mode, path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in root.rglob("*")
        if not path.is_relative_to(root / "out") and path != root / "temporary"  # what is in it counts
    }
