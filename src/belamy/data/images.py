"""Pictures of one's own: folders, archives, parquet, numpy and Hugging Face datasets, as one kind of source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from belamy.data.decode import Resize, content, decoded
from belamy.data.files import find
from belamy.data.pack import Pack, packed, read, survey, tolerate
from belamy.data.pictures import Pictures
from belamy.data.shelf import PictureError
from belamy.errors import UserError, nearest

CHANNELS = {"grey": 1, "colour": 3, "alpha": 4}


class Images(Pictures):
    """The pictures at ``path``, decoded once and kept beside them, a tenth of them held out.

    ``resolution`` (pixels, a multiple of 4) and ``channels`` (1, 3 or 4) follow the data where they are not given;
    ``classes=False`` ignores its classes; ``attributes`` chooses among its attributes, all of them by default; up to
    a share ``bad_limit`` of unreadable pictures is skipped. Raises UserError for what cannot be read, is not there,
    or is no clear choice.
    """

    def __init__(
        self,
        path: str,
        resolution: int | None = None,
        channels: int | None = None,
        resize: Resize = "crop",
        flip: bool = False,
        classes: bool = True,
        attributes: Sequence[str] | None = None,
        bad_limit: float = 0.05,
        seed: int = 0,
    ) -> None:
        _check(resolution, channels, resize)
        place = find(str(path))
        if resolution is None or channels is None:
            seen = survey(place)
            tolerate(path, seen["bad"], seen["count"], min(bad_limit, 1 - 1 / seen["count"]))
            resolution = resolution or int(seen["resolution"])
            channels = channels or _channels(path, seen["kinds"])
        pack = packed(place, resolution, channels, resize)
        tolerate(path, pack.index["bad"], pack.index["count"], bad_limit)
        names = pack.index["classes"] if classes else None
        chosen = _chosen(path, pack.index["attributes"], attributes)
        _check_pack(path, pack, names is not None, bool(chosen))
        self._pack = pack
        flags = pack.attributes[:, [pack.index["attributes"].index(name) for name in chosen]] if chosen else None
        mark = pack.index["fingerprint"]
        super().__init__(pack.pixels, pack.heldout, pack.labels, names, mark, flip, seed, flags, chosen)
        self.facts["resize"] = resize

    @property
    def has_parts(self) -> bool:
        """Whether the data itself says what is held out."""
        return bool(self._pack.index["parts"])

    @property
    def texts(self) -> list[list[str]]:
        """The captions of all pictures, on both sides. Raises UserError where some have none."""
        found = self._pack.texts
        bare = [name for name, said in zip(self._pack.names, found, strict=True) if not said]
        if bare:
            few = ", ".join(bare[:3]) + (", ..." if len(bare) > 3 else "")
            form = '{"file_name": "a.png", "text": "a red fox"} a line in metadata.jsonl'
            raise UserError(f"{len(bare)} of {len(found)} pictures have no caption ({few}): give them one, {form},"
                            " or take them away")  # fmt: skip
        return found

    @property
    def summary(self) -> dict[str, Any]:
        """What was found, as plain JSON; ``classes`` and ``attributes`` count all readable pictures, on both sides."""
        pack, facts = self._pack, self.facts
        sizes = sorted((size for size, _ in pack.index["sizes"]), key=_area)
        counts = np.bincount(pack.labels, minlength=len(facts["classes"])).tolist() if facts["classes"] else None
        return {
            "count": len(pack.labels),
            "unreadable": pack.index["bad"],
            "sizes": {
                "common": pack.index["sizes"][:5],
                "different": len(sizes),
                "smallest": sizes[0],
                "largest": sizes[-1],
            },
            "kinds": pack.index["kinds"],
            "classes": dict(zip(facts["classes"], counts, strict=True)) if counts else None,
            "attributes": dict(zip(pack.index["attributes"], (pack.attributes > 0).sum(0).tolist(), strict=True)),
            "captioned": pack.index["captioned"],
            "duplicates": len(pack.labels) - pack.index["different"],
            "in_both_parts": pack.index["in_both_parts"],
            "training": facts["count"],
            "heldout": facts["heldout"],
            "resolution": facts["resolution"],
            "channels": facts["channels"],
        }


def _area(size: str) -> int:
    width, height = size.split("x")
    return int(width) * int(height)


def _check(resolution: int | None, channels: int | None, resize: str) -> None:
    if resolution is not None and (resolution % 4 or not 8 <= resolution <= 1024):
        near = min(1024, max(8, (resolution + 2) // 4 * 4))
        raise UserError(f"resolution {resolution} is not a multiple of 4 from 8 to 1024; try {near}")
    if channels not in (None, 1, 3, 4):
        raise UserError(f"channels is {channels}; choose 1 (grey), 3 (colour) or 4 (colour and alpha)")
    if resize not in ("crop", "pad", "stretch"):
        raise UserError(f"resize is {resize!r}; choose crop, pad or stretch")


def _channels(path: str, kinds: dict[str, int]) -> int:
    if len(kinds) > 1:
        found = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        choices = " or ".join(f"{CHANNELS[kind]} for {kind}" for kind in CHANNELS if kind != "colour" and kind in kinds)
        raise UserError(f"{path} mixes {found} pictures: choose with --set data.channels=3 ({choices})")
    return CHANNELS[next(iter(kinds))]


def _chosen(path: str, there: list[str], wanted: Sequence[str] | None) -> list[str]:
    """The attributes to learn: those ``wanted``, or all that are ``there``."""
    for name in wanted or ():
        if name not in there:
            known = nearest(name, there) or (f"; it has {', '.join(there[:12])}" if there else "")
            raise UserError(f"{path} has no attribute {name!r}{known or ', for its metadata tell none'}")
    return there if wanted is None else list(dict.fromkeys(wanted))


def _check_pack(path: str, pack: Pack, classes: bool, attributes: bool) -> None:
    count = len(pack.labels)
    if pack.index["different"] < 2:
        found = f"{count} pictures that are all the same" if count > 1 else "one readable picture"
        raise UserError(f"{path} has only {found}; learning what pictures look like takes hundreds of different ones")
    if pack.heldout.all() or not pack.heldout.any():
        raise UserError(f"one of the two parts of {path}, training and held-out, is empty; fill it, or make them one")
    if classes and (pack.labels < 0).any():
        lost = f"{(pack.labels < 0).sum()} of {count} pictures in {path} have no class"
        first = ", ".join(pack.index["unlabelled"])
        raise UserError(f"{lost} ({first}): give them one, or learn without: --set data.classes=false")
    if attributes and (pack.attributes < 0).any():
        lost = f"metadata say nothing of the attributes of {(pack.attributes[:, 0] < 0).sum()} of {count} pictures"
        first = ", ".join(pack.index["untold"])
        raise UserError(f"{lost} in {path} ({first}): tell them, or learn without: --set data.attributes=[]")


def check(path: str) -> dict[str, Any]:
    """Every picture at ``path`` decoded: how many there are, which are bad and why, and which are the same."""
    shelf = find(path).shelf
    bad: list[dict[str, str]] = []
    same: dict[bytes, list[str]] = {}
    hashes = read(lambda opener: content(decoded(opener)), shelf.openers())
    for item, digest in zip(shelf.items, hashes, strict=True):
        if isinstance(digest, PictureError):
            bad.append({"name": item.name, "why": str(digest)})
        else:
            same.setdefault(digest, []).append(item.name)
    duplicates = [names for names in same.values() if len(names) > 1]
    return {"pictures": len(shelf.items), "bad": bad, "duplicates": duplicates}


def describe(path: str, **options: Any) -> dict[str, Any]:
    """What ``Images(path, **options)`` finds: counts, sizes, classes, and the resolution and channels it takes."""
    return Images(path, **options).summary
