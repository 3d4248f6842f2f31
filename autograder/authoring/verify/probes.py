"""Gate on what the checks feed in: the faults that let wrong code pass, as far as the source of the checks shows them.

Each finding is judged over all the checks of a task: a square input, a neutral constant or a default is harmless beside a check
that uses another one. What cannot be told without running the checks is taken to be right.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

from autograder.authoring.verify.report import Problem
from autograder.authoring.verify.suite import UNKNOWN, CheckSource, Parameter, Suite, constant
from autograder.catalog import Exercise

GATE = "probes"
SHAPED = {"normal", "extreme", "signs", "tensor", "shape"}  # methods of `probe` whose every argument is part of a shape
SHAPED_FIRST = {"uniform", "integers"}  # those with the shape in their first argument
SHAPES_ONLY = {"len", "isinstance", "type", "hasattr", "callable"}
SHAPE_FACTS = {"shape", "dtype", "ndim", "size", "device", "dim"}
REDUCTIONS = {"sum", "mean", "std", "var", "norm", "max", "min"}

Number = int | float
NEUTRAL: dict[Callable[[Number], bool], tuple[str, ...]] = {
    lambda value: abs(value) <= 1e-4: ("eps", "epsilon"),
    lambda value: value == 0: (
        "momentum", "mu", "beta", "beta1", "beta2", "weight_decay", "decay", "smoothing", "label_smoothing", "padding",
        "bias", "shift", "offset",
    ),
    lambda value: value == 1: (
        "scale", "gain", "gamma", "temperature", "tau", "groups", "heads", "num_heads", "n_heads", "stride", "dilation",
    ),
    lambda value: value in (0, 1): ("lr", "learning_rate", "step_size"),
    lambda value: value in (0, 0.5, 1): ("p", "rate", "dropout", "drop_rate", "drop_path"),
}  # fmt: skip
IS_NEUTRAL = {name: rule for rule, names in NEUTRAL.items() for name in names}


def probe_problems(exercise: Exercise) -> Iterator[Problem]:
    """Of an exercise whose checks can be read."""
    for path in (exercise.grader, exercise.public_tests):
        suite = Suite(exercise, path)
        yield from _square_shapes(suite)
        yield from _neutral_constants(suite)
        yield from _broad_exceptions(suite)
        if path == exercise.grader:
            yield from _untried_defaults(suite)
            yield from _weak_assertions(suite)


def _problem(path: Path, line: int, fault: int, what: str) -> Problem:
    return Problem(GATE, f"{path}:{line}", f"{what} (fault {fault})")


def _square_shapes(suite: Suite) -> Iterator[Problem]:
    """Shapes with two equal sizes, where no check of the task has the like with different ones."""
    lines = set()
    for task in suite.exercise.tasks:
        shapes: dict[tuple[str, ...], int] = {}  # each with its first line
        for check in suite.checks_of(task):
            for line, words in _shapes(check):
                shapes.setdefault(words, line)
        for words, line in shapes.items():
            equal = {i for i, word in enumerate(words) if word not in ("1", "?") and words.count(word) > 1}
            if not equal or line in lines or any(_excuses(other, words, equal) for other in shapes):
                continue
            lines.add(line)
            what = (
                f"{task}: no check has a shape like {' '.join(words)!r} with different sizes, so axes may be swapped"
                f" unnoticed; where they must be equal, write `d = probe.size(…)` and the shape with `d`"
            )
            yield _problem(suite.path, line, 1, what)


def _excuses(other: tuple[str, ...], words: tuple[str, ...], equal: set[int]) -> bool:
    """Whether `other` has different sizes where `words` has equal ones, and else may be the same argument."""
    if len(other) != len(words) or len({other[i] for i in equal}) < 2:
        return False
    pairs = [(other[i], words[i]) for i in range(len(words)) if i not in equal]
    return all(a == b or not (a.isalpha() and b.isalpha()) for a, b in pairs)


def _shapes(check: CheckSource) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Every shape that is asked of `probe` and written out, as words; a size that is no constant is "?"."""
    for node in check.nodes:
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if not (isinstance(node.func.value, ast.Name) and node.func.value.id == "probe"):
            continue
        spec = node.args if node.func.attr in SHAPED else node.args[:1] if node.func.attr in SHAPED_FIRST else []
        if any(isinstance(argument, ast.Starred | ast.BinOp | ast.JoinedStr | ast.Call) for argument in spec):
            continue
        parts = [constant(argument) for argument in spec]
        words = [word for part in parts for word in ("?" if part is UNKNOWN else str(part)).split()]
        if len(words) > 1:
            yield node.lineno, tuple(words)


