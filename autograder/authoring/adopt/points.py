"""Points in grading.yml: a section for each adopted exercise, put in where it belongs without touching what is there."""

from __future__ import annotations

from pathlib import Path

import yaml

from autograder.authoring.adopt.sheet import AdoptError, Sheet

LIMITS = {"wall_seconds": 30, "cpu_seconds": 60}  # nbgrader gives a cell 30 s


def with_points(path: Path, text: str, sheet: Sheet) -> str:
    """The text of the grading.yml at `path` with the points of the tasks; those that it gives already stay.

    Raises:
        AdoptError: it is written in a way in which nothing can be put in.
    """
    points = {task.name: _number(task.points) for task in sheet.tasks.values()}
    rules = {"limits": LIMITS, "tasks": points}
    keys = ["modules", sheet.module, "exercises", sheet.name]
    try:
        node = yaml.compose(text)
    except yaml.YAMLError as error:
        raise AdoptError(f"{path}: cannot be read: {error}") from None
    parent = None
    while keys and (node is None or isinstance(node, yaml.MappingNode)):
        found = {key.value: value for key, value in node.value}.get(keys[0]) if node is not None else None
        if found is None:
            break
        parent, node = node, found
        keys.pop(0)
    if not keys:
        return _with_tasks(text, node, points)
    if node is not None and (not isinstance(node, yaml.MappingNode) or node.flow_style) or (parent and not node.value):
        raise AdoptError(
            f"{path}: put these points in by hand, and adopt again:\n{yaml.safe_dump({sheet.id: rules}, sort_keys=False)}"
        )
    block: dict = rules
    for key in reversed(keys):
        block = {key: block}
    indent = node.value[0][0].start_mark.column if node is not None else 0
    lines = text.splitlines()
    place = _end(lines, node) if node is not None else len(lines)
    return "\n".join([*lines[:place], *_block(block, indent), *lines[place:]]) + "\n"


def _with_tasks(text: str, rules: yaml.Node, points: dict[str, float | int]) -> str:
    """The text with exactly these tasks in the rules of an exercise."""
    for key, value in rules.value if isinstance(rules, yaml.MappingNode) else ():
        if key.value == "tasks" and isinstance(value, yaml.MappingNode) and not value.flow_style:
            given = {name.value: yaml.safe_load(worth.value) for name, worth in value.value}
            if given.keys() == points.keys():
                return text
            lines, column = text.splitlines(), key.start_mark.column
            block = _block({"tasks": points | {name: given[name] for name in given.keys() & points.keys()}}, column)
            return "\n".join([*lines[: key.start_mark.line], *block, *lines[_end(lines, value) :]]) + "\n"
    return text


def _block(block: dict, indent: int) -> list[str]:
    return [" " * indent + line for line in yaml.safe_dump(block, sort_keys=False, width=120).splitlines()]


def _end(lines: list[str], node: yaml.Node) -> int:
    """The line behind a block."""
    mark = node.end_mark  # where the next thing begins
    place = mark.line + bool("".join(lines[mark.line : mark.line + 1])[: mark.column].strip())
    while place and (not lines[place - 1].strip() or lines[place - 1].lstrip().startswith("#")):
        place -= 1
    return place


def _number(points: float) -> float | int:
    return int(points) if points.is_integer() else points
