"""Hidden checks of the Functions: what they compute, the gradients they send back, and what they keep in between."""

import pytest
import torch

from autograder.testing import assert_close, assert_gradients, assert_shape, made, there

DTYPES = (torch.float32, torch.float64)


def keeping(pack, function, *inputs):
    """The value of a function, what ctx keeps as attributes, and what is saved, of which `pack` is told as well."""
    import torch

    saved = []

    def save(tensor):
        saved.append(tuple(tensor.shape))
        return pack(tensor)

    with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
        y = function(*inputs)
    return y, [tuple(value.shape) for value in vars(y.grad_fn).values() if isinstance(value, torch.Tensor)], saved


def changed_in_between(function, x, beta):
    """The backward pass, after x was changed in place behind the forward pass."""
    import torch

    x = 1.0 * x.requires_grad_()
    y = function(x, beta)
    with torch.no_grad():
        x.mul_(2.0)
    y.sum().backward()


def gradients_of_gradients(function, x, beta, dy, v):
    """The gradients of Σ v · dL/dx + dL/dβ, where L = Σ dy · y²."""
    import torch

    x, beta = x.detach().clone().requires_grad_(), beta.detach().clone().requires_grad_()
    loss = (dy * function(x, beta).square()).sum()
    dx, dbeta = torch.autograd.grad(loss, (x, beta), create_graph=True)
    return torch.autograd.grad((v * dx).sum() + dbeta, (x, beta))


def handed_back(function, x, beta, dy):
    """What the backward pass returns: autograd itself would sum up a gradient of another shape without a word."""
    x, beta = x.detach().clone().requires_grad_(), beta.detach().clone().requires_grad_()
    return [tuple(gradient.shape) for gradient in function(x, beta).grad_fn.apply(dy)]


def slopes_of_slopes(function, x, dy, *options):
    """The gradients of x and of dy of ½ Σ (dL/dx)², where L = Σ dy · y²."""
    import torch

    x, dy = x.detach().clone().requires_grad_(), dy.detach().clone().requires_grad_()
    (dx,) = torch.autograd.grad((dy * function(x, *options).square()).sum(), x, create_graph=True)
    return torch.autograd.grad(0.5 * dx.square().sum(), (x, dy))


def after_the_way_back(function, x, dy, *options):
    """The gradient that came in, once the backward pass is through with it."""
    function(x.detach().clone().requires_grad_(), *options).backward(dy)
    return dy


def one_at_a_time(function, x, beta, dy):
    """The gradient of x while β is fixed, and that of β while x is fixed."""
    import torch

    x, beta = x.detach().clone().requires_grad_(), beta.detach().clone().requires_grad_()
    of_x = torch.autograd.grad(function(x, beta.detach()), x, dy)
    of_beta = torch.autograd.grad(function(x.detach(), beta), beta, dy)
    return of_x[0], of_beta[0]


def swish(x, beta):
    return x * torch.sigmoid(beta * x)


def beta_of(probe, dtype=torch.float64):
    return torch.tensor(probe.scalar(0.3, 2.5), dtype=dtype)


@pytest.mark.stage("shape")
def test_swish_and_its_gradients_have_the_shapes_and_dtypes_of_x_and_beta(learner, probe):
    for dtype in DTYPES:
        x, beta = probe.tensor("N D", dtype=dtype), beta_of(probe, dtype)
        y, (dx, dbeta) = learner.vjp(learner.Swish.apply, [x, beta], probe.tensor("N D", dtype=dtype))
        assert_shape(y, x.shape, dtype, name="y")
        assert_shape(dx, x.shape, dtype, name="the gradient of x")
        assert_shape(dbeta, (), dtype, name="the gradient of beta")


