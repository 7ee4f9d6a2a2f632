"""A synthesis in the manner of StyleGAN3 (Karras et al., 2021): details move with what they belong to.

Each map stands for a continuous picture: resampling is by windowed sincs, the rectifier works at twice the density so
that the edges it makes do not alias, maps reach beyond the picture so that its border tells nothing, and at the bottom
lie waves in place of learned pixels. The paper's normalisation by running magnitudes and its many cutoffs are left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from belamy.networks.equalised import GAIN, Equalised
from belamy.networks.stylegan import Paint, leaky
from belamy.ops.modulation import modulated_conv2d
from belamy.ops.sinc import resampled, sinc_matrix

MARGIN = 10  # pixels around each map, as in the paper
CUTOFF = 0.7  # of maps smaller than the picture: what a filter this short lets through above it must not alias


class Waves(nn.Module):
    """Maps [B, ``width``, ``side``, ``side``] of waves, turned and shifted as a style [B, ``latent``] says."""

    frequencies: Tensor
    phases: Tensor

    def __init__(self, width: int, base: int, side: int, latent: int) -> None:
        super().__init__()
        self.base, self.side = base, side
        angle, reach = 2 * math.pi * torch.rand(width), torch.rand(width).sqrt() * CUTOFF * base / 2
        self.register_buffer("frequencies", reach[:, None] * torch.stack([angle.cos(), angle.sin()], 1))
        self.register_buffer("phases", torch.rand(width))
        self.affine = Equalised(4, latent)  # cosine and sine of a turn, and a shift to the right and down, in pictures
        nn.init.zeros_(self.affine.weight)
        self.affine.bias = nn.Parameter(torch.tensor([1.0, 0.0, 0.0, 0.0]))
        self.mix = Equalised(width, width, offset=None)

    def forward(self, style: Tensor) -> Tensor:
        turn, shift = normal(self.affine(style).float()).chunk(2, 1)
        line = (torch.arange(self.side, device=style.device) + 0.5 - self.side / 2) / self.base
        place = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1).to(shift.dtype) - shift[:, None, None]
        cosine, sine = turn[:, 0, None, None], turn[:, 1, None, None]
        x, y = place[..., 0] * cosine + place[..., 1] * sine, place[..., 1] * cosine - place[..., 0] * sine
        waves = torch.stack([x, y], -1) @ self.frequencies.t() + self.phases
        maps: Tensor = self.mix((2 * math.pi * waves).sin().permute(0, 3, 1, 2))
        return maps


def normal(numbers: Tensor) -> Tensor:
    """Turns and shifts [B, 4] with the cosine and sine of a turn brought to a length of 1."""
    return numbers / (numbers[:, :2].square().sum(1, keepdim=True) + 1e-8).sqrt()


class Layer(nn.Module):
    """A modulated 3x3 convolution, a bias, and a leaky rectifier at twice the density, on maps of ``side``.

    The maps come with a side of ``before``; ``cutoff`` is that of ``sinc_matrix``.
    """

    enlarge: Tensor | None
    rise: Tensor
    fall: Tensor

    def __init__(self, inputs: int, outputs: int, latent: int, side: int, before: int, cutoff: float) -> None:
        super().__init__()
        self.affine = Equalised(inputs, latent, gain=1.0, offset=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        enlarge = sinc_matrix(before, side, 2.0) if before != side else None
        self.register_buffer("enlarge", enlarge, persistent=False)
        self.register_buffer("rise", sinc_matrix(side, 2 * side, 2.0, cutoff), persistent=False)
        self.register_buffer("fall", sinc_matrix(2 * side, side, 0.5, cutoff), persistent=False)

    def forward(self, maps: Tensor, style: Tensor) -> Tensor:
        if self.enlarge is not None:
            maps = resampled(maps, self.enlarge)
        maps = modulated_conv2d(maps, self.weight, self.affine(style), self.bias, GAIN)
        return resampled(leaky(resampled(maps, self.rise)), self.fall)


class EquivariantSynthesis(nn.Module):
    """Styles W+ [B, ``layers``, ``latent``] to pictures; ``widths`` from the smallest maps up. It takes no noise."""

    noise = 0

    def __init__(self, channels: int, sizes: Sequence[int], widths: Sequence[int], latent: int) -> None:
        super().__init__()
        sides = [size + 2 * MARGIN for size in sizes]
        self.waves = Waves(widths[0], sizes[0], sides[0], latent)
        stack = [Layer(widths[0], widths[0], latent, sides[0], sides[0], CUTOFF)]
        for (before, after), (small, large) in zip(pairwise(widths), pairwise(sides), strict=True):
            cutoff = 1.0 if large == sides[-1] else CUTOFF  # the picture is as sharp as its pixels
            stack += [
                Layer(before, after, latent, large, small, cutoff), Layer(after, after, latent, large, large, cutoff)
            ]  # fmt: skip
        self.stack = nn.ModuleList(stack)
        self.paint = Paint(widths[-1], channels, latent)
        self.layers = len(stack) + 2

    def forward(self, styles: Tensor, noise: Tensor | None = None) -> Tensor:
        first, *inner, last = styles.unbind(1)
        maps = self.waves(first)
        for layer, style in zip(self.stack, inner, strict=True):
            maps = layer(maps, style)
        picture: Tensor = self.paint(maps[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN], last)
        return picture
