"""What a process does so that its many forks are cheap."""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from autograder.sandbox import linux

HUGE_PAGE = 2 << 20
MADV_COLLAPSE = 25  # since Linux 6.1
WORTH_IT = 30  # forks that save about as much as the move into huge pages costs
ANONYMOUS = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) rw-p 00000000 00:00 0 +(?:\[heap\])?$", re.MULTILINE)


@contextmanager
def loading() -> Iterator[None]:
    """For what stays to the end of the process, imports say: the collector would look through it again and again, a fifth of the
    time, and find no garbage."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


class Forks:
    """The forks to come of this process. Made after all imports.

    A fork copies an entry for each page that is not a file's, and a process that holds torch has 80,000 small ones. If there
    are many forks, they are gathered in huge pages.
    """

    def __init__(self) -> None:
        self.number = 0
        self.maps = os.open("/proc/self/maps", os.O_RDONLY)  # while it may: a jail closes /proc
        gc.collect()
        gc.freeze()

    def prepare(self) -> None:
        """To be called before each fork, best while there is no other."""
        self.number += 1
        if self.number == WORTH_IT:
            for start, end in self.anonymous_memory():
                try:
                    linux.call("madvise", start, end - start, MADV_COLLAPSE)
                except OSError:
                    continue  # an older kernel, or no huge page to be had

    def anonymous_memory(self) -> Iterator[tuple[int, int]]:
        """The heap and all other memory that stands for no file, in whole huge pages."""
        with open(self.maps, closefd=False) as maps:
            maps.seek(0)
            text = maps.read()
        for low, high in ANONYMOUS.findall(text):
            start, end = -(-int(low, 16) // HUGE_PAGE) * HUGE_PAGE, int(high, 16) // HUGE_PAGE * HUGE_PAGE
            if start < end:
                yield start, end
