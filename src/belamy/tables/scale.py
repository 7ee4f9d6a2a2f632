"""Numbers of any distribution as places in the unit interval, and back: a histogram that holds no row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DECIMAL = tuple(factor * 10.0**exponent for exponent in range(9, -7, -1) for factor in (5.0, 1.0))
CALENDAR = (86_400.0, 3600.0, 60.0, 1.0, 1e-3)
"""Steps of grids: of numbers, and of times in seconds."""
KNOTS = 256
"""Points that the distribution of a column is kept by, at most."""
EXACT = 1e-15
"""The share by which rounding may move a number."""
GROUP = 5
"""Neighbouring values of which no less than so many are told as one, by their mean."""


@dataclass(frozen=True)
class Scale:
    """The distribution function of a column: ``places`` in [0, 1] that rise with ``values``, straight in between.

    Values lie on a grid of ``step`` (0: on none), and within ``low`` and ``high``.
    """

    values: list[float]
    places: list[float]
    step: float
    low: float
    high: float

    @classmethod
    def fit(
        cls, values: Floats, low: float | None = None, high: float | None = None, steps: Sequence[float] | None = None
    ) -> Scale:
        """Of the present values [N] of a column; ``low`` and ``high`` are bounds that are known beforehand.

        ``steps`` are those that a grid may have, the largest first: powers of ten and their fives, unless told.
        """
        step, (distinct, counts) = grid_step(values, steps or DECIMAL), np.unique(values, return_counts=True)
        if step and len(distinct) <= min(KNOTS, len(values) / GROUP):
            knots, places = _edges(distinct, counts, step)
        else:
            knots, places = _means(np.sort(values))
        # The grid's edges lie half a step beyond what is really taken.
        floor, ceiling = knots[0] + step / 4, knots[-1] - step / 4
        if low is None and distinct[0] >= 0:
            floor = max(floor, 0.0)
        floor, ceiling = (found if told is None else told for told, found in ((low, floor), (high, ceiling)))
        if step:
            floor, ceiling = float(above(floor, step)), -float(above(-ceiling, step))
        return cls(knots.tolist(), places.tolist(), step, float(floor) + 0.0, float(max(ceiling, floor)) + 0.0)

    def span(self, values: Floats) -> tuple[Floats, Floats]:
        """The places [N] at which each of ``values`` [N] begins and ends."""
        half = self.step / 2
        return self.place(values - half), self.place(values + half)

    def place(self, values: Floats) -> Floats:
        return np.interp(values, self.values, self.places)

    def value(self, places: Floats) -> Floats:
        """What stands at ``places`` [N]: on the grid, and within the bounds."""
        found = np.interp(places, self.places, self.values)
        if self.step:
            found = np.round(np.round(found / self.step) * self.step, decimals_of(self.step))
        return np.clip(found, self.low, self.high) + 0.0  # of which -0 becomes 0


def grid_step(values: Floats, steps: Sequence[float] = DECIMAL) -> float:
    """The first of ``steps`` that all of ``values`` are multiples of; 0 where they are of none."""
    sample = values if len(values) <= 20_000 else values[:: len(values) // 20_000]
    largest = float(np.abs(sample).max(initial=0.0))
    for step in steps:
        if step <= max(largest, 1.0) and largest / step <= 1e13:
            ratio = sample / step
            if np.allclose(ratio, np.round(ratio), rtol=EXACT, atol=1e-6):
                return step
    return 0.0


def decimals_of(step: float) -> int:
    return max(0, -math.floor(math.log10(step) + 1e-9))


def above(values: Floats | float, step: float) -> Floats:
    """The least multiples of ``step`` that are no less than ``values``."""
    decimals, ratio = decimals_of(step), np.asarray(values) / step
    found = np.round(np.ceil(ratio * (1 - EXACT * np.sign(ratio)) - 1e-6) * step, decimals)
    return np.where(found < values, np.round(found + step, decimals), found)


def _edges(distinct: Floats, counts: NDArray[Any], step: float) -> tuple[Floats, Floats]:
    """Knots half a step around each value that was seen: a histogram that is exact."""
    edges = np.stack([distinct - step / 2, distinct + step / 2], axis=1)
    reached = np.concatenate([[0], np.cumsum(counts)]) / counts.sum()
    flat = edges.reshape(-1)
    flat[1:-1:2] = np.minimum(flat[1:-1:2], flat[2::2])  # neighbours share an edge
    return flat, reached.repeat(2)[1:-1]


def _means(ordered: Floats) -> tuple[Floats, Floats]:
    """Knots at the means of groups of neighbours, so that none of them is anybody's value, and beyond either end."""
    groups = max(1, min(KNOTS, len(ordered) // GROUP))
    edges = np.linspace(0, len(ordered), groups + 1).round().astype(int)
    knots = np.add.reduceat(ordered, edges[:-1]) / np.diff(edges)
    places = (edges[:-1] + edges[1:]) / (2 * len(ordered))
    if groups > 1:
        first, last = knots[0] - (knots[1] - knots[0]) / 2, knots[-1] + (knots[-1] - knots[-2]) / 2
    else:
        spread = float(ordered.std())
        first, last = knots[0] - 2 * spread, knots[0] + 2 * spread
    first = knots[0] if ordered[0] == ordered[edges[1] - 1] else first
    last = knots[-1] if ordered[-1] == ordered[edges[-2]] else last
    return np.concatenate([[first], knots, [last]]), np.concatenate([[0.0], places, [1.0]])
