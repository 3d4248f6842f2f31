"""The learners' repository: stubs, public tests, hints, lessons and the package, nothing that is to stay hidden."""

import hashlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import autograder
from autograder.authoring import edition
from autograder.authoring.build import planned
from autograder.authoring.leaks import PRIVATE_FOLDERS, find_leaks, regular_files
from autograder.authoring.sources import AuthoringError
from autograder.catalog import LISTING, Course, Module
from autograder.policy import Policy

MANIFEST = ".autograder-release"
LICENSES = ("LICENSE", "LICENSE.md", "LICENSE.txt", "COPYING")

_JUNK_SUFFIXES = frozenset({".pyc", ".pyo", ".bak", ".orig", ".rej", ".swp", ".tmp"})


class ReleaseError(AuthoringError):
    """Nothing was released; the message says why."""


def release(
    course: Course, out: str | Path, modules: Iterable[str] | None = None, classroom: bool = False
) -> list[Path]:
    """Write the learners' repository to `out`, a new folder or an earlier release; returns its files, relative to it.

    With `classroom` it has a workflow that posts points to GitHub Classroom.

    It is put together and searched for leaks next to `out` first, so `out` changes only when all is well.
    """
    out = Path(out).resolve()
    plan = planned(course)
    chosen = _chosen(course, modules)
    _refuse_bad_place(course, out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as temporary:
        staging = Path(temporary) / "release"
        _fill(staging, course, chosen, plan, classroom)
        if leaks := find_leaks(course, staging):
            raise ReleaseError("nothing was released, because it would give solutions away:\n" + "\n".join(leaks))
        files = [path.relative_to(staging) for path in regular_files(staging)]
        _install(staging, files, out)
    return files


def _chosen(course: Course, names: Iterable[str] | None) -> list[Module]:
    """The modules asked for, or all; whatever their exercises import must be among them."""
    wanted = {course.module(name).name for name in names or ()}
    chosen = [module for module in course.modules if module.name in wanted or not wanted]
    for exercise in (exercise for module in chosen for exercise in module.exercises):
        for other in exercise.imports_exercises:
            if wanted and other.module not in wanted:
                raise ReleaseError(f"{exercise.id} imports {other.id}; release that too: --module {other.module}")
    if not any(module.exercises for module in chosen):
        raise ReleaseError("nothing to release: there are no exercises in what was chosen")
    return chosen


def _refuse_bad_place(course: Course, out: Path) -> None:
    if course.root.is_relative_to(out):
        raise ReleaseError(f"{out} holds the course itself; release to a folder of its own")
    package = Path(autograder.__file__).resolve().parent
    for source in (course.exercises_dir, course.solutions_dir, course.graders_dir, package):
        if out.is_relative_to(source):
            raise ReleaseError(f"{out} lies in {source}, which is part of what is released; name another folder")
    if out.exists() and not out.is_dir():
        raise ReleaseError(f"{out} is a file; name a folder")
    if out.is_dir() and any(out.iterdir()) and not (out / MANIFEST).is_file():
        raise ReleaseError(f"{out} is not empty and is not an earlier release; name a new folder")


def _fill(staging: Path, course: Course, modules: list[Module], plan: dict[Path, bytes], classroom: bool) -> None:
    """Put the repository together. Generated files come from the solutions, never from what lies in exercises/."""
    names = {module.name for module in modules}
    for path, content in plan.items():
        if path.parent.name in names:
            _put(staging / path.relative_to(course.root), content)
    for path in _hand_written(course, modules):
        _put(staging / path.relative_to(course.root), path.read_bytes())
    package = Path(autograder.__file__).resolve().parent
    for path in _package_files(package):
        _put(staging / "autograder" / path.relative_to(package), path.read_bytes())
    policy = Policy.load(course)
    exercises = [exercise for exercise in policy.exercises(course) if exercise.module in names]
    _put(staging / "pyproject.toml", edition.pyproject().encode())
    _put(staging / "README.md", edition.readme(policy.title, exercises).encode())
    _put(staging / LISTING, edition.listing(policy, exercises).encode())
    _put(staging / ".gitignore", edition.GITIGNORE.encode())
    if classroom:
        _put(staging / ".github" / "workflows" / "classroom.yml", edition.workflow(exercises).encode())
    for path in map(course.root.joinpath, LICENSES):
        if path.is_file() and not path.is_symlink():
            _put(staging / path.name, path.read_bytes())
    _put(staging / MANIFEST, _manifest(staging).encode())


def _hand_written(course: Course, modules: list[Module]) -> list[Path]:
    """What lies in exercises/ and is not generated: public tests, hints, READMEs, helpers and data."""
    shared = [path for path in course.exercises_dir.glob("*") if path.is_file() and not path.is_symlink()]
    own = [path for module in modules if not module.folder.is_symlink() for path in regular_files(module.folder)]
    return [path for path in (*shared, *own) if _is_for_learners(path.relative_to(course.exercises_dir))]


def _is_for_learners(path: Path) -> bool:
    """Anything but junk, notebooks, and Python that is neither test nor helper: it may be somebody's attempt."""
    if _is_junk(path) or path.suffix == ".ipynb":
        return False
    helper = path.name.startswith(("test_", "_")) or path.name == "conftest.py"
    return path.suffix != ".py" or (helper and len(path.parts) <= 2)


def _package_files(package: Path) -> list[Path]:
    """The package without the rooms, and the commands, that only instructors have."""
    relative = [path.relative_to(package) for path in regular_files(package)]
    return [package / p for p in relative if not _is_junk(p) and PRIVATE_FOLDERS.isdisjoint((*p.parts, p.stem))]


def _is_junk(path: Path) -> bool:
    hidden = any(part.startswith(".") or part == "__pycache__" for part in path.parts)
    return hidden or path.suffix in _JUNK_SUFFIXES or path.name.endswith("~")


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _manifest(folder: Path) -> str:
    """What `sha256sum -c` reads: the hash and the path of every file."""
    return "".join(f"{_sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in regular_files(folder))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _install(staging: Path, files: list[Path], out: Path) -> None:
    """Move the files to `out` and remove those of an earlier release that are gone; nobody's own work is touched."""
    earlier = _earlier_files(out)
    for path in files:
        if (out / path).exists() and path not in earlier and path != Path(MANIFEST):
            raise ReleaseError(f"{out / path} is in the way: no release made it; move it elsewhere")
    for path in sorted(files, key=lambda path: path == Path(MANIFEST)):
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        os.replace(staging / path, out / path)
    for path in set(earlier) - set(files):
        (out / path).unlink(missing_ok=True)
        for folder in path.parents[:-1]:
            if (out / folder).is_dir() and not any((out / folder).iterdir()):
                (out / folder).rmdir()


def _earlier_files(out: Path) -> set[Path]:
    """The files that an earlier release put in `out`, all still as it left them."""
    manifest = out / MANIFEST
    files = set()
    for line in manifest.read_text().splitlines() if manifest.is_file() else ():
        digest, _, name = line.partition("  ")
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not name:
            raise ReleaseError(f"{manifest} is damaged; release to a new folder")
        if (out / path).is_file() and _sha256(out / path) != digest:
            raise ReleaseError(
                f"{out / path} was edited after the release; release to a new folder, or remove that file"
            )
        files.add(Path(path))
    return files
