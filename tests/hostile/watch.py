"""Run a command to its end; print as JSON its exit code, what it wrote, and how many of its processes outlived it.

A process whose parent ends becomes this one's child, so none gets away unseen.
"""

import json
import os
import subprocess
import sys
import time

from autograder.sandbox import linux

PR_SET_CHILD_SUBREAPER = 36
PATIENCE = 20  # seconds: the nodes were killed, and the kernel ends their fork servers and workers


def orphans_left() -> int:
    """Reap what has ended; how many have not."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                break
        except ChildProcessError:
            return 0
    with open("/proc/thread-self/children") as file:
        return len(file.read().split())


def main(command: list[str]) -> None:
    linux.prctl(PR_SET_CHILD_SUBREAPER, 1)
    finished = subprocess.run(command, capture_output=True, text=True)
    patience = time.monotonic() + PATIENCE
    while (left := orphans_left()) and time.monotonic() < patience:
        time.sleep(0.05)
    said = {"code": finished.returncode, "stdout": finished.stdout, "stderr": finished.stderr, "left": left}
    print(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1:])
