"""Hidden checks of the normalization layers, forward and backward."""

import pytest
import torch
import torch.nn.functional as F

from autograder.testing import assert_close, assert_gradients, assert_shape, there

DTYPES = (torch.float32, torch.float64)
CACHE = {"xhat", "inv_std", "gamma"}


def tensor(probe, *spec, dtype=torch.float64):
    return probe.tensor(*spec, dtype=dtype)


def positive(probe, spec, dtype=torch.float64):
    return probe.tensor(probe.uniform(spec, 0.3, 3.0), dtype=dtype)


def batch(probe, dtype=torch.float64):
    """Rows whose features have means and deviations of their own; scale, shift and running statistics."""
    probe.size("N", at_least=3)
    x = tensor(probe, "N D", dtype=dtype) * positive(probe, "D", dtype) + 2.0 * tensor(probe, "D", dtype=dtype)
    return x, *scale_and_shift(probe, dtype), tensor(probe, "D", dtype=dtype), positive(probe, "D", dtype)


def scale_and_shift(probe, dtype=torch.float64, spec="D"):
    return tensor(probe, spec, dtype=dtype), tensor(probe, spec, dtype=dtype)


def large_eps(probe):
    return probe.scalar(0.05, 0.9)


def standardized(rows, eps):
    """(x - mean) / √(var + eps) of every column, from its definition."""
    deviations = rows - rows.sum(0) / len(rows)
    return deviations / torch.sqrt((deviations * deviations).sum(0) / len(rows) + eps)


def assert_cache(cache, shapes, dtype):
    assert isinstance(cache, dict) and set(cache) == CACHE, "the cache holds xhat, inv_std and gamma, and nothing else"
    for name, shape in shapes.items():
        assert_shape(cache[name], shape, dtype, name=f"cache[{name!r}]")


def assert_three_gradients(gradients, x, gamma):
    assert isinstance(gradients, tuple | list) and len(gradients) == 3, "the gradients are dx, dgamma and dbeta"
    for name, gradient, like in zip(("dx", "dgamma", "dbeta"), gradients, (x, gamma, gamma), strict=True):
        assert_shape(gradient, like.shape, like.dtype, name=name)


def by_autograd(function, inputs, dy):
    """The gradients of sum(function(*inputs) · dy) as torch finds them."""
    leaves = [value.clone().requires_grad_() for value in inputs]
    return torch.autograd.grad(function(*leaves), leaves, dy)


def laid_out_otherwise(function, x, *rest):
    """What a function makes of a tensor whose last axis is not the one that lies together in memory. It runs where that does."""
    return function(x.transpose(1, -1).contiguous().transpose(1, -1), *rest)


# batchnorm_forward


@pytest.mark.stage("shape")
def test_batchnorm_forward_returns_y_a_cache_and_two_statistics(learner, probe):
    for dtype in DTYPES:
        x, gamma, *rest = batch(probe, dtype)
        for training in (True, False):
            result = learner.batchnorm_forward(x, gamma, *rest, training=training, momentum=0.3, eps=0.2)
            assert isinstance(result, tuple | list) and len(result) == 4, "four things are returned"
            y, cache, mean, var = result
            assert_shape(y, x.shape, dtype, name="y")
            assert_shape(mean, gamma.shape, dtype, name="the running mean")
            assert_shape(var, gamma.shape, dtype, name="the running variance")
            if training:
                assert_cache(cache, {"xhat": x.shape, "inv_std": gamma.shape, "gamma": gamma.shape}, dtype)


def test_batchnorm_forward_standardizes_every_feature_over_the_rows(learner, probe):
    x, *rest = batch(probe)
    _, cache, *_ = learner.batchnorm_forward(x, *rest, training=True, eps=0.0)
    assert_close(cache["xhat"][0], -cache["xhat"][1:].sum(0), name="xhat of a row (all rows add up to 0)")
    assert_close((cache["xhat"] ** 2).mean(0), torch.ones(x.shape[1], dtype=x.dtype), name="the variances of xhat")


def test_batchnorm_forward_adds_eps_to_the_biased_variance(learner, probe):
    x, *rest = batch(probe)
    eps = large_eps(probe)
    _, cache, *_ = learner.batchnorm_forward(x, *rest, training=True, eps=eps)
    var = ((x - x.mean(0)) ** 2).sum(0) / len(x)
    assert_close(cache["inv_std"], 1.0 / torch.sqrt(var + eps), name="inv_std")
    assert_close(cache["xhat"], standardized(x, eps), name="xhat")


