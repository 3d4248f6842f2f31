"""Hidden checks of the initializers, by replay of their draws, and of the statistics of activations.

Where a check measures the root mean square of weights, 40,000 are drawn: its standard error is 0.35 % (normal) or 0.22 %
(uniform), that of the mean 0.5 % of it. The 6 % that are allowed are at least 12 of these: a false alarm in 10^30 runs.
"""

from copy import deepcopy

import numpy as np
import pytest

from autograder.testing import assert_close, assert_shape

MANY = (160, 250)  # 40,000 weights
SEED = 20  # of a generator that stays with the learner's code and moves on from call to call
WRONG_MODES = ("fan_inn", "fan_avg", "FAN_IN", "")


def fans(probe):
    """fan_in and fan_out, never equal, either one the larger."""
    return probe.size("D"), probe.size("M")


def both_ways(probe):
    """A tall shape and a wide one."""
    d, m = sorted(fans(probe))
    return (m, d), (d, m)


def rms(values):
    return np.sqrt(np.mean(values**2))


def draws(kind, rng, *shape):
    """What a generator that was handed over has drawn there: evenly from (-1, 1), or standard normal."""
    rng = deepcopy(rng)
    return rng.uniform(-1.0, 1.0, shape) if kind == "uniform" else rng.standard_normal(shape)


def assert_size(w, expected):
    """What 40,000 weights are like: their root mean square, and a mean near zero."""
    assert abs(rms(w) / expected - 1.0) < 0.06, "the weights have the size that the docstring asks for"
    assert abs(w.mean()) < 0.06 * expected, "the mean of the weights is zero"


# xavier_uniform


@pytest.mark.stage("shape")
def test_xavier_uniform_returns_a_matrix_of_fan_in_by_fan_out(learner, probe):
    for shape in both_ways(probe):
        assert_shape(learner.xavier_uniform(probe.generator(), *shape, probe.scalar(0.3, 3.0)), shape, np.float64)


def test_xavier_uniform_draws_all_weights_at_once_and_evenly(learner, probe):
    rng = probe.generator()
    for shape in both_ways(probe):
        w, drawn = learner.xavier_uniform(rng, *shape), draws("uniform", rng, *shape)
        assert_close(w / rms(w), drawn / rms(drawn), name="the weights, scaled to size 1")


def test_xavier_uniform_reaches_as_far_as_both_fans_say(learner, probe):
    rng = probe.generator()
    for d, m in both_ways(probe):
        w = learner.xavier_uniform(rng, d, m)
        bound = rms(w) / rms(draws("uniform", rng, d, m))
        assert_close(bound, np.sqrt(6.0 / (d + m)), name="how far the weights reach")


def test_xavier_uniform_multiplies_by_the_gain(learner, probe):
    rng, gain, (d, m) = probe.generator(), probe.scalar(0.3, 3.0), fans(probe)
    assert_close(learner.xavier_uniform(rng, d, m, gain=gain), gain * learner.xavier_uniform(rng, d, m, gain=1.0))
    assert_close(learner.xavier_uniform(rng, d, m, gain=0.0), np.zeros((d, m)), name="the weights with a gain of zero")


@pytest.mark.stage("whole")
def test_xavier_uniform_equals_the_reference(learner, reference, probe):
    rng, gain = probe.generator(), probe.scalar(0.3, 3.0)
    for shape in both_ways(probe):
        assert_close(learner.xavier_uniform(rng, *shape, gain), reference.xavier_uniform(rng, *shape, gain))
        assert_close(learner.xavier_uniform(rng, *shape), reference.xavier_uniform(rng, *shape))


@pytest.mark.stage("whole")
def test_xavier_uniform_has_the_variance_of_glorot_and_bengio(learner, probe):
    d, m = MANY
    w = learner.xavier_uniform(probe.generator(), d, m)
    assert_size(w, np.sqrt(2.0 / (d + m)))
    assert np.abs(w).max() <= np.sqrt(6.0 / (d + m)), "no weight lies outside of (-a, a)"


@pytest.mark.stage("robust")
def test_xavier_uniform_goes_on_where_the_generator_stands(learner, probe):
    (d, m), replay = fans(probe), np.random.default_rng(SEED)
    rng = learner.library("numpy").random.default_rng(SEED)
    for _ in range(2):
        bound = np.sqrt(6.0 / (d + m))
        assert_close(learner.xavier_uniform(rng, d, m), replay.uniform(-bound, bound, (d, m)))


