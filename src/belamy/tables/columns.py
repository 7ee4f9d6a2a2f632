"""What the columns of a table hold: found by looking, or told by the user."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from belamy.errors import UserError, nearest
from belamy.tables.scale import CALENDAR, DECIMAL

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("number", "date", "category", "boolean", "identifier", "text", "constant")
LEARNT = ("number", "date", "category", "boolean")
"""The kinds that a network sees; identifiers are made anew, text is left out, a constant stays what it is."""
TOLD = ("kind", "low", "high", "step", "categories")
CATEGORIES = 4096
"""Categories of a column, at most: with more it is text."""
FEWEST = 20
"""Rows from which on unequal values tell an identifier."""


@dataclass(frozen=True)
class Column:
    """A column: its name, what ``kind`` it is of, and the ``dtype`` that pandas gives it.

    ``categories`` are those of a categorical dtype, ``of`` their own dtype; ``low`` and ``high`` are bounds that the
    user vouches for, ``step`` the grid that numbers are on.
    """

    name: str
    kind: str
    dtype: str
    categories: list[Any] | None = None
    ordered: bool = False
    low: float | None = None
    high: float | None = None
    of: str | None = None
    step: float | None = None

    def as_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None and value is not False}

    @property
    def whole(self) -> bool:
        """Whether the dtype holds whole numbers alone."""
        return re.match(r"u?int\d", self.dtype.lower()) is not None

    @property
    def steps(self) -> Sequence[float]:
        """Those that a grid of its numbers may have."""
        if self.step:
            return [self.step]
        return CALENDAR if self.dtype.startswith("datetime64") else DECIMAL

    @property
    def resolution(self) -> float:
        """The least difference that the dtype knows, dates in seconds; 0 for numbers that have a fraction."""
        if self.dtype.startswith("datetime64"):
            return {"s": 1.0, "ms": 1e-3}.get(re.split(r"[\[\],]", self.dtype)[1], 1e-6)
        return float(self.whole)

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the most that it can be: as the user vouches, and as the dtype holds."""
        low, high = -math.inf if self.low is None else self.low, math.inf if self.high is None else self.high
        if not self.whole:
            return low, high
        info = np.iinfo(self.dtype.lower().partition("[")[0])
        return max(low, float(info.min)), min(high, float(info.max))

    @property
    def precision(self) -> str:
        """The dtype of numpy that numbers with a fraction are in."""
        return next((kind for kind in ("float16", "float32") if kind in self.dtype.lower()), "float64")


@dataclass(frozen=True)
class Schema:
    """What a user tells of a table: kinds and bounds of ``columns`` by name, and ``constraints`` between them."""

    columns: Mapping[str, Mapping[str, Any]]
    constraints: Sequence[Mapping[str, Any]] = ()


def read_schema(path: str | Path | None) -> Schema:
    """The schema in a YAML or JSON file: ``columns: {age: number, income: {kind: number, low: 0}}``, ``constraints``.

    Raises UserError for a file that says something else.
    """
    if path is None:
        return Schema({})
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"the schema {path} cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict) or set(content) - {"columns", "constraints"}:
        raise UserError(f"the schema {path} should hold columns and constraints, and nothing else")
    told = content.get("columns") or {}
    if not isinstance(told, dict):
        raise UserError(f"the columns in {path} should be named, such as age: number")
    columns = {str(name): _checked(str(name), one) for name, one in told.items()}
    constraints = content.get("constraints") or []
    if not isinstance(constraints, list) or not all(isinstance(one, dict) for one in constraints):
        raise UserError(f"the constraints in {path} should be a list, such as - inequality: [start, end]")
    return Schema(columns, constraints)


