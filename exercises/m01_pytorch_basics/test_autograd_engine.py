"""Public checks of the autograd engine: run `pytest exercises/m01_pytorch_basics/test_autograd_engine.py`.

Computations are texts, like "s = a * b; s * s.tanh() + s": steps, of which the last is the result. The same text is run on
your Values and on torch's numbers.
"""

import pytest
import torch

from autograder.testing import assert_close


def run(evaluate, steps, values):
    """`values` with the result of every step beside them, under its name; that of the last is y."""
    for step in steps.split("; "):
        name, _, expression = step.rpartition(" = ")
        values["y"] = evaluate(f"lambda {', '.join(values)}: {expression}")(*values.values())
        values[name or "y"] = values["y"]
    return values


def computed(learner, steps, **numbers):
    """The Values of a computation by name: those of the numbers, of every step, and y."""
    return run(learner.library("builtins").eval, steps, {name: learner.Value(x) for name, x in numbers.items()})


def assert_as_torch(learner, steps, **numbers):
    """The result of a computation and its gradients are those of torch."""
    values = computed(learner, steps, **numbers)
    values["y"].backward()
    letters = {name: torch.tensor(float(x), dtype=torch.float64, requires_grad=True) for name, x in numbers.items()}
    y = run(eval, steps, dict(letters))["y"]
    y.backward()
    got = values["y"].data, {name: values[name].grad for name in letters}
    expected = y.item(), {name: letter.grad.item() for name, letter in letters.items()}
    assert_close(got, expected, name=f"[value, gradients] of {steps}")


def gradients(values, names):
    return {name: values[name].grad for name in names}


@pytest.mark.stage("shape")
def test_a_value_has_its_number_and_a_gradient_of_zero(learner):
    value = learner.Value(3)
    assert isinstance(value.data, float) and isinstance(value.grad, float), "data and grad are floats"
    assert_close([value.data, value.grad], [3.0, 0.0])


@pytest.mark.stage("shape")
def test_computing_gives_values_and_changes_no_gradient(learner):
    values = computed(learner, "(a * b - 2) / b + (a**2).exp() - (1 / a).tanh().relu()", a=0.5, b=-2.0)
    y = values["y"]
    assert isinstance(y.data, float) and isinstance(y.grad, float), "data and grad are floats"
    assert_close(gradients(values, "aby"), dict.fromkeys("aby", 0.0))


def test_backward_on_a_number_that_was_not_computed_gives_it_the_gradient_one(learner):
    value = learner.Value(4.0)
    value.backward()
    assert_close(value.grad, 1.0)


def test_sum_and_product_agree_with_torch(learner):
    for steps in ("a + b", "a * b", "a * b + 1", "2 + a * 3 + 2 * b"):
        assert_as_torch(learner, steps, a=2.0, b=-3.0)


def test_difference_and_quotient_agree_with_torch(learner):
    for steps in ("a - b", "-a * b", "a / b", "a - 1 + b", "3 - a * b", "a / 4 - b", "3 / a - b"):
        assert_as_torch(learner, steps, a=2.0, b=-3.0)


def test_powers_agree_with_torch(learner):
    for steps in ("a**2", "a**3", "a**-1", "a**0.5", "a**-1.5"):
        assert_as_torch(learner, steps, a=2.5)


def test_exp_tanh_and_relu_agree_with_torch(learner):
    for steps in ("a.exp()", "a.tanh()", "a.relu()", "a.relu() + 2 * a"):
        for number in (0.7, -1.3):
            assert_as_torch(learner, steps, a=number)


def test_a_value_used_twice_adds_up_what_comes_from_each(learner):
    for steps in ("a + a + 0 * b", "a * a * b", "a * b + a", "(a + b) * (a - b)", "s = a * b; s * s.tanh() + s"):
        assert_as_torch(learner, steps, a=0.5, b=-1.5)


def test_the_order_has_every_value_once_and_behind_those_it_was_computed_from(learner):
    values = computed(learner, "s = a * b; t = s + a; t * s", a=2.0, b=3.0)
    order = [value.data for value in values["y"].topological_order()]
    assert sorted(order) == [2.0, 3.0, 6.0, 8.0, 48.0], "a, b, s, t and the result stand in it once each"
    assert order[2:] == [6.0, 8.0, 48.0], "s stands behind a and b, t behind s, and the result last"


def test_a_second_backward_adds_the_same_again(learner):
    values = computed(learner, "s = a * b; s * a", a=2.0, b=3.0)  # a² · b
    values["y"].backward()
    assert_close(gradients(values, "abs"), {"a": 12.0, "b": 4.0, "s": 2.0}, name="after the first")
    values["y"].backward()
    assert_close(gradients(values, "abs"), {"a": 24.0, "b": 8.0, "s": 4.0}, name="after the second")


def test_zero_grad_clears_everything_that_led_to_the_value(learner):
    values = computed(learner, "s = a * b; s * a", a=2.0, b=3.0)
    values["y"].backward()
    values["y"].zero_grad()
    assert_close(gradients(values, "absy"), dict.fromkeys("absy", 0.0))


@pytest.mark.stage("whole")
def test_an_expression_of_everything_agrees_with_torch(learner, probe):
    steps = "s = (a * b - 2 / a) ** 2; t = (s / 7 - a).tanh(); u = (1.5 - t).relu() + -b; (u * t).exp() - 3 * u / s"
    assert_as_torch(learner, steps, a=probe.scalar(0.3, 0.9), b=-probe.scalar(1.2, 2.0))


@pytest.mark.stage("robust")
def test_slopes_at_zero(learner):
    for steps in ("a.relu() + a", "a**2", "a**1", "a**0 + a"):
        assert_as_torch(learner, steps, a=0.0)


@pytest.mark.stage("robust")
def test_tanh_of_huge_numbers_is_one_and_flat(learner):
    for number in (1000.0, -1000.0):
        assert_as_torch(learner, "a.tanh()", a=number)


@pytest.mark.stage("robust")
def test_a_graph_with_very_many_paths_is_walked_once(learner):
    values = computed(learner, "; ".join(["s = a + a"] + ["s = s + s"] * 59), a=1.5)
    values["y"].backward()
    assert_close(values["a"].grad, 2.0**60)


@pytest.mark.stage("robust")
def test_a_chain_of_fifty_thousand_values_is_no_problem(learner):
    first, step = learner.Value(2.0), learner.Value(0.5)
    steps = learner.library("itertools").repeat(step, 50_000)
    y = learner.library("functools").reduce(learner.library("operator").add, steps, first)
    y.backward()
    assert_close([y.data, first.grad, step.grad], [25_002.0, 1.0, 50_000.0])
