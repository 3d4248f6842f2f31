"""What grading one submission costs, as ratios measured in one run on this machine.

    python benchmarks/cost.py                  the price of a submission, beside the floor and beside a pytest process each
    python benchmarks/cost.py --leaks          the same, and what grows in 500 submissions

The floor is the bodies of the checks alone, on the solution, in one warm process. CPU time is the kernel's own count of every
process that takes part. Wall times mean little on a machine that others use: read the minima, and rather the CPU times.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
os.environ |= THREADS  # before NumPy is imported: the same single thread for all that is compared

import pytest  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from autograder.catalog import Course, Exercise  # noqa: E402
from autograder.grading.pool import Job, Node, NodeSettings  # noqa: E402
from autograder.grading.results import ExerciseResult, Status  # noqa: E402
from autograder.sandbox.client import Zygote  # noqa: E402
from autograder.sandbox.jail import Limits  # noqa: E402
from autograder.testing.probe import Probe  # noqa: E402
from autograder.testing.provider import LocalProvider  # noqa: E402
from autograder.testing.running import CHECK  # noqa: E402

COURSE = Path(__file__).parent / "course"
SEED = 0
TICK = os.sysconf("SC_CLK_TCK")
MIB = 1 << 20


@dataclass(frozen=True)
class Times:
    """CPU and wall seconds of each of several equal pieces of work."""

    cpu: Sequence[float]
    wall: Sequence[float]

    @property
    def price(self) -> float:
        return statistics.median(self.cpu)
