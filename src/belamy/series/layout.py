"""Series between the user's units and tensors: all that a model must know of them, and no series among it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from belamy.errors import UserError
from belamy.series.curve import Curve, fitted, step_of
from belamy.series.recorded import Clock, Floats, Recorded
from belamy.tables.columns import Schema
from belamy.tables.encoding import Encoded as Cells
from belamy.tables.rows import EDGE, Rows
from belamy.tables.scale import Scale

if TYPE_CHECKING:
    import pandas as pd

ALIKE = 1e-3
"""Means, and deviations, of series that differ by less than this share of the deviation of all are the same."""


@dataclass(frozen=True)
class Gaps:
    """Times as where a series starts and how long each step takes, which may be told as a logarithm."""

    start: Scale | Curve
    scale: Scale | Curve
    logarithmic: bool

    @classmethod
    def fit(cls, times: Floats) -> Gaps:
        """Of times [N, T] that are NaN after a series' end."""
        gaps = np.diff(times, axis=1)
        gaps = gaps[~np.isnan(gaps)]
        logarithmic = step_of(gaps) == 0 if len(gaps) else False
        scale = fitted((np.log(gaps) if logarithmic else gaps) if len(gaps) else np.ones(1))
        return cls(fitted(times[:, 0]), scale, logarithmic)

    def spans(self, times: Floats) -> tuple[Floats, Floats]:
        """The places [N, T] at which starts and gaps begin and end."""
        gaps = np.diff(times, axis=1)
        starts, rest = self.start.span(times[:, :1]), self.scale.span(np.log(gaps) if self.logarithmic else gaps)
        return np.concatenate([starts[0], rest[0]], 1), np.concatenate([starts[1], rest[1]], 1)

    def times(self, places: Floats) -> Floats:
        """What ``spans`` came from, of places [N, T]."""
        gaps = self.scale.value(places[:, 1:])
        gaps = np.exp(gaps) if self.logarithmic else np.maximum(gaps, self.scale.step)
        return np.concatenate([self.start.value(places[:, :1]), gaps], 1).cumsum(1)


@dataclass(frozen=True)
class Encoded:
    """N series as places at which each number begins and ends, ``lower`` and ``upper`` [N, C', T], and ``seen``.

    What is not there has ``seen`` [N, C', T] 0. Channels that are flags, from ``flags`` on, are their own scores.
    """

    lower: NDArray[np.float32]
    upper: NDArray[np.float32]
    seen: NDArray[np.float32]
    flags: NDArray[np.bool_]

    def scores(self, rows: NDArray[np.int64], at: Tensor) -> Tensor:
        """Normal scores [B, C', T] of the series ``rows`` [B], each number ``at`` [B, C', T] of the way in its span."""
        lower, upper = torch.from_numpy(self.lower[rows]), torch.from_numpy(self.upper[rows])
        scores = torch.special.ndtri((lower + (upper - lower) * at).clamp(EDGE, 1 - EDGE))
        flags = torch.from_numpy(self.flags)[:, None]
        return torch.where(flags, lower, scores) * torch.from_numpy(self.seen[rows])


