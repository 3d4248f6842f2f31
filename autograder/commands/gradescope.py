"""`autograder gradescope`: our jail and hidden checks as a Gradescope autograder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autograder.catalog import Course, Exercise

app = typer.Typer(no_args_is_help=True)


@app.callback()
def main(context: typer.Context) -> None:
    """Our jail and hidden checks as a Gradescope autograder.

    Example: autograder gradescope bundle --module m00_foundations --out autograder.zip
    """
    context.obj = context.parent.obj if context.parent else None


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
    from autograder.gradebook.gradescope.bundle import write_bundle
    from autograder.policy import Policy

    policy = Policy.load(Course.find(context.obj))
    exercises = _exercises(policy.course, policy.exercises(), module or ())
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
    from autograder.gradebook.gradescope.run import grade_submission
    from autograder.policy import Policy

    policy = Policy.load(Course.find(context.obj))
    grade_submission(policy, _exercises(policy.course, policy.exercises(), exercise or ()), root, unsafe)
    print(root / "results" / "results.json")


def _exercises(course: Course, ordered: list[Exercise], names: list[str] | tuple[()]) -> list[Exercise]:
    modules = {module.name for module in course.modules}
    wanted = {name if name in modules else course.exercise(name).id for name in names}
    return [exercise for exercise in ordered if not wanted or wanted & {exercise.module, exercise.id}]
