"""Hidden checks of the four explanations, on small networks with weights drawn here.

A network lives where the learner's code runs; the same one, made here, is what its answers are held against.
"""

import pytest
import torch

from autograder.testing import assert_close, assert_shape, made, numerical_vjp, there

F64 = torch.float64


def network(state, activation="Tanh", **options):
    """Two convolutions, an activation behind each, and a linear layer; float64 or whatever the state is in."""
    import torch

    nn = torch.nn
    (f, c, *kernel), (g, _, *second), (k, m) = (state[name].shape for name in ("0.weight", "2.weight", "5.weight"))
    active = getattr(nn, activation)
    model = nn.Sequential(
        nn.Conv2d(c, f, kernel),
        active(**options),
        nn.Conv2d(f, g, second),
        active(**options),
        nn.Flatten(),
        nn.Linear(m, k),
    ).to(state["0.weight"].dtype)
    model.load_state_dict(state)
    return model


def weights(probe, dtype=F64):
    """A state for `network`, for images (N, C, Y, X) that become maps (N, F, Y-1, X-2) and (N, G, Y-2, X-3)."""
    y, x = probe.fix("Y", 5), probe.fix("X", 7)
    c, f, g, k = probe.shape("C F G K")
    shapes = {"0.weight": (f, c, 2, 3), "2.weight": (g, f, 2, 2), "5.weight": (k, g * (y - 2) * (x - 3))}
    state = {name: probe.tensor(*shape, dtype=dtype) / shape[1] ** 0.5 for name, shape in shapes.items()}
    return state | {name.replace("weight", "bias"): 0.3 * probe.tensor(s[0], dtype=dtype) for name, s in shapes.items()}


def question(probe, dtype=F64, images="N"):
    """Images, and a class for each."""
    state = weights(probe, dtype)
    n = probe.size(images) if isinstance(images, str) else images
    x = probe.tensor(n, *probe.shape("C Y X"), dtype=dtype)
    return state, x, torch.from_numpy(probe.integers(n, high="K"))


def scores_here(state, x, targets, activation="Tanh"):
    """What the network says for the class that is asked about, on this side."""
    return network(state, activation)(x).gather(1, targets[:, None]).squeeze(1)


def slopes_here(state, x, targets, activation="Tanh"):
    x = x.detach().requires_grad_()
    return torch.autograd.grad(scores_here(state, x, targets, activation).sum(), x)[0]


def gradients_of(model):
    """The .grad of every parameter, whether it requires one, and whether the model is in training mode."""
    parameters = list(model.parameters())
    return [p.grad for p in parameters], [p.requires_grad for p in parameters], model.training


def give_gradients(model, gradients):
    """Set the .grad of every parameter."""
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        parameter.grad = gradient


def assert_only_looks(learner, model, function, *given):
    """The function leaves every .grad as it is, None or not, and the model's mode, and returns what requires no gradient."""
    requires = made(learner, "lambda function, *given: function(*given).requires_grad")
    values = list(dict(model.state_dict()).values())
    model[0].requires_grad_(False)
    required = [i >= 2 for i in range(len(values))]  # the first layer, a weight and a bias, is frozen
    for before in ([None] * len(values), [0.5 - value for value in values]):
        there(learner, give_gradients)(model, before)
        assert_close(requires(function, *given), False, name="whether the result requires a gradient")
        found, flags, training = there(learner, gradients_of)(model)
        assert_close(found, before, name="the .grad of the parameters")
        assert_close(flags, required, name="whether each parameter requires a gradient")
        assert training is True, "the model is in the mode that it was in"
    there(learner, give_gradients)(model, [None] * len(values))


def frozen(learner, state, *options):
    model = there(learner, network)(state, *options)
    model.requires_grad_(False)
    return model


LINEAR = "lambda w: lambda x: x.flatten(1) @ w.T"  # scores (N, K) from weights (K, C · Y · X)


def linear(learner, probe):
    """A linear model with its weights (K, C, Y, X)."""
    w = probe.tensor("K C Y X", dtype=F64)
    return made(learner, LINEAR)(w.flatten(1)), w


