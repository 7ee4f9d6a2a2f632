"""Tables written frame by frame: whole or not at all, and read back as they were."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from belamy.errors import UserError
from belamy.tables.reading import read_table
from belamy.tables.writing import SUFFIXES, TableWriter, write_table

pd = pytest.importorskip("pandas")
pq = pytest.importorskip("pyarrow.parquet")

SIZES = pd.CategoricalDtype(["small", "middle", "large", "unseen"], ordered=True)


def every_kind() -> Any:
    """A frame of each dtype that is kept, with gaps in all that can have any; the last 2 rows have only gaps."""
    gap = [None, None]
    times = pd.Series(pd.to_datetime(["2024-01-31 12:00:00.000001", "2024-03-31", *gap], format="ISO8601"))
    return pd.DataFrame({
        "size": pd.Series(["large", "small", *gap], dtype=SIZES),
        "colour": pd.Series(["red", "blue", *gap], dtype=pd.CategoricalDtype(["red", "green", "blue"])),
        "word": pd.Series(['a "b", c', "d\n\u00e9", *gap]),
        "string": pd.array(["x", "y", *gap], dtype="string"),
        "count": pd.array([2**53 + 1, -1, *gap], dtype="Int64"),
        "truth": pd.array([True, False, *gap], dtype="boolean"),
        "sure": [True, False, True, False],
        "tiny": np.array([1, 2, 3, 4], np.int8),
        "single": np.array([0.1, 1e-30, np.nan, np.nan], np.float32),
        "double": [0.1 + 0.2, 1e300, np.nan, np.nan],
        "time": times,
        "nano": times.astype("datetime64[ns]"),
        "zone": times.dt.tz_localize("Europe/Berlin"),
    })  # fmt: skip


def written(frame: Any, path: Path, *splits: int) -> Path:
    """The frame in pieces that end where ``splits`` say."""
    with TableWriter(path) as writer:
        for start, end in zip((0, *splits), (*splits, len(frame)), strict=True):
            writer.write(frame.iloc[start:end])
    return path


@pytest.mark.parametrize("splits", [(), (2,), (1, 2, 3)])
@pytest.mark.parametrize("suffix", [".parquet", ".feather", ".arrow"])
def test_dtypes_are_kept(tmp_path: Path, suffix: str, splits: tuple[int, ...]) -> None:
    frame = every_kind()
    path = written(frame, tmp_path / f"t{suffix}", *splits)
    back = pd.read_parquet(path) if suffix == ".parquet" else pd.read_feather(path)
    pd.testing.assert_frame_equal(back, frame)
    assert list(back["size"].cat.categories) == list(SIZES.categories) and back["size"].cat.ordered
    pd.testing.assert_frame_equal(read_table(path), frame)


@pytest.mark.parametrize("suffix", [".parquet", ".feather"])
def test_gaps_alone_come_first(tmp_path: Path, suffix: str) -> None:
    frame = every_kind().iloc[::-1].reset_index(drop=True)
    frame["object"] = pd.Series([None, None, "x", "y"], dtype=object)
    back = read_table(written(frame, tmp_path / f"t{suffix}", 2))
    pd.testing.assert_frame_equal(back.drop(columns="object"), frame.drop(columns="object"))
    assert back["object"].isna().tolist() == [True, True, False, False] and back["object"].iloc[3] == "y"


def test_many_categories_stay_in_order(tmp_path: Path) -> None:
    """Parquet keeps categories of more than a page, 1 MB, as plain text."""
    names = [f"{'x' * 40}{number}" for number in range(40_000, 0, -1)]
    frame = pd.DataFrame({"a": pd.Series(names[9000:], dtype=pd.CategoricalDtype(names))})
    assert pd.read_parquet(written(frame, tmp_path / "t.parquet", 4000))["a"].dtype == frame["a"].dtype
    assert list(pd.read_parquet(tmp_path / "t.parquet")["a"].cat.categories) == names


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_texts_are_read_back(tmp_path: Path, suffix: str) -> None:
    frame = every_kind()
    back = read_table(written(frame, tmp_path / f"t{suffix}", 1, 2))
    assert list(back) == list(frame)
    assert back["word"].tolist()[:2] == frame["word"].tolist()[:2] and back["word"].isna().sum() == 2
    assert back["count"].tolist() == [2**53 + 1, -1, pd.NA, pd.NA] and back["count"].dtype == "Int64"
    assert back["truth"].dtype == "boolean" and back["sure"].dtype == "bool"
    assert back["double"].tolist()[:2] == pytest.approx([0.1 + 0.2, 1e300], rel=1e-15, abs=0)
    assert back["single"].astype("float32").equals(frame["single"])
    assert back["time"].equals(frame["time"])
    assert back["size"].astype(SIZES).equals(frame["size"])


def test_a_carriage_return_stays_in_its_field(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": ["x\ry", "\r", "z"], "b": [1, 2, 3], "c": pd.Categorical(["\r\n", None, "q"])})
    back = read_table(written(frame, tmp_path / "t.csv", 2))
    assert back["a"].tolist() == ["x\ry", "\r", "z"] and back["b"].tolist() == [1, 2, 3]
    assert back["c"].tolist()[::2] == ["\r\n", "q"]


def test_one_column_of_gaps(tmp_path: Path) -> None:
    back = read_table(written(pd.DataFrame({"a": [1.5, np.nan, 2.5]}), tmp_path / "t.csv"))
    assert back["a"].isna().tolist() == [False, True, False]


def test_json_has_plain_values(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    write_table(every_kind().iloc[[0, 2]], path)
    first, second = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    assert first["count"] == 2**53 + 1 and first["sure"] is True and first["size"] == "large"
    assert first["time"] == "2024-01-31 12:00:00.000001"
    assert second["size"] is None and second["double"] is None and second["time"] is None
    with pytest.raises(UserError, match="JSON knows no infinite numbers"):
        write_table(pd.DataFrame({"a": [1.0, np.inf]}), path)
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2


@pytest.mark.parametrize("suffix", list(SUFFIXES))
def test_nothing_half_written_is_seen(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "new" / f"t{suffix}"
    write_table(pd.DataFrame({"a": [1]}), path)
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="out of memory"), TableWriter(path) as writer:
        writer.write(pd.DataFrame({"a": [2]}))
        assert path.read_bytes() == before
        raise RuntimeError("out of memory")
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    with pytest.raises(OSError, match=r"t\.csv could not be written \(no space left\)"), TableWriter(path) as writer:
        writer.write(pd.DataFrame({"a": [2]}))
        raise OSError("no space left")
    assert list(tmp_path.iterdir()) == []


def test_without_a_frame_there_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing was written"), TableWriter(tmp_path / "t.csv"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_ending_is_looked_at_first(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"one of \.csv, \.tsv, \.parquet, .*, not into t\.xlsx"):
        TableWriter(tmp_path / "t.xlsx")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(UserError, match="is a folder"):
        TableWriter(tmp_path / "folder.csv")


@pytest.mark.parametrize(("second", "told"), [
    ({"b": [1], "a": ["x"]}, "are not those of the first frame"),
    ({"a": [1], "b": [1.5]}, "'a' is int64, but .* in the first frame"),
    ({"a": ["x"], "b": [0.5]}, "'b' is float64, but int64 in the first frame"),
])  # fmt: skip
def test_frames_have_equal_columns(tmp_path: Path, second: dict[str, list[Any]], told: str) -> None:
    with pytest.raises(ValueError, match=told), TableWriter(tmp_path / "t.parquet") as writer:
        writer.write(pd.DataFrame({"a": ["x"], "b": [1]}))
        writer.write(pd.DataFrame(second))


def test_categories_are_those_of_the_first_frame(tmp_path: Path) -> None:
    path = tmp_path / "t.feather"
    with TableWriter(path) as writer:
        writer.write(pd.DataFrame({"a": pd.Categorical(["x"], ["x", "y"])}))
        writer.write(pd.DataFrame({"a": pd.Categorical(["y"])}))
        writer.write(pd.DataFrame({"a": pd.Categorical(["x", None], ["y", "x"])}))
    back = read_table(path)["a"]
    assert back.tolist()[:3] == ["x", "y", "x"] and list(back.cat.categories) == ["x", "y"]
    with pytest.raises(ValueError, match="'a' holds 'z', no category of"), TableWriter(path) as writer:
        writer.write(pd.DataFrame({"a": pd.Categorical(["x"])}))
        writer.write(pd.DataFrame({"a": pd.Categorical(["z"])}))


def test_values_that_parquet_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"t\.parquet: .*column a.*; make the column text, or write a \.csv"):
        write_table(pd.DataFrame({"a": ["x", 1]}), tmp_path / "t.parquet")


def test_indices_are_left_out_and_rows_stay_in_groups(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": range(6)}, index=list("uvwxyz"))
    path = written(frame, tmp_path / "t.parquet", 2)
    assert pq.ParquetFile(path).num_row_groups == 2
    assert list(pd.read_parquet(path).index) == list(range(6))
