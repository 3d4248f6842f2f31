"""From the released repository to the first green task, with nothing but what its README's first screen says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.authoring.release import release
from autograder.catalog import Course
from tests.practice.test_watch import PATIENCE, Terminal, save

REPOSITORY = Path(__file__).parents[2]
PERCEPTRON = "    return np.where(x @ w + b >= 0.0, 1.0, -1.0)"


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    out = tmp_path_factory.mktemp("released") / "course"
    release(Course(REPOSITORY), out, ["m00_foundations"])
    return out


@pytest.fixture
def as_installed(released, monkeypatch):
    """What `pip install -e .` would do, without the installing: the released package is the one that is found."""
    monkeypatch.setenv("PYTHONPATH", str(released))
    monkeypatch.chdir(released)
    return released


def autograder(*words):
    return [sys.executable, "-m", "autograder", *words]


def test_the_first_screen_leads_to_a_green_task(as_installed):
    readme = (as_installed / "README.md").read_text()
    first_screen = "\n".join(readme.splitlines()[:20])
    commands = re.search(r"```\n(.*?)```", first_screen, re.DOTALL)[1].splitlines()
    assert commands[-1] == "autograder watch"
    file = as_installed / re.search(r"`(exercises/\S+\.py)`", first_screen)[1]
    terminal = Terminal(autograder("watch"))
    try:
        seen = terminal.sees("is not started", "h hint")
        assert file.relative_to(as_installed).as_posix() in seen.replace("\n", "")
        save(file, file.read_text().replace("    raise NotImplementedError", PERCEPTRON, 1))
        terminal.sees("✓ predict passes.", "next  update")
        terminal.presses("q")
        assert terminal.process.wait(PATIENCE) == 0
    finally:
        terminal.close()
    shown = subprocess.run(autograder(), capture_output=True, text=True, env=os.environ).stdout
    assert "1/30" in shown and "next  update" in shown


def test_every_command_of_the_readme_is_one(as_installed):
    readme = (as_installed / "README.md").read_text()
    named = set(re.findall(r"`autograder (\w+)", readme))
    helped = subprocess.run(autograder("--help"), capture_output=True, text=True, env=os.environ).stdout
    assert {"check", "hint", "progress", "submit", "doctor"} <= named
    assert all(re.search(rf"\b{name}\b", helped) for name in named)
    assert "authoring" not in helped and "verify" not in helped
