"""What a learner sees: a verdict with its card, and how far they are. Plain text when piped, 80 columns on any terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from autograder.catalog import Exercise
from autograder.policy import Policy
from autograder.practice.checker import Verdict
from autograder.practice.doctor import Finding
from autograder.practice.record import Record
from autograder.testing.card import shown_path
from autograder.testing.summary import place_of

WIDTH = 80
BAR = 10
MARKS = {  # of a task's state: the sign, its colour, the word
    "passed": ("✓", "green", ""),
    "wrong": ("✗", "red", "wrong"),
    "error": ("✗", "red", "raises an error"),
    "timeout": ("✗", "red", "does not end"),
    "system": ("?", "magenta", "could not be checked"),
    "not_reached": ("·", "dim", "not reached"),
    "not_started": ("·", "dim", "not started"),
}


def console(stderr: bool = False) -> Console:
    found = Console(stderr=stderr, highlight=False)
    if not found.is_terminal:
        found.width = WIDTH
    return found


def verdict_view(verdict: Verdict, task: str | None = None) -> RenderableType:
    """The tasks of an exercise with their states, and the card of the first failure (of that task)."""
    parts: list[RenderableType] = [task_list(verdict.exercise, verdict.states)]
    if verdict.problems:
        parts += [Text(), Text("The checks cannot be read:", style="red"), Text("\n".join(verdict.problems))]
    failure = verdict.failure(task)
    if failure:
        parts += [Text(), card_text(failure.card or failure.message or failure.sentence)]
    if verdict.output.strip():
        parts += [Text(), Text("your code printed:", style="dim"), Text(verdict.output.rstrip())]
    return Group(*parts)


def card_text(card: str) -> Text:
    """A card, its sentence strong and the rows that differ marked. Its lines are as long as they should be."""
    text = Text(no_wrap=True, overflow="ignore")
    for number, line in enumerate(card.splitlines()):
        style = (
            "bold" if number == 0 else "red" if line.startswith("> ") else "dim" if line.startswith("next: ") else ""
        )
        text.append(line + "\n", style=style)
    text.rstrip()
    return text


def task_list(exercise: Exercise, states: Mapping[str, str]) -> RenderableType:
    done = sum(state == "passed" for state in states.values())
    head = Text.assemble((exercise.id, "bold"), f"  {done} of {len(states)} tasks  ", bar(done, len(states)))
    table = Table.grid(padding=(0, 2, 0, 0))
    for task, state in states.items():
        sign, colour, word = MARKS[state]
        table.add_row(Text(f"  {sign} {task}", style=colour), Text(word, style="dim"))
    return Group(head, table)


def bar(done: int, total: int) -> Text:
    full = round(BAR * done / total) if total else 0
    full = min(max(full, 1 if done else 0), BAR if done == total else BAR - 1)
    return Text.assemble(("━" * full, "green"), ("─" * (BAR - full), "bright_black"))


def overview(policy: Policy, record: Record) -> RenderableType:
    """The modules as a tree with bars, those begun opened, and what is next."""
    modules: dict[str, list[Exercise]] = {}
    for exercise in policy.exercises():
        modules.setdefault(exercise.module, []).append(exercise)
    upcoming = next_task(policy, record)
    table = Table.grid(padding=(0, 2, 0, 0))
    for module, exercises in modules.items():
        done, total = _count(exercises, record)
        style = "bold" if upcoming and upcoming[0].module == module else "green" if done == total else ""
        table.add_row(Text(module, style=style), bar(done, total), Text(f"{done}/{total}", style="dim"))
        if done < total and (done or (upcoming and upcoming[0].module == module)):
            for exercise in exercises:
                done, total = _count([exercise], record)
                style = "green" if done == total else "bold" if upcoming and upcoming[0] == exercise else ""
                table.add_row(
                    Text(f"  {exercise.name}", style=style), bar(done, total), Text(f"{done}/{total}", style="dim")
                )
    parts: list[RenderableType] = [Text(policy.title, style="bold"), Text(), table, Text()]
    if upcoming is None:
        return Group(*parts, Text("Everything passes.", style="bold green"))
    exercise, task = upcoming
    return Group(*parts, next_line(exercise, task), Text(f"      autograder watch {exercise.id}", style="dim"))


def closing_line(verdict: Verdict) -> Text:
    """What to do after a verdict."""
    if verdict.passed:
        return Text("✓ Every task of this exercise passes. n goes on.", style="bold green")
    if verdict.first_passed:
        names = " and ".join(verdict.first_passed)
        return Text.assemble(
            (f"✓ {names} {'passes' if len(verdict.first_passed) == 1 else 'pass'}. ", "bold green"),
            next_line(verdict.exercise, verdict.next_task),
        )
    return next_line(verdict.exercise, verdict.next_task) if verdict.next_task else Text()


def difference(lines: Iterable[str]) -> Text:
    """A unified diff in colour."""
    text = Text()
    for line in lines:
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        text.append(line + "\n", style="bold" if line.startswith(("+++", "---")) else style)
    text.rstrip()
    return text


def progress_table(policy: Policy, record: Record) -> RenderableType:
    """Every task that was begun, with what it took; how many of the others there are."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("task", "", "attempts", "time", "hints"):
        table.add_column(name, justify="left" if name in ("task", "") else "right")
    waiting = 0
    for exercise in policy.exercises():
        for task in exercise.tasks:
            own = record.task(exercise.id, task)
            if not own.attempts and not own.hints and own.state == "not_started":
                waiting += 1
                continue
            sign, colour, word = MARKS[own.state]
            name = Text(f"{sign} {exercise.name}.{task}", style=colour)
            hints = f"{own.hints or ''}{' + solution' if own.solution == 'gave up' else ''}"
            table.add_row(name, Text(word, style="dim"), str(own.attempts), f"{own.seconds / 60:.0f} min", hints)
    return Group(table, Text(f"{waiting} more are not started", style="dim") if waiting else Text())


