"""What it costs to grade every exercise of the course for many learners: core-hours, and how many machines for how long.

    python benchmarks/scale.py
    python benchmarks/scale.py --only m08_convolutions --learners 500
    python benchmarks/scale.py --write           # also into docs/scale.md

For each exercise its own reference is graded a few times on one warm node, and the CPU time of all processes is counted: the node, its
children, its fork server, the workers and the asking side. Exercises that share a set of libraries share the node, as in a class.
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
            console.print(f"a node with {', '.join(libraries)} for {len(group)} exercises: {grader.start_cpu:.1f} s of CPU")
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


def sizing_table(policy: Policy, found: list[Measured], starts: float, options: argparse.Namespace) -> Table:
    """Core-hours, and how long they take on so many cores."""
    learners = options.learners
    work = learners * sum(each.cpu for each in found) / 3600
    limits = mean(HANGS_TOLERATED * policy.limits(each.exercise).wall_seconds for each in found)
    hanging = options.hanging * learners * len(found) * limits / 3600
    table = Table(
        "sizing", ("cores", "GB", "starts of nodes, core-hours", "core-hours in all", "hours", "cost"), []
    )  # fmt: skip
    for cores in options.cores:
        start = cores * starts / 3600
        total = (work + hanging + start) * (1 + options.overhead)
        table.rows.append([
            f"{cores:,}", f"{cores * GB_PER_CORE:,}", f"{start:.1f}", f"{total:,.0f}", f"{total / cores:.1f}",
            f"${total * options.price:,.0f}",
        ])  # fmt: skip
    return table


def assumptions(policy: Policy, found: list[Measured], options: argparse.Namespace) -> str:
    work = options.learners * sum(each.cpu for each in found) / 3600
    limits = mean(HANGS_TOLERATED * policy.limits(each.exercise).wall_seconds for each in found)
    hanging = options.hanging * options.learners * len(found) * limits / 3600
    kernel = platform.release().partition("-")[0]
    return (
        f"{options.learners:,} learners × {len(found)} exercises = {options.learners * len(found):,} submissions, no two alike: "
        f"{work:,.0f} core-hours. If {options.hanging:.1%} of them hang to the end of their limits (three times the limit of a check, "
        f"{limits:.0f} s on average) that takes another {hanging:,.0f}. {options.overhead:.0%} is added for the cluster. A core-hour "
        f"at ${options.price:.3f} is an assumption, not a measurement. Measured on {os.cpu_count()} cores, Linux {kernel}, Python "
        f"{platform.python_version()}, the mean of {options.times} submissions of each exercise.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--course", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="modules or exercises")
    parser.add_argument("--times", type=int, default=5, metavar="N", help="submissions of each exercise")
    parser.add_argument("--learners", type=int, default=10_000, metavar="N")
    parser.add_argument("--cores", type=int, nargs="+", default=[64, 192, 512], metavar="N", help="to spread the work over")
    parser.add_argument("--hanging", type=float, default=0.01, metavar="SHARE", help="of submissions that run out of time")
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
    tables = [costs_table(found), sizing_table(policy, found, starts, options)]
    words = assumptions(policy, found, options)
    for table in tables:
        console.print(table.for_terminal())
    console.print(words)
    if options.write:
        put(PAGE, {table.name: table.for_page() for table in tables} | {"assumptions": words})


if __name__ == "__main__":
    main()
