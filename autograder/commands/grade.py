"""The command of those who grade: `autograder grade`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autograder import installed
from autograder.catalog import Course, CourseError, Exercise

if TYPE_CHECKING:
    from rich.table import Table

    from autograder.grading.graded import Graded
    from autograder.grading.pool import Grades, NodeSettings

SYSTEM_FAULT, STOPPED = 1, 130
PIPED_WIDTH = 200  # nothing is cut off where no terminal sets a limit


class Device(StrEnum):
    CPU = "cpu"
    CUDA = "cuda"
    AUTO = "auto"


def grade(
    context: typer.Context,
    submissions: Annotated[
        Path, typer.Argument(help="A folder of learners (folders, zips, .py files), or one submission.")
    ],
    out: Annotated[Path, typer.Option(help="A new folder for the results, or that of an earlier run to go on with.")],
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Only this module or exercise, this learner (ann), or this work of a learner (ann/softmax); may be given "
            "several times.",
        ),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Grade anew what was graded already.")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Exercises graded at a time.")] = os.cpu_count() or 1,
    seed: Annotated[
        int | None, typer.Option(help="For the inputs of the checks; by default that of grading.yml.")
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Where results are kept that hold for the same work in any class.", show_default=False
        ),
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Neither use nor keep such results.")] = False,
    device: Annotated[
        Device | None,
        typer.Option(
            help="Where learners' torch tensors are. cuda: what cannot be graded on a GPU is not graded; auto: it is graded on the "
            "CPU. By default that of grading.yml.",
            show_default=False,
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="WHERE",
            help="Grade on other machines: tcp://HOST:PORT or tls://HOST:PORT (a dask scheduler), a YAML file for Slurm, or "
            "local:N (N workers here). It has as many jobs at a time as it has workers.",
            show_default=False,
        ),
    ] = None,
    unsafe: Annotated[
        bool, typer.Option("--unsafe", help="Grade although this machine cannot hold untrusted code.")
    ] = False,
    container: Annotated[
        str | None,
        typer.Option(
            metavar="[docker|podman]",
            help="Grade inside one hardened container, without network; see docs/containers.md.",
            show_default=False,
        ),
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of the container: autograder:cpu, or with --gpu autograder:gpu."),
    ] = None,
    gpu: Annotated[bool, typer.Option("--gpu", help="Give the container the GPU.")] = False,
) -> None:
    """Grade a class with the hidden graders, each learner's code in a jail of its own.

    A table is printed; OUT gets grades.csv, feedback/<learner>.html, learners/<learner>.json and journal.jsonl. Run the same
    command again after an interruption, when more was handed in, or when points changed in grading.yml: what is graded already is
    not graded again. The same file under the same graders and rules is graded once, whoever hands it in.

    Exit code: 0 all graded, 1 something could not be graded for reasons that are not the learner's, 2 wrong usage.

    Example: autograder grade submissions/ --out results/

    Example: autograder grade submissions/ --out results/ --only ann/softmax --again

    Example: autograder grade submissions/ --out results/ --cluster tcp://scheduler:8786

    Example: autograder grade submissions/ --out results/ --container podman
    """
    from autograder.commands.container import grade_in_container
    from autograder.commands.progress import Progress
    from autograder.commands.selection import select
    from autograder.gradebook.report import write_reports
    from autograder.grading.cache import default_cache
    from autograder.grading.run import grade_class, handed_in
    from autograder.grading.submission import SubmissionError, find_submissions
    from autograder.policy import Policy

    policy = Policy.load(Course.find(context.obj))
    if container and cluster:
        raise CourseError("--container and --cluster do not go together: let the workers of the cluster be containers")
    if container:
        raise typer.Exit(grade_in_container(context, policy))
    if image or gpu:
        raise CourseError("--image and --gpu are for --container; add that")
    with told_in_words():
        found = find_submissions(submissions, policy.exercises())
        exercises = handed_in(found, policy.exercises())
        if not exercises:
            raise SubmissionError(f"{submissions}: no file in it belongs to an exercise of {policy.course.root}")
        wanted = select(policy, found, only) if only else [(work, exercise) for work in found for exercise in exercises]
        where, or_cpu = placed(device or policy.device, cluster)
        with Progress() as progress, pools_of(cluster, where, or_cpu) as pools:
            graded = grade_class(
                policy, found, wanted, out,
                nodes=jobs, seed=policy.seed if seed is None else seed, unsafe=unsafe, device=where, or_cpu=or_cpu,
                again=again, cache=None if no_cache else cache or default_cache(),
                progress=lambda done, total: progress.show("grading", done, total), pools=pools,
            )  # fmt: skip
    try:
        write_reports(graded, out)
    except OSError as error:
        raise CourseError(
            f"{error.filename2 or error.filename or out} cannot be written: {error.strerror}; the results are kept"
        ) from None
    show(graded, out)
    if graded.system_faults:
        raise typer.Exit(SYSTEM_FAULT)


def placed(device: str, cluster: str | None = None) -> tuple[str, bool]:
    """The device that the wish for one comes to, and whether the CPU will do for what cannot be graded there."""
    from autograder.sandbox import gpu

    if device == Device.CPU:
        return gpu.CPU, False
    if cluster:  # what this machine has does not matter
        return Device.CUDA.value, device == Device.AUTO
    if device == Device.CUDA and not gpu.numbers():
        raise CourseError(
            "--device cuda: this machine has no GPU of NVIDIA's that may be used; --device auto does without"
        )
    return (Device.CUDA.value, device == Device.AUTO) if gpu.numbers() else (gpu.CPU, False)


@contextmanager
def pools_of(cluster: str | None, device: str, or_cpu: bool) -> Iterator[Callable[[NodeSettings, int], Grades]]:
    """What grades: nodes of this machine, or those of a cluster."""
    if cluster is None:
        from autograder.grading.pool import Pool

        yield Pool
        return
    if absent := installed.missing(["distributed", "dask_jobqueue", "cryptography"]):
        raise CourseError(f"--cluster: {installed.in_words(absent)}")
    from autograder.grading.cluster.connect import Cluster

    with Cluster(cluster, resources={"GPU": 1} if device == Device.CUDA and not or_cpu else None) as workers:
        yield workers.pool


@contextmanager
def told_in_words() -> Iterator[None]:
    """What can end a run of grading, as an error of the user's, or with the exit code that says whose it is."""
    from autograder.grading.journal import JournalError
    from autograder.grading.pool import NodeError
    from autograder.grading.submission import SubmissionError

    try:
        yield
    except (SubmissionError, JournalError) as error:
        raise CourseError(str(error)) from None
    except NodeError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(SYSTEM_FAULT) from None
    except KeyboardInterrupt:
        print("stopped; what is graded is kept: run the same command again to go on", file=sys.stderr)
        raise typer.Exit(STOPPED) from None


