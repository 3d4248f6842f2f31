"""`autograder gradescope`: our jail and hidden checks as a Gradescope autograder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autograder.catalog import Course

app = typer.Typer(no_args_is_help=True)


@app.callback()
def main() -> None:
    """Our jail and hidden checks as a Gradescope autograder.

    Example: autograder gradescope bundle --module m00_foundations --out autograder.zip
    """


@app.command()
def bundle(
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
    """Write the zip to upload under "Configure Autograder". Give it at least 2 GB of memory for exercises in torch.

    Example: autograder gradescope bundle --module m00_foundations --out autograder.zip
    """
    from autograder.commands.selection import exercises_named
    from autograder.gradebook.gradescope.bundle import write_bundle
    from autograder.policy import Policy

    policy = Policy.load(Course.find(context.obj))
    exercises = exercises_named(policy, module or ())
    names = write_bundle(policy, exercises, out, minutes, unsafe)
    print(f"{out}: {len(exercises)} exercises, {len(names)} files, {out.stat().st_size / 1e6:.1f} MB")


@app.command()
def run(
    context: typer.Context,
    root: Annotated[Path, typer.Argument(help="Where submission/ and results/ are: /autograder.")],
    exercise: Annotated[list[str] | None, typer.Option(metavar="NAME", help="What to grade; all by default.")] = None,
    unsafe: Annotated[
        bool, typer.Option("--unsafe", help="Grade although this machine cannot hold untrusted code.")
    ] = False,
) -> None:
    """Grade the submission there and write results.json (what the bundle runs).

    Example: autograder gradescope run /autograder --exercise m00_foundations/losses
    """
    from autograder.commands.selection import exercises_named
    from autograder.gradebook.gradescope.run import grade_submission
    from autograder.policy import Policy

    policy = Policy.load(Course.find(context.obj))
    grade_submission(policy, exercises_named(policy, exercise or ()), root, unsafe)
    print(root / "results" / "results.json")
