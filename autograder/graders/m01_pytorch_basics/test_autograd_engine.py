"""Hidden checks of the autograd engine for single numbers.

Computations are texts, like "s := a * b, s * s.tanh() + s": steps, each of which may name its result for the later ones.
The same text is run on Values where the learner's code runs, and on torch's numbers here.
"""

import pytest
import torch

from autograder.testing import assert_close, assert_gradients

DEEP = 50_000


def computed(module, steps, **numbers):
    """The result of every step, and the Values of the letters."""
    letters = {name: module.Value(number) for name, number in numbers.items()}
    run = module.library("builtins").eval(f"lambda {', '.join(letters)}: [{steps}]")
    return run(*letters.values()), letters


def differentiated(module, steps, **numbers):
    """The value of the last step, and the gradients of the letters."""
    results, letters = computed(module, steps, **numbers)
    results[-1].backward()
    return results[-1].data, {name: value.grad for name, value in letters.items()}


def by_torch(steps, **numbers):
    letters = {name: torch.tensor(float(x), dtype=torch.float64, requires_grad=True) for name, x in numbers.items()}
    y = eval(f"[{steps}]", {}, dict(letters))[-1]
    gradients = torch.autograd.grad(y, list(letters.values()), materialize_grads=True)
    return y.item(), {name: gradient.item() for name, gradient in zip(letters, gradients, strict=True)}


def assert_as_torch(learner, steps, **numbers):
    name = f"[value, gradients] of {steps}"
    assert_close(differentiated(learner, steps, **numbers), by_torch(steps, **numbers), name=name)


def two(probe):
    """Two numbers of different sizes and both signs, away from 0, 1 and each other."""
    a, b = probe.scalar(0.4, 0.9), probe.scalar(1.3, 2.5)
    return {"a": probe.choice([a, -a]), "b": probe.choice([b, -b])}


@pytest.mark.stage("shape")
def test_a_value_has_its_number_and_a_gradient_of_zero(learner, probe):
    for number in (probe.scalar(0.5, 3.0), -probe.scalar(0.5, 3.0), 3, 0):
        value = learner.Value(number)
        assert isinstance(value.data, float) and isinstance(value.grad, float), "data and grad are floats"
        assert_close([value.data, value.grad], [float(number), 0.0])


@pytest.mark.stage("shape")
def test_every_operation_gives_a_value(learner, probe):
    for text in ("a + b", "a * b", "a - b", "a / b", "-a", "b**3", "2 + a", "2 * a", "2 - a", "2 / a"):
        (y,), _ = computed(learner, text, **two(probe))
        assert isinstance(y.data, float) and isinstance(y.grad, float), f"{text} has data and grad, both floats"
        assert_close(y.grad, 0.0, name=f"the gradient of {text} before any backward")


def test_backward_on_a_number_that_was_not_computed_gives_it_the_gradient_one(learner, probe):
    value = learner.Value(probe.scalar(2.0, 5.0))
    value.backward()
    assert_close(value.grad, 1.0)


def test_a_sum_passes_the_gradient_on_to_both(learner, probe):
    assert_as_torch(learner, "a + b", **two(probe))


def test_a_product_multiplies_the_gradient_by_the_other_factor(learner, probe):
    assert_as_torch(learner, "a * b", **two(probe))


def test_a_difference_turns_the_sign_for_what_is_subtracted(learner, probe):
    assert_as_torch(learner, "a - b", **two(probe))
    assert_as_torch(learner, "-a", a=two(probe)["a"])


def test_a_quotient_has_two_slopes(learner, probe):
    assert_as_torch(learner, "a / b", **two(probe))
    assert_as_torch(learner, "b / a", **two(probe))


def test_a_power_multiplies_by_the_exponent_and_lowers_it(learner, probe):
    for exponent in (2, 3, -1, -2, 2.0, 1):
        assert_as_torch(learner, f"a**{exponent}", a=two(probe)["b"])
    for exponent in (0.5, -1.5, 2.75):
        assert_as_torch(learner, f"a**{exponent}", a=probe.scalar(0.4, 2.5))


