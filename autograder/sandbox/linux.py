"""Kernel calls that Python does not offer, by name. Importable on any system: only a call needs Linux."""

from __future__ import annotations

import ctypes
import os
from functools import cache
from typing import Any

from autograder.sandbox.syscalls import native


@cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc


def call(name: str, *arguments: Any) -> int:
    """Make the system call `name`; integers are passed in full width.

    Raises:
        OSError: it failed, or this machine does not have it.
    """
    number = native()[1][name]
    words = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    result = _libc().syscall(ctypes.c_long(number), *words)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")
    return result


def prctl(option: int, value: int = 0) -> int:
    """Change one property of this process. The arguments not given are zero, as newer options demand.

    Raises:
        OSError: the kernel refused.
    """
    return call("prctl", option, value, 0, 0, 0)
