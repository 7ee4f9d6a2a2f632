"""What columns hold: found by looking, or told in a schema, whose mistakes are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from belamy.errors import UserError
from belamy.tables.columns import Column, Schema, columns_of, plain, read_schema

pd = pytest.importorskip("pandas")

N = 400
RANDOM = np.random.default_rng(0)
DAYS = pd.Timestamp("2020-01-01") + pd.to_timedelta(RANDOM.integers(0, 500, N), "D")


def kind(values: Any, name: str = "a", **told: Any) -> str:
    [found] = columns_of(pd.DataFrame({name: values}), Schema({name: told} if told else {}))
    return found.kind


@pytest.mark.parametrize(("values", "expected"), [
    (RANDOM.normal(size=N), "number"),
    (RANDOM.integers(0, 3, N).astype("int8"), "number"),
    (RANDOM.permutation(N), "number"),
    (np.arange(N), "identifier"),
    (RANDOM.random(N) < 0.5, "boolean"),
    (pd.array([True, None] * (N // 2), dtype="boolean"), "boolean"),
    (DAYS, "date"),
    (DAYS.tz_localize("Europe/Berlin"), "date"),
    (RANDOM.choice(["a", "b"], N), "category"),
    (pd.Categorical(RANDOM.integers(0, 5, N)), "category"),
    (RANDOM.choice(["x" * 200, "y" * 200], N), "category"),
    (np.array([1, "a"] * (N // 2), dtype=object), "category"),
    (RANDOM.choice([2**60 + 1, 2**60 + 2], N), "category"),
    (RANDOM.integers(2**60, 2**61, N), "number"),
    ([f"{row:04x}-{row}" for row in range(N)], "identifier"),
    ([f"a word {row}" for row in range(N)], "text"),
    (["long " * 40 + str(row // 2) for row in range(N)], "text"),
    (pd.period_range("2020-01", periods=N, freq="D"), "text"),
    (["x"] * N, "constant"),
    ([np.nan] * N, "constant"),
    (pd.array([None] * N, dtype="Int64"), "constant"),
    (["x", None] * (N // 2), "category"),
])  # fmt: skip
def test_kinds_are_found(values: Any, expected: str) -> None:
    assert kind(values) == expected


def test_many_categories_are_one_column_and_too_many_are_text() -> None:
    assert kind([f"k{one}" for one in RANDOM.integers(0, 3000, 20_000)]) == "category"
    assert kind([f"k{one}" for one in RANDOM.integers(0, 6000, 20_000)]) == "text"


def test_numbers_that_are_named_as_identifiers_are_ones() -> None:
    values = RANDOM.permutation(10 * N)[:N]
    assert [kind(values, name) for name in ("id", "customer_id", "paid", "Key")] == [
        "identifier", "identifier", "number", "identifier"
    ]  # fmt: skip


def test_a_column_as_json_and_back() -> None:
    for told in (Column("a", "number", "int8", low=0, high=9), Column("b", "category", "category", [1, 2], True)):
        assert Column(**json.loads(json.dumps(told.as_json()))) == told
    assert Column("a", "number", "float64", low=0.0).as_json()["low"] == 0


@pytest.mark.parametrize(("dtype", "whole", "ends", "resolution", "precision"), [
    ("int8", True, (-128, 127), 1, "float64"),
    ("UInt16", True, (0, 65535), 1, "float64"),
    ("int64[pyarrow]", True, (-(2.0**63), 2.0**63), 1, "float64"),
    ("Float32", False, (-np.inf, np.inf), 0, "float32"),
    ("datetime64[s]", False, (-np.inf, np.inf), 1, "float64"),
    ("datetime64[ms, Europe/Berlin]", False, (-np.inf, np.inf), 1e-3, "float64"),
    ("datetime64[ns]", False, (-np.inf, np.inf), 1e-6, "float64"),
    ("interval[int64, right]", False, (-np.inf, np.inf), 0, "float64"),
])  # fmt: skip
def test_what_a_dtype_holds(
    dtype: str, whole: bool, ends: tuple[float, float], resolution: float, precision: str
) -> None:
    column = Column("a", "number", dtype)
    assert (column.whole, column.ends, column.resolution, column.precision) == (whole, ends, resolution, precision)


def test_plain_cells() -> None:
    cells = [np.int8(3), np.float32(0.5), np.bool_(True), pd.NA, pd.NaT, None, np.nan, pd.Timestamp("2024-01-02"), "a"]
    assert [plain(one) for one in cells] == [3, 0.5, True, None, None, None, None, "2024-01-02 00:00:00", "a"]


def schema(folder: Path, text: str) -> Schema:
    path = folder / "types.yaml"
    path.write_text(text, encoding="utf-8")
    return read_schema(path)


def test_a_schema_is_read(tmp_path: Path) -> None:
    found = schema(tmp_path, "columns: {age: number, income: {kind: number, low: 0}, x: }\nconstraints: [{unique: id}]")
    assert found.columns == {"age": {"kind": "number"}, "income": {"kind": "number", "low": 0}, "x": {}}
    assert found.constraints == [{"unique": "id"}] and read_schema(None) == Schema({})


@pytest.mark.parametrize(("text", "told"), [
    ("[1]", "should hold columns and constraints"),
    ("column: {}", "should hold columns and constraints"),
    ("columns: [a]", "should be named, such as age: number"),
    ("columns: {a: 5}", "column a is 5"),
    ("columns: {a: numbr}", "column a is 'numbr'; kinds are number"),
    ("columns: {a: {knd: number}}", "did you mean 'kind'"),
    ("columns: {a: {low: x}}", "low: 'x'; it should be a number"),
    ("columns: {a: {categories: x}}", "categories that are no list"),
    ("constraints: {unique: a}", "should be a list"),
    ("constraints: [unique]", "should be a list"),
    ("columns: {a", "cannot be read"),
])  # fmt: skip
def test_mistakes_in_a_schema_are_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UserError, match=r"types\.yaml|the schema's column") as caught:
        schema(tmp_path, text)
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_a_schema_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_schema(tmp_path / "none.yaml")


def test_a_schema_decides_and_must_fit() -> None:
    assert kind(RANDOM.integers(0, 3, N), kind="category") == "category"
    assert kind(np.arange(N), kind="number") == "number"
    with pytest.raises(UserError, match="calls a a number, but its values are str"):
        kind(["x", "y"] * N, kind="number")
    with pytest.raises(UserError, match="calls a a date"):
        kind(["2024-01-01"] * N, kind="date")
    with pytest.raises(UserError, match="int64 has no missing values"):
        kind(np.arange(N), kind="text")
    with pytest.raises(UserError, match=r"'agee' that is not there \(did you mean 'age'\?\)"):
        columns_of(pd.DataFrame({"age": [1, 2]}), Schema({"agee": {}}))
