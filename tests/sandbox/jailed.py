"""Run every attack of `attacks.py`, each in a process of its own, and print what became of it as JSON.

Run as a script, because it forks: `python jailed.py LAYERS`, where LAYERS names what holds the attacker.
"""

import inspect
import json
import os
import platform
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import attacks

from autograder.sandbox import jail, landlock, linux, seccomp

NOBODY, OWN_UID = 65534, 61234
MAPPED = 4 << 30
READABLE = [os.path.dirname(os.__file__), "/dev/null"]
LIMITS = jail.Limits(memory_bytes=1 << 30, threads=40)


def only_rlimits():
    jail._limit_resources(LIMITS, MAPPED, own_uid=False)


def only_landlock():
    linux.prctl(jail.PR_SET_NO_NEW_PRIVS, 1)
    landlock.restrict(READABLE)


def only_seccomp():
    linux.prctl(jail.PR_SET_NO_NEW_PRIVS, 1)
    seccomp.install(seccomp.build(platform.machine(), os.getpid()))


HOLD = {
    "nothing": lambda: None,
    "rlimits": only_rlimits,
    "landlock": only_landlock,
    "seccomp": only_seccomp,
    "all": lambda: jail.lock_down(LIMITS, mapped_bytes=MAPPED),
    "all, as nobody": lambda: jail.lock_down(LIMITS, mapped_bytes=MAPPED),
    "all, with a GPU": lambda: jail.lock_down(LIMITS, mapped_bytes=MAPPED, devices=["/dev/null"]),
    "all, own uid": lambda: jail.lock_down(LIMITS, mapped_bytes=MAPPED, uid=OWN_UID),
}


def main(layers: str) -> None:
    if layers == "all, as nobody":
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    with tempfile.TemporaryDirectory() as folder, dummy_process() as victim:
        world = make_world(folder) | {"victim": victim}
        zygote = os.fork()
        if zygote == 0:
            try:
                run_all(layers, world)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(0)
        os.waitpid(zygote, 0)


def run_all(layers: str, world: dict) -> None:
    if layers.startswith("all"):
        jail.confine_zygote(READABLE)
    print(json.dumps({attack.__name__: run(attack, world, HOLD[layers]) for attack in attacks.ATTACKS}), flush=True)


@contextmanager
def dummy_process() -> Iterator[int]:
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        while True:
            signal.pause()
    yield pid
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def make_world(folder: str) -> dict:
    for name in ("secret", "removable", "renamable"):
        with open(os.path.join(folder, name), "w") as file:
            file.write("the answer")
    tcp, udp = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    path, abstract = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    path.bind(os.path.join(folder, "socket"))
    abstract.bind(f"\0victim-{os.getpid()}")
    path.listen()
    abstract.listen()
    return {
        "folder": folder,
        "secret": os.path.join(folder, "secret"),
        "port": tcp.getsockname()[1],
        "udp_port": udp.getsockname()[1],
        "socket_path": path.getsockname(),
        "abstract": abstract.getsockname()[1:].decode(),
        "kept open": [tcp, udp, path, abstract],
    }


def run(attack, world: dict, hold) -> str:
    """`succeeded`, `blocked: why`, `killed: signal`, or `broken: why` when the attack itself is at fault."""
    ours, theirs = socket.socketpair()
    output = os.memfd_create("output", os.MFD_ALLOW_SEALING)
    pid = os.fork()
    if pid == 0:
        signal.alarm(10)
        attempt(attack, world, hold, theirs.fileno(), output)
    os.close(output)
    theirs.close()
    said = b""
    while part := ours.recv(1 << 16):
        said += part
    ours.close()
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        return f"killed: {signal.Signals(os.WTERMSIG(status)).name}"
    if os.WEXITSTATUS(status):
        return f"broken: {said.decode()}"
    return said.decode().lstrip("x") or "succeeded"


def attempt(attack, world: dict, hold, conversation: int, output: int) -> None:
    os.dup2(output, 1)
    os.dup2(conversation, 3)
    try:
        hold()
        arguments = {name: world[name] for name in inspect.signature(attack).parameters}
        try:
            attack(**arguments)
        except (OSError, MemoryError, RuntimeError) as error:
            os.write(3, f"blocked: {error!r}".encode())
    except BaseException as error:
        os.write(3, f"{error!r}".encode())
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