@pytest.mark.visible
def test_swish_of_a_case_computed_by_hand(learner):
    beta = torch.tensor(3.0, dtype=torch.float64).log() / 2.0  # σ is ¼, ½, ¾
    x = torch.tensor([-2.0, 0.0, 2.0], dtype=torch.float64)
    y, (dx, dbeta) = learner.vjp(learner.Swish.apply, [x, beta], torch.tensor([2.0, 10.0, 5.0], dtype=torch.float64))
    assert_close(y, torch.tensor([-0.5, 0.0, 1.5], dtype=torch.float64), name="y")
    expected = torch.stack([0.5 - 0.75 * beta, 5.0 + 0.0 * beta, 3.75 + 1.875 * beta])
    assert_close(dx, expected, name="the gradient of x")
    assert_close(dbeta, torch.tensor(5.25, dtype=torch.float64), name="the gradient of beta")  # (2 + 5) · 4 · 3/16


def test_swish_lets_every_entry_through_a_gate_that_it_opens_itself(learner, probe):
    x, beta = probe.tensor("N D", dtype=torch.float64), beta_of(probe)
    assert_close(learner.Swish.apply(x, beta), x / (1.0 + (-beta * x).exp()))


def test_swish_with_beta_zero_halves_x_and_its_gradient(learner, probe):
    x, dy, beta = probe.tensor("N D"), probe.tensor("N D"), torch.tensor(0.0)
    y, (dx, dbeta) = learner.vjp(learner.Swish.apply, [x, beta], dy)
    assert_close(y, x / 2.0, name="y")
    assert_close(dx, dy / 2.0, name="the gradient of x")
    assert_close(dbeta, (dy * x**2).sum() / 4.0, name="the gradient of beta")


def test_swish_multiplies_the_slope_at_x_by_the_gradient_that_comes_in(learner, probe):
    x, dy, beta = probe.tensor("N D", dtype=torch.float64), probe.tensor("N D", dtype=torch.float64), beta_of(probe)
    _, (dx, _) = learner.vjp(learner.Swish.apply, [x, beta], dy)
    gate = torch.sigmoid(beta * x)
    assert_close(dx, dy * (gate + beta * x * gate * (1.0 - gate)), name="the gradient of x")


def test_swish_sums_the_gradient_of_beta_over_all_entries(learner, probe):
    x, dy, beta = probe.tensor("B N D", dtype=torch.float64), probe.tensor("B N D", dtype=torch.float64), beta_of(probe)
    _, (_, dbeta) = learner.vjp(learner.Swish.apply, [x, beta], dy)
    gate = torch.sigmoid(beta * x)
    assert_close(dbeta, (dy * x**2 * gate * (1.0 - gate)).sum(), name="the gradient of beta")


def test_swish_gives_x_its_gradient_while_beta_is_fixed_and_the_other_way_round(learner, probe):
    x, dy, beta = probe.tensor("N D", dtype=torch.float64), probe.tensor("N D", dtype=torch.float64), beta_of(probe)
    got = there(learner, one_at_a_time)(learner.Swish.apply, x, beta, dy)
    assert_close(got, one_at_a_time(swish, x, beta, dy), name="[the gradient of x, the gradient of beta]")


def test_swish_keeps_x_and_beta_for_the_backward_pass_and_nothing_else(learner, probe):
    # The worker reports what autograd keeps: somebody who hides tensors from it saves himself no memory.
    x, beta, kept = probe.tensor("N D", requires_grad=True), beta_of(probe, torch.float32).requires_grad_(), []

    def pack(tensor):
        kept.append(tuple(tensor.shape))
        return tensor

    y, attributes, _ = there(learner, keeping)(pack, learner.Swish.apply, x, beta)
    assert_close(y.detach(), swish(x, beta).detach())
    assert sorted(kept) == [(), tuple(x.shape)], "what is kept is one tensor like x and one like beta"
    assert_close(attributes, [], name="the shapes of tensors that are attributes of ctx")


def test_swish_notices_when_x_is_changed_before_the_backward_pass(learner, probe):
    x, beta = probe.tensor("N D"), beta_of(probe, torch.float32)
    assert_close(learner.Swish.apply(x, beta), swish(x, beta))
    run = there(learner, changed_in_between)
    with pytest.raises(RuntimeError):
        run(learner.Swish.apply, x, beta)


