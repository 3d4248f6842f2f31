"""The jail: what a fork server, and then each worker forked from it, gives up for ever.

The fork server takes a base Landlock domain that all its forks inherit: reading the listed trees and nothing else. Each
worker then gives up the rest: descriptors, privileges, resources, what lies outside a domain of its own, system calls.
"""

from __future__ import annotations

import os
import platform
import signal
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from autograder.sandbox import gpu, landlock, linux, seccomp

try:
    import resource
except ImportError:  # Windows, where this module can be imported but not used
    resource = None

CAP_SETGID, CAP_SETUID = 6, 7
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
CAPABILITY_VERSION_3 = 0x20080522

LAST_DESCRIPTOR = 3
ALWAYS_WRITABLE = ("/dev/null",)
LOCKED_MEMORY_BYTES = 64 << 10
QUEUED_SIGNALS = 64


@dataclass(frozen=True)
class Limits:
    """What one worker may use.

    Attributes:
        memory_bytes: address space above what the fork server has mapped already. With a GPU, whose driver reserves far more
            addresses than there is memory, private memory that can be written.
        gpu_memory_bytes: as far as torch keeps to it; nothing else bounds the memory of a GPU.
        output_bytes: the size to which any file can grow, the captured output among them.
        threads: counted by user id, so enforced only where the worker has one of its own.
    """

    cpu_seconds: int = 20
    memory_bytes: int = 1 << 30
    gpu_memory_bytes: int = 4 << 30
    output_bytes: int = 64 << 10
    open_files: int = 64
    threads: int = 64


def confine_zygote(read: Sequence[str], write: Sequence[str] = (), devices: Sequence[str] = ()) -> list[str]:
    """Confine this process, the fork server, and all it will fork. Called once, after its imports.

    It can still fork, reap and signal its children, talk over open sockets and read open files (`/proc/self/statm`).
    Folders that are not in `read` can no longer be listed, so path finders must have done it before.

    Args:
        read: files and folders that workers may read.
        write: folders that some worker may write; each gets only those that its `lock_down` names.
        devices: device files of a GPU that workers may use.

    Returns:
        The layers really enforced.

    Raises:
        RuntimeError: there is more than one thread; the others would stay outside, and forking would not be safe.
        OSError: this is not Linux on a machine that `syscalls` lists, or Landlock is there and failed.
    """
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise RuntimeError(f"{threads} threads in the fork server; set OMP_NUM_THREADS=1 and OPENBLAS_NUM_THREADS=1")
    layers = [_renounce_new_privileges()]
    layers += _landlock("zygote-landlock", landlock.restrict(read, [*write, *ALWAYS_WRITABLE], devices))
    seccomp.build(platform.machine(), pid=0)  # what does not depend on the process id is kept for the forks
    return layers


def lock_down(
    limits: Limits,
    *,
    mapped_bytes: int,
    uid: int | None = None,
    write: Sequence[str] = (),
    parent: int | None = None,
    devices: Sequence[str] = (),
) -> list[str]:
    """Turn this process, just forked from a confined fork server, into a worker. There is no way back.

    It keeps descriptors 0 to 3 and its one thread (a fork has no other). Where the kernel lacks a layer it goes on
    without: see `missing_layers`.

    Args:
        mapped_bytes: the address space of the fork server; with a GPU, its private memory that can be written.
        uid: user and group id of the worker's own; needs root.
        write: the folders that this worker may write, among those of `confine_zygote`.
        parent: process id of the fork server; with it, a worker whose fork server died in the meantime ends at once.
        devices: those of `confine_zygote`.

    Returns:
        The layers really enforced.

    Raises:
        OSError: this is not Linux on a machine that `syscalls` lists, or a layer that the kernel has failed.
    """
    linux.call("close_range", LAST_DESCRIPTOR + 1, 0xFFFFFFFF, 0)
    os.setsid()
    layers = _drop_privileges(uid)
    _die_with(parent)  # after the change of user id, which clears it
    linux.prctl(PR_SET_DUMPABLE, 0)
    layers.append(_limit_resources(limits, mapped_bytes, own_uid=uid is not None, with_gpu=bool(devices)))
    layers.append(_renounce_new_privileges())
    layers += _landlock("landlock", landlock.restrict(["/"], [*write, *ALWAYS_WRITABLE], devices))
    layers += _filter_system_calls(with_gpu=bool(devices))
    return layers


