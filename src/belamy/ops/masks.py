"""Random holes for pictures to be filled: thick lines and boxes (LaMa, Suvorov et al., 2022)."""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from belamy.chance import Chance

LEAST, MOST = 0.05, 0.5
"""Shares of a picture that are missing."""

_LINES, _BOXES, _SEGMENTS = 5, 4, 5  # at most


def holes(rng: Chance, height: int, width: int) -> Tensor:
    """A mask [rows, 1, H, W] for each of the rows of ``rng``: 1 where pixels are missing, 0 elsewhere.

    Half the rows have 1 to 5 lines of 1 to 5 segments, each up to half the picture long and 1/32 to 1/5 of its shorter
    side thick (LaMa's are up to 2/5: they hide nearly all); the others 1 to 4 boxes, with sides of 30/256 to 150/256
    of the picture's, as LaMa's. They are drawn anew until they cover between 5 % and 50 %.

    Raises:
        ValueError: a side of less than 8 pixels.
    """
    if min(height, width) < 8:
        raise ValueError(f"holes need pictures of 8 pixels a side, not {height}x{width}")
    rng = rng.split(1)  # how often a row is drawn anew changes nothing of what the caller draws next
    masks = torch.empty(len(rng), 1, height, width)
    lined = (rng.uniform() < 0.5).tolist()
    waiting = list(range(len(rng)))
    while waiting:
        numbers = rng.uniform(_LINES, 5 + 2 * _SEGMENTS).tolist()
        for row in waiting:
            masks[row] = _drawn(numbers[row], lined[row], height, width)
        waiting = [row for row in waiting if not LEAST <= masks[row].mean() <= MOST]
    return masks.to(rng.device)


def _drawn(shapes: list[list[float]], lined: bool, height: int, width: int) -> Tensor:
    """[H, W] of shapes that as many numbers in [0, 1) say; the first number of all is how many shapes there are."""
    picture = Image.new("L", (width, height))
    draw = ImageDraw.Draw(picture)
    count = 1 + int(shapes[0][0] * (_LINES if lined else _BOXES))
    for _, *numbers in shapes[:count]:
        (_line if lined else _box)(draw, numbers, height, width)
    return torch.from_numpy(np.array(picture, np.float32))


def _line(draw: ImageDraw.ImageDraw, numbers: list[float], height: int, width: int) -> None:
    segments, thickness, x, y, *turns = numbers
    points = [(x * width, y * height)]
    for angle, length in zip(turns[::2], turns[1::2][: 1 + int(segments * _SEGMENTS)], strict=False):
        x = min(max(x + length / 2 * math.cos(2 * math.pi * angle), 0), 1)
        y = min(max(y + length / 2 * math.sin(2 * math.pi * angle), 0), 1)
        points.append((x * width, y * height))
    thick = max(1, round((1 / 32 + thickness * (1 / 5 - 1 / 32)) * min(height, width)))
    draw.line(points, fill=1, width=thick)
    for point in points:
        draw.circle(point, (thick - 1) / 2, fill=1)


def _box(draw: ImageDraw.ImageDraw, numbers: list[float], height: int, width: int) -> None:
    corner, side = [], []
    for size, long, place in ((width, *numbers[:2]), (height, *numbers[2:4])):
        side.append(round((30 + long * 120) / 256 * size))
        corner.append(int(place * (size - side[-1] + 1)))
    draw.rectangle((*corner, corner[0] + side[0] - 1, corner[1] + side[1] - 1), fill=1)
