"""Points in the plane from a mixture of Gaussians, as published: what collapses here collapses everywhere.

The grid of 25 and the ring of 8 are those of Lin et al. (2018, PacGAN): a generator is judged by how many of the
modes its samples reach.
"""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from numpy.typing import NDArray

from belamy.chance import Chance
from belamy.errors import UserError
from belamy.game import Batch
from belamy.source import Source

HELDOUT = 20_000


class Mixture(Source):
    """Rows ``{"points": float32 [B, 2]}``: equal shares of ``centres`` with a normal ``deviation``, over ``scale``.

    The points are drawn once, the same for every seed of a run: ``count`` to train on, and others held out.
    """

    def __init__(self, centres: NDArray[np.float64], deviation: float, count: int = 100_000, seed: int = 0) -> None:
        if count < 1:
            raise UserError(f"a mixture of {count} points teaches nothing: --set data.count=100000")
        self.seed = seed
        drawn = np.random.default_rng(1)
        kinds = drawn.integers(0, len(centres), count + HELDOUT)
        points = centres[kinds] + deviation * drawn.standard_normal((count + HELDOUT, 2))
        scale = math.sqrt((centres**2).mean())
        self._points = torch.from_numpy((points / scale).astype(np.float32))
        self._rows, self._others = np.arange(count), np.arange(count, count + HELDOUT)
        self.facts = {
            "kind": "points", "dimensions": 2, "scale": scale, "centres": centres.tolist(), "deviation": deviation,
            "count": count, "heldout": HELDOUT,
        }  # fmt: skip

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self, indices: NDArray[np.int64], rng: Chance) -> Batch:
        return {"points": self._points[torch.from_numpy(self._rows[indices])]}

    def heldout(self) -> Mixture | None:
        """Points of the same mixture that training does not see."""
        if not len(self._others):
            return None
        other = copy.copy(self)
        other._rows, other._others = self._others, self._others[:0]
        return other


class Grid(Mixture):
    """25 modes at {-4, -2, 0, 2, 4} x {-4, -2, 0, 2, 4}, of deviation .05."""

    def __init__(self, count: int = 100_000, seed: int = 0) -> None:
        side = np.arange(-4.0, 5.0, 2.0)
        super().__init__(np.stack(np.meshgrid(side, side), -1).reshape(-1, 2), 0.05, count, seed)


class Ring(Mixture):
    """8 modes on the circle of radius 1, of deviation .01."""

    def __init__(self, count: int = 100_000, seed: int = 0) -> None:
        angles = 2 * np.pi * np.arange(8) / 8
        super().__init__(np.stack([np.cos(angles), np.sin(angles)], -1), 0.01, count, seed)
