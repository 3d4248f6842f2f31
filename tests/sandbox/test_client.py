"""A learner's module in a jailed worker, as the trusted side sees it."""

import os
import threading

import numpy as np
import pytest

from autograder.sandbox.client import Zygote
from autograder.sandbox.errors import (
    InputChanged,
    LearnerError,
    MissingName,
    SandboxError,
    WireError,
    WorkerDied,
    WorkerTimeout,
)
from autograder.sandbox.jail import Limits
from autograder.sandbox.proxy import RemoteObject

SOURCE = b"""
import os, sys, time
import numpy as np
from course.helpers import double

CONSTANT = 3

def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)

def add_one(x):
    x += 1.0
    return x

def forget_state(state):
    state["step"] += 1
    return state["step"]

def batches(n):
    for i in range(n):
        yield np.full(2, i), i

def shuffled(x):
    np.random.default_rng(0).shuffle(x)
    yield from x

class Stream:
    "Something to read: each reading holds on to a resource until it is let go."
    open = 0
    def __iter__(self):
        return Reading()

class Reading:
    def __init__(self):
        self.left = 3
        Stream.open += 1
    def __iter__(self):
        return self
    def __next__(self):
        if not self.left:
            raise StopIteration
        self.left -= 1
        return self.left
    def __del__(self):
        Stream.open -= 1

class Linear:
    def __init__(self, w):
        self.w = w
    def __call__(self, x):
        return double(x @ self.w)
    def fails(self):
        raise ValueError("no bias here")

class Own(Exception):
    pass

def own_error():
    raise Own("mine")

def slope(f, x, h):
    return (f(x + h) - f(x - h)) / (2 * h)

def draw(rng):
    return rng.standard_normal(4)

def give(kind):
    class AlwaysEqual:
        def __eq__(self, other): return True
        def __bool__(self): return True
        def __float__(self): return 1.0
    return {"object": AlwaysEqual(), "set": {1}, "huge": np.zeros(200 << 20, np.uint8), "function": double,
            "loop": None, "lambda": lambda: 1}[kind]

def recurse():
    return recurse()

def leave(): os._exit(3)
def stop(): sys.exit(0)
def hang():
    while True: pass
def sleep(): time.sleep(60)
def eat(): return [bytearray(1 << 20) for _ in range(1 << 20)]
def talk(n):
    for i in range(n): print("line", i)
    return n
def stdlib():
    import collections, json, decimal, numpy.fft, numpy.linalg
    return json.dumps(1)
def forbidden():
    import pytest
def vanish():
    os.close(3)
def garble():
    os.write(3, b"x" * 100)
def forge():
    sys.modules["autograder.sandbox.worker"].Server.op_call = lambda *a: [1.0, {}]
    return 0
"""
SOURCES = {"course.task": SOURCE, "course.helpers": b"def double(x):\n    return 2 * x\n"}


@pytest.fixture(scope="module")
def zygote():
    with Zygote(["numpy"]) as zygote:
        yield zygote


@pytest.fixture
def worker(zygote):
    with zygote.worker(Limits(), wall_seconds=5.0) as worker:
        yield worker
    zygote.sweep()


@pytest.fixture
def learner(worker):
    return worker.load(SOURCES, "course.task")


def test_a_function_runs_in_the_jail_and_its_array_comes_back(learner):
    x = np.random.default_rng(0).normal(size=(3, 5))
    assert np.allclose(learner.softmax(x, axis=0).sum(axis=0), 1.0)
    assert learner.CONSTANT == 3


def test_the_jail_says_which_layers_hold(worker):
    assert any(layer.startswith("landlock") for layer in worker.layers)
    assert {"seccomp", "no-new-privs", "rlimits", "no-caps"} <= set(worker.layers)


def test_missing_names_are_told(learner):
    with pytest.raises(MissingName, match=r"course/task\.py has no function `relu`"):
        learner.relu(1)


def test_a_changed_input_is_caught_and_the_callers_array_kept(learner):
    x = np.zeros(3)
    with pytest.raises(InputChanged, match="add_one changed its 1st argument in place"):
        learner.add_one(x)
    with pytest.raises(InputChanged):
        learner.forget_state({"step": 1})
    assert not x.any()


