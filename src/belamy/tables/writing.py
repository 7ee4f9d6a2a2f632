"""Tables to files, frame after frame, whole or not at all."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from belamy.errors import UserError
from belamy.storage import whole_file
from belamy.tables.frames import one_line, optional

if TYPE_CHECKING:
    import pandas as pd

_Write = Callable[["pd.DataFrame"], object]


class TableWriter:
    """A table that grows by frames of equal columns: ``with TableWriter(path) as writer: writer.write(frame)``.

    The ending of ``path`` is one of ``SUFFIXES``. The first frame settles names, dtypes and categories; indices are not
    written. The file is there, and an older one gone, only when the block has ended without an error. pandas reads
    from .parquet and .feather the dtypes that were written, as far as those hold them: Parquet knows categories of
    text only, and no times in seconds. Raises UserError for another ending.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() not in SUFFIXES:
            raise UserError(f"a table goes into one of {', '.join(SUFFIXES)}, not into {self.path.name}")
        if self.path.is_dir():
            raise UserError(f"{self.path} is a folder; name a file in it")

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._stack = ExitStack()
        self._temporary = self._stack.enter_context(whole_file(self.path))
        self._first: pd.DataFrame | None = None
        return self

    def write(self, frame: pd.DataFrame) -> None:
        """Adds the rows of ``frame``. Raises ValueError where it has other columns than the first, and UserError for
        values that the file cannot hold.
        """
        try:
            if self._first is None:
                self._write = self._stack.enter_context(SUFFIXES[self.path.suffix.lower()](self._temporary, frame))
                self._first = frame.head(0)
            self._write(_alike(frame, self._first))
        except UserError as error:
            raise UserError(f"{self.path}: {error}") from None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None and self._first is None:
            self._abandon()
            raise ValueError(f"nothing was written to {self.path}")
        if error is None or isinstance(error, OSError):
            self._stack.__exit__(kind, error, traceback)
        else:
            self._abandon()

    def _abandon(self) -> None:
        """Leaves without a file. whole_file would report what a block raises as an error of the disk."""
        self._stack.__exit__(GeneratorExit, GeneratorExit(), None)


def write_table(frame: pd.DataFrame, path: str | Path) -> None:
    """Writes the table at once; see ``TableWriter``."""
    with TableWriter(path) as writer:
        writer.write(frame)


def _alike(frame: pd.DataFrame, first: pd.DataFrame) -> pd.DataFrame:
    """``frame`` with the dtypes of ``first``. Raises ValueError where it has other columns."""
    if list(frame.columns) != list(first.columns):
        raise ValueError(f"the columns {list(frame.columns)} are not those of the first frame, {list(first.columns)}")
    turned = {name: _as(column, first[name].dtype) for name, column in frame.items()}
    return frame.assign(**turned)


def _as(column: pd.Series[Any], dtype: Any) -> pd.Series[Any]:
    pd = optional("pandas")
    if isinstance(dtype, pd.CategoricalDtype) and isinstance(column.dtype, pd.CategoricalDtype):
        return _recoded(column, dtype)
    if column.dtype == dtype:
        return column
    if (_textual(column.dtype) and _textual(dtype)) or column.isna().all():
        return column.astype(dtype)
    raise ValueError(f"the column {column.name!r} is {column.dtype}, but {dtype} in the first frame")


def _recoded(column: pd.Series[Any], dtype: Any) -> pd.Series[Any]:
    """Dtypes of the same categories in another order are equal, but not their codes."""
    if column.cat.categories.equals(dtype.categories) and column.cat.ordered == dtype.ordered:
        return column
    if more := set(column.dropna().unique()) - set(dtype.categories):
        raise ValueError(f"the column {column.name!r} holds {min(more, key=str)!r}, no category of the first frame")
    return column.cat.set_categories(dtype.categories, ordered=dtype.ordered)


