"""A dozen attacks on our own jail, tried each time a fork server starts: proof on the spot, not trust in version numbers."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from autograder.sandbox.client import Zygote
from autograder.sandbox.errors import LearnerError, SandboxError
from autograder.sandbox.jail import Limits

# Each returns only if it succeeded. `secret` is a readable file of the grader's, `grader` its process id.
ATTACKS = b"""
import os, signal, socket, subprocess

def read_a_file_of_the_grader(secret, grader): open(secret).read()
def list_the_root_folder(secret, grader): os.listdir("/")
def write_beside_it(secret, grader): open(secret + ".x", "w").close()
def change_its_mode(secret, grader): os.chmod(secret, 0o777)
def read_the_memory_of_the_grader(secret, grader): open(f"/proc/{grader}/mem", "rb").close()
def read_the_environment_of_the_grader(secret, grader): open(f"/proc/{grader}/environ", "rb").read()
def signal_the_grader(secret, grader): os.kill(grader, 0)
def signal_the_fork_server(secret, grader): os.kill(os.getppid(), 0)
def fork(secret, grader): os.fork() or os._exit(0)
def run_a_program(secret, grader): subprocess.run(["/bin/true"])
def open_a_socket(secret, grader): socket.socket()
def open_a_unix_socket(secret, grader): socket.socketpair()
def hide_memory_in_a_descriptor(secret, grader): os.memfd_create("x")
def raise_its_own_limits(secret, grader):
    import resource
    resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
def take_too_much_memory(secret, grader): bytearray(1 << 40)
def harmless(secret, grader): return len(os.environ) < 20 and sum(range(10)) == 45
"""
NAMES = [line.split(b"(")[0][4:].decode() for line in ATTACKS.splitlines() if line.startswith(b"def ")]


def self_test(zygote: Zygote) -> list[str]:
    """Try the attacks in one worker; the layers that held.

    Raises:
        SandboxError: an attack succeeded, or harmless work did not, and the fork server is not `unsafe`.
    """
    with tempfile.TemporaryDirectory() as folder:
        secret = Path(folder, "secret")
        secret.write_text("a hidden test")
        os.chmod(folder, 0o755)
        with zygote.worker(Limits()) as worker:
            module = worker.load({"attacks": ATTACKS}, "attacks")
            failures = [name for name in NAMES if _succeeds(module, name, str(secret)) != (name == "harmless")]
            layers = worker.layers
    zygote.sweep()
    if failures and not zygote.unsafe:
        raise SandboxError(f"the jail does not hold on this machine: {', '.join(failures).replace('_', ' ')}")
    return list(dict.fromkeys(layers))


def _succeeds(module: object, name: str, secret: str) -> bool:
    try:
        getattr(module, name)(secret, os.getpid())
    except LearnerError:
        return False
    return True
