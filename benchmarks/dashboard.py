"""How fast the pages of `autograder serve` come, for a class of 300 learners and every exercise of this repository's course.

    python benchmarks/dashboard.py                       # makes a gradebook in a temporary folder and prints times
    python benchmarks/dashboard.py --learners 30 --keep class/      # keeps it, to look at:
    autograder --course class/course serve --db class/gradebook.sqlite

Nothing is graded: the results are made up. Every learner has a skill, and fails the checks of a task the sooner the lower it is; a
failed check names one of the course's own mistakes in two of three cases.
"""

from __future__ import annotations

import argparse
import ast
import random
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import yaml

from autograder.catalog import Course, Exercise
from autograder.gradebook.store import Gradebook
from autograder.gradebook.tables import Attempt, Check, Learner
from autograder.grading.mistakes import Mistake, load_mistakes
from autograder.policy import Policy

FIRST = "Ada Ben Chloé Dmitri Efua Farid Grace Hana Ivo Jun Kofi Lena Mei Noor Omar Priya Quentin Rosa Sven Tariq"
LAST = "Adeyemi Brandt Castillo Dubois Eriksen Fischer Gupta Haddad Ito Jensen Kowalski Li Moreau Nakamura Okafor"
REPOSITORY = Path(__file__).resolve().parents[1]
START, DAY = datetime(2026, 2, 1, 18, tzinfo=UTC), timedelta(days=1)
STAGES = ("shape", "mechanism", "mechanism", "whole", "robust")
PAGES = {
    "overview": "/",
    "heatmap, everything": "/heatmap",
    "heatmap, one module": "/heatmap?module=m00_foundations",
    "learners": "/learners",
    "checks": "/checks",
    "mistakes": "/mistakes",
    "one learner": "/learners/ada.adeyemi",
    "grades.csv": "/grades.csv",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--learners", type=int, default=300)
    parser.add_argument("--keep", type=Path, help="a new folder for the gradebook and a course with due times")
    options = parser.parse_args()
    if options.keep and options.keep.exists():
        parser.error(f"{options.keep} exists")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary) / "class"
        policy, path = Policy.load(course_with_due_times(folder / "course")), folder / "gradebook.sqlite"
        with Gradebook(str(path), author="benchmark") as gradebook:
            checks = fill(gradebook, policy, options.learners)
        print(f"{options.learners} learners, {len(policy.exercises())} exercises, {checks} results of checks")
        measure(policy, path)


def course_with_due_times(folder: Path) -> Course:
    """The course of this repository, due a module a fortnight."""
    folder.mkdir(parents=True)
    (folder / "solutions").symlink_to(REPOSITORY / "solutions")
    (folder / "graders").symlink_to(REPOSITORY / "autograder" / "graders")
    rules = yaml.safe_load((REPOSITORY / "grading.yml").read_text(encoding="utf-8"))
    rules |= {"time_zone": "Europe/Berlin", "late": {"grace_minutes": 10, "lose_per_day": 0.1, "lose_at_most": 0.5}}
    for place, module in enumerate(rules["modules"]):
        rules["modules"][module]["due"] = (START + place * 14 * DAY).replace(tzinfo=None)
    (folder / "grading.yml").write_text(yaml.safe_dump(rules, sort_keys=False), encoding="utf-8")
    return Course(folder)


def measure(policy: Policy, path: Path) -> None:
    """Print how long each page takes: the first time after a change of the gradebook, and again."""
    from starlette.testclient import TestClient

    from autograder.web.app import create_app
    from autograder.web.desk import Desk

    with Desk(policy.course, str(path), author="benchmark") as desk:
        took = Stopwatch()
        desk.warm_up()
        print(
            f"all is counted in {took}, when the server starts\n\n{'':<24}{'first':>21}{'after a change':>21}{'again':>21}{'kB':>8}"
        )
        client = TestClient(create_app(desk), base_url="http://127.0.0.1:8000")
        for name, url in PAGES.items():
            times = [timed(client, url)]
            with desk.at_work() as work:
                work.gradebook.extend("ada.adeyemi", "", START + 90 * DAY, "benchmark")
            times += [timed(client, url), timed(client, url)]
            size = len(client.get(url).content) // 1000
            print(f"{name:<24}{''.join(f'{took:>21}' for took in times)}{size:>8}")


