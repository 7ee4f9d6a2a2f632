"""Time series as they were recorded: of several channels, of unequal lengths, at regular times or at others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from belamy.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

FEWEST = 20
"""Series from which others can be learnt."""
LONGEST = 2048
"""Values of all channels of a series, at most: every two of them are compared."""


@dataclass(frozen=True)
class Clock:
    """What times are: ``kind`` is "index", "number" or "date" (in seconds since 1970); regular ones have a ``step``.

    Users call their column ``name``, and pandas gives it the ``dtype``.
    """

    kind: str = "index"
    start: float = 0.0
    step: float = 1.0
    name: str = "time"
    dtype: str = "int64"


@dataclass(frozen=True)
class Recorded:
    """N series of C ``channels``: ``values`` [N, T, C], NaN where one is missing and from the ``lengths`` [N] on.

    ``times`` [N, T] are NaN from there on, too, or None where the ``clock`` says all. ``static`` holds a row of
    attributes for each series, ``labels`` [N] numbers of ``classes``; None where there are none. ``identity`` is what
    users call the column that tells series apart, ``label`` that of classes.
    """

    values: Floats
    lengths: NDArray[np.int64]
    channels: list[str]
    times: Floats | None = None
    static: pd.DataFrame | None = None
    labels: NDArray[np.int64] | None = None
    classes: list[str] | None = None
    clock: Clock = Clock()
    identity: str = "id"
    label: str = "label"

    def __len__(self) -> int:
        return len(self.values)

    @property
    def alive(self) -> NDArray[np.bool_]:
        """Which steps [N, T] are before a series' end."""
        return np.arange(self.values.shape[1]) < self.lengths[:, None]

    def part(self, chosen: NDArray[Any]) -> Recorded:
        """The series that are ``chosen``, by number or by a flag for each."""
        static = None if self.static is None else self.static.loc[_as_rows(chosen)].reset_index(drop=True)
        return replace(
            self, values=self.values[chosen], lengths=self.lengths[chosen], static=static,
            times=None if self.times is None else self.times[chosen],
            labels=None if self.labels is None else self.labels[chosen],
        )  # fmt: skip


def recorded(
    values: Any, labels: Any = None, *, lengths: Any = None, times: Any = None, static: pd.DataFrame | None = None,
    channels: Sequence[str] | None = None, clock: Clock | None = None, classes: Sequence[str] | None = None,
    identity: str = "id", label: str = "label",
) -> Recorded:  # fmt: skip
    """Series from arrays: ``values`` [N, T] or [N, T, C], ``labels`` [N] of any kind, ``times`` [N, T].

    Where no ``lengths`` are given, a series ends at its last value or time. Raises UserError for what is no series.
    """
    values = _as_values(values)
    given = None if times is None else _as_times(times, values)
    known = ~np.isnan(values).all(2) if given is None else ~np.isnan(given)
    lengths = _lengths(known) if lengths is None else np.asarray(lengths, dtype=np.int64)
    if lengths.shape != (len(values),) or lengths.min(initial=1) < 1 or lengths.max(initial=1) > values.shape[1]:
        raise UserError(f"every series should have a length from 1 to {values.shape[1]}; leave the empty ones out")
    span = int(lengths.max(initial=1))
    values, given = values[:, :span], None if given is None else given[:, :span]
    names = [str(name) for name in channels] if channels is not None else _names(values.shape[2])
    codes, kinds = _labels(labels, len(values), classes)
    clock = clock or (Clock() if given is None else Clock("number", name="time", dtype="float64"))
    found = Recorded(values, lengths, names, given, static, codes, kinds, clock, identity, label)
    found.values[~found.alive] = np.nan
    _check(found)
    return found


def _as_values(values: Any) -> Floats:
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        wanted = "numbers in an array [N, T] or [N, T, channels]"
        raise UserError(f"series are {wanted}; fill unequal ones up with NaN") from None
    array = array[:, :, None] if array.ndim == 2 else array
    if array.ndim != 3 or not array.size:
        raise UserError(f"series are an array [N, T] or [N, T, channels], not one of the shape {list(array.shape)}")
    return array


def _as_times(times: Any, values: Floats) -> Floats:
    array = np.array(times, dtype=np.float64)
    if array.shape != values.shape[:2]:
        raise UserError(f"times have the shape {list(array.shape)}; for these series it is {list(values.shape[:2])}")
    return array


def _lengths(known: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Where the last of the ``known`` [N, T] is, and one more."""
    return np.asarray((known * np.arange(1, known.shape[1] + 1)).max(1), dtype=np.int64)


def _names(count: int) -> list[str]:
    return ["value"] if count == 1 else [f"channel_{index}" for index in range(count)]


def _labels(
    labels: Any, count: int, classes: Sequence[str] | None
) -> tuple[NDArray[np.int64] | None, list[str] | None]:
    if labels is None:
        return None, None
    array = np.asarray(labels)
    if array.shape != (count,):
        raise UserError(f"labels have the shape {list(array.shape)}; for these series it is {[count]}")
    if classes is not None:
        return array.astype(np.int64), list(classes)
    if any(one is None or one != one for one in array.tolist()):
        raise UserError("some series have no label; leave them out, or leave label out")
    kinds, codes = np.unique(array, return_inverse=True)
    return codes.astype(np.int64), [str(kind) for kind in kinds.tolist()]


def _check(series: Recorded) -> None:
    if len(series) < FEWEST:
        raise UserError(f"there are {len(series)} series: from {FEWEST} on, others like them can be learnt")
    if series.values[0].size > LONGEST:
        steps, channels = series.values.shape[1:]
        raise UserError(f"{steps} steps of {channels} channels are more than {LONGEST} values: cut or thin the series")
    if len(series.channels) != series.values.shape[2] or len(set(series.channels)) < len(series.channels):
        raise UserError(f"there should be {series.values.shape[2]} names of channels, each another")
    for index, name in enumerate(series.channels):
        if np.isnan(series.values[:, :, index]).all():
            raise UserError(f"the channel {name} has no values at all; leave it out")
        if np.isinf(series.values[:, :, index]).any():
            raise UserError(f"the channel {name} has infinite values; leave them empty where they are not known")
    if series.static is not None and len(series.static) != len(series):
        raise UserError(f"there are {len(series)} series, and {len(series.static)} rows of static attributes")
    if series.times is not None:
        _check_times(series.times, series.alive)


def _check_times(times: Floats, alive: NDArray[np.bool_]) -> None:
    if not np.isfinite(times[alive]).all():
        raise UserError("every step of a series should have a time that is a number or a date")
    late = np.diff(times, axis=1) <= 0
    if (late & alive[:, 1:]).any():
        place = int(np.flatnonzero((late & alive[:, 1:]).any(1))[0])
        raise UserError(f"series {place} has times that repeat or go back: each step should have its own, in order")


def _as_rows(chosen: NDArray[Any]) -> NDArray[Any]:
    return np.flatnonzero(chosen) if chosen.dtype == bool else chosen
