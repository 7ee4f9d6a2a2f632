"""What is asked of rows: conditions on columns, as a user writes them, and as networks take them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from belamy.errors import UserError, nearest
from belamy.tables.columns import LEARNT, Column, plain
from belamy.tables.encoding import REST, Encoding, Field
from belamy.tables.scale import Floats, Scale, above, decimals_of

OPERATORS = (">=", "<=", "!=", "=", ">", "<")
"""The longest first, since the leftmost one that fits splits a condition."""

Where = Mapping[str, Any] | Sequence[str]
Seen = Callable[[str], list[Any]]
"""The cells that a column has as options."""


@dataclass(frozen=True)
class Wish:
    """What is asked of a column: within ``low`` and ``high``, among ``among`` if that is not None, not in ``without``.

    None stands for a cell that is missing, which no number and no bound is.
    """

    low: float = -math.inf
    high: float = math.inf
    among: frozenset[Any] | None = None
    without: frozenset[Any] = field(default_factory=frozenset)

    @property
    def bounded(self) -> bool:
        return self.low > -math.inf or self.high < math.inf

    def accepts(self, cell: Any) -> bool:
        """Whether a cell, a number for a number, is what is asked for."""
        if cell in self.without or (self.among is not None and cell not in self.among):
            return False
        if not self.bounded:
            return True
        return isinstance(cell, int | float) and self.low <= cell <= self.high

    @property
    def present(self) -> bool:
        """Whether a cell that is missing is not what is asked for."""
        return not self.accepts(None)

    @property
    def absent(self) -> bool:
        """Whether a cell that is missing is all that is asked for."""
        return self.among == frozenset([None]) and not self.present

    def __and__(self, other: Wish) -> Wish:
        both = [one.among for one in (self, other) if one.among is not None]
        among = frozenset.intersection(*both) if both else None
        return Wish(max(self.low, other.low), min(self.high, other.high), among, self.without | other.without)


PRESENT = Wish(without=frozenset([None]))


@dataclass(frozen=True)
class Reach:
    """The numbers that a column can be as it is wished: from ``low`` to ``high``, on a grid of ``step`` (0: on none).

    ``kind`` is the dtype that numbers on no grid are told apart in.
    """

    wish: Wish
    low: float
    high: float
    step: float
    kind: str = "float64"

    def up(self, values: Floats) -> Floats:
        """For each of ``values`` [N] the least number that is no less; infinite where there is none."""
        if self.wish.among is not None:
            known = np.array([*sorted(cell for cell in self.wish.among if self._holds(cell)), math.inf])
            return known[np.minimum(np.searchsorted(known, values), len(known) - 1)]
        found = np.maximum(values, max(self.low, self.wish.low))
        found = above(found, self.step) if self.step else found
        for cell in sorted(cell for cell in self.wish.without if cell is not None):
            found = np.where(found == cell, self._after(cell), found)
        return np.where(found > min(self.high, self.wish.high), math.inf, found)

    def down(self, values: Floats) -> Floats:
        """For each of ``values`` [N] the greatest number that is no more; infinite where there is none."""
        among, without = (
            None if cells is None else frozenset(-cell for cell in cells if cell is not None)
            for cells in (self.wish.among, self.wish.without)
        )  # fmt: skip
        wish = Wish(-self.wish.high, -self.wish.low, among, without or frozenset())
        return -Reach(wish, -self.high, -self.low, self.step, self.kind).up(-values)

    def near(self, values: Floats) -> Floats:
        """The nearest number to each of ``values`` [N]; what is missing stays so."""
        over, under = self.up(values), self.down(values)
        found = np.where(over - values <= values - under, over, under) + 0.0  # of which -0 becomes 0
        return np.where(np.isnan(values), values, found)

    def _holds(self, cell: Any) -> bool:
        return cell is not None and self.low <= cell <= self.high and self.wish.accepts(cell)

    def _after(self, cell: float) -> float:
        if self.step:
            return float(np.round(cell + self.step, decimals_of(self.step)))
        kind = np.dtype(self.kind).type
        return float(np.nextafter(kind(cell), kind(math.inf)))


@dataclass(frozen=True)
class Asked:
    """Wishes as networks take them: options [K] that are ``barred``, and places [J] within ``lower`` and ``upper``."""

    wishes: Mapping[str, Wish]
    barred: NDArray[np.bool_]
    lower: NDArray[np.float32]
    upper: NDArray[np.float32]


def split(condition: str) -> tuple[str, str, str]:
    """``income=>50K`` as ("income", "=", ">50K"): at the leftmost operator, and there the longest."""
    found = [(condition.find(sign), -len(sign), sign) for sign in OPERATORS if sign in condition]
    if not found or min(found)[0] == 0:
        raise UserError(f"--where {condition!r}: write a column, one of {' '.join(OPERATORS)}, and a value")
    at, _, sign = min(found)
    return condition[:at].strip(), sign, condition[at + len(sign) :].strip()


def wishes(
    where: Where, columns: Mapping[str, Column], encoding: Encoding, fixed: Mapping[str, Any]
) -> dict[str, Wish]:
    """What ``where`` asks of ``columns``, by name: conditions such as "age>60", or a mapping.

    A mapping's values are cells, lists of cells, or pairs (low, high) with None where there is no bound. What constant
    columns are, ``fixed`` says; wishes that they fulfil are left out. Raises UserError for columns, categories and
    bounds that cannot be.
    """
    parts: Iterable[tuple[str, str, Any]]
    if isinstance(where, Mapping):
        parts = ((str(name), "in", value) for name, value in where.items())
    else:
        parts = map(split, [where] if isinstance(where, str) else where)

    def seen(name: str) -> list[Any]:
        return [fixed[name]] if name in fixed else cells_seen(encoding, name)

    found: dict[str, Wish] = {}
    for name, sign, value in parts:
        column = _constant(columns[name], fixed[name]) if name in fixed else learnt(name, columns)
        wish = _told(column, value, seen) if sign == "in" else _condition(column, sign, value, seen)
        found[name] = found[name] & wish if name in found else wish
    for name in found.keys() & fixed.keys():
        if not found.pop(name).accepts(fixed[name]):
            raise UserError(f"no row can be as asked: {name} is always {fixed[name]!r} in the training data")
    return found


def _constant(column: Column, always: Any) -> Column:
    """A constant column as one of the kind that its only value is of, to be asked for in the same ways."""
    if isinstance(always, bool):
        return replace(column, kind="boolean")
    return replace(column, kind="number" if isinstance(always, int | float) else "category")


def learnt(name: str, columns: Mapping[str, Column]) -> Column:
    """The column called ``name``. Raises UserError where there is none, or where no network sees it."""
    column = columns.get(name)
    if column is None:
        raise UserError(f"there is no column {name!r}{nearest(name, list(columns))}")
    if column.kind not in LEARNT:
        raise UserError(f"{name} is a column of kind {column.kind}, which the model does not learn")
    return column


def _condition(column: Column, sign: str, text: str, seen: Seen) -> Wish:
    if sign in ("=", "!="):
        cell = None if text == "" else _cell(column, text, seen)
        return Wish(among=frozenset([cell])) if sign == "=" else Wish(without=frozenset([cell]))
    if column.kind not in ("number", "date"):
        raise UserError(f"--where {column.name}{sign}{text}: {column.name} has no order; ask by = or !=")
    bound = _number(column, text)
    without = frozenset([bound] if sign in (">", "<") else [])
    return Wish(low=bound, without=without) if sign.startswith(">") else Wish(high=bound, without=without)


def _told(column: Column, value: Any, seen: Seen) -> Wish:
    if isinstance(value, tuple) and len(value) == 2 and column.kind in ("number", "date"):
        low, high = (None if one is None else _number(column, one) for one in value)
        return Wish(-math.inf if low is None else low, math.inf if high is None else high)
    cells = value if isinstance(value, list | set | tuple | frozenset) else [value]
    return Wish(among=frozenset(None if plain(one) is None else _cell(column, one, seen) for one in cells))


def _cell(column: Column, value: Any, seen: Seen) -> Any:
    """A cell as options have it. Raises UserError for a category that was never seen."""
    if column.kind in ("number", "date"):
        number = _number(column, value)
        if column.whole and not number.is_integer():
            raise UserError(f"{column.name} holds whole numbers, and {value} is none")
        return number
    known = seen(column.name)
    found = next((cell for cell in known if cell is not None and (cell == value or str(cell) == str(value))), None)
    if found is None and column.kind == "boolean":
        found = next((cell for cell in known if str(cell).lower() == str(value).lower()), None)
    if found is None:
        names = [str(cell) for cell in known if cell is not None]
        hint = nearest(str(value), names) or f"; there are {', '.join(names[:12]) or 'none'}"
        raise UserError(f"{column.name} is never {str(value)!r} in the training data{hint}")
    return found


def _number(column: Column, value: Any) -> float:
    import pandas as pd

    try:
        if column.kind == "date":
            moment = pd.Timestamp(value)
            if moment.tz is None:
                moment = moment.tz_localize(getattr(pd.api.types.pandas_dtype(column.dtype), "tz", None) or "UTC")
            return float(moment.timestamp())
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f"{column.name} is a {column.kind}, and {str(value)!r} is none")
    return number


def cells_seen(encoding: Encoding, name: str) -> list[Any]:
    """The cells of a column that are options, without those on its scale."""
    field = next(field for field in encoding.fields if name in field.columns)
    place = field.columns.index(name)
    return [cell for cell in dict.fromkeys(option[place] for option in field.options) if cell != REST]


def reach(encoding: Encoding, name: str, wish: Wish) -> Reach:
    """What a column of numbers or dates can be: as a ``wish`` says, and no further than the training data goes."""
    field = encoding.field(name)
    place, ends = field.columns.index(name), [] if field.scale is None else [field.scale.low, field.scale.high]
    cells = [cell for option in field.options if (cell := option[place]) not in (None, REST)] + ends
    low, high, kind = min(cells, default=0.0), max(cells, default=0.0), encoding.columns[name].precision
    return Reach(wish, low, high, encoding.step(name), kind)


def asked(encoding: Encoding, wished: Mapping[str, Wish]) -> Asked:
    """``wished`` for the fields of an encoding. Raises UserError where no row can be as it is asked for."""
    barred, lower, upper = [], [], []
    for each in encoding.fields:
        mine = {name: wished[name] for name in each.columns if name in wished}
        allowed = [_accepted(each, option, mine) for option in each.options]
        if each.scale is not None:
            low, high = _interval(encoding, each.scale, mine)
            if low > high:
                low, high = 0.0, 1.0
                allowed = [False, *allowed[1:]] if each.options else [False]
            lower.append(low), upper.append(high)  # type: ignore[func-returns-value]
        if mine and not any(allowed or [True]):
            raise UserError(_impossible(each, mine))
        barred += [not one for one in allowed] if each.options else []
    return Asked(wished, np.array(barred, dtype=bool), np.array(lower, np.float32), np.array(upper, np.float32))


def _accepted(each: Field, option: Sequence[Any], mine: Mapping[str, Wish]) -> bool:
    if option == [REST]:
        return True
    return all(mine[name].accepts(cell) for name, cell in zip(each.columns, option, strict=True) if name in mine)


def _interval(encoding: Encoding, scale: Scale, mine: Mapping[str, Wish]) -> tuple[float, float]:
    """The places that a wish leaves of a scale; the first above the second where it leaves none."""
    for name, wish in mine.items():
        within = reach(encoding, name, wish)
        within = replace(within, low=scale.low, high=scale.high, step=scale.step or within.step)
        ends = np.array([scale.low, scale.high])
        first, last = within.up(ends)[0], within.down(ends)[1]
        if first > last:
            return 1.0, 0.0
        low, high = scale.place(np.array([first, last]) + np.array([-0.5, 0.5]) * scale.step)
        return float(low) * (first > scale.low), float(high) if last < scale.high else 1.0
    return 0.0, 1.0


def _impossible(each: Field, mine: Mapping[str, Wish]) -> str:
    names = " and ".join(mine)
    if all(wish.absent for wish in mine.values()):
        return f"no row can be as asked: {names} is never missing in the training data"
    scale = each.scale
    if scale is not None:
        return f"no row can be as asked: {names} lies between {scale.low:g} and {scale.high:g} in the training data"
    return f"no row can be as asked: the training data has none with what is asked of {names}"