class Stopwatch:
    """Time since it was made: on a machine that does other things as well, that of the processor says more."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def __str__(self) -> str:
        return f"{time.perf_counter() - self.wall:.2f} s (CPU {time.process_time() - self.cpu:.2f})"


def timed(client: Any, url: str) -> str:
    took = Stopwatch()
    response = client.get(url)
    says = str(took)
    assert response.status_code == 200, f"{url}: {response.status_code}"
    return says


def fill(gradebook: Gradebook, policy: Policy, learners: int) -> int:
    """Put a made-up class into an empty gradebook, and say how many results of checks it has."""
    chance = random.Random(1)
    count = 0
    people = [Learner(course_id=gradebook.course.id, notes=[], **person(number)) for number in range(learners)]
    with gradebook.change("import", learners=learners):
        gradebook.session.add_all(people)
        gradebook.session.flush()
        for learner in people:
            skill = chance.betavariate(4, 1.6)
            for place, exercise in enumerate(policy.exercises()):
                if chance.random() < 0.03 + 0.3 * (1 - skill) * place / 30:
                    continue  # never handed in
                when = (policy.due(exercise) or START) + timedelta(hours=chance.gauss(-30, 18))
                for number in range(1 + (chance.random() < 0.4)):
                    skill_now, handed_in = min(1.0, skill + 0.12 * number), when + timedelta(hours=9 * number)
                    count += hand_in(gradebook, learner, exercise, skill_now, handed_in, chance)
    return count


def person(number: int) -> dict[str, str]:
    firsts, lasts = FIRST.split(), LAST.split()
    first, last = firsts[number % len(firsts)], lasts[number // len(firsts) % len(lasts)]
    again = number // (len(firsts) * len(lasts))
    name = f"{first}.{last}{again or ''}".lower().replace("é", "e")
    return {"name": name, "full_name": f"{first} {last}", "email": f"{name}@example.edu"}


def hand_in(
    gradebook: Gradebook, learner: Learner, exercise: Exercise, skill: float, when: datetime, chance: random.Random
) -> int:
    sha256 = f"{chance.getrandbits(256):064x}"
    attempt = Attempt(
        learner_id=learner.id, exercise=exercise.id, sha256=sha256, fingerprint=sha256, submitted_at=when, graded_at=when,
        outcome="graded", note="", output="", layers=["landlock", "seccomp"], seconds=1.0,
    )  # fmt: skip
    gradebook.session.add(attempt)
    gradebook.session.flush()
    rows = list(results(exercise, skill, chance))
    gradebook.session.execute(
        sa.insert(Check), [{"attempt_id": attempt.id, "place": i} | r for i, r in enumerate(rows)]
    )
    return len(rows)


def results(exercise: Exercise, skill: float, chance: random.Random) -> Iterator[dict[str, Any]]:
    states: dict[str, str] = {}
    for task, name, sentence, stage in checks_of(exercise):
        fate = states.setdefault(task, state(skill, chance))
        status = fate if fate == "not_started" else "passed"
        known = [mistake for mistake in mistakes_of(exercise) if mistake.task == task]
        made = None
        if fate == "wrong" and chance.random() < 0.45:
            status = chance.choice(["wrong", "wrong", "wrong", "error"])
            made = chance.choice(known[:3]) if known and chance.random() < 0.66 else None
        yield {
            "task": task, "check": name, "sentence": sentence, "stage": stage, "status": status,
            "message": "expected 1.5, got -1.5 at [2, 3]" if status == "wrong" else "", "card": "",
            "detail": "\n".join(["x.shape = (4, 3)", "expected -0.25, got 0.25"]) if status == "wrong" else "",
            "seconds": 0.01, "says": made.says if made else "", "mistakes": [made.name] if made else [], "margin": None,
            "carried": False,
        }  # fmt: skip


def state(skill: float, chance: random.Random) -> str:
    if chance.random() < skill + 0.1:
        return "passed"
    return "not_started" if chance.random() < 0.2 else "wrong"


@cache
def checks_of(exercise: Exercise) -> list[tuple[str, str, str, str]]:
    """Task, name, sentence and stage of its checks: those of its graders, given to the task that they name."""
    nodes = ast.parse(exercise.grader.read_text(encoding="utf-8")).body
    names = [node.name for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    found = []
    for number, name in enumerate(names):
        named = [task for task in exercise.tasks if task.lower() in name]
        task = max(named, key=len) if named else exercise.tasks[number % len(exercise.tasks)]
        sentence = name.removeprefix("test_").replace("_", " ").capitalize() + "."
        found.append((task, name, sentence, STAGES[number % len(STAGES)]))
    return sorted(found, key=lambda check: exercise.tasks.index(check[0]))


@cache
def mistakes_of(exercise: Exercise) -> list[Mistake]:
    path = exercise.mistakes
    return [mistake for mistake in load_mistakes(path) if mistake.exercise == exercise.name] if path.is_file() else []


if __name__ == "__main__":
    main()
