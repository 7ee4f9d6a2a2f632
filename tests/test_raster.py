"""Pictures in and out of files: every depth and band, upright, with all that is around the pixels; nothing hostile."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import png
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps
from PIL.ExifTags import IFD, Base

from belamy.errors import UserError
from belamy.raster import MEGAPIXELS, Raster, read, write

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL", "ignore::PIL.Image.DecompressionBombWarning")

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GREY_PROFILE = PROFILE[:16] + b"GRAY" + PROFILE[20:]


def noise(channels: int = 3, kind: type = np.uint8, height: int = 13, width: int = 21) -> NDArray[Any]:
    return np.random.default_rng(0).integers(0, np.iinfo(kind).max + 1, (height, width, channels), dtype=kind)


def smooth(channels: int = 3) -> NDArray[np.uint8]:
    """What JPEG and WebP change little."""
    ramp = np.linspace(20, 230, 24)[:, None] + np.linspace(-10, 20, 32)[None]
    return np.stack([ramp + 2 * channel for channel in range(channels)], -1).astype(np.uint8)


def described(orientation: int | None = None) -> bytes:
    exif = Image.Exif()
    exif[Base.Make] = "Lens & Sons"
    if orientation:
        exif[Base.Orientation] = orientation
    exif[IFD.Exif] = {Base.ExposureTime: 0.01, Base.MakerNote: b"of the maker"}
    exif[IFD.GPSInfo] = {1: "N", 2: (52.0, 31.0, 12.5)}
    return exif.tobytes()


def tags(exif: bytes | None) -> dict[Any, Any]:
    found = Image.Exif()
    found.load(exif or b"")
    return {**found, **{group: found.get_ifd(group) for group in (IFD.Exif, IFD.GPSInfo)}}


def stored(raster: Raster, suffix: str) -> bytes:
    file = io.BytesIO()
    write(raster, file, suffix)
    return file.getvalue()


def again(raster: Raster, suffix: str) -> Raster:
    return read(io.BytesIO(stored(raster, suffix)))


def packed(pixels: NDArray[np.uint16], **options: Any) -> io.BytesIO:
    """A PNG of 16 bits by another library."""
    height, width, channels = pixels.shape
    file = io.BytesIO()
    writer = png.Writer(width, height, bitdepth=16, greyscale=channels < 3, alpha=channels in (2, 4), **options)
    writer.write_array(file, pixels.ravel().tolist())
    file.seek(0)
    return file


def lying(path: Path) -> NDArray[Any]:
    """RGB as the file has it, before any turning, by other libraries."""
    if path.suffix == ".tif":
        return tifffile.imread(path)
    if path.suffix == ".png":
        width, height, rows, _ = png.Reader(filename=str(path)).read()
        return np.vstack(list(rows)).reshape(height, width, 3)
    return np.asarray(Image.open(path))


@pytest.mark.parametrize(
    ("suffix", "channels", "kind"),
    [
        *product([".png", ".tif", ".npy"], [1, 2, 3, 4], [np.uint8, np.uint16]),
        *product([".tif", ".npy"], [5, 9], [np.uint8, np.uint16]),
        *product([".bmp"], [1, 3], [np.uint8]),
    ],
)
def test_pixels_return_as_they_were(suffix: str, channels: int, kind: type) -> None:
    pixels = noise(channels, kind)
    found = again(Raster(pixels), suffix)
    assert found.pixels.dtype == kind and np.array_equal(found.pixels, pixels)
    assert found.format == {".tif": "TIFF"}.get(suffix, suffix[1:].upper()) and found.orientation == 1
    assert found.pixels.flags.c_contiguous and found.pixels.flags.writeable and found.exif is found.icc is None


@pytest.mark.parametrize(("suffix", "channels"), [(".jpg", 1), (".JPEG", 3), (".webp", 3), (".webp", 4)])
def test_pixels_return_nearly_as_they_were(suffix: str, channels: int) -> None:
    found = again(Raster(smooth(channels)), suffix)
    assert np.abs(found.pixels.astype(int) - smooth(channels)).mean() < 2


def test_grey_becomes_colour_in_webp() -> None:
    assert again(Raster(smooth(1)), ".webp").pixels.shape[-1] == 3
    assert again(Raster(smooth(2)), ".webp").pixels.shape[-1] == 4


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("suffix", "kind"),
    [*product([".png", ".tif"], [np.uint8, np.uint16]), (".jpg", np.uint8), (".webp", np.uint8)],
)
def test_orientation_is_applied_and_undone(suffix: str, kind: type, orientation: int, tmp_path: Path) -> None:
    image, wide = Image.fromarray(smooth()), kind(257 if kind == np.uint16 else 1)
    image.getexif()[Base.Orientation] = orientation
    upright = np.asarray(ImageOps.exif_transpose(image)) * wide
    path = tmp_path / f"a{suffix}"
    write(Raster(upright, described(orientation)), path)
    found = read(path)
    assert found.orientation == orientation and found.pixels.shape == upright.shape
    assert np.abs(found.pixels.astype(int) - upright).mean() < 2
    assert np.abs(lying(path).astype(int) - smooth() * wide).mean() < 2
    if kind == np.uint8:
        with Image.open(path) as file:
            assert file.getexif()[Base.Orientation] == orientation
            assert np.array_equal(np.asarray(ImageOps.exif_transpose(file)), found.pixels)


@pytest.mark.parametrize("suffix", [".bmp", ".npy"])
def test_without_tags_the_pixels_are_upright(suffix: str) -> None:
    assert np.array_equal(again(Raster(noise(), described(6)), suffix).pixels, noise())


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [*product([".png", ".tif"], [np.uint8, np.uint16]), (".jpg", np.uint8), (".webp", np.uint8)],
)
def test_exif_and_profile_are_kept(suffix: str, kind: type) -> None:
    raster = Raster(noise(3, kind), described(8), PROFILE)
    once = again(raster, suffix)
    twice = again(replace(once, pixels=noise(3, kind)), suffix)
    for found in once, twice:
        assert found.icc == PROFILE and tags(found.exif) == tags(described(8)) and found.orientation == 8
    for other in ".png", ".tif":
        assert tags(again(once, other).exif) == tags(described(8))


def test_a_profile_of_other_colours_is_left_out() -> None:
    for pixels, icc, kept in (
        (noise(3), GREY_PROFILE, False),
        (noise(1), GREY_PROFILE, True),
        (noise(1), PROFILE, False),
        (noise(4, np.uint16), PROFILE, True),
    ):
        assert again(Raster(pixels, icc=icc), ".png").icc == (icc if kept else None)


def test_other_pixels_leave_no_preview_of_the_old_ones() -> None:
    small, tags = io.BytesIO(), Image.Exif()
    Image.fromarray(smooth()).resize((16, 12)).save(small, "JPEG")
    tags[Base.Orientation], tags[Base.Artist] = 6, "N. N."
    tags.get_ifd(IFD.Exif)[Base.ExposureTime] = 0.5
    plain = tags.tobytes()
    tags.get_ifd(IFD.Exif)[IFD.MakerNote] = small.getvalue()
    noted = tags.tobytes()
    previewed = with_thumbnail(plain, small.getvalue())
    assert Image.open(jpeg(previewed)).getexif().get_ifd(IFD.IFD1)
    for exif in plain, noted, previewed:
        found = read(jpeg(exif)).repainted(noise(3))
        assert found.orientation == 6 and small.getvalue() not in (found.exif or b"")
        kept = Image.open(jpeg(found.exif)).getexif()
        assert kept[Base.Artist] == "N. N." and kept.get_ifd(IFD.Exif)[Base.ExposureTime] == 0.5
    assert read(jpeg(plain)).repainted(noise(3)).exif == plain
    assert Raster(noise(3)).repainted(noise(1)).exif is None


def jpeg(exif: bytes | None) -> io.BytesIO:
    file = io.BytesIO()
    Image.fromarray(smooth()).save(file, "JPEG", exif=exif or b"")
    return io.BytesIO(file.getvalue())


def with_thumbnail(exif: bytes, thumbnail: bytes) -> bytes:
    """EXIF, little-endian or not, with a second directory that points to a JPEG behind it."""
    order = "<" if exif[6:8] == b"II" else ">"
    (first,) = struct.unpack(f"{order}I", exif[10:14])
    (count,) = struct.unpack(f"{order}H", exif[6 + first : 8 + first])
    link, second = 8 + first + 12 * count, len(exif) - 6
    place = second + 2 + 12 * 3 + 4
    entries = [(0x103, 3, 1, 6 if order == "<" else 6 << 16), (0x201, 4, 1, place), (0x202, 4, 1, len(thumbnail))]
    directory = struct.pack(f"{order}H", 3) + b"".join(struct.pack(f"{order}HHII", *one) for one in entries)
    return exif[:link] + struct.pack(f"{order}I", second) + exif[link + 4 :] + directory + bytes(4) + thumbnail


def test_broken_exif_costs_only_itself() -> None:
    image, file = Image.fromarray(smooth()), io.BytesIO()
    image.save(file, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f" + bytes(range(99)))
    found = read(io.BytesIO(file.getvalue()))
    assert found.orientation == 1 and found.pixels.shape == (24, 32, 3)
    for suffix in ".jpg", ".png", ".tif":
        assert again(found, suffix).pixels.shape == (24, 32, 3)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("interlace", [False, True])
def test_pngs_of_16_bits_by_another_library(channels: int, interlace: bool) -> None:
    pixels = noise(channels, np.uint16)
    found = read(packed(pixels, interlace=interlace))
    assert found.pixels.dtype == np.uint16 and np.array_equal(found.pixels, pixels)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_another_library_reads_pngs_of_16_bits(channels: int) -> None:
    pixels = noise(channels, np.uint16)
    width, height, rows, about = png.Reader(bytes=stored(Raster(pixels, described(), PROFILE), ".png")).read()
    assert (height, width, about["planes"], about["bitdepth"]) == (*pixels.shape, 16)
    assert np.array_equal(np.vstack(list(rows)).reshape(pixels.shape), pixels)


def test_a_clear_colour_of_16_bits_becomes_alpha() -> None:
    pixels = noise(3, np.uint16)
    found = read(packed(pixels, transparent=tuple(int(value) for value in pixels[4, 5]))).pixels
    assert np.array_equal(found[..., :3], pixels)
    assert found[4, 5, 3] == 0 and (np.delete(found[..., 3].ravel(), 4 * 21 + 5) == 65535).all()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"byteorder": ">"},
        {"bigtiff": True},
        {"compression": "zlib"},
        {"compression": "zlib", "predictor": True, "rowsperstrip": 5},
        {"compression": "zlib", "tile": (16, 16)},
    ],
    ids=str,
)
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize(("channels", "kind"), [(5, np.uint8), (5, np.uint16), (3, np.uint16), (2, np.uint16)])
def test_tiffs_by_another_library(channels: int, kind: type, planar: str, options: dict[str, Any]) -> None:
    pixels, file = noise(channels, kind), io.BytesIO()
    tifffile.imwrite(
        file,
        pixels if planar == "contig" else np.moveaxis(pixels, 2, 0),
        planarconfig=planar,
        photometric="rgb" if channels == 3 else "minisblack",
        iccprofile=PROFILE,
        extratags=[(Base.Orientation, "H", 1, 6, True), (Base.Make, "s", 0, "Lens", True)],
        software=None,
        metadata=None,
        **options,
    )
    found = read(io.BytesIO(file.getvalue()))
    assert np.array_equal(found.pixels, np.rot90(pixels, -1)) and found.pixels.dtype == kind
    assert found.icc == PROFILE and found.orientation == 6 and tags(found.exif)[Base.Make] == "Lens"


def test_bands_that_pillow_drops_are_read() -> None:
    for channels, colours in (4, 3), (6, 3), (2, 1):
        pixels, file = noise(channels), io.BytesIO()
        kind = "rgb" if colours == 3 else "minisblack"
        tifffile.imwrite(file, pixels, photometric=kind, planarconfig="contig", extrasamples=[0] * (channels - colours))
        assert np.array_equal(read(io.BytesIO(file.getvalue())).pixels, pixels)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_another_library_reads_tiffs(channels: int, kind: type) -> None:
    pixels = noise(channels, kind)
    with tifffile.TiffFile(io.BytesIO(stored(Raster(pixels, described(1), PROFILE), ".tif"))) as file:
        page = file.pages[0]
        assert np.array_equal(page.asarray().reshape(pixels.shape), pixels)
        assert page.tags[Base.Make].value == "Lens & Sons" and page.tags[IFD.Exif].value["ExposureTime"]


@pytest.mark.parametrize(
    ("mode", "form", "channels"),
    [
        ("1", "png", 1), ("1", "tiff", 1), ("L", "gif", 1), ("P", "png", 3), ("P", "gif", 3), ("P", "tiff", 3),
        ("CMYK", "jpeg", 3), ("CMYK", "tiff", 3), ("YCbCr", "jpeg", 3), ("LA", "png", 2), ("LA", "tiff", 2),
        ("RGBA", "tiff", 4), ("RGBA", "webp", 4),
    ],
)  # fmt: skip
def test_every_mode_becomes_one_of_8_bits_a_channel(mode: str, form: str, channels: int) -> None:
    image = Image.fromarray(smooth(4 if "A" in mode else 3)).convert(mode)
    file = io.BytesIO()
    image.save(file, form, quality=100)
    found = read(io.BytesIO(file.getvalue())).pixels
    expected = np.asarray(image.convert({1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels])).reshape(24, 32, channels)
    if mode == "L":  # of which Pillow's GIF makes a palette of greys
        assert found.shape[-1] in (1, 3) and np.abs(found.astype(int) - expected).max() < 2
    else:
        assert found.shape == expected.shape and np.abs(found.astype(int) - expected).mean() < 2


@pytest.mark.parametrize("form", ["png", "gif"])
def test_a_palette_with_a_clear_colour_becomes_rgba(form: str) -> None:
    image = Image.fromarray((smooth(1)[..., 0] > 128).astype(np.uint8), "P")
    image.putpalette([200, 10, 10, 10, 10, 200])
    file = io.BytesIO()
    image.save(file, form, transparency=0)
    found = read(io.BytesIO(file.getvalue())).pixels
    assert (
        found.shape[-1] == 4 and set(found[..., 3].ravel()) == {0, 255} and (found[23, 31] == (10, 10, 200, 255)).all()
    )


def test_grey_of_16_bits_in_tiff_by_pillow() -> None:
    file = io.BytesIO()
    Image.fromarray(noise(1, np.uint16)[..., 0]).save(file, "TIFF", compression="tiff_lzw")
    assert np.array_equal(read(io.BytesIO(file.getvalue())).pixels, noise(1, np.uint16))


def test_arrays_of_any_layout() -> None:
    for array in noise(5)[..., 0], np.asfortranarray(noise(5, np.uint16)), noise(2, np.uint16).astype(">u2"):
        file = io.BytesIO()
        np.save(file, array)
        found = read(io.BytesIO(file.getvalue())).pixels
        assert np.array_equal(found, array.reshape(13, 21, -1)) and found.dtype in (np.uint8, np.uint16)


@pytest.mark.parametrize("kind", ["float32", "float64", "int8", "int16", "int32", "uint32"])
@pytest.mark.parametrize("suffix", [".npy", ".tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_other_types_are_refused(kind: str, suffix: str, channels: int, tmp_path: Path) -> None:
    pixels, path = noise(channels).astype(kind), tmp_path / f"a{suffix}"
    if suffix == ".npy":
        np.save(path, pixels)
    else:
        tifffile.imwrite(path, pixels.squeeze(), photometric="rgb" if channels == 3 else "minisblack")
    with pytest.raises(UserError, match=f"{path.name}: has pixels of the type {kind}; save it with 8 or 16 bits"):
        read(path)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def claiming(side: int, form: str) -> bytes:
    """A small file that says it has ``side`` by ``side`` pixels."""
    file = io.BytesIO()
    if form == "npy":
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (side, side)})
        return file.getvalue() + bytes(1000)
    if form == "tiff":
        tifffile.imwrite(file, noise(3, np.uint16), photometric="rgb")
        whole = file.getvalue()
        return whole.replace(struct.pack("<HHII", 256, 4, 1, 21), struct.pack("<HHII", 256, 4, 1, side)).replace(
            struct.pack("<HHII", 257, 4, 1, 13), struct.pack("<HHII", 257, 4, 1, side)
        )
    deep = {"png": 8, "deep png": 16}[form]
    header = struct.pack(">IIBBBBB", side, side, deep, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(1_000_000), 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body


@pytest.mark.parametrize("form", ["png", "deep png", "tiff", "npy"])
@pytest.mark.parametrize("side", [16_000, 60_000])
def test_a_bomb_is_refused_by_its_header(form: str, side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for owner, name in (Image.Image, "load"), (np, "load"), (tifffile.TiffPage, "asarray"):
        monkeypatch.setattr(owner, name, lambda *_, **__: pytest.fail("decoded"))
    assert side**2 > MEGAPIXELS * 1_000_000
    with pytest.raises(UserError, match=rf"^the picture: claims .*more than {MEGAPIXELS} megapixels; scale it down$"):
        read(io.BytesIO(claiming(side, form)))


def test_a_part_that_unpacks_to_more_than_its_pixels_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    tifffile.imwrite(file, noise(3, np.uint16), photometric="rgb", compression="zlib")
    whole = bytearray(file.getvalue())
    with tifffile.TiffFile(io.BytesIO(whole)) as tiff:
        (offset,), (count,) = tiff.pages[0].dataoffsets, tiff.pages[0].databytecounts
    bomb = zlib.compress(bytes(500_000), 9)
    whole[offset : offset + len(bomb)] = bomb
    assert len(bomb) < count
    monkeypatch.setattr(tifffile.TiffPage, "asarray", lambda *_, **__: pytest.fail("unpacked"))
    with pytest.raises(UserError, match="holds more than its pixels"):
        read(io.BytesIO(whole))


def files() -> dict[str, Callable[[], bytes]]:
    def by_pillow(form: str) -> bytes:
        file = io.BytesIO()
        Image.fromarray(noise(3, height=64, width=64)).save(file, form)
        return file.getvalue()

    def by_tifffile(**options: Any) -> bytes:
        file = io.BytesIO()
        tifffile.imwrite(file, noise(5, np.uint16, 64, 64), photometric="minisblack", planarconfig="contig", **options)
        return file.getvalue()

    return {
        **{form: lambda form=form: by_pillow(form) for form in ("jpeg", "png", "webp", "bmp", "gif", "tiff")},
        "deep png": lambda: stored(Raster(noise(3, np.uint16, 64, 64)), ".png"),
        "deep grey png": lambda: stored(Raster(noise(1, np.uint16, 64, 64)), ".png"),
        "deep tiff": lambda: stored(Raster(noise(3, np.uint16, 64, 64)), ".tif"),
        "bands": by_tifffile,
        "packed bands": lambda: by_tifffile(compression="zlib"),
        "array": lambda: stored(Raster(noise(3, np.uint16, 64, 64)), ".npy"),
    }


@pytest.mark.parametrize("kind", files())
def test_half_a_picture_is_refused(kind: str, tmp_path: Path) -> None:
    whole = files()[kind]()
    assert read(io.BytesIO(whole)).pixels.size
    for part in 0.02, 0.5, 0.97:
        path = tmp_path / "half"
        path.write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(UserError) as caught:
            read(path)
        assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", files())
def test_damaged_files_are_read_or_refused(kind: str) -> None:
    """Whatever bytes are changed, there is a picture or a UserError."""
    whole, chance = files()[kind](), np.random.default_rng(0)
    for _ in range(60):
        spoilt = bytearray(whole)
        for place in chance.integers(0, min(len(whole), 400), 3):
            spoilt[place] = chance.integers(0, 256)
        try:
            read(io.BytesIO(spoilt))
        except UserError as error:
            assert "\n" not in str(error)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    for content, reason in (
        (b"", "empty"),
        (b"hello" * 99, "not one of PNG, JPEG"),
        (b"P6 1 1 255 abc", "not one of PNG"),
        (b"II*\0hello", "is damaged"),
        (b"\x93NUMPY\x03\x00", "is damaged"),
    ):
        with pytest.raises(UserError, match=reason):
            read(io.BytesIO(content))
    with pytest.raises(UserError, match=r"absent.png cannot be read: No such file"):
        read(tmp_path / "absent.png")
    np.save(tmp_path / "a.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(UserError, match="pixels of the type object"):
        read(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.zeros((2, 3, 4, 5), np.uint8))
    with pytest.raises(UserError, match=r"is an array of the shape \[2, 3, 4, 5\]; a picture is"):
        read(tmp_path / "a.npy")


def test_tiffs_that_cannot_be_read_rightly_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    tifffile.imwrite(file, noise(4, np.uint16), photometric="separated")
    with pytest.raises(UserError, match="is not grey, RGB or bands; save it as RGB"):
        read(io.BytesIO(file.getvalue()))
    packed = bytearray(stored(Raster(noise(5)), ".tif"))
    place = packed.index(struct.pack("<HHI", Base.Compression, 3, 1)) + 8
    packed[place] = 5
    with pytest.raises(UserError, match="is compressed by LZW; save it without, or with ZIP"):
        read(io.BytesIO(packed))
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(UserError, match="needs tifffile: pip install tifffile"):
        read(io.BytesIO(stored(Raster(noise(5)), ".tif")))
    assert again(Raster(noise(3)), ".tif").pixels.shape == (13, 21, 3)


@pytest.mark.parametrize(
    ("raster", "suffix", "message"),
    [
        (Raster(noise(4)), ".jpg", r"\.jpg holds no alpha; write a .png"),
        (Raster(noise(2)), ".bmp", r"\.bmp holds no alpha; write a .png"),
        (Raster(noise(5)), ".png", r"\.png holds no 5 bands; write a .tif"),
        (Raster(noise(3, np.uint16)), ".jpg", r"\.jpg holds 8 bits a channel, not 16; write a .png or .tif"),
        (Raster(noise(3, np.uint16)), ".webp", r"\.webp holds 8 bits"),
        (Raster(noise(3)), ".gif", r"a picture goes into one of .png, .*, not into .gif"),
        (Raster(noise(3)), "", r"not into a file without ending"),
        (Raster(noise(3, width=17_000)), ".webp", r"holds sides of 16383 pixels, not 17000x13; write a .png"),
        (Raster(noise(3), b"Exif\0\0" + bytes(70_000)), ".jpg", "holds 64 kilobytes of EXIF"),
    ],
)
def test_what_a_format_cannot_hold_is_told(raster: Raster, suffix: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        write(raster, tmp_path / f"a{suffix}")
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError("no space left")

    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match="no space left"):
        write(Raster(noise()), path)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_streams_need_not_know_their_place() -> None:
    class Pipe(io.RawIOBase):
        """Standard input or output: forwards only."""

        def __init__(self, content: bytes = b"") -> None:
            self.content = io.BytesIO(content)

        def read(self, size: int | None = -1) -> bytes:
            return self.content.read(size)

        def write(self, content: Any) -> int:
            return self.content.write(content)

    for suffix in ".png", ".tif", ".npy":
        for kind in np.uint8, np.uint16:
            pipe = Pipe()
            write(Raster(noise(3, kind)), pipe, suffix)  # type: ignore[arg-type]
            found = read(Pipe(pipe.content.getvalue()))  # type: ignore[arg-type]
            assert np.array_equal(found.pixels, noise(3, kind))
