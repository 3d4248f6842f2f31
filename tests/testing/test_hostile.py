"""Whatever plain data comes back: a check passes or fails with a sentence and a card, and nothing else happens."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from autograder.catalog import Course
from autograder.sandbox.proxy import Call
from autograder.testing import CheckFailed, assert_close, assert_shape
from autograder.testing.card import failure_card
from autograder.testing.tasks import Check
from autograder.testing.verdict import cause_of

DTYPES = st.sampled_from(
    ["bool", "int8", "uint64", "int64", "float16", "float32", "float64", "complex64", "complex128"]
)
ARRAYS = arrays.arrays(DTYPES, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
NUMBERS = st.one_of(
    st.booleans(), st.integers(-(10**400), 10**400), st.floats(), st.complex_numbers(), ARRAYS.map(lambda a: a[()])
)
LEAVES = st.one_of(st.none(), NUMBERS, st.text(max_size=5), st.binary(max_size=5), ARRAYS)
PLAIN = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.one_of(st.text(max_size=3), st.integers()), inner, max_size=3),
    ),
    max_leaves=6,
)
EXPECTED = [
    np.ones((2, 3)),
    np.array([np.nan, np.inf, 1.0]),
    np.ones(2, np.complex64),
    np.array([1, 2]),
    np.array([True, False]),
    np.float32(0.5),
    (np.ones(3), {"w": 1.0}),
    [1, 2],
    {"a": None},
    True,
    3,
    0.5,
    1j,
    "a",
    None,
]
CHECK = Check(Course("."), "test_f", "f", "mechanism", "f works", parameters={"f": ("x",)})


def card_of(function, *arguments, result):
    try:
        function(*arguments)
    except CheckFailed as error:
        card = str(
            failure_card(CHECK, cause_of(error, __file__, (), True), error, Call("f", (result,), {}, result=result))
        )
        assert error.sentence
        assert "f works" in card
        assert max(map(len, card.splitlines())) <= 200


@settings(max_examples=300, deadline=None, database=None)
@given(PLAIN, st.sampled_from(EXPECTED))
def test_any_value_passes_or_fails(got, expected):
    card_of(assert_close, got, expected, result=got)
    card_of(assert_shape, got, (2, 3), "float64", result=got)


@settings(max_examples=300, deadline=None, database=None)
@given(st.sampled_from(EXPECTED), st.data())
def test_any_array_of_the_right_shape_passes_or_fails(expected, data):
    if isinstance(expected, np.ndarray):
        elements = arrays.arrays(expected.dtype, expected.shape)
        got = data.draw(elements)
        card_of(assert_close, got, expected, result=got)
