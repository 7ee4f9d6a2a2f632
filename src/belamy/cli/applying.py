"""Users' pictures and films through a model that answers pictures: files, folders, patterns, stdin."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor
from rich.progress import Progress

from belamy import raster
from belamy.cli.display import console
from belamy.data.decode import SUFFIXES
from belamy.data.gallery import recoloured, to_tensor
from belamy.errors import UserError
from belamy.films import transform
from belamy.hardware import choose_device
from belamy.model import Model
from belamy.run import load
from belamy.translation import Tile, to_pixels

WRITTEN = frozenset({".mp4", ".mkv", ".mov"})
FILMS = WRITTEN | {".m4v", ".webm", ".avi"}
PICTURES = SUFFIXES | {".npy"}
STREAM = "-"
MASK = "_mask"
"""What follows the name of a picture in that of the file beside it which says where its holes are."""


@dataclass(frozen=True)
class Wishes:
    """How pictures are to be answered, as ``Model.apply`` takes it; and ``mask``, a file or a folder, or ``key``."""

    mask: Path | None = None
    key: str | None = None
    strength: float | None = None
    denoise: float | None = None
    backwards: bool = False
    tile: Tile = "auto"
    precision: str = "fp32"


def parse_tile(text: str) -> Tile:
    """``auto``, ``none`` or a number of pixels."""
    if text in ("auto", "none"):
        return None if text == "none" else "auto"
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    raise UserError(f"--tile {text} should be a number of pixels, auto or none")


def write_answers(source: str, inputs: Sequence[str], out: str, wishes: Wishes, device: str, quiet: bool) -> int:
    """Writes the model's answer to each input; returns how many there were."""
    pairs = _planned(inputs, out)
    model = load(source, str(choose_device(device)))
    if not model.game.answers:
        raise UserError("this model makes pictures from nothing: belamy sample")
    if model.facts.get("task") == "inpaint":
        pairs = [(start, end) for start, end in pairs if start == STREAM or not Path(start).stem.endswith(MASK)]
    with Progress(console=console, disable=quiet or not console.is_terminal) as bars:
        everything = bars.add_task("applying", total=len(pairs)) if len(pairs) > 1 else None
        for start, end in pairs:
            task = bars.add_task(Path(start).name, total=1)

            def tell(done: int, total: int, task: Any = task) -> None:
                bars.update(task, completed=done, total=total)

            _answer_file(model, start, end, wishes, tell)
            bars.remove_task(task)
            if everything is not None:
                bars.advance(everything)
    return len(pairs)


def _planned(inputs: Sequence[str], out: str) -> list[tuple[str, str]]:
    """Each input with the file that its answer goes to. Raises UserError before anything is read."""
    files = [(start, name) for given in inputs for start, name in _found(given)]
    if out == STREAM or (Path(out).suffix.lower() in PICTURES | FILMS and not Path(out).is_dir()):
        if len(files) > 1:
            raise UserError(f"{len(files)} pictures do not go into one file: --out a folder")
        pairs = [(files[0][0], out)]
    elif Path(out).suffix and not Path(out).is_dir():
        raise UserError(f"--out {out} should be a folder, or end in one of {', '.join(sorted(PICTURES | WRITTEN))}")
    elif any(start == STREAM for start, _ in files):
        raise UserError("a picture from stdin has no name: --out a file, or - for stdout")
    else:
        pairs = [(start, str(Path(out) / _written(name))) for start, name in files]
    twice, most = Counter(end for _, end in pairs).most_common(1)[0]
    if most > 1:
        raise UserError(f"two of the inputs would be written to {twice}: apply them one after the other")
    for start, end in pairs:
        if start != STREAM and Path(end).resolve() == Path(start).resolve():
            raise UserError(f"{end} would be overwritten by its own answer: choose another --out")
    return pairs


def _written(name: str) -> str:
    """The same name, but for what is of a kind that is read only."""
    suffix = Path(name).suffix.lower()
    if suffix in FILMS - WRITTEN:
        return str(Path(name).with_suffix(".mp4"))
    return name if suffix in {*WRITTEN, *raster.SUFFIXES} else str(Path(name).with_suffix(".png"))


def _found(given: str) -> list[tuple[str, str]]:
    """Files of an input, each with its name within it."""
    if given == STREAM:
        return [(STREAM, STREAM)]
    path = Path(given)
    if path.is_dir():
        names = sorted(
            file for file in path.rglob("*")
            if file.suffix.lower() in PICTURES | FILMS and file.is_file()
            and not any(part.startswith(".") for part in file.relative_to(path).parts)
        )  # fmt: skip
        if not names:
            raise UserError(f"{given} holds no pictures and no films")
        return [(str(file), str(file.relative_to(path))) for file in names]
    if path.is_file():
        return [(given, path.name)]
    anchor = Path(path.anchor or ".")
    try:
        found = sorted(file for file in anchor.glob(str(path.relative_to(path.anchor))) if file.is_file())
    except ValueError as error:
        raise UserError(f"{given} is no pattern of files: {error}") from None
    if not found:
        raise UserError(f"there is no {given}")
    return [(str(file), file.name) for file in found]


def _answer_file(model: Model, start: str, end: str, wishes: Wishes, tell: Any) -> None:
    ask = partial(
        model.apply, strength=wishes.strength, denoise=wishes.denoise, backwards=wishes.backwards, tile=wishes.tile,
        precision=wishes.precision,
    )  # fmt: skip
    if Path(start).suffix.lower() in FILMS:
        if wishes.mask is not None or wishes.key is not None:
            raise UserError("a film has no mask")
        transform(Path(start), Path(end), lambda frame: _colour(ask(frame)), tell)
        return
    picture = raster.read(sys.stdin.buffer if start == STREAM else Path(start))
    answer = ask(picture.pixels, mask=_mask(model, picture.pixels, start, wishes), progress=tell)
    place, suffix = (sys.stdout.buffer, ".png") if end == STREAM else (Path(end), Path(end).suffix)
    raster.write(picture.repainted(answer), place, suffix)


def _colour(frame: NDArray[Any]) -> NDArray[np.uint8]:
    """An answer [H, W, C] as a film takes it: [H, W, 3]."""
    return to_pixels(recoloured(to_tensor(frame), 3), np.uint8)


def _mask(model: Model, pixels: NDArray[Any], start: str, wishes: Wishes) -> NDArray[Any] | None:
    """Where holes are: as --mask or --key say, or the file beside the picture; None: its alpha will tell."""
    if wishes.key is not None:
        if wishes.mask is not None:
            raise UserError("--mask and --key both say where holes are: give one")
        try:
            colour = ImageColor.getrgb(wishes.key)[:3]
        except ValueError:
            raise UserError(f"--key {wishes.key!r} is not a colour; write #ff00ff, or a name") from None
        if pixels.shape[2] not in (3, 4) or pixels.dtype != np.uint8:
            raise UserError("--key is for colour pictures of 8 bits: give --mask")
        return np.asarray((pixels[..., :3] == colour).all(2))
    path = wishes.mask
    if path is not None and path.is_dir():
        path = next((one for one in sorted(path.iterdir()) if one.stem == Path(start).stem), path / Path(start).name)
    if path is None and model.facts.get("task") == "inpaint" and start != STREAM:
        beside = Path(start).with_name(f"{Path(start).stem}{MASK}.png")
        path = beside if beside.is_file() else None
    if path is None:
        return None
    return raster.read(path).pixels
