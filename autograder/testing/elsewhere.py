"""Run a few lines of a check where the learner's code runs, in one round trip."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def there(module: Any, function: Callable) -> Any:
    """A function of a check's file, made anew where the module's code runs: `there(learner, steps)(model, 3)`.

    It has no global names, so it imports what it needs, and it shares the learner's process: what it returns is the learner's
    word. Use it to prepare what their functions are given, not to judge what comes back.

    Args:
        module: the learner's module, or the reference.
    """
    source, name = inspect.getsource(function), function.__name__
    return made(module, f"(lambda names: (exec({source!r}, names), names[{name!r}])[1])({{}})")


def made(module: Any, text: str) -> Any:
    """A function written as text, made where the module's code runs: `made(learner, "lambda scale, x: scale(x.T)")`.

    As with `there`, what it returns is the learner's word. It has no global names but Python's own.

    Args:
        module: the learner's module, or the reference.
    """
    return module.library("builtins").eval(text)
