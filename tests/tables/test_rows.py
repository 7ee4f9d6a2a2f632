"""A table's rows between frames and tensors: every dtype comes back, and no row is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from belamy.errors import UserError
from belamy.model import Model
from belamy.tables.rows import Rows, scores
from tiny import untrained

pd = pytest.importorskip("pandas")

RANDOM = np.random.default_rng(0)
N = 400
DAY = pd.Timestamp("2020-01-01")
DAYS = DAY + pd.to_timedelta(RANDOM.integers(0, 500, N), "D")

COLUMNS: dict[str, Any] = {
    **{kind: RANDOM.integers(0, 120, N).astype(kind) for kind in ("int8", "uint8", "int16", "uint32", "int64")},
    "uint64": RANDOM.integers(0, 2**63, N).astype("uint64") * 2,
    "to the end": np.where(RANDOM.random(N) < 0.5, 2**63 - 1, RANDOM.integers(2**62, 2**63 - 1, N)),
    "gaps": pd.array(np.where(RANDOM.random(N) < 0.3, None, RANDOM.integers(0, 999, N)), dtype="Int64"),
    "gaps8": pd.array(RANDOM.choice([1, 2, None], N), dtype="UInt8"),
    **{kind: pd.array(RANDOM.normal(size=N), dtype=kind) for kind in ("float16", "float32", "Float32", "Float64")},
    "bool": RANDOM.random(N) < 0.5,
    "boolean": pd.array(RANDOM.choice([True, False, None], N), dtype="boolean"),
    "object": np.array(RANDOM.choice(["a", None], N), dtype=object),
    "mixed": np.array([[1, "a", 2.5, None][one] for one in RANDOM.integers(0, 4, N)], dtype=object),
    "string": pd.array(RANDOM.choice(["a", "b", None], N), dtype="string"),
    "str": pd.Series(RANDOM.choice(["ü", "名前", ""], N), dtype="str"),
    "ordered": pd.Categorical(RANDOM.choice(list("abc"), N), categories=list("dcba"), ordered=True),
    "whole category": pd.Categorical(RANDOM.integers(0, 5, N)),
    "small category": pd.Series(RANDOM.integers(0, 5, N).astype("int8")).astype("category"),
    "object category": pd.Series(np.array(RANDOM.choice(list("ab"), N), dtype=object)).astype("category"),
    "date category": pd.Categorical(DAY + pd.to_timedelta(RANDOM.integers(0, 5, N), "D")),
    **{f"date {unit}": DAYS.astype(f"datetime64[{unit}]") for unit in ("s", "ms", "us", "ns")},
    "date with gaps": pd.Series(DAYS).mask(RANDOM.random(N) < 0.2),
    "zone": DAYS.tz_localize("Europe/Berlin"),
    "duration": pd.to_timedelta(RANDOM.integers(0, 5, N), "D"),
    "constant": 7,
    "constant float": 1.5,
    "constant text": "x",
    "constant truth": True,
    "constant date": DAY,
    "constant zone": DAY.tz_localize("Europe/Berlin"),
    "constant code": 2**60 + 1,
    "constant category": pd.Categorical(["x"] * N, categories=["x", "y"]),
    "nothing": np.nan,
    "no text": pd.array([None] * N, dtype="string"),
    "no date": pd.Series([pd.NaT] * N),
    "no number": pd.array([None] * N, dtype="Int64"),
    "no category": pd.Categorical([None] * N, categories=["x"]),
    "code": RANDOM.choice([2**60 + 1, 2**60 + 2], N),
    "identifier": [f"k{row:04}" for row in range(N)],
    "number": np.arange(N, dtype="int32"),
    "note": [f"note {row}" for row in range(N)],
}


@pytest.fixture(scope="module")
def whole() -> tuple[Any, Model]:
    frame = pd.DataFrame(COLUMNS)
    return frame, untrained(frame)


@pytest.mark.parametrize("name", COLUMNS)
def test_every_dtype_comes_back(whole: tuple[Any, Model], name: str) -> None:
    frame, model = whole
    found = model.sample(500, seed=0).table[name]
    assert found.dtype == frame[name].dtype and len(found) == 500
    if name.startswith(("constant", "no ", "nothing")):
        assert found.astype(object).drop_duplicates().tolist() == frame[name].astype(object)[:1].tolist() or (
            frame[name].isna().all() and found.isna().all()
        )
    elif name not in ("identifier", "number", "note"):
        assert found.isna().any() == frame[name].isna().any()
        if not pd.api.types.is_numeric_dtype(found.dtype) and "date" not in name and name != "zone":
            assert set(found.dropna()) <= set(frame[name].dropna())


def test_what_is_particular_comes_back(whole: tuple[Any, Model]) -> None:
    frame, model = whole
    found = model.sample(500, seed=0).table
    assert list(found.columns) == list(frame.columns)
    assert set(found["code"]) == {2**60 + 1, 2**60 + 2} and found["constant code"].iloc[0] == 2**60 + 1
    assert set(map(type, found["mixed"])) == {int, str, float, type(None)}
    assert (found["to the end"] >= 2**61).all() and (found["uint64"] <= 2**64 - 1).all()
    assert (found["date ns"] == found["date ns"].dt.normalize()).all()
    assert found["note"].isna().all() and found["identifier"].is_unique and found["number"].tolist()[:3] == [1, 2, 3]


def test_facts_of_json_give_the_same_rows(whole: tuple[Any, Model], tmp_path: Path) -> None:
    _, model = whole
    layout: Rows = model.codec.rows  # type: ignore[attr-defined]
    again = Rows.from_json(json.loads(json.dumps(layout.as_json())))
    values = torch.cat([batch["row"] for batch in model.batches(300, 1)])
    pd.testing.assert_frame_equal(layout.decode(values), again.decode(values))
    assert again.as_json() == layout.as_json()
    model.save_pretrained(tmp_path)
    where = ["int8>60", "str=ü", "gaps="]
    ours, theirs = (one.sample(300, seed=1, where=where).table for one in (model, Model.from_pretrained(tmp_path)))
    pd.testing.assert_frame_equal(ours, theirs)


def test_a_seed_gives_the_same_rows_whatever_number_is_asked_for(whole: tuple[Any, Model]) -> None:
    _, model = whole
    many = model.sample(5000, seed=3).table
    pd.testing.assert_frame_equal(model.sample(10, seed=3).table, many.head(10))
    late = model.sample(20, seed=3, start=4090).table
    pd.testing.assert_frame_equal(late, many[4090:4110].reset_index(drop=True))
    assert many["identifier"].is_unique and many["number"].is_unique
    assert not model.sample(10, seed=4).table.equals(many.head(10))


@pytest.mark.parametrize("names", [
    ["int64"], ["ordered"], ["bool", "mixed", "ordered"], ["float32", "int8"], ["gaps", "constant"],
])  # fmt: skip
def test_narrow_tables(names: list[str]) -> None:
    frame = pd.DataFrame(COLUMNS)[names]
    for part in (frame, frame.head(25)):
        found = untrained(part).sample(50, seed=0).table
        assert list(found.columns) == names and (found.dtypes == part.dtypes).all()


def test_what_cannot_be_learnt_is_said() -> None:
    frame = pd.DataFrame(COLUMNS)
    with pytest.raises(UserError, match="has 10 rows: one of at least 20"):
        untrained(frame.head(10))
    with pytest.raises(UserError, match="no column of this table can be learnt"):
        untrained(frame[["constant", "identifier", "note", "nothing"]])
    with pytest.raises(UserError, match="a holds infinite numbers"):
        untrained(pd.DataFrame({"a": [*RANDOM.normal(size=N), -np.inf]}))


def test_duplicated_rows() -> None:
    frame = pd.concat([pd.DataFrame(COLUMNS)[["Float64", "str"]].head(3)] * 90)
    found = untrained(frame).sample(60, seed=0).table
    assert set(map(tuple, found.to_numpy().tolist())) <= set(map(tuple, frame.to_numpy().tolist()))


def test_support_and_heaps() -> None:
    spent = np.where(RANDOM.random(3000) < 0.8, 0, np.round(RANDOM.lognormal(3, 1.5, 3000), 2))
    frame = pd.DataFrame({
        "spent": spent, "count": RANDOM.poisson(2, 3000), "heavy": RANDOM.standard_cauchy(3000),
        "kept": np.where(RANDOM.random(3000) < 0.2, -0.0, RANDOM.normal(size=3000)),
    })  # fmt: skip
    found = untrained(frame).sample(4000, seed=0).table
    assert (found["spent"] >= 0).all() and (found["count"] >= 0).all() and found["count"].eq(0).any()
    assert found["spent"].eq(0).mean() == pytest.approx(0.8, abs=0.1)
    assert np.allclose(found["spent"] * 100, np.round(found["spent"] * 100))
    assert not np.signbit(found["kept"][found["kept"] == 0]).any()
    for share in (0.05, 0.5, 0.95):
        mine, real = found["heavy"].quantile(share), frame["heavy"].quantile(share)
        assert mine == pytest.approx(real, abs=0.3 * max(1, abs(real)))


def test_no_row_can_be_rebuilt_from_the_model(tmp_path: Path) -> None:
    frame = pd.DataFrame(RANDOM.normal(size=(500, 3)) * [1, 100, 1e-3], columns=list("abc"))
    frame["short"] = RANDOM.normal(size=500).astype("float32")
    frame["id"] = [f"{one:016x}" for one in RANDOM.integers(2**62, size=500)]
    frame["number"] = np.arange(10**6, 10**6 + 500)
    frame["note"] = [f"a secret {one}" for one in range(500)]
    model = untrained(frame, None)
    model.save_pretrained(tmp_path)
    config = (tmp_path / "config.json").read_text()
    stored = {float(one) for one in _numbers(json.loads(config))}
    for name in ("a", "b", "c", "short", "number"):
        assert not stored & set(frame[name].astype(float)), name
    weights = {float(one) for tensor in model.game.state_dict().values() for one in tensor.flatten().tolist()}
    assert not weights & {float(np.float32(one)) for one in frame[list("abc")].to_numpy().flatten()}
    assert not any(one in config for one in (*frame["id"], *frame["note"], "secret"))


def _numbers(content: Any) -> list[float]:
    if isinstance(content, dict):
        return _numbers(list(content.values()))
    if isinstance(content, list):
        return [number for one in content for number in _numbers(one)]
    return [content] if isinstance(content, float) or (isinstance(content, int) and content > 10**6) else []


def test_identifiers_that_a_dtype_cannot_hold() -> None:
    frame = pd.DataFrame({"id": np.arange(100, dtype="int8"), "a": RANDOM.normal(size=100)})
    model = untrained(frame)
    assert model.sample(127, seed=0).table["id"].tolist() == list(range(1, 128))
    with pytest.raises(UserError, match="id is unique, and int8 has no 128 values"):
        model.sample(128, seed=0)


def test_scores_stay_within_what_networks_see() -> None:
    found = scores(torch.tensor([[0.0, 1e-9, 0.5, 1.0]]))
    assert found.abs().max() < 4.2 and found[0, 2] == 0
