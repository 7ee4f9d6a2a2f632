"""Pictures at their own sizes and depths, decoded once into one file that is mapped to memory."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from belamy.data.cache import committed, kept, room
from belamy.data.decode import SUFFIXES
from belamy.data.files import Place, find
from belamy.data.pack import Bad, read, tolerate
from belamy.data.shelf import Item, Opener, PictureError, Shelf
from belamy.errors import UserError
from belamy.raster import read as read_raster

SIDE_BY_SIDE = ("A", "B")
WHITE = 1.0


@dataclass(frozen=True)
class Gallery:
    """The readable pictures of a place.

    ``names`` [N]; ``shapes`` [N, 3] are heights, widths and channels; ``depths`` [N] bits of a value, 8 or 16;
    ``hashes`` [N, 16] of the pixels; ``heldout`` [N] what the data says of it: 1, 0, or -1 where it says nothing.
    ``bad`` are those that cannot be read.
    """

    path: str
    names: list[str]
    shapes: NDArray[np.int64]
    depths: NDArray[np.int64]
    hashes: NDArray[np.uint8]
    heldout: NDArray[np.int8]
    bad: Bad
    _offsets: NDArray[np.int64]
    _bytes: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.names)

    def pixels(self, row: int) -> NDArray[Any]:
        """Picture ``row`` as it was found: uint8 or uint16 [H, W, C], mapped from the file."""
        start, size = self._offsets[row], int(self.shapes[row].prod()) * int(self.depths[row]) // 8
        flat = self._bytes[start : start + size].view(np.uint8 if self.depths[row] == 8 else np.uint16)
        return flat.reshape(tuple(self.shapes[row]))

    def cut(self, row: int, channels: int, top: int, left: int, height: int, width: int) -> Tensor:
        """A part of picture ``row`` as float32 [channels, height, width] in [-1, 1]."""
        return recoloured(to_tensor(self.pixels(row)[top : top + height, left : left + width]), channels)

    def channels(self, rows: Sequence[int], wanted: int | None, setting: str) -> int:
        """How many channels these pictures have, or are to be given. Raises UserError where that is no clear choice."""
        found = sorted({int(count) for count in self.shapes[list(rows), 2]})
        if wanted is None and len(found) > 1:
            each = " and ".join(map(str, found))
            raise UserError(f"{self.path} mixes pictures of {each} channels: choose with --set {setting}={found[-1]}")
        wanted = wanted or found[0]
        if strange := [count for count in found if count != wanted and max(count, wanted) > 4]:
            raise UserError(f"{self.path} has pictures of {strange[0]} channels, which do not become {wanted}")
        return wanted


def to_tensor(pixels: NDArray[Any]) -> Tensor:
    """uint8 or uint16 [H, W, C] as float32 [C, H, W] in [-1, 1]."""
    half = np.iinfo(pixels.dtype).max / 2
    return torch.from_numpy(pixels.astype(np.float32)).div_(half).sub_(1).permute(2, 0, 1)


def recoloured(image: Tensor, channels: int) -> Tensor:
    """A picture [C, H, W] of 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA) channels with as many ``channels``.

    What is transparent is laid on white where alpha has to go; grey is the luma of ITU-R BT.601.
    """
    if len(image) == channels:
        return image
    colours, alpha = (image[:-1], image[-1:]) if len(image) in (2, 4) else (image, torch.ones_like(image[:1]))
    if channels not in (2, 4):
        colours = WHITE + (colours - WHITE) * (alpha + 1) / 2
    if channels in (1, 2) and len(colours) == 3:
        colours = (colours * colours.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(0, keepdim=True)
    colours = colours.expand(3 if channels > 2 else 1, -1, -1)
    return torch.cat([colours, alpha]) if channels in (2, 4) else colours


def gallery(path: str, size: int | None = None, halved: bool = False, bad_limit: float = 0.05) -> Gallery:
    """The pictures at ``path``, decoded on first use; ``size``: shrunk or enlarged to so many pixels on their shorter
    side.

    ``halved`` takes each for two pictures side by side, "A/name" and "B/name". Raises UserError for what cannot be
    read, or is not there.
    """
    place = _place(str(path))
    name = f"gallery-{size or 'own'}{'-halved' * halved}"
    folder = kept(place, name)
    if folder is None:
        folder = room(place, name, sum(max(bytes_, 0) for _, bytes_, _ in place.stamp) * 4)
        with committed(folder) as new:
            _pack(place, new, size, halved)
    try:
        with np.load(folder / "rows.npz", allow_pickle=False) as rows:
            shapes, depths, hashes, heldout, offsets = (rows[name] for name in
                                                        ("shapes", "depths", "hashes", "heldout", "offsets"))
        stored = np.memmap(folder / "pixels.bin", np.uint8, "r")
        index = json.loads((folder / "index.json").read_text())
    except (OSError, ValueError, LookupError, zipfile.BadZipFile):
        raise UserError(f"what was decoded to {folder} is damaged; delete that folder") from None
    tolerate(place.path, index["bad"], index["count"], bad_limit)
    return Gallery(place.path, index["names"], shapes, depths, hashes, heldout, index["bad"], offsets, stored)


def _place(path: str) -> Place:
    """What ``find`` says, but for one picture alone, which is enough here."""
    file = Path(path).expanduser()
    if not file.is_file() or file.suffix.lower() not in SUFFIXES:
        return find(path)
    status = file.stat()
    stamp: list[tuple[str, int, object]] = [(file.name, status.st_size, status.st_mtime_ns)]
    only = Shelf([Item(file.name, None, None)], [(1, lambda: [lambda: file.open("rb")])])
    return Place(path, file.parent, stamp, lambda: only)


def _pack(place: Place, folder: Path, size: int | None, halved: bool) -> None:
    shelf, bad, names, heldout = place.shelf, Bad(), list[str](), list[int]()
    shapes, depths, offsets, hashes, offset = list[tuple[int, ...]](), list[int](), list[int](), list[bytes](), 0
    treated = partial(_treated, size=size, halved=halved)
    with (folder / "pixels.bin").open("wb") as file:
        for item, found in zip(shelf.items, read(treated, shelf.openers()), strict=True):
            if isinstance(found, PictureError):
                bad.append({"name": item.name, "why": str(found)})
                continue
            for side, (pixels, digest) in zip(SIDE_BY_SIDE, found, strict=False):
                file.write(pixels.data)
                names.append(f"{side}/{item.name}" if halved else item.name)
                heldout.append(-1 if item.heldout is None else int(item.heldout))
                shapes.append(pixels.shape)
                depths.append(8 * pixels.itemsize)
                hashes.append(digest)
                offsets.append(offset)
                offset += pixels.nbytes
    if not names:
        tolerate(place.path, bad, len(bad), 0.0)
    np.savez(
        folder / "rows.npz", shapes=np.array(shapes, np.int64), depths=np.array(depths, np.int64),
        hashes=np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, 16), heldout=np.array(heldout, np.int8),
        offsets=np.array(offsets, np.int64),
    )  # fmt: skip
    (folder / "index.json").write_text(json.dumps({"names": names, "bad": bad, "count": len(shelf.items)}))


def _treated(opener: Opener, size: int | None, halved: bool) -> list[tuple[NDArray[Any], bytes]]:
    """The picture, or its two halves, each with a hash of its pixels as they were found."""
    blob = opener()
    pixels = blob if isinstance(blob, np.ndarray) else read_raster(blob).pixels
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if halved and pixels.shape[1] % 2:
        raise PictureError(f"{pixels.shape[1]} pixels wide: two pictures side by side are an even number")
    return [(_sized(part, size), _digest(part)) for part in (np.split(pixels, 2, axis=1) if halved else [pixels])]


def _digest(pixels: NDArray[Any]) -> bytes:
    head = repr((pixels.dtype.str, pixels.shape)).encode()
    return hashlib.blake2b(head + pixels.tobytes(), digest_size=16).digest()


def _sized(pixels: NDArray[Any], size: int | None) -> NDArray[Any]:
    """The picture with ``size`` pixels on its shorter side, by bicubic interpolation with antialiasing."""
    height, width = pixels.shape[:2]
    if size is None or size == min(height, width):
        return np.ascontiguousarray(pixels)
    shape = [max(size, round(side * size / min(height, width))) for side in (height, width)]
    image = torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None]
    scaled = F.interpolate(image, shape, mode="bicubic", antialias=True, align_corners=False)[0]
    top = np.iinfo(pixels.dtype).max
    found = scaled.round().clamp(0, top).permute(1, 2, 0).numpy().astype(pixels.dtype)
    return np.ascontiguousarray(found)
