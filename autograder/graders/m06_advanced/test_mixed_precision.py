"""Hidden checks of mixed precision: the scale of the loss, a step under autocast, numbers that do not fit.

Models live where the learner's code runs. What is counted there (calls, dtypes) is told to functions of this file.
"""

import pytest
import torch

from autograder.testing import assert_close, assert_shape, made, there


def two_layers(probe):
    """Parameters for `network`."""
    shapes = {"0.weight": "M D", "0.bias": "M", "2.weight": "C M", "2.bias": "C"}
    return {name: 0.5 * probe.tensor(shape) for name, shape in shapes.items()}


def network(module, state):
    """Two linear layers with a tanh between them and the parameters of `state`."""
    nn = module.library("torch").nn
    (m, d), (c, _) = state["0.weight"].shape, state["2.weight"].shape
    model = nn.Sequential(nn.Linear(d, m), nn.Tanh(), nn.Linear(m, c))
    model.load_state_dict(state)
    return model


def in_two_groups(model, lr, momentum):
    """Gradient descent with momentum, so that the optimizer has a state, with the layers in two groups."""
    import torch

    groups = [{"params": model[0].parameters()}, {"params": model[2].parameters(), "lr": 2.0 * lr}]
    return torch.optim.SGD(groups, lr=lr, momentum=momentum)


def sgd(module, model, lr=0.25, momentum=0.5):
    return there(module, in_two_groups)(model, lr, momentum)


def gradients(probe, state, bad=None, where=None):
    """A gradient for each parameter; the last entry of that of `where`, by default any parameter, is `bad`."""
    found = {name: probe.tensor(*value.shape) for name, value in state.items()}
    if bad is not None:
        found[where or probe.choice(sorted(found))][-1] = bad
    return found


def give(model, gradients):
    """Set the gradients of a model."""
    for name, parameter in model.named_parameters():
        parameter.grad = gradients[name]


def take(model):
    """The gradients of a model."""
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def round_of(module, model, optimizer, scaler, found):
    """One step with these gradients, which are still scaled."""
    there(module, give)(model, found)
    scaler.step(optimizer)
    scaler.update()
    return scaler.get_scale()


def expected_after(state, steps, lr=0.25, momentum=0.5):
    """Where these true gradients take the parameters."""
    state, velocity = {name: value.clone() for name, value in state.items()}, {}
    for found in steps:
        for name, gradient in found.items():
            velocity[name] = gradient + (momentum * velocity[name] if name in velocity else 0.0)
            state[name] -= (lr if name.startswith("0") else 2.0 * lr) * velocity[name]
    return state


@pytest.mark.stage("shape")
def test_dynamic_loss_scaler_scales_a_loss_to_a_single_number(learner):
    scaler = learner.DynamicLossScaler()
    assert_shape(scaler.scale(torch.tensor(0.5)), (), torch.float32)
    assert isinstance(scaler.get_scale(), float), "the scale is a float"


def test_dynamic_loss_scaler_multiplies_the_loss_and_its_gradient(learner, probe):
    x, init_scale = probe.tensor("N", requires_grad=True), probe.scalar(20.0, 90.0)
    scaler = learner.DynamicLossScaler(init_scale)
    assert_close(scaler.get_scale(), init_scale, name="the scale")
    assert_close(scaler.scale(torch.tensor(-1.5)), torch.tensor(-1.5 * init_scale), name="the scaled loss")
    slope = made(learner, "lambda scaler, x: [scaler.scale((x**2).sum()).backward(), x.grad][1]")
    assert_close(slope(scaler, x), 2.0 * init_scale * x.detach(), name="the gradient")


def test_dynamic_loss_scaler_divides_the_gradients_of_all_groups(learner, probe):
    state, init_scale = two_layers(probe), probe.scalar(20.0, 90.0)
    model, found = network(learner, state), gradients(probe, state)
    scaler = learner.DynamicLossScaler(init_scale=init_scale)
    there(learner, give)(model, found)
    scaler.unscale_(sgd(learner, model))
    expected = {name: gradient / init_scale for name, gradient in found.items()}
    assert_close(there(learner, take)(model), expected, name="the gradients")
    assert_close(dict(model.state_dict()), state, name="the parameters before the step")


