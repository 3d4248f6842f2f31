"""Grade every exercise's own solution on the CPU and on a GPU, and compare: verdicts, the worst error, the time.

    python benchmarks/gpu.py [--device cuda] [--out docs/gpu-parity.md] [EXERCISE ...]

An exercise that does not pass on the GPU is not graded there (`--device auto` leaves it on the CPU); the table says why. The worst
error is in tolerances: 1 would fail.
"""

import argparse
import sys
from pathlib import Path

from autograder import installed
from autograder.catalog import Course, Exercise
from autograder.grading.node import can_move
from autograder.grading.pool import Job, Node, NodeSettings
from autograder.grading.results import ExerciseResult, Outcome
from autograder.grading.run import by_libraries
from autograder.policy import Policy
from autograder.sandbox import gpu

HEADER = "| exercise | CPU | {device} | worst error, CPU | {device} | seconds, CPU | {device} |\n|---|---|---|---:|---:|---:|---:|"
ROUNDS = 3
SECONDS = 600.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("exercises", nargs="*", help="ids; all that use torch by default")
    parser.add_argument("--device", default="cuda", help='"meta" tries this script without a GPU')
    parser.add_argument("--out", type=Path, help="where the table goes besides the screen")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not gpu.numbers():
        print("not run: this machine has no GPU of NVIDIA's", file=sys.stderr)
        return 1
    policy = Policy.load(Course.find())
    wanted = [e for e in policy.exercises() if not arguments.exercises or e.id in arguments.exercises]
    rows = [HEADER.format(device=arguments.device)]
    print(rows[0], flush=True)
    for libraries, group in by_libraries(policy, wanted).items():
        if not can_move(libraries) or installed.missing(libraries):
            continue
        found = [graded(policy, group, libraries, device) for device in (gpu.CPU, arguments.device)]
        for exercise in group:
            rows.append(row(exercise, *(each[exercise.id] for each in found)))
            print(rows[-1], flush=True)
    if arguments.out:
        arguments.out.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return 0


def graded(policy: Policy, group: list[Exercise], libraries: tuple[str, ...], device: str) -> dict[str, ExerciseResult]:
    """The result of each solution, the fastest of a few rounds."""
    settings = NodeSettings(str(policy.course.root), [e.id for e in group], libraries, policy.seed, device=device)
    node = Node(settings)
    try:
        found = {}
        for exercise in group:
            files = {e.id: e.solution.read_bytes() for e in (*exercise.imports_exercises, exercise)}
            rounds = [node.grade(Job("solution", exercise.id, files, "", SECONDS)) for _ in range(ROUNDS)]
            found[exercise.id] = min(rounds, key=lambda result: result.seconds)
        return found
    finally:
        node.close()


def row(exercise: Exercise, *results: ExerciseResult) -> str:
    worst = [max((check.margin or 0.0 for check in result.checks), default=0.0) for result in results]
    numbers = [*(f"{each:.1g}" for each in worst), *(f"{result.seconds:.2f}" for result in results)]
    return f"| {exercise.id} | {' | '.join([*map(verdict, results), *numbers])} |"


def verdict(result: ExerciseResult) -> str:
    if result.outcome is not Outcome.GRADED:
        return result.note.partition("; ")[2].partition(":")[0] or "not graded"
    counts = [sum(check.status == status for check in result.checks) for status in ("passed", "not_run")]
    return f"{counts[0]} of {len(result.checks)} pass" + (f", {counts[1]} not run" if counts[1] else "")


if __name__ == "__main__":
    sys.exit(main())
