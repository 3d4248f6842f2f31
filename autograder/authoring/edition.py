"""The files of a learner's repository that no source of the course holds: pyproject.toml, README.md, course.json, .gitignore."""

import json
from collections.abc import Sequence
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata

from autograder.authoring.build import stub_text
from autograder.authoring.sources import AuthoringError
from autograder.catalog import Exercise
from autograder.policy import Policy

FRAMEWORKS = ("torch", "tensorflow")
LEARNER_EXTRAS = (*FRAMEWORKS, "lesson")

GITIGNORE = """\
.venv/
__pycache__/
*.egg-info/
.pytest_cache/
.ipynb_checkpoints/
.autograder/
"""

_PYPROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "autograder"
version = "{version}"
description = "Deep-learning exercises with tests that explain themselves."
readme = "README.md"
requires-python = "{python}"
dependencies = {dependencies}

[project.optional-dependencies]
{extras}
[project.scripts]
autograder = "autograder.cli:app"

[project.entry-points.pytest11]
"autograder.testing.plugin" = "autograder.testing.plugin"

[tool.setuptools.packages.find]
include = ["autograder*"]

[tool.setuptools.package-data]
autograder = ["**/*.j2", "**/*.css"]

[tool.pytest.ini_options]
testpaths = ["exercises"]
addopts = ["--import-mode=importlib"]
"""

_WORKFLOW = """\
# GitHub Classroom: on every push the public checks run, and the points of the tasks that pass are posted.
name: Autograding
on: [push, workflow_dispatch, repository_dispatch]
permissions:
  checks: write
  actions: read
  contents: read
jobs:
  autograding:
    runs-on: ubuntu-latest
    if: github.actor != 'github-classroom[bot]'
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
          cache: pip
      - run: pip install -e {target}
{steps}
      - uses: classroom-resources/autograding-grading-reporter@v1
        env:
{results}
        with:
          runners: {runners}
"""

_STEP = """\
      - name: {module}
        id: {module}
        run: autograder check {module} --classroom
        timeout-minutes: 10"""

_README = """\
# {title}

Each file in `exercises/` has functions for you to write. Their docstrings say what they must do; a verdict after every save
says whether they do it, and if not, what is wrong.

```
python -m venv .venv && source .venv/bin/activate
pip install -e {target}
autograder watch
```

The first two lines are needed once (Python {python}). The third names your first task, in
`{first}`: open that file beside it, replace `raise NotImplementedError` by your code, save, and read. `h` gives a hint,
`n` goes on to the next task, `q` ends it; the next time it begins where you were.

| command | what it does |
|---|---|
| `autograder` | how far you are, and what is next |
| `autograder check {name}` | the verdict once; `{pytest}` is the same, and takes `--pdb` |
| `autograder hint {task}` | one rung more of its ladder of hints |
| `autograder progress --web` | a page with your days, your tasks and the curves of your training runs |
| `autograder submit` | your work as one zip to hand in |
| `autograder doctor` | what is installed, and how to mend what is not |

Begin with the README and the lesson (`lesson.ipynb`) in the folder of a module. Take the exercises in this order:

{exercises}
"""


def pyproject() -> str:
    """A minimal pyproject.toml for `pip install -e .`: what this package requires, with the learners' extras."""
    wanted: dict[str, list[str]] = {name: [] for name in ("", *LEARNER_EXTRAS)}
    installed = _installed()
    for requirement in installed.get_all("Requires-Dist", ()):
        package, _, marker = requirement.partition(";")
        extra = marker.partition("extra ==")[2].strip(" \"')")
        if extra in wanted:
            wanted[extra].append(package.strip())
    dependencies = json.dumps(wanted.pop(""), indent=4)
    extras = "".join(f"{name} = {json.dumps(packages)}\n" for name, packages in wanted.items())
    return _PYPROJECT.format(
        version=installed["Version"], python=_python_versions(), dependencies=dependencies, extras=extras
    )


def readme(title: str, exercises: list[Exercise]) -> str:
    """What a learner reads first; `exercises` in the order to take them."""
    first = exercises[0]
    return _README.format(
        title=title,
        target=_target(exercises),
        pytest=f"pytest exercises/{first.module}/test_{first.name}.py",
        python=_python_versions(),
        first=f"exercises/{first.id}.py",
        name=first.name,
        task=first.tasks[0],
        exercises="\n".join(f"{i}. `exercises/{exercise.id}.py`" for i, exercise in enumerate(exercises, start=1)),
    )


def workflow(exercises: list[Exercise]) -> str:
    """A GitHub workflow with a step for each module."""
    modules = list(dict.fromkeys(exercise.module for exercise in exercises))
    results = [f'          {name.upper()}_RESULTS: "${{{{ steps.{name}.outputs.result }}}}"' for name in modules]
    return _WORKFLOW.format(
        target=_target(exercises),
        steps="\n".join(_STEP.format(module=name) for name in modules),
        results="\n".join(results),
        runners=",".join(modules),
    )


def _target(exercises: list[Exercise]) -> str:
    """What pip installs: this repository, with the frameworks that the exercises need."""
    needed = frameworks(exercises)
    return f"'.[{','.join(needed)}]'" if needed else "."


def frameworks(exercises: Sequence[Exercise]) -> list[str]:
    """The extras of this package that have to be installed for them."""
    return [name for name in FRAMEWORKS if any(name in exercise.packages for exercise in exercises)]


def _python_versions() -> str:
    bounds = _installed()["Requires-Python"].split(",")
    return ",".join(sorted(bounds, reverse=True))  # ">=" before "<"


def _installed() -> PackageMetadata:
    try:
        return metadata("autograder")
    except PackageNotFoundError:
        raise AuthoringError("the autograder package is not installed; run: pip install -e .") from None


def listing(policy: Policy, exercises: list[Exercise]) -> str:
    """course.json: what there is to do, in order, and what it was at first: stubs change under a learner's hands, this does not."""
    left_out = {module.name for module in policy.course.modules} - {exercise.module for exercise in exercises}
    listed = {
        exercise.id: {
            "tasks": policy.points(exercise),
            "imports": sorted(policy.allowed_imports(exercise) - left_out),
            "stub": stub_text(exercise.solution),
        }
        for exercise in exercises
    }
    return json.dumps({"title": policy.title, "exercises": listed}, indent=2) + "\n"
