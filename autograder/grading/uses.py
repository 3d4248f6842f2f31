"""Which tasks build on which: read off the references, so that one fault is not punished twice."""

from __future__ import annotations

import ast
from functools import cache

from autograder.catalog import Exercise

Task = tuple[str, str]  # (dotted module, name)


@cache
def stand_ins(exercise: Exercise, task: str) -> frozenset[Task]:
    """The tasks in whose place the reference may stand when `task` is graded again.

    They are those of the same file that the reference of `task` calls, directly or through others, and those of other exercises
    that the reference file imports (which may be why a file could not even be loaded).
    """
    if exercise.is_notebook:
        return frozenset()  # its tasks are cells that test, and no functions
    tree = ast.parse(exercise.solution.read_bytes())
    own = f"{exercise.module}.{exercise.name}"
    definitions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    called: set[str] = set()
    waiting = [task]
    while waiting:
        names = {node.id for node in ast.walk(definitions[waiting.pop()]) if isinstance(node, ast.Name)}
        new = (names & definitions.keys()) - called - {task}
        called |= new
        waiting += new
    same_file = {(own, name) for name in called if name in exercise.tasks}
    return frozenset(_functions(exercise, same_file) | _imported(exercise, tree))


def _imported(exercise: Exercise, tree: ast.Module) -> set[Task]:
    others = {f"{other.module}.{other.name}": other for other in exercise.imports_exercises}
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module in others]
    named = {(node.module, alias.name) for node in imports for alias in node.names}
    return {task for module, name in named for task in _functions(others[module], {(module, name)})}


def _functions(exercise: Exercise, tasks: set[Task]) -> set[Task]:
    """Those that are functions: a class cannot be called back across the wire."""
    tree = ast.parse(exercise.solution.read_bytes())
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)} & set(exercise.tasks)
    return {(module, name) for module, name in tasks if name in functions}
