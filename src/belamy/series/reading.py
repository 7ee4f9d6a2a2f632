"""Time series from files: archives of numpy, and long tables with a row for each step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from belamy.archives import archive
from belamy.errors import UserError, nearest
from belamy.series.recorded import FEWEST, Clock, Floats, Recorded, recorded

if TYPE_CHECKING:
    import pandas as pd

IDENTITIES = ("id", "series", "series_id", "unique_id", "item_id", "customer", "customer_id", "patient", "subject")
TIMES = ("time", "date", "datetime", "timestamp", "ds", "t", "step", "hour", "day", "month", "year")
"""What columns are called that tell series apart, and that tell when."""
DENSE = 0.8
"""The share of a common grid that must be there so that what lacks is missing, rather than the times irregular."""
PARTS = (("x_train", "y_train"), ("x_val", "y_val"), ("x_test", "y_test"))
OTHERS = ("times", "lengths", "channels")


def read_series(
    path: str | Path, id: str | None = None, time: str | None = None, label: str | None = None,
    static: Sequence[str] = (),
) -> Recorded:  # fmt: skip
    """The series of an archive or of a long table.

    A .npz holds ``x`` [N, T] or [N, T, C], NaN where something is missing and after a series' end, and may hold ``y``
    [N], ``times`` [N, T], ``lengths`` [N] and ``channels`` [C]; or ``x_train``, ``y_train`` and so on, which are taken
    together. A table has a row for each step of a series, which the column ``id`` tells apart; ``time`` is when,
    ``label`` its class, ``static`` what is the same in all its rows, and all other columns are channels.

    Raises UserError for what cannot be read or learnt.
    """
    path = Path(path)
    if path.suffix.lower() == ".npz":
        if any((id, time, label, static)):
            raise UserError(f"{path.name} is an archive: id, time, label and static name the columns of a table")
        return _of_archive(path)
    from belamy.tables.reading import read_table

    return from_table(read_table(path), id, time, label, static)


def _of_archive(path: Path) -> Recorded:
    with archive(path) as opened:
        arrays: dict[str, Any] = {name: opened[name] for name in opened.files}
    others = {name: arrays[name] for name in OTHERS if name in arrays}
    if "channels" in others:
        others["channels"] = others["channels"].tolist()
    if "x" in arrays:
        return recorded(arrays["x"], arrays.get("y"), **others)
    parts = [pair for pair in PARTS if pair[0] in arrays]
    if not parts:
        held = ", ".join(arrays)
        raise UserError(f"{path} holds {held}; name the series x (and the classes y), or x_train and x_test")
    if len({arrays[x].shape[1:] for x, _ in parts}) > 1:
        raise UserError(f"{path} holds parts of different lengths; fill them up with NaN")
    labels = np.concatenate([arrays[y] for _, y in parts]) if all(y in arrays for _, y in parts) else None
    return recorded(np.concatenate([arrays[x] for x, _ in parts]), labels, channels=others.get("channels"))


def from_table(
    frame: pd.DataFrame, id: str | None = None, time: str | None = None, label: str | None = None,
    static: Sequence[str] = (),
) -> Recorded:  # fmt: skip
    """The series of a long table that is in memory; see ``read_series``."""
    columns = [str(name) for name in frame.columns]
    frame = frame.set_axis(columns, axis=1)
    for name in (id, time, label, *static):
        if name is not None and name not in columns:
            raise UserError(f"there is no column {name!r}{nearest(name, columns)}; there are {', '.join(columns[:20])}")
    identity = id or _guess(columns, IDENTITIES, "id", "tells series apart", (time, label, *static))
    moment = time or _guess(columns, TIMES, "time", "tells when", (identity, label, *static))
    told = (identity, moment, label, *static)
    channels = [name for name in columns if name not in told]
    _check_channels(frame, channels)
    seconds, clock = _moments(frame[moment], moment)
    places, rows, ordered = _places(frame[identity], seconds, identity, moment)
    lengths = np.bincount(places)
    steps = np.arange(len(ordered)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    shape = len(lengths), int(lengths.max())
    values, times = np.full((*shape, len(channels)), np.nan), np.full(shape, np.nan)
    values[places, steps] = frame[channels].to_numpy(dtype=np.float64, na_value=np.nan)[ordered]
    times[places, steps] = seconds[ordered]
    kept = frame.iloc[rows].reset_index(drop=True)
    _check_same(frame, identity, [*static, *([label] if label else [])])
    found = recorded(
        values, None if label is None else kept[label].to_numpy(), lengths=lengths, times=times, channels=channels,
        static=kept[list(static)] if static else None, clock=clock, identity=identity, label=label or "label",
    )  # fmt: skip
    return _on_grid(found)


def _guess(columns: Sequence[str], known: Sequence[str], option: str, role: str, taken: Sequence[str | None]) -> str:
    """The column that is called as one of the ``known``. Raises UserError where there is none."""
    found = {name.lower(): name for name in columns if name not in taken}
    for name in known:
        if name in found:
            return found[name]
    raise UserError(f"which column {role}? Set {option} to one of {', '.join(columns[:20])}")


def _check_channels(frame: pd.DataFrame, channels: Sequence[str]) -> None:
    import pandas as pd

    if not channels:
        raise UserError("no column is left that could be a channel of numbers")
    for name in channels:
        if not pd.api.types.is_numeric_dtype(frame[name].dtype):
            raise UserError(f"the channel {name} is no number; name it under static or label, or leave it out")


def _check_same(frame: pd.DataFrame, identity: str, names: Sequence[str]) -> None:
    for name in names:
        counts = frame.groupby(identity, sort=False)[name].nunique(dropna=False)
        if (counts > 1).any():
            raise UserError(f"{name} changes within the series {counts.idxmax()!r}: it cannot be static or a label")


def _moments(column: pd.Series[Any], name: str) -> tuple[Floats, Clock]:
    """Times [rows] as numbers, dates in seconds since 1970."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column.dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan), Clock("number", name=name, dtype=str(column.dtype))
    try:
        dates = pd.to_datetime(column, utc=True, format="mixed")
    except (ValueError, TypeError):
        raise UserError(f"the column {name} has times that are neither numbers nor dates") from None
    seconds = (dates - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(1, "s")
    dtype = str(column.dtype) if pd.api.types.is_datetime64_any_dtype(column.dtype) else "datetime64[us]"
    return seconds.to_numpy(dtype=np.float64), Clock("date", name=name, dtype=dtype)


def _places(
    column: pd.Series[Any], seconds: Floats, identity: str, moment: str
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The series of each row in the order of series and times, the first row of each series, and that order."""
    import pandas as pd

    codes, names = pd.factorize(column)
    if (codes < 0).any() or np.isnan(seconds).any():
        raise UserError(f"every row should have its {identity} and its {moment}; leave the others out")
    if len(names) < FEWEST:
        raise UserError(f"{identity} tells {len(names)} series apart: from {FEWEST} on, others like them can be learnt")
    order = np.lexsort((seconds, codes))
    same = (np.diff(codes[order]) == 0) & (np.diff(seconds[order]) == 0)
    if same.any():
        row = int(order[np.flatnonzero(same)[0]])
        raise UserError(f"the series {column.iloc[row]!r} has two rows of one {moment}; leave one of them out")
    return codes[order].astype(np.int64), np.unique(codes, return_index=True)[1], order


def _on_grid(series: Recorded) -> Recorded:
    """The same without ``times`` where they are those of one grid from one start, with what it lacks as missing."""
    assert series.times is not None
    gaps = np.diff(series.times, axis=1)[series.alive[:, 1:]]
    starts = series.times[:, 0]
    step = float(gaps.min(initial=np.inf))
    if not np.isfinite(step) or np.ptp(starts) > 1e-6 * step:
        return series
    places = (series.times - starts[0]) / step
    whole = np.round(places[series.alive])
    span = int(whole.max()) + 1
    share = series.alive.sum() / (1 + np.nanmax(places, axis=1).round()).sum()
    if np.abs(places[series.alive] - whole).max() > 1e-3 or share < DENSE:
        return series
    values = np.full((len(series), span, len(series.channels)), np.nan)
    rows = np.broadcast_to(np.arange(len(series))[:, None], places.shape)[series.alive]
    values[rows, whole.astype(int)] = series.values[series.alive]
    lengths = np.bincount(rows, weights=None)
    lengths = np.maximum.reduceat(whole.astype(int), np.cumsum(lengths) - lengths) + 1
    clock = replace(series.clock, start=float(starts[0]), step=step)
    return replace(series, values=values, lengths=lengths.astype(np.int64), times=None, clock=clock)
