"""What it costs to grade every exercise of the course for many learners: core-hours, and how many machines for how long.

    python benchmarks/scale.py
    python benchmarks/scale.py --only m08_convolutions --learners 500
    python benchmarks/scale.py --write           # also into docs/scale.md

For each exercise its own reference is graded a few times on one warm node, and the CPU time of all processes is counted: the node,
its children, its fork server, the workers and the asking side. Exercises that share a set of libraries share the node, as in a
class.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

from page import DOCS, Table, put  # noqa: E402
from processes import children, cpu_seconds  # noqa: E402
from rich.console import Console  # noqa: E402

from autograder import installed  # noqa: E402
from autograder.catalog import Course, Exercise  # noqa: E402
from autograder.grading.pool import Job, Node, NodeSettings  # noqa: E402
from autograder.grading.results import Status  # noqa: E402
from autograder.grading.run import HANGS_TOLERATED, by_libraries  # noqa: E402
from autograder.policy import Policy  # noqa: E402

PAGE = DOCS / "scale.md"
SEED = 0
PATIENCE = 600.0  # seconds for one submission: far more than any takes
GB_PER_CORE = 4  # a node and its fork server with TensorFlow or torch, and the memory limit of an exercise


@dataclass(frozen=True)
class Measured:
    """Of one exercise: how many checks, and the seconds of a submission."""

    exercise: Exercise
    checks: int
    cpu: float
    wall: float


class Grader:
    """A warm node and everything that works for it."""

    def __init__(self, policy: Policy, exercises: list[Exercise], libraries: tuple[str, ...]):
        own = time.process_time()
        self.node = Node(NodeSettings(str(policy.course.root), [e.id for e in exercises], libraries, SEED))
        (self.fork_server,) = children(self.node.process.pid)
        self.start_cpu = self.cpu() - own

    def cpu(self) -> float:
        return sum((*cpu_seconds(self.node.process.pid), *cpu_seconds(self.fork_server), time.process_time()))

    def measure(self, exercise: Exercise, times: int) -> Measured:
        checks = self.grade(exercise)  # reads files for the first time
        cpu, wall = self.cpu(), time.perf_counter()
        for _ in range(times):
            self.grade(exercise)
        return Measured(exercise, checks, (self.cpu() - cpu) / times, (time.perf_counter() - wall) / times)

    def grade(self, exercise: Exercise) -> int:
        files = {each.id: each.solution.read_bytes() for each in (exercise, *exercise.imports_exercises)}
        result = self.node.grade(Job("learner", exercise.id, files, "", PATIENCE))
        not_passed = [check.check for check in result.checks if check.status is not Status.PASSED]
        if not_passed or not result.checks:
            raise SystemExit(f"{exercise.id}: the reference does not pass {not_passed or 'anything'}: {result.note}")
        return len(result.checks)


def measure(policy: Policy, exercises: list[Exercise], times: int, console: Console) -> tuple[list[Measured], float]:
    """Of each exercise, and the CPU seconds that the start of a node for each set of libraries takes, added up."""
    found, starts = [], 0.0
    for libraries, group in by_libraries(policy, exercises).items():
        if absent := installed.missing(libraries):
            console.print(f"not run: {', '.join(e.name for e in group)}: {installed.in_words(absent)}")
            continue
        grader = Grader(policy, group, libraries)
        try:
            starts += grader.start_cpu
            console.print(
                f"a node with {', '.join(libraries)} for {len(group)} exercises: {grader.start_cpu:.1f} s of CPU"
            )
            for exercise in group:
                found.append(grader.measure(exercise, times))
                console.print(f"  {exercise.id}: {1000 * found[-1].cpu:.0f} ms of CPU")
        finally:
            grader.node.close()
    return sorted(found, key=lambda each: each.exercise.id), starts


def costs_table(found: list[Measured]) -> Table:
    table = Table("cost of a submission", ("exercise", "checks", "CPU ms", "wall ms"), [])
    for each in found:
        table.rows.append([each.exercise.id, f"{each.checks}", f"{1000 * each.cpu:.0f}", f"{1000 * each.wall:.0f}"])
    total = (f"{sum(getattr(each, name) for each in found) * factor:,.0f}" for name, factor in
             (("checks", 1), ("cpu", 1000), ("wall", 1000)))  # fmt: skip
    table.rows.append([f"all {len(found)}", *total])
    return table


@dataclass(frozen=True)
class Work:
    """Core-hours of a whole course, by what takes them.

    Attributes:
        limit: seconds, on average, that a submission takes which hangs to the end of its limits.
    """

    submissions: int
    grading: float
    hanging: float
    limit: float

    @classmethod
    def of(cls, policy: Policy, found: list[Measured], learners: int, hanging: float) -> Work:
        submissions = learners * len(found)
        limit = mean(HANGS_TOLERATED * policy.limits(each.exercise).wall_seconds for each in found)
        grading = learners * sum(each.cpu for each in found) / 3600
        return cls(submissions, grading, hanging * submissions * limit / 3600, limit)


def sizing_table(work: Work, starts: float, options: argparse.Namespace) -> Table:
    """How long it takes on so many cores, and what that costs."""
    table = Table("sizing", ("cores", "GB", "to start nodes, core-hours", "core-hours in all", "hours", "cost"), [])
    for cores in options.cores:
        start = cores * starts / 3600
        total = (work.grading + work.hanging) * (1 + options.overhead) + start
        memory, cost = f"{cores * GB_PER_CORE:,}", f"${total * options.price:,.0f}"
        table.rows.append([f"{cores:,}", memory, f"{start:.1f}", f"{total:,.0f}", f"{total / cores:.1f}", cost])
    return table


def assumptions(work: Work, exercises: int, options: argparse.Namespace) -> str:
    kernel = platform.release().partition("-")[0]
    return (
        f"{options.learners:,} learners × {exercises} exercises = {work.submissions:,} submissions, no two alike: "
        f"{work.grading:,.0f} core-hours. If {options.hanging:.0%} of them hang to the end of their limits (three times the limit "
        f"of a check, {work.limit:.0f} s on average), that takes another {work.hanging:,.0f}. {options.overhead:.0%} is added for "
        f"the cluster. ${options.price:.3f} for a core-hour is an assumption, not a measurement. Measured on {os.cpu_count()} "
        f"cores, Linux {kernel}, Python {platform.python_version()}: the mean of {options.times} submissions of each exercise.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--course", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="modules or exercises")
    parser.add_argument("--times", type=int, default=5, metavar="N", help="submissions of each exercise")
    parser.add_argument("--learners", type=int, default=10_000, metavar="N")
    parser.add_argument(
        "--cores", type=int, nargs="+", default=[64, 192, 512], metavar="N", help="to spread the work over"
    )
    parser.add_argument(
        "--hanging", type=float, default=0.01, metavar="SHARE", help="of submissions that run out of time"
    )
    parser.add_argument("--overhead", type=float, default=0.1, metavar="SHARE", help="of the cluster; see cluster.py")
    parser.add_argument("--price", type=float, default=0.045, metavar="DOLLARS", help="of a core-hour")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/scale.md")
    options = parser.parse_args()
    console = Console(soft_wrap=True)

    policy = Policy.load(Course(options.course))
    wanted = [e for e in policy.exercises() if not options.only or {e.id, e.module} & set(options.only)]
    found, starts = measure(policy, wanted, options.times, console)
    if not found:
        raise SystemExit("nothing was measured")
    work = Work.of(policy, found, options.learners, options.hanging)
    tables, words = [costs_table(found), sizing_table(work, starts, options)], assumptions(work, len(found), options)
    for table in tables:
        console.print(table.for_terminal())
    console.print(words)
    if options.write:
        put(PAGE, {table.name: table.for_page() for table in tables} | {"assumptions": words})


if __name__ == "__main__":
    main()
