"""Samples to disk, as many as are asked for, in bounded memory."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterable, Iterator
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from belamy.cli.display import console
from belamy.errors import UserError
from belamy.game import Batch
from belamy.hardware import choose_device
from belamy.model import CHUNK, Model
from belamy.pictures import class_grid, grid, scatter, to_pil, to_uint8
from belamy.run import load
from belamy.storage import whole_file

GRID = 4096
"""Pictures in a grid, at most: more are not seen by anyone."""


def write_samples(
    source: str, n: int, seed: int, name: str | None, attributes: str | None, truncation: float | None, out: Path,
    device: str, quiet: bool,
) -> int:  # fmt: skip
    """Writes ``n`` samples to a ``.npz``, a ``.png`` grid, or a folder of PNGs; returns how many."""
    if out.suffix not in ("", ".png", ".npz"):
        raise UserError(f"--out {out} should be a folder, a .png or a .npz")
    if out.suffix == ".png" and n > GRID:
        raise UserError(f"a grid of {n:,} pictures is too large to look at: --out a folder or a .npz")
    if out.suffix == "" and out.is_dir() and any(out.iterdir()):
        raise UserError(f"{out} is not empty; choose another --out")
    model = load(source, str(choose_device(device)))
    if out.suffix == "" and model.codec.key != "image":
        raise UserError(f"{model.codec.plural} do not go into a folder of pictures: --out x.npz, or a .png to look at")
    if name is not None:
        model.codec.index(name)
    traits = None
    if attributes is not None:
        traits = [trait for trait in map(str.strip, attributes.split(",")) if trait]
        model.codec.flags(traits)
    batches: Iterator[Batch] = model.batches(n, seed, name, truncation, attributes=traits)
    shown = track(
        batches, "sampling", total=-(-n // CHUNK), console=console, disable=quiet or not console.is_terminal
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    {"": _folder, ".png": _grid, ".npz": _archive}[out.suffix](model, shown, n, out)
    return n


def _grid(model: Model, batches: Iterable[Batch], n: int, out: Path) -> None:
    decode = model.codec.decode
    held = [
        (decode(batch[model.codec.key]), batch["class"].cpu().numpy() if "class" in batch else None)
        for batch in batches
    ]
    pixels = np.concatenate([images for images, _ in held])
    if model.codec.key == "points":
        scatter(pixels).save(out)
        return
    if model.facts.get("classes") and held[0][1] is not None:
        labels = np.concatenate([label for _, label in held if label is not None])
        if len(set(labels.tolist())) > 1:
            class_grid(pixels, labels, model.facts["classes"]).save(out)
            return
    grid(pixels).save(out)


def _archive(model: Model, batches: Iterable[Batch], n: int, out: Path) -> None:
    """``images`` uint8 [N, H, W, C], or ``points`` float32 [N, D], is streamed into the file.

    ``labels`` int64 [N] and ``attributes`` uint8 [N, A] follow where there are classes and attributes.
    """
    asked: dict[str, list[NDArray[Any]]] = {"labels": [], "attributes": []}
    with whole_file(out) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as file:
        with file.open(f"{model.codec.plural}.npy", "w", force_zip64=True) as entry:
            for index, batch in enumerate(batches):
                rows = model.codec.decode(batch[model.codec.key])
                if index == 0:
                    _header(entry, (n, *rows.shape[1:]), rows.dtype.str)
                entry.write(rows.tobytes())
                if "class" in batch:
                    asked["labels"].append(batch["class"].cpu().numpy().astype("<i8"))
                if "attributes" in batch:
                    asked["attributes"].append(batch["attributes"].cpu().numpy().astype("u1"))
        for name, parts in asked.items():
            if parts:
                whole = np.concatenate(parts)
                with file.open(f"{name}.npy", "w") as entry:
                    _header(entry, whole.shape, whole.dtype.str)
                    entry.write(whole.tobytes())


def _header(entry: Any, shape: tuple[int, ...], kind: str) -> None:
    np.lib.format.write_array_header_1_0(entry, {"descr": kind, "fortran_order": False, "shape": shape})


def _folder(model: Model, batches: Iterable[Batch], n: int, out: Path) -> None:
    """PNGs by number, and ``metadata.jsonl`` of what they should show: a folder that can be trained on again."""
    existed = out.exists()
    out.mkdir(parents=True, exist_ok=True)
    digits, number = max(6, len(str(n - 1))), 0
    classes, attributes = model.facts.get("classes") or [], model.codec.attributes
    try:
        with (out / "metadata.jsonl").open("w", encoding="utf-8") as lines:
            for batch in batches:
                labels = batch["class"].tolist() if "class" in batch else None
                traits = batch["attributes"].tolist() if "attributes" in batch else None
                for row, picture in enumerate(to_uint8(batch["image"])):
                    name = f"{number:0{digits}d}.png"
                    to_pil(picture).save(out / name)
                    kind: dict[str, Any] = {"label": classes[labels[row]]} if labels is not None else {}
                    if traits is not None:
                        kind["attributes"] = list(compress(attributes, traits[row]))
                    lines.write(json.dumps({"file_name": name, **kind}) + "\n")
                    number += 1
    except BaseException:
        if not existed:
            shutil.rmtree(out, ignore_errors=True)
        raise
