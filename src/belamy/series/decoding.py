"""Generated series as users know them, and what users know of series as games take it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from belamy.errors import UserError, nearest
from belamy.game import Batch
from belamy.series.layout import Layout
from belamy.series.recorded import Clock, Floats, Recorded

if TYPE_CHECKING:
    import pandas as pd


def decoded(
    scores: Tensor, facts: Mapping[str, Any], labels: NDArray[np.int64] | None = None,
    partial: Recorded | None = None, whole: bool = False,
) -> Recorded:  # fmt: skip
    """Series [N, C', T] as a game makes them, in the units and at the times of the data that ``facts`` tell of.

    Where they were made around ``partial`` ones, what is known of those comes back as it is.
    """
    layout = Layout.from_json(facts["series"])
    known = None if partial is None else given(partial, facts, whole)["known"]
    values, lengths, times, static = layout.decode(scores, known)
    found = Recorded(
        values, lengths, layout.channels, times, static, labels, facts["classes"] or None, layout.clock,
        layout.identity, layout.label,
    )  # fmt: skip
    return found if partial is None else _restored(found, partial)


def given(partial: Recorded, facts: Mapping[str, Any], whole: bool = False) -> Batch:
    """``{"series": [N, C', T], "known": [N, C', T]}`` of series of which NaN is not known, for ``game.sample``.

    What comes after the end of one is not known either, unless it is ``whole``: then it ends there. Labels, where the
    model knows classes, are in "class" [N]. Raises UserError for other channels, or for more steps, than the model's.
    """
    layout = Layout.from_json(facts["series"])
    encoded = layout.encode(partial)
    known, moving = torch.from_numpy(encoded.seen), sum(layout.sections[:3])
    series = encoded.scores(np.arange(len(partial)), torch.full(encoded.lower.shape, 0.5))
    if not (whole and layout.ends):
        begun = torch.from_numpy(np.arange(layout.length) < partial.lengths[:, None])
        known = torch.cat([known[:, :moving] * begun[:, None], known[:, moving:]], 1)
    batch = {"series": series * known, "known": known}
    if partial.labels is not None and facts["classes"]:
        batch["class"] = torch.from_numpy(partial.labels)
    return batch


def partial_series(
    values: Any, facts: Mapping[str, Any], labels: Sequence[str | int] | None = None, times: Any = None,
    static: pd.DataFrame | None = None,
) -> Recorded:  # fmt: skip
    """What is known of series, from arrays: ``values`` [N, t] or [N, t, C], NaN where they are not known.

    ``labels`` are names of classes or their numbers, ``times`` [N, t] those of irregular series, ``static`` all their
    attributes. Raises UserError for what is not the model's.
    """
    layout = Layout.from_json(facts["series"])
    array = np.array(values, dtype=np.float64)
    array = array[:, :, None] if array.ndim == 2 else array
    if array.ndim != 3 or array.shape[1] > layout.length or array.shape[2] != len(layout.channels):
        wanted = f"[N, {layout.length} at most, {len(layout.channels)}]"
        raise UserError(f"series have the shape {list(array.shape)}; this model's are {wanted}")
    if layout.gaps is not None and times is None:
        raise UserError("this model's series are at irregular times: give times [N, t] beside the values")
    given = None if times is None or layout.gaps is None else np.array(times, dtype=np.float64)
    known = ~np.isnan(array).all(2) if given is None else ~np.isnan(given)
    lengths = (known * np.arange(1, array.shape[1] + 1)).max(1).astype(np.int64)
    kinds = facts["classes"] or []
    codes = None if labels is None else np.array([_class(one, kinds) for one in labels], dtype=np.int64)
    return Recorded(
        array, lengths, layout.channels, given, static, codes, facts["classes"] or None, layout.clock, layout.identity,
        layout.label,
    )  # fmt: skip


def partial_table(frame: pd.DataFrame, facts: Mapping[str, Any]) -> Recorded:
    """What is known of series, from a long table as ``long_table`` gives: a row for each step of which anything is.

    Channels, static attributes and classes that are not there are not known; without the column that tells series
    apart, all rows are one series. Raises UserError for a table without times, or with times off the model's grid.
    """
    import pandas as pd

    layout = Layout.from_json(facts["series"])
    clock = layout.clock
    if clock.name not in frame.columns:
        raise UserError(f"there is no column {clock.name!r}{nearest(clock.name, map(str, frame.columns))} for the time")
    codes = pd.factorize(frame[layout.identity])[0] if layout.identity in frame.columns else np.zeros(len(frame), int)
    seconds = _seconds(frame[clock.name], clock)
    order = np.lexsort((seconds, codes))
    codes, seconds, frame = codes[order], seconds[order], frame.iloc[order]
    firsts = np.unique(codes, return_index=True)[1]
    steps = np.arange(len(codes)) - firsts[codes] if layout.gaps is not None else _steps(seconds, clock)
    if len(steps) and not 0 <= steps.min() <= steps.max() < layout.length:
        raise UserError(f"there are times before or after the {layout.length} steps that this model knows")
    values = np.full((len(firsts), layout.length, len(layout.channels)), np.nan)
    times = np.full(values.shape[:2], np.nan)
    for index, name in enumerate(layout.channels):
        if name in frame.columns:
            values[codes, steps, index] = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
    times[codes, steps] = seconds
    rows = frame.iloc[firsts].reset_index(drop=True)
    names = list(layout.static.columns) if layout.static is not None else []
    static = rows[names] if names and all(name in rows.columns for name in names) else None
    labels = rows[layout.label].tolist() if facts["classes"] and layout.label in rows.columns else None
    return partial_series(values, facts, labels, times, static)


def long_table(series: Recorded, start: int = 0) -> pd.DataFrame:
    """A row for each step of each series: number, from ``start + 1`` on, time, channels, static attributes, label."""
    import pandas as pd

    rows, steps = np.nonzero(series.alive)
    clock = series.clock
    seconds = clock.start + clock.step * steps if series.times is None else series.times[rows, steps]
    columns: dict[str, Any] = {series.identity: start + 1 + rows, clock.name: _moments(seconds, clock)}
    columns |= {name: series.values[rows, steps, index] for index, name in enumerate(series.channels)}
    if series.static is not None:
        columns |= {str(name): series.static[name].iloc[rows].reset_index(drop=True) for name in series.static.columns}
    if series.labels is not None and series.classes is not None:
        columns[series.label] = np.array(series.classes, dtype=object)[series.labels[rows]]
    return pd.DataFrame(columns)


def _restored(found: Recorded, partial: Recorded) -> Recorded:
    """The series with what is known of them put back, to the last digit."""
    values, steps = found.values.copy(), partial.values.shape[1]
    mine = values[:, :steps]
    mine[~np.isnan(partial.values)] = partial.values[~np.isnan(partial.values)]
    times = found.times
    if times is not None and partial.times is not None:
        # What follows goes on from the last time that is known.
        times, known = times.copy(), ~np.isnan(partial.times)
        last = (known * np.arange(1, steps + 1)).max(1) - 1
        rows = np.flatnonzero(last >= 0)
        off = partial.times[rows, last[rows]] - times[rows, last[rows]]
        times[rows] += np.where(np.arange(times.shape[1]) > last[rows, None], off[:, None], 0.0)
        times[:, :steps][known] = partial.times[known]
    static = found.static if partial.static is None else partial.static.reset_index(drop=True)
    return replace(found, values=values, times=times, static=static)


def _class(name: str | int, classes: Sequence[str]) -> int:
    if str(name) in classes:
        return list(classes).index(str(name))
    raise UserError(f"this model has no class {name!r}{nearest(str(name), classes)}")


def _seconds(column: pd.Series[Any], clock: Clock) -> Floats:
    import pandas as pd

    if clock.kind != "date":
        return np.asarray(column, dtype=np.float64)
    dates = pd.to_datetime(column, utc=True)
    found: Floats = ((dates - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(1, "s")).to_numpy(dtype=np.float64)
    return found


def _steps(seconds: Floats, clock: Clock) -> NDArray[np.int64]:
    places = (seconds - clock.start) / clock.step
    if not np.allclose(places, places.round(), atol=1e-3):
        raise UserError(f"there are times off this model's grid, which has a step of {clock.step:g}")
    return np.asarray(places.round(), dtype=np.int64)


def _moments(seconds: NDArray[Any], clock: Clock) -> Any:
    """Times [rows] as pandas had them."""
    import pandas as pd

    if clock.kind != "date":
        whole = np.issubdtype(np.dtype(clock.dtype), np.integer) if clock.dtype[:1].islower() else False
        return seconds.round().astype(np.int64) if whole else seconds
    moments = pd.Series((seconds * 1e6).round().astype(np.int64).view("datetime64[us]"))
    kind = pd.api.types.pandas_dtype(clock.dtype)
    if isinstance(kind, pd.DatetimeTZDtype):
        return moments.dt.tz_localize("UTC").dt.tz_convert(kind.tz)
    return moments.astype(kind)
