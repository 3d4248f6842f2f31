"""Run the checks: hand out the fixtures, keep the order of stages, turn each outcome into a verdict.

Registered by `plugin` when the first check file is collected.
"""

from __future__ import annotations

import os
import secrets
import shlex
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from autograder.catalog import CourseError
from autograder.sandbox.errors import SandboxError
from autograder.sandbox.gpu import CPU
from autograder.testing import reports
from autograder.testing.card import Card, failure_card, loading_card
from autograder.testing.failures import NotLoaded
from autograder.testing.plugin import EXERCISE, PROVIDER
from autograder.testing.probe import Probe
from autograder.testing.provider import LocalProvider, Provider
from autograder.testing.tasks import Check, UnclearCheck, describe
from autograder.testing.verdict import (
    NOT_REACHED,
    NOT_RUN,
    PASSED,
    SYSTEM,
    UNFINISHED,
    Cause,
    Verdict,
    cause_of,
    is_stub,
)

CHECK: pytest.StashKey[Check] = pytest.StashKey()


@dataclass
class Run:
    """One run of the collected checks on one learner's work.

    Attributes:
        stopped: for each task the earliest check that did not pass.
        unloaded: the exercises whose file cannot be imported.
        checks: every check with a verdict, in order.
    """

    provider: Provider
    seed: int
    stopped: dict[tuple[str, bool, str], Check] = field(default_factory=dict)
    unloaded: set[tuple[str, bool]] = field(default_factory=set)
    checks: list[tuple[Check, Verdict]] = field(default_factory=list)


RUN: pytest.StashKey[Run] = pytest.StashKey()


class NotReached(pytest.skip.Exception):
    """An earlier stage of the same task did not pass."""


class NotRun(pytest.skip.Exception):
    """The check needs what is not there."""


def begin(config: pytest.Config, provider: Provider | None = None, seed: int | None = None) -> Run:
    """Start afresh, as for another learner: forget what passed, take modules from `provider` and inputs from `seed`.

    Args:
        provider: by default files are loaded into this process, from --learner-dir.
        seed: by default a random one.
    """
    if provider is None:
        folder = config.option.learner_dir
        provider = LocalProvider(Path(config.invocation_params.dir, folder).resolve() if folder else None)
    config.stash[PROVIDER] = provider
    config.stash[RUN] = Run(provider, secrets.randbits(31) if seed is None else seed)
    return config.stash[RUN]


@pytest.fixture
def learner(request: pytest.FixtureRequest) -> Any:
    """The learner's module: `learner.softmax(x)` calls their function."""
    check = _check(request, "learner")
    return _prepared(_run(request).provider.learner(check), check)


@pytest.fixture
def reference(request: pytest.FixtureRequest) -> Any:
    """The solution, called like `learner`. For hidden graders only: a public check runs where there is no solution."""
    check = _check(request, "reference")
    if not check.hidden:
        pytest.fail("`reference` is for hidden graders: learners run this check without the solutions", pytrace=False)
    return _prepared(_run(request).provider.reference(check), check)


@pytest.fixture
def probe(request: pytest.FixtureRequest) -> Probe:
    """Inputs that cannot be degenerate, drawn from --probe-seed and the name of the check."""
    check = _check(request, "probe")
    return Probe(_run(request).seed, f"{check.exercise.id}::{check.name}")


@pytest.fixture
def scratch(request: pytest.FixtureRequest, learner: Any) -> Path:
    """An empty folder in which the learner's code may write, at the same path for the check: `str(scratch / "run")`."""
    return _run(request).provider.scratch() or request.getfixturevalue("tmp_path")


def _prepared(module: Any, check: Check) -> Any:
    module._begin_check(check.in_place)
    return module


def _run(request: pytest.FixtureRequest) -> Run:
    return request.config.stash[RUN]


def _check(request: pytest.FixtureRequest, fixture: str) -> Check:
    check = request.node.stash.get(CHECK, None)
    if check is None:
        pytest.fail(f"`{fixture}` is for checks: test_<exercise>.py in a module's folder of a course", pytrace=False)
    return check


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    problems, places = [], {}
    for place, item in enumerate(items):
        module = item.getparent(pytest.Module)
        exercise = module.stash.get(EXERCISE, None) if module else None
        if exercise is None or not isinstance(item, pytest.Function):
            continue
        try:
            check = item.stash[CHECK] = describe(item, exercise)
        except (UnclearCheck, CourseError) as problem:
            problems.append(str(problem))
        else:
            places.setdefault(_key(check), []).append(place)
    if problems:
        raise pytest.UsageError(*problems)
    for of_task in places.values():
        ordered = sorted((items[place] for place in of_task), key=lambda item: item.stash[CHECK].rank)
        for place, item in zip(of_task, ordered, strict=True):
            items[place] = item


