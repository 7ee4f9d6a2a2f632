"""Pictures of two kinds, A and B: pairs of equal names, pictures side by side, or two heaps without a pairing."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from belamy.chance import Chance
from belamy.data.cuts import Cuts, Photos, fitting
from belamy.data.gallery import Gallery, gallery
from belamy.data.shelf import HELDOUT
from belamy.errors import UserError
from belamy.game import Batch
from belamy.source import Source

Direction = Literal["AtoB", "BtoA"]
FORMS = "folders A and B (or train/A, train/B, val/A, val/B; or trainA, trainB, testA, testB)"
PARTS = {"train": 0, "training": 0, **dict.fromkeys(HELDOUT, 1)}
KIND = re.compile(f"({'|'.join(PARTS)})?(A|B)", re.IGNORECASE)


def two_kinds(
    path: str, size: int | None, bad_limit: float, beside: bool
) -> tuple[Gallery, dict[str, dict[str, int]]]:
    """The pictures at ``path``, and of each kind, A and B, their rows by name; if ``beside``, also in one picture.

    Raises UserError where there are no two kinds.
    """
    found = gallery(path, size, bad_limit=bad_limit)
    rows, heldout = _kinds(found)
    if not any(rows.values()) and not beside:
        raise UserError(f"{path} has no {FORMS}")
    if not any(rows.values()):
        height, width, _ = found.shapes.T
        if (width <= height).any():
            raise UserError(f"{path} has no {FORMS}, and its pictures are not wide enough to be two side by side")
        found = gallery(path, size, halved=True, bad_limit=bad_limit)
        rows, heldout = _kinds(found)
    for kind, others in (("A", "B"), ("B", "A")):
        if not rows[kind]:
            raise UserError(f"{path} has pictures in {others} but none in {kind}: put them into {FORMS}")
    return replace(found, heldout=heldout), rows


def _kinds(pictures: Gallery) -> tuple[dict[str, dict[str, int]], NDArray[np.int8]]:
    """Rows of A and of B by part and name, and what is held out, all as the last folder says that is an A or a B."""
    rows: dict[str, dict[str, int]] = {"A": {}, "B": {}}
    heldout = pictures.heldout.copy()
    for row, name in enumerate(pictures.names):
        folders = list(PurePosixPath(name).parent.parts)
        while folders and not (kind := KIND.fullmatch(folders[-1])):
            folders.pop()
        if not folders or kind is None:
            continue
        depth = len(folders)
        above = (folder.lower() for folder in reversed(folders[:-1]) if folder.lower() in PARTS)
        part = (kind[1] or "").lower() or next(above, "")
        if part:
            heldout[row] = PARTS[part]
        own = str(PurePosixPath(*PurePosixPath(name).parts[depth:]).with_suffix(""))
        mine = rows[kind[2].upper()]
        if (key := f"{part}/{own}") in mine:
            raise UserError(f"{name} has the name of {pictures.names[mine[key]]}: call one of them something else")
        mine[key] = row
    return rows, heldout


class Pairs(Cuts):
    """Rows ``{"source": [B, C, R, R], "target": [B, C', R, R]}`` in [-1, 1]: the same place of both pictures of a pair.

    ``path`` holds two folders A and B with equal names (but for the suffix), or pictures that show A and B side by
    side. ``direction``: "AtoB" makes B of A. ``resolution`` is the side of the squares to train on: by default the
    shorter side of the smallest picture, up to 256, and a multiple of 16. ``size`` scales pictures first, to so many
    pixels on their shorter side. ``channels`` and ``target_channels`` choose where pictures are mixed. Raises UserError
    where a picture has no partner, or one of another size.
    """

    def __init__(
        self, path: str, resolution: int | None = None, channels: int | None = None, target_channels: int | None = None,
        direction: Direction = "AtoB", size: int | None = None, flip: bool = False, bad_limit: float = 0.05,
        seed: int = 0,
    ) -> None:  # fmt: skip
        pictures, rows = two_kinds(path, size, bad_limit, beside=True)
        if alone := sorted(rows["A"].keys() ^ rows["B"].keys()):
            named = ", ".join(name.lstrip("/") for name in alone[:3])
            first = "".join(f"; {one['name']} cannot be read: {one['why']}" for one in pictures.bad[:3])
            told = f"{len(alone)} pictures in {path} are in A or in B alone, without a partner: {named}"
            raise UserError(told + first)
        views = [(rows["A"][name], rows["B"][name]) for name in sorted(rows["A"])]  # so is what is held out
        for pair in views:
            (height, width), (other_height, other_width) = (pictures.shapes[row, :2] for row in pair)
            if (height, width) != (other_height, other_width):
                name = pictures.names[pair[0]]
                theirs = f"{other_width}x{other_height}"
                raise UserError(f"{name} is {width}x{height}, its partner {theirs}: make them equal")
        self._order = (0, 1) if direction == "AtoB" else (1, 0)
        wishes = {"channels": channels, "target_channels": target_channels}
        counts = [
            pictures.channels([view[part] for view in views], wanted, f"data.{name}")
            for part, (name, wanted) in zip(self._order, wishes.items(), strict=True)
        ]
        facts = {"task": "paired", "channels": counts[0], "target_channels": counts[1], "direction": direction}
        own = [counts[part] for part in self._order]
        super().__init__(pictures, views, own, resolution or fitting(pictures, views, 16), flip, seed, facts)

    def made(self, squares: list[Tensor], rng: Chance) -> Batch:
        source, target = (squares[part] for part in self._order)
        return {"source": source, "target": target}


class Unpaired(Source):
    """Rows ``{"source": [B, C, R, R], "target": [B, C', R, R]}`` in [-1, 1] of two heaps of pictures, A and B.

    What stands in a row has nothing to do with each other. The arguments are those of Pairs, but ``path`` holds two
    folders, always. Held-out pictures of equal names are taken for true pairs where there are any, to be scored by:
    ``wholes`` gives them.
    """

    def __init__(
        self, path: str, resolution: int | None = None, channels: int | None = None, target_channels: int | None = None,
        direction: Direction = "AtoB", size: int | None = None, flip: bool = False, bad_limit: float = 0.05,
        seed: int = 0,
    ) -> None:  # fmt: skip
        pictures, rows = two_kinds(path, size, bad_limit, beside=False)
        self.seed, heaps = seed, []
        self._names = {row: name for own in rows.values() for name, row in own.items()}
        for kind, wanted in ((direction[0], channels), (direction[-1], target_channels)):
            views = [(row,) for row in rows[kind].values()]
            side = resolution or min(fitting(pictures, [(row,) for row in own.values()], 16) for own in rows.values())
            heaps.append(Photos(pictures, views, wanted, side, flip, seed))
        self._source, self._target = heaps
        self.facts = {
            **self._source.facts, "task": "unpaired", "target_channels": self._target.facts["channels"],
            "direction": direction, "target_count": len(self._target),
        }  # fmt: skip

    def __len__(self) -> int:
        return len(self._source)

    def rows(self, indices: NDArray[np.int64], rng: Chance) -> Batch:
        others = rng.integers(len(self._target)).numpy()
        return {"source": self._source.rows(indices, rng)["image"], "target": self._target.rows(others, rng)["image"]}

    def plain(self, indices: NDArray[np.int64]) -> Batch:
        others = indices % len(self._target)
        return {"source": self._source.plain(indices)["image"], "target": self._target.plain(others)["image"]}

    def wholes(self, limit: int | None = None) -> Iterator[Batch]:
        """Each picture of A with its namesake in B, where all of them have one of their size; else with any of B."""
        names, others = ([self._names[row] for row in heap.pictured] for heap in (self._source, self._target))
        partners = {name: index for index, name in enumerate(others)}
        paired = all(
            name in partners and self._source.extent(index) == self._target.extent(partners[name])
            for index, name in enumerate(names)
        )
        for index in range(min(limit or len(self), len(self))):
            other = partners[names[index]] if paired else index % len(self._target)
            batch = {"source": self._source.whole(index)["image"], "target": self._target.whole(other)["image"]}
            yield batch | ({"paired": batch["source"].new_ones(1)} if paired else {})

    def turned(self) -> Unpaired:
        """The same with B for A and A for B."""
        other = self._of(self._target, self._source)
        names = {"channels": "target_channels", "count": "target_count"}
        turned = {**names, **{value: name for name, value in names.items()}}
        other.facts = {turned.get(name, name): value for name, value in self.facts.items()}
        other.facts["direction"] = "AtoB" if self.facts["direction"] == "BtoA" else "BtoA"
        return other

    @property
    def has_parts(self) -> bool:
        """Whether the data itself says what is held out."""
        return self._source.has_parts and self._target.has_parts

    def heldout(self) -> Unpaired | None:
        source, target = self._source.heldout(), self._target.heldout()
        return None if source is None or target is None else self._of(source, target)

    def everything(self) -> Unpaired:
        """All pictures, on whichever side."""
        return self._of(self._source.everything(), self._target.everything())

    def whole(self, index: int) -> Batch:
        """Picture ``index`` of A, and one of B."""
        source, target = self._source.whole(index), self._target.whole(index % len(self._target))
        return {"source": source["image"], "target": target["image"]}

    def extent(self, index: int) -> tuple[int, int]:
        """Height and width of picture ``index`` of A as ``wholes`` gives it."""
        return self._source.extent(index)

    def _of(self, source: Photos, target: Photos) -> Unpaired:
        other = copy.copy(self)
        other._source, other._target = source, target
        return other
