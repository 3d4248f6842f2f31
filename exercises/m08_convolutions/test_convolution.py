"""Public checks of the convolution: run `pytest exercises/m08_convolutions/test_convolution.py`."""

import numpy as np
import pytest

from autograder.testing import assert_close, assert_gradients, assert_shape

PHOTO = np.array([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [[0.0, -1.0, 2.0], [1.0, 0.0, -2.0]]]])  # (1, 2, 2, 3)
OPTIONS = {"stride": (2, 1), "padding": (1, 2), "dilation": (2, 3), "groups": 2}


def single_entry(kernel, u, v):
    """One filter over one channel, with a one at (u, v)."""
    w = np.zeros((1, 1, *kernel))
    w[0, 0, u, v] = 1.0
    return w


@pytest.mark.stage("shape")
def test_output_shape_returns_a_tuple_of_two(learner):
    result = learner.output_shape((9, 14), (3, 2))
    assert isinstance(result, tuple) and len(result) == 2, "output_shape returns a tuple of two"


def test_output_shape_without_options(learner):
    assert_close(learner.output_shape((9, 14), (3, 2)), (7, 13))


def test_output_shape_with_a_stride_rounds_down(learner):
    assert_close(learner.output_shape((8, 12), (3, 2), stride=(2, 3)), (3, 4))


def test_output_shape_with_padding_and_dilation(learner):
    assert_close(learner.output_shape((5, 8), (2, 3), padding=(1, 2)), (6, 10))
    assert_close(learner.output_shape((11, 9), (3, 2), dilation=(4, 5)), (3, 4))


@pytest.mark.stage("robust")
def test_output_shape_takes_one_int_for_both_directions(learner):
    assert_close(learner.output_shape((9, 14), 3, 2, 1, 2), (4, 6))


@pytest.mark.stage("robust")
def test_output_shape_refuses_a_kernel_that_does_not_fit(learner):
    for size, kernel in (((3, 9), (4, 2)), ((9, 3), (2, 4))):
        with pytest.raises(ValueError):
            learner.output_shape(size, kernel, stride=3)


@pytest.mark.stage("shape")
def test_conv2d_forward_returns_one_map_for_every_image_and_filter(learner, probe):
    x, w, b = probe.normal(2, 3, 8, 11), probe.normal(5, 3, 3, 2), probe.normal(5)
    y = learner.conv2d_forward(x, w, b, stride=(2, 3), padding=(1, 2), dilation=(2, 4))
    assert_shape(y, (2, 5, 3, 4), np.float64)


def test_conv2d_forward_of_black_images_is_the_bias_of_each_filter(learner, probe):
    b = probe.normal(5)
    y = learner.conv2d_forward(np.zeros((2, 3, 4, 6)), probe.normal(5, 3, 2, 3), b)
    assert_close(y, np.broadcast_to(b[:, None, None], (2, 5, 3, 4)).copy())


def test_conv2d_forward_with_a_single_one_in_the_kernel_shifts_the_image(learner, probe):
    x = probe.normal(2, 1, 5, 7)
    y = learner.conv2d_forward(x, single_entry((3, 2), 0, 1), np.zeros(1))
    assert_close(y, x[:, :, :3, 1:])


def test_conv2d_forward_of_a_case_computed_by_hand(learner):
    w = np.array([[[[1.0, 0.0], [0.0, -1.0]], [[2.0, 1.0], [0.0, 3.0]]], [[[0.0, 1.0], [2.0, 0.0]], [[0.0] * 2] * 2]])
    y = learner.conv2d_forward(PHOTO, w, np.array([10.0, -1.0]))
    assert_close(y, np.array([[[[5.0, 0.0]], [[9.0, 12.0]]]]))


def test_conv2d_forward_with_padding(learner, probe):
    x = probe.normal(2, 1, 3, 5)
    y = learner.conv2d_forward(x, np.ones((1, 1, 1, 1)), np.zeros(1), padding=(1, 2))
    assert_shape(y, (2, 1, 5, 9))
    assert_close(y[:, :, 1:4, 2:7], x, name="the inner part")
    assert_close(np.abs(y).sum(), np.abs(x).sum(), name="the sum of all magnitudes")


def test_conv2d_forward_with_stride_and_dilation(learner, probe):
    x = probe.normal(1, 1, 9, 10)
    y = learner.conv2d_forward(x, single_entry((3, 2), 2, 1), np.zeros(1), stride=(2, 3), dilation=(2, 4))
    assert_close(y, x[:, :, 4::2, 4::3])


