"""Euclidean distances between many points, a chunk at a time so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

CHUNK = 1024


def squared_distances(x: Tensor, y: Tensor, chunk: int = CHUNK) -> Iterator[Tensor]:
    """Squared distances from x [N, D] to y [M, D], as blocks [up to ``chunk``, M] over the rows of x."""
    center = y.mean(0)  # near the origin, |x|^2 - 2xy + |y|^2 cancels less
    y = y - center
    lengths = y.square().sum(1)
    for rows in torch.split(x, chunk):
        rows = rows - center
        yield torch.addmm(lengths + rows.square().sum(1, keepdim=True), rows, y.T, alpha=-2).clamp_(min=0)


def nearest(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """For each row of x [N, D] the distance [N] to its nearest row of y [M, D], and that row's index [N]."""
    found = [block.min(1) for block in squared_distances(x, y)]
    return torch.cat([least.values for least in found]).sqrt(), torch.cat([least.indices for least in found])


def radii(x: Tensor, k: int) -> Tensor:
    """Squared distance [N] from each row of x [N, D] to its ``k``-th nearest other row."""
    # the nearest of all is the row itself
    return torch.cat([block.topk(k + 1, largest=False).values[:, k] for block in squared_distances(x, x)])
