"""What `--container` says to an engine, what docker/compose.yaml and the documents say, and what comes back: without any engine."""

import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from autograder.grading.container import Mount, relay
from autograder.grading.engine import HARDENING, Engine, default_image, engine_flags
from tests.grading.small import command, write_class, write_small_course

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/containers.md").read_text()
COMPOSE = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())
ENGINE = Engine("docker", "docker", is_rootless=False, cpus=8, limits=frozenset({"cpu", "memory", "pids"}))


def flags_of(service):
    """The flags of `docker run` that a service of compose.yaml stands for."""
    return {
        f"--network={service.get('network_mode', 'default')}",
        *(["--read-only"] if service["read_only"] else []),
        *(f"--tmpfs={place}" for place in service["tmpfs"]),
        *(f"--cap-drop={name}" for name in service["cap_drop"]),
        *(f"--security-opt={name}" for name in service["security_opt"]),
        f"--memory={service['mem_limit']}",
        f"--memory-swap={service['memswap_limit']}",
        f"--cpus={service['cpus']}",
        f"--pids-limit={service['pids_limit']}",
    }


def test_compose_grades_under_the_flags_of_the_command():
    service = COMPOSE["services"]["grade"]
    jobs = int(service["command"][service["command"].index("--jobs") + 1])
    assert flags_of(service) == set(engine_flags(ENGINE, jobs=jobs, learner_mb=1024))


def test_the_dashboard_differs_in_what_a_page_needs_alone():
    flags = flags_of(COMPOSE["services"]["dashboard"])
    assert set(HARDENING) - flags == {"--network=none"}
    assert COMPOSE["services"]["dashboard"]["ports"] == ["127.0.0.1:8000:8000"]


def test_the_course_and_the_submissions_can_only_be_read():
    for service in COMPOSE["services"].values():
        assert {each["target"] for each in service["volumes"] if not each.get("read_only")} == {"/grading/results"}


def test_the_guide_explains_every_flag():
    table = [line for line in GUIDE.splitlines() if line.startswith("| `--")]
    explained = {flag for line in table for flag in re.findall(r"`(--[^`= ]+)", line.split("|")[1])}
    used = {flag.partition("=")[0] for flag in engine_flags(ENGINE, jobs=1, learner_mb=1)}
    assert used <= explained, used - explained


def test_the_guide_runs_a_container_by_hand_under_the_same_flags():
    by_hand = GUIDE[GUIDE.index("docker run") : GUIDE.index("autograder:cpu --course")].replace("\\\n", " ")
    said = {word for word in shlex.split(by_hand) if word.startswith("--")}
    assert set(engine_flags(ENGINE, jobs=2, learner_mb=1024)) <= said


@pytest.mark.parametrize("gpu", [False, True])
def test_the_build_commands_are_those_of_the_guide_and_of_the_dockerfile(gpu):
    words = ENGINE.build_command(default_image(gpu), gpu)
    assert words in GUIDE
    stages = re.findall(r"^FROM .* AS (\w+)$", (ROOT / "docker/Dockerfile").read_text(), re.MULTILINE)
    assert words.split("--target ")[1].split()[0] in stages


def test_a_limit_that_the_engine_cannot_keep_is_left_out_and_said(capsys):
    engine = Engine("podman", "podman", is_rootless=True, cpus=2, limits=frozenset({"memory", "pids"}))
    flags = engine_flags(engine, jobs=4, learner_mb=256)
    assert not [flag for flag in flags if flag.startswith("--cpus")]
    assert "--pids-limit=1024" in flags
    assert capsys.readouterr().err == "warning: podman cannot limit cpu here; the jail still does\n"


def test_no_more_processors_are_asked_for_than_there_are():
    assert "--cpus=8" in engine_flags(ENGINE, jobs=64, learner_mb=256)


def test_a_path_with_a_comma_stays_one_field(tmp_path):
    folder = tmp_path / "a, b"
    folder.mkdir()
    assert Mount(folder, "/grading/a").flag() == f'--mount=type=bind,"source={folder}",target=/grading/a,readonly'


class Pieces(io.RawIOBase):
    """A stream that gives one piece at a time, as a pipe does."""

    def __init__(self, *pieces):
        self.pieces = [piece for piece in pieces if piece]

    def readable(self):
        return True

    def readinto(self, buffer):
        piece = self.pieces.pop(0) if self.pieces else b""
        buffer[: len(piece)] = piece
        return len(piece)


def test_names_inside_are_told_as_those_outside_wherever_the_stream_is_cut():
    text = b"grades /grading/results/grades.csv /grading/course/x.py /gra /"
    expected = b"grades out/grades.csv /home/ann/course/x.py /gra /"
    for cut in range(len(text)):
        target = io.BytesIO()
        source = io.BufferedReader(Pieces(text[:cut], text[cut:]))
        relay(source, target, {"/grading/results": "out", "/grading/course": "/home/ann/course"})
        assert target.getvalue() == expected


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--container"], "docker is not installed"),
        (["--container", "podman"], "podman is not installed"),
        (["--container=nerdctl"], "--container nerdctl: say docker or podman"),
        (["--image", "mine"], "--image and --gpu are for --container"),
    ],
)
def test_what_is_missing_is_said(tmp_path, arguments, words):
    course = write_small_course(tmp_path / "course")
    write_class(tmp_path / "class", {"ann": {}})
    (tmp_path / "course").chmod(0o755)
    done = subprocess.run(
        command(course, tmp_path / "class", "--out", tmp_path / "out", *arguments),
        env=os.environ | {"PATH": str(Path(sys.executable).parent)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"error: {words}" in done.stderr


def test_a_container_is_no_part_of_a_cluster(tmp_path):
    course = write_small_course(tmp_path / "course")
    words = command(course, write_class(tmp_path, {}), "--out", tmp_path / "out", "--container", "--cluster", "local:1")
    told = subprocess.run(words, capture_output=True, text=True)
    assert (told.returncode, "do not go together" in told.stderr) == (2, True)