def test_conv2d_forward_with_groups(learner):
    x = np.array([1.0, 10.0, 100.0, 1000.0]).reshape(1, 4, 1, 1)
    w = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0], [9.0, 1.0], [2.0, 3.0]]).reshape(6, 2, 1, 1)
    y = learner.conv2d_forward(x, w, np.zeros(6), groups=2)
    assert_close(y, np.array([21.0, 43.0, 65.0, 8700.0, 1900.0, 3200.0]).reshape(1, 6, 1, 1))


@pytest.mark.stage("robust")
def test_conv2d_forward_refuses_channels_and_groups_that_do_not_match(learner, probe):
    for channels, filters, seen, groups in ((5, 6, 2, 2), (6, 5, 3, 2), (6, 6, 1, 1)):
        x, w, b = probe.normal(2, channels, 4, 5), probe.normal(filters, seen, 2, 3), probe.normal(filters)
        with pytest.raises(ValueError):
            learner.conv2d_forward(x, w, b, groups=groups)


@pytest.mark.stage("shape")
def test_conv2d_backward_returns_gradients_shaped_like_x_w_and_b(learner, probe):
    dy, x, w = probe.normal(2, 5, 3, 4), probe.normal(2, 3, 8, 11), probe.normal(5, 3, 3, 2)
    gradients = learner.conv2d_backward(dy, x, w, stride=(2, 3), padding=(1, 2), dilation=(2, 4))
    for name, gradient, shape in zip(("dx", "dw", "db"), gradients, (x.shape, w.shape, (5,)), strict=True):
        assert_shape(gradient, shape, np.float64, name=name)


def test_conv2d_backward_of_a_case_computed_by_hand(learner):
    x, w = np.array([[[[1.0, 2.0, 0.0], [3.0, 4.0, 5.0]]]]), np.array([[[[1.0, 10.0]]]])
    dx, dw, db = learner.conv2d_backward(np.array([[[[1.0, 0.0], [2.0, -1.0]]]]), x, w)
    assert_close(dx, np.array([[[[1.0, 10.0, 0.0], [2.0, 19.0, -10.0]]]]), name="dx")
    assert_close(dw, np.array([[[[3.0, 5.0]]]]), name="dw")
    assert_close(db, np.array([2.0]), name="db")


def test_conv2d_backward_adds_up_where_windows_overlap(learner):
    dx, dw, _ = learner.conv2d_backward(np.ones((1, 1, 3, 2)), np.ones((1, 1, 4, 4)), np.ones((1, 1, 2, 3)))
    assert_close(dx, np.outer([1.0, 2.0, 2.0, 1.0], [1.0, 2.0, 2.0, 1.0])[None, None], name="dx")
    assert_close(dw, np.full((1, 1, 2, 3), 6.0), name="dw")


@pytest.mark.stage("whole")
@pytest.mark.task("conv2d_backward")
def test_conv2d_backward_gives_the_slopes_of_your_conv2d_forward(learner, probe):
    dy, x, w, b = probe.normal(2, 4, 3, 1), probe.normal(2, 2, 6, 3), probe.normal(4, 1, 2, 3), probe.normal(4)
    gradients = learner.conv2d_backward(dy, x, w, **OPTIONS)
    assert_gradients(lambda *args: learner.conv2d_forward(*args, **OPTIONS), [x, w, b], gradients, dy, names="xwb")


@pytest.mark.stage("whole")
@pytest.mark.task("conv2d_backward")
def test_conv2d_backward_gives_the_slopes_where_the_stride_leaves_out_rows(learner, probe):
    dy, x, w, b = probe.normal(2, 3, 2, 2), probe.normal(2, 2, 6, 5), probe.normal(3, 2, 3, 1), probe.normal(3)
    gradients = learner.conv2d_backward(dy, x, w, stride=(2, 3))
    assert_gradients(lambda *args: learner.conv2d_forward(*args, stride=(2, 3)), [x, w, b], gradients, dy, names="xwb")


@pytest.mark.stage("shape")
def test_im2col_returns_a_column_for_every_place(learner, probe):
    cols = learner.im2col(probe.normal(2, 3, 8, 11), (3, 2), stride=(2, 3), padding=(1, 2), dilation=(2, 4))
    assert_shape(cols, (2, 18, 12), np.float64)


def test_im2col_of_a_case_computed_by_hand(learner):
    cols = learner.im2col(PHOTO, (1, 2))
    expected = [[1.0, 2.0, 4.0, 5.0], [2.0, 3.0, 5.0, 6.0], [0.0, -1.0, 1.0, 0.0], [-1.0, 2.0, 0.0, -2.0]]
    assert_close(cols, np.array([expected]))


