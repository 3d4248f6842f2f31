"""What a course holds: its modules, their exercises, the tasks in each. Sources are read with `ast`, never imported."""

import ast
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

COURSE_VARIABLE = "AUTOGRADER_COURSE"
LISTING = "course.json"
ALWAYS_ALLOWED = frozenset({"numpy", "jaxtyping"})
BEGIN_MARKER = re.compile(r"^[ \t]*# BEGIN SOLUTION[ \t]*\r?$", re.MULTILINE)
END_MARKER = re.compile(r"^[ \t]*# END SOLUTION[ \t]*\r?$", re.MULTILINE)
CELL_BY_CELL = "# %% cell by cell"  # the first line of a program that is run like a notebook; `sandbox.sources` runs it
STUB_MARKER = re.compile(r"^[ \t]*# STUB[ \t]*\r?$", re.MULTILINE)

_NOT_EXERCISES = frozenset({"lesson", "conftest"})
_TOP_LEVEL_NAME = re.compile(r"^(?:async[ \t]+)?(?:def|class)[ \t]+([A-Za-z]\w*)", re.MULTILINE)


class CourseError(Exception):
    """The course cannot be used as it is; the message says where and what to do."""


@dataclass(frozen=True)
class Course:
    """A folder with `exercises/`, and for instructors `solutions/`, `graders/` and `grading.yml`."""

    root: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", Path(self.root).resolve())

    @classmethod
    def find(cls, start: str | Path | None = None) -> "Course":
        """The course at `start`, else the one AUTOGRADER_COURSE names, else the nearest around the working directory,
        else the repository that holds this package."""
        if start is not None:
            return cls._at(start, "")
        if named := os.environ.get(COURSE_VARIABLE):
            return cls._at(named, f" ({COURSE_VARIABLE} names it)")
        repository = Path(__file__).resolve().parents[1]
        if course := cls.around(Path.cwd()) or cls.around(repository, parents=False):
            return course
        raise CourseError(
            f"no course found: looked in {Path.cwd()}, the folders above it, and {repository}. "
            f"A course is a folder with files like exercises/m00_foundations/activations.py; "
            f"name yours with --course DIR or {COURSE_VARIABLE}."
        )

    @classmethod
    def around(cls, path: Path, *, parents: bool = True) -> "Course | None":
        """The nearest course that `path` is or lies in, or None."""
        path = Path(path).resolve()
        candidates = (path, *path.parents) if parents else (path,)
        return next((course for course in map(cls, candidates) if course.modules), None)

    @classmethod
    def _at(cls, folder: str | Path, origin: str) -> "Course":
        course = cls(Path(folder))
        if not course.root.is_dir():
            raise CourseError(f"{course.root}{origin}: no such folder")
        if not course.modules:
            raise CourseError(
                f"{course.root}{origin} is not a course: looked for solutions/<module>/<exercise>.py and "
                f"exercises/<module>/<exercise>.py in it and found neither"
            )
        return course

    @property
    def exercises_dir(self) -> Path:
        return self.root / "exercises"

    @property
    def solutions_dir(self) -> Path:
        return self.root / "solutions"

    @property
    def graders_dir(self) -> Path:
        carried = self.root / "autograder" / "graders"
        return carried if carried.is_dir() else self.root / "graders"

    @property
    def grading_file(self) -> Path:
        return self.root / "grading.yml"

    @cached_property
    def has_solutions(self) -> bool:
        """False in a learner's course, where the stubs say which exercises there are."""
        return self.solutions_dir.is_dir()

    @cached_property
    def listing(self) -> dict:
        """In a learner's course, what `course.json` says of it: title, and of each exercise by its id tasks and imports.

        The stubs cannot tell, since learners change them. Elsewhere, and where the file is missing, empty.
        """
        path = self.root / LISTING
        if self.has_solutions or not path.is_file():
            return {}
        try:
            listing = json.loads(path.read_text(encoding="utf-8"))
            return {"title": str(listing["title"]), "exercises": dict(listing["exercises"])}
        except (ValueError, KeyError, TypeError) as error:
            raise CourseError(f"{path}: not the listing that `autograder release` wrote ({error!r})") from None

    @cached_property
    def modules(self) -> "list[Module]":
        """Every module, by name."""
        home = self.solutions_dir if self.has_solutions else self.exercises_dir
        folders = home.iterdir() if home.is_dir() else ()
        names = sorted(f.name for f in folders if f.name.isidentifier() and not f.name.startswith("_") and f.is_dir())
        modules = [Module(self, name) for name in names]
        return [m for m in modules if m.exercises or m.lesson_source.is_file() or m.lesson.is_file()]

    @property
    def exercises(self) -> "list[Exercise]":
        """Every exercise of every module, by name."""
        return [exercise for module in self.modules for exercise in module.exercises]

    def module(self, name: str) -> "Module":
        """The module called `name`."""
        for module in self.modules:
            if module.name == name:
                return module
        raise CourseError(f"{self.root} has no module {name!r}{near(name, (m.name for m in self.modules))}")

    def exercise(self, name: str) -> "Exercise":
        """The exercise with the id `m00_foundations/activations`, or simply `activations` where one module has it."""
        found = [e for e in self.exercises if name in (e.id, e.name)]
        if len(found) == 1:
            return found[0]
        if found:
            raise CourseError(f"{name!r} is in several modules; say which: {', '.join(e.id for e in found)}")
        known = [e.id for e in self.exercises] if "/" in name else [e.name for e in self.exercises]
        raise CourseError(f"{self.root} has no exercise {name!r}{near(name, known)}")


