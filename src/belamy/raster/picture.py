"""A picture as its file has it: pixels of any depth and bands, and the way that viewers turn it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ExifTags import Base as Tag

from belamy.raster.tags import without_previews

Array = NDArray[np.unsignedinteger]
"""Pixels [H, W, C], uint8 or uint16: grey, grey with alpha, RGB, RGB with alpha, or as many bands as there are."""


@dataclass
class Raster:
    """A picture: its pixels upright, and what its file says of them.

    ``exif`` begins with ``Exif``, two zeros and a TIFF header; ``icc`` is a colour profile; ``format`` is the name
    that Pillow gives to the file's format, or NPY.
    """

    pixels: Array
    exif: bytes | None = None
    icc: bytes | None = None
    format: str = "NPY"

    def repainted(self, pixels: Array) -> Raster:
        """Other ``pixels`` under the same description, in which nothing shows the old ones."""
        return replace(self, pixels=pixels, exif=without_previews(self.exif))

    @property
    def orientation(self) -> int:
        """1 to 8, as ``exif`` says; 1 where it says nothing."""
        tags = Image.Exif()
        with suppress(Exception):  # Pillow raises what it likes when EXIF is damaged
            tags.load(self.exif or b"")
            found = tags.get(Tag.Orientation, 1)
            return int(found) if found in range(1, 9) else 1
        return 1


def upright(pixels: Array, orientation: int) -> Array:
    """Pixels [H, W, C] as they are stored, turned as EXIF's ``orientation`` asks."""
    turned = pixels.swapaxes(0, 1) if orientation > 4 else pixels
    return np.ascontiguousarray(_mirrored(turned, orientation))


def stored(pixels: Array, orientation: int) -> Array:
    """Upright pixels [H, W, C] as they are stored under an ``orientation``."""
    turned = _mirrored(pixels, orientation)
    return np.ascontiguousarray(turned.swapaxes(0, 1) if orientation > 4 else turned)


def _mirrored(pixels: Array, orientation: int) -> Array:
    return pixels[:: -1 if orientation in (3, 4, 7, 8) else 1, :: -1 if orientation in (2, 3, 6, 7) else 1]