def test_im2col_reads_a_window_row_by_row(learner, probe):
    x = probe.normal(2, 3, 2, 4)
    assert_close(learner.im2col(x, (2, 4)), x.reshape(2, 24, 1))


def test_im2col_with_stride_padding_and_dilation(learner):
    x = np.arange(1.0, 13.0).reshape(1, 1, 3, 4)
    cols = learner.im2col(x, (2, 1), stride=(1, 3), padding=(1, 0), dilation=(2, 1))
    assert_close(cols, np.array([[[0.0, 0.0, 1.0, 4.0, 5.0, 8.0], [5.0, 8.0, 9.0, 12.0, 0.0, 0.0]]]))


@pytest.mark.stage("robust")
def test_im2col_refuses_a_kernel_that_does_not_fit(learner, probe):
    with pytest.raises(ValueError):
        learner.im2col(probe.normal(2, 3, 4, 9), (5, 2))


@pytest.mark.stage("shape")
def test_col2im_returns_images_of_the_given_shape(learner, probe):
    x = learner.col2im(probe.normal(2, 18, 12), (2, 3, 8, 11), (3, 2), stride=(2, 3), padding=(1, 2), dilation=(2, 4))
    assert_shape(x, (2, 3, 8, 11), np.float64)


def test_col2im_puts_windows_side_by_side_back_together(learner):
    cols = np.array([[[1.0, 3.0], [2.0, 4.0], [5.0, 7.0], [6.0, 8.0], [9.0, 0.0], [-1.0, 3.0], [2.0, 1.0], [4.0, 6.0]]])
    x = learner.col2im(cols, (1, 2, 2, 4), 2, stride=2)
    first, second = [[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]], [[9.0, -1.0, 0.0, 3.0], [2.0, 4.0, 1.0, 6.0]]
    assert_close(x, np.array([[first, second]]))


def test_col2im_adds_up_where_windows_overlap(learner):
    x = learner.col2im(np.ones((1, 6, 6)), (1, 1, 4, 4), (2, 3))
    assert_close(x, np.outer([1.0, 2.0, 2.0, 1.0], [1.0, 2.0, 2.0, 1.0])[None, None])


@pytest.mark.stage("whole")
@pytest.mark.task("col2im")
def test_col2im_gives_the_slopes_of_your_im2col(learner, probe):
    x, options = probe.normal(1, 2, 6, 5), {"stride": (2, 1), "padding": (1, 2), "dilation": (2, 3)}
    dcols = probe.normal(1, 12, 9)
    dx = learner.col2im(dcols, x.shape, (2, 3), **options)
    assert_gradients(lambda x: learner.im2col(x, (2, 3), **options), [x], [dx], dcols, names="x")


@pytest.mark.stage("shape")
def test_conv2d_im2col_returns_one_map_for_every_image_and_filter(learner, probe):
    x, w, b = probe.normal(2, 3, 8, 11), probe.normal(5, 3, 3, 2), probe.normal(5)
    y = learner.conv2d_im2col(x, w, b, stride=(2, 3), padding=(1, 2), dilation=(2, 4))
    assert_shape(y, (2, 5, 3, 4), np.float64)


def test_conv2d_im2col_of_a_case_computed_by_hand(learner):
    w = np.array([[[[1.0, 0.0], [0.0, -1.0]], [[2.0, 1.0], [0.0, 3.0]]], [[[0.0, 1.0], [2.0, 0.0]], [[0.0] * 2] * 2]])
    y = learner.conv2d_im2col(PHOTO, w, np.array([10.0, -1.0]))
    assert_close(y, np.array([[[[5.0, 0.0]], [[9.0, 12.0]]]]))


@pytest.mark.stage("whole")
@pytest.mark.task("conv2d_im2col")
def test_conv2d_im2col_agrees_with_your_conv2d_forward(learner, probe):
    x, w, b = probe.normal(2, 4, 6, 4), probe.normal(6, 2, 2, 3), probe.normal(6)
    assert_close(learner.conv2d_im2col(x, w, b, **OPTIONS), learner.conv2d_forward(x, w, b, **OPTIONS))


@pytest.mark.stage("robust")
def test_conv2d_im2col_refuses_channels_and_groups_that_do_not_match(learner, probe):
    for channels, filters, seen, groups in ((5, 6, 2, 2), (6, 5, 3, 2), (6, 6, 1, 1)):
        x, w, b = probe.normal(2, channels, 4, 5), probe.normal(filters, seen, 2, 3), probe.normal(filters)
        with pytest.raises(ValueError):
            learner.conv2d_im2col(x, w, b, groups=groups)
