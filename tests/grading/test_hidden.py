"""What a learner gets to read holds nothing of a hidden check, whatever their code does, and nothing that a browser would run."""

import html.parser

import pytest

from tests.grading.small import SCALING, SECRET, STATS, Results, grade, scaling, write_class, write_small_course

INPUT = str(int(SECRET))  # as it would appear in what leaks

# What a learner may try: each is code at the beginning of both functions of scaling.py, where `x` is the input.
BOTH = "number = max(x.flat[0], factor, key=abs)\n"
WORKER = """
import sys
frame = sys._getframe()
while type(frame.f_locals.get("self")).__name__ != "Peer":
    frame = frame.f_back
peer = frame.f_locals["self"]
"""
FRAME = "[f'w/{number}.py', int(abs(number)), str(number), str(number)]"
TRICKS = {
    "message": "raise ValueError(f'the input is {number!r}')",
    "long_message": "raise ValueError(str(number) * 100_000)",
    "print": "import sys; print(number); print(number, file=sys.stderr)",
    "print_and_exit": "import os; print(number, flush=True); os._exit(1)",
    "exception_name": "raise type(f'E{number}', (Exception,), {})()",
    "builtin_name": "raise type('ValueError', (ValueError,), {'__str__': lambda self: str(number)})()",
    "stub_message": "raise NotImplementedError(number)",
    "missing_name": "raise type('MissingName', (Exception,), {})(str(number))",
    "not_loaded": "raise type('NotLoaded', (Exception,), {})(str(number))",
    "assertion": "raise AssertionError(f'{number}')",
    "group": "raise ExceptionGroup(str(number), [ValueError(str(number))])",
    "note": "error = ValueError(); error.add_note(str(number)); raise error",
    "chain": "raise ValueError() from KeyError(str(number))",
    "attribute_error": "return getattr(x, f'a{number}')",
    "warning": "import warnings; warnings.warn(str(number)); raise ValueError",
    "result": "return str(number)",
    "nested": "return {str(number): [number]}",
    "shape": "return np.zeros((1, int(abs(number))))",
    "object": "return type(f'T{int(number)}', (), {'__repr__': lambda self: str(number)})()",
    "names": "shift.__doc__ = scale.__doc__ = scale.__name__ = shift.__name__ = str(number); raise ValueError",
    "function_name": "exec(f'def f{int(abs(number))}(): raise ValueError\\nf{int(abs(number))}()')",
    "file_name": "exec(compile('raise ValueError', f'week1/{number}.py', 'exec'))",
    "line_number": "exec(compile('\\n' * (int(abs(number)) - 1) + 'raise ValueError', 'week1/scaling.py', 'exec'))",
    "frames": WORKER + f"peer.explain = lambda e: ['ValueError', '', [{FRAME}]]; raise ValueError",
    "kind": WORKER + "peer.explain = lambda e: [str(number), str(number), []]; raise ValueError",
    "malformed": WORKER + "peer.explain = lambda e: [number, number, number]; raise ValueError",
    "request": WORKER + "peer.send(['?', 1, f'op {number}', [number]]); return x",
    "garbage": WORKER + "peer.sock.sendall(str(number).encode() * 100); return x",
    "changed": WORKER + "peer.serve = lambda op, args: [x, {str(number): number, int(number): number}]; return x",
    "no_function": WORKER + "peer.serve = lambda op, args: number; return x",
    "constant": "global scale, shift; scale = shift = number; return x",
    "many": "return [str(number)] * 190_000",
    "large": "return np.full(7_000_000, number)",
    "too_large": "return np.full(9_000_000, number)",
    "deep": "for _ in range(100): x = [x]\nreturn x",
    "endless": "import itertools; return itertools.repeat(number)",
}
MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)>"
HOSTILE = {
    "<script>alert(0)<script>": {},
    "html_message": {"scaling": scaling(f"raise ValueError({MARKUP!r})")},
    "html_name": {"scaling": scaling(f"raise type({MARKUP!r}, (ValueError,), {{}})()")},
    "html_result": {"scaling": scaling(f"return {MARKUP!r}")},
    "html_source": {"scaling": f"'{MARKUP}' + 1\n"},
    "html_import": {"scaling": f"raise ImportError({MARKUP!r})\n"},
    "parameters": {"stats": STATS.replace("return", "return 1 +")},
    "html_names": {"scaling": "import torch as 𝒔𝒄𝒓𝒊𝒑𝒕\n", "stats": f'"{MARKUP}"(\n'},
}


