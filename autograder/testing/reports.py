"""pytest's report of a check, with a card in place of the traceback."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from autograder.testing.card import Card

FULL_TRACEBACKS = ("long", "native")


@dataclass
class Shown:
    """What pytest prints of a check that failed: the card, and the traceback if the user asked for it.

    `reprcrash.message` is what pytest's short summary, its JUnit report and `--tb=line` show.
    """

    card: Card
    reprcrash: Crash
    traceback: Any = None

    def toterminal(self, writer: Any) -> None:
        self.card.toterminal(writer)
        if self.traceback is not None:
            writer.line()
            self.traceback.toterminal(writer)

    def __str__(self) -> str:
        return f"{self.card}\n\n{self.traceback}" if self.traceback is not None else str(self.card)


@dataclass(frozen=True)
class Crash:
    path: str
    lineno: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.lineno}: {self.message}"


def failed(item: pytest.Item, call: pytest.CallInfo, card: Card, message: str) -> pytest.TestReport:
    crash = Crash(str(item.path), (item.location[1] or 0) + 1, message)
    wants_traceback = item.config.getoption("fulltrace", False) or (
        item.config.getoption("tbstyle", "auto") in FULL_TRACEBACKS
    )
    traceback = item.repr_failure(call.excinfo) if call.excinfo and wants_traceback else None
    return _report(item, call, "failed", Shown(card, crash, traceback if hasattr(traceback, "toterminal") else None))


def skipped(item: pytest.Item, call: pytest.CallInfo, reason: str) -> pytest.TestReport:
    return _report(item, call, "skipped", (str(item.path), (item.location[1] or 0) + 1, f"Skipped: {reason}"))


def _report(item: pytest.Item, call: pytest.CallInfo, outcome: Any, longrepr: Any) -> pytest.TestReport:
    """What TestReport.from_item_and_call makes, without the traceback, which costs more than most checks."""
    return pytest.TestReport(
        item.nodeid,
        item.location,
        dict.fromkeys(item.keywords, 1),
        outcome,
        longrepr,
        call.when,
        sections=[(f"Captured {key} {when}", content) for when, key, content in item._report_sections],
        duration=call.duration,
        start=call.start,
        stop=call.stop,
        user_properties=item.user_properties,
    )
