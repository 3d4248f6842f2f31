"""A probe's inputs are never degenerate, whatever the seed."""

import numpy as np
import pytest

from autograder.testing import Probe


def some_probes():
    return [Probe(seed, "check") for seed in range(100)]


def has_both_signs(values):
    return (values > 0).any() and (values < 0).any()


def test_letters_stand_for_different_sizes_above_one():
    for probe in some_probes():
        sizes = [probe.size(letter) for letter in "BTDHKVNCF"]
        assert len(set(sizes)) == len(sizes)
        assert min(sizes) > 1
        assert probe.normal("B T").shape == probe.uniform("B T").shape == tuple(sizes[:2])


def test_normal_values_have_both_signs_no_zeros_and_no_ties():
    for probe in some_probes():
        for x in (probe.normal("N"), probe.normal("N C"), probe.normal(2)):
            gaps = np.diff(np.sort(x, axis=None))
            assert has_both_signs(x)
            assert np.abs(x).min() >= 0.05
            assert gaps.min() > 1e-5


def test_uniform_values_keep_to_their_range():
    for probe in some_probes():
        x = probe.uniform("N C", -0.01, 5.0)
        assert has_both_signs(x)
        assert x.min() >= -0.01
        assert x.max() < 5.0
        assert (probe.uniform("N", 0.5, 3.0) >= 0.5).all()


def test_integers_reach_both_ends():
    for probe in some_probes():
        labels = probe.integers("N", high="C")
        assert labels.dtype == np.int64
        assert labels.min() == 0
        assert labels.max() == probe.size("C") - 1
        assert probe.integers("N", 9, low=4).min() == 4


def test_extreme_values_reach_a_thousand_on_both_sides():
    for probe in some_probes():
        x = probe.extreme("N C")
        assert (x.min(), x.max()) == (-999.0, 1000.0)
        assert np.abs(x).min() >= 1.0


def test_constants_stay_away_from_neutral_ones():
    for probe in some_probes():
        assert abs(probe.scalar(0.5, 2.0) - 1.0) >= 0.14
        assert abs(probe.scalar(-1.0, 1.0)) >= 0.19
        value = probe.scalar(0.1, 0.9, away_from=(0.5, 0.25))
        assert min(abs(value - 0.5), abs(value - 0.25)) >= 0.07


def test_signs_and_permutations_are_not_trivial():
    for probe in some_probes():
        order = probe.permutation("N") if probe.size("N") > 2 else probe.permutation(5)
        assert set(probe.signs("C")) == {-1.0, 1.0}
        assert sorted(order) == list(range(len(order)))
        assert (order[order] != np.arange(len(order))).any()


def test_seed_and_name_decide_everything():
    first, again, other = Probe(1, "a"), Probe(1, "a"), Probe(1, "b")
    assert np.array_equal(first.normal("N C D"), again.normal("N C D"))
    assert first.scalar(0, 1) == again.scalar(0, 1)
    assert not np.array_equal(other.normal(20), Probe(1, "a").normal(20))


def test_shapes_mix_letters_and_numbers():
    probe = Probe(0)
    assert probe.normal("B 3 T").shape == (probe.size("B"), 3, probe.size("T"))
    assert probe.normal("B", 4).shape == (probe.size("B"), 4)
    assert probe.normal(3, 5).shape == (3, 5)


def test_a_size_can_be_bounded_or_follow_from_others():
    probe = Probe(0)
    assert probe.size("Y", at_least=7) >= 7
    assert probe.normal("B D").shape[1] == probe.fix("D", probe.size("D"))
    assert probe.fix("M", 24) == probe.size("M") == 24
    with pytest.raises(ValueError, match="already stands for 24"):
        probe.fix("M", 25)


def test_an_impossible_constant_is_refused():
    with pytest.raises(ValueError, match="no number away from"):
        Probe(0).scalar(0.9, 1.1, away_from=np.linspace(0.9, 1.1, 21).tolist())


def test_generators_repeat_with_the_probe():
    assert Probe(2).generator().normal() == Probe(2).generator().normal()
    assert Probe(2).choice(["a"]) == "a"


@pytest.mark.torch
def test_tensors_are_float32_on_the_probes_device():
    torch = pytest.importorskip("torch")
    probe = Probe(0)
    x = probe.tensor("B D", requires_grad=True)
    assert (x.dtype, x.device.type, x.requires_grad) == (torch.float32, "cpu", True)
    assert x.shape == probe.shape("B D")
    assert probe.tensor("B D", dtype="float64").dtype == torch.float64
    assert probe.tensor(probe.integers("B", "D")).dtype == torch.int64