def images(probe):
    return probe.tensor("N C Y X", dtype=F64), torch.from_numpy(probe.integers("N", high="K"))


@pytest.mark.stage("shape")
def test_saliency_gives_a_number_for_each_pixel(learner, probe):
    for dtype in (torch.float32, F64):
        state, x, targets = question(probe, dtype)
        got = learner.saliency(there(learner, network)(state), x, targets)
        assert_shape(got, probe.shape("N Y X"), dtype)


@pytest.mark.visible
def test_saliency_of_a_case_computed_by_hand(learner):
    model = made(learner, LINEAR)(torch.tensor([[1.0, -2.0, -3.0, 0.5], [0.0, 7.0, 0.0, -0.0]]))  # 2 channels of 1 x 2
    got = learner.saliency(model, torch.ones(3, 2, 1, 2), torch.tensor([0, 1, 0]))
    assert_close(got, torch.tensor([[[3.0, 2.0]], [[0.0, 7.0]], [[3.0, 2.0]]]))


def test_saliency_takes_the_size_of_the_slope(learner, probe):
    x, targets = images(probe)
    model, w = linear(learner, probe)
    w = w[:, :1]  # one channel
    model = made(learner, LINEAR)(w.flatten(1))
    assert_close(learner.saliency(model, x[:, :1], targets), w[targets, 0].abs())


def test_saliency_takes_the_largest_over_the_channels(learner, probe):
    (x, targets), (model, w) = images(probe), linear(learner, probe)
    assert_close(learner.saliency(model, x, targets), w[targets].abs().amax(dim=1))


def test_saliency_asks_about_the_class_of_each_image(learner, probe):
    (x, targets), (model, w) = images(probe), linear(learner, probe)
    for other in (targets.flip(0), torch.zeros_like(targets), (targets + 1) % probe.size("K")):
        assert_close(
            learner.saliency(model, x, other), w[other].abs().amax(dim=1), name=f"of the classes {other.tolist()}"
        )


def test_saliency_treats_each_image_by_itself(learner, probe):
    state, x, targets = question(probe)
    model = there(learner, network)(state)
    alone = torch.cat([learner.saliency(model, x[i : i + 1], targets[i : i + 1]) for i in range(len(x))])
    expected = slopes_here(state, x, targets).abs().amax(dim=1)
    assert_close(alone, expected, name="the maps of the images one by one")
    assert_close(learner.saliency(model, x, targets), expected, name="the maps of all images together")


def test_saliency_only_looks(learner, probe):
    state, x, targets = question(probe)
    model = there(learner, network)(state)
    assert_only_looks(learner, model, learner.saliency, model, x, targets)
    kept = made(learner, "lambda f, model, x, t: (f(model, x, t), x.grad, x.requires_grad)")
    for requires in (False, True):
        got, grad, flag = kept(learner.saliency, model, x.clone().requires_grad_(requires), targets)
        assert_close(got, slopes_here(state, x, targets).abs().amax(dim=1))
        assert grad is None and flag is requires, "x has no .grad, and requires a gradient only if it did before"


@pytest.mark.stage("whole")
def test_saliency_equals_the_reference(learner, reference, probe):
    for dtype in (torch.float32, F64):
        state, x, targets = question(probe, dtype)
        got = learner.saliency(there(learner, network)(state), x, targets)
        assert_close(got, reference.saliency(there(reference, network)(state), x, targets))


@pytest.mark.stage("whole")
def test_saliency_has_the_size_of_the_slopes_that_are_measured(learner, probe):
    state, x, targets = question(probe, images=2)
    got, model = learner.saliency(there(learner, network)(state), x, targets), network(state)
    for place in ((0, 1, 2), (1, 4, 0), (1, 0, 6)):

        def score(channels, place=place):
            changed = x.clone()
            changed[place[0], :, place[1], place[2]] = channels
            return model(changed)[place[0], targets[place[0]]]

        (slopes,) = numerical_vjp(score, [x[place[0], :, place[1], place[2]]])
        assert_close(got[place].float(), torch.tensor(abs(slopes).max()).float(), name=f"the saliency at {place}")


