"""Run untrusted Python in a jail and talk to it in plain data.

This package knows nothing of pytest, exercises or scores. From the outside in: `client` starts a fork server (`zygote`) per
library set and gets jailed workers from it; `proxy` makes a worker's module look like a local one; `wire` and `peer` carry
plain data between them; `worker` serves inside; `jail` (with `landlock` and `seccomp`) is the wall.
"""