@contextmanager
def _delimited(path: Path, first: pd.DataFrame, delimiter: str = ",") -> Iterator[_Write]:
    with path.open("w", encoding="utf-8", newline="") as file:

        def write(frame: pd.DataFrame) -> None:
            # csv puts a lone carriage return into quotes only if told to quote all text
            quoting = csv.QUOTE_NONNUMERIC if any(_returns(frame[name]) for name in frame) else csv.QUOTE_MINIMAL
            header = file.tell() == 0
            frame.to_csv(file, sep=delimiter, index=False, header=header, quoting=quoting, lineterminator="\n")

        yield write


def _returns(column: pd.Series[Any]) -> bool:
    values = column.cat.categories if isinstance(column.dtype, optional("pandas").CategoricalDtype) else column
    return _textual(values.dtype) and bool(values.astype(str).str.contains("\r", regex=False).any())


def _textual(dtype: Any) -> bool:
    pd = optional("pandas")
    return isinstance(dtype, pd.StringDtype) or pd.api.types.is_object_dtype(dtype)


@contextmanager
def _arrow(path: Path, first: pd.DataFrame, open_writer: Callable[[Path, Any], Any]) -> Iterator[_Write]:
    arrow = optional("pyarrow")

    @contextmanager
    def fitting() -> Iterator[None]:
        try:
            yield
        except (arrow.ArrowInvalid, arrow.ArrowTypeError, arrow.ArrowNotImplementedError) as error:
            raise UserError(f"{one_line(error)}; make the column text, or write a .csv") from None

    with fitting():
        schema = _schema(first)
    with open_writer(path, schema) as writer:

        def write(frame: pd.DataFrame) -> None:
            with fitting():
                writer.write_table(arrow.Table.from_pandas(frame, schema, preserve_index=False))

        yield write


def _schema(first: pd.DataFrame) -> Any:
    """The types of pyarrow, and what pandas keeps beside them. Without any value a column counts as text."""
    arrow = optional("pyarrow")
    schema = arrow.Table.from_pandas(first, preserve_index=False).schema  # Schema.from_pandas would name no column
    for place, field in enumerate(schema):
        if arrow.types.is_null(field.type):
            schema = schema.set(place, field.with_type(arrow.string()))
        elif arrow.types.is_dictionary(field.type) and arrow.types.is_null(field.type.value_type):
            empty = arrow.dictionary(field.type.index_type, arrow.string(), field.type.ordered)
            schema = schema.set(place, field.with_type(empty))
    return schema


def _parquet(path: Path, schema: Any) -> Any:
    return optional("pyarrow.parquet").ParquetWriter(path, schema)


def _feather(path: Path, schema: Any) -> Any:
    ipc = optional("pyarrow.ipc")
    return ipc.new_file(path, schema, options=ipc.IpcWriteOptions(compression="lz4"))


@contextmanager
def _jsonl(path: Path, first: pd.DataFrame, rows: int = 10_000) -> Iterator[_Write]:
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain).encode
    with path.open("w", encoding="utf-8", newline="\n") as file:

        def write(frame: pd.DataFrame) -> None:
            names = list(frame.columns)
            for start in range(0, len(frame), rows):
                cells = zip(*(_cells(frame[name].iloc[start : start + rows]) for name in names), strict=True)
                try:
                    file.writelines(encode(dict(zip(names, row, strict=True))) + "\n" for row in cells)
                except ValueError:
                    raise UserError("JSON knows no infinite numbers; write a .csv or .parquet") from None

        yield write


def _cells(column: pd.Series[Any]) -> list[Any]:
    """Plain values, with None for what is missing; times are ISO text."""
    pd = optional("pandas")
    timed = pd.api.types.is_datetime64_any_dtype(column.dtype)
    cells = column.astype(str if timed else object)
    return [None if missing else cell for cell, missing in zip(cells.tolist(), column.isna(), strict=True)]


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)


SUFFIXES: dict[str, Callable[[Path, pd.DataFrame], AbstractContextManager[_Write]]] = {
    ".csv": _delimited,
    ".tsv": partial(_delimited, delimiter="\t"),
    ".parquet": partial(_arrow, open_writer=_parquet),
    ".feather": partial(_arrow, open_writer=_feather),
    ".arrow": partial(_arrow, open_writer=_feather),
    ".jsonl": _jsonl,
}
"""What writes a table, by the endings of files."""
