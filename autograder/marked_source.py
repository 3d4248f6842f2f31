"""Marked solutions: where each `# BEGIN SOLUTION` … `# END SOLUTION` block is, and which task it belongs to.

In the stub `raise NotImplementedError` takes a block's place. Where learners are to repair a program, the block ends with a section
`# STUB`: the program as they get it, every line a comment. A program of cells may have blocks anywhere; outside of functions `...`
takes their place.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass

from autograder.catalog import (
    BEGIN_MARKER,
    CELL_BY_CELL,
    END_MARKER,
    STUB_MARKER,
    CourseError,
    is_public_definition,
)

_ALMOST_A_MARKER = re.compile(r"\b(BEGIN|END)[\s_-]*SOLUTIONS?\b", re.IGNORECASE)
_ALMOST_A_STUB = re.compile(r"#\W*STUB\W*", re.IGNORECASE)
_LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEFINITIONS = (*_FUNCTIONS, ast.ClassDef)


class MarkingError(CourseError):
    """A solution is marked wrongly; the message names file and line."""


@dataclass(frozen=True)
class Block:
    """One marked block: its task, the lines of its markers (the first line of a file is 1) and its indentation.

    `stub` is the line of `# STUB`, None where the block has no such section. `blank` is what learners get without one.
    """

    task: str
    begin: int
    end: int
    indent: str
    stub: int | None = None
    blank: str = "raise NotImplementedError"


@dataclass(frozen=True)
class MarkedSource:
    """The lines of a solution, each with its end, and the blocks in it from top to bottom."""

    lines: tuple[str, ...]
    blocks: tuple[Block, ...]

    @property
    def programs(self) -> set[str]:
        """The tasks that learners get as a program to repair."""
        return {block.task for block in self.blocks if block.stub}

    def bodies(self) -> dict[str, list[list[str]]]:
        """For each task the lines of each of its blocks, without the markers and without what learners get instead."""
        bodies: dict[str, list[list[str]]] = {}
        for block in self.blocks:
            bodies.setdefault(block.task, []).append(self.body(block))
        return bodies

    def body(self, block: Block) -> list[str]:
        """The lines of the solution in a block."""
        return list(self.lines[block.begin : (block.stub or block.end) - 1])

    def program(self, block: Block) -> list[str]:
        """The lines of its `# STUB` section as code; none where it has no such section."""
        return [_uncommented(line) for line in self.lines[block.stub : block.end - 1]] if block.stub else []


def parse_marked(text: str, name: str) -> MarkedSource:
    """Find the blocks in the text of a solution; `name` is that of its file.

    Raises:
        MarkingError: for every way to mark it wrongly.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        raise _error(name, getattr(error, "lineno", None) or 1, getattr(error, "msg", str(error))) from None
    lines = tuple(re.findall(r"[^\n]*\n|[^\n]+", text))
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    marks = list(_marks(name, tokens, lines))
    anywhere = text.startswith(CELL_BY_CELL)
    blocks = tuple(_block(name, tree, tokens, lines, begin, stub, end, anywhere) for begin, stub, end in marks)
    tasks = {block.task for block in blocks}
    if anywhere:
        return MarkedSource(lines, blocks)
    for node in tree.body:
        if is_public_definition(node) and node.name not in tasks:
            raise _error(
                name,
                node.lineno,
                f"{node.name} is public, so it counts as a task, but has no `# BEGIN SOLUTION`; "
                f"mark what learners write in it, or start its name with an underscore",
            )
    return MarkedSource(lines, blocks)


def _error(name: str, line: int, message: str) -> MarkingError:
    return MarkingError(f"{name}:{line}: {message}")


