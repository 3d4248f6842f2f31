"""Commands of those who write a course: `autograder new`, `build`, `verify`, `release`, `sample`.

A learner's edition has none of them.
"""

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from autograder.catalog import Course


def new(
    context: typer.Context,
    module: Annotated[str, typer.Argument(help="The module, a folder; it may be a new one.")],
    exercise: Annotated[str, typer.Argument(help="The exercise, a file in it.")],
    torch: Annotated[bool, typer.Option("--torch", help="In PyTorch; the default is NumPy.")] = False,
) -> None:
    """Begin an exercise: a small one that passes every gate, for you to change into yours.

    It writes the solution, hidden and public checks, mistakes, hints, README and stub, and overwrites nothing. With --course DIR
    the folder may be empty or new: that is how a course begins.

    Example: autograder new week1 activations
    """
    from autograder.authoring.new import new_exercise

    course = Course(context.obj) if context.obj else Course.find()
    for path, done in new_exercise(course, module, exercise, torch=torch).items():
        print(f"{done} {path.relative_to(course.root)}")
    command = f"autograder --course {shlex.quote(str(context.obj))}" if context.obj else "autograder"
    grader = os.path.relpath(course.graders_dir / module / f"test_{exercise}.py")
    print(
        f"\nIt is a complete exercise with one task. Make it yours, from the solution on; after each change:\n"
        f"  pytest {shlex.quote(grader)}   # the hidden checks, on your own solution\n"
        f"  {command} build   # the stub, from the solution\n"
        f"  {command} verify {module}   # every gate"
    )


def build(
    context: typer.Context,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 if a file is out of date.")] = False,
) -> None:
    """Make what learners get from solutions/: the stub of every exercise and the notebook of every lesson.

    A stub is the solution with each block between # BEGIN SOLUTION and # END SOLUTION replaced by
    raise NotImplementedError, or by the program to repair that it holds below # STUB. Files in exercises/ that are out of date are
    overwritten.

    Example: autograder build --check
    """
    from autograder.authoring import build as builder

    course = Course.find(context.obj)
    if check:
        drifted = builder.drift(course)
        for each in drifted:
            print(each)
        if drifted:
            raise typer.Exit(1)
        print("up to date")
    else:
        written = builder.build(course)
        for path in written:
            print(f"wrote {path.relative_to(course.root)}")
        if not written:
            print("up to date")


def release(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(help="A new folder, or an earlier release to bring up to date.")],
    module: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this module; may be given several times.")
    ] = None,
    classroom: Annotated[
        bool, typer.Option("--classroom", help="With a workflow that posts points to GitHub Classroom.")
    ] = False,
) -> None:
    """Write the learners' repository: stubs, public tests, hints, lessons and the package to run them.

    Solutions, hidden graders and mistakes stay behind. The result is searched for them before it is put in place.

    Example: autograder release ../my-class --module m00_foundations
    """
    from autograder.authoring.release import release as write_release

    files = write_release(Course.find(context.obj), out, module, classroom)
    print(f"released {len(files)} files to {out}")


def verify(
    context: typer.Context,
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="[TARGET]...", help="Modules and exercises to verify; all by default.")
    ] = None,
    table: Annotated[bool, typer.Option("--table", help="Print the kill table, and write docs/kill-table.md.")] = False,
    seeds: Annotated[int, typer.Option(min=1, help="On how many seeds the solutions must pass.")] = 5,
    jobs: Annotated[int, typer.Option(min=1, help="Submissions graded at a time.")] = os.cpu_count() or 1,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Grade again what has not changed since.")] = False,
) -> None:
    """Prove the exercises: solutions earn everything, stubs nothing, every named mistake is caught.

    Also: docstrings, examples, hints, generated files, branches of the references reached by the checks, margins of the
    tolerances, mistakes named by the diagnosis. Every failure names its gate, file and task. Exits 1 if there is one.

    Examples: autograder verify m00_foundations --table
              autograder verify m00_foundations/losses
    """
    from autograder.authoring.verify import verify as run_gates
    from autograder.authoring.verify.run import TABLE, table_problems
    from autograder.authoring.verify.table import kill_table
    from autograder.commands.progress import Progress
    from autograder.grading.cache import default_cache
    from autograder.policy import Policy

    policy = Policy.load(Course.find(context.obj))
    with Progress() as progress:
        report = run_gates(
            policy, _names(policy.course, targets), seeds, jobs, progress.show, None if no_cache else default_cache()
        )
    if table:
        print(kill_table(report.rows))
    if not targets and table:
        (policy.course.root / TABLE).parent.mkdir(exist_ok=True)
        (policy.course.root / TABLE).write_text(kill_table(report.rows), encoding="utf-8")
    elif not targets:
        report.problems += table_problems(policy, report)
    for problem in report.problems:
        print(str(problem).replace(f"{Path.cwd()}{os.sep}", ""), file=sys.stderr)
    if report.problems:
        print("1 problem" if len(report.problems) == 1 else f"{len(report.problems)} problems", file=sys.stderr)
        raise typer.Exit(1)
    mistakes, named = sum(row.mistakes for row in report.rows), sum(row.named for row in report.rows)
    verified = "1 exercise" if len(report.rows) == 1 else f"{len(report.rows)} exercises"
    print(f"{verified} verified: {mistakes} mistakes caught, {named} of them named")


