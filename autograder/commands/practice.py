"""The commands of those who learn: where one is, `check`, `watch`, `hint`, `solution`, `reset`, `submit`, `doctor`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autograder.catalog import Course, CourseError, Exercise, near

if TYPE_CHECKING:
    from autograder.policy import Policy
    from autograder.practice.checker import Verdict

NOT_PASSED = 1

Target = Annotated[
    str | None,
    typer.Argument(metavar="TARGET", help="A module, an exercise, or a task (softmax, losses.mse)."),
]


def where(course: Path | None) -> None:
    """Show how far one is and what is next: `autograder` alone."""
    from autograder.policy import Policy
    from autograder.practice import record, show

    found = Course.find(course)
    show.console().print(show.overview(Policy.load(found), record.load(found)))


def check(
    context: typer.Context,
    target: Target = None,
    classroom: Annotated[
        bool, typer.Option("--classroom", help="For a GitHub workflow: hand the points to the next step; exit code 0.")
    ] = False,
) -> None:
    """Run the public checks once and show what is wrong: the same verdict as `watch`, for scripts.

    Without a TARGET: the exercise that is next.

    Exit code: 0 all of them pass, 1 they do not, 2 wrong usage.

    Example: autograder check losses
    """
    from autograder.practice import record, show
    from autograder.practice.checker import Checker

    course = Course.find(context.obj)
    exercises, task = chosen(course, target)
    screen = show.console()
    passed, verdicts = True, []
    for group in by_libraries(exercises):
        with Checker(course, group) as checker:
            for exercise in group:
                verdict = checker.check(exercise)
                verdicts.append(verdict)
                screen.print(show.verdict_view(verdict, task))
                screen.print()
                state = verdict.states.get(task) == "passed" if task else verdict.passed
                passed = passed and state
    if classroom:
        from autograder.practice.classroom import result, tell

        tell(result(_policy(course), verdicts))
        return
    upcoming = show.next_task(_policy(course), record.load(course), exercises if target else None)
    if upcoming:
        screen.print(show.next_line(*upcoming))
    if not passed:
        raise typer.Exit(NOT_PASSED)


def watch(context: typer.Context, target: Target = None) -> None:
    """Show a verdict each time you save, with the libraries loaded once. Keys do the rest; `q` ends it.

    Without a TARGET: begins with the exercise that is next, and follows whichever one you save.

    Example: autograder watch m00_foundations
    """
    from autograder.practice.watch import Watch

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CourseError("watch needs a terminal; in a script use: autograder check")
    course = Course.find(context.obj)
    exercises, _ = chosen(course, target)
    wide = target is None or any(target == module.name for module in course.modules)
    watched = _policy(course).exercises() if target is None else exercises
    with Watch(course, watched, exercises[0], follow=wide) as session:
        session.run()


def hint(
    context: typer.Context,
    target: Annotated[str, typer.Argument(metavar="TASK", help="A task: softmax, or losses.mse.")],
) -> None:
    """Show a hint for a task; each time one rung more: a question, a pointer, nearly the code.

    Example: autograder hint softmax
    """
    from autograder.practice.hints import next_hint

    course = Course.find(context.obj)
    exercise, task = one_task(course, target)
    found = next_hint(course, exercise, task)
    print(f"hint {found.number} of {found.rungs} for {task}:\n{found.text}")
    if found.number < found.rungs:
        print(f"\nanother: autograder hint {target}")


def solution(
    context: typer.Context,
    target: Annotated[str, typer.Argument(metavar="TASK", help="A task: softmax, or losses.mse.")],
    give_up: Annotated[bool, typer.Option("--give-up", help="Although it has not passed; that is noted.")] = False,
) -> None:
    """Show how the reference of a task differs from your work, once that has passed.

    Example: autograder solution softmax
    """
    from autograder.practice import show
    from autograder.practice.solution import compared

    course = Course.find(context.obj)
    exercise, task = one_task(course, target)
    reference, difference = compared(course, exercise, task, give_up)
    show.console().print(show.difference(difference) if difference else f"{task} is written just like the reference.")


def reset(
    context: typer.Context,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="A module or an exercise.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Begin an exercise, or all of a module, anew. Your work is put aside; the command says where.

    Example: autograder reset losses
    """
    from autograder.practice.reset import reset as put_back
    from autograder.testing.card import shown_path

    course = Course.find(context.obj)
    exercises, _ = chosen(course, target)
    names = ", ".join(exercise.id for exercise in exercises)
    if not yes and not typer.confirm(f"Begin {names} anew?", default=False):
        return
    for exercise in exercises:
        kept = put_back(course, exercise)
        state = f"your work is kept in {shown_path(str(kept))}" if kept else "there was nothing of yours in it"
        print(f"{exercise.id}: {state}")


def one_task(course: Course, target: str) -> tuple[Exercise, str]:
    """The task that a target names; an exercise with a single task names that.

    Raises:
        CourseError: it names none, or several.
    """
    exercises, task = chosen(course, target)
    if task is None and len(exercises) == 1 and len(exercises[0].tasks) == 1:
        task = exercises[0].tasks[0]
    if task is None:
        names = ", ".join(f"{exercise.name}.{task}" for exercise in exercises[:3] for task in exercise.tasks[:4])
        raise CourseError(f"name one task of {target}: {names}")
    return exercises[0], task


