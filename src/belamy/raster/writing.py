"""Picture files, written so that viewers show them as they showed the original."""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, TiffTags
from PIL.ExifTags import Base as Tag

from belamy.errors import UserError
from belamy.raster.picture import Array, Raster, stored
from belamy.raster.tags import PREFIX, described
from belamy.storage import whole_file

SUFFIXES = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".npy": "NPY",
}
"""The formats that are written, by the endings of their files."""

_CHANNELS = {"PNG": (1, 2, 3, 4), "JPEG": (1, 3), "WEBP": (1, 2, 3, 4), "BMP": (1, 3)}
_LONGEST = {"JPEG": 65500, "WEBP": 16383}  # pixels of a side
_DEEP = ("PNG", "TIFF", "NPY")
_TAGGED = ("PNG", "JPEG", "WEBP", "TIFF")
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # of PNG, by the number of channels


def write(raster: Raster, target: Path | BinaryIO, suffix: str | None = None) -> None:
    """Writes the picture so that viewers show it upright, with the orientation, EXIF and profile that it came with.

    ``suffix``, one of ``SUFFIXES``, is the format's; by default that of the path. JPEG and WebP are of quality 95. A
    file is written whole or not at all. Raises UserError where the format cannot hold the picture.
    """
    suffix = suffix or (target.suffix if isinstance(target, Path) else "")
    form = _fitting(raster, suffix)
    if isinstance(target, Path):
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(target) as temporary, temporary.open("wb") as file:
            _save(raster, file, form)
    else:
        memory = io.BytesIO()
        _save(raster, memory, form)
        target.write(memory.getbuffer())


def _fitting(raster: Raster, suffix: str) -> str:
    """The format of ``suffix``, where it can hold the picture."""
    form = SUFFIXES.get(suffix.lower())
    if form is None:
        raise UserError(
            f"a picture goes into one of {', '.join(SUFFIXES)}, not into {suffix or 'a file without ending'}"
        )
    height, width, channels = raster.pixels.shape
    if form not in _DEEP and raster.pixels.dtype == np.uint16:
        raise UserError(f"{suffix} holds 8 bits a channel, not 16; write a .png or .tif")
    if channels not in _CHANNELS.get(form, (channels,)):
        what = "alpha" if channels in (2, 4) else f"{channels} bands"
        raise UserError(f"{suffix} holds no {what}; write a {'.png' if channels < 5 else '.tif'}")
    if max(height, width) > _LONGEST.get(form, math.inf):
        raise UserError(f"{suffix} holds sides of {_LONGEST[form]} pixels, not {width}x{height}; write a .png")
    if form == "TIFF" and raster.pixels.nbytes > 4_000_000_000:
        raise UserError(f"{suffix} holds 4 gigabytes, not {raster.pixels.nbytes / 1e9:.1f}; write a .npy")
    if form == "JPEG" and len(raster.exif or b"") > 65533:
        raise UserError(f"{suffix} holds 64 kilobytes of EXIF, not {len(raster.exif or b'')}; write a .png")
    return form


def _save(raster: Raster, file: BinaryIO, form: str) -> None:
    # a format without tags cannot tell viewers to turn it
    pixels = stored(raster.pixels, raster.orientation) if form in _TAGGED else raster.pixels
    colours = b"GRAY" if pixels.shape[-1] < 3 else b"RGB "
    icc = raster.icc if raster.icc and raster.icc[16:20] == colours else b""  # as of a CMYK picture, which is RGB now
    exif = raster.exif or b""
    if form == "NPY":
        np.save(file, pixels)
    elif form == "TIFF":
        _save_tiff(pixels, exif, icc, file)
    elif pixels.dtype == np.uint16:
        file.writelines(_deep_png(pixels, exif, icc))
    else:
        image = Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)
        image.save(file, form, quality=95, exif=exif, icc_profile=icc)


def _deep_png(pixels: Array, exif: bytes, icc: bytes) -> Iterator[bytes]:
    """The parts of a PNG file of 16 bits, which Pillow writes in grey only."""
    height, width, channels = pixels.shape
    rows = np.ascontiguousarray(pixels, ">u2").view(np.uint8).reshape(height, -1)
    above = np.diff(rows, axis=0, prepend=np.zeros_like(rows[:1]))  # PNG's filter 2
    # a higher level takes three times as long to save two parts in a hundred
    packed = zlib.compress(np.pad(above, ((0, 0), (1, 0)), constant_values=2).tobytes(), 4)
    yield b"\x89PNG\r\n\x1a\n"
    yield _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, _COLOUR_TYPES[channels], 0, 0, 0))
    if icc:
        yield _chunk(b"iCCP", b"ICC\0\0" + zlib.compress(icc))
    if exif:
        yield _chunk(b"eXIf", exif.removeprefix(PREFIX))
    for start in range(0, len(packed), 1 << 24):
        yield _chunk(b"IDAT", packed[start : start + (1 << 24)])
    yield _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _save_tiff(pixels: Array, exif: bytes, icc: bytes, file: BinaryIO) -> None:
    """One strip without compression, of any depth and number of bands, with the groups of tags in EXIF."""
    height, width, channels = pixels.shape
    tags = described(exif)
    tags[Tag.ImageWidth] = width
    tags[Tag.ImageLength] = tags[Tag.RowsPerStrip] = height
    tags[Tag.BitsPerSample] = (8 * pixels.itemsize,) * channels
    tags[Tag.Compression] = tags[Tag.PlanarConfiguration] = 1
    tags[Tag.PhotometricInterpretation] = 2 if channels in (3, 4) else 1
    tags[Tag.SamplesPerPixel] = channels
    if channels not in (1, 3):
        tags[Tag.ExtraSamples] = (2,) if channels < 5 else (0,) * (channels - 1)  # 2: alpha
    if icc:
        tags[Tag.InterColorProfile] = icc
    tags[Tag.StripOffsets] = 0  # which the directory moves behind itself
    tags.tagtype[Tag.StripByteCounts] = TiffTags.LONG
    tags[Tag.StripByteCounts] = pixels.nbytes
    tags.save(file)
    file.write(np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).data)
