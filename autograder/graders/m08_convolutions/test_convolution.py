"""Hidden checks of the convolution: where a kernel stands, what it sums, and what flows back."""

import numpy as np
import pytest

from autograder.testing import assert_close, assert_gradients, assert_shape

SETTINGS = (  # image size, kernel, channels, filters, options
    ((5, 7), (2, 3), 3, 5, {}),
    ((8, 11), (3, 2), 4, 6, {"stride": (2, 3), "padding": (1, 2), "dilation": (2, 3), "groups": 2}),
    ((9, 4), (2, 3), 6, 3, {"stride": (3, 1), "padding": (0, 2), "dilation": (3, 2), "groups": 3}),
    ((4, 8), (4, 1), 3, 6, {"stride": (1, 3), "padding": (2, 0), "dilation": (2, 5), "groups": 3}),
    ((10, 6), (1, 4), 2, 4, {"stride": (4, 2), "padding": (1, 0), "groups": 2}),
)


def drawn(probe):
    """Images, filters, biases and options, no two directions alike; often the last rows or columns are left out."""
    rng = probe.generator()
    groups, seen, filters = int(rng.integers(1, 4)), *rng.permutation([1, 2, 3])[:2].tolist()
    while True:
        kernel, stride, padding, dilation, count = (
            rng.permutation(values)[:2].tolist()
            for values in ([1, 2, 3, 4], [1, 2, 3], [0, 1, 2], [1, 2, 3], [2, 3, 4])
        )
        sides = zip(kernel, stride, padding, dilation, count, strict=True)
        size = [(n - 1) * s + d * (k - 1) + 1 + int(rng.integers(s)) - 2 * p for k, s, p, d, n in sides]
        if min(size) > 3 and size[0] != size[1]:  # then every kernel meets the image
            break
    x, w = probe.normal(2, groups * seen, *size), probe.normal(groups * filters, seen, *kernel)
    options = {"stride": tuple(stride), "padding": tuple(padding), "dilation": tuple(dilation), "groups": groups}
    return x, w, probe.normal(groups * filters), options


