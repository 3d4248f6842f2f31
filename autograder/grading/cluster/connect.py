"""Where the workers are: `--cluster`, read, and connected to or started when there is something to grade."""

from __future__ import annotations

import logging
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import resource_tracker
from pathlib import Path

import dask
from distributed import Client, LocalCluster, Security
from tornado.ioloop import PeriodicCallback

from autograder.catalog import CourseError
from autograder.grading.cluster import slurm
from autograder.grading.cluster.pool import GO_ON, LOOK_SECONDS, PATIENCE_SECONDS, ClusterError, ClusterPool
from autograder.grading.pool import NodeSettings

ADDRESS = re.compile(r"(tcp|tls)://[^/\s]+:\d+")
LOCAL = re.compile(r"local:([1-9]\d*)")
# Of what we start: no pages, and no sampling of what the workers, which only wait, are doing.
QUIET = {"distributed.scheduler.http.routes": [], "distributed.worker.profile.enabled": False}


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
                with dask.config.set(QUIET):
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
        cluster.sync(keep_alive, cluster, workers)
        client.wait_for_workers(workers, timeout=PATIENCE_SECONDS)
        yield client


async def keep_alive(cluster: LocalCluster, workers: int) -> None:
    """Start the workers, and others for those that dask gives up: one that dies while it starts, say."""
    cluster.scale(workers)
    PeriodicCallback(lambda: cluster.scale(workers), 1000 * LOOK_SECONDS).start()


async def keep_ctrl_c_from_children() -> None:
    """At a terminal it reaches every process; the workers, which this thread starts, are stopped by the command line, in order."""
    resource_tracker.ensure_running()  # the first child would start it, and let the signal through again
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
