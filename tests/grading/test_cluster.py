"""Grading on workers of dask.distributed: the same results as on one machine, whatever happens to the workers."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from autograder.grading.pool import Job, NodeSettings
from autograder.grading.results import Outcome
from tests.grading.small import (
    SCALING,
    STATS,
    Results,
    command,
    environment,
    grade,
    run_here,
    scaling,
    write_class,
    write_small_course,
)

distributed = pytest.importorskip("distributed", reason="not run: needs dask (pip install -e '.[cluster]')")
pytest.importorskip("dask_jobqueue", reason="not run: needs dask-jobqueue (pip install -e '.[cluster]')")

from autograder.grading.cluster.connect import Cluster  # noqa: E402
from autograder.grading.cluster.pool import ClusterError, ClusterPool  # noqa: E402
from autograder.grading.cluster.worker import RefusedError  # noqa: E402

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
PATIENCE = 60  # seconds, for what has to happen in the end
TAKES_A_WHILE = "import time; time.sleep(0.3)"
CLASS = {
    "right": {},
    "ignores": {"scaling": SCALING.replace("return factor * x", "return 2.0 * x")},
    "raises": {"scaling": scaling("raise KeyError(x)")},
    "hang": {"scaling": scaling("while True: pass")},
    "crash": {"scaling": scaling("import os\nif factor > 2: os._exit(0)")},
    "syntax": {"scaling": SCALING.replace("def scale(", "def scale((")},
    "missing": {"scaling": None},
    "printer": {"scaling": scaling("print('hello')")},
}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    return write_small_course(tmp_path_factory.mktemp("course"))


def settings_for(course: Path) -> NodeSettings:
    return NodeSettings(str(course), ["week1/scaling", "week1/stats"], ["jaxtyping", "numpy"], seed=0)


def job(scaling: str = SCALING) -> Job:
    return Job("ann", "week1/scaling", {"week1/scaling": scaling.encode(), "week1/stats": STATS.encode()}, "", 60.0)


def wait_for(condition):
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def processes_below(pid: int) -> dict[int, str]:
    """The command line of each descendant."""
    found = {}
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found[child] = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            found |= processes_below(child)
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def essence(entry: dict) -> dict:
    """A line of the journal without the times, which no two runs have in common."""
    return entry | {"seconds": 0, "checks": [check | {"seconds": 0} for check in entry["checks"]]}


def test_the_results_are_those_of_one_machine_check_by_check(course, tmp_path):
    write_class(tmp_path / "class", CLASS)
    for out, more in (("here", ("--jobs", 2)), ("cluster", ("--cluster", "local:2"))):
        finished = grade(course, tmp_path / "class", "--out", tmp_path / out, *more)
        assert finished.returncode == 0, finished.stderr
        assert finished.stderr == ""
    here, cluster = Results(tmp_path / "here"), Results(tmp_path / "cluster")
    assert len(here.journal) == len(cluster.journal) == 2 * len(CLASS)
    for learner in CLASS:
        for exercise in ("week1/scaling", "week1/stats"):
            assert essence(cluster.of(learner, exercise)) == essence(here.of(learner, exercise))
    assert (cluster.out / "grades.csv").read_text() == (here.out / "grades.csv").read_text()


@contextmanager
def run_in_background(course, class_folder, out, errors):
    """A run on two workers that has begun to journal results, in a session of its own, which takes Ctrl-C."""
    with errors.open("wb") as file:
        process = subprocess.Popen(
            command(course, class_folder, "--out", out, "--cluster", "local:2"),
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=file,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            start_new_session=True,
        )
    try:
        journal = out / "journal.jsonl"
        wait_for(lambda: process.poll() is not None or (journal.exists() and journal.read_bytes().count(b"\n") >= 3))
        assert process.poll() is None, errors.read_text()
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_class_survives_a_killed_worker_and_a_stopped_run(course, tmp_path):
    learners = {f"learner{number}": {"scaling": scaling(top=f"{TAKES_A_WHILE}; {number}")} for number in range(8)}
    class_folder, out, errors = write_class(tmp_path / "class", learners), tmp_path / "out", tmp_path / "errors.txt"
    with run_in_background(course, class_folder, out, errors) as process:
        started = processes_below(process.pid)
        victim = next(pid for pid, words in started.items() if "spawn_main" in words)
        before = (out / "journal.jsonl").read_bytes().count(b"\n")
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: (out / "journal.jsonl").read_bytes().count(b"\n") >= before + 2)
        started |= processes_below(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(PATIENCE) == 130
    assert errors.read_text() == "stopped; what is graded is kept: run the same command again to go on\n"
    wait_for(lambda: not any(map(alive, started)))
    kept = (out / "journal.jsonl").read_bytes()
    finished = grade(course, class_folder, "--out", out, "--cluster", "local:1")
    assert finished.returncode == 0, finished.stderr
    assert f"{len(kept.splitlines()) - 1} of 16 results were there already" in finished.stdout
    results = Results(out)
    assert (out / "journal.jsonl").read_bytes().startswith(kept)
    names = [(result["learner"], result["exercise"]) for result in results.journal]
    assert len(names) == len(set(names)) == 16
    assert {learner: results.points(learner) for learner in results.grades} == dict.fromkeys(learners, ["2", "1", "3"])


@pytest.fixture(scope="module")
def one_worker():
    """A cluster with one worker that has no GPU; a job is given up when its worker dies once."""
    with (
        distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            dashboard_address=None,
            silence_logs=100,
            scheduler_kwargs={"allowed_failures": 0},
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


def test_a_job_that_ends_its_worker_is_left_for_later_and_the_next_is_graded(course, one_worker):
    with ClusterPool(one_worker, settings_for(course)) as pool:
        deadly = pool.submit(job(scaling(top="import time; time.sleep(0.9)")))
        [worker] = wait_for(lambda: [info["pid"] for info in one_worker.run(process_if_executing).values() if info])
        os.kill(worker, signal.SIGKILL)
        result = deadly.result(PATIENCE)
        assert result.outcome is Outcome.SYSTEM
        assert (result.learner, result.exercise_id) == ("ann", "week1/scaling")
        assert "workers died" in result.note
        assert pool.submit(job()).result(PATIENCE).outcome is Outcome.GRADED


def process_if_executing(dask_worker):
    return {"pid": os.getpid()} if dask_worker.state.executing else None


def test_nodes_end_with_the_pool_and_workers_go_on(course, one_worker):
    with ClusterPool(one_worker, settings_for(course)) as pool:
        assert pool.submit(job()).result(PATIENCE).outcome is Outcome.GRADED
        [worker] = one_worker.run(os.getpid).values()
        assert "autograder.grading.node" in " ".join(processes_below(worker).values())
    assert list(one_worker.run(os.getpid).values()) == [worker]
    assert "autograder.grading.node" not in " ".join(processes_below(worker).values())


def test_without_a_worker_that_has_what_is_asked_for_the_run_ends_in_words(course, one_worker):
    with pytest.raises(ClusterError, match="has had no worker with GPU=1 for .* run the same command again"):
        ClusterPool(one_worker, settings_for(course), resources={"GPU": 1}, patience=0.5)


@contextmanager
def program(*words: object, **variables: object):
    """A program of dask's, until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", *map(str, words)],
        env=environment() | {name: str(value) for name, value in variables.items()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",  # Python would find this package there first
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE)


