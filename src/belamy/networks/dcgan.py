"""The networks of DCGAN (Radford et al., 2016), as PyTorch's and TensorFlow's tutorials have them."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from belamy.networks.batch import BatchNorm


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
        layers += [nn.ConvTranspose2d(latent, widths[0], resolution >> count, bias=False)]
        for before, after in zip(widths, [*widths[1:], channels], strict=True):
            layers += [BatchNorm(before), nn.ReLU(), nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False)]
        super().__init__(*layers, nn.Tanh())
        self.apply(_first_weights)


class Discriminator(nn.Sequential):
    """Pictures to logits [B]; ``width`` channels after the first layer."""

    def __init__(self, channels: int, resolution: int, width: int) -> None:
        count = levels(resolution)
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
        for level in range(1, count):
            before, after = width * 2 ** (level - 1), width * 2**level
            layers += [nn.Conv2d(before, after, 4, 2, 1, bias=False), BatchNorm(after), nn.LeakyReLU(0.2)]
        last = nn.Conv2d(width * 2 ** (count - 1), 1, resolution >> count, bias=False)
        super().__init__(*layers, last, nn.Flatten(0))
        self.apply(_first_weights)


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
