"""Rows of a table as options and places, and back. What is kept to do so holds no row of the training data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from belamy.errors import UserError
from belamy.tables.columns import CATEGORIES, Column, plain
from belamy.tables.scale import Floats, Scale, grid_step

if TYPE_CHECKING:
    import pandas as pd

REST = "\0rest"
"""Stands among a number's options for: none of these, but somewhere on the scale."""
FEW = 20
"""Values of a column of numbers up to which each is an option."""
FEWEST = 8
"""And up to which, though they lie on a grid."""
OFTEN = 0.05
"""The share of rows from which on a number is an option of its own, such as a heap of zeros."""


@dataclass(frozen=True)
class Field:
    """Columns that are learnt as one: an option among ``options``, a place on ``scale``, or an option that says which.

    Options are lists of cells, one for each of ``columns``; ``shares`` are their frequencies.
    """

    columns: list[str]
    options: list[list[Any]]
    shares: list[float]
    scale: Scale | None = None

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Field:
        scale = content.get("scale")
        return cls(**{**content, "scale": Scale(**scale) if scale else None})

    @property
    def scaled(self) -> bool:
        """Whether one of the options stands for the scale, and is the first."""
        return self.scale is not None and bool(self.options)


@dataclass(frozen=True)
class Encoded:
    """Rows as ``codes`` of options [N, C], and the places [N, J] at which their numbers begin and end."""

    codes: NDArray[np.int32]
    lower: NDArray[np.float32]
    upper: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.codes)


class Encoding:
    """``fields`` in order; their options first make ``choices``, their scales ``numbers``."""

    def __init__(self, columns: Sequence[Column], fields: Sequence[Field]) -> None:
        self.columns, self.fields = {column.name: column for column in columns}, list(fields)
        self.choices = [len(field.options) for field in self.fields if field.options]
        self.numbers = sum(field.scale is not None for field in self.fields)

    @classmethod
    def fit(cls, frame: pd.DataFrame, columns: Sequence[Column], together: Sequence[Sequence[str]] = ()) -> Encoding:
        """By the rows of ``frame``; the columns of each of ``together`` have only combinations that are seen."""
        kinds, fields = {column.name: column for column in columns}, list[Field]()
        groups = {names[0]: list(names) for names in together}
        joint = {name for names in together for name in names}
        for column in columns:
            if column.name in groups:
                fields.append(_combined(frame, [kinds[name] for name in groups[column.name]]))
            elif column.name not in joint:
                numeric = column.kind in ("number", "date")
                fields.append(_numeric(frame, column) if numeric else _combined(frame, [column]))
        return cls(columns, fields)

    def as_json(self) -> dict[str, Any]:
        return {
            "columns": [column.as_json() for column in self.columns.values()],
            "fields": [{**asdict(field), "scale": field.scale and asdict(field.scale)} for field in self.fields],
        }  # fmt: skip

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Encoding:
        return cls([Column(**one) for one in content["columns"]], [Field.from_json(one) for one in content["fields"]])

    @property
    def owners(self) -> list[int]:
        """For each number the choice whose first option says that it is there; -1 where it always is."""
        found, choice = list[int](), 0
        for field in self.fields:
            if field.scale is not None:
                found.append(choice if field.options else -1)
            choice += bool(field.options)
        return found

    @property
    def starts(self) -> list[int]:
        """Where the options of each choice begin among all options."""
        return [0, *accumulate(self.choices)][:-1]

    def field(self, name: str) -> Field:
        """The one that a column is part of."""
        return next(field for field in self.fields if name in field.columns)

    def step(self, name: str) -> float:
        """The grid that all numbers of a column are on; 0 for none."""
        field, column = self.field(name), self.columns[name]
        scale, place = field.scale, field.columns.index(name)
        cells = [cell for option in field.options if (cell := option[place]) not in (None, REST)]
        if scale is not None and not scale.step:
            return column.resolution
        values = np.array([*cells, *([] if scale is None else [scale.step])], dtype=np.float64)
        return max(grid_step(values, column.steps), column.resolution)

    def encode(self, frame: pd.DataFrame) -> Encoded:
        """``frame`` as options and places; what was never seen becomes the commonest option."""
        codes, lower, upper = [], [], []
        for field in self.fields:
            code, low, high = self._encoded(frame, field)
            codes += [code] if field.options else []
            if field.scale is not None:
                lower.append(low), upper.append(high)  # type: ignore[func-returns-value]
        empty = np.zeros((len(frame), 0))
        return Encoded(
            np.stack(codes, 1).astype(np.int32) if codes else empty.astype(np.int32),
            np.stack(lower, 1).astype(np.float32) if lower else empty.astype(np.float32),
            np.stack(upper, 1).astype(np.float32) if upper else empty.astype(np.float32),
        )

    def _encoded(self, frame: pd.DataFrame, field: Field) -> tuple[NDArray[Any], Floats, Floats]:
        columns = [self.columns[name] for name in field.columns]
        if field.scale is None:
            known = {tuple(option): code for code, option in enumerate(field.options)}
            common = int(np.argmax(field.shares))
            cells = [cells_of(frame[column.name], column) for column in columns]
            unique, place = unique_rows(cells)
            codes = np.array([known.get(row, common) for row in unique])
            return codes[place], np.zeros(0), np.zeros(0)
        values = numbers_of(frame[field.columns[0]], columns[0])
        present = ~np.isnan(values)
        codes = np.zeros(len(values), dtype=np.int64)
        for code, (option,) in enumerate(field.options):
            if option != REST:
                codes[~present if option is None else values == option] = code
        lower, upper = field.scale.span(np.where(present, values, field.scale.low))
        return codes, lower, upper

    def decode(self, codes: NDArray[np.int64], places: Floats) -> dict[str, NDArray[Any]]:
        """Columns by name: numbers (dates: seconds) as float64 with NaN, what else there is as cells [N] of objects."""
        found, choice, number = dict[str, NDArray[Any]](), 0, 0
        for field in self.fields:
            code = codes[:, choice] if field.options else np.zeros(len(codes), dtype=np.int64)
            on_scale = None
            if field.scale is not None:
                on_scale, number = field.scale.value(places[:, number]), number + 1
            for index, name in enumerate(field.columns):
                cells = [option[index] for option in field.options]
                if self.columns[name].kind in ("number", "date"):
                    taken = np.array([np.nan if cell in (None, REST) else cell for cell in cells] or [np.nan])[code]
                    if on_scale is not None:
                        taken = np.where(code == 0, on_scale, taken) if field.options else on_scale
                    found[name] = taken
                else:
                    found[name] = np.array([*cells, None], dtype=object)[code]
            choice += bool(field.options)
        return found