@contextmanager
def scheduler(folder: Path, *options: object):
    """The address of a scheduler."""
    file = folder / "scheduler.json"
    words = (
        "--port",
        0,
        "--host",
        "127.0.0.1",
        "--no-dashboard",
        "--dashboard-address",
        ":0",
        "--scheduler-file",
        file,
    )
    with program("distributed.cli.dask_scheduler", *words, *options):
        yield json.loads(wait_for(lambda: file.exists() and file.read_text()))["address"]


def worker(address: str, *options: object, **variables: object):
    words = ("--nthreads", 1, "--no-dashboard", "--no-nanny", "--host", "127.0.0.1")
    return program("distributed.cli.dask_worker", address, *words, *options, **variables)


def test_a_worker_may_have_the_course_elsewhere_but_not_another_one(course, tmp_path, monkeypatch):
    shutil.copytree(course, tmp_path / "clients")
    workers = shutil.copytree(course, tmp_path / "workers")
    monkeypatch.chdir(tmp_path)
    settings = settings_for(Path("clients"))  # a folder that the worker, which is elsewhere, does not have
    with scheduler(tmp_path) as address, Cluster(address, patience=PATIENCE) as cluster:
        with worker(address, AUTOGRADER_COURSE=workers), cluster.pool(settings) as pool:
            assert pool.submit(job()).result(PATIENCE).outcome is Outcome.GRADED
        package = shutil.copytree(ROOT / "autograder", tmp_path / "other/autograder", ignore=only_the_package)
        (package / "__init__.py").write_text('__version__ = "9.9"\n')
        with (workers / "graders/week1/test_stats.py").open("a") as changed:
            changed.write("# changed\n")
        with (
            worker(address, AUTOGRADER_COURSE=workers, PYTHONPATH=tmp_path / "other"),
            pytest.raises(RefusedError) as refused,
        ):
            cluster.pool(settings)
    words = str(refused.value)
    assert "worker tcp://127.0.0.1:" in words
    assert "autograder is 9.9 (" in words
    assert "week1/stats (solution, checks, mistakes, rules) is" in words
    assert "week1/scaling" not in words