def unscaled_meanwhile(scaler, optimizer, model):
    """What has become of the tensors that were the gradients before they were unscaled."""
    held = [parameter.grad for parameter in model.parameters()]
    scaler.unscale_(optimizer)
    return held


def test_dynamic_loss_scaler_divides_the_gradients_in_place(learner, probe):
    state = two_layers(probe)
    model, found = network(learner, state), gradients(probe, state)
    there(learner, give)(model, found)
    held = there(learner, unscaled_meanwhile)(learner.DynamicLossScaler(init_scale=16.0), sgd(learner, model), model)
    assert_close(held, [found[name] / 16.0 for name in state], name="the tensors that were the gradients before")


def test_dynamic_loss_scaler_leaves_the_gradients_unscaled_behind_a_step(learner, probe):
    state = two_layers(probe)
    for bad in (None, float("inf")):
        model, found = network(learner, state), gradients(probe, state, bad)
        round_of(learner, model, sgd(learner, model), learner.DynamicLossScaler(init_scale=16.0), found)
        expected = {name: gradient / 16.0 for name, gradient in found.items()}
        assert_close(
            there(learner, take)(model),
            expected,
            name="the gradients after a step" if bad is None else "the gradients after an overflow",
        )


def test_dynamic_loss_scaler_leaves_parameters_without_a_gradient_alone(learner, probe):
    state = two_layers(probe)
    model, found = network(learner, state), gradients(probe, state)
    found["0.weight"] = None
    scaler = learner.DynamicLossScaler(init_scale=4.0)
    round_of(learner, model, sgd(learner, model), scaler, found)
    assert_close(model.state_dict()["0.weight"], state["0.weight"], name="the weight without a gradient")
    assert_close(
        model.state_dict()["0.bias"], state["0.bias"] - 0.25 * found["0.bias"] / 4.0, name="the bias beside it"
    )


def test_dynamic_loss_scaler_unscales_before_the_step(learner, probe):
    state = two_layers(probe)
    model, found, scaler = network(learner, state), gradients(probe, state), learner.DynamicLossScaler(init_scale=16.0)
    round_of(learner, model, sgd(learner, model), scaler, found)
    expected = expected_after(state, [{name: gradient / 16.0 for name, gradient in found.items()}])
    assert_close(dict(model.state_dict()), expected, name="the parameters")


def test_dynamic_loss_scaler_does_not_unscale_again_in_the_step(learner, probe):
    state = two_layers(probe)
    model, found, scaler = network(learner, state), gradients(probe, state), learner.DynamicLossScaler(init_scale=16.0)
    optimizer = sgd(learner, model)
    there(learner, give)(model, found)
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    expected = expected_after(state, [{name: gradient / 16.0 for name, gradient in found.items()}])
    assert_close(dict(model.state_dict()), expected, name="the parameters")


def test_dynamic_loss_scaler_steps_with_what_was_done_to_the_gradients_after_unscaling(learner, probe):
    state = two_layers(probe)
    model, found, scaler = network(learner, state), gradients(probe, state), learner.DynamicLossScaler(init_scale=16.0)
    optimizer, clipped = sgd(learner, model), gradients(probe, state)
    there(learner, give)(model, found)
    scaler.unscale_(optimizer)
    there(learner, give)(model, clipped)
    scaler.step(optimizer)
    assert_close(dict(model.state_dict()), expected_after(state, [clipped]), name="the parameters")


def test_dynamic_loss_scaler_skips_a_step_that_overflowed(learner, probe):
    state, left = two_layers(probe), {}
    for bad in (float("inf"), -float("inf"), float("nan")):
        everywhere = {name: torch.full_like(value, bad) for name, value in state.items()}
        for where in (*state, "all"):
            found = everywhere if where == "all" else gradients(probe, state, bad, where)
            model, scaler = network(learner, state), learner.DynamicLossScaler(init_scale=16.0)
            round_of(learner, model, sgd(learner, model), scaler, found)
            left[f"a gradient of {bad} in {where}"] = dict(model.state_dict())
    for case, found in left.items():  # all are tried before the first is judged: together they tell the slips apart
        assert_close(found, state, name=f"the parameters after {case}")