def sample(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")],
) -> None:
    """Make a sample class to grade: right, wrong, unfinished and broken work of about thirty learners.

    Example: autograder sample build/class
    """
    from autograder.authoring.sample import write_sample_class

    learners = write_sample_class(Course.find(context.obj), out)
    print(f"{learners} learners in {out}\nnext: autograder grade {out} --out {out.parent / 'results'}")


def adopt(
    context: typer.Context,
    notebooks: Annotated[
        list[Path],
        typer.Argument(metavar="NOTEBOOK_OR_FOLDER...", help="nbgrader's source notebooks, or otter's masters."),
    ],
    module: Annotated[
        str | None, typer.Option(metavar="NAME", help="The module for all of them; by default the folder's name.")
    ] = None,
) -> None:
    """Make exercises from your own notebooks, with your own tests.

    Each notebook becomes an exercise, each cell of tests a hidden check with your points, and what learners have of the tests
    public checks; the jail grades them. All are tried on your solutions at once: a cell that cannot be graded here is named, and
    left to be graded by hand. With --course DIR the folder may be new. Run it again when you have changed a notebook.

    Examples: autograder --course my-course adopt course101/source/ps1
              autograder --course my-course adopt lab1.ipynb --module labs
    """
    from autograder.authoring.adopt.adopt import adopt as take_over
    from autograder.authoring.adopt.report import report

    course = Course(context.obj) if context.obj else Course.find()
    done = take_over(course, notebooks, module, say=lambda words: print(f"{words} …", file=sys.stderr))
    print(report(course, done))


def mutate(
    context: typer.Context,
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="[TARGET]...", help="Modules and exercises; all by default.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Submissions graded at a time.")] = os.cpu_count() or 1,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Grade again what has not changed since.")] = False,
) -> None:
    """Search for wrong code that the hidden checks accept: change the solutions by machine, one small change at a time.

    What survives is printed with its line. It is either no fault (the change makes no difference: leave it) or wrong code that
    earns full marks: write the check that tells it apart, and put it into mistakes.yml. Exits 0 whatever survives: only you can
    tell the two kinds.

    Example: autograder mutate m00_foundations/losses
    """
    from itertools import groupby

    from autograder.authoring.mutation import Mutant, Outcome
    from autograder.authoring.mutation import mutate as run_mutants
    from autograder.commands.grade import told_in_words
    from autograder.commands.progress import Progress
    from autograder.grading.cache import default_cache
    from autograder.policy import Policy

    policy = Policy.load(Course.find(context.obj))
    names = _names(policy.course, targets)
    exercises = [exercise for exercise in policy.exercises() if {exercise.module, exercise.id} & {*names}]
    with told_in_words(), Progress() as progress:
        trials = run_mutants(policy, exercises, jobs, progress.show, None if no_cache else default_cache())
        for exercise, of_exercise in groupby(trials, key=lambda trial: trial.exercise):
            mutants: dict[Outcome, list[Mutant]] = {outcome: [] for outcome in Outcome}
            for trial in of_exercise:
                mutants[trial.outcome].append(trial.mutant)
            counts = ", ".join(f"{len(found)} {outcome}" for outcome, found in mutants.items())
            print(f"{exercise.id}: {sum(map(len, mutants.values()))} changes, {counts}", flush=True)
            for mutant in mutants[Outcome.SURVIVED]:
                place = f"{os.path.relpath(exercise.solution)}:{mutant.line}"
                print(f"  {place} in {mutant.task}\n    - {mutant.before}\n    + {mutant.after}")


def _names(course: Course, targets: list[str] | None) -> list[str]:
    """Names of modules and ids of exercises, all of which there are."""
    modules = [module.name for module in course.modules]
    return [name if name in modules else course.exercise(name).id for name in targets or modules]
