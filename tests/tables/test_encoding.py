"""Rows as options and places, and back."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from belamy.errors import UserError
from belamy.tables.columns import Column, Schema, columns_of
from belamy.tables.encoding import REST, Encoding, cells_of, determined, numbers_of, unique_rows

pd = pytest.importorskip("pandas")

RANDOM = np.random.default_rng(0)
N = 1000
DAYS = pd.Timestamp("2020-01-01") + pd.to_timedelta(RANDOM.integers(0, 500, N), "D")


def gaps(values: Any, share: float = 0.2) -> Any:
    return pd.Series(values).mask(pd.Series(RANDOM.random(N) < share))


COLUMNS = {
    "whole": RANDOM.integers(-100, 100, N).astype("int8"),
    "nullable": gaps(pd.array(RANDOM.integers(0, 900, N), dtype="Int64")),
    "few": RANDOM.integers(0, 5, N),
    "heap": np.where(RANDOM.random(N) < 0.7, 0, RANDOM.integers(1, 5000, N)),
    "gaps": gaps(np.round(RANDOM.exponential(30, N), 2)),
    "cents": np.round(RANDOM.exponential(30, N), 2).astype("float32"),
    "days": gaps(DAYS),
    "moments": (DAYS + pd.to_timedelta(RANDOM.integers(0, 86400, N), "s")).tz_localize("UTC"),
    "truth": pd.array(RANDOM.choice([True, False, None], N), dtype="boolean"),
    "text": RANDOM.choice(["", "a", "ü 名", None], N),
    "mixed": np.array([[1, "1", 2.5, None][one] for one in RANDOM.integers(0, 4, N)], dtype=object),
    "ordered": pd.Categorical(RANDOM.choice(list("abc"), N), categories=list("dcba"), ordered=True),
    "codes": RANDOM.choice([2**60 + 1, 2**60 + 2], N),
}


def fitted(frame: Any, **told: Any) -> Encoding:
    return Encoding.fit(frame, columns_of(frame, Schema({})), **told)


def exact(values: Any, column: Column) -> list[Any]:
    return [None if cell is None else round(cell, 6) if isinstance(cell, float) else cell
            for cell in cells_of(pd.Series(values), column)]  # fmt: skip


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_comes_back(name: str) -> None:
    frame = pd.DataFrame({name: COLUMNS[name]})
    encoding = Encoding.from_json(json.loads(json.dumps(fitted(frame).as_json())))
    encoded = encoding.encode(frame)
    assert len(encoded) == N and (encoded.lower <= encoded.upper).all()
    found = encoding.decode(encoded.codes, (encoded.lower.astype(float) + encoded.upper) / 2)[name]
    column = encoding.columns[name]
    known = exact(frame[name], column)
    if column.kind not in ("number", "date"):
        assert list(found) == known and list(map(type, found)) == list(map(type, known))
        return
    missing = np.array([cell is None for cell in known])
    assert np.array_equal(np.isnan(found), missing)
    wanted = np.array(known, dtype=float)[~missing]
    # A distribution is kept by 256 of its points: between them values move by what their neighbours differ.
    assert np.abs(np.sort(found[~missing]) - np.sort(wanted)).mean() <= 0.02 * wanted.std()
    step = encoding.step(name)
    assert step > 0 and np.allclose(found[~missing] / step, np.round(found[~missing] / step), rtol=0, atol=1e-5)
    if name in ("few", "whole"):
        assert np.array_equal(found, wanted)


def test_choices_owners_and_starts() -> None:
    encoding = fitted(pd.DataFrame(COLUMNS)[["gaps", "whole", "text", "heap"]])
    assert [field.columns for field in encoding.fields] == [["gaps"], ["whole"], ["text"], ["heap"]]
    assert encoding.choices == [2, 4, 2] and encoding.starts == [0, 2, 6] and encoding.numbers == 3
    assert encoding.owners == [0, -1, 2]
    assert encoding.fields[0].options == [[REST], [None]] and encoding.fields[3].options == [[REST], [0.0]]
    assert [sum(field.shares) for field in encoding.fields] == pytest.approx([1, 0, 1, 1])
    assert encoding.field("heap").scaled and not encoding.field("text").scaled


def test_a_heap_keeps_its_share() -> None:
    field = fitted(pd.DataFrame({"heap": COLUMNS["heap"]})).fields[0]
    assert field.shares[1] == (COLUMNS["heap"] == 0).mean()
    assert field.scale is not None and field.scale.low >= 1


def test_grids() -> None:
    frame = pd.DataFrame(COLUMNS)
    encoding = fitted(frame.assign(fives=RANDOM.integers(0, 99, N) * 5, odd=np.where(RANDOM.random(N) < 0.5, 62, 5)))
    known = {"whole": 1, "gaps": 0.01, "cents": 0.01, "days": 86400, "moments": 1, "fives": 5, "odd": 1}
    assert {name: encoding.step(name) for name in known} == known
    heap = np.where(RANDOM.random(N) < 0.5, 62, RANDOM.integers(0, 99, N) * 5)
    assert fitted(pd.DataFrame({"heap": heap})).step("heap") == 1  # since not all are multiples of 5
    assert fitted(pd.DataFrame({"float": RANDOM.normal(size=N)})).step("float") == 0


def test_what_was_never_seen_becomes_the_commonest() -> None:
    encoding = fitted(pd.DataFrame({"a": ["x"] * 30 + ["y"] * 10, "b": np.arange(40.0)}))
    encoded = encoding.encode(pd.DataFrame({"a": ["z", None, "y"], "b": [np.nan, 1e9, -1e9]}))
    assert encoded.codes[:, 0].tolist() == [0, 0, 1]
    assert encoded.lower[1:, 0].tolist() == [1, 0]


def test_categories_that_are_told_of_are_options() -> None:
    frame = pd.DataFrame({"a": pd.Categorical(["x"] * 20 + ["y"] * 20, categories=["z", "x", "y"])})
    [field] = fitted(frame).fields
    assert field.options == [["x"], ["y"], ["z"]] and field.shares == [0.5, 0.5, 0]


def test_columns_that_go_together() -> None:
    frame = pd.DataFrame({"zip": [1, 2, 3, 1] * 50, "city": list("aabb") * 50, "x": RANDOM.normal(size=200)})
    encoding = fitted(frame, together=[["city", "zip"]])
    assert [field.columns for field in encoding.fields] == [["city", "zip"], ["x"]]
    assert sorted(map(tuple, encoding.fields[0].options)) == [("a", 1.0), ("a", 2.0), ("b", 1.0), ("b", 3.0)]
    found = encoding.decode(encoding.encode(frame).codes, np.zeros((200, 1)))
    assert list(found["city"]) == list(frame["city"]) and found["zip"].tolist() == frame["zip"].tolist()


def test_dependence_is_found_where_it_is_no_chance() -> None:
    zips = RANDOM.choice(list("1234"), N)
    frame = pd.DataFrame({
        "city": pd.Series(zips).map({"1": "A", "2": "A", "3": "B", "4": "C"}), "zip": zips,
        "people": pd.Series(zips).map({"1": 5, "2": 5, "3": None, "4": 7}), "other": RANDOM.choice(list("xy"), N),
    })  # fmt: skip
    assert determined(frame, columns_of(frame, Schema({}))) == [["zip", "city", "people"]]
    frame.loc[0, "city"] = "C" if frame["city"][0] != "C" else "A"
    assert determined(frame, columns_of(frame, Schema({}))) == [["zip", "people"]]
    few = frame.head(30)
    assert determined(few, columns_of(few, Schema({}))) == []


def test_unique_rows() -> None:
    rows, place = unique_rows([np.array(["a", "b", "a", None], object), np.array([1.0, 2.0, 1.0, None], object)])
    assert rows == [("a", 1.0), ("b", 2.0), (None, None)] and place.tolist() == [0, 1, 0, 2]


def test_numbers_of_dates_and_short_floats() -> None:
    moments = pd.Series(["1970-01-02", None]).astype("datetime64[ns]")
    assert numbers_of(moments, Column("a", "date", "datetime64[ns]"))[0] == 86400
    berlin = pd.Series(pd.to_datetime(["1970-01-02"]).tz_localize("Europe/Berlin"))
    assert numbers_of(berlin, Column("a", "date", str(berlin.dtype))).tolist() == [86400 - 3600]
    for dtype in ("float16", "float32", "Float32"):
        assert numbers_of(pd.Series([0.1], dtype=dtype), Column("a", "number", dtype)).tolist() == [
            pytest.approx(0.1, abs=1e-4 if dtype == "float16" else 0)
        ]  # fmt: skip


def test_what_cannot_be_told_as_numbers() -> None:
    with pytest.raises(UserError, match="a holds infinite numbers"):
        fitted(pd.DataFrame({"a": [*range(40), np.inf]}))
    encoding = fitted(pd.DataFrame({"a": np.arange(40.0), "b": DAYS[:40]}))
    for frame in ({"a": ["x"], "b": DAYS[:1]}, {"a": [1.0], "b": ["2024-01-01"]}):
        with pytest.raises(UserError, match="in the model, but its values are"):
            encoding.encode(pd.DataFrame(frame))
    with pytest.raises(UserError, match="bounds of a leave out"):
        frame = pd.DataFrame({"a": np.arange(40.0)})
        Encoding.fit(frame, columns_of(frame, Schema({"a": {"kind": "number", "low": 3}})))
