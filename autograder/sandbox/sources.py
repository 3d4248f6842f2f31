"""Import modules from given source text instead of from a search path.

The learner's file and the reference have the same dotted name. Each is imported by a finder of its own, and `isolated`
gives a finder its own view of those names, so that both live in one process.
"""

from __future__ import annotations

import linecache
import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import decode_source
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

CELL_BY_CELL = b"# %% cell by cell"  # the first line of a program that is run like a notebook
CHECKPOINTS = "__checkpoints__"
_CELL = re.compile(r"^# %%(?: (?:cell \d+ )?check (?P<checkpoint>[\w.-]+)|.*)\n", re.MULTILINE)

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

    def exec_module(self, module: ModuleType) -> None:
        if module.__name__ not in self.sources or not self._read(module.__name__)[0].startswith(CELL_BY_CELL):
            super().exec_module(module)
            return
        text, filename = self._read(module.__name__)
        _remember_lines(text, filename)
        run_cells(_decode(text), filename, vars(module))

    def get_source(self, fullname: str) -> str | None:
        return _decode(self._read(fullname)[0]) if fullname in self.sources else None

    def _read(self, fullname: str) -> tuple[bytes, str]:
        text, filename = self.sources[fullname]
        return (text if isinstance(text, bytes) else text.read_bytes()), filename


def run_cells(text: str, filename: str, namespace: dict[str, Any]) -> None:
    """Run a program as a notebook is run: what a cell raises is printed, and ends that cell alone.

    A cell that begins with `# %% check NAME` is not run. What the names mean there is kept, below NAME in CHECKPOINTS.
    """
    namespace["display"] = lambda *shown, **options: None
    checkpoints = namespace[CHECKPOINTS] = {}
    marks = list(_CELL.finditer(text))
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        if mark["checkpoint"]:
            checkpoints[mark["checkpoint"]] = dict(namespace)
            continue
        lines_before = "\n" * text.count("\n", 0, mark.end())
        try:
            cell = text[mark.end() : following and following.start()]
            exec(compile(lines_before + cell, filename, "exec", dont_inherit=True), namespace)
        except KeyboardInterrupt:
            raise
        except NotImplementedError:
            pass  # it uses what is yet to be written
        except BaseException as error:
            traceback.print_exception(error.with_traceback(error.__traceback__.tb_next))


class Names:
    """What the names of a program mean at one of its checkpoints. What is set or deleted is so in the program, until `move`."""

    def __init__(self, module: Any):
        self.module, self.here, self.before = module, vars(module), {}

    def get(self, name: str) -> Any:
        """Raises AttributeError."""
        if self.here is vars(self.module):
            return getattr(self.module, name)
        if name not in self.here:
            raise AttributeError(name)
        return self.here[name]

    def set(self, name: str, value: Any) -> None:
        self._remember(name)
        setattr(self.module, name, value)

    def delete(self, name: str) -> None:
        self._remember(name)
        vars(self.module).pop(name, None)

    def move(self, checkpoint: str) -> None:
        """To that place, and to the end of the program where there is none; what was changed is as it was."""
        for name, value in self.before.items():
            vars(self.module).pop(name, None)
            if value is not Names:
                setattr(self.module, name, value)
        self.before = {}
        self.here = vars(self.module).get(CHECKPOINTS, {}).get(checkpoint, vars(self.module))

    def _remember(self, name: str) -> None:
        self.before.setdefault(name, vars(self.module).get(name, Names))  # which no program has


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
