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
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
    console = Console()
    console.width = max(console.width, WIDTH)
    with console.status("") as status:
        for round_ in range(options.rounds):
            for rival in report.costs:
                status.update(f"round {round_ + 1} of {options.rounds}: {rival.title}")
                with ready(rival, rival.learners) as grader:
                    report.costs[rival] += grader.grade()
        for rival in growing:
            for size in options.sizes if rival not in missing else ():
                status.update(f"a class of {size}: {rival.title}")
                with ready(rival, size) as grader, Memory() as memory:
                    (cost,) = grader.grade()
                report.classes.append(ClassCost(rival, size, cost / (1 / size), memory.peaks))
    for table in report.tables:
        console.print(table.for_terminal())
    if options.write:
        report.write()


@contextmanager
def ready(rival: type[Rival], learners: int) -> Iterator[Rival]:
    """A way to grade with everything it needs, in a folder of its own. In the end its verdicts must be the floor's."""
    with tempfile.TemporaryDirectory() as folder:
        grader = rival(make_class(learners), Path(folder))
        grader.prepare()
        yield grader
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


if __name__ == "__main__":
    main()
