"""A table's rows between frames and tensors: all that a model must know of its columns, and no row of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from belamy.errors import UserError
from belamy.tables import where as asking
from belamy.tables.columns import LEARNT, Column, Schema, columns_of, plain
from belamy.tables.constraints import Constraints, constraints_of
from belamy.tables.encoding import Encoded, Encoding, determined
from belamy.tables.identifiers import pattern_of, renewed
from belamy.tables.scale import Floats
from belamy.tables.where import Asked, Reach, Where, Wish, learnt, reach

if TYPE_CHECKING:
    import pandas as pd

EDGE = 2e-5
"""Places are kept so far from 0 and 1, so that their normal scores stay within 4.1."""


class Rows:
    """``columns`` as users know them, ``constraints`` between them, and the ``encoding`` of what is learnt.

    ``fixed`` holds the value of each constant column, ``patterns`` the form of each identifier.
    """

    def __init__(
        self, columns: Sequence[Column], encoding: Encoding, constraints: Constraints, fixed: Mapping[str, Any],
        patterns: Mapping[str, list[str]],
    ) -> None:  # fmt: skip
        self.columns, self.encoding, self.constraints = {one.name: one for one in columns}, encoding, constraints
        self.fixed, self.patterns = dict(fixed), dict(patterns)

    @classmethod
    def fit(cls, frame: pd.DataFrame, schema: Schema) -> Rows:
        """By the rows that training sees. Raises UserError for what cannot be learnt."""
        columns = columns_of(frame, schema)
        keys = {name for one in schema.constraints if "unique" in one for name in _listed(one["unique"])}
        columns = [_as_identifier(one) if one.name in keys else one for one in columns]
        learnt = [one for one in columns if one.kind in LEARNT]
        if not learnt:
            raise UserError("no column of this table can be learnt: all are constant, free text or identifiers")
        told = {name for one in schema.constraints for value in one.values() for name in _listed(value)}
        found = determined(frame, [one for one in learnt if one.name not in told])
        constraints = constraints_of(schema.constraints, frame, columns, found)
        reduced, kinds = constraints.reduce(frame, learnt)
        encoding = Encoding.fit(reduced, kinds, constraints.fixed)
        fixed = {one.name: _only(frame[one.name]) for one in columns if one.kind == "constant"}
        patterns = {one.name: _pattern(frame[one.name]) for one in columns if one.kind == "identifier"}
        return cls(columns, encoding, constraints, fixed, patterns)

    def as_json(self) -> dict[str, Any]:
        return {
            "columns": [column.as_json() for column in self.columns.values()], "encoding": self.encoding.as_json(),
            "constraints": self.constraints.as_json(), "fixed": self.fixed, "patterns": self.patterns,
        }  # fmt: skip

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Rows:
        return cls(
            [Column(**one) for one in content["columns"]], Encoding.from_json(content["encoding"]),
            Constraints.from_json(content["constraints"]), content["fixed"], content["patterns"],
        )  # fmt: skip

    @property
    def kinds(self) -> dict[str, str]:
        """The kind of each column that is learnt."""
        return {column.name: column.kind for column in self.columns.values() if column.kind in LEARNT}

    def learns(self, name: str) -> Column:
        """The column called ``name``. Raises UserError where there is none, or where it is not learnt."""
        return learnt(name, self.columns)

    @property
    def learnt(self) -> list[Column]:
        return [column for column in self.columns.values() if column.kind in LEARNT]

    def encode(self, frame: pd.DataFrame) -> Encoded:
        reduced, _ = self.constraints.reduce(frame, self.learnt)
        return self.encoding.encode(reduced)

    def asked(self, where: Where | None) -> Asked:
        """Raises UserError for what no row can be."""
        wished = asking.wishes(where or [], self.columns, self.encoding, self.fixed)
        native = self.constraints.asked(wished, self._reaches(wished))
        return replace(asking.asked(self.encoding, native), wishes=wished)

    def _reaches(self, wished: Mapping[str, Wish]) -> dict[str, Reach]:
        return self.constraints.reaches(wished, self.columns, self.encoding)

    def decode(self, values: Tensor, start: int = 0, asked: Asked | None = None) -> pd.DataFrame:
        """Encoded rows [N, D] as a table; they are those of number ``start`` and following, which identifiers tell."""
        import pandas as pd

        wished = asked.wishes if asked is not None else {}
        codes, places = self._parts(values)
        found = self.encoding.decode(codes, places)
        for name, wish in wished.items():
            if name in found and name not in self.constraints.derived and found[name].dtype != object:
                found[name] = reach(self.encoding, name, wish).near(found[name])
        self.constraints.restore(found, self._reaches(wished))
        n = len(codes)
        made = {
            name: _as_dtype(found[name] if name in found else self._unlearnt(column, start, n), column)
            for name, column in self.columns.items()
        }
        return pd.DataFrame(made)

    def _parts(self, values: Tensor) -> tuple[NDArray[np.int64], Floats]:
        values, numbers = values.detach().float().cpu(), self.encoding.numbers
        places = torch.special.ndtr(values[:, :numbers].double()).numpy()
        codes = [part.argmax(1).numpy() for part in values[:, numbers:].split(self.encoding.choices, 1)]
        return np.stack(codes, 1) if codes else np.zeros((len(values), 0), dtype=np.int64), places

    def _unlearnt(self, column: Column, start: int, n: int) -> NDArray[Any]:
        if column.kind == "identifier":
            pattern = self.patterns[column.name]
            return renewed(pattern, start, n) if pattern else np.arange(start + 1, start + n + 1)
        return np.full(n, self.fixed.get(column.name), dtype=object)

    def broken(self, frame: pd.DataFrame) -> int:
        """How many rows of a table break a constraint."""
        seen = {
            tuple(field.columns): {tuple(option) for option in field.options}
            for field in self.encoding.fields if len(field.columns) > 1
        }  # fmt: skip
        return self.constraints.broken(frame, list(self.columns.values()), seen)


def scores(places: Tensor) -> Tensor:
    """Normal scores [B, J] of places in a distribution, which are within 4.1."""
    found: Tensor = torch.special.ndtri(places.clamp(EDGE, 1 - EDGE))
    return found


def _listed(value: Any) -> list[str]:
    return [str(one) for one in (value if isinstance(value, list) else [value])]


def _as_identifier(column: Column) -> Column:
    """Raises UserError for one of which no new values can be made."""
    if not column.whole and column.dtype not in ("object", "str", "string"):
        raise UserError(f"the constraint unique is about whole numbers and texts, and {column.name} is {column.dtype}")
    return Column(column.name, "identifier", column.dtype)


def _only(values: pd.Series[Any]) -> Any:
    present = values.dropna()
    return plain(present.iloc[0]) if len(present) else None


def _pattern(values: pd.Series[Any]) -> list[str]:
    """Empty for identifiers that are numbers."""
    import pandas as pd

    return [] if pd.api.types.is_numeric_dtype(values.dtype) else pattern_of([str(one) for one in values.dropna()])


def _as_dtype(values: NDArray[Any], column: Column) -> pd.Series[Any]:
    """Values of a column [N] as pandas had them: numbers rounded to whole ones where they must be."""
    import pandas as pd

    dtype = column.dtype
    if column.kind == "date":
        return _as_dates(values, dtype)
    if column.categories is not None and dtype == "category":
        known = pd.Index(column.categories, dtype=column.of)
        return pd.Series(pd.Categorical(values, dtype=pd.CategoricalDtype(known, column.ordered)))
    kind = pd.api.types.pandas_dtype(dtype)
    if column.whole:
        return _as_whole(values, column)
    if pd.api.types.is_bool_dtype(kind):
        return pd.Series(pd.array(values, dtype="boolean")).astype(kind)
    if pd.api.types.is_numeric_dtype(kind):
        return pd.Series(np.array(values, dtype=np.float64)).astype(kind)
    return pd.Series(values, dtype=object).astype(kind)


def _as_whole(values: NDArray[Any], column: Column) -> pd.Series[Any]:
    """Raises UserError for what the dtype cannot hold."""
    import pandas as pd

    missing, kind = np.asarray(pd.isna(values)), pd.api.types.pandas_dtype(column.dtype)
    if missing.any() and isinstance(kind, np.dtype):
        raise UserError(f"{column.name} is missing in rows, and {kind} has no missing values")
    if values.dtype == object:
        return pd.Series(pd.array(values, dtype="UInt64" if column.dtype.lower()[0] == "u" else "Int64")).astype(kind)
    low, high = column.ends
    if column.kind == "identifier" and len(values) and values[-1] > high:
        raise UserError(f"{column.name} is unique, and {kind} has no {int(values[-1]):,} values")
    numbers = np.clip(np.round(np.where(missing, 0, values)), low, np.nextafter(high, 0) if high > 2**53 else high)
    found = pd.Series(numbers.astype(column.dtype.lower().partition("[")[0])).astype(kind)
    return found.mask(missing) if missing.any() else found


def _as_dates(values: NDArray[Any], dtype: str) -> pd.Series[Any]:
    import pandas as pd

    seconds = np.asarray(values, dtype=np.float64)
    micro = np.where(np.isnan(seconds), 0, np.round(np.nan_to_num(seconds) * 1e6)).astype("int64")
    moments = pd.Series(micro.view("datetime64[us]")).mask(np.isnan(seconds))
    kind = pd.api.types.pandas_dtype(dtype)
    if isinstance(kind, pd.DatetimeTZDtype):
        return moments.dt.tz_localize("UTC").dt.tz_convert(kind.tz).astype(kind)
    return moments.astype(kind)
