"""Tables from every kind of file and container; what is wrong with one is said in a line that names the place."""

from __future__ import annotations

import gzip
import sys
import types
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from belamy.errors import UserError
from belamy.tables.reading import as_frame, like, read_table

pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

PEOPLE = "name,age,joined\nAda,36,2024-01-31\nBob,,2024-02-29\n"


def file(folder: Path, content: str | bytes, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(folder: Path, content: str | bytes, name: str = "table.csv") -> Any:
    return read_table(file(folder, content, name))


def refused(path: Path) -> str:
    """The one line of the error, which begins with the path."""
    with pytest.raises(UserError) as caught:
        read_table(path)
    told = str(caught.value)
    assert told.startswith(f"{path}: ") and "\n" not in told
    return told.removeprefix(f"{path}: ")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "bom"])
def test_delimiters_and_dtypes(tmp_path: Path, delimiter: str, mark: str) -> None:
    frame = read(tmp_path, mark + PEOPLE.replace(",", delimiter))
    assert frame["name"].tolist() == ["Ada", "Bob"]
    assert frame["age"].tolist() == [36, pd.NA] and frame["age"].dtype == "Int64"
    assert frame["joined"].tolist() == [pd.Timestamp(2024, 1, 31), pd.Timestamp(2024, 2, 29)]


@pytest.mark.parametrize(("text", "names"), [
    ("a;b\n1,5;2,5\n3,5;4,5\n", ["a", "b"]),  # decimal commas
    ('id,"a;b;c;d"\n1,2\n', ["id", "a;b;c;d"]),
    ("income, monthly;name\n1;x\n", ["income, monthly", "name"]),
    ("word\none\ntwo\n", ["word"]),
    ('" a ",b \n1,2\n', ["a", "b"]),
    ('"first\nline",b\n1,2\n', ["first\nline", "b"]),
    ("\n  \na,b\n\n1,2\n   \n\n", ["a", "b"]),
    ("a,b\r1,2\r", ["a", "b"]),
])  # fmt: skip
def test_headers(tmp_path: Path, text: str, names: list[str]) -> None:
    assert list(read(tmp_path, text).columns) == names


def test_a_tsv_has_tabs_only(tmp_path: Path) -> None:
    frame = read(tmp_path, "name, first\nx\n", "one.tsv")
    assert list(frame.columns) == ["name, first"]


def test_whole_numbers_keep_every_digit_behind_gaps(tmp_path: Path) -> None:
    frame = read(tmp_path, "big,point,huge,name\n9007199254740993,1.0,99999999999999999999,x\n,,,NA\n-5,2.0,1,y\n")
    assert frame["big"].tolist() == [9007199254740993, pd.NA, -5]
    assert frame["point"].dtype == "float64" and frame["huge"].tolist()[::2] == ["99999999999999999999", "1"]
    assert frame["name"].isna().tolist() == [False, True, False]


def test_a_column_is_of_one_kind_from_end_to_end(tmp_path: Path) -> None:
    frame = read(tmp_path, "a,b\n" + "12345,6\n" * 300_000 + "x,6\n")
    assert frame["a"].tolist()[::300_000] == ["12345", "x"] and frame["b"].dtype == "int64"


def test_truth_with_gaps(tmp_path: Path) -> None:
    frame = read(tmp_path, "a,b,c\nTrue,,True\n,x,False\n")
    assert [str(dtype) for dtype in frame.dtypes][::2] == ["boolean", "bool"]


@pytest.mark.parametrize(("cells", "dated"), [
    (("2024-01-31", "2024-01-31 12:00:00", ""), True),
    (("2024-01-31T12:00", "2024-01-31 12:00:00.25", "2024-01-01"), True),
    (("2024-01-31", "soon", ""), False),
    (("2024-02-30", "2024-01-31", ""), False),
    (("31.01.2024", "2024-01-31", ""), False),
    (("2024", "2023", "2022"), False),
])  # fmt: skip
def test_only_iso_dates_are_dates(tmp_path: Path, cells: tuple[str, ...], dated: bool) -> None:
    frame = read(tmp_path, "when,n\n" + "".join(f"{cell},1\n" for cell in cells))
    assert pd.api.types.is_datetime64_dtype(frame["when"].dtype) is dated
    if not dated:
        assert str(frame["when"].iloc[0]) == cells[0]