@dataclass(frozen=True)
class Layout:
    """The C' channels of encoded series, and how each is told: [C values] [gaps] [alive] [J numbers and K options].

    ``gaps`` are there at irregular times, ``alive`` (1 until a series' end, 0 after it) where lengths differ: ``ends``
    [T] are the normal scores of the share of series that have ended by then. Numbers and options of ``static``
    attributes are the same at all steps. Where each series was brought to the same mean and deviation, as in the UCR
    archive, ``level`` [C, 2] holds both (None for channels of which that is not so).
    """

    channels: list[str]
    scales: list[Scale | Curve]
    length: int
    ends: list[float]
    gaps: Gaps | None
    static: Rows | None
    level: list[list[float] | None]
    clock: Clock
    identity: str
    label: str

    @classmethod
    def fit(cls, series: Recorded) -> Layout:
        """By the series that training sees."""
        values = [series.values[:, :, index] for index in range(len(series.channels))]
        scales = [fitted(one[~np.isnan(one)]) for one in values]
        gaps = None if series.times is None else Gaps.fit(series.times)
        static = None if series.static is None else Rows.fit(series.static, Schema({}))
        level = [_level(one, series.alive) for one in values]
        return cls(
            series.channels, scales, series.values.shape[1], _ends(series), gaps, static, level, series.clock,
            series.identity, series.label,
        )  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        told = {name: value for name, value in vars(self).items() if name not in ("scales", "gaps", "static", "clock")}
        return told | {
            "scales": [asdict(scale) for scale in self.scales], "gaps": self.gaps and asdict(self.gaps),
            "static": self.static and self.static.as_json(), "clock": asdict(self.clock),
        }  # fmt: skip

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Layout:
        gaps, static = content["gaps"], content["static"]
        told = {
            "scales": [_scale(one) for one in content["scales"]], "clock": Clock(**content["clock"]),
            "gaps": gaps and Gaps(_scale(gaps["start"]), _scale(gaps["scale"]), gaps["logarithmic"]),
            "static": static and Rows.from_json(static),
        }  # fmt: skip
        return cls(**{**content, **told})

    @property
    def attributes(self) -> tuple[int, list[int]]:
        """How many numbers static attributes are, and the sizes of their choices."""
        return (self.static.encoding.numbers, self.static.encoding.choices) if self.static else (0, [])

    @property
    def owners(self) -> list[int]:
        """For each number of the static attributes the choice whose first option stands for it; -1: none."""
        return self.static.encoding.owners if self.static else []

    @property
    def sections(self) -> list[int]:
        """How many channels are values, gaps, alive and static attributes."""
        numbers, choices = self.attributes
        return [len(self.channels), int(self.gaps is not None), int(bool(self.ends)), numbers + sum(choices)]

    def encode(self, series: Recorded) -> Encoded:
        """Raises UserError for series that are longer, or have other channels, than those it was fitted to."""
        if series.channels != self.channels:
            raise UserError(f"the channels are {', '.join(series.channels)}; they should be {', '.join(self.channels)}")
        if series.values.shape[1] > self.length:
            raise UserError(f"a series has {series.values.shape[1]} steps, and the model knows {self.length} at most")
        alive = np.arange(self.length) < series.lengths[:, None]
        parts = [scale.span(self._wide(series.values[:, :, i])) for i, scale in enumerate(self.scales)]
        flags = [False] * len(parts)
        if self.gaps is not None:
            times = series.times if series.times is not None else np.full(series.values.shape[:2], np.nan)
            parts.append(self.gaps.spans(self._wide(times)))
            flags.append(False)
        # What comes after the end is seen, as nothing.
        parts = [(np.where(alive, low, 0.5), np.where(alive, high, 0.5)) for low, high in parts]
        if self.ends:
            parts.append((alive.astype(float), alive.astype(float)))
            flags.append(True)
        found = [*parts, *self._static(series)]
        numbers, choices = self.attributes
        lower, upper = (np.stack([part[side] for part in found], 1).astype(np.float32) for side in (0, 1))
        seen = ~np.isnan(lower) & ~np.isnan(upper)
        kinds = np.array([*flags, *[False] * numbers, *[True] * sum(choices)])
        return Encoded(np.nan_to_num(lower, nan=0.5), np.nan_to_num(upper, nan=0.5), seen.astype(np.float32), kinds)

    def _wide(self, values: Floats) -> Floats:
        """Values [N, t] as [N, T], NaN from t on."""
        return np.pad(values, ((0, 0), (0, self.length - values.shape[1])), constant_values=np.nan)

    def _static(self, series: Recorded) -> list[tuple[Floats, Floats]]:
        """A channel for each number and each option of the static attributes, NaN where there are none."""
        numbers, choices = self.attributes
        if self.static is None or series.static is None:
            nothing = np.full((len(series), self.length), np.nan)
            return [(nothing, nothing)] * (numbers + sum(choices))
        encoded = self.static.encode(series.static)
        taken = [encoded.codes[:, index, None] == np.arange(size) for index, size in enumerate(choices)]
        columns = [self._owned(encoded, index) for index in range(numbers)]
        columns += [(column, column) for one in taken for column in one.T.astype(float)]
        return [(self._along(low), self._along(high)) for low, high in columns]

    def _owned(self, encoded: Cells, index: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """The places of a number; the middle, where an option stands in its place."""
        lower, upper = encoded.lower[:, index], encoded.upper[:, index]
        owner = self.owners[index]
        there = np.full(len(lower), True) if owner < 0 else encoded.codes[:, owner] == 0
        return np.where(there, lower, 0.5), np.where(there, upper, 0.5)

    def _along(self, column: NDArray[Any]) -> Floats:
        return np.repeat(column[:, None].astype(np.float64), self.length, axis=1)

    def decode(
        self, scores: Tensor, known: Tensor | None = None
    ) -> tuple[Floats, NDArray[np.int64], Floats | None, pd.DataFrame | None]:
        """Values [N, T, C], lengths [N], times [N, T] or None, and static attributes, of scores [N, C', T].

        Values that are ``known`` [N, C', T] are left as their scores say where others are brought to the ``level``.
        """
        scores = scores.detach().double().cpu()
        places = torch.special.ndtr(scores).numpy()
        values, gaps, alive, static = np.split(places, np.cumsum(self.sections)[:-1], axis=1)
        n = len(values)
        lengths = np.full(n, self.length)
        if alive.shape[1]:
            lengths = (alive[:, 0] > float(torch.special.ndtr(torch.tensor(0.5)))).sum(1).clip(min=1)
        gone = np.arange(self.length) >= lengths[:, None]
        fixed = np.zeros(values.shape, bool) if known is None else known[:, : values.shape[1]].bool().cpu().numpy()
        found = []
        for index, scale in enumerate(self.scales):
            channel = np.where(gone, np.nan, scale.value(values[:, index]))
            level = self.level[index]
            found.append(channel if level is None else levelled(channel, level[0], level[1], fixed[:, index]))
        times = None if self.gaps is None else np.where(gone, np.nan, self.gaps.times(gaps[:, 0]))
        rows = None if self.static is None else self.static.decode(scores[:, -static.shape[1] :, 0])
        return np.stack(found, 2), lengths.astype(np.int64), times, rows


def levelled(values: Floats, mean: float, deviation: float, fixed: NDArray[np.bool_]) -> Floats:
    """Series [N, T] with the ``mean`` and ``deviation`` that each should have; those that are ``fixed`` [N, T] stay.

    Where no others can bring a series there, its mean alone is brought there.
    """
    there = ~np.isnan(values)
    free = there & ~fixed
    count = np.maximum(free.sum(1, keepdims=True), 1)
    total = there.sum(1, keepdims=True)
    rest = np.where(there & fixed, values, 0.0)
    centre = (total * mean - rest.sum(1, keepdims=True)) / count
    power = (total * (deviation**2 + mean**2) - (rest**2).sum(1, keepdims=True)) / count - centre**2
    loose = np.where(free, values, 0.0)
    own = loose.sum(1, keepdims=True) / count
    spread = np.sqrt((np.where(free, values - own, 0.0) ** 2).sum(1, keepdims=True) / count)
    factor = np.where((power > 0) & (spread > 0), np.sqrt(np.maximum(power, 0)) / np.maximum(spread, 1e-12), 1.0)
    return np.where(free, centre + (values - own) * factor, values)


def _level(values: Floats, alive: NDArray[np.bool_]) -> list[float] | None:
    """The mean and the deviation that all series [N, T] of a channel have, where they do."""
    if np.isnan(values[alive]).any() or alive.sum(1).min() < 3:
        return None
    means, deviations = np.nanmean(values, 1), np.nanstd(values, 1)
    whole = float(np.nanstd(values))
    if not whole or max(np.ptp(means), np.ptp(deviations)) > ALIKE * whole:
        return None
    return [float(means.mean()), float(deviations.mean())]


def _ends(series: Recorded) -> list[float]:
    """The normal scores of the share of series that are over before each step; none where lengths are equal."""
    span = series.values.shape[1]
    if (series.lengths == span).all():
        return []
    over = (series.lengths[:, None] <= np.arange(span)).mean(0).clip(EDGE, 1 - EDGE)
    return [round(float(one), 4) for one in torch.special.ndtri(torch.from_numpy(over)).tolist()]


def _scale(content: Mapping[str, Any]) -> Scale | Curve:
    return Curve(**content) if "scores" in content else Scale(**content)