def can_change_uid() -> bool:
    """Whether this process can give workers user ids of their own: it is root, and in a container not without its capabilities."""
    effective = next(line for line in open("/proc/self/status") if line.startswith("CapEff:"))
    needed = 1 << CAP_SETGID | 1 << CAP_SETUID
    return os.getuid() == 0 and int(effective.split()[1], 16) & needed == needed


def missing_layers(layers: Sequence[str]) -> list[str]:
    """Which mandatory layers are not among `layers`, those of `confine_zygote` and of `lock_down` together."""
    missing = [
        f"{name} with truncation (Linux 6.2 or later, and a container engine that lets it through)"
        for name in ("zygote-landlock", "landlock")
        if not any(layer.startswith(f"{name}:") and "+truncate" in layer for layer in layers)
    ]
    return missing + [name for name in ("seccomp", "no-new-privs", "rlimits") if name not in layers]


def _drop_privileges(uid: int | None) -> list[str]:
    """All capabilities, also those of a user 0 who stays user 0, and where asked the user id itself."""
    for capability in range(64):
        try:
            linux.prctl(PR_CAPBSET_DROP, capability)
        except OSError:  # past the last one; or not ours to change, which no_new_privs makes harmless
            break
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    linux.call("capset", struct.pack("=Ii", CAPABILITY_VERSION_3, 0), bytes(24))
    return ["no-caps"] if uid is None else ["uid", "no-caps"]


def _die_with(parent: int | None) -> None:
    linux.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent is not None and os.getppid() != parent:
        os._exit(os.EX_TEMPFAIL)


def _limit_resources(limits: Limits, mapped_bytes: int, own_uid: bool, with_gpu: bool = False) -> str:
    memory = resource.RLIMIT_DATA if with_gpu else resource.RLIMIT_AS
    wanted = {
        memory: mapped_bytes + limits.memory_bytes + (gpu.OWN_BYTES if with_gpu else 0),
        resource.RLIMIT_CPU: limits.cpu_seconds,
        resource.RLIMIT_FSIZE: limits.output_bytes,
        resource.RLIMIT_NOFILE: gpu.OPEN_FILES if with_gpu else limits.open_files,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_MEMLOCK: LOCKED_MEMORY_BYTES,
        resource.RLIMIT_SIGPENDING: QUEUED_SIGNALS,
    }
    if own_uid:
        wanted[resource.RLIMIT_NPROC] = limits.threads
    for limit, soft in wanted.items():
        hard = soft + 1 if limit == resource.RLIMIT_CPU else soft  # SIGXCPU first: SIGKILL would not say why
        present = resource.getrlimit(limit)[1]
        if present != resource.RLIM_INFINITY:
            soft, hard = min(soft, present), min(hard, present)
        resource.setrlimit(limit, (soft, hard))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond RLIMIT_FSIZE is then an OSError
    return "rlimits"


def _renounce_new_privileges() -> str:
    linux.prctl(PR_SET_NO_NEW_PRIVS, 1)
    return "no-new-privs"


def _landlock(name: str, layers: Sequence[str]) -> list[str]:
    return [f"{name}:{'+'.join(layers)} (ABI {landlock.abi()})"] if layers else []


def _filter_system_calls(with_gpu: bool) -> list[str]:
    try:
        seccomp.install(seccomp.build(platform.machine(), os.getpid(), with_gpu))
    except OSError:  # a kernel without seccomp filters
        return []
    return ["seccomp"]