@pytest.mark.stage("robust")
def test_saliency_of_a_model_with_frozen_parameters(learner, probe):
    state, x, targets = question(probe)
    got = learner.saliency(frozen(learner, state), x, targets)
    assert_close(got, slopes_here(state, x, targets).abs().amax(dim=1))


@pytest.mark.stage("shape")
def test_integrated_gradients_gives_a_number_for_each_entry(learner, probe):
    for dtype in (torch.float32, F64):
        state, x, targets = question(probe, dtype)
        got = learner.integrated_gradients(there(learner, network)(state), x, targets, steps=3)
        assert_shape(got, x.shape, dtype)


@pytest.mark.visible
def test_integrated_gradients_of_a_case_computed_by_hand(learner):
    model = made(learner, "lambda x: (x[:, 0, 0, :1] * x[:, 0, 0, 1:])")  # x₀ · x₁: slopes x₁ and x₀
    x, baseline = torch.tensor([[[[2.0, 3.0]]]]), torch.tensor([[[[1.0, -1.0]]]])
    got = learner.integrated_gradients(model, x, torch.tensor([0]), baseline, steps=4)
    # On the way x₁ is 1 on average and x₀ is 1.5; together 6 + 1.
    assert_close(got, torch.tensor([[[[1.0, 6.0]]]]))


def test_integrated_gradients_of_a_linear_model_are_weights_times_the_way(learner, probe):
    (x, targets), (model, w) = images(probe), linear(learner, probe)
    for steps in (1, 7):
        assert_close(learner.integrated_gradients(model, x, targets, steps=steps), w[targets] * x, name="from zero")
        baseline = probe.tensor("N C Y X", dtype=F64)
        got = learner.integrated_gradients(model, x, targets, baseline, steps)
        assert_close(got, w[targets] * (x - baseline), name="from a baseline")


def test_integrated_gradients_takes_a_baseline_that_broadcasts(learner, probe):
    (x, targets), (model, w) = images(probe), linear(learner, probe)
    for baseline in (
        probe.tensor("C 1 1", dtype=F64),
        probe.tensor("1 C Y X", dtype=F64),
        torch.tensor(0.7, dtype=F64),
    ):
        got = learner.integrated_gradients(model, x, targets, baseline=baseline, steps=2)
        assert_close(got, w[targets] * (x - baseline), name=f"from a baseline of shape {tuple(baseline.shape)}")


def test_integrated_gradients_with_one_step_takes_the_slope_half_way(learner, probe):
    state, x, targets = question(probe)
    baseline, model = probe.tensor(*x.shape, dtype=F64), there(learner, network)(state)
    one, two = (learner.integrated_gradients(model, x, targets, baseline, steps=steps) for steps in (1, 2))
    way = x - baseline
    first, half, last = (way * slopes_here(state, baseline + a * way, targets) for a in (0.25, 0.5, 0.75))
    assert_close(one, half, name="the attributions with one step")
    assert_close(two, (first + last) / 2.0, name="the attributions with two steps")


def test_integrated_gradients_takes_the_middle_of_each_of_its_steps(learner, probe):
    state, x, targets = question(probe)
    middles = (1.0 / 6.0, 3.0 / 6.0, 5.0 / 6.0)
    expected = x * sum(slopes_here(state, middle * x, targets) for middle in middles) / 3.0
    assert_close(learner.integrated_gradients(there(learner, network)(state), x, targets, steps=3), expected)


def test_integrated_gradients_takes_fifty_steps_unless_told(learner, probe):
    state, x, targets = question(probe, images=2)
    expected = x * sum(slopes_here(state, (k + 0.5) / 50.0 * x, targets) for k in range(50)) / 50.0
    assert_close(learner.integrated_gradients(there(learner, network)(state), x, targets), expected)


def test_integrated_gradients_takes_as_many_steps_as_it_is_told(learner):
    cubed, x = made(learner, "lambda x: x[:, :, 0, 0] ** 3"), torch.tensor([[[[2.0]]]], dtype=F64)
    steps = 150  # the mean of ((k + ½) / steps)² is ⅓ - 1 / (12 · steps²)
    expected = 8.0 * (1.0 - 0.25 / steps**2) * torch.ones_like(x)
    assert_close(learner.integrated_gradients(cubed, x, torch.tensor([0]), steps=steps), expected)


