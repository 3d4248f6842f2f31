"""`autograder export`: results for other systems."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autograder.catalog import Course, CourseError, near

if TYPE_CHECKING:
    from autograder.gradebook.exports import Exporter, Options
    from autograder.grading.graded import Graded


def export(
    context: typer.Context,
    source: Annotated[
        str, typer.Argument(metavar="RESULTS", help="The folder of `autograder grade --out`, or a gradebook.")
    ],
    to: Annotated[
        str,
        typer.Option(metavar="SYSTEM", help="canvas, gradescope, classroom, junit, lti, oneroster or autolab."),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where to; by default SYSTEM in RESULTS, or here.")
    ] = None,
    template: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="canvas: the gradebook that Canvas exported, to find students in."),
    ] = None,
    title: Annotated[str, typer.Option(help="What the assignment is called there; by default the module's name.")] = "",
) -> None:
    """Write results in the format of another system. Points that are not known yet are left out, never a zero.

    From a gradebook come the points that count: late work, attempts and points by hand included.

    Example: autograder export results/ --to canvas --template gradebook.csv
    """
    from autograder.commands.gradebook import open_gradebook
    from autograder.gradebook.exports import Options, exporters
    from autograder.gradebook.report import read_results
    from autograder.policy import Policy

    known = exporters()
    if to not in known:
        raise CourseError(f"--to {to}: no such system{near(to, known)}")
    policy, options = Policy.load(Course.find(context.obj)), Options(template, title)
    if "://" not in source and Path(source).is_dir():
        out = out or Path(source) / to
        written = _write(known[to], read_results(policy, Path(source)), out, options)
    else:
        out = out or Path(to)
        with open_gradebook(source) as gradebook:
            from autograder.gradebook.book import Book

            written = _write(known[to], Book(policy, gradebook), out, options)
    print(written[0] if len(written) == 1 else f"{len(written)} files in {out}")


def _write(exporter: Exporter, graded: Graded, out: Path, options: Options) -> list[Path]:
    try:
        return exporter(graded, out, options)
    except OSError as error:
        raise CourseError(f"{error.filename2 or error.filename} cannot be written: {error.strerror}") from None
