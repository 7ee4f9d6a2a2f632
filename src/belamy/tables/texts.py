"""Tables in text files: rows of fields with delimiters between them (.csv, .tsv), or of JSON objects (.jsonl)."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, TextIO, cast

import numpy as np
from numpy.typing import NDArray

from belamy.errors import UserError
from belamy.tables.frames import checked, from_arrow, one_line, optional, unique_names

if TYPE_CHECKING:
    import pandas as pd

_DELIMITERS = ",;\t|"
_ISO = r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?"
_GZIP = b"\x1f\x8b"
_LONGEST = 1 << 24  # bytes of a line of JSON


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked if gzip packed them."""
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
        file.seek(0)
        if packed:
            with gzip.open(file) as unpacked:
                yield cast(IO[bytes], unpacked)
        else:
            yield file


def delimited(path: Path, delimiter: str | None = None) -> pd.DataFrame:
    """The table in a text with ``delimiter`` between the fields; by default it is found in the header.

    Text of which all is ISO dates becomes datetime64; whole numbers and truth with gaps become Int64 and boolean. A
    first column without a name that counts the rows from 0 is left out, with a warning. Raises UserError, which names
    the line, for what is not UTF-8 or does not have as many fields as the header.
    """
    try:
        delimiter = delimiter or _sniffed(path)
        names = _names(path, delimiter)
    except UnicodeDecodeError:
        raise UserError(_not_utf8(path)) from None
    counted = not names[0] and len(names) > 1
    unique_names(names[counted:], 1 + counted)
    frame = _with_dates(_parsed(path, delimiter, names))
    if counted:
        if not np.array_equal(frame[""], np.arange(len(frame))):
            unique_names(names)
        warnings.warn(f"{path}: the first column has no name and counts the rows; it is left out", stacklevel=3)
        frame = frame.drop(columns="")
    return checked(frame)


def json_lines(path: Path) -> pd.DataFrame:
    """The table in a text with a JSON object in each line. Raises UserError, which names the line where it can."""
    pd, reader = optional("pandas"), optional("pyarrow.json")
    try:
        with opened(path) as file:
            table = reader.read_json(file, reader.ReadOptions(block_size=_LONGEST))
        table.validate(full=True)  # that it is UTF-8
        frame = from_arrow(table)
    except ValueError as error:  # of which pyarrow's are
        raise UserError(_not_json(path) or f"{one_line(error)}; give each column one kind of values") from None
    times = [name for name in frame if pd.api.types.is_datetime64_dtype(frame[name].dtype)]
    return _with_dates(frame.astype(dict.fromkeys(times, "datetime64[us]")))


@contextmanager
def _lines(path: Path, errors: str = "strict") -> Iterator[TextIO]:
    """The lines of a text, with their ends as they are: csv wants them so."""
    with opened(path) as file, io.TextIOWrapper(file, "utf-8-sig", errors, newline="") as text:
        yield text


def _not_utf8(path: Path) -> str:
    """What there is to say of a text that is not UTF-8."""
    with _lines(path, "surrogateescape") as text:
        number = next((number for number, line in enumerate(text, 1) if re.search("[\udc80-\udcff]", line)), 1)
    return f"line {number} is not UTF-8; save the file as UTF-8 (in Excel: CSV UTF-8)"


def _not_json(path: Path) -> str | None:
    """What there is to say of the first line that is no JSON object, if there is one."""
    try:
        with _lines(path) as text:
            for number, line in enumerate(text, 1):
                try:
                    if line.strip() and not isinstance(json.loads(line), dict):
                        return f'line {number} is no JSON object; write {{"column": value, ...}}'
                except json.JSONDecodeError as error:
                    return f"line {number} is no JSON: {error.msg} at character {error.pos + 1}"
    except UnicodeDecodeError:
        return _not_utf8(path)
    return None


def _sniffed(path: Path) -> str:
    """The delimiter that makes rows as wide as the header, and of several that do the one with the most fields."""
    with _lines(path) as text:
        lines = list(islice((line for line in text if line.strip()), 50))

    def fitness(delimiter: str) -> tuple[bool, bool, int]:
        try:
            widths = [len(row) for row in islice(csv.reader(lines, delimiter=delimiter), 20)]
        except csv.Error:  # fields grow too long without their delimiter
            widths = [0]
        return widths[0] > 1, len(set(widths)) == 1, widths[0]

    return max(_DELIMITERS, key=fitness)


