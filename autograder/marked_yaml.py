"""YAML files whose every problem is reported with file, line, column and field, all of them at once."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from autograder.catalog import near

FieldPath = tuple[str, ...]
Place = tuple[int, int]
Model = TypeVar("Model", bound=BaseModel)


class Fields(BaseModel):
    """A mapping of such a file. A field left empty (`activations:`) is an empty mapping."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _empty(cls, value: object) -> object:
        return {} if value is None else value


class Problem(NamedTuple):
    line: int
    column: int
    field: str
    message: str


class Document:
    """A YAML file as plain data that remembers where each field stands. `problems` collects what is wrong with it."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.data: Any = None
        self._found: set[Problem] = set()
        self._keys: dict[FieldPath, Place] = {}
        self._values: dict[FieldPath, Place] = {}
        if (text := self._read(path)) is not None:
            self._compose(text)

    @property
    def problems(self) -> list[str]:
        """One line for each problem, in the order of the file."""
        return [
            f"{self.name}:{line}:{column}: {field + ': ' if field else ''}{message}"
            for line, column, field, message in sorted(self._found)
        ]

    def report(self, path: Iterable[object], message: str, *, at_key: bool = False) -> None:
        """Note a problem with the field at `path`, at its key or else at its value; the first one there counts."""
        path = tuple(map(str, path))
        problem = Problem(*self._place(path, at_key), ".".join(path), message)
        if problem[:3] not in {each[:3] for each in self._found}:
            self._found.add(problem)

    def keys(self, *path: str) -> list[str]:
        """The field names of the mapping at `path`; none when there is no mapping."""
        node = self.data
        for step in path:
            node = node.get(step) if isinstance(node, dict) else None
        return list(node) if isinstance(node, dict) else []

    def parse(self, model: type[Model], fields_at: Callable[[FieldPath], Iterable[str]]) -> Model | None:
        """The data as a `model`, or None after reporting what does not fit; `fields_at` names a mapping's fields."""
        try:
            return model.model_validate({} if self.data is None else self.data)
        except ValidationError as error:
            for each in error.errors():
                path = tuple(str(step) for step in each["loc"] if step != "[key]")
                if each["type"] == "extra_forbidden":
                    self.report(path, f"unknown field{near(path[-1], fields_at(path[:-1]))}", at_key=True)
                else:
                    self.report(path, _sentence(each))
            return None

    def _read(self, path: Path) -> str | None:
        try:
            return path.read_bytes().decode("utf-8-sig")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as error:
            line = path.read_bytes()[: error.start].count(b"\n") + 1
            self._found.add(Problem(line, 1, "", "not UTF-8 text; save the file as UTF-8"))
        except OSError as error:
            self._found.add(Problem(1, 1, "", f"cannot be read: {error.strerror}"))
        return None

    def _compose(self, text: str) -> None:
        try:
            loader = yaml.SafeLoader(text)
            node = loader.get_single_node()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            what = " ".join(filter(None, (error.context, error.problem)))
            self._found.add(Problem(mark.line + 1, mark.column + 1, "", f"not YAML: {what}"))
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            self._found.add(Problem(line, 1, "", f"not YAML: the character U+{error.character:04X} is not allowed"))
        else:
            self.data = self._plain(loader, node, (), ()) if node else None

    def _plain(self, loader: yaml.SafeLoader, node: yaml.Node, path: FieldPath, inside: tuple[yaml.Node, ...]) -> Any:
        """The node as plain data; notes its place, duplicate keys and values that are no YAML."""
        self._values[path] = _place(node)
        if node in inside:
            return self.report(path, "refers to itself")
        inside = (*inside, node)
        if isinstance(node, yaml.SequenceNode):
            return [self._plain(loader, item, (*path, str(i)), inside) for i, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            try:
                return loader.construct_object(node)
            except (yaml.YAMLError, ValueError):
                return self.report(path, f"cannot read {node.value!r} as a value; put it in quotes if it is text")
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
            if key in mapping:
                first = self._keys[(*path, key)][0]
                self._found.add(
                    Problem(*_place(key_node), ".".join((*path, key)), f"given twice; first on line {first}")
                )
                continue
            self._keys[(*path, key)] = _place(key_node)
            mapping[key] = self._plain(loader, value_node, (*path, key), inside)
        return mapping

    def _place(self, path: FieldPath, at_key: bool) -> Place:
        places = self._keys if at_key else self._values
        while path and path not in places:
            path, places = path[:-1], self._values
        return places.get(path, (1, 1))


def _place(node: yaml.Node) -> Place:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _sentence(error: dict[str, Any]) -> str:
    """What pydantic found, in our words: what the field should be, and what it is."""
    value = error["input"]
    kinds = {"model_type": "a mapping of fields", "dict_type": "a mapping of names", "list_type": "a list of names"}
    if error["type"] in kinds:
        message = f"should be {kinds[error['type']]}"
    else:
        message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    shown = {dict: "a mapping", list: "a list"}.get(type(value)) or json.dumps(value, default=str, ensure_ascii=False)
    return f"{message}, not {shown}"
