"""The cells of data frames as plain arrays: numbers and dates as floats, categories and booleans as codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from belamy.errors import UserError, nearest

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("number", "date", "category", "boolean")

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Cells = dict[str, NDArray[Any]]
"""The columns of one table by name, each [rows]."""


def cells(frames: Sequence[pd.DataFrame], kinds: Mapping[str, str]) -> list[Cells]:
    """For each of ``frames`` those columns that ``kinds`` names.

    Numbers, and dates in days since 1970, are float64: NaN where missing, infinite, or no number or date. Dates
    without a time zone count as UTC. Categories and booleans are int64 codes from 0, in the order in which they are
    met; equal values have equal codes in all frames, and what is missing has -1.

    Raises:
        UserError: no kinds, a kind that is none, a column that is not there, a table without rows.
    """
    if not kinds:
        raise UserError(f"no column is to be judged; kinds should call some a {', '.join(KINDS[:-1])} or {KINDS[-1]}")
    for frame in frames:
        _check(frame, kinds)
    columns = {name: _coded([frame[name] for frame in frames], kind) for name, kind in kinds.items()}
    return [{name: parts[place] for name, parts in columns.items()} for place in range(len(frames))]


def counted(values: NDArray[Any]) -> bool:
    """Whether these are numbers or dates, not codes."""
    return values.dtype.kind == "f"


def present(values: NDArray[Any]) -> NDArray[np.bool_]:
    return ~np.isnan(values) if counted(values) else values >= 0


def matrix(table: Cells) -> Floats:
    """All cells as float64 [rows, columns]; rows with equal cells have equal bytes."""
    stacked: Floats = np.column_stack([values.astype(np.float64) for values in table.values()])
    stacked += 0.0  # -0 becomes 0
    stacked[np.isnan(stacked)] = np.nan  # one of the many patterns of bits that are NaN
    return stacked


def _check(frame: pd.DataFrame, kinds: Mapping[str, str]) -> None:
    for name, kind in kinds.items():
        if kind not in KINDS:
            raise UserError(f"column {name!r} is called a {kind!r}; kinds are {', '.join(KINDS)}")
        if name not in frame.columns:
            known = [str(one) for one in frame.columns]
            raise UserError(f"a table to be judged has no column {name!r}{nearest(str(name), known)}")
    if not len(frame):
        raise UserError("a table to be judged has no rows")


def _coded(columns: Sequence[pd.Series[Any]], kind: str) -> list[NDArray[Any]]:
    if kind in ("category", "boolean"):
        return _codes(columns)
    return [_days(column) if kind == "date" else _numbers(column) for column in columns]


def _codes(columns: Sequence[pd.Series[Any]]) -> list[NDArray[Any]]:
    import pandas as pd

    # as objects, 1 of one table is 1.0 and True of another
    together = pd.concat([column.astype(object) for column in columns], ignore_index=True)
    codes = pd.factorize(together)[0].astype(np.int64)
    return np.split(codes, np.cumsum([len(column) for column in columns])[:-1])


def _numbers(column: pd.Series[Any]) -> Floats:
    import pandas as pd

    values = pd.to_numeric(_plain(column), errors="coerce").to_numpy(np.float64, na_value=np.nan)
    return np.where(np.isfinite(values), values, np.nan)


def _days(column: pd.Series[Any]) -> Floats:
    import pandas as pd

    moments = pd.to_datetime(_plain(column), errors="coerce", utc=True, format="mixed").dt.tz_localize(None)
    days: Floats = (moments.to_numpy("datetime64[us]") - np.datetime64(0, "us")) / np.timedelta64(1, "D")
    return days


def _plain(column: pd.Series[Any]) -> pd.Series[Any]:
    """Without a categorical dtype, which pandas does not turn into numbers or dates."""
    import pandas as pd

    return column.astype(object) if isinstance(column.dtype, pd.CategoricalDtype) else column