def test_a_task_that_works_in_place_updates_the_callers_array(learner):
    x, state = np.zeros(3), {"step": 1}
    learner._begin_check(in_place=True)
    learner.add_one(x)
    learner.forget_state(state=state)
    assert x.tolist() == [1.0, 1.0, 1.0]
    assert state == {"step": 2}


def test_what_was_read_to_its_end_is_let_go(learner):
    stream = learner.Stream()
    for _ in range(3):
        assert list(stream) == [2, 1, 0]
        assert stream.open == 0


def test_generators_are_iterated_across_the_wire(learner):
    assert [(a.tolist(), i) for a, i in learner.batches(3)] == [([0, 0], 0), ([1, 1], 1), ([2, 2], 2)]


def test_a_generator_that_changes_its_input_while_it_runs_is_caught(learner):
    x = np.arange(5.0)
    with pytest.raises(InputChanged, match="shuffled changed its 1st argument"):
        list(learner.shuffled(x))
    assert x.tolist() == [0, 1, 2, 3, 4]


def test_objects_stay_in_the_jail_and_their_data_crosses(learner):
    model = learner.Linear(np.eye(2))
    assert model(np.ones(2)).tolist() == [2.0, 2.0]
    assert model.w.tolist() == [[1.0, 0.0], [0.0, 1.0]]
    model.w = np.zeros((2, 2))
    assert model(np.ones(2)).tolist() == [0.0, 0.0]


def test_errors_arrive_as_their_builtin_kind_with_the_learners_frames(learner):
    with pytest.raises(ValueError, match="no bias here") as caught:
        learner.Linear(np.eye(2)).fails()
    assert [frame[2] for frame in caught.value.frames] == ["fails"]
    with pytest.raises(LearnerError) as caught:
        learner.own_error()
    assert caught.value.etype == "Own"
    with pytest.raises(RecursionError):
        learner.recurse()


def test_functions_passed_in_are_called_back(learner):
    assert learner.slope(lambda x: x**2, 3.0, 1e-3) == pytest.approx(6.0)
    assert np.allclose(learner.slope(np.sin, np.zeros(2), 1e-3), 1.0)


def test_an_error_in_a_function_passed_in_reaches_the_learner_and_comes_back(learner):
    def fails(x):
        raise ZeroDivisionError("at zero")

    with pytest.raises(ZeroDivisionError):
        learner.slope(fails, 0.0, 0.1)


def test_a_random_generator_is_replayed_exactly_and_the_callers_does_not_advance(learner):
    rng = np.random.default_rng(5)
    first, second = learner.draw(rng), learner.draw(rng)
    assert np.array_equal(first, second)
    assert np.array_equal(first, np.random.default_rng(5).standard_normal(4))


def test_an_invented_object_equals_nothing_and_is_not_true(learner):
    thing = learner.give("object")
    assert type(thing) is RemoteObject
    assert thing != 1.0
    with pytest.raises(TypeError):
        bool(thing)
    with pytest.raises(TypeError):
        float(thing)
    with pytest.raises(TypeError):
        thing + 1


@pytest.mark.parametrize("call", ["leave", "vanish"])
def test_a_worker_that_ends_is_reported_and_stays_dead(learner, call):
    with pytest.raises(WorkerDied):
        getattr(learner, call)()
    with pytest.raises(WorkerDied):
        learner.talk(1)


def test_sys_exit_is_an_error_of_the_learner_and_the_worker_lives(learner):
    with pytest.raises(LearnerError) as caught:
        learner.stop()
    assert caught.value.etype == "SystemExit"
    assert learner.talk(1) == 1


@pytest.mark.parametrize("call", ["hang", "sleep"])
def test_a_worker_that_hangs_is_stopped_at_its_limit(zygote, call):
    with zygote.worker(Limits(), wall_seconds=0.5) as worker:
        learner = worker.load(SOURCES, "course.task")
        with pytest.raises(WorkerTimeout):
            getattr(learner, call)()
        with pytest.raises(WorkerDied):
            learner.talk(1)
    zygote.sweep()


def test_too_much_memory_is_a_memory_error_in_the_jail(zygote):
    with zygote.worker(Limits(memory_bytes=64 << 20), wall_seconds=20.0) as worker:
        learner = worker.load(SOURCES, "course.task")
        with pytest.raises((MemoryError, WorkerDied)):
            learner.eat()
    zygote.sweep()