def _key(check: Check) -> tuple[str, bool, str]:
    return check.exercise.id, check.hidden, check.task


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    check = item.stash.get(CHECK, None)
    if check is None:
        return
    run = item.config.stash[RUN]
    if check.needs_gpu and run.provider.device == CPU:
        raise NotRun("not run: it needs a GPU")
    if _key(check)[:2] in run.unloaded:
        raise NotReached(f"not reached: {check.exercise.name}.py cannot be loaded")
    earlier = run.stopped.get(_key(check))
    if earlier and earlier.rank < check.rank:
        raise NotReached(f"not reached: first {earlier.sentence!r} has to pass")


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable(report: Any) -> Any:
    data = yield
    if data:
        data.pop("verdict", None)  # pytest-xdist sends plain data only
    return data


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> pytest.TestReport | None:
    """The report of a check; the one that decides carries the verdict as `report.verdict`."""
    check = item.stash.get(CHECK, None)
    if check is None or call.when == "teardown":
        return None
    run = item.config.stash[RUN]
    module = (getattr(item, "funcargs", None) or {}).get("learner")
    error = call.excinfo.value if call.excinfo else _swallowed(module) if call.when == "call" else None
    if error is None:
        report = pytest.TestReport.from_item_and_call(item, call)
        return report if call.when == "setup" else _judged(report, run, check, Cause(PASSED, ""))
    if isinstance(error, NotReached | NotRun):
        report = reports.skipped(item, call, error.msg)
        status = NOT_RUN if isinstance(error, NotRun) else NOT_REACHED
        return _judged(report, run, check, Cause(status, error.msg), error.msg)
    last_call = getattr(module, "_last_call", None)
    called = last_call is not None or getattr(module, "_gave_data", False)
    cause = cause_of(error, str(item.path), _files(module), called)
    if cause.status == SYSTEM:
        return _judged(pytest.TestReport.from_item_and_call(item, call), run, check, cause, cause.message)
    if isinstance(error, NotLoaded):
        run.unloaded.add(_key(check)[:2])
    card = _card(item, run, check, cause, error, last_call)
    return _judged(reports.failed(item, call, card, cause.message), run, check, cause, str(card))


def _judged(report: pytest.TestReport, run: Run, check: Check, cause: Cause, card: str = "") -> pytest.TestReport:
    verdict = Verdict(
        cause.status, check.name, check.task, check.stage, check.sentence, check.visible, cause.message, card
    )
    run.checks.append((check, verdict))
    earliest = run.stopped.get(_key(check))
    if cause.status in UNFINISHED and (earliest is None or check.rank < earliest.rank):
        run.stopped[_key(check)] = check
    report.verdict = verdict
    return report


def _swallowed(module: Any) -> BaseException | None:
    """What the last call raised, if it was the stub or a worker that died: a check that expects an exception must not pass then."""
    last_call = getattr(module, "_last_call", None)
    error = getattr(last_call, "error", None)
    return error if isinstance(error, SandboxError) or is_stub(error, _files(module)) else None


def _files(module: Any) -> Collection[str]:
    """The learner's files, where their code runs in this process."""
    finder = getattr(module, "__dict__", {}).get("_finder")
    return finder.filenames if finder else ()


def _card(item: pytest.Item, run: Run, check: Check, cause: Cause, error: BaseException, last_call: Any) -> Card:
    command = _command(item, run, check) if isinstance(run.provider, LocalProvider) else ""
    if isinstance(error, NotLoaded):
        return loading_card(error.filename, cause, command)
    try:
        return failure_card(check, cause, error, last_call, command)
    except Exception:  # a value that cannot be shown must not cost the verdict
        return Card([(cause.message, {})])


def _command(item: pytest.Item, run: Run, check: Check) -> str:
    """What to type to run this check again, on the same inputs."""
    config = item.config
    test = os.path.relpath(item.path, config.invocation_params.dir) + "::" + item.nodeid.partition("::")[2]
    words = ["pytest", test]
    if config.option.learner_dir:
        words += ["--learner-dir", config.option.learner_dir]
    if "probe" in getattr(item, "fixturenames", ()):
        words += ["--probe-seed", str(run.seed)]
    return shlex.join(words)