def test_swish_hands_back_gradients_of_the_shapes_of_x_and_of_beta(learner, probe):
    x, dy, beta = probe.tensor("B N D"), probe.tensor("B N D"), beta_of(probe, torch.float32)
    got = there(learner, handed_back)(learner.Swish.apply, x, beta, dy)
    assert_close(got, [tuple(x.shape), ()], name="[the shape of the gradient of x, of beta]")


@pytest.mark.stage("whole")
def test_swish_equals_the_reference(learner, reference, probe):
    for dtype in DTYPES:
        x, dy, beta = probe.tensor("N D", dtype=dtype), probe.tensor("N D", dtype=dtype), beta_of(probe, dtype)
        got = learner.vjp(learner.Swish.apply, [3.0 * x, -beta], dy)
        assert_close(got, reference.vjp(reference.Swish.apply, [3.0 * x, -beta], dy), name="[y, gradients]")


@pytest.mark.stage("whole")
def test_swish_gives_the_slopes_that_are_measured(learner, probe):
    x, dy, beta = probe.tensor("3 5", dtype=torch.float64), probe.tensor("3 5", dtype=torch.float64), beta_of(probe)
    _, gradients = learner.vjp(learner.Swish.apply, [x, beta], dy)
    assert_gradients(swish, [x, beta], gradients, dy, names=("x", "beta"))


@pytest.mark.stage("whole")
def test_swish_can_be_differentiated_twice(learner, probe):
    x, dy, v = (probe.tensor("N D", dtype=torch.float64) for _ in range(3))
    beta = beta_of(probe)
    got = there(learner, gradients_of_gradients)(learner.Swish.apply, x, beta, dy, v)
    assert_close(got, gradients_of_gradients(swish, x, beta, dy, v), name="[the second slopes of x, of beta]")


@pytest.mark.stage("robust")
def test_swish_survives_huge_inputs(learner, reference, probe):
    x, dy, beta = probe.tensor(probe.extreme("N D")), probe.tensor("N D"), beta_of(probe, torch.float32)
    got = learner.vjp(learner.Swish.apply, [x, beta], dy)
    assert_close(got, reference.vjp(reference.Swish.apply, [x, beta], dy), name="[y, gradients]")
    negative = [-x.abs().double(), beta.double()]  # hardly anything comes through
    got = learner.vjp(learner.Swish.apply, negative, dy.double())
    assert_close(got, reference.vjp(reference.Swish.apply, negative, dy.double()), name="[y, gradients] below 0")


@pytest.mark.stage("robust")
def test_swish_of_a_single_number(learner, probe):
    x, beta = torch.tensor(-probe.scalar(0.5, 2.0)), beta_of(probe, torch.float32)
    y, gradients = learner.vjp(learner.Swish.apply, [x, beta], torch.tensor(3.0))
    assert_close(y, swish(x, beta), name="y")
    gate = torch.sigmoid(beta * x)
    bend = gate * (1.0 - gate)
    assert_close(gradients, [3.0 * (gate + beta * x * bend), 3.0 * x**2 * bend], name="the gradients")


def levels(probe, dtype=torch.float64):
    """Numbers on both sides of -3 and 5, at these two, and beyond them by less than a half; low and high."""
    x = torch.cat(
        [4.0 * probe.tensor("N", dtype=dtype), torch.tensor([-3.0, 5.0, -3.25, 5.25, 5.75, -9.0], dtype=dtype)]
    )
    return x, -3, 5


@pytest.mark.stage("shape")
def test_straight_through_round_keeps_shape_and_dtype(learner, probe):
    for dtype in DTYPES:
        x, dy = probe.tensor("B N D", dtype=dtype), probe.tensor("B N D", dtype=dtype)
        y, (dx, *_) = learner.vjp(learner.StraightThroughRound.apply, [x, -1, 2], dy)
        assert_shape(y, x.shape, dtype, name="y")
        assert_shape(dx, x.shape, dtype, name="the gradient of x")


