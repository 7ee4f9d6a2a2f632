"""Samples to disk, as many as are asked for, in bounded memory."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from belamy.cli.display import console
from belamy.codec import ImageCodec
from belamy.edits.mix import AMOUNTS, mix, sweep
from belamy.edits.walk import between, walk
from belamy.errors import UserError
from belamy.films import RATE, write_film
from belamy.game import Batch
from belamy.hardware import choose_device
from belamy.model import Model
from belamy.ops.adversarial import Loss
from belamy.ops.processes import dealing, joined, leads
from belamy.pictures import class_grid, grid, scatter, to_pil
from belamy.run import load
from belamy.storage import read_json, whole_file
from belamy.text.prompts import Prompt

GRID = 4096
"""Pictures in a grid, at most: more are not seen by anyone."""

SHEET = 32
"""Rows of a sheet of mixed styles or of truncations, at most."""


@joined()
@dealing("one")
def write_samples(
    source: str, n: int, seed: int, name: str | None, attributes: str | None, truncation: float | None, out: Path,
    device: str, quiet: bool, sign: bool = False, prompts: Sequence[Prompt] = (),
) -> int:  # fmt: skip
    """Writes ``n`` samples, or so many of each prompt, to a ``.npz``, a ``.png`` grid, or a folder of PNGs.

    Returns how many. Where torchrun started several processes, all make them and one writes. With ``sign`` each bears
    the formula of the game that made it, as the Portrait of Edmond de Belamy does.
    """
    if out.suffix not in ("", ".png", ".npz"):
        hint = "; films are for --interpolate" if out.suffix in (".gif", ".mp4") else ""
        raise UserError(f"--out {out} should be a folder, a .png or a .npz{hint}")
    if out.suffix == ".png" and n > GRID:
        raise UserError(f"a grid of {n:,} pictures is too large to look at: --out a folder or a .npz")
    if out.suffix == "" and out.is_dir() and any(out.iterdir()):
        raise UserError(f"{out} is not empty; choose another --out")
    model = load(source, str(choose_device(device)))
    if model.codec.key == "row":
        raise UserError(f"rows of a table do not go into {out}: --out rows.parquet, or .csv")
    if out.suffix == "" and model.codec.key != "image":
        raise UserError(f"{model.codec.plural} do not go into a folder of pictures: --out x.npz, or a .png to look at")
    if sign:
        _sign(model)
    if name is not None:
        model.codec.index(name)
    traits = _traits(model, attributes)
    said: list[Prompt | None] = [*prompts] or [None]
    for one in said:
        model.told(one)
    if truncation is not None:
        model.given(1, truncation=truncation)  # a game that cannot says so before a file is begun
    batches = (
        batch for one in said for batch in model.batches(n, seed, name, truncation, attributes=traits, prompt=one)
    )
    if not leads():
        deque(batches, 0)
        return 0
    steps = len(said) * -(-n // model.codec.chunk)
    shown = track(batches, "sampling", total=steps, console=console, disable=quiet or not console.is_terminal)
    out.parent.mkdir(parents=True, exist_ok=True)
    texts = [one.text for one in prompts for _ in range(n)]
    {"": _folder, ".png": _grid, ".npz": _archive}[out.suffix](model, shown, n * len(said), out, texts)
    return n * len(said)


def makes_series(source: str) -> bool:
    """Whether a run or a folder holds a model of series; False for what is not there, which others complain of."""
    folder = Path(source)
    places = (folder / "config.json", folder / "model" / "config.json")
    config: dict[str, Any] = next((read_json(place) for place in places if place.is_file()), {})
    return bool(config.get("facts", {}).get("kind") == "series")


def read_prompts(
    given: Sequence[str] | None, file: Path | None, negative: str | None, guidance: float | None
) -> list[Prompt]:
    """The prompts of the command line, and those in a file, a line each. Raises UserError where it cannot be read."""
    texts = list(given or ())
    if file is not None:
        try:
            texts += [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"--prompts {file} cannot be read: {error}") from None
        if not texts:
            raise UserError(f"--prompts {file} holds no line")
    if not texts and (negative, guidance) != (None, None):
        raise UserError("--negative and --guidance want a --prompt beside them")
    return [Prompt(text, negative, guidance) for text in texts]


def _sign(model: Model) -> None:
    loss = getattr(model.game, "loss", None)
    if not isinstance(loss, Loss) or not isinstance(model.codec, ImageCodec):
        raise UserError("--sign is for pictures whose game is one of the losses by name")
    model.codec.signature = loss.formula


def _traits(model: Model, attributes: str | None) -> list[str] | None:
    """The names in ``a,b``. Raises UserError for one that the model does not know."""
    if attributes is None:
        return None
    traits = [trait for trait in map(str.strip, attributes.split(",")) if trait]
    model.codec.flags(traits)
    return traits


def write_walk(
    source: str, stations: int, seed: int, name: str | None, attributes: str | None, truncation: float | None,
    out: Path, device: str, quiet: bool, prompts: Sequence[Prompt] = (),
) -> int:
    """Writes a film of a loop through so many samples, or through the prompts, a second to each.

    To a ``.png`` goes a strip of ``stations`` pictures from the first prompt to the last. Returns the number of frames.
    """  # fmt: skip
    model = load(source, str(choose_device(device)))
    if out.suffix == ".png" and prompts:
        pixels = between(model, prompts, stations, seed=seed)
        out.parent.mkdir(parents=True, exist_ok=True)
        grid(pixels, stations).save(out)
        return stations
    count = (len(prompts) or stations) * RATE
    traits = _traits(model, attributes)
    frames = walk(
        model, stations, RATE, seed=seed, classes=name, truncation=truncation, attributes=traits, prompts=prompts
    )
    shown = track(frames, "walking", total=count, console=console, disable=quiet or not console.is_terminal)
    write_film(shown, out)
    return count


def write_sheet(
    source: str, n: int | None, seed: int, name: str | None, attributes: str | None, truncation: float | None,
    out: Path, device: str, mixed: bool,
) -> int:
    """Writes styles of ``n`` samples mixed with those of as many others, or ``n`` samples at rising truncation.

    Returns how many pictures there are on the sheet.
    """  # fmt: skip
    n = n or (6 if mixed else 8)
    if out.suffix != ".png":
        raise UserError(f"--out {out} should be a .png: this is one sheet")
    if n > SHEET:
        raise UserError(f"a sheet of {n} rows is too large to look at: -n {SHEET} at most")
    if truncation is not None and not mixed:
        raise UserError("--sweep shows truncations from 0 to 1: leave --truncation out")
    model = load(source, str(choose_device(device)))
    if model.codec.key != "image":
        raise UserError(f"sheets are of pictures, and this model makes {model.codec.plural}")
    traits = _traits(model, attributes)
    if mixed:
        pixels = mix(model, n, n, seed=seed, classes=name, truncation=truncation, attributes=traits)
        sheet = grid(pixels, n + 1)
    else:
        pixels = sweep(model, n, AMOUNTS, seed=seed, classes=name, attributes=traits)
        sheet = grid(pixels, len(AMOUNTS), captions=[f"{amount:g}" for amount in AMOUNTS] * n)
    out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(out)
    return len(pixels)


def _grid(model: Model, batches: Iterable[Batch], n: int, out: Path, texts: Sequence[str]) -> None:
    decode = model.codec.decode
    held = [
        (decode(batch[model.codec.key]), batch["class"].cpu().numpy() if "class" in batch else None)
        for batch in batches
    ]
    pixels = np.concatenate([images for images, _ in held])
    if model.codec.key == "points":
        scatter(pixels).save(out)
        return
    if len(set(texts)) > 1:
        said = list(dict.fromkeys(texts))
        class_grid(pixels, np.array([said.index(text) for text in texts]), said, rows=len(said)).save(out)
        return
    if model.facts.get("classes") and held[0][1] is not None:
        labels = np.concatenate([label for _, label in held if label is not None])
        if len(set(labels.tolist())) > 1:
            class_grid(pixels, labels, model.facts["classes"]).save(out)
            return
    grid(pixels).save(out)


def _archive(model: Model, batches: Iterable[Batch], n: int, out: Path, texts: Sequence[str]) -> None:
    """``images`` uint8 [N, H, W, C], or ``points`` float32 [N, D], is streamed into the file.

    ``labels`` int64 [N] and ``attributes`` uint8 [N, A] follow where there are classes and attributes, ``prompts`` [N]
    where there were any.
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
        if texts:
            with file.open("prompts.npy", "w") as entry:
                np.lib.format.write_array(entry, np.array(texts), allow_pickle=False)
        for name, parts in asked.items():
            if parts:
                whole = np.concatenate(parts)
                with file.open(f"{name}.npy", "w") as entry:
                    _header(entry, whole.shape, whole.dtype.str)
                    entry.write(whole.tobytes())