def chosen(course: Course, target: str | None) -> tuple[list[Exercise], str | None]:
    """The exercises that a target names, in the order of the course, and the task if it names one.

    Raises:
        CourseError: there is no such thing, or several.
    """
    from autograder.practice import record, show

    policy = _policy(course)
    if target is None:
        upcoming = show.next_task(policy, record.load(course))
        return ([upcoming[0]] if upcoming else policy.exercises()[-1:]), None
    if target in ("all", "."):
        return policy.exercises(), None
    name = _as_name(course, target)
    if in_module := [exercise for exercise in policy.exercises() if exercise.module == name]:
        return in_module, None
    if any(name in (exercise.name, exercise.id) for exercise in policy.exercises()):
        return [course.exercise(name)], None
    return _with_task(policy.exercises(), name)


def _as_name(course: Course, target: str) -> str:
    """A target as a name: `exercises/m00_foundations/activations.py`, typed with the shell's help, is one too."""
    path = Path(target)
    if path.suffix == ".py" or path.is_dir():
        try:
            return path.resolve().relative_to(course.exercises_dir).with_suffix("").as_posix()
        except ValueError:
            pass
    return target.strip("/")


def _with_task(exercises: list[Exercise], name: str) -> tuple[list[Exercise], str]:
    where_, _, task = name.replace("/", ".").rpartition(".")
    found = [e for e in exercises if task in e.tasks and where_ in ("", e.name, e.id.replace("/", "."))]
    if len(found) == 1:
        return found, task
    if found:
        several = ", ".join(f"{exercise.name}.{task}" for exercise in found)
        raise CourseError(f"{name!r} is a task of several exercises; say which: {several}")
    known = [*{e.module: 0 for e in exercises}, *(e.name for e in exercises), *(t for e in exercises for t in e.tasks)]
    raise CourseError(f"there is no module, exercise or task {name!r}{near(name, known)}")


def by_libraries(exercises: list[Exercise]) -> list[list[Exercise]]:
    """Exercises that can share a process with their libraries loaded."""
    groups: dict[tuple[str, ...], list[Exercise]] = {}
    for exercise in exercises:
        groups.setdefault(exercise.packages, []).append(exercise)
    return list(groups.values())


def _policy(course: Course) -> Policy:
    from autograder.policy import Policy

    return Policy.load(course)


def submit(
    context: typer.Context,
    target: Target = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The zip to write.")] = Path("submission.zip"),
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask, even if not everything passes.")] = False,
) -> None:
    """Check the work, show what will be graded, and pack it into one zip, which `autograder grade` takes as it is.

    Without a TARGET: every exercise that was begun.

    Example: autograder submit m00_foundations --out ann.zip
    """
    from autograder.practice import show
    from autograder.practice.submit import begun, pack

    course = Course.find(context.obj)
    exercises = begun(course, chosen(course, target or "all")[0])
    if not exercises:
        raise CourseError("nothing to hand in: no file differs from its stub")
    verdicts = _verdicts(course, exercises)
    for verdict in verdicts.values():
        show.console().print(show.task_list(verdict.exercise, verdict.states))
    unfinished = [exercise.name for exercise in exercises if not verdicts[exercise].passed]
    if unfinished and not yes:
        typer.confirm(f"\nNot everything passes in {', '.join(unfinished)}. Pack it as it is?", abort=True)
    pack(out, verdicts)
    print(f"\n{out} holds {len(exercises)} {'file' if len(exercises) == 1 else 'files'} and a manifest: hand it in.")


def doctor(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")] = False,
) -> None:
    """Say what is installed, which modules can run, whether there is a GPU, what jail this kernel gives, and how to mend things.

    Exit code: 0 everything works, 1 something is to be mended.

    Example: autograder doctor
    """
    from dataclasses import asdict

    from autograder.practice import show
    from autograder.practice.doctor import examine, find_course

    findings = []
    for finding in examine(find_course(context.obj)):
        if not as_json:
            first = not findings or findings[-1].room != finding.room
            show.console().print(show.finding_view(finding, first), soft_wrap=True)
        findings.append(finding)
    if as_json:
        import json

        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    if any(finding.good is False for finding in findings):
        raise typer.Exit(NOT_PASSED)


def _verdicts(course: Course, exercises: list[Exercise]) -> dict[Exercise, Verdict]:
    from autograder.practice.checker import Checker

    found = {}
    for group in by_libraries(exercises):
        with Checker(course, group) as checker:
            found |= {exercise: checker.check(exercise) for exercise in group}
    return {exercise: found[exercise] for exercise in exercises}


def progress(
    context: typer.Context,
    web: Annotated[bool, typer.Option("--web", help="Make a page with calendar, history and training runs.")] = False,
    opened: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
) -> None:
    """Show every task with its state, attempts, time and hints.

    Example: autograder progress --web
    """
    from autograder.practice import record, show

    course = Course.find(context.obj)
    if not web:
        show.console().print(show.progress_table(_policy(course), record.load(course)))
        return
    from autograder.practice.page import write_page

    path = write_page(course)
    print(path)
    if opened:
        import webbrowser

        webbrowser.open(path.as_uri())
