"""assert_close and assert_shape: what passes, and the sentence when something does not."""

import numpy as np
import pytest

from autograder.testing import CheckFailed, assert_close, assert_shape

X = np.random.default_rng(0).normal(size=(3, 5))
EPS = np.finfo(np.float64).eps


class DataFrame:
    """Neither array nor number."""


def says(got, expected, **options) -> str:
    with pytest.raises(CheckFailed) as caught:
        assert_close(got, expected, **options)
    return str(caught.value)


def changed(index, value) -> np.ndarray:
    x = X.copy()
    x[index] = value
    return x


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (X, X),
        (X + 1e-12, X),
        (1, 1.0),
        (np.array(1.0), 1.0),
        (np.float64(1.0), 1.0),
        (1.0, np.float32(1.0)),
        (np.int64(3), 3),
        (np.array(3), 3),
        (np.True_, True),
        ("a", "a"),
        (None, None),
        ([X, 1.0], (X, 1.0)),
        ({"W": X, "b": [1.0]}, {"W": X, "b": [1.0]}),
        (1.0 + 0j, 1j / 1j),
        (np.empty((0, 3)), np.empty((0, 3))),
        (np.float64, np.float64),
    ],
)
def test_equal_values_pass(got, expected):
    assert_close(got, expected)


@pytest.mark.parametrize(
    ("got", "expected", "sentence"),
    [
        (DataFrame(), X, "returned a DataFrame where a NumPy array was expected"),
        (None, X, "returned None where a NumPy array was expected"),
        (X.tolist(), X, "returned a list where a NumPy array was expected"),
        (X.view(np.matrix), X, "returned a matrix where a NumPy array was expected"),
        (X, 1.0, "returned a NumPy array where a number was expected"),
        (True, 1.0, "returned the bool True where a number was expected"),
        (1, True, "returned the int 1 where a bool was expected"),
        (2.0, 2, "returned the float 2 where an int was expected"),
        (1j, 1.0, "returned the complex 0+1j where a number was expected"),
        (0, None, "returned the int 0 where None was expected"),
        (None, "a", "returned None where a str was expected"),
        (X, (X, X), "returned a NumPy array where a tuple of 2 values was expected"),
        ((X, [X]), (X, X), "item 1 of the result is a list where a NumPy array was expected"),
    ],
)
def test_the_type_is_settled_first(got, expected, sentence):
    assert says(got, expected) == sentence


@pytest.mark.parametrize(
    ("got", "expected", "sentence"),
    [
        ((5, 3), (3, 5), "the result has shape (5, 3), expected (3, 5): the axes are swapped"),
        ((2, 3, 5), (5, 3, 2), "the result has shape (2, 3, 5), expected (5, 3, 2): axes 0 and 2 are swapped"),
        ((2, 3, 5), (3, 5, 2), "the result has shape (2, 3, 5), expected (3, 5, 2): the axes are in another order"),
        ((3, 1), (3,), "the result has shape (3, 1), expected (3,): axis 1, of length 1, is one too many"),
        ((5,), (3, 5), "the result has shape (5,), expected (3, 5): axis 0, of length 3, is missing"),
        ((3, 4), (3, 5), "the result has shape (3, 4), expected (3, 5): axis 1 has length 4 instead of 5"),
        ((15,), (3, 1, 5), "the result has shape (15,), expected (3, 1, 5): the same 15 values, arranged otherwise"),
        ((7,), (3,), "the result has shape (7,), expected (3,)"),
    ],
)
def test_a_wrong_shape_is_explained(got, expected, sentence):
    assert says(np.ones(got), np.ones(expected)) == sentence


def test_the_path_to_a_wrong_item_is_named():
    assert says((X, X.T), (X, X)).startswith("item 1 of the result has shape (5, 3), expected (3, 5)")
    assert says({"W1": X.T}, {"W1": X}).startswith("the result['W1'] has shape (5, 3)")
    assert says([[X, X.T]], [[X, X]], name="the cache").startswith("item 1 of item 0 of the cache has shape")


def test_wrong_counts_and_keys_are_named():
    assert says([X], (X, X)) == "the result has 1 item, expected 2"
    assert says({"W": X}, {"W": X, "b": X}) == "the result lacks the key 'b'"
    assert says({"W": X, "c": 1, "d": 2}, {"W": X}) == "the result has the unexpected keys 'c', 'd'"


def test_dtypes_must_agree_unless_told_otherwise():
    assert says(X.astype(np.float32), X) == "the result has dtype float32, expected float64"
    assert_close(X.astype(np.float32), X, dtype=False)
    assert says(np.array([1, 0]), np.array([True, False]), dtype=False) == "the result has dtype int64, expected bool"
    assert says(np.array(["a"]), np.array([1.0]), dtype=False) == "the result has dtype <U1, expected float64"


def test_a_coarse_scalar_cannot_loosen_the_tolerance():
    assert says(np.float16(1.0), 1.0) == "the result has dtype float16, expected float64"


def test_values_that_are_not_finite_are_counted():
    x = changed((0, 2), np.nan)
    x[1, :2] = np.inf
    assert says(x, X) == "3 of 15 values are not finite, the first at [0, 2]"
    assert says(x, X, name="dx") == "3 of 15 values of dx are not finite, the first at [0, 2]"
    assert says(np.inf, 1.0) == "the result is inf, expected 1"


def test_nan_equals_nothing():
    nan = changed((1, 1), np.nan)
    assert says(nan.copy(), nan) == "1 of 15 values is not finite, at [1, 1]"
    assert "nan" in says(np.nan, np.nan)


