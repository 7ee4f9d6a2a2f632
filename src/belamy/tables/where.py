"""What is asked of rows: conditions on columns, as a user writes them, and as networks take them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from belamy.errors import UserError, nearest
from belamy.tables.columns import LEARNT, Column
from belamy.tables.encoding import REST, Encoding, Field
from belamy.tables.scale import Floats, Scale

OPERATORS = (">=", "<=", "!=", "=", ">", "<")
"""The longest first, since the leftmost one that fits splits a condition."""

Where = Mapping[str, Any] | Sequence[str]


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

    def __and__(self, other: Wish) -> Wish:
        both = [one.among for one in (self, other) if one.among is not None]
        among = frozenset.intersection(*both) if both else None
        return Wish(max(self.low, other.low), min(self.high, other.high), among, self.without | other.without)


@dataclass(frozen=True)
class Asked:
    """Wishes as networks take them: options [K] that are ``barred``, and places [J] within ``lower`` and ``upper``."""

    wishes: Mapping[str, Wish]
    barred: NDArray[np.bool_]
    lower: NDArray[np.float32]
    upper: NDArray[np.float32]


def split(condition: str) -> tuple[str, str, str]:
    """``income=>50K`` as ("income", "=", ">50K"): at the leftmost operator, and there the longest."""
    found = [(condition.find(operator), -len(operator), operator) for operator in OPERATORS if operator in condition]
    if not found or min(found)[0] == 0:
        raise UserError(f"--where {condition!r}: write a column, one of {' '.join(OPERATORS)}, and a value")
    at, _, operator = min(found)
    return condition[:at].strip(), operator, condition[at + len(operator) :].strip()


def wishes(where: Where, columns: Mapping[str, Column], encoding: Encoding) -> dict[str, Wish]:
    """What ``where`` asks of ``columns``, by name: conditions such as "age>60", or a mapping.

    A mapping's values are cells, lists of cells, or pairs (low, high) with None where there is no bound. Raises
    UserError for columns, categories and bounds that cannot be.
    """
    parts: Iterable[tuple[str, Wish]]
    if isinstance(where, Mapping):
        parts = ((str(name), _told(learnt(str(name), columns), value, encoding)) for name, value in where.items())
    else:
        parts = (
            (name, _condition(learnt(name, columns), operator, text, encoding))
            for name, operator, text in map(split, [where] if isinstance(where, str) else where)
        )
    found: dict[str, Wish] = {}
    for name, wish in parts:
        found[name] = found[name] & wish if name in found else wish
    return found


def learnt(name: str, columns: Mapping[str, Column]) -> Column:
    """The column called ``name``. Raises UserError where there is none, or where no network sees it."""
    column = columns.get(name)
    if column is None:
        raise UserError(f"there is no column {name!r}{nearest(name, list(columns))}")
    if column.kind not in LEARNT:
        raise UserError(f"{name} is a column of kind {column.kind}, which the model does not learn")
    return column


def _condition(column: Column, operator: str, text: str, encoding: Encoding) -> Wish:
    if operator in ("=", "!="):
        cell = None if text == "" else _cell(column, text, encoding)
        return Wish(among=frozenset([cell])) if operator == "=" else Wish(without=frozenset([cell]))
    if column.kind not in ("number", "date"):
        raise UserError(f"--where {column.name}{operator}{text}: {column.name} has no order; ask by = or !=")
    bound = _number(column, text)
    if operator in (">", "<"):
        bound = _beyond(bound, operator == ">", column, encoding)
    return Wish(low=bound) if operator.startswith(">") else Wish(high=bound)


def _told(column: Column, value: Any, encoding: Encoding) -> Wish:
    if isinstance(value, tuple) and len(value) == 2 and column.kind in ("number", "date"):
        low, high = (None if one is None else _number(column, one) for one in value)
        return Wish(-math.inf if low is None else low, math.inf if high is None else high)
    cells = value if isinstance(value, list | set | tuple | frozenset) else [value]
    return Wish(among=frozenset(None if one is None else _cell(column, one, encoding) for one in cells))


def _cell(column: Column, value: Any, encoding: Encoding) -> Any:
    """A cell as options have it. Raises UserError for a category that was never seen."""
    if column.kind in ("number", "date"):
        return _number(column, value)
    seen = cells_seen(encoding, column.name)
    found = next((cell for cell in seen if cell is not None and (cell == value or str(cell) == str(value))), None)
    if found is None:
        names = [str(cell) for cell in seen if cell is not None]
        hint = nearest(str(value), names) or f"; there are {', '.join(names[:12])}"
        raise UserError(f"{column.name} is never {str(value)!r} in the training data{hint}")
    return found


def _number(column: Column, value: Any) -> float:
    import pandas as pd

    try:
        if column.kind == "date":
            moment = pd.Timestamp(value)
            moment = moment.tz_localize("UTC") if moment.tz is None else moment.tz_convert("UTC")
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


def _beyond(bound: float, up: bool, column: Column, encoding: Encoding) -> float:
    """The next number that is more, or less, than ``bound``: on the grid that the column is on."""
    scale = next((one.scale for one in encoding.fields if column.name in one.columns), None)
    step = scale.step if scale is not None else float("int" in column.dtype.lower())
    if not step:
        return math.nextafter(bound, math.inf if up else -math.inf)
    steps = bound / step
    whole = math.floor(steps + 1e-9) + 1 if up else math.ceil(steps - 1e-9) - 1
    return whole * step


def asked(encoding: Encoding, wished: Mapping[str, Wish]) -> Asked:
    """``wished`` for the fields of an encoding. Raises UserError where no row can be as it is asked for."""
    barred, lower, upper = [], [], []
    for each in encoding.fields:
        mine = {name: wished[name] for name in each.columns if name in wished}
        allowed = [_accepted(each, option, mine) for option in each.options]
        if each.scale is not None:
            low, high = _interval(each.scale, mine.get(each.columns[0], Wish()))
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


def _interval(scale: Scale, wish: Wish) -> tuple[float, float]:
    """The places that a wish leaves of a scale; the first above the second where it leaves none."""
    if wish.among is not None:
        numbers = [cell for cell in wish.among if cell is not None and scale.low <= cell <= scale.high]
        if not numbers:
            return 1.0, 0.0
        wish = replace(wish & Wish(min(numbers), max(numbers)), among=None)
    low, high = max(wish.low, scale.low), min(wish.high, scale.high)
    if low > high:
        return 1.0, 0.0
    half = scale.step / 2
    first, last = scale.place(np.array([low - half, high + half]))
    return float(first), float(last)


def _impossible(each: Field, mine: Mapping[str, Wish]) -> str:
    names = " and ".join(mine)
    scale = each.scale
    if scale is not None:
        return f"no row can be as asked: {names} lies between {scale.low:g} and {scale.high:g} in the training data"
    return f"no row can be as asked: the training data has none with what is asked of {names}"


def honoured(values: Floats, wish: Wish, scale: Scale | None) -> Floats:
    """Numbers [N] of a scale as they were asked for: within the bounds, and none of those that are not wanted."""
    if wish.among is not None:
        wanted = np.array(sorted(cell for cell in wish.among if cell is not None and wish.accepts(cell)))
        if len(wanted):
            right = np.clip(np.searchsorted(wanted, values), 0, len(wanted) - 1)
            left = np.clip(right - 1, 0, None)
            closer = np.abs(wanted[left] - values) <= np.abs(wanted[right] - values)
            values = np.where(np.isnan(values), values, np.where(closer, wanted[left], wanted[right]))
    values = np.clip(values, wish.low, wish.high)
    for cell in sorted(one for one in wish.without if one is not None):
        step = scale.step if scale is not None else 0.0
        up = cell + step if step else math.nextafter(cell, math.inf)
        down = cell - step if step else math.nextafter(cell, -math.inf)
        top = wish.high if scale is None else min(wish.high, scale.high)
        values = np.where(values == cell, up if up <= top else down, values)
    return values
