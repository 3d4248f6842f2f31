"""Public checks of mixed precision: run `pytest exercises/m06_advanced/test_mixed_precision.py`."""

import pytest
import torch

from autograder.testing import assert_close, assert_shape


def made(module, text):
    """A function written as text, made where the module's code runs."""
    return module.library("builtins").eval(text)


def one_weight(module, lr=0.5, momentum=0.0):
    """A model y = 2 · x, and an optimizer for it."""
    library = module.library("torch")
    model = library.nn.Linear(1, 1, bias=False)
    model.load_state_dict({"weight": torch.tensor([[2.0]])})
    return model, library.optim.SGD(model.parameters(), lr=lr, momentum=momentum)


def round_of(module, model, optimizer, scaler, gradient):
    """One step with this gradient, which is still scaled. The weight and the scale after it."""
    give = made(module, "lambda model, value: setattr(model.weight, 'grad', value)")
    give(model, None if gradient is None else torch.tensor([[gradient]]))
    scaler.step(optimizer)
    scaler.update()
    return model.weight.item(), scaler.get_scale()


@pytest.mark.stage("shape")
def test_dynamic_loss_scaler_scales_a_loss_to_a_single_number(learner):
    scaler = learner.DynamicLossScaler()
    assert_shape(scaler.scale(torch.tensor(0.5)), (), torch.float32)
    assert isinstance(scaler.get_scale(), float), "the scale is a float"


def test_dynamic_loss_scaler_multiplies_the_loss_and_its_gradient(learner):
    scaler, x = learner.DynamicLossScaler(init_scale=32.0), torch.tensor([1.0, -3.0], requires_grad=True)
    slope = made(learner, "lambda scaler, x: [scaler.scale((x**2).sum()).backward(), x.grad][1]")
    assert_close(scaler.scale(torch.tensor(-1.5)), torch.tensor(-48.0), name="the scaled loss")
    assert_close(slope(scaler, x), torch.tensor([64.0, -192.0]), name="the gradient")


def test_dynamic_loss_scaler_steps_with_the_gradient_unscaled(learner):
    model, optimizer = one_weight(learner)
    scaler = learner.DynamicLossScaler(init_scale=8.0)
    assert_close(round_of(learner, model, optimizer, scaler, 24.0), (0.5, 8.0), name="(weight, scale)")


def test_dynamic_loss_scaler_unscales_once_when_it_is_asked_to_before_the_step(learner):
    model, optimizer = one_weight(learner)
    scaler = learner.DynamicLossScaler(init_scale=8.0)
    made(learner, "lambda model: setattr(model.weight, 'grad', model.weight.detach() * 12.0)")(model)
    scaler.unscale_(optimizer)
    assert_close(made(learner, "lambda model: model.weight.grad")(model), torch.tensor([[3.0]]), name="the gradient")
    scaler.step(optimizer)
    assert_close(model.weight.item(), 0.5, name="the weight")


def test_dynamic_loss_scaler_skips_an_overflow_and_backs_off(learner):
    for bad in (float("inf"), float("nan")):
        model, optimizer = one_weight(learner, momentum=0.5)
        scaler = learner.DynamicLossScaler(init_scale=8.0, backoff_factor=0.25)
        assert_close(round_of(learner, model, optimizer, scaler, bad), (2.0, 2.0), name="(weight, scale)")
        assert_close(round_of(learner, model, optimizer, scaler, 4.0), (1.0, 2.0), name="(weight, scale) a step later")


@pytest.mark.stage("whole")
def test_dynamic_loss_scaler_follows_pytorchs(learner, probe):
    options = {"init_scale": 64.0, "growth_factor": 4.0, "backoff_factor": 0.5, "growth_interval": 2}
    (model, optimizer), scaler = one_weight(learner), learner.DynamicLossScaler(**options)
    theirs, parameter = torch.amp.GradScaler("cpu", **options), torch.nn.Parameter(torch.zeros(1))
    their_optimizer = torch.optim.SGD([parameter], lr=0.1)
    for value in probe.uniform(15):
        gradient = float("inf") if value > 0.4 else 1.0
        theirs.scale(parameter.sum())
        parameter.grad = torch.tensor([gradient])
        theirs.step(their_optimizer)
        theirs.update()
        assert_close(round_of(learner, model, optimizer, scaler, gradient)[1], theirs.get_scale(), name="the scale")


@pytest.mark.stage("robust")
def test_dynamic_loss_scaler_refuses_to_unscale_twice(learner):
    _, optimizer = one_weight(learner)
    scaler = learner.DynamicLossScaler(init_scale=8.0)
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError):
        scaler.unscale_(optimizer)


