"""Commands of those who write a course: `autograder build`, `release`, `sample`. A learner's edition has none of them."""

from pathlib import Path
from typing import Annotated

import typer

from autograder.catalog import Course


def build(
    context: typer.Context,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 if a file is out of date.")] = False,
) -> None:
    """Make what learners get from solutions/: the stub of every exercise and the notebook of every lesson.

    A stub is the solution with each block between # BEGIN SOLUTION and # END SOLUTION replaced by
    raise NotImplementedError. Files in exercises/ that are out of date are overwritten.

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
) -> None:
    """Write the learners' repository: stubs, public tests, hints, lessons and the package to run them.

    Solutions, hidden graders and mistakes stay behind. The result is searched for them before it is put in place.

    Example: autograder release ../my-class --module m00_foundations
    """
    from autograder.authoring.release import release as write_release

    files = write_release(Course.find(context.obj), out, module)
    print(f"released {len(files)} files to {out}")


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
