"""The container engine and the image: which ones there are, and under which flags a container may run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass

ENGINES = ("docker", "podman")
ANY_ENGINE = "auto"
TITLE = "autograder"  # the label of our images

# docker/compose.yaml and docs/containers.md say the same; a test compares them.
HARDENING = (
    "--network=none",
    "--read-only",
    "--tmpfs=/tmp:rw,nosuid,nodev,noexec,size=1g",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
)
GPU = {"docker": ["--gpus=all"], "podman": ["--device=nvidia.com/gpu=all"]}
PIDS_FOR_A_JOB = 256
MB_FOR_A_JOB, MB_FOR_A_GPU_JOB, MB_BESIDE_THEM = 1024, 4096, 1024
SECONDS_FOR_A_QUESTION = 60.0


class ContainerError(Exception):
    """There can be no container; the message says why and what to do."""


@dataclass(frozen=True)
class Engine:
    """A container engine that answers.

    Attributes:
        program: what is run.
        kind: docker or podman; some systems call podman docker.
        is_rootless: whether its containers' root is the user who runs it.
        limits: which of cpu, memory and pids it can limit here.
    """

    program: str
    kind: str
    is_rootless: bool
    cpus: int
    limits: frozenset[str]

    def build_command(self, image: str, gpu: bool) -> str:
        target = "gpu --build-arg EXTRAS=torch" if gpu else "cpu"
        return f"{self.program} build -f docker/Dockerfile -t {image} --target {target} ."


def default_image(gpu: bool) -> str:
    return "autograder:gpu" if gpu else "autograder:cpu"


def find_engine(wanted: str) -> Engine:
    """The engine called `wanted`, or for "auto" the first of docker and podman that runs.

    Raises:
        ContainerError: none of them is installed and running.
    """
    if wanted not in (ANY_ENGINE, *ENGINES):
        raise ContainerError(f"--container {wanted}: say docker or podman, or nothing for the one that runs here")
    problems = []
    for program in ENGINES if wanted == ANY_ENGINE else [wanted]:
        if shutil.which(program) is None:
            problems.append(f"{program} is not installed")
            continue
        answer = ask(program, "info", "--format", "{{json .}}")
        if answer.returncode == 0:
            return _engine(program, json.loads(answer.stdout))
        problems.append(f"{program} is installed, but does not run: {_last_line(answer.stderr)}")
    raise ContainerError("\n".join([*problems, "grading in a container needs docker or podman, installed and running"]))


def _engine(program: str, info: dict) -> Engine:
    if "host" in info:
        host = info["host"]
        return Engine(
            program, "podman", host["security"]["rootless"], host["cpus"], frozenset(host["cgroupControllers"] or ())
        )
    limits = {"cpu": "CpuCfsQuota", "memory": "MemoryLimit", "pids": "PidsLimit"}
    return Engine(
        program,
        "docker",
        any("rootless" in option for option in info.get("SecurityOptions") or ()),
        info["NCPU"],
        frozenset(name for name, key in limits.items() if info.get(key)),
    )


def demand_image(engine: Engine, image: str, gpu: bool) -> None:
    """Raises ContainerError: there is no such image here, or it is not one of ours."""
    title = '{{index .Config.Labels "org.opencontainers.image.title"}}'
    answer = ask(engine.program, "image", "inspect", "--format", title, image)
    build = "build one in the repository of autograder:"
    if answer.returncode != 0:
        raise ContainerError(f"{engine.program} has no image {image}; {build} {engine.build_command(image, gpu)}")
    if answer.stdout.strip() != TITLE:
        command = engine.build_command(default_image(gpu), gpu)
        raise ContainerError(f"the image {image} is not one of autograder; {build} {command}")


def engine_flags(engine: Engine, *, jobs: int, learner_mb: int, gpu: bool = False) -> list[str]:
    """What the container may not do, and how much it may use. A limit that the engine cannot keep is left out, and said."""
    memory = MB_BESIDE_THEM + jobs * (learner_mb + (MB_FOR_A_GPU_JOB if gpu else MB_FOR_A_JOB))
    limits = {
        "memory": [f"--memory={memory}m", f"--memory-swap={memory}m"],
        "cpu": [f"--cpus={min(jobs, engine.cpus)}"],
        "pids": [f"--pids-limit={jobs * PIDS_FOR_A_JOB}"],
    }
    if missing := sorted(limits.keys() - engine.limits):
        print(f"warning: {engine.program} cannot limit {', '.join(missing)} here; the jail still does", file=sys.stderr)
    return [*HARDENING, *(flag for limit, flags in limits.items() if limit in engine.limits for flag in flags)]


def ask(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_FOR_A_QUESTION)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer within {SECONDS_FOR_A_QUESTION:.0f} s")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it does not say why"])[-1]