def test_integrated_gradients_calls_the_model_with_n_images_at_a_time(learner, probe):
    state, x, targets = question(probe)
    model, seen = there(learner, network)(state), []

    def look(module, inputs, output):
        seen.append(len(output))

    model.register_forward_hook(look)
    learner.integrated_gradients(model, x, targets, steps=3)
    assert set(seen) == {len(x)}, f"the model is called with {len(x)} images at a time, not with {seen}"


def test_integrated_gradients_are_complete(learner, probe):
    quadratic = made(learner, "lambda w, v: lambda x: (x.flatten(1) @ w.T) * (x.flatten(1) @ v.T)")
    w, v = probe.tensor("K C Y X", dtype=F64), probe.tensor("K C Y X", dtype=F64)
    (x, targets), baseline = images(probe), probe.tensor("C Y X", dtype=F64)
    got = learner.integrated_gradients(quadratic(w.flatten(1), v.flatten(1)), x, targets, baseline, steps=2)

    def score(x):
        return (w[targets] * x).sum(dim=(1, 2, 3)) * (v[targets] * x).sum(dim=(1, 2, 3))

    expected = score(x) - score(baseline.expand_as(x))
    assert_close(got.sum(dim=(1, 2, 3)), expected, name="the sums of the attributions of each image")


def test_integrated_gradients_only_looks(learner, probe):
    state, x, targets = question(probe)
    model = there(learner, network)(state)
    assert_only_looks(learner, model, learner.integrated_gradients, model, x, targets, None, 2)
    assert_only_looks(learner, model, learner.integrated_gradients, model, x.requires_grad_(), targets, None, 2)


@pytest.mark.stage("whole")
def test_integrated_gradients_equals_the_reference(learner, reference, probe):
    for dtype in (torch.float32, F64):
        state, x, targets = question(probe, dtype)
        given = x, targets, probe.tensor("C Y X", dtype=dtype), 5
        got = learner.integrated_gradients(there(learner, network)(state), *given)
        assert_close(got, reference.integrated_gradients(there(reference, network)(state), *given))


@pytest.mark.stage("whole")
def test_integrated_gradients_of_a_network_sum_to_the_difference_of_scores(learner, probe):
    state, x, targets = question(probe, images=2)
    baseline = torch.full_like(x, 0.2)
    got = learner.integrated_gradients(there(learner, network)(state), x, targets, baseline=baseline, steps=60)
    expected = (scores_here(state, x, targets) - scores_here(state, baseline, targets)).detach()
    off = (got.sum(dim=(1, 2, 3)) - expected).abs().max()
    assert off < 0.02 * got.abs().sum(), (
        "the attributions sum to score(x) - score(baseline) up to the error of the rule"
    )


@pytest.mark.stage("robust")
def test_integrated_gradients_of_a_model_with_frozen_parameters(learner, probe):
    state, x, targets = question(probe)
    got = learner.integrated_gradients(frozen(learner, state), x, targets, steps=1)
    assert_close(got, x * slopes_here(state, x / 2.0, targets))


def cam_here(state, place, x, targets, activation="Tanh"):
    """Grad-CAM of the convolution that stands at `place`, from the two halves of the network."""
    layers = network(state, activation)
    maps = layers[: place + 1](x).detach().requires_grad_()
    scores = layers[place + 1 :](maps).gather(1, targets[:, None]).sum()
    (slopes,) = torch.autograd.grad(scores, maps)
    return torch.einsum("nf,nfyx->nyx", slopes.mean(dim=(2, 3)), maps).clamp_min(0.0).detach()


@pytest.mark.stage("shape")
def test_grad_cam_gives_a_map_of_the_resolution_of_the_layer(learner, probe):
    for dtype in (torch.float32, F64):
        state, x, targets = question(probe, dtype)
        model = there(learner, network)(state)
        n, y, w = probe.shape("N Y X")
        assert_shape(learner.grad_cam(model, model[0], x, targets), (n, y - 1, w - 2), dtype, name="of the first layer")
        assert_shape(
            learner.grad_cam(model, model[2], x, targets), (n, y - 2, w - 3), dtype, name="of the second layer"
        )


