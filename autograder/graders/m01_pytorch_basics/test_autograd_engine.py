"""Hidden checks of the autograd engine for single numbers.

Computations are texts, like "s = a * b; s * s.tanh() + s": steps, of which the last is the result. The same text is run on
Values where the learner's code runs, and on torch's numbers here.
"""

import pytest
import torch

from autograder.testing import assert_close, assert_gradients

DEEP = 50_000


def run(evaluate, steps, values):
    """`values` with the result of every step beside them, under its name; that of the last is y."""
    for step in steps.split("; "):
        name, _, expression = step.rpartition(" = ")
        values["y"] = evaluate(f"lambda {', '.join(values)}: {expression}")(*values.values())
        values[name or "y"] = values["y"]
    return values


def computed(module, steps, **numbers):
    """The Values of a computation by name: those of the numbers, of every step, and y."""
    return run(module.library("builtins").eval, steps, {name: module.Value(x) for name, x in numbers.items()})


def differentiated(module, steps, **numbers):
    """The result of a computation, and its gradients with respect to the numbers."""
    values = computed(module, steps, **numbers)
    values["y"].backward()
    return values["y"].data, {name: values[name].grad for name in numbers}


def by_torch(steps, **numbers):
    letters = {name: torch.tensor(float(x), dtype=torch.float64, requires_grad=True) for name, x in numbers.items()}
    y = run(eval, steps, dict(letters))["y"]
    gradients = torch.autograd.grad(y, list(letters.values()), materialize_grads=True)
    return y.item(), {name: gradient.item() for name, gradient in zip(letters, gradients, strict=True)}


def assert_as_torch(learner, steps, **numbers):
    name = f"[value, gradients] of {steps}"
    assert_close(differentiated(learner, steps, **numbers), by_torch(steps, **numbers), name=name)


def two(probe):
    """Two numbers of different sizes and any sign, away from 0, 1 and each other."""
    a, b = probe.scalar(0.4, 0.9), probe.scalar(1.3, 2.5)
    return {"a": probe.choice([a, -a]), "b": probe.choice([b, -b])}


def gradients(values, names):
    return {name: values[name].grad for name in names}


@pytest.mark.stage("shape")
def test_a_value_has_its_number_and_a_gradient_of_zero(learner, probe):
    for number in (probe.scalar(0.5, 3.0), -probe.scalar(0.5, 3.0), 3, 0):
        value = learner.Value(number)
        assert isinstance(value.data, float) and isinstance(value.grad, float), "data and grad are floats"
        assert_close([value.data, value.grad], [float(number), 0.0])


@pytest.mark.stage("shape")
def test_every_operation_gives_a_value(learner, probe):
    for steps in ("a + b", "a * b", "a - b", "a / b", "-a", "b**3", "2 + a", "2 * a", "2 - a", "2 / a"):
        y = computed(learner, steps, **two(probe))["y"]
        assert isinstance(y.data, float) and isinstance(y.grad, float), f"{steps} has data and grad, both floats"
        assert_close(y.grad, 0.0, name=f"the gradient of {steps} before any backward")


@pytest.mark.stage("shape")
def test_every_operation_gives_a_new_value(learner, probe):
    is_same, number = learner.library("operator").is_, probe.scalar(0.5, 3.0)
    for steps in ("a + 0", "0 + a", "a - 0", "1 * a", "a * 1", "a / 1", "a**1", "a.relu()", "a + 2", "3 - a", "a * 5"):
        values = computed(learner, steps, a=number)
        assert is_same(values["y"], values["a"]) is False, f"{steps} is another Value than a"
        assert_close(values["a"].data, number, name=f"a after {steps}")


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
        assert_as_torch(learner, "a.relu() + 2 * a", a=number)
        assert_as_torch(learner, "a.relu()", a=number)


def test_slopes_are_multiplied_along_a_path(learner, probe):
    for steps in (
        "(a * b).tanh()",
        "((a * b) ** 2).exp()",
        "((3 - a / b).tanh() * 2) ** 3",
        "(-(a + b) / 5).exp().tanh()",
    ):
        assert_as_torch(learner, steps, **two(probe))


