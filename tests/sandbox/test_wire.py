"""What crosses the wire, and what the decoder refuses."""

import random
import sys

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.sandbox.errors import WireError
from autograder.sandbox.wire import Caps, Decoder, Encoder, decode_generator, encode_generator, snapshot

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
keys = st.text() | st.integers() | st.booleans()
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(keys, inner), max_leaves=20
)


def to_bytes(value, **options):
    encoder = Encoder(**options)
    meta = encoder.pack(value)
    body = np.zeros(encoder.size, np.uint8)
    for offset, array in encoder.buffers:
        body[offset : offset + array.nbytes] = array.reshape(-1).view(np.uint8)
    return meta, body


def round_trip(value):
    meta, body = to_bytes(value)
    return Decoder(body, Caps()).unpack(meta)


@given(values)
@settings(max_examples=200, deadline=None)
def test_plain_data_comes_back_as_it_was(value):
    result = round_trip(value)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint64", "float16", "float32", "float64", "complex64", "complex128"]
)
@pytest.mark.parametrize("shape", [(), (3,), (2, 0, 5), (2, 3, 4)])
def test_arrays_come_back_with_dtype_shape_and_values(dtype, shape):
    array = np.random.default_rng(0).normal(size=shape).astype(dtype)
    result = round_trip([array, array.T])
    for got, sent in zip(result, (array, array.T), strict=True):
        assert type(got) is np.ndarray and got.dtype == sent.dtype and got.shape == sent.shape
        assert np.array_equal(got, sent)


def test_scalars_of_numpy_keep_their_type():
    result = round_trip([np.float32(1.5), np.int64(-3), np.bool_(True)])
    assert [type(item) for item in result] == [np.float32, np.int64, np.bool_]
    assert result == [1.5, -3, True]


def test_named_tuples_and_ordered_dicts_arrive_as_their_plain_kind():
    from collections import OrderedDict, namedtuple

    assert round_trip(namedtuple("P", "x y")(1, 2)) == (1, 2)
    assert type(round_trip(OrderedDict(a=1))) is dict


def test_a_forged_float_does_not_cross_as_a_number():
    class AlwaysEqual(float):
        def __eq__(self, other):
            return True

    with pytest.raises(WireError, match="AlwaysEqual"):
        to_bytes(AlwaysEqual(1.0))


def test_a_subclass_of_ndarray_does_not_cross_as_an_array():
    class Sneaky(np.ndarray):
        pass

    with pytest.raises(WireError, match="Sneaky"):
        to_bytes(np.zeros(3).view(Sneaky))


def test_values_nested_in_themselves_are_refused():
    loop = []
    loop.append(loop)
    with pytest.raises(WireError, match="nested deeper"):
        to_bytes(loop)


def test_a_generator_draws_the_same_numbers_on_the_other_side():
    generator = np.random.default_rng(7)
    generator.normal(size=3)
    twin = decode_generator(encode_generator(generator)["g"])
    assert np.array_equal(twin.normal(size=5), generator.normal(size=5))


def test_snapshots_tell_any_change():
    state = {"step": 1, "m": [np.zeros(3)]}
    before = snapshot(state)
    assert snapshot(state) == before
    state["m"][0][1] = 1e-300
    assert snapshot(state) != before


def array_node(kind="n", dtype="float64", shape=(2,), offset=0):
    return {"a": [kind, dtype, list(shape), offset]}


@pytest.mark.parametrize(
    "node",
    [
        array_node(dtype="object"),
        array_node(dtype="O"),
        array_node(dtype="<f8"),
        array_node(dtype="bfloat16"),
        array_node(kind="x"),
        array_node(kind="t"),
        array_node(shape=(-1,)),
        array_node(shape=(True,)),
        array_node(shape=(1 << 62, 1 << 62)),
        array_node(shape=(9,)),
        array_node(shape=[1] * 40),
        array_node(offset=-64),
        array_node(offset=8),
        array_node(offset=1 << 62),
        array_node(kind="s", shape=(2,)),
        {"a": []},
        {"i": "9" * 500},
        {"i": 3},
        {"i": "zz"},
        {"c": [1.0]},
        {"c": [1, 2]},
        {"d": [[1]]},
        {"d": [[[1], 2]]},
        {"d": [[{"t": [[1]]}, 2]]},
        {"d": [[i, 0] for i in range(2000)]},
        {"y": ["torch", "load"]},
        {"y": ["numpy", "object_"]},
        {"g": []},
        {"o": [0, "x"]},
        {"unknown": 1},
        {"a": 1, "b": 2},
        {},
    ],
    ids=str,
)
def test_malformed_nodes_are_refused(node, monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)  # a tensor means nothing where torch is not loaded
    with pytest.raises(WireError):
        Decoder(np.zeros(16, np.uint8), Caps()).unpack(msgpack.packb(node))


def test_bombs_are_refused():
    deep = b"\x91" * 5000 + b"\xc0"
    for meta in (deep, msgpack.packb([0] * 300_000), b"\xdd\xff\xff\xff\xff", b"\xc1", b""):
        with pytest.raises(WireError):
            Decoder(None, Caps()).unpack(meta)


def test_a_byte_that_is_neither_true_nor_false_becomes_a_real_bool():
    body = np.full(64, 7, np.uint8)
    array = Decoder(body, Caps()).decode(array_node(dtype="bool", shape=(3,)))
    assert np.array_equal(array.view(np.uint8), [1, 1, 1])


def test_mutated_messages_raise_nothing_but_wire_errors():
    meta, body = to_bytes({"a": [np.ones((2, 3)), (1, "x", 2.5, {"k": b"yy"})], "b": np.float32(3)})
    rng = random.Random(0)
    for _ in range(20_000):
        mutated = bytearray(meta)
        for _ in range(rng.randint(1, 4)):
            mutated[rng.randrange(len(mutated))] = rng.randrange(256)
        try:
            Decoder(body, Caps()).unpack(bytes(mutated[: rng.randint(1, len(mutated))]))
        except WireError:
            pass


@pytest.mark.torch
def test_tensors_come_back_with_dtype_values_and_need_of_gradient():
    torch = pytest.importorskip("torch")
    leaf = torch.randn(2, 3, requires_grad=True)
    plain, half, parameter = round_trip([leaf.detach(), torch.ones(3, dtype=torch.bfloat16), torch.nn.Parameter(leaf)])
    assert torch.equal(plain, leaf) and not plain.requires_grad
    assert half.dtype == torch.bfloat16 and torch.equal(half, torch.ones(3, dtype=torch.bfloat16))
    assert parameter.requires_grad and torch.equal(parameter, leaf)
    assert round_trip(torch.float16) is torch.float16
