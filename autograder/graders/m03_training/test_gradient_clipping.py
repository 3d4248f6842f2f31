"""Hidden checks of gradient clipping: what is too large is cut, what is not stays, and one norm counts for all tensors."""

import math

import pytest
import torch

from autograder.testing import assert_close, assert_shape

SHAPES = ("N D", "D", "3 N 2", "N")


def several(probe, scale=1.0, dtype=torch.float64):
    """The gradients of a model: tensors of several shapes."""
    return [(scale * probe.tensor(shape, dtype=torch.float64)).to(dtype) for shape in SHAPES]


def length(grads):
    """The norm of all of them together, as one long vector."""
    return torch.linalg.vector_norm(torch.cat([grad.double().flatten() for grad in grads])).item()


def parameters(grads):
    """Parameters for torch's functions, which find the gradients in them."""
    params = [torch.nn.Parameter(torch.zeros_like(grad)) for grad in grads]
    for param, grad in zip(params, grads, strict=True):
        param.grad = grad.clone()
    return params


def assert_like(clipped, grads):
    assert isinstance(clipped, list), "the clipped gradients are a list"
    assert len(clipped) == len(grads), f"{len(grads)} gradients go in, {len(clipped)} come out"
    for got, grad in zip(clipped, grads, strict=True):
        assert_shape(got, grad.shape, grad.dtype, name="a clipped gradient")


# clip_by_value


@pytest.mark.stage("shape")
def test_clip_by_value_returns_a_list_of_gradients_like_those_it_was_given(learner, probe):
    for dtype in (torch.float16, torch.float32, torch.float64):
        grads = several(probe, dtype=dtype)
        for given in (grads, tuple(grads)):
            assert_like(learner.clip_by_value(given, 0.5), grads)


def test_clip_by_value_leaves_small_entries_as_they_are(learner, probe):
    grads = several(probe)
    for limit in (1.5 * max(grad.abs().max().item() for grad in grads), 1e6):
        clipped = learner.clip_by_value(grads, limit)
        same = all(torch.equal(got, grad) for got, grad in zip(clipped, grads, strict=True))
        assert same, "entries within the limit stay exactly as they are"


def test_clip_by_value_brings_large_entries_to_the_limit_with_their_sign(learner, probe):
    limit, signs = probe.scalar(0.2, 3.0), probe.tensor(probe.signs("N D"), dtype=torch.float64)
    large = signs * (1.01 * limit + probe.tensor("N D", dtype=torch.float64).abs())
    assert_close(learner.clip_by_value([large], limit), [limit * signs])


def test_clip_by_value_judges_every_entry_by_itself(learner, probe):
    limit, grad = probe.scalar(0.3, 0.9), probe.tensor("N D", dtype=torch.float64)
    expected = [[max(-limit, min(limit, entry)) for entry in row] for row in grad.tolist()]
    assert_close(learner.clip_by_value([grad], limit), [torch.tensor(expected, dtype=torch.float64)])


@pytest.mark.stage("whole")
def test_clip_by_value_equals_the_reference(learner, reference, probe):
    for dtype in (torch.float32, torch.float64):
        grads, limit = several(probe, 2.0, dtype), probe.scalar(0.3, 1.5)
        assert_close(learner.clip_by_value(grads, limit), reference.clip_by_value(grads, limit))


@pytest.mark.stage("whole")
def test_clip_by_value_does_as_torch_does(learner, probe):
    grads, limit = several(probe, 2.0), probe.scalar(0.3, 1.5)
    params = parameters(grads)
    torch.nn.utils.clip_grad_value_(params, limit)
    assert_close(learner.clip_by_value(grads, limit), [param.grad for param in params])


@pytest.mark.stage("robust")
def test_clip_by_value_keeps_none_where_there_is_no_gradient(learner, probe):
    first, second, *_ = several(probe)
    clipped = learner.clip_by_value([None, first, None, second], 0.5)
    assert_close(clipped, [None, first.clamp(-0.5, 0.5), None, second.clamp(-0.5, 0.5)])


