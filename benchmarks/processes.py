"""What the kernel counts of processes: CPU time, memory, descriptors, children."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

TICKS = os.sysconf("SC_CLK_TCK")  # a second; CPU time is counted in these
MIB = 1 << 20
PR_SET_CHILD_SUBREAPER = 36


class Cost(NamedTuple):
    """Seconds."""

    cpu: float
    wall: float

    def __truediv__(self, number: float) -> Cost:
        return Cost(self.cpu / number, self.wall / number)


def cost_of(command: Sequence[str], log: Path, accepted: Sequence[int] = (0,), **options: object) -> Cost:
    """Run a command and count all processes it starts, also those it leaves behind.

    Raises:
        RuntimeError: its exit code is not among the accepted ones.
    """
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)  # what a command leaves behind becomes ours to wait for
    cpu, wall = cpu_of_ended_children(), time.perf_counter()
    with log.open("ab") as output:
        code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **options).returncode
    wall = time.perf_counter() - wall
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            break
    if code not in accepted:
        words = log.read_text(errors="replace")[-3000:]
        raise RuntimeError(f"{' '.join(command)}: exit code {code}\n{words}")
    return Cost(cpu_of_ended_children() - cpu, wall)


class Memory(threading.Thread):
    """Watches the resident memory of the programs started meanwhile; forks that run the same program are left out.

    Attributes:
        seen: MiB by program (the module that Python runs), twice a second.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: defaultdict[str, list[float]] = defaultdict(list)
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.5):
            for pid, program in programs_below(os.getpid()).items():
                try:
                    resident = holdings(pid)["resident MiB"]
                except OSError:  # ended meanwhile
                    continue
                self.seen[program].append(resident)

    @property
    def peaks(self) -> dict[str, float]:
        return {program: max(values) for program, values in self.seen.items()}

    def __enter__(self) -> Memory:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.join()


def programs_below(pid: int) -> dict[int, str]:
    """The program of each descendant, unless its parent runs the same."""
    found, parents = {}, {child: parent for child, (_, parent) in all_processes().items()}
    for child, parent in parents.items():
        ancestor = parent
        while ancestor not in (pid, 0):
            ancestor = parents.get(ancestor, 0)
        if ancestor == pid and (program := program_of(child)) not in ("", program_of(parent)):
            found[child] = program
    return found


def program_of(pid: int) -> str:
    """The module that Python runs there; `-c` for a text, else the path of the program."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return ""
    return words[words.index("-m") + 1] if "-m" in words else next((word for word in words if word == "-c"), words[0])


def cpu_seconds(pid: int) -> tuple[float, float]:
    """Of the process itself, and of its children that have ended."""
    user, system, childrens_user, childrens_system = map(int, _status(pid)[11:15])
    return (user + system) / TICKS, (childrens_user + childrens_system) / TICKS


def cpu_of_ended_children() -> float:
    """Of this process's own."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def children(pid: int) -> dict[int, str]:
    """The state of each child process, by its id."""
    return {child: state for child, (state, parent) in all_processes().items() if parent == pid}


def all_processes() -> dict[int, tuple[str, int]]:
    """The state and the parent of each process on this machine, by its id."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, parent, *_ = _status(int(entry.name))
        except OSError:  # ended meanwhile
            continue
        found[int(entry.name)] = state, int(parent)
    return found


def holdings(pid: int) -> dict[str, float]:
    """What a process holds and must not collect."""
    states = list(children(pid).values())
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return {
        "resident MiB": pages * resource.getpagesize() / MIB,
        "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
        "children": len(states),
        "zombies": states.count("Z"),
    }


def private_mib(pid: int) -> tuple[float, float]:
    """Memory that no other process shares: its own, and pages of files that it alone has read."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    kib = {name: int(size) for name, size, *_ in map(str.split, lines)}
    return kib["Private_Dirty:"] / 1024, kib["Private_Clean:"] / 1024


def pid_of(pidfd: int) -> int:
    lines = Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pid:"))


def _status(pid: int) -> list[str]:
    """/proc/<pid>/stat from its third field on: state, parent, …"""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
