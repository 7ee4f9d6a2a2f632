"""Tables from files and from other containers, as pandas frames, and back into the containers that they came in."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from belamy.errors import UserError, nearest
from belamy.tables.frames import check_schema, checked, from_arrow, one_line, optional, to_arrow
from belamy.tables.texts import delimited, json_lines, opened

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".feather": "arrow",
    ".arrow": "arrow",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
"""What is read, by the endings of files; texts may be packed too, as .csv.gz."""

_TEXTS = ("csv", "tsv", "jsonl")
_TABLES = {b"PAR1": "parquet", b"ARROW1": "arrow", b"\xff\xff\xff\xff": "arrow"}
_OTHERS = {b"\x89PNG": "a picture", b"\xff\xd8\xff": "a picture", b"%PDF": "a PDF", b"PK\3\4": "a workbook or archive"}


def read_table(path: str | Path) -> pd.DataFrame:
    """The table in a .csv, .tsv, .parquet, .feather, .arrow or .jsonl file, or in a folder of .parquet files.

    What another ending hides is told from the content. Texts are UTF-8, with ``,`` ``;`` ``|`` or a tab between the
    fields, and pandas' markers for what is missing. Raises UserError for what is no table, is damaged, or has columns
    without a name of their own.
    """
    path = Path(path)
    optional("pandas")
    if not path.exists():
        beside = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
        raise UserError(f"there is no file {path}{nearest(path.name, beside)}")
    try:
        return _READERS[_form(path)](path)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except (OSError, EOFError, zlib.error, ValueError, LookupError, NotImplementedError) as error:
        raise UserError(f"{path}: {_unreadable(error)}") from None


def as_frame(data: Any) -> pd.DataFrame:
    """A table as a pandas frame, which is not copied if it is one already.

    ``data`` is a frame of pandas or polars, a pyarrow Table, a dict of columns, an array [rows, columns], whose columns
    are named "0", "1" and so on, or the path of a file. Raises UserError for anything else, and as ``read_table``.
    """
    pd, container = optional("pandas"), _container(data)
    if isinstance(data, str | Path):
        return read_table(data)
    if container:
        return from_arrow(data if container == "pyarrow" else data.to_arrow())
    if isinstance(data, np.ndarray):
        if data.ndim != 2:
            raise UserError(f"a table is an array [rows, columns], not one of the shape {list(data.shape)}")
        return checked(pd.DataFrame(data).infer_objects())
    if isinstance(data, Mapping):
        try:
            return checked(pd.DataFrame(dict(data)))
        except ValueError as error:
            raise UserError(f"a dict of columns should hold lists of one length ({one_line(error)})") from None
    if not isinstance(data, pd.DataFrame):
        given = f"{type(data).__module__.partition('.')[0]}.{type(data).__qualname__}".removeprefix("builtins.")
        raise UserError(f"a table is a path, a dict, an array, or a frame of pandas, polars or pyarrow, not a {given}")
    return checked(data)


def like(frame: pd.DataFrame, data: Any) -> Any:
    """``frame`` in the container that ``data`` is, pyarrow's or polars', with its types where they fit; else as is."""
    container = _container(data)
    if container == "pyarrow":
        return to_arrow(frame, data.schema)
    if container == "polars":
        return optional("polars").from_arrow(to_arrow(frame, data.head(0).to_arrow().schema))
    return frame


def _container(data: Any) -> str | None:
    """The library other than pandas that ``data`` is a table of, told by names, as polars may not be installed."""
    library, name = type(data).__module__.partition(".")[0], type(data).__name__
    return library if (library, name) in (("polars", "DataFrame"), ("pyarrow", "Table")) else None


def _form(path: Path) -> str:
    """What a file holds, by its ending and else by its content. Raises UserError where the two contradict."""
    if path.is_dir():
        return "parquet"
    suffix = path.with_suffix("").suffix if path.suffix.lower() == ".gz" else path.suffix
    with opened(path) as file:
        content = _content(file.read(4096))
    named = SUFFIXES.get(suffix.lower(), content)
    if named != content and not (named in _TEXTS and content in _TEXTS):
        raise UserError(f"it holds {content}, not what its name says; rename it to {path.stem}.{content}")
    return named


def _content(head: bytes) -> str:
    if found := next((form for start, form in _TABLES.items() if head.startswith(start)), None):
        return found
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        raise UserError("the file is empty; give one with a line of names and a line for each row")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError("the text is UTF-16; save it as UTF-8 (in Excel: CSV UTF-8)")
    other = next((what for start, what in _OTHERS.items() if head.startswith(start)), None)
    if other or b"\0" in head:
        raise UserError(f"this is no table but {other or 'binary data'}; save the table as .csv or .parquet")
    return "jsonl" if text.startswith(b"{") else "csv"


def _unreadable(error: Exception) -> str:
    reason = getattr(error, "strerror", None) or one_line(error)
    return f"it cannot be read ({reason}); if it is damaged or was cut off, write or copy it again"


def _parquet(path: Path) -> pd.DataFrame:
    """One file, or those of a folder in the order of their names; numbers are of the widest type in any."""
    arrow = optional("pyarrow")
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise UserError("the folder has no .parquet files; name a file, or a folder of them")
    tables = [_parquet_file(file, f"{file.name}: " if path.is_dir() else "") for file in files]
    for file, table in zip(files, tables, strict=True):
        if set(table.column_names) != set(tables[0].column_names):
            raise UserError(f"{file.name} has other columns than {files[0].name}; keep them in two folders")
    try:
        table = arrow.concat_tables(tables, promote_options="permissive") if tables[1:] else tables[0]
    except (arrow.ArrowTypeError, arrow.ArrowInvalid) as error:
        raise UserError(f"the files have columns of different types ({one_line(error)}); make them alike") from None
    return from_arrow(table)


def _parquet_file(path: Path, within: str) -> Any:
    try:
        with optional("pyarrow.parquet").ParquetFile(path) as file:
            check_schema(file.schema_arrow)
            return file.read()
    except UserError as error:
        raise UserError(f"{within}{error}") from None
    except (OSError, ValueError) as error:  # of which pyarrow's are
        raise UserError(f"{within}{_unreadable(error)}") from None


def _arrow(path: Path) -> pd.DataFrame:
    ipc = optional("pyarrow.ipc")
    with path.open("rb") as file:
        start = ipc.open_file if file.read(6) == b"ARROW1" else ipc.open_stream
        file.seek(0)
        reader = start(file)
        check_schema(reader.schema)
        return from_arrow(reader.read_all())


_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    "csv": delimited,
    "tsv": partial(delimited, delimiter="\t"),
    "parquet": _parquet,
    "arrow": _arrow,
    "jsonl": json_lines,
}
