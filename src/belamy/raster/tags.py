"""What a file tells of a picture beside its pixels: EXIF, as bytes and as the directory of a TIFF."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from PIL import Image
from PIL.ExifTags import IFD
from PIL.ExifTags import Base as Tag
from PIL.TiffImagePlugin import ImageFileDirectory_v2

PREFIX = b"Exif\0\0"
GROUPS = (IFD.Exif, IFD.GPSInfo)
DESCRIPTIVE = {
    *GROUPS,
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


def exif_of(image: Image.Image) -> bytes | None:
    """EXIF of an opened picture, from its prefix on; None where there is none, or it is broken."""
    with suppress(Exception):  # a broken EXIF block costs the orientation, not the picture
        tags = image.getexif()
        if image.format == "TIFF":
            return descriptive(tags)
        exif = image.info.get("exif") or (tags.tobytes() if len(tags) else b"")
        return PREFIX + exif.removeprefix(PREFIX) if exif else None
    return None


def descriptive(tags: Image.Exif) -> bytes | None:
    """The tags of a TIFF as EXIF, but for those of how it is stored."""
    for tag in list(tags):
        if tag not in DESCRIPTIVE:
            del tags[tag]
    tags.bigtiff = False  # of which EXIF knows nothing
    with suppress(Exception):  # as above
        return tags.tobytes() if len(tags) else None
    return None


def without_previews(exif: bytes | None) -> bytes | None:
    """EXIF without small pictures of the whole, and without its camera's own notes, which may hold larger ones.

    They would show what a picture was before it was changed.
    """
    tags = Image.Exif()
    with suppress(Exception):
        tags.load(exif or b"")
        details = tags.get_ifd(IFD.Exif)
        if details.pop(IFD.MakerNote, None) is None and not tags.get_ifd(IFD.IFD1):
            return exif
    with suppress(Exception):
        return PREFIX + tags.tobytes().removeprefix(PREFIX)
    return None


def described(exif: bytes) -> ImageFileDirectory_v2:
    """The tags of EXIF that tell of the picture and are not damaged."""
    found, tags = Image.Exif(), ImageFileDirectory_v2(prefix=b"II")
    with suppress(Exception):
        found.load(exif)
    for tag in DESCRIPTIVE.intersection(found):
        with suppress(Exception):
            trial = ImageFileDirectory_v2(prefix=b"II")
            trial[tag] = _group(found, tag) if tag in GROUPS else found[tag]
            trial.tobytes()
            tags[tag] = trial[tag]
    return tags


def _group(tags: Image.Exif, tag: int) -> dict[int, Any]:
    """The tags of a group, without the place that a group within it had in another file."""
    return {key: value for key, value in tags.get_ifd(tag).items() if key != IFD.Interop}
