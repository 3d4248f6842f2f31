"""`autograder export`: results for other systems."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autograder.catalog import Course, CourseError, near


def export(
    context: typer.Context,
    results: Annotated[Path, typer.Argument(help="The folder of `autograder grade --out`.")],
    to: Annotated[
        str,
        typer.Option(metavar="SYSTEM", help="canvas, gradescope, classroom, junit, lti, oneroster or autolab."),
    ],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Where to; by default RESULTS/SYSTEM.")] = None,
    template: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="canvas: the gradebook that Canvas exported, to find students in."),
    ] = None,
    title: Annotated[str, typer.Option(help="What the assignment is called there; by default the module's name.")] = "",
) -> None:
    """Write results in the format of another system. Points that are not known yet are left out, never a zero.

    Example: autograder export results/ --to canvas --template gradebook.csv
    """
    from autograder.gradebook.exports import Options, exporters
    from autograder.gradebook.report import read_results
    from autograder.policy import Policy

    known = exporters()
    if to not in known:
        raise CourseError(f"--to {to}: no such system{near(to, known)}")
    graded = read_results(Policy.load(Course.find(context.obj)), results)
    try:
        written = known[to](graded, out or results / to, Options(template, title))
    except OSError as error:
        raise CourseError(f"{error.filename2 or error.filename} cannot be written: {error.strerror}") from None
    if len(written) == 1:
        print(written[0])
    else:
        print(f"{len(written)} files in {out or results / to}")
