"""Picture files, read with suspicion: PNG, JPEG, WebP, GIF, TIFF and BMP, of 8 or 16 bits and any bands, and .npy."""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError
from PIL.ExifTags import Base as Tag

from belamy.data.decode import FORMATS, full_mode
from belamy.data.shelf import PictureError
from belamy.errors import UserError
from belamy.raster.picture import Array, Raster, upright
from belamy.raster.tags import descriptive, exif_of

MEGAPIXELS = 250
"""A picture that claims more is not read. One of many bands counts as one of as many values in 4 channels."""

_RAWS = {"LA;16B": ["RGBA"], "RGB;16B": ["RGB;16B", "RGB;16L"], "RGBA;16B": ["RGBA;16B", "RGBA;16L"]}

# Pillow's own limit is lower; here the header is looked at before anything is decoded
Image.MAX_IMAGE_PIXELS = MEGAPIXELS * 1_000_000


def read(source: Path | BinaryIO) -> Raster:
    """The picture in a file or a stream: PNG, JPEG, WebP, GIF (its first frame), TIFF, BMP, or an array as .npy.

    Palettes become RGB or RGBA, 1 bit becomes grey, other colour spaces become RGB. Raises UserError for what is
    damaged, larger than ``MEGAPIXELS``, or not of 8 or 16 bits without a sign.
    """
    name = source if isinstance(source, Path) else getattr(source, "name", "the picture")
    with _opened(source) as file:
        try:
            return _raster(file)
        except PictureError as error:
            raise UserError(f"{name}: {error}") from None
        except Image.DecompressionBombError:
            raise UserError(f"{name}: claims more than {MEGAPIXELS} megapixels; scale it down") from None
        except Exception as error:  # what decoders raise for damaged files is not for them to choose
            reason = " ".join(str(error).split())
            raise UserError(f"{name}: is damaged ({reason}); save it anew from where it came") from None


@contextmanager
def _opened(source: Path | BinaryIO) -> Iterator[BinaryIO]:
    if not isinstance(source, Path):
        yield io.BytesIO(source.read())
        return
    try:
        file = source.open("rb")
    except OSError as error:
        raise UserError(f"{source} cannot be read: {error.strerror}") from None
    with file:
        yield file


def _raster(file: BinaryIO) -> Raster:
    head = file.read(6)
    file.seek(0)
    if head == b"\x93NUMPY":
        return Raster(_array(file))
    if head[:2] in (b"II", b"MM"):
        return _tiff(file)
    try:
        with Image.open(file, formats=[form for form in FORMATS if form != "TIFF"]) as image:
            return _decoded(image, file)
    except UnidentifiedImageError:
        reason = f"not one of {', '.join(FORMATS)} and .npy" if head else "empty"
        raise PictureError(f"{reason}; give another file") from None


def _bounded(height: int, width: int, bands: int = 1) -> None:
    if height * width * max(1, bands / 4) > MEGAPIXELS * 1_000_000:
        size = f"{width}x{height}" + (f"x{bands}" if bands > 4 else "")
        raise PictureError(f"claims {size} pixels, more than {MEGAPIXELS} megapixels; scale it down")


def _whole_numbers(kind: np.dtype[Any] | None) -> None:
    if kind is None or kind.newbyteorder("=") not in (np.uint8, np.uint16):
        raise PictureError(f"has pixels of the type {kind}; save it with 8 or 16 bits, without a sign")


def _array(file: BinaryIO) -> Array:
    version = np.lib.format.read_magic(file)
    headers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, _, kind = headers[version](file)
    _whole_numbers(kind)
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise PictureError(f"is an array of the shape {list(shape)}; a picture is [H, W] or [H, W, C]")
    _bounded(*shape)
    file.seek(0)
    array = np.load(file, allow_pickle=False)
    return np.ascontiguousarray(array.reshape(*shape[:2], -1), kind.newbyteorder("="))


