"""A U-Net without normalisation: pictures to pictures of the same size, of which each pixel sees a bounded part."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAK = 0.2
SMALL = 0.1
"""Of what is added to something that is right already, at first."""


class Filters(nn.Conv2d):
    """A convolution with zero padding, which halves for a ``stride`` of 2.

    Each filter is learnt as a direction and a ``length`` [D, 1, 1, 1] (Salimans and Kingma, 2016): without it, and
    without normalisation of maps, high rates made deep networks explode. Lengths begin as ``share`` of He's.
    """

    def __init__(self, before: int, after: int, side: int, stride: int = 1, share: float = 1.0) -> None:
        super().__init__(before, after, side, stride, (side - 1) // 2)
        begun(self)
        self.length = nn.Parameter(torch.full((after, 1, 1, 1), share * math.sqrt(2 / (1 + LEAK**2))))

    def forward(self, maps: Tensor) -> Tensor:
        shrink = self.weight.square().sum((1, 2, 3), keepdim=True).clamp(min=1e-12).rsqrt()
        found: Tensor = self._conv_forward(maps, self.weight * (self.length * shrink), self.bias)
        return found


def begun(layer: nn.Conv2d) -> nn.Conv2d:
    """The layer with its first weights, after He et al. (2015)."""
    assert layer.bias is not None
    nn.init.kaiming_normal_(layer.weight, LEAK)
    nn.init.zeros_(layer.bias)
    return layer


class Residual(nn.Module):
    """``maps + conv(lrelu(conv(maps)))``, which begins near the identity; 3x3 filters."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enter, self.leave = Filters(width, width, 3), Filters(width, width, 3, share=SMALL)

    def forward(self, maps: Tensor) -> Tensor:
        inner: Tensor = self.leave(F.leaky_relu(self.enter(maps), LEAK))
        return maps + inner


class UNet(nn.Module):
    """Pictures [B, ``channels``, H, W] to maps [B, ``outputs``, H, W] (Ronneberger et al., 2015).

    ``widths`` are the channels from full size downwards, halved in size from one to the next, with so many ``blocks``
    at the smallest. H and W must divide by ``stride``. No output pixel sees further than ``radius`` pixels. A ``share``
    below 1 makes what comes out small at first.
    """

    def __init__(self, channels: int, outputs: int, widths: Sequence[int], blocks: int, share: float = 1.0) -> None:
        super().__init__()
        self.stem = Filters(channels, widths[0], 3)
        steps = list(pairwise(widths))
        self.down = nn.ModuleList(Filters(before, after, 4, stride=2) for before, after in steps)
        self.middle = nn.Sequential(*(Residual(widths[-1]) for _ in range(blocks)))
        self.up = nn.ModuleList(Filters(after, before, 3) for before, after in reversed(steps))
        self.mend = nn.ModuleList(Residual(before) for before, _ in reversed(steps))
        self.head = Filters(widths[0], outputs, 3, share=share)
        self.stride = 2 ** len(steps)
        levels = [2**level for level in range(len(steps))]
        # stem and head; a strided filter reaches 2 pixels of its level; enlarging and a filter 2, and mending 2 more
        self.radius = 2 + sum(2 * size + 4 * size for size in levels) + 2 * blocks * self.stride

    def encode(self, images: Tensor) -> list[Tensor]:
        """The maps on the way down, from full size to the smallest."""
        found = [F.leaky_relu(self.stem(images), LEAK)]
        for shrink in self.down:
            found.append(F.leaky_relu(shrink(found[-1]), LEAK))
        return found

    def forward(self, images: Tensor) -> Tensor:
        *kept, maps = self.encode(images)
        maps = self.middle(maps)
        for enlarge, mend in zip(self.up, self.mend, strict=True):
            maps = enlarge(F.interpolate(maps, size=[2 * side for side in maps.shape[2:]], mode="nearest"))
            maps = mend(F.leaky_relu(maps + kept.pop(), LEAK))
        found: Tensor = self.head(maps)
        return found


class Enlarger(nn.Module):
    """Pictures [B, C, H, W] to [B, C, H * scale, W * scale]: what residual blocks add to a bicubic enlargement.

    After EDSR (Lim et al., 2017): all is done at the small size, and the last filter paints squares of pixels.
    """

    stride = 1

    def __init__(self, channels: int, scale: int, width: int, blocks: int) -> None:
        super().__init__()
        self.scale = scale
        self.stem = Filters(channels, width, 3)
        self.blocks = nn.Sequential(*(Residual(width) for _ in range(blocks)))
        self.join = Filters(width, width, 3)
        self.paint = Filters(width, channels * scale**2, 3, share=0.0)
        self.radius = 3 + 2 * blocks

    def forward(self, images: Tensor) -> Tensor:
        first = self.stem(images)
        maps = first + self.join(self.blocks(first))
        details = F.pixel_shuffle(self.paint(F.leaky_relu(maps, LEAK)), self.scale)
        size = [self.scale * side for side in images.shape[2:]]
        plain = F.interpolate(images, size=size, mode="bicubic", align_corners=False)
        return plain + details.float()


class Patches(nn.Module):
    """Pictures [B, ``channels``, H, W] to logits [B, h * w] of patches (Isola et al., 2017).

    ``widths`` are the channels from half size downwards, and h and w the sides of the smallest maps.
    """

    def __init__(self, channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            begun(nn.Conv2d(before, after, 4, 2, 1)) for before, after in pairwise([channels, *widths])
        )
        self.last = nn.Conv2d(widths[-1], 1, 3, padding=1, bias=False)  # most losses look at differences alone

    def forward(self, images: Tensor) -> Tensor:
        maps = images
        for layer in self.layers:
            maps = F.leaky_relu(layer(maps), LEAK)
        logits: Tensor = self.last(maps).flatten(1).float()
        return logits
