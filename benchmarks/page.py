"""Tables of figures, for the terminal and for a page of docs/, where each replaces the one of an earlier run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table as TerminalTable

DOCS = Path(__file__).parents[1] / "docs"


@dataclass
class Table:
    """Rows of text. The name is also that of its place in the page."""

    name: str
    columns: Sequence[str]
    rows: list[Sequence[str]]

    def for_terminal(self) -> TerminalTable:
        table = TerminalTable(title=self.name)
        for number, column in enumerate(self.columns):
            table.add_column(column, justify="right" if number else "left")
        for row in self.rows:
            table.add_row(*row)
        return table

    def for_page(self) -> str:
        lines = [self.columns, ["---", *["---:"] * (len(self.columns) - 1)], *self.rows]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def put(page: Path, texts: Mapping[str, str]) -> None:
    """Replace what stands between the marks of the page, by their names."""
    text = page.read_text(encoding="utf-8")
    for name, new in texts.items():
        head, begin, rest = text.partition(f"<!-- {name} -->\n")
        _, end, tail = rest.partition("<!-- end -->\n")
        if not end:
            raise SystemExit(f"{page} has no place for {name!r}")
        text = head + begin + new + end + tail
    page.write_text(text, encoding="utf-8")