def test_infinities_may_be_expected():
    special = changed((0, 0), np.inf)
    assert_close(special.copy(), special)
    assert "at [0, 0]: -inf, expected inf" in says(np.where(np.isinf(special), -np.inf, special), special)
    assert "at [0, 0]: 0.12573, expected inf" in says(X, special)


@pytest.mark.parametrize(
    ("got", "fact"),
    [
        (2 * X, "every value is 2 times the expected one"),
        (-X, "every value has the wrong sign"),
        (X + 1, "every value is 1 too large"),
        (X - 0.5, "every value is 0.5 too small"),
        (0 * X, "every value is zero"),
        (X[::-1], "the right values in the wrong places"),
        (np.abs(X), "the magnitudes are right, some signs are not"),
        (np.full(X.shape, 0.2), "every value is 0.2"),
    ],
)
def test_what_the_wrong_values_have_in_common_is_said(got, fact):
    assert says(got, X).endswith(f"; {fact}")


def test_the_worst_value_is_found_and_measured():
    with pytest.raises(CheckFailed) as caught:
        assert_close(changed((1, 1), X[1, 1] + 3), X)
    mismatch = caught.value.mismatch
    assert str(caught.value) == "1 of 15 values of the result is wrong, at [1, 1]: 4.304, expected 1.304"
    assert (mismatch.index, mismatch.wrong, mismatch.total) == ((1, 1), 1, 15)
    assert mismatch.absolute == pytest.approx(3)
    assert mismatch.relative == pytest.approx(3 / abs(X[1, 1]))
    assert mismatch.tolerance < 1e-8


def test_values_that_print_alike_are_told_apart():
    assert says(1.0 + 1e-9, 1.0) == "the result is 1.000000001, expected 1"


def test_the_tolerance_follows_from_dtype_and_terms():
    tolerance = 10 * EPS ** (2 / 3)
    assert_close(np.array([1.0, 1.0 + 1.5 * tolerance]), np.ones(2))
    says(np.array([1.0, 1.0 + 3 * tolerance]), np.ones(2))
    assert_close(np.array([1.0, 1.0 + 3 * tolerance]), np.ones(2), terms=4)
    assert_close(np.float32([1.0, 1.0001]), np.ones(2, np.float32))


def test_rounding_errors_around_zero_pass():
    assert_close(np.full(3, 1e-16), np.zeros(3))
    says(np.full(3, 1e-12), np.zeros(3))


def test_integers_and_bools_must_be_equal():
    assert (
        says(np.array([1, 2, 3]), np.array([1, 2, 5])) == "1 of 3 values of the result is wrong, at [2]: 3, expected 5"
    )
    assert says(np.uint8([200, 3]), np.uint8([3, 3])).endswith("at [0]: 200, expected 3")
    assert says(np.array([True, False]), np.array([True, True])).endswith("at [1]: False, expected True")
    assert says(4, 5) == "the result is 4, expected 5"


def test_numbers_out_of_range_are_compared_safely():
    assert "inf" in says(10**5000, 1.0)
    assert says(10**5000, 1) == "the result is an integer of 16610 bits, expected 1"
    assert says(np.array([1e308, 1.0]), np.array([-1e308, 1.0])).startswith("1 of 2 values")


def test_a_shape_is_asserted_with_or_without_a_dtype():
    assert_shape(X, (3, 5))
    assert_shape(np.ones(3), 3, np.float64)
    assert_shape(1.0, ())
    with pytest.raises(CheckFailed, match=r"has shape \(3, 5\), expected \(5, 3\): the axes are swapped"):
        assert_shape(X, (5, 3))
    with pytest.raises(CheckFailed, match="the probabilities has dtype float64, expected float32"):
        assert_shape(X, (3, 5), np.float32, name="the probabilities")
    with pytest.raises(CheckFailed, match="returned the bool True where"):
        assert_shape(True, ())


@pytest.mark.torch
class TestTensors:
    @pytest.fixture(autouse=True)
    def tensors(self):
        self.torch = pytest.importorskip("torch")
        self.x = self.torch.tensor(X, dtype=self.torch.float32)

    def test_equal_tensors_pass_whatever_their_graph_and_kind(self):
        assert_close(self.x, self.x)
        assert_close(self.torch.nn.Parameter(self.x), self.x)
        assert_close((self.x.requires_grad_() * 1), self.x)
        assert_close(self.x.bfloat16(), self.x.bfloat16())
        assert_close(self.x.to(self.torch.complex64).conj(), self.x.to(self.torch.complex64))

    def test_arrays_and_tensors_are_not_each_other(self):
        assert says(X, self.x) == "returned a NumPy array where a torch tensor was expected"
        assert says(self.x, X) == "returned a torch tensor where a NumPy array was expected"
        assert says(self.x.sum(), 1.0) == "returned a torch tensor where a number was expected"

    def test_shape_dtype_and_values_are_compared(self):
        assert says(self.x.T, self.x) == "the result has shape (5, 3), expected (3, 5): the axes are swapped"
        assert says(self.x.double(), self.x) == "the result has dtype float64, expected float32"
        assert says(2 * self.x, self.x).endswith("every value is 2 times the expected one")

    def test_a_torch_dtype_asks_for_a_tensor(self):
        assert_shape(self.x, (3, 5), self.torch.float32)
        with pytest.raises(CheckFailed, match="returned a NumPy array where a torch tensor was expected"):
            assert_shape(X, (3, 5), self.torch.float64)