@pytest.mark.stage("robust")
def test_clip_by_value_of_huge_and_infinite_entries(learner, probe):
    limit = probe.scalar(0.3, 3.0)
    grads = [torch.tensor([math.inf, -1e30, 0.0, -math.inf]), torch.tensor(-1e30), torch.zeros(2, 3)]
    clipped = [torch.tensor([limit, -limit, 0.0, -limit]), torch.tensor(-limit), torch.zeros(2, 3)]
    assert_close(learner.clip_by_value(grads, limit), clipped)


@pytest.mark.stage("robust")
def test_clip_by_value_lets_nan_be_seen(learner, probe):
    limit = probe.scalar(0.3, 3.0)
    (clipped,) = learner.clip_by_value([torch.tensor([math.nan, 2.0 * limit, 0.5 * limit])], limit)
    assert torch.isnan(clipped).tolist() == [True, False, False], "nan is not larger than the limit, and stays nan"
    assert_close(clipped[1:], torch.tensor([limit, 0.5 * limit]), name="the other entries")


@pytest.mark.stage("robust")
def test_clip_by_value_of_no_gradients_at_all_is_an_empty_list(learner):
    assert_close(learner.clip_by_value([], 0.5), [])


# clip_by_global_norm


@pytest.mark.stage("shape")
def test_clip_by_global_norm_returns_a_list_of_gradients_and_a_float(learner, probe):
    for dtype in (torch.float16, torch.float32, torch.float64):
        grads = several(probe, dtype=dtype)
        for given, max_norm in ((grads, 0.5), (tuple(grads), 0.5), (grads, 100.0), (tuple(grads), 100.0)):
            result = learner.clip_by_global_norm(given, max_norm)
            assert isinstance(result, tuple | list) and len(result) == 2, "the gradients and the norm are returned"
            assert_like(result[0], grads)
            assert isinstance(result[1], float), "the norm is a float"


def test_clip_by_global_norm_measures_all_gradients_as_one_vector(learner, probe):
    grads = several(probe)
    assert_close(learner.clip_by_global_norm(grads, 1e6)[1], length(grads), name="the norm")


def test_clip_by_global_norm_reports_the_norm_before_clipping(learner, probe):
    grads = several(probe)
    assert_close(learner.clip_by_global_norm(grads, 0.3 * length(grads))[1], length(grads), name="the norm")


def test_clip_by_global_norm_leaves_a_short_gradient_as_it_is(learner, probe):
    grads = several(probe)
    for max_norm in (1.01 * length(grads), 3.0 * length(grads), 1e6, math.inf):
        clipped, _ = learner.clip_by_global_norm(grads, max_norm)
        same = all(torch.equal(got, grad) for got, grad in zip(clipped, grads, strict=True))
        assert same, "gradients that are short enough stay exactly as they are"


def test_clip_by_global_norm_brings_a_long_gradient_to_max_norm(learner, probe):
    grads = several(probe)
    for share in (0.99, 0.4, 1e-3):
        clipped, _ = learner.clip_by_global_norm(grads, share * length(grads))
        assert_close(length(clipped), share * length(grads), name="the norm of the clipped gradients")


def test_clip_by_global_norm_keeps_the_direction(learner, probe):
    grads, share = several(probe), probe.scalar(0.2, 0.8)
    clipped, _ = learner.clip_by_global_norm(grads, share * length(grads))
    assert_close(clipped, [share * grad for grad in grads])


def test_clip_by_global_norm_shortens_the_small_tensors_with_the_large_ones(learner, probe):
    for dtype, low, high in ((torch.float64, 0.01, 10.0), (torch.float16, 1e-3, 1e4)):
        small, large = (low * probe.tensor("D")).to(dtype), (high * probe.tensor("N D")).to(dtype)
        max_norm = 0.5 * length([large])  # far above the norm of the small one
        factor = max_norm / length([small, large])
        (got_small, got_large), _ = learner.clip_by_global_norm([small, large], max_norm)
        expected = [factor * small / low, factor * large / high]
        assert_close([got_small / low, got_large / high], expected, name="the clipped gradients, scaled to about 1")


