"""Gradients by autograd in the process of the learner's function."""

import pytest

from autograder.sandbox.differentiate import vjp

pytestmark = pytest.mark.torch


@pytest.fixture(autouse=True)
def tensors():
    """Imports torch when the first of these tests runs: other tests need a process without it."""
    global torch, X
    torch = pytest.importorskip("torch")
    X = torch.arange(1.0, 7.0).reshape(2, 3)


def test_the_value_and_a_gradient_for_each_tensor():
    value, (of_x, of_power) = vjp(lambda x, power: x**power, [X, 2], torch.ones(2, 3))
    assert torch.equal(value, X**2)
    assert torch.equal(of_x, 2 * X)
    assert of_power is None
    assert not value.requires_grad


def test_a_single_number_needs_no_cotangent():
    assert torch.equal(vjp(lambda x: x.sum(), [X])[1][0], torch.ones(2, 3))


def test_what_the_value_does_not_depend_on_has_gradient_zero():
    assert torch.equal(vjp(lambda x: x.detach(), [X], X)[1][0], torch.zeros(2, 3))
    assert torch.equal(vjp(lambda x, y: x.sum(), [X, X])[1][1], torch.zeros(2, 3))


def test_nested_inputs_and_outputs():
    _, (gradients,) = vjp(lambda p: (p["w"] * 2, "cache"), [{"w": X, "rate": 0.1}], (X, None))
    assert torch.equal(gradients["w"], 2 * X)
    assert gradients["rate"] is None


def test_integer_tensors_have_no_gradient():
    assert vjp(lambda x, i: x[i], [X, torch.tensor([0])], X[:1])[1][1] is None


def test_the_callers_tensors_stay_as_they_are():
    x = X.clone()
    vjp(lambda x: (x * 2).sum(), [x])
    assert not x.requires_grad
    assert x.grad is None


def test_it_works_where_gradients_are_switched_off():
    with torch.no_grad():
        assert torch.equal(vjp(lambda x: x.sum(), [X])[1][0], torch.ones(2, 3))


def test_a_value_that_does_not_fit_its_cotangent_is_refused():
    with pytest.raises(ValueError, match=r"the result has shape \(3, 2\), its cotangent \(2, 3\)"):
        vjp(lambda x: x.T, [X], X)
    with pytest.raises(TypeError, match="a result of type int has no gradient"):
        vjp(lambda x: 3, [X], X)
