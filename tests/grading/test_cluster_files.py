"""What is handed to Slurm and to Kubernetes fits what is there to take it."""

import os
import re
from pathlib import Path

import pytest
import typer.main
import yaml

from autograder.catalog import CourseError
from autograder.cli import app
from autograder.grading.cluster import slurm
from tests.grading.small import Results, command, finish, write_class, write_small_course

DOCKER = Path(__file__).parents[2] / "docker"
MANIFESTS = [
    manifest
    for path in sorted((DOCKER / "kubernetes").glob("*.yaml"))
    for manifest in yaml.safe_load_all(path.read_text())
]
PODS = {m["metadata"]["name"]: m["spec"]["template"] for m in MANIFESTS if m["kind"] in ("Deployment", "Job")}
CONTAINERS = [container for pod in PODS.values() for container in pod["spec"]["containers"]]


def of_kind(kind: str) -> dict[str, dict]:
    return {manifest["metadata"]["name"]: manifest["spec"] for manifest in MANIFESTS if manifest["kind"] == kind}


def matching(labels: dict[str, str]) -> list[str]:
    return [name for name, pod in PODS.items() if labels.items() <= pod["metadata"]["labels"].items()]


def test_pods_are_found_by_the_labels_that_others_select_them_by():
    assert len(PODS) == 3
    for name, deployment in of_kind("Deployment").items():
        assert matching(deployment["selector"]["matchLabels"]) == [name]
    assert matching(of_kind("NetworkPolicy")["autograder"]["podSelector"]["matchLabels"]) == list(PODS)
    [service] = of_kind("Service").values()
    assert matching(service["selector"]) == ["autograder-scheduler"]


def test_whoever_asks_for_the_scheduler_finds_its_port():
    asked = {word for each in CONTAINERS for word in each["command"] if word.startswith("tcp://")}
    assert asked == {f"tcp://{name}:{spec['ports'][0]['port']}" for name, spec in of_kind("Service").items()}
    [scheduler] = PODS["autograder-scheduler"]["spec"]["containers"]
    [port], [way] = scheduler["ports"], of_kind("Service")["autograder-scheduler"]["ports"]
    assert way["targetPort"] == port["name"] == scheduler["readinessProbe"]["tcpSocket"]["port"]
    assert scheduler["command"][scheduler["command"].index("--port") + 1] == str(port["containerPort"])


def test_volumes_are_there_and_the_image_is_one():
    for pod in PODS.values():
        volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
        claims = {each["persistentVolumeClaim"]["claimName"] for each in volumes.values() if len(each) == 2 and
                  "persistentVolumeClaim" in each}  # fmt: skip
        assert claims <= of_kind("PersistentVolumeClaim").keys()
        for container in pod["spec"]["containers"]:
            assert {mount["name"] for mount in container.get("volumeMounts", [])} == volumes.keys()
    assert {container["image"] for container in CONTAINERS} == {"autograder:latest"}


def test_the_programs_of_the_pods_know_their_options():
    pytest.importorskip("distributed", reason="not run: needs dask (pip install -e '.[cluster]')")
    from distributed.cli import dask_scheduler, dask_worker

    programs = {
        ("dask", "scheduler"): dask_scheduler.main,
        ("dask", "worker"): dask_worker.main,
        ("autograder", "grade"): typer.main.get_command(app).commands["grade"],
    }
    for container in CONTAINERS:
        first, second, *options = container["command"]
        programs[first, second].make_context(second, options)  # an unknown option is an error
    assert len(CONTAINERS) == len(programs)


def settings(tmp_path: Path, text: str) -> slurm.SlurmSettings:
    (tmp_path / "slurm.yaml").write_text(text)
    return slurm.load(tmp_path / "slurm.yaml")


def job_script(settings: slurm.SlurmSettings) -> str:
    pytest.importorskip("dask_jobqueue", reason="not run: needs dask-jobqueue (pip install -e '.[cluster]')")
    with slurm.cluster(settings) as cluster:
        return cluster.job_script()