@pytest.mark.stage("robust")
def test_xavier_uniform_of_a_single_input_or_unit(learner, reference, probe):
    rng, gain, n = probe.generator(), probe.scalar(0.3, 3.0), probe.size("N")
    for shape in ((1, n), (n, 1), (1, 1)):
        assert_close(learner.xavier_uniform(rng, *shape, gain), reference.xavier_uniform(rng, *shape, gain))


# xavier_normal


@pytest.mark.stage("shape")
def test_xavier_normal_returns_a_matrix_of_fan_in_by_fan_out(learner, probe):
    for shape in both_ways(probe):
        assert_shape(learner.xavier_normal(probe.generator(), *shape, probe.scalar(0.3, 3.0)), shape, np.float64)


def test_xavier_normal_draws_all_weights_at_once_and_normally(learner, probe):
    rng = probe.generator()
    for shape in both_ways(probe):
        w, drawn = learner.xavier_normal(rng, *shape), draws("normal", rng, *shape)
        assert_close(w / rms(w), drawn / rms(drawn), name="the weights, scaled to size 1")


def test_xavier_normal_has_the_standard_deviation_that_both_fans_say(learner, probe):
    rng = probe.generator()
    for d, m in both_ways(probe):
        std = rms(learner.xavier_normal(rng, d, m)) / rms(draws("normal", rng, d, m))
        assert_close(std, np.sqrt(2.0 / (d + m)), name="the factor on the draws")


def test_xavier_normal_multiplies_by_the_gain(learner, probe):
    rng, gain, (d, m) = probe.generator(), probe.scalar(0.3, 3.0), fans(probe)
    assert_close(learner.xavier_normal(rng, d, m, gain=gain), gain * learner.xavier_normal(rng, d, m, gain=1.0))
    assert_close(learner.xavier_normal(rng, d, m, gain=0.0), np.zeros((d, m)), name="the weights with a gain of zero")


@pytest.mark.stage("whole")
def test_xavier_normal_equals_the_reference(learner, reference, probe):
    rng, gain = probe.generator(), probe.scalar(0.3, 3.0)
    for shape in both_ways(probe):
        assert_close(learner.xavier_normal(rng, *shape, gain), reference.xavier_normal(rng, *shape, gain))
        assert_close(learner.xavier_normal(rng, *shape), reference.xavier_normal(rng, *shape))


@pytest.mark.stage("whole")
def test_xavier_normal_has_the_variance_of_glorot_and_bengio(learner, probe):
    d, m = MANY
    rng, std = probe.generator(), np.sqrt(2.0 / (d + m))
    w = learner.xavier_normal(rng, d, m)
    assert_size(w, std)
    assert_close(np.abs(w).max(), std * np.abs(draws("normal", rng, d, m)).max(), name="the largest weight")


@pytest.mark.stage("robust")
def test_xavier_normal_goes_on_where_the_generator_stands(learner, probe):
    (d, m), replay = fans(probe), np.random.default_rng(SEED)
    rng = learner.library("numpy").random.default_rng(SEED)
    for _ in range(2):
        assert_close(learner.xavier_normal(rng, d, m), np.sqrt(2.0 / (d + m)) * replay.standard_normal((d, m)))


@pytest.mark.stage("robust")
def test_xavier_normal_of_a_single_input_or_unit(learner, reference, probe):
    rng, gain, n = probe.generator(), probe.scalar(0.3, 3.0), probe.size("N")
    for shape in ((1, n), (n, 1), (1, 1)):
        assert_close(learner.xavier_normal(rng, *shape, gain), reference.xavier_normal(rng, *shape, gain))


# kaiming_uniform


@pytest.mark.stage("shape")
def test_kaiming_uniform_returns_a_matrix_of_fan_in_by_fan_out(learner, probe):
    for shape in both_ways(probe):
        for mode in ("fan_in", "fan_out"):
            w = learner.kaiming_uniform(probe.generator(), *shape, probe.scalar(0.1, 0.9), mode)
            assert_shape(w, shape, np.float64)


