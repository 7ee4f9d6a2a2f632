"""What pixels show: the shapes in a picture, found without knowing how or from what it was drawn."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from belamy.scenes.grammar import PALETTE, Scene

COLOURS = np.array(list(PALETTE.values()), np.float32)
STRANGE = 75.0
"""A colour that is further than this from all of the palette, in RGB, is none of them."""
DIFFERENT = 60.0
"""So far from the ground, at least, are the pixels of a thing."""
SPECK = 0.008
"""Share of a picture below which a spot is not a thing."""
LIKENESS = 0.72
"""Overlap with the ideal shape, over their union, from which on it is one."""
SQUARE = 1.45
"""Sides of a thing's box differ by no more than this factor."""
FINE = 4
"""Points along a side of a pixel, by which an ideal shape is compared."""
LARGE = 0.195
"""Half the side of a thing's box, as a share of the picture, from which on it is large."""
MIDDLE = 0.13
"""So near to the middle line, as a share of the picture, a thing is at neither side."""


@dataclass(frozen=True)
class Seen:
    """A spot: its ``shape`` and ``colour``, None where they are none; its box's centre and half side, of 0 to 1."""

    shape: str | None
    colour: str | None
    x: float
    y: float
    reach: float


@dataclass(frozen=True)
class View:
    """The colour of a picture's ground, None where it has none, and the spots on it, the largest first."""

    ground: str | None
    spots: tuple[Seen, ...]


def look(pixels: NDArray[np.uint8]) -> View:
    """What a picture [H, W, 3] shows."""
    values = pixels.astype(np.float32)
    border = np.concatenate([values[0], values[-1], values[1:-1, 0], values[1:-1, -1]])
    names = _nearest(border)
    commonest = int(np.bincount(names[names >= 0] + 0, minlength=1).argmax()) if (names >= 0).any() else -1
    if commonest < 0 or (names == commonest).mean() < 0.5:
        return View(None, ())
    ground = np.median(border[names == commonest], axis=0)
    away = np.linalg.norm(values - ground, axis=-1)
    spots = [_seen(values, ground, away, spot) for spot in _connected(away > DIFFERENT) if spot.mean() > SPECK]
    return View(list(PALETTE)[commonest], tuple(sorted(spots, key=lambda seen: -seen.reach)))


def agrees(scene: Scene, says: Collection[str], pixels: NDArray[np.uint8]) -> dict[str, bool]:
    """Whether a picture [H, W, 3] shows what was said of a scene, by attribute; ``all`` of it, and nothing beside."""
    view = look(pixels)
    exact = len(view.spots) == len(scene.things)
    found = {"ground": view.ground == scene.ground, "shape": False, "colour": False}
    pairs = list(zip(scene.things, _ordered(scene, view), strict=False)) if exact else []
    if pairs:
        found["shape"] = all(thing.shape == seen.shape for thing, seen in pairs)
        found["colour"] = all(thing.colour == seen.colour for thing, seen in pairs)
    if scene.relation is not None:
        found["relation"] = bool(pairs) and _related(scene, view)
    else:
        found["size"] = bool(pairs) and ("large" if pairs[0][1].reach > LARGE else "small") == scene.things[0].size
        found["place"] = bool(pairs) and _place(pairs[0][1]) == scene.place
    asked = {name: found[name] for name in sorted(says)}
    return {**asked, "all": exact and all(asked.values())}


def _ordered(scene: Scene, view: View) -> list[Seen]:
    """Spots as the relation of the scene has them."""
    if scene.relation is None:
        return list(view.spots)
    return sorted(view.spots, key=lambda seen: seen.x if scene.relation == "left of" else seen.y)


def _related(scene: Scene, view: View) -> bool:
    """Whether the two spots stand beside each other as they should: they are told apart by their colours."""
    first, second = _ordered(scene, view)
    across, along = abs(first.x - second.x), abs(first.y - second.y)
    straight = across > 1.5 * along if scene.relation == "left of" else along > 1.5 * across
    return straight and [first.colour, second.colour] == [thing.colour for thing in scene.things]


