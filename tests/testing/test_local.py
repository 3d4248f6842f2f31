"""The learner's module in this process behaves as it will behind the wire."""

import numpy as np
import pytest

from autograder.sandbox.errors import MissingName
from autograder.sandbox.sources import SourceFinder
from autograder.testing import CheckFailed, MissingTask, NotLoaded
from autograder.testing.local import LocalModule

SOURCE = b"""
import numpy as np

LIMIT = 3

class Counter:
    def __init__(self, start):
        self.count = start
        self.weights = np.ones(2)

    def __call__(self, x):
        self.count += 1
        return x * self.count

    def items(self):
        yield from (self.weights * i for i in range(3))

def double(x, axis=0):
    return 2 * x

def same(x):
    return x

def write(x):
    x += 1
    return x

def put(params):
    params["b"] = params["w"] + 1

def draw(rng):
    return rng.normal(size=2)

def apply(function, x):
    return function(x)

def count(counter, x):
    return counter(x)

def fail(x):
    raise ValueError("no")

def kinds():
    return Counter, [1, (2.0, Counter(0))], {"x": None}, np.float32
"""
X = np.arange(6.0).reshape(2, 3)


def module(source=SOURCE, problems=()):
    return LocalModule(SourceFinder({"m00.a": (source, "m00/a.py")}), "m00.a", problems)


@pytest.fixture
def learner():
    return module()


def test_functions_are_called_and_constants_read(learner):
    assert np.array_equal(learner.double(X, axis=1), 2 * X)
    assert learner.LIMIT == 3


def test_the_last_call_is_recorded(learner):
    result = learner.double(X, axis=1)
    call = learner._last_call
    assert (call.name, call.kwargs, call.error) == ("double", {"axis": 1}, None)
    assert call.args[0] is X
    assert call.result is result


def test_the_last_call_keeps_its_exception(learner):
    with pytest.raises(ValueError, match="no") as caught:
        learner.fail(X)
    assert learner._last_call.error is caught.value


@pytest.mark.parametrize("arguments", [(X,), ([X],), ({"w": X},)])
def test_arguments_are_copied_in_and_results_out(learner, arguments):
    result = learner.same(*arguments)
    leaf = result[0] if isinstance(result, list) else result["w"] if isinstance(result, dict) else result
    assert np.array_equal(leaf, X)
    assert not np.shares_memory(leaf, X)


def test_writing_into_an_input_fails_the_check(learner):
    x = X.copy()
    with pytest.raises(CheckFailed, match="^write changed its 1st argument in place$"):
        learner.write(x)
    with pytest.raises(CheckFailed, match="^write changed its argument `x` in place$"):
        learner.write(x=x)
    with pytest.raises(CheckFailed, match="^put changed its 1st argument in place$"):
        learner.put({"w": x})
    assert np.array_equal(x, X)


def test_in_place_tasks_update_the_callers_values(learner):
    learner._in_place = True
    x, params = X.copy(), {"w": X}
    learner.write(x)
    learner.put(params)
    assert np.array_equal(x, X + 1)
    assert np.array_equal(params["b"], X + 1)


def test_a_nan_is_not_a_change(learner):
    assert np.isnan(learner.double(np.array([np.nan, 1.0]))[0])


def test_the_callers_generator_does_not_advance(learner):
    rng = np.random.default_rng(0)
    assert np.array_equal(learner.draw(rng), learner.draw(rng))
    assert np.array_equal(learner.draw(rng), rng.normal(size=2))


def test_functions_that_are_passed_are_called_back(learner):
    assert learner.apply(lambda x: x + 1, 3) == 4
    assert learner.apply(module().double, 3) == 6


def test_objects_can_be_called_read_written_iterated_and_passed_back(learner):
    counter = learner.Counter(3)
    assert counter(1) == 4
    assert learner.count(counter, 1) == 5
    counter.count = 9
    assert counter.count == 9
    assert [len(item) for item in counter.items()] == [2, 2, 2]
    assert learner._last_call.name == "Counter.items"


def test_objects_do_no_more_than_those_in_another_process(learner):
    counter = learner.Counter(3)
    with pytest.raises(TypeError, match="a Counter was returned where a plain value was expected"):
        bool(counter)
    with pytest.raises(TypeError):
        counter + 1
    assert counter != learner.Counter(3)
    assert "Counter" in repr(counter)


def test_plain_data_crosses_and_objects_within_it_are_wrapped(learner):
    kind, items, mapping, dtype = learner.kinds()
    assert kind(5).count == 5
    assert items[0] == 1
    assert items[1][1].count == 0
    assert mapping == {"x": None}
    assert dtype is np.float32


def test_a_missing_function_is_named_with_its_file(learner):
    with pytest.raises(MissingTask, match="^a.py has no function `softmax`$") as caught:
        learner.softmax(X)
    assert isinstance(caught.value, MissingName)


@pytest.mark.parametrize(
    ("source", "reason", "line"),
    [
        (b"import numpy\ndef f(:\n", "SyntaxError: invalid syntax", 2),
        (b"x = 1\ny = x / 0\n", "ZeroDivisionError: division by zero", 2),
        (b"raise SystemExit\n", "SystemExit", 1),
        (b"from m00.b import f\n", "ModuleNotFoundError: No module named 'm00.b'", 1),
    ],
)
def test_a_file_that_cannot_be_imported_says_why_each_time(source, reason, line):
    learner = module(source)
    for _ in range(2):
        with pytest.raises(NotLoaded) as caught:
            learner.f(X)
        assert caught.value.reason == reason
        assert [(frame.file, frame.line) for frame in caught.value.frames] == [("m00/a.py", line)]


def test_a_file_with_problems_is_not_run():
    with pytest.raises(NotLoaded, match="line 1 imports torch"):
        module(b"raise SystemExit\n", ["line 1 imports torch"]).f()


def test_a_file_that_is_not_there_is_not_loaded():
    learner = LocalModule(SourceFinder({}), "m00.a", filename="m00/a.py")
    with pytest.raises(NotLoaded, match="m00/a.py could not be loaded: there is no such file"):
        learner.f()


@pytest.mark.torch
def test_tensors_lose_their_graph_as_they_would_on_the_wire():
    torch = pytest.importorskip("torch")
    learner = module(
        b"import torch\nw = torch.nn.Parameter(torch.ones(3))\n"
        b"def f(x):\n    return x * w\n"
        b"def g(x):\n    return x * x\n"
    )
    x = torch.ones(3, requires_grad=True)
    assert not learner.f(x).requires_grad
    assert learner.w.requires_grad
    value, (gradient,) = learner.vjp("g", [x], torch.ones(3))
    assert torch.equal(gradient, torch.full((3,), 2.0))
    assert learner._last_call.name == "g"
    assert torch.equal(learner._last_call.result, value)
