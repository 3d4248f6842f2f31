"""The class that is graded, and the checks it is graded with, cut into the pieces that other graders want."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from autograder.catalog import Course
from autograder.grading.mistakes import apply_mistake, load_mistakes

COURSE = Path(__file__).parent / "course"
EXERCISE = Course(COURSE).exercise("core/layers")


@dataclass(frozen=True)
class Parts:
    """The functions of a source by name, and what comes before the first of them."""

    head: str
    functions: dict[str, str]

    @classmethod
    def of(cls, source: str, prefix: str = "") -> Parts:
        """Only functions whose name begins with the prefix count; each reaches to the next one."""
        nodes = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
        nodes = [node for node in nodes if node.name.startswith(prefix)]
        lines = source.splitlines(keepends=True)
        starts = [node.lineno - 1 for node in nodes]
        texts = ["".join(lines[start:end]).rstrip() for start, end in zip(starts, [*starts[1:], None], strict=True)]
        return cls("".join(lines[: starts[0]]), dict(zip((node.name for node in nodes), texts, strict=True)))


CHECKS = Parts.of(EXERCISE.grader.read_text(), "test_")


@dataclass(frozen=True)
class Submission:
    """What one learner hands in.

    Attributes:
        wrong: the task that is wrong, or None.
    """

    learner: str
    source: str
    wrong: str | None


def make_class(learners: int) -> list[Submission]:
    """One in six is right, the others have one task wrong, each time another. No two files are equal."""
    reference = EXERCISE.solution.read_text()
    mistakes = load_mistakes(EXERCISE.mistakes)
    kinds = [(reference, None), *((apply_mistake(reference, mistake), mistake.task) for mistake in mistakes)]
    names = (f"learner{number:04}" for number in range(learners))
    return [
        Submission(name, f"{source}\n# {name}\n", wrong)
        for name, (source, wrong) in zip(names, islice(cycle(kinds), learners), strict=True)
    ]


def write_class(submissions: list[Submission], folder: Path) -> None:
    """A folder for each learner, with `layers.py` in it."""
    for submission in submissions:
        path = folder / submission.learner / f"{EXERCISE.name}.py"
        path.parent.mkdir(parents=True)
        path.write_text(submission.source)
