"""What many submissions through one grading node leave behind: nothing."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.grading.pool import Job, Node, NodeSettings
from tests.grading.small import SCALING, scaling, write_small_course

# One of each way to end: code that answers, raises, kills its worker, returns an object, is refused, does not load.
CLASS = [
    SCALING,
    scaling("raise KeyError(x)"),
    scaling("import os\nif factor > 2: os._exit(0)"),
    scaling("return (value for value in x)"),
    scaling(top="import torch"),
    scaling(top="raise RuntimeError"),
]
WARM_UP, SUBMISSIONS = 36, 60  # a node rearranges its memory once, at about the thirtieth
GROWTH_IN_BYTES = 12 << 20  # a fifth of a MiB for each submission


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    course = write_small_course(tmp_path_factory.mktemp("course"))
    node = Node(NodeSettings(str(course), ["week1/scaling"], ["jaxtyping", "numpy"], seed=0))
    yield node
    node.close()


@pytest.fixture(scope="module")
def fork_server(node: Node) -> int:
    (pid,) = children(node.process.pid)
    return pid


@pytest.fixture(scope="module")
def held(node: Node, fork_server: int) -> dict[str, list[dict[str, int]]]:
    """What each process holds before the submissions and after them."""
    processes = {"grading node": node.process.pid, "fork server": fork_server, "asking side": os.getpid()}
    grade(node, WARM_UP)
    before = {name: holdings(pid) for name, pid in processes.items()}
    grade(node, SUBMISSIONS)
    return {name: [before[name], holdings(pid)] for name, pid in processes.items()}


def grade(node: Node, submissions: int) -> None:
    for number in range(submissions):
        source = CLASS[number % len(CLASS)].encode()
        node.grade(Job(f"learner{number}", "week1/scaling", {"week1/scaling": source}, "", seconds=60.0))


def children(pid: int) -> list[int]:
    """Every child process, ended but not waited for among them."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            _, parent, *_ = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(parent) == pid:
            found.append(int(entry.name))
    return found


def holdings(pid: int) -> dict[str, int]:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return {"descriptors": len(os.listdir(f"/proc/{pid}/fd")), "memory": pages * os.sysconf("SC_PAGESIZE")}


@pytest.mark.parametrize("process", ["grading node", "fork server", "asking side"])
def test_no_descriptor_stays_open(held, process):
    before, after = held[process]
    assert after["descriptors"] == before["descriptors"]


@pytest.mark.parametrize("process", ["grading node", "fork server"])
def test_memory_does_not_grow_with_the_submissions(held, process):
    before, after = held[process]
    assert after["memory"] - before["memory"] < GROWTH_IN_BYTES


def test_no_worker_stays_behind_not_even_as_a_zombie(held, fork_server):
    assert children(fork_server) == []


def test_the_node_has_one_child_and_it_is_the_fork_server_of_the_beginning(held, node, fork_server):
    assert children(node.process.pid) == [fork_server]


def test_the_last_submission_gets_what_the_first_one_got(held, node):
    job = Job("learner", "week1/scaling", {"week1/scaling": SCALING.encode()}, "", seconds=60.0)
    assert {check.status for check in node.grade(job).checks} == {"passed"}
