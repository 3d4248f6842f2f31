"""`autograder nbgrader`: our exercises, jail and hidden checks in an nbgrader course."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from autograder.catalog import Course, CourseError

app = typer.Typer(no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The nbgrader course, with its nbgrader_config.py.")]
Assignment = Annotated[str, typer.Argument(metavar="ASSIGNMENT", help="A module.")]


@app.callback()
def main() -> None:
    """Our exercises as assignments of an nbgrader course, graded by our hidden checks in the jail.

    Example: autograder nbgrader init my-course --module m00_foundations
    """


@app.command()
def init(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the nbgrader course is, or is to be.")],
    module: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this one; may be given several times.")
    ] = None,
) -> None:
    """Write source notebooks, one for each exercise: a module is an assignment. Existing ones are written anew.

    Example: autograder nbgrader init my-course --module m00_foundations
    """
    from autograder.gradebook.nbgrader.course import home
    from autograder.gradebook.nbgrader.course import init as write
    from autograder.policy import Policy

    policy = Policy.load(Course.find(context.obj))
    modules = [policy.course.module(name) for name in module] if module else policy.course.modules
    written, left_out = write(policy, modules, folder)
    for words in left_out:
        print(f"left out: {words}", file=sys.stderr)
    print(f"{len(written)} notebooks in {home(folder, 'source')}")


@app.command()
def release(folder: Folder, assignment: Assignment) -> None:
    """Make what learners get, by nbgrader's own generate_assignment: solutions taken out, cells locked.

    Example: autograder nbgrader release my-course m00_foundations
    """
    from autograder.gradebook.nbgrader.course import api, notebooks_of, run
    from autograder.gradebook.nbgrader.course import folder as folder_of

    notebooks_of(folder, assignment)
    run(folder, "generate_assignment", assignment, force=True, create=True)
    print(folder_of(api(folder), "release", assignment))


@app.command()
def collect(
    folder: Folder,
    assignment: Assignment,
    downloads: Annotated[
        Path, typer.Argument(help="A folder of notebooks: LEARNER/…/NAME.ipynb or LEARNER_NAME.ipynb.")
    ],
) -> None:
    """Put downloaded notebooks where nbgrader keeps submissions. (What `nbgrader collect` has fetched is there already.)

    Example: autograder nbgrader collect my-course m00_foundations downloads/
    """
    from autograder.gradebook.nbgrader.course import collect as put
    from autograder.gradebook.nbgrader.course import home

    if not downloads.is_dir():
        raise CourseError(f"{downloads}: no such folder")
    learners = put(folder, assignment, downloads)
    if not learners:
        raise CourseError(f"{downloads}: no notebook in it belongs to {assignment}")
    print(f"notebooks of {len(learners)} learners in {home(folder, 'submitted')}")


@app.command()
def grade(
    context: typer.Context,
    folder: Folder,
    assignment: Assignment,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Our own results; by default FOLDER/results/ASSIGNMENT.")
    ] = None,
    module: Annotated[
        str | None, typer.Option(metavar="NAME", help="The module with its exercises; by default named like it.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Exercises graded at a time.")] = os.cpu_count() or 1,
) -> None:
    """Grade what was submitted with the hidden checks, in the jail, and write scores and comments into nbgrader's gradebook.

    The course may also be one that `autograder adopt` made from your own notebooks. What is graded by hand is left to
    formgrader.

    Examples: autograder nbgrader grade my-course m00_foundations
              autograder --course adopted nbgrader grade my-course ps1
    """
    from autograder.commands.grade import SYSTEM_FAULT, told_in_words
    from autograder.commands.progress import Progress
    from autograder.gradebook.nbgrader import scores
    from autograder.gradebook.nbgrader.course import exercises_of
    from autograder.gradebook.report import write_reports
    from autograder.grading.cache import default_cache
    from autograder.grading.run import grade_class
    from autograder.policy import Policy

    policy = Policy.load(Course.find(context.obj))
    exercises = exercises_of(policy, folder, assignment, module)
    scores.demand_released(folder, assignment)
    out = out or folder / "results" / assignment
    with told_in_words():
        found = scores.submissions(folder, assignment, exercises)
        with Progress() as progress:
            graded = grade_class(
                policy, found, [(work, exercise) for work in found for exercise in exercises.values()], out,
                nodes=jobs, seed=policy.seed, cache=default_cache(),
                progress=lambda done, total: progress.show("grading", done, total),
            )  # fmt: skip
    write_reports(graded, out)
    written = scores.write(graded, folder, assignment, exercises)
    for words in written.warnings:
        print(f"warning: {words}", file=sys.stderr)
    print(f"scores of {written.learners} learners in the gradebook of {folder}; our own reports in {out}")
    if graded.system_faults:
        print("some could not be graded for reasons that are not the learner's; run it again", file=sys.stderr)
        raise typer.Exit(SYSTEM_FAULT)


@app.command()
def feedback(folder: Folder, assignment: Assignment) -> None:
    """Make nbgrader's own feedback pages, with our comments in them.

    Example: autograder nbgrader feedback my-course m00_foundations
    """
    from autograder.gradebook.nbgrader.course import api, home, run

    interface = api(folder)
    for learner in sorted(interface.get_submitted_students(assignment)):
        run(folder, "generate_feedback", assignment, learner, force=True)
    print(home(folder, "feedback"))


@app.command()
def export(
    folder: Folder, to: Annotated[Path, typer.Option(metavar="CSV", help="The file to write.")] = Path("grades.csv")
) -> None:
    """Write everybody's scores by nbgrader's own exporter.

    Example: autograder nbgrader export my-course --to grades.csv
    """
    from autograder.gradebook.nbgrader.course import export as write

    write(folder, to)
    print(to)
