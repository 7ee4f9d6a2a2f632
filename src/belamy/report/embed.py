"""Pictures inside a page: small enough to travel, whole enough to judge."""

from __future__ import annotations

import base64
import io
import math
from pathlib import Path
from typing import NamedTuple

from PIL import Image

PIXELS = 64_000_000
"""Refused before decoding: no picture of a report is larger, so a larger one is a mistake or a bomb."""

LONGEST = 2400


class Picture(NamedTuple):
    """A picture as a ``data:`` address, with its size in pixels."""

    address: str
    width: int
    height: int


def embed(path: Path, budget: int) -> Picture | None:
    """The picture at ``path`` in at most about ``budget`` bytes of base64; None where it is missing or unreadable.

    A PNG that fits goes in as it is, byte for byte; else as optimised PNG, then WebP of falling quality and size.
    """
    try:
        raw = path.read_bytes()
        with Image.open(io.BytesIO(raw), formats=("PNG",)) as image:
            if image.width * image.height > PIXELS:
                return None
            image.load()
            plain = image if image.mode in ("1", "L", "RGB", "RGBA", "P") else image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    room = budget * 3 // 4
    if len(raw) <= room:
        return _picture("png", raw, image)
    plain = plain if max(plain.size) <= LONGEST else _smaller(plain, LONGEST)
    if len(data := _encoded(plain, "PNG", optimize=True)) <= room:
        return _picture("png", data, plain)
    for quality in (90, 75, 60):
        if len(data := _encoded(plain, "WEBP", quality=quality)) <= room:
            return _picture("webp", data, plain)
    while len(data := _encoded(plain, "WEBP", quality=60)) > room and max(plain.size) > 64:
        plain = _smaller(plain, math.floor(max(plain.size) * 0.7))
    return _picture("webp", data, plain)


def _encoded(image: Image.Image, form: str, **options: int | bool) -> bytes:
    held = io.BytesIO()
    colour = image if form == "PNG" or image.mode in ("RGB", "RGBA") else image.convert("RGB")
    colour.save(held, form, **options)
    return held.getvalue()


def _smaller(image: Image.Image, longest: int) -> Image.Image:
    smooth = image.convert("RGBA" if "transparency" in image.info or image.mode == "RGBA" else "RGB")
    smooth.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return smooth


def _picture(form: str, data: bytes, image: Image.Image) -> Picture:
    return Picture(f"data:image/{form};base64,{base64.b64encode(data).decode()}", *image.size)
