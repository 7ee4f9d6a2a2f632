"""Randomness without state: every number is a function of a key, a row, and the draw it belongs to.

A step's chance must not depend on how many processes play it, on micro-batches, or on what was drawn before a
restart. A generator with a state cannot promise that; a counter-based one does (Salmon et al., 2011). The mixing
function is SplitMix64's (Steele et al., 2014).
"""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Bits = NDArray[np.uint64]


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def key(*parts: object) -> int:
    """A 64-bit key of any JSON-like parts; equal parts give equal keys on every machine."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return _signed(int.from_bytes(digest, "little"))


def mix(bits: Bits) -> Bits:
    """SplitMix64's. In numpy, whose small operations cost a third of torch's."""
    bits = (bits ^ (bits >> np.uint64(30))) * _FIRST
    bits = (bits ^ (bits >> np.uint64(27))) * _SECOND
    mixed: Bits = bits ^ (bits >> np.uint64(31))
    return mixed


def _unsigned(value: int) -> np.uint64:
    return np.uint64(value % (1 << 64))


class Chance:
    """Random numbers for some rows of a larger whole.

    ``rows`` are global row numbers (a step's, a data set's, or a sample's index); what a row draws is the same
    whichever other rows are drawn with it. Successive draws differ. Numbers are made on the CPU, so that a seed
    means the same on every device, and moved to ``device``.
    """

    def __init__(self, seed: int, rows: Sequence[int] | Tensor, device: torch.device | str = "cpu") -> None:
        self.rows = torch.as_tensor(rows, dtype=torch.int64)
        self.device = torch.device(device)
        own = _unsigned(seed)
        self._streams = mix(mix(self.rows.numpy().astype(np.uint64) * _GOLDEN + own) + own)
        self._draws = 0

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def of_seeds(cls, seeds: Sequence[int], device: torch.device | str = "cpu") -> Chance:
        """One row for each seed: row 0 of ``Chance(seed, [0])``."""
        chance = cls(0, [0] * len(seeds), device)
        own = np.array([_unsigned(seed) for seed in seeds], np.uint64)
        chance._streams = mix(mix(own) + own)
        return chance

    def every(self, step: int) -> Chance:
        """Goes on from here for every ``step``-th row alone; draw no more from this one."""
        if step == 1:
            return self
        found = copy.copy(self)
        found.rows, found._streams = self.rows[::step], self._streams[::step]
        return found

    def split(self, count: int) -> Chance:
        """Chance for ``count`` rows in place of each of these, independent of what this one draws later."""
        found = copy.copy(self)
        found._streams, found._draws = self._bits(count).ravel(), 0
        found.rows = self.rows.repeat_interleave(count)
        return found

    def _bits(self, *shape: int) -> Bits:
        self._draws += 1
        place = np.arange(1, math.prod(shape) + 1, dtype=np.uint64) * _GOLDEN
        streams = mix(self._streams + _unsigned(self._draws * int(_GOLDEN)))
        return mix(streams[:, None] + place).reshape(len(self), *shape)

    def uniform(self, *shape: int) -> Tensor:
        """Uniform on [0, 1): float32 [rows, *shape]."""
        return _fractions(self._bits(*shape)).to(self.device)

    def uniforms(self, *sizes: int) -> tuple[Tensor, ...]:
        """``uniform(size)`` for each of ``sizes``, in one go: the same numbers at a fraction of the cost."""
        draws = self._draws + 1 + np.arange(len(sizes), dtype=np.uint64)
        self._draws += len(sizes)
        streams = mix(self._streams[:, None] + draws * _GOLDEN).repeat(sizes, axis=1)
        place = np.concatenate([np.arange(1, size + 1, dtype=np.uint64) for size in sizes]) * _GOLDEN
        return torch.split(_fractions(mix(streams + place)).to(self.device), list(sizes), dim=1)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal by Box and Muller (1958): float32 [rows, *shape]."""
        bits = self._bits(*shape)
        radius = _doubles(bits >> np.uint64(32)).add(1).mul(2.0**-32).log().mul(-2).sqrt()
        angle = _doubles(bits & np.uint64(0xFFFFFFFF)).mul(2 * math.pi * 2.0**-32)
        return (radius * angle.cos()).float().to(self.device)

    def integers(self, high: int, *shape: int) -> Tensor:
        """Integers from 0 to ``high - 1``: int64 [rows, *shape]."""
        return (_doubles(self._bits(*shape) >> np.uint64(11)) * 2.0**-53 * high).long().to(self.device)

    def choice(self, weights: Sequence[float]) -> Tensor:
        """Indices drawn in proportion to ``weights``: int64 [rows]."""
        edges = torch.tensor(weights, dtype=torch.float64).cumsum(0)
        drawn = torch.searchsorted(edges / edges[-1], self.uniform().double().cpu(), right=True)
        return drawn.clamp(max=len(edges) - 1).to(self.device)


def _fractions(bits: Bits) -> Tensor:
    return torch.from_numpy((bits >> np.uint64(40)).astype(np.float32)).mul_(2.0**-24)


def _doubles(bits: Bits) -> Tensor:
    return torch.from_numpy(bits.astype(np.float64))
