"""How far a network sees, measured: the truth that declared radii are held against."""

from __future__ import annotations

from itertools import product

import torch
from torch import nn


def seen(network: nn.Module, channels: int, side: int, stride: int) -> int:
    """The largest distance in input pixels, in any direction, at which an input moves an output.

    Asked are the output pixels of one cell of ``stride`` input pixels in the middle of a picture [``channels``,
    ``side``, ``side``], by the gradients of random inputs; a side that is too small shows as an answer near its half.
    """
    generator = torch.Generator().manual_seed(0)
    network = network.double().requires_grad_(False)
    furthest, corner = 0, side // 2 // stride * stride
    for _ in range(3):  # what a rectifier hides in one picture, another shows
        picture = torch.randn(1, channels, side, side, generator=generator, dtype=torch.float64).requires_grad_()
        output = network(picture)
        output = (output * torch.randn(output.shape, generator=generator, dtype=torch.float64)).sum(1)[0]
        scale = len(output) // side
        for row, column in product(range(corner * scale, (corner + stride) * scale), repeat=2):
            (slope,) = torch.autograd.grad(output[row, column], picture, retain_graph=True)
            rows, columns = slope[0].abs().sum(0).nonzero().unbind(1)
            apart = torch.stack([(rows - row // scale).abs(), (columns - column // scale).abs()])
            furthest = max(furthest, int(apart.max()))
    return furthest