def _neutral_constants(suite: Suite) -> Iterator[Problem]:
    """Parameters that every call which passes them gives the value that changes nothing."""
    for task, parameters in suite.parameters.items():
        calls = [call for call in suite.calls if call.task == task]
        for parameter in parameters:
            given = [(call.line, call.arguments[parameter.name]) for call in calls if parameter.name in call.arguments]
            rule = IS_NEUTRAL.get(parameter.name)
            if all(_is_default(parameter, value) for _, value in given):
                continue  # nothing is given, or what `_untried_defaults` tells
            if rule and all(_is_number(value) and rule(value) for _, value in given):
                values = " or ".join(dict.fromkeys(str(value) for _, value in given))
                what = f"{task}: every check that passes `{parameter.name}` passes {values}, which hides what it does"
                yield _problem(suite.path, given[0][0], 2, what)
        pairs = [_alpha_and_rank(call.arguments) for call in calls]
        if pairs and all(alpha == rank and _is_number(alpha) for alpha, rank in pairs):
            what = f"{task}: `alpha` equals the rank in every check, so the scale alpha / rank is always 1"
            yield _problem(suite.path, calls[0].line, 2, what)


def _alpha_and_rank(arguments: dict[str, object]) -> tuple[object, object]:
    return arguments.get("alpha", UNKNOWN), arguments.get("rank", arguments.get("r"))


def _is_default(parameter: Parameter, value: object) -> bool:
    return value is not UNKNOWN and parameter.default is not None and value == constant(parameter.default)


def _is_number(value: object) -> bool:
    return isinstance(value, Number) and not isinstance(value, bool)


def _broad_exceptions(suite: Suite) -> Iterator[Problem]:
    """`pytest.raises(Exception)` and `suppress`: they take a crash for the error that was asked for."""
    for node in ast.walk(suite.tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func).rpartition(".")[2]
        named = ast.unparse(node.args[0]) if node.args else ""
        if name == "suppress":
            yield _problem(suite.path, node.lineno, 8, "suppress swallows an exception: use pytest.raises")
        elif name == "raises" and named in ("Exception", "BaseException"):
            yield _problem(suite.path, node.lineno, 8, f"any crash is a {named}: name the exception that is asked for")


def _untried_defaults(suite: Suite) -> Iterator[Problem]:
    """Parameters with a default that no hidden check gives another value."""
    for task, parameters in suite.parameters.items():
        calls = [call for call in suite.calls if call.task == task]
        checks = suite.checks_of(task.partition(".")[0])
        if not checks:
            continue
        for parameter in parameters:
            if parameter.default is None:
                continue
            values = [call.arguments[parameter.name] for call in calls if parameter.name in call.arguments]
            if all(_is_default(parameter, value) for value in values):
                written = ast.unparse(parameter.default)
                what = f"{task}: no hidden check passes `{parameter.name}` anything but its default, {written}"
                yield _problem(suite.path, checks[0].line, 4, what)


def _weak_assertions(suite: Suite) -> Iterator[Problem]:
    """Tasks whose values no hidden check compares."""
    for task in suite.exercise.tasks:
        checks = suite.checks_of(task)
        kinds = {kind for check in checks for kind in _assertions(check)}
        if not kinds:
            continue
        if kinds <= {"shape"}:
            fault, what = 6, "its checks look at shapes and types only, not at values"
        elif kinds <= {"shape", "sum"}:
            fault, what = 7, "its checks compare sums only; compare the values"
        elif kinds <= {"shape", "sum", "gradient"}:
            fault, what = 7, "gradients are compared with its own slopes only; a wrong one can match a wrong function"
        else:
            continue
        yield _problem(suite.path, checks[0].line, fault, f"{task}: {what}")


def _assertions(check: CheckSource) -> Iterator[str]:
    """What kinds of assertion a check makes: of a "shape", a "sum", a "gradient" of the learner's function, a "value"."""
    for node in check.nodes:
        if isinstance(node, ast.Assert):
            yield "shape" if _is_of_shape(node.test) else "value"
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            if name == "assert_shape":
                yield "shape"
            elif name == "assert_gradients":
                yield "gradient" if "learner" in ast.unparse(node.args[0]) else "value"
            elif name == "assert_close":
                yield "sum" if _is_reduction(node.args[0]) else "value"
            elif name in ("raises", "assert_allclose", "assert_array_equal", "assert_equal"):
                yield "value"


def _is_of_shape(test: ast.expr) -> bool:
    """Whether a plain assert asks for nothing but type, shape, dtype or length."""
    if isinstance(test, ast.BoolOp):
        return all(map(_is_of_shape, test.values))
    if isinstance(test, ast.UnaryOp):
        return _is_of_shape(test.operand)
    subject = test.left if isinstance(test, ast.Compare) else test
    if isinstance(subject, ast.Call):
        subject = subject.func
        return getattr(subject, "id", getattr(subject, "attr", "")) in SHAPES_ONLY | SHAPE_FACTS
    return isinstance(subject, ast.Attribute) and subject.attr in SHAPE_FACTS


def _is_reduction(got: ast.expr) -> bool:
    """Whether all of an answer is one sum or the like: `learner.f(x).sum()`, `np.sum(learner.f(x))`."""
    if not (isinstance(got, ast.Call) and isinstance(got.func, ast.Attribute)):
        return isinstance(got, ast.Call) and getattr(got.func, "id", "") == "float" and _is_reduction(got.args[0])
    is_task = isinstance(got.func.value, ast.Name) and got.func.value.id in ("learner", "reference")
    has_axis = any(keyword.arg in ("axis", "dim") for keyword in got.keywords)
    return got.func.attr in REDUCTIONS and not is_task and not has_axis
