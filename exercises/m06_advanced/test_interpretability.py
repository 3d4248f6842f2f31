"""Public checks of the four explanations: run `pytest exercises/m06_advanced/test_interpretability.py`."""

import pytest
import torch

from autograder.testing import assert_close, assert_shape


def made(module, text):
    """A function written as text, made where the module's code runs."""
    return module.library("builtins").eval(text)


LINEAR = "lambda w: lambda x: x.flatten(1) @ w.T"  # scores (N, K) from weights (K, C · Y · X)


def question(learner, probe):
    """A linear model with its weights (K, C, Y, X), images, and a class for each."""
    probe.fix("Y", 4)
    probe.fix("X", 6)
    w, x = probe.tensor("K C Y X"), probe.tensor("N C Y X")
    return made(learner, LINEAR)(w.flatten(1)), w, x, torch.from_numpy(probe.integers("N", high="K"))


def convolution(learner, *more):
    """A convolution 1 x 1 that makes two maps of an image (1, 1, 2), what `more` says, and a linear layer with two classes."""
    nn = learner.library("torch").nn
    model = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), *more, nn.Flatten(), nn.Linear(4, 2, bias=False))
    head = torch.tensor([[1.0, 3.0, -1.0, -3.0], [0.0, 0.0, 8.0, 0.0]])  # mean slopes 2 and -2; 0 and 4
    weight = torch.tensor([2.0, 0.5]).reshape(2, 1, 1, 1)
    model.load_state_dict({"0.weight": weight, f"{len(more) + 2}.weight": head})
    return model


@pytest.mark.stage("shape")
def test_saliency_gives_a_number_for_each_pixel(learner, probe):
    model, _, x, targets = question(learner, probe)
    assert_shape(learner.saliency(model, x, targets), probe.shape("N Y X"), x.dtype)


def test_saliency_of_a_case_computed_by_hand(learner):
    model = made(learner, LINEAR)(torch.tensor([[1.0, -2.0, -3.0, 0.5], [0.0, 7.0, 0.0, -0.0]]))  # 2 channels of 1 x 2
    got = learner.saliency(model, torch.ones(3, 2, 1, 2), torch.tensor([0, 1, 0]))
    assert_close(got, torch.tensor([[[3.0, 2.0]], [[0.0, 7.0]], [[3.0, 2.0]]]))


@pytest.mark.stage("whole")
def test_saliency_of_a_linear_model_is_its_largest_weight(learner, probe):
    model, w, x, targets = question(learner, probe)
    assert_close(learner.saliency(model, x, targets), w[targets].abs().amax(dim=1))


@pytest.mark.stage("robust")
def test_saliency_leaves_no_gradient_in_the_model(learner):
    model, x = convolution(learner), torch.tensor([[[[3.0, -1.0]]]])
    got = learner.saliency(model, x, torch.tensor([1]))
    assert_close(got, torch.tensor([[[4.0, 0.0]]]))
    found = made(learner, "lambda model: [p.grad for p in model.parameters()]")(model)
    assert_close(found, [None, None], name="the .grad of the parameters")


@pytest.mark.stage("shape")
def test_integrated_gradients_gives_a_number_for_each_entry(learner, probe):
    model, _, x, targets = question(learner, probe)
    assert_shape(learner.integrated_gradients(model, x, targets, steps=3), x.shape, x.dtype)


def test_integrated_gradients_of_a_case_computed_by_hand(learner):
    model = made(learner, "lambda x: (x[:, 0, 0, :1] * x[:, 0, 0, 1:])")  # x₀ · x₁: slopes x₁ and x₀
    x, baseline = torch.tensor([[[[2.0, 3.0]]]]), torch.tensor([[[[1.0, -1.0]]]])
    got = learner.integrated_gradients(model, x, torch.tensor([0]), baseline, steps=4)
    assert_close(got, torch.tensor([[[[1.0, 6.0]]]]))  # on the way x₁ is 1 on average and x₀ is 1.5


def test_integrated_gradients_takes_the_middle_of_each_of_its_steps(learner):
    cube = made(learner, "lambda x: x.flatten(1) ** 3")
    x = torch.tensor([[[[2.0]]], [[[-4.0]]]])
    got = learner.integrated_gradients(cube, x, torch.tensor([0, 0]), steps=2)  # slopes 3x² at ¼ and ¾ of the way
    assert_close(got, 3.0 * x**3 * (1.0 / 16.0 + 9.0 / 16.0) / 2.0)


