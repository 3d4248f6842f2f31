"""Cells of tests as checks: names of the learner's program come from `learner`, all else runs on the grader's side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from autograder.authoring.adopt.scope import Statement, statements
from autograder.authoring.adopt.sheet import Code, Sheet, Test
from autograder.authoring.adopt.writer import Check, Past, Unfit, Writer


def checks_of(sheet: Sheet, public: bool) -> tuple[list[Check], dict[str, str]]:
    """The checks of a notebook: of hidden graders, or public ones with what learners have of the tests.

    Returns:
        The checks, and by the name of each test why it cannot be one.
    """
    checks, unfit, taken = [], {}, set()
    wanted = {id(test) for test in sheet.tests}
    before: list[Past] = []
    called = {name for part in sheet.parts if isinstance(part, Code) for name in _inner(part.source)}
    for part in sheet.parts:
        source = (part.visible if public else part.source) if isinstance(part, Test) else part.source
        try:
            cell = statements(source)
            if isinstance(part, Test) and id(part) in wanted and source and (not public or _says_something(cell)):
                check = Writer(part, cell, before, called, public).check()
                while check.name in taken:
                    check = Check(**vars(check) | {"name": f"{check.name}_", "text": check.text.replace(
                        f"def {check.name}(", f"def {check.name}_(", 1)})  # fmt: skip
                taken.add(check.name)
                checks.append(check)
        except SyntaxError as error:
            cell = []
            if isinstance(part, Test):
                unfit[part.name] = f"is no Python ({error.msg}, line {error.lineno})"
        except Unfit as error:
            unfit[part.name] = str(error)
        theirs = isinstance(part, Code) and not part.locked
        if isinstance(part, Test) and part.alone:
            continue
        place, hidden = (part.name, part.visible != part.source) if isinstance(part, Test) else ("", False)
        before += [Past(statement, theirs, place, hidden) for statement in cell if not statement.is_text]
    return checks, unfit


def file_of(sheet: Sheet, checks: Sequence[Check], public: bool) -> str:
    """The text of the file with these checks."""
    kind = "Public" if public else "Hidden"
    about = f'"""{kind} checks of {sheet.id}, from the tests in {sheet.path.name}: made by `autograder adopt`."""'
    head = {statement: None for check in checks for statement in check.head}
    imports = [statement.text for statement in head if statement.is_import]
    texts = {_without_comments(text): None for text in imports}
    uses = ["from autograder.testing import remote\n"] if any(check.uses_remote for check in checks) else []
    parts = [
        about,
        "".join(["import pytest\n", *uses, *(t for t in texts if t.strip() != "import pytest")]).rstrip(),
        "pytestmark = pytest.mark.in_place  # as in a notebook, a function may change what it is given",
        *(statement.text.strip("\n") for statement in head if not statement.is_import),
        *(check.text for check in checks),
    ]
    return parts[0] + "\n\n" + parts[1] + "\n\n" + parts[2] + "".join(f"\n\n\n{part}" for part in parts[3:]) + "\n"


def _says_something(cell: Iterable[Statement]) -> bool:
    return any(not (s.is_text or s.is_import or s.is_safe) for s in cell)


def _inner(source: str) -> set[str]:
    try:
        return {name for statement in statements(source) for name in statement.inner}
    except SyntaxError:
        return set()


def _without_comments(text: str) -> str:
    return "".join(line + "\n" for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