def finding_view(finding: Finding, first: bool) -> RenderableType:
    """One line of `autograder doctor`, under the name of its room where it is the first."""
    sign, style = {True: ("✓", "green"), False: ("✗", "red"), None: ("·", "dim")}[finding.good]
    line = Text.assemble(
        (f"  {sign} ", style), f"{finding.what:<22}", (finding.says, style if finding.good is False else "")
    )
    line.no_wrap, line.overflow = True, "ignore"
    parts: list[RenderableType] = [Text(finding.room, style="bold")] if first else []
    mend = [Text(f"      {finding.mend}", style="yellow" if finding.good is False else "dim")] if finding.mend else []
    return Group(*parts, line, *mend)


def next_line(exercise: Exercise, task: str) -> Text:
    """`next  softmax  exercises/m00_foundations/activations.py:31`, the file as a link where the terminal has links."""
    place = place_of(exercise.stub, task) or shown_path(str(exercise.stub))
    link = f"link {exercise.stub.as_uri()}" if exercise.stub.is_absolute() else ""
    return Text.assemble(("next  ", "dim"), (task, "bold"), "  ", (place, f"cyan {link}".strip()))


def next_task(
    policy: Policy, record: Record, exercises: Iterable[Exercise] | None = None
) -> tuple[Exercise, str] | None:
    """The first task that has not passed, in the order of the course."""
    for exercise in exercises or policy.exercises():
        for task in exercise.tasks:
            if record.task(exercise.id, task).state != "passed":
                return exercise, task
    return None


def _count(exercises: Iterable[Exercise], record: Record) -> tuple[int, int]:
    tasks = [record.task(exercise.id, task) for exercise in exercises for task in exercise.tasks]
    return sum(task.state == "passed" for task in tasks), len(tasks)
