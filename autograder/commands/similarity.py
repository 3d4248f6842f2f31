"""`autograder similarity`: which submissions are alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from autograder.catalog import Course, CourseError

SHOWN = 10  # pairs in the terminal


def similarity(
    context: typer.Context,
    submissions: Annotated[Path, typer.Argument(help="What `autograder grade` takes: a folder of learners.")],
    out: Annotated[Path, typer.Option(metavar="HTML", help="The report to write.")] = Path("similarity.html"),
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this module or exercise; may be given several times.")
    ] = None,
    at_least: Annotated[
        float, typer.Option(min=0.05, max=1.0, help="Show pairs of which one file is to this share in the other.")
    ] = 0.6,
) -> None:
    """Compare the class's files with one another, leaving out what stub and reference have, and write a report.

    That files are alike is a reason to look, and proves nothing; see the report for what it cannot tell.

    Example: autograder similarity submissions/ --only m00_foundations/mlp --at-least 0.7
    """
    from autograder.commands.progress import Progress
    from autograder.commands.selection import exercises_named
    from autograder.gradebook.report import render_similarity
    from autograder.gradebook.similarity import clusters, compare_class
    from autograder.grading.submission import SubmissionError, find_submissions
    from autograder.policy import Policy

    policy = Policy.load(Course.find(context.obj))
    try:
        found = find_submissions(submissions, policy.exercises())
    except SubmissionError as error:
        raise CourseError(str(error)) from None
    exercises = [
        e for e in exercises_named(policy, only or ()) if sum(e.id in submission.files for submission in found) > 1
    ]
    pairs = {}
    with Progress() as progress:
        for done, exercise in enumerate(exercises):
            progress.show(f"comparing {exercise.name}", done, len(exercises))
            pairs[exercise.id] = compare_class(found, exercise, at_least)
    everything = [pair for of_exercise in pairs.values() for pair in of_exercise]
    groups = clusters(everything)
    try:
        out.write_text(render_similarity(policy.title, len(found), pairs, groups, at_least), encoding="utf-8")
    except OSError as error:
        raise CourseError(f"{out} cannot be written: {error.strerror}") from None
    for pair in sorted(everything, key=lambda pair: -pair.share)[:SHOWN]:
        names = " and ".join(json.dumps(name)[1:-1] for name in (pair.one.learner, pair.other.learner))
        print(f"{pair.share:4.0%}  {pair.exercise}  {names}")
    counts = [f"{n} {word}{'s' if n != 1 else ''}" for n, word in ((len(everything), "pair"), (len(groups), "group"))]
    print(f"{' in '.join(counts)}: {out}")
