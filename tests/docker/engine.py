"""The image, built by podman and runc on a base made from Debian packages: a stand-in for python:*-slim, without any registry.

Images live in a storage of the tests' own, so that the stand-in never goes by that name elsewhere on the machine.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "docker/Dockerfile"
HOME = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "autograder-tests"
TOOLS = ("podman", "runc", "mmdebstrap")
PACKAGES = "python-is-python3,python3-venv,ca-certificates"
CERTIFICATES = "/etc/ssl/certs"
BUILD_SECONDS = 600
ULIMIT = "4096:4096"  # a machine may allow less than podman's own default


def environment() -> dict[str, str]:
    """For podman, and for `autograder`, which runs it."""
    return {name: value for name, value in os.environ.items() if name != "AUTOGRADER_COURSE"} | {
        "CONTAINERS_CONF": str(HOME / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(HOME / "storage.conf"),
        "BUILDAH_ISOLATION": "chroot",
    }


def podman(*arguments: object) -> subprocess.CompletedProcess:
    words = ["podman", *map(str, arguments)]
    return subprocess.run(words, env=environment(), capture_output=True, text=True, timeout=BUILD_SECONDS, cwd=ROOT)


def build() -> None:
    """Build autograder:cpu, or skip the test with the reason why that cannot be done here."""
    if absent := [tool for tool in TOOLS if shutil.which(tool) is None]:
        pytest.skip(f"not run: there is no {' and no '.join(absent)} (docker/install-podman.sh installs them)")
    if os.getuid() != 0:
        pytest.skip("not run: the stand-in for the base image is made by root")
    HOME.mkdir(parents=True, exist_ok=True)
    (HOME / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{HOME}/images"\nrunroot = "/run/autograder-tests"\n'
    )
    (HOME / "containers.conf").write_text(
        f'[containers]\ndefault_ulimits = ["nofile={ULIMIT}", "nproc={ULIMIT}"]\n[engine]\nruntime = "runc"\n'
    )
    import_base()
    done = podman(
        "build", "--pull=never", "-v", f"{CERTIFICATES}:{CERTIFICATES}:ro", "-f", DOCKERFILE, "--target=cpu",
        "-t", "autograder:cpu", ".",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def import_base() -> None:
    python = re.search(r"^ARG PYTHON=(.*)", DOCKERFILE.read_text(), re.MULTILINE)[1]
    name = f"docker.io/library/python:{python}-slim-bookworm"
    if podman("image", "exists", name).returncode == 0:
        return
    archive = HOME / "bookworm.tar"
    if not archive.exists():
        unfinished = HOME / f"unfinished-{os.getpid()}.tar"
        words = ["mmdebstrap", "--mode=root", "--variant=minbase", f"--include={PACKAGES}", "bookworm", unfinished]
        made = subprocess.run(words, capture_output=True, text=True, timeout=BUILD_SECONDS)
        if made.returncode != 0:
            unfinished.unlink(missing_ok=True)
            pytest.skip(f"not run: mmdebstrap could not make a base image: {made.stderr.strip().splitlines()[-1]}")
        unfinished.rename(archive)
    imported = podman("import", "--change=ENV PATH=/usr/local/bin:/usr/bin:/bin", archive, name)
    assert imported.returncode == 0, imported.stderr