def test_kaiming_uniform_draws_all_weights_at_once_and_evenly(learner, probe):
    rng = probe.generator()
    for shape in both_ways(probe):
        w, drawn = learner.kaiming_uniform(rng, *shape), draws("uniform", rng, *shape)
        assert_close(w / rms(w), drawn / rms(drawn), name="the weights, scaled to size 1")


def test_kaiming_uniform_counts_the_inputs_of_a_unit_by_default(learner, probe):
    rng = probe.generator()
    for d, m in both_ways(probe):
        bound = rms(learner.kaiming_uniform(rng, d, m)) / rms(draws("uniform", rng, d, m))
        assert_close(bound, np.sqrt(6.0 / d), name="how far the weights reach")


def test_kaiming_uniform_counts_the_units_of_an_input_in_mode_fan_out(learner, probe):
    rng = probe.generator()
    for d, m in both_ways(probe):
        bound = rms(learner.kaiming_uniform(rng, d, m, mode="fan_out")) / rms(draws("uniform", rng, d, m))
        assert_close(bound, np.sqrt(6.0 / m), name="how far the weights reach")


def test_kaiming_uniform_makes_up_for_the_slope_of_the_activation(learner, probe):
    rng, slope, (d, m) = probe.generator(), probe.scalar(0.2, 3.0), fans(probe)
    expected = learner.kaiming_uniform(rng, d, m) / np.sqrt(1.0 + slope**2)
    assert_close(learner.kaiming_uniform(rng, d, m, slope=slope), expected)


@pytest.mark.stage("whole")
def test_kaiming_uniform_equals_the_reference(learner, reference, probe):
    rng, slope = probe.generator(), probe.scalar(0.2, 3.0)
    for shape in both_ways(probe):
        for mode in ("fan_in", "fan_out"):
            expected = reference.kaiming_uniform(rng, *shape, slope, mode)
            assert_close(learner.kaiming_uniform(rng, *shape, slope, mode), expected)


@pytest.mark.stage("whole")
def test_kaiming_uniform_has_the_variance_of_he(learner, probe):
    d, m = MANY
    w = learner.kaiming_uniform(probe.generator(), d, m)
    assert_size(w, np.sqrt(2.0 / d))
    assert np.abs(w).max() <= np.sqrt(6.0 / d), "no weight lies outside of (-a, a)"


@pytest.mark.stage("robust")
def test_kaiming_uniform_goes_on_where_the_generator_stands(learner, probe):
    (d, m), replay = fans(probe), np.random.default_rng(SEED)
    rng = learner.library("numpy").random.default_rng(SEED)
    for _ in range(2):
        bound = np.sqrt(6.0 / d)
        assert_close(learner.kaiming_uniform(rng, d, m), replay.uniform(-bound, bound, (d, m)))


@pytest.mark.stage("robust")
def test_kaiming_uniform_refuses_other_modes(learner, probe):
    rng, (d, m) = probe.generator(), fans(probe)
    assert_shape(learner.kaiming_uniform(rng, d, m, 0.3, "fan_out"), (d, m))
    for mode in WRONG_MODES:
        with pytest.raises(ValueError):
            learner.kaiming_uniform(rng, d, m, 0.3, mode)


@pytest.mark.stage("robust")
def test_kaiming_uniform_of_a_single_input_or_unit_and_of_a_slope_below_zero(learner, reference, probe):
    rng, n = probe.generator(), probe.size("N")
    for slope in (probe.scalar(-0.9, -0.2), 0.3):
        for shape in ((1, n), (n, 1), (1, 1)):
            expected = reference.kaiming_uniform(rng, *shape, slope, "fan_out")
            assert_close(learner.kaiming_uniform(rng, *shape, slope, "fan_out"), expected)


# kaiming_normal


@pytest.mark.stage("shape")
def test_kaiming_normal_returns_a_matrix_of_fan_in_by_fan_out(learner, probe):
    for shape in both_ways(probe):
        for mode in ("fan_in", "fan_out"):
            w = learner.kaiming_normal(probe.generator(), *shape, probe.scalar(0.1, 0.9), mode)
            assert_shape(w, shape, np.float64)


def test_kaiming_normal_draws_all_weights_at_once_and_normally(learner, probe):
    rng = probe.generator()
    for shape in both_ways(probe):
        w, drawn = learner.kaiming_normal(rng, *shape), draws("normal", rng, *shape)
        assert_close(w / rms(w), drawn / rms(drawn), name="the weights, scaled to size 1")


