"""Which libraries an exercise needs that are not here, and how to get them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

IMAGE_MARK = "autograder-image"  # a file that docker/Dockerfile leaves in the environment


def missing(libraries: Iterable[str]) -> list[str]:
    """Those of these top-level modules that cannot be imported here."""
    return sorted(name for name in set(libraries) if find_spec(name) is None)


def in_words(absent: Sequence[str]) -> str:
    """`keras and tensorflow are not installed; run: pip install -e '.[tensorflow]'`"""
    verb = "is" if len(absent) == 1 else "are"
    extras = sorted({extra for name in absent for extra in _extras_with(name)})
    if (Path(sys.prefix) / IMAGE_MARK).exists():
        what = f"EXTRAS={','.join(extras)}" if extras else f"PACKAGES='{' '.join(absent)}'"
        return f"{' and '.join(absent)} {verb} not installed in this image; build it with --build-arg {what}"
    what = f"-e '.[{','.join(extras)}]'" if extras else " ".join(absent)
    return f"{' and '.join(absent)} {verb} not installed; run: pip install {what}"


def _extras_with(library: str) -> list[str]:
    """The extra of this package that brings a library in: the smallest, where there are several."""
    extras: dict[str, set[str]] = {}
    try:
        requirements = [Requirement(line) for line in requires("autograder") or ()]
    except PackageNotFoundError:
        return []
    for requirement in requirements:
        extra = str(requirement.marker or "").partition("extra == ")[2].strip("\"' ")
        extras.setdefault(extra, set()).add(canonicalize_name(requirement.name))
    holding = [extra for extra, names in extras.items() if extra and canonicalize_name(library) in names]
    return sorted(holding, key=lambda extra: len(extras[extra]))[:1]
