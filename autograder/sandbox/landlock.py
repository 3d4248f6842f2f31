"""Landlock: which files a process may open; no process, abstract socket or TCP port beyond its domain can be reached.

A domain binds the calling thread, its future children and nothing else, and can only ever be narrowed.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Sequence
from typing import NamedTuple

from autograder.sandbox import linux

WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5
EXECUTE, MAKE_DIR, MAKE_REG, REFER, TRUNCATE, IOCTL_DEV = 1 << 0, 1 << 7, 1 << 8, 1 << 13, 1 << 14, 1 << 15

READ = READ_FILE | READ_DIR
WRITE = READ | WRITE_FILE | TRUNCATE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | REFER  # rename across folders
DEVICE = READ | WRITE_FILE | IOCTL_DEV
ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV  # the rights that mean anything for a file

VERSION_FLAG = 1 << 0
RULE_PATH_BENEATH = 1


class Layer(NamedTuple):
    """Something that can be taken away: since which ABI, and its bits in one of the three masks of a rule set."""

    name: str
    abi: int
    files: int = 0
    network: int = 0
    scope: int = 0


LAYERS = (
    Layer("fs", 1, files=(1 << 13) - 1),
    Layer("refer", 2, files=REFER),
    Layer("truncate", 3, files=TRUNCATE),
    Layer("tcp", 4, network=1 << 0 | 1 << 1),
    Layer("ioctl", 5, files=IOCTL_DEV),
    Layer("abstract-unix", 6, scope=1 << 0),
    Layer("signal", 6, scope=1 << 1),
)


def abi() -> int:
    """The version the kernel offers; 0 where there is none, or where a container engine refuses it."""
    try:
        return linux.call("landlock_create_ruleset", None, 0, VERSION_FLAG)
    except OSError:
        return 0


def restrict(read: Sequence[str] = (), write: Sequence[str] = (), devices: Sequence[str] = ()) -> list[str]:
    """Take everything away from this thread but the trees named, for ever. Needs no_new_privs.

    Args:
        read: files and folders that can be read; what does not exist is passed over.
        write: those that can also be written, and in which files and folders can be made and removed.
        devices: those that can be read, written and given device commands.

    Returns:
        The layers now enforced; none where Landlock is missing.
    """
    version = abi()
    layers = [layer for layer in LAYERS if layer.abi <= version]
    if not layers:
        return []
    try:
        ruleset = _create(layers)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        layers = [layer for layer in layers if not layer.scope]  # some vendor kernels claim ABI 6 and lack the scopes
        ruleset = _create(layers)
    try:
        handled = sum(layer.files for layer in layers)
        for paths, rights in ((read, READ), (write, WRITE), (devices, DEVICE)):
            for path in paths:
                _grant(ruleset, path, rights & handled)
        linux.call("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)
    return [layer.name for layer in layers]


def _create(layers: Sequence[Layer]) -> int:
    masks = (
        sum(layer.files for layer in layers),
        sum(layer.network for layer in layers),
        sum(layer.scope for layer in layers),
    )
    attributes = struct.pack("=QQQ", *masks)  # older kernels know fewer fields, and accept the rest while they are zero
    return linux.call("landlock_create_ruleset", attributes, len(attributes), 0)


def _grant(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what cannot be opened is not granted: never a wider jail
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= ON_FILES
        rule = struct.pack("=Qi", rights, place)
        linux.call("landlock_add_rule", ruleset, RULE_PATH_BENEATH, rule, 0)
    finally:
        os.close(place)
