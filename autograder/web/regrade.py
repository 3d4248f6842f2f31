"""Grade somebody's work anew at the click of a button: the command that graded it, in the background, one run at a time."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from autograder.catalog import CourseError
from autograder.gradebook.report import read_results
from autograder.gradebook.store import now
from autograder.web.desk import Desk

REMEMBERED = 30
PATIENCE = 10  # seconds for a run to end when the server does
GRADED = (0, 1)  # the exit codes of `autograder grade` that leave results


@dataclass
class Run:
    """A re-grade of all of a learner's work, or of one exercise.

    Attributes:
        state: waiting, running, done or failed.
        says: what came of it.
    """

    learner: str
    exercise: str
    state: str = "waiting"
    says: str = ""
    asked: datetime = field(default_factory=now)

    @property
    def is_open(self) -> bool:
        return self.state in ("waiting", "running")


class Regrades:
    """The runs that were asked for.

    Args:
        submissions: what the class handed in.
        results: the folder of an earlier run, to be brought up to date as well; by default one that is thrown away.
    """

    def __init__(self, desk: Desk, submissions: Path, results: Path | None = None):
        self.desk, self.submissions, self.results = desk, submissions, results
        self.runs: deque[Run] = deque(maxlen=REMEMBERED)
        self.lock = threading.Lock()
        self.worker = ThreadPoolExecutor(1, "regrade")
        self.process: subprocess.Popen[str] | None = None
        self.is_closed = False

    def ask(self, learner: str, exercise: str = "") -> None:
        """Grade it when its turn comes; what is waiting already is not asked for twice."""
        with self.lock:
            if any(run.state == "waiting" and (run.learner, run.exercise) == (learner, exercise) for run in self.runs):
                return
            if len(self.runs) == REMEMBERED and self.runs[0].is_open:
                raise CourseError(f"{REMEMBERED} runs are waiting; try again later")
            self.runs.append(run := Run(learner, exercise))
        self.worker.submit(self._carry_out, run)

    def of(self, learner: str) -> list[Run]:
        """Those of a learner, the newest first."""
        with self.lock:
            return [run for run in reversed(self.runs) if run.learner == learner]

    def close(self) -> None:
        """End what is running; what waits is dropped."""
        with self.lock:
            self.is_closed = True
            if self.process:
                self.process.send_signal(signal.SIGINT)
        self.worker.shutdown(cancel_futures=True)

    def _carry_out(self, run: Run) -> None:
        run.state = "running"
        try:
            if self.results is not None:
                run.says = self._grade(run, self.results)
            else:
                with tempfile.TemporaryDirectory(prefix="autograder-regrade-") as folder:
                    run.says = self._grade(run, Path(folder) / "results")
            run.state = "done"
        except Exception as error:  # whatever it is, the page says it and the next run goes on
            run.state, run.says = "failed", str(error) or type(error).__name__

    def _grade(self, run: Run, out: Path) -> str:
        code, errors = self._run(self._words(run, out))
        if code not in GRADED:
            raise CourseError(errors.strip() or f"`autograder grade` ended with code {code}")
        with self.desk.at_work() as work:
            counts = work.gradebook.add_results(read_results(work.book.policy, out))
        found = ", ".join(f"{count} {what}" for what, count in counts.items() if count and what != "open")
        return "\n".join(filter(None, [found or "nothing to take in", errors.strip()]))

    def _words(self, run: Run, out: Path) -> list[str]:
        only = f"{run.learner}/{run.exercise}" if run.exercise else run.learner
        words = [sys.executable, "-m", "autograder", "--course", str(self.desk.root), "grade", str(self.submissions)]
        return [*words, f"--only={only}", "--again", "--out", str(out)]

    def _run(self, words: list[str]) -> tuple[int, str]:
        with self.lock:
            if self.is_closed:
                raise CourseError("the server was ended")
            self.process = subprocess.Popen(
                words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
            )
        try:
            _, errors = self._communicate(self.process)
            return self.process.returncode, errors
        finally:
            with self.lock:
                self.process = None

    def _communicate(self, process: subprocess.Popen[str]) -> tuple[str, str]:
        while True:
            try:
                return process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                if self.is_closed:
                    process.kill()