def _place(seen: Seen) -> str:
    above = "top" if seen.y < 0.5 - MIDDLE else "bottom" if seen.y > 0.5 + MIDDLE else ""
    beside = "left" if seen.x < 0.5 - MIDDLE else "right" if seen.x > 0.5 + MIDDLE else ""
    return f"{above} {beside}".strip() or "centre"


def _nearest(colours: NDArray[np.float32]) -> NDArray[np.int64]:
    """The palette's number of each colour [N, 3], or -1."""
    distances = np.linalg.norm(colours[:, None] - COLOURS, axis=-1)
    return np.where(distances.min(1) < STRANGE, distances.argmin(1), -1)


def _seen(
    values: NDArray[np.float32], ground: NDArray[np.float32], away: NDArray[np.float32], spot: NDArray[np.bool_]
) -> Seen:
    core = spot & (away >= np.quantile(away[spot], 0.5))
    colour = np.median(values[core], axis=0)
    name = int(_nearest(colour[None])[0])
    towards = colour - ground
    opacity = ((values - ground) @ towards / max(float(towards @ towards), 1.0)).clip(0, 1) * _grown(spot)
    rows, columns = (np.flatnonzero(opacity.any(axis)) for axis in (1, 0))
    opacity = opacity[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    (left, wide), (top, tall) = (_extent(opacity.max(axis)) for axis in (0, 1))
    shape = _shape(opacity, left, wide, top, tall) if max(tall, wide) <= SQUARE * min(tall, wide) else None
    height, width = spot.shape
    centre = (columns[0] + left + wide / 2) / width, (rows[0] + top + tall / 2) / height
    return Seen(shape, list(PALETTE)[name] if name >= 0 else None, *centre, (tall / height + wide / width) / 4)


def _extent(profile: NDArray[np.float32]) -> tuple[float, float]:
    """Where opaque pixels begin, and how many there are, to a fraction of one."""
    size = float(profile.sum())
    middle = float(profile @ (np.arange(len(profile)) + 0.5)) / max(size, 1e-6)
    return middle - size / 2, size


def _shape(opacity: NDArray[np.float32], left: float, wide: float, top: float, tall: float) -> str | None:
    """The shape that fills a box most nearly like this; tips are fainter than they are long, so it may be larger."""
    likeness: dict[str, float] = {}
    for larger in (1.0, 1.08, 1.16):
        y, x = (
            (2 * ((np.arange(size * FINE) + 0.5) / FINE - first) / span - 1) / larger
            for size, first, span in zip(opacity.shape, (top, left), (tall, wide), strict=True)
        )
        x, y = np.meshgrid(x, y)
        inside = (np.abs(x) <= 1) & (np.abs(y) <= 1)
        ideal = {
            "circle": x**2 + y**2 <= 1,
            "square": inside,
            "triangle": inside & (np.abs(x) <= (y + 1) / 2),
            "diamond": np.abs(x) + np.abs(y) <= 1,
            "cross": inside & ((np.abs(x) <= 1 / 3) | (np.abs(y) <= 1 / 3)),
        }
        for name, mask in ideal.items():
            cover = mask.reshape(len(opacity), FINE, -1, FINE).mean((1, 3))
            overlap = float(np.minimum(cover, opacity).sum() / np.maximum(cover, opacity).sum())
            likeness[name] = max(likeness.get(name, 0.0), overlap)
    best = max(likeness, key=lambda name: likeness[name])
    return best if likeness[best] >= LIKENESS else None


def _grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A mask [H, W] with the pixels that touch it."""
    wide, (height, width) = np.pad(mask, 1), mask.shape
    near = [wide[down : down + height, over : over + width] for down in range(3) for over in range(3)]
    found: NDArray[np.bool_] = np.logical_or.reduce(near)
    return found


def _connected(mask: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """The parts of a mask [H, W] that hang together by their sides or corners."""
    left, parts = mask.copy(), list[NDArray[np.bool_]]()
    while left.any():
        part = np.zeros_like(mask)
        part[tuple(np.argwhere(left)[0])] = True
        while ((grown := _grown(part) & mask) != part).any():
            part = grown
        parts.append(part)
        left &= ~part
    return parts
