"""A sample class to try grading on: right, wrong, unfinished, broken and hostile work of module m00_foundations.

It is made from the solutions, so it stays true to them, and is the same on every machine.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autograder.authoring.build import stub_text
from autograder.catalog import Course, CourseError, Module
from autograder.grading.mistakes import apply_mistake, load_mistakes

MODULE = "m00_foundations"
EXERCISES = ("perceptron", "activations", "losses", "layers", "mlp", "gradient_check", "gradient_descent")
Edit = Callable[["Sources", str], bytes]  # (the module's sources, exercise) -> what this learner hands in for it


@dataclass(frozen=True)
class Learner:
    """One learner of the class.

    Attributes:
        form: "folder", "nested" (folders within their folder), "zip" or "files" (<learner>_<exercise>.py).
        edits: what they hand in instead of the solution, by exercise.
        only: the exercises they hand in; all by default.
        extra: other files in their folder.
    """

    name: str
    form: str = "folder"
    edits: Mapping[str, Edit] = field(default_factory=dict)
    only: tuple[str, ...] | None = None
    extra: Mapping[str, bytes] = field(default_factory=dict)


class Sources:
    """The solutions, stubs and mistakes of the module."""

    def __init__(self, module: Module):
        self.solutions = {e.name: e.solution.read_text(encoding="utf-8") for e in module.exercises}
        self.stubs = {e.name: stub_text(e.solution) for e in module.exercises}
        self.mistakes = {(m.exercise, m.task, m.name): m for m in load_mistakes(module.exercises[0].mistakes)}


def unfinished(sources: Sources, exercise: str) -> bytes:
    """The stub as it was handed out."""
    return sources.stubs[exercise].encode()


def mistaken(*names: tuple[str, str]) -> Edit:
    """The solution with named mistakes, (task, name) each."""

    def edit(sources: Sources, exercise: str) -> bytes:
        text = sources.solutions[exercise]
        for task, name in names:
            text = apply_mistake(text, sources.mistakes[exercise, task, name])
        return text.encode()

    return edit


def replaced(old: str, new: str) -> Edit:
    """The solution with one piece of text, which must be there, replaced."""

    def edit(sources: Sources, exercise: str) -> bytes:
        text = sources.solutions[exercise]
        if old not in text:
            raise CourseError(f"the sample class wants to replace {old!r} in {exercise}, where it is not")
        return text.replace(old, new, 1).encode()

    return edit


def appended(code: str) -> Edit:
    """The solution with more code behind it."""
    return lambda sources, exercise: sources.solutions[exercise].encode() + code.encode()


def encoded(encoding: str, line_end: str = "\n") -> Edit:
    """The solution in another encoding."""
    return lambda sources, exercise: sources.solutions[exercise].replace("\n", line_end).encode(encoding, "replace")


SPY = '''
def softmax(x, axis=-1):
    """Looks for the reference instead of computing anything."""
    import gc, pathlib
    found = [o for o in gc.get_objects() if getattr(o, "__name__", "") == "softmax" and o is not softmax]
    text = [path.read_text() for path in pathlib.Path("/").glob("*/solutions/m00_foundations/activations.py")]
    return found[0](x, axis) if found else text[0]


def relu(x):
    """Claims to be equal to everything."""
    class Equal(float):
        __eq__ = lambda self, other: True
        __ne__ = lambda self, other: False
        __array__ = lambda self, *args, **kwargs: (_ for _ in ()).throw(TypeError())
        shape, dtype = x.shape, x.dtype
    return Equal(1.0)
'''

LEARNERS = (
    Learner("ada"),
    Learner("alan", "zip"),
    Learner("barbara", "nested"),
    Learner("claude", edits={"activations": mistaken(("softmax", "overflows for large scores"))}),
    Learner("donald", edits={"activations": mistaken(("relu", "writes into its input"), ("tanh", "loses the sign"))}),
    Learner("edsger", "zip", edits={"activations": mistaken(("softmax", "ignores axis"), ("log_softmax", "ignores axis"))}),
    Learner("frances", edits={"activations": mistaken(("sigmoid_grad", "takes x for the output"))}),
    Learner("grace", edits=dict.fromkeys(EXERCISES[4:], unfinished)),
    Learner("hedy", "files", only=("activations",)),
    Learner("ivan", "files", only=("activations", "losses", "perceptron")),
    Learner("jean", edits=dict.fromkeys(EXERCISES, unfinished)),
    Learner("john", edits={"losses": replaced("def hinge(", "def hinge((")}),
    Learner("karen", edits={"activations": replaced("shifted = x - x.max", "while True: pass\n    shifted = x - x.max")}),
    Learner("ken", edits={"activations": replaced("return np.maximum(x, 0.0)", "__import__('os')._exit(0)")}),
    Learner("leslie", edits={"losses": appended("\nwhile True:\n    pass\n")}),
    Learner("luc", edits={"perceptron": encoded("utf-16")}),
    Learner("margaret", edits={"layers": replaced("return x @ w + b", "return (x @ w + b).T")}),
    Learner("marvin", only=("perceptron", "activations", "losses", "layers", "gradient_check")),
    Learner("niklaus", edits={"activations": appended("\nimport torch\n")}),
    Learner("ole", edits={"activations": appended("\nprint('hello ' * 100_000)\n")}),
    Learner("peter", extra={"torch.py": b"raise SystemExit", "conftest.py": b"import os; os._exit(0)", "notes.txt": b"done!"}),
    Learner("radia", edits=dict.fromkeys(EXERCISES[:3], encoded("utf-8-sig", "\r\n"))),
    Learner("rosa", edits={"gradient_descent": appended("\nraise RuntimeError('left from debugging')\n")}),
    Learner("sophie", edits={"activations": appended(SPY)}),
    Learner("tim", edits={"activations": lambda sources, exercise: b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 40}),
    Learner("ursula", edits={"activations": replaced("return np.maximum(x, 0.0)", "return np.maximum(x, 0.0).astype(np.float32)")}),
    Learner("vint", edits={"losses": lambda sources, exercise: b"", "layers": unfinished}),
    Learner("wim", edits={"activations": appended("\ndel relu_grad, tanh_grad\n")}),
    Learner("yukihiro", only=()),
    Learner("zoë <b>", "zip"),
)  # fmt: skip


def write_sample_class(course: Course, out: Path) -> int:
    """Write the submissions to `out`, which must not exist, and return how many learners there are.

    Raises:
        CourseError: `out` exists, or the course has no module m00_foundations.
    """
    if out.exists():
        raise CourseError(f"{out} exists already; name a folder that does not, or remove it")
    sources = Sources(course.module(MODULE))
    for learner in LEARNERS:
        write_submission(learner, sources, out)
    (out / "broken.zip").write_bytes(b"PK\x03\x04 this is no zip file")
    return len(LEARNERS) + 1


def write_submission(learner: Learner, sources: Sources, out: Path) -> None:
    names = sources.solutions if learner.only is None else learner.only
    edits = {
        name: learner.edits.get(name, lambda sources, exercise: sources.solutions[exercise].encode()) for name in names
    }
    files = {f"{MODULE}/{name}.py": edit(sources, name) for name, edit in edits.items()}
    files |= {f"{MODULE}/{name}": text for name, text in learner.extra.items()}
    out.mkdir(parents=True, exist_ok=True)
    if learner.form == "zip":
        (out / f"{learner.name}.zip").write_bytes(_zip(files))
    elif learner.form == "files":
        for path, text in files.items():
            (out / f"{learner.name}_{Path(path).name}").write_bytes(text)
    else:
        folder = out / learner.name / ("homework/first hand-in" if learner.form == "nested" else "")
        folder.mkdir(parents=True)
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(text)


def _zip(files: Mapping[str, bytes]) -> bytes:
    """A zip of the same bytes every time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return buffer.getvalue()
