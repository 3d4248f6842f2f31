"""The progress bar of long commands."""

from __future__ import annotations

import sys


class Progress:
    """A bar with rate and remaining time on a terminal; nothing elsewhere."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        console = Console(stderr=True)
        columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TextColumn("[dim]{task.fields[rate]}"))
        self.bar = Bar(
            *columns,
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            redirect_stdout=sys.stdout.isatty(),  # what is printed meanwhile stands above the bar, or goes where it is sent
        )
        self.task = self.bar.add_task("starting", total=None, rate="")

    def show(self, what: str, done: int, total: int) -> None:
        """Say what is being done, and how far it is where `total` is known."""
        speed = self.bar.tasks[0].speed if self.bar.tasks else None
        rate = f"{speed:.1f}/s" if speed else ""
        self.bar.update(self.task, description=what, completed=done, total=total or None, rate=rate)

    def __enter__(self) -> Progress:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()
