"""Wrong solutions, written without a look at the checks or at `mistakes.yml`: none earns all points of its task.

wrong_solutions/<module>.yml holds them by exercise. Each is the solution with one text of a task's body replaced, or with a body of
its own (`block` says which, where a class has several). `make wrong-solutions` hands them in; it takes minutes.
"""

import os
import textwrap
from functools import cache
from pathlib import Path

import pytest
import yaml

from autograder import installed
from autograder.catalog import Course
from autograder.grading.mistakes import Loader, Mistake, apply_mistake
from autograder.grading.pool import Job, NodeSettings, Pool
from autograder.grading.results import ACCEPTED
from autograder.grading.run import by_libraries
from autograder.marked_source import parse_marked
from autograder.policy import Policy

FOLDER = Path(__file__).parent / "wrong_solutions"
COURSE = Course(Path(__file__).parents[1])
EXERCISES = [exercise for exercise in COURSE.exercises if (FOLDER / f"{exercise.module}.yml").is_file()]


@cache
def entries_of(module):
    return yaml.load((FOLDER / f"{module}.yml").read_text(encoding="utf-8"), Loader)


def wrong_source(exercise, entry):
    text = exercise.solution.read_text(encoding="utf-8")
    if "body" not in entry:
        return apply_mistake(
            text, Mistake(exercise.name, entry["task"], entry["name"], entry["replace"], entry["by"], "")
        )
    marked = parse_marked(text, exercise.name)
    block = [block for block in marked.blocks if block.task == entry["task"]][entry.get("block", 0)]
    body = textwrap.indent(textwrap.dedent(entry["body"]).rstrip() + "\n", block.indent)
    return "".join([*marked.lines[: block.begin], body, *marked.lines[(block.stub or block.end) - 1 :]])


def job(exercise, source, task=None):
    files = {other.id: other.solution.read_bytes() for other in exercise.imports_exercises}
    mistake = "" if task else None
    return Job("wrong", exercise.id, files | {exercise.id: source.encode()}, "", 120.0, task=task, mistake=mistake)


@pytest.fixture(scope="module")
def pools():
    """One grading node for each set of libraries that is installed."""
    opened = {}
    for libraries, group in by_libraries(Policy.load(COURSE), EXERCISES).items():
        if not installed.missing(libraries):
            settings = NodeSettings(str(COURSE.root), [e.id for e in group], libraries, seed=1, own=True)
            opened |= dict.fromkeys([e.id for e in group], Pool(settings, nodes=1))
    yield opened
    for pool in set(opened.values()):
        pool.close()


@pytest.mark.skipif("AUTOGRADER_WRONG_SOLUTIONS" not in os.environ, reason="not run: it takes minutes")
@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.id)
def test_no_wrong_solution_earns_everything(exercise, pools):
    if exercise.id not in pools:
        pytest.skip(f"not run: {', '.join(exercise.libraries)} are not all installed")
    entries = entries_of(exercise.module)[exercise.name]
    jobs = [job(exercise, wrong_source(exercise, entry), entry["task"]) for entry in entries]
    *results, solution = pools[exercise.id].submit_own([*jobs, job(exercise, exercise.solution.read_text())]).result()
    assert all(check.status in ACCEPTED for check in solution.checks), "the solution passes"
    escaped = []
    for entry, result in zip(entries, results, strict=True):
        assert result.outcome == "graded" and result.checks, result.note
        if all(check.status in ACCEPTED for check in result.checks):
            escaped.append(f"{entry['task']}: {entry['name']}")
    assert escaped == []


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.id)
def test_each_can_still_be_made_of_the_solution(exercise):
    solution = exercise.solution.read_text(encoding="utf-8")
    for entry in entries_of(exercise.module)[exercise.name]:
        made = wrong_source(exercise, entry)
        compile(made, f"{exercise.id}, {entry['task']}: {entry['name']}", "exec")
        assert made != solution, entry["name"]


def test_there_are_some_of_every_task_of_the_course():
    without = [
        f"{exercise.id}: {task}"
        for exercise in COURSE.exercises
        for task in exercise.tasks
        if sum(entry["task"] == task for entry in entries_of(exercise.module).get(exercise.name, [])) < 3
    ]
    assert without == []


def test_no_two_of_a_task_have_the_same_name():
    for exercise in EXERCISES:
        names = [(entry["task"], entry["name"]) for entry in entries_of(exercise.module).get(exercise.name, [])]
        assert [name for name in names if names.count(name) > 1] == [], exercise.id


def test_the_readme_says_how_many_there_are():
    total = sum(len(group) for path in FOLDER.glob("*.yml") for group in entries_of(path.stem).values())
    assert f"{total:,} wrong solutions in" in (COURSE.root / "README.md").read_text(encoding="utf-8")
