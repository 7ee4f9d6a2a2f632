"""The networks of DCGAN (Radford et al., 2016), as two tutorials have them, and without batch norm for penalties."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from belamy.networks.batch import BatchNorm
from belamy.ops.convolution import Conv2d, ConvTranspose2d, conv2d
from belamy.ops.precision import in_full


def levels(resolution: int) -> int:
    """How often ``resolution`` is halved until 4 to 7 pixels are left."""
    found = 0
    while resolution % 2 == 0 and resolution >= 8:
        resolution //= 2
        found += 1
    return found


class Generator(nn.Sequential):
    """Latents [B, ``latent``] to pictures [B, ``channels``, R, R] in [-1, 1]; ``width``: the fewest channels."""

    def __init__(self, channels: int, resolution: int, latent: int, width: int) -> None:
        count = levels(resolution)
        widths = [width * 2**level for level in range(count - 1, -1, -1)]
        layers: list[nn.Module] = [nn.Unflatten(1, (latent, 1, 1))]
        layers += [ConvTranspose2d(latent, widths[0], resolution >> count, bias=False)]
        for before, after in zip(widths, [*widths[1:], channels], strict=True):
            layers += [BatchNorm(before), nn.ReLU(), ConvTranspose2d(before, after, 4, 2, 1, bias=False)]
        super().__init__(*layers, nn.Tanh())
        self.apply(_first_weights)


class Discriminator(nn.Sequential):
    """Pictures to logits [B]; ``width`` channels after the first layer."""

    def __init__(self, channels: int, resolution: int, width: int) -> None:
        count = levels(resolution)
        layers: list[nn.Module] = [Conv2d(channels, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
        for level in range(1, count):
            before, after = width * 2 ** (level - 1), width * 2**level
            layers += [Conv2d(before, after, 4, 2, 1, bias=False), BatchNorm(after), nn.LeakyReLU(0.2)]
        last = Conv2d(width * 2 ** (count - 1), 1, resolution >> count, bias=False)
        super().__init__(*layers, last, nn.Flatten(0))
        self.apply(_first_weights)


def halved(maps: Tensor, filters: Iterable[Tensor], biases: Iterable[Tensor]) -> Tensor:
    """Maps [B, C, H, H] after convolutions by ``filters`` [D, C, 4, 4] and ``biases`` [D], each to half the side."""
    for weight, bias in zip(filters, biases, strict=True):
        maps = F.leaky_relu(conv2d(maps, weight, bias, stride=2, padding=1), 0.2)
    return maps


class Reader(nn.Module):
    """Pictures [B, ``channels``, R, R] to ``hidden`` numbers [B, ``hidden``], by the discriminator's convolutions.

    Nothing is normalised, so each picture is read by itself, as gradient penalties want it.
    """

    def __init__(self, channels: int, resolution: int, width: int, hidden: int) -> None:
        super().__init__()
        count = levels(resolution)
        widths = [channels, *(width * 2**level for level in range(count))]
        self.filters = nn.ParameterList(torch.empty(after, before, 4, 4) for before, after in pairwise(widths))
        self.biases = nn.ParameterList(torch.zeros(after) for after in widths[1:])
        self.gather = nn.Linear(widths[-1] * (resolution >> count) ** 2, hidden)
        for weight in [*self.filters, self.gather.weight]:
            nn.init.kaiming_normal_(weight, 0.2)

    def forward(self, images: Tensor) -> Tensor:
        maps = images.contiguous(memory_format=torch.channels_last)
        maps = halved(maps, self.filters, self.biases)
        with in_full(images):
            return F.leaky_relu(self.gather(maps.float().flatten(1)), 0.2)


class PlainDiscriminator(nn.Module):
    """Pictures to logits [B], each by itself. ``offset``: whether the logit has a bias."""

    def __init__(self, channels: int, resolution: int, width: int, hidden: int = 256, offset: bool = True) -> None:
        super().__init__()
        self.read = Reader(channels, resolution, width, hidden)
        self.logit = nn.Linear(hidden, 1, bias=offset)

    def forward(self, images: Tensor) -> Tensor:
        seen = self.read(images)
        with in_full(images):
            logits: Tensor = self.logit(seen)[:, 0]
        return logits


def _first_weights(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)
        nn.init.zeros_(layer.bias)


class SmallGenerator(nn.Sequential):
    """TensorFlow's tutorial: a dense layer, normalised unit by unit, to a quarter of the size, and three 5x5 layers.

    Where it pads one side more than the other, this pads the other side more: a mirror image of the same network.
    """

    def __init__(self, channels: int, resolution: int, latent: int, width: int) -> None:
        side = resolution // 4
        super().__init__(
            nn.Linear(latent, 4 * width * side**2, bias=False),
            nn.Unflatten(1, (4 * width * side**2, 1, 1)),
            BatchNorm(4 * width * side**2, eps=1e-3, momentum=0.01), nn.LeakyReLU(0.3),
            nn.Flatten(), nn.Unflatten(1, (4 * width, side, side)),
            nn.ConvTranspose2d(4 * width, 2 * width, 5, 1, 2, bias=False),
            BatchNorm(2 * width, eps=1e-3, momentum=0.01), nn.LeakyReLU(0.3),
            nn.ConvTranspose2d(2 * width, width, 5, 2, 2, 1, bias=False),
            BatchNorm(width, eps=1e-3, momentum=0.01), nn.LeakyReLU(0.3),
            nn.ConvTranspose2d(width, channels, 5, 2, 2, 1, bias=False), nn.Tanh(),
        )  # fmt: skip
        self.apply(_glorot)


class SmallDiscriminator(nn.Module):
    """TensorFlow's tutorial: two 5x5 convolutions with dropout; ``kept`` are its two masks, or None."""

    def __init__(self, channels: int, resolution: int, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, width, 5, 2, 2)
        self.second = nn.Conv2d(width, 2 * width, 5, 2, 2)
        self.last = nn.Linear(2 * width * (resolution // 4) ** 2, 1)
        self.shapes = [(width, resolution // 2, resolution // 2), (2 * width, resolution // 4, resolution // 4)]
        self.apply(_glorot)

    def forward(self, images: Tensor, kept: list[Tensor] | None = None) -> Tensor:
        maps = images
        for index, layer in enumerate((self.first, self.second)):
            maps = F.leaky_relu(layer(maps), 0.3)
            if kept is not None:
                maps = maps * kept[index]
        answer: Tensor = self.last(maps.flatten(1))[:, 0]
        return answer


def _glorot(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.xavier_uniform_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