def test_the_example_asks_slurm_for_what_it_says(tmp_path):
    example = slurm.load(DOCKER / "slurm.yaml")
    script = job_script(example.model_copy(update={"keys_folder": str(tmp_path)}))
    directives = re.findall("^#SBATCH (.*)$", script, re.MULTILINE)
    assert {"-p teaching", "-A cs101", "--cpus-per-task=8", "--mem=32G", "-t 04:00:00"} <= set(directives)
    assert "--nworkers 8 " in script
    assert "--nthreads 1 " in script
    assert "tls://" in script
    assert "gres" not in script


def test_every_field_of_the_example_can_be_switched_on(tmp_path):
    """What is commented out there is right, too."""
    lines = (DOCKER / "slurm.yaml").read_text().splitlines()
    text = "\n".join(re.sub(r"^# (\w+: )", r"\1", line) for line in lines)
    read = settings(tmp_path, text)
    assert read.model_fields_set == set(slurm.SlurmSettings.model_fields)
    read = read.model_copy(update={"keys_folder": str(tmp_path), "interface": None, "log_folder": None})
    script = job_script(read)
    assert "#SBATCH --gres=gpu:1\n" in script
    assert "#SBATCH --qos=grading\n" in script
    assert (
        "\nexport AUTOGRADER_COURSE=/shared/course\nmodule load python/3.11\n/shared/autograder/.venv/bin/python "
        in script
    )
    assert "--resources GPU=1 " in script


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "slurm.yaml:1:1: jobs: "),
        ("jobs: 2\nhours: 02:00:00\n", "slurm.yaml:2:8: hours: should be a valid number"),
        ("jobs: 2\npartition: |\n  a\n  b\n", "slurm.yaml:2:12: partition: should be one line"),
        ("jobs: [2]\n", "slurm.yaml:1:7: jobs: should be a valid integer, not a list"),
    ],
)
def test_a_faulty_file_is_told_by_line_and_field(tmp_path, text, told):
    with pytest.raises(CourseError) as error:
        settings(tmp_path, text)
    assert str(error.value).startswith(told)


SBATCH = """#!/bin/sh
test -f refuse && echo "sbatch: error: invalid partition" >&2 && exit 1
cp "$1" job.sh
setsid sh job.sh >job.log 2>&1 &
echo "Submitted batch job $!"
"""


@pytest.mark.slow
def test_jobs_are_submitted_grade_and_are_cancelled(tmp_path):
    """With a stand-in for Slurm, which runs the script that it is given on this machine."""
    pytest.importorskip("dask_jobqueue", reason="not run: needs dask-jobqueue (pip install -e '.[cluster]')")
    for name, text in {"sbatch": SBATCH, "scancel": '#!/bin/sh\nkill -- "-$1" && touch cancelled\n'}.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.replace("\n", f"\ncd {tmp_path}\n", 1))
        path.chmod(0o755)
    course = write_small_course(tmp_path / "course")
    class_folder = write_class(tmp_path / "class", {"ann": {}})
    (tmp_path / "slurm.yaml").write_text(f"jobs: 1\nkeys_folder: {tmp_path}\n")
    words = command(course, class_folder, "--out", tmp_path / "out", "--cluster", tmp_path / "slurm.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
        (tmp_path / "refuse").touch()
        refused = finish(words)
        assert refused.returncode == 1
        assert "sbatch: error: invalid partition" in refused.stderr
        assert "Traceback" not in refused.stderr
        (tmp_path / "refuse").unlink()
        graded = finish(words)
    assert graded.returncode == 0, graded.stderr
    assert Results(tmp_path / "out").points("ann") == ["2", "1", "3"]
    assert (tmp_path / "cancelled").exists()
    assert not list(tmp_path.glob(".dask-jobqueue*"))
