"""Prove the exercises of a course: every gate of the standard, each failure with its gate, file and task.

`prose` reads what is written (docstrings, hints, mistakes, generated files, style of the checks), `probes` reads what the checks
feed in (with `suite`, the checks as source), `kills` has the solution run its examples and measured for branches that the checks
do not reach, and grades it, the stub and every known mistake; `table` says what came out.
"""

from autograder.authoring.verify.report import Problem, Report, Row
from autograder.authoring.verify.run import verify

__all__ = ["Problem", "Report", "Row", "verify"]
