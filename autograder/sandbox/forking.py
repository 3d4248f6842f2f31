"""What a process does once so that its many forks are cheap."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from pathlib import Path

from autograder.sandbox import linux

HUGE_PAGE = 2 << 20
MADV_COLLAPSE = 25  # since Linux 6.1
ANONYMOUS = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) rw-p 00000000 00:00 0 +(?:\[heap\])?$", re.MULTILINE)


def prepare_to_fork() -> None:
    """Keep the garbage collector away from all there is, and gather it in huge pages.

    Called after all imports. Each fork copies an entry for every page; a process that holds torch has 80,000 small ones.
    """
    gc.collect()
    gc.freeze()
    for start, end in _anonymous_memory():
        try:
            linux.call("madvise", start, end - start, MADV_COLLAPSE)
        except OSError:
            continue  # an older kernel, or no huge page to be had: forks then cost more, that is all


def _anonymous_memory() -> Iterator[tuple[int, int]]:
    """The heap and all other memory that stands for no file, in whole huge pages."""
    for low, high in ANONYMOUS.findall(Path("/proc/self/maps").read_text()):
        start, end = -(-int(low, 16) // HUGE_PAGE) * HUGE_PAGE, int(high, 16) // HUGE_PAGE * HUGE_PAGE
        if start < end:
            yield start, end
