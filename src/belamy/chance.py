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

import torch
from torch import Tensor


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


_GOLDEN = _signed(0x9E3779B97F4A7C15)
_FIRST = _signed(0xBF58476D1CE4E5B9)
_SECOND = _signed(0x94D049BB133111EB)


def key(*parts: object) -> int:
    """A 64-bit key of any JSON-like parts; equal parts give equal keys on every machine."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return _signed(int.from_bytes(digest, "little"))


def _shift(bits: Tensor, by: int) -> Tensor:
    return (bits >> by) & ((1 << (64 - by)) - 1)  # torch shifts int64 with its sign


def _mix(bits: Tensor) -> Tensor:
    bits = (bits ^ _shift(bits, 30)) * _FIRST
    bits = (bits ^ _shift(bits, 27)) * _SECOND
    return bits ^ _shift(bits, 31)


class Chance:
    """Random numbers for some rows of a larger whole.

    ``rows`` are global row numbers (a step's, a data set's, or a sample's index); what a row draws is the same
    whichever other rows are drawn with it. Successive draws differ. Numbers are made on the CPU, so that a seed
    means the same on every device, and moved to ``device``.
    """

    def __init__(self, seed: int, rows: Sequence[int] | Tensor, device: torch.device | str = "cpu") -> None:
        self.rows = torch.as_tensor(rows, dtype=torch.int64)
        self.device = torch.device(device)
        self._streams = _mix(_mix(self.rows * _GOLDEN + seed) + seed)
        self._draws = 0

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def of_seeds(cls, seeds: Sequence[int], device: torch.device | str = "cpu") -> Chance:
        """One row for each seed: row 0 of ``Chance(seed, [0])``."""
        chance = cls(0, [0] * len(seeds), device)
        own = torch.tensor([_signed(seed % (1 << 64)) for seed in seeds], dtype=torch.int64)
        chance._streams = _mix(_mix(own) + own)
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
        found._streams, found._draws = self._bits(count).flatten(), 0
        found.rows = self.rows.repeat_interleave(count)
        return found

    def _bits(self, *shape: int) -> Tensor:
        self._draws += 1
        place = torch.arange(math.prod(shape), dtype=torch.int64)
        streams = _mix(self._streams + _signed(self._draws * _GOLDEN % (1 << 64)))
        return _mix(streams[:, None] + (place + 1) * _GOLDEN).view(len(self), *shape)

    def uniform(self, *shape: int) -> Tensor:
        """Uniform on [0, 1): float32 [rows, *shape]."""
        return (_shift(self._bits(*shape), 40).float() * 2.0**-24).to(self.device)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal by Box and Muller (1958): float32 [rows, *shape]."""
        bits = self._bits(*shape)
        radius = (_shift(bits, 32).double() + 1).mul(2.0**-32).log().mul(-2).sqrt()
        angle = (bits & 0xFFFFFFFF).double().mul(2 * math.pi * 2.0**-32)
        return (radius * angle.cos()).float().to(self.device)

    def integers(self, high: int, *shape: int) -> Tensor:
        """Integers from 0 to ``high - 1``: int64 [rows, *shape]."""
        return (_shift(self._bits(*shape), 11).double() * 2.0**-53 * high).long().to(self.device)

    def choice(self, weights: Sequence[float]) -> Tensor:
        """Indices drawn in proportion to ``weights``: int64 [rows]."""
        edges = torch.tensor(weights, dtype=torch.float64).cumsum(0)
        drawn = torch.searchsorted(edges / edges[-1], self.uniform().double().cpu(), right=True)
        return drawn.clamp(max=len(edges) - 1).to(self.device)
