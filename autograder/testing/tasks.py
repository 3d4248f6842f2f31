"""What a check is about: its task, its stage, its sentence. Told once, at collection, from the check's own source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from autograder.catalog import Exercise, near

# What `learner` has beside the names in the file.
OF_THE_MODULE = ("library", "vjp", "parameter_gradients", "at_checkpoint", "set_global", "delete_global")
STAGES = ("shape", "mechanism", "whole", "robust")
CALLS: pytest.StashKey[dict[str, list[str]]] = pytest.StashKey()
PARAMETERS: pytest.StashKey[dict[str, tuple[str, ...]]] = pytest.StashKey()


class UnclearCheck(Exception):
    """A check does not say what it is about; the message says what to add."""


@dataclass(frozen=True)
class Check:
    """One check function, or one set of its parameters.

    Attributes:
        name: of the function, with its parameters in brackets.
        sentence: the first line of its docstring, or its name in words.
        hidden: whether it is a hidden grader's.
        visible: whether the learner may see its inputs and values; always so for a public check.
        in_place: whether the task may change its inputs.
        needs_gpu: whether it is run only where the learner's code has a GPU.
        parameters: the names of the parameters of the exercise's functions, for showing a call.
    """

    exercise: Exercise
    name: str
    task: str
    stage: str
    sentence: str
    hidden: bool = False
    visible: bool = True
    in_place: bool = False
    needs_gpu: bool = False
    parameters: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def rank(self) -> int:
        """The place of its stage in the order of stages."""
        return STAGES.index(self.stage)


def describe(item: pytest.Function, exercise: Exercise) -> Check:
    """What a collected check function is about.

    Raises:
        UnclearCheck: its task or its stage cannot be told.
    """
    hidden = item.path.parent.parent.name == exercise.course.graders_dir.name
    needs_gpu = item.get_closest_marker("gpu") is not None
    if needs_gpu and not hidden:
        raise UnclearCheck(f"{item.nodeid}: learners run this check on any machine; only a hidden one may need a GPU")
    return Check(
        exercise,
        item.name,
        _task(item, exercise),
        _stage(item),
        _sentence(item),
        hidden,
        visible=not hidden or item.get_closest_marker("visible") is not None,
        in_place=item.get_closest_marker("in_place") is not None,
        needs_gpu=needs_gpu,
        parameters=_once(item, PARAMETERS, lambda: parameter_names(exercise)),
    )


def _task(item: pytest.Function, exercise: Exercise) -> str:
    tasks = exercise.tasks
    if marker := item.get_closest_marker("task"):
        return _marked_task(item, marker, tasks)
    calls = _once(item, CALLS, lambda: learner_calls(item.path)).get(_qualified(item), [])
    if not exercise.course.has_solutions:
        # The stub is the learner's own by now, and may have lost the function that the check calls.
        tasks = list(dict.fromkeys([*tasks, *calls]))
    called = [name for name in calls if name in tasks]
    if len(set(called)) == 1:
        return called[0]
    if named := [task for task in tasks if _is_named(task, item.originalname)]:
        return max(named, key=len)
    if called:
        return called[0]
    if len(tasks) == 1:
        return tasks[0]
    raise UnclearCheck(
        f"{item.nodeid}: which task is this about? It calls no `learner.<task>` and its name contains none; "
        f'add @pytest.mark.task("…") with one of {", ".join(tasks) or "the tasks of " + exercise.id}'
    )


def _marked_task(item: pytest.Function, marker: pytest.Mark, tasks: list[str]) -> str:
    if len(marker.args) != 1 or not isinstance(marker.args[0], str):
        raise UnclearCheck(f'{item.nodeid}: write the task as one name, @pytest.mark.task("softmax")')
    if tasks and marker.args[0] not in tasks:
        raise UnclearCheck(f"{item.nodeid}: there is no task {marker.args[0]!r}{near(marker.args[0], tasks)}")
    return marker.args[0]


def _stage(item: pytest.Function) -> str:
    marker = item.get_closest_marker("stage")
    if marker is None:
        return "mechanism"
    if len(marker.args) != 1 or marker.args[0] not in STAGES:
        written = ", ".join(map(repr, marker.args))
        raise UnclearCheck(f"{item.nodeid}: the stage {written} is none of {', '.join(STAGES)}")
    return marker.args[0]


def _sentence(item: pytest.Function) -> str:
    first, *_ = (item.obj.__doc__ or "").strip().splitlines() or [""]
    sentence = first.strip().rstrip(".") or item.originalname.removeprefix("test_").replace("_", " ")
    return f"{sentence} [{item.callspec.id}]" if hasattr(item, "callspec") else sentence


def _is_named(task: str, test: str) -> bool:
    """Whether a test's name contains a task's, as whole words; `DeepMLP` may be written deep_mlp or deepmlp."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", task)
    return any(f"_{name.lower()}_" in f"_{test.lower()}_" for name in (task, snake))


def _qualified(item: pytest.Function) -> str:
    return f"{item.cls.__name__}.{item.originalname}" if item.cls else item.originalname


def _once(item: pytest.Function, key: pytest.StashKey, make: Any) -> Any:
    """What is told once for all checks of a file."""
    stash = item.getparent(pytest.Module).stash
    if key not in stash:
        stash[key] = make()
    return stash[key]


def learner_calls(path: Path) -> dict[str, list[str]]:
    """For each function of a test file the names it uses as `learner.<name>` or `learner.vjp("<name>")`, in order.

    A helper function of the file counts as part of the check that calls it.
    """
    functions = dict(_functions(ast.parse(path.read_bytes()).body))
    used = {name: list(_used(function, functions)) for name, function in functions.items()}

    def names(function: str, seen: frozenset[str]) -> Iterator[str]:
        for name, is_function in used[function]:
            if not is_function:
                yield name
            elif name not in seen:
                yield from names(name, seen | {name})

    return {function: list(names(function, frozenset({function}))) for function in functions}


def _used(function: ast.AST, functions: Mapping[str, ast.AST]) -> Iterator[tuple[str, bool]]:
    """What a function takes from the learner's module, and the functions of the file that it mentions (True), in order."""
    found = []
    for node in ast.walk(function):
        if isinstance(node, ast.Attribute) and _is_learner(node) and node.attr not in OF_THE_MODULE:
            found.append((node, node.attr, False))
        elif isinstance(node, ast.Call) and _is_learner(node.func) and node.func.attr == "vjp" and node.args:
            if isinstance(node.args[0], ast.Constant):
                found.append((node, str(node.args[0].value), False))
        elif isinstance(node, ast.Name) and node.id in functions:
            found.append((node, node.id, True))
    for _, name, is_function in sorted(found, key=lambda each: (each[0].lineno, each[0].col_offset)):
        yield name, is_function


def _functions(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node.body, f"{node.name}.")


def _is_learner(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "learner"


def parameter_names(exercise: Exercise) -> dict[str, tuple[str, ...]]:
    """The parameters of the exercise's functions and methods, by dotted name; those of a class are its __init__'s."""
    path = exercise.solution if exercise.solution.is_file() else exercise.stub
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return {}
    found = {}
    for name, node in _functions(tree.body):
        names = tuple(argument.arg for argument in (*node.args.posonlyargs, *node.args.args))
        owner, _, method = name.rpartition(".")
        found[name] = names[1:] if owner and names[:1] == ("self",) else names
        if method == "__init__":
            found[owner] = found[name]
    return found
