"""What the sandbox tests share: they fork and confine themselves, so everything runs in a fresh interpreter."""

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

HERE = Path(__file__).parent
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

PRELUDE = """
import json, os, signal, sys, time
from autograder.sandbox import jail, landlock, linux, seccomp

def refused(function, *arguments):
    try:
        function(*arguments)
    except OSError:
        return True
    return False

def fork(function):
    "The pid of a process that runs the function, and the reading end of a pipe that it holds as descriptor 3."
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid:
        os.close(theirs)
        return pid, ours
    try:
        os.dup2(theirs, 3)
        function()
    except BaseException as error:
        os.write(2, repr(error).encode())
        os._exit(1)
    os._exit(0)

def ask(function):
    "What the function returns in a process of its own."
    pid, pipe = fork(lambda: os.write(3, json.dumps(function()).encode()))
    answer = os.read(pipe, 1 << 16)
    os.waitpid(pid, 0)
    return json.loads(answer)
"""


@pytest.fixture(scope="session")
def in_child() -> Callable:
    """Run code, after `setup`, in a fresh interpreter; the answer is what it leaves in `result`.

    Further keyword arguments are variables for it.
    """

    def run(code: str, setup: str = "", **variables: object) -> object:
        given = "".join(f"{name} = {value!r}\n" for name, value in variables.items())
        program = "\n".join([PRELUDE, given, setup, dedent(code), "print(json.dumps(result))"])
        child = subprocess.run(
            [sys.executable, "-c", program], env=ENVIRONMENT, capture_output=True, text=True, timeout=30
        )
        assert child.returncode == 0, child.stderr
        return json.loads(child.stdout)

    return run


@functools.cache
def _outcomes(layers: str) -> dict[str, str]:
    command = [sys.executable, HERE / "jailed.py", layers]
    child = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert child.returncode == 0 and child.stdout, child.stderr
    return json.loads(child.stdout)


@pytest.fixture(scope="session")
def outcome() -> Callable:
    """What became of an attack under some layers. Skips those that do not even succeed here when nothing holds them."""

    def find(layers: str, attack: str) -> str:
        freely = _outcomes("nothing")[attack]
        if freely != "succeeded":
            pytest.skip(f"not possible on this machine: {freely}")
        return _outcomes(layers)[attack]

    return find


@pytest.fixture(scope="session")
def attacks() -> list[str]:
    """The names of all attacks."""
    return list(_outcomes("nothing"))
