"""One picture file in and one out, of 8 or 16 bits and any bands; orientation, EXIF and colour profile are kept."""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, TiffTags, UnidentifiedImageError
from PIL.ExifTags import IFD
from PIL.ExifTags import Base as Tag
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from belamy.data.decode import FORMATS
from belamy.data.shelf import PictureError
from belamy.errors import UserError
from belamy.storage import whole_file

Array = NDArray[np.unsignedinteger]
"""Pixels [H, W, C], uint8 or uint16: grey, grey with alpha, RGB, RGB with alpha, or as many bands as there are."""

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

MEGAPIXELS = 250
"""A picture that claims more is not read. One of many bands counts as one of as many values in 4 channels."""

_CHANNELS = {"PNG": (1, 2, 3, 4), "JPEG": (1, 3), "WEBP": (1, 2, 3, 4), "BMP": (1, 3)}
_LONGEST = {"JPEG": 65500, "WEBP": 16383}  # pixels of a side
_DEEP = ("PNG", "TIFF", "NPY")
_TAGGED = ("PNG", "JPEG", "WEBP", "TIFF")
_PREFIX = b"Exif\0\0"
_RAWS = {"LA;16B": ["RGBA"], "RGB;16B": ["RGB;16B", "RGB;16L"], "RGBA;16B": ["RGBA;16B", "RGBA;16L"]}
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # of PNG, by the number of channels

_GROUPS = (IFD.Exif, IFD.GPSInfo)
_DESCRIPTIVE = {
    *_GROUPS,
    Tag.ImageDescription,
    Tag.Make,
    Tag.Model,
    Tag.Orientation,
    Tag.XResolution,
    Tag.YResolution,
    Tag.ResolutionUnit,
    Tag.Software,
    Tag.DateTime,
    Tag.Artist,
    Tag.Copyright,
}
"""The tags of a TIFF that tell of the picture, not of how the file stores it."""

# Pillow's own limit is lower; here the header is looked at before anything is decoded
Image.MAX_IMAGE_PIXELS = MEGAPIXELS * 1_000_000


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

    @property
    def orientation(self) -> int:
        """1 to 8, as ``exif`` says; 1 where it says nothing."""
        tags = Image.Exif()
        with suppress(Exception):  # Pillow raises what it likes when EXIF is damaged
            tags.load(self.exif or b"")
            found = tags.get(Tag.Orientation, 1)
            return int(found) if found in range(1, 9) else 1
        return 1


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
    exif, profile, form = _exif(image), image.info.get("icc_profile"), str(image.format)
    if raw in _RAWS:
        pixels = _deep(file, _RAWS[raw])
    elif image.mode[0] in "IF":
        pixels = np.array(image)
    else:
        pixels = np.array(image.convert(_full(image)))
    _whole_numbers(pixels.dtype)
    pixels = pixels.reshape(*pixels.shape[:2], -1).astype(pixels.dtype.newbyteorder("="), copy=False)
    key = image.info.get("transparency")
    if key is not None and pixels.dtype == np.uint16:
        opaque = (pixels != key).any(-1, keepdims=True)
        pixels = np.concatenate([pixels, np.uint16(65535) * opaque], -1, dtype=np.uint16)
    raster = Raster(pixels, exif, profile, "JPEG" if form == "MPO" else form)  # MPO: a JPEG with others behind it
    if form != "TIFF":  # which Pillow turns by itself
        raster.pixels = _upright(pixels, raster.orientation)
    return raster


def _full(image: Image.Image) -> str:
    """The mode of 8 bits a channel, without palette, that holds all of a picture."""
    colours = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
    return colours + "A" * image.has_transparency_data


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


def _exif(image: Image.Image) -> bytes | None:
    with suppress(Exception):  # a broken EXIF block costs the orientation, not the picture
        tags = image.getexif()
        if image.format == "TIFF":
            return _descriptive(tags)
        exif = image.info.get("exif") or (tags.tobytes() if len(tags) else b"")
        return _PREFIX + exif.removeprefix(_PREFIX) if exif else None
    return None


def _descriptive(tags: Image.Exif) -> bytes | None:
    """The tags of a TIFF as EXIF, but for those of how it is stored."""
    for tag in list(tags):
        if tag not in _DESCRIPTIVE:
            del tags[tag]
    tags.bigtiff = False  # of which EXIF knows nothing
    with suppress(Exception):  # as above
        return tags.tobytes() if len(tags) else None
    return None


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
        raster = Raster(pixels, _descriptive(tags), profile and bytes(profile.value), "TIFF")
    raster.pixels = _upright(pixels, raster.orientation)
    return raster


def _inflatable(file: BinaryIO, page: Any) -> None:
    """Raises PictureError where a part is longer than its pixels: tifffile would unpack it whole, however long."""
    room = math.prod(page.chunks) * page.dtype.itemsize
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        file.seek(offset)
        if len(zlib.decompressobj().decompress(file.read(count), room + 1)) > room:
            raise PictureError("holds more than its pixels; save it anew from where it came")


def _upright(stored: Array, orientation: int) -> Array:
    turned = stored.swapaxes(0, 1) if orientation > 4 else stored
    return np.ascontiguousarray(_mirrored(turned, orientation))


def _stored(upright: Array, orientation: int) -> Array:
    turned = _mirrored(upright, orientation)
    return np.ascontiguousarray(turned.swapaxes(0, 1) if orientation > 4 else turned)


def _mirrored(upright: Array, orientation: int) -> Array:
    return upright[:: -1 if orientation in (3, 4, 7, 8) else 1, :: -1 if orientation in (2, 3, 6, 7) else 1]


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
    pixels = _stored(raster.pixels, raster.orientation) if form in _TAGGED else raster.pixels
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
        yield _chunk(b"eXIf", exif.removeprefix(_PREFIX))
    for start in range(0, len(packed), 1 << 24):
        yield _chunk(b"IDAT", packed[start : start + (1 << 24)])
    yield _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _save_tiff(pixels: Array, exif: bytes, icc: bytes, file: BinaryIO) -> None:
    """One strip without compression, of any depth and number of bands, with the groups of tags in EXIF."""
    height, width, channels = pixels.shape
    tags = _described(exif)
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


def _described(exif: bytes) -> ImageFileDirectory_v2:
    """The tags of EXIF that tell of the picture and are not damaged."""
    found, tags = Image.Exif(), ImageFileDirectory_v2(prefix=b"II")
    with suppress(Exception):
        found.load(exif)
    for tag in _DESCRIPTIVE.intersection(found):
        with suppress(Exception):
            trial = ImageFileDirectory_v2(prefix=b"II")
            trial[tag] = _group(found, tag) if tag in _GROUPS else found[tag]
            trial.tobytes()
            tags[tag] = trial[tag]
    return tags


def _group(tags: Image.Exif, tag: int) -> dict[int, Any]:
    """The tags of a group, without the place that a group within it had in another file."""
    return {key: value for key, value in tags.get_ifd(tag).items() if key != IFD.Interop}
