"""One picture of unknown origin: opened with suspicion, decoded, converted, and brought to size."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from belamy.data.shelf import Opener, PictureError

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP")
SUFFIXES = frozenset({".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".tif", ".tiff", ".bmp"})
MEGAPIXELS = 100

KINDS = {"L": "grey", "RGB": "colour", "RGBA": "alpha"}
"""What a decoded picture is, by Pillow's name of its mode."""

Resize = Literal["crop", "pad", "stretch"]


@contextmanager
def opened(opener: Opener) -> Iterator[Image.Image]:
    """The picture with only its header read. Raises PictureError before a bomb is decoded."""
    blob = opener()
    if isinstance(blob, np.ndarray):
        yield Image.fromarray(blob)
        return
    with blob:
        try:
            image = Image.open(blob, formats=FORMATS)
        except UnidentifiedImageError:
            blob.seek(0)
            raise PictureError(f"not one of {', '.join(FORMATS)}" if blob.read(1) else "empty") from None
        except Image.DecompressionBombError:
            raise PictureError(f"claims more than {MEGAPIXELS} megapixels") from None
        if image.width * image.height > MEGAPIXELS * 1_000_000:
            raise PictureError(f"claims {image.width}x{image.height}, more than {MEGAPIXELS} megapixels")
        yield image


def decoded(opener: Opener) -> Image.Image:
    """The first frame, upright, 8 bits a channel: mode L, RGB, or RGBA where some pixel is not opaque."""
    with opened(opener) as image:
        image.load()
        with suppress(Exception):  # a broken EXIF block costs the orientation, not the picture
            ImageOps.exif_transpose(image, in_place=True)
        if image.mode == "F":
            raise PictureError("32-bit float pixels of unknown range; save it with 8 or 16 bits")
        if image.mode.startswith("I"):
            return Image.fromarray((np.asarray(image).clip(0, 65535) / 257).round().astype(np.uint8))
        if image.has_transparency_data:
            full = image.convert("RGBA")
            if full.getchannel("A").getextrema() != (255, 255):
                return full
            image = image.convert("RGB") if image.mode == "P" else full.convert(opaque_mode(image.mode))
        return image.convert(opaque_mode(image.mode))


def opaque_mode(mode: str) -> str:
    """Pillow's mode of 8 bits a channel, without alpha, that holds a picture of any ``mode``: L or RGB."""
    return "L" if mode in ("1", "L", "LA", "La") else "RGB"


def full_mode(image: Image.Image) -> str:
    """The mode of 8 bits a channel, without palette, that holds all of a picture: L, LA, RGB or RGBA."""
    return opaque_mode(image.mode) + "A" * image.has_transparency_data


def glance(opener: Opener) -> tuple[int, int, str]:
    """Width, height and kind (see ``KINDS``), from the header alone unless there may be transparency."""
    with opened(opener) as image:
        if not image.has_transparency_data:
            return image.width, image.height, KINDS["L" if image.mode[0] == "I" else opaque_mode(image.mode)]
        size = image.size
    return *size, KINDS[decoded(opener).mode]


def content(image: Image.Image) -> bytes:
    """16 bytes that are equal for equal pixels: BLAKE2b over mode, size and bytes."""
    return hashlib.blake2b(repr((image.mode, image.size)).encode() + image.tobytes(), digest_size=16).digest()


def shaped(image: Image.Image, resolution: int, channels: int, resize: Resize) -> NDArray[np.uint8]:
    """Pixels [channels, resolution, resolution]; the colour of fully transparent pixels is white."""
    fitted = _fitted(_recoloured(image, channels), resolution, resize)
    pixels = np.array(fitted).reshape(resolution, resolution, channels)
    if channels == 4:
        pixels[pixels[..., 3] == 0] = (255, 255, 255, 0)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _recoloured(image: Image.Image, channels: int) -> Image.Image:
    if channels == 4:
        return image.convert("RGBA")
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("L" if channels == 1 else "RGB")


def _fitted(image: Image.Image, resolution: int, resize: Resize) -> Image.Image:
    # Pillow multiplies the colours by alpha before it resizes, and copies where the size is right already
    width, height = image.size
    if resize == "stretch" or width == height:
        return image.resize((resolution, resolution), Image.Resampling.LANCZOS)
    if resize == "crop":
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        square = image.crop((left, top, left + side, top + side))
        return square.resize((resolution, resolution), Image.Resampling.LANCZOS)
    scale = resolution / max(width, height)
    inner = image.resize((max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.LANCZOS)
    outer = Image.new(image.mode, (resolution, resolution), _ground(inner))
    outer.paste(inner, ((resolution - inner.width) // 2, (resolution - inner.height) // 2))
    return outer


def _ground(image: Image.Image) -> tuple[int, ...]:
    """The colour to pad with: clear where there is alpha, else the median of the border."""
    if image.mode == "RGBA":
        return (255, 255, 255, 0)
    pixels = np.asarray(image).reshape(image.height, image.width, -1)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return tuple(int(value) for value in np.median(border, axis=0))