def cells_of(values: pd.Series[Any], column: Column) -> NDArray[Any]:
    """The cells of a column [N] as options have them: numbers and dates as floats, None for what is missing."""
    if column.kind in ("number", "date"):
        numbers = numbers_of(values, column)
        cells = numbers.astype(object)
        cells[np.isnan(numbers)] = None
        return cells
    codes, distinct = values.factorize(use_na_sentinel=True)
    found: NDArray[Any] = np.array([*map(plain, distinct), None], dtype=object)[codes]
    return found


def numbers_of(values: pd.Series[Any], column: Column) -> Floats:
    """A column of numbers, or of dates as seconds since 1970, as float64 [N] with NaN for what is missing."""
    import pandas as pd

    wanted = pd.api.types.is_datetime64_any_dtype if column.kind == "date" else pd.api.types.is_numeric_dtype
    if not wanted(values.dtype):
        raise UserError(f"the column {values.name} is a {column.kind} in the model, but its values are {values.dtype}")
    if column.kind == "date":
        if getattr(values.dt, "tz", None) is not None:
            values = values.dt.tz_convert("UTC").dt.tz_localize(None)
        seconds = values.astype("datetime64[us]").astype("int64").to_numpy(dtype=np.float64) / 1e6
        seconds[values.isna().to_numpy()] = np.nan
        return cast("Floats", seconds)
    # Of 0.1 in 32 bits the digits are meant, not what lies beyond them.
    short = pd.api.types.is_float_dtype(values.dtype) and values.dtype.itemsize < 8
    found = pd.to_numeric(values.astype(str) if short else values).to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isinf(found).any():
        raise UserError(f"the column {values.name} holds infinite numbers: replace them")
    return cast("Floats", found)


