"""Small changes to the text of tests, so that they work as the body of a check."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterable


def asking(text: str, learners: set[str]) -> tuple[str, bool]:
    """The text with questions about objects asked where these are, and whether there are any."""
    lines, edits = text.splitlines(keepends=True), []
    for node in ast.walk(ast.parse(text)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args):
            continue
        name, about = node.func.id, {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
        kinds = list(ast.walk(node.args[-1]))
        foreign = any(isinstance(each, ast.Attribute) or getattr(each, "id", "") in learners for each in kinds)
        about_class = name in ("isinstance", "issubclass") and foreign
        if about_class or (name in ("str", "repr") and about - {name} and len(node.args) == 1):
            edits.append((node.func.lineno, node.func.col_offset, name))
    done = False
    for line, column, name in sorted(edits, reverse=True):
        data = lines[line - 1].encode()
        if data[column:].startswith(f"{name}(".encode()):  # within a text with braces the places are not right
            lines[line - 1] = (data[:column] + b"remote." + data[column:]).decode()
            done = True
    return "".join(lines), done


def forwarding(text: str, names: set[str]) -> str:
    """The text with every change of these global names made in the learner's program, too."""
    lines, extra = text.splitlines(), []
    for node in _own_statements(ast.parse(text).body):
        if isinstance(node, ast.Delete):
            targets, verb = node.targets, "delete_global"
        elif isinstance(node, ast.Assign):
            targets, verb = [each for target in node.targets for each in ast.walk(target)], "set_global"
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            targets, verb = [node.target], "set_global"
        else:
            continue
        for name in (target.id for target in targets if isinstance(target, ast.Name) and target.id in names):
            value = "" if verb == "delete_global" else f", {name}"
            extra.append((node.end_lineno, f'{" " * node.col_offset}learner.{verb}("{name}"{value})'))
    for line, words in sorted(extra, reverse=True):
        lines.insert(line, words)
    return "".join(f"{line}\n" for line in lines)


def _own_statements(body: list[ast.stmt]) -> Iterable[ast.stmt]:
    """All statements of a cell but for those in functions and classes."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        yield node
        for part in (node, *getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            for name in ("body", "orelse", "finalbody"):
                inner = getattr(part, name, [])
                yield from _own_statements(inner if isinstance(inner, list) else [])


def indented(text: str) -> str:
    """Code as it stands in a function: all lines but those within a text."""
    fixed = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.STRING or token.type == getattr(tokenize, "FSTRING_MIDDLE", -1):
            fixed.update(range(token.start[0] + 1, token.end[0] + 1))
    lines = text.splitlines(keepends=True)
    return "".join(
        line if number in fixed or not line.strip() else f"    {line}" for number, line in enumerate(lines, 1)
    )


def docstring(text: str) -> str:
    text = " ".join(text.replace("\\", "").replace('"""', "'''").split())
    return f'"""{text.rstrip(chr(34))}"""'