def _decoded(image: ImageFile.ImageFile, file: BinaryIO) -> Raster:
    """What Pillow reads, and the 16-bit PNGs of which it reads half."""
    _bounded(image.height, image.width)
    raw = image.tile[0].args if image.format == "PNG" else None
    exif, profile, form = exif_of(image), image.info.get("icc_profile"), str(image.format)
    if raw in _RAWS:
        pixels = _deep(file, _RAWS[raw])
    elif image.mode[0] in "IF":
        pixels = np.array(image)
    else:
        pixels = np.array(image.convert(full_mode(image)))
    _whole_numbers(pixels.dtype)
    pixels = pixels.reshape(*pixels.shape[:2], -1).astype(pixels.dtype.newbyteorder("="), copy=False)
    key = image.info.get("transparency")
    if key is not None and pixels.dtype == np.uint16:
        opaque = (pixels != key).any(-1, keepdims=True)
        pixels = np.concatenate([pixels, np.uint16(65535) * opaque], -1, dtype=np.uint16)
    raster = Raster(pixels, exif, profile, "JPEG" if form == "MPO" else form)  # MPO: a JPEG with others behind it
    if form != "TIFF":  # which Pillow turns by itself
        raster.pixels = upright(pixels, raster.orientation)
    return raster


def _deep(file: BinaryIO, raws: list[str]) -> NDArray[np.uint16]:
    """A PNG of 16 bits in colour [H, W, C]: Pillow drops the low bytes, or, told the wrong order, the high ones.

    With libraries that keep both, written in Python, a picture of 12 megapixels takes half a minute.
    """
    halves: list[NDArray[np.uint8]] = []
    for raw in raws:
        file.seek(0)
        with Image.open(file, formats=["PNG"]) as image:
            image.tile = [tile._replace(args=raw) for tile in image.tile]
            halves.append(np.array(image))
    if len(halves) == 1:  # grey and alpha, two bytes each, that were read as RGBA
        return halves[0].view(">u2").astype(np.uint16)
    both: NDArray[np.uint16] = halves[0] * np.uint16(256) + halves[1]
    return both


def _tiff(file: BinaryIO) -> Raster:
    with suppress(UnidentifiedImageError), Image.open(file, formats=["TIFF"]) as image:
        if _plain(image):
            return _decoded(image, file)
    file.seek(0)
    return _banded(file)


def _plain(image: Any) -> bool:
    """Whether Pillow reads all of a TIFF: it drops low bytes and bands, and forgets signs and that black is white."""
    tags = image.tag_v2
    samples, bits = tags.get(Tag.SamplesPerPixel, 1), max(tags.get(Tag.BitsPerSample, (1,)))
    if image.mode == "LAB" or samples != len(image.getbands()) or set(tags.get(Tag.SampleFormat, (1,))) != {1}:
        return False
    return bits <= 8 or (bits in (12, 16) and samples == tags.get(Tag.PhotometricInterpretation) == 1)


def _banded(file: BinaryIO) -> Raster:
    """A TIFF of 16 bits in colour, or of any number of bands, in one plane or in many."""
    try:
        import tifffile
    except ImportError:
        raise PictureError("a TIFF of 16 bits or of many bands needs tifffile: pip install tifffile") from None
    with tifffile.TiffFile(file) as tiff:
        page: Any = tiff.pages[0]
        _whole_numbers(page.dtype)
        _bounded(page.imagelength, page.imagewidth, page.samplesperpixel)
        if page.photometric not in (1, 2) or 1 in page.extrasamples or page.imagedepth > 1:
            raise PictureError("is not grey, RGB or bands; save it as RGB, its alpha not multiplied in")
        if page.compression not in (1, 8, 32946):
            raise PictureError(f"is compressed by {page.compression.name}; save it without, or with ZIP (deflate)")
        _bounded(1, math.prod(page.chunks))  # a part may claim more than the whole
        if page.compression != 1:
            _inflatable(file, page)
        planes = page.asarray(squeeze=False)[:, 0]  # of 1 band each, or 1 plane of all
        pixels = np.moveaxis(planes, 0, 2).reshape(*planes.shape[1:3], -1)
        profile, tags = page.tags.get(Tag.InterColorProfile), Image.Exif()
        tags.endian, tags.bigtiff = tiff.byteorder, tiff.is_bigtiff
        tags.load_from_fp(file, page.offset)
        raster = Raster(pixels, descriptive(tags), profile and bytes(profile.value), "TIFF")
    raster.pixels = upright(pixels, raster.orientation)
    return raster


def _inflatable(file: BinaryIO, page: Any) -> None:
    """Raises PictureError where a part is longer than its pixels: tifffile would unpack it whole, however long."""
    room = math.prod(page.chunks) * page.dtype.itemsize
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        file.seek(offset)
        if len(zlib.decompressobj().decompress(file.read(count), room + 1)) > room:
            raise PictureError("holds more than its pixels; save it anew from where it came")