def two_maps(weight, head):
    """A convolution 1 x 1 with two maps, and a linear layer behind it."""
    import torch

    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 1, bias=False), torch.nn.Flatten(), torch.nn.Linear(4, 2, bias=False)
    )
    model.load_state_dict({"0.weight": weight.reshape(2, 1, 1, 1), "2.weight": head})
    return model


@pytest.mark.visible
def test_grad_cam_of_a_case_computed_by_hand(learner):
    head = torch.tensor([[1.0, 3.0, -1.0, -3.0], [0.0, 0.0, 4.0, 0.0]])  # mean slopes 2 and -2; 0 and 2
    model = there(learner, two_maps)(torch.tensor([2.0, 0.5]), head)
    x = torch.tensor([[[[3.0, -1.0]]]]).repeat(3, 1, 1, 1)  # maps (6, -2) and (1.5, -0.5)
    got = learner.grad_cam(model, model[0], x, torch.tensor([0, 1, 0]))
    assert_close(got, torch.tensor([[[9.0, 0.0]], [[3.0, 0.0]], [[9.0, 0.0]]]))


def test_grad_cam_weighs_a_map_by_the_mean_slope_and_not_by_each(learner, probe):
    weight, head, x = probe.tensor(2), probe.tensor(2, 4), probe.tensor(3, 1, 1, 2)
    model, targets = there(learner, two_maps)(weight, head), torch.tensor([1, 0, 1])
    slopes = head[targets].reshape(3, 2, 2).mean(dim=2)  # (N, F)
    expected = ((slopes * weight).sum(dim=1)[:, None, None] * x[:, 0]).clamp_min(0.0)
    assert_close(learner.grad_cam(model, model[0], x, targets), expected)


def test_grad_cam_shows_the_layer_that_is_asked_for(learner, probe):
    state, x, targets = question(probe)
    model = there(learner, network)(state)
    for place in (0, 2):
        assert_close(learner.grad_cam(model, model[place], x, targets), cam_here(state, place, x, targets))


def test_grad_cam_asks_about_the_class_of_each_image(learner, probe):
    state, x, targets = question(probe)
    model, others = there(learner, network)(state), (targets + 1) % probe.size("K")
    assert_close(learner.grad_cam(model, model[2], x, others), cam_here(state, 2, x, others))


def test_grad_cam_runs_the_model_once_and_leaves_no_hook(learner, probe):
    state, x, targets = question(probe)
    model, seen = there(learner, network)(state), []

    def look(module, inputs, output):
        seen.append(tuple(output.shape))

    mine = [model[place].register_forward_hook(look) for place in (2, 5)]  # the hooks of others stay
    got = learner.grad_cam(model, model[2], x, targets)
    assert_close(got, cam_here(state, 2, x, targets))
    assert_close(seen[1:], [probe.shape("N K")], name="the shapes of the model's outputs, call by call")
    model(x)
    assert_close(len(seen), 4, name="how often the hooks of others were called, the model's next run included")
    for hook in mine:
        hook.remove()
    hooks = made(learner, "lambda model: [len(m._forward_hooks) + len(m._backward_hooks) for m in model.modules()]")
    assert_close(hooks(model), [0] * 7, name="the hooks left in each module")


def test_grad_cam_only_looks(learner, probe):
    state, x, targets = question(probe)
    model = there(learner, network)(state)
    assert_only_looks(learner, model, learner.grad_cam, model, model[0], x, targets)


@pytest.mark.stage("whole")
def test_grad_cam_equals_the_reference(learner, reference, probe):
    for dtype in (torch.float32, F64):
        state, x, targets = question(probe, dtype)
        mine, theirs = there(learner, network)(state, "ReLU"), there(reference, network)(state, "ReLU")
        got = learner.grad_cam(mine, mine[2], x, targets)
        assert_close(got, reference.grad_cam(theirs, theirs[2], x, targets))


