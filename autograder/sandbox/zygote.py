"""The fork server: import the libraries once, then fork one locked-down worker per request.

It runs in a clean environment and holds no secret: hidden tests, references and keys never exist in this process, because a
worker shares the address space it was forked from.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import linecache
import os
import resource
import signal
import socket
import sys
import tempfile
import time
import traceback
from importlib.machinery import BuiltinImporter, FrozenImporter, ModuleSpec, PathFinder

from autograder.sandbox import frameworks, gpu, jail, worker
from autograder.sandbox.forking import Forks, loading
from autograder.sandbox.peer import Closed

CONTROL_MESSAGE = 1 << 16
EXIT_SECONDS, EXIT_STEPS = 0.5, 100  # freeing the memory of a large process takes a while


def main(
    control_fd: int, libraries: list[str], importable: list[str], readable: list[str], writable: str, devices: list[str]
) -> None:
    control = socket.socket(fileno=control_fd)
    with loading():
        frameworks.load(libraries)
        frameworks.settle()
    importlib.util.find_spec(
        "a_module_that_does_not_exist"
    )  # lets every path finder list its folder while it still may
    sys.meta_path[:] = [BuiltinImporter, FrozenImporter, Installed(importable)]
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.argv = sys.orig_argv = ["worker"]
    statm = os.open("/proc/self/statm", os.O_RDONLY)
    linecache.clearcache()  # lines of libraries: a worker that dropped them would write to many shared pages
    forks = Forks()
    layers = jail.confine_zygote(read=readable, write=[writable], devices=devices)
    control.sendall(json.dumps({"layers": layers}).encode())
    serve(control, statm, layers, forks, devices)


class Installed:
    """Finds the standard library and the packages that workers may read, and nothing else.

    What is merely installed beside them must look absent: libraries probe for optional packages, and Landlock alone would answer
    with PermissionError instead of ModuleNotFoundError.
    """

    def __init__(self, names: list[str]):
        self.names = {*names, *sys.stdlib_module_names}

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return PathFinder.find_spec(name, path, target) if name.partition(".")[0] in self.names else None


def serve(control: socket.socket, statm: int, layers: list[str], forks: Forks, devices: list[str]) -> None:
    children: dict[int, int] = {}
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, CONTROL_MESSAGE, 4)
        if not data:
            os._exit(0)
        request = json.loads(data)
        if request["op"] == "fork":
            pages = os.pread(statm, 256, 0).split()
            mapped = int(pages[5 if devices else 0]) * resource.getpagesize()  # of data alone, or of everything
            parent = os.getpid()
            forks.prepare()
            pid = os.fork()
            if pid == 0:
                become_worker(control, descriptors, request, layers, mapped, parent, devices)
            children[pid] = os.pidfd_open(pid)
            reply = {"id": request["id"], "pid": pid}
            socket.send_fds(control, [json.dumps(reply).encode()], [children[pid]])
            for descriptor in descriptors:
                os.close(descriptor)
        elif request["op"] == "status":
            control.sendall(json.dumps({"id": request["id"], "status": status_of(children[request["pid"]])}).encode())
        else:
            usage = sweep(children)
            control.sendall(json.dumps({"id": request["id"], "usage": usage}).encode())


def status_of(pidfd: int) -> list[int] | None:
    """[how, what] of a worker that ended: CLD_EXITED and its exit code, or CLD_KILLED or CLD_DUMPED and the signal.

    Its end of the conversation closes a moment before it has ended; None for one that only closed it.
    """
    for _ in range(EXIT_STEPS):
        if ended := os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOWAIT | os.WNOHANG):
            return [ended.si_code, ended.si_status]
        time.sleep(EXIT_SECONDS / EXIT_STEPS)
    return None


def sweep(children: dict[int, int]) -> list[dict]:
    """Kill and reap every worker; what each one used."""
    usage = []
    for pid, pidfd in children.items():
        try:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        except ProcessLookupError:
            pass
        _, status, used = os.wait4(pid, 0)
        os.close(pidfd)
        usage.append({"status": status, "cpu": used.ru_utime + used.ru_stime, "rss_kb": used.ru_maxrss})
    children.clear()
    return usage


def become_worker(
    control: socket.socket,
    descriptors: list[int],
    request: dict,
    layers: list[str],
    mapped: int,
    parent: int,
    devices: list[str],
) -> None:
    try:
        control.close()
        arrange_descriptors(*descriptors)
        limits = jail.Limits(**request["limits"])
        sys.stdin = open(0, closefd=False)
        sys.stdout = sys.stderr = worker.BoundedOutput(1, limits.output_bytes)
        os.chdir("/")
        os.umask(0o077)
        tempfile.tempdir = next(iter(request["write"]), None)  # the zygote's own is cached there
        worker.forget_shared_state()
        enforced = jail.lock_down(
            limits, mapped_bytes=mapped, uid=request["uid"], write=request["write"], parent=parent, devices=devices
        )
        server = worker.Server(socket.socket(fileno=3))
        server.peer.device = request["device"]
        gpu.prepare(request["device"], limits.gpu_memory_bytes)
        server.peer.send(["ready", layers + enforced])
        server.peer.serve_forever()
    except Closed:
        pass
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(70)


def arrange_descriptors(rpc: int, output: int) -> None:
    """Exactly four: 0 nothing, 1 and 2 the captured output, 3 the conversation. `lock_down` closes all others."""
    nothing = os.open("/dev/null", os.O_RDONLY)
    high = [os.dup(descriptor) for descriptor in (nothing, output, output, rpc)]  # clear of the places they are to take
    high = [os.dup2(descriptor, 100 + place) for place, descriptor in enumerate(high)]
    for place, descriptor in enumerate(high):
        os.dup2(descriptor, place)
    os.closerange(4, 256)
