"""Large pictures through a network in tiles: the result of the whole picture, in the memory of one tile."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from belamy.errors import UserError

Array = NDArray[Any]
"""A picture [H, W, C], of any type."""


class _Span(NamedTuple):
    """Along one axis: pixels ``start`` to ``stop`` are kept of a cut from ``left`` to ``right``."""

    left: int
    start: int
    stop: int
    right: int


def tiled(
    function: Callable[..., Array],
    pictures: Array | Sequence[Array],
    out: Array,
    *,
    tile: int | None,
    stride: int,
    radius: int,
    scale: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Fills ``out`` [H * scale, W * scale, D] with ``function`` of one picture [H, W, C], or of several of one size.

    ``function`` takes cuts [h, w, C], one of each picture, and gives [h * scale, w * scale, D]. It may do at a
    picture's borders what it likes, zero padding for example: they are its borders in the tiles too. Elsewhere each
    tile has a margin of ``radius`` pixels, which is how far an output pixel sees, and all begin on the grid of
    ``stride``, on which the function repeats itself; so the result is that of one call.

    ``tile``: the side of a tile without its margin, in pixels, rounded up to the stride; None: all at once.
    ``progress``: called with the tiles done and the number of tiles. Raises UserError for a tile below 1; what the
    function raises passes.
    """
    if tile is not None and tile < 1:
        raise UserError(f"a tile has 1 pixel or more, not {tile}; try 512")
    whole = [padded_to(one, stride) for one in ([pictures] if isinstance(pictures, np.ndarray) else pictures)]
    spans = [list(_spans(side, tile, stride, radius)) for side in whole[0].shape[:2]]
    tiles = list(product(*spans))
    for done, (down, across) in enumerate(tiles, start=1):
        made = function(*(one[down.left : down.right, across.left : across.right] for one in whole))
        _put(made, out, down, across, scale)
        if progress:
            progress(done, len(tiles))


def padded_to(picture: Array, stride: int) -> Array:
    """``picture`` [H, W, C] with its last row and column repeated until both sides are multiples of ``stride``."""
    below, right = (-side % stride for side in picture.shape[:2])
    if not below and not right:
        return picture  # without the copy that padding makes
    return np.pad(picture, ((0, below), (0, right), (0, 0)), mode="edge")


def _spans(side: int, tile: int | None, stride: int, radius: int) -> Iterator[_Span]:
    core = math.ceil((tile or side) / stride) * stride
    margin = math.ceil(radius / stride) * stride
    for start in range(0, side, core):
        stop = min(start + core, side)
        yield _Span(max(0, start - margin), start, stop, min(stop + margin, side))


def _put(made: Array, out: Array, down: _Span, across: _Span, scale: int) -> None:
    """The core of ``made`` into its place; what lies beyond ``out`` belongs to the padding."""
    place = out[down.start * scale : down.stop * scale, across.start * scale : across.stop * scale]
    top, left = (down.start - down.left) * scale, (across.start - across.left) * scale
    place[...] = made[top : top + place.shape[0], left : left + place.shape[1]]