def in_place(state):
    """The same network with rectifiers that work in place."""
    import torch

    nn = torch.nn
    (f, c, *kernel), (g, _, *second), (k, m) = (state[name].shape for name in ("0.weight", "2.weight", "5.weight"))
    layers = nn.Conv2d(c, f, kernel), nn.ReLU(inplace=True), nn.Conv2d(f, g, second), nn.ReLU(inplace=True)
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(m, k)).to(state["0.weight"].dtype)
    model.load_state_dict(state)
    return model


@pytest.mark.stage("robust")
def test_grad_cam_in_front_of_a_module_that_works_in_place(learner, probe):
    state, x, targets = question(probe)
    model = there(learner, in_place)(state)
    for place in (0, 2):
        assert_close(learner.grad_cam(model, model[place], x, targets), cam_here(state, place, x, targets, "ReLU"))


@pytest.mark.stage("robust")
def test_grad_cam_of_a_model_with_frozen_parameters(learner, probe):
    state, x, targets = question(probe)
    model = frozen(learner, state)
    assert_close(learner.grad_cam(model, model[2], x, targets), cam_here(state, 2, x, targets))


@pytest.mark.stage("robust")
def test_grad_cam_takes_its_hook_away_when_the_model_fails(learner, probe):
    state, x, targets = question(probe)
    model = there(learner, network)(state)
    with pytest.raises(RuntimeError):
        learner.grad_cam(model, model[0], x[:, :, :1, :3], targets)  # too small for the layers behind the first
    hooks = made(learner, "lambda model: [len(m._forward_hooks) + len(m._backward_hooks) for m in model.modules()]")
    assert_close(hooks(model), [0] * 7, name="the hooks left in each module")
    assert_close(learner.grad_cam(model, model[0], x, targets), cam_here(state, 0, x, targets))


def losses_here(state, x, targets, size, stride, value):
    """The map in loops."""
    before = scores_here(state, x, targets).detach()
    rows = []
    for top in range(0, x.shape[2] - size + 1, stride):
        row = []
        for left in range(0, x.shape[3] - size + 1, stride):
            covered = x.clone()
            covered[:, :, top : top + size, left : left + size] = value
            row.append(before - scores_here(state, covered, targets).detach())
        rows.append(torch.stack(row, dim=1))
    return torch.stack(rows, dim=1)


