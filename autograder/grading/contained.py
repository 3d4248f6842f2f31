"""The first process of a container: it runs `autograder`, and ends it when the command outside is gone.

Standard input is its lifeline: the engine closes it when the command outside ends, however that came about. What is left without
a parent is reaped here, and signals are passed on.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from autograder.grading.digests import package_digest

OTHER_PACKAGE = 3  # the exit code for an image whose package is not that of the command outside
SECONDS_TO_END = 10.0


def main(expected: str, arguments: Sequence[str]) -> int:
    """Run `autograder` with these arguments, if this package has the `expected` digest; its exit code."""
    if package_digest() != expected:
        return OTHER_PACKAGE
    child = subprocess.Popen([sys.executable, "-m", "autograder", *arguments], stdin=subprocess.DEVNULL)

    def stop(*_: object) -> None:
        with suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGINT)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    threading.Thread(target=_end_with_the_lifeline, args=[stop], daemon=True).start()
    while True:
        pid, status = os.wait()
        if pid == child.pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _end_with_the_lifeline(stop: Callable[[], None]) -> None:
    while os.read(0, 1024):
        pass
    stop()
    time.sleep(SECONDS_TO_END)
    os._exit(128 + signal.SIGINT)  # and everything in the container with it


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
