"""What a cluster adds to the cost of grading, and what is left of a class when its workers are killed at random.

    python benchmarks/cluster.py
    python benchmarks/cluster.py --quick         # fewer submissions and kills
    python benchmarks/cluster.py --write         # also into docs/scale.md

Throughput: the same submissions of one exercise through the pool of this machine and through dask workers on it, in turns. A node
says how long it was at work on each; what is missing to the whole time is overhead: text to and fro, the scheduler, waiting for the
next job.

Kills: a class is graded on two workers while one of them, chosen at random, gets SIGKILL again and again. Afterwards every result
has to be there, once, and equal to that of an undisturbed run.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from statistics import median

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

from page import DOCS, Table, put  # noqa: E402
from processes import children  # noqa: E402
from rich.console import Console  # noqa: E402

from autograder.catalog import Course, Exercise  # noqa: E402
from autograder.grading.cluster.connect import Cluster  # noqa: E402
from autograder.grading.graded import Graded  # noqa: E402
from autograder.grading.mistakes import apply_mistake, load_mistakes  # noqa: E402
from autograder.grading.pool import Grades, Job, NodeSettings, Pool  # noqa: E402
from autograder.grading.run import grade_class  # noqa: E402
from autograder.grading.submission import Submission  # noqa: E402
from autograder.policy import Policy  # noqa: E402

COURSE = Course(Path(__file__).parents[1])
THROUGHPUT, KILLS = "m13_attention/attention", "m00_foundations/activations"
SEED = 0


@dataclass
class Way:
    """A pool that is open and warm.

    Attributes:
        walls, at_work: of each round, the seconds that it took, and those of all nodes at work.
    """

    name: str
    nodes: int
    pool: Grades
    walls: list[float] = field(default_factory=list)
    at_work: list[float] = field(default_factory=list)

    def round(self, jobs: list[Job]) -> None:
        start = time.perf_counter()
        results = [future.result() for future in [self.pool.submit(job) for job in jobs]]
        self.walls.append(time.perf_counter() - start)
        self.at_work.append(sum(result.seconds for result in results))
        assert not any(result.is_open for result in results), results


def throughput(policy: Policy, submissions: int, rounds: int) -> Table:
    exercise = policy.course.exercise(THROUGHPUT)
    settings = NodeSettings(str(COURSE.root), [exercise.id], sorted({"jaxtyping", "numpy", *exercise.libraries}), SEED)
    files = {each.id: each.solution.read_bytes() for each in (exercise, *exercise.imports_exercises)}
    jobs = [Job(f"learner{number}", exercise.id, files, "", 600.0) for number in range(submissions)]
    with (
        Cluster("local:1") as one, Cluster("local:2") as two,
        Pool(settings, 1) as pool1, Pool(settings, 2) as pool2, one.pool(settings) as cluster1, two.pool(settings) as cluster2,
    ):  # fmt: skip
        ways = [
            Way("pool, 1 node", 1, pool1), Way("--cluster local:1", 1, cluster1),
            Way("pool, 2 nodes", 2, pool2), Way("--cluster local:2", 2, cluster2),
        ]  # fmt: skip
        for way in ways:
            way.round(jobs[:8])
            way.walls.clear(), way.at_work.clear()
        for _ in range(rounds):
            for way in ways:
                way.round(jobs)
    columns = ("graded by", "submissions a second", "of the pool", "a node is at work", "overhead ms", "of grading")
    table = Table("throughput", columns, [])
    for way, pool in zip(ways, (ways[0], ways[0], ways[2], ways[2]), strict=True):
        work = median(way.at_work) / submissions
        lost = median(wall * way.nodes - busy for wall, busy in zip(way.walls, way.at_work, strict=True)) / submissions
        table.rows.append([
            way.name, f"{submissions / median(way.walls):.2f}", f"{median(pool.walls) / median(way.walls):.2f}",
            f"{work / (work + lost):.0%}", f"{1000 * lost:.0f}", f"{lost / work:.1%}",
        ])  # fmt: skip
    return table


def class_of(exercise: Exercise, learners: int) -> list[Submission]:
    """The reference and every known mistake in turn, no two files equal."""
    reference = exercise.solution.read_text(encoding="utf-8")
    mistakes = [mistake for mistake in load_mistakes(exercise.mistakes) if mistake.exercise == exercise.name]
    kinds = [reference, *(apply_mistake(reference, mistake) for mistake in mistakes)]
    return [
        Submission(f"learner{number:04}", {exercise.id: f"{text}\n# {number}\n".encode()})
        for number, text in zip(range(learners), cycle(kinds), strict=False)
    ]


class Killer:
    """Sends SIGKILL to a random worker whenever so many more results are there."""

    def __init__(self, learners: int, kills: int):
        self.due = sorted(random.Random(SEED).sample(range(1, learners), kills))
        self.done = 0

    def __call__(self, results: int, total: int) -> None:
        while self.due and results >= self.due[0]:
            if not (workers := self.workers()):
                return  # all are starting: at the next result, then
            self.due.pop(0)
            os.kill(random.choice(workers), signal.SIGKILL)
            self.done += 1

    @staticmethod
    def workers() -> list[int]:
        alive = [pid for pid, state in children(os.getpid()).items() if state != "Z"]
        return [pid for pid in alive if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def kills(policy: Policy, learners: int, kills: int) -> Table:
    exercise = policy.course.exercise(KILLS)
    submissions = class_of(exercise, learners)
    wanted = [(submission, exercise) for submission in submissions]

    def run(out: Path, progress: Callable[[int, int], None], pools: Callable[[NodeSettings, int], Grades]) -> Graded:
        return grade_class(policy, submissions, wanted, out, nodes=2, seed=SEED, progress=progress, pools=pools)

    with tempfile.TemporaryDirectory() as folder, Cluster("local:2") as cluster:
        undisturbed = run(Path(folder, "pool"), lambda *_: None, Pool)
        killer = Killer(learners, kills)
        start = time.perf_counter()
        disturbed = run(Path(folder, "cluster"), killer, cluster.pool)
        wall = time.perf_counter() - start
        faults, runs = len(disturbed.system_faults), 1
        while disturbed.system_faults:  # what a teacher does then: the same command again
            disturbed, runs = run(Path(folder, "cluster"), lambda *_: None, cluster.pool), runs + 1
        lines = Path(folder, "cluster/journal.jsonl").read_bytes().count(b"\n") - 1
        table = Table("kills", ("what", "how many"), [
            ["submissions", f"{learners}"],
            ["workers killed", f"{killer.done}"],
            ["results that say `system`, to be graded again", f"{faults}"],
            ["runs until all was graded", f"{runs}"],
            ["lost", f"{sum(disturbed.results[key].is_open for key in undisturbed.results)}"],
            ["graded twice", f"{lines - faults - learners}"],
            ["other results than without kills", f"{sum(differs(undisturbed, disturbed, s.learner) for s in submissions)}"],
            ["seconds", f"{wall:.0f}"],
        ])  # fmt: skip
    return table


def differs(graded: Graded, other: Graded, learner: str) -> bool:
    """Whether the two runs found other things about this learner, besides how long it took."""
    [exercise] = graded.exercises

    def essence(each: Graded) -> dict:
        result = each.results[learner, exercise.id].model_dump()
        return result | {"seconds": 0, "checks": [check | {"seconds": 0} for check in result["checks"]]}

    return essence(graded) != essence(other) or graded.total(learner) != other.total(learner)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a class of 60, 6 kills, one short round")
    parser.add_argument("--only", choices=["throughput", "kills"])
    parser.add_argument("--submissions", type=int, default=40, metavar="N", help="in a round")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--learners", type=int, default=500, metavar="N", help="in the class whose workers are killed")
    parser.add_argument("--kills", type=int, default=60, metavar="N")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/scale.md")
    options = parser.parse_args()
    if options.quick:
        options.submissions, options.rounds, options.learners, options.kills = 10, 1, 60, 6

    policy, console, tables = Policy.load(COURSE), Console(soft_wrap=True), []
    if options.only != "kills":
        tables.append(throughput(policy, options.submissions, options.rounds))
        console.print(tables[-1].for_terminal())
    if options.only != "throughput":
        tables.append(kills(policy, options.learners, options.kills))
        console.print(tables[-1].for_terminal())
    if options.write:
        put(DOCS / "scale.md", {table.name: table.for_page() for table in tables})


if __name__ == "__main__":  # the workers import this file
    main()