PARAMETERS = '''\
import pytest


@pytest.mark.parametrize("number", [31337.125, 1.0])
def test_centre_of_one_number(learner, number):
    """The centre of one number is zero."""
    import numpy as np
    assert learner.centre(np.array([number])).tolist() == [0.0]
'''


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    root = tmp_path_factory.mktemp("hidden")
    course = write_small_course(root / "course", {"graders/week1/test_stats.py": PARAMETERS})
    learners = {
        name: {"scaling": scaling(BOTH + code, BOTH.replace("factor", "by") + code)} for name, code in TRICKS.items()
    }
    write_class(root / "class", learners | HOSTILE)
    (root / "class/html_file/week1").mkdir(parents=True)
    (root / "class/html_file/week1" / f"{MARKUP.replace('/', '')}.py").write_text(SCALING)
    finished = grade(course, root / "class", "--out", root / "out", "--jobs", 2)
    assert finished.returncode == 0, finished.stderr
    assert "Traceback" not in finished.stderr
    return Results(root / "out")


def pages(results):
    return [*(results.out / "learners").iterdir(), *(results.out / "feedback").iterdir()]


@pytest.mark.parametrize("trick", TRICKS)
def test_no_trick_carries_a_hidden_input_to_the_learner(graded, trick):
    for text in (graded.html(trick), str(graded.feedback(trick))):
        assert INPUT not in text


@pytest.mark.parametrize("trick", TRICKS)
def test_no_trick_earns_a_hidden_check(graded, trick):
    statuses = graded.statuses(trick, "week1/scaling")
    assert set(statuses.values()) <= {"passed", "wrong", "error", "not_started", "not_reached", "timeout"}
    if trick == "print":
        assert set(statuses.values()) == {"passed"}
    else:
        assert statuses["shift_adds"] != "passed"


def test_the_instructor_reads_all_of_it(graded):
    for trick in ("message", "exception_name", "result"):
        details = " ".join(check["detail"] for check in graded.of(trick, "week1/scaling")["checks"])
        assert INPUT in details
    assert INPUT in graded.of("print", "week1/scaling")["output"]
    assert INPUT in graded.of("print_and_exit", "week1/scaling")["output"]


def test_names_of_hidden_checks_and_of_files_of_the_course_are_not_in_the_pages(graded):
    for path in pages(graded):
        text = path.read_text()
        assert "test_scale" not in text
        assert "graders" not in text.replace("the graders", "")
        assert str(graded.out.parent) not in text


class Tags(html.parser.HTMLParser):
    """The tags of a page, and the attributes that would run or load something."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.active, self.text, self.open = set(), [], "", []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.active += [name for name, _ in attributes if name.startswith("on") or name in ("src", "href")]
        if tag not in ("meta", "br", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_pages_are_whole_and_hold_nothing_that_runs(graded):
    for path in (graded.out / "feedback").iterdir():
        page = Tags(path.read_text())
        assert page.open == []
        assert page.active == []
        assert not page.tags & {"script", "img", "iframe", "object", "link", "form", "svg", "base"}


def test_what_learners_wrote_is_shown_as_they_wrote_it(graded):
    assert "<script>alert(0)<script>" in Tags(graded.html("<script>alert(0)<script>")).text
    assert MARKUP in Tags(graded.html("html_message")).text  # in the card of the visible check
    assert MARKUP in Tags(graded.html("html_import")).text


def test_reports_stay_in_their_folders(graded):
    assert {path.name for path in graded.out.iterdir()} == {
        "journal.jsonl",
        "grades.csv",
        "class.json",
        "feedback",
        "learners",
    }
    assert len(pages(graded)) == 2 * (len(TRICKS) + len(HOSTILE) + 1)
    assert graded.grades.keys() == {*TRICKS, *HOSTILE, "html_file"}


def test_the_journal_stays_small_whatever_learners_write(graded):
    assert max(len(str(result)) for result in graded.journal) < 200_000


def test_parameters_of_a_hidden_check_are_hidden(graded):
    assert set(graded.statuses("parameters", "week1/stats").values()) == {"wrong"}
    assert "The centre of one number is zero (case 1)" in graded.html("parameters")
    assert INPUT not in graded.html("parameters") + str(graded.feedback("parameters"))