def test_kaiming_normal_counts_the_inputs_of_a_unit_by_default(learner, probe):
    rng = probe.generator()
    for d, m in both_ways(probe):
        std = rms(learner.kaiming_normal(rng, d, m)) / rms(draws("normal", rng, d, m))
        assert_close(std, np.sqrt(2.0 / d), name="the factor on the draws")


def test_kaiming_normal_counts_the_units_of_an_input_in_mode_fan_out(learner, probe):
    rng = probe.generator()
    for d, m in both_ways(probe):
        std = rms(learner.kaiming_normal(rng, d, m, mode="fan_out")) / rms(draws("normal", rng, d, m))
        assert_close(std, np.sqrt(2.0 / m), name="the factor on the draws")


def test_kaiming_normal_makes_up_for_the_slope_of_the_activation(learner, probe):
    rng, slope, (d, m) = probe.generator(), probe.scalar(0.2, 3.0), fans(probe)
    expected = learner.kaiming_normal(rng, d, m) / np.sqrt(1.0 + slope**2)
    assert_close(learner.kaiming_normal(rng, d, m, slope=slope), expected)


@pytest.mark.stage("whole")
def test_kaiming_normal_equals_the_reference(learner, reference, probe):
    rng, slope = probe.generator(), probe.scalar(0.2, 3.0)
    for shape in both_ways(probe):
        for mode in ("fan_in", "fan_out"):
            expected = reference.kaiming_normal(rng, *shape, slope, mode)
            assert_close(learner.kaiming_normal(rng, *shape, slope, mode), expected)


@pytest.mark.stage("whole")
def test_kaiming_normal_has_the_variance_of_he(learner, probe):
    d, m = MANY
    rng, std = probe.generator(), np.sqrt(2.0 / d)
    w = learner.kaiming_normal(rng, d, m)
    assert_size(w, std)
    assert_close(np.abs(w).max(), std * np.abs(draws("normal", rng, d, m)).max(), name="the largest weight")


@pytest.mark.stage("robust")
def test_kaiming_normal_goes_on_where_the_generator_stands(learner, probe):
    (d, m), replay = fans(probe), np.random.default_rng(SEED)
    rng = learner.library("numpy").random.default_rng(SEED)
    for _ in range(2):
        assert_close(learner.kaiming_normal(rng, d, m), np.sqrt(2.0 / d) * replay.standard_normal((d, m)))


@pytest.mark.stage("robust")
def test_kaiming_normal_refuses_other_modes(learner, probe):
    rng, (d, m) = probe.generator(), fans(probe)
    assert_shape(learner.kaiming_normal(rng, d, m, 0.3, "fan_out"), (d, m))
    for mode in WRONG_MODES:
        with pytest.raises(ValueError):
            learner.kaiming_normal(rng, d, m, 0.3, mode)


@pytest.mark.stage("robust")
def test_kaiming_normal_of_a_single_input_or_unit_and_of_a_slope_below_zero(learner, reference, probe):
    rng, n = probe.generator(), probe.size("N")
    for slope in (probe.scalar(-0.9, -0.2), 0.3):
        for shape in ((1, n), (n, 1), (1, 1)):
            expected = reference.kaiming_normal(rng, *shape, slope, "fan_out")
            assert_close(learner.kaiming_normal(rng, *shape, slope, "fan_out"), expected)


# orthogonal


def by_gram_schmidt(a):
    """The columns of `a`, each freed of those before it and given the length 1."""
    columns = []
    for column in a.T:
        for earlier in columns:
            column = column - (earlier @ column) * earlier
        columns.append(column / np.sqrt(column @ column))
    return np.stack(columns, axis=1)


@pytest.mark.stage("shape")
def test_orthogonal_returns_a_matrix_of_fan_in_by_fan_out(learner, probe):
    for shape in (*both_ways(probe), (4, 4)):
        assert_shape(learner.orthogonal(probe.generator(), *shape, probe.scalar(0.3, 3.0)), shape, np.float64)


def test_orthogonal_has_orthonormal_columns_where_it_is_tall(learner, probe):
    tall, _ = both_ways(probe)
    w = learner.orthogonal(probe.generator(), *tall)
    assert_close(w.T @ w, np.eye(tall[1]))


