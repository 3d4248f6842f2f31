"""Files and learners by hostile names, and sources that are hard to read."""

import io
import zipfile

from autograder.gradebook.report import file_name
from tests.hostile.attack import TASKS, Attack, on
from tests.hostile.course import BASICS, SECOND

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)></pre></html>{{ 7 * 7 }}"
ESCAPES = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202egnp.exe\x00"

# Beside honest work: what Python or pytest would load if they came near. None of it may run.
BESIDE = {
    name: "raise SystemExit('this file was run')\n"
    for name in (
        "conftest.py",
        "week1/conftest.py",
        "week1/__init__.py",
        "week1/numpy.py",
        "numpy/__init__.py",
        "jaxtyping.py",
        "json.py",
        "sitecustomize.py",
        "usercustomize.py",
        "week1/test_basics.py",
        "graders/week1/test_basics.py",
        "solutions/week1/basics.py",
        "autograder/__init__.py",
        "autograder/testing/__init__.py",
    )
} | {
    "pytest.ini": "[pytest]\naddopts = -p owned\n",
    "pyproject.toml": "[tool.pytest.ini_options]\naddopts = ['-p', 'owned']\n",
    "grading.yml": "limits: {wall_seconds: 3600}\n",
    "week1/mistakes.yml": "basics: []\n",
    ".pth": "import owned\n",
}

# Honest learners whom nobody would call so.
LEARNERS = [
    "<img src=x onerror=alert(1)>",
    "\x1b[31mred\x1b]0;owned\x07",
    '=HYPERLINK("http:,,x")',
    "@SUM(1)",
    "-rf",
    "two\nlines",
    "{{ 7 * 7 }}",
    "%s%n",
    "honest-0123abcd",
    file_name("two\nlines"),  # whose pages would be these
    "\u202etxt.exe",
    "x" * 200,
    "\udcff\udcfe",  # bytes that are no text
]


def hostile_zip() -> bytes:
    """Honest work among entries with hostile names."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("week1/basics.py", BASICS)
        archive.writestr("week1/second.py", SECOND)
        for name in (
            "../../../tmp/left_by_hostile_suite.py",
            "/tmp/left_by_hostile_suite.py",
            f"{MARKUP}.py",
            "\x1b[31m.py",
        ):
            archive.writestr(name, "raise SystemExit\n")
    return file.getvalue()


def file(name: str, tries: str, text: str, **others) -> Attack:
    return Attack(name, tries, text, spoils=TASKS, whole=True, **others)


SOURCES = [
    file("null_byte", "a null byte", BASICS + "\0"),
    file("other_encoding", "hide code in UTF-7", "# -*- coding: utf-7 -*-\n" + BASICS),
    file("no_encoding", "in what is no encoding", "# -*- coding: rot13 -*-\n" + BASICS),
    file("many_brackets", "nest brackets", f"x = {'(' * 100_000}{')' * 100_000}\n{BASICS}"),
    file("many_signs", "nest signs", f"x = {'-' * 200_000}1\n{BASICS}"),
    file("long_sum", "nest sums", f"x = {'+'.join(['1'] * 100_000)}\n{BASICS}"),
    file("many_branches", "nest branches", "if 0: pass\n" + "elif 0: pass\n" * 15_000 + BASICS),
    file("many_imports", "import what is not allowed, 20,000 times", "import torch\n" * 15_000 + BASICS),
    file("hidden_import", "import the hidden checks", "from graders.week1 import test_basics\n" + BASICS),
    file("relative_import", "by a relative path", "from ..graders.week1 import test_basics\n" + BASICS),
    file("reference_import", "import the reference", "from solutions.week1.basics import *\n" + BASICS),
    file("no_code", "hand in nothing", ""),
    Attack("many_warnings", "make the compiler warn", "'\\d'\n" * 30_000, spoils=()),
    Attack("markup_in_message", "put markup into a message", on("scale", f"raise ValueError({MARKUP!r})"), ("scale",)),
    Attack("markup_in_result", "into a result", on("scale", f"return {MARKUP!r}"), ("scale",)),
    Attack("markup_in_kind", "into a name", on("scale", f"raise type({MARKUP!r}, (Exception,), {{}})"), ("scale",)),
    Attack("markup_in_source", "into a line that is shown", on("scale", f"1 / 0 #{MARKUP}"), ("scale",)),
    Attack(
        "escapes_in_message",
        "put terminal sequences into a message",
        on("scale", f"raise ValueError({ESCAPES!r})"),
        ("scale",),
    ),
    Attack("escapes_in_result", "into a result", on("scale", f"return {{{ESCAPES!r}: {ESCAPES!r}}}"), ("scale",)),
    Attack(
        "escapes_in_kind",
        "into a name",
        on("scale", f"raise type({ESCAPES[:-1]!r}, (Exception,), {{}})"),
        ("scale",),
    ),
    file("escapes_at_import", "into what the import says", f"raise ValueError({ESCAPES!r} + {MARKUP!r})\n"),
]
