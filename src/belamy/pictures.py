"""Tensors to pictures to look at: eight bits, Pillow images, and grids that show every pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

Pixels = NDArray[np.uint8]
"""Pictures ``[N, H, W, C]`` or one picture ``[H, W, C]`` of 1 (grey), 3 (RGB) or 4 (RGBA) channels in 0..255."""

LONGEST = 4096
"""Pixels along the longer side of a grid, at most: what browsers, viewers and printers take without complaint."""

VISIBLE = 48
"""Pixels along the longer side of a cell, at least: smaller pictures are enlarged by a whole factor."""

SIGNED = 384
"""Pixels that a picture is wide at least where it bears a signature."""

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_INK, _PAPER = (40, 38, 34), 255
_LINE = 16  # pixels of a line of text
_CHECKER = 8  # pixels of a square behind transparent pictures


def to_uint8(images: Tensor) -> Pixels:
    """Pictures ``[N, C, H, W]`` in [-1, 1], of any float type, as uint8 ``[N, H, W, C]``.

    Halves round up, what lies outside is clamped, and NaN becomes the middle grey, so that one bad pixel is seen
    but spoils nothing.
    """
    if images.ndim != 4:
        raise ValueError(f"pictures are [N, C, H, W], not {list(images.shape)}")
    finite = images.detach().float().nan_to_num(nan=0.0, posinf=1.0, neginf=-1.0)
    levels = ((finite + 1) * 127.5 + 0.5).floor().clamp(0, 255).to(torch.uint8)
    array: Pixels = levels.permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return array


def to_pil(array: Pixels) -> Image.Image:
    """One picture uint8 ``[H, W, C]`` as a Pillow image: grey, RGB or RGBA by its channels."""
    if array.ndim != 3 or array.shape[-1] not in _MODES or array.dtype != np.uint8:
        raise ValueError(f"a picture is uint8 [H, W, 1, 3 or 4], not {array.dtype} {list(array.shape)}")
    return Image.fromarray(array.squeeze(-1) if array.shape[-1] == 1 else array, _MODES[array.shape[-1]])


def grid(
    images: Pixels,
    columns: int | None = None,
    scale: int | None = None,
    gap: int = 2,
    captions: Sequence[str] | None = None,
) -> Image.Image:
    """Pictures ``[N, H, W, C]`` in reading order, as one RGB picture.

    ``columns``: as many as rows, unless given. ``scale``: the whole factor by which pixels are repeated; by default
    what makes a cell ``VISIBLE`` and the whole no longer than ``LONGEST``. ``gap``: white pixels between cells.
    ``captions``: a line below each picture. The whole is downscaled only where it would be longer than ``LONGEST``.
    """
    count = len(images)
    columns = max(1, min(columns or math.ceil(math.sqrt(count)), count))
    order = np.full(math.ceil(count / columns) * columns, -1)
    order[:count] = np.arange(count)
    below = _LINE if captions else 0
    sheet, cell = _tile(images, order.reshape(-1, columns), scale, gap, below=below)
    draw = ImageDraw.Draw(sheet)
    for index, caption in enumerate(captions or []):
        row, column = divmod(index, columns)
        corner = column * (cell[1] + gap), row * (cell[0] + below + gap) + cell[0]
        draw.text(corner, _fitted(caption, cell[1]), _INK, _font())
    return _bounded(sheet)


def scatter(points: NDArray[np.floating], side: int = 480) -> Image.Image:
    """Points [N, D] as dots in the plane of their first two coordinates, upwards; darker where there are more.

    The window holds 98 % of them in each direction, and some paper around.
    """
    plane = np.asarray(points, np.float64)[:, :2]
    if plane.shape[1] < 2:
        plane = np.concatenate([plane, np.zeros_like(plane)], 1)
    low, high = np.nanquantile(plane, [0.01, 0.99], axis=0)
    reach = 0.6 * max(float((high - low).max()), 1e-6)
    place = (plane - (low + high) / 2) / (2 * reach) + 0.5
    seen = place[((place >= 0) & (place < 1)).all(1)]
    columns, rows = (seen[:, 0] * side).astype(int), ((1 - seen[:, 1]) * side - 1e-9).astype(int)
    counts = np.zeros((side, side))
    for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
        np.add.at(counts, ((rows + down) % side, (columns + right) % side), 1)
    ink = (1 - 0.6**counts)[..., None]
    return Image.fromarray(np.uint8(np.round(_PAPER * (1 - ink) + np.array([38, 70, 140]) * ink)), "RGB")


def class_grid(
    images: Pixels,
    labels: NDArray[np.integer],
    names: Sequence[str],
    columns: int | None = None,
    scale: int | None = None,
    gap: int = 2,
    rows: int = 40,
) -> Image.Image:
    """One row for each class, its name at the left: pictures ``[N, H, W, C]`` with ``labels`` ``[N]`` into ``names``.

    ``columns``: pictures of a class, at most; by default as many as the fullest class has, up to 16. Only the first
    ``rows`` classes are shown.
    """
    members = [np.flatnonzero(labels == index) for index in range(min(len(names), rows))]
    columns = columns or min(max((len(mine) for mine in members), default=0), 16)
    order = np.full((len(members), columns), -1)
    for row, mine in enumerate(members):
        order[row, : len(mine)] = mine[:columns]
    words = [_wrapped(names[row], 200, 3) for row in range(len(members))]
    lines = [line for word in words for line in word.splitlines()]
    left = math.ceil(max(map(_font().getlength, lines), default=0)) + 10
    sheet, cell = _tile(images, order, scale, gap, left=left)
    draw = ImageDraw.Draw(sheet)
    for row, word in enumerate(words):
        middle = row * (cell[0] + gap) + cell[0] / 2
        draw.text((left - 10, middle), word, _INK, _font(), anchor="rm", align="right", spacing=2)
    return _bounded(sheet)


def signed(images: Pixels, text: str) -> Pixels:
    """Pictures ``[N, H, W, C]`` with ``text`` in the lower right corner; small ones are enlarged until it fits."""
    height, width = images.shape[1:3]
    scale = max(1, math.ceil(SIGNED / width))
    size = max(10, width * scale // 40)
    found = []
    for picture in images:
        shown = to_pil(picture).resize((width * scale, height * scale), Image.Resampling.LANCZOS)
        beneath = shown.convert("L").crop((shown.width // 2, shown.height - 2 * size, *shown.size))
        ink = 40 if np.asarray(beneath).mean() > 128 else 215
        inks: dict[str, int | tuple[int, ...]] = {"L": ink, "RGB": (ink, ink, ink), "RGBA": (ink, ink, ink, 255)}
        corner, font = (shown.width - size, shown.height - size // 2), ImageFont.load_default(size=size)
        ImageDraw.Draw(shown).text(corner, text, inks[shown.mode], font, anchor="rd")
        found.append(np.asarray(shown).reshape(shown.height, shown.width, -1))
    return np.stack(found)


def _tile(
    images: Pixels, order: NDArray[np.integer], scale: int | None, gap: int, left: int = 0, below: int = 0
) -> tuple[Image.Image, tuple[int, int]]:
    """A white RGB sheet with picture ``order[row, column]`` in each cell (-1: none), and a cell's height and width."""
    if images.ndim != 4 or images.shape[-1] not in _MODES or images.dtype != np.uint8 or not order.size:
        raise ValueError(f"a grid needs uint8 pictures [N, H, W, 1, 3 or 4], not {images.dtype} {list(images.shape)}")
    (rows, columns), (height, width) = order.shape, images.shape[1:3]
    if scale is None:
        room = min((LONGEST - left) // columns // width, LONGEST // rows // height)
        scale = max(1, min(math.ceil(VISIBLE / max(height, width)), room))
    height, width = height * scale, width * scale
    down, across = height + below + gap, width + gap
    sheet = np.full((rows * down - gap, left + columns * across - gap, 3), _PAPER, dtype=np.uint8)
    for (row, column), index in np.ndenumerate(order):
        if index >= 0:
            enlarged = images[index].repeat(scale, axis=0).repeat(scale, axis=1)
            top, start = row * down, left + column * across
            sheet[top : top + height, start : start + width] = _opaque(enlarged)
    return Image.fromarray(sheet, "RGB"), (height, width)


def _opaque(picture: Pixels) -> Pixels:
    """A picture ``[H, W, C]`` as RGB ``[H, W, 3]``, on a light checker where it is transparent."""
    if picture.shape[-1] < 4:
        return np.broadcast_to(picture, (*picture.shape[:2], 3))
    down, across = np.indices(picture.shape[:2]) // _CHECKER
    behind = np.where((down + across) % 2, 238, _PAPER)[..., None]
    alpha = picture[..., 3:].astype(np.int64)
    return ((picture[..., :3] * alpha + behind * (255 - alpha) + 127) // 255).astype(np.uint8)


def _bounded(sheet: Image.Image) -> Image.Image:
    if max(sheet.size) > LONGEST:
        sheet.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    return sheet


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=12)


def _wrapped(text: str, width: int, lines: int) -> str:
    """``text`` on as many ``lines`` of ``width`` pixels at most, each cut where it is longer."""
    font, found = _font(), [""]
    for word in text.split()[:100]:
        longer = f"{found[-1]} {word}".strip()
        if found[-1] and len(found) < lines and font.getlength(longer) > width:
            found.append(word)
        else:
            found[-1] = longer
    return "\n".join(_fitted(line, width) for line in found)


def _fitted(text: str, width: int) -> str:
    """``text`` on one line, cut to ``width`` pixels."""
    text, font = " ".join(text.split())[:200], _font()
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…" if text else ""