def test_dynamic_loss_scaler_takes_large_numbers_for_fine(learner, probe):
    state = two_layers(probe)
    model, scaler = network(learner, state), learner.DynamicLossScaler(init_scale=2.0)
    found = {name: torch.full_like(value, 3e38) for name, value in state.items()}  # two of them are beyond float32
    round_of(learner, model, sgd(learner, model), scaler, found)
    expected = expected_after(state, [{name: gradient / 2.0 for name, gradient in found.items()}])
    assert_close(dict(model.state_dict()), expected, name="the parameters")
    assert_close(scaler.get_scale(), 2.0, name="the scale")


def test_dynamic_loss_scaler_skips_it_also_where_the_gradients_were_unscaled_before(learner, probe):
    state = two_layers(probe)
    model, scaler = network(learner, state), learner.DynamicLossScaler(init_scale=16.0)
    optimizer = sgd(learner, model)
    there(learner, give)(model, gradients(probe, state, float("inf")))
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert_close(dict(model.state_dict()), state, name="the parameters")
    assert_close(scaler.get_scale(), 8.0, name="the scale")


def test_dynamic_loss_scaler_keeps_an_overflow_out_of_the_state_of_the_optimizer(learner, probe):
    state = two_layers(probe)
    model, scaler = network(learner, state), learner.DynamicLossScaler(init_scale=1024.0, backoff_factor=0.25)
    optimizer = sgd(learner, model)
    first, second = gradients(probe, state), gradients(probe, state)
    round_of(learner, model, optimizer, scaler, {name: 1024.0 * gradient for name, gradient in first.items()})
    round_of(learner, model, optimizer, scaler, gradients(probe, state, float("nan")))
    round_of(learner, model, optimizer, scaler, {name: 256.0 * gradient for name, gradient in second.items()})
    assert_close(dict(model.state_dict()), expected_after(state, [first, second]), name="the parameters")


def scales(module, probe, overflows, **options):
    """The scale after each step; `overflows` says which of them have an inf in a gradient."""
    state = two_layers(probe)
    model, scaler = network(module, state), module.DynamicLossScaler(**options)
    optimizer = sgd(module, model)
    found, bad = gradients(probe, state), gradients(probe, state, float("inf"))
    return [round_of(module, model, optimizer, scaler, bad if overflow else found) for overflow in overflows]


def test_dynamic_loss_scaler_backs_off_after_an_overflow(learner, probe):
    found = scales(learner, probe, [True, True, False, True], init_scale=1000.0, backoff_factor=0.3)
    assert_close(found, [300.0, 90.0, 90.0, 27.0], name="the scales")
    found = scales(learner, probe, [True] * 3, init_scale=2.0, backoff_factor=0.25)
    assert_close(found, [0.5, 0.125, 0.03125], name="the scales below one")


def test_dynamic_loss_scaler_grows_after_enough_good_steps_and_counts_anew(learner, probe):
    found = scales(learner, probe, [False] * 7, init_scale=10.0, growth_factor=3.0, growth_interval=3)
    assert_close(found, [10.0, 10.0, 30.0, 30.0, 30.0, 90.0, 90.0], name="the scales")
    found = scales(learner, probe, [False] * 3, init_scale=10.0, growth_factor=1.5, growth_interval=1)
    assert_close(found, [15.0, 22.5, 33.75], name="the scales that grow in every step")


def test_dynamic_loss_scaler_counts_good_steps_in_a_row(learner, probe):
    overflows = [False, False, True, False, False, True, False, False, False, False]
    found = scales(learner, probe, overflows, init_scale=16.0, growth_factor=4.0, growth_interval=3)
    assert_close(found, [16.0, 16.0, 8.0, 8.0, 8.0, 4.0, 4.0, 4.0, 16.0, 16.0], name="the scales")


def many_good_steps(scaler, optimizer):
    """The scale after 1999, 2000 and 2001 steps without any gradient, and after an overflow."""
    import torch

    found = []
    for steps in (1999, 1, 1):
        for _ in range(steps):
            scaler.step(optimizer)
            scaler.update()
        found.append(scaler.get_scale())
    optimizer.param_groups[0]["params"][0].grad = torch.tensor([float("nan")])
    scaler.step(optimizer)
    scaler.update()
    return [*found, scaler.get_scale()]


