"""The kill table: what each exercise's checks catch, as Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence

from autograder.authoring.verify.report import Row

HEAD = """# Kill table

What `autograder verify` measured: every named mistake is handed in, and graded by the hidden checks, through the jail, and by the
public checks. *Named* counts the mistakes that the diagnosis names to the learner (in brackets: without a second candidate).
*Noise* is the largest part of a tolerance that the reference's own rounding uses up (at most 0.1), *nearest* how many
tolerances the nearest mistake is away (at least 10; ∞ where every mistake fails in another way, by a shape or an exception).
`autograder verify --table` writes this file.

| exercise | tasks | hidden checks | public checks | mistakes | killed by hidden | by public | named | noise | nearest |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|
"""


def kill_table(rows: Sequence[Row]) -> str:
    total = Row("**all**", 0)
    total.nearest = min((row.nearest for row in rows), default=math.inf)
    total.noise = max((row.noise for row in rows), default=0.0)
    for name in ("tasks", "checks", "public_checks", "mistakes", "killed", "public_killed", "named", "alone"):
        setattr(total, name, sum(getattr(row, name) for row in rows))
    return HEAD + "".join(_line(row) for row in (*rows, total))


def _line(row: Row) -> str:
    share = f"{row.public_killed} ({100 * row.public_killed // max(1, row.mistakes)} %)"
    cells = [
        row.exercise,
        row.tasks,
        row.checks,
        row.public_checks,
        row.mistakes,
        row.killed,
        share,
        f"{row.named} ({row.alone})",
        _power(row.noise),
        _power(row.nearest),
    ]
    return f"| {' | '.join(map(str, cells))} |\n"


def _power(value: float) -> str:
    """Rounded down to a power of ten: what another machine's rounding does not change."""
    if value == 0 or math.isinf(value):
        return "0" if value == 0 else "∞"
    exponent = math.floor(math.log10(value))
    return f"{10.0**exponent:g}" if -3 < exponent < 4 else f"1e{exponent}"
