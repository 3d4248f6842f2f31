"""Run the checks of one exercise on one learner's code and say what each found, and how much of it the learner may read."""

from __future__ import annotations

import builtins
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest
from _pytest.runner import runtestprotocol

from autograder.grading.diagnose import Diagnosis
from autograder.grading.mistakes import Mistake
from autograder.grading.results import CheckResult, Status
from autograder.sandbox.errors import InputChanged, LearnerError, MissingName, WireError, WorkerDied, WorkerTimeout
from autograder.testing import arrays
from autograder.testing.failures import NotLoaded
from autograder.testing.provider import Provider
from autograder.testing.running import CHECK, RUN, begin
from autograder.testing.tasks import Check

CLEAR = 10.0  # tolerances, that a known mistake must be away
SENTENCES_AT_MOST = 3  # that a learner reads where several known mistakes answer alike
HANGS_TOLERATED = 3  # a hang costs its limit once in a task; after so many the rest of the exercise is not tried


@dataclass
class Judge:
    """The collected checks of one exercise, ready to be run on any learner's code.

    Attributes:
        mistake: the name of the known mistake that is judged; nothing follows the check that tells it.
        named: by task, the known mistakes that earlier checks of this run were told to come from.
    """

    items: Sequence[pytest.Item]
    seed: int
    diagnosis: Diagnosis | None = None
    mistake: str | None = None
    checks: list[Check] = field(init=False)
    named: dict[str, list[Mistake]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.checks = [item.stash[CHECK] for item in self.items]
        cases: Counter[str] = Counter()
        for place, check in enumerate(self.checks):
            if not check.visible and "[" in check.name:  # the parameters of a hidden check are inputs, too
                name = check.name.partition("[")[0]
                cases[name] += 1
                sentence = f"{check.sentence.rpartition(' [')[0]} (case {cases[name]})"
                self.checks[place] = replace(check, sentence=sentence)

    @property
    def wants_scratch(self) -> bool:
        """Whether a check asks for a folder in which the learner's code may write."""
        return any("scratch" in item.fixturenames for item in self.items)

    @property
    def order(self) -> list[int]:
        """The checks a learner may see in full come first: their worker has not met a hidden input."""
        return sorted(range(len(self.items)), key=lambda index: not self.checks[index].visible)

    def run(
        self, provider: Provider, waiting: Sequence[int], found: Mapping[int, CheckResult] | None = None
    ) -> Iterator[tuple[int, CheckResult | None]]:
        """Run the checks in `waiting`: (index, None) before each, (index, result) after it.

        Args:
            found: results of an earlier child, which decide what is still reached.
        """
        run, self.named = begin(self.items[0].config, provider, self.seed), {}
        for index, result in (found or {}).items():
            if result.status in (Status.WRONG, Status.ERROR, Status.TIMEOUT, Status.NOT_STARTED):
                check = self.checks[index]
                run.stopped.setdefault((check.exercise.id, check.hidden, check.task), check)
        hung = [self.checks[index].task for index, result in (found or {}).items() if result.status is Status.TIMEOUT]
        for place, index in enumerate(waiting):
            check = self.checks[index]
            if check.task in hung or len(hung) >= HANGS_TOLERATED:
                yield index, unjudged(check, Status.TIMEOUT, "not tried again after a check that did not end")
                continue
            yield index, None
            following = self.items[waiting[place + 1]] if place + 1 < len(waiting) else None
            before = dict(run.stopped)
            result = self.judge(self.items[index], check, following)
            if provider.was_killed:  # perhaps not by what the learner's code did: it gets another chance
                run.stopped = before
                result = self.judge(self.items[index], check, following)
            if self.diagnosis and result.status in (Status.WRONG, Status.ERROR):
                result = self.diagnose(provider, index, following, result)
            if result.status is Status.TIMEOUT:
                hung.append(check.task)
            yield index, result
            if self.is_told(result):
                return

    def is_told(self, result: CheckResult) -> bool:
        """Whether a known mistake is judged and this check settles it: failed by a clear margin, and named alone where there
        are names."""
        if self.mistake is None or result.status not in (Status.WRONG, Status.ERROR):
            return False
        is_clear = result.margin is None or result.margin >= CLEAR
        return is_clear and (self.diagnosis is None or result.mistakes == [self.mistake])

    def diagnose(
        self, provider: Provider, index: int, following: pytest.Item | None, result: CheckResult
    ) -> CheckResult:
        """The result with the known mistake named; where several give the same answers, on a second probe as well.

        What the check saw is not always an answer (a function of its own may have been called). Then they all agree, and
        all of their sentences together would tell a learner nothing.
        """
        item, check = self.items[index], self.checks[index]
        trace, files = provider.trace, provider.files
        mistakes = self.diagnosis.name(check, trace, files, among=self.named.get(check.task, []))
        mistakes = mistakes or self.diagnosis.name(check, trace, files)
        if len(mistakes) > 1 and not provider.is_dead:
            run = item.config.stash[RUN]
            run.seed += 1
            self.judge(item, check, following)
            run.seed -= 1
            mistakes = self.diagnosis.name(check, provider.trace, provider.files, among=mistakes) or mistakes
        self.named[check.task] = mistakes or self.named.get(check.task, [])
        sentences = dict.fromkeys(mistake.says.strip() for mistake in mistakes)
        says = " Or: ".join(sentences) if len(sentences) <= SENTENCES_AT_MOST else ""
        return result.model_copy(update={"says": says, "mistakes": [mistake.name for mistake in mistakes]})

    @staticmethod
    def judge(item: pytest.Item, check: Check, following: pytest.Item | None) -> CheckResult:
        arrays.DISTANCES = []
        reports = runtestprotocol(item, log=False, nextitem=following)
        decisive = next((report for report in reports if hasattr(report, "verdict")), None)
        if decisive is None:
            return unjudged(check, Status.SYSTEM, "the check ended without a verdict")
        verdict, error = decisive.verdict, getattr(decisive, "error", None)
        # Nothing hidden had met code that did not load, or a check that was not run.
        open_to_learner = check.visible or isinstance(error, NotLoaded) or verdict.status == Status.NOT_RUN
        return CheckResult(
            task=check.task,
            check=check.name,
            sentence=check.sentence,
            stage=check.stage,
            status=Status(verdict.status),
            message=verdict.message if open_to_learner else safe_message(verdict.status, error, check.parameters),
            card=verdict.card if open_to_learner else "",
            detail="" if open_to_learner else verdict.card or verdict.message,
            seconds=round(sum(report.duration for report in reports), 5),
            margin=margin(error, arrays.DISTANCES),
        )


def margin(error: BaseException | None, distances: Sequence[float]) -> float | None:
    """How many times the tolerance the values that decided were off; None where it was not a matter of tolerance."""
    mismatch = getattr(error, "mismatch", None)
    if error is None:
        return max(distances, default=None)
    if mismatch is None or not mismatch.absolute or not mismatch.tolerance:
        return None
    return float(min(mismatch.absolute / mismatch.tolerance, 1e30))


class RememberErrors:
    """A pytest plugin that keeps the exception of a check beside its report."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo) -> Iterator:
        report = yield
        if call.excinfo is not None:
            report.error = call.excinfo.value
        return report


def unjudged(check: Check, status: Status, message: str) -> CheckResult:
    """The result of a check that did not run to its end."""
    return CheckResult(
        task=check.task, check=check.name, sentence=check.sentence, stage=check.stage, status=status, message=message
    )


def safe_message(status: str, error: BaseException | None, functions: Collection[str] = ()) -> str:
    """What the learner may read of a hidden check: nothing that learner code could have filled with its inputs.

    Args:
        functions: the names of the exercise's functions and methods; that of another's class is the learner's choice.
    """
    match error:
        case MissingName() | WorkerTimeout():
            return str(error)
        case WorkerDied():  # which of them it was is the learner's choice
            return "the process ended: it called exit, crashed, or went over its CPU or memory limit"
        case InputChanged():
            return str(InputChanged(error.name if error.name in functions else "a call", error.argument))
        case WireError():
            return "its answer could not be read"
        case LearnerError():
            return "" if status == Status.NOT_STARTED else _kind_and_line(error)
    return ""


def _kind_and_line(error: LearnerError) -> str:
    """`ValueError in activations.py, line 31`, if the kind is one of Python's own."""
    kind = getattr(builtins, error.etype, None)
    known = isinstance(kind, type) and issubclass(kind, BaseException)
    name = error.etype if known else "an exception"
    if not error.frames:
        return name
    file, line, *_ = error.frames[-1]
    return f"{name} in {file.rpartition('/')[2]}, line {line}"
