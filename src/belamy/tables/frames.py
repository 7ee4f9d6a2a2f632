"""What makes a pandas frame a table: columns that have one name each, and cells that hold one plain value."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from belamy.errors import UserError

if TYPE_CHECKING:
    import pandas as pd


def optional(module: str) -> Any:
    """A module of the extra ``tables``. Raises UserError where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise UserError(f"{module.partition('.')[0]} is needed: pip install 'belamy[tables]'") from None


def one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def checked(frame: pd.DataFrame) -> pd.DataFrame:
    """The same frame, or one with names as ``unique_names`` makes them. Raises UserError for what is no table."""
    pd = optional("pandas")
    names = unique_names(frame.columns)
    if not names or not len(frame):
        raise UserError(f"no {'rows' if names else 'columns'}: a table has at least one")
    objects = [place for place, dtype in enumerate(frame.dtypes) if pd.api.types.is_object_dtype(dtype)]
    nests = (list, tuple, dict, set, np.ndarray)
    _refuse(names[place] for place in objects if any(isinstance(cell, nests) for cell in frame.iloc[:, place]))
    return frame if names == list(frame.columns) else frame.set_axis(names, axis=1)


def unique_names(names: Iterable[Any], start: int = 1) -> list[str]:
    """Names of the columns from ``start`` on: whole numbers as text, and without blanks around.

    Raises UserError for what is no name, and for names that are there twice.
    """
    found = []
    for place, name in enumerate(names, start):
        if not isinstance(name, str | int | np.integer) or isinstance(name, bool):
            raise UserError(f"column {place} is named {name!r}; names are text, such as {str(name)!r}")
        if not str(name).strip():
            raise UserError(f"column {place} has no name; give it one, or remove the column")
        found.append(str(name).strip())
    if twice := [name for name, count in Counter(found).items() if count > 1]:
        raise UserError(f"more than one column is named {_listed(twice)}; give each a name of its own")
    return found


def check_schema(schema: Any) -> None:
    """Raises UserError for columns of a pyarrow Schema that have no name of their own, or no single plain value."""
    types = optional("pyarrow.types")
    unique_names(schema.names)
    _refuse(field.name for field in schema if types.is_nested(field.type))
    _refuse((field.name for field in schema if re.match(r"(large_|fixed_size_)?binary", str(field.type))), "bytes")


def from_arrow(table: Any) -> pd.DataFrame:
    """A pyarrow Table as a frame: dates are datetime64, decimals float64, whole numbers and truth with gaps nullable.

    An index that pandas stored with a name is a column again; another is left out. Raises UserError as ``checked``.
    """
    types = optional("pyarrow.types")
    check_schema(table.schema)
    for place, field in enumerate(table.schema):
        if types.is_decimal(field.type):
            table = table.set_column(place, field.name, table.column(place).cast("float64"))
    frame = table.to_pandas(date_as_object=False)
    named = [name for name in frame.index.names if name is not None]
    frame = (frame.reset_index(named) if named else frame).reset_index(drop=True)
    for field, column in zip(table.schema, table.columns, strict=True):
        gaps = column.null_count and (types.is_integer(field.type) or types.is_boolean(field.type))
        if gaps and field.name in frame:
            frame[field.name] = column.to_pandas(types_mapper=_nullable)
    return checked(frame)


def to_arrow(frame: pd.DataFrame, schema: Any) -> Any:
    """A pyarrow Table, with the types of ``schema`` where names are the same and the values fit."""
    arrow = optional("pyarrow")
    table = arrow.Table.from_pandas(frame, preserve_index=False)
    for place, name in enumerate(table.column_names):
        if name in schema.names:
            try:
                column = table.column(place).cast(schema.field(name).type)
            except (arrow.ArrowInvalid, arrow.ArrowNotImplementedError):
                continue
            table = table.set_column(place, name, column)
    return table


def _nullable(kind: Any) -> Any:
    """The dtype of pandas for a type of pyarrow: Int8 to UInt64, boolean."""
    name = "boolean" if str(kind) == "bool" else str(kind).replace("int", "Int").replace("u", "U")
    return optional("pandas").api.types.pandas_dtype(name)


def _refuse(names: Iterable[str], what: str = "lists or records") -> None:
    if listed := _listed(names):
        raise UserError(f"{listed} should hold one number or text in a cell, not {what}; split or remove the column")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))