def test_batchnorm_forward_scales_and_shifts_every_feature(learner, probe):
    x, gamma, beta, *running = batch(probe)
    eps = large_eps(probe)
    y, cache, *_ = learner.batchnorm_forward(x, gamma, beta, *running, training=True, eps=eps)
    assert_close(y, standardized(x, eps) * gamma + beta, name="y")
    assert_close(cache["gamma"], gamma, name="gamma in the cache")


def test_batchnorm_forward_moves_the_running_mean_by_its_momentum(learner, probe):
    x, gamma, beta, mean, var = batch(probe)
    for share in (probe.scalar(0.1, 0.9, away_from=0.5), 0.0, 1.0):
        _, _, new, _ = learner.batchnorm_forward(x, gamma, beta, mean, var, training=True, momentum=share)
        assert_close(new, (1 - share) * mean + share * x.sum(0) / len(x), name="the new running mean")


def test_batchnorm_forward_moves_the_running_variance_towards_the_unbiased_one(learner, probe):
    x, gamma, beta, mean, var = batch(probe)
    share = probe.scalar(0.1, 0.9, away_from=0.5)
    _, _, _, new = learner.batchnorm_forward(x, gamma, beta, mean, var, training=True, momentum=share, eps=0.5)
    unbiased = ((x - x.mean(0)) ** 2).sum(0) / (len(x) - 1)
    assert_close(new, (1 - share) * var + share * unbiased, name="the new running variance")


def test_batchnorm_forward_in_evaluation_uses_the_running_statistics(learner, probe):
    x, gamma, beta, mean, var = batch(probe)
    eps = large_eps(probe)
    y, *_ = learner.batchnorm_forward(x, gamma, beta, mean, var, training=False, eps=eps)
    assert_close(y, gamma * (x - mean) / torch.sqrt(var + eps) + beta, name="y")


def test_batchnorm_forward_in_evaluation_leaves_the_running_statistics(learner, probe):
    x, gamma, beta, mean, var = batch(probe)
    _, _, new_mean, new_var = learner.batchnorm_forward(x, gamma, beta, mean, var, training=False, momentum=0.6)
    assert_close(new_mean, mean, name="the running mean")
    assert_close(new_var, var, name="the running variance")


@pytest.mark.stage("whole")
def test_batchnorm_forward_equals_the_reference_in_training(learner, reference, probe):
    given, options = batch(probe), {"training": True, "momentum": probe.scalar(0.2, 0.8, 0.5), "eps": large_eps(probe)}
    assert_close(learner.batchnorm_forward(*given, **options), reference.batchnorm_forward(*given, **options))


@pytest.mark.stage("whole")
def test_batchnorm_forward_is_that_of_torch(learner, probe):
    for dtype in DTYPES:
        x, gamma, beta, mean, var = batch(probe, dtype)
        for training in (True, False):
            share, eps = probe.scalar(0.2, 0.8, 0.5), large_eps(probe)
            mean_there, var_there = mean.clone(), var.clone()
            expected = F.batch_norm(x, mean_there, var_there, gamma, beta, training, share, eps)
            y, _, new_mean, new_var = learner.batchnorm_forward(x, gamma, beta, mean, var, training, share, eps)
            assert_close([y, new_mean, new_var], [expected, mean_there, var_there])


@pytest.mark.stage("robust")
def test_batchnorm_forward_of_two_rows(learner, reference, probe):
    x, *rest = batch(probe)
    x, options = x[:2], {"training": True, "momentum": 0.7, "eps": 0.2}
    assert_close(learner.batchnorm_forward(x, *rest, **options), reference.batchnorm_forward(x, *rest, **options))


@pytest.mark.stage("robust")
def test_batchnorm_forward_refuses_one_row_in_training_only(learner, reference, probe):
    x, *rest = batch(probe)
    with pytest.raises(ValueError):
        learner.batchnorm_forward(x[:1], *rest, training=True)
    y, *_ = learner.batchnorm_forward(x[:1], *rest, training=False)
    assert_close(y, reference.batchnorm_forward(x, *rest, training=False)[0][:1], name="y of one row in evaluation")


@pytest.mark.stage("robust")
def test_batchnorm_forward_of_a_constant_feature_is_its_shift(learner, probe):
    x, gamma, beta, *running = batch(probe)
    x[:, 0] = 2.0
    y, *_ = learner.batchnorm_forward(x, gamma, beta, *running, training=True)
    assert_close(y[:, 0], beta[0].expand(len(x)), name="the constant feature")


@pytest.mark.stage("robust")
def test_batchnorm_forward_survives_a_mean_far_from_zero(learner, reference, probe):
    x, *rest = batch(probe)
    expected, *_ = reference.batchnorm_forward(x, *rest, training=True)
    assert_close(learner.batchnorm_forward(x + 2.0**14, *rest, training=True)[0], expected, dtype=False)