@pytest.mark.stage("whole")
def test_integrated_gradients_of_a_linear_model_are_weights_times_the_way(learner, probe):
    model, w, x, targets = question(learner, probe)
    assert_close(learner.integrated_gradients(model, x, targets), w[targets] * x, name="from zero")
    baseline = probe.tensor("C 1 1")
    got = learner.integrated_gradients(model, x, targets, baseline, steps=3)
    assert_close(got, w[targets] * (x - baseline), name="from a baseline")


@pytest.mark.stage("shape")
def test_grad_cam_gives_a_map_of_the_resolution_of_the_layer(learner, probe):
    model = convolution(learner)
    got = learner.grad_cam(model, model[0], probe.tensor("N 1 1 2"), torch.zeros(probe.size("N"), dtype=torch.int64))
    assert_shape(got, (probe.size("N"), 1, 2), torch.float32)


def test_grad_cam_of_a_case_computed_by_hand(learner):
    model, x = convolution(learner), torch.tensor([[[[3.0, -1.0]]]]).repeat(2, 1, 1, 1)  # maps (6, -2) and (1.5, -0.5)
    got = learner.grad_cam(model, model[0], x, torch.tensor([0, 1]))
    assert_close(got, torch.tensor([[[9.0, 0.0]], [[6.0, 0.0]]]))


@pytest.mark.stage("whole")
def test_grad_cam_leaves_no_hook(learner):
    model, x = convolution(learner), torch.tensor([[[[-3.0, 1.0]]]])
    assert_close(learner.grad_cam(model, model[0], x, torch.tensor([0])), torch.tensor([[[0.0, 3.0]]]))
    hooks = made(learner, "lambda model: [len(module._forward_hooks) for module in model.modules()]")
    assert_close(hooks(model), [0] * 4, name="the hooks left in each module")


@pytest.mark.stage("robust")
def test_grad_cam_in_front_of_a_module_that_works_in_place(learner):
    model, x = convolution(learner, learner.library("torch").nn.ReLU(inplace=True)), torch.tensor([[[[3.0, -1.0]]]])
    # The second position is rectified, so the mean slopes are ½ and -½.
    assert_close(learner.grad_cam(model, model[0], x, torch.tensor([0])), torch.tensor([[[2.25, 0.0]]]))
    model.requires_grad_(False)
    got = learner.grad_cam(model, model[0], x, torch.tensor([0]))
    assert_close(got, torch.tensor([[[2.25, 0.0]]]), name="of a frozen model")


@pytest.mark.stage("shape")
def test_occlusion_map_gives_a_number_for_each_place_of_the_patch(learner, probe):
    model, _, x, targets = question(learner, probe)
    assert_shape(learner.occlusion_map(model, x, targets, 2), (len(x), 3, 5), x.dtype, name="with stride 1")
    assert_shape(learner.occlusion_map(model, x, targets, 3, stride=2), (len(x), 1, 2), x.dtype, name="with stride 2")


def test_occlusion_map_of_a_case_computed_by_hand(learner):
    model = made(learner, LINEAR)(torch.tensor([[1.0, 1.0, 1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 2.0, 0.0, 0.0, 0.0]]))
    x = torch.tensor([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]]).repeat(2, 1, 1, 1)
    got = learner.occlusion_map(model, x, torch.tensor([0, 1]), size=2, value=1.0)
    assert_close(got, torch.tensor([[[12.0 - 4.0, 16.0 - 4.0]], [[0.0, 6.0 - 2.0]]]))


@pytest.mark.stage("whole")
def test_occlusion_map_of_a_linear_model_is_what_the_patch_held(learner, probe):
    model, w, x, targets = question(learner, probe)
    expected = torch.nn.functional.avg_pool2d((w[targets] * x).sum(dim=1), 2, stride=3) * 4.0
    assert_close(learner.occlusion_map(model, x, targets, size=2, stride=3), expected)


@pytest.mark.stage("robust")
def test_occlusion_map_refuses_a_patch_that_does_not_fit(learner, probe):
    model, _, x, targets = question(learner, probe)
    with pytest.raises(ValueError):
        learner.occlusion_map(model, x, targets, size=5)
