"""A file of checks as source: its checks with the helpers that they call, and how they call the tasks."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from autograder.catalog import Exercise

UNKNOWN = object()  # the value of what is not written out as a constant
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Parameter:
    """A parameter of a task; `default` is None where there is none, else a node."""

    name: str
    by_position: bool
    default: ast.expr | None


@dataclass(frozen=True)
class TaskCall:
    """What a task was called with, by the names of its parameters: constants, and UNKNOWN for what is or may be given."""

    task: str
    line: int
    arguments: dict[str, object]


@dataclass(frozen=True)
class CheckSource:
    """A check; `nodes` are those of its function and of the helpers that it calls, directly or through others."""

    name: str
    line: int
    nodes: list[ast.AST]
    tasks: frozenset[str]

    @cached_property
    def written(self) -> frozenset[str]:
        """Every keyword and every text in it: what `**options` may hold has to be written somewhere."""
        keywords = {node.arg for node in self.nodes if isinstance(node, ast.keyword) and node.arg}
        texts = {node.value for node in self.nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        return frozenset(keywords | texts)


class Suite:
    """The hidden or the public checks of an exercise, read and not run."""

    def __init__(self, exercise: Exercise, path: Path):
        self.exercise, self.path = exercise, path
        self.tree = ast.parse(path.read_bytes())
        self.functions = dict(_functions(self.tree.body))
        self._statements = [node for node in self.tree.body if not isinstance(node, FUNCTIONS | ast.ClassDef)]

    @cached_property
    def parameters(self) -> dict[str, list[Parameter]]:
        """Of every task; those of a class are its __init__'s. Its public methods are there as `Class.method`."""
        found: dict[str, list[Parameter]] = {}
        for name, node in _functions(ast.parse(self.exercise.solution.read_bytes()).body):
            owner, _, method = name.rpartition(".")
            if (owner or name) not in self.exercise.tasks:
                continue
            if not owner:
                found[name] = _parameters(node)
            elif method in ("__init__", "__call__") or not method.startswith("_"):
                found[owner if method == "__init__" else name] = _parameters(node)[1:]
        return found

    @cached_property
    def checks(self) -> list[CheckSource]:
        found = []
        walked = {node: [*ast.walk(node)] for node in (*self.functions.values(), *self._statements)}
        for name, node in self.functions.items():
            if name.rpartition(".")[2].startswith("test_"):
                parts = [*self._with_helpers(name, {name}), *self._statements]
                nodes = [each for part in parts for each in walked[part]]
                tasks = self._marked(node) or {task.partition(".")[0] for each in nodes for task in self._tasks(each)}
                found.append(CheckSource(name, node.lineno, nodes, frozenset(tasks)))
        return found

    def checks_of(self, task: str) -> list[CheckSource]:
        """The checks that are marked with the task or, without a mark, call it."""
        return [check for check in self.checks if task in check.tasks]

    @cached_property
    def calls(self) -> list[TaskCall]:
        """Every call of a task in the checks. Where one is handed to a helper, every call in the check may be one of it."""
        found = []
        for check in self.checks:
            calls = [node for node in check.nodes if isinstance(node, ast.Call)]
            called = {id(node.func) for node in calls}
            for node in check.nodes:
                if _is_vjp(node):
                    task = node.args[0].value
                    found.append(self._call(check, task, node, _items(node.args[1:2], skip="." in task)))
                elif isinstance(node, ast.Call):
                    tasks = (*self._tasks(node.func), *self._tasks_of_object(node.func))
                    found += [self._call(check, task, node, node.args) for task in tasks]
                elif id(node) not in called:
                    found += [self._call(check, task, call, []) for task in self._tasks(node) for call in calls]
        return found

    def _call(self, check: CheckSource, task: str, node: ast.Call, positional: list[ast.expr]) -> TaskCall:
        parameters = self.parameters.get(task, ())
        names = [parameter.name for parameter in parameters if parameter.by_position]
        stars = [place for place, argument in enumerate(positional) if isinstance(argument, ast.Starred)]
        known = stars[0] if stars else len(positional)
        arguments = dict.fromkeys(names[known:], UNKNOWN) if stars else {}
        if any(keyword.arg is None for keyword in node.keywords):
            arguments |= {parameter.name: UNKNOWN for parameter in parameters if parameter.name in check.written}
        arguments |= {name: constant(argument) for name, argument in zip(names, positional[:known], strict=False)}
        arguments |= {keyword.arg: constant(keyword.value) for keyword in node.keywords if keyword.arg}
        return TaskCall(task, node.lineno, arguments)

    def _tasks(self, node: ast.AST) -> Iterator[str]:
        """`softmax` for `learner.softmax`, whatever a helper calls its learner; `Adam.step` for any `….step`."""
        if isinstance(node, ast.Attribute):
            is_learner = isinstance(node.value, ast.Name) and node.value.id in self._learners
            if is_learner and node.attr in self.exercise.tasks:
                yield node.attr
            yield from (name for name in self.parameters if name.partition(".")[2] == node.attr)
        elif _is_vjp(node):
            yield node.args[0].value

    def _tasks_of_object(self, called: ast.expr) -> Iterator[str]:
        """`Model.forward` for `model(x)`, where `model` is not known to be something else."""
        if isinstance(called, ast.Name) and called.id not in self._known:
            yield from (name for name in self.parameters if name.partition(".")[2] in ("forward", "__call__"))

    @cached_property
    def _known(self) -> set[str]:
        """The names of functions: Python's own, the file's, those it imports."""
        imports = [node for node in self.tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        return {
            *dir(builtins),
            *self.functions,
            *(alias.asname or alias.name for node in imports for alias in node.names),
        }

    @cached_property
    def _learners(self) -> set[str]:
        helpers = [node for name, node in self.functions.items() if not name.startswith("test_")]
        return {"learner"} | {arg.arg for node in helpers for arg in node.args.args} - {"reference", "probe", "self"}

    def _with_helpers(self, name: str, seen: set[str]) -> Iterator[ast.AST]:
        yield self.functions[name]
        for node in ast.walk(self.functions[name]):
            if isinstance(node, ast.Name) and node.id in self.functions and node.id not in seen:
                seen.add(node.id)
                yield from self._with_helpers(node.id, seen)

    def _marked(self, function: ast.AST) -> set[str]:
        """The task of `@pytest.mark.task("softmax")`, or of a name that the file gives to such a mark."""
        named = {
            target.id: node.value
            for node in self.tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        marks = [named.get(mark.id, mark) if isinstance(mark, ast.Name) else mark for mark in function.decorator_list]
        return {
            str(mark.args[0].value)
            for mark in marks
            if isinstance(mark, ast.Call) and ast.unparse(mark.func).endswith("mark.task")
            if mark.args and isinstance(mark.args[0], ast.Constant)
        }


def constant(node: ast.expr) -> object:
    """The value of a literal (a number, a text, a tuple of such, …), else UNKNOWN."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError):
        return UNKNOWN


def _items(inputs: list[ast.expr], skip: bool) -> list[ast.expr]:
    """The inputs of `learner.vjp`, without the object of a method, where they are written out; else something starred."""
    if inputs and isinstance(inputs[0], ast.List | ast.Tuple):
        return inputs[0].elts[skip:]
    return [ast.Starred(ast.Constant(None), ast.Load())]


def _is_vjp(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and ast.unparse(node.func) == "learner.vjp"
        and bool(node.args)
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    )


def _functions(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """The functions of a file and the methods of its classes, by dotted name."""
    for node in body:
        if isinstance(node, FUNCTIONS):
            yield prefix + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node.body, f"{node.name}.")


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[Parameter]:
    positional = [*node.args.posonlyargs, *node.args.args]
    defaults = [None] * (len(positional) - len(node.args.defaults)) + node.args.defaults
    return [
        *(Parameter(arg.arg, True, default) for arg, default in zip(positional, defaults, strict=True)),
        *(
            Parameter(arg.arg, False, value)
            for arg, value in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
        ),
    ]
