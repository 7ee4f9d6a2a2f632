"""Scenes as pictures, with a little chance in where things stand, how large they are, and of what shade."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from belamy.scenes.grammar import PALETTE, Scene

SAMPLES = 4
"""Points along a side of a pixel, of which it is the mean."""
RADII = {"small": 0.14, "large": 0.25, None: 0.17}
"""Of things, as a share of the picture's side."""
AWAY = {"small": 0.28, "large": 0.22}
"""How far from the centre a thing stands that is at a side."""
APART = 0.22
"""Half the distance between two things."""
SWAY, GROWTH, SHADE = 0.02, 0.06, 6.0
"""Most that chance moves a thing (of the side), makes it larger or smaller (of its size), and shades it (of 255)."""
CHANCES = 11
"""Numbers of chance that a picture takes."""


def draw(scene: Scene, side: int, chance: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A picture [side, side, 3]; ``chance`` holds CHANCES numbers from 0 to 1."""
    signed = iter((2 * chance - 1).tolist())
    canvas = Image.new("RGB", (side * SAMPLES,) * 2, _shade(scene.ground, next(signed)))
    pen = ImageDraw.Draw(canvas)
    for thing, (x, y) in zip(scene.things, _centres(scene), strict=True):
        radius = RADII[thing.size] * (1 + GROWTH * next(signed))
        x, y = x + SWAY * next(signed), y + SWAY * next(signed)
        unit, colour = side * SAMPLES, _shade(thing.colour, next(signed))
        _shape(pen, thing.shape, unit * x, unit * y, unit * radius, colour)
    small = canvas.resize((side, side), Image.Resampling.BOX)
    return np.asarray(small)


def _centres(scene: Scene) -> list[tuple[float, float]]:
    if scene.relation == "left of":
        return [(0.5 - APART, 0.5), (0.5 + APART, 0.5)]
    if scene.relation == "above":
        return [(0.5, 0.5 - APART), (0.5, 0.5 + APART)]
    away, place = AWAY[str(scene.things[0].size)], str(scene.place)
    x = ("right" in place) - ("left" in place)
    y = ("bottom" in place) - ("top" in place)
    return [(0.5 + away * x, 0.5 + away * y)]


def _shade(colour: str, by: float) -> tuple[int, int, int]:
    red, green, blue = (min(255, max(0, round(value + SHADE * by))) for value in PALETTE[colour])
    return red, green, blue


def _shape(
    pen: ImageDraw.ImageDraw, shape: str, x: float, y: float, radius: float, colour: tuple[int, int, int]
) -> None:
    if shape == "circle":
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), colour)
    elif shape == "square":
        half = 0.88 * radius
        pen.rectangle((x - half, y - half, x + half, y + half), colour)
    elif shape == "triangle":
        pen.polygon([(x, y - radius), (x + radius, y + radius), (x - radius, y + radius)], colour)
    elif shape == "diamond":
        pen.polygon([(x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y)], colour)
    else:
        arm = radius / 3
        pen.rectangle((x - radius, y - arm, x + radius, y + arm), colour)
        pen.rectangle((x - arm, y - radius, x + arm, y + radius), colour)