@pytest.mark.visible
def test_straight_through_round_of_a_case_computed_by_hand(learner):
    x, dy = torch.tensor([-3.4, -1.2, 0.8, 2.0, 2.2, 7.0]), torch.tensor([10.0, 20.0, 30.0, 40.0, 50.0, 60.0])
    y, (dx, *_) = learner.vjp(learner.StraightThroughRound.apply, [x, -2, 2], dy)
    assert_close(y, torch.tensor([-2.0, -1.0, 1.0, 2.0, 2.0, 2.0]), name="y")
    assert_close(dx, torch.tensor([0.0, 20.0, 30.0, 40.0, 0.0, 0.0]), name="the gradient of x")


def test_straight_through_round_rounds_to_the_nearest_and_a_half_to_the_even(learner, probe):
    x = 5.0 * probe.tensor("N D")
    assert_close(learner.StraightThroughRound.apply(x, -100, 100), torch.round(x))
    halves = torch.tensor([0.5, 1.5, 2.5, -0.5, -1.5, -2.5])
    assert_close(learner.StraightThroughRound.apply(halves, -100, 100), torch.tensor([0.0, 2.0, 2.0, 0.0, -2.0, -2.0]))


def test_straight_through_round_cuts_off_at_low_and_high(learner, probe):
    x, low, high = levels(probe)
    y = learner.StraightThroughRound.apply(x, low, high)
    assert_close(y, torch.round(x).clamp(low, high))


def test_straight_through_round_lets_the_gradient_through_where_x_is_inside(learner, probe):
    x, dy = 5.0 * probe.tensor("N D", dtype=torch.float64), probe.tensor("N D", dtype=torch.float64)
    for size in (1.0, 1e-9, 1e6):
        _, (dx, *_) = learner.vjp(learner.StraightThroughRound.apply, [x, -100, 90], size * dy)
        assert_close(dx, size * dy, name=f"the gradient of x, where dy is about {size:g}")


def test_straight_through_round_stops_the_gradient_where_x_is_outside(learner, probe):
    outside = torch.tensor([-3.25, 5.25, -4.0, 6.0, 5.49, -3.49, 100.0, -100.0], dtype=torch.float64)
    _, (dx, *_) = learner.vjp(
        learner.StraightThroughRound.apply, [outside, -3, 5], probe.tensor(8, dtype=torch.float64)
    )
    assert_close(dx, torch.zeros_like(outside), name="the gradient of x")


def test_straight_through_round_counts_both_ends_as_inside(learner, probe):
    x, dy = torch.tensor([-3.0, 5.0]), probe.tensor(2)
    _, (dx, *_) = learner.vjp(learner.StraightThroughRound.apply, [x, -3, 5], dy)
    assert_close(dx, dy, name="the gradient of x")


@pytest.mark.stage("whole")
def test_straight_through_round_equals_the_reference(learner, reference, probe):
    for dtype in DTYPES:
        x, low, high = levels(probe, dtype)
        dy = probe.tensor(len(x), dtype=dtype)
        got = learner.vjp(learner.StraightThroughRound.apply, [x, low, high], dy)
        expected = reference.vjp(reference.StraightThroughRound.apply, [x, low, high], dy)
        assert_close(got, expected, name="[y, gradients]")


@pytest.mark.stage("whole")
def test_straight_through_round_has_the_gradient_of_a_plain_cut_off(learner, probe):
    x, dy = 3.0 * probe.tensor("N D", dtype=torch.float64), probe.tensor("N D", dtype=torch.float64)
    _, (dx, *_) = learner.vjp(learner.StraightThroughRound.apply, [x, -1, 2], dy)
    assert_gradients(lambda x: x.clamp(-1, 2), [x], [dx], dy, names=["x"])


@pytest.mark.stage("whole")
def test_straight_through_round_leaves_the_gradient_that_comes_in_as_it_is(learner, probe):
    (x, low, high), changed = levels(probe), there(learner, after_the_way_back)
    dy = probe.tensor(len(x), dtype=torch.float64)
    got = changed(learner.StraightThroughRound.apply, x, dy, low, high)
    assert_close(got, dy, name="the gradient that came in, afterwards")


