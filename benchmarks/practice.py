"""How long a learner waits: from `autograder watch` to the first verdict, and from each save to its verdict.

    python benchmarks/practice.py [--saves N]

The save is a real one, of a copy of the course; the verdict comes through the warm process that `watch` uses.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from autograder.catalog import Course
from autograder.practice.checker import Checker

REPOSITORY = Path(__file__).parents[1]
EXERCISES = ("m00_foundations/activations", "m03_training/optimizers", "m13_attention/attention")


def measure(course: Course, name: str, saves: int) -> tuple[float, list[float]]:
    """Seconds to the first verdict, and from each further save to its verdict."""
    exercise = course.exercise(name)
    solution = exercise.stub.read_text()
    start = time.perf_counter()
    with Checker(course, [exercise]) as checker:
        assert checker.check(exercise).passed
        first = time.perf_counter() - start
        waits = []
        for number in range(saves):
            exercise.stub.write_text(f"{solution}# {number}\n")
            start = time.perf_counter()
            assert checker.check(exercise).passed
            waits.append(time.perf_counter() - start)
    return first, waits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--saves", type=int, default=20)
    saves = parser.parse_args().saves
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "course"
        for part in ("exercises", "solutions"):
            shutil.copytree(REPOSITORY / part, root / part)
        for name in EXERCISES:  # a learner who is right: every check runs to its end
            shutil.copy(root / "solutions" / f"{name}.py", root / "exercises" / f"{name}.py")
        shutil.copy(REPOSITORY / "grading.yml", root)
        print(f"{'exercise':<32}{'first verdict':>15}{'save to verdict, least':>26}{'median':>10}")
        for name in EXERCISES:
            first, waits = measure(Course(root), name, saves)
            print(f"{name:<32}{first:>13.2f} s{min(waits) * 1000:>23.0f} ms{statistics.median(waits) * 1000:>7.0f} ms")


if __name__ == "__main__":
    main()
