"""What grading one submission costs, as ratios of figures that were measured in one run.

    python benchmarks/cost.py
    python benchmarks/cost.py --leaks 500
    python benchmarks/cost.py --course . --exercise m00_foundations/activations

On the same checks, with the reference as every submission, it compares:
floor   the bodies of the checks alone, in one warm process;
ours    a job for a grading node: the node, its children, its fork server, the workers and the asking side, all counted;
pytest  a `python -m pytest` for each submission, which runs the learner's code in its own process.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # all three have one thread

import pytest  # noqa: E402
from processes import children, cpu_of_ended_children, cpu_seconds, holdings, pid_of, private_mib  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from autograder.catalog import Course, Exercise  # noqa: E402
from autograder.grading.jailed import JailedProvider  # noqa: E402
from autograder.grading.pool import Job, Node, NodeSettings  # noqa: E402
from autograder.grading.results import Status  # noqa: E402
from autograder.policy import Policy  # noqa: E402
from autograder.sandbox.client import Zygote  # noqa: E402
from autograder.testing.probe import Probe  # noqa: E402
from autograder.testing.provider import LocalProvider, Provider  # noqa: E402
from autograder.testing.running import CHECK  # noqa: E402

SEED = 0
WARM_UP = 40  # submissions, after which a node has taken all its measures
PLUGIN = "autograder.testing.plugin"
BATCH = 10  # submissions measured together, because the kernel counts in hundredths of a second
PARTS = ("grading node", "its children", "fork server", "workers", "asking side")


@dataclass
class Times:
    """Seconds for one submission, measured several times."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    def measure(self, work: Callable[[], object], cpu_time: Callable[[], float], submissions: int = 1) -> None:
        cpu, wall = cpu_time(), time.perf_counter()
        work()
        self.wall.append((time.perf_counter() - wall) / submissions)
        self.cpu.append((cpu_time() - cpu) / submissions)


class Checks:
    """The hidden checks of an exercise, to be called without pytest. It is the plugin that collects them."""

    def __init__(self, exercise: Exercise):
        self.items: list[pytest.Function] = []
        pytest.main(["-p", "no:terminal", "-c", os.devnull, str(exercise.grader)], plugins=[self])

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.items = session.items
        return True

    def bodies(self, provider: Provider) -> list[Callable[[], None]]:
        return [self.body(item, provider) for item in self.items]

    @staticmethod
    def body(item: pytest.Function, provider: Provider) -> Callable[[], None]:
        """What is left of a check when all its arguments are there."""
        check = item.stash[CHECK]
        ways = {"learner": provider.learner, "reference": provider.reference, "probe": probe_for}
        given = {name: ways[name](check) for name in ways if name in item.fixturenames}
        for name in {"learner", "reference"} & given.keys():
            given[name]._begin_check(check.in_place)
        given |= item.callspec.params if hasattr(item, "callspec") else {}
        return lambda: item.function(**given)


def probe_for(check: object) -> Probe:
    return Probe(SEED, f"{check.exercise.id}::{check.name}")


class Grader:
    """A grading node at work on one exercise."""

    def __init__(self, exercise: Exercise, libraries: list[str]):
        self.exercise = exercise
        start, own = time.perf_counter(), time.process_time()
        self.node = Node(NodeSettings(str(exercise.course.root), [exercise.id], libraries, SEED))
        (self.fork_server,) = children(self.node.process.pid)
        self.start_wall, self.start_cpu = time.perf_counter() - start, self.cpu() - own

    def grade(self, submissions: int) -> None:
        for number in range(submissions):
            files = files_of(self.exercise)
            files[self.exercise.id] += b"\n# submission %d\n" % number
            result = self.node.grade(Job(f"learner{number}", self.exercise.id, files, "", seconds=120.0))
            assert all(check.status is Status.PASSED for check in result.checks), result

    def cpu_by_part(self) -> dict[str, float]:
        seconds = *cpu_seconds(self.node.process.pid), *cpu_seconds(self.fork_server), time.process_time()
        return dict(zip(PARTS, seconds, strict=True))

    def cpu(self) -> float:
        return sum(self.cpu_by_part().values())

    def holdings(self) -> dict[str, dict[str, float]]:
        return {"grading node": holdings(self.node.process.pid), "fork server": holdings(self.fork_server)}


def cost_of_floor(checks: Checks, exercise: Exercise, rounds: int = 20) -> Times:
    provider, times = LocalProvider(exercise.course.solutions_dir), Times()
    for _ in range(rounds):
        bodies = checks.bodies(provider)
        times.measure(lambda bodies=bodies: [body() for body in bodies], time.process_time)
    return times