def _marks(
    name: str, tokens: list[tokenize.TokenInfo], lines: tuple[str, ...]
) -> Iterator[tuple[int, int | None, int]]:
    """The lines of the markers that belong together: where a block begins, its `# STUB` if it has one, where it ends."""
    comments = {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}
    opened = stub = None
    for number, line in enumerate(lines, start=1):
        begins, ends, stubs = BEGIN_MARKER.match(line), END_MARKER.match(line), STUB_MARKER.match(line)
        if not (begins or ends or stubs):
            comment = comments.get(number, "")
            almost = _ALMOST_A_MARKER.search(comment)
            if almost or _ALMOST_A_STUB.fullmatch(comment):
                wanted = f"# {almost[1].upper()} SOLUTION" if almost else "# STUB"
                raise _error(name, number, f"write the marker as `{wanted}`, alone on its line")
        elif number not in comments:
            raise _error(name, number, "a solution marker inside a string")
        elif begins and opened:
            raise _error(name, number, f"`# BEGIN SOLUTION` again; the block of line {opened} has no `# END SOLUTION`")
        elif ends and not opened:
            raise _error(name, number, "`# END SOLUTION` without a `# BEGIN SOLUTION` before it")
        elif stubs and (stub or not opened):
            raise _error(name, number, f"`# STUB` {'again' if stub else 'without a `# BEGIN SOLUTION` before it'}")
        elif begins:
            opened = number
        elif stubs:
            stub = number
        else:
            yield opened, stub, number
            opened = stub = None
    if opened:
        raise _error(name, opened, "`# BEGIN SOLUTION` without an `# END SOLUTION` after it")


def _block(
    name: str,
    tree: ast.Module,
    tokens: list[tokenize.TokenInfo],
    lines: tuple[str, ...],
    begin: int,
    stub: int | None,
    end: int,
    anywhere: bool,
) -> Block:
    """The block between two markers, checked: whole statements of one body, at the markers' indentation."""
    code = [token.end[0] for token in tokens if token.type not in _LAYOUT and begin < token.start[0] < (stub or end)]
    if not code:
        raise _error(name, begin, "no code between the markers: the function would be left without a body")
    last = max(code)
    around, inside = [], []
    for node in (node for node in ast.walk(tree) if isinstance(node, ast.stmt)):
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
        if first < begin and node.end_lineno >= last:
            around.append(node)
        elif first > begin and node.end_lineno <= last:
            inside.append(node)
        elif first <= last and node.end_lineno >= begin:
            raise _error(name, end, f"the block cuts through the statement of line {first}; mark whole statements")
    definitions = [node for node in around if isinstance(node, _DEFINITIONS)]  # outermost first, as ast.walk goes
    in_function = bool(definitions) and isinstance(definitions[-1], _FUNCTIONS)
    if not (in_function or anywhere):
        raise _error(name, begin, "a block must lie inside a function: a stub that raises on import helps nobody")
    if not anywhere and definitions[0] not in tree.body:
        raise _error(name, begin, f"{definitions[0].name} must be defined at the top level of the file")
    if sum(any(node in inside for node in body) for body in _bodies(around)) > 1:
        raise _error(name, begin, "the block reaches over several branches of a statement; mark each on its own")
    indent = lines[begin - 1][: lines[begin - 1].index("#")]
    closing = lines[end - 1][: lines[end - 1].index("#")]
    if not inside or closing != indent or min(node.col_offset for node in inside) != len(indent):
        raise _error(name, begin, "both markers must be indented like the statements between them")
    if stub:
        _check_program(name, lines, stub, end, indent)
    if not in_function:
        return Block(definitions[0].name if definitions else "", begin, end, indent, stub, "...")
    return Block(definitions[0].name, begin, end, indent, stub)


def _check_program(name: str, lines: tuple[str, ...], stub: int, end: int, indent: str) -> None:
    """What stands below `# STUB` has to be comments, and code without them."""
    for number in range(stub, end):
        if not lines[number - 1].startswith(f"{indent}#"):
            raise _error(name, number, "from `# STUB` on every line is a comment, indented like the markers")
    program = [_uncommented(line).removeprefix(indent) for line in lines[stub : end - 1]]
    try:
        ast.parse("def stub():\n" + "".join(f" {line}" for line in program))
    except SyntaxError as error:
        raise _error(name, stub + (error.lineno or 2) - 1, f"below `# STUB` stands no Python: {error.msg}") from None


def _uncommented(line: str) -> str:
    """A line of code that stands behind a `#`, at the indentation of the `#`."""
    indent, _, code = line.partition("#")
    code = code.removeprefix(" ")
    return indent + code if code.strip() else code


def _bodies(statements: list[ast.stmt]) -> Iterator[list[ast.stmt]]:
    """Every list of statements directly in the given ones: bodies, else branches, handlers, cases."""
    for node in statements:
        for branch in (node, *getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            yield from (getattr(branch, field, []) for field in ("body", "orelse", "finalbody"))