@pytest.mark.stage("whole")
def test_straight_through_round_can_be_differentiated_twice(learner, probe):
    x, low, high = levels(probe)
    dy, inside = probe.tensor(len(x), dtype=torch.float64), (low <= x) & (x <= high)
    y = x.round().clamp(low, high)
    # dL/dx is 2 · dy · y where x is inside; the slope of y is taken to be 1 there once more.
    got = there(learner, slopes_of_slopes)(learner.StraightThroughRound.apply, x, dy, low, high)
    assert_close(got, (4.0 * dy**2 * y * inside, 4.0 * dy * y**2 * inside), name="[the second slopes of x, of dy]")


def weight_after_steps(function, weight, x, y):
    """Where gradient descent takes a weight that is used rounded."""
    import torch

    weight = weight.detach().clone().requires_grad_()
    for _ in range(60):
        loss = (x * function(weight, -4, 3) - y).square().mean()
        (slope,) = torch.autograd.grad(loss, weight)
        weight = (weight - 0.05 * slope).detach().requires_grad_()
    return weight.detach()


@pytest.mark.stage("robust")
def test_straight_through_round_lets_a_rounded_weight_learn(learner, probe):
    x = probe.tensor("N", dtype=torch.float64)
    x = x / x.square().mean().sqrt()
    weight = torch.tensor([0.2], dtype=torch.float64)
    got = there(learner, weight_after_steps)(learner.StraightThroughRound.apply, weight, x, -2.0 * x)
    assert_close(got.round(), torch.tensor([-2.0], dtype=torch.float64), name="what the weight rounds to")


@pytest.mark.stage("robust")
def test_straight_through_round_of_huge_numbers_and_of_a_single_one(learner, reference, probe):
    for x in (probe.tensor(probe.extreme("N")), torch.tensor(probe.scalar(0.2, 0.9))):
        given = [x, -500, 20], torch.full_like(x, -3.0)
        got = learner.vjp(learner.StraightThroughRound.apply, *given)
        assert_close(got, reference.vjp(reference.StraightThroughRound.apply, *given), name="[y, gradients]")


def gradients_in_two_domains(reverse, x, w, v, u, scale):
    """The gradients of w (features), v (labels) and u (domains), where reverse stands in front of u alone."""
    import torch

    w, v, u = (tensor.detach().clone().requires_grad_() for tensor in (w, v, u))
    features = torch.tanh(x @ w)
    loss = (features @ v).square().mean() + (reverse(features, scale) @ u).sigmoid().mean()
    return torch.autograd.grad(loss, (w, v, u))


@pytest.mark.stage("shape")
def test_gradient_reversal_keeps_shape_and_dtype(learner, probe):
    for dtype in DTYPES:
        x, dy = probe.tensor("B N D", dtype=dtype), probe.tensor("B N D", dtype=dtype)
        y, (dx, *_) = learner.vjp(learner.GradientReversal.apply, [x, 0.3], dy)
        assert_shape(y, x.shape, dtype, name="y")
        assert_shape(dx, x.shape, dtype, name="the gradient of x")


@pytest.mark.visible
def test_gradient_reversal_of_a_case_computed_by_hand(learner):
    x, dy = torch.tensor([1.0, -2.0]), torch.tensor([10.0, -30.0])
    y, (dx, *_) = learner.vjp(learner.GradientReversal.apply, [x, 0.5], dy)
    assert_close(y, x, name="y")
    assert_close(dx, torch.tensor([-5.0, 15.0]), name="the gradient of x")


def test_gradient_reversal_does_nothing_on_the_way_forward(learner, probe):
    x = probe.tensor("N D", dtype=torch.float64)
    for scale in (0.0, probe.scalar(0.2, 0.9), probe.scalar(1.5, 4.0)):
        assert_close(learner.GradientReversal.apply(x, scale), x)


def test_gradient_reversal_turns_the_gradient_round_and_scales_it(learner, probe):
    x, dy = probe.tensor("N D", dtype=torch.float64), probe.tensor("N D", dtype=torch.float64)
    for scale, size in ((probe.scalar(0.2, 0.9), 1.0), (probe.scalar(1.5, 4.0), 1e-9), (probe.scalar(1.5, 4.0), 1e6)):
        _, (dx, *_) = learner.vjp(learner.GradientReversal.apply, [x, scale], size * dy)
        assert_close(dx, -scale * size * dy, name=f"the gradient of x, where dy is about {size:g}")


