"""Repeating what a check asked on a module with a known mistake: what it answered once is not run again, and decides alike."""

import random

import numpy as np
import pytest

from autograder.grading.replay import Replay, keys_of
from autograder.sandbox.proxy import Call, RemoteObject, place
from autograder.sandbox.sources import SourceFinder
from autograder.testing.local import LocalModule

SOURCE = b"""\
runs = []


def double(x):
    runs.append("double")
    return 2 * x


def apply(f, x):
    runs.append("apply")
    return f(x)


def count(n):
    runs.append("count")
    yield from range(n)


class Sum:
    def __init__(self):
        runs.append("Sum")
        self.total = 0

    def add(self, x):
        runs.append("add")
        self.total += x
        return self.total
"""


@pytest.fixture
def module():
    return LocalModule(SourceFinder({"m": (SOURCE, "<m>")}), "m")


@pytest.fixture
def agrees(module):
    """Whether the module answers a trace alike, and what of it was run for that."""
    memory = {}

    def ask(*trace, check="test_it"):
        module._load()
        before = len(module._module.runs)
        found = Replay(module, False, memory=memory).agrees(trace, keys_of(check, trace))
        return found, module._module.runs[before:]

    return ask


def remote(*origin, name=""):
    return place(RemoteObject(None, 0, "object"), None, name, origin)


def call(name, *args, returns=None, of=None):
    target = remote(None, name) if of is None else remote(remote(of), name)
    made = Call(name, args, {}, target=target)
    made.result = remote(made) if returns is RemoteObject else returns
    return made


def test_the_same_question_is_asked_once_whoever_answered_it(agrees):
    assert agrees(call("double", 3, returns=6)) == (True, ["double"])
    assert agrees(call("double", 3, returns=6)) == (True, [])
    assert agrees(call("double", 3, returns=7)) == (False, [])
    assert agrees(call("double", 4, returns=8)) == (True, ["double"])
    assert agrees(call("double", 3, returns=6), check="test_another") == (True, ["double"])


def test_arrays_are_the_same_question_by_their_values(agrees):
    for x, ran in (
        (np.ones(2), ["double"]),
        (np.ones(2), []),
        (np.zeros(2), ["double"]),
        (np.ones((2, 1)), ["double"]),
    ):
        assert agrees(call("double", x, returns=2 * x)) == (True, ran)


def test_what_came_before_is_run_where_the_next_question_is_a_new_one(agrees):
    def trace(*adds):
        made, total, calls = call("Sum", returns=RemoteObject), 0, []
        for x in adds:
            total += x
            calls.append(call("add", x, returns=total, of=made))
        return made, *calls

    assert agrees(*trace(2, 3)) == (True, ["Sum", "add", "add"])
    assert agrees(*trace(2, 3)) == (True, [])
    assert agrees(*trace(2, 4)) == (True, ["Sum", "add", "add"])
    assert agrees(*trace(2, 3, 5)) == (True, ["Sum", "add", "add", "add"])


def test_a_question_with_a_function_of_the_check_is_asked_every_time(agrees):
    for factor in (2, 3):
        trace = call("double", 1, returns=2), call("apply", lambda x, factor=factor: factor * x, 5, returns=5 * factor)
        assert agrees(*trace) == (True, ["double", "apply"])


def test_an_iterator_whose_items_are_compared_is_drawn_every_time(agrees):
    for items, alike in (([0, 1, 2], True), ([0, 1], True), ([0, 2], False), ([0, 1, 2], True)):
        asked = call("count", 3, returns=RemoteObject)
        vars(asked.result).update(_items=items)
        assert agrees(asked) == (alike, ["count"])
    assert agrees(call("count", 3, returns=RemoteObject)) == (True, [])
    assert agrees(call("count", 3, returns=RemoteObject)) == (True, [])


def test_it_leaves_the_settings_of_the_process_and_its_random_numbers_alone():
    torch = pytest.importorskip("torch")
    source = b"""\
import random
import numpy as np
import torch

def stop(x):
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    return x + 0 * (random.random() + np.random.rand() + torch.rand(()).item())
"""
    states = [random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()]
    module = LocalModule(SourceFinder({"m": (source, "<m>")}), "m")
    assert Replay(module, False).agrees([call("stop", 1.0, returns=1.0)]), "it ran"
    assert torch.is_grad_enabled() and torch.get_default_dtype() == torch.float32
    assert [random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()] == states