@pytest.mark.stage("robust")
def test_batchnorm_forward_has_the_defaults_of_torch(learner, probe):
    x, gamma, beta, mean, var = batch(probe)
    x, var = 3e-3 * x, 1e-5 * var  # small enough for eps to show
    for training in (True, False):
        mean_there, var_there = mean.clone(), var.clone()
        expected = F.batch_norm(x, mean_there, var_there, gamma, beta, training)
        y, _, new_mean, new_var = learner.batchnorm_forward(x, gamma, beta, mean, var, training)
        assert_close([y, new_mean, new_var], [expected, mean_there, var_there])


@pytest.mark.stage("robust")
def test_batchnorm_forward_of_batch_after_batch_follows_torch(learner, probe):
    x, gamma, beta, mean, var = batch(probe)
    there = torch.nn.BatchNorm1d(len(gamma), momentum=0.3, dtype=x.dtype)
    mean, var = there.running_mean.clone(), there.running_var.clone()
    for _ in range(4):
        x = 2.0 * tensor(probe, "N D") + tensor(probe, "D")
        there(x)
        _, _, mean, var = learner.batchnorm_forward(x, gamma, beta, mean, var, training=True, momentum=0.3)
    assert_close([mean, var], [there.running_mean, there.running_var])


@pytest.mark.stage("robust")
def test_batchnorm_forward_of_one_feature(learner, reference, probe):
    x, *rest = batch(probe)
    given, options = (x[:, :1], *(value[:1] for value in rest)), {"training": True, "momentum": 0.3, "eps": 0.2}
    assert_close(learner.batchnorm_forward(*given, **options), reference.batchnorm_forward(*given, **options))


@pytest.mark.stage("robust")
def test_batchnorm_forward_of_a_large_batch_and_of_a_square_one(learner, reference, probe):
    for rows in (300, probe.size("D")):
        x, *rest = tensor(probe, rows, "D"), *scale_and_shift(probe), tensor(probe, "D"), positive(probe, "D")
        for training in (True, False):
            given = (x, *rest, training, 0.3, 0.2)
            found, expected = learner.batchnorm_forward(*given), reference.batchnorm_forward(*given)
            assert_close([found[0], *found[2:]], [expected[0], *expected[2:]], terms=rows)


# batchnorm_backward


def batch_cache(reference, probe, dtype=torch.float64, rows=None):
    """What goes into the backward pass: dy and the reference's cache; and the x, gamma, beta and eps behind it."""
    x, gamma, beta, *running = batch(probe, dtype)
    x, eps = x[:rows], large_eps(probe)
    _, cache, *_ = reference.batchnorm_forward(x, gamma, beta, *running, training=True, eps=eps)
    return tensor(probe, "N D", dtype=dtype)[:rows], cache, (x, gamma, beta), eps


@pytest.mark.stage("shape")
def test_batchnorm_backward_returns_gradients_shaped_like_x_gamma_and_beta(learner, reference, probe):
    for dtype in DTYPES:
        dy, cache, (x, gamma, _), _ = batch_cache(reference, probe, dtype)
        assert_three_gradients(learner.batchnorm_backward(dy, cache), x, gamma)


def test_batchnorm_backward_sums_dbeta_over_the_rows(learner, reference, probe):
    dy, cache, *_ = batch_cache(reference, probe)
    assert_close(learner.batchnorm_backward(dy, cache)[2], torch.ones(len(dy), dtype=dy.dtype) @ dy, name="dbeta")


def test_batchnorm_backward_sums_dgamma_over_the_rows(learner, reference, probe):
    dy, cache, *_ = batch_cache(reference, probe)
    _, dgamma, _ = learner.batchnorm_backward(dy, cache)
    assert_close(dgamma, torch.einsum("nd,nd->d", dy, cache["xhat"]), name="dgamma")


def test_batchnorm_backward_of_a_case_computed_by_hand(learner):
    cache = {"xhat": torch.tensor([[-0.5, 0.0], [0.0, 1.0], [0.5, -1.0]])}
    cache |= {"inv_std": torch.tensor([0.5, 2.0]), "gamma": torch.tensor([4.0, -1.0])}
    dx, dgamma, dbeta = learner.batchnorm_backward(torch.tensor([[1.0, 2.0], [3.0, -1.0], [8.0, -4.0]]), cache)
    assert_close(dgamma, torch.tensor([3.5, 3.0]), name="dgamma")
    assert_close(dbeta, torch.tensor([12.0, -3.0]), name="dbeta")
    # dy - 4 - x̂ · 3.5 / 3, times 4 · 0.5, and dy + 1 - x̂ · 3 / 3, times -1 · 2
    assert_close(dx, torch.tensor([[-29.0 / 6, -6.0], [-2.0, 2.0], [41.0 / 6, 4.0]]), name="dx")


