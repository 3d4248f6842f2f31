"""What it costs to grade the same submissions with the same checks in different ways, all measured in one run.

    python benchmarks/compare.py                      # some 20 minutes on two cores
    python benchmarks/compare.py --rounds 1 --sizes 10 100 --only floor autograder pytest
    python benchmarks/compare.py --write              # also into docs/performance.md

Every way has to give the same verdicts, check by check. One that is not installed says so in its row; all of them come with
`pip install -e '.[bench]'`. CPU time is that of all processes a command starts.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from statistics import median

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # all have one thread

from cohort import EXERCISE, make_class  # noqa: E402
from processes import Memory  # noqa: E402
from report import ClassCost, Report  # noqa: E402
from rich.console import Console  # noqa: E402
from rivals.base import Rival  # noqa: E402
from rivals.floor import Floor, failures  # noqa: E402
from rivals.gradescope import Gradescope  # noqa: E402
from rivals.nbgrader import Nbgrader  # noqa: E402
from rivals.otter import OtterInterface, OtterRun  # noqa: E402
from rivals.ours import Ours, OursAgain  # noqa: E402
from rivals.pytest_each import PytestEach  # noqa: E402
from rivals.xdist import Xdist  # noqa: E402

RIVALS = [Floor, Ours, Xdist, PytestEach, Gradescope, Nbgrader, OtterInterface, OtterRun]
GROWING = [Ours, Xdist, OursAgain]  # what one submission costs depends on the size of the class
WIDTH = 150  # of the tables


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="measurements of each way, taken in turns")
    parser.add_argument("--sizes", type=int, nargs="*", default=[10, 100, 1000], metavar="N", help="of classes")
    parser.add_argument("--only", nargs="+", default=[""], metavar="WORD", help="ways with such a word in their title")
    parser.add_argument("--write", action="store_true", help="put tables and plot into docs/")
    options = parser.parse_args()

    chosen = [rival for rival in RIVALS if any(word in rival.title for word in options.only)]
    growing = [rival for rival in GROWING if any(word in rival.title for word in options.only)]
    missing = {rival: words for rival in {*chosen, *growing} if (words := rival.missing())}
    report = Report(chosen, missing)
    for number in range(1, options.rounds + 1):
        for rival in report.costs:
            costs, _ = measure(rival, rival.learners, f"round {number} of {options.rounds}")
            report.costs[rival] += costs
    for rival in growing:
        for size in () if rival in missing else options.sizes[-1:] if rival is OursAgain else options.sizes:
            (cost,), memory = measure(rival, size, f"a class of {size}")
            report.classes.append(ClassCost(rival, size, cost / (1 / size), memory))
    console = Console()
    console.width = max(console.width, WIDTH)
    for table in report.tables:
        console.print(table.for_terminal())
    if options.write:
        report.write()


def measure(rival: type[Rival], learners: int, why: str) -> tuple[list[Cost], dict[str, float]]:
    """The costs of one submission, and the largest resident MiB of each program. The verdicts must be the floor's."""
    with tempfile.TemporaryDirectory() as folder:
        grader = rival(make_class(learners), Path(folder))
        grader.prepare()
        with Memory() as memory:
            costs = grader.grade()
        found = grader.failed()
        for submission in grader.submissions:
            expected = failures(submission.source)
            tasks = {task for task in EXERCISE.tasks for check in expected if check.startswith(f"test_{task}_")}
            if tasks != {submission.wrong} - {None}:
                raise SystemExit(f"the checks misjudge a submission in which {submission.wrong} is wrong: {expected}")
            if found[submission.learner] != expected:
                raise SystemExit(
                    f"{rival.title}: {submission.learner} fails {found[submission.learner]}, not {expected}"
                )
    print(f"{why}: {rival.title}, {1000 * median(cost.cpu for cost in costs):.1f} ms of CPU", file=sys.stderr)
    return costs, memory.peaks


if __name__ == "__main__":
    main()