@pytest.mark.parametrize(("text", "told"), [
    ("", "the file is empty"),
    ("\ufeff\n", "the file is empty"),
    ("a,b\n", "no rows below the line of names"),
    ("a,b,a ,b\n1,2,3,4\n", "more than one column is named 'a', 'b'"),
    ("a,,c\n1,2,3\n", "column 2 has no name"),
    (",a\n5,1\n6,2\n", "column 1 has no name"),
    (",a,\n0,1,2\n", "column 3 has no name"),
    ('""\n', "there are no rows"),
    ("a,b\n1,2\n3\n", "line 3 has 1 field, the header 2; add a , for each"),
    ("a,b\n1,2\n3,4,5\n", "line 3 has 3 fields, the header 2; put fields that hold a , in quotes"),
    ("a,b\n1,2,3\n1,2,3\n", "line 2 has 3 fields, the header 2"),
    ('a,b\n"1\n2\n3",4\n\n5\n', "line 6 has 1 field, the header 2"),
    ('a,b\n1,"x\n2,"y"\n', "lines 2 to 3: ',' expected after '\"'; close each quote"),
    ('a,b\n1,2\n3,"4\n5,6\n', "lines 3 to 4: unexpected end of data; close each quote"),
    ('a,b\n1,2\n"3,4\n5,6', "lines 3 to 4: unexpected end of data"),
    ('a,b\n1,2\n3,"4', "line 3: unexpected end of data"),
    ('a,b\n1,2\n"3,' + "x" * 140_000, "line 3: field larger than field limit (131072); close each quote"),
    ("a,b\n1,2\n3,\N{LATIN SMALL LETTER E WITH ACUTE}\n".encode("latin-1"), "line 3 is not UTF-8"),
    ("a,b\n1,2\n".encode("utf-16"), "the text is UTF-16"),
    (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "this is no table but a picture"),
    (b"PK\3\4\x14\0\6\0", "this is no table but a workbook or archive"),
    (b"1,2\n\0\0\0", "this is no table but binary data"),
])  # fmt: skip
def test_a_text_that_is_no_table(tmp_path: Path, text: str | bytes, told: str) -> None:
    assert told in refused(file(tmp_path, text))


def test_an_early_quote_is_looked_for_where_it_may_be(tmp_path: Path) -> None:
    told = refused(file(tmp_path, 'a,b\n1,"x\n2,y\n3,4",z\n5,6\n'))
    assert told.startswith("line 2 has 3 fields, the header 2;") and told.endswith("or close a quote before line 4")