def test_batchnorm_backward_ignores_in_dx_what_all_rows_of_dy_have_in_common(learner, reference, probe):
    dy, cache, *_ = batch_cache(reference, probe)
    dx, *_ = learner.batchnorm_backward(dy, cache)
    assert_close(learner.batchnorm_backward(dy + tensor(probe, "D"), cache)[0], dx, name="dx")


def test_batchnorm_backward_sends_no_gradient_to_the_sum_of_the_rows(learner, reference, probe):
    dy, cache, *_ = batch_cache(reference, probe)
    dx, *_ = learner.batchnorm_backward(dy, cache)
    assert_close(dx[0], -dx[1:].sum(0), name="dx of a row (all rows add up to 0)")


def test_batchnorm_backward_passes_dy_times_gamma_over_the_deviation(learner, reference, probe):
    dy, cache, *_ = batch_cache(reference, probe)
    dy = dy - dy.mean(0)
    dy = dy - cache["xhat"] * (dy * cache["xhat"]).sum(0) / (cache["xhat"] ** 2).sum(0)  # nothing for mean and variance
    dx, *_ = learner.batchnorm_backward(dy, cache)
    assert_close(dx, cache["gamma"] * cache["inv_std"] * dy, name="dx")


@pytest.mark.stage("whole")
def test_batchnorm_backward_equals_the_reference(learner, reference, probe):
    dy, cache, *_ = batch_cache(reference, probe)
    assert_close(learner.batchnorm_backward(dy, cache), reference.batchnorm_backward(dy, cache))


@pytest.mark.stage("whole")
def test_batchnorm_backward_gives_the_gradients_of_autograd(learner, reference, probe):
    for dtype in DTYPES:
        dy, cache, inputs, eps = batch_cache(reference, probe, dtype)
        expected = by_autograd(lambda x, g, b, eps=eps: F.batch_norm(x, None, None, g, b, True, 0.1, eps), inputs, dy)
        assert_close(learner.batchnorm_backward(dy, cache), expected)


@pytest.mark.stage("whole")
def test_batchnorm_backward_gives_the_slopes_of_the_forward_pass(learner, reference, probe):
    inputs, eps, dy = (tensor(probe, 5, 3), *scale_and_shift(probe, spec="3")), large_eps(probe), tensor(probe, 5, 3)

    def forward(x, gamma, beta):
        zeros = torch.zeros_like(gamma)
        return reference.batchnorm_forward(x, gamma, beta, zeros, zeros, training=True, eps=eps)[:2]

    gradients = learner.batchnorm_backward(dy, forward(*inputs)[1])
    assert_gradients(lambda *given: forward(*given)[0], inputs, gradients, dy, names=("x", "gamma", "beta"))


@pytest.mark.stage("whole")
@pytest.mark.task("batchnorm_backward")
def test_batchnorm_backward_understands_the_cache_of_your_own_forward(learner, reference, probe):
    dy, cache, inputs, eps = batch_cache(reference, probe)
    zeros = torch.zeros_like(inputs[1])
    _, own, *_ = learner.batchnorm_forward(*inputs, zeros, zeros, training=True, eps=eps)
    assert_close(learner.batchnorm_backward(dy, own), reference.batchnorm_backward(dy, cache))


@pytest.mark.stage("robust")
def test_batchnorm_backward_of_two_rows(learner, reference, probe):
    dy, cache, *_ = batch_cache(reference, probe, rows=2)
    assert_close(learner.batchnorm_backward(dy, cache), reference.batchnorm_backward(dy, cache))


@pytest.mark.stage("robust")
def test_batchnorm_backward_of_one_feature(learner, reference, probe):
    dy, cache, *_ = batch_cache(reference, probe)
    dy, cache = dy[:, :1], {name: value[..., :1] for name, value in cache.items()}
    assert_close(learner.batchnorm_backward(dy, cache), reference.batchnorm_backward(dy, cache))


@pytest.mark.stage("robust")
def test_batchnorm_backward_where_a_scale_is_zero(learner, reference, probe):
    dy, cache, *_ = batch_cache(reference, probe)
    cache["gamma"][0] = 0.0
    assert_close(learner.batchnorm_backward(dy, cache), reference.batchnorm_backward(dy, cache))


@pytest.mark.stage("robust")
def test_batchnorm_backward_of_a_large_batch_and_of_a_square_one(learner, reference, probe):
    for rows in (300, probe.size("D")):
        x, gamma, beta, dy = tensor(probe, rows, "D"), *scale_and_shift(probe), tensor(probe, rows, "D")
        _, cache, *_ = reference.batchnorm_forward(x, gamma, beta, beta, gamma, training=True, eps=0.2)
        found, expected = learner.batchnorm_backward(dy, cache), reference.batchnorm_backward(dy, cache)
        assert_close(found, expected, terms=rows)


