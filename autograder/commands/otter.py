"""`autograder otter`: our exercises as otter's assignments, our jail and hidden checks in its autograder zips."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from autograder.catalog import Course, CourseError

app = typer.Typer(no_args_is_help=True)


@app.callback()
def main() -> None:
    """Our exercises for otter-grader: `otter assign` takes them, `otter run` and Gradescope grade them, in our jail.

    Example: autograder otter assign sources --module m00_foundations
    """


@app.command()
def assign(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the source notebooks go.")],
    module: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this one; may be given several times.")
    ] = None,
) -> None:
    """Write FOLDER/MODULE/EXERCISE.ipynb, from which `otter assign` makes the learners' version and its own autograder.

    Example: autograder otter assign sources --module m00_foundations
    """
    from autograder.policy import Policy

    try:
        from autograder.gradebook.otter.notebooks import write
    except ImportError as error:
        raise CourseError(f"this needs {error.name}; run: pip install 'autograder[otter]'") from None
    policy = Policy.load(Course.find(context.obj))
    modules = [policy.course.module(name) for name in module] if module else policy.course.modules
    written, left_out = write(policy, modules, out)
    for words in left_out:
        print(f"left out: {words}", file=sys.stderr)
    print(f"{len(written)} notebooks in {out}")


@app.command()
def generate(
    context: typer.Context,
    out: Annotated[Path, typer.Option(metavar="ZIP", help="The file to write.")] = Path("autograder.zip"),
    module: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A module or exercise to grade; all by default.")
    ] = None,
    minutes: Annotated[float, typer.Option(min=0.5, max=39, help="Less than the timeout set in Gradescope.")] = 9,
    unsafe: Annotated[
        bool, typer.Option("--unsafe", help="Grade there even if that machine cannot hold untrusted code.")
    ] = False,
) -> None:
    """Write the autograder zip: for `otter run -a ZIP SUBMISSION`, where this package is installed, and for Gradescope.

    Example: autograder otter generate --module m00_foundations/activations --out autograder.zip
    """
    from autograder.commands.selection import exercises_named
    from autograder.gradebook.otter.bundle import write_bundle
    from autograder.policy import Policy

    policy = Policy.load(Course.find(context.obj))
    exercises = exercises_named(policy, module or ())
    names = write_bundle(policy, exercises, out, minutes, unsafe)
    print(f"{out}: {len(exercises)} exercises, {len(names)} files, {out.stat().st_size / 1e6:.1f} MB")
