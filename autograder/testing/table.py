"""Two arrays side by side, near the place where they differ most."""

from __future__ import annotations

from typing import Any

import numpy as np

MAX_ROWS = 7
GAP = "   "


def side_by_side(got: np.ndarray, expected: np.ndarray, worst: tuple[int, ...], width: int) -> list[tuple[str, bool]]:
    """Lines of text of at most `width`, the first a heading; each with whether it holds the worst value.

    Arrays of more than two axes show the plane of the worst value; large ones the rows and columns around it.
    """
    plane, (row, column) = _plane(got, expected, worst)
    got, expected = plane
    rows = _window(row, got.shape[0], MAX_ROWS)
    digits = _digits(got[row, column], expected[row, column])
    texts = _texts(got[rows], digits), _texts(expected[rows], digits)
    columns = slice(0, got.shape[1])
    while _width(texts, columns) > width and columns.stop - columns.start > 1:
        columns = _window(column, got.shape[1], columns.stop - columns.start - 1)
    where = _where(worst, rows, columns, plane[0].shape)
    lines = [_line(text, columns) for text in zip(*texts, strict=True)]
    left = max(len(f"got{where}"), *(len(line[0]) for line in lines))
    heading = f"  {f'got{where}':{left}}{GAP}expected{where}"
    body = [
        (f"{'>' if index == row else ' '} {line[0]:{left}}{GAP}{line[1]}", index == row)
        for index, line in zip(range(rows.start, rows.stop), lines, strict=True)
    ]
    return [(heading, False), *body]


def _plane(got: np.ndarray, expected: np.ndarray, worst: tuple[int, ...]) -> tuple[tuple[np.ndarray, np.ndarray], Any]:
    """The last two axes at the worst index; an array of one axis is a single row."""
    if got.ndim == 1:
        return (got[None], expected[None]), (0, worst[0])
    return (got[worst[:-2]], expected[worst[:-2]]), worst[-2:]


def _window(centre: int, length: int, size: int) -> slice:
    start = max(0, min(centre - size // 2, length - size))
    return slice(start, min(length, start + size))


def _digits(got: Any, expected: Any) -> int:
    """How many significant digits tell the worst value from the expected one."""
    return next((digits for digits in (4, 6, 9, 12) if _text(got, digits) != _text(expected, digits)), 17)


def _texts(values: np.ndarray, digits: int) -> list[list[str]]:
    """Each value, padded to the width of the widest."""
    texts = [[_text(value, digits) for value in row] for row in values]
    width = max((len(text) for row in texts for text in row), default=0)
    return [[text.rjust(width) for text in row] for row in texts]


def _text(value: Any, digits: int) -> str:
    if isinstance(value, np.inexact):
        return f"{value + 0:.{digits}g}"
    return str(value)


def _line(pair: tuple[list[str], list[str]], columns: slice) -> tuple[str, str]:
    got, expected = ("[" + " ".join(row[columns]) + "]" for row in pair)
    return got, expected


def _width(texts: tuple[list[list[str]], list[list[str]]], columns: slice) -> int:
    return 2 + len(GAP) + sum(max(len(" ".join(row[columns])) + 2 for row in side) for side in texts)


def _where(worst: tuple[int, ...], rows: slice, columns: slice, shape: tuple[int, int]) -> str:
    """The index of what is shown, as one would write it; empty when that is everything."""
    last = [_range(columns, shape[1])]
    ranges = last if len(worst) == 1 else [*map(str, worst[:-2]), _range(rows, shape[0]), *last]
    return "" if set(ranges) == {":"} else f"[{', '.join(ranges)}]"


def _range(part: slice, length: int) -> str:
    return ":" if part == slice(0, length) else f"{part.start}:{part.stop}"
