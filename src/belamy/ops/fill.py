"""Classical fills of holes, by which a network that paints them is measured, and from which it may start.

In a ``mask`` [B, 1, H, W], or [1, H, W], 1 is where pixels are missing; what a picture holds there plays no part.
"""

from __future__ import annotations

import math
from functools import cache
from heapq import heapify, heappop, heappush
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]
Truths = NDArray[np.bool_]
Steps = NDArray[np.int64]

ITERATIONS = 10
"""Of conjugate gradients: each halves the distance to the solution."""

_TINY = 1e-20


@torch.no_grad()
def harmonic(images: Tensor, mask: Tensor) -> Tensor:
    """Images [B, C, H, W] whose missing pixels are the mean of their neighbours: Laplace's equation.

    Known pixels are the boundary and come back unchanged; nothing flows across the picture's border; a picture of
    which nothing is known becomes the middle grey 0. No gradients pass.

    By conjugate gradients with the preconditioner of Bramble, Pasciak and Xu (1990). With up to half of a picture
    missing, even of noise of -1 and 1, every pixel came within 0.01 of the exact solution at 64x64, 0.02 at 256x256,
    and 0.05 at 512x512. On one core some 1.6 ms for a picture [3, 64, 64] of a batch.
    """
    missing = (mask > 0.5).float()
    known = images.masked_fill(mask > 0.5, 0)
    mean = known.sum((2, 3), keepdim=True) / (1 - missing).sum((2, 3), keepdim=True).clamp(min=1)
    filled = known.addcmul(mean, missing)
    scales = _scales(missing)
    residual = _laplacian(filled) * -missing
    direction = _preconditioned(residual, scales).mul_(missing)
    energy = _dot(residual, direction)
    for _ in range(ITERATIONS):
        pull = _laplacian(direction).mul_(missing)
        step = energy / _dot(direction, pull).clamp(min=_TINY)
        filled.addcmul_(step, direction)
        residual.addcmul_(step, pull, value=-1)
        ready = _preconditioned(residual, scales).mul_(missing)
        before, energy = energy, _dot(residual, ready)
        direction = ready.addcmul_(energy / before.clamp(min=_TINY), direction)
    return torch.where(mask > 0.5, filled, images)


def _laplacian(maps: Tensor) -> Tensor:
    """Each pixel's differences [B, C, H, W] from its neighbours, added; the border's neighbour is itself."""
    wide = F.pad(maps, (1, 1, 1, 1), mode="replicate")
    around = (wide[..., 1:-1, 2:] + wide[..., 1:-1, :-2]).add_(wide[..., 2:, 1:-1]).add_(wide[..., :-2, 1:-1])
    return around.neg_().add_(maps, alpha=4)


def _dot(x: Tensor, y: Tensor) -> Tensor:
    return (x * y).sum((2, 3), keepdim=True)


class _Scale(NamedTuple):
    """``rows`` [H, h] and ``columns`` [W, w] interpolate from half the size; what is there counts by ``weight``."""

    rows: Tensor
    columns: Tensor
    weight: Tensor


def _scales(missing: Tensor) -> list[_Scale]:
    """From half the size down to one pixel. A coarse pixel takes part if all under it are missing."""
    scales = []
    while max(missing.shape[2:]) > 1:
        rows, columns = (_doubling(size).to(missing.device) for size in missing.shape[2:])
        missing = -F.max_pool2d(-missing, 2, ceil_mode=True)
        scales.append(_Scale(rows, columns, 1.5 * missing))  # 1.5 converges fastest; from 1 to 2 hardly matters
    return scales