def test_dynamic_loss_scaler_has_the_defaults_that_were_agreed(learner):
    torch_there = learner.library("torch")
    optimizer = torch_there.optim.SGD(torch_there.nn.PReLU().parameters(), lr=0.1)
    found = there(learner, many_good_steps)(learner.DynamicLossScaler(), optimizer)
    expected = [65536.0, 131072.0, 131072.0, 65536.0]
    assert_close(found, expected, name="the scales after 1999, 2000 and 2001 steps, and an overflow")


@pytest.mark.stage("whole")
def test_dynamic_loss_scaler_equals_the_reference_and_pytorchs(learner, reference, probe):
    overflows = (probe.uniform(40) > 0.4).tolist()
    options = {"init_scale": 4096.0, "growth_factor": 4.0, "backoff_factor": 0.5, "growth_interval": 2}
    found = scales(learner, probe, overflows, **options)
    assert_close(found, scales(reference, probe, overflows, **options), name="the scales")
    theirs, expected = torch.amp.GradScaler("cpu", **options), []
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    for overflow in overflows:
        theirs.scale(parameter.sum())
        parameter.grad = torch.tensor([float("inf") if overflow else 1.0])
        theirs.step(optimizer)
        theirs.update()
        expected.append(theirs.get_scale())
    assert_close(found, expected, name="the scales")


@pytest.mark.stage("whole")
def test_dynamic_loss_scaler_trains_as_if_there_were_no_scale(learner, probe):
    state = two_layers(probe)
    model, scaler = network(learner, state), learner.DynamicLossScaler(64.0, 2.0, 0.5, growth_interval=2)
    optimizer, steps = sgd(learner, model), [gradients(probe, state) for _ in range(6)]
    for found in steps:
        scale = scaler.get_scale()
        round_of(learner, model, optimizer, scaler, {name: scale * gradient for name, gradient in found.items()})
    assert_close(dict(model.state_dict()), expected_after(state, steps), name="the parameters")


@pytest.mark.stage("robust")
def test_dynamic_loss_scaler_refuses_to_unscale_twice(learner, probe):
    state = two_layers(probe)
    model, scaler = network(learner, state), learner.DynamicLossScaler(init_scale=16.0)
    optimizer, found = sgd(learner, model), gradients(probe, state)
    there(learner, give)(model, found)
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError):
        scaler.unscale_(optimizer)
    expected = {name: gradient / 16.0 for name, gradient in found.items()}
    assert_close(there(learner, take)(model), expected, name="the gradients after the second call")
    scaler.step(optimizer)
    scaler.update()
    there(learner, give)(model, found)
    scaler.unscale_(optimizer)
    assert_close(there(learner, take)(model), expected, name="the gradients of the next step")


def batch(probe):
    """Inputs and targets; the rows are few, and the numbers such that a step shows."""
    return probe.tensor("N D"), 3.0 * probe.tensor("N C")


def mse(module):
    return module.library("torch").nn.functional.mse_loss


def grad_scaler(module, **options):
    """PyTorch's own, which has the methods of the learner's."""
    return module.library("torch").amp.GradScaler("cpu", **options)


def single(value):
    """A float as a float32 tensor, for it was computed in that precision."""
    assert isinstance(value, float), "the loss is a float"
    return torch.tensor(value)


def step_here(state, x, y, dtype, steps=1, lr=0.25, momentum=0.5):
    """The losses and the parameters of some steps under autocast, without a scaler."""
    nn = torch.nn
    (m, d), (c, _) = state["0.weight"].shape, state["2.weight"].shape
    model, losses = nn.Sequential(nn.Linear(d, m), nn.Tanh(), nn.Linear(m, c)), []
    model.load_state_dict(state)
    optimizer = in_two_groups(model, lr, momentum)
    for _ in range(steps):
        with torch.autocast("cpu", dtype=dtype):
            loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses), dict(model.state_dict())


@pytest.mark.stage("shape")
def test_autocast_step_returns_a_float_and_leaves_everything_in_float32(learner, probe):
    state = two_layers(probe)
    model, (x, y) = network(learner, state), batch(probe)
    loss = learner.autocast_step(model, mse(learner), sgd(learner, model), grad_scaler(learner), x, y)
    assert isinstance(loss, float), "the loss is a float"
    for name, value in model.state_dict().items():
        assert_shape(value, state[name].shape, torch.float32, name=name)
    for name, value in there(learner, take)(model).items():
        assert_shape(value, state[name].shape, torch.float32, name=f"the gradient of {name}")


