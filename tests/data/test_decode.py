"""One picture: every kind is decoded to what one sees, and no hostile one is decoded at all."""

from __future__ import annotations

import io
import struct
import zlib
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from made_pictures import noise
from PIL import Image

from belamy.data.decode import KINDS, content, decoded, glance, shaped
from belamy.data.pack import read
from belamy.data.shelf import PictureError


def stored(image: Image.Image, form: str = "png", **options: object) -> partial[io.BytesIO]:
    file = io.BytesIO()
    image.save(file, form, **options)  # type: ignore[arg-type]
    return partial(io.BytesIO, file.getvalue())


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK"])
def test_the_header_tells_the_kind_that_decoding_finds(mode: str) -> None:
    deep = Image.fromarray(noise(0, 9, 7).astype(np.uint16) * 257)
    image = deep if mode == "I;16" else Image.fromarray(noise(0, 9, 7, 4 if "A" in mode else 3)).convert(mode)
    opener = stored(image, "tiff" if mode == "CMYK" else "png")
    assert glance(opener) == (7, 9, KINDS[decoded(opener).mode])
    expected = {"1": "L", "LA": "RGBA", "P": "RGB", "I;16": "L", "CMYK": "RGB"}
    assert decoded(opener).mode == expected.get(mode, mode)


@pytest.mark.parametrize("form", ["png", "tiff"])
def test_16_bits_keep_their_range(form: str) -> None:
    values = np.array([[0, 257], [32896, 65535]], np.uint16)
    assert np.array_equal(np.asarray(decoded(stored(Image.fromarray(values), form))), [[0, 1], [128, 255]])


def test_clear_pixels_become_white_on_white_and_in_alpha() -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:4] = (200, 10, 10, 255)
    image = decoded(stored(Image.fromarray(pixels)))
    colour, alpha = shaped(image, 8, 3, "crop"), shaped(image, 8, 4, "crop")
    assert (colour[:, 0, 0] == (200, 10, 10)).all() and (colour[:, 7] == 255).all()
    assert (alpha[:, 0, 0] == (200, 10, 10, 255)).all() and (alpha[:, 7, 7] == (255, 255, 255, 0)).all()
    assert shaped(image, 8, 1, "crop")[0, 7, 7] == 255


def test_resizing_does_not_bleed_the_colour_of_clear_pixels() -> None:
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[..., 1] = 255  # green, but clear
    pixels[3:13, 3:13] = (255, 0, 0, 255)
    small = shaped(Image.fromarray(pixels), 8, 4, "crop")
    assert (small[0][small[3] > 0] >= 254).all() and (small[1][small[3] > 0] <= 1).all()


def test_the_right_size_is_left_alone_and_others_are_fitted() -> None:
    pixels = noise(1, 12, 12, 3)
    assert np.array_equal(shaped(Image.fromarray(pixels), 12, 3, "crop"), pixels.transpose(2, 0, 1))
    wide = np.zeros((8, 24), np.uint8)
    wide[:, 8:16] = noise(2)
    assert np.array_equal(shaped(Image.fromarray(wide), 8, 1, "crop")[0], wide[:, 8:16])
    framed = np.full((8, 16), 90, np.uint8)
    framed[3:5, 6:10] = 255
    padded = shaped(Image.fromarray(framed), 16, 1, "pad")[0]
    assert (padded[:4] == 90).all() and (padded[12:] == 90).all() and np.array_equal(padded[4:12], framed)
    assert shaped(Image.fromarray(wide), 8, 1, "stretch").shape == (1, 8, 8)
    assert (shaped(Image.fromarray(noise(3, 8, 16, 4)), 16, 4, "pad")[3, :4] == 0).all()


def test_orientation_is_applied() -> None:
    pixels = np.zeros((16, 32), np.uint8)
    pixels[:, :16] = 255  # white on the left: turned by 90 degrees clockwise it is on top
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = np.asarray(decoded(stored(Image.fromarray(pixels), "jpeg", exif=exif, quality=100)))
    assert upright.shape == (32, 16) and upright[:14].min() > 240 and upright[18:].max() < 15


def test_the_first_frame_of_a_film_is_taken() -> None:
    frames = [Image.fromarray(np.full((8, 8), value, np.uint8)) for value in (10, 200)]
    film = stored(frames[0], "gif", save_all=True, append_images=frames[1:])
    assert np.asarray(decoded(film).convert("L")).max() == 10


def test_content_is_that_of_the_pixels() -> None:
    grey = Image.fromarray(noise(4))
    assert content(decoded(stored(grey))) == content(decoded(stored(grey, "bmp")))
    assert content(decoded(stored(grey.convert("LA")))) == content(grey)  # alpha that is not used is none
    assert content(grey) != content(Image.fromarray(noise(4).reshape(4, 16)))


@pytest.mark.parametrize("form", ["jpeg", "png", "webp", "bmp", "gif", "tiff"])
def test_half_a_picture_is_refused(form: str) -> None:
    whole = stored(Image.fromarray(noise(5, 64, 64, 3)), form)().getvalue()
    (found,) = read(decoded, [partial(io.BytesIO, whole[: len(whole) // 2])])
    assert isinstance(found, PictureError) and str(found)


def test_a_bomb_is_refused_by_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    def bomb(side: int) -> partial[io.BytesIO]:
        header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
        body = chunk(b"IDAT", zlib.compress(bytes(10_000_000), 9)[:10_000]) + chunk(b"IEND", b"")
        return partial(io.BytesIO, b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body)

    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("decoded"))
    for side in (40_000, 10_400):  # Pillow itself refuses the first, and would only warn of the second
        for found in read(glance, [bomb(side)]), read(decoded, [bomb(side)]):
            assert "megapixels" in str(next(found))


def test_other_formats_are_not_even_tried(tmp_path: Path) -> None:
    Image.fromarray(noise(6, 8, 8, 3)).save(tmp_path / "a.ppm")
    with pytest.raises(PictureError, match="not one of PNG, JPEG"):
        decoded(partial((tmp_path / "a.ppm").open, "rb"))
    with pytest.raises(PictureError, match="empty"):
        decoded(io.BytesIO)