@dataclass(frozen=True)
class Module:
    """A folder of exercises with one lesson."""

    course: Course
    name: str

    @cached_property
    def exercises(self) -> "list[Exercise]":
        """The exercises, by name (`Policy.exercises` gives the order in which a learner meets them)."""
        home = self.solutions if self.course.has_solutions else self.folder
        stems = sorted(path.stem for path in home.glob("*.py") if is_exercise_file(path))
        return [Exercise(self.course, self.name, stem) for stem in stems]

    @property
    def folder(self) -> Path:
        """What learners see of it."""
        return self.course.exercises_dir / self.name

    @property
    def solutions(self) -> Path:
        return self.course.solutions_dir / self.name

    @property
    def graders(self) -> Path:
        return self.course.graders_dir / self.name

    @property
    def lesson_source(self) -> Path:
        return self.solutions / "lesson.py"

    @property
    def lesson(self) -> Path:
        return self.folder / "lesson.ipynb"


@dataclass(frozen=True)
class Exercise:
    """One file for a learner to complete; `module` is the name of its module."""

    course: Course
    module: str
    name: str

    @property
    def id(self) -> str:
        return f"{self.module}/{self.name}"

    @property
    def stub(self) -> Path:
        return self.course.exercises_dir / self.module / f"{self.name}.py"

    @property
    def solution(self) -> Path:
        return self.course.solutions_dir / self.module / f"{self.name}.py"

    @property
    def grader(self) -> Path:
        return self.course.graders_dir / self.module / f"test_{self.name}.py"

    @property
    def public_tests(self) -> Path:
        return self.course.exercises_dir / self.module / f"test_{self.name}.py"

    @property
    def hints(self) -> Path:
        return self.course.exercises_dir / self.module / "hints.yml"

    @property
    def mistakes(self) -> Path:
        return self.course.solutions_dir / self.module / "mistakes.yml"

    @cached_property
    def tasks(self) -> list[str]:
        """The graded functions and classes, in the order of the file: those with a marked body; all, if nothing is marked.
        A program of cells names its tasks itself, in `__tasks__`."""
        if self._listed:
            return list(self._listed["tasks"])
        if self._tree is None:
            return _TOP_LEVEL_NAME.findall(self._text)
        if self.is_notebook:
            return _declared_tasks(self._tree)
        public = [node for node in self._tree.body if is_public_definition(node)]
        if self.course.has_solutions:
            marked = [self._text.count("\n", 0, match.start()) + 1 for match in BEGIN_MARKER.finditer(self._text)]
            has_body = {node: any(node.lineno <= line <= node.end_lineno for line in marked) for node in public}
            public = [node for node in public if has_body[node] or not marked]
        return [node.name for node in public]

    @cached_property
    def is_notebook(self) -> bool:
        """Whether it is a program of cells, in which variables and whole cells are graded, too; made by `autograder adopt`."""
        return self._text.startswith(CELL_BY_CELL)

    @cached_property
    def libraries(self) -> tuple[str, ...]:
        """The third-party packages that the solution (or, without one, the stub) imports."""
        ours = {module.name for module in self.course.modules}
        packages = {name.partition(".")[0] for name in self._imports}
        return tuple(sorted(packages - ours - sys.stdlib_module_names - {"__future__"}))

    @cached_property
    def allowed_imports(self) -> frozenset[str]:
        """Top-level names a submission may import besides the standard library."""
        if self._listed:
            return frozenset(self._listed["imports"])
        return ALWAYS_ALLOWED.union(self.libraries, (module.name for module in self.course.modules))

    @cached_property
    def imports_exercises(self) -> "list[Exercise]":
        """The exercises of the course it needs, directly or through others; each after those it needs itself."""
        by_dotted_name = {f"{e.module}.{e.name}": e for e in self.course.exercises}
        needed: dict[Exercise, None] = {}
        entered = {self}

        def visit(exercise: Exercise) -> None:
            for other in filter(None, map(by_dotted_name.get, exercise._imports)):
                if other not in entered:
                    entered.add(other)
                    visit(other)
                    needed[other] = None

        visit(self)
        return list(needed)

    @cached_property
    def packages(self) -> tuple[str, ...]:
        """What has to be installed for it: what it and the exercises that it imports may import."""
        ours = {module.name for module in self.course.modules}
        return tuple(sorted({name for e in (self, *self.imports_exercises) for name in e.allowed_imports} - ours))

    @property
    def _listed(self) -> dict | None:
        return self.course.listing.get("exercises", {}).get(self.id)

    @cached_property
    def _path(self) -> Path:
        return self.solution if self.course.has_solutions else self.stub

    @cached_property
    def _text(self) -> str:
        try:
            return self._path.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise CourseError(f"{self._path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
        except OSError as error:
            raise CourseError(f"{self._path}: {error.strerror}") from None

    @cached_property
    def _tree(self) -> ast.Module | None:
        try:
            return ast.parse(self._text)
        except (SyntaxError, ValueError) as error:
            if not self.course.has_solutions:
                return None  # a learner saves half-typed files: the exercise is still there
            line = getattr(error, "lineno", None) or 1
            raise CourseError(f"{self._path}:{line}: {getattr(error, 'msg', error)}") from None

    @cached_property
    def _imports(self) -> list[str]:
        """Dotted names of everything imported anywhere in the file, in order, without repeats."""
        return list(dict.fromkeys(_imported_names(self._tree))) if self._tree else []


def is_exercise_file(path: Path) -> bool:
    """Whether a Python file in a module folder is an exercise rather than a test, a lesson or a helper."""
    name = path.stem
    if path.suffix != ".py" or name.startswith(("_", "test_")) or name in _NOT_EXERCISES:
        return False
    return name.isidentifier() and path.is_file()


def identifier(name: str) -> str:
    """A name for a module or an exercise, from that of a folder or a notebook: `Problem set 1` gives `Problem_set_1`."""
    name = re.sub(r"\W+", "_", name).strip("_")
    return name if name[:1].isalpha() else f"n{name}"


def _declared_tasks(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__tasks__":
            return [str(each.value) for each in getattr(node.value, "elts", ()) if isinstance(each, ast.Constant)]
    return []


def is_public_definition(node: ast.stmt) -> bool:
    """Whether a top-level statement defines a function or class that learners see as a task."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return isinstance(node, kinds) and not node.name.startswith("_")


def near(name: str, known: Iterable[str]) -> str:
    """The end of an error about an unknown name: the nearest known one, else all of them."""
    known = list(known)
    if close := get_close_matches(str(name), known, n=1):
        return f'; did you mean "{close[0]}"?'
    return f"; there is: {', '.join(known)}" if known else ""


def _imported_names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
