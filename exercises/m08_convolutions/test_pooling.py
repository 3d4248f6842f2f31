"""Public checks of pooling: run `pytest exercises/m08_convolutions/test_pooling.py`."""

import numpy as np
import pytest

from autograder.testing import assert_close, assert_gradients, assert_shape


@pytest.mark.stage("shape")
def test_max_pool2d_forward_returns_maps_and_a_cache(learner, probe):
    y, cache = learner.max_pool2d_forward(probe.normal(2, 3, 8, 7), (3, 2), stride=(2, 3), padding=(1, 0))
    assert_shape(y, (2, 3, 4, 2), np.float64)
    assert {"x_shape", "index"} <= cache.keys(), "the cache holds x_shape and index"
    assert_shape(cache["index"], (2, 3, 4, 2))
    assert cache["index"].dtype.kind == "i", "the index holds integers"


def test_max_pool2d_forward_without_a_stride_sets_the_windows_side_by_side(learner, probe):
    x = probe.normal(2, 3, 6, 15)
    assert_close(learner.max_pool2d_forward(x, (2, 5))[0], x.reshape(2, 3, 3, 2, 3, 5).max(axis=(3, 5)))


def test_max_pool2d_forward_of_a_case_computed_by_hand(learner):
    x = np.array([[[[-1.0, -5.0, -2.0, -3.0], [-4.0, -3.0, -6.0, -2.0], [-7.0, -8.0, -9.0, -1.0]]]])
    y, cache = learner.max_pool2d_forward(x, (2, 3), stride=(2, 2), padding=(1, 1))
    assert_close(y, np.array([[[[-1.0, -2.0], [-3.0, -1.0]]]]), name="y")
    assert_close(cache["index"], np.array([[[[0, 2], [5, 11]]]]), name="the index", dtype=False)


def test_max_pool2d_forward_takes_the_first_of_equals_row_by_row(learner):
    x = np.array([[[[0.0, 0.0, 7.0], [0.0, 7.0, 0.0], [7.0, 0.0, 7.0]]]])
    assert_close(learner.max_pool2d_forward(x, 3)[1]["index"], np.array([[[[2]]]]), dtype=False)


@pytest.mark.stage("robust")
def test_max_pool2d_forward_refuses_padding_of_more_than_half_the_kernel(learner, probe):
    x = probe.normal(2, 3, 6, 7)
    for kernel, padding in (((3, 6), (2, 1)), ((6, 3), (1, 2))):
        with pytest.raises(ValueError):
            learner.max_pool2d_forward(x, kernel, 1, padding)


def test_max_pool2d_backward_of_a_case_computed_by_hand(learner):
    dy, index = np.array([[[[1.0, -2.0]], [[3.0, 5.0]]]]), np.array([[[[4, 1]], [[5, 5]]]])
    dx = learner.max_pool2d_backward(dy, {"x_shape": (1, 2, 2, 3), "index": index})
    assert_close(dx, np.array([[[[0.0, -2.0, 0.0], [0.0, 1.0, 0.0]], [[0.0, 0.0, 0.0], [0.0, 0.0, 8.0]]]]))


@pytest.mark.stage("whole")
@pytest.mark.task("max_pool2d_backward")
def test_max_pool2d_backward_gives_the_slopes_of_your_max_pool2d_forward(learner, probe):
    x, rest = probe.uniform("2 3 4 5", -4.0, 4.0), ((3, 2), (1, 2), (1, 0))  # no two entries are close together
    y, cache = learner.max_pool2d_forward(x, *rest)
    dy = probe.normal(*y.shape)
    dx = learner.max_pool2d_backward(dy, cache)
    assert_gradients(lambda x: learner.max_pool2d_forward(x, *rest)[0], [x], [dx], dy, names="x")


@pytest.mark.stage("shape")
def test_avg_pool2d_forward_returns_smaller_maps(learner, probe):
    y = learner.avg_pool2d_forward(probe.normal(2, 3, 8, 7), (3, 2), stride=(2, 3), padding=(1, 0))
    assert_shape(y, (2, 3, 4, 2), np.float64)


def test_avg_pool2d_forward_without_a_stride_sets_the_windows_side_by_side(learner, probe):
    x = probe.normal(2, 3, 6, 15)
    assert_close(learner.avg_pool2d_forward(x, (2, 5)), x.reshape(2, 3, 3, 2, 3, 5).mean(axis=(3, 5)))


def test_avg_pool2d_forward_of_a_case_computed_by_hand(learner):
    x = np.array([[[[1.0, 5.0, 3.0], [4.0, 2.0, 1.0]]]])
    y = learner.avg_pool2d_forward(x, (2, 1), stride=(2, 2), padding=(1, 0))
    assert_close(y, np.array([[[[0.5, 1.5], [2.0, 0.5]]]]))


def test_avg_pool2d_forward_without_counting_the_padding_keeps_a_constant_image(learner):
    y = learner.avg_pool2d_forward(np.full((1, 2, 3, 4), 3.0), (2, 3), (1, 2), (1, 1), count_include_pad=False)
    assert_close(y, np.full((1, 2, 4, 2), 3.0))


@pytest.mark.stage("robust")
def test_avg_pool2d_forward_refuses_padding_of_more_than_half_the_kernel(learner, probe):
    x = probe.normal(2, 3, 6, 7)
    for kernel, padding in (((3, 6), (2, 1)), ((6, 3), (1, 2))):
        with pytest.raises(ValueError):
            learner.avg_pool2d_forward(x, kernel, 1, padding)


def test_avg_pool2d_backward_of_a_case_computed_by_hand(learner):
    dy = np.array([[[[6.0, 12.0, -4.0]]]])
    dx = learner.avg_pool2d_backward(dy, (1, 1, 2, 4), (2, 2), padding=(0, 1))
    assert_close(dx, np.array([[[[1.5, 3.0, 3.0, -1.0], [1.5, 3.0, 3.0, -1.0]]]]))
    dx = learner.avg_pool2d_backward(dy, (1, 1, 2, 4), (2, 2), padding=(0, 1), count_include_pad=False)
    assert_close(dx, np.array([[[[3.0, 3.0, 3.0, -2.0], [3.0, 3.0, 3.0, -2.0]]]]))


@pytest.mark.stage("whole")
@pytest.mark.task("avg_pool2d_backward")
def test_avg_pool2d_backward_gives_the_slopes_of_your_avg_pool2d_forward(learner, probe):
    x, rest = probe.normal(2, 3, 4, 5), ((3, 2), (1, 2), (1, 0))
    for last in (True, False):
        dy = probe.normal(2, 3, 4, 2)
        dx = learner.avg_pool2d_backward(dy, x.shape, *rest, last)
        assert_gradients(lambda x, last=last: learner.avg_pool2d_forward(x, *rest, last), [x], [dx], dy, names="x")


@pytest.mark.stage("shape")
def test_global_average_pool_returns_one_number_for_every_image_and_channel(learner, probe):
    assert_shape(learner.global_average_pool(probe.normal("B C Y X")), probe.shape("B C"), np.float64)


def test_global_average_pool_of_a_case_computed_by_hand(learner):
    x = np.array([[[[1.0, 2.0, 3.0], [4.0, 5.0, -3.0]], [[0.0, 0.0, 1.0], [1.0, 0.0, -5.0]]]])
    assert_close(learner.global_average_pool(x), np.array([[2.0, -0.5]]))
