"""A verdict after each save: watch the files, check the one that was saved, answer to keys."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from autograder.catalog import Course, CourseError, Exercise
from autograder.policy import Policy
from autograder.practice import hints, record, show
from autograder.practice.checker import Checker, CheckerError, Verdict
from autograder.practice.reset import reset
from autograder.practice.solution import compared

POLL_SECONDS = 0.05  # a look at the times of a few dozen files takes less than a millisecond
SETTLE_SECONDS = 0.02  # editors replace files in several steps
KEYS = "n next  h hint  l list  c check all  r reset  s solution  q quit"


class Watch:
    """One session.

    Args:
        exercises: those whose files are watched.
        current: the one to begin with.
        follow: whether to turn to any exercise that is saved; if not, only `current` and what it imports count.
    """

    def __init__(self, course: Course, exercises: Sequence[Exercise], current: Exercise, follow: bool = False):
        self.course, self.exercises, self.current, self.follow = course, list(exercises), current, follow
        self.policy = Policy.load(course)
        self.resized = self.interrupted = False
        self.checkers: dict[tuple[str, ...], Checker] = {}
        self.console = show.console()
        self.verdict: Verdict | None = None
        self.below: list[RenderableType] = []
        self.stamps = self.stamp()

    def run(self) -> None:
        """Until `q` or Ctrl-C."""
        with Keys() as keys:
            signal.signal(signal.SIGWINCH, lambda *_: setattr(self, "resized", True))
            signal.signal(signal.SIGINT, self.interrupt)
            try:
                self.check()
                while not self.interrupted:
                    key = keys.pressed(POLL_SECONDS)
                    if key == "q":
                        return
                    if key:
                        self.answer(key, keys)
                    elif saved := self.saved():
                        self.current = saved
                        self.check()
                    elif self.resized:
                        self.resized = False
                        self.draw()
            except KeyboardInterrupt:
                return
            finally:
                signal.signal(signal.SIGWINCH, signal.SIG_DFL)
                signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt(self, *_: object) -> None:
        """Note Ctrl-C as well as raise it: where Python is just clearing away an object, what is raised is lost."""
        self.interrupted = True
        raise KeyboardInterrupt

    def check(self) -> None:
        """Check the current exercise and show what came out."""
        self.below = []
        try:
            if self.current.packages not in self.checkers:
                libraries = ", ".join(set(self.current.packages) - {"numpy", "jaxtyping"})
                self.status(f"loading {libraries} …" if libraries else "starting …")
                alike = [e for e in self.policy.exercises() if e.packages == self.current.packages]
                self.checkers[self.current.packages] = Checker(self.course, alike)
            self.status(f"checking {self.current.name} …")
            self.verdict = self.checkers[self.current.packages].check(self.current)
        except CheckerError as error:
            self.checkers.pop(self.current.packages, None)
            self.verdict = None
            self.below = [Text(str(error), style="red")]
        self.draw()

    def answer(self, key: str, keys: Keys) -> None:
        actions = {
            "n": self.next, "h": self.hint, "l": self.list, "c": self.check_all, "s": self.solution,
            "r": lambda: self.reset(keys), " ": self.check, "\n": self.check, "\r": self.check,
        }  # fmt: skip
        if key in actions:
            try:
                actions[key]()
            except CourseError as error:
                self.say(Text(str(error), style="yellow"))

    def next(self) -> None:
        """Go to the next task that does not pass; round the course, from the current exercise on."""
        order = self.policy.exercises() if self.follow else self.exercises
        place = order.index(self.current) if self.current in order else 0
        done = self.verdict is not None and self.verdict.exercise == self.current and self.verdict.passed
        turned = [*order[place + done :], *order[: place + done]]
        upcoming = show.next_task(self.policy, record.load(self.course), turned)
        if upcoming is None:
            self.say(Text("Everything passes.", style="bold green"))
        elif upcoming[0] == self.current:
            self.say(show.next_line(*upcoming))
        else:
            self.current = upcoming[0]
            self.check()

    def hint(self) -> None:
        task = self.task()
        hint = hints.next_hint(self.course, self.current, task)
        self.say(Text.assemble((f"hint {hint.number} of {hint.rungs} for {task}: ", "bold"), hint.text))

    def list(self) -> None:
        self.say(show.overview(self.policy, record.load(self.course)))

    def check_all(self) -> None:
        """Check every exercise of the current module."""
        module = [exercise for exercise in self.policy.exercises() if exercise.module == self.current.module]
        current = self.current
        states: list[RenderableType] = []
        for self.current in module:
            self.check()
            if self.verdict:
                states.append(show.task_list(self.current, self.verdict.states))
        self.current = current
        self.check()
        self.below = states
        self.draw()

    def solution(self) -> None:
        task = self.task(passed_too=True)
        _, difference = compared(self.course, self.current, task)
        self.say(show.difference(difference) if difference else Text(f"{task} is written just like the reference."))

    def reset(self, keys: Keys) -> None:
        self.say(Text(f"Begin {self.current.name}.py anew? Your work is kept. (y/N)", style="yellow"))
        if keys.pressed(None) != "y":
            self.below = []
            self.draw()
            return
        kept = reset(self.course, self.current)
        self.check()
        self.say(
            Text(f"Your work is kept in {show.shown_path(str(kept))}" if kept else "There was nothing of yours in it.")
        )

    def task(self, passed_too: bool = False) -> str:
        """The task that a hint or a solution is about."""
        if self.verdict is None:
            raise CourseError("there is no verdict yet")
        task = self.verdict.next_task
        if passed_too and (task is None or not record.load(self.course).task(self.current.id, task).passed):
            passed = [name for name, state in self.verdict.states.items() if state == "passed"]
            task = passed[-1] if passed else task
        if task is None:
            raise CourseError(f"every task of {self.current.name} passes")
        return task

    def saved(self) -> Exercise | None:
        """An exercise whose file, or that of one it imports, changed since the last look."""
        now = self.stamp()
        changed = {path for path in now if now[path] != self.stamps.get(path)}
        if not changed:
            return None
        time.sleep(SETTLE_SECONDS)
        self.stamps = self.stamp()
        if changed & {e.stub for e in (self.current, *self.current.imports_exercises)} or not self.follow:
            return self.current
        return next((exercise for exercise in self.exercises if exercise.stub in changed), self.current)

    def stamp(self) -> dict[Path, tuple[int, int] | None]:
        """When each watched file was written, and how long it is; None while it is not there."""
        near = self.exercises if self.follow else [self.current]
        watched = {e for exercise in near for e in (exercise, *exercise.imports_exercises)}
        return {exercise.stub: _stamp(exercise.stub) for exercise in watched}

    def say(self, view: RenderableType) -> None:
        """Show something below the verdict."""
        self.below = [view]
        self.draw()

    def status(self, text: str) -> None:
        self.console.print(Text(text, style="dim"), end="\r")

    def draw(self) -> None:
        parts: list[RenderableType] = []
        if self.verdict is not None:
            parts.append(show.verdict_view(self.verdict))
            parts.append(Text())
            parts.append(show.closing_line(self.verdict))
        for view in self.below:
            parts += [Text(), view]
        parts += [Text(), Text(KEYS, style="dim")]
        if self.verdict is not None:
            parts.append(Text(f"checked in {self.verdict.seconds:.2f} s", style="dim"))
        self.console.clear()
        self.console.print(Group(*parts))

    def close(self) -> None:
        for checker in self.checkers.values():
            checker.close()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Keys:
    """Single keys from the terminal, which is put back as it was."""

    def __enter__(self) -> Keys:
        import termios
        import tty

        self.descriptor = sys.stdin.fileno()
        self.before = termios.tcgetattr(self.descriptor)
        tty.setcbreak(self.descriptor)
        return self

    def __exit__(self, *_: object) -> None:
        import termios

        termios.tcsetattr(self.descriptor, termios.TCSADRAIN, self.before)

    def pressed(self, seconds: float | None) -> str:
        """The next key, or "" when none comes in time. The end of the input means quit."""
        ready, _, _ = select.select([self.descriptor], [], [], seconds)
        if not ready:
            return ""
        return os.read(self.descriptor, 1).decode("utf-8", "replace") or "q"


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status: Any = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