def half_squared(module):
    return made(module, "lambda output, y: (output.float() - y).square().mean() / 2.0")


def step(learner, model, optimizer, scaler, **options):
    """On x = 3 with target 2: the output is 6, the loss 8, its gradient by the weight 12."""
    x, y = torch.tensor([[3.0]]), torch.tensor([[2.0]])
    return learner.autocast_step(model, half_squared(learner), optimizer, scaler, x, y, **options)


@pytest.mark.stage("shape")
def test_autocast_step_returns_a_float_and_leaves_the_parameters_in_float32(learner):
    model, optimizer = one_weight(learner)
    loss = step(learner, model, optimizer, learner.library("torch").amp.GradScaler("cpu"))
    assert isinstance(loss, float), "the loss is a float"
    assert_shape(model.state_dict()["weight"], (1, 1), torch.float32, name="the weight")


def test_autocast_step_runs_the_model_once_in_the_dtype_that_is_asked_for(learner):
    for options, dtype in (({}, torch.bfloat16), ({"dtype": torch.float16}, torch.float16)):
        (model, optimizer), seen = one_weight(learner), []

        def look(module, inputs, output, seen=seen):
            seen.append(output.dtype)

        model.register_forward_hook(look)
        step(learner, model, optimizer, learner.library("torch").amp.GradScaler("cpu"), **options)
        assert_close(seen, [dtype], name="the dtypes of the model's outputs, call by call")


def test_autocast_step_follows_the_gradient_of_this_batch_alone(learner):
    model, optimizer = one_weight(learner, lr=0.25)
    made(learner, "lambda model: setattr(model.weight, 'grad', model.weight.detach() * 99.0)")(model)
    loss = step(learner, model, optimizer, learner.library("torch").amp.GradScaler("cpu", init_scale=4.0))
    assert_close([loss, model.weight.item()], [8.0, 2.0 - 0.25 * 12.0], name="[loss, weight]")


def test_autocast_step_scales_and_updates(learner):
    (model, optimizer), seen = one_weight(learner, lr=0.25), []

    def look(module, of_inputs, of_outputs):
        seen.append(of_outputs[0].detach().float())

    model.register_full_backward_hook(look)
    scaler = learner.library("torch").amp.GradScaler("cpu", init_scale=4.0, growth_interval=1)
    step(learner, model, optimizer, scaler)
    assert_close(seen, [torch.tensor([[4.0 * 4.0]])], name="the gradient of the output on its way back, scaled")
    assert_close(scaler.get_scale(), 8.0, name="the scale after the step")


@pytest.mark.stage("robust")
def test_autocast_step_skips_a_step_that_overflowed(learner):
    model, optimizer = one_weight(learner)
    scaler = learner.library("torch").amp.GradScaler("cpu", init_scale=4.0)
    x, y = torch.tensor([[3.0]]), torch.tensor([[float("inf")]])
    learner.autocast_step(model, half_squared(learner), optimizer, scaler, x, y)
    assert_close([model.weight.item(), scaler.get_scale()], [2.0, 2.0], name="[weight, scale]")


@pytest.mark.stage("shape")
def test_find_overflow_returns_a_dict_of_counts(learner, probe):
    found = learner.find_overflow({"a": 1e6 * probe.tensor("N D"), "b": probe.tensor("N")})
    assert isinstance(found, dict) and list(found) == ["a"], "the names are those of tensors that overflow"
    assert type(found["a"]) is int, "a count is an int"


def test_find_overflow_of_a_case_computed_by_hand(learner):
    tensors = {"w": torch.tensor([7e4, -2.0, -8e4]), "b": torch.tensor([300.0, 0.1]), "frozen": None}
    assert_close(learner.find_overflow(tensors), {"w": 2})
    assert_close(learner.find_overflow(tensors, scale=256.0), {"w": 2, "b": 1})
    assert_close(learner.find_overflow(tensors, dtype=torch.bfloat16), {})


def test_find_overflow_counts_inf_and_nan(learner):
    x = torch.tensor([float("inf"), 1.0, float("nan"), -float("inf")])
    assert_close(learner.find_overflow({"x": x, "fine": x[1:2]}, dtype=torch.bfloat16), {"x": 3})


def test_find_overflow_lets_pass_what_rounds_to_the_largest_number(learner):
    assert_close(learner.find_overflow({"x": torch.tensor([65504.0, 65510.0, 65530.0])}), {"x": 1})


def test_find_overflow_scales_before_it_converts(learner):
    assert_close(learner.find_overflow({"x": torch.tensor([1e5, -3e6, 20.0])}, scale=0.1), {"x": 1})
