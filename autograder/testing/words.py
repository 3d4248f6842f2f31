"""Values in words, for sentences: safe for any value, whatever its class does."""

from __future__ import annotations

import re
import sys
from typing import Any

import numpy as np

from autograder.sandbox.wire import is_tensorflow

MAX_REPR = 60
CONTROL = re.compile(r"[^\n\x20-\x7e\xa0-\U0010ffff]")


def is_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def is_array(value: Any) -> bool:
    """A NumPy array, or a tensor of either framework."""
    return type(value) is np.ndarray or is_tensor(value) or is_tensorflow(value)


def type_name(value: Any) -> str:
    """The name of a value's class; for a proxy, that of the object it stands for."""
    kind = type(value)
    if kind.__module__.startswith("autograder."):
        return str(getattr(value, "__dict__", {}).get("_type", kind.__name__))
    return kind.__name__


def dtype_name(value: Any) -> str:
    """ "float32", for arrays and tensors alike."""
    return value.dtype.name if is_tensorflow(value) else str(value.dtype).removeprefix("torch.")


def a_kind(value: Any) -> str:
    """What kind of thing a value is: "a NumPy array", "None", "the int 3", "a DataFrame"."""
    if value is None:
        return "None"
    if type(value) is np.ndarray:
        return "a NumPy array"
    if is_tensor(value):
        return "a torch tensor"
    if is_tensorflow(value):
        return "a TensorFlow tensor"
    if type(value) in (bool, int, float, complex):
        return f"the {type(value).__name__} {number(value)}"
    if isinstance(value, np.generic):
        return f"a NumPy {value.dtype.name}"
    return with_article(type_name(value))


def with_article(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def number(value: Any) -> str:
    """A number as a person would write it: six significant digits, integers whole."""
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, int | np.integer):
        # Python refuses to print integers of thousands of digits, and nobody wants to read them.
        return str(int(value)) if abs(int(value)) < 10**18 else f"an integer of {int(value).bit_length()} bits"
    if isinstance(value, complex | np.complexfloating):
        return f"{complex(value) + 0:.6g}"
    return f"{float(value) + 0.0:.6g}"  # the sum turns -0.0 into 0.0


def two_numbers(got: Any, expected: Any) -> tuple[str, str]:
    """Both with as many digits as it takes to tell them apart."""
    texts = number(got), number(expected)
    if texts[0] != texts[1] or isinstance(got, int | np.integer | np.bool_):
        return texts
    kind = complex if isinstance(got, complex | np.complexfloating) else float
    for digits in (9, 12, 17):
        texts = f"{kind(got):.{digits}g}", f"{kind(expected):.{digits}g}"
        if texts[0] != texts[1]:
            break
    return texts


def plain(text: str) -> str:
    """Text that a terminal shows as it is: the learner's code may have put control sequences into it."""
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.replace("\t", "    "))


def shortened(text: str, limit: int = MAX_REPR) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def briefly(value: Any, depth: int = 2) -> str:
    """A value in a call's sentence: arrays by dtype and shape, plain values themselves, anything else by its type."""
    if value is None:
        return "None"
    if isinstance(value, str | bytes):
        return shortened(repr(value[: 2 * MAX_REPR]), 40)
    if isinstance(value, bool | int | float | complex | np.number | np.bool_):
        return number(value)
    if is_array(value):
        return f"{dtype_name(value)} {tuple(value.shape)}"
    if type(value) in (list, tuple, dict) and depth == 0:
        return f"{type(value).__name__} of {len(value)}"
    if type(value) is dict:
        return _within(
            "{", [f"{briefly(k, 0)}: {briefly(v, depth - 1)}" for k, v in _first(value.items())], len(value), "}"
        )
    if type(value) in (list, tuple):
        items = [briefly(item, depth - 1) for item in _first(value)]
        opening, closing = "[]" if type(value) is list else ("(", ",)" if len(value) == 1 else ")")
        return _within(opening, items, len(value), closing)
    if callable(value) and hasattr(value, "__qualname__"):
        return shortened(str(value.__qualname__).rpartition(".")[2].strip("<>"), 40)
    return shortened(type_name(value), 40)


def _first(items: Any, count: int = 6) -> list:
    return [item for item, _ in zip(items, range(count), strict=False)]


def _within(opening: str, items: list[str], total: int, closing: str) -> str:
    more = [f"… {total} in all"] if total > len(items) else []
    return opening + ", ".join(items + more) + closing
