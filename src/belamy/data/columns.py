"""Pictures in columns: parquet files, numpy archives, and Hugging Face datasets."""

from __future__ import annotations

import importlib
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from belamy.archives import archive
from belamy.data.shelf import HELDOUT, Item, Opener, PictureError, Run, Shelf, halves
from belamy.data.tellings import COLUMNS, texts
from belamy.errors import UserError

IMAGES = ("image", "images", "img", "picture")
PAIRS = (("A", "B"), ("source", "target"), ("input", "output"))
"""Columns that hold two pictures which belong together."""
LABELS = ("label", "labels", "class", "target", "y", "fine_label")
RUN = 1000
"""Rows of a Hugging Face dataset that are read in a row."""
TRAINING = (("x_train", "y_train"), ("images", "labels"), ("x", "y"))
TESTING = (("x_val", "y_val"), ("x_test", "y_test"))


def parquet(files: list[tuple[str, Path]]) -> Shelf:
    """Parquet files, by their names in what the user gave, that have a column of picture bytes."""
    arrow = _optional("pyarrow.parquet", "tables")
    try:
        return _parquet(arrow, files)
    except (OSError, ValueError, LookupError, NotImplementedError) as error:  # pyarrow's own errors are of these kinds
        raise UserError(f"the parquet files in {files[0][1].parent} cannot be read: {_line(error)}") from None


