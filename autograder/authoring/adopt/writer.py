"""One test as a check: what it needs from above it, from the learner, and how it looks as a function."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass, field
from importlib.util import find_spec

from autograder.authoring.adopt.rewrite import asking, docstring, forwarding, indented
from autograder.authoring.adopt.scope import KNOWN, Statement, free_names
from autograder.authoring.adopt.sheet import Test

UNFIT = {  # names that mean something in a notebook and nothing to a check
    "get_ipython": "uses get_ipython",
    "In": "reads the notebook's history",
    "Out": "reads the notebook's history",
    "globals": "looks at the notebook's names with globals()",
    "locals": "looks at the notebook's names with locals()",
    "vars": "looks at the notebook's names with vars()",
    "dir": "looks at the notebook's names with dir()",
    "input": "asks for input",
    "eval": "runs text as code with eval()",
    "exec": "runs text as code with exec()",
    "learner": "uses the name `learner`, which checks need for something else",
}
UNFIT_ANYWHERE = {  # attributes, too
    **dict.fromkeys(("getsource", "getsourcelines"), "reads the learner's source, which does not leave the jail"),
    **dict.fromkeys(("redirect_stdout", "redirect_stderr"), "reads what is printed, which is printed in the jail"),
}
STEPS = 20  # in which partial credit is counted, at most


class Unfit(Exception):
    """A test cannot be a check; the message says why, as the end of "it …"."""


@dataclass
class Check:
    """A test as source: what it needs at the top of the file, and its function."""

    name: str
    test: Test
    text: str
    head: list[Statement] = field(default_factory=list)
    uses_remote: bool = False


def function_name(test: Test) -> str:
    return "test_" + re.sub(r"\W+", "_", test.name).strip("_")


@dataclass(frozen=True)
class Past:
    """A statement above a test: whether it is the learner's, the name of the test that it belongs to, if to one, and whether that
    has parts which learners do not see."""

    statement: Statement
    theirs: bool
    test: str
    hidden: bool


class Writer:
    """Writes one check."""

    def __init__(self, test: Test, cell: list[Statement], before: list[Past], called: set[str], public: bool):
        self.test, self.before, self.public = test, before, public
        self.cell = cell[1:] if cell and cell[0].is_text else cell
        self.called = called  # by functions of the notebook
        self.learners: dict[str, None] = {}
        self.head: list[Statement] = []
        self.inside: list[int] = []  # places in `before`

    def check(self) -> Check:
        self.refuse()
        self.head += [past.statement for past in self.before if past.statement.star]
        for name in sorted(free_names(self.cell)):
            self.need(name, len(self.before))
        self.head.sort(key=self.place)
        for statement in (*self.head, *self.cell):
            self.is_installed(statement)
        partial = self.test.partial if self.test.partial and _may_be_points(self.cell[-1]) else None
        text, remote = self.function(partial)
        try:
            compile(text, "<check>", "exec", dont_inherit=True)
        except SyntaxError as error:
            raise Unfit(f"does not work in a function ({error.msg})") from None
        return Check(function_name(self.test), self.test, text, self.head, remote or partial is not None)

    def refuse(self) -> None:
        if not any(not each.is_import for each in self.cell):
            raise Unfit("holds no test")
        for node in (node for statement in self.cell for each in statement.nodes for node in ast.walk(each)):
            if isinstance(node, ast.Attribute | ast.Name):
                name = node.attr if isinstance(node, ast.Attribute) else node.id
                if name in UNFIT_ANYWHERE:
                    raise Unfit(UNFIT_ANYWHERE[name])
            if isinstance(node, ast.Await) or (isinstance(node, ast.ImportFrom) and node.names[0].name == "*"):
                raise Unfit("imports * or awaits, which only works outside of functions")
        free = free_names(self.cell)
        for name, why in UNFIT.items():
            if name in free or (name == "learner" and any("learner" in each.defines for each in self.cell)):
                raise Unfit(why)

    def is_installed(self, statement: Statement) -> None:
        for node in (node for each in statement.nodes for node in ast.walk(each)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or "."] if isinstance(node, ast.ImportFrom) else []
            for top in (name.partition(".")[0] for name in names):
                if not top or find_spec(top) is None:
                    raise Unfit(f"imports {top or 'from the folder'}, which is not installed here")

    def place(self, statement: Statement) -> int:
        return next(place for place, past in enumerate(self.before) if past.statement is statement)

    def need(self, name: str, end: int) -> bool:
        """Provide a name as it was before `end`. Returns whether it is, or depends on, something of the learner's."""
        definers = [
            place for place in range(end)
            if name in (past := self.before[place]).statement.defines or (past.theirs and name in past.statement.changes)
        ]  # fmt: skip
        if not definers:
            if name not in KNOWN and not any(past.statement.star for past in self.before[:end]):
                raise Unfit(f"uses {name}, which nothing before it defines")
            return False
        last = self.before[definers[-1]]
        if last.statement.is_import:
            looks_like_a_test = last.statement.looks_like_a_test
            self.into(*((self.inside, definers[-1]) if looks_like_a_test else (self.head, last.statement)))
            return looks_like_a_test
        if last.theirs:
            self.learners[name] = None
            return True
        places = [
            place for place in range(definers[0], end)
            if not (past := self.before[place]).theirs and name in past.statement.defines | past.statement.changes
        ]  # fmt: skip
        mine = [self.provide(place) for place in places]
        return any(mine)

    def provide(self, place: int) -> bool:
        statement, test = self.before[place].statement, self.before[place].test
        if place in self.inside:
            return True
        if statement in self.head:
            return False
        needed = [self.need(name, len(self.before) if name in statement.inner else place)
                  for name in sorted(statement.reads - statement.defines)]  # fmt: skip
        if any(needed) or not statement.is_safe:
            self.into(self.inside, place)
            for other, past in enumerate(self.before):
                if test and past.test == test:  # what it leaves behind depends on how far it comes
                    self.provide_inside(other)
            return True
        self.into(self.head, statement)
        return False

    def provide_inside(self, place: int) -> None:
        if place not in self.inside:
            self.inside.append(place)
            statement = self.before[place].statement
            for name in sorted(statement.reads - statement.defines):
                self.need(name, place)

    @staticmethod
    def into(where: list, what: object) -> None:
        if what not in where:
            where.append(what)

    def function(self, partial: float | None) -> tuple[str, bool]:
        past = [self.before[place] for place in sorted(self.inside)]
        body = [*(each.statement for each in past), *self.cell]
        changed = self.called & {name for past in self.before for name in past.statement.defines}
        names = {name for statement in body for name in statement.reads | statement.defines}
        at_least, part = _unused("at_least", names), _unused("part", names)
        parameters: list[str] = []
        remote = False
        lines: list[str] = []
        for place, statement in enumerate(body):
            text = statement.text
            if partial is not None and place == len(body) - 1:
                node = statement.nodes[-1].value
                text = f"assert remote.reaches({ast.get_source_segment(text, _in(text)) or ast.unparse(node)}, {at_least})\n"
            text, asked = asking(text, set(self.learners) | {"super"})
            remote |= asked or "remote" in statement.reads
            text = indented(forwarding(text, changed))
            if place < len(past) and (test := past[place].test):
                if not place or past[place - 1].test != test:
                    lines.append("    with remote.a_cell():  # an earlier one\n")
                text, remote = indented(text), True
            lines.append(text)
        marks = [f"@pytest.mark.task({json.dumps(self.test.task)})"]
        used = [*past, *(each for each in self.before if each.statement in self.head)]
        if not self.public and self.test.visible == self.test.source and not any(each.hidden for each in used):
            marks.append("@pytest.mark.visible")
        if partial is not None:
            marks.append(f'@pytest.mark.parametrize("{at_least}", {_steps(partial)})')
            parameters.append(at_least)
        if self.test.weight > 1:
            marks.append(f'@pytest.mark.parametrize("{part}", range({self.test.weight}))  # it is worth as many others')
            parameters.append(part)
        head = [
            f"def {function_name(self.test)}({', '.join(['learner', *parameters])}):",
            f"    {docstring(self.sentence)}",
            *([f"    learner.at_checkpoint({json.dumps(self.test.place)})"] if self.test.place else []),
            *(f"    {name} = learner.{name}" for name in self.learners),
        ]
        return "\n".join([*marks, *head, "".join(lines).strip("\n")]), remote

    @property
    def sentence(self) -> str:
        if self.test.sentence:
            return self.test.sentence
        names = " and ".join(self.learners)
        return f"the tests of {names}" if names else self.test.name


def _unused(name: str, names: set[str]) -> str:
    return _unused(f"{name}_", names) if name in names else name


def _may_be_points(statement: Statement) -> bool:
    """Whether the value of a cell's last line may be a number of points: an expression that is no assertion and no print.

    Raises:
        Unfit: that may be, and other statements share the line.
    """
    node = statement.nodes[-1]
    if not isinstance(node, ast.Expr):
        return False
    if isinstance(node.value, ast.Constant):
        found = isinstance(node.value.value, int | float)
    elif isinstance(node.value, ast.Call):
        function = node.value.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        found = not name.lower().startswith(("assert", "print", "display", "show", "close", "seed"))
    else:
        found = True
    if found and len(statement.nodes) > 1:
        raise Unfit("may end with a number of points, on a line with other statements: give it a line of its own")
    return found


def _in(text: str) -> ast.expr:
    return ast.parse(text).body[-1].value


def _steps(points: float) -> list[float]:
    for step in (0.25, 0.5, 1.0):
        if points <= step * STEPS and (points / step).is_integer():
            return [step * number for number in range(1, round(points / step) + 1)]
    return [points * number / STEPS for number in range(1, STEPS + 1)]