# layernorm_forward


def rows(probe, spec, dtype=torch.float64):
    """Rows with means and deviations of their own."""
    probe.size("D", at_least=3)
    x = tensor(probe, f"{spec} D", dtype=dtype)
    return x * positive(probe, f"{spec} 1", dtype) + 2.0 * tensor(probe, f"{spec} 1", dtype=dtype)


@pytest.mark.stage("shape")
def test_layernorm_forward_returns_y_and_a_cache(learner, probe):
    for dtype in DTYPES:
        for spec in ("N", "B T"):
            x, (gamma, beta) = rows(probe, spec, dtype), scale_and_shift(probe, dtype)
            result = learner.layernorm_forward(x, gamma, beta, eps=0.2)
            assert isinstance(result, tuple | list) and len(result) == 2, "y and a cache are returned"
            assert_shape(result[0], x.shape, dtype, name="y")
            shapes = {"xhat": x.shape, "inv_std": (*x.shape[:-1], 1), "gamma": gamma.shape}
            assert_cache(result[1], shapes, dtype)


def test_layernorm_forward_standardizes_every_row_over_its_features(learner, probe):
    x, (gamma, beta) = rows(probe, "N"), scale_and_shift(probe)
    _, cache = learner.layernorm_forward(x, gamma, beta, eps=0.0)
    assert_close(cache["xhat"][:, 0], -cache["xhat"][:, 1:].sum(-1), name="xhat of a feature (a row adds up to 0)")
    assert_close((cache["xhat"] ** 2).mean(-1), torch.ones(len(x), dtype=x.dtype), name="the variances of xhat")


def test_layernorm_forward_adds_eps_to_the_biased_variance(learner, probe):
    x, (gamma, beta), eps = rows(probe, "N"), scale_and_shift(probe), large_eps(probe)
    _, cache = learner.layernorm_forward(x, gamma, beta, eps=eps)
    var = ((x - x.mean(-1, keepdim=True)) ** 2).sum(-1, keepdim=True) / x.shape[-1]
    assert_close(cache["inv_std"], 1.0 / torch.sqrt(var + eps), name="inv_std")
    assert_close(cache["xhat"], standardized(x.T, eps).T.contiguous(), name="xhat")


def test_layernorm_forward_scales_and_shifts_every_feature(learner, probe):
    x, (gamma, beta), eps = rows(probe, "N"), scale_and_shift(probe), large_eps(probe)
    y, cache = learner.layernorm_forward(x, gamma, beta, eps=eps)
    assert_close(y, standardized(x.T, eps).T * gamma + beta, name="y")
    assert_close(cache["gamma"], gamma, name="gamma in the cache")


def test_layernorm_forward_treats_every_row_by_itself(learner, probe):
    x, (gamma, beta) = rows(probe, "B T"), scale_and_shift(probe)
    y, _ = learner.layernorm_forward(x, gamma, beta, eps=0.2)
    alone, _ = learner.layernorm_forward(x[1, 1], gamma, beta, eps=0.2)
    assert_close(alone, y[1, 1], name="y of one row alone")


@pytest.mark.stage("whole")
def test_layernorm_forward_equals_the_reference(learner, reference, probe):
    x, (gamma, beta), eps = rows(probe, "B T"), scale_and_shift(probe), large_eps(probe)
    expected = reference.layernorm_forward(x, gamma, beta, eps=eps)
    assert_close(learner.layernorm_forward(x, gamma, beta, eps=eps), expected)


@pytest.mark.stage("whole")
def test_layernorm_forward_is_that_of_torch(learner, probe):
    for dtype in DTYPES:
        x, (gamma, beta), eps = rows(probe, "B T", dtype), scale_and_shift(probe, dtype), large_eps(probe)
        y, _ = learner.layernorm_forward(x, gamma, beta, eps)
        assert_close(y, F.layer_norm(x, gamma.shape, gamma, beta, eps), name="y")


@pytest.mark.stage("robust")
def test_layernorm_forward_of_a_single_row_and_of_many_axes(learner, reference, probe):
    gamma, beta = scale_and_shift(probe)
    for spec in ("2 3 4 D", "B D D", "D D", "1 D", "D"):
        x = tensor(probe, spec)
        expected = reference.layernorm_forward(x, gamma, beta, eps=0.2)
        assert_close(learner.layernorm_forward(x, gamma, beta, eps=0.2), expected)