def test_a_number_on_the_right_is_a_constant(learner, probe):
    for operator in "+-*/":
        for number in (probe.scalar(1.5, 4.0), 3, -2):
            assert_as_torch(learner, f"a {operator} {number}", a=two(probe)["b"])


def test_a_number_on_the_left_is_a_constant(learner, probe):
    for operator in "+-*/":
        for number in (probe.scalar(1.5, 4.0), 3, -2):
            assert_as_torch(learner, f"{number} {operator} a", a=two(probe)["b"])


def test_exp_is_its_own_slope(learner, probe):
    for name in "ab":
        assert_as_torch(learner, "a.exp()", a=two(probe)[name])


def test_tanh_has_the_slope_one_minus_its_square(learner, probe):
    for name in "ab":
        assert_as_torch(learner, "a.tanh()", a=two(probe)[name])


def test_relu_lets_positive_numbers_through_and_nothing_else(learner, probe):
    for number in (probe.scalar(0.5, 3.0), -probe.scalar(0.5, 3.0)):
        assert_as_torch(learner, "a.relu()", a=number)
        assert_as_torch(learner, "a.relu() + 2 * a", a=number)


def test_slopes_are_multiplied_along_a_path(learner, probe):
    for text in ("(a * b).tanh()", "((a * b) ** 2).exp()", "((3 - a / b).tanh() * 2) ** 3", "(-(a + b)).exp().tanh()"):
        assert_as_torch(learner, text, **two(probe))


def test_a_value_used_twice_in_one_operation_gets_both_slopes(learner, probe):
    for text in ("a + a", "a * a", "a - a", "a / a", "(a * b) * (a * b)"):
        assert_as_torch(learner, text, **two(probe) if "b" in text else {"a": two(probe)["b"]})


def test_a_value_used_in_several_places_adds_up_what_comes_from_each(learner, probe):
    for text in ("a * b + a", "(a + b) * (a - b)", "a.exp() * a + b / a - a"):
        assert_as_torch(learner, text, **two(probe))


def test_a_value_in_between_that_is_used_twice_is_complete_before_it_passes_anything_on(learner, probe):
    for text in ("s := a * b, s * s.tanh() + s", "s := a + b, t := s.exp(), s * t + t / s"):
        assert_as_torch(learner, text, **two(probe))


def test_values_in_between_get_their_gradients_too(learner, probe):
    numbers = two(probe)
    results, _ = computed(learner, "s := a * b, t := s.tanh(), s * t", **numbers)
    results[2].backward()
    s = torch.tensor(numbers["a"] * numbers["b"], dtype=torch.float64)
    expected = [s.tanh() + s * (1.0 - s.tanh() ** 2), s, torch.tensor(1.0)]
    assert_close([value.grad for value in results], [value.item() for value in expected])


def test_computing_changes_neither_numbers_nor_gradients(learner, probe):
    numbers = two(probe)
    (y,), letters = computed(learner, "(a * b - 2) / b + (a ** 2).exp() - (1 / a).tanh().relu()", **numbers)
    assert_close({name: value.data for name, value in letters.items()}, numbers, name="the numbers")
    assert_close(
        [value.grad for value in (*letters.values(), y)], [0.0, 0.0, 0.0], name="the gradients before backward"
    )


def test_backward_leaves_the_numbers_as_they_are(learner, probe):
    numbers = two(probe)
    (y,), letters = computed(learner, "a * b + a.exp()", **numbers)
    before = y.data
    y.backward()
    assert_close({name: value.data for name, value in letters.items()}, numbers)
    assert_close(y.data, before, name="the number of the result")


def test_the_order_has_every_value_once_and_behind_those_it_was_computed_from(learner):
    results, _ = computed(learner, "s := a * b, t := s + a, u := t * s, u + t", a=2.0, b=3.0)  # 6, 8, 48, 56
    order = [value.data for value in results[-1].topological_order()]
    assert_close(sorted(order), [2.0, 3.0, 6.0, 8.0, 48.0, 56.0], name="the numbers of the order, sorted")
    edges = ((2.0, 6.0), (3.0, 6.0), (6.0, 8.0), (2.0, 8.0), (8.0, 48.0), (6.0, 48.0), (48.0, 56.0), (8.0, 56.0))
    late = [edge for edge in edges if order.index(edge[0]) > order.index(edge[1])]
    assert late == [], "a Value stands before another that it was computed from"