def test_a_value_used_twice_in_one_operation_gets_both_slopes(learner, probe):
    for steps in ("a + a", "a * a", "a - a + a", "a / a + a"):
        assert_as_torch(learner, steps, a=two(probe)["b"])


def test_a_value_used_in_several_places_adds_up_what_comes_from_each(learner, probe):
    for steps in ("a * b + a", "(a + b) * (a - b)", "a.exp() * a + b / a - a"):
        assert_as_torch(learner, steps, **two(probe))


def test_a_value_in_between_that_is_used_twice_is_complete_before_it_passes_anything_on(learner, probe):
    for steps in ("s = a * b; s * s.tanh() + s", "s = a + b; t = s.exp(); s * t + t / s", "s = a * b; s * s"):
        assert_as_torch(learner, steps, **two(probe))


def test_values_in_between_get_their_gradients_too(learner, probe):
    numbers = two(probe)
    values = computed(learner, "s = a * b; t = s.tanh(); s * t", **numbers)
    values["y"].backward()
    s = torch.tensor(numbers["a"] * numbers["b"], dtype=torch.float64)
    t = s.tanh()
    assert_close(gradients(values, "sty"), {"s": (t + s * (1.0 - t**2)).item(), "t": s.item(), "y": 1.0})


def test_computing_changes_neither_numbers_nor_gradients(learner, probe):
    numbers = two(probe)
    values = computed(learner, "(a * b - 2) / b + (a ** 2).exp() - (1 / a).tanh().relu()", **numbers)
    assert_close({name: values[name].data for name in numbers}, numbers, name="the numbers")
    assert_close(gradients(values, "aby"), dict.fromkeys("aby", 0.0), name="the gradients before backward")
    values["y"].backward()
    before = gradients(values, "ab")
    more = {name: values[name] for name in "ab"}
    run(learner.library("builtins").eval, "s = a + b; t = s * a - b / a; t.tanh() + s.relu()", more)
    assert_close(gradients(more, "ab"), before, name="the gradients after more was computed")


def test_backward_leaves_the_numbers_as_they_are(learner, probe):
    numbers = two(probe)
    values = computed(learner, "a * b + a.exp()", **numbers)
    before = values["y"].data
    values["y"].backward()
    assert_close({name: values[name].data for name in numbers}, numbers)
    assert_close(values["y"].data, before, name="the number of the result")


def test_the_order_has_every_value_once_and_behind_those_it_was_computed_from(learner):
    values = computed(learner, "s = a * b; t = s + a; u = t * s; u + t", a=2.0, b=3.0)  # 6, 8, 48, 56
    order = [value.data for value in values["y"].topological_order()]
    assert_close(sorted(order), [2.0, 3.0, 6.0, 8.0, 48.0, 56.0], name="the numbers of the order, sorted")
    edges = ((2.0, 6.0), (3.0, 6.0), (6.0, 8.0), (2.0, 8.0), (8.0, 48.0), (6.0, 48.0), (48.0, 56.0), (8.0, 56.0))
    late = [edge for edge in edges if order.index(edge[0]) > order.index(edge[1])]
    assert late == [], "a Value stands before another that it was computed from"


def test_the_order_of_a_number_that_was_not_computed_is_itself(learner):
    assert_close([value.data for value in learner.Value(2.5).topological_order()], [2.5])


def test_a_second_backward_adds_the_same_again(learner, probe):
    values = computed(learner, "s = a * b; t = s.tanh(); s * t + a", **two(probe))
    values["y"].backward()
    once = gradients(values, "absty")
    values["y"].backward()
    values["y"].backward()
    thrice = {name: 3.0 * gradient for name, gradient in once.items()}
    assert_close(gradients(values, "absty"), thrice, name="the gradients after the third")


def test_backward_on_two_results_leaves_the_gradients_of_their_sum(learner, probe):
    numbers = two(probe)
    values = computed(learner, "s = a * b; t = s.tanh() + a; s * b", **numbers)
    values["t"].backward()
    values["y"].backward()
    _, expected = by_torch("s = a * b; s.tanh() + a + s * b", **numbers)
    assert_close(gradients(values, "ab"), expected)


