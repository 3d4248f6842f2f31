"""Hidden checks of pooling: which entries a window holds, what becomes of them, and what flows back."""

import numpy as np
import pytest

from autograder.testing import assert_close, assert_gradients, assert_shape

SETTINGS = (  # image size, kernel, stride, padding
    ((5, 9), (2, 3), None, (0, 0)),
    ((8, 7), (3, 2), (2, 3), (1, 0)),
    ((6, 11), (2, 5), (1, 2), (0, 2)),
    ((10, 4), (4, 3), (3, 1), (2, 1)),
    ((7, 8), (1, 2), (4, 3), (0, 1)),
)


def drawn(probe):
    """An image size, kernel, stride and padding, no two directions alike."""
    rng = probe.generator()
    kernel, stride = rng.permutation([1, 2, 3, 4])[:2].tolist(), rng.permutation([1, 2, 3])[:2].tolist()
    padding = [int(rng.integers(k // 2 + 1)) for k in kernel]
    room = zip(kernel, stride, padding, rng.permutation([2, 3, 4])[:2].tolist(), strict=True)
    size = [max(1, (n - 1) * s + k + int(rng.integers(s)) - 2 * p) for k, s, p, n in room]
    return (size[0], size[1] + (size[0] == size[1])), tuple(kernel), tuple(stride), tuple(padding)


def windows(size, kernel, stride=None, padding=(0, 0)):
    """For every place of a window the entries of it that lie on the image, row by row."""
    stride = stride or kernel
    starts = [range(-p, n + p - k + 1, s) for n, k, s, p in zip(size, kernel, stride, padding, strict=True)]
    for (i, top), (j, left) in ((a, b) for a in enumerate(starts[0]) for b in enumerate(starts[1])):
        rows = [row for row in range(top, top + kernel[0]) if 0 <= row < size[0]]
        columns = [column for column in range(left, left + kernel[1]) if 0 <= column < size[1]]
        yield (i, j), [(row, column) for row in rows for column in columns]


def output_size(size, kernel, stride=None, padding=(0, 0)):
    (i, j), _ = list(windows(size, kernel, stride, padding))[-1]
    return i + 1, j + 1


def max_by_loops(x, kernel, stride=None, padding=(0, 0)):
    """The largest entries, and the places of the first of them."""
    shape = (*x.shape[:2], *output_size(x.shape[2:], kernel, stride, padding))
    y, index = np.zeros(shape), np.zeros(shape, dtype=np.int64)
    for (i, j), entries in windows(x.shape[2:], kernel, stride, padding):
        for n, c in np.ndindex(x.shape[:2]):
            values = [x[n, c, row, column] for row, column in entries]
            winner = values.index(max(values))
            y[n, c, i, j], index[n, c, i, j] = values[winner], entries[winner][0] * x.shape[3] + entries[winner][1]
    return y, index


def sum_by_loops(dy, x_shape, index):
    dx = np.zeros((x_shape[0], x_shape[1], x_shape[2] * x_shape[3]))
    for n, c, i, j in np.ndindex(dy.shape):
        dx[n, c, index[n, c, i, j]] += dy[n, c, i, j]
    return dx.reshape(x_shape)


def mean_by_loops(x, kernel, stride=None, padding=(0, 0), count_include_pad=True):
    y = np.zeros((*x.shape[:2], *output_size(x.shape[2:], kernel, stride, padding)))
    for (i, j), entries in windows(x.shape[2:], kernel, stride, padding):
        divisor = kernel[0] * kernel[1] if count_include_pad else len(entries)
        y[:, :, i, j] = sum(x[:, :, row, column] for row, column in entries) / divisor
    return y


def shares_by_loops(dy, x_shape, kernel, stride=None, padding=(0, 0), count_include_pad=True):
    dx = np.zeros(x_shape)
    for (i, j), entries in windows(x_shape[2:], kernel, stride, padding):
        divisor = kernel[0] * kernel[1] if count_include_pad else len(entries)
        for row, column in entries:
            dx[:, :, row, column] += dy[:, :, i, j] / divisor
    return dx


def assert_pooled(result, y, index):
    """What max_pool2d_forward returned holds these values and places."""
    assert_close(result[0], y, name="y")
    assert_close(result[1]["index"], index, name="the index", dtype=False)


def cache_of(x_shape, index):
    return {"x_shape": tuple(x_shape), "index": np.asarray(index, dtype=np.int64)}


# max_pool2d_forward


@pytest.mark.stage("shape")
def test_max_pool2d_forward_returns_maps_and_the_cache_that_was_agreed(learner, probe):
    x = probe.normal(2, 3, 8, 7)
    result = learner.max_pool2d_forward(x, (3, 2), stride=(2, 3), padding=(1, 0))
    assert isinstance(result, tuple | list) and len(result) == 2, "max_pool2d_forward returns maps and a cache"
    y, cache = result
    assert_shape(y, (2, 3, 4, 2), np.float64)
    assert isinstance(cache, dict) and {"x_shape", "index"} <= cache.keys(), "the cache holds x_shape and index"
    assert_close(cache["x_shape"], x.shape, name="the x_shape of the cache")
    assert_shape(cache["index"], (2, 3, 4, 2))
    assert cache["index"].dtype == np.int64, "the index holds integers, int64"


def test_max_pool2d_forward_finds_the_largest_of_windows_side_by_side(learner, probe):
    x = probe.normal(2, 3, 6, 15)
    y, _ = learner.max_pool2d_forward(x, (2, 5), stride=(2, 5))
    assert_close(y, x.reshape(2, 3, 3, 2, 3, 5).max(axis=(3, 5)))


def test_max_pool2d_forward_without_a_stride_sets_the_windows_side_by_side(learner, probe):
    x = probe.normal(2, 3, 6, 15)
    assert_close(learner.max_pool2d_forward(x, (2, 5))[0], x.reshape(2, 3, 3, 2, 3, 5).max(axis=(3, 5)))


def test_max_pool2d_forward_leaves_out_rows_that_no_window_reaches(learner, probe):
    x = probe.normal(1, 2, 5, 10)
    x[:, :, 4], x[:, :, :, 8:] = 50.0, 60.0
    assert_pooled(learner.max_pool2d_forward(x, (2, 4)), *max_by_loops(x, (2, 4)))


def test_max_pool2d_forward_steps_by_the_stride(learner, probe):
    x = probe.normal(2, 3, 7, 8)
    for stride in ((1, 2), (3, 1), (2, 4)):
        assert_close(learner.max_pool2d_forward(x, (2, 3), stride)[0], max_by_loops(x, (2, 3), stride)[0], name="y")


def test_max_pool2d_forward_says_where_the_winners_are(learner, probe):
    x = probe.normal(2, 3, 5, 7)
    _, cache = learner.max_pool2d_forward(x, (2, 3), stride=(1, 2))
    row, column = np.divmod(cache["index"], 7)
    n, c = np.indices(cache["index"].shape)[:2]
    assert_close(x[n, c, row, column], max_by_loops(x, (2, 3), (1, 2))[0], name="x at the index")


def test_max_pool2d_forward_never_lets_the_padding_win(learner, probe):
    x = -np.abs(probe.normal(2, 3, 4, 5))
    for padding in ((1, 0), (0, 1), (1, 1)):
        y, _ = learner.max_pool2d_forward(x, (2, 3), stride=(1, 2), padding=padding)
        assert_close(y, max_by_loops(x, (2, 3), (1, 2), padding)[0], name="y")


def test_max_pool2d_forward_counts_places_without_the_padding(learner, probe):
    x = -np.abs(probe.normal(2, 3, 4, 5))
    for padding in ((1, 0), (0, 2), (1, 2)):
        _, cache = learner.max_pool2d_forward(x, (3, 4), stride=(1, 3), padding=padding)
        expected = max_by_loops(x, (3, 4), (1, 3), padding)[1]
        assert_close(cache["index"], expected, name="the index", dtype=False)


def test_max_pool2d_forward_takes_the_first_of_equals_row_by_row(learner, probe):
    x = np.floor(2.0 * probe.uniform("2 3 7 8")).astype(np.float64)  # only the numbers -2 to 1
    assert_pooled(learner.max_pool2d_forward(x, (3, 4), (2, 1)), *max_by_loops(x, (3, 4), (2, 1)))
    crossed = np.array([[[[0.0, 0.0, 7.0], [0.0, 7.0, 0.0], [7.0, 0.0, 7.0]]]])
    assert_close(learner.max_pool2d_forward(crossed, 3)[1]["index"], np.array([[[[2]]]]), dtype=False)


def test_max_pool2d_forward_of_a_case_computed_by_hand(learner):
    x = np.array([[[[-1.0, -5.0, -2.0, -3.0], [-3.0, -4.0, -6.0, -2.0], [-7.0, -8.0, -9.0, -1.0]]]])
    y, cache = learner.max_pool2d_forward(x, (2, 3), stride=(2, 2), padding=(1, 1))
    assert_close(y, np.array([[[[-1.0, -2.0], [-3.0, -1.0]]]]), name="y")
    assert_close(cache["index"], np.array([[[[0, 2], [4, 11]]]]), name="the index", dtype=False)


@pytest.mark.stage("whole")
def test_max_pool2d_forward_equals_plain_loops(learner, probe):
    size, *rest = drawn(probe)
    x = probe.normal(2, 3, *size)
    assert_pooled(learner.max_pool2d_forward(x, *rest), *max_by_loops(x, *rest))


@pytest.mark.stage("whole")
def test_max_pool2d_forward_equals_the_reference(learner, reference, probe):
    for size, *rest in SETTINGS:
        x = np.round(2.0 * probe.normal(2, 3, *size))
        y, cache = reference.max_pool2d_forward(x, *rest)
        assert_pooled(learner.max_pool2d_forward(x, *rest), y, cache["index"])


@pytest.mark.stage("robust")
def test_max_pool2d_forward_takes_one_int_for_both_directions(learner, probe):
    x = probe.normal(2, 3, 7, 9)
    assert_pooled(learner.max_pool2d_forward(x, 3, 2, 1), *max_by_loops(x, (3, 3), (2, 2), (1, 1)))
    assert_pooled(learner.max_pool2d_forward(x, 2), *max_by_loops(x, (2, 2)))
    assert_pooled(learner.max_pool2d_forward(x, 3, (1, 2), 1), *max_by_loops(x, (3, 3), (1, 2), (1, 1)))
    assert_pooled(learner.max_pool2d_forward(x, (2, 3), 2, (1, 0)), *max_by_loops(x, (2, 3), (2, 2), (1, 0)))


@pytest.mark.stage("robust")
def test_max_pool2d_forward_with_a_window_of_one_pixel_or_of_the_whole_image(learner, probe):
    x = probe.normal(2, 3, 4, 5)
    assert_pooled(learner.max_pool2d_forward(x, 1), x, np.broadcast_to(np.arange(20).reshape(4, 5), x.shape).copy())
    assert_pooled(learner.max_pool2d_forward(x, (4, 5), (1, 1)), *max_by_loops(x, (4, 5)))


@pytest.mark.stage("robust")
def test_max_pool2d_forward_of_a_constant_image_finds_the_first_entries_of_the_image(learner, probe):
    x = np.full((1, 2, 4, 5), probe.scalar(-3.0, 3.0))
    rest = (3, 4), (2, 1), (1, 2)
    assert_pooled(learner.max_pool2d_forward(x, *rest), *max_by_loops(x, *rest))


@pytest.mark.stage("robust")
def test_max_pool2d_forward_of_hugely_negative_images(learner, probe):
    x = -1e200 * np.abs(probe.normal(2, 3, 4, 5))
    rest = (3, 4), (2, 1), (1, 2)
    assert_pooled(learner.max_pool2d_forward(x, *rest), *max_by_loops(x, *rest))


@pytest.mark.stage("robust")
def test_max_pool2d_forward_accepts_padding_of_half_the_kernel_and_refuses_more(learner, probe):
    x = probe.normal(2, 3, 6, 7)
    assert_pooled(learner.max_pool2d_forward(x, (2, 5), 1, (1, 2)), *max_by_loops(x, (2, 5), (1, 1), (1, 2)))
    for kernel, padding in (((3, 6), (2, 1)), ((6, 3), (1, 2)), ((2, 6), (2, 0)), ((1, 4), 1)):
        with pytest.raises(ValueError):
            learner.max_pool2d_forward(x, kernel, 1, padding)


@pytest.mark.stage("robust")
def test_max_pool2d_forward_refuses_a_window_that_does_not_fit(learner, probe):
    for size in ((2, 9), (9, 3)):
        with pytest.raises(ValueError):
            learner.max_pool2d_forward(probe.normal(2, 3, *size), (3, 4))


# max_pool2d_backward


@pytest.mark.stage("shape")
def test_max_pool2d_backward_returns_images(learner, reference, probe):
    _, cache = reference.max_pool2d_forward(probe.normal(2, 3, 8, 7), (3, 2), (2, 3), (1, 0))
    assert_shape(learner.max_pool2d_backward(probe.normal(2, 3, 4, 2), cache), (2, 3, 8, 7), np.float64)


def test_max_pool2d_backward_gives_dy_to_the_winners_and_zero_to_the_others(learner, probe):
    dy = probe.normal(1, 1, 2, 3)
    dx = learner.max_pool2d_backward(dy, cache_of((1, 1, 4, 7), [[[[8, 3, 6], [21, 18, 27]]]]))
    expected = np.zeros(28)
    expected[[8, 3, 6, 21, 18, 27]] = dy.ravel()
    assert_close(dx, expected.reshape(1, 1, 4, 7))


def test_max_pool2d_backward_adds_up_what_a_winner_of_several_windows_gets(learner, probe):
    dy = probe.normal(1, 1, 2, 3)
    dx = learner.max_pool2d_backward(dy, cache_of((1, 1, 3, 5), [[[[7, 7, 4], [7, 13, 4]]]]))
    expected = np.zeros(15)
    for place, value in zip([7, 7, 4, 7, 13, 4], dy.ravel(), strict=True):
        expected[place] += value
    assert_close(dx, expected.reshape(1, 1, 3, 5))


def test_max_pool2d_backward_keeps_images_and_channels_apart(learner, probe):
    dy = probe.normal(2, 3, 1, 2)
    index = np.array([[[1, 5]], [[1, 1]], [[0, 5]]])
    dx = learner.max_pool2d_backward(dy, cache_of((2, 3, 2, 4), np.stack([index, index[::-1]])))
    assert_close(dx, sum_by_loops(dy, (2, 3, 2, 4), np.stack([index, index[::-1]])))


def test_max_pool2d_backward_of_a_case_computed_by_hand(learner):
    dy = np.array([[[[1.0, -2.0], [4.0, 8.0]], [[3.0, 5.0], [7.0, 9.0]]]])
    dx = learner.max_pool2d_backward(dy, cache_of((1, 2, 2, 3), [[[[4, 1], [4, 4]], [[0, 5], [2, 5]]]]))
    assert_close(dx, np.array([[[[0.0, -2.0, 0.0], [0.0, 13.0, 0.0]], [[3.0, 0.0, 7.0], [0.0, 0.0, 14.0]]]]))


@pytest.mark.stage("whole")
def test_max_pool2d_backward_equals_plain_loops(learner, probe):
    size, *rest = drawn(probe)
    y, index = max_by_loops(probe.normal(2, 3, *size), *rest)
    dy = probe.normal(*y.shape)
    assert_close(
        learner.max_pool2d_backward(dy, cache_of((2, 3, *size), index)), sum_by_loops(dy, (2, 3, *size), index)
    )


@pytest.mark.stage("whole")
def test_max_pool2d_backward_equals_the_reference(learner, reference, probe):
    for size, *rest in SETTINGS:
        y, cache = reference.max_pool2d_forward(np.round(2.0 * probe.normal(2, 3, *size)), *rest)
        dy = probe.normal(*y.shape)
        assert_close(learner.max_pool2d_backward(dy, cache), reference.max_pool2d_backward(dy, cache))


@pytest.mark.stage("whole")
def test_max_pool2d_backward_gives_the_slopes_of_the_pooling(learner, reference, probe):
    x, rest = probe.uniform("2 3 5 6", -4.0, 4.0), ((3, 2), (1, 2), (1, 0))  # no two entries are close together
    y, cache = reference.max_pool2d_forward(x, *rest)
    dy = probe.normal(*y.shape)
    dx = learner.max_pool2d_backward(dy, cache)
    assert_gradients(lambda x: reference.max_pool2d_forward(x, *rest)[0], [x], [dx], dy, names=("x",))


@pytest.mark.stage("whole")
@pytest.mark.task("max_pool2d_backward")
def test_max_pool2d_backward_understands_the_cache_of_your_own_forward(learner, probe):
    size, *rest = SETTINGS[3]
    x = probe.normal(2, 3, *size)
    y, index = max_by_loops(x, *rest)
    dy = probe.normal(*y.shape)
    _, cache = learner.max_pool2d_forward(x, *rest)
    assert_close(learner.max_pool2d_backward(dy, cache), sum_by_loops(dy, x.shape, index))


@pytest.mark.stage("robust")
def test_max_pool2d_backward_where_one_entry_won_every_window(learner, probe):
    dy = probe.normal(2, 3, 4, 5)
    dx = learner.max_pool2d_backward(dy, cache_of((2, 3, 6, 7), np.full(dy.shape, 40)))
    expected = np.zeros((2, 3, 42))
    expected[:, :, 40] = np.einsum("bcyx->bc", dy)
    assert_close(dx, expected.reshape(2, 3, 6, 7))


@pytest.mark.stage("robust")
def test_max_pool2d_backward_of_one_image_one_channel_or_one_window(learner, probe):
    for n, c, rows, columns in ((1, 3, 2, 4), (3, 1, 2, 4), (2, 3, 1, 1)):
        dy, index = probe.normal(n, c, rows, columns), probe.integers(f"{n} {c} {rows} {columns}", high=15)
        expected = sum_by_loops(dy, (n, c, 3, 5), index)
        assert_close(learner.max_pool2d_backward(dy, cache_of((n, c, 3, 5), index)), expected)


# avg_pool2d_forward


@pytest.mark.stage("shape")
def test_avg_pool2d_forward_returns_smaller_maps(learner, probe):
    y = learner.avg_pool2d_forward(probe.normal(2, 3, 8, 7), (3, 2), stride=(2, 3), padding=(1, 0))
    assert_shape(y, (2, 3, 4, 2), np.float64)


def test_avg_pool2d_forward_takes_the_mean_of_windows_side_by_side(learner, probe):
    x = probe.normal(2, 3, 6, 15)
    y = learner.avg_pool2d_forward(x, (2, 5), stride=(2, 5))
    assert_close(y, np.einsum("bcikjl->bcij", x.reshape(2, 3, 3, 2, 3, 5)) / 10.0)


def test_avg_pool2d_forward_without_a_stride_sets_the_windows_side_by_side(learner, probe):
    x = probe.normal(2, 3, 6, 15)
    assert_close(learner.avg_pool2d_forward(x, (2, 5)), np.einsum("bcikjl->bcij", x.reshape(2, 3, 3, 2, 3, 5)) / 10.0)


def test_avg_pool2d_forward_leaves_out_rows_that_no_window_reaches(learner, probe):
    x = probe.normal(1, 2, 5, 10)
    x[:, :, 4], x[:, :, :, 8:] = 50.0, 60.0
    assert_close(learner.avg_pool2d_forward(x, (2, 4)), mean_by_loops(x, (2, 4)))


def test_avg_pool2d_forward_steps_by_the_stride(learner, probe):
    x = probe.normal(2, 3, 7, 8)
    for stride in ((1, 2), (3, 1), (2, 4)):
        assert_close(learner.avg_pool2d_forward(x, (2, 3), stride), mean_by_loops(x, (2, 3), stride))


def test_avg_pool2d_forward_counts_the_padding_as_entries_of_zero(learner):
    y = learner.avg_pool2d_forward(np.ones((1, 2, 3, 4)), (2, 3), stride=(1, 2), padding=(1, 1))
    corner, edge, side, inside = 2 / 6, 3 / 6, 4 / 6, 1.0
    expected = np.array([[corner, edge], [side, inside], [side, inside], [corner, edge]])
    assert_close(y, np.broadcast_to(expected, (1, 2, 4, 2)).copy())


def test_avg_pool2d_forward_without_counting_the_padding_keeps_a_constant_image(learner, probe):
    x = np.full((1, 2, 3, 4), probe.scalar(2.0, 5.0))
    for padding in ((1, 0), (0, 1), (1, 1)):
        y = learner.avg_pool2d_forward(x, (2, 3), stride=(1, 2), padding=padding, count_include_pad=False)
        assert_close(y, np.full((1, 2, *output_size((3, 4), (2, 3), (1, 2), padding)), x[0, 0, 0, 0]))


def test_avg_pool2d_forward_counts_the_zeros_of_the_image_itself(learner, probe):
    x = np.maximum(probe.normal(2, 3, 4, 5), 0.0)
    rest = (3, 2), (1, 2), (1, 0)
    for count_include_pad in (True, False):
        expected = mean_by_loops(x, *rest, count_include_pad)
        assert_close(learner.avg_pool2d_forward(x, *rest, count_include_pad), expected)


def test_avg_pool2d_forward_of_a_case_computed_by_hand(learner):
    x = np.array([[[[1.0, 5.0, 3.0], [4.0, 2.0, 1.0]]]])
    counted = learner.avg_pool2d_forward(x, (2, 1), stride=(2, 2), padding=(1, 0))
    not_counted = learner.avg_pool2d_forward(x, (2, 2), stride=(1, 1), padding=(0, 1), count_include_pad=False)
    assert_close(counted, np.array([[[[0.5, 1.5], [2.0, 0.5]]]]), name="y")
    assert_close(not_counted, np.array([[[[2.5, 3.0, 2.75, 2.0]]]]), name="y without counting the padding")


@pytest.mark.stage("whole")
def test_avg_pool2d_forward_equals_plain_loops(learner, probe):
    size, *rest = drawn(probe)
    x = probe.normal(2, 3, *size)
    for count_include_pad in (True, False):
        expected = mean_by_loops(x, *rest, count_include_pad)
        assert_close(learner.avg_pool2d_forward(x, *rest, count_include_pad), expected)


@pytest.mark.stage("whole")
def test_avg_pool2d_forward_equals_the_reference(learner, reference, probe):
    for size, *rest in SETTINGS:
        x = probe.normal(2, 3, *size)
        for options in ({}, {"count_include_pad": True}, {"count_include_pad": False}):
            expected = reference.avg_pool2d_forward(x, *rest, **options)
            assert_close(learner.avg_pool2d_forward(x, *rest, **options), expected)


@pytest.mark.stage("robust")
def test_avg_pool2d_forward_takes_one_int_for_both_directions(learner, probe):
    x = probe.normal(2, 3, 7, 9)
    for count_include_pad in (True, False):
        expected = mean_by_loops(x, (3, 3), (2, 2), (1, 1), count_include_pad)
        assert_close(learner.avg_pool2d_forward(x, 3, 2, 1, count_include_pad), expected)
    assert_close(learner.avg_pool2d_forward(x, 2), mean_by_loops(x, (2, 2)))
    assert_close(learner.avg_pool2d_forward(x, 3, (1, 2), 1), mean_by_loops(x, (3, 3), (1, 2), (1, 1)))
    assert_close(learner.avg_pool2d_forward(x, (2, 3), 2, (1, 0)), mean_by_loops(x, (2, 3), (2, 2), (1, 0)))


@pytest.mark.stage("robust")
def test_avg_pool2d_forward_with_a_window_of_one_pixel_or_of_the_whole_image(learner, probe):
    x = probe.normal(2, 3, 4, 5)
    assert_close(learner.avg_pool2d_forward(x, 1), x)
    assert_close(learner.avg_pool2d_forward(x, (4, 5), (1, 1)), mean_by_loops(x, (4, 5)))


@pytest.mark.stage("robust")
def test_avg_pool2d_forward_accepts_padding_of_half_the_kernel_and_refuses_more(learner, probe):
    x = probe.normal(2, 3, 6, 7)
    expected = mean_by_loops(x, (2, 5), (1, 1), (1, 2), False)
    assert_close(learner.avg_pool2d_forward(x, (2, 5), 1, (1, 2), False), expected)
    for kernel, padding in (((3, 6), (2, 1)), ((6, 3), (1, 2)), ((2, 6), (2, 0)), ((1, 4), 1)):
        with pytest.raises(ValueError):
            learner.avg_pool2d_forward(x, kernel, 1, padding)


@pytest.mark.stage("robust")
def test_avg_pool2d_forward_refuses_a_window_that_does_not_fit(learner, probe):
    for size in ((2, 9), (9, 3)):
        with pytest.raises(ValueError):
            learner.avg_pool2d_forward(probe.normal(2, 3, *size), (3, 4))


# avg_pool2d_backward


@pytest.mark.stage("shape")
def test_avg_pool2d_backward_returns_images(learner, probe):
    dx = learner.avg_pool2d_backward(probe.normal(2, 3, 4, 2), (2, 3, 8, 7), (3, 2), stride=(2, 3), padding=(1, 0))
    assert_shape(dx, (2, 3, 8, 7), np.float64)


def test_avg_pool2d_backward_gives_every_entry_of_a_window_the_same_share(learner, probe):
    dy = probe.normal(2, 3, 3, 3)
    dx = learner.avg_pool2d_backward(dy, (2, 3, 6, 15), (2, 5))
    assert_close(dx, np.repeat(np.repeat(dy, 2, axis=2), 5, axis=3) / 10.0)


def test_avg_pool2d_backward_adds_up_where_windows_overlap(learner):
    dx = learner.avg_pool2d_backward(np.ones((1, 1, 3, 2)), (1, 1, 4, 4), (2, 3), stride=(1, 1))
    assert_close(dx, np.outer([1.0, 2.0, 2.0, 1.0], [1.0, 2.0, 2.0, 1.0])[None, None] / 6.0)


def test_avg_pool2d_backward_gives_nothing_to_pixels_that_lie_in_no_window(learner, probe):
    dy = probe.normal(2, 3, 2, 3)
    dx = learner.avg_pool2d_backward(dy, (2, 3, 8, 9), (2, 1), stride=(5, 4))
    assert_close(dx[:, :, [2, 3, 4, 7]], np.zeros((2, 3, 4, 9)), name="dx in rows 2, 3, 4 and 7")
    assert_close(dx, shares_by_loops(dy, (2, 3, 8, 9), (2, 1), (5, 4)))


def test_avg_pool2d_backward_loses_the_shares_of_the_padding(learner, probe):
    for padding in ((1, 0), (0, 1), (1, 1)):
        dy = probe.normal(2, 3, *output_size((3, 4), (2, 3), (1, 2), padding))
        dx = learner.avg_pool2d_backward(dy, (2, 3, 3, 4), (2, 3), stride=(1, 2), padding=padding)
        assert_close(dx, shares_by_loops(dy, (2, 3, 3, 4), (2, 3), (1, 2), padding))


def test_avg_pool2d_backward_without_counting_the_padding_loses_nothing(learner, probe):
    for padding in ((1, 0), (0, 1), (1, 1)):
        dy = probe.normal(2, 3, *output_size((3, 4), (2, 3), (1, 2), padding))
        options = {"stride": (1, 2), "padding": padding, "count_include_pad": False}
        dx = learner.avg_pool2d_backward(dy, (2, 3, 3, 4), (2, 3), **options)
        assert_close(np.einsum("bcyx->bc", dx), np.einsum("bcyx->bc", dy), name="the sum of dx", terms=dy.size)
        assert_close(dx, shares_by_loops(dy, (2, 3, 3, 4), (2, 3), (1, 2), padding, False))


def test_avg_pool2d_backward_of_a_case_computed_by_hand(learner):
    dy = np.array([[[[6.0, 12.0, -4.0]]]])
    dx = learner.avg_pool2d_backward(dy, (1, 1, 2, 4), (2, 2), padding=(0, 1))
    assert_close(dx, np.array([[[[1.5, 3.0, 3.0, -1.0], [1.5, 3.0, 3.0, -1.0]]]]))
    dx = learner.avg_pool2d_backward(dy, (1, 1, 2, 4), (2, 2), padding=(0, 1), count_include_pad=False)
    assert_close(dx, np.array([[[[3.0, 3.0, 3.0, -2.0], [3.0, 3.0, 3.0, -2.0]]]]))


@pytest.mark.stage("whole")
def test_avg_pool2d_backward_equals_plain_loops(learner, probe):
    size, *rest = drawn(probe)
    dy = probe.normal(2, 3, *output_size(size, *rest))
    for count_include_pad in (True, False):
        expected = shares_by_loops(dy, (2, 3, *size), *rest, count_include_pad)
        assert_close(learner.avg_pool2d_backward(dy, (2, 3, *size), *rest, count_include_pad), expected)


@pytest.mark.stage("whole")
def test_avg_pool2d_backward_equals_the_reference(learner, reference, probe):
    for size, *rest in SETTINGS:
        dy, x_shape = probe.normal(2, 3, *output_size(size, *rest)), (2, 3, *size)
        for options in ({}, {"count_include_pad": True}, {"count_include_pad": False}):
            expected = reference.avg_pool2d_backward(dy, x_shape, *rest, **options)
            assert_close(learner.avg_pool2d_backward(dy, x_shape, *rest, **options), expected)


@pytest.mark.stage("whole")
def test_avg_pool2d_backward_gives_the_slopes_of_the_pooling(learner, reference, probe):
    x, rest = probe.normal(1, 2, 5, 6), ((3, 2), (1, 2), (1, 0))
    for last in (True, False):
        dy = probe.normal(1, 2, 5, 3)
        dx = learner.avg_pool2d_backward(dy, x.shape, *rest, last)
        assert_gradients(lambda x, last=last: reference.avg_pool2d_forward(x, *rest, last), [x], [dx], dy)


@pytest.mark.stage("robust")
def test_avg_pool2d_backward_takes_one_int_for_both_directions(learner, probe):
    dy = probe.normal(2, 3, 4, 5)
    for count_include_pad in (True, False):
        expected = shares_by_loops(dy, (2, 3, 7, 9), (3, 3), (2, 2), (1, 1), count_include_pad)
        assert_close(learner.avg_pool2d_backward(dy, (2, 3, 7, 9), 3, 2, 1, count_include_pad), expected)
    expected = shares_by_loops(dy, (2, 3, 6, 11), (2, 3), (2, 2), (1, 0))
    assert_close(learner.avg_pool2d_backward(dy, (2, 3, 6, 11), (2, 3), 2, (1, 0)), expected)


@pytest.mark.stage("robust")
def test_avg_pool2d_backward_with_a_window_of_one_pixel_or_of_the_whole_image(learner, probe):
    dy = probe.normal(2, 3, 4, 5)
    assert_close(learner.avg_pool2d_backward(dy, dy.shape, 1), dy)
    dx = learner.avg_pool2d_backward(dy[:, :, :1, :1], dy.shape, (4, 5), (2, 3))
    assert_close(dx, np.broadcast_to(dy[:, :, :1, :1] / 20.0, dy.shape).copy())


# global_average_pool


@pytest.mark.stage("shape")
def test_global_average_pool_returns_one_number_for_every_image_and_channel(learner, probe):
    assert_shape(learner.global_average_pool(probe.normal("B C Y X")), probe.shape("B C"), np.float64)


def test_global_average_pool_of_constant_channels_is_their_values(learner, probe):
    values = probe.normal("B C")
    x = np.broadcast_to(values[:, :, None, None], probe.shape("B C Y X")).copy()
    assert_close(learner.global_average_pool(x), values)


def test_global_average_pool_gives_every_pixel_the_same_weight(learner, probe):
    x = np.zeros(probe.shape("B C Y X"))
    x[1, 0, 0, 1], x[1, 0, 1, 0] = 1.0, 2.0
    expected = np.zeros(probe.shape("B C"))
    expected[1, 0] = 3.0 / (probe.size("Y") * probe.size("X"))
    assert_close(learner.global_average_pool(x), expected)


def test_global_average_pool_of_a_case_computed_by_hand(learner):
    x = np.array([[[[1.0, 2.0, 3.0], [4.0, 5.0, -3.0]], [[0.0, 0.0, 1.0], [1.0, 0.0, -5.0]]]])
    assert_close(learner.global_average_pool(x), np.array([[2.0, -0.5]]))


@pytest.mark.stage("whole")
def test_global_average_pool_equals_the_reference(learner, reference, probe):
    x = probe.normal("B C Y X")
    assert_close(learner.global_average_pool(x), reference.global_average_pool(x))
    assert_close(learner.global_average_pool(x), np.einsum("bcyx->bc", x) / (probe.size("Y") * probe.size("X")))


@pytest.mark.stage("robust")
def test_global_average_pool_of_one_row_one_column_one_image_or_one_channel(learner, probe):
    for shape in ((2, 3, 1, 5), (2, 3, 5, 1), (1, 3, 2, 5), (3, 1, 5, 2), (2, 3, 1, 1)):
        x = probe.normal(*shape)
        assert_close(learner.global_average_pool(x), np.einsum("bcyx->bc", x) / (shape[2] * shape[3]))