def test_orthogonal_has_orthonormal_rows_where_it_is_wide(learner, probe):
    _, wide = both_ways(probe)
    w = learner.orthogonal(probe.generator(), *wide)
    assert_close(w @ w.T, np.eye(wide[0]))


def test_orthogonal_multiplies_by_the_gain(learner, probe):
    rng, gain = probe.generator(), probe.scalar(0.3, 3.0)
    for shape in both_ways(probe):
        assert_close(learner.orthogonal(rng, *shape, gain=gain), gain * learner.orthogonal(rng, *shape, gain=1.0))
        assert_close(learner.orthogonal(rng, *shape, gain=0.0), np.zeros(shape), name="the weights with a gain of zero")


def test_orthogonal_corrects_the_signs_of_the_decomposition(learner, probe):
    rng = probe.generator()
    (d, m), _ = both_ways(probe)
    r = learner.orthogonal(rng, d, m).T @ draws("normal", rng, d, m)  # (M, M)
    assert_close(r, np.triu(r), name="wᵀ · a, which is r and has nothing below its diagonal")
    assert (np.diag(r) > 0).all(), "wᵀ · a, which is r, has a positive diagonal"


@pytest.mark.stage("whole")
def test_orthogonal_equals_the_reference(learner, reference, probe):
    rng, gain = probe.generator(), probe.scalar(0.3, 3.0)
    for shape in (*both_ways(probe), (3, 3)):
        assert_close(learner.orthogonal(rng, *shape, gain), reference.orthogonal(rng, *shape, gain))
        assert_close(learner.orthogonal(rng, *shape), reference.orthogonal(rng, *shape))


@pytest.mark.stage("whole")
def test_orthogonal_agrees_with_gram_and_schmidt(learner, probe):
    rng = probe.generator()
    tall, wide = both_ways(probe)
    assert_close(learner.orthogonal(rng, *tall), by_gram_schmidt(draws("normal", rng, *tall)))
    assert_close(learner.orthogonal(rng, *wide), by_gram_schmidt(draws("normal", rng, *wide).T).T)


@pytest.mark.stage("whole")
def test_orthogonal_keeps_the_length_of_every_input_where_it_is_wide_or_square(learner, probe):
    for d, m in ((3, 5), (4, 4)):
        x = probe.normal("N", d)
        w = learner.orthogonal(probe.generator(), d, m)
        assert_close(((x @ w) ** 2).sum(axis=1), (x**2).sum(axis=1), name="the squared lengths of the rows of x · w")


@pytest.mark.stage("robust")
def test_orthogonal_goes_on_where_the_generator_stands(learner, probe):
    replay = np.random.default_rng(SEED)
    rng = learner.library("numpy").random.default_rng(SEED)
    for shape in both_ways(probe):
        a = replay.standard_normal(shape)
        expected = by_gram_schmidt(a) if shape[0] > shape[1] else by_gram_schmidt(a.T).T
        assert_close(learner.orthogonal(rng, *shape), expected)


@pytest.mark.stage("robust")
def test_orthogonal_of_a_single_row_or_column(learner, probe):
    rng, n = probe.generator(), probe.size("N")
    for shape in ((1, n), (n, 1), (1, 1)):
        a = draws("normal", rng, *shape)
        assert_close(learner.orthogonal(rng, *shape), a / np.sqrt((a**2).sum()))


# activation_statistics


def relu(z):
    return np.maximum(z, 0.0)


def same(z):
    return z


def shrink(z):
    """Zero where |z| is at most 0.4: of numbers of both signs, and of more of them if it is applied again."""
    return np.sign(z) * np.maximum(np.abs(z) - 0.4, 0.0)


def stack(probe, *widths):
    """Rows, and the weights of layers of these widths, that keep the size of what goes through."""
    weights = [probe.normal(d, m) / np.sqrt(d) for d, m in zip(widths, widths[1:], strict=False)]
    return probe.normal("N", widths[0]), weights


@pytest.mark.stage("shape")
def test_activation_statistics_returns_three_numbers_for_every_layer(learner, probe):
    for depth in (1, 3):
        x, weights = stack(probe, *(2, 5, 3, 7)[: depth + 1])
        found = learner.activation_statistics(x, weights, relu)
        assert isinstance(found, dict) and sorted(found) == ["mean", "std", "zeros"], "the keys are mean, std, zeros"
        for name, values in found.items():
            assert_shape(values, (depth,), np.float64, name=name)