def _names(path: Path, delimiter: str) -> list[str]:
    """The names in the header, without blanks around them, once all rows were found to be as wide.

    pandas would fill up short rows, and counts lines wrongly behind a quoted end of line.
    """
    with _lines(path) as text:
        rows = _rows(text, delimiter)
        names = [name.strip() for name in next(rows, (0, 0, [""]))[2]]
        count = 0
        for first, last, row in rows:
            if len(row) != len(names):
                raise UserError(_uneven(first, last, len(row), len(names), delimiter))
            count += 1
    if not count:
        raise UserError("there are no rows below the line of names; add at least one")
    return names


def _rows(text: TextIO, delimiter: str) -> Iterator[tuple[int, int, list[str]]]:
    """The first line, the last line and the fields of each row that is not blank."""
    first = 1
    # else an open quote may join two rows into one that is as wide
    rows = csv.reader(text, delimiter=delimiter, strict=True)
    try:
        for row in rows:
            if len(row) > 1 or "".join(row).strip():
                yield first, rows.line_num, row
            first = rows.line_num + 1
    except csv.Error as error:
        lines = f"lines {first} to {rows.line_num}" if rows.line_num > first else f"line {first}"
        raise UserError(f'{lines}: {error}; close each quote, and write "" for a " within a field') from None


def _uneven(first: int, last: int, width: int, wanted: int, delimiter: str) -> str:
    sign = "tab" if delimiter == "\t" else delimiter
    remedy = f"add a {sign} for each that is missing" if width < wanted else f"put fields that hold a {sign} in quotes"
    where = f", or close a quote before line {last}" if last > first else ""
    return f"line {first} has {width} field{'s' * (width > 1)}, the header {wanted}; {remedy}{where}"


def _parsed(path: Path, delimiter: str, names: list[str]) -> pd.DataFrame:
    """The columns as pandas reads them, but for those that it makes floats or objects because of gaps."""
    pd = optional("pandas")
    with path.open("rb") as file:
        compression = "gzip" if file.read(2) == _GZIP else None
    # without index_col=False pandas takes the first column for row names where it sees fit
    read = partial(
        pd.read_csv, path, sep=delimiter, names=names, header=0, index_col=False, compression=compression,
        encoding="utf-8-sig", low_memory=False,
    )  # fmt: skip
    try:
        frame = read()
        floats = [place for place, dtype in enumerate(frame.dtypes) if dtype == np.float64]
        gapped = [place for place in floats if _whole_with_gaps(frame.iloc[:, place].to_numpy())]
        texts = read(usecols=gapped, dtype=str) if gapped else frame[[]]
    except ValueError as error:  # of which pandas' are
        raise UserError(one_line(error)) from None
    for name in texts:
        present = texts[name].dropna()
        if present.str.fullmatch(r"\s*[+-]?\d+\s*").all():
            frame[name] = pd.to_numeric(present).astype("Int64").reindex(frame.index)
    for name in [name for name in frame if pd.api.types.is_object_dtype(frame[name].dtype)]:
        held = pd.api.types.infer_dtype(frame[name])
        if held == "boolean":
            frame[name] = frame[name].astype("boolean")
        elif held == "integer":  # of more than 64 bits, which are names rather than numbers
            frame[name] = frame[name].map(str, na_action="ignore")
    return frame


def _whole_with_gaps(values: NDArray[np.float64]) -> bool:
    present = values[~np.isnan(values)]
    return 0 < len(present) < len(values) and bool(((present % 1 == 0) & (abs(present) < 2**63)).all())


def _with_dates(frame: pd.DataFrame) -> pd.DataFrame:
    """Text of which all that is present is ISO dates or times as datetime64."""
    pd = optional("pandas")
    for name in frame:
        present = frame[name].dropna()
        sample = present.iloc[0] if len(present) else None
        if isinstance(sample, str) and re.fullmatch(_ISO, sample) and present.str.fullmatch(_ISO).all():
            try:
                frame[name] = pd.to_datetime(frame[name], format="ISO8601")
            except ValueError:  # such as 2024-02-30
                continue
    return frame