@cache
def _doubling(size: int) -> Tensor:
    """What interpolates an axis of half as many pixels, rounded up, to ``size``: [``size``, half]."""
    each = torch.eye((size + 1) // 2)[:, None]
    return F.interpolate(each, scale_factor=2.0, mode="linear")[:, 0, :size].t().contiguous()


def _preconditioned(residual: Tensor, scales: list[_Scale]) -> Tensor:
    """The residual plus what it is at every coarser scale: far pixels hear of each other at once."""
    parts = [residual]
    for scale in scales:
        parts.append(scale.rows.t() @ (parts[-1] @ scale.columns))
    found = torch.zeros_like(parts[-1])
    for scale, part in zip(reversed(scales), reversed(parts), strict=False):
        found = scale.rows @ found.addcmul_(scale.weight, part) @ scale.columns.t()
    return found.add_(residual)


def telea(image: Tensor, mask: Tensor, radius: int = 3) -> Tensor:
    """A picture [C, H, W] filled from the rim of its holes inwards (Telea, 2004).

    A missing pixel becomes the weighted mean of what the known ones within ``radius`` pixels, continued by their
    gradients, say that it is. Those count most that lie straight towards the rim, near, and as far from the rim as it
    does. Known pixels come back unchanged; where nothing is known, all is the middle grey 0. In plain Python, some
    0.1 ms a missing pixel.
    """
    hole: Truths = (mask[0] > 0.5).cpu().numpy()
    if hole.all():
        return torch.zeros_like(image)
    distance, order = _distances(hole, radius + 1.0)
    margin = radius + 1  # so that no pixel's neighbours lie outside
    shown = image.masked_fill(mask > 0.5, 0).double().cpu().numpy()
    picture: Floats = np.pad(shown, ((0, 0), (margin, margin), (margin, margin)))
    known, distance = np.pad(~hole, margin), np.pad(distance, margin, mode="edge")
    canvas = _Canvas(picture, known, distance, np.array(np.gradient(distance)), _disc(radius))
    for y, x in order:
        canvas.paint(y + margin, x + margin)
    filled = torch.from_numpy(picture[:, margin:-margin, margin:-margin]).to(image)
    return torch.where(mask > 0.5, filled, image)


class _Canvas(NamedTuple):
    """``picture`` [C, H, W], where it is ``known``, and the ``distance`` from the rim with its ``slope`` [2, H, W]."""

    picture: Floats
    known: Truths
    distance: Floats
    slope: Floats
    disc: Steps

    def paint(self, y: int, x: int) -> None:
        """Makes the pixel known, with Telea's weights of direction, of nearness, and of level."""
        rows, columns = self.disc[0] + y, self.disc[1] + x
        seen = self.known[rows, columns]
        rows, columns, toward = rows[seen], columns[seen], -self.disc[:, seen].astype(np.float64)
        length = np.hypot(*toward)
        direction = np.maximum(np.abs(self.slope[:, y, x] @ toward) / length, 1e-6)
        level = 1 / (1 + np.abs(self.distance[rows, columns] - self.distance[y, x]))
        weight = direction * level / length**2
        said = self.picture[:, rows, columns] + self._rise(rows, columns, toward)
        self.picture[:, y, x] = np.clip(said @ weight / weight.sum(), -1, 1)
        self.known[y, x] = True

    def _rise(self, rows: Steps, columns: Steps, toward: Floats) -> Floats:
        """The gradient at N pixels times steps [2, N]: [C, N], and 0 where not all four neighbours are known.

        With differences to one side, which need fewer, errors would grow from ring to ring.
        """
        below, above, right, left = ((rows + 1, columns), (rows - 1, columns), (rows, columns + 1), (rows, columns - 1))
        inner = self.known[below] & self.known[above] & self.known[right] & self.known[left]
        down = self.picture[:, *below] - self.picture[:, *above]
        across = self.picture[:, *right] - self.picture[:, *left]
        rise: Floats = (down * toward[0] + across * toward[1]) / 2 * inner
        return rise


def _disc(radius: int) -> Steps:
    """Steps [2, N] to all pixels within ``radius`` but the middle one."""
    steps = np.mgrid[-radius : radius + 1, -radius : radius + 1].reshape(2, -1)
    far = (steps**2).sum(0)
    return steps[:, (far > 0) & (far <= radius**2)]


def _distances(hole: Truths, reach: float) -> tuple[Floats, list[tuple[int, int]]]:
    """Distances from the rim, positive in the hole and down to -``reach`` outside; and the hole's pixels, near first.

    The rim are the known pixels beside missing ones, at distance 0.
    """
    wide = np.pad(hole, 1)
    beside = wide[2:, 1:-1] | wide[:-2, 1:-1] | wide[1:-1, 2:] | wide[1:-1, :-2]
    rim = beside & ~hole
    inside, order = _march(hole, rim, math.inf)
    outside, _ = _march(~hole & ~rim, rim, reach)
    return np.where(hole, inside, -np.minimum(outside, reach)), order


def _march(region: Truths, front: Truths, reach: float) -> tuple[Floats, list[tuple[int, int]]]:
    """Times at which a front of speed 1 arrives in ``region``, and its pixels in order (Sethian, 1996).

    Beyond ``reach`` the times are infinite or too long.
    """
    times = np.pad(np.where(front, 0.0, math.inf), 1, constant_values=math.inf).tolist()
    waiting = np.pad(region, 1).tolist()
    heap = [(0.0, int(y) + 1, int(x) + 1) for y, x in np.argwhere(front)]
    heapify(heap)
    order = []
    while heap and heap[0][0] <= reach:
        time, y, x = heappop(heap)
        if time > times[y][x]:
            continue  # it was reached sooner from another side
        if waiting[y][x]:
            waiting[y][x] = False
            order.append((y - 1, x - 1))
        for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if waiting[v][u]:
                arrival = _arrival(min(times[v - 1][u], times[v + 1][u]), min(times[v][u - 1], times[v][u + 1]))
                if arrival < times[v][u]:
                    times[v][u] = arrival
                    heappush(heap, (arrival, v, u))
    return np.array(times)[1:-1, 1:-1], order


def _arrival(a: float, b: float) -> float:
    """The time t with ``(t - a)^2 + (t - b)^2 = 1``, or the earlier neighbour's plus 1 where only that one counts."""
    if abs(a - b) >= 1 or math.isinf(a + b):
        return min(a, b) + 1
    return (a + b + math.sqrt(2 - (a - b) ** 2)) / 2