@pytest.mark.stage("shape")
def test_occlusion_map_gives_a_number_for_each_place_of_the_patch(learner, probe):
    for dtype in (torch.float32, F64):
        state, x, targets = question(probe, dtype)
        model, (n, y, w) = there(learner, network)(state), probe.shape("N Y X")
        assert_shape(learner.occlusion_map(model, x, targets, 2), (n, y - 1, w - 1), dtype, name="with stride 1")
        got = learner.occlusion_map(model, x, targets, size=3, stride=2)
        assert_shape(got, (n, (y - 3) // 2 + 1, (w - 3) // 2 + 1), dtype, name="with stride 2")


@pytest.mark.visible
def test_occlusion_map_of_a_case_computed_by_hand(learner):
    model = made(learner, LINEAR)(torch.tensor([[1.0, 1.0, 1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 2.0, 0.0, 0.0, 0.0]]))
    x = torch.tensor([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]]).repeat(2, 1, 1, 1)
    got = learner.occlusion_map(model, x, torch.tensor([0, 1]), size=2, value=1.0)
    assert_close(got, torch.tensor([[[12.0 - 4.0, 16.0 - 4.0]], [[0.0, 6.0 - 2.0]]]))


def test_occlusion_map_says_what_the_score_loses(learner, probe):
    (x, targets), (model, w) = images(probe), linear(learner, probe)
    expected = torch.nn.functional.avg_pool2d((w[targets] * x).sum(dim=1), 2, stride=1) * 4.0
    assert_close(learner.occlusion_map(model, x, targets, size=2), expected)


def test_occlusion_map_fills_all_channels_with_the_value(learner, probe):
    (x, targets), (model, w), value = images(probe), linear(learner, probe), probe.scalar(0.3, 2.0)
    expected = torch.nn.functional.avg_pool2d((w[targets] * (x - value)).sum(dim=1), 2, stride=1) * 4.0
    assert_close(learner.occlusion_map(model, x, targets, 2, 1, value), expected)


def test_occlusion_map_moves_the_patch_by_the_stride(learner, probe):
    (x, targets), (model, w) = images(probe), linear(learner, probe)
    lost = (w[targets] * x).sum(dim=1)
    for size, stride in ((1, 2), (2, 3), (1, 1)):
        expected = torch.nn.functional.avg_pool2d(lost, size, stride=stride) * size**2
        got = learner.occlusion_map(model, x, targets, size=size, stride=stride)
        assert_close(got, expected, name=f"with size {size} and stride {stride}")


def test_occlusion_map_asks_about_the_class_of_each_image(learner, probe):
    (x, targets), (model, w) = images(probe), linear(learner, probe)
    others = (targets + 1) % probe.size("K")
    expected = torch.nn.functional.avg_pool2d((w[others] * x).sum(dim=1), 2, stride=1) * 4.0
    assert_close(learner.occlusion_map(model, x, others, 2), expected)


def recorded(occlusion_map, model, *given):
    """The map, and whether gradients were recorded while the model ran."""
    import torch

    seen = set()

    def watched(x):
        seen.add(torch.is_grad_enabled())
        return model(x)

    return occlusion_map(watched, *given).detach(), sorted(seen)


def test_occlusion_map_records_no_gradients(learner, probe):
    state, x, targets = question(probe)
    model = there(learner, network)(state)
    got, seen = there(learner, recorded)(learner.occlusion_map, model, x, targets, 3, 2)
    assert_close(got, losses_here(state, x, targets, 3, 2, 0.0))
    assert_close(seen, [False], name="whether gradients were recorded")
    assert_only_looks(learner, model, learner.occlusion_map, model, x.requires_grad_(), targets, 3, 2)


@pytest.mark.stage("whole")
def test_occlusion_map_equals_the_reference_and_loops(learner, reference, probe):
    for dtype in (torch.float32, F64):
        state, x, targets = question(probe, dtype)
        options = {"size": 2, "stride": 2, "value": probe.scalar(0.2, 1.5)}
        got = learner.occlusion_map(there(learner, network)(state), x, targets, **options)
        assert_close(got, reference.occlusion_map(there(reference, network)(state), x, targets, **options))
        assert_close(got, losses_here(state, x, targets, *options.values()))


@pytest.mark.stage("robust")
def test_occlusion_map_asks_about_several_classes_of_a_single_image(learner, probe):
    w = probe.tensor("K C Y X", dtype=F64)
    image, targets = probe.tensor("1 C Y X", dtype=F64), torch.arange(len(w))
    of_all = made(
        learner, "lambda occlusion_map, model, image, t: occlusion_map(model, image.expand(len(t), -1, -1, -1), t, 1)"
    )
    got = of_all(learner.occlusion_map, made(learner, LINEAR)(w.flatten(1)), image, targets)
    assert_close(got, (w * image).sum(dim=1), name="the maps of one image, expanded, for each class")


@pytest.mark.stage("robust")
def test_occlusion_map_of_a_patch_as_large_as_the_image(learner, probe):
    x, w = probe.tensor("N C 3 3", dtype=F64), probe.tensor("K C 3 3", dtype=F64)
    targets = torch.from_numpy(probe.integers("N", high="K"))
    got = learner.occlusion_map(made(learner, LINEAR)(w.flatten(1)), x, targets, size=3, stride=2)
    assert_close(got, (w[targets] * x).sum(dim=(1, 2, 3))[:, None, None])


@pytest.mark.stage("robust")
def test_occlusion_map_refuses_a_patch_that_does_not_fit(learner, probe):
    model = made(learner, LINEAR)(probe.tensor("K 6"))
    targets = torch.from_numpy(probe.integers("N", high="K"))
    for spec in ("N 1 2 3", "N 1 3 2"):
        with pytest.raises(ValueError):
            learner.occlusion_map(model, probe.tensor(spec), targets, size=3)
