"""Plain data as bytes: what may cross between the trusted side and a worker, and nothing else.

A message is a msgpack tree (*meta*) beside one block of raw array buffers (*body*), each aligned to 64 bytes. Nothing is ever
unpickled and no dtype string is ever interpreted: an array is (kind, dtype name from a fixed list, shape, offset). The decoder
is the trust boundary, so every number in a message is checked before it is used.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgpack
import numpy as np

from autograder.sandbox.errors import WireError
from autograder.sandbox.gpu import CPU

ALIGN = 64
# Keys of a large dict must be strings: their hashes are salted, while those of ints can be made to collide (quadratic time).
MANY_KEYS = 1000

NAMES = """
    bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64 complex128
"""
DTYPES = {name: np.dtype(name) for name in NAMES.split()}
DTYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}  # `dtype.name` takes 60 times as long
TORCH_CARRIED_AS = {"bfloat16": "int16"}  # dtypes that NumPy lacks travel as integers of the same width
BIT_GENERATORS = {"PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"}


@dataclass(frozen=True)
class Caps:
    """What a receiver accepts: bytes of meta and body, nesting depth, number of values, array dimensions."""

    meta: int = 4 << 20
    body: int = 256 << 20
    depth: int = 32
    nodes: int = 200_000
    dims: int = 16


# Called with what is not plain data; returns the node to send in its place, or None when it has none.
Describe = Callable[[Any], dict | None]
# Called with the kind and payload of such a node; returns the object that stands for it on this side.
Resolve = Callable[[str, Any], Any]


class Encoder:
    """Turns one value into a meta tree and a list of array buffers."""

    def __init__(self, describe: Describe | None = None, caps: Caps | None = None):
        self.describe, self.caps = describe, caps or Caps()
        self.buffers: list[tuple[int, np.ndarray]] = []
        self.size = 0
        self.nodes = 0

    def pack(self, value: Any) -> bytes:
        meta = msgpack.packb(self.encode(value))
        if len(meta) > self.caps.meta or self.size > self.caps.body:
            raise WireError(f"too large to send: {len(meta) + self.size} bytes")
        return meta

    def encode(self, value: Any, depth: int = 0) -> Any:
        kind = type(value)
        self.nodes += 1
        if self.nodes > self.caps.nodes:
            raise WireError(f"too large to send: more than {self.caps.nodes} values")
        if value is None or kind in (bool, float, str, bytes):
            return value
        if kind is int:
            return value if -(1 << 63) <= value < 1 << 64 else {"i": hex(value)}
        if depth >= self.caps.depth:
            raise WireError(f"nested deeper than {self.caps.depth} levels")
        if kind is list:
            return [self.encode(item, depth + 1) for item in value]
        if kind is np.ndarray and value.dtype in DTYPE_NAMES:
            return self.array("n", DTYPE_NAMES[value.dtype], value)
        if isinstance(value, np.generic) and value.dtype in DTYPE_NAMES:
            return self.array("s", DTYPE_NAMES[value.dtype], np.asarray(value))
        if isinstance(value, tuple):
            return {"t": [self.encode(item, depth + 1) for item in tuple.__iter__(value)]}
        if isinstance(value, dict):
            return {"d": [[self.encode(k, depth + 1), self.encode(v, depth + 1)] for k, v in dict.items(value)]}
        if kind is complex:
            return {"c": [value.real, value.imag]}
        return self.framework_value(value) or self.foreign(value)

    def framework_value(self, value: Any) -> dict | None:
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(value, torch.Tensor):
            return self.torch_tensor(torch, value)
        if torch is not None and isinstance(value, torch.dtype):
            return {"y": ["torch", str(value)[6:]]}
        if is_tensorflow(value):
            return self.array("f", value.dtype.name, np.asarray(value.numpy()))
        if isinstance(value, np.dtype) and value.name in DTYPES:
            return {"y": ["dtype", value.name]}
        if isinstance(value, type) and issubclass(value, np.generic) and value.__name__ in DTYPES:
            return {"y": ["numpy", value.__name__]}
        return None

    def torch_tensor(self, torch: Any, tensor: Any) -> dict | None:
        name = str(tensor.dtype)[6:]
        if (
            tensor.layout is not torch.strided
            or tensor.is_quantized
            or tensor.is_meta
            or not (name in DTYPES or name in TORCH_CARRIED_AS)
        ):
            return None
        data = tensor.detach().cpu().resolve_conj().resolve_neg()
        if name in TORCH_CARRIED_AS:
            data = data.view(getattr(torch, TORCH_CARRIED_AS[name]))
        return self.array("T" if tensor.requires_grad and tensor.is_leaf else "t", name, data.numpy())

    def array(self, kind: str, dtype: str, array: np.ndarray) -> dict:
        offset, nbytes = self.size, array.nbytes
        if nbytes:
            self.buffers.append((offset, np.ascontiguousarray(array)))
            self.size += (nbytes + ALIGN - 1) & -ALIGN
        return {"a": [kind, dtype, list(array.shape), offset]}

    def foreign(self, value: Any) -> dict:
        node = self.describe(value) if self.describe else None
        if node is None:
            raise WireError(f"a value of type {type(value).__name__} cannot be sent")
        return node


class Decoder:
    """Turns a received meta tree and body back into values, trusting nothing in them; torch tensors are made on `device`."""

    def __init__(self, body: np.ndarray | None, caps: Caps, resolve: Resolve | None = None, device: str = CPU):
        self.body, self.caps, self.resolve, self.device = body, caps, resolve, device
        self.size = 0 if body is None else body.nbytes
        self.nodes = 0

    def unpack(self, meta: bytes | bytearray) -> Any:
        try:
            tree = msgpack.unpackb(meta, strict_map_key=True, max_ext_len=0)
        except Exception as error:  # msgpack has many ways to refuse; to us they are one
            raise WireError(f"malformed message: {type(error).__name__}") from None
        return self.decode(tree)

    def decode(self, node: Any, depth: int = 0) -> Any:
        self.nodes += 1
        _demand(self.nodes <= self.caps.nodes, "too many values")
        kind = type(node)
        if node is None or kind in (bool, int, float, str, bytes):
            return node
        _demand(depth < self.caps.depth, "nested too deep")
        if kind is list:
            return [self.decode(item, depth + 1) for item in node]
        _demand(kind is dict and len(node) == 1, "unknown node")
        ((tag, payload),) = node.items()
        if tag == "i":
            return _big_int(payload)
        _demand(type(payload) is list, "unknown node")
        if tag == "t":
            return tuple([self.decode(item, depth + 1) for item in payload])
        if tag == "d":
            return self.mapping(payload, depth)
        if tag == "c":
            _demand(len(payload) == 2 and all(type(part) is float for part in payload), "malformed complex number")
            return complex(*payload)
        if tag == "a":
            return self.array(payload)
        if tag == "y":
            return _dtype(payload)
        _demand(self.resolve is not None, "unknown node")
        return self.resolve(tag, payload)

    def mapping(self, pairs: list, depth: int) -> dict:
        _demand(all(type(pair) is list and len(pair) == 2 for pair in pairs), "malformed dict")
        if len(pairs) > MANY_KEYS:
            _demand(all(type(key) is str for key, _ in pairs), f"a dict of over {MANY_KEYS} keys must have string keys")
        result = {}
        for key_node, value_node in pairs:
            key = self.decode(key_node, depth + 1)
            _demand(type(key) in (str, int, bool, float, bytes, type(None), tuple), "a dict key must be plain data")
            try:
                result[key] = self.decode(value_node, depth + 1)
            except TypeError:
                raise WireError("a dict key must be hashable") from None
        return result

    def array(self, payload: list) -> Any:
        _demand(len(payload) == 4, "malformed array")
        kind, name, shape, offset = payload
        _demand(type(kind) is str and kind in "nstTf" and type(name) is str, "malformed array")
        _demand(name in DTYPES or (name in TORCH_CARRIED_AS and kind in "tT"), "array of a dtype that is not allowed")
        dtype = DTYPES[TORCH_CARRIED_AS.get(name, name)]
        _demand(type(shape) is list and len(shape) <= self.caps.dims, "malformed shape")
        count = extent = 1
        for size in shape:
            _demand(type(size) is int and size >= 0, "malformed shape")
            count, extent = count * size, extent * max(size, 1)  # Python ints: they cannot overflow
        # An empty array is as long as its axes say to whoever loops over them.
        _demand(extent * dtype.itemsize <= self.caps.body, "an array that is too large")
        nbytes = count * dtype.itemsize
        _demand(type(offset) is int and offset >= 0 and offset % ALIGN == 0, "malformed array")
        _demand(offset + nbytes <= self.size or nbytes == 0, "array outside the message")
        array = self.body[offset : offset + nbytes].view(dtype).reshape(shape) if nbytes else np.empty(shape, dtype)
        if dtype == np.bool_ and nbytes:
            array = np.asarray(array.view(np.uint8) != 0)  # a byte of 7 is not a bool
        return _as_kind(kind, name, array, self.device)


def _as_kind(kind: str, name: str, array: np.ndarray, device: str) -> Any:
    if kind == "n":
        return array
    if kind == "s":
        _demand(array.ndim == 0, "malformed scalar")
        return array[()]
    framework = sys.modules.get("tensorflow" if kind == "f" else "torch")
    _demand(framework is not None, "a tensor of a framework that is not loaded here")
    if kind == "f":
        return framework.convert_to_tensor(array)
    tensor = framework.from_numpy(array)
    if name in TORCH_CARRIED_AS:
        tensor = tensor.view(getattr(framework, name))
    if device != CPU:
        tensor = tensor.to(device)
    if kind == "T" and (tensor.is_floating_point() or tensor.is_complex()):
        tensor.requires_grad_(True)
    return tensor


def _big_int(text: Any) -> int:
    _demand(type(text) is str and len(text) <= 400, "malformed integer")
    try:
        return int(text, 16)
    except ValueError:
        raise WireError("malformed integer") from None


def _dtype(payload: list) -> Any:
    _demand(len(payload) == 2 and all(type(part) is str for part in payload), "malformed dtype")
    family, name = payload
    if family == "torch" and (name in DTYPES or name in TORCH_CARRIED_AS) and "torch" in sys.modules:
        return getattr(sys.modules["torch"], name, None)
    _demand(family in ("dtype", "numpy") and name in DTYPES, "a dtype that is not allowed")
    return DTYPES[name] if family == "dtype" else DTYPES[name].type


def _demand(condition: bool, complaint: str) -> None:
    if not condition:
        raise WireError(complaint)


def is_tensorflow(value: Any) -> bool:
    """Whether it is a tensor or variable of TensorFlow with values (in a graph it has none) of a dtype that crosses."""
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None or not isinstance(value, tensorflow.Tensor | tensorflow.Variable):
        return False
    return hasattr(value, "numpy") and value.dtype.name in DTYPES


def snapshot(value: Any) -> tuple[bytes, list[bytes]] | None:
    """The value's whole content, for telling whether it was changed; None when it cannot be encoded (cyclic, too large)."""
    encoder = Encoder(describe=lambda foreign: {"o": id(foreign)})
    try:
        meta = encoder.pack(value)
    except WireError:
        return None
    return meta, [buffer.tobytes() for _, buffer in encoder.buffers]


def encode_generator(generator: np.random.Generator) -> dict | None:
    """A NumPy random generator by its state, so that both sides draw the same numbers. None for an unknown bit generator."""
    state = generator.bit_generator.state
    return {"g": Encoder().encode(state)["d"]} if state["bit_generator"] in BIT_GENERATORS else None


def decode_generator(payload: Any) -> np.random.Generator:
    """Only for values from the trusted side: NumPy does not check a bit generator's state."""
    state = Decoder(None, Caps()).decode({"d": payload})
    bit_generator = getattr(np.random, state["bit_generator"])()
    bit_generator.state = state
    return np.random.Generator(bit_generator)