def show(graded: Graded, out: Path) -> None:
    """The table of the class, what could not be graded, and what to look at next."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, PIPED_WIDTH)
    console.print(graded.policy.title, style="bold", highlight=False, markup=False)
    console.print(as_table(graded))
    faults: dict[tuple[str, str], list[str]] = {}
    for name, tasks in graded.untested.items():
        if graded.policy.course.exercise(name).is_notebook:
            print(f"{name}: to be graded by hand, and not counted yet: {', '.join(tasks)}", file=sys.stderr)
        else:
            print(f"warning: {name}: no check that was run looks at {', '.join(tasks)}; worth nothing", file=sys.stderr)
    for result in graded.system_faults:
        checks = ", ".join(check.check for check in result.checks if check.status == "system")
        faults.setdefault((result.exercise_id, result.note or checks), []).append(result.learner)
    for (name, fault), learners in faults.items():
        whose = printable(learners[0]) if len(learners) == 1 else f"{len(learners)} learners"
        print(f"error: {name} of {whose} could not be graded: {fault}", file=sys.stderr)
    if graded.resumed:
        print(f"{graded.resumed} of {len(graded.results)} results were there already")
    if graded.cached:
        print(f"{graded.cached} were known from the same work (--no-cache grades it again)")
    first = next(iter(graded.submissions)).learner
    from autograder.gradebook.report import file_name

    print(
        f"grades    {out / 'grades.csv'}\nfeedback  {out / 'feedback' / file_name(first)}.html (one for each learner)"
    )


def as_table(graded: Graded) -> Table:
    from rich.table import Table
    from rich.text import Text

    possible = max((graded.total(submission.learner)[1] for submission in graded.submissions), default=0.0)
    table = Table(
        box=None,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        header_style="dim",
    )
    table.add_column("learner", no_wrap=True, max_width=24)
    for exercise in graded.exercises:
        table.add_column(exercise.name.replace("_", "\n"), justify="right", no_wrap=True)
    table.add_column(f"total\nof {possible:g}", justify="right", no_wrap=True)
    for submission in graded.submissions:
        cells = [cell(graded, submission.learner, exercise) for exercise in graded.exercises]
        total = Text(f"{graded.total(submission.learner)[0]:.1f}", style="bold")
        if graded.has_system_fault(submission.learner):
            total = Text("again", style="magenta")
        elif graded.is_open(submission.learner):
            total = Text("")
        table.add_row(Text(printable(submission.learner)), *cells, total)
    return table


def printable(name: str) -> str:
    """A learner's name without what would steer a terminal."""
    return "".join(c if c.isprintable() else "?" for c in name)


def cell(graded: Graded, learner: str, exercise: Exercise) -> object:
    from rich.text import Text

    result, score = graded.results[learner, exercise.id], graded.score(learner, exercise)
    if result.has_system_fault:
        return Text("again", style="magenta")
    if result.is_open:
        return Text("")
    if result.outcome == "missing":
        return Text("–", style="dim")
    colour = "green" if score.earned == score.possible else "red" if score.earned == 0 else "yellow"
    return Text(f"{score.earned:.1f}", style=colour)