def cost_of_ours(grader: Grader, submissions: int) -> tuple[Times, dict[str, float]]:
    """Times, and the CPU seconds for one submission by part."""
    times, batches, before = Times(), max(1, submissions // BATCH), grader.cpu_by_part()
    for _ in range(batches):
        times.measure(lambda: grader.grade(BATCH), grader.cpu, BATCH)
    after = grader.cpu_by_part()
    return times, {part: (after[part] - before[part]) / (batches * BATCH) for part in PARTS}


def cost_of_pytest(exercise: Exercise, runs: int) -> Times:
    times = Times()
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files_of(exercise).items():
            path = Path(folder, f"{name}.py")
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(text)
        command = [sys.executable, "-m", "pytest", "-q", "-p", PLUGIN, str(exercise.grader), "--learner-dir", folder]
        bare = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        for _ in range(runs + 1):
            times.measure(
                lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=bare), cpu_of_ended_children
            )
    return Times(times.cpu[1:], times.wall[1:])  # the first one reads everything from disk


def memory_of_worker(checks: Checks, exercise: Exercise, libraries: list[str]) -> tuple[float, float]:
    """Its private MiB after one check: its own, and pages of files."""
    references = LocalProvider(exercise.course.solutions_dir)
    with Zygote(libraries) as zygote:
        provider = JailedProvider(zygote, Policy.load(exercise.course), exercise, files_of(exercise), references)
        checks.body(checks.items[0], provider)()
        return private_mib(pid_of(provider.worker.pidfd))


def files_of(exercise: Exercise) -> dict[str, bytes]:
    return {each.id: each.solution.read_bytes() for each in (exercise, *exercise.imports_exercises)}


def cost_table(floor: Times, ours: Times, pytest: Times, title: str) -> Table:
    table = Table("", "CPU ms", "(least)", "wall ms", "(least)", "times the floor", "less than pytest", title=title)
    for name, times in (("floor", floor), ("ours", ours), ("pytest", pytest)):
        cpu = median(times.cpu)
        figures = (f"{1000 * seconds:.1f}" for seconds in (cpu, min(times.cpu), median(times.wall), min(times.wall)))
        table.add_row(name, *figures, f"{cpu / median(floor.cpu):.1f}", f"{median(pytest.cpu) / cpu:.1f} times")
    return table


def parts_table(parts: dict[str, float]) -> Table:
    table = Table("part", "CPU ms", title="where ours goes (mean)")
    for name, seconds in parts.items():
        table.add_row(name, f"{1000 * seconds:.1f}")
    return table


def growth_table(before: dict[str, dict], after: dict[str, dict], title: str) -> Table:
    table = Table("process", "holds", "before", "after", title=title)
    for process, figures in before.items():
        for name, value in figures.items():
            table.add_row(process, name, f"{value:.1f}", f"{after[process][name]:.1f}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--course", type=Path, default=Path(__file__).parent / "course")
    parser.add_argument("--exercise", default="core/layers")
    parser.add_argument("--submissions", type=int, default=100, metavar="N")
    parser.add_argument("--pytest-runs", type=int, default=5, metavar="N")
    parser.add_argument("--leaks", type=int, default=0, metavar="N", help="also watch what grows in N submissions")
    options = parser.parse_args()
    exercise = Course(options.course).exercise(options.exercise)
    libraries = sorted({"jaxtyping", "numpy", *exercise.libraries})
    console, checks = Console(soft_wrap=True), Checks(exercise)

    grader = Grader(exercise, libraries)
    try:
        console.print(
            f"A node with {', '.join(libraries)} starts in {grader.start_wall:.1f} s, {grader.start_cpu:.1f} s of CPU."
        )
        grader.grade(WARM_UP)
        ours, parts = cost_of_ours(grader, options.submissions)
        floor, each = cost_of_floor(checks, exercise), cost_of_pytest(exercise, options.pytest_runs)
        console.print(cost_table(floor, ours, each, f"one submission of {exercise.id}, {len(checks.items)} checks"))
        console.print(parts_table(parts))
        if options.leaks:
            before = grader.holdings()
            grader.grade(options.leaks)
            console.print(growth_table(before, grader.holdings(), f"over {options.leaks} submissions"))
    finally:
        grader.node.close()
    own, files = memory_of_worker(checks, exercise, libraries)
    console.print(f"Private memory of a worker after one check: {own:.1f} MiB, and {files:.1f} MiB of library files.")
    console.print("Medians, with minima in brackets. The wall times of a shared machine mean little, CPU times more.")


if __name__ == "__main__":
    main()
