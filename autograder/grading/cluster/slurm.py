"""What to ask Slurm for: a YAML file, checked, and handed to dask-jobqueue."""

from __future__ import annotations

import logging
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from autograder.catalog import COURSE_VARIABLE, CourseError
from autograder.marked_yaml import Document, Fields

if TYPE_CHECKING:
    from dask_jobqueue import SLURMCluster
    from distributed import Client

NO_PAGES = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}  # of a scheduler: they would ask for no key
GB_PER_WORKER = 4.0  # a node and a fork server with torch take 1.3, a learner's process the limit of its exercise


def _line(text: str) -> str:
    if "\n" in text:
        raise ValueError("should be one line")
    return text


Line = Annotated[str, AfterValidator(_line)]


class SlurmSettings(Fields):
    """What each of the jobs asks for.

    Attributes:
        workers_per_job: exercises that a job grades at a time; a core for each.
        memory_gb: of a job; by default 4 for each worker.
        gpus_per_job: each worker of such a job offers the resource GPU=1.
        wait_minutes: how long the queue may take before the run gives up.
        course: where the nodes find the course, if not where this machine has it.
        python: that of the nodes, if not at the path of this one.
        keys_folder: a folder that all nodes see, for the run's keys.
        prologue: lines of shell before the workers start.
        directives: further options of sbatch.
    """

    jobs: int = Field(ge=1, le=10_000)
    workers_per_job: int = Field(1, ge=1, le=1024)
    memory_gb: float | None = Field(None, gt=0, le=100_000, allow_inf_nan=False)
    hours: float = Field(4, gt=0, le=10_000, allow_inf_nan=False)
    gpus_per_job: int = Field(0, ge=0, le=64)
    wait_minutes: float = Field(60, gt=0, le=100_000, allow_inf_nan=False)
    partition: Line | None = None
    account: Line | None = None
    interface: Line | None = None
    course: Line | None = None
    python: Line | None = None
    keys_folder: Line = "~"
    log_folder: Line | None = None
    prologue: list[Line] = []
    directives: list[Line] = []


def load(path: Path) -> SlurmSettings:
    """What the file says.

    Raises:
        CourseError: it is not there or wrong; each problem with line and field.
    """
    if not path.is_file():
        raise CourseError(
            f"--cluster {path}: there is no such file; docker/slurm.yaml of this repository is an example"
        )
    document = Document(path)
    settings = document.parse(SlurmSettings, lambda _: SlurmSettings.model_fields)
    if document.problems or settings is None:
        raise CourseError("\n".join(document.problems))
    return settings


def cluster(settings: SlurmSettings) -> SLURMCluster:
    """The scheduler, on this machine, with keys made for this run. No job is asked for yet."""
    from dask_jobqueue import SLURMCluster
    from distributed import Security

    minutes, workers = round(60 * settings.hours), settings.workers_per_job
    course = [f"export {COURSE_VARIABLE}={shlex.quote(settings.course)}"] if settings.course else []
    return SLURMCluster(
        cores=workers,
        processes=workers,
        memory=f"{settings.memory_gb or GB_PER_WORKER * workers}GiB",
        walltime=f"{minutes // 60:02}:{minutes % 60:02}:00",
        queue=settings.partition,
        account=settings.account,
        interface=settings.interface,
        python=settings.python,
        log_directory=settings.log_folder,
        job_name="autograder",
        job_script_prologue=[*course, *settings.prologue],
        job_extra_directives=[
            *([f"--gres=gpu:{settings.gpus_per_job}"] if settings.gpus_per_job else []),
            *settings.directives,
        ],
        worker_extra_args=["--no-dashboard", *(["--resources", "GPU=1"] if settings.gpus_per_job else [])],
        security=Security.temporary(),
        shared_temp_directory=settings.keys_folder,
        scheduler_options=NO_PAGES,
        silence_logs=logging.CRITICAL,
    )


def started(settings: SlurmSettings) -> Iterator[Client]:
    """The jobs, asked for; they are cancelled in the end.

    Raises:
        OSError: there is no Slurm here. RuntimeError: it refuses the jobs; its words are in the message.
    """
    from distributed import Client, Status

    if shutil.which("sbatch") is None:
        raise FileNotFoundError("sbatch is not installed here; run this where jobs are submitted to Slurm")
    with cluster(settings) as jobs, Client(jobs, set_as_default=False) as client:

        async def submit() -> None:
            jobs.scale(jobs=settings.jobs)
            try:
                await jobs._correct_state()  # not waited for, what sbatch has to say would only be logged
            except RuntimeError:
                for job in jobs.workers.values():
                    job.status = Status.failed  # those that are left as if to be started cannot be closed
                raise

        jobs.sync(submit)
        yield client