def test_row_numbers_written_by_accident(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    pd.DataFrame({"a": [5, 6], "b": ["x", "y"]}).to_csv(path)
    with pytest.warns(UserWarning, match="counts the rows; it is left out") as caught:
        frame = read_table(path)
    assert list(frame.columns) == ["a", "b"] and frame["a"].tolist() == [5, 6]
    assert caught[0].filename == __file__


def test_packed_texts(tmp_path: Path) -> None:
    path = file(tmp_path, gzip.compress(PEOPLE.encode()), "people.csv.gz")
    assert read_table(path).shape == (2, 3)
    assert "cannot be read" in refused(file(tmp_path, gzip.compress(PEOPLE.encode())[:-12], "cut.csv.gz"))


def test_a_missing_file(tmp_path: Path) -> None:
    file(tmp_path, PEOPLE, "people.csv")
    with pytest.raises(UserError, match=r"there is no file .*peple\.csv \(did you mean 'people\.csv'\?\)"):
        read_table(tmp_path / "peple.csv")


def test_content_tells_what_the_name_does_not(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "data")
    assert read_table(tmp_path / "data")["a"].tolist() == [1]
    assert read(tmp_path, '{"a": 2}\n', "lines.txt")["a"].tolist() == [2]
    assert read(tmp_path, "a|b\n3|4\n", "adult.data")["b"].tolist() == [4]
    told = refused((tmp_path / "data").rename(tmp_path / "data.csv"))
    assert told == "it holds parquet, not what its name says; rename it to data.parquet"


def test_json_lines(tmp_path: Path) -> None:
    frame = read(tmp_path, '{"n": 1, "ok": true, "on": "2024-01-31"}\n\n{"n": null, "x": 0.1, "on": null}\n', "t.jsonl")
    assert [str(dtype) for dtype in frame.dtypes] == ["Int64", "boolean", "datetime64[us]", "float64"]
    assert frame["n"].tolist() == [1, pd.NA] and frame["x"].isna().tolist() == [True, False]


@pytest.mark.parametrize(("text", "told"), [
    ('{"a": 1}\n{"a": 2\n', "line 2 is no JSON: Expecting"),
    ('{"a": 1}\n\n[1, 2]\n', "line 3 is no JSON object"),
    ('{"a": 1}\n{"a": "x"}\n', "Column(/a) changed from number to string in row 1; give each column one kind"),
    ('{"a": 1, "b": [1], "c": {"d": 2}}\n', "'b', 'c' should hold one number or text in a cell, not lists or records"),
    (b'{"a": "x"}\n{"a": "\xe9"}\n', "line 2 is not UTF-8"),
])  # fmt: skip
def test_json_that_is_no_table(tmp_path: Path, text: str | bytes, told: str) -> None:
    assert told in refused(file(tmp_path, text, "t.jsonl"))


def test_parquet_that_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table([[1], [2], [3]], names=["a", "b", "a"]), path)
    assert refused(path) == "more than one column is named 'a'; give each a name of its own"
    pq.write_table(pa.table({"a": [[1, 2]], "b": [{"c": 1}], "d": [1]}), path)
    assert refused(path).startswith("'a', 'b' should hold one number or text in a cell, not lists or records;")
    pq.write_table(pa.table({"image": [b"\x89PNG"]}), path)
    assert refused(path).startswith("'image' should hold one number or text in a cell, not bytes;")
    pq.write_table(pa.table({"a": pa.array([], pa.int64())}), path)
    assert refused(path) == "no rows: a table has at least one"
    pq.write_table(pa.table({"a": list(range(1000))}), path)
    for kept in (600, 2000):
        cut = file(tmp_path, path.read_bytes()[:kept], "cut.parquet")
        assert "if it is damaged or was cut off, write or copy it again" in refused(cut)
    assert refused(file(tmp_path, PEOPLE, "t.parquet")) == "it holds csv, not what its name says; rename it to t.csv"