def _checked(name: str, told: Any) -> dict[str, Any]:
    """What a schema tells of a column. Raises UserError for what means nothing."""
    told = {"kind": told} if isinstance(told, str) else told or {}
    if not isinstance(told, dict):
        raise UserError(f"the schema's column {name} is {told!r}; it should be a kind: {', '.join(KINDS)}")
    for word in told:
        if word not in TOLD:
            raise UserError(f"the schema's column {name} has {word!r}{nearest(str(word), TOLD)}, not {', '.join(TOLD)}")
    if told.get("kind", "number") not in KINDS:
        raise UserError(f"the schema's column {name} is {told['kind']!r}; kinds are {', '.join(KINDS)}")
    for word in ("low", "high", "step"):
        if word in told and (isinstance(told[word], bool) or not isinstance(told[word], int | float)):
            raise UserError(f"the schema's column {name} has {word}: {told[word]!r}; it should be a number")
    if not isinstance(told.get("categories", []), list):
        raise UserError(f"the schema's column {name} has categories that are no list")
    return told


def columns_of(frame: pd.DataFrame, schema: Schema) -> list[Column]:
    """What each column holds, as the schema says or as it looks. Raises UserError for what cannot be learnt from."""
    for name in schema.columns:
        if name not in frame.columns:
            raise UserError(f"the schema names a column {name!r} that is not there{nearest(name, list(frame.columns))}")
    return [_column(frame[name], schema.columns.get(str(name), {})) for name in frame.columns]


def _column(values: pd.Series[Any], told: Mapping[str, Any]) -> Column:
    import pandas as pd

    name, dtype = str(values.name), values.dtype
    more: dict[str, Any]
    if isinstance(dtype, pd.CategoricalDtype):
        of = None if isinstance(dtype.categories, pd.IntervalIndex) else str(dtype.categories.dtype)
        more = {"categories": [plain(one) for one in dtype.categories], "ordered": bool(dtype.ordered), "of": of}
    else:
        more = {"categories": told.get("categories")} if "categories" in told else {}
    kind = told.get("kind") or _kind(values)
    wanted = {"number": pd.api.types.is_numeric_dtype, "date": pd.api.types.is_datetime64_any_dtype}
    if kind in wanted and not wanted[kind](dtype):
        raise UserError(f"the schema calls {name} a {kind}, but its values are {dtype}")
    if kind == "text" and isinstance(dtype, np.dtype) and dtype.kind in "biu":
        raise UserError(f"the schema calls {name} a text, which is left out, but {dtype} has no missing values")
    return Column(name, kind, str(dtype), low=told.get("low"), high=told.get("high"), step=told.get("step"), **more)


def _kind(values: pd.Series[Any]) -> str:
    import pandas as pd

    present = values.dropna()
    if present.empty:
        return "constant"
    distinct = present.astype(str).nunique() if present.dtype == object else present.nunique()
    if distinct == 1 and len(present) == len(values):
        return "constant"
    if pd.api.types.is_bool_dtype(values.dtype):
        return "boolean"
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return "date"
    if pd.api.types.is_numeric_dtype(values.dtype):
        whole = pd.api.types.is_integer_dtype(values.dtype)
        if whole and distinct == len(values) >= FEWEST and _counts(values):
            return "identifier"
        # Floats hold no more digits, so such codes would be taken for one another.
        codes = whole and max(abs(int(present.min())), abs(int(present.max()))) > 2**53
        return "category" if codes and distinct <= min(CATEGORIES, len(present) / 2) else "number"
    if isinstance(values.dtype, pd.CategoricalDtype) or len(values) < FEWEST:
        return "category"
    texts = present.astype(str)
    if distinct > 0.9 * len(present):
        form = texts.str.fullmatch(r"\S{1,64}").all() and pd.api.types.is_string_dtype(values.dtype)
        return "identifier" if form and distinct == len(present) else "text"
    long = texts.str.len().mean() > 100 and distinct * FEWEST > len(present)
    return "text" if long or distinct > CATEGORIES else "category"


def _counts(values: pd.Series[Any]) -> bool:
    """Whether whole numbers look like row numbers: one step after another, or named so."""
    steps = values.diff().dropna()
    named = re.search(r"(^|[_\W])(id|key|uuid|number|nr)$", str(values.name), re.IGNORECASE)
    return bool((steps == 1).mean() > 0.9) or named is not None


def plain(value: Any) -> Any:
    """A cell as JSON can hold it: numbers, truth, None for what is missing, and else text."""
    import pandas as pd

    if pd.isna(value):
        return None
    if hasattr(value, "item"):
        value = value.item()
    return value if isinstance(value, bool | int | float | str) else str(value)
