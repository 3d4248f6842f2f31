"""Which names a piece of code reads and which it defines, statement by statement."""

from __future__ import annotations

import ast
import builtins
import copy
import symtable
from collections.abc import Iterator
from dataclasses import dataclass

KNOWN = frozenset(dir(builtins)) | {"__name__", "__file__", "__doc__", "display", "remote"}
DEFINITIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
IMPORTS = ast.Import | ast.ImportFrom


@dataclass(frozen=True)
class Statement:
    """One statement at the top level of a cell, or several that share a line.

    Attributes:
        text: its lines, with the comments above it.
        reads: the global names that it, or a function in it, looks up.
        defines: those that it binds or deletes; `changes` are those of objects that it may change.
        inner: those that functions in it look up when they are called.
    """

    nodes: tuple[ast.stmt, ...]
    text: str
    reads: frozenset[str]
    defines: frozenset[str]
    changes: frozenset[str]
    inner: frozenset[str]

    @property
    def is_import(self) -> bool:
        return all(isinstance(node, IMPORTS) for node in self.nodes)

    @property
    def is_safe(self) -> bool:
        """Whether it can stand at the top of a file: a definition, or a name for a constant, that pytest takes for no test."""
        return not self.looks_like_a_test and all(
            isinstance(node, DEFINITIONS) or _is_constant(node) for node in self.nodes
        )

    @property
    def looks_like_a_test(self) -> bool:
        return any(name.lower().startswith("test") for name in self.defines)

    @property
    def is_text(self) -> bool:
        return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in self.nodes)

    @property
    def star(self) -> bool:
        return any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in self.nodes)


def statements(source: str) -> list[Statement]:
    """The statements of a cell, in order.

    Raises:
        SyntaxError: it is no Python.
    """
    lines = source.splitlines(keepends=True)
    groups: list[list[ast.stmt]] = []
    for node in ast.parse(source).body:
        if groups and _first_line(node) <= max(each.end_lineno for each in groups[-1]):
            groups[-1].append(node)
        else:
            groups.append([node])
    found, start = [], 0
    for group in groups:
        end = max(node.end_lineno for node in group)
        found.append(_statement(tuple(group), "".join(lines[start:end])))
        start = end
    return found


def free_names(cell: list[Statement]) -> set[str]:
    """The names that a cell looks up and has not bound itself by then."""
    everything = {name for statement in cell for name in statement.defines}
    return _free([node for statement in cell for node in statement.nodes], set(), everything)


def _free(nodes: list[ast.stmt], bound: set[str], everything: set[str]) -> set[str]:
    """The same of statements; `bound` grows by what they bind, `everything` is what functions find when they are called."""
    free: set[str] = set()
    for node in nodes:
        parts = [node, *getattr(node, "handlers", ()), *getattr(node, "cases", ())]
        bodies = [getattr(part, field, []) for part in parts for field in ("body", "orelse", "finalbody")]
        if isinstance(node, DEFINITIONS) or not any(bodies):
            alone = _statement((node,), ast.unparse(node))
            free |= alone.reads - bound - (everything if isinstance(node, DEFINITIONS) else set())
            bound |= alone.defines
            continue
        header = copy.deepcopy(node)
        for part in (header, *getattr(header, "handlers", ()), *getattr(header, "cases", ())):
            part.body = [ast.Pass()]
            part.orelse = part.finalbody = []
        about = _statement((node,), ast.unparse(header))
        free |= about.reads - bound - about.defines
        bound |= about.defines
        for body in bodies:
            free |= _free(body, bound, everything)
    return free


def _statement(nodes: tuple[ast.stmt, ...], text: str) -> Statement:
    top = symtable.symtable(text, "<cell>", "exec")
    reads = {each.get_name() for each in top.get_symbols() if each.is_referenced()}
    defines = {each.get_name() for each in top.get_symbols() if each.is_assigned() or each.is_imported()}
    inner: set[str] = set()
    for table in _inner(top):
        used = [each for each in table.get_symbols() if each.is_global()]
        inner |= {each.get_name() for each in used if each.is_referenced()}
        defines |= {each.get_name() for each in used if each.is_assigned()}
    changes = frozenset(name for node in nodes for name in _changed(node))
    return Statement(nodes, text, frozenset(reads | inner), frozenset(defines), changes, frozenset(inner))


def _inner(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    for child in table.get_children():
        yield child
        yield from _inner(child)


def _changed(node: ast.stmt) -> Iterator[str]:
    """Names of objects that a statement changes: `x[0] = 1`, `x.a = 1`, `x.append(1)`."""
    for each in ast.walk(node):
        target = None
        if isinstance(each, ast.Subscript | ast.Attribute) and isinstance(each.ctx, ast.Store | ast.Del):
            target = each.value
        elif isinstance(each, ast.Expr) and isinstance(each.value, ast.Call):
            target = getattr(each.value.func, "value", None)
        while isinstance(target, ast.Subscript | ast.Attribute):
            target = target.value
        if isinstance(target, ast.Name):
            yield target.id


def _is_constant(node: ast.stmt) -> bool:
    if not isinstance(node, ast.Assign) or not all(isinstance(target, ast.Name) for target in node.targets):
        return False
    try:
        ast.literal_eval(node.value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def _first_line(node: ast.stmt) -> int:
    return min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