def test_the_order_of_a_number_that_was_not_computed_is_itself(learner):
    assert_close([value.data for value in learner.Value(2.5).topological_order()], [2.5])


def test_a_second_backward_adds_the_same_again(learner, probe):
    text, numbers = "s := a * b, t := s.tanh(), s * t + a", two(probe)
    results, letters = computed(learner, text, **numbers)
    values = [*letters.values(), *results]
    results[2].backward()
    once = [value.grad for value in values]
    results[2].backward()
    results[2].backward()
    assert_close([value.grad for value in values], [3.0 * grad for grad in once], name="the gradients after the third")


def test_backward_on_two_results_leaves_the_gradients_of_their_sum(learner, probe):
    numbers = two(probe)
    results, letters = computed(learner, "s := a * b, s.tanh() + a, s * b", **numbers)
    results[1].backward()
    results[2].backward()
    _, expected = by_torch("s := a * b, s.tanh() + a + s * b", **numbers)
    assert_close({name: value.grad for name, value in letters.items()}, expected)


def test_backward_on_a_part_and_then_on_the_whole_counts_the_part_once_more(learner, probe):
    numbers = two(probe)
    results, letters = computed(learner, "s := a * b, s**2 * a", **numbers)
    results[0].backward()
    results[1].backward()
    _, expected = by_torch("s := a * b, s + s**2 * a", **numbers)
    assert_close({name: value.grad for name, value in letters.items()}, expected)


def test_zero_grad_clears_everything_that_led_to_the_value(learner, probe):
    results, letters = computed(learner, "s := a * b, s.exp() + a / s", **two(probe))
    values = [*letters.values(), *results]
    results[1].backward()
    once = [value.grad for value in values]
    results[1].zero_grad()
    assert_close([value.grad for value in values], [0.0] * 4, name="the gradients after zero_grad")
    results[1].backward()
    assert_close([value.grad for value in values], once, name="the gradients after another backward")


def test_zero_grad_leaves_other_values_alone(learner, probe):
    results, letters = computed(learner, "a * 3, a * b", **two(probe))
    results[0].backward()
    results[1].backward()
    results[0].zero_grad()
    assert_close([letters["a"].grad, letters["b"].grad], [0.0, letters["a"].data])
    assert_close([result.grad for result in results], [0.0, 1.0], name="the gradients of the results")


def test_sum_adds_up_a_list_of_values(learner, probe):
    (y,), letters = computed(learner, "sum([a, b * b, a * b])", **two(probe))
    y.backward()
    a, b = (value.data for value in letters.values())
    assert_close([y.data, letters["a"].grad, letters["b"].grad], [a + b * b + a * b, 1.0 + b, 2.0 * b + a])


EVERYTHING = (
    "s := (a * b - 2 / c) ** 2, t := (s / 7 - a).tanh(), u := (1.5 - t).relu() + -b, (u * t - c * s / u).exp() - 3 * u"
)


@pytest.mark.stage("whole")
def test_an_expression_of_everything_agrees_with_torch(learner, probe):
    for _ in range(3):
        numbers = {"a": probe.scalar(0.2, 0.9), "b": -probe.scalar(1.2, 2.5), "c": probe.scalar(1.2, 2.0)}
        assert_as_torch(learner, EVERYTHING, **numbers)


@pytest.mark.stage("whole")
def test_an_expression_of_everything_has_the_slopes_that_are_measured(learner, probe):
    numbers = [probe.scalar(0.2, 0.9), -probe.scalar(1.2, 2.5), probe.scalar(1.2, 2.0)]
    value, gradients = differentiated(learner, EVERYTHING, **dict(zip("abc", numbers, strict=True)))

    def measured(*points):
        letters = [torch.tensor(point, dtype=torch.float64) for point in points]
        return eval(f"[{EVERYTHING}]", {}, dict(zip("abc", letters, strict=True)))[-1]

    assert_close(value, measured(*numbers).item(), name="the value")
    assert_gradients(measured, numbers, [gradients[name] for name in "abc"], names="abc")


