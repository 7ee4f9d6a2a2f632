"""Numbers of a channel as normal scores by a smooth curve through a few points, so that smooth series stay smooth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from belamy.tables.scale import GROUP, KNOTS, Scale, decimals_of

Floats = NDArray[np.float64]

SCORES = (-2.4, -1.6, -0.8, 0.0, 0.8, 1.6, 2.4)
"""Where a curve has its points between the ends, as far as there are values beyond them."""
SKEW, FAR = 1.0, 5.0
"""Third and fourth moment of standardised values from which on a curve is bent; those of normal numbers are 0 and 3."""
REACH = 4.2
POINTS = 4097


@dataclass(frozen=True)
class Curve:
    """The ``values`` at ``scores``: a monotone cubic in between (Fritsch and Carlson, 1980), straight beyond.

    Values lie on a grid of ``step`` (0: on none), and not below ``low``, where that is told.
    """

    scores: list[float]
    values: list[float]
    step: float = 0.0
    low: float | None = None

    @classmethod
    def fit(cls, values: Floats) -> Curve:
        """Of the present values [N] of a channel: the means of those around some of their quantiles.

        A straight line where values are neither skew nor far out: bends would make small steps large in some places.
        """
        from scipy.special import ndtr, ndtri

        ordered, count = np.sort(values), len(values)
        end = GROUP / 2 / count
        inner = [one for one in SCORES if 2 * end < ndtr(one) < 1 - 2 * end]
        scores = [float(one) for one in (ndtri(end), *inner, -ndtri(end))]
        around = [_around(ordered, float(ndtr(one)) * count) for one in scores]
        rising = np.flatnonzero(np.diff([-np.inf, *around]) > 1e-9 * max(1e-9, float(np.ptp(ordered))))
        scores, around = [scores[one] for one in rising], [around[one] for one in rising]
        if len(around) < 2 or _plain(values):
            deviation = float(values.std()) or 1.0
            scores, around = [-1.0, 1.0], [float(values.mean()) - deviation, float(values.mean()) + deviation]
        # A floor of nothing is common (amounts, counts), and no secret.
        return cls(scores, around, step_of(values), 0.0 if ordered[0] >= 0 else None)

    @cached_property
    def _table(self) -> tuple[Floats, Floats]:
        """Scores and values, close together."""
        from scipy.interpolate import PchipInterpolator

        inner = PchipInterpolator(self.scores, self.values)
        scores = np.linspace(-REACH, REACH, POINTS)
        first, last = self.scores[0], self.scores[-1]
        slopes = np.diff(self.values) / np.diff(self.scores)
        found = inner(scores.clip(first, last))
        return scores, found + (scores - last).clip(0) * slopes[-1] + (scores - first).clip(max=0) * slopes[0]

    def span(self, values: Floats) -> tuple[Floats, Floats]:
        """The places [N] in [0, 1] at which each of ``values`` [N] begins and ends."""
        from scipy.special import ndtr

        scores, table = self._table
        half = self.step / 2
        return ndtr(np.interp(values - half, table, scores)), ndtr(np.interp(values + half, table, scores))

    def value(self, places: Floats) -> Floats:
        """What stands at ``places`` [N]."""
        from scipy.special import ndtri

        scores, table = self._table
        found = np.interp(ndtri(places.clip(1e-6, 1 - 1e-6)), scores, table)
        if self.step:
            found = np.round(np.round(found / self.step) * self.step, decimals_of(self.step))
        return np.asarray(found if self.low is None else found.clip(self.low))


def fitted(values: Floats) -> Scale | Curve:
    """A histogram for values of which there are few, on a grid; else a curve."""
    distinct = np.unique(values)
    few = len(distinct) <= min(KNOTS, len(values) / GROUP) and step_of(values) > 0
    return Scale.fit(values) if few or len(values) < 4 * GROUP else Curve.fit(values)


def step_of(values: Floats) -> float:
    """The grid that values [N] lie on, as tables have it; 0 where they lie on none."""
    return Scale.fit(values).step


def _plain(values: Floats) -> bool:
    """Whether values [N] are about as far from skew, and as seldom far out, as normal ones."""
    apart = (values - values.mean()) / (values.std() or 1.0)
    return bool(abs((apart**3).mean()) < SKEW and (apart**4).mean() < FAR)


def _around(ordered: Floats, middle: float) -> float:
    """The mean of the values around a place in their order: of 1 % of them, and of no less than five different ones."""
    half = max(GROUP / 2, min(len(ordered) / 200, middle, len(ordered) - middle))
    while True:
        start, end = round(max(0, middle - half)), round(min(len(ordered), middle + half))
        found = ordered[start:end]
        if len(np.unique(found)) >= GROUP or len(found) == len(ordered):
            return float(found.mean())
        half *= 1.5
