"""What verification found."""

from __future__ import annotations

from dataclasses import dataclass, field

NOISE_ALLOWED = 0.1  # of the tolerance, that the reference's own rounding may use up
PUBLIC_SHARE = 2 / 3  # of the mistakes, that the public checks must catch
NAMED_SHARE = 0.95  # of the mistakes, that diagnosis must name


@dataclass(frozen=True)
class Problem:
    """A gate that does not hold: which, where (a file, with a line where there is one), and what to mend."""

    gate: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.gate}: {self.what}"


@dataclass
class Row:
    """One exercise in the kill table.

    Attributes:
        checks, public_checks: how many hidden and public checks there are.
        killed, public_killed: the mistakes that each suite catches.
        named: the mistakes that diagnosis names; `alone` those that it names without a second candidate.
        noise: the largest part of a tolerance that the reference uses up.
        nearest: how many tolerances the nearest mistake is away, infinite where none differs by rounding only.
    """

    exercise: str
    tasks: int
    checks: int = 0
    public_checks: int = 0
    mistakes: int = 0
    killed: int = 0
    public_killed: int = 0
    named: int = 0
    alone: int = 0
    noise: float = 0.0
    nearest: float = float("inf")


@dataclass
class Report:
    rows: list[Row] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
