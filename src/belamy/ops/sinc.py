"""Resampling by a windowed sinc, which leaves next to nothing beyond the frequencies that the pixels can carry."""

from __future__ import annotations

import torch
from torch import Tensor

REACH = 3  # zero crossings of the sinc on each side: six taps, as StyleGAN3 has
SHAPE = 4.0  # of the Kaiser window


def sinc_matrix(inputs: int, outputs: int, factor: float, cutoff: float = 1.0) -> Tensor:
    """A row [outputs, inputs] of weights for each of ``outputs`` samples, ``factor`` times as dense as the inputs.

    Both lie around the same centre; beyond the inputs there are zeros. What is faster than a share ``cutoff`` of what
    the coarser of the two can carry is taken away.
    """
    places = (torch.arange(outputs) + 0.5 - outputs / 2) / factor + inputs / 2
    density = min(1.0, factor)
    distance = density * (places[:, None] - torch.arange(inputs) - 0.5)
    window = torch.i0(SHAPE * (1 - (distance / REACH).square()).clamp(min=0).sqrt()) / torch.i0(torch.tensor(SHAPE))
    return torch.sinc(cutoff * distance) * window * (distance.abs() < REACH) * (density * cutoff)


def resampled(maps: Tensor, matrix: Tensor) -> Tensor:
    """Both sides of maps [B, C, H, H] by ``matrix`` [K, H]: [B, C, K, K]."""
    rows = matrix.to(maps.dtype) @ maps.permute(0, 2, 3, 1)
    columns = matrix.to(maps.dtype) @ rows.flatten(2)
    found: Tensor = columns.unflatten(2, rows.shape[2:]).permute(0, 3, 1, 2)
    return found
