"""The command line: what `autograder` can do, and how errors are shown. The commands themselves are in `commands/`."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

import autograder
from autograder.catalog import COURSE_VARIABLE, CourseError
from autograder.commands import gradebook, gradescope, nbgrader, otter, practice
from autograder.commands.container import GradeCommand
from autograder.commands.course import list_exercises
from autograder.commands.export import export
from autograder.commands.grade import grade
from autograder.commands.serve import serve

USAGE_ERROR = 2


class _Commands(TyperGroup):
    """Shows an error of the course as `error: …` and exits 2, as for a wrong option; takes `--course` in any place."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _course_first(args))

    def invoke(self, ctx: typer.Context) -> object:
        try:
            return super().invoke(ctx)
        except (CourseError, PermissionError) as error:
            for line in str(error).splitlines():
                print(f"error: {line}", file=sys.stderr)
            raise typer.Exit(USAGE_ERROR) from None


def _course_first(args: list[str]) -> list[str]:
    """`autograder grade … --course DIR` means `autograder --course DIR grade …`."""
    first, rest, words = [], [], iter(args)
    for word in words:
        if word == "--":
            return [*first, *rest, word, *words]
        if word == "--course" or word.startswith("--course="):
            first += [word, *([] if "=" in word else [next(words, "")])]
        else:
            rest.append(word)
    return [*first, *rest]


app = typer.Typer(cls=_Commands, invoke_without_command=True, add_completion=False, pretty_exceptions_enable=False)


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
    """Deep-learning exercises, tested and graded. Without a command: how far you are, and what is next.

    Example: autograder watch
    """
    context.obj = course
    if context.invoked_subcommand is None:
        practice.where(course)


LEARNING, TEACHING, AUTHORING = "Learn", "Teach", "Write exercises"

for command in (
    practice.check, practice.watch, practice.hint, practice.solution, practice.reset, practice.progress, practice.submit,
    practice.doctor,
):  # fmt: skip
    app.command(rich_help_panel=LEARNING)(command)
app.command("list", rich_help_panel=LEARNING)(list_exercises)
app.command(cls=GradeCommand, rich_help_panel=TEACHING)(grade)
app.command(rich_help_panel=TEACHING)(export)
app.add_typer(gradebook.app, name="gradebook", rich_help_panel=TEACHING)
app.command(rich_help_panel=TEACHING)(serve)
app.add_typer(nbgrader.app, name="nbgrader", rich_help_panel=TEACHING)
app.add_typer(gradescope.app, name="gradescope", rich_help_panel=TEACHING)
app.add_typer(otter.app, name="otter", rich_help_panel=TEACHING)

if find_spec("autograder.commands.authoring"):  # a learner's edition comes without
    from autograder.commands import authoring
    from autograder.commands.similarity import similarity

    for command in (authoring.release, authoring.sample, similarity):
        app.command(rich_help_panel=TEACHING)(command)
    for command in (authoring.new, authoring.adopt, authoring.build, authoring.verify, authoring.mutate):
        app.command(rich_help_panel=AUTHORING)(command)