def test_an_index_that_pandas_stored(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": [7, 8, 9], "a": [1, 2, 3]})
    frame.set_index("id").to_parquet(tmp_path / "named.parquet")
    frame[frame["a"] > 1].to_parquet(tmp_path / "rows.parquet")
    assert read_table(tmp_path / "named.parquet").to_dict("list") == {"id": [7, 8, 9], "a": [1, 2, 3]}
    rows = read_table(tmp_path / "rows.parquet")
    assert rows.to_dict("list") == {"id": [8, 9], "a": [2, 3]} and list(rows.index) == [0, 1]


def test_a_folder_of_parquet(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no \.parquet files"):
        read_table(tmp_path)
    sizes = pd.CategoricalDtype(["S", "M", "L"], ordered=True)
    pd.DataFrame({"a": [1, 2], "b": [None, None], "s": pd.Series(["L", "S"], dtype=sizes)}).to_parquet(
        tmp_path / "1.parquet"
    )
    pd.DataFrame({"b": ["x"], "a": [0.5], "s": pd.Series(["M"], dtype=sizes)}).to_parquet(tmp_path / "2.parquet")
    frame = read_table(tmp_path)
    assert frame["a"].tolist() == [1, 2, 0.5] and frame["b"].isna().tolist() == [True, True, False]
    assert frame["s"].tolist() == ["L", "S", "M"] and frame["s"].dtype == sizes
    pd.DataFrame({"a": ["x"], "b": ["x"], "s": ["M"]}).to_parquet(tmp_path / "3.parquet")
    assert "the files have columns of different types" in refused(tmp_path)
    pd.DataFrame({"c": [1]}).to_parquet(tmp_path / "3.parquet")
    assert refused(tmp_path) == "3.parquet has other columns than 1.parquet; keep them in two folders"


@pytest.mark.parametrize("start", ["new_file", "new_stream"])
def test_arrow_files_and_streams(tmp_path: Path, start: str) -> None:
    table, path = pa.table({"a": [1, None], "b": ["x", "y"]}), tmp_path / "t.arrow"
    with getattr(pa.ipc, start)(path, table.schema) as writer:
        writer.write_table(table)
    frame = read_table(path)
    assert frame["a"].tolist() == [1, pd.NA] and frame["b"].tolist() == ["x", "y"]
    assert "cannot be read" in refused(file(tmp_path, path.read_bytes()[:200], "cut.arrow"))


def test_a_frame_is_not_copied() -> None:
    frame = pd.DataFrame({"a": [1, 2]})
    assert as_frame(frame) is frame
    renamed = as_frame(pd.DataFrame({" a ": [1, 2], 3: [4, 5]}))
    assert list(renamed.columns) == ["a", "3"]
    assert like(renamed, frame) is renamed


def test_arrow_tables_come_and_go_with_their_types() -> None:
    table = pa.table({
        "when": pa.array([date(2024, 1, 31), None]),
        "price": pa.array([Decimal("1.50"), None]),
        "small": pa.array([200, None], pa.uint8()),
        "ok": pa.array([True, None]),
        "kind": pa.array(["x", "y"]).dictionary_encode(),
        "word": ["a", None],
    })  # fmt: skip
    frame = as_frame(table)
    assert pd.api.types.is_datetime64_dtype(frame["when"].dtype)
    assert [str(frame[name].dtype) for name in ("price", "small", "ok", "kind")] == [
        "float64", "UInt8", "boolean", "category",
    ]  # fmt: skip
    back = like(frame, table)
    assert back.schema.types == table.schema.types and back.to_pylist() == table.to_pylist()
    unfit = like(frame.assign(small=1000, more="z"), table)
    assert unfit["small"].to_pylist() == [1000, 1000] and unfit["more"].to_pylist() == ["z", "z"]


def test_polars_is_told_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for polars, which need not be installed: what goes in is asked for its pyarrow table."""

    class DataFrame:
        def __init__(self, table: Any) -> None:
            self.table = table

        def to_arrow(self) -> Any:
            return self.table

        def head(self, rows: int) -> DataFrame:
            return DataFrame(self.table.slice(0, rows))

    DataFrame.__module__ = "polars.dataframe.frame"
    monkeypatch.setitem(sys.modules, "polars", types.SimpleNamespace(from_arrow=DataFrame))
    data = DataFrame(pa.table({"a": pa.array([1, 2], pa.int8()), "b": ["x", "y"]}))
    frame = as_frame(data)
    assert frame["a"].tolist() == [1, 2] and frame["a"].dtype == "int8"
    back = like(frame, data)
    assert type(back) is DataFrame and back.table.equals(data.table)


def test_arrays_and_dicts(tmp_path: Path) -> None:
    assert as_frame(np.eye(2)).to_dict("list") == {"0": [1, 0], "1": [0, 1]}
    mixed = as_frame(np.array([[1, "x"], [2, "y"]], object))
    assert mixed["0"].dtype == "int64" and mixed["1"].tolist() == ["x", "y"]
    assert as_frame({"a": [1, 2], "b": "z"})["b"].tolist() == ["z", "z"]
    assert as_frame(str(file(tmp_path, PEOPLE))).shape == (2, 3)


@pytest.mark.parametrize(("data", "told"), [
    (np.zeros(3), r"an array \[rows, columns\], not one of the shape \[3\]"),
    ({"a": [1], "b": [1, 2]}, "lists of one length"),
    ({"a": 1}, "lists of one length"),
    ({"a": [[1], [2]]}, "'a' should hold one number or text in a cell, not lists or records"),
    ({}, "no columns: a table has at least one"),
    ({"a": []}, "no rows: a table has at least one"),
    ({1: [0], "1": [0]}, "more than one column is named '1'"),
    ({("a", "b"): [1]}, r"column 1 is named \('a', 'b'\); names are text"),
    ({True: [1]}, "column 1 is named True"),
    ([1, 2], "not a list"),
    (pa.chunked_array([[1]]), "not a pyarrow.ChunkedArray"),
])  # fmt: skip
def test_what_is_no_table(data: Any, told: str) -> None:
    with pytest.raises(UserError, match=told):
        as_frame(data)


def test_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UserError, match=r"pandas is needed: pip install 'belamy\[tables\]'"):
        read_table(tmp_path / "table.csv")
