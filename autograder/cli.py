"""The command line: what `autograder` can do, and how errors are shown. The commands themselves are in `commands/`."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

import autograder
from autograder.catalog import COURSE_VARIABLE, CourseError
from autograder.commands.course import list_exercises

USAGE_ERROR = 2


class _Commands(TyperGroup):
    """Shows an error of the course as `error: …` and exits 2, as for a wrong option."""

    def invoke(self, ctx: typer.Context) -> object:
        try:
            return super().invoke(ctx)
        except (CourseError, PermissionError) as error:
            for line in str(error).splitlines():
                print(f"error: {line}", file=sys.stderr)
            raise typer.Exit(USAGE_ERROR) from None


app = typer.Typer(cls=_Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"autograder {autograder.__version__}")
        raise typer.Exit


@app.callback()
def main(
    context: typer.Context,
    course: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            envvar=COURSE_VARIABLE,
            help="The course to work on; else the one around the working directory.",
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Deep-learning exercises, tested and graded.

    Example: autograder --course ~/deep-learning list
    """
    context.obj = course


app.command("list")(list_exercises)

if find_spec("autograder.commands.authoring"):  # a learner's edition comes without
    from autograder.commands import authoring

    app.command()(authoring.build)
    app.command()(authoring.release)