def test_clip_by_global_norm_adds_up_tensors_that_are_each_short_enough(learner, probe):
    grads = [grad / length([grad]) for grad in several(probe)]  # four of norm 1: together 2
    clipped, norm = learner.clip_by_global_norm(grads, 1.5)
    assert_close(norm, 2.0, name="the norm")
    assert_close(clipped, [0.75 * grad for grad in grads])


@pytest.mark.stage("whole")
def test_clip_by_global_norm_equals_the_reference(learner, reference, probe):
    grads = several(probe)
    for max_norm in (0.3 * length(grads), 2.0 * length(grads)):
        expected = reference.clip_by_global_norm(grads, max_norm)
        assert_close(learner.clip_by_global_norm(grads, max_norm=max_norm), expected)


@pytest.mark.stage("whole")
def test_clip_by_global_norm_does_as_torch_does(learner, probe):
    for share in (0.3, 2.0):
        grads = several(probe, 5.0, torch.float32)  # in float32 torch's 1e-6 does not show
        params, max_norm = parameters(grads), share * length(grads)
        norm = torch.nn.utils.clip_grad_norm_(params, max_norm)
        clipped, found = learner.clip_by_global_norm(grads, max_norm)
        assert_close(clipped, [param.grad for param in params])
        assert_close(torch.tensor(found), norm, name="the norm")


@pytest.mark.stage("robust")
def test_clip_by_global_norm_keeps_none_where_there_is_no_gradient(learner, probe):
    first, second, *_ = several(probe)
    total = length([first, second])
    for share in (0.5, 2.0):
        clipped, norm = learner.clip_by_global_norm([None, first, None, second], share * total)
        factor = min(share, 1.0)
        assert_close(clipped, [None, factor * first, None, factor * second])
        assert_close(norm, total, name="the norm")


@pytest.mark.stage("robust")
def test_clip_by_global_norm_of_gradients_whose_squares_overflow(learner, probe):
    for dtype, scale in ((torch.float16, 2e3), (torch.float32, 1e25)):
        grads = several(probe, scale, dtype)
        clipped, norm = learner.clip_by_global_norm(grads, 0.01 * length(grads))
        assert_close(torch.tensor(norm / scale), torch.tensor(length(grads) / scale), name="the norm, scaled down")
        assert_close([got / scale for got in clipped], [0.01 * grad / scale for grad in grads], name="scaled down")


@pytest.mark.stage("robust")
def test_clip_by_global_norm_of_gradients_whose_squares_vanish(learner, probe):
    grads = several(probe, 1e-25, torch.float32)
    clipped, _ = learner.clip_by_global_norm(grads, 0.3 * length(grads))
    assert_close([1e25 * got for got in clipped], [0.3 * (1e25 * grad) for grad in grads], name="scaled up")


@pytest.mark.stage("robust")
def test_clip_by_global_norm_of_nothing_but_zeros(learner):
    zeros = [torch.zeros(2, 3), None, torch.zeros(4)]
    assert_close(learner.clip_by_global_norm(zeros, 0.5), (zeros, 0.0))


@pytest.mark.stage("robust")
def test_clip_by_global_norm_of_no_gradients_at_all(learner):
    assert_close(learner.clip_by_global_norm([], 0.5), ([], 0.0))
    assert_close(learner.clip_by_global_norm([None, None], 0.5), ([None, None], 0.0))


@pytest.mark.stage("robust")
def test_clip_by_global_norm_of_a_single_number(learner):
    assert_close(learner.clip_by_global_norm([torch.tensor(-8.0)], 2.0), ([torch.tensor(-2.0)], 8.0))


@pytest.mark.stage("robust")
def test_clip_by_global_norm_refuses_infinities_and_nan(learner, probe):
    for wrong in (math.inf, -math.inf, math.nan):
        grads = several(probe)
        grads[1][0] = wrong
        for max_norm in (2.0, math.inf):
            with pytest.raises(ValueError):
                learner.clip_by_global_norm(grads, max_norm)
