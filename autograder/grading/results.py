"""What grading one exercise of one learner found: plain, typed, versioned data.

Everything downstream reads this and nothing else.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from autograder.sandbox.gpu import CPU

VERSION = 1


class Status(StrEnum):
    """The outcome of one check. Only `passed` earns points."""

    PASSED = "passed"
    WRONG = "wrong"  # an assertion of the check failed
    ERROR = "error"  # the learner's code raised, crashed, or could not be loaded
    NOT_STARTED = "not_started"  # the stub's NotImplementedError is still there
    NOT_REACHED = "not_reached"  # an earlier stage of the task did not pass
    NOT_RUN = "not_run"  # it needs what this machine lacks (a GPU): neither earned nor lost
    TIMEOUT = "timeout"
    SYSTEM = "system"  # our own fault: to be graded again, never a judgement of the work


ACCEPTED = (Status.PASSED, Status.NOT_RUN)  # of a solution


class Outcome(StrEnum):
    """How grading one file went."""

    GRADED = "graded"
    MISSING = "missing"  # no such file in the submission
    REFUSED = "refused"  # a file that cannot be graded: too large, unreadable, forbidden imports
    SYSTEM = "system"
    PENDING = "pending"  # not graded yet: a run that was limited to others, or stopped


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CheckResult(_Data):
    """One check.

    `message`, `card` and `says` may be shown to the learner. The rest is for instructors only: `detail` can hold what a
    hidden check fed in.

    Attributes:
        says: what the known mistakes that give the same answers tell the learner.
        mistakes: the names of those mistakes.
        margin: how many times the tolerance the worst value was off, where values were compared.
        carried: passed once the reference stood in for the tasks it builds on.
    """

    task: str
    check: str
    sentence: str
    stage: str
    status: Status
    message: str = ""
    card: str = ""
    detail: str = ""
    seconds: float = 0.0
    says: str = ""
    mistakes: list[str] = Field(default_factory=list)
    margin: float | None = None
    carried: bool = False

    def public(self) -> CheckResult:
        return self.model_copy(update={"detail": "", "margin": None})


class ExerciseResult(_Data):
    """One exercise of one learner.

    Attributes:
        note: one sentence about the file as a whole, empty when there is nothing to say.
        sha256: of the graded file, empty when there was none.
        layers: what confined the learner's code.
        device: where its torch tensors were, "cpu" or "cuda".
        output: what it printed (instructors only).
    """

    version: int = VERSION
    learner: str
    module: str
    exercise: str
    outcome: Outcome
    note: str = ""
    checks: list[CheckResult] = Field(default_factory=list)
    sha256: str = ""
    layers: list[str] = Field(default_factory=list)
    device: str = CPU
    output: str = ""
    seconds: float = 0.0

    @property
    def exercise_id(self) -> str:
        return f"{self.module}/{self.exercise}"

    @property
    def has_system_fault(self) -> bool:
        return self.outcome is Outcome.SYSTEM or any(check.status is Status.SYSTEM for check in self.checks)

    @property
    def is_open(self) -> bool:
        """Whether it is still to be graded, or graded again, so that there are no points yet."""
        return self.outcome is Outcome.PENDING or self.has_system_fault

    def public(self) -> ExerciseResult:
        """What the learner may see."""
        return self.model_copy(update={"output": "", "checks": [check.public() for check in self.checks]})
