"""Every gate of `autograder verify`: an exercise without fault passes it, one with exactly that fault is told of it."""

import re
import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from autograder.authoring.build import build
from autograder.authoring.new import new_exercise
from autograder.authoring.verify import Problem, Report, Row, kills, probes, prose, verify
from autograder.authoring.verify.run import TABLE, table_problems
from autograder.authoring.verify.table import kill_table
from autograder.catalog import Course
from autograder.cli import app
from autograder.grading.pool import NodeSettings, Pool
from autograder.policy import Policy
from tests.courses import write_files

SOLUTION = "solutions/week1/{}.py"
GRADER = "graders/week1/test_{}.py"
PUBLIC = "exercises/week1/test_{}.py"
MISTAKES = "solutions/week1/mistakes.yml"
HINTS = "exercises/week1/hints.yml"


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    root = tmp_path_factory.mktemp("template")
    new_exercise(Course(root), "week1", "good")
    return root


@pytest.fixture
def root(template, tmp_path):
    """A course with one exercise that has no fault."""
    return shutil.copytree(template, tmp_path / "course")


def edit(root, path, old, new):
    """Replace, in a file of the course, a text that is in it."""
    text = (root / path).read_text()
    assert old in text, f"{old!r} is not in {path}"
    (root / path).write_text(text.replace(old, new))


def exercise(root, name="good"):
    return Course(root).exercise(name)


def told(root, problems):
    """The gate, the file below the course with its line if it has one, and the sentence of each problem."""
    return [(each.gate, each.where.replace(f"{root}/", ""), each.what) for each in problems]


def test_the_gates_on_what_is_written_hold_for_an_exercise_without_fault(root):
    assert told(root, prose.exercise_problems(exercise(root))) == []
    assert told(root, prose.module_problems(Course(root).module("week1"))) == []
    assert told(root, prose.drift_problems(Course(root), ["week1"])) == []
    assert told(root, probes.probe_problems(exercise(root))) == []
    assert prose.can_be_graded(exercise(root))


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("    Args:\n", "    Arguments:\n", "leaky_relu lacks Args:"),
        ("    Returns:\n", "    Gives:\n", "leaky_relu lacks Returns:"),
        ("    Reference:\n", "    Paper:\n", "leaky_relu lacks Reference:"),
        (">>> leaky_relu(np.array([-2.0, 3.0]), slope=0.5).tolist()\n        [-1.0, 3.0]", "", ">>> an example"),
        ('"""Keep', 'None\n    """Keep', "leaky_relu lacks Reference:, Example:, Args:, Returns:, >>> an example"),
    ],
)
def test_docstrings(root, old, new, what):
    edit(root, SOLUTION.format("good"), old, new)
    ((gate, where, sentence),) = told(root, prose.exercise_problems(exercise(root)))
    assert (gate, where) == ("docstrings", "solutions/week1/good.py:10")
    assert what in sentence


@pytest.mark.parametrize(
    ("hints", "what"),
    [
        ({"good": {"leaky_relu": ["one", "two"]}}, "good: leaky_relu needs 3 rungs, a text each"),
        ({"good": {"leaky_relu": ["one", "two", " "]}}, "good: leaky_relu needs 3 rungs, a text each"),
        ({"good": {"leaky_relu": ["one", "two", 3]}}, "good: leaky_relu needs 3 rungs, a text each"),
        (
            {"good": {"leaky_relu": ["a", "b", "c"], "relu": ["a"]}},
            "good has no task 'relu'; there is: leaky_relu",
        ),
        ({"good": ["one", "two", "three"]}, "there are none for good, or they cannot be read"),
        ({"food": {}}, "there are none for good, or they cannot be read"),
        ([], "there are none for good, or they cannot be read"),
        (None, "there are none for good, or they cannot be read"),
    ],
)
def test_hints(root, hints, what):
    (root / HINTS).unlink()
    if hints is not None:
        (root / HINTS).write_text(yaml.safe_dump(hints))
    assert told(root, prose.exercise_problems(exercise(root))) == [("hints", HINTS, what)]


def test_entries_for_no_exercise(root):
    for path in (MISTAKES, HINTS):
        (root / path).write_text((root / path).read_text() + "goof:\n")
    assert told(root, prose.module_problems(Course(root).module("week1"))) == [
        ("mistakes", MISTAKES, "'goof' is no exercise of week1; did you mean \"good\"?"),
        ("hints", HINTS, "'goof' is no exercise of week1; did you mean \"good\"?"),
    ]