def test_autocast_step_runs_the_model_once_in_the_dtype_that_is_asked_for(learner, probe):
    for options, dtype in (({}, torch.bfloat16), ({"dtype": torch.float16}, torch.float16)):
        model, (x, y), seen = network(learner, two_layers(probe)), batch(probe), []

        def look(module, inputs, output, seen=seen):
            seen.append(output.dtype)

        model.register_forward_hook(look)
        learner.autocast_step(model, mse(learner), sgd(learner, model), grad_scaler(learner), x, y, **options)
        assert_close(seen, [dtype], name="the dtypes of the model's outputs, call by call")


def test_autocast_step_trains_the_model_in_the_mode_that_it_is_in(learner, probe):
    for training in (True, False):
        model, (x, y), seen = network(learner, two_layers(probe)), batch(probe), []
        model.train(training)

        def look(module, inputs, output, seen=seen):
            seen.append(module.training)

        model.register_forward_hook(look)
        learner.autocast_step(model, mse(learner), sgd(learner, model), grad_scaler(learner), x, y)
        assert_close(
            [*seen, model.training], [training] * 2, name="whether it is in training mode, meanwhile and after"
        )


def loss_that_tells(tell, w):
    """A loss with a matrix product in it, whose dtype is told, and that of the output before."""

    def loss(output, y):
        product = output.float() @ w
        tell((str(output.dtype), str(product.dtype)))
        return (product.float() - y.float() @ w).square().mean()

    return loss


def test_autocast_step_runs_the_loss_function_under_autocast_too(learner, probe):
    model, (x, y), seen = network(learner, two_layers(probe)), batch(probe), []
    loss_function = there(learner, loss_that_tells)(seen.append, probe.tensor("C 3"))
    learner.autocast_step(model, loss_function, sgd(learner, model), grad_scaler(learner), x, y)
    assert_close(
        seen, [("torch.bfloat16",) * 2], name="the dtypes of the output that the loss is given, of a product in it"
    )


def walked_back(step, model, *given):
    """For every backward pass through the model whether autocast is on."""
    import torch

    seen = []
    model.register_full_backward_hook(lambda *given: seen.append(torch.is_autocast_enabled("cpu")))
    step(model, *given)
    return seen


def test_autocast_step_walks_back_outside_of_autocast(learner, probe):
    model, (x, y) = network(learner, two_layers(probe)), batch(probe)
    given = model, mse(learner), sgd(learner, model), grad_scaler(learner), x, y
    seen = there(learner, walked_back)(learner.autocast_step, *given)
    assert_close(seen, [False], name="whether autocast was on in the backward pass")


def test_autocast_step_returns_the_loss_before_the_step_without_its_scale(learner, probe):
    state = two_layers(probe)
    model, (x, y) = network(learner, state), batch(probe)
    scaler = grad_scaler(learner, init_scale=64.0)
    loss = learner.autocast_step(model, mse(learner), sgd(learner, model, lr=1e-9), scaler, x, y)
    assert_close(single(loss), step_here(state, x, y, torch.bfloat16)[0][0], name="the loss")
    one_sided = made(learner, "lambda output, y: (output.float() - 2.0 * y).square().mean()")
    loss = learner.autocast_step(model, one_sided, sgd(learner, model), scaler, x, y)
    assert_close(
        single(loss), step_here(state, x, 2.0 * y, torch.bfloat16)[0][0], name="the loss of output and targets"
    )


def test_autocast_step_follows_the_gradient_of_this_batch_alone(learner, probe):
    state = two_layers(probe)
    x, targets = batch(probe)
    for y in (targets, 1000.0 * targets):
        model = network(learner, state)
        there(learner, give)(model, gradients(probe, state))
        learner.autocast_step(model, mse(learner), sgd(learner, model), grad_scaler(learner, init_scale=2.0), x, y)
        expected = step_here(state, x, y, torch.bfloat16)[1]
        moved = {name: value - state[name] for name, value in model.state_dict().items()}
        wanted = {name: value - state[name] for name, value in expected.items()}
        assert_close(moved, wanted, name="how far the parameters have moved")


