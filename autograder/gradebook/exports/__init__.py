"""Results in the formats of other systems, one file of this folder for each.

Every exporter is a function of (graded, out, options) that writes below `out` and returns the files. All of them give learners what
the feedback pages give: never a hidden check's inputs. Points that are not known yet are left out, never a zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autograder.grading.graded import Graded


@dataclass(frozen=True)
class Options:
    """What an exporter may be told.

    Attributes:
        template: a file of the other system to fill in (a Canvas gradebook).
        title: what the assignment is called there.
    """

    template: Path | None = None
    title: str = ""


Exporter = Callable[[Graded, Path, Options], list[Path]]


def exporters() -> dict[str, Exporter]:
    """By the name that `autograder export --to` takes."""
    from autograder.gradebook.exports import autolab, canvas, classroom, gradescope, junit, lti, oneroster

    modules = {
        "canvas": canvas, "gradescope": gradescope, "classroom": classroom, "junit": junit,
        "lti": lti, "oneroster": oneroster, "autolab": autolab,
    }  # fmt: skip
    return {name: module.export for name, module in modules.items()}
