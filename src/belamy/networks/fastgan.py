"""The networks of FastGAN (Liu et al., 2021): a lean generator, and a discriminator that can redraw what it sees."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from belamy.networks.batch import BatchNorm
from belamy.ops.resample import double_convolved


def gated(maps: Tensor) -> Tensor:
    """A gated linear unit: [B, 2C, H, W] -> [B, C, H, W]. The backward of torch's own leaves channels_last."""
    values, gates = maps.chunk(2, 1)
    return values * gates.sigmoid()


class Rise(nn.Module):
    """[B, C, H, H] to [B, D, 2H, 2H]: doubled, then a 3x3 convolution, batch norm and a gated linear unit."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2 * after, before, 3, 3) * 0.02)
        self.norm = BatchNorm(2 * after)

    def forward(self, maps: Tensor) -> Tensor:
        return gated(self.norm(double_convolved(maps, self.weight)))


class Excitation(nn.Sequential):
    """Skip-layer excitation (section 3.1): small maps [B, C, h, h] to factors [B, ``width``, 1, 1] of large ones."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__(
            nn.AdaptiveAvgPool2d(4), nn.Conv2d(channels, width, 4), nn.LeakyReLU(0.1), nn.Conv2d(width, width, 1),
            nn.Sigmoid(),
        )  # fmt: skip


class Generator(nn.Module):
    """Latents [B, ``latent``] to pictures [B, ``channels``, R, R] in [-1, 1]; R = 4 * 2^``doublings``.

    Maps are excited by those of a sixteenth of their size; where R is below 64, the largest by those of 4x4.
    """

    def __init__(self, channels: int, doublings: int, latent: int, width: int) -> None:
        super().__init__()
        sizes = [4 * 2**floor for floor in range(doublings + 1)]
        widths = [max(4, width * (64 if size < 64 else 128) // size) for size in sizes]
        self.reach = min(4, doublings)
        self.begin = nn.Linear(latent, 2 * widths[0] * 16, bias=False)
        self.norm = BatchNorm(2 * widths[0])
        self.floors = nn.ModuleList(Rise(*pair) for pair in pairwise(widths))
        far = zip(widths, widths[self.reach :], strict=False)
        self.excitations = nn.ModuleList(Excitation(*pair) for pair in far)
        self.paint = nn.Conv2d(widths[-1], channels, 3, padding=1)
        self.apply(_first_weights)

    def forward(self, latent: Tensor) -> Tensor:
        maps = self.begin(latent).unflatten(1, (-1, 4, 4)).contiguous(memory_format=torch.channels_last)
        floors = [gated(self.norm(maps))]
        for index, rise in enumerate(self.floors, 1):
            maps = rise(floors[-1])
            if (low := index - self.reach) >= 0:
                maps = maps * self.excitations[low](floors[low])
            floors.append(maps)
        picture: Tensor = self.paint(floors[-1]).float().tanh()
        return picture


class Fall(nn.Module):
    """[B, C, 2H, 2H] to [B, D, H, H]: the mean of a branch of two convolutions and of a plain one."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.long = nn.Sequential(
            nn.Conv2d(before, after, 4, 2, 1, bias=False), BatchNorm(after), nn.LeakyReLU(0.2),
            nn.Conv2d(after, after, 3, 1, 1, bias=False), BatchNorm(after), nn.LeakyReLU(0.2),
        )  # fmt: skip
        self.short = nn.Sequential(
            nn.AvgPool2d(2), nn.Conv2d(before, after, 1, bias=False), BatchNorm(after), nn.LeakyReLU(0.2)
        )

    def forward(self, maps: Tensor) -> Tensor:
        mean: Tensor = (self.long(maps) + self.short(maps)) / 2
        return mean


def quarter(maps: Tensor, which: Tensor) -> Tensor:
    """One quarter of each row, 0 to 3 [B]: [B, C, 2H, 2W] -> [B, C, H, W]."""
    quarters: Tensor = maps.unflatten(2, (2, -1)).unflatten(4, (2, -1)).permute(0, 2, 4, 1, 3, 5).flatten(1, 2)
    return quarters[torch.arange(len(maps), device=maps.device), which]


class Discriminator(nn.Module):
    """Pictures [B, ``channels``, R, R] to logits [B, n], one for each place that it looks at.

    Its smallest maps are 8x8 (4x4 for R below 64). From these it redraws the whole picture, from a quarter of those
    before them that quarter of it: both ``side`` pixels wide.
    """

    def __init__(self, channels: int, doublings: int, width: int) -> None:
        super().__init__()
        last = 8 if doublings >= 4 else 4
        sizes = [2 * 2**floor for floor in range(doublings, 0, -1) if 2 * 2**floor >= last]
        widths = [max(4, width * min(16, 128 // size)) for size in sizes]
        self.read = nn.Sequential(nn.Conv2d(channels, widths[0], 4, 2, 1, bias=False), nn.LeakyReLU(0.2))
        self.floors = nn.ModuleList(Fall(*pair) for pair in pairwise(widths))
        self.head = nn.Sequential(
            nn.Conv2d(widths[-1], widths[-1], 1, bias=False), BatchNorm(widths[-1]), nn.LeakyReLU(0.2),
            nn.Conv2d(widths[-1], 1, 4, bias=False),
        )  # fmt: skip
        self.side = min(128, sizes[0])
        self.whole, self.part = (_drawer(before, last, self.side, channels, 2 * width) for before in widths[:-3:-1])
        self.apply(_first_weights)

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The logits, and the maps of all sizes."""
        maps = [self.read(images)]
        for floor in self.floors:
            maps.append(floor(maps[-1]))
        return self.head(maps[-1]).flatten(1).float(), maps

    def redraw(self, maps: list[Tensor], which: Tensor) -> tuple[Tensor, Tensor]:
        """The whole picture and the quarter ``which`` [B] of it, as the maps tell of them."""
        return self.whole(maps[-1]).float(), self.part(quarter(maps[-2], which)).float()


def _drawer(before: int, size: int, side: int, channels: int, width: int) -> nn.Sequential:
    count = (side // size).bit_length() - 1
    widths = [before, *[width] * count]
    return nn.Sequential(*(Rise(*pair) for pair in pairwise(widths)), nn.Conv2d(width, channels, 3, padding=1))


def _first_weights(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.normal_(layer.weight, 0.0, 0.02)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