def only_the_package(folder, names):
    return {"graders", "web", "__pycache__"} & set(names)


def keys(folder: Path) -> dict[str, Path]:
    """A key and a certificate, as files."""
    made = distributed.Security.temporary()
    texts = {"ca_file": made.tls_ca_file, "cert": made.tls_client_cert, "key": made.tls_client_key}
    files = {name: folder / f"{name}.pem" for name in texts}
    for name, text in texts.items():
        files[name].write_text(text)
    return files


def test_a_cluster_with_tls_grades_whoever_has_the_key_and_no_one_else(course, tmp_path):
    write_class(tmp_path / "class", {"ann": {}})
    files = keys(tmp_path)
    options = [text for name, path in files.items() for text in (f"--tls-{name.replace('_', '-')}", path)]
    names = {"ca_file": "CA_FILE", "cert": "CLIENT__CERT", "key": "CLIENT__KEY"}
    own = {f"DASK_DISTRIBUTED__COMM__TLS__{names[name]}": str(path) for name, path in files.items()}
    brief = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "1s"}
    with scheduler(tmp_path, "--protocol", "tls", *options) as address, worker(address, *options) as process:
        assert address.startswith("tls://")
        words = command(course, tmp_path / "class", "--out", tmp_path / "out", "--cluster", address)
        graded = run_with(words, own)
        assert graded.returncode == 0, graded.stderr
        assert "autograder.grading.node" not in " ".join(processes_below(process.pid).values())
        (tmp_path / "out").rename(tmp_path / "kept")
        for wrong in (address, address.replace("tls", "tcp")):
            refused = run_with([wrong if word == address else word for word in words], brief)
            assert refused.returncode == 1
            assert refused.stderr.startswith(f"error: cluster {wrong}: ")
            assert "Traceback" not in refused.stderr
    assert Results(tmp_path / "kept").points("ann") == ["2", "1", "3"]


def run_with(words: list[str], variables: dict[str, str]) -> subprocess.CompletedProcess:
    return subprocess.run(words, capture_output=True, text=True, env=environment() | variables, timeout=PATIENCE)


def test_what_is_no_cluster_is_told_before_anything_is_done(course, tmp_path):
    write_class(tmp_path / "class", {"ann": {}})
    (tmp_path / "slurm.yaml").write_text("jobs: 0\npartitoin: x\nmemory_gb: lots\n")
    for where, told in {
        "scheduler:8786": ["--cluster scheduler:8786: should be tcp://HOST:PORT or tls://HOST:PORT"],
        "local:0": ["should be tcp://HOST:PORT"],
        str(tmp_path / "absent.yaml"): ["there is no such file"],
        str(tmp_path / "slurm.yaml"): [
            "slurm.yaml:1:7: jobs: should be greater than or equal to 1, not 0",
            'slurm.yaml:2:1: partitoin: unknown field; did you mean "partition"?',
            "slurm.yaml:3:12: memory_gb: should be a valid number",
        ],
    }.items():
        refused = run_here(
            "--course", course, "grade", tmp_path / "class", "--out", tmp_path / "out", "--cluster", where
        )
        assert refused.exit_code == 2
        assert [words for words in told if words not in refused.stderr] == [], refused.stderr
    assert not (tmp_path / "out").exists()