def test_gradient_reversal_with_scale_zero_lets_no_gradient_through(learner, probe):
    x, dy, other = probe.tensor("N D"), probe.tensor("N D"), probe.scalar(0.2, 0.9)
    for scale in (other, 0.0):
        y, (dx, *_) = learner.vjp(learner.GradientReversal.apply, [x, scale], dy)
        assert_close(y, x, name="y")
        assert_close(dx, -scale * dy, name=f"the gradient of x with the scale {scale}")


@pytest.mark.stage("whole")
def test_gradient_reversal_equals_the_reference(learner, reference, probe):
    x, dy, scale = probe.tensor("B N D"), probe.tensor("B N D"), probe.scalar(0.2, 3.0)
    got = learner.vjp(learner.GradientReversal.apply, [x, scale], dy)
    assert_close(got, reference.vjp(reference.GradientReversal.apply, [x, scale], dy), name="[y, gradients]")


@pytest.mark.stage("whole")
def test_gradient_reversal_reverses_what_the_features_learn_of_the_domains_alone(learner, probe):
    x, w, v, u = (probe.tensor(spec, dtype=torch.float64) for spec in ("N D", "D M", "M C", "M 1"))
    scale = probe.scalar(0.3, 2.0)
    got = there(learner, gradients_in_two_domains)(learner.GradientReversal.apply, x, w, v, u, scale)
    expected = gradients_in_two_domains(lambda x, scale: (1.0 + scale) * x.detach() - scale * x, x, w, v, u, scale)
    assert_close(got, expected, name="the gradients of the three matrices")


@pytest.mark.stage("whole")
def test_gradient_reversal_leaves_the_gradient_that_comes_in_as_it_is(learner, probe):
    x, dy, scale = probe.tensor("N D"), probe.tensor("N D"), probe.scalar(1.5, 4.0)
    got = there(learner, after_the_way_back)(learner.GradientReversal.apply, x, dy, scale)
    assert_close(got, dy, name="the gradient that came in, afterwards")


@pytest.mark.stage("whole")
def test_gradient_reversal_can_be_differentiated_twice(learner, probe):
    x, dy, scale = probe.tensor("N D", dtype=torch.float64), probe.tensor("N D", dtype=torch.float64), 1.75
    _, (once, *_) = learner.vjp(learner.GradientReversal.apply, [x, scale], dy)
    assert_close(once, -scale * dy, name="the first slopes")
    # dL/dx is -scale · 2 · dy · y, and on the way back through y the gradient is reversed once more.
    got = there(learner, slopes_of_slopes)(learner.GradientReversal.apply, x, dy, scale)
    expected = -4.0 * scale**3 * dy**2 * x, 4.0 * scale**2 * dy * x**2
    assert_close(got, expected, name="[the second slopes of x, of dy]")


@pytest.mark.stage("robust")
def test_gradient_reversal_of_a_single_number_and_with_a_whole_scale(learner, probe):
    x = torch.tensor(probe.scalar(0.5, 2.0))
    y, (dx, *_) = learner.vjp(learner.GradientReversal.apply, [x, 3], torch.tensor(-2.0))
    assert_close([y, dx], [x, torch.tensor(6.0)], name="[y, the gradient of x]")


@pytest.mark.stage("robust")
def test_gradient_reversal_twice_multiplies_both_scales(learner, probe):
    x, dy = probe.tensor("N D", dtype=torch.float64), probe.tensor("N D", dtype=torch.float64)
    twice = made(learner, "lambda reverse: lambda x: reverse(reverse(x, 0.5), 3.0)")
    y, (dx,) = learner.vjp(twice(learner.GradientReversal.apply), [x], dy)
    assert_close([y, dx], [x, 1.5 * dy], name="[y, the gradient of x]")
