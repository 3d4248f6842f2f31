"""Commands that look at a course: `autograder list`."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from autograder.catalog import Course

if TYPE_CHECKING:
    from rich.table import Table

    from autograder.policy import Policy


def list_exercises(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")] = False,
) -> None:
    """Show the modules, exercises and tasks of the course and what each is worth.

    In a terminal this is a table; piped, it is one line for each task with exercise, task and points between tabs.

    Example: autograder list | grep softmax
    """
    from autograder.policy import Policy

    policy = Policy.load(Course.find(context.obj))
    if as_json:
        print(json.dumps(as_data(policy), indent=2))
    elif sys.stdout.isatty():
        from rich.console import Console

        Console().print(as_table(policy))
    else:
        for exercise in policy.exercises():
            for task, points in policy.points(exercise).items():
                print(exercise.id, task, f"{points:g}", sep="\t")


def as_data(policy: "Policy") -> dict:
    """The course as plain data, in the order a learner meets it."""
    modules: dict[str, list] = {}
    for exercise in policy.exercises():
        points = policy.points(exercise)
        tasks = [{"name": task, "points": points[task]} for task in points]
        entry = {"id": exercise.id, "name": exercise.name, "points": sum(points.values()), "tasks": tasks}
        modules.setdefault(exercise.module, []).append(entry)
    listed = [
        {"name": name, "points": sum(exercise["points"] for exercise in exercises), "exercises": exercises}
        for name, exercises in modules.items()
    ]
    return {"title": policy.title, "modules": listed}


def as_table(policy: "Policy") -> "Table":
    """The course as a table with a section for each module."""
    from rich.table import Table

    table = Table(title=policy.title, title_justify="left", title_style="bold")
    table.add_column("Exercise", no_wrap=True)
    table.add_column("Tasks")
    table.add_column("Points", justify="right")
    for module in as_data(policy)["modules"]:
        table.add_section()
        table.add_row(module["name"], "", f"{module['points']:g}", style="bold")
        for exercise in module["exercises"]:
            tasks = ", ".join(task["name"] for task in exercise["tasks"])
            table.add_row(f"  {exercise['name']}", tasks, f"{exercise['points']:g}")
    return table