@pytest.mark.stage("robust")
def test_layernorm_forward_of_a_constant_row_is_the_shift(learner, probe):
    x, (gamma, beta) = rows(probe, "N"), scale_and_shift(probe)
    x[0] = 2.0
    assert_close(learner.layernorm_forward(x, gamma, beta)[0][0], beta, name="the constant row")


@pytest.mark.stage("robust")
def test_layernorm_forward_survives_a_mean_far_from_zero(learner, reference, probe):
    x, (gamma, beta) = rows(probe, "N"), scale_and_shift(probe)
    expected, _ = reference.layernorm_forward(x, gamma, beta)
    assert_close(learner.layernorm_forward(x + 2.0**14, gamma, beta)[0], expected)


@pytest.mark.stage("robust")
def test_layernorm_forward_has_the_default_eps_of_torch(learner, probe):
    x, (gamma, beta) = 3e-3 * rows(probe, "N"), scale_and_shift(probe)
    assert_close(learner.layernorm_forward(x, gamma, beta)[0], F.layer_norm(x, gamma.shape, gamma, beta))


@pytest.mark.stage("robust")
def test_layernorm_forward_of_one_feature_is_the_shift(learner, probe):
    y, _ = learner.layernorm_forward(
        tensor(probe, "N 1"), *scale_and_shift(probe, spec="1")[:1], torch.ones(1).double()
    )
    assert_close(y, torch.ones_like(y))


# layernorm_backward


def layer_cache(reference, probe, spec="N", dtype=torch.float64):
    """What goes into the backward pass: dy and the reference's cache; and the x, gamma, beta and eps behind it."""
    inputs, eps = (rows(probe, spec, dtype), *scale_and_shift(probe, dtype)), large_eps(probe)
    return tensor(probe, f"{spec} D", dtype=dtype), reference.layernorm_forward(*inputs, eps=eps)[1], inputs, eps


@pytest.mark.stage("shape")
def test_layernorm_backward_returns_gradients_shaped_like_x_gamma_and_beta(learner, reference, probe):
    for dtype in DTYPES:
        for spec in ("N", "B T"):
            dy, cache, (x, gamma, _), _ = layer_cache(reference, probe, spec, dtype)
            assert_three_gradients(learner.layernorm_backward(dy, cache), x, gamma)


def test_layernorm_backward_sums_dbeta_over_all_rows(learner, reference, probe):
    for spec, formula in (("N", "nd->d"), ("B T", "btd->d")):
        dy, cache, *_ = layer_cache(reference, probe, spec)
        assert_close(learner.layernorm_backward(dy, cache)[2], torch.einsum(formula, dy), name="dbeta")


def test_layernorm_backward_sums_dgamma_over_all_rows(learner, reference, probe):
    for spec, formula in (("N", "nd,nd->d"), ("B T", "btd,btd->d")):
        dy, cache, *_ = layer_cache(reference, probe, spec)
        _, dgamma, _ = learner.layernorm_backward(dy, cache)
        assert_close(dgamma, torch.einsum(formula, dy, cache["xhat"]), name="dgamma")


def test_layernorm_backward_of_a_case_computed_by_hand(learner):
    cache = {"xhat": torch.tensor([[-1.0, 0.0, 1.0]]), "inv_std": torch.tensor([[0.5]])}
    cache["gamma"] = torch.tensor([2.0, 1.0, -1.0])
    dx, dgamma, dbeta = learner.layernorm_backward(torch.tensor([[3.0, 3.0, -6.0]]), cache)
    assert_close(dgamma, torch.tensor([-3.0, 0.0, -6.0]), name="dgamma")
    assert_close(dbeta, torch.tensor([3.0, 3.0, -6.0]), name="dbeta")
    # γ · dy = 6, 3, 6 has the mean 5, and its product with x̂ the mean 0
    assert_close(dx, torch.tensor([[0.5, -1.0, 0.5]]), name="dx")


def test_layernorm_backward_ignores_in_dx_what_gamma_times_dy_has_in_common(learner, reference, probe):
    dy, cache, (_, gamma, _), _ = layer_cache(reference, probe)
    dx, *_ = learner.layernorm_backward(dy, cache)
    assert_close(learner.layernorm_backward(dy + tensor(probe, "N 1") / gamma, cache)[0], dx, name="dx")


def test_layernorm_backward_sends_no_gradient_to_the_sum_of_a_row(learner, reference, probe):
    dy, cache, *_ = layer_cache(reference, probe)
    dx, *_ = learner.layernorm_backward(dy, cache)
    assert_close(dx[:, 0], -dx[:, 1:].sum(-1), name="dx of a feature (a row adds up to 0)")