def _header(entry: Any, shape: tuple[int, ...], kind: str) -> None:
    np.lib.format.write_array_header_1_0(entry, {"descr": kind, "fortran_order": False, "shape": shape})


def _folder(model: Model, batches: Iterable[Batch], n: int, out: Path, texts: Sequence[str]) -> None:
    """PNGs by number, and ``metadata.jsonl`` of what they should show: a folder that can be trained on again."""
    begun = out.with_name(f".{out.name}.part")
    shutil.rmtree(begun, ignore_errors=True)  # of one that was killed
    begun.mkdir(parents=True)
    digits, number = max(6, len(str(n - 1))), 0
    classes, attributes = model.facts.get("classes") or [], model.codec.attributes
    try:
        with (begun / "metadata.jsonl").open("w", encoding="utf-8") as lines:
            for batch in batches:
                labels = batch["class"].tolist() if "class" in batch else None
                traits = batch["attributes"].tolist() if "attributes" in batch else None
                for row, picture in enumerate(model.codec.decode(batch["image"])):
                    name = f"{number:0{digits}d}.png"
                    to_pil(picture).save(begun / name)
                    kind: dict[str, Any] = {"label": classes[labels[row]]} if labels is not None else {}
                    if texts:
                        kind["text"] = texts[number]
                    if traits is not None:
                        kind["attributes"] = list(compress(attributes, traits[row]))
                    lines.write(json.dumps({"file_name": name, **kind}) + "\n")
                    number += 1
        begun.replace(out)
    finally:
        shutil.rmtree(begun, ignore_errors=True)