@pytest.mark.stage("whole")
def test_a_random_graph_with_many_shared_values_agrees_with_torch(learner, probe):
    steps, names = [], ["a", "b", "c"]
    for i in range(40):
        left, right = names[-1 - int(probe.integers(1, 3)[0])], probe.choice(names)
        form = probe.choice(["{} + {}", "{} - {}", "({} * {}).tanh()", "({} / 2 - {}).tanh()", "{}.relu() - {}"])
        steps.append(f"v{i} := {form.format(left, right)}")
        names.append(f"v{i}")
    steps.append(" + ".join(names[-6:]))
    assert_as_torch(learner, ", ".join(steps), **two(probe), c=probe.scalar(0.5, 2.0))


@pytest.mark.stage("robust")
def test_relu_has_the_slope_zero_at_zero(learner):
    assert_close(differentiated(learner, "a.relu() + a", a=0.0), (0.0, {"a": 1.0}))


@pytest.mark.stage("robust")
def test_powers_at_zero_and_with_the_exponent_zero(learner, probe):
    for text in ("a**2", "a**3", "a**1"):
        assert_as_torch(learner, text, a=0.0)
    for number in (0.0, probe.scalar(0.5, 2.0), -probe.scalar(0.5, 2.0)):
        assert_close(differentiated(learner, "a**0", a=number), (1.0, {"a": 0.0}), name="[value, gradients] of a**0")


@pytest.mark.stage("robust")
def test_tanh_of_huge_numbers_is_one_and_flat(learner):
    for number in (1000.0, -1000.0):
        assert_close(differentiated(learner, "a.tanh()", a=number), (number / 1000.0, {"a": 0.0}))


@pytest.mark.stage("robust")
def test_exp_of_large_negative_numbers_is_zero(learner):
    assert_close(differentiated(learner, "a.exp() + 3 * a", a=-1000.0), (-3000.0, {"a": 3.0}))


@pytest.mark.stage("robust")
def test_division_by_zero_raises_as_it_does_for_floats(learner):
    for text in ("b / a", "1 / a", "b / 0"):
        with pytest.raises(ZeroDivisionError):
            computed(learner, text, a=0.0, b=2.0)


@pytest.mark.stage("robust")
def test_a_graph_with_a_million_million_paths_is_walked_once(learner):
    """Sixty doublings have 2^60 paths and sixty-one Values."""
    results, letters = computed(learner, ", ".join(["a := a + a"] * 60), a=1.5)
    assert len(results[-1].topological_order()) == 61, "every Value stands in the order once"
    results[-1].backward()
    assert_close([results[-1].data, letters["a"].grad], [1.5 * 2.0**60, 2.0**60])


@pytest.mark.stage("robust")
def test_a_ladder_of_sums_of_the_last_two_counts_its_paths(learner):
    """Each Value is the sum of the two before it; the number of paths back grows as Fibonacci's numbers do."""
    results, letters = computed(learner, ", ".join(["c := a + b, a := b, b := c"] * 70), a=1.0, b=2.0)
    results[-1].backward()
    fibonacci = [0, 1]
    while len(fibonacci) < 72:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    assert_close([letters["a"].grad, letters["b"].grad], [float(fibonacci[70]), float(fibonacci[71])])


@pytest.mark.stage("robust")
def test_a_chain_of_fifty_thousand_values_is_no_problem(learner):
    first, step = learner.Value(2.0), learner.Value(0.5)
    steps = learner.library("itertools").repeat(step, DEEP)
    y = learner.library("functools").reduce(learner.library("operator").add, steps, first)
    y.backward()
    assert_close([y.data, first.grad, step.grad], [2.0 + 0.5 * DEEP, 1.0, float(DEEP)])
    y.zero_grad()
    assert_close([first.grad, step.grad, y.grad], [0.0, 0.0, 0.0], name="the gradients after zero_grad")