def test_layernorm_backward_keeps_the_rows_apart(learner, reference, probe):
    dy, cache, *_ = layer_cache(reference, probe)
    dy[1:] = 0.0
    dx, *_ = learner.layernorm_backward(dy, cache)
    assert_close(dx[1:], dy[1:], name="dx of the rows without a gradient")


@pytest.mark.stage("whole")
def test_layernorm_backward_equals_the_reference(learner, reference, probe):
    dy, cache, *_ = layer_cache(reference, probe, "B T")
    assert_close(learner.layernorm_backward(dy, cache), reference.layernorm_backward(dy, cache))


@pytest.mark.stage("whole")
def test_layernorm_backward_gives_the_gradients_of_autograd(learner, reference, probe):
    for dtype in DTYPES:
        dy, cache, inputs, eps = layer_cache(reference, probe, "B T", dtype)
        expected = by_autograd(lambda x, g, b, eps=eps: F.layer_norm(x, g.shape, g, b, eps), inputs, dy)
        assert_close(learner.layernorm_backward(dy, cache), expected)


@pytest.mark.stage("whole")
def test_layernorm_backward_gives_the_slopes_of_the_forward_pass(learner, reference, probe):
    inputs, eps, dy = (
        (tensor(probe, 2, 3, 5), *scale_and_shift(probe, spec="5")),
        large_eps(probe),
        tensor(probe, 2, 3, 5),
    )
    gradients = learner.layernorm_backward(dy, reference.layernorm_forward(*inputs, eps=eps)[1])
    names = ("x", "gamma", "beta")
    assert_gradients(lambda *given: reference.layernorm_forward(*given, eps=eps)[0], inputs, gradients, dy, names=names)


@pytest.mark.stage("whole")
@pytest.mark.task("layernorm_backward")
def test_layernorm_backward_understands_the_cache_of_your_own_forward(learner, reference, probe):
    dy, cache, inputs, eps = layer_cache(reference, probe, "B T")
    own = learner.layernorm_forward(*inputs, eps=eps)[1]
    assert_close(learner.layernorm_backward(dy, own), reference.layernorm_backward(dy, cache))


@pytest.mark.stage("robust")
def test_layernorm_backward_of_a_single_row_and_of_many_axes(learner, reference, probe):
    gamma, beta = scale_and_shift(probe)
    for spec in ("2 3 4 D", "B D D", "D D", "1 D", "D"):
        x, dy = tensor(probe, spec), tensor(probe, spec)
        cache = reference.layernorm_forward(x, gamma, beta, eps=0.2)[1]
        assert_close(learner.layernorm_backward(dy, cache), reference.layernorm_backward(dy, cache))


@pytest.mark.stage("robust")
def test_layernorm_backward_of_gradients_that_lie_otherwise_in_memory(learner, reference, probe):
    dy, cache, *_ = layer_cache(reference, probe, "B T")
    found = there(learner, laid_out_otherwise)(learner.layernorm_backward, dy, cache)
    assert_close(found, reference.layernorm_backward(dy, cache))


@pytest.mark.stage("robust")
def test_layernorm_backward_where_a_scale_is_zero(learner, reference, probe):
    dy, cache, *_ = layer_cache(reference, probe)
    cache["gamma"][0] = 0.0
    assert_close(learner.layernorm_backward(dy, cache), reference.layernorm_backward(dy, cache))


# groupnorm_forward


def images(probe, dtype=torch.float64):
    """Images whose channels have means and deviations of their own, the number of groups, scale and shift."""
    groups = probe.choice((2, 3))
    channels = probe.fix("C", groups * (5 - groups))  # 2 · 3 or 3 · 2
    x = tensor(probe, "B C Y X", dtype=dtype) * positive(probe, "B C 1 1", dtype)
    x = x + 2.0 * tensor(probe, "B C 1 1", dtype=dtype)
    return x, groups, *scale_and_shift(probe, dtype, str(channels))


@pytest.mark.stage("shape")
def test_groupnorm_forward_keeps_shape_and_dtype(learner, probe):
    for dtype in DTYPES:
        x, *rest = images(probe, dtype)
        assert_shape(learner.groupnorm_forward(x, *rest, eps=0.2), x.shape, dtype)


def test_groupnorm_forward_standardizes_neighbouring_channels_together(learner, probe):
    x, groups, gamma, beta = images(probe)
    eps, size = large_eps(probe), x.shape[1] // groups
    y = learner.groupnorm_forward(x, groups, torch.ones_like(gamma), torch.zeros_like(beta), eps)
    for b in range(len(x)):
        for first in range(0, x.shape[1], size):
            group = slice(first, first + size)
            expected = standardized(x[b, group].flatten(), eps).reshape(x[b, group].shape)
            assert_close(y[b, group], expected, name=f"channels {first} to {first + size - 1} of image {b}")


