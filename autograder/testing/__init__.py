"""What a check is written with: a plain pytest function over three fixtures, `learner`, `reference` and `probe`.

    @pytest.mark.stage("whole")
    def test_softmax_equals_the_reference(learner, reference, probe):
        x = probe.normal("N C")
        assert_close(learner.softmax(x), reference.softmax(x))

pytest imports this package in every run of the environment, so its names are loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autograder.testing.compare import assert_close, assert_shape
    from autograder.testing.elsewhere import made, there
    from autograder.testing.failures import CheckFailed, Mismatch, MissingTask, NotLoaded, NotStarted
    from autograder.testing.gradients import assert_gradients, numerical_vjp
    from autograder.testing.probe import Probe

__all__ = [
    "CheckFailed",
    "Mismatch",
    "MissingTask",
    "NotLoaded",
    "NotStarted",
    "Probe",
    "assert_close",
    "assert_gradients",
    "assert_shape",
    "made",
    "numerical_vjp",
    "there",
]

_HOME = {
    "compare": ("assert_close", "assert_shape"),
    "elsewhere": ("made", "there"),
    "failures": ("CheckFailed", "Mismatch", "MissingTask", "NotLoaded", "NotStarted"),
    "gradients": ("assert_gradients", "numerical_vjp"),
    "probe": ("Probe",),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOME.items():
        if name in names:
            return getattr(import_module(f"autograder.testing.{module}"), name)
    raise AttributeError(f"module 'autograder.testing' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