def unique_rows(cells: Sequence[NDArray[Any]]) -> tuple[list[tuple[Any, ...]], NDArray[np.int64]]:
    """The different rows of columns [N] each, and for each row which it is."""
    import pandas as pd

    whole = np.zeros(len(cells[0]), dtype=np.int64)
    for column in cells:
        codes, distinct = pd.factorize(column, use_na_sentinel=True)
        whole = pd.factorize(whole * (len(distinct) + 1) + codes + 1)[0]
    first = np.zeros(int(whole.max(initial=-1)) + 1, dtype=np.int64)
    first[whole[::-1]] = np.arange(len(whole))[::-1]
    return [tuple(column[row] for column in cells) for row in first], whole


def _combined(frame: pd.DataFrame, columns: Sequence[Column]) -> Field:
    """Options are the combinations of cells that are seen, the commonest first."""
    unique, place = unique_rows([cells_of(frame[column.name], column) for column in columns])
    counts = np.bincount(place, minlength=len(unique))
    names = [column.name for column in columns]
    if len(unique) > CATEGORIES:
        raise UserError(f"{' and '.join(names)} have {len(unique):,} values, more than {CATEGORIES:,}: call it text")
    order = sorted(range(len(unique)), key=lambda code: (-counts[code], str(unique[code])))
    options, shares = _declared([list(unique[code]) for code in order], (counts[order] / len(place)).tolist(), columns)
    return Field(names, options, shares)


def _declared(
    options: list[list[Any]], shares: list[float], columns: Sequence[Column]
) -> tuple[list[list[Any]], list[float]]:
    """With the categories that the user or the dtype tells of, though none of the rows has them, at a share of 0."""
    if len(columns) > 1:
        return options, shares
    seen = {option[0] for option in options}
    more = [[one] for one in columns[0].categories or () if one not in seen]
    return options + more, shares + [0.0] * len(more)


def _numeric(frame: pd.DataFrame, column: Column) -> Field:
    values = numbers_of(frame[column.name], column)
    present = values[~np.isnan(values)] + 0.0  # of which -0 becomes 0
    if not ((column.ends[0] <= present) & (present <= column.ends[1])).all():
        raise UserError(f"the schema's bounds of {column.name} leave out some of its values")
    distinct, counts = np.unique(present, return_counts=True)
    few = len(distinct) <= min(FEW, max(2, len(present) // 5))
    # On a grid few values are places as well as many are, and keep their order; options have none.
    ordered = few and len(distinct) > FEWEST and grid_step(present, column.steps) > 0
    least = len(values) + 1 if ordered else 1 if few else max(OFTEN * len(values), 3)
    often = counts >= least
    options: list[tuple[Any, int]] = list(zip(distinct[often].tolist(), counts[often].tolist(), strict=True))
    rest = present[~np.isin(present, distinct[often])]
    if len(rest) and (missing := len(values) - len(present)) + len(options):
        options = [(REST, len(rest)), *options, *([(None, missing)] if missing else [])]
    elif len(values) > len(present):
        options.append((None, len(values) - len(present)))
    scale = Scale.fit(rest, column.low, column.high, column.steps) if len(rest) else None
    cells, total = [[option] for option, _ in options], max(1, len(values))
    return Field([column.name], cells, [count / total for _, count in options], scale)


def determined(frame: pd.DataFrame, columns: Iterable[Column]) -> list[list[str]]:
    """Groups of columns of few values, the first of which determines the others without exception.

    What could be so by chance is left alone: 20 rows at least for each value, and a second value in 1 % of them.
    """
    import pandas as pd

    codes: dict[str, NDArray[np.int64]] = {}
    for column in columns:
        code = pd.factorize(cells_of(frame[column.name], column))[0] + 1
        counts = np.bincount(code)
        if (counts > 0).sum() * 20 <= len(code) and counts.max(initial=0) <= 0.99 * len(code):
            codes[column.name] = code
    order = sorted(codes, key=lambda name: -len(np.unique(codes[name])))
    groups, taken = list[list[str]](), set[str]()
    for index, name in enumerate(order):
        if name in taken:
            continue
        found = [other for other in order[index + 1 :] if other not in taken and _determines(codes[name], codes[other])]
        if found:
            groups.append([name, *found])
            taken |= {name, *found}
    return groups


def _determines(code: NDArray[np.int64], other: NDArray[np.int64]) -> bool:
    first = np.zeros(int(code.max()) + 1, dtype=np.int64)
    first[code] = other
    return bool((first[code] == other).all())