def test_autocast_step_scales_the_loss_before_the_backward_pass(learner, probe):
    model, (x, y), seen = network(learner, two_layers(probe)), batch(probe), []

    def look(module, of_inputs, of_outputs):
        seen.append(of_outputs[0].detach().float().abs().sum())

    model.register_full_backward_hook(look)
    for scale in (1.0, 128.0):
        scaler = grad_scaler(learner, init_scale=scale)
        learner.autocast_step(model, mse(learner), sgd(learner, model, lr=1e-9), scaler, x, y)
    assert len(seen) == 2, "each step walks back once"
    assert 127.0 < seen[1] / seen[0] < 129.0, "a scale of 128 makes the gradients 128 times as large on their way back"


def test_autocast_step_updates_the_scale_once(learner, probe):
    model, (x, y) = network(learner, two_layers(probe)), batch(probe)
    scaler, optimizer = grad_scaler(learner, init_scale=4.0, growth_interval=1, growth_factor=3.0), sgd(learner, model)
    found = []
    for _ in range(3):
        learner.autocast_step(model, mse(learner), optimizer, scaler, x, y)
        found.append(scaler.get_scale())
    assert_close(found, [12.0, 36.0, 108.0], name="the scales")


def test_autocast_step_skips_a_step_that_overflowed(learner, probe):
    state = two_layers(probe)
    model, (x, y) = network(learner, state), batch(probe)
    scaler, optimizer = grad_scaler(learner, init_scale=64.0, growth_interval=1), sgd(learner, model)
    learner.autocast_step(model, mse(learner), optimizer, scaler, x, y)
    before = dict(model.state_dict())
    assert_close(scaler.get_scale(), 128.0, name="the scale after a good step")
    y[0, 0] = float("inf")
    learner.autocast_step(model, mse(learner), optimizer, scaler, x, y)
    assert_close(dict(model.state_dict()), before, name="the parameters")
    assert_close(scaler.get_scale(), 64.0, name="the scale")


def embedding(state):
    """A table of vectors and a linear layer behind it."""
    import torch

    model = torch.nn.Sequential(
        torch.nn.Embedding(*state["0.weight"].shape), torch.nn.Linear(*state["1.weight"].T.shape)
    )
    model.load_state_dict(state)
    return model


@pytest.mark.stage("robust")
def test_autocast_step_hands_on_inputs_as_they_are(learner, probe):
    shapes = {"0.weight": "400 D", "1.weight": "C D", "1.bias": "C"}
    state = {name: probe.tensor(shape) for name, shape in shapes.items()}
    x, y = torch.tensor([7, 399, 299]), probe.tensor("3 C")
    model, mine = there(learner, embedding)(state), embedding(state)
    optimizer = learner.library("torch").optim.SGD(model.parameters(), lr=0.25)
    loss = learner.autocast_step(model, mse(learner), optimizer, grad_scaler(learner, init_scale=2.0), x, y)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected = torch.nn.functional.mse_loss(mine(x), y)
    assert_close(single(loss), expected.detach(), name="the loss")


@pytest.mark.stage("whole")
def test_autocast_step_repeated_trains_as_pytorch_does(learner, probe):
    state = two_layers(probe)
    for dtype in (torch.bfloat16, torch.float16):
        model, (x, y), scaler = network(learner, state), batch(probe), grad_scaler(learner, init_scale=2.0)
        optimizer = sgd(learner, model, lr=0.05)
        losses = [
            single(learner.autocast_step(model, mse(learner), optimizer, scaler, x, y, dtype=dtype)) for _ in range(5)
        ]
        expected, parameters = step_here(state, x, y, dtype, steps=5, lr=0.05)
        assert_close(torch.stack(losses).to(dtype), expected.to(dtype), name=f"the losses in {dtype}")
        moved = {name: (value - state[name]).to(dtype) for name, value in model.state_dict().items()}
        wanted = {name: (value - state[name]).to(dtype) for name, value in parameters.items()}
        assert_close(moved, wanted, name=f"how far the parameters have moved in {dtype}")


@pytest.mark.stage("whole")
def test_autocast_step_works_with_your_own_scaler(learner, probe):
    state = two_layers(probe)
    model, (x, y), scaler = network(learner, state), batch(probe), learner.DynamicLossScaler(4.0, growth_interval=1)
    loss = learner.autocast_step(model, mse(learner), sgd(learner, model), scaler, x, y)
    losses, parameters = step_here(state, x, y, torch.bfloat16)
    assert_close(single(loss), losses[0], name="the loss")
    assert_close(dict(model.state_dict()), parameters, name="the parameters")
    assert_close(scaler.get_scale(), 8.0, name="the scale")


