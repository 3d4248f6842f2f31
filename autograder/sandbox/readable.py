"""Which files a worker may read.

The standard library, the system's shared libraries, and of the installed packages only what the worker's libraries
need. Everything else, other packages and this one among them, stays out of sight.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import stat
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SYSTEM_FILES = (
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/usr/lib/locale",
    "/dev/null",
    "/dev/urandom",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
)
PACKAGE_FOLDERS = {"site-packages", "dist-packages"}


def readable_paths(libraries: Sequence[str]) -> list[str]:
    """The files and folders to read for a worker with these third-party `libraries` (top-level import names)."""
    libraries = [library for library in libraries if library not in sys.stdlib_module_names]
    paths = [*SYSTEM_FILES, *_standard_library(), *_shared_libraries()]
    for distribution in _with_dependencies(libraries):
        paths += _contents(distribution)
    paths += _undistributed(libraries)
    return sorted({str(path) for path in paths if os.path.exists(path)})


def importable_modules(libraries: Sequence[str]) -> list[str]:
    """The top-level modules that `readable_paths` lets a worker import, besides the standard library.

    A worker must hide all others from its libraries: these try optional packages and can do without one that is not
    found, but not with one that is found and cannot be read.
    """
    entries = {entry for distribution in _with_dependencies(libraries) for entry in _contents(distribution)}
    names = {entry.name.partition(".")[0] for entry in entries}
    return sorted({name for name in names if name.isidentifier()} | set(libraries))


def readable_by_others(paths: Iterable[str]) -> bool:
    """Whether a user who owns nothing can read all these paths, so that workers may have user ids of their own."""
    folders = {parent for path in paths for parent in Path(path).resolve().parents}
    return all(_permits(folder, stat.S_IXOTH) for folder in folders) and all(
        _permits(path, stat.S_IROTH) for path in paths
    )


def _permits(path: str | Path, permission: int) -> bool:
    mode = os.stat(path).st_mode
    wanted = permission | stat.S_IXOTH if stat.S_ISDIR(mode) else permission
    return mode & wanted == wanted


def _standard_library() -> Iterator[Path]:
    """Entry by entry, because most installations keep the packages inside."""
    folder = Path(sysconfig.get_path("stdlib"))
    yield from (entry for entry in folder.iterdir() if entry.name not in PACKAGE_FOLDERS)
    yield from (Path(entry) for entry in sys.path if entry.endswith(("lib-dynload", ".zip")))


def _shared_libraries() -> Iterator[Path]:
    architecture = sysconfig.get_config_var("MULTIARCH") or "no-multiarch"
    for folder in (Path("/lib64"), Path("/usr/lib64"), Path("/lib", architecture), Path("/usr/lib", architecture)):
        if folder.is_dir():
            yield from _without_pythons(folder)
    for folder in (Path("/lib"), Path("/usr/lib"), Path("/usr/local/lib"), Path(sys.base_prefix, "lib")):
        yield from folder.glob("*.so*")


def _without_pythons(folder: Path) -> list[Path]:
    """The folder, or where it also holds Python installations (and their packages) all its other entries."""
    entries = list(folder.iterdir())
    others = [entry for entry in entries if not entry.name.startswith(("python", "pypy"))]
    return [folder] if len(others) == len(entries) else others


def _with_dependencies(libraries: Sequence[str]) -> list[Distribution]:
    """The distributions of these libraries and of all they require here, with the extras asked for on the way."""
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    queue = [(distribution, "") for library in libraries if (distribution := _distribution_of(library))]
    while queue:
        distribution, extra = queue.pop()
        name = canonicalize_name(distribution.name)
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        found[name] = distribution
        for requirement in map(Requirement, distribution.requires or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                try:
                    required = importlib.metadata.distribution(requirement.name)
                except PackageNotFoundError:
                    continue
                queue += [(required, wanted) for wanted in ("", *requirement.extras)]
    return list(found.values())


def _distribution_of(library: str) -> Distribution | None:
    """The distribution that installed the top-level module `library`; often, not always, it has the same name."""
    try:
        distribution = importlib.metadata.distribution(library)
        if any(entry.stem == library for entry in _contents(distribution)):
            return distribution
    except PackageNotFoundError:
        pass
    names = importlib.metadata.packages_distributions().get(library)
    return importlib.metadata.distribution(names[0]) if names else None


def _contents(distribution: Distribution) -> set[Path]:
    """The top-level files and folders of a distribution."""
    contents = set()
    for line in (distribution.read_text("RECORD") or "").splitlines():  # faster than .files, which counts for torch
        file = line.partition(",")[0]
        first = file.partition("/")[0]
        if first == "__pycache__":
            contents.add(file)
        elif first not in ("", ".."):
            contents.add(first)
    return {Path(distribution.locate_file(name)) for name in contents}


def _undistributed(libraries: Sequence[str]) -> Iterator[str]:
    """Where a library lives that no distribution lists: a folder on the path, or an installation without records."""
    for library in libraries:
        spec = importlib.util.find_spec(library)
        if spec and spec.submodule_search_locations:
            yield from spec.submodule_search_locations
        elif spec and spec.origin:
            yield spec.origin
