"""The networks of StyleGAN2 (Karras et al., 2020): a mapping, a synthesis of modulated layers, a residual critic.

Weights begin as N(0, 1) and are scaled as they run (the equalised learning rate of Karras et al., 2018), so that Adam's
steps are as large for each layer, relative to its weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from belamy.networks.batch import Deviation
from belamy.networks.equalised import GAIN, Equalised, pixel_norm
from belamy.ops.convolution import pointwise
from belamy.ops.modulation import modulated_conv2d, scaled
from belamy.ops.precision import in_full
from belamy.ops.processes import mean_over_processes, processes
from belamy.ops.resample import convolved_halve, downsample

if TYPE_CHECKING:
    from belamy.networks.equivariant import EquivariantSynthesis

MEMORY = 1000  # examples, of a class where there are classes, that the mean style is a mean of, roughly


def map_sizes(resolution: int) -> list[int]:
    """Sides of the maps that lead to a picture: 4, 5, 6 or 7, doubled up to ``resolution``, which is at most 256.

    Raises ValueError for another resolution, with the nearest that works.
    """
    known = sorted(base << level for base in (4, 5, 6, 7) for level in range(1, 7) if base << level <= 256)
    if resolution not in known:
        near = min(known, key=lambda size: abs(size - resolution))
        raise ValueError(
            f"it makes pictures of 4, 5, 6 or 7 times a power of two, 8 to 256 pixels; the nearest to {resolution}"
            f" is {near}: --set game.resolution={near}"
        )
    found = [resolution]
    while found[0] >= 8:
        found.insert(0, found[0] // 2)
    return found


def leaky(values: Tensor) -> Tensor:
    """The leaky rectifier of StyleGAN2, which expects its gain to be in its input."""
    return F.leaky_relu(values, 0.2)


class MappingNetwork(nn.Module):
    """Latents [B, ``latent``] (and classes [B]) to styles W [B, ``latent``]; remembers the mean style of each class."""

    average: Tensor

    def __init__(self, latent: int, classes: int, depth: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(classes, latent) if classes else None
        inputs = [latent * (1 + bool(classes))] + [latent] * (depth - 1)
        self.layers = nn.ModuleList(Equalised(latent, size, rate=0.01) for size in inputs)
        self.register_buffer("average", torch.zeros(max(classes, 1), latent))

    def forward(self, latent: Tensor, classes: Tensor | None = None) -> Tensor:
        values = pixel_norm(latent)
        if self.embedding is not None:
            values = torch.cat([values, pixel_norm(self.embedding(classes))], 1)
        with in_full(values):  # bf16 cannot tell near styles apart
            for layer in self.layers:
                values = leaky(layer(values))
        return values

    def typical(self, classes: Tensor | None = None) -> Tensor:
        """The mean style [B, ``latent``] of the classes [B], or [1, ``latent``] where there are none."""
        return self.average if self.embedding is None else self.average[classes]

    @torch.no_grad()
    def remember(self, styles: Tensor, classes: Tensor | None = None) -> None:
        """Draws the mean towards the styles [B, ``latent``] of the global batch."""
        kinds = classes if self.embedding is not None and classes is not None else styles.new_zeros(len(styles)).long()
        chosen = F.one_hot(kinds, len(self.average)).to(styles.dtype)
        sums = torch.cat([chosen.t() @ styles, chosen.sum(0)[:, None]], 1)
        total, count = (processes() * mean_over_processes(sums)).tensor_split([styles.shape[1]], 1)
        self.average.lerp_(total / count.clamp(min=1), count / (count + MEMORY))


class Layer(nn.Module):
    """A modulated 3x3 convolution, noise, a bias and a leaky rectifier; with ``up`` on maps twice as large."""

    def __init__(self, inputs: int, outputs: int, latent: int, up: bool) -> None:
        super().__init__()
        self.up = up
        self.affine = Equalised(inputs, latent, gain=1.0, offset=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))  # demodulation takes any scale away
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.strength = nn.Parameter(torch.zeros(()))

    def forward(self, maps: Tensor, style: Tensor, noise: Tensor) -> Tensor:
        if self.up:
            maps = doubled(maps)
        maps = modulated_conv2d(maps, self.weight, self.affine(style), self.bias, GAIN)
        return leaky(maps + (noise * (GAIN * self.strength)).to(maps.dtype))


def doubled(maps: Tensor) -> Tensor:
    """The filter [1, 3, 3, 1], which is bilinear interpolation: [B, C, H, W] -> [B, C, 2H, 2W]."""
    return F.interpolate(maps, scale_factor=2, mode="bilinear", align_corners=False)


class Paint(nn.Module):
    """Maps [B, ``inputs``, H, W] to pictures [B, ``channels``, H, W], modulated but not demodulated."""

    def __init__(self, inputs: int, channels: int, latent: int) -> None:
        super().__init__()
        self.affine = Equalised(inputs, latent, gain=1.0, offset=1.0)
        self.weight = nn.Parameter(torch.randn(channels, inputs))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, maps: Tensor, style: Tensor) -> Tensor:
        style = self.affine(style) / math.sqrt(self.weight.shape[1])
        return pointwise(scaled(maps, style), self.weight, self.bias).float()


class Synthesis(nn.Module):
    """Styles W+ [B, ``layers``, ``latent``] and noise [B, ``noise``] to pictures; ``widths`` from the smallest maps up.

    Pictures of each size are added up. ``noise`` holds a number for each pixel of each layer, the smallest first.
    """

    def __init__(self, channels: int, sizes: Sequence[int], widths: Sequence[int], latent: int) -> None:
        super().__init__()
        pairs = list(pairwise(widths))
        self.basis = nn.Parameter(torch.randn(widths[0], sizes[0], sizes[0]))
        self.first = Layer(widths[0], widths[0], latent, up=False)
        self.raising = nn.ModuleList(Layer(before, after, latent, up=True) for before, after in pairs)
        self.keeping = nn.ModuleList(Layer(after, after, latent, up=False) for _, after in pairs)
        self.paints = nn.ModuleList(Paint(width, channels, latent) for width in widths)
        self.sides = [sizes[0]] + [side for size in sizes[1:] for side in (size, size)]
        self.noise = sum(side**2 for side in self.sides)
        self.layers = 2 * len(sizes)

    def forward(self, styles: Tensor, noise: Tensor) -> Tensor:
        parts = noise.split([side**2 for side in self.sides], 1)
        grains = [part.unflatten(1, (1, side, side)) for part, side in zip(parts, self.sides, strict=True)]
        maps = self.basis.expand(styles.shape[0], -1, -1, -1).contiguous(memory_format=torch.channels_last)
        maps = self.first(maps, styles[:, 0], grains[0])
        picture: Tensor = self.paints[0](maps, styles[:, 1])
        for level, (up, keep, paint) in enumerate(zip(self.raising, self.keeping, self.paints[1:], strict=True)):
            place = 2 * level + 1
            maps = up(maps, styles[:, place], grains[place])
            maps = keep(maps, styles[:, place + 1], grains[place + 1])
            picture = doubled(picture) + paint(maps, styles[:, place + 2])
        return picture


class Generator(nn.Module):
    """A mapping and a synthesis, which meet in W+."""

    def __init__(self, mapping: MappingNetwork, synthesis: Synthesis | EquivariantSynthesis) -> None:
        super().__init__()
        self.mapping, self.synthesis = mapping, synthesis

    def styles(self, latent: Tensor, classes: Tensor | None = None) -> Tensor:
        """W+ [B, ``synthesis.layers``, ``latent``]: the same style for each layer."""
        style: Tensor = self.mapping(latent, classes)
        return style[:, None].expand(-1, self.synthesis.layers, -1)


class Halving(nn.Module):
    """A residual block, [B, ``before``, 2H, 2H] -> [B, ``after``, H, H].

    The paper filters by [1, 3, 3, 1] before it halves; beside a 3x3 convolution that costs more than twice as much as
    the plain mean of four pixels here.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.first = Equalised(before, before, 3, 3)
        # The gain of the rectifier and the root of two that the sum of the branches is divided by cancel.
        self.second = Equalised(after, before, 3, 3, gain=1.0)
        self.skip = Equalised(after, before, gain=1 / GAIN, offset=None)

    def forward(self, maps: Tensor) -> Tensor:
        inner = convolved_halve(leaky(self.first(maps)), self.second.scaled, self.second.bias)
        return leaky(inner) + downsample(maps, self.skip.scaled)


class Discriminator(nn.Module):
    """Pictures [B, ``channels``, R, R] (and classes [B]) to logits [B]; ``widths`` from the smallest maps up."""

    def __init__(self, channels: int, base: int, widths: Sequence[int], classes: int = 0) -> None:
        super().__init__()
        top = widths[0]
        self.read = Equalised(widths[-1], channels)
        self.blocks = nn.Sequential(*(Halving(before, after) for before, after in pairwise(reversed(widths))))
        self.vary = Deviation()
        self.last = Equalised(top, top + 1, 3, 3)
        self.gather = Equalised(top, top * base**2)
        self.judge = Equalised(top if classes else 1, top, gain=1.0)
        self.embedding = nn.Embedding(classes, top) if classes else None

    def forward(self, images: Tensor, classes: Tensor | None = None) -> Tensor:
        images = images.contiguous(memory_format=torch.channels_last)
        maps = leaky(self.last(self.vary(self.blocks(leaky(self.read(images))))))
        answer: Tensor = self.judge(leaky(self.gather(maps.flatten(1)))).float()
        if self.embedding is None:
            return answer[:, 0]
        return (answer * pixel_norm(self.embedding(classes))).sum(1) / math.sqrt(answer.shape[1])