def _parquet(arrow: Any, files: list[tuple[str, Path]]) -> Shelf:
    schema = arrow.read_schema(files[0][1])
    types = {field.name: str(field.type) for field in schema}
    found = [name for name, kind in types.items() if re.match(r"(large_)?binary|struct<.*bytes:", kind)]
    pair = next((pair for pair in PAIRS if set(pair) <= set(found)), None)
    image = pair[0] if pair else _first(IMAGES, found)
    if image is None:
        raise UserError(f"{files[0][1]} has no column of picture bytes, only {', '.join(types)}")
    told = json.loads((schema.metadata or {}).get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    classes = {name: feature["names"] for name, feature in told.items() if feature.get("_type") == "ClassLabel"}
    plain = [name for name in LABELS if re.match("u?int|string|large_string|dictionary", types.get(name, ""))]
    label = _first(LABELS, [name for name in classes if name in types] or plain)
    names = classes.get(label or "")
    words = [name for name, kind in types.items() if re.match("(large_)?string|(large_)?list<.*string", kind)]
    said = next((name for name in COLUMNS if name in words), None)
    sides = halves(part_of(name) for name, _ in files)
    files = [(name, path) for name, path in files if not sides or part_of(name) in sides]
    if pair:
        return _paired(arrow, files, pair, sides)
    items: list[Item] = []
    for name, path in files:
        count = arrow.ParquetFile(path).metadata.num_rows
        labels, told = (
            arrow.read_table(path, columns=[column]).column(0).to_pylist() if column else [None] * count
            for column in (label, said)
        )
        side = sides.get(part_of(name))
        items += [
            Item(f"{name}[{row}]", _named(value, names), side, texts=texts(told[row] or (), f"{said} of {name}[{row}]"))
            for row, value in enumerate(labels)
        ]

    return Shelf(items, [run for name, path in files for run in _runs(arrow, name, path, image)], names)


def _paired(arrow: Any, files: list[tuple[str, Path]], pair: tuple[str, str], sides: dict[str, bool]) -> Shelf:
    """Two columns of pictures as if they were in folders A and B."""
    order = [(name, path, kind, column) for name, path in files for kind, column in zip("AB", pair, strict=True)]
    items = [
        Item(f"{kind}/{name.replace('.', '-')}-{row}", None, sides.get(part_of(name)))
        for name, path, kind, _ in order for row in range(arrow.ParquetFile(path).metadata.num_rows)
    ]  # fmt: skip
    return Shelf(items, [run for name, path, _, column in order for run in _runs(arrow, name, path, column)])


def _runs(arrow: Any, name: str, path: Path, column: str) -> list[Run]:
    """One for each group of rows, which can be read without those before it."""
    about = arrow.ParquetFile(path).metadata
    return [
        (about.row_group(group).num_rows, partial(_cells, arrow, name, path, column, group))
        for group in range(about.num_row_groups)
    ]


def _cells(arrow: Any, name: str, path: Path, column: str, group: int) -> Iterator[Opener]:
    try:
        for batch in arrow.ParquetFile(path).iter_batches(64, row_groups=[group], columns=[column]):
            yield from (partial(_file, value) for value in batch.column(0).to_pylist())
    except (OSError, ValueError) as error:
        raise UserError(f"{name} is damaged: {_line(error)}; download it again") from None


def part_of(name: str) -> str:
    """The word in a file's name that says which part of the data it is; empty where none does."""
    parts = ("train", "training", *HELDOUT)
    return next((word for word in re.split(r"[-_./]", name.lower()) if word in parts), "")


def _file(value: Any, paths: bool = False) -> io.BytesIO:
    """The bytes of a cell: plain, or Hugging Face's {bytes, path}. Only trusted paths are followed."""
    data = value["bytes"] if isinstance(value, dict) else value
    if data is None and paths and value["path"]:
        data = Path(value["path"]).read_bytes()
    if data is None:
        raise PictureError("no bytes in its cell")
    return io.BytesIO(data)


def npz(path: Path) -> Shelf:
    """A numpy archive of pictures [N, H, W] or [N, H, W, C], with labels [N] and a test part or without."""
    with archive(path) as opened:
        arrays = {name: opened[name] for pair in TRAINING + TESTING for name in pair if name in opened.files}
        found = ", ".join(opened.files)
    training = next((pair for pair in TRAINING if pair[0] in arrays), None)
    if training is None:
        raise UserError(f"{path} holds {found}; name the pictures x (and the classes y), or x_train and x_test")
    testing = next((pair for pair in TESTING if pair[0] in arrays), None)
    pairs = [training, testing] if testing else [training]
    pixels = _bytes_of([arrays[x] for x, _ in pairs], str(path))
    items: list[Item] = []
    for (x, y), side in zip(pairs, (False, True) if testing else (None,), strict=True):
        labels = _labels(arrays.get(y), len(arrays[x]), f"{y} in {path}")
        items += [Item(f"{x}[{row}]", label, side) for row, label in enumerate(labels)]
    return Shelf(items, [(len(part), partial(_rows, part)) for part in pixels])


def _rows(pictures: NDArray[np.uint8]) -> Iterator[Opener]:
    return (partial(pictures.__getitem__, row) for row in range(len(pictures)))


def _bytes_of(parts: Sequence[NDArray[Any]], path: str) -> list[NDArray[np.uint8]]:
    """The same pictures as uint8: counts to 16 (and fractions to 1) are stretched to 255, wider ones shrunk to it."""
    for part in parts:
        if (
            part.ndim not in (3, 4)
            or (part.ndim == 4 and part.shape[-1] not in (1, 3, 4))
            or part.dtype.kind not in "uifb"
        ):
            shape = ", ".join(map(str, part.shape))
            raise UserError(
                f"{path} has an array [{shape}] of {part.dtype}; pictures are numbers [N, H, W] or [N, H, W, C]"
            )
    low, high = (float(end([end(part) for part in parts if part.size] or [0])) for end in (np.min, np.max))
    if not (np.isfinite(low) and np.isfinite(high)):
        raise UserError(f"{path} has pixels that are not finite; replace them")
    base = low if low < 0 else 0.0
    full = 65535.0 if parts[0].dtype == np.uint16 and high > 255 else high - base
    scale = 1.0 if base == 0 and 16 < full <= 255 else 255 / (full or 1)
    whole = [part[..., 0] if part.ndim == 4 and part.shape[-1] == 1 else part for part in parts]
    if scale == 1 and all(part.dtype == np.uint8 for part in whole):
        return whole
    return [((part - base) * scale).round().astype(np.uint8) for part in whole]


def _labels(values: NDArray[Any] | None, count: int, name: str) -> list[str | None]:
    if values is None:
        return [None] * count
    flat = values.reshape(-1)
    if flat.dtype.kind == "f" and (flat == flat.round()).all():
        flat = flat.astype(np.int64)
    if len(flat) != count or flat.dtype.kind not in "iubUS":
        raise UserError(
            f"{name} is {values.dtype} {list(values.shape)}; {count} pictures need {count} integers or names"
        )
    return [label.decode() if isinstance(label, bytes) else str(label) for label in flat.tolist()]


def hub(name: str, certain: bool) -> tuple[list[tuple[str, int, object]], Callable[[], Shelf]]:
    """A dataset of Hugging Face by its name: a stamp that changes with it, and what lists it."""
    try:
        datasets = _optional("datasets", "datasets")
    except UserError as error:
        raise UserError(f"{'' if certain else f'there is no folder or file {name}; as a data set, '}{error}") from None
    try:
        loaded = datasets.load_dataset(name)
    except Exception as error:  # the library raises whatever its network, scripts and formats raise
        raise UserError(f"{name} is no path, and Hugging Face cannot load it: {_line(error)}") from None
    stamp = [(split, len(part), str(part._fingerprint)) for split, part in loaded.items()]
    return cast("list[tuple[str, int, object]]", stamp), partial(_splits, loaded, name)


def disk(folder: Path) -> Shelf:
    """A folder that Hugging Face's ``save_to_disk`` wrote."""
    datasets = _optional("datasets", "datasets")
    try:
        return _splits(datasets.load_from_disk(str(folder)), str(folder))
    except (OSError, ValueError) as error:
        raise UserError(f"{folder} is not a data set that Hugging Face can load: {_line(error)}") from None


def _splits(loaded: Any, name: str) -> Shelf:
    kinds = importlib.import_module("datasets")
    splits: dict[str, Any] = dict(loaded) if isinstance(loaded, dict) else {"": loaded}
    sides = halves(splits)
    chosen = {split: part for split, part in splits.items() if not sides or split in sides}
    features = next(iter(chosen.values())).features
    image = _first(IMAGES, [column for column, kind in features.items() if isinstance(kind, kinds.Image)])
    if image is None:
        raise UserError(f"{name} has no column of pictures, only {', '.join(features)}")
    classes = {column: kind.names for column, kind in features.items() if isinstance(kind, kinds.ClassLabel)}
    plain = [column for column in LABELS if re.match("u?int|string", getattr(features.get(column), "dtype", ""))]
    label = _first(LABELS, list(classes) or plain)
    names = classes.get(label or "")
    said = next((name for name in COLUMNS if name in features), None)
    items: list[Item] = []
    for split, part in chosen.items():
        labels, told = (list(part[column]) if column else [None] * len(part) for column in (label, said))
        side = sides.get(split)
        items += [
            Item(name, _named(value, names), side, texts=texts(told[row] or (), f"{said} of {name}"))
            for row, value in enumerate(labels) if (name := f"{split}[{row}]")
        ]

    def opened(part: Any, rows: range) -> Iterator[Opener]:
        for row in part.select(rows).select_columns([image]).cast_column(image, kinds.Image(decode=False)):
            yield partial(_file, row[image], paths=True)

    runs: list[Run] = []
    for part in chosen.values():
        chunks = (range(len(part))[start : start + RUN] for start in range(0, len(part), RUN))
        runs += [(len(rows), partial(opened, part, rows)) for rows in chunks]
    return Shelf(items, runs, names)


def _named(label: Any, names: list[str] | None) -> str | None:
    if names is None or not isinstance(label, int):
        return None if label is None else str(label)
    return names[label] if 0 <= label < len(names) else None


def _first(preferred: Sequence[str], names: list[str]) -> str | None:
    return next((name for name in preferred if name in names), names[0] if names else None)


def _optional(module: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise UserError(f"{module.split('.')[0]} is needed: pip install 'belamy[{extra}]'") from None


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0] or type(error).__name__
