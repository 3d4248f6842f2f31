"""`autograder grade --container`: the same command once more, inside a container."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from typer.core import TyperCommand, TyperOption

from autograder.catalog import CourseError

if TYPE_CHECKING:
    from autograder.grading.container import Mount
    from autograder.policy import Policy

OPTION = "--container"
SAID_ANEW = {
    "out",
    "jobs",
    "cache",
    "no_cache",
    "container",
    "image",
    "gpu",
}  # for the inside; all others are passed on
CACHE = "container"  # within the cache folder: nothing that a container wrote is believed outside of one


class GradeCommand(TyperCommand):
    """Takes `--container` with an engine or without one."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:
        from autograder.grading.engine import ANY_ENGINE, ENGINES

        following = [*args[1:], ""]
        alone = [word == OPTION and after not in ENGINES for word, after in zip(args, following, strict=True)]
        return super().parse_args(
            ctx, [f"{word}={ANY_ENGINE}" if is_alone else word for word, is_alone in zip(args, alone, strict=True)]
        )


def grade_in_container(context: typer.Context, policy: Policy) -> int:
    """Run the command of `context` in a container; its exit code.

    Raises:
        CourseError: there is no container to be had, or nothing to grade.
    """
    from autograder.commands.grade import placed
    from autograder.grading.container import HOME, Mount, run
    from autograder.grading.engine import ContainerError, default_image, demand_image, find_engine
    from autograder.sandbox import gpu

    given = context.params
    submissions, out = given["submissions"], given["out"]
    if not submissions.exists():
        raise CourseError(f"{submissions}: no such file or folder")
    _demand_readable(policy.course.root, submissions)
    with_gpu = given["gpu"] or placed(given["device"] or policy.device) != (gpu.CPU, False)
    image = given["image"] or default_image(with_gpu)
    try:
        engine = find_engine(given["container"])
        demand_image(engine, image, with_gpu)
        inside = f"{HOME}/submissions/{Path(os.path.abspath(submissions)).name}"  # a single one is named by its file
        mounts = [
            Mount(policy.course.root, f"{HOME}/course"),
            Mount(submissions, inside),
            Mount(_folder(out), f"{HOME}/results", is_writable=True),
        ]
        arguments = ["--course", f"{HOME}/course", "grade", "--out", f"{HOME}/results", "--jobs", str(given["jobs"])]
        if given["gpu"] and not given["device"]:
            arguments.append("--device=auto")
        if cache := _cache(context):
            mounts.append(cache)
        return run(
            engine, image, mounts,
            [*arguments, f"--cache={cache.inside}" if cache else "--no-cache", *_passed_on(context), "--", inside],
            out=out,
            jobs=given["jobs"],
            learner_mb=max(policy.limits(exercise).memory_mb for exercise in policy.exercises()),
            gpu=with_gpu,
        )  # fmt: skip
    except ContainerError as error:
        raise CourseError(str(error)) from None


def _cache(context: typer.Context) -> Mount | None:
    from autograder.grading.cache import default_cache
    from autograder.grading.container import HOME, NOBODY, Mount, give, is_root

    if context.params["no_cache"]:
        return None
    folder = _folder((context.params["cache"] or default_cache()) / CACHE)
    if is_root():
        give(folder, NOBODY, NOBODY)
    return Mount(folder, f"{HOME}/cache", is_writable=True)


def _folder(path: Path) -> Path:
    """It, made where there is none: an engine would make it as root."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise CourseError(f"{path} is a file; name a folder") from None
    except OSError as error:
        raise CourseError(f"{path} cannot be made: {error.strerror}") from None
    return path


def _demand_readable(*paths: Path) -> None:
    """Raises CourseError: root is asking, and in the container it is nobody who could not read these."""
    from autograder.grading.container import is_root

    for path in paths:
        wanted = stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0)
        if is_root() and path.stat().st_mode & wanted != wanted:
            raise CourseError(
                f"only root can read {path}, and in the container nobody is root; "
                f"chmod -R o+rX {path}, or run this as another user"
            )


def _passed_on(context: typer.Context) -> list[str]:
    """The options that were given and mean the same inside."""
    words = []
    for option in context.command.params:
        source = context.get_parameter_source(option.name)
        if not isinstance(option, TyperOption) or option.name in SAID_ANEW or source.name.startswith("DEFAULT"):
            continue
        value = context.params[option.name]
        if option.is_flag:
            words.append(option.opts[0] if value else option.secondary_opts[0])
        else:
            words += [f"{option.opts[0]}={each}" for each in (value if option.multiple else [value])]
    return words