def test_activation_statistics_takes_the_mean_over_rows_and_units(learner, probe):
    x, weights = stack(probe, 3, 5)
    found = learner.activation_statistics(x, weights, same)
    assert_close(found["mean"], np.array([sum((x @ weights[0]).ravel()) / (5 * len(x))]))


def test_activation_statistics_takes_the_standard_deviation_over_rows_and_units(learner, probe):
    x, weights = stack(probe, 3, 5)
    found = learner.activation_statistics(x, weights, same)
    h = x @ weights[0]  # (N, M)
    assert_close(found["std"], np.array([np.sqrt(np.mean(h**2) - np.mean(h) ** 2)]))


def test_activation_statistics_counts_the_share_of_zeros(learner, probe):
    x, weights = stack(probe, 3, 5)
    found = learner.activation_statistics(x, weights, relu)
    assert_close(found["zeros"], np.array([(x @ weights[0] < 0).sum() / (5 * len(x))]))


def test_activation_statistics_measures_after_the_activation(learner, probe):
    x, weights = stack(probe, 3, 5)
    found = learner.activation_statistics(x, weights, np.square)
    assert_close(found["mean"], np.array([np.mean((x @ weights[0]) ** 2)]))


def test_activation_statistics_feeds_every_layer_with_the_one_below(learner, probe):
    x, weights = stack(probe, 3, 5, 2, 7)
    found = learner.activation_statistics(x, weights, np.square)
    h = ((((x @ weights[0]) ** 2) @ weights[1]) ** 2 @ weights[2]) ** 2  # (N, M)
    assert_close((found["mean"][2], found["std"][2]), (h.mean(), h.std()), name="mean and std of the third layer")


@pytest.mark.stage("whole")
def test_activation_statistics_equals_the_reference(learner, reference, probe):
    x, weights = stack(probe, 3, 7, 2, 5)
    for activation in (relu, np.tanh, same, shrink, lambda z: np.where(z > 0, z, -0.3 * z)):
        expected = reference.activation_statistics(x, weights, activation)
        assert_close(learner.activation_statistics(x, weights, activation), expected)


@pytest.mark.stage("whole")
def test_activation_statistics_of_one_layer_more_has_one_entry_more(learner, probe):
    x, weights = stack(probe, 3, 7, 2, 5)
    short, long = (learner.activation_statistics(x, weights[:depth], np.tanh) for depth in (2, 3))
    for name in ("mean", "std", "zeros"):
        assert_close(long[name][:2], short[name], name=f"{name} of the first two layers")


@pytest.mark.stage("robust")
def test_activation_statistics_of_a_layer_where_every_unit_is_dead(learner, probe):
    x, weights = np.abs(probe.normal("N 3")), [-np.abs(probe.normal(3, 5)), probe.normal(5, 2)]
    found = learner.activation_statistics(x, weights, relu)
    assert_close(found, {"mean": np.zeros(2), "std": np.zeros(2), "zeros": np.ones(2)})


@pytest.mark.stage("robust")
def test_activation_statistics_of_outputs_far_from_zero(learner, reference, probe):
    x, weights = stack(probe, 3, 5)
    for shift in (1.0, 1e5):
        far = lambda z, shift=shift: z + shift  # noqa: E731
        expected = reference.activation_statistics(x, weights, far)["std"]
        assert_close(learner.activation_statistics(x, weights, far)["std"], expected, name="the standard deviations")


@pytest.mark.stage("robust")
def test_activation_statistics_counts_no_tiny_number_as_zero(learner, probe):
    x, weights = stack(probe, 3, 5)
    found = learner.activation_statistics(1e-12 * x, weights, relu)
    assert_close(found["zeros"], np.array([(x @ weights[0] < 0).mean()]))


@pytest.mark.stage("robust")
def test_activation_statistics_of_one_row_or_one_unit(learner, reference, probe):
    for rows, widths in ((1, (3, 5, 2)), (4, (1, 5, 1)), (1, (1, 1))):
        weights = [probe.normal(d, m) for d, m in zip(widths, widths[1:], strict=False)]
        x = probe.normal(rows, widths[0])
        expected = reference.activation_statistics(x, weights, np.tanh)
        assert_close(learner.activation_statistics(x, weights, np.tanh), expected)
