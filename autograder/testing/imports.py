"""What a submission may import, told from its source before any of it runs.

This is a courtesy to the learner, not the wall: in the jail, files of other libraries cannot even be read.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Iterator

ALWAYS = frozenset(sys.stdlib_module_names) | {"__future__"}


def check_imports(
    source: bytes, filename: str, allowed: Collection[str], forbidden: Collection[str], siblings: Collection[str] = ()
) -> list[str]:
    """One sentence for each import that the exercise does not allow, in order. A file that does not parse has none.

    Args:
        source, filename: the file. Its name says which folder it lies in.
        allowed: top-level packages that may be imported besides the standard library.
        forbidden: modules, by dotted name, that may not be imported although their package may.
        siblings: dotted names of the course's exercises, which import each other by these names.
    """
    try:
        tree = ast.parse(source, filename)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    folders = {name.partition(".")[0] for name in siblings}
    by_file = {name.rpartition(".")[2]: name for name in siblings}
    words = _enumeration(sorted(set(allowed) - folders))
    problems = []
    for line, dotted, statement in _imports(tree):
        top = dotted.partition(".")[0]
        if statement is not None:
            module = f"{_folder(filename) or '<module>'}.{dotted}".rstrip(".")
            problems.append(f"line {line}: write `from {module} import …` instead of the relative `{statement}`")
        elif barred := _barred(dotted, forbidden):
            problems.append(f"line {line} imports {barred}, which this exercise does not allow")
        elif top in allowed or top in ALWAYS or top in folders:
            continue
        elif top in by_file:
            problems.append(f"line {line} imports {top}: write `from {by_file[top]} import …`")
        else:
            problems.append(f"line {line} imports {top}, which this exercise does not allow (allowed: {words})")
    return list(dict.fromkeys(problems))


def imports_of(tree: ast.AST, forbidden: Collection[str]) -> list[str]:
    """Those of the `forbidden` modules that a piece of code imports."""
    return [barred for _, dotted, _ in _imports(tree) if (barred := _barred(dotted, forbidden))]


def _barred(dotted: str, forbidden: Collection[str]) -> str | None:
    return next((name for name in forbidden if f"{dotted}.".startswith(f"{name}.")), None)


def _imports(tree: ast.Module) -> Iterator[tuple[int, str, str | None]]:
    """(line, dotted name, the statement if it is a relative import) of everything imported anywhere in the file."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    for node in sorted(nodes, key=lambda node: node.lineno):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, None) for alias in node.names)
        elif node.level:
            yield node.lineno, node.module or node.names[0].name, ast.unparse(node)
        else:
            yield from ((node.lineno, f"{node.module}.{alias.name}", None) for alias in node.names)


def _folder(filename: str) -> str:
    parts = filename.replace("\\", "/").split("/")
    return parts[-2] if len(parts) > 1 else ""


def _enumeration(names: list[str]) -> str:
    return f"{', '.join(names)} and the standard library" if names else "the standard library only"
