"""Inputs for checks that cannot be degenerate: distinct sizes, both signs, no zeros, no ties, no neutral constants."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

SMALL = (2, 3, 5, 7, 11, 13)
MORE = (4, 17, 6, 9, 8, 10, 12, 14, 15, 19)  # for checks with more letters than there are small primes
AWAY = 0.05  # the least distance of a random value from zero, far above the step of a finite difference

T = TypeVar("T")


class Probe:
    """A source of inputs, fresh for each check and the same whenever seed and name are.

    Shapes are words of letters and numbers: `probe.normal("N C")`, `probe.normal("B 3 T")`, `probe.normal(4, 2)`. A
    letter keeps its size within one probe, no two letters have the same, and none is 1.

    Attributes:
        device: where `tensor` puts its tensors.
    """

    def __init__(self, seed: int, name: str = "", device: str = "cpu"):
        self.device = device
        self._rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        self._sizes: dict[str, int] = {}
        self._free = [*self._rng.permutation(SMALL).tolist(), *MORE]

    def size(self, letter: str, at_least: int = 2) -> int:
        """The size that a letter stands for; its first use decides it."""
        if letter not in self._sizes:
            fitting = [size for size in self._free if size >= at_least]
            if not fitting:
                raise ValueError(f"no size of at least {at_least} is left for {letter!r}: {self._sizes}")
            self._free.remove(fitting[0])
            self._sizes[letter] = fitting[0]
        return self._sizes[letter]

    def fix(self, letter: str, size: int) -> int:
        """Let a letter stand for a size that follows from others: `probe.fix("D", heads * width)`."""
        if self._sizes.setdefault(letter, size) != size:
            raise ValueError(f"{letter!r} already stands for {self._sizes[letter]}")
        if size in self._free:
            self._free.remove(size)
        return size

    def shape(self, *spec: str | int) -> tuple[int, ...]:
        """The sizes of a shape in words: `probe.shape("B T D")`."""
        words = [word for part in spec for word in (part.split() if isinstance(part, str) else [part])]
        return tuple(int(word) if isinstance(word, int) or word.isdecimal() else self.size(word) for word in words)

    def normal(self, *spec: str | int) -> np.ndarray:
        """About normally distributed float64 values of both signs, none near zero, no two close together."""
        shape = self.shape(*spec)
        values = self._rng.standard_normal(int(np.prod(shape)))
        order = values.argsort()
        # Adding a growing offset in sorted order keeps a least distance between neighbours.
        values[order] += min(0.01, 0.5 / max(1, values.size)) * (np.arange(values.size) - values.size // 2)
        values += np.copysign(AWAY, values)
        return self._both_signs(values).reshape(shape)

    def uniform(self, spec: str | int | Sequence[str | int], low: float = -1.0, high: float = 1.0) -> np.ndarray:
        """Float64 values spread evenly over [low, high), none zero, no two close together."""
        shape = self.shape(*spec) if isinstance(spec, tuple) else self.shape(spec)
        count = int(np.prod(shape))
        cells = self._rng.permutation(count) + self._rng.uniform(0.25, 0.75, count)
        values = low + (high - low) * cells / max(1, count)
        least = 1e-3 * (high - low) / max(1, count)
        values[np.abs(values) < least] = least if high > least else -least
        if low < 0 < high and count > 1 and (values > 0).all():
            values[self._rng.integers(count)] = low * self._rng.uniform(0.25, 0.75)
        if low < 0 < high and count > 1 and (values < 0).all():
            values[self._rng.integers(count)] = high * self._rng.uniform(0.25, 0.75)
        return values.reshape(shape)

    def extreme(self, *spec: str | int) -> np.ndarray:
        """Values of both signs and every magnitude from 1 to 1000, with about +1000 and about -1000 among them."""
        shape = self.shape(*spec)
        count = int(np.prod(shape))
        values = 10.0 ** (3 * (self._rng.permutation(count) + self._rng.uniform(0.25, 0.75, count)) / max(1, count))
        values *= self._rng.choice([-1.0, 1.0], count)
        ends = self._rng.permutation(count)[:2]
        values[ends] = np.array([1000.0, -999.0])[: ends.size]
        return values.reshape(shape)

    def integers(self, spec: str | int, high: int | str, low: int = 0) -> np.ndarray:
        """Integers from `low` to `high` - 1 (`high` may be a letter); both ends occur where there is room for two."""
        shape, high = self.shape(spec), self.size(high) if isinstance(high, str) else high
        values = self._rng.integers(low, high, int(np.prod(shape)))
        ends = self._rng.permutation(values.size)[:2]
        if ends.size == 2:
            values[ends] = low, high - 1
        return values.reshape(shape)

    def signs(self, *spec: str | int) -> np.ndarray:
        """−1.0 and +1.0, both present where there is room."""
        shape = self.shape(*spec)
        return self._both_signs(self._rng.choice([-1.0, 1.0], int(np.prod(shape)))).reshape(shape)

    def permutation(self, n: int | str) -> np.ndarray:
        """An order of 0 … n-1 that moves something, and, from n = 3 on, is not its own inverse."""
        n = self.size(n) if isinstance(n, str) else n
        identity = np.arange(n)
        while True:
            order = self._rng.permutation(n)
            if n < 2 or ((order != identity).any() and (n < 3 or (order[order] != identity).any())):
                return order

    def scalar(self, low: float, high: float, away_from: float | Sequence[float] = 1.0) -> float:
        """A number in [low, high], by at least a tenth of that range away from zero and from `away_from`."""
        margin = 0.1 * (high - low)
        neutral = [0.0, *([away_from] if isinstance(away_from, int | float) else away_from)]
        for _ in range(1000):
            value = float(f"{self._rng.uniform(low, high):.3g}")
            if low <= value <= high and all(abs(value - n) >= margin for n in neutral):
                return value
        raise ValueError(f"[{low}, {high}] holds no number away from {neutral}")

    def choice(self, options: Sequence[T]) -> T:
        return options[int(self._rng.integers(len(options)))]

    def generator(self) -> np.random.Generator:
        """A generator to hand to the learner's code or to the reference."""
        return np.random.default_rng(int(self._rng.integers(2**62)))

    def tensor(self, *spec: Any, dtype: Any = None, requires_grad: bool = False) -> Any:
        """Like `normal`, as a torch tensor on `device`, float32 by default. Also turns a given array into a tensor."""
        import torch

        values = spec[0] if isinstance(spec[0], np.ndarray) else self.normal(*spec)
        if dtype is None:
            dtype = torch.float32 if values.dtype.kind == "f" else torch.from_numpy(values).dtype
        elif isinstance(dtype, str):
            dtype = getattr(torch, dtype)
        return torch.tensor(values, dtype=dtype, device=self.device).requires_grad_(requires_grad)

    def _both_signs(self, values: np.ndarray) -> np.ndarray:
        if values.size > 1 and ((values > 0).all() or (values < 0).all()):
            values[self._rng.integers(values.size)] *= -1
        return values