def test_backward_on_a_part_and_then_on_the_whole_counts_the_part_once_more(learner, probe):
    numbers = two(probe)
    values = computed(learner, "s = a * b; s**2 * a", **numbers)
    values["s"].backward()
    values["y"].backward()
    _, expected = by_torch("s = a * b; s + s**2 * a", **numbers)
    assert_close(gradients(values, "ab"), expected)


def test_zero_grad_clears_everything_that_led_to_the_value(learner, probe):
    values = computed(learner, "s = a * b; s.exp() + a / s", **two(probe))
    values["y"].backward()
    once = gradients(values, "absy")
    values["y"].zero_grad()
    assert_close(gradients(values, "absy"), dict.fromkeys("absy", 0.0), name="the gradients after zero_grad")
    assert isinstance(values["a"].grad, float), "grad is a float again"
    values["y"].backward()
    assert_close(gradients(values, "absy"), once, name="the gradients after another backward")


def test_zero_grad_leaves_other_values_alone(learner, probe):
    values = computed(learner, "s = a * 3; t = a * b", **two(probe))
    values["s"].backward()
    values["t"].backward()
    values["s"].zero_grad()
    assert_close(gradients(values, "abst"), {"a": 0.0, "b": values["a"].data, "s": 0.0, "t": 1.0})


def test_zero_grad_clears_what_another_result_has_left(learner, probe):
    values = computed(learner, "s = a * 3; t = a * b", **two(probe))
    values["s"].backward()
    values["t"].zero_grad()
    assert_close(gradients(values, "ast"), {"a": 0.0, "s": 1.0, "t": 0.0})


def test_sum_adds_up_a_list_of_values(learner, probe):
    numbers = two(probe)
    expected = by_torch("a + b * b + a * b", **numbers)
    assert_close(differentiated(learner, "sum([a, b * b, a * b])", **numbers), expected)


EVERYTHING = (
    "s = (a * b - 2 / c) ** 2; t = (s / 7 - a).tanh(); u = (1.5 - t).relu() + -b; (u * t - c * s / u).exp() - 3 * u"
)


@pytest.mark.stage("whole")
def test_an_expression_of_everything_agrees_with_torch(learner, probe):
    for _ in range(3):
        numbers = {"a": probe.scalar(0.2, 0.9), "b": -probe.scalar(1.2, 2.5), "c": probe.scalar(1.2, 2.0)}
        assert_as_torch(learner, EVERYTHING, **numbers)


@pytest.mark.stage("whole")
def test_an_expression_of_everything_has_the_slopes_that_are_measured(learner, probe):
    numbers = [probe.scalar(0.2, 0.9), -probe.scalar(1.2, 2.5), probe.scalar(1.2, 2.0)]
    _, slopes = differentiated(learner, EVERYTHING, **dict(zip("abc", numbers, strict=True)))

    def measured(*points):
        letters = [torch.tensor(point, dtype=torch.float64) for point in points]
        return run(eval, EVERYTHING, dict(zip("abc", letters, strict=True)))["y"]

    assert_gradients(measured, numbers, [slopes[name] for name in "abc"], names="abc")


@pytest.mark.stage("whole")
def test_a_random_graph_with_many_shared_values_agrees_with_torch(learner, probe):
    steps, names = [], ["a", "b", "c"]
    for i in range(40):
        left, right = names[-1 - int(probe.integers(1, 3)[0])], probe.choice(names)
        form = probe.choice(["{} + {}", "{} - {}", "({} * {}).tanh()", "({} / 2 - {}).tanh()", "{}.relu() - {}"])
        steps.append(f"v{i} = {form.format(left, right)}")
        names.append(f"v{i}")
    steps.append(" + ".join(names[-6:]))
    assert_as_torch(learner, "; ".join(steps), **two(probe), c=probe.scalar(0.5, 2.0))


@pytest.mark.stage("robust")
def test_zero_and_one_are_numbers_like_any_other(learner, probe):
    for operator in "+-*/":
        for number in (0, 1):
            assert_as_torch(learner, f"{number} {operator} a", a=two(probe)["b"])
            if number or operator != "/":
                assert_as_torch(learner, f"a {operator} {number}", a=two(probe)["b"])


