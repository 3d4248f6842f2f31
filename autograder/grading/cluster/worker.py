"""What a worker of a cluster does for a client: it keeps grading nodes warm, and passes jobs to them.

Only text crosses, settings, jobs and results as JSON. What learners handed in stays text until it is in the jail.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from dataclasses import replace
from pathlib import Path

from distributed import Worker, WorkerPlugin, get_worker
from tornado.ioloop import PeriodicCallback

from autograder.catalog import COURSE_VARIABLE, Course, CourseError
from autograder.grading.digests import grading_identity
from autograder.grading.pool import Job, NodeError, NodeSettings, Pool
from autograder.policy import Policy

# Then the nodes end, of a client that did not live to end them, say; a later job starts them again.
IDLE_SECONDS = 600.0
DIFFERENCES_SHOWN = 4


class RefusedError(NodeError):
    """A worker would not give the results that this machine gives. The message names it, and what differs."""


def identity_of(settings: NodeSettings) -> dict[str, str]:
    """What must be the same on two machines that grade with these settings.

    Raises:
        CourseError: it is not the course, or its grading.yml is wrong.
    """
    course = Course(Path(settings.course))
    exercises = [course.exercise(name) for name in settings.exercises]
    return grading_identity(Policy.load(course), exercises, settings.libraries)


class NodesOfWorker(WorkerPlugin):
    """The grading nodes of one worker for one set of settings: one for each of its threads, which it has one of by default.

    They start with the first job and end when the client is done.
    """

    def __init__(self, name: str, settings: str, identity: dict[str, str]):
        self.name, self.settings, self.identity = name, settings, identity

    def setup(self, worker: Worker) -> None:
        self.worker, self.pool, self.closed = worker, None, False
        self.lock = threading.Lock()
        self.used = time.monotonic()
        self.watch = PeriodicCallback(self.end_if_idle, IDLE_SECONDS * 100)  # milliseconds: ten times in that time
        self.watch.start()

    async def teardown(self, worker: Worker) -> None:
        self.closed = True
        self.watch.stop()
        await self.end_nodes()

    def grade(self, job: str) -> str:
        """The result of a job.

        Raises:
            NodeError: no node could be started.
        """
        try:
            return self.nodes().submit(Job.from_json(job.encode())).result().model_dump_json()
        except NodeError:
            raise
        except Exception as error:  # of a class that the client may not know
            raise NodeError(f"worker {self.worker.address}: {type(error).__name__}: {error}") from None
        finally:
            self.used = time.monotonic()

    def nodes(self) -> Pool:
        with self.lock:
            if self.pool is None:
                self.pool = self.start()
                if self.closed:  # meanwhile
                    self.pool.close()
            return self.pool

    def start(self) -> Pool:
        settings = NodeSettings(**json.loads(self.settings))
        if not Path(settings.course).is_dir():
            settings = replace(settings, course=os.environ.get(COURSE_VARIABLE) or settings.course)
        self.demand_same(settings)
        try:
            return Pool(settings, self.worker.state.nthreads)
        except NodeError as error:
            raise NodeError(f"worker {self.worker.address}: {error}") from None

    def demand_same(self, settings: NodeSettings) -> None:
        here = f"worker {self.worker.address}"
        if not Path(settings.course).is_dir():
            raise RefusedError(f"{here} has no course at {settings.course}; let {COURSE_VARIABLE} name it there")
        try:
            own = identity_of(settings)
        except CourseError as error:
            raise RefusedError(f"{here}: {error}; give it the same course") from None
        differing = [
            f"{name} is {own[name] or 'missing'}, not {value or 'missing'}"
            for name, value in self.identity.items()
            if own[name] != value
        ]
        if differing:
            more = len(differing) - DIFFERENCES_SHOWN
            words = "; ".join(differing[:DIFFERENCES_SHOWN]) + (f"; and {more} more" if more > 0 else "")
            raise RefusedError(f"{here} would grade otherwise than this machine: {words}. Install the same on both")

    async def end_if_idle(self) -> None:
        if self.worker.state.executing:
            self.used = time.monotonic()
        elif time.monotonic() - self.used > IDLE_SECONDS:
            await self.end_nodes()

    async def end_nodes(self) -> None:
        pool, self.pool = self.pool, None
        if pool:
            await asyncio.to_thread(pool.close)


def load() -> None:
    """Nothing: where this can be called, this file can be loaded."""


def grade(name: str, job: str) -> str:
    """Grade a job with the nodes of that name of the worker that this runs on."""
    return get_worker().plugins[name].grade(job)


async def start(name: str, dask_worker: Worker) -> None:
    """Start the nodes of that name of this worker, without keeping it from answering its scheduler meanwhile."""
    await asyncio.to_thread(dask_worker.plugins[name].nodes)
