"""The networks of progressive growing (Karras et al., 2018): towers whose floors are opened one after another.

All floors are there from the beginning. ``level`` says how many are open: at 0 pictures are 4x4, at 2 they are 16x16,
and at 1.25 the 16x16 floor has faded in by a quarter. A closed floor gets no gradient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from belamy.networks.batch import Deviation
from belamy.networks.equalised import Equalised, pixel_norm
from belamy.ops.precision import in_full
from belamy.ops.resample import convolved_halve, double, double_convolved, halve


def shown(images: Tensor, level: float) -> Tensor:
    """Pictures [B, C, R, R] as they look at ``level``: pooled to its size, and as blurred as a fading picture is."""
    top = math.ceil(level)
    images = F.avg_pool2d(images, images.shape[-1] // (4 * 2**top))
    return images if level == top else torch.lerp(double(halve(images)), images, level - top + 1)


class Rise(nn.Module):
    """[B, C, H, H] to [B, D, 2H, 2H]: doubled, then twice a 3x3 convolution, a leaky rectifier and pixel norm."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.enter, self.mix = Equalised(after, before, 3, 3), Equalised(after, after, 3, 3)

    def forward(self, maps: Tensor) -> Tensor:
        maps = pixel_norm(F.leaky_relu(double_convolved(maps, self.enter.scaled, self.enter.bias), 0.2))
        return pixel_norm(F.leaky_relu(self.mix(maps), 0.2))


class Fall(nn.Module):
    """[B, C, 2H, 2H] to [B, D, H, H]: two 3x3 convolutions with leaky rectifiers.

    The second halves the size, so its rectifier comes after the halving, where the paper has it before.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.mix, self.leave = Equalised(before, before, 3, 3), Equalised(after, before, 3, 3)

    def forward(self, maps: Tensor) -> Tensor:
        maps = F.leaky_relu(self.mix(maps), 0.2)
        return F.leaky_relu(convolved_halve(maps, self.leave.scaled, self.leave.bias), 0.2)


class Generator(nn.Module):
    """Latents [B, ``latent``] to pictures [B, ``channels``, S, S]; S is 4, 8, 16, ... by the buffer ``level``.

    ``widths`` are channels from 4x4 upwards. Latents are normalised, so only their direction matters.
    """

    level: Tensor

    def __init__(self, channels: int, widths: Sequence[int], latent: int) -> None:
        super().__init__()
        self.register_buffer("level", torch.zeros(()))
        self.settled: float | None = None
        self.begin = Equalised(16 * widths[0], latent)
        self.first = Equalised(widths[0], widths[0], 3, 3)
        self.floors = nn.ModuleList(Rise(*pair) for pair in pairwise(widths))
        self.paints = nn.ModuleList(Equalised(channels, width, gain=1.0) for width in widths)

    def forward(self, latent: Tensor) -> Tensor:
        level = self.level.item() if self.settled is None else self.settled
        top = math.ceil(level)
        maps = F.leaky_relu(self.begin(pixel_norm(latent)), 0.2).unflatten(1, (-1, 4, 4))
        maps = pixel_norm(maps).contiguous(memory_format=torch.channels_last)
        below = maps = pixel_norm(F.leaky_relu(self.first(maps), 0.2))
        for floor in self.floors[:top]:
            below, maps = maps, floor(maps)
        picture: Tensor = self.paints[top](maps).float()
        if level < top:
            picture = torch.lerp(double(self.paints[top - 1](below).float()), picture, level - top + 1)
        return picture


class Discriminator(nn.Module):
    """Pictures [B, ``channels``, S, S] of the size of ``level`` to logits [B]; ``widths`` from 4x4 upwards.

    The last layer has no offset: a loss of differences would not see it.
    """

    def __init__(self, channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.reads = nn.ModuleList(Equalised(width, channels) for width in widths)
        self.floors = nn.ModuleList(Fall(above, below) for below, above in pairwise(widths))
        self.vary = Deviation()
        self.last = Equalised(widths[0], widths[0] + 1, 3, 3)
        self.gather = Equalised(widths[0], 16 * widths[0])
        self.judge = Equalised(1, widths[0], gain=1.0, offset=None)

    def forward(self, images: Tensor, level: float) -> Tensor:
        top = math.ceil(level)
        images = images.contiguous(memory_format=torch.channels_last)
        maps = self._read(images, top)
        for index in range(top, 0, -1):
            maps = self.floors[index - 1](maps)
            if index == top and level < top:
                maps = torch.lerp(self._read(halve(images), top - 1).to(maps.dtype), maps, level - top + 1)
        maps = F.leaky_relu(self.last(self.vary(maps)), 0.2)
        with in_full(images):
            features = F.leaky_relu(self.gather(maps.float().flatten(1)), 0.2)
            logits: Tensor = self.judge(features)[:, 0]
            return logits

    def _read(self, images: Tensor, floor: int) -> Tensor:
        return F.leaky_relu(self.reads[floor](images), 0.2)