def test_groupnorm_forward_scales_and_shifts_single_channels(learner, probe):
    x, groups, gamma, beta = images(probe)
    plain = F.group_norm(x, groups, eps=0.2)
    expected = torch.einsum("bcyx,c->bcyx", plain, gamma) + beta.reshape(1, -1, 1, 1)
    assert_close(learner.groupnorm_forward(x, groups, gamma, beta, eps=0.2), expected)


def test_groupnorm_forward_treats_every_image_by_itself(learner, probe):
    x, *rest = images(probe)
    y = learner.groupnorm_forward(x, *rest, eps=0.2)
    assert_close(learner.groupnorm_forward(x[1:2], *rest, eps=0.2), y[1:2], name="y of one image alone")


def test_groupnorm_forward_of_one_group_and_of_groups_of_one_channel(learner, probe):
    x, _, gamma, beta = images(probe)
    for groups in (1, x.shape[1]):
        expected = F.group_norm(x, groups, gamma, beta, 0.2)
        assert_close(learner.groupnorm_forward(x, groups, gamma, beta, eps=0.2), expected, name=f"y of {groups} groups")


def test_groupnorm_forward_adds_eps_under_the_root(learner, probe):
    x = torch.tensor([-1.0, 1.0]).reshape(1, 2, 1, 1)
    y = learner.groupnorm_forward(x, 1, torch.tensor([4.0, 4.0]), torch.tensor([1.0, 2.0]), eps=3.0)
    assert_close(y, torch.tensor([-1.0, 4.0]).reshape(1, 2, 1, 1))


@pytest.mark.stage("whole")
def test_groupnorm_forward_equals_the_reference(learner, reference, probe):
    given, eps = images(probe), large_eps(probe)
    assert_close(learner.groupnorm_forward(*given, eps=eps), reference.groupnorm_forward(*given, eps=eps))


@pytest.mark.stage("whole")
def test_groupnorm_forward_is_that_of_torch(learner, probe):
    for dtype in DTYPES:
        x, groups, gamma, beta = images(probe, dtype)
        eps = large_eps(probe)
        assert_close(learner.groupnorm_forward(x, groups, gamma, beta, eps), F.group_norm(x, groups, gamma, beta, eps))


@pytest.mark.stage("robust")
def test_groupnorm_forward_refuses_groups_that_do_not_divide_the_channels(learner, probe):
    x, _, gamma, beta = images(probe)
    for groups in (4, 12):
        with pytest.raises(ValueError):
            learner.groupnorm_forward(x, groups, gamma, beta)


@pytest.mark.stage("robust")
def test_groupnorm_forward_of_a_constant_image_is_its_shift(learner, probe):
    x, groups, gamma, beta = images(probe)
    expected = beta.reshape(1, -1, 1, 1).expand(x.shape)
    assert_close(learner.groupnorm_forward(torch.full_like(x, 3.0), groups, gamma, beta), expected)


@pytest.mark.stage("robust")
def test_groupnorm_forward_survives_a_mean_far_from_zero(learner, reference, probe):
    x, *rest = images(probe)
    assert_close(learner.groupnorm_forward(x + 2.0**14, *rest), reference.groupnorm_forward(x, *rest))


@pytest.mark.stage("robust")
def test_groupnorm_forward_has_the_default_eps_of_torch(learner, probe):
    x, groups, gamma, beta = images(probe)
    expected = F.group_norm(3e-3 * x, groups, gamma, beta)
    assert_close(learner.groupnorm_forward(3e-3 * x, groups, gamma, beta), expected)


@pytest.mark.stage("robust")
def test_groupnorm_forward_of_single_pixels(learner, reference, probe):
    x, *rest = images(probe)
    x = x[:, :, :1, :1].clone()
    assert_close(learner.groupnorm_forward(x, *rest, eps=0.2), reference.groupnorm_forward(x, *rest, eps=0.2))


@pytest.mark.stage("robust")
def test_groupnorm_forward_of_images_as_wide_or_as_high_as_they_have_channels(learner, probe):
    _, groups, gamma, beta = images(probe)
    for spec in ("B C Y C", "B C C X", "C C C C"):
        x = tensor(probe, spec)
        expected = F.group_norm(x, groups, gamma, beta, 0.2)
        assert_close(learner.groupnorm_forward(x, groups, gamma, beta, eps=0.2), expected)


@pytest.mark.stage("robust")
def test_groupnorm_forward_of_images_that_lie_otherwise_in_memory(learner, reference, probe):
    given = images(probe)  # with their channels last, as convolutions like them
    assert_close(
        there(learner, laid_out_otherwise)(learner.groupnorm_forward, *given), reference.groupnorm_forward(*given)
    )
