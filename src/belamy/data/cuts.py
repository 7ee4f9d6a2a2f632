"""Squares cut at random from pictures of any size, which is what pictures are translated by."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from belamy.chance import Chance, key
from belamy.data.gallery import Gallery
from belamy.data.pack import fingerprint, split
from belamy.errors import UserError
from belamy.game import Batch
from belamy.source import Source

LEAST = 8
"""Pixels along a side of the smallest squares that networks are made for."""
WHOLE = 1024
"""Pixels along a side of what is judged as a whole: of larger pictures the middle."""


class Cuts(Source):
    """Rows made of squares of ``resolution`` pixels from the same place of each picture in a row of ``views``.

    ``views`` are rows of a gallery, one for each ``part`` and its number of ``channels``; ``flip`` mirrors half of the
    rows. A subclass says what is made of the squares.
    """

    multiple = 1
    """What the sides of a picture that is judged as a whole must divide by."""

    def __init__(
        self, pictures: Gallery, views: Sequence[Sequence[int]], channels: Sequence[int], resolution: int, flip: bool,
        seed: int, facts: dict[str, Any],
    ) -> None:  # fmt: skip
        self.seed, self._pictures, self._channels, self._flip = seed, pictures, channels, flip
        self._views = np.array(views, np.int64)
        self._shapes = pictures.shapes[self._views[:, 0], :2]
        side = max(resolution, LEAST)
        if len(small := np.flatnonzero(self._shapes.min(1) < side)):
            name, (height, width) = pictures.names[self._views[small[0], 0]], self._shapes[small[0]]
            fitting = int(self._shapes.min()) // LEAST * LEAST
            raise UserError(
                f"{len(small)} of {len(views)} pictures are smaller than the squares of {side} pixels to train"
                f" on, such as {name} with {width}x{height}:"
                f" --set {f'data.resolution={fitting}' if fitting else f'data.size={side} enlarges them'}"
            )
        if resolution < LEAST:
            raise UserError(f"data.resolution {resolution} should be {LEAST} or more")
        heldout = split(pictures.hashes[self._views[:, 0]], [_side(pictures, row) for row in self._views[:, 0]])
        if heldout.all():  # one picture alone, or one many times over, is there to be learnt from
            heldout[:] = False
        self._rows, self._others = np.flatnonzero(~heldout), np.flatnonzero(heldout)
        self.facts = {
            "kind": "translation", "resolution": resolution, "count": len(self._rows), "heldout": len(self._others),
            "fingerprint": fingerprint(pictures.hashes[self._views]), **facts,
        }  # fmt: skip
        self.has_parts = bool((pictures.heldout[self._views[:, 0]] >= 0).all())

    @abstractmethod
    def made(self, squares: list[Tensor], rng: Chance) -> Batch:
        """A batch of pictures [B, C, H, W], one for each part, with what belongs to them."""

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self, indices: NDArray[np.int64], rng: Chance) -> Batch:
        places, mirrored = rng.uniform(2), rng.uniform() < 0.5
        squares = self._squares(indices, places)
        if self._flip:
            squares = [torch.where(mirrored[:, None, None, None], part.flip(-1), part) for part in squares]
        return self.made(squares, rng)

    def plain(self, indices: NDArray[np.int64]) -> Batch:
        middle = torch.full((len(indices), 2), 0.5)
        return self.made(self._squares(indices, middle), Chance(key("plain"), torch.from_numpy(indices)))

    def _squares(self, indices: NDArray[np.int64], places: Tensor) -> list[Tensor]:
        side = self.facts["resolution"]
        parts: list[list[Tensor]] = [[] for _ in self._channels]
        for index, place in zip(self._rows[indices], places.tolist(), strict=True):
            room = self._shapes[index] - side + 1
            top, left = (int(share * count) for share, count in zip(place, room, strict=True))
            for part, row, channels in zip(parts, self._views[index], self._channels, strict=True):
                part.append(self._pictures.cut(int(row), channels, top, left, side, side))
        return [torch.stack(part) for part in parts]

    def whole(self, index: int) -> Batch:
        """Picture ``index`` as a batch of its own, or the middle of it: at most WHOLE pixels to a side."""
        row, (height, width) = self._rows[index], self.extent(index)
        top, left = ((self._shapes[row] - (height, width)) // 2).tolist()
        parts = [
            self._pictures.cut(int(view), channels, top, left, height, width)[None]
            for view, channels in zip(self._views[row], self._channels, strict=True)
        ]
        return self.made(parts, Chance(key("plain"), [index]))

    def wholes(self, limit: int | None = None) -> Iterator[Batch]:
        """All pictures, or so many, each as ``whole`` gives it."""
        return map(self.whole, range(min(limit or len(self), len(self))))

    def extent(self, index: int) -> tuple[int, int]:
        """Height and width of picture ``index`` as ``whole`` gives it."""
        sides = self._shapes[self._rows[index]]
        height, width = (min(WHOLE, int(side)) // self.multiple * self.multiple for side in sides)
        return height, width

    @property
    def pictured(self) -> list[int]:
        """The gallery's row of the first picture of each row."""
        return [int(row) for row in self._views[self._rows, 0]]

    def heldout(self) -> Self | None:
        if not len(self._others):
            return None
        other = self._of(self._others)
        other._flip = False
        return other

    def everything(self) -> Self:
        """All rows, on whichever side."""
        return self._of(np.arange(len(self._views)))

    def _of(self, rows: NDArray[np.int64]) -> Self:
        other = copy.copy(self)
        other._rows, other._others = rows, rows[:0]
        return other


class Photos(Cuts):
    """Rows ``{"image": [B, C, R, R]}`` in [-1, 1]: squares of the pictures whose rows are in ``views``."""

    def __init__(
        self, pictures: Gallery, views: Sequence[Sequence[int]], channels: int | None, resolution: int, flip: bool,
        seed: int, **facts: Any,
    ) -> None:  # fmt: skip
        channels = pictures.channels([row for (row,) in views], channels, "data.channels")
        super().__init__(pictures, views, [channels], resolution, flip, seed, {"channels": channels, **facts})

    def made(self, squares: list[Tensor], rng: Chance) -> Batch:
        return {"image": squares[0]}


def fitting(pictures: Gallery, views: Sequence[Sequence[int]], multiple: int, most: int = 256) -> int:
    """The side of the largest squares that all pictures hold: a multiple of ``multiple``, ``most`` at most."""
    least = int(pictures.shapes[[view[0] for view in views], :2].min())
    return max(multiple, min(most, least) // multiple * multiple)


def _side(pictures: Gallery, row: int) -> bool | None:
    return None if pictures.heldout[row] < 0 else bool(pictures.heldout[row])
