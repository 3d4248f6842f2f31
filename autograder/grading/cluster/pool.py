"""Jobs for the workers of a cluster, each with a warm grading node of its own.

`ClusterPool` takes jobs as the `Pool` of one machine does. Jobs can be done twice without harm: that of a worker that died is
given to another one.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import uuid
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict

from distributed import Client, KilledWorker
from distributed import Future as Task

from autograder.grading.cluster import worker
from autograder.grading.cluster.worker import NodesOfWorker, RefusedError
from autograder.grading.pool import Job, NodeError, NodeSettings, system_fault
from autograder.grading.results import ExerciseResult

PATIENCE_SECONDS = 300.0  # how long a cluster may be without workers
LOOK_SECONDS = 5.0  # so often we look how many there are
RETRIES = 2  # of a job whose worker failed, but lives
MOST_IN_FLIGHT = 512  # the others wait here: the scheduler need not hold the files of a whole class
GO_ON = "what is graded is kept: run the same command again to go on"


class ClusterError(NodeError):
    """The cluster cannot be used, or not any more."""


class ClusterPool:
    """Workers of a cluster that grade with one set of settings.

    Raises:
        NodeError: there are no workers, or one of them cannot grade this.
    """

    def __init__(
        self,
        client: Client,
        settings: NodeSettings,
        *,
        resources: dict[str, float] | None = None,
        patience: float = PATIENCE_SECONDS,
    ):
        self.client, self.resources, self.patience = client, resources, patience
        self.name = f"autograder-{uuid.uuid4().hex}"
        self.lock = threading.Lock()
        self.tasks: set[Task] = set()
        self.closing = False
        self.places = threading.Semaphore(0)  # for jobs on their way: some more than there are workers to do them
        self.in_flight = 0
        self.seen = self.looked = time.monotonic()
        self.threads = ThreadPoolExecutor(MOST_IN_FLIGHT)
        identity = worker.identity_of(settings)
        try:
            workers = self.await_workers()
            self.register(NodesOfWorker(self.name, json.dumps(asdict(settings)), identity))
            self.start_nodes(workers)
        except BaseException:
            self.close()
            raise

    def submit(self, job: Job) -> Future[ExerciseResult]:
        return self.threads.submit(self.grade, job)

    def grade(self, job: Job) -> ExerciseResult:
        with self.places:
            task = self.begin(job)
            try:
                return ExerciseResult.model_validate_json(self.answer(task))
            except (RefusedError, ClusterError):
                raise
            except CancelledError:  # by `close`, whose caller asks for no more results, or
                raise ClusterError(f"the connection to the cluster was lost; {GO_ON}") from None
            except KilledWorker as error:
                died = f"{error.allowed_failures + 1} of its workers died"
                return system_fault(
                    job, f"{died}, at it or for reasons of their own; the last was {error.last_worker.address}"
                )
            except Exception as error:
                return system_fault(job, str(error) or type(error).__name__)
            finally:
                with self.lock:
                    self.tasks.discard(task)
                task.release()

    def begin(self, job: Job) -> Task:
        with self.lock:
            if self.closing:
                raise CancelledError
            task = self.client.submit(
                worker.grade,
                self.name,
                job.to_json(),
                key=f"grade-{uuid.uuid4()}",
                pure=False,
                retries=RETRIES,
                resources=self.resources,
            )
            self.tasks.add(task)
        return task

    def answer(self, task: Task) -> str:
        while True:
            try:
                return task.result(timeout=LOOK_SECONDS)
            except TimeoutError:
                self.look()

    def look(self) -> None:
        """See whether there are workers, unless that was done a moment ago.

        Raises:
            ClusterError: there have been none for too long.
        """
        with self.lock:
            now = time.monotonic()
            if now - self.looked < min(LOOK_SECONDS, self.patience):
                return
            self.looked = now
            if self.workers():
                self.seen = now
            elif now - self.seen > self.patience:
                raise ClusterError(
                    f"the cluster has had no {self.kind_of_worker} for {now - self.seen:.0f} s; {GO_ON} when it has"
                )

    @property
    def kind_of_worker(self) -> str:
        offer = " and ".join(f"{name}={amount:g}" for name, amount in (self.resources or {}).items())
        return f"worker with {offer}" if offer else "worker"

    def workers(self) -> list[str]:
        """The addresses of those that can take a job. There is room for as many jobs on their way as keep them busy."""
        wanted = (self.resources or {}).items()
        found = {
            address: info["nthreads"]
            for address, info in self.client.scheduler_info()["workers"].items()
            if all(info["resources"].get(name, 0) >= amount for name, amount in wanted)
        }
        room = min(2 * sum(found.values()) + 1, MOST_IN_FLIGHT)
        if room > self.in_flight:
            self.places.release(room - self.in_flight)
            self.in_flight = room
        return list(found)

    def await_workers(self) -> list[str]:
        told = False
        while not (workers := self.workers()):
            if not told and time.monotonic() - self.seen > LOOK_SECONDS:
                told = True
                print(f"waiting for the first {self.kind_of_worker}, {self.patience / 60:.0f} minutes", file=sys.stderr)
            self.look()
            time.sleep(0.2)
        return workers

    def register(self, nodes: NodesOfWorker) -> None:
        """Give the nodes to every worker, now or later."""
        try:
            self.client.run_on_scheduler(worker.load)
            self.client.register_plugin(nodes)
        except Exception as error:  # a plain one, with the words of the other side
            raise ClusterError(
                f"scheduler and workers need this version of autograder, with the extra cluster: {error}"
            ) from None

    def start_nodes(self, workers: list[str]) -> None:
        """Start a node on each worker, so that a faulty installation is told before any work."""
        answers = self.client.run(worker.start, self.name, workers=workers, on_error="return")
        alive = self.client.scheduler_info()["workers"]
        for address, error in answers.items():
            if isinstance(error, NodeError):
                raise error
            if error and address in alive:
                raise ClusterError(f"worker {address}: {type(error).__name__}: {error}")

    def close(self) -> None:
        with self.lock:
            self.closing = True
        self.threads.shutdown(wait=False, cancel_futures=True)
        with suppress(Exception):  # of a cluster that is gone
            self.client.cancel(list(self.tasks), force=True)
        self.threads.shutdown(wait=True)
        with suppress(Exception):
            self.client.unregister_worker_plugin(self.name)

    def __enter__(self) -> ClusterPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
