"""Grade on the workers of a cluster (dask.distributed), each with a warm grading node of its own.

`ClusterPool` takes jobs as the `Pool` of one machine does. Jobs can be done twice without harm: that of a worker that died is
given to another one.
"""

from __future__ import annotations

import json
import logging
import re
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from multiprocessing import resource_tracker
from pathlib import Path

import dask
from distributed import Client, KilledWorker, LocalCluster, Security
from distributed import Future as Task

from autograder.catalog import CourseError
from autograder.grading import cluster_worker, slurm
from autograder.grading.cluster_worker import NodesOfWorker, RefusedError
from autograder.grading.pool import Job, NodeError, NodeSettings, system_fault
from autograder.grading.results import ExerciseResult

PATIENCE_SECONDS = 300.0  # how long a cluster may be without workers
LOOK_SECONDS = 5.0  # so often we look how many there are
RETRIES = 2  # of a job whose worker failed, but lives
MOST_IN_FLIGHT = 512  # the others wait here: the scheduler need not hold the files of a whole class
ADDRESS = re.compile(r"(tcp|tls)://[^/\s]+:\d+")
LOCAL = re.compile(r"local:([1-9]\d*)")
GO_ON = "what is graded is kept: run the same command again to go on"


class ClusterError(NodeError):
    """The cluster cannot be used, or not any more."""


class Cluster:
    """The workers at `where`: `tcp://host:port`, `tls://host:port`, `local:N`, or the path of a YAML file for Slurm.

    It is connected to, or started, when there is something to grade, and what was started ends with it.

    Args:
        resources: what a worker must offer and a job then takes of it, as `{"GPU": 1}` for `dask worker --resources GPU=1`.
        patience: seconds that it may be without workers.

    Raises:
        CourseError: `where` is none of these, or the file is wrong.
    """

    def __init__(self, where: str, *, resources: dict[str, float] | None = None, patience: float = PATIENCE_SECONDS):
        self.where, self.resources, self.patience = where, resources, patience
        self.client: Client | None = None
        self.opened = ExitStack()
        self.open = self._way(where)

    def _way(self, where: str) -> Callable[[], Iterator[Client]]:
        if ADDRESS.fullmatch(where):
            return lambda: connected(where)
        if local := LOCAL.fullmatch(where):
            return lambda: started_here(int(local[1]))
        if where.endswith((".yaml", ".yml")):
            settings = slurm.load(Path(where))
            self.patience = 60 * settings.wait_minutes
            return lambda: slurm.started(settings)
        raise CourseError(
            f"--cluster {where}: should be tcp://HOST:PORT or tls://HOST:PORT (of a dask scheduler), local:N (N workers on this "
            "machine), or a .yaml file that says what to ask Slurm for"
        )

    def pool(self, settings: NodeSettings, nodes: int = 0) -> ClusterPool:
        """What grades with these settings; how many exercises at a time is for the cluster to say.

        Raises:
            NodeError: there is no cluster, or one of its workers cannot grade this.
        """
        if self.client is None:
            for handler in logging.getLogger("distributed").handlers:
                handler.setLevel(logging.CRITICAL)  # what matters of it is told in our words
            try:
                with dask.config.set({"distributed.scheduler.http.routes": []}):
                    self.client = self.opened.enter_context(contextmanager(self.open)())
            except (OSError, RuntimeError) as error:  # a program of Slurm's that fails is a RuntimeError
                words = " ".join(str(error).split())
                raise ClusterError(f"cluster {self.where}: {words}; {GO_ON}") from None
        return ClusterPool(self.client, settings, resources=self.resources, patience=self.patience)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.opened.close()


def connected(address: str) -> Iterator[Client]:
    """A scheduler that somebody else has started. Keys and certificates for tls are those of dask's configuration."""
    security = Security()
    if address.startswith("tls:") and not security.get_connection_args("client").get("ssl_context"):
        raise OSError(
            "name key and certificates in dask's configuration, distributed.comm.tls; docs/scale.md shows how"
        )
    with Client(address, security=security, set_as_default=False) as client:
        yield client


def started_here(workers: int) -> Iterator[Client]:
    """Processes on this machine. Others who use it cannot reach them: loopback only, with keys made for this run."""
    with (
        LocalCluster(
            n_workers=0,
            threads_per_worker=1,
            memory_limit=None,
            host="127.0.0.1",
            dashboard_address=slurm.NO_PAGES["dashboard_address"],
            scheduler_kwargs=slurm.NO_PAGES,
            security=Security.temporary(),
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        cluster.sync(keep_ctrl_c_from_children)
        cluster.scale(workers)
        client.wait_for_workers(workers, timeout=PATIENCE_SECONDS)
        yield client


async def keep_ctrl_c_from_children() -> None:
    """At a terminal it reaches every process; the workers, which this thread starts, are stopped by the command line, in order."""
    resource_tracker.ensure_running()  # the first child would start it, and let the signal through again
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])


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
        identity = cluster_worker.identity_of(settings)
        try:
            workers = self.await_workers()
            client.register_plugin(NodesOfWorker(self.name, json.dumps(asdict(settings)), identity))
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
                died = f"{error.allowed_failures + 1} workers died at it or at what they did beside it"
                return system_fault(job, f"{died}; the last was {error.last_worker.address}")
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
                cluster_worker.grade,
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
            if now - self.looked < LOOK_SECONDS:
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
            address: worker["nthreads"]
            for address, worker in self.client.scheduler_info()["workers"].items()
            if all(worker["resources"].get(name, 0) >= amount for name, amount in wanted)
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

    def start_nodes(self, workers: list[str]) -> None:
        """Start a node on each worker, so that a faulty installation is told before any work."""
        answers = self.client.run(cluster_worker.start, self.name, workers=workers, on_error="return")
        alive = self.client.scheduler_info()["workers"]
        for worker, error in answers.items():
            if isinstance(error, NodeError):
                raise error
            if isinstance(error, ImportError):
                raise ClusterError(f"worker {worker}: {error}; install autograder there with the extra cluster")
            if error and worker in alive:
                raise ClusterError(f"worker {worker}: {type(error).__name__}: {error}")

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
