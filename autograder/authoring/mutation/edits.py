"""All small changes of a reference: one operator, operand, constant, argument, call, condition or statement at a time.

The kinds are those of Jia & Harman, "An Analysis and Survey of the Development of Mutation Testing" (IEEE TSE 2011), section 2, and
what numerical code adds to them: other reductions, axes and keyword arguments.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from autograder.authoring.sources import read_marked
from autograder.marked_source import Block, MarkedSource

OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult, ast.FloorDiv: ast.Div,
    ast.Mod: ast.FloorDiv, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
NAMES = {
    "max": "min", "min": "max", "maximum": "minimum", "minimum": "maximum", "argmax": "argmin", "argmin": "argmax",
    "mean": "sum", "sum": "mean", "reduce_mean": "reduce_sum", "reduce_sum": "reduce_mean", "std": "var", "var": "std",
    "sin": "cos", "cos": "sin", "tanh": "sigmoid", "sigmoid": "tanh", "ones": "zeros", "zeros": "ones",
    "ones_like": "zeros_like", "zeros_like": "ones_like", "floor": "ceil", "ceil": "floor", "any": "all", "all": "any",
    "triu": "tril", "tril": "triu", "train": "eval", "eval": "train", "append": "extend", "randn": "rand", "randint": "rand",
}  # fmt: skip
COMMUTATIVE = {
    "max", "min", "maximum", "minimum", "add", "multiply", "logical_and", "logical_or", "array_equal", "equal", "allclose",
}  # fmt: skip
SCOPES = (ast.JoinedStr, ast.Raise)  # words for people: their text is not judged


@dataclass(frozen=True)
class Mutant:
    """The reference with one change.

    Attributes:
        line: of the solution, from 1.
        before, after: the changed code.
        source: the whole changed solution.
    """

    task: str
    line: int
    before: str
    after: str
    source: str


def mutants_of(solution: Path) -> Iterator[Mutant]:
    """Every change inside the marked bodies of a solution, from top to bottom, none of them twice."""
    marked = read_marked(solution)
    text = "".join(marked.lines).replace("\r\n", "\n")
    seen = {ast.dump(ast.parse(text))}
    for node, block in _nodes(ast.parse(text), marked):
        for old, new in _changes(node):
            after = ast.unparse(new)
            source = _replaced(text, old, f"({after})" if isinstance(new, ast.expr) else after)
            dump = _dump(source)
            if dump is not None and dump not in seen:
                seen.add(dump)
                yield Mutant(block.task, old.lineno, ast.get_source_segment(text, old), after, source)


def _nodes(tree: ast.Module, marked: MarkedSource) -> Iterator[tuple[ast.AST, Block]]:
    """What stands inside of marked bodies, each with its block; nothing of annotations and of messages."""
    blocks = {line: block for block in marked.blocks for line in range(block.begin + 1, block.stub or block.end)}
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        line = getattr(node.iter if isinstance(node, ast.comprehension) else node, "lineno", None)
        if line in blocks:
            yield node, blocks[line]
        if not isinstance(node, SCOPES):
            skipped = {id(getattr(node, name, None)) for name in ("annotation", "returns")}
            waiting += [child for child in reversed([*ast.iter_child_nodes(node)]) if id(child) not in skipped]


def _replaced(text: str, node: ast.AST, after: str) -> str:
    lines = text.encode().splitlines(keepends=True)  # columns count bytes
    first, last = lines[node.lineno - 1][: node.col_offset], lines[node.end_lineno - 1][node.end_col_offset :]
    return b"".join([*lines[: node.lineno - 1], first, after.encode(), last, *lines[node.end_lineno :]]).decode()


def _dump(source: str) -> str | None:
    try:
        return ast.dump(ast.parse(source))
    except SyntaxError:  # a place where no such expression may stand
        return None


def _changes(node: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    """What may stand in place of what."""
    match node:
        case ast.If(test):
            yield from ((test, ast.Constant(value)) for value in (True, False))
        case ast.comprehension(ifs=tests):
            yield from ((test, ast.Constant(True)) for test in tests)
        case ast.expr():
            yield from ((node, new) for new in _expressions(node))
        case ast.AugAssign(target, op, value):
            if type(op) in OPERATORS:
                yield node, ast.AugAssign(target, OPERATORS[type(op)](), value)
            yield node, ast.Assign([target], value, lineno=node.lineno)
            yield node, ast.Pass()
        case ast.Assign([ast.Attribute() | ast.Subscript()]) | ast.Expr(ast.Call()) | ast.Raise():
            yield node, ast.Pass()
        case ast.Break() | ast.Continue():
            yield node, ast.Pass()


def _expressions(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.BinOp(left, ast.MatMult() as op, right):
            yield ast.BinOp(right, op, left)
        case ast.BinOp(left, op, right) if type(op) in OPERATORS:
            yield from (ast.BinOp(left, OPERATORS[type(op)](), right), left, right)
        case ast.Compare(left, [op], [right]):
            yield ast.Compare(left, [OPERATORS[type(op)]()], [right])
        case ast.BoolOp(op, values):
            yield ast.BoolOp(OPERATORS[type(op)](), values)
            yield from values
        case ast.UnaryOp(_, operand):
            yield operand
        case ast.Constant(value):
            yield from map(ast.Constant, _constants(value))
        case ast.IfExp(_, body, orelse):
            yield from (body, orelse)
        case ast.Attribute(value, attr) if attr in NAMES:
            yield ast.Attribute(value, NAMES[attr], node.ctx)
        case ast.Name(id=name) if name in NAMES and isinstance(node.ctx, ast.Load):
            yield ast.Name(NAMES[name], node.ctx)
        case ast.Call():
            yield from _calls(node)
        case ast.Slice(lower, upper, step):
            yield from (ast.Slice(*parts) for parts in _without_one([lower, upper, step]))


def _constants(value: object) -> Iterator[object]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value + 1, value - 1)
    elif isinstance(value, float):
        yield from (2 * value, 0.0) if value else (1.0,)


def _calls(call: ast.Call) -> Iterator[ast.expr]:
    """With an argument less, with two exchanged, and what it is called on or with in its place."""
    if any(isinstance(argument, ast.Starred) for argument in call.args):
        return
    for place in range(len(call.keywords)):
        yield _with(call, keywords=[*call.keywords[:place], *call.keywords[place + 1 :]])
    if len(call.args) > 1:
        first, second, *others = call.args
        if getattr(call.func, "attr", getattr(call.func, "id", "")) not in COMMUTATIVE:
            yield _with(call, args=[second, first, *others])
        yield _with(call, args=call.args[:-1])
    if isinstance(call.func, ast.Attribute) and not _is_library(call.func.value):
        yield call.func.value
    elif call.args:
        yield call.args[0]


def _is_library(node: ast.expr) -> bool:
    """Whether it reads like `np` or `torch.nn.functional`, so that to keep it instead of a call means nothing."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name) and node.id in {"np", "torch", "F", "nn", "tf", "keras", "math", "random", "copy"}


def _without_one(parts: list[ast.expr | None]) -> Iterator[list[ast.expr | None]]:
    for place, part in enumerate(parts):
        if part is not None:
            yield [*parts[:place], None, *parts[place + 1 :]]


def _with(node: ast.AST, **fields: object) -> ast.AST:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed
