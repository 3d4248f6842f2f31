"""Known mistakes are named from what learners' code answers through the jail, and nothing else is."""

import inspect
from dataclasses import replace

import numpy as np
import pytest

from autograder.catalog import Course
from autograder.grading.alike import described, same, same_error
from autograder.grading.alike import same_files as alike
from autograder.grading.diagnose import Diagnosis
from autograder.grading.mistakes import MistakeError, apply_mistake, load_mistakes
from autograder.grading.pool import Job, NodeSettings, Pool
from autograder.sandbox.errors import InputChanged, learner_error
from autograder.testing import CheckFailed
from autograder.testing.probe import Probe
from tests.courses import write_files

SECRET = 31337.125  # what hidden checks feed in; nobody may read it

PLAIN = """\
import numpy as np


def scale(x, factor=2.0):
    # BEGIN SOLUTION
    return factor * x
    # END SOLUTION


def shift(x, by):
    # BEGIN SOLUTION
    if by == 0.0:
        raise ValueError("nothing to shift by")
    return x + by
    # END SOLUTION


def affine(x, factor, by):
    # BEGIN SOLUTION
    return shift(scale(x, factor), by)
    # END SOLUTION
"""

TEST_PLAIN = f"""\
import numpy as np
import pytest
from autograder.testing import assert_close

SECRET = {SECRET}


def test_scale_equals_the_reference(learner, reference, probe):
    x = SECRET + probe.normal("N D")
    assert_close(learner.scale(x, 3.0), reference.scale(x, 3.0))


def test_shift_refuses_zero(learner):
    with pytest.raises(ValueError):
        learner.shift(np.array([SECRET]), 0.0)


@pytest.mark.stage("whole")
def test_shift_equals_the_reference(learner, reference, probe):
    x = SECRET + probe.normal("N D")
    assert_close(learner.shift(x, 0.5), reference.shift(x, 0.5))


@pytest.mark.task("affine")
def test_affine_equals_the_reference(learner, reference, probe):
    x = probe.normal("N D")
    assert_close(learner.affine(x, 3.0, 0.5), reference.affine(x, 3.0, 0.5))
"""

TWINS = """\
def square(x):
    # BEGIN SOLUTION
    return x * x
    # END SOLUTION
"""

TEST_TWINS = """\
from autograder.testing import assert_close


def test_square_of_a_number(learner, probe):
    x = probe.scalar(-3.0, 3.0)
    assert_close(learner.square(x), x * x)
"""

STREAM = """\
def batches(x, size):
    # BEGIN SOLUTION
    for start in range(0, len(x), size):
        yield x[start : start + size]
    # END SOLUTION
"""

TEST_STREAM = """\
from autograder.testing import assert_close


def test_batches_are_slices(learner, probe):
    x = probe.normal(7)
    assert_close(list(learner.batches(x, 3)), [x[:3], x[3:6], x[6:]])
"""

METER = """\
class Meter:
    def __init__(self, start=0.0):
        # BEGIN SOLUTION
        self.total, self.count = start, 0
        # END SOLUTION

    def update(self, value):
        # BEGIN SOLUTION
        self.total += value
        self.count += 1
        # END SOLUTION

    def mean(self):
        # BEGIN SOLUTION
        return self.total / self.count
        # END SOLUTION
"""

TEST_METER = """\
from autograder.testing import assert_close


def test_meter_counts(learner):
    meter = learner.Meter()
    meter.update(4.0)
    meter.update(6.0)
    assert meter.count == 2


def test_meter_starts_where_it_is_told(learner):
    assert_close(learner.Meter(start=2.5).total, 2.5)


def test_meter_has_the_mean_of_what_it_saw(learner):
    meter = learner.Meter()
    for value in (4.0, 6.0, 11.0):
        meter.update(value)
    assert_close(meter.mean(), 7.0)
"""

EACH = """\
def each(values, function):
    # BEGIN SOLUTION
    for value in values:
        function(value)
    # END SOLUTION
"""

TEST_EACH = """\
def test_each_calls_the_function_for_every_value(learner):
    seen = []
    learner.each([1.0, 4.0, 2.0], seen.append)
    assert seen == [1.0, 4.0, 2.0]
"""

WRITES = """\
def normalise(x):
    # BEGIN SOLUTION
    return x / x.sum()
    # END SOLUTION


def clip_(x, high):
    # BEGIN SOLUTION
    x[x > high] = high
    # END SOLUTION
"""

TEST_WRITES = """\
import numpy as np
import pytest
from autograder.testing import assert_close


def test_normalise_divides_by_the_sum(learner, probe):
    x = np.abs(probe.normal("N"))
    assert_close(learner.normalise(x), x / x.sum())


@pytest.mark.in_place
def test_clip_cuts_what_is_too_high(learner):
    x = np.array([1.0, 5.0, 3.0])
    learner.clip_(x, 2.0)
    assert_close(x, np.array([1.0, 2.0, 2.0]))
"""

KEEPER = """\
from pathlib import Path


class Keeper:
    def __init__(self, folder):
        # BEGIN SOLUTION
        self.folder = Path(folder)
        self.folder.mkdir()
        # END SOLUTION

    def put(self, number):
        # BEGIN SOLUTION
        for old in self.folder.iterdir():
            old.unlink()
        (self.folder / f"{abs(number)}.txt").write_text(str(number))
        # END SOLUTION

    def get(self):
        # BEGIN SOLUTION
        return int(max(self.folder.iterdir()).read_text())
        # END SOLUTION
"""

TEST_KEEPER = """\
def test_keeper_gives_back_what_was_put(learner, scratch):
    keeper = learner.Keeper(str(scratch / "kept"))
    keeper.put(3)
    assert keeper.get() == 3


def test_keeper_keeps_one_file(learner, scratch):
    keeper = learner.Keeper(str(scratch / "kept"))
    keeper.put(3)
    keeper.put(4)
    assert len(list((scratch / "kept").iterdir())) == 1


def test_keeper_knows_signs(learner, scratch):
    keeper = learner.Keeper(str(scratch / "kept"))
    keeper.put(-3)
    assert keeper.get() == -3
"""


def slip(task, name, replace, by):
    return f"  - {{task: {task}, name: {name}, replace: {replace!r}, by: {by!r}, says: This is {name}.}}\n"


MISTAKES = (
    "plain:\n"
    + slip("scale", "ignores the factor", "factor * x", "2.0 * x")
    + slip("scale", "adds", "factor * x", "factor + x")
    + slip("scale", "takes a name that is not there", "factor * x", "facto * x")
    + slip("shift", "subtracts", "x + by", "x - by")
    + slip("shift", "lets zero pass", "by == 0.0", "False")
    + slip("affine", "the other way round", "shift(scale(x, factor), by)", "scale(shift(x, by), factor)")
    + "twins:\n"
    + slip("square", "the number itself", "x * x", "x")
    + slip("square", "its magnitude", "x * x", "abs(x)")
    + "stream:\n"
    + slip("batches", "drops the rest", "range(0, len(x), size)", "range(0, len(x) - size + 1, size)")
    + slip("batches", "overlaps", "range(0, len(x), size)", "range(0, len(x))")
    + "meter:\n"
    + slip("Meter", "never counts", "self.count += 1", "pass")
    + slip("Meter", "starts at zero", "start, 0", "0.0, 0")
    + slip("Meter", "keeps the last", "+= value", "= value")
    + "each:\n"
    + slip("each", "skips the first", "in values", "in values[1:]")
    + slip("each", "the other way round", "in values", "in values[::-1]")
    + slip("each", "the first alone", "in values", "in values[:1]")
    + slip("each", "in order of size", "in values", "in sorted(values)")
    + "writes:\n"
    + slip("normalise", "writes into its input", "return x / x.sum()", "x /= x.sum(); return x")
    + slip("normalise", "divides by the largest", "x.sum()", "x.max()")
    + slip("clip_", "works on a copy", "x[x > high] = high", "x = x.copy(); x[x > high] = high")
    + "keeper:\n"
    + slip("Keeper", "puts the next number", "str(number)", "str(number + 1)")
    + slip("Keeper", "deletes nothing", "old.unlink()", "pass")
    + slip("Keeper", "puts no sign", "str(number)", "str(abs(number))")
)

FILES = {
    "graders/m/test_plain.py": TEST_PLAIN,
    "graders/m/test_twins.py": TEST_TWINS,
    "graders/m/test_stream.py": TEST_STREAM,
    "graders/m/test_meter.py": TEST_METER,
    "graders/m/test_each.py": TEST_EACH,
    "graders/m/test_writes.py": TEST_WRITES,
    "graders/m/test_keeper.py": TEST_KEEPER,
    "solutions/m/plain.py": PLAIN,
    "solutions/m/twins.py": TWINS,
    "solutions/m/stream.py": STREAM,
    "solutions/m/meter.py": METER,
    "solutions/m/each.py": EACH,
    "solutions/m/writes.py": WRITES,
    "solutions/m/keeper.py": KEEPER,
    "solutions/m/mistakes.yml": MISTAKES,
}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    root = tmp_path_factory.mktemp("named")
    write_files(root, FILES)
    return Course(root)


@pytest.fixture(scope="module")
def pool(course):
    ids = [exercise.id for exercise in course.exercises]
    with Pool(NodeSettings(str(course.root), ids, ["jaxtyping", "numpy"], 0), 1) as pool:
        yield pool


@pytest.fixture(scope="module")
def hand_in(course, pool):
    """Grades code for an exercise: its checks by name."""

    def grade(exercise, text, seed=None):
        result = pool.grade(Job("ann", f"m/{exercise}", {f"m/{exercise}": text.encode()}, "", 60.0, seed))
        assert not result.has_system_fault, result
        return {check.check: check for check in result.checks}

    return grade


@pytest.fixture(scope="module")
def make(course, hand_in):
    """Hands in the solution with named mistakes made: what each check that did not pass says, without those not reached."""

    def grade(exercise, *names, seed=None):
        known = {m.name: m for m in load_mistakes(course.exercise(exercise).mistakes) if m.exercise == exercise}
        text = course.exercise(exercise).solution.read_text()
        for name in names:
            text = apply_mistake(text, known[name])
        checks = hand_in(exercise, text, seed).values()
        return {check.check: check.mistakes for check in checks if check.status in ("wrong", "error")}

    return grade


def test_no_check_follows_the_one_that_tells_the_mistake_that_is_tried(course, pool):
    text = METER.replace("self.count += 1", "pass").encode()
    job = Job("verify", "m/meter", {"m/meter": text}, "", 60.0, task="Meter", mistake="never counts")
    assert [check.check for check in pool.grade(job).checks] == ["test_meter_counts"]
    never_told = replace(job, mistake="starts at zero")
    assert len(pool.grade(never_told).checks) == 3, "what no check names is tried by all of them"


def test_a_mistake_is_named_and_says_what_the_author_wrote(hand_in):
    check = hand_in("plain", PLAIN.replace("factor * x", "x * 2"))["test_scale_equals_the_reference"]
    assert (check.status, check.mistakes) == ("wrong", ["ignores the factor"])
    assert check.says == "This is ignores the factor."


@pytest.mark.parametrize(
    ("exercise", "name", "checks"),
    [
        ("plain", "adds", ["test_scale_equals_the_reference"]),
        ("plain", "takes a name that is not there", ["test_scale_equals_the_reference"]),  # a NameError, as it has
        ("plain", "lets zero pass", ["test_shift_refuses_zero"]),
        ("plain", "the other way round", ["test_affine_equals_the_reference"]),
        ("stream", "drops the rest", ["test_batches_are_slices"]),
        ("stream", "overlaps", ["test_batches_are_slices"]),
        ("meter", "starts at zero", ["test_meter_starts_where_it_is_told"]),
        ("meter", "keeps the last", ["test_meter_has_the_mean_of_what_it_saw"]),
        ("writes", "writes into its input", ["test_normalise_divides_by_the_sum"]),
        ("writes", "divides by the largest", ["test_normalise_divides_by_the_sum"]),
        ("writes", "works on a copy", ["test_clip_cuts_what_is_too_high"]),
        # What a mistake has put it has to get again: the files are its own, and so is a folder that is still empty.
        ("keeper", "puts the next number", ["test_keeper_gives_back_what_was_put"]),
        ("keeper", "deletes nothing", ["test_keeper_keeps_one_file"]),  # called alike but for numbers
    ],
)
def test_each_kind_of_mistake_is_named(make, exercise, name, checks):
    assert {check: names for check, names in make(exercise, name).items() if check in checks} == {
        check: [name] for check in checks
    }


@pytest.mark.parametrize(
    "body", ["yield x[:size]", "yield x[:size]; raise TypeError('no more')", "raise TypeError; yield"]
)
def test_what_ends_an_iteration_counts(hand_in, body):
    check = hand_in("stream", f"def batches(x, size):\n    {body}\n")["test_batches_are_slices"]
    assert (check.status in ("wrong", "error"), check.mistakes) == (True, [])


def test_what_is_read_from_an_object_counts(make):
    assert make("meter", "never counts") == {
        "test_meter_counts": ["never counts"],
        "test_meter_has_the_mean_of_what_it_saw": ["never counts"],
    }


def test_a_tensor_that_wants_gradients_is_another_one():
    torch = pytest.importorskip("torch")
    x = torch.ones(2)
    assert same(x, x.clone()) and same({"x": [x]}, {"x": [x.clone()]})
    assert not same(x.clone().requires_grad_(), x) and not same([x], [x.clone().requires_grad_()])


def test_an_answer_of_another_kind_is_another_one():
    for theirs, ours in (
        (np.array(2.0), 2.0),
        ([1.0], (1.0,)),
        (2, 2.0),
        (True, 1),
        (1.0, True),
        ({"x": [1]}, {"x": (1,)}),
    ):
        assert not same(theirs, ours) and not same(ours, theirs)
    assert same(np.float64(2.0), 2.0) and same((1, [2.0]), (np.int64(1), [2.0])), "a check cannot tell these apart"


def test_an_error_of_a_library_is_the_same_if_it_says_the_same():
    def raised(line):
        return learner_error("ValueError", "shapes (2,) (3,)", [("m/plain.py", 3, "scale", line)])

    assert same_error(raised("return factor * x"), ValueError("shapes (2,) (3,)"))
    assert not same_error(raised("return factor * x"), ValueError("shapes (3,) (2,)")), "another slip"
    assert same_error(raised('raise ValueError("no")'), ValueError("too small")), "everybody has words of their own"
    assert not same_error(raised('raise ValueError("no")'), TypeError("shapes (2,) (3,)"))


def test_a_mistake_that_writes_into_another_argument_is_another_one():
    def ours(argument):
        return CheckFailed(str(InputChanged("scale", argument)))

    assert same_error(InputChanged("scale", 0), ours(0))
    assert not same_error(InputChanged("scale", 0), ours(1))
    assert not same_error(InputChanged("scale", 0), ours("factor"))


def test_a_learner_does_not_read_everything_that_could_be_wrong(hand_in):
    """What the check saw is no answer, so every mistake agrees with the answers."""
    (check,) = hand_in("each", EACH.replace("function(value)", "function(value), function(value)")).values()
    assert (check.status, len(check.mistakes), check.says) == ("wrong", 4, "")


def test_what_reads_its_own_source_reads_that_of_the_mistake(course):
    pairs = Diagnosis(course.exercise("plain")).mistakes["scale"]
    functions = [module._find("scale") for _, module in pairs]
    for (mistake, _), function in zip(pairs, functions, strict=True):  # after all are loaded, as when AutoGraph reads
        assert mistake.by in inspect.getsource(function)


def same_files(theirs, ours):
    return alike(described(theirs), described(ours))


def test_files_are_the_same_by_name_and_size_and_those_that_are_no_text_roughly():
    graph, later = 1000 * b"\xff", 1040 * b"\xff"  # one calls a function serve_97, say, the other serve_2197
    assert same_files({"a/graph.pb": graph, "run.17": b"x"}, {"run.4": b"y", "a/graph.pb": later})
    assert not same_files({"a/graph.pb": graph}, {"a/graph.pb": 2 * graph})
    assert not same_files({"a/graph.pb": graph}, {"b/graph.pb": graph})
    events = "run/events.out.tfevents"
    assert same_files({f"{events}.17": graph}, {f"{events}.4": graph}), "an event has one size"
    assert not same_files({f"{events}.17": graph}, {f"{events}.4": graph + b"\xff"})
    assert not same_files({"run.17": b"x"}, {"run.17": b"x", "run.4": b"x"})
    assert not same_files({"card.md": 1000 * b"x"}, {"card.md": 1001 * b"x"})
    assert not same_files({"card.md": 1000 * b"x"}, {"card.md": graph})


def test_of_two_mistakes_with_the_same_answer_a_second_probe_decides(make):
    name = "m/twins::test_square_of_a_number"
    seed = next(s for s in range(99) if Probe(s, name).scalar(-3.0, 3.0) > 0 > Probe(s + 1, name).scalar(-3.0, 3.0))
    assert make("twins", "the number itself", seed=seed) == {"test_square_of_a_number": ["the number itself"]}
    assert make("twins", "its magnitude", seed=seed) == {"test_square_of_a_number": ["its magnitude"]}


def test_where_no_probe_decides_all_are_told(make):
    name = "m/twins::test_square_of_a_number"
    seed = next(s for s in range(99) if all(Probe(t, name).scalar(-3.0, 3.0) > 0 for t in (s, s + 1)))
    assert make("twins", "its magnitude", seed=seed) == {
        "test_square_of_a_number": ["the number itself", "its magnitude"]
    }


def test_two_slips_in_two_tasks_are_both_named(make):
    found = make("plain", "ignores the factor", "lets zero pass")
    assert found["test_scale_equals_the_reference"] == ["ignores the factor"]
    assert found["test_shift_refuses_zero"] == ["lets zero pass"]


def test_a_slip_is_named_although_what_it_builds_on_is_wrong_too(make):
    found = make("plain", "adds", "the other way round")
    assert found == {
        "test_scale_equals_the_reference": ["adds"],
        "test_affine_equals_the_reference": ["the other way round"],
    }


@pytest.mark.parametrize(
    "body",
    [
        "return 3.5 * x",
        "return x * float('nan')",
        "raise KeyError(x)",
        "return None",
        "return [2.0 * x]",
        "return (2.0 * x).astype('float32')",  # the right slip in another dtype is another mistake
        "return type('Equal', (), {'__eq__': lambda *_: True, 'shape': x.shape, 'dtype': x.dtype})()",
        "import os; os._exit(0)",
        "raise NotImplementedError",
    ],
)
def test_nothing_is_named_that_is_not_known(hand_in, body):
    checks = hand_in("plain", PLAIN.replace("return factor * x", body))
    check = checks["test_scale_equals_the_reference"]
    assert check.status != "passed"
    assert (check.mistakes, check.says) == ([], "")


def test_a_right_solution_written_another_way_is_told_nothing(hand_in):
    checks = hand_in("meter", METER.replace("self.total += value", "self.total = value + self.total"))
    assert {(check.status, check.says) for check in checks.values()} == {("passed", "")}


def test_what_is_said_of_a_hidden_check_holds_nothing_of_its_inputs(hand_in):
    for text in (
        PLAIN.replace("factor * x", "2.0 * x").replace("x + by", "x - by"),
        PLAIN.replace("return factor * x", "raise ValueError(str(x))").replace("by == 0.0", "False"),
    ):
        for check in hand_in("plain", text).values():
            assert "31337" not in check.public().model_dump_json()


def test_a_mistake_that_cannot_be_made_or_loaded_is_an_error(tmp_path):
    files = FILES | {"solutions/m/mistakes.yml": "twins:\n" + slip("square", "none", "x ** x", "x")}
    write_files(tmp_path, files)
    with pytest.raises(MistakeError, match="twins: square: 'none'"):
        Diagnosis(Course(tmp_path).exercise("twins")).prepare()
    write_files(tmp_path, {"solutions/m/mistakes.yml": "twins:\n" + slip("square", "none", "x * x", "x x")})
    with pytest.raises(MistakeError, match="twins: square: 'none': .* could not be loaded: SyntaxError"):
        Diagnosis(Course(tmp_path).exercise("twins")).prepare()


def test_grading_says_so_and_grades_the_other_exercises(tmp_path):
    write_files(tmp_path, FILES | {"solutions/m/mistakes.yml": "twins:\n" + slip("square", "none", "x ** x", "x")})
    settings = NodeSettings(str(tmp_path), ["m/twins", "m/stream"], ["jaxtyping", "numpy"], 0)
    with Pool(settings, 1) as pool:
        twins, stream = [
            pool.grade(Job("ann", f"m/{name}", {f"m/{name}": text.encode()}, "", 60.0))
            for name, text in (("twins", TWINS), ("stream", STREAM))
        ]
    assert (twins.outcome, stream.outcome) == ("system", "graded")
    assert "mistakes.yml: twins: square: 'none'" in twins.note