@pytest.mark.stage("shape")
def test_find_overflow_returns_a_dict_of_counts(learner, probe):
    found = learner.find_overflow({"a": 1e6 * probe.tensor("N D"), "b": probe.tensor("N")})
    assert isinstance(found, dict) and list(found) == ["a"], "the names are those of tensors that overflow"
    assert type(found["a"]) is int, "a count is an int"


@pytest.mark.visible
def test_find_overflow_of_a_case_computed_by_hand(learner):
    tensors = {"w": torch.tensor([7e4, -2.0, -8e4]), "b": torch.tensor([300.0, 0.1])}
    assert_close(learner.find_overflow(tensors), {"w": 2})
    assert_close(learner.find_overflow(tensors, scale=256.0), {"w": 2, "b": 1})
    assert_close(learner.find_overflow(tensors, dtype=torch.bfloat16), {})


def test_find_overflow_counts_every_entry_of_either_sign(learner, probe):
    x = probe.tensor(probe.extreme("B N D"))
    expected = int((x.abs() * 500.0 > 65520.0).sum())
    tensors = {"x": x, "y": 0.01 * x, "vanishes": 1e-30 * x, "many": torch.full((61, 67), -1e9)}
    assert_close(learner.find_overflow(tensors, scale=500.0), {"x": expected, "many": 61 * 67})


def test_find_overflow_counts_what_was_inf_or_nan_before(learner):
    x = torch.tensor([float("inf"), 1.0, float("nan"), -float("inf")])
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        assert_close(learner.find_overflow({"x": x, "fine": x[1:2]}, dtype=dtype), {"x": 3}, name=f"in {dtype}")


def test_find_overflow_knows_the_range_of_each_dtype(learner):
    x = {"x": torch.tensor([1e5, 1e39, -1e300, 2.0], dtype=torch.float64)}
    for dtype, count in ((torch.float16, 3), (torch.bfloat16, 2), (torch.float32, 2), (torch.float64, 0)):
        assert_close(learner.find_overflow(x, dtype=dtype), {"x": count} if count else {}, name=f"in {dtype}")


def test_find_overflow_lets_pass_what_rounds_to_the_largest_number(learner):
    x = torch.tensor([65504.0, 65510.0, -65519.0, 65521.0, -65530.0])
    assert_close(learner.find_overflow({"x": x}), {"x": 2})


def test_find_overflow_scales_before_it_converts(learner):
    x = torch.tensor([1e5, -3e6, 20.0])
    assert_close(learner.find_overflow({"x": x}, scale=0.1), {"x": 1})
    half = torch.tensor([60000.0, 3.0], dtype=torch.float16)
    assert_close(learner.find_overflow({"x": half}, dtype=torch.bfloat16, scale=2.0), {"x": 1}, name="from float16")


def test_find_overflow_passes_over_parameters_without_a_gradient(learner):
    tensors = {"a": None, "b": torch.tensor([1e9]), "c": None}
    assert_close(learner.find_overflow(tensors), {"b": 1})
    assert_close(learner.find_overflow({"a": None}), {})


@pytest.mark.stage("whole")
def test_find_overflow_equals_the_reference_in_the_order_given(learner, reference, probe):
    names = [f"layer{i}" for i in probe.permutation(7)]
    tensors = {name: 10.0 ** (i - 1) * probe.tensor(probe.extreme("N D")) for i, name in enumerate(names)}
    in_order = made(learner, "lambda function, *given: list(function(*given).items())")
    for dtype in (torch.float16, torch.bfloat16):
        for scale in (probe.scalar(0.1, 0.9), probe.scalar(5.0, 90.0), 1e32):
            found = in_order(learner.find_overflow, tensors, dtype, scale)
            expected = list(reference.find_overflow(tensors, dtype, scale).items())
            assert_close(found, expected, name="the names and counts in their order")


@pytest.mark.stage("robust")
def test_find_overflow_of_single_numbers_and_of_nothing(learner):
    tensors = {"one": torch.tensor(-1e9), "none": torch.zeros(0, 3), "zero": torch.tensor(0.0)}
    assert_close(learner.find_overflow(tensors), {"one": 1})
    assert_close(learner.find_overflow({}), {})
