"""The zip that an instructor uploads: this package, the references and hidden checks, and the two scripts that Gradescope runs."""

from __future__ import annotations

import shlex
import stat
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import autograder
from autograder.authoring import edition
from autograder.catalog import Exercise
from autograder.policy import Policy

HERE = Path(__file__).parent
PACKAGE = Path(autograder.__file__).resolve().parent
JUNK = {"__pycache__", ".git", ".autograder"}
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same course makes the same zip


def write_bundle(policy: Policy, exercises: Sequence[Exercise], out: Path, minutes: float, unsafe: bool) -> list[str]:
    """Write the zip.

    Args:
        exercises: what a submission there is graded on.
        minutes: after which grading is given up; less than what Gradescope allows.
        unsafe: grade even where the machine cannot hold untrusted code.

    Returns:
        The names of the files in it.
    """
    frameworks = edition.frameworks(exercises)
    options = [word for exercise in exercises for word in ("--exercise", exercise.id)] + ["--unsafe"] * unsafe
    scripts = {
        "setup.sh": {"@EXTRAS@": f"[{','.join(frameworks)}]" if frameworks else ""},
        "run_autograder": {"@SECONDS@": str(round(60 * minutes)), "@OPTIONS@": shlex.join(options)},
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, replaced in scripts.items():
            text = (HERE / name).read_text(encoding="utf-8")
            for mark, words in replaced.items():
                text = text.replace(mark, words)
            _add(archive, name, text.encode(), executable=True)
        _add(archive, "pyproject.toml", edition.pyproject().encode())
        _add(archive, "README.md", f"# {policy.title}: the autograder for Gradescope\n".encode())
        constraints = PACKAGE.parent / "constraints.txt"
        _add(archive, "constraints.txt", constraints.read_bytes() if constraints.is_file() else b"")
        for path, name in _files(policy):
            _add(archive, name, path.read_bytes())
        return archive.namelist()


def _files(policy: Policy) -> Iterator[tuple[Path, str]]:
    """Every file of the package and of the course that grading needs, and its name in the zip."""
    course = policy.course
    others = {"graders"} - {part for part in course.graders_dir.parts if course.graders_dir.is_relative_to(PACKAGE)}
    folders = {PACKAGE: "autograder", course.solutions_dir: course.solutions_dir.relative_to(course.root).as_posix()}
    if not course.graders_dir.is_relative_to(PACKAGE):
        folders[course.graders_dir] = course.graders_dir.relative_to(course.root).as_posix()
    for folder, name in folders.items():
        for path in sorted(folder.rglob("*")):
            inside = path.relative_to(folder)
            if folder == PACKAGE and inside.parts[0] in others:
                continue  # those of the course that comes with the package
            if path.is_file() and not JUNK.intersection(inside.parts) and path.suffix != ".pyc":
                yield path, f"{name}/{inside.as_posix()}"
    if course.grading_file.is_file():
        yield course.grading_file, course.grading_file.name


def _add(archive: zipfile.ZipFile, name: str, content: bytes, executable: bool = False) -> None:
    about = zipfile.ZipInfo(name, EPOCH)
    about.external_attr = (stat.S_IFREG | (0o755 if executable else 0o644)) << 16
    about.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(about, content)