def of_setting(probe, setting):
    size, kernel, channels, filters, options = setting
    w = probe.normal(filters, channels // options.get("groups", 1), *kernel)
    return probe.normal(2, channels, *size), w, probe.normal(filters), options


def geometry_of(options):
    """The options without `groups`, which only some functions take."""
    return {name: value for name, value in options.items() if name != "groups"}


def places(size, kernel, stride=(1, 1), padding=(0, 0), dilation=(1, 1)):
    """How many starts a kernel has, counted one by one."""
    reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    sides = zip(size, reach, stride, padding, strict=True)
    return tuple(len(range(-p, n + p - far, s)) for n, far, s, p in sides)


def products(x, w, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    """For every product that the convolution sums: its index in the output, in the filters and in the images."""
    filters, seen, *kernel = w.shape
    for n, f, i, j in np.ndindex(len(x), filters, *places(x.shape[2:], kernel, stride, padding, dilation)):
        for c, u, v in np.ndindex(seen, *kernel):
            row = i * stride[0] - padding[0] + u * dilation[0]
            column = j * stride[1] - padding[1] + v * dilation[1]
            if 0 <= row < x.shape[2] and 0 <= column < x.shape[3]:
                yield (n, f, i, j), (f, c, u, v), (n, f // (filters // groups) * seen + c, row, column)


def forward_by_loops(x, w, b, **options):
    shape = places(x.shape[2:], w.shape[2:], **geometry_of(options))
    y = np.zeros((len(x), len(w), *shape)) + b[:, None, None]
    for out, weight, pixel in products(x, w, **options):
        y[out] += w[weight] * x[pixel]
    return y


def backward_by_loops(dy, x, w, **options):
    dx, dw = np.zeros(x.shape), np.zeros(w.shape)
    for out, weight, pixel in products(x, w, **options):
        dx[pixel] += dy[out] * w[weight]
        dw[weight] += dy[out] * x[pixel]
    return dx, dw, np.einsum("bfyx->f", dy)


def column_entries(x_shape, kernel, stride=(1, 1), padding=(0, 0), dilation=(1, 1)):
    """For every entry of the columns that lies on the image: its index in the columns and in the images."""
    rows, columns = places(x_shape[2:], kernel, stride, padding, dilation)
    for n, c, u, v, i, j in np.ndindex(*x_shape[:2], *kernel, rows, columns):
        row = i * stride[0] - padding[0] + u * dilation[0]
        column = j * stride[1] - padding[1] + v * dilation[1]
        if 0 <= row < x_shape[2] and 0 <= column < x_shape[3]:
            yield (n, (c * kernel[0] + u) * kernel[1] + v, i * columns + j), (n, c, row, column)


def columns_shape(x_shape, kernel, **options):
    return x_shape[0], x_shape[1] * kernel[0] * kernel[1], int(np.prod(places(x_shape[2:], kernel, **options)))


def im2col_by_loops(x, kernel, **options):
    cols = np.zeros(columns_shape(x.shape, kernel, **options))
    for entry, pixel in column_entries(x.shape, kernel, **options):
        cols[entry] = x[pixel]
    return cols


def col2im_by_loops(cols, x_shape, kernel, **options):
    x = np.zeros(x_shape)
    for entry, pixel in column_entries(x_shape, kernel, **options):
        x[pixel] += cols[entry]
    return x


def single_entry(kernel, u, v):
    """One filter over one channel, with a one at (u, v)."""
    w = np.zeros((1, 1, *kernel))
    w[0, 0, u, v] = 1.0
    return w


# output_shape


@pytest.mark.stage("shape")
def test_output_shape_returns_a_tuple_of_two_ints(learner):
    result = learner.output_shape((9, 14), (3, 2), (2, 3), (1, 0), (2, 4))
    assert isinstance(result, tuple) and len(result) == 2, "output_shape returns a tuple of two"
    assert all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in result), "both are ints"


def test_output_shape_without_options_counts_the_places_side_by_side(learner, probe):
    y, x = probe.size("Y", at_least=4), probe.size("X", at_least=4)
    assert_close(learner.output_shape((y, x), (3, 2)), (y - 2, x - 1))


def test_output_shape_with_a_stride_leaves_out_what_no_step_reaches(learner):
    for size, expected in (((8, 12), (3, 5)), ((9, 13), (4, 5)), ((10, 14), (4, 5)), ((11, 15), (5, 6))):
        assert_close(learner.output_shape(size, (3, 1), stride=(2, 3)), (expected[0], (size[1] - 1) // 3 + 1))


def test_output_shape_counts_the_padding_on_both_sides(learner):
    assert_close(learner.output_shape((5, 8), (2, 3), padding=(1, 0)), (6, 6))
    assert_close(learner.output_shape((5, 8), (2, 3), padding=(0, 2)), (4, 10))


def test_output_shape_with_dilation_gives_the_kernel_a_longer_reach(learner):
    assert_close(learner.output_shape((11, 9), (3, 2), dilation=(4, 1)), (3, 8))
    assert_close(learner.output_shape((11, 9), (3, 2), dilation=(1, 5)), (9, 4))


def test_output_shape_of_a_case_computed_by_hand(learner):
    # extents 5 and 7; (8 + 2 - 5) // 2 + 1 and (13 + 6 - 7) // 5 + 1
    assert_close(learner.output_shape((8, 13), (3, 4), (2, 5), (1, 3), (2, 2)), (3, 3))
    assert_close(learner.output_shape((8, 13), (4, 3), (1, 2), (0, 1), (2, 3)), (2, 5))


@pytest.mark.stage("whole")
def test_output_shape_counts_what_a_walk_over_the_image_counts(learner, reference, probe):
    rng = probe.generator()
    for _ in range(25):
        size, kernel, stride = (tuple(rng.integers(low, high, 2).tolist()) for low, high in ((9, 30), (1, 5), (1, 6)))
        options = {"stride": stride, "padding": tuple(rng.integers(0, 4, 2).tolist())}
        options["dilation"] = tuple(rng.integers(1, 4, 2).tolist()) if max(kernel) < 4 else (2, 2)
        got = learner.output_shape(size, kernel, **options)
        assert_close(got, places(size, kernel, **options))
        assert_close(got, reference.output_shape(size, kernel, **options))


@pytest.mark.stage("robust")
def test_output_shape_of_a_kernel_that_just_fits_is_one_place(learner):
    assert_close(learner.output_shape((3, 7), (3, 7)), (1, 1))
    assert_close(learner.output_shape((1, 2), (1, 1), stride=(3, 4)), (1, 1))
    assert_close(learner.output_shape((3, 7), (4, 3), (2, 5), (2, 1), (2, 4)), (1, 1))


@pytest.mark.stage("robust")
def test_output_shape_takes_one_int_for_both_directions(learner):
    assert_close(learner.output_shape((9, 14), 3, 2, 1, 2), (4, 6))
    assert_close(learner.output_shape((9, 14), (3, 2), 2, (1, 0), 3), (3, 6))
    assert_close(learner.output_shape((9, 14), 2, (1, 3), 1), (10, 5))


@pytest.mark.stage("robust")
def test_output_shape_refuses_a_kernel_that_does_not_fit_in_one_direction(learner):
    for size, kernel in (((3, 9), (4, 2)), ((9, 3), (2, 4))):
        for stride in (1, 2, 5):
            with pytest.raises(ValueError):
                learner.output_shape(size, kernel, stride)


@pytest.mark.stage("robust")
def test_output_shape_refuses_a_kernel_that_dilation_makes_too_large(learner):
    assert_close(learner.output_shape((5, 9), (3, 2), (3, 4), 0, (2, 8)), (1, 1))
    for dilation in ((3, 8), (2, 9)):
        with pytest.raises(ValueError):
            learner.output_shape((5, 9), (3, 2), (3, 4), 0, dilation)


# conv2d_forward


@pytest.mark.stage("shape")
def test_conv2d_forward_returns_one_map_for_every_image_and_filter(learner, probe):
    x, w, b = probe.normal(2, 3, 8, 11), probe.normal(5, 3, 3, 2), probe.normal(5)
    y = learner.conv2d_forward(x, w, b, stride=(2, 3), padding=(1, 2), dilation=(2, 4))
    assert_shape(y, (2, 5, 3, 4), np.float64)


def test_conv2d_forward_of_black_images_is_the_bias_of_each_filter(learner, probe):
    b = probe.normal(5)
    y = learner.conv2d_forward(np.zeros((2, 3, 4, 6)), probe.normal(5, 3, 2, 3), b, padding=(1, 0))
    assert_close(y, np.broadcast_to(b[:, None, None], (2, 5, 5, 4)).copy())


def test_conv2d_forward_with_a_kernel_of_one_pixel_mixes_the_channels(learner, probe):
    x, w = probe.normal(2, 3, 4, 7), probe.normal(5, 3, 1, 1)
    y = learner.conv2d_forward(x, w, np.zeros(5))
    assert_close(y, np.einsum("bcyx,fc->bfyx", x, w[:, :, 0, 0]))


def test_conv2d_forward_does_not_flip_the_kernel(learner, probe):
    x = probe.normal(2, 1, 5, 7)
    for u, v in ((0, 0), (0, 1), (2, 0)):
        y = learner.conv2d_forward(x, single_entry((3, 2), u, v), np.zeros(1))
        assert_close(y, x[:, :, u : u + 3, v : v + 6])


def test_conv2d_forward_with_a_stride_stands_on_every_second_row_and_third_column(learner, probe):
    for size in ((6, 8), (5, 9), (7, 10)):
        x = probe.normal(1, 1, *size)
        y = learner.conv2d_forward(x, np.ones((1, 1, 1, 1)), np.zeros(1), stride=(2, 3))
        assert_close(y, x[:, :, ::2, ::3])


def test_conv2d_forward_leaves_out_rows_that_no_step_reaches(learner, probe):
    x, w = probe.normal(1, 1, 8, 9), probe.normal(1, 1, 3, 2)
    y = learner.conv2d_forward(x, w, np.zeros(1), stride=(2, 4))
    expected = [[np.sum(x[0, 0, i : i + 3, j : j + 2] * w) for j in (0, 4)] for i in (0, 2, 4)]
    assert_close(y, np.array([[expected]]))


def test_conv2d_forward_puts_zeros_around_the_image(learner, probe):
    x = probe.normal(2, 1, 3, 5)
    for p, q in ((1, 2), (2, 0), (0, 1)):
        y = learner.conv2d_forward(x, np.ones((1, 1, 1, 1)), np.zeros(1), padding=(p, q))
        expected = np.zeros((2, 1, 3 + 2 * p, 5 + 2 * q))
        expected[:, :, p : p + 3, q : q + 5] = x
        assert_close(y, expected)


def test_conv2d_forward_with_dilation_reads_pixels_that_lie_apart(learner, probe):
    x = probe.normal(1, 1, 9, 10)
    for u, v in ((1, 0), (2, 1), (0, 1)):
        y = learner.conv2d_forward(x, single_entry((3, 2), u, v), np.zeros(1), dilation=(2, 4))
        assert_close(y, x[:, :, 2 * u : 2 * u + 5, 4 * v : 4 * v + 6])


def test_conv2d_forward_with_groups_shows_each_run_of_filters_its_own_run_of_channels(learner, probe):
    x, w, b = probe.normal(2, 6, 3, 5), probe.normal(9, 2, 2, 3), probe.normal(9)
    runs = [forward_by_loops(x[:, 2 * g :][:, :2], w[3 * g :][:3], b[3 * g :][:3]) for g in range(3)]
    assert_close(learner.conv2d_forward(x, w, b, groups=3), np.concatenate(runs, axis=1))


def test_conv2d_forward_of_a_case_computed_by_hand(learner):
    x = np.array([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [[0.0, -1.0, 2.0], [1.0, 0.0, -2.0]]]])
    w = np.array([[[[1.0, 0.0], [0.0, -1.0]], [[2.0, 1.0], [0.0, 3.0]]], [[[0.0, 1.0], [2.0, 0.0]], [[0.0] * 2] * 2]])
    y = learner.conv2d_forward(x, w, np.array([10.0, -1.0]))
    assert_close(y, np.array([[[[5.0, 0.0]], [[9.0, 12.0]]]]))


@pytest.mark.stage("whole")
def test_conv2d_forward_equals_plain_loops(learner, probe):
    x, w, b, options = drawn(probe)
    assert_close(learner.conv2d_forward(x, w, b, **options), forward_by_loops(x, w, b, **options))


@pytest.mark.stage("whole")
def test_conv2d_forward_equals_the_reference(learner, reference, probe):
    for setting in SETTINGS:
        x, w, b, options = of_setting(probe, setting)
        assert_close(learner.conv2d_forward(x, w, b, **options), reference.conv2d_forward(x, w, b, **options))


@pytest.mark.stage("whole")
def test_conv2d_forward_of_a_shifted_image_is_shifted(learner, probe):
    x, w, b = probe.normal(2, 3, 9, 11), probe.normal(5, 3, 3, 2), probe.normal(5)
    moved = np.zeros(x.shape)
    moved[:, :, 2:, 3:] = x[:, :, :-2, :-3]
    options = {"stride": (2, 3), "dilation": (2, 3)}
    y, y_moved = learner.conv2d_forward(x, w, b, **options), learner.conv2d_forward(moved, w, b, **options)
    assert_close(y_moved[:, :, 1:, 1:], y[:, :, :-1, :-1])


@pytest.mark.stage("whole")
def test_conv2d_forward_is_linear_in_the_image_and_in_the_filters(learner, probe):
    x, w, _, options = of_setting(probe, SETTINGS[1])
    x2, w2, zero, a = probe.normal(*x.shape), probe.normal(*w.shape), np.zeros(len(w)), probe.scalar(-3.0, 3.0)
    y = learner.conv2d_forward(x, w, zero, **options)
    from_x2, from_w2 = (learner.conv2d_forward(*pair, zero, **options) for pair in ((x2, w), (x, w2)))
    assert_close(learner.conv2d_forward(x + a * x2, w, zero, **options), y + a * from_x2)
    assert_close(learner.conv2d_forward(x, w + a * w2, zero, **options), y + a * from_w2)


@pytest.mark.stage("robust")
def test_conv2d_forward_takes_one_int_for_both_directions(learner, probe):
    x, w, b = probe.normal(2, 4, 9, 12), probe.normal(6, 2, 2, 3), probe.normal(6)
    expected = forward_by_loops(x, w, b, stride=(2, 2), padding=(1, 1), dilation=(3, 3), groups=2)
    assert_close(learner.conv2d_forward(x, w, b, 2, 1, 3, 2), expected)
    expected = forward_by_loops(x, w, b, stride=(2, 2), padding=(0, 2), dilation=(3, 3), groups=2)
    assert_close(learner.conv2d_forward(x, w, b, 2, (0, 2), 3, 2), expected)
    expected = forward_by_loops(x, w, b, stride=(3, 2), padding=(1, 1), dilation=(2, 1), groups=2)
    assert_close(learner.conv2d_forward(x, w, b, (3, 2), 1, (2, 1), 2), expected)


@pytest.mark.stage("robust")
def test_conv2d_forward_of_one_image_one_channel_or_one_filter(learner, probe):
    for n, c, f in ((1, 3, 2), (3, 1, 2), (2, 3, 1)):
        x, w, b = probe.normal(n, c, 4, 5), probe.normal(f, c, 3, 2), probe.normal(f)
        assert_close(learner.conv2d_forward(x, w, b, padding=(1, 0)), forward_by_loops(x, w, b, padding=(1, 0)))


@pytest.mark.stage("robust")
def test_conv2d_forward_with_one_channel_a_group_treats_every_channel_alone(learner, probe):
    x, w, b = probe.normal(2, 3, 4, 6), probe.normal(6, 1, 2, 3), probe.normal(6)
    assert_close(learner.conv2d_forward(x, w, b, groups=3), forward_by_loops(x, w, b, groups=3))


@pytest.mark.stage("robust")
def test_conv2d_forward_with_a_kernel_as_large_as_the_image_is_a_linear_layer(learner, probe):
    x, w, b = probe.normal(3, 2, 4, 7), probe.normal(5, 2, 4, 7), probe.normal(5)
    y = learner.conv2d_forward(x, w, b, stride=(2, 3))
    assert_close(y, (x.reshape(3, -1) @ w.reshape(5, -1).T + b)[:, :, None, None])


@pytest.mark.stage("robust")
def test_conv2d_forward_with_a_kernel_that_only_fits_with_padding(learner, probe):
    x, w, b = probe.normal(2, 3, 2, 3), probe.normal(4, 3, 4, 5), probe.normal(4)
    options = {"padding": (3, 1), "stride": (2, 1)}
    assert_close(learner.conv2d_forward(x, w, b, **options), forward_by_loops(x, w, b, **options))


@pytest.mark.stage("robust")
def test_conv2d_forward_refuses_groups_that_do_not_divide_the_channels_or_the_filters(learner, probe):
    for channels, filters, seen in ((5, 6, 2), (5, 6, 3), (6, 5, 3), (4, 3, 2)):
        x, w, b = probe.normal(2, channels, 4, 5), probe.normal(filters, seen, 2, 3), probe.normal(filters)
        with pytest.raises(ValueError):
            learner.conv2d_forward(x, w, b, groups=2)


@pytest.mark.stage("robust")
def test_conv2d_forward_refuses_filters_with_another_number_of_channels(learner, probe):
    for channels, seen, groups in ((6, 1, 1), (6, 3, 1), (6, 6, 2), (6, 1, 3), (4, 1, 2), (2, 3, 1)):
        x, w, b = probe.normal(2, channels, 4, 5), probe.normal(6, seen, 2, 3), probe.normal(6)
        with pytest.raises(ValueError):
            learner.conv2d_forward(x, w, b, groups=groups)
    with pytest.raises(ValueError):  # two places and twice the channels: NumPy can reshape and broadcast these
        learner.conv2d_forward(probe.normal(2, 3, 4, 5), probe.normal(6, 6, 4, 4), probe.normal(6))


@pytest.mark.stage("robust")
def test_conv2d_forward_refuses_a_kernel_that_does_not_fit(learner, probe):
    for size, stride in (((2, 9), 1), ((9, 3), 1), ((2, 9), 4), ((9, 3), 4)):
        with pytest.raises(ValueError):
            learner.conv2d_forward(probe.normal(2, 3, *size), probe.normal(5, 3, 3, 4), probe.normal(5), stride)


# conv2d_backward


@pytest.mark.stage("shape")
def test_conv2d_backward_returns_gradients_shaped_like_x_w_and_b(learner, probe):
    x, w, b, options = of_setting(probe, SETTINGS[1])
    dy = probe.normal(2, len(w), *places(x.shape[2:], w.shape[2:], **geometry_of(options)))
    gradients = learner.conv2d_backward(dy, x, w, **options)
    assert isinstance(gradients, tuple | list) and len(gradients) == 3, "conv2d_backward returns three gradients"
    for name, gradient, value in zip(("dx", "dw", "db"), gradients, (x, w, b), strict=True):
        assert_shape(gradient, value.shape, np.float64, name=name)


def test_conv2d_backward_sums_db_over_images_and_places(learner, probe):
    dy, x, w = probe.normal(2, 5, 4, 6), probe.normal(2, 3, 5, 8), probe.normal(5, 3, 2, 3)
    assert_close(learner.conv2d_backward(dy, x, w)[2], np.einsum("bfyx->f", dy), name="db")


def test_conv2d_backward_with_a_kernel_of_one_pixel_is_a_linear_layer_at_every_pixel(learner, probe):
    dy, x, w = probe.normal(2, 5, 4, 7), probe.normal(2, 3, 4, 7), probe.normal(5, 3, 1, 1)
    dx, dw, _ = learner.conv2d_backward(dy, x, w)
    assert_close(dx, np.einsum("bfyx,fc->bcyx", dy, w[:, :, 0, 0]), name="dx")
    assert_close(dw[:, :, 0, 0], np.einsum("bfyx,bcyx->fc", dy, x), name="dw")


def test_conv2d_backward_of_a_single_place_lays_the_filter_on_its_window(learner, probe):
    dy, x, w = np.zeros((2, 5, 3, 2)), probe.normal(2, 3, 8, 9), probe.normal(5, 3, 3, 2)
    dy[1, 4, 2, 1] = 2.0
    dx, _, _ = learner.conv2d_backward(dy, x, w, stride=(2, 4), dilation=(1, 3))
    expected = np.zeros(x.shape)
    expected[1, :, 4:7, 4:8:3] = 2.0 * w[4]
    assert_close(dx, expected, name="dx")


def test_conv2d_backward_of_a_single_place_gives_its_filter_the_window(learner, probe):
    dy, x, w = np.zeros((2, 5, 3, 2)), probe.normal(2, 3, 8, 9), probe.normal(5, 3, 3, 2)
    dy[1, 4, 2, 1] = 2.0
    _, dw, _ = learner.conv2d_backward(dy, x, w, stride=(2, 4), dilation=(1, 3))
    expected = np.zeros(w.shape)
    expected[4] = 2.0 * x[1, :, 4:7, 4:8:3]
    assert_close(dw, expected, name="dw")


def test_conv2d_backward_adds_up_where_windows_overlap(learner):
    dx, dw, _ = learner.conv2d_backward(np.ones((1, 1, 3, 2)), np.ones((1, 1, 4, 4)), np.ones((1, 1, 2, 3)))
    assert_close(dx, np.outer([1.0, 2.0, 2.0, 1.0], [1.0, 2.0, 2.0, 1.0])[None, None], name="dx")
    assert_close(dw, np.full((1, 1, 2, 3), 6.0), name="dw")


def test_conv2d_backward_drops_what_falls_on_the_padding(learner, probe):
    x, w = probe.normal(2, 3, 4, 5), probe.normal(5, 3, 3, 2)
    for padding in ((1, 0), (0, 2), (2, 1)):
        dy = probe.normal(2, 5, *places((4, 5), (3, 2), padding=padding))
        dx, dw, _ = learner.conv2d_backward(dy, x, w, padding=padding)
        expected = backward_by_loops(dy, x, w, padding=padding)
        assert_close(dx, expected[0], name="dx")
        assert_close(dw, expected[1], name="dw")


def test_conv2d_backward_gives_nothing_to_pixels_that_lie_in_no_window(learner, probe):
    dy, x, w = probe.normal(2, 5, 2, 3), probe.normal(2, 3, 8, 9), probe.normal(5, 3, 2, 1)
    dx, _, _ = learner.conv2d_backward(dy, x, w, stride=(5, 4))
    expected = backward_by_loops(dy, x, w, stride=(5, 4))[0]
    assert_close(dx[:, :, [2, 3, 4, 7]], np.zeros((2, 3, 4, 9)), name="dx in rows 2, 3, 4 and 7")
    assert_close(dx, expected, name="dx")


def test_conv2d_backward_with_groups_stays_within_each_run(learner, probe):
    dy, x, w = probe.normal(2, 9, 2, 3), probe.normal(2, 6, 3, 5), probe.normal(9, 2, 2, 3)
    dx, dw, _ = learner.conv2d_backward(dy, x, w, groups=3)
    runs = [backward_by_loops(dy[:, 3 * g :][:, :3], x[:, 2 * g :][:, :2], w[3 * g :][:3]) for g in range(3)]
    assert_close(dx, np.concatenate([run[0] for run in runs], axis=1), name="dx")
    assert_close(dw, np.concatenate([run[1] for run in runs]), name="dw")


def test_conv2d_backward_of_a_case_computed_by_hand(learner):
    x, w = np.array([[[[1.0, 2.0, 0.0], [3.0, 4.0, 5.0]]]]), np.array([[[[1.0, 10.0]]]])
    dx, dw, db = learner.conv2d_backward(np.array([[[[3.0, -1.0], [0.0, 2.0]]]]), x, w)
    assert_close(dx, np.array([[[[3.0, 29.0, -10.0], [0.0, 2.0, 20.0]]]]), name="dx")
    assert_close(dw, np.array([[[[9.0, 16.0]]]]), name="dw")
    assert_close(db, np.array([4.0]), name="db")


@pytest.mark.stage("whole")
def test_conv2d_backward_equals_plain_loops(learner, probe):
    x, w, b, options = drawn(probe)
    dy = probe.normal(*forward_by_loops(x, w, b, **options).shape)
    assert_close(learner.conv2d_backward(dy, x, w, **options), backward_by_loops(dy, x, w, **options))


@pytest.mark.stage("whole")
def test_conv2d_backward_equals_the_reference(learner, reference, probe):
    as_many_filters_as_channels = ((5, 7), (2, 3), 3, 3, {})  # a matrix over the channels can be transposed unnoticed
    for setting in (*SETTINGS, as_many_filters_as_channels):
        x, w, _, options = of_setting(probe, setting)
        dy = probe.normal(2, len(w), *reference.output_shape(x.shape[2:], w.shape[2:], **geometry_of(options)))
        assert_close(learner.conv2d_backward(dy, x, w, **options), reference.conv2d_backward(dy, x, w, **options))


@pytest.mark.stage("whole")
def test_conv2d_backward_gives_the_slopes_of_the_convolution(learner, reference, probe):
    x, w, b = probe.normal(2, 4, 6, 3), probe.normal(6, 2, 2, 3), probe.normal(6)
    options = {"stride": (2, 1), "padding": (1, 2), "dilation": (2, 3), "groups": 2}
    dy = probe.normal(2, 6, 3, 1)
    gradients = list(learner.conv2d_backward(dy, x, w, **options))

    def forward(x, w, b):
        return reference.conv2d_forward(x, w, b, **options)

    assert_gradients(forward, [x, w, b], gradients, dy, names=("x", "w", "b"))


@pytest.mark.stage("whole")
def test_conv2d_backward_is_the_adjoint_of_the_convolution(learner, reference, probe):
    x, w, b, options = drawn(probe)
    other_x, other_w, zero = probe.normal(*x.shape), probe.normal(*w.shape), np.zeros(len(b))
    y_of_x = reference.conv2d_forward(other_x, w, zero, **options)
    y_of_w = reference.conv2d_forward(x, other_w, zero, **options)
    dy = probe.normal(*y_of_x.shape)
    dx, dw, _ = learner.conv2d_backward(dy, x, w, **options)
    sizes = [np.abs(y).max() * np.abs(dy).max() for y in (y_of_x, y_of_w)]  # sums of both signs may come out near zero
    assert_close(np.sum(dx * other_x) / sizes[0], np.sum(dy * y_of_x) / sizes[0], name="Σ dx · x'", terms=x.size)
    assert_close(np.sum(dw * other_w) / sizes[1], np.sum(dy * y_of_w) / sizes[1], name="Σ dw · w'", terms=w.size)


@pytest.mark.stage("robust")
def test_conv2d_backward_takes_one_int_for_both_directions(learner, probe):
    x, w = probe.normal(2, 4, 9, 12), probe.normal(6, 2, 2, 3)
    dy = probe.normal(2, 6, 4, 4)
    expected = backward_by_loops(dy, x, w, stride=(2, 2), padding=(1, 1), dilation=(3, 3), groups=2)
    assert_close(learner.conv2d_backward(dy, x, w, 2, 1, 3, 2), expected)
    dy = probe.normal(2, 6, 3, 5)
    expected = backward_by_loops(dy, x, w, stride=(2, 2), padding=(0, 2), dilation=(3, 3), groups=2)
    assert_close(learner.conv2d_backward(dy, x, w, 2, (0, 2), 3, 2), expected)


@pytest.mark.stage("robust")
def test_conv2d_backward_of_one_image_one_channel_or_one_filter(learner, probe):
    for n, c, f in ((1, 3, 2), (3, 1, 2), (2, 3, 1)):
        dy, x, w = probe.normal(n, f, 2, 6), probe.normal(n, c, 4, 5), probe.normal(f, c, 3, 2)
        expected = backward_by_loops(dy, x, w, padding=(0, 1))
        assert_close(learner.conv2d_backward(dy, x, w, padding=(0, 1)), expected)


@pytest.mark.stage("robust")
def test_conv2d_backward_with_one_channel_a_group_treats_every_channel_alone(learner, probe):
    dy, x, w = probe.normal(2, 6, 3, 4), probe.normal(2, 3, 4, 6), probe.normal(6, 1, 2, 3)
    assert_close(learner.conv2d_backward(dy, x, w, groups=3), backward_by_loops(dy, x, w, groups=3))


@pytest.mark.stage("robust")
def test_conv2d_backward_with_a_kernel_as_large_as_the_image_is_that_of_a_linear_layer(learner, probe):
    dy, x, w = probe.normal(3, 5, 1, 1), probe.normal(3, 2, 4, 7), probe.normal(5, 2, 4, 7)
    dx, dw, db = learner.conv2d_backward(dy, x, w, stride=(2, 3))
    flat = dy[:, :, 0, 0]
    assert_close(dx, (flat @ w.reshape(5, -1)).reshape(x.shape), name="dx")
    assert_close(dw, (flat.T @ x.reshape(3, -1)).reshape(w.shape), name="dw")
    assert_close(db, np.ones(3) @ flat, name="db")


# im2col


@pytest.mark.stage("shape")
def test_im2col_returns_a_column_for_every_place(learner, probe):
    cols = learner.im2col(probe.normal(2, 3, 8, 11), (3, 2), stride=(2, 3), padding=(1, 2), dilation=(2, 4))
    assert_shape(cols, (2, 18, 12), np.float64)


def test_im2col_reads_a_window_row_by_row(learner, probe):
    x = probe.normal(2, 1, 2, 3)
    assert_close(learner.im2col(x, (2, 3)), x.reshape(2, 6, 1))


def test_im2col_reads_the_places_row_by_row(learner, probe):
    x = probe.normal(2, 3, 4, 5)
    assert_close(learner.im2col(x, (1, 1)), x.reshape(2, 3, 20))


def test_im2col_writes_the_channels_one_below_the_other(learner, probe):
    x = probe.normal(2, 3, 2, 4)
    cols = learner.im2col(x, (2, 4))
    assert_close(cols, x.reshape(2, 24, 1))


def test_im2col_with_a_stride_skips_places(learner, probe):
    x = probe.normal(1, 2, 6, 8)
    assert_close(learner.im2col(x, (1, 1), stride=(4, 3)), x[:, :, ::4, ::3].reshape(1, 2, 6))


def test_im2col_with_padding_reads_zeros_around_the_image(learner, probe):
    x = probe.normal(1, 2, 2, 3)
    for p, q in ((1, 0), (0, 2)):
        expected = np.zeros((1, 2, 2 + 2 * p, 3 + 2 * q))
        expected[:, :, p : p + 2, q : q + 3] = x
        assert_close(learner.im2col(x, (1, 1), padding=(p, q)), expected.reshape(1, 2, -1))


def test_im2col_with_dilation_reads_pixels_that_lie_apart(learner, probe):
    x = probe.normal(1, 1, 5, 7)
    assert_close(learner.im2col(x, (3, 2), dilation=(2, 6)), x[:, :, ::2, ::6].reshape(1, 6, 1))


def test_im2col_of_a_case_computed_by_hand(learner):
    x = np.array([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]]])
    cols = learner.im2col(x, (2, 1), padding=(1, 0), stride=(2, 1))
    assert_close(cols, np.array([[[0.0, 0.0, 0.0, 4.0, 5.0, 6.0], [1.0, 2.0, 3.0, 7.0, 8.0, 9.0]]]))


@pytest.mark.stage("whole")
def test_im2col_equals_plain_loops(learner, probe):
    x, w, _, options = drawn(probe)
    kernel, geometry = w.shape[2:], geometry_of(options)
    assert_close(learner.im2col(x, kernel, **geometry), im2col_by_loops(x, kernel, **geometry))


@pytest.mark.stage("whole")
def test_im2col_equals_the_reference(learner, reference, probe):
    for setting in SETTINGS:
        x, w, _, options = of_setting(probe, setting)
        kernel, geometry = w.shape[2:], geometry_of(options)
        assert_close(learner.im2col(x, kernel, **geometry), reference.im2col(x, kernel, **geometry))


@pytest.mark.stage("robust")
def test_im2col_takes_one_int_for_both_directions(learner, probe):
    x = probe.normal(2, 3, 7, 9)
    expected = im2col_by_loops(x, (2, 2), stride=(3, 3), padding=(1, 1), dilation=(2, 2))
    assert_close(learner.im2col(x, 2, 3, 1, 2), expected)
    expected = im2col_by_loops(x, (2, 3), stride=(2, 2), padding=(1, 0), dilation=(3, 3))
    assert_close(learner.im2col(x, (2, 3), 2, (1, 0), 3), expected)


@pytest.mark.stage("robust")
def test_im2col_refuses_a_kernel_that_does_not_fit(learner, probe):
    for size, dilation in (((2, 9), 1), ((9, 3), 1), ((4, 9), (2, 1)), ((9, 9), (1, 3))):
        with pytest.raises(ValueError):
            learner.im2col(probe.normal(2, 3, *size), (3, 4), (4, 3), 0, dilation)


# col2im


@pytest.mark.stage("shape")
def test_col2im_returns_images_of_the_given_shape(learner, probe):
    x = learner.col2im(probe.normal(2, 18, 12), (2, 3, 8, 11), (3, 2), stride=(2, 3), padding=(1, 2), dilation=(2, 4))
    assert_shape(x, (2, 3, 8, 11), np.float64)


def test_col2im_puts_windows_side_by_side_back_together(learner, probe):
    x = probe.normal(2, 3, 4, 9)
    assert_close(learner.col2im(im2col_by_loops(x, (2, 3), stride=(2, 3)), x.shape, (2, 3), stride=(2, 3)), x)


def test_col2im_puts_a_single_column_on_its_window(learner, probe):
    cols, window = np.zeros((2, 18, 6)), probe.normal(3, 3, 2)
    cols[1, :, 5] = window.ravel()
    expected = np.zeros((2, 3, 8, 9))
    expected[1, :, 4:7, 4:8:3] = window
    assert_close(learner.col2im(cols, expected.shape, (3, 2), stride=(2, 4), dilation=(1, 3)), expected)


def test_col2im_adds_up_where_windows_overlap(learner):
    x = learner.col2im(np.array([[[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]]]), (1, 1, 1, 4), (1, 2))
    assert_close(x, np.array([[[[1.0, 10.0, 20.0, 32.0]]]]))
    x = learner.col2im(np.ones((1, 6, 6)), (1, 1, 4, 4), (2, 3))
    assert_close(x, np.outer([1.0, 2.0, 2.0, 1.0], [1.0, 2.0, 2.0, 1.0])[None, None])


def test_col2im_drops_what_falls_on_the_padding(learner, probe):
    for padding in ((1, 0), (0, 2), (2, 1)):
        cols = probe.normal(*columns_shape((2, 3, 4, 5), (3, 2), padding=padding))
        expected = col2im_by_loops(cols, (2, 3, 4, 5), (3, 2), padding=padding)
        assert_close(learner.col2im(cols, (2, 3, 4, 5), (3, 2), padding=padding), expected)


def test_col2im_leaves_pixels_that_lie_in_no_window_at_zero(learner, probe):
    x = learner.col2im(probe.normal(2, 6, 6), (2, 3, 8, 9), (2, 1), stride=(5, 4))
    assert_close(x[:, :, [2, 3, 4, 7]], np.zeros((2, 3, 4, 9)), name="rows 2, 3, 4 and 7")


def test_col2im_of_a_case_computed_by_hand(learner):
    cols = np.array([[[9.0, 9.0, 4.0, 5.0], [1.0, 2.0, 7.0, 8.0]]])
    x = learner.col2im(cols, (1, 1, 3, 2), (2, 1), padding=(1, 0), stride=(2, 1))
    assert_close(x, np.array([[[[1.0, 2.0], [4.0, 5.0], [7.0, 8.0]]]]))


@pytest.mark.stage("whole")
def test_col2im_equals_plain_loops(learner, probe):
    x, w, _, options = drawn(probe)
    kernel, geometry = w.shape[2:], geometry_of(options)
    cols = probe.normal(*columns_shape(x.shape, kernel, **geometry))
    assert_close(learner.col2im(cols, x.shape, kernel, **geometry), col2im_by_loops(cols, x.shape, kernel, **geometry))


@pytest.mark.stage("whole")
def test_col2im_equals_the_reference(learner, reference, probe):
    for setting in SETTINGS:
        x, w, _, options = of_setting(probe, setting)
        kernel, geometry = w.shape[2:], geometry_of(options)
        cols = probe.normal(*columns_shape(x.shape, kernel, **geometry))
        expected = reference.col2im(cols, x.shape, kernel, **geometry)
        assert_close(learner.col2im(cols, x.shape, kernel, **geometry), expected)


@pytest.mark.stage("whole")
def test_col2im_gives_the_slopes_of_im2col(learner, reference, probe):
    x = probe.normal(1, 2, 6, 5)
    options = {"stride": (2, 1), "padding": (1, 2), "dilation": (2, 3)}
    dcols = probe.normal(*columns_shape(x.shape, (2, 3), **options))
    dx = learner.col2im(dcols, x.shape, (2, 3), **options)
    assert_gradients(lambda x: reference.im2col(x, (2, 3), **options), [x], [dx], dcols, names=("x",))


@pytest.mark.stage("robust")
def test_col2im_takes_one_int_for_both_directions(learner, probe):
    cols = probe.normal(2, 12, 9)
    expected = col2im_by_loops(cols, (2, 3, 7, 9), (2, 2), stride=(3, 3), padding=(1, 1), dilation=(2, 2))
    assert_close(learner.col2im(cols, (2, 3, 7, 9), 2, 3, 1, 2), expected)
    cols = probe.normal(2, 12, 16)
    expected = col2im_by_loops(cols, (2, 3, 7, 9), (2, 2), stride=(2, 3), padding=(2, 2), dilation=(3, 1))
    assert_close(learner.col2im(cols, (2, 3, 7, 9), 2, (2, 3), 2, (3, 1)), expected)


@pytest.mark.stage("robust")
def test_col2im_of_one_image_one_channel_or_one_place(learner, probe):
    for shape, kernel in (((1, 3, 4, 5), (2, 3)), ((2, 1, 4, 5), (3, 2)), ((2, 3, 4, 5), (4, 5))):
        cols = probe.normal(*columns_shape(shape, kernel))
        assert_close(learner.col2im(cols, shape, kernel), col2im_by_loops(cols, shape, kernel))


# conv2d_im2col


@pytest.mark.stage("shape")
def test_conv2d_im2col_returns_one_map_for_every_image_and_filter(learner, probe):
    x, w, b = probe.normal(2, 3, 8, 11), probe.normal(5, 3, 3, 2), probe.normal(5)
    y = learner.conv2d_im2col(x, w, b, stride=(2, 3), padding=(1, 2), dilation=(2, 4))
    assert_shape(y, (2, 5, 3, 4), np.float64)


def test_conv2d_im2col_of_black_images_is_the_bias_of_each_filter(learner, probe):
    b = probe.normal(5)
    y = learner.conv2d_im2col(np.zeros((2, 3, 4, 6)), probe.normal(5, 3, 2, 3), b, padding=(1, 0))
    assert_close(y, np.broadcast_to(b[:, None, None], (2, 5, 5, 4)).copy())


def test_conv2d_im2col_multiplies_entries_that_belong_together(learner, probe):
    x, w = probe.normal(3, 2, 4, 7), probe.normal(5, 2, 4, 7)
    y = learner.conv2d_im2col(x, w, np.zeros(5))
    assert_close(y, np.einsum("bcyx,fcyx->bf", x, w)[:, :, None, None])


def test_conv2d_im2col_puts_the_places_back_on_a_map(learner, probe):
    x, w = probe.normal(2, 3, 4, 7), probe.normal(5, 3, 1, 1)
    y = learner.conv2d_im2col(x, w, np.zeros(5))
    assert_close(y, np.einsum("bcyx,fc->bfyx", x, w[:, :, 0, 0]))


def test_conv2d_im2col_with_groups_shows_each_run_of_filters_its_own_run_of_channels(learner, probe):
    x, w, b = probe.normal(2, 6, 3, 5), probe.normal(9, 2, 2, 3), probe.normal(9)
    runs = [forward_by_loops(x[:, 2 * g :][:, :2], w[3 * g :][:3], b[3 * g :][:3]) for g in range(3)]
    assert_close(learner.conv2d_im2col(x, w, b, groups=3), np.concatenate(runs, axis=1))


def test_conv2d_im2col_uses_stride_padding_and_dilation(learner, probe):
    x, w, b = probe.normal(2, 2, 7, 6), probe.normal(3, 2, 2, 3), probe.normal(3)
    for options in ({"stride": (2, 3)}, {"padding": (2, 1)}, {"dilation": (4, 2)}):
        assert_close(learner.conv2d_im2col(x, w, b, **options), forward_by_loops(x, w, b, **options))


@pytest.mark.stage("whole")
def test_conv2d_im2col_equals_plain_loops(learner, probe):
    x, w, b, options = drawn(probe)
    assert_close(learner.conv2d_im2col(x, w, b, **options), forward_by_loops(x, w, b, **options))


@pytest.mark.stage("whole")
def test_conv2d_im2col_equals_the_reference(learner, reference, probe):
    for setting in SETTINGS:
        x, w, b, options = of_setting(probe, setting)
        assert_close(learner.conv2d_im2col(x, w, b, **options), reference.conv2d_im2col(x, w, b, **options))


@pytest.mark.stage("robust")
def test_conv2d_im2col_takes_one_int_for_both_directions(learner, probe):
    x, w, b = probe.normal(2, 4, 9, 12), probe.normal(6, 2, 2, 3), probe.normal(6)
    expected = forward_by_loops(x, w, b, stride=(2, 2), padding=(1, 1), dilation=(3, 3), groups=2)
    assert_close(learner.conv2d_im2col(x, w, b, 2, 1, 3, 2), expected)
    expected = forward_by_loops(x, w, b, stride=(2, 2), padding=(0, 2), dilation=(3, 3), groups=2)
    assert_close(learner.conv2d_im2col(x, w, b, 2, (0, 2), 3, 2), expected)
    expected = forward_by_loops(x, w, b, stride=(3, 2), padding=(1, 1), dilation=(2, 1), groups=2)
    assert_close(learner.conv2d_im2col(x, w, b, (3, 2), 1, (2, 1), 2), expected)


@pytest.mark.stage("robust")
def test_conv2d_im2col_refuses_groups_that_do_not_divide_the_channels_or_the_filters(learner, probe):
    for channels, filters, seen in ((5, 6, 2), (5, 6, 3), (6, 5, 3), (4, 3, 2)):
        x, w, b = probe.normal(2, channels, 4, 5), probe.normal(filters, seen, 2, 3), probe.normal(filters)
        with pytest.raises(ValueError):
            learner.conv2d_im2col(x, w, b, groups=2)


@pytest.mark.stage("robust")
def test_conv2d_im2col_refuses_filters_with_another_number_of_channels(learner, probe):
    for channels, seen, groups in ((6, 1, 1), (6, 3, 1), (6, 6, 2), (6, 1, 3), (4, 1, 2), (2, 3, 1)):
        x, w, b = probe.normal(2, channels, 4, 5), probe.normal(6, seen, 2, 3), probe.normal(6)
        with pytest.raises(ValueError):
            learner.conv2d_im2col(x, w, b, groups=groups)


@pytest.mark.stage("robust")
def test_conv2d_im2col_refuses_a_kernel_that_does_not_fit(learner, probe):
    for size in ((2, 9), (9, 3)):
        with pytest.raises(ValueError):
            learner.conv2d_im2col(probe.normal(2, 3, *size), probe.normal(5, 3, 3, 4), probe.normal(5), (4, 5))
