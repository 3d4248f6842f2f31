"""The autograder zip in otter's layout: its scripts, configuration and tests, and beside them this package and the course."""

from __future__ import annotations

import json
import stat
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from autograder.catalog import Exercise
from autograder.gradebook.gradescope.bundle import EPOCH
from autograder.gradebook.gradescope.bundle import write_bundle as write_gradescope
from autograder.gradebook.otter.work import question_names
from autograder.policy import Policy

HERE = Path(__file__).parent
PLUGIN = "autograder.gradebook.otter.plugin.JailPlugin"
SCRIPTS = ("setup.sh", "run_autograder")
INSTALL_OTTER = """\
"$root/venv/bin/python" -m pip install --quiet --disable-pip-version-check \\
    --constraint "$root/source/constraints.txt" 'otter-grader>=7.0' 'ipykernel>=6.29'
"""
TEST = '''\
"""A place for the results of {task}. Its points come from the plugin; where that did not run, nothing is earned."""

from otter.test_files import test_case

OK_FORMAT = False

name = {name!r}
points = {points!r}


@test_case()
def test_graded():
    raise RuntimeError("this was not graded; please tell the staff")
'''


def write_bundle(policy: Policy, exercises: Sequence[Exercise], out: Path, minutes: float, unsafe: bool) -> list[str]:
    """Write the zip.

    Args:
        exercises: what a submission is graded on.
        minutes: after which grading on Gradescope is given up.
        unsafe: grade even where the machine cannot hold untrusted code.

    Returns:
        The names of the files in it.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        plain = Path(folder) / "gradescope.zip"
        write_gradescope(policy, exercises, plain, minutes, unsafe)
        with zipfile.ZipFile(plain) as ours:
            setup = ours.read("setup.sh").decode()
            for about in ours.infolist():
                if about.filename not in SCRIPTS:
                    archive.writestr(about, ours.read(about))
        for name, text in _otters_files(policy, exercises, setup, minutes, unsafe):
            about = zipfile.ZipInfo(name, EPOCH)
            about.external_attr = (stat.S_IFREG | (0o755 if name in SCRIPTS else 0o644)) << 16
            about.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(about, text)
        return archive.namelist()


def _otters_files(
    policy: Policy, exercises: Sequence[Exercise], setup: str, minutes: float, unsafe: bool
) -> Iterator[tuple[str, str]]:
    """Names and texts of what `otter generate` puts into such a zip."""
    run = (HERE / "run_autograder").read_text(encoding="utf-8").replace("@SECONDS@", str(round(60 * minutes)))
    yield "run_autograder", run
    yield "run_otter.py", (HERE / "run_otter.py").read_text(encoding="utf-8")
    yield "setup.sh", setup + INSTALL_OTTER
    yield "otter_config.json", json.dumps(_config(exercises, unsafe), indent=2) + "\n"
    for (exercise, task), name in question_names(exercises).items():
        points = policy.points(policy.course.exercise(exercise))[task]
        yield f"tests/{name}.py", TEST.format(task=task, name=name, points=points)


def _config(exercises: Sequence[Exercise], unsafe: bool) -> dict:
    """Every question is an entry of its own, and learners see what they may read."""
    return {
        "lang": "python",
        "show_hidden": True,
        "show_all_public": True,
        "force_public_test_summary": False,
        "plugins": [{PLUGIN: {"exercises": [exercise.id for exercise in exercises], "unsafe": unsafe}}],
    }