def test_too_few_mistakes(root):
    text = (root / MISTAKES).read_text()
    (root / MISTAKES).write_text("  - task".join(text.split("  - task")[:3]))
    what = "good: leaky_relu has 2, needs at least 3"
    assert told(root, prose.exercise_problems(exercise(root))) == [("mistakes", MISTAKES, what)]
    assert prose.can_be_graded(exercise(root))


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("replace: x > 0", "replace: x >= 0", "'turned round': the text to replace occurs 0 times"),
        ("replace: x > 0", "replace: x", "'turned round': the text to replace occurs 3 times"),
        ("by: x < 0", "by: x <", "'turned round' leaves no Python behind"),
        ("by: x < 0", "bye: x < 0", "good, entry 2: needs exactly the fields"),
        (
            "task: leaky_relu\n    name: turned",
            "task: relu\n    name: turned",
            "'turned round' is of 'relu', which is no task of good; there is: leaky_relu",
        ),
        ("good:\n", "- good:\n", "must be a mapping of exercises"),
    ],
)
def test_mistakes_that_cannot_be_made(root, old, new, what):
    edit(root, MISTAKES, old, new)
    ((gate, where, sentence),) = told(root, prose.exercise_problems(exercise(root)))
    assert (gate, where) == ("mistakes", MISTAKES)
    assert re.search(what, sentence)
    assert not prose.can_be_graded(exercise(root))


@pytest.mark.parametrize("path", [GRADER, PUBLIC])
def test_checks_that_cannot_be_read(root, path):
    path = path.format("good")
    (root / path).write_text("import pytest\ndef test_(:\n")
    ((gate, where, what),) = told(root, prose.exercise_problems(exercise(root)))
    assert (gate, where, what.partition(":")[0]) == ("checks", f"{path}:2", "is no Python")
    (root / path).unlink()
    assert told(root, prose.exercise_problems(exercise(root))) == [("checks", path, "there is no such file")]
    assert not prose.can_be_graded(exercise(root))


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("assert learner.leaky_relu(1.0) is not None", "`is not None` accepts anything: compare values"),
        ("print(learner); assert learner.leaky_relu(1.0) == 1.0", "a check does not print"),
        ("learner.leaky_relu(1.0)", "test_more asserts nothing"),
        (
            "try: assert learner.leaky_relu(1.0) == 1.0\n    except ValueError: pass",
            "a check has no try: use pytest.raises",
        ),
    ],
)
def test_the_style_of_checks(root, body, what):
    path = root / GRADER.format("good")
    lines = path.read_text().count("\n")
    path.write_text(f"{path.read_text()}\n\ndef test_more(learner):\n    {body}\n")
    ((gate, where, sentence),) = told(root, prose.exercise_problems(exercise(root)))
    assert (gate, sentence) == ("style of checks", what)
    assert where in (f"{GRADER.format('good')}:{lines + 3}", f"{GRADER.format('good')}:{lines + 4}")


def test_generated_files(root):
    edit(root, "exercises/week1/good.py", "raise NotImplementedError", "return x")
    what = "differs from what its source makes; run: autograder build"
    assert told(root, prose.drift_problems(Course(root), ["week1"])) == [
        ("generated files", "exercises/week1/good.py", what)
    ]
    write_files(
        root, {"solutions/week2/other.py": "def f():\n    # BEGIN SOLUTION\n    return 1\n    # END SOLUTION\n"}
    )
    assert told(root, prose.drift_problems(Course(root), ["week2"])) == [
        ("generated files", "exercises/week2/other.py", "is missing; run: autograder build")
    ]


def of_running(root):
    """What only running the solution shows."""
    pool = Pool(NodeSettings(str(root), ["week1/good"], ["jaxtyping", "numpy"], 0, own=True), 0)
    trials = [
        trial for trial in kills.trials_of(Policy.load(Course(root)), exercise(root), 1) if trial.what == "running"
    ]
    kills.try_all(pool, trials)
    pool.close()
    row = Row("week1/good", 1)
    return told(root, kills.judge_trials(exercise(root), trials, row, lambda *_: None))


def test_examples_in_docstrings(root):
    edit(root, SOLUTION.format("good"), "[-1.0, 3.0]", "[-2.0, 3.0]")
    ((gate, where, what),) = of_running(root)
    assert (gate, where) == ("doctests", "solutions/week1/good.py")
    assert "in week1.good.leaky_relu" in what and "[-1.0, 3.0]" in what


def test_lines_that_no_check_reaches_and_branches_that_are_always_taken(root):
    grader = root / GRADER.format("good")
    grader.write_text(grader.read_text().partition('@pytest.mark.stage("robust")\ndef test_leaky_relu_refuses')[0])
    always = "    if slope < 1:\n        slope = 1 * slope\n    if slope < 0:"
    edit(root, SOLUTION.format("good"), "    if slope < 0:", always)
    source = (root / SOLUTION.format("good")).read_text().splitlines()
    line = {text.strip(): number for number, text in enumerate(source, 1)}
    raises = next(number for text, number in line.items() if text.startswith("raise"))
    assert of_running(root) == [
        ("branches", f"solutions/week1/good.py:{raises}", "no hidden check reaches this line"),
        (
            "branches",
            f"solutions/week1/good.py:{line['if slope < 1:']}",
            f"no hidden check goes from here to line {line['if slope < 0:']}",
        ),
    ]


def test_degenerate_probes(root):
    edit(root, GRADER.format("good"), "slope=slope", "slope=0.01")
    for call in ("(x, slope)", "(x, 0.2)", "(x, slope=-0.1)", '(probe.normal("N D"), slope=-0.1)'):
        text = (root / GRADER.format("good")).read_text()
        (root / GRADER.format("good")).write_text(text.replace(call, f"({call[1:].partition(',')[0]})"))
    assert told(root, probes.probe_problems(exercise(root))) == [
        (
            "probes",
            "graders/week1/test_good.py:10",
            "leaky_relu: no hidden check passes `slope` anything but its default, 0.01 (fault 4)",
        )
    ]


# What the checks do, through the jail. All these exercises are verified in one run.

PROGRAM = "    # STUB\n    # return np.where(x > 0, x, slope * x)\n    # END"
BEHAVIOUR = {
    "good": [],
    "fails_in_the_jail": [(SOLUTION, "    if slope < 0:", "    open(__file__).close()\n    if slope < 0:")],
    "rejected": [(GRADER, "0.01 * x", "0.02 * x")],
    "stub_earns": [(GRADER, '@pytest.mark.stage("shape")', "{}\n\n\n@pytest.mark.stage('shape')")],
    "survivor": [(MISTAKES, "by: x < 0", "by: x >= 0")],
    "weak_public": [(PUBLIC, "[[-2.0, 3.0], [0.0, -4.0]]", "ONES"), (PUBLIC, "[[-1.0, 3.0], [0.0, -2.0]]", "ONES")],
    "near": [(MISTAKES, "by: 0.01 * x", "by: slope * x * (1 + 1.5e-9)")],
    "noisy": [(GRADER, "(learner.leaky_relu(x), x)", "(learner.leaky_relu(x), x * (1.0 + 3e-10))")],
    "unnamed": [(MISTAKES, "by: 0.01 * x", "by: slope * x * np.random.rand()")],
    "broken_stub": [(SOLUTION, "    # END", PROGRAM.replace("slope", "0.01"))],
    "right_stub": [
        (SOLUTION, "    # END", PROGRAM.replace("return", "if slope < 0:\n    #     raise ValueError\n    # return"))
    ],
    "empty_stub": [(SOLUTION, "    # END", PROGRAM.replace("return", "raise NotImplementedError\n    # return"))],
}
EASY = "@pytest.mark.stage('shape')\ndef test_leaky_relu_is_easy():\n    assert 1 + 1 == 2"


@pytest.fixture(scope="module")
def verified(tmp_path_factory):
    """What the gates say of the exercises above: the report, and the problems of each exercise."""
    root = tmp_path_factory.mktemp("behaviour")
    for name, edits in BEHAVIOUR.items():
        new_exercise(Course(root), "week1", name)
        for path, old, new in edits:
            before, entry, after = (root / path.format(name)).read_text().rpartition(f"{name}:\n")
            text = after.replace(old, new.format(EASY).replace("ONES", "[[1.0, 1.0], [1.0, 1.0]]"))
            assert text != after, f"{old!r} is not in {path}"
            (root / path.format(name)).write_text(before + entry + text)
    build(Course(root))
    shown = []
    report = verify(Policy.load(Course(root)), ["week1"], 1, 1, lambda *step: shown.append(step))
    assert ("grading solutions, stubs and mistakes", len(BEHAVIOUR) * 15, len(BEHAVIOUR) * 15) in shown
    problems = {name: [] for name in BEHAVIOUR}
    for gate, where, what in told(root, report.problems):
        problems[Path(where.partition(":")[0]).stem.removeprefix("test_")].append((gate, where, what))
    return report, problems


@pytest.fixture(scope="module")
def row(verified):
    return {row.exercise.removeprefix("week1/"): row for row in verified[0].rows}


@pytest.fixture
def problems(verified):
    return verified[1]


def test_an_exercise_without_fault_passes_every_gate(problems, row):
    assert problems["good"] == []
    good = row["good"]
    assert (good.tasks, good.checks, good.public_checks) == (1, 7, 3)
    assert (good.mistakes, good.killed, good.public_killed, good.named, good.alone) == (4, 4, 4, 4, 4)
    assert good.noise < 0.1 and good.nearest > 10


def test_a_solution_that_fails_its_checks(problems):
    found = [(where, what) for gate, where, what in problems["fails_in_the_jail"] if gate == "solution"]
    assert {where for where, _ in found} == {GRADER.format("fails_in_the_jail"), PUBLIC.format("fails_in_the_jail")}
    assert all(what.startswith("fails test_leaky_relu_keeps") and "(error)" in what for _, what in found)


def test_a_grader_that_rejects_its_own_reference_is_told_of_once(problems):
    (gate, where, what), *others = problems["rejected"]
    assert (gate, where) == ("solution", GRADER.format("rejected"))
    assert {gate for gate, *_ in others} == {"branches"}  # what its later stages would have reached
    assert what.startswith("fails test_leaky_relu_multiplies_negative_entries_by_one_hundredth")


def test_a_stub_that_earns_something(problems):
    what = "leaky_relu is not started, but test_leaky_relu_is_easy (passed)"
    assert problems["stub_earns"] == [("stub", GRADER.format("stub_earns"), what)]


def test_a_program_to_repair_has_to_fail_a_check(problems):
    assert problems["broken_stub"] == []
    what = "leaky_relu is a program to repair, but passes every check as it is"
    paths = GRADER.format("right_stub"), PUBLIC.format("right_stub")
    assert problems["right_stub"] == [("stub", path, what) for path in paths]


def test_a_program_to_repair_has_to_be_there(problems):
    found = [(gate, what) for gate, _, what in problems["empty_stub"]]
    assert len(found) == 2 and all(gate == "stub" for gate, _ in found)
    assert all(what.startswith("leaky_relu is a program to repair, but ") for _, what in found)
    assert all(what.endswith("(not_started)") for _, what in found)


def test_a_mistake_that_survives(problems, row):
    assert problems["survivor"] == [
        ("mistakes", GRADER.format("survivor"), "leaky_relu: 'turned round' passes every hidden check"),
        ("diagnosis", "week1/survivor", "diagnosis names 3 of 4 mistakes"),
    ]
    assert (row["survivor"].mistakes, row["survivor"].killed) == (4, 3)


def test_public_checks_that_catch_too_little(problems, row):
    what = "the public checks catch 2 of 4 mistakes, less than two thirds"
    assert problems["weak_public"] == [("public checks", PUBLIC.format("weak_public"), what)]
    assert row["weak_public"].public_killed == 2


def test_a_mistake_too_near_to_the_tolerance(problems, row):
    what = "leaky_relu: 'ignores the slope it is given' is only 2.0 tolerances away"
    assert problems["near"] == [("tolerances", GRADER.format("near"), what)]
    assert 1 < row["near"].nearest < 10


def test_a_reference_whose_rounding_uses_up_the_tolerance(problems):
    what = "test_leaky_relu_keeps_positive_entries: rounding of the solution uses up 0.41 of the tolerance"
    assert problems["noisy"] == [("tolerances", GRADER.format("noisy"), what)]


def test_a_mistake_that_diagnosis_cannot_name(problems):
    assert problems["unnamed"] == [("diagnosis", "week1/unnamed", "diagnosis names 3 of 4 mistakes")]


def test_a_grader_that_pytest_cannot_collect_is_a_problem_like_others(root):
    edit(root, GRADER.format("good"), 'stage("shape")', 'stage("shap")')
    report = verify(Policy.load(Course(root)), ["week1"], 1, 1)
    ((gate, where, what),) = told(root, report.problems)
    assert (gate, where) == ("grading", GRADER.format("good"))
    assert "the stage 'shap' is none of" in what


def test_an_exercise_that_cannot_be_graded_does_not_keep_others_from_it(root, monkeypatch):
    new_exercise(Course(root), "week1", "other")
    edit(root, MISTAKES, "other:\n  - task: leaky_relu\n", "other:\n  - job: leaky_relu\n")
    graded = []
    monkeypatch.setattr(kills, "trials_of", lambda _, exercise, *__: graded.append(exercise.name) or [])
    verify(Policy.load(Course(root)), ["week1"], 1, 1)
    assert graded == []  # a file of mistakes that cannot be read is everybody's
    edit(root, MISTAKES, "- job:", "- task:")
    (root / GRADER.format("other")).unlink()
    verify(Policy.load(Course(root)), ["week1"], 1, 1)
    assert graded == ["good"]


def test_what_has_not_changed_is_not_graded_again(root, tmp_path, monkeypatch):
    policy = Policy.load(Course(root))
    first = verify(policy, ["week1"], 1, 1, cache=tmp_path / "cache")
    assert first.problems == []
    with monkeypatch.context() as patch:
        patch.setattr("autograder.authoring.verify.run.Pool", None)
        again = verify(policy, ["week1"], 1, 1, cache=tmp_path / "cache")
    assert (again.problems, again.rows) == ([], first.rows)
    edit(root, GRADER.format("good"), "def test_", "def test_now_")
    with monkeypatch.context() as patch, pytest.raises(TypeError):
        patch.setattr("autograder.authoring.verify.run.Pool", None)  # is wanted now
        verify(policy, ["week1"], 1, 1, cache=tmp_path / "cache")


def test_one_exercise_is_verified_by_itself(root, monkeypatch):
    new_exercise(Course(root), "week1", "other")
    begun = []
    monkeypatch.setattr(
        "autograder.authoring.verify.run._graded", lambda _, exercises, *__: begun.extend(exercises) or []
    )
    done = CliRunner().invoke(app, ["--course", str(root), "verify", "week1/other"])
    assert done.exit_code == 0, done.output
    assert [exercise.id for exercise in begun] == ["week1/other"]


# The kill table.


def test_the_committed_kill_table_has_to_be_the_one_measured(root):
    report = Report([Row("week1/good", 1, checks=7, public_checks=3, mistakes=4, killed=4, public_killed=3, named=4)])
    policy = Policy.load(Course(root))
    outdated = [("kill table", TABLE, "is out of date; `autograder verify --table` writes it")]
    assert told(root, table_problems(policy, report)) == outdated
    write_files(root, {TABLE: kill_table(report.rows)})
    assert told(root, table_problems(policy, report)) == []
    report.rows[0].killed = 3
    assert told(root, table_problems(policy, report)) == outdated


def test_the_kill_table_has_a_row_for_each_exercise_and_their_sum():
    rows = [
        Row("m/one", 2, 7, 3, 4, 4, 3, 4, 2, noise=0.023, nearest=4.2e5),
        Row("m/two", 1, 5, 2, 3, 3, 3, 3, 3, noise=0.0, nearest=float("inf")),
    ]
    assert kill_table(rows).splitlines()[-3:] == [
        "| m/one | 2 | 7 | 3 | 4 | 4 | 3 (75 %) | 4 (2) | 0.01 | 1e5 |",
        "| m/two | 1 | 5 | 2 | 3 | 3 | 3 (100 %) | 3 (3) | 0 | ∞ |",
        "| **all** | 3 | 12 | 5 | 7 | 7 | 6 (85 %) | 7 (5) | 0.01 | 1e5 |",
    ]


# The command.


@pytest.fixture
def command(root, monkeypatch):
    """Runs `autograder verify` with gates that find given problems."""

    def run(problems, *arguments):
        report = Report([Row("week1/good", 1, mistakes=4, killed=4, named=4)], list(problems))
        monkeypatch.setattr("autograder.authoring.verify.verify", lambda *_: report)
        return CliRunner().invoke(app, ["--course", str(root), "verify", *arguments])

    return run


def test_the_command_tells_every_problem_on_a_line_of_its_own_and_exits_one(command):
    result = command([Problem("hints", "hints.yml", "too few"), Problem("stub", "test_good.py:3", "earns")], "week1")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "hints.yml: hints: too few\ntest_good.py:3: stub: earns\n2 problems\n"


def test_the_command_says_what_was_verified(command):
    result = command([], "week1")
    assert (result.exit_code, result.output) == (0, "1 exercise verified: 4 mistakes caught, 4 of them named\n")


def test_the_command_for_a_whole_course_wants_the_kill_table_and_writes_it_when_asked(command, root):
    assert "kill table: is out of date" in command([]).stderr
    result = command([], "--table")
    assert result.exit_code == 0 and "| week1/good | 1 |" in result.stdout
    assert (root / TABLE).is_file()
    assert command([]).exit_code == 0


def test_the_command_refuses_a_module_that_is_not_there(command):
    assert command([], "week9").exit_code == 2
