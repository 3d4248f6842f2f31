"""Begin an exercise: a small one that passes every gate, for the author to change into theirs."""

from __future__ import annotations

import keyword
import sys
from pathlib import Path

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from autograder.authoring.build import stub_text
from autograder.authoring.sources import AuthoringError, read_text
from autograder.catalog import ALWAYS_ALLOWED, Course, Exercise

TEMPLATES = Path(__file__).parent / "templates"
MISTAKES_HEAD = """\
# Named wrong solutions, one edit of the reference each. Inside the marked body of `task` (taken without its indentation) the text
# `replace`, which must occur there exactly once, becomes `by`. `says` is what a learner who made the mistake should read.
"""
HINTS_HEAD = "# Three rungs a task: a question, a pointer, nearly the code.\n"

_TAKEN = sys.stdlib_module_names | ALWAYS_ALLOWED | {"torch", "pytest", "autograder"}


def new_exercise(course: Course, module: str, exercise: str, *, torch: bool = False) -> dict[Path, str]:
    """Write all files of a new exercise: each with what was done, "wrote" or, to those of its module, "added to".

    Raises:
        AuthoringError: a name cannot be used, or something is in the way. Nothing has been written then.
    """
    check_names(module, exercise)
    if not course.solutions_dir.is_dir() and course.modules:
        raise AuthoringError(f"{course.root} has no solutions/ folder: it is a learner's course")
    new = Exercise(course, module, exercise)
    render = _Templates(new, torch)
    own = {
        new.solution: render("{library}/solution.py"),
        new.grader: render("{library}/grader.py"),
        new.public_tests: render("{library}/public.py"),
    }
    if in_the_way := [str(path) for path in (*own, new.stub) if path.exists()]:
        raise AuthoringError(f"{', '.join(in_the_way)} exists already; choose another name, or remove it")
    readme = new.stub.with_name("README.md")
    shared = {
        new.mistakes: _with_entry(new.mistakes, MISTAKES_HEAD, render("{library}/mistakes.yml"), exercise),
        new.hints: _with_entry(new.hints, HINTS_HEAD, render("hints.yml"), exercise),
        readme: _grown(readme, render("README.md"), render("section.md")),
    }
    done = {path: "added to" if path.exists() else "wrote" for path in (*own, new.stub, *shared)}
    for path, text in (own | shared).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    new.stub.write_text(stub_text(new.solution), encoding="utf-8")
    return done


class _Templates:
    """`render("hints.yml")` fills in a template."""

    def __init__(self, exercise: Exercise, torch: bool):
        self.library = "torch" if torch else "numpy"
        array = "tensor" if torch else "array"
        self.values = {
            "module": exercise.module,
            "exercise": exercise.name,
            "library": "torch" if torch else "np",
            "array": array,
            "arrays": f"{array}s",
        }
        loader = FileSystemLoader(TEMPLATES)
        self.environment = Environment(loader=loader, keep_trailing_newline=True, undefined=StrictUndefined)

    def __call__(self, name: str) -> str:
        return self.environment.get_template(f"{name.format(library=self.library)}.j2").render(self.values)


def check_names(module: str, exercise: str) -> None:
    """Raises AuthoringError where a module or an exercise cannot be called so."""
    for kind, name in (("module", module), ("exercise", exercise)):
        if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
            raise AuthoringError(
                f"{kind} {name!r}: use letters, digits and underscores, as in `week1` or `activations`"
            )
    if module in _TAKEN:
        raise AuthoringError(f"module {module!r}: learners could not import the package of that name any more")
    if exercise.startswith("test_") or exercise in ("lesson", "conftest"):
        raise AuthoringError(f"exercise {exercise!r}: a file of that name is not an exercise")


def _with_entry(path: Path, head: str, entry: str, exercise: str) -> str:
    """The YAML mapping in `path`, if there is one, with the entry for the exercise at its end."""
    text = _grown(path, head, entry)
    try:
        before = yaml.safe_load(read_text(path)) if path.is_file() else None
        after = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise AuthoringError(f"{path}: cannot be added to: {error}") from None
    if exercise in (before or {}):
        raise AuthoringError(f"{path} has an entry {exercise!r} already; choose another name, or remove it")
    if not isinstance(after, dict) or len(after) != len(before or {}) + 1:
        raise AuthoringError(f"{path}: cannot be added to: it is no mapping of exercises, one below the other")
    return text


def _grown(path: Path, head: str, more: str) -> str:
    """The text of `path`, or a head where there is no such file, and more behind it."""
    if not path.is_file():
        return head + more
    gap = "\n" if path.suffix == ".md" else ""
    return f"{read_text(path).rstrip()}\n{gap}{more}"