@pytest.mark.stage("robust")
def test_a_product_with_a_value_of_zero_keeps_its_slopes(learner, probe):
    for steps in ("a * b + b", "b * a + b", "a * a + b", "(a * b) * b + b"):
        assert_as_torch(learner, steps, a=0.0, b=two(probe)["b"])


@pytest.mark.stage("robust")
def test_what_a_value_does_not_depend_on_any_more_stands_in_its_order_all_the_same(learner, probe):
    number = -probe.scalar(1.2, 2.5)
    for steps in ("a.relu()", "a * 0"):
        order = computed(learner, steps, a=number)["y"].topological_order()
        assert number in [value.data for value in order], "it was computed from a, though the slope is 0"


@pytest.mark.stage("robust")
def test_the_smallest_slopes_are_passed_on(learner, probe):
    values = computed(learner, "1e-7 * (a * 1e-6) + b", **two(probe))
    values["y"].backward()
    assert_close([1e13 * values["a"].grad, values["b"].grad], [1.0, 1.0], name="[gradient times 1e13, gradient]")


@pytest.mark.stage("robust")
def test_relu_has_the_slope_zero_at_zero(learner):
    assert_close(differentiated(learner, "a.relu() + a", a=0.0), (0.0, {"a": 1.0}))


@pytest.mark.stage("robust")
def test_powers_at_zero_and_with_the_exponent_zero(learner, probe):
    for steps in ("a**2", "a**3", "a**1"):
        assert_as_torch(learner, steps, a=0.0)
    for number in (0.0, probe.scalar(0.5, 2.0), -probe.scalar(0.5, 2.0)):
        assert_close(differentiated(learner, "a**0", a=number), (1.0, {"a": 0.0}), name="[value, gradients] of a**0")


@pytest.mark.stage("robust")
def test_tanh_of_huge_numbers_is_one_and_flat(learner):
    for number in (1000.0, -1000.0):
        assert_close(differentiated(learner, "a.tanh()", a=number), (number / 1000.0, {"a": 0.0}))


@pytest.mark.stage("robust")
def test_exp_of_large_numbers_of_either_sign_agrees_with_torch(learner):
    for number in (40.0, -40.0, -1000.0):
        assert_as_torch(learner, "a.exp()", a=number)


@pytest.mark.stage("robust")
def test_division_by_zero_raises_as_it_does_for_floats(learner):
    for steps in ("b / a", "1 / a", "b / 0"):
        with pytest.raises(ZeroDivisionError):
            computed(learner, steps, a=0.0, b=2.0)


@pytest.mark.stage("robust")
def test_a_graph_with_very_many_paths_is_walked_once(learner):
    """Sixty doublings have sixty-one Values and 2^60 paths."""
    values = computed(learner, "; ".join(["s = a + a"] + ["s = s + s"] * 59), a=1.5)
    assert len(values["y"].topological_order()) == 61, "every Value stands in the order once"
    values["y"].backward()
    assert_close([values["y"].data, values["a"].grad], [1.5 * 2.0**60, 2.0**60])


@pytest.mark.stage("robust")
def test_a_ladder_of_sums_of_the_last_two_counts_its_paths(learner):
    """Each Value is the sum of the two before it: the paths back are as many as Fibonacci's numbers say."""
    values = computed(learner, "; ".join(["p = a + b; q = b + p"] + ["p = p + q; q = q + p"] * 29), a=1.0, b=2.0)
    values["y"].backward()
    fibonacci = [0, 1]
    while len(fibonacci) <= 61:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    assert_close(gradients(values, "ab"), {"a": float(fibonacci[60]), "b": float(fibonacci[61])})


@pytest.mark.stage("robust")
def test_a_chain_of_fifty_thousand_values_is_no_problem(learner):
    first, step = learner.Value(2.0), learner.Value(0.5)
    steps = learner.library("itertools").repeat(step, DEEP)
    y = learner.library("functools").reduce(learner.library("operator").add, steps, first)
    y.backward()
    assert_close([y.data, first.grad, step.grad], [2.0 + 0.5 * DEEP, 1.0, float(DEEP)])
    y.zero_grad()
    assert_close([first.grad, step.grad, y.grad], [0.0, 0.0, 0.0], name="the gradients after zero_grad")
