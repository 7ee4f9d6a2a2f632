"""A layout that is told rather than found, so that it says nothing of any row: what differential privacy asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from belamy.errors import UserError
from belamy.tables.columns import LEARNT, Column, Schema, columns_of
from belamy.tables.constraints import Constraints
from belamy.tables.encoding import REST, Encoding, Field
from belamy.tables.rows import Rows
from belamy.tables.scale import Scale

if TYPE_CHECKING:
    import pandas as pd

MISSING = 0.02
"""The share of missing cells that a network begins with, where there may be any."""


def declared(frame: pd.DataFrame, schema: Schema) -> Rows:
    """The layout of ``frame`` by its dtypes and ``schema`` alone.

    Raises UserError where that does not tell a column's kind, a number's or a date's bounds, or a category's names, and
    for constraints, which are looked for in the data.
    """
    if schema.constraints:
        raise UserError("constraints are checked against the data, which is not private: leave them out")
    untold = [str(name) for name in frame.columns if "kind" not in schema.columns.get(str(name), {})]
    if untold:
        raise UserError(f"what is private is told, not looked up: data.types says nothing of {', '.join(untold[:8])}")
    columns = columns_of(frame, schema)
    learnt = [column for column in columns if column.kind in LEARNT]
    if not learnt:
        raise UserError("no column of this table is to be learnt")
    told = {name: list(about.get("categories") or ()) for name, about in schema.columns.items()}
    fields = [_field(column, told[column.name]) for column in learnt]
    patterns: dict[str, list[str]] = {
        column.name: [] if "int" in column.dtype.lower() else [""] for column in columns if column.kind == "identifier"
    }
    return Rows(columns, Encoding(learnt, fields), Constraints([], [], [], []), {}, patterns)


def _field(column: Column, categories: list[Any]) -> Field:
    exact = column.dtype.startswith(("int", "uint", "bool"))
    if column.kind in ("number", "date"):
        return _number(column, exact)
    names = [False, True] if column.kind == "boolean" else categories
    if not names:
        raise UserError(f"the column {column.name} is a {column.kind} whose categories data.types must list")
    options = [[name] for name in names] + ([] if exact else [[None]])
    return Field([column.name], options, _shares(len(names), not exact))


def _number(column: Column, exact: bool) -> Field:
    if column.low is None or column.high is None or not column.low < column.high:
        raise UserError(f"data.types must say low and high of {column.name}, of which low is less")
    step = float(column.step or column.whole)
    low, high = float(column.low), float(column.high)
    scale = Scale([low - step / 2, high + step / 2], [0.0, 1.0], step, low, high)
    if exact:
        return Field([column.name], [], [], scale)
    return Field([column.name], [[REST], [None]], _shares(1, True), scale)


def _shares(count: int, missing: bool) -> list[float]:
    """Equal shares of so many options, and a small one of what is missing."""
    return [(1 - MISSING * missing) / count] * count + [MISSING] * missing
