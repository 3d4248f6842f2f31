"""What the kernel counts of processes: CPU time, memory, descriptors, children."""

from __future__ import annotations

import os
import resource
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")  # a second; CPU time is counted in these
MIB = 1 << 20


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
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, parent, *_ = _status(int(entry.name))
        except OSError:  # ended meanwhile
            continue
        if int(parent) == pid:
            found[int(entry.name)] = state
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
