"""Import modules from given source text instead of from a search path.

The learner's file and the reference have the same dotted name. Each is imported by a finder of its own, and `isolated`
gives a finder its own view of those names, so that both live in one process.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import decode_source
from pathlib import Path
from types import CodeType, ModuleType

Source = tuple[bytes | Path, str]  # the text, or the file that holds it; the file name to show in tracebacks


class SourceFinder(MetaPathFinder, InspectLoader):
    """Finds and loads modules by dotted name.

    Args:
        sources: `{"m00_foundations.layers": (text, filename)}`. The packages above a name need no entry of their own.
    """

    def __init__(self, sources: Mapping[str, Source]):
        self.sources = dict(sources)
        self.packages = {name[:i] for name in self.sources for i, letter in enumerate(name) if letter == "."}
        self.names = tuple(self.sources.keys() | self.packages)
        self.filenames = frozenset(filename for _, filename in self.sources.values())
        self.modules: dict[str, ModuleType] = {}

    @contextmanager
    def isolated(self) -> Iterator[None]:
        """Within the block the names of this finder mean its own modules, whatever else is imported under them."""
        if sys.meta_path and sys.meta_path[0] is self:
            yield
            return
        hidden = _take(self.names)
        sys.modules.update(self.modules)
        sys.meta_path.insert(0, self)
        try:
            yield
        finally:
            sys.meta_path.remove(self)
            self.modules = _take(self.names)
            sys.modules.update(hidden)

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        is_package = fullname in self.packages
        if fullname in self.sources:
            spec = ModuleSpec(fullname, self, origin=self.sources[fullname][1], is_package=is_package)
            spec.has_location = True  # the module gets a __file__
            return spec
        return ModuleSpec(fullname, self, is_package=True) if is_package else None

    def is_package(self, fullname: str) -> bool:
        return fullname in self.packages

    def get_code(self, fullname: str) -> CodeType | None:
        if fullname not in self.sources:
            return compile("", f"<package {fullname}>", "exec")
        text, filename = self._read(fullname)
        _remember_lines(text, filename)
        # From bytes, the compiler itself sees to the byte order mark, the line ends and the encoding cookie.
        return compile(text, filename, "exec", dont_inherit=True)

    def get_source(self, fullname: str) -> str | None:
        return _decode(self._read(fullname)[0]) if fullname in self.sources else None

    def _read(self, fullname: str) -> tuple[bytes, str]:
        text, filename = self.sources[fullname]
        return (text if isinstance(text, bytes) else text.read_bytes()), filename


def _take(names: tuple[str, ...]) -> dict[str, ModuleType]:
    return {name: sys.modules.pop(name) for name in names if name in sys.modules}


def _remember_lines(text: bytes, filename: str) -> None:
    """Tracebacks show the text that runs, even when there is no such file or it was edited since."""
    lines = _decode(text).splitlines(keepends=True)
    linecache.cache[filename] = (len(text), None, lines, filename)


def _decode(text: bytes) -> str:
    try:
        return decode_source(text)
    except (SyntaxError, UnicodeError):  # the import itself reports what is wrong with it
        return text.decode("latin-1")