def test_a_result_that_is_too_large_is_refused(learner):
    with pytest.raises((WireError, LearnerError)):
        learner.give("huge")


def test_garbage_on_the_wire_is_a_wire_error(learner):
    with pytest.raises(WireError):
        learner.garble()


def test_output_is_kept_within_its_limit_and_does_not_fail_the_call(zygote):
    with zygote.worker(Limits(output_bytes=1000)) as worker:
        learner = worker.load(SOURCES, "course.task")
        assert learner.talk(10_000) == 10_000
        assert worker.output().startswith("line 0\nline 1\n")
        assert len(worker.output()) == 1000


def test_imports_are_limited_to_what_is_allowed(learner):
    assert learner.stdlib() == "1"
    with pytest.raises(ModuleNotFoundError, match="No module named 'pytest'"):
        learner.forbidden()


def test_a_file_that_does_not_load_says_where(worker):
    with pytest.raises(SyntaxError) as caught:
        worker.load({"m.x": b"def f(:\n"}, "m.x")
    assert caught.value.frames[-1][:2] == ("m/x.py", 1)


@pytest.mark.parametrize(
    "source",
    [b"\xef\xbb\xbfvalue = 1\r\n", b"# -*- coding: latin-1 -*-\nvalue = 1 # \xe9\n"],
    ids=["bom+crlf", "latin-1"],
)
def test_byte_order_marks_line_ends_and_encodings_are_read(worker, source):
    assert worker.load({"m.x": source}, "m.x").value == 1


@pytest.mark.parametrize("source", [b"value = '\xe9'\n", b"value = 1\x00\n", b"\x7fELF\x02\x01\x01\x00" * 30])
def test_what_is_not_python_text_is_an_error_of_the_learner(worker, source):
    with pytest.raises(LearnerError):
        worker.load({"m.x": source}, "m.x")


def test_tampering_with_the_server_changes_only_what_comes_back(learner):
    learner.forge()
    assert learner.softmax(np.ones(3)) == 1.0  # a plain number: for a check to judge


def test_workers_leave_nothing_behind(zygote):
    descriptors = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with zygote.worker(Limits()) as worker:
            worker.load(SOURCES, "course.task").talk(1)
        assert len(zygote.sweep()) == 1
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert not [line for line in open(f"/proc/{zygote.pid}/task/{zygote.pid}/children") if line.strip()]


def test_workers_die_with_their_fork_server():
    zygote = Zygote(["numpy"])
    worker = zygote.worker(Limits(), wall_seconds=5.0)
    learner = worker.load(SOURCES, "course.task")
    timer = threading.Timer(0.2, zygote.process.kill)
    timer.start()
    with pytest.raises(WorkerDied):
        learner.sleep()
    worker.close()
    zygote.close()


def test_a_fork_server_that_cannot_start_says_why():
    with pytest.raises(SandboxError, match="no_such_library"):
        Zygote(["no_such_library"])


def test_a_library_in_the_learners_process_can_be_used_from_here(learner):
    rng = learner.library("numpy").random.default_rng(7)
    assert np.array_equal(learner.draw(rng), np.random.default_rng(7).standard_normal(4))
    assert not np.array_equal(learner.draw(rng), np.random.default_rng(7).standard_normal(4))  # it is theirs: it moves
    linear = learner.Linear(np.eye(2))
    assert learner.library("operator").is_(linear, linear) is True


def test_what_a_check_puts_in_place_of_a_library_s_function_is_what_it_gets_from_then_on(learner):
    operator = learner.library("operator")
    add, subtract = operator.add, operator.sub
    assert operator.add(7, 2) == 9
    operator.add = subtract
    assert learner.library("operator").add(7, 2) == 5
    operator.add = add
    assert operator.add(7, 2) == 9


def test_the_last_call_is_one_of_the_learners_own(learner):
    linear = learner.Linear(np.eye(2))
    linear(np.ones(2))
    learner.library("operator").add(1, 2)
    assert learner._last_call.name == "Linear"
    assert [call.of_library for call in learner._trace] == [False, False, True]


def test_a_library_that_workers_do_not_have_is_not_there(learner):
    with pytest.raises(LearnerError):
        learner.library("pytest")
